//! From the INVITE to the first prompt.

mod common;

use common::{Disk, FarEnd, PARTICIPANT, World, ms, secs};
use partyline_cdr_record::{AccessKind, Actor, CloseReason, FeatureCode, LegState, ReleaseBy};
use partyline_conference::{EndKind, FIRST_OUTBOUND, Input, Output, Refusal};
use partyline_dialplan::Prompt;
use partyline_directory::AccountStatus;
use partyline_model::{CallId, Time, WallTime};

#[test]
fn the_open_and_the_answered_revision_are_on_disk_before_the_answer() {
    let mut world = World::new();
    world.disk = Disk::Hangs;
    let call = world.call();
    assert!(!world.leg(call).answered);
    world.disk_says(true);
    assert!(world.leg(call).answered);
    let revisions: Vec<_> = world.leg_records().iter().map(|leg| (leg.rev, leg.state)).collect();
    assert_eq!(revisions, [(0, LegState::Open), (1, LegState::Answered)]);
}

#[test]
fn a_call_without_a_durable_record_gets_503() {
    let mut world = World::new();
    world.disk = Disk::Fails;
    let call = world.call();
    let refusal = world.leg(call).refused.expect("refused");
    assert_eq!(world.leg(call).refused_with, Some(503));
    assert!(refusal.retry_after().is_some() && !world.leg(call).answered);
}

#[test]
fn a_closed_record_is_offered_until_the_disk_takes_it_and_calls_are_refused_meanwhile() {
    let mut world = World::new();
    world.disk = Disk::Fails;
    let first = world.call();
    world.run(secs(5));
    world.disk = Disk::Works;
    let second = world.call();
    assert!(matches!(world.leg(second).refused, Some(Refusal::NotDurable { .. })));
    world.run(secs(2));
    let record = world.record(first);
    assert_eq!((record.sip_status, record.answered_at, record.duration_ms), (Some(503), None, 0));
    let third = world.call();
    assert!(world.leg(third).answered);
}

#[test]
fn an_unknown_number_gets_404_and_a_record() {
    let mut world = World::new();
    let call = world.call_to("18005559999");
    assert_eq!(world.leg(call).refused, Some(Refusal::UnknownNumber));
    let record = world.record(call);
    assert_eq!((record.sip_status, record.q850), (Some(404), Some(1)));
    assert_eq!(record.close_reason, Some(CloseReason::NotFound));
    assert!(!record.is_billable());
}

#[test]
fn a_number_of_a_suspended_account_gets_403() {
    let mut world = World::with(|setup| {
        setup.account.status = AccountStatus::Suspended;
        setup.dial_in.account = Some(setup.account.id);
    });
    let call = world.call();
    assert_eq!(world.leg(call).refused_with, Some(403));
    assert_eq!(world.reason(call), CloseReason::Admin);
}

#[test]
fn the_call_after_the_last_line_gets_486() {
    let mut world = World::with(|setup| setup.config.max_calls = 2);
    let calls = [world.call(), world.call(), world.call()];
    assert!(world.leg(calls[1]).answered);
    assert_eq!(world.leg(calls[2]).refused_with, Some(486));
}

#[test]
fn an_alias_reaches_its_number() {
    let mut world = World::new();
    let call = world.call_to("conference");
    world.bye(call);
    let record = world.record(call);
    assert_eq!(record.dnis.map(|n| n.to_string()).as_deref(), Some(common::DNIS));
    assert_eq!(record.dnis_raw.as_str(), "conference");
    assert_eq!(record.access_kind, AccessKind::TollFree);
}

#[test]
fn the_welcome_waits_400_ms_when_media_is_there() {
    let mut world = World::new();
    let call = world.call();
    world.run(ms(399));
    assert!(world.heard(call).is_empty());
    world.run(ms(1));
    assert_eq!(world.heard(call), [Prompt::Welcome, Prompt::EnterPasscode]);
}

#[test]
fn the_welcome_waits_for_late_media() {
    let mut world = World::new();
    world.far_end = FarEnd::Mute;
    let call = world.call();
    world.input(Input::Confirmed { call });
    world.run(ms(600));
    assert!(world.heard(call).is_empty());
    world.input(Input::MediaStarted { call });
    world.run(ms(2));
    assert!(world.heard(call).contains(&Prompt::Welcome));
}

#[test]
fn the_welcome_waits_800_ms_at_most() {
    let mut world = World::new();
    world.far_end = FarEnd::Mute;
    let call = world.call();
    world.input(Input::Confirmed { call });
    world.run(ms(799));
    assert!(world.heard(call).is_empty());
    world.run(ms(1));
    assert!(world.heard(call).contains(&Prompt::Welcome));
}

#[test]
fn a_leg_that_only_listens_in_silence_has_no_media() {
    let mut world = World::new();
    world.far_end = FarEnd::Mute;
    let call = world.call();
    world.input(Input::Confirmed { call });
    world.run(secs(35));
    assert_eq!(world.reason(call), CloseReason::NoMedia);
}

#[test]
fn a_leg_without_any_sign_of_life_is_hung_up_after_30_seconds() {
    let mut world = World::with(|setup| setup.config.passcode.first_digit = secs(60));
    world.far_end = FarEnd::Mute;
    let call = world.call();
    world.input(Input::Confirmed { call });
    world.run(ms(29_900));
    assert!(!world.is_over(call));
    world.run(ms(100));
    assert_eq!(world.reason(call), CloseReason::NoMedia);
    assert_eq!(world.leg(call).hung_up, Some(102));
}

#[test]
fn one_digit_is_a_sign_of_life() {
    let mut world = World::new();
    world.far_end = FarEnd::Mute;
    let call = world.call();
    world.input(Input::Confirmed { call });
    world.press(call, "1");
    world.run(secs(31));
    assert!(!world.is_over(call) || world.reason(call) != CloseReason::NoMedia);
}

#[test]
fn an_answer_without_ack_is_not_charged() {
    let mut world = World::new();
    world.far_end = FarEnd::Mute;
    let call = world.call();
    world.run(secs(32));
    world.end(call, EndKind::Unconfirmed);
    let record = world.record(call);
    assert_eq!(record.close_reason, Some(CloseReason::NoAck));
    assert_eq!((record.answered_at, record.duration_ms), (None, 0));
}

#[test]
fn a_cancel_before_the_answer_leaves_an_unanswered_record() {
    let mut world = World::new();
    world.disk = Disk::Hangs;
    let call = world.call();
    world.end(call, EndKind::Cancelled);
    world.disk_says(true);
    let record = world.record(call);
    assert!(!world.leg(call).answered);
    assert_eq!((record.sip_status, record.release_by), (Some(487), Some(ReleaseBy::Caller)));
    assert_eq!((record.answered_at, record.duration_ms), (None, 0));
}

#[test]
fn billing_starts_when_the_answer_leaves() {
    let mut world = World::new();
    world.disk = Disk::Hangs;
    let call = world.call();
    world.run(ms(700));
    world.disk_says(true);
    world.run(secs(5));
    world.bye(call);
    world.disk_says(true);
    assert_eq!(world.record(call).duration_ms, 5_000);
}

#[test]
fn a_call_in_silence_is_charged_to_its_last_sign_of_life() {
    let mut world = World::new();
    let call = world.call();
    world.run(secs(4));
    let since = world.now;
    world.input(Input::MediaSilent { call, since: Time::from_nanos(since.as_nanos()) });
    assert_eq!((world.record(call).duration_ms, world.reason(call)), (4_000, CloseReason::NoMedia));
    let late = world.join(common::MODERATOR);
    world.run(secs(10));
    let since = world.now;
    world.run(secs(60));
    world.input(Input::MediaSilent { call: late, since });
    let record = world.record(late);
    assert!(record.duration_ms < 12_000 && record.conf_ms <= record.duration_ms);
    assert_eq!(world.leg(late).hung_up, Some(102));
    let expired = world.join(common::MODERATOR);
    world.run(secs(10));
    let since = world.now;
    world.run(secs(60));
    world.input(Input::SessionExpired { call: expired, since });
    let record = world.record(expired);
    assert!(record.duration_ms < 12_000, "{}", record.duration_ms);
    assert_eq!(world.reason(expired), CloseReason::SessionTimer);
}

#[test]
fn the_wall_clock_does_not_change_a_duration() {
    let mut world = World::new();
    let call = world.call();
    world.run(secs(3));
    world.input(Input::WallClock(WallTime::from_micros(1_800_000_000_000_000)));
    world.run(secs(4));
    world.bye(call);
    let record = world.record(call);
    assert_eq!(record.duration_ms, 7_000);
    let (answered, ended) = (record.answered_at.unwrap(), record.disconnected_at.unwrap());
    assert_eq!(ended.as_micros() - answered.as_micros(), 7_000_000);
    assert!(record.clock_skew_ms > 1000);
}

#[test]
fn ids_of_dialled_legs_are_not_taken_from_outside() {
    let mut world = World::new();
    let before = world.log.len();
    world.offer(FIRST_OUTBOUND, common::DNIS);
    world.offer(CallId(u32::MAX), common::DNIS);
    assert_eq!(world.log.len(), before);
}

#[test]
fn an_answer_is_given_once() {
    let mut world = World::new();
    let call = world.call();
    world.input(Input::Durable { token: 1 });
    world.input(Input::Durable { token: 77 });
    assert_eq!(world.outputs(|o| matches!(o, Output::Answer { .. })), 1);
    assert!(!world.is_over(call));
}

#[test]
fn a_dead_leg_is_charged_for_nothing_that_happened_after_its_last_sign_of_life() {
    let mut world = World::new();
    let waiting = world.join(PARTICIPANT);
    world.run(secs(5));
    let since = world.now;
    world.run(secs(5));
    world.join(common::MODERATOR);
    world.run(secs(60));
    world.input(Input::MediaSilent { call: waiting, since });
    let record = world.record(waiting);
    assert!(record.hold_ms >= 5_000 && record.hold_ms + record.conf_ms <= record.duration_ms);
    assert!(record.joined_at <= record.disconnected_at);
}

#[test]
fn a_caller_who_is_not_heard_is_told_after_ten_seconds_and_asked_on() {
    let mut world = World::with(|setup| setup.config.passcode.first_digit = secs(15));
    world.far_end = FarEnd::Mute;
    let call = world.call();
    world.input(Input::Confirmed { call });
    world.run(ms(9_900));
    assert!(!world.heard(call).contains(&Prompt::NoSoundHeard));
    world.run(ms(200));
    assert_eq!(world.heard(call).last(), Some(&Prompt::NoSoundHeard));
    assert_eq!(world.event(FeatureCode::NoSound).actor, Actor::System);
    // What he was asked holds: the passcode that he now types lets him in.
    world.press(call, PARTICIPANT);
    world.run(secs(1));
    world.bye(call);
    assert_eq!(world.event(FeatureCode::AuthOk).leg_id, world.record(call).leg_id);
}

#[test]
fn a_caller_who_is_heard_late_is_not_told_that_he_is_not() {
    let mut world = World::new();
    world.far_end = FarEnd::Mute;
    let call = world.call();
    world.input(Input::Confirmed { call });
    world.run(secs(9));
    world.input(Input::MediaStarted { call });
    world.run(secs(20));
    assert!(!world.heard(call).contains(&Prompt::NoSoundHeard));
}

#[test]
fn no_other_prompt_cuts_off_that_a_caller_is_not_heard() {
    let mut world = World::with(|setup| setup.config.passcode.first_digit = ms(8_400));
    world.far_end = FarEnd::Mute;
    let call = world.call();
    world.input(Input::Confirmed { call });
    world.run(ms(10_400));
    assert_eq!(world.heard(call).last(), Some(&Prompt::NoSoundHeard));
    world.run(secs(10));
    assert_eq!(world.heard(call).last(), Some(&Prompt::EnterPasscode));
}
