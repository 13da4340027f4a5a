//! What test callers say and expect to hear: the bridge's own spoken prompts, as recorded speech.

use std::sync::Arc;
use std::time::Duration;

use partyline_dialplan::{Language, Prompt, library};
use partyline_phones::{Audio, Step, analysis, sine};

/// How long [`Speech::then_tone`] sounds.
pub const TALK: Duration = Duration::from_secs(3);

/// Samples in a second of everything that phones say.
const RATE: usize = 8000;
/// Level of a talker's tone, in dBm0.
const TONE_DBM0: f64 = -15.0;

/// Every prompt at 8 kHz.
pub struct Speech {
    clips: Vec<Arc<[i16]>>,
}

impl Speech {
    /// Decodes the library.
    ///
    /// # Errors
    /// A prompt's file is damaged.
    pub fn load() -> anyhow::Result<Self> {
        let clips = library::load(Language::EnUs)?;
        let at_8000 = |clip: library::Clip| match clip.rate {
            16_000 => halve(&clip.samples),
            _ => clip.samples,
        };
        Ok(Self { clips: clips.into_iter().map(|clip| at_8000(clip).into()).collect() })
    }

    /// The samples of a prompt.
    ///
    /// # Panics
    /// Never: the library holds every prompt at its place.
    #[must_use]
    pub fn of(&self, prompt: Prompt) -> &[i16] {
        &self.clips[usize::from(prompt.audio().0)]
    }

    /// How long a prompt takes.
    #[must_use]
    pub fn length(&self, prompt: Prompt) -> Duration {
        Duration::from_micros(125) * u32::try_from(self.of(prompt).len()).unwrap_or(u32::MAX)
    }

    /// The beginning of a prompt, then a tone, and then silence: what is said sounds like speech,
    /// and whose voice it is can be measured. [`TALK`] long.
    #[must_use]
    pub fn then_tone(&self, prompt: Prompt, hz: f64) -> Audio {
        let spoken = self.of(prompt);
        let mut samples = spoken[..spoken.len().min(2 * RATE)].to_vec();
        samples.resize(2 * RATE, 0);
        samples.extend(sine(hz, TONE_DBM0, RATE));
        Audio::Samples(samples.into())
    }

    /// Waits to hear a prompt.
    #[must_use]
    pub fn heard(&self, prompt: Prompt, within: Duration) -> Step {
        let sound = analysis::Prompt::new(self.of(prompt));
        Step::AwaitPrompt { name: prompt.name().to_owned(), prompt: sound, within }
    }
}

/// Every second sample after a half-band low pass.
fn halve(samples: &[i16]) -> Vec<i16> {
    const TAPS: [(isize, i32); 5] = [(-3, -1), (-1, 9), (0, 16), (1, 9), (3, -1)];
    let at = |place: usize, shift: isize| {
        place.checked_add_signed(shift).and_then(|place| samples.get(place)).copied().unwrap_or(0)
    };
    let filter = |place: usize| {
        let sum: i32 = TAPS.iter().map(|&(shift, tap)| i32::from(at(place, shift)) * tap).sum();
        i16::try_from((sum / 32).clamp(-32_768, 32_767)).expect("held to the range")
    };
    (0..samples.len()).step_by(2).map(filter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_of_the_length_that_is_spoken() {
        let speech = Speech::load().unwrap();
        let seconds = speech.of(Prompt::EnterPasscode).len() / RATE;
        assert!((2..6).contains(&seconds), "{seconds} s");
    }

    #[test]
    fn halving_keeps_a_tone() {
        // 16 kHz: a tone made for 8 kHz sounds at twice its frequency.
        let half = halve(&sine(500.0, -10.0, 16_000));
        let level = analysis::tone_level(&half[..RATE], 1000.0);
        assert!((level + 10.0).abs() < 0.5, "{level}");
    }
}
