//! `*1`: the moderator calls somebody, and brings both in or comes back alone.

use std::time::Duration;

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_cdr_record::{DialoutKind, Direction, FeatureCode, Outcome};
use partyline_dialplan::Prompt;
use partyline_phones::{Answering, Ending, Event, PhoneId};

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
