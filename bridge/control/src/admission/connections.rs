//! Who may hold connections (TCP, TLS, WebSocket), how many, and how fast new ones come: looked at
//! when a connection is accepted, before anything is read of it.
//!
//! A connection holds a descriptor and memory for as long as its peer likes. So every source has a
//! share, strangers have a small one together, and what one connection may do is in its [`Welcome`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use partyline_model::Time;
use partyline_sip::rate::{Bucket, Buckets, Rate, host, neighbourhood};

use super::Sources;
use super::gate::{MOST_SOURCES, STRANGER_OCTETS};
use crate::config::SourceKind;

/// Connections of all sources.
const MOST: usize = 8192;
/// Connections of all strangers.
const MOST_OF_STRANGERS: usize = 128;
/// Networks of strangers whose rates are remembered.
const MOST_NETWORKS: usize = 4096;
/// New connections of all strangers.
const STRANGERS: Rate = Rate { per_second: 40, burst: 80 };

/// What a source may have.
#[derive(Clone, Copy, Debug)]
struct Share {
    connections: usize,
    accepts: Rate,
}

/// A carrier's address opens a connection for each call at worst.
const CARRIERS: Share = Share { connections: 2048, accepts: Rate { per_second: 200, burst: 2048 } };
/// A phone has one; an office behind one address has many.
const PHONES: Share = Share { connections: 64, accepts: Rate { per_second: 10, burst: 64 } };
/// A network of strangers (a /24 of IPv4, a /56 of IPv6).
const STRANGER: Share = Share { connections: 8, accepts: Rate { per_second: 2, burst: 8 } };

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unwelcome {
    /// There are as many connections as there may be.
    Full,
    /// Strangers have as many connections as they may, or open too many.
    Strangers,
    /// The source has as many connections as it may.
    SourceFull,
    /// The source opens connections too fast.
    TooOften,
    /// The source is banned.
    Banned,
}

impl Unwelcome {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Full, Self::Strangers, Self::SourceFull, Self::TooOften, Self::Banned];

    /// As metrics name the reason.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Strangers => "strangers",
            Self::SourceFull => "source_full",
            Self::TooOften => "too_often",
            Self::Banned => "banned",
        }
    }
}

/// What a connection that is taken may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Whether no trunk has the source.
    pub stranger: bool,
    /// Messages, pings and whatever else comes, on all connections of the source.
    pub messages: Rate,
    /// Octets of one message.
    pub octets: usize,
    /// Octets that may wait to be sent.
    pub unsent: usize,
    /// From the beginning of the connection to the end of its handshake and its first message, and
    /// from the first octet of a message to its last.
    pub haste: Duration,
    /// How long a connection stays on which nothing comes.
    pub idle: Duration,
    /// Whose share the connection counts in.
    place: IpAddr,
}

/// Counts connections and decides which are taken.
#[derive(Debug)]
pub struct ConnectionGate {
    held: BTreeMap<(bool, IpAddr), usize>,
    all: usize,
    strangers: usize,
    accepts: Buckets<(bool, IpAddr)>,
    strange_accepts: Bucket,
}

impl Default for ConnectionGate {
    fn default() -> Self {
        Self {
            held: BTreeMap::new(),
            all: 0,
            strangers: 0,
            accepts: Buckets::new(MOST_SOURCES + MOST_NETWORKS),
            strange_accepts: Bucket::default(),
        }
    }
}

impl ConnectionGate {
    /// Whether a new connection of `source` is taken while `sources` are known. What is taken
    /// counts until [`ConnectionGate::leave`].
    ///
    /// # Errors
    /// Why it is not.
    pub fn admit(
        &mut self,
        now: Time,
        sources: &Sources,
        source: IpAddr,
    ) -> Result<Welcome, Unwelcome> {
        if sources.is_banned(now, source) {
            return Err(Unwelcome::Banned);
        }
        let welcome = sources.welcome(source);
        let share = match sources.kind(source) {
            Some(SourceKind::Carrier) => CARRIERS,
            Some(SourceKind::Phones) => PHONES,
            None => STRANGER,
        };
        let key = welcome.source();
        let held = self.held.get(&key).copied().unwrap_or_default();
        let full = if welcome.stranger { Unwelcome::Strangers } else { Unwelcome::SourceFull };
        let too_often = if welcome.stranger { full } else { Unwelcome::TooOften };
        if self.all >= MOST {
            return Err(Unwelcome::Full);
        }
        if held >= share.connections || welcome.stranger && self.strangers >= MOST_OF_STRANGERS {
            return Err(full);
        }
        if !self.accepts.take(now, key, share.accepts)
            || welcome.stranger && !self.strange_accepts.take(now, STRANGERS)
        {
            return Err(too_often);
        }
        self.all += 1;
        self.strangers += usize::from(welcome.stranger);
        *self.held.entry(key).or_default() += 1;
        Ok(welcome)
    }

    /// A connection that was taken is gone.
    pub fn leave(&mut self, welcome: Welcome) {
        let key = welcome.source();
        let Some(held) = self.held.get_mut(&key) else { return };
        *held -= 1;
        if *held == 0 {
            self.held.remove(&key);
        }
        self.all -= 1;
        self.strangers -= usize::from(welcome.stranger);
    }

    /// Connections that were taken and are not gone.
    pub fn len(&self) -> usize {
        self.all
    }

    /// Whether no connection is held.
    pub fn is_empty(&self) -> bool {
        self.all == 0
    }
}

impl Welcome {
    /// The source in whose share the connection counts, and before it whether that is a stranger's.
    pub const fn source(&self) -> (bool, IpAddr) {
        (self.stranger, self.place)
    }
}

impl Sources {
    /// What a connection to or from `source` may do; that it may be is the gate's to say.
    pub fn welcome(&self, source: IpAddr) -> Welcome {
        let known = self.find(source);
        let (kind, messages) = match known {
            Some(known) => (Some(known.kind), known.messages()),
            None => (None, STRANGER_MESSAGES),
        };
        let usual = Welcome {
            stranger: false,
            messages,
            octets: usize::MAX,
            unsent: 1024 * 1024,
            haste: Duration::from_secs(20),
            idle: Duration::from_secs(3600),
            place: host(source),
        };
        match kind {
            Some(SourceKind::Carrier) => usual,
            Some(SourceKind::Phones) => Welcome { unsent: 128 * 1024, ..usual },
            None => Welcome {
                stranger: true,
                messages,
                octets: STRANGER_OCTETS,
                unsent: 16 * 1024,
                haste: Duration::from_secs(4),
                idle: Duration::from_secs(32),
                place: neighbourhood(source),
            },
        }
    }

    fn kind(&self, source: IpAddr) -> Option<SourceKind> {
        self.find(source).map(|known| known.kind)
    }
}

/// Messages on the connections of a network of strangers.
const STRANGER_MESSAGES: Rate = Rate { per_second: 2, burst: 8 };

#[cfg(test)]
mod tests {
    use super::super::tests::trunk;
    use super::*;

    fn sources() -> Sources {
        let trunks =
            [trunk(1, "192.0.2.0/24", None), trunk(2, "10.0.0.1/32", Some("10.0.0.1:5060"))];
        Sources::new(&trunks)
    }

    fn admit(gate: &mut ConnectionGate, at: Time, source: &str) -> Result<Welcome, Unwelcome> {
        gate.admit(at, &sources(), ip(source))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Opens `count` connections, one a second from `start` on.
    fn taken(gate: &mut ConnectionGate, start: u64, source: &str, count: u64) -> Vec<Welcome> {
        let at = |n| Time::from_secs(start + n);
        let sources = sources();
        let admitted = (0..count).map(|n| gate.admit(at(n), &sources, ip(source)));
        admitted.flatten().collect()
    }

    #[test]
    fn each_source_has_its_share_however_slowly_it_takes_it() {
        let mut gate = ConnectionGate::default();
        assert_eq!(taken(&mut gate, 0, "192.0.2.9", 500).len(), 64);
        assert_eq!(admit(&mut gate, Time::from_secs(999), "192.0.2.9"), Err(Unwelcome::SourceFull));
        assert_eq!(taken(&mut gate, 0, "192.0.2.10", 500).len(), 64);
        assert_eq!(taken(&mut gate, 0, "10.0.0.1", 4000).len(), 2048);
        assert_eq!(taken(&mut gate, 0, "203.0.113.7", 500).len(), 8);
        assert_eq!(taken(&mut gate, 600, "203.0.113.8", 500).len(), 0, "one network");
    }

    #[test]
    fn strangers_leave_everybody_else_room() {
        let mut gate = ConnectionGate::default();
        let all: usize =
            (0..200).map(|n| taken(&mut gate, 20 * n, &format!("198.51.{n}.1"), 20).len()).sum();
        assert_eq!(all, MOST_OF_STRANGERS);
        let later = Time::from_secs(9000);
        assert_eq!(admit(&mut gate, later, "203.0.113.7"), Err(Unwelcome::Strangers));
        assert!(admit(&mut gate, later, "10.0.0.1").is_ok());
    }

    #[test]
    fn who_opens_too_fast_waits() {
        let mut gate = ConnectionGate::default();
        let mut fast = 0;
        for n in 0..1000 {
            let now = Time::from_millis(n);
            match admit(&mut gate, now, "192.0.2.9") {
                Ok(welcome) => {
                    fast += 1;
                    gate.leave(welcome);
                }
                Err(why) => assert_eq!(why, Unwelcome::TooOften),
            }
        }
        assert!((64..=75).contains(&fast), "{fast}");
        assert!(gate.is_empty() && gate.held.is_empty());
    }

    #[test]
    fn what_is_gone_makes_room() {
        let mut gate = ConnectionGate::default();
        let mut held = taken(&mut gate, 0, "203.0.113.7", 100);
        assert_eq!(held.len(), 8);
        gate.leave(held.pop().expect("eight"));
        assert_eq!(taken(&mut gate, 200, "203.0.113.7", 100).len(), 1);
        assert_eq!(gate.len(), 8);
    }

    #[test]
    fn a_stranger_gets_little() {
        let sources = sources();
        let welcome = |text| sources.welcome(ip(text));
        let (stranger, known) = (welcome("203.0.113.7"), welcome("10.0.0.1"));
        assert!(stranger.stranger && !known.stranger);
        assert!(stranger.octets <= 4096 && stranger.unsent <= 16 * 1024);
        assert!(stranger.haste < known.haste && stranger.idle < known.idle);
    }
}
