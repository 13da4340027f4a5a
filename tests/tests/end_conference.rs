//! `*99`: the end for all.

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, secs};
use partyline_cdr_record::{CloseReason, FeatureCode, Outcome, ReleaseBy};
use partyline_dialplan::Prompt;
use partyline_phones::{Ending, Event};

#[test]
fn every_phone_sees_bye() {
    let mut world = World::build().start();
    let phones = world.phones(["anna", "ben", "carl", "dave"]);
    let [anna, others @ ..] = phones;
    world.join(anna, MODERATOR);
    for phone in others {
        world.join(phone, PARTICIPANT);
    }
    world.run_for(secs(4)).press(anna, "*99").run_for(secs(3)).press(anna, "1").run_for(secs(10));
    for phone in phones {
        assert_eq!(world.ending(phone), Some(Ending::ByThem));
        assert!(world.saw(phone, &Event::ByeReceived));
        assert_eq!(world.times_played(phone, Prompt::ConferenceEnded), 1);
    }
    let records = world.finish();
    for phone in phones {
        let leg = records.leg(world.call_id(phone));
        assert_eq!(leg.close_reason, Some(CloseReason::EndedByModerator));
        assert_eq!(leg.release_by, Some(ReleaseBy::Moderator));
    }
    assert_eq!(records.conference().close_reason, Some(CloseReason::EndedByModerator));
    assert_eq!(records.of_kind(FeatureCode::EndConference)[0].outcome, Outcome::Ok);
}

#[test]
fn end_that_is_not_confirmed_ends_nothing() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.press(anna, "*99").run_for(secs(12));
    assert!(world.is_up(anna) && world.is_up(ben));
    assert_eq!(world.times_played(anna, Prompt::Cancelled), 1);
    let records = world.finish();
    assert_eq!(records.of_kind(FeatureCode::EndConference)[0].outcome, Outcome::Failed);
}

#[test]
fn participant_may_not_end_it() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.press(ben, "*99").run_for(secs(3)).press(ben, "1").run_for(secs(6));
    assert!(world.is_up(anna) && world.is_up(ben));
    let records = world.finish();
    // To a participant *9 is a code of its own, which raises the hand.
    assert!(records.of_kind(FeatureCode::EndConference).is_empty());
    assert_eq!(records.of_kind(FeatureCode::HandRaise).len(), 1);
}
