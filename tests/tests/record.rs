//! `*4`: what is recorded, who is told, what is written down.

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, secs, tone};
use partyline_cdr_record::{DenyReason, FeatureCode, FeatureDetail, Outcome};
use partyline_dialplan::Prompt;
use partyline_phones::analysis;

#[test]
fn recording_holds_the_talkers_and_not_the_muted_one() {
    let mut world = World::build().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT).run_for(secs(4));
    world.press(carl, "*6").run_for(secs(3)).press(anna, "*4").run_for(secs(3));
    assert!(world.tapes().is_empty(), "not before it is confirmed");
    world.press(anna, "1").run_for(secs(5));
    for phone in [anna, ben, carl] {
        assert_eq!(world.times_played(phone, Prompt::RecordingStarted), 1);
    }
    world.talk(anna).talk(ben).talk(carl).run_for(secs(5));
    let before = world.tapes()[0].samples.len();
    world.press(anna, "*4").run_for(secs(4));
    let tape = world.tapes()[0];
    assert!(!tape.open);
    let talk = &tape.samples[before - 4 * 8000..before];
    assert!(analysis::hears_tone(talk, talk.len(), tone(anna)));
    assert!(analysis::hears_tone(talk, talk.len(), tone(ben)));
    assert!(analysis::lacks_tone(talk, tone(carl)));
    let (file, length_ms) = (tape.file.clone(), tape.samples.len() / 8);
    let records = world.finish();
    let conference = records.conference();
    assert_eq!(conference.recording_ref.as_deref(), Some(file.as_str()));
    assert_eq!(file, format!("{}-{}.wav", conference.conf_id, 1));
    let stop = records.of_kind(FeatureCode::RecordStop);
    let FeatureDetail::Millis(said) = stop[0].detail else { panic!("{:?}", stop[0].detail) };
    assert!(said.abs_diff(u64::try_from(length_ms).unwrap()) <= 40, "{said} {length_ms}");
    assert_eq!(conference.recording_ms, said);
    assert_eq!(records.of_kind(FeatureCode::RecordStart).len(), 1);
}

#[test]
fn recording_that_is_not_confirmed_does_not_begin() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(3)).press(anna, "*4").run_for(secs(15));
    assert!(world.tapes().is_empty());
    let records = world.finish();
    assert_eq!(records.of_kind(FeatureCode::RecordStart)[0].outcome, Outcome::Failed);
}

#[test]
fn who_joins_a_recorded_conference_is_told_before() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).run_for(secs(3)).press(anna, "*4").run_for(secs(3));
    world.press(anna, "1").run_for(secs(4)).join(ben, PARTICIPANT);
    assert_eq!(world.times_played(ben, Prompt::RecordingNotice), 1);
    // The recording ends with the conference.
    let records = world.finish();
    assert!(records.conference().recording_ms > 0);
}

#[test]
fn participant_may_not_record() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(3));
    world.press(ben, "*4").run_for(secs(3)).press(ben, "1").run_for(secs(3));
    assert!(world.tapes().is_empty());
    let records = world.finish();
    let event = records.of_kind(FeatureCode::RecordStart)[0];
    assert_eq!((event.outcome, event.denied), (Outcome::Denied, Some(DenyReason::Role)));
}

#[test]
fn account_without_recording_may_not_record() {
    let mut world = World::build().entitlements(|bought| bought.record = false).start();
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(3)).press(anna, "*4").run_for(secs(3));
    assert_eq!(world.times_played(anna, Prompt::RecordingDenied), 1);
    let records = world.finish();
    let event = records.of_kind(FeatureCode::RecordStart)[0];
    assert_eq!(event.denied, Some(DenyReason::Entitlement));
}
