use super::{Entry, History, LENGTHS, Look, MEMORY, Pair};
use crate::bands::HOP;
use crate::residual::Reach;
use crate::sound::{decibels, entries, mixed, noise, sines};

/// Row and column of key 5.
const PAIR: Pair = Pair { row: 1, column: 1 };

fn history(entries: &[Entry]) -> History {
    let mut history = History::new();
    entries.iter().for_each(|&entry| history.push(entry));
    history
}

fn looks(audio: &[i16]) -> Vec<Look> {
    history(&entries(audio)).looks(0.0, 0).collect()
}

fn pair(low: f64, high: f64, peaks: [f64; 2]) -> Vec<i16> {
    sines(30 * HOP, &[(low, peaks[0]), (high, peaks[1])])
}

#[test]
fn a_clean_pair_is_seen_at_every_length_as_it_is() {
    let looks = looks(&pair(772.0, 1_330.0, [4_000.0, 6_000.0]));
    assert!(looks.iter().map(|look| look.kind).eq(0..LENGTHS.len()));
    for look in looks {
        assert!(look.pair == PAIR && look.length() == LENGTHS[look.kind]);
        for (power, expected) in look.powers.iter().zip([8e6, 18e6]) {
            assert!(decibels(f64::from(*power), expected).abs() < 0.3, "{power}");
        }
        for (hertz, expected) in look.hertz().iter().zip([772.0, 1_330.0]) {
            assert!((hertz - expected).abs() < 0.5, "{hertz}");
        }
        // Of 13.55 and 22.04 Hz.
        for (strain, expected) in look.strain().iter().zip([0.148, 0.272]) {
            assert!((strain - expected).abs() < 0.03, "{strain}");
        }
        assert!(look.share > 0.95 && look.typical_share > 0.95, "{}", look.share);
        assert!(look.in_band.iter().all(|share| (0.9..1.1).contains(share)));
        assert!(look.unsteady.iter().all(|&part| part < 1e-3));
        assert!(look.growth.iter().all(|growth| (growth - 1.0).abs() < 0.05));
    }
}

#[test]
fn level_and_twist_bound_what_is_looked_at() {
    let seen = |peaks| !looks(&pair(770.0, 1_336.0, peaks)).is_empty();
    let quieter = |decibels: f64| 8_000.0 / 10_f64.powf(decibels / 20.0);
    assert!(seen([8_000.0, quieter(10.0)]) && !seen([8_000.0, quieter(11.0)]));
    assert!(seen([quieter(6.6), 8_000.0]) && !seen([quieter(7.4), 8_000.0]));
    // A power of 2,000 is a peak of 63.
    assert!(seen([68.0; 2]) && !seen([59.0; 2]));
}

#[test]
fn noise_lowers_the_share_and_shuts_out_the_short_looks_first() {
    let tones = pair(770.0, 1_336.0, [4_000.0; 2]);
    // As much power as both tones have.
    let looks = looks(&mixed(&tones, &noise(tones.len(), 4_000.0 * 3_f64.sqrt(), 9)));
    assert!(!looks.is_empty() && looks.iter().all(|look| look.kind >= 3));
    for look in &looks {
        assert!((0.4..0.65).contains(&look.share), "{}", look.share);
        assert!((0.35..0.7).contains(&look.typical_share), "{}", look.typical_share);
    }
}

#[test]
fn a_background_is_no_part_of_the_rest_unless_it_drowns_the_pair() {
    let tones = pair(770.0, 1_336.0, [4_000.0; 2]);
    let history = history(&entries(&mixed(&tones, &sines(tones.len(), &[(120.0, 7_000.0)]))));
    let share =
        |background| history.looks(background, 0).map(|look| look.share).fold(0.0_f32, f32::max);
    assert!(share(0.0) < 0.45);
    assert!(share(24.5e6) > 0.95);
    assert!(share(6.5 * 16e6) < 0.45, "so strong a background would hide anything");
}

#[test]
fn a_tone_that_another_outweighs_in_its_band_is_no_key() {
    let seen = |peak: u16| {
        let other = (610.0, f64::from(peak));
        let audio = sines(30 * HOP, &[(770.0, 2_828.0), (1_336.0, 5_657.0), other]);
        // A background of as much leaves the share as it is.
        let background = f32::from(peak).powi(2) / 2.0;
        history(&entries(&audio)).looks(background, 0).count()
    };
    assert_eq!(seen(5_000), LENGTHS.len());
    assert_eq!(seen(14_000), 0);
}

#[test]
fn a_pair_that_grows_says_so() {
    let loud = pair(770.0, 1_336.0, [4_000.0; 2]);
    let rising: Vec<i16> =
        loud.iter().enumerate().map(|(n, &x)| if n < 600 { x / 2 } else { x }).collect();
    let look = history(&entries(&rising)[5..20]).looks(0.0, 0).last().expect("a look");
    for growth in look.growth {
        assert!((3.0..4.3).contains(&growth), "{growth}");
    }
}

#[test]
fn the_typical_share_is_that_of_the_middling_window() {
    let tones = pair(770.0, 1_336.0, [4_000.0; 2]);
    let mut audio = tones.clone();
    // A cough over a part of the longest look.
    for (slot, hiss) in audio.iter_mut().zip(noise(tones.len(), 12_000.0, 1)).skip(900).take(130) {
        *slot = slot.saturating_add(hiss);
    }
    let look = looks(&audio).into_iter().last().expect("the longest look");
    assert_eq!(look.kind, LENGTHS.len() - 1);
    assert!(look.typical_share > 0.95 && look.share < 0.8, "{} {}", look.typical_share, look.share);
}

#[test]
fn the_history_keeps_the_newest() {
    let mut all = History::new();
    for hop in 1..=40 {
        all.push(Entry { hop, ..Entry::NONE });
        let kept: Vec<u64> = all.newest_first().map(|entry| entry.hop).collect();
        let expected: Vec<u64> = (1..=hop).rev().take(MEMORY).collect();
        assert_eq!(kept, expected);
    }
    all.keep_newest(6);
    all.push(Entry { hop: 41, ..Entry::NONE });
    assert!(all.newest_first().map(|entry| entry.hop).eq([41, 40, 39, 38, 37, 36, 35]));
    assert_eq!(all.looks(0.0, 0).count(), 0);
}

#[test]
fn the_strongest_row_and_column_are_a_pair() {
    for row in 0..4 {
        for column in 0..4 {
            let mut powers = [1.0; 8];
            powers[row] = 2.0;
            powers[4 + column] = 3.0;
            let pair = Pair::strongest(&powers);
            assert!(pair.row == row && pair.column == column);
            assert_eq!(pair.tones(), [row, 4 + column]);
        }
    }
}

#[test]
fn a_tone_that_grows_has_only_just_begun_but_the_first_report_waits_less() {
    let all = entries(&pair(770.0, 1_336.0, [4_000.0; 2]));
    for (most, kinds) in [(1.45, &[][..]), (1.55, &[0, 2, 3, 4, 5][..]), (4.1, &[0, 1, 2, 3, 4, 5])]
    {
        let history = history(&all[..20]);
        let rising: Vec<usize> = history
            .looks(0.0, 0)
            .map(|look| Look { growth: [1.0, most], ..look })
            .filter(Look::is_rising)
            .map(|look| look.kind)
            .collect();
        assert_eq!(rising, kinds, "grown {most} times");
    }
}

#[test]
fn only_the_first_report_goes_by_the_newest_sound_alone() {
    let history = history(&entries(&pair(770.0, 1_336.0, [4_000.0; 2]))[..20]);
    for look in history.looks(0.0, 0) {
        assert_eq!(look.is_first(), look.kind == 1);
        assert!(look.reach() == if look.kind == 1 { Reach::Newest } else { Reach::Whole });
    }
}

#[test]
fn a_look_tells_what_was_before_it() {
    let tones = pair(770.0, 1_336.0, [4_000.0; 2]);
    let all = entries(&tones);
    let before = |entries: &[Entry], kind| {
        let look = history(entries).looks(0.0, 0).find(|look: &Look| look.kind == kind);
        look.expect("a clean pair").before
    };
    assert_eq!(before(&all[..LENGTHS[1]], 1), 0.0, "nothing is remembered");
    assert!((before(&all[..LENGTHS[1] + 1], 1) - 1.0).abs() < 0.05, "a steady pair");
    let mut louder = all[..LENGTHS[1] + 1].to_vec();
    let loud = pair(770.0, 1_336.0, [9_000.0, 12_000.0]);
    louder[0] = entries(&loud)[0];
    assert!(before(&louder, 1) > 1.99, "no more than twice is told of");
    let told = |lost| history(&louder).looks(0.0, lost).map(|look| look.before).sum::<f32>();
    assert!(told(0) > 0.0);
    assert_eq!(told(1 << 31), 0.0, "a hop was lost before it");
    louder[0].tones = None;
    assert_eq!(before(&louder, 1), 0.0, "nothing promised a key");
}
