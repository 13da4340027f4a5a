//! Calls that come in, byte by byte, on a virtual clock.

mod common;

use std::time::Duration;

use common::{SDP, Ua, addr, answered, confirmed, invite, request, to_tag};
use partyline_sip::message::{Name, Status};
use partyline_sip::{
    CalledPlace, CommandError, Dropped, EndKind, Ended, Ender, Event, Hangup, Identity,
    Presentation, Rejection,
};

#[test]
fn the_answer_bears_the_tag_that_the_call_had_from_its_first_moment() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&invite()).invited();
    let names = ua.endpoint.names(dialog).expect("it waits for an answer");
    ua.endpoint.answer(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
    let answer = ua.drain().message(0);
    assert_eq!(to_tag(&answer), names.local_tag);
    assert_eq!(answer.headers.text(&Name::CallId), Some(names.call_id.as_str()));
}

#[test]
fn an_invite_is_told_with_all_that_it_says() {
    let mut ua = Ua::new();
    let extra = "P-Asserted-Identity: <tel:+14165550111>\r\nPrivacy: id\r\n\
                 Diversion: <sip:1888@h>;reason=no-answer\r\nContent-Type: application/sdp\r\n\r\nv=0";
    let text = request("INVITE", 1, "inv", None, extra).replace(
        "sip:18005550100@203.0.113.5 SIP",
        "sip:+1800%20555;tgrp=x@203.0.113.5;pin=4711 SIP",
    );
    let out = ua.feed(&text);
    assert_eq!(out.lines(), ["100 INVITE"]);
    assert_eq!(out.sent[0].flow.remote, addr("192.0.2.1:5060"));
    assert!(!out.message(0).headers.text(&Name::To).unwrap_or_default().contains("tag="));
    let Some(Event::Invite(call)) = out.events.into_iter().next() else { panic!("a call") };
    assert_eq!(call.request_uri, "sip:+1800%20555;tgrp=x@203.0.113.5;pin=*");
    assert_eq!(call.dnis_raw, "+1800%20555;tgrp=x");
    let called: Vec<_> = call.called.iter().map(|one| (&one.place, one.raw.as_str())).collect();
    let places = [CalledPlace::RequestUri, CalledPlace::To, CalledPlace::Diversion];
    let raw = ["+1800%20555;tgrp=x", "18005550100", "1888"];
    assert_eq!(called, places.iter().zip(raw).collect::<Vec<_>>());
    assert_eq!(call.from_display.as_deref(), Some("Ann"));
    assert_eq!(call.called[0].forms, ["+1800 555", "+1800555"]);
    let callers: Vec<_> = call.callers.iter().map(|one| (one.identity, &*one.forms[0])).collect();
    let expected = [(Identity::Asserted, "+14165550111"), (Identity::From, "14165550100")];
    assert_eq!(callers, expected);
    assert_eq!(call.presentation, Presentation::Restricted);
    assert_eq!(call.offer.as_deref(), Some(&b"v=0\r\n"[..]));
    assert_eq!(call.sip_call_id, "c1");
    let digits: Option<String> = call.pin.map(|pin| pin.digits().map(|d| d.to_char()).collect());
    assert_eq!(digits.as_deref(), Some("4711"));
}

#[test]
fn a_call_rings_is_answered_confirmed_and_ended_by_its_caller() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&invite()).invited();
    ua.endpoint.ring(ua.now, dialog).expect("it waits");
    ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    let out = ua.drain();
    assert_eq!(out.lines(), ["180 INVITE", "200 INVITE"]);
    let ok = out.message(1);
    assert_eq!(ok.headers.text(&Name::Contact), Some("<sip:203.0.113.5:5060>;isfocus"));
    assert!(ok.headers.text(&Name::Allow).is_some_and(|allow| allow.contains("BYE")));
    let tag = to_tag(&ok);
    assert_eq!(tag, to_tag(&out.message(0)));
    let out = ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
    assert_eq!(out.news(), [format!("Confirmed({dialog})")]);
    let out = ua.feed(&request("BYE", 2, "bye", Some(&tag), "Reason: Q.850;cause=16\r\n"));
    assert_eq!(out.lines(), ["200 BYE"]);
    let expected = Ended { by: Ender::Remote, kind: EndKind::Bye, status: None, q850: Some(16) };
    assert_eq!(out.ended(), [expected]);
    let again = ua.feed(&request("BYE", 2, "bye", Some(&tag), ""));
    assert_eq!((again.lines(), again.ended().len()), (vec!["200 BYE".to_owned()], 0));
    ua.assert_forgotten();
}

#[test]
fn a_repeated_invite_gets_the_latest_response_and_makes_no_second_call() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&invite()).invited();
    assert_eq!(ua.feed(&invite()).lines(), ["100 INVITE"]);
    ua.endpoint.ring(ua.now, dialog).expect("it waits");
    ua.drain();
    let out = ua.feed(&invite());
    assert_eq!((out.lines(), out.events.len()), (vec!["180 INVITE".to_owned()], 0));
    assert_eq!(ua.endpoint.dialogs(), 1);
    assert_eq!(ua.endpoint.counters().of(Dropped::Repeated), 2);
}

#[test]
fn a_lost_200_is_sent_again_until_the_ack() {
    let mut ua = Ua::new();
    let (dialog, tag) = answered(&mut ua);
    assert_eq!(ua.run(Duration::from_millis(499)).lines().len(), 0);
    assert_eq!(ua.run(Duration::from_millis(1)).lines(), ["200 INVITE"]);
    assert_eq!(ua.run(Duration::from_millis(3000)).lines().len(), 2);
    let out = ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
    assert_eq!(out.news(), [format!("Confirmed({dialog})")]);
    assert_eq!(ua.secs(100).lines().len(), 0);
    let again = ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
    assert!(again.sent.is_empty() && again.events.is_empty());
}

#[test]
fn a_call_without_ack_ends_after_32_seconds_with_bye() {
    let mut ua = Ua::new();
    answered(&mut ua);
    let out = ua.run(Duration::from_millis(31_999));
    assert_eq!((out.lines().len(), out.events.len()), (10, 0));
    let out = ua.run(Duration::from_millis(1));
    assert_eq!(out.lines(), ["BYE"]);
    let expected = Ended { by: Ender::Timeout, kind: EndKind::NoAck, status: None, q850: None };
    assert_eq!(out.ended(), [expected]);
    ua.assert_forgotten();
}

#[test]
fn a_rejection_is_repeated_until_its_ack() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&invite()).invited();
    let rejection = Rejection {
        phrase: Some("No\r\nSuch".to_owned()),
        retry_after: Some(Duration::from_secs(30)),
        q850: Some(1),
        ..Rejection::new(Status::NOT_FOUND)
    };
    ua.endpoint.reject(ua.now, dialog, rejection).expect("it waits");
    let out = ua.drain();
    assert_eq!(out.lines(), ["404 INVITE"]);
    let head = String::from_utf8_lossy(&out.sent[0].payload).into_owned();
    assert!(head.starts_with("SIP/2.0 404 No  Such\r\n"), "{head}");
    assert!(head.contains("Retry-After: 30\r\n") && head.contains("Reason: Q.850;cause=1\r\n"));
    assert_eq!(out.ended()[0].status, Some(Status::NOT_FOUND));
    assert_eq!(ua.run(Duration::from_millis(1500)).lines().len(), 2);
    let tag = to_tag(&out.message(0));
    ua.feed(&request("ACK", 1, "inv", Some(&tag), ""));
    assert_eq!(ua.secs(40).lines().len(), 0);
    assert_eq!(ua.endpoint.ring(ua.now, dialog), Err(CommandError::NoDialog));
    ua.assert_forgotten();
}

#[test]
fn cancel_takes_the_invite_back() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&invite()).invited();
    let out = ua.feed(&request("CANCEL", 1, "inv", None, ""));
    assert_eq!(out.lines(), ["200 CANCEL", "487 INVITE"]);
    assert_eq!(to_tag(&out.message(0)), to_tag(&out.message(1)));
    assert_eq!(out.ended()[0].kind, EndKind::Cancelled);
    assert_eq!(ua.feed(&request("CANCEL", 1, "inv", None, "")).lines(), ["200 CANCEL"]);
    assert_eq!(ua.endpoint.answer(ua.now, dialog, Vec::new()), Err(CommandError::NoDialog));
    ua.assert_forgotten();
}

#[test]
fn cancel_after_the_answer_changes_nothing() {
    let mut ua = Ua::new();
    let (dialog, tag) = answered(&mut ua);
    let out = ua.feed(&request("CANCEL", 1, "inv", None, ""));
    assert_eq!((out.lines(), out.events.len()), (vec!["200 CANCEL".to_owned()], 0));
    let out = ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
    assert_eq!(out.news(), [format!("Confirmed({dialog})")]);
}

#[test]
fn bye_before_ack_ends_the_call_and_the_repetitions() {
    let mut ua = Ua::new();
    let (_, tag) = answered(&mut ua);
    let out = ua.feed(&request("BYE", 2, "bye", Some(&tag), ""));
    assert_eq!((out.lines(), out.ended().len()), (vec!["200 BYE".to_owned()], 1));
    assert_eq!(ua.secs(10).lines().len(), 0);
    let late = ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
    assert!(late.events.is_empty());
    assert_eq!(ua.endpoint.counters().of(Dropped::StrayAck), 1);
    ua.assert_forgotten();
}

#[test]
fn bye_in_an_early_dialog_ends_the_invite_with_487() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&invite()).invited();
    ua.endpoint.ring(ua.now, dialog).expect("it waits");
    let tag = to_tag(&ua.drain().message(0));
    let out = ua.feed(&request("BYE", 2, "bye", Some(&tag), ""));
    assert_eq!(out.lines(), ["200 BYE", "487 INVITE"]);
    assert_eq!(out.ended()[0].kind, EndKind::Bye);
}

#[test]
fn our_bye_waits_for_the_ack() {
    let mut ua = Ua::new();
    let (dialog, tag) = answered(&mut ua);
    ua.endpoint.hangup(ua.now, dialog, Hangup { q850: Some(16) }).expect("it is up");
    let out = ua.drain();
    assert!(out.sent.is_empty());
    assert_eq!((out.ended()[0].by, out.ended()[0].q850), (Ender::Local, Some(16)));
    assert_eq!(ua.run(Duration::from_millis(500)).lines(), ["200 INVITE"]);
    let out = ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
    assert_eq!((out.lines(), out.events.len()), (vec!["BYE".to_owned()], 0));
    assert_eq!(out.message(0).headers.text(&Name::Reason), Some("Q.850;cause=16"));
    assert_eq!(ua.endpoint.hangup(ua.now, dialog, Hangup::default()), Err(CommandError::NoDialog));
    ua.assert_forgotten();
}

#[test]
fn hanging_up_an_unanswered_call_refuses_it_by_its_cause() {
    for (cause, status) in [(None, "603 INVITE"), (Some(17), "486 INVITE")] {
        let mut ua = Ua::new();
        let dialog = ua.feed(&invite()).invited();
        ua.endpoint.hangup(ua.now, dialog, Hangup { q850: cause }).expect("it waits");
        let out = ua.drain();
        assert_eq!((out.lines(), out.ended().len()), (vec![status.to_owned()], 1));
    }
}

#[test]
fn byes_that_cross_are_both_answered() {
    let mut ua = Ua::new();
    let (dialog, tag) = confirmed(&mut ua);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    assert_eq!(ua.drain().lines(), ["BYE"]);
    let out = ua.feed(&request("BYE", 2, "bye", Some(&tag), ""));
    assert_eq!((out.lines(), out.events.len()), (vec!["200 BYE".to_owned()], 0));
    ua.assert_forgotten();
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut ua = Ua::new();
    let out = ua.feed(&request("INVITE", 1, "inv", None, ""));
    let Some(Event::Invite(call)) = out.events.first() else { panic!("a call") };
    assert_eq!(call.offer, None);
    ua.endpoint.answer(ua.now, call.dialog, b"v=0 offer".to_vec()).expect("it waits");
    let tag = to_tag(&ua.drain().message(0));
    let out = ua.feed(&request("ACK", 1, "ack", Some(&tag), SDP));
    let Some(Event::Confirmed { sdp, .. }) = out.events.first() else { panic!("confirmed") };
    assert_eq!(sdp.as_deref(), Some(&b"v=0\r\n"[..]));
}

#[test]
fn a_merged_request_loops_and_another_cseq_in_the_dialog_is_early() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&invite()).invited();
    let out = ua.feed(&request("INVITE", 1, "otherway", None, SDP));
    assert_eq!((out.lines(), out.events.len()), (vec!["482 INVITE".to_owned()], 0));
    ua.endpoint.ring(ua.now, dialog).expect("it waits");
    let tag = to_tag(&ua.drain().message(0));
    let out = ua.feed(&request("INVITE", 2, "second", Some(&tag), SDP));
    assert_eq!(out.lines(), ["500 INVITE"]);
    assert!(out.message(0).headers.text(&Name::RetryAfter).is_some());
}

#[test]
fn a_full_table_answers_503_with_retry_after() {
    let mut ua = Ua::with(|config| config.max_dialogs = 1);
    ua.feed(&invite());
    let second = invite().replace("Call-ID: c1", "Call-ID: c2").replace("bKinv", "bKinv2");
    let out = ua.feed(&second);
    assert_eq!((out.lines(), out.events.len()), (vec!["503 INVITE".to_owned()], 0));
    assert!(out.message(0).headers.text(&Name::RetryAfter).is_some());
    assert_eq!(ua.endpoint.counters().of(Dropped::TooManyDialogs), 1);
}

#[test]
fn calls_that_are_taken_back_at_once_do_not_pile_up() {
    let mut ua = Ua::with(|config| config.max_dialogs = 2);
    let mut statuses = Vec::new();
    for n in 0..12 {
        let rename = |text: String| {
            text.replace("Call-ID: c1", &format!("Call-ID: c{n}"))
                .replace("z9hG4bKinv", &format!("z9hG4bKi{n}"))
        };
        statuses.extend(ua.feed(&rename(invite())).lines());
        ua.feed(&rename(request("CANCEL", 1, "inv", None, "")));
    }
    assert_eq!(statuses.iter().filter(|line| *line == "100 INVITE").count(), 8);
    assert_eq!(statuses.iter().filter(|line| *line == "503 INVITE").count(), 4);
    ua.assert_forgotten();
}

#[test]
fn an_rfc_2543_peer_without_a_branch_makes_a_whole_call() {
    let mut ua = Ua::new();
    let old = |text: String| {
        let at = text.find(";branch").expect("a branch");
        let end = at + text[at..].find('\r').expect("a line end");
        format!("{}{}", &text[..at], &text[end..])
    };
    let dialog = ua.feed(&old(invite())).invited();
    assert_eq!(ua.feed(&old(invite())).events.len(), 0);
    ua.endpoint.reject(ua.now, dialog, Rejection::new(Status::BUSY_HERE)).expect("it waits");
    let tag = to_tag(&ua.drain().message(0));
    ua.feed(&old(request("ACK", 1, "x", Some(&tag), "")));
    assert_eq!(ua.secs(40).lines().len(), 0);
}
