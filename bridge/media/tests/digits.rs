//! Keys: reported once, and not heard by the room.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Bench, ROOM, address, config, leg, mu, mu_encode};
use partyline_media::{Command, InBand, LegConfig};
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

#[test]
fn tones_are_searched_for_until_the_first_telephone_event() {
    let mut bench = room_with_in_band(InBand::WhenSilent);
    press_in_band(&mut bench, 6);
    bench.say(&[(1, 0)], 20);
    assert_eq!(bench.digits(leg(1)), "5");
    bench.press(leg(1), '6', 5);
    bench.say(&[(1, 0)], 20);
    press_in_band(&mut bench, 6);
    bench.say(&[(1, 0)], 20);
    assert_eq!(bench.digits(leg(1)), "56");
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
