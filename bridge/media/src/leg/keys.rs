//! The keys of one leg: telephone events, tones in its sound and SIP INFO, made one.
//!
//! It also says where the leg's sound holds a key, so that no room hears it: audio/clamp.rs.

use std::time::Duration;

use partyline_dtmf::{Detector, Event as Tone};
use partyline_model::{Digit, Time};

use crate::InBand;
use crate::audio::clamp::Suspicion;
use crate::audio::{SAMPLES_PER_FRAME, SILENCE};
use crate::digits::{Arbiter, Source};
use crate::rtp::packet::Packet;
use crate::rtp::telephone_event::{Decoder, Key};

/// How long after an event's last packet the leg's sound may still hold the tone: what waits in
/// the jitter buffer.
const EVENT_TAIL: Duration = Duration::from_millis(100);
/// Silent frames after which the detector need not be told of more: 100 ms, more than it looks
/// back on to decide.
const SETTLED: u8 = 5;

/// What one leg's keys are recognised with.
pub(super) struct Keys {
    arbiter: Arbiter,
    events: Decoder,
    event_tail: Time,
    tones: Tones,
}

/// The search for tones.
enum Tones {
    /// Not searched for.
    Off,
    /// Searched for in the sound.
    Armed(Box<Listener>),
}

struct Listener {
    detector: Detector,
    /// Ends with the first telephone event.
    until_event: bool,
    /// Samples the detector was told of.
    heard: u64,
    held: bool,
    silent_frames: u8,
}

impl Listener {
    /// How many samples ago the tone began that may be a key, or is one.
    fn suspected_for(&self) -> Option<usize> {
        let since = self.detector.suspected_since()?;
        usize::try_from(self.heard.saturating_sub(since)).ok()
    }
}

impl Keys {
    pub(super) fn new(in_band: InBand) -> Self {
        let mut keys = Self {
            arbiter: Arbiter::new(),
            events: Decoder::new(),
            event_tail: Time::ZERO,
            tones: Tones::Off,
        };
        keys.set_in_band(in_band);
        keys
    }

    /// Begins or ends the search for tones.
    pub(super) fn set_in_band(&mut self, in_band: InBand) {
        match (&mut self.tones, in_band) {
            (tones, InBand::Off) => *tones = Tones::Off,
            (Tones::Armed(listener), _) => listener.until_event = in_band == InBand::WhenSilent,
            (tones @ Tones::Off, _) => {
                *tones = Tones::Armed(Box::new(Listener {
                    detector: Detector::new(),
                    until_event: in_band == InBand::WhenSilent,
                    heard: 0,
                    held: false,
                    silent_frames: 0,
                }));
            }
        }
    }

    /// Keys reported so far.
    pub(super) const fn reported(&self) -> u64 {
        self.arbiter.digits()
    }

    /// Whether the sound has to be decoded for its tones.
    pub(super) fn wants_sound(&self) -> bool {
        matches!(self.tones, Tones::Armed(_))
    }

    /// What this tick's sound may hold of a key.
    pub(super) fn suspicion(&self, now: Time) -> Suspicion {
        let tone = match &self.tones {
            Tones::Off => None,
            Tones::Armed(listener) => listener.suspected_for(),
        };
        Suspicion { tone, event: self.events.is_held() || now < self.event_tail }
    }

    /// Takes a telephone event; `false` when it is no key.
    pub(super) fn handle_event(
        &mut self,
        now: Time,
        packet: &Packet<'_>,
        report: &mut impl FnMut(Digit),
    ) -> bool {
        let Self { arbiter, events, .. } = self;
        let known = events.handle(now, packet, &mut |key| event(arbiter, now, key, report));
        if known {
            self.event_tail = now + EVENT_TAIL;
            if matches!(&self.tones, Tones::Armed(listener) if listener.until_event) {
                self.tones = Tones::Off;
            }
        }
        known
    }

    /// Takes a key from SIP INFO.
    pub(super) fn handle_info(&mut self, now: Time, digit: Digit, report: &mut impl FnMut(Digit)) {
        if self.arbiter.down(now, Source::Info, digit) {
            report(digit);
        }
    }

    /// Lets go of a key whose last packets are lost.
    pub(super) fn handle_timeout(&mut self, now: Time, report: &mut impl FnMut(Digit)) {
        let Self { arbiter, events, .. } = self;
        events.handle_timeout(now, &mut |key| event(arbiter, now, key, report));
    }

    /// Searches sound that was received; `silent` says that there is nothing in it.
    pub(super) fn handle_sound(
        &mut self,
        now: Time,
        samples: &[i16],
        silent: bool,
        report: &mut impl FnMut(Digit),
    ) {
        let Self { arbiter, tones: Tones::Armed(listener), .. } = self else { return };
        if silent {
            if listener.silent_frames >= SETTLED && !listener.held {
                return;
            }
            listener.silent_frames = listener.silent_frames.saturating_add(1);
        } else {
            listener.silent_frames = 0;
        }
        listener.heard += samples.len() as u64;
        let Listener { detector, held, .. } = &mut **listener;
        detector.push(samples, &mut |heard| tone(arbiter, held, now, heard, report));
    }

    /// Passes over `count` samples that were not sent.
    pub(super) fn handle_silence(
        &mut self,
        now: Time,
        count: usize,
        report: &mut impl FnMut(Digit),
    ) {
        self.handle_sound(now, &SILENCE[..count.min(SAMPLES_PER_FRAME)], true, report);
    }

    /// Passes over `count` samples that were lost.
    pub(super) fn handle_lost(&mut self, now: Time, count: usize, report: &mut impl FnMut(Digit)) {
        let Self { arbiter, tones: Tones::Armed(listener), .. } = self else { return };
        listener.heard += count as u64;
        let Listener { detector, held, .. } = &mut **listener;
        detector.push_lost(count, &mut |heard| tone(arbiter, held, now, heard, report));
    }
}

fn event(arbiter: &mut Arbiter, now: Time, key: Key, report: &mut impl FnMut(Digit)) {
    match key {
        Key::Down(digit) => {
            if arbiter.down(now, Source::TelephoneEvent, digit) {
                report(digit);
            }
        }
        Key::Up(digit) => arbiter.up(now, Source::TelephoneEvent, digit),
    }
}

fn tone(
    arbiter: &mut Arbiter,
    held: &mut bool,
    now: Time,
    heard: Tone,
    report: &mut impl FnMut(Digit),
) {
    match heard {
        Tone::Down { code, .. } => {
            *held = true;
            if let Ok(digit) = Digit::from_event(code)
                && arbiter.down(now, Source::InBand, digit)
            {
                report(digit);
            }
        }
        Tone::Up { code, .. } => {
            *held = false;
            if let Ok(digit) = Digit::from_event(code) {
                arbiter.up(now, Source::InBand, digit);
            }
        }
    }
}
