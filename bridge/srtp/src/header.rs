//! Where the clear part of a packet ends, and which packet it is.

/// Octets of an RTP header without contributing sources or extension.
const RTP_FIXED: usize = 12;
/// The octets of an SRTCP packet that stay clear: those of the first header and its source.
pub(crate) const RTCP_CLEAR: usize = 8;

/// What of an RTP packet is never encrypted.
#[derive(Clone, Copy)]
pub(crate) struct RtpHeader {
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    /// Its octets: fixed part, contributing sources and extension (RFC 3711 §3.1).
    pub(crate) len: usize,
}

impl RtpHeader {
    /// The header of `packet`; `None` when it is not of version 2 or longer than the packet.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        let &[first, _, high, low] = packet.first_chunk()?;
        if first >> 6 != 2 {
            return None;
        }
        let mut len = RTP_FIXED + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let words = packet.get(len + 2..len + 4)?;
            len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        let ssrc = word(packet, 8)?;
        (len <= packet.len()).then(|| Self { ssrc, sequence: u16::from_be_bytes([high, low]), len })
    }
}

/// The source of an RTCP packet; `None` when it is not of version 2 or too short to have one.
pub(crate) fn rtcp_source(packet: &[u8]) -> Option<u32> {
    (packet.first()? >> 6 == 2).then(|| word(packet, 4))?
}

/// Four octets in network order.
pub(crate) fn word(packet: &[u8], at: usize) -> Option<u32> {
    packet.get(at..)?.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}
