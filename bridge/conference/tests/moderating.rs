//! Lock and knocking, roll calls, putting out, private rooms, announcing, promotion.

mod common;

use common::{MODERATOR, PARTICIPANT, World, secs};
use partyline_cdr_record::{
    Actor, AnnounceMode, CloseReason, DenyReason, FeatureCode, FeatureDetail, Outcome,
};
use partyline_conference::{Output, Talk};
use partyline_dialplan::Prompt;
use partyline_model::{CallId, Role};

/// Somebody with the participants' passcode at a locked door, who has asked to be let in.
fn knocking(world: &mut World) -> CallId {
    let call = world.join(PARTICIPANT);
    assert_eq!(world.heard(call).last(), Some(&Prompt::LockedKnock));
    world.press(call, "1");
    assert_eq!(world.heard(call).last(), Some(&Prompt::KnockWait));
    world.run(secs(2));
    assert!(world.leg(call).music && world.mix(call).is_none());
    call
}

#[test]
fn a_locked_conference_is_entered_by_leave_of_its_moderator() {
    let mut world = World::new();
    let (moderator, others) = world.room(1);
    assert_eq!(world.press_and_hear(moderator, "*7").last(), Some(&Prompt::Locked));
    assert_eq!(world.heard(others[0]), [Prompt::ToneChime]);
    let caller = knocking(&mut world);
    assert!(world.heard(moderator).contains(&Prompt::CallerWaiting));
    world.event(FeatureCode::LockKnock);
    let heard = world.press_and_hear(moderator, "*8");
    assert_eq!(heard.last(), Some(&Prompt::RollCallKnocking), "who waits comes first");
    world.press_and_hear(moderator, "4");
    world.run(secs(2));
    assert!(world.mix(caller).is_some() && !world.leg(caller).music);
    let admitted = world.event(FeatureCode::LockAdmit);
    assert_eq!(admitted.target_leg, Some(world.leg_id(caller)));
    let refused = knocking(&mut world);
    world.press_and_hear(moderator, "*8");
    world.press_and_hear(moderator, "1");
    world.run(secs(3));
    assert!(world.is_over(refused) && world.leg(refused).mix.is_none());
    world.event(FeatureCode::LockReject);
    let second_moderator = world.join(MODERATOR);
    world.run(secs(2));
    assert!(world.mix(second_moderator).is_some(), "a lock is not for moderators");
}

#[test]
fn unlocking_lets_in_whoever_waits_and_ending_turns_them_away() {
    let mut world = World::new();
    let (moderator, _) = world.room(1);
    world.press_and_hear(moderator, "*7");
    let caller = knocking(&mut world);
    world.quiet();
    assert_eq!(world.press_and_hear(moderator, "*7").last(), Some(&Prompt::Unlocked));
    world.run(secs(2));
    assert!(world.mix(caller).is_some());
    world.press_and_hear(moderator, "*7");
    let late = knocking(&mut world);
    world.quiet();
    world.press_and_hear(moderator, "*99");
    world.press_and_hear(moderator, "1");
    assert_eq!(world.heard(late), [Prompt::ConferenceEnded]);
    world.run(secs(10));
    assert!(world.is_over(late) && world.is_over(caller) && world.is_over(moderator));
    let denied = world.events().into_iter().filter(|e| e.code == FeatureCode::AuthDenied).count();
    assert_eq!(denied, 1);
}

#[test]
fn who_does_not_ask_or_is_not_heard_goes_and_who_hangs_up_knocks_no_more() {
    let mut world = World::new();
    let (moderator, _) = world.room(1);
    world.press_and_hear(moderator, "*7");
    let silent = world.join(PARTICIPANT);
    world.run(secs(10));
    assert!(world.is_over(silent));
    let gone = knocking(&mut world);
    world.bye(gone);
    world.quiet();
    let heard = world.press_and_hear(moderator, "*8");
    assert!(!heard.contains(&Prompt::RollCallKnocking), "{heard:?}");
    world.quiet();
    let forgotten = knocking(&mut world);
    world.run(secs(21 * 60));
    assert!(world.is_over(forgotten));
}

#[test]
fn a_roll_call_goes_through_the_legs_and_mutes_and_puts_out() {
    let mut world = World::new();
    let (moderator, others) = world.room(3);
    let heard = world.press_and_hear(moderator, "*8");
    assert_eq!(heard[..3], [Prompt::CountThereAre, Prompt::Four, Prompt::CountPeople]);
    assert_eq!(heard.last(), Some(&Prompt::RollCallKeys));
    let heard = world.press_and_hear(moderator, "2");
    assert!(heard.contains(&Prompt::CallerMuted));
    assert_eq!(world.heard(others[0]), [Prompt::MutedByModerator]);
    assert_eq!(world.leg(others[0]).talk, Some(Talk::Muted));
    let heard = world.press_and_hear(moderator, "1");
    assert!(heard.contains(&Prompt::CallerDisconnected));
    assert_eq!(world.heard(others[1]).last(), Some(&Prompt::DisconnectedByModerator));
    world.run(secs(2));
    assert_eq!(world.reason(others[1]), CloseReason::Kicked);
    world.press_and_hear(moderator, "3");
    assert_eq!(world.press_and_hear(others[0], "*6"), [Prompt::MutedByModerator]);
    assert_eq!(world.leg(others[0]).talk, Some(Talk::Muted), "he cannot open it himself");
    world.quiet();
    world.press_and_hear(moderator, "*8");
    world.press_and_hear(moderator, "2");
    assert_eq!(world.heard(others[0]), [Prompt::OpenedByModerator]);
    assert_eq!(world.leg(others[0]).talk, Some(Talk::Open));
    assert_eq!(world.event(FeatureCode::Kick).target_leg, Some(world.leg_id(others[1])));
    assert!(world.mix(others[2]).is_some());
}

#[test]
fn pound_and_a_star_end_the_roll_call() {
    let mut world = World::new();
    let (moderator, _) = world.room(2);
    world.press_and_hear(moderator, "*8");
    assert_eq!(world.press_and_hear(moderator, "#"), [Prompt::RollCallOver]);
    world.press_and_hear(moderator, "*8");
    assert_eq!(world.press_and_hear(moderator, "*6"), [Prompt::Muted]);
}

#[test]
fn a_participant_hears_who_is_here_and_all_hear_it_by_star_96() {
    let mut world = World::new();
    let (moderator, others) = world.room(1);
    let heard = world.press_and_hear(others[0], "*8");
    assert_eq!(heard[..3], [Prompt::CountThereAre, Prompt::Two, Prompt::CountPeople]);
    assert!(heard.len() > 3 && !heard.contains(&Prompt::RollCallKeys));
    world.quiet();
    world.press_and_hear(moderator, "*96");
    assert_eq!(world.heard(others[0]), heard);
    assert_eq!(world.event(FeatureCode::RollCallPublic).detail, FeatureDetail::Count(2));
}

#[test]
fn star_97_puts_out_who_came_last_after_a_question() {
    let mut world = World::new();
    let (moderator, others) = world.room(2);
    let heard = world.press_and_hear(moderator, "*97");
    assert_eq!((heard[0], heard.last()), (Prompt::ToDisconnect, Some(&Prompt::PressOne)));
    assert_eq!(world.press_and_hear(moderator, "7"), [Prompt::Cancelled]);
    assert!(!world.is_over(others[1]));
    world.press_and_hear(moderator, "*97");
    let heard = world.press_and_hear(moderator, "1");
    assert_eq!(heard.last(), Some(&Prompt::CallerDisconnected));
    world.run(secs(2));
    assert!(world.is_over(others[1]) && !world.is_over(others[0]));
    world.bye(others[0]);
    world.quiet();
    assert_eq!(world.press_and_hear(moderator, "*97"), [Prompt::NobodyToDisconnect]);
}

#[test]
fn a_private_room_has_a_mix_of_its_own_and_hears_what_concerns_all() {
    let mut world = World::new();
    let (moderator, others) = world.room(2);
    let second = world.join(MODERATOR);
    world.quiet();
    let main = world.mix(others[0]);
    world.press_and_hear(moderator, "*3");
    assert_eq!(world.press_and_hear(moderator, "2"), [Prompt::YouAreInRoom, Prompt::Two]);
    assert!(world.mix(moderator).is_some() && world.mix(moderator) != main);
    world.press_and_hear(second, "*3");
    world.press_and_hear(second, "2");
    assert_eq!(world.mix(second), world.mix(moderator), "they meet in the room");
    world.quiet();
    world.press_and_hear(second, "*95");
    assert!(world.heard(moderator).contains(&Prompt::AllMuted));
    world.press_and_hear(moderator, "*3");
    assert_eq!(world.press_and_hear(moderator, "0"), [Prompt::ReturningToMain]);
    assert_eq!(world.mix(moderator), main);
    let rooms: Vec<_> =
        world.events().into_iter().filter(|e| e.code == FeatureCode::Breakout).collect();
    assert_eq!(rooms[0].detail, FeatureDetail::Room(2));
    world.press_and_hear(moderator, "*99");
    world.press_and_hear(moderator, "1");
    assert!(
        world.heard(second).contains(&Prompt::ConferenceEnded),
        "the farewell reaches the room"
    );
    world.run(secs(10));
    assert!(world.is_over(second));
    assert!(world.record(moderator).breakout_ms > 0);
}

#[test]
fn star_93_announces_by_tone_not_at_all_and_by_name() {
    let mut world = World::new();
    let (moderator, others) = world.room(1);
    assert_eq!(world.press_and_hear(moderator, "*93"), [Prompt::AnnounceNothing]);
    let silent = world.join(PARTICIPANT);
    assert!(world.heard(others[0]).is_empty());
    world.quiet();
    assert_eq!(world.press_and_hear(moderator, "*93"), [Prompt::AnnounceNames]);
    world.join(PARTICIPANT);
    let heard = world.heard(others[0]);
    assert_eq!(heard.last(), Some(&Prompt::HasJoined));
    assert!(matches!(heard[0], Prompt::CallerEnding | Prompt::Guest));
    world.quiet();
    world.bye(silent);
    assert_eq!(world.heard(others[0]).last(), Some(&Prompt::HasLeft));
    world.quiet();
    assert_eq!(world.press_and_hear(moderator, "*93"), [Prompt::AnnounceTones]);
    world.join(PARTICIPANT);
    assert_eq!(world.heard(others[0]), [Prompt::ToneJoin]);
    let modes: Vec<_> =
        world.events().into_iter().filter(|e| e.code == FeatureCode::AnnounceMode).collect();
    assert_eq!(modes[1].detail, FeatureDetail::Announce(AnnounceMode::Names));
}

#[test]
fn names_give_way_to_tones_while_many_come() {
    let mut world = World::with(|setup| setup.conference.max_legs = 60);
    let (moderator, others) = world.room(1);
    world.press_and_hear(moderator, "*93");
    world.run(secs(1));
    world.press_and_hear(moderator, "*93");
    world.run(secs(70));
    world.forget_heard();
    for _ in 0..8 {
        world.join(PARTICIPANT);
    }
    let heard = world.heard(others[0]);
    assert!(heard.contains(&Prompt::HasJoined) && heard.contains(&Prompt::ToneJoin), "{heard:?}");
}

#[test]
fn star_94_says_what_happens_when_the_moderator_leaves_and_it_does() {
    for continues in [true, false] {
        let mut world = World::with(|setup| setup.conference.ends_with_moderator = continues);
        let (moderator, others) = world.room(2);
        let prompt = if continues { Prompt::ContinueOn } else { Prompt::ContinueOff };
        assert_eq!(world.press_and_hear(moderator, "*94"), [prompt]);
        world.bye(moderator);
        world.run(secs(150));
        assert_eq!(world.is_over(others[0]), !continues);
    }
}

#[test]
fn star_98_pauses_the_recording_and_what_is_billed_of_it() {
    let mut world = World::new();
    let (moderator, others) = world.room(1);
    assert_eq!(world.press_and_hear(moderator, "*98"), [Prompt::NotRecorded]);
    world.press_and_hear(moderator, "*4");
    world.forget_heard();
    world.press(moderator, "1");
    world.run(secs(5));
    world.forget_heard();
    world.press(moderator, "*98");
    assert_eq!(world.heard(others[0]), [Prompt::RecordingPaused]);
    let paused = |paused| move |output: &Output| matches!(output, Output::PauseRecord { paused: p, .. } if *p == paused);
    assert_eq!(world.outputs(paused(true)), 1);
    world.run(secs(20));
    world.press(moderator, "*98");
    assert_eq!(world.outputs(paused(false)), 1);
    world.run(secs(3));
    world.press(moderator, "*4");
    assert_eq!(world.event(FeatureCode::RecordResume).detail, FeatureDetail::Millis(20_150));
    assert_eq!(world.event(FeatureCode::RecordStop).detail, FeatureDetail::Millis(8_250));
}

#[test]
fn a_participant_becomes_a_moderator_by_the_moderator_passcode() {
    let mut world = World::new();
    let (moderator, others) = world.room(2);
    assert_eq!(world.press_and_hear(others[0], "*3"), [Prompt::EnterModeratorPasscode]);
    assert_eq!(world.leg(others[0]).talk, Some(Talk::Secret), "nobody hears the passcode");
    world.press(others[0], MODERATOR);
    world.run(secs(2));
    assert_eq!(world.heard(others[0]).last(), Some(&Prompt::NowModerator));
    assert_eq!(world.leg(others[0]).talk, Some(Talk::Open));
    let event = world.event(FeatureCode::Promote);
    assert_eq!((event.outcome, event.role), (Outcome::Ok, Some(Role::Moderator)));
    assert_eq!(world.press_and_hear(others[0], "*7").last(), Some(&Prompt::Locked));
    world.bye(moderator);
    world.run(secs(180));
    assert!(!world.is_over(others[1]), "a moderator is still there");
    world.bye(others[0]);
    assert_eq!(world.record(others[0]).access_codes.len(), 2);
}

#[test]
fn a_wrong_passcode_makes_nobody_a_moderator_and_counts_as_a_guess() {
    let mut world = World::new();
    let (_, others) = world.room(1);
    world.press_and_hear(others[0], "*3");
    world.press(others[0], "99999999#");
    world.run(secs(3));
    assert!(world.heard(others[0]).contains(&Prompt::ModeratorPasscodeWrong));
    world.press(others[0], PARTICIPANT);
    world.run(secs(40));
    assert_eq!(world.heard(others[0]).last(), Some(&Prompt::ModeratorPasscodeWrong));
    assert_eq!(world.bridge.guess_counts().wrong_passcodes, 2);
    assert_eq!(world.press_and_hear(others[0], "*7"), [Prompt::ModeratorOnly]);
    let denied = world.event(FeatureCode::Lock);
    assert_eq!(denied.denied, Some(DenyReason::Role));
    assert!(world.mix(others[0]).is_some(), "the call goes on");
}

#[test]
fn nobody_is_left_muted_or_locked_out_when_the_last_moderator_goes() {
    let mut world = World::with(|setup| setup.conference.ends_with_moderator = false);
    let (moderator, others) = world.room(2);
    world.press_and_hear(moderator, "*8");
    world.press_and_hear(moderator, "2");
    world.press_and_hear(moderator, "*5");
    world.press_and_hear(moderator, "*7");
    world.run(secs(1));
    world.press_and_hear(moderator, "*5");
    let caller = knocking(&mut world);
    assert!(others.iter().all(|&call| world.leg(call).talk == Some(Talk::Muted)));
    world.bye(moderator);
    world.run(secs(3));
    assert!(others.iter().all(|&call| world.leg(call).talk == Some(Talk::Open)));
    assert!(world.mix(caller).is_some(), "who asked to be let in is in");
    let unlock = world.event(FeatureCode::Unlock);
    assert!(unlock.is_of_session() && unlock.actor == Actor::System);
}

#[test]
fn who_comes_back_from_a_call_of_a_private_room_is_in_the_main_conference() {
    let mut world = World::new();
    let (moderator, others) = world.room(1);
    world.press_and_hear(moderator, "*3");
    world.press_and_hear(moderator, "2");
    world.press_and_hear(moderator, "*1");
    world.press_and_hear(moderator, "*");
    assert_eq!(world.mix(moderator), world.mix(others[0]));
}

#[test]
fn the_last_leg_is_not_kept_for_ever_in_a_private_room() {
    let mut world = World::new();
    let (moderator, others) = world.room(1);
    world.press_and_hear(moderator, "*3");
    world.press_and_hear(moderator, "2");
    world.bye(others[0]);
    world.run(secs(16 * 60));
    assert!(world.is_over(moderator));
}

#[test]
fn what_is_typed_while_a_verdict_waits_is_heard_by_nobody() {
    let mut world = World::new();
    world.room(1);
    world.withheld = true;
    let late = world.join(PARTICIPANT);
    // So many strangers guess that answers are delayed.
    for _ in 0..12 {
        let stranger = world.call();
        world.run(secs(1));
        for _ in 0..3 {
            world.press(stranger, "999999#");
            world.run(secs(5));
        }
    }
    world.quiet();
    world.press_and_hear(late, "*3");
    world.press(late, "999999#");
    world.run(secs(1));
    world.forget_heard();
    world.press(late, "888888#");
    assert!(!world.heard(late).contains(&Prompt::ModeratorPasscodeWrong), "the verdict waits");
    assert_eq!(world.leg(late).talk, Some(Talk::Secret));
    world.press(late, "48");
    assert_eq!(world.leg(late).talk, Some(Talk::Secret));
    assert_eq!(world.press_and_hear(late, "*6"), [Prompt::Muted], "a code is worth more");
}

#[test]
fn a_star_begins_the_moderator_passcode_again() {
    let mut world = World::new();
    let (_, others) = world.room(1);
    world.press_and_hear(others[0], "*3");
    world.press(others[0], "12*");
    assert_eq!(world.leg(others[0]).talk, Some(Talk::Secret));
    world.press(others[0], MODERATOR);
    world.run(secs(2));
    assert_eq!(world.heard(others[0]).last(), Some(&Prompt::NowModerator));
    world.bye(others[0]);
    assert_eq!(world.leg(others[0]).summary.as_ref().map(|s| s.stray_digits), Some(0));
}

#[test]
fn no_call_tries_at_the_moderator_passcode_for_ever() {
    let mut world = World::new();
    let (_, others) = world.room(1);
    for _ in 0..2 {
        world.press_and_hear(others[0], "*3");
        for _ in 0..2 {
            world.press(others[0], "999999#");
            world.run(secs(5));
        }
    }
    assert_eq!(world.press_and_hear(others[0], "*3"), [Prompt::NotNow]);
}

#[test]
fn a_choice_is_left_for_another_code() {
    let mut world = World::new();
    let (moderator, _) = world.room(1);
    for code in ["*97", "*3", "*4", "*99"] {
        world.press_and_hear(moderator, code);
        let heard = world.press_and_hear(moderator, "*6");
        assert!(matches!(heard[..], [Prompt::Muted | Prompt::Unmuted]), "{code}: {heard:?}");
    }
    world.event(FeatureCode::Kick);
}

#[test]
fn a_moderator_mutes_no_moderator() {
    let mut world = World::new();
    let moderator = world.join(MODERATOR);
    let second = world.join(MODERATOR);
    world.quiet();
    world.press_and_hear(moderator, "*8");
    let heard = world.press_and_hear(moderator, "2");
    assert!(heard.contains(&Prompt::NotNow));
    assert_eq!(world.press_and_hear(second, "*6"), [Prompt::Muted]);
    assert_eq!(world.press_and_hear(second, "*6"), [Prompt::Unmuted]);
}

#[test]
fn a_late_pound_at_the_locked_door_is_no_answer() {
    let mut world = World::new();
    let (moderator, _) = world.room(1);
    world.press_and_hear(moderator, "*7");
    let call = world.join(PARTICIPANT);
    world.press(call, "#");
    world.run(secs(1));
    assert!(!world.is_over(call));
    world.press(call, "1");
    assert_eq!(world.heard(call).last(), Some(&Prompt::KnockWait));
}

#[test]
fn a_moderator_who_was_busy_hears_of_a_knock_later() {
    let mut world = World::new();
    let (moderator, _) = world.room(1);
    world.press_and_hear(moderator, "*7");
    world.quiet();
    world.press_and_hear(moderator, "*8");
    knocking(&mut world);
    world.forget_heard();
    world.run(secs(70));
    assert!(world.heard(moderator).contains(&Prompt::CallerWaiting));
}

#[test]
fn notices_wait_for_no_names() {
    let mut world = World::new();
    let (moderator, _) = world.room(2);
    world.press_and_hear(moderator, "*96");
    world.press(moderator, "*4");
    world.press(moderator, "1");
    assert!(world.outputs(|o| matches!(o, Output::HushMix { .. })) > 0);
}
