//! Whom the bridge listens to no more, and whom it never bans.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bridge_tests::sim::builder::{CARRIER, DIAL_IN, carrier};
use bridge_tests::sim::clock::time;
use bridge_tests::sim::{PARTICIPANT, World, ms, secs};
use partyline_control::{Ban, Offence, SourceKind, Trunk, Unbannable};
use partyline_phones::PhoneId;
use partyline_sip::Dropped;

const STRANGER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), 5060);
const PHONE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 70, 0, 1)), 5060);
const GARBAGE: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// Telephones whose addresses are their callers', and a carrier for calls out.
fn phones(trunks: &mut Vec<Trunk>) {
    let range = vec!["10.0.0.0/8".parse().unwrap()];
    trunks.insert(0, Trunk { id: 8, sources: range, kind: SourceKind::Phones, ..carrier() });
}

/// Who is banned now.
fn banned(world: &World) -> Vec<Ban> {
    world.node().bans(time(world.now()))
}

fn options(agent: &str, n: usize) -> Vec<u8> {
    format!(
        "OPTIONS sip:100@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 10.70.0.1;branch=z9hG4bK{agent}{n}\r\n\
         From: <sip:100@h>;tag=1\r\nTo: <sip:100@192.0.2.1>\r\nCall-ID: {agent}{n}\r\n\
         CSeq: 1 OPTIONS\r\nUser-Agent: {agent}\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Calls, types wrong passcodes as long as it may, and is let go.
fn guess(world: &mut World, phone: PhoneId) {
    world.dial(phone);
    world.wait_for("the call is answered", secs(5), |world| world.is_up(phone));
    for _ in 0..4 {
        world.run_for(secs(1));
        if world.is_up(phone) {
            world.press(phone, "99999999#").run_for(secs(20));
        }
    }
    world.wait_for("the call is over", secs(120), |world| !world.is_up(phone));
    world.run_for(secs(1));
}

#[test]
fn who_sends_garbage_is_banned_and_no_phone_whose_address_is_forged() {
    let mut world = World::build().without_audio().trunks(phones).start();
    for from in [PHONE, STRANGER] {
        for _ in 0..30 {
            world.throw_at_sip(from, GARBAGE).run_for(ms(300));
        }
    }
    let bans = world.bans();
    assert_eq!(bans.len(), 1, "{bans:?}");
    assert_eq!((bans[0].source, bans[0].offence), (STRANGER.ip(), Offence::Garbage));
    let (now, sources) = (time(world.now()), world.node().sources());
    assert!(sources.is_banned(now, STRANGER.ip()) && !sources.is_banned(now, PHONE.ip()));
    world.finish();
}

#[test]
fn who_sends_garbage_on_connections_is_where_it_says_and_is_banned() {
    let mut world = World::build().without_audio().trunks(phones).start();
    for _ in 0..19 {
        world.garble(PHONE);
    }
    assert!(banned(&world).is_empty());
    for _ in 0..11 {
        world.garble(PHONE).garble(CARRIER);
    }
    let bans = banned(&world);
    assert_eq!(bans.len(), 1, "{bans:?}");
    assert_eq!((bans[0].source, bans[0].offence), (PHONE.ip(), Offence::Garbage));
    world.finish();
}

/// An INVITE of a telephone that says that it is elsewhere.
fn call_from_elsewhere() -> Vec<u8> {
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.70.0.1\r\ns=-\r\nc=IN IP4 10.70.0.1\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 0\r\n";
    let contact = STRANGER.ip();
    format!(
        "INVITE sip:+{DIAL_IN}@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.70.0.1:5060;branch=z9hG4bKe\r\n\
         From: <sip:1@h>;tag=1\r\nTo: <sip:+{DIAL_IN}@h>\r\nCall-ID: elsewhere\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:x@{contact}>\r\nMax-Forwards: 70\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}

/// The next request of that call, with the tag of the answer that is in the log.
fn within(world: &World, method: &str, cseq: u32) -> Vec<u8> {
    let log = String::from_utf8_lossy(world.log()).into_owned();
    let answer = log.split("SIP/2.0 200 OK").nth(1).unwrap();
    let to = answer.split("\r\n").find(|line| line.starts_with("To: ")).unwrap();
    format!(
        "{method} sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK{method}\r\n\
         From: <sip:1@h>;tag=1\r\n{to}\r\nCall-ID: elsewhere\r\nCSeq: {cseq} {method}\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn garbage_in_the_name_of_a_calls_far_end_keeps_nobody_from_hearing_it() {
    for before in [false, true] {
        let mut world = World::build().without_audio().keep_log().trunks(phones).start();
        if before {
            for _ in 0..30 {
                world.throw_at_sip(STRANGER, GARBAGE).run_for(ms(250));
            }
            assert_eq!(banned(&world).len(), 1);
        }
        world.throw_at_sip(PHONE, &call_from_elsewhere()).run_for(secs(1));
        let ack = within(&world, "ACK", 1);
        world.throw_at_sip(PHONE, &ack).run_for(ms(300));
        for _ in 0..40 {
            world.throw_at_sip(STRANGER, GARBAGE).run_for(ms(300));
        }
        assert_eq!(banned(&world), []);
        let bye = within(&world, "BYE", 2);
        world.throw_at_sip(STRANGER, &bye).run_for(secs(2));
        assert_eq!(world.node().calls(), 0, "it is heard");
        for _ in 0..30 {
            world.throw_at_sip(STRANGER, GARBAGE).run_for(ms(300));
        }
        assert_eq!(banned(&world).len(), 1, "its call is over");
        world.finish();
    }
}

#[test]
fn a_scanner_whose_address_may_be_forged_is_counted_and_not_banned() {
    let mut world = World::build().without_audio().trunks(phones).start();
    for agent in ["sipvicious", "Friendly-Scanner", "phone"] {
        for n in 0..10 {
            world.throw_at_sip(PHONE, &options(agent, n)).run_for(ms(300));
        }
    }
    assert_eq!(world.node().endpoint().counters().of(Dropped::Scanner), 20);
    assert!(world.bans().is_empty());
    world.finish();
}

#[test]
fn a_telephone_that_guesses_on_is_banned_and_one_that_got_in_before_is_not() {
    let mut world = World::build().without_audio().trunks(phones).start();
    let [guesser, clumsy] = world.phones(["guesser", "clumsy"]);
    world.join(clumsy, PARTICIPANT).run_for(secs(1)).hang_up(clumsy).run_for(secs(1));
    for _ in 0..5 {
        guess(&mut world, guesser);
        guess(&mut world, clumsy);
    }
    let bans = world.bans();
    assert_eq!(bans.len(), 1, "{bans:?}");
    assert_eq!((bans[0].offence, bans[0].times), (Offence::Passcode, 1));
    world.finish();
}

#[test]
fn no_trunks_own_host_is_ever_banned() {
    let mut world = World::build().without_audio().start();
    for _ in 0..100 {
        world.throw_at_sip(CARRIER, GARBAGE).run_for(ms(100));
    }
    assert!(world.bans().is_empty());
    assert_eq!(world.ban(CARRIER.ip()), Err(Unbannable::TrunkHost));
    world.finish();
}
