//! An hour of random keys by a hundred participants, with no moderator: whatever they press, nobody else
//! is played anything, and everybody can leave.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod common;

use std::net::{IpAddr, Ipv4Addr};

use common::{PARTICIPANT, World, ms, secs};
use partyline_cdr_record::{CloseReason, LegState};
use partyline_conference::{Input, Output};
use partyline_dialplan::Prompt;
use partyline_directory::StartsWith;
use partyline_model::{CallId, Digit, Time};

const CALLERS: usize = 100;
const HOUR: u64 = 3600;
/// Stars as often as all else together would be too many; without them nothing is asked for.
const KEYS: &[u8] = b"0123456789***#12356899";

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn key(&mut self) -> Digit {
        let at = usize::try_from(self.below(KEYS.len() as u64)).unwrap();
        Digit::from_char(KEYS[at].into()).unwrap()
    }
}

/// A caller from a telephone of his own: what he guesses at closes no other's way in.
fn call(world: &mut World, number: usize) -> CallId {
    let [_, _, high, low] = u32::try_from(number + 1).unwrap().to_be_bytes();
    world.phone = Some(IpAddr::V4(Ipv4Addr::new(10, 1, high, low)));
    world.call()
}

/// What a key of `by` makes the bridge do is about him alone.
fn press(world: &mut World, by: CallId, digit: Digit) {
    let before = world.log.len();
    world.input(Input::Digit { call: by, digit });
    for (_, output) in &world.log[before..] {
        let about = match output {
            Output::Play { call, .. }
            | Output::StopPlay { call }
            | Output::Talk { call, .. }
            | Output::Music { call, .. }
            | Output::Join { call, .. }
            | Output::Leave { call }
            | Output::Hangup { call, .. }
            | Output::CallEnded { call, .. } => Some(*call),
            // Whoever comes in is heard to come.
            Output::PlayMix { prompts, .. } => {
                assert_eq!(*prompts, [Prompt::ToneJoin], "{by} has all hear something");
                None
            }
            Output::Persist { .. }
            | Output::Attendance { .. }
            | Output::GuessAlarm(_)
            | Output::Typed { .. } => None,
            other => panic!("{by} makes the bridge do {other:?}"),
        };
        assert!(about.is_none_or(|call| call == by), "{by} changes {about:?}");
    }
}

/// Hangs up: the leg is over at once, and its one record is closed.
fn hang_up(world: &mut World, caller: CallId) {
    if world.is_over(caller) {
        return;
    }
    world.bye(caller);
    assert!(world.is_over(caller), "{caller} cannot leave");
    assert_eq!(world.leg(caller).mix, None);
    let leg_id = world.leg(caller).summary.as_ref().unwrap().leg_id;
    let closed = world.records.iter().rev().find_map(|record| match record {
        partyline_cdr_record::Record::Leg(leg) if leg.leg_id == leg_id => Some(leg),
        _ => None,
    });
    let closed = closed.unwrap();
    assert_eq!(closed.state, LegState::Closed, "{caller}");
    assert_eq!(closed.close_reason, Some(CloseReason::Normal), "{caller}");
}

/// Keys for `time`; each caller about every four seconds, and now and then one goes and another comes.
fn play(world: &mut World, dice: &mut Dice, callers: &mut [CallId], time: u64) {
    let mut count = CALLERS;
    let end = world.now + secs(time);
    while world.now < end {
        world.run(ms(1 + dice.below(80)));
        let place = usize::try_from(dice.below(CALLERS as u64)).unwrap();
        let caller = callers[place];
        if world.is_over(caller) || dice.below(200) == 0 {
            hang_up(world, caller);
            // Whoever is gone is looked at no more.
            world.legs.remove(&caller);
            count += 1;
            callers[place] = call(world, count);
            // Half of them know the passcode; the others press what comes.
            if dice.below(2) == 0 {
                world.run(secs(1));
                world.press(callers[place], PARTICIPANT);
            }
            continue;
        }
        press(world, caller, dice.key());
    }
}

fn world(starts_with: StartsWith) -> World {
    World::with(|setup| {
        setup.conference.starts_with = starts_with;
        setup.config.max_calls = 1000;
    })
}

#[test]
fn an_hour_of_random_keys_is_heard_by_nobody_and_holds_nobody() {
    let mut world = world(StartsWith::FirstCaller);
    let mut dice = Dice(7);
    let mut callers: Vec<CallId> = (0..CALLERS).map(|number| call(&mut world, number)).collect();
    world.run(secs(1));
    for &caller in &callers {
        world.press(caller, PARTICIPANT);
    }
    play(&mut world, &mut dice, &mut callers, HOUR);
    let tones = [Prompt::ToneJoin, Prompt::ToneLeave];
    for (at, output) in &world.log {
        if let Output::PlayMix { prompts, .. } = output {
            assert!(prompts.iter().all(|prompt| tones.contains(prompt)), "{at:?}: {prompts:?}");
        }
    }
    // When they press nothing, whatever was asked or said comes to its end, and a code works.
    world.run(secs(90));
    let before = world.log.len();
    world.run(secs(60));
    let spoken = world.log[before..].iter().find_map(|(at, output)| match output {
        Output::Play { call, prompts, .. } => Some((*at, *call, prompts.clone())),
        _ => None,
    });
    assert_eq!(spoken, None::<(Time, CallId, Vec<Prompt>)>, "somebody is talked to for ever");
    let inside: Vec<CallId> =
        callers.iter().copied().filter(|&caller| world.mix(caller).is_some()).collect();
    assert!(inside.len() > CALLERS / 3, "{} are in the conference", inside.len());
    for caller in inside {
        let heard = world.press_and_hear(caller, "*#");
        assert_eq!(heard.first(), Some(&Prompt::CountThereAre), "{caller}");
    }
    for caller in callers {
        hang_up(&mut world, caller);
    }
    world.run(secs(5));
    assert_eq!(world.bridge.calls() + world.bridge.conferences(), 0);
}

#[test]
fn random_keys_while_the_moderator_is_awaited_hold_nobody_either() {
    let mut world = world(StartsWith::Moderator);
    let mut dice = Dice(8);
    let mut callers: Vec<CallId> = (0..CALLERS).map(|number| call(&mut world, number)).collect();
    play(&mut world, &mut dice, &mut callers, 900);
    assert_eq!(world.outputs(|output| matches!(output, Output::PlayMix { .. })), 0);
    // Nobody comes: twenty minutes later everybody has been let go.
    world.run(secs(1300));
    for &caller in &callers {
        assert!(world.is_over(caller), "{caller} waits for ever");
        let reasons = [CloseReason::HoldTimeout, CloseReason::AuthReject];
        assert!(reasons.contains(&world.reason(caller)), "{caller}: {:?}", world.reason(caller));
    }
    world.run(secs(5));
    assert_eq!(world.bridge.calls() + world.bridge.conferences(), 0);
}
