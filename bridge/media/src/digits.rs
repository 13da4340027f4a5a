//! One digit for each press of a key, whichever of three sources heard it, and in whatever order.
//!
//! A phone may send a telephone event while the tone is still in the sound and SIP INFO when the
//! key is let go. Each source reports each press at most once; so the nth report of a source is
//! matched with the earliest press of that key that this source has not claimed, if that press is
//! recent enough for this source. What matches none is a new press. A second press of the same
//! key therefore counts, however soon: the source that reports it first has claimed the first.
//! Only a tone may come twice in one press: it may have holes, the event that holds the key not.

use std::time::Duration;

use partyline_model::{Digit, Time};

/// Who heard a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A telephone event (RFC 4733).
    TelephoneEvent,
    /// A tone in the sound: some 40 ms late, and by the jitter buffer's delay.
    InBand,
    /// SIP INFO: at key down or at key up, and late by signalling and its retransmission.
    Info,
}

impl Source {
    const fn bit(self) -> u8 {
        match self {
            Self::TelephoneEvent => 1,
            Self::InBand => 2,
            Self::Info => 4,
        }
    }

    /// How long after the end of a press this source may still report it.
    const fn lag(self) -> Duration {
        match self {
            Self::TelephoneEvent | Self::InBand => Duration::from_millis(250),
            Self::Info => Duration::from_millis(700),
        }
    }
}

/// Presses that are remembered: more than anybody keys within a source's lag.
const REMEMBERED: usize = 16;

#[derive(Clone, Copy)]
struct Press {
    digit: Digit,
    /// Sources that have reported it.
    claimed: u8,
    /// Sources that hold it down.
    held: u8,
    /// The last sign of it.
    last: Time,
}

/// Merges the reports of one leg's keys.
pub(crate) struct Arbiter {
    presses: [Option<Press>; REMEMBERED],
    /// Where the next press goes: the oldest one.
    next: usize,
    digits: u64,
}

impl Arbiter {
    pub(crate) const fn new() -> Self {
        Self { presses: [None; REMEMBERED], next: 0, digits: 0 }
    }

    /// Presses so far.
    pub(crate) const fn digits(&self) -> u64 {
        self.digits
    }

    /// `source` reports a key down; `true` when that is a press nobody has reported.
    pub(crate) fn down(&mut self, now: Time, source: Source, digit: Digit) -> bool {
        let held = if source == Source::Info { 0 } else { source.bit() };
        let (earlier, later) = self.presses.split_at_mut(self.next);
        // From the oldest to the newest.
        let known = later.iter_mut().chain(earlier).flatten().find(|press| {
            let event_holds = press.held & Source::TelephoneEvent.bit() != 0;
            press.digit == digit
                && (source == Source::InBand && event_holds
                    || press.claimed & source.bit() == 0 && now - press.last <= source.lag())
        });
        if let Some(press) = known {
            press.claimed |= source.bit();
            press.held |= held;
            if press.held != 0 {
                press.last = now;
            }
            return false;
        }
        self.presses[self.next] = Some(Press { digit, claimed: source.bit(), held, last: now });
        self.next = (self.next + 1) % REMEMBERED;
        self.digits += 1;
        true
    }

    /// `source` reports that the key it held is up.
    pub(crate) fn up(&mut self, now: Time, source: Source, digit: Digit) {
        for press in self.presses.iter_mut().flatten() {
            if press.digit == digit && press.held & source.bit() != 0 {
                press.held &= !source.bit();
                press.last = now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Source::{InBand, Info, TelephoneEvent};

    /// Reports as (milliseconds, source, key, down or up); the digits that come of them.
    fn digits(reports: &[(u64, Source, char, bool)]) -> String {
        let mut arbiter = Arbiter::new();
        let mut text = String::new();
        for &(at, source, key, down) in reports {
            let digit = Digit::from_char(key).unwrap_or(Digit::STAR);
            let now = Time::from_millis(at);
            if !down {
                arbiter.up(now, source, digit);
            } else if arbiter.down(now, source, digit) {
                text.push(key);
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
        let reports =
            [first[0], first[1], second[0], second[1], tone[0], third[0], third[1], tone[1]];
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
}
