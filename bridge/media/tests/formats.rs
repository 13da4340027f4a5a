//! What may arrive: every codec that was agreed, in packets of up to 200 ms.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::{Bench, Stream, address, config, leg, mu_encode, rtp};
use partyline_media::{Codec, Command, Formats, LegConfig, decode};

const HZ: f64 = 400.0;

/// 8 kHz samples of a sine that goes on from sample `from`.
#[expect(clippy::cast_possible_truncation, reason = "a test signal")]
fn sine(from: u32, count: u32) -> Vec<i16> {
    let angle = |n| std::f64::consts::TAU * HZ * f64::from(n) / 8_000.0;
    (from..from + count).map(|n| (8_000.0 * angle(n).sin()) as i16).collect()
}

/// The A-law octet whose value is nearest.
fn a_encode(sample: i16) -> u8 {
    let value = |octet| {
        let mut sample = [0];
        decode(Codec::Pcma, &[octet], &mut sample);
        i32::from(sample[0])
    };
    (0..=255).min_by_key(|&octet| (value(octet) - i32::from(sample)).abs()).unwrap()
}

/// Caller 1 sends a sine in packets of `millis`, each in the codec that `of` says of its number;
/// what caller 2 hears of the last second.
fn heard(bench: &mut Bench, millis: u32, of: impl Fn(u32) -> Codec) -> Vec<i16> {
    let samples = millis * 8;
    for n in 0..2_000 / millis {
        bench.now += Duration::from_millis(10);
        let sound = sine(n * samples, samples);
        let (number, octets): (u8, Vec<u8>) = match of(n) {
            Codec::Pcmu => (0, sound.into_iter().map(mu_encode).collect()),
            Codec::Pcma => (8, sound.into_iter().map(a_encode).collect()),
        };
        let sequence = u16::try_from(n).unwrap() + 200;
        let stream = Stream { sequence, timestamp: 9_000 + n * samples, ssrc: 1 };
        bench.receive(leg(1), address(leg(1)), &rtp(number, false, stream, &octets));
        bench.now += Duration::from_millis(10);
        bench.tick();
        bench.pass(usize::try_from(millis / 20).unwrap() - 1);
    }
    let all = &bench.heard.sound[&leg(2)];
    all[all.len() - 8_000..].to_vec()
}

/// The steepest step of the sine, and what two laws may round away.
fn is_smooth(sound: &[i16]) -> bool {
    let steepest = 8_000.0 * std::f64::consts::TAU * HZ / 8_000.0;
    sound.windows(2).all(|pair| f64::from(pair[0].abs_diff(pair[1])) < steepest + 500.0)
}

fn is_loud(sound: &[i16]) -> bool {
    sound.chunks(160).all(|frame| frame.iter().any(|sample| sample.abs() > 7_000))
}

#[test]
fn either_codec_is_heard_whichever_was_first() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let sound = heard(&mut Bench::with_room(2), 20, |_| codec);
        assert!(is_loud(&sound) && is_smooth(&sound), "{codec:?}");
    }
}

#[test]
fn a_change_of_codec_in_mid_stream_does_not_click() {
    let change = |n| if n / 7 % 2 == 0 { Codec::Pcmu } else { Codec::Pcma };
    let sound = heard(&mut Bench::with_room(2), 20, change);
    assert!(is_loud(&sound) && is_smooth(&sound));
}

#[test]
fn packets_of_up_to_200_ms_are_heard() {
    for millis in [40, 60, 80, 100, 200] {
        let mut bench = Bench::with_room(2);
        let sound = heard(&mut bench, millis, |n| [Codec::Pcmu, Codec::Pcma][n as usize % 2]);
        assert!(is_loud(&sound) && is_smooth(&sound), "{millis} ms");
        assert_eq!(bench.close(leg(1)).dropped.oversized, 0);
    }
}

#[test]
fn longer_packets_are_dropped_and_empty_ones_are_silence() {
    let mut bench = Bench::with_room(2);
    for (sequence, octets) in [(105, 1_601), (106, 0), (107, 1_600)] {
        let stream = Stream { sequence, timestamp: 9_000, ssrc: 1 };
        bench.receive(leg(1), address(leg(1)), &rtp(0, false, stream, &vec![0xff; octets]));
    }
    bench.pass(20);
    let stats = bench.close(leg(1));
    assert_eq!((stats.dropped.oversized, stats.received_packets), (1, 5 + 3));
}

#[test]
fn a_codec_that_was_not_agreed_is_not_decoded() {
    let mut bench = Bench::with_room(2);
    let only = LegConfig { receive: Formats::new(0, Codec::Pcmu), ..config(leg(1)) };
    bench.command(Command::Update { leg: leg(1), config: Box::new(only) });
    let sound = heard(&mut bench, 20, |_| Codec::Pcma);
    assert!(sound.iter().all(|&sample| sample == 0));
    assert!(bench.close(leg(1)).dropped.payload_type >= 100);
}

#[test]
fn the_first_of_two_codecs_for_one_number_counts() {
    let both = [(96, Codec::Pcma), (96, Codec::Pcmu), (200, Codec::Pcmu)];
    let formats: Formats = both.into_iter().collect();
    assert_eq!(formats, Formats::new(96, Codec::Pcma));
    assert_eq!(format!("{formats:?}"), "{96: Pcma}");
}
