//! Keys that we press: what the far end gets, and what it does not.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Bench, EVENT_TYPE, config, leg, mu, mu_encode};
use partyline_dtmf::{Detector, Event as Tone};
use partyline_media::{
    ClockRate, Command, Direction, Event, InBand, KeyQueue, LegConfig, TelephoneEvent,
};

/// One packet that a phone got.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Got {
    payload_type: u8,
    marker: bool,
    sequence: u16,
    timestamp: u32,
    payload: Vec<u8>,
}

fn got(bench: &Bench) -> Vec<Got> {
    let packets = &bench.heard.packets[&leg(1)];
    let parse = |bytes: &Vec<u8>| Got {
        payload_type: bytes[1] & 0x7f,
        marker: bytes[1] & 0x80 != 0,
        sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
        timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        payload: bytes[12..].to_vec(),
    };
    packets.iter().map(|(_, bytes)| parse(bytes)).collect()
}

fn press(bench: &mut Bench, keys: &str) {
    let keys = Box::new(KeyQueue::dial(keys).unwrap());
    bench.command(Command::SendKeys { leg: leg(1), keys });
}

fn keys_sent(bench: &Bench) -> usize {
    bench
        .events
        .iter()
        .filter(|event| matches!(event, Event::KeysSent { leg } if leg.0 == 1))
        .count()
}

fn update(bench: &mut Bench, change: impl FnOnce(&mut LegConfig)) {
    let mut config = config(leg(1));
    change(&mut config);
    bench.command(Command::Update { leg: leg(1), config: Box::new(config) });
}

/// The keys in sound, as our own detector hears them.
fn keys_in(sound: &[i16]) -> Vec<u8> {
    let mut codes = Vec::new();
    let mut detector = Detector::new();
    detector.push(sound, &mut |event| {
        if let Tone::Down { code, .. } = event {
            codes.push(code);
        }
    });
    codes
}

#[test]
fn events_take_the_place_of_the_sound_and_the_stream_runs_on() {
    let mut bench = Bench::with_room(2);
    press(&mut bench, "*7");
    bench.say(&[(1, 0), (2, 4_000)], 25);
    let got = got(&bench);
    for pair in got.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
    }
    let first = got.iter().position(|p| p.payload_type == EVENT_TYPE).unwrap();
    let start = got[first].timestamp;
    for (key, code) in (0..).zip([10, 7]) {
        let press = &got[first + key * 10..][..10];
        let wanted: [(u8, u16); 7] = [
            (0x0a, 160),
            (0x0a, 320),
            (0x0a, 480),
            (0x0a, 640),
            (0x8a, 800),
            (0x8a, 800),
            (0x8a, 800),
        ];
        let began = start.wrapping_add(u32::try_from(key * 10 * 160).unwrap());
        for (n, (packet, (flags, duration))) in press.iter().zip(wanted).enumerate() {
            let [high, low] = duration.to_be_bytes();
            assert_eq!(packet.payload, [code, flags, high, low]);
            assert_eq!((packet.timestamp, packet.marker), (began, n == 0));
        }
        for (n, sound) in (7..).zip(&press[7..]) {
            assert_eq!((sound.payload_type, sound.marker), (0, n == 7), "a pause of sound");
            assert_eq!(sound.timestamp, began.wrapping_add(n * 160), "no time is lost");
            assert!(sound.payload.iter().all(|&octet| octet == mu_encode(4_000)));
        }
    }
    assert_eq!(got.iter().filter(|p| p.payload_type == EVENT_TYPE).count(), 14);
    assert_eq!(keys_sent(&bench), 1);
}

#[test]
fn events_go_out_by_the_number_that_the_far_end_gave_them() {
    let mut bench = Bench::with_room(1);
    update(&mut bench, |config| {
        let event = TelephoneEvent::new(EVENT_TYPE, ClockRate::Hz8000);
        config.telephone_event = Some(TelephoneEvent { send: 97, ..event });
    });
    press(&mut bench, "1");
    bench.pass(12);
    let types: Vec<u8> = got(&bench).iter().map(|p| p.payload_type).collect();
    assert_eq!(types.iter().filter(|&&t| t == 97).count(), 7);
    assert!(!types.contains(&EVENT_TYPE));
}

#[test]
fn packets_of_another_length_lose_no_time_to_events() {
    let mut bench = Bench::with_room(1);
    update(&mut bench, |config| config.ptime_ms = 60);
    bench.pass(4);
    press(&mut bench, "5");
    bench.pass(20);
    let got = got(&bench);
    let event = got.iter().find(|p| p.payload_type == EVENT_TYPE).unwrap();
    let after = got.iter().rev().find(|p| p.payload_type == 0).unwrap();
    let since = after.timestamp.wrapping_sub(event.timestamp);
    assert_eq!(since % 160, 0);
    assert!(since >= 7 * 160 && after.payload.len() == 480, "{since}");
}

#[test]
fn without_events_the_keys_are_tones_in_place_of_the_sound() {
    let mut bench = Bench::with_room(2);
    update(&mut bench, |config| config.telephone_event = None);
    bench.forget();
    press(&mut bench, "0*#9");
    bench.say(&[(1, 0), (2, 6_000)], 45);
    let sound = &bench.heard.sound[&leg(1)];
    assert_eq!(keys_in(sound), [0, 10, 11, 9]);
    assert_eq!(sound.last(), Some(&mu(6_000)));
    assert!(!keys_in(&bench.heard.sound[&leg(2)]).contains(&0), "for one leg alone");
    assert_eq!(keys_sent(&bench), 1);
}

#[test]
fn a_tone_that_the_line_sends_back_is_no_key_of_the_far_end() {
    let mut bench = Bench::with_room(1);
    update(&mut bench, |config| {
        config.telephone_event = None;
        config.in_band = InBand::On;
    });
    press(&mut bench, "12");
    for tick in 0..60 {
        bench.now += std::time::Duration::from_millis(10);
        // 200 ms later, 12 dB quieter.
        let sound = bench.heard.sound.get(&leg(1)).map_or(&[][..], Vec::as_slice);
        let from = sound.len().saturating_sub(1_600);
        let back: Vec<u8> = if tick < 10 {
            vec![mu_encode(0); 160]
        } else {
            sound[from..from + 160].iter().map(|&s| mu_encode(s / 4)).collect()
        };
        bench.send(leg(1), &back);
        bench.now += std::time::Duration::from_millis(10);
        bench.tick();
    }
    assert_eq!(bench.digits(leg(1)), "");
    let sound = bench.heard.sound[&leg(1)].clone();
    assert_eq!(keys_in(&sound), [1, 2], "and yet they were sent");
}

#[test]
fn a_leg_on_hold_waits_with_its_keys() {
    let mut bench = Bench::with_room(1);
    update(&mut bench, |config| config.direction = Direction::Inactive);
    press(&mut bench, "5");
    bench.pass(20);
    assert_eq!(keys_sent(&bench), 0);
    update(&mut bench, |_| ());
    bench.forget();
    bench.pass(12);
    let events = got(&bench).iter().filter(|p| p.payload_type == EVENT_TYPE).count();
    assert_eq!((events, keys_sent(&bench)), (7, 1));
}

#[test]
fn a_prompt_waits_for_the_keys() {
    let mut bench = Bench::with_room(1);
    bench.command(Command::Play {
        leg: leg(1),
        playback: partyline_model::PlaybackId(1),
        items: common::queue(&[0]),
    });
    press(&mut bench, "12");
    // It lasts for 25 frames, and the keys take 14.
    bench.pass(38);
    assert_eq!(bench.playbacks_done().len(), 0);
    bench.pass(3);
    assert_eq!(bench.playbacks_done().len(), 1);
}

#[test]
fn what_we_send_is_heard_as_it_was_meant_by_our_own_ears() {
    // Two legs back to back: what one is sent, the other says.
    let mut bench = Bench::with_room(2);
    press(&mut bench, "1180*#");
    let mut carried = 0;
    for _ in 0..90 {
        bench.pass(1);
        let packets: Vec<Vec<u8>> = bench.heard.packets[&leg(1)][carried..]
            .iter()
            .map(|(_, packet)| packet.clone())
            .collect();
        carried += packets.len();
        for packet in packets {
            bench.receive(leg(2), common::address(leg(2)), &packet);
        }
    }
    assert_eq!(bench.digits(leg(2)), "1180*#");
}
