//! Telephone events (RFC 4733) of one stream, as they were sent: which packets make a press, and
//! what of it is missing.

use std::time::Duration;

use partyline_model::{Digit, WallTime};

use crate::press::{Level, Note, Press, Source};
use crate::wav;

/// A press goes on under a new timestamp when its last packet is no longer ago than this.
const CONTINUED: i64 = 200_000;
/// Events that are looked through for the one that a packet repeats.
const REMEMBERED: usize = 4;

/// A packet that holds a DTMF event.
#[derive(Clone, Copy)]
pub(crate) struct EventPacket {
    pub(crate) digit: Digit,
    ended: bool,
    volume: u8,
    duration: u16,
}

impl EventPacket {
    /// Reads a payload (RFC 4733 §2.3); `None` for events that are no DTMF keys.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let &[code, flags, high, low, ..] = payload else { return None };
        let duration = u16::from_be_bytes([high, low]);
        let digit = Digit::from_event(code).ok()?;
        Some(Self { digit, ended: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    /// Whether a payload of unknown type can be nothing else: its length, a key, no reserved bit.
    pub(crate) fn looks_like(payload: &[u8]) -> bool {
        payload.len() == 4 && payload[1] & 0x40 == 0 && Self::parse(payload).is_some()
    }
}

/// Where a packet stands.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) at: WallTime,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// Units of the timestamp in a second.
    pub(crate) clock_hz: u32,
    /// Packets of the stream that are missing right before this one.
    pub(crate) lost_before: u64,
}

struct Held {
    digit: Digit,
    began: WallTime,
    last: WallTime,
    first_timestamp: u32,
    timestamp: u32,
    clock_hz: u32,
    /// Units from the first timestamp to the latest end.
    length: u32,
    volume: u8,
    ended: bool,
    start_lost: bool,
    lost: u64,
}

/// The events of a stream, in the order of its packets.
#[derive(Default)]
pub(crate) struct Events {
    held: Vec<Held>,
}

impl Events {
    pub(crate) fn handle(&mut self, place: &Place, packet: &EventPacket) {
        if let Some(held) = self.find(place, packet) {
            let from_first = place.timestamp.wrapping_sub(held.first_timestamp);
            held.length = held.length.max(from_first.wrapping_add(packet.duration.into()));
            held.timestamp = place.timestamp;
            held.last = held.last.max(place.at);
            if !held.ended {
                held.lost += place.lost_before;
            }
            held.ended |= packet.ended;
            return;
        }
        self.held.push(Held {
            digit: packet.digit,
            began: place.at,
            last: place.at,
            first_timestamp: place.timestamp,
            timestamp: place.timestamp,
            clock_hz: place.clock_hz,
            length: packet.duration.into(),
            volume: packet.volume,
            ended: packet.ended,
            start_lost: place.lost_before > 0 && !place.marker,
            lost: place.lost_before,
        });
    }

    /// The press that a packet belongs to, when it is not a new one.
    fn find(&mut self, place: &Place, packet: &EventPacket) -> Option<&mut Held> {
        let known = |held: &Held| held.digit == packet.digit && held.timestamp == place.timestamp;
        let recent = self.held.len().saturating_sub(REMEMBERED);
        if let Some(at) = self.held[recent..].iter().rposition(known) {
            return self.held.get_mut(recent + at);
        }
        // A long press in segments (RFC 4733 §2.5.1.3), or a sender that renews the timestamp.
        let held = self.held.last_mut()?;
        let idle = place.at.as_micros().saturating_sub(held.last.as_micros());
        let later = place.timestamp.wrapping_sub(held.timestamp).cast_signed() > 0;
        let goes_on = held.digit == packet.digit && !held.ended && !place.marker && later;
        (goes_on && idle <= CONTINUED).then_some(held)
    }

    /// The presses; `started` is when the stream began.
    pub(crate) fn finish(self, started: WallTime) -> impl Iterator<Item = Press> {
        self.held.into_iter().map(move |held| held.press(started))
    }
}

impl Held {
    fn press(self, started: WallTime) -> Press {
        let onset = since(self.began, started);
        let level = Level { dbm0: -f64::from(self.volume), twist_db: None };
        let mut press = Press {
            digit: self.digit,
            source: Source::Event,
            onset,
            at: Some(self.began),
            length: Some(wav::time(self.length.into(), self.clock_hz)),
            reported: onset,
            level: Some(level),
            notes: Vec::new(),
        };
        press.judge();
        if self.start_lost {
            press.notes.push(Note::StartLost);
        }
        if self.lost > 0 {
            press.notes.push(Note::Lost(self.lost));
        }
        if !self.ended {
            press.notes.push(Note::NoEnd);
        }
        press
    }
}

/// How long `at` is after `earlier`; nothing when it is before.
pub(crate) fn since(at: WallTime, earlier: WallTime) -> Duration {
    let micros = at.as_micros().saturating_sub(earlier.as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds, timestamp, marker, packets lost before, key, end, duration.
    type Row = (i64, u32, bool, u64, u8, bool, u16);

    fn heard(rows: &[Row]) -> Vec<(char, u128, Vec<Note>)> {
        let mut events = Events::default();
        for &(ms, timestamp, marker, lost_before, key, end, duration) in rows {
            let at = WallTime::from_micros(ms * 1_000);
            let place = Place { at, timestamp, marker, clock_hz: 8_000, lost_before };
            let [high, low] = duration.to_be_bytes();
            let payload = [key, if end { 0x8a } else { 10 }, high, low];
            events.handle(&place, &EventPacket::parse(&payload).unwrap());
        }
        let presses = events.finish(WallTime::from_micros(0));
        presses
            .map(|press| {
                (press.digit.to_char(), press.length.unwrap().as_millis(), press.notes.clone())
            })
            .collect()
    }

    #[test]
    fn a_press_is_all_its_packets_and_its_repeated_ends() {
        let rows = [
            (0, 800, true, 0, 5, false, 160),
            (20, 800, false, 0, 5, false, 320),
            (40, 800, false, 0, 5, true, 480),
            (41, 800, false, 0, 5, true, 480),
            (42, 800, false, 0, 5, true, 480),
            (200, 2_400, true, 0, 5, false, 160),
            (201, 800, false, 0, 5, true, 480),
            (240, 2_400, false, 0, 5, true, 400),
        ];
        assert_eq!(heard(&rows), [('5', 60, vec![]), ('5', 50, vec![])]);
    }

    #[test]
    fn what_is_missing_is_told() {
        let rows = [
            (0, 800, false, 1, 11, false, 320),
            (40, 800, false, 2, 11, false, 800),
            (500, 8_000, true, 0, 1, true, 240),
        ];
        let lost = vec![Note::StartLost, Note::Lost(3), Note::NoEnd];
        assert_eq!(heard(&rows), [('#', 100, lost), ('1', 30, vec![Note::Short])]);
    }

    #[test]
    fn a_press_in_segments_or_with_new_timestamps_is_one() {
        let rows: Vec<Row> = (0..10_u16)
            .map(|n| (i64::from(n) * 20, 1_000 + u32::from(n) * 160, n == 0, 0, 9, n == 9, 160))
            .collect();
        assert_eq!(heard(&rows), [('9', 200, vec![])]);
        let segments = [
            (0, 0, true, 0, 3, false, 160),
            (8_192, 0, false, 0, 3, false, 0xffff),
            (8_212, 0xffff, false, 0, 3, false, 160),
            (8_232, 0xffff, false, 0, 3, true, 320),
        ];
        assert_eq!(heard(&segments), [('3', (0xffff + 320) / 8, vec![])]);
    }

    #[test]
    fn only_keys_are_events_and_only_their_shape_looks_like_them() {
        assert!(EventPacket::parse(&[16, 0, 0, 0]).is_none());
        assert!(EventPacket::parse(&[1, 0, 0]).is_none());
        assert!(EventPacket::looks_like(&[15, 0x8a, 1, 0]));
        assert!(!EventPacket::looks_like(&[15, 0x4a, 1, 0]));
        assert!(!EventPacket::looks_like(&[15, 0x8a, 1, 0, 0]));
    }
}
