//! The conference event package: members watch the conference that they are in, and no other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bridge_tests::sim::builder::Room;
use bridge_tests::sim::{Link, MODERATOR, PARTICIPANT, World, ms, secs};
use partyline_dialplan::Prompt;
use partyline_phones::{Command, Event, PhoneId};

fn watch(world: &mut World, phone: PhoneId, expires: &str) {
    let headers = [("Event", "conference"), ("Expires", expires)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    world.tell(phone, Command::Ask("SUBSCRIBE", headers)).run_for(ms(500));
}

/// State and document of each NOTIFY.
fn shown(world: &World, phone: PhoneId) -> Vec<(String, String)> {
    let one = |event: &Event| {
        let Event::Notified { state, body } = event else { return None };
        Some((state.split(';').next().unwrap_or_default().to_owned(), body.clone()))
    };
    world.phone(phone).log().iter().filter_map(|entry| one(&entry.event)).collect()
}

fn last(world: &World, phone: PhoneId) -> (String, String) {
    shown(world, phone).pop().expect("a NOTIFY")
}

fn version(document: &str) -> u32 {
    let after = document.split_once("state=\"full\" version=\"").unwrap().1;
    after.split_once('"').unwrap().0.parse().unwrap()
}

fn users(document: &str) -> usize {
    document.matches("<user ").count()
}

#[test]
fn a_member_sees_who_comes_goes_and_mutes() {
    let mut world = World::build().without_audio().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.dial(anna).wait_for("anna is answered", secs(9), |world| world.is_up(anna));
    watch(&mut world, anna, "600");
    assert_eq!(last(&world, anna), ("pending".to_owned(), String::new()), "no passcode yet");
    world.run_for(secs(1)).press(anna, MODERATOR).run_for(secs(4));
    let (state, first) = last(&world, anna);
    assert_eq!((state.as_str(), users(&first)), ("active", 1));
    assert!(first.contains("<entry>moderator</entry>") && first.contains(">connected<"));
    world.join(ben, PARTICIPANT).run_for(secs(2));
    let second = last(&world, anna).1;
    assert_eq!(users(&second), 2);
    assert!(version(&second) > version(&first));
    world.press(ben, "*6").run_for(secs(2));
    assert!(last(&world, anna).1.contains("muted-via-focus"));
    world.tell(ben, Command::Hold).run_for(secs(2));
    assert!(last(&world, anna).1.contains("on-hold"));
    world.join(carl, PARTICIPANT).run_for(secs(2)).hang_up(ben).run_for(secs(2));
    assert_eq!(users(&last(&world, anna).1), 2);
    for phone in [anna, ben, carl] {
        let number = world.phone(phone).config().from.clone();
        assert!(shown(&world, anna).iter().all(|(_, document)| !document.contains(&number)));
    }
    let versions: Vec<u32> = shown(&world, anna)
        .iter()
        .filter(|(_, d)| !d.is_empty())
        .map(|(_, d)| version(d))
        .collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    watch(&mut world, anna, "0");
    assert_eq!(last(&world, anna).0, "terminated");
    let so_far = shown(&world, anna).len();
    world.hang_up(carl).run_for(secs(3));
    assert_eq!(shown(&world, anna).len(), so_far, "it was taken back");
    world.finish();
}

#[test]
fn nobody_sees_another_conference() {
    let other = Room { id: 2, moderator: "60718293#".into(), participant: "506172#".into() };
    let mut world = World::build().without_audio().conference(other).start();
    let [anna, ben, eve] = world.phones(["anna", "ben", "eve"]);
    world.join(anna, MODERATOR).join(eve, "60718293#").run_for(secs(3));
    watch(&mut world, eve, "600");
    world.join(ben, PARTICIPANT).run_for(secs(2)).press(ben, "*6").run_for(secs(3));
    let seen = shown(&world, eve);
    assert!(!seen.is_empty() && seen.iter().all(|(_, document)| users(document) == 1), "{seen:?}");
    assert!(seen.iter().all(|(_, document)| document.contains("Room 2")));
    world.hang_up(eve).run_for(secs(2));
    world.finish();
}

#[test]
fn a_caller_without_a_passcode_is_shown_nothing() {
    let mut world = World::build().without_audio().start();
    let [anna, eve] = world.phones(["anna", "eve"]);
    world.join(anna, MODERATOR).dial(eve);
    world.wait_for("eve is answered", secs(9), |world| world.is_up(eve));
    watch(&mut world, eve, "600");
    world.run_for(secs(60));
    let seen = shown(&world, eve);
    assert!(!seen.is_empty() && seen.iter().all(|(_, document)| document.is_empty()), "{seen:?}");
    world.finish();
}

#[test]
fn who_is_on_the_way_out_is_shown_nothing_more() {
    let mut world = World::build().start();
    let [eve, ben] = world.phones(["eve", "ben"]);
    world.join(eve, PARTICIPANT).run_for(secs(3));
    watch(&mut world, eve, "3600");
    world.join(ben, PARTICIPANT).run_for(secs(2));
    assert_eq!(users(&last(&world, eve).1), 2);
    let waits = |world: &World| world.times_played(eve, Prompt::HoldTimeout) == 0;
    world.skip(secs(1180));
    world.wait_for("eve has waited for too long", secs(60), |world| !waits(world));
    let so_far = shown(&world, eve).len();
    world.hang_up(ben).run_for(ms(1500));
    assert!(world.is_up(eve), "she hears the last word");
    assert_eq!(shown(&world, eve).len(), so_far);
    world.run_for(secs(20));
    world.finish();
}

#[test]
fn a_change_a_second_is_the_most_that_anybody_is_told() {
    let mut world = World::build().without_audio().start();
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(3));
    watch(&mut world, anna, "600");
    let others: Vec<PhoneId> = (0..8).map(|n| world.phone_with(&format!("p{n}"), |_| {})).collect();
    for &other in &others {
        world.dial(other);
    }
    world.run_for(secs(3));
    for &other in &others {
        world.press(other, PARTICIPANT);
    }
    let before = shown(&world, anna).len();
    world.run_for(secs(5));
    let told = shown(&world, anna).len() - before;
    assert!((1..=6).contains(&told), "{told} in five seconds");
    assert_eq!(users(&last(&world, anna).1), 9, "and the newest is right");
    world.finish();
}

#[test]
fn who_asks_again_within_the_pause_is_shown_what_was_shown_and_all_are_told_after_it() {
    let mut world = World::build().without_audio().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT).run_for(secs(3));
    watch(&mut world, anna, "600");
    watch(&mut world, ben, "600");
    world.run_for(secs(3));
    let on_hold = |document: &str| document.matches("on-hold").count();
    world.tell(carl, Command::Hold).run_for(ms(200));
    let before = last(&world, anna).1;
    assert_eq!((on_hold(&before), on_hold(&last(&world, ben).1)), (1, 1));
    world.tell(ben, Command::Hold).run_for(ms(200));
    let so_far = shown(&world, anna).len();
    world.tell(anna, Command::Ask("SUBSCRIBE", vec![("Event".into(), "conference".into())]));
    world.run_for(ms(200));
    assert_eq!(shown(&world, anna).len(), so_far + 1, "an answer");
    assert_eq!(last(&world, anna).1, before, "nothing was asked or written for it");
    world.run_for(secs(2));
    let documents = [anna, ben].map(|phone| on_hold(&last(&world, phone).1));
    assert_eq!(documents, [2, 2], "the change is lost for nobody");
    world.finish();
}

#[test]
fn what_is_shown_is_right_in_the_end_through_a_line_that_loses() {
    for seed in 1..=4 {
        let mut world = World::build().seed(seed).link(Link::BAD).without_audio().start();
        let [anna, ben] = world.phones(["anna", "ben"]);
        world.join(anna, MODERATOR).run_for(secs(5));
        watch(&mut world, anna, "600");
        world.join(ben, PARTICIPANT).run_for(secs(20));
        assert_eq!(users(&last(&world, anna).1), 2, "seed {seed}");
        world.hang_up(ben).run_for(secs(40));
        assert_eq!(users(&last(&world, anna).1), 1, "seed {seed}");
        world.finish();
    }
}
