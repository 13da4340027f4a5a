//! The registrar for users of our own.

use std::time::Duration;

use partyline_model::Time;
use partyline_sip::message::{Message, Name, StartLine};
use partyline_sip::registrar::{Registrar, RegistrarLimits};

/// A registrar under virtual time; flows are numbers.
struct Desk {
    registrar: Registrar<u8>,
    now: Time,
    cseq: u32,
}

impl Desk {
    fn new() -> Self {
        Self::with(RegistrarLimits::default())
    }

    fn with(limits: RegistrarLimits) -> Self {
        Self { registrar: Registrar::new(limits), now: Time::from_secs(1), cseq: 0 }
    }

    fn send(&mut self, user: &str, flow: u8, headers: &str) -> Message {
        self.cseq += 1;
        let cseq = self.cseq;
        self.send_as(user, flow, ("call", cseq), headers)
    }

    fn send_as(&mut self, user: &str, flow: u8, from: (&str, u32), headers: &str) -> Message {
        let (call_id, cseq) = from;
        let text = format!(
            "REGISTER sip:us.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
             From: <sip:{user}@us.example>;tag=1\r\nTo: <sip:{user}@us.example>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{headers}\r\n"
        );
        let request = Message::parse(text.as_bytes()).expect("readable");
        assert_eq!(request.fault, None, "{text}");
        self.registrar.register(self.now, user, flow, &request)
    }

    /// Where a user is: contact and flow.
    fn places(&self, user: &str) -> Vec<(String, u8)> {
        let bindings = self.registrar.bindings(user).into_iter();
        bindings.map(|binding| (binding.contact.to_string(), binding.flow)).collect()
    }
}

fn status(response: &Message) -> u16 {
    match response.start {
        StartLine::Response { status, .. } => status.code(),
        StartLine::Request { .. } => 0,
    }
}

fn contacts(response: &Message) -> Vec<&str> {
    assert_eq!(status(response), 200);
    response.headers.items(&Name::Contact).collect()
}

#[test]
fn a_phone_is_found_where_it_registered_until_its_time_is_over() {
    let mut desk = Desk::new();
    let ok =
        desk.send("bob", 1, "Contact: <sip:bob@10.0.0.7:5062>;expires=120\r\nPath: <sip:p;lr>\r\n");
    assert_eq!(contacts(&ok), ["<sip:bob@10.0.0.7:5062>;expires=120"]);
    assert_eq!(ok.headers.text(&Name::Path), Some("<sip:p;lr>"));
    assert_eq!(desk.places("bob"), [("sip:bob@10.0.0.7:5062".to_owned(), 1)]);
    assert_eq!(desk.places("eve"), []);
    desk.now += Duration::from_secs(20);
    // Another flow, and the same contact written otherwise: it is the same phone, come back.
    let ok = desk.send("bob", 2, "m: <sip:bob@10.0.0.7:5062;ob>\r\nExpires: 200\r\n");
    assert_eq!(contacts(&ok), ["<sip:bob@10.0.0.7:5062;ob>;expires=200"]);
    assert_eq!(desk.places("bob"), [("sip:bob@10.0.0.7:5062;ob".to_owned(), 2)]);
    assert_eq!(desk.registrar.bindings("bob")[0].path, []);
    assert_eq!(desk.registrar.poll_timeout(), Some(desk.now + Duration::from_secs(200)));
    desk.now += Duration::from_secs(199);
    assert_eq!(contacts(&desk.send("bob", 3, "")), ["<sip:bob@10.0.0.7:5062;ob>;expires=1"]);
    desk.now += Duration::from_secs(1);
    desk.registrar.handle_timeout(desk.now);
    assert_eq!(desk.places("bob"), []);
    assert!(desk.registrar.is_empty() && desk.registrar.poll_timeout().is_none());
}

#[test]
fn several_phones_of_a_user_are_found_by_preference() {
    let mut desk = Desk::new();
    desk.send(
        "bob",
        1,
        "Contact: <sip:a@h>;q=0.3, <sip:b@h>;q=0.9\r\nContact: <sip:c@h>;q=0.3\r\n",
    );
    let found = |desk: &Desk| desk.places("bob").into_iter().map(|(c, _)| c).collect::<Vec<_>>();
    assert_eq!(found(&desk), ["sip:b@h", "sip:c@h", "sip:a@h"]);
    // One is taken back, the others stay.
    let ok = desk.send("bob", 1, "Contact: <sip:b@h>;expires=0\r\n");
    assert_eq!(contacts(&ok).len(), 2);
    assert_eq!(found(&desk), ["sip:c@h", "sip:a@h"]);
    // All are, by a star, and only by one that says so rightly.
    for bad in [
        "Contact: *\r\n",
        "Contact: *\r\nExpires: 1\r\n",
        "Contact: *, <sip:a@h>\r\nExpires: 0\r\n",
    ] {
        assert_eq!(status(&desk.send("bob", 1, bad)), 400, "{bad}");
        assert_eq!(found(&desk).len(), 2);
    }
    desk.send("eve", 1, "Contact: <sip:e@h>\r\n");
    assert!(contacts(&desk.send("bob", 1, "Contact: *\r\nExpires: 0\r\n")).is_empty());
    assert_eq!((found(&desk).len(), desk.registrar.len()), (0, 1), "eve's stays");
}

#[test]
fn requests_that_come_late_change_nothing() {
    let mut desk = Desk::new();
    let bind = "Contact: <sip:a@h>\r\n";
    assert_eq!(status(&desk.send_as("bob", 1, ("x", 5), bind)), 200);
    for (from, headers, code) in [
        (("x", 5), bind, 400),
        (("x", 4), "Contact: <sip:a@h>;expires=0\r\n", 400),
        (("x", 4), "Contact: <sip:b@h>, <sip:a@h>\r\n", 400),
        (("x", 5), "Contact: *\r\nExpires: 0\r\n", 400),
        (("x", 4), "", 200),
        (("x", 1), "Contact: <sip:c@h>\r\n", 200),
        (("x", 6), bind, 200),
        (("y", 1), bind, 200),
    ] {
        assert_eq!(status(&desk.send_as("bob", 2, from, headers)), code, "{from:?} {headers}");
        assert!(desk.places("bob").iter().any(|(contact, _)| contact == "sip:a@h"));
    }
    assert_eq!(desk.places("bob").len(), 2, "nothing of a refused request was done");
}

#[test]
fn too_brief_is_told_and_too_long_is_cut() {
    let mut desk = Desk::new();
    let brief = desk.send("bob", 1, "Contact: <sip:a@h>, <sip:b@h>;expires=59\r\n");
    assert_eq!(status(&brief), 423);
    assert_eq!(brief.headers.text(&Name::MinExpires), Some("60"));
    assert!(desk.registrar.is_empty());
    for (wanted, got) in [("60", 60), ("99999", 3_600), ("99999999999", 3_600), ("soon", 600)] {
        let ok = desk.send("bob", 1, &format!("Contact: <sip:a@h>;expires={wanted}\r\n"));
        assert_eq!(contacts(&ok), [format!("<sip:a@h>;expires={got}")]);
    }
    assert_eq!(contacts(&desk.send("bob", 1, "Contact: <sip:a@h>\r\n")), ["<sip:a@h>;expires=600"]);
}

#[test]
fn a_user_has_so_many_bindings_and_the_newest_are_kept() {
    let mut desk = Desk::new();
    for phone in 0..8 {
        desk.now += Duration::from_secs(1);
        assert_eq!(
            status(&desk.send("bob", phone, &format!("Contact: <sip:p{phone}@h>\r\n"))),
            200
        );
    }
    let flows: Vec<u8> = desk.places("bob").into_iter().map(|(_, flow)| flow).collect();
    assert_eq!(flows, [7, 6, 5, 4, 3]);
    let six: Vec<_> = (0..6).map(|n| format!("Contact: <sip:q{n}@h>\r\n")).collect();
    assert_eq!(status(&desk.send("bob", 1, &six.concat())), 403);
    assert_eq!(desk.registrar.len(), 5);
}

#[test]
fn a_full_table_refuses_new_bindings_and_renews_old_ones() {
    let mut desk =
        Desk::with(RegistrarLimits { most: 3, most_of_user: 2, ..RegistrarLimits::default() });
    for user in ["a", "b", "c"] {
        assert_eq!(status(&desk.send(user, 1, "Contact: <sip:x@h>\r\n")), 200);
    }
    let full = desk.send("d", 1, "Contact: <sip:x@h>\r\n");
    assert_eq!((status(&full), full.headers.text(&Name::RetryAfter)), (503, Some("60")));
    assert_eq!(status(&desk.send("a", 1, "Contact: <sip:y@h>\r\n")), 503, "one more of hers");
    assert_eq!(status(&desk.send("a", 1, "Contact: <sip:x@h>\r\n")), 200);
    assert_eq!(status(&desk.send("b", 1, "Contact: <sip:x@h>;expires=0\r\n")), 200);
    assert_eq!(status(&desk.send("c", 1, "Contact: <sip:y@h>\r\n")), 200);
    // Full again; who has as many as he may changes one for another.
    assert_eq!(status(&desk.send("c", 1, "Contact: <sip:z@h>\r\n")), 200);
    assert_eq!(desk.places("c").len(), 2);
    assert_eq!(desk.registrar.len(), 3);
}

#[test]
fn nobody_registers_for_another_or_with_what_cannot_be_called() {
    let mut desk = Desk::new();
    let text = "REGISTER sip:us.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
                From: <sip:bob@us.example>;tag=1\r\nTo: <sip:bob@us.example>\r\nCall-ID: x\r\n\
                CSeq: 1 REGISTER\r\nContact: <sip:eve@h>\r\n\r\n";
    let request = Message::parse(text.as_bytes()).expect("readable");
    assert_eq!(status(&desk.registrar.register(desk.now, "eve", 1, &request)), 403);
    for contact in ["tel:+14165550100", "<sip:a@h?Subject=x>", "<mailto:a@h>", "\"open", "<>"] {
        assert_eq!(
            status(&desk.send("bob", 1, &format!("Contact: {contact}\r\n"))),
            400,
            "{contact}"
        );
    }
    // What is compared with every binding, parameter by parameter, has a measure.
    for long in [format!("x={}", "y".repeat(1024)), "p;".repeat(40)] {
        assert_eq!(status(&desk.send("bob", 1, &format!("Contact: <sip:a@h;{long}>\r\n"))), 400);
    }
    assert_eq!(status(&desk.send("bob", 1, "Contact: <sip:a@h>\r\nPath: <broken\r\n")), 400);
    assert!(desk.registrar.is_empty());
}

#[test]
fn what_hung_on_a_connection_goes_with_it() {
    let mut desk = Desk::new();
    desk.send("bob", 1, "Contact: <sip:a@h>\r\n");
    desk.send("bob", 2, "Contact: <sip:b@h>\r\n");
    desk.send("eve", 1, "Contact: <sip:a@h>\r\n");
    desk.registrar.handle_flow_lost(|flow| *flow == 1);
    assert_eq!(desk.places("bob"), [("sip:b@h".to_owned(), 2)]);
    assert_eq!((desk.places("eve").len(), desk.registrar.len()), (0, 1));
}
