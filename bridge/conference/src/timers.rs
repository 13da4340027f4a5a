//! The timer table: one deadline for each thing that can be waited for.
//!
//! It knows what is due, not what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use partyline_model::{CallId, SessionId, Time};

/// What a deadline is for. Setting a timer that is set moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A deadline of one call.
    Call(CallId, CallTimer),
    /// A deadline of one conference in session.
    Session(SessionId, SessionTimer),
    /// Records that could not be written are offered again.
    Persist,
}

/// Deadlines of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CallTimer {
    /// The first prompt may begin.
    Speak,
    /// No sign of life came yet: the caller is told.
    NotHeard,
    /// No sign of life came.
    NoMedia,
    /// A key was waited for: the first of an answer, the next one, or that of a star code.
    Key,
    /// The answer to a guess has waited long enough.
    Verdict,
    /// A prompt's end was not reported.
    Playback,
    /// Thanks for waiting.
    HoldThanks,
    /// The wait for the moderator was too long.
    HoldLimit,
    /// A callee does not answer.
    Ring,
    /// A private talk goes on without a key.
    PrivateReminder,
    /// The measurements of a leg that ended did not come.
    Stats,
}

/// Deadlines of a conference in session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SessionTimer {
    /// The last leg in the mix gets music.
    AloneMusic,
    /// The last leg of the conference has been alone too long.
    AloneLimit,
    /// The network lost the last moderator, and the grace is used up.
    LostModerator,
    /// The last moderator left, and nobody came back.
    Ending,
    /// Ten minutes before the longest duration.
    TenMinutesLeft,
    /// One minute before the longest duration.
    OneMinuteLeft,
    /// The longest duration.
    MaxDuration,
    /// The farewell's end was not reported.
    Farewell,
    /// The next group is hung up.
    Pace,
}

/// Shortest time a timer can be set to: a timer that sets itself again always lets time pass.
const SHORTEST: Duration = Duration::from_millis(1);

/// The deadlines, ordered.
#[derive(Default)]
pub(crate) struct Timers {
    at: BTreeMap<Timer, Time>,
    due: BTreeSet<(Time, Timer)>,
}

impl Timers {
    /// Sets `timer` to `after` from `now`, wherever it was set to before.
    pub(crate) fn set(&mut self, timer: Timer, now: Time, after: Duration) {
        let at = now + after.max(SHORTEST);
        if let Some(old) = self.at.insert(timer, at) {
            self.due.remove(&(old, timer));
        }
        self.due.insert((at, timer));
    }

    /// Forgets `timer`.
    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(old) = self.at.remove(&timer) {
            self.due.remove(&(old, timer));
        }
    }

    /// Forgets all timers of `call`.
    pub(crate) fn cancel_call(&mut self, call: CallId) {
        let first = Timer::Call(call, CallTimer::Speak);
        let last = Timer::Call(call, CallTimer::Stats);
        self.cancel_range(first, last);
    }

    /// Forgets all timers of `session`.
    pub(crate) fn cancel_session(&mut self, session: SessionId) {
        let first = Timer::Session(session, SessionTimer::AloneMusic);
        let last = Timer::Session(session, SessionTimer::Pace);
        self.cancel_range(first, last);
    }

    fn cancel_range(&mut self, first: Timer, last: Timer) {
        let set: Vec<Timer> = self.at.range(first..=last).map(|(&timer, _)| timer).collect();
        for timer in set {
            self.cancel(timer);
        }
    }

    /// Whether `timer` is set.
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.at.contains_key(&timer)
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Time> {
        self.due.first().map(|&(at, _)| at)
    }

    /// Takes the earliest timer that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Timer> {
        let &(at, timer) = self.due.first()?;
        if at > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Timer = Timer::Call(CallId(1), CallTimer::Key);
    const RING: Timer = Timer::Call(CallId(1), CallTimer::Ring);
    const OTHER: Timer = Timer::Call(CallId(2), CallTimer::Key);

    #[test]
    fn setting_a_timer_again_moves_it() {
        let mut timers = Timers::default();
        timers.set(KEY, Time::ZERO, Duration::from_secs(1));
        timers.set(KEY, Time::ZERO, Duration::from_secs(5));
        assert_eq!(timers.next(), Some(Time::from_secs(5)));
        assert_eq!(timers.pop_due(Time::from_secs(1)), None);
        assert_eq!(timers.pop_due(Time::from_secs(5)), Some(KEY));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn timers_come_in_the_order_of_their_deadlines() {
        let mut timers = Timers::default();
        timers.set(KEY, Time::ZERO, Duration::from_secs(2));
        timers.set(OTHER, Time::ZERO, Duration::from_secs(1));
        let late = Time::from_secs(9);
        assert_eq!((timers.pop_due(late), timers.pop_due(late)), (Some(OTHER), Some(KEY)));
    }

    #[test]
    fn a_call_takes_all_its_timers_with_it_and_no_other() {
        let mut timers = Timers::default();
        for timer in [KEY, RING, OTHER] {
            timers.set(timer, Time::ZERO, Duration::from_secs(1));
        }
        timers.cancel_call(CallId(1));
        assert!(!timers.is_set(KEY) && !timers.is_set(RING) && timers.is_set(OTHER));
    }

    #[test]
    fn a_timer_is_never_due_when_it_is_set() {
        let mut timers = Timers::default();
        timers.set(KEY, Time::from_secs(3), Duration::ZERO);
        assert_eq!(timers.pop_due(Time::from_secs(3)), None);
    }
}
