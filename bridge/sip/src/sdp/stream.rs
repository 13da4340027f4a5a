//! One `m=` block in the terms of negotiation.

use std::net::{IpAddr, SocketAddr};

use super::{Codec, Direction, SdpError};

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
    /// `a=ptime`, not above `a=maxptime`; milliseconds, any value.
    pub(super) ptime: Option<u16>,
}

/// What carries the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Audio on one port over RTP/AVP or RTP/AVPF. The feedback profile asks nothing of a
    /// receiver that sends no early feedback (RFC 4585 §3), so that it costs us nothing.
    PlainAudio,
    /// Anything else: refused with port 0.
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
    TelephoneEvent,
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
        if self.transport == Transport::Other {
            return Err(SdpError::NoCommonMedia);
        }
        if self.line.port == 0 {
            return Err(SdpError::StreamRemoved);
        }
        let address = self.address?;
        let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        let reachable = address.is_unspecified() || address.is_ipv4() == ours.is_ipv4();
        if address.is_multicast() || broadcast || !reachable {
            return Err(SdpError::UnusableAddress);
        }
        Ok(address)
    }

    /// The first format that is `codec`.
    pub(super) fn payload_type(&self, codec: Codec) -> Option<u8> {
        self.formats.iter().find(|f| f.encoding == Encoding::Audio(codec)).map(|f| f.payload_type)
    }

    /// The first codec of the stream that is in `ours`.
    pub(super) fn first_of(&self, ours: &[Codec]) -> Option<Codec> {
        self.formats.iter().find_map(|f| match f.encoding {
            Encoding::Audio(codec) if ours.contains(&codec) => Some(codec),
            Encoding::Audio(_) | Encoding::TelephoneEvent => None,
        })
    }

    /// The payload type of telephone-event at the clock rate of G.711.
    ///
    /// `a=fmtp` is not consulted: its list says which events the writer wants to *receive*,
    /// and is no bound on those that it sends us (RFC 4733 §2.5.1.1).
    pub(super) fn telephone_event(&self) -> Option<u8> {
        self.formats.iter().find(|f| f.encoding == Encoding::TelephoneEvent).map(|f| f.payload_type)
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

    /// The packet time to send with: 10 to 60 ms in steps of 10, 20 when nothing usable is said.
    pub(super) fn packet_time(&self) -> u16 {
        match self.ptime {
            None | Some(0) => 20,
            Some(ms) => ms.clamp(10, 60) / 10 * 10,
        }
    }
}
