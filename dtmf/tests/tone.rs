//! What is sent when a key is pressed: Q.23's tones at the levels asked for, on time, and no more.

use std::f64::consts::TAU;

use partyline_dtmf::Rate;
use partyline_dtmf::tone::{Burst, Generator};
use proptest::prelude::*;

const RATES: [Rate; 3] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];
/// Code, low group, high group: ITU-T Q.23 §5 by RFC 4733 §3.2.
const KEYS: [(u8, u32, u32); 16] = [
    (1, 697, 1209),
    (2, 697, 1336),
    (3, 697, 1477),
    (12, 697, 1633),
    (4, 770, 1209),
    (5, 770, 1336),
    (6, 770, 1477),
    (13, 770, 1633),
    (7, 852, 1209),
    (8, 852, 1336),
    (9, 852, 1477),
    (14, 852, 1633),
    (10, 941, 1209),
    (0, 941, 1336),
    (11, 941, 1477),
    (15, 941, 1633),
];

#[test]
fn each_key_is_two_tones_at_their_levels_and_nothing_else() {
    for rate in RATES {
        for (code, low, high) in KEYS {
            let burst = Burst { on_ms: 1000, off_ms: 0, ramp_ms: 0, ..Burst::to_send(code) };
            let audio = made(&burst, rate);
            let tones = [low, high].map(|hertz| phasor(&audio, f64::from(hertz), rate));
            let levels = tones.map(|tone| dbm0(tone.0));
            assert!((levels[0] + 11.0).abs() < 0.01, "{rate:?} {code}: {levels:?}");
            assert!((levels[1] + 9.0).abs() < 0.01, "{rate:?} {code}: {levels:?}");
            // All that is left beside the tones, and so any part of it.
            let total: f64 = audio.iter().map(|&s| f64::from(s).powi(2)).sum();
            let wanted: f64 = tones.iter().map(|tone| tone.0 * tone.0 / 2.0).sum();
            let beside = total / audio.len() as f64 - wanted;
            let below = 10.0 * (tones[0].0 * tones[0].0 / 2.0 / beside).log10();
            assert!(below > 75.0, "{rate:?} {code}: {below} dB");
        }
    }
}

#[test]
fn frequencies_are_right_to_a_hundredth_of_a_percent() {
    for rate in RATES {
        for off in [0.0, 1.5, -3.5] {
            let burst =
                Burst { code: 5, off_percent: [off, -off], on_ms: 3000, ..Burst::default() };
            let audio = made(&burst, rate);
            let second = rate.hertz() as usize;
            for hertz in [770.0 * (1.0 + off / 100.0), 1336.0 * (1.0 - off / 100.0)] {
                let [first, last] = [0, 2].map(|s| {
                    let window = &audio[s * second..(s + 1) * second];
                    phasor(window, hertz, rate).1
                });
                // The phase that the nominal frequency gains in the two seconds is taken out.
                let turns = (last - first) / TAU - 2.0 * hertz;
                let error = (turns - turns.round()) / 2.0;
                assert!(error.abs() < 1e-4 * hertz / 2.0, "{rate:?} {hertz}: off by {error} Hz");
            }
        }
    }
}

#[test]
fn twist_and_level_are_each_tones_own() {
    for (level_dbm0, twist_db) in [(0.0, -6.0), (-9.0, 0.0), (-20.0, 4.0), (-40.0, -8.0)] {
        let burst = Burst { code: 1, level_dbm0, twist_db, on_ms: 1000, ..Burst::default() };
        let audio = &made(&burst, Rate::Hz8000)[..8000];
        let low = dbm0(phasor(audio, 697.0, Rate::Hz8000).0);
        let high = dbm0(phasor(audio, 1209.0, Rate::Hz8000).0);
        assert!((low - level_dbm0).abs() < 0.05, "{low}");
        assert!((high - low - twist_db).abs() < 0.05, "{high} over {low}");
    }
}

#[test]
fn a_tone_lasts_as_long_as_asked_and_then_all_is_silent() {
    for rate in RATES {
        let ms = rate.hertz() as usize / 1000;
        for ramp_ms in [0, 2, 5] {
            let burst = Burst { code: 3, on_ms: 65, off_ms: 70, ramp_ms, ..Burst::default() };
            let audio = made(&burst, rate);
            assert_eq!(audio.len(), (65 + 70) * ms);
            assert!(audio[65 * ms..].iter().all(|&sample| sample == 0));
            let last_ms = &audio[64 * ms..65 * ms];
            assert!(last_ms.iter().any(|&sample| sample != 0), "{rate:?} ends early");
        }
    }
}

#[test]
fn a_tone_rises_and_falls_within_its_ramp() {
    for rate in RATES {
        let ms = rate.hertz() as usize / 1000;
        let hard = made(&Burst { ramp_ms: 0, ..Burst::to_send(8) }, rate);
        let soft = made(&Burst::to_send(8), rate);
        assert!(hard[2 * ms..98 * ms] == soft[2 * ms..98 * ms], "the steady part is touched");
        let mut last = 0.0;
        for n in 0..2 * ms {
            let share = f64::from(soft[n]) / f64::from(hard[n]);
            if hard[n].abs() > 2000 {
                assert!(share >= last && share < 1.0, "{rate:?}: {share} at {n}");
                last = share;
            }
        }
        assert!(last > 0.9, "{rate:?}: {last}");
        // The fall mirrors the rise.
        let rise = hard[..2 * ms].iter().zip(&soft[..2 * ms]);
        for (n, (&hard_in, &soft_in)) in rise.enumerate() {
            let out = 100 * ms - 1 - n;
            if hard_in.abs() > 2000 && hard[out].abs() > 2000 {
                let (rise, fall) = (ratio(soft_in, hard_in), ratio(soft[out], hard[out]));
                assert!((rise - fall).abs() < 2e-3, "{rate:?} {n}: {rise} {fall}");
            }
        }
    }
}

#[test]
fn a_ramp_keeps_the_click_out_of_the_band_above() {
    let click = |ramp_ms| {
        let audio = made(&Burst { ramp_ms, ..Burst::to_send(6) }, Rate::Hz48000);
        (4..20).map(|khz| phasor(&audio, f64::from(khz) * 1000.0, Rate::Hz48000).0).sum::<f64>()
    };
    assert!(click(2) < click(0) / 50.0, "{} {}", click(2), click(0));
}

#[test]
fn a_tone_shorter_than_its_ramps_still_rises_and_falls() {
    for on_ms in [0, 1, 3] {
        let burst = Burst { on_ms, off_ms: 1, ramp_ms: 10, ..Burst::to_send(9) };
        let audio = made(&burst, Rate::Hz8000);
        assert_eq!(audio.len(), 8 * (on_ms as usize + 1));
        let peak = audio.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(on_ms < 3 || peak > Some(4_000), "{peak:?}: it never rises");
        assert!(audio[0].abs() < 200 && audio[8 * on_ms as usize] == 0);
    }
}

#[test]
fn too_loud_a_tone_is_clipped() {
    let audio = Burst { level_dbm0: 20.0, ..Burst::default() }.samples();
    assert!(audio.contains(&i16::MAX) && audio.contains(&i16::MIN));
}

#[test]
fn the_samples_are_the_same_on_every_machine() {
    // FNV-1a over the samples of all keys: a change of one bit changes it.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for rate in RATES {
        for (code, ..) in KEYS {
            for octet in made(&Burst::to_send(code), rate).iter().flat_map(|s| s.to_le_bytes()) {
                hash = (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
    }
    assert_eq!(hash, 0xa3b4_6f22_564e_3c2d, "{hash:#x}");
}

#[test]
fn a_frame_behind_the_end_is_left_alone() {
    let mut tone = Generator::new(&Burst { on_ms: 5, off_ms: 5, ..Burst::default() }, Rate::Hz8000);
    let mut frame = [77; 100];
    assert_eq!(tone.fill(&mut frame), 80);
    assert!(frame[80..] == [77; 20]);
    assert_eq!(tone.fill(&mut frame), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn how_frames_are_cut_does_not_change_the_tone(
        code in 0..16_u8,
        rate in prop::sample::select(&RATES[..]),
        cuts in prop::collection::vec(1..1_500_usize, 1..20),
    ) {
        let burst = Burst { on_ms: 50, off_ms: 30, ..Burst::to_send(code) };
        let mut tone = Generator::new(&burst, rate);
        let mut framed: Vec<i16> = Vec::new();
        for cut in cuts.into_iter().cycle() {
            let mut frame = vec![0; cut];
            let filled = tone.fill(&mut frame);
            framed.extend(&frame[..filled]);
            if filled < cut {
                break;
            }
        }
        prop_assert!(framed == made(&burst, rate));
    }

    #[test]
    fn any_burst_has_its_length(
        (code, on_ms, off_ms, ramp_ms) in (any::<u8>(), 0..40_u32, 0..40_u32, any::<u32>()),
        (level_dbm0, twist_db) in (any::<f64>(), any::<f64>()),
        off_percent in any::<[f64; 2]>(),
    ) {
        let burst = Burst { code, level_dbm0, twist_db, off_percent, on_ms, off_ms, ramp_ms };
        prop_assert_eq!(burst.samples().len(), 8 * (on_ms + off_ms) as usize);
    }
}

fn made(burst: &Burst, rate: Rate) -> Vec<i16> {
    Generator::new(burst, rate).collect()
}

/// The peak and phase of the sine of `hertz` in `audio`.
fn phasor(audio: &[i16], hertz: f64, rate: Rate) -> (f64, f64) {
    let turn = TAU * hertz / f64::from(rate.hertz());
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &sample) in audio.iter().enumerate() {
        let (sin, cos) = (turn * n as f64).sin_cos();
        re += f64::from(sample) * cos;
        im -= f64::from(sample) * sin;
    }
    let scale = 2.0 / audio.len() as f64;
    (re.hypot(im) * scale, im.atan2(re))
}

/// The level of a sine of this peak: G.711's full scale is +3.14 dBm0.
#[expect(clippy::approx_constant, reason = "a level, near π by chance")]
fn dbm0(peak: f64) -> f64 {
    20.0 * (peak / 32_768.0).log10() + 3.14
}

fn ratio(a: i16, b: i16) -> f64 {
    f64::from(a) / f64::from(b)
}
