//! What phones send against the letter of the grammar, where its meaning is plain.

mod common;

use common::{Ua, addr, dial, invite, response};
use partyline_sip::message::StartLine;

/// What is replaced in a plain INVITE, and by what.
const ODD: [(&str, &str); 28] = [
    ("<sip:caller@192.0.2.1:5060>", "<sip:caller@192.0.2.1:5060;x=\"<urn:a,b>;c\">"),
    (
        "<sip:caller@192.0.2.1:5060>",
        "sip:caller@192.0.2.1:5060;+sip.instance=\"<urn:gsma:imei:35548888-144050-0>\"",
    ),
    ("<sip:caller@192.0.2.1:5060>", "<sip:caller@192.0.2.1:5060>;expires=;"),
    ("<sip:caller@192.0.2.1:5060>", "<sip:caller@192.0.2.1:5060;lr=;>,"),
    ("192.0.2.1:5060;branch", "192.0.2.1:5060;rport=;branch"),
    ("z9hG4bKinv", "z9hG4bKinv;"),
    ("UDP 192.0.2.1:5060;", "UDP 192.0.2.1:;"),
    ("\"Ann\" <sip:14165550100@192.0.2.1>;tag=a", "sip:@192.0.2.1;tag=a"),
    ("\"Ann\" <sip:14165550100@192.0.2.1>;tag=a", "<sip:@192.0.2.1>;tag=a;"),
    ("\"Ann\" <sip:14165550100@192.0.2.1>;tag=a", "sip:1416;cpc=payphone@192.0.2.1;tag=a"),
    ("To: <sip:18005550100@203.0.113.5>", "To: <sip:18005550100@203.0.113.5;>;"),
    ("To: <sip:18005550100@203.0.113.5>", "To: <sip:18005550100@203.0.113.5>;tag="),
    ("Max-Forwards: 70", "Record-Route: sip:192.0.2.8;lr, <sip:192.0.2.9;lr=>"),
    ("Max-Forwards: 70", "Record-Route: <sip:192.0.2.8;lr>;,"),
    ("@203.0.113.5 SIP/2.0", "@203.0.113.5;user=phone; SIP/2.0"),
    ("<sip:caller@192.0.2.1:5060>", "< sip:caller@192.0.2.1:5060 >"),
    ("<sip:caller@192.0.2.1:5060>", "Bell, A <sip:caller@192.0.2.1:5060>"),
    ("<sip:caller@192.0.2.1:5060>", "<sip:caller@192.0.2.1:5060>;+sip.instance=<urn:uuid:1>"),
    ("<sip:caller@192.0.2.1:5060>", "sip:caller@192.0.2.1:5060;+sip.instance=<urn:uuid:1>"),
    ("<sip:caller@192.0.2.1:5060>", "<sip:a%@192.0.2.1:5060>"),
    ("\"Ann\" <sip:14165550100@192.0.2.1>;tag=a", "Bell, A <sip:1@192.0.2.1>;tag=a"),
    ("\"Ann\" <sip:14165550100@192.0.2.1>;tag=a", "Ann; home <sip:1@192.0.2.1>;tag=a"),
    ("\"Ann\" <sip:14165550100@192.0.2.1>;tag=a", "<sip:100%@192.0.2.1>;tag=a"),
    ("Max-Forwards: 70", "this is no header"),
    ("Max-Forwards: 70", "X Y: z"),
    ("Max-Forwards: 70", "Content-Length:"),
    ("Max-Forwards: 70", "Content-Length: 3\r\nl: 3"),
    ("Max-Forwards: 70", "Warnung \u{fc}ber: x"),
];

#[test]
fn a_call_whose_meaning_is_plain_is_taken() {
    for (plain, odd) in ODD {
        let mut ua = Ua::new();
        let text = invite();
        assert!(text.contains(plain), "{plain}");
        let out = ua.feed(&text.replacen(plain, odd, 1));
        assert_eq!((out.lines(), out.events.len()), (vec!["100 INVITE".to_owned()], 1), "{odd}");
        let dialog = out.invited();
        ua.endpoint.answer(ua.now, dialog, b"v=0".to_vec()).expect("it waits");
        assert_eq!(ua.drain().lines(), ["200 INVITE"], "{odd}");
    }
}

#[test]
fn requests_in_a_call_find_the_peer_by_its_odd_contact() {
    let cases = [
        (
            "sip:callee@192.0.2.77:5080;+sip.instance=\"<urn:gsma:imei:35548888-144050-0>\"",
            "sip:callee@192.0.2.77:5080",
        ),
        ("sip:callee@192.0.2.77:5080;x=\">\";y=\"<\"", "sip:callee@192.0.2.77:5080"),
        ("\"<\" <sip:callee@192.0.2.77:5080>", "sip:callee@192.0.2.77:5080"),
        ("<sip:callee@192.0.2.77:5080;x=\"a>b\">", "sip:callee@192.0.2.77:5080;x=\"a%3Eb\""),
        ("< sip:callee@192.0.2.77:5080 >", "sip:callee@192.0.2.77:5080"),
        ("Bell, A <sip:callee@192.0.2.77:5080>", "sip:callee@192.0.2.77:5080"),
        ("Pat; home <sip:callee@192.0.2.77:5080>", "sip:callee@192.0.2.77:5080"),
        ("<sip:callee@192.0.2.77:5080>;+sip.instance=<urn:uuid:1>", "sip:callee@192.0.2.77:5080"),
        ("sip:callee@192.0.2.77:5080;+sip.instance=<urn:uuid:1>", "sip:callee@192.0.2.77:5080"),
        ("<sip:callee@192.0.2.77:5080;lr=>;,", "sip:callee@192.0.2.77:5080;lr="),
    ];
    for (contact, target) in cases {
        let mut ua = Ua::new();
        let dialog = ua.endpoint.dial(ua.now, dial()).expect("it can be called");
        let invite = ua.drain().message(0);
        let rest = format!("Contact: {contact}\r\nContent-Type: application/sdp\r\n\r\nv=0");
        let out = ua.feed(&response(&invite, "200 OK", Some("b"), &rest));
        ua.endpoint.hangup(ua.now, dialog, partyline_sip::Hangup::default()).expect("it is up");
        for (out, method) in [(out, "ACK"), (ua.drain(), "BYE")] {
            assert_eq!(out.lines(), [method], "{contact}");
            assert_eq!(out.sent[0].flow.remote, addr("192.0.2.77:5080"), "{contact}");
            let StartLine::Request { uri, .. } = out.message(0).start else { panic!("a request") };
            assert_eq!(&*uri, target, "{contact}");
        }
    }
}
