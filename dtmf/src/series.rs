//! Sine, cosine and decibels from their power series, the same to the last bit everywhere.
//!
//! The standard library's are as exact, but their last bits are the platform's choice: a tone
//! made on one machine would differ from the same tone made on another. Only `+ - * / %` are used,
//! which IEEE 754 defines exactly.

use std::f64::consts::{LN_2, LN_10, PI, TAU};

/// Terms after which a series of an argument up to π has nothing left that an `f64` could hold.
const TERMS: u8 = 40;
/// Levels beyond this many decibels are no levels of anything that 16 bits can hold.
const MOST_DECIBELS: f64 = 200.0;

/// Sine and cosine of an angle in radians.
pub(crate) const fn sin_cos(angle: f64) -> (f64, f64) {
    let mut x = angle % TAU;
    if x > PI {
        x -= TAU;
    } else if x < -PI {
        x += TAU;
    }
    let (mut sin, mut cos, mut term, mut n) = (0.0, 1.0, 1.0, 0.0);
    let mut left = TERMS;
    while left > 0 {
        n += 1.0;
        term *= x / n;
        sin += term;
        n += 1.0;
        term *= -x / n;
        cos += term;
        left -= 2;
    }
    (sin, cos)
}

/// The ratio of amplitudes that `decibels` stand for.
pub(crate) fn amplitude(decibels: f64) -> f64 {
    let x = decibels.clamp(-MOST_DECIBELS, MOST_DECIBELS) * LN_10 / 20.0;
    let mut halvings = (x / LN_2).round();
    let rest = x - halvings * LN_2;
    let (mut sum, mut term, mut n) = (1.0, 1.0, 0.0);
    for _ in 0..TERMS {
        n += 1.0;
        term *= rest / n;
        sum += term;
    }
    while halvings > 0.0 {
        (sum, halvings) = (sum * 2.0, halvings - 1.0);
    }
    while halvings < 0.0 {
        (sum, halvings) = (sum / 2.0, halvings + 1.0);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::{amplitude, sin_cos};

    #[test]
    fn the_series_agree_with_the_library() {
        for n in -4_000..4_000 {
            let x = f64::from(n) / 300.0;
            let (sin, cos) = sin_cos(x);
            assert!((sin - x.sin()).abs() < 1e-14 && (cos - x.cos()).abs() < 1e-14, "{x}");
            let ratio = amplitude(x * 10.0) / 10_f64.powf(x / 2.0);
            assert!((ratio - 1.0).abs() < 1e-13, "{x}: {ratio}");
        }
    }

    #[test]
    fn no_argument_is_too_large() {
        assert!(sin_cos(1e300).0.abs() <= 1.0 + 1e-12);
        assert!(amplitude(f64::INFINITY).is_finite());
        assert!(amplitude(f64::NAN).is_nan());
    }
}
