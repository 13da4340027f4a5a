//! Dialogs of a process that is gone are ended by the next one.

mod common;

use common::{CONTACT_AND_SDP, SDP, Ua, confirmed, dial, request, response};
use partyline_sip::message::Name;
use partyline_sip::{CommandError, DialogState};

fn header(message: &partyline_sip::message::Message, name: Name) -> String {
    message.headers.text(&name).unwrap_or_default().to_owned()
}

/// What a new process sends for `state`.
fn bye(state: &DialogState) -> (Ua, partyline_sip::message::Message, String) {
    let mut ua = Ua::new();
    ua.endpoint.bye_lost(ua.now, state, Some(41)).expect("it can be sent");
    let out = ua.drain();
    assert_eq!(out.lines(), ["BYE"]);
    let to = out.sent[0].flow.remote.to_string();
    let message = out.message(0);
    (ua, message, to)
}

#[test]
fn a_call_in_gets_the_bye_that_its_own_process_would_have_sent() {
    let mut ua = Ua::new();
    let (dialog, tag) = confirmed(&mut ua);
    assert_eq!(ua.endpoint.find("c1", &tag), Some(dialog));
    assert_eq!(ua.endpoint.find("c", &tag), Some(dialog), "a Call-ID that was cut");
    assert_eq!((ua.endpoint.find("c2", &tag), ua.endpoint.find("c1", "x")), (None, None));
    let state = ua.endpoint.dialog_state(dialog).expect("it is up");
    ua.endpoint.hangup(ua.now, dialog, partyline_sip::Hangup { q850: Some(41) }).expect("it is up");
    let own = ua.drain().message(0);
    let (mut next, lost, to) = bye(&state);
    assert_eq!(to, "192.0.2.1:5060");
    for name in [Name::From, Name::To, Name::CallId, Name::Reason, Name::Route] {
        assert_eq!(header(&lost, name.clone()), header(&own, name.clone()), "{name:?}");
    }
    assert_eq!(header(&own, Name::CSeq), "1 BYE");
    assert_eq!(header(&lost, Name::CSeq), "65537 BYE", "beyond what may have been sent since");
    // Nobody minds what comes back, and nothing is left of it.
    let gone = response(&lost, "481 Gone", None, "");
    assert_eq!(next.feed(&gone).events.len(), 0);
    next.assert_forgotten();
}

#[test]
fn a_call_out_is_ended_along_its_route_set() {
    let mut ua = Ua::new();
    let dialog = ua.endpoint.dial(ua.now, dial()).expect("dialled");
    let invite = ua.drain().message(0);
    let routes = "Record-Route: <sip:192.0.2.8;lr>, <sip:192.0.2.9;lr>\r\n";
    let answer = response(&invite, "200 OK", Some("b"), &format!("{routes}{CONTACT_AND_SDP}"));
    ua.feed(&answer);
    let state = ua.endpoint.dialog_state(dialog).expect("it is up");
    let (mut next, lost, to) = bye(&state);
    assert_eq!(to, "192.0.2.9:5060", "the last that recorded itself is the first hop");
    assert!(header(&lost, Name::To).ends_with(";tag=b"));
    let sent = String::from_utf8(lost.to_bytes()).expect("text");
    assert!(sent.starts_with("BYE sip:callee@192.0.2.77:5080 SIP/2.0\r\n"), "{sent}");
    // It is repeated while nobody answers, and given up.
    assert!(next.secs(40).sent.len() > 5);
    next.assert_forgotten();
}

#[test]
fn a_state_that_cannot_be_used_sends_nothing() {
    let mut ua = Ua::new();
    let (dialog, _) = confirmed(&mut ua);
    let good = ua.endpoint.dialog_state(dialog).expect("it is up");
    for bad in [
        DialogState { target: "nonsense".to_owned(), ..good.clone() },
        DialogState { routes: vec!["<sip:>".to_owned()], ..good },
    ] {
        let mut ua = Ua::new();
        assert_eq!(ua.endpoint.bye_lost(ua.now, &bad, None), Err(CommandError::BadUri));
        assert_eq!(ua.drain().sent.len(), 0);
    }
}

#[test]
fn no_passcode_is_kept_with_a_dialog() {
    let mut ua = Ua::new();
    let invite = request("INVITE", 1, "inv", None, SDP).replace(
        "To: <sip:18005550100@203.0.113.5>",
        "To: <sip:18005550100@203.0.113.5;pin=627000>",
    );
    let dialog = ua.feed(&invite).invited();
    let state = ua.endpoint.dialog_state(dialog).expect("it is there");
    assert!(state.local.contains("pin=*") && !format!("{state:?}").contains("627000"));
    for header in [
        "Record-Route: <sip:192.0.2.8;lr;Pin=627000>",
        "Record-Route: <sip:192.0.2.8;lr;p%69n=627000>",
        "Record-Route: <sip:192.0.2.8;lr;x%3Bpin=627000>",
        "Record-Route: \"a;pin=627000\" <sip:192.0.2.8;lr>",
        "Contact: <sip:a@192.0.2.8;pin=627000>",
        "Contact: <sip:7000;%70%49%6e=627000@192.0.2.8>",
    ] {
        let mut ua = Ua::new();
        let invite = request("INVITE", 1, "inv", None, &format!("{header}\r\n{SDP}"));
        let own = "Contact: <sip:caller@192.0.2.1:5060>\r\n";
        let other = header.starts_with("Contact");
        let invite = if other { invite.replace(own, "") } else { invite };
        let dialog = ua.feed(&invite).invited();
        assert_eq!(ua.endpoint.dialog_state(dialog), None, "{header}");
    }
}
