//! A far end that is gone without a word: no BYE, no media.

use std::time::Duration;

use bridge_tests::sim::{Link, Loss, MODERATOR, PARTICIPANT, World, secs};
use partyline_cdr_record::{CloseReason, ReleaseBy};
use partyline_phones::{Audio, Command};

#[test]
fn leg_that_is_gone_is_given_up_and_charged_to_its_last_sign_of_life() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(30));
    world.tell(ben, Command::Vanish);
    let lived = world.now() - world.call(ben).answered_at.expect("ben was answered");
    world.run_for(secs(95));
    assert_eq!(world.node().calls(), 1, "anna alone is up");
    let records = world.finish();
    let leg = records.leg(world.call_id(ben));
    assert_eq!(leg.close_reason, Some(CloseReason::NoMedia));
    assert_eq!(leg.release_by, Some(ReleaseBy::System));
    let billed = Duration::from_millis(leg.duration_ms);
    assert!(billed.abs_diff(lived) < secs(1), "{billed:?} of {lived:?}");
}

#[test]
fn silent_phone_that_answers_is_kept() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(3));
    // Not a packet of sound: a phone that is muted by its own key.
    world.tell(ben, Command::Say(Audio::Nothing)).run_for(secs(300));
    assert!(world.is_up(ben));
    world.finish();
}

#[test]
fn short_break_of_the_line_harms_nobody() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(3));
    world.set_link(ben, Link { loss: Loss::All, ..Link::GOOD }).run_for(secs(20));
    world.set_link(ben, Link::GOOD).talk(ben).run_for(secs(4));
    assert!(world.is_up(ben) && world.hears(anna, bridge_tests::sim::tone(ben)));
    world.finish();
}
