//! Datagrams between the sockets and the node: each source has a line of its own, served in turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

/// Octets that may wait, all sources together. What waits longer than a retransmission takes is of
/// no use.
const MOST_OCTETS: usize = 4 * 1024 * 1024;
/// Octets that one source may have waiting.
const MOST_OF_ONE: usize = 1024 * 1024;
/// What a place costs beside its octets.
const PLACE: usize = 128;

/// One source's line.
#[derive(Debug)]
struct Line<T> {
    items: VecDeque<(usize, T)>,
    octets: usize,
    /// The place of the line among the turns.
    turn: u64,
}

/// A queue that is bounded in octets and fair between sources: whoever sends much waits behind
/// himself, and makes room when all of it is full.
#[derive(Debug)]
pub struct FairQueue<T> {
    lines: BTreeMap<Option<IpAddr>, Line<T>>,
    /// Whose turn it is: sources with something waiting.
    turns: BTreeMap<u64, Option<IpAddr>>,
    last_turn: u64,
    /// The lines by their length, so that the longest is known.
    by_length: BTreeSet<(usize, Option<IpAddr>)>,
    octets: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            lines: BTreeMap::new(),
            turns: BTreeMap::new(),
            last_turn: 0,
            by_length: BTreeSet::new(),
            octets: 0,
        }
    }
}

impl<T> FairQueue<T> {
    /// Puts `item` of `octets` into the line of `source` (`None`: of all strangers); how many items
    /// were dropped for that, `item` itself perhaps.
    pub fn push(&mut self, source: Option<IpAddr>, octets: usize, item: T) -> u64 {
        let octets = octets + PLACE;
        let held = self.lines.get(&source).map_or(0, |line| line.octets);
        if held + octets > MOST_OF_ONE {
            return 1;
        }
        if held == 0 {
            let turn = self.next_turn(source);
            self.lines.insert(source, Line { items: VecDeque::new(), octets: 0, turn });
        }
        if let Some(line) = self.lines.get_mut(&source) {
            line.items.push_back((octets, item));
        }
        self.resize(source, held, held + octets);
        let mut dropped = 0;
        while self.octets > MOST_OCTETS {
            dropped += self.drop_from_longest();
        }
        dropped
    }

    /// The next item: the oldest of the source whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        let (_, source) = self.turns.pop_first()?;
        let line = self.lines.get_mut(&source)?;
        let held = line.octets;
        let (octets, item) = line.items.pop_front()?;
        let more = !line.items.is_empty();
        self.resize(source, held, held - octets);
        let turn = if more { self.next_turn(source) } else { 0 };
        match self.lines.get_mut(&source).filter(|_| more) {
            Some(line) => line.turn = turn,
            None => drop(self.lines.remove(&source)),
        }
        Some(item)
    }

    fn next_turn(&mut self, source: Option<IpAddr>) -> u64 {
        self.last_turn += 1;
        self.turns.insert(self.last_turn, source);
        self.last_turn
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Octets that wait, with what their places cost.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Drops the newest item of the longest line, which has another before it: one that is alone in
    /// its line is shorter than the share of everybody.
    fn drop_from_longest(&mut self) -> u64 {
        let Some(&(held, source)) = self.by_length.last() else { return 0 };
        let Some(line) = self.lines.get_mut(&source) else { return 0 };
        let Some((octets, _)) = line.items.pop_back() else { return 0 };
        let (empty, turn) = (line.items.is_empty(), line.turn);
        self.resize(source, held, held - octets);
        if empty {
            self.lines.remove(&source);
            self.turns.remove(&turn);
        }
        1
    }

    fn resize(&mut self, source: Option<IpAddr>, before: usize, after: usize) {
        self.octets = self.octets + after - before;
        self.by_length.remove(&(before, source));
        if after > 0 {
            self.by_length.insert((after, source));
        }
        if let Some(line) = self.lines.get_mut(&source) {
            line.octets = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn source(n: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from_bits(n).into())
    }

    #[test]
    fn a_flood_waits_behind_itself() {
        let mut queue = FairQueue::default();
        for n in 0..1000 {
            assert_eq!(queue.push(source(1), 500, ("flood", n)), 0);
        }
        queue.push(source(2), 500, ("lawful", 0));
        queue.push(source(2), 500, ("lawful", 1));
        queue.push(None, 500, ("stranger", 0));
        let first: Vec<_> = (0..6).filter_map(|_| queue.pop()).collect();
        let expected = [
            ("flood", 0),
            ("lawful", 0),
            ("stranger", 0),
            ("flood", 1),
            ("lawful", 1),
            ("flood", 2),
        ];
        assert_eq!(first, expected);
    }

    #[test]
    fn it_is_bounded_in_octets_whoever_sends() {
        let mut queue = FairQueue::default();
        let dropped: u64 = (0..1000).map(|n| queue.push(source(1), 60_000, n)).sum();
        assert!(queue.octets() <= MOST_OF_ONE && dropped > 980, "{dropped}");
        for n in 0..2000 {
            queue.push(source(2 + n % 50), 60_000, n);
            assert!(queue.octets() <= MOST_OCTETS);
        }
        assert_eq!(queue.push(source(999), 500, 7), 0, "a short line is never cut");
        let mut got = Vec::new();
        while let Some(item) = queue.pop() {
            got.push(item);
        }
        assert!(got.contains(&7));
        assert_eq!((queue.octets(), queue.is_empty()), (0, true));
    }

    #[test]
    fn many_sources_with_one_item_each_are_bounded_too() {
        let mut queue = FairQueue::default();
        let dropped: u64 = (0..100_000).map(|n| queue.push(source(n), 500, n)).sum();
        let mut left = 0;
        while queue.pop().is_some() {
            left += 1;
        }
        assert_eq!(left + dropped, 100_000);
        assert_eq!((queue.octets(), queue.lines.len(), queue.turns.len()), (0, 0, 0));
    }
}
