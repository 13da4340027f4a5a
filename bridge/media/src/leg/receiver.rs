//! The receiving half of a leg: which packets to believe, and 20 ms of sound at each tick.

use std::net::SocketAddr;
use std::time::Duration;

use partyline_model::{Digit, Time};

use super::keys::Keys;
use super::shield::{Kind, Shield};
use crate::LegConfig;
use crate::audio::g711;
use crate::audio::plc::Concealment;
use crate::audio::{Frame, SAMPLES_PER_FRAME, level};
use crate::event::LegStats;
use crate::latch::{Admission, Latch, Reporter, Seen};
use crate::rtp::NANOS_PER_SAMPLE;
use crate::rtp::jitter::{Inserted, JitterBuffer, Run, Sound};
use crate::rtp::packet::Packet;
use crate::rtp::reception::Reception;
use crate::rtp::rtcp;

/// Comfort noise (RFC 3389): accounts for a number, holds no sound.
const COMFORT_NOISE: u8 = 13;
/// Packets of a new source in a row before it takes over.
const SSRC_PROBATION: u8 = 3;
/// Below this peak the delay may be shortened without being heard: -44 dBFS.
const QUIET: u16 = 200;

/// What a datagram meant to the leg.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// Nothing: it was dropped and counted.
    Dropped,
    /// A sign of life.
    Alive,
    /// The first packets of the leg's source.
    First,
}

/// The receiving half of a leg.
pub(super) struct Receiver {
    /// Of an encrypted leg.
    shield: Option<Box<Shield>>,
    latch: Latch,
    heard: bool,
    reception: Option<Reception>,
    newcomer: Option<(u32, u8)>,
    /// The last source of telephone events, where it is not the sound's.
    event_source: Option<u32>,
    jitter: JitterBuffer,
    concealment: Concealment,
    decoded: bool,
    quiet: bool,
    /// The middle of the last sender report's time, and when it came.
    last_report: Option<(u32, Time)>,
    /// Losses of sources that have been replaced.
    lost_before: u64,
}

impl Receiver {
    pub(super) fn new(next_tick: Time, config: &LegConfig) -> Self {
        Self {
            shield: Shield::renewed(None, config.srtp.as_ref().map(|keys| &keys.theirs)),
            latch: Latch::new(config),
            heard: false,
            reception: None,
            newcomer: None,
            event_source: None,
            jitter: JitterBuffer::new(next_tick),
            concealment: Concealment::new(),
            decoded: false,
            quiet: true,
            last_report: None,
            lost_before: 0,
        }
    }

    /// Takes over a new offer or answer. What waits keeps the codec that it came with.
    pub(super) fn update(&mut self, now: Time, new: &LegConfig) {
        self.take_keys(new);
        self.latch.update(now, new);
    }

    /// Takes over the keys that are now agreed on.
    pub(super) fn take_keys(&mut self, new: &LegConfig) {
        let theirs = new.srtp.as_ref().map(|keys| &keys.theirs);
        self.shield = Shield::renewed(self.shield.take(), theirs);
    }

    /// What the address of a datagram of a handshake says of it.
    pub(super) fn shaker(&self, from: SocketAddr) -> Reporter {
        self.latch.shaker(from)
    }

    /// Where a handshake goes, and whether somebody vouched for that.
    pub(super) fn handshake_way(&self, heard: Option<SocketAddr>) -> Option<(SocketAddr, bool)> {
        self.latch.handshake_way(heard)
    }

    /// The far end's ACK came.
    pub(super) fn acknowledge(&mut self, now: Time) {
        self.latch.acknowledge(now);
    }

    /// Where this frame's RTP goes; `None` while it may go nowhere.
    pub(super) fn route(&mut self) -> Option<SocketAddr> {
        self.latch.route()
    }

    /// Where RTCP goes; `None` while it may go nowhere.
    pub(super) fn rtcp_destination(&self, config: &LegConfig) -> Option<SocketAddr> {
        self.latch.rtcp_destination(config)
    }

    /// The plain packet of a datagram; `None` when it was dropped and counted. Of an encrypted leg
    /// nothing is looked at that was not opened, but for the address: strangers cost no cipher.
    pub(super) fn open<'a>(
        &mut self,
        kind: Kind,
        source: SocketAddr,
        datagram: &'a mut [u8],
        (config, stats): (&LegConfig, &mut LegStats),
    ) -> Option<&'a [u8]> {
        if self.shield.is_none() && !config.is_closed() {
            return Some(datagram);
        }
        let dropped = &mut stats.dropped;
        if !self.latch.may_be(kind == Kind::Rtcp, source) {
            *(if kind == Kind::Rtp { &mut dropped.source } else { &mut dropped.rtcp_source }) += 1;
            return None;
        }
        let Some(shield) = &mut self.shield else {
            dropped.unauthenticated += 1;
            return None;
        };
        shield.open(kind, datagram, dropped)
    }

    pub(super) fn handle_rtp(
        &mut self,
        now: Time,
        source: SocketAddr,
        datagram: &[u8],
        leg: (&LegConfig, &mut Keys, &mut LegStats),
        report: &mut impl FnMut(Digit),
    ) -> Received {
        let (config, keys, stats) = leg;
        let Some(packet) = Packet::parse(datagram) else {
            stats.dropped.malformed += 1;
            return Received::Dropped;
        };
        let codec = config.receive.codec(packet.payload_type);
        let is_event =
            codec.is_none() && config.telephone_event.is_some_and(|e| e.is(packet.payload_type));
        if !is_event && codec.is_none() && packet.payload_type != COMFORT_NOISE {
            stats.dropped.payload_type += 1;
            return Received::Dropped;
        }
        let (ssrc, sequence) = (packet.ssrc, packet.sequence);
        match self.latch.admit(now, source, Seen { ssrc, sequence, octets: datagram.len() }) {
            Admission::Pass => {}
            Admission::Waiting => {
                stats.dropped.unlatched += 1;
                return Received::Dropped;
            }
            Admission::Foreign => {
                stats.dropped.source += 1;
                return Received::Dropped;
            }
        }
        stats.last_received = Some(now);
        let received = if self.heard { Received::Alive } else { Received::First };
        self.heard = true;
        if !config.direction.receives() {
            stats.dropped.direction += 1;
            return received;
        }
        let known = self.reception.as_ref().map(Reception::ssrc);
        if is_event && known.is_some_and(|ssrc| ssrc != packet.ssrc) {
            self.handle_stray_event(now, &packet, (keys, stats), report);
            return received;
        }
        if !self.is_of_stream(&packet, stats) {
            stats.dropped.ssrc += 1;
            return received;
        }
        if known.is_some_and(|ssrc| ssrc != packet.ssrc) {
            keys.far_end_changed();
        }
        let none = Sound { codec: config.codec, octets: &[] };
        let sound = codec.map_or(none, |codec| Sound { codec, octets: packet.payload });
        self.insert(now, &packet, sound, stats);
        if is_event && !keys.handle_event(now, &packet, report) {
            stats.dropped.event += 1;
        }
        received
    }

    /// A telephone event of another source than the sound's: some gateways send the two as streams
    /// of their own, and the sound must not begin anew for each key. Its source is believed from
    /// the second packet on, as every press has more than one.
    fn handle_stray_event(
        &mut self,
        now: Time,
        packet: &Packet<'_>,
        (keys, stats): (&mut Keys, &mut LegStats),
        report: &mut impl FnMut(Digit),
    ) {
        let known = self.event_source.replace(packet.ssrc) == Some(packet.ssrc);
        if !known {
            stats.dropped.ssrc += 1;
        } else if !keys.handle_event(now, packet, report) {
            stats.dropped.event += 1;
        }
    }

    /// Whether the packet is of the source being received; another one is after three packets.
    fn is_of_stream(&mut self, packet: &Packet<'_>, stats: &mut LegStats) -> bool {
        let known = self.reception.as_ref().map(Reception::ssrc);
        if known == Some(packet.ssrc) {
            self.newcomer = None;
            return true;
        }
        if known.is_some() {
            let seen = match self.newcomer {
                Some((ssrc, seen)) if ssrc == packet.ssrc => seen + 1,
                Some(_) | None => 1,
            };
            self.newcomer = Some((packet.ssrc, seen));
            if seen < SSRC_PROBATION {
                return false;
            }
            self.jitter.reset();
            stats.restarts += 1;
        }
        self.newcomer = None;
        self.lost_before += self.reception.as_ref().map_or(0, Reception::lost);
        self.last_report = None;
        self.reception = Some(Reception::new(packet.ssrc, packet.sequence));
        true
    }

    fn insert(&mut self, now: Time, packet: &Packet<'_>, sound: Sound<'_>, stats: &mut LegStats) {
        stats.received_packets += 1;
        stats.received_octets += u64::try_from(packet.payload.len()).unwrap_or(0);
        let at = (packet.sequence, packet.timestamp);
        match self.jitter.insert(now, at, packet.marker, sound) {
            Inserted::Stored => {}
            Inserted::Restarted => stats.restarts += 1,
            Inserted::Late => stats.late += 1,
            Inserted::Duplicate => {
                stats.duplicates += 1;
                return;
            }
            Inserted::Jumped => {
                stats.dropped.sequence += 1;
                return;
            }
            Inserted::Oversized => {
                stats.dropped.oversized += 1;
                return;
            }
        }
        let timestamp = (!sound.octets.is_empty()).then_some(packet.timestamp);
        if let Some(reception) = &mut self.reception {
            let lost_before = reception.note(now, packet.sequence, timestamp);
            self.lost_before += lost_before.unwrap_or(0);
        }
    }

    pub(super) fn handle_rtcp(
        &mut self,
        now: Time,
        source: SocketAddr,
        datagram: &[u8],
        (config, stats): (&LegConfig, &mut LegStats),
    ) -> Received {
        let reporter = self.latch.reporter(source);
        if reporter == Reporter::Foreign {
            stats.dropped.rtcp_source += 1;
            return Received::Dropped;
        }
        let Some(report) = rtcp::parse(datagram, config.ssrc) else {
            stats.dropped.malformed += 1;
            return Received::Dropped;
        };
        if reporter == Reporter::Possible && !self.is_named(&report) {
            stats.dropped.rtcp_source += 1;
            return Received::Dropped;
        }
        self.latch.note_reporter(source);
        stats.received_rtcp += 1;
        stats.last_received = Some(now);
        if let Some(sender_time) = report.sender_time {
            self.last_report = Some((sender_time, now));
        }
        if let Some(about_us) = report.about_us {
            stats.remote_loss = Some(about_us.fraction_lost);
            stats.round_trip = about_us.round_trip(now).or(stats.round_trip);
        }
        Received::Alive
    }

    /// Whether a report can only come from somebody who is sent to or heard: it names our stream, or
    /// is of the one that is received. Both have numbers that are not to be guessed.
    fn is_named(&self, report: &rtcp::Report) -> bool {
        let received = self.reception.as_ref().map(Reception::ssrc);
        report.about_us.is_some() || received.is_some_and(|ssrc| report.sender == Some(ssrc))
    }

    /// Plays 20 ms into `frame` and returns whether there is anything to be heard in it.
    ///
    /// When nobody `wants` the sound, time passes and nothing is decoded.
    pub(super) fn next_frame(
        &mut self,
        now: Time,
        wanted: bool,
        frame: &mut Frame,
        (keys, stats): (&mut Keys, &mut LegStats),
        report: &mut impl FnMut(Digit),
    ) -> bool {
        self.latch.begin_tick(now);
        let cut = self.jitter.begin_tick(now, self.quiet || !wanted);
        if wanted && !self.decoded {
            self.concealment.reset();
        }
        self.decoded = wanted;
        if wanted && cut {
            self.concealment.cut();
        }
        let mut filled = 0;
        let mut sounding = false;
        while filled < SAMPLES_PER_FRAME {
            let part = &mut frame[filled..];
            filled += match self.jitter.next_run(part.len()) {
                Run::Audio(Sound { codec, octets }) => {
                    if wanted {
                        let part = &mut part[..octets.len()];
                        g711::decode(codec, octets, part);
                        self.concealment.heard(part);
                        sounding = true;
                        keys.handle_sound(now, part, level::peak(part) < QUIET / 4, report);
                    }
                    octets.len()
                }
                Run::Lost(count) => {
                    stats.concealed += samples(count);
                    if wanted {
                        self.concealment.conceal(&mut part[..count]);
                        sounding = true;
                        keys.handle_lost(now, count, report);
                    }
                    count
                }
                Run::Silence(count) => {
                    part[..count].fill(0);
                    keys.handle_silence(now, count, report);
                    count
                }
            };
        }
        let peak = if sounding { level::peak(frame) } else { 0 };
        self.quiet = peak < QUIET;
        peak > level::IDLE
    }

    /// The block of the next RTCP report.
    pub(super) fn report_block(&mut self, now: Time) -> Option<rtcp::Block> {
        let last_report = self.last_report;
        self.reception.as_mut().map(|reception| reception.block(now, last_report))
    }

    /// Fills in what is only counted up at the end.
    pub(super) fn finish(&self, stats: &mut LegStats) {
        let reception = self.reception.as_ref();
        stats.lost = self.lost_before + reception.map_or(0, Reception::lost);
        stats.jitter = reception.map_or(Duration::ZERO, Reception::jitter);
    }
}

fn samples(count: usize) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(0) * NANOS_PER_SAMPLE)
}
