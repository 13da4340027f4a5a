//! Composes the built-in hold music: soft plucked chords over a slow pad.
//!
//! Sixteen bars of four beats at 80 beats a minute are 48 s exactly. Notes are written round the
//! end of the loop, so that what rings at the end is heard at the beginning: there is no seam.
//! It is computed once at start; nothing here runs on the media path.

use std::f64::consts::TAU;

#[cfg(test)]
use super::level;

const RATE: f64 = 8_000.0;
/// Samples in half a beat.
const EIGHTH: usize = 3_000;
const EIGHTHS_PER_BAR: usize = 8;
const BARS: usize = 16;
/// Samples in the loop: 48 s.
const LENGTH: usize = EIGHTH * EIGHTHS_PER_BAR * BARS;
const TARGET_DBFS: f64 = -20.0;

/// Four notes of a chord, as semitones above A (220 Hz).
type Chord = [i32; 4];

const C_ADD_9: Chord = [-9, 3, 7, 17];
const A_MINOR_7: Chord = [-12, 0, 3, 10];
const F_MAJOR_7: Chord = [-16, -4, 0, 7];
const G_SUS: Chord = [-14, -2, 3, 5];
const G: Chord = [-14, -2, 2, 5];
const E_MINOR_7: Chord = [-17, -5, -2, 5];
const D_MINOR_7: Chord = [-19, -7, -4, 3];

const HARMONY: [Chord; BARS] = [
    C_ADD_9, A_MINOR_7, F_MAJOR_7, G_SUS, C_ADD_9, E_MINOR_7, F_MAJOR_7, G, A_MINOR_7, F_MAJOR_7,
    C_ADD_9, E_MINOR_7, D_MINOR_7, F_MAJOR_7, G_SUS, G,
];

/// Which note of the chord each eighth plucks; two figures in turn.
const FIGURES: [[usize; EIGHTHS_PER_BAR]; 2] = [[0, 2, 3, 2, 1, 2, 3, 1], [0, 1, 2, 3, 2, 3, 1, 2]];

/// The loop: 48 s at 8 kHz and -20 dBFS.
pub(crate) fn hold_music() -> Box<[i16]> {
    let mut sound = vec![0.0; LENGTH];
    for (bar, chord) in HARMONY.iter().enumerate() {
        let start = bar * EIGHTHS_PER_BAR * EIGHTH;
        for &note in chord {
            pad(&mut sound, start, frequency(note));
        }
        for (eighth, &voice) in FIGURES[bar % 2].iter().enumerate() {
            // The bass note in its place, the others an octave up.
            let octave = if voice == 0 { 0 } else { 12 };
            let weight = if eighth % 4 == 0 { 1.0 } else { 0.7 };
            pluck(&mut sound, start + eighth * EIGHTH, frequency(chord[voice] + octave), weight);
        }
    }
    normalise(&sound)
}

fn frequency(semitones: i32) -> f64 {
    220.0 * (f64::from(semitones) / 12.0).exp2()
}

/// A struck string: a few partials, the higher the shorter.
fn pluck(sound: &mut [f64], start: usize, hertz: f64, weight: f64) {
    const SAMPLES: u32 = 14_000;
    for (partial, strength) in [(1.0, 1.0), (2.0, 0.35), (3.0, 0.12)] {
        let decay = (-(3.0 + 2.0 * partial) / RATE).exp();
        let mut envelope = weight * strength;
        for (n, sine) in (0..SAMPLES).zip(Sine::new(hertz * partial)) {
            let attack = (f64::from(n) / 60.0).min(1.0);
            let release = (f64::from(SAMPLES - n) / 400.0).min(1.0);
            add_around(sound, start, n, envelope * attack * release * sine);
            envelope *= decay;
        }
    }
}

/// A held note that swells and gives way to the next bar's.
fn pad(sound: &mut [f64], start: usize, hertz: f64) {
    const SWELL: u32 = 6_000;
    const SAMPLES: u32 = 30_000;
    for (n, (first, second)) in (0..SAMPLES).zip(Sine::new(hertz).zip(Sine::new(hertz * 1.004))) {
        let rise = f64::from(n.min(SWELL)) / f64::from(SWELL);
        let fall = f64::from((SAMPLES - n).min(SWELL)) / f64::from(SWELL);
        let envelope = 0.11 * (rise * fall) * (rise * fall);
        add_around(sound, start, n, envelope * (first + second));
    }
}

/// A sine wave by the recurrence s(n) = 2 cos(w) s(n-1) - s(n-2).
struct Sine {
    coefficient: f64,
    last: f64,
    current: f64,
}

impl Sine {
    fn new(hertz: f64) -> Self {
        let step = TAU * hertz / RATE;
        Self { coefficient: 2.0 * step.cos(), last: -step.sin(), current: 0.0 }
    }
}

impl Iterator for Sine {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let value = self.current;
        self.current = self.coefficient * value - self.last;
        self.last = value;
        Some(value)
    }
}

fn add_around(sound: &mut [f64], start: usize, offset: u32, value: f64) {
    let at = usize::try_from(offset).map_or(0, |offset| start + offset);
    sound[at % LENGTH] += value;
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16")]
fn normalise(sound: &[f64]) -> Box<[i16]> {
    let power: f64 = sound.iter().map(|s| s * s).sum();
    let rms = (power / f64::from(u32::try_from(sound.len()).unwrap_or(1))).sqrt();
    let gain = 32_768.0 * 10_f64.powf(TARGET_DBFS / 20.0) / rms;
    sound.iter().map(|s| (s * gain).round().clamp(-32_768.0, 32_767.0) as i16).collect()
}

/// Where the music stands: one position for all callers on hold, so that it is encoded once.
pub(crate) struct MusicPosition(usize);

impl MusicPosition {
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    /// The next frame of `music`, going round.
    pub(crate) fn next_frame(&mut self, music: &[i16], frame: &mut super::Frame) {
        if music.is_empty() {
            frame.fill(0);
            return;
        }
        for sample in frame {
            *sample = music[self.0];
            self.0 += 1;
            if self.0 >= music.len() {
                self.0 = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_music_is_at_its_level_and_clips_nowhere() {
        let music = hold_music();
        assert_eq!(music.len(), 48 * 8_000);
        assert!((level::rms_dbfs(&music) + 20.0).abs() < 0.05);
        assert!(level::peak(&music) < 23_000, "{}", level::peak(&music));
    }

    #[test]
    fn no_second_of_it_is_silent_or_loud() {
        for second in hold_music().chunks(8_000) {
            let level = level::rms_dbfs(second);
            assert!((-27.0..-15.0).contains(&level), "{level}");
        }
    }

    #[test]
    fn the_seam_is_no_louder_than_the_rest() {
        let music = hold_music();
        let step = |a: i16, b: i16| (i32::from(a) - i32::from(b)).abs();
        let largest = music.windows(2).map(|w| step(w[0], w[1])).max().unwrap();
        assert!(step(music[0], music[music.len() - 1]) <= largest / 2);
    }
}
