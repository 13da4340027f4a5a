//! The bridge's own sounds, made by arithmetic: two notes for a join, two for a leave, a chime.
//!
//! Every note lies where no two of them make a DTMF pair, so that a phone's loudspeaker cannot
//! dial with them. Hold music is made elsewhere.

use std::f64::consts::{SQRT_2, TAU};

/// Samples in a second.
pub(crate) const RATE: u32 = 8_000;

/// -20 dBFS RMS as the peak of a sine, in 16-bit steps.
const PEAK: f64 = 3276.7 * SQRT_2;

/// A rise and a fall of this many samples (8 ms) keep a note from clicking.
const RAMP: u32 = 64;

/// Frequency in hertz and length in samples.
pub(crate) type Note = (f64, u32);

const G4: f64 = 392.0;
const C5: f64 = 523.25;
const E5: f64 = 659.26;

/// Someone joined.
pub(crate) const JOIN: &[Note] = &[(C5, 1_200), (E5, 1_200)];
/// Someone left.
pub(crate) const LEAVE: &[Note] = &[(E5, 1_200), (C5, 1_200)];
/// The moderator came, or a notice follows.
pub(crate) const CHIME: &[Note] = &[(G4, 1_600), (C5, 1_600), (E5, 3_200)];

/// The samples of `notes` at [`RATE`].
pub(crate) fn render(notes: &[Note]) -> Vec<i16> {
    notes.iter().flat_map(|&note| sine(note)).collect()
}

fn sine((hertz, length): Note) -> impl Iterator<Item = i16> {
    (0..length).map(move |n| {
        let edge = f64::from(n.min(length - 1 - n).min(RAMP)) / f64::from(RAMP);
        let phase = TAU * hertz * f64::from(n) / f64::from(RATE);
        to_sample(PEAK * edge * phase.sin())
    })
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16 first")]
fn to_sample(value: f64) -> i16 {
    value.clamp(f64::from(i16::MIN), f64::from(i16::MAX)).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    const TONES: [(&str, &[Note]); 3] = [("join", JOIN), ("leave", LEAVE), ("chime", CHIME)];

    #[test]
    fn tones_are_at_minus_twenty_dbfs_and_end_in_silence() {
        for (tone, notes) in TONES {
            let samples = render(notes);
            let power: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
            let rms = (power / f64::from(u32::try_from(samples.len()).unwrap())).sqrt();
            let level = 20.0 * (rms / 32_768.0).log10();
            assert!((-21.0..=-19.5).contains(&level), "{tone} is at {level:.1} dBFS");
            assert_eq!((samples.first(), samples.last()), (Some(&0), Some(&0)), "{tone}");
        }
    }

    #[test]
    fn tones_step_smoothly() {
        for (tone, notes) in TONES {
            let samples = render(notes);
            // The steepest step of the highest note.
            let most = PEAK * TAU * E5 / f64::from(RATE) + 80.0;
            let steps = samples.windows(2).map(|w| f64::from(w[1]) - f64::from(w[0]));
            assert!(steps.map(f64::abs).all(|step| step <= most), "{tone} clicks");
        }
    }
}
