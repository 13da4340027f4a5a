//! Reliable provisional responses (RFC 3262) of callees: each fork gets its PRACKs.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{CONTACT_AND_SDP, Ua, addr, dial, response};
use partyline_sip::auth::{Login, Password};
use partyline_sip::message::{Message, Name, StartLine};
use partyline_sip::{Dial, DialogId, Dropped, Hangup, Reliability};
use zeroize::Zeroizing;

const CONTACT: &str = "Contact: <sip:callee@192.0.2.77:5080>\r\n";
const EARLY: &str = "Content-Type: application/sdp\r\n\r\nv=0 early";

fn header(message: &Message, name: Name) -> Option<String> {
    message.headers.text(&name).map(str::to_owned)
}

/// The Request-URI.
fn called(message: &Message) -> &str {
    let StartLine::Request { uri, .. } = &message.start else { panic!("a request") };
    uri
}

fn dialled(ua: &mut Ua) -> (DialogId, Message) {
    let dialog = ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    let invite = ua.drain().message(0);
    assert_eq!(header(&invite, Name::Supported).as_deref(), Some("timer, 100rel"));
    assert_eq!(header(&invite, Name::Require), None);
    (dialog, invite)
}

/// A reliable 183 of a fork behind a proxy of its own.
fn early(invite: &Message, tag: &str, rseq: u32, sdp: &str) -> String {
    let headers = format!(
        "Require: 100rel\r\nRSeq: {rseq}\r\nRecord-Route: <sip:198.51.100.{rseq};lr>\r\n\
         Contact: <sip:{tag}@192.0.2.77:5080>\r\n{sdp}"
    );
    response(invite, "183 Progress", Some(tag), &headers)
}

/// The PRACK of what was fed.
fn pracked(ua: &mut Ua, text: &str) -> Message {
    let out = ua.feed(text);
    assert_eq!(out.lines(), ["PRACK"], "{text}");
    out.message(0)
}

fn answer_with(ua: &mut Ua, text: &str) -> Option<String> {
    let mut events = ua.feed(text).events;
    common::described(events.pop())
}

#[test]
fn progress_with_a_number_that_there_is_not_gets_no_prack() {
    for number in ["0", "-1", "4294967296", "x"] {
        let mut ua = Ua::new();
        let (dialog, invite) = dialled(&mut ua);
        let text = early(&invite, "b", 7, "").replace("RSeq: 7", &format!("RSeq: {number}"));
        let out = ua.feed(&text);
        assert_eq!(out.lines(), Vec::<String>::new(), "{number}");
        assert_eq!(out.news(), [format!("Ringing({dialog}, 183)")], "it rings all the same");
        assert_eq!(ua.endpoint.counters().of(Dropped::Unnumbered), 1);
    }
}

#[test]
fn somebody_who_is_named_in_contacts_gets_few_pracks_that_he_did_not_ask_for() {
    let mut ua = Ua::new();
    let (_, invite) = dialled(&mut ua);
    let mut sent = 0;
    for round in 1..20 {
        for fork in 0..16 {
            sent += ua.feed(&early(&invite, &format!("f{fork}"), round, "")).sent.len();
        }
        sent += ua.secs(2).lines().iter().filter(|line| *line == "PRACK").count();
    }
    sent += ua.secs(40).lines().iter().filter(|line| *line == "PRACK").count();
    assert_eq!(sent, 44, "four, each until it is given up");
    assert!(ua.endpoint.counters().of(Dropped::TooManyPracks) > 200);
    // And from who answers each of them, as many as a call may have.
    let mut ua = Ua::new();
    let (_, invite) = dialled(&mut ua);
    let pracks = (1..1000).filter(|rseq| {
        let out = ua.feed(&early(&invite, "b", *rseq, "").replace("198.51.100.", "h"));
        let prack = out.sent.first().map(|_| out.message(0));
        prack.is_some_and(|prack| {
            ua.feed(&response(&prack, "200 OK", None, ""));
            true
        })
    });
    assert_eq!(pracks.count(), 64);
}

#[test]
fn each_fork_gets_its_pracks_by_its_own_route_once_and_in_order() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    let mut numbers = Vec::new();
    for (tag, rseq) in [("b", 7), ("c", 90), ("b", 8)] {
        let text = early(&invite, tag, rseq, "");
        let out = ua.feed(&text);
        assert_eq!(out.lines(), ["PRACK"], "{tag} {rseq}");
        assert_eq!(out.news(), [format!("Ringing({dialog}, 183)")]);
        let sent = out.message(0);
        assert_eq!(called(&sent), format!("sip:{tag}@192.0.2.77:5080"));
        assert_eq!(out.sent[0].flow.remote, addr(&format!("198.51.100.{rseq}:5060")));
        assert_eq!(header(&sent, Name::RAck), Some(format!("{rseq} 1 INVITE")));
        assert!(header(&sent, Name::To).is_some_and(|to| to.ends_with(&format!(";tag={tag}"))));
        numbers.push(header(&sent, Name::CSeq));
        let again = ua.feed(&text);
        assert!(again.sent.is_empty() && again.events.is_empty(), "its PRACK repeats itself");
        assert_eq!(ua.run(Duration::from_millis(500)).lines(), ["PRACK"]);
        ua.feed(&response(&sent, "200 OK", None, ""));
        assert!(ua.secs(5).sent.is_empty());
    }
    assert_eq!(numbers, ["2 PRACK", "3 PRACK", "4 PRACK"].map(|text| Some(text.to_owned())));
    let before_its_turn = ua.feed(&early(&invite, "b", 10, ""));
    assert!(before_its_turn.sent.is_empty() && before_its_turn.events.is_empty(), "9 is missing");
    assert_eq!(ua.endpoint.counters().of(Dropped::Repeated), 4);
    let out = ua.feed(&response(&invite, "200 OK", Some("b"), CONTACT_AND_SDP));
    assert_eq!(out.lines(), ["ACK"]);
    assert_eq!(header(&out.message(0), Name::CSeq).as_deref(), Some("1 ACK"));
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    let bye = ua.drain().message(0);
    assert_eq!(header(&bye, Name::CSeq).as_deref(), Some("5 BYE"), "after the PRACKs");
    ua.feed(&response(&bye, "200 OK", None, ""));
    // A fork that answers when the call is over is hung up on, after its own PRACK.
    let late = ua.feed(&response(&invite, "200 OK", Some("c"), CONTACT_AND_SDP));
    assert_eq!(late.lines(), ["ACK", "BYE"]);
    assert_eq!(header(&late.message(1), Name::CSeq).as_deref(), Some("4 BYE"));
    ua.assert_forgotten();
}

#[test]
fn a_later_response_without_route_and_contact_goes_the_way_of_the_first() {
    let mut ua = Ua::new();
    let (_, invite) = dialled(&mut ua);
    let first = pracked(&mut ua, &early(&invite, "b", 1, ""));
    ua.feed(&response(&first, "200 OK", None, ""));
    let bare = response(&invite, "180 Ringing", Some("b"), "Require: 100rel\r\nRSeq: 2\r\n");
    let out = ua.feed(&bare);
    assert_eq!(out.sent[0].flow.remote, addr("198.51.100.1:5060"));
    assert_eq!(called(&out.message(0)), "sip:b@192.0.2.77:5080");
}

#[test]
fn an_answer_without_description_means_the_reliable_one() {
    let mut ua = Ua::new();
    let (_, invite) = dialled(&mut ua);
    pracked(&mut ua, &early(&invite, "b", 1, EARLY));
    let other = "Content-Type: application/sdp\r\n\r\nv=0 other";
    pracked(&mut ua, &early(&invite, "c", 4, other));
    let ok = response(&invite, "200 OK", Some("b"), CONTACT);
    assert_eq!(answer_with(&mut ua, &ok).as_deref(), Some("v=0 early"));
}

#[test]
fn responses_that_name_no_number_are_heeded_without_prack() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    let cases = [
        ("Require: 100rel\r\n", 1),
        ("RSeq: 5\r\n", 1),
        ("Require: 100rel\r\nRSeq: x\r\n", 2),
        ("Require: 100rel\r\nRSeq: 4294967296\r\n", 3),
    ];
    for (extra, unnumbered) in cases {
        let out = ua.feed(&response(&invite, "180 Ringing", Some("b"), extra));
        assert_eq!((out.sent.len(), out.news()), (0, vec![format!("Ringing({dialog}, 180)")]));
        assert_eq!(ua.endpoint.counters().of(Dropped::Unnumbered), unnumbered, "{extra}");
    }
    let last =
        response(&invite, "180 Ringing", Some("b"), "Require: 100rel\r\nRSeq: 4294967295\r\n");
    pracked(&mut ua, &last);
    assert!(ua.feed(&early(&invite, "b", 0, "")).sent.is_empty(), "nothing follows the highest");
}

#[test]
fn a_prack_that_is_refused_or_lost_ends_no_call() {
    for status in ["481 Unknown", "500 Error", ""] {
        let mut ua = Ua::new();
        let (dialog, invite) = dialled(&mut ua);
        let prack = pracked(&mut ua, &early(&invite, "b", 1, EARLY));
        if status.is_empty() {
            let sent = ua.secs(40).lines();
            assert_eq!(sent.len(), 10, "by timer E: {sent:?}");
        } else {
            let out = ua.feed(&response(&prack, status, None, ""));
            assert!(out.sent.is_empty() && out.events.is_empty(), "{:?}", out.news());
        }
        let ok = response(&invite, "200 OK", Some("b"), CONTACT);
        assert_eq!(answer_with(&mut ua, &ok).as_deref(), Some("v=0 early"));
        ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
        ua.drain();
        ua.assert_forgotten();
    }
}

#[test]
fn a_prack_shows_who_we_are_when_it_is_asked() {
    let mut ua = Ua::new();
    let password = Password::new(Zeroizing::new(b"zanzibar".to_vec()));
    let login = Login::new("bob", password).expect("a plain name");
    let dial = Dial { login: Some(Arc::new(login)), ..dial() };
    ua.endpoint.dial(ua.now, dial).expect("it can be called");
    let invite = ua.drain().message(0);
    let prack = pracked(&mut ua, &early(&invite, "b", 1, ""));
    let ask = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";
    let again = pracked(&mut ua, &response(&prack, "407 Who", None, ask));
    assert!(again.headers.first(&Name::ProxyAuthorization).is_some());
    assert_eq!(header(&again, Name::CSeq).as_deref(), Some("3 PRACK"));
    assert_eq!(header(&again, Name::RAck), header(&prack, Name::RAck));
    let next = pracked(&mut ua, &early(&invite, "b", 2, ""));
    assert_eq!(header(&next, Name::CSeq).as_deref(), Some("4 PRACK"));
}

#[test]
fn an_answer_and_a_hangup_cross_a_prack() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    let prack = pracked(&mut ua, &early(&invite, "b", 1, EARLY));
    let out = ua.feed(&response(&invite, "200 OK", Some("b"), CONTACT));
    assert_eq!(out.lines(), ["ACK"]);
    assert!(ua.feed(&early(&invite, "b", 2, "")).sent.is_empty(), "after the answer");
    assert_eq!(ua.run(Duration::from_millis(500)).lines(), ["PRACK"]);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    assert_eq!(ua.drain().lines(), ["BYE"]);
    assert!(ua.feed(&response(&prack, "200 OK", None, "")).events.is_empty());
    ua.assert_forgotten();

    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    pracked(&mut ua, &early(&invite, "b", 1, EARLY));
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it rings");
    assert_eq!(ua.drain().lines(), ["CANCEL"]);
    let out = ua.feed(&early(&invite, "b", 2, ""));
    assert!(out.sent.is_empty() && out.events.is_empty(), "the CANCEL is on its way");
    let out = ua.feed(&response(&invite, "200 OK", Some("b"), CONTACT));
    assert_eq!(out.lines(), ["ACK", "BYE"], "it crossed the CANCEL");
    assert_eq!(header(&out.message(1), Name::CSeq).as_deref(), Some("3 BYE"));
    ua.assert_forgotten();
}

#[test]
fn forks_beyond_what_is_followed_get_no_prack() {
    let mut ua = Ua::new();
    let (_, invite) = dialled(&mut ua);
    let mut sent = 0;
    for n in 0..40 {
        let out = ua.feed(&early(&invite, &format!("t{n}"), 1, ""));
        sent += out.sent.len();
        if !out.sent.is_empty() {
            ua.feed(&response(&out.message(0), "200 OK", None, ""));
        }
    }
    assert_eq!((sent, ua.endpoint.counters().of(Dropped::TooManyForks)), (16, 24));
}

#[test]
fn who_does_not_speak_reliable_responses_does_not_say_so() {
    let mut ua = Ua::with(|config| config.extensions.reliability = Reliability::Off);
    ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    assert_eq!(header(&ua.drain().message(0), Name::Supported).as_deref(), Some("timer"));
}
