//! Star codes by ear, continued: mutes, hands, roll calls, help and counts, promotion, and what is heard
//! when callers come and moderators go.

use std::time::Duration;

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, secs, tone};
use partyline_dialplan::Prompt;
use partyline_directory::ReferenceNumber;
use partyline_phones::PhoneId;

/// A moderator and two participants, who have heard everything so far.
fn room() -> (World, [PhoneId; 3]) {
    let mut world = World::build().start();
    let phones @ [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT).run_for(secs(6));
    (world, phones)
}

/// Who of `phones` hears `prompt` in the sound that came since `from`.
fn hear(world: &World, phones: [PhoneId; 3], prompt: Prompt, from: Duration) -> [bool; 3] {
    phones.map(|phone| world.heard_prompt(phone, prompt, from))
}

#[test]
fn star_95_silences_all_but_the_moderator_and_star_6_opens_one_line() {
    let (mut world, phones) = room();
    let [anna, ben, carl] = phones;
    let from = world.now();
    world.press(anna, "*95").run_for(secs(8));
    assert_eq!(hear(&world, phones, Prompt::AllMuted, from), [true, true, true]);
    world.talk(anna).talk(ben).talk(carl).run_for(secs(3));
    assert!(world.hears(ben, tone(anna)) && world.hears(carl, tone(anna)));
    assert!(world.lacks(carl, tone(ben)) && world.hears_silence(anna));
    world.press(ben, "*6").run_for(secs(5));
    assert!(world.hears(anna, tone(ben)) && world.hears(carl, tone(ben)));
    assert!(world.lacks(ben, tone(carl)) && world.lacks(anna, tone(carl)));
    world.press(anna, "*95").run_for(secs(6));
    assert!(world.hears(anna, tone(carl)) && world.hears(ben, tone(carl)));
    world.finish();
}

#[test]
fn while_questions_are_asked_who_opens_his_line_is_heard() {
    let (mut world, [anna, ben, carl]) = room();
    world.press(anna, "*5").run_for(secs(9)).talk(ben).talk(carl).run_for(secs(3));
    assert!(world.hears_silence(anna), "all lines are closed");
    world.press(ben, "*6").run_for(secs(5));
    assert!(world.hears(anna, tone(ben)) && world.hears(carl, tone(ben)));
    assert!(world.lacks(anna, tone(carl)));
    world.finish();
}

#[test]
fn a_raised_hand_is_told_its_place_and_the_moderator_that_it_is_up() {
    let (mut world, phones) = room();
    let [anna, ben, carl] = phones;
    let from = world.now();
    world.press(ben, "*5").run_for(secs(6));
    assert_eq!(hear(&world, phones, Prompt::HandRaised, from), [false, true, false]);
    assert_eq!(hear(&world, phones, Prompt::HandIsUp, from), [true, false, false]);
    let from = world.now();
    world.press(carl, "*9").run_for(secs(6));
    assert_eq!(hear(&world, phones, Prompt::HandRaised, from), [false, false, true]);
    assert!(world.heard_prompt(carl, Prompt::Two, from), "he is the second");
    let from = world.now();
    world.press(ben, "*5").run_for(secs(4));
    assert_eq!(hear(&world, phones, Prompt::HandLowered, from), [false, true, false]);
    world.talk(anna).run_for(secs(3));
    assert!(world.hears(ben, tone(anna)) && world.hears(carl, tone(anna)));
    world.finish();
}

#[test]
fn counts_names_and_help_are_heard_by_who_asks_alone() {
    let (mut world, phones) = room();
    let [_, ben, carl] = phones;
    for (keys, prompt) in
        [("*#", Prompt::CountThereAre), ("*8", Prompt::CallerEnding), ("**", Prompt::HelpMute)]
    {
        let from = world.now();
        world.press(ben, keys).run_for(secs(6));
        assert_eq!(hear(&world, phones, prompt, from), [false, true, false], "{keys}");
        world.run_for(secs(20));
    }
    // What he hears does not take him out of the conference.
    world.press(ben, "*8").talk(ben).run_for(secs(3));
    assert!(world.hears(carl, tone(ben)));
    world.finish();
}

#[test]
fn a_moderator_mutes_counts_and_asks_for_help_for_himself_alone() {
    let (mut world, phones) = room();
    let [anna, ben, carl] = phones;
    world.talk(anna).talk(carl).run_for(secs(3));
    assert!(world.hears(ben, tone(anna)));
    let from = world.now();
    world.press(anna, "*6").run_for(secs(5));
    assert_eq!(hear(&world, phones, Prompt::Muted, from), [true, false, false]);
    assert!(world.lacks(ben, tone(anna)) && world.hears(ben, tone(carl)));
    assert!(world.hears(anna, tone(carl)), "who is muted hears on");
    world.press(anna, "*6").run_for(secs(5));
    assert!(world.hears(ben, tone(anna)) && world.hears(carl, tone(anna)));
    world.hush(anna).hush(carl);
    for (keys, prompt) in [("*#", Prompt::CountThereAre), ("**", Prompt::HelpLock)] {
        let from = world.now();
        world.press(anna, keys).run_for(secs(28));
        assert_eq!(hear(&world, phones, prompt, from), [true, false, false], "{keys}");
    }
    world.finish();
}

#[test]
fn a_recording_is_asked_for_by_one_and_told_to_all() {
    let (mut world, phones) = room();
    let anna = phones[0];
    let from = world.now();
    world.press(anna, "*4").run_for(secs(4));
    assert_eq!(hear(&world, phones, Prompt::RecordConfirm, from), [true, false, false]);
    let from = world.now();
    world.press(anna, "1").run_for(secs(5));
    assert_eq!(hear(&world, phones, Prompt::RecordingStarted, from), [true, true, true]);
    let from = world.now();
    world.press(anna, "*4").run_for(secs(5));
    assert_eq!(hear(&world, phones, Prompt::RecordingStopped, from), [true, true, true]);
    world.finish();
}

#[test]
fn the_end_is_confirmed_by_one_and_told_to_all() {
    let (mut world, phones) = room();
    let anna = phones[0];
    let from = world.now();
    world.press(anna, "*99").run_for(secs(4));
    assert_eq!(hear(&world, phones, Prompt::EndConfirm, from), [true, false, false]);
    let from = world.now();
    world.press(anna, "1").run_for(secs(8));
    assert_eq!(hear(&world, phones, Prompt::ConferenceEnded, from), [true, true, true]);
    assert!(phones.iter().all(|&phone| !world.is_up(phone)));
    world.finish();
}

#[test]
fn a_reference_number_and_a_security_passcode_are_asked_for_and_read_back_in_private() {
    let build = World::build();
    let build = build.entitlements(|bought| bought.reference_number = ReferenceNumber::Optional);
    let mut world = build.start();
    let phones @ [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT).run_for(secs(20));
    let from = world.now();
    world.press(anna, "*91").run_for(secs(4)).press(anna, "4471#").run_for(secs(4));
    world.press(anna, "1").run_for(secs(4));
    for prompt in [Prompt::EnterReference, Prompt::YouEntered, Prompt::ReferenceSaved] {
        assert_eq!(hear(&world, phones, prompt, from), [true, false, false], "{prompt:?}");
    }
    let from = world.now();
    world.press(anna, "*92").run_for(secs(6)).press(anna, "5073#").run_for(secs(5));
    world.press(anna, "5073#").run_for(secs(6));
    for prompt in [Prompt::EnterSecurityPasscodeAgain, Prompt::SecurityPasscodeOn] {
        assert_eq!(hear(&world, phones, prompt, from), [true, false, false], "{prompt:?}");
    }
    world.talk(ben).run_for(secs(3));
    assert!(world.hears(anna, tone(ben)) && world.hears(carl, tone(ben)));
    world.finish();
}

#[test]
fn star_96_names_everybody_to_everybody() {
    let (mut world, phones) = room();
    let from = world.now();
    world.press(phones[0], "*96").run_for(secs(14));
    for prompt in [Prompt::CountThereAre, Prompt::CountPeople, Prompt::CallerEnding] {
        assert_eq!(hear(&world, phones, prompt, from), [true, true, true], "{prompt:?}");
    }
    world.finish();
}

#[test]
fn in_the_roll_call_one_is_muted_for_good_and_one_is_put_out() {
    let (mut world, [anna, ben, carl]) = room();
    world.press(anna, "*8").run_for(secs(3)).press(anna, "2").run_for(secs(2));
    world.press(anna, "1").run_for(secs(8));
    assert!(world.is_up(ben) && !world.is_up(carl));
    assert_eq!(world.times_played(ben, Prompt::MutedByModerator), 1);
    assert_eq!(world.times_played(carl, Prompt::DisconnectedByModerator), 1);
    world.press(ben, "*6").run_for(secs(4)).talk(ben).talk(anna).run_for(secs(3));
    assert_eq!(world.times_played(ben, Prompt::MutedByModerator), 2, "his key does not open it");
    assert!(world.hears_silence(anna) && world.hears(ben, tone(anna)));
    world.finish();
}

#[test]
fn who_becomes_a_moderator_is_not_heard_while_he_types_and_then_leads() {
    let (mut world, phones) = room();
    let [anna, ben, carl] = phones;
    world.talk(ben).run_for(secs(3));
    assert!(world.hears(carl, tone(ben)));
    world.press(ben, "*3").run_for(secs(4));
    assert!(world.hears_silence(carl) && world.hears_silence(anna), "he is cut off while he types");
    world.press(ben, MODERATOR).run_for(secs(7));
    assert_eq!(world.times_played(ben, Prompt::NowModerator), 1);
    assert!(world.hears(carl, tone(ben)) && world.hears(anna, tone(ben)));
    world.press(ben, "*95").run_for(secs(8)).talk(carl).run_for(secs(3));
    assert!(world.lacks(anna, tone(carl)) && world.hears(carl, tone(ben)));
    world.finish();
}

#[test]
fn star_93_says_how_callers_are_heard_to_come() {
    let mut world = World::build().start();
    let [anna, ben, carl, dora] = world.phones(["anna", "ben", "carl", "dora"]);
    world.join(anna, MODERATOR).run_for(secs(6)).join(ben, PARTICIPANT).run_for(secs(4));
    assert_eq!(world.times_played(anna, Prompt::ToneJoin), 1, "by tone");
    world.press(anna, "*93").run_for(secs(5)).join(carl, PARTICIPANT).run_for(secs(4));
    assert_eq!(world.times_played(anna, Prompt::ToneJoin), 1, "not at all");
    world.press(anna, "*93").run_for(secs(5));
    let from = world.now();
    world.join(dora, PARTICIPANT).run_for(secs(6));
    assert_eq!(hear(&world, [anna, ben, carl], Prompt::HasJoined, from), [true, true, true]);
    world.finish();
}

#[test]
fn star_94_lets_the_others_talk_on_when_the_moderator_goes() {
    let (mut world, [anna, ben, carl]) = room();
    world.press(anna, "*94").run_for(secs(6));
    assert_eq!(world.times_played(anna, Prompt::ContinueOn), 1);
    world.hang_up(anna).run_for(secs(200)).talk(ben).run_for(secs(3));
    assert!(world.is_up(ben) && world.is_up(carl), "it goes on");
    assert!(world.hears(carl, tone(ben)));
    world.finish();
}

#[test]
fn who_hangs_up_leaves_the_others_talking() {
    let (mut world, [anna, ben, carl]) = room();
    let from = world.now();
    world.hang_up(ben).run_for(secs(3));
    assert!(world.heard_prompt(anna, Prompt::ToneLeave, from));
    world.talk(carl).run_for(secs(3));
    assert!(world.hears(anna, tone(carl)) && world.hears_silence(carl));
    world.finish();
}
