//! The RTP header (RFC 3550 §5.1): read by rtp-rs, written here into place.

use rtp_rs::RtpReader;

/// Octets of a header without contributing sources or extension.
pub(crate) const HEADER_LEN: usize = 12;

/// What matters of a received packet.
#[derive(Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The packet in a datagram, if its lengths hold together.
    pub(crate) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let reader = RtpReader::new(datagram).ok()?;
        Some(Self {
            payload_type: reader.payload_type(),
            marker: reader.mark(),
            sequence: reader.sequence_number().into(),
            timestamp: reader.timestamp(),
            ssrc: reader.ssrc(),
            payload: reader.payload(),
        })
    }
}

/// The header of a packet to be sent.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

impl Header {
    /// Writes the 12 octets to the front of a packet.
    pub(crate) fn write(self, out: &mut [u8; HEADER_LEN]) {
        out[0] = 0x80;
        out[1] = self.payload_type & 0x7f | if self.marker { 0x80 } else { 0 };
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }
}

/// How far `sequence` is after `reference`, negative when before (RFC 3550 arithmetic).
pub(crate) const fn sequence_distance(sequence: u16, reference: u16) -> i16 {
    sequence.wrapping_sub(reference).cast_signed()
}

/// How far `timestamp` is after `reference` in samples, negative when before.
pub(crate) const fn timestamp_distance(timestamp: u32, reference: u32) -> i32 {
    timestamp.wrapping_sub(reference).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            payload_type in 0u8..128, marker: bool, sequence: u16, timestamp: u32, ssrc: u32,
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let header = Header { payload_type, marker, sequence, timestamp, ssrc };
            let mut datagram = [0; HEADER_LEN];
            header.write(&mut datagram);
            let datagram = [datagram.as_slice(), &payload].concat();
            let packet = Packet::parse(&datagram).unwrap();
            prop_assert_eq!(
                (packet.payload_type, packet.marker, packet.sequence, packet.timestamp),
                (payload_type, marker, sequence, timestamp)
            );
            prop_assert_eq!((packet.ssrc, packet.payload), (ssrc, payload.as_slice()));
        }

        #[test]
        fn any_bytes_are_a_packet_or_none(
            bytes in proptest::collection::vec(any::<u8>(), 0..100), first in 0x80u8..0xc0,
        ) {
            let mut bytes = bytes;
            if let Some(b) = bytes.first_mut() {
                *b = first;
            }
            let payload = Packet::parse(&bytes).map_or(0, |p| p.payload.len());
            prop_assert!(payload <= bytes.len());
        }
    }

    #[test]
    fn distances_go_round() {
        assert_eq!(sequence_distance(2, 65_534), 4);
        assert_eq!(timestamp_distance(u32::MAX, 3), -4);
    }
}
