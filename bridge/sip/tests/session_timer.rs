//! Session timers (RFC 4028) on the wire: sessions are refreshed for hours, in either role and by
//! either method, and end when nobody refreshes them.

mod common;

use common::{CONTACT_AND_SDP, SDP, Ua, dial, parse, request, response, to_tag};
use partyline_model::Time;
use partyline_sip::message::{Message, Method, Name, StartLine, Status};
use partyline_sip::{DialogId, EndKind, Ender, Event, SessionTimers, TimerMode};

const HOURS: u64 = 4 * 3600;
/// How the peer says that it speaks the extension.
const TIMER: &str = "Supported: timer\r\n";
const UPDATES: &str = "Allow: INVITE, ACK, BYE, UPDATE\r\n";

fn ua(mode: TimerMode) -> Ua {
    Ua::with(|config| config.extensions.timers = SessionTimers { mode, ..SessionTimers::default() })
}

fn header(message: &Message, name: Name) -> Option<String> {
    message.headers.text(&name).map(str::to_owned)
}

/// A call that came in with these headers and is up; the 200 that it got.
fn taken(ua: &mut Ua, extra: &str) -> (DialogId, Message) {
    let out = ua.feed(&request("INVITE", 1, "inv", None, &format!("{extra}{SDP}")));
    let dialog = out.invited();
    ua.endpoint.answer(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
    let ok = ua.drain().message(0);
    ua.feed(&request("ACK", 1, "ack", Some(&to_tag(&ok)), ""));
    (dialog, ok)
}

/// A call of ours, answered with these headers.
fn placed(ua: &mut Ua, extra: &str) -> (DialogId, Message) {
    let dialog = ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    let invite = ua.drain().message(0);
    ua.feed(&response(&invite, "200 OK", Some("b"), &format!("{extra}{CONTACT_AND_SDP}")));
    (dialog, invite)
}

/// What happens while a peer answers our refreshes.
#[derive(Default)]
struct Seen {
    /// Refreshes of ours: when, the method, and Session-Expires.
    refreshes: Vec<(Time, Method, Option<String>)>,
    ended: Vec<(Time, EndKind)>,
}

/// Lets `secs` pass; the peer answers each request of ours with what `answer` says, or not at all.
fn live(ua: &mut Ua, secs: u64, mut answer: impl FnMut(&Message) -> Option<String>) -> Seen {
    let (mut seen, until) = (Seen::default(), ua.now + std::time::Duration::from_secs(secs));
    let mut out = ua.drain();
    loop {
        let now = ua.now;
        for event in &out.events {
            if let Event::Refresh { dialog } = event {
                ua.endpoint.reinvite(now, *dialog, b"v=0 same".to_vec()).expect("it is up");
            } else if let Event::Ended { ended, .. } = event {
                seen.ended.push((now, ended.kind));
            }
        }
        out.sent.append(&mut ua.drain().sent);
        let mut next = common::Out::default();
        for transmit in &out.sent {
            let message = parse(&transmit.payload);
            let StartLine::Request { method, .. } = &message.start else { continue };
            if matches!(method, Method::Invite | Method::Update) {
                let expires = header(&message, Name::SessionExpires);
                seen.refreshes.push((now, method.clone(), expires));
            }
            if *method != Method::Ack
                && let Some(text) = answer(&message)
            {
                let mut more = ua.feed(&text);
                next.sent.append(&mut more.sent);
                next.events.append(&mut more.events);
            }
        }
        out = next;
        if !out.sent.is_empty() || !out.events.is_empty() {
            continue;
        }
        let Some(at) = ua.endpoint.poll_timeout().filter(|at| *at <= until) else { break };
        ua.now = at;
        ua.endpoint.handle_timeout(at);
        out = ua.drain();
    }
    ua.now = until;
    seen
}

/// A 200 that repeats the Session-Expires of the request, or says nothing of it.
fn ok(message: &Message, speaks: bool, extra: &str) -> String {
    let expires = header(message, Name::SessionExpires).filter(|_| speaks);
    let expires = expires.map(|text| format!("Session-Expires: {text}\r\n")).unwrap_or_default();
    response(message, "200 OK", None, &format!("{expires}{extra}{CONTACT_AND_SDP}"))
}

#[test]
fn a_call_with_a_timer_of_90_s_holds_for_four_hours_in_every_role_and_way() {
    for incoming in [true, false] {
        for (allow, method) in [(UPDATES, Method::Update), ("", Method::Invite)] {
            for speaks in [true, false] {
                let case = format!("incoming {incoming}, {method}, timers {speaks}");
                let mode = if incoming { TimerMode::Accept } else { TimerMode::Offer };
                let mut ua = ua(mode);
                if incoming {
                    // Without the extension, a proxy on the way asks for it.
                    let asks = if speaks {
                        format!("{TIMER}Session-Expires: 90;refresher=uas\r\n")
                    } else {
                        "x: 90\r\n".to_owned()
                    };
                    let (_, answer) = taken(&mut ua, &format!("{allow}{asks}"));
                    let granted = header(&answer, Name::SessionExpires);
                    assert_eq!(granted.as_deref(), Some("90;refresher=uas"), "{case}");
                } else if speaks {
                    placed(&mut ua, &format!("{allow}Session-Expires: 90;refresher=uac\r\n"));
                } else {
                    placed(&mut ua, allow);
                }
                let interval = if incoming || speaks { 90 } else { 1800 };
                let seen = live(&mut ua, HOURS, |sent| Some(ok(sent, speaks, allow)));
                assert_eq!(seen.ended, [], "{case}");
                let expected = HOURS / (interval / 2);
                assert_eq!(seen.refreshes.len() as u64, expected, "{case}");
                for (at, by, expires) in seen.refreshes {
                    assert_eq!(by, method, "{case} at {at:?}");
                    let wish = format!("{interval};refresher=uac");
                    assert_eq!(expires.as_deref(), Some(wish.as_str()), "{case}");
                }
            }
        }
    }
}

#[test]
fn a_peer_that_refreshes_keeps_its_call_for_four_hours_by_either_method() {
    for incoming in [true, false] {
        for method in ["UPDATE", "INVITE"] {
            let mut ua = ua(TimerMode::Accept);
            let (dialog, text) = if incoming {
                let (dialog, answer) = taken(&mut ua, &format!("{TIMER}Session-Expires: 90\r\n"));
                let granted = header(&answer, Name::SessionExpires);
                assert_eq!(granted.as_deref(), Some("90;refresher=uac"), "the caller refreshes");
                assert_eq!(header(&answer, Name::Require).as_deref(), Some("timer"));
                let ask = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
                (dialog, request(method, 7, "re", Some(&to_tag(&answer)), &format!("{ask}{SDP}")))
            } else {
                let (dialog, invite) = placed(&mut ua, "Session-Expires: 90;refresher=uas\r\n");
                let ask = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
                (dialog, from_callee(&invite, method, &format!("{ask}{SDP}")))
            };
            for n in 0..HOURS / 45 {
                let cseq = format!("CSeq: {} {method}", 100 + n);
                let text = text.replace("z9hG4bKre", &format!("z9hG4bKre{n}"));
                let text = text.replace(&format!("CSeq: 7 {method}"), &cseq);
                let out = ua.feed(&text);
                assert_eq!(out.news(), [format!("Reinvite({dialog})")], "{method} {n}");
                ua.endpoint.answer_reinvite(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
                let answer = ua.drain().message(0);
                let granted = header(&answer, Name::SessionExpires);
                assert_eq!(granted.as_deref(), Some("90;refresher=uac"));
                if method == "INVITE" {
                    let ack = text.replace("INVITE", "ACK").replace("z9hG4bKre", "z9hG4bKack");
                    assert_eq!(ua.feed(&ack).news(), [format!("Confirmed({dialog})")]);
                }
                let seen = live(&mut ua, 45, |_| None);
                assert!(seen.ended.is_empty() && seen.refreshes.is_empty(), "{method} {n}");
            }
            // 90 s less a third of them.
            let seen = live(&mut ua, 100, |_| None);
            assert_eq!(seen.ended.len(), 1, "{method}: nobody refreshes any more");
            assert_eq!(seen.ended[0].1, EndKind::Expired);
            ua.assert_forgotten();
        }
    }
}

/// A request of the callee of a call of ours, with CSeq 7.
fn from_callee(invite: &Message, method: &str, extra: &str) -> String {
    let text = |name: Name| header(invite, name).unwrap_or_default();
    let contact = "Contact: <sip:callee@192.0.2.77:5080>\r\n";
    format!(
        "{method} sip:203.0.113.5:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKre\r\n\
         From: {};tag=b\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 7 {method}\r\n{contact}{extra}\r\n",
        text(Name::To),
        text(Name::From),
        text(Name::CallId),
    )
}

#[test]
fn a_peer_that_stops_refreshing_is_given_up_before_the_session_is_over() {
    for (interval, expected) in [(90, 60), (1800, 1768)] {
        let mut ua = ua(TimerMode::Accept);
        taken(&mut ua, &format!("{TIMER}Session-Expires: {interval};refresher=uac\r\n"));
        let seen = live(&mut ua, expected - 1, |_| None);
        assert!(seen.ended.is_empty());
        let out = ua.secs(1);
        assert_eq!(out.lines(), ["BYE"]);
        let ended = out.ended()[0];
        assert_eq!((ended.by, ended.kind), (Ender::Timeout, EndKind::Expired));
        assert_eq!((ended.status, ended.q850), (None, Some(102)));
        assert!(header(&out.message(0), Name::Reason).is_some_and(|text| text.contains("102")));
        ua.assert_forgotten();
    }
}

#[test]
fn a_refresh_that_nobody_answers_or_that_finds_no_call_ends_it() {
    for (allow, method) in [(UPDATES, "UPDATE"), ("", "INVITE")] {
        for status in [None, Some("481 Gone"), Some("408 Time")] {
            let mut ua = ua(TimerMode::Accept);
            taken(&mut ua, &format!("{allow}Session-Expires: 90\r\n"));
            let seen = live(&mut ua, 80, |sent| Some(response(sent, status?, None, "")));
            let at = if status.is_some() { 45 } else { 77 };
            let expected = [(Time::from_secs(at), EndKind::Expired)];
            assert_eq!(seen.ended, expected, "{method} {status:?}");
            ua.assert_forgotten();
        }
    }
}

#[test]
fn a_peer_that_refuses_a_refresh_is_there_and_is_asked_again() {
    let cases = [
        (UPDATES, "488 No", "", 22_500),
        (UPDATES, "500 No", "Retry-After: 7\r\n", 7_000),
        (UPDATES, "501 No", "", 0),
        (UPDATES, "405 No", "", 0),
        ("", "488 No", "", 22_500),
        ("", "500 No", "Retry-After: 7 (busy)\r\n", 7_000),
    ];
    for (allow, status, more, pause) in cases {
        let mut ua = ua(TimerMode::Accept);
        taken(&mut ua, &format!("{allow}Session-Expires: 90\r\n"));
        let mut answers = 0;
        let seen = live(&mut ua, 80, |sent| {
            answers += 1;
            let bye = matches!(&sent.start, StartLine::Request { method: Method::Bye, .. });
            assert!(!bye, "{status}");
            if answers == 1 {
                Some(response(sent, status, None, more))
            } else {
                Some(ok(sent, true, ""))
            }
        });
        assert!(seen.ended.is_empty(), "{status}");
        let times: Vec<_> = seen.refreshes.iter().map(|(at, ..)| at.as_millis()).collect();
        let again = 45_000 + pause;
        assert_eq!(times[..2], [45_000, again], "{allow}{status}");
        let after = seen.refreshes[1].1.clone();
        let fits = allow.is_empty() || matches!(status, "501 No" | "405 No");
        assert_eq!(after == Method::Invite, fits, "{status}: {after}");
    }
}

#[test]
fn refreshes_that_cross_are_made_again_after_a_moment() {
    let mut ua = ua(TimerMode::Accept);
    taken(&mut ua, "Session-Expires: 90\r\n");
    let mut first = true;
    let seen = live(&mut ua, 60, |sent| {
        let glare = std::mem::replace(&mut first, false);
        Some(if glare { response(sent, "491 Pending", None, "") } else { ok(sent, true, "") })
    });
    let times: Vec<_> = seen.refreshes.iter().map(|(at, ..)| at.as_millis()).collect();
    assert_eq!(times.len(), 2, "{times:?}");
    assert!((45_000..=47_000).contains(&times[1]), "they made the Call-ID: {times:?}");
    let mut ua = self::ua(TimerMode::Accept);
    placed(&mut ua, "Session-Expires: 90;refresher=uac\r\n");
    let mut first = true;
    let seen = live(&mut ua, 60, |sent| {
        let glare = std::mem::replace(&mut first, false);
        Some(if glare { response(sent, "491 Pending", None, "") } else { ok(sent, true, "") })
    });
    let times: Vec<_> = seen.refreshes.iter().map(|(at, ..)| at.as_millis()).collect();
    assert!((47_100..=49_000).contains(&times[1]), "we made the Call-ID: {times:?}");
}

#[test]
fn an_interval_below_ours_is_refused_with_422_and_only_to_who_speaks_timers() {
    let mut ua = ua(TimerMode::Accept);
    let text = format!("{TIMER}Session-Expires: 60\r\nMin-SE: 45\r\n{SDP}");
    let out = ua.feed(&request("INVITE", 1, "short", None, &text));
    assert_eq!((out.lines(), out.events.len()), (vec!["422 INVITE".to_owned()], 0));
    assert_eq!(header(&out.message(0), Name::MinSe).as_deref(), Some("90"));
    assert_eq!(out.refused.len(), 0, "nobody is told of it: the caller asks again");
    assert_eq!(ua.endpoint.transactions(), 0);
    let (_, answer) = taken(&mut ua, "Session-Expires: 60\r\n");
    let granted = header(&answer, Name::SessionExpires);
    assert_eq!(granted.as_deref(), Some("90;refresher=uas"), "a proxy asked: it gets more");
    assert_eq!(header(&answer, Name::Require), None, "of a peer that could not");
    let tag = to_tag(&answer);
    for (cseq, method) in [(2, "UPDATE"), (3, "INVITE")] {
        let out = ua.feed(&request(method, cseq, method, Some(&tag), &text));
        assert_eq!((out.lines(), out.events.len()), (vec![format!("422 {method}")], 0));
    }
}

#[test]
fn a_422_is_answered_once_with_the_interval_that_it_wants() {
    for (mode, first) in [(TimerMode::Offer, Some("1800")), (TimerMode::Accept, None)] {
        let mut ua = ua(mode);
        let dialog = ua.endpoint.dial(ua.now, dial()).expect("it can be called");
        let invite = ua.drain().message(0);
        assert_eq!(header(&invite, Name::SessionExpires).as_deref(), first);
        assert_eq!(header(&invite, Name::Supported).as_deref(), Some("timer, 100rel"));
        let out = ua.feed(&response(&invite, "422 Small", Some("p"), "Min-SE: 3600\r\n"));
        assert_eq!(
            (out.lines(), out.events.len()),
            (vec!["ACK".to_owned(), "INVITE".to_owned()], 0)
        );
        let again = out.message(1);
        assert_eq!(header(&again, Name::SessionExpires).as_deref(), Some("3600"));
        assert_eq!(header(&again, Name::MinSe).as_deref(), Some("3600"));
        assert_eq!(header(&again, Name::CSeq).as_deref(), Some("2 INVITE"));
        assert_eq!(header(&again, Name::CallId), header(&invite, Name::CallId));
        assert_eq!(again.body, invite.body);
        let out = ua.feed(&response(&again, "422 Small", Some("q"), "Min-SE: 7200\r\n"));
        assert_eq!(out.lines(), ["ACK"], "no loop");
        assert_eq!(out.ended()[0].status, Some(Status::SESSION_INTERVAL_TOO_SMALL));
        assert_eq!(out.news().len(), 1, "{dialog}");
        ua.assert_forgotten();
    }
}

#[test]
fn a_422_to_a_refresh_or_a_hold_is_answered_too() {
    let mut ua = ua(TimerMode::Offer);
    let (dialog, _) = placed(&mut ua, &format!("{UPDATES}Session-Expires: 90;refresher=uac\r\n"));
    let mut answers = 0;
    let seen = live(&mut ua, 46, |sent| {
        answers += 1;
        Some(match answers {
            1 => response(sent, "422 Small", None, "Min-SE: 1800\r\n"),
            _ => ok(sent, true, UPDATES),
        })
    });
    let wishes: Vec<_> = seen.refreshes.into_iter().filter_map(|(.., expires)| expires).collect();
    assert_eq!(wishes, ["90;refresher=uac", "1800;refresher=uac"]);
    ua.endpoint.reinvite(ua.now, dialog, b"v=0 hold".to_vec()).expect("it is up");
    let hold = ua.drain().message(0);
    let out = ua.feed(&response(&hold, "422 Small", None, "Min-SE: 2000\r\n"));
    assert_eq!(out.lines(), ["ACK", "INVITE"]);
    let again = out.message(1);
    assert_eq!(header(&again, Name::SessionExpires).as_deref(), Some("2000;refresher=uac"));
    let out = ua.feed(&ok(&again, true, ""));
    assert_eq!(out.news(), [format!("Reinvited({dialog}, None)")]);
}

#[test]
fn each_refresh_may_change_who_refreshes() {
    let mut ua = ua(TimerMode::Accept);
    let ours = format!("{UPDATES}{TIMER}Session-Expires: 90;refresher=uas\r\n");
    let (_, answer) = taken(&mut ua, &ours);
    let tag = to_tag(&answer);
    // The peer takes the task over by its own refresh, and gives it back by its answer to ours.
    ua.secs(20);
    let theirs = format!("{TIMER}Session-Expires: 90;refresher=uac\r\n");
    let out = ua.feed(&request("UPDATE", 2, "take", Some(&tag), &theirs));
    let granted = header(&out.message(0), Name::SessionExpires);
    assert_eq!(granted.as_deref(), Some("90;refresher=uac"));
    assert!(live(&mut ua, 55, |_| None).refreshes.is_empty(), "we rest");
    let out = ua.feed(&request("UPDATE", 3, "give", Some(&tag), &ours));
    let granted = header(&out.message(0), Name::SessionExpires);
    assert_eq!(granted.as_deref(), Some("90;refresher=uas"));
    let seen = live(&mut ua, 46, |sent| {
        Some(response(sent, "200 OK", None, "Session-Expires: 90;refresher=uas\r\n"))
    });
    assert_eq!(seen.refreshes.len(), 1, "our turn, and theirs again");
    let seen = live(&mut ua, 60, |_| None);
    assert_eq!(seen.ended, [(Time::from_secs(20 + 55 + 45 + 60), EndKind::Expired)]);
}

#[test]
fn a_peer_that_sets_a_timer_though_we_did_not_ask_is_obeyed() {
    let mut ua = ua(TimerMode::Accept);
    let (_, invite) = placed(&mut ua, "Session-Expires: 90;refresher=uas\r\n");
    assert_eq!(header(&invite, Name::SessionExpires), None);
    let seen = live(&mut ua, 61, |_| None);
    assert_eq!(seen.ended, [(Time::from_secs(60), EndKind::Expired)]);
    let mut ua = self::ua(TimerMode::Accept);
    placed(&mut ua, "Session-Expires: 90\r\n");
    let seen = live(&mut ua, 46, |sent| Some(ok(sent, true, "")));
    assert_eq!(seen.refreshes.len(), 1, "nobody is named: we do it");
}

#[test]
fn without_timers_nothing_is_said_and_nothing_ends() {
    let mut ua = ua(TimerMode::Accept);
    let (_, answer) = taken(&mut ua, TIMER);
    assert_eq!(header(&answer, Name::SessionExpires), None);
    let seen = live(&mut ua, HOURS, |_| None);
    assert!(seen.ended.is_empty() && seen.refreshes.is_empty());
    let mut ua = self::ua(TimerMode::Off);
    let (_, answer) = taken(&mut ua, &format!("{TIMER}Session-Expires: 60\r\n"));
    assert_eq!(header(&answer, Name::SessionExpires), None);
    assert_eq!(header(&answer, Name::Supported).as_deref(), Some("100rel"));
    assert!(live(&mut ua, HOURS, |_| None).ended.is_empty());
    let strict = request("INVITE", 1, "strict", None, &format!("Require: timer\r\n{SDP}"));
    assert_eq!(ua.feed(&strict.replace("Call-ID: c1", "Call-ID: c2")).lines(), ["420 INVITE"]);
}

#[test]
fn timers_that_are_required_are_asked_for_and_missed() {
    let mut ua = ua(TimerMode::Require);
    let out = ua.feed(&request("INVITE", 1, "inv", None, SDP));
    assert_eq!(out.lines(), ["421 INVITE"]);
    assert_eq!(header(&out.message(0), Name::Require).as_deref(), Some("timer"));
    let (_, answer) = taken(&mut ua, &format!("Require: timer\r\n{TIMER}"));
    let granted = header(&answer, Name::SessionExpires);
    assert_eq!(granted.as_deref(), Some("1800;refresher=uac"), "though nobody wished");
    ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    let invite = ua.drain().message(0);
    assert_eq!(header(&invite, Name::Require).as_deref(), Some("timer"));
}

#[test]
fn malformed_intervals_are_passed_over() {
    for text in ["", "soon", "-90", "0", "90s", ";refresher=uas"] {
        let mut ua = ua(TimerMode::Accept);
        let (_, answer) = taken(&mut ua, &format!("{TIMER}Session-Expires: {text}\r\n"));
        assert_eq!(header(&answer, Name::SessionExpires), None, "{text}");
    }
    let mut ua = ua(TimerMode::Accept);
    let (_, answer) = taken(&mut ua, "Session-Expires: 99999999999 ; Refresher = UAS\r\n");
    let granted = header(&answer, Name::SessionExpires);
    assert_eq!(granted.as_deref(), Some("4294967295;refresher=uas"));
}

#[test]
fn an_interval_that_was_granted_goes_on_when_a_refresh_is_answered_without_one() {
    for mode in [TimerMode::Accept, TimerMode::Offer, TimerMode::Require] {
        let mut ua = ua(mode);
        taken(&mut ua, &format!("{UPDATES}{TIMER}Session-Expires: 120;refresher=uas\r\n"));
        let seen = live(&mut ua, 185, |sent| Some(ok(sent, false, UPDATES)));
        let at: Vec<_> = seen.refreshes.iter().map(|(at, ..)| at.as_millis() / 1000).collect();
        assert_eq!(at, [60, 120, 180], "{mode:?}");
    }
}
