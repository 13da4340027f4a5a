//! What each source holds of the endpoint: unanswered calls, and memory of transactions.
//!
//! One rule for both: a source may hold more as long as it has not more than half of what is left.
//! Whoever floods ends up with a third, and the rest stays for others.

use std::collections::BTreeMap;
use std::net::IpAddr;

use partyline_model::Time;

use crate::admission::Limits;
use crate::rate::{Buckets, host};

/// Octets that transactions may hold, all sources together.
const MOST_OCTETS: usize = 64 * 1024 * 1024;
/// What any source may hold, however little is left.
const LEAST_OCTETS: usize = 16 * 1024;
/// Sources whose rates are remembered.
const MOST_SOURCES: usize = 16 * 1024;

/// What one source holds.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    pending: usize,
    octets: usize,
}

/// What all sources hold.
#[derive(Debug)]
pub(crate) struct Shares {
    by_source: BTreeMap<IpAddr, Share>,
    octets: usize,
    invites: Buckets<IpAddr>,
    answers: Buckets<IpAddr>,
}

impl Shares {
    pub(crate) fn new() -> Self {
        Self {
            by_source: BTreeMap::new(),
            octets: 0,
            invites: Buckets::new(MOST_SOURCES),
            answers: Buckets::new(MOST_SOURCES),
        }
    }

    /// Whether a new call of `source` is not one too soon.
    pub(crate) fn take_invite(&mut self, now: Time, source: IpAddr, limits: &Limits) -> bool {
        self.invites.take(now, host(source), limits.invites)
    }

    /// Whether `source` may be answered without a transaction.
    pub(crate) fn take_answer(&mut self, now: Time, source: IpAddr, limits: &Limits) -> bool {
        self.answers.take(now, host(source), limits.answers)
    }

    /// Whether `source` may have one more unanswered call while `free` calls fit.
    pub(crate) fn fits_call(&self, source: IpAddr, limits: &Limits, free: usize) -> bool {
        let held = self.of(source).pending;
        free > 0 && held < limits.pending && (held == 0 || held < free.div_ceil(2))
    }

    /// Whether `source` may hold `octets` more.
    pub(crate) fn fits(&self, source: IpAddr, octets: usize) -> bool {
        let free = MOST_OCTETS.saturating_sub(self.octets);
        let held = self.of(source).octets + octets;
        octets <= free && held <= (free / 2).max(LEAST_OCTETS)
    }

    pub(crate) fn add_call(&mut self, source: IpAddr) {
        self.by_source.entry(host(source)).or_default().pending += 1;
    }

    pub(crate) fn remove_call(&mut self, source: IpAddr) {
        self.change(source, |share| share.pending = share.pending.saturating_sub(1));
    }

    /// A transaction of `source` that held `before` octets holds `after`.
    pub(crate) fn resize(&mut self, source: IpAddr, before: usize, after: usize) {
        self.octets = (self.octets + after).saturating_sub(before);
        self.change(source, |share| share.octets = (share.octets + after).saturating_sub(before));
    }

    /// Octets that all transactions hold.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    fn of(&self, source: IpAddr) -> Share {
        self.by_source.get(&host(source)).copied().unwrap_or_default()
    }

    fn change(&mut self, source: IpAddr, change: impl FnOnce(&mut Share)) {
        let source = host(source);
        let share = self.by_source.entry(source).or_default();
        change(share);
        if share.pending == 0 && share.octets == 0 {
            self.by_source.remove(&source);
        }
    }

    /// Sources that hold something.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.by_source.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_flood_gets_a_third_of_the_calls_and_the_others_the_rest() {
        let mut shares = Shares::new();
        let capacity = 900;
        let mut take = |source: &str| {
            let mut got = 0;
            let free = |shares: &Shares| {
                capacity - shares.by_source.values().map(|share| share.pending).sum::<usize>()
            };
            while shares.fits_call(ip(source), &Limits::NONE, free(&shares)) {
                shares.add_call(ip(source));
                got += 1;
            }
            got
        };
        assert_eq!(take("192.0.2.1"), 300);
        assert_eq!(take("192.0.2.2"), 200, "a second flood has a third of what is left");
        for host in 1..100 {
            let other = ip(&format!("198.51.100.{host}"));
            assert!(shares.fits_call(other, &Limits::NONE, 400), "and others have their calls");
        }
    }

    #[test]
    fn limits_hold_below_the_share() {
        let mut shares = Shares::new();
        let limits = Limits { pending: 2, ..Limits::NONE };
        for _ in 0..2 {
            assert!(shares.fits_call(ip("192.0.2.1"), &limits, 100));
            shares.add_call(ip("192.0.2.1"));
        }
        assert!(!shares.fits_call(ip("192.0.2.1"), &limits, 100));
        shares.remove_call(ip("192.0.2.1"));
        assert!(shares.fits_call(ip("192.0.2.1"), &limits, 100));
        assert!(!shares.fits_call(ip("192.0.2.9"), &limits, 0));
    }

    #[test]
    fn octets_are_shared_and_given_back() {
        let mut shares = Shares::new();
        let (flood, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let mut held = 0;
        while shares.fits(flood, 1000) {
            shares.resize(flood, 0, 1000);
            held += 1000;
        }
        assert!(held <= MOST_OCTETS / 3 + 1000 && shares.octets() == held);
        assert!(shares.fits(other, 1_000_000) && !shares.fits(flood, 1000));
        shares.resize(flood, held, 10);
        assert!(shares.fits(flood, 1000));
        shares.resize(flood, 10, 0);
        assert_eq!((shares.len(), shares.octets()), (0, 0), "nothing is left of it");
    }
}
