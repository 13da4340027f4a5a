//! What goes wrong between bridges and real carriers, each failure by its name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;

use bridge_tests::sim::builder::carrier;
use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, ms, secs};
use partyline_cdr_record::{CloseReason, LegRecord, Presentation, StatusCode};
use partyline_control::{
    FromUser, IdentityHeader, NumberFormat, Numbers, Presenting, RejectCodes, Trunk, TrunkLimits,
    TrunkSound,
};
use partyline_model::Codec;
use partyline_phones::{Ending, PhoneConfig};
use partyline_sip::auth::{Login, Password};
use partyline_sip::{CalledPlace, Identity};

const SOURCE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 70, 0, 1)), 5060);

/// An INVITE with these headers among the others; To is theirs to say, and From if they like.
fn invite(call_id: &str, uri: &str, headers: &str) -> Vec<u8> {
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.70.0.1\r\ns=-\r\nc=IN IP4 10.70.0.1\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 0\r\n";
    let from = if headers.contains("From:") { "" } else { "From: <sip:x@h>;tag=1\r\n" };
    format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.70.0.1:5060;branch=z9hG4bK{call_id}\r\n\
         {from}Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:x@10.70.0.1>\r\nMax-Forwards: 70\r\n{headers}\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}

/// The leg of each INVITE, thrown at a world whose carrier writes numbers so.
fn legs(numbers: Numbers, invites: &[(String, String)]) -> Vec<LegRecord> {
    legs_of(Trunk { numbers, ..carrier() }, invites)
}

/// The leg of each INVITE that a trunk sends.
fn legs_of(trunk: Trunk, invites: &[(String, String)]) -> Vec<LegRecord> {
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

/// The INVITE that a moderator's `*1` makes of 416 555 0199, by a trunk with these terms.
fn invite_out(change: impl FnOnce(&mut Trunk)) -> String {
    let mut world = World::build();
    world = world.without_audio().keep_log().trunks(|trunks| change(&mut trunks[0]));
    let mut world = world.start();
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(4)).press(anna, "*1").run_for(secs(3));
    world.press(anna, "4165550199#").run_for(secs(3));
    let log = String::from_utf8_lossy(world.log()).into_owned();
    world.finish();
    let begin = log.rfind("INVITE sip:").unwrap();
    log[begin..].split("\r\n\r\n").next().unwrap().to_owned()
}

/// The value of a header of a message.
fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Failure 9: 403, since From, its domain or the identity is not what the carrier checks.
#[test]
fn a_carrier_that_checks_who_calls_finds_what_it_looks_for() {
    let login = || Login::new("1234567t0", Password::new(b"x".to_vec().into())).unwrap();
    let sipgate = invite_out(|trunk| {
        trunk.domain = Some("sip.carrier.example".to_owned());
        trunk.login = Some(std::sync::Arc::new(login()));
        trunk.numbers.format = NumberFormat::Plain;
        let identity = Some(IdentityHeader::Preferred);
        trunk.presenting =
            Presenting { from: FromUser::Account, identity, ..Presenting::default() };
    });
    assert!(sipgate.starts_with("INVITE sip:14165550199@sip.carrier.example SIP/2.0"), "{sipgate}");
    let from = header(&sipgate, "From").unwrap();
    assert!(from.starts_with("<sip:1234567t0@sip.carrier.example>;tag="), "{from}");
    let number = "<sip:14165550111@sip.carrier.example>";
    assert_eq!(header(&sipgate, "P-Preferred-Identity"), Some(number));
    assert_eq!(header(&sipgate, "P-Asserted-Identity"), None);
    let france = invite_out(|trunk| {
        trunk.numbers = Numbers {
            format: NumberFormat::National,
            country: "33".parse().ok(),
            prefix_out: "4711#".to_owned(),
            user_phone: true,
            ..Numbers::default()
        };
        trunk.presenting.identity = Some(IdentityHeader::RemoteParty);
    });
    let uri = "sip:4711%230014165550199@198.51.100.1:5060;user=phone";
    assert!(france.starts_with(&format!("INVITE {uri} SIP/2.0")), "{france}");
    assert_eq!(header(&france, "To"), Some(&*format!("<{uri}>")));
    let from = header(&france, "From").unwrap();
    assert!(from.starts_with("<sip:0014165550111@192.0.2.1;user=phone>;tag="), "{from}");
    let party =
        "<sip:0014165550111@198.51.100.1:5060;user=phone>;party=calling;screen=yes;privacy=off";
    assert_eq!(header(&france, "Remote-Party-ID"), Some(party));
    let anonymous = invite_out(|trunk| trunk.presenting.anonymous = true);
    let from = header(&anonymous, "From").unwrap();
    assert!(from.starts_with("\"Anonymous\"<sip:anonymous@anonymous.invalid>;tag="), "{from}");
    assert_eq!(header(&anonymous, "Privacy"), Some("id"));
    let asserted = header(&anonymous, "P-Asserted-Identity").unwrap();
    assert_eq!(asserted, "<sip:+14165550111@198.51.100.1:5060>");
}

#[test]
fn a_number_that_is_withheld_in_any_form_is_withheld_in_the_record() {
    let asserted = "P-Asserted-Identity: <tel:+14165550177>\r\n";
    let cases = [
        ("From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1", asserted, true),
        ("From: <sip:restricted@h>;tag=1", asserted, true),
        ("From: <sip:unavailable@h>;tag=1", asserted, true),
        ("From: <tel:anonymous>;tag=1", asserted, true),
        ("From: <sip:h>;tag=1", asserted, true),
        ("From: <sip:+14165550177@anonymous.invalid>;tag=1", "", true),
        ("From: <sip:+14165550177@h>;tag=1", "Privacy: id\r\n", true),
        ("From: <sip:+14165550177@h>;tag=1", "Privacy: header;user\r\n", true),
        (
            "From: <sip:x@h>;tag=1",
            "Remote-Party-ID: <sip:+14165550177@h>;party=calling;privacy=full\r\n",
            true,
        ),
        (
            "From: <sip:x@h>;tag=1",
            "Remote-Party-ID: <sip:+14165550177@h>;party=calling;privacy=off\r\n",
            false,
        ),
        ("From: <sip:x@h>;tag=1", "P-Preferred-Identity: <sip:+14165550177@h>\r\n", false),
        ("From: <sip:+14165550177@h>;tag=1", "Privacy: none\r\n", false),
    ];
    let invites = cases.map(|(from, more, _)| {
        ("sip:18005550142@h".to_owned(), format!("{from}\r\nTo: <sip:x@h>\r\n{more}"))
    });
    let places = [Identity::Asserted, Identity::RemoteParty, Identity::From, Identity::Preferred];
    let trunk = Trunk { caller_from: places.to_vec(), ..carrier() };
    for (leg, (from, more, withheld)) in legs_of(trunk, &invites).iter().zip(cases) {
        assert!(was_answered(leg), "{from} {more}");
        assert_eq!(leg.ani, "14165550177".parse().ok(), "{from} {more}");
        let expected = if withheld { Presentation::Restricted } else { Presentation::Allowed };
        assert_eq!(leg.ani_presentation, expected, "{from} {more}");
    }
    // The network's word counts from a trunk that is believed only.
    let strange = Trunk { caller_from: places.to_vec(), trusted: false, ..carrier() };
    let legs = legs_of(strange, &invites);
    assert_eq!(legs[1].ani, None);
    assert_eq!(legs[9].ani, None);
    assert_eq!(legs[1].ani_presentation, Presentation::Restricted);
}

#[test]
fn calls_are_refused_by_the_statuses_that_the_trunk_wants() {
    let mut reject = RejectCodes::default();
    reject.codes.unknown_number = StatusCode::new(603);
    reject.codes.full = StatusCode::new(600);
    reject.over_limit = StatusCode::new(480);
    let change = |trunks: &mut Vec<Trunk>| {
        trunks[0].reject = reject;
        trunks[0].limits = TrunkLimits { max_in: Some(3), ..TrunkLimits::default() };
    };
    let mut world = World::build().without_audio().trunks(change);
    world = world.config(|config| config.max_calls = 2);
    let mut world = world.start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    let lost = |phone: &mut PhoneConfig| phone.to = "+14165550100".to_owned();
    let lost = world.phone_with("lost", lost);
    world.dial(lost).run_for(secs(1));
    world.dial(anna).dial(ben).run_for(secs(1)).dial(carl).run_for(ms(500));
    assert_eq!(world.ending(lost), Some(Ending::Refused(603)));
    assert_eq!(world.ending(carl), Some(Ending::Refused(600)));
    let ids = [lost, carl].map(|phone| world.call_id(phone).to_owned());
    let records = world.finish();
    assert_eq!(ids.map(|id| records.leg(&id).sip_status), [Some(603), Some(600)]);
    let change = |trunks: &mut Vec<Trunk>| {
        trunks[0].reject = reject;
        trunks[0].limits = TrunkLimits { max_in: Some(1), ..TrunkLimits::default() };
    };
    let mut world = World::build().without_audio().trunks(change).start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.dial(anna).run_for(secs(1)).dial(ben).run_for(ms(500));
    assert_eq!(world.ending(ben), Some(Ending::Refused(480)));
    world.finish();
}

/// Failure 12: muted or alone, and the carrier hangs up for want of RTP.
#[test]
fn everybody_is_muted_for_five_minutes_and_each_leg_gets_fifty_packets_a_second() {
    // Twelve octets of RTP and 20 ms of PCMU.
    const PACKET: usize = 172;
    let mut world = World::build().goes_on_alone().start();
    let phones = world.phones(["anna", "ben", "carl"]);
    world.join(phones[0], MODERATOR).join(phones[1], PARTICIPANT).join(phones[2], PARTICIPANT);
    world.run_for(secs(5));
    for phone in phones {
        world.press(phone, "*6").hush(phone).run_for(secs(3));
    }
    let to = phones.map(|phone| world.phone(phone).config().rtp_address);
    let mut before = to.map(|to| world.media_sent_to(to));
    for second in 0..300 {
        world.run_for(secs(1));
        let sent = to.map(|to| world.media_sent_to(to));
        for (sent, before) in sent.iter().zip(before) {
            assert_eq!((sent - before) / PACKET, 50, "in second {second}");
        }
        before = sent;
    }
    assert!(phones.iter().all(|&phone| world.is_up(phone)));
    world.finish();
}

/// Failures 17 and 24: the wrong codec first, another packet time.
#[test]
fn a_trunk_has_its_order_of_codecs_and_its_packet_time() {
    let sound = TrunkSound { codecs: vec![Codec::Pcma, Codec::Pcmu], ptime_ms: 30 };
    let mut world = World::build().trunks(|trunks| trunks[0].sound = sound).keep_log().start();
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(4));
    let to = world.phone(anna).config().rtp_address;
    let before = world.media_sent_to(to);
    world.run_for(secs(3));
    // Anna asks for no packet time but her own 20 ms.
    assert_eq!((world.media_sent_to(to) - before) / 172, 150);
    world.press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#").run_for(secs(4));
    let log = String::from_utf8_lossy(world.log()).into_owned();
    let begin = log.rfind("INVITE sip:+14165550199").unwrap();
    let offer = log[begin..].split("\r\n\r\n").nth(1).unwrap();
    assert!(offer.contains(" RTP/AVP 8 0 "), "{offer}");
    assert!(offer.contains("a=ptime:30\r\n"), "{offer}");
    world.finish();
}
