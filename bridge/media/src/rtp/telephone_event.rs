//! Telephone events (RFC 4733): one key down and one key up for each press, whatever is lost,
//! repeated, reordered or renumbered on the way. Does not know what else hears the key.
//!
//! All packets of a press should carry the timestamp of its beginning, so that source, timestamp
//! and code name it. Senders that renew the timestamp, that never move it, that cut a long press
//! into segments or that change their source in the middle of one are met by [`Decoder::place`].

use std::time::Duration;

use partyline_model::{Digit, Time};

use super::packet::{Packet, sequence_distance, timestamp_distance};
use crate::ClockRate;

pub(crate) mod encoder;
#[cfg(test)]
mod tests;

/// Without a packet for this long a key is up: its last packets are lost.
const END_LOST: Duration = Duration::from_millis(200);
/// Presses that are remembered, to know what belongs to them.
const REMEMBERED: usize = 8;
/// A press that begins so soon after the end of one of the same key, and without the marker of a
/// beginning, is the same one: 40 ms is the least pause between two presses (ITU-T Q.24).
const LEAST_PAUSE_MS: u32 = 40;
/// A step back by more than this is a new count of the sender's clock, not a straggler.
const STRAGGLER_MS: u32 = 10_000;
/// Packets in a row that may be missing where the sender renews the timestamp each time.
const RENEWED_MISSING: i16 = 8;

/// What became known of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// The key went down.
    Down(Digit),
    /// The press that was thought to be over goes on.
    Again(Digit),
    /// The key came up.
    Up(Digit),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Held,
    /// Nothing more came for a while.
    TimedOut,
    /// A packet said so.
    Ended,
}

/// One press, as far as its packets tell.
#[derive(Clone, Copy)]
struct Press {
    ssrc: u32,
    digit: Digit,
    /// The timestamps of its first and its latest packet: the same, if the sender keeps to the RFC.
    first: u32,
    latest: u32,
    /// By how much the timestamp moves with each packet, where it does.
    renewal: u32,
    /// Of the packet with the highest number.
    sequence: u16,
    duration: u16,
    last: Time,
    phase: Phase,
}

/// What matters of one packet.
#[derive(Clone, Copy)]
struct Seen {
    ssrc: u32,
    digit: Digit,
    timestamp: u32,
    sequence: u16,
    duration: u16,
    marker: bool,
    ended: bool,
}

/// What a packet belongs to.
enum Place {
    /// The press in this slot.
    Of(usize),
    /// A press before one that is known, all of whose packets were overtaken.
    Overtaken,
    /// A new press.
    New,
    /// The newest press, that began before what is known of it.
    Before,
}

/// The receiving end of one leg's telephone events.
pub(crate) struct Decoder {
    clock: ClockRate,
    presses: [Option<Press>; REMEMBERED],
    /// The slot of the newest press.
    newest: usize,
}

impl Decoder {
    pub(crate) const fn new(clock: ClockRate) -> Self {
        Self { clock, presses: [None; REMEMBERED], newest: 0 }
    }

    /// Takes over the clock of a new offer or answer.
    pub(crate) const fn set_clock(&mut self, clock: ClockRate) {
        self.clock = clock;
    }

    /// Whether a key is down.
    pub(crate) fn is_held(&self) -> bool {
        self.held().is_some()
    }

    fn held(&self) -> Option<usize> {
        self.presses.iter().position(|p| p.is_some_and(|p| p.phase == Phase::Held))
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
        let seen = Seen {
            ssrc: packet.ssrc,
            digit,
            timestamp: packet.timestamp,
            sequence: packet.sequence,
            duration: u16::from_be_bytes([high, low]),
            marker: packet.marker,
            ended: flags & 0x80 != 0,
        };
        self.handle_timeout(now, report);
        match self.place(&seen) {
            Place::Of(slot) => self.go_on(now, slot, &seen, report),
            Place::New => {
                if let Some(held) = self.held() {
                    self.end(held, Phase::TimedOut, report);
                }
                let slot = self.begin(now, &seen, Phase::Held);
                report(Key::Down(digit));
                if seen.ended {
                    self.end(slot, Phase::Ended, report);
                }
            }
            Place::Overtaken => {
                self.begin(now, &seen, Phase::Ended);
                report(Key::Down(digit));
                report(Key::Up(digit));
            }
            Place::Before => {
                if let Some(press) = &mut self.presses[self.newest] {
                    press.first = seen.timestamp;
                }
            }
        }
        true
    }

    /// Lets go of a key whose end was lost.
    pub(crate) fn handle_timeout(&mut self, now: Time, report: &mut impl FnMut(Key)) {
        let Some(held) = self.held() else { return };
        if self.presses[held].is_some_and(|press| now - press.last >= END_LOST) {
            self.end(held, Phase::TimedOut, report);
        }
    }

    fn place(&self, seen: &Seen) -> Place {
        let newest_first = (0..REMEMBERED).map(|n| (self.newest + REMEMBERED - n) % REMEMBERED);
        for slot in newest_first {
            if let Some(press) = self.presses[slot]
                && press.covers(seen)
            {
                return if press.is_pressed_again(seen) { Place::New } else { Place::Of(slot) };
            }
        }
        let Some(newest) = self.presses[self.newest] else { return Place::New };
        if newest.digit == seen.digit && newest.goes_on(seen, self.clock) {
            return Place::Of(self.newest);
        }
        let back = timestamp_distance(newest.first, seen.timestamp);
        let straggler = self.clock.units(STRAGGLER_MS).cast_signed();
        if newest.ssrc != seen.ssrc || !(1..straggler).contains(&back) {
            return Place::New;
        }
        // Nothing between the two: a segment that was overtaken, or a renewed timestamp.
        let pause = i64::from(back) - i64::from(seen.duration);
        let touches = pause < i64::from(self.clock.units(LEAST_PAUSE_MS)) || newest.renewal > 0;
        if touches && newest.digit == seen.digit { Place::Before } else { Place::Overtaken }
    }

    fn begin(&mut self, now: Time, seen: &Seen, phase: Phase) -> usize {
        // A press that was overtaken is not what the next packet is measured by.
        let slot = (self.newest + 1) % REMEMBERED;
        self.presses[slot] = Some(Press {
            ssrc: seen.ssrc,
            digit: seen.digit,
            first: seen.timestamp,
            latest: seen.timestamp,
            renewal: 0,
            sequence: seen.sequence,
            duration: seen.duration,
            last: now,
            phase,
        });
        if phase == Phase::Ended {
            self.presses.swap(self.newest, slot);
        }
        self.newest = slot;
        slot
    }

    fn go_on(&mut self, now: Time, slot: usize, seen: &Seen, report: &mut impl FnMut(Key)) {
        let Some(press) = &mut self.presses[slot] else { return };
        let step = sequence_distance(seen.sequence, press.sequence);
        if press.ssrc != seen.ssrc {
            (press.ssrc, press.first, press.latest) = (seen.ssrc, seen.timestamp, seen.timestamp);
        } else if step < 0 {
            return;
        }
        press.follow_timestamp(seen, step);
        (press.sequence, press.duration, press.last) = (seen.sequence, seen.duration, now);
        match press.phase {
            Phase::Ended => return,
            // One key is down at a time: another one has been since.
            Phase::TimedOut if slot != self.newest => return,
            Phase::TimedOut => {
                press.phase = Phase::Held;
                report(Key::Again(press.digit));
            }
            Phase::Held => {}
        }
        if seen.ended {
            self.end(slot, Phase::Ended, report);
        }
    }

    fn end(&mut self, slot: usize, phase: Phase, report: &mut impl FnMut(Key)) {
        if let Some(press) = &mut self.presses[slot] {
            press.phase = phase;
            report(Key::Up(press.digit));
        }
    }
}

impl Press {
    /// Whether the packet's timestamp lies within those of this press.
    fn covers(&self, seen: &Seen) -> bool {
        let span = self.latest.wrapping_sub(self.first);
        self.ssrc == seen.ssrc
            && self.digit == seen.digit
            && seen.timestamp.wrapping_sub(self.first) <= span
    }

    /// Whether the key was let go and pressed again by a sender that does not move its timestamp.
    fn is_pressed_again(&self, seen: &Seen) -> bool {
        let later = sequence_distance(seen.sequence, self.sequence) > 0;
        let shorter = seen.duration < self.duration;
        later
            && seen.timestamp == self.latest
            && match self.phase {
                Phase::Held => false,
                Phase::TimedOut => seen.marker && shorter,
                Phase::Ended => !seen.ended && (seen.marker || shorter),
            }
    }

    /// Whether a packet of the same key with a timestamp of its own belongs to this press. A new
    /// press would have the marker, or packets missing before it: the marked one, or the last ones
    /// of the old press.
    fn goes_on(&self, seen: &Seen, clock: ClockRate) -> bool {
        if seen.marker {
            return false;
        }
        if self.ssrc != seen.ssrc {
            // The sender is another, the key is still down.
            return self.phase == Phase::Held && seen.duration > self.duration;
        }
        let ahead = timestamp_distance(seen.timestamp, self.latest);
        let Ok(ahead) = u32::try_from(ahead) else { return false };
        let duration = u32::from(self.duration);
        let step = sequence_distance(seen.sequence, self.sequence);
        if self.phase == Phase::Ended {
            // Its end was repeated with another timestamp, or it was cut in two on the way.
            let repeated = seen.ended && (1..=2).contains(&step);
            let pause = ahead.wrapping_sub(duration);
            return repeated || pause < clock.units(LEAST_PAUSE_MS);
        }
        // The next segment (RFC 4733 §2.5.1.3), or a timestamp renewed while the duration grows: a
        // press cannot begin before the one before it is over.
        let contiguous = ahead <= duration;
        // The next segment, the end of the one before being lost: no other gap is as long as the
        // field can count.
        let fullest = u32::from(u16::MAX);
        let segment = (fullest - 3 * clock.units(20)..=fullest).contains(&ahead);
        let longer = u32::from(seen.duration).saturating_sub(duration);
        contiguous || segment || (self.phase == Phase::Held && self.renews(ahead, longer, step))
    }

    /// Whether a sender that renews the timestamp would have come so far in `step` packets, by
    /// which the duration has grown `longer`.
    fn renews(&self, ahead: u32, longer: u32, step: i16) -> bool {
        match u32::try_from(step) {
            Ok(1) => true,
            Ok(packets @ 2..) if step <= RENEWED_MISSING => {
                let as_before = self.renewal > 0 && ahead == self.renewal.wrapping_mul(packets);
                as_before || ahead == longer
            }
            Ok(_) | Err(_) => false,
        }
    }

    fn follow_timestamp(&mut self, seen: &Seen, step: i16) {
        let ahead = timestamp_distance(seen.timestamp, self.latest);
        let Ok(ahead @ 1..) = u32::try_from(ahead) else { return };
        self.latest = seen.timestamp;
        // A segment's timestamp moves by seconds: that is no renewal.
        if let Ok(packets @ 1..) = u32::try_from(step)
            && ahead < u32::from(u16::MAX) / 2
        {
            self.renewal = ahead / packets;
        }
    }
}
