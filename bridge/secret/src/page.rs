//! Locked memory and its slots: the only place of the crate that touches raw memory.
#![allow(unsafe_code)]

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroize;

use crate::VaultError;
use crate::error::errno;

/// Bytes in a slot: a cache line.
pub(crate) const SLOT_BYTES: usize = 64;
/// Slots in a page: the bits of [`Page::used`].
pub(crate) const SLOTS: usize = 64;

/// Whether a page may be written to swap space.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Residence {
    /// Locked in memory.
    Locked,
    /// As the system likes.
    Swappable,
}

/// One anonymous mapping, zero wherever no slot is in use.
pub(crate) struct Page {
    base: NonNull<u8>,
    /// Length of the mapping; a slot never lies beyond `SLOTS * SLOT_BYTES`.
    len: usize,
    /// Bit i is set while a [`Slot`] with index i exists.
    used: AtomicU64,
}

// SAFETY: a page is plain memory without ties to a thread. Bytes are reached through a `Slot`
// only, and the bit in `used` makes each slot's owner the only one.
unsafe impl Send for Page {}
// SAFETY: as above; what is shared between threads, `used`, is atomic.
unsafe impl Sync for Page {}

impl Page {
    /// Maps a page, keeps it out of core dumps and of forked children, and locks it if asked.
    pub(crate) fn map(residence: Residence) -> Result<Self, VaultError> {
        let len = page_size().max(SLOTS * SLOT_BYTES);
        // SAFETY: a new private anonymous mapping at an address of the kernel's choice touches
        // no memory that anybody has.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(VaultError::Map { errno: errno() });
        }
        let base = NonNull::new(base.cast()).ok_or(VaultError::Map { errno: libc::ENOMEM })?;
        let page = Self { base, len, used: AtomicU64::new(0) };
        page.exclude()?;
        if residence == Residence::Locked {
            page.lock()?;
        }
        Ok(page)
    }

    fn exclude(&self) -> Result<(), VaultError> {
        // SAFETY: the range is exactly our own mapping; the advice changes no byte of it.
        if unsafe { libc::madvise(self.base.as_ptr().cast(), self.len, libc::MADV_DONTDUMP) } != 0 {
            return Err(VaultError::Exclude { errno: errno() });
        }
        // SAFETY: as above; in a forked child, which we never make, the page would read as zero.
        let wiped =
            unsafe { libc::madvise(self.base.as_ptr().cast(), self.len, libc::MADV_WIPEONFORK) };
        match (wiped == 0).then_some(()).ok_or_else(errno) {
            // EINVAL: a kernel before 4.14, which does not know the advice.
            Ok(()) | Err(libc::EINVAL) => Ok(()),
            Err(errno) => Err(VaultError::Exclude { errno }),
        }
    }

    fn lock(&self) -> Result<(), VaultError> {
        // SAFETY: the range is exactly our own mapping; locking changes no byte of it.
        if unsafe { libc::mlock(self.base.as_ptr().cast(), self.len) } != 0 {
            return Err(VaultError::Lock { errno: errno() });
        }
        Ok(())
    }

    /// A free slot, all zero; `None` when all are in use.
    pub(crate) fn claim(self: &Arc<Self>) -> Option<Slot> {
        loop {
            let free = !self.used.load(Ordering::Relaxed);
            if free == 0 {
                return None;
            }
            let bit = 1 << free.trailing_zeros();
            // Acquire pairs with the Release of `Slot::drop`: the wiping comes before.
            if self.used.fetch_or(bit, Ordering::Acquire) & bit == 0 {
                return Some(Slot { page: Arc::clone(self), bit });
            }
        }
    }

    /// The bytes of slot `index`, owned or not.
    #[cfg(test)]
    pub(crate) fn peek(&self, index: usize) -> [u8; SLOT_BYTES] {
        assert!(index < SLOTS);
        // SAFETY: inside the mapping, which lives as long as `self`. Tests have no other thread
        // that writes to the slot. Volatile, so that the wiped memory itself is read.
        unsafe { ptr::read_volatile(self.base.as_ptr().add(index * SLOT_BYTES).cast()) }
    }

    /// Where the page lies, to find it in `/proc/self/smaps`.
    #[cfg(test)]
    pub(crate) fn address(&self) -> usize {
        self.base.as_ptr() as usize
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Every slot holds its page, so that none is left, and each has wiped itself.
        debug_assert_eq!(*self.used.get_mut(), 0);
        // SAFETY: the range is exactly our own mapping and nothing refers to it any more.
        let unmapped = unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert_eq!(unmapped, 0);
    }
}

/// The only access to 64 bytes of a page; wiped and given back when dropped.
pub(crate) struct Slot {
    page: Arc<Page>,
    /// Our bit in [`Page::used`]; exactly one is set.
    bit: u64,
}

impl Slot {
    /// Which slot of its page it is.
    pub(crate) fn index(&self) -> usize {
        // At most 63.
        self.bit.trailing_zeros() as usize
    }

    fn start(&self) -> NonNull<[u8; SLOT_BYTES]> {
        // SAFETY: the index is below SLOTS, so that the slot lies inside the mapping.
        unsafe { self.page.base.add(self.index() * SLOT_BYTES) }.cast()
    }

    pub(crate) fn bytes(&self) -> &[u8; SLOT_BYTES] {
        // SAFETY: mapped, initialised (the kernel zeroes it), aligned for u8, and kept mapped by
        // `self.page`. Our bit makes us the only owner, and `&self` keeps `bytes_mut` away.
        unsafe { self.start().as_ref() }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; SLOT_BYTES] {
        // SAFETY: as in `bytes`; `&mut self` makes this the only reference.
        unsafe { self.start().as_mut() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        self.page.used.fetch_and(!self.bit, Ordering::Release);
    }
}

fn page_size() -> usize {
    // SAFETY: sysconf reads a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
