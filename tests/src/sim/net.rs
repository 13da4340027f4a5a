//! The network: delay, jitter, loss in bursts, reordering and duplication, on each phone's link.
//!
//! Datagrams fly in buckets of one millisecond and in buffers that are used again. It carries
//! bytes and reads none of them.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::clock::ms;
use super::dice::Dice;

/// What a link does to datagrams, each way.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// From one end to the other at least, in milliseconds.
    pub delay_ms: u64,
    /// At most so much more, in milliseconds; datagrams keep their order.
    pub jitter_ms: u64,
    /// What gets lost.
    pub loss: Loss,
    /// So many of 1,000 are overtaken by those after them.
    pub reorder_per_mille: u16,
    /// So many of 1,000 come twice.
    pub duplicate_per_mille: u16,
}

/// What gets lost on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    None,
    /// So many of 1,000, each on its own.
    Random(u16),
    /// Gilbert's model: so many of 1,000 begin a burst, in which `length` are lost on average.
    Bursts {
        /// Bursts for 1,000 datagrams.
        per_mille: u16,
        /// The mean number of datagrams in a burst.
        length: u16,
    },
    /// Everything: the cable is cut.
    All,
}

impl Link {
    /// 10 ms, and nothing ever goes wrong.
    pub const GOOD: Self = Self {
        delay_ms: 10,
        jitter_ms: 0,
        loss: Loss::None,
        reorder_per_mille: 0,
        duplicate_per_mille: 0,
    };
    /// A bad mobile line: 40 to 70 ms, 5 % lost, 2 % overtaken, 2 % twice.
    pub const BAD: Self = Self {
        delay_ms: 40,
        jitter_ms: 30,
        loss: Loss::Random(50),
        reorder_per_mille: 20,
        duplicate_per_mille: 20,
    };
}

/// A datagram on its way.
#[derive(Debug)]
pub struct Flight {
    /// The sender's address.
    pub from: SocketAddr,
    /// The receiver's.
    pub to: SocketAddr,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// What became of what was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Sent.
    pub sent: u64,
    /// Lost on the way.
    pub lost: u64,
    /// Brought twice.
    pub doubled: u64,
}

#[derive(Default)]
struct Way {
    /// When the last datagram that keeps its order arrives.
    last_ms: u64,
    in_burst: bool,
}

/// All links between the phones and the bridge.
pub struct Net {
    bridge: IpAddr,
    usual: Link,
    links: BTreeMap<IpAddr, Link>,
    ways: BTreeMap<(IpAddr, bool), Way>,
    dice: Dice,
    /// The millisecond of `buckets[0]`.
    base_ms: u64,
    buckets: VecDeque<Vec<Flight>>,
    flying: usize,
    pool: Vec<Vec<u8>>,
    carried: Carried,
}

impl Net {
    /// A network around the bridge at `bridge`, where all links are `usual`.
    pub fn new(bridge: IpAddr, usual: Link, seed: u64) -> Self {
        Self {
            bridge,
            usual,
            links: BTreeMap::new(),
            ways: BTreeMap::new(),
            dice: Dice::new(seed, 1),
            base_ms: 0,
            buckets: VecDeque::new(),
            flying: 0,
            pool: Vec::new(),
            carried: Carried::default(),
        }
    }

    /// From here on the link of `far` is `link`.
    pub fn set_link(&mut self, far: IpAddr, link: Link) {
        self.links.insert(far, link);
    }

    /// Sends a datagram at `now`.
    pub fn send(&mut self, now: Duration, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let up = to.ip() == self.bridge;
        let far = if up { from.ip() } else { to.ip() };
        let link = self.links.get(&far).copied().unwrap_or(self.usual);
        self.carried.sent += 1;
        let way = self.ways.entry((far, up)).or_default();
        if is_lost(link.loss, way, &mut self.dice) {
            self.carried.lost += 1;
            return;
        }
        let doubled = self.dice.chance(link.duplicate_per_mille);
        let now_ms = u64::try_from(now.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        for _ in 0..=u8::from(doubled) {
            let late = if link.jitter_ms > 0 { self.dice.below(link.jitter_ms + 1) } else { 0 };
            let mut at = now_ms + link.delay_ms + late;
            let way = self.ways.entry((far, up)).or_default();
            if self.dice.chance(link.reorder_per_mille) {
                // Held back somewhere, and nobody waits for it.
                at += 5 + self.dice.below(40);
            } else {
                at = at.max(way.last_ms);
                way.last_ms = at;
            }
            self.put(at, from, to, bytes);
        }
        self.carried.doubled += u64::from(doubled);
    }

    fn put(&mut self, at_ms: u64, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.flying == 0 {
            self.base_ms = self.base_ms.max(at_ms.saturating_sub(1000));
            self.buckets.clear();
        }
        let place = usize::try_from(at_ms.saturating_sub(self.base_ms)).unwrap_or(usize::MAX);
        if place >= self.buckets.len() {
            self.buckets.resize_with(place + 1, Vec::new);
        }
        let mut buffer = self.pool.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(bytes);
        self.buckets[place].push(Flight { from, to, bytes: buffer });
        self.flying += 1;
    }

    /// When the next datagram arrives.
    pub fn next(&self) -> Option<Duration> {
        if self.flying == 0 {
            return None;
        }
        let ahead = self.buckets.iter().position(|bucket| !bucket.is_empty())?;
        Some(ms(self.base_ms + u64::try_from(ahead).unwrap_or(u64::MAX)))
    }

    /// The datagrams that have arrived by `now`, in order. Give their buffers back.
    pub fn arrived(&mut self, now: Duration) -> Vec<Flight> {
        let mut arrived = Vec::new();
        while self.flying > 0 && ms(self.base_ms) <= now {
            let bucket = self.buckets.pop_front().unwrap_or_default();
            self.base_ms += 1;
            self.flying -= bucket.len();
            if arrived.is_empty() {
                arrived = bucket;
            } else {
                arrived.extend(bucket);
            }
        }
        arrived
    }

    /// A buffer that is not needed any more.
    pub fn give_back(&mut self, buffer: Vec<u8>) {
        if self.pool.len() < 65_536 {
            self.pool.push(buffer);
        }
    }

    /// What became of what was sent.
    pub fn carried(&self) -> Carried {
        self.carried
    }
}

fn is_lost(loss: Loss, way: &mut Way, dice: &mut Dice) -> bool {
    match loss {
        Loss::None => false,
        Loss::Random(per_mille) => dice.chance(per_mille),
        Loss::All => true,
        Loss::Bursts { per_mille, length } => {
            way.in_burst = if way.in_burst {
                dice.below(u64::from(length.max(1))) > 0
            } else {
                dice.chance(per_mille)
            };
            way.in_burst
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIDGE: &str = "192.0.2.1:5060";
    const PHONE: &str = "10.0.0.1:5060";

    fn run(link: Link, count: u64) -> (Carried, Vec<(u64, u64)>) {
        let (bridge, phone): (SocketAddr, SocketAddr) =
            (BRIDGE.parse().unwrap(), PHONE.parse().unwrap());
        let mut net = Net::new(bridge.ip(), link, 7);
        let mut came = Vec::new();
        for n in 0..count {
            let now = ms(20 * n);
            for flight in net.arrived(now) {
                came.push((20 * n, u64::from_be_bytes(flight.bytes[..8].try_into().unwrap())));
                net.give_back(flight.bytes);
            }
            net.send(now, phone, bridge, &n.to_be_bytes());
        }
        while let Some(at) = net.next() {
            let at_ms = u64::try_from(at.as_millis()).unwrap();
            for flight in net.arrived(at) {
                came.push((at_ms, u64::from_be_bytes(flight.bytes[..8].try_into().unwrap())));
            }
        }
        (net.carried(), came)
    }

    #[test]
    fn good_link_brings_all_in_order() {
        let (carried, came) = run(Link::GOOD, 1000);
        assert_eq!(carried, Carried { sent: 1000, lost: 0, doubled: 0 });
        assert!(came.iter().map(|&(_, n)| n).eq(0..1000));
    }

    #[test]
    fn jitter_alone_keeps_the_order() {
        let (_, came) = run(Link { jitter_ms: 200, ..Link::GOOD }, 1000);
        assert!(came.iter().map(|&(_, n)| n).eq(0..1000));
    }

    #[test]
    fn bad_link_loses_doubles_and_overtakes_as_much_as_it_says() {
        let (carried, came) = run(Link::BAD, 20_000);
        assert!((900..1100).contains(&carried.lost), "{carried:?}");
        assert!((300..500).contains(&carried.doubled), "{carried:?}");
        let overtaken = came.windows(2).filter(|pair| pair[1].1 < pair[0].1).count();
        assert!((100..600).contains(&overtaken), "{overtaken}");
        let arrived = usize::try_from(carried.sent - carried.lost + carried.doubled).unwrap();
        assert_eq!(came.len(), arrived);
    }

    #[test]
    fn bursts_have_their_length() {
        let loss = Loss::Bursts { per_mille: 10, length: 5 };
        let (carried, came) = run(Link { loss, ..Link::GOOD }, 50_000);
        let gaps = came.windows(2).filter(|pair| pair[1].1 > pair[0].1 + 1).count();
        let mean = carried.lost / u64::try_from(gaps).unwrap();
        assert!((4..=6).contains(&mean), "{mean} in {gaps} bursts");
    }
}
