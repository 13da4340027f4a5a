//! One direction of one call: samples in, key presses out, whatever the chunk size.

use std::fmt;

use crate::calls::Calls;

/// Samples of a gap that are passed over before it is asked whether anything is left to forget.
const LOST_AT_ONCE: usize = 800;

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
pub struct Detector(Calls<1>);

const _: () = assert!(size_of::<Detector>() < 4096, "a leg's detector stays under 4 KiB");

impl Detector {
    /// A detector that has heard nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Calls::new())
    }

    /// Hears `samples` and calls `report` for each key that goes down or comes up, in order.
    pub fn push(&mut self, samples: &[i16], report: &mut impl FnMut(Event)) {
        self.0.push([Some(samples)], samples.len(), &mut |_, event| report(event));
    }

    /// Passes over `samples` that never arrived, or were made up to conceal that.
    ///
    /// A key that is down stays down over a short gap and a tone that is being recognised is
    /// neither helped nor hurt by it. Gaps of 200 ms and more end everything.
    pub fn push_lost(&mut self, samples: usize, report: &mut impl FnMut(Event)) {
        let mut left = samples;
        while left > 0 {
            left -= self.0.skip_lost(left);
            let now = left.min(LOST_AT_ONCE);
            self.0.push([None], now, &mut |_, event| report(event));
            left -= now;
        }
    }

    /// Whether the latest samples may be part of a key press that is not certain yet, or is going
    /// on: whoever must not let tones through holds the audio back while this is true.
    pub fn suspects(&self) -> bool {
        self.suspected_since().is_some()
    }

    /// Where the tone that [`Detector::suspects`] speaks of began, as a sample position, no later
    /// than its first sample; `None` while nothing is suspected.
    ///
    /// While a key is down this is its onset. It is judged anew every 5 ms: a suspicion that turns
    /// out to be speech is gone with the window that shows it.
    pub fn suspected_since(&self) -> Option<u64> {
        self.0.decision(0).suspected_since()
    }
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}
