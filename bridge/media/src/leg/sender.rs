//! The sending half of a leg: encoded frames into packets, and RTCP reports.

use std::net::SocketAddr;
use std::time::Duration;

use partyline_model::{LegKey, Time};

use crate::audio::g711::Payload;
use crate::audio::{SAMPLE_RATE, SAMPLES_PER_FRAME};
use crate::event::LegStats;
use crate::rtp::packet::{HEADER_LEN, Header};
use crate::rtp::rtcp::{Block, Sent, Writer};
use crate::rtp::telephone_event::encoder::EventPacket;
use crate::worker::Sink;
use partyline_srtp::MAX_TRAILER;

use super::shield::Seal;
use crate::{Channel, LegConfig};

/// The most octets of a packet that is sent: 60 ms of G.711.
const MAX_PAYLOAD: usize = 480;

/// The sending half of a leg.
pub(super) struct Sender {
    sequence: u16,
    /// The timestamp of the first octet that waits, or of the next one.
    timestamp: u32,
    /// The next packet is the first after a pause.
    marker: bool,
    /// Encoded sound that does not fill a packet.
    waiting: [u8; MAX_PAYLOAD + SAMPLES_PER_FRAME],
    waiting_len: usize,
    packet_len: usize,
    /// For sender reports; both go round.
    packets: u32,
    octets: u32,
    packets_reported: u32,
    next_report: Time,
    reports: u32,
    /// Of an encrypted leg.
    seal: Option<Box<Seal>>,
}

/// Where a packet of a leg goes.
#[derive(Clone, Copy)]
pub(super) struct Route<'a> {
    pub(super) leg: LegKey,
    pub(super) config: &'a LegConfig,
    pub(super) destination: SocketAddr,
}

impl Sender {
    pub(super) fn new(now: Time, config: &LegConfig, interval: Duration) -> Self {
        let seal = Seal::renewed(None, config.srtp.as_ref().map(|keys| &keys.ours));
        let mut sender = Self {
            // Far from the turn, the first packets may be lost and the far end still counts right.
            sequence: config.first_sequence
                & if seal.is_some() || config.dtls { 0x7fff } else { 0xffff },
            timestamp: config.first_timestamp,
            marker: true,
            waiting: [0; MAX_PAYLOAD + SAMPLES_PER_FRAME],
            waiting_len: 0,
            packet_len: packet_len(config),
            packets: 0,
            octets: 0,
            packets_reported: 0,
            next_report: now,
            reports: 0,
            seal,
        };
        sender.schedule_report(now, config.ssrc, interval);
        sender
    }

    /// Takes over a new offer or answer: another codec's octets cannot wait any longer.
    pub(super) fn update(&mut self, config: &LegConfig) {
        self.take_keys(config);
        self.packet_len = packet_len(config);
        self.drop_waiting();
        self.marker = true;
    }

    /// Takes over the keys that are now agreed on.
    pub(super) fn take_keys(&mut self, config: &LegConfig) {
        self.seal = Seal::renewed(self.seal.take(), config.srtp.as_ref().map(|keys| &keys.ours));
    }

    /// Sends a frame, as soon as it fills a packet.
    pub(super) fn send<S: Sink + ?Sized>(
        &mut self,
        payload: &Payload,
        route: Route<'_>,
        stats: &mut LegStats,
        sink: &mut S,
    ) {
        if self.waiting_len == 0 && self.packet_len == SAMPLES_PER_FRAME {
            self.send_packet(payload, route, stats, sink);
            return;
        }
        let end = self.waiting_len + SAMPLES_PER_FRAME;
        self.waiting[self.waiting_len..end].copy_from_slice(payload);
        self.waiting_len = end;
        while self.waiting_len >= self.packet_len {
            let mut packet = [0; MAX_PAYLOAD];
            let packet = &mut packet[..self.packet_len];
            packet.copy_from_slice(&self.waiting[..self.packet_len]);
            self.waiting.copy_within(self.packet_len..self.waiting_len, 0);
            self.waiting_len -= self.packet_len;
            self.send_packet(packet, route, stats, sink);
        }
    }

    /// Lets a frame's time pass without sending.
    pub(super) fn pause(&mut self) {
        self.drop_waiting();
        self.pass(1);
    }

    /// Lets the time of `frames` pass in which there was nothing to send: the timestamp is of the
    /// moment of sound, not of its place among what was sent (RFC 3550 §5.1).
    pub(super) fn pass(&mut self, frames: u32) {
        self.timestamp = self.timestamp.wrapping_add(frames.wrapping_mul(SAMPLE_RATE / 50));
        self.marker = true;
    }

    fn drop_waiting(&mut self) {
        let waiting = u32::try_from(self.waiting_len).unwrap_or(0);
        self.timestamp = self.timestamp.wrapping_add(waiting);
        self.waiting_len = 0;
    }

    fn send_packet<S: Sink + ?Sized>(
        &mut self,
        payload: &[u8],
        route: Route<'_>,
        stats: &mut LegStats,
        sink: &mut S,
    ) {
        let header = Header {
            payload_type: route.config.send_payload_type,
            marker: self.marker,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: route.config.ssrc,
        };
        self.transmit(header, payload, route, stats, sink);
        self.marker = false;
        let len = u32::try_from(payload.len()).unwrap_or(0);
        self.timestamp = self.timestamp.wrapping_add(len);
    }

    /// The timestamp of the frame that is to be sent next.
    pub(super) fn next_timestamp(&self) -> u32 {
        self.timestamp.wrapping_add(u32::try_from(self.waiting_len).unwrap_or(0))
    }

    /// Sends a telephone event in place of a frame.
    pub(super) fn send_event<S: Sink + ?Sized>(
        &mut self,
        packet: EventPacket,
        payload_type: u8,
        route: Route<'_>,
        stats: &mut LegStats,
        sink: &mut S,
    ) {
        let header = Header {
            payload_type,
            marker: packet.marker,
            sequence: self.sequence,
            timestamp: packet.timestamp,
            ssrc: route.config.ssrc,
        };
        self.pause();
        self.transmit(header, &packet.payload, route, stats, sink);
    }

    fn transmit<S: Sink + ?Sized>(
        &mut self,
        header: Header,
        payload: &[u8],
        route: Route<'_>,
        stats: &mut LegStats,
        sink: &mut S,
    ) {
        let mut packet = [0; HEADER_LEN + MAX_PAYLOAD + MAX_TRAILER];
        let (head, body) = packet.split_at_mut(HEADER_LEN);
        let mut octets = [0; HEADER_LEN];
        header.write(&mut octets);
        head.copy_from_slice(&octets);
        body[..payload.len()].copy_from_slice(payload);
        let plain = HEADER_LEN + payload.len();
        let sent = match &mut self.seal {
            Some(seal) => seal.rtp(&mut packet, plain),
            None => Some(plain),
        };
        if let Some(sent) = sent {
            sink.send(route.leg, Channel::Rtp, route.destination, &packet[..sent]);
        }
        let len = u32::try_from(payload.len()).unwrap_or(0);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(len);
        stats.sent_packets += 1;
        stats.sent_octets += u64::from(len);
    }

    /// Whether an RTCP report is due.
    pub(super) fn report_is_due(&self, now: Time) -> bool {
        now >= self.next_report
    }

    /// Our report, and when the next one is due.
    pub(super) fn report(
        &mut self,
        now: Time,
        config: &LegConfig,
        block: Option<Block>,
        interval: Duration,
    ) -> Writer {
        self.schedule_report(now, config.ssrc, interval);
        let sent =
            Sent { timestamp: self.next_timestamp(), packets: self.packets, octets: self.octets };
        let has_sent = self.packets != self.packets_reported;
        self.packets_reported = self.packets;
        Writer::report(now, config.ssrc, has_sent.then_some(sent), block)
            .cname(config.ssrc, &config.cname)
    }

    /// A report as it is sent; `None` when it must not be.
    pub(super) fn seal_report<'a>(&mut self, report: &'a mut Writer) -> Option<&'a [u8]> {
        let len = report.as_slice().len();
        let sent = match &mut self.seal {
            Some(seal) => seal.rtcp(report.buffer(), len)?,
            None => len,
        };
        report.buffer().get(..sent)
    }

    /// Between half and one and a half intervals from `now` (RFC 3550 §6.3.1), so that legs that
    /// began together do not report together. The unpredictable SSRC serves as the dice.
    fn schedule_report(&mut self, now: Time, ssrc: u32, interval: Duration) {
        self.reports = self.reports.wrapping_add(1);
        let dice = ssrc.wrapping_add(self.reports).wrapping_mul(0x9e37_79b9) >> 22;
        self.next_report = now + interval / 2 + interval * dice / 1_024;
    }
}

fn packet_len(config: &LegConfig) -> usize {
    let ptime = config.ptime_ms;
    let ptime = if (10..=60).contains(&ptime) && ptime.is_multiple_of(10) { ptime } else { 20 };
    usize::from(ptime) * 8
}
