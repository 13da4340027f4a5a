//! Ten minutes of guessing at one dialled number, among 600 lawful callers of whom 60 make a typo:
//! what guessers are told, what the operator learns, and that nobody else waits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use bridge_tests::sim::builder::carrier;
use bridge_tests::sim::clock::START;
use bridge_tests::sim::{MODERATOR, PARTICIPANT, Records, World, ms, secs};
use partyline_cdr_record::{FeatureCode, LegRecord};
use partyline_control::{SourceKind, Trunk};
use partyline_dialplan::Prompt;
use partyline_directory::StartsWith;
use partyline_phones::{Ending, Event, PhoneConfig, PhoneId, Script};

const GUESSERS: usize = 20;
const LAWFUL: u64 = 600;
/// A caller who has typed his passcode is in before he would wonder.
const UNNOTICED: Duration = ms(1000);

/// Who a guesser says he is, call by call.
type From = fn(&mut PhoneConfig, guesser: usize, call: usize);

fn numbers(phone: &mut PhoneConfig, guesser: usize, _: usize) {
    phone.from = format!("+1905555{guesser:04}");
}

fn withheld(phone: &mut PhoneConfig, _: usize, _: usize) {
    phone.from = "anonymous".to_owned();
    phone.headers.push(("Privacy".to_owned(), "id".to_owned()));
}

fn another_each_call(phone: &mut PhoneConfig, guesser: usize, call: usize) {
    phone.from = format!("+1905{:07}", 2_000_000 + call * GUESSERS + guesser);
}

/// Telephones whose addresses are their callers', and a carrier for calls out.
fn phones(trunks: &mut Vec<Trunk>) {
    let range = vec!["10.0.0.0/8".parse().unwrap()];
    trunks.insert(0, Trunk { id: 8, sources: range, kind: SourceKind::Phones, ..carrier() });
}

struct Evening {
    records: Records,
    /// Each guesser's legs, by Call-ID.
    guessers: Vec<Vec<String>>,
    alarms: Vec<Duration>,
}

impl Evening {
    /// Wrong verdicts that a guesser was given.
    fn verdicts(&self, guesser: usize) -> usize {
        let failed = self.records.of_kind(FeatureCode::AuthFail);
        let legs: Vec<&LegRecord> =
            self.guessers[guesser].iter().map(|call| self.records.leg(call)).collect();
        failed.iter().filter(|event| legs.iter().any(|leg| leg.leg_id == event.leg_id)).count()
    }

    /// How long the third verdict of a call took after the second, for each call in order.
    fn third_waits(&self) -> Vec<Duration> {
        let failed = self.records.of_kind(FeatureCode::AuthFail);
        let third = |leg: &LegRecord| {
            let at: Vec<i64> = failed
                .iter()
                .filter(|event| event.leg_id == leg.leg_id)
                .map(|event| event.at.as_micros())
                .collect();
            let &[_, second, third] = &at[..] else { return None };
            Some((third, Duration::from_micros(u64::try_from(third - second).unwrap())))
        };
        let calls = self.guessers.iter().flatten().map(|call| self.records.leg(call));
        let mut waits: Vec<_> = calls.filter_map(third).collect();
        waits.sort();
        waits.into_iter().map(|(_, wait)| wait).collect()
    }
}

fn evening(trunks: fn(&mut Vec<Trunk>), from: From) -> Evening {
    let build = World::build().without_audio().starts_with(StartsWith::FirstCaller);
    let mut world = build.trunks(trunks).start();
    let mut guessers: Vec<Vec<PhoneId>> = vec![Vec::new(); GUESSERS];
    let mut lawful = Vec::new();
    for second in 0..LAWFUL {
        let quick = |phone: &mut PhoneConfig| (phone.key_on, phone.key_gap) = (ms(60), ms(40));
        let caller = world.phone_with(&format!("lawful {second}"), quick);
        lawful.push(caller);
        let typo = if second % 10 == 3 { "739146#,,,," } else { "" };
        let script = Script::new().call().until_answered(secs(5)).wait(secs(2));
        let script = script.press(&format!("{typo}{PARTICIPANT}")).wait(secs(6)).hang_up();
        world.play(caller, script);
        for (guesser, phones) in guessers.iter_mut().enumerate() {
            let idle = phones.last().is_none_or(|&last| world.ending(last).is_some());
            if !idle || second + 3 > LAWFUL {
                continue;
            }
            let call = phones.len();
            let phone = world.phone_with(&format!("guesser {guesser} call {call}"), |phone| {
                quick(phone);
                from(phone, guesser, call);
            });
            phones.push(phone);
            let codes =
                format!("{:06}#{:06}#{:06}#", 111_000 + call, 222_000 + call, 333_000 + call);
            let script = Script::new().call().until_answered(secs(5)).wait(ms(500)).press(&codes);
            world.play(phone, script.until_over(secs(120)));
        }
        world.run_for(secs(1));
    }
    world.run_for(secs(120));
    let alarms = world.alarms().iter().map(|&(at, _)| at).collect();
    let ids =
        |phones: &Vec<PhoneId>| phones.iter().map(|&id| world.call_id(id).to_owned()).collect();
    let guessers = guessers.iter().map(ids).collect();
    let records = world.finish();
    for (index, &caller) in lawful.iter().enumerate() {
        check_lawful(&world, &records, caller, index);
    }
    Evening { records, guessers, alarms }
}

/// A lawful caller is in at once, after his typo too.
fn check_lawful(world: &World, records: &Records, caller: PhoneId, index: usize) {
    let leg = records.leg(world.call_id(caller));
    assert_eq!(world.ending(caller), Some(Ending::ByUs), "caller {index}");
    assert_eq!(leg.auth_failures, u8::from(index % 10 == 3), "caller {index}");
    assert_eq!(leg.access_codes.len(), 1, "caller {index} is in");
    let log = world.phone(caller).log();
    let sent = log.iter().rev().find(|entry| matches!(entry.event, Event::KeysSent { .. }));
    let typed = START + sent.unwrap().at;
    let waited = leg.access_codes[0].at.as_micros() - typed.as_micros();
    let most = i64::try_from(UNNOTICED.as_micros()).unwrap();
    assert!(waited < most, "caller {index} waits {waited} µs");
}

#[test]
fn twenty_fixed_numbers_behind_a_carrier_get_three_verdicts_each() {
    let evening = evening(|_| {}, numbers);
    for guesser in 0..GUESSERS {
        assert_eq!(evening.verdicts(guesser), 3, "guesser {guesser}");
        assert!(evening.guessers[guesser].len() > 5, "he goes on trying");
    }
    assert!(evening.alarms.first().is_some_and(|&at| at < secs(60)), "{:?}", evening.alarms);
}

#[test]
fn withheld_numbers_are_alarmed_within_a_minute_and_delayed_more_and_more() {
    check_strangers(&evening(|_| {}, withheld));
}

#[test]
fn a_new_number_each_call_is_alarmed_within_a_minute_and_delayed_more_and_more() {
    check_strangers(&evening(|_| {}, another_each_call));
}

fn check_strangers(evening: &Evening) {
    assert!(evening.alarms.first().is_some_and(|&at| at < secs(60)), "{:?}", evening.alarms);
    // Of one thing there is an alarm a minute at most; three things may raise one here.
    assert!(evening.alarms.len() <= 33, "{} alarms", evening.alarms.len());
    let waits = evening.third_waits();
    let quarter = waits.len() / 4;
    let least = |part: &[Duration]| part.iter().min().copied().unwrap();
    let quarters: Vec<Duration> = waits.chunks(quarter).take(4).map(least).collect();
    assert!(quarters.is_sorted() && quarters[3] >= secs(16), "{quarters:?}");
}

/// One code in each call, forty calls a second, beside a lawful caller every second. Whoever shows
/// a number does not wait for those who withhold theirs.
#[test]
fn one_code_a_call_gets_no_more_than_five_verdicts_a_second() {
    const SECONDS: usize = 15;
    let build = World::build().without_audio().starts_with(StartsWith::FirstCaller);
    let mut world = build.start();
    let (mut guessers, mut lawful) = (Vec::new(), Vec::new());
    let quick = |phone: &mut PhoneConfig| (phone.key_on, phone.key_gap) = (ms(60), ms(40));
    for call in 0..SECONDS * 40 {
        if call % 40 == 0 {
            let caller = world.phone_with(&format!("lawful {call}"), quick);
            let script = Script::new().call().until_answered(secs(5)).wait(ms(500));
            world.play(caller, script.press(PARTICIPANT).wait(secs(6)).hang_up());
            lawful.push(caller);
        }
        let phone = world.phone_with(&format!("guesser {call}"), |phone| {
            quick(phone);
            withheld(phone, 0, call);
        });
        let script = Script::new().call().until_answered(secs(5)).wait(ms(100));
        world.play(phone, script.press(&format!("{:06}#", 111_000 + call)).wait(ms(500)).hang_up());
        guessers.push(phone);
        world.run_for(ms(25));
    }
    world.run_for(secs(30));
    let guesses: Vec<_> = guessers.iter().map(|&id| world.call_id(id).to_owned()).collect();
    let records = world.finish();
    let verdicts: usize =
        guesses.iter().map(|call| usize::from(records.leg(call).auth_failures)).sum();
    assert!((50..=8 + 50 + 5 * SECONDS).contains(&verdicts), "{verdicts}");
    for (index, &caller) in lawful.iter().enumerate() {
        check_lawful(&world, &records, caller, index * 10);
    }
}

#[test]
fn nobody_is_locked_out_by_who_writes_his_number_into_from() {
    let untrusted = |trunks: &mut Vec<Trunk>| trunks[0].trusted = false;
    let mut world = World::build().without_audio().trunks(untrusted).start();
    let victim = |phone: &mut PhoneConfig| phone.from = "+14165550144".to_owned();
    let [mallory, anna] = ["mallory", "anna"].map(|name| world.phone_with(name, victim));
    let script = Script::new().call().until_answered(secs(5)).wait(ms(500));
    for call in 0..2 {
        let codes = format!("{:06}#{:06}#{:06}#", 111_000 + call, 222_000 + call, 333_000 + call);
        world.play(mallory, script.clone().press(&codes).until_over(secs(60))).run_for(secs(50));
    }
    world.play(anna, script.press(MODERATOR)).run_for(secs(8));
    assert!(world.room_of(anna).is_some(), "she is in at once");
    world.finish();
}

#[test]
fn twenty_phones_get_three_verdicts_each_whatever_number_they_show() {
    // One phone each: the address is the guesser.
    let mut world = World::build().without_audio().trunks(phones).start();
    let guessers = world.phones([""; GUESSERS]);
    let codes =
        |call: usize| format!("{:06}#{:06}#{:06}#", 111_000 + call, 222_000 + call, 333_000 + call);
    for call in 0..12 {
        for &guesser in &guessers {
            let script = Script::new().call().until_answered(secs(5)).wait(ms(500));
            world.play(guesser, script.press(&codes(call)).until_over(secs(60)));
        }
        world.run_for(secs(48));
    }
    // Who knows the passcode gets no answer either, from there; from elsewhere he is in at once.
    let script = Script::new().call().until_answered(secs(5)).wait(ms(500)).press(MODERATOR);
    world.play(guessers[0], script.clone());
    let [anna] = world.phones(["anna"]);
    world.play(anna, script).run_for(secs(8));
    assert!(world.room_of(anna).is_some() && world.room_of(guessers[0]).is_none());
    world.run_for(secs(40));
    assert_eq!(world.times_played(guessers[0], Prompt::TooManyTries), 1);
    let all: Vec<Vec<String>> = guessers
        .iter()
        .map(|&id| world.phone(id).calls().iter().map(|call| call.call_id.clone()).collect())
        .collect();
    let records = world.finish();
    let failed = records.of_kind(FeatureCode::AuthFail);
    assert_eq!(failed.len(), 3 * GUESSERS);
    for (guesser, calls) in all.iter().enumerate() {
        let legs: Vec<_> = calls.iter().map(|call| records.leg(call).leg_id).collect();
        let told = failed.iter().filter(|event| legs.contains(&event.leg_id)).count();
        assert_eq!(told, 3, "guesser {guesser}");
    }
}

#[test]
fn three_codes_typed_ahead_are_three_verdicts() {
    let mut world = World::build().trunks(phones).start();
    let anna = world.phone_with("anna", |phone| phone.uri_parameters = ";pin=111222".to_owned());
    world.dial(anna).run_for(secs(3)).press(anna, "333444#555666#").run_for(secs(8));
    assert_eq!(world.ending(anna), Some(Ending::ByThem));
    let [ben] = world.phones(["ben"]);
    world.join(ben, MODERATOR);
    let records = world.finish();
    assert_eq!(records.leg(world.call_id(anna)).auth_failures, 3);
}

#[test]
fn keys_typed_while_an_answer_waits_are_taken_after_it() {
    let mut world = World::build().without_audio().start();
    // Ten withheld callers in a row put the number under attack.
    for call in 0..10 {
        let guesser = world.phone_with("guesser", |phone| withheld(phone, 0, call));
        let script = Script::new().call().until_answered(secs(5)).wait(ms(500));
        world.play(guesser, script.press("111111#222222#").wait(secs(2)).hang_up());
    }
    world.run_for(secs(30));
    let anna = world.phone_with("anna", |phone| withheld(phone, 0, 0));
    world.dial(anna).run_for(secs(3)).press(anna, &format!("111111#222222#{MODERATOR}"));
    world.wait_for("anna is in", secs(30), |world| world.room_of(anna).is_some());
    let records = world.finish();
    assert_eq!(records.leg(world.call_id(anna)).auth_failures, 2);
}
