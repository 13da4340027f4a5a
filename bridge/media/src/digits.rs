//! One digit for each press of a key, whichever of three sources heard it, and in whatever order.
//!
//! A phone may send a telephone event while the tone is still in the sound and SIP INFO when the
//! key is let go. Each source reports each press at most once; so the nth report of a source is
//! matched with the earliest press of that key that this source has not claimed, if that press is
//! recent enough for this source. What matches none is a new press. A second press of the same
//! key therefore counts, however soon: the source that reports it first has claimed the first.
//! Only a tone may come twice in one press: it may have holes, the event that holds the key not.
//!
//! It learns how the far end sends its keys. When telephone events have reported every one of the
//! last presses, they would have reported the next one too: a tone in the sound alone is then
//! likelier speech, music or somebody else's key in the background. It is withheld until a second
//! one without an event shows that the far end has changed its ways; then both count.

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
/// Presses in a row, each reported by a telephone event, that prove that they all are.
const PROVEN: usize = 3;
/// For how long a tone without an event is withheld: the pause after which a caller has given up
/// a passcode (call flow, inter-digit time).
const WITHHELD: Duration = Duration::from_secs(4);

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

impl Press {
    const fn is_of(&self, source: Source) -> bool {
        self.claimed & source.bit() != 0
    }

    fn is_recent(&self, now: Time, source: Source) -> bool {
        self.held != 0 || now - self.last <= source.lag()
    }
}

/// Merges the reports of one leg's keys.
pub(crate) struct Arbiter {
    presses: [Option<Press>; REMEMBERED],
    /// Where the next press goes: the oldest one.
    next: usize,
    digits: u64,
    /// Presses since the far end may have become another.
    learnt: usize,
    /// A tone that no event reported, although events have reported all presses before it.
    withheld: Option<(Digit, Time)>,
}

impl Arbiter {
    pub(crate) const fn new() -> Self {
        Self { presses: [None; REMEMBERED], next: 0, digits: 0, learnt: 0, withheld: None }
    }

    /// Presses so far.
    pub(crate) const fn digits(&self) -> u64 {
        self.digits
    }

    /// Whether telephone events have reported every one of the last presses.
    pub(crate) fn events_are_proven(&self) -> bool {
        self.learnt >= PROVEN
            && self.newest_first().take(PROVEN).all(|p| p.is_of(Source::TelephoneEvent))
    }

    /// The far end may be another from here on: what was learnt of its ways is forgotten.
    pub(crate) fn forget_ways(&mut self) {
        self.learnt = 0;
        self.withheld = None;
    }

    /// `source` reports a key down; `report` is given the presses that nobody has reported yet.
    pub(crate) fn down(
        &mut self,
        now: Time,
        source: Source,
        digit: Digit,
        report: &mut impl FnMut(Digit),
    ) {
        let held = if source == Source::Info { 0 } else { source.bit() };
        let (earlier, later) = self.presses.split_at_mut(self.next);
        // From the oldest to the newest.
        let known = later.iter_mut().chain(earlier).flatten().find(|press| {
            let event_holds = press.held & Source::TelephoneEvent.bit() != 0;
            press.digit == digit
                && (source == Source::InBand && event_holds
                    || !press.is_of(source) && press.is_recent(now, source))
        });
        if let Some(press) = known {
            press.claimed |= source.bit();
            press.held |= held;
            if press.held != 0 {
                press.last = now;
            }
            return;
        }
        let doubtful = source == Source::InBand && self.events_are_proven();
        let withheld = self.withheld.take().filter(|&(_, at)| now - at <= WITHHELD);
        let mut claimed = source.bit();
        match withheld {
            None if doubtful => {
                self.withheld = Some((digit, now));
                return;
            }
            Some((earlier, at)) if source == Source::InBand => {
                self.press(Press { digit: earlier, claimed, held: 0, last: at });
                report(earlier);
            }
            // The source that is believed has it, too.
            Some((earlier, _)) if earlier == digit => claimed |= Source::InBand.bit(),
            Some(_) | None => {}
        }
        self.press(Press { digit, claimed, held, last: now });
        report(digit);
    }

    /// `source` reports that a key that it reported up is down after all, without a pause.
    pub(crate) fn again(&mut self, now: Time, source: Source, digit: Digit) {
        let (earlier, later) = self.presses.split_at_mut(self.next);
        let mut newest_first = earlier.iter_mut().rev().chain(later.iter_mut().rev()).flatten();
        if let Some(press) = newest_first.find(|p| p.digit == digit && p.is_of(source)) {
            press.held |= source.bit();
            press.last = now;
        }
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

    fn newest_first(&self) -> impl Iterator<Item = &Press> {
        let (earlier, later) = self.presses.split_at(self.next);
        earlier.iter().rev().chain(later.iter().rev()).flatten()
    }

    fn press(&mut self, press: Press) {
        self.presses[self.next] = Some(press);
        self.next = (self.next + 1) % REMEMBERED;
        self.digits += 1;
        self.learnt = self.learnt.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
