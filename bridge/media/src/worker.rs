//! One worker: a table of legs and rooms that one thread owns. Packets and commands in, packets,
//! recorded frames and events out, every 20 ms.
//!
//! [`Worker::handle_packet`] and [`Worker::tick`] allocate nothing once the legs are up
//! (tests/alloc.rs). A worker knows no calls, passcodes or conferences.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use partyline_model::{LegKey, MixId, RecordingId, Time};

use crate::audio::Frame;
use crate::audio::music::MusicPosition;
use crate::audio::prompt::AudioLibrary;
use crate::leg::{Leg, Shared};
use crate::room::Room;
use crate::{Command, Config, Dropped, Event, LegConfig};

/// Events for which there is room from the start, and for each leg besides: a leg has no more
/// between two polls unless its caller keys faster than anybody can.
const EVENTS: usize = 64;
/// From one tick to the next.
const TICK: Duration = Duration::from_millis(20);
const EVENTS_PER_LEG: usize = 8;

/// Which of a leg's two ports a datagram came in on or goes out from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The RTP port; RTCP as well where multiplexed (RFC 5761).
    Rtp,
    /// The RTCP port.
    Rtcp,
}

/// Where a tick's packets and recorded frames go.
pub trait Sink {
    /// Sends a datagram from a port of `leg`.
    fn send(&mut self, leg: LegKey, channel: Channel, destination: SocketAddr, payload: &[u8]);
    /// Takes 20 ms of a recording: 160 samples of 8 kHz mono, one frame each tick.
    fn record(&mut self, recording: RecordingId, frame: &Frame);
}

/// The media plane of one thread.
pub struct Worker {
    config: Config,
    library: Arc<AudioLibrary>,
    places: BTreeMap<LegKey, usize>,
    legs: Vec<Option<Box<Leg>>>,
    free: Vec<usize>,
    closing: Vec<usize>,
    rooms: BTreeMap<MixId, Room>,
    music: Shared,
    music_position: MusicPosition,
    silence: Shared,
    events: VecDeque<Event>,
    strays: u64,
    /// When the next tick is due.
    next_tick: Time,
    /// Of legs that have ended.
    dropped: Dropped,
}

impl Worker {
    /// A worker without legs.
    pub fn new(config: Config, library: Arc<AudioLibrary>) -> Self {
        Self {
            config,
            library,
            places: BTreeMap::new(),
            legs: Vec::new(),
            free: Vec::new(),
            closing: Vec::new(),
            rooms: BTreeMap::new(),
            music: Shared::new(),
            music_position: MusicPosition::new(),
            silence: Shared::new(),
            events: VecDeque::with_capacity(EVENTS),
            strays: 0,
            next_tick: Time::ZERO,
            dropped: Dropped::default(),
        }
    }

    /// Takes a datagram that came in at `now` on a port of `leg`; that of an encrypted leg is
    /// decrypted in its place. Whatever it holds, the worst it can do is be counted in the leg's
    /// `Dropped`.
    pub fn handle_packet(
        &mut self,
        now: Time,
        leg: LegKey,
        channel: Channel,
        source: SocketAddr,
        payload: &mut [u8],
    ) {
        let Some(leg) = self.places.get(&leg).and_then(|&place| self.legs[place].as_mut()) else {
            self.strays += 1;
            return;
        };
        leg.handle_packet(now, (channel, source), payload, &mut self.events);
    }

    /// Applies a command; its effect is heard at the next tick.
    pub fn handle_command(&mut self, now: Time, command: Command) {
        match command {
            Command::Open { .. } => {}
            Command::Start { leg, config } => self.start(now, leg, config),
            Command::Close { leg } => self.close(leg),
            Command::Join { leg, room } => self.join(leg, room),
            Command::Leave { leg } => self.leave(leg),
            Command::Update { leg, config } => {
                self.with_leg(leg, |leg, _| leg.update(now, *config));
            }
            Command::Keys { leg, keys } => self.with_leg(leg, |leg, _| leg.take_keys(keys)),
            Command::Handshake { leg, datagram } => {
                self.with_leg(leg, |leg, _| leg.send_handshake(datagram));
            }
            Command::Acknowledge { leg } => self.with_leg(leg, |leg, _| leg.acknowledge(now)),
            Command::Play { leg, playback, items } => {
                self.with_leg(leg, |leg, _| leg.play(playback, items));
            }
            Command::StopPlay { leg } => self.with_leg(leg, |leg, _| leg.stop_play()),
            Command::Music { leg, on } => self.with_leg(leg, |leg, _| leg.set_music(on)),
            Command::Talk { leg, talk } => self.with_leg(leg, |leg, _| leg.set_talk(talk)),
            Command::InfoDigit { leg, digit } => {
                self.with_leg(leg, |leg, events| leg.handle_info(now, digit, events));
            }
            Command::SendKeys { leg, keys } => {
                self.with_leg(leg, |leg, _| leg.send_keys(*keys));
            }
            Command::PlayRoom { room, items } => self.room(room).play(items),
            Command::HushRoom { room } => self.room(room).hush(),
            Command::Record { room, recording } => self.room(room).record(recording),
            Command::PauseRecord { recording, paused } => {
                for room in self.rooms.values_mut() {
                    room.pause_recording(recording, paused);
                }
            }
            Command::StopRecord { recording } => {
                for room in self.rooms.values_mut() {
                    room.stop_recording(recording);
                }
            }
        }
    }

    /// Plays, mixes and sends 20 ms. To be called every 20 ms.
    pub fn tick<S: Sink + ?Sized>(&mut self, now: Time, sink: &mut S) {
        self.next_tick = now + TICK;
        self.finish_closing(now, sink);
        for leg in self.legs.iter_mut().flatten() {
            leg.listen(now, &self.config, &mut self.events);
        }
        let Self { library, legs, rooms, events, music, .. } = self;
        rooms.retain(|_, room| !room.is_idle());
        for (&id, room) in rooms {
            room.mix(id, legs, library, events, sink);
            room.send(legs, library, events, sink);
        }
        self.music_position.next_frame(library.music(), &mut music.frame);
        music.renew();
        for leg in legs.iter_mut().flatten() {
            leg.deliver(sink);
            if leg.music {
                leg.send_shared(music, library, events, sink);
            } else if leg.room.is_none() {
                leg.send_shared(&mut self.silence, library, events, sink);
            }
            leg.send_report(now, &self.config, sink);
        }
    }

    /// Ticks were left out, since their time had long passed. Far ends hear a gap where it was,
    /// and what follows comes at its time: a stream that fell behind for good would be late for
    /// their jitter buffers ever after.
    pub fn skip(&mut self, ticks: u32) {
        for leg in self.legs.iter_mut().flatten() {
            leg.skip(ticks);
        }
    }

    /// The next thing that happened, until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Legs that are up.
    pub fn legs(&self) -> usize {
        self.places.len()
    }

    /// Datagrams that were for no leg that is up.
    pub const fn strays(&self) -> u64 {
        self.strays
    }

    /// Datagrams that were refused, of all legs there were. It looks at every leg: not for each
    /// packet.
    pub fn dropped(&self) -> Dropped {
        let mut dropped = self.dropped.clone();
        for leg in self.legs.iter().flatten() {
            dropped.add(leg.dropped());
        }
        dropped
    }

    fn start(&mut self, now: Time, key: LegKey, config: Box<LegConfig>) {
        self.leave(key);
        let times = (now, self.next_tick);
        let leg = Some(Box::new(Leg::new(times, key, config, &self.config)));
        if let Some(&place) = self.places.get(&key) {
            if let Some(before) = &self.legs[place] {
                self.dropped.add(before.dropped());
            }
            self.legs[place] = leg;
            return;
        }
        let place = if let Some(place) = self.free.pop() {
            self.legs[place] = leg;
            place
        } else {
            self.legs.push(leg);
            // Whatever a tick may have to note of this leg has its room from here on.
            self.closing.reserve(self.legs.len());
            self.free.reserve(self.legs.len());
            self.legs.len() - 1
        };
        self.places.insert(key, place);
        self.events.reserve(EVENTS + EVENTS_PER_LEG * self.legs.len());
    }

    /// The leg stays until the next tick, which has a sink for its farewell.
    fn close(&mut self, key: LegKey) {
        self.leave(key);
        if let Some(place) = self.places.remove(&key) {
            self.closing.push(place);
        }
    }

    fn finish_closing<S: Sink + ?Sized>(&mut self, now: Time, sink: &mut S) {
        while let Some(place) = self.closing.pop() {
            if let Some(leg) = self.legs[place].take() {
                self.dropped.add(leg.dropped());
                self.events.push_back(leg.close(now, &self.config, sink));
                self.free.push(place);
            }
        }
    }

    fn join(&mut self, key: LegKey, room: MixId) {
        self.leave(key);
        let Some(&place) = self.places.get(&key) else { return };
        if let Some(leg) = &mut self.legs[place] {
            leg.room = Some(room);
            self.room(room).join(place);
        }
    }

    fn leave(&mut self, key: LegKey) {
        let Some(&place) = self.places.get(&key) else { return };
        let Some(leg) = &mut self.legs[place] else { return };
        if let Some(room) = leg.room.take().and_then(|room| self.rooms.get_mut(&room)) {
            room.leave(place);
        }
    }

    fn room(&mut self, id: MixId) -> &mut Room {
        self.rooms.entry(id).or_insert_with(Room::new)
    }

    fn with_leg(&mut self, key: LegKey, apply: impl FnOnce(&mut Leg, &mut VecDeque<Event>)) {
        let place = self.places.get(&key);
        if let Some(leg) = place.and_then(|&place| self.legs[place].as_mut()) {
            apply(leg, &mut self.events);
        }
    }
}
