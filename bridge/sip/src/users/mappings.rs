//! Telephones behind a NAT are asked now and then whether they are there (OPTIONS, RFC 3261 §11): a
//! router forgets whom it lets datagrams through to when none has passed for a while, often 30 s, and
//! calls then find nobody. They are asked rather than sent a few octets, since some routers count only
//! what the telephone sends (RFC 4787 REQ-6), and it answers.
//!
//! Nobody is asked who did not prove that he is a user. Who does not answer stays registered, and is
//! asked more rarely. Not here: the request, and who is behind a NAT.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use partyline_model::Time;

/// Between any two: telephones that registered at one moment are not asked at one moment.
const APART: Duration = Duration::from_millis(1);
/// Who did not answer so often is asked that many times more rarely: nothing keeps open what the
/// router has forgotten, until the telephone itself sends something.
const MOST_SILENT: u8 = 3;
const RARELY: u32 = 5;

/// The places that are kept open, by the numbers of their bindings.
#[derive(Debug, Default)]
pub(super) struct Mappings {
    held: BTreeMap<u64, Held>,
    due: BTreeSet<(Time, u64)>,
    /// When the next may be asked.
    free: Time,
}

#[derive(Debug)]
struct Held {
    user: Box<str>,
    every: Duration,
    /// How often in a row there was no answer.
    silent: u8,
    /// When it is asked again; `None` while an answer is waited for.
    at: Option<Time>,
}

impl Mappings {
    /// A user's telephone has registered by a NAT: it is asked the first time when half of the time
    /// is over at the soonest, and when all of it is at the latest.
    pub(super) fn hold(&mut self, now: Time, (user, number): (&str, u64), every: Duration) {
        let at = now + (every - part(every / 2, number));
        self.held.insert(number, Held { user: user.into(), every, silent: 0, at: Some(at) });
        self.due.insert((at, number));
    }

    /// The binding is there no more.
    pub(super) fn drop(&mut self, number: u64) {
        let held = self.held.remove(&number);
        if let Some(at) = held.and_then(|held| held.at) {
            self.due.remove(&(at, number));
        }
    }

    /// Whose place is to be asked now, and the number of its binding.
    pub(super) fn poll(&mut self, now: Time) -> Option<(&str, u64)> {
        let (_, number) = *self.due.first().filter(|(at, _)| *at <= now && self.free <= now)?;
        self.due.pop_first();
        self.free = now + APART;
        let held = self.held.get_mut(&number)?;
        held.at = None;
        Some((&held.user, number))
    }

    /// The telephone has answered, whatever it said, or has not.
    pub(super) fn heard(&mut self, now: Time, number: u64, has_answered: bool) {
        let Some(held) = self.held.get_mut(&number).filter(|held| held.at.is_none()) else {
            return;
        };
        held.silent = if has_answered { 0 } else { held.silent.saturating_add(1) };
        let times = if held.silent < MOST_SILENT { 1 } else { RARELY };
        let at = now + (held.every - part(held.every / 10, number)) * times;
        held.at = Some(at);
        self.due.insert((at, number));
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| (*at).max(self.free))
    }
}

/// Some part of a time, another for each number.
fn part(time: Duration, number: u64) -> Duration {
    // The golden ratio spreads numbers that follow each other.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    time / 256 * u32::try_from(spread).expect("8 bits are left")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(25);

    #[test]
    fn ten_thousand_that_registered_at_once_are_asked_one_by_one_and_in_time() {
        let mut mappings = Mappings::default();
        let start = Time::ZERO;
        for number in 1..=10_000 {
            mappings.hold(start, ("anna", number), EVERY);
        }
        let (mut asked, mut last) = (0, None);
        while let Some(now) = mappings.poll_timeout() {
            assert!(last.is_none_or(|last| now >= last + APART), "two at once");
            assert!(mappings.poll(now).is_some() && mappings.poll(now).is_none());
            (asked, last) = (asked + 1, Some(now));
        }
        assert_eq!(asked, 10_000);
        let last = last.expect("they were asked");
        assert!(last <= start + Duration::from_secs(26), "{last:?}");
    }

    #[test]
    fn who_is_gone_is_asked_no_more_and_leaves_nothing() {
        let mut mappings = Mappings::default();
        mappings.hold(Time::ZERO, ("anna", 1), EVERY);
        mappings.hold(Time::ZERO, ("ben", 2), EVERY);
        mappings.drop(2);
        let at = mappings.poll_timeout().expect("anna is asked");
        assert_eq!(mappings.poll(at), Some(("anna", 1)));
        mappings.drop(1);
        mappings.heard(at, 1, true);
        assert!(mappings.held.is_empty() && mappings.due.is_empty());
    }
}
