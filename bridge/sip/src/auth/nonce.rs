//! Nonces that cost nothing until somebody has answered one (RFC 7616 §3.3, §5.4).
//!
//! A nonce says when it was made and which it is, and proves with a keyed hash that it is ours:
//! a stranger's request leaves nothing in memory. Of a nonce that was answered rightly the counts
//! that it was used with are kept, so that nobody who listened can use it again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use partyline_model::Time;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::algorithm::Hex;
use crate::rate::host;

/// Octets of a nonce: time, number, and half of the keyed hash.
const NONCE_OCTETS: usize = 32;
/// What comes before the keyed hash.
const SIGNED_OCTETS: usize = 16;

/// How long nonces live and how many are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceLimits {
    /// From when it is made; an answer that comes later is stale.
    pub lifetime: Duration,
    /// Nonces that were used and are not too old yet. Beyond it the oldest is given up, and all
    /// made before it count as too old: their users are asked once more.
    pub most_used: usize,
}

impl Default for NonceLimits {
    /// Five minutes; 16,384 nonces, about 1 MiB.
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(300), most_used: 16_384 }
    }
}

/// A nonce of ours, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonce {
    made: Time,
    number: u64,
}

/// Why a right answer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Too old, or given up.
    Stale,
    /// The count was used before, or lies too far behind.
    Replayed,
}

/// Makes nonces, and knows those that were used.
pub(super) struct Nonces {
    key: Zeroizing<[u8; 32]>,
    limits: NonceLimits,
    last: u64,
    /// Nonces up to this one count as too old.
    given_up: u64,
    used: BTreeMap<u64, Used>,
}

/// The counts that a nonce was used with.
struct Used {
    made: Time,
    counts: Window,
}

/// The highest count, and which of the 64 up to it were used: bit n is for the count n below.
struct Window {
    highest: u32,
    bits: u64,
}

impl Nonces {
    pub(super) fn new(key: Zeroizing<[u8; 32]>, limits: NonceLimits) -> Self {
        Self { key, limits, last: 0, given_up: 0, used: BTreeMap::new() }
    }

    /// A nonce for users of a realm at a host: 64 hexadecimal digits.
    pub(super) fn make(&mut self, now: Time, whose: (&str, IpAddr)) -> Hex {
        self.last += 1;
        let mut octets = [0; NONCE_OCTETS];
        octets[..8].copy_from_slice(&now.as_millis().to_be_bytes());
        octets[8..SIGNED_OCTETS].copy_from_slice(&self.last.to_be_bytes());
        let mac = self.mac(&octets[..SIGNED_OCTETS], whose).finalize().into_bytes();
        let room = octets[SIGNED_OCTETS..].iter_mut();
        room.zip(mac).for_each(|(octet, byte)| *octet = byte);
        Hex::write(&octets)
    }

    /// Reads a nonce; `None` when it is not ours, or was made for another realm or another host.
    pub(super) fn read(&self, text: &str, whose: (&str, IpAddr)) -> Option<Nonce> {
        let mut octets = [0; NONCE_OCTETS];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != NONCE_OCTETS || !rest.is_empty() {
            return None;
        }
        for (octet, pair) in octets.iter_mut().zip(pairs) {
            let digits = pair.iter().all(u8::is_ascii_hexdigit);
            let pair = std::str::from_utf8(pair).ok().filter(|_| digits)?;
            *octet = u8::from_str_radix(pair, 16).ok()?;
        }
        let (signed, mac) = octets.split_at(SIGNED_OCTETS);
        self.mac(signed, whose).verify_truncated_left(mac).ok()?;
        let half = |at: usize| signed[at..at + 8].try_into().map(u64::from_be_bytes);
        let made = Time::from_millis(half(0).ok()?);
        Some(Nonce { made, number: half(8).ok()? })
    }

    fn mac(&self, signed: &[u8], (realm, source): (&str, IpAddr)) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&*self.key);
        let mac = mac.expect("HMAC has keys of any length").chain_update(signed);
        let mac = match host(source) {
            IpAddr::V4(v4) => mac.chain_update(v4.to_ipv6_mapped().octets()),
            IpAddr::V6(v6) => mac.chain_update(v6.octets()),
        };
        mac.chain_update(realm)
    }

    /// Whether a nonce is too old, or given up.
    pub(super) fn is_stale(&self, now: Time, nonce: Nonce) -> bool {
        nonce.number <= self.given_up || now.since(nonce.made) > self.limits.lifetime
    }

    /// Uses a nonce, after its answer was found right. Without a count it serves once.
    pub(super) fn spend(
        &mut self,
        now: Time,
        nonce: Nonce,
        count: Option<u32>,
    ) -> Result<(), Unusable> {
        self.forget(now);
        if self.is_stale(now, nonce) {
            return Err(Unusable::Stale);
        }
        if let Some(used) = self.used.get_mut(&nonce.number) {
            // Whoever sends no count is not protected by it: the nonce has served.
            let fresh = count.is_some_and(|count| used.counts.take(count));
            return if fresh { Ok(()) } else { Err(Unusable::Replayed) };
        }
        if count == Some(0) {
            return Err(Unusable::Replayed);
        }
        if self.used.len() >= self.limits.most_used.max(1) {
            let oldest = self.used.keys().next().copied().unwrap_or_default().min(nonce.number);
            self.given_up = oldest;
            self.used.remove(&oldest);
            if oldest == nonce.number {
                return Err(Unusable::Stale);
            }
        }
        let counts = Window::from(count);
        self.used.insert(nonce.number, Used { made: nonce.made, counts });
        Ok(())
    }

    /// Forgets nonces that are too old: their numbers rise with their time.
    fn forget(&mut self, now: Time) {
        while let Some(first) = self.used.first_entry() {
            if now.since(first.get().made) <= self.limits.lifetime {
                return;
            }
            first.remove();
        }
    }

    /// Nonces that are remembered.
    pub(super) fn len(&self) -> usize {
        self.used.len()
    }
}

impl From<Option<u32>> for Window {
    /// The window of a nonce that is used for the first time. Without a count all are used up.
    fn from(count: Option<u32>) -> Self {
        match count {
            Some(highest) => Self { highest, bits: 1 },
            None => Self { highest: u32::MAX, bits: u64::MAX },
        }
    }
}

impl Window {
    /// Takes a count that was not used; requests may overtake each other by 63.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let step = count - self.highest;
            self.bits = self.bits.checked_shl(step).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let bit = 1u64.checked_shl(self.highest - count).unwrap_or(0);
        let fresh = count > 0 && bit != 0 && self.bits & bit == 0;
        self.bits |= if fresh { bit } else { 0 };
        fresh
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const REALM: (&str, IpAddr) = ("phones.example", IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));

    fn nonces(most_used: usize) -> Nonces {
        let limits = NonceLimits { most_used, ..NonceLimits::default() };
        Nonces::new(Zeroizing::new([7; 32]), limits)
    }

    fn at(secs: u64) -> Time {
        Time::from_secs(secs)
    }

    #[test]
    fn only_what_we_made_for_the_realm_and_the_host_is_ours() {
        let mut ours = nonces(9);
        let text = ours.make(at(5), REALM).as_str().to_owned();
        assert_eq!(ours.read(&text, REALM), Some(Nonce { made: at(5), number: 1 }));
        assert!(ours.read(&text.to_ascii_uppercase(), REALM).is_some());
        assert_eq!(ours.read(&text, ("other.example", REALM.1)), None);
        let elsewhere = Ipv4Addr::new(192, 0, 2, 8).into();
        assert_eq!(ours.read(&text, (REALM.0, elsewhere)), None, "it was given to another");
        let other = Nonces::new(Zeroizing::new([8; 32]), NonceLimits::default());
        assert_eq!(other.read(&text, REALM), None);
        for place in 0..text.len() {
            let digit = if &text[place..=place] == "0" { "1" } else { "0" };
            let forged = format!("{}{digit}{}", &text[..place], &text[place + 1..]);
            assert_eq!(ours.read(&forged, REALM), None);
        }
        let long = format!("{text}00");
        for bad in ["", &text[..62], &long, &text.replace(&text[..1], "+"), &"é".repeat(32)] {
            assert_eq!(ours.read(bad, REALM), None, "{bad}");
        }
        assert_ne!(ours.make(at(5), REALM).as_str(), text);
        assert_eq!(ours.len(), 0, "nothing is kept of a nonce that nobody used");
    }

    #[test]
    fn each_count_serves_once_in_any_order_within_its_window() {
        let mut nonces = nonces(9);
        let nonce = Nonce { made: at(0), number: 1 };
        let replayed = Err(Unusable::Replayed);
        for (count, expected) in [
            (0, replayed),
            (3, Ok(())),
            (3, replayed),
            (1, Ok(())),
            (1, replayed),
            (0, replayed),
            (66, Ok(())),
            (3, replayed),
            (2, replayed), // 64 behind
            (4, Ok(())),
            (u32::MAX, Ok(())),
            (u32::MAX, replayed),
            (66, replayed),
        ] {
            assert_eq!(nonces.spend(at(1), nonce, Some(count)), expected, "{count}");
        }
        assert_eq!(nonces.spend(at(1), nonce, None), replayed);
        let once = Nonce { made: at(0), number: 2 };
        assert_eq!(nonces.spend(at(1), once, None), Ok(()));
        for count in [None, Some(1), Some(9)] {
            assert_eq!(nonces.spend(at(1), once, count), replayed, "without a count it served");
        }
    }

    #[test]
    fn a_nonce_is_too_old_after_its_lifetime_and_then_forgotten() {
        let mut nonces = nonces(9);
        let nonce = Nonce { made: at(100), number: 1 };
        assert_eq!(nonces.spend(at(400), nonce, Some(1)), Ok(()));
        assert_eq!(nonces.len(), 1);
        assert_eq!(nonces.spend(at(401), nonce, Some(2)), Err(Unusable::Stale));
        assert_eq!(nonces.len(), 0);
    }

    #[test]
    fn a_full_table_gives_up_the_oldest_and_lets_none_of_them_be_used_again() {
        let mut nonces = nonces(3);
        let nonce = |number| Nonce { made: at(1), number };
        for number in [2, 5, 9] {
            assert_eq!(nonces.spend(at(1), nonce(number), Some(1)), Ok(()));
        }
        assert_eq!(nonces.spend(at(1), nonce(7), Some(1)), Ok(()));
        assert_eq!(nonces.len(), 3);
        assert_eq!(nonces.spend(at(1), nonce(2), Some(2)), Err(Unusable::Stale), "given up");
        assert_eq!(nonces.spend(at(1), nonce(1), Some(1)), Err(Unusable::Stale), "older still");
        assert_eq!(nonces.spend(at(1), nonce(3), Some(1)), Err(Unusable::Stale));
        assert_eq!(nonces.spend(at(1), nonce(5), Some(2)), Ok(()), "it is not given up for 3");
        assert_eq!(nonces.spend(at(1), nonce(9), Some(2)), Ok(()));
        assert_eq!(nonces.len(), 3);
    }

    proptest! {
        #[test]
        fn no_pair_of_nonce_and_count_is_taken_twice(
            uses in prop::collection::vec((1u64..6, prop::option::of(0u32..90), 0u64..40), 1..200),
        ) {
            let mut nonces = nonces(3);
            let mut taken = Vec::new();
            let mut now = Time::ZERO;
            for (number, count, wait) in uses {
                now += Duration::from_secs(wait);
                let nonce = Nonce { made: Time::ZERO, number };
                if nonces.spend(now, nonce, count).is_ok() {
                    prop_assert!(now <= at(300));
                    prop_assert!(!taken.contains(&(number, count)));
                    prop_assert!(!taken.contains(&(number, None)));
                    prop_assert!(count.is_some() || !taken.iter().any(|(n, _)| *n == number));
                    taken.push((number, count));
                }
                prop_assert!(nonces.len() <= 3);
            }
        }
    }
}
