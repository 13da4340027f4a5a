//! A worker with three callers in one room: whatever the first one sends, the other two talk on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use partyline_media::{
    AudioLibrary, AudioQueue, Channel, Clip, ClockRate, Codec, Command, Config, Direction, Event,
    Formats, Frame, InBand, LegConfig, Rtcp, Signalling, Sink, TelephoneEvent, Worker,
};
use partyline_model::{AudioId, Digit, LegKey, MixId, PlaybackId, RecordingId, Time};

use crate::tape::Tape;

const HOSTILE: LegKey = LegKey(1);
const TALKER: LegKey = LegKey(2);
const LISTENER: LegKey = LegKey(3);
const ROOM: MixId = MixId(1);
const EVENT_TYPE: u8 = 101;
/// A loud µ-law octet.
const VOICE: u8 = 0x9f;
/// Most datagrams in one input.
const MOST: usize = 400;

/// What the first caller sends besides its sound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sends {
    Rtp,
    Rtcp,
    Events,
}

/// Datagrams to an RTP port: anything, and packets that go on with a stream that was accepted.
pub fn rtp_packet(data: &[u8]) {
    run(data, Sends::Rtp);
}

/// Datagrams to an RTCP port, and to the RTP port of a caller that shares it (RFC 5761).
pub fn rtcp(data: &[u8]) {
    run(data, Sends::Rtcp);
}

/// Telephone events (RFC 4733) in a stream that was accepted, among keys by SIP INFO and tones.
pub fn telephone_event(data: &[u8]) {
    run(data, Sends::Events);
}

fn run(data: &[u8], sends: Sends) {
    let mut tape = Tape::new(data);
    let mut bench = Bench::new(sends, tape.byte());
    for _ in 0..MOST {
        if tape.is_at_end() {
            break;
        }
        bench.wait(u64::from(tape.byte() % 64));
        match sends {
            Sends::Rtp => bench.feed_rtp(&mut tape),
            Sends::Rtcp => bench.feed_rtcp(&mut tape),
            Sends::Events => bench.feed_event(&mut tape),
        }
    }
    bench.finish();
}

/// What was sent: the streams must be whole.
#[derive(Default)]
struct Heard {
    sequences: BTreeMap<LegKey, u16>,
    last: BTreeMap<LegKey, u8>,
}

impl Sink for Heard {
    fn send(&mut self, leg: LegKey, channel: Channel, _to: SocketAddr, payload: &[u8]) {
        assert_eq!(payload[0] >> 6, 2, "neither RTP nor RTCP");
        if channel == Channel::Rtcp || (200..=204).contains(&payload[1]) {
            assert_eq!(payload.len() % 4, 0, "RTCP comes in words");
            return;
        }
        assert!((12 + 80..=12 + 480).contains(&payload.len()), "{} bytes", payload.len());
        let sequence = u16::from_be_bytes([payload[2], payload[3]]);
        let before = self.sequences.insert(leg, sequence);
        assert!(before.is_none_or(|n| n.wrapping_add(1) == sequence), "a gap in our stream");
        self.last.insert(leg, payload[payload.len() - 1]);
    }

    fn record(&mut self, _recording: RecordingId, _frame: &Frame) {}
}

/// The numbers of the hostile caller's next packet.
#[derive(Clone, Copy)]
struct Stream {
    sequence: u16,
    timestamp: u32,
}

struct Bench {
    worker: Worker,
    now: Time,
    next_tick: Time,
    heard: Heard,
    stream: Stream,
    /// Signs of keys that the hostile caller has given.
    signs: usize,
    fed: u64,
    digits: usize,
    listens_for_tones: bool,
    stats: usize,
}

impl Bench {
    fn new(sends: Sends, options: u8) -> Self {
        let clip = Clip::new(8_000, vec![1_000; 800]).expect("8,000 Hz is taken");
        let library = AudioLibrary::new(vec![clip.clone()], clip);
        let now = Time::from_secs(1);
        let mut bench = Self {
            worker: Worker::new(Config::default(), Arc::new(library)),
            now,
            next_tick: now,
            heard: Heard::default(),
            stream: Stream { sequence: 65_530, timestamp: u32::MAX - 300 },
            signs: 0,
            fed: 0,
            digits: 0,
            listens_for_tones: options & 2 != 0,
            stats: 0,
        };
        for leg in [HOSTILE, TALKER, LISTENER] {
            let mut config = config(leg);
            if leg == HOSTILE {
                bench.adjust(&mut config, sends, options);
            }
            bench.command(Command::Start { leg, config: Box::new(config) });
            bench.command(Command::Join { leg, room: ROOM });
        }
        bench.command(Command::Record { room: ROOM, recording: RecordingId(1) });
        for _ in 0..5 {
            for leg in [HOSTILE, TALKER, LISTENER] {
                bench.say(leg, 0xff);
            }
            bench.wait(20);
        }
        bench
    }

    fn adjust(&self, config: &mut LegConfig, sends: Sends, options: u8) {
        if options & 1 != 0 {
            config.rtcp = Rtcp::Mux;
        }
        if self.listens_for_tones {
            config.in_band = InBand::WhenSilent;
        }
        if options & 4 != 0 && sends != Sends::Events {
            config.codec = Codec::Pcma;
            config.receive = Formats::new(0, Codec::Pcma);
        }
        if options & 8 != 0 {
            config.direction = Direction::RecvOnly;
        }
        // Closed for good: the keys never come.
        config.dtls = options & 128 != 0;
        config.ptime_ms = 10 * (1 + (options >> 4) % 6);
    }

    fn command(&mut self, command: Command) {
        self.worker.handle_command(self.now, command);
    }

    /// A packet of constant sound that goes on with a leg's stream.
    fn say(&mut self, leg: LegKey, octet: u8) {
        if leg == HOSTILE {
            return self.packet(0, 1, 160, &[octet; 160]);
        }
        let ticks = self.now.as_millis() / 20;
        let [.., high, low] = ticks.to_be_bytes();
        let mut bytes = vec![0x80, 0, high, low];
        bytes.extend(u32::try_from(ticks * 160).unwrap_or(0).to_be_bytes());
        bytes.extend(leg.0.to_be_bytes());
        bytes.extend([octet; 160]);
        self.worker.handle_packet(self.now, leg, Channel::Rtp, address(leg), &mut bytes);
    }

    /// A packet of the hostile caller, so far on from its last.
    fn packet(&mut self, payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) {
        self.stream.sequence = self.stream.sequence.wrapping_add(sequence);
        self.stream.timestamp = self.stream.timestamp.wrapping_add(timestamp);
        let mut bytes = vec![0x80, payload_type];
        bytes.extend(self.stream.sequence.to_be_bytes());
        bytes.extend(self.stream.timestamp.to_be_bytes());
        bytes.extend(HOSTILE.0.to_be_bytes());
        bytes.extend_from_slice(payload);
        self.datagram(Channel::Rtp, address(HOSTILE), &bytes);
    }

    fn datagram(&mut self, channel: Channel, source: SocketAddr, bytes: &[u8]) {
        self.fed += 1;
        self.signs += usize::from(is_event(bytes));
        self.worker.handle_packet(self.now, HOSTILE, channel, source, &mut bytes.to_vec());
    }

    fn feed_rtp(&mut self, tape: &mut Tape<'_>) {
        match tape.byte() % 4 {
            0 => {
                let bytes = tape.long_chunk();
                self.datagram(Channel::Rtp, address(HOSTILE), bytes);
            }
            1 => {
                let stranger = SocketAddr::from(([203, 0, 113, tape.byte()], 4_000));
                let bytes = tape.chunk();
                self.datagram(Channel::Rtp, stranger, bytes);
            }
            2 => {
                let (kind, sequence, timestamp) = (tape.byte(), tape.byte(), tape.u16());
                let payload = tape.chunk();
                self.packet(kind, sequence.into(), timestamp.into(), payload);
            }
            _ => {
                let octet = tape.byte();
                self.say(HOSTILE, octet);
            }
        }
    }

    fn feed_rtcp(&mut self, tape: &mut Tape<'_>) {
        let (kind, bytes) = (tape.byte(), tape.chunk());
        let source = SocketAddr::new(address(HOSTILE).ip(), 4_001);
        match kind % 4 {
            0 => self.say(HOSTILE, kind),
            1 => self.datagram(Channel::Rtp, address(HOSTILE), bytes),
            _ => self.datagram(Channel::Rtcp, source, bytes),
        }
    }

    fn feed_event(&mut self, tape: &mut Tape<'_>) {
        match tape.byte() % 8 {
            0 => {
                let digit = Digit::from_event(tape.byte() % 16).expect("below 16");
                self.signs += 1;
                self.command(Command::InfoDigit { leg: HOSTILE, digit });
            }
            1 => self.say(HOSTILE, 0xff),
            2 => self.datagram(Channel::Rtp, address(HOSTILE), tape.chunk()),
            3 => {
                let items = AudioQueue::try_from(&[AudioId(0)][..]).expect("one fits");
                let playback = PlaybackId(tape.byte().into());
                self.command(Command::Play { leg: HOSTILE, playback, items });
            }
            _ => {
                let (key, sequence, timestamp) = (tape.byte(), tape.byte(), tape.byte());
                let rest = [tape.byte(), tape.byte(), tape.byte()];
                let marker = if key & 0x80 == 0 { 0 } else { 0x80 };
                let payload = [key & 0x1f, rest[0], rest[1], rest[2]];
                // Mostly the next packet of the same event.
                let timestamp = if timestamp & 1 == 0 { 0 } else { u32::from(timestamp) * 80 };
                self.packet(EVENT_TYPE | marker, u16::from(sequence % 8), timestamp, &payload);
            }
        }
    }

    fn wait(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        while self.next_tick <= until {
            self.now = self.next_tick;
            self.next_tick += Duration::from_millis(20);
            self.worker.tick(self.now, &mut self.heard);
            while let Some(event) = self.worker.poll_event() {
                self.heed(&event);
            }
        }
        self.now = until;
    }

    fn heed(&mut self, event: &Event) {
        match event {
            Event::Digit { leg, at, .. } => {
                assert!(*leg == HOSTILE && *at <= self.now, "a key that nobody pressed");
                self.digits += 1;
            }
            Event::Stats { leg, stats } => {
                assert!(*leg == HOSTILE && stats.received_packets <= self.fed);
                self.stats += 1;
            }
            Event::Handshake { leg, datagram } => {
                let first = datagram.first().is_some_and(|first| (20..=63).contains(first));
                assert!(*leg == HOSTILE && first, "no handshake");
            }
            Event::Opened { .. }
            | Event::PortTaken { .. }
            | Event::FirstPacket { .. }
            | Event::KeysSent { .. }
            | Event::PlaybackDone { .. }
            | Event::RoomPlayed { .. }
            | Event::Silent { .. }
            | Event::Resumed { .. } => {}
        }
    }

    fn finish(&mut self) {
        self.wait(1_000);
        for _ in 0..15 {
            self.say(TALKER, VOICE);
            self.wait(20);
        }
        assert_eq!(
            self.heard.last.get(&LISTENER),
            Some(&VOICE),
            "the others do not hear each other"
        );
        assert!(self.listens_for_tones || self.digits <= self.signs, "more keys than signs");
        self.command(Command::Close { leg: HOSTILE });
        self.wait(40);
        assert_eq!((self.stats, self.worker.legs()), (1, 2));
    }
}

fn is_event(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|octet| octet & 0x7f == EVENT_TYPE)
}

fn address(leg: LegKey) -> SocketAddr {
    let [.., low] = leg.0.to_be_bytes();
    SocketAddr::from(([198, 51, 100, low], 4_000))
}

fn config(leg: LegKey) -> LegConfig {
    let remote = address(leg);
    LegConfig {
        codec: Codec::Pcmu,
        send_payload_type: 0,
        receive: Formats::new(0, Codec::Pcmu),
        telephone_event: Some(TelephoneEvent::new(EVENT_TYPE, ClockRate::Hz8000)),
        remote,
        networks: Box::default(),
        signalling: Signalling::Acknowledged,
        rtcp: Rtcp::To(SocketAddr::new(remote.ip(), 4_001)),
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
