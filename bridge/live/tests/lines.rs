//! Lines as they are on the wire, and what is no line.

use partyline_live::{Command, Id, Leg, Line, Request, Response, Session, read_request};
use proptest::prelude::*;

/// The UUID 0192f0c1-2345-7abc-8def-0123456789ab, and how the interfaces write it.
const UUID: u128 = 0x0192_f0c1_2345_7abc_8def_0123_4567_89ab;
const TEXT: &str = "01JBRC28T5FAY8VVR14D2PF2DB";

#[test]
fn an_id_is_its_prefix_and_the_uuid_in_crockfords_base_32() {
    let id = Id::<Session>::new(UUID);
    assert_eq!(id.to_string(), format!("ses_{TEXT}"));
    assert_eq!(format!("ses_{TEXT}").parse(), Ok(id));
    assert_eq!(format!("ses_{}", TEXT.to_lowercase()).parse(), Ok(id), "in small letters too");
    for wrong in [
        format!("leg_{TEXT}"),
        TEXT.to_owned(),
        format!("ses_{TEXT}0"),
        format!("ses_U{}", &TEXT[1..]),
        format!("ses_8{}", &TEXT[1..]),
        String::new(),
    ] {
        assert!(wrong.parse::<Id<Session>>().is_err(), "{wrong}");
    }
}

#[test]
fn a_request_is_read_as_written_and_nothing_else() {
    let line = format!(r#"{{"id":7,"command":"lock","session":"ses_{TEXT}"}}"#);
    let lock = Command::Lock { session: Id::new(UUID) };
    assert_eq!(read_request(line.as_bytes()), Ok(Request { id: 7, command: lock }));
    let legs = format!(r#"{{"command":"legs","session":"ses_{TEXT}"}}"#);
    let command = Command::Legs { session: Id::new(UUID), full: false };
    assert_eq!(read_request(legs.as_bytes()), Ok(Request { id: 0, command }));
    let cases = [
        (0, "".to_owned(), "no JSON"),
        (0, "[]".to_owned(), "an object"),
        (0, r#"{"id":-1,"command":"sessions"}"#.to_owned(), "id"),
        (4, r#"{"id":4}"#.to_owned(), "command"),
        (4, r#"{"id":4,"command":"fly"}"#.to_owned(), "fly"),
        (4, r#"{"id":4,"command":"sessions","extra":1}"#.to_owned(), "extra"),
        (4, format!(r#"{{"id":4,"command":"lock","session":"leg_{TEXT}"}}"#), "ses_"),
        (4, format!(r#"{{"id":4,"command":"lock","session":"ses_{TEXT}","now":true}}"#), "now"),
        (4, format!(r#"{{"id":4,"command":"mode","session":"ses_{TEXT}","mode":"loud"}}"#), "loud"),
    ];
    for (id, line, says) in cases {
        let (answered, fault) = read_request(line.as_bytes()).expect_err(&line);
        assert_eq!((answered, fault.code.as_str()), (id, "invalid"), "{line}");
        assert!(fault.detail.contains(says), "{line}: {}", fault.detail);
    }
}

#[test]
fn lines_of_the_bridge_are_told_apart() {
    let lines = [
        (r#"{"id":1,"ok":{"leg":null}}"#, "ok"),
        (r#"{"id":1,"error":{"code":"barred","detail":"no"}}"#, "error"),
        (r#"{"end":{"code":"slow","detail":"no"}}"#, "end"),
    ];
    for (text, kind) in lines {
        let line: Line = serde_json::from_str(text).expect(text);
        let found = match &line {
            Line::Response(Response::Ok { .. }) => "ok",
            Line::Response(Response::Error { .. }) => "error",
            Line::Event { .. } => "event",
            Line::End { .. } => "end",
        };
        assert_eq!((found, line.line().as_str()), (kind, text));
    }
}

proptest! {
    #[test]
    fn ids_come_back_as_they_were(uuid: u128) {
        let id = Id::<Leg>::new(uuid);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn requests_come_back_as_they_were(id: u64, uuid: u128, room: u8, to: String, on: bool) {
        let (session, leg) = (Id::new(uuid), Id::new(uuid));
        for command in [
            Command::Sessions {},
            Command::Watch { session: None, full: on },
            Command::Room { leg, room },
            Command::Dial { session, to: to.clone() },
            Command::AutoContinue { session, on },
            Command::Reference { session, value: on.then(|| to.clone()) },
        ] {
            let request = Request { id, command };
            prop_assert_eq!(read_request(request.line().as_bytes()), Ok(request));
        }
    }

    #[test]
    fn whatever_bytes_come_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(request) = read_request(&bytes) {
            prop_assert_eq!(read_request(request.line().as_bytes()), Ok(request));
        }
    }
}
