//! UPDATE of a callee that has not answered yet (RFC 3311 §5.2).

mod common;

use common::{CONTACT_AND_SDP, SDP, Ua, addr, described, dial, response};
use partyline_sip::message::{Message, Name, Status};
use partyline_sip::{DialogId, Hangup};

const EARLY: &str = "Content-Type: application/sdp\r\n\r\nv=0 early";
const CONTACT: &str = "Contact: <sip:callee@192.0.2.77:5080>\r\n";

/// A request of the fork `tag` of the callee.
fn update(invite: &Message, tag: &str, cseq: u32, extra: &str) -> String {
    let text = |name: Name| invite.headers.text(&name).unwrap_or_default().to_owned();
    format!(
        "UPDATE sip:us@203.0.113.5 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKu{tag}{cseq}\r\nMax-Forwards: 70\r\n\
         From: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} UPDATE\r\n\
         Contact: <sip:moved@192.0.2.78:5080>\r\n{extra}\r\n",
        text(Name::To),
        text(Name::From),
        text(Name::CallId),
    )
}

fn reliable(invite: &Message, tag: &str, rseq: u32, sdp: &str) -> String {
    let extra = format!("Require: 100rel\r\nRSeq: {rseq}\r\n{CONTACT}{sdp}");
    response(invite, "183 Progress", Some(tag), &extra)
}

/// A call whose forks `b` and `c` ring; only `b` has described itself, reliably.
fn ringing() -> (Ua, DialogId, Message) {
    let mut ua = Ua::new();
    let dialog = ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    let invite = ua.drain().message(0);
    ua.feed(&reliable(&invite, "b", 1, EARLY));
    ua.feed(&response(&invite, "183 Progress", Some("c"), &format!("{CONTACT}{EARLY}")));
    (ua, dialog, invite)
}

#[test]
fn a_callee_that_moves_before_it_answers_is_followed() {
    let (mut ua, _, invite) = ringing();
    let text = update(&invite, "b", 7, "");
    let out = ua.feed(&text);
    assert_eq!((out.lines(), out.events.len()), (vec!["200 UPDATE".to_owned()], 0));
    let ok = out.message(0);
    assert!(ok.body.is_empty() && ok.headers.first(&Name::Contact).is_some());
    assert_eq!(ok.headers.first(&Name::SessionExpires), None, "no session is up");
    assert_eq!(ua.feed(&text).lines(), ["200 UPDATE"], "the same again");
    assert_eq!(ua.feed(&update(&invite, "b", 6, "")).lines(), ["500 UPDATE"], "out of order");
    let bare = response(&invite, "180 Ringing", Some("b"), "Require: 100rel\r\nRSeq: 2\r\n");
    let prack = ua.feed(&bare);
    assert_eq!(prack.lines(), ["PRACK"]);
    assert_eq!(prack.sent[0].flow.remote, addr("192.0.2.78:5080"));
    // Its numbers go on in the call.
    ua.feed(&response(&invite, "200 OK", Some("b"), CONTACT_AND_SDP));
    assert_eq!(ua.feed(&update(&invite, "b", 3, "")).lines(), ["500 UPDATE"]);
    assert_eq!(ua.feed(&update(&invite, "b", 8, "")).lines(), ["200 UPDATE"]);
}

#[test]
fn an_early_offer_is_answered_once_ours_was_reliably() {
    let (mut ua, dialog, invite) = ringing();
    let unanswered = ua.feed(&update(&invite, "c", 1, SDP));
    assert_eq!((unanswered.lines(), unanswered.events.len()), (vec!["491 UPDATE".to_owned()], 0));
    let text = update(&invite, "b", 1, SDP);
    let out = ua.feed(&text);
    assert_eq!(out.news(), [format!("EarlyOffer({dialog})")]);
    assert!(out.sent.is_empty());
    let again = ua.feed(&text);
    assert!(again.sent.is_empty() && again.events.is_empty());
    let second = ua.feed(&update(&invite, "b", 2, SDP));
    assert_eq!(second.lines(), ["500 UPDATE"]);
    assert!(second.message(0).headers.first(&Name::RetryAfter).is_some());
    ua.endpoint.answer_reinvite(ua.now, dialog, b"v=0 ours".to_vec()).expect("it waits");
    let out = ua.drain();
    assert_eq!((out.lines(), out.events.len()), (vec!["200 UPDATE".to_owned()], 0));
    assert_eq!(out.message(0).body, &b"v=0 ours"[..]);
    // What it repeats of its first answer in the 200 means nothing any more.
    let ok = response(&invite, "200 OK", Some("b"), CONTACT_AND_SDP);
    assert_eq!(described(ua.feed(&ok).events.pop()).as_deref(), Some("offer v=0"));
}

#[test]
fn the_early_offer_of_one_fork_changes_nothing_for_another() {
    let (mut ua, dialog, invite) = ringing();
    ua.feed(&update(&invite, "b", 1, SDP));
    ua.endpoint.answer_reinvite(ua.now, dialog, b"v=0 ours".to_vec()).expect("it waits");
    ua.drain();
    let ok = response(&invite, "200 OK", Some("c"), CONTACT);
    assert_eq!(described(ua.feed(&ok).events.pop()).as_deref(), Some("v=0 early"));
    assert_eq!(ua.feed(&update(&invite, "b", 2, "")).lines(), ["481 UPDATE"], "b is gone");
}

#[test]
fn an_early_offer_that_is_refused_leaves_the_session_as_it_was() {
    let (mut ua, dialog, invite) = ringing();
    ua.feed(&update(&invite, "b", 1, SDP));
    ua.endpoint.reject_reinvite(ua.now, dialog, Status::NOT_ACCEPTABLE_HERE).expect("it waits");
    assert_eq!(ua.drain().lines(), ["488 UPDATE"]);
    let ok = response(&invite, "200 OK", Some("b"), CONTACT);
    assert_eq!(described(ua.feed(&ok).events.pop()).as_deref(), Some("v=0 early"));
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    ua.drain();
    ua.assert_forgotten();
}

#[test]
fn an_answer_overtakes_the_decision_on_an_early_offer() {
    let (mut ua, dialog, invite) = ringing();
    ua.feed(&update(&invite, "b", 1, SDP));
    let out = ua.feed(&response(&invite, "200 OK", Some("b"), CONTACT));
    assert_eq!(out.lines(), ["ACK", "487 UPDATE"]);
    assert!(ua.endpoint.answer_reinvite(ua.now, dialog, b"v=0".to_vec()).is_err());
    let out = ua.feed(&update(&invite, "b", 2, SDP));
    assert_eq!(out.news(), [format!("Reinvite({dialog})")]);
}

#[test]
fn other_requests_and_unknown_forks_have_no_dialog() {
    let (mut ua, _, invite) = ringing();
    assert_eq!(ua.feed(&update(&invite, "d", 1, "")).lines(), ["481 UPDATE"]);
    let bye = update(&invite, "b", 1, "").replace("UPDATE", "BYE");
    assert_eq!(ua.feed(&bye).lines(), ["481 BYE"]);
}
