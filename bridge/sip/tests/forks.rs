//! Calls out whose callee describes itself before it answers, or whose forks do.

mod common;

use common::{CONTACT_AND_SDP, Ua, dial, response};
use partyline_sip::message::Message;
use partyline_sip::{DialogId, Dropped, Hangup};

const EARLY: &str = "Content-Type: application/sdp\r\n\r\nv=0 early";
const OTHER: &str = "Content-Type: application/sdp\r\n\r\nv=0 other";
const CONTACT: &str = "Contact: <sip:callee@192.0.2.77:5080>\r\n";

/// A response: its status, the tag of the fork, and what else it has.
type Progress = (&'static str, &'static str, &'static str);

fn dialled(ua: &mut Ua) -> (DialogId, Message) {
    let dialog = ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    (dialog, ua.drain().message(0))
}

/// Feeds responses to `invite`, each of a fork; what the call was then answered with.
fn answered(ua: &mut Ua, invite: &Message, responses: &[Progress]) -> Option<String> {
    let mut events = Vec::new();
    for (status, tag, extra) in responses {
        events.append(&mut ua.feed(&response(invite, status, Some(tag), extra)).events);
    }
    common::described(events.pop())
}

#[test]
fn an_answer_without_description_has_the_early_one_of_its_fork() {
    let cases: [(&[Progress], Option<&str>); 6] = [
        (&[("183 Progress", "b", EARLY), ("200 OK", "b", CONTACT)], Some("v=0 early")),
        (
            &[
                ("183 Progress", "b", EARLY),
                ("180 Ringing", "b", ""),
                ("183 Progress", "c", OTHER),
                ("200 OK", "b", CONTACT),
            ],
            Some("v=0 early"),
        ),
        (
            &[("183 Progress", "b", EARLY), ("183 Progress", "b", OTHER), ("200 OK", "b", CONTACT)],
            Some("v=0 other"),
        ),
        (&[("183 Progress", "b", EARLY), ("200 OK", "b", CONTACT_AND_SDP)], Some("v=0 answer")),
        (&[("183 Progress", "c", EARLY), ("200 OK", "b", CONTACT)], None),
        (&[("180 Ringing", "b", ""), ("200 OK", "b", CONTACT)], None),
    ];
    for (responses, sdp) in cases {
        let mut ua = Ua::new();
        let (_, invite) = dialled(&mut ua);
        assert_eq!(answered(&mut ua, &invite, responses).as_deref(), sdp, "{responses:?}");
    }
}

#[test]
fn what_was_said_to_an_earlier_invite_of_the_call_is_no_answer() {
    let mut ua = Ua::with(|config| config.extensions.timers.mode = partyline_sip::TimerMode::Offer);
    let (_, invite) = dialled(&mut ua);
    ua.feed(&response(&invite, "183 Progress", Some("b"), EARLY));
    let refused = response(&invite, "422 Too Small", Some("b"), "Min-SE: 3600\r\n");
    let again = ua.feed(&refused).message(1);
    assert_eq!(answered(&mut ua, &again, &[("200 OK", "b", CONTACT)]), None);
}

#[test]
fn forks_that_are_followed_are_bounded() {
    let mut ua = Ua::new();
    let (dialog, invite) = dialled(&mut ua);
    for fork in 0..40 {
        let tag = format!("t{fork}");
        let out = ua.feed(&response(&invite, "183 Progress", Some(&tag), EARLY));
        assert_eq!(out.news(), [format!("Ringing({dialog}, 183)")]);
    }
    assert_eq!(ua.endpoint.counters().of(Dropped::TooManyForks), 24);
    assert_eq!(answered(&mut ua, &invite, &[("200 OK", "t39", CONTACT)]), None);
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    ua.drain();
    ua.assert_forgotten();
}
