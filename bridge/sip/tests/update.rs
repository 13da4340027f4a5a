//! UPDATE (RFC 3311) in both directions, with and without an offer.

mod common;

use common::{CONTACT_AND_SDP, SDP, Ua, addr, answered, confirmed, invite, request, response};
use partyline_sip::message::{Name, Status};
use partyline_sip::{CommandError, EndKind, Hangup};

fn allows_update(ua: &mut Ua, dialog: partyline_sip::DialogId) -> partyline_sip::message::Message {
    ua.endpoint.update(ua.now, dialog, None).expect("it is up");
    ua.drain().message(0)
}

#[test]
fn an_offer_in_an_update_is_answered_in_its_200_and_at_once_in_force() {
    let mut ua = Ua::new();
    let (dialog, tag) = confirmed(&mut ua);
    let text = request("UPDATE", 2, "up", Some(&tag), SDP)
        .replace("caller@192.0.2.1", "caller@192.0.2.44");
    let out = ua.feed(&text);
    assert_eq!((out.lines().len(), out.news()), (0, vec![format!("Reinvite({dialog})")]));
    assert_eq!(ua.feed(&text).events.len(), 0, "the same UPDATE is not told twice");
    ua.endpoint.answer_reinvite(ua.now, dialog, b"v=0 held".to_vec()).expect("it waits");
    let out = ua.drain();
    assert_eq!(out.lines(), ["200 UPDATE"]);
    assert_eq!(out.news(), [format!("Confirmed({dialog})")]);
    let ok = out.message(0);
    assert_eq!(ok.body, &b"v=0 held"[..]);
    assert_eq!(ok.headers.text(&Name::Contact), Some("<sip:203.0.113.5:5060>;isfocus"));
    let again = ua.feed(&text);
    assert_eq!(again.sent[0].payload, out.sent[0].payload, "a repetition has the same answer");
    assert!(again.events.is_empty());
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    assert_eq!(ua.drain().sent[0].flow.remote, addr("192.0.2.44:5060"), "the target is refreshed");
    ua.assert_forgotten();
}

#[test]
fn an_update_without_offer_is_answered_whatever_else_is_under_way() {
    let mut ua = Ua::new();
    let (dialog, tag) = answered(&mut ua);
    let out = ua.feed(&request("UPDATE", 2, "u2", Some(&tag), ""));
    assert_eq!((out.lines(), out.events.len()), (vec!["200 UPDATE".to_owned()], 0));
    ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
    ua.endpoint.reinvite(ua.now, dialog, b"v=0".to_vec()).expect("it is up");
    ua.drain();
    let out = ua.feed(&request("UPDATE", 3, "u3", Some(&tag), ""));
    assert_eq!((out.lines(), out.events.len()), (vec!["200 UPDATE".to_owned()], 0));
    let mut ua = Ua::new();
    let dialog = ua.feed(&invite()).invited();
    let tag = ua.endpoint.names(dialog).expect("it waits").local_tag;
    let out = ua.feed(&request("UPDATE", 2, "u2", Some(&tag), ""));
    assert_eq!((out.lines(), out.events.len()), (vec!["200 UPDATE".to_owned()], 0), "early");
}

#[test]
fn offers_that_cross_get_491_and_an_offer_before_an_answer_500() {
    let mut ua = Ua::new();
    let (dialog, tag) = confirmed(&mut ua);
    ua.endpoint.update(ua.now, dialog, Some(b"v=0 ours".to_vec().into())).expect("it is up");
    let ours = ua.drain().message(0);
    for (method, cseq) in [("UPDATE", 2), ("INVITE", 3)] {
        let out = ua.feed(&request(method, cseq, method, Some(&tag), SDP));
        assert_eq!((out.lines(), out.events.len()), (vec![format!("491 {method}")], 0));
    }
    let out = ua.feed(&response(&ours, "200 OK", None, CONTACT_AND_SDP));
    assert_eq!(out.news(), [format!("Reinvited({dialog}, None)")]);
    ua.feed(&request("UPDATE", 4, "u4", Some(&tag), SDP));
    for (method, cseq) in [("UPDATE", 5), ("INVITE", 6)] {
        let out = ua.feed(&request(method, cseq, &format!("x{cseq}"), Some(&tag), SDP));
        assert_eq!((out.lines(), out.events.len()), (vec![format!("500 {method}")], 0));
        let after = out.message(0);
        let after = after.headers.text(&Name::RetryAfter).expect("Retry-After").to_owned();
        assert!(after.parse::<u32>().is_ok_and(|seconds| seconds < 10), "{after}");
    }
    assert_eq!(ua.endpoint.reinvite(ua.now, dialog, Vec::new()), Err(CommandError::WrongState));
    ua.endpoint.reject_reinvite(ua.now, dialog, Status::NOT_ACCEPTABLE_HERE).expect("it waits");
    assert_eq!(ua.drain().lines(), ["488 UPDATE"]);
    ua.feed(&request("INVITE", 7, "i7", Some(&tag), SDP));
    let out = ua.feed(&request("UPDATE", 8, "u8", Some(&tag), SDP));
    assert_eq!(out.lines(), ["500 UPDATE"], "while a re-INVITE waits for its answer");
}

#[test]
fn an_offer_before_the_call_is_answered_comes_too_early() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&invite()).invited();
    let tag = ua.endpoint.names(dialog).expect("it waits").local_tag;
    let out = ua.feed(&request("UPDATE", 2, "u2", Some(&tag), SDP));
    assert_eq!((out.lines(), out.events.len()), (vec!["500 UPDATE".to_owned()], 0));
    let outside = ua.feed(&request("UPDATE", 2, "u3", None, SDP));
    assert_eq!(outside.lines(), ["481 UPDATE"]);
}

#[test]
fn our_update_changes_fails_or_finds_the_call_gone() {
    let mut ua = Ua::new();
    let (dialog, _) = confirmed(&mut ua);
    let offer = |ua: &mut Ua| {
        ua.endpoint.update(ua.now, dialog, Some(b"v=0 ours".to_vec().into())).expect("it is up");
        let out = ua.drain();
        assert_eq!(out.lines(), ["UPDATE"]);
        out.message(0)
    };
    let sent = offer(&mut ua);
    assert_eq!(sent.body, &b"v=0 ours"[..]);
    assert_eq!(sent.headers.text(&Name::Contact), Some("<sip:203.0.113.5:5060>;isfocus"));
    let twice = ua.endpoint.update(ua.now, dialog, Some(b"v=0".to_vec().into()));
    assert_eq!(twice, Err(CommandError::WrongState), "one at a time");
    let out = ua.feed(&response(&sent, "200 OK", None, CONTACT_AND_SDP));
    assert_eq!((out.lines().len(), out.news()), (0, vec![format!("Reinvited({dialog}, None)")]));
    let sent = offer(&mut ua);
    assert_eq!(
        ua.feed(&response(&sent, "488 No", None, "")).news(),
        [format!("Reinvited({dialog}, Some(488))")]
    );
    let sent = allows_update(&mut ua, dialog);
    assert!(sent.body.is_empty());
    assert_eq!(ua.feed(&response(&sent, "200 OK", None, "")).events.len(), 0);
    let sent = offer(&mut ua);
    let out = ua.feed(&response(&sent, "481 Gone", None, ""));
    assert_eq!((out.lines(), out.ended()[0].kind), (vec!["BYE".to_owned()], EndKind::Expired));
    ua.assert_forgotten();
}

#[test]
fn a_call_that_ends_answers_the_update_that_waits() {
    let mut ua = Ua::new();
    let (dialog, tag) = confirmed(&mut ua);
    ua.feed(&request("UPDATE", 2, "u2", Some(&tag), SDP));
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    assert_eq!(ua.drain().lines(), ["487 UPDATE", "BYE"]);
    ua.assert_forgotten();
}
