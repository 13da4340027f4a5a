//! What is sent and received around the sound: headers, latching, reports, silence, the end.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Bench, Stream, address, config, leg, mu, queue, rtp};
use partyline_media::{
    Channel, Codec, Command, Direction, Event, Formats, LegConfig, Rtcp, Signalling,
};
use partyline_model::PlaybackId;

const STRANGER: ([u8; 4], u16) = ([203, 0, 113, 9], 9_999);
/// Within the network that the SIP of all legs comes from.
const NATTED: ([u8; 4], u16) = ([203, 0, 113, 7], 31_000);

/// The packet with this number of the stream that a phone of a test sends: 20 ms of silence.
fn packet(sequence: u16) -> Vec<u8> {
    let stream = Stream { sequence, timestamp: u32::from(sequence) * 160, ssrc: 5 };
    rtp(0, false, stream, &[0xff; 160])
}

/// A receiver report of `sender` about the stream `about`.
fn receiver_report(sender: u32, about: u32) -> Vec<u8> {
    let mut report = vec![0x81, 201, 0, 7];
    report.extend([sender, about, 0, 0, 0, 0, 0].map(u32::to_be_bytes).concat());
    report
}

fn started(config: LegConfig) -> Bench {
    let mut bench = Bench::new();
    bench.start(config, leg(1));
    bench
}

fn be32(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(packet[at..at + 4].try_into().unwrap())
}

fn be16(packet: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(packet[at..at + 2].try_into().unwrap())
}

#[test]
fn the_stream_begins_with_its_numbers_and_runs_on_over_their_wrap() {
    let mut bench = started(config(leg(1)));
    bench.pass(10);
    let packets = &bench.heard.packets[&leg(1)];
    assert_eq!(packets.len(), 10);
    for (n, (destination, packet)) in (0_u16..).zip(packets) {
        assert_eq!((packet[0], packet[1]), (0x80, if n == 0 { 0x80 } else { 0 }));
        assert_eq!(be16(packet, 2), 65_530_u16.wrapping_add(n));
        let timestamp = (u32::MAX - 100).wrapping_add(u32::from(n) * 160);
        assert_eq!((be32(packet, 4), be32(packet, 8)), (timestamp, 1_001));
        assert_eq!((packet.len(), *destination), (172, address(leg(1))));
        assert!(packet[12..].iter().all(|&octet| octet == 0xff));
    }
}

#[test]
fn packets_hold_what_was_negotiated() {
    for (ptime_ms, packets, octets) in [(10, 12, 80), (30, 4, 240), (40, 3, 320), (60, 2, 480)] {
        let mut bench = started(LegConfig { ptime_ms, ..config(leg(1)) });
        bench.pass(6);
        let sent = &bench.heard.packets[&leg(1)];
        assert_eq!((sent.len(), sent[0].1.len()), (packets, 12 + octets));
        let step = be32(&sent[1].1, 4).wrapping_sub(be32(&sent[0].1, 4));
        assert_eq!(step, u32::try_from(octets).unwrap());
    }
}

#[test]
fn both_laws_meet_in_one_room() {
    let mut bench = Bench::with_room(2);
    let a_law = LegConfig {
        codec: Codec::Pcma,
        send_payload_type: 8,
        receive: Formats::new(8, Codec::Pcma),
        ..config(leg(2))
    };
    bench.command(Command::Update { leg: leg(2), config: Box::new(a_law) });
    bench.say(&[(1, 8_000)], 10);
    let (_, packet) = bench.heard.packets[&leg(2)].last().unwrap();
    // 7,932 lies in A-law's interval from 7,680 to 7,936: segment 6, step 14.
    assert_eq!((packet[1], packet[12]), (8, (0x80 | 5 << 4 | 14) ^ 0x55));
    assert_eq!(mu(8_000), 7_932);
}

#[test]
fn a_leg_behind_nat_is_sent_to_where_it_sends_from_and_strangers_are_dropped() {
    let mut bench = started(config(leg(1)));
    let nat = SocketAddr::from(NATTED);
    bench.pass(1);
    assert_eq!(bench.heard.packets[&leg(1)].last().unwrap().0, address(leg(1)));
    for sequence in 1..=4 {
        bench.receive(leg(1), nat, &packet(sequence));
        bench.pass(1);
    }
    assert_eq!(bench.heard.packets[&leg(1)].last().unwrap().0, nat);
    for sequence in 5..=9 {
        bench.receive(leg(1), SocketAddr::from(STRANGER), &packet(sequence));
        bench.pass(1);
    }
    assert_eq!(bench.heard.packets[&leg(1)].last().unwrap().0, nat);
    let stats = bench.close(leg(1));
    assert_eq!((stats.received_packets, stats.dropped.unlatched, stats.dropped.source), (3, 1, 5));
    let first = bench.events.iter().filter(|e| matches!(e, Event::FirstPacket { .. }));
    assert_eq!(first.count(), 1);
}

#[test]
fn a_silent_leg_is_neither_heard_nor_listened_to_by_a_stranger() {
    let mut bench = started(config(leg(1)));
    for sequence in 0..500 {
        bench.receive(leg(1), SocketAddr::from(STRANGER), &packet(sequence));
        let report = receiver_report(5, 1_001);
        let stranger = SocketAddr::from(STRANGER);
        bench.worker.handle_packet(bench.now, leg(1), Channel::Rtcp, stranger, &mut report.clone());
        bench.pass(1);
    }
    assert!(bench.heard.packets[&leg(1)].iter().all(|(to, _)| *to == address(leg(1))));
    let reports = &bench.heard.rtcp[&leg(1)];
    assert!(reports.iter().all(|(to, _)| to.ip() == address(leg(1)).ip()), "{reports:?}");
    assert!(bench.events.iter().any(|e| matches!(e, Event::Silent { .. })), "no sign of life");
    assert_eq!(bench.worker.dropped().rtcp_source, 500, "of a leg that is up");
    let stats = bench.close(leg(1));
    assert_eq!((stats.received_packets, stats.received_rtcp), (0, 0));
    assert_eq!((stats.dropped.source, stats.dropped.rtcp_source), (500, 500));
    assert_eq!(bench.worker.dropped(), stats.dropped, "and of legs that have ended");
}

#[test]
fn reports_through_a_nat_are_believed_when_they_name_a_stream() {
    let mut bench = started(config(leg(1)));
    let nat = SocketAddr::from(NATTED);
    let report = |bench: &mut Bench, port, packet: &[u8]| {
        let from = SocketAddr::new(nat.ip(), port);
        bench.worker.handle_packet(bench.now, leg(1), Channel::Rtcp, from, &mut packet.to_vec());
    };
    // Somebody else behind the same address knows neither number.
    report(&mut bench, 7_000, &receiver_report(99, 98));
    for sequence in 1..=3 {
        bench.receive(leg(1), nat, &packet(sequence));
    }
    report(&mut bench, 7_000, &receiver_report(99, 98));
    bench.pass(1);
    assert_eq!(bench.worker.dropped().rtcp_source, 2);
    report(&mut bench, 31_001, &receiver_report(5, 98));
    report(&mut bench, 31_003, &receiver_report(99, 1_001));
    bench.pass(500);
    let reports = &bench.heard.rtcp[&leg(1)];
    assert_eq!(reports.last().unwrap().0, SocketAddr::new(nat.ip(), 31_003));
    assert_eq!(bench.heard.packets[&leg(1)].last().unwrap().0, nat, "the sound stays");
    assert_eq!(bench.close(leg(1)).received_rtcp, 2);
}

#[test]
fn nothing_leaves_for_an_address_that_a_forged_invite_names() {
    let mut bench = started(LegConfig { signalling: Signalling::Pending, ..config(leg(1)) });
    let prompt = Command::Play { leg: leg(1), playback: PlaybackId(1), items: queue(&[0]) };
    bench.command(prompt);
    bench.pass(32 * 50);
    assert!(bench.heard.packets.is_empty() && bench.heard.rtcp.is_empty());
    assert!(bench.playbacks_done().is_empty(), "the prompt waits");
    bench.command(Command::Acknowledge { leg: leg(1) });
    bench.pass(30);
    let packets = &bench.heard.packets[&leg(1)];
    assert_eq!((packets.len(), packets[0].1[1]), (30, 0x80), "the first one is marked");
    assert_eq!(bench.heard.sound[&leg(1)][400], mu(2_000), "and is heard from its beginning");
    assert_eq!(bench.playbacks_done().len(), 1);
}

#[test]
fn nothing_leaves_for_a_new_address_before_its_ack() {
    let mut bench = Bench::with_room(2);
    let moved = SocketAddr::from(([198, 51, 100, 99], 4_000));
    let signalling = Signalling::Pending;
    let offer = LegConfig { remote: moved, signalling, ..config(leg(1)) };
    bench.command(Command::Update { leg: leg(1), config: Box::new(offer) });
    bench.pass(50);
    let to = |bench: &Bench| bench.heard.packets[&leg(1)].last().unwrap().0;
    assert_eq!(to(&bench), address(leg(1)), "the sound goes on where it was");
    assert!(bench.heard.packets[&leg(1)].iter().all(|(to, _)| *to != moved));
    bench.command(Command::Acknowledge { leg: leg(1) });
    bench.pass(1);
    assert_eq!(to(&bench), moved);
}

#[test]
fn a_hold_without_an_address_leaves_the_leg_where_it_was() {
    let mut bench = Bench::with_room(2);
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 4_000));
    let direction = Direction::Inactive;
    let hold = LegConfig { remote: nowhere, rtcp: Rtcp::Off, direction, ..config(leg(1)) };
    bench.command(Command::Update { leg: leg(1), config: Box::new(hold) });
    bench.forget();
    bench.pass(500);
    assert!(!bench.heard.packets.contains_key(&leg(1)));
    assert!(bench.heard.rtcp[&leg(1)].iter().all(|(to, _)| to.ip() == address(leg(1)).ip()));
    bench.receive(leg(1), SocketAddr::from(STRANGER), &packet(1));
    bench.command(Command::Update { leg: leg(1), config: Box::new(config(leg(1))) });
    bench.say(&[(1, 1_000), (2, 0)], 6);
    assert_eq!((bench.last(2), bench.worker.dropped().source), (mu(1_000), 1));
}

#[test]
fn a_new_source_is_believed_at_its_third_packet() {
    let mut bench = Bench::with_room(2);
    bench.say(&[(1, 1_000), (2, 0)], 3);
    bench.streams.insert(leg(1), Stream { sequence: 40_000, timestamp: 9, ssrc: 77 });
    bench.say(&[(1, 2_000), (2, 0)], 10);
    assert_eq!(bench.last(2), mu(2_000));
    let stats = bench.close(leg(1));
    assert_eq!((stats.dropped.ssrc, stats.restarts), (2, 1));
}

#[test]
fn unknown_payload_types_and_junk_are_counted_and_change_nothing() {
    let mut bench = Bench::with_room(1);
    let stream = Stream { sequence: 1, timestamp: 1, ssrc: 1 };
    bench.receive(leg(1), address(leg(1)), &rtp(96, false, stream, &[1; 160]));
    bench.receive(leg(1), address(leg(1)), b"OPTIONS sip:x SIP/2.0");
    bench.receive(leg(1), address(leg(1)), &[]);
    bench.receive(leg(9), address(leg(1)), &[]);
    assert_eq!(bench.worker.strays(), 1);
    let stats = bench.close(leg(1));
    assert_eq!((stats.dropped.payload_type, stats.dropped.malformed), (1, 2));
}

#[test]
fn a_leg_on_hold_sends_and_receives_nothing_and_its_clock_runs_on() {
    let mut bench = Bench::with_room(2);
    bench.say(&[(1, 1_000), (2, 0)], 2);
    let before = be32(&bench.heard.packets[&leg(1)].last().unwrap().1, 4);
    let hold = LegConfig { direction: Direction::Inactive, ..config(leg(1)) };
    bench.command(Command::Update { leg: leg(1), config: Box::new(hold) });
    bench.forget();
    bench.say(&[(1, 1_000), (2, 0)], 10);
    assert!(!bench.heard.packets.contains_key(&leg(1)));
    assert_eq!(bench.last(2), 0);
    bench.command(Command::Update { leg: leg(1), config: Box::new(config(leg(1))) });
    bench.say(&[(1, 1_000), (2, 0)], 4);
    let (_, resumed) = &bench.heard.packets[&leg(1)][0];
    assert_eq!(be32(resumed, 4).wrapping_sub(before), 11 * 160);
    assert_eq!(resumed[1] & 0x80, 0x80, "the first packet after a pause is marked");
    assert_eq!(bench.last(2), mu(1_000));
}

#[test]
fn silence_is_reported_while_it_lasts_and_its_end_once() {
    let mut bench = Bench::with_room(1);
    let started = bench.now;
    bench.pass(11 * 50);
    let silent = |e: &&Event| matches!(e, Event::Silent { .. });
    assert_eq!(bench.events.iter().filter(silent).count(), 2);
    for event in &bench.events {
        if let Event::Silent { since, .. } = event {
            assert_eq!(started - *since, Duration::from_millis(10), "since the last packet");
        }
    }
    bench.say(&[(1, 0)], 3);
    assert_eq!(bench.events.iter().filter(silent).count(), 2);
    let resumed = bench.events.iter().filter(|e| matches!(e, Event::Resumed { .. }));
    assert_eq!(resumed.count(), 1);
}

#[test]
fn a_stream_is_on_time_again_after_ticks_that_were_left_out() {
    for ptime_ms in [20, 60] {
        let mut bench = started(LegConfig { ptime_ms, ..config(leg(1)) });
        bench.say(&[(1, 0)], 9);
        bench.worker.skip(6);
        bench.now += Duration::from_millis(120);
        bench.say(&[(1, 0)], 9);
        let packets = &bench.heard.packets[&leg(1)];
        let samples = u32::from(ptime_ms) * 8;
        let steps: Vec<_> = packets
            .windows(2)
            .map(|pair| {
                let [(_, before), (_, after)] = pair else { unreachable!("two packets") };
                assert_eq!(be16(after, 2), be16(before, 2).wrapping_add(1), "no packet was lost");
                (be32(after, 4).wrapping_sub(be32(before, 4)), after[1] & 0x80 != 0)
            })
            .filter(|step| *step != (samples, false))
            .collect();
        assert_eq!(steps, [(samples + 6 * 160, true)], "{ptime_ms} ms");
    }
}

#[test]
fn reports_go_to_the_rtcp_port_and_end_with_bye() {
    let mut bench = Bench::with_room(1);
    bench.say(&[(1, 0)], 15 * 50);
    let destination = SocketAddr::new(address(leg(1)).ip(), 4_001);
    let reports = bench.heard.rtcp[&leg(1)].clone();
    assert!((1..=6).contains(&reports.len()), "{} reports in 15 s", reports.len());
    for (to, report) in &reports {
        assert_eq!((*to, report[0], report[1], be32(report, 4)), (destination, 0x81, 200, 1_001));
        let words = usize::from(be16(report, 2));
        assert_eq!(report[4 * (words + 1) + 1], 202, "a description follows the report");
    }
    bench.close(leg(1));
    let (_, last) = bench.heard.rtcp[&leg(1)].last().unwrap();
    assert_eq!(last[last.len() - 7], 203);
    assert!(matches!(bench.events.last(), Some(Event::Stats { .. })));
}

#[test]
fn a_far_end_report_gives_the_round_trip() {
    let mut bench = started(LegConfig { rtcp: Rtcp::Mux, ..config(leg(1)) });
    bench.pass(500);
    let is_report = |packet: &&(SocketAddr, Vec<u8>)| packet.1[1] == 200;
    let (_, report) = bench.heard.packets[&leg(1)].iter().rfind(is_report).unwrap();
    let middle = be32(report, 8) << 16 | be32(report, 12) >> 16;
    let asked = bench.heard.packets[&leg(1)].iter().rev().position(|p| p.1[1] == 200).unwrap();
    let mut answer = vec![0x81, 201, 0, 7];
    answer.extend([5_u32, 1_001, 64 << 24, 0, 0, middle, 0].map(u32::to_be_bytes).concat());
    bench.worker.handle_packet(bench.now, leg(1), Channel::Rtp, address(leg(1)), &mut answer);
    // No further packet has come since the report but those of `asked` ticks.
    let stats = bench.close(leg(1));
    let expected = Duration::from_millis(20 * u64::try_from(asked).unwrap());
    assert_eq!((stats.received_rtcp, stats.remote_loss), (1, Some(64)));
    let round_trip = stats.round_trip.unwrap();
    assert!(round_trip.abs_diff(expected) <= Duration::from_millis(20), "{round_trip:?}");
}

#[test]
fn a_closed_leg_gives_its_figures_and_its_place() {
    let mut bench = Bench::with_room(2);
    bench.say(&[(1, 1_000), (2, 0)], 10);
    let stats = bench.close(leg(1));
    assert_eq!((stats.received_packets, stats.received_octets), (15, 15 * 160));
    assert_eq!((stats.sent_packets, stats.lost, stats.duplicates), (15, 0, 0));
    assert_eq!(stats.dropped.unlatched, 0);
    assert_eq!(bench.worker.legs(), 1);
    bench.start(config(leg(3)), leg(3));
    bench.pass(1);
    assert_eq!((bench.worker.legs(), bench.last(3)), (2, 0));
}
