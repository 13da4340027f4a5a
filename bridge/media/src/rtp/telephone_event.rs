//! Telephone events (RFC 4733): one key down and one key up for each press, whatever is lost,
//! repeated or renumbered on the way. Does not know what else hears the key.

use std::time::Duration;

use partyline_model::{Digit, Time};

use super::packet::{Packet, sequence_distance, timestamp_distance};

/// Without a packet for this long a key is up: its last packets are lost.
const END_LOST: Duration = Duration::from_millis(200);
/// Finished events that are remembered, to know their repetitions.
const REMEMBERED: usize = 4;

/// What became known of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// It went down.
    Down(Digit),
    /// It came up.
    Up(Digit),
}

/// What the packets of one press have in common: source and first timestamp (RFC 4733 §2.3).
#[derive(Clone, Copy, PartialEq, Eq)]
struct EventId {
    ssrc: u32,
    timestamp: u32,
    code: u8,
}

#[derive(Clone, Copy)]
struct Held {
    id: EventId,
    digit: Digit,
    sequence: u16,
    duration: u16,
    last: Time,
}

/// The receiving end of one leg's telephone events.
pub(crate) struct Decoder {
    held: Option<Held>,
    finished: [Option<EventId>; REMEMBERED],
    next_finished: usize,
}

impl Decoder {
    pub(crate) const fn new() -> Self {
        Self { held: None, finished: [None; REMEMBERED], next_finished: 0 }
    }

    /// Whether a key is down.
    pub(crate) const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Takes a packet; `false` when it holds no DTMF event.
    pub(crate) fn handle(
        &mut self,
        now: Time,
        packet: &Packet<'_>,
        report: &mut impl FnMut(Key),
    ) -> bool {
        let &[code, flags, high, low, ..] = packet.payload else { return false };
        let Ok(digit) = Digit::from_event(code) else { return false };
        let id = EventId { ssrc: packet.ssrc, timestamp: packet.timestamp, code };
        let ended = flags & 0x80 != 0;
        let duration = u16::from_be_bytes([high, low]);
        self.handle_timeout(now, report);
        if self.finished.contains(&Some(id)) || self.is_older(&id) {
            return true;
        }
        let seen = Held { id, digit, sequence: packet.sequence, duration, last: now };
        match self.held {
            Some(held) if held.id == id || continues(&held, &seen, packet.marker) => {}
            Some(_) => {
                self.release(report);
                report(Key::Down(digit));
            }
            None => report(Key::Down(digit)),
        }
        self.held = Some(seen);
        if ended {
            self.release(report);
        }
        true
    }

    /// Lets go of a key whose end was lost.
    pub(crate) fn handle_timeout(&mut self, now: Time, report: &mut impl FnMut(Key)) {
        if self.held.is_some_and(|held| now - held.last >= END_LOST) {
            self.release(report);
        }
    }

    /// Ends the press in progress.
    pub(crate) fn release(&mut self, report: &mut impl FnMut(Key)) {
        let Some(held) = self.held.take() else { return };
        self.finished[self.next_finished] = Some(held.id);
        self.next_finished = (self.next_finished + 1) % REMEMBERED;
        report(Key::Up(held.digit));
    }

    /// Whether this press began before one that is known already: a straggler out of order, too
    /// late to be put before it.
    fn is_older(&self, id: &EventId) -> bool {
        let newest = self
            .held
            .map(|held| held.id)
            .or_else(|| self.finished[(self.next_finished + REMEMBERED - 1) % REMEMBERED]);
        /// A step back by more than 10 s is a new count, not a straggler.
        const STRAGGLER: i32 = 80_000;
        newest.is_some_and(|newest| {
            let back = timestamp_distance(newest.timestamp, id.timestamp);
            newest.ssrc == id.ssrc && (1..STRAGGLER).contains(&back)
        })
    }
}

/// Whether a packet with another timestamp belongs to the press in progress: a further segment of
/// a long one (RFC 4733 §2.5.1.3), or a sender that renews the timestamp in every packet. A new
/// press would have the marker bit, or a packet missing before it: the end of the old one.
fn continues(held: &Held, seen: &Held, marker: bool) -> bool {
    let next_segment = held.id.timestamp.wrapping_add(u32::from(held.duration));
    let step = sequence_distance(seen.sequence, held.sequence);
    held.id.ssrc == seen.id.ssrc
        && held.id.code == seen.id.code
        && (1..=2).contains(&step)
        && (seen.id.timestamp == next_segment || (!marker && step == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of a press as (milliseconds, sequence, timestamp, code, end, duration, marker).
    type Row = (u64, u16, u32, u8, bool, u16, bool);

    fn heard(rows: &[Row]) -> String {
        let mut decoder = Decoder::new();
        let mut text = String::new();
        let mut report = |key: Key| match key {
            Key::Down(digit) => text.push(digit.to_char()),
            Key::Up(_) => text.push('.'),
        };
        let mut last = 0;
        for &(at, sequence, timestamp, code, end, duration, marker) in rows {
            let [high, low] = duration.to_be_bytes();
            let payload = [code, if end { 0x8a } else { 0x0a }, high, low];
            let packet = Packet {
                payload_type: 101,
                marker,
                sequence,
                timestamp,
                ssrc: 7,
                payload: &payload,
            };
            assert!(decoder.handle(Time::from_millis(at), &packet, &mut report));
            last = at;
        }
        decoder.handle_timeout(Time::from_millis(last + 200), &mut report);
        text
    }

    #[test]
    fn a_press_is_one_digit() {
        let press: [Row; 6] = [
            (0, 1, 1000, 5, false, 160, true),
            (20, 2, 1000, 5, false, 320, false),
            (40, 3, 1000, 5, false, 480, false),
            (60, 4, 1000, 5, true, 640, false),
            (60, 5, 1000, 5, true, 640, false),
            (60, 6, 1000, 5, true, 640, false),
        ];
        assert_eq!(heard(&press), "5.");
        // Any part of it is enough, in order or not.
        for from in 0..6 {
            for to in from..6 {
                assert_eq!(heard(&press[from..=to]), "5.");
            }
        }
        assert_eq!(heard(&[press[1], press[0], press[3], press[2], press[5], press[4]]), "5.");
    }

    #[test]
    fn the_same_key_twice_is_two_digits() {
        let twice: [Row; 4] = [
            (0, 1, 1000, 5, false, 160, true),
            (20, 2, 1000, 5, true, 320, false),
            (100, 3, 1800, 5, false, 160, true),
            (120, 4, 1800, 5, true, 320, false),
        ];
        assert_eq!(heard(&twice), "5.5.");
        // The end of the first and the beginning of the second are lost.
        assert_eq!(heard(&[twice[0], twice[3]]), "5.5.");
        // Every end is lost.
        assert_eq!(heard(&[twice[0], twice[2]]), "5.5.");
    }

    #[test]
    fn repeated_ends_of_the_last_press_do_not_press_again() {
        assert_eq!(
            heard(&[
                (0, 1, 1000, 5, true, 320, false),
                (20, 4, 1400, 6, false, 160, true),
                (21, 2, 1000, 5, true, 320, false),
                (40, 5, 1400, 6, true, 320, false),
                (41, 3, 1000, 5, true, 320, false),
                (300, 3, 1000, 5, true, 320, false),
            ]),
            "5.6."
        );
    }

    #[test]
    fn a_twenty_second_press_in_segments_is_one_digit() {
        let mut rows: Vec<Row> = Vec::new();
        let mut timestamp = 5_000_u32;
        let mut duration = 0_u16;
        for n in 0..1_000_u16 {
            if let Some(longer) = duration.checked_add(160) {
                duration = longer;
            } else {
                timestamp += u32::from(duration);
                duration = 160;
            }
            rows.push((u64::from(n) * 20, n, timestamp, 1, n == 999, duration, n == 0));
        }
        assert_eq!(heard(&rows), "1.");
    }

    #[test]
    fn a_sender_that_renews_the_timestamp_in_every_packet_presses_once() {
        let rows: Vec<Row> = (0..10_u16)
            .map(|n| (u64::from(n) * 20, n, 1000 + u32::from(n) * 160, 9, n == 9, 160, n == 0))
            .collect();
        assert_eq!(heard(&rows), "9.");
    }

    #[test]
    fn events_that_are_no_digits_are_refused() {
        let packet = Packet {
            payload_type: 101,
            marker: true,
            sequence: 1,
            timestamp: 1,
            ssrc: 1,
            payload: &[16, 0, 0, 0],
        };
        let mut decoder = Decoder::new();
        assert!(!decoder.handle(Time::ZERO, &packet, &mut |_| ()));
        assert!(!decoder.handle(
            Time::ZERO,
            &Packet { payload: &[1, 0, 0], ..packet },
            &mut |_| ()
        ));
        assert!(!decoder.is_held());
    }
}
