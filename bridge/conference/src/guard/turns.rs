//! Turns: under attack, so many first tries a second get a verdict, of callers who may be anybody.

use std::time::Duration;

use partyline_model::{Number, Time};

use super::{Caller, FIRST_DELAY, Guard, GuessKey, LONGEST_DELAY, Target, Tries, USUAL_EVERYWHERE};
use crate::event::Offered;

/// First tries of strangers that a dialled number under attack answers.
pub(super) const AT_NUMBER: Pace = Pace { every: Duration::from_millis(200), at_once: 50 };
/// First tries of strangers that the bridge answers while it is under attack.
pub(super) const EVERYWHERE: Pace = Pace { every: Duration::from_millis(50), at_once: 200 };

/// Callers who may be anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// The number is withheld.
    Withheld,
    /// The number shown did not get in before, or nobody vouches for it.
    New,
}

impl Stranger {
    /// As what a caller counts while nothing else is known of him.
    pub(crate) const fn of(offered: &Offered) -> Self {
        if offered.ani.is_some() { Self::New } else { Self::Withheld }
    }
}

/// A turn for a first try, once: either waited for or not to be had.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Turn {
    /// None is needed.
    #[default]
    Free,
    /// The turn was taken, by whom and at which number.
    Taken(Stranger, Number),
    /// Too many wait: there is no verdict, for what this says.
    Never(GuessKey),
}

/// When the answer to what was typed may come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wait {
    /// From now, whatever the answer is.
    pub(crate) delay: Duration,
    pub(crate) turn: Turn,
}

impl Guard {
    /// The turn of a stranger's first try, under attack.
    pub(super) fn turn(
        &mut self,
        now: Time,
        target: Target,
        (caller, stranger): (Option<Caller>, Stranger),
        tries: Tries,
    ) -> Option<(Wait, GuessKey)> {
        let Target::Passcode(number) = target else { return None };
        match caller {
            None => {}
            Some(Caller::Phone(_)) => return None,
            Some(caller @ Caller::Number(..)) => {
                let is_closed = self.at_passcodes.closed(now, caller).is_some();
                if is_closed || self.let_in.has(caller) {
                    return None;
                }
            }
        }
        if tries.wrong > 0 || self.step(now, target).0 == 0 {
            return None;
        }
        let is_everywhere = self.everywhere.step(now, USUAL_EVERYWHERE) > 0;
        let here = self.numbers.entry(number).or_default().turns(stranger);
        let everywhere = self.everywhere.turns(stranger);
        let mut longest = (here.wait(now, AT_NUMBER), GuessKey::DialledNumber);
        if is_everywhere {
            longest = longest.max((everywhere.wait(now, EVERYWHERE), GuessKey::Everywhere));
        }
        let (delay, key) = longest;
        if delay > LONGEST_DELAY {
            return Some((Wait { delay: FIRST_DELAY, turn: Turn::Never(key) }, key));
        }
        here.take(now, AT_NUMBER);
        everywhere.take(now, EVERYWHERE);
        Some((Wait { delay, turn: Turn::Taken(stranger, number) }, key))
    }

    /// Who waited for his turn is gone.
    pub(crate) fn give_back(&mut self, turn: &Turn) {
        let &Turn::Taken(stranger, number) = turn else { return };
        self.everywhere.turns(stranger).give_back(EVERYWHERE);
        if let Some(here) = self.numbers.get_mut(&number) {
            here.turns(stranger).give_back(AT_NUMBER);
        }
    }
}

/// How many turns there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// From one turn to the next, where each is taken.
    pub(super) every: Duration,
    /// Turns that are given at once after a rest.
    pub(super) at_once: u32,
}

impl Pace {
    /// How far ahead of time turns may be taken.
    const fn ahead(self) -> Duration {
        self.every.saturating_mul(self.at_once.saturating_sub(1))
    }
}

/// Turns that were taken. The default has none.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// When the turns that were taken would be over, one after the other.
    until: Time,
}

impl Turns {
    /// How long the next turn takes to come.
    pub(super) fn wait(&self, now: Time, pace: Pace) -> Duration {
        self.until.since(now).saturating_sub(pace.ahead())
    }

    pub(super) fn take(&mut self, now: Time, pace: Pace) {
        self.until = self.until.max(now) + pace.every;
    }

    /// A turn that was taken is not needed.
    pub(super) fn give_back(&mut self, pace: Pace) {
        self.until = Time::from_nanos(
            self.until
                .as_nanos()
                .saturating_sub(u64::try_from(pace.every.as_nanos()).unwrap_or(u64::MAX)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { every: Duration::from_millis(200), at_once: 3 };

    #[test]
    fn three_turns_come_at_once_and_then_one_every_200_ms() {
        let (mut turns, now) = (Turns::default(), Time::from_secs(7));
        let mut next = || {
            let wait = turns.wait(now, PACE);
            turns.take(now, PACE);
            wait.as_millis()
        };
        assert_eq!([next(), next(), next(), next(), next()], [0, 0, 0, 200, 400]);
        turns.give_back(PACE);
        assert_eq!(turns.wait(now, PACE).as_millis(), 400);
        assert_eq!(turns.wait(now + Duration::from_millis(400), PACE), Duration::ZERO);
        // A long rest saves up no more than three.
        let later = Time::from_secs(100);
        for _ in 0..3 {
            assert_eq!(turns.wait(later, PACE), Duration::ZERO);
            turns.take(later, PACE);
        }
        assert_eq!(turns.wait(later, PACE).as_millis(), 200);
    }
}
