//! `*6`, however the keys travel, seen from the listener's side.

use bridge_tests::sim::{LISTENER, MODERATOR, PARTICIPANT, World, secs, tone};
use partyline_cdr_record::FeatureCode;
use partyline_dialplan::Prompt;
use partyline_phones::DigitMode;

fn star_six_mutes_and_opens(mode: DigitMode) {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    let ben = world.phone_with("ben", |phone| phone.digit_mode = mode);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.talk(ben).run_for(secs(3));
    assert!(world.hears(anna, tone(ben)));
    world.press(ben, "*6").run_for(secs(4));
    assert!(world.lacks(anna, tone(ben)), "muted");
    assert_eq!(world.times_played(ben, Prompt::Muted), 1);
    world.press(ben, "*6").run_for(secs(4));
    assert!(world.hears(anna, tone(ben)), "open again");
    assert_eq!(world.times_played(ben, Prompt::Unmuted), 1);
    let records = world.finish();
    let leg = records.leg(world.call_id(ben));
    let codes = records.events_of(leg);
    let count = |wanted| codes.iter().filter(|&&code| code == wanted).count();
    assert_eq!((count(FeatureCode::MuteSelf), count(FeatureCode::UnmuteSelf)), (1, 1), "{codes:?}");
}

#[test]
fn by_telephone_events() {
    star_six_mutes_and_opens(DigitMode::Rfc4733);
}

#[test]
fn by_sip_info() {
    star_six_mutes_and_opens(DigitMode::Info);
}

#[test]
fn by_tones_in_the_voice_band() {
    star_six_mutes_and_opens(DigitMode::InBand);
}

#[test]
fn muted_caller_still_hears() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.press(ben, "*6").talk(anna).run_for(secs(5));
    assert!(world.hears(ben, tone(anna)));
    world.finish();
}

#[test]
fn listener_is_never_heard() {
    let mut world = World::build().start();
    let [anna, lea] = world.phones(["anna", "lea"]);
    world.join(anna, MODERATOR).join(lea, LISTENER).run_for(secs(4));
    world.talk(lea).run_for(secs(3));
    assert!(world.lacks(anna, tone(lea)));
    world.press(lea, "*6").run_for(secs(4));
    assert!(world.lacks(anna, tone(lea)), "nor by star six");
    world.finish();
}
