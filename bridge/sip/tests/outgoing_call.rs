//! Calls that go out: answers, forks, failures, and hanging up at every moment.

mod common;

use std::time::Duration;

use common::{CONTACT_AND_SDP, Ua, addr, dial, response};
use partyline_sip::message::{Message, Name, StartLine, Status};
use partyline_sip::{CommandError, Dial, DialogId, Dropped, EndKind, Ender, Event, Hangup, Names};

fn dialled(ua: &mut Ua) -> (DialogId, Message) {
    let dialog = ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    let out = ua.drain();
    assert_eq!(out.lines(), ["INVITE"]);
    (dialog, out.message(0))
}

#[test]
fn an_invite_says_who_calls_whom() {
    let mut ua = Ua::with(|config| config.user_agent = Some("Partyline".to_owned()));
    let (_, invite) = dialled(&mut ua);
    let text = |name: Name| invite.headers.text(&name).unwrap_or_default().to_owned();
    assert!(text(Name::From).starts_with(r#""The \"Bridge\""<sip:18005550100@203.0.113.5>;tag="#));
    assert_eq!(text(Name::To), "<sip:14165550199@192.0.2.1>");
    assert_eq!(text(Name::parse("X-Account")), "7  Evil: 1");
    assert_eq!(text(Name::Contact), "<sip:203.0.113.5:5060>;isfocus");
    assert_eq!(text(Name::UserAgent), "Partyline");
    assert!(text(Name::Via).contains(";branch=z9hG4bK") && text(Name::Via).contains(";rport"));
    assert_eq!(invite.body, &b"v=0 offer"[..]);
}

#[test]
fn a_call_has_the_names_of_its_messages() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    let before = ua.endpoint.names(dialog).expect("it is under way");
    assert_eq!(invite.headers.text(&Name::CallId), Some(before.call_id.as_str()));
    let from = invite.headers.text(&Name::From).unwrap_or_default();
    assert!(from.ends_with(&format!(";tag={}", before.local_tag)), "{from}");
    assert_eq!(before.remote_tag, None);
    ua.feed(&response(&invite, "200 OK", Some("b"), CONTACT_AND_SDP));
    let answered = ua.endpoint.names(dialog).expect("it is up");
    assert_eq!(answered, Names { remote_tag: Some("b".to_owned()), ..before });
}

#[test]
fn a_call_is_heard_from_where_its_answer_and_its_re_invites_come_from() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    assert_eq!(ua.endpoint.heard_from(dialog), None, "nobody has answered");
    let answer = response(&invite, "200 OK", Some("b"), CONTACT_AND_SDP);
    ua.feed_bytes("192.0.2.7:5062", answer.as_bytes());
    assert_eq!(ua.endpoint.heard_from(dialog), Some(addr("192.0.2.7:5062")));
    ua.feed_bytes("192.0.2.8:5060", answer.as_bytes());
    assert_eq!(ua.endpoint.heard_from(dialog), Some(addr("192.0.2.7:5062")), "a repetition");
}

#[test]
fn uris_that_cannot_be_called_are_refused() {
    let mut ua = Ua::new();
    for uri in ["", "http://x", "sip:a@h\r\nEvil: 1", "sip:a@h?x=y"] {
        let dial = Dial { request_uri: uri.to_owned(), ..dial() };
        assert_eq!(ua.endpoint.dial(ua.now, dial), Err(CommandError::BadUri), "{uri}");
    }
    let mut full = Ua::with(|config| config.max_dialogs = 0);
    assert_eq!(full.endpoint.dial(full.now, dial()), Err(CommandError::TooManyDialogs));
}

#[test]
fn an_answer_is_acknowledged_each_time_it_comes() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    assert!(ua.feed(&response(&invite, "100 Trying", None, "")).events.is_empty());
    let out = ua.feed(&response(&invite, "183 Progress", Some("b"), CONTACT_AND_SDP));
    let Some(Event::Ringing { status, sdp, .. }) = out.events.first() else { panic!("ringing") };
    assert_eq!((*status, sdp.as_deref()), (Status::SESSION_PROGRESS, Some(&b"v=0 answer\r\n"[..])));
    let routes = "Record-Route: <sip:192.0.2.9;lr>, <sip:192.0.2.10;lr>\r\n";
    let ok = response(&invite, "200 OK", Some("b"), &format!("{routes}{CONTACT_AND_SDP}"));
    let out = ua.feed(&ok);
    assert_eq!(
        (out.lines(), out.news()),
        (vec!["ACK".to_owned()], vec![format!("Answered({dialog})")])
    );
    assert_eq!(out.sent[0].flow.remote, addr("192.0.2.10:5060"), "the last proxy is our first");
    let ack = out.message(0);
    let StartLine::Request { uri, .. } = &ack.start else { panic!("a request") };
    assert_eq!(&**uri, "sip:callee@192.0.2.77:5080");
    assert_eq!(ack.headers.text(&Name::CSeq), Some("1 ACK"));
    assert_ne!(
        ack.headers.text(&Name::Via),
        invite.headers.text(&Name::Via),
        "a branch of its own"
    );
    let again = ua.feed(&ok);
    assert_eq!(
        (again.sent[0].payload.clone(), again.events.len()),
        (out.sent[0].payload.clone(), 0)
    );
    let bye = bye_from(&invite, "b", 1);
    assert_eq!(ua.feed(&bye).ended().len(), 1);
    ua.assert_forgotten();
}

/// BYE from the callee.
fn bye_from(invite: &Message, tag: &str, cseq: u32) -> String {
    let text = |name: Name| invite.headers.text(&name).unwrap_or_default().to_owned();
    format!(
        "BYE sip:203.0.113.5:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKb{tag}{cseq}\r\n\
         From: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} BYE\r\n\r\n",
        text(Name::To),
        text(Name::From),
        text(Name::CallId),
    )
}

#[test]
fn an_rfc_2543_peer_without_a_tag_answers_a_whole_call() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    let ok = response(&invite, "200 OK", None, CONTACT_AND_SDP);
    let out = ua.feed(&ok);
    assert_eq!(out.news(), [format!("Answered({dialog})")]);
    assert_eq!(out.message(0).headers.text(&Name::To), invite.headers.text(&Name::To));
    assert_eq!(ua.feed(&ok).lines(), ["ACK"], "repeated, and no other fork");
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    let out = ua.drain();
    assert_eq!(out.lines(), ["BYE"]);
    assert_eq!(ua.feed(&response(&out.message(0), "200 OK", None, "")).lines(), [""; 0]);
    ua.assert_forgotten();
}

#[test]
fn a_second_fork_that_answers_is_acknowledged_and_hung_up() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    ua.feed(&response(&invite, "180 Ringing", Some("b"), ""));
    ua.feed(&response(&invite, "180 Ringing", Some("c"), ""));
    let out = ua.feed(&response(&invite, "200 OK", Some("b"), CONTACT_AND_SDP));
    assert_eq!(out.news(), [format!("Answered({dialog})")]);
    let out = ua.feed(&response(&invite, "200 OK", Some("c"), CONTACT_AND_SDP));
    assert_eq!((out.lines(), out.events.len()), (vec!["ACK".to_owned(), "BYE".to_owned()], 0));
    for at in 0..2 {
        assert!(out.message(at).headers.text(&Name::To).unwrap_or_default().ends_with(";tag=c"));
    }
    let again = ua.feed(&response(&invite, "200 OK", Some("c"), CONTACT_AND_SDP));
    assert_eq!(again.lines(), ["ACK"]);
    assert_eq!(ua.feed(&bye_from(&invite, "b", 1)).ended().len(), 1, "the first fork is the call");
    ua.assert_forgotten();
}

#[test]
fn a_refusal_is_acknowledged_and_told_with_its_cause() {
    let mut ua = Ua::new();
    let (_, invite) = dialled(&mut ua);
    let busy = response(&invite, "486 Busy", Some("b"), "");
    let out = ua.feed(&busy);
    assert_eq!(out.lines(), ["ACK"]);
    let ack = out.message(0);
    assert_eq!(ack.headers.text(&Name::Via), invite.headers.text(&Name::Via));
    assert!(ack.headers.text(&Name::To).unwrap_or_default().ends_with(";tag=b"));
    let ended = out.ended()[0];
    assert_eq!((ended.by, ended.kind), (Ender::Remote, EndKind::Rejected));
    assert_eq!((ended.status, ended.q850), (Some(Status::BUSY_HERE), Some(17)));
    let again = ua.feed(&busy);
    assert_eq!((again.lines(), again.events.len()), (vec!["ACK".to_owned()], 0));
    ua.assert_forgotten();
}

#[test]
fn a_silent_peer_times_out_after_32_seconds() {
    let mut ua = Ua::new();
    dialled(&mut ua);
    let out = ua.run(Duration::from_millis(31_999));
    assert_eq!((out.lines().len(), out.events.len()), (6, 0));
    let ended = ua.run(Duration::from_millis(1)).ended();
    assert_eq!((ended[0].by, ended[0].kind), (Ender::Timeout, EndKind::Timeout));
    assert_eq!(ended[0].status, Some(Status::REQUEST_TIMEOUT));
    ua.assert_forgotten();
}

#[test]
fn hanging_up_while_it_rings_cancels() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    ua.feed(&response(&invite, "180 Ringing", Some("b"), ""));
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it rings");
    let out = ua.drain();
    assert_eq!((out.lines(), out.ended()[0].kind), (vec!["CANCEL".to_owned()], EndKind::Cancelled));
    let cancel = out.message(0);
    assert_eq!(cancel.headers.text(&Name::Via), invite.headers.text(&Name::Via));
    ua.feed(&response(&cancel, "200 OK", None, ""));
    let out = ua.feed(&response(&invite, "487 Terminated", Some("b"), ""));
    assert_eq!((out.lines(), out.events.len()), (vec!["ACK".to_owned()], 0));
    ua.assert_forgotten();
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is called");
    let out = ua.drain();
    assert_eq!((out.lines().len(), out.ended().len()), (0, 1));
    let out = ua.feed(&response(&invite, "100 Trying", None, ""));
    assert_eq!(out.lines(), ["CANCEL"]);
    ua.assert_forgotten();
}

#[test]
fn an_answer_that_crosses_the_cancel_is_hung_up() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    ua.feed(&response(&invite, "180 Ringing", Some("b"), ""));
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it rings");
    ua.drain();
    let out = ua.feed(&response(&invite, "200 OK", Some("b"), CONTACT_AND_SDP));
    assert_eq!((out.lines(), out.events.len()), (vec!["ACK".to_owned(), "BYE".to_owned()], 0));
    assert_eq!(out.sent[1].flow.remote, addr("192.0.2.77:5080"));
    ua.assert_forgotten();
}

#[test]
fn a_call_given_up_before_any_response_leaves_nothing() {
    let mut ua = Ua::new();
    let (dialog, _) = dialled(&mut ua);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is called");
    assert_eq!(ua.drain().ended().len(), 1);
    let out = ua.secs(40);
    assert!(out.events.is_empty());
    ua.assert_forgotten();
}

#[test]
fn strange_responses_are_dropped_and_counted() {
    let mut ua = Ua::new();
    let (_, invite) = dialled(&mut ua);
    let ok = response(&invite, "200 OK", Some("b"), CONTACT_AND_SDP);
    assert!(ua.feed(&ok.replace("branch=z9hG4bK", "branch=z9hG4bKx")).sent.is_empty());
    assert_eq!(ua.endpoint.counters().of(Dropped::StrayResponse), 1);
    let two_vias = ok.replacen("Via:", "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nVia:", 1);
    assert!(ua.feed(&two_vias).sent.is_empty());
    assert_eq!(ua.endpoint.counters().of(Dropped::MalformedResponse), 1);
}

#[test]
fn how_long_a_refusing_far_end_wants_to_be_left_alone_is_told_before_the_end() {
    for (line, headers, told) in [
        ("503 Busy", "Retry-After: 120 (maintenance);duration=60\r\n", Some(120)),
        ("486 Busy Here", "Retry-After: 99999999999\r\n", Some(u32::MAX.into())),
        ("503 Busy", "Retry-After: soon\r\n", None),
        ("503 Busy", "", None),
    ] {
        let mut ua = Ua::new();
        let (dialog, invite) = dialled(&mut ua);
        let events = ua.feed(&response(&invite, line, Some("b"), headers)).events;
        let terms = events.iter().find_map(|event| {
            let Event::Terms { dialog: of, terms } = event else { return None };
            (*of == dialog).then_some(terms.retry_after?)
        });
        assert_eq!(terms, told.map(Duration::from_secs), "{line} {headers}");
        assert!(matches!(events.last(), Some(Event::Ended { .. })), "{events:?}");
    }
}
