//! Trunks that we register at and that we ask whether they are there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bridge_tests::sim::builder::{CARRIER, carrier};
use bridge_tests::sim::{FarEnd, MODERATOR, Pings, Registers, World, ms, secs};
use partyline_control::{Trunk, TrunkAccount, TrunkFault, TrunkState};
use partyline_phones::{Answering, PhoneId};
use partyline_sip::Transport;
use partyline_sip::auth::{Login, Password, Unanswerable};
use partyline_sip::health::HealthRules;
use partyline_sip::message::{Status, Uri};
use partyline_sip::register::DownReason;

const NUMBER: &str = "14165550199";
const ANSWERS: FarEndIs = FarEndIs(Registers::Grants(600), Pings::Answers(200));

/// What a far end does.
#[derive(Clone, Copy)]
struct FarEndIs(Registers, Pings);

impl From<FarEndIs> for FarEnd {
    fn from(is: FarEndIs) -> Self {
        Self::new(is.0, is.1)
    }
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn elsewhere() -> SocketAddr {
    "198.51.100.9:5060".parse().unwrap()
}

/// A trunk with an account, that is not pinged.
fn registering(id: u32) -> Trunk {
    let password = Password::new(b"zanzibar".to_vec().into());
    Trunk {
        id,
        name: format!("line {id}"),
        login: Some(Arc::new(Login::new("1234567t0", password).unwrap())),
        domain: Some("carrier.example".to_owned()),
        account: Some(TrunkAccount {
            registrar: CARRIER.into(),
            domain: uri("sip:carrier.example"),
            aor: uri("sip:1234567t0@carrier.example"),
            expires: secs(600),
        }),
        ..carrier()
    }
}

fn registered(registers: Registers) -> World {
    let build = World::build().without_audio().trunks(|trunks| trunks.push(registering(9)));
    build.far_end(CARRIER, FarEnd::new(registers, Pings::Silent)).start()
}

/// What was logged of trunks: when, and what was known then.
fn story(world: &World) -> Vec<(Duration, TrunkState)> {
    world.trunk_changes().iter().map(|(at, change)| (*at, change.state)).collect()
}

fn states(world: &World) -> Vec<TrunkState> {
    story(world).into_iter().map(|(_, state)| state).collect()
}

const fn unregistered(reason: DownReason) -> TrunkState {
    TrunkState::Down(TrunkFault::Unregistered(reason))
}

#[test]
fn a_trunk_registers_and_stays_registered() {
    let mut world = registered(Registers::Grants(600));
    world.run_for(secs(1));
    let seen = world.far_end(CARRIER).registered();
    assert_eq!(seen.len(), 2, "asked who we are, and answered");
    assert!(seen[1].text.starts_with("REGISTER sip:carrier.example SIP/2.0\r\n"));
    assert!(seen[1].header("Authorization").unwrap().contains("username=\"1234567t0\""));
    let contact = seen[1].header("Contact").unwrap();
    assert!(contact.ends_with("@192.0.2.1:5060>"), "{contact}");
    let token = seen[1].contact_user().unwrap().to_owned();
    assert!(token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{token}");
    world.run_for(secs(7200));
    let seen = world.far_end(CARRIER).registered();
    let granted: Vec<_> =
        seen.iter().filter(|seen| seen.header("Authorization").is_some()).collect();
    for pair in granted.windows(2) {
        assert!(pair[1].at - pair[0].at < secs(600), "renewed before the end");
    }
    assert!((13..30).contains(&granted.len()), "{}", granted.len());
    assert!(seen.iter().all(|seen| seen.contact_user() == Some(&*token)));
    assert_eq!(states(&world), [TrunkState::Up], "said once");
    let status = world.node().trunk_states();
    assert_eq!((status[0].state, status[0].binding), (TrunkState::Unwatched, None));
    assert_eq!((status[1].id, status[1].last_status), (9, Some(Status::OK)));
    assert!(status[1].binding.unwrap().until.unwrap() > partyline_model::Time::from_secs(7201));
    world.finish();
    // Another run of the same bridge is reached by the same Contact.
    let mut again = registered(Registers::Grants(600));
    again.run_for(secs(1));
    let contact = again.far_end(CARRIER).registered()[0].contact_user().map(str::to_owned);
    assert_eq!(contact, Some(token));
    again.finish();
}

#[test]
fn calls_by_our_contact_belong_to_the_trunk_that_registered() {
    let mut world = registered(Registers::Grants(600));
    world.run_for(secs(1));
    let contact = world.far_end(CARRIER).registered()[0].contact_user().unwrap().to_owned();
    let called = ("P-Called-Party-ID".to_owned(), "<sip:+18005550142@carrier.example>".to_owned());
    let by_contact = |world: &mut World, name: &str, to: &str| {
        let (to, called) = (to.to_owned(), called.clone());
        world.phone_with(name, move |phone| (phone.to, phone.headers) = (to, vec![called]))
    };
    let anna = by_contact(&mut world, "anna", &contact);
    let [ben] = world.phones(["ben"]);
    // One digit of the token is another.
    let other = if contact.ends_with('0') { "1" } else { "0" };
    let carl = by_contact(&mut world, "carl", &(contact[..31].to_owned() + other));
    world.join(anna, MODERATOR).join(ben, MODERATOR);
    world.dial(carl).run_for(secs(2));
    let records = world.finish();
    let leg = records.leg(world.call_id(anna));
    assert_eq!(leg.trunk_in, Some(9));
    assert_eq!(leg.dnis_raw.as_str(), "+18005550142", "no token in records");
    assert_eq!(records.leg(world.call_id(ben)).trunk_in, Some(7), "by its address");
    assert_eq!(records.leg(world.call_id(carl)).trunk_in, Some(7), "not by a guess");
}

#[test]
fn a_binding_that_ends_is_said() {
    let mut world = registered(Registers::Grants(60));
    world.run_for(secs(5));
    world.change_far_end(CARRIER, |far| far.registers = Registers::Silent).run_for(secs(120));
    let story = story(&world);
    let expected = [TrunkState::Up, unregistered(DownReason::Expired)];
    assert_eq!(states(&world)[..2], expected);
    assert!(story[1].0 >= secs(60) && story[1].0 < secs(61), "when it ends: {:?}", story[1].0);
    let rest = &states(&world)[2..];
    assert!(rest.iter().all(|state| *state == unregistered(DownReason::Unreachable(None))));
    assert!(rest.len() <= 1, "each reason once: {rest:?}");
    world.change_far_end(CARRIER, |far| far.registers = Registers::Grants(60)).run_for(secs(1900));
    assert_eq!(states(&world).last(), Some(&TrunkState::Up), "tried without end");
    world.finish();
}

#[test]
fn a_wrong_password_is_said_and_not_hammered() {
    let mut world = registered(Registers::Asks);
    world.run_for(secs(3600));
    assert_eq!(
        states(&world),
        [unregistered(DownReason::Unauthorized(Unanswerable::Refused))],
        "once"
    );
    let tries = world.far_end(CARRIER).registered().len();
    assert!((4..20).contains(&tries), "{tries} requests in an hour");
    assert!(!world.uttered().windows(8).any(|octets| octets == b"zanzibar"));
    world.finish();
}

#[test]
fn a_new_password_registers_at_once_and_drops_no_call() {
    let mut world = registered(Registers::Grants(600));
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(1));
    world.change_far_end(CARRIER, |far| far.registers = Registers::Asks).run_for(secs(600));
    let refused = unregistered(DownReason::Unauthorized(Unanswerable::Refused));
    assert_eq!(states(&world), [TrunkState::Up, refused]);
    let tries = world.far_end(CARRIER).registered().len();
    world.change_far_end(CARRIER, |far| far.registers = Registers::Grants(600));
    let password = Password::new(b"new".to_vec().into());
    let login = Arc::new(Login::new("1234567t0", password).unwrap());
    world.renew_login(1, login).run_for(secs(1));
    assert_eq!(world.far_end(CARRIER).registered().len(), tries + 2, "without a wait");
    assert_eq!(states(&world).last(), Some(&TrunkState::Up));
    assert!(world.is_up(anna), "whose call is not touched");
    world.finish();
}

/// A trunk that is reached by connections.
fn connected() -> World {
    let by_tcp = Trunk { transport: Transport::Tcp, ..registering(9) };
    let build = World::build().without_audio().trunks(|trunks| trunks.push(by_tcp));
    build.far_end(CARRIER, FarEnd::new(Registers::Grants(600), Pings::Silent)).start()
}

#[test]
fn a_registration_whose_connection_is_lost_is_made_anew() {
    let mut world = connected();
    world.run_for(secs(1));
    assert_eq!(world.far_end(CARRIER).registered().len(), 2);
    let contact = world.far_end(CARRIER).registered()[0].header("Contact").unwrap();
    assert!(contact.ends_with("transport=tcp>"), "{contact}");
    let at = world.now();
    world.cut_off(CARRIER, false).run_for(secs(3));
    let seen = world.far_end(CARRIER).registered();
    assert_eq!(seen.len(), 4, "by another connection");
    assert!(seen[3].at - at <= secs(2));
    assert_eq!(states(&world), [TrunkState::Up], "nothing to say: it was not seen to be away");
    world.finish();
}

#[test]
fn a_far_end_that_stays_away_is_down_and_found_again() {
    let mut world = connected();
    world.run_for(secs(1)).cut_off(CARRIER, true).run_for(secs(3));
    let gone = unregistered(DownReason::Unreachable(None));
    assert_eq!(states(&world), [TrunkState::Up, gone], "calls out go elsewhere");
    world.run_for(secs(300));
    world.change_far_end(CARRIER, |far| far.shut = false).run_for(secs(600));
    assert_eq!(states(&world), [TrunkState::Up, gone, TrunkState::Up]);
    world.finish();
}

#[test]
fn a_registration_is_taken_back_within_the_drain() {
    let mut world = registered(Registers::Grants(600));
    world.run_for(secs(1)).drain().run_for(secs(1));
    assert!(world.is_drained());
    let seen = world.far_end(CARRIER).registered();
    assert!(seen[2..].iter().all(|seen| seen.header("Expires") == Some("0")));
    assert_eq!(states(&world), [TrunkState::Up, TrunkState::Left]);
    let last = seen.len();
    world.run_for(secs(7200));
    assert_eq!(world.far_end(CARRIER).registered().len(), last, "nothing follows");
    world.finish();
    // A registrar that is silent holds nobody up for longer than 4 s.
    let mut world = registered(Registers::Grants(600));
    world.run_for(secs(1));
    world.change_far_end(CARRIER, |far| far.registers = Registers::Silent);
    world.drain().run_for(ms(3900));
    assert!(!world.is_drained());
    world.run_for(ms(200));
    assert!(world.is_drained());
    world.finish();
}

/// Trunk 3 is pinged at `first`, and the carrier comes after it.
fn two_trunks(first: SocketAddr, is: Option<FarEndIs>) -> World {
    let pings = Some(HealthRules::default());
    let first = Trunk {
        id: 3,
        name: "first".to_owned(),
        destination: Some(first.into()),
        pings,
        ..carrier()
    };
    let mut build = World::build().trunks(|trunks| trunks.insert(0, first));
    if let Some(is) = is {
        build = build.far_end(elsewhere(), is.into());
    }
    build.keep_log().start()
}

/// Anna has the callee called; how long it takes until the callee's phone hears of it.
fn dials_out(world: &mut World) -> (PhoneId, Duration) {
    let callee = world.callee("dora", NUMBER, |phone| phone.answering = Answering::After(secs(2)));
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR);
    world.run_for(secs(4)).press(anna, "*1").run_for(secs(3));
    let from = world.now();
    world.press(anna, "4165550199#");
    world.wait_for("the callee is called", secs(60), |world| {
        !world.phone(callee).calls().is_empty()
    });
    let took = world.now() - from;
    (callee, took)
}

fn invites_to(world: &World, at: SocketAddr) -> usize {
    let text = String::from_utf8_lossy(world.log()).into_owned();
    let sent = format!("datagram 192.0.2.1:5060 {at} INVITE ");
    text.matches(&sent).count()
}

#[test]
fn a_dead_trunk_is_skipped_once_options_has_told() {
    let mut alone = World::build().keep_log().start();
    alone.run_for(secs(60));
    let (_, usual) = dials_out(&mut alone);
    alone.run_for(secs(6));
    alone.finish();
    let mut world = two_trunks(elsewhere(), None);
    world.run_for(secs(60));
    assert_eq!(states(&world), [TrunkState::Down(TrunkFault::Silent)]);
    assert!(story(&world)[0].0 < secs(45), "{:?}", story(&world));
    let (callee, took) = dials_out(&mut world);
    assert!(took <= usual + ms(50), "{took:?}, {usual:?} without the dead trunk");
    assert_eq!(invites_to(&world, elsewhere()), 0);
    world.wait_for("dora answers", secs(10), |world| world.is_up(callee));
    world.run_for(secs(2));
    let status = world.node().trunk_states();
    assert!(status[0].pings.unwrap().silent >= 1, "{:?}", status[0]);
    let records = world.finish();
    assert_eq!(records.dialled(NUMBER).trunk_out, Some(7));
}

#[test]
fn a_trunk_that_comes_back_carries_calls_again() {
    let dead = FarEndIs(Registers::Silent, Pings::Answers(503));
    let mut world = two_trunks(elsewhere(), Some(dead));
    world.run_for(secs(60));
    let refuses = TrunkFault::Refuses(Status::SERVICE_UNAVAILABLE);
    assert_eq!(states(&world), [TrunkState::Down(refuses)]);
    world.change_far_end(elsewhere(), |far| *far = ANSWERS.into()).run_for(secs(15));
    assert_eq!(states(&world).last(), Some(&TrunkState::Up));
    let pinged = world.far_end(elsewhere()).pinged();
    assert!(pinged[0].text.starts_with("OPTIONS sip:198.51.100.9:5060 SIP/2.0\r\n"));
    let before = invites_to(&world, elsewhere());
    let callee = world.callee("dora", NUMBER, |phone| phone.answering = Answering::After(ms(1)));
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR);
    world.run_for(secs(4)).press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
    world.run_for(secs(4));
    assert!(invites_to(&world, elsewhere()) > before, "the first is asked first");
    assert!(world.phone(callee).calls().is_empty());
    let counts = world.node().trunk_states()[0].pings.unwrap();
    assert!(counts.refused >= 3 && counts.answered >= 1, "{counts:?}");
    world.finish();
}

#[test]
fn when_every_trunk_is_down_calls_are_tried_nevertheless() {
    let pings = Some(HealthRules::default());
    let watched = |trunks: &mut Vec<Trunk>| trunks[0].pings = pings;
    let mut world = World::build().trunks(watched).keep_log().start();
    world.run_for(secs(60));
    assert_eq!(states(&world), [TrunkState::Down(TrunkFault::Silent)]);
    let (callee, _) = dials_out(&mut world);
    world.wait_for("dora answers", secs(10), |world| world.is_up(callee));
    world.run_for(secs(2));
    world.finish();
}

#[test]
fn a_call_out_names_the_domain_and_takes_the_registrars_route() {
    let route = "Service-Route: <sip:orig@198.51.100.1;lr>, <sip:core.example;lr>\r\n";
    let mut far_end = FarEnd::new(Registers::Grants(600), Pings::Silent);
    far_end.headers = route.to_owned();
    let only = |trunks: &mut Vec<Trunk>| *trunks = vec![registering(9)];
    let mut world = World::build().trunks(only).far_end(CARRIER, far_end).keep_log().start();
    world.run_for(secs(1));
    let (callee, _) = dials_out(&mut world);
    let log = String::from_utf8_lossy(world.log()).into_owned();
    let (_, invite) = log.split_once("INVITE sip:+14165550199@").unwrap();
    assert!(invite.starts_with("carrier.example SIP/2.0\r\n"), "{invite}");
    let invite = invite.split_once("\r\n\r\n").unwrap().0;
    assert!(
        invite
            .contains("\r\nRoute: <sip:orig@198.51.100.1;lr>\r\nRoute: <sip:core.example;lr>\r\n")
    );
    assert!(invite.contains("\r\nFrom: <sip:+14165550111@carrier.example>;tag="), "{invite}");
    world.wait_for("dora answers", secs(10), |world| world.is_up(callee));
    world.run_for(secs(2));
    world.finish();
}
