//! What a media thread counts. Written by the thread, read by anyone, at any time.
//!
//! Single counters are exact; two of them read together may be a packet apart.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use partyline_media::Dropped;

/// Upper ends of the lateness classes, in microseconds; the last class has none.
pub const LATENESS_MICROS: [u64; 7] = [100, 300, 1_000, 3_000, 10_000, 20_000, 100_000];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    pub(crate) fn one_more(&self) {
        self.add(1);
    }
}

/// How a media thread has fared since it was started.
#[derive(Debug, Default)]
pub struct Stats {
    /// Datagrams received on RTP and RTCP ports, whatever they were.
    pub received: Counter,
    /// Datagrams handed to the kernel.
    pub sent: Counter,
    /// Datagrams longer than [`crate::LONGEST_DATAGRAM`], dropped.
    pub oversize: Counter,
    /// ICMP errors that came back for what was sent, and other errors of receiving; swallowed.
    pub receive_errors: Counter,
    /// Datagrams the kernel refused to send.
    pub send_errors: Counter,
    /// Datagrams for a leg without sockets.
    pub unsendable: Counter,
    /// Slots that ended with datagrams still waiting, because the next slot was due.
    pub receive_cut_short: Counter,
    /// Ticks done.
    pub ticks: Counter,
    /// Ticks left out because the thread was more than five of them behind.
    pub ticks_skipped: Counter,
    /// Events that may be lost and were, because nobody emptied the ring.
    pub events_dropped: Counter,
    /// Events that had to wait in the thread because nobody emptied the ring. None was lost.
    pub events_delayed: Counter,
    /// Recording frames lost because nobody emptied their ring.
    pub recording_frames_dropped: Counter,
    /// Ports asked for that could not be bound.
    pub ports_refused: Counter,
    /// Cores asked for that the thread cannot run on.
    pub cores_refused: Counter,
    /// Slots given up because the thread had not waited for half a second: others want to run too.
    pub rests: Counter,
    dropped: [Counter; Dropped::REASONS],
    lateness: [Counter; LATENESS_MICROS.len() + 1],
    worst: AtomicU64,
    thread: OnceLock<i32>,
    realtime: OnceLock<Result<(), String>>,
}

impl Stats {
    /// Datagrams on RTP and RTCP ports that a leg refused, by the reason as metrics name it; as of
    /// the last second.
    pub fn dropped(&self) -> [(&'static str, u64); Dropped::REASONS] {
        let mut dropped = Dropped::default().by_reason();
        for ((_, count), counter) in dropped.iter_mut().zip(&self.dropped) {
            *count = counter.get();
        }
        dropped
    }

    pub(crate) fn set_dropped(&self, dropped: &Dropped) {
        for ((_, count), counter) in dropped.by_reason().into_iter().zip(&self.dropped) {
            counter.set(count);
        }
    }

    /// How many ticks began within each class of [`LATENESS_MICROS`] after they were due; the last
    /// number counts those later than all classes.
    pub fn lateness(&self) -> [u64; LATENESS_MICROS.len() + 1] {
        std::array::from_fn(|class| self.lateness[class].get())
    }

    /// Ticks that began a whole tick (20 ms) late or more.
    pub fn late_ticks(&self) -> u64 {
        let classes = LATENESS_MICROS.iter().filter(|&&end| end <= 20_000).count();
        self.lateness[classes..].iter().map(Counter::get).sum()
    }

    /// How late the latest tick began since this was last asked.
    pub fn take_worst(&self) -> Duration {
        Duration::from_micros(self.worst.swap(0, Ordering::Relaxed))
    }

    /// The thread's number in the system, gettid(2); `None` before it runs.
    pub fn thread(&self) -> Option<i32> {
        self.thread.get().copied()
    }

    /// Whether the real-time priority that was asked for is held, or why not; `None` before the
    /// thread runs, or when none was asked for.
    pub fn realtime(&self) -> Option<Result<(), &str>> {
        self.realtime.get().map(|held| held.as_ref().map(|&()| ()).map_err(String::as_str))
    }

    /// Called by the thread, once.
    pub(crate) fn began(&self, thread: i32, realtime: Option<Result<(), String>>) {
        self.thread.get_or_init(|| thread);
        if let Some(realtime) = realtime {
            self.realtime.get_or_init(|| realtime);
        }
    }

    pub(crate) fn tick_began(&self, late: Duration) {
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        let class = LATENESS_MICROS.iter().filter(|&&end| end <= micros).count();
        self.lateness[class].one_more();
        self.worst.fetch_max(micros, Ordering::Relaxed);
        self.ticks.one_more();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_keeps_its_number() {
        let stats = Stats::default();
        let dropped =
            Dropped { malformed: 1, source: 2, rtcp_source: 3, direction: 4, ..Dropped::default() };
        stats.set_dropped(&dropped);
        assert_eq!(stats.dropped(), dropped.by_reason());
        assert_eq!(stats.dropped()[1..3], [("rtp_source", 2), ("rtcp_source", 3)]);
    }

    #[test]
    fn lateness_falls_into_the_class_it_is_below() {
        let stats = Stats::default();
        for micros in [0, 99, 100, 19_999, 20_000, 5_000_000] {
            stats.tick_began(Duration::from_micros(micros));
        }
        assert_eq!(stats.lateness(), [2, 1, 0, 0, 0, 1, 1, 1]);
        assert_eq!((stats.ticks.get(), stats.late_ticks()), (6, 2));
        assert_eq!(stats.take_worst(), Duration::from_secs(5));
        assert_eq!(stats.take_worst(), Duration::ZERO);
    }
}
