//! A moderator's telephone has somebody called into the conference.

mod common;

use common::{Disk, LISTENER, MODERATOR, PARTICIPANT, World, number, secs};
use partyline_cdr_record::{
    CallFailure, CloseReason, DenyReason, DialoutKind, FeatureCode, FeatureDetail, Outcome,
    StatusCode,
};
use partyline_conference::{EndKind, Input, InvitationNews as News, NotInvited, Output};
use partyline_dialplan::Prompt;
use partyline_directory::AccountStatus;
use partyline_model::{CallId, Digit};

const CALLEE: &str = "14165550199";

fn conference(world: &mut World) -> (CallId, CallId) {
    let (moderator, other) = (world.join(MODERATOR), world.join(PARTICIPANT));
    world.run(secs(2));
    world.forget_heard();
    (moderator, other)
}

/// The moderator has had [`CALLEE`] called, who has answered and hears the question.
fn answered(world: &mut World) -> (CallId, CallId, u64) {
    let (moderator, _) = conference(world);
    let request = world.invite(moderator, "+14165550199");
    let callee = world.dialled();
    world.input(Input::Ringing { call: callee });
    world.run(secs(3));
    world.answered(callee);
    world.run(secs(1));
    (moderator, callee, request)
}

fn dials(world: &World) -> usize {
    world.outputs(|output| matches!(output, Output::Dial { .. }))
}

#[test]
fn a_callee_joins_with_one_key_while_the_moderator_stays_where_he_is() {
    let mut world = World::new();
    let (moderator, callee, request) = answered(&mut world);
    assert!(world.mix(moderator).is_some(), "never aside");
    assert_eq!(world.heard(callee), [Prompt::CalleeInvited]);
    assert_eq!(world.mix(callee), None);
    assert_eq!(world.invitations[&request], [News::Placed, News::Ringing]);
    world.press(callee, "1");
    assert_eq!(world.mix(callee), world.mix(moderator));
    assert_eq!(world.invitations[&request], [News::Placed, News::Ringing, News::Joined]);
    world.bye(moderator);
    world.run(secs(1));
    assert!(!world.is_over(callee), "in the conference he is as any other");
    world.bye(callee);
    let leg = world.record(callee);
    assert_eq!(leg.dialout_kind, DialoutKind::ModeratorRefer);
    assert_eq!(leg.dialout_by_leg, Some(world.record(moderator).leg_id));
    assert_eq!(
        (leg.dialed_number, leg.dialed_raw.as_str()),
        (Some(number(CALLEE)), "+14165550199")
    );
    let story = [
        FeatureCode::DialoutStart,
        FeatureCode::DialoutRinging,
        FeatureCode::DialoutAnswered,
        FeatureCode::DialoutJoined,
    ];
    let told: Vec<_> = world.codes().into_iter().filter(|code| story.contains(code)).collect();
    assert_eq!(told, story);
    assert_eq!(world.event(FeatureCode::DialoutStart).pattern.as_str(), "", "no keys asked for it");
}

#[test]
fn who_presses_nothing_or_declines_never_hears_the_conference() {
    for (key, status, code) in
        [("", 487, FeatureCode::DialoutUnconfirmed), ("2", 403, FeatureCode::DialoutRejected)]
    {
        let mut world = World::new();
        let (moderator, callee, request) = answered(&mut world);
        world.press(callee, key);
        world.run(secs(30));
        let joins =
            |output: &Output| matches!(output, Output::Join { call, .. } if *call == callee);
        assert_eq!((world.outputs(joins), world.is_over(callee)), (0, true));
        let last = world.invitations[&request].last().copied();
        assert_eq!(last, Some(News::Failed(StatusCode::new(status))));
        assert_eq!(world.event(code).outcome, Outcome::Failed);
        assert!(world.mix(moderator).is_some());
        assert!(world.heard(moderator).iter().all(|prompt| *prompt != Prompt::CalleeLeft));
    }
}

#[test]
fn a_callee_is_asked_three_times() {
    let mut world = World::new();
    let (_, callee, _) = answered(&mut world);
    world.press(callee, "7");
    world.run(secs(6));
    let asked = world.heard(callee);
    assert_eq!(asked, [Prompt::CalleeInvited; 3]);
    world.press(callee, "1");
    assert!(world.mix(callee).is_some());
}

#[test]
fn only_a_moderator_in_a_conference_that_runs_may() {
    let mut world = World::new();
    let waiting = world.join(PARTICIPANT);
    let outside = world.call();
    world.run(secs(1));
    let (moderator, listener) = (world.join(MODERATOR), world.join(LISTENER));
    world.run(secs(1));
    for (call, why) in [
        (waiting, NotInvited::Role),
        (listener, NotInvited::Role),
        (outside, NotInvited::State),
        (CallId(900), NotInvited::State),
    ] {
        let request = world.invite(call, CALLEE);
        assert_eq!(world.invitations[&request], [News::Refused(why)]);
    }
    let denied: Vec<_> = world.events().into_iter().filter(|e| e.denied.is_some()).collect();
    assert_eq!(
        denied.len(),
        2,
        "who has given no passcode writes nothing, nor does who is unknown"
    );
    assert_eq!(denied[0].denied, Some(DenyReason::Role));
    world.press(moderator, "*1");
    let request = world.invite(moderator, CALLEE);
    assert_eq!(world.invitations[&request], [News::Refused(NotInvited::State)], "he dials");
    assert_eq!(dials(&world), 0);
}

#[test]
fn the_rules_are_those_of_star_1() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    for (asked, why) in [
        ("911", NotInvited::Barred),
        ("+19005550100", NotInvited::Barred),
        ("+16475550100", NotInvited::Barred),
        (common::DNIS, NotInvited::Barred),
        ("+1234", NotInvited::NoNumber),
        ("ann", NotInvited::NoNumber),
        ("", NotInvited::NoNumber),
    ] {
        let request = world.invite(moderator, asked);
        assert_eq!(world.invitations[&request], [News::Refused(why)], "{asked}");
    }
    let barred = world.events().into_iter().filter(|e| e.code == FeatureCode::DialoutBarred);
    let barred: Vec<_> = barred.cloned().collect();
    assert_eq!(barred.len(), 7);
    assert_eq!(barred[2].detail, FeatureDetail::Number(number("16475550100")));
    for _ in 0..3 {
        world.invite(moderator, CALLEE);
    }
    let request = world.invite(moderator, CALLEE);
    assert_eq!(world.invitations[&request], [News::Refused(NotInvited::Limit)]);
    assert_eq!(dials(&world), 3);
    world.reconfigure(|setup| setup.account.status = AccountStatus::Suspended);
    let request = world.invite(moderator, CALLEE);
    assert_eq!(world.invitations[&request], [News::Refused(NotInvited::Barred)]);
}

#[test]
fn an_account_without_dial_out_and_a_full_conference_call_nobody() {
    for (legs, dials_out, why) in [(2, true, NotInvited::Full), (9, false, NotInvited::Barred)] {
        let mut world = World::with(|setup| {
            setup.conference.max_legs = legs;
            if !dials_out {
                setup.account.entitlements.dial_out.prefixes.clear();
            }
        });
        let (moderator, _) = conference(&mut world);
        let request = world.invite(moderator, CALLEE);
        assert_eq!(world.invitations[&request], [News::Refused(why)]);
        assert_eq!(dials(&world), 0);
    }
}

#[test]
fn what_becomes_of_the_call_is_told_to_the_telephone_and_nothing_is_spoken() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    let request = world.invite(moderator, CALLEE);
    let (failure, code) = (CallFailure::Busy, StatusCode::new(486));
    world.input(Input::DialFailed { call: world.dialled(), failure, code, q850: Some(17) });
    assert_eq!(world.invitations[&request], [News::Placed, News::Failed(code)]);
    assert_eq!(world.event(FeatureCode::DialoutBusy).detail, FeatureDetail::Status(486));
    let request = world.invite(moderator, CALLEE);
    world.run(secs(46));
    let unanswered = News::Failed(CallFailure::NoAnswer.status_code());
    assert_eq!(world.invitations[&request], [News::Placed, unanswered]);
    let request = world.invite(moderator, CALLEE);
    let callee = world.dialled();
    world.answered(callee);
    world.run(secs(1));
    world.bye(callee);
    assert!(matches!(world.invitations[&request][..], [News::Placed, News::Failed(_)]));
    world.disk = Disk::Fails;
    let request = world.invite(moderator, CALLEE);
    assert!(matches!(world.invitations[&request][..], [News::Placed, News::Failed(_)]));
    assert_eq!(world.heard(moderator), Vec::<Prompt>::new());
}

#[test]
fn a_callee_who_is_not_in_goes_with_the_moderator() {
    for rings in [true, false] {
        let mut world = World::new();
        let (moderator, callee, request) = if rings {
            let (moderator, _) = conference(&mut world);
            let request = world.invite(moderator, CALLEE);
            (moderator, world.dialled(), request)
        } else {
            answered(&mut world)
        };
        world.end(moderator, EndKind::HungUp);
        assert!(world.is_over(callee));
        assert!(matches!(world.invitations[&request].last(), Some(News::Failed(_))));
    }
}

#[test]
fn the_security_passcode_is_asked_of_whom_nobody_has_spoken_with() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    world.press(moderator, "*92");
    world.run(secs(1));
    world.press(moderator, "5073#");
    world.run(secs(1));
    world.press(moderator, "5073#");
    world.run(secs(3));
    let request = world.invite(moderator, CALLEE);
    let callee = world.dialled();
    world.answered(callee);
    world.run(secs(1));
    world.press(callee, "1");
    world.run(secs(1));
    assert_eq!(world.mix(callee), None);
    assert!(world.heard(callee).contains(&Prompt::EnterSecurityPasscode));
    assert_eq!(world.invitations[&request], [News::Placed]);
    world.press(callee, "5073#");
    world.run(secs(5));
    assert_eq!(world.mix(callee), world.mix(moderator));
    assert_eq!(world.invitations[&request], [News::Placed, News::Joined]);
}

#[test]
fn who_was_called_into_one_conference_does_not_come_into_the_next() {
    let mut world = World::new();
    let (moderator, callee, _) = answered(&mut world);
    world.press(moderator, "*92");
    world.press(moderator, "4711#");
    world.press(moderator, "4711#");
    world.press(callee, "1");
    world.run(secs(1));
    assert_eq!(world.heard(callee).last(), Some(&Prompt::EnterSecurityPasscode));
    world.press(moderator, "*991");
    world.run(secs(3));
    let next = world.join(MODERATOR);
    assert!(world.mix(next).is_some(), "another conference has begun");
    world.press(callee, "1#");
    world.run(secs(3));
    assert!(world.mix(callee).is_none());
    assert_eq!(world.reason(callee), CloseReason::EndedByModerator);
}

#[test]
fn what_a_caller_has_shown_in_one_conference_is_asked_again_in_the_next() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    // All at once: while the caller hears that the conference is recorded, it is over and the next begins.
    let type_in = |world: &mut World, call: CallId, keys: &str| {
        for key in keys.chars() {
            world.input(Input::Digit { call, digit: Digit::from_char(key).unwrap() });
        }
    };
    type_in(&mut world, moderator, "*924711#4711#");
    world.run(secs(2));
    type_in(&mut world, moderator, "*41");
    world.run(secs(2));
    let (caller, next) = (world.call(), world.call());
    world.run(secs(2));
    type_in(&mut world, caller, PARTICIPANT);
    world.run(secs(2));
    type_in(&mut world, caller, "4711#");
    assert_eq!(world.heard(caller).last(), Some(&Prompt::RecordingNotice));
    type_in(&mut world, moderator, "*991");
    type_in(&mut world, next, MODERATOR);
    type_in(&mut world, next, "*925822#5822#");
    world.run(secs(2));
    assert!(world.mix(next).is_some(), "another conference has begun");
    assert!(world.mix(caller).is_none(), "{:?}", world.heard(caller));
    assert_eq!(world.heard(caller).last(), Some(&Prompt::EnterSecurityPasscode));
}
