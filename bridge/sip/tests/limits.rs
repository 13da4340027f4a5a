//! What a source may cost: nothing as a stranger, its share as a known one, a rate within a call.

mod common;

use std::net::IpAddr;
use std::time::Duration;

use common::{CONTACT_AND_SDP, PEER, SDP, Ua, addr, confirmed, dial, invite, request, response};
use partyline_sip::message::{Name, Status};
use partyline_sip::rate::Rate;
use partyline_sip::{Admission, Callers, DialogId, Dropped, Hangup, Limits};

const FRIEND: &str = "192.0.2.2:5060";
const STRANGER: &str = "198.51.100.9:5060";

/// 192.0.2.0/24 is one trunk, 203.0.113.0/24 another; everybody else is a stranger.
struct Trunks {
    limits: Limits,
    capacity: usize,
}

impl Trunks {
    fn of(source: IpAddr) -> Option<u8> {
        match source {
            IpAddr::V4(v4) if v4.octets()[..3] == [192, 0, 2] => Some(1),
            IpAddr::V4(v4) if v4.octets()[..3] == [203, 0, 113] => Some(2),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }
}

impl Admission for Trunks {
    fn limits(&self, source: IpAddr) -> Option<Limits> {
        Self::of(source).map(|trunk| Limits { trunk: trunk.into(), ..self.limits })
    }

    fn allies(&self, peer: IpAddr, source: IpAddr) -> bool {
        Self::of(peer).is_some() && Self::of(peer) == Self::of(source)
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

fn ua_with(limits: Limits, capacity: usize) -> Ua {
    let mut ua = Ua::new();
    ua.endpoint.set_admission(Box::new(Trunks { limits, capacity }));
    ua
}

fn ua() -> Ua {
    ua_with(Limits::NONE, 10_000)
}

/// The `n`th call of a source, with a body or header behind it.
fn call(n: usize, extra: &str) -> String {
    let text = request("INVITE", 1, &format!("b{n}"), None, extra);
    text.replace("Call-ID: c1", &format!("Call-ID: c{n}"))
}

fn refused(out: &common::Out) -> Vec<(Dropped, Status)> {
    out.refused.iter().map(|refused| (refused.reason, refused.status)).collect()
}

#[test]
fn a_stranger_costs_no_memory_and_is_answered_now_and_then() {
    let mut ua = ua();
    let big = format!("X-Big: {}\r\n", "x".repeat(7000)).repeat(6);
    let mut answered = 0;
    for n in 0..9000 {
        let out = ua.feed_bytes(STRANGER, call(n, if n < 100 { &big } else { SDP }).as_bytes());
        answered += out.sent.len();
        assert!(out.sent.is_empty() || out.lines() == ["403 INVITE"]);
        if n == 0 {
            assert_eq!(refused(&out), [(Dropped::Stranger, Status::FORBIDDEN)]);
            let ack = request("ACK", 1, "b0", Some(&common::to_tag(&out.message(0))), "");
            assert!(ua.feed_bytes(STRANGER, ack.as_bytes()).sent.is_empty());
        }
        if n % 1000 == 0 {
            ua.run(Duration::from_millis(100));
        }
    }
    assert_eq!(
        (ua.endpoint.dialogs(), ua.endpoint.transactions(), ua.endpoint.octets()),
        (0, 0, 0)
    );
    assert!((20..=20 + 5).contains(&answered), "{answered}");
    assert_eq!(ua.endpoint.poll_timeout(), None, "nothing is sent again");
    let counters = ua.endpoint.counters();
    let known = counters.of(Dropped::Stranger) + counters.of(Dropped::StrayAck);
    assert_eq!(known + counters.of(Dropped::Unheard), 9001);
    let lawful = ua.feed(&invite());
    assert_eq!(lawful.lines(), ["100 INVITE"], "and others are served");
}

#[test]
fn a_source_that_only_answers_calls_brings_none_in() {
    let mut ua = ua_with(Limits { calls: false, ..Limits::NONE }, 100);
    let out = ua.feed(&invite());
    assert_eq!((out.lines(), ua.endpoint.transactions()), (vec!["403 INVITE".to_owned()], 0));
    assert_eq!(refused(&out), [(Dropped::Stranger, Status::FORBIDDEN)]);
}

#[test]
fn whatever_a_stranger_asks_has_the_same_bound() {
    for method in ["OPTIONS", "REGISTER", "FROB", "BYE", "CANCEL", "INFO"] {
        let mut ua = ua();
        let sent: usize = (0..1000)
            .map(|n| {
                let text = request(method, 1, &format!("x{n}"), None, "");
                ua.feed_bytes(STRANGER, text.as_bytes()).sent.len()
            })
            .sum();
        assert_eq!((sent, ua.endpoint.transactions()), (20, 0), "{method}");
    }
}

#[test]
fn a_source_that_floods_with_calls_leaves_room_for_others() {
    let mut ua = ua_with(Limits::NONE, 300);
    let (dialog, _) = confirmed(&mut ua);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    assert_eq!(ua.drain().lines(), ["BYE"]);
    let mut taken = 0;
    for n in 2..1000 {
        let out = ua.feed(&call(n, SDP));
        if out.lines() == ["100 INVITE"] {
            // It is answered, and no ACK ever comes.
            let dialog = out.invited();
            ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
            taken += 1;
        } else {
            assert_eq!(out.lines(), ["503 INVITE"]);
            assert!(out.message(0).headers.text(&Name::RetryAfter).is_some());
            assert_eq!(refused(&out), [(Dropped::NoShare, Status::SERVICE_UNAVAILABLE)]);
        }
        ua.drain();
    }
    assert_eq!(taken, 100, "a third");
    for n in 1000..1040 {
        let out = ua.feed_bytes("203.0.113.9:5060", call(n, SDP).as_bytes());
        assert_eq!(out.lines(), ["100 INVITE"]);
    }
    ua.secs(40);
    assert_eq!(ua.feed(&call(2000, SDP)).lines(), ["100 INVITE"], "its share comes back to it");
}

/// Takes the `n`th call of a source, answers and acknowledges it; `None` when it is refused.
fn connect(ua: &mut Ua, n: usize, (source, from): (&str, &str)) -> Option<DialogId> {
    let write = |text: String| text.replace("<sip:14165550100@192.0.2.1>", from);
    let out = ua.feed_bytes(source, write(call(n, SDP)).as_bytes());
    if out.lines() != ["100 INVITE"] {
        assert_eq!(out.lines(), ["503 INVITE"]);
        return None;
    }
    let dialog = out.invited();
    ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    let tag = common::to_tag(&ua.drain().message(0));
    let ack = request("ACK", 1, &format!("ack{n}"), Some(&tag), "");
    let ack = write(ack.replace("Call-ID: c1", &format!("Call-ID: c{n}")));
    assert_eq!(ua.feed_bytes(source, ack.as_bytes()).events.len(), 1);
    Some(dialog)
}

const FROM: &str = "<sip:14165550100@192.0.2.1>";

#[test]
fn acknowledged_calls_without_a_passcode_leave_room_for_others() {
    let mut ua = ua_with(Limits::NONE, 300);
    let held: Vec<_> = (0..400).filter_map(|n| connect(&mut ua, n, (PEER, FROM))).collect();
    assert_eq!(held.len(), 100, "a third");
    assert_eq!(ua.endpoint.counters().of(Dropped::NoShare), 300);
    let others = (1000..1100).filter_map(|n| {
        let source = format!("203.0.113.{}:5060", n - 1000);
        connect(&mut ua, n, (&source, FROM))
    });
    assert_eq!(others.count(), 100);
    for dialog in held {
        ua.endpoint.release_share(dialog);
    }
    let more = (2000..2400).filter_map(|n| connect(&mut ua, n, (PEER, FROM)));
    assert_eq!(more.count(), 34, "those who gave a passcode do not count: a third of what is left");
}

#[test]
fn callers_behind_a_carrier_have_a_share_each() {
    let callers =
        Callers::ByNumber(partyline_sip::Identities::new([partyline_sip::Identity::From]));
    let mut ua = ua_with(Limits { callers, ..Limits::NONE }, 300);
    let mut number = 0;
    let mut taken = |ua: &mut Ua, from: &str| {
        let first = number;
        number += 400;
        (first..number).filter(|&n| connect(ua, n, (PEER, from)).is_some()).count()
    };
    assert_eq!(taken(&mut ua, "<sip:anonymous@anonymous.invalid>"), 100);
    assert_eq!(taken(&mut ua, "<sip:192.0.2.1>"), 0, "who withholds his number is one with them");
    assert_eq!(taken(&mut ua, "<sip:+14165550101@h>"), 67);
    assert_eq!(taken(&mut ua, "<sip:+14165550102@h>"), 45);
}

#[test]
fn no_room_for_anybody_is_blamed_on_nobody() {
    let mut ua = ua_with(Limits::NONE, 1);
    connect(&mut ua, 1, (PEER, FROM)).expect("there is room for one");
    let out = ua.feed_bytes(FRIEND, call(2, SDP).as_bytes());
    assert_eq!(refused(&out), [(Dropped::TooManyDialogs, Status::SERVICE_UNAVAILABLE)]);
}

#[test]
fn forged_calls_over_all_addresses_of_a_trunk_leave_room_for_others() {
    let mut ua = ua_with(Limits::NONE, 300);
    let known = connect(&mut ua, 1, (FRIEND, FROM)).expect("nobody else is there");
    ua.endpoint.release_share(known);
    let taken = (3..255).filter(|n| {
        let out = ua.feed_bytes(&format!("192.0.2.{n}:5060"), call(*n, SDP).as_bytes());
        assert!(out.refused.iter().all(|refused| refused.reason == Dropped::Unproven));
        // It is answered, and no ACK ever comes.
        let taken = out.lines() == ["100 INVITE"];
        if taken {
            ua.endpoint.answer(ua.now, out.invited(), b"v=0".to_vec()).expect("it waits");
            ua.drain();
        }
        taken
    });
    assert_eq!(taken.count(), 60, "a fifth for one network");
    for n in 1000..1050 {
        assert!(connect(&mut ua, n, (FRIEND, FROM)).is_some(), "who acknowledged a call before");
    }
    for n in 2000..2050 {
        let source = format!("203.0.113.{}:5060", n - 2000);
        assert!(connect(&mut ua, n, (&source, FROM)).is_some(), "another trunk");
    }
}

#[test]
fn calls_that_are_over_take_nobodys_room() {
    let mut ua = ua_with(Limits::NONE, 10);
    for n in 0..10 {
        let dialog = connect(&mut ua, n, (PEER, FROM)).expect("there is room");
        ua.endpoint.release_share(dialog);
        if n > 0 {
            ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
            ua.drain();
        }
    }
    // Nobody answers the BYEs.
    assert_eq!(ua.endpoint.dialogs(), 10);
    for n in 20..29 {
        let dialog = connect(&mut ua, n, (PEER, FROM)).expect("there is room for nine");
        ua.endpoint.release_share(dialog);
    }
    assert_eq!(connect(&mut ua, 30, (PEER, FROM)), None);
    assert_eq!(ua.endpoint.counters().of(Dropped::TooManyDialogs), 1);
}

#[test]
fn calls_that_are_over_have_a_bound_of_their_own() {
    let mut ua = Ua::with(|config| config.max_dialogs = 5);
    for n in 0..5 {
        let dialog = connect(&mut ua, n, (PEER, FROM)).expect("there is room");
        ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
        ua.drain();
    }
    assert_eq!(connect(&mut ua, 9, (PEER, FROM)), None);
    ua.secs(33);
    assert!(connect(&mut ua, 10, (PEER, FROM)).is_some());
}

#[test]
fn an_invite_without_ack_sends_others_one_bye() {
    for (header, hung_up) in [
        ("Contact: <sip:x@198.51.100.77>\r\n", false),
        ("Contact: <sip:x@198.51.100.77>\r\n", true),
        ("Record-Route: <sip:198.51.100.77;lr>\r\n", false),
    ] {
        let mut ua = ua();
        let own = "Contact: <sip:caller@192.0.2.1:5060>\r\n";
        let invite = call(1, &format!("{header}{SDP}"));
        let other = header.starts_with("Contact");
        let invite = if other { invite.replace(own, "") } else { invite };
        let dialog = ua.feed(&invite).invited();
        ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
        if hung_up {
            ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
        }
        let out = ua.secs(200);
        let there =
            |sent: &&partyline_sip::Transmit| sent.flow.remote == addr("198.51.100.77:5060");
        let sent: Vec<_> = out.sent.iter().filter(there).collect();
        assert_eq!(sent.len(), 1, "{header} {hung_up}");
        assert!(sent[0].payload.starts_with(b"BYE "));
        ua.assert_forgotten();
    }
}

#[test]
fn an_acknowledged_call_is_out_of_the_share() {
    let mut ua = ua_with(Limits { pending: 1, ..Limits::NONE }, 100);
    confirmed(&mut ua);
    let out = ua.feed(&call(2, SDP));
    assert_eq!(out.lines(), ["100 INVITE"]);
    assert_eq!(ua.feed(&call(3, SDP)).lines(), ["503 INVITE"]);
    ua.feed(&request("CANCEL", 1, "b2", None, "").replace("Call-ID: c1", "Call-ID: c2"));
    assert_eq!(ua.feed(&call(4, SDP)).lines(), ["100 INVITE"]);
}

#[test]
fn calls_come_at_their_rate() {
    let invites = Rate { per_second: 2, burst: 5 };
    let mut ua = ua_with(Limits { invites, ..Limits::NONE }, 1000);
    let mut taken = |from: usize, source: &str| {
        let lines = (from..from + 20).map(|n| ua.feed_bytes(source, call(n, SDP).as_bytes()));
        lines.filter(|out| out.lines() == ["100 INVITE"]).count()
    };
    assert_eq!(taken(0, PEER), 5);
    assert_eq!(taken(100, FRIEND), 5, "each source has its own");
    ua.secs(1);
    assert_eq!((200..220).filter(|&n| ua.feed(&call(n, SDP)).lines() == ["100 INVITE"]).count(), 2);
    assert!(ua.endpoint.counters().of(Dropped::TooOften) > 0);
}

#[test]
fn a_refused_call_keeps_little_until_its_ack_and_less_after_it() {
    let mut ua = ua();
    let big = format!("X-Big: {}\r\n", "x".repeat(7000)).repeat(6);
    for n in 0..200 {
        let dialog = ua.feed(&call(n, &big)).invited();
        ua.endpoint.reject(ua.now, dialog, Status::NOT_FOUND.into()).expect("it waits");
        ua.drain();
    }
    let unacknowledged = ua.endpoint.octets();
    assert!(unacknowledged < 200 * 2048, "{unacknowledged}");
    for n in 0..200 {
        let ack = request("ACK", 1, &format!("b{n}"), Some("x"), "");
        ua.feed(&ack.replace("Call-ID: c1", &format!("Call-ID: c{n}")));
    }
    assert!(ua.endpoint.octets() < 200 * 1024, "{}", ua.endpoint.octets());
    ua.assert_forgotten();
    assert_eq!(ua.endpoint.octets(), 0);
}

#[test]
fn what_a_call_would_keep_has_a_bound() {
    let long = "y".repeat(5000);
    for extra in [
        format!("Record-Route: <sip:192.0.2.8;lr;x={long}>\r\n"),
        "Record-Route: <sip:192.0.2.8;lr;abcde>\r\n".repeat(200),
    ] {
        let mut ua = ua();
        let out = ua.feed(&call(1, &extra));
        assert_eq!(out.lines(), ["513 INVITE"], "{:?}", out.refused);
        assert_eq!(refused(&out).len(), 1);
    }
    let mut ua = ua();
    let vias = format!("Via: SIP/2.0/UDP h;x={}\r\n", "z".repeat(2000)).repeat(5);
    assert!(ua.feed(&call(1, &vias)).sent.is_empty(), "nothing so long is sent to anybody");
    let description = format!("Content-Type: application/sdp\r\n\r\n{}", "v".repeat(17_000));
    assert_eq!(ua.feed(&call(1, &description)).lines(), ["413 INVITE"]);
    assert_eq!(ua.endpoint.octets(), 0);
}

#[test]
fn a_call_is_spoken_for_by_its_peer_and_its_trunk_only() {
    for (source, lawful) in
        [(PEER, true), (FRIEND, true), (STRANGER, false), ("203.0.113.9:5060", false)]
    {
        for (method, extra) in [
            ("INFO", "Content-Type: application/dtmf\r\n\r\n5"),
            ("INVITE", SDP),
            ("OPTIONS", ""),
            ("BYE", ""),
        ] {
            let mut ua = ua();
            let (_, tag) = confirmed(&mut ua);
            let text = request(method, 2, "elsewhere", Some(&tag), extra);
            let out = ua.feed_bytes(source, text.as_bytes());
            let count = ua.endpoint.counters().of(Dropped::ForeignSource);
            if lawful {
                assert!(!out.lines()[0].starts_with("403"), "{method} {source}");
                assert_eq!(count, 0);
            } else {
                assert_eq!(out.lines(), [format!("403 {method}")], "{source}");
                assert_eq!(refused(&out), [(Dropped::ForeignSource, Status::FORBIDDEN)]);
                assert_eq!((ua.endpoint.dialogs(), count), (1, 1));
                let own = ua.feed(&request("BYE", 2, "own", Some(&tag), ""));
                assert_eq!(own.lines(), ["200 BYE"], "its CSeq was not used up");
            }
        }
    }
}

#[test]
fn nobody_takes_back_or_repeats_the_call_of_another() {
    let mut ua = ua();
    ua.feed(&invite());
    for stranger in [STRANGER, "203.0.113.9:5060"] {
        let cancel = request("CANCEL", 1, "inv", None, "");
        assert_eq!(ua.feed_bytes(stranger, cancel.as_bytes()).lines(), ["481 CANCEL"]);
        let again = ua.feed_bytes(stranger, invite().as_bytes());
        assert!(again.sent.iter().all(|sent| sent.flow.remote != addr(PEER)));
        assert_eq!(again.ended().len(), 0);
    }
    assert_eq!(ua.endpoint.dialogs(), 1);
}

#[test]
fn a_far_end_speaks_from_where_it_answered_and_from_its_contact() {
    for source in [PEER, STRANGER, "192.0.2.77:1"] {
        let mut ua = ua();
        ua.endpoint.dial(ua.now, dial()).expect("it can be called");
        let invite = ua.drain().message(0);
        let ok = response(&invite, "200 OK", Some("b"), CONTACT_AND_SDP);
        ua.feed_bytes(STRANGER, ok.as_bytes());
        let from = invite.headers.text(&Name::From).expect("From");
        let bye = format!(
            "BYE sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKbye\r\nFrom: {};tag=b\r\n\
             To: {from}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\n\r\n",
            invite.headers.text(&Name::To).expect("To"),
            invite.headers.text(&Name::CallId).expect("Call-ID"),
        );
        assert_eq!(ua.feed_bytes(source, bye.as_bytes()).lines(), ["200 BYE"], "{source}");
    }
}

#[test]
fn a_call_changes_and_is_asked_at_a_rate() {
    let mut ua = ua();
    let (dialog, tag) = confirmed(&mut ua);
    let mut taken = 0;
    for n in 0..4200_u32 {
        let out = ua.feed(&request("INVITE", 2 + n, &format!("re{n}"), Some(&tag), SDP));
        if out.lines() == ["100 INVITE"] {
            ua.endpoint.answer_reinvite(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
            ua.drain();
            ua.feed(&request("ACK", 2 + n, &format!("ack{n}"), Some(&tag), ""));
            taken += 1;
        } else {
            assert!(out.sent.is_empty() && out.events.is_empty());
        }
    }
    assert_eq!(taken, 10);
    assert_eq!(ua.endpoint.counters().of(Dropped::TooOften), 4190);
    assert_eq!(ua.feed_bytes(FRIEND, call(5, SDP).as_bytes()).lines(), ["100 INVITE"]);
    ua.secs(1);
    let digits = (0..1000).filter(|n| {
        let body = "Content-Type: application/dtmf\r\n\r\n5";
        let out = ua.feed(&request("INFO", 5000 + n, &format!("i{n}"), Some(&tag), body));
        out.lines() == ["200 INFO"]
    });
    assert_eq!(digits.count(), 60);
    assert_eq!(ua.feed(&request("BYE", 9000, "bye", Some(&tag), "")).lines(), ["200 BYE"]);
}

#[test]
fn options_in_a_call_cost_no_memory_whatever_their_size() {
    let mut ua = ua();
    let (_, tag) = confirmed(&mut ua);
    let before = (ua.endpoint.transactions(), ua.endpoint.octets());
    let big = format!("X-Big: {}\r\n", "x".repeat(7000)).repeat(7);
    for n in 0..300_u32 {
        ua.feed(&request("OPTIONS", 2 + n, &format!("o{n}"), Some(&tag), &big));
        ua.run(Duration::from_millis(10));
    }
    assert!(ua.endpoint.transactions() <= before.0 && ua.endpoint.octets() <= before.1);
}

#[test]
fn stateless_answers_have_a_rate_as_well() {
    let answers = Rate { per_second: 10, burst: 30 };
    let mut ua = ua_with(Limits { answers, ..Limits::NONE }, 100);
    let sent = |ua: &mut Ua, source: &str| -> usize {
        let text = |n| request("OPTIONS", 1, &format!("o{n}"), None, "");
        (0..1000).map(|n| ua.feed_bytes(source, text(n).as_bytes()).sent.len()).sum()
    };
    assert_eq!(sent(&mut ua, PEER), 30);
    assert_eq!(sent(&mut ua, FRIEND), 30);
    assert_eq!(ua.endpoint.counters().of(Dropped::TooOften), 2 * 970);
}

#[test]
fn a_key_that_comes_again_is_one_key_and_gets_the_same_answer() {
    let mut ua = ua();
    let (dialog, tag) = confirmed(&mut ua);
    for (branch, kind, status) in
        [("k1", "application/dtmf", "200 INFO"), ("k2", "text/plain", "415 INFO")]
    {
        let body = format!("Content-Type: {kind}\r\n\r\n5");
        let text = request("INFO", 3, branch, Some(&tag), &body);
        let first = ua.feed(&text);
        assert_eq!(first.lines(), [status]);
        assert_eq!(first.news().len(), usize::from(kind == "application/dtmf"), "{dialog}");
        let again = ua.feed(&text);
        assert_eq!((again.sent, again.events.len()), (first.sent, 0));
    }
}
