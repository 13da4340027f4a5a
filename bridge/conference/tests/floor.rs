//! Who may speak: `*6`, `*95`, `*5`, hands and questions; each by what every leg is told to do.

mod common;

use common::{LISTENER, PARTICIPANT, World, secs};
use partyline_cdr_record::{DenyReason, FeatureCode, FeatureDetail, Outcome, TalkMode};
use partyline_conference::Talk;
use partyline_dialplan::Prompt;
use partyline_model::CallId;

fn talks(world: &World, call: CallId) -> bool {
    world.leg(call).talk == Some(Talk::Open)
}

#[test]
fn star_95_mutes_all_who_may_open_their_lines_and_opens_all() {
    let mut world = World::new();
    let (moderator, others) = world.room(3);
    world.press_and_hear(moderator, "*95");
    assert!(talks(&world, moderator), "the moderator is heard");
    for &call in &others {
        assert!(!talks(&world, call));
        assert_eq!(world.heard(call), [Prompt::AllMuted, Prompt::ToSpeakPress, Prompt::StarSix]);
    }
    assert_eq!(world.event(FeatureCode::MuteAll).detail, FeatureDetail::Count(3));
    assert_eq!(world.press_and_hear(others[0], "*6"), [Prompt::Unmuted]);
    assert!(talks(&world, others[0]) && !talks(&world, others[1]));
    assert_eq!(world.press_and_hear(others[1], "*6"), [Prompt::Unmuted]);
    assert_eq!(world.press_and_hear(others[1], "*6"), [Prompt::Muted]);
    world.press_and_hear(moderator, "*95");
    assert!(talks(&world, others[0]) && talks(&world, others[2]));
    assert!(!talks(&world, others[1]), "what a caller muted himself, he opens himself");
    assert_eq!(world.event(FeatureCode::UnmuteAll).detail, FeatureDetail::Count(1));
}

#[test]
fn star_5_goes_from_conversation_to_questions_to_presentation_and_back() {
    let mut world = World::new();
    let (moderator, others) = world.room(2);
    world.press_and_hear(moderator, "*5");
    let said = [Prompt::ModeQuestions, Prompt::ToSpeakPress, Prompt::StarSix];
    assert_eq!(world.heard(others[0]), said);
    assert!(!talks(&world, others[0]) && talks(&world, moderator));
    assert_eq!(world.press_and_hear(others[0], "*6"), [Prompt::Unmuted]);
    assert!(talks(&world, others[0]), "with questions a caller opens the line");
    world.press_and_hear(moderator, "*5");
    let said = [Prompt::ModeListenOnly, Prompt::ToRaiseHandPress, Prompt::StarFive];
    assert_eq!(world.heard(others[1]), said);
    assert!(!talks(&world, others[0]), "in a presentation the line is closed again");
    assert_eq!(world.press_and_hear(others[0], "*6"), [Prompt::ModeListenOnly]);
    assert!(!talks(&world, others[0]));
    let denied = world.event(FeatureCode::MuteSelf);
    assert_eq!((denied.outcome, denied.denied), (Outcome::Denied, Some(DenyReason::State)));
    assert_eq!(world.press_and_hear(moderator, "*6"), [Prompt::Muted]);
    assert_eq!(world.press_and_hear(moderator, "*6"), [Prompt::Unmuted], "it binds no moderator");
    let late = world.join(PARTICIPANT);
    assert!(!talks(&world, late), "who comes later is muted too");
    world.quiet();
    world.press_and_hear(moderator, "*5");
    assert_eq!(world.heard(late), [Prompt::ModeOpen]);
    assert!([late, others[0], others[1]].iter().all(|&call| talks(&world, call)));
    let modes: Vec<_> =
        world.events().into_iter().filter(|e| e.code == FeatureCode::LectureMode).collect();
    let last = FeatureDetail::Mode { from: TalkMode::Presentation, to: TalkMode::Conversation };
    assert_eq!((modes.len(), &modes[2].detail), (3, &last));
}

#[test]
fn hands_go_up_in_a_queue_and_down_by_the_same_code() {
    let mut world = World::new();
    let (moderator, others) = world.room(3);
    let raised = [Prompt::HandRaised, Prompt::YouAreNumber, Prompt::One, Prompt::InLine];
    assert_eq!(world.press_and_hear(others[0], "*5"), raised);
    assert_eq!(world.heard(moderator), [Prompt::HandIsUp]);
    let raised = [Prompt::HandRaised, Prompt::YouAreNumber, Prompt::Two, Prompt::InLine];
    assert_eq!(world.press_and_hear(others[1], "*9"), raised);
    assert!(world.heard(moderator).is_empty(), "the first hand is news, the second is not");
    assert_eq!(world.press_and_hear(others[0], "*5"), [Prompt::HandLowered]);
    let raised = [Prompt::HandRaised, Prompt::YouAreNumber, Prompt::Two, Prompt::InLine];
    assert_eq!(world.press_and_hear(others[2], "*5"), raised);
    assert_eq!(world.event(FeatureCode::HandLower).detail, FeatureDetail::Count(1));
    let listener = world.join(LISTENER);
    world.quiet();
    assert_eq!(world.press_and_hear(listener, "*5"), [Prompt::ModeratorOnly]);
}

#[test]
fn star_2_gives_the_word_to_one_hand_after_the_other() {
    let mut world = World::new();
    let (moderator, others) = world.room(3);
    world.press_and_hear(moderator, "*5");
    world.run(secs(1));
    world.press_and_hear(moderator, "*5");
    assert_eq!(world.press_and_hear(moderator, "*2"), [Prompt::NoHandsRaised]);
    world.press_and_hear(others[1], "*5");
    world.press_and_hear(others[0], "*5");
    world.quiet();
    let heard = world.press_and_hear(moderator, "*2");
    assert_eq!((heard.first(), heard.last()), (Some(&Prompt::LineOf), Some(&Prompt::Waiting)));
    assert_eq!(world.heard(others[1]), [Prompt::AskYourQuestion]);
    assert!(talks(&world, others[1]) && !talks(&world, others[0]) && !talks(&world, others[2]));
    world.quiet();
    let heard = world.press_and_hear(moderator, "*2");
    assert_eq!(heard.last(), Some(&Prompt::IsOpen), "nobody else waits");
    assert_eq!(world.heard(others[1]), [Prompt::QuestionOver]);
    assert!(talks(&world, others[0]) && !talks(&world, others[1]));
    let target = world.leg_id(others[1]);
    let closed = world.event(FeatureCode::QaClose);
    assert_eq!(closed.target_leg, Some(target));
    world.bye(others[0]);
    assert_eq!(world.press_and_hear(moderator, "*2"), [Prompt::NoHandsRaised]);
    assert!(!talks(&world, others[1]) && !talks(&world, others[2]));
}

#[test]
fn who_hung_up_waits_in_no_queue() {
    let mut world = World::new();
    let (moderator, others) = world.room(2);
    world.press_and_hear(others[0], "*5");
    world.press_and_hear(others[1], "*5");
    world.bye(others[0]);
    world.quiet();
    world.press_and_hear(moderator, "*2");
    assert_eq!(world.heard(others[1]), [Prompt::AskYourQuestion]);
}

#[test]
fn the_word_ends_with_who_has_it() {
    let mut world = World::new();
    let (moderator, others) = world.room(2);
    world.press_and_hear(others[0], "*5");
    world.quiet();
    world.press_and_hear(moderator, "*2");
    world.run(secs(9));
    world.bye(others[0]);
    let closed = world.event(FeatureCode::QaClose);
    assert!(matches!(closed.detail, FeatureDetail::Millis(9_000..=11_000)), "{closed:?}");
}

#[test]
fn the_word_ends_with_the_last_moderator_who_could_take_it_back() {
    let mut world = World::with(|setup| setup.conference.ends_with_moderator = false);
    let (moderator, others) = world.room(2);
    world.press_and_hear(others[0], "*5");
    world.quiet();
    world.press_and_hear(moderator, "*2");
    let target = world.leg_id(others[0]);
    world.run(secs(9));
    world.bye(moderator);
    let closed = world.event(FeatureCode::QaClose);
    assert!(closed.is_of_session() && closed.target_leg == Some(target), "{closed:?}");
    assert!(matches!(closed.detail, FeatureDetail::Millis(9_000..=11_000)), "{closed:?}");
    world.bye(others[0]);
    world.event(FeatureCode::QaClose);
}

#[test]
fn after_star_95_a_question_is_closed_again() {
    let mut world = World::new();
    let (moderator, others) = world.room(2);
    world.press_and_hear(moderator, "*95");
    world.press_and_hear(others[0], "*5");
    world.quiet();
    world.press_and_hear(moderator, "*2");
    assert!(talks(&world, others[0]));
    world.quiet();
    world.press_and_hear(moderator, "*2");
    assert!(!talks(&world, others[0]));
}

#[test]
fn who_comes_while_questions_are_asked_opens_the_line_himself() {
    let mut world = World::new();
    let (moderator, _) = world.room(1);
    world.press_and_hear(moderator, "*5");
    let late = world.join(PARTICIPANT);
    assert!(!talks(&world, late));
    assert_eq!(world.press_and_hear(late, "*6"), [Prompt::Unmuted]);
    assert!(talks(&world, late));
}

#[test]
fn a_moderators_opening_of_one_line_ends_no_presentation() {
    let mut world = World::new();
    let (moderator, others) = world.room(1);
    for _ in 0..2 {
        world.press_and_hear(moderator, "*5");
    }
    world.quiet();
    for _ in 0..2 {
        world.press_and_hear(moderator, "*8");
        world.press_and_hear(moderator, "2");
        world.quiet();
    }
    assert!(!talks(&world, others[0]), "the word is given by *2");
    world.press_and_hear(moderator, "*5");
    assert!(talks(&world, others[0]));
}
