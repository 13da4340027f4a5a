//! A recording from disk, and which talkers' tones are in it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use partyline_dtmf::{Detector, Event};
use partyline_phones::analysis::{BLOCK, rms_dbfs, tone_level};

/// Samples in a second.
const RATE: u32 = 8000;
/// A block sounds from this loudness on, in dB of full scale.
const SOUNDS_DBFS: f64 = -50.0;
/// A sine of 0 dBm0 has this loudness: 3.17 dB below full scale's sine, which has -3.01.
const DBM0_IN_DBFS: f64 = -6.18;
/// A tone makes a block up when all else in it together is at least this much weaker.
const PURITY_DB: f64 = 1.0;

/// 8 kHz mono samples of a WAV file.
pub struct Wave {
    samples: Vec<i16>,
}

impl Wave {
    /// Reads a file as any player would: by its header.
    ///
    /// # Errors
    /// It does not open, is not 8 kHz mono of 16 bits, or ends before its header says.
    pub fn open(path: &Path) -> Result<Self> {
        let name = || path.display().to_string();
        let reader = hound::WavReader::open(path).with_context(name)?;
        let spec = reader.spec();
        ensure!(spec.channels == 1 && spec.sample_rate == RATE, "{}: {spec:?}", name());
        let samples = reader.into_samples::<i16>().collect::<Result<_, _>>().with_context(name)?;
        Ok(Self { samples })
    }

    /// How long it plays.
    #[must_use]
    pub fn length(&self) -> Duration {
        let nanos = u64::try_from(self.samples.len()).unwrap_or(u64::MAX).saturating_mul(125_000);
        Duration::from_nanos(nanos)
    }

    /// The last stretch of it.
    #[must_use]
    pub fn last(&self, time: Duration) -> Self {
        let wanted = usize::try_from(time.as_millis() * 8).unwrap_or(usize::MAX);
        Self { samples: self.samples[self.samples.len().saturating_sub(wanted)..].to_vec() }
    }

    /// Tenths of a second that are made up of this tone, nothing else to speak of beside it. Speech
    /// has the frequency in it too, but never so alone.
    #[must_use]
    pub fn tenths_of(&self, hz: f64) -> usize {
        self.samples.chunks_exact(BLOCK).filter(|block| is_tone(block, hz)).count()
    }

    /// The decimal digits of all key presses in it.
    #[must_use]
    pub fn digits(&self) -> String {
        let (mut detector, mut digits) = (Detector::new(), String::new());
        detector.push(&self.samples, &mut |event| {
            if let Event::Down { code: code @ 0..=9, .. } = event {
                digits.push(char::from(b'0' + code));
            }
        });
        digits
    }
}

fn is_tone(block: &[i16], hz: f64) -> bool {
    let loud = rms_dbfs(block);
    loud > SOUNDS_DBFS && tone_level(block, hz) + DBM0_IN_DBFS > loud - PURITY_DB
}

#[cfg(test)]
mod tests {
    use partyline_phones::sine;

    use super::*;

    #[test]
    fn a_tone_counts_where_it_is_alone() {
        let mut samples = sine(1105.0, -15.0, 8000);
        samples.extend(sine(1777.0, -15.0, 4000));
        let both: Vec<i16> = sine(1105.0, -15.0, 4000)
            .iter()
            .zip(sine(620.0, -15.0, 4000))
            .map(|(a, b)| a + b)
            .collect();
        samples.extend(both);
        let wave = Wave { samples };
        assert_eq!((wave.tenths_of(1105.0), wave.tenths_of(1777.0)), (10, 5));
        assert_eq!(wave.tenths_of(2311.0), 0);
        assert_eq!(wave.length(), Duration::from_secs(2));
    }

    #[test]
    fn keys_are_found() {
        let key = |low: f64, high: f64| {
            let pair =
                sine(low, -9.0, 800).into_iter().zip(sine(high, -9.0, 800)).map(|(a, b)| a + b);
            pair.chain([0; 800]).collect::<Vec<_>>()
        };
        let samples = [key(697.0, 1209.0), key(941.0, 1336.0), key(941.0, 1209.0)].concat();
        assert_eq!(Wave { samples }.digits(), "10");
    }
}
