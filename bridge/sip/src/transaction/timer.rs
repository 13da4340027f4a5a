//! The timer values of RFC 3261, and the table that says which timer is due next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use partyline_model::Time;

use crate::flow::Transport;

/// T1, the round-trip time estimate (RFC 3261 §17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);

/// T2, the longest retransmission interval of a non-INVITE request and an INVITE response
/// (RFC 3261 §17.1.2.2).
pub const T2: Duration = Duration::from_secs(4);

/// T4, the longest time a message stays in the network (RFC 3261 §17.1.2.2): timers I and K over
/// UDP.
pub const T4: Duration = Duration::from_secs(5);

/// 64*T1: timers B, F, H, J, and L and M of RFC 6026; the life of a transaction.
pub const TRANSACTION_LIFETIME: Duration = Duration::from_secs(32);

/// Timer D: how long a client absorbs repeated final responses over UDP (RFC 3261 §17.1.1.2).
pub const TIMER_D: Duration = Duration::from_secs(32);

/// How long a machine waits for repetitions: `unreliable`, but not at all over a transport that
/// repeats what is lost itself. Timers D, I, J and K (RFC 3261 §17).
pub(crate) fn linger(transport: Transport, unreliable: Duration) -> Duration {
    if transport.is_reliable() { Duration::ZERO } else { unreliable }
}

/// A retransmission schedule: doubling from T1 up to a limit, until a moment to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    interval: Duration,
    limit: Option<Duration>,
    next: Time,
    give_up: Time,
}

/// What a schedule asks for at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Retransmit,
    GiveUp,
}

impl Backoff {
    /// Doubling without limit: timer A (RFC 3261 §17.1.1.2). Over a reliable transport nothing is
    /// sent again, and only the moment to give up comes.
    pub(crate) fn unlimited(now: Time, transport: Transport) -> Self {
        let give_up = now + TRANSACTION_LIFETIME;
        let next = if transport.is_reliable() { give_up } else { now + T1 };
        Self { interval: T1, limit: None, next, give_up }
    }

    /// Doubling up to T2: timers E and G.
    pub(crate) fn up_to_t2(now: Time, transport: Transport) -> Self {
        Self { limit: Some(T2), ..Self::unlimited(now, transport) }
    }

    /// Doubling up to T2 over any transport: the 2xx of a user agent, whose ACK comes from the far
    /// end of all hops (§13.3.1.4).
    pub(crate) fn end_to_end(now: Time) -> Self {
        Self::up_to_t2(now, Transport::Udp)
    }

    /// From here on every T2: timer E after a provisional response (§17.1.2.2).
    pub(crate) fn slow_down(&mut self) {
        self.interval = T2;
    }

    pub(crate) fn due(&mut self, now: Time) -> Due {
        if now >= self.give_up {
            return Due::GiveUp;
        }
        if now < self.next {
            return Due::Nothing;
        }
        let doubled = self.interval * 2;
        self.interval = self.limit.map_or(doubled, |limit| doubled.min(limit));
        self.next = now + self.interval;
        Due::Retransmit
    }

    pub(crate) fn deadline(&self) -> Time {
        self.next.min(self.give_up)
    }
}

/// Deadlines, one for each owner: the earliest is found without looking at the others.
#[derive(Debug)]
pub(crate) struct Timers<Owner> {
    queue: BTreeSet<(Time, Owner)>,
    due: BTreeMap<Owner, Time>,
}

impl<Owner: Copy + Ord> Timers<Owner> {
    pub(crate) fn new() -> Self {
        Self { queue: BTreeSet::new(), due: BTreeMap::new() }
    }

    /// Sets, moves or clears the deadline of `owner`.
    pub(crate) fn set(&mut self, owner: Owner, deadline: Option<Time>) {
        let old = match deadline {
            Some(at) => self.due.insert(owner, at),
            None => self.due.remove(&owner),
        };
        if old == deadline {
            return;
        }
        if let Some(at) = old {
            self.queue.remove(&(at, owner));
        }
        if let Some(at) = deadline {
            self.queue.insert((at, owner));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Time> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest deadline that has come.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Owner> {
        let &(at, owner) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        self.due.remove(&owner);
        Some(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_deadline_comes_first_and_can_move() {
        let mut timers = Timers::new();
        timers.set('a', Some(Time::from_secs(3)));
        timers.set('b', Some(Time::from_secs(2)));
        timers.set('a', Some(Time::from_secs(1)));
        timers.set('b', None);
        assert_eq!(timers.next(), Some(Time::from_secs(1)));
        assert_eq!(timers.pop_due(Time::ZERO), None);
        assert_eq!(timers.pop_due(Time::from_secs(1)), Some('a'));
        assert_eq!((timers.next(), timers.pop_due(Time::from_secs(9))), (None, None));
    }

    fn schedule(mut backoff: Backoff) -> Vec<u64> {
        let mut times = Vec::new();
        loop {
            let now = backoff.deadline();
            times.push(now.as_millis());
            if backoff.due(now) == Due::GiveUp {
                return times;
            }
        }
    }

    #[test]
    fn timer_a_doubles_and_timer_g_stops_at_t2() {
        let a = [500, 1500, 3500, 7500, 15_500, 31_500, 32_000];
        assert_eq!(schedule(Backoff::unlimited(Time::ZERO, Transport::Udp)), a);
        let g = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000];
        assert_eq!(schedule(Backoff::up_to_t2(Time::ZERO, Transport::Udp)), g);
        assert_eq!(schedule(Backoff::end_to_end(Time::ZERO)), g);
        assert_eq!(schedule(Backoff::unlimited(Time::ZERO, Transport::Tcp)), [32_000]);
        assert_eq!(schedule(Backoff::up_to_t2(Time::ZERO, Transport::Wss)), [32_000]);
    }
}
