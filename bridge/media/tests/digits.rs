//! Keys: reported once, and not heard by the room.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Bench, EVENT_TYPE, ROOM, Stream, address, config, leg, mu, mu_encode};
use partyline_media::{ClockRate, Command, InBand, LegConfig, TelephoneEvent};
use partyline_model::{Digit, Time};

/// The tone pair of a key at a usual level, as µ-law.
#[expect(clippy::cast_possible_truncation, reason = "test signal")]
fn tone(low: f64, high: f64, from: u32) -> Vec<u8> {
    (from..from + 160)
        .map(|n| {
            let time = f64::from(n) / 8_000.0 * std::f64::consts::TAU;
            mu_encode((4_000.0 * ((low * time).sin() + (high * time).sin())) as i16)
        })
        .collect()
}

fn press_in_band(bench: &mut Bench, frames: u32) {
    for frame in 0..frames {
        bench.now += std::time::Duration::from_millis(10);
        bench.send(leg(1), &tone(770.0, 1_336.0, frame * 160));
        bench.now += std::time::Duration::from_millis(10);
        bench.tick();
    }
}

fn room_with_in_band(in_band: InBand) -> Bench {
    let mut bench = Bench::with_room(2);
    let config = LegConfig { in_band, ..config(leg(1)) };
    bench.command(Command::Update { leg: leg(1), config: Box::new(config) });
    bench
}

fn info(bench: &mut Bench, key: char) {
    let digit = Digit::from_char(key).unwrap();
    bench.command(Command::InfoDigit { leg: leg(1), digit });
}

#[test]
fn a_telephone_event_is_a_digit_and_the_sound_beside_it_is_not_heard() {
    let mut bench = Bench::with_room(2);
    bench.say(&[(1, 5_000), (2, 0)], 5);
    bench.press(leg(1), '6', 5);
    bench.say(&[(1, 5_000), (2, 0)], 2);
    assert_eq!(bench.digits(leg(1)), "6");
    assert_eq!(bench.last(2), 0, "what follows an event at once may still be its tone");
    bench.say(&[(1, 5_000), (2, 0)], 10);
    assert_eq!(bench.last(2), mu(5_000));
    assert_eq!(bench.digits(leg(1)), "6");
}

#[test]
fn the_same_key_twice_is_two_digits() {
    let mut bench = Bench::with_room(1);
    bench.press(leg(1), '1', 3);
    bench.say(&[(1, 0)], 3);
    bench.press(leg(1), '1', 3);
    assert_eq!(bench.digits(leg(1)), "11");
}

#[test]
fn a_tone_is_a_digit_and_hardly_reaches_the_room() {
    let mut bench = room_with_in_band(InBand::On);
    press_in_band(&mut bench, 6);
    bench.say(&[(1, 0), (2, 0)], 10);
    assert_eq!(bench.digits(leg(1)), "5");
    let leaked = bench.heard.sound[&leg(2)].iter().filter(|s| s.abs() > 100).count();
    assert!(leaked <= 320, "{leaked} samples of 960 leaked");
}

/// Three presses by telephone events, which prove that they are how this phone keys.
fn prove_events(bench: &mut Bench) {
    for key in ['6', '7', '8'] {
        bench.press(leg(1), key, 5);
        bench.say(&[(1, 0)], 20);
    }
}

fn tone_after_proof(change: impl FnOnce(&mut Bench)) -> String {
    let mut bench = room_with_in_band(InBand::WhenSilent);
    prove_events(&mut bench);
    change(&mut bench);
    press_in_band(&mut bench, 6);
    bench.say(&[(1, 0)], 20);
    bench.digits(leg(1))
}

#[test]
fn tones_are_searched_for_until_telephone_events_are_proven() {
    let mut bench = room_with_in_band(InBand::WhenSilent);
    press_in_band(&mut bench, 6);
    bench.say(&[(1, 0)], 20);
    bench.press(leg(1), '6', 5);
    bench.say(&[(1, 0)], 20);
    press_in_band(&mut bench, 6);
    bench.say(&[(1, 0)], 20);
    assert_eq!(bench.digits(leg(1)), "565", "one event proves nothing");
    assert_eq!(tone_after_proof(|_| ()), "678");
}

#[test]
fn tones_are_searched_for_again_when_events_are_no_longer_what_comes() {
    let by_info = tone_after_proof(|bench| {
        info(bench, '9');
        bench.say(&[(1, 0)], 60);
    });
    assert_eq!(by_info, "67895");
    // A re-INVITE that drops them, or leads elsewhere.
    let update = |bench: &mut Bench, config: LegConfig| {
        bench.command(Command::Update { leg: leg(1), config: Box::new(config) });
    };
    let ours = || LegConfig { in_band: InBand::WhenSilent, ..config(leg(1)) };
    let dropped = tone_after_proof(|bench| {
        update(bench, LegConfig { telephone_event: None, ..ours() });
    });
    assert_eq!(dropped, "6785");
    let same = tone_after_proof(|bench| update(bench, ours()));
    assert_eq!(same, "678", "a re-INVITE that changes nothing changes nothing");
    let other_source = tone_after_proof(|bench| {
        bench.streams.get_mut(&leg(1)).unwrap().ssrc = 4_711;
        bench.say(&[(1, 0)], 5);
    });
    assert_eq!(other_source, "6785");
}

#[test]
fn events_are_heard_by_every_number_that_the_far_end_has_for_them() {
    let mut bench = room_with_in_band(InBand::Off);
    let event = TelephoneEvent::new(EVENT_TYPE, ClockRate::Hz8000);
    let event = TelephoneEvent { send: 97, also: [Some(122), None, None], ..event };
    let config = LegConfig { telephone_event: Some(event), ..config(leg(1)) };
    bench.command(Command::Update { leg: leg(1), config: Box::new(config) });
    for (number, key) in [(EVENT_TYPE, '1'), (97, '2'), (122, '3'), (123, '4')] {
        bench.press_as(leg(1), key, 3, number);
        bench.say(&[(1, 0)], 3);
    }
    assert_eq!(bench.digits(leg(1)), "123");
    assert!(bench.close(leg(1)).dropped.payload_type > 0);
}

#[test]
fn events_of_a_source_of_their_own_are_digits_and_leave_the_sound_alone() {
    let mut bench = Bench::with_room(2);
    bench.say(&[(1, 5_000), (2, 0)], 5);
    let sound = bench.streams[&leg(1)];
    for (n, key) in (0_u16..).zip(['4', '4']) {
        let own =
            Stream { sequence: 700 + n * 50, timestamp: 9_000 + u32::from(n) * 4_000, ssrc: 99 };
        bench.streams.insert(leg(1), own);
        bench.press(leg(1), key, 4);
        bench.streams.insert(leg(1), Stream { timestamp: sound.timestamp, ..sound });
        bench.pass(10);
    }
    assert_eq!(bench.digits(leg(1)), "44");
    bench.say(&[(1, 5_000), (2, 0)], 20);
    assert_eq!(bench.last(2), mu(5_000));
    let stats = bench.close(leg(1));
    assert_eq!((stats.dropped.ssrc, stats.digits), (1, 2), "the first packet is not believed");
}

#[test]
fn tone_event_and_info_of_one_press_are_one_digit() {
    let mut bench = room_with_in_band(InBand::On);
    press_in_band(&mut bench, 5);
    bench.press(leg(1), '5', 5);
    info(&mut bench, '5');
    bench.say(&[(1, 0)], 20);
    assert_eq!(bench.digits(leg(1)), "5");
    bench.say(&[(1, 0)], 60);
    info(&mut bench, '5');
    bench.pass(1);
    assert_eq!(bench.digits(leg(1)), "55");
}

#[test]
fn a_leg_outside_a_room_is_searched_for_tones_too() {
    let mut bench = room_with_in_band(InBand::On);
    bench.command(Command::Leave { leg: leg(1) });
    press_in_band(&mut bench, 6);
    bench.say(&[(1, 0)], 5);
    assert_eq!(bench.digits(leg(1)), "5");
}

#[test]
fn no_tone_means_no_digit_and_the_figures_count_them() {
    let mut bench = room_with_in_band(InBand::On);
    bench.say(&[(1, 5_000), (2, 0)], 50);
    info(&mut bench, '9');
    assert!(bench.now > Time::ZERO && address(leg(1)).port() == 4_000);
    let stats = bench.close(leg(1));
    assert_eq!((bench.digits(leg(1)).as_str(), stats.digits), ("9", 1));
    bench.command(Command::Join { leg: leg(1), room: ROOM });
}
