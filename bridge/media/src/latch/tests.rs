use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{Codec, Direction, Formats, InBand};

/// Octets of 20 ms of G.711 and their header.
const PACKET: usize = 172;

fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], port))
}

fn network(text: &str) -> Box<[IpNet]> {
    Box::from([text.parse().unwrap()])
}

/// A far end that signals `remote`, and whose SIP came from 192.0.2.2.
fn config(remote: SocketAddr) -> LegConfig {
    LegConfig {
        codec: Codec::Pcmu,
        send_payload_type: 0,
        receive: Formats::new(0, Codec::Pcmu),
        telephone_event: None,
        remote,
        networks: network("192.0.2.2/32"),
        signalling: Signalling::Acknowledged,
        rtcp: Rtcp::To(SocketAddr::new(remote.ip(), remote.port() + 1)),
        direction: Direction::SendRecv,
        ptime_ms: 20,
        in_band: InBand::Off,
        srtp: None,
        dtls: false,
        ssrc: 1,
        first_sequence: 1,
        first_timestamp: 1,
        cname: Box::from(*b"x"),
    }
}

fn pending(remote: SocketAddr) -> LegConfig {
    LegConfig { signalling: Signalling::Pending, ..config(remote) }
}

/// At 192.0.2.1:4000 by its description.
fn fresh() -> Latch {
    Latch::new(&config(address(1, 4000)))
}

fn seen(ssrc: u32, sequence: u16) -> Seen {
    Seen { ssrc, sequence, octets: PACKET }
}

fn admit(latch: &mut Latch, from: SocketAddr, ssrc: u32, sequence: u16) -> Admission {
    latch.admit(Time::ZERO, from, seen(ssrc, sequence))
}

fn latched_at(source: SocketAddr) -> Latch {
    let mut latch = fresh();
    admit(&mut latch, source, 9, 10);
    assert_eq!(admit(&mut latch, source, 9, 11), Admission::Pass);
    latch
}

#[test]
fn signalled_address_is_taken_at_its_first_packet() {
    let mut latch = fresh();
    assert_eq!(admit(&mut latch, address(1, 4000), 9, 10), Admission::Pass);
    assert_eq!(latch.destination(), Some(address(1, 4000)));
}

#[test]
fn phone_behind_nat_is_taken_after_two_packets_in_sequence() {
    let (signalled, nat) = (address(1, 4000), address(2, 5000));
    let mut latch = fresh();
    assert_eq!(admit(&mut latch, nat, 9, 65_535), Admission::Waiting);
    assert_eq!(latch.destination(), Some(signalled));
    assert_eq!(admit(&mut latch, nat, 9, 0), Admission::Pass);
    assert_eq!(latch.destination(), Some(nat));
}

#[test]
fn packets_out_of_sequence_or_of_another_stream_or_port_are_no_two() {
    let nat = address(2, 5000);
    let mut latch = fresh();
    for (from, ssrc, sequence) in
        [(nat, 9, 10), (nat, 9, 12), (nat, 8, 13), (address(2, 5002), 8, 14), (nat, 8, 15)]
    {
        assert_eq!(admit(&mut latch, from, ssrc, sequence), Admission::Waiting);
    }
}

#[test]
fn signalled_address_wins_over_one_that_was_taken() {
    let mut latch = latched_at(address(2, 5000));
    assert_eq!(admit(&mut latch, address(1, 4000), 5, 1), Admission::Pass);
    assert_eq!(latch.destination(), Some(address(1, 4000)));
    assert_eq!(admit(&mut latch, address(2, 5000), 9, 4_000), Admission::Foreign);
}

#[test]
fn silence_opens_nothing() {
    let stranger = address(3, 6000);
    for mut latch in [fresh(), latched_at(address(2, 5000)), latched_at(address(1, 4000))] {
        let before = latch.destination();
        let hour = Time::from_secs(3_600);
        for sequence in 0..100 {
            assert_eq!(latch.admit(hour, stranger, seen(5, sequence)), Admission::Foreign);
        }
        assert_eq!(latch.destination(), before);
    }
}

#[test]
fn another_call_of_the_same_address_does_not_take_a_silent_leg() {
    for mut latch in [latched_at(address(2, 5000)), latched_at(address(1, 4000))] {
        let before = latch.destination();
        for sequence in 0..100 {
            let other = latch.admit(Time::from_secs(60), address(2, 7000), seen(5, sequence));
            assert_eq!(other, Admission::Foreign);
        }
        assert_eq!(latch.destination(), before);
    }
}

#[test]
fn stream_goes_on_from_another_port_of_its_nat() {
    let mut latch = latched_at(address(2, 5000));
    let moved = address(2, 5004);
    assert_eq!(admit(&mut latch, moved, 9, 40), Admission::Waiting);
    assert_eq!(admit(&mut latch, moved, 9, 41), Admission::Pass);
    assert_eq!(latch.destination(), Some(moved));
    for (from, ssrc, sequence) in [
        // From elsewhere, of another stream, or of numbers long gone by.
        (address(3, 5004), 9, 42),
        (address(2, 5006), 8, 42),
        (address(2, 5006), 9, 39),
        (address(2, 5006), 9, 3_100),
    ] {
        assert_eq!(admit(&mut latch, from, ssrc, sequence), Admission::Foreign);
        assert_eq!(admit(&mut latch, from, ssrc, sequence + 1), Admission::Foreign);
    }
}

#[test]
fn strangers_between_the_callers_packets_do_not_stop_it() {
    let nat = address(2, 5000);
    let mut latch = fresh();
    assert_eq!(admit(&mut latch, nat, 9, 10), Admission::Waiting);
    for port in 1..50 {
        assert_eq!(admit(&mut latch, address(7, port), 1, 1), Admission::Foreign);
    }
    // Nor does another one behind the same address.
    assert_eq!(admit(&mut latch, address(2, 6000), 3, 500), Admission::Waiting);
    assert_eq!(admit(&mut latch, nat, 9, 11), Admission::Pass);
}

#[test]
fn offer_of_the_same_address_opens_nothing() {
    for source in [address(1, 4000), address(2, 5000)] {
        let mut latch = latched_at(source);
        for signalling in [Signalling::Pending, Signalling::Acknowledged] {
            let again = LegConfig { signalling, ..config(address(1, 4000)) };
            latch.update(Time::from_millis(10), &again);
            for sequence in 0..10 {
                for other in [address(2, 5002), address(3, 6000)] {
                    assert_eq!(admit(&mut latch, other, 5, sequence), Admission::Foreign);
                }
            }
            assert_eq!(latch.destination(), Some(source), "and the sound goes on");
        }
    }
}

#[test]
fn new_address_is_sent_to_after_the_ack_or_its_first_packet() {
    let (old, new) = (address(1, 4000), address(4, 4000));
    let mut acknowledged = latched_at(old);
    acknowledged.update(Time::ZERO, &pending(new));
    assert_eq!(acknowledged.destination(), Some(old));
    acknowledged.acknowledge(Time::ZERO);
    assert_eq!(acknowledged.destination(), Some(new));

    let mut heard = latched_at(old);
    heard.update(Time::ZERO, &pending(new));
    assert_eq!(admit(&mut heard, new, 5, 1), Admission::Pass);
    assert_eq!(heard.destination(), Some(new));
}

#[test]
fn source_before_the_change_is_heard_on_but_not_sent_to() {
    let (old, new) = (address(1, 4000), address(4, 4000));
    let mut latch = latched_at(old);
    latch.update(Time::ZERO, &config(new));
    assert_eq!(admit(&mut latch, old, 9, 12), Admission::Pass, "without a gap");
    assert_eq!(latch.destination(), Some(new));
    assert_eq!(admit(&mut latch, new, 5, 1), Admission::Pass);
    assert_eq!(admit(&mut latch, old, 9, 13), Admission::Foreign);
}

#[test]
fn source_before_the_change_that_was_lost_sight_of_is_taken_after_two() {
    let mut latch = latched_at(address(1, 4000));
    latch.update(Time::ZERO, &config(address(4, 4000)));
    assert_eq!(admit(&mut latch, address(1, 4000), 7, 900), Admission::Waiting);
    assert_eq!(admit(&mut latch, address(1, 4000), 7, 901), Admission::Pass);
}

#[test]
fn phone_behind_nat_may_change_its_port_by_an_offer() {
    let (old, new) = (address(2, 5000), address(2, 5008));
    let mut latch = latched_at(old);
    latch.update(Time::ZERO, &config(address(1, 4002)));
    // The last packet of the old port comes after the offer, the new stream long after it.
    assert_eq!(admit(&mut latch, old, 9, 12), Admission::Pass);
    assert_eq!(latch.destination(), Some(old));
    let late = Time::from_secs(30);
    assert_eq!(latch.admit(late, new, seen(77, 1)), Admission::Waiting);
    assert_eq!(latch.admit(late, new, seen(77, 2)), Admission::Pass);
    assert_eq!(latch.destination(), Some(new));
    assert_eq!(latch.admit(late, address(2, 5010), seen(78, 2)), Admission::Foreign);
}

#[test]
fn last_packets_of_an_address_that_is_left_do_not_hold_the_sound_back() {
    let (old, new) = (address(2, 5000), address(4, 4000));
    let mut latch = latched_at(old);
    latch.update(Time::ZERO, &config(new));
    assert_eq!(admit(&mut latch, old, 9, 12), Admission::Pass);
    latch.begin_tick(Time::from_millis(2_480));
    assert_eq!(latch.destination(), Some(old), "it may be behind NAT");
    latch.begin_tick(Time::from_millis(2_500));
    assert_eq!(latch.destination(), Some(new), "nobody is there any longer");
    assert_eq!(latch.admit(Time::from_secs(9), old, seen(9, 13)), Admission::Pass);
    assert_eq!(latch.destination(), Some(old), "it is behind NAT, and was silent");
}

#[test]
fn phone_behind_nat_that_keeps_its_port_is_not_taken_over_after_an_offer() {
    let old = address(2, 5000);
    let mut latch = latched_at(old);
    latch.update(Time::ZERO, &config(address(1, 4002)));
    for (sequence, millis) in (12..).zip((0..=2_000).step_by(20)) {
        let now = Time::from_millis(millis);
        assert_eq!(latch.admit(now, old, seen(9, sequence)), Admission::Pass);
    }
    for sequence in 0..10 {
        let other = latch.admit(Time::from_secs(9), address(2, 5002), seen(5, sequence));
        assert_eq!(other, Admission::Foreign);
    }
    assert_eq!(latch.destination(), Some(old));
}

#[test]
fn trunk_may_name_a_network_for_media() {
    let ranged = LegConfig { networks: network("198.51.100.0/24"), ..config(address(1, 4000)) };
    let mut latch = Latch::new(&ranged);
    let relay = SocketAddr::from(([198, 51, 100, 77], 9_000));
    assert_eq!(admit(&mut latch, relay, 9, 1), Admission::Waiting);
    assert_eq!(admit(&mut latch, relay, 9, 2), Admission::Pass);
    assert_eq!(admit(&mut latch, address(2, 5000), 9, 3), Admission::Foreign);
}

#[test]
fn addresses_are_the_same_in_every_notation() {
    let mapped = SocketAddr::new("::ffff:192.0.2.1".parse().unwrap(), 4000);
    assert_eq!(admit(&mut fresh(), mapped, 9, 1), Admission::Pass);
    let nat = SocketAddr::new("::ffff:192.0.2.2".parse().unwrap(), 5000);
    assert_eq!(admit(&mut fresh(), nat, 9, 1), Admission::Waiting);
    // A system tells the link that a packet came by, a description cannot.
    let described: SocketAddr = "[fe80::1]:4000".parse().unwrap();
    let came: SocketAddr = "[fe80::1%3]:4000".parse().unwrap();
    let mut latch = Latch::new(&config(described));
    assert_eq!(admit(&mut latch, came, 9, 1), Admission::Pass);
    assert_eq!(latch.destination(), Some(came), "whose answer takes the same link");
    assert_eq!(admit(&mut latch, "[fe80::2%3]:4000".parse().unwrap(), 9, 2), Admission::Foreign);
}

#[test]
fn nothing_is_sent_before_the_ack_but_three_times_what_came() {
    let signalled = address(1, 4000);
    let mut latch = Latch::new(&pending(signalled));
    assert_eq!((latch.route(), latch.rtcp_destination(&pending(signalled))), (None, None));
    admit(&mut latch, signalled, 9, 1);
    assert_eq!((0..100).filter(|_| latch.route() == Some(signalled)).count(), 3);
    let few = Seen { octets: 13, ..seen(9, 2) };
    latch.admit(Time::ZERO, signalled, few);
    assert_eq!(latch.route(), None, "a forged header buys no packet");
    latch.acknowledge(Time::ZERO);
    assert_eq!((0..100).filter(|_| latch.route() == Some(signalled)).count(), 100);
}

#[test]
fn hold_without_an_address_is_sent_nothing() {
    let mut latch = Latch::new(&config(SocketAddr::from(([0, 0, 0, 0], 4000))));
    assert_eq!(latch.route(), None);
    let from_anywhere = SocketAddr::from(([0, 0, 0, 0], 4000));
    assert_eq!(admit(&mut latch, from_anywhere, 9, 1), Admission::Foreign);
    assert_eq!(admit(&mut latch, address(3, 4000), 9, 1), Admission::Foreign);
}

#[test]
fn reports_come_from_the_signalled_port_or_are_to_name_the_stream() {
    let mut latch = latched_at(address(2, 5000));
    for (from, expected) in [
        (address(1, 4001), Reporter::Known),
        (address(1, 4003), Reporter::Possible),
        (address(2, 5001), Reporter::Possible),
        (address(3, 4001), Reporter::Foreign),
    ] {
        assert_eq!(latch.reporter(from), expected, "{from}");
    }
    let (told, config) = (latch.destination(), config(address(1, 4000)));
    latch.note_reporter(address(2, 5001));
    assert_eq!(latch.reporter(address(2, 5001)), Reporter::Known);
    assert_eq!(latch.rtcp_destination(&config), Some(address(2, 5001)));
    assert_eq!(latch.destination(), told, "a report moves no sound");
    latch.note_reporter(address(1, 4001));
    assert_eq!(latch.rtcp_destination(&config), Some(address(1, 4001)), "the signalled one wins");
}

#[test]
fn reports_on_the_rtp_port_come_from_where_the_sound_does() {
    let muxed = LegConfig { rtcp: Rtcp::Mux, ..config(address(1, 4000)) };
    let mut latch = Latch::new(&muxed);
    assert_eq!(latch.reporter(address(1, 4000)), Reporter::Known);
    assert_eq!(latch.reporter(address(2, 5000)), Reporter::Possible);
    latch.note_reporter(address(2, 5000));
    assert_eq!(latch.rtcp_destination(&muxed), Some(address(1, 4000)));
    admit(&mut latch, address(2, 5000), 9, 1);
    admit(&mut latch, address(2, 5000), 9, 2);
    assert_eq!(latch.reporter(address(2, 5000)), Reporter::Known);
    assert_eq!(latch.rtcp_destination(&muxed), Some(address(2, 5000)));
}

/// One thing that happens to a latch.
#[derive(Clone, Debug)]
enum Happening {
    /// A packet from the place with this number.
    Packet {
        from: usize,
        ssrc: u32,
        sequence: u16,
        octets: usize,
    },
    Report {
        from: usize,
    },
    Offer {
        remote: usize,
        acknowledged: bool,
    },
    Ack,
    Frames(u8),
    Passing(u16),
}

/// The signalled ones, one of the SIP address, one of the trunk's range; the last three never.
const PLACES: usize = 8;
const STRANGERS: std::ops::Range<usize> = 5..PLACES;

fn place(number: usize) -> SocketAddr {
    match number {
        0..=2 => address(1, [4_000, 4_002, 4_004][number]),
        3 => address(2, 5_000),
        4 => SocketAddr::from(([198, 51, 100, 4], 6_000)),
        5 => address(3, 4_000),
        6 => address(1, 4_001),
        _ => SocketAddr::from(([203, 0, 113, 9], 5_000)),
    }
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (0..PLACES, 0..3_u32, 0..6_u16, 13..400_usize).prop_map(
            |(from, ssrc, sequence, octets)| Happening::Packet { from, ssrc, sequence, octets }
        ),
        1 => (0..PLACES).prop_map(|from| Happening::Report { from }),
        1 => (0..3_usize, any::<bool>())
            .prop_map(|(remote, acknowledged)| Happening::Offer { remote, acknowledged }),
        1 => Just(Happening::Ack),
        4 => (1..20_u8).prop_map(Happening::Frames),
        1 => (1..5_000_u16).prop_map(Happening::Passing),
    ]
}

proptest! {
    #[test]
    fn no_stranger_is_ever_heard_or_sent_to_and_nobody_unproven_more_than_three_times(
        happenings in proptest::collection::vec(happening(), 1..300),
        acknowledged: bool,
    ) {
        let networks: Box<[IpNet]> =
            Box::from(["192.0.2.2/32", "198.51.100.0/24"].map(|net| net.parse().unwrap()));
        let of = |remote, acknowledged| LegConfig {
            networks: networks.clone(),
            signalling: if acknowledged { Signalling::Acknowledged } else { Signalling::Pending },
            ..config(place(remote))
        };
        let mut current = of(0, acknowledged);
        let mut latch = Latch::new(&current);
        let (mut now, mut signalled) = (Time::from_secs(1), BTreeSet::from([place(0)]));
        let mut proven = acknowledged;
        // Octets that may go to each place beyond those where the sound went when it was proven.
        let mut balance: BTreeMap<SocketAddr, i64> = BTreeMap::new();
        let mut free: BTreeSet<SocketAddr> = BTreeSet::new();
        for happening in happenings {
            match happening {
                Happening::Packet { from, ssrc, sequence, octets } => {
                    let from_place = place(from);
                    let judged = latch.admit(now, from_place, Seen { ssrc, sequence, octets });
                    let heard = judged == Admission::Pass;
                    prop_assert!(!heard || !STRANGERS.contains(&from), "{from_place} is heard");
                    prop_assert!(heard || from_place != current.remote, "the signalled is not");
                    let beyond_networks = from < 3 && !signalled.contains(&from_place);
                    prop_assert!(!(heard && beyond_networks), "{from_place} is heard too early");
                    if heard {
                        *balance.entry(from_place).or_default() +=
                            3 * i64::try_from(octets).unwrap();
                    }
                }
                Happening::Report { from } => {
                    if latch.reporter(place(from)) == Reporter::Known {
                        prop_assert!(from == 6 || !STRANGERS.contains(&from));
                        latch.note_reporter(place(from));
                    }
                }
                Happening::Offer { remote, acknowledged } => {
                    let same = place(remote) == current.remote;
                    if proven && !same {
                        free = latch.destination().into_iter().collect();
                    }
                    current = of(remote, acknowledged);
                    signalled.insert(place(remote));
                    latch.update(now, &current);
                    proven = acknowledged || (proven && same);
                    if !same && !acknowledged {
                        balance.clear();
                    }
                }
                Happening::Ack => {
                    latch.acknowledge(now);
                    proven = true;
                }
                Happening::Frames(frames) => {
                    for _ in 0..frames {
                        let Some(to) = latch.route() else { continue };
                        let known = (0..PLACES).find(|&number| place(number) == to).unwrap();
                        prop_assert!(!STRANGERS.contains(&known), "{to} is sent to");
                        prop_assert!(known >= 3 || signalled.contains(&to));
                        if !proven && !free.contains(&to) {
                            let left = balance.entry(to).or_default();
                            *left -= i64::try_from(PACKET).unwrap();
                            prop_assert!(*left >= 0, "{to} is sent more than three times");
                        }
                    }
                }
                Happening::Passing(millis) => {
                    now += Duration::from_millis(millis.into());
                    latch.begin_tick(now);
                }
            }
        }
    }
}
