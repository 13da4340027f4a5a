//! RTCP (RFC 3550 §6): our report of a stream, and what the far end's reports tell us.
//!
//! Sender and receiver reports, SDES with the canonical name, BYE. Other packets in a compound
//! are passed over.

use std::time::Duration;

use partyline_model::Time;
use partyline_srtp::MAX_TRAILER;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// The SDES item for the canonical name.
const CNAME: u8 = 1;
const BLOCK_LEN: usize = 24;
/// Room for a sender report with a block, SDES with the longest name, and BYE.
pub(crate) const MAX_LEN: usize = 52 + 268 + 8;

/// What we have sent, for a sender report.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) timestamp: u32,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}

/// What we have received, for a report block.
#[derive(Clone, Copy, Default)]
pub(crate) struct Block {
    pub(crate) ssrc: u32,
    pub(crate) fraction_lost: u8,
    pub(crate) lost: u32,
    pub(crate) highest_sequence: u32,
    pub(crate) jitter: u32,
    pub(crate) last_report: u32,
    pub(crate) delay_since: u32,
}

/// The NTP form of our clock: seconds since the node started, which RFC 3550 §6.4.1 allows to a
/// sender without wall-clock time.
pub(crate) fn ntp(now: Time) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    let (seconds, nanos) = (now.as_nanos() / SECOND, now.as_nanos() % SECOND);
    (seconds << 32) | ((nanos << 32) / SECOND)
}

/// The middle 32 bits: units of 1/65,536 s.
#[expect(clippy::cast_possible_truncation, reason = "the middle bits are what is asked for")]
pub(crate) fn ntp_middle(now: Time) -> u32 {
    (ntp(now) >> 16) as u32
}

/// A compound packet in the making.
pub(crate) struct Writer {
    /// With room for what protects it.
    octets: [u8; MAX_LEN + MAX_TRAILER],
    len: usize,
}

impl Writer {
    /// Begins with a sender report when something was sent, with a receiver report when not.
    pub(crate) fn report(now: Time, ssrc: u32, sent: Option<Sent>, block: Option<Block>) -> Self {
        let mut writer = Self { octets: [0; MAX_LEN + MAX_TRAILER], len: 0 };
        let blocks = u8::from(block.is_some());
        let kind = if sent.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        writer.packet(kind, blocks, |w| {
            w.word(ssrc);
            if let Some(sent) = sent {
                w.bytes(&ntp(now).to_be_bytes());
                w.word(sent.timestamp);
                w.word(sent.packets);
                w.word(sent.octets);
            }
            if let Some(block) = block {
                w.word(block.ssrc);
                w.word(u32::from(block.fraction_lost) << 24 | block.lost.min(0x7f_ffff));
                w.word(block.highest_sequence);
                w.word(block.jitter);
                w.word(block.last_report);
                w.word(block.delay_since);
            }
        });
        writer
    }

    /// Adds the canonical name: its first 255 octets.
    pub(crate) fn cname(mut self, ssrc: u32, name: &[u8]) -> Self {
        let name = &name[..name.len().min(255)];
        self.packet(SOURCE_DESCRIPTION, 1, |w| {
            w.word(ssrc);
            w.bytes(&[CNAME, u8::try_from(name.len()).unwrap_or(0)]);
            w.bytes(name);
            // The list ends with a zero octet, and with the word.
            w.bytes(&[0; 4][..4 - (name.len() + 2) % 4]);
        });
        self
    }

    /// Adds the end of the stream.
    pub(crate) fn goodbye(mut self, ssrc: u32) -> Self {
        self.packet(GOODBYE, 1, |w| w.word(ssrc));
        self
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.octets[..self.len]
    }

    /// The packet and the room behind it.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        &mut self.octets
    }

    fn packet(&mut self, kind: u8, count: u8, body: impl FnOnce(&mut Self)) {
        let start = self.len;
        self.bytes(&[0x80 | count, kind, 0, 0]);
        body(self);
        let words = u16::try_from((self.len - start) / 4 - 1).unwrap_or(0);
        self.octets[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
    }

    fn word(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.octets[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// What a compound packet says to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The synchronisation source that reports.
    pub(crate) sender: Option<u32>,
    /// The middle of the sender's NTP time, to be given back to it.
    pub(crate) sender_time: Option<u32>,
    /// What it has received of our stream.
    pub(crate) about_us: Option<AboutUs>,
    /// The far end has left.
    pub(crate) goodbye: bool,
}

/// A report block about our stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AboutUs {
    pub(crate) fraction_lost: u8,
    last_report: u32,
    delay_since: u32,
}

impl AboutUs {
    /// The round-trip time, when the block answers one of our reports.
    pub(crate) fn round_trip(&self, now: Time) -> Option<Duration> {
        if self.last_report == 0 {
            return None;
        }
        let there = ntp_middle(now).wrapping_sub(self.last_report);
        let units = there.checked_sub(self.delay_since)?;
        // A trip of a minute is a wrong clock.
        let nanos = (u64::from(units) * 1_000_000_000) >> 16;
        (units < 60 << 16).then(|| Duration::from_nanos(nanos))
    }
}

/// Reads a compound packet; `None` when its first packet is no report or a length does not fit
/// (RFC 3550 §A.2).
pub(crate) fn parse(datagram: &[u8], our_ssrc: u32) -> Option<Report> {
    let mut report = Report::default();
    let mut rest = datagram;
    let mut first = true;
    while !rest.is_empty() {
        let &[head, kind, high, low, ..] = rest else { return None };
        let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        if head >> 6 != 2 || len > rest.len() {
            return None;
        }
        let (packet, following) = rest.split_at(len);
        let count = usize::from(head & 31);
        if first {
            report.sender = word(packet, 4);
        }
        match kind {
            SENDER_REPORT => {
                report.sender_time = Some(word(packet, 8)? << 16 | word(packet, 12)? >> 16);
                report.about_us = about(packet.get(28..)?, count, our_ssrc).or(report.about_us);
            }
            RECEIVER_REPORT => {
                report.about_us = about(packet.get(8..)?, count, our_ssrc).or(report.about_us);
            }
            _ if first => return None,
            GOODBYE => report.goodbye = true,
            _ => {}
        }
        first = false;
        rest = following;
    }
    (!first).then_some(report)
}

fn about(blocks: &[u8], count: usize, our_ssrc: u32) -> Option<AboutUs> {
    let block = blocks
        .chunks_exact(BLOCK_LEN)
        .take(count)
        .find(|block| word(block, 0) == Some(our_ssrc))?;
    Some(AboutUs {
        fraction_lost: *block.get(4)?,
        last_report: word(block, 16)?,
        delay_since: word(block, 20)?,
    })
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    let word = octets.get(at..at + 4)?;
    word.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn our_own_report_is_understood() {
        let sent = Sent { timestamp: 1, packets: 2, octets: 3 };
        let now = Time::from_millis(10_500);
        let asked = Time::from_millis(10_000);
        let block = Block {
            ssrc: 77,
            fraction_lost: 12,
            last_report: ntp_middle(asked),
            delay_since: 65_536 / 4,
            ..Block::default()
        };
        let writer = Writer::report(now, 5, Some(sent), Some(block)).cname(5, b"node").goodbye(5);
        let report = parse(writer.as_slice(), 77).unwrap();
        assert_eq!(report.sender_time, Some(ntp_middle(now)));
        assert!(report.goodbye);
        let about_us = report.about_us.unwrap();
        assert_eq!(about_us.fraction_lost, 12);
        assert_eq!(about_us.round_trip(now), Some(Duration::from_millis(250)));
    }

    #[test]
    fn every_name_ends_on_a_word() {
        for len in 0..300 {
            let name = vec![b'x'; len];
            let writer = Writer::report(Time::ZERO, 5, None, None).cname(5, &name);
            assert_eq!(writer.as_slice().len() % 4, 0);
            assert!(parse(writer.as_slice(), 5).is_some());
            assert_eq!(writer.as_slice()[writer.as_slice().len() - 1], 0);
        }
    }

    #[test]
    fn a_compound_that_begins_with_no_report_is_refused() {
        assert_eq!(parse(&[0x81, GOODBYE, 0, 1, 0, 0, 0, 5], 5), None);
        assert_eq!(parse(&[0x80, RECEIVER_REPORT, 0, 9, 0, 0, 0, 5], 5), None);
        assert_eq!(parse(&[], 5), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_report_or_none(
            bytes in proptest::collection::vec(any::<u8>(), 0..120), kind in 199u8..205,
        ) {
            let mut bytes = bytes;
            if let [head, second, high, low, ..] = bytes.as_mut_slice() {
                (*head, *second, *high, *low) = (*head & 0x3f | 0x80, kind, 0, *low % 20);
            }
            if let Some(report) = parse(&bytes, 5) {
                prop_assert!(bytes.len() >= 8);
                let round_trip = report.about_us.and_then(|a| a.round_trip(Time::from_secs(9)));
                prop_assert!(round_trip.unwrap_or_default() < Duration::from_secs(60));
            }
        }
    }
}
