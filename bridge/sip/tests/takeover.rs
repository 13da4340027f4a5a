//! Replaces and Join: which dialog an INVITE is about, and where neither header may stand.

mod common;

use common::{Out, Ua, addr, answered, confirmed, dial, parse, request, response, to_tag};
use partyline_sip::message::{Message, Name, Status};
use partyline_sip::{
    Aim, ConnectionId, Event, Flow, Hangup, NotTaken, Rejection, Takeover, Transport,
};

/// The Call-ID of the calls that [`common::request`] writes.
const CALL_ID: &str = "c1";

/// An INVITE of another call.
fn another(extra: &str) -> String {
    let text = request("INVITE", 1, "another", None, extra);
    text.replace("Call-ID: c1", "Call-ID: another")
}

fn replace(early_only: bool) -> Aim {
    Aim::Replace { early_only }
}

fn named(aim: Aim, call_id: &str, to_tag: &str, from_tag: &str) -> Takeover {
    let (call_id, to_tag) = (call_id.into(), to_tag.into());
    Takeover { aim, call_id, to_tag, from_tag: from_tag.into() }
}

/// The dialog that the call which came in is about.
fn about(out: &Out) -> Option<&Takeover> {
    let found = out
        .events
        .iter()
        .find_map(|event| if let Event::Invite(incoming) = event { Some(incoming) } else { None });
    found.expect("an INVITE event").takeover.as_deref()
}

fn call_id_and_tag(message: &Message) -> (String, String) {
    let text = |name| message.headers.text(&name).unwrap_or_default().to_owned();
    let tag = text(Name::From);
    (text(Name::CallId), tag.split_once(";tag=").expect("a tag").1.to_owned())
}

#[test]
fn an_invite_says_which_dialog_it_is_about_and_nobody_has_looked() {
    let mut ua = Ua::new();
    let out = ua.feed(&another("Replaces: no@where;to-tag=1;from-tag=2\r\n"));
    assert_eq!(about(&out), Some(&named(replace(false), "no@where", "1", "2")));
    assert_eq!(out.lines(), ["100 INVITE"], "the node decides");
    let mut ua = Ua::new();
    let out = ua.feed(&another("Join: no@where;to-tag=1;from-tag=2\r\n"));
    assert_eq!(about(&out), Some(&named(Aim::Join, "no@where", "1", "2")));
    assert_eq!(about(&Ua::new().feed(&another(""))), None);
}

#[test]
fn a_dialog_is_found_by_call_id_and_both_tags_and_by_nothing_less() {
    let mut ua = Ua::new();
    let (dialog, ours) = confirmed(&mut ua);
    let found = |takeover: Takeover| ua.endpoint.find_taken(&takeover);
    for aim in [replace(false), Aim::Join] {
        assert_eq!(found(named(aim, CALL_ID, &ours, "a")), Ok(dialog));
        for (call_id, to_tag, from_tag) in [
            ("c2", &*ours, "a"),
            (CALL_ID, "a", &*ours),
            (CALL_ID, &*ours, "0"),
            (CALL_ID, &*ours, "A"),
            (CALL_ID, "0", "a"),
        ] {
            let taken = found(named(aim, call_id, to_tag, from_tag));
            assert_eq!(taken, Err(NotTaken::NoDialog), "{call_id} {to_tag} {from_tag}");
        }
    }
    let early = named(replace(true), CALL_ID, &ours, "a");
    assert_eq!(found(early), Err(NotTaken::Answered(dialog)));
}

#[test]
fn a_peer_without_a_tag_is_named_by_zero() {
    let mut ua = Ua::new();
    let old = |text: String| text.replace(";tag=a\r", "\r");
    let dialog = ua.feed(&old(common::invite())).invited();
    ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    let ours = to_tag(&ua.drain().message(0));
    ua.feed(&old(request("ACK", 1, "ack", Some(&ours), "")));
    let taken = ua.endpoint.find_taken(&named(Aim::Join, CALL_ID, &ours, "0"));
    assert_eq!(taken, Ok(dialog));
    let taken = ua.endpoint.find_taken(&named(Aim::Join, CALL_ID, &ours, "a"));
    assert_eq!(taken, Err(NotTaken::NoDialog));
}

#[test]
fn what_rings_has_no_place_to_take_and_what_is_over_is_said_to_be() {
    let mut ua = Ua::new();
    let dialog = ua.feed(&common::invite()).invited();
    let ours = ua.endpoint.names(dialog).expect("a dialog").local_tag;
    let found =
        |ua: &Ua, ours: &str| ua.endpoint.find_taken(&named(replace(false), CALL_ID, ours, "a"));
    assert_eq!(found(&ua, &ours), Err(NotTaken::NoDialog), "it rings");
    ua.endpoint.reject(ua.now, dialog, Rejection::new(Status::BUSY_HERE)).expect("it waits");
    assert_eq!(found(&ua, &ours), Err(NotTaken::NoDialog), "it is forgotten");

    let mut ua = Ua::new();
    let (dialog, ours) = answered(&mut ua);
    assert_eq!(found(&ua, &ours), Ok(dialog), "our 200 is on its way");
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    assert_eq!(found(&ua, &ours), Err(NotTaken::Over(dialog)), "the BYE waits for the ACK");

    let mut ua = Ua::new();
    let (dialog, ours) = confirmed(&mut ua);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    assert_eq!(found(&ua, &ours), Err(NotTaken::Over(dialog)), "the BYE is on its way");
    ua.secs(40);
    assert_eq!(found(&ua, &ours), Err(NotTaken::NoDialog));
}

#[test]
fn a_call_of_ours_is_found_once_it_is_answered() {
    let mut ua = Ua::new();
    let dialog = ua.endpoint.dial(ua.now, dial()).expect("a way");
    let invite = ua.drain().message(0);
    let (call_id, ours) = call_id_and_tag(&invite);
    let found = |ua: &Ua, theirs: &str| {
        ua.endpoint.find_taken(&named(replace(false), &call_id, &ours, theirs))
    };
    ua.feed(&response(&invite, "180 Ringing", Some("callee"), ""));
    for theirs in ["callee", "0"] {
        assert_eq!(found(&ua, theirs), Err(NotTaken::NoDialog), "it rings");
    }
    let contact = "Contact: <sip:callee@192.0.2.1:5060>\r\n";
    ua.feed(&response(&invite, "200 OK", Some("callee"), contact));
    assert_eq!(found(&ua, "callee"), Ok(dialog));
    assert_eq!(found(&ua, "another"), Err(NotTaken::NoDialog));
}

#[test]
fn two_headers_malformed_ones_and_those_of_other_requests_get_400() {
    let mut ua = Ua::new();
    let (_, ours) = confirmed(&mut ua);
    let one = format!("Replaces: {CALL_ID};to-tag={ours};from-tag=a\r\n");
    let join = one.replace("Replaces", "Join");
    for extra in [
        format!("{one}{one}"),
        format!("{join}{join}"),
        format!("{one}{join}"),
        format!("Replaces: {CALL_ID};to-tag={ours}\r\n"),
        format!("Join: {CALL_ID}\r\n"),
    ] {
        let out = ua.feed(&another(&extra));
        assert_eq!((out.lines(), out.events.len()), (vec!["400 INVITE".to_owned()], 0), "{extra}");
        assert_eq!(out.refused.len(), 1);
    }
    for text in [
        request("OPTIONS", 1, "options", None, &one),
        request("INVITE", 2, "again", Some(&ours), &one),
        request("INFO", 3, "info", Some(&ours), &join),
        request("BYE", 4, "bye", Some("nobody"), &one),
    ] {
        let out = ua.feed(&text);
        assert!(out.lines()[0].starts_with("400") && out.events.is_empty(), "{text}");
    }
    let out = ua.feed(&request("BYE", 5, "end", Some(&ours), ""));
    assert_eq!(out.lines(), ["200 BYE"], "the call was left alone");
}

/// Certificates of trunks are verified.
fn certifying() -> Ua {
    Ua::with(|config| config.extensions.takeovers = true)
}

#[test]
fn both_are_offered_to_who_proves_who_he_is_and_required_by_nobody_else() {
    let wanted = "Require: replaces, join\r\n";
    let trunk = |transport, trunk| Flow {
        connection: Some(ConnectionId(1)),
        ..Flow::new(transport, addr(common::PEER)).of_trunk(trunk)
    };
    let by = |flow: Flow, via: &str, extra: &str| {
        let text = request("OPTIONS", 1, "options", None, extra).replace("SIP/2.0/UDP", via);
        certifying().feed_by(flow, &text)
    };
    let certified = trunk(Transport::Tls, Some(0));
    let out = by(certified, "SIP/2.0/TLS", wanted);
    assert_eq!(out.lines(), ["200 OPTIONS"]);
    let supported = out.message(0).headers.text(&Name::Supported).map(str::to_owned);
    assert!(supported.expect("Supported").ends_with("replaces, join"));
    for (flow, via) in [
        (trunk(Transport::Tls, None), "SIP/2.0/TLS"),
        (trunk(Transport::Tls, Some(1)), "SIP/2.0/TLS"),
        (trunk(Transport::Tcp, Some(0)), "SIP/2.0/TCP"),
        (Flow::udp(None, addr(common::PEER)), "SIP/2.0/UDP"),
    ] {
        let out = by(flow, via, wanted);
        assert_eq!(out.lines(), ["420 OPTIONS"], "{flow:?}");
        let supported = by(flow, via, "");
        let supported = supported.message(0).headers.text(&Name::Supported).map(str::to_owned);
        assert!(!supported.expect("Supported").contains("replaces"), "{flow:?}");
    }
    // In the call as well.
    let mut ua = certifying();
    let invite = another(wanted).replace("SIP/2.0/UDP", "SIP/2.0/TLS");
    let dialog = ua.feed_by(certified, &invite).invited();
    ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
    let answer = parse(&ua.drain().sent[0].payload);
    assert!(answer.headers.text(&Name::Supported).expect("Supported").contains("replaces, join"));
}
