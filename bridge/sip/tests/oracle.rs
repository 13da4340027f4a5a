//! rsip reads what we write, and sees in it what we see. (It cannot read folded headers, compact
//! names, IPv6 hosts or tel URIs: there our own tests stand alone.)

mod common;

use common::{CONTACT_AND_SDP, Ua, confirmed, dial, invite, request, response};
use partyline_sip::message::{Envelope, Message, Name};
use partyline_sip::{Hangup, Transmit};
use rsip::message::HasHeaders;
use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};

fn compare(bytes: &[u8]) {
    let ours = Message::parse(bytes).expect("readable");
    let theirs = rsip::SipMessage::try_from(bytes).expect("readable for rsip");
    let envelope = Envelope::read(&ours).expect("complete");
    let via = theirs.via_header().expect("Via");
    assert_eq!(ours.headers.text(&Name::Via), Some(via.value()));
    let via = via.typed().expect("a Via");
    assert_eq!(envelope.via.branch(), via.branch().map(|b| b.value()));
    let from = theirs.from_header().expect("From").typed().expect("an address");
    assert_eq!(envelope.from.tag(), from.tag().map(|tag| tag.value()));
    assert_eq!(envelope.from.uri.to_string(), from.uri.to_string());
    let to = theirs.to_header().expect("To").typed().expect("an address");
    assert_eq!(envelope.to.tag(), to.tag().map(|tag| tag.value()));
    assert_eq!(envelope.to.uri.to_string(), to.uri.to_string());
    assert_eq!(&*envelope.call_id, theirs.call_id_header().expect("Call-ID").value());
    let cseq = theirs.cseq_header().expect("CSeq").typed().expect("a CSeq");
    assert_eq!(envelope.cseq.number, cseq.seq);
    assert_eq!(envelope.cseq.method.to_string(), cseq.method.to_string());
    assert_eq!(&ours.body, theirs.body());
    // Content-Length stands in their list and not in ours.
    assert_eq!(ours.headers.len() + 1, theirs.headers().iter().count());
}

fn compare_all(sent: &[Transmit]) -> usize {
    for transmit in sent {
        compare(&transmit.payload);
    }
    sent.len()
}

#[test]
fn requests_and_responses_of_a_call_read_alike() {
    for text in [invite(), request("BYE", 2, "b", Some("t"), "")] {
        let whole = Message::parse(text.as_bytes()).expect("readable").to_bytes();
        compare(&whole);
    }
    let mut ua = Ua::new();
    let (incoming, tag) = confirmed(&mut ua);
    let mut seen = 0;
    ua.endpoint.reinvite(ua.now, incoming, b"v=0".to_vec()).expect("it is up");
    seen += compare_all(&ua.drain().sent);
    seen += compare_all(&ua.feed(&request("OPTIONS", 3, "o", Some(&tag), "")).sent);
    ua.endpoint.hangup(ua.now, incoming, Hangup { q850: Some(16) }).expect("it is up");
    seen += compare_all(&ua.drain().sent);
    ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    let out = ua.drain();
    seen += compare_all(&out.sent);
    let ok = response(&out.message(0), "200 OK", Some("b"), CONTACT_AND_SDP);
    seen += compare_all(&ua.feed(&ok).sent);
    assert_eq!(seen, 5, "INVITE, 200, BYE, INVITE, ACK");
}
