//! What a receiver counts of one stream for its reports (RFC 3550 §A.1, A.3, A.8).

use std::time::Duration;

use partyline_model::Time;

use super::NANOS_PER_SAMPLE;
use super::packet::sequence_distance;
use super::rtcp::{Block, ntp_middle};

/// A step of the sequence number beyond this is another count.
const MAX_STEP: u16 = 3_000;

/// The counters of the stream being received.
#[derive(Clone, Copy)]
pub(crate) struct Reception {
    ssrc: u32,
    /// Extended by the number of times it went round (RFC 3550 §A.1).
    first: u64,
    highest: u64,
    received: u64,
    expected_before: u64,
    received_before: u64,
    last_transit: Option<u32>,
    /// Interarrival jitter, in 1/16 samples.
    jitter: u32,
}

impl Reception {
    /// Begins to count with the packet `sequence`, which is still to be noted.
    pub(crate) fn new(ssrc: u32, sequence: u16) -> Self {
        Self {
            ssrc,
            first: u64::from(sequence) + (1 << 16),
            highest: u64::from(sequence) + (1 << 16),
            received: 0,
            expected_before: 0,
            received_before: 0,
            last_transit: None,
            jitter: 0,
        }
    }

    /// The source that is counted.
    pub(crate) const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Counts a packet that is no duplicate. `timestamp` is given for one whose timestamp says
    /// when it was sent: not for a telephone event.
    ///
    /// Returns the packets lost before the count began anew, when it did.
    pub(crate) fn note(&mut self, now: Time, sequence: u16, timestamp: Option<u32>) -> Option<u64> {
        let step = sequence_distance(sequence, low_bits(self.highest));
        let mut lost_before = None;
        if step.unsigned_abs() > MAX_STEP {
            lost_before = Some(self.lost());
            *self = Self { jitter: self.jitter, ..Self::new(self.ssrc, sequence) };
        } else if step > 0 {
            self.highest += u64::from(step.unsigned_abs());
        }
        self.received += 1;
        if let Some(timestamp) = timestamp {
            self.note_transit(now, timestamp);
        }
        lost_before
    }

    #[expect(clippy::cast_possible_truncation, reason = "differences of a clock that goes round")]
    fn note_transit(&mut self, now: Time, timestamp: u32) {
        let arrival = (now.as_nanos() / NANOS_PER_SAMPLE) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(last) = self.last_transit {
            let change = transit.wrapping_sub(last).cast_signed().unsigned_abs();
            // Ten seconds are no jitter: the sender's clock was set.
            if change < 80_000 {
                self.jitter = self.jitter + change - ((self.jitter + 8) >> 4);
            }
        }
        self.last_transit = Some(transit);
    }

    /// Packets expected and not received.
    pub(crate) fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// The jitter in time.
    pub(crate) fn jitter(&self) -> Duration {
        Duration::from_nanos(u64::from(self.jitter) * NANOS_PER_SAMPLE / 16)
    }

    /// The block of our next report. `last_report` is what the far end's last sender report said
    /// and when it came.
    pub(crate) fn block(&mut self, now: Time, last_report: Option<(u32, Time)>) -> Block {
        let expected = self.expected() - self.expected_before;
        let received = self.received - self.received_before;
        self.expected_before = self.expected();
        self.received_before = self.received;
        let lost = expected.saturating_sub(received);
        let fraction = (lost * 256).checked_div(expected).unwrap_or(0).min(255);
        let (last_report, came) = last_report.unwrap_or((0, now));
        Block {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: u32::try_from(self.lost()).unwrap_or(u32::MAX),
            highest_sequence: u32::try_from(self.highest - (1 << 16)).unwrap_or(u32::MAX),
            jitter: self.jitter >> 4,
            last_report,
            delay_since: ntp_middle(now).wrapping_sub(ntp_middle(came)),
        }
    }

    fn expected(&self) -> u64 {
        self.highest - self.first + 1
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is asked for")]
fn low_bits(extended: u64) -> u16 {
    extended as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_losses_over_the_wrap_and_reports_each_interval() {
        let mut reception = Reception::new(9, 65_530);
        let now = Time::from_secs(1);
        for n in 0..20_u16 {
            if n % 4 != 1 {
                assert_eq!(reception.note(now, n.wrapping_add(65_530), None), None);
            }
        }
        assert_eq!(reception.lost(), 5);
        let block = reception.block(now, Some((7, Time::ZERO)));
        assert_eq!((block.fraction_lost, block.lost, block.ssrc), (64, 5, 9));
        assert_eq!((block.highest_sequence, block.last_report), (65_536 + 13, 7));
        assert_eq!(block.delay_since, 65_536);
        reception.note(now, 14, None);
        assert_eq!(reception.block(now, None).fraction_lost, 0);
    }

    #[test]
    fn a_jump_begins_a_new_count_and_keeps_the_losses() {
        let mut reception = Reception::new(9, 100);
        reception.note(Time::ZERO, 100, None);
        reception.note(Time::ZERO, 102, None);
        assert_eq!(reception.note(Time::ZERO, 45_000, None), Some(1));
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn jitter_nears_the_mean_change_of_transit() {
        let mut reception = Reception::new(9, 0);
        for n in 0..500_u16 {
            // Every other packet is 8 ms late: the transit changes by 8 ms each time.
            let at = u64::from(n) * 20 + if n % 2 == 0 { 0 } else { 8 };
            reception.note(Time::from_millis(at), n, Some(u32::from(n) * 160));
        }
        let jitter = reception.jitter();
        assert!((7_000..9_000).contains(&jitter.as_micros()), "{jitter:?}");
    }
}
