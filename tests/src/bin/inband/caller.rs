//! What one caller sends: a voice that never pauses, and in it ten keys and a pound sign.
//!
//! Sound only, made from a seed: no packet, no codec, no loss.

use bridge_tests::real::speech::Speech;
use bridge_tests::sim::dice::Dice;
use partyline_dialplan::Prompt;
use partyline_dtmf::tone::Burst;

/// Samples in a second.
const RATE: usize = 8000;
/// Keys of a passcode.
const KEYS: usize = 10;
/// A key press and the pause after it.
const KEY: usize = RATE / 5;
/// The caller talks for this long, and up to a second more, before the first key.
const LEAD: usize = RATE / 2;
/// How long the caller goes on talking: the time between two digits (4 s), should the pound sign be
/// lost, and a while for the bridge to judge.
const TAIL: usize = RATE * 11 / 2;
/// Level of a key's tones without twist, in dBm0 each.
const TONE_DBM0: f64 = -10.0;
/// Root mean square of a sine of 0 dBm0: full scale is +3.14 dBm0 (ITU-T G.711 §4).
const ZERO_DBM0_RMS: f64 = 16_140.8;
/// What is this much below the level of the speech is a pause (ITU-T P.56's margin).
const MARGIN_DB: f64 = 15.9;
/// Pauses are judged by the packet, and cut down to so many.
const FRAME: usize = 160;
const LONGEST_PAUSE: usize = 3;
/// The code of the pound sign, RFC 4733 §3.2.
const POUND: u8 = 11;

/// Everything there is to say, its pauses cut.
pub(crate) struct Voice {
    clips: Vec<Vec<f64>>,
}

impl Voice {
    /// Takes the spoken prompts.
    pub(crate) fn new(speech: &Speech) -> Self {
        let spoken = Prompt::ALL.iter().filter(|prompt| !prompt.name().starts_with("tone-"));
        let clips = spoken.map(|&prompt| without_pauses(speech.of(prompt)));
        Self { clips: clips.collect() }
    }

    /// `length` samples by one talker, a fifth higher or lower than the voice is, or between.
    fn talk(&self, dice: &mut Dice, length: usize) -> Vec<f64> {
        let pace = between(dice, 0.8, 1.25);
        let mut said = Vec::with_capacity(length + 5 * RATE);
        while said.len() < length {
            let place = usize::try_from(dice.below(self.clips.len() as u64)).unwrap_or_default();
            said.extend(faster(&self.clips[place], pace));
        }
        said.truncate(length);
        said
    }
}

/// One call, ready to be played.
pub(crate) struct Caller {
    /// All that is sent.
    pub(crate) samples: Vec<i16>,
    /// When the last key and its pause are over.
    pub(crate) keyed: usize,
}

impl Caller {
    /// Somebody who keys `passcode`, `below` dB louder than the voice.
    pub(crate) fn new(voice: &Voice, dice: &mut Dice, passcode: &[u8; KEYS], below: f64) -> Self {
        let lead = LEAD + usize::try_from(dice.below(RATE as u64)).unwrap_or_default();
        let keyed = lead + (KEYS + 1) * KEY;
        // A telephone has its own twist and its own crystal; they do not change from key to key.
        let twist_db = between(dice, -4.0, 2.0);
        let off_percent = [between(dice, -0.5, 0.5), between(dice, -0.5, 0.5)];
        let level_dbm0 = TONE_DBM0 - twist_db / 2.0;
        let burst = |code| Burst { code, level_dbm0, twist_db, off_percent, ..Burst::default() };
        let power = |dbm0: f64| 10f64.powf(dbm0 / 10.0);
        let key_power = power(level_dbm0) + power(level_dbm0 + twist_db);
        let mut sound = voice.talk(dice, keyed + TAIL);
        let wanted = ZERO_DBM0_RMS * (key_power / power(below)).sqrt();
        let gain = wanted / active_level(&sound);
        sound.iter_mut().for_each(|sample| *sample *= gain);
        let keys = passcode.iter().copied().chain([POUND]);
        let tones = keys.flat_map(|code| burst(code).samples());
        for (sample, tone) in sound[lead..].iter_mut().zip(tones) {
            *sample += f64::from(tone);
        }
        Self { samples: sound.into_iter().map(to_sample).collect(), keyed }
    }
}

/// Ten digits, as codes.
pub(crate) fn passcode(dice: &mut Dice) -> [u8; KEYS] {
    std::array::from_fn(|_| u8::try_from(dice.below(10)).unwrap_or_default())
}

/// The digits of a passcode.
pub(crate) fn digits(passcode: &[u8; KEYS]) -> String {
    passcode.iter().map(|&code| char::from(b'0' + code)).collect()
}

fn between(dice: &mut Dice, low: f64, high: f64) -> f64 {
    low + (high - low) * dice.below(1 << 20) as f64 / f64::from(1 << 20)
}

/// Root mean square of what is not pause: frames within [`MARGIN_DB`] of the level they make up.
fn active_level(samples: &[f64]) -> f64 {
    let powers: Vec<f64> = samples.chunks(FRAME).map(power).collect();
    let share = 10f64.powf(-MARGIN_DB / 10.0);
    let mean = |floor: f64| {
        let active: Vec<_> = powers.iter().filter(|&&power| power >= floor).collect();
        active.iter().copied().sum::<f64>() / (active.len().max(1) as f64)
    };
    (0..10).fold(mean(0.0), |level, _| mean(level * share)).sqrt().max(1e-9)
}

fn power(frame: &[f64]) -> f64 {
    frame.iter().map(|sample| sample * sample).sum::<f64>() / (frame.len().max(1) as f64)
}

fn without_pauses(samples: &[i16]) -> Vec<f64> {
    let samples: Vec<f64> = samples.iter().copied().map(f64::from).collect();
    let floor = active_level(&samples).powi(2) * 10f64.powf(-MARGIN_DB / 10.0);
    let mut quiet = LONGEST_PAUSE;
    let mut kept = Vec::with_capacity(samples.len());
    for frame in samples.chunks(FRAME) {
        quiet = if power(frame) < floor { quiet + 1 } else { 0 };
        if quiet <= LONGEST_PAUSE {
            kept.extend_from_slice(frame);
        }
    }
    kept
}

/// Plays `pace` times as fast, between samples in a straight line.
fn faster(samples: &[f64], pace: f64) -> Vec<f64> {
    let mut places = samples.windows(2);
    let (mut at, mut pair) = (0.0, places.next());
    let mut played = Vec::with_capacity(samples.len() * 5 / 4 + 1);
    while let Some(&[here, next]) = pair {
        played.push(here + (next - here) * at);
        at += pace;
        while at >= 1.0 {
            at -= 1.0;
            pair = places.next();
        }
    }
    played
}

#[expect(clippy::cast_possible_truncation, reason = "held to the range of i16")]
fn to_sample(value: f64) -> i16 {
    value.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use partyline_dtmf::{Detector, Event};

    use super::*;

    fn caller(below: f64) -> (Caller, [u8; KEYS]) {
        let voice = Voice::new(&Speech::load().unwrap());
        let dice = &mut Dice::new(7, 1);
        let passcode = passcode(dice);
        (Caller::new(&voice, dice, &passcode, below), passcode)
    }

    fn clipped(caller: &Caller) -> usize {
        caller.samples.iter().filter(|&&sample| matches!(sample, i16::MIN | i16::MAX)).count()
    }

    #[test]
    fn keys_of_a_caller_who_hardly_talks_are_the_passcode() {
        let (caller, passcode) = caller(40.0);
        let mut heard = Vec::new();
        Detector::new().push(&caller.samples, &mut |event| {
            if let Event::Down { code, .. } = event {
                heard.push(code);
            }
        });
        assert_eq!(heard.split_last(), Some((&POUND, &passcode[..])));
        assert_eq!(clipped(&caller), 0);
    }

    #[test]
    fn speech_lies_as_far_below_the_keys_as_was_asked_for() {
        for below in [5.0, 15.0] {
            let (caller, _) = caller(below);
            let tail: Vec<f64> = caller.samples[caller.keyed..].iter().map(|&s| s.into()).collect();
            let dbm0 = 20.0 * (active_level(&tail) / ZERO_DBM0_RMS).log10();
            // Both tones together are 3 dB above one, and up to 1 dB more with twist.
            let wanted = TONE_DBM0 + 3.5 - below;
            assert!((dbm0 - wanted).abs() < 1.5, "{below} dB: speech of {dbm0} dBm0");
            assert!(clipped(&caller) < caller.samples.len() / 1000, "{}", clipped(&caller));
        }
    }

    #[test]
    fn talker_never_pauses_for_longer_than_four_packets() {
        let (caller, _) = caller(15.0);
        let sound: Vec<f64> = caller.samples.iter().map(|&sample| sample.into()).collect();
        let floor = active_level(&sound[caller.keyed..]).powi(2) / 1000.0;
        let mut longest = 0;
        let mut quiet = 0;
        for frame in sound.chunks(FRAME) {
            quiet = if power(frame) < floor { quiet + 1 } else { 0 };
            longest = longest.max(quiet);
        }
        assert!(longest <= 4, "{longest} packets");
    }
}
