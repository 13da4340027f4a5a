//! REFER within a call, and the news of it that go out by NOTIFY.

mod common;

use common::{Out, Ua, confirmed, request, response};
use partyline_sip::message::{Message, Name, StartLine, Status};
use partyline_sip::{CommandError, DialogId, Dropped, Event, Hangup, Referral, Rejection};

fn taking() -> Ua {
    Ua::with(|config| config.extensions.refers = true)
}

fn refer(cseq: u32, tag: &str, extra: &str) -> String {
    request("REFER", cseq, &format!("refer{cseq}"), Some(tag), extra)
}

const TO_DORA: &str = "Refer-To: <sip:+14165550199@203.0.113.5>\r\n";

fn referral(out: &Out) -> &Referral {
    let found = out.events.iter().find_map(|event| {
        if let Event::Refer { referral, .. } = event { Some(&**referral) } else { None }
    });
    found.expect("a REFER event")
}

/// Event, state, and body of a NOTIFY.
fn notice(message: &Message) -> (String, String, String) {
    let text = |name| message.headers.text(&name).unwrap_or_default().to_owned();
    assert_eq!(text(Name::ContentType), "message/sipfrag;version=2.0");
    assert!(text(Name::Contact).contains("203.0.113.5"), "it is a target refresh");
    let body = String::from_utf8_lossy(&message.body).trim_end().to_owned();
    (text(Name::Event), text(Name::SubscriptionState), body)
}

fn told(event: &str, state: &str, body: &str) -> (String, String, String) {
    (event.to_owned(), state.to_owned(), body.to_owned())
}

/// A call whose peer has had a REFER accepted; the first NOTIFY is not answered.
fn accepted(ua: &mut Ua) -> (DialogId, String, partyline_sip::SubscriptionId, Message) {
    let (dialog, tag) = confirmed(ua);
    ua.feed(&refer(2, &tag, TO_DORA));
    let news = ua.endpoint.accept_refer(ua.now, dialog).expect("it waits").expect("news");
    let out = ua.drain();
    assert_eq!(out.lines(), ["202 REFER", "NOTIFY"]);
    (dialog, tag, news, out.message(1))
}

#[test]
fn a_refer_is_accepted_and_its_progress_told_until_the_end() {
    let mut ua = taking();
    let (dialog, tag) = confirmed(&mut ua);
    let by = "Referred-By: \"Ann\" <sip:ann@192.0.2.1>\r\n";
    let out = ua.feed(&refer(2, &tag, &format!("{TO_DORA}{by}")));
    assert_eq!(out.news(), [format!("Refer({dialog})")]);
    assert_eq!(out.sent.len(), 0, "the node decides");
    assert_eq!(referral(&out).to.as_str(), "sip:+14165550199@203.0.113.5");
    assert_eq!(
        referral(&out).referred_by.as_ref().map(|by| by.as_str()),
        Some("sip:ann@192.0.2.1")
    );
    let news = ua.endpoint.accept_refer(ua.now, dialog).expect("it waits").expect("news");
    let out = ua.drain();
    assert_eq!(out.lines(), ["202 REFER", "NOTIFY"]);
    assert!(out.message(0).headers.text(&Name::Contact).is_some());
    let trying = out.message(1);
    assert_eq!(notice(&trying), told("refer", "active;expires=300", "SIP/2.0 100 Trying"));
    ua.endpoint.tell_referrer(ua.now, dialog, news, Status::RINGING);
    ua.endpoint.tell_referrer(ua.now, dialog, news, Status::SESSION_PROGRESS);
    assert_eq!(ua.drain().sent.len(), 0, "one at a time");
    ua.secs(1);
    let out = ua.feed(&response(&trying, "200 OK", None, ""));
    let progress = told("refer", "active;expires=299", "SIP/2.0 183 Session Progress");
    assert_eq!(notice(&out.message(0)), progress, "the newest counts");
    ua.feed(&response(&out.message(0), "200 OK", None, ""));
    ua.endpoint.tell_referrer(ua.now, dialog, news, Status::OK);
    let out = ua.drain();
    let over = told("refer", "terminated;reason=noresource", "SIP/2.0 200 OK");
    assert_eq!(notice(&out.message(0)), over);
    ua.feed(&response(&out.message(0), "200 OK", None, ""));
    ua.endpoint.tell_referrer(ua.now, dialog, news, Status::BUSY_HERE);
    assert_eq!(ua.secs(400).sent.len(), 0, "nothing follows the end");
    ua.feed(&request("BYE", 3, "bye", Some(&tag), ""));
    ua.assert_forgotten();
}

#[test]
fn a_repeated_refer_is_answered_as_before_and_asked_once() {
    let mut ua = taking();
    let (dialog, tag) = confirmed(&mut ua);
    let text = refer(2, &tag, TO_DORA);
    ua.feed(&text);
    let again = ua.feed(&text);
    assert_eq!((again.sent.len(), again.events.len()), (0, 0), "not decided yet");
    let rejection = Rejection {
        warning: Some((399, "moderators only".to_owned())),
        ..Rejection::new(Status::FORBIDDEN)
    };
    ua.endpoint.reject_refer(ua.now, dialog, rejection).expect("it waits");
    let refused = ua.drain();
    assert_eq!(refused.lines(), ["403 REFER"]);
    let warning = refused.message(0).headers.text(&Name::Warning).map(str::to_owned);
    assert_eq!(warning.as_deref(), Some("399 203.0.113.5 \"moderators only\""));
    assert_eq!(ua.feed(&text).sent[0].payload, refused.sent[0].payload);
    assert_eq!(ua.endpoint.accept_refer(ua.now, dialog), Err(CommandError::WrongState));
}

#[test]
fn a_call_asks_four_times_at_once_and_then_once_in_five_seconds() {
    let mut ua = taking();
    let (dialog, tag) = confirmed(&mut ua);
    let wish = format!("{TO_DORA}Refer-Sub: false\r\n");
    let asked = |ua: &mut Ua, cseqs: std::ops::Range<u32>| {
        let mut decided = 0;
        for cseq in cseqs {
            let out = ua.feed(&refer(cseq, &tag, &wish));
            if out.events.is_empty() {
                assert_eq!(out.lines(), ["503 REFER"]);
                continue;
            }
            decided += 1;
            if cseq % 2 == 0 {
                ua.endpoint.accept_refer(ua.now, dialog).expect("it waits");
            } else {
                ua.endpoint.reject_refer(ua.now, dialog, Status::FORBIDDEN).expect("it waits");
            }
            ua.drain();
        }
        decided
    };
    assert_eq!(asked(&mut ua, 2..22), 4);
    ua.secs(4);
    assert_eq!(asked(&mut ua, 22..32), 0);
    ua.secs(2);
    assert_eq!(asked(&mut ua, 32..42), 1);
    let counted = |reason| ua.endpoint.counters().of(reason);
    assert_eq!(counted(Dropped::TooOften), 16 + 10 + 9);
    assert_eq!(counted(Dropped::Declined), 2);
}

#[test]
fn the_contact_of_a_refer_turns_the_news_to_nobody_else() {
    let mut ua = taking();
    ua.endpoint.set_admission(Box::new(common::Apart));
    let (dialog, tag) = confirmed(&mut ua);
    let aimed = refer(2, &tag, TO_DORA);
    let aimed = aimed.replace("sip:caller@192.0.2.1:5060", "sip:victim@198.51.100.9:5060");
    ua.feed(&aimed);
    ua.endpoint.accept_refer(ua.now, dialog).expect("it waits");
    let out = ua.drain();
    assert_eq!(out.lines(), ["202 REFER", "NOTIFY"]);
    assert_eq!(out.sent[1].flow.remote, common::addr(common::PEER));
}

#[test]
fn no_news_go_to_who_wants_none() {
    let mut ua = taking();
    let (dialog, tag) = confirmed(&mut ua);
    let wish = "Refer-Sub: false\r\nRequire: norefersub\r\n";
    let out = ua.feed(&refer(2, &tag, &format!("{TO_DORA}{wish}")));
    assert!(!referral(&out).wants_news);
    assert_eq!(ua.endpoint.accept_refer(ua.now, dialog), Ok(None));
    let out = ua.drain();
    assert_eq!(out.lines(), ["202 REFER"]);
    assert_eq!(out.message(0).headers.text(&Name::ReferSub), Some("false"));
    assert_eq!(ua.secs(400).sent.len(), 0);
}

#[test]
fn later_referrals_of_a_call_are_told_apart_by_number_and_four_run_at_once() {
    let mut ua = taking();
    let (dialog, _, _, first) = accepted(&mut ua);
    assert_eq!(notice(&first).0, "refer");
    let tag = common::to_tag(&Message::parse(&ua_answer(&mut ua, &first)).expect("a message"));
    for cseq in 3..=5 {
        ua.feed(&refer(cseq, &tag, TO_DORA));
        ua.endpoint.accept_refer(ua.now, dialog).expect("it waits");
        let out = ua.drain();
        assert_eq!(notice(&out.message(1)).0, format!("refer;id={cseq}"));
        ua.feed(&response(&out.message(1), "200 OK", None, ""));
    }
    let out = ua.feed(&refer(6, &tag, TO_DORA));
    assert_eq!((out.lines(), out.events.len()), (vec!["503 REFER".to_owned()], 0));
    let over = ua.secs(301).lines();
    assert_eq!(over.iter().filter(|line| *line == "NOTIFY").count() % 4, 0, "{over:?}");
    assert!(over.len() >= 4, "their time is up: {over:?}");
}

/// Answers a NOTIFY; a message with our tag in its To.
fn ua_answer(ua: &mut Ua, notify: &Message) -> Vec<u8> {
    ua.feed(&response(notify, "200 OK", None, ""));
    let from = notify.headers.text(&Name::From).unwrap_or_default();
    format!("SIP/2.0 200 OK\r\nTo: {from}\r\n\r\n").into_bytes()
}

#[test]
fn a_subscription_ends_with_its_time() {
    let mut ua = taking();
    let (_, _, _, trying) = accepted(&mut ua);
    ua.feed(&response(&trying, "200 OK", None, ""));
    assert_eq!(ua.secs(299).sent.len(), 0);
    let out = ua.secs(1);
    let over = told("refer", "terminated;reason=timeout", "SIP/2.0 100 Trying");
    assert_eq!(notice(&out.message(0)), over);
}

#[test]
fn a_notify_that_is_refused_or_not_answered_ends_the_subscription_and_not_the_call() {
    for answer in [Some("481 Gone"), Some("489 Bad Event"), None] {
        let mut ua = taking();
        let (dialog, tag, news, trying) = accepted(&mut ua);
        ua.endpoint.tell_referrer(ua.now, dialog, news, Status::RINGING);
        let out = match answer {
            Some(status) => ua.feed(&response(&trying, status, None, "")),
            None => ua.secs(40),
        };
        assert!(out.events.is_empty(), "{answer:?}: {:?}", out.news());
        ua.endpoint.tell_referrer(ua.now, dialog, news, Status::OK);
        assert_eq!(ua.secs(1).sent.len(), 0, "{answer:?}");
        assert_eq!(ua.feed(&refer(3, &tag, TO_DORA)).events.len(), 1, "the call is up");
    }
}

#[test]
fn a_lost_notify_is_sent_again() {
    let mut ua = taking();
    let (_, _, _, trying) = accepted(&mut ua);
    let again = ua.secs(1).sent;
    assert!(!again.is_empty());
    assert_eq!(common::parse(&again[0].payload).to_bytes(), trying.to_bytes());
}

#[test]
fn the_end_of_the_call_ends_its_subscriptions_with_what_was_told_last() {
    let gone = told("refer", "terminated;reason=noresource", "SIP/2.0 180 Ringing");
    let mut ua = taking();
    let (dialog, _, news, _) = accepted(&mut ua);
    ua.endpoint.tell_referrer(ua.now, dialog, news, Status::RINGING);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    let out = ua.drain();
    assert_eq!(out.lines(), ["NOTIFY", "BYE"]);
    assert_eq!(notice(&out.message(0)), gone);
    ua.assert_forgotten();

    let mut ua = taking();
    let (dialog, tag, news, _) = accepted(&mut ua);
    ua.endpoint.tell_referrer(ua.now, dialog, news, Status::RINGING);
    let out = ua.feed(&request("BYE", 3, "bye", Some(&tag), ""));
    assert_eq!(out.lines(), ["200 BYE", "NOTIFY"]);
    assert_eq!(notice(&out.message(1)), gone);
    ua.assert_forgotten();
}

#[test]
fn what_names_nobody_or_several_is_refused() {
    let mut ua = taking();
    let (dialog, tag) = confirmed(&mut ua);
    let long = format!("Refer-To: <sip:{}@h>\r\n", "5".repeat(1100));
    let cases = [
        ("", "400 REFER"),
        ("Refer-To: <sip:a@h>\r\nRefer-To: <sip:b@h>\r\n", "400 REFER"),
        ("Refer-To: <sip:a@h\r\n", "400 REFER"),
        (long.as_str(), "400 REFER"),
        ("Refer-To: <sip:a@h?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n", "603 REFER"),
        ("Refer-To: <sip:a@h;method=BYE>\r\n", "603 REFER"),
        ("Refer-To: <mailto:a@example.com>\r\n", "416 REFER"),
        ("Refer-To: <sip:a@h>\r\nRequire: replaces\r\n", "420 REFER"),
    ];
    for (cseq, (extra, line)) in (2..).zip(cases) {
        let out = ua.feed(&refer(cseq, &tag, extra));
        assert_eq!((out.lines(), out.events.len()), (vec![line.to_owned()], 0), "{extra}");
    }
    // A compact form, and no brackets.
    let out = ua.feed(&refer(20, &tag, "r: tel:+14165550199\r\n"));
    assert_eq!(referral(&out).to.as_str(), "tel:+14165550199");
    ua.endpoint.reject_refer(ua.now, dialog, Status::NOT_FOUND).expect("it waits");
    assert_eq!(ua.drain().lines(), ["404 REFER"]);
}

#[test]
fn a_refer_to_somebody_elses_call_says_that_none_is_taken_over_by_it() {
    let mut ua = taking();
    let (dialog, tag) = confirmed(&mut ua);
    let reason = |out: &Out| {
        let StartLine::Response { status, reason } = out.message(0).start else { return None };
        Some((status.code(), reason.into_string()))
    };
    let fields = ["Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2", "a=b&rE%50laces=x", "join=x"];
    for (cseq, fields) in (2..).zip(fields) {
        let out = ua.feed(&refer(cseq, &tag, &format!("Refer-To: <sip:dora@h?{fields}>\r\n")));
        let declined = (603, "No Call Is Taken Over By REFER".to_owned());
        assert_eq!(reason(&out), Some(declined), "{fields}");
        assert!(out.events.is_empty());
    }
    let out = ua.feed(&refer(9, &tag, "Refer-To: <sip:dora@h?Subject=Replaces>\r\n"));
    assert_eq!(reason(&out).expect("a refusal").1, "Nothing But A Call Is Referred To");
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("the call is left alone");
}

#[test]
fn where_refer_is_not_taken_it_is_not_offered_either() {
    let mut ua = Ua::new();
    let (_, tag) = confirmed(&mut ua);
    let out = ua.feed(&refer(2, &tag, TO_DORA));
    assert_eq!((out.lines(), out.events.len()), (vec!["405 REFER".to_owned()], 0));
    let allow = out.message(0).headers.text(&Name::Allow).map(str::to_owned);
    assert!(!allow.expect("Allow").contains("REFER"));
    let mut ua = taking();
    let out = ua.feed(&request("REFER", 1, "stray", None, TO_DORA));
    assert_eq!(
        (out.lines(), out.events.len()),
        (vec!["405 REFER".to_owned()], 0),
        "outside a call"
    );
    let dialog = ua.feed(&common::invite()).invited();
    ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    let allow = ua.drain().message(0).headers.text(&Name::Allow).map(str::to_owned);
    assert!(allow.expect("Allow").contains("REFER"));
}
