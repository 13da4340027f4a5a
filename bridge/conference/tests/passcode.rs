//! The passcode prompt.

mod common;

use common::{Disk, FarEnd, MODERATOR, PARTICIPANT, World, ms, secs};
use partyline_cdr_record::{AuthMethod, CloseReason, FeatureCode};
use partyline_conference::Input;
use partyline_dialplan::Prompt;
use partyline_directory::{AccountStatus, ReferenceNumber};
use partyline_model::{PasscodeId, Role};

#[test]
fn a_right_passcode_leads_into_the_conference() {
    let mut world = World::new();
    let call = world.join(MODERATOR);
    assert!(world.mix(call).is_some());
    world.bye(call);
    let record = world.record(call);
    assert_eq!(record.auth_method, AuthMethod::Code);
    assert_eq!(record.access_code_role, Some(Role::Moderator));
    assert_eq!(record.rate_context, 90);
    let [code] = &record.access_codes[..] else { panic!("one passcode") };
    assert_eq!((code.passcode, code.mask.as_str()), (PasscodeId(1), "••73"));
    assert!(code.at > record.answered_at.unwrap());
}

#[test]
fn keys_interrupt_the_welcome() {
    let mut world = World::new();
    let call = world.call();
    world.run(ms(500));
    world.press(call, PARTICIPANT);
    assert_eq!(
        world.heard(call),
        [Prompt::Welcome, Prompt::EnterPasscode, Prompt::WaitingForModerator]
    );
}

/// Whose address stands on an INVITE is not there before the ACK, whatever sound comes.
#[test]
fn a_telephone_answers_for_what_is_typed_once_it_has_confirmed_the_call() {
    let mut world = World::new();
    world.phone = Some(std::net::Ipv4Addr::new(192, 0, 2, 7).into());
    for confirms in [false, true] {
        world.typed.clear();
        world.far_end = FarEnd::Mute;
        for code in ["1111#", "2222#", "3333#", "4444#", MODERATOR] {
            let call = world.call();
            world.run(ms(100));
            if confirms {
                world.input(Input::Confirmed { call });
            }
            world.input(Input::MediaStarted { call });
            world.run(secs(1));
            world.press(call, code);
            world.run(secs(60));
            world.bye(call);
            world.run(secs(5));
        }
        assert_eq!(world.typed.is_empty(), !confirms, "{:?}", world.typed);
    }
}

#[test]
fn three_wrong_passcodes_end_the_call() {
    let mut world = World::new();
    let call = world.join("1111#");
    assert_eq!(world.heard(call).last(), Some(&Prompt::PasscodeInvalid));
    world.press(call, "2222#");
    assert_eq!(world.heard(call), [Prompt::PasscodeInvalid]);
    world.press(call, "3333#");
    assert_eq!(world.heard(call), [Prompt::GoodbyeCheckPasscode]);
    // The last prompt cannot be interrupted.
    world.press(call, MODERATOR);
    assert!(!world.is_over(call));
    world.run(secs(1));
    let record = world.record(call);
    assert_eq!((record.close_reason, record.auth_failures), (Some(CloseReason::AuthReject), 3));
    assert_eq!(world.event(FeatureCode::AuthReject).leg_id, record.leg_id);
}

#[test]
fn three_silences_end_the_call() {
    let mut world = World::new();
    let call = world.call();
    // Welcome and question take one second, after 400 ms.
    world.run(ms(1_400 + 7_999));
    assert!(!world.heard(call).contains(&Prompt::NoPasscodeHeard));
    world.run(ms(1));
    assert_eq!(world.heard(call), [Prompt::NoPasscodeHeard, Prompt::EnterPasscode]);
    world.run(ms(9_000));
    assert_eq!(world.heard(call), [Prompt::NoPasscodeHeard, Prompt::EnterPasscode]);
    world.run(ms(9_000));
    assert_eq!(world.heard(call), [Prompt::GoodbyeCheckPasscode]);
    world.run(ms(500));
    assert_eq!(world.reason(call), CloseReason::AuthReject);
    assert_eq!(world.record(call).auth_failures, 0);
}

#[test]
fn four_seconds_without_a_key_end_the_passcode() {
    let mut world = World::new();
    let call = world.join(MODERATOR.trim_end_matches('#'));
    world.run(ms(3_890));
    assert_eq!(world.mix(call), None);
    world.run(ms(20));
    assert!(world.mix(call).is_some());
}

#[test]
fn star_begins_the_passcode_again() {
    let mut world = World::new();
    let call = world.join(&format!("999*{MODERATOR}"));
    assert!(world.mix(call).is_some());
}

#[test]
fn a_wrong_then_a_right_passcode_is_fine() {
    let mut world = World::new();
    let call = world.join("9999#");
    world.press(call, MODERATOR);
    world.bye(call);
    assert_eq!(world.record(call).auth_failures, 1);
    assert_eq!(world.record(call).access_codes.len(), 1);
}

#[test]
fn keys_typed_before_the_prompt_count() {
    let mut world = World::new();
    let call = world.call();
    world.press(call, "482");
    assert_eq!(world.mix(call), None);
    world.run(secs(1));
    world.press(call, "91573#");
    assert!(world.mix(call).is_some());
    assert!(!world.heard(call).contains(&Prompt::Welcome));
}

#[test]
fn a_whole_passcode_typed_ahead_needs_no_prompt() {
    let mut world = World::new();
    let call = world.call();
    for key in MODERATOR.chars() {
        let digit = partyline_model::Digit::from_char(key).unwrap();
        world.input(Input::Digit { call, digit });
    }
    world.run(secs(1));
    assert_eq!(world.heard(call), [Prompt::FirstPerson]);
}

#[test]
fn typing_ahead_is_bounded() {
    let mut world = World::new();
    world.far_end = FarEnd::Mute;
    let call = world.call();
    for _ in 0..1000 {
        let digit = partyline_model::Digit::from_char('7').unwrap();
        world.input(Input::Digit { call, digit });
    }
    world.run(secs(6));
    assert_eq!(world.heard(call), [Prompt::PasscodeInvalid]);
}

#[test]
fn a_disabled_conference_says_so() {
    for suspended in [false, true] {
        let mut world = World::with(|setup| {
            setup.conference.enabled = suspended;
            if suspended {
                setup.account.status = AccountStatus::Suspended;
            }
        });
        let call = world.join(MODERATOR);
        assert!(world.heard(call).contains(&Prompt::ConferenceUnavailable));
        world.run(secs(2));
        assert_eq!(world.reason(call), CloseReason::AuthReject);
        assert_eq!(world.codes(), [FeatureCode::AuthDenied]);
    }
}

#[test]
fn a_changed_directory_holds_for_the_next_passcode() {
    let mut world = World::new();
    let call = world.call();
    world.run(secs(1));
    world.reconfigure(|setup| setup.conference.enabled = false);
    world.press(call, MODERATOR);
    assert!(world.heard(call).contains(&Prompt::ConferenceUnavailable));
}

#[test]
fn hanging_up_at_any_point_closes_the_leg_once() {
    let script = "99#48291573#*6*#**";
    for stop in 0..script.len() {
        for when in [Disk::Works, Disk::Hangs] {
            let mut world = World::new();
            world.disk = when;
            let call = world.call();
            world.disk_says(true);
            world.run(secs(1));
            world.press(call, &script[..stop]);
            world.bye(call);
            world.bye(call);
            world.disk_says(true);
            assert_eq!(world.reason(call), CloseReason::Normal, "after {stop} keys");
            assert_eq!(world.bridge.calls() + world.bridge.conferences(), 0);
        }
    }
}

#[test]
fn a_leg_pays_by_the_plan_at_its_answer() {
    let plan = |plan| move |setup: &mut common::Setup| setup.account.rate_plan = plan;
    let mut world = World::new();
    world.reconfigure(plan(91));
    let call = world.call();
    world.run(secs(1));
    world.reconfigure(plan(92));
    world.press(call, MODERATOR);
    world.run(secs(1));
    world.reconfigure(plan(93));
    world.bye(call);
    assert_eq!(world.record(call).rate_context, 91);
}

#[test]
fn a_conference_closed_behind_the_passcode_is_not_entered() {
    let mut world = World::with(|setup| setup.reference(ReferenceNumber::Required));
    let call = world.join(MODERATOR);
    world.reconfigure(|setup| {
        setup.reference(ReferenceNumber::Required);
        setup.account.status = AccountStatus::Suspended;
    });
    world.press(call, "1234#1");
    assert!(world.heard(call).contains(&Prompt::ConferenceUnavailable));
    world.run(secs(5));
    assert_eq!(world.reason(call), CloseReason::AuthReject);
    assert!(world.conference_records().is_empty(), "no session began");
}
