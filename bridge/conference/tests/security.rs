//! The security passcode: set, asked for, forgotten, and never told.

mod common;

use common::{MODERATOR, PARTICIPANT, World, ms, secs};
use partyline_cdr_record::{AuthMethod, CloseReason, FeatureCode, FeatureDetail, Outcome};
use partyline_conference::Talk;
use partyline_dialplan::Prompt;
use partyline_model::CallId;

const SECRET: &str = "5073";

/// A moderator who has set the security passcode.
fn secured(world: &mut World) -> CallId {
    let moderator = world.join(MODERATOR);
    world.run(secs(1));
    world.press(moderator, &format!("*92{SECRET}#{SECRET}#"));
    assert_eq!(world.heard(moderator).last(), Some(&Prompt::SecurityPasscodeOn));
    world.run(secs(1));
    moderator
}

#[test]
fn star_92_asks_twice_and_never_reads_back() {
    let mut world = World::new();
    let moderator = world.join(MODERATOR);
    world.run(secs(1));
    world.forget_heard();
    world.press(moderator, "*92");
    assert_eq!(world.heard(moderator), [Prompt::EnterNewSecurityPasscode]);
    world.press(moderator, "5073#");
    assert_eq!(world.heard(moderator), [Prompt::EnterSecurityPasscodeAgain]);
    world.press(moderator, "5073#");
    assert_eq!(world.heard(moderator), [Prompt::SecurityPasscodeOn]);
    let event = world.event(FeatureCode::SecurityOn);
    assert_eq!((event.outcome, &event.detail), (Outcome::Ok, &FeatureDetail::None));
}

#[test]
fn nobody_hears_the_moderator_type_it() {
    let mut world = World::new();
    let moderator = world.join(MODERATOR);
    world.press(moderator, "*92");
    assert_eq!(world.leg(moderator).talk, Some(Talk::Secret));
    world.press(moderator, "5073#50");
    assert_eq!(world.leg(moderator).talk, Some(Talk::Secret));
    world.press(moderator, "73#");
    assert_eq!(world.leg(moderator).talk, Some(Talk::Open));
}

#[test]
fn who_joins_after_is_asked_and_the_right_one_opens() {
    let mut world = World::new();
    let moderator = secured(&mut world);
    let call = world.join(PARTICIPANT);
    assert_eq!(world.heard(call).last(), Some(&Prompt::EnterSecurityPasscode));
    assert_eq!((world.mix(call), world.leg(call).talk), (None, Some(Talk::Secret)));
    world.press(call, "5073#");
    assert_eq!(world.mix(call), world.mix(moderator));
    world.bye(call);
    assert_eq!(world.record(call).auth_method, AuthMethod::CodeAndSecurity);
    assert_eq!(world.event(FeatureCode::SecurityOk).leg_id, world.record(call).leg_id);
}

#[test]
fn three_wrong_ones_end_the_call() {
    let mut world = World::new();
    secured(&mut world);
    let call = world.join(PARTICIPANT);
    for keys in ["1111#", "5074#"] {
        world.press(call, keys);
        assert_eq!(world.heard(call).last(), Some(&Prompt::SecurityPasscodeWrongTryAgain));
    }
    world.press(call, "507#");
    assert_eq!(world.heard(call).last(), Some(&Prompt::SecurityPasscodeFailed));
    world.run(secs(1));
    assert_eq!(world.reason(call), CloseReason::SecpassFail);
    // The wrong entries are no passcode failures and leave nothing else.
    assert_eq!(world.record(call).auth_failures, 0);
}

#[test]
fn the_first_key_may_take_ten_seconds() {
    let mut world = World::new();
    secured(&mut world);
    let call = world.join(PARTICIPANT);
    world.heard(call);
    // 400 ms of the prompt are left.
    world.run(ms(400 + 9_999));
    assert!(world.heard(call).is_empty());
    world.run(ms(1));
    assert_eq!(world.heard(call), [Prompt::EnterSecurityPasscode]);
    world.run(secs(22));
    assert_eq!(world.reason(call), CloseReason::SecpassFail);
}

#[test]
fn a_second_moderator_is_not_asked() {
    let mut world = World::new();
    let first = secured(&mut world);
    let second = world.join(MODERATOR);
    assert_eq!(world.mix(second), world.mix(first));
}

#[test]
fn two_different_entries_are_asked_for_again() {
    let mut world = World::new();
    let moderator = world.join(MODERATOR);
    world.press(moderator, "*925073#5074#");
    let heard = world.heard(moderator);
    assert!(heard.ends_with(&[Prompt::SecurityPasscodesDiffer, Prompt::EnterNewSecurityPasscode]));
    let call = world.join(PARTICIPANT);
    assert!(world.mix(call).is_some());
}

#[test]
fn too_short_and_too_long_ones_are_not_taken() {
    for keys in ["*92123#", "*9212345678901#"] {
        let mut world = World::new();
        let moderator = world.join(MODERATOR);
        world.press(moderator, keys);
        assert_eq!(world.heard(moderator).last(), Some(&Prompt::EnterNewSecurityPasscode));
        world.press(moderator, &keys[3..]);
        world.press(moderator, &keys[3..]);
        assert_eq!(world.heard(moderator).last(), Some(&Prompt::SecurityPasscodeUnchanged));
    }
}

#[test]
fn star_or_nothing_turns_it_off() {
    for keys in ["*92*", "*92#"] {
        let mut world = World::new();
        let moderator = secured(&mut world);
        world.press(moderator, keys);
        assert_eq!(world.heard(moderator).last(), Some(&Prompt::SecurityPasscodeOff));
        world.event(FeatureCode::SecurityOff);
        let call = world.join(PARTICIPANT);
        assert!(world.mix(call).is_some());
    }
}

#[test]
fn silence_at_the_prompt_leaves_it_as_it_is() {
    let mut world = World::new();
    let moderator = secured(&mut world);
    world.press(moderator, "*92");
    world.run(secs(11));
    assert_eq!(world.heard(moderator).last(), Some(&Prompt::SecurityPasscodeUnchanged));
    let call = world.join(PARTICIPANT);
    assert_eq!(world.heard(call).last(), Some(&Prompt::EnterSecurityPasscode));
}

#[test]
fn a_passcode_taken_back_while_somebody_is_asked_opens_to_any_entry() {
    let mut world = World::new();
    let moderator = secured(&mut world);
    let call = world.join(PARTICIPANT);
    world.press(moderator, "*92*");
    world.press(call, "1#");
    assert!(world.mix(call).is_some());
    world.bye(call);
    assert_eq!(world.record(call).auth_method, AuthMethod::Code);
}

#[test]
fn it_is_forgotten_with_the_last_leg() {
    let mut world = World::new();
    let moderator = secured(&mut world);
    world.bye(moderator);
    assert!(world.conference_records().last().unwrap().security_used);
    world.join(MODERATOR);
    let call = world.join(PARTICIPANT);
    assert!(world.mix(call).is_some());
    assert!(!world.conference_records().last().unwrap().security_used);
}

/// Everything that leaves the core while a moderator sets `secret` and others give it, rightly
/// and wrongly, at the right prompt and at wrong ones.
fn trace(secret: &str) -> World {
    let mut world = World::new();
    let moderator = world.join(MODERATOR);
    world.press(moderator, &format!("*92{secret}#"));
    world.run(secs(2));
    world.press(moderator, secret);
    world.run(secs(5));
    let inside = world.join(PARTICIPANT);
    world.press(inside, &format!("{secret}#"));
    // At the passcode prompt, in the room, ahead of the prompt, without an end.
    let confused = world.join(&format!("{secret}#"));
    world.press(confused, &format!("{PARTICIPANT}{secret}"));
    world.run(secs(5));
    world.press(inside, secret);
    let early = world.call();
    world.press(early, &format!("{PARTICIPANT}{secret}#"));
    world.run(secs(3));
    let given_up = world.join(PARTICIPANT);
    world.press(given_up, &secret[..2]);
    world.bye(given_up);
    world.press(moderator, &format!("*92{secret}"));
    world.run(secs(30));
    world.press(moderator, "*991");
    world.run(secs(10));
    assert_eq!(world.bridge.calls(), 0);
    assert!([inside, confused, early].iter().all(|&call| world.record(call).joined_at.is_some()));
    world
}

#[test]
fn nothing_that_leaves_the_core_depends_on_the_security_passcode() {
    let one = trace("507316");
    for other in ["912284", "111111", "000001"] {
        let other = trace(other);
        assert!(one.log == other.log, "outputs tell the security passcode");
        assert!(one.records == other.records, "records tell the security passcode");
        assert!(one.deadlines == other.deadlines, "deadlines tell the security passcode");
    }
}
