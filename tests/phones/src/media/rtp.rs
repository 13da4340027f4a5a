//! RTP packets (RFC 3550 §5.1), telephone events (RFC 4733 §2.3) and the few RTCP octets a polite
//! far end sends. No statistics.

/// One RTP packet, its payload borrowed from the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// First packet of a talkspurt or of a telephone event.
    pub marker: bool,
    /// 0..=127.
    pub payload_type: u8,
    /// Grows by one a packet, modulo 2^16.
    pub sequence: u16,
    /// In samples of 8 kHz, modulo 2^32.
    pub timestamp: u32,
    /// Names the stream.
    pub ssrc: u32,
    /// What follows the header, extension and padding taken off.
    pub payload: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Reads a datagram; `None` when it is no RTP of version 2 or its lengths do not add up.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, mut rest) = bytes.split_at_checked(12)?;
        if header[0] >> 6 != 2 {
            return None;
        }
        let contributors = usize::from(header[0] & 0x0F) * 4;
        rest = rest.get(contributors..)?;
        if header[0] & 0x10 != 0 {
            let (extension, after) = rest.split_at_checked(4)?;
            let words = u16::from_be_bytes([extension[2], extension[3]]);
            rest = after.get(usize::from(words) * 4..)?;
        }
        if header[0] & 0x20 != 0 {
            let padding = usize::from(*rest.last()?);
            if padding == 0 {
                return None;
            }
            rest = rest.get(..rest.len().checked_sub(padding)?)?;
        }
        Some(Self {
            marker: header[1] & 0x80 != 0,
            payload_type: header[1] & 0x7F,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            payload: rest,
        })
    }

    /// The packet as it goes out: no contributors, extension or padding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + self.payload.len());
        bytes.push(0x80);
        bytes.push(u8::from(self.marker) << 7 | self.payload_type & 0x7F);
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        bytes.extend_from_slice(self.payload);
        bytes
    }
}

/// The four octets of a telephone event: code, end bit with a volume of -10 dBm0, duration in samples.
pub(crate) fn telephone_event(code: u8, end: bool, duration: u16) -> [u8; 4] {
    let [high, low] = duration.to_be_bytes();
    [code, u8::from(end) << 7 | 10, high, low]
}

/// A sender report without report blocks and a CNAME, RFC 3550 §6.4.1 and §6.5.1.
pub(crate) fn sender_report(report: &Report, cname: &str) -> Vec<u8> {
    let mut bytes = vec![0x80, 200, 0, 6];
    bytes.extend_from_slice(&report.ssrc.to_be_bytes());
    bytes.extend_from_slice(&report.ntp.to_be_bytes());
    bytes.extend_from_slice(&report.timestamp.to_be_bytes());
    bytes.extend_from_slice(&report.packets.to_be_bytes());
    bytes.extend_from_slice(&report.octets.to_be_bytes());
    let name = &cname.as_bytes()[..cname.len().min(64)];
    let mut chunk = report.ssrc.to_be_bytes().to_vec();
    chunk.extend_from_slice(&[1, u8::try_from(name.len()).expect("at most 64")]);
    chunk.extend_from_slice(name);
    // One zero octet ends the items, more fill the word.
    chunk.push(0);
    while !chunk.len().is_multiple_of(4) {
        chunk.push(0);
    }
    let words = u16::try_from(chunk.len() / 4).expect("a chunk of at most 72 octets");
    bytes.extend_from_slice(&[0x81, 202]);
    bytes.extend_from_slice(&words.to_be_bytes());
    bytes.extend_from_slice(&chunk);
    bytes
}

/// What a sender report says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) ssrc: u32,
    /// 32.32 fixed point seconds of the phone's own time.
    pub(crate) ntp: u64,
    pub(crate) timestamp: u32,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn extension_contributors_and_padding_are_taken_off() {
        let mut bytes = vec![0xB1, 0x80, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4];
        bytes.extend_from_slice(&[9; 4]);
        bytes.extend_from_slice(&[0xBE, 0xDE, 0, 1, 5, 5, 5, 5]);
        bytes.extend_from_slice(&[0xAA, 0xBB, 0, 2]);
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(packet.payload, [0xAA, 0xBB]);
        assert!(packet.marker);
        assert_eq!((packet.sequence, packet.timestamp), (7, 9));
    }

    #[test]
    fn sender_report_is_a_compound_of_whole_words() {
        let report = Report { ssrc: 1, ntp: 2, timestamp: 3, packets: 4, octets: 5 };
        let bytes = sender_report(&report, "anna");
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(bytes[28..30], [0x81, 202]);
        let words = usize::from(u16::from_be_bytes([bytes[30], bytes[31]]));
        assert_eq!(bytes.len(), 28 + 4 + words * 4);
    }

    proptest! {
        #[test]
        fn no_datagram_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            std::hint::black_box(RtpPacket::parse(&bytes));
        }

        #[test]
        fn packets_come_back_as_sent(
            marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let packet =
                RtpPacket { marker, payload_type, sequence, timestamp, ssrc, payload: &payload };
            let bytes = packet.to_bytes();
            prop_assert_eq!(RtpPacket::parse(&bytes), Some(packet));
        }
    }
}
