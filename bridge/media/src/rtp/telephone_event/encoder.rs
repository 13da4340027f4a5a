//! The sending end of telephone events: what is to be sent in each 20 ms of one press
//! (RFC 4733 §2.5.1). Knows no sequence numbers and no sockets.

use partyline_model::Digit;

use crate::ClockRate;

/// How often the last packet is sent (RFC 4733 §2.5.1.4): 20 ms apart, so that one burst of loss
/// does not take them all.
const ENDS: u8 = 3;
/// The power of the tone that the event stands for: -10 dBm0.
const VOLUME: u8 = 10;

/// One packet of a press.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventPacket {
    /// Whether it is the first one.
    pub(crate) marker: bool,
    /// The beginning of the press, or of its segment.
    pub(crate) timestamp: u32,
    /// Event, end and volume, duration.
    pub(crate) payload: [u8; 4],
}

/// One press on its way.
pub(crate) struct Encoder {
    digit: Digit,
    clock: ClockRate,
    /// The beginning of the segment.
    timestamp: u32,
    /// What of the segment has been sent.
    duration: u16,
    /// Frames of the press that are still to come.
    frames: u32,
    ends: u8,
    first: bool,
}

impl Encoder {
    /// A press of `frames` times 20 ms, one at least, that begins at `timestamp`.
    pub(crate) fn new(digit: Digit, frames: u32, clock: ClockRate, timestamp: u32) -> Self {
        let frames = frames.max(1);
        Self { digit, clock, timestamp, duration: 0, frames, ends: ENDS, first: true }
    }

    /// The packet of the next 20 ms; `None` when all are sent.
    pub(crate) fn next(&mut self) -> Option<EventPacket> {
        if self.frames > 0 {
            self.frames -= 1;
            let step = self.clock.units_per_frame();
            if let Some(longer) = self.duration.checked_add(step) {
                self.duration = longer;
            } else {
                // The field is full: a further segment, that begins where this one ends and has
                // neither marker nor an end before it (RFC 4733 §2.5.1.3).
                self.timestamp = self.timestamp.wrapping_add(u32::from(self.duration));
                self.duration = step;
            }
        }
        if self.frames == 0 {
            self.ends = self.ends.checked_sub(1)?;
        }
        let end = if self.frames == 0 { 0x80 } else { 0 };
        let [high, low] = self.duration.to_be_bytes();
        Some(EventPacket {
            marker: std::mem::take(&mut self.first),
            timestamp: self.timestamp,
            payload: [self.digit.event(), end | VOLUME, high, low],
        })
    }
}
