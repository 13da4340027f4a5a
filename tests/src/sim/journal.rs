//! A disk for records: takes them after a while, refuses them, or says nothing.

use std::collections::VecDeque;
use std::time::Duration;

use partyline_cdr_record::{Record, encode};

use super::dice::Dice;

/// What the disk does with records from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Writes them, and says so after a time between these two.
    Writes {
        /// At the earliest.
        from: Duration,
        /// At the latest.
        to: Duration,
    },
    /// Says after this time that it cannot.
    Refuses(Duration),
    /// Neither writes nor says so, until it does something else.
    Hangs,
}

struct Batch {
    token: u64,
    records: Vec<Record>,
    /// When the disk answers, and what; `None` while it hangs.
    answer: Option<(Duration, bool)>,
}

/// The journal of the node.
pub struct Journal {
    disk: Disk,
    dice: Dice,
    waiting: VecDeque<Batch>,
    written: Vec<Record>,
    offered: Vec<u8>,
    refused: u64,
}

impl Journal {
    /// An empty journal on `disk`.
    pub fn new(disk: Disk, seed: u64) -> Self {
        Self {
            disk,
            dice: Dice::new(seed, 2),
            waiting: VecDeque::new(),
            written: Vec::new(),
            offered: Vec::new(),
            refused: 0,
        }
    }

    /// Changes what the disk does; what hangs is decided anew.
    pub fn set_disk(&mut self, now: Duration, disk: Disk) {
        self.disk = disk;
        let mut hanging = std::mem::take(&mut self.waiting);
        for mut batch in hanging.drain(..) {
            if batch.answer.is_none() {
                batch.answer = self.answer(now);
            }
            self.waiting.push_back(batch);
        }
    }

    /// Takes records to write.
    pub fn persist(&mut self, now: Duration, token: u64, records: Vec<Record>) {
        for record in &records {
            encode(record, &mut self.offered);
        }
        let answer = self.answer(now);
        self.waiting.push_back(Batch { token, records, answer });
    }

    /// When and what the disk answers to what it is given now. It answers in order.
    fn answer(&mut self, now: Duration) -> Option<(Duration, bool)> {
        let (at, writes) = match self.disk {
            Disk::Writes { from, to } => {
                let spread = u64::try_from(to.saturating_sub(from).as_nanos()).unwrap_or(u64::MAX);
                (now + from + Duration::from_nanos(self.dice.below(spread)), true)
            }
            Disk::Refuses(after) => (now + after, false),
            Disk::Hangs => return None,
        };
        let before = self.waiting.iter().filter_map(|batch| Some(batch.answer?.0)).max();
        Some((before.map_or(at, |before| at.max(before)), writes))
    }

    /// When the disk next answers.
    pub fn next(&self) -> Option<Duration> {
        Some(self.waiting.front()?.answer?.0)
    }

    /// The next answer that has come by `now`: the token, and whether its records are written.
    pub fn answered(&mut self, now: Duration) -> Option<(u64, bool)> {
        let (at, writes) = self.waiting.front()?.answer?;
        if at > now {
            return None;
        }
        let batch = self.waiting.pop_front()?;
        if writes {
            self.written.extend(batch.records);
        } else {
            self.refused += 1;
        }
        Some((batch.token, writes))
    }

    /// Whether the disk has answered everything.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What is on disk, in order.
    pub fn written(&self) -> &[Record] {
        &self.written
    }

    /// The encodings of all records that were ever handed over, written or not.
    pub fn offered(&self) -> &[u8] {
        &self.offered
    }

    /// Batches that were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}
