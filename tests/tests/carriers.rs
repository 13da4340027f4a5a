//! What goes wrong between bridges and real carriers, each failure by its name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;

use bridge_tests::sim::builder::carrier;
use bridge_tests::sim::{World, secs};
use partyline_cdr_record::{CloseReason, LegRecord};
use partyline_control::{Numbers, Trunk};
use partyline_sip::CalledPlace;

const SOURCE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 70, 0, 1)), 5060);

/// An INVITE with these headers among the others; To is theirs to say.
fn invite(call_id: &str, uri: &str, headers: &str) -> Vec<u8> {
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.70.0.1\r\ns=-\r\nc=IN IP4 10.70.0.1\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 0\r\n";
    format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.70.0.1:5060;branch=z9hG4bK{call_id}\r\n\
         From: <sip:x@h>;tag=1\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:x@10.70.0.1>\r\nMax-Forwards: 70\r\n{headers}\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}

/// The leg of each INVITE, thrown at a world whose carrier writes numbers so.
fn legs(numbers: Numbers, invites: &[(String, String)]) -> Vec<LegRecord> {
    let trunk = Trunk { numbers, ..carrier() };
    let world = World::build().without_audio().trunks(|trunks| *trunks = vec![trunk]);
    let mut world = world.start();
    for (n, (uri, headers)) in invites.iter().enumerate() {
        world.throw_at_sip(SOURCE, &invite(&format!("call{n}"), uri, headers));
    }
    world.run_for(secs(3));
    let records = world.finish();
    (0..invites.len()).map(|n| records.leg(&format!("call{n}")).clone()).collect()
}

/// Whether the bridge answered; nobody acknowledged it.
fn was_answered(leg: &LegRecord) -> bool {
    leg.close_reason == Some(CloseReason::NoAck)
}

/// Failure 8: the called number stands elsewhere, or in another form.
#[test]
fn the_called_number_stands_elsewhere_or_in_another_form() {
    let forms = ["18005550142", "+18005550142", "0018005550142", "01118005550142", "8005550142"];
    let named = |place: &str, form: &str| {
        let (uri, to) = ("sip:trunk@h".to_owned(), "To: <sip:trunk@h>\r\n");
        match place {
            "request-uri" => (format!("sip:{form}@h"), to.to_owned()),
            "to" => (uri, format!("To: <sip:{form}@h>\r\n")),
            "diversion" => (uri, format!("{to}Diversion: <sip:{form}@h>;reason=unknown\r\n")),
            "history-info" => {
                let entries = format!("<sip:{form}@h>;index=1, <sip:trunk@h>;index=1.1;mp=1");
                (uri, format!("{to}History-Info: {entries}\r\n"))
            }
            name => (uri, format!("{to}{name}: <sip:{form}@h;user=phone>\r\n")),
        }
    };
    let places = [
        "request-uri",
        "to",
        "p-called-party-id",
        "diversion",
        "history-info",
        "p-preferred-identity",
        "x-did",
    ];
    for place in places {
        let numbers = Numbers {
            called_from: vec![place.parse().unwrap()],
            country: "1".parse().ok(),
            international: vec!["00".to_owned(), "011".to_owned()],
            ..Numbers::default()
        };
        let invites = forms.map(|form| named(place, form));
        for (leg, form) in legs(numbers, &invites).iter().zip(forms) {
            let dnis = leg.dnis.map(|number| number.to_string());
            assert_eq!(dnis.as_deref(), Some("18005550142"), "{form} in {place}");
            assert!(was_answered(leg), "{form} in {place}");
            assert_eq!(leg.dnis_raw.as_str(), form, "as it was sent, in {place}");
        }
    }
}

#[test]
fn the_first_place_that_names_a_number_of_ours_counts() {
    let called_from = ["request-uri", "diversion", "to"].map(|place| place.parse().unwrap());
    let numbers = || Numbers { called_from: called_from.to_vec(), ..Numbers::default() };
    let other = "sip:+14165550100@h".to_owned();
    let diverted = "To: <sip:+14165550101@h>\r\nDiversion: <sip:+18005550142@h>\r\n".to_owned();
    let unknown = "To: <sip:+14165550101@h>\r\n".to_owned();
    let found = legs(numbers(), &[(other.clone(), diverted), (other.clone(), unknown)]);
    assert!(was_answered(&found[0]));
    assert_eq!(found[0].dnis_raw.as_str(), "+18005550142");
    assert_eq!(found[1].sip_status, Some(404));
    assert_eq!(found[1].dnis_raw.as_str(), "+14165550100", "the first number of all");
    let usual = legs(Numbers::default(), &[(other, "To: <sip:+18005550142@h>\r\n".to_owned())]);
    assert!(!was_answered(&usual[0]), "no other place is looked at unasked");
    assert_eq!(Numbers::default().called_from, [CalledPlace::RequestUri]);
}

/// Failure 20: tel: URIs, and parameters in the user part.
#[test]
fn a_number_has_parameters_or_another_scheme() {
    let uris = [
        "sip:+18005550142;tgrp=x;trunk-context=y.example@h",
        "sip:+18005550142;npdi@h",
        "sip:+18005550142;npdi;rn=+14165550000@h;user=phone",
        "sip:+18005550142;verstat=TN-Validation-Passed@h",
        "sip:+18005550142;isub=4711@h",
        "tel:+18005550142",
        "tel:+1-800-555-0142;npdi;rn=+14165550000",
        "tel:+18005550142;isub=4711;verstat=No-TN-Validation",
        "tel:8005550142;phone-context=+1",
        "sip:8005550142;phone-context=+1@h;user=phone",
        "sip:555-0142;phone-context=+1-800@h;user=phone",
        "tel:18005550142;phone-context=carrier.example",
    ];
    let invites = uris.map(|uri| (uri.to_owned(), "To: <sip:x@h>\r\n".to_owned()));
    for (leg, uri) in legs(Numbers::default(), &invites).iter().zip(uris) {
        let dnis = leg.dnis.map(|number| number.to_string());
        assert_eq!(dnis.as_deref(), Some("18005550142"), "{uri}");
        assert!(was_answered(leg), "{uri}");
    }
}
