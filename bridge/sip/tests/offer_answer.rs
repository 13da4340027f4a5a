//! Offers and answers as carriers and phones make them (RFC 3264, RFC 6337).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;

use partyline_sip::sdp::{Codec, Direction, Local, Offer, Scope, Session, SrtpPolicy, Terms};

fn us() -> Local {
    let address: SocketAddr = "192.0.2.10:40000".parse().unwrap();
    Local::new(address, 7)
}

/// A description from 198.51.100.7 with the given `m=` blocks; without the end of its last line.
fn described(media: &[&str]) -> Vec<u8> {
    let head = ["v=0", "o=- 1 1 IN IP4 198.51.100.7", "s=-", "c=IN IP4 198.51.100.7", "t=0 0"];
    let lines: Vec<&str> = head.iter().chain(media).copied().collect();
    lines.join("\r\n").into_bytes()
}

fn read(media: &[&str]) -> Offer {
    let local = us();
    Offer::read(&described(media), &Terms::at(local.address, SrtpPolicy::Off)).unwrap()
}

fn lines(text: Vec<u8>, prefixes: &[&str]) -> Vec<String> {
    let text = String::from_utf8(text).unwrap();
    let wanted = |line: &&str| prefixes.iter().any(|prefix| line.starts_with(prefix));
    text.lines().filter(wanted).map(str::to_owned).collect()
}

const DIRECTIONS: [&str; 4] = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];

#[test]
fn a_hold_in_the_last_line_without_a_line_end_is_answered_as_a_hold() {
    let cases = [
        ("a=sendonly", "a=recvonly", Direction::RecvOnly),
        ("a=inactive", "a=inactive", Direction::Inactive),
        ("c=IN IP4 0.0.0.0", "a=recvonly", Direction::RecvOnly),
    ];
    for (line, answered, direction) in cases {
        let offer = read(&["m=audio 30002 RTP/AVP 0", line]);
        assert_eq!(offer.negotiated().direction, direction, "{line}");
        assert_eq!(lines(offer.answer(&us()), &DIRECTIONS), [answered], "{line}");
    }
}

#[test]
fn an_answer_is_written_for_each_port_and_version_from_one_reading() {
    let offer = read(&["m=audio 30002 RTP/AVP 8 0"]);
    for (port, version) in [(40_000, 0), (40_002, 1)] {
        let local = Local { port, session_version: version, ..us() };
        let said = lines(offer.answer(&local), &["o=", "m="]);
        assert_eq!(said[0], format!("o=- 7 {version} IN IP4 192.0.2.10"));
        assert_eq!(said[1], format!("m=audio {port} RTP/AVP 8"));
    }
}

#[test]
fn an_offer_of_ours_never_repeats_the_hold_of_the_far_end() {
    for line in ["a=sendonly", "a=inactive", "c=IN IP4 0.0.0.0"] {
        let mut session = Session::answered(&read(&["m=audio 30002 RTP/AVP 0", line]));
        for scope in [Scope::All, Scope::Same] {
            assert_eq!(lines(session.offer(&us(), scope), &DIRECTIONS), ["a=sendrecv"], "{line}");
        }
        // Whether it still holds us is for its answer to say.
        let answer = described(&["m=audio 30002 RTP/AVP 0", "a=sendonly"]);
        let agreed = session.accept(&answer, &us()).unwrap();
        assert_eq!(agreed.direction, Direction::RecvOnly);
    }
}

#[test]
fn an_offer_that_changes_nothing_is_the_description_of_before() {
    let offer = read(&["m=audio 30002 RTP/AVP 8 0 97", "a=rtpmap:97 telephone-event/8000"]);
    assert_eq!(Session::answered(&offer).offer(&us(), Scope::Same), offer.answer(&us()));
    let mut ours = Session::default();
    let first = ours.offer(&us(), Scope::All);
    ours.accept(&described(&["m=audio 30002 RTP/AVP 8", "a=ptime:30"]), &us()).unwrap();
    assert_eq!(ours.offer(&us(), Scope::Same), first);
}

#[test]
fn a_later_offer_keeps_the_streams_and_gives_no_number_another_meaning() {
    let offer = read(&[
        "m=video 51372 RTP/AVP 31",
        "m=audio 30002 RTP/AVPF 96 101 97",
        "a=rtpmap:96 PCMA/8000",
        "a=rtpmap:101 opus/48000/2",
        "a=rtpmap:97 telephone-event/8000",
        "m=application 49200 UDP/BFCP *",
    ]);
    let mut session = Session::answered(&offer);
    let said = lines(session.offer(&us(), Scope::All), &["m=", "a=rtpmap"]);
    assert_eq!(
        said,
        [
            "m=video 0 RTP/AVP 31",
            "m=audio 40000 RTP/AVPF 96 0 97",
            "a=rtpmap:96 PCMA/8000",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:97 telephone-event/8000",
            "m=application 0 UDP/BFCP *",
        ]
    );
    // The answer is read at the place of our audio, and its numbers are for sending only.
    let answer = described(&[
        "m=video 0 RTP/AVP 31",
        "m=audio 30004 RTP/AVPF 0 110",
        "a=rtpmap:110 telephone-event/8000",
        "m=application 0 UDP/BFCP *",
    ]);
    let agreed = session.accept(&answer, &us()).unwrap();
    assert_eq!((agreed.codec, agreed.remote_rtp.port()), (Codec::Pcmu, 30_004));
    let events = agreed.telephone_event.unwrap();
    assert_eq!((events.send, events.receive), (110, 97));
}

#[test]
fn a_session_without_events_gets_a_free_number_for_them() {
    let offer = read(&["m=audio 30002 RTP/AVP 0 101 96", "a=rtpmap:101 opus/48000/2"]);
    let said = lines(Session::answered(&offer).offer(&us(), Scope::All), &["m="]);
    assert_eq!(said, ["m=audio 40000 RTP/AVP 0 8 97"]);
}

#[test]
fn numbers_may_differ_by_direction() {
    let mut session = Session::default();
    session.offer(&us(), Scope::All);
    let answer = described(&[
        "m=audio 30002 RTP/AVP 98 0 99",
        "a=rtpmap:98 PCMA/8000",
        "a=rtpmap:99 telephone-event/8000",
    ]);
    let agreed = session.accept(&answer, &us()).unwrap();
    assert_eq!((agreed.payload_type, agreed.receive_payload_type), (98, 8));
    let events = agreed.telephone_event.unwrap();
    assert_eq!((events.send, events.receive), (99, 101));
    // Of several codecs in an answer the first runs, and each may come.
    for format in [(0, Codec::Pcmu), (8, Codec::Pcma)] {
        assert!(agreed.formats.contains(&format), "{format:?}");
    }
}

#[test]
fn each_packet_time_is_answered_and_no_longest_one_is_said() {
    for ptime in [10, 20, 30, 40, 50, 60] {
        let line = format!("a=ptime:{ptime}");
        let offer = read(&["m=audio 30002 RTP/AVP 0", &line, "a=maxptime:150"]);
        assert_eq!(offer.negotiated().ptime_ms, ptime);
        let answer = offer.answer(&us());
        assert_eq!(lines(answer, &["a=ptime", "a=maxptime"]), [line]);
    }
    let ours = Session::default().offer(&us(), Scope::All);
    assert!(lines(ours, &["a=maxptime"]).is_empty());
}
