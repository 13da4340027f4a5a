//! Any input in any state: the harness checks each step, this checks the end.

#![allow(clippy::unwrap_used)]

mod common;

use common::{DNIS, Disk, FarEnd, LISTENER, MODERATOR, PARTICIPANT, World, is_settled, ms, secs};
use partyline_cdr_record::{CallFailure, LegState, Quality, Record, StatusCode, TalkMode};
use partyline_conference::{
    ClaimKind, EndKind, FIRST_OUTBOUND, Input, LegOrder, NotDone, Order, RecordOrder, SessionOrder,
};
use partyline_directory::{ReferenceNumber, StartsWith};
use partyline_model::{CallId, Digit, MixId, PlaybackId, RecordingId, Time, WallTime};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    Offer(u8),
    Claim(u8, u8, bool),
    Invite(u8, String),
    Join(u8, u8),
    Keys(u8, String),
    Order(u8, u8),
    Confirmed(u8),
    Media(u8),
    Silent(u8, u16),
    Ended(u8, u8),
    Ringing(u8),
    Answered(u8),
    Failed(u8, u16),
    Played(u8, u32),
    RoomPlayed(u32, u32),
    Stats(u8),
    RecordingFailed(u32),
    Token(u64, bool),
    Wall(i64),
    Disk(u8),
    FarEnd(bool),
    Reconfigure(bool),
    Drain,
    EndNow,
    Run(u32),
}

/// Keys that mean something in some state, and keys that do not.
fn keys() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            MODERATOR, PARTICIPANT, LISTENER, "*6", "*4", "1", "2", "*#", "**", "*1",
            "14165550199#", "911#", "*2", "#2", "*3", "*91", "4471#", "*92", "5073#", "*99", "#", "*",
        ]).prop_map(str::to_owned),
        1 => "[0-9*#A-D]{0,40}",
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let call = 0u8..10;
    prop_oneof![
        4 => (0u8..6).prop_map(Step::Offer),
        4 => (0u8..6, call.clone(), any::<bool>())
            .prop_map(|(call, leg, beside)| Step::Claim(call, leg, beside)),
        6 => (0u8..6, 0u8..3).prop_map(|(call, role)| Step::Join(call, role)),
        14 => (call.clone(), keys()).prop_map(|(call, keys)| Step::Keys(call, keys)),
        8 => (any::<u8>(), any::<u8>()).prop_map(|(leg, order)| Step::Order(leg, order)),
        3 => (call.clone(), prop::sample::select(vec!["+14165550199", "911", "14165550198", "x"]))
            .prop_map(|(call, number)| Step::Invite(call, number.to_owned())),
        1 => call.clone().prop_map(Step::Confirmed),
        1 => call.clone().prop_map(Step::Media),
        1 => (call.clone(), any::<u16>()).prop_map(|(call, ago)| Step::Silent(call, ago)),
        3 => (call.clone(), 0u8..7).prop_map(|(call, kind)| Step::Ended(call, kind)),
        2 => call.clone().prop_map(Step::Ringing),
        4 => call.clone().prop_map(Step::Answered),
        2 => (call.clone(), 300u16..700).prop_map(|(call, status)| Step::Failed(call, status)),
        1 => (call.clone(), 0u32..60).prop_map(|(call, playback)| Step::Played(call, playback)),
        1 => (0u32..8, 0u32..60).prop_map(|(room, playback)| Step::RoomPlayed(room, playback)),
        1 => call.prop_map(Step::Stats),
        1 => (0u32..4).prop_map(Step::RecordingFailed),
        1 => (0u64..60, any::<bool>()).prop_map(|(token, durable)| Step::Token(token, durable)),
        1 => any::<i64>().prop_map(Step::Wall),
        2 => (0u8..5).prop_map(Step::Disk),
        1 => any::<bool>().prop_map(Step::FarEnd),
        1 => any::<bool>().prop_map(Step::Reconfigure),
        1 => Just(Step::Drain),
        1 => Just(Step::EndNow),
        10 => prop_oneof![0u32..2_000, 0u32..60_000, 0u32..2_000_000].prop_map(Step::Run),
    ]
}

/// Small numbers are legs that came in, larger ones those that the bridge dialled.
fn id(call: u8) -> CallId {
    if call < 6 { CallId(u32::from(call)) } else { CallId(FIRST_OUTBOUND.0 + u32::from(call - 6)) }
}

fn offer(world: &mut World, call: CallId) -> bool {
    let new = !world.legs.contains_key(&call);
    if new {
        world.offer(call, DNIS);
    }
    new
}

/// An order from outside to the session, or to one of its legs.
fn give_order(world: &mut World, leg: u8, order: u8) {
    let sessions = world.bridge.sessions();
    let Some(session) = sessions.get(usize::from(leg) % sessions.len().max(1)) else { return };
    let legs = world.bridge.legs_of(session.conf_id).unwrap();
    let chosen = legs.get(usize::from(leg) % legs.len().max(1));
    let (session, on) = (session.conf_id, leg.is_multiple_of(2));
    let to_session = |order| Order::Session(session, order);
    let to_leg = |order| chosen.map(|leg| Order::Leg(leg.leg_id, order));
    let order = match order % 22 {
        0 => Some(to_session(SessionOrder::MuteAll(on))),
        1 => Some(to_session(SessionOrder::Mode(TalkMode::Presentation))),
        2 => Some(to_session(SessionOrder::Mode(TalkMode::Conversation))),
        3 => Some(to_session(SessionOrder::Lock(true))),
        4 => Some(to_session(SessionOrder::Lock(false))),
        5 => Some(to_session(SessionOrder::NextHand)),
        6 => Some(to_session(SessionOrder::Record(RecordOrder::Start))),
        7 => Some(to_session(SessionOrder::Record(RecordOrder::Pause))),
        8 => Some(to_session(SessionOrder::Record(RecordOrder::Resume))),
        9 => Some(to_session(SessionOrder::Record(RecordOrder::Stop))),
        10 => Some(to_session(SessionOrder::AutoContinue(on))),
        11 => Some(to_session(SessionOrder::Reference("A-1".parse().ok().filter(|_| on)))),
        12 => Some(to_session(SessionOrder::End)),
        13..=15 => Some(to_session(SessionOrder::Dial("14165550199".to_owned()))),
        16 => to_leg(LegOrder::Mute(on)),
        17 => to_leg(LegOrder::Admit),
        18 => to_leg(LegOrder::Refuse),
        19 => to_leg(LegOrder::LowerHand),
        20 => to_leg(LegOrder::Drop),
        _ => to_leg(LegOrder::Room(leg % 10)),
    };
    if let Some(order) = order {
        // What a list names is there to be ordered about.
        let known =
            !matches!(world.order(order), Err(NotDone::UnknownSession | NotDone::UnknownLeg));
        assert!(known);
    }
}

fn play(world: &mut World, step: Step) {
    match step {
        Step::Offer(call) => drop(offer(world, id(call))),
        Step::Claim(call, leg, beside) => {
            if !world.legs.contains_key(&id(call)) {
                let kind = if beside { ClaimKind::Beside } else { ClaimKind::InPlace };
                world.claim(id(call), id(leg), kind);
            }
        }
        Step::Join(call, role) => {
            if offer(world, id(call)) {
                world.run(secs(1));
                world.press(id(call), [MODERATOR, PARTICIPANT, LISTENER][usize::from(role)]);
            }
        }
        Step::Keys(call, keys) => {
            for key in keys.chars() {
                world.input(Input::Digit { call: id(call), digit: Digit::from_char(key).unwrap() });
            }
        }
        Step::Order(leg, order) => give_order(world, leg, order),
        Step::Invite(call, number) => {
            world.invite(id(call), &number);
        }
        Step::Confirmed(call) => world.input(Input::Confirmed { call: id(call) }),
        Step::Media(call) => world.input(Input::MediaStarted { call: id(call) }),
        Step::Silent(call, ago) => {
            let since = world.now.as_millis().saturating_sub(u64::from(ago));
            world.input(Input::MediaSilent { call: id(call), since: Time::from_millis(since) });
        }
        Step::Ended(call, kind) => {
            let kinds = [
                EndKind::HungUp,
                EndKind::Cancelled,
                EndKind::Unconfirmed,
                EndKind::Timeout,
                EndKind::Transport,
                EndKind::NoMedia,
                EndKind::Internal,
            ];
            world.end(id(call), kinds[usize::from(kind)]);
        }
        Step::Ringing(call) => world.input(Input::Ringing { call: id(call) }),
        Step::Answered(call) => world.answered(id(call)),
        Step::Failed(call, status) => {
            let failure = CallFailure::ALL[usize::from(status) % CallFailure::ALL.len()];
            let code = StatusCode::new(status);
            world.input(Input::DialFailed { call: id(call), failure, code, q850: None });
        }
        Step::Played(call, playback) => {
            world.input(Input::PlaybackDone { call: id(call), playback: PlaybackId(playback) });
        }
        Step::RoomPlayed(room, playback) => {
            let playback = PlaybackId(playback);
            world.input(Input::MixPlaybackDone { mix: MixId(room), playback });
        }
        Step::Stats(call) => {
            world.input(Input::Stats { call: id(call), quality: Box::new(Quality::default()) });
        }
        Step::RecordingFailed(recording) => {
            world.input(Input::RecordingFailed { recording: RecordingId(recording) });
        }
        // A disk does not first say "written" and then lose it: only tokens it was never given.
        Step::Token(token, true) => world.input(Input::Durable { token: token | 1 << 32 }),
        Step::Token(token, false) => world.input(Input::NotDurable { token }),
        Step::Wall(micros) => world.input(Input::WallClock(WallTime::from_micros(micros))),
        Step::Disk(0 | 1) => {
            world.disk = Disk::Works;
            world.disk_says(true);
        }
        Step::Disk(2) => world.disk = Disk::Fails,
        Step::Disk(3) => world.disk = Disk::Hangs,
        Step::Disk(_) => world.disk_says(false),
        Step::FarEnd(polite) => world.far_end = if polite { FarEnd::Polite } else { FarEnd::Mute },
        Step::Reconfigure(enabled) => world.reconfigure(|setup| setup.conference.enabled = enabled),
        Step::Drain => world.input(Input::Drain),
        Step::EndNow => world.input(Input::EndNow),
        Step::Run(millis) => world.run(ms(u64::from(millis))),
    }
}

/// Ends everything, and lets the disk take what is left.
fn finish(world: &mut World) {
    world.disk = Disk::Works;
    world.disk_says(true);
    world.input(Input::Drain);
    world.run(secs(120));
    for call in (0..10).map(id) {
        world.end(call, EndKind::Unconfirmed);
    }
    world.run(secs(5));
    assert!(world.drained);
    assert_eq!(world.bridge.calls() + world.bridge.conferences(), 0);
    assert_eq!(world.bridge.poll_timeout(), None);
    for (request, told) in &world.invitations {
        assert!(told.last().is_some_and(|last| is_settled(*last)), "{request}: {told:?}");
    }
}

/// The journal as its readers see it: the highest revision counts.
fn check_records(world: &World) {
    let mut closed = BTreeMap::new();
    for leg in world.leg_records() {
        closed.insert((leg.leg_id, leg.rev), leg);
    }
    let legs: BTreeSet<_> = closed.keys().map(|&(leg, _)| leg).collect();
    let of_calls: BTreeSet<_> =
        world.legs.values().filter_map(|leg| leg.summary.as_ref()).map(|s| s.leg_id).collect();
    assert_eq!(legs, of_calls, "one leg for each call, and no other");
    for leg in legs {
        let (_, last) = closed.range((leg, 0)..=(leg, u16::MAX)).next_back().unwrap();
        assert_eq!(last.state, LegState::Closed);
        let parts = last.conf_ms + last.hold_ms + last.breakout_ms;
        assert!(parts <= last.duration_ms + 3 || last.answered_at.is_none());
        assert!(last.close_reason.is_some() && last.disconnected_at.is_some());
        assert!(last.joined_at <= last.left_at && last.left_at <= last.disconnected_at);
    }
    let numbers: BTreeSet<u64> = closed.values().map(|leg| leg.leg_seq).collect();
    assert_eq!(numbers.last().copied().unwrap_or(0), u64::try_from(numbers.len()).unwrap());
    // A batch that was said to be refused and written nevertheless is there twice.
    let events: BTreeMap<_, _> =
        world.events().into_iter().map(|e| ((e.leg_id, e.feature_seq), e)).collect();
    let mut sessions: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for event in events.values() {
        if let Some(conf_id) = event.conf_id {
            sessions.entry(conf_id).or_default().push(event.conf_seq);
        }
    }
    for numbers in sessions.values_mut() {
        numbers.sort_unstable();
        let expected: Vec<u64> = (1..=u64::try_from(numbers.len()).unwrap()).collect();
        assert_eq!(*numbers, expected, "events without a gap, each once");
    }
    let conferences = world.conference_records();
    let opened: BTreeSet<_> = conferences.iter().map(|c| c.conf_id).collect();
    let over: BTreeSet<_> =
        conferences.iter().filter(|c| c.is_closed()).map(|c| (c.conf_id, c.rev)).collect();
    assert_eq!(opened, over.iter().map(|&(id, _)| id).collect());
    assert_eq!(opened.len(), over.len());
    assert!(!world.records.iter().any(|record| matches!(record, Record::Tick(_))));
}

fn run(steps: Vec<Step>, waits: bool) {
    let mut world = World::with(|setup| {
        setup.reference(if waits { ReferenceNumber::Optional } else { ReferenceNumber::Off });
        if !waits {
            setup.conference.starts_with = StartsWith::FirstCaller;
            setup.conference.ends_with_moderator = false;
            setup.conference.max_legs = 3;
        }
    });
    for step in steps {
        play(&mut world, step);
    }
    finish(&mut world);
    check_records(&world);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        // Failing seeds are kept and run first from then on.
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/any_input.regressions",
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_input_in_any_state_leaves_one_record_for_each_call(
        steps in prop::collection::vec(step(), 0..60),
        waits in any::<bool>(),
    ) {
        run(steps, waits);
    }
}
