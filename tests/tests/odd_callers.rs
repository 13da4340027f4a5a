//! Numbers as carriers write them: whom a call is for, and who calls.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;

use bridge_tests::sim::{World, secs};
use partyline_cdr_record::{CloseReason, Presentation};

const SOURCE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 70, 0, 1)), 5060);

/// An INVITE for `uri`, with From and further headers.
fn invite(call_id: &str, uri: &str, from: &str, more: &str) -> Vec<u8> {
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.70.0.1\r\ns=-\r\nc=IN IP4 10.70.0.1\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 0\r\n";
    format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.70.0.1:5060;branch=z9hG4bK{call_id}\r\n\
         From: {from};tag=1\r\nTo: <sip:x@h>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:x@10.70.0.1>\r\nMax-Forwards: 70\r\n{more}\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}

#[test]
fn a_number_reaches_the_dial_in_in_every_form() {
    let forms = [
        "sip:+18005550142;npdi;rn=+14165550000@h;user=phone",
        "sip:18005550142;phone-context=pbx.example@h",
        "sip:5550142;phone-context=+1800@h;user=phone",
        "sip:5550142;phone-context=%2B1800@h",
        "sip:+18005550142;cic=+1-0288@h;user=phone",
        "sip:+18005550142;cpc=ordinary@h",
        "sip:+18005550142;tgrp=x;trunk-context=y.example@h",
        "tel:+18005550142;npdi",
        "tel:+1-800-555-0142",
        "tel:%2B18005550142",
        "sip:%2B18005550142@h",
        "sip:%318005550142@h",
        "sip:conference@h",
        "sip:conference;phone-context=pbx.example@h",
        "sip:%63onference@h;user=dialstring",
        "sip:+18005550142%3Bnpdi@h",
        "sip:+18005550142%3bnpdi%3Brn%3D+14165550000@h;user=phone",
        "tel:+18005550142%3Bnpdi",
        "sip:5550142@h;phone-context=+1800;user=phone",
        "sip:5550142@h;phone-context=%2B1800;user=phone",
    ];
    let mut world = World::build().without_audio().start();
    for (n, form) in forms.iter().enumerate() {
        world.throw_at_sip(SOURCE, &invite(&format!("form{n}"), form, "<sip:x@h>", ""));
    }
    world.run_for(secs(3));
    let records = world.finish();
    for (n, form) in forms.iter().enumerate() {
        let leg = records.leg(&format!("form{n}"));
        assert_eq!(leg.dnis.map(|number| number.to_string()).as_deref(), Some("18005550142"));
        // It was answered, and nothing came of that.
        assert_eq!(leg.close_reason, Some(CloseReason::NoAck), "{form}");
        let (_, user) = form.split_once(':').unwrap();
        assert_eq!(leg.dnis_raw.as_str(), user.split('@').next().unwrap(), "as it was sent");
    }
}

#[test]
fn the_first_identity_that_is_a_number_is_the_callers() {
    let cases = [
        (
            "<sip:x@h>",
            "P-Asserted-Identity: \"A\" <sip:alice.ng@corp.example>, <tel:+14165550177>\r\n",
            Some("14165550177"),
        ),
        (
            "<sip:x@h>",
            "P-Asserted-Identity: <sip:alice@corp.example>\r\n\
             P-Asserted-Identity: <sip:+1-416-555-0178;cpc=x@h;user=phone>\r\n",
            Some("14165550178"),
        ),
        (
            "<sip:+14165550179@h>",
            "P-Asserted-Identity: <sip:alice@corp.example>\r\n",
            Some("14165550179"),
        ),
        (
            "<tel:5550180;phone-context=+1416>",
            "P-Asserted-Identity: <broken, sip:\r\n",
            Some("14165550180"),
        ),
        ("sip:@h", "P-Asserted-Identity: <tel:+14165550181>\r\n", Some("14165550181")),
        ("<sip:alice@h>", "P-Asserted-Identity: <sip:alice@corp.example>\r\n", None),
    ];
    let mut world = World::build().without_audio().start();
    for (n, (from, more, _)) in cases.iter().enumerate() {
        let message = invite(&format!("id{n}"), "sip:conference@h", from, more);
        world.throw_at_sip(SOURCE, &message);
    }
    world.run_for(secs(3));
    let records = world.finish();
    for (n, (from, more, expected)) in cases.iter().enumerate() {
        let leg = records.leg(&format!("id{n}"));
        let number = leg.ani.map(|number| number.to_string());
        assert_eq!(number.as_deref(), *expected, "{from} {more}");
        // Who shows nobody in From, and whose number the network adds, did not show it.
        let shown = match expected {
            Some(_) if *from == "sip:@h" => Presentation::Restricted,
            Some(_) => Presentation::Allowed,
            None => Presentation::Unavailable,
        };
        assert_eq!(leg.ani_presentation, shown, "{from} {more}");
    }
}
