//! The media plane of the world, in two fidelities: the real worker with every packet, or its
//! signals alone.
//!
//! Both stand behind what the socket shell does: ports are bound and let go here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use partyline_dialplan::library::load;
use partyline_dialplan::{Language, Prompt};
use partyline_media::{
    AudioLibrary, AudioQueue, Channel, Clip, Command, Config, Event, Frame, LegStats, Sink, Worker,
};
use partyline_model::{LegKey, MixId, PlaybackId, RecordingId};

use super::clock::{ms, time};

const TICK: Duration = ms(20);

/// What the bridge plays: decoded once for all worlds of a test program.
pub fn library() -> &'static Arc<AudioLibrary> {
    static LIBRARY: OnceLock<Arc<AudioLibrary>> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let clips = load(Language::EnUs).expect("the shipped prompts decode");
        let clips = clips.into_iter().map(|clip| Clip::new(clip.rate, clip.samples));
        let clips = clips.collect::<Result<_, _>>().expect("prompts are at 8 or 16 kHz");
        Arc::new(AudioLibrary::new(clips, Clip::hold_music()))
    })
}

/// A prompt as 8 kHz samples.
pub fn samples(prompt: Prompt) -> &'static [i16] {
    library().clip(prompt.audio()).expect("every prompt has its clip").samples()
}

fn length(items: &AudioQueue) -> Duration {
    let clips = items.as_slice().iter().filter_map(|&id| library().clip(id));
    let samples: usize = clips.map(|clip| clip.samples().len()).sum();
    Duration::from_micros(125) * u32::try_from(samples).unwrap_or(u32::MAX)
}

/// A datagram that the media plane sends.
pub struct Sending {
    /// Whose.
    pub leg: LegKey,
    /// From which port of the bridge.
    pub port: u16,
    /// Where to.
    pub to: SocketAddr,
    /// Where in the tick's bytes it lies.
    pub place: std::ops::Range<usize>,
}

/// What one tick gave.
#[derive(Default)]
pub struct Tick {
    /// Datagrams, in order.
    pub sendings: Vec<Sending>,
    /// Their bytes.
    pub bytes: Vec<u8>,
    /// Frames of recordings.
    pub frames: Vec<(RecordingId, Frame)>,
}

enum Fidelity {
    Audio(Box<Worker>),
    Signals(Signals),
}

/// The media plane and its ports.
pub struct Media {
    fidelity: Fidelity,
    /// Ports that another program has.
    occupied: BTreeSet<u16>,
    /// By RTP port; RTCP is one above.
    ports: BTreeMap<u16, LegKey>,
    bound: BTreeMap<LegKey, u16>,
    closing: Vec<LegKey>,
    events: VecDeque<Event>,
    /// Legs that have started and not given their figures.
    running: BTreeSet<LegKey>,
    /// Whether time stands still for sound; see [`super::World::skip`].
    frozen: bool,
    tick: Tick,
    strays: u64,
}

impl Media {
    /// With the real worker.
    pub fn with_audio() -> Self {
        let worker = Worker::new(Config::default(), Arc::clone(library()));
        Self::new(Fidelity::Audio(Box::new(worker)))
    }

    /// With nothing but what the control plane hears of: prompts take their time, keys come by
    /// SIP INFO, and there is no sound.
    pub fn without_audio() -> Self {
        Self::new(Fidelity::Signals(Signals::default()))
    }

    fn new(fidelity: Fidelity) -> Self {
        Self {
            fidelity,
            occupied: BTreeSet::new(),
            ports: BTreeMap::new(),
            bound: BTreeMap::new(),
            closing: Vec::new(),
            events: VecDeque::new(),
            running: BTreeSet::new(),
            frozen: false,
            tick: Tick::default(),
            strays: 0,
        }
    }

    /// Whether packets are carried.
    pub fn has_audio(&self) -> bool {
        matches!(self.fidelity, Fidelity::Audio(_))
    }

    /// Another program takes `port`.
    pub fn occupy(&mut self, port: u16) {
        self.occupied.insert(port);
    }

    pub(super) fn freeze(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// When the next tick is due.
    pub fn next(&self, now: Duration) -> Option<Duration> {
        let frozen = self.frozen && self.closing.is_empty();
        let busy = !self.running.is_empty() || !self.closing.is_empty();
        match &self.fidelity {
            Fidelity::Audio(_) if busy && !frozen => {
                let ticks = now.as_nanos() / TICK.as_nanos() + 1;
                Some(TICK * u32::try_from(ticks).unwrap_or(u32::MAX))
            }
            Fidelity::Audio(_) => None,
            Fidelity::Signals(signals) => signals.next(),
        }
    }

    /// Does what the control plane says.
    pub fn command(&mut self, now: Duration, command: Command) {
        match &command {
            Command::Open { leg, port } => self.open(*leg, *port),
            Command::Close { leg } => self.closing.push(*leg),
            Command::Start { leg, .. } => {
                self.running.insert(*leg);
            }
            Command::Update { .. }
            | Command::Acknowledge { .. }
            | Command::Keys { .. }
            | Command::Handshake { .. }
            | Command::Play { .. }
            | Command::StopPlay { .. }
            | Command::Music { .. }
            | Command::Join { .. }
            | Command::Leave { .. }
            | Command::Talk { .. }
            | Command::SendKeys { .. }
            | Command::PlayRoom { .. }
            | Command::HushRoom { .. }
            | Command::Record { .. }
            | Command::PauseRecord { .. }
            | Command::StopRecord { .. }
            | Command::InfoDigit { .. } => {}
        }
        match &mut self.fidelity {
            Fidelity::Audio(worker) => worker.handle_command(time(now), command),
            Fidelity::Signals(signals) => signals.command(now, command),
        }
    }

    fn open(&mut self, leg: LegKey, port: u16) {
        if let Some(old) = self.bound.remove(&leg) {
            self.ports.remove(&old);
        }
        if self.occupied.contains(&port) || self.ports.contains_key(&port) {
            return self.events.push_back(Event::PortTaken { leg, port });
        }
        self.ports.insert(port, leg);
        self.bound.insert(leg, port);
        self.events.push_back(Event::Opened { leg });
    }

    /// A datagram came to one of the media ports.
    pub fn packet(&mut self, now: Duration, port: u16, source: SocketAddr, bytes: &[u8]) {
        let (rtp, channel) =
            if port.is_multiple_of(2) { (port, Channel::Rtp) } else { (port - 1, Channel::Rtcp) };
        let Some(&leg) = self.ports.get(&rtp) else {
            self.strays += 1;
            return;
        };
        if let Fidelity::Audio(worker) = &mut self.fidelity {
            worker.handle_packet(time(now), leg, channel, source, &mut bytes.to_vec());
        }
    }

    /// A tick is due: what it gave, until the next call.
    pub fn run(&mut self, now: Duration) -> &Tick {
        self.tick.sendings.clear();
        self.tick.bytes.clear();
        self.tick.frames.clear();
        match &mut self.fidelity {
            Fidelity::Audio(worker) => {
                let mut outside = Outside { bound: &self.bound, tick: &mut self.tick };
                worker.tick(time(now), &mut outside);
            }
            Fidelity::Signals(signals) => signals.run(now),
        }
        for leg in self.closing.drain(..) {
            if let Some(port) = self.bound.remove(&leg) {
                self.ports.remove(&port);
            }
        }
        &self.tick
    }

    /// The next event, until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            let event = self.events.pop_front().or_else(|| match &mut self.fidelity {
                Fidelity::Audio(worker) => worker.poll_event(),
                Fidelity::Signals(signals) => signals.events.pop_front(),
            })?;
            // A leg that never started has no figures.
            if let Event::Stats { leg, .. } = &event
                && !self.running.remove(leg)
            {
                continue;
            }
            return Some(event);
        }
    }

    /// Ports that are bound.
    pub fn bound(&self) -> usize {
        self.bound.len()
    }

    /// The port of `leg`.
    pub fn port_of(&self, leg: LegKey) -> Option<u16> {
        self.bound.get(&leg).copied()
    }

    /// Datagrams to ports that nobody had bound.
    pub fn strays(&self) -> u64 {
        self.strays
    }
}

struct Outside<'a> {
    bound: &'a BTreeMap<LegKey, u16>,
    tick: &'a mut Tick,
}

impl Sink for Outside<'_> {
    fn send(&mut self, leg: LegKey, channel: Channel, to: SocketAddr, payload: &[u8]) {
        let port = self.bound.get(&leg).copied().unwrap_or(0);
        let port = if channel == Channel::Rtcp { port + 1 } else { port };
        let start = self.tick.bytes.len();
        self.tick.bytes.extend_from_slice(payload);
        let place = start..self.tick.bytes.len();
        self.tick.sendings.push(Sending { leg, port, to, place });
    }

    fn record(&mut self, recording: RecordingId, frame: &Frame) {
        self.tick.frames.push((recording, *frame));
    }
}

/// What the control plane would hear of legs, without their sound.
#[derive(Default)]
struct Signals {
    due: BTreeMap<(Duration, u64), Due>,
    count: u64,
    playing: BTreeMap<LegKey, PlaybackId>,
    /// When each room's last prompt ends.
    rooms: BTreeMap<MixId, Duration>,
    events: VecDeque<Event>,
}

enum Due {
    First(LegKey),
    Played(LegKey, PlaybackId),
    RoomPlayed(MixId),
    Closed(LegKey),
}

impl Signals {
    fn next(&self) -> Option<Duration> {
        self.due.keys().next().map(|&(at, _)| at)
    }

    fn later(&mut self, at: Duration, due: Due) {
        self.count += 1;
        self.due.insert((at, self.count), due);
    }

    fn command(&mut self, now: Duration, command: Command) {
        match command {
            Command::Start { leg, .. } => self.later(now + ms(40), Due::First(leg)),
            Command::Close { leg } => {
                self.playing.remove(&leg);
                self.later(now + TICK, Due::Closed(leg));
            }
            Command::Play { leg, playback, items } => {
                self.playing.insert(leg, playback);
                self.later(now + length(&items), Due::Played(leg, playback));
            }
            Command::StopPlay { leg } => {
                self.playing.remove(&leg);
            }
            Command::PlayRoom { room, items } => {
                let begins = self.rooms.get(&room).copied().unwrap_or(now).max(now);
                let ends = begins + length(&items);
                self.rooms.insert(room, ends);
                self.later(ends, Due::RoomPlayed(room));
            }
            Command::HushRoom { room } => {
                self.rooms.remove(&room);
            }
            Command::InfoDigit { leg, digit } => {
                self.events.push_back(Event::Digit { leg, digit, at: time(now) });
            }
            Command::SendKeys { leg, .. } => self.events.push_back(Event::KeysSent { leg }),
            Command::Open { .. }
            | Command::Update { .. }
            | Command::Acknowledge { .. }
            | Command::Keys { .. }
            | Command::Handshake { .. }
            | Command::Music { .. }
            | Command::Join { .. }
            | Command::Leave { .. }
            | Command::Talk { .. }
            | Command::Record { .. }
            | Command::PauseRecord { .. }
            | Command::StopRecord { .. } => {}
        }
    }

    fn run(&mut self, now: Duration) {
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > now {
                return;
            }
            match entry.remove() {
                Due::First(leg) => self.events.push_back(Event::FirstPacket { leg }),
                Due::Played(leg, playback) => {
                    if self.playing.get(&leg) == Some(&playback) {
                        self.playing.remove(&leg);
                        self.events.push_back(Event::PlaybackDone { leg, playback });
                    }
                }
                Due::RoomPlayed(room) => {
                    if self.rooms.get(&room).is_some_and(|&ends| ends <= now) {
                        self.rooms.remove(&room);
                        self.events.push_back(Event::RoomPlayed { room });
                    }
                }
                Due::Closed(leg) => {
                    let stats = Box::new(LegStats::default());
                    self.events.push_back(Event::Stats { leg, stats });
                }
            }
        }
    }
}
