//! What came to a media port, by its first octets.

/// Who may send to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// RTP, and no RTCP.
    Rtp,
    /// RTCP, and no RTP.
    Rtcp,
    /// RTP and RTCP (RFC 5761).
    Shared,
}

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Sound and key presses, plain or encrypted.
    Rtp,
    /// Reports, plain or encrypted.
    Rtcp,
    /// Part of a handshake.
    Dtls,
    /// Nothing that is spoken here: STUN, ZRTP, channels of TURN, or noise.
    Other,
}

/// What a datagram is (RFC 7983 §7, RFC 5764 §5.1.2), and which of the two on a shared port
/// (RFC 5761 §4: packet types 192 to 223 are RTCP).
pub(crate) fn demultiplex(datagram: &[u8], port: Port) -> Protocol {
    match (datagram, port) {
        ([20..=63, ..], _) => Protocol::Dtls,
        ([128..=191, 192..=223, ..], Port::Shared) | ([128..=191, ..], Port::Rtcp) => {
            Protocol::Rtcp
        }
        ([128..=191, ..], Port::Rtp | Port::Shared) => Protocol::Rtp,
        // STUN has 0 to 3, ZRTP 16 to 19, channels of TURN 64 to 79.
        ([] | [0..=19 | 64..=127 | 192..=255, ..], _) => Protocol::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_octet_is_somebodys_or_nobodys() {
        for first in 0..=255u8 {
            let wanted = match first {
                20..=63 => Protocol::Dtls,
                128..=191 => Protocol::Rtp,
                _ => Protocol::Other,
            };
            for (port, second) in [(Port::Rtp, 200), (Port::Shared, 0), (Port::Shared, 0x80)] {
                assert_eq!(demultiplex(&[first, second, 0], port), wanted, "{first}");
            }
        }
        assert_eq!(demultiplex(&[], Port::Shared), Protocol::Other);
    }

    #[test]
    fn a_shared_port_tells_reports_by_their_type_and_a_port_of_its_own_needs_none() {
        let on = |port, second| demultiplex(&[0x80, second], port);
        for (second, wanted) in [
            (191, Protocol::Rtp),
            (192, Protocol::Rtcp),
            (200, Protocol::Rtcp),
            (223, Protocol::Rtcp),
            (224, Protocol::Rtp),
        ] {
            assert_eq!(on(Port::Shared, second), wanted, "{second}");
            assert_eq!(on(Port::Rtcp, second), Protocol::Rtcp);
            assert_eq!(on(Port::Rtp, second), Protocol::Rtp);
        }
        assert_eq!(demultiplex(&[0x80], Port::Shared), Protocol::Rtp);
    }
}
