//! A worker on a bench: phones that send what a test says, and everything that was sent to them.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use partyline_media::{
    AudioLibrary, AudioQueue, Channel, Clip, ClockRate, Codec, Command, Config, Direction, Event,
    Frame, InBand, LegConfig, LegStats, Rtcp, Signalling, Sink, TelephoneEvent, Worker,
};
use partyline_model::{AudioId, LegKey, MixId, PlaybackId, RecordingId, Time};

pub(crate) const ROOM: MixId = MixId(1);
pub(crate) const RECORDING: RecordingId = RecordingId(1);
pub(crate) const EVENT_TYPE: u8 = 101;
/// Where the SIP of all phones comes from.
pub(crate) const NAT: &str = "203.0.113.7/32";
/// Clips of the bench's library: half a second each of these constant values.
pub(crate) const CLIPS: [i16; 2] = [2_000, 3_000];

/// µ-law by the formula of G.711, apart from the tables under test.
pub(crate) fn mu_decode(octet: u8) -> i16 {
    let code = !octet;
    let magnitude = ((i16::from(code & 15) * 2 + 33) << (code >> 4 & 7)) - 33;
    if code & 0x80 != 0 { -4 * magnitude } else { 4 * magnitude }
}

/// The octet whose value is nearest.
pub(crate) fn mu_encode(sample: i16) -> u8 {
    (0..=255)
        .min_by_key(|&octet| (i32::from(mu_decode(octet)) - i32::from(sample)).abs())
        .unwrap_or(0xff)
}

/// What a µ-law phone makes of a value.
pub(crate) fn mu(sample: i16) -> i16 {
    mu_decode(mu_encode(sample))
}

#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) sound: BTreeMap<LegKey, Vec<i16>>,
    pub(crate) packets: BTreeMap<LegKey, Vec<(SocketAddr, Vec<u8>)>>,
    pub(crate) rtcp: BTreeMap<LegKey, Vec<(SocketAddr, Vec<u8>)>>,
    pub(crate) recorded: BTreeMap<RecordingId, Vec<i16>>,
}

impl Sink for Heard {
    fn send(&mut self, leg: LegKey, channel: Channel, destination: SocketAddr, payload: &[u8]) {
        if channel == Channel::Rtcp {
            self.rtcp.entry(leg).or_default().push((destination, payload.to_vec()));
            return;
        }
        let sound = self.sound.entry(leg).or_default();
        sound.extend(payload[12..].iter().map(|&octet| mu_decode(octet)));
        self.packets.entry(leg).or_default().push((destination, payload.to_vec()));
    }

    fn record(&mut self, recording: RecordingId, frame: &Frame) {
        self.recorded.entry(recording).or_default().extend(frame);
    }
}

/// The numbers of one phone's stream.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

pub(crate) struct Bench {
    pub(crate) worker: Worker,
    pub(crate) now: Time,
    pub(crate) heard: Heard,
    pub(crate) events: Vec<Event>,
    pub(crate) streams: BTreeMap<LegKey, Stream>,
}

pub(crate) fn leg(number: u32) -> LegKey {
    LegKey(number)
}

pub(crate) fn address(leg: LegKey) -> SocketAddr {
    let [.., high, low] = leg.0.to_be_bytes();
    SocketAddr::from(([198, 51, high, low], 4_000))
}

pub(crate) fn config(leg: LegKey) -> LegConfig {
    let remote = address(leg);
    LegConfig {
        codec: Codec::Pcmu,
        send_payload_type: 0,
        receive: [(0, Codec::Pcmu), (8, Codec::Pcma)].into_iter().collect(),
        telephone_event: Some(TelephoneEvent::new(EVENT_TYPE, ClockRate::Hz8000)),
        remote,
        networks: Box::from([NAT.parse().unwrap()]),
        signalling: Signalling::Acknowledged,
        rtcp: Rtcp::To(SocketAddr::new(remote.ip(), remote.port() + 1)),
        direction: Direction::SendRecv,
        ptime_ms: 20,
        in_band: InBand::Off,
        srtp: None,
        dtls: false,
        ssrc: 1_000 + leg.0,
        first_sequence: 65_530,
        first_timestamp: u32::MAX - 100,
        cname: Box::from(*b"node"),
    }
}

pub(crate) fn rtp(payload_type: u8, marker: bool, stream: Stream, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type | if marker { 0x80 } else { 0 }];
    packet.extend(stream.sequence.to_be_bytes());
    packet.extend(stream.timestamp.to_be_bytes());
    packet.extend(stream.ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

pub(crate) fn queue(clips: &[u16]) -> AudioQueue {
    let ids: Vec<AudioId> = clips.iter().map(|&id| AudioId(id)).collect();
    AudioQueue::try_from(ids.as_slice()).unwrap()
}

impl Bench {
    pub(crate) fn new() -> Self {
        let clip = |value: i16| Clip::new(8_000, vec![value; 4_000]).unwrap();
        let music = Clip::new(8_000, vec![500; 800]).unwrap();
        let library = AudioLibrary::new(CLIPS.map(clip).to_vec(), music);
        let mut bench = Self {
            worker: Worker::new(Config::default(), Arc::new(library)),
            now: Time::from_secs(1),
            heard: Heard::default(),
            events: Vec::new(),
            streams: BTreeMap::new(),
        };
        bench.tick();
        bench
    }

    /// Legs 1 to `count`, in the room, their sources latched.
    pub(crate) fn with_room(count: u32) -> Self {
        let mut bench = Self::new();
        for number in 1..=count {
            bench.start(config(leg(number)), leg(number));
            bench.command(Command::Join { leg: leg(number), room: ROOM });
        }
        let silent: Vec<_> = (1..=count).map(|number| (number, 0)).collect();
        bench.say(&silent, 5);
        bench.forget();
        bench
    }

    pub(crate) fn start(&mut self, config: LegConfig, leg: LegKey) {
        self.command(Command::Start { leg, config: Box::new(config) });
        self.streams.insert(leg, Stream { sequence: 100, timestamp: 5_000, ssrc: leg.0 });
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.worker.handle_command(self.now, command);
    }

    /// Forgets what was heard so far.
    pub(crate) fn forget(&mut self) {
        self.heard = Heard::default();
        self.events.clear();
    }

    /// For `frames` ticks each of these legs sends a constant value, 10 ms before the tick.
    pub(crate) fn say(&mut self, talkers: &[(u32, i16)], frames: usize) {
        for _ in 0..frames {
            self.now += Duration::from_millis(10);
            for &(number, value) in talkers {
                self.send(leg(number), &[mu_encode(value); 160]);
            }
            self.now += Duration::from_millis(10);
            self.tick();
        }
    }

    pub(crate) fn send(&mut self, leg: LegKey, octets: &[u8]) {
        let stream = self.streams.get_mut(&leg).unwrap();
        let packet = rtp(0, false, *stream, octets);
        stream.sequence = stream.sequence.wrapping_add(1);
        stream.timestamp = stream.timestamp.wrapping_add(u32::try_from(octets.len()).unwrap());
        self.receive(leg, address(leg), &packet);
    }

    pub(crate) fn receive(&mut self, leg: LegKey, source: SocketAddr, packet: &[u8]) {
        self.worker.handle_packet(self.now, leg, Channel::Rtp, source, &mut packet.to_vec());
    }

    /// A press by telephone events, one packet each 20 ms, its end three times.
    pub(crate) fn press(&mut self, leg: LegKey, key: char, packets: u16) {
        self.press_as(leg, key, packets, EVENT_TYPE);
    }

    /// As above with a payload type of its own.
    pub(crate) fn press_as(&mut self, leg: LegKey, key: char, packets: u16, number: u8) {
        let code = u8::try_from("0123456789*#".find(key).unwrap()).unwrap();
        let stream = *self.streams.get(&leg).unwrap();
        for n in 1..=packets + 2 {
            let ended = n >= packets;
            let [high, low] = (n.min(packets) * 160).to_be_bytes();
            let sequence = stream.sequence.wrapping_add(n - 1);
            let payload = [code, if ended { 0x8a } else { 0x0a }, high, low];
            let packet = rtp(number, n == 1, Stream { sequence, ..stream }, &payload);
            self.receive(leg, address(leg), &packet);
            if n < packets {
                self.pass(1);
            }
        }
        self.streams.insert(
            leg,
            Stream {
                sequence: stream.sequence.wrapping_add(packets + 2),
                timestamp: stream.timestamp + u32::from(packets) * 160,
                ..stream
            },
        );
    }

    /// So many ticks with nothing sent.
    pub(crate) fn pass(&mut self, frames: usize) {
        for _ in 0..frames {
            self.now += Duration::from_millis(20);
            self.tick();
        }
    }

    pub(crate) fn tick(&mut self) {
        self.worker.tick(self.now, &mut self.heard);
        self.events.extend(std::iter::from_fn(|| self.worker.poll_event()));
    }

    /// The last sample a leg was sent.
    pub(crate) fn last(&self, number: u32) -> i16 {
        *self.heard.sound[&leg(number)].last().unwrap()
    }

    pub(crate) fn digits(&self, of: LegKey) -> String {
        let mut digits = String::new();
        for event in &self.events {
            if let Event::Digit { leg, digit, .. } = event
                && *leg == of
            {
                digits.push(digit.to_char());
            }
        }
        digits
    }

    pub(crate) fn playbacks_done(&self) -> Vec<(LegKey, PlaybackId)> {
        let mut done = Vec::new();
        for event in &self.events {
            if let Event::PlaybackDone { leg, playback } = event {
                done.push((*leg, *playback));
            }
        }
        done
    }

    /// Closes a leg and gives its figures.
    pub(crate) fn close(&mut self, of: LegKey) -> LegStats {
        self.command(Command::Close { leg: of });
        self.pass(1);
        for event in &self.events {
            if let Event::Stats { leg, stats } = event
                && *leg == of
            {
                return stats.as_ref().clone();
            }
        }
        panic!("a closed leg gives its figures")
    }
}
