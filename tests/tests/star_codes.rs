//! A moderator's codes by ear: what each of those who are called to the same conference hears.

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, secs, tone};
use partyline_dialplan::Prompt;
use partyline_phones::analysis;

#[test]
fn in_a_presentation_only_who_has_the_word_is_heard() {
    let mut world = World::build().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT).run_for(secs(4));
    world.press(anna, "*5").run_for(secs(6)).press(anna, "*5").run_for(secs(8));
    world.talk(anna).talk(ben).talk(carl).run_for(secs(3));
    assert!(world.hears(ben, tone(anna)) && world.hears(carl, tone(anna)));
    assert!(world.lacks(carl, tone(ben)) && world.hears_silence(anna));
    world.press(ben, "*5").run_for(secs(6)).press(anna, "*2").run_for(secs(8));
    assert_eq!(world.times_played(ben, Prompt::AskYourQuestion), 1);
    assert!(world.hears(anna, tone(ben)) && world.hears(carl, tone(ben)));
    assert!(world.lacks(anna, tone(carl)) && world.lacks(ben, tone(carl)));
    world.press(anna, "*5").run_for(secs(6));
    assert!(world.hears(anna, tone(carl)), "all lines are open");
    world.finish();
}

#[test]
fn who_is_in_a_private_room_hears_those_in_it_and_nobody_else() {
    let mut world = World::build().start();
    let [anna, ben, carl, dora] = world.phones(["anna", "ben", "carl", "dora"]);
    world.join(anna, MODERATOR).join(ben, MODERATOR);
    world.join(carl, PARTICIPANT).join(dora, PARTICIPANT).run_for(secs(6));
    for moderator in [anna, ben] {
        world.press(moderator, "*3").run_for(secs(2)).press(moderator, "4").run_for(secs(5));
    }
    world.talk(anna).talk(carl).run_for(secs(3));
    assert!(world.hears(ben, tone(anna)) && world.lacks(ben, tone(carl)));
    assert!(world.hears(dora, tone(carl)) && world.lacks(dora, tone(anna)));
    world.press(ben, "*3").run_for(secs(2)).press(ben, "0").run_for(secs(5));
    assert!(world.hears(ben, tone(carl)) && world.lacks(ben, tone(anna)));
    world.finish();
}

#[test]
fn a_caller_at_the_locked_door_hears_music_until_the_moderator_lets_him_in() {
    let mut world = World::build().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.press(anna, "*7").run_for(secs(4)).talk(ben);
    world.dial(carl).run_for(secs(4)).press(carl, PARTICIPANT).run_for(secs(7));
    assert!(world.times_played(carl, Prompt::LockedKnock) > 0);
    world.press(carl, "1").run_for(secs(8));
    assert!(world.hears_music(carl) && world.room_of(carl).is_none());
    assert!(world.times_played(anna, Prompt::CallerWaiting) > 0);
    world.press(anna, "*8").run_for(secs(2)).press(anna, "4").run_for(secs(6));
    assert!(world.hears(carl, tone(ben)) && !world.hears_music(carl));
    world.finish();
}

#[test]
fn what_is_said_while_the_recording_pauses_is_heard_and_not_recorded() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.press(anna, "*4").run_for(secs(3)).press(anna, "1").run_for(secs(5));
    world.press(anna, "*98").run_for(secs(4)).talk(ben).run_for(secs(3));
    assert!(world.hears(anna, tone(ben)));
    world.hush(ben).run_for(secs(1)).press(anna, "*98").run_for(secs(4));
    world.press(anna, "*4").run_for(secs(4));
    let tape = &world.tapes()[0].samples;
    assert!(!analysis::hears_tone(tape, tape.len(), tone(ben)));
    let second = 8_000;
    let heard = tape.chunks(second).any(|part| analysis::hears_tone(part, second / 2, tone(ben)));
    assert!(!heard, "no second of the recording has what was said in the pause");
    world.finish();
}

#[test]
fn who_is_put_out_hears_it_and_the_others_go_on() {
    let mut world = World::build().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT).run_for(secs(4));
    world.press(anna, "*97").run_for(secs(2)).press(anna, "1").run_for(secs(8));
    assert!(!world.is_up(carl) && world.is_up(ben) && world.is_up(anna));
    assert_eq!(world.times_played(carl, Prompt::DisconnectedByModerator), 1);
    world.talk(ben).run_for(secs(3));
    assert!(world.hears(anna, tone(ben)));
    world.finish();
}
