//! How loud a tone pair is, measured at its nominal frequencies.
//!
//! Good to a decibel or so: a tone that is off by 1.5 % reads lower, and what else is in the sound
//! counts where it lies on the same frequencies.

use std::f64::consts::TAU;

use partyline_model::Digit;

use crate::press::Level;

/// The keypad of ITU-T Q.23: a row has its low tone in common, a column its high one.
const KEYPAD: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// The peak of a sine of 0 dBm0: full scale is +3.14 dBm0 (ITU-T G.711 §4).
const ZERO_DBM0_PEAK: f64 = 22_826.5;
const RATE: f64 = 8_000.0;

/// The level of `digit`'s tones in `sound`, 8 kHz.
pub(crate) fn measure(digit: Digit, sound: &[i16]) -> Option<Level> {
    let key = digit.to_char();
    let (row, column) =
        KEYPAD.iter().enumerate().find_map(|(row, keys)| Some((row, keys.find(key)?)))?;
    let (low, high) = (peak(LOW[row], sound), peak(HIGH[column], sound));
    if low <= 0.0 || high <= 0.0 {
        return None;
    }
    let decibels = |peak: f64| 20.0 * (peak / ZERO_DBM0_PEAK).log10();
    Some(Level { dbm0: decibels(low.hypot(high)), twist_db: Some(decibels(high) - decibels(low)) })
}

/// The peak of the sine of `frequency` in `sound`, through a Hann window.
fn peak(frequency: f64, sound: &[i16]) -> f64 {
    let length = sound.len() as f64;
    let (mut real, mut imaginary, mut weights) = (0.0, 0.0, 0.0);
    for (n, &sample) in sound.iter().enumerate() {
        let n = n as f64;
        let weight = 0.5 - 0.5 * (TAU * (n + 0.5) / length).cos();
        let (sin, cos) = (TAU * frequency * n / RATE).sin_cos();
        real += weight * f64::from(sample) * cos;
        imaginary += weight * f64::from(sample) * sin;
        weights += weight;
    }
    if weights > 0.0 { 2.0 * real.hypot(imaginary) / weights } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use partyline_dtmf::tone::Burst;

    #[test]
    fn every_key_is_measured_within_a_decibel() {
        for code in 0..16 {
            let burst = Burst { code, level_dbm0: -12.0, twist_db: -3.0, ..Burst::default() };
            let digit = Digit::from_event(code).unwrap();
            let level = measure(digit, &burst.samples()[40..360]).unwrap();
            let expected = -12.0 + 10.0 * (1.0 + 10_f64.powf(-0.3)).log10();
            assert!((level.dbm0 - expected).abs() < 0.5, "{} {expected}", level.dbm0);
            assert!((level.twist_db.unwrap() + 3.0).abs() < 0.5, "{:?}", level.twist_db);
        }
    }

    #[test]
    fn silence_and_nothing_have_no_level() {
        assert_eq!(measure(Digit::STAR, &[0; 320]), None);
        assert_eq!(measure(Digit::STAR, &[]), None);
    }
}
