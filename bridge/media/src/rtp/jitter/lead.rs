//! The least and greatest lead of the last one to two seconds.

use std::time::Duration;

use partyline_model::Time;

/// Two of these are looked back on.
const BUCKET: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Range {
    least: i64,
    most: i64,
}

/// The range of leads, in samples, over a window that moves in steps of a second.
pub(super) struct LeadWindow {
    current: Option<Range>,
    previous: Option<Range>,
    since: Time,
    /// The spread of an earlier window, kept when a stream begins anew.
    spread: i64,
}

impl LeadWindow {
    pub(super) const fn new() -> Self {
        Self { current: None, previous: None, since: Time::ZERO, spread: 0 }
    }

    /// Takes note of a packet's lead.
    pub(super) fn note(&mut self, now: Time, lead: i64) {
        if now - self.since >= BUCKET {
            self.previous = self.current.take();
            self.since = now;
        }
        let range = self.current.get_or_insert(Range { least: lead, most: lead });
        range.least = range.least.min(lead);
        range.most = range.most.max(lead);
    }

    /// The least lead, once it is that of a whole second and more.
    pub(super) fn settled_least(&self, now: Time) -> Option<i64> {
        let (current, previous) = (self.current?, self.previous?);
        (now - self.since < 2 * BUCKET).then(|| current.least.min(previous.least))
    }

    /// The greatest lead.
    pub(super) fn most(&self) -> i64 {
        let ranges = self.current.iter().chain(&self.previous);
        ranges.map(|range| range.most).max().unwrap_or(0)
    }

    /// How far apart the quickest and the slowest packet were.
    pub(super) fn spread(&self) -> i64 {
        let ranges = self.current.iter().chain(&self.previous);
        let seen = ranges.map(|range| range.most - range.least).max();
        seen.unwrap_or(0).max(self.spread)
    }

    /// The play-out point has moved: every lead changes by `by`.
    pub(super) fn shift(&mut self, by: i64) {
        for range in self.current.iter_mut().chain(&mut self.previous) {
            range.least += by;
            range.most += by;
        }
    }

    /// The leads so far say nothing of those to come, but half their spread may.
    pub(super) fn restart(&mut self, now: Time) {
        self.spread = self.spread() / 2;
        self.current = None;
        self.previous = None;
        self.since = now;
    }
}
