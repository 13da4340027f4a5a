//! Who may call, and what is said of those who may not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_control::{Cause, Refused};
use partyline_sip::Dropped;
use partyline_sip::sdp::SdpError;

const STRANGER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), 5060);
const PHONE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 70, 0, 1)), 5060);
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.70.0.1\r\ns=-\r\nc=IN IP4 10.70.0.1\r\nt=0 0\r\n\
                     m=audio 4000 RTP/AVP 0\r\n";

fn invite(id: &str, user: &str, sdp: &str) -> Vec<u8> {
    format!(
        "INVITE sip:{user}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.70.0.1;branch=z9hG4bK{id}\r\n\
         From: <sip:14165550100@h>;tag=1\r\nTo: <sip:{user}@192.0.2.1>\r\nCall-ID: {id}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:x@10.70.0.1>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}

#[test]
fn a_strangers_flood_leaves_those_who_talk_and_those_who_come_alone() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).talk(anna);
    for n in 0..2000 {
        let message = invite(&format!("flood{n}"), "conference", OFFER);
        world.throw_at_sip(STRANGER, &message).run_for(ms(1));
        if n == 500 {
            world.dial(ben);
        }
    }
    world.wait_for("ben is answered", secs(2), |world| world.is_up(ben));
    world.run_for(secs(1)).press(ben, PARTICIPANT).run_for(secs(6));
    assert!(world.hears(ben, tone(anna)));
    let endpoint = world.node().endpoint();
    assert_eq!(endpoint.dialogs(), 2);
    let dropped = |reason| endpoint.counters().of(reason);
    assert!(dropped(Dropped::Unheard) > 1900 && dropped(Dropped::Stranger) < 100);
    assert_eq!(world.node().refused(Refused::UnknownSource), dropped(Dropped::Stranger));
    let said = world.refusals();
    assert_eq!(said.len(), 1, "once a minute");
    assert!(said[0].advice().contains("203.0.113.9/32") && said[0].trunk.is_none());
    let records = world.finish();
    assert_eq!(records.legs().len(), 2, "a stranger has no record");
}

#[test]
fn each_refusal_is_said_once_with_its_trunk_its_reason_and_what_to_do() {
    let mut world = World::build().without_audio().start();
    let six = OFFER.replace("c=IN IP4 10.70.0.1", "c=IN IP6 2001:db8::1");
    let other = OFFER.replace("RTP/AVP 0", "RTP/AVP 9");
    for n in 0..3 {
        world
            .throw_at_sip(PHONE, &invite(&format!("six{n}"), "conference", &six))
            .throw_at_sip(PHONE, &invite(&format!("codec{n}"), "conference", &other))
            .throw_at_sip(PHONE, &invite(&format!("nobody{n}"), "18005550142739164", OFFER))
            .throw_at_sip(PHONE, &invite(&format!("broken{n}"), "a b", OFFER))
            .run_for(secs(1));
    }
    let mut causes: Vec<_> = world.refusals().iter().map(|refusal| refusal.cause).collect();
    causes.sort_unstable();
    let malformed = Cause::Endpoint(Dropped::MalformedRequest, Some("Malformed Request-Line"));
    let unsuitable = [SdpError::NoCommonCodec, SdpError::OnlyIpv6].map(Cause::Description);
    let mut expected = vec![malformed, unsuitable[0], unsuitable[1], Cause::CallFlow(404)];
    expected.sort_unstable();
    assert_eq!(causes, expected);
    for refusal in world.refusals() {
        assert_eq!(refusal.trunk.as_deref(), Some("carrier"));
        let text = format!("{} {} {refusal:?}", refusal.reason(), refusal.advice());
        assert!(!text.contains("739164"), "what follows a number may be a passcode: {text}");
    }
    let sent = String::from_utf8_lossy(world.uttered()).into_owned();
    assert!(sent.contains("Warning: 301 192.0.2.1 \"the connection address is IPv6 (IN IP6) only"));
    assert!(sent.contains("Warning: 305 192.0.2.1 "));
    world.finish();
}

#[test]
fn nobody_hangs_up_for_another() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(3));
    let id = world.call_id(ben).to_owned();
    // What a tap on the wire would show: the tags of the call, from the bridge's own messages.
    let said = String::from_utf8_lossy(world.uttered()).into_owned();
    let heads = said.split("SIP/2.0 200 OK").map(|rest| rest.split("\r\n\r\n").next().unwrap());
    let ok = heads.into_iter().find(|head| head.contains(&id)).unwrap();
    let line = |name: &str| ok.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let (from, to) = (line("From: ").to_owned(), line("To: ").to_owned());
    let bye = format!(
        "BYE sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: {from}\r\n\
         To: {to}\r\nCall-ID: {id}\r\nCSeq: 99 BYE\r\n\r\n"
    );
    world.throw_at_sip(STRANGER, bye.as_bytes()).run_for(secs(1));
    assert!(world.is_up(ben));
    assert_eq!(world.node().endpoint().counters().of(Dropped::ForeignSource), 1);
    world.finish();
}
