//! Keys are heard neither in the room nor in the recording, and speech is.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/listening.rs"]
mod listening;

use std::fs::{self, File};
use std::path::Path;

use common::{Bench, EVENT_TYPE, Stream, address, config, leg, rtp};
use listening::{
    FRAME, PAUSE, coded, leak, loses, muted, pass, pass_through, presses, room, send, unlimited,
};
use partyline_dtmf::tone::Burst;
use partyline_media::{Clip, Command, InBand, LegConfig, Talk};

/// What may be heard of a key: 20 ms.
const MOST_LEAK: usize = 160;
/// Look-ahead, in samples.
const LOOK_AHEAD: usize = 120;

/// All prompts, one after the other: three minutes of speech.
fn prompts() -> Vec<i16> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dialplans/prompts/en-US");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut speech = Vec::new();
    for path in files {
        let mut flac = claxon::FlacReader::new(File::open(path).unwrap()).unwrap();
        let rate = flac.streaminfo().sample_rate;
        let samples = flac.samples().map(|sample| i16::try_from(sample.unwrap()).unwrap());
        speech.extend(Clip::new(rate, samples.collect()).unwrap().samples());
        speech.resize(speech.len().next_multiple_of(FRAME) + FRAME, 0);
    }
    speech
}

/// The share of `leaks` that are longer than may be.
fn long(leaks: &[usize]) -> f64 {
    let long = leaks.iter().filter(|&&leak| leak > MOST_LEAK).count();
    f64::from(u32::try_from(long).unwrap()) / f64::from(u32::try_from(leaks.len()).unwrap())
}

#[test]
fn no_key_is_heard_or_recorded_for_more_than_twenty_milliseconds() {
    let levels = [(-3.0, 0.0), (-9.0, 0.0), (-30.0, 0.0), (-12.0, -8.0), (-12.0, 4.0)];
    let mut total = 0;
    for presses in presses(&levels, &[40, 50, 80, 200, 500], 0) {
        let leaks = presses.leaks(&[], |_| false);
        let most = *leaks.iter().max().unwrap();
        assert!(most <= MOST_LEAK, "{most} samples of key {}", presses.burst.code);
        total += leaks.iter().sum::<usize>();
    }
    // Most do not leak at all: so short a piece would still tell the keys apart.
    assert!(total <= 8_000, "{total} samples of 8,000 presses");
}

#[test]
fn what_follows_a_key_is_silent_too_and_what_is_said_after_it_is_heard() {
    for presses in presses(&[(-9.0, 0.0)], &[70], 0) {
        let (mut sound, onsets) = presses.over(&[]);
        let end = sound.len();
        sound.extend([5_000; 2_000]);
        let heard = pass(&sound, |_| false);
        for sound in [&heard.room, &heard.recorded] {
            let ends = onsets[1..].iter().copied().chain([end]);
            for (&onset, end) in onsets.iter().zip(ends) {
                assert_eq!(leak(sound, onset + MOST_LEAK, end), 0);
            }
            assert_eq!(sound[end..], coded(&[5_000; 2_000]));
        }
        assert_eq!(heard.digits.len(), 20);
    }
}

#[test]
fn keys_pressed_under_speech_are_cut_out() {
    let speech = prompts();
    // 17 dB below the keys: who speaks, and now and then keys.
    let leaks: Vec<usize> = presses(&[(-9.0, 0.0)], &[50, 100], 96)
        .into_iter()
        .flat_map(|presses| presses.leaks(&speech, |_| false))
        .collect();
    // Over a loud vowel a key may not be suspected before it is sure, or not be heard at all.
    assert!(long(&leaks) < 0.015, "{}", long(&leaks));
}

#[test]
fn a_loss_at_its_beginning_lets_a_key_be_heard_for_longer_but_others_not() {
    let mut is_lost = loses(10);
    let leaks: Vec<usize> = presses(&[(-9.0, 0.0)], &[50, 200], 0)
        .into_iter()
        .flat_map(|presses| presses.leaks(&[], &mut is_lost))
        .collect();
    assert!(long(&leaks) < 0.03, "{}", long(&leaks));
    assert!(leaks.iter().all(|&leak| leak < 100 * 8));
}

#[test]
fn less_than_a_thousandth_of_speech_is_muted() {
    let speech = unlimited(prompts());
    let heard = pass(&speech, |_| false);
    let sounds = [&heard.room, &heard.recorded].map(|sound| muted(&speech, sound));
    for (muted, spoken) in sounds {
        assert!(spoken > 8_000 * 120, "two minutes are spoken: {spoken}");
        assert!(muted * 1_000 < spoken, "{muted} of {spoken} samples");
    }
    assert_eq!(heard.digits, "");
}

#[test]
fn only_legs_that_are_searched_for_keys_are_delayed() {
    let speech = prompts()[..40_000].to_vec();
    let [off, on] = [InBand::Off, InBand::On].map(|in_band| {
        let heard = pass_through(&mut room(in_band), &speech, |_| false);
        assert_eq!(muted(&speech, &heard.room).0, 0);
        heard.delay
    });
    assert_eq!(on, off + LOOK_AHEAD);
}

/// Caller 1 presses key 5: a tone in the sound, and telephone events from `late` frames after its
/// beginning on.
fn press_both(bench: &mut Bench, late: u16) {
    let burst = Burst { code: 5, on_ms: 160, off_ms: 400, ..Burst::default() };
    let began = bench.streams[&leg(1)].timestamp;
    for (frame, n) in burst.samples().chunks(FRAME).zip(0..) {
        if (late..=8).contains(&n) {
            let stream = bench.streams.get_mut(&leg(1)).unwrap();
            let at = Stream { timestamp: began + u32::from(late) * 160, ..*stream };
            stream.sequence = stream.sequence.wrapping_add(1);
            let [high, low] = ((n - late + 1) * 160).to_be_bytes();
            let payload = [5, if n == 8 { 0x8a } else { 0x0a }, high, low];
            bench.receive(leg(1), address(leg(1)), &rtp(EVENT_TYPE, n == late, at, &payload));
        }
        send(bench, frame, false);
    }
}

#[test]
fn a_phone_that_sends_its_tones_beside_the_events_is_not_heard_either() {
    let mut bench = room(InBand::WhenSilent);
    pass_through(&mut bench, &[0; PAUSE], |_| false);
    for late in [0, 1, 2, 0] {
        bench.forget();
        press_both(&mut bench, late);
        assert_eq!(bench.digits(leg(1)), "5");
        let audible = bench.heard.sound[&leg(2)].iter().filter(|s| s.abs() > 33).count();
        assert_eq!(audible, 0, "events {late} frames late");
    }
}

#[test]
fn the_delay_ends_once_events_are_proven_and_nothing_said_after_them_is_lost() {
    let mut bench = room(InBand::WhenSilent);
    let speech = prompts()[..40_000].to_vec();
    let before = pass_through(&mut bench, &speech, |_| false);
    for _ in 0..3 {
        press_both(&mut bench, 0);
    }
    let after = pass_through(&mut bench, &speech, |_| false);
    assert_eq!(before.delay, after.delay + LOOK_AHEAD);
    assert_eq!(muted(&speech, &after.room).0, 0);
}

#[test]
fn a_search_that_begins_or_ends_in_a_pause_changes_nothing_of_what_is_said() {
    let speech = prompts()[..40_000].to_vec();
    for (first, then) in [(InBand::Off, InBand::On), (InBand::On, InBand::Off)] {
        let mut bench = room(first);
        let before = pass_through(&mut bench, &speech, |_| false);
        let config = LegConfig { in_band: then, ..config(leg(1)) };
        bench.command(Command::Update { leg: leg(1), config: Box::new(config) });
        let after = pass_through(&mut bench, &speech, |_| false);
        assert_eq!(before.delay.abs_diff(after.delay), LOOK_AHEAD);
        assert_eq!(muted(&speech, &after.room).0, 0);
    }
}

#[test]
fn what_was_said_before_the_room_may_hear_it_does_not_come_out_of_the_line_after() {
    let [off, on] = [InBand::Off, InBand::On].map(|in_band| {
        let mut bench = room(in_band);
        pass_through(&mut bench, &[0; PAUSE], |_| false);
        bench.command(Command::Talk { leg: leg(1), talk: Talk::Muted });
        bench.say(&[(1, 5_000)], 10);
        bench.forget();
        bench.command(Command::Talk { leg: leg(1), talk: Talk::Open });
        bench.say(&[(1, 0)], 10);
        bench.heard.sound[&leg(2)].iter().filter(|&&sample| sample != 0).count()
    });
    assert_eq!(on, off, "only what waited for its tick");
}
