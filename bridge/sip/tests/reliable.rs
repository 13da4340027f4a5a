//! Reliable provisional responses of ours (RFC 3262): repeated until their PRACK, and in the way of
//! the answer.

mod common;

use std::net::IpAddr;
use std::time::Duration;

use common::{Out, SDP, Ua, dial, invite, request, to_tag};
use partyline_sip::message::{Message, Name, Status};
use partyline_sip::{
    Admission, CommandError, Dial, DialogId, EndKind, Ender, Extensions, Hangup, Limits, Rejection,
    Reliability, TimerMode,
};

const REQUIRED: &str = "Require: 100rel\r\n";

fn header(message: &Message, name: Name) -> Option<String> {
    message.headers.text(&name).map(str::to_owned)
}

/// A caller that requires reliable responses, and what it was sent of early sound.
fn progressing(ua: &mut Ua) -> (DialogId, Message) {
    let dialog = ua.feed(&request("INVITE", 1, "inv", None, &format!("{REQUIRED}{SDP}"))).invited();
    ua.endpoint.progress(ua.now, dialog, b"v=0 early".to_vec()).expect("it waits");
    let out = ua.drain();
    assert_eq!(out.lines(), ["183 INVITE"]);
    (dialog, out.message(0))
}

fn prack(of: &Message, cseq: u32, branch: &str, extra: &str) -> String {
    let rseq = header(of, Name::RSeq).expect("a number");
    let rack = format!("RAck: {rseq} 1 INVITE\r\n{extra}");
    request("PRACK", cseq, branch, Some(&to_tag(of)), &rack)
}

#[test]
fn a_caller_that_requires_it_gets_early_sound_reliably_and_then_the_answer() {
    let mut ua = Ua::new();
    let (dialog, early) = progressing(&mut ua);
    assert_eq!(header(&early, Name::Require).as_deref(), Some("100rel"));
    assert_eq!(early.body, &b"v=0 early"[..]);
    let text = prack(&early, 2, "p2", "");
    let out = ua.feed(&text);
    assert_eq!((out.lines(), out.events.len()), (vec!["200 PRACK".to_owned()], 0));
    assert_eq!(ua.feed(&text).lines(), ["200 PRACK"], "the same PRACK again");
    assert_eq!(ua.feed(&prack(&early, 3, "p3", "")).lines(), ["481 PRACK"], "another one");
    assert!(ua.secs(60).sent.is_empty(), "it rests");
    ua.endpoint.answer(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
    let ok = ua.drain().message(0);
    assert!(ok.body.is_empty(), "the answer was given already");
    let out = ua.feed(&request("ACK", 1, "ack", Some(&to_tag(&ok)), ""));
    assert_eq!(out.news(), [format!("Confirmed({dialog})")]);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    ua.assert_forgotten();
}

#[test]
fn a_caller_that_requires_it_may_be_answered_at_once() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&request("INVITE", 1, "inv", None, &format!("{REQUIRED}{SDP}"))).invited();
    ua.endpoint.answer(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
    let ok = ua.drain().message(0);
    assert_eq!(ok.body, &b"v=0 answer"[..]);
    assert_eq!(header(&ok, Name::Supported).as_deref(), Some("timer, 100rel"));
    assert!(header(&ok, Name::Allow).is_some_and(|allow| allow.contains("PRACK")));
}

#[test]
fn a_lost_response_is_repeated_until_its_prack_and_the_answer_waits_for_it() {
    let mut ua = Ua::new();
    let (dialog, early) = progressing(&mut ua);
    ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    assert!(ua.drain().sent.is_empty(), "not before the PRACK");
    assert_eq!(ua.endpoint.answer(ua.now, dialog, Vec::new()), Err(CommandError::WrongState));
    assert_eq!(ua.endpoint.ring(ua.now, dialog), Err(CommandError::WrongState));
    assert!(ua.run(Duration::from_millis(499)).sent.is_empty());
    assert_eq!(ua.run(Duration::from_millis(1)).lines(), ["183 INVITE"]);
    assert_eq!(ua.run(Duration::from_millis(3000)).lines().len(), 2, "1.5 s and 3.5 s");
    let out = ua.feed(&prack(&early, 2, "p", ""));
    assert_eq!(out.lines(), ["200 PRACK", "200 INVITE"]);
    ua.feed(&request("ACK", 1, "ack", Some(&to_tag(&early)), ""));
    assert!(ua.secs(60).sent.is_empty());
}

#[test]
fn without_a_prack_the_call_is_refused_after_32_s() {
    let mut ua = Ua::new();
    progressing(&mut ua);
    let out = ua.run(Duration::from_millis(31_999));
    assert_eq!((out.lines().len(), out.events.len()), (6, 0));
    let out = ua.run(Duration::from_millis(1));
    assert_eq!(out.lines(), ["504 INVITE"]);
    assert_eq!(
        (out.ended()[0].kind, out.ended()[0].status),
        (EndKind::NoAck, Some(Status::SERVER_TIMEOUT))
    );
    ua.assert_forgotten();
}

#[test]
fn one_reliable_response_goes_out_at_a_time_with_the_next_number() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&request("INVITE", 1, "inv", None, &format!("{REQUIRED}{SDP}"))).invited();
    ua.endpoint.ring(ua.now, dialog).expect("it waits");
    let ringing = ua.drain().message(0);
    let number = |of: &Message| header(of, Name::RSeq).and_then(|n| n.parse::<u32>().ok());
    ua.endpoint.progress(ua.now, dialog, b"v=0 early".to_vec()).expect("it waits");
    assert!(ua.drain().sent.is_empty());
    let out = ua.feed(&prack(&ringing, 2, "p2", ""));
    assert_eq!(out.lines(), ["200 PRACK", "183 INVITE"]);
    let early = out.message(1);
    assert_eq!(number(&early), number(&ringing).map(|number| number + 1));
    for (rack, branch) in [("1 1 INVITE", "a"), ("x", "b"), ("", "c")] {
        let text = request("PRACK", 3, branch, Some(&to_tag(&early)), &format!("RAck: {rack}\r\n"));
        assert_eq!(ua.feed(&text).lines(), ["481 PRACK"], "{rack}");
    }
    let wrong = prack(&early, 3, "d", "").replace("1 INVITE", "2 INVITE");
    assert_eq!(ua.feed(&wrong).lines(), ["481 PRACK"]);
    assert_eq!(ua.feed(&prack(&early, 3, "e", "")).lines(), ["200 PRACK"]);
    // A 180 has no description, so the answer does not wait for its PRACK.
    ua.endpoint.ring(ua.now, dialog).expect("it waits");
    let ringing = ua.drain().message(0);
    ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    assert_eq!(ua.drain().lines(), ["200 INVITE"]);
    assert_eq!(ua.feed(&prack(&ringing, 4, "f", "")).lines(), ["200 PRACK"], "late, and welcome");
    let repeated = ua.secs(4).lines();
    assert!(repeated.iter().all(|line| line == "200 INVITE"), "{repeated:?}");
}

#[test]
fn an_offer_in_a_prack_is_answered_in_its_200() {
    let mut ua = Ua::new();
    let (dialog, early) = progressing(&mut ua);
    let text = prack(&early, 2, "p", SDP);
    assert_eq!(ua.feed(&text).news(), [format!("Reinvite({dialog})")]);
    assert!(ua.feed(&text).events.is_empty());
    ua.endpoint.answer(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
    assert!(ua.drain().sent.is_empty(), "the offer first");
    ua.endpoint.answer_reinvite(ua.now, dialog, b"v=0 second".to_vec()).expect("it waits");
    let out = ua.drain();
    assert_eq!(out.lines(), ["200 PRACK", "200 INVITE"]);
    assert_eq!(out.message(0).body, &b"v=0 second"[..]);
    assert!(out.events.is_empty());
    // Before there is an answer, no second offer may come.
    let mut ua = Ua::new();
    let dialog = ua.feed(&request("INVITE", 1, "inv", None, &format!("{REQUIRED}{SDP}"))).invited();
    ua.endpoint.ring(ua.now, dialog).expect("it waits");
    let ringing = ua.drain().message(0);
    let out = ua.feed(&prack(&ringing, 2, "p", SDP));
    assert_eq!((out.lines(), out.events.len()), (vec!["500 PRACK".to_owned()], 0));
}

#[test]
fn after_a_reliable_answer_the_caller_may_change_the_session_by_update() {
    let mut ua = Ua::new();
    let (dialog, early) = progressing(&mut ua);
    let tag = to_tag(&early);
    assert_eq!(ua.feed(&request("UPDATE", 2, "u2", Some(&tag), SDP)).lines(), ["500 UPDATE"]);
    ua.feed(&prack(&early, 3, "p", ""));
    let out = ua.feed(&request("UPDATE", 4, "u4", Some(&tag), SDP));
    assert_eq!(out.news(), [format!("Reinvite({dialog})")]);
    ua.endpoint.answer_reinvite(ua.now, dialog, b"v=0 other".to_vec()).expect("it waits");
    assert_eq!(ua.drain().lines(), ["200 UPDATE"]);
}

#[test]
fn only_who_asks_gets_reliable_responses() {
    let cases = [
        (Reliability::OnDemand, "Supported: 100rel\r\n", false),
        (Reliability::Offer, "Supported: timer, 100rel\r\n", true),
        (Reliability::Offer, "", false),
    ];
    for (reliability, extra, reliable) in cases {
        let mut ua = Ua::with(|config| config.extensions.reliability = reliability);
        let text = request("INVITE", 1, "inv", None, &format!("{extra}{SDP}"));
        let dialog = ua.feed(&text).invited();
        ua.endpoint.progress(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
        let early = ua.drain().message(0);
        assert_eq!(early.headers.first(&Name::RSeq).is_some(), reliable, "{extra}");
        assert_eq!(ua.secs(2).sent.len(), if reliable { 2 } else { 0 });
    }
    let mut ua = Ua::with(|config| config.extensions.reliability = Reliability::Off);
    let out = ua.feed(&request("INVITE", 1, "inv", None, &format!("{REQUIRED}{SDP}")));
    assert_eq!(out.lines(), ["420 INVITE"]);
    ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    assert_eq!(header(&ua.drain().message(0), Name::Supported).as_deref(), Some("timer"));
    assert_eq!(ua.feed(&invite()).lines(), ["100 INVITE"]);
}

#[test]
fn what_waits_for_a_prack_ends_with_the_call() {
    // CANCEL.
    let mut ua = Ua::new();
    let (_, early) = progressing(&mut ua);
    let cancel = request("CANCEL", 1, "inv", None, "");
    let out = ua.feed(&cancel);
    assert_eq!(out.lines(), ["200 CANCEL", "487 INVITE"]);
    assert_eq!(out.ended()[0].kind, EndKind::Cancelled);
    assert_eq!(ua.feed(&prack(&early, 2, "p", "")).lines(), ["481 PRACK"]);
    let repeated = ua.secs(4).lines();
    assert!(repeated.iter().all(|line| line == "487 INVITE"), "{repeated:?}");
    ua.assert_forgotten();
    // Our own refusal, while an offer in a PRACK waits, and behind it the answer.
    let mut ua = Ua::new();
    let (dialog, early) = progressing(&mut ua);
    ua.feed(&prack(&early, 2, "p", SDP));
    ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    ua.endpoint.reject(ua.now, dialog, Rejection::new(Status::BUSY_HERE)).expect("it waits");
    let out = ua.drain();
    assert_eq!(out.lines(), ["487 PRACK", "486 INVITE"]);
    assert_eq!((out.ended()[0].by, out.ended().len()), (Ender::Local, 1));
    ua.assert_forgotten();
}

#[test]
fn a_call_without_an_offer_rings_unheard_and_gets_ours_in_the_answer() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&request("INVITE", 1, "inv", None, REQUIRED)).invited();
    ua.endpoint.ring(ua.now, dialog).expect("it waits");
    assert!(ua.drain().sent.is_empty(), "a reliable one would have to offer");
    ua.endpoint.answer(ua.now, dialog, b"v=0 offer".to_vec()).expect("it waits");
    assert_eq!(ua.drain().message(0).body, &b"v=0 offer"[..]);
}

#[test]
fn an_offer_that_is_refused_in_a_prack_lets_the_answer_go() {
    let mut ua = Ua::new();
    let (dialog, early) = progressing(&mut ua);
    ua.feed(&prack(&early, 2, "p", SDP));
    ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    ua.endpoint.reject_reinvite(ua.now, dialog, Status::NOT_ACCEPTABLE_HERE).expect("it waits");
    let out = ua.drain();
    assert_eq!(out.lines(), ["488 PRACK", "200 INVITE"]);
    assert!(out.message(1).body.is_empty(), "the early answer holds");
}

#[test]
fn each_source_is_met_with_the_extensions_of_its_trunk() {
    struct Trunks;
    impl Admission for Trunks {
        fn limits(&self, source: IpAddr) -> Option<Limits> {
            let mut extensions = Extensions::default();
            if source == IpAddr::from([192, 0, 2, 1]) {
                extensions.reliability = Reliability::Off;
                extensions.timers.mode = TimerMode::Off;
            }
            Some(Limits { extensions: Some(extensions), ..Limits::NONE })
        }

        fn allies(&self, _peer: IpAddr, _source: IpAddr) -> bool {
            true
        }

        fn capacity(&self) -> usize {
            1000
        }
    }
    let mut ua = Ua::new();
    ua.endpoint.set_admission(Box::new(Trunks));
    for (option, branch) in [(REQUIRED, "a"), ("Require: timer\r\n", "b")] {
        let out = ua.feed(&request("INVITE", 1, branch, None, &format!("{option}{SDP}")));
        assert_eq!(out.lines(), ["420 INVITE"], "{option}");
        let asked = option.trim_start_matches("Require: ").trim_end();
        assert_eq!(out.message(0).headers.text(&Name::Unsupported), Some(asked));
    }
    let ping = request("OPTIONS", 1, "o", None, "");
    let abilities = |out: &Out| header(&out.message(0), Name::Supported);
    assert_eq!(abilities(&ua.feed(&ping)).as_deref(), Some(""));
    let other = ua.feed_bytes("192.0.2.2:5060", ping.as_bytes());
    assert_eq!(abilities(&other).as_deref(), Some("timer, 100rel"));
    let text = request("INVITE", 1, "other", None, &format!("{REQUIRED}{SDP}"));
    assert_eq!(ua.feed_bytes("192.0.2.2:5060", text.as_bytes()).lines(), ["100 INVITE"]);
    // A call out has those of its own trunk.
    let extensions = Some(Extensions { reliability: Reliability::Off, ..Extensions::default() });
    ua.endpoint.dial(ua.now, Dial { extensions, ..dial() }).expect("it can be called");
    let invite = ua.drain().message(0);
    assert_eq!(header(&invite, Name::Supported).as_deref(), Some("timer"));
}
