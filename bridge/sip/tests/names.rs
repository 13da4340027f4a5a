//! Next hops by name: asked for, waited for, and what is done without an answer.

mod common;

use common::{PEER, SDP, Ua, addr, confirmed, dial, request, response, to_tag};
use partyline_sip::message::{Host, Message, Name};
use partyline_sip::{DialogId, EndKind, Ender, Hangup, NextHop, Target, Transport};

const NAMED: &str =
    "Contact: <sip:callee@pbx.example:5070>\r\nContent-Type: application/sdp\r\n\r\nv=0 answer";

fn resolving() -> Ua {
    Ua::with(|config| config.resolves = true)
}

fn udp(text: &str) -> Target {
    Target { transport: Transport::Udp, address: addr(text) }
}

/// A call out whose answer names its far end; the ACK waits.
fn answered_by_name(ua: &mut Ua) -> (DialogId, Message, common::Out) {
    let dialog = ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    let invite = ua.drain().message(0);
    let out = ua.feed(&response(&invite, "200 OK", Some("b"), NAMED));
    assert_eq!(out.news(), [format!("Answered({dialog})")]);
    (dialog, invite, out)
}

#[test]
fn a_name_is_asked_for_and_its_first_address_taken() {
    let mut ua = resolving();
    let (_, _, out) = answered_by_name(&mut ua);
    assert_eq!((out.lines().len(), out.asked.len()), (0, 1), "the ACK waits");
    let hop = NextHop {
        host: Host::Name("pbx.example".into()),
        port: Some(5070),
        transport: None,
        secure: false,
    };
    assert_eq!(out.asked[0].hop, hop);
    let targets = [udp("192.0.2.40:5070"), udp("192.0.2.41:5070")];
    ua.endpoint.handle_resolved(ua.now, out.asked[0].id, &targets);
    let out = ua.drain();
    assert_eq!(out.lines(), ["ACK"]);
    assert_eq!(out.sent[0].flow.remote, addr("192.0.2.40:5070"));
}

#[test]
fn an_answer_that_comes_again_is_acknowledged_again_once_its_address_is_known() {
    let mut ua = resolving();
    let (_, invite, first) = answered_by_name(&mut ua);
    let ok = response(&invite, "200 OK", Some("b"), NAMED);
    let again = ua.feed(&ok);
    assert_eq!((again.sent.len(), again.asked.len()), (0, 0), "one question is enough");
    ua.endpoint.handle_resolved(ua.now, first.asked[0].id, &[udp("192.0.2.40:5070")]);
    let ack = ua.drain();
    assert_eq!(ack.lines(), ["ACK"]);
    let again = ua.feed(&ok);
    assert_eq!(again.sent, ack.sent, "the same ACK to the same address");
    ua.endpoint.handle_resolved(ua.now, first.asked[0].id, &[udp("192.0.2.50:5070")]);
    assert!(ua.drain().sent.is_empty(), "a question is answered once");
}

#[test]
fn without_an_address_requests_go_where_the_peer_was_met() {
    for silent in [false, true] {
        let mut ua = resolving();
        let (_, _, out) = answered_by_name(&mut ua);
        let ack = if silent {
            let early = ua.run(std::time::Duration::from_millis(2999));
            assert!(early.sent.is_empty(), "it waits for 3 s");
            ua.run(std::time::Duration::from_millis(1))
        } else {
            ua.endpoint.handle_resolved(ua.now, out.asked[0].id, &[]);
            ua.drain()
        };
        assert_eq!(ack.lines(), ["ACK"], "{silent}");
        assert_eq!(ack.sent[0].flow.remote, addr(PEER), "{silent}");
    }
}

#[test]
fn without_a_resolver_nothing_is_asked() {
    let mut ua = Ua::new();
    let (_, _, out) = answered_by_name(&mut ua);
    assert_eq!((out.lines(), out.asked.len()), (vec!["ACK".to_owned()], 0));
    assert_eq!(out.sent[0].flow.remote, addr(PEER));
}

#[test]
fn a_call_ends_whether_or_not_its_bye_finds_an_address() {
    for targets in [&[udp("192.0.2.40:5060")][..], &[]] {
        let mut ua = resolving();
        let invite = request("INVITE", 1, "inv", None, SDP)
            .replace("<sip:caller@192.0.2.1:5060>", "<sip:caller@pbx.example>");
        let dialog = ua.feed(&invite).invited();
        ua.endpoint.answer(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
        let tag = to_tag(&ua.drain().message(0));
        ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
        ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
        let out = ua.drain();
        assert_eq!((out.sent.len(), out.asked.len(), out.ended().len()), (0, 1, 1));
        ua.endpoint.handle_resolved(ua.now, out.asked[0].id, targets);
        let bye = ua.drain();
        assert_eq!(bye.lines(), ["BYE"]);
        let to = targets.first().map_or(addr(PEER), |target| target.address);
        assert_eq!(bye.sent[0].flow.remote, to);
        ua.feed(&response(&bye.message(0), "200 OK", None, ""));
        ua.assert_forgotten();
    }
}

#[test]
fn a_bye_of_the_peer_ends_a_call_whose_own_offer_waits_for_an_address() {
    let mut ua = resolving();
    let (dialog, tag) = confirmed(&mut ua);
    let reinvite = request("INVITE", 2, "re", Some(&tag), SDP)
        .replace("<sip:caller@192.0.2.1:5060>", "<sip:caller@pbx.example>");
    ua.feed(&reinvite);
    ua.endpoint.answer_reinvite(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
    ua.feed(&request("ACK", 2, "ack2", Some(&tag), ""));
    ua.endpoint.reinvite(ua.now, dialog, b"v=0 offer".to_vec()).expect("it is up");
    let out = ua.drain();
    assert_eq!((out.sent.len(), out.asked.len()), (0, 1));
    let ended = ua.feed(&request("BYE", 3, "bye", Some(&tag), "")).ended();
    assert_eq!((ended[0].by, ended[0].kind), (Ender::Remote, EndKind::Bye));
    ua.endpoint.handle_resolved(ua.now, out.asked[0].id, &[udp("192.0.2.40:5060")]);
    assert!(ua.drain().sent.is_empty(), "nobody is there any more");
    ua.assert_forgotten();
}

#[test]
fn a_key_goes_to_the_address_of_a_name() {
    let mut ua = resolving();
    let (dialog, _, out) = answered_by_name(&mut ua);
    ua.endpoint.handle_resolved(ua.now, out.asked[0].id, &[udp("192.0.2.40:5070")]);
    ua.drain();
    let digit = partyline_model::Digit::from_char('5').expect("a digit");
    let length = std::time::Duration::from_millis(100);
    ua.endpoint.send_digit(ua.now, dialog, digit, length).expect("it is up");
    let out = ua.drain();
    ua.endpoint.handle_resolved(ua.now, out.asked[0].id, &[udp("192.0.2.40:5070")]);
    let info = ua.drain();
    assert_eq!(info.lines(), ["INFO"]);
    assert_eq!(info.message(0).body, &b"Signal=5\r\nDuration=100\r\n"[..]);
    assert!(info.message(0).headers.text(&Name::ContentType).is_some());
    let done = ua.feed(&response(&info.message(0), "200 OK", None, ""));
    assert_eq!(done.news(), [format!("DigitSent({dialog}, Ok(()))")]);
}

#[test]
fn a_name_of_somebody_elsewhere_never_leads_to_what_listens_here() {
    let mut ua = resolving();
    let (_, _, out) = answered_by_name(&mut ua);
    assert_eq!(out.asked[0].met, Some(addr(PEER)));
    let targets = ["127.0.0.1:5070", "[::1]:5070", "[::ffff:127.0.0.9]:5070", "192.0.2.40:5070"];
    ua.endpoint.handle_resolved(ua.now, out.asked[0].id, &targets.map(udp));
    assert_eq!(ua.drain().sent[0].flow.remote, addr("192.0.2.40:5070"));
}
