//! Halves the sample rate of recorded prompts, once, when they are loaded.

use super::saturate;

/// Taps on each side of the filter's middle; odd, so that the outermost tap of a half-band filter
/// is not one of its zeros.
const REACH: i32 = 47;
/// The shape of the Kaiser window: stop band at -80 dB, pass band to 3.6 kHz of 8 kHz.
const KAISER_BETA: f64 = 8.0;
/// Filter taps are integers of this scale.
const UNITY: f64 = 32_768.0;

/// `samples` at half their rate, without what lies above the new Nyquist frequency.
///
/// The first output stands at the first input: no delay.
pub(crate) fn halve(samples: &[i16]) -> Vec<i16> {
    let taps = half_band();
    let mut out = Vec::with_capacity(samples.len().div_ceil(2));
    let last = i64::try_from(samples.len()).unwrap_or(i64::MAX) - 1;
    let at = |n: i64| -> i64 {
        usize::try_from(n).ok().and_then(|n| samples.get(n)).map_or(0, |&s| i64::from(s))
    };
    let mut middle = 0;
    while middle <= last {
        // A half-band filter: the middle tap is one half, every other even tap is zero.
        let mut sum = at(middle) * 16_384;
        for (tap, offset) in taps.iter().zip((1..).step_by(2)) {
            sum += tap * (at(middle - offset) + at(middle + offset));
        }
        out.push(saturate(i32::try_from((sum + 16_384) >> 15).unwrap_or(0)));
        middle += 2;
    }
    out
}

/// The taps at odd distances 1, 3 .. [`REACH`] of a windowed half-band low-pass.
fn half_band() -> Vec<i64> {
    let mut taps: Vec<f64> = (1..=REACH)
        .step_by(2)
        .map(|n| {
            let x = f64::from(n) * std::f64::consts::FRAC_PI_2;
            let reach = f64::from(n) / f64::from(REACH + 1);
            let window = bessel(KAISER_BETA * (1.0 - reach * reach).sqrt()) / bessel(KAISER_BETA);
            0.5 * x.sin() / x * window
        })
        .collect();
    // Unity at zero frequency: both sides together make the other half.
    let side: f64 = taps.iter().sum();
    for tap in &mut taps {
        *tap *= 0.25 / side;
    }
    #[expect(clippy::cast_possible_truncation, reason = "taps are below one, scaled by 2^15")]
    taps.iter().map(|tap| (tap * UNITY).round() as i64).collect()
}

/// The modified Bessel function of order zero.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        let half = x / (2.0 * f64::from(k));
        term *= half * half;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level;

    fn tone(hertz: f64) -> Vec<i16> {
        (0..16_000)
            .map(|n| {
                let phase = f64::from(n) * hertz * std::f64::consts::TAU / 16_000.0;
                #[expect(clippy::cast_possible_truncation, reason = "test signal")]
                let value = (16_000.0 * phase.sin()) as i16;
                value
            })
            .collect()
    }

    #[test]
    fn speech_passes_and_what_would_alias_does_not() {
        let level = |hertz| level::rms_dbfs(&halve(&tone(hertz))[100..7_900]);
        let reference = level::rms_dbfs(&tone(1_000.0));
        for hertz in [200.0, 1_000.0, 2_500.0, 3_400.0] {
            assert!((level(hertz) - reference).abs() < 0.2, "{hertz} Hz: {}", level(hertz));
        }
        for hertz in [4_600.0, 5_500.0, 7_500.0] {
            assert!(level(hertz) < reference - 60.0, "{hertz} Hz: {}", level(hertz));
        }
    }

    #[test]
    fn odd_lengths_and_nothing_are_fine() {
        assert_eq!(halve(&[]).len(), 0);
        assert_eq!(halve(&[1; 3]).len(), 2);
    }
}
