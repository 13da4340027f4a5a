//! Legs whose keys come by a handshake: closed until then, and who may take part in it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::SocketAddr;

use common::{Bench, ROOM, Stream, address, config, leg, mu, mu_encode, queue, rtp};
use partyline_media::{
    Channel, Command, Dropped, Event, LegConfig, Rtcp, Signalling, SrtpKey, SrtpKeys, SrtpSuite,
};
use partyline_model::PlaybackId;
use partyline_srtp::{MAX_TRAILER, Protector};

const SUITE: SrtpSuite = SrtpSuite::Aes128Gcm;

fn key(seed: u8) -> SrtpKey {
    SrtpKey::new(SUITE, &vec![seed; SUITE.master_len()]).unwrap()
}

fn keys(ours: u8, theirs: u8) -> Box<SrtpKeys> {
    Box::new(SrtpKeys { ours: key(ours), theirs: key(theirs) })
}

/// A leg that waits for its keys, and shares its port with RTCP.
fn waiting() -> LegConfig {
    LegConfig { dtls: true, rtcp: Rtcp::Mux, ..config(leg(1)) }
}

/// A datagram that begins as DTLS does.
fn flight(octets: usize) -> Vec<u8> {
    [&[22, 254, 253], vec![9; octets - 3].as_slice()].concat()
}

/// Leg 1 waits, leg 2 is plain; both are in the room.
fn bench(config_of_1: LegConfig) -> Bench {
    let mut bench = Bench::new();
    bench.start(config_of_1, leg(1));
    bench.start(config(leg(2)), leg(2));
    for number in 1..=2 {
        bench.command(Command::Join { leg: leg(number), room: ROOM });
    }
    bench
}

/// What was passed on of handshakes.
fn passed(bench: &Bench) -> Vec<Vec<u8>> {
    let of = |event: &Event| {
        let Event::Handshake { leg: of, datagram } = event else { return None };
        (*of == leg(1)).then(|| datagram.to_vec())
    };
    bench.events.iter().filter_map(of).collect()
}

fn sent(bench: &Bench) -> usize {
    bench.heard.packets.get(&leg(1)).map_or(0, Vec::len)
}

/// The far end's next packet, sealed.
fn sealed(protector: &mut Protector, stream: &mut Stream) -> Vec<u8> {
    let plain = rtp(0, false, *stream, &[mu_encode(4_000); 160]);
    stream.sequence += 1;
    stream.timestamp += 160;
    let mut packet = [plain.as_slice(), &[0; MAX_TRAILER]].concat();
    let len = protector.protect_rtp(&mut packet, plain.len()).unwrap();
    packet.truncate(len);
    packet
}

#[test]
fn a_leg_is_closed_both_ways_until_its_handshake_gives_keys() {
    let mut bench = bench(waiting());
    bench.command(Command::Play { leg: leg(1), playback: PlaybackId(1), items: queue(&[0]) });
    let sender_report = [0x80, 200, 0, 6, 0, 0, 0, 1];
    // Plain sound, sound under keys that nobody agreed on, reports: nothing is believed.
    let mut stream = Stream { sequence: 1, timestamp: 5_000, ssrc: 77 };
    let mut early = Protector::new(&key(2));
    for _ in 0..50 {
        bench.say(&[(1, 4_000), (2, 8_000)], 1);
        let packet = sealed(&mut early, &mut stream);
        bench.receive(leg(1), address(leg(1)), &packet);
        bench.receive(leg(1), address(leg(1)), &sender_report);
    }
    assert_eq!(bench.last(2), 0, "nobody in the room hears it");
    assert_eq!(sent(&bench), 0, "nothing leaves, no prompt and no report");
    assert!(bench.playbacks_done().is_empty(), "the prompt waits");
    bench.command(Command::Keys { leg: leg(1), keys: keys(1, 2) });
    for _ in 0..100 {
        let packet = sealed(&mut early, &mut stream);
        bench.receive(leg(1), address(leg(1)), &packet);
        bench.say(&[(2, 8_000)], 1);
    }
    assert_eq!(bench.last(2), mu(4_000));
    assert!(sent(&bench) >= 100);
    assert_eq!(bench.playbacks_done(), [(leg(1), PlaybackId(1))]);
    let stats = bench.close(leg(1));
    let wanted = Dropped { unauthenticated: 150, ..Dropped::default() };
    assert_eq!((stats.dropped, stats.received_packets), (wanted, 100));
}

#[test]
fn a_handshake_goes_up_and_down_by_the_legs_port() {
    let mut bench = bench(waiting());
    bench.receive(leg(1), address(leg(1)), &flight(100));
    bench.command(Command::Handshake { leg: leg(1), datagram: flight(200).into() });
    bench.pass(1);
    assert_eq!(passed(&bench), [flight(100)]);
    assert_eq!(bench.heard.packets[&leg(1)], [(address(leg(1)), flight(200))]);
    // It goes on beside the sound: the far end may have lost the last flight.
    bench.command(Command::Keys { leg: leg(1), keys: keys(1, 2) });
    bench.receive(leg(1), address(leg(1)), &flight(101));
    bench.pass(1);
    assert_eq!(passed(&bench).len(), 2);
    // A leg without a handshake takes none, nor does a port of RTCP alone.
    bench.receive(leg(2), address(leg(2)), &flight(100));
    let port = SocketAddr::new(address(leg(1)).ip(), 4_001);
    bench.worker.handle_packet(bench.now, leg(1), Channel::Rtcp, port, &mut flight(100));
    bench.command(Command::Handshake { leg: leg(2), datagram: flight(200).into() });
    bench.pass(1);
    assert_eq!(passed(&bench).len(), 2);
    assert!(bench.heard.packets[&leg(2)].iter().all(|(_, packet)| packet[0] == 0x80));
    for number in 1..=2 {
        let wanted = Dropped { handshake: 1, ..Dropped::default() };
        assert_eq!(bench.close(leg(number)).dropped, wanted);
    }
}

#[test]
fn strangers_take_no_part_in_a_handshake_and_a_flood_is_cut_off() {
    let mut bench = bench(waiting());
    let stranger: SocketAddr = "192.0.2.99:4000".parse().unwrap();
    let behind_nat: SocketAddr = "203.0.113.7:7000".parse().unwrap();
    for _ in 0..1_000 {
        bench.receive(leg(1), stranger, &flight(1_000));
    }
    bench.receive(leg(1), behind_nat, &flight(100));
    bench.command(Command::Handshake { leg: leg(1), datagram: flight(50).into() });
    bench.pass(1);
    assert_eq!(passed(&bench), [flight(100)]);
    assert_eq!(bench.heard.packets[&leg(1)], [(behind_nat, flight(50))]);
    // The signalled address takes over for good, and may not flood either.
    bench.forget();
    bench.receive(leg(1), address(leg(1)), &flight(101));
    bench.receive(leg(1), behind_nat, &flight(102));
    for _ in 0..1_000 {
        bench.receive(leg(1), address(leg(1)), &flight(103));
    }
    bench.command(Command::Handshake { leg: leg(1), datagram: flight(51).into() });
    bench.pass(1);
    assert_eq!(passed(&bench).len(), 30, "whatever others had sent");
    assert_eq!(bench.heard.packets[&leg(1)], [(address(leg(1)), flight(51))]);
    let wanted = Dropped { source: 1_001, handshake: 971, ..Dropped::default() };
    assert_eq!(bench.close(leg(1)).dropped, wanted);
}

#[test]
fn nothing_of_a_handshake_leaves_before_the_ack_but_what_was_asked_for() {
    let mut bench = bench(LegConfig { signalling: Signalling::Pending, ..waiting() });
    let send = |bench: &mut Bench, octets: usize| {
        bench.command(Command::Handshake { leg: leg(1), datagram: flight(octets).into() });
        bench.pass(1);
    };
    send(&mut bench, 100);
    assert_eq!(sent(&bench), 0);
    bench.receive(leg(1), address(leg(1)), &flight(100));
    send(&mut bench, 300);
    send(&mut bench, 300);
    assert_eq!(sent(&bench), 1, "three times what came, and no more");
    bench.command(Command::Acknowledge { leg: leg(1) });
    send(&mut bench, 300);
    assert_eq!(sent(&bench), 2);
}

#[test]
fn a_new_handshake_closes_the_leg_and_the_same_one_does_not() {
    let mut bench = bench(waiting());
    bench.command(Command::Keys { leg: leg(1), keys: keys(1, 2) });
    let count = |bench: &mut Bench| {
        bench.forget();
        bench.say(&[(2, 8_000)], 10);
        sent(bench)
    };
    assert_eq!(count(&mut bench), 10);
    let same = LegConfig { srtp: Some(keys(1, 2)), ..waiting() };
    bench.command(Command::Update { leg: leg(1), config: Box::new(same) });
    assert_eq!(count(&mut bench), 10);
    bench.command(Command::Update { leg: leg(1), config: Box::new(waiting()) });
    assert_eq!(count(&mut bench), 0);
    bench.command(Command::Keys { leg: leg(1), keys: keys(3, 4) });
    assert_eq!(count(&mut bench), 10);
    // Keys that come too late, for a leg that has become plain, close nothing and open nothing.
    bench.command(Command::Update { leg: leg(1), config: Box::new(config(leg(1))) });
    bench.command(Command::Keys { leg: leg(1), keys: keys(5, 6) });
    bench.forget();
    bench.say(&[(2, 8_000)], 10);
    assert_eq!(bench.last(1), mu(8_000));
}
