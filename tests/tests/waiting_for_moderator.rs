//! Before the conference begins, and after its moderator has gone.

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_cdr_record::{CloseReason, FeatureCode};
use partyline_dialplan::Prompt;
use partyline_directory::StartsWith;
use partyline_phones::Ending;

#[test]
fn participants_hear_music_and_not_each_other_until_the_moderator_comes() {
    let mut world = World::build().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.join(ben, PARTICIPANT).join(carl, PARTICIPANT);
    assert_eq!(world.times_played(ben, Prompt::WaitingForModerator), 1);
    world.talk(ben).talk(carl).run_for(secs(3));
    for (listener, talker) in [(ben, carl), (carl, ben)] {
        assert!(world.hears_music(listener) && !world.hears_silence(listener), "by ear");
        assert!(world.lacks(listener, tone(talker)));
        assert_eq!(world.room_of(listener), None);
    }
    world.join(anna, MODERATOR).run_for(secs(6));
    let room = world.room_of(anna);
    for (listener, talker) in [(ben, carl), (carl, ben)] {
        assert!(!world.hears_music(listener));
        assert!(room.is_some() && world.room_of(listener) == room);
        assert_eq!(world.times_played(listener, Prompt::ConferenceStarting), 1);
        assert!(world.hears(listener, tone(talker)) && world.lacks(listener, tone(listener)));
    }
    let records = world.finish();
    let ben = records.leg(world.call_id(ben));
    assert!((8_000..30_000).contains(&ben.hold_ms), "{} ms on hold", ben.hold_ms);
    assert!(records.events_of(ben).contains(&FeatureCode::HoldStart));
    assert_eq!(records.conference().host_leg, Some(records.leg(world.call_id(anna)).leg_id));
}

#[test]
fn who_waits_is_thanked_every_minute() {
    let mut world = World::build().start();
    let [ben] = world.phones(["ben"]);
    world.join(ben, PARTICIPANT).run_for(secs(150));
    assert_eq!(world.times_played(ben, Prompt::ThankYouForWaiting), 2);
    assert!(world.hears_music(ben));
    world.finish();
}

#[test]
fn first_caller_begins_a_conference_that_needs_no_moderator() {
    let mut world = World::build().starts_with(StartsWith::FirstCaller).start();
    let [ben, carl] = world.phones(["ben", "carl"]);
    world.join(ben, PARTICIPANT);
    assert!(world.room_of(ben).is_some() && !world.hears_music(ben));
    assert_eq!(world.times_played(ben, Prompt::FirstPerson), 1);
    world.run_for(secs(5)).join(carl, PARTICIPANT).run_for(secs(3)).talk(carl).run_for(secs(3));
    assert!(world.hears(ben, tone(carl)));
    world.finish();
}

#[test]
fn wait_ends_after_twenty_minutes() {
    let mut world = World::build().without_audio().start();
    let [ben] = world.phones(["ben"]);
    world.join(ben, PARTICIPANT).run_for(secs(19 * 60));
    assert!(world.is_up(ben));
    world.run_for(secs(2 * 60));
    assert_eq!(world.ending(ben), Some(Ending::ByThem));
    let records = world.finish();
    let leg = records.leg(world.call_id(ben));
    assert_eq!(leg.close_reason, Some(CloseReason::HoldTimeout));
    assert!(leg.hold_ms.abs_diff(20 * 60 * 1000) < 2_000, "{}", leg.hold_ms);
}

#[test]
fn conference_ends_two_minutes_after_its_last_moderator() {
    let mut world = World::build().without_audio().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT).run_for(secs(10));
    world.hang_up(anna).run_for(secs(115));
    assert!(world.is_up(ben) && world.is_up(carl));
    assert_eq!(world.times_played(ben, Prompt::ModeratorLeftEndingTwoMinutes), 1);
    world.run_for(secs(30));
    for phone in [ben, carl] {
        assert_eq!(world.ending(phone), Some(Ending::ByThem));
    }
    world.finish();
}

#[test]
fn conference_that_goes_on_alone_does() {
    let mut world = World::build().without_audio().goes_on_alone().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT).run_for(secs(10));
    world.hang_up(anna).run_for(secs(3600) + ms(1));
    assert!(world.room_of(ben).is_some() && world.room_of(ben) == world.room_of(carl));
    world.finish();
}
