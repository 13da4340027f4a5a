//! Sound files: RIFF WAVE as telephones, recorders and exchanges write it.
//!
//! PCM of 8 to 32 bits, 32-bit float, A-law and µ-law, any number of channels. A file that is cut
//! short or still growing is read as far as it goes. Compressed formats are refused by name.

use std::fmt;
use std::time::Duration;

use partyline_media::{Codec, decode};

use crate::ear::{Ear, Tone};
use crate::press::{Note, Press, Source};
use crate::resample::{RATE, RATES, Resampler};

/// Frames a second: sound is heard in pieces of 20 ms, as a bridge hears it.
const FRAMES: u64 = 50;

/// Why a file's sound cannot be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WavError {
    /// The file does not begin as a WAV file does.
    NotWav,
    /// The file ends before it says how its sound is written.
    NoFormat,
    /// There is no sound in it.
    NoSound,
    /// Sound that is written in another way than those that are read.
    Encoding {
        /// The registered number of the format.
        tag: u16,
        /// Bits in a sample.
        bits: u16,
    },
    /// A rate that is not read, in samples a second.
    Rate(u32),
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWav => f.write_str("not a WAV file"),
            Self::NoFormat => f.write_str("the WAV file ends within its header; copy it again"),
            Self::NoSound => f.write_str("the WAV file holds no sound"),
            Self::Encoding { tag, bits } => write!(
                f,
                "its sound is {} and cannot be read; convert it, for example: \
                 sox FILE -e signed-integer -b 16 NEW.wav",
                Encoded(*tag, *bits)
            ),
            Self::Rate(rate) => write!(
                f,
                "its sound has {rate} samples a second, outside of {} to {}; convert it, for \
                 example: sox FILE -r 8000 NEW.wav",
                RATES.start(),
                RATES.end()
            ),
        }
    }
}

impl std::error::Error for WavError {}

/// The name of a format that is not read.
struct Encoded(u16, u16);

impl fmt::Display for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0x0002 | 0x0011 => "ADPCM",
            0x0031 => "GSM 06.10",
            0x0055 => "MP3",
            0x0001 | 0x0003 => return write!(f, "PCM of {} bits", self.1),
            tag => return write!(f, "of WAV format {tag:#06x}"),
        };
        f.write_str(name)
    }
}

/// How a sample is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// Little-endian integers of so many octets; a single octet is unsigned.
    Pcm(usize),
    Float,
    Law(Codec),
}

impl Encoding {
    fn of(tag: u16, bits: u16) -> Result<Self, WavError> {
        match (tag, bits) {
            (1, 8 | 16 | 24 | 32) => Ok(Self::Pcm(usize::from(bits / 8))),
            (3, 32) => Ok(Self::Float),
            (6, 8) => Ok(Self::Law(Codec::Pcma)),
            (7, 8) => Ok(Self::Law(Codec::Pcmu)),
            _ => Err(WavError::Encoding { tag, bits }),
        }
    }

    const fn octets(self) -> usize {
        match self {
            Self::Pcm(octets) => octets,
            Self::Float => 4,
            Self::Law(_) => 1,
        }
    }

    /// A sample from exactly as many octets as it has; the upper 16 bits of it.
    fn decode(self, octets: &[u8]) -> i16 {
        match (self, octets) {
            (Self::Pcm(_), &[octet]) => (i16::from(octet) - 128) << 8,
            (Self::Pcm(_), &[.., low, high]) => i16::from_le_bytes([low, high]),
            (Self::Float, &[a, b, c, d]) => from_float(f32::from_le_bytes([a, b, c, d])),
            (Self::Law(codec), octets) => {
                let mut sample = [0];
                decode(codec, octets, &mut sample);
                sample[0]
            }
            _ => 0,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16; NaN is 0")]
fn from_float(value: f32) -> i16 {
    (value * 32_768.0).clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16
}

/// A sound file whose header was understood.
#[derive(Clone, Copy, Debug)]
pub struct Wav<'a> {
    encoding: Encoding,
    channels: usize,
    rate: u32,
    sound: &'a [u8],
    missing: u64,
}

impl<'a> Wav<'a> {
    /// Whether `file` begins as a WAV file does.
    pub fn is_begun(file: &[u8]) -> bool {
        file.len() >= 12 && matches!(&file[..4], b"RIFF" | b"RF64") && &file[8..12] == b"WAVE"
    }

    /// Reads the header of a whole file.
    ///
    /// # Errors
    /// Why its sound cannot be heard.
    pub fn parse(file: &'a [u8]) -> Result<Self, WavError> {
        if !Self::is_begun(file) {
            return Err(WavError::NotWav);
        }
        let mut rest = &file[12..];
        let mut format = None;
        while let Some((name, size, body)) = chunk(rest) {
            let held = usize::try_from(size).unwrap_or(usize::MAX).min(body.len());
            match name {
                b"fmt " => format = Some(Format::parse(&body[..held])?),
                b"data" => {
                    let format = format.ok_or(WavError::NoFormat)?;
                    // A recorder that was stopped hard, or is at work, has not filled in the size.
                    let unknown = size == 0 || size == u32::MAX;
                    let sound = if unknown { body } else { &body[..held] };
                    let missing = if unknown { 0 } else { u64::from(size) - held as u64 };
                    return format.with(sound, missing);
                }
                _ => {}
            }
            let padded = held.saturating_add(held % 2).min(body.len());
            rest = &body[padded..];
        }
        Err(if format.is_some() { WavError::NoSound } else { WavError::NoFormat })
    }

    /// How many channels there are, 1 or more.
    pub const fn channels(&self) -> usize {
        self.channels
    }

    /// Samples a second in each channel.
    pub const fn rate(&self) -> u32 {
        self.rate
    }

    /// How its samples are written, for people.
    pub const fn encoding(&self) -> &'static str {
        match self.encoding {
            Encoding::Pcm(1) => "PCM 8 bit",
            Encoding::Pcm(2) => "PCM 16 bit",
            Encoding::Pcm(3) => "PCM 24 bit",
            Encoding::Pcm(_) => "PCM 32 bit",
            Encoding::Float => "float",
            Encoding::Law(Codec::Pcma) => "A-law",
            Encoding::Law(Codec::Pcmu) => "µ-law",
        }
    }

    /// How long its sound is.
    pub fn length(&self) -> Duration {
        let samples = self.sound.len() / (self.encoding.octets() * self.channels);
        time(samples as u64, self.rate)
    }

    /// Octets of sound that the header promises and the file does not have.
    pub const fn missing(&self) -> u64 {
        self.missing
    }

    /// The key presses in a channel, counted from 0.
    pub fn presses(&self, channel: usize) -> Vec<Press> {
        let (mut ear, mut resampler) = (Ear::new(), Resampler::new(self.rate));
        let mut reports = Vec::new();
        let mut samples = self.samples(channel);
        let (mut frame, mut sound) = (Vec::new(), Vec::new());
        for number in 1_u64.. {
            // Frames of 20 ms also where a rate has no whole number of samples in them.
            let ends = |number: u64| number * u64::from(self.rate) / FRAMES;
            let wanted = ends(number) - ends(number - 1);
            frame.clear();
            frame.extend(samples.by_ref().take(usize::try_from(wanted).unwrap_or(0)));
            sound.clear();
            resampler.push(&frame, &mut sound);
            let is_last = (frame.len() as u64) < wanted;
            if is_last {
                resampler.finish(&mut sound);
            }
            ear.push(&sound);
            let told = Duration::from_millis(number * 1_000 / FRAMES);
            reports.resize(ear.tones().len(), told);
            if is_last {
                break;
            }
        }
        let tones = ear.into_tones().into_iter().zip(reports);
        tones.map(|(tone, reported)| press(&tone, reported)).collect()
    }

    fn samples(&self, channel: usize) -> impl Iterator<Item = i16> + use<'a> {
        let (encoding, octets) = (self.encoding, self.encoding.octets());
        let at = channel.min(self.channels - 1) * octets;
        let blocks = self.sound.chunks_exact(octets * self.channels);
        blocks.map(move |block| encoding.decode(&block[at..at + octets]))
    }
}

fn press(tone: &Tone, reported: Duration) -> Press {
    let mut press = Press {
        digit: tone.digit,
        source: Source::InBand,
        onset: time(tone.onset, RATE),
        at: None,
        length: tone.length.map(|length| time(length, RATE)),
        reported,
        level: tone.level,
        notes: Vec::new(),
    };
    press.judge();
    if tone.length.is_none() {
        press.notes.push(Note::StillHeld);
    }
    press
}

/// The time that `samples` take.
pub(crate) fn time(samples: u64, rate: u32) -> Duration {
    let micros = u128::from(samples) * 1_000_000 / u128::from(rate.max(1));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// The name and size of the next chunk, and everything after its header.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], u32, &[u8])> {
    let (name, rest) = bytes.split_first_chunk()?;
    let (size, body) = rest.split_first_chunk()?;
    Some((name, u32::from_le_bytes(*size), body))
}

/// The `fmt ` chunk.
#[derive(Clone, Copy)]
struct Format {
    encoding: Encoding,
    channels: usize,
    rate: u32,
}

impl Format {
    fn parse(body: &[u8]) -> Result<Self, WavError> {
        /// The format is behind the common fields, as the first octets of an identifier.
        const EXTENSIBLE: u16 = 0xfffe;
        let word = |at: usize| {
            let octets = body.get(at..at + 2).and_then(|octets| octets.try_into().ok());
            octets.map(u16::from_le_bytes).ok_or(WavError::NoFormat)
        };
        let rate = u32::from(word(4)?) | u32::from(word(6)?) << 16;
        let tag = match word(0)? {
            EXTENSIBLE => word(24)?,
            tag => tag,
        };
        let encoding = Encoding::of(tag, word(14)?)?;
        if !RATES.contains(&rate) {
            return Err(WavError::Rate(rate));
        }
        match usize::from(word(2)?) {
            0 => Err(WavError::NoSound),
            channels => Ok(Self { encoding, channels, rate }),
        }
    }

    fn with(self, sound: &[u8], missing: u64) -> Result<Wav<'_>, WavError> {
        if sound.len() < self.encoding.octets() * self.channels {
            return Err(WavError::NoSound);
        }
        let Self { encoding, channels, rate } = self;
        Ok(Wav { encoding, channels, rate, sound, missing })
    }
}
