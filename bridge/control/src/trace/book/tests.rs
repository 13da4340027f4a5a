use std::net::SocketAddr;

use super::*;

const FAR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5060);

fn invite(call_id: &str) -> String {
    format!(
        "INVITE sip:4711@h SIP/2.0\r\nFrom: <sip:+14165550100@h>;tag=1\r\nTo: <sip:4711@h>\r\n\
         Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n"
    )
}

impl Book<usize> {
    fn note(&mut self, kind: TraceKind, call_id: &str, octets: Vec<u8>) {
        let known = self.place(call_id).map(Arrival::Known);
        let arrival = known.unwrap_or(Arrival::New { kind, trunk: Some("line".into()) });
        let place = self.open(arrival, call_id, (Time::ZERO, false), invite(call_id).as_bytes());
        let redacted = Redacted { octets, is_info: false };
        self.add(place, (Time::ZERO, false, Flow::udp(None, FAR)), redacted);
    }

    fn call_ids(&self) -> Vec<String> {
        self.find(&TraceFilter { last: usize::MAX, ..TraceFilter::default() })
            .into_iter()
            .map(|traced| traced.call_id)
            .collect()
    }

    /// What the rings say they hold is what there is.
    fn check(&self) {
        for kind in TraceKind::ALL {
            let of_kind = self.entries.values().filter(|entry| entry.kind == kind);
            let octets: usize = of_kind.map(Entry::octets).sum();
            assert_eq!(self.rings.get(&kind).map_or(0, |ring| ring.octets), octets, "{kind:?}");
        }
        assert_eq!(self.entries.len(), self.by_call_id.len());
    }
}

#[test]
fn calls_that_are_over_make_room_and_those_that_are_up_stay() {
    let mut book = Book::<usize>::default();
    let (most, _) = bounds(TraceKind::Call);
    for n in 0..most + 20 {
        let (call_id, dialog) = (format!("call {n}"), n);
        book.note(TraceKind::Refused, &call_id, b"x".to_vec());
        book.begin(dialog, &call_id);
        if n != 3 {
            book.end(Time::ZERO, dialog);
        }
    }
    let kept = book.call_ids();
    assert_eq!(kept.len(), most + 1);
    assert_eq!((&*kept[0], &*kept[1]), ("call 3", "call 20"));
    book.check();
}

#[test]
fn what_was_refused_or_is_a_strangers_drives_no_call_out() {
    let mut book = Book::<usize>::default();
    book.note(TraceKind::Refused, "call", b"x".to_vec());
    book.begin(1, "call");
    book.end(Time::ZERO, 1);
    for kind in TraceKind::ALL.into_iter().filter(|kind| *kind != TraceKind::Call) {
        for n in 0..3000 {
            book.note(kind, &format!("{kind:?} {n}"), vec![b'x'; 4000]);
        }
        let of_kind = book.rings.get(&kind).expect("a ring");
        assert!(of_kind.octets <= bounds(kind).1 && !of_kind.over.is_empty(), "{kind:?}");
    }
    assert_eq!(book.call_ids()[0], "call");
    book.check();
}

#[test]
fn what_is_over_is_taken_for_the_disk_once_even_when_it_had_to_make_room() {
    let mut book = Book::<usize>::default();
    let call = |book: &mut Book<usize>, n: usize| {
        book.note(TraceKind::Refused, &format!("call {n}"), b"x".to_vec());
        book.begin(n, &format!("call {n}"));
    };
    call(&mut book, 0);
    book.end(Time::ZERO, 0);
    assert!(book.take(Time::ZERO, true).is_empty(), "nobody wants it");
    book.keep_for_disk();
    for n in 1..=1500 {
        call(&mut book, n);
        if n > 1 {
            book.end(Time::ZERO, n);
        }
    }
    book.note(TraceKind::Refused, "refused", b"x".to_vec());
    book.note(TraceKind::Stranger, "stranger", b"x".to_vec());
    let early = book.take(Time::ZERO, false);
    assert_eq!(early.len(), 500, "those that had to make room");
    let later = book.take(Time::ZERO + SETTLED, false);
    let names: BTreeSet<_> = early.iter().chain(&later).map(|traced| &traced.call_id).collect();
    assert_eq!((names.len(), early.len() + later.len()), (1501, 1501), "0 to 1500 but 1, refused");
    assert!(names.contains(&"refused".to_owned()) && !names.contains(&"call 1".to_owned()));
    assert!(book.take(Time::ZERO + SETTLED, true).is_empty());
    assert_eq!(book.call_ids()[0], "call 1", "it is up");
}

#[test]
fn octets_are_bounded_even_of_calls_that_are_up() {
    let mut book = Book::<usize>::default();
    for n in 0..200 {
        let call_id = format!("call {n}");
        for message in 0..64 {
            let octets = [vec![b'x'; 4000], format!("{message}").into_bytes()].concat();
            book.note(TraceKind::Refused, &call_id, octets);
            book.begin(n, &call_id);
        }
    }
    let octets = book.rings.get(&TraceKind::Call).map_or(0, |ring| ring.octets);
    assert!((15 << 20..=16 << 20).contains(&octets), "{octets}");
    assert_eq!(book.call_ids().last().map(String::as_str), Some("call 199"));
    book.check();
}

#[test]
fn of_a_long_call_the_beginning_and_the_end_are_kept_and_repeats_once() {
    let mut book = Book::<usize>::default();
    for n in 0..100 {
        book.note(TraceKind::Refused, "call", format!("message {n}").into_bytes());
    }
    let filter = TraceFilter { last: 1, ..TraceFilter::default() };
    let found = book.find(&filter);
    let texts: Vec<_> = found[0].messages.iter().map(|m| m.octets.clone()).collect();
    assert_eq!((texts.len(), found[0].left_out), (64, 36));
    assert_eq!((&texts[31][..], &texts[32][..]), (&b"message 31"[..], &b"message 68"[..]));
    for _ in 0..3 {
        book.note(TraceKind::Refused, "again", vec![b'x'; 1000]);
    }
    let found = book.find(&filter);
    let repeated: Vec<_> = found[0].messages.iter().map(|m| m.is_repeated).collect();
    assert_eq!(repeated, [false, true, true]);
    book.check();
}

#[test]
fn calls_are_found_by_the_beginning_of_their_call_id_their_caller_and_their_trunk() {
    let mut book = Book::<usize>::default();
    for call_id in ["abc-1", "abc-2", "xyz-3"] {
        book.note(TraceKind::Refused, call_id, b"x".to_vec());
    }
    let all = TraceFilter { last: 9, ..TraceFilter::default() };
    let count = |filter: TraceFilter| book.find(&filter).len();
    let from = |text: &str| Some(text.to_owned());
    assert_eq!(count(TraceFilter { call_id: from("abc"), ..all.clone() }), 2);
    assert_eq!(count(TraceFilter { call_id: from("abc"), last: 1, ..all.clone() }), 1);
    for (number, found) in
        [("14165550100", 3), ("4165550100", 3), ("+1 416 555-0100", 3), ("0100", 0), ("", 0)]
    {
        assert_eq!(count(TraceFilter { from: from(number), ..all.clone() }), found, "{number}");
    }
    assert_eq!(count(TraceFilter { trunk: from("line"), ..all.clone() }), 3);
    assert_eq!(count(TraceFilter { trunk: from("lin"), ..all }), 0);
}

#[test]
fn the_call_id_is_found_whichever_way_it_is_written() {
    for line in ["Call-ID: a@b", "call-id:a@b ", "i: a@b", "I :\ta@b", "CALL-ID  : a@b"] {
        for end in ["\r\n", "\n"] {
            let text = format!("BYE sip:h SIP/2.0{end}Contact: x{end}{line}{end}{end}i: c");
            assert_eq!(call_id_of(text.as_bytes()), Some("a@b"), "{line}");
        }
    }
    for text in
        ["", "BYE", "BYE x\r\n\r\ni: a", "BYE x\r\nInfo: a\r\nCall-Info: b\r\n\r\n", "x\ni: \n"]
    {
        assert_eq!(call_id_of(text.as_bytes()), None, "{text}");
    }
    assert_eq!(cut(&"é".repeat(100)).len(), 128);
}

#[test]
fn who_shows_what_he_dials_as_his_name_is_not_named() {
    let names = |from: &str, dialled: &str, more: &str| {
        let text = format!(
            "INVITE sip:{dialled}@h SIP/2.0\r\nFrom: <sip:{from}@h>\r\nTo: <sip:{dialled}@h>{more}\r\n\r\n"
        );
        Names::of(text.as_bytes(), false)
    };
    assert!(names("1001", "4711", "").shows("1001"));
    assert!(!names("1001", "4711", "").shows("4711"));
    assert!(!names("4711", "4711", "").shows("4711"));
    assert!(
        !names("1001", "4711", ";tag=1").shows("1001"),
        "within a call nobody knows who dialled"
    );
    assert!(!names("1001", "4711", "\r\nPrivacy: id").shows("1001"), "he is withheld");
    assert!(names("", "", "").shows("anonymous"));
    assert!(!names("", "", "").shows("+14165550100") && !names("", "", "").shows("*"));
    let sent = b"BYE sip:h SIP/2.0\r\nFrom: <sip:4711@h>;tag=1\r\nTo: <sip:1001@h>;tag=2\r\n\r\n";
    assert!(!Names::of(sent, true).shows("4711"));
}
