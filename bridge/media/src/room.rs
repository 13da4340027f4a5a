//! One mix: every talker for every listener, each talker without himself (N-1).
//!
//! The sum is exact in 32 bits; a leg's own mix is the sum less its own samples. Who says nothing
//! hears the whole sum, which is limited and encoded once for all of them. Knows no policy: who is
//! in, who may talk and what is played is decided elsewhere.

use std::collections::VecDeque;

use partyline_model::{MixId, RecordingId};

use crate::audio::limiter::Limiter;
use crate::audio::prompt::{AudioLibrary, AudioQueue, Player};
use crate::audio::{self, SAMPLES_PER_FRAME, SILENCE, Sum};
use crate::event::Event;
use crate::leg::{Leg, Shared};
use crate::worker::Sink;

/// One mix.
pub(crate) struct Room {
    /// Places of the legs in the worker's table.
    members: Vec<usize>,
    sum: Sum,
    /// What who says nothing hears.
    mix: Shared,
    limiter: Limiter,
    prompts: Option<Player>,
    recording: Option<RecordingId>,
    /// Whether the recording pauses.
    paused: bool,
}

impl Room {
    pub(crate) const fn new() -> Self {
        Self {
            members: Vec::new(),
            sum: [0; SAMPLES_PER_FRAME],
            mix: Shared::new(),
            limiter: Limiter::new(),
            prompts: None,
            recording: None,
            paused: false,
        }
    }

    /// Whether nothing keeps the room.
    pub(crate) fn is_idle(&self) -> bool {
        self.members.is_empty() && self.prompts.is_none() && self.recording.is_none()
    }

    pub(crate) fn join(&mut self, place: usize) {
        self.members.push(place);
    }

    pub(crate) fn leave(&mut self, place: usize) {
        self.members.retain(|&member| member != place);
    }

    pub(crate) fn play(&mut self, items: AudioQueue) {
        match &mut self.prompts {
            Some(player) => player.append(&items),
            None => self.prompts = Some(Player::new(items)),
        }
    }

    pub(crate) fn hush(&mut self) {
        self.prompts = None;
    }

    pub(crate) fn record(&mut self, recording: RecordingId) {
        self.recording = Some(recording);
        self.paused = false;
    }

    pub(crate) fn pause_recording(&mut self, recording: RecordingId, paused: bool) {
        if self.recording == Some(recording) {
            self.paused = paused;
        }
    }

    pub(crate) fn stop_recording(&mut self, recording: RecordingId) {
        if self.recording == Some(recording) {
            self.recording = None;
        }
    }

    /// Mixes what the members say and what is played, and hands the mix to the recording.
    pub(crate) fn mix<S: Sink + ?Sized>(
        &mut self,
        id: MixId,
        legs: &[Option<Box<Leg>>],
        library: &AudioLibrary,
        events: &mut VecDeque<Event>,
        sink: &mut S,
    ) {
        self.sum = [0; SAMPLES_PER_FRAME];
        for leg in self.members.iter().filter_map(|&place| legs[place].as_ref()) {
            if leg.speaks {
                audio::add(&mut self.sum, &leg.said);
            }
        }
        if let Some(player) = &mut self.prompts {
            let mut frame = SILENCE;
            if player.next_frame(library, &mut frame).is_some() {
                audio::add(&mut self.sum, &frame);
            } else {
                self.prompts = None;
                events.push_back(Event::RoomPlayed { room: id });
            }
        }
        self.limiter.apply(&self.sum, &mut self.mix.frame);
        self.mix.renew();
        if let Some(recording) = self.recording.filter(|_| !self.paused) {
            sink.record(recording, &self.mix.frame);
        }
    }

    /// Sends each member what it is to hear.
    pub(crate) fn send<S: Sink + ?Sized>(
        &mut self,
        legs: &mut [Option<Box<Leg>>],
        library: &AudioLibrary,
        events: &mut VecDeque<Event>,
        sink: &mut S,
    ) {
        for &place in &self.members {
            let Some(leg) = &mut legs[place] else { continue };
            if leg.music {
                continue;
            }
            if leg.speaks {
                leg.send_mix(&self.sum, library, events, sink);
            } else {
                leg.follow_limiter(self.limiter);
                leg.send_shared(&mut self.mix, library, events, sink);
            }
        }
    }
}
