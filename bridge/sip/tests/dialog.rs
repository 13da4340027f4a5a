//! What happens inside a dialog that is up.

mod common;

use std::time::Duration;

use common::{CONTACT_AND_SDP, SDP, Ua, addr, confirmed, request, response, to_tag};
use partyline_model::Digit;
use partyline_sip::message::{Name, StartLine, Status};
use partyline_sip::{CommandError, EndKind, Ender, Event, Hangup};

#[test]
fn info_digits_are_told_and_other_bodies_refused() {
    let mut ua = Ua::new();
    let (_, tag) = confirmed(&mut ua);
    let cases = [
        (
            2,
            "Content-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160",
            "200 INFO",
            Some('5'),
        ),
        (3, "Content-Type: application/dtmf\r\n\r\n#", "200 INFO", Some('#')),
        (4, "Content-Type: text/plain\r\n\r\n5", "415 INFO", None),
        (5, "", "200 INFO", None),
        (6, "Content-Type: application/dtmf-relay\r\n\r\nSignal=!", "200 INFO", None),
        (7, "Content-Type: application/dtmf-relay\r\n\r\nSignal=77", "400 INFO", None),
        (8, "Info-Package: foo\r\n", "469 INFO", None),
        (9, "info-package: foo\r\nContent-Type: text/plain\r\n\r\n5", "469 INFO", None),
        (
            10,
            "Info-Package: dtmf\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5",
            "200 INFO",
            Some('5'),
        ),
    ];
    for (cseq, extra, line, expected) in cases {
        let text = request("INFO", cseq, &format!("info{cseq}"), Some(&tag), extra);
        let out = ua.feed(&text);
        assert_eq!(out.lines(), [line]);
        let digit = out.events.iter().find_map(|event| {
            if let Event::Digit { digit, .. } = event { Some(digit.to_char()) } else { None }
        });
        assert_eq!(digit, expected);
        let again = ua.feed(&text);
        assert_eq!((again.lines(), again.events.len()), (vec![line.to_owned()], 0));
    }
}

#[test]
fn a_digit_goes_out_in_an_info_and_its_fate_is_told() {
    let mut ua = Ua::new();
    let (dialog, _) = confirmed(&mut ua);
    let hundred = Duration::from_millis(100);
    let cases = [("200 OK", "Ok(())"), ("415 No", "Err(415)"), ("481 Gone", "Err(481)")];
    for (status, result) in cases {
        ua.endpoint.send_digit(ua.now, dialog, Digit::POUND, hundred).expect("it is up");
        let out = ua.drain();
        assert_eq!(out.lines(), ["INFO"]);
        let sent = out.message(0);
        let kind = sent.headers.text(&Name::ContentType);
        assert_eq!(kind, Some("application/dtmf-relay"));
        assert_eq!(sent.body, &b"Signal=#\r\nDuration=100\r\n"[..]);
        assert_eq!(ua.feed(&response(&sent, "100 Trying", None, "")).events.len(), 0);
        let answer = response(&sent, status, None, "");
        assert_eq!(ua.feed(&answer).news(), [format!("DigitSent({dialog}, {result})")]);
        assert_eq!(ua.feed(&answer).events.len(), 0, "once");
    }
    ua.endpoint.send_digit(ua.now, dialog, Digit::STAR, hundred).expect("it is up");
    assert_eq!(ua.secs(33).news(), [format!("DigitSent({dialog}, Err(408))")]);
    ua.endpoint.send_digit(ua.now, dialog, Digit::STAR, hundred).expect("it is up");
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    let over = ua.endpoint.send_digit(ua.now, dialog, Digit::STAR, hundred);
    assert_eq!(over, Err(CommandError::NoDialog));
    ua.drain();
    assert_eq!(ua.secs(40).events.len(), 0, "nothing follows the end");
    ua.assert_forgotten();
}

#[test]
fn no_digit_goes_out_before_the_call_is_up() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&common::invite()).invited();
    let early = ua.endpoint.send_digit(ua.now, dialog, Digit::STAR, Duration::from_millis(100));
    assert_eq!(early, Err(CommandError::WrongState));
}

#[test]
fn the_peer_changes_the_session_and_its_address() {
    let mut ua = Ua::new();
    let (dialog, tag) = confirmed(&mut ua);
    let text = request("INVITE", 2, "re", Some(&tag), SDP)
        .replace("caller@192.0.2.1", "caller@192.0.2.44");
    let out = ua.feed(&text);
    assert_eq!(
        (out.lines(), out.news()),
        (vec!["100 INVITE".to_owned()], vec![format!("Reinvite({dialog})")])
    );
    ua.endpoint.answer_reinvite(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    assert_eq!(ua.drain().lines(), ["200 INVITE"]);
    assert_eq!(ua.secs(1).lines(), ["200 INVITE"]);
    let out = ua.feed(&request("ACK", 2, "reack", Some(&tag), ""));
    assert_eq!(out.news(), [format!("Confirmed({dialog})")]);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    let out = ua.drain();
    assert_eq!(out.sent[0].flow.remote, addr("192.0.2.44:5060"));
    ua.assert_forgotten();
}

#[test]
fn a_declined_or_cancelled_change_leaves_the_call_up() {
    let mut ua = Ua::new();
    let (dialog, tag) = confirmed(&mut ua);
    ua.feed(&request("INVITE", 2, "re", Some(&tag), SDP));
    ua.endpoint.reject_reinvite(ua.now, dialog, Status::NOT_ACCEPTABLE_HERE).expect("it waits");
    assert_eq!(ua.drain().lines(), ["488 INVITE"]);
    ua.feed(&request("ACK", 2, "re", Some(&tag), ""));
    ua.feed(&request("INVITE", 3, "re3", Some(&tag), SDP));
    let out = ua.feed(&request("CANCEL", 3, "re3", Some(&tag), ""));
    assert_eq!(
        (out.lines(), out.events.len()),
        (vec!["200 CANCEL".to_owned(), "487 INVITE".to_owned()], 0)
    );
    assert_eq!(
        ua.endpoint.answer_reinvite(ua.now, dialog, Vec::new()),
        Err(CommandError::WrongState)
    );
    assert_eq!(ua.feed(&request("BYE", 4, "bye", Some(&tag), "")).ended().len(), 1);
}

#[test]
fn a_change_without_ack_ends_the_call() {
    let mut ua = Ua::new();
    let (dialog, tag) = confirmed(&mut ua);
    ua.feed(&request("INVITE", 2, "re", Some(&tag), SDP));
    ua.endpoint.answer_reinvite(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    let out = ua.secs(33);
    assert_eq!(out.ended()[0].kind, EndKind::NoAck);
    assert!(out.lines().contains(&"BYE".to_owned()));
    ua.assert_forgotten();
}

#[test]
fn our_change_succeeds_fails_and_meets_glare() {
    let mut ua = Ua::new();
    let (dialog, tag) = confirmed(&mut ua);
    ua.endpoint.reinvite(ua.now, dialog, b"v=0 hold".to_vec()).expect("it is up");
    let sent = ua.drain().message(0);
    assert_eq!(
        ua.endpoint.reinvite(ua.now, dialog, Vec::new()),
        Err(CommandError::WrongState),
        "one at a time"
    );
    let out = ua.feed(&request("INVITE", 2, "glare", Some(&tag), SDP));
    assert_eq!(out.lines(), ["491 INVITE"]);
    let out = ua.feed(&response(&sent, "200 OK", None, CONTACT_AND_SDP));
    assert_eq!(out.lines(), ["ACK"]);
    assert_eq!(out.sent[0].flow.remote, addr("192.0.2.77:5080"), "the target is refreshed");
    assert_eq!(out.news(), [format!("Reinvited({dialog}, None)")]);
    ua.endpoint.reinvite(ua.now, dialog, b"v=0".to_vec()).expect("it is up");
    let sent = ua.drain().message(0);
    let out = ua.feed(&response(&sent, "488 No", None, ""));
    assert_eq!(
        (out.lines(), out.news()),
        (vec!["ACK".to_owned()], vec![format!("Reinvited({dialog}, Some(488))")])
    );
    assert_eq!(ua.feed(&request("BYE", 3, "bye", Some(&tag), "")).ended().len(), 1);
    ua.assert_forgotten();
}

#[test]
fn a_peer_that_forgot_the_dialog_ends_it() {
    let mut ua = Ua::new();
    let (dialog, _) = confirmed(&mut ua);
    ua.endpoint.reinvite(ua.now, dialog, b"v=0".to_vec()).expect("it is up");
    let sent = ua.drain().message(0);
    let out = ua.feed(&response(&sent, "481 Gone", None, ""));
    assert_eq!(out.lines(), ["ACK", "BYE"]);
    assert_eq!((out.ended()[0].by, out.ended()[0].kind), (Ender::Timeout, EndKind::Timeout));
    ua.assert_forgotten();
}

#[test]
fn a_bye_that_nobody_answers_is_repeated_and_given_up() {
    let mut ua = Ua::new();
    let (dialog, _) = confirmed(&mut ua);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    assert_eq!(ua.drain().lines(), ["BYE"]);
    assert_eq!(ua.secs(31).lines().len(), 9);
    let out = ua.secs(2);
    assert!(out.events.is_empty());
    ua.assert_forgotten();
}

#[test]
fn requests_follow_the_recorded_route() {
    let mut ua = Ua::new();
    let routes = "Record-Route: <sip:192.0.2.9;lr>\r\nRecord-Route: <sip:192.0.2.10;lr>\r\n";
    let dialog = ua.feed(&request("INVITE", 1, "inv", None, &format!("{routes}{SDP}"))).invited();
    ua.endpoint.answer(ua.now, dialog, Vec::new()).expect("it waits");
    let ok = ua.drain().message(0);
    assert_eq!(ok.headers.items(&Name::RecordRoute).count(), 2);
    ua.feed(&request("ACK", 1, "ack", Some(&to_tag(&ok)), ""));
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    let out = ua.drain();
    let bye = out.message(0);
    let routes: Vec<_> = bye.headers.items(&Name::Route).collect();
    assert_eq!(routes, ["<sip:192.0.2.9;lr>", "<sip:192.0.2.10;lr>"]);
    assert_eq!(out.sent[0].flow.remote, addr("192.0.2.9:5060"));
    let StartLine::Request { uri, .. } = &bye.start else { panic!("a request") };
    assert_eq!(&**uri, "sip:caller@192.0.2.1:5060");
}

#[test]
fn strangers_and_old_requests_do_not_reach_the_dialog() {
    let mut ua = Ua::new();
    let (_, tag) = confirmed(&mut ua);
    let stranger = request("BYE", 9, "x1", Some(&tag), "")
        .replace("@192.0.2.1>;tag=a\r", "@192.0.2.1>;tag=b\r");
    assert_eq!(ua.feed(&stranger).lines(), ["481 BYE"]);
    let other = request("BYE", 9, "x2", Some(&tag), "").replace("Call-ID: c1", "Call-ID: c9");
    assert_eq!(ua.feed(&other).lines(), ["481 BYE"]);
    assert_eq!(ua.feed(&request("BYE", 0, "x3", Some(&tag), "")).lines(), ["500 BYE"]);
    let out = ua.feed(&request("OPTIONS", 5, "x4", Some(&tag), ""));
    assert_eq!(out.lines(), ["200 OPTIONS"]);
    assert_eq!(ua.endpoint.dialogs(), 1);
}

#[test]
fn a_change_that_is_never_decided_goes_with_its_call() {
    let mut ua = Ua::new();
    let (dialog, _) = confirmed(&mut ua);
    ua.endpoint.reinvite(ua.now, dialog, b"v=0".to_vec()).expect("it is up");
    let sent = ua.drain().message(0);
    assert!(ua.feed(&response(&sent, "100 Trying", None, "")).events.is_empty());
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    assert_eq!(ua.drain().lines(), ["BYE"]);
    ua.assert_forgotten();
}
