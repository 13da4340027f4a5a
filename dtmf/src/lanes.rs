//! Eight calls at once, for a bridge that has many.

use crate::calls::Calls;
use crate::detector::Event;

/// Finds DTMF in eight calls that are fed in step, as a mixer feeds them.
///
/// Each lane hears what a [`Detector`](crate::Detector) by itself would hear, to the last bit, and
/// costs less. Positions in events count from the lane's own beginning.
///
/// ```
/// use partyline_dtmf::{Event, Lanes, tone::Burst};
///
/// let press = Burst { code: 9, ..Burst::default() }.samples();
/// let (mut lanes, mut pressed) = (Lanes::new(), Vec::new());
/// for frame in press.as_chunks::<160>().0 {
///     // A call in the third lane, nobody in the others.
///     let mut frames = [None; Lanes::COUNT];
///     frames[2] = Some(frame);
///     lanes.push(&frames, &mut |lane, event| {
///         if let Event::Down { code, .. } = event {
///             pressed.push((lane, code));
///         }
///     });
/// }
/// assert_eq!(pressed, [(2, 9)]);
/// ```
#[derive(Clone)]
pub struct Lanes(Calls<{ Lanes::COUNT }>);

impl Lanes {
    /// Calls in it.
    pub const COUNT: usize = 8;

    /// Lanes that have heard nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Calls::new())
    }

    /// Hears the next frame of every call, and calls `report` with the lane of each key that goes
    /// down or comes up. `None` is a frame that never arrived, or a lane without a call: see
    /// [`Detector::push_lost`](crate::Detector::push_lost).
    pub fn push<const SAMPLES: usize>(
        &mut self,
        frames: &[Option<&[i16; SAMPLES]>; Self::COUNT],
        report: &mut impl FnMut(usize, Event),
    ) {
        let mut sound = [None; Self::COUNT];
        for (sound, frame) in sound.iter_mut().zip(frames) {
            *sound = frame.map(|frame| &frame[..]);
        }
        self.0.push(sound, SAMPLES, report);
    }

    /// Forgets the call in `lane`: the next frame there is the first of another.
    ///
    /// # Panics
    ///
    /// When there is no such lane.
    pub fn begin(&mut self, lane: usize) {
        self.0.forget(lane);
    }

    /// Where the tone began that may be part of a key press in `lane`: see
    /// [`Detector::suspected_since`](crate::Detector::suspected_since).
    ///
    /// # Panics
    ///
    /// When there is no such lane.
    #[must_use]
    pub fn suspected_since(&self, lane: usize) -> Option<u64> {
        self.0.decision(lane).suspected_since()
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new()
    }
}
