//! `*92`: who joins late must know it, and it is found nowhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, secs};
use partyline_cdr_record::{AuthMethod, CloseReason, FeatureCode, FeatureDetail};
use partyline_dialplan::Prompt;
use partyline_directory::ReferenceNumber;
use partyline_phones::{DigitMode, Ending, PhoneId};

/// Digits that no number, id or time of these worlds has in a row.
const CANARY: &str = "84620197";
const WRONG: &str = "35798642";
const REFERENCE: &str = "90817263";

/// Whether the digits are in `bytes` as text, as numbers, as RFC 4733 events or packed in halves.
fn holds(bytes: &[u8], digits: &str) -> bool {
    let text = digits.as_bytes().to_vec();
    let values: Vec<u8> = text.iter().map(|digit| digit - b'0').collect();
    let packed: Vec<u8> = values.chunks(2).map(|two| two[0] << 4 | two[1]).collect();
    let apart = |by: &str| {
        let digits: Vec<String> = digits.chars().map(String::from).collect();
        digits.join(by).into_bytes()
    };
    let number: u64 = digits.parse().unwrap();
    let forms = [
        text,
        values,
        packed,
        apart(" "),
        apart(", "),
        number.to_le_bytes()[..4].to_vec(),
        number.to_be_bytes()[4..].to_vec(),
    ];
    forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
}

fn set_security_passcode(world: &mut World, anna: PhoneId, digits: &str) {
    world.press(anna, "*92").run_for(secs(6)).press(anna, &format!("{digits}#")).run_for(secs(5));
    world.press(anna, &format!("{digits}#")).run_for(secs(5));
    assert_eq!(world.times_played(anna, Prompt::SecurityPasscodeOn), 1);
}

#[test]
fn late_caller_must_give_it_and_it_is_found_nowhere() {
    let mut world =
        World::build().entitlements(|e| e.reference_number = ReferenceNumber::Optional).start();
    let [anna, ben, carl, dave] = world.phones(["anna", "ben", "carl", "dave"]);
    world.dial(anna).run_for(secs(3)).press(anna, MODERATOR).run_for(secs(4));
    // What is not secret is found: the search works.
    world.press(anna, &format!("{REFERENCE}#")).run_for(secs(12)).press(anna, "1");
    world.run_for(secs(4)).join(ben, PARTICIPANT).run_for(secs(4));
    set_security_passcode(&mut world, anna, CANARY);

    world.dial(carl).run_for(secs(3)).press(carl, PARTICIPANT).run_for(secs(5));
    assert_eq!(world.times_played(carl, Prompt::EnterSecurityPasscode), 1);
    assert_eq!(world.room_of(carl), None);
    world.press(carl, &format!("{CANARY}#")).run_for(secs(4));
    assert_eq!(world.room_of(carl), world.room_of(anna));
    assert_eq!(world.room_of(ben), world.room_of(anna), "who was there is not asked");

    world.dial(dave).run_for(secs(3)).press(dave, PARTICIPANT).run_for(secs(5));
    for _ in 0..3 {
        world.press(dave, &format!("{WRONG}#")).run_for(secs(6));
    }
    world.run_for(secs(10));
    assert_eq!(world.ending(dave), Some(Ending::ByThem));

    let records = world.finish();
    let (carl, dave) = (records.leg(world.call_id(carl)), records.leg(world.call_id(dave)));
    assert_eq!(carl.auth_method, AuthMethod::CodeAndSecurity);
    assert_eq!((dave.close_reason, dave.joined_at), (Some(CloseReason::SecpassFail), None));
    assert!(records.conference().security_used);
    for event in records.features().into_iter().filter(|event| event.code.is_about_a_secret()) {
        assert_eq!(event.detail, FeatureDetail::None);
    }
    for (place, bytes) in [("words", world.uttered()), ("records", world.journal().offered())] {
        assert!(holds(bytes, REFERENCE), "the search finds what is in the {place}");
        for secret in [CANARY, WRONG, MODERATOR.trim_end_matches('#')] {
            assert!(!holds(bytes, secret), "a secret is in the {place}");
        }
    }
    assert_eq!(records.of_kind(FeatureCode::SecurityOn).len(), 1);
}

#[test]
fn keys_of_the_secret_are_heard_by_nobody() {
    let mut world = World::build().start();
    let anna = world.phone_with("anna", |phone| phone.digit_mode = DigitMode::InBand);
    let [ben] = world.phones(["ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.press(anna, "*4").run_for(secs(4)).press(anna, "1").run_for(secs(5));
    world.press(anna, "*92").run_for(secs(6));
    let start = world.tapes()[0].samples.len();
    // Eight, eight, …: 852 Hz and 1336 Hz for a second and more.
    world.press(anna, "88888888").run_for(secs(2));
    assert!(world.hears_silence(ben), "the tones of the keys reach the room");
    let typed = world.tapes()[0].samples[start..].to_vec();
    assert!(partyline_phones::analysis::is_silent(&typed), "they are in the recording");
    world.press(anna, "#").run_for(secs(5)).press(anna, "88888888#").run_for(secs(5));
    assert_eq!(world.times_played(anna, Prompt::SecurityPasscodeOn), 1);
    world.finish();
}

#[test]
fn two_different_entries_set_nothing() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).run_for(secs(4)).press(anna, "*92").run_for(secs(6));
    world.press(anna, &format!("{CANARY}#")).run_for(secs(5)).press(anna, &format!("{WRONG}#"));
    world.run_for(secs(4));
    assert_eq!(world.times_played(anna, Prompt::SecurityPasscodesDiffer), 1);
    world.press(anna, "*").run_for(secs(4)).join(ben, PARTICIPANT);
    assert_eq!(world.room_of(ben), world.room_of(anna));
    world.finish();
}
