//! What was heard: tone levels, loudness, and whether a known prompt is in it.
//!
//! Works on 8 kHz samples alone and knows neither calls nor time of day. Levels of tones are in
//! dBm0 (a sine that just reaches µ-law's overload is +3.17), loudness in dB of full scale.

use std::f64::consts::TAU;
use std::sync::Arc;

use crate::media::tone::{RATE_HZ, level_of};

/// Samples in the block on which presence is judged: 100 ms, so that a Hann window parts tones
/// 40 Hz from each other.
pub const BLOCK: usize = 800;
/// A block holds a tone from this level on.
pub const PRESENT_DBM0: f64 = -40.0;
/// A block lacks a tone below this level.
pub const ABSENT_DBM0: f64 = -50.0;
/// A block below this is silent.
pub const SILENT_DBFS: f64 = -55.0;
/// The least correlation that counts as the prompt.
pub const PROMPT_SCORE: f64 = 0.6;
/// The share of blocks that must hold a tone for it to be heard.
const PRESENT_SHARE: f64 = 0.8;
/// The share of blocks that may hold a tone that is said to be absent.
const ABSENT_SHARE: f64 = 0.05;
/// Samples of a prompt that are looked for: one second from its first sound.
const TEMPLATE: usize = 8000;
/// Coarse search works on every fourth sample, the three between them averaged in.
const COARSE: usize = 4;
/// A prompt's beginning below this is left out of the search.
const PROMPT_FLOOR: i16 = 300;

/// The level of one frequency over all of `samples`, in dBm0 (Goertzel under a Hann window).
#[must_use]
pub fn tone_level(samples: &[i16], hz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hz / RATE_HZ).cos();
    let step = TAU / samples.len().max(1) as f64;
    let (mut last, mut before, mut weight) = (0.0, 0.0, 0.0);
    for (place, &sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (step * (place as f64 + 0.5)).cos();
        weight += window;
        let next = f64::from(sample) * window + coefficient * last - before;
        before = last;
        last = next;
    }
    let power = last * last + before * before - coefficient * last * before;
    level_of(2.0 * power.max(0.0).sqrt() / weight.max(1.0))
}

/// The level of one frequency in each whole block of 100 ms.
#[must_use]
pub fn tone_levels(samples: &[i16], hz: f64) -> Vec<f64> {
    samples.chunks_exact(BLOCK).map(|block| tone_level(block, hz)).collect()
}

/// Whether at least four fifths of `wanted` samples hold the tone. `samples` may be fewer than
/// wanted: what did not come did not sound.
#[must_use]
pub fn hears_tone(samples: &[i16], wanted: usize, hz: f64) -> bool {
    let blocks = wanted.max(samples.len()) / BLOCK;
    let held = tone_levels(samples, hz).iter().filter(|&&level| level >= PRESENT_DBM0).count();
    blocks > 0 && held as f64 >= PRESENT_SHARE * blocks as f64
}

/// Whether hardly any block (one in twenty) holds the tone.
#[must_use]
pub fn lacks_tone(samples: &[i16], hz: f64) -> bool {
    let levels = tone_levels(samples, hz);
    let held = levels.iter().filter(|&&level| level >= ABSENT_DBM0).count();
    held as f64 <= ABSENT_SHARE * levels.len() as f64
}

/// Loudness in dB of full scale; -100 when there is nothing.
#[must_use]
pub fn rms_dbfs(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return -100.0;
    }
    let square: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    let rms = (square / samples.len() as f64).sqrt();
    (20.0 * (rms / 32_768.0).max(1e-5).log10()).max(-100.0)
}

/// Whether no block of 100 ms is louder than -55 dB of full scale.
#[must_use]
pub fn is_silent(samples: &[i16]) -> bool {
    samples.chunks(BLOCK).all(|block| rms_dbfs(block) < SILENT_DBFS)
}

/// Where a prompt was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Samples from the start of the searched audio to the prompt's first; negative when the
    /// searched audio begins inside the prompt's silent beginning.
    pub offset: isize,
    /// Normalised cross-correlation, up to 1.
    pub score: f64,
}

/// A known prompt made ready to be looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// Samples of the prompt before `template`.
    lead: usize,
    template: Arc<[f64]>,
    coarse: Arc<[f64]>,
}

impl Prompt {
    /// Takes the prompt's first second of sound as what to look for; 8 kHz samples.
    #[must_use]
    pub fn new(samples: &[i16]) -> Self {
        let floor = PROMPT_FLOOR.unsigned_abs();
        let lead = samples.iter().position(|sample| sample.unsigned_abs() >= floor).unwrap_or(0);
        let end = samples.len().min(lead + TEMPLATE);
        let template: Vec<f64> = samples[lead..end].iter().map(|&s| f64::from(s)).collect();
        let coarse = thin_out(&template).into();
        Self { lead, template: template.into(), coarse }
    }

    /// Samples that [`Prompt::find`] needs at least: the length of what it looks for.
    #[must_use]
    pub fn needed(&self) -> usize {
        self.template.len()
    }

    /// The best place of the prompt in `heard`; `None` below [`PROMPT_SCORE`].
    #[must_use]
    pub fn find(&self, heard: &[i16]) -> Option<Found> {
        let heard: Vec<f64> = heard.iter().map(|&sample| f64::from(sample)).collect();
        let (rough, score) = best(&thin_out(&heard), &self.coarse)?;
        if score < PROMPT_SCORE * 0.8 {
            return None;
        }
        let from = (rough * COARSE).saturating_sub(2 * COARSE);
        let to = (rough * COARSE + 2 * COARSE + self.template.len()).min(heard.len());
        let (fine, score) = best(heard.get(from..to)?, &self.template)?;
        let place = isize::try_from(from + fine).ok()?;
        let offset = place - isize::try_from(self.lead).ok()?;
        (score >= PROMPT_SCORE).then_some(Found { offset, score })
    }
}

/// Averages of [`COARSE`] samples each: a low pass and a quarter of the work squared.
fn thin_out(samples: &[f64]) -> Vec<f64> {
    samples.chunks_exact(COARSE).map(|four| four.iter().sum::<f64>() / COARSE as f64).collect()
}

/// The place of the greatest normalised cross-correlation, and its value.
fn best(heard: &[f64], template: &[f64]) -> Option<(usize, f64)> {
    let own: f64 = template.iter().map(|value| value * value).sum();
    if template.is_empty() || own <= 0.0 || heard.len() < template.len() {
        return None;
    }
    let mut energy: f64 = heard[..template.len()].iter().map(|value| value * value).sum();
    let mut found = (0, -1.0);
    for place in 0..=heard.len() - template.len() {
        let stretch = &heard[place..place + template.len()];
        let dot: f64 = stretch.iter().zip(template).map(|(a, b)| a * b).sum();
        // Below one step of 16 bits on the average there is nothing to compare with.
        let floor = template.len() as f64;
        let score = dot / (own * energy.max(floor)).sqrt();
        if score > found.1 {
            found = (place, score);
        }
        if let Some(&entering) = heard.get(place + template.len()) {
            energy += entering * entering - stretch[0] * stretch[0];
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::g711::Codec;
    use crate::media::tone::sine;

    #[test]
    fn tone_levels_are_right_within_a_decibel() {
        for hz in [300.0, 440.0, 697.0, 1004.0, 1633.0, 3000.0] {
            for dbm0 in [-3.0, -10.0, -18.0, -30.0, -40.0] {
                for codec in [Codec::Pcmu, Codec::Pcma] {
                    let line = through(codec, &sine(hz, dbm0, 4000));
                    for level in tone_levels(&line, hz) {
                        assert!((level - dbm0).abs() < 1.0, "{hz} Hz {dbm0} dBm0: {level}");
                    }
                }
            }
        }
    }

    #[test]
    fn neighbouring_tone_is_not_heard() {
        let samples = sine(620.0, -18.0, 8000);
        assert!(hears_tone(&samples, 8000, 620.0));
        assert!(!hears_tone(&samples, 8000, 680.0));
        assert!(lacks_tone(&samples, 680.0) && !lacks_tone(&samples, 620.0));
    }

    #[test]
    fn tone_that_stops_half_way_is_neither_heard_nor_absent() {
        let mut samples = sine(620.0, -18.0, 4000);
        samples.resize(8000, 0);
        assert!(!hears_tone(&samples, 8000, 620.0));
        assert!(!lacks_tone(&samples, 620.0));
        assert!(!hears_tone(&samples[..4000], 8000, 620.0), "half of it never came");
    }

    #[test]
    fn loudness_of_a_sine_is_its_peak_less_three_decibels() {
        let loud = rms_dbfs(&sine(1000.0, 3.17, 8000));
        assert!((loud + 3.05).abs() < 0.1, "{loud}");
        assert!(is_silent(&[8; 8000]) && !is_silent(&sine(1000.0, -30.0, 800)));
    }

    #[test]
    fn prompt_is_found_to_the_sample_through_the_line_and_a_mix() {
        let prompt = babble(11, 12_000);
        let mut heard = vec![0; 5003];
        heard.extend_from_slice(&prompt);
        heard.resize(24_000, 0);
        // Another talker 12 dB lower at the same time.
        for (sample, other) in heard.iter_mut().zip(babble(99, 24_000)) {
            *sample = sample.saturating_add(other / 4);
        }
        let found = Prompt::new(&prompt).find(&through(Codec::Pcma, &heard)).unwrap();
        assert_eq!(found.offset, 5003);
        assert!(found.score > 0.9, "{}", found.score);
    }

    #[test]
    fn other_speech_is_not_the_prompt() {
        let prompt = Prompt::new(&babble(11, 12_000));
        assert_eq!(prompt.find(&babble(12, 24_000)), None);
        assert_eq!(prompt.find(&[0; 24_000]), None);
        assert_eq!(prompt.find(&[]), None);
    }

    fn through(codec: Codec, samples: &[i16]) -> Vec<i16> {
        samples.iter().map(|&sample| codec.decode(codec.encode(sample))).collect()
    }

    /// Noise with the low-pass slope and the syllables of speech.
    fn babble(seed: u64, count: usize) -> Vec<i16> {
        let mut random = crate::random::Random::new(seed);
        let mut slow = 0.0;
        let noise = (0..count).map(|place| {
            slow = 0.8 * slow + 0.2 * f64::from(random.next_u16().cast_signed());
            let syllable = (place as f64 * TAU / 1600.0).sin().abs();
            crate::media::tone::to_sample(slow * syllable)
        });
        noise.collect()
    }
}
