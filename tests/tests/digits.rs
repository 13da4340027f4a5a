//! Keys by every way that a far end may send them, alone and together; and keys that we send.

use std::time::Duration;

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_cdr_record::FeatureCode;
use partyline_control::KeyWay;
use partyline_dialplan::Prompt;
use partyline_dtmf::{Detector, Event as Tone};
use partyline_phones::{DigitMode, Event, PhoneId, Signs};

const fn signs(event: bool, tone: bool, info: bool) -> DigitMode {
    DigitMode::Mixed(Signs { event, tone, info })
}

/// Ben keys a passcode with a doubled key and the same command again and again: each is heard
/// once, or the passcode is wrong and a line that should be muted is open.
fn every_key_counts_once(mode: DigitMode) {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    let ben = world.phone_with("ben", |phone| phone.digit_mode = mode);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    for n in 0..6 {
        world.press(ben, "*6").run_for(secs(4));
        let prompt = if n % 2 == 0 { Prompt::Muted } else { Prompt::Unmuted };
        assert_eq!(world.times_played(ben, prompt), n / 2 + 1, "{mode:?}, time {n}");
    }
    world.talk(ben).run_for(secs(3));
    assert!(world.hears(anna, tone(ben)), "{mode:?}: open at the end");
    let records = world.finish();
    let codes = records.events_of(records.leg(world.call_id(ben)));
    let count = |wanted| codes.iter().filter(|&&code| code == wanted).count();
    assert_eq!((count(FeatureCode::MuteSelf), count(FeatureCode::UnmuteSelf)), (3, 3), "{mode:?}");
}

#[test]
fn by_telephone_events_alone() {
    every_key_counts_once(signs(true, false, false));
}

#[test]
fn by_tones_although_events_were_offered() {
    every_key_counts_once(signs(false, true, false));
}

#[test]
fn by_info_although_events_were_offered() {
    every_key_counts_once(signs(false, false, true));
}

#[test]
fn by_events_with_the_tone_left_in_the_sound() {
    every_key_counts_once(signs(true, true, false));
}

#[test]
fn by_events_and_info() {
    every_key_counts_once(signs(true, false, true));
}

#[test]
fn by_tones_and_info() {
    every_key_counts_once(signs(false, true, true));
}

#[test]
fn by_all_three_at_once() {
    every_key_counts_once(signs(true, true, true));
}

/// Anna calls Dora, and the bridge presses `keys` for her; what Dora's phone got.
fn keys_pressed_for_dora(keys: &str, way: KeyWay, mode: DigitMode) -> (World, PhoneId) {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    let dora = world.callee("dora", "14165550199", |phone| phone.digit_mode = mode);
    world.join(anna, MODERATOR).run_for(secs(4)).press(anna, "*1").run_for(secs(3));
    world.press(anna, "4165550199#");
    world.wait_for("dora answers", secs(15), |world| world.is_up(dora));
    world.run_for(secs(2)).send_keys(dora, keys, way).run_for(secs(6));
    (world, dora)
}

/// When INFO requests came to a phone.
fn infos(world: &World, phone: PhoneId) -> Vec<Duration> {
    let log = world.phone(phone).log().iter();
    log.filter(|entry| entry.event == Event::InfoReceived).map(|entry| entry.at).collect()
}

#[test]
fn a_far_end_with_events_gets_events() {
    let (mut world, dora) = keys_pressed_for_dora(",4711#", KeyWay::Media, DigitMode::Rfc4733);
    assert_eq!(world.phone(dora).received().other_payload, 5 * 7);
    assert!(infos(&world, dora).is_empty());
    world.finish();
}

#[test]
fn a_far_end_without_events_hears_tones() {
    let (mut world, dora) = keys_pressed_for_dora("5#", KeyWay::Media, DigitMode::InBand);
    assert_eq!(world.phone(dora).received().other_payload, 0);
    let mut codes = Vec::new();
    let heard = world.phone(dora).heard(world.now() - secs(6), world.now());
    Detector::new().push(heard, &mut |event| {
        if let Tone::Down { code, .. } = event {
            codes.push(code);
        }
    });
    assert_eq!(codes, [5, 11]);
    world.finish();
}

#[test]
fn a_far_end_that_takes_nothing_else_gets_info_one_by_one() {
    let (mut world, dora) = keys_pressed_for_dora("47,11#", KeyWay::Info, DigitMode::Info);
    let times = infos(&world, dora);
    assert_eq!(times.len(), 5);
    assert_eq!(world.phone(dora).received().other_payload, 0);
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|&gap| gap >= ms(180)), "{gaps:?}");
    assert!(gaps[1] >= secs(2), "the comma: {gaps:?}");
    world.finish();
}
