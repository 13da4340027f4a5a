//! Sound that never arrives: a gap is as long as it is, however it is told of.

use partyline_dtmf::tone::Burst;
use partyline_dtmf::{Detector, Event};
use proptest::prelude::*;

/// Samples in a millisecond.
const MS: usize = 8;
/// The gap after which nothing that was heard before counts: 200 ms.
const FORGOTTEN: usize = 200 * MS;

/// A detector and what it reported.
#[derive(Clone, Default)]
struct Ear {
    detector: Detector,
    events: Vec<Event>,
}

impl Ear {
    fn push(&mut self, audio: &[i16]) {
        self.detector.push(audio, &mut |event| self.events.push(event));
    }

    fn lose(&mut self, samples: usize) {
        self.detector.push_lost(samples, &mut |event| self.events.push(event));
    }
}

fn press(code: u8) -> Vec<i16> {
    Burst { code, level_dbm0: -12.0, ..Burst::default() }.samples()
}

/// `audio` with every sample of the gaps, (first, length), lost.
fn with_gaps(audio: &[i16], gaps: &[(usize, usize)]) -> Ear {
    let (mut ear, mut done) = (Ear::default(), 0);
    for &(first, length) in gaps {
        ear.push(&audio[done..first]);
        ear.lose(length);
        done = first + length;
    }
    ear.push(&audio[done..]);
    ear
}

#[test]
fn a_lost_frame_while_a_key_goes_down_costs_no_press() {
    for first in (0..120).step_by(5) {
        let audio = [vec![0; 100 * MS], press(7)].concat();
        let ear = with_gaps(&audio, &[((60 + first) * MS, 20 * MS)]);
        let [Event::Down { code, onset }, Event::Up { length, .. }] = ear.events[..] else {
            panic!("gap at {first} ms: {:?}", ear.events);
        };
        assert_eq!(code, 7);
        assert!((95 * MS as u64..140 * MS as u64).contains(&onset), "{first} ms: {onset}");
        let end = onset + length;
        assert!(end.abs_diff(200 * MS as u64) <= 40 * MS as u64, "gap at {first} ms: {end}");
    }
}

#[test]
fn a_lost_frame_in_silence_or_in_speech_is_no_key() {
    let noise: Vec<i16> =
        (0..4_000_i16).map(|n| n.wrapping_mul(7_919).wrapping_mul(n) / 9).collect();
    for audio in [vec![0; 4_000], noise] {
        let ear = with_gaps(&audio, &[(800, 160), (1_700, 240), (3_000, 33)]);
        assert!(ear.events.is_empty() && !ear.detector.suspects());
    }
}

#[test]
fn a_key_outlives_a_hundred_and_ninety_milliseconds_and_no_more() {
    let audio = Burst { code: 3, on_ms: 600, ..Burst::default() }.samples();
    let short = with_gaps(&audio, &[(200 * MS, FORGOTTEN - 10 * MS)]);
    assert_eq!(short.events.len(), 2);
    let long = with_gaps(&audio, &[(200 * MS, FORGOTTEN)]);
    let [.., Event::Up { length, .. }, Event::Down { .. }, Event::Up { .. }] = long.events[..]
    else {
        panic!("{:?}", long.events);
    };
    assert!(length.abs_diff(200 * MS as u64) <= 15 * MS as u64, "{length}");
}

#[test]
fn two_halves_of_a_key_around_a_long_gap_are_not_put_together() {
    // 15 ms on either side: neither is a press.
    let audio = Burst { code: 3, on_ms: 330, ..Burst::default() }.samples();
    let audio = [vec![0; 50 * MS], audio].concat();
    let ear = with_gaps(&audio, &[(65 * MS, 300 * MS)]);
    assert!(ear.events.is_empty(), "{:?}", ear.events);
}

#[test]
fn years_of_loss_take_no_time_and_are_counted() {
    let lost = 1_usize << 42;
    let mut ear = Ear::default();
    ear.push(&press(1)[..80 * MS]);
    ear.lose(lost);
    assert_eq!(ear.events.len(), 2);
    ear.push(&press(2));
    let [_, _, Event::Down { code: 2, onset }, Event::Up { code: 2, .. }] = ear.events[..] else {
        panic!("{:?}", ear.events);
    };
    assert!(onset.abs_diff((80 * MS + lost) as u64) <= 15 * MS as u64, "{onset}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn how_a_loss_is_told_does_not_change_what_is_heard(
        before in 0..200 * MS,
        lost in prop_oneof![0..100_usize, 0..400 * MS, Just(FORGOTTEN), 0..20_000 * MS],
        cuts in prop::collection::vec(prop_oneof![1..90_usize, 1..5_000_usize], 1..6),
    ) {
        let mut whole = Ear::default();
        whole.push(&press(5)[..before]);
        let mut parts = whole.clone();
        let mut singly = whole.clone();
        whole.lose(lost);
        let (mut left, mut cuts) = (lost, cuts.iter().cycle());
        while left > 0 {
            let cut = left.min(*cuts.next().expect("a cycle has no end"));
            parts.lose(cut);
            left -= cut;
        }
        for _ in 0..lost {
            singly.lose(1);
        }
        let after = [press(5), press(9)].concat();
        for chunk in after.chunks(MS) {
            whole.push(chunk);
            parts.push(chunk);
            singly.push(chunk);
            let since = whole.detector.suspected_since();
            prop_assert_eq!(since, parts.detector.suspected_since());
            prop_assert_eq!(since, singly.detector.suspected_since());
        }
        prop_assert!(whole.events == parts.events, "{:?} {:?}", whole.events, parts.events);
        prop_assert!(whole.events == singly.events, "{:?} {:?}", whole.events, singly.events);
        prop_assert!(whole.events.len() >= 4);
    }
}

#[test]
fn short_gaps_do_not_add_up() {
    let audio = Burst { code: 3, on_ms: 1_000, ..Burst::default() }.samples();
    let gaps: Vec<_> = (1..12).map(|n| (n * 80 * MS, 30 * MS)).collect();
    let ear = with_gaps(&audio, &gaps);
    assert_eq!(ear.events.len(), 2, "{:?}", ear.events);
}
