//! What libsrtp 2.7.0 makes of the same packets under the same keys: a second opinion.
//!
//! The file was written by a few lines of Python over pylibsrtp 1.0.0, which has no suite with
//! AES-256 in counter mode; the vectors of RFC 6188 stand for that one.

#![allow(clippy::unwrap_used, reason = "tests")]

use partyline_srtp::{MAX_TRAILER, Protector, SrtpKey, SrtpSuite, Unprotector};

const THEIRS: &str = include_str!("libsrtp-2.7.0.txt");
const SSRC: [u8; 4] = [0xca, 0xfe, 0, 1];

fn key(suite: SrtpSuite) -> SrtpKey {
    let master: Vec<u8> =
        (0..suite.master_len()).map(|i| u8::try_from((i * 7 + 1) % 256).unwrap()).collect();
    SrtpKey::new(suite, &master).unwrap()
}

/// Forty octets of sound; the second packet has a contributing source and an extension.
fn rtp(number: usize) -> Vec<u8> {
    let sequence = [65_534_u16, 65_535, 0][number];
    let mut packet = if number == 1 { vec![0x91, 0x80] } else { vec![0x80, 0] };
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(SSRC);
    if number == 1 {
        packet.extend([0x11, 0x22, 0x33, 0x44, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
    }
    packet.extend(0..40);
    packet
}

/// A receiver report and the name.
fn rtcp() -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(SSRC);
    packet.extend([0x81, 202, 0, 3]);
    packet.extend(SSRC);
    packet.extend(*b"\x01\x04node\0\0");
    packet
}

/// The packets of one kind under one suite, as libsrtp sealed them.
fn theirs(suite: SrtpSuite, kind: &str) -> Vec<Vec<u8>> {
    let name = format!("{suite:?}");
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    THEIRS
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|words| words[0] == name && words[1] == kind)
        .map(|words| words[2].as_bytes().chunks(2).map(octet).collect())
        .collect()
}

#[test]
fn packets_are_sealed_and_opened_as_libsrtp_does() {
    for suite in SrtpSuite::ALL.into_iter().filter(|&s| s != SrtpSuite::Aes256HmacSha1_80) {
        let (mut ours, mut far) = (Protector::new(&key(suite)), Unprotector::new(&key(suite)));
        let sealed = theirs(suite, "RTP");
        assert_eq!(sealed.len(), 3, "{suite:?}");
        for (number, mut sealed) in sealed.into_iter().enumerate() {
            let plain = rtp(number);
            let mut buffer = [plain.as_slice(), &[0; MAX_TRAILER]].concat();
            let len = ours.protect_rtp(&mut buffer, plain.len()).unwrap();
            assert_eq!(buffer[..len], sealed, "{suite:?} {number}");
            let len = far.unprotect_rtp(&mut sealed).unwrap();
            assert_eq!(sealed[..len], plain, "{suite:?} {number}");
        }
        // The first index of libsrtp is 1.
        let mut skipped = [rtcp(), vec![0; MAX_TRAILER]].concat();
        ours.protect_rtcp(&mut skipped, rtcp().len()).unwrap();
        let sealed = theirs(suite, "RTCP");
        assert_eq!(sealed.len(), 2, "{suite:?}");
        for mut sealed in sealed {
            let mut buffer = [rtcp(), vec![0; MAX_TRAILER]].concat();
            let len = ours.protect_rtcp(&mut buffer, rtcp().len()).unwrap();
            assert_eq!(buffer[..len], sealed, "{suite:?}");
            let len = far.unprotect_rtcp(&mut sealed).unwrap();
            assert_eq!(sealed[..len], rtcp(), "{suite:?}");
        }
    }
}
