//! Where one press ends and the next begins: holes, tails and echoes.

use std::f64::consts::TAU;

use partyline_dtmf::tone::Burst;
use partyline_dtmf::{Detector, Event};

/// Samples in a millisecond.
const MS: usize = 8;

fn heard(audio: &[i16]) -> Vec<Event> {
    let mut events = Vec::new();
    Detector::new().push(audio, &mut |event| events.push(event));
    events
}

/// The codes that went down.
fn pressed(audio: &[i16]) -> Vec<u8> {
    let down = |event| if let Event::Down { code, .. } = event { Some(code) } else { None };
    heard(audio).into_iter().filter_map(down).collect()
}

fn tone(code: u8, level_dbm0: f64, on_ms: u32, off_ms: u32) -> Vec<i16> {
    Burst { code, level_dbm0, on_ms, off_ms, ..Burst::default() }.samples()
}

/// A tone of 300 ms with `hole` samples of it silenced after 100 ms.
fn with_hole(code: u8, lead: usize, hole: usize) -> Vec<i16> {
    let mut audio = [vec![0; lead], tone(code, -9.0, 300, 200)].concat();
    audio[lead + 100 * MS..lead + 100 * MS + hole].fill(0);
    audio
}

#[test]
fn holes_up_to_twenty_five_milliseconds_are_bridged_and_forty_part_two_presses() {
    for lead in (0..40).step_by(3) {
        for code in [1, 5, 11, 15] {
            for hole in [5, 10, 20, 25] {
                let events = heard(&with_hole(code, lead, hole * MS));
                let [Event::Down { .. }, Event::Up { length, .. }] = events[..] else {
                    panic!("{hole} ms, lead {lead}: {events:?}");
                };
                assert!(length.abs_diff(300 * 8) <= 80, "{hole} ms, lead {lead}: {length}");
            }
            for hole in [40, 50, 80] {
                let pressed = pressed(&with_hole(code, lead, hole * MS));
                assert_eq!(pressed, [code, code], "{hole} ms, lead {lead}");
            }
        }
    }
}

#[test]
fn a_press_that_drops_to_a_murmur_has_no_second_one_in_its_tail() {
    // The looks that still hold the press would take the murmur for a part of another.
    for murmur in [-26.0, -28.0, -30.0, -34.0] {
        for on_ms in [60, 100, 150] {
            for lead in (0..40).step_by(7) {
                let loud = tone(6, -9.0, on_ms, 0);
                let audio = [vec![0; 200 + lead], loud, tone(6, murmur, 200, 100)].concat();
                let events = heard(&audio);
                let [Event::Down { .. }, Event::Up { .. }] = events[..] else {
                    panic!("{murmur} dBm0 after {on_ms} ms, lead {lead}: {events:?}");
                };
            }
        }
    }
}

#[test]
fn a_blip_after_a_press_does_not_borrow_from_it() {
    // 20 ms are no press, and the looks that reach over the pause must not find one in them.
    for code in 0..16 {
        for lead in (0..40).step_by(7) {
            for pause in [40, 45, 50, 60] {
                let mut audio = [vec![0; lead], tone(code, -9.0, 100 + pause + 20, 100)].concat();
                let end = lead + 100 * MS;
                audio[end..end + usize::try_from(pause).unwrap() * MS].fill(0);
                assert_eq!(pressed(&audio), [code], "pause of {pause} ms, lead {lead}");
            }
        }
    }
}

#[test]
fn a_slow_end_is_no_second_press() {
    for code in 0..16 {
        for ramp_ms in [5, 20, 40] {
            let burst = Burst { code, on_ms: 150, ramp_ms, ..Burst::default() };
            assert_eq!(pressed(&burst.samples()), [code], "{ramp_ms} ms");
        }
    }
}

#[test]
fn an_echo_is_the_same_key_eight_decibels_weaker_within_a_quarter_of_a_second() {
    let after =
        |code, level, pause| [tone(3, -9.0, 100, pause), tone(code, level, 60, 100)].concat();
    for pause in [50, 120, 235] {
        assert_eq!(pressed(&after(3, -18.0, pause)), [3], "9 dB weaker after {pause} ms");
        assert_eq!(pressed(&after(3, -16.0, pause)), [3, 3], "7 dB weaker after {pause} ms");
        assert_eq!(pressed(&after(4, -18.0, pause)), [3, 4], "another key after {pause} ms");
    }
    assert_eq!(pressed(&after(3, -18.0, 265)), [3, 3]);
    assert_eq!(pressed(&after(3, -30.0, 265)), [3, 3]);
}

#[test]
fn an_echo_does_not_renew_itself() {
    let echo = || tone(3, -20.0, 60, 60);
    let audio = [tone(3, -9.0, 100, 60), echo(), echo(), echo(), echo()].concat();
    // Those that begin after a quarter of a second are presses, and not weaker than each other.
    assert_eq!(pressed(&audio), [3, 3, 3]);
}

#[test]
fn a_key_is_down_for_as_long_as_its_pair_lasts_whatever_is_louder() {
    // Partials of a voice with as much power as the key, and a hum with sixteen times as much.
    for (partials, peak) in
        [(&[130.0, 260.0, 390.0, 520.0, 650.0][..], 3_000.0), (&[180.0], 15_000.0)]
    {
        let mut audio = [vec![0; 300], tone(8, -20.0, 400, 200)].concat();
        for (n, slot) in audio.iter_mut().enumerate().skip(300 + 150 * MS).take(150 * MS) {
            let t = n as f64 / 8_000.0;
            let loud: f64 = partials.iter().map(|hertz| peak * (TAU * hertz * t).sin()).sum();
            #[expect(clippy::cast_possible_truncation, reason = "far below 32768")]
            let loud = loud as i16;
            *slot = slot.saturating_add(loud);
        }
        let events = heard(&audio);
        let [Event::Down { code: 8, .. }, Event::Up { length, .. }] = events[..] else {
            panic!("{partials:?}: {events:?}");
        };
        assert!(length.abs_diff(400 * 8) <= 80, "{partials:?}: {length}");
    }
}

#[test]
fn nothing_is_suspected_once_all_is_quiet() {
    let mut detector = Detector::new();
    detector.push(&tone(2, -9.0, 100, 0), &mut |_| ());
    assert!(detector.suspects());
    assert!(detector.suspected_since().is_some_and(|since| since < 40));
    detector.push(&[0; 60 * MS], &mut |_| ());
    assert_eq!(detector.suspected_since(), None);
    // A tone too short to be a press was suspected, and is not once it is over.
    detector.push(&tone(2, -9.0, 30, 0)[..23 * MS], &mut |_| ());
    assert!(detector.suspects());
    detector.push(&[0; 30 * MS], &mut |_| panic!("no press"));
    assert!(!detector.suspects());
}

#[test]
fn a_hum_that_was_there_before_hides_no_key() {
    let mut audio = [vec![0; 800 * MS], tone(5, -20.0, 100, 100)].concat();
    for (n, slot) in audio.iter_mut().enumerate() {
        #[expect(clippy::cast_possible_truncation, reason = "far below 32768")]
        let hum = (5_500.0 * (TAU * 120.0 * n as f64 / 8_000.0).sin()) as i16;
        *slot = slot.saturating_add(hum);
    }
    // The hum has three times the power of the key: without a background there is no look at it.
    assert_eq!(pressed(&audio), [5]);
}
