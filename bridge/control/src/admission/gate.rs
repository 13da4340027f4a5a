//! The look at a datagram's source before it is copied or queued: what a flood costs is this.

use std::net::IpAddr;

use partyline_model::Time;
use partyline_sip::rate::{Buckets, Rate, Strangers, host};

use super::Sources;

/// The longest datagram of a stranger that is read.
pub(super) const STRANGER_OCTETS: usize = 4096;
/// Known sources whose rates are remembered.
pub(super) const MOST_SOURCES: usize = 16 * 1024;
/// Datagrams of a carrier's address: 5,000 calls that end at once fit.
pub(super) const CARRIER: Rate = Rate { per_second: 5000, burst: 10_000 };
/// Datagrams of a phone's address.
pub(super) const PHONE: Rate = Rate { per_second: 200, burst: 400 };

/// Why a datagram is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unwanted {
    /// The datagram is of a stranger, and strangers were heard often enough.
    Stranger,
    /// The datagram is of a stranger, and longer than anything that a stranger has to say.
    LongStranger,
    /// The source, which is known, sends too many.
    TooOften,
    /// The part of the queue that the source has is full.
    QueueFull,
    /// The source is banned.
    Banned,
}

impl Unwanted {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Stranger, Self::LongStranger, Self::TooOften, Self::QueueFull, Self::Banned];

    /// As metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::LongStranger => "stranger_too_long",
            Self::TooOften => "too_often",
            Self::QueueFull => "queue_full",
            Self::Banned => "banned",
        }
    }
}

/// Decides which datagrams are taken in.
#[derive(Debug)]
pub struct Gate {
    strangers: Strangers,
    known: Buckets<IpAddr>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { strangers: Strangers::default(), known: Buckets::new(MOST_SOURCES) }
    }
}

impl Gate {
    /// Whether a datagram of `octets` from `source` is taken in while `sources` are known; if so,
    /// with which source's others it queues: `None` is the queue of all strangers.
    ///
    /// # Errors
    /// Why it is not.
    pub fn admit(
        &mut self,
        now: Time,
        sources: &Sources,
        source: IpAddr,
        octets: usize,
    ) -> Result<Option<IpAddr>, Unwanted> {
        if sources.is_banned(now, source) {
            return Err(Unwanted::Banned);
        }
        let Some(known) = sources.find(source) else {
            if octets > STRANGER_OCTETS {
                return Err(Unwanted::LongStranger);
            }
            let heard = self.strangers.hears(now, source);
            return if heard { Ok(None) } else { Err(Unwanted::Stranger) };
        };
        let source = host(source);
        if self.known.take(now, source, known.messages()) {
            Ok(Some(source))
        } else {
            Err(Unwanted::TooOften)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::trunk;
    use super::super::{Bans, ConnectionGate, Standing, Unwelcome};
    use super::*;

    #[test]
    fn strangers_are_heard_now_and_then_and_known_sources_at_their_rate() {
        let trunks =
            [trunk(1, "192.0.2.0/24", None), trunk(2, "10.0.0.1/32", Some("10.0.0.1:5060"))];
        let (mut gate, sources) = (Gate::default(), Sources::new(&trunks));
        let mut taken = |source: &str, octets| {
            let source: IpAddr = source.parse().expect("an address");
            let admitted = (0..20_000).map(|_| gate.admit(Time::ZERO, &sources, source, octets));
            let taken: Vec<_> = admitted.flatten().collect();
            let key = taken.first().copied().flatten().map(|key| key.to_string());
            (taken.len(), key)
        };
        assert_eq!(taken("203.0.113.9", 500), (20, None));
        assert_eq!(taken("198.51.100.9", 4097), (0, None));
        assert_eq!(taken("192.0.2.9", 60_000), (400, Some("192.0.2.9".to_owned())));
        assert_eq!(taken("192.0.2.10", 500).0, 400);
        assert_eq!(taken("10.0.0.1", 500).0, 10_000);
    }

    #[test]
    fn nothing_of_a_banned_source_is_taken_in_until_the_ban_ends() {
        let mut bans = Bans::default();
        let source: IpAddr = "192.0.2.9".parse().expect("an address");
        let minute = Some(std::time::Duration::from_secs(60));
        bans.add(Time::ZERO, source, minute, Standing::Known).expect("banned");
        let sources = Sources::new(&[trunk(1, "192.0.2.0/24", None)]).banning(bans.banned());
        let (mut gate, mut connections) = (Gate::default(), ConnectionGate::default());
        let mut taken = |at, source| gate.admit(Time::from_secs(at), &sources, source, 500);
        assert_eq!(taken(59, source), Err(Unwanted::Banned));
        assert!(taken(60, source).is_ok());
        let neighbour = "192.0.2.10".parse().expect("an address");
        assert!(taken(0, neighbour).is_ok());
        let mut welcome = |at| connections.admit(Time::from_secs(at), &sources, source).err();
        assert_eq!((welcome(59), welcome(60)), (Some(Unwelcome::Banned), None));
    }

    #[test]
    fn a_trunk_that_says_so_may_send_more_or_less_than_its_kind() {
        let taken = |requests| {
            let mut trunk = trunk(1, "192.0.2.0/24", None);
            trunk.limits.requests = requests;
            let (mut gate, sources) = (Gate::default(), Sources::new(&[trunk]));
            let source: IpAddr = "192.0.2.9".parse().expect("an address");
            (0..20_000).filter(|_| gate.admit(Time::ZERO, &sources, source, 500).is_ok()).count()
        };
        assert_eq!((taken(Some(2000)), taken(Some(1)), taken(None)), (16_000, 8, 400));
    }
}
