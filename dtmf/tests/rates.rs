//! Sound at 16 and 48 kHz: the same keys at the same times as at 8 kHz, and none from above 4 kHz.

use std::f64::consts::TAU;

use partyline_dtmf::tone::{Burst, Generator};
use partyline_dtmf::{Decimated, Decimator, Detector, Event, Rate, WidebandDetector};
use proptest::prelude::*;

const RATES: [Rate; 3] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];
/// Those that are decimated, and by how much.
const FACTORS: [(Rate, usize); 2] = [(Rate::Hz16000, 2), (Rate::Hz48000, 6)];
/// The filters' delay in samples at 8 kHz.
const DELAY: usize = 7;

#[test]
fn the_filter_is_flat_over_the_telephone_band() {
    for (rate, _) in FACTORS {
        for hertz in [100, 300, 600, 697, 941, 1209, 1633, 1700, 2000, 2400, 2800, 3000, 3200] {
            let gain = gain(rate, f64::from(hertz));
            assert!(gain.abs() < 0.1, "{rate:?}, {hertz} Hz: {gain} dB");
        }
        assert!(gain(rate, 3400.0) > -0.5, "{rate:?}: {}", gain(rate, 3400.0));
    }
}

#[test]
fn what_would_fold_is_stopped() {
    for (rate, _) in FACTORS {
        for hertz in (4800..rate.hertz() / 2).step_by(73) {
            let gain = gain(rate, f64::from(hertz));
            let most = if hertz < 6300 { -40.0 } else { -60.0 };
            assert!(gain < most, "{rate:?}, {hertz} Hz: {gain} dB");
        }
    }
}

#[test]
fn the_filter_delays_all_frequencies_alike() {
    for (rate, factor) in FACTORS {
        // Several places of the impulse within a group show the whole response.
        let mut response = vec![0; 40 * factor];
        for phase in 0..factor {
            let mut audio = vec![0; 40 * factor];
            audio[20 * factor - phase] = i16::MAX;
            for (n, &sample) in decimated(rate, &audio).iter().enumerate() {
                response[n * factor + phase] = sample;
            }
        }
        let middle = (20 + DELAY) * factor;
        assert_eq!(response.iter().max(), Some(&response[middle]), "{rate:?}");
        for n in 1..=10 * factor {
            assert_eq!(response[middle - n], response[middle + n], "{rate:?}, {n} off");
        }
    }
}

#[test]
fn an_overshoot_is_clipped_and_not_wrapped() {
    for (rate, factor) in FACTORS {
        let half = 10 * factor;
        let audio: Vec<i16> =
            (0..40 * half).map(|n| if n / half % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let output = decimated(rate, &audio);
        assert!(output.contains(&i16::MAX) && output.contains(&i16::MIN));
        for (n, &sample) in output.iter().enumerate().skip(2 * DELAY) {
            let inside = (n - DELAY) % 10;
            if (2..=8).contains(&inside) {
                let positive = ((n - DELAY) / 10).is_multiple_of(2);
                assert!(sample.abs_diff(0) > 28_000 && (sample > 0) == positive, "{sample} at {n}");
            }
        }
    }
}

#[test]
fn a_gap_comes_out_where_it_went_in() {
    for (rate, factor) in FACTORS {
        for (before, lost) in [(50 * factor, 30 * factor), (51 * factor + 1, 1), (7, 900_001)] {
            let mut decimator = Decimator::new(rate);
            let mut flags = Vec::new();
            let mut note = |piece: Decimated<'_>| match piece {
                Decimated::Heard(samples) => flags.extend(vec![false; samples.len()]),
                Decimated::Lost(samples) => flags.extend(vec![true; samples]),
            };
            decimator.push(&vec![9; before], &mut note);
            decimator.push_lost(lost, &mut note);
            decimator.push(&vec![9; 40 * factor], &mut note);
            assert_eq!(flags.len(), (before + lost + 40 * factor) / factor);
            let first = flags.iter().position(|&lost| lost).unwrap();
            let last = flags.iter().rposition(|&lost| lost).unwrap();
            assert_eq!(first, before / factor + DELAY - 1, "{rate:?}, {before} {lost}");
            assert_eq!(last, (before + lost - 1) / factor + DELAY + 1, "{rate:?}, {before} {lost}");
            assert!(flags[first..=last].iter().all(|&lost| lost));
        }
    }
}

#[test]
fn every_key_is_heard_at_the_same_time_at_every_rate() {
    for code in 0..16 {
        for lead_ms in [203, 206] {
            let heard = RATES.map(|rate| {
                let ms = u64::from(rate.hertz() / 1000);
                let events = whole(rate, &late(&Burst::to_send(code), rate, lead_ms));
                let [Event::Down { code: down, onset }, Event::Up { code: up, length }] =
                    events[..]
                else {
                    panic!("{rate:?}, code {code}: {events:?}");
                };
                assert!(down == code && up == code, "{rate:?}: code {code} heard as another");
                (onset as f64 / ms as f64, length as f64 / ms as f64)
            });
            for (onset, length) in heard {
                assert!((onset - heard[0].0).abs() <= 5.0, "code {code}: {heard:?}");
                assert!((onset - f64::from(lead_ms)).abs() <= 6.0, "code {code}: {heard:?}");
                assert!((length - heard[0].1).abs() <= 5.0, "code {code}: {heard:?}");
            }
        }
    }
}

#[test]
fn tones_above_four_kilohertz_are_no_keys() {
    for (rate, factor) in FACTORS {
        let nyquist = f64::from(rate.hertz()) / 2.0;
        for (low, high) in [(697.0, 1209.0), (770.0, 1336.0), (852.0, 1477.0), (941.0, 1633.0)] {
            for image in [8000.0, 16_000.0, 24_000.0] {
                for side in [-1.0, 1.0] {
                    let pairs = [
                        [image + side * low, image + side * high],
                        [low, image + side * high],
                        [image + side * low, high],
                    ];
                    for pair in pairs.into_iter().filter(|pair| pair.iter().all(|&f| f < nyquist)) {
                        let audio = sines(rate, &pair, 300);
                        assert_eq!(whole(rate, &audio), [], "{rate:?} {pair:?}");
                        let dropped: Vec<i16> = audio.iter().copied().step_by(factor).collect();
                        let fooled = whole(Rate::Hz8000, &dropped).len();
                        assert_eq!(fooled, 2, "{pair:?} would be a key without the filter");
                    }
                }
            }
        }
    }
}

#[test]
fn noise_above_the_band_does_not_hide_a_key() {
    // Tones at 5 and 7 kHz, as strong as the key's own.
    for (rate, _) in FACTORS {
        let mut audio = late(&Burst::to_send(4), rate, 100);
        let above = sines(rate, &[5000.0, 7000.0], 300);
        for (sample, above) in audio.iter_mut().zip(above) {
            *sample = sample.saturating_add(above);
        }
        assert_eq!(whole(rate, &audio).len(), 2, "{rate:?}");
    }
}

#[test]
fn the_filters_delay_is_no_part_of_a_position() {
    for (rate, factor) in FACTORS {
        let audio = late(&Burst::to_send(9), rate, 100);
        let there = whole(rate, &audio);
        let below = whole(Rate::Hz8000, &decimated(rate, &audio));
        let [Event::Down { onset, .. }, Event::Up { length, .. }] = below[..] else {
            panic!("{rate:?}: {below:?}");
        };
        let (delay, factor) = (DELAY as u64, factor as u64);
        let down = Event::Down { code: 9, onset: (onset - delay) * factor };
        assert_eq!(there, [down, Event::Up { code: 9, length: length * factor }], "{rate:?}");
    }
}

#[test]
fn at_eight_kilohertz_it_is_the_detector() {
    let audio = late(&Burst::to_send(2), Rate::Hz8000, 33);
    let mut expected = Vec::new();
    let mut detector = Detector::new();
    detector.push(&audio, &mut |event| expected.push(event));
    assert_eq!(expected.len(), 2);
    assert_eq!(whole(Rate::Hz8000, &audio), expected);
}

#[test]
fn a_lost_frame_in_the_middle_does_not_split_a_key() {
    for rate in RATES {
        let ms = rate.hertz() as usize / 1000;
        let audio = late(&Burst { on_ms: 200, ..Burst::to_send(4) }, rate, 100);
        let (mut detector, mut events) = (WidebandDetector::new(rate), Vec::new());
        let mut report = |event| events.push(event);
        detector.push(&audio[..200 * ms], &mut report);
        detector.push_lost(20 * ms, &mut report);
        detector.push(&audio[220 * ms..], &mut report);
        let [Event::Down { onset, .. }, Event::Up { length, .. }] = events[..] else {
            panic!("{rate:?}: {events:?}");
        };
        assert!(onset.abs_diff(100 * ms as u64) <= 6 * ms as u64, "{rate:?}: {onset}");
        assert!(length.abs_diff(200 * ms as u64) <= 10 * ms as u64, "{rate:?}: {length}");
    }
}

#[test]
fn positions_count_what_was_lost() {
    for rate in RATES {
        let ms = u64::from(rate.hertz() / 1000);
        let (mut detector, mut onsets) = (WidebandDetector::new(rate), Vec::new());
        detector.push_lost(5 * rate.hertz() as usize + 1, &mut |_| panic!("nothing was heard"));
        detector.push(&late(&Burst::to_send(1), rate, 100), &mut |event| {
            if let Event::Down { onset, .. } = event {
                onsets.push(onset);
            }
        });
        let [onset] = onsets[..] else { panic!("{rate:?}: {onsets:?}") };
        assert!(onset.abs_diff(5_100 * ms) <= 6 * ms, "{rate:?}: {onset}");
    }
}

#[test]
fn a_suspicion_points_at_the_first_sample_of_the_tone() {
    for rate in RATES {
        let ms = rate.hertz() as usize / 1000;
        let audio = late(&Burst::to_send(0), rate, 100);
        let mut detector = WidebandDetector::new(rate);
        detector.push(&audio[..95 * ms], &mut |_| panic!("nothing is there"));
        assert!(!detector.suspects() && detector.suspected_since().is_none());
        let mut downs = 0;
        detector.push(&audio[95 * ms..180 * ms], &mut |_| downs += 1);
        assert_eq!(downs, 1);
        assert!(detector.suspects());
        let since = detector.suspected_since().unwrap();
        assert!(since.abs_diff(100 * ms as u64) <= 6 * ms as u64, "{rate:?}: {since}");
    }
}

#[test]
fn a_rate_is_known_by_its_hertz() {
    for rate in RATES {
        assert_eq!(Rate::from_hertz(rate.hertz()), Some(rate));
        assert_eq!(WidebandDetector::new(rate).rate(), rate);
    }
    assert_eq!(Rate::from_hertz(44_100), None);
}

/// Heard or lost.
#[derive(Clone, Debug)]
enum Piece {
    Heard(Vec<i16>),
    Key(u8),
    Lost(usize),
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<i16>(), 0..700).prop_map(Piece::Heard),
        (0..16_u8).prop_map(Piece::Key),
        (0..3_000_usize).prop_map(Piece::Lost),
    ];
    prop::collection::vec(piece, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn chunking_does_not_change_the_result(
        rate in prop::sample::select(&RATES[..]),
        pieces in pieces(),
        cuts in prop::collection::vec(1..900_usize, 1..20),
    ) {
        let [one, many] = [&[usize::MAX][..], &cuts].map(|cuts| {
            let mut cuts = cuts.iter().copied().cycle();
            let (mut decimator, mut output) = (Decimator::new(rate), Vec::new());
            let (mut detector, mut events) = (WidebandDetector::new(rate), Vec::new());
            let mut give = |piece: Decimated<'_>| match piece {
                Decimated::Heard(samples) => output.extend(samples.iter().copied().map(Some)),
                Decimated::Lost(samples) => output.extend(vec![None; samples]),
            };
            let mut report = |event| events.push(event);
            for piece in &pieces {
                let audio = match piece {
                    Piece::Heard(audio) => audio.clone(),
                    Piece::Key(code) => late(&Burst { on_ms: 60, ..Burst::to_send(*code) }, rate, 5),
                    Piece::Lost(samples) => {
                        decimator.push_lost(*samples, &mut give);
                        detector.push_lost(*samples, &mut report);
                        continue;
                    }
                };
                let mut rest = &audio[..];
                while !rest.is_empty() {
                    let (now, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                    decimator.push(now, &mut give);
                    detector.push(now, &mut report);
                    rest = later;
                }
            }
            (output, events)
        });
        prop_assert!(one.0 == many.0, "the decimated sound differs");
        prop_assert!(one.1 == many.1, "{:?} {:?}", one.1, many.1);
    }
}

/// How much louder a sine comes out than it went in, in dB.
fn gain(rate: Rate, hertz: f64) -> f64 {
    let mut audio = sines(rate, &[hertz], 500);
    // The steady part only: an edge holds all frequencies.
    audio.truncate(audio.len() / 2);
    let settled = &decimated(rate, &audio)[100..];
    20.0 * (rms(settled) / rms(&audio)).log10()
}

fn rms(audio: &[i16]) -> f64 {
    let sum: f64 = audio.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (sum / audio.len() as f64).sqrt().max(1e-3)
}

fn decimated(rate: Rate, audio: &[i16]) -> Vec<i16> {
    let mut output = Vec::new();
    Decimator::new(rate).push(audio, &mut |piece| match piece {
        Decimated::Heard(samples) => output.extend(samples),
        Decimated::Lost(_) => panic!("nothing was lost"),
    });
    output
}

fn whole(rate: Rate, audio: &[i16]) -> Vec<Event> {
    let mut events = Vec::new();
    WidebandDetector::new(rate).push(audio, &mut |event| events.push(event));
    events
}

/// `ms` of silence and a press.
fn late(burst: &Burst, rate: Rate, ms: u32) -> Vec<i16> {
    let silence = vec![0; (ms * (rate.hertz() / 1000)) as usize];
    silence.into_iter().chain(Generator::new(burst, rate)).collect()
}

/// Sines that share a peak of 16,000, for so long, then as much silence.
#[expect(clippy::cast_possible_truncation, reason = "far below full scale")]
fn sines(rate: Rate, hertz: &[f64], ms: u32) -> Vec<i16> {
    let samples = ms * (rate.hertz() / 1000);
    let sine = |n: u32, f: f64| (TAU * f * f64::from(n) / f64::from(rate.hertz())).sin();
    let peak = 16_000.0 / hertz.len() as f64;
    let tone = (0..samples)
        .map(|n| (peak * hertz.iter().map(|&f| sine(n, f)).sum::<f64>()).round() as i16);
    tone.chain(std::iter::repeat_n(0, samples as usize)).collect()
}
