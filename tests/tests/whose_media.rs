//! Whose media it is: strangers at a leg's ports are neither heard nor sent anything, whatever the
//! caller does; a caller behind NAT is heard.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_cdr_record::FeatureCode;
use partyline_phones::{Audio, Command, PhoneId};

/// In the trunk's network, like every phone, and yet nobody's.
const STRANGER: &str = "10.66.0.9:4444";
/// Loud octets of a 500 Hz square wave in µ-law.
const SHOUT: [u8; 160] = {
    let mut octets = [0x10; 160];
    let mut n = 0;
    while n < octets.len() {
        if n / 8 % 2 == 0 {
            octets[n] = 0x90;
        }
        n += 1;
    }
    octets
};
/// What is heard of it.
const SHOUT_HZ: f64 = 500.0;

fn rtp(payload_type: u8, ssrc: u32, number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(number.to_be_bytes());
    packet.extend((u32::from(number) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// The end of a key press by telephone event.
fn key(code: u8, number: u16) -> Vec<u8> {
    rtp(101, 6, number, &[code, 0x8a, 3, 0x20])
}

/// A report that names nobody.
fn report() -> Vec<u8> {
    let mut report = vec![0x80, 201, 0, 1];
    report.extend(6_u32.to_be_bytes());
    report
}

/// For so long a stranger shouts at a phone's ports, 50 packets a second in sequence, reports, and
/// keys `*1` over and over.
fn attack(world: &mut World, port: u16, millis: u64) {
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    for number in 0..u16::try_from(millis / 20).unwrap() {
        world.throw_at_port(stranger, port, &rtp(0, 5, number, &SHOUT));
        world.throw_at_port(stranger, port + 1, &report());
        for (code, place) in [(10, 0), (1, 3)] {
            for copy in 0..3 {
                let number = number.wrapping_mul(6) + place + copy;
                world.throw_at_port("10.66.0.9:4446".parse().unwrap(), port, &key(code, number));
            }
        }
        world.run_for(ms(20));
    }
}

struct Scene {
    world: World,
    anna: PhoneId,
    ben: PhoneId,
}

/// Anna moderates and is muted, Ben talks.
fn muted_moderator() -> Scene {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.press(anna, "*6").talk(ben).run_for(secs(4));
    Scene { world, anna, ben }
}

impl Scene {
    /// The leg is still Anna's, and nothing of it was the stranger's.
    fn end_as_annas(mut self) {
        let Self { world, anna, ben } = &mut self;
        assert!(world.hears(*anna, tone(*ben)), "she hears the room");
        for stranger in ["10.66.0.9:4444", "10.66.0.9:4445", "10.66.0.9:4446"] {
            assert_eq!(world.media_sent_to(stranger.parse().unwrap()), 0, "{stranger} listens");
        }
        assert!(world.lacks(*ben, SHOUT_HZ), "the stranger is heard");
        world.press(*anna, "*6").run_for(secs(3)).talk(*anna).run_for(secs(3));
        assert!(world.hears(*ben, tone(*anna)), "she is heard");
        let records = self.world.finish();
        let leg = records.leg(self.world.call_id(self.anna));
        let codes = records.events_of(leg);
        let dialled = [FeatureCode::DialoutStart, FeatureCode::DialoutBarred];
        assert!(!codes.iter().any(|code| dialled.contains(code)), "{codes:?}");
        let (_, rtp, rtcp) =
            *self.world.intruded().iter().find(|told| told.0 == leg.leg_id).unwrap();
        assert!(rtp > 1_000 && rtcp > 300, "{rtp} and {rtcp} are told");
    }
}

#[test]
fn silent_muted_moderator_keeps_the_leg() {
    let mut scene = muted_moderator();
    scene.world.tell(scene.anna, Command::Say(Audio::Nothing)).run_for(secs(5));
    let port = scene.world.port_of(scene.anna).unwrap();
    attack(&mut scene.world, port, 10_000);
    scene.end_as_annas();
}

#[test]
fn re_invite_opens_the_leg_to_nobody() {
    let mut scene = muted_moderator();
    let port = scene.world.port_of(scene.anna).unwrap();
    for _ in 0..2 {
        scene.world.tell(scene.anna, Command::Hold);
        attack(&mut scene.world, port, 2_000);
        scene.world.tell(scene.anna, Command::Resume);
        attack(&mut scene.world, port, 2_000);
    }
    scene.end_as_annas();
}

#[test]
fn caller_wins_against_a_stranger_who_was_first() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(ben, PARTICIPANT).tell(anna, Command::Say(Audio::Nothing)).dial(anna);
    world.wait_for("anna is answered", secs(2), |world| world.is_up(anna));
    let port = world.port_of(anna).unwrap();
    attack(&mut world, port, 1_000);
    world.press(anna, MODERATOR).run_for(secs(6));
    attack(&mut world, port, 4_000);
    world.talk(anna).talk(ben).run_for(secs(3));
    assert!(world.hears(anna, tone(ben)) && world.hears(ben, tone(anna)));
    assert!(world.lacks(ben, SHOUT_HZ));
    assert_eq!(world.media_sent_to(STRANGER.parse().unwrap()), 0);
    world.finish();
}

/// A phone that describes a private address; its media comes from `public`.
fn behind_nat(world: &mut World, public: Option<&str>) -> PhoneId {
    world.phone_with("nina", |phone| {
        phone.described = Some("192.168.1.20:4000".parse().unwrap());
        if let Some(public) = public {
            phone.rtp_address = public.parse().unwrap();
        }
    })
}

#[test]
fn caller_behind_nat_is_heard_and_keeps_the_leg() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    let nina = behind_nat(&mut world, None);
    world.join(anna, MODERATOR).join(nina, PARTICIPANT).run_for(secs(4));
    world.talk(anna).talk(nina).run_for(secs(3));
    assert!(world.hears(anna, tone(nina)) && world.hears(nina, tone(anna)));
    world.hush(nina).tell(nina, Command::Say(Audio::Nothing)).run_for(secs(5));
    let port = world.port_of(nina).unwrap();
    let neighbour = SocketAddr::new(world.phone(nina).config().rtp_address.ip(), 9_000);
    for number in 0..250 {
        // Another call from the same address, and a stranger.
        world.throw_at_port(neighbour, port, &rtp(0, 5, number, &SHOUT));
        world.throw_at_port(neighbour, port + 1, &report());
        attack(&mut world, port, 20);
    }
    assert!(world.lacks(anna, SHOUT_HZ) && world.hears(nina, tone(anna)));
    for port in [9_000, 9_001] {
        assert_eq!(world.media_sent_to(SocketAddr::new(neighbour.ip(), port)), 0);
    }
    world.talk(nina).run_for(secs(3));
    assert!(world.hears(anna, tone(nina)) && world.hears(nina, tone(anna)));
    world.finish();
}

#[test]
fn media_of_another_address_than_sip_is_heard_when_the_trunk_says_so() {
    for (network, heard) in [("198.18.0.0/15", true), ("198.51.100.64/28", false)] {
        let mut world = World::build()
            .trunks(|trunks| trunks[0].media_sources.push(network.parse().unwrap()))
            .start();
        let [anna] = world.phones(["anna"]);
        let nina = behind_nat(&mut world, Some("198.18.7.7:4000"));
        world.join(anna, MODERATOR).dial(nina).run_for(secs(2));
        world.press(nina, PARTICIPANT).run_for(secs(8));
        assert_eq!(world.room_of(nina).is_some(), heard, "{network}");
        world.talk(anna).talk(nina).run_for(secs(3));
        assert_eq!(world.hears(nina, tone(anna)), heard, "{network}");
        assert_eq!(world.hears(anna, tone(nina)), heard, "{network}");
        world.finish();
    }
}

/// A third party that never asked for anything.
const VICTIM: &str = "203.0.113.77";

fn description(host: &str) -> String {
    format!(
        "v=0\r\no=- 7 7 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\na=rtcp:4001\r\n"
    )
}

fn victim_gets(world: &World) -> usize {
    let at = |port| world.media_sent_to(format!("{VICTIM}:{port}").parse().unwrap());
    at(4000) + at(4001)
}

#[test]
fn forged_invite_sends_nothing_to_a_third_party() {
    let mut world = World::build().start();
    let forged: SocketAddr = "10.66.0.9:5060".parse().unwrap();
    let body = description(VICTIM);
    let invite = format!(
        "INVITE sip:+18005550142@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.66.0.9;branch=z9hG4bK1\r\n\
         From: <sip:x@10.66.0.9>;tag=1\r\nTo: <sip:+18005550142@192.0.2.1>\r\nCall-ID: forged\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:x@10.66.0.9>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    world.throw_at_sip(forged, invite.as_bytes()).run_for(secs(2));
    assert_eq!(world.node().calls(), 1);
    world.run_for(secs(40));
    assert_eq!(world.node().calls(), 0, "given up without an ACK");
    assert_eq!(victim_gets(&world), 0);
    world.finish();
}

/// The first header of this name in the last 200 OK that the bridge sent.
fn header(world: &World, name: &str) -> String {
    let said = String::from_utf8_lossy(world.uttered()).into_owned();
    let answer = &said[said.rfind("SIP/2.0 200").unwrap()..];
    answer.lines().find(|line| line.starts_with(name)).unwrap().to_owned()
}

#[test]
fn re_invite_to_a_third_party_sends_it_nothing_before_its_ack() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(ben, PARTICIPANT).dial(anna);
    world.wait_for("anna is answered", secs(2), |world| world.is_up(anna));
    let (from, to, call_id) =
        (header(&world, "From:"), header(&world, "To:"), header(&world, "Call-ID:"));
    world.run_for(secs(1)).press(anna, MODERATOR).run_for(secs(4)).talk(ben).run_for(secs(3));
    let sip = world.phone(anna).config().sip_address;
    let request = |method: &str, body: &str| {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:conference@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {sip};branch=z9hG4bK{method}\r\n\
             {from}\r\n{to}\r\n{call_id}\r\nCSeq: 900 {method}\r\nContact: <sip:x@{sip}>\r\n\
             {kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    world.throw_at_sip(sip, request("INVITE", &description(VICTIM)).as_bytes()).run_for(secs(5));
    assert!(header(&world, "CSeq:").contains("900"), "the re-INVITE is answered");
    assert_eq!(victim_gets(&world), 0);
    assert!(world.hears(anna, tone(ben)), "the sound goes on where it was");
    // Who acknowledges is who was asked, and may have sound where it likes.
    world.throw_at_sip(sip, request("ACK", "").as_bytes()).run_for(ms(100));
    world.tell(anna, Command::Say(Audio::Nothing)).run_for(secs(3));
    assert!(victim_gets(&world) > 0);
    world.finish();
}
