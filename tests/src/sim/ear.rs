//! A fast ear: the levels of many tones in 400 ms of sound.
//!
//! `partyline_phones::analysis` judges with more care; this one is for questions asked a million
//! times.

use std::f64::consts::TAU;
use std::sync::OnceLock;

/// Samples that are listened to at once, 400 ms at 8 kHz: a Hann window of this length parts tones
/// 10 Hz from each other.
pub const SPAN: usize = 3200;
/// Goertzel's amplitude of a full-scale sine (32,767), in dBm0.
const FULL_SCALE_DBM0: f64 = 3.17;

fn window() -> &'static [f64] {
    static WINDOW: OnceLock<Vec<f64>> = OnceLock::new();
    WINDOW.get_or_init(|| {
        let step = TAU / SPAN as f64;
        (0..SPAN).map(|place| 0.5 - 0.5 * (step * (place as f64 + 0.5)).cos()).collect()
    })
}

/// Sound made ready for many questions.
pub struct Ear(Vec<f64>);

impl Ear {
    /// Listens to the first [`SPAN`] samples; `None` when there are fewer.
    pub fn new(samples: &[i16]) -> Option<Self> {
        let samples = samples.get(..SPAN)?;
        Some(Self(samples.iter().zip(window()).map(|(&s, w)| f64::from(s) * w).collect()))
    }

    /// The level of `hz` in dBm0.
    pub fn level(&self, hz: f64) -> f64 {
        let turn = 2.0 * (TAU * hz / 8000.0).cos();
        let (mut last, mut before) = (0.0, 0.0);
        for value in &self.0 {
            let next = value + turn * last - before;
            before = last;
            last = next;
        }
        let power: f64 = last * last + before * before - turn * last * before;
        // The window's weight is half its length; a sine's is half again.
        let amplitude = power.max(0.0).sqrt() * 4.0 / SPAN as f64;
        FULL_SCALE_DBM0 + 20.0 * (amplitude / 32_767.0).max(1e-9).log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_that_were_sent() {
        for (hz, dbm0) in [(320.0, -18.0), (1000.0, -3.0), (3080.0, -40.0)] {
            let ear = Ear::new(&partyline_phones::sine(hz, dbm0, SPAN)).unwrap();
            assert!((ear.level(hz) - dbm0).abs() < 0.5, "{hz} Hz {dbm0}: {}", ear.level(hz));
            assert!(ear.level(hz + 40.0) < dbm0 - 30.0, "{hz}: {}", ear.level(hz + 40.0));
        }
    }
}
