//! The reference number, on entry and by `*91`.

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, secs, tone};
use partyline_cdr_record::{FeatureCode, FeatureDetail, ReferenceSource};
use partyline_dialplan::Prompt;
use partyline_directory::ReferenceNumber;

#[test]
fn reference_number_is_read_back_and_in_the_record() {
    let mut world =
        World::build().entitlements(|e| e.reference_number = ReferenceNumber::Optional).start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna).run_for(secs(3)).press(anna, MODERATOR).run_for(secs(4));
    assert_eq!(world.times_played(anna, Prompt::EnterReferenceOrSkip), 1, "asked on entry");
    world.press(anna, "#").run_for(secs(4));
    world.press(anna, "*91").run_for(secs(4)).press(anna, "4471#").run_for(secs(6));
    let prompts = world.prompts(anna);
    let read = [Prompt::YouEntered, Prompt::Four, Prompt::Four, Prompt::Seven, Prompt::One];
    assert!(prompts.windows(read.len()).any(|window| window == read), "{prompts:?}");
    world.press(anna, "1").run_for(secs(3));
    assert_eq!(world.times_played(anna, Prompt::ReferenceSaved), 1);
    let records = world.finish();
    let conference = records.conference();
    assert_eq!(conference.reference_number.as_ref().unwrap().as_str(), "4471");
    assert_eq!(conference.reference_source, ReferenceSource::StarCode);
    assert_eq!(conference.reference_set_by, Some(records.leg(world.call_id(anna)).leg_id));
    let event = *records.of_kind(FeatureCode::ReferenceSet).last().unwrap();
    let FeatureDetail::Reference { value, previous } = &event.detail else { panic!() };
    assert_eq!((value.as_ref().unwrap().as_str(), previous.as_ref()), ("4471", None));
    assert!(!event.billable, "a reference number costs nothing");
}

#[test]
fn second_reference_number_replaces_the_first() {
    let mut world =
        World::build().entitlements(|e| e.reference_number = ReferenceNumber::Optional).start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna).run_for(secs(3)).press(anna, MODERATOR).run_for(secs(4));
    world.press(anna, "1001#").run_for(secs(8)).press(anna, "1").run_for(secs(4));
    world.press(anna, "*91").run_for(secs(4)).press(anna, "2002#").run_for(secs(8));
    world.press(anna, "1").run_for(secs(4));
    let records = world.finish();
    assert_eq!(records.conference().reference_number.as_ref().unwrap().as_str(), "2002");
    let changes = records.of_kind(FeatureCode::ReferenceSet);
    let FeatureDetail::Reference { previous, .. } = &changes.last().unwrap().detail else {
        panic!()
    };
    assert_eq!(previous.as_ref().unwrap().as_str(), "1001");
}

#[test]
fn participant_may_not_set_it() {
    let mut world =
        World::build().entitlements(|e| e.reference_number = ReferenceNumber::Optional).start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.dial(anna).run_for(secs(3)).press(anna, MODERATOR).run_for(secs(4)).press(anna, "#");
    world.join(ben, PARTICIPANT).run_for(secs(3)).press(ben, "*91").run_for(secs(4));
    let records = world.finish();
    assert!(records.of_kind(FeatureCode::ReferenceSet).is_empty());
    assert_eq!(records.conference().reference_number, None);
}

#[test]
fn an_optional_reference_keeps_nobody_waiting() {
    let mut world =
        World::build().entitlements(|e| e.reference_number = ReferenceNumber::Optional).start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(ben, PARTICIPANT).run_for(secs(3));
    world.dial(anna).run_for(secs(3)).press(anna, MODERATOR);
    world.wait_for("anna is in", secs(5), |world| world.room_of(anna).is_some());
    world.run_for(secs(2));
    assert_eq!(world.room_of(anna), world.room_of(ben));
    assert_eq!(world.times_played(ben, Prompt::ConferenceStarting), 1);
    assert_eq!(world.times_played(anna, Prompt::EnterReferenceOrSkip), 1);
    // They talk while the question is open, and it goes away by itself.
    world.talk(anna).talk(ben).run_for(secs(4));
    assert!(world.hears(ben, tone(anna)));
    world.run_for(secs(15));
    assert!(world.hears(anna, tone(ben)));
    assert_eq!(world.times_played(anna, Prompt::EnterReferenceOrSkip), 1);
    let records = world.finish();
    let passed = records.leg(world.call_id(anna)).access_codes[0].at.as_micros();
    let begun = records.of_kind(FeatureCode::ConferenceStart)[0].at.as_micros();
    assert!(begun - passed < 2_000_000, "{passed} {begun}");
    assert_eq!(records.conference().reference_number, None);
}
