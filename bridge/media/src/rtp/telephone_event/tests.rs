//! What becomes of presses on a bad way, at every clock.

use proptest::collection::vec;
use proptest::prelude::*;

use super::encoder::{Encoder, EventPacket};
use super::*;

/// Packets of a press as (milliseconds, sequence, timestamp, code, end, duration, marker).
type Row = (u64, u16, u32, u8, bool, u16, bool);

fn heard(rows: &[Row]) -> String {
    let mut decoder = Decoder::new(ClockRate::Hz8000);
    let mut text = String::new();
    let mut report = |key: Key| match key {
        Key::Down(digit) => text.push(digit.to_char()),
        Key::Again(_) => text.push('+'),
        Key::Up(_) => text.push('.'),
    };
    let mut last = 0;
    for &(at, sequence, timestamp, code, end, duration, marker) in rows {
        let [high, low] = duration.to_be_bytes();
        let payload = [code, if end { 0x8a } else { 0x0a }, high, low];
        let packet =
            Packet { payload_type: 101, marker, sequence, timestamp, ssrc: 7, payload: &payload };
        assert!(decoder.handle(Time::from_millis(at), &packet, &mut report));
        last = at;
    }
    decoder.handle_timeout(Time::from_millis(last + 200), &mut report);
    text
}

#[test]
fn a_press_is_one_digit() {
    let press: [Row; 6] = [
        (0, 1, 1000, 5, false, 160, true),
        (20, 2, 1000, 5, false, 320, false),
        (40, 3, 1000, 5, false, 480, false),
        (60, 4, 1000, 5, true, 640, false),
        (60, 5, 1000, 5, true, 640, false),
        (60, 6, 1000, 5, true, 640, false),
    ];
    assert_eq!(heard(&press), "5.");
    // Any part of it is enough, in order or not.
    for from in 0..6 {
        for to in from..6 {
            assert_eq!(heard(&press[from..=to]), "5.");
        }
    }
    assert_eq!(heard(&[press[1], press[0], press[3], press[2], press[5], press[4]]), "5.");
}

#[test]
fn the_same_key_twice_is_two_digits() {
    let twice: [Row; 4] = [
        (0, 1, 1000, 5, false, 160, true),
        (20, 2, 1000, 5, true, 320, false),
        (100, 3, 1800, 5, false, 160, true),
        (120, 4, 1800, 5, true, 320, false),
    ];
    assert_eq!(heard(&twice), "5.5.");
    // The end of the first and the beginning of the second are lost.
    assert_eq!(heard(&[twice[0], twice[3]]), "5.5.");
    // Every end is lost.
    assert_eq!(heard(&[twice[0], twice[2]]), "5.5.");
}

#[test]
fn repeated_ends_of_the_last_press_do_not_press_again() {
    assert_eq!(
        heard(&[
            (0, 1, 1000, 5, true, 320, false),
            (20, 4, 1400, 6, false, 160, true),
            (21, 2, 1000, 5, true, 320, false),
            (40, 5, 1400, 6, true, 320, false),
            (41, 3, 1000, 5, true, 320, false),
            (300, 3, 1000, 5, true, 320, false),
        ]),
        "5.6."
    );
}

#[test]
fn a_twenty_second_press_in_segments_is_one_digit() {
    let mut rows: Vec<Row> = Vec::new();
    let mut timestamp = 5_000_u32;
    let mut duration = 0_u16;
    for n in 0..1_000_u16 {
        if let Some(longer) = duration.checked_add(160) {
            duration = longer;
        } else {
            timestamp += u32::from(duration);
            duration = 160;
        }
        rows.push((u64::from(n) * 20, n, timestamp, 1, n == 999, duration, n == 0));
    }
    assert_eq!(heard(&rows), "1.");
}

#[test]
fn a_sender_that_renews_the_timestamp_in_every_packet_presses_once() {
    let rows: Vec<Row> = (0..10_u16)
        .map(|n| (u64::from(n) * 20, n, 1000 + u32::from(n) * 160, 9, n == 9, 160, n == 0))
        .collect();
    assert_eq!(heard(&rows), "9.");
}

#[test]
fn events_that_are_no_digits_are_refused() {
    let packet = Packet {
        payload_type: 101,
        marker: true,
        sequence: 1,
        timestamp: 1,
        ssrc: 1,
        payload: &[16, 0, 0, 0],
    };
    let mut decoder = Decoder::new(ClockRate::Hz8000);
    assert!(!decoder.handle(Time::ZERO, &packet, &mut |_| ()));
    assert!(!decoder.handle(Time::ZERO, &Packet { payload: &[1, 0, 0], ..packet }, &mut |_| ()));
    assert!(!decoder.is_held());
}

#[test]
fn a_sender_that_renews_the_timestamp_may_lose_packets() {
    let row = |n: u16, duration| -> Row {
        (u64::from(n) * 20, n, 1000 + u32::from(n) * 160, 9, n == 9, duration, n == 0)
    };
    let constant = [0, 1, 2, 5, 6, 8, 9].map(|n| row(n, 160));
    assert_eq!(heard(&constant), "9.");
    let growing = [0, 3, 4, 9].map(|n| row(n, 160 * (n + 1)));
    assert_eq!(heard(&growing), "9.");
    let reordered = [0, 1, 3, 2, 5, 4, 9].map(|n| row(n, 160));
    assert_eq!(heard(&reordered), "9.");
}

#[test]
fn repeated_ends_with_another_timestamp_do_not_press_again() {
    assert_eq!(
        heard(&[
            (0, 1, 1000, 5, false, 160, true),
            (20, 2, 1000, 5, true, 320, false),
            (20, 3, 1160, 5, true, 320, false),
            (20, 4, 1320, 5, true, 320, false),
        ]),
        "5."
    );
}

#[test]
fn a_press_that_was_cut_in_two_on_the_way_is_one_digit() {
    assert_eq!(
        heard(&[
            (0, 1, 1000, 5, false, 160, true),
            (20, 2, 1000, 5, true, 320, false),
            (40, 4, 1480, 5, false, 160, false),
            (60, 5, 1480, 5, true, 320, false),
        ]),
        "5."
    );
}

#[test]
fn presses_of_a_sender_that_never_moves_its_timestamp_are_all_digits() {
    let mut rows: Vec<Row> = Vec::new();
    for press in 0..3_u16 {
        let (at, sequence) = (u64::from(press) * 200, press * 10);
        rows.push((at, sequence, 1000, 5, false, 160, true));
        rows.push((at + 20, sequence + 1, 1000, 5, false, 320, false));
        rows.push((at + 40, sequence + 2, 1000, 5, true, 480, false));
        rows.push((at + 40, sequence + 3, 1000, 5, true, 480, false));
    }
    assert_eq!(heard(&rows), "5.5.5.");
}

#[test]
fn a_duration_that_saturates_or_wraps_is_one_press() {
    for wraps in [false, true] {
        let rows: Vec<Row> = (0..1_000_u16)
            .map(|n| {
                let duration = if wraps { n.wrapping_mul(160) } else { n.saturating_mul(160) };
                (u64::from(n) * 20, n, 1000, 1, n > 996, duration, n == 0)
            })
            .collect();
        assert_eq!(heard(&rows), "1.");
    }
}

#[test]
fn a_press_whose_sender_is_silent_until_the_key_is_let_go_is_one_digit() {
    // As asterisk-unimrcp#44 shows it: two packets, then nothing for 1.5 s.
    assert_eq!(
        heard(&[
            (0, 1, 1000, 5, false, 160, true),
            (20, 2, 1000, 5, false, 320, false),
            (1_700, 3, 1000, 5, true, 13_600, false),
            (1_700, 4, 1000, 5, true, 13_600, false),
        ]),
        "5.+."
    );
}

#[test]
fn a_segment_counts_although_the_end_of_the_one_before_is_lost() {
    let full = u16::MAX / 160 * 160;
    assert_eq!(
        heard(&[
            (0, 1, 1000, 5, false, 160, true),
            (7_900, 396, 1000, 5, false, full - 40 * 160, false),
            (8_300, 416, 1000 + u32::from(full), 5, false, 800, false),
            (8_320, 417, 1000 + u32::from(full), 5, true, 960, false),
        ]),
        "5.+.+."
    );
}

#[test]
fn a_source_that_changes_under_a_held_key_is_the_same_press() {
    let mut decoder = Decoder::new(ClockRate::Hz8000);
    let mut text = String::new();
    for (ssrc, sequence, timestamp, duration) in
        [(1, 7, 1000, 160_u16), (1, 8, 1000, 320), (2, 900, 77_000, 480), (2, 901, 77_000, 640)]
    {
        let [high, low] = duration.to_be_bytes();
        let payload = [5, 10, high, low];
        let packet = Packet {
            payload_type: 101,
            marker: false,
            sequence,
            timestamp,
            ssrc,
            payload: &payload,
        };
        decoder.handle(Time::from_millis(u64::from(duration / 8)), &packet, &mut |key| {
            text.push(if matches!(key, Key::Down(_)) { 'd' } else { 'u' });
        });
    }
    assert_eq!(text, "d");
}

/// A packet on its way: number, marker, timestamp, payload.
#[derive(Clone, Copy)]
struct Sent(u16, EventPacket);

const CLOCKS: [ClockRate; 3] = [ClockRate::Hz8000, ClockRate::Hz16000, ClockRate::Hz48000];

/// What our own sender makes of presses, as (code, frames, frames of pause), with an audio packet
/// in each frame that has no event.
fn sent(clock: ClockRate, presses: &[(u8, u32, u32)]) -> Vec<Vec<Sent>> {
    let step = u32::from(clock.units_per_frame());
    let (mut sequence, mut timestamp) = (65_500_u16, u32::MAX - 3 * step);
    let mut all = Vec::new();
    for &(code, frames, pause) in presses {
        let digit = Digit::from_event(code).unwrap();
        let mut encoder = Encoder::new(digit, frames, clock, timestamp);
        let packets: Vec<Sent> = std::iter::from_fn(|| encoder.next())
            .map(|packet| {
                sequence = sequence.wrapping_add(1);
                Sent(sequence, packet)
            })
            .collect();
        timestamp = timestamp.wrapping_add((frames + pause) * step);
        sequence = sequence.wrapping_add(u16::try_from(pause - 2).unwrap());
        all.push(packets);
    }
    all
}

/// The digits that come of packets as they arrive, 20 ms apart.
fn decoded(clock: ClockRate, packets: &[Sent]) -> String {
    let times = (0_u64..).map(|n| Time::from_millis(n * 20));
    decoded_at(clock, &times.zip(packets.iter().copied()).collect::<Vec<_>>())
}

fn decoded_at(clock: ClockRate, packets: &[(Time, Sent)]) -> String {
    let mut decoder = Decoder::new(clock);
    let mut text = String::new();
    for &(now, Sent(sequence, sent)) in packets {
        let packet = Packet {
            payload_type: 101,
            marker: sent.marker,
            sequence,
            timestamp: sent.timestamp,
            ssrc: 7,
            payload: &sent.payload,
        };
        decoder.handle(now, &packet, &mut |key| {
            if let Key::Down(digit) = key {
                text.push(digit.to_char());
            }
        });
    }
    text
}

#[test]
fn the_sender_keeps_to_the_rfc() {
    for clock in CLOCKS {
        let step = clock.units_per_frame();
        let packets = &sent(clock, &[(11, 5, 4)])[0];
        assert_eq!(packets.len(), 5 + 2, "the end three times");
        for (n, Sent(_, packet)) in (0_u16..).zip(packets) {
            assert_eq!(packet.marker, n == 0);
            assert_eq!(packet.timestamp, packets[0].1.timestamp);
            let [code, flags, high, low] = packet.payload;
            assert_eq!((code, flags & 0x40), (11, 0), "the reserved bit is zero");
            assert_eq!(flags & 0x80 != 0, n >= 4);
            assert_eq!(u16::from_be_bytes([high, low]), step * (n + 1).min(5));
        }
    }
}

#[test]
fn twenty_seconds_are_sent_in_segments_that_touch() {
    for clock in CLOCKS {
        let packets = &sent(clock, &[(5, 1_000, 10)])[0];
        let mut ends = 0;
        for pair in packets.windows(2) {
            let [(a, from), (b, to)] = [&pair[0].1, &pair[1].1]
                .map(|p| (p, u32::from(u16::from_be_bytes([p.payload[2], p.payload[3]]))));
            assert!(!b.marker);
            if a.timestamp == b.timestamp {
                assert!(to >= from);
            } else {
                assert_eq!(b.timestamp, a.timestamp.wrapping_add(from));
                assert_eq!(a.payload[1] & 0x80, 0, "no end before the last segment");
            }
            ends += u32::from(b.payload[1] & 0x80 != 0);
        }
        assert_eq!(ends, 3);
        assert_eq!(decoded(clock, packets), "5");
    }
}

/// Loses, repeats and shuffles; keeps one packet at least.
fn on_a_bad_way(packets: &[Sent], fates: &[(u8, u16)]) -> Vec<(u16, Sent)> {
    let mut arriving: Vec<(u16, Sent)> = Vec::new();
    for (&packet, &(copies, place)) in packets.iter().zip(fates.iter().cycle()) {
        for copy in 0..u16::from(copies.min(2)) {
            arriving.push((place.wrapping_mul(copy + 1), packet));
        }
    }
    if arriving.is_empty() {
        let survivor = usize::from(fates[0].1) % packets.len();
        arriving.push((0, packets[survivor]));
    }
    arriving
}

fn fates() -> impl Strategy<Value = Vec<(u8, u16)>> {
    vec((0_u8..3, any::<u16>()), 1..40)
}

proptest! {
    #[test]
    fn a_press_of_which_one_packet_arrives_is_one_digit(
        clock in proptest::sample::select(&CLOCKS), code in 0_u8..16, frames in 1_u32..60,
        fates in fates(),
    ) {
        let mut arriving = on_a_bad_way(&sent(clock, &[(code, frames, 5)])[0], &fates);
        arriving.sort_by_key(|&(place, _)| place);
        let packets: Vec<Sent> = arriving.into_iter().map(|(_, packet)| packet).collect();
        prop_assert_eq!(decoded(clock, &packets).len(), 1);
    }

    #[test]
    fn two_presses_of_which_one_packet_each_arrives_are_two_digits(
        clock in proptest::sample::select(&CLOCKS), codes in (0_u8..2, 0_u8..2),
        frames in (2_u32..20, 2_u32..20), pause in 3_u32..30,
        first in fates(), second in fates(),
    ) {
        let presses = [(codes.0, frames.0, pause), (codes.1, frames.1, pause)];
        let sent = sent(clock, &presses);
        let mut arriving = on_a_bad_way(&sent[0], &first);
        arriving.extend(on_a_bad_way(&sent[1], &second));
        arriving.sort_by_key(|&(place, _)| place);
        let packets: Vec<Sent> = arriving.into_iter().map(|(_, packet)| packet).collect();
        let mut text: Vec<char> = decoded(clock, &packets).chars().collect();
        text.sort_unstable();
        let mut wanted = [codes.0, codes.1].map(|c| char::from(b'0' + c));
        wanted.sort_unstable();
        prop_assert_eq!(text, wanted);
    }

    /// Over a way that keeps the order to within a few packets and never fails for a whole
    /// segment, in which the key may be held for as long as anybody likes.
    #[test]
    fn a_long_press_is_one_digit_whatever_is_lost(
        clock in proptest::sample::select(&CLOCKS), frames in 60_u32..1_200,
        lost in vec(0_u32..40, 1..30), swaps in vec(0_usize..3, 1..30),
    ) {
        let mut sent = sent(clock, &[(8, frames, 5)]).remove(0);
        for (at, &swap) in (0..sent.len()).zip(swaps.iter().cycle()) {
            if at + swap < sent.len() {
                sent.swap(at, at + swap);
            }
        }
        let mut arriving = Vec::new();
        let mut left = (0_u64..).map(|n| Time::from_millis(n * 20)).zip(sent);
        for run in lost.iter().cycle() {
            let Some(packet) = left.nth(usize::try_from(*run).unwrap()) else { break };
            arriving.push(packet);
        }
        if !arriving.is_empty() {
            prop_assert_eq!(decoded_at(clock, &arriving), "8");
        }
    }

    #[test]
    fn any_packets_end_with_as_many_ups_as_downs(
        rows in vec((any::<[u8; 4]>(), any::<u16>(), any::<u32>(), 0_u32..2, any::<bool>()), 0..60),
    ) {
        let mut decoder = Decoder::new(ClockRate::Hz48000);
        let (mut downs, mut ups) = (0, 0);
        let mut now = Time::ZERO;
        let mut report = |key| match key {
            Key::Down(_) | Key::Again(_) => downs += 1,
            Key::Up(_) => ups += 1,
        };
        for (mut payload, sequence, timestamp, ssrc, marker) in rows {
            payload[0] %= 18;
            let packet = Packet {
                payload_type: 101, marker, sequence, timestamp: timestamp % 2_000, ssrc,
                payload: &payload,
            };
            decoder.handle(now, &packet, &mut report);
            now += Duration::from_millis(u64::from(sequence) % 250);
        }
        decoder.handle_timeout(now + END_LOST, &mut report);
        prop_assert_eq!(downs, ups);
    }
}
