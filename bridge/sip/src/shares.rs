//! What each source holds of the endpoint: calls without a passcode, and memory of transactions.
//!
//! One rule for both: a source may hold more as long as it has not more than half of what is left.
//! Whoever floods ends up with a third, and the rest stays for others. A call counts until its
//! caller is past the passcode; behind a carrier, callers are told apart by number.
//!
//! A source address can be forged, but no ACK can come from there. All addresses of a trunk that
//! have not acknowledged a call yet share half of what is left as if they were one, and those of
//! one network among them a quarter.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use partyline_model::Time;

use crate::admission::{Callers, Limits};
use crate::counters::Dropped;
use crate::rate::{Buckets, host, neighbourhood};

/// Octets that transactions may hold, all sources together.
const MOST_OCTETS: usize = 96 * 1024 * 1024;
/// What any source may hold, however little is left.
const LEAST_OCTETS: usize = 16 * 1024;
/// Sources whose rates are remembered, and as many that have acknowledged a call.
const MOST_SOURCES: usize = 16 * 1024;
/// Calls that the unproven addresses of a network may have, however little is left.
const LEAST_UNPROVEN: usize = 4;

/// What one source holds.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    pending: usize,
    octets: usize,
}

/// Whose calls without a passcode are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    /// A phone.
    At(IpAddr),
    /// Somebody behind a carrier, by number; `None` for all who withhold theirs.
    Behind(u32, Option<Box<str>>),
}

/// Where a call that came in is counted, until its caller is past the passcode.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    source: IpAddr,
    caller: Caller,
    trunk: u32,
    /// Whether the call's ACK is outstanding.
    pending: bool,
    /// Whether no call of the address had been acknowledged when this one came.
    unproven: bool,
}

impl Seat {
    /// Whether the call's ACK is outstanding.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending
    }
}

/// What all sources hold.
#[derive(Debug)]
pub(crate) struct Shares {
    by_source: BTreeMap<IpAddr, Share>,
    callers: BTreeMap<Caller, usize>,
    /// Calls of unproven addresses, by trunk and by network in it.
    unproven: BTreeMap<(u32, Option<IpAddr>), usize>,
    proven: BTreeSet<IpAddr>,
    /// The same in the order of their first ACK.
    proven_in_order: VecDeque<IpAddr>,
    octets: usize,
    invites: Buckets<IpAddr>,
    answers: Buckets<IpAddr>,
}

impl Shares {
    pub(crate) fn new() -> Self {
        Self {
            by_source: BTreeMap::new(),
            callers: BTreeMap::new(),
            unproven: BTreeMap::new(),
            proven: BTreeSet::new(),
            proven_in_order: VecDeque::new(),
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

    /// Where a new call of `source` counts; `number` is that of its caller, where it is shown.
    pub(crate) fn seat(&self, source: IpAddr, limits: &Limits, number: Option<String>) -> Seat {
        let caller = match limits.callers {
            Callers::ByAddress => Caller::At(host(source)),
            Callers::ByNumber(_) => {
                Caller::Behind(limits.trunk, number.map(String::into_boxed_str))
            }
        };
        let unproven = !self.proven.contains(&host(source));
        Seat { source, caller, trunk: limits.trunk, pending: true, unproven }
    }

    /// Why there is no room for a call at `seat` while `free` calls fit, if there is none.
    pub(crate) fn refusal(&self, seat: &Seat, limits: &Limits, free: usize) -> Option<Dropped> {
        let half = free.div_ceil(2);
        let fits = |held: usize, most: usize| held < most && (held == 0 || held < half);
        let unacknowledged = self.of(seat.source).pending;
        let waiting = self.callers.get(&seat.caller).copied().unwrap_or(0);
        let [trunk, network] =
            groups(seat).map(|group| self.unproven.get(&group).copied().unwrap_or(0));
        let crowded =
            trunk >= half.max(LEAST_UNPROVEN) || network >= free.div_ceil(4).max(LEAST_UNPROVEN);
        if free == 0 {
            Some(Dropped::TooManyDialogs)
        } else if !fits(unacknowledged, limits.pending) || !fits(waiting, limits.waiting) {
            Some(Dropped::NoShare)
        } else if seat.unproven && crowded {
            Some(Dropped::Unproven)
        } else {
            None
        }
    }

    /// Whether `source` may hold `octets` more.
    pub(crate) fn fits(&self, source: IpAddr, octets: usize) -> bool {
        let free = MOST_OCTETS.saturating_sub(self.octets);
        let held = self.of(source).octets + octets;
        octets <= free && held <= (free / 2).max(LEAST_OCTETS)
    }

    pub(crate) fn add_call(&mut self, seat: &Seat) {
        self.by_source.entry(host(seat.source)).or_default().pending += 1;
        *self.callers.entry(seat.caller.clone()).or_default() += 1;
        for group in groups(seat).into_iter().filter(|_| seat.unproven) {
            *self.unproven.entry(group).or_default() += 1;
        }
    }

    /// The ACK of the call came: its source is where it says.
    pub(crate) fn prove(&mut self, seat: &mut Seat) {
        let source = host(seat.source);
        if self.proven.insert(source) {
            self.proven_in_order.push_back(source);
        }
        if self.proven.len() > MOST_SOURCES
            && let Some(first) = self.proven_in_order.pop_front()
        {
            self.proven.remove(&first);
        }
        self.settle(seat);
    }

    /// The call is no longer one that is not acknowledged.
    fn settle(&mut self, seat: &mut Seat) {
        if std::mem::take(&mut seat.pending) {
            self.change(seat.source, |share| share.pending = share.pending.saturating_sub(1));
        }
        if std::mem::take(&mut seat.unproven) {
            for group in groups(seat) {
                take_one(&mut self.unproven, &group);
            }
        }
    }

    /// The caller is past the passcode, or the call is over.
    pub(crate) fn remove_call(&mut self, mut seat: Seat) {
        self.settle(&mut seat);
        take_one(&mut self.callers, &seat.caller);
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

    /// Sources and callers that hold something.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.by_source.len() + self.callers.len() + self.unproven.len()
    }
}

/// Whose unproven addresses count together: the trunk's, and those of one network in it.
fn groups(seat: &Seat) -> [(u32, Option<IpAddr>); 2] {
    [(seat.trunk, None), (seat.trunk, Some(neighbourhood(seat.source)))]
}

fn take_one<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    let Some(count) = counts.get_mut(key) else { return };
    *count = count.saturating_sub(1);
    if *count == 0 {
        counts.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: usize = 900;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Takes calls for `source` as long as there are any, `held` calls being up.
    fn take(
        shares: &mut Shares,
        held: &mut usize,
        (source, number): (&str, Option<&str>),
        limits: &Limits,
    ) -> (Vec<Seat>, Dropped) {
        let mut seats = Vec::new();
        loop {
            let seat = shares.seat(ip(source), limits, number.map(str::to_owned));
            if let Some(why) = shares.refusal(&seat, limits, CAPACITY - *held) {
                return (seats, why);
            }
            shares.add_call(&seat);
            seats.push(seat);
            *held += 1;
        }
    }

    fn prove(shares: &mut Shares, source: &str) {
        let mut seat = shares.seat(ip(source), &Limits::NONE, None);
        shares.add_call(&seat);
        shares.prove(&mut seat);
        shares.remove_call(seat);
    }

    #[test]
    fn a_flood_gets_a_third_of_the_calls_and_the_others_the_rest() {
        let (mut shares, mut held) = (Shares::new(), 0);
        for source in ["192.0.2.1", "192.0.2.2"] {
            prove(&mut shares, source);
        }
        let mut all = Vec::new();
        for (source, most) in [("192.0.2.1", 300), ("192.0.2.2", 200)] {
            let (seats, why) = take(&mut shares, &mut held, (source, None), &Limits::NONE);
            assert_eq!((seats.len(), why), (most, Dropped::NoShare), "of what is left");
            all.extend(seats);
        }
        for host in 1..100 {
            let other = ip(&format!("198.51.100.{host}"));
            let seat = shares.seat(other, &Limits::NONE, None);
            assert_eq!(shares.refusal(&seat, &Limits::NONE, 400), None);
        }
        // An ACK changes nothing for who holds so many; passcodes do.
        all.iter_mut().for_each(|seat| shares.prove(seat));
        let (seats, why) = take(&mut shares, &mut held, ("192.0.2.1", None), &Limits::NONE);
        assert_eq!((seats.len(), why), (0, Dropped::NoShare));
        all.into_iter().for_each(|seat| shares.remove_call(seat));
        assert_eq!(shares.len(), 0, "nothing is left of it");
    }

    #[test]
    fn unproven_addresses_of_a_trunk_count_as_one() {
        let (mut shares, mut held) = (Shares::new(), 0);
        prove(&mut shares, "10.0.7.7");
        let limits = Limits { trunk: 7, ..Limits::NONE };
        let mut why = None;
        for n in 0..60_000_u32 {
            let source = std::net::Ipv4Addr::from_bits(0x0a01_0000 + n).into();
            let seat = shares.seat(source, &limits, None);
            why = shares.refusal(&seat, &limits, CAPACITY - held);
            if why.is_none() {
                shares.add_call(&seat);
                held += 1;
            }
        }
        assert_eq!((held, why), (300, Some(Dropped::Unproven)), "of all its networks");
        assert_eq!(take(&mut shares, &mut held, ("10.0.7.7", None), &limits).0.len(), 200);
        let other = Limits { trunk: 8, ..Limits::NONE };
        assert!(take(&mut shares, &mut held, ("192.0.2.1", None), &other).0.len() >= 80);
    }

    #[test]
    fn unproven_addresses_of_one_network_leave_room_for_the_others_of_the_trunk() {
        let (mut shares, mut held) = (Shares::new(), 0);
        let mut of = |shares: &mut Shares, network: u32| {
            let mut taken = 0;
            for n in 0..250 {
                let source = std::net::Ipv4Addr::from_bits(0x0a01_0000 + network * 256 + n);
                let seat = shares.seat(source.into(), &Limits::NONE, None);
                if shares.refusal(&seat, &Limits::NONE, CAPACITY - held).is_none() {
                    shares.add_call(&seat);
                    (held, taken) = (held + 1, taken + 1);
                }
            }
            taken
        };
        assert_eq!(of(&mut shares, 1), 180, "a fifth");
        assert!(of(&mut shares, 2) >= 100);
    }

    #[test]
    fn callers_behind_a_carrier_are_told_apart_by_number() {
        let (mut shares, mut held) = (Shares::new(), 0);
        prove(&mut shares, "192.0.2.1");
        let callers = Callers::ByNumber(crate::Identities::new([crate::Identity::Asserted]));
        let limits = Limits { callers, ..Limits::NONE };
        let mut all = |number: Option<&str>, most: usize| {
            let (seats, _) = take(&mut shares, &mut held, ("192.0.2.1", number), &limits);
            assert_eq!(seats.len(), most, "{number:?}");
            // The 200 is acknowledged: the address itself has nothing outstanding.
            seats.into_iter().for_each(|mut seat| shares.prove(&mut seat));
        };
        all(Some("1"), 300);
        all(None, 200);
        all(Some("2"), 134);
    }

    #[test]
    fn limits_hold_below_the_share() {
        for limits in [Limits { pending: 2, ..Limits::NONE }, Limits { waiting: 2, ..Limits::NONE }]
        {
            let (mut shares, mut held) = (Shares::new(), 0);
            let (mut seats, why) = take(&mut shares, &mut held, ("192.0.2.1", None), &limits);
            assert_eq!((seats.len(), why), (2, Dropped::NoShare));
            seats.truncate(1);
            seats.into_iter().for_each(|seat| shares.remove_call(seat));
            assert_eq!(take(&mut shares, &mut held, ("192.0.2.1", None), &limits).0.len(), 1);
            let seat = shares.seat(ip("192.0.2.9"), &limits, None);
            assert_eq!(shares.refusal(&seat, &limits, 0), Some(Dropped::TooManyDialogs));
        }
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
