//! The keys of one leg: telephone events, tones in its sound and SIP INFO, made one.
//!
//! It also says where the leg's sound holds a key, so that no room hears it: audio/clamp.rs.

use std::time::Duration;

use partyline_dtmf::{Detector, Event as Tone};
use partyline_model::{Digit, Time};

use crate::audio::clamp::Suspicion;
use crate::audio::{SAMPLES_PER_FRAME, SILENCE};
use crate::digits::{Arbiter, Source};
use crate::rtp::packet::Packet;
use crate::rtp::telephone_event::{Decoder, Key};
use crate::{ClockRate, InBand, LegConfig};

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
    in_band: InBand,
    tones: Tones,
    /// Who searched for tones before events were proven: ready without allocating.
    spare: Option<Box<Listener>>,
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
    /// Samples the detector was told of.
    heard: u64,
    ears: Ears,
    silent_frames: u8,
}

/// What the search for tones is in the middle of.
#[derive(Default)]
struct Ears {
    /// A tone goes on.
    held: bool,
    /// What is heard may be our own tone that the line sends back.
    deaf: bool,
}

impl Listener {
    fn new() -> Self {
        Self { detector: Detector::new(), heard: 0, ears: Ears::default(), silent_frames: 0 }
    }

    /// How many samples ago the tone began that may be a key, or is one.
    fn suspected_for(&self) -> Option<usize> {
        let since = self.detector.suspected_since()?;
        usize::try_from(self.heard.saturating_sub(since)).ok()
    }
}

impl Keys {
    pub(super) fn new(config: &LegConfig) -> Self {
        let mut keys = Self {
            arbiter: Arbiter::new(),
            events: Decoder::new(clock(config)),
            event_tail: Time::ZERO,
            in_band: config.in_band,
            tones: Tones::Off,
            spare: None,
        };
        keys.rearm();
        keys
    }

    /// Takes over a new offer or answer: the far end may be another.
    pub(super) fn update(&mut self, old: &LegConfig, new: &LegConfig) {
        self.events.set_clock(clock(new));
        self.in_band = new.in_band;
        if new.in_band == InBand::Off {
            self.stop();
        } else if old.in_band != new.in_band
            || old.telephone_event != new.telephone_event
            || old.remote != new.remote
        {
            self.far_end_changed();
        }
    }

    /// The far end may send its keys otherwise from here on.
    pub(super) fn far_end_changed(&mut self) {
        self.arbiter.forget_ways();
        self.rearm();
    }

    /// Searches for tones, unless that is not wanted or done already.
    fn rearm(&mut self) {
        if self.in_band == InBand::Off || self.wants_sound() {
            return;
        }
        let mut listener = self.spare.take().unwrap_or_else(|| Box::new(Listener::new()));
        *listener = Listener::new();
        self.tones = Tones::Armed(listener);
    }

    /// Searches for tones no longer.
    fn stop(&mut self) {
        if let Tones::Armed(listener) = std::mem::replace(&mut self.tones, Tones::Off) {
            self.spare = Some(listener);
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

    /// Whether tones that begin are those we sent, and no keys of the far end.
    pub(super) fn set_deaf(&mut self, deaf: bool) {
        if let Tones::Armed(listener) = &mut self.tones {
            listener.ears.deaf = deaf;
        }
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
            if self.in_band == InBand::WhenSilent && self.arbiter.events_are_proven() {
                self.stop();
            }
        }
        known
    }

    /// Takes a key from SIP INFO.
    pub(super) fn handle_info(&mut self, now: Time, digit: Digit, report: &mut impl FnMut(Digit)) {
        self.arbiter.down(now, Source::Info, digit, report);
        // No event before it: events are no longer what this far end sends.
        if !self.arbiter.events_are_proven() {
            self.rearm();
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
            if listener.silent_frames >= SETTLED && !listener.ears.held {
                return;
            }
            listener.silent_frames = listener.silent_frames.saturating_add(1);
        } else {
            listener.silent_frames = 0;
        }
        listener.heard += samples.len() as u64;
        let Listener { detector, ears, .. } = &mut **listener;
        detector.push(samples, &mut |heard| tone(arbiter, ears, now, heard, report));
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
        let Listener { detector, ears, .. } = &mut **listener;
        detector.push_lost(count, &mut |heard| tone(arbiter, ears, now, heard, report));
    }
}

fn clock(config: &LegConfig) -> ClockRate {
    config.telephone_event.map_or(ClockRate::Hz8000, |event| event.clock)
}

fn event(arbiter: &mut Arbiter, now: Time, key: Key, report: &mut impl FnMut(Digit)) {
    const SOURCE: Source = Source::TelephoneEvent;
    match key {
        Key::Down(digit) => arbiter.down(now, SOURCE, digit, report),
        Key::Again(digit) => arbiter.again(now, SOURCE, digit),
        Key::Up(digit) => arbiter.up(now, SOURCE, digit),
    }
}

fn tone(
    arbiter: &mut Arbiter,
    ears: &mut Ears,
    now: Time,
    heard: Tone,
    report: &mut impl FnMut(Digit),
) {
    match heard {
        Tone::Down { code, .. } => {
            ears.held = true;
            if let Ok(digit) = Digit::from_event(code)
                && !ears.deaf
            {
                arbiter.down(now, Source::InBand, digit, report);
            }
        }
        Tone::Up { code, .. } => {
            ears.held = false;
            if let Ok(digit) = Digit::from_event(code) {
                arbiter.up(now, Source::InBand, digit);
            }
        }
    }
}
