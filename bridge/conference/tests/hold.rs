//! Waiting for the moderator, being first, being alone.

mod common;

use common::{LISTENER, MODERATOR, PARTICIPANT, World, ms, secs};
use partyline_cdr_record::{CloseReason, FeatureCode};
use partyline_conference::{EndKind, Output, Talk};
use partyline_dialplan::Prompt;
use partyline_directory::StartsWith;

#[test]
fn a_participant_waits_with_music_after_the_prompt() {
    let mut world = World::new();
    let call = world.join(PARTICIPANT);
    assert!(world.heard(call).ends_with(&[Prompt::WaitingForModerator]));
    assert!(!world.leg(call).music && world.mix(call).is_none());
    world.run(secs(1));
    assert!(world.leg(call).music && world.mix(call).is_none());
}

#[test]
fn waiting_callers_do_not_hear_each_other() {
    let mut world = World::new();
    let calls = [world.join(PARTICIPANT), world.join(LISTENER), world.join(PARTICIPANT)];
    world.run(secs(5));
    assert!(calls.iter().all(|&call| world.mix(call).is_none() && world.leg(call).music));
    assert_eq!(world.outputs(|o| matches!(o, Output::Join { .. } | Output::PlayMix { .. })), 0);
}

#[test]
fn thanks_for_waiting_come_every_minute_and_music_goes_on() {
    let mut world = World::new();
    let call = world.join(PARTICIPANT);
    world.heard(call);
    world.run(secs(60));
    assert_eq!(world.heard(call), [Prompt::ThankYouForWaiting]);
    world.run(secs(60));
    assert_eq!(world.heard(call), [Prompt::ThankYouForWaiting]);
    world.run(secs(1));
    assert!(world.leg(call).music);
}

#[test]
fn after_20_minutes_the_wait_is_over() {
    let mut world = World::new();
    let call = world.join(PARTICIPANT);
    world.run(secs(20 * 60));
    assert_eq!(world.heard(call).last(), Some(&Prompt::HoldTimeout));
    assert!(!world.leg(call).music);
    world.run(secs(1));
    let record = world.record(call);
    assert_eq!(record.close_reason, Some(CloseReason::HoldTimeout));
    assert_eq!((record.conf_ms, record.joined_at), (0, None));
    assert!(record.hold_ms >= 1_199_000 && record.hold_ms <= 1_200_000, "{}", record.hold_ms);
}

#[test]
fn codes_are_not_available_while_waiting() {
    let mut world = World::new();
    let call = world.join(PARTICIPANT);
    world.heard(call);
    world.press(call, "*6");
    assert_eq!(world.heard(call), [Prompt::NotAvailableYet]);
    world.run(secs(1));
    assert!(world.leg(call).music);
}

#[test]
fn the_moderator_starts_the_conference_for_all_within_one_step() {
    let mut world = World::new();
    let waiting = [world.join(PARTICIPANT), world.join(PARTICIPANT)];
    world.run(secs(5));
    world.forget_heard();
    let moderator = world.join(MODERATOR);
    let room = world.mix(moderator);
    assert!(room.is_some());
    for call in waiting {
        assert_eq!((world.mix(call), world.leg(call).music), (room, false));
        assert!(world.heard(call).starts_with(&[Prompt::ToneChime, Prompt::ConferenceStarting]));
    }
    assert_eq!(world.codes().iter().filter(|&&c| c == FeatureCode::ConferenceStart).count(), 1);
    let joins: Vec<_> = world
        .log
        .iter()
        .filter(|(_, o)| matches!(o, Output::Join { .. }))
        .map(|(at, _)| at)
        .collect();
    assert!(joins.windows(2).all(|pair| pair[0] == pair[1]));
    world.run(secs(30));
    assert!(waiting.iter().all(|&call| !world.leg(call).music));
}

#[test]
fn a_conference_that_starts_with_the_first_caller_makes_nobody_wait() {
    let mut world = World::with(|setup| setup.conference.starts_with = StartsWith::FirstCaller);
    let first = world.join(PARTICIPANT);
    assert_eq!(world.heard(first).last(), Some(&Prompt::FirstPerson));
    let second = world.join(PARTICIPANT);
    assert_eq!(world.mix(first), world.mix(second));
    assert_eq!(world.heard(first), [Prompt::ToneJoin]);
}

#[test]
fn a_listener_is_never_heard() {
    let mut world = World::new();
    world.join(MODERATOR);
    let listener = world.join(LISTENER);
    assert!(world.mix(listener).is_some());
    assert_eq!(world.leg(listener).talk, Some(Talk::Muted));
    world.press(listener, "*6");
    assert_eq!(world.leg(listener).talk, Some(Talk::Muted));
    assert_eq!(
        world.event(FeatureCode::MuteSelf).denied,
        Some(partyline_cdr_record::DenyReason::Role)
    );
}

#[test]
fn who_stays_alone_hears_so_and_gets_music_after_five_seconds() {
    let mut world = World::new();
    let moderator = world.join(MODERATOR);
    let other = world.join(PARTICIPANT);
    world.run(secs(2));
    world.bye(other);
    world.forget_heard();
    world.run(ms(4_999));
    assert!(!world.leg(moderator).music && world.heard(moderator).is_empty());
    world.run(ms(1));
    assert_eq!(world.heard(moderator), [Prompt::OnlyPerson]);
    // Music waits for the end of the prompt.
    assert!(!world.leg(moderator).music);
    world.run(secs(1));
    assert!(world.leg(moderator).music);
    world.join(PARTICIPANT);
    assert!(!world.leg(moderator).music);
}

#[test]
fn who_is_first_gets_music_without_the_remark() {
    let mut world = World::new();
    let moderator = world.join(MODERATOR);
    world.run(secs(10));
    assert!(world.leg(moderator).music);
    assert!(!world.heard(moderator).contains(&Prompt::OnlyPerson));
}

#[test]
fn music_makes_room_for_what_is_said_to_the_whole_conference() {
    let mut world = World::new();
    let moderator = world.join(MODERATOR);
    world.run(secs(10));
    world.press(moderator, "*4");
    world.run(secs(1));
    assert!(world.leg(moderator).music);
    world.forget_heard();
    world.press(moderator, "1");
    assert_eq!(world.heard(moderator), [Prompt::RecordingStarted]);
    // Music would stand in for the conference, and the announcement would not be heard.
    assert!(!world.leg(moderator).music);
    world.run(secs(1));
    assert!(world.leg(moderator).music);
}

#[test]
fn fifteen_minutes_alone_end_the_call() {
    let mut world = World::new();
    let moderator = world.join(MODERATOR);
    world.run(secs(15 * 60 - 1));
    assert!(!world.is_over(moderator));
    world.run(secs(2));
    assert_eq!(world.heard(moderator).last(), Some(&Prompt::Goodbye));
    assert_eq!(world.reason(moderator), CloseReason::AloneTimeout);
    assert_eq!(world.bridge.conferences(), 0);
}

#[test]
fn a_silent_conference_plays_no_tones() {
    let mut world = World::with(|setup| {
        setup.conference.announce = partyline_directory::Announce::Silent;
    });
    world.join(MODERATOR);
    let call = world.join(PARTICIPANT);
    world.bye(call);
    assert_eq!(world.outputs(|o| matches!(o, Output::PlayMix { .. })), 0);
}

#[test]
fn a_full_conference_says_so() {
    let mut world = World::with(|setup| setup.conference.max_legs = 2);
    world.join(MODERATOR);
    world.join(PARTICIPANT);
    let third = world.join(PARTICIPANT);
    assert!(world.heard(third).contains(&Prompt::ConferenceFull));
    world.run(secs(2));
    assert!(world.is_over(third));
    assert_eq!(world.event(FeatureCode::JoinFull).leg_id, world.record(third).leg_id);
}

#[test]
fn a_caller_who_leaves_before_the_moderator_comes_leaves_no_session() {
    let mut world = World::new();
    let call = world.join(PARTICIPANT);
    world.run(secs(30));
    world.end(call, EndKind::HungUp);
    assert_eq!(world.bridge.conferences(), 0);
    let conference = world.conference_records().last().copied().cloned().unwrap();
    assert!(conference.is_closed());
    assert_eq!((conference.leg_count, conference.leg_ms_total), (1, 0));
}
