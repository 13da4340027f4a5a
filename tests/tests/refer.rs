//! REFER: a moderator's telephone has somebody called into the conference.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use bridge_tests::sim::builder::{Builder, DIAL_IN};
use bridge_tests::sim::{Link, MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_cdr_record::{DialoutKind, FeatureCode, Outcome};
use partyline_dialplan::Prompt;
use partyline_phones::{Answering, Command, Ending, Event, PhoneId};

const NUMBER: &str = "14165550199";

struct Scene {
    world: World,
    anna: PhoneId,
    ben: PhoneId,
    dora: PhoneId,
}

fn taking_refer() -> Builder {
    World::build().trunks(|trunks| trunks[0].extensions.refers = true)
}

/// Anna moderates, Ben is there, Dora can be called.
fn scene(builder: Builder, answering: Answering) -> Scene {
    let mut world = builder.start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    let dora = world.callee("dora", NUMBER, |phone| phone.answering = answering);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    Scene { world, anna, ben, dora }
}

fn refer(world: &mut World, phone: PhoneId, to: &str) {
    let to = ("Refer-To".to_owned(), format!("<{to}>"));
    world.tell(phone, Command::Ask("REFER", vec![to])).run_for(ms(500));
}

/// What a REFER was answered.
fn answers(world: &World, phone: PhoneId) -> Vec<u16> {
    let entries = world.phone(phone).log().iter();
    let answer = |event: &Event| {
        if let Event::AskAnswered { status } = event { Some(*status) } else { None }
    };
    entries.filter_map(|entry| answer(&entry.event)).collect()
}

/// The statuses that came by NOTIFY, and the states of the subscription.
fn news(world: &World, phone: PhoneId) -> Vec<(String, String)> {
    let entries = world.phone(phone).log().iter();
    let one = |event: &Event| {
        let Event::Notified { state, body } = event else { return None };
        let state = state.split(';').next().unwrap_or_default();
        Some((body.clone(), state.to_owned()))
    };
    entries.filter_map(|entry| one(&entry.event)).collect()
}

fn said(news: &[(&str, &str)]) -> Vec<(String, String)> {
    news.iter().map(|(body, state)| ((*body).to_owned(), (*state).to_owned())).collect()
}

#[test]
fn a_moderator_refers_to_somebody_who_joins_with_one_key() {
    let Scene { mut world, anna, ben, dora } = scene(taking_refer(), Answering::After(secs(2)));
    refer(&mut world, anna, &format!("sip:+{NUMBER}@bridge.example"));
    assert_eq!(answers(&world, anna), [202]);
    world.wait_for("dora answers", secs(10), |world| world.is_up(dora)).run_for(secs(3));
    assert!(world.heard_prompt(dora, Prompt::CalleeInvited, Duration::ZERO), "by ear");
    assert_eq!(world.room_of(dora), None);
    assert_eq!(world.room_of(anna), world.room_of(ben), "nobody goes aside");
    world.press(dora, "1").run_for(secs(3));
    assert_eq!(world.room_of(dora), world.room_of(anna));
    world.talk(dora).run_for(secs(3));
    assert!(world.hears(anna, tone(dora)) && world.hears(ben, tone(dora)));
    let told = [
        ("SIP/2.0 100 Trying", "active"),
        ("SIP/2.0 180 Ringing", "active"),
        ("SIP/2.0 200 OK", "terminated"),
    ];
    assert_eq!(news(&world, anna), said(&told));
    // The telephone has transferred: it goes, and whom it called stays.
    world.hang_up(anna).run_for(secs(2));
    assert!(world.is_up(dora));
    assert_eq!(world.room_of(dora), world.room_of(ben));
    let records = world.finish();
    let (by, leg) = (records.leg(world.call_id(anna)), records.dialled(NUMBER));
    assert_eq!(leg.dialout_kind, DialoutKind::ModeratorRefer);
    assert_eq!((leg.dialout_by_leg, leg.conf_id), (Some(by.leg_id), by.conf_id));
    assert_eq!(by.breakout_ms, 0);
}

#[test]
fn a_participants_refer_is_refused_and_nobody_is_called() {
    let Scene { mut world, ben, dora, .. } = scene(taking_refer(), Answering::After(ms(1)));
    refer(&mut world, ben, &format!("sip:+{NUMBER}@bridge.example"));
    world.run_for(secs(2));
    assert_eq!(answers(&world, ben), [403]);
    assert!(world.phone(dora).calls().is_empty() && news(&world, ben).is_empty());
    let records = world.finish();
    assert_eq!(records.legs().len(), 2, "no leg was made");
    assert_eq!(records.of_kind(FeatureCode::DialoutStart)[0].outcome, Outcome::Denied);
}

#[test]
fn numbers_that_star_1_would_not_call_are_not_called_by_refer_either() {
    let Scene { mut world, anna, dora, .. } = scene(taking_refer(), Answering::After(ms(1)));
    let own = format!("sip:+{DIAL_IN}@bridge.example");
    for (to, status) in [
        ("sip:911@bridge.example", 403),
        ("sip:+19005550100@bridge.example", 403),
        ("tel:+16475550100", 403),
        (own.as_str(), 403),
        ("sip:dora@10.0.0.3", 404),
        ("sip:+14165550199@h?Replaces=x", 603),
    ] {
        refer(&mut world, anna, to);
        assert_eq!(answers(&world, anna).pop(), Some(status), "{to}");
        world.run_for(secs(5));
    }
    assert!(world.phone(dora).calls().is_empty());
    let records = world.finish();
    assert_eq!(records.of_kind(FeatureCode::DialoutBarred).len(), 5);
    assert_eq!(records.legs().len(), 2, "no leg was made");
}

#[test]
fn an_answering_machine_never_comes_into_the_conference() {
    let Scene { mut world, anna, ben, dora } = scene(taking_refer(), Answering::After(ms(500)));
    refer(&mut world, anna, &format!("tel:+{NUMBER}"));
    world.wait_for("it answers", secs(10), |world| world.is_up(dora));
    world.talk(dora).run_for(secs(50));
    assert_eq!(world.ending(dora), Some(Ending::ByThem));
    let last = news(&world, anna).pop();
    assert_eq!(last, said(&[("SIP/2.0 487 Request Terminated", "terminated")]).pop());
    assert_eq!(world.room_of(anna), world.room_of(ben));
    let records = world.finish();
    assert_eq!(records.of_kind(FeatureCode::DialoutUnconfirmed).len(), 1);
    assert_eq!(records.dialled(NUMBER).joined_at, None);
}

#[test]
fn a_refusal_of_the_callee_is_the_final_news() {
    let busy = Answering::Reject { after: ms(500), status: 486 };
    let Scene { mut world, anna, .. } = scene(taking_refer(), busy);
    refer(&mut world, anna, &format!("sip:{NUMBER}@bridge.example"));
    world.run_for(secs(5));
    let last = news(&world, anna).pop();
    assert_eq!(last, said(&[("SIP/2.0 486 Busy Here", "terminated")]).pop());
    assert_eq!(world.finish().dialled(NUMBER).sip_status, Some(486));
}

#[test]
fn the_news_come_through_a_line_that_loses_and_doubles() {
    for seed in 1..=6 {
        let builder = taking_refer().seed(seed).link(Link::BAD);
        let Scene { mut world, anna, dora, .. } = scene(builder, Answering::After(secs(2)));
        refer(&mut world, anna, &format!("sip:+{NUMBER}@bridge.example"));
        world.wait_for("dora answers", secs(30), |world| world.is_up(dora)).run_for(secs(6));
        world.press(dora, "1");
        world.wait_for("dora is in", secs(30), |world| world.room_of(dora).is_some());
        world.run_for(secs(10));
        assert_eq!(answers(&world, anna), [202], "seed {seed}");
        let last = news(&world, anna).pop();
        assert_eq!(last, said(&[("SIP/2.0 200 OK", "terminated")]).pop(), "seed {seed}");
        let records = world.finish();
        assert_eq!(records.of_kind(FeatureCode::DialoutStart).len(), 1, "seed {seed}");
    }
}

#[test]
fn a_callee_who_still_rings_goes_with_the_moderator() {
    let Scene { mut world, anna, dora, .. } = scene(taking_refer(), Answering::RingForever);
    refer(&mut world, anna, &format!("sip:+{NUMBER}@bridge.example"));
    world.run_for(secs(2)).hang_up(anna).run_for(secs(2));
    assert_eq!(world.ending(dora), Some(Ending::Cancelled));
    world.finish();
}

#[test]
fn a_trunk_that_does_not_take_refer_refuses_it() {
    let Scene { mut world, anna, dora, .. } = scene(World::build(), Answering::After(ms(1)));
    refer(&mut world, anna, &format!("sip:+{NUMBER}@bridge.example"));
    assert_eq!(answers(&world, anna), [405]);
    assert!(world.phone(dora).calls().is_empty());
    world.finish();
}
