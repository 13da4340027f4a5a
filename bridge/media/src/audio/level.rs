//! How loud a frame is.

/// The magnitude of A-law's quietest octet: a frame with no more in it is not worth mixing.
pub(crate) const IDLE: u16 = 8;

/// The greatest magnitude in `samples`, 0 to 32,768.
pub(crate) fn peak(samples: &[i16]) -> u16 {
    let mut most = 0;
    for &sample in samples {
        most = most.max(sample.unsigned_abs());
    }
    most
}

/// Root mean square relative to full scale, in dBFS (a full-scale square wave is 0); silence is
/// negative infinity.
#[cfg(test)]
pub(crate) fn rms_dbfs(samples: &[i16]) -> f64 {
    let power: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    let count = u32::try_from(samples.len().max(1)).unwrap_or(u32::MAX);
    10.0 * (power / f64::from(count) / (32_768.0 * 32_768.0)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_knows_the_most_negative_sample() {
        assert_eq!(peak(&[3, i16::MIN, 7]), 32_768);
        assert_eq!(peak(&[]), 0);
    }

    #[test]
    fn a_square_wave_at_half_scale_is_six_decibels_down() {
        assert!((rms_dbfs(&[16_384, -16_384]) + 6.02).abs() < 0.01);
        assert!(rms_dbfs(&[0; 4]).is_infinite());
    }
}
