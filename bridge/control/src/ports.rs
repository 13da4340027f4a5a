//! Which leg has which RTP port.
//!
//! Ports are drawn, so that who calls does not know the next caller's. A port that was given back
//! rests: packets of the old call that are still on their way die out before it is used again.

use std::collections::{BTreeMap, VecDeque};

use partyline_model::{CallId, IdSource};

use crate::config::PortRange;

/// One of so many ports rests at most, so that the others are many enough to draw from.
const RESTING_SHARE: usize = 4;

/// The free and the taken ports of a node.
#[derive(Debug)]
pub(crate) struct Ports {
    /// To be drawn from, in no order.
    free: Vec<u16>,
    /// Given back, the earliest first.
    resting: VecDeque<u16>,
    most_resting: usize,
    taken: BTreeMap<CallId, u16>,
}

impl Ports {
    pub(crate) fn new(range: PortRange) -> Self {
        let free: Vec<u16> = range.even_ports().collect();
        Self {
            most_resting: free.len() / RESTING_SHARE,
            free,
            resting: VecDeque::new(),
            taken: BTreeMap::new(),
        }
    }

    /// A port for `call`, in exchange for the one it has.
    pub(crate) fn take(&mut self, call: CallId, random: &mut dyn IdSource) -> Option<u16> {
        let port = self.draw(random);
        self.release(call);
        self.taken.insert(call, port?);
        port
    }

    pub(crate) fn of(&self, call: CallId) -> Option<u16> {
        self.taken.get(&call).copied()
    }

    pub(crate) fn release(&mut self, call: CallId) {
        let Some(port) = self.taken.remove(&call) else { return };
        self.resting.push_back(port);
        if self.resting.len() > self.most_resting {
            self.free.extend(self.resting.pop_front());
        }
    }

    /// Any of the free ports; when none is left, any of those that have rested longer than half.
    fn draw(&mut self, random: &mut dyn IdSource) -> Option<u16> {
        if !self.free.is_empty() {
            let place = below(self.free.len(), random);
            return Some(self.free.swap_remove(place));
        }
        let place = below(self.resting.len().div_ceil(2), random);
        self.resting.swap_remove_front(place)
    }
}

/// A number below `count`, each as likely as the others but for one part in 2^48: there are not as
/// many as 2^16 ports.
fn below(count: usize, random: &mut dyn IdSource) -> usize {
    let bits = random.next_u128() & u128::from(u64::MAX);
    let count = u128::try_from(count).unwrap_or(0);
    usize::try_from((bits * count) >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A small generator (SplitMix64), twice for each number.
    struct Dice(u64);

    impl IdSource for Dice {
        fn next_u128(&mut self) -> u128 {
            let mut next = || {
                self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = self.0;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                u128::from(mixed ^ (mixed >> 31))
            };
            (next() << 64) | next()
        }
    }

    fn ports(first: u16, last: u16) -> Ports {
        Ports::new(PortRange::new(first, last).unwrap())
    }

    #[test]
    fn every_port_is_given_once_and_then_none() {
        let (mut ports, mut dice) = (ports(20_000, 20_199), Dice(1));
        let given: BTreeSet<u16> =
            (0..100).map(|call| ports.take(CallId(call), &mut dice).unwrap()).collect();
        assert_eq!(given, (20_000..20_200).step_by(2).collect());
        assert_eq!(ports.take(CallId(100), &mut dice), None);
        assert_eq!(ports.of(CallId(100)), None);
        ports.release(CallId(7));
        let again = ports.take(CallId(101), &mut dice);
        assert!(again.is_some() && ports.of(CallId(101)) == again && ports.of(CallId(7)).is_none());
    }

    #[test]
    fn port_of_one_call_says_nothing_of_the_next() {
        let mut dice = Dice(2);
        let (mut nearby, mut seen) = (0, BTreeSet::new());
        for _ in 0..1_000 {
            let mut ports = ports(20_000, 29_999);
            let first = ports.take(CallId(1), &mut dice).unwrap();
            let second = ports.take(CallId(2), &mut dice).unwrap();
            nearby += u32::from(first.abs_diff(second) <= 20);
            seen.insert(second);
        }
        // Of 5,000 ports 20 are that near: 4 in 1,000.
        assert!(nearby < 20, "{nearby} times the next port was nearby");
        assert!(seen.len() > 850, "{} different ports", seen.len());
    }

    #[test]
    fn each_port_is_as_likely_as_the_others() {
        let mut dice = Dice(3);
        let mut counts = BTreeMap::new();
        for _ in 0..10_000 {
            let port = ports(20_000, 20_019).take(CallId(1), &mut dice).unwrap();
            *counts.entry(port).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 10);
        assert!(counts.values().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn port_that_was_given_back_rests() {
        let (mut ports, mut dice) = (ports(20_000, 20_199), Dice(4));
        for call in 0..1_000 {
            let port = ports.take(CallId(call), &mut dice).unwrap();
            ports.release(CallId(call));
            // A quarter of the ports rest: it comes back after so many others at the earliest.
            for later in 1_000..1_024 {
                assert_ne!(ports.take(CallId(later), &mut dice), Some(port));
                ports.release(CallId(later));
            }
        }
    }

    #[test]
    fn resting_ports_are_given_before_a_call_is_turned_away() {
        let (mut ports, mut dice) = (ports(20_000, 20_031), Dice(5));
        for call in 0..16 {
            ports.take(CallId(call), &mut dice).unwrap();
        }
        let first: BTreeSet<u16> = (0..2).filter_map(|call| ports.of(CallId(call))).collect();
        for call in 0..4 {
            ports.release(CallId(call));
        }
        let port = ports.take(CallId(16), &mut dice).unwrap();
        assert!(first.contains(&port), "those that have rested longer come first");
        assert!((17..20).all(|call| ports.take(CallId(call), &mut dice).is_some()));
        assert_eq!(ports.take(CallId(20), &mut dice), None);
    }

    #[test]
    fn leg_whose_port_was_occupied_gets_another() {
        let (mut ports, mut dice) = (ports(20_000, 20_003), Dice(6));
        let first = ports.take(CallId(1), &mut dice).unwrap();
        let second = ports.take(CallId(1), &mut dice).unwrap();
        assert_ne!(first, second);
        assert_eq!(ports.take(CallId(1), &mut dice), Some(first));
    }
}
