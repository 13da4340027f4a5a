//! What a phone says: one RTP packet every 20 ms with the voice, a telephone event or the tones of
//! a key. It owns the stream's sequence and timestamp, not the socket and not the call.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::g711::Codec;
use super::keypad::{DigitMode, Key, Keypad, Keys, SLOT, Slot};
use super::rtp::{Report, RtpPacket, sender_report, telephone_event};
use super::tone::{Sine, to_sample};
use crate::random::Random;
use crate::sdp::Agreed;

/// Samples in a packet.
const SAMPLES_PER_SLOT: u16 = 160;
/// Copies of an event's last packet, RFC 4733 §2.5.1.4.
const EVENT_END_COPIES: usize = 3;
/// Between two sender reports, RFC 3550 §6.2.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// A caller that was stopped for longer than this does not send what it missed.
const CATCH_UP: Duration = Duration::from_secs(1);

/// What a phone says while no key is down.
#[derive(Debug, Clone, PartialEq)]
pub enum Audio {
    /// Packets of digital silence.
    Silence,
    /// No packets at all; the timestamp runs on.
    Nothing,
    /// A sine.
    Tone {
        /// Frequency in Hz.
        hz: f64,
        /// Level, where +3.17 dBm0 just reaches µ-law's overload point.
        dbm0: f64,
    },
    /// 8 kHz samples once, then silence.
    Samples(Arc<[i16]>),
    /// 8 kHz samples over and over.
    Loop(Arc<[i16]>),
}

enum Voice {
    Silence,
    Nothing,
    Tone(Sine),
    Samples { samples: Arc<[i16]>, next: usize, end: AtEnd },
}

enum AtEnd {
    Stop,
    Repeat,
}

/// What the phone has to do for the sender.
pub(crate) enum Sent {
    Rtp(SocketAddr, Vec<u8>),
    Rtcp(SocketAddr, Vec<u8>),
    Info { key: Key, on: Duration },
}

/// One call's outgoing stream while the call is up.
struct Stream {
    agreed: Agreed,
    next_slot: Duration,
    next_report: Duration,
}

/// The sending half of a phone's media.
pub(crate) struct Sender {
    stream: Option<Stream>,
    voice: Voice,
    keypad: Keypad,
    mode: DigitMode,
    on: Duration,
    cname: String,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    event_start: u32,
    talkspurt_begins: bool,
    /// Nothing is to be sent until somebody speaks or presses a key.
    dozing: bool,
    packets: u32,
    octets: u32,
    ready: VecDeque<Sent>,
}

impl Sender {
    pub(crate) fn new(cname: &str, mode: DigitMode, times: (Duration, Duration)) -> Self {
        let (on, gap) = times;
        Self {
            stream: None,
            voice: Voice::Silence,
            keypad: Keypad::new(on, gap),
            mode,
            on,
            cname: cname.to_owned(),
            ssrc: 0,
            sequence: 0,
            timestamp: 0,
            event_start: 0,
            talkspurt_begins: true,
            dozing: false,
            packets: 0,
            octets: 0,
            ready: VecDeque::new(),
        }
    }

    /// Starts the stream or, in a running call, follows what was agreed anew.
    pub(crate) fn agree(&mut self, now: Duration, agreed: Agreed, random: &mut Random) {
        if let Some(stream) = &mut self.stream {
            stream.agreed = agreed;
            return;
        }
        self.ssrc = random.next_u32();
        self.sequence = random.next_u16();
        self.timestamp = random.next_u32();
        self.talkspurt_begins = true;
        self.stream = Some(Stream { agreed, next_slot: now, next_report: now + REPORT_INTERVAL });
    }

    pub(crate) fn stop(&mut self) {
        self.stream = None;
        self.keypad.clear();
        self.ready.clear();
    }

    pub(crate) fn say(&mut self, audio: Audio) {
        self.voice = match audio {
            Audio::Silence => Voice::Silence,
            Audio::Nothing => Voice::Nothing,
            Audio::Tone { hz, dbm0 } => Voice::Tone(Sine::new(hz, dbm0)),
            Audio::Samples(samples) => Voice::Samples { samples, next: 0, end: AtEnd::Stop },
            Audio::Loop(samples) => Voice::Samples { samples, next: 0, end: AtEnd::Repeat },
        };
    }

    pub(crate) fn press(&mut self, keys: &Keys) {
        self.keypad.push(keys);
    }

    /// Whether all keys given to [`Sender::press`] have been sent, their gaps included.
    pub(crate) fn keys_done(&self) -> bool {
        self.keypad.is_idle()
    }

    pub(crate) fn keys_pressed(&self) -> usize {
        self.keypad.pressed()
    }

    /// RTP packets sent since the phone was made.
    pub(crate) fn packets(&self) -> u32 {
        self.packets
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        let stream = self.stream.as_ref()?;
        // An hour of saying nothing is not worth 180,000 wakings.
        let slot = if self.dozing { stream.next_report } else { stream.next_slot };
        Some(slot.min(stream.next_report))
    }

    pub(crate) fn poll(&mut self) -> Option<Sent> {
        self.ready.pop_front()
    }

    /// Makes every packet due by `now`. With `info_pending` no further INFO key begins.
    pub(crate) fn handle_timeout(&mut self, now: Duration, info_pending: bool) {
        let Some(stream) = &mut self.stream else { return };
        let allowed = if self.dozing { Duration::ZERO } else { CATCH_UP };
        if stream.next_slot + allowed < now {
            let missed = (now - stream.next_slot).as_nanos() / SLOT.as_nanos();
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            stream.next_slot += SLOT * missed;
            let samples = missed.wrapping_mul(u32::from(SAMPLES_PER_SLOT));
            self.timestamp = self.timestamp.wrapping_add(samples);
        }
        let agreed = stream.agreed;
        let mut due = 0_u32;
        while stream.next_slot <= now {
            stream.next_slot += SLOT;
            due += 1;
        }
        let report_due = stream.next_report <= now;
        if report_due {
            stream.next_report = now + REPORT_INTERVAL;
        }
        for slot in 0..due {
            self.slot(&agreed, info_pending || slot > 0);
        }
        if report_due {
            self.report(now, &agreed);
        }
        self.dozing = matches!(self.voice, Voice::Nothing) && self.keypad.is_idle();
    }

    fn slot(&mut self, agreed: &Agreed, hold_back_info: bool) {
        // A phone that was promised events and not given any falls back to what all lines carry.
        let mut signs = self.mode.signs();
        if signs.event && agreed.event_type.is_none() {
            (signs.event, signs.tone) = (false, true);
        }
        let hold_back = signs.info && hold_back_info;
        match self.keypad.next_slot(signs, hold_back) {
            Slot::Voice => self.voice_packet(agreed),
            Slot::Press { key, slots, last, signs, tones } => {
                if signs.info && slots == 1 {
                    self.ready.push_back(Sent::Info { key, on: self.on });
                }
                if signs.event {
                    self.event_packets(agreed, key, slots, last);
                }
                if signs.tone {
                    let samples: Vec<i16> = tones.into_iter().map(to_sample).collect();
                    self.audio_packet(agreed, &samples);
                } else if !signs.event {
                    self.voice_packet(agreed);
                }
            }
        }
        self.timestamp = self.timestamp.wrapping_add(u32::from(SAMPLES_PER_SLOT));
    }

    fn voice_packet(&mut self, agreed: &Agreed) {
        if matches!(self.voice, Voice::Nothing) {
            self.talkspurt_begins = true;
            return;
        }
        let samples: Vec<i16> = (0..SAMPLES_PER_SLOT).map(|_| self.voice.next()).collect();
        self.audio_packet(agreed, &samples);
    }

    fn audio_packet(&mut self, agreed: &Agreed, samples: &[i16]) {
        let payload: Vec<u8> = samples.iter().map(|&sample| agreed.codec.encode(sample)).collect();
        let marker = std::mem::take(&mut self.talkspurt_begins);
        let codec: Codec = agreed.codec;
        self.packet(agreed, (codec.payload_type(), marker, self.timestamp), &payload);
    }

    fn event_packets(&mut self, agreed: &Agreed, key: Key, slots: u16, last: bool) {
        let Some(event_type) = agreed.event_type else { return };
        // All packets of an event carry the timestamp of its beginning, RFC 4733 §2.2.1.
        let first = slots == 1;
        if first {
            self.event_start = self.timestamp;
        }
        let payload = telephone_event(key.event(), last, slots.saturating_mul(SAMPLES_PER_SLOT));
        let copies = if last { EVENT_END_COPIES } else { 1 };
        for _ in 0..copies {
            self.packet(agreed, (event_type, first, self.event_start), &payload);
        }
    }

    fn packet(&mut self, agreed: &Agreed, kind: (u8, bool, u32), payload: &[u8]) {
        let Some(remote) = agreed.send_to else { return };
        let (payload_type, marker, timestamp) = kind;
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        let packet = RtpPacket { marker, payload_type, sequence, timestamp, ssrc, payload };
        self.ready.push_back(Sent::Rtp(remote, packet.to_bytes()));
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        let octets = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.octets = self.octets.wrapping_add(octets);
    }

    fn report(&mut self, now: Duration, agreed: &Agreed) {
        let Some(remote) = agreed.send_to else { return };
        let Some(port) = remote.port().checked_add(1) else { return };
        let report = Report {
            ssrc: self.ssrc,
            ntp: (now.as_secs() << 32) | ((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000),
            timestamp: self.timestamp,
            packets: self.packets,
            octets: self.octets,
        };
        let bytes = sender_report(&report, &self.cname);
        self.ready.push_back(Sent::Rtcp(SocketAddr::new(remote.ip(), port), bytes));
    }
}

impl Voice {
    fn next(&mut self) -> i16 {
        match self {
            Self::Silence | Self::Nothing => 0,
            Self::Tone(sine) => to_sample(sine.next()),
            Self::Samples { samples, next, end } => {
                if *next >= samples.len() && matches!(end, AtEnd::Repeat) {
                    *next = 0;
                }
                let sample = samples.get(*next).copied().unwrap_or(0);
                *next += 1;
                sample
            }
        }
    }
}
