//! Which trunk a call out goes by, and which it goes by when that one fails.
//!
//! [`Routing`] is what a trunk's settings say; the node keeps in [`Resting`] which trunks asked to
//! be left alone, and in [`Failures`] which were said to have failed.

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_model::Time;
use partyline_sip::message::Status;
use partyline_sip::{Ended, Ender, Patience};

use crate::limits::TrunkLimit;
use crate::routes::Prefix;

/// The longest that a trunk is left alone because it asks for it (Retry-After): it may have meant
/// well for itself, and the other trunks may be worse.
const LONGEST_REST: Duration = Duration::from_secs(300);
/// How long the same failure of a trunk is counted and not said again.
const AGAIN: Duration = Duration::from_secs(60);

/// Which calls out a trunk gets, and when they leave it for the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// The numbers that the trunk takes, by how they begin; all where the list is empty. The trunk
    /// with the longest prefix of a number is tried first.
    pub prefixes: Vec<Prefix>,
    /// Among trunks with prefixes of one length, lower ones are tried first.
    pub priority: u16,
    /// Among trunks of one priority, how often this one is tried first; 0 for after those that have
    /// a weight, in the order of the configuration.
    pub weight: u16,
    /// Whether a 3xx is followed to the same number at another address of the trunk; otherwise it
    /// is a refusal.
    pub follow_redirects: bool,
    /// How long the trunk may take, while another one would take the call.
    pub patience: Patience,
    /// Final statuses after which the next trunk is tried, beside those of [`Routing::ALWAYS`];
    /// those of [`Routing::NEVER`] are ignored.
    pub advance_on: Vec<u16>,
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            prefixes: Vec::new(),
            priority: 0,
            weight: 0,
            follow_redirects: false,
            patience: Patience::USUAL,
            advance_on: Vec::new(),
        }
    }
}

impl Routing {
    /// The trunk itself is at fault, or what is behind it (RFC 3261 §21.4.9, §21.5).
    pub const ALWAYS: [u16; 5] = [408, 500, 502, 503, 504];
    /// The callee's own answer, wherever he is: another trunk would only ring him again
    /// (RFC 3261 §21.4.24, §21.6).
    pub const NEVER: [u16; 3] = [486, 600, 603];

    /// Whether the next trunk is tried when this one ended a call with `status`.
    pub fn advances(&self, status: u16) -> bool {
        let asked = self.advance_on.contains(&status) && !Self::NEVER.contains(&status);
        Self::ALWAYS.contains(&status) || asked
    }
}

/// Why a call out came to nothing at a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The trunk has as many calls as its limits allow, or was called as often.
    Full(TrunkLimit),
    /// Nothing was heard of the trunk in time, or no callee rang.
    Silent,
    /// The trunk's address takes nothing.
    Unreachable,
    /// The trunk ended the call with this status.
    Refused(u16),
}

impl Fault {
    /// What the end of a call's INVITE says; `None` when we ended it.
    pub(crate) fn of(ended: Ended) -> Option<Self> {
        let status = ended.status.unwrap_or(Status::REQUEST_TIMEOUT);
        match ended.by {
            Ender::Local => None,
            Ender::Timeout if status == Status::REQUEST_TIMEOUT => Some(Self::Silent),
            Ender::Timeout => Some(Self::Unreachable),
            Ender::Remote => Some(Self::Refused(status.code())),
        }
    }

    /// The fault as a SIP status.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Silent => 408,
            Self::Unreachable | Self::Full(_) => 503,
            Self::Refused(status) => status,
        }
    }
}

/// A trunk failed a call out, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkFailure {
    /// The trunk's name.
    pub trunk: String,
    /// What went wrong.
    pub fault: Fault,
    /// How long the trunk takes no calls out, as it asked for.
    pub rests: Option<Duration>,
    /// The trunk that the call went on by; `None` when none was left.
    pub next: Option<String>,
    /// How often it happened since it was said last, this time included.
    pub times: u64,
}

/// Trunks that asked to be left alone, by their place among all.
#[derive(Debug, Default)]
pub(crate) struct Resting(BTreeMap<usize, Time>);

impl Resting {
    /// A trunk asks for `time` of rest; how long it gets, unless it is at rest for longer already.
    pub(crate) fn note(&mut self, now: Time, trunk: usize, time: Duration) -> Duration {
        let time = time.min(LONGEST_REST);
        let until = self.0.entry(trunk).or_default();
        *until = (*until).max(now + time);
        *until - now
    }

    pub(crate) fn has(&self, now: Time, trunk: usize) -> bool {
        self.0.get(&trunk).is_some_and(|until| now < *until)
    }

    /// How long the trunk still rests.
    pub(crate) fn left(&self, now: Time, trunk: usize) -> Option<Duration> {
        self.0.get(&trunk).filter(|until| now < **until).map(|until| *until - now)
    }
}

/// Which failures of trunks were said when, and how often they happened since.
#[derive(Debug, Default)]
pub(crate) struct Failures(BTreeMap<(usize, Fault), (Time, u64)>);

impl Failures {
    /// Counts a failure of a trunk; how often it happened since it was said last, when it is to be
    /// said again. There are no more to keep than trunks and statuses.
    pub(crate) fn note(&mut self, now: Time, trunk: usize, fault: Fault) -> Option<u64> {
        let key = (trunk, fault);
        if let Some((_, since)) = self.0.get_mut(&key).filter(|(at, _)| now < *at + AGAIN) {
            *since += 1;
            return None;
        }
        let before = self.0.insert(key, (now, 0));
        Some(before.map_or(0, |(_, since)| since) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trunk_adds_statuses_to_advance_on_and_never_those_of_the_callee() {
        let usual = Routing::default();
        let advancing = |routing: &Routing| {
            (300..700).filter(|status| routing.advances(*status)).collect::<Vec<_>>()
        };
        assert_eq!(advancing(&usual), Routing::ALWAYS);
        let routing = Routing { advance_on: vec![480, 403, 486, 600, 603], ..usual };
        assert_eq!(advancing(&routing), [403, 408, 480, 500, 502, 503, 504]);
    }

    #[test]
    fn a_rest_is_as_long_as_asked_for_and_five_minutes_at_most() {
        let mut resting = Resting::default();
        let at = Time::from_secs;
        assert_eq!(resting.note(at(10), 1, Duration::from_secs(20)), Duration::from_secs(20));
        assert!(resting.has(at(29), 1) && !resting.has(at(30), 1) && !resting.has(at(10), 0));
        assert_eq!(resting.note(at(11), 1, Duration::from_secs(1)), Duration::from_secs(19));
        let longest = Duration::from_secs(u32::MAX.into());
        assert_eq!(resting.note(at(12), 1, longest), LONGEST_REST);
        assert!(resting.has(at(311), 1) && !resting.has(at(312), 1));
        assert_eq!(resting.left(at(300), 1), Some(Duration::from_secs(12)));
    }

    #[test]
    fn a_failure_is_said_once_a_minute_for_each_trunk_and_kind() {
        let mut failures = Failures::default();
        let mut note = |second, trunk, fault| failures.note(Time::from_secs(second), trunk, fault);
        assert_eq!(note(0, 0, Fault::Silent), Some(1));
        assert_eq!(note(0, 1, Fault::Silent), Some(1));
        assert_eq!(note(0, 0, Fault::Refused(503)), Some(1));
        assert_eq!(note(59, 0, Fault::Silent), None);
        assert_eq!(note(60, 0, Fault::Silent), Some(2));
    }
}
