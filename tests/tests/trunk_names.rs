//! Trunks that have names: where calls go, who may call, and what holds when nobody knows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bridge_tests::sim::builder::carrier;
use bridge_tests::sim::{FarEnd, MODERATOR, Pings, Registers, World, ms, secs};
use partyline_control::{Site, Trunk, TrunkAccount, TrunkFault, TrunkState};
use partyline_phones::{Answering, Event, PhoneId};
use partyline_sip::NextHop;
use partyline_sip::auth::{Login, Password};
use partyline_sip::health::HealthRules;
use partyline_sip::locate::{LookupFault, Procedure};
use partyline_sip::message::{Host, Uri};

const NAME: &str = "sip.carrier.example";
const NUMBER: &str = "14165550199";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The phone that is made as this one of a world.
fn nth(n: u8) -> SocketAddr {
    at(&format!("10.0.0.{n}:5060"))
}

fn nobody() -> SocketAddr {
    at("198.51.100.9:5060")
}

fn place() -> Site {
    let hop = NextHop { host: Host::Name(NAME.into()), port: None, transport: None, secure: false };
    Site::Name { hop, procedure: Procedure::Auto }
}

/// A trunk that is known by its name alone.
fn named() -> Trunk {
    let (name, destination) = ("named".to_owned(), Some(place()));
    Trunk { id: 3, name, destination, sources: Vec::new(), ..carrier() }
}

/// A world in which calls out go by the named trunk first, then by the carrier.
fn with_carrier(addresses: &[SocketAddr]) -> World {
    let build = World::build().trunks(|trunks| trunks.insert(0, named())).name(NAME, addresses);
    build.keep_log().start()
}

fn answering(world: &mut World, name: &str) -> PhoneId {
    world.phone_with(name, |phone| phone.answering = Answering::After(secs(1)))
}

/// Anna calls the number; when.
fn dial(world: &mut World, anna: PhoneId) -> Duration {
    world.press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
    world.now()
}

/// How long after `since` a phone was called, the `n`th time.
fn called(world: &World, phone: PhoneId, n: usize, since: Duration) -> Option<Duration> {
    let called = |event: &Event| matches!(event, Event::InviteReceived { .. });
    let mut calls = world.phone(phone).log().iter().filter(|entry| called(&entry.event));
    calls.nth(n).map(|entry| entry.at - since)
}

fn state(world: &World) -> TrunkState {
    world.node().trunk_states()[0].state
}

/// How long it takes until the callee behind the named trunk is called, twice in a row.
fn taken_with(addresses: &[SocketAddr]) -> [Duration; 2] {
    let mut world = with_carrier(addresses);
    let callee = answering(&mut world, "callee");
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(4));
    let since = dial(&mut world, anna);
    world.wait_for("the callee answers", secs(20), |world| world.is_up(callee));
    let first = called(&world, callee, 0, since).unwrap();
    world.run_for(secs(2)).hang_up(callee).run_for(secs(5));
    let since = dial(&mut world, anna);
    world.wait_for("the callee answers again", secs(20), |world| world.is_up(callee));
    let second = called(&world, callee, 1, since).unwrap();
    let sent = String::from_utf8_lossy(world.log()).into_owned();
    assert!(sent.contains(&format!("INVITE sip:+{NUMBER}@{NAME} SIP/2.0")), "the name stays");
    assert!(sent.contains(&format!("@{NAME}>;tag=")), "From, too");
    world.run_for(secs(2));
    let records = world.finish();
    let out: Vec<_> = records.legs().iter().filter_map(|leg| leg.trunk_out).collect();
    assert_eq!(out, [3, 3]);
    [first, second]
}

#[test]
fn a_dead_first_address_costs_the_first_call_four_seconds_and_the_next_none() {
    let [at_once, again] = taken_with(&[nth(1)]);
    let [late, next] = taken_with(&[nobody(), nth(1)]);
    assert!((late - at_once).abs_diff(secs(4)) < ms(100), "{at_once:?} {late:?}");
    assert!(next.abs_diff(again) < ms(100), "{again:?} {next:?}");
}

#[test]
fn calls_in_are_taken_from_where_the_name_leads_now_and_a_while_from_where_it_led() {
    let build = World::build().without_audio().trunks(|trunks| *trunks = vec![named()]);
    let mut world = build.name(NAME, &[nth(1)]).start();
    let [first, second] = world.phones(["first", "second"]);
    let joins = |world: &mut World, phone| {
        let before = world.phone(phone).calls().len();
        world.dial(phone).run_for(secs(3));
        let taken = world.is_up(phone);
        world.hang_up(phone).run_for(secs(3));
        assert_eq!(world.phone(phone).calls().len(), before + 1);
        taken
    };
    assert!(joins(&mut world, first) && !joins(&mut world, second));
    world.zone_mut().set(NAME, &[nth(2)]);
    world.run_for(secs(31));
    assert!(joins(&mut world, second), "the new address");
    assert!(joins(&mut world, first), "the old one is not shut out at once");
    world.run_for(secs(600));
    assert!(!joins(&mut world, first) && joins(&mut world, second));
    world.zone_mut().silence(true);
    world.run_for(secs(7200));
    assert!(joins(&mut world, second), "what was known holds on");
    let said: Vec<_> = world.zone().said().iter().map(|name| name.fault).collect();
    assert_eq!(said, [None, None, Some(LookupFault::Silent)], "each said once");
    assert_eq!(state(&world), TrunkState::Unwatched);
    world.zone_mut().silence(false);
    world.zone_mut().halt(true);
    world.zone_mut().set(NAME, &[nth(1)]);
    world.run_for(secs(31));
    assert!(joins(&mut world, first), "what is said is heeded, though something else is not");
    world.finish();
}

#[test]
fn a_trunk_whose_name_was_never_found_is_passed_over_until_it_is() {
    let mut world = World::build().trunks(|trunks| trunks.insert(0, named())).start();
    let by_name = answering(&mut world, "by name");
    let by_carrier =
        world.callee("by carrier", NUMBER, |phone| phone.answering = Answering::After(secs(1)));
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(4));
    assert_eq!(state(&world), TrunkState::Down(TrunkFault::NotFound(LookupFault::Nothing)));
    let since = dial(&mut world, anna);
    world.wait_for("the other trunk's callee answers", secs(9), |world| world.is_up(by_carrier));
    assert!(called(&world, by_carrier, 0, since).unwrap() < secs(4));
    world.hang_up(by_carrier).run_for(secs(5));
    world.zone_mut().set(NAME, &[nth(1)]);
    world.run_for(secs(31));
    assert_eq!(state(&world), TrunkState::Unwatched);
    dial(&mut world, anna);
    world.wait_for("the callee answers", secs(9), |world| world.is_up(by_name));
    world.run_for(secs(2)).finish();
}

#[test]
fn a_name_never_leads_to_the_bridge_itself() {
    let here = [at("192.0.2.1:5060"), at("127.0.0.1:5060"), at("0.0.0.0:5060")];
    let mut world = with_carrier(&here);
    world.run_for(secs(2));
    assert_eq!(state(&world), TrunkState::Down(TrunkFault::NotFound(LookupFault::Nothing)));
    world.finish();
}

#[test]
fn registration_and_pings_go_to_an_address_that_answers() {
    let uri = |text: &str| Uri::parse(text).unwrap();
    let account = TrunkAccount {
        registrar: place(),
        domain: uri(&format!("sip:{NAME}")),
        aor: uri(&format!("sip:bob@{NAME}")),
        expires: secs(600),
    };
    let pings = HealthRules { interval: secs(30), ..HealthRules::default() };
    let password = Password::new(b"zanzibar".to_vec().into());
    let login = Some(Arc::new(Login::new("bob", password).unwrap()));
    let trunk = Trunk { account: Some(account), pings: Some(pings), login, ..named() };
    let answers = || FarEnd::new(Registers::Grants(600), Pings::Answers(200));
    let (alive, moved) = (at("198.51.100.2:5060"), at("198.51.100.3:5060"));
    let build = World::build().without_audio().trunks(|trunks| *trunks = vec![trunk]);
    let build = build.far_end(alive, answers()).far_end(moved, answers());
    let mut world = build.name(NAME, &[nobody(), alive]).start();
    world.run_for(secs(120));
    assert_eq!(state(&world), TrunkState::Up);
    let registered = world.far_end(alive).registered();
    assert!(registered[0].text.starts_with(&format!("REGISTER sip:{NAME} SIP/2.0\r\n")));
    world.run_for(secs(1800));
    let down = |world: &World| {
        world.trunk_changes().iter().any(|(_, it)| matches!(it.state, TrunkState::Down(_)))
    };
    assert!(!down(&world), "one of two answers: {:?}", world.trunk_changes());
    world.zone_mut().set(NAME, &[moved]);
    world.run_for(secs(900));
    assert!(!world.far_end(moved).registered().is_empty() && !down(&world));
    assert!(world.far_end(moved).pinged().len() > 20);
    world.finish();
}
