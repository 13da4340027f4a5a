//! Calls whose way leads nowhere take the next, and nobody is rung twice.

mod common;

use std::time::Duration;

use common::{CONTACT_AND_SDP, Out, Ua, addr, dial, response};
use partyline_sip::message::{Host, Message, Name, Status};
use partyline_sip::{
    CommandError, Destination, Dial, DialogId, EndKind, Ender, Flow, Hangup, NextHop, Patience,
    Target, Transport,
};

const FIRST: &str = "192.0.2.41:5060";
const SECOND: &str = "192.0.2.42:5060";

fn udp(text: &str) -> Target {
    Target { transport: Transport::Udp, address: addr(text) }
}

fn by_name(patience: Option<Patience>) -> Dial {
    let host = Host::Name("trunk.example".into());
    let hop = NextHop { host, port: None, transport: None, secure: false };
    Dial { destination: Destination::Name(hop), patience, has_alternative: true, ..dial() }
}

/// A call to a name with these addresses, and the first INVITE.
fn called(ua: &mut Ua, patience: Option<Patience>, targets: &[&str]) -> (DialogId, Out) {
    let dialog = ua.endpoint.dial(ua.now, by_name(patience)).expect("it can be called");
    let out = ua.drain();
    assert_eq!((out.sent.len(), out.asked.len()), (0, 1));
    let targets: Vec<_> = targets.iter().map(|text| udp(text)).collect();
    ua.endpoint.handle_resolved(ua.now, out.asked[0].id, &targets);
    (dialog, ua.drain())
}

const USUAL: Option<Patience> = Some(Patience::USUAL);

fn text(message: &Message, name: Name) -> String {
    message.headers.text(&name).unwrap_or_default().to_owned()
}

#[track_caller]
fn assert_second(first: &Message, out: &Out, at: usize) -> Message {
    let second = out.message(at);
    assert_eq!(out.sent[at].flow.remote, addr(SECOND));
    assert_eq!(text(&second, Name::CSeq), "2 INVITE");
    assert_ne!(text(&second, Name::Via), text(first, Name::Via));
    for name in [Name::CallId, Name::From, Name::To, Name::ContentType] {
        assert_eq!(text(&second, name.clone()), text(first, name));
    }
    assert_eq!(second.body, first.body, "with the same offer");
    second
}

#[test]
fn a_trunk_that_fails_is_followed_by_the_next_address() {
    for status in ["408 Timeout", "500 Error", "503 Unavailable", "504 Timeout"] {
        let mut ua = Ua::new();
        let (dialog, out) = called(&mut ua, None, &[FIRST, SECOND]);
        assert_eq!(out.sent[0].flow.remote, addr(FIRST));
        let first = out.message(0);
        let out = ua.feed(&response(&first, status, Some("a"), ""));
        assert_eq!((out.lines(), out.events.len()), (vec!["ACK".into(), "INVITE".into()], 0));
        assert_eq!(text(&out.message(0), Name::CSeq), "1 ACK");
        let second = assert_second(&first, &out, 1);
        // The refusal that comes again is acknowledged as before, and nothing else.
        assert_eq!(ua.feed(&response(&first, status, Some("a"), "")).lines(), ["ACK"]);
        let out = ua.feed(&response(&second, "200 OK", Some("b"), CONTACT_AND_SDP));
        assert_eq!(out.news(), [format!("Answered({dialog})")]);
        assert_eq!(text(&out.message(0), Name::CSeq), "2 ACK");
        ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
        let bye = ua.drain().message(0);
        assert_eq!(text(&bye, Name::CSeq), "3 BYE");
        ua.feed(&response(&bye, "200 OK", None, ""));
        ua.assert_forgotten();
    }
}

#[test]
fn a_callee_that_refuses_is_not_rung_again() {
    for status in ["486 Busy", "600 Busy", "603 Decline", "404 Unknown", "403 No"] {
        let mut ua = Ua::new();
        let (_, out) = called(&mut ua, USUAL, &[FIRST, SECOND]);
        let out = ua.feed(&response(&out.message(0), status, Some("a"), ""));
        assert_eq!((out.lines(), out.ended().len()), (vec!["ACK".to_owned()], 1), "{status}");
        ua.assert_forgotten();
    }
}

#[test]
fn after_a_ring_no_other_way_is_taken() {
    for ring in ["180 Ringing", "183 Progress", "181 Forwarded"] {
        let mut ua = Ua::new();
        let (dialog, out) = called(&mut ua, USUAL, &[FIRST, SECOND]);
        let invite = out.message(0);
        ua.feed(&response(&invite, ring, Some("a"), ""));
        let out = ua.secs(60);
        assert_eq!((out.sent.len(), out.events.len()), (0, 0), "{ring}: it may ring");
        let out = ua.feed(&response(&invite, "503 Unavailable", Some("a"), ""));
        assert_eq!((out.lines(), out.ended().len()), (vec!["ACK".to_owned()], 1), "{dialog}");
    }
}

#[test]
fn a_silent_address_is_left_after_four_seconds_and_undone_when_it_wakes() {
    let mut ua = Ua::new();
    let (dialog, out) = called(&mut ua, USUAL, &[FIRST, SECOND]);
    let first = out.message(0);
    let early = ua.run(Duration::from_millis(3999));
    assert!(early.sent.iter().all(|sent| sent.flow.remote == addr(FIRST)));
    let out = ua.run(Duration::from_millis(1));
    assert_eq!((out.lines(), out.events.len()), (vec!["INVITE".to_owned()], 0));
    let second = assert_second(&first, &out, 0);
    ua.feed(&response(&second, "180 Ringing", Some("b"), ""));
    // The first wakes: CANCEL goes when a provisional response allows it, once.
    let out = ua.feed(&response(&first, "100 Trying", None, ""));
    assert_eq!((out.lines(), out.events.len()), (vec!["CANCEL".to_owned()], 0));
    assert_eq!(text(&out.message(0), Name::Via), text(&first, Name::Via));
    let out = ua.feed(&response(&first, "180 Ringing", Some("a"), ""));
    assert_eq!((out.lines().len(), out.events.len()), (0, 0));
    // It answers nevertheless: it hears ACK and BYE, and the call does not notice.
    let out = ua.feed(&response(&first, "200 OK", Some("a"), CONTACT_AND_SDP));
    assert_eq!((out.lines(), out.events.len()), (vec!["ACK".into(), "BYE".into()], 0));
    let bye = out.message(1);
    assert!(text(&bye, Name::To).ends_with(";tag=a"));
    ua.feed(&response(&bye, "200 OK", None, ""));
    let out = ua.feed(&response(&second, "200 OK", Some("b"), CONTACT_AND_SDP));
    assert_eq!(out.news(), [format!("Answered({dialog})")]);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    let bye = ua.drain().message(0);
    assert!(text(&bye, Name::To).ends_with(";tag=b"));
    ua.feed(&response(&bye, "200 OK", None, ""));
    ua.assert_forgotten();
}

#[test]
fn an_address_that_only_tries_is_cancelled_after_fifteen_seconds() {
    let mut ua = Ua::new();
    let (_, out) = called(&mut ua, USUAL, &[FIRST, SECOND]);
    let first = out.message(0);
    ua.secs(1);
    ua.feed(&response(&first, "100 Trying", None, ""));
    assert!(ua.run(Duration::from_millis(13_999)).sent.is_empty());
    let out = ua.run(Duration::from_millis(1));
    assert_eq!((out.lines(), out.events.len()), (vec!["CANCEL".into(), "INVITE".into()], 0));
    assert_second(&first, &out, 1);
    let gone = ua.feed(&response(&first, "487 Terminated", Some("a"), ""));
    assert_eq!((gone.lines(), gone.events.len()), (vec!["ACK".to_owned()], 0));
}

#[test]
fn the_last_way_is_given_up_only_for_who_has_another() {
    let mut ua = Ua::new();
    called(&mut ua, USUAL, &[FIRST]);
    let ended = ua.secs(4).ended();
    assert_eq!((ended[0].by, ended[0].kind), (Ender::Timeout, EndKind::Timeout));
    assert_eq!(ended[0].status, Some(Status::REQUEST_TIMEOUT));
    ua.assert_forgotten();
    let mut ua = Ua::new();
    let last = Dial { has_alternative: false, ..by_name(USUAL) };
    ua.endpoint.dial(ua.now, last).expect("it can be called");
    let asked = ua.drain().asked;
    ua.endpoint.handle_resolved(ua.now, asked[0].id, &[udp(FIRST), udp(SECOND)]);
    let out = ua.drain();
    assert_second(&out.message(0), &ua.secs(4), 3);
    assert!(ua.run(Duration::from_millis(31_999)).ended().is_empty(), "timer B of the second");
    assert_eq!(ua.run(Duration::from_millis(1)).ended().len(), 1);
    ua.assert_forgotten();
}

#[test]
fn a_name_without_addresses_fails_the_call_as_503_would() {
    let mut ua = Ua::new();
    let (_, out) = called(&mut ua, USUAL, &[]);
    assert_eq!(out.ended()[0].status, Some(Status::SERVICE_UNAVAILABLE));
    ua.assert_forgotten();
    let mut ua = Ua::new();
    ua.endpoint.dial(ua.now, by_name(None)).expect("it can be called");
    assert_eq!(ua.secs(3).ended()[0].status, Some(Status::SERVICE_UNAVAILABLE));
    ua.assert_forgotten();
}

#[test]
fn a_call_that_is_given_up_takes_no_other_way() {
    // While the name is resolved: nothing was sent, nothing is.
    let mut ua = Ua::new();
    let dialog = ua.endpoint.dial(ua.now, by_name(USUAL)).expect("it can be called");
    let asked = ua.drain().asked;
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is called");
    assert_eq!(ua.drain().ended().len(), 1);
    ua.endpoint.handle_resolved(ua.now, asked[0].id, &[udp(FIRST)]);
    assert!(ua.drain().sent.is_empty());
    ua.assert_forgotten();
    // Before any response, and while it tries.
    for tries in [false, true] {
        let mut ua = Ua::new();
        let (dialog, out) = called(&mut ua, USUAL, &[FIRST, SECOND]);
        let invite = out.message(0);
        if tries {
            ua.feed(&response(&invite, "100 Trying", None, ""));
        }
        ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is called");
        ua.drain();
        let out = ua.secs(20);
        assert!(out.sent.iter().all(|sent| sent.flow.remote == addr(FIRST)), "{tries}");
        let out = ua.feed(&response(&invite, "503 Unavailable", Some("a"), ""));
        assert_eq!((out.lines(), out.events.len()), (vec!["ACK".to_owned()], 0));
        ua.assert_forgotten();
    }
}

/// A call to these addresses of a trunk, best first.
fn by_flows(transports: &[Transport]) -> Dial {
    let addresses = [FIRST, SECOND].map(addr);
    let flows = transports.iter().zip(addresses).map(|(&by, to)| Flow::new(by, to)).collect();
    Dial { destination: Destination::Flows(flows), patience: USUAL, ..dial() }
}

#[test]
fn of_several_addresses_each_is_tried_and_who_failed_is_said() {
    for (status, blamed) in [("503 Unavailable", true), ("500 Error", false)] {
        let mut ua = Ua::new();
        let dialled = ua.endpoint.dial(ua.now, by_flows(&[Transport::Udp; 2]));
        let dialog = dialled.expect("it can be called");
        let first = ua.drain().message(0);
        let out = ua.feed(&response(&first, status, Some("a"), ""));
        assert_second(&first, &out, 1);
        let failed: Vec<_> = out.failed.iter().map(|flow| flow.remote).collect();
        assert_eq!(failed, if blamed { vec![addr(FIRST)] } else { vec![] }, "{status}");
        ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is on its way");
    }
    let mut ua = Ua::new();
    ua.endpoint.dial(ua.now, by_flows(&[Transport::Udp; 2])).expect("it can be called");
    let first = ua.drain().message(0);
    let out = ua.secs(5);
    let failed: Vec<_> = out.failed.iter().map(|flow| flow.remote).collect();
    assert_eq!(failed, [addr(FIRST)], "it was silent for four seconds");
    assert!(out.sent.iter().any(|sent| sent.flow.remote == addr(SECOND)));
    let busy = response(&first, "486 Busy", Some("a"), "");
    assert_eq!(ua.feed(&busy).failed, [], "a callee that is busy was reached");
}

#[test]
fn a_call_for_which_no_transport_is_spoken_is_not_begun() {
    let mut ua = Ua::new();
    let refused = ua.endpoint.dial(ua.now, by_flows(&[Transport::Tls]));
    assert_eq!(refused.err(), Some(CommandError::BadRequest));
    ua.assert_forgotten();
}
