//! One `m=` block in the terms of negotiation.

use std::net::{IpAddr, SocketAddr};

use super::crypto::Asked;
use super::dtls;
use super::{ClockRate, Codec, Crypto, Direction, SdpError, TelephoneEvent};
use crate::nat::hides;

/// The clock rate that telephone events had before there were others.
const G711_CLOCK: ClockRate = ClockRate::Hz8000;

/// The `m=` line as it came, for an answer that must repeat it (RFC 3264 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MediaLine {
    pub(super) media: String,
    pub(super) port: u16,
    pub(super) proto: String,
    pub(super) formats: String,
}

/// One `m=` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) line: MediaLine,
    pub(super) transport: Transport,
    /// Known formats in the order of the `m=` line; others are left out.
    pub(super) formats: Vec<Format>,
    /// What the writer of the description wants to do.
    pub(super) direction: Direction,
    /// Where the writer wants to receive; unspecified for a hold by address.
    pub(super) address: Result<IpAddr, SdpError>,
    pub(super) rtcp: Option<RtcpAttribute>,
    pub(super) rtcp_mux: bool,
    /// `a=ptime`: milliseconds, any value but zero.
    pub(super) ptime: Option<u16>,
    /// `a=maxptime`: milliseconds, any value but zero.
    pub(super) max_ptime: Option<u16>,
    /// The keys that can be used (RFC 4568), in the writer's order.
    pub(super) crypto: Vec<Crypto>,
    /// What it takes to get keys by DTLS.
    pub(super) dtls: dtls::Described,
}

/// What carries the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Audio on one port over RTP/AVP or RTP/AVPF. The feedback profile asks nothing of a
    /// receiver that sends no early feedback (RFC 4585 §3), so that it costs us nothing.
    PlainAudio,
    /// The same over RTP/SAVP or RTP/SAVPF: its keys are in the description (RFC 4568), or come by
    /// DTLS where they are not.
    EncryptedAudio,
    /// The same over UDP/TLS/RTP/SAVP or UDP/TLS/RTP/SAVPF: its keys come by DTLS (RFC 5764 §8).
    DtlsAudio,
    /// Audio over another transport: refused with port 0.
    OtherAudio,
    /// Anything but audio: refused with port 0.
    Other,
}

/// A payload type and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) payload_type: u8,
    pub(super) encoding: Encoding,
}

/// What a payload type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Audio(Codec),
    /// At a clock rate in Hz.
    TelephoneEvent(u32),
}

/// `a=rtcp` (RFC 3605): a port, and an address when it is not that of RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RtcpAttribute {
    pub(super) port: u16,
    pub(super) address: Option<IpAddr>,
}

impl Stream {
    /// Whether the stream can carry our audio at all, and why not.
    pub(super) fn check(&self, ours: IpAddr) -> Result<IpAddr, SdpError> {
        match self.transport {
            Transport::PlainAudio | Transport::EncryptedAudio | Transport::DtlsAudio => {}
            Transport::OtherAudio => return Err(SdpError::NoCommonTransport),
            Transport::Other => return Err(SdpError::NoCommonMedia),
        }
        if self.line.port == 0 {
            return Err(SdpError::StreamRemoved);
        }
        let address = self.address?;
        let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        if address.is_multicast() || broadcast {
            return Err(SdpError::UnusableAddress);
        }
        match (address, ours) {
            _ if address.is_unspecified() => Ok(address),
            (IpAddr::V6(_), IpAddr::V4(_)) => Err(SdpError::OnlyIpv6),
            (IpAddr::V4(_), IpAddr::V6(_)) => Err(SdpError::OnlyIpv4),
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => Ok(address),
        }
    }

    /// What the writer says of encryption, whose SIP came from `met`.
    pub(super) fn asked(&self, met: Option<IpAddr>) -> Asked<'_> {
        let hidden = self.address.is_ok_and(|named| met.is_some_and(|met| hides(named, met)));
        Asked { transport: self.transport, lines: &self.crypto, dtls: &self.dtls, hidden }
    }

    /// The first format that is `codec`.
    pub(super) fn payload_type(&self, codec: Codec) -> Option<u8> {
        self.formats.iter().find(|f| f.encoding == Encoding::Audio(codec)).map(|f| f.payload_type)
    }

    /// The payload types of the stream that stand for a codec in `ours`, in its order.
    pub(super) fn audio(&self, ours: &[Codec]) -> impl Iterator<Item = (u8, Codec)> {
        self.formats.iter().filter_map(|format| match format.encoding {
            Encoding::Audio(codec) if ours.contains(&codec) => Some((format.payload_type, codec)),
            Encoding::Audio(_) | Encoding::TelephoneEvent(_) => None,
        })
    }

    /// The first codec of the stream that is in `ours`.
    pub(super) fn first_of(&self, ours: &[Codec]) -> Option<Codec> {
        self.formats.iter().find_map(|f| match f.encoding {
            Encoding::Audio(codec) if ours.contains(&codec) => Some(codec),
            Encoding::Audio(_) | Encoding::TelephoneEvent(_) => None,
        })
    }

    /// Telephone events for a codec with this clock rate: of several types the one with the same
    /// clock (RFC 4733 §2.1, and not merely the first one), else that at 8000 Hz, which is all that
    /// many phones offer beside their wide-band codecs. `receive` is the type we answer with; when
    /// the offer is ours, that is known to the caller.
    ///
    /// `a=fmtp` is not consulted: its list says which events the writer wants to *receive*,
    /// and is no bound on those that it sends us (RFC 4733 §2.5.1.1).
    pub(super) fn telephone_event(&self, clock: ClockRate) -> Option<TelephoneEvent> {
        let types = || {
            self.formats.iter().filter_map(|format| match format.encoding {
                Encoding::TelephoneEvent(rate) => Some((format.payload_type, rate)),
                Encoding::Audio(_) => None,
            })
        };
        let at = |wanted: ClockRate| {
            types().find(|&(_, rate)| rate == wanted.hz()).map(|(number, _)| (number, wanted))
        };
        let (send, clock) = at(clock).or_else(|| at(G711_CLOCK))?;
        let mut also = [None; 3];
        let others = types().map(|(other, _)| other).filter(|&other| other != send);
        for (place, other) in also.iter_mut().zip(others) {
            *place = Some(other);
        }
        Some(TelephoneEvent { send, receive: send, also, clock })
    }

    /// Where RTCP goes when RTP goes to `rtp`.
    pub(super) fn rtcp_address(&self, rtp: SocketAddr) -> Option<SocketAddr> {
        if rtp.ip().is_unspecified() {
            return None;
        }
        if self.rtcp_mux {
            return Some(rtp);
        }
        match self.rtcp {
            Some(rtcp) => {
                let same_family = |a: &IpAddr| a.is_ipv4() == rtp.is_ipv4();
                let address = rtcp.address.filter(same_family).unwrap_or_else(|| rtp.ip());
                Some(SocketAddr::new(address, rtcp.port))
            }
            None => rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port)),
        }
    }

    /// The packet time to send with: 10 to 60 ms in steps of 10, `usual` when nothing usable is
    /// said.
    pub(super) fn packet_time(&self, usual: u16) -> u16 {
        let wanted = self.ptime.unwrap_or(usual).min(self.max_ptime.unwrap_or(u16::MAX));
        wanted.clamp(10, 60) / 10 * 10
    }
}
