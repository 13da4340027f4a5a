//! A call takes the place of a leg, or comes beside it.

mod common;

use common::{LISTENER, MODERATOR, PARTICIPANT, World, secs};
use partyline_cdr_record::{CloseReason, FeatureCode, Outcome};
use partyline_conference::{ClaimKind, Refusal, Talk, Unclaimed};
use partyline_dialplan::Prompt;
use partyline_directory::AccountStatus;
use partyline_model::{CallId, Role};

const KINDS: [ClaimKind; 2] = [ClaimKind::InPlace, ClaimKind::Beside];

fn conference(world: &mut World) -> (CallId, CallId) {
    let legs = (world.join(MODERATOR), world.join(PARTICIPANT));
    world.run(secs(2));
    world.forget_heard();
    legs
}

fn why(world: &World, call: CallId) -> Option<Unclaimed> {
    let refusal = world.legs[&call].refused?;
    let Refusal::Claim(why, code) = refusal else { panic!("{refusal:?}") };
    assert_eq!(world.record(call).sip_status, Some(code.get()));
    assert_eq!(world.record(call).close_reason, Some(CloseReason::AuthReject));
    Some(why)
}

#[test]
fn the_last_moderator_may_give_his_place_away_and_the_conference_goes_on() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    let room = world.mix(moderator);
    let new = world.claimant(moderator, ClaimKind::InPlace);
    assert!(world.is_over(moderator) && world.mix(new) == room);
    world.run(secs(300));
    assert!(!world.is_over(new) && !world.is_over(other), "no end is counted down");
    assert!(world.heard(other).is_empty() && world.heard(new).is_empty());
    world.bye(new);
    assert_eq!(world.record(new).access_code_role, Some(Role::Moderator));
    world.run(secs(300));
    assert!(world.is_over(other), "and it ends with him");
}

#[test]
fn what_was_asked_of_the_leg_is_asked_of_nobody_else() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    world.press(moderator, "*92");
    world.run(secs(1));
    world.press(moderator, "50");
    let new = world.claimant(moderator, ClaimKind::InPlace);
    world.press(new, "73#");
    world.run(secs(20));
    assert_eq!(world.heard(new), []);
    let late = world.join(PARTICIPANT);
    assert!(world.mix(late).is_some(), "no passcode was set");
}

#[test]
fn nobody_gets_a_place_that_is_not_there() {
    for kind in KINDS {
        let mut world = World::new();
        let (moderator, other) = conference(&mut world);
        let nobody = world.claimant(CallId(99), kind);
        assert_eq!(why(&world, nobody), Some(Unclaimed::Gone));
        world.bye(other);
        let late = world.claimant(other, kind);
        assert_eq!(why(&world, late), Some(Unclaimed::Gone));
        let entering = world.call();
        world.run(secs(1));
        let early = world.claimant(entering, kind);
        assert_eq!(why(&world, early), Some(Unclaimed::Elsewhere));
        world.press(moderator, "*1");
        let aside = world.claimant(moderator, kind);
        assert_eq!(why(&world, aside), Some(Unclaimed::Elsewhere));
        world.press(moderator, "*");
        world.run(secs(60));
        world.press(moderator, "*99");
        world.run(secs(1));
        world.press(moderator, "1");
        let closing = world.claimant(moderator, kind);
        assert_eq!(why(&world, closing), Some(Unclaimed::Gone));
    }
}

#[test]
fn a_conference_that_was_closed_or_secured_bars_every_claim() {
    for kind in KINDS {
        let mut world = World::new();
        let (moderator, _) = conference(&mut world);
        world.reconfigure(|setup| setup.account.status = AccountStatus::Suspended);
        let suspended = world.claimant(moderator, kind);
        assert_eq!(why(&world, suspended), Some(Unclaimed::Barred));
        world.reconfigure(|_| {});
        world.press(moderator, "*92");
        for _ in 0..2 {
            world.run(secs(2));
            world.press(moderator, "5073#");
        }
        world.run(secs(1));
        let secured = world.claimant(moderator, kind);
        assert_eq!(why(&world, secured), Some(Unclaimed::Barred), "not even by a moderator");
    }
}

#[test]
fn a_locked_conference_bars_every_claim() {
    for kind in KINDS {
        let mut world = World::new();
        let (moderator, other) = conference(&mut world);
        world.press(moderator, "*7");
        world.run(secs(1));
        let claimant = world.claimant(other, kind);
        assert_eq!(why(&world, claimant), Some(Unclaimed::Barred));
        world.press(moderator, "*7");
        world.run(secs(1));
        let claimant = world.claimant(other, kind);
        assert!(!world.is_over(claimant), "the lock was taken off");
    }
}

#[test]
fn the_raised_hand_and_the_moderators_mute_go_with_the_place() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    world.press(other, "*5");
    world.run(secs(3));
    let new = world.claimant(other, ClaimKind::InPlace);
    world.run(secs(3));
    world.press(moderator, "*2");
    assert!(world.heard(new).contains(&Prompt::AskYourQuestion));
    world.run(secs(5));
    world.press(moderator, "*8");
    world.press(moderator, "2");
    world.press(moderator, "#");
    assert_eq!(world.leg(new).talk, Some(Talk::Muted));
    let newer = world.claimant(new, ClaimKind::InPlace);
    world.run(secs(2));
    assert_eq!(world.leg(newer).talk, Some(Talk::Muted), "a new telephone opens no closed line");
}

#[test]
fn who_never_confirms_the_answer_was_nowhere() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    let new = world.claimant(other, ClaimKind::InPlace);
    world.run(secs(5));
    world.end(new, partyline_conference::EndKind::Unconfirmed);
    let record = world.record(new);
    assert_eq!((record.duration_ms, record.conf_ms, record.joined_at), (0, 0, None));
    world.bye(moderator);
    let total = world.record(moderator).conf_ms + world.record(other).conf_ms;
    assert_eq!(world.conference_records().last().map(|it| it.leg_ms_total), Some(total));
}

#[test]
fn a_place_is_paid_for_as_the_call_that_had_it_was_dialled() {
    let mut world = World::new();
    let (_, other) = conference(&mut world);
    let new = world.claimant(other, ClaimKind::InPlace);
    world.bye(new);
    let (old, new) = (world.record(other), world.record(new));
    assert_eq!((new.dnis, new.access_kind), (old.dnis, old.access_kind));
}

#[test]
fn time_in_a_private_room_is_booked_as_such_after_the_place_changed_hands() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    world.press(moderator, "*3");
    world.press(moderator, "1");
    world.run(secs(5));
    let new = world.claimant(moderator, ClaimKind::InPlace);
    world.run(secs(60));
    world.bye(new);
    let record = world.record(new);
    assert!(record.breakout_ms >= 60_000 && record.conf_ms < 1_000, "{record:?}");
}

#[test]
fn a_full_conference_changes_places_and_takes_nobody_beside() {
    let mut world = World::with(|setup| setup.conference.max_legs = 2);
    let (moderator, other) = conference(&mut world);
    let beside = world.claimant(moderator, ClaimKind::Beside);
    assert_eq!(why(&world, beside), Some(Unclaimed::Full));
    let new = world.claimant(other, ClaimKind::InPlace);
    assert_eq!(world.mix(new), world.mix(moderator));
}

#[test]
fn who_comes_beside_waits_for_the_moderator_as_others_do() {
    let mut world = World::new();
    let first = world.join(LISTENER);
    let beside = world.claimant(first, ClaimKind::Beside);
    assert_eq!(world.heard(beside), [Prompt::WaitingForModerator]);
    assert_eq!(world.mix(beside), None);
    let moderator = world.join(MODERATOR);
    world.run(secs(1));
    assert_eq!(world.mix(beside), world.mix(moderator));
    world.bye(first);
    world.bye(beside);
    let event = world.event(FeatureCode::CameBeside);
    assert_eq!(event.target_leg, Some(world.record(first).leg_id));
    assert_eq!(world.record(beside).access_code_role, Some(Role::Listener));
}

#[test]
fn what_the_leg_was_about_to_do_comes_to_nothing_with_its_place() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    world.press(moderator, "*99");
    let new = world.claimant(moderator, ClaimKind::InPlace);
    world.press(new, "1");
    let event = world.event(FeatureCode::EndConference);
    assert_eq!((event.outcome, event.leg_id), (Outcome::Failed, world.record(moderator).leg_id));
}
