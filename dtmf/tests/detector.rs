//! What a line may do to a tone, and what is no key press at all.

use std::f64::consts::TAU;

use partyline_dtmf::tone::Burst;
use partyline_dtmf::{Detector, Event};
use proptest::prelude::*;

/// Samples in a millisecond.
const MS: usize = 8;

#[test]
fn every_key_is_heard_once_with_its_onset_and_length() {
    for code in 0..16 {
        let events = heard(&after_silence(Burst { code, ..Burst::default() }, 200));
        let [Event::Down { code: down, onset }, Event::Up { code: up, length }] = events[..] else {
            panic!("code {code}: {events:?}");
        };
        assert!(down == code && up == code, "code {code} heard as another");
        assert!(onset.abs_diff(200 * 8) <= 48, "code {code}: onset {onset}");
        assert!(length.abs_diff(100 * 8) <= 80, "code {code}: length {length}");
    }
}

#[test]
fn levels_and_twists_of_q24_are_heard() {
    for (level_dbm0, twist_db) in
        [(0.0, 0.0), (-25.0, 0.0), (-3.0, -8.0), (-20.0, -8.0), (-6.0, 4.0), (-25.0, 4.0)]
    {
        let burst = Burst { code: 5, level_dbm0, twist_db, ..Burst::default() };
        assert_eq!(pressed(&burst.samples()), [5], "{level_dbm0} dBm0, twist {twist_db} dB");
    }
}

#[test]
fn a_whisper_and_a_lopsided_pair_are_refused() {
    for (level_dbm0, twist_db) in [(-55.0, 0.0), (-9.0, -13.0), (-12.0, 9.0)] {
        let burst = Burst { code: 5, level_dbm0, twist_db, ..Burst::default() };
        assert_eq!(pressed(&burst.samples()), [], "{level_dbm0} dBm0, twist {twist_db} dB");
    }
}

#[test]
fn frequencies_within_one_and_a_half_percent_are_heard() {
    for code in 0..16 {
        for off_percent in [[1.5, 1.5], [-1.5, 1.5], [1.5, -1.5], [-1.5, -1.5]] {
            let burst = Burst { code, off_percent, on_ms: 60, ..Burst::default() };
            assert_eq!(pressed(&burst.samples()), [code], "{off_percent:?}");
        }
    }
}

#[test]
fn frequencies_three_and_a_half_percent_off_are_refused() {
    for code in 0..16 {
        for off_percent in [[3.5, 0.0], [-3.5, 0.0], [0.0, 3.5], [0.0, -3.5]] {
            let burst = Burst { code, off_percent, ..Burst::default() };
            assert_eq!(pressed(&burst.samples()), [], "code {code} {off_percent:?}");
        }
    }
}

#[test]
fn forty_milliseconds_are_a_press_and_twenty_three_are_not() {
    for lead in 0..HOP_STEPS {
        for code in 0..16 {
            let burst = |on_ms| {
                [vec![0; lead], Burst { code, on_ms, ..Burst::default() }.samples()].concat()
            };
            assert_eq!(pressed(&burst(40)), [code], "lead {lead}");
            assert_eq!(pressed(&burst(23)), [], "lead {lead}, code {code}");
        }
    }
}

#[test]
fn the_same_key_twice_is_two_presses_and_a_dropout_is_not() {
    let press = |on_ms, off_ms| Burst { code: 9, on_ms, off_ms, ..Burst::default() }.samples();
    assert_eq!(pressed(&[press(50, 50), press(50, 50)].concat()), [9, 9]);
    assert_eq!(pressed(&[press(50, 10), press(50, 50)].concat()), [9]);
}

#[test]
fn a_key_held_for_twenty_seconds_is_one_press() {
    let events = heard(&Burst { code: 1, on_ms: 20_000, ..Burst::default() }.samples());
    let [Event::Down { .. }, Event::Up { length, .. }] = events[..] else {
        panic!("{events:?}");
    };
    assert!(length.abs_diff(20_000 * 8) <= 80, "{length}");
}

#[test]
fn one_key_right_after_another_lets_the_first_go() {
    let first = Burst { code: 1, off_ms: 0, ..Burst::default() }.samples();
    let second = Burst { code: 6, ..Burst::default() }.samples();
    let events = heard(&[first, second].concat());
    let order: Vec<_> = events.iter().map(|event| (code(event), is_down(event))).collect();
    assert!(order == [(1, true), (1, false), (6, true), (6, false)], "{events:?}");
}

#[test]
fn a_faint_echo_of_a_key_is_not_another_press() {
    let press = Burst { code: 3, off_ms: 60, ..Burst::default() };
    let echo = Burst { level_dbm0: -24.0, ..press };
    assert_eq!(pressed(&[press.samples(), echo.samples()].concat()), [3]);
    assert_eq!(pressed(&[press.samples(), vec![0; 300 * MS], echo.samples()].concat()), [3, 3]);
}

#[test]
fn hum_under_a_key_does_not_hide_it() {
    let mut audio = after_silence(Burst { code: 8, ..Burst::default() }, 800);
    add(&mut audio, &[(50.0, 8_000.0)]);
    assert_eq!(pressed(&audio), [8]);
}

#[test]
fn a_lost_frame_in_the_middle_does_not_split_a_key() {
    let audio = Burst { code: 4, on_ms: 200, ..Burst::default() }.samples();
    let (mut detector, mut events) = (Detector::new(), Vec::new());
    let mut report = |event| events.push(event);
    detector.push(&audio[..100 * MS], &mut report);
    detector.push_lost(60 * MS, &mut report);
    detector.push(&audio[160 * MS..], &mut report);
    let [Event::Down { .. }, Event::Up { length, .. }] = events[..] else {
        panic!("{events:?}");
    };
    assert!(length.abs_diff(200 * 8) <= 80, "{length}");
}

#[test]
fn a_key_does_not_outlive_the_stream() {
    for lost in [400 * MS, 4_000 * MS] {
        let audio = Burst { code: 4, ..Burst::default() }.samples();
        let (mut detector, mut events) = (Detector::new(), Vec::new());
        let mut report = |event| events.push(event);
        detector.push(&audio[..80 * MS], &mut report);
        detector.push_lost(lost, &mut report);
        assert!(events.iter().map(is_down).eq([true, false]), "{events:?}");
        assert!(!detector.suspects());
    }
}

#[test]
fn positions_count_what_was_lost() {
    let mut detector = Detector::new();
    let mut onsets = Vec::new();
    detector.push_lost(5_000 * MS, &mut |_| panic!("nothing was heard"));
    detector.push(&Burst::default().samples(), &mut |event| {
        if let Event::Down { onset, .. } = event {
            onsets.push(onset);
        }
    });
    assert_eq!(onsets.len(), 1);
    // The first hop after a loss cannot tell a frequency, so that the onset is a little late.
    assert!(onsets[0].abs_diff(5_000 * 8) <= 120, "{onsets:?}");
}

#[test]
fn suspicion_comes_before_certainty_and_goes_with_the_tone() {
    let audio = after_silence(Burst::default(), 100);
    let (mut detector, mut down_at, mut suspect_at) = (Detector::new(), None, None);
    for (step, audio) in audio.chunks(5 * MS).enumerate() {
        detector.push(audio, &mut |event| {
            if is_down(&event) {
                down_at = Some(step);
            }
        });
        if detector.suspects() && suspect_at.is_none() {
            suspect_at = Some(step);
        }
    }
    let (down_at, suspect_at) = (down_at.unwrap(), suspect_at.unwrap());
    assert!(suspect_at < down_at, "{suspect_at} {down_at}");
    assert!(suspect_at <= 25, "more than 25 ms after the onset");
    assert!(!detector.suspects());
}

#[test]
fn a_voiced_sound_on_dtmf_frequencies_is_no_key() {
    // The fifth and ninth partial of a voice at 154 Hz stand out, on the frequencies of key 5.
    let mut audio = vec![0; 500 * MS];
    let partials: Vec<_> = (1..20)
        .map(|n| (154.0 * f64::from(n), if n == 5 || n == 9 { 3_000.0 } else { 500.0 }))
        .collect();
    add(&mut audio, &partials);
    assert_eq!(pressed(&audio), []);
}

#[test]
fn instruments_with_overtones_are_no_key() {
    let mut audio = vec![0; 500 * MS];
    let fundamentals = [852.0, 1209.0];
    for f in fundamentals {
        add(&mut audio, &[(f, 6_000.0), (2.0 * f, 1_800.0)]);
    }
    assert_eq!(pressed(&audio), []);
    let mut pure = vec![0; 500 * MS];
    add(&mut pure, &fundamentals.map(|f| (f, 6_000.0)));
    assert_eq!(pressed(&pure), [7], "without overtones it is a key");
}

#[test]
fn a_glide_through_the_grid_is_no_key() {
    // 1.8 and 2.4 kHz a second, as formants move.
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    let audio: Vec<i16> = (0..2_000)
        .map(|n| {
            let t = f64::from(n) / 2_000.0;
            low += TAU * (600.0 + 450.0 * t) / 8_000.0;
            high += TAU * (1_700.0 - 600.0 * t) / 8_000.0;
            sample(6_000.0 * (low.sin() + high.sin()))
        })
        .collect();
    assert_eq!(pressed(&audio), []);
}

#[test]
fn signalling_tones_are_no_keys() {
    // Dial tone, ringing, busy, SIT, and single DTMF tones.
    for tones in [
        &[350.0, 440.0][..],
        &[440.0, 480.0],
        &[480.0, 620.0],
        &[950.0],
        &[1_400.0],
        &[770.0],
        &[1_336.0],
    ] {
        let mut audio = vec![0; 1_000 * MS];
        add(&mut audio, &tones.iter().map(|&f| (f, 7_000.0)).collect::<Vec<_>>());
        assert_eq!(pressed(&audio), [], "{tones:?}");
    }
}

#[test]
fn debug_output_hides_the_key() {
    let shown =
        |code| format!("{:?}{:?}", Event::Down { code, onset: 9 }, Event::Up { code, length: 8 });
    assert_eq!(shown(1), shown(7));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn chunking_does_not_change_the_result(
        codes in prop::collection::vec(0..16_u8, 1..4),
        noise in prop::collection::vec(-600..600_i16, 400),
        cuts in prop::collection::vec(1..700_usize, 1..20),
    ) {
        let mut audio = Vec::new();
        for code in codes {
            audio.extend(Burst { code, on_ms: 60, off_ms: 50, ..Burst::default() }.samples());
        }
        for (sample, noise) in audio.iter_mut().zip(noise.iter().cycle()) {
            *sample = sample.saturating_add(*noise);
        }
        let whole = heard(&audio);
        let (mut detector, mut events, mut rest) = (Detector::new(), Vec::new(), &audio[..]);
        for cut in cuts.iter().cycle() {
            let (chunk, later) = rest.split_at(rest.len().min(*cut));
            detector.push(chunk, &mut |event| events.push(event));
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(whole == events, "{:?} {:?}", whole, events);
        prop_assert!(!whole.is_empty());
    }

    #[test]
    fn any_audio_gives_presses_that_alternate(
        audio in prop::collection::vec(any::<i16>(), 0..4_000),
        lost in 0..20_000_usize,
    ) {
        let (mut detector, mut events) = (Detector::new(), Vec::new());
        let mut report = |event| events.push(event);
        detector.push(&audio, &mut report);
        detector.push_lost(lost, &mut report);
        detector.push(&audio, &mut report);
        for (nth, event) in events.iter().enumerate() {
            prop_assert_eq!(is_down(event), nth % 2 == 0);
        }
    }
}

/// Leads of less than one 5 ms hop to try, in samples.
const HOP_STEPS: usize = 40;

fn heard(audio: &[i16]) -> Vec<Event> {
    let mut events = Vec::new();
    Detector::new().push(audio, &mut |event| events.push(event));
    events
}

/// The codes that went down.
fn pressed(audio: &[i16]) -> Vec<u8> {
    heard(audio).iter().filter(|event| is_down(event)).map(code).collect()
}

fn is_down(event: &Event) -> bool {
    matches!(event, Event::Down { .. })
}

fn code(event: &Event) -> u8 {
    match *event {
        Event::Down { code, .. } | Event::Up { code, .. } => code,
    }
}

fn after_silence(burst: Burst, ms: usize) -> Vec<i16> {
    [vec![0; ms * MS], burst.samples()].concat()
}

/// Adds sines of (frequency, peak) to `audio`.
fn add(audio: &mut [i16], sines: &[(f64, f64)]) {
    for (n, slot) in audio.iter_mut().enumerate() {
        let t = n as f64 / 8_000.0;
        let sum: f64 = sines.iter().map(|&(f, peak)| peak * (TAU * f * t).sin()).sum();
        *slot = slot.saturating_add(sample(sum));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16")]
fn sample(value: f64) -> i16 {
    value.clamp(-32_768.0, 32_767.0) as i16
}

#[test]
fn a_key_that_cuts_into_loud_noise_is_reported_within_thirty_four_milliseconds() {
    let mut state = 9_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [.., low, high] = state.to_le_bytes();
        i16::from_le_bytes([low, high]) / 3
    };
    for code in 0..16 {
        for phase in 0..8 {
            let before: Vec<i16> = (0..2_400 + 5 * phase).map(|_| noise()).collect();
            let press = Burst { code, ..Burst::default() }.samples();
            let (mut detector, mut heard, mut told) = (Detector::new(), 0, None);
            for samples in [&before[..], &press[..]].concat().chunks(5) {
                heard += samples.len();
                detector.push(samples, &mut |event| {
                    if matches!(event, Event::Down { .. }) {
                        told.get_or_insert(heard);
                    }
                });
            }
            let late = told.expect("the key is heard") - before.len();
            assert!(late <= 34 * 8, "key {code}, phase {phase}: {late} samples");
        }
    }
}
