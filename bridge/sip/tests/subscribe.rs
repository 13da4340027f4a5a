//! SUBSCRIBE to the conference within a call.

mod common;

use bytes::Bytes;
use common::{Out, Ua, confirmed, request, response};
use partyline_sip::message::{Message, Name, Status};
use partyline_sip::{DialogId, Event, Hangup, SubscriptionId};

fn subscribe(cseq: u32, tag: &str, extra: &str) -> String {
    request("SUBSCRIBE", cseq, &format!("sub{cseq}"), Some(tag), extra)
}

fn text(message: &Message, name: Name) -> String {
    message.headers.text(&name).unwrap_or_default().to_owned()
}

fn subscription(out: &Out) -> SubscriptionId {
    let found = out.events.iter().find_map(|event| {
        if let Event::Subscribed { subscription, .. } = event { Some(*subscription) } else { None }
    });
    found.expect("a subscription")
}

/// A call whose peer watches the conference, and has seen one document.
fn watching(ua: &mut Ua) -> (DialogId, String, SubscriptionId) {
    let (dialog, tag) = confirmed(ua);
    let out = ua.feed(&subscribe(2, &tag, "Event: conference\r\nExpires: 600\r\n"));
    assert_eq!(
        (out.lines(), out.news()),
        (vec!["200 SUBSCRIBE".to_owned()], vec![format!("Subscribed({dialog})")])
    );
    assert_eq!(text(&out.message(0), Name::Expires), "600");
    let id = subscription(&out);
    ua.endpoint.tell_subscriber(ua.now, dialog, id, Some(Bytes::from_static(b"<one/>")));
    let notify = ua.drain().message(0);
    ua.feed(&response(&notify, "200 OK", None, ""));
    (dialog, tag, id)
}

#[test]
fn every_call_is_said_to_be_to_a_conference_and_may_be_subscribed_to() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&common::invite()).invited();
    ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    let answer = ua.drain().message(0);
    assert!(text(&answer, Name::Contact).ends_with(">;isfocus"));
    assert_eq!(text(&answer, Name::AllowEvents), "conference");
    assert!(text(&answer, Name::Allow).contains("SUBSCRIBE"));
}

#[test]
fn a_subscriber_waits_is_shown_the_conference_and_then_what_is_newest() {
    let mut ua = Ua::new();
    let (dialog, tag) = confirmed(&mut ua);
    let out = ua.feed(&subscribe(2, &tag, "Event: conference;id=a1\r\n"));
    let id = subscription(&out);
    ua.endpoint.tell_subscriber(ua.now, dialog, id, None);
    let pending = ua.drain().message(0);
    assert_eq!(text(&pending, Name::SubscriptionState), "pending;expires=3600");
    assert_eq!(text(&pending, Name::Event), "conference;id=a1");
    assert!(pending.body.is_empty() && pending.headers.text(&Name::ContentType).is_none());
    for document in ["<one/>", "<two/>"] {
        ua.endpoint.tell_subscriber(ua.now, dialog, id, Some(document.into()));
    }
    assert_eq!(ua.drain().sent.len(), 0, "one at a time");
    let active = ua.feed(&response(&pending, "200 OK", None, "")).message(0);
    assert_eq!(text(&active, Name::SubscriptionState), "active;expires=3600");
    assert_eq!(text(&active, Name::ContentType), "application/conference-info+xml");
    assert_eq!(active.body, &b"<two/>"[..]);
}

#[test]
fn a_subscription_is_refreshed_taken_back_and_ends_with_its_time() {
    let mut ua = Ua::new();
    let (dialog, tag, id) = watching(&mut ua);
    ua.secs(500);
    let out = ua.feed(&subscribe(3, &tag, "Event: conference\r\nExpires: 600\r\n"));
    assert_eq!(subscription(&out), id, "the same");
    assert!(ua.secs(500).news().is_empty());
    let out = ua.secs(101);
    let over = out.message(0);
    assert_eq!(text(&over, Name::SubscriptionState), "terminated;reason=timeout");
    assert_eq!(
        (over.body.as_ref(), out.news()),
        (&b"<one/>"[..], vec![format!("Unsubscribed({dialog})")])
    );
    ua.feed(&response(&over, "200 OK", None, ""));

    let mut ua = Ua::new();
    let (dialog, tag, id) = watching(&mut ua);
    let out = ua.feed(&subscribe(3, &tag, "Event: conference\r\nExpires: 0\r\n"));
    assert_eq!(subscription(&out), id);
    ua.endpoint.tell_subscriber(ua.now, dialog, id, Some("<last/>".into()));
    let out = ua.drain();
    assert_eq!(text(&out.message(0), Name::SubscriptionState), "terminated;reason=timeout");
    assert_eq!(out.news(), [format!("Unsubscribed({dialog})")]);
    ua.endpoint.tell_subscriber(ua.now, dialog, id, Some("<more/>".into()));
    assert_eq!(ua.drain().sent.len(), 0);
}

#[test]
fn what_is_not_offered_is_refused_with_what_is() {
    let mut ua = Ua::new();
    let (_, tag) = confirmed(&mut ua);
    let cases = [
        ("", "489 SUBSCRIBE", Name::AllowEvents, "conference"),
        ("Event: presence\r\n", "489 SUBSCRIBE", Name::AllowEvents, "conference"),
        ("o: conferences\r\n", "489 SUBSCRIBE", Name::AllowEvents, "conference"),
        ("Event: conference\r\nExpires: 59\r\n", "423 SUBSCRIBE", Name::MinExpires, "60"),
        ("Event: conference\r\nExpires: x\r\n", "400 SUBSCRIBE", Name::MinExpires, ""),
        (
            "Event: conference\r\nAccept: text/plain\r\n",
            "406 SUBSCRIBE",
            Name::Accept,
            "application/conference-info+xml",
        ),
    ];
    for (cseq, (extra, line, name, value)) in (2..).zip(cases) {
        let out = ua.feed(&subscribe(cseq, &tag, extra));
        assert_eq!((out.lines(), out.events.len()), (vec![line.to_owned()], 0), "{extra}");
        assert_eq!(text(&out.message(0), name), value, "{extra}");
    }
    let out = ua.feed(&request("SUBSCRIBE", 1, "out", None, "Event: conference\r\n"));
    assert_eq!((out.lines(), out.events.len()), (vec!["405 SUBSCRIBE".to_owned()], 0), "outside");
}

#[test]
fn one_subscription_is_enough_for_a_call() {
    let mut ua = Ua::new();
    let (_, tag, _) = watching(&mut ua);
    let out = ua.feed(&subscribe(3, &tag, "Event: conference;id=other\r\n"));
    assert_eq!((out.lines(), out.events.len()), (vec!["403 SUBSCRIBE".to_owned()], 0));
}

#[test]
fn who_does_not_take_a_document_is_told_no_more_and_the_call_goes_on() {
    let mut ua = Ua::new();
    let (dialog, tag, id) = watching(&mut ua);
    ua.endpoint.tell_subscriber(ua.now, dialog, id, Some("<two/>".into()));
    let notify = ua.drain().message(0);
    let out = ua.feed(&response(&notify, "481 Gone", None, ""));
    assert_eq!(out.news(), [format!("Unsubscribed({dialog})")]);
    let again = ua.feed(&subscribe(3, &tag, "Event: conference\r\n"));
    assert_ne!(subscription(&again), id, "another");
}

#[test]
fn the_end_of_the_call_is_the_end_of_its_subscription() {
    let mut ua = Ua::new();
    let (dialog, _, _) = watching(&mut ua);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    let out = ua.drain();
    assert_eq!((out.lines(), out.events.len()), (vec!["NOTIFY".to_owned(), "BYE".to_owned()], 1));
    assert_eq!(text(&out.message(0), Name::SubscriptionState), "terminated;reason=noresource");
    ua.assert_forgotten();
}

#[test]
fn a_long_document_goes_by_a_stream_where_there_is_one() {
    use partyline_sip::{Listener, Transport};
    let listener = Listener {
        transport: Transport::Tcp,
        local: common::addr(common::US),
        advertised: common::addr(common::US),
    };
    let mut ua = Ua::with(|config| config.streams.push(listener));
    let (dialog, _, id) = watching(&mut ua);
    for (octets, transport) in [(200, Transport::Udp), (2000, Transport::Tcp)] {
        let document = Bytes::from("x".repeat(octets));
        ua.endpoint.tell_subscriber(ua.now, dialog, id, Some(document));
        let out = ua.drain();
        assert_eq!(out.sent[0].flow.transport, transport);
        ua.feed(&response(&out.message(0), "200 OK", None, ""));
    }
}

/// The document that `Event::Subscribed` asks for goes out.
fn tell(ua: &mut Ua, dialog: DialogId, out: &Out) -> Out {
    ua.endpoint.tell_subscriber(ua.now, dialog, subscription(out), Some("<one/>".into()));
    ua.run(std::time::Duration::ZERO)
}

#[test]
fn who_answers_no_notify_is_sent_two_at_most_whatever_he_subscribes_for() {
    for lengths in [[0, 0], [3600, 0]] {
        let mut ua = Ua::new();
        let (dialog, tag) = confirmed(&mut ua);
        let mut told = 0;
        for (cseq, lasts) in (2..).zip(lengths.into_iter().cycle().take(40)) {
            let extra = format!("Event: conference\r\nExpires: {lasts}\r\n");
            let out = ua.feed(&subscribe(cseq, &tag, &extra));
            if out.lines() == ["200 SUBSCRIBE"] {
                told += tell(&mut ua, dialog, &out).sent.len();
            } else {
                let line = out.lines().remove(0);
                assert!(["500 SUBSCRIBE", "503 SUBSCRIBE"].contains(&&*line), "{line}");
                assert!(out.message(0).headers.text(&Name::RetryAfter).is_some());
            }
        }
        assert!((1..=2).contains(&told), "{lengths:?}: {told}");
        assert!(ua.endpoint.requests() <= 2);
        ua.secs(40);
        let out = ua.feed(&subscribe(50, &tag, "Event: conference\r\n"));
        assert_eq!(out.lines(), ["200 SUBSCRIBE"], "it may be tried again");
    }
}

#[test]
fn who_refreshes_without_end_is_sent_a_document_a_second() {
    let mut ua = Ua::new();
    let (dialog, tag, id) = watching(&mut ua);
    let (mut told, mut refused) = (0, 0);
    for cseq in 3..203 {
        ua.run(std::time::Duration::from_millis(50));
        let out = ua.feed(&subscribe(cseq, &tag, "Event: conference\r\n"));
        if out.lines() == ["200 SUBSCRIBE"] {
            ua.endpoint.tell_subscriber(ua.now, dialog, id, Some("<two/>".into()));
            let out = ua.drain();
            told += out.sent.len();
            ua.feed(&response(&out.message(0), "200 OK", None, ""));
        } else {
            refused += 1;
            assert_eq!(out.lines(), ["503 SUBSCRIBE"]);
            assert!(out.message(0).headers.text(&Name::RetryAfter).is_some());
        }
    }
    assert!((10..=15).contains(&told), "in ten seconds: {told}");
    assert_eq!(told + refused, 200);
}

#[test]
fn the_end_of_a_subscription_waits_for_the_answer_to_what_was_told_before() {
    let mut ua = Ua::new();
    let (dialog, tag) = confirmed(&mut ua);
    let out = ua.feed(&subscribe(2, &tag, "Event: conference\r\n"));
    let first = tell(&mut ua, dialog, &out).message(0);
    let out = ua.feed(&subscribe(3, &tag, "Event: conference\r\nExpires: 0\r\n"));
    assert_eq!(tell(&mut ua, dialog, &out).sent.len(), 0, "one at a time");
    let out = ua.feed(&response(&first, "200 OK", None, ""));
    assert_eq!(text(&out.message(0), Name::SubscriptionState), "terminated;reason=timeout");
    assert_eq!(out.news(), [format!("Unsubscribed({dialog})")]);
    ua.feed(&response(&out.message(0), "200 OK", None, ""));
    assert_eq!(ua.endpoint.poll_timeout().map(|at| at <= ua.now), Some(false));
}

#[test]
fn a_call_whose_contact_is_somebody_else_has_him_sent_one_notify() {
    for contact in ["sip:victim@198.51.100.9:5060", "sip:victim@victim.example"] {
        for refers in [false, true] {
            let mut ua = Ua::new();
            ua.endpoint.set_admission(Box::new(common::Apart));
            let aim = |text: String| text.replace("sip:caller@192.0.2.1:5060", contact);
            let (dialog, tag) = confirmed(&mut ua);
            let update = request("UPDATE", 2, "aimed", Some(&tag), "");
            let out = ua.feed(&aim(update));
            assert_eq!(out.lines(), ["200 UPDATE"]);
            let mut told = 0;
            for cseq in 3..30 {
                let out = ua.feed(&aim(subscribe(cseq, &tag, "Event: conference\r\n")));
                if out.lines() == ["200 SUBSCRIBE"] {
                    let out = tell(&mut ua, dialog, &out);
                    let aimed = out
                        .sent
                        .iter()
                        .filter(|sent| sent.flow.remote != common::addr(common::PEER));
                    told += aimed.count();
                }
                if refers {
                    ua.secs(2);
                } else {
                    ua.secs(40);
                }
            }
            let most = usize::from(contact.contains("198"));
            assert_eq!(told, most, "{contact} {refers}");
        }
    }
}

#[test]
fn a_contact_that_the_caller_was_never_at_is_told_nothing() {
    for contact in ["sip:victim@198.51.100.9:5060", "sip:victim@victim.example"] {
        let mut ua = Ua::with(|config| config.resolves = true);
        ua.endpoint.set_admission(Box::new(common::Apart));
        let (dialog, tag) = confirmed(&mut ua);
        let aimed = subscribe(2, &tag, "Event: conference\r\n")
            .replace("sip:caller@192.0.2.1:5060", contact);
        let out = ua.feed(&aimed);
        assert_eq!(out.lines(), ["200 SUBSCRIBE"]);
        let out = tell(&mut ua, dialog, &out);
        assert_eq!(out.asked.len(), 0, "{contact}");
        assert_eq!(out.sent[0].flow.remote, common::addr(common::PEER), "{contact}");
        ua.feed(&response(&out.message(0), "200 OK", None, ""));
        let moved = subscribe(3, &tag, "Event: conference\r\n").replace(":5060>", ":5072>");
        let out = ua.feed(&moved);
        let out = tell(&mut ua, dialog, &out);
        assert_eq!(out.sent[0].flow.remote, common::addr("192.0.2.1:5072"), "another port is his");
    }
}

/// A call that watches and refers, and then names a place that it was never heard from: there one NOTIFY
/// is without answer at a time.
fn referring_elsewhere(ua: &mut Ua) -> (DialogId, SubscriptionId, SubscriptionId) {
    ua.endpoint.set_admission(Box::new(common::Apart));
    let (dialog, tag, watching) = watching(ua);
    let to = "Refer-To: <sip:+14165550199@203.0.113.5>\r\n";
    ua.feed(&request("REFER", 3, "refer", Some(&tag), to));
    let news = ua.endpoint.accept_refer(ua.now, dialog).expect("it waits").expect("news");
    let trying = ua.drain().message(1);
    ua.feed(&response(&trying, "200 OK", None, ""));
    let update = request("UPDATE", 4, "aimed", Some(&tag), "");
    let contact = "sip:victim@198.51.100.9:5060";
    ua.feed(&update.replace("sip:caller@192.0.2.1:5060", contact));
    (dialog, watching, news)
}

#[test]
fn what_waits_for_the_answer_to_another_notify_is_sent_whatever_the_answer_is() {
    for (answer, status) in [
        ("200 OK", Status::RINGING),
        ("481 Gone", Status::RINGING),
        ("200 OK", Status::OK),
        ("481 Gone", Status::OK),
    ] {
        let mut ua = Ua::with(|config| config.extensions.refers = true);
        let (dialog, watching, news) = referring_elsewhere(&mut ua);
        ua.endpoint.tell_subscriber(ua.now, dialog, watching, Some("<two/>".into()));
        let first = ua.drain();
        assert_eq!(first.lines(), ["NOTIFY"]);
        ua.endpoint.tell_referrer(ua.now, dialog, news, status);
        assert_eq!(ua.drain().sent.len(), 0, "one at a time");
        let out = ua.feed(&response(&first.message(0), answer, None, ""));
        assert_eq!(out.lines(), ["NOTIFY"], "{answer} {status}");
        let said = String::from_utf8_lossy(&out.message(0).body).into_owned();
        assert!(said.contains(&status.to_string()), "{said}");
    }
}

#[test]
fn who_answers_no_more_is_not_told_what_waited() {
    let mut ua = Ua::with(|config| config.extensions.refers = true);
    let (dialog, watching, news) = referring_elsewhere(&mut ua);
    ua.endpoint.tell_subscriber(ua.now, dialog, watching, Some("<two/>".into()));
    ua.endpoint.tell_referrer(ua.now, dialog, news, Status::OK);
    assert_eq!(ua.drain().lines(), ["NOTIFY"]);
    let out = ua.secs(40);
    let first = String::from_utf8_lossy(&out.message(0).body).into_owned();
    let bodies = out.sent.len();
    assert!((0..bodies).all(|n| String::from_utf8_lossy(&out.message(n).body) == first));
    assert_eq!(out.news(), [format!("Unsubscribed({dialog})")]);
    ua.endpoint.tell_referrer(ua.now, dialog, news, Status::OK);
    ua.endpoint.tell_subscriber(ua.now, dialog, watching, Some("<three/>".into()));
    assert_eq!(ua.drain().sent.len(), 0);
}
