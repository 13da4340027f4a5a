//! Stories of single presses, and a model of callers and the ways of their keys.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use Source::{InBand, Info, TelephoneEvent};

/// Reports as (milliseconds, source, key, down or up); the digits that come of them.
fn digits(reports: &[(u64, Source, char, bool)]) -> String {
    let mut arbiter = Arbiter::new();
    let mut text = String::new();
    for &(at, source, key, down) in reports {
        let digit = Digit::from_char(key).unwrap_or(Digit::STAR);
        let now = Time::from_millis(at);
        if down {
            arbiter.down(now, source, digit, &mut |digit| text.push(digit.to_char()));
        } else {
            arbiter.up(now, source, digit);
        }
    }
    text
}

#[test]
fn one_press_heard_three_ways_is_one_digit() {
    let event = [(0, TelephoneEvent, '5', true), (120, TelephoneEvent, '5', false)];
    let tone = [(70, InBand, '5', true), (180, InBand, '5', false)];
    let info = [(300, Info, '5', true)];
    assert_eq!(digits(&[event[0], tone[0], event[1], tone[1], info[0]]), "5");
    // The tone comes 200 ms after the event is over.
    let late = [(320, InBand, '5', true), (420, InBand, '5', false)];
    assert_eq!(digits(&[event[0], event[1], info[0], late[0], late[1]]), "5");
    // INFO comes first, or retransmitted.
    assert_eq!(digits(&[(0, Info, '5', true), (60, InBand, '5', true)]), "5");
    assert_eq!(digits(&[event[0], event[1], (800, Info, '5', true)]), "5");
}

#[test]
fn the_same_key_pressed_twice_is_two_digits() {
    for source in [TelephoneEvent, InBand, Info] {
        let twice = [
            (0, source, '1', true),
            (80, source, '1', false),
            (100, source, '1', true),
            (180, source, '1', false),
        ];
        assert_eq!(digits(&twice), "11");
    }
}

#[test]
fn two_quick_presses_heard_three_ways_are_two_digits() {
    assert_eq!(
        digits(&[
            (0, TelephoneEvent, '1', true),
            (60, InBand, '1', true),
            (80, TelephoneEvent, '1', false),
            (140, InBand, '1', false),
            (150, Info, '1', true),
            (180, TelephoneEvent, '1', true),
            (240, InBand, '1', true),
            (260, TelephoneEvent, '1', false),
            (320, InBand, '1', false),
            (330, Info, '1', true),
        ]),
        "11"
    );
}

#[test]
fn a_source_that_misses_a_press_does_not_double_or_lose_the_next() {
    assert_eq!(
        digits(&[
            (0, TelephoneEvent, '1', true),
            (80, TelephoneEvent, '1', false),
            (200, TelephoneEvent, '1', true),
            (260, InBand, '1', true),
            (280, TelephoneEvent, '1', false),
            (340, InBand, '1', false),
        ]),
        "11"
    );
}

#[test]
fn a_second_press_that_only_the_tone_shows_is_a_digit() {
    assert_eq!(
        digits(&[
            (0, TelephoneEvent, '1', true),
            (60, InBand, '1', true),
            (80, TelephoneEvent, '1', false),
            (140, InBand, '1', false),
            (200, InBand, '1', true),
            (280, InBand, '1', false),
        ]),
        "11"
    );
}

#[test]
fn a_third_press_counts_while_the_tone_of_the_first_is_still_reported() {
    let press = |at| [(at, TelephoneEvent, '1', true), (at + 80, TelephoneEvent, '1', false)];
    let tone = [(260, InBand, '1', true), (380, InBand, '1', false)];
    let [first, second, third] = [press(0), press(170), press(300)];
    let reports = [first[0], first[1], second[0], second[1], tone[0], third[0], third[1], tone[1]];
    assert_eq!(digits(&reports), "111");
}

#[test]
fn a_tone_with_holes_under_a_held_event_is_one_digit() {
    assert_eq!(
        digits(&[
            (0, TelephoneEvent, '8', true),
            (60, InBand, '8', true),
            (400, InBand, '8', false),
            (700, InBand, '8', true),
            (900, TelephoneEvent, '8', false),
            (960, InBand, '8', false),
            (1_100, Info, '8', true),
        ]),
        "8"
    );
}

#[test]
fn different_keys_and_late_presses_are_digits_of_their_own() {
    assert_eq!(
        digits(&[
            (0, TelephoneEvent, '1', true),
            (50, TelephoneEvent, '1', false),
            (60, InBand, '2', true),
            (100, InBand, '2', false),
            (400, InBand, '1', true),
            (450, InBand, '1', false),
            (2_000, Info, '1', true),
        ]),
        "1211"
    );
}

/// Presses by telephone event alone, each of 80 ms and 200 ms apart, from `at` on.
fn proven(at: u64) -> Vec<(u64, Source, char, bool)> {
    let press = |n: u64, key| {
        [(at + n * 200, TelephoneEvent, key, true), (at + n * 200 + 80, TelephoneEvent, key, false)]
    };
    [press(0, '1'), press(1, '2'), press(2, '3')].concat()
}

#[test]
fn a_tone_without_an_event_is_withheld_once_events_are_proven() {
    let mut reports = proven(0);
    reports.extend([(2_000, InBand, '7', true), (2_080, InBand, '7', false)]);
    assert_eq!(digits(&reports), "123");
    // An event goes on as if nothing had been.
    let mut goes_on = reports.clone();
    goes_on.extend([(3_000, TelephoneEvent, '4', true), (3_080, TelephoneEvent, '4', false)]);
    goes_on.extend([(4_000, InBand, '8', true), (4_080, InBand, '8', false)]);
    assert_eq!(digits(&goes_on), "1234");
    // Two tones half a minute apart are no caller who keys.
    reports.extend([(32_000, InBand, '8', true), (32_080, InBand, '8', false)]);
    assert_eq!(digits(&reports), "123");
}

#[test]
fn the_second_tone_without_an_event_brings_the_first_with_it() {
    let mut reports = proven(0);
    for (n, key) in (0..).zip("*66".chars()) {
        reports
            .extend([(2_000 + n * 300, InBand, key, true), (2_080 + n * 300, InBand, key, false)]);
    }
    assert_eq!(digits(&reports), "123*66");
    // From there on tones count at once.
    reports.extend([(9_000, InBand, '1', true), (9_080, InBand, '1', false)]);
    assert_eq!(digits(&reports), "123*661");
}

#[test]
fn an_event_that_follows_its_tone_takes_the_withheld_one_for_its_own() {
    let mut reports = proven(0);
    reports.extend([
        (2_000, InBand, '7', true),
        (2_040, TelephoneEvent, '7', true),
        (2_080, InBand, '7', false),
        (2_120, TelephoneEvent, '7', false),
    ]);
    assert_eq!(digits(&reports), "1237");
}

#[test]
fn a_far_end_that_may_be_another_is_not_doubted() {
    let mut arbiter = Arbiter::new();
    for (at, source, key, down) in proven(0) {
        let (now, digit) = (Time::from_millis(at), Digit::from_char(key).unwrap());
        if down {
            arbiter.down(now, source, digit, &mut |_| ());
        } else {
            arbiter.up(now, source, digit);
        }
    }
    assert!(arbiter.events_are_proven());
    arbiter.forget_ways();
    let mut heard = 0;
    arbiter.down(Time::from_secs(2), InBand, Digit::STAR, &mut |_| heard += 1);
    assert_eq!(heard, 1);
}

#[test]
fn info_at_the_end_of_a_long_press_is_not_a_second_digit() {
    assert_eq!(
        digits(&[
            (0, TelephoneEvent, '1', true),
            (5_000, Info, '1', true),
            (5_020, TelephoneEvent, '1', false),
        ]),
        "1"
    );
    assert_eq!(digits(&[(0, InBand, '1', true), (5_000, Info, '1', true)]), "1");
}

/// How one far end's keys come: which sources, and how late each is.
#[derive(Clone, Debug)]
struct Ways {
    event: bool,
    tone: bool,
    info: bool,
    /// Network and jitter buffer, in milliseconds.
    network: u64,
    buffer: u64,
    /// INFO goes out when the key is let go, not when it goes down.
    info_at_up: bool,
    signalling: u64,
}

/// One press and what becomes of its signs.
#[derive(Clone, Debug)]
struct Pressed {
    key: u8,
    on: u64,
    pause: u64,
    jitter: u64,
    /// The one source that misses it, if another has it: 0 event, 1 tone, 2 INFO.
    missed: u8,
    /// The tone has a hole of 60 ms in its middle.
    hole: bool,
    /// INFO is lost and sent again after 500 ms.
    info_again: bool,
}

fn ways() -> impl Strategy<Value = Ways> {
    let sources = (1_u8..8, 0_u64..100, 0_u64..120);
    (sources, any::<bool>(), 0_u64..100).prop_map(
        |((sources, network, buffer), info_at_up, signalling)| Ways {
            event: sources & 1 != 0,
            tone: sources & 2 != 0,
            info: sources & 4 != 0,
            network,
            buffer,
            info_at_up,
            signalling,
        },
    )
}

fn pressed() -> impl Strategy<Value = Pressed> {
    let times = (prop_oneof![9 => 60_u64..400, 1 => 1_000_u64..20_000], 60_u64..600, 0_u64..30);
    (0_u8..3, times, 0_u8..12, any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(key, (on, pause, jitter), missed, hole, info_again)| Pressed {
            key,
            on,
            pause,
            jitter,
            missed,
            hole,
            info_again,
        },
    )
}

/// The reports in the order in which they come, and what was pressed.
fn story(ways: &Ways, presses: &[Pressed]) -> (Vec<(u64, Source, char, bool)>, String) {
    let (mut reports, mut text) = (Vec::new(), String::new());
    let (mut at, mut last_info) = (1_000, 0);
    for (index, press) in presses.iter().enumerate() {
        let key = char::from(b'1' + press.key);
        text.push(key);
        let others = |missed: u8| match missed {
            // A tone alone is doubted on purpose, once events are proven.
            0 => ways.info || ways.tone && index < PROVEN,
            1 => ways.event || ways.info,
            _ => ways.event || ways.tone,
        };
        let lost = |source| press.missed == source && others(source);
        let (down, up) = (at + ways.network, at + press.on + ways.network);
        if ways.event && !lost(0) {
            reports.push((down + press.jitter, TelephoneEvent, key, true));
            reports.push((up + press.jitter, TelephoneEvent, key, false));
        }
        if ways.tone && !lost(1) {
            let heard = |at| at + ways.buffer;
            reports.push((heard(down) + 45, InBand, key, true));
            if press.hole && ways.event && !lost(0) && press.on > 300 {
                reports.push((heard(down) + 120, InBand, key, false));
                reports.push((heard(down) + 180, InBand, key, true));
            }
            reports.push((heard(up) + 20, InBand, key, false));
        }
        if ways.info && !lost(2) {
            let sent = if ways.info_at_up { at + press.on } else { at };
            let again = if press.info_again && ways.info_at_up { 500 } else { 0 };
            // Requests of a dialog come in order.
            last_info = (sent + ways.signalling + again).max(last_info + 1);
            reports.push((last_info, Info, key, true));
        }
        at += press.on + press.pause;
        // A press that one source missed and another of the same key cannot be told apart when the
        // second comes before the first can be given up: callers wait for an answer.
        if press.missed < 3 {
            at += 1_300;
        }
    }
    reports.sort_by_key(|&(at, ..)| at);
    (reports, text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_digits_are_those_that_were_pressed(ways in ways(), presses in vec(pressed(), 1..12)) {
        let (reports, pressed) = story(&ways, &presses);
        prop_assert_eq!(digits(&reports), pressed);
    }
}
