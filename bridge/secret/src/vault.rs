//! The pool of locked pages.

use std::sync::Arc;

use crate::page::{Page, Residence};
use crate::{SecretDigits, VaultError};

/// The pool that [`SecretDigits`] come from: grows page by page, 64 slots each, and never shrinks.
///
/// It has one owner, the core that keeps the calls. The digits it hands out may outlive it.
///
/// ```compile_fail,E0277
/// fn show(vault: &partyline_secret::Vault) -> String { format!("{vault:?}") }
/// ```
pub struct Vault {
    residence: Residence,
    pages: Vec<Arc<Page>>,
    /// The page that last had a free slot.
    last: usize,
}

impl Vault {
    /// A pool of locked pages, with the first page in place: what fails later for want of a
    /// privilege fails here.
    ///
    /// # Errors
    /// [`VaultError::Lock`] when the process may lock no memory. The server then refuses to
    /// start, or is told by its configuration to go on with [`Vault::swappable`].
    pub fn new() -> Result<Self, VaultError> {
        Self::with(Residence::Locked)
    }

    /// A pool of pages that are wiped and left out of core dumps but not locked: for simulations,
    /// and for machines without swap space where locking is not allowed.
    ///
    /// # Errors
    /// [`VaultError::Map`] or [`VaultError::Exclude`] when the system refuses.
    pub fn swappable() -> Result<Self, VaultError> {
        Self::with(Residence::Swappable)
    }

    fn with(residence: Residence) -> Result<Self, VaultError> {
        let first = Arc::new(Page::map(residence)?);
        Ok(Self { residence, pages: vec![first], last: 0 })
    }

    /// An empty place for up to [`MAX_DIGITS`](crate::MAX_DIGITS) digits.
    ///
    /// # Errors
    /// A [`VaultError`] when all slots are in use and the pool cannot grow. What is handed out
    /// stays valid; the caller who has no place for his digits is to be refused.
    pub fn digits(&mut self) -> Result<SecretDigits, VaultError> {
        let (before, after) = self.pages.split_at(self.last);
        let ring = after.iter().chain(before).enumerate();
        for (step, page) in ring {
            if let Some(slot) = page.claim() {
                self.last = (self.last + step) % self.pages.len();
                return Ok(SecretDigits::new(slot));
            }
        }
        let page = Arc::new(Page::map(self.residence)?);
        let slot = page.claim().expect("a new page has free slots");
        self.last = self.pages.len();
        self.pages.push(page);
        Ok(SecretDigits::new(slot))
    }

    /// Slots in all pages, free and in use; for a gauge.
    pub fn capacity(&self) -> usize {
        self.pages.len() * crate::page::SLOTS
    }

    #[cfg(test)]
    pub(crate) fn page(&self, index: usize) -> Arc<Page> {
        Arc::clone(&self.pages[index])
    }
}

#[cfg(test)]
mod tests {
    use partyline_model::Digit;

    use super::*;

    fn typed(vault: &mut Vault, text: &str) -> SecretDigits {
        let mut digits = vault.digits().unwrap();
        for c in text.chars() {
            assert!(digits.push(Digit::from_char(c).unwrap()).is_ok());
        }
        digits
    }

    #[test]
    fn ten_thousand_callers_type_into_places_of_their_own() {
        let mut vault = Vault::swappable().unwrap();
        let all: Vec<SecretDigits> =
            (0..10_000).map(|n| typed(&mut vault, &format!("{n:05}"))).collect();
        assert_eq!(vault.capacity(), 10_000usize.next_multiple_of(64));
        for (n, digits) in all.into_iter().enumerate() {
            assert_eq!(digits.reveal(), format!("{n:05}"));
        }
    }

    #[test]
    fn dropped_places_are_used_again() {
        let mut vault = Vault::swappable().unwrap();
        let mut kept: Vec<_> = (0..640).map(|_| vault.digits().unwrap()).collect();
        for round in 0..1000 {
            let at = round * 7 % kept.len();
            kept.swap_remove(at);
            kept.push(vault.digits().unwrap());
        }
        assert_eq!(vault.capacity(), 640);
        kept.clear();
        let again: Vec<_> = (0..640).map(|_| vault.digits().unwrap()).collect();
        assert!(again.iter().all(SecretDigits::is_empty));
        assert_eq!(vault.capacity(), 640);
    }

    #[test]
    fn a_dropped_secret_leaves_only_zero_bytes() {
        let mut vault = Vault::swappable().unwrap();
        let page = vault.page(0);
        let digits = typed(&mut vault, "48151623");
        let neighbour = typed(&mut vault, "42");
        let (at, beside) = (digits.slot_index(), neighbour.slot_index());
        assert!(page.peek(at).windows(8).any(|w| w == b"48151623"));
        drop(digits);
        assert!(page.peek(at) == [0; 64]);
        assert!(page.peek(beside).windows(2).any(|w| w == b"42"));
        assert_eq!(neighbour.reveal(), "42");
        assert!(page.peek(beside) == [0; 64]);
    }

    #[test]
    fn digits_outlive_their_vault_and_may_change_threads() {
        let mut vault = Vault::swappable().unwrap();
        let digits = typed(&mut vault, "1234");
        drop(vault);
        let read = std::thread::spawn(move || digits.reveal()).join();
        assert_eq!(read.ok().as_deref(), Some("1234"));
    }

    #[test]
    fn many_threads_never_share_a_slot() {
        let mut vault = Vault::swappable().unwrap();
        let page = vault.page(0);
        drop(vault.digits());
        let claim = |_| {
            let page = Arc::clone(&page);
            std::thread::spawn(move || {
                for _ in 0..2000 {
                    let mut slots: Vec<_> = (0..8).filter_map(|_| page.claim()).collect();
                    for slot in &mut slots {
                        assert!(slot.bytes() == &[0; 64]);
                        slot.bytes_mut().fill(1);
                    }
                }
            })
        };
        let threads: Vec<_> = (0..4).map(claim).collect();
        for thread in threads {
            assert!(thread.join().is_ok());
        }
    }

    /// The flags of the mapping that holds `address` (proc_pid_smaps(5)).
    fn vm_flags(address: usize) -> Vec<String> {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in smaps.lines() {
            let range = line.split(' ').next().and_then(|r| r.split_once('-'));
            let bound = |text| usize::from_str_radix(text, 16).ok();
            if let Some((start, end)) = range.and_then(|(s, e)| bound(s).zip(bound(e))) {
                inside = (start..end).contains(&address);
            } else if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags:")) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        Vec::new()
    }

    #[test]
    fn pages_are_locked_out_of_dumps_and_wiped_on_fork() {
        let vault = match Vault::new() {
            Ok(vault) => vault,
            // A sandbox may forbid locking; then the refusal is what must be right.
            Err(VaultError::Lock { errno }) => {
                assert!([libc::EPERM, libc::ENOMEM, libc::EAGAIN].contains(&errno));
                return;
            }
            Err(other) => panic!("{other}"),
        };
        let flags = vm_flags(vault.page(0).address());
        for flag in ["lo", "dd", "wf"] {
            assert!(flags.iter().any(|f| f == flag), "{flag} not in {flags:?}");
        }
    }

    #[test]
    fn swappable_pages_stay_out_of_dumps_without_a_lock() {
        let vault = Vault::swappable().unwrap();
        let flags = vm_flags(vault.page(0).address());
        assert!(flags.iter().any(|f| f == "dd") && !flags.iter().any(|f| f == "lo"), "{flags:?}");
    }
}
