//! A whole capture: which datagrams are RTP, which are SIP, and what was pressed in all of them.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;

use partyline_model::WallTime;
use rtp_rs::RtpReader;

use crate::event::{EventPacket, since};
use crate::file::{self, CaptureError, Captured};
use crate::fragment::Fragments;
use crate::link::{self, Datagram, Frame};
use crate::signalling::{Described, Dialog, Format, Signalling, is_sip};
use crate::stream::{Listener, Packet, Stream};

/// Packets in a row that make a stream (RFC 3550 §A.1 is content with two, but knows the port).
const PROBATION: usize = 3;
/// Packets that may be missing between two of these.
const PROBATION_GAP: u16 = 20;

/// A datagram put together from pieces may hold a piece, which completes another; so often.
const MOST_PIECES: u8 = 4;

/// A frame this much older than one before it is at another place than it belongs: 1 s.
const OUT_OF_ORDER: i64 = 1_000_000;

/// A stream's source, destination and SSRC.
type Key = (SocketAddr, SocketAddr, u32);

/// What stood in the way of reading a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spoilt {
    /// Datagrams of which the capture kept the beginning only.
    pub cut: u64,
    /// Frames that hold pieces of datagrams whose other pieces are missing.
    pub fragments: u64,
    /// Frames of a link type that is not known.
    pub unknown_links: u64,
    /// Frames of tunnels that are encrypted or not known, or too deep in others.
    pub tunnels: u64,
    /// Frames that hold neither IPv4 nor IPv6 nor ARP.
    pub not_ip: u64,
    /// Frames of which the file has no time: times and onsets mean nothing.
    pub untimed: u64,
    /// TCP segments that begin as SIP messages do.
    pub sip_over_tcp: u64,
    /// INFO requests of a kind that carries keys, in which no key could be read.
    pub infos_without_key: u64,
    /// Frames that come after one that is more than a second younger.
    pub out_of_order: u64,
}

/// Everything that was found in a capture.
pub struct Report {
    /// The RTP streams, in the order in which they began.
    pub streams: Vec<Stream>,
    /// The dialogs that have digits in INFO.
    pub dialogs: Vec<Dialog>,
    /// Frames in the capture.
    pub frames: u64,
    /// SIP messages among them.
    pub sip_messages: u64,
    /// What could not be read.
    pub spoilt: Spoilt,
}

/// Packets that may be the beginning of a stream.
#[derive(Default)]
struct Candidate {
    packets: Vec<Packet>,
    /// How often one of them was captured again, on another interface.
    repeated: u64,
}

/// Takes frames, gives a [`Report`].
#[derive(Default)]
pub struct Capture {
    started: Option<WallTime>,
    newest: Option<WallTime>,
    fragments: Fragments,
    signalling: Signalling,
    candidates: BTreeMap<Key, Candidate>,
    streams: BTreeMap<Key, Listener>,
    frames: u64,
    sip_messages: u64,
    spoilt: Spoilt,
}

impl Capture {
    /// Whether `file` begins as a pcap or pcapng file does.
    pub fn is_begun(file: &[u8]) -> bool {
        file::is_begun(file)
    }

    /// Reads a pcap or pcapng file to its end, or as far as it goes.
    ///
    /// The report has what was read before an error, too. Memory grows with the streams and keys
    /// in the capture, not with its length.
    pub fn read(file: impl Read + Send) -> (Report, Result<(), CaptureError>) {
        let mut capture = Self::default();
        let read = file::read(file, &mut |frame| capture.handle(&frame));
        (capture.finish(), read)
    }

    fn handle(&mut self, frame: &Captured<'_>) {
        self.frames += 1;
        let started = *self.started.get_or_insert(frame.at);
        let newest = *self.newest.get_or_insert(frame.at);
        self.newest = Some(newest.max(frame.at));
        let late = newest.as_micros().saturating_sub(frame.at.as_micros());
        self.spoilt.out_of_order += u64::from(late > OUT_OF_ORDER);
        self.spoilt.untimed += u64::from(frame.untimed);
        self.handle_frame((frame.at, started), link::read(frame.link, frame.data), MOST_PIECES);
    }

    /// Takes what a frame holds; pieces of pieces, as tunnels make them, `depth` levels down.
    fn handle_frame(&mut self, time: (WallTime, WallTime), frame: Frame<'_>, depth: u8) {
        let (at, started) = time;
        match frame {
            Frame::Udp(datagram) => self.handle_datagram(at, started, &datagram),
            Frame::Piece(piece) => {
                let Some(octets) = self.fragments.handle(at, &piece) else { return };
                match (link::whole(piece.of, &octets), depth.checked_sub(1)) {
                    (Some(inside), Some(depth)) => self.handle_frame(time, inside, depth),
                    (Some(_), None) => self.spoilt.tunnels += 1,
                    (None, _) => {}
                }
            }
            Frame::Tunnel => self.spoilt.tunnels += 1,
            Frame::CutPiece => self.spoilt.cut += 1,
            Frame::Tcp(payload) => self.spoilt.sip_over_tcp += u64::from(is_sip(payload, false)),
            Frame::UnknownLink => self.spoilt.unknown_links += 1,
            Frame::NotIp => self.spoilt.not_ip += 1,
            Frame::Other => {}
        }
    }

    fn handle_datagram(&mut self, at: WallTime, started: WallTime, datagram: &Datagram<'_>) {
        self.spoilt.cut += u64::from(datagram.cut);
        let Datagram { source, destination, payload, cut } = *datagram;
        if is_sip(payload, cut) {
            self.sip_messages += 1;
            let time = (at, since(at, started));
            return self.signalling.handle(time, (source, destination), payload);
        }
        let Some((ssrc, packet)) = rtp(at, payload, cut) else { return };
        self.handle_rtp((source, destination, ssrc), packet);
    }

    fn handle_rtp(&mut self, key: Key, packet: Packet) {
        let described = self.signalling.described(key.1);
        if let Some(listener) = self.streams.get_mut(&key) {
            return hear(listener, described, packet);
        }
        let candidate = self.candidates.entry(key).or_default();
        let is_known = |known: &Packet| {
            (known.sequence, known.timestamp) == (packet.sequence, packet.timestamp)
        };
        if candidate.packets.iter().any(is_known) {
            candidate.repeated += 1;
            return;
        }
        let follows = candidate.packets.last().is_none_or(|last| {
            (1..=PROBATION_GAP).contains(&packet.sequence.wrapping_sub(last.sequence))
        });
        if !follows {
            *candidate = Candidate::default();
        }
        candidate.packets.push(packet);
        if candidate.packets.len() < PROBATION {
            return;
        }
        self.begin_stream(key);
    }

    fn begin_stream(&mut self, key: Key) {
        let described = self.signalling.described(key.1);
        let Candidate { packets, repeated } = self.candidates.remove(&key).unwrap_or_default();
        let Some(first) = packets.first() else { return };
        let listener = self.streams.entry(key).or_insert_with(|| Listener::new(first, repeated));
        for packet in packets {
            hear(listener, described, packet);
        }
    }

    /// Believes packets that are too few for a stream where a session description wants one: a
    /// capture may end within a press.
    fn begin_short_streams(&mut self) {
        let keys: Vec<Key> = self.candidates.keys().copied().collect();
        for key in keys {
            if self.signalling.described(key.1).is_some() {
                self.begin_stream(key);
            }
        }
    }

    fn finish(mut self) -> Report {
        self.begin_short_streams();
        self.spoilt.fragments = self.fragments.left_out();
        self.spoilt.infos_without_key = self.signalling.infos_without_key();
        let streams = self.streams.into_iter().map(|(key, listener)| listener.finish(key));
        let mut streams: Vec<Stream> = streams.collect();
        streams.sort_by_key(|stream| stream.started.as_micros());
        Report {
            streams,
            dialogs: self.signalling.finish(),
            frames: self.frames,
            sip_messages: self.sip_messages,
            spoilt: self.spoilt,
        }
    }
}

/// Hands a packet to its stream, and says what its payload type is where that is not known.
fn hear(listener: &mut Listener, described: Option<&Described>, packet: Packet) {
    let number = packet.payload_type;
    if matches!(listener.format(number), None | Some(Format::Unknown)) {
        let mapped = described.and_then(|described| described.format(number)).cloned();
        let mut format = mapped.unwrap_or_else(|| Format::fixed(number));
        if format == Format::Unknown && EventPacket::looks_like(&packet.payload) {
            format = Format::Events { clock_hz: 8_000 };
        }
        listener.learn(number, format, described.is_some_and(|described| described.encrypted));
    }
    listener.handle(packet);
}

/// The RTP packet in a datagram, if it may be one.
fn rtp(at: WallTime, payload: &[u8], cut: bool) -> Option<(u32, Packet)> {
    // Packet types 192 to 223 are RTCP's on a shared port (RFC 5761 §4).
    if payload.get(1).is_some_and(|kind| (192..=223).contains(kind)) {
        return None;
    }
    let reader = RtpReader::new(payload).ok()?;
    let packet = Packet {
        at,
        sequence: reader.sequence_number().into(),
        timestamp: reader.timestamp(),
        marker: reader.mark(),
        payload_type: reader.payload_type(),
        payload: reader.payload().to_vec(),
        cut,
    };
    Some((reader.ssrc(), packet))
}
