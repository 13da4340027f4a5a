//! `*1`: the moderator calls somebody, and brings both in or comes back alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::time::Duration;

use bridge_tests::sim::builder::{CARRIER, carrier};
use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_cdr_record::{DialoutKind, Direction, FeatureCode, Outcome};
use partyline_control::{Cause, Fault, Refused, Trunk, TrunkLimit, TrunkLimits};
use partyline_dialplan::Prompt;
use partyline_phones::{Answering, Ending, Event, PhoneId};
use partyline_sip::Patience;

const NUMBER: &str = "14165550199";

struct Scene {
    world: World,
    anna: PhoneId,
    ben: PhoneId,
    callee: PhoneId,
}

/// Anna moderates, Ben and Carl are there, and Anna has asked for `keys`.
fn anna_dials(keys: &str, answering: Answering) -> Scene {
    let mut world = World::build().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    let callee = world.callee("dora", NUMBER, |phone| phone.answering = answering);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT);
    world.run_for(secs(4)).press(anna, "*1").run_for(secs(3)).press(anna, keys).run_for(ms(200));
    Scene { world, anna, ben, callee }
}

#[test]
fn callee_talks_in_private_and_then_to_all() {
    let Scene { mut world, anna, ben, callee } =
        anna_dials("4165550199#", Answering::After(secs(2)));
    world.wait_for("dora answers", secs(10), |world| world.is_up(callee));
    world.run_for(secs(6));
    assert!(world.heard_prompt(callee, Prompt::CalleeHold, Duration::ZERO), "by ear");
    assert_eq!(world.room_of(anna), world.room_of(callee));
    assert_ne!(world.room_of(anna), world.room_of(ben));
    world.talk(anna).talk(ben).talk(callee).run_for(secs(5));
    assert!(world.hears(callee, tone(anna)) && world.lacks(callee, tone(ben)));
    assert!(world.lacks(ben, tone(anna)) && world.lacks(ben, tone(callee)));
    world.press(anna, "*2").run_for(secs(6));
    assert!(world.hears(ben, tone(callee)) && world.hears(callee, tone(ben)));
    assert!(world.hears(anna, tone(callee)));
    world.hang_up(callee).run_for(secs(1));
    let records = world.finish();
    let (by, leg) = (records.leg(world.call_id(anna)), records.dialled(NUMBER));
    assert_eq!((leg.direction, leg.dialout_kind), (Direction::Out, DialoutKind::ModeratorStar));
    assert_eq!((leg.dialout_by_leg, leg.conf_id), (Some(by.leg_id), by.conf_id));
    let talk_time = world.call(callee).talk_time().unwrap();
    let billed = Duration::from_millis(leg.duration_ms);
    assert!(billed.abs_diff(talk_time) <= ms(30), "{billed:?} {talk_time:?}");
    assert!(by.breakout_ms > 10_000, "{}", by.breakout_ms);
    let story = [
        FeatureCode::DialoutStart,
        FeatureCode::DialoutRinging,
        FeatureCode::DialoutAnswered,
        FeatureCode::DialoutJoined,
    ];
    let told: Vec<_> =
        records.events_of(by).into_iter().filter(|code| story.contains(code)).collect();
    assert_eq!(told, story);
}

#[test]
fn moderator_returns_alone_and_the_callee_is_hung_up() {
    let Scene { mut world, anna, ben, callee } =
        anna_dials("4165550199#", Answering::After(secs(1)));
    world.wait_for("dora answers", secs(10), |world| world.is_up(callee));
    world.run_for(secs(6)).press(anna, "*3").run_for(secs(4));
    assert_eq!(world.ending(callee), Some(Ending::ByThem));
    assert_eq!(world.room_of(anna), world.room_of(ben));
    let records = world.finish();
    assert_eq!(records.of_kind(FeatureCode::DialoutDropped).len(), 1);
}

#[test]
fn callee_who_hangs_up_sends_the_moderator_back() {
    let Scene { mut world, anna, ben, callee } =
        anna_dials("4165550199#", Answering::After(secs(1)));
    world.wait_for("dora answers", secs(10), |world| world.is_up(callee));
    world.run_for(secs(6)).hang_up(callee).run_for(secs(4));
    assert_eq!(world.room_of(anna), world.room_of(ben));
    world.finish();
}

#[test]
fn busy_callee_is_told_and_recorded() {
    let busy = Answering::Reject { after: ms(500), status: 486 };
    let Scene { mut world, anna, ben, callee } = anna_dials("4165550199#", busy);
    world.run_for(secs(8));
    assert_eq!(world.ending(callee), Some(Ending::Refused(486)));
    assert_eq!(world.times_played(anna, Prompt::DialBusy), 1);
    assert_eq!(world.room_of(anna), world.room_of(ben));
    let records = world.finish();
    let leg = records.dialled(NUMBER);
    assert_eq!((leg.answered_at, leg.duration_ms, leg.sip_status), (None, 0, Some(486)));
    assert_eq!(leg.q850, Some(17));
    assert_eq!(leg.sip_call_id.as_str(), world.call_id(callee), "to find it at the carrier's");
    assert_eq!(records.of_kind(FeatureCode::DialoutBusy).len(), 1);
}

#[test]
fn callee_who_does_not_answer_is_given_up_after_forty_five_seconds() {
    let Scene { mut world, anna, ben, callee } = anna_dials("4165550199#", Answering::RingForever);
    world.run_for(secs(40));
    assert_eq!(world.ending(callee), None);
    world.run_for(secs(15));
    assert_eq!(world.ending(callee), Some(Ending::Cancelled));
    assert!(world.saw(callee, &Event::CancelReceived));
    assert_eq!(world.times_played(anna, Prompt::DialNoAnswer), 1);
    assert_eq!(world.room_of(anna), world.room_of(ben));
    let records = world.finish();
    assert_eq!(records.dialled(NUMBER).answered_at, None);
    assert_eq!(records.dialled(NUMBER).sip_call_id.as_str(), world.call_id(callee));
    assert_eq!(records.of_kind(FeatureCode::DialoutNoAnswer).len(), 1);
}

#[test]
fn barred_numbers_are_not_called() {
    for (keys, prompt) in [
        ("911#", Prompt::DialEmergency),
        ("19005550100#", Prompt::DialBarred),
        ("6475550100#", Prompt::DialBarred),
    ] {
        let Scene { mut world, anna, ben, callee } = anna_dials(keys, Answering::After(ms(1)));
        world.run_for(secs(8));
        assert_eq!(world.times_played(anna, prompt), 1, "{keys}");
        assert_eq!(world.room_of(anna), world.room_of(ben), "{keys}");
        assert!(world.phone(callee).calls().is_empty(), "{keys}");
        let records = world.finish();
        let barred = records.of_kind(FeatureCode::DialoutBarred);
        assert_eq!((barred.len(), barred[0].outcome), (1, Outcome::Denied), "{keys}");
        assert_eq!(records.legs().len(), 3, "{keys}: no leg was made");
    }
}

#[test]
fn a_range_apart_and_a_number_of_our_own_are_refused_aloud() {
    for (prefixes, keys) in
        [(["1", "44"], "18765550100#"), (["1", "44"], "8095550100#"), (["1", "44"], "18005550142#")]
    {
        let prefixes = prefixes.map(str::to_owned).to_vec();
        let mut world = World::build().entitlements(|e| e.dial_out.prefixes = prefixes).start();
        let [anna, ben] = world.phones(["anna", "ben"]);
        world.join(anna, MODERATOR).join(ben, PARTICIPANT);
        world.run_for(secs(4)).press(anna, "*1").run_for(secs(3)).press(anna, keys);
        world.run_for(secs(8));
        assert_eq!(world.times_played(anna, Prompt::DialBarred), 1, "{keys}");
        assert_eq!(world.room_of(anna), world.room_of(ben), "{keys}");
        let records = world.finish();
        assert_eq!(records.of_kind(FeatureCode::DialoutBarred).len(), 1, "{keys}");
        assert_eq!(records.legs().len(), 2, "{keys}: no leg was made");
    }
}

/// Another trunk before the carrier: where it is, and what becomes of what it is sent.
fn trunk_before(destination: SocketAddr) -> impl FnOnce(&mut Vec<Trunk>) {
    move |trunks| {
        let destination = Some(destination.into());
        trunks.insert(0, Trunk { id: 3, name: "first".to_owned(), destination, ..carrier() });
    }
}

/// The first phone of a world.
fn first_phone() -> SocketAddr {
    "10.0.0.1:5060".parse().unwrap()
}

fn anna_dials_by_two(destination: SocketAddr, first: Answering, second: Answering) -> Scene {
    let mut world = World::build().trunks(trunk_before(destination)).start();
    let ben = world.phone_with("the first trunk", |phone| phone.answering = first);
    let callee = world.callee("dora", NUMBER, |phone| phone.answering = second);
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR);
    world.run_for(secs(4)).press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
    Scene { world, anna, ben, callee }
}

#[test]
fn a_trunk_that_fails_or_is_silent_is_followed_by_the_next() {
    let dead = "198.51.100.9:5060".parse().unwrap();
    let answers = Answering::After(secs(20));
    let refuses = |status| Answering::Reject { after: Duration::ZERO, status };
    for (destination, first, within) in [
        (first_phone(), refuses(503), secs(25)),
        (first_phone(), refuses(500), secs(25)),
        (dead, Answering::Ignore, secs(28)),
        (first_phone(), Answering::TryForever, secs(38)),
    ] {
        let Scene { mut world, anna, callee, .. } = anna_dials_by_two(destination, first, answers);
        world.wait_for("dora answers", within, |world| world.is_up(callee));
        world.run_for(secs(6));
        assert_eq!(world.room_of(anna), world.room_of(callee));
        assert_eq!(world.times_played(anna, Prompt::DialFailed), 0);
        let records = world.finish();
        let leg = records.dialled(NUMBER);
        assert_eq!((leg.trunk_out, leg.trunk_in), (Some(7), None), "{destination} {first:?}");
        assert_eq!(&*leg.sip_call_id, world.call_id(callee));
        assert_eq!(records.leg(world.call_id(anna)).trunk_in, Some(3), "the first that has it");
    }
}

#[test]
fn what_comes_from_behind_a_trunk_is_no_reason_to_try_another() {
    let rings_then_fails = Answering::Reject { after: secs(3), status: 503 };
    let at_once = |status| (Answering::Reject { after: Duration::ZERO, status }, status);
    let refusals = [486, 600, 603, 404, 403, 480, 501, 505].map(at_once);
    for (first, status) in refusals.into_iter().chain([(rings_then_fails, 503)]) {
        let Scene { mut world, anna, callee, .. } =
            anna_dials_by_two(first_phone(), first, Answering::After(ms(1)));
        world.run_for(secs(12));
        assert!(world.phone(callee).calls().is_empty(), "{status}");
        assert!(world.room_of(anna).is_some());
        let records = world.finish();
        let leg = records.dialled(NUMBER);
        assert_eq!((leg.trunk_out, leg.sip_status), (Some(3), Some(status)));
    }
}

/// When the callee's telephone was called, and by which trunk the record says that the call went.
fn called_after(first: Answering, change: impl FnOnce(&mut Trunk)) -> Option<(Duration, u32)> {
    let trunks = |trunks: &mut Vec<Trunk>| {
        trunk_before(first_phone())(trunks);
        change(&mut trunks[0]);
    };
    let mut world = World::build().trunks(trunks).start();
    world.phone_with("the first trunk", |phone| phone.answering = first);
    let callee = world.callee("dora", NUMBER, |phone| phone.answering = Answering::After(secs(1)));
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR);
    world.run_for(secs(4)).press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
    let dialled_at = world.now();
    world.run_for(secs(50));
    let called = |event: &Event| matches!(event, Event::InviteReceived { .. });
    let at = world.phone(callee).log().iter().find(|entry| called(&entry.event)).map(|e| e.at);
    if at.is_some() {
        assert_eq!(world.room_of(anna), world.room_of(callee));
        assert_eq!(world.times_played(anna, Prompt::DialFailed), 0);
    }
    let records = world.finish();
    let leg = records.dialled(NUMBER);
    assert_eq!(leg.answered_at.is_some(), at.is_some());
    Some((at? - dialled_at, leg.trunk_out.unwrap()))
}

#[test]
fn a_silent_trunk_costs_four_seconds_and_one_that_only_tries_fifteen() {
    let refuses = Answering::Reject { after: Duration::ZERO, status: 503 };
    let (at_once, by) = called_after(refuses, |_| {}).unwrap();
    assert_eq!(by, 7);
    let cost = |first, change: &dyn Fn(&mut Trunk)| {
        let (after, by) = called_after(first, change).unwrap();
        assert_eq!(by, 7, "{first:?}");
        after - at_once
    };
    let patient = |provisional, progress| {
        move |trunk: &mut Trunk| trunk.routing.patience = Patience { provisional, progress }
    };
    let usual = |_: &mut Trunk| {};
    for (cost, seconds) in [
        (cost(Answering::Ignore, &usual), 4),
        (cost(Answering::TryForever, &usual), 15),
        (cost(Answering::Ignore, &patient(secs(2), secs(9))), 2),
        (cost(Answering::TryForever, &patient(secs(2), secs(9))), 9),
    ] {
        assert!(cost.abs_diff(secs(seconds)) < ms(100), "{cost:?} for {seconds} s");
    }
}

#[test]
fn a_trunk_names_further_statuses_that_the_next_one_is_tried_after() {
    for (status, goes_on) in [(480, true), (403, true), (404, false), (486, false)] {
        let first = Answering::Reject { after: Duration::ZERO, status };
        let called = called_after(first, |trunk| trunk.routing.advance_on = vec![480, 403, 486]);
        assert_eq!(called.map(|(_, by)| by), goes_on.then_some(7), "{status}");
    }
}

#[test]
fn a_late_answer_of_a_trunk_that_was_left_is_hung_up_on() {
    let mut world = World::build().trunks(trunk_before(first_phone())).start();
    let late = world.phone_with("late", |phone| phone.answering = Answering::TryForever);
    let callee = world.callee("dora", NUMBER, |phone| phone.answering = Answering::After(secs(1)));
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR);
    world.run_for(secs(4)).press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
    world.wait_for("dora answers", secs(20), |world| world.is_up(callee));
    world.run_for(secs(2));
    assert_eq!(world.ending(late), Some(Ending::Cancelled));
    assert_eq!(world.room_of(anna), world.room_of(callee));
    let failures = world.trunk_failures();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!((&*failures[0].trunk, failures[0].fault), ("first", Fault::Silent));
    assert_eq!(failures[0].next.as_deref(), Some("carrier"));
    world.finish();
}

/// Anna calls the number twice by a first trunk that refuses with 503 and `retry_after`, `pause`
/// between; how often that trunk was called.
fn calls_to_a_resting_trunk(retry_after: &str, pause: Duration, trunks: usize) -> usize {
    let keep = |list: &mut Vec<Trunk>| {
        trunk_before(first_phone())(list);
        list.truncate(trunks);
    };
    let mut world = World::build().trunks(keep).start();
    let first = world.phone_with("the first trunk", |phone| {
        phone.answering = Answering::Reject { after: Duration::ZERO, status: 503 };
        phone.refusal_headers = vec![("Retry-After".to_owned(), retry_after.to_owned())];
    });
    let callee = world.callee("dora", NUMBER, |phone| phone.answering = Answering::After(secs(1)));
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(4));
    for _ in 0..2 {
        world.press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#").run_for(secs(10));
        if trunks > 1 {
            assert!(world.is_up(callee), "by the second trunk");
            world.press(anna, "*3").run_for(secs(4));
        }
        world.run_for(pause);
    }
    let called = world.phone(first).calls().len();
    let records = world.finish();
    let trunks_out: Vec<_> = records.legs().iter().filter_map(|leg| leg.trunk_out).collect();
    assert_eq!(trunks_out, [if trunks > 1 { 7 } else { 3 }; 2]);
    called
}

#[test]
fn a_trunk_that_asks_to_be_left_alone_is_skipped_so_long_unless_it_is_the_only_one() {
    assert_eq!(calls_to_a_resting_trunk("120 (overloaded)", secs(5), 2), 1);
    assert_eq!(calls_to_a_resting_trunk("10", secs(5), 2), 2, "its rest is over");
    assert_eq!(calls_to_a_resting_trunk("4294967295", secs(310), 2), 2, "five minutes at most");
    assert_eq!(calls_to_a_resting_trunk("soon", secs(5), 2), 2, "no time is said");
    assert_eq!(calls_to_a_resting_trunk("120", secs(5), 1), 2, "there is no other");
}

/// By which of two trunks a call to the number goes, the first as `change` has it; both answer.
fn trunk_taken(change: impl FnOnce(&mut [Trunk])) -> u32 {
    let trunks = |trunks: &mut Vec<Trunk>| {
        trunk_before(first_phone())(trunks);
        change(trunks);
    };
    let mut world = World::build().trunks(trunks).start();
    let answers = Answering::After(secs(1));
    world.phone_with("the first trunk", |phone| phone.answering = answers);
    world.callee("dora", NUMBER, |phone| phone.answering = answers);
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR);
    world.run_for(secs(4)).press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
    world.run_for(secs(4));
    let records = world.finish();
    assert!(records.dialled(NUMBER).answered_at.is_some());
    records.dialled(NUMBER).trunk_out.unwrap()
}

#[test]
fn a_call_goes_by_the_longest_prefix_then_by_priority_then_by_weight() {
    let prefixes = |list: &[&str]| list.iter().map(|prefix| prefix.parse().unwrap()).collect();
    assert_eq!(trunk_taken(|_| {}), 3, "in the order of the file");
    assert_eq!(trunk_taken(|t| t[1].routing.prefixes = prefixes(&["+1416"])), 7);
    let both = |t: &mut [Trunk]| {
        t[0].routing.prefixes = prefixes(&["+1416555"]);
        t[1].routing.prefixes = prefixes(&["+1416"]);
    };
    assert_eq!(trunk_taken(both), 3);
    assert_eq!(trunk_taken(|t| t[0].routing.prefixes = prefixes(&["+44"])), 7);
    assert_eq!(trunk_taken(|t| t[0].routing.priority = 1), 7);
    assert_eq!(trunk_taken(|t| t[1].routing.weight = 1), 7);
}

#[test]
fn a_full_trunk_is_passed_over_for_the_next() {
    let none = TrunkLimits::default();
    for (limits, limit) in [
        (TrunkLimits { cps_out: Some(1), ..none }, TrunkLimit::Rate),
        (TrunkLimits { max_out: Some(1), ..none }, TrunkLimit::Direction),
        // Anna's own call comes by the trunk.
        (TrunkLimits { max_calls: Some(2), ..none }, TrunkLimit::Calls),
    ] {
        let two_moderators = |trunks: &mut Vec<Trunk>| {
            trunk_before(first_phone())(trunks);
            trunks[0].sources =
                vec!["10.0.0.1/32".parse().unwrap(), "10.0.0.3/32".parse().unwrap()];
            trunks[0].limits = limits;
        };
        let mut world = World::build().trunks(two_moderators).start();
        let answers = Answering::After(secs(1));
        world.phone_with("the first trunk", |phone| phone.answering = answers);
        world.callee("dora", NUMBER, |phone| phone.answering = answers);
        let [anna, ben] = world.phones(["anna", "ben"]);
        world.join(anna, MODERATOR).join(ben, MODERATOR).run_for(secs(4));
        world.press(anna, "*1").press(ben, "*1").run_for(secs(3));
        world.press(anna, "4165550199#").press(ben, "4165550199#").run_for(secs(4));
        let full = world.trunk_failures().iter().map(|failure| failure.fault);
        assert_eq!(full.collect::<Vec<_>>(), [Fault::Full(limit)]);
        let records = world.finish();
        let mut out: Vec<_> = records.legs().iter().filter_map(|leg| leg.trunk_out).collect();
        out.sort_unstable();
        assert_eq!(out, [3, 7], "{limit:?}");
    }
}

#[test]
fn more_calls_in_than_a_trunk_may_have_are_refused_with_503_and_said() {
    for (max_in, cps_in, cause) in
        [(Some(2), None, TrunkLimit::Direction), (None, Some(2), TrunkLimit::Rate)]
    {
        let limited = |trunks: &mut Vec<Trunk>| {
            trunks[0].limits = TrunkLimits { max_in, cps_in, ..TrunkLimits::default() };
        };
        let mut world = World::build().trunks(limited).start();
        let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
        world.dial(anna).dial(ben).dial(carl).run_for(ms(900));
        let ended = [anna, ben, carl].map(|phone| world.ending(phone));
        assert_eq!(ended, [None, None, Some(Ending::Refused(503))]);
        assert_eq!(world.node().refused(Refused::TrunkLimit), 1);
        let said: Vec<_> = world.refusals().iter().map(|said| (said.status, said.cause)).collect();
        assert_eq!(said, [(503, Cause::TrunkLimit(cause))]);
        // One hangs up, or a second goes by: there is room again.
        world.hang_up(anna).run_for(secs(1)).dial(carl).run_for(secs(1));
        assert_eq!(world.ending(carl), None);
        world.finish();
    }
}

/// A call by a trunk of 10.0.0.0/8 whose first address redirects to `contacts`, as the second does:
/// how often they and a third were called, and the final status.
fn redirected(contacts: &str, follow_redirects: bool) -> ([usize; 3], Option<u16>) {
    redirected_and_refused(contacts, follow_redirects, 302)
}

/// The same where the second refuses with `status`.
fn redirected_and_refused(
    contacts: &str,
    follow_redirects: bool,
    status: u16,
) -> ([usize; 3], Option<u16>) {
    let redirecting = |trunks: &mut Vec<Trunk>| {
        trunk_before(first_phone())(trunks);
        trunks[0].sources = vec!["10.0.0.0/8".parse().unwrap()];
        trunks[0].routing.follow_redirects = follow_redirects;
    };
    let mut world = World::build().trunks(redirecting).start();
    let redirects = |world: &mut World, name: &str, status| {
        world.phone_with(name, |phone| {
            phone.answering = Answering::Reject { after: Duration::ZERO, status };
            phone.refusal_headers = vec![("Contact".to_owned(), contacts.to_owned())];
        })
    };
    let first = redirects(&mut world, "first", 302);
    let second = redirects(&mut world, "second", status);
    let third = world.phone_with("third", |phone| phone.answering = Answering::After(secs(1)));
    let callee = world.callee("dora", NUMBER, |phone| phone.answering = Answering::After(secs(1)));
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR);
    world.run_for(secs(4)).press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
    world.run_for(secs(12));
    assert!(world.phone(callee).calls().is_empty(), "a redirection is no fault of the trunk");
    let calls = [first, second, third].map(|phone| world.phone(phone).calls().len());
    let records = world.finish();
    let leg = records.dialled(NUMBER);
    assert_eq!((leg.trunk_out, leg.answered_at.is_some()), (Some(3), calls[2] > 0));
    (calls, leg.sip_status)
}

#[test]
fn a_redirection_is_followed_within_the_trunk_where_it_says_so() {
    let to = |user: &str, host: &str, q: &str| format!("<sip:{user}@{host}>;q={q}");
    let both = [to("+14165550199", "10.0.0.3", "0.4"), to("14165550199", "10.0.0.2:5060", "0.9")];
    let (calls, _) = redirected(&both.join(", "), true);
    assert_eq!(calls, [1, 1, 1], "by q, and what stands twice once");
    assert_eq!(redirected(&both.join(", "), false), ([1, 0, 0], Some(302)), "off");
    for elsewhere in [
        to("+14165550198", "10.0.0.3", "1"),
        to("+14165550199", "192.0.2.77", "1"),
        to("+14165550199", "other.example.com", "1"),
        to("+14165550199", "10.0.0.1:5060", "1"),
        to("+14165550199", "10.0.0.3;transport=tcp", "1"),
        "<sips:+14165550199@10.0.0.3>".to_owned(),
        "<sip:+14165550199@10.0.0.3?Replaces=x>".to_owned(),
        "*".to_owned(),
    ] {
        assert_eq!(redirected(&elsewhere, true), ([1, 0, 0], Some(302)), "{elsewhere}");
    }
    let circle = to("+14165550199", "10.0.0.2", "1");
    assert_eq!(redirected(&circle, true), ([1, 1, 0], Some(302)), "round and round");
    let both = both.join(", ");
    assert_eq!(redirected_and_refused(&both, true, 404).0, [1, 1, 1], "he is not there");
    for busy in [486, 600, 603] {
        let called = redirected_and_refused(&both, true, busy);
        assert_eq!(called, ([1, 1, 0], Some(busy)), "the callee said so, wherever he is");
    }
}

#[test]
fn when_every_trunk_fails_it_is_said_once() {
    let fails = Answering::Reject { after: Duration::ZERO, status: 503 };
    let Scene { mut world, anna, .. } = anna_dials_by_two(first_phone(), fails, fails);
    world.run_for(secs(10));
    assert_eq!(world.times_played(anna, Prompt::DialFailed), 1);
    let records = world.finish();
    let leg = records.dialled(NUMBER);
    assert_eq!((leg.trunk_out, leg.answered_at), (Some(7), None));
}

#[test]
fn a_call_of_ours_that_comes_back_is_refused_as_a_loop() {
    let mut world = World::build().keep_log().start();
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(4)).press(anna, "*1").run_for(secs(3));
    world.press(anna, "4165550199#").run_for(secs(3));
    // What left for the carrier, sent on by a proxy to a number that leads to us.
    let log = world.log().to_vec();
    let start = log.windows(7).rposition(|bytes| bytes == b"INVITE ").unwrap();
    let text = String::from_utf8_lossy(&log[start..]).into_owned();
    // The log's next line begins after the line end of the description.
    let end = text.find("\n\n").map_or(text.len(), |at| at + 1);
    let invite = &text[..end];
    let (line, rest) = invite.split_once("\r\n").unwrap();
    assert!(line.starts_with("INVITE sip:+14165550199@"), "{line}");
    let proxy = "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKproxy";
    let back = format!("INVITE sip:+18005550142@192.0.2.1 SIP/2.0\r\n{proxy}\r\n{rest}");
    world.throw_at_sip(CARRIER, back.as_bytes()).run_for(secs(1));
    assert_eq!(world.node().refused(Refused::Loop), 1);
    let told = b"SIP/2.0 482 ";
    assert!(world.log().windows(told.len()).any(|bytes| bytes == told));
    world.finish();
}

#[test]
fn who_is_left_while_the_moderator_dials_is_not_told_that_he_is_alone() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    let callee = world.callee("dora", NUMBER, |phone| phone.answering = Answering::RingForever);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#").run_for(secs(30));
    assert_eq!(world.ending(callee), None, "it rings");
    assert_eq!(world.times_played(ben, Prompt::OnlyPerson), 0);
    assert!(world.hears_music(ben), "but he is not left in silence");
    world.press(anna, "*3").run_for(secs(4));
    assert!(!world.hears_music(ben));
    // When she leaves, he is alone, and told.
    world.hang_up(anna).run_for(secs(10));
    assert_eq!(world.times_played(ben, Prompt::OnlyPerson), 1);
    world.finish();
}
