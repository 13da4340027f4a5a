//! One leg: its packets, its keys, and what it hears. Knows no room and no other leg.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use partyline_model::{Codec, Digit, LegKey, MixId, PlaybackId, Time};

use crate::audio::clamp::Clamp;
use crate::audio::fader::Fader;
use crate::audio::g711::{self, CODECS, Payload};
use crate::audio::limiter::Limiter;
use crate::audio::prompt::{AudioLibrary, AudioQueue, Player};
use crate::audio::{self, Frame, SAMPLES_PER_FRAME, SILENCE, Sum, level};
use crate::event::{Dropped, Event, LegStats};
use crate::rtp::demux::{Port, Protocol, demultiplex};
use crate::rtp::rtcp::Writer;
use crate::worker::Sink;
use crate::{Channel, Config, KeyQueue, LegConfig, Rtcp, SrtpKeys, Talk};
use courier::{Courier, Refused};
use keypad::{Keypad, Slot};
use keys::Keys;
use receiver::{Received, Receiver};
use sender::{Route, Sender};
use shield::Kind;

mod courier;
mod keypad;
mod keys;
mod receiver;
mod sender;
mod shield;

/// A frame and its encoded forms: made once, when first asked for, for all who hear it.
pub(crate) struct Shared {
    pub(crate) frame: Frame,
    payloads: [Payload; CODECS],
    encoded: [bool; CODECS],
}

impl Shared {
    pub(crate) const fn new() -> Self {
        Self {
            frame: SILENCE,
            payloads: [[0; SAMPLES_PER_FRAME]; CODECS],
            encoded: [false; CODECS],
        }
    }

    /// The frame has changed.
    pub(crate) fn renew(&mut self) {
        self.encoded = [false; CODECS];
    }

    fn payload(&mut self, codec: Codec) -> &Payload {
        let index = g711::index(codec);
        if !self.encoded[index] {
            g711::encode(codec, &self.frame, &mut self.payloads[index]);
            self.encoded[index] = true;
        }
        &self.payloads[index]
    }
}

/// Whether the far end has been heard of lately.
#[derive(Clone, Copy)]
enum Life {
    Alive,
    Silent { reported: Time },
}

/// One leg.
pub(crate) struct Leg {
    key: LegKey,
    config: Box<LegConfig>,
    receiver: Receiver,
    /// Of a leg whose keys come by a handshake.
    courier: Option<Box<Courier>>,
    keys: Keys,
    /// At work while the sound is searched for keys; kept for when it is again.
    clamp: Option<Box<Clamp>>,
    sender: Sender,
    keypad: Keypad,
    stats: Box<LegStats>,
    started: Time,
    life: Life,
    talk: Talk,
    /// The room the leg is in.
    pub(crate) room: Option<MixId>,
    /// Whether hold music stands in for the room.
    pub(crate) music: bool,
    /// What the leg says in this tick.
    pub(crate) said: Frame,
    /// Whether it is to be heard by the room.
    pub(crate) speaks: bool,
    prompt: Option<(PlaybackId, Player)>,
    fader: Fader,
    mix_limiter: Limiter,
    prompt_limiter: Limiter,
}

impl Leg {
    /// A leg that begins now; its first tick is the next one.
    pub(crate) fn new(
        (now, next_tick): (Time, Time),
        key: LegKey,
        config: Box<LegConfig>,
        worker: &Config,
    ) -> Self {
        let keys = Keys::new(&config);
        Self {
            key,
            receiver: Receiver::new(next_tick, &config),
            courier: config.dtls.then(Box::default),
            clamp: keys.wants_sound().then(|| Box::new(Clamp::new())),
            keys,
            sender: Sender::new(now, &config, worker.rtcp_interval),
            keypad: Keypad::new(),
            config,
            stats: Box::default(),
            started: now,
            life: Life::Alive,
            talk: Talk::Open,
            room: None,
            music: false,
            said: SILENCE,
            speaks: false,
            prompt: None,
            fader: Fader::new(Fader::UNITY),
            mix_limiter: Limiter::new(),
            prompt_limiter: Limiter::new(),
        }
    }

    pub(crate) fn update(&mut self, now: Time, config: LegConfig) {
        // Our stream's identity outlives the re-INVITE: a new SSRC would be a new stream.
        let mut config = LegConfig { ssrc: self.config.ssrc, ..config };
        if config.remote.ip().is_unspecified() {
            // The hold of RFC 2543: the far end is still where it was, and RTCP goes on.
            (config.remote, config.rtcp) = (self.config.remote, self.config.rtcp);
        }
        self.receiver.update(now, &config);
        // A handshake begins anew with none of the one before.
        let same = self.courier.take().filter(|_| !config.is_closed());
        self.courier = config.dtls.then(|| same.unwrap_or_default());
        self.keys.update(&self.config, &config);
        self.sender.update(&config);
        *self.config = config;
    }

    /// A handshake gave its keys.
    pub(crate) fn take_keys(&mut self, keys: Box<SrtpKeys>) {
        if self.config.dtls {
            self.config.srtp = Some(keys);
            self.receiver.take_keys(&self.config);
            self.sender.take_keys(&self.config);
        }
    }

    /// Has a datagram of the handshake sent at the next tick.
    pub(crate) fn send_handshake(&mut self, datagram: Box<[u8]>) {
        if let Some(courier) = &mut self.courier {
            courier.push(datagram);
        }
    }

    /// Sends what waits of the handshake.
    pub(crate) fn deliver<S: Sink + ?Sized>(&mut self, sink: &mut S) {
        let Some(courier) = self.courier.as_mut().filter(|courier| !courier.is_idle()) else {
            return;
        };
        let Some((to, vouched)) = self.receiver.handshake_way(courier.heard_from()) else { return };
        while let Some(datagram) = courier.next(vouched) {
            sink.send(self.key, Channel::Rtp, to, &datagram);
        }
    }

    /// The far end's ACK came.
    pub(crate) fn acknowledge(&mut self, now: Time) {
        self.receiver.acknowledge(now);
    }

    /// What was refused of what came so far.
    pub(crate) fn dropped(&self) -> &Dropped {
        &self.stats.dropped
    }

    pub(crate) fn set_talk(&mut self, talk: Talk) {
        self.talk = talk;
    }

    pub(crate) fn play(&mut self, playback: PlaybackId, items: AudioQueue) {
        self.prompt = Some((playback, Player::new(items)));
    }

    pub(crate) fn stop_play(&mut self) {
        self.prompt = None;
    }

    pub(crate) fn set_music(&mut self, on: bool) {
        if on && !self.music {
            self.fader = Fader::new(0);
        }
        self.music = on;
    }

    pub(crate) fn handle_info(&mut self, now: Time, digit: Digit, events: &mut VecDeque<Event>) {
        let leg = self.key;
        self.keys.handle_info(now, digit, &mut |digit| {
            events.push_back(Event::Digit { leg, digit, at: now });
        });
    }

    /// Presses keys for the far end.
    pub(crate) fn send_keys(&mut self, keys: KeyQueue) {
        self.keypad.push(keys);
    }

    pub(crate) fn handle_packet(
        &mut self,
        now: Time,
        (channel, source): (Channel, SocketAddr),
        datagram: &mut [u8],
        events: &mut VecDeque<Event>,
    ) {
        let port = match channel {
            Channel::Rtp if self.config.rtcp == Rtcp::Mux => Port::Shared,
            Channel::Rtp => Port::Rtp,
            Channel::Rtcp => Port::Rtcp,
        };
        let kind = match demultiplex(datagram, port) {
            Protocol::Rtp => Kind::Rtp,
            Protocol::Rtcp => Kind::Rtcp,
            Protocol::Dtls => return self.pass_on(now, (channel, source), datagram, events),
            Protocol::Other => {
                self.stats.dropped.malformed += 1;
                return;
            }
        };
        let Self { key, config, receiver, keys, stats, .. } = self;
        let leg = (&**config, &mut **stats);
        let Some(datagram) = receiver.open(kind, source, datagram, leg) else { return };
        let received = match kind {
            Kind::Rtp => {
                let leg = (&**config, keys, &mut **stats);
                let mut report =
                    |digit| events.push_back(Event::Digit { leg: *key, digit, at: now });
                receiver.handle_rtp(now, source, datagram, leg, &mut report)
            }
            Kind::Rtcp => receiver.handle_rtcp(now, source, datagram, (config, stats)),
        };
        if received == Received::Dropped {
            return;
        }
        if let Life::Silent { .. } = self.life {
            self.life = Life::Alive;
            events.push_back(Event::Resumed { leg: self.key });
        }
        if received == Received::First {
            events.push_back(Event::FirstPacket { leg: self.key });
        }
    }

    /// Passes a datagram of the handshake on, as seldom as its bounds allow, so that it may allocate.
    fn pass_on(
        &mut self,
        now: Time,
        (channel, source): (Channel, SocketAddr),
        datagram: &[u8],
        events: &mut VecDeque<Event>,
    ) {
        let dropped = &mut self.stats.dropped;
        let Some(courier) = self.courier.as_mut().filter(|_| channel == Channel::Rtp) else {
            dropped.handshake += 1;
            return;
        };
        let from = (source, self.receiver.shaker(source));
        match courier.admit(now, from, datagram.len()) {
            Ok(()) => {
                events.push_back(Event::Handshake { leg: self.key, datagram: datagram.into() })
            }
            Err(Refused::Foreign) => dropped.source += 1,
            Err(Refused::TooMuch) => dropped.handshake += 1,
        }
    }

    /// Plays the leg's sound of this tick into [`Self::said`].
    pub(crate) fn listen(&mut self, now: Time, worker: &Config, events: &mut VecDeque<Event>) {
        self.arm_clamp();
        self.keys.set_deaf(self.keypad.may_echo());
        let Self { key, receiver, keys, stats, said, .. } = self;
        let heard_by_room = self.room.is_some() && self.talk == Talk::Open;
        let wanted = heard_by_room || keys.wants_sound();
        let mut report = |digit| events.push_back(Event::Digit { leg: *key, digit, at: now });
        keys.handle_timeout(now, &mut report);
        let audible = receiver.next_frame(now, wanted, said, (keys, &mut **stats), &mut report);
        self.speaks = match &self.clamp {
            Some(clamp) if !clamp.is_spent() || self.keys.wants_sound() => {
                self.clamp(now, heard_by_room)
            }
            Some(_) | None => audible && heard_by_room && !self.keys.suspicion(now).event,
        };
        self.watch_silence(now, worker.silence, events);
    }

    /// Looks ahead when the search for keys has begun anew: as seldom as the far end changes, so
    /// that it may allocate.
    fn arm_clamp(&mut self) {
        if self.clamp.is_none() && self.keys.wants_sound() {
            self.clamp = Some(Box::new(Clamp::undelayed()));
        }
    }

    /// Cuts the tones out of what was said, and says whether there is anything to be heard in it.
    fn clamp(&mut self, now: Time, heard_by_room: bool) -> bool {
        let Some(clamp) = &mut self.clamp else { return false };
        if clamp.is_spent() {
            **clamp = Clamp::undelayed();
        }
        if !heard_by_room {
            // Whatever is said before the room may hear it must not come out of the line after.
            self.said = SILENCE;
        }
        clamp.set_looking_ahead(self.keys.wants_sound());
        clamp.pass(&mut self.said, self.keys.suspicion(now));
        heard_by_room && level::peak(&self.said) > level::IDLE
    }

    fn watch_silence(&mut self, now: Time, limit: Duration, events: &mut VecDeque<Event>) {
        let since = self.stats.last_received.unwrap_or(self.started);
        let from = match self.life {
            Life::Alive => since,
            Life::Silent { reported } => reported,
        };
        if now - from >= limit {
            self.life = Life::Silent { reported: now };
            events.push_back(Event::Silent { leg: self.key, since });
        }
    }

    /// Sends what everybody hears who does not speak.
    pub(crate) fn send_shared<S: Sink + ?Sized>(
        &mut self,
        shared: &mut Shared,
        library: &AudioLibrary,
        events: &mut VecDeque<Event>,
        sink: &mut S,
    ) {
        let Some(destination) = self.outlet(library, events) else { return };
        if self.press_keys(destination, events, sink) {
            return;
        }
        let prompt = self.next_prompt(library, events);
        if prompt.is_none() && self.fader.is_idle(Fader::UNITY) {
            let payload = shared.payload(self.config.codec);
            let route = Route { leg: self.key, config: &self.config, destination };
            self.sender.send(payload, route, &mut self.stats, sink);
        } else {
            self.send_frame(&shared.frame, prompt, destination, sink);
        }
    }

    /// Sends a mix of the leg's own: that of the room without it.
    pub(crate) fn send_mix<S: Sink + ?Sized>(
        &mut self,
        sum: &Sum,
        library: &AudioLibrary,
        events: &mut VecDeque<Event>,
        sink: &mut S,
    ) {
        let Some(destination) = self.outlet(library, events) else { return };
        if self.press_keys(destination, events, sink) {
            return;
        }
        let prompt = self.next_prompt(library, events);
        let mut without = *sum;
        for (acc, &own) in without.iter_mut().zip(&self.said) {
            *acc -= i32::from(own);
        }
        let mut frame = SILENCE;
        self.mix_limiter.apply(&without, &mut frame);
        self.send_frame(&frame, prompt, destination, sink);
    }

    /// The time of `ticks` frames passes in which nothing was made of them.
    pub(crate) fn skip(&mut self, ticks: u32) {
        self.sender.pass(ticks);
    }

    /// Where this frame goes. Without a way out the frame's time passes: a far end on hold misses
    /// its prompts and keys, for one that is not known to be there yet they wait.
    fn outlet(
        &mut self,
        library: &AudioLibrary,
        events: &mut VecDeque<Event>,
    ) -> Option<SocketAddr> {
        if !self.config.direction.sends() {
            self.keypad.pass();
            self.next_prompt(library, events);
            self.sender.pause();
            return None;
        }
        let is_open = !self.config.is_closed();
        let destination = is_open.then(|| self.receiver.route()).flatten();
        if destination.is_none() {
            self.sender.pause();
        }
        destination
    }

    /// Sends this frame's part of a key press; `false` when the leg's sound is to be sent. A
    /// prompt waits meanwhile, the room does not.
    fn press_keys<S: Sink + ?Sized>(
        &mut self,
        destination: SocketAddr,
        events: &mut VecDeque<Event>,
        sink: &mut S,
    ) -> bool {
        if self.keypad.is_idle() {
            self.keypad.pass();
            return false;
        }
        let agreed = self.config.telephone_event;
        let timestamp = self.sender.next_timestamp();
        let mut frame = SILENCE;
        let slot = self.keypad.next(agreed.map(|event| event.clock), timestamp, &mut frame);
        if self.keypad.is_idle() {
            events.push_back(Event::KeysSent { leg: self.key });
        }
        let route = Route { leg: self.key, config: &self.config, destination };
        match (slot, agreed) {
            (Slot::Event(packet), Some(event)) => {
                self.sender.send_event(packet, event.send, route, &mut self.stats, sink);
            }
            (Slot::Tone, _) => {
                let mut payload = [0; SAMPLES_PER_FRAME];
                g711::encode(self.config.codec, &frame, &mut payload);
                self.sender.send(&payload, route, &mut self.stats, sink);
            }
            (Slot::Event(_), None) | (Slot::Sound, _) => return false,
        }
        true
    }

    /// The leg listens: should it begin to speak, its mix goes on at the gain it has heard.
    pub(crate) fn follow_limiter(&mut self, room: Limiter) {
        self.mix_limiter = room;
    }

    fn send_frame<S: Sink + ?Sized>(
        &mut self,
        base: &Frame,
        prompt: Option<Frame>,
        destination: SocketAddr,
        sink: &mut S,
    ) {
        let target = if prompt.is_some() { Fader::DUCKED } else { Fader::UNITY };
        let mut payload = [0; SAMPLES_PER_FRAME];
        if self.fader.is_idle(target) {
            g711::encode(self.config.codec, base, &mut payload);
        } else {
            let mut sum = [0; SAMPLES_PER_FRAME];
            self.fader.apply(target, base, &mut sum);
            if let Some(prompt) = prompt {
                audio::add(&mut sum, &prompt);
            }
            let mut frame = SILENCE;
            self.prompt_limiter.apply(&sum, &mut frame);
            g711::encode(self.config.codec, &frame, &mut payload);
        }
        let route = Route { leg: self.key, config: &self.config, destination };
        self.sender.send(&payload, route, &mut self.stats, sink);
    }

    fn next_prompt(
        &mut self,
        library: &AudioLibrary,
        events: &mut VecDeque<Event>,
    ) -> Option<Frame> {
        let (playback, player) = self.prompt.as_mut()?;
        let mut frame = SILENCE;
        if player.next_frame(library, &mut frame).is_some() {
            return Some(frame);
        }
        events.push_back(Event::PlaybackDone { leg: self.key, playback: *playback });
        self.prompt = None;
        None
    }

    /// Sends an RTCP report when one is due.
    pub(crate) fn send_report<S: Sink + ?Sized>(
        &mut self,
        now: Time,
        worker: &Config,
        sink: &mut S,
    ) {
        if !self.sender.report_is_due(now) {
            return;
        }
        let Some(destination) = self.rtcp_destination() else { return };
        let block = self.receiver.report_block(now);
        let report = self.sender.report(now, &self.config, block, worker.rtcp_interval);
        self.send_rtcp(report, destination, sink);
    }

    /// Says BYE by RTCP and gives the leg's figures.
    pub(crate) fn close<S: Sink + ?Sized>(
        mut self: Box<Self>,
        now: Time,
        worker: &Config,
        sink: &mut S,
    ) -> Event {
        if let Some(destination) = self.rtcp_destination() {
            let block = self.receiver.report_block(now);
            let report = self.sender.report(now, &self.config, block, worker.rtcp_interval);
            let report = report.goodbye(self.config.ssrc);
            self.send_rtcp(report, destination, sink);
        }
        self.receiver.finish(&mut self.stats);
        self.stats.digits = self.keys.reported();
        Event::Stats { leg: self.key, stats: self.stats }
    }

    /// Where RTCP goes; `None` while it may go nowhere.
    fn rtcp_destination(&self) -> Option<SocketAddr> {
        let is_open = !self.config.is_closed();
        is_open.then(|| self.receiver.rtcp_destination(&self.config)).flatten()
    }

    fn send_rtcp<S: Sink + ?Sized>(
        &mut self,
        mut report: Writer,
        destination: SocketAddr,
        sink: &mut S,
    ) {
        let Some(packet) = self.sender.seal_report(&mut report) else { return };
        let channel = match self.config.rtcp {
            Rtcp::Mux => Channel::Rtp,
            Rtcp::To(_) | Rtcp::Off => Channel::Rtcp,
        };
        sink.send(self.key, channel, destination, packet);
    }
}
