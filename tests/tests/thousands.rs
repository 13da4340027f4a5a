//! A thousand callers in a hundred rooms, each one's outcome told by name.
//!
//! Each caller talks in three rounds, with a tone for each. Within a round the ten of a room have
//! ten tones; no two rooms have the same ten in all three rounds. So what a caller hears says who
//! is in the room, to the last one: himself, or anybody of another room, would be one tone more.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use bridge_tests::sim::ear::{Ear, SPAN};
use bridge_tests::sim::{Records, Room, World, ms, secs};
use partyline_cdr_record::{CloseReason, LegState, ReleaseBy};
use partyline_directory::Announce;
use partyline_model::{ConferenceId, Role};
use partyline_phones::{Audio, DigitMode, Ending, Event, PhoneId, Script, Step};

const ROOMS: usize = 100;
const CALLERS: usize = 10;
/// Groups of ten tones: 7 × 7 × 7 ways to have one in each round.
const GROUPS: usize = 7;
const ROUNDS: usize = 3;
const PRESENT_DBM0: f64 = -24.0;
const ABSENT_DBM0: f64 = -45.0;
/// How long the conferences last in which nobody says anything.
const QUIET: Duration = secs(2 * 3600);

struct Caller {
    name: String,
    phone: PhoneId,
    room: usize,
    place: usize,
    role: Role,
}

fn passcode(room: usize, role: Role) -> String {
    let lead = if role == Role::Moderator { 58 } else { 31 };
    format!("{lead}{:04}{:02}#", room * 37 % 10_000, room)
}

fn hz(tone: usize) -> f64 {
    320.0 + 40.0 * f64::from(u32::try_from(tone).unwrap())
}

/// The tone of caller `place` of `room` in a round.
fn tone(room: usize, place: usize, round: usize) -> usize {
    let group = [room % GROUPS, room / GROUPS % GROUPS, room / (GROUPS * GROUPS)][round];
    group * CALLERS + place
}

#[test]
fn each_of_a_thousand_callers_meets_his_room_and_is_charged_for_it() {
    let mut build = World::build().seed(2026).announce(Announce::Silent);
    for room in 0..ROOMS {
        build = build.conference(Room {
            id: u64::try_from(room).unwrap() + 100,
            moderator: passcode(room, Role::Moderator),
            participant: passcode(room, Role::Participant),
        });
    }
    let mut world = build.start();
    let callers = call_in(&mut world);
    for caller in &callers {
        let Caller { name, phone, .. } = caller;
        assert!(world.is_up(*phone), "{name} is up");
        let mine = world.room_of(*phone);
        assert!(mine.is_some(), "{name} is in a room");
        let host = &callers[caller.room * CALLERS];
        assert_eq!(mine, world.room_of(host.phone), "{name} is in the room of {}", host.name);
    }
    talk_in_rounds(&mut world, &callers);
    world.skip(QUIET);
    talk_in_rounds(&mut world, &callers[..20 * CALLERS]);
    // The moderators last, so that no conference ends early; a caller each millisecond.
    for caller in callers.iter().rev() {
        world.hang_up(caller.phone).run_for(ms(1));
    }
    let records = world.finish();
    assert_eq!(records.legs().len(), ROOMS * CALLERS);
    assert_eq!(records.conferences().len(), ROOMS);
    for caller in &callers {
        check_record(&world, &records, caller);
    }
    assert!(world.echoes_listened_for() > 1000, "{}", world.echoes_listened_for());
}

/// All call within twenty seconds, one key mode after the other, and say nothing.
fn call_in(world: &mut World) -> Vec<Caller> {
    let mut callers = Vec::new();
    for room in 0..ROOMS {
        for place in 0..CALLERS {
            let role = if place == 0 { Role::Moderator } else { Role::Participant };
            let name = format!("caller {place} of room {room}");
            let phone = world.phone_with(&name, |phone| {
                phone.key_on = ms(80);
                phone.key_gap = ms(60);
                phone.keep = secs(2);
                if place % 5 == 4 {
                    phone.digit_mode = DigitMode::Info;
                }
            });
            callers.push(Caller { name, phone, room, place, role });
        }
    }
    for (number, caller) in (0_u64..).zip(&callers) {
        // Moderators come first in half of the rooms and last in the others.
        let late =
            if caller.room % 2 == 1 && caller.place == 0 { secs(12) } else { Duration::ZERO };
        let script = Script::new()
            .say(Audio::Nothing)
            .wait(ms(number * 10) + late)
            .call()
            .until_answered(secs(5))
            .wait(ms(300))
            .then(Step::Press(partyline_phones::Keys::dial(&passcode(caller.room, caller.role))));
        world.play(caller.phone, script);
    }
    world.run_for(secs(32));
    callers
}

fn talk_in_rounds(world: &mut World, callers: &[Caller]) {
    for round in 0..ROUNDS {
        for caller in callers {
            world.talk_with(caller.phone, hz(tone(caller.room, caller.place, round)));
        }
        world.run_for(ms(1700));
        for caller in callers {
            check_heard(world, caller, round);
        }
    }
}

/// Heard are the nine others of the room and nothing else.
fn check_heard(world: &World, caller: &Caller, round: usize) {
    let from = world.now() - ms(600);
    let heard = world.phone(caller.phone).heard(from, world.now());
    let name = &caller.name;
    let ear =
        heard.get(..SPAN).and_then(Ear::new).unwrap_or_else(|| panic!("{name} hears nothing"));
    for (number, own) in (0..GROUPS * CALLERS).map(|n| (n, tone(caller.room, caller.place, round)))
    {
        let others = number / CALLERS == own / CALLERS && number != own;
        let level = ear.level(hz(number));
        if others {
            assert!(level > PRESENT_DBM0, "{name} misses tone {number}: {level:.1} dBm0");
        } else {
            assert!(level < ABSENT_DBM0, "{name} hears tone {number}: {level:.1} dBm0");
        }
    }
}

fn check_record(world: &World, records: &Records, caller: &Caller) {
    let Caller { name, phone, room, role, .. } = caller;
    let call = world.call(*phone);
    assert_eq!(call.ending, Some(Ending::ByUs), "{name}");
    assert!(world.saw(*phone, &Event::ByeAnswered { status: 200 }), "{name}");
    let leg = records.leg(&call.call_id);
    assert_eq!(leg.state, LegState::Closed, "{name}");
    assert_eq!(
        leg.conference_id,
        Some(ConferenceId(u64::try_from(*room).unwrap() + 100)),
        "{name}"
    );
    assert_eq!((leg.access_code_role, leg.auth_failures), (Some(*role), 0), "{name}");
    assert_eq!(leg.close_reason, Some(CloseReason::Normal), "{name}");
    assert_eq!(leg.release_by, Some(ReleaseBy::Caller), "{name}");
    let (billed, phone_says) = (Duration::from_millis(leg.duration_ms), call.talk_time().unwrap());
    assert!(billed.abs_diff(phone_says) <= ms(20), "{name}: {billed:?} and {phone_says:?}");
    assert!(billed > QUIET, "{name}: {billed:?}");
    let in_time = Duration::from_millis(leg.conf_ms + leg.hold_ms);
    assert!(billed.abs_diff(in_time) < secs(10), "{name}: {in_time:?} of {billed:?}");
}
