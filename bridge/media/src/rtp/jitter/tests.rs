//! Networks in miniature: when packets arrive, and what is played.

use super::*;

/// Packets of 20 ms, packet `n` filled with the octet `n % 251`.
struct Line {
    buffer: JitterBuffer,
    now: Time,
    /// For each tick: what was played.
    played: Vec<Tick>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tick {
    /// The octets heard, one for each run.
    octets: Vec<u8>,
    heard: usize,
    lost: usize,
    silent: usize,
}

fn mu(octets: &[u8]) -> Sound<'_> {
    Sound { codec: Codec::Pcmu, octets }
}

fn octet(n: u16) -> u8 {
    u8::try_from(n % 251).unwrap()
}

impl Line {
    fn new() -> Self {
        Self { buffer: JitterBuffer::new(Time::ZERO), now: Time::from_secs(1), played: Vec::new() }
    }

    fn insert(&mut self, n: u16) -> Inserted {
        let timestamp = u32::from(n) * 160;
        self.buffer.insert(self.now, (n, timestamp), false, mu(&[octet(n); 160]))
    }

    fn tick(&mut self, quiet: bool) -> Tick {
        self.buffer.begin_tick(self.now, quiet);
        let mut tick = Tick::default();
        let mut left = 160;
        while left > 0 {
            left -= match self.buffer.next_run(left) {
                Run::Audio(Sound { octets, .. }) => {
                    tick.octets.push(octets[0]);
                    tick.heard += octets.len();
                    octets.len()
                }
                Run::Lost(count) => {
                    tick.lost += count;
                    count
                }
                Run::Silence(count) => {
                    tick.silent += count;
                    count
                }
            };
        }
        self.played.push(tick.clone());
        tick
    }

    /// Plays what arrives at these milliseconds, with ticks every 20 ms from zero on, to the end.
    fn run(&mut self, mut arrivals: Vec<(u64, u16)>, ticks: u64, quiet: bool) {
        arrivals.sort_unstable();
        let start = self.now.as_millis();
        let mut arrivals = arrivals.into_iter().peekable();
        for tick in 0..ticks {
            while let Some((at, n)) = arrivals.next_if(|&(at, _)| at < tick * 20) {
                self.now = Time::from_millis(start + at);
                self.insert(n);
            }
            self.now = Time::from_millis(start + tick * 20);
            self.tick(quiet);
        }
    }

    fn heard(&self) -> usize {
        self.played.iter().map(|tick| tick.heard).sum()
    }

    fn lost(&self) -> usize {
        self.played.iter().map(|tick| tick.lost).sum()
    }
}

/// A small generator of our own, so that a seed means the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        (self.0 >> 33) % bound
    }
}

/// Packets sent every 20 ms that take `delay` ms.
fn sent(count: u16, mut delay: impl FnMut(u16) -> u64) -> Vec<(u64, u16)> {
    (0..count).map(|n| (u64::from(n) * 20 + delay(n), n)).collect()
}

#[test]
fn a_clean_line_is_played_whole_and_at_most_one_frame_late() {
    for phase in 0..20 {
        let mut line = Line::new();
        line.run(sent(100, |_| phase), 103, false);
        assert_eq!(line.heard(), 100 * 160, "phase {phase}");
        assert!(line.played[..100].iter().all(|tick| tick.lost == 0), "phase {phase}");
        // Packet 50 arrives at 1,000 ms and its phase: it is heard from the tick after that on,
        // or from the one after when that came within 5 ms.
        let tick = line.played.iter().position(|tick| tick.octets.contains(&50)).unwrap();
        let delay = u64::try_from(tick).unwrap() * 20 - 1_000 - phase;
        assert!((5..=25).contains(&delay), "phase {phase}: {delay} ms");
    }
}

#[test]
fn moderate_jitter_costs_little_and_the_delay_stays_bounded() {
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let mut line = Line::new();
        line.run(sent(1_000, |_| dice.below(40)), 1_010, false);
        // Every packet counts that was not heard, after the first second has taught the jitter.
        let missed: usize = line.played[50..1_000].iter().map(|tick| 160 - tick.heard).sum();
        assert!(missed < 950 * 160 / 100, "seed {seed}: {missed} samples missed");
        let late = line.played.iter().rposition(|tick| tick.heard > 0).unwrap();
        assert!(late <= 999 + 5, "seed {seed}: the last packet is played in tick {late}");
    }
}

#[test]
fn random_loss_conceals_exactly_what_is_lost() {
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let mut line = Line::new();
        let arrivals: Vec<_> =
            sent(1_000, |_| 10).into_iter().filter(|_| dice.below(20) != 0).collect();
        let packets = arrivals.iter().filter(|(_, n)| *n > 0).count();
        line.run(arrivals, 1_001, false);
        let missing = 999 - packets;
        assert!(line.heard() >= packets * 160, "seed {seed}");
        assert!(line.lost().abs_diff(missing * 160) <= 3 * 160, "seed {seed}: {}", line.lost());
    }
}

#[test]
fn packets_out_of_order_within_the_delay_are_played_in_order() {
    let mut line = Line::new();
    // Packets 10 and 11 change places from then on every tenth: the first teaches the delay.
    line.run(sent(300, |n| if n % 10 == 0 { 35 } else { 10 }), 306, false);
    let octets: Vec<u8> = line.played[60..].iter().flat_map(|tick| tick.octets.clone()).collect();
    let wrong = octets.windows(2).filter(|w| w[1] != w[0] && w[1] != (w[0] + 1) % 251).count();
    assert_eq!(wrong, 0);
    assert!(line.played[60..300].iter().all(|tick| tick.heard == 160));
}

#[test]
fn duplicates_and_late_packets_are_told_apart() {
    let mut line = Line::new();
    line.run(sent(20, |_| 10).into_iter().filter(|&(_, n)| n != 10).collect(), 21, false);
    assert_eq!(line.insert(10), Inserted::Late);
    assert_eq!(line.insert(10), Inserted::Duplicate);
    assert_eq!(line.insert(15), Inserted::Duplicate);
    assert_eq!(line.insert(20), Inserted::Stored);
}

#[test]
fn a_gap_in_time_without_a_gap_in_numbers_is_silence() {
    let mut line = Line::new();
    line.run(sent(10, |_| 10), 40, false);
    // The sender paused: number 10 stands 600 ms after number 9 and arrives then.
    line.now = Time::from_millis(line.now.as_millis() + 10);
    let timestamp = 40 * 160;
    let inserted = line.buffer.insert(line.now, (10, timestamp), true, mu(&[10; 160]));
    assert_ne!(inserted, Inserted::Late);
    line.now = Time::from_millis(line.now.as_millis() + 10);
    let next = line.tick(false);
    assert_eq!((next.lost, next.octets.first()), (0, Some(&10)));
    assert!(line.lost() <= 80 * 8 + 160, "concealment ends: {}", line.lost());
}

#[test]
fn telephone_events_leave_no_loss_behind() {
    let mut line = Line::new();
    line.run(sent(10, |_| 10), 11, false);
    for n in 10..15 {
        line.now = Time::from_millis(line.now.as_millis() + 10);
        line.buffer.insert(line.now, (n, 1_600), n == 10, mu(&[]));
        line.now = Time::from_millis(line.now.as_millis() + 10);
        assert_eq!(line.tick(false).lost, 0);
    }
    line.now = Time::from_millis(line.now.as_millis() + 10);
    assert_eq!(line.insert(15), Inserted::Stored);
    line.now = Time::from_millis(line.now.as_millis() + 10);
    assert_eq!(line.tick(false).octets, [15]);
}

#[test]
fn a_jump_of_the_numbers_is_believed_at_the_second_packet() {
    for jump in [45_000_u16, 40_000] {
        let mut line = Line::new();
        line.run(sent(10, |_| 10), 11, false);
        let from = 10_u16.wrapping_add(jump);
        let at = |n: u16| (n, 77_000_000 + u32::from(n) * 160);
        assert_eq!(line.buffer.insert(line.now, at(from), false, mu(&[1; 160])), Inserted::Jumped);
        let second = line.buffer.insert(line.now, at(from.wrapping_add(1)), false, mu(&[2; 160]));
        assert_eq!(second, Inserted::Restarted);
        line.now = Time::from_millis(line.now.as_millis() + 20);
        assert_eq!(line.tick(false).octets, [2]);
    }
}

/// Plays 12 s of packets of `millis`, complete at their end and `delay` ms on the way.
fn packets_of(millis: u64, mut delay: impl FnMut(u16) -> Option<u64>) -> Line {
    let mut line = Line::new();
    let octets = usize::try_from(millis * 8).unwrap();
    let mut arrivals: Vec<_> = (0..u16::try_from(12_000 / millis).unwrap())
        .filter_map(|n| Some(((u64::from(n) + 1) * millis + delay(n)?, n)))
        .collect();
    arrivals.sort_unstable();
    let mut arrivals = arrivals.into_iter().peekable();
    for tick in 0..600_u64 {
        while let Some((at, n)) = arrivals.next_if(|&(at, _)| at < tick * 20) {
            line.now = Time::from_millis(1_000 + at);
            let at = (n, u32::try_from(u64::from(n) * millis * 8).unwrap());
            let stored = line.buffer.insert(line.now, at, false, mu(&vec![octet(n); octets]));
            assert_ne!(stored, Inserted::Oversized, "{millis} ms");
        }
        line.now = Time::from_millis(1_000 + tick * 20);
        line.tick(false);
    }
    line
}

#[test]
fn packets_of_any_length_are_cut_to_ticks() {
    for millis in [10, 30, 40, 60, 80, 100, 120, 150, 200] {
        for phase in [1, 10, 19] {
            let line = packets_of(millis, |_| Some(phase));
            // Packets that are no whole number of ticks teach their own jitter first.
            let begin =
                if millis % 20 == 0 { usize::try_from(millis / 20 + 3).unwrap() } else { 50 };
            let heard = |tick: &Tick| tick.heard == 160;
            assert!(line.played[begin..].iter().all(heard), "{millis} ms, phase {phase}");
            // The first octet of a packet is heard as soon as a tick after its arrival may.
            let first = line.played.iter().position(|tick| tick.heard > 0).unwrap();
            let delay = u64::try_from(first).unwrap() * 20 - millis - phase;
            assert!(delay <= 25, "{millis} ms, phase {phase}: {delay} ms late");
            let order: Vec<u8> =
                line.played.iter().flat_map(|tick| tick.octets.iter().copied()).collect();
            assert!(order.windows(2).all(|w| w[1] == w[0] || w[1] == (w[0] + 1) % 251));
        }
    }
}

#[test]
fn long_packets_may_come_late_or_be_lost() {
    let mut dice = Dice(3);
    let jittery = packets_of(200, |_| Some(10 + dice.below(40)));
    let missed: usize = jittery.played[100..].iter().map(|tick| 160 - tick.heard).sum();
    assert!(missed < 500 * 160 / 100, "{missed} samples missed");

    let lossy = packets_of(200, |n| (n % 10 != 5).then_some(10));
    assert_eq!(lossy.heard() / 160, 600 - 11 - 6 * 10, "the others are heard whole");
    assert!((4..=6).contains(&(lossy.lost() / 160 / 6)), "and a loss is concealed until it fades");
}

#[test]
fn each_packet_keeps_its_codec() {
    let mut line = Line::new();
    let mut codecs = Vec::new();
    for n in 0..6_u16 {
        let codec = if n % 2 == 0 { Codec::Pcmu } else { Codec::Pcma };
        let octets = [octet(n); 160];
        line.now = Time::from_millis(1_010 + u64::from(n) * 20);
        let at = (n, u32::from(n) * 160);
        line.buffer.insert(line.now, at, false, Sound { codec, octets: &octets });
        line.now = Time::from_millis(1_020 + u64::from(n) * 20);
        line.buffer.begin_tick(line.now, false);
        let mut left = 160;
        while left > 0 {
            left -= match line.buffer.next_run(left) {
                Run::Audio(Sound { codec, octets }) => {
                    codecs.push((octets[0], codec));
                    octets.len()
                }
                Run::Lost(count) | Run::Silence(count) => count,
            };
        }
    }
    codecs.dedup();
    assert!(codecs.len() >= 5, "{codecs:?}");
    for (octet, codec) in codecs {
        assert_eq!(codec == Codec::Pcma, octet % 2 == 1);
    }
}

#[test]
fn a_burst_after_an_outage_does_not_leave_its_delay_behind() {
    let mut line = Line::new();
    // Packets 50 to 80 are held up and come all at once.
    line.run(
        sent(400, |n| if (50..80).contains(&n) { 10 + u64::from(80 - n) * 20 } else { 10 }),
        405,
        true,
    );
    let tick = line.played.iter().rposition(|tick| tick.octets.contains(&octet(399))).unwrap();
    assert!(tick <= 399 + 2, "packet 399 is played in tick {tick}");
    assert!(line.played[90..395].iter().filter(|tick| tick.heard < 150).count() <= 10);
}

#[test]
fn delay_that_is_not_needed_is_given_back_in_quiet_moments() {
    let mut line = Line::new();
    let mut dice = Dice(7);
    line.run(sent(600, |n| if n < 100 { dice.below(60) } else { 5 }), 605, true);
    let disturbed = line.played.iter().take(80).filter(|tick| tick.heard < 160).count();
    assert!(disturbed > 1, "there was jitter to be learnt");
    // 590 wraps to an octet seen before: look at the last one only.
    let last = line.played.iter().rposition(|tick| tick.octets.contains(&octet(590))).unwrap();
    assert!(last <= 591, "packet 590 is played in tick {last}");
}

#[test]
fn a_sender_whose_clock_is_off_is_followed() {
    for (name, every_micros) in [("fast", 19_996_u64), ("slow", 20_004)] {
        let mut line = Line::new();
        let arrivals = (0..30_000_u64)
            .map(|n| ((n * every_micros + 10_000) / 1_000, u16::try_from(n).unwrap()))
            .collect();
        line.run(arrivals, 29_900, true);
        let missed: usize = line.played[5..].iter().map(|tick| 160 - tick.heard).sum();
        assert!(missed <= 160 * 20, "{name}: {missed} samples missed in ten minutes");
    }
}

proptest::proptest! {
    #[test]
    fn any_packets_in_any_order_fill_every_tick(
        packets in proptest::collection::vec(
            (0..70_u64, 0..40_u16, 0..8_000_u32, 0..1_601_usize, proptest::bool::ANY), 1..200,
        ),
    ) {
        let mut line = Line::new();
        for (wait, sequence, timestamp, len, marker) in packets {
            line.now = Time::from_millis(line.now.as_millis() + wait);
            line.buffer.insert(line.now, (sequence, timestamp), marker, mu(&[1; MAX_PAYLOAD][..len]));
            if wait > 15 {
                let tick = line.tick(marker);
                proptest::prop_assert_eq!(tick.heard + tick.lost + tick.silent, 160);
            }
        }
    }
}
