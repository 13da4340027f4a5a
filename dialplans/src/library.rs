//! The sound of the prompts: decodes the embedded files, once, when the bridge starts.
//!
//! Bytes in, samples out. No file is opened here and nothing is resampled: the media plane plays
//! each clip at its call's rate. Spoken prompts are 16 kHz, tones 8 kHz.

use std::fmt;

use claxon::FlacReader;

use crate::prompt::{Source, en_us};
use crate::{Prompt, tone};

/// The longest clip that is taken in, in seconds; the longest prompt is a third of it.
const LONGEST_SECS: u32 = 60;

/// A language that the prompts are spoken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English as spoken in the United States.
    #[default]
    EnUs,
}

impl Language {
    /// The BCP 47 tag, which is also the folder of its files.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::EnUs => "en-US",
        }
    }
}

/// Mono sound in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    /// Samples in a second: 8,000 or 16,000.
    pub rate: u32,
    /// 16-bit linear samples.
    pub samples: Vec<i16>,
}

/// Why a clip cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClipError {
    /// Not a FLAC stream (RFC 9639), or a damaged one; what the decoder found.
    Flac(&'static str),
    /// The stream ends early.
    CutOff,
    /// Neither 8,000 nor 16,000 samples in a second.
    Rate(u32),
    /// More than one channel.
    Channels(u32),
    /// Other than 16 bits a sample.
    Bits(u32),
    /// No samples.
    Empty,
    /// Longer than a minute.
    TooLong,
}

impl fmt::Display for ClipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flac(what) => write!(f, "not a sound FLAC file: {what}"),
            Self::CutOff => f.write_str("the FLAC file ends early"),
            Self::Rate(rate) => write!(f, "has {rate} samples a second: 8000 or 16000 is needed"),
            Self::Channels(n) => write!(f, "has {n} channels: one (mono) is needed"),
            Self::Bits(n) => write!(f, "has {n} bits a sample: 16 are needed"),
            Self::Empty => f.write_str("holds no sound"),
            Self::TooLong => write!(f, "is longer than {LONGEST_SECS} seconds"),
        }
    }
}

impl std::error::Error for ClipError {}

/// Which prompt of the library is unusable, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LibraryError {
    /// The prompt.
    pub prompt: Prompt,
    /// What is wrong with its file.
    pub error: ClipError,
}

impl fmt::Display for LibraryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "prompt {}: {}", self.prompt.name(), self.error)
    }
}

impl std::error::Error for LibraryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Decodes every prompt of `language`, in the order of [`Prompt::ALL`]: the clip of a prompt is at
/// the place of its [`Prompt::audio`].
///
/// # Errors
/// [`LibraryError`] for the first embedded file that does not decode.
pub fn load(language: Language) -> Result<Vec<Clip>, LibraryError> {
    let clip = |&prompt| clip(language, prompt).map_err(|error| LibraryError { prompt, error });
    Prompt::ALL.iter().map(clip).collect()
}

/// Decodes a dial-in number's own welcome: FLAC, mono, 16 bits, 8 or 16 kHz, up to a minute.
///
/// # Errors
/// [`ClipError`] saying what is wrong with the file.
pub fn load_brand(flac: &[u8]) -> Result<Clip, ClipError> {
    decode(flac)
}

fn clip(language: Language, prompt: Prompt) -> Result<Clip, ClipError> {
    let source = match language {
        Language::EnUs => en_us(prompt),
    };
    match source {
        Source::Flac(flac) => decode(flac),
        Source::Notes(notes) => Ok(Clip { rate: tone::RATE, samples: tone::render(notes) }),
    }
}

fn decode(flac: &[u8]) -> Result<Clip, ClipError> {
    let mut reader = FlacReader::new(flac)?;
    let info = reader.streaminfo();
    let rate = match info.sample_rate {
        rate @ (8_000 | 16_000) => rate,
        other => return Err(ClipError::Rate(other)),
    };
    if info.channels != 1 {
        return Err(ClipError::Channels(info.channels));
    }
    if info.bits_per_sample != 16 {
        return Err(ClipError::Bits(info.bits_per_sample));
    }
    let most = usize::try_from(rate * LONGEST_SECS).unwrap_or(usize::MAX);
    let mut samples = Vec::new();
    for sample in reader.samples() {
        if samples.len() == most {
            return Err(ClipError::TooLong);
        }
        samples.push(i16::try_from(sample?).map_err(|_| ClipError::Flac("sample out of range"))?);
    }
    if samples.is_empty() {
        return Err(ClipError::Empty);
    }
    if info.samples.is_some_and(|said| usize::try_from(said) != Ok(samples.len())) {
        return Err(ClipError::CutOff);
    }
    Ok(Clip { rate, samples })
}

impl From<claxon::Error> for ClipError {
    fn from(error: claxon::Error) -> Self {
        match error {
            // Reading from memory fails only at its end.
            claxon::Error::IoError(_) => Self::CutOff,
            claxon::Error::FormatError(what) => Self::Flac(what),
            claxon::Error::Unsupported(what) => Self::Flac(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WELCOME: &[u8] = include_bytes!("../prompts/en-US/welcome.flac");

    /// Samples in 10 ms at 16 kHz.
    const FRAME: usize = 160;

    #[test]
    fn the_library_holds_each_prompt_at_the_place_of_its_audio_id() {
        let clips = load(Language::EnUs).unwrap();
        assert_eq!(clips.len(), usize::from(Prompt::COUNT));
        for prompt in Prompt::ALL {
            let clip = &clips[usize::from(prompt.audio().0)];
            let spoken = matches!(en_us(*prompt), Source::Flac(_));
            assert_eq!(clip.rate, if spoken { 16_000 } else { 8_000 }, "{prompt:?}");
        }
        assert_eq!(
            Ok(&clips[usize::from(Prompt::Welcome.audio().0)]),
            load_brand(WELCOME).as_ref()
        );
    }

    #[test]
    fn spoken_prompts_are_level_unclipped_and_begin_and_end_in_silence() {
        for (prompt, clip) in spoken() {
            let level = voiced_level(&clip.samples);
            assert!((-21.5..=-18.5).contains(&level), "{prompt:?} is at {level:.1} dBFS");
            let peak = clip.samples.iter().map(|s| s.unsigned_abs()).max();
            // -3 dBFS, and a rounding step.
            assert!(peak <= Some(23_200), "{prompt:?} peaks at {peak:?}");
            let (first, last) = (&clip.samples[..80], &clip.samples[clip.samples.len() - 80..]);
            let edges = first.iter().chain(last);
            assert!(edges.map(|s| s.unsigned_abs()).max() < Some(328), "{prompt:?} is cut short");
        }
    }

    #[test]
    fn spoken_prompts_last_as_long_as_their_text_takes() {
        let catalogue: serde_json::Value =
            serde_json::from_str(include_str!("../prompts/catalogue.json")).unwrap();
        for (prompt, clip) in spoken() {
            let text = catalogue["prompts"][prompt.name()]["en-US"].as_str().unwrap();
            let millis = clip.samples.len() / 16;
            // People speak 7 to 23 letters a second; either end has 60 ms of quiet.
            let (shortest, longest) = (120 + text.len() * 43, 120 + text.len() * 140);
            assert!((shortest..=longest).contains(&millis), "{prompt:?} lasts {millis} ms");
        }
    }

    #[test]
    fn a_brand_file_of_another_shape_is_refused_with_the_reason() {
        assert_eq!(load_brand(&shaped(44_100, 1, 16)), Err(ClipError::Rate(44_100)));
        assert_eq!(load_brand(&shaped(16_000, 2, 16)), Err(ClipError::Channels(2)));
        assert_eq!(load_brand(&shaped(16_000, 1, 24)), Err(ClipError::Bits(24)));
        assert_eq!(load_brand(&[]), Err(ClipError::CutOff));
        assert!(matches!(load_brand(b"RIFF....WAVEfmt "), Err(ClipError::Flac(_))));
    }

    #[test]
    fn a_brand_file_that_was_cut_off_is_refused() {
        let error = load_brand(&WELCOME[..WELCOME.len() / 2]);
        assert_eq!(error, Err(ClipError::CutOff));
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0..WELCOME.len(), with: u8, keep in 0..WELCOME.len()) {
            let mut bytes = WELCOME.to_vec();
            bytes[at] ^= with;
            bytes.truncate(keep.max(at));
            prop_assert!(load_brand(&bytes).is_err() || with == 0);
        }
    }

    fn spoken() -> Vec<(Prompt, Clip)> {
        let clips = load(Language::EnUs).unwrap();
        let all = Prompt::ALL.iter().copied().zip(clips);
        all.filter(|(prompt, _)| matches!(en_us(*prompt), Source::Flac(_))).collect()
    }

    /// The RMS of the 10 ms frames within 30 dB of the loudest, in dB below full scale.
    fn voiced_level(samples: &[i16]) -> f64 {
        let power = |frame: &[i16]| frame.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>();
        let powers: Vec<f64> = samples.chunks_exact(FRAME).map(power).collect();
        let loudest = powers.iter().copied().fold(0.0, f64::max);
        let voiced: Vec<f64> = powers.into_iter().filter(|p| *p > loudest / 1000.0).collect();
        let samples = f64::from(u32::try_from(voiced.len() * FRAME).unwrap());
        10.0 * (voiced.iter().sum::<f64>() / samples / 32_768_f64.powi(2)).log10()
    }

    /// The welcome with other words in its STREAMINFO block (RFC 9639 §8.2).
    fn shaped(rate: u32, channels: u32, bits: u32) -> Vec<u8> {
        let mut bytes = WELCOME.to_vec();
        let packed = rate << 12 | (channels - 1) << 9 | (bits - 1) << 4;
        bytes[18..22].copy_from_slice(&packed.to_be_bytes());
        bytes
    }
}
