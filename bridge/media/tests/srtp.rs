//! Encrypted legs: both directions, what networks do to packets, and what is not believed.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::SocketAddr;

use common::{Bench, ROOM, Stream, address, config, leg, mu, mu_decode, mu_encode, rtp};
use partyline_media::{
    Channel, Command, Event, LegConfig, LegStats, Rtcp, SrtpKey, SrtpKeys, SrtpSuite,
};
use partyline_srtp::{MAX_TRAILER, Protector, Unprotector};

/// One that is not on the path and knows the signalling.
const STRANGER: ([u8; 4], u16) = ([192, 0, 2, 99], 4_000);

fn key(suite: SrtpSuite, seed: u8) -> SrtpKey {
    SrtpKey::new(suite, &vec![seed; suite.master_len()]).unwrap()
}

fn keys(suite: SrtpSuite, ours: u8, theirs: u8) -> Option<Box<SrtpKeys>> {
    Some(Box::new(SrtpKeys { ours: key(suite, ours), theirs: key(suite, theirs) }))
}

/// Leg 1 is encrypted, leg 2 is not; both are in the room.
struct Call {
    bench: Bench,
    suite: SrtpSuite,
    /// The far end of leg 1.
    sends: Protector,
    receives: Unprotector,
    stream: Stream,
    /// Packets of leg 1 that the far end has opened.
    opened: usize,
}

impl Call {
    fn new(suite: SrtpSuite, first_sequence: u16) -> Self {
        let mut bench = Bench::new();
        let secure =
            LegConfig { srtp: keys(suite, 1, 2), first_sequence: 65_534, ..config(leg(1)) };
        bench.start(secure, leg(1));
        bench.start(config(leg(2)), leg(2));
        for number in 1..=2 {
            bench.command(Command::Join { leg: leg(number), room: ROOM });
        }
        Self {
            bench,
            suite,
            sends: Protector::new(&key(suite, 2)),
            receives: Unprotector::new(&key(suite, 1)),
            stream: Stream { sequence: first_sequence, timestamp: 5_000, ssrc: 77 },
            opened: 0,
        }
    }

    fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut packet = [plain, &[0; MAX_TRAILER]].concat();
        let len = self.sends.protect_rtp(&mut packet, plain.len()).unwrap();
        packet.truncate(len);
        packet
    }

    /// The next packet of the far end, sealed.
    fn next(&mut self, value: i16) -> Vec<u8> {
        let plain = rtp(0, false, self.stream, &[mu_encode(value); 160]);
        self.stream.sequence = self.stream.sequence.wrapping_add(1);
        self.stream.timestamp = self.stream.timestamp.wrapping_add(160);
        self.seal(&plain)
    }

    /// For so many ticks the far end and leg 2 speak.
    fn talk(&mut self, values: (i16, i16), frames: usize) {
        for _ in 0..frames {
            let packet = self.next(values.0);
            self.bench.receive(leg(1), address(leg(1)), &packet);
            self.bench.say(&[(2, values.1)], 1);
        }
    }

    /// The last sample that the far end decodes; it opens all that came since.
    fn heard(&mut self) -> i16 {
        let packets = &self.bench.heard.packets[&leg(1)][self.opened..];
        self.opened += packets.len();
        let mut last = None;
        for (_, packet) in packets {
            let mut packet = packet.clone();
            let len = self.receives.unprotect_rtp(&mut packet).unwrap();
            assert_eq!(len, 172);
            last = Some(mu_decode(packet[171]));
        }
        last.unwrap()
    }

    fn close(mut self) -> LegStats {
        self.bench.close(leg(1))
    }
}

#[test]
fn sound_goes_both_ways_under_every_suite_and_nothing_goes_plain() {
    for suite in SrtpSuite::ALL {
        let mut call = Call::new(suite, 1);
        call.talk((4_000, 8_000), 30);
        assert_eq!(call.bench.last(2), mu(4_000), "{suite:?}");
        assert_eq!(call.heard(), mu(8_000), "{suite:?}");
        let silence = [mu_encode(8_000); 160];
        let packets = &call.bench.heard.packets[&leg(1)];
        assert!(packets.iter().all(|(_, packet)| packet[12..172] != silence));
        let stats = call.close();
        assert_eq!(
            (stats.received_packets, stats.dropped, stats.lost),
            (30, Default::default(), 0)
        );
    }
}

#[test]
fn a_stream_goes_round_with_losses_and_swapped_packets() {
    let mut call = Call::new(SrtpSuite::Aes128HmacSha1_80, 65_500);
    call.talk((4_000, 0), 20);
    for n in 0..20 {
        let (first, second) = (call.next(4_000), call.next(4_000));
        call.bench.receive(leg(1), address(leg(1)), &second);
        if n % 5 != 0 {
            call.bench.receive(leg(1), address(leg(1)), &first);
        }
        call.bench.say(&[(2, 0)], 2);
    }
    call.talk((4_000, 0), 20);
    assert_eq!(call.stream.sequence, 44, "it has gone round");
    assert_eq!(call.bench.last(2), mu(4_000));
    let stats = call.close();
    assert_eq!((stats.received_packets, stats.lost), (76, 4));
    assert_eq!(stats.dropped, Default::default());
}

#[test]
fn our_own_stream_begins_far_from_the_turn() {
    let mut call = Call::new(SrtpSuite::Aes128Gcm, 1);
    call.talk((0, 8_000), 5);
    let (_, first) = &call.bench.heard.packets[&leg(1)][0];
    assert_eq!(first[2..4], 32_766_u16.to_be_bytes());
}

#[test]
fn replayed_forged_and_plain_packets_are_dropped_and_counted() {
    let mut call = Call::new(SrtpSuite::Aes128HmacSha1_80, 1);
    call.talk((0, 0), 20);
    let recorded = call.next(9_000);
    call.bench.receive(leg(1), address(leg(1)), &recorded);
    call.talk((0, 0), 20);
    call.bench.receive(leg(1), address(leg(1)), &recorded);
    let plain = rtp(0, false, call.stream, &[mu_encode(9_000); 160]);
    call.bench.receive(leg(1), address(leg(1)), &plain);
    let mut forger = Protector::new(&key(call.suite, 3));
    let mut forged = [plain.as_slice(), &[0; MAX_TRAILER]].concat();
    let len = forger.protect_rtp(&mut forged, plain.len()).unwrap();
    call.bench.receive(leg(1), address(leg(1)), &forged[..len]);
    call.bench.receive(leg(1), SocketAddr::from(STRANGER), &forged[..len]);
    call.bench.receive(leg(1), address(leg(1)), &[0x80; 11]);
    let mut report = [[0x80, 201, 0, 1].as_slice(), &77_u32.to_be_bytes(), &[0; 14]].concat();
    let at = address(leg(1));
    call.bench.worker.handle_packet(call.bench.now, leg(1), Channel::Rtcp, at, &mut report);
    call.talk((0, 0), 10);
    assert_eq!(call.bench.last(2), 0);
    let dropped = call.close().dropped;
    assert_eq!((dropped.replayed, dropped.unauthenticated), (1, 3));
    assert_eq!((dropped.source, dropped.malformed), (1, 1));
}

#[test]
fn only_an_authenticated_packet_shows_that_the_far_end_is_there() {
    let mut call = Call::new(SrtpSuite::Aes256Gcm, 1);
    // Behind the address of the far end's SIP anybody may send: without the key it is nobody's.
    let nat = SocketAddr::from(([203, 0, 113, 7], 9_999));
    for sequence in 1..20 {
        let plain = rtp(0, false, Stream { sequence, timestamp: 1, ssrc: 5 }, &[0; 160]);
        call.bench.receive(leg(1), nat, &plain);
        call.bench.pass(1);
    }
    let is_first = |event: &Event| matches!(event, Event::FirstPacket { leg } if leg.0 == 1);
    assert!(!call.bench.events.iter().any(is_first));
    assert!(call.bench.heard.packets[&leg(1)].iter().all(|(to, _)| *to == address(leg(1))));
    // The far end itself, from there, is: its second packet opens the latch.
    for _ in 0..2 {
        let packet = call.next(0);
        call.bench.receive(leg(1), nat, &packet);
        call.bench.pass(1);
    }
    assert!(call.bench.events.iter().any(is_first));
    assert_eq!(call.bench.heard.packets[&leg(1)].last().unwrap().0, nat);
    assert_eq!(call.close().dropped.unauthenticated, 19);
}

#[test]
fn another_source_under_the_same_key_takes_over() {
    let mut call = Call::new(SrtpSuite::Aes128HmacSha1_32, 65_530);
    call.talk((0, 0), 20);
    call.sends = Protector::new(&key(call.suite, 2));
    call.stream = Stream { sequence: 300, timestamp: 9, ssrc: 78 };
    call.talk((4_000, 8_000), 30);
    assert_eq!(call.bench.last(2), mu(4_000));
    assert_eq!(call.heard(), mu(8_000));
    let stats = call.close();
    assert_eq!((stats.restarts, stats.dropped.ssrc, stats.dropped.unauthenticated), (1, 2, 0));
}

#[test]
fn a_reinvite_with_the_same_keys_changes_nothing() {
    let mut call = Call::new(SrtpSuite::Aes128HmacSha1_80, 65_530);
    let recorded = call.next(0);
    call.bench.receive(leg(1), address(leg(1)), &recorded);
    call.talk((0, 0), 400);
    let again = LegConfig { srtp: keys(call.suite, 1, 2), ..config(leg(1)) };
    call.bench.command(Command::Update { leg: leg(1), config: Box::new(again) });
    // What was heard before cannot be played again, nor are the numbers of our reports used twice.
    call.bench.receive(leg(1), address(leg(1)), &recorded);
    call.talk((4_000, 8_000), 400);
    assert_eq!((call.bench.last(2), call.heard()), (mu(4_000), mu(8_000)));
    let reports = call.bench.heard.rtcp[&leg(1)].clone();
    assert!(reports.len() > 1);
    for (_, mut report) in reports {
        call.receives.unprotect_rtcp(&mut report).unwrap();
    }
    let dropped = call.close().dropped;
    assert_eq!((dropped.replayed, dropped.unauthenticated), (1, 0));
}

#[test]
fn new_keys_take_effect_and_the_old_one_holds_until_the_far_end_has_changed() {
    let mut call = Call::new(SrtpSuite::Aes128HmacSha1_80, 65_530);
    call.talk((0, 8_000), 20);
    assert_eq!(call.heard(), mu(8_000));
    let changed = LegConfig { srtp: keys(SrtpSuite::Aes128Gcm, 4, 5), ..config(leg(1)) };
    call.bench.command(Command::Update { leg: leg(1), config: Box::new(changed) });
    call.talk((2_000, 8_000), 20);
    assert_eq!(call.bench.last(2), mu(2_000), "under the old key, for our answer is on its way");
    call.receives = Unprotector::new(&key(SrtpSuite::Aes128Gcm, 4));
    assert_eq!(call.heard(), mu(8_000), "ours is the new one at once");
    let old = std::mem::replace(&mut call.sends, Protector::new(&key(SrtpSuite::Aes128Gcm, 5)));
    call.talk((4_000, 8_000), 20);
    assert_eq!(call.bench.last(2), mu(4_000));
    call.sends = old;
    call.talk((9_000, 0), 20);
    assert_ne!(call.bench.last(2), mu(9_000));
    assert_eq!(call.close().dropped.unauthenticated, 20);
}

#[test]
fn a_leg_becomes_encrypted_and_plain_again() {
    let mut call = Call::new(SrtpSuite::Aes128HmacSha1_80, 1);
    call.talk((0, 0), 10);
    let plain = LegConfig { srtp: None, ..config(leg(1)) };
    call.bench.command(Command::Update { leg: leg(1), config: Box::new(plain) });
    call.bench.forget();
    call.bench.streams.insert(leg(1), call.stream);
    call.bench.say(&[(1, 4_000), (2, 8_000)], 30);
    assert_eq!((call.bench.last(2), call.bench.last(1)), (mu(4_000), mu(8_000)));
}

#[test]
fn reports_are_protected_and_only_protected_ones_are_believed() {
    for suite in SrtpSuite::ALL {
        let mut call = Call::new(suite, 1);
        call.talk((0, 0), 400);
        let reports = call.bench.heard.rtcp[&leg(1)].clone();
        assert!(!reports.is_empty());
        for (_, report) in &reports {
            let mut report = report.clone();
            let len = call.receives.unprotect_rtcp(&mut report).unwrap();
            // A sender report with a block, then the name.
            assert_eq!(
                (report[..2].to_vec(), &report[52..54], len),
                (vec![0x81, 200], &[0x81, 202][..], 68)
            );
        }
        let mut report = [[0x80, 201, 0, 1].as_slice(), &77_u32.to_be_bytes()].concat();
        report.resize(8 + MAX_TRAILER, 0);
        let len = call.sends.protect_rtcp(&mut report, 8).unwrap();
        let at = SocketAddr::new(address(leg(1)).ip(), 4_001);
        for _ in 0..2 {
            let mut report = report[..len].to_vec();
            call.bench.worker.handle_packet(call.bench.now, leg(1), Channel::Rtcp, at, &mut report);
        }
        let stats = call.close();
        assert_eq!((stats.received_rtcp, stats.dropped.replayed), (1, 1), "{suite:?}");
    }
}

#[test]
fn reports_share_the_port_when_multiplexed() {
    let mut call = Call::new(SrtpSuite::Aes128HmacSha1_80, 1);
    let muxed = LegConfig { rtcp: Rtcp::Mux, srtp: keys(call.suite, 1, 2), ..config(leg(1)) };
    call.bench.command(Command::Update { leg: leg(1), config: Box::new(muxed) });
    let mut report = [[0x80, 201, 0, 1].as_slice(), &77_u32.to_be_bytes()].concat();
    report.resize(8 + MAX_TRAILER, 0);
    let len = call.sends.protect_rtcp(&mut report, 8).unwrap();
    call.bench.receive(leg(1), address(leg(1)), &report[..len]);
    assert_eq!(call.close().received_rtcp, 1);
}
