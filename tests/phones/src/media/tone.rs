//! Sine tones with levels in dBm0: voices of test callers and the sixteen pairs of ITU-T Q.23.

use std::f64::consts::TAU;

/// Samples a second of everything here, as a float for arithmetic.
pub(crate) const RATE_HZ: f64 = 8000.0;
/// Peak, in 16-bit steps, of the sine that just reaches µ-law's overload point of +3.17 dBm0
/// (ITU-T G.711: virtual decision value 8159 of 14 bits).
const OVERLOAD_PEAK: f64 = 32_636.0;
/// The level of that sine.
const OVERLOAD_DBM0: f64 = 3.17;

/// Peak amplitude in 16-bit steps of a sine of `dbm0`.
pub(crate) fn peak_of(dbm0: f64) -> f64 {
    OVERLOAD_PEAK * 10f64.powf((dbm0 - OVERLOAD_DBM0) / 20.0)
}

/// Level in dBm0 of a sine with this peak; silence is a large negative number, never infinite.
pub(crate) fn level_of(peak: f64) -> f64 {
    OVERLOAD_DBM0 + 20.0 * (peak.max(1e-6) / OVERLOAD_PEAK).log10()
}

/// The nearest sample, held to the range of 16 bits.
pub(crate) fn to_sample(value: f64) -> i16 {
    let held = value.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX));
    #[expect(clippy::cast_possible_truncation, reason = "held to the range on the line above")]
    let sample = held as i16;
    sample
}

/// A sine that goes on where it stopped.
#[derive(Debug, Clone)]
pub(crate) struct Sine {
    turns: f64,
    step: f64,
    peak: f64,
}

impl Sine {
    pub(crate) fn new(hz: f64, dbm0: f64) -> Self {
        Self { turns: 0.0, step: hz / RATE_HZ, peak: peak_of(dbm0) }
    }

    pub(crate) fn next(&mut self) -> f64 {
        let value = (self.turns * TAU).sin() * self.peak;
        self.turns = (self.turns + self.step).fract();
        value
    }
}

/// `count` samples of a sine from phase zero, for tests that need known audio.
#[must_use]
pub fn sine(hz: f64, dbm0: f64, count: usize) -> Vec<i16> {
    let mut sine = Sine::new(hz, dbm0);
    (0..count).map(|_| to_sample(sine.next())).collect()
}
