use proptest::prelude::*;

use super::{Bands, COEFFICIENTS, FREQUENCIES, HOP, PAST, ROWS, WINDOW, WINDOW_HOPS};
use crate::look::Level;
use crate::sound::{ZERO_DBM0, decibels, mean_square, mixed, noise, sines, split};
use crate::tones::{IN_BAND, Tones};

/// Less than any sound: every hop is split.
const NEVER: f32 = -1.0;

/// The powers and tones of every window that `audio` fills from end to end.
fn windows(audio: &[i16]) -> Vec<(Level, Tones)> {
    let mut bands = Bands::new();
    let measured = audio.chunks_exact(HOP).map(|hop| {
        assert!(bands.push(&[Some(hop)], HOP) == HOP && bands.is_hop_whole());
        (split(&mut bands, NEVER), Tones::measure(bands.heard(0)).0)
    });
    measured.skip(WINDOW_HOPS - 1).collect()
}

/// The powers of the windows by themselves, after `quiet` has its say.
fn powers(audio: &[i16], quiet: f32) -> Vec<Level> {
    let mut bands = Bands::new();
    let measured = audio.chunks_exact(HOP).map(|hop| {
        bands.push(&[Some(hop)], HOP);
        split(&mut bands, quiet)
    });
    measured.collect()
}

#[test]
fn a_tones_power_is_measured_within_a_tenth_of_a_decibel() {
    for (tone, hertz) in FREQUENCIES.into_iter().enumerate() {
        for level in [0.0, -10.0, -25.0, -40.0] {
            let power = ZERO_DBM0 * 10_f64.powf(level / 10.0);
            for (powers, tones) in windows(&sines(4_000, &[(hertz, (2.0 * power).sqrt())])) {
                let error = decibels(f64::from(tones.powers()[tone]), power);
                assert!(error.abs() < 0.1, "{hertz} Hz, {level} dBm0: {error} dB");
                let error = decibels(f64::from(powers.total), power);
                assert!(error.abs() < 0.3, "{hertz} Hz, {level} dBm0 in all: {error} dB");
                let band = powers.bands[tone / 4] / IN_BAND[tone];
                let error = decibels(f64::from(band), power);
                assert!(error.abs() < 0.1, "{hertz} Hz, {level} dBm0 in its band: {error} dB");
                let other = powers.bands[1 - tone / 4] / IN_BAND[4 - tone / 4 * 4];
                assert!(decibels(f64::from(other), power) < -8.0, "{hertz} Hz in the other band");
            }
        }
    }
}

#[test]
fn a_tone_a_hundred_hertz_away_is_forty_six_decibels_down() {
    let peak = 8_000.0;
    for (tone, hertz) in FREQUENCIES.into_iter().enumerate() {
        for away in [-100.0, 100.0] {
            for (_, tones) in windows(&sines(2_000, &[(hertz + away, peak)])) {
                let left = decibels(f64::from(tones.powers()[tone]), peak * peak / 2.0);
                assert!(left < -46.0, "{hertz} Hz {away:+}: {left} dB");
            }
        }
    }
}

#[test]
fn a_tone_of_the_other_group_and_its_octave_are_thirty_decibels_down() {
    let peak = 8_000.0;
    for (tone, hertz) in FREQUENCIES.into_iter().enumerate() {
        let others = if tone < 4 { [1_209.0, 1_633.0] } else { [697.0, 941.0] };
        for other in others.into_iter().chain([hertz * 2.0]) {
            for (_, tones) in windows(&sines(2_000, &[(other, peak)])) {
                let left = decibels(f64::from(tones.powers()[tone]), peak * peak / 2.0);
                assert!(left < -30.0, "{other} Hz at {hertz} Hz: {left} dB");
            }
        }
    }
}

#[test]
fn no_tone_hides_another_of_the_pair() {
    for (row, column) in [(0, 7), (3, 4)] {
        let audio = sines(2_000, &[(FREQUENCIES[row], 2_000.0), (FREQUENCIES[column], 8_000.0)]);
        for (_, tones) in windows(&audio) {
            let error = decibels(f64::from(tones.powers()[row]), 2e6);
            assert!(error.abs() < 0.5, "row {row}: {error} dB");
            let error = decibels(f64::from(tones.powers()[column]), 32e6);
            assert!(error.abs() < 0.1, "column {column}: {error} dB");
        }
    }
}

#[test]
fn the_mean_power_of_noise_is_its_mean_square() {
    for peak in [300.0, 3_000.0, 30_000.0] {
        let audio = noise(80_000, peak, 7);
        let all = windows(&audio);
        let mean = all.iter().map(|(powers, _)| f64::from(powers.total)).sum::<f64>();
        let ratio = mean / all.len() as f64 / mean_square(&audio);
        assert!((ratio - 1.0).abs() < 0.03, "peak {peak}: {ratio}");
    }
}

#[test]
fn the_power_is_that_of_the_samples_in_the_window_and_mostly_of_its_middle() {
    // A click of one sample moves through the window hop by hop.
    let mut audio = vec![0; 40 * HOP];
    audio[20 * HOP + HOP / 2] = 16_000;
    let totals: Vec<f32> = powers(&audio, NEVER).iter().map(|powers| powers.total).collect();
    let seen: Vec<usize> = (0..40).filter(|&hop| totals[hop] > 0.0).collect();
    assert_eq!(seen, [20, 21, 22, 23]);
    assert!(totals[21] > 3.0 * totals[20] && totals[22] > 3.0 * totals[23]);
    // A click has all its power in one sample of the window: shares must sum to 1.
    let mean: f64 = totals.iter().map(|&total| f64::from(total)).sum();
    assert!((mean * HOP as f64 / 16_000_f64.powi(2) - 1.0).abs() < 1e-3);
}

#[test]
fn both_bands_see_noise_alike_and_tones_in_noise() {
    let audio = noise(80_000, 3_000.0, 3);
    let all = windows(&audio);
    for band in 0..2 {
        let mean = all.iter().map(|(powers, _)| f64::from(powers.bands[band])).sum::<f64>()
            / all.len() as f64;
        // White noise has as much in the filter as the taps have power: Hann, 41 points.
        let expected = mean_square(&audio) * 0.375 * 41.0;
        assert!((mean / expected - 1.0).abs() < 0.08, "band {band}: {}", mean / expected);
    }
    let tone = sines(80_000, &[(852.0, 8_000.0)]);
    for (_, tones) in windows(&mixed(&tone, &noise(80_000, 500.0, 5))) {
        assert!(decibels(f64::from(tones.powers()[2]), 32e6).abs() < 0.5);
    }
}

#[test]
fn silence_leaves_nothing_once_the_window_is_past() {
    let loud = sines(20 * HOP, &[(770.0, 5_000.0), (1_336.0, 5_000.0)]);
    let audio = [loud.clone(), vec![0; 20 * HOP], loud.clone(), vec![0; HOP], loud].concat();
    let all = powers(&audio, 250.0);
    for hop in 20..20 + ROWS {
        assert!(all[hop - 1].bands.iter().zip(all[hop].bands).all(|(before, now)| *before > now));
    }
    assert!(all[20 + ROWS - 2].bands.iter().all(|&power| power > 0.0));
    for (hop, powers) in all.iter().enumerate().take(40).skip(20 + ROWS - 1) {
        assert!(powers.bands == [0.0; 2], "hop {hop}");
        assert!((powers.total > 0.0) == (hop < 20 + WINDOW_HOPS - 1), "hop {hop}");
    }
    assert!(all[60].bands.iter().all(|&power| power > 1e6), "one quiet hop empties no band");
    assert!(all[61 + ROWS].bands.iter().zip(all[19].bands).all(|(a, b)| (a / b - 1.0).abs() < 0.3));
}

#[test]
fn what_is_quieter_than_asked_is_not_split() {
    // Peaks of which one is just below, the other just above a mean square of 250.
    for (peak, split) in [(21.0, false), (24.0, true)] {
        let audio = sines(20 * HOP, &[(1_000.0, peak)]);
        let low = powers(&audio, 250.0)[19].bands[0];
        assert_eq!(low > 0.0, split, "peak {peak}");
    }
}

#[test]
fn no_sound_can_overflow_the_filters() {
    for row in &COEFFICIENTS {
        let most: i64 = row.0.iter().map(|&tap| i64::from(tap).abs() * 32_768).sum();
        assert!(i32::try_from(most).is_ok(), "{most}");
    }
}

#[test]
fn a_window_is_long_enough_for_what_is_said_of_looks() {
    let milliseconds =
        crate::look::LENGTHS.map(|length| (WINDOW + (length - 1) * HOP).div_euclid(8) + 1);
    assert_eq!(milliseconds, [24, 34, 44, 59, 79, 104]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_past_is_always_the_latest_samples_of_whole_hops(
        cuts in prop::collection::vec((1..=900_usize, prop::bool::weighted(0.1)), 30),
        samples in 1..30_000_usize,
        seed: u32,
    ) {
        let (mut bands, mut all) = (Bands::new(), vec![0; PAST]);
        let audio = noise(samples, 30_000.0, seed);
        let (mut rest, mut cuts) = (&audio[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let &(cut, silent) = cuts.next().expect("a cycle has no end");
            let now = &rest[..cut.min(rest.len())];
            let taken = bands.push(&[(!silent).then_some(now)], now.len());
            prop_assert!((1..=now.len()).contains(&taken));
            if silent {
                all.resize(all.len() + taken, 0);
            } else {
                all.extend(&now[..taken]);
            }
            rest = &rest[taken..];
            while bands.is_hop_whole() {
                split(&mut bands, 250.0);
            }
            let end = all.len() - (all.len() - PAST) % HOP;
            prop_assert_eq!(&bands.heard(0).past()[..], &all[end - PAST..end]);
            prop_assert_eq!(bands.is_between_hops(), end == all.len());
        }
    }
}
