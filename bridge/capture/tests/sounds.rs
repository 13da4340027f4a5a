//! Sound files: each form that telephones and recorders write, and those that are refused.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::time::Duration;

use common::{WavForm, encode, key_after, pcm, wav};
use partyline_capture::Note;
use partyline_capture::wav::{Wav, WavError};
use partyline_media::Codec;
use proptest::prelude::*;

const PLAIN: WavForm = WavForm { tag: 1, channels: 1, rate: 8_000, bits: 16 };

/// The keys in a channel with their onsets in milliseconds.
fn keys(file: &[u8], channel: usize) -> Vec<(char, u128)> {
    let presses = Wav::parse(file).unwrap().presses(channel);
    presses.iter().map(|press| (press.digit.to_char(), press.onset.as_millis())).collect()
}

fn has(keys: &[(char, u128)], key: char, onset: u128) -> bool {
    matches!(keys, [(heard, at)] if *heard == key && at.abs_diff(onset) <= 8)
}

#[test]
fn a_key_is_found_in_every_encoding() {
    let sound = key_after(300, 4);
    let shifted = |octets: usize| -> Vec<u8> {
        let pad = vec![0; octets - 2];
        sound.iter().flat_map(|sample| [&pad[..], &sample.to_le_bytes()].concat()).collect()
    };
    let unsigned = |sample: &i16| sample.to_be_bytes()[0].wrapping_add(128);
    let float = |sample: &i16| (f32::from(*sample) / 32_768.0).to_le_bytes();
    let forms: [(u16, u16, Vec<u8>, &str); 7] = [
        (1, 8, sound.iter().map(unsigned).collect(), "PCM 8 bit"),
        (1, 16, pcm(&sound), "PCM 16 bit"),
        (1, 24, shifted(3), "PCM 24 bit"),
        (1, 32, shifted(4), "PCM 32 bit"),
        (3, 32, sound.iter().flat_map(float).collect(), "float"),
        (6, 8, encode(Codec::Pcma, &sound), "A-law"),
        (7, 8, encode(Codec::Pcmu, &sound), "µ-law"),
    ];
    for (tag, bits, octets, name) in forms {
        let file = wav(WavForm { tag, bits, ..PLAIN }, &octets);
        let heard = keys(&file, 0);
        assert!(has(&heard, '4', 300), "{name}: {heard:?}");
        let wav = Wav::parse(&file).unwrap();
        assert_eq!((wav.encoding(), wav.missing()), (name, 0));
        assert_eq!(wav.length(), Duration::from_millis(480));
    }
}

#[test]
fn each_channel_has_its_own_keys() {
    let (left, right) = (key_after(100, 1), key_after(200, 2));
    let both = left.iter().chain([&0; 800]).zip(&right);
    let mixed: Vec<i16> = both.flat_map(|(&left, &right)| [left, right]).collect();
    let file = wav(WavForm { channels: 2, ..PLAIN }, &pcm(&mixed));
    assert_eq!(Wav::parse(&file).unwrap().channels(), 2);
    assert!(has(&keys(&file, 0), '1', 100) && has(&keys(&file, 1), '2', 200));
}

#[expect(clippy::cast_possible_truncation, reason = "below the range of i16")]
fn round(value: f64) -> i16 {
    value.round() as i16
}

#[test]
fn a_key_stands_at_its_place_at_every_rate() {
    for rate in [8_000_u32, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000] {
        let step = std::f64::consts::TAU / f64::from(rate);
        let sound: Vec<i16> = (0..rate)
            .map(|n| {
                let at = f64::from(n);
                let tone = (770.0 * step * at).sin() + (1_336.0 * step * at).sin();
                let on = (0.4..0.5).contains(&(at / f64::from(rate)));
                if on { round(6_000.0 * tone) } else { 0 }
            })
            .collect();
        let file = wav(WavForm { rate, ..PLAIN }, &pcm(&sound));
        let heard = keys(&file, 0);
        assert!(has(&heard, '5', 400), "{rate} Hz: {heard:?}");
        let press = &Wav::parse(&file).unwrap().presses(0)[0];
        let told = press.reported.as_millis();
        assert!((420..=500).contains(&told) && told.is_multiple_of(20), "{rate} Hz: {told}");
        assert!(press.length.unwrap().as_millis().abs_diff(100) < 20, "{:?}", press.length);
        assert!((press.level.unwrap().dbm0 + 8.6).abs() < 1.0, "{rate} Hz: {:?}", press.level);
    }
}

#[test]
fn a_key_that_is_held_to_the_end_says_so() {
    let file = wav(PLAIN, &pcm(&key_after(100, 6)[..1_400]));
    let presses = Wav::parse(&file).unwrap().presses(0);
    assert!(presses[0].length.is_none());
    assert_eq!(presses[0].notes, [Note::StillHeld]);
}

#[test]
fn a_file_that_is_cut_or_still_growing_is_read_as_far_as_it_goes() {
    let sound = pcm(&key_after(100, 6));
    let file = wav(PLAIN, &sound);
    let cut = &file[..file.len() - 301];
    assert_eq!(Wav::parse(cut).unwrap().missing(), 301);
    assert!(has(&keys(cut, 0), '6', 100));
    let mut growing = file.clone();
    let size = growing.len() - sound.len() - 4;
    growing[size..size + 4].fill(0);
    assert_eq!(Wav::parse(&growing).unwrap().missing(), 0);
    assert!(has(&keys(&growing, 0), '6', 100));
}

#[test]
fn the_extensible_header_names_its_format_behind_the_others() {
    let plain = wav(PLAIN, &pcm(&key_after(100, 6)));
    let format = &plain[20..36];
    let mut extended = format.to_vec();
    extended[..2].copy_from_slice(&[0xfe, 0xff]);
    extended.extend([22, 0, 16, 0, 4, 0, 0, 0, 1, 0]);
    extended.extend([0; 14]);
    let file = [&plain[..12], b"fmt ", &[40, 0, 0, 0], &extended, &plain[36..]].concat();
    assert!(has(&keys(&file, 0), '6', 100));
}

#[test]
fn what_cannot_be_heard_is_refused_with_what_to_do() {
    let error = |file: &[u8]| Wav::parse(file).unwrap_err();
    let sound = pcm(&[0; 80]);
    assert_eq!(error(b"RIFF"), WavError::NotWav);
    assert_eq!(error(&wav(PLAIN, &sound)[..30]), WavError::NoFormat);
    assert_eq!(error(&wav(PLAIN, &[])), WavError::NoSound);
    assert_eq!(error(&wav(WavForm { channels: 0, ..PLAIN }, &sound)), WavError::NoSound);
    assert_eq!(error(&wav(WavForm { rate: 0, ..PLAIN }, &sound)), WavError::Rate(0));
    let gsm = error(&wav(WavForm { tag: 0x31, bits: 8, ..PLAIN }, &sound));
    assert!(gsm.to_string().contains("GSM 06.10") && gsm.to_string().contains("sox"), "{gsm}");
    let odd = error(&wav(WavForm { bits: 64, ..PLAIN }, &sound));
    assert!(odd.to_string().contains("PCM of 64 bits"), "{odd}");
}

proptest! {
    #[test]
    fn any_bytes_are_a_sound_or_refused(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
        flips in proptest::collection::vec((0_usize..60, any::<u8>()), 0..4), is_wav: bool,
    ) {
        if is_wav {
            bytes = wav(PLAIN, &bytes);
            for (at, value) in flips {
                if let Some(octet) = bytes.get_mut(at) {
                    *octet = value;
                }
            }
        }
        if let Ok(wav) = Wav::parse(&bytes) {
            prop_assert!(wav.channels() > 0);
            let _presses = wav.presses(wav.channels());
        }
    }
}
