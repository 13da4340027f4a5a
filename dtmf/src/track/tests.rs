use super::{Fit, Track, angle};
use crate::bands::{FREQUENCIES, HOP};
use crate::look::{Entry, LENGTHS, Pair};
use crate::sound::{decibels, entries, sines};

/// Row 1 with the other group's tone that goes with it.
const ROW: f64 = 770.0;

/// The pair of a tone and the second of the other group.
fn pair(tone: usize) -> Pair {
    if tone < 4 { Pair { row: tone, column: 1 } } else { Pair { row: 1, column: tone - 4 } }
}

/// A tone that is so far off, with its steady partner.
fn with_partner(tone: usize, off: f64) -> Vec<i16> {
    let partner = FREQUENCIES[if tone < 4 { 5 } else { 1 }];
    sines(40 * HOP, &[(FREQUENCIES[tone] + off, 4_000.0), (partner, 2_000.0)])
}

/// How `tone` goes through the windows, oldest first.
fn fit<'a>(windows: impl DoubleEndedIterator<Item = &'a Entry>, tone: usize) -> Option<Fit> {
    let mut track = Track::new(pair(tone));
    windows.rev().for_each(|window| track.push(window));
    track.fit().map(|fits| fits[tone / 4])
}

#[test]
fn a_deviation_is_measured_within_half_a_hertz_and_its_loss_made_up_for() {
    for (tone, hertz) in FREQUENCIES.into_iter().enumerate() {
        for percent in [-1.8, -1.0, -0.3, 0.0, 0.5, 1.5, 1.8] {
            let off = hertz * percent / 100.0;
            let entries = entries(&with_partner(tone, off));
            for length in LENGTHS {
                let windows = &entries[3..3 + length];
                let fit = fit(windows.iter(), tone).expect("a sine");
                let error = f64::from(fit.deviation) - off;
                assert!(error.abs() < 0.5, "{hertz} Hz {off:+}: {error} over {length}");
                assert!(fit.unsteady < 1e-3, "{hertz} Hz {off:+}: {}", fit.unsteady);
                let power = windows[0].pair(pair(tone))[tone / 4] * fit.loss();
                let error = decibels(f64::from(power), 8e6);
                // The slope of the band's filter is not made up for: under 0.08 dB a hertz.
                let most = 0.1 + 0.08 * off.abs();
                assert!(error.abs() < most, "{hertz} Hz {off:+}: {error} dB");
            }
        }
    }
}

#[test]
fn what_is_off_its_frequency_is_no_tone() {
    for (tone, hertz) in FREQUENCIES.into_iter().enumerate() {
        let bound = 0.02 * hertz + 4.0;
        for (off, heard) in [(0.93 * bound, true), (1.07 * bound, false)] {
            for off in [off, -off] {
                let entries = entries(&with_partner(tone, off));
                let is_heard = fit(entries[..9].iter(), tone).is_some();
                assert_eq!(is_heard, heard, "{hertz} Hz {off:+}");
            }
        }
    }
}

#[test]
fn windows_that_are_lost_leave_the_fit_as_it_is() {
    for off in [-12.0, 0.0, 9.0] {
        let entries = entries(&with_partner(1, off));
        for gap in [1, 4, 10] {
            let windows = entries[..5].iter().chain(&entries[5 + gap..9 + gap]);
            let fit = fit(windows, 1).expect("a sine");
            assert!((f64::from(fit.deviation) - off).abs() < 0.5, "gap of {gap}");
            assert!(fit.unsteady < 2e-3, "gap of {gap}: {}", fit.unsteady);
        }
    }
}

#[test]
fn a_tone_that_turns_or_ends_is_unsteady() {
    let sine = |length| sines(length, &[(ROW, 4_000.0), (FREQUENCIES[5], 4_000.0)]);
    // About half a turn of the row is missing in the middle.
    let turned = entries(&[sine(15 * HOP), sine(15 * HOP + 5).split_off(5)].concat());
    assert!(fit(turned[4..18].iter(), 1).is_none_or(|fit| fit.unsteady > 0.3));
    let ended = entries(&[sine(15 * HOP), vec![0; 15 * HOP]].concat());
    let tail = fit(ended[2..16].iter(), 1).expect("a sine that ends");
    assert!((0.05..0.35).contains(&tail.unsteady), "{}", tail.unsteady);
    assert!(fit(ended[6..20].iter(), 1).is_none(), "half of it is missing");
}

#[test]
fn windows_without_tones_are_windows_without_power() {
    let mut entries = entries(&with_partner(1, 0.0));
    let whole = fit(entries[..9].iter(), 1).expect("a sine");
    entries[8].tones = None;
    let cut = fit(entries[..9].iter(), 1).expect("a sine that ends");
    assert!(whole.unsteady < 1e-3 && (0.08..0.14).contains(&cut.unsteady), "{}", cut.unsteady);
}

#[test]
fn the_typical_share_is_that_of_the_window_in_the_middle() {
    let entries = entries(&with_partner(1, 0.0));
    let mut track = Track::new(pair(1));
    for (total, entry) in [1.0, 9.0, 3.0, 2.0, 7.0].into_iter().zip(entries.into_iter().rev()) {
        let [row, column] = entry.pair(pair(1));
        let level = crate::look::Level { total: (row + column) * total, ..entry.level };
        track.push(&Entry { level, ..entry });
    }
    assert!((track.typical_share([1.0; 2]) - 1.0 / 3.0).abs() < 1e-3);
    assert!((track.typical_share([2.0; 2]) - 2.0 / 3.0).abs() < 1e-3);
}

#[test]
fn an_angle_is_as_exact_as_it_says() {
    for n in -1_300..=1_300 {
        let radians = f64::from(n) / 1_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "what it takes")]
        let (re, im) = (radians.cos() as f32, radians.sin() as f32);
        assert!((f64::from(angle(re, im)) - radians).abs() < 1e-5, "{radians}");
    }
    for n in 14..=31 {
        let (sin, cos) = (f64::from(n) / 10.0).sin_cos();
        #[expect(clippy::cast_possible_truncation, reason = "what it takes")]
        let found = angle(cos as f32, sin as f32);
        // Above what any tone may turn off, until the sine comes near nothing again.
        assert!(found > if n < 24 { 1.1 } else { 0.0 }, "{n}: {found}");
    }
}
