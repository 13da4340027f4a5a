//! What the bridge keeps of the SIP messages of its calls, for `partyline trace`.

use std::net::SocketAddr;

use bridge_tests::sim::{MODERATOR, World, ms, secs};
use partyline_control::{TraceFilter, TraceKind, Traced, TracedMessage};
use partyline_phones::{DigitMode, Encryption};
use partyline_sip::sdp::SrtpPolicy;

const STRANGER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)), 5060);

fn all(world: &World) -> Vec<Traced> {
    world.node().traced(&TraceFilter { last: usize::MAX, ..TraceFilter::default() })
}

fn text(message: &TracedMessage) -> String {
    String::from_utf8_lossy(&message.octets).into_owned()
}

/// Each message of a call: its direction, and method or status.
fn ladder(traced: &Traced) -> Vec<String> {
    let line = |message: &TracedMessage| {
        let text = text(message);
        let word = text.strip_prefix("SIP/2.0 ").unwrap_or(&text).split(' ').next();
        let repeated = if message.is_repeated { " again" } else { "" };
        format!(
            "{}{}{repeated}",
            if message.is_sent { "> " } else { "< " },
            word.unwrap_or_default()
        )
    };
    traced.messages.iter().map(line).collect()
}

#[test]
fn every_message_of_a_call_is_traced_in_its_order() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(3));
    let up = all(&world);
    assert_eq!((up.len(), up[0].is_live, up[0].trunk.as_deref()), (1, true, Some("carrier")));
    world.hang_up(anna).run_for(secs(1));
    let traced = all(&world);
    let expected = ["< INVITE", "> 100", "> 200", "< ACK", "< BYE", "> 200"];
    assert_eq!(ladder(&traced[0]), expected);
    assert_eq!((traced[0].kind, traced[0].is_live), (TraceKind::Call, false));
    assert_eq!(traced[0].call_id, world.call_id(anna));
    assert!(text(&traced[0].messages[0]).contains("INVITE sip:+18005550142@"), "ours to show");
    assert!(text(&traced[0].messages[0]).contains("From: <sip:+14165551000@"));
    assert!(text(&traced[0].messages[2]).contains("\r\na=rtpmap:0 PCMU/8000\r\n"));
    world.finish();
}

#[test]
fn a_call_out_shows_whom_it_is_for_and_by_which_trunk() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    let dora = world.callee("dora", "14165550199", |_| ());
    world.join(anna, MODERATOR).run_for(secs(4)).press(anna, "*1").run_for(secs(3));
    world.press(anna, "4165550199#").run_for(secs(3)).hang_up(dora).run_for(secs(1));
    let traced = all(&world);
    let [_, out] = &traced[..] else { panic!("two calls: {traced:?}") };
    assert!(out.is_outbound && !out.is_live);
    assert_eq!(out.trunk.as_deref(), Some("carrier"));
    assert!(text(&out.messages[0]).starts_with("INVITE sip:+14165550199@"));
    assert_eq!(ladder(out).first().map(String::as_str), Some("> INVITE"));
    assert_eq!(ladder(out)[ladder(out).len() - 2..], ["< BYE", "> 200"]);
    world.finish();
}

#[test]
fn a_trace_holds_no_passcode_however_it_came() {
    let secret = MODERATOR.trim_end_matches('#');
    let mut world = World::build().start();
    let anna = world.phone_with("anna", |phone| phone.digit_mode = DigitMode::Info);
    let ben = world.phone_with("ben", |phone| phone.uri_parameters = format!(";pin={secret}"));
    let carl = world.phone_with("carl", |phone| phone.to = format!("+18005550142{}", &secret[..4]));
    let dave = world.phone_with("dave", |phone| {
        (phone.to, phone.from) = (secret.to_owned(), secret.to_owned());
    });
    world.join(anna, MODERATOR).dial(ben).dial(carl).dial(dave).run_for(secs(5));
    assert!(world.room_of(anna).is_some() && world.room_of(ben).is_some());
    world.hang_up(anna).hang_up(ben).run_for(secs(1));
    let traced = all(&world);
    assert_eq!(traced.len(), 4);
    for text in traced.iter().flat_map(|traced| &traced.messages).map(text) {
        assert!(!text.contains(&secret[..4]), "{text}");
        assert!(!text.contains("Signal") && !text.contains("Duration"), "{text}");
    }
    assert!(traced.iter().all(|traced| !traced.caller.contains(secret)));
    let info = ladder(&traced[0]).iter().filter(|line| line.ends_with("INFO")).count();
    assert_eq!(info, 1, "as many as there are would say how long the passcode is");
    world.finish();
}

#[test]
fn a_trace_holds_no_key_of_media() {
    let build = World::build().trunks(|trunks| trunks[0].srtp = SrtpPolicy::Required);
    let mut world = build.start();
    let anna = world.phone_with("anna", |phone| phone.encryption = Encryption::Required);
    world.join(anna, MODERATOR).run_for(secs(3)).hang_up(anna).run_for(secs(1));
    let traced = all(&world);
    let lines: Vec<_> = traced[0].messages.iter().map(text).collect();
    let crypto = lines.iter().flat_map(|text| text.lines()).filter(|line| line.contains("inline"));
    let crypto: Vec<_> = crypto.collect();
    assert!(crypto.len() >= 2, "{lines:?}");
    assert!(crypto.iter().all(|line| line.ends_with(" inline:*")), "{crypto:?}");
    world.finish();
}

fn invite(call_id: &str) -> String {
    format!(
        "INVITE sip:+18005550142@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{call_id}\r\n\
         From: <sip:1@h>;tag=1\r\nTo: <sip:+18005550142@192.0.2.1>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:1@h>\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn strangers_are_told_apart_and_drive_no_call_out() {
    let mut world = World::build().without_audio().start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna).run_for(secs(3));
    for n in 0..100 {
        world.throw_at_sip(STRANGER, invite(&format!("s{n}")).as_bytes()).run_for(ms(150));
    }
    let traced = all(&world);
    let of = |kind| traced.iter().filter(|traced| traced.kind == kind).count();
    assert_eq!((of(TraceKind::Call), of(TraceKind::Stranger)), (1, 50));
    // Those who are not heard, since too many ask, are not kept either.
    for stranger in traced.iter().filter(|traced| traced.kind == TraceKind::Stranger) {
        assert_eq!(ladder(stranger), ["< INVITE", "> 403"]);
    }
    world.finish();
}

#[test]
fn what_a_stranger_says_of_a_call_is_not_of_the_call() {
    let mut world = World::build().without_audio().start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna).run_for(secs(3));
    let before = ladder(&all(&world)[0]);
    let call_id = world.call_id(anna).to_owned();
    world.throw_at_sip(STRANGER, invite(&call_id).as_bytes()).run_for(secs(1));
    let after = ladder(&all(&world)[0]);
    assert!(!after.iter().skip(before.len()).any(|line| line.starts_with('<')), "{after:?}");
    world.finish();
}

#[test]
fn a_trunks_call_that_was_refused_at_once_is_traced_with_its_answer() {
    let mut world = World::build().without_audio().start();
    let from: SocketAddr = "10.70.0.1:5060".parse().expect("an address");
    let broken = invite("broken").replace("CSeq: 1 INVITE", "CSeq: 1 BYE");
    world.throw_at_sip(from, broken.as_bytes()).run_for(secs(1));
    let traced = all(&world);
    assert_eq!((traced.len(), traced[0].kind), (1, TraceKind::Refused));
    assert_eq!(ladder(&traced[0]), ["< INVITE", "> 400"]);
    world.finish();
}
