//! Orders from outside: each is done as by its key, or refused as it, and leaves the same event but
//! for who did it.

mod common;

use common::{LISTENER, MODERATOR, PARTICIPANT, World, secs};
use partyline_cdr_record::{
    Actor, AnnounceMode, CloseReason, DenyReason, DialoutKind, FeatureCode, FeatureDetail,
    FeatureRecord, Outcome, ReferenceSource, TalkMode,
};
use partyline_conference::{
    Input, LegOrder, LegStage, NotDone, Order, RecordOrder, RecordingState, SessionOrder,
    SessionState, Talk,
};
use partyline_dialplan::Prompt;
use partyline_directory::ReferenceNumber;
use partyline_model::{CallId, Number, Uuid};

const STATE: NotDone = NotDone::Denied(DenyReason::State);

fn conf_id(world: &World) -> Uuid {
    world.bridge.sessions()[0].conf_id
}

fn order(world: &mut World, order: SessionOrder) -> Result<Option<Uuid>, NotDone> {
    let session = conf_id(world);
    world.order(Order::Session(session, order))
}

fn to_leg(world: &mut World, leg: CallId, order: LegOrder) -> Result<(), NotDone> {
    let leg = world.leg_id(leg);
    world.order(Order::Leg(leg, order)).map(|named| assert_eq!(named, Some(leg)))
}

fn talks(world: &World, call: CallId) -> bool {
    world.leg(call).talk == Some(Talk::Open)
}

/// The last event of a code; done from outside, so it stands with the session and names who did it.
fn from_outside(world: &World, code: FeatureCode) -> FeatureRecord {
    let found = world.events().into_iter().rev().find(|event| event.code == code);
    let event = found.unwrap_or_else(|| panic!("no event {code}")).clone();
    assert_eq!((event.actor, event.actor_id), (Actor::Api, Some(12)), "{event:?}");
    assert!(event.is_of_session() && event.role.is_none(), "{event:?}");
    assert_eq!(event.pattern.as_str(), "", "no keys were pressed");
    event
}

fn denied(world: &World, code: FeatureCode, why: DenyReason) {
    let event = from_outside(world, code);
    assert_eq!((event.outcome, event.denied), (Outcome::Denied, Some(why)));
}

/// What an event says beside who did it, when and with which keys.
fn said(event: &FeatureRecord) -> (FeatureCode, Outcome, Option<DenyReason>, FeatureDetail) {
    (event.code, event.outcome, event.denied, event.detail.clone())
}

#[test]
fn orders_leave_the_events_of_the_keys_but_for_who_did_it() {
    let cases = [
        ("*95", SessionOrder::MuteAll(true), FeatureCode::MuteAll, Ok(None)),
        ("*5", SessionOrder::Mode(TalkMode::Questions), FeatureCode::LectureMode, Ok(None)),
        ("*7", SessionOrder::Lock(true), FeatureCode::Lock, Ok(None)),
        ("*2", SessionOrder::NextHand, FeatureCode::QaOpen, Err(STATE)),
        ("*93", SessionOrder::Announce(AnnounceMode::Silent), FeatureCode::AnnounceMode, Ok(None)),
        ("*94", SessionOrder::AutoContinue(true), FeatureCode::AutoContinueOn, Ok(None)),
        ("*98", SessionOrder::Record(RecordOrder::Pause), FeatureCode::RecordPause, Err(STATE)),
    ];
    for (keys, wanted, code, result) in cases {
        let (mut by_key, mut from_afar) = (World::new(), World::new());
        let (moderator, others) = by_key.room(2);
        by_key.press_and_hear(moderator, keys);
        let (_, same) = from_afar.room(2);
        assert_eq!(order(&mut from_afar, wanted), result, "{keys}");
        assert_eq!(said(by_key.event(code)), said(&from_outside(&from_afar, code)), "{keys}");
        assert_eq!(by_key.event(code).actor, Actor::Leg);
        for (&here, &there) in others.iter().zip(&same) {
            assert_eq!(talks(&by_key, here), talks(&from_afar, there), "{keys}");
        }
    }
}

#[test]
fn what_is_so_already_is_done_and_leaves_no_event() {
    let mut world = World::new();
    let (_, others) = world.room(1);
    let before = world.events().len();
    for same in [
        SessionOrder::Lock(false),
        SessionOrder::Mode(TalkMode::Conversation),
        SessionOrder::AutoContinue(false),
        SessionOrder::Announce(AnnounceMode::Tones),
    ] {
        assert_eq!(order(&mut world, same), Ok(None));
    }
    assert_eq!(to_leg(&mut world, others[0], LegOrder::Mute(false)), Ok(()));
    assert_eq!(world.events().len(), before);
}

#[test]
fn a_leg_is_muted_and_opened_but_not_where_its_caller_muted_it() {
    let mut world = World::new();
    let (moderator, others) = world.room(1);
    assert_eq!(to_leg(&mut world, others[0], LegOrder::Mute(true)), Ok(()));
    assert!(!talks(&world, others[0]));
    assert_eq!(world.heard(others[0]), [Prompt::MutedByModerator]);
    let target = world.leg_id(others[0]);
    assert_eq!(from_outside(&world, FeatureCode::MuteByModerator).target_leg, Some(target));
    assert_eq!(world.press_and_hear(others[0], "*6"), [Prompt::MutedByModerator]);
    assert_eq!(to_leg(&mut world, others[0], LegOrder::Mute(false)), Ok(()));
    assert!(talks(&world, others[0]));
    from_outside(&world, FeatureCode::UnmuteByModerator);
    world.run(secs(1));
    world.press_and_hear(others[0], "*6");
    assert_eq!(to_leg(&mut world, others[0], LegOrder::Mute(false)), Err(STATE));
    assert!(!talks(&world, others[0]));
    denied(&world, FeatureCode::UnmuteByModerator, DenyReason::State);
    let role = NotDone::Denied(DenyReason::Role);
    assert_eq!(to_leg(&mut world, moderator, LegOrder::Mute(true)), Err(role));
    let listener = world.join(LISTENER);
    assert_eq!(to_leg(&mut world, listener, LegOrder::Mute(false)), Err(role));
    // Muted softly with all others, a line is opened as well.
    world.press_and_hear(others[0], "*6");
    assert_eq!(order(&mut world, SessionOrder::MuteAll(true)), Ok(None));
    assert!(!talks(&world, others[0]));
    assert_eq!(to_leg(&mut world, others[0], LegOrder::Mute(false)), Ok(()));
    assert!(talks(&world, others[0]));
}

#[test]
fn in_a_presentation_nobody_mutes_all() {
    let mut world = World::new();
    let (_, others) = world.room(2);
    assert_eq!(order(&mut world, SessionOrder::Mode(TalkMode::Presentation)), Ok(None));
    assert!(!talks(&world, others[0]));
    assert_eq!(order(&mut world, SessionOrder::MuteAll(false)), Err(STATE));
    denied(&world, FeatureCode::UnmuteAll, DenyReason::State);
    assert!(!talks(&world, others[0]));
}

#[test]
fn who_knocks_is_let_in_or_turned_away() {
    let mut world = World::new();
    let (moderator, _) = world.room(1);
    assert_eq!(order(&mut world, SessionOrder::Lock(true)), Ok(None));
    assert!(world.heard(moderator).contains(&Prompt::ToneChime));
    let knockers: Vec<CallId> = (0..3)
        .map(|_| {
            let call = world.join(PARTICIPANT);
            world.run(secs(1));
            world.press(call, "1");
            call
        })
        .collect();
    let session = conf_id(&world);
    let legs = world.bridge.legs_of(session).unwrap();
    let knocking = legs.iter().filter(|leg| leg.stage == LegStage::Knocking);
    assert_eq!(knocking.count(), 3);
    assert_eq!(to_leg(&mut world, knockers[0], LegOrder::Admit), Ok(()));
    assert_eq!(to_leg(&mut world, knockers[1], LegOrder::Refuse), Ok(()));
    world.run(secs(8));
    assert!(world.mix(knockers[0]).is_some() && world.is_over(knockers[1]));
    let admitted = world.leg_id(knockers[0]);
    assert_eq!(from_outside(&world, FeatureCode::LockAdmit).target_leg, Some(admitted));
    from_outside(&world, FeatureCode::LockReject);
    assert_eq!(to_leg(&mut world, knockers[0], LegOrder::Admit), Err(STATE));
    denied(&world, FeatureCode::LockAdmit, DenyReason::State);
    assert_eq!(order(&mut world, SessionOrder::Lock(false)), Ok(None));
    world.run(secs(8));
    assert!(world.mix(knockers[2]).is_some(), "who waits at an open door comes in");
}

#[test]
fn hands_get_the_word_in_turn_and_are_lowered() {
    let mut world = World::new();
    let (_, others) = world.room(3);
    assert_eq!(order(&mut world, SessionOrder::NextHand), Err(STATE));
    denied(&world, FeatureCode::QaOpen, DenyReason::State);
    for &call in &others {
        world.press_and_hear(call, "*9");
    }
    let session = conf_id(&world);
    let legs = world.bridge.legs_of(session).unwrap();
    assert_eq!(legs[2].hand.map(|(place, _)| place), Some(2));
    assert_eq!(to_leg(&mut world, others[0], LegOrder::LowerHand), Ok(()));
    assert_eq!(world.heard(others[0]), [Prompt::HandLowered]);
    let target = world.leg_id(others[0]);
    assert_eq!(from_outside(&world, FeatureCode::HandLower).target_leg, Some(target));
    assert_eq!(to_leg(&mut world, others[0], LegOrder::LowerHand), Err(STATE));
    let next = world.leg_id(others[1]);
    assert_eq!(order(&mut world, SessionOrder::NextHand), Ok(Some(next)));
    let given = from_outside(&world, FeatureCode::QaOpen);
    assert_eq!((given.target_leg, given.outcome), (Some(next), Outcome::Ok));
    world.bye(others[2]);
    assert_eq!(order(&mut world, SessionOrder::NextHand), Ok(None), "the word is taken");
    assert_eq!(from_outside(&world, FeatureCode::QaClose).target_leg, Some(next));
}

#[test]
fn a_recording_starts_pauses_resumes_and_stops() {
    let mut world = World::new();
    let (_, others) = world.room(1);
    for early in [RecordOrder::Pause, RecordOrder::Resume, RecordOrder::Stop] {
        assert_eq!(order(&mut world, SessionOrder::Record(early)), Err(STATE));
    }
    denied(&world, FeatureCode::RecordStop, DenyReason::State);
    let steps = [
        (RecordOrder::Start, FeatureCode::RecordStart, RecordingState::Recording),
        (RecordOrder::Pause, FeatureCode::RecordPause, RecordingState::Paused),
        (RecordOrder::Resume, FeatureCode::RecordResume, RecordingState::Recording),
        (RecordOrder::Stop, FeatureCode::RecordStop, RecordingState::Off),
    ];
    for (step, code, state) in steps {
        assert_eq!(order(&mut world, SessionOrder::Record(step)), Ok(None));
        assert_eq!(from_outside(&world, code).outcome, Outcome::Ok);
        assert_eq!(world.bridge.sessions()[0].recording, state);
        world.run(secs(2));
    }
    assert!(world.heard(others[0]).contains(&Prompt::RecordingStarted), "everybody is told");
    let mut world = World::with(|setup| setup.account.entitlements.record = false);
    world.room(1);
    let bought = NotDone::Denied(DenyReason::Entitlement);
    assert_eq!(order(&mut world, SessionOrder::Record(RecordOrder::Start)), Err(bought));
    denied(&world, FeatureCode::RecordStart, DenyReason::Entitlement);
}

#[test]
fn a_reference_number_is_set_and_removed_where_the_account_has_them() {
    let mut world = World::with(|setup| setup.reference(ReferenceNumber::Optional));
    world.room(1);
    let value = "PO 4711".parse().ok();
    assert_eq!(order(&mut world, SessionOrder::Reference(value.clone())), Ok(None));
    let detail = FeatureDetail::Reference { value: value.clone(), previous: None };
    assert_eq!(from_outside(&world, FeatureCode::ReferenceSet).detail, detail);
    let record = world.conference_records().last().copied().unwrap();
    assert_eq!((&record.reference_number, record.reference_set_by), (&value, None));
    assert_eq!(record.reference_source, ReferenceSource::Api);
    assert_eq!(world.bridge.sessions()[0].reference, value);
    assert_eq!(order(&mut world, SessionOrder::Reference(None)), Ok(None));
    assert_eq!(world.bridge.sessions()[0].reference, None);
    let settings = [
        (ReferenceNumber::Off, DenyReason::Entitlement),
        (ReferenceNumber::Required, DenyReason::Policy),
    ];
    for (setting, why) in settings {
        world.reconfigure(|setup| setup.reference(setting));
        let refused = Err(NotDone::Denied(why));
        assert_eq!(order(&mut world, SessionOrder::Reference(None)), refused);
        denied(&world, FeatureCode::ReferenceSet, why);
    }
}

#[test]
fn a_leg_is_put_out_or_sent_to_a_private_room() {
    let mut world = World::new();
    let (_, others) = world.room(2);
    assert_eq!(to_leg(&mut world, others[0], LegOrder::Room(3)), Ok(()));
    assert_ne!(world.mix(others[0]), world.mix(others[1]));
    let moved = from_outside(&world, FeatureCode::Breakout);
    assert_eq!(moved.target_leg, Some(world.leg_id(others[0])));
    assert_eq!(moved.detail, FeatureDetail::Room(3));
    let session = conf_id(&world);
    let legs = world.bridge.legs_of(session).unwrap();
    assert_eq!((legs[1].stage, legs[1].private_room), (LegStage::Private, Some(3)));
    assert_eq!(to_leg(&mut world, others[0], LegOrder::Room(0)), Ok(()));
    assert_eq!(world.mix(others[0]), world.mix(others[1]));
    assert_eq!(to_leg(&mut world, others[0], LegOrder::Room(10)), Err(NotDone::Invalid));
    assert_eq!(to_leg(&mut world, others[1], LegOrder::Drop), Ok(()));
    assert_eq!(from_outside(&world, FeatureCode::Kick).target_leg, Some(world.leg_id(others[1])));
    world.run(secs(8));
    assert_eq!(world.reason(others[1]), CloseReason::Kicked);
    let gone = world.leg_id(others[1]);
    assert_eq!(world.order(Order::Leg(gone, LegOrder::Drop)), Err(NotDone::UnknownLeg));
}

#[test]
fn who_is_called_by_order_comes_in_by_pressing_1() {
    let mut world = World::new();
    let (moderator, _) = world.room(1);
    let leg = order(&mut world, SessionOrder::Dial("4165550199".to_owned())).unwrap().unwrap();
    let start = from_outside(&world, FeatureCode::DialoutStart);
    let number: Number = "14165550199".parse().unwrap();
    assert_eq!((start.target_leg, &start.detail), (Some(leg), &FeatureDetail::Number(number)));
    let callee = world.dialled();
    assert_eq!(world.bridge.leg_snapshot_of(leg).unwrap().stage, LegStage::Invited);
    world.input(Input::Ringing { call: callee });
    assert_eq!(world.bridge.leg_snapshot_of(leg).unwrap().stage, LegStage::Ringing);
    world.answered(callee);
    world.run(secs(1));
    assert_eq!(world.mix(callee), None, "a machine that answers is not heard");
    world.press(callee, "1");
    world.run(secs(1));
    assert_eq!(world.mix(callee), world.mix(moderator));
    for code in
        [FeatureCode::DialoutRinging, FeatureCode::DialoutAnswered, FeatureCode::DialoutJoined]
    {
        assert_eq!(from_outside(&world, code).target_leg, Some(leg));
    }
    world.bye(callee);
    let record = world.record(callee);
    assert_eq!((record.dialout_kind, record.dialout_by_leg), (DialoutKind::Api, None));
    assert_eq!(record.account_id, world.conference_records()[0].account_id.into());
    assert_eq!(record.rate_context, 90, "the account's plan rates it");
}

#[test]
fn numbers_that_a_moderator_may_not_call_nobody_may() {
    let mut world = World::new();
    world.room(1);
    let cases = [
        ("2125550100", NotDone::Barred),
        ("18005550142", NotDone::Barred),
        ("12", NotDone::Invalid),
    ];
    for (number, why) in cases {
        assert_eq!(order(&mut world, SessionOrder::Dial(number.to_owned())), Err(why), "{number}");
        denied(&world, FeatureCode::DialoutBarred, DenyReason::Policy);
    }
    let call = SessionOrder::Dial("4165550199".to_owned());
    for _ in 0..3 {
        assert!(order(&mut world, call.clone()).is_ok());
    }
    assert_eq!(order(&mut world, call), Err(NotDone::Capacity));
}

#[test]
fn who_is_called_by_order_is_dropped_with_the_session_or_alone() {
    let mut world = World::new();
    let (moderator, others) = world.room(1);
    let call = SessionOrder::Dial("4165550199".to_owned());
    let leg = order(&mut world, call.clone()).unwrap().unwrap();
    let first = world.dialled();
    assert_eq!(world.order(Order::Leg(leg, LegOrder::Drop)).err(), None);
    assert!(world.is_over(first));
    assert_eq!(from_outside(&world, FeatureCode::Kick).target_leg, Some(leg));
    assert!(order(&mut world, call).is_ok());
    let second = world.dialled();
    world.bye(others[0]);
    world.bye(moderator);
    world.run(secs(1));
    assert!(world.is_over(second), "nobody is there to talk to");
    assert!(world.bridge.sessions().is_empty());
}

#[test]
fn a_callee_who_does_not_come_leaves_why() {
    let mut world = World::new();
    world.room(1);
    let leg = order(&mut world, SessionOrder::Dial("4165550199".to_owned())).unwrap();
    let callee = world.dialled();
    world.answered(callee);
    world.run(secs(1));
    world.press(callee, "2");
    assert_eq!(from_outside(&world, FeatureCode::DialoutRejected).target_leg, leg);
    let leg = order(&mut world, SessionOrder::Dial("4165550198".to_owned())).unwrap();
    world.run(secs(60));
    let event = from_outside(&world, FeatureCode::DialoutNoAnswer);
    assert_eq!((event.target_leg, event.outcome), (leg, Outcome::Failed));
}

#[test]
fn the_end_for_all_comes_from_outside_too_and_nothing_after_it() {
    let mut world = World::new();
    let (moderator, others) = world.room(1);
    assert_eq!(order(&mut world, SessionOrder::End), Ok(None));
    from_outside(&world, FeatureCode::EndConference);
    assert_eq!(world.bridge.sessions()[0].state, SessionState::Closing);
    assert_eq!(order(&mut world, SessionOrder::Lock(true)), Err(STATE));
    denied(&world, FeatureCode::Lock, DenyReason::State);
    assert_eq!(to_leg(&mut world, others[0], LegOrder::Drop), Err(STATE));
    let session = conf_id(&world);
    world.run(secs(10));
    assert!(world.is_over(moderator) && world.is_over(others[0]));
    let late = world.order(Order::Session(session, SessionOrder::Lock(true)));
    assert_eq!(late, Err(NotDone::UnknownSession));
}

#[test]
fn before_the_moderator_comes_only_ending_and_dropping_are_done() {
    let mut world = World::new();
    let (first, second) = (world.join(PARTICIPANT), world.join(PARTICIPANT));
    assert_eq!(order(&mut world, SessionOrder::Lock(true)), Err(STATE));
    assert_eq!(to_leg(&mut world, first, LegOrder::Mute(true)), Err(STATE));
    let session = conf_id(&world);
    let legs = world.bridge.legs_of(session).unwrap();
    assert!(legs.iter().all(|leg| leg.stage == LegStage::Holding));
    assert_eq!(to_leg(&mut world, first, LegOrder::Drop), Ok(()));
    world.run(secs(3));
    assert_eq!(world.reason(first), CloseReason::Kicked);
    assert_eq!(order(&mut world, SessionOrder::End), Ok(None));
    world.run(secs(10));
    assert!(world.is_over(second) && world.bridge.sessions().is_empty());
}

#[test]
fn a_session_and_its_legs_are_told_as_they_are() {
    let mut world = World::new();
    let (moderator, others) = world.room(2);
    world.press_and_hear(others[0], "*6");
    let listener = world.join(LISTENER);
    let second = world.join(MODERATOR);
    world.bye(second);
    let session = world.bridge.sessions().remove(0);
    assert_eq!((session.title.as_str(), session.state), ("Weekly", SessionState::Live));
    assert_eq!((session.legs_now, session.legs_peak, session.legs_total), (4, 5, 5));
    assert_eq!(session.started_by, Some(world.leg_id(moderator)));
    assert_eq!(world.bridge.session_snapshot(session.conf_id), Some(session.clone()));
    let legs = world.bridge.legs_of(session.conf_id).unwrap();
    let ids: Vec<Uuid> = legs.iter().map(|leg| leg.leg_id).collect();
    let order = [moderator, others[0], others[1], listener].map(|call| world.leg_id(call));
    assert_eq!(ids, order);
    assert!(legs[1].muted.own && !legs[2].muted.own && legs[3].muted.mode);
    assert_eq!(legs[1].number, "14165550100".parse().ok());
    assert!(legs.iter().all(|leg| leg.stage == LegStage::In && leg.session == session.conf_id));
    assert_eq!(world.bridge.legs_of(Uuid(1)), None);
}
