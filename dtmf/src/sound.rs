//! Sounds that the unit tests are made of.

use std::f64::consts::TAU;

use crate::bands::{Bands, HOP, Powers, WINDOW_HOPS};
use crate::look::{Entry, Level};
use crate::simd::{Kernel, Vectors, widest};
use crate::tones::Tones;

/// The power of a sine of 0 dBm0.
pub(crate) const ZERO_DBM0: f64 = 22_826.5 * 22_826.5 / 2.0;

/// Sines of (hertz, peak), each of its own phase.
pub(crate) fn sines(length: usize, sines: &[(f64, f64)]) -> Vec<i16> {
    let at = |n: usize| {
        let wave = |(place, &(hertz, peak)): (usize, &(f64, f64))| {
            peak * (TAU * hertz * n as f64 / 8000.0 + 0.7 + place as f64).sin()
        };
        sample(sines.iter().enumerate().map(wave).sum())
    };
    (0..length).map(at).collect()
}

/// White noise, equally distributed up to `peak`; every seed has its own.
pub(crate) fn noise(length: usize, peak: f64, seed: u32) -> Vec<i16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        sample(peak * (f64::from(state >> 8) / f64::from(1 << 23) - 1.0))
    };
    (0..length).map(|_| next()).collect()
}

/// Both at once.
pub(crate) fn mixed(a: &[i16], b: &[i16]) -> Vec<i16> {
    a.iter().zip(b).map(|(a, b)| a.saturating_add(*b)).collect()
}

/// The mean of the squares.
pub(crate) fn mean_square(audio: &[i16]) -> f64 {
    audio.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / audio.len() as f64
}

/// A ratio of powers in decibels.
pub(crate) fn decibels(power: f64, reference: f64) -> f64 {
    10.0 * (power / reference).log10()
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16")]
fn sample(value: f64) -> i16 {
    value.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}

/// Splits the next hop of a call alone, in the widest registers.
pub(crate) fn split(bands: &mut Bands<1>, quiet: f32) -> Level {
    struct Split<'a>(&'a mut Bands<1>, f32);

    impl Kernel for Split<'_> {
        type Output = Powers;

        #[inline(always)]
        fn run(self, v: impl Vectors) -> Powers {
            self.0.split(v, self.1)
        }
    }

    let Powers { total, bands: [low, high] } = widest(Split(bands, quiet));
    Level { total: total[0], bands: [low[0], high[0]] }
}

/// The windows that `audio` fills from end to end, oldest first.
pub(crate) fn entries(audio: &[i16]) -> Vec<Entry> {
    let mut bands = Bands::new();
    let measured = audio.chunks_exact(HOP).zip(1..).map(|(samples, hop)| {
        bands.push(&[Some(samples)], HOP);
        let level = split(&mut bands, 250.0);
        Entry { tones: Some(Tones::measure(bands.heard(0)).0), level, hop }
    });
    measured.skip(WINDOW_HOPS - 1).collect()
}
