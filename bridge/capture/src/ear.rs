//! The bridge's tone detector, with what a listing wants besides: the level of each tone.
//!
//! Positions are samples at 8 kHz since the beginning. It knows no clock and no packets.

use partyline_dtmf::{Detector, Event};
use partyline_model::Digit;

use crate::level;
use crate::press::Level;

/// Sound that is kept to measure a tone when it is told.
const KEPT: usize = 1_600;
/// The edge of a tone, which is not measured.
const EDGE: u64 = 40;
/// The most and the least sound that a level is measured in.
const MEASURED: u64 = 400;
const LEAST_MEASURED: u64 = 120;

/// A tone that was recognised.
pub(crate) struct Tone {
    pub(crate) digit: Digit,
    /// Where it began.
    pub(crate) onset: u64,
    /// How far the detector had heard when it was certain.
    pub(crate) told: u64,
    /// `None` while it is held.
    pub(crate) length: Option<u64>,
    pub(crate) level: Option<Level>,
}

/// Hears one channel.
pub(crate) struct Ear {
    detector: Detector,
    /// The latest sound, oldest first.
    recent: Vec<i16>,
    position: u64,
    lost_until: u64,
    tones: Vec<Tone>,
}

impl Ear {
    pub(crate) fn new() -> Self {
        Self {
            detector: Detector::new(),
            recent: Vec::with_capacity(2 * KEPT),
            position: 0,
            lost_until: 0,
            tones: Vec::new(),
        }
    }

    /// Samples heard and lost so far.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// What was recognised so far; the last one may still be held.
    pub(crate) fn tones(&self) -> &[Tone] {
        &self.tones
    }

    pub(crate) fn into_tones(self) -> Vec<Tone> {
        self.tones
    }

    pub(crate) fn push(&mut self, samples: &[i16]) {
        self.keep(samples);
        self.position += samples.len() as u64;
        let mut events = Vec::new();
        self.detector.push(samples, &mut |event| events.push(event));
        self.note(&events);
    }

    /// Passes over samples that never arrived.
    pub(crate) fn push_lost(&mut self, samples: usize) {
        self.keep(&[0; KEPT][..samples.min(KEPT)]);
        self.position += samples as u64;
        self.lost_until = self.position;
        let mut events = Vec::new();
        self.detector.push_lost(samples, &mut |event| events.push(event));
        self.note(&events);
    }

    fn keep(&mut self, samples: &[i16]) {
        let samples = &samples[samples.len().saturating_sub(KEPT)..];
        let spare = (self.recent.len() + samples.len()).saturating_sub(2 * KEPT);
        if spare > 0 {
            let old = self.recent.len().saturating_sub(KEPT).max(spare).min(self.recent.len());
            self.recent.drain(..old);
        }
        self.recent.extend_from_slice(samples);
    }

    fn note(&mut self, events: &[Event]) {
        for event in events {
            match *event {
                Event::Down { code, onset } => {
                    let Ok(digit) = Digit::from_event(code) else { continue };
                    let level = self.level(digit, onset);
                    let told = self.position;
                    self.tones.push(Tone { digit, onset, told, length: None, level });
                }
                Event::Up { length, .. } => {
                    if let Some(tone) = self.tones.last_mut() {
                        tone.length = Some(length);
                    }
                }
            }
        }
    }

    /// The level of a tone that is on at the end of what was heard.
    fn level(&self, digit: Digit, onset: u64) -> Option<Level> {
        let first = (onset + EDGE).max(self.lost_until);
        let kept_from = self.position - self.recent.len() as u64;
        let last = self.position.min(first + MEASURED);
        if first < kept_from || last < first + LEAST_MEASURED {
            return None;
        }
        let index = |position: u64| usize::try_from(position - kept_from).ok();
        level::measure(digit, self.recent.get(index(first)?..index(last)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use partyline_dtmf::tone::Burst;

    #[test]
    fn a_tone_has_its_place_its_length_and_its_level() {
        let mut ear = Ear::new();
        let sound =
            [vec![0; 20_000], Burst { code: 5, on_ms: 80, ..Burst::default() }.samples()].concat();
        for frame in sound.chunks(160) {
            ear.push(frame);
        }
        let [tone] = ear.tones() else { panic!("{} tones", ear.tones().len()) };
        assert!(tone.digit.to_char() == '5');
        assert!(tone.onset.abs_diff(20_000) < 80, "{}", tone.onset);
        assert!(tone.length.is_some_and(|length| length.abs_diff(640) < 120), "{:?}", tone.length);
        let level = tone.level.unwrap();
        assert!((level.dbm0 + 6.0).abs() < 1.0 && level.twist_db.unwrap().abs() < 1.0, "{level:?}");
    }

    #[test]
    fn a_level_is_not_measured_over_a_loss() {
        let mut ear = Ear::new();
        let sound = Burst { code: 1, on_ms: 300, ..Burst::default() }.samples();
        ear.push_lost(90_000);
        ear.push(&sound[..160]);
        ear.push_lost(80);
        for frame in sound[240..].chunks(160) {
            ear.push(frame);
        }
        let [tone] = ear.tones() else { panic!("{} tones", ear.tones().len()) };
        let level = tone.level;
        assert!(level.is_none_or(|level| (level.dbm0 + 6.0).abs() < 1.0), "{level:?}");
    }
}
