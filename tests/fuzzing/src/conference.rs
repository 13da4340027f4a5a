//! The conference core among far ends, a media plane and a disk that do anything at any time.
//!
//! The world around it, which holds the core to its word at every step, is that of its own tests.

#[path = "../../../bridge/conference/tests/common/mod.rs"]
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_cdr_record::{CallFailure, Quality, Record, StatusCode};
use partyline_conference::{EndKind, FIRST_OUTBOUND, Input};
use partyline_directory::{ReferenceNumber, StartsWith};
use partyline_model::{CallId, Digit, MixId, PlaybackId, RecordingId, Time, WallTime};
use world::{DNIS, Disk, FarEnd, LISTENER, MODERATOR, PARTICIPANT, World};

use crate::tape::Tape;

/// Most inputs that are taken.
const MOST: usize = 150;
const CODES: [&str; 3] = [MODERATOR, PARTICIPANT, LISTENER];
const KEYS: [&str; 16] = [
    "*6",
    "*4",
    "1",
    "2",
    "*#",
    "**",
    "*1",
    "14165550199#",
    "911#",
    "*2",
    "#2",
    "*3",
    "*91",
    "4471#",
    "*92",
    "*99",
];
const ENDS: [EndKind; 7] = [
    EndKind::HungUp,
    EndKind::Cancelled,
    EndKind::Unconfirmed,
    EndKind::Timeout,
    EndKind::Transport,
    EndKind::NoMedia,
    EndKind::Internal,
];

/// Plays the inputs that `data` describes; then each call has one record, closed.
pub fn conference_inputs(data: &[u8]) {
    let mut tape = Tape::new(data);
    let options = tape.byte();
    let mut world = World::with(|setup| {
        if options & 1 != 0 {
            setup.reference(ReferenceNumber::Optional);
        }
        if options & 2 != 0 {
            setup.conference.starts_with = StartsWith::FirstCaller;
            setup.conference.ends_with_moderator = false;
        }
        if options & 4 != 0 {
            setup.conference.max_legs = 3;
        }
    });
    for _ in 0..MOST {
        if tape.is_at_end() {
            break;
        }
        step(&mut world, &mut tape);
    }
    finish(&mut world);
}

fn step(world: &mut World, tape: &mut Tape<'_>) {
    match tape.byte() % 16 {
        0 => {
            let call = call(tape);
            offer(world, call);
        }
        1 | 2 => {
            let (call, code) = (call(tape), usize::from(tape.byte()) % CODES.len());
            if offer(world, call) {
                world.run(Duration::from_secs(1));
                world.press(call, CODES[code]);
            }
        }
        3 | 4 => {
            let (call, keys) = (call(tape), KEYS[usize::from(tape.byte()) % KEYS.len()]);
            world.press(call, keys);
        }
        5 => {
            let (call, digit) = (call(tape), Digit::from_event(tape.byte() % 16));
            world.input(Input::Digit { call, digit: digit.expect("below 16") });
        }
        6 => {
            let (call, kind) = (call(tape), ENDS[usize::from(tape.byte()) % ENDS.len()]);
            world.end(call, kind);
        }
        7 => {
            let call = call(tape);
            world.answered(call);
        }
        8 => world.run(Duration::from_millis(tape.u16().into())),
        9 => world.run(Duration::from_secs((tape.u16() % 4_000).into())),
        10 => disk(world, tape.byte()),
        11 | 12 => of_call(world, tape),
        13 => of_planes(world, tape),
        14 => world.reconfigure(|setup| setup.conference.enabled = tape.byte() & 1 == 0),
        _ => environment(world, tape),
    }
}

/// Small numbers are legs that came in, larger ones those that the bridge dialled.
fn call(tape: &mut Tape<'_>) -> CallId {
    let number = u32::from(tape.byte() % 10);
    if number < 6 { CallId(number) } else { CallId(FIRST_OUTBOUND.0 + number - 6) }
}

fn offer(world: &mut World, call: CallId) -> bool {
    let new = call < FIRST_OUTBOUND && !world.legs.contains_key(&call);
    if new {
        world.offer(call, DNIS);
    }
    new
}

fn disk(world: &mut World, what: u8) {
    match what % 5 {
        0 | 1 => {
            world.disk = Disk::Works;
            world.disk_says(true);
        }
        2 => world.disk = Disk::Fails,
        3 => world.disk = Disk::Hangs,
        _ => world.disk_says(false),
    }
}

/// News of one leg.
fn of_call(world: &mut World, tape: &mut Tape<'_>) {
    let (kind, call) = (tape.byte(), call(tape));
    world.input(match kind % 8 {
        0 => Input::Confirmed { call },
        1 => Input::MediaStarted { call },
        2 => {
            let ago = Duration::from_millis(tape.u16().into());
            let since = world.now.since(Time::ZERO).saturating_sub(ago);
            let since = Time::ZERO + since;
            if since.as_nanos().is_multiple_of(2) {
                Input::MediaSilent { call, since }
            } else {
                Input::SessionExpired { call, since }
            }
        }
        3 => Input::Ringing { call },
        4 => {
            let status = 300 + tape.u16() % 400;
            let failure = CallFailure::ALL[usize::from(status) % CallFailure::ALL.len()];
            Input::DialFailed { call, failure, code: StatusCode::new(status), q850: None }
        }
        5 => Input::PlaybackDone { call, playback: PlaybackId(tape.byte().into()) },
        6 => Input::Dialled { call, dialog: Box::default(), trunk: 7, attest: None },
        _ => Input::Stats { call, quality: Box::new(Quality::default()) },
    });
}

/// News that may be late, or of something else.
fn of_planes(world: &mut World, tape: &mut Tape<'_>) {
    let (kind, token) = (tape.byte(), u64::from(tape.byte()));
    world.input(match kind % 4 {
        0 => {
            let mix = MixId((tape.byte() % 8).into());
            Input::MixPlaybackDone { mix, playback: PlaybackId(tape.byte().into()) }
        }
        1 => Input::RecordingFailed { recording: RecordingId((tape.byte() % 4).into()) },
        // Of a batch that is not written it would be a lie, and its records are lost.
        2 => Input::Durable { token: token | 1 << 32 },
        _ => Input::NotDurable { token },
    });
}

fn environment(world: &mut World, tape: &mut Tape<'_>) {
    match tape.byte() % 4 {
        0 => {
            let micros = i64::from_le_bytes(tape.u64().to_le_bytes());
            world.input(Input::WallClock(WallTime::from_micros(micros)));
        }
        1 => world.far_end = FarEnd::Mute,
        2 => world.far_end = FarEnd::Polite,
        _ => world.input(Input::Drain),
    }
}

/// Ends everything, lets the disk take what is left, and reads the records.
fn finish(world: &mut World) {
    world.disk = Disk::Works;
    world.disk_says(true);
    world.input(Input::Drain);
    world.run(Duration::from_secs(120));
    let calls: Vec<CallId> = world.legs.keys().copied().collect();
    for call in calls {
        world.end(call, EndKind::Unconfirmed);
    }
    world.run(Duration::from_secs(5));
    assert!(world.drained);
    assert_eq!(world.bridge.calls() + world.bridge.conferences(), 0);
    assert_eq!(world.bridge.poll_timeout(), None);

    let mut legs = BTreeMap::new();
    for leg in world.leg_records() {
        *legs.entry(leg.leg_id).or_insert(false) |= leg.is_closed();
    }
    let summaries = world.legs.values().filter_map(|leg| leg.summary.as_ref());
    let ended: BTreeMap<_, _> = summaries.map(|summary| (summary.leg_id, true)).collect();
    assert_eq!(legs, ended, "one closed record for each call, and no other");
    let mut sessions = BTreeMap::new();
    for session in world.conference_records() {
        *sessions.entry(session.conf_id).or_insert(0) += u32::from(session.is_closed());
    }
    assert!(sessions.values().all(|&closed| closed == 1), "each session is closed once");
    assert!(!world.records.iter().any(|record| matches!(record, Record::Tick(_))));
}
