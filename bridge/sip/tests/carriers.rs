//! What goes wrong between user agents and real carriers, message by message.

mod common;

use std::time::Duration;

use common::{CONTACT_AND_SDP, Out, SDP, US, Ua, addr, confirmed, dial, request, response, to_tag};
use partyline_sip::message::{Frame, Framer, Message, Name, StartLine};
use partyline_sip::{ConnectionId, Dial, Event, Flow, Hangup, Listener, Transport};

/// The Request-URI and the Route of a request, and where it went.
fn way(out: &Out, index: usize) -> (String, Vec<String>, String) {
    let message = out.message(index);
    let StartLine::Request { uri, .. } = &message.start else { panic!("a request") };
    let routes = message.headers.items(&Name::Route).map(str::to_owned).collect();
    (uri.to_string(), routes, out.sent[index].flow.remote.to_string())
}

/// The edge of a carrier, the proxy behind it, and a callee that nobody reaches but by them.
const EDGE: &str = "<sip:192.0.2.9;lr;ftag=x>";
const INSIDE: &str = "<sip:10.1.1.1;lr=on>";
const PRIVATE: &str = "sip:callee@192.168.7.7:5080";

/// Failure 1: ACK and BYE without the route set, or with another Request-URI.
#[test]
fn ack_and_bye_follow_the_route_set_to_a_contact_that_nobody_reaches() {
    // We call: the edge stands last in the Record-Route of the answer.
    let mut ua = Ua::new();
    let call = ua.endpoint.dial(ua.now, dial()).expect("a call");
    let invite = ua.drain().message(0);
    let more = format!(
        "Record-Route: {INSIDE}, {EDGE}\r\nContact: <{PRIVATE}>\r\n\
         Content-Type: application/sdp\r\n\r\nv=0"
    );
    let out = ua.feed(&response(&invite, "200 OK", Some("b"), &more));
    let expected =
        (PRIVATE.to_owned(), vec![EDGE.to_owned(), INSIDE.to_owned()], "192.0.2.9:5060".to_owned());
    assert_eq!((out.lines(), way(&out, 0)), (vec!["ACK".to_owned()], expected.clone()));
    ua.endpoint.hangup(ua.now, call, Hangup::default()).expect("it is up");
    let out = ua.drain();
    assert_eq!((out.lines(), way(&out, 0)), (vec!["BYE".to_owned()], expected.clone()));
    // We are called: the edge stands first.
    let mut ua = Ua::new();
    let more = format!("Record-Route: {EDGE}\r\nRecord-Route: {INSIDE}\r\n{SDP}");
    let invite = request("INVITE", 1, "inv", None, &more);
    let invite = invite.replace("sip:caller@192.0.2.1:5060", PRIVATE);
    let call = ua.feed(&invite).invited();
    ua.endpoint.answer(ua.now, call, b"v=0".to_vec()).expect("it waits");
    let tag = to_tag(&ua.drain().message(0));
    ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
    ua.endpoint.reinvite(ua.now, call, b"v=0 more".to_vec()).expect("it is up");
    assert_eq!(way(&ua.drain(), 0), expected);
    ua.endpoint.hangup(ua.now, call, Hangup::default()).expect("it is up");
    assert_eq!(way(&ua.drain(), 0), expected);
}

/// A telephone behind a NAT names an address of its own network: what goes to it goes to where it was
/// met. Within one network, and behind a proxy that is in the route, its word holds.
#[test]
fn a_peer_behind_a_nat_is_reached_where_it_was_met() {
    for (contact, met, to) in [
        ("10.7.0.2:5062", "203.0.113.1:41000", "203.0.113.1:41000"),
        ("100.64.3.4:5060", "203.0.113.1:41000", "203.0.113.1:41000"),
        ("[fd00::7]:5060", "[2001:db8::1]:41000", "[2001:db8::1]:41000"),
        // A proxy of the same network, which left itself out of the route.
        ("10.7.0.2:5062", "10.9.0.1:5060", "10.7.0.2:5062"),
        ("198.51.100.7:5062", "203.0.113.1:41000", "198.51.100.7:5062"),
        ("100.128.3.4:5060", "203.0.113.1:41000", "100.128.3.4:5060"),
    ] {
        // It calls.
        let mut ua = Ua::new();
        let invite = request("INVITE", 1, "inv", None, SDP);
        let invite = invite.replace("sip:caller@192.0.2.1:5060", &format!("sip:caller@{contact}"));
        let call = ua.feed_by(Flow::new(Transport::Udp, addr(met)), &invite).invited();
        ua.endpoint.answer(ua.now, call, b"v=0".to_vec()).expect("it waits");
        let tag = to_tag(&ua.drain().message(0));
        ua.feed_by(Flow::new(Transport::Udp, addr(met)), &request("ACK", 1, "ack", Some(&tag), ""));
        ua.endpoint.hangup(ua.now, call, Hangup::default()).expect("it is up");
        let (uri, _, went) = way(&ua.drain(), 0);
        assert_eq!((uri, went), (format!("sip:caller@{contact}"), to.to_owned()), "{met}");
        // It is called, where it was met.
        let mut ua = Ua::new();
        let dial = Dial { destination: addr(met).into(), ..dial() };
        let call = ua.endpoint.dial(ua.now, dial).expect("a call");
        let invite = ua.drain().message(0);
        let more =
            format!("Contact: <sip:callee@{contact}>\r\nContent-Type: application/sdp\r\n\r\nv=0");
        let out = ua.feed_by(
            Flow::new(Transport::Udp, addr(met)),
            &response(&invite, "200 OK", Some("b"), &more),
        );
        assert_eq!((out.lines(), way(&out, 0).2), (vec!["ACK".to_owned()], to.to_owned()));
        ua.endpoint.hangup(ua.now, call, Hangup::default()).expect("it is up");
        assert_eq!(way(&ua.drain(), 0).2, to, "{contact} {met}");
    }
}

/// Failure 25: routers that say `lr` in their own way, or route strictly.
#[test]
fn a_router_is_loose_by_any_lr_and_strict_without() {
    for (route, is_loose) in [
        ("<sip:192.0.2.9;lr>", true),
        ("<sip:192.0.2.9;lr=on>", true),
        ("<sip:192.0.2.9;lr=true;x=1>", true),
        ("<sip:192.0.2.9;LR>", true),
        ("<sip:192.0.2.9;lr=>", true),
        ("<sip:192.0.2.9>", false),
        ("<sip:192.0.2.9;lrx>", false),
        ("<sip:192.0.2.9;transport=udp>", false),
    ] {
        let mut ua = Ua::new();
        let more = format!("Record-Route: {route}, {INSIDE}\r\n{SDP}");
        let call = ua.feed(&request("INVITE", 1, "inv", None, &more)).invited();
        ua.endpoint.answer(ua.now, call, b"v=0".to_vec()).expect("it waits");
        let tag = to_tag(&ua.drain().message(0));
        ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
        ua.endpoint.hangup(ua.now, call, Hangup::default()).expect("it is up");
        let (uri, routes, to) = way(&ua.drain(), 0);
        assert_eq!(to, "192.0.2.9:5060", "{route}");
        if is_loose {
            assert_eq!(uri, "sip:caller@192.0.2.1:5060", "{route}");
            assert_eq!(routes, [route, INSIDE]);
        } else {
            // RFC 3261 §16.6 step 6, §12.2.1.1: the target stands last.
            assert_eq!(uri, route.trim_matches(['<', '>']), "{route}");
            assert_eq!(routes, [INSIDE, "<sip:caller@192.0.2.1:5060>"]);
        }
    }
}

/// Failure 10: a ping without user, without Contact, with a tag of nobody's.
#[test]
fn options_are_answered_whatever_they_lack() {
    let whole = request("OPTIONS", 7, "ping", None, "");
    let without_contact: String =
        whole.split_inclusive("\r\n").filter(|line| !line.starts_with("Contact")).collect();
    let without_user = whole.replace("sip:18005550100@203.0.113.5 SIP", "sip:203.0.113.5 SIP");
    let to_port =
        without_user.replace("sip:203.0.113.5 SIP", "sip:203.0.113.5:5060;transport=udp SIP");
    let pinger = without_contact.replace("sip:14165550100@192.0.2.1", "sip:ping@edge.invalid");
    let tight = without_user.replace("Max-Forwards: 70", "Max-Forwards: 0");
    let accepts =
        without_user.replace("Max-Forwards: 70", "Max-Forwards: 1\r\nAccept: application/sdp");
    for text in [&whole, &without_contact, &without_user, &to_port, &pinger, &tight, &accepts] {
        let mut ua = Ua::new();
        let out = ua.feed(text);
        assert_eq!(out.lines(), ["200 OPTIONS"], "{text}");
        let allow = out.message(0).headers.text(&Name::Allow).unwrap_or_default().to_owned();
        assert!(allow.contains("INVITE") && allow.contains("BYE"), "{text}");
        assert_eq!(ua.endpoint.transactions(), 0, "nothing is kept of it");
    }
}

/// What becomes of a call out that is given up while an answer is on its way, `late` after it left.
fn crossed(late: Duration, flight: Duration) {
    let mut ua = Ua::new();
    let call = ua.endpoint.dial(ua.now, dial()).expect("a call");
    let invite = ua.drain().message(0);
    let record_route = format!("Record-Route: {EDGE}\r\n");
    ua.feed(&response(&invite, "180 Ringing", Some("b"), &record_route));
    ua.run(Duration::from_secs(3));
    ua.endpoint.hangup(ua.now, call, Hangup::default()).expect("it rings");
    assert_eq!(ua.drain().lines(), ["CANCEL"]);
    let mut sent: Vec<String> = ua.run(late).lines();
    // The far end answered before it had the CANCEL, for which it then finds no INVITE.
    let answer = format!("{record_route}{CONTACT_AND_SDP}");
    let out = ua.feed(&response(&invite, "200 OK", Some("b"), &answer));
    let to = out.sent.iter().map(|sent| sent.flow.remote.to_string()).collect::<Vec<_>>();
    assert_eq!(
        (out.lines(), to),
        (vec!["ACK".to_owned(), "BYE".to_owned()], vec!["192.0.2.9:5060".to_owned(); 2],),
        "{late:?}"
    );
    let bye = out.message(1);
    assert_eq!(out.news(), Vec::<String>::new(), "its end was told");
    sent.extend(ua.run(flight).lines());
    assert!(sent.iter().all(|line| line == "CANCEL" || line == "BYE"), "{sent:?}");
    // The answer comes again, since the ACK was slow: it is acknowledged again and not hung up twice.
    let again = ua.feed(&response(&invite, "200 OK", Some("b"), &answer));
    assert_eq!(again.lines(), ["ACK"], "{late:?}");
    ua.feed(&response(&bye, "200 OK", None, ""));
    ua.assert_forgotten();
}

/// Failure 14: CANCEL crosses 200, and the callee is up alone and billed.
#[test]
fn an_answer_that_crosses_a_cancel_is_hung_up_at_every_moment() {
    for late in (0..=520).chain([1_000, 5_000, 30_000]) {
        crossed(Duration::from_millis(late), Duration::from_millis(20));
    }
}

/// Failure 18: an INVITE or re-INVITE without offer, and an ACK that brings no answer.
#[test]
fn an_offer_in_a_200_is_answered_in_the_ack_or_not_at_all() {
    let mut ua = Ua::new();
    let call = ua.feed(&request("INVITE", 1, "inv", None, "")).invited();
    ua.endpoint.answer(ua.now, call, b"v=0 offer".to_vec()).expect("it waits");
    let tag = to_tag(&ua.drain().message(0));
    let out = ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
    let answer = |out: &Out| {
        let Some(Event::Confirmed { sdp, .. }) = out.events.first() else { panic!("confirmed") };
        sdp.clone()
    };
    assert_eq!(answer(&out), None, "the node is told that there is no answer");
    let out = ua.feed(&request("INVITE", 2, "re", Some(&tag), ""));
    assert!(matches!(&*out.events, [Event::Reinvite { offer: None, .. }]));
    ua.endpoint.answer_reinvite(ua.now, call, b"v=0 again".to_vec()).expect("it waits");
    assert_eq!(&ua.drain().message(0).body[..], b"v=0 again");
    let out = ua.feed(&request("ACK", 2, "ack2", Some(&tag), SDP));
    assert_eq!(answer(&out).as_deref(), Some(&b"v=0\r\n"[..]));
}

/// An INVITE of 8 KiB with forty headers that nobody has heard of.
fn large() -> String {
    let charging = "P-Charging-Vector: icid-value=\"AyretyU0dm+6O2IrT5tAFrbHLso=023551024\";\
                    orig-ioi=home1.example;icid-generated-at=192.0.6.8\r\n\
                    P-Charging-Function-Addresses: ccf=192.0.8.1; ccf=192.0.8.2\r\n\
                    P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=\"0010100010019B01\"\r\n";
    let unknown: String =
        (0..37).map(|n| format!("X-Carrier-{n}: {}\r\n", "v".repeat(180))).collect();
    let text = request("INVITE", 1, "inv", None, &format!("{charging}{unknown}{SDP}"));
    assert!(text.len() > 8 * 1024 - 600 && text.len() < 12 * 1024, "{}", text.len());
    text
}

/// Failure 19: an INVITE is dropped for P-Charging-Vector or for its size.
#[test]
fn a_large_invite_with_unknown_headers_is_a_call_by_any_transport() {
    let mut ua = Ua::new();
    assert_eq!(ua.feed(&large()).lines(), ["100 INVITE"]);
    let tcp = Listener { transport: Transport::Tcp, local: addr(US), advertised: addr(US) };
    for piece in [1, 7, 1_300, 100_000] {
        let text = large().replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        let text = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut ua = Ua::with(|config| config.streams = vec![tcp]);
        let mut framer = Framer::accepted();
        let mut whole = Vec::new();
        for mut piece in text.as_bytes().chunks(piece) {
            while let Some(frame) = framer.take(&mut piece) {
                let Frame::Message(message) = frame else { panic!("no message") };
                whole.push(message);
            }
        }
        assert_eq!(whole.len(), 1, "{piece}");
        let remote = addr("192.0.2.1:40001");
        let connection = Some(ConnectionId(1));
        let flow = Flow { local: Some(addr(US)), connection, ..Flow::new(Transport::Tcp, remote) };
        let message = Message::parse(&whole[0]).expect("readable");
        assert!(message.headers.len() > 46, "every header is kept");
        let text = String::from_utf8(whole[0].to_vec()).expect("text");
        assert_eq!(ua.feed_by(flow, &text).lines(), ["100 INVITE"], "{piece}");
    }
}

/// Reasons of both kinds (RFC 3326) reach whoever ends a call, and come from him.
#[test]
fn the_reason_of_an_end_is_told_in_both_directions() {
    let mut ua = Ua::new();
    let call = ua.endpoint.dial(ua.now, dial()).expect("a call");
    let invite = ua.drain().message(0);
    ua.feed(&response(&invite, "180 Ringing", Some("b"), ""));
    ua.endpoint.hangup(ua.now, call, Hangup { q850: Some(31) }).expect("it rings");
    let cancel = ua.drain().message(0);
    assert_eq!(cancel.headers.text(&Name::Reason), Some("Q.850;cause=31"), "CANCEL says why");
    for (reason, cause) in [
        ("Q.850;cause=31;text=\"local, RTP broken\"", Some(31)),
        ("SIP;cause=503;text=\"Media lost\"", Some(41)),
        ("SIP;cause=600, Q.850;cause=16", Some(16)),
        ("SIP;cause=200;text=\"Call completed elsewhere\"", None),
        ("preemption;cause=1", None),
        ("Q.850;cause=300", None),
    ] {
        let mut ua = Ua::new();
        let (_, tag) = confirmed(&mut ua);
        let bye = request("BYE", 2, "bye", Some(&tag), &format!("Reason: {reason}\r\n"));
        assert_eq!(ua.feed(&bye).ended()[0].q850, cause, "{reason}");
    }
}
