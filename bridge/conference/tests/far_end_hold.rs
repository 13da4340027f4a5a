//! A far end that puts the conference on hold.

mod common;

use common::{LISTENER, MODERATOR, PARTICIPANT, World, secs};
use partyline_cdr_record::FeatureCode;
use partyline_conference::{Input, Talk};
use partyline_dialplan::Prompt;

const TOLD: [Prompt; 1] = [Prompt::CallerOnHold];

#[test]
fn a_leg_whose_far_end_holds_is_muted_and_the_moderator_is_told() {
    let mut world = World::new();
    let (moderator, holder, other) =
        (world.join(MODERATOR), world.join(PARTICIPANT), world.join(LISTENER));
    world.run(secs(5));
    world.forget_heard();
    world.input(Input::Held { call: holder, held: true });
    assert_eq!(world.leg(holder).talk, Some(Talk::Muted));
    assert!(world.mix(holder).is_some(), "still in the conference");
    assert_eq!(world.heard(moderator), TOLD);
    assert_eq!((world.heard(holder), world.heard(other)), (vec![], vec![]));
    // The same said again is no news.
    world.forget_heard();
    world.input(Input::Held { call: holder, held: true });
    assert_eq!(world.heard(moderator), []);
    world.input(Input::Held { call: holder, held: false });
    assert_eq!(world.leg(holder).talk, Some(Talk::Open), "heard again");
    let news = [FeatureCode::FarEndHold, FeatureCode::FarEndResume];
    let codes: Vec<_> = world.codes().into_iter().filter(|code| news.contains(code)).collect();
    assert_eq!(codes, news);
    let leg_id = world.event(FeatureCode::FarEndHold).leg_id;
    world.bye(holder);
    assert_eq!(leg_id, world.record(holder).leg_id);
}

#[test]
fn a_hold_does_not_open_a_line_that_was_muted() {
    let mut world = World::new();
    world.join(MODERATOR);
    let holder = world.join(PARTICIPANT);
    world.press(holder, "*6");
    world.input(Input::Held { call: holder, held: true });
    world.input(Input::Held { call: holder, held: false });
    assert_eq!(world.leg(holder).talk, Some(Talk::Muted));
}

#[test]
fn a_moderator_who_holds_or_is_asked_something_is_not_told() {
    let mut world = World::new();
    let (asked, holding) = (world.join(MODERATOR), world.join(MODERATOR));
    let holder = world.join(PARTICIPANT);
    world.run(secs(5));
    world.input(Input::Held { call: holding, held: true });
    world.press(asked, "*99");
    world.run(secs(2));
    world.forget_heard();
    world.input(Input::Held { call: holder, held: true });
    assert!(!world.heard(asked).contains(&Prompt::CallerOnHold));
    assert!(!world.heard(holding).contains(&Prompt::CallerOnHold));
    assert_eq!(world.leg(holder).talk, Some(Talk::Muted), "muted all the same");
}
