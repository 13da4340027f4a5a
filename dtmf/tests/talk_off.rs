//! Speech is no key: the prompts, slowed down and sped up, and every press between them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::f64::consts::PI;
use std::fs::{self, File};
use std::path::Path;

use partyline_dtmf::tone::Burst;
use partyline_dtmf::{Detector, Event};

/// Samples a second that the detector hears.
const RATE: f64 = 8_000.0;
/// Lobes of the interpolation's sinc on either side.
const LOBES: f64 = 8.0;

#[test]
fn prompts_at_any_speed_are_no_keys_and_hide_none() {
    let prompts = prompts();
    assert!(prompts.len() > 90, "{} prompts", prompts.len());
    for speed in [0.8, 0.9, 1.0, 1.12, 1.25] {
        let (mut detector, mut position, mut expected) = (Detector::new(), 0, Vec::new());
        let mut heard = Vec::new();
        for ((name, rate, sound), code) in prompts.iter().zip((0..16).cycle()) {
            let speech = resampled(sound, f64::from(*rate) * speed / RATE);
            let press =
                Burst { code, level_dbm0: -15.0, on_ms: 70, off_ms: 70, ..Burst::default() };
            for audio in [speech, press.samples()] {
                detector.push(&audio, &mut |event| {
                    if let Event::Down { code, onset } = event {
                        heard.push((code, onset));
                    }
                });
                position += audio.len() as u64;
            }
            expected.push((name, code, position - 140 * 8));
        }
        let mut heard = heard.into_iter();
        for (name, code, onset) in expected {
            let next = heard.next();
            assert!(
                next.is_some_and(|next| next.0 == code && next.1.abs_diff(onset) < 80),
                "speed {speed}: {name} ends at {onset}, {next:?}"
            );
        }
        assert_eq!(heard.next(), None, "speed {speed}");
    }
}

/// Name, rate and samples of each.
fn prompts() -> Vec<(String, u32, Vec<f64>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialplans/prompts/en-US");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "flac"));
    paths.sort();
    let read = |path: &Path| {
        let mut flac = claxon::FlacReader::new(File::open(path).unwrap()).unwrap();
        let rate = flac.streaminfo().sample_rate;
        let samples = flac.samples().map(|sample| f64::from(sample.unwrap())).collect();
        (path.file_name().unwrap().to_string_lossy().into_owned(), rate, samples)
    };
    paths.iter().map(|path| read(path)).collect()
}

/// Every `step`-th sample (more than 1), by a windowed sinc that passes what 8 kHz can hold.
fn resampled(sound: &[f64], step: f64) -> Vec<i16> {
    const FINENESS: usize = 64;
    let reach = LOBES * step;
    let kernel: Vec<f64> = (0..=FINENESS * 40)
        .map(|n| {
            let x = n as f64 / FINENESS as f64;
            let sinc = if n == 0 { 1.0 } else { (PI * x / step).sin() / (PI * x / step) };
            let window = if x < reach { (PI * x / (2.0 * reach)).cos().powi(2) } else { 0.0 };
            sinc * window / step
        })
        .collect();
    let mut output = Vec::new();
    let mut place = 0.0;
    while place < sound.len() as f64 {
        let first = index((place - reach).max(0.0)) + 1;
        let last = index(place + reach).min(sound.len() - 1);
        let weight = |n: usize| kernel[index((n as f64 - place).abs() * FINENESS as f64)];
        let sum: f64 = (first..=last).map(|n| sound[n] * weight(n)).sum();
        output.push(sample(sum));
        place += step;
    }
    output
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a slice")]
fn index(place: f64) -> usize {
    place as usize
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16")]
fn sample(value: f64) -> i16 {
    value.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}
