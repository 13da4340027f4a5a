use super::{Background, GAP, GROUP_HOPS, MEMORY};
use crate::simd::{Kernel, LANES, Vectors, widest};

/// Hops until a background is known, and after which nothing older counts.
const KNOWN: usize = (MEMORY + GAP) * GROUP_HOPS;

/// Lanes of which one is looked at.
const LANE: usize = 5;

/// Pushes one hop to the lane, to the others something else.
struct Push<'a>(&'a mut Background<LANES>, (f32, f32), u8);

impl Kernel for Push<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, v: impl Vectors) {
        let (mut total, mut outside) = ([5e8; LANES], [4e8; LANES]);
        (total[LANE], outside[LANE]) = self.1;
        self.0.push(v, v.load(&total), v.load(&outside), self.2);
    }
}

fn after(hops: impl IntoIterator<Item = (f32, f32)>) -> Background<LANES> {
    let mut background = Background::new();
    for hop in hops {
        widest(Push(&mut background, hop, u8::MAX));
    }
    background
}

fn power(background: &Background<LANES>) -> f32 {
    background.powers()[LANE]
}

fn close(background: &Background<LANES>, expected: f32) -> bool {
    (power(background) / expected - 1.0).abs() < 1e-4
}

#[test]
fn nothing_is_known_of_the_first_half_second() {
    assert_eq!(KNOWN * 5, 520);
    assert_eq!(power(&after(vec![(9e6, 9e6); KNOWN - 1])), 0.0);
    assert!(close(&after(vec![(9e6, 9e6); KNOWN]), 9e6));
}

#[test]
fn a_steady_hum_counts_in_full() {
    // Within 6 dB, outside the bands; the least total is that of the pauses between its peaks.
    let hum = (0..KNOWN).map(|hop| if hop % 2 == 0 { (1e6, 1e6) } else { (3.9e6, 3.9e6) });
    assert!(close(&after(hum), 2.45e6));
}

#[test]
fn speech_counts_only_its_least() {
    let speech = |hop: usize| if hop % 40 < 30 { (5e6, 3e6) } else { (2e4, 1e4) };
    let background = after((0..KNOWN).map(speech));
    assert!(close(&background, 2e4), "{}", power(&background));
}

#[test]
fn a_dial_tone_inside_the_bands_counts_by_its_least_total() {
    assert!(close(&after(vec![(4e6, 1e3); KNOWN]), 4e6));
}

#[test]
fn six_decibels_of_change_are_steady_no_longer() {
    let hum = |most: f32| (0..KNOWN).map(move |hop| (1e6, if hop % 8 == 3 { most } else { 1e6 }));
    assert!(power(&after(hum(3.9e6))) > 1.3e6);
    assert!(close(&after(hum(4.1e6)), 1e6));
}

#[test]
fn the_latest_hundred_and_twenty_milliseconds_are_no_background() {
    let press = vec![(5e7, 5e7); GAP * GROUP_HOPS];
    let hum = vec![(1e5, 1e5); KNOWN];
    assert!(close(&after([hum, press].concat()), 1e5));
}

#[test]
fn what_was_there_before_the_memory_is_forgotten() {
    let pause = vec![(10.0, 10.0); KNOWN];
    let hum = vec![(1e6, 1e6); KNOWN];
    let nearly = [pause.clone(), hum[..KNOWN - GROUP_HOPS].to_vec()].concat();
    assert!(close(&after(nearly), 10.0));
    assert!(close(&after([pause, hum].concat()), 1e6));
}

#[test]
fn rounding_below_zero_is_nothing() {
    assert_eq!(power(&after(vec![(0.0, -5.0); KNOWN])), 0.0);
}

#[test]
fn a_window_that_is_not_known_is_passed_over() {
    let mut background = after(vec![(1e5, 1e5); KNOWN - 1]);
    for _ in 0..50 {
        widest(Push(&mut background, (3e8, 3e8), !(1 << LANE)));
    }
    assert_eq!(power(&background), 0.0, "a hop is missing");
    widest(Push(&mut background, (1e5, 1e5), u8::MAX));
    assert!(close(&background, 1e5));
}

#[test]
fn a_call_begins_anew_by_itself() {
    let mut background = after(vec![(1e5, 1e5); KNOWN + 3]);
    background.forget(LANE);
    assert!(power(&background) == 0.0 && background.powers()[0] > 1e8);
    for left in (0..KNOWN).rev() {
        widest(Push(&mut background, (7e4, 7e4), u8::MAX));
        assert_eq!(power(&background) > 0.0, left == 0);
    }
    assert!(close(&background, 7e4));
}
