//! A passcode that comes before it is asked for: in the dialled URI, or by keys.

use bridge_tests::sim::{MODERATOR, World, ms, secs};
use partyline_cdr_record::FeatureCode;
use partyline_dialplan::Prompt;
use partyline_phones::{DigitMode, PhoneConfig};

fn with_passcode(phone: &mut PhoneConfig) {
    phone.uri_parameters = format!(";pin={}", MODERATOR.trim_end_matches('#'));
}

#[test]
fn a_passcode_in_the_dialled_uri_opens_the_conference_unasked() {
    let mut world = World::build().start();
    let anna = world.phone_with("anna", with_passcode);
    world.dial(anna).run_for(secs(3));
    assert!(world.room_of(anna).is_some(), "{:?}", world.prompts(anna));
    assert_eq!(world.times_played(anna, Prompt::EnterPasscode), 0);
    let secret = MODERATOR.trim_end_matches('#').as_bytes().to_vec();
    let told = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    assert!(!told(world.uttered()), "what the bridge says holds no passcode");
    let records = world.finish();
    let leg = records.leg(world.call_id(anna));
    assert_eq!((leg.access_codes.len(), leg.auth_failures), (1, 0));
}

#[test]
fn a_passcode_in_the_uri_waits_for_a_slow_disk() {
    let slow = bridge_tests::sim::Disk::Writes { from: secs(1), to: secs(1) };
    let mut world = World::build().disk(slow).start();
    let anna = world.phone_with("anna", with_passcode);
    world.dial(anna).run_for(secs(6));
    assert!(world.room_of(anna).is_some(), "{:?}", world.prompts(anna));
    world.finish();
}

#[test]
fn a_wrong_passcode_in_the_uri_is_one_wrong_try() {
    let mut world = World::build().start();
    let anna = world.phone_with("anna", |phone| phone.uri_parameters = ";pin=111222".to_owned());
    world.dial(anna).run_for(secs(3));
    assert_eq!(world.times_played(anna, Prompt::PasscodeInvalid), 1);
    world.press(anna, MODERATOR).run_for(secs(4));
    assert!(world.room_of(anna).is_some());
    let records = world.finish();
    assert_eq!(records.leg(world.call_id(anna)).auth_failures, 1);
}

#[test]
fn a_passcode_in_the_uri_is_left_alone_where_the_trunk_does_not_allow_it() {
    let mut world = World::build().trunks(|trunks| trunks[0].uri_passcode = false).start();
    let anna = world.phone_with("anna", with_passcode);
    world.dial(anna).run_for(secs(3));
    assert_eq!(world.times_played(anna, Prompt::EnterPasscode), 1);
    assert!(world.room_of(anna).is_none());
    world.finish();
}

#[test]
fn keys_between_the_answer_and_the_prompt_count_whichever_way_they_come() {
    for mode in [DigitMode::Info, DigitMode::Rfc4733, DigitMode::InBand] {
        let mut world = World::build().start();
        let anna = world.phone_with("anna", |phone| {
            phone.digit_mode = mode;
            (phone.key_on, phone.key_gap) = (ms(60), ms(50));
        });
        world.dial(anna);
        world.wait_for("answered", secs(2), |world| world.is_up(anna));
        world.press(anna, MODERATOR).run_for(secs(5));
        assert!(world.room_of(anna).is_some(), "{mode:?}: {:?}", world.prompts(anna));
        assert_eq!(world.times_played(anna, Prompt::EnterPasscode), 0, "{mode:?}");
        let records = world.finish();
        assert_eq!(records.of_kind(FeatureCode::AuthFail).len(), 0, "{mode:?}");
    }
}
