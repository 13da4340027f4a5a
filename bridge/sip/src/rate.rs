//! How often something may happen: token buckets, alone and by key, on time that is handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use partyline_model::Time;

/// A rate: an average in a second, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// On average, in a second; at least 1.
    pub per_second: u32,
    /// At once, after a rest; at least 1.
    pub burst: u32,
}

/// A rate of what happens seldom: one in a time on average, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From one to the next, on average.
    pub every: Duration,
    /// At once, after a rest; at least 1.
    pub burst: u32,
}

impl From<Rate> for Pace {
    fn from(rate: Rate) -> Self {
        Self { every: Duration::from_secs(1) / rate.per_second.max(1), burst: rate.burst }
    }
}

/// A token bucket. It keeps the one moment at which it is full again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Time,
}

impl Bucket {
    /// Takes one token at `now`; false when there is none.
    pub fn take(&mut self, now: Time, pace: impl Into<Pace>) -> bool {
        let pace = pace.into();
        let fits = self.has(now, pace);
        if fits {
            self.full_at = self.full_at.max(now) + pace.every;
        }
        fits
    }

    /// Whether there is a token at `now`.
    pub fn has(&self, now: Time, pace: impl Into<Pace>) -> bool {
        let pace = pace.into();
        self.full_at.max(now) + pace.every - now <= pace.every * pace.burst.max(1)
    }
}

/// A bucket for each key, for a bounded number of keys.
///
/// A bucket that is full is as good as none and makes room first; when all are in use, the one that
/// is full next does. Whoever has so many keys is bounded by a bucket for all of them.
#[derive(Debug)]
pub struct Buckets<K> {
    most: usize,
    buckets: BTreeMap<K, Bucket>,
    by_time: BTreeSet<(Time, K)>,
}

impl<K: Copy + Ord> Buckets<K> {
    /// Buckets for at most `most` keys.
    pub fn new(most: usize) -> Self {
        Self { most, buckets: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// Takes one token of `key`; false when it has none.
    pub fn take(&mut self, now: Time, key: K, pace: impl Into<Pace>) -> bool {
        let mut bucket = self.buckets.get(&key).copied().unwrap_or_default();
        let before = bucket;
        if !bucket.take(now, pace) {
            return false;
        }
        self.by_time.remove(&(before.full_at, key));
        self.by_time.insert((bucket.full_at, key));
        self.buckets.insert(key, bucket);
        self.make_room(now);
        true
    }

    /// Whether `key` has a token at `now`.
    pub fn has(&self, now: Time, key: &K, pace: impl Into<Pace>) -> bool {
        self.buckets.get(key).copied().unwrap_or_default().has(now, pace)
    }

    /// Whether none of the tokens of `key` is missing at `now`.
    pub fn is_full(&self, now: Time, key: &K) -> bool {
        self.buckets.get(key).is_none_or(|bucket| bucket.full_at <= now)
    }

    fn make_room(&mut self, now: Time) {
        // Two at most for each that comes: the table shrinks as it is used.
        for _ in 0..2 {
            let Some(&(full_at, key)) = self.by_time.first() else { return };
            if full_at > now && self.buckets.len() <= self.most {
                return;
            }
            self.by_time.pop_first();
            self.buckets.remove(&key);
        }
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
}

/// Networks of strangers that are told apart.
const STRANGER_NETWORKS: usize = 4096;
/// Requests of one network of strangers.
const STRANGER: Rate = Rate { per_second: 5, burst: 20 };
/// Requests of all strangers.
const STRANGERS: Rate = Rate { per_second: 100, burst: 200 };

/// How often strangers are heard at all: each network (a /24 of IPv4, a /56 of IPv6) five times a
/// second, all of them a hundred times.
#[derive(Debug)]
pub struct Strangers {
    all: Bucket,
    networks: Buckets<IpAddr>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self { all: Bucket::default(), networks: Buckets::new(STRANGER_NETWORKS) }
    }
}

impl Strangers {
    /// Whether a stranger is heard at `now`.
    pub fn hears(&mut self, now: Time, source: IpAddr) -> bool {
        self.networks.take(now, neighbourhood(source), STRANGER) && self.all.take(now, STRANGERS)
    }
}

/// The address with which limits count a host: of IPv6 its /64, all of whose addresses are its own.
pub fn host(source: IpAddr) -> IpAddr {
    network(source, 32, 64)
}

/// The network with which limits count strangers: a /24 of IPv4, a /56 of IPv6.
pub fn neighbourhood(source: IpAddr) -> IpAddr {
    network(source, 24, 56)
}

fn network(source: IpAddr, v4_bits: u32, v6_bits: u32) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - v4_bits).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - v6_bits).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 3 };

    fn taken(bucket: &mut Bucket, millis: u64) -> usize {
        (0..100).filter(|_| bucket.take(Time::from_millis(millis), RATE)).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::default();
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 99), 0);
        assert_eq!(taken(&mut bucket, 100), 1);
        assert_eq!(taken(&mut bucket, 350), 2);
        assert_eq!(taken(&mut bucket, 60_000), 3, "a rest fills it, and no more than that");
    }

    #[test]
    fn keys_have_buckets_of_their_own_and_are_bounded() {
        let mut buckets = Buckets::new(4);
        for key in 0..1000_u32 {
            assert!(buckets.take(Time::ZERO, key, RATE));
            assert!(buckets.len() <= 4);
        }
        let mut few = Buckets::new(4);
        assert_eq!((0..9).filter(|_| few.take(Time::ZERO, 'a', RATE)).count(), 3);
        assert!(few.take(Time::ZERO, 'b', RATE) && !few.take(Time::ZERO, 'a', RATE));
        few.take(Time::from_secs(9), 'c', RATE);
        assert_eq!(few.len(), 1, "what is full again is forgotten");
    }

    #[test]
    fn one_network_of_strangers_leaves_others_their_share() {
        let mut strangers = Strangers::default();
        let mut heard = |millis, source: &str| {
            let source: IpAddr = source.parse().expect("an address");
            (0..1000).filter(|_| strangers.hears(Time::from_millis(millis), source)).count()
        };
        assert_eq!(heard(0, "192.0.2.7"), 20);
        assert_eq!(heard(0, "192.0.2.8"), 0, "a neighbour is of the same network");
        assert_eq!(heard(0, "2001:db8::7"), 20);
        assert_eq!(heard(0, "2001:db8:0:1::7"), 0);
        assert_eq!(heard(1000, "192.0.2.8"), 5);
        let all: usize = (0..100).map(|n| heard(1000, &format!("198.51.{n}.1"))).sum();
        assert!(all <= 200, "{all}");
    }

    #[test]
    fn a_host_is_an_address_or_a_64() {
        let host_of = |text: &str| host(text.parse().expect("an address")).to_string();
        assert_eq!(host_of("192.0.2.7"), "192.0.2.7");
        assert_eq!(host_of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(host_of("2001:db8:1:2:3::4"), "2001:db8:1:2::");
    }
}
