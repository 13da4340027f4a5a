//! The face of the crate: samples in, key presses out, whatever the chunk size.
//!
//! It owns the sliding window and the sample count. What a window holds is measured by
//! [`crate::goertzel`]; what that means is decided by [`crate::decision`].

use std::fmt;

use crate::decision::{Decision, Verdict};
use crate::goertzel::{self, HOP, WINDOW};

/// Losses longer than this (in samples: one second) end a key and forget the past.
const LONGEST_BRIDGED: usize = 8000;

/// A key went down or came up.
///
/// Sample positions count every sample pushed or reported lost since [`Detector::new`], from 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A key press is certain.
    Down {
        /// RFC 4733 §3.2 event code: 0..=9 the digits, 10 `*`, 11 `#`, 12..=15 `A`..=`D`.
        code: u8,
        /// Where the tone began; within about 5 ms on a clean line.
        onset: u64,
    },
    /// The key of the last [`Event::Down`] was let go.
    Up {
        /// The code that went down.
        code: u8,
        /// How long it was held, in samples.
        length: u64,
    },
}

/// Leaves the code out: it may be a digit of a passcode.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down { onset, .. } => {
                f.debug_struct("Down").field("onset", onset).finish_non_exhaustive()
            }
            Self::Up { length, .. } => {
                f.debug_struct("Up").field("length", length).finish_non_exhaustive()
            }
        }
    }
}

/// Finds DTMF in one direction of one call; linear PCM at 8 kHz.
///
/// The result depends on the samples only, never on how they are cut into calls of
/// [`Detector::push`]. No call allocates.
#[derive(Clone)]
pub struct Detector {
    window: [f32; WINDOW],
    /// How much of `window` is filled; below `WINDOW` between calls.
    filled: usize,
    /// Samples seen so far, lost ones included.
    position: u64,
    /// Up to here samples were lost: a window that starts earlier proves nothing.
    lost_until: u64,
    decision: Decision,
}

const _: () = assert!(size_of::<Detector>() < 4096, "a leg's detector stays under 4 KiB");

impl Detector {
    /// A detector that has heard nothing.
    pub fn new() -> Self {
        Self {
            window: [0.0; WINDOW],
            filled: 0,
            position: 0,
            lost_until: 0,
            decision: Decision::new(),
        }
    }

    /// Hears `samples` and calls `report` for each key that goes down or comes up, in order.
    pub fn push(&mut self, mut samples: &[i16], report: &mut impl FnMut(Event)) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(WINDOW - self.filled));
            for (slot, &sample) in self.window.iter_mut().skip(self.filled).zip(now) {
                *slot = f32::from(sample);
            }
            self.advance(now.len(), report);
            samples = later;
        }
    }

    /// Passes over `samples` that never arrived, or were made up to conceal that.
    ///
    /// A key that is down stays down over a short gap and a tone that is being recognised is
    /// neither helped nor hurt by it. Gaps of more than a second end everything.
    pub fn push_lost(&mut self, samples: usize, report: &mut impl FnMut(Event)) {
        if samples > LONGEST_BRIDGED {
            self.position += samples as u64;
            self.filled = 0;
            self.lost_until = self.position;
            self.decision.reset(report);
            return;
        }
        let mut left = samples;
        while left > 0 {
            let now = left.min(WINDOW - self.filled);
            self.window[self.filled..self.filled + now].fill(0.0);
            self.lost_until = self.position + now as u64;
            self.advance(now, report);
            left -= now;
        }
    }

    /// Whether the latest samples may be part of a key press that is not certain yet, or is going
    /// on: whoever must not let tones through holds the audio back while this is true.
    pub fn suspects(&self) -> bool {
        self.decision.suspects()
    }

    /// Where the tone that [`Detector::suspects`] speaks of began, as a sample position, no later
    /// than its first sample; `None` while nothing is suspected.
    ///
    /// While a key is down this is its onset. It is judged anew every 5 ms: a suspicion that turns
    /// out to be speech is gone with the window that shows it.
    pub fn suspected_since(&self) -> Option<u64> {
        self.decision.suspected_since()
    }

    /// Counts `samples` that were written to the window, and judges it when it is full.
    fn advance(&mut self, samples: usize, report: &mut impl FnMut(Event)) {
        self.filled += samples;
        self.position += samples as u64;
        if self.filled < WINDOW {
            return;
        }
        let start = self.position - WINDOW as u64;
        let verdict = if start < self.lost_until {
            Verdict::Unknown
        } else {
            Verdict::Heard(goertzel::measure(&self.window))
        };
        self.decision.handle(start, verdict, &self.window, report);
        self.window.copy_within(HOP.., 0);
        self.filled = WINDOW - HOP;
    }
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}
