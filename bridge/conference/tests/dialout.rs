//! `*1`: calling somebody out of the conference.

mod common;

use common::{Disk, MODERATOR, PARTICIPANT, World, number, secs};
use partyline_cdr_record::{
    CallFailure, CloseReason, DenyReason, DialoutKind, Direction, FeatureCode, FeatureDetail,
    Outcome, ReleaseBy, StatusCode,
};
use partyline_conference::{EndKind, FIRST_OUTBOUND, Input, Output, Talk};
use partyline_dialplan::Prompt;
use partyline_directory::AccountStatus;
use partyline_model::{AccountId, CallId};

const CALLEE: &str = "14165550199";

/// A moderator and a participant; everything said so far is forgotten.
fn conference(world: &mut World) -> (CallId, CallId) {
    let moderator = world.join(MODERATOR);
    let other = world.join(PARTICIPANT);
    world.run(secs(2));
    world.forget_heard();
    (moderator, other)
}

/// The moderator has dialled [`CALLEE`].
fn dialled(world: &mut World) -> (CallId, CallId, CallId) {
    let (moderator, other) = conference(world);
    world.press(moderator, "*1");
    world.press(moderator, &format!("{CALLEE}#"));
    let callee = world.dialled();
    (moderator, other, callee)
}

/// The moderator talks to the callee in private.
fn talking(world: &mut World) -> (CallId, CallId, CallId) {
    let (moderator, other, callee) = dialled(world);
    world.input(Input::Ringing { call: callee });
    world.run(secs(3));
    world.answered(callee);
    world.run(secs(2));
    assert!(world.mix(callee).is_some() && world.mix(callee) == world.mix(moderator));
    world.forget_heard();
    (moderator, other, callee)
}

#[test]
fn star_1_takes_the_moderator_out_of_the_mix_and_dials() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    world.press(moderator, "*1");
    assert_eq!((world.mix(moderator), world.heard(moderator)), (None, vec![Prompt::DialNumber]));
    assert!(world.mix(other).is_some());
    world.press(moderator, &format!("{CALLEE}#"));
    assert_eq!(world.heard(moderator), [Prompt::DialCalling]);
    let callee = world.dialled();
    assert!(callee >= FIRST_OUTBOUND);
    let dial = Output::Dial {
        call: callee,
        by: Some(moderator),
        number: number(CALLEE),
        caller_id: Some(number("14165550111")),
        account: Some(AccountId(5001)),
    };
    assert_eq!(world.outputs(|o| *o == dial), 1);
    let event = world.event(FeatureCode::DialoutStart);
    assert_eq!(event.detail, FeatureDetail::Number(number(CALLEE)));
    assert_eq!(event.pattern.as_str(), "*1");
}

#[test]
fn national_and_international_forms_reach_the_same_number() {
    for typed in ["4165550199", "14165550199", "01114165550199"] {
        let mut world = World::new();
        let (moderator, _) = conference(&mut world);
        world.press(moderator, &format!("*1{typed}#"));
        assert_eq!(
            world.outputs(|o| matches!(o, Output::Dial { number: n, .. } if *n == number(CALLEE))),
            1,
            "{typed}"
        );
    }
}

#[test]
fn no_invite_before_its_record_is_on_disk() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    world.disk = Disk::Hangs;
    world.press(moderator, &format!("*1{CALLEE}#"));
    assert_eq!(world.outputs(|o| matches!(o, Output::Dial { .. })), 0);
    world.disk_says(true);
    assert_eq!(world.outputs(|o| matches!(o, Output::Dial { .. })), 1);
}

#[test]
fn a_callee_whose_invite_waits_for_its_record_is_not_hung_up_on() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    world.disk = Disk::Hangs;
    world.press(moderator, &format!("*1{CALLEE}#"));
    world.bye(moderator);
    world.disk_says(true);
    world.disk_says(true);
    let to_callee = |output: &Output| matches!(output, Output::Dial { call, .. } | Output::Hangup { call, .. } if *call >= FIRST_OUTBOUND);
    assert_eq!(world.outputs(to_callee), 0, "nobody was called");
    let callees: Vec<_> = world
        .leg_records()
        .into_iter()
        .filter(|leg| leg.direction == Direction::Out && leg.is_closed())
        .collect();
    assert_eq!(callees.len(), 1, "its record is closed");
    assert_eq!(callees[0].answered_at, None);
}

#[test]
fn without_a_record_there_is_no_call_and_the_moderator_hears_so() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    world.disk = Disk::Fails;
    world.press(moderator, &format!("*1{CALLEE}#"));
    assert_eq!(world.outputs(|o| matches!(o, Output::Dial { .. } | Output::Hangup { .. })), 0);
    assert_eq!(world.heard(moderator)[2..], [Prompt::DialFailed, Prompt::DialAgain]);
    assert!(world.mix(moderator).is_some());
}

#[test]
fn the_callee_is_heard_only_after_its_answer_is_on_disk() {
    let mut world = World::new();
    let (moderator, _, callee) = dialled(&mut world);
    world.disk = Disk::Hangs;
    world.answered(callee);
    world.run(secs(5));
    assert!(world.heard(callee).is_empty() && world.mix(callee).is_none());
    world.disk_says(true);
    assert_eq!(world.heard(callee), [Prompt::CalleeHold]);
    world.run(secs(1));
    assert_eq!(world.mix(callee), world.mix(moderator));
    assert_eq!(world.leg(moderator).talk, Some(Talk::Open));
    assert_eq!(world.heard(moderator).last(), Some(&Prompt::DialAddOrReturn));
}

#[test]
fn an_answer_that_cannot_be_recorded_ends_the_call() {
    let mut world = World::new();
    let (moderator, _, callee) = dialled(&mut world);
    world.disk = Disk::Fails;
    world.answered(callee);
    world.disk = Disk::Works;
    world.run(secs(2));
    assert_eq!(world.reason(callee), CloseReason::Internal);
    assert!(world.leg(callee).hung_up.is_some());
    assert!(world.heard(moderator).contains(&Prompt::DialFailed));
}

#[test]
fn the_private_talk_is_heard_by_nobody_else() {
    let mut world = World::new();
    let (moderator, other, callee) = talking(&mut world);
    assert_ne!(world.mix(other), world.mix(moderator));
    assert!(world.mix(other).is_some() && world.mix(callee).is_some());
}

#[test]
fn star_2_and_pound_2_bring_both_in() {
    for keys in ["*2", "#2"] {
        let mut world = World::new();
        let (moderator, other, callee) = talking(&mut world);
        world.press(moderator, keys);
        let room = world.mix(other);
        assert_eq!((world.mix(moderator), world.mix(callee)), (room, room));
        assert_eq!(world.heard(moderator)[0], Prompt::BackInConference);
        world.run(secs(10));
        world.bye(callee);
        world.bye(moderator);
        let (leg, by) = (world.record(callee), world.record(moderator));
        assert_eq!(leg.direction, Direction::Out);
        assert_eq!(leg.dialout_kind, DialoutKind::ModeratorStar);
        assert_eq!(
            (leg.dialout_by_leg, leg.dialed_number),
            (Some(by.leg_id), Some(number(CALLEE)))
        );
        assert_eq!(leg.ani, Some(number("14165550111")), "the number it was called from");
        assert_eq!((leg.account_id, leg.conf_id), (by.account_id, by.conf_id));
        assert_eq!(leg.conf_ms, 10_000);
        assert!(leg.ringing_at.is_some() && leg.answered_at > leg.ringing_at);
        assert!(by.breakout_ms > 5_000 && by.conf_ms > 10_000);
        let total = by.breakout_ms + by.conf_ms;
        assert!(total <= by.duration_ms);
        let joined = world.event(FeatureCode::DialoutJoined);
        assert_eq!(joined.target_leg, Some(leg.leg_id));
        assert_eq!(joined.pattern.as_str(), keys, "as it was typed");
    }
}

#[test]
fn star_3_and_pound_3_drop_the_callee() {
    for keys in ["*3", "#3"] {
        let mut world = World::new();
        let (moderator, other, callee) = talking(&mut world);
        world.press(moderator, keys);
        assert_eq!(world.mix(moderator), world.mix(other));
        assert_eq!(world.leg(callee).hung_up, Some(16));
        let leg = world.record(callee);
        assert_eq!(leg.release_by, Some(ReleaseBy::Moderator));
        assert!(leg.is_billable() && leg.conf_id.is_none());
        assert_eq!(world.event(FeatureCode::DialoutDropped).pattern.as_str(), keys);
    }
}

#[test]
fn star_3_while_it_rings_cancels_the_call() {
    let mut world = World::new();
    let (moderator, other, callee) = dialled(&mut world);
    world.input(Input::Ringing { call: callee });
    world.press(moderator, "*3");
    assert!(world.leg(callee).hung_up.is_some());
    assert_eq!(world.mix(moderator), world.mix(other));
    let leg = world.record(callee);
    assert_eq!((leg.answered_at, leg.duration_ms), (None, 0));
    // A 200 OK that crossed the CANCEL changes nothing.
    world.answered(callee);
    world.run(secs(5));
    world.record(callee);
}

#[test]
fn star_2_while_it_rings_is_not_available_yet() {
    let mut world = World::new();
    let (moderator, _, callee) = dialled(&mut world);
    world.forget_heard();
    world.press(moderator, "*2*4");
    assert_eq!(world.heard(moderator), [Prompt::NotAvailableYet]);
    assert!(!world.is_over(callee));
}

#[test]
fn ringing_ends_after_45_seconds() {
    let mut world = World::new();
    let (moderator, _, callee) = dialled(&mut world);
    world.input(Input::Ringing { call: callee });
    world.run(secs(44));
    assert!(!world.is_over(callee));
    world.run(secs(1));
    assert!(world.heard(moderator).ends_with(&[Prompt::DialNoAnswer, Prompt::DialAgain]));
    assert_eq!(world.record(callee).q850, Some(19));
    world.event(FeatureCode::DialoutNoAnswer);
}

#[test]
fn each_failure_is_spoken_and_recorded() {
    use CallFailure::{Busy, NoAnswer, NotFound, Rejected, Unreachable};
    let cases = [
        (Busy, 486, Prompt::DialBusy, FeatureCode::DialoutBusy, CloseReason::Normal),
        (NoAnswer, 480, Prompt::DialNoAnswer, FeatureCode::DialoutNoAnswer, CloseReason::Normal),
        (
            NotFound,
            404,
            Prompt::DialNotInService,
            FeatureCode::DialoutFailed,
            CloseReason::NotFound,
        ),
        (Rejected, 603, Prompt::DialRefused, FeatureCode::DialoutRejected, CloseReason::Normal),
        (Unreachable, 503, Prompt::DialFailed, FeatureCode::DialoutFailed, CloseReason::Transport),
    ];
    for (failure, status, prompt, event, reason) in cases {
        let mut world = World::new();
        let (moderator, other, callee) = dialled(&mut world);
        let code = StatusCode::new(status);
        world.input(Input::DialFailed { call: callee, failure, code, q850: None });
        assert!(world.heard(moderator).ends_with(&[prompt, Prompt::DialAgain]), "{status}");
        assert_eq!(world.mix(moderator), world.mix(other));
        let leg = world.record(callee);
        assert_eq!((leg.sip_status, leg.close_reason), (Some(status), Some(reason)));
        assert!(!leg.is_billable());
        assert_eq!(world.event(event).detail, FeatureDetail::Status(status));
    }
}

#[test]
fn emergency_premium_and_unlisted_numbers_are_never_called() {
    let cases = [
        ("911", Prompt::DialEmergency),
        ("19005550199", Prompt::DialBarred),
        ("16475550199", Prompt::DialBarred),
        ("011442079460000", Prompt::DialBarred),
    ];
    for (typed, prompt) in cases {
        let mut world = World::with(|setup| {
            let prefixes = &mut setup.account.entitlements.dial_out.prefixes;
            prefixes.extend(["911".to_owned(), "1900".to_owned()]);
        });
        let (moderator, other) = conference(&mut world);
        world.press(moderator, &format!("*1{typed}#"));
        assert!(world.heard(moderator).contains(&prompt), "{typed}");
        assert_eq!(world.outputs(|o| matches!(o, Output::Dial { .. })), 0);
        assert_eq!(world.mix(moderator), world.mix(other));
        let event = world.event(FeatureCode::DialoutBarred);
        assert_eq!((event.outcome, event.denied), (Outcome::Denied, Some(DenyReason::Policy)));
    }
}

#[test]
fn a_number_that_is_none_is_asked_for_again() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    world.press(moderator, "*112#");
    assert!(world.heard(moderator).ends_with(&[Prompt::DialInvalidNumber, Prompt::DialNumber]));
    world.press(moderator, &format!("{CALLEE}#"));
    assert_eq!(world.outputs(|o| matches!(o, Output::Dial { .. })), 1);
}

#[test]
fn star_or_silence_at_the_number_prompt_goes_back() {
    for keys in ["*1*", "*1#", "*1"] {
        let mut world = World::new();
        let (moderator, other) = conference(&mut world);
        world.press(moderator, keys);
        world.run(secs(9));
        assert_eq!(world.mix(moderator), world.mix(other), "{keys}");
        assert_eq!(world.event(FeatureCode::DialoutStart).outcome, Outcome::Failed);
    }
}

#[test]
fn calls_out_at_one_time_are_limited() {
    let mut world = World::with(|setup| setup.account.entitlements.dial_out.max_concurrent = 1);
    let (moderator, _, callee) = talking(&mut world);
    world.press(moderator, "*2");
    world.run(secs(1));
    world.press(moderator, &format!("*1{CALLEE}#"));
    assert!(world.heard(moderator).contains(&Prompt::DialLimit));
    world.bye(callee);
    world.run(secs(1));
    world.press(moderator, &format!("*1{CALLEE}#"));
    assert_eq!(world.outputs(|o| matches!(o, Output::Dial { .. })), 2);
}

#[test]
fn a_callee_that_hangs_up_brings_the_moderator_back() {
    let mut world = World::new();
    let (moderator, other, callee) = talking(&mut world);
    world.bye(callee);
    assert_eq!(world.mix(moderator), world.mix(other));
    assert_eq!(world.heard(moderator), [Prompt::CalleeLeft, Prompt::BackInConference]);
    assert_eq!(world.record(callee).release_by, Some(ReleaseBy::Caller));
}

#[test]
fn a_moderator_that_hangs_up_takes_the_callee_along() {
    for answered in [false, true] {
        let mut world = World::new();
        let (moderator, _, callee) =
            if answered { talking(&mut world) } else { dialled(&mut world) };
        world.bye(moderator);
        assert!(world.leg(callee).hung_up.is_some());
        assert!(world.record(moderator).breakout_ms > 0);
        assert_eq!(world.record(callee).is_billable(), answered);
    }
}

#[test]
fn a_reminder_comes_after_five_minutes_without_a_key() {
    let mut world = World::new();
    let (moderator, _, _) = talking(&mut world);
    world.run(secs(297));
    assert!(world.heard(moderator).is_empty());
    world.run(secs(3));
    assert_eq!(world.heard(moderator), [Prompt::DialAddOrReturn]);
}

#[test]
fn a_callee_is_told_of_a_recording_before_it_joins() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    world.press(moderator, "*41");
    world.run(secs(1));
    world.press(moderator, &format!("*1{CALLEE}#"));
    let callee = world.dialled();
    world.answered(callee);
    world.run(secs(2));
    world.heard(callee);
    world.press(moderator, "*2");
    assert_eq!((world.heard(callee), world.mix(callee)), (vec![Prompt::RecordingNotice], None));
    world.run(secs(1));
    assert_eq!(world.mix(callee), world.mix(other));
}

#[test]
fn the_end_for_all_ends_private_talks_too() {
    let mut world = World::new();
    let (moderator, other, callee) = talking(&mut world);
    let second = world.join(MODERATOR);
    world.press(second, "*991");
    assert!(world.is_over(callee));
    assert_eq!(world.mix(moderator), world.mix(other));
    world.run(secs(10));
    for call in [moderator, other, second] {
        assert_eq!(world.reason(call), CloseReason::EndedByModerator);
    }
}

#[test]
fn a_lone_moderator_who_calls_is_not_alone() {
    let mut world = World::new();
    let moderator = world.join(MODERATOR);
    world.press(moderator, &format!("*1{CALLEE}#"));
    let callee = world.dialled();
    world.answered(callee);
    for _ in 0..20 {
        world.run(secs(60));
        world.press(moderator, "5");
    }
    assert!(!world.is_over(moderator) && !world.leg(moderator).music);
    world.end(callee, EndKind::HungUp);
    world.run(secs(15 * 60 + 2));
    assert_eq!(world.reason(moderator), CloseReason::AloneTimeout);
}

#[test]
fn nothing_is_dialled_for_an_account_or_a_conference_that_was_closed_meanwhile() {
    let changes: [fn(&mut common::Setup); 3] = [
        |setup| setup.account.status = AccountStatus::Suspended,
        |setup| setup.account.status = AccountStatus::Closed,
        |setup| setup.conference.enabled = false,
    ];
    for change in changes {
        // Before the code, and between the code and the number.
        for (before, after) in [("", "*1"), ("*1", "")] {
            let mut world = World::new();
            let (moderator, other) = conference(&mut world);
            world.press(moderator, before);
            world.reconfigure(change);
            world.press(moderator, &format!("{after}{CALLEE}#"));
            world.run(secs(1));
            assert_eq!(world.outputs(|o| matches!(o, Output::Dial { .. })), 0, "{before}");
            assert!(world.heard(moderator).contains(&Prompt::DialBarred), "{before}");
            assert_eq!(world.mix(moderator), world.mix(other), "the conference goes on");
            let denied = world.events().iter().filter(|e| e.outcome == Outcome::Denied).count();
            assert_eq!(denied, 1, "{before}");
        }
    }
}

#[test]
fn a_call_out_pays_by_the_plan_at_its_own_answer() {
    let plan = |plan| move |setup: &mut common::Setup| setup.account.rate_plan = plan;
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    world.reconfigure(plan(91));
    world.press(moderator, &format!("*1{CALLEE}#"));
    let busy = world.dialled();
    let (failure, code) = (CallFailure::Busy, StatusCode::new(486));
    world.input(Input::DialFailed { call: busy, failure, code, q850: None });
    world.run(secs(5));
    world.press(moderator, &format!("*1{CALLEE}#"));
    let callee = world.dialled();
    world.reconfigure(plan(92));
    world.answered(callee);
    world.run(secs(5));
    world.reconfigure(plan(93));
    world.bye(callee);
    world.bye(moderator);
    assert_eq!(world.record(busy).rate_context, 91, "an attempt: the plan when it was made");
    assert_eq!(world.record(callee).rate_context, 92);
    assert_eq!(world.record(moderator).rate_context, 90);
}
