//! Requests that name nothing we hold, ask for what we do not offer, or are malformed.

mod common;

use common::{Ua, addr, invite, request};
use partyline_sip::message::Name;
use partyline_sip::{Dropped, Suspicion};

#[test]
fn each_request_to_nowhere_gets_its_status() {
    let cases = [
        ("OPTIONS", "OPTIONS", "200 OPTIONS"),
        ("REGISTER", "REGISTER", "405 REGISTER"),
        ("UPDATE", "UPDATE", "481 UPDATE"),
        ("PRACK", "PRACK", "481 PRACK"),
        ("REFER", "REFER", "405 REFER"),
        ("FROB", "FROB", "501 FROB"),
        ("BYE", "BYE", "481 BYE"),
        ("CANCEL", "CANCEL", "481 CANCEL"),
        ("INFO", "INFO", "481 INFO"),
        ("OPTIONS", "INVITE", "400 INVITE"),
    ];
    for (method, cseq, expected) in cases {
        let mut ua = Ua::new();
        let text = request(method, 1, "x", None, "")
            .replace(&format!("CSeq: 1 {method}"), &format!("CSeq: 1 {cseq}"));
        let out = ua.feed(&text);
        assert_eq!((out.lines(), out.events.len()), (vec![expected.to_owned()], 0), "{method}");
        let again = ua.feed(&text);
        assert_eq!(again.sent, out.sent, "the same request gets the same answer");
        assert_eq!(ua.endpoint.transactions(), 0, "and costs no memory");
    }
}

#[test]
fn a_program_that_looks_for_telephones_gets_no_answer() {
    for (agent, answered) in [
        ("friendly-scanner", false),
        ("SIPVicious", false),
        ("Friendly-Scanner/0.3", false),
        ("Friendly", true),
        ("Acme telephone (not sipvicious)", true),
        ("\u{e9}", true),
    ] {
        let mut ua = Ua::new();
        let out = ua.feed(&request("OPTIONS", 1, "x", None, &format!("User-Agent: {agent}\r\n")));
        assert_eq!(out.sent.len(), usize::from(answered), "{agent}");
        let expected = if answered { vec![] } else { vec![Suspicion::Scanner] };
        assert_eq!(out.suspects, expected, "{agent}");
        assert_eq!(ua.endpoint.counters().of(Dropped::Scanner), u64::from(!answered));
    }
    let mut ua = Ua::new();
    assert_eq!(ua.feed("GET / HTTP/1.1\r\n\r\n").suspects, [Suspicion::Garbage]);
    assert_eq!(ua.feed("\r\n\r\n").suspects, [], "a keep-alive");
}

#[test]
fn refusals_say_what_would_do() {
    let mut ua = Ua::new();
    let allow = ua.feed(&request("REGISTER", 1, "x", None, "")).message(0);
    assert!(allow.headers.text(&Name::Allow).is_some_and(|text| text.contains("INVITE")));
    let extra = "Require: 100rel, foo\r\n";
    let out = ua.feed(&request("INVITE", 1, "y", None, extra));
    assert_eq!(out.lines(), ["420 INVITE"]);
    assert_eq!(out.message(0).headers.text(&Name::Unsupported), Some("foo"));
    let extra = "Content-Type: text/plain\r\n\r\nhello";
    let out = ua.feed(&request("INVITE", 1, "z", None, extra));
    assert_eq!(out.lines(), ["415 INVITE"]);
    assert_eq!(out.message(0).headers.text(&Name::Accept), Some("application/sdp"));
}

#[test]
fn each_defect_of_an_invite_gets_its_status() {
    let cases = [
        ("sip:18005550100@203.0.113.5 SIP/2.0", "http://h SIP/2.0", "416 INVITE"),
        ("sip:18005550100@203.0.113.5 SIP/2.0", "sips:1@h SIP/2.0", "416 INVITE"),
        ("sip:18005550100@203.0.113.5 SIP/2.0", "<sip:1@h> SIP/2.0", "400 INVITE"),
        ("sip:18005550100@203.0.113.5 SIP/2.0", "sip:1@h?a=b SIP/2.0", "400 INVITE"),
        ("sip:18005550100@203.0.113.5 SIP/2.0", "sip:1@h SIP/2.1", "505 INVITE"),
        ("Max-Forwards: 70", "Max-Forwards: 700", "400 INVITE"),
        ("Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 70", "400 INVITE"),
        ("Max-Forwards: 70", "Accept: text/html", "406 INVITE"),
        ("Contact: <sip", "Contact: <sip:x@h>, <sip", "400 INVITE"),
        ("Contact: <sip", "Contact: <mailto", "400 INVITE"),
        ("Max-Forwards: 70", "Record-Route: <sip:x", "400 INVITE"),
        ("Max-Forwards: 70", "Content-Length: 5000", "400 INVITE"),
        ("Max-Forwards: 70", "To: <sip:again@h>", "400 INVITE"),
        ("Via: SIP/2.0/UDP 192.0.2.1:5060;", "Via: SIP/2.0/UDP 192.0.2.1:5060;;", "400 INVITE"),
    ];
    for (from, to, expected) in cases {
        let mut ua = Ua::new();
        let text = invite();
        assert!(text.contains(from));
        let out = ua.feed(&text.replacen(from, to, 1));
        assert_eq!((out.lines(), out.events.len()), (vec![expected.to_owned()], 0), "{to}");
        assert_eq!(ua.endpoint.transactions(), 0);
    }
    let mut ua = Ua::new();
    let long = request("INVITE", 1, "x", None, &format!("X-Long: {}\r\n", "x".repeat(9000)));
    assert_eq!(ua.feed(&long).lines(), ["513 INVITE"]);
}

#[test]
fn an_invite_at_its_last_hop_is_served() {
    let mut ua = Ua::new();
    let out = ua.feed(&invite().replace("Max-Forwards: 70", "Max-Forwards: 0"));
    assert_eq!((out.lines(), out.events.len()), (vec!["100 INVITE".to_owned()], 1));
}

#[test]
fn no_ack_and_no_garbage_is_ever_answered() {
    let mut ua = Ua::new();
    let ack = request("ACK", 1, "x", Some("t"), "");
    for text in [
        ack.as_str(),
        &ack.replace("Max-Forwards: 70", "Max-Forwards: x"),
        &ack.replace("CSeq: 1 ACK", "CSeq: x"),
        "\r\n\r\n",
        "hello",
        "GET / HTTP/1.1\r\n\r\n",
        "SIP/2.0 200 OK\r\n\r\n",
    ] {
        let out = ua.feed(text);
        assert!(out.sent.is_empty() && out.events.is_empty(), "{text}");
    }
    let counters = ua.endpoint.counters();
    assert_eq!(counters.of(Dropped::StrayAck), 3);
    assert_eq!(counters.of(Dropped::KeepAlive), 1);
    assert_eq!(counters.of(Dropped::NotSip), 2);
    assert_eq!(counters.of(Dropped::MalformedResponse), 1);
}

#[test]
fn responses_go_where_the_via_says() {
    let cases = [
        ("", "192.0.2.1:5060", "198.51.100.7:5060", ";received=198.51.100.7"),
        (";rport", "192.0.2.1:5060", "198.51.100.7:41000", ";received=198.51.100.7"),
        ("", "192.0.2.1:5077", "198.51.100.7:5077", ";received=198.51.100.7"),
        (";maddr=203.0.113.99", "192.0.2.1:5060", "198.51.100.7:5060", ";received=198.51.100.7"),
    ];
    for (param, sent_by, destination, noted) in cases {
        let mut ua = Ua::new();
        let text = request("OPTIONS", 1, "x", None, "")
            .replace("UDP 192.0.2.1:5060;", &format!("UDP {sent_by}{param};"));
        let out = ua.feed_bytes("198.51.100.7:41000", text.as_bytes());
        assert_eq!(out.sent[0].flow.remote, addr(destination));
        assert_eq!(out.sent[0].flow.local, Some(addr(common::US)));
        assert!(out.message(0).headers.text(&Name::Via).is_some_and(|via| via.contains(noted)));
    }
}

#[test]
fn stray_latin_1_comes_back_byte_for_byte() {
    let mut ua = Ua::new();
    let text = request("OPTIONS", 1, "x", None, "");
    let at = text.find("Ann").expect("the name");
    let mut bytes = text.into_bytes();
    bytes[at] = 0xc9;
    let out = ua.feed_bytes(common::PEER, &bytes);
    assert!(out.sent[0].payload.windows(4).any(|w| w == b"\"\xc9nn"));
}
