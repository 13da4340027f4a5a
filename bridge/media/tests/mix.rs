//! Who hears whom, to the bit.

mod common;

use common::{Bench, CLIPS, RECORDING, ROOM, leg, mu, queue};
use partyline_media::{Command, Event, Talk};
use partyline_model::{MixId, PlaybackId};

fn talk(number: u32, talk: Talk) -> Command {
    Command::Talk { leg: leg(number), talk }
}

#[test]
fn each_of_three_hears_the_exact_sum_of_the_other_two() {
    let mut bench = Bench::with_room(4);
    let [a, b, c] = [mu(1_000), mu(-3_500), mu(9_000)];
    bench.say(&[(1, 1_000), (2, -3_500), (3, 9_000), (4, 0)], 10);
    assert_eq!(bench.last(1), mu(b + c));
    assert_eq!(bench.last(2), mu(a + c));
    assert_eq!(bench.last(3), mu(a + b));
    assert_eq!(bench.last(4), mu(a + b + c));
}

#[test]
fn every_sample_of_a_changing_signal_arrives_in_order() {
    let mut bench = Bench::with_room(2);
    bench.command(Command::Record { room: ROOM, recording: RECORDING });
    // Both signs, up to 16,000: below the limiter.
    let octet = |n: u8| (0x10 + n % 100) | (n % 2) << 7;
    let sent: Vec<u8> = (0..=255).cycle().take(1_600).map(octet).collect();
    for part in sent.chunks(160) {
        bench.now += std::time::Duration::from_millis(10);
        bench.send(leg(1), part);
        bench.now += std::time::Duration::from_millis(10);
        bench.tick();
    }
    bench.pass(1);
    let sent: Vec<i16> = sent.iter().map(|&octet| common::mu_decode(octet)).collect();
    assert_eq!(bench.heard.sound[&leg(2)][..1_600], sent);
    assert_eq!(bench.heard.recorded[&RECORDING][..1_600], sent);
}

#[test]
fn nobody_hears_himself() {
    let mut bench = Bench::with_room(2);
    bench.say(&[(1, 8_000), (2, 0)], 10);
    assert!(bench.heard.sound[&leg(1)].iter().all(|&sample| sample == 0));
    assert_eq!(bench.last(2), mu(8_000));
}

#[test]
fn rooms_do_not_hear_each_other() {
    let mut bench = Bench::with_room(2);
    bench.command(Command::Join { leg: leg(2), room: MixId(2) });
    bench.say(&[(1, 8_000), (2, 4_000)], 10);
    assert_eq!((bench.last(1), bench.last(2)), (0, 0));
    bench.command(Command::Join { leg: leg(2), room: ROOM });
    bench.say(&[(1, 8_000), (2, 4_000)], 10);
    assert_eq!((bench.last(1), bench.last(2)), (mu(4_000), mu(8_000)));
    bench.command(Command::Leave { leg: leg(1) });
    bench.say(&[(1, 8_000), (2, 4_000)], 5);
    assert_eq!((bench.last(1), bench.last(2)), (0, 0));
}

#[test]
fn fifty_full_scale_talkers_never_wrap() {
    let mut bench = Bench::with_room(51);
    let talkers: Vec<_> = (1..=50).map(|number| (number, 32_124)).chain([(51, 0)]).collect();
    bench.say(&talkers, 20);
    for number in 1..=51 {
        let sound = &bench.heard.sound[&leg(number)];
        assert!(sound.iter().all(|&sample| sample >= 0), "leg {number} wrapped");
        assert!(bench.last(number) > 20_000, "leg {number} hears {}", bench.last(number));
    }
}

#[test]
fn a_leg_that_may_not_talk_reaches_neither_room_nor_recording() {
    for silence in [Talk::Muted, Talk::Secret] {
        let mut bench = Bench::with_room(3);
        bench.command(Command::Record { room: ROOM, recording: RECORDING });
        bench.command(talk(1, silence));
        bench.say(&[(1, 8_000), (2, 1_000), (3, 0)], 10);
        assert_eq!((bench.last(2), bench.last(3)), (0, mu(1_000)));
        assert_eq!(bench.last(1), mu(1_000), "a muted leg hears on");
        let recorded = &bench.heard.recorded[&RECORDING];
        assert_eq!(recorded.len(), 1_600);
        assert!(recorded.iter().all(|&sample| sample == mu(1_000) || sample == 0));
        bench.command(talk(1, Talk::Open));
        bench.say(&[(1, 8_000), (2, 1_000), (3, 0)], 5);
        assert_eq!(bench.last(3), mu(mu(8_000) + mu(1_000)));
    }
}

#[test]
fn something_urgent_is_heard_at_once_in_place_of_what_plays() {
    let mut bench = Bench::with_room(2);
    bench.command(Command::PlayRoom { room: ROOM, items: queue(&[0, 0, 0]) });
    bench.say(&[(1, 0), (2, 0)], 3);
    bench.command(Command::HushRoom { room: ROOM });
    bench.command(Command::PlayRoom { room: ROOM, items: queue(&[1]) });
    bench.say(&[(1, 0), (2, 0)], 3);
    assert_eq!(bench.last(1), mu(CLIPS[1]));
}

#[test]
fn nothing_of_a_pause_is_in_the_recording() {
    let mut bench = Bench::with_room(2);
    bench.command(Command::Record { room: ROOM, recording: RECORDING });
    bench.say(&[(1, 1_000), (2, 0)], 10);
    bench.command(Command::PauseRecord { recording: RECORDING, paused: true });
    bench.say(&[(1, 8_000), (2, 0)], 10);
    assert_eq!(bench.last(2), mu(8_000), "the call goes on");
    bench.command(Command::PauseRecord { recording: RECORDING, paused: false });
    bench.say(&[(1, 1_000), (2, 0)], 10);
    let recorded = &bench.heard.recorded[&RECORDING];
    assert_eq!(recorded.len(), 20 * 160, "not even silence");
    assert!(recorded[..10 * 160].iter().all(|&sample| sample == mu(1_000) || sample == 0));
}

#[test]
fn a_public_prompt_is_heard_by_all_and_recorded() {
    let mut bench = Bench::with_room(2);
    bench.command(Command::Record { room: ROOM, recording: RECORDING });
    bench.command(Command::PlayRoom { room: ROOM, items: queue(&[0]) });
    bench.say(&[(1, 1_000), (2, 0)], 10);
    assert_eq!(bench.last(1), mu(CLIPS[0]));
    assert_eq!(bench.last(2), mu(CLIPS[0] + mu(1_000)));
    assert_eq!(bench.heard.recorded[&RECORDING].last(), Some(&(CLIPS[0] + mu(1_000))));
    bench.command(Command::PlayRoom { room: ROOM, items: queue(&[1]) });
    bench.say(&[(1, 1_000), (2, 0)], 20);
    assert_eq!(bench.last(1), mu(CLIPS[1]), "the second waits for the first");
    bench.say(&[(1, 1_000), (2, 0)], 25);
    assert_eq!(bench.last(1), 0);
    let played = bench.events.iter().filter(|e| matches!(e, Event::RoomPlayed { room: ROOM }));
    assert_eq!(played.count(), 1);
}

#[test]
fn a_private_prompt_is_heard_by_one_over_a_quieter_room_and_never_recorded() {
    let mut bench = Bench::with_room(3);
    bench.command(Command::Record { room: ROOM, recording: RECORDING });
    let playback = PlaybackId(9);
    bench.command(Command::Play { leg: leg(2), playback, items: queue(&[0, 1]) });
    bench.say(&[(1, 6_000), (2, 0), (3, 0)], 10);
    assert_eq!(bench.last(2), mu(CLIPS[0] + mu(6_000) / 4));
    assert_eq!((bench.last(1), bench.last(3)), (0, mu(6_000)));
    assert!(bench.heard.recorded[&RECORDING].iter().all(|&s| s == 0 || s == mu(6_000)));
    assert!(bench.playbacks_done().is_empty());
    bench.say(&[(1, 6_000), (2, 0), (3, 0)], 42);
    assert_eq!(bench.playbacks_done(), [(leg(2), playback)]);
    assert_eq!(bench.last(2), mu(6_000));
}

#[test]
fn a_prompt_stopped_by_a_key_is_silent_at_the_next_tick_and_reports_no_end() {
    let mut bench = Bench::with_room(1);
    bench.command(Command::Play { leg: leg(1), playback: PlaybackId(1), items: queue(&[0]) });
    bench.pass(3);
    assert_eq!(bench.last(1), mu(CLIPS[0]));
    bench.command(Command::StopPlay { leg: leg(1) });
    bench.pass(40);
    assert_eq!(bench.last(1), 0);
    assert!(bench.playbacks_done().is_empty());
}

#[test]
fn music_stands_in_for_the_room_and_is_ducked_by_a_prompt() {
    let mut bench = Bench::with_room(2);
    bench.command(Command::Music { leg: leg(2), on: true });
    bench.say(&[(1, 8_000), (2, 0)], 5);
    assert_eq!(bench.last(2), mu(500));
    bench.command(Command::Play { leg: leg(2), playback: PlaybackId(1), items: queue(&[0]) });
    bench.say(&[(1, 8_000), (2, 0)], 5);
    assert_eq!(bench.last(2), mu(CLIPS[0] + 500 / 4));
    bench.command(Command::Music { leg: leg(2), on: false });
    bench.command(Command::StopPlay { leg: leg(2) });
    bench.say(&[(1, 8_000), (2, 0)], 5);
    assert_eq!(bench.last(2), mu(8_000));
}

#[test]
fn a_stopped_recording_gets_no_more_frames() {
    let mut bench = Bench::with_room(1);
    bench.command(Command::Record { room: ROOM, recording: RECORDING });
    bench.pass(5);
    bench.command(Command::StopRecord { recording: RECORDING });
    bench.pass(5);
    assert_eq!(bench.heard.recorded[&RECORDING].len(), 5 * 160);
}
