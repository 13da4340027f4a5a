//! Nobody's sound is sent to the bridge itself: it would be heard for ever, and keep legs alive
//! whose far ends are gone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;

use bridge_tests::sim::{MODERATOR, World, secs};
use partyline_control::Cause;
use partyline_phones::{Answering, Ending};
use partyline_sip::sdp::SdpError;

const PHONE: &str = "10.70.0.1:5060";

fn sdp(rtp: &str, more: &str) -> String {
    let rtp: SocketAddr = rtp.parse().unwrap();
    format!(
        "v=0\r\no=- 1 1 IN IP4 10.70.0.1\r\ns=-\r\nc=IN IP4 {}\r\nt=0 0\r\n\
         m=audio {} RTP/AVP 0\r\n{more}",
        rtp.ip(),
        rtp.port()
    )
}

fn request(method: &str, cseq: u32, id: &str, tag: &str, sdp: &str) -> Vec<u8> {
    format!(
        "{method} sip:conference@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 10.70.0.1;branch=z9hG4bK{id}{method}{cseq}\r\n\
         From: <sip:14165550100@h>;tag=1\r\nTo: <sip:conference@192.0.2.1>{tag}\r\nCall-ID: {id}\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:x@10.70.0.1>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}

fn throw(world: &mut World, message: &[u8]) {
    world.throw_at_sip(PHONE.parse().unwrap(), message).run_for(secs(1));
}

/// The last response but 100 to a request with this Call-ID and number.
fn response(world: &World, id: &str, cseq: u32) -> String {
    let said = String::from_utf8_lossy(world.uttered()).into_owned();
    let heads = said.split("SIP/2.0 ").map(|rest| rest.split("\r\n\r\n").next().unwrap());
    let of = heads.filter(|head| {
        let has = |line: &str| head.lines().any(|other| other == line);
        has(&format!("Call-ID: {id}")) && has(&format!("CSeq: {cseq} INVITE"))
    });
    of.filter(|head| !head.starts_with("100 ")).last().unwrap().to_owned()
}

fn tag(response: &str) -> String {
    let to = response.lines().find(|line| line.starts_with("To: ")).unwrap();
    to[to.find(";tag=").unwrap()..].to_owned()
}

fn is_refused(response: &str) -> bool {
    response.starts_with("488 ") && response.contains("Warning: 301 192.0.2.1 ")
}

#[test]
fn an_offer_of_our_own_address_and_port_is_refused() {
    let mut world = World::build().without_audio().start();
    let rtcp = "a=rtcp:20001 IN IP4 192.0.2.1\r\n";
    for (n, (rtp, more, refused)) in [
        ("192.0.2.1:20000", "", true),
        ("192.0.2.1:29999", "", true),
        ("192.0.2.1:5060", "", true),
        // RTCP goes to the next port.
        ("192.0.2.1:5059", "", true),
        ("10.70.0.1:4000", rtcp, true),
        ("10.70.0.1:4000", "a=rtcp:5060 IN IP4 192.0.2.1\r\n", true),
        // Another program on the same machine, a hold, and somebody else.
        ("192.0.2.1:30000", "", false),
        ("0.0.0.0:20000", "", false),
        ("10.70.0.1:20000", "", false),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("c{n}");
        throw(&mut world, &request("INVITE", 1, &id, "", &sdp(rtp, more)));
        let response = response(&world, &id, 1);
        assert_eq!(is_refused(&response), refused, "{rtp} {more}: {response}");
        assert!(refused || response.starts_with("200 "), "{rtp}: {response}");
    }
    let causes: Vec<_> = world.refusals().iter().map(|refusal| refusal.cause).collect();
    assert_eq!(causes, [Cause::Description(SdpError::OurOwnAddress)], "and it is said");
    world.run_for(secs(40)).finish();
}

#[test]
fn a_change_to_our_own_address_is_refused_and_the_call_stays_as_it_was() {
    let mut world = World::build().without_audio().start();
    throw(&mut world, &request("INVITE", 1, "c", "", &sdp("10.70.0.1:4000", "")));
    let tag = tag(&response(&world, "c", 1));
    throw(&mut world, &request("ACK", 1, "c", &tag, ""));
    for (cseq, rtp, refused) in
        [(2, "192.0.2.1:20000", true), (3, "192.0.2.1:5060", true), (4, "10.70.0.1:4002", false)]
    {
        throw(&mut world, &request("INVITE", cseq, "c", &tag, &sdp(rtp, "")));
        assert_eq!(is_refused(&response(&world, "c", cseq)), refused, "{rtp}");
    }
    for own in ["192.0.2.1:20000", "192.0.2.1:5060"] {
        assert_eq!(world.media_sent_to(own.parse().unwrap()), 0, "{own}");
    }
    assert_eq!(world.node().endpoint().dialogs(), 1);
    throw(&mut world, &request("BYE", 9, "c", &tag, ""));
    world.finish();
}

#[test]
fn an_answer_of_our_own_address_ends_the_call_in_both_directions() {
    let mut world = World::build().without_audio().start();
    throw(&mut world, &request("INVITE", 1, "late", "", ""));
    let tag = tag(&response(&world, "late", 1));
    throw(&mut world, &request("ACK", 1, "late", &tag, &sdp("192.0.2.1:20000", "")));
    assert!(String::from_utf8_lossy(world.uttered()).contains("BYE sip:x@10.70.0.1 SIP/2.0"));

    let [anna] = world.phones(["anna"]);
    let dora = world.callee("dora", "14165550199", |phone| {
        phone.answering = Answering::After(secs(1));
        phone.described = Some("192.0.2.1:20000".parse().unwrap());
    });
    world.join(anna, MODERATOR).run_for(secs(4));
    world.press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#").run_for(secs(8));
    assert_eq!(world.ending(dora), Some(Ending::ByThem));
    assert_eq!(world.media_sent_to("192.0.2.1:20000".parse().unwrap()), 0);
    world.finish();
}
