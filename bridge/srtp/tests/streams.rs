//! Streams as networks bring them: lost, late, twice, forged, gone round, under another key.

#![allow(clippy::unwrap_used, reason = "tests")]

use partyline_srtp::{MAX_TRAILER, Protector, Refused, SOURCES, SrtpKey, SrtpSuite, Unprotector};
use proptest::prelude::*;

const SSRC: u32 = 0x1122_3344;

fn key(suite: SrtpSuite, seed: u8) -> SrtpKey {
    SrtpKey::new(suite, &vec![seed; suite.master_len()]).unwrap()
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x55; 160]);
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1], ssrc.to_be_bytes().as_slice()].concat()
}

fn seal(sender: &mut Protector, plain: &[u8]) -> Vec<u8> {
    let mut packet = [plain, &[0; MAX_TRAILER]].concat();
    let len = sender.protect_rtp(&mut packet, plain.len()).unwrap();
    packet.truncate(len);
    packet
}

fn seal_rtcp(sender: &mut Protector, plain: &[u8]) -> Vec<u8> {
    let mut packet = [plain, &[0; MAX_TRAILER]].concat();
    let len = sender.protect_rtcp(&mut packet, plain.len()).unwrap();
    packet.truncate(len);
    packet
}

fn open(receiver: &mut Unprotector, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut packet = packet.to_vec();
    let before = packet.clone();
    let opened = receiver.unprotect_rtp(&mut packet);
    if opened.is_err() {
        assert_eq!(packet, before, "a refused packet is as it was");
    }
    opened.map(|len| packet[..len].to_vec())
}

fn open_rtcp(receiver: &mut Unprotector, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut packet = packet.to_vec();
    receiver.unprotect_rtcp(&mut packet).map(|len| packet[..len].to_vec())
}

fn pair(suite: SrtpSuite) -> (Protector, Unprotector) {
    (Protector::new(&key(suite, 7)), Unprotector::new(&key(suite, 7)))
}

#[test]
fn a_stream_goes_round_with_losses_and_swapped_packets() {
    for suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let mut sequence = 30_000_u16;
        for n in 0..3_000 {
            // Two packets swapped, and every third pair followed by a loss of 89: four rounds.
            let first = rtp(SSRC, sequence);
            let second = rtp(SSRC, sequence.wrapping_add(1));
            let (a, b) = (seal(&mut sender, &first), seal(&mut sender, &second));
            assert_ne!(a[12..172], first[12..]);
            assert_eq!(open(&mut receiver, &b), Ok(second), "{suite:?} {n}");
            assert_eq!(open(&mut receiver, &a), Ok(first), "{suite:?} {n}");
            sequence = sequence.wrapping_add(if n % 3 == 0 { 91 } else { 2 });
        }
    }
}

#[test]
fn what_came_before_or_is_too_old_is_refused() {
    for suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let packets: Vec<_> = (0..200_u16)
            .map(|n| seal(&mut sender, &rtp(SSRC, 65_500_u16.wrapping_add(n))))
            .collect();
        assert!(open(&mut receiver, &packets[0]).is_ok());
        assert_eq!(open(&mut receiver, &packets[0]), Err(Refused::Replayed));
        assert!(open(&mut receiver, &packets[199]).is_ok());
        assert!(open(&mut receiver, &packets[72]).is_ok());
        assert_eq!(open(&mut receiver, &packets[72]), Err(Refused::Replayed));
        assert_eq!(open(&mut receiver, &packets[71]), Err(Refused::Replayed));
        let reports: Vec<_> = (0..200).map(|_| seal_rtcp(&mut sender, &rtcp(SSRC))).collect();
        assert_eq!(open_rtcp(&mut receiver, &reports[5]), Ok(rtcp(SSRC)));
        assert_eq!(open_rtcp(&mut receiver, &reports[5]), Err(Refused::Replayed));
        assert_eq!(open_rtcp(&mut receiver, &reports[4]), Ok(rtcp(SSRC)));
        assert_eq!(open_rtcp(&mut receiver, &reports[199]), Ok(rtcp(SSRC)));
        assert_eq!(open_rtcp(&mut receiver, &reports[71]), Err(Refused::Replayed));
    }
}

#[test]
fn no_octet_of_a_packet_can_be_changed() {
    for suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let packet = seal(&mut sender, &rtp(SSRC, 9));
        let report = seal_rtcp(&mut sender, &rtcp(SSRC));
        for (at, bit) in (0..packet.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut changed = packet.clone();
            changed[at] ^= 1 << bit;
            assert!(open(&mut receiver, &changed).is_err(), "{suite:?} {at} {bit}");
        }
        for (at, bit) in (0..report.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut changed = report.clone();
            changed[at] ^= 1 << bit;
            assert!(open_rtcp(&mut receiver, &changed).is_err(), "{suite:?} {at} {bit}");
        }
        // Nor has what was refused left anything behind.
        assert_eq!(open(&mut receiver, &packet), Ok(rtp(SSRC, 9)));
        assert_eq!(open_rtcp(&mut receiver, &report), Ok(rtcp(SSRC)));
    }
}

#[test]
fn a_plain_packet_and_one_of_another_key_are_refused() {
    for suite in SrtpSuite::ALL {
        let (_, mut receiver) = pair(suite);
        assert_eq!(open(&mut receiver, &rtp(SSRC, 1)), Err(Refused::Forged));
        let mut other = Protector::new(&key(suite, 8));
        assert_eq!(open(&mut receiver, &seal(&mut other, &rtp(SSRC, 1))), Err(Refused::Forged));
        let report = seal_rtcp(&mut other, &rtcp(SSRC));
        assert_eq!(open_rtcp(&mut receiver, &report), Err(Refused::Forged));
        assert_eq!(
            open_rtcp(&mut receiver, &[[0x80, 201, 0, 6].as_slice(), &[1; 24]].concat()),
            Err(Refused::Forged)
        );
    }
}

#[test]
fn a_source_is_counted_on_when_another_one_spoke_meanwhile() {
    let suite = SrtpSuite::Aes128HmacSha1_80;
    let (mut sender, mut receiver) = pair(suite);
    for sequence in [40_000, 65_000, 20_000] {
        assert!(open(&mut receiver, &seal(&mut sender, &rtp(SSRC, sequence))).is_ok());
    }
    let mut other = Protector::new(&key(suite, 7));
    assert!(open(&mut receiver, &seal(&mut other, &rtp(5, 50_000))).is_ok());
    assert!(open(&mut receiver, &seal(&mut sender, &rtp(SSRC, 20_001))).is_ok());
    // The first source cannot be begun anew by who recorded it.
    let mut recorded = Protector::new(&key(suite, 7));
    assert_eq!(open(&mut receiver, &seal(&mut recorded, &rtp(SSRC, 20_002))), Err(Refused::Forged));
}

#[test]
fn a_stream_whose_first_packets_were_lost_at_the_turn_is_understood() {
    let (mut sender, mut receiver) = pair(SrtpSuite::Aes128Gcm);
    seal(&mut sender, &rtp(SSRC, 65_535));
    assert!(open(&mut receiver, &seal(&mut sender, &rtp(SSRC, 0))).is_ok());
    assert!(open(&mut receiver, &seal(&mut sender, &rtp(SSRC, 1))).is_ok());
}

#[test]
fn under_a_new_key_a_source_counts_on_or_begins_anew() {
    let suite = SrtpSuite::Aes128HmacSha1_32;
    let (mut sender, mut receiver) = pair(suite);
    for sequence in [40_000, 65_000, 20_000] {
        assert!(open(&mut receiver, &seal(&mut sender, &rtp(SSRC, sequence))).is_ok());
    }
    // RFC 3711 has it count on: this one has gone round once before under the new key.
    let mut counting = Protector::new(&key(suite, 9));
    for sequence in [40_000, 65_000] {
        seal(&mut counting, &rtp(SSRC, sequence));
    }
    let mut rekeyed = receiver.rekeyed(&key(suite, 9));
    assert!(open(&mut rekeyed, &seal(&mut counting, &rtp(SSRC, 20_001))).is_ok());
    // Many begin anew.
    let mut anew = Protector::new(&key(suite, 9));
    let mut rekeyed = receiver.rekeyed(&key(suite, 9));
    assert!(open(&mut rekeyed, &seal(&mut anew, &rtp(SSRC, 20_001))).is_ok());
}

#[test]
fn sources_are_as_many_as_there_is_room_for() {
    let suite = SrtpSuite::Aes128Gcm;
    let (_, mut receiver) = pair(suite);
    let first = |ssrc| seal(&mut Protector::new(&key(suite, 7)), &rtp(ssrc, 1));
    for ssrc in 0..u32::try_from(SOURCES).unwrap() {
        assert!(open(&mut receiver, &first(ssrc)).is_ok());
    }
    assert_eq!(open(&mut receiver, &first(1_000)), Err(Refused::TooManySources));
    assert_eq!(open(&mut receiver, &first(0)), Err(Refused::Replayed));
}

#[test]
fn nothing_is_sealed_twice_under_one_number() {
    let (mut sender, _) = pair(SrtpSuite::Aes128Gcm);
    let mut protect = |ssrc, sequence| {
        let mut packet = [rtp(ssrc, sequence), vec![0; MAX_TRAILER]].concat();
        sender.protect_rtp(&mut packet, 172)
    };
    assert!(protect(SSRC, 10).is_some());
    assert_eq!(protect(SSRC, 10), None);
    assert_eq!(protect(SSRC, 9), None);
    assert_eq!(protect(5, 11), None);
    assert!(protect(SSRC, 11).is_some());
}

#[test]
fn a_packet_without_room_for_its_tag_is_not_sealed() {
    for suite in SrtpSuite::ALL {
        let (mut sender, _) = pair(suite);
        let mut packet = rtp(SSRC, 10);
        let len = packet.len();
        assert_eq!(sender.protect_rtp(&mut packet, len), None);
        assert_eq!(packet, rtp(SSRC, 10));
        assert_eq!(sender.protect_rtcp(&mut rtcp(SSRC), 8), None);
        assert_eq!(sender.protect_rtp(&mut [0x80; 40], 11), None);
        assert_eq!(sender.protect_rtcp(&mut [0x80; 40], 7), None);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..90), first in 0x80u8..0xc0, suite in 0..5usize,
    ) {
        let mut bytes = bytes;
        if let Some(octet) = bytes.first_mut() {
            *octet = first;
        }
        let (_, mut receiver) = pair(SrtpSuite::ALL[suite]);
        prop_assert!(open(&mut receiver, &bytes).is_err());
        prop_assert!(open_rtcp(&mut receiver, &bytes).is_err());
        let (mut sender, _) = pair(SrtpSuite::ALL[suite]);
        for len in [0, 1, bytes.len() / 2, bytes.len(), bytes.len() + 1] {
            let sealed = sender.protect_rtp(&mut bytes.clone(), len);
            prop_assert!(sealed.is_none_or(|sealed| sealed > len && sealed <= bytes.len()));
        }
    }
}
