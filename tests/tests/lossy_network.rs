//! Bad lines: every key counts once, and what is said is heard.

use bridge_tests::sim::{Link, Loss, MODERATOR, PARTICIPANT, World, secs, tone};
use partyline_cdr_record::FeatureCode;
use partyline_phones::DigitMode;

/// Six callers type, mute and open; one key more or less and a passcode is wrong or a state upside
/// down.
fn digits_count_once(seed: u64, link: Link) {
    let mut world = World::build().seed(seed).link(link).start();
    let [anna] = world.phones(["anna"]);
    let modes = [DigitMode::Rfc4733, DigitMode::Rfc4733, DigitMode::Rfc4733, DigitMode::Info];
    let others =
        modes.map(|mode| world.phone_with(&format!("{mode:?}"), |phone| phone.digit_mode = mode));
    world.join(anna, MODERATOR);
    for phone in others {
        world.join(phone, PARTICIPANT);
    }
    world.run_for(secs(5));
    for phone in others {
        for _ in 0..4 {
            world.press(phone, "*6").run_for(secs(4));
        }
    }
    let records = world.finish();
    assert!(world.carried().lost > 100 && world.carried().sent > 10_000, "{:?}", world.carried());
    for phone in others {
        let leg = records.leg(world.call_id(phone));
        let codes = records.events_of(leg);
        let count = |wanted| codes.iter().filter(|&&code| code == wanted).count();
        let muted = (count(FeatureCode::MuteSelf), count(FeatureCode::UnmuteSelf));
        assert_eq!(muted, (2, 2), "seed {seed}: {codes:?}");
        assert_eq!(leg.auth_failures, 0, "seed {seed}");
    }
}

#[test]
fn keys_count_once_through_loss_jitter_and_doubles() {
    for seed in 1..=5 {
        digits_count_once(seed, Link::BAD);
    }
}

#[test]
fn keys_count_once_through_bursts_of_loss() {
    let loss = Loss::Bursts { per_mille: 10, length: 2 };
    for seed in 1..=5 {
        digits_count_once(seed, Link { loss, ..Link::GOOD });
    }
}

#[test]
fn talker_is_heard_through_five_percent_loss() {
    let mut world = World::build().link(Link::BAD).start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(5));
    world.talk(ben).run_for(secs(4));
    let (from, to) = (world.now() - secs(2), world.now());
    let level =
        partyline_phones::analysis::tone_level(world.phone(anna).heard(from, to), tone(ben));
    assert!(level > -22.0, "{level:.1} dBm0 of -18");
    world.finish();
}
