//! Writes captures and sound files: whatever a tool in the field may have left.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::net::{IpAddr, SocketAddr};

use partyline_dtmf::tone::Burst;
use partyline_media::{Codec, decode};

/// 2026-11-21 22:14:31 UTC.
pub(crate) const START: u64 = 1_795_299_271_000_000;

/// How a frame lies on its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Ethernet,
    Vlan,
    Cooked,
    Cooked2,
    Raw,
    Null,
}

impl Link {
    pub(crate) const ALL: [Self; 6] =
        [Self::Ethernet, Self::Vlan, Self::Cooked, Self::Cooked2, Self::Raw, Self::Null];

    fn number(self) -> u32 {
        match self {
            Self::Ethernet | Self::Vlan => 1,
            Self::Cooked => 113,
            Self::Cooked2 => 276,
            Self::Raw => 101,
            Self::Null => 0,
        }
    }

    fn frame(self, ip: &[u8]) -> Vec<u8> {
        let ether: [u8; 2] = if ip[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
        let head = match self {
            Self::Ethernet => [&[2; 12][..], &ether].concat(),
            Self::Vlan => [&[2; 12][..], &[0x81, 0, 0, 7], &ether].concat(),
            Self::Cooked => [&[0; 14][..], &ether].concat(),
            Self::Cooked2 => [&ether[..], &[0; 18]].concat(),
            Self::Raw => Vec::new(),
            Self::Null => vec![2, 0, 0, 0],
        };
        [head, ip.to_vec()].concat()
    }
}

/// How a capture is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) ng: bool,
    pub(crate) big_endian: bool,
    pub(crate) nanos: bool,
}

/// pcap as tcpdump writes it on the usual machine.
pub(crate) const PCAP: Form = Form { ng: false, big_endian: false, nanos: false };

/// Datagrams with their times in microseconds since [`START`].
#[derive(Clone, Default)]
pub(crate) struct Wire {
    datagrams: Vec<(u64, Vec<u8>)>,
}

impl Wire {
    pub(crate) fn udp(&mut self, at: u64, (from, to): (SocketAddr, SocketAddr), payload: &[u8]) {
        self.datagrams.push((at, ip(from, to, payload)));
    }

    /// A packet that is no UDP datagram.
    pub(crate) fn packet(&mut self, at: u64, ip: Vec<u8>) {
        self.datagrams.push((at, ip));
    }

    /// Each datagram again at once, as another interface saw it.
    pub(crate) fn twice(mut self) -> Self {
        self.datagrams =
            self.datagrams.into_iter().flat_map(|datagram| [datagram.clone(), datagram]).collect();
        self
    }

    /// Leaves out the datagrams with these numbers.
    pub(crate) fn without(mut self, numbers: &[usize]) -> Self {
        let mut number = 0;
        self.datagrams.retain(|_| {
            number += 1;
            !numbers.contains(&(number - 1))
        });
        self
    }

    pub(crate) fn file(&self, link: Link, form: Form) -> Vec<u8> {
        self.file_cut(link, form, usize::MAX)
    }

    /// With at most `longest` octets of each frame.
    pub(crate) fn file_cut(&self, link: Link, form: Form, longest: usize) -> Vec<u8> {
        let mut datagrams = self.datagrams.clone();
        datagrams.sort_by_key(|(at, _)| *at);
        let word = |n: u32| if form.big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
        let half = |n: u16| if form.big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
        let mut file = if form.ng {
            let section = [word(0x1a2b_3c4d), [half(1), half(0)].concat().try_into().unwrap()];
            let section = [&section.concat()[..], &[0xff; 8]].concat();
            let resolution = if form.nanos { 9 } else { 6 };
            let options = [half(9), half(1)].concat();
            let options = [&options[..], &[resolution, 0, 0, 0], &[0; 4]].concat();
            let link = [half(u16::try_from(link.number()).unwrap()), half(0)].concat();
            let interface = [&link[..], &word(0), &options].concat();
            [block(word, 0x0a0d_0d0a, &section), block(word, 1, &interface)].concat()
        } else {
            let magic = if form.nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
            let version = [half(2), half(4)].concat();
            let rest = [word(0), word(0), word(65_535), word(link.number())].concat();
            [&word(magic)[..], &version, &rest].concat()
        };
        let scale = if form.nanos { 1_000 } else { 1 };
        for (at, ip) in datagrams {
            let frame = link.frame(&ip);
            let kept = &frame[..frame.len().min(longest)];
            let lengths = [kept.len(), frame.len()].map(|n| word(u32::try_from(n).unwrap()));
            let units = (START + at) * scale;
            let parts = if form.ng {
                [units >> 32, units & 0xffff_ffff]
            } else {
                [units / (1_000_000 * scale), units % (1_000_000 * scale)]
            };
            let parts = parts.map(|part| word(u32::try_from(part).unwrap())).concat();
            let record = [&parts, &lengths.concat(), kept].concat();
            if form.ng {
                let padding = vec![0; kept.len().wrapping_neg() % 4];
                file.extend(block(word, 6, &[&word(0)[..], &record, &padding].concat()));
            } else {
                file.extend(record);
            }
        }
        file
    }
}

/// A pcapng block.
pub(crate) fn block(word: impl Fn(u32) -> [u8; 4], kind: u32, body: &[u8]) -> Vec<u8> {
    let length = word(u32::try_from(body.len() + 12).unwrap());
    [&word(kind)[..], &length, body, &length].concat()
}

/// A UDP datagram in an IP packet.
pub(crate) fn ip(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap();
    let udp = [from.port(), to.port(), length, 0].map(u16::to_be_bytes).concat();
    let head = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let [high, low] = (length + 20).to_be_bytes();
            let fixed = [0x45, 0, high, low, 0, 0, 0x40, 0, 64, 17, 0, 0];
            [&fixed[..], &from.octets(), &to.octets()].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let [high, low] = length.to_be_bytes();
            let fixed = [0x60, 0, 0, 0, high, low, 17, 64];
            [&fixed[..], &from.octets(), &to.octets()].concat()
        }
        _ => panic!("both ends have one IP version"),
    };
    [head, udp, payload.to_vec()].concat()
}

pub(crate) fn phone() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

pub(crate) fn bridge() -> SocketAddr {
    "198.51.100.7:20000".parse().unwrap()
}

/// An RTP packet.
pub(crate) fn rtp(
    (payload_type, marker): (u8, bool),
    (sequence, timestamp): (u16, u32),
    payload: &[u8],
) -> Vec<u8> {
    let kind = payload_type | if marker { 0x80 } else { 0 };
    let head = [&[0x80, kind][..], &sequence.to_be_bytes(), &timestamp.to_be_bytes()].concat();
    [&head[..], &0x1234_abcd_u32.to_be_bytes(), payload].concat()
}

/// `sound` in packets of 20 ms, from the phone to the bridge.
pub(crate) fn talk(wire: &mut Wire, codec: Codec, ends: (SocketAddr, SocketAddr), sound: &[i16]) {
    let octets = encode(codec, sound);
    for (number, frame) in (0..).zip(octets.chunks(160)) {
        let (sequence, timestamp) = (65_530_u16.wrapping_add(number), u32::from(number) * 160);
        let packet = rtp((codec.payload_type(), number == 0), (sequence, timestamp), frame);
        wire.udp(u64::from(number) * 20_000, ends, &packet);
    }
}

/// G.711 by search: the octet that decodes nearest to a sample's upper 12 bits.
pub(crate) fn encode(codec: Codec, sound: &[i16]) -> Vec<u8> {
    let decoded = |octet: u8| {
        let mut sample = [0];
        decode(codec, &[octet], &mut sample);
        sample[0]
    };
    let values: Vec<(i16, u8)> = (0..=255).map(|octet| (decoded(octet), octet)).collect();
    let nearest = |upper: i16| {
        let sample = upper << 4 | 8;
        values.iter().min_by_key(|(value, _)| value.abs_diff(sample)).unwrap().1
    };
    let table: Vec<u8> = (-2_048..2_048).map(nearest).collect();
    sound.iter().map(|sample| table[usize::try_from((sample >> 4) + 2_048).unwrap()]).collect()
}

/// Silence, then a key of 80 ms.
pub(crate) fn key_after(ms: usize, code: u8) -> Vec<i16> {
    let key = Burst { code, on_ms: 80, off_ms: 100, ..Burst::default() };
    [vec![0; ms * 8], key.samples()].concat()
}

/// How the samples of a WAV file are written.
#[derive(Clone, Copy)]
pub(crate) struct WavForm {
    pub(crate) tag: u16,
    pub(crate) channels: u16,
    pub(crate) rate: u32,
    pub(crate) bits: u16,
}

/// A WAV file of octets that are encoded already.
pub(crate) fn wav(form: WavForm, sound: &[u8]) -> Vec<u8> {
    let WavForm { tag, channels, rate, bits } = form;
    let block = channels * (bits / 8);
    let format = [
        &tag.to_le_bytes()[..],
        &channels.to_le_bytes(),
        &rate.to_le_bytes(),
        &(rate * u32::from(block)).to_le_bytes(),
        &block.to_le_bytes(),
        &bits.to_le_bytes(),
    ]
    .concat();
    let size = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let chunks = [
        &b"fmt "[..],
        &size(format.len()),
        &format,
        b"LIST",
        &size(3),
        b"abc\0",
        b"data",
        &size(sound.len()),
        sound,
    ]
    .concat();
    [b"RIFF", &size(chunks.len() + 4)[..], b"WAVE", &chunks].concat()
}

/// 16-bit PCM, little-endian.
pub(crate) fn pcm(sound: &[i16]) -> Vec<u8> {
    sound.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}
