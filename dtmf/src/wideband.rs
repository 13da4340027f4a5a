//! The detector for sound of any [`Rate`]: a [`Decimator`] before a [`Detector`].
//!
//! It reckons in samples of the sound that goes in and takes the decimator's delay out of every
//! position. What a key press is, only the detector knows.

use crate::decimate::{Decimated, Decimator};
use crate::detector::{Detector, Event};
use crate::rate::Rate;

/// Finds DTMF in one direction of one call; linear PCM at 8, 16 or 48 kHz.
///
/// As [`Detector`], which it is at 8 kHz, but all samples, positions and lengths are those of its
/// rate. At the others it is certain 0.9 ms later. No call allocates.
///
/// ```
/// use partyline_dtmf::{Event, Rate, WidebandDetector, tone::{Burst, Generator}};
///
/// let mut detector = WidebandDetector::new(Rate::Hz16000);
/// let audio: Vec<i16> = Generator::new(&Burst::to_send(7), Rate::Hz16000).collect();
/// let mut lengths = Vec::new();
/// detector.push(&audio, &mut |event| {
///     if let Event::Up { length, .. } = event {
///         lengths.push(length);
///     }
/// });
/// assert!(lengths[0].abs_diff(16 * 100) < 16 * 10);
/// ```
#[derive(Clone)]
pub struct WidebandDetector {
    decimator: Decimator,
    detector: Detector,
}

const _: () = assert!(size_of::<WidebandDetector>() < 4096, "a leg's detector stays under 4 KiB");

impl WidebandDetector {
    /// A detector that has heard nothing.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { decimator: Decimator::new(rate), detector: Detector::new() }
    }

    /// The rate of the sound it hears.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.decimator.rate()
    }

    /// Hears `samples` and calls `report` for each key that goes down or comes up, in order.
    pub fn push(&mut self, samples: &[i16], report: &mut impl FnMut(Event)) {
        let scale = self.scale();
        let Self { decimator, detector } = self;
        decimator.push(samples, &mut |piece| hear(detector, &piece, scale, report));
    }

    /// Passes over `samples` that never arrived, or were made up to conceal that; see
    /// [`Detector::push_lost`].
    pub fn push_lost(&mut self, samples: usize, report: &mut impl FnMut(Event)) {
        let scale = self.scale();
        let Self { decimator, detector } = self;
        decimator.push_lost(samples, &mut |piece| hear(detector, &piece, scale, report));
    }

    /// See [`Detector::suspects`].
    #[must_use]
    pub fn suspects(&self) -> bool {
        self.detector.suspects()
    }

    /// See [`Detector::suspected_since`].
    #[must_use]
    pub fn suspected_since(&self) -> Option<u64> {
        self.detector.suspected_since().map(|position| self.scale().position(position))
    }

    fn scale(&self) -> Scale {
        Scale { factor: u64::from(self.rate().factor()), delay: self.decimator.delay() }
    }
}

/// What turns samples at 8 kHz into samples of the sound that went in.
#[derive(Clone, Copy)]
struct Scale {
    factor: u64,
    delay: u64,
}

impl Scale {
    /// The tail of a filter may begin before the sound itself does.
    const fn position(self, decimated: u64) -> u64 {
        decimated.saturating_sub(self.delay) * self.factor
    }

    const fn event(self, event: Event) -> Event {
        match event {
            Event::Down { code, onset } => Event::Down { code, onset: self.position(onset) },
            Event::Up { code, length } => Event::Up { code, length: length * self.factor },
        }
    }
}

fn hear(
    detector: &mut Detector,
    piece: &Decimated<'_>,
    scale: Scale,
    report: &mut impl FnMut(Event),
) {
    let mut report = |event| report(scale.event(event));
    match *piece {
        Decimated::Heard(samples) => detector.push(samples, &mut report),
        Decimated::Lost(samples) => detector.push_lost(samples, &mut report),
    }
}
