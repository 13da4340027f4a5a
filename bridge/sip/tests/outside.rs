//! Requests of our own that belong to no dialog: they go out as they are, and end once.

mod common;

use common::{Out, PEER, Ua, addr, parse, response};
use partyline_sip::message::{Host, Message, Method, Name, StartLine, Status};
use partyline_sip::{
    CommandError, Destination, Event, Flow, Listener, NextHop, OutOfDialog, Target, Transport,
    Unanswered,
};

const FIRST: &str = "192.0.2.41:5060";
const SECOND: &str = "192.0.2.42:5060";

/// The REGISTER of a caller who counts by itself.
fn register() -> Message {
    let mut message = Message::request(Method::REGISTER, "sip:carrier.example");
    for (name, text) in [
        (Name::From, "<sip:bob@carrier.example>;tag=t1"),
        (Name::To, "<sip:bob@carrier.example>"),
        (Name::CallId, "r1"),
        (Name::CSeq, "7 REGISTER"),
        (Name::Contact, "<sip:tok3n@203.0.113.5:5060>"),
        (Name::Route, "<sip:edge.example;lr>"),
        (Name::Expires, "600"),
    ] {
        message.headers.add(name, text);
    }
    message
}

fn send(ua: &mut Ua, destination: Destination) -> Out {
    let request = OutOfDialog { message: register(), destination, token: 41 };
    ua.endpoint.send_request(ua.now, request).expect("it can go out");
    ua.drain()
}

fn name() -> Destination {
    let host = Host::Name("carrier.example".into());
    Destination::Name(NextHop { host, port: None, transport: None, secure: false })
}

fn text(message: &Message, name: Name) -> String {
    message.headers.text(&name).unwrap_or_default().to_owned()
}

/// What each request came to.
fn ends(out: &Out) -> Vec<(u64, Result<u16, Unanswered>)> {
    let end = |event: &Event| {
        let Event::Responded { token, result } = event else { panic!("{event:?}") };
        let status = result.as_ref().map(|response| match response.start {
            StartLine::Response { status, .. } => status.code(),
            StartLine::Request { .. } => panic!("a response"),
        });
        (*token, status.map_err(|&why| why))
    };
    out.events.iter().map(end).collect()
}

#[test]
fn a_request_goes_out_as_its_caller_made_it() {
    let mut ua = Ua::with(|config| config.user_agent = Some("Partyline".to_owned()));
    let out = send(&mut ua, addr(PEER).into());
    assert_eq!((out.lines(), out.sent[0].flow.remote), (vec!["REGISTER".to_owned()], addr(PEER)));
    let sent = out.message(0);
    for (name, value) in register().headers.iter() {
        assert_eq!(text(&sent, name.clone()), value.as_str());
    }
    assert!(text(&sent, Name::Via).contains(";branch=z9hG4bK"));
    assert_eq!(text(&sent, Name::MaxForwards), "70");
    assert_eq!(text(&sent, Name::UserAgent), "Partyline");
}

#[test]
fn the_final_response_comes_whole_and_once() {
    let mut ua = Ua::new();
    let sent = send(&mut ua, addr(PEER).into()).message(0);
    assert!(ua.feed(&response(&sent, "100 Trying", None, "")).events.is_empty());
    let ok = response(&sent, "200 OK", Some("b"), "Service-Route: <sip:edge.example;lr>\r\n");
    let out = ua.feed(&ok);
    assert_eq!(ends(&out), [(41, Ok(200))]);
    let [Event::Responded { result: Ok(response), .. }] = &out.events[..] else { panic!("one") };
    assert_eq!(response.headers.text(&Name::ServiceRoute), Some("<sip:edge.example;lr>"));
    assert!(ua.feed(&ok).events.is_empty(), "a repetition");
    ua.assert_forgotten();
}

#[test]
fn a_challenge_is_the_callers_to_answer() {
    let mut ua = Ua::new();
    let sent = send(&mut ua, addr(PEER).into()).message(0);
    let asks = "WWW-Authenticate: Digest realm=\"x\", nonce=\"n\"\r\n";
    let out = ua.feed(&response(&sent, "401 Unauthorized", Some("b"), asks));
    assert_eq!((ends(&out), out.sent.len()), (vec![(41, Ok(401))], 0));
    ua.assert_forgotten();
}

#[test]
fn a_request_that_nobody_answers_is_repeated_and_then_said_to_have_timed_out() {
    let mut ua = Ua::new();
    let first = send(&mut ua, addr(PEER).into());
    let out = ua.run(std::time::Duration::from_millis(31_999));
    assert!(out.sent.len() > 5 && out.events.is_empty(), "{:?}", out.lines());
    assert!(out.sent.iter().all(|again| again.payload == first.sent[0].payload));
    assert_eq!(ends(&ua.secs(1)), [(41, Err(Unanswered::TimedOut))]);
    ua.assert_forgotten();
}

#[test]
fn a_name_is_asked_for_and_its_addresses_are_tried_in_turn() {
    let mut ua = Ua::new();
    let out = send(&mut ua, name());
    assert_eq!((out.sent.len(), out.asked.len()), (0, 1));
    let targets = [FIRST, SECOND].map(|at| Target { transport: Transport::Udp, address: addr(at) });
    ua.endpoint.handle_resolved(ua.now, out.asked[0].id, &targets);
    let first = ua.drain();
    assert_eq!(first.sent[0].flow.remote, addr(FIRST));
    ua.endpoint.handle_unreachable(ua.now, first.sent[0].flow);
    let second = ua.drain();
    assert_eq!(second.sent[0].flow.remote, addr(SECOND));
    let (first, second) = (first.message(0), second.message(0));
    assert_ne!(text(&first, Name::Via), text(&second, Name::Via), "a transaction of its own");
    assert_eq!(text(&second, Name::CSeq), "7 REGISTER", "the caller counts");
    let out = ua.feed_bytes(SECOND, response(&second, "200 OK", Some("b"), "").as_bytes());
    assert_eq!(ends(&out), [(41, Ok(200))]);
    ua.assert_forgotten();
}

#[test]
fn what_cannot_be_sent_fails_at_once_and_once() {
    let mut ua = Ua::new();
    let out = send(&mut ua, name());
    ua.endpoint.handle_resolved(ua.now, out.asked[0].id, &[]);
    assert_eq!(ends(&ua.drain()), [(41, Err(Unanswered::Unreachable))], "no address");
    let tls = Listener { transport: Transport::Tls, local: addr(PEER), advertised: addr(PEER) };
    let mut ua = Ua::with(|config| config.streams = vec![tls]);
    let flow = Flow::new(Transport::Tls, addr(PEER));
    let out = send(&mut ua, Destination::Flow(flow));
    assert_eq!((out.lines(), out.sent[0].flow), (vec!["REGISTER".to_owned()], flow));
    let via = text(&parse(&out.sent[0].payload), Name::Via);
    assert!(via.starts_with("SIP/2.0/TLS "), "{via}");
    ua.endpoint.handle_unreachable(ua.now, flow);
    assert_eq!(ends(&ua.drain()), [(41, Err(Unanswered::Unreachable))], "no connection");
    ua.assert_forgotten();
}

#[test]
fn what_would_make_a_dialog_or_is_incomplete_is_refused() {
    let mut ua = Ua::new();
    let mut refused = |message: Message| {
        let request = OutOfDialog { message, destination: addr(PEER).into(), token: 1 };
        assert_eq!(ua.endpoint.send_request(ua.now, request), Err(CommandError::BadRequest));
        assert!(ua.drain().sent.is_empty());
    };
    for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
        let mut message = register();
        message.headers.remove(&name);
        refused(message);
    }
    for method in [Method::Invite, Method::Ack, Method::Cancel, Method::Options] {
        let mut message = register();
        message.start = StartLine::Request { method, uri: "sip:carrier.example".into() };
        refused(message);
    }
    let mut message = register();
    message.start = StartLine::Request { method: Method::REGISTER, uri: "carrier".into() };
    refused(message);
    refused(Message::response(Status::OK));
    assert_eq!(ua.endpoint.requests(), 0);
}
