//! What it costs to read a request, beside rsip's bare parse: `cargo run --release -p partyline-sip
//! --example parse_cost`. Under callgrind with `ours` or `rsip` and a number of rounds, one of them
//! is run alone, so that its instructions can be counted.
//!
//! Ours is the message with its typed headers: Request-URI, Via, From, To, CSeq and Contact. rsip's
//! is the message alone, its headers left as text.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement")]

use std::hint::black_box;
use std::time::Instant;

use partyline_sip::message::{Envelope, Message, Name, NameAddr, StartLine, Uri};

const ROUNDS: u32 = 100_000;

/// Reads a message, and drops what it read.
type Reader = fn(&[u8]);

/// An INVITE as a carrier's SBC sends it, with an offer.
const INVITE: &str = "INVITE sip:+14165550100@203.0.113.10:5060;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK0g4c7a30d8uhq1k2t3o0.1;rport\r\n\
    Record-Route: <sip:198.51.100.7:5060;lr;ftag=as58f4201b>\r\n\
    Max-Forwards: 67\r\n\
    From: \"Ann Example\" <sip:+16475550123@198.51.100.7;user=phone>;tag=as58f4201b\r\n\
    To: <sip:+14165550100@203.0.113.10;user=phone>\r\n\
    Contact: <sip:+16475550123@198.51.100.7:5060;transport=udp>\r\n\
    Call-ID: 1b2c3d4e5f60718293a4b5c6d7e8f901@198.51.100.7\r\n\
    CSeq: 102 INVITE\r\n\
    User-Agent: SBC/8.4\r\n\
    Date: Mon, 30 Nov 2026 09:00:00 GMT\r\n\
    Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, UPDATE, PRACK\r\n\
    Supported: 100rel, timer, replaces\r\n\
    Session-Expires: 1800;refresher=uac\r\n\
    Min-SE: 90\r\n\
    P-Asserted-Identity: \"Ann Example\" <sip:+16475550123@198.51.100.7>\r\n\
    Privacy: none\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 278\r\n\r\n\
    v=0\r\no=SBC 20518 20518 IN IP4 198.51.100.8\r\ns=session\r\nc=IN IP4 198.51.100.8\r\nt=0 0\r\n\
    m=audio 17382 RTP/AVP 0 8 9 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n\
    a=maxptime:150\r\na=sendrecv\r\n\r\n";

fn ours(bytes: &[u8]) {
    let message = Message::parse(bytes).expect("a message");
    assert!(message.fault.is_none(), "{:?}", message.fault);
    let StartLine::Request { uri, .. } = &message.start else { unreachable!("a request") };
    let uri = Uri::parse(uri).expect("a URI");
    let envelope = Envelope::read(&message).expect("typed headers");
    let contact = message.headers.text(&Name::Contact).expect("a Contact");
    let contact = NameAddr::parse(contact).expect("an address");
    black_box((message, uri, envelope, contact));
}

fn theirs(bytes: &[u8]) {
    black_box(rsip::SipMessage::try_from(bytes).expect("a message"));
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next();
    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let readers: [(&str, Reader); 2] = [("ours", ours), ("rsip", theirs)];
    for (name, read) in readers {
        if only.as_ref().is_none_or(|only| only == name) {
            let began = Instant::now();
            for _ in 0..rounds {
                read(black_box(INVITE.as_bytes()));
            }
            println!("{name}: {} ns a message", began.elapsed().as_nanos() / u128::from(rounds));
        }
    }
}
