//! Limits on guessing passcodes, across calls.
//!
//! What is counted are *verdicts*: answers that tell whether a typed passcode is right. Three codes
//! typed ahead, by signalling or in the dialled address, are three of them. Never kept is what was
//! typed, how long it was or any hash of it: a wrong passcode is often the right secret at the
//! wrong prompt.
//!
//! # Who guesses
//! - **A caller who can be told apart**: the address where each address is one caller's (a trunk of
//!   phones; for IPv6 its /64, which is what one subscriber has), else the calling number on its
//!   trunk, if the trunk is trusted. What a caller says of his own number counts for nothing: he
//!   could lock somebody else out, or be taken for somebody who got in before.
//!   Such a caller gets [`MOST_WRONG`] wrong verdicts in [`WINDOW`]; until the first of them is ten
//!   minutes old, a further try gets none, be it right or wrong: after 2 s, 4 s, 8 s … the call is
//!   let go. A wrong try that the same call puts right counts a quarter, once a call, so that a
//!   switchboard of a hundred people who share a number may slip, and whoever knows one passcode
//!   cannot use it to wash away guesses at others.
//! - **A caller who cannot**: the number is withheld, nobody vouches for it, or it is a new one each
//!   time. Only the number that
//!   was dialled, and the bridge as a whole, see those. They count calls that came to nothing, less
//!   what is usual: a typo that is put right is taken back, but for the share of typos above one in
//!   four accepted calls; of the rest, one in ten accepted calls is usual. Above that the number is
//!   *under attack*: an alarm is raised, again each minute, and delays begin.
//!
//! # What separates a guesser from a caller with a typo
//! Nothing does before the second verdict of a call, for both have typed one wrong passcode. So the
//! first try of a call is answered at once, while few have one. The second, while the number is under
//! attack and by a caller not seen to get in before, comes [`PACE`] after the first at the earliest:
//! as long as "That passcode is not valid. Please try again." takes, which nobody notices who listens
//! and dials. From the third try on, which few lawful callers need and every guesser uses, the answer
//! takes 2 s, 4 s, 8 s … by how far the failures are above the usual, up to [`LONGEST_DELAY`]. A
//! right and a wrong passcode wait alike: the typed digits are held unlooked-at until then.
//!
//! One try a call and another call would get round that. So under attack first tries have *turns*,
//! [`turns::AT_NUMBER`] at a dialled number and [`turns::EVERYWHERE`] on the bridge: five times the lawful callers of
//! a busy hour. Who withholds his number waits for the turns of those only, who shows one that did
//! not get in before for the turns of those; phones, which their addresses tell apart, and callers who
//! got in before wait for none. What a caller notices then: nothing, unless he withholds his number as
//! the guessers do, or they show new numbers and he calls for the first time. A turn more than
//! [`LONGEST_DELAY`] away is not given: that call gets no verdict. Who hangs up before his turn gives
//! it back, so that calls that nobody waits in keep nobody waiting.
//!
//! The **security passcode** is guarded the same way, with counts of its own, by caller and by the
//! session that it belongs to. It may have four digits, and whoever is asked has a passcode already;
//! so from [`ROOM_WRONG`] failures in a session, callers that never gave it get no verdict there.
//!
//! # Bounds
//! [`MOST_CALLERS`] callers are remembered. The one with the fewest failures makes room, the oldest
//! of those: to be forgotten, a guesser at his limit would have to bring thousands of other callers
//! to theirs. When all are at their limit nobody new is remembered, and the dialled number's limits
//! hold. Those who got in before are remembered as many; only a right passcode adds to them. Dialled
//! numbers and sessions are the directory's and the bridge's own, and bounded with them.

mod callers;
mod turns;
mod window;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use partyline_model::{Number, SessionId, Time};

use crate::event::{GuessAlarm, GuessCounts, GuessKey, Offered};
use callers::{Callers, Known};
use turns::Turns;
pub(crate) use turns::{Stranger, Turn, Wait};
use window::Window;

/// How far back verdicts count.
pub(crate) const WINDOW: Duration = Duration::from_secs(600);
/// Wrong verdicts of one caller in [`WINDOW`].
pub(crate) const MOST_WRONG: u32 = 3;
/// What a wrong verdict counts in a caller's account, in quarters.
const WRONG: u32 = 4;
/// What a wrong verdict counts when its call put it right.
const PUT_RIGHT: u32 = 1;
/// Callers that are remembered for their failures, and as many for having got in.
const MOST_CALLERS: usize = 16_384;
/// Failures above the usual that a dialled number has without being under attack.
const USUAL_AT_NUMBER: u32 = 8;
/// Failures that all numbers together have without being under attack.
const USUAL_EVERYWHERE: u32 = 50;
/// Failures in a session from which later tries are delayed.
const USUAL_IN_ROOM: u32 = 3;
/// Failures in a session from which callers that never gave its security passcode get no verdict.
const ROOM_WRONG: u32 = 20;
/// The least time between the first and the second verdict of a call, under attack.
const PACE: Duration = Duration::from_secs(3);
/// The first delay; each further step doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(2);
/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(32);
/// Between two alarms about the same.
const ALARM_PAUSE: Duration = Duration::from_secs(60);

/// Who calls, where that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Caller {
    /// A phone by its address: IPv4 whole, the first 64 bits of IPv6.
    Phone(u128),
    /// A calling number on a trunk.
    Number(u32, Number),
}

impl Caller {
    /// Whose call it is; `None` when neither address nor number tells.
    pub(crate) fn of(offered: &Offered) -> Option<Self> {
        match offered.phone {
            Some(IpAddr::V4(address)) => Some(Self::Phone(address.to_bits().into())),
            Some(IpAddr::V6(address)) => Some(Self::Phone(address.to_bits() >> 64 << 64)),
            None => {
                let number = offered.ani.filter(|_| offered.ani_believed)?;
                Some(Self::Number(offered.trunk, number))
            }
        }
    }

    /// The address of a telephone.
    pub(crate) fn phone(self) -> Option<IpAddr> {
        let Self::Phone(bits) = self else { return None };
        // A network of IPv6 has nothing in its last half.
        Some(u32::try_from(bits).map_or_else(
            |_| IpAddr::V6(Ipv6Addr::from_bits(bits)),
            |v4| IpAddr::V4(Ipv4Addr::from_bits(v4)),
        ))
    }

    const fn key(self) -> GuessKey {
        match self {
            Self::Phone(_) => GuessKey::Address,
            Self::Number(..) => GuessKey::CallingNumber,
        }
    }
}

/// Which secret is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A conference passcode, at the number that was dialled.
    Passcode(Number),
    /// The security passcode of a session.
    Security(SessionId),
}

/// A call's own tries at one secret.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries {
    /// Wrong verdicts so far.
    wrong: u32,
    /// When the last of them was given.
    last: Option<Time>,
}

impl Tries {
    /// None so far.
    pub(crate) const NONE: Self = Self { wrong: 0, last: None };
}

/// Failures of callers who cannot be told apart, at a dialled number or everywhere.
#[derive(Default)]
struct Traffic {
    /// Wrong verdicts that no right one followed in their call.
    hopeless: Window,
    /// Wrong verdicts that their call put right.
    typos: Window,
    accepted: Window,
    alarmed: Option<Time>,
    /// Turns that were taken under attack.
    withheld: Turns,
    new: Turns,
}

impl Traffic {
    /// The step of delay: 0 up to `usual`, then one more for each doubling.
    fn step(&self, now: Time, usual: u32) -> u32 {
        let accepted = self.accepted.sum(now);
        let typos = self.typos.sum(now).saturating_sub(accepted / 4);
        let failures = (self.hopeless.sum(now) + typos).saturating_sub(accepted / 10);
        steps(failures, usual)
    }

    const fn turns(&mut self, stranger: Stranger) -> &mut Turns {
        match stranger {
            Stranger::Withheld => &mut self.withheld,
            Stranger::New => &mut self.new,
        }
    }

    fn right(&mut self, now: Time, after_wrong: bool) {
        self.accepted.add(now, 1);
        if after_wrong {
            self.hopeless.add(now, -1);
            self.typos.add(now, 1);
        }
    }
}

/// All that is remembered of guessing.
pub(crate) struct Guard {
    at_passcodes: Callers,
    at_security: Callers,
    /// Who gave a right conference passcode before, and who a right security passcode.
    let_in: Known,
    verified: Known,
    numbers: BTreeMap<Number, Traffic>,
    everywhere: Traffic,
    sessions: BTreeMap<SessionId, Traffic>,
    closed_alarmed: Option<Time>,
    counts: GuessCounts,
}

impl Guard {
    pub(crate) fn new() -> Self {
        Self {
            at_passcodes: Callers::new(MOST_CALLERS),
            at_security: Callers::new(MOST_CALLERS),
            let_in: Known::new(MOST_CALLERS),
            verified: Known::new(MOST_CALLERS),
            numbers: BTreeMap::new(),
            everywhere: Traffic::default(),
            sessions: BTreeMap::new(),
            closed_alarmed: None,
            counts: GuessCounts::default(),
        }
    }

    pub(crate) const fn counts(&self) -> &GuessCounts {
        &self.counts
    }

    /// When the answer to what was typed at `now` may come, whatever it is. A turn that is handed
    /// out is used by [`Self::admits`], or given back.
    pub(crate) fn wait(
        &mut self,
        now: Time,
        target: Target,
        (caller, stranger): (Option<Caller>, Stranger),
        tries: Tries,
    ) -> Wait {
        let turn = self.turn(now, target, (caller, stranger), tries);
        let (wait, key) = turn.unwrap_or_else(|| {
            let (delay, key) = self.delay_and_key(now, target, caller, tries);
            (Wait { delay, turn: Turn::Free }, key)
        });
        if !wait.delay.is_zero() {
            *self.counts.delayed.entry(key).or_default() += 1;
        }
        wait
    }

    fn delay_and_key(
        &self,
        now: Time,
        target: Target,
        caller: Option<Caller>,
        tries: Tries,
    ) -> (Duration, GuessKey) {
        if let Some(caller) = caller
            && let Some(refused) = self.callers(target).closed(now, caller)
        {
            return (doubled(refused), caller.key());
        }
        // Where the call flow allows more tries than three, a call is a key of its own.
        let own = doubled(tries.wrong.saturating_sub(MOST_WRONG));
        let own = if tries.wrong >= MOST_WRONG { own } else { Duration::ZERO };
        if tries.wrong == 0 || self.is_known(target, caller) {
            return (own, GuessKey::Call);
        }
        let (step, key) = self.step(now, target);
        if step == 0 {
            return (own, GuessKey::Call);
        }
        let paces = tries.wrong == 1 && matches!(target, Target::Passcode(_));
        let shared = if paces {
            let earliest = tries.last.map_or(now, |last| last + PACE);
            earliest.since(now)
        } else {
            doubled(step - 1)
        };
        (shared.max(own), key)
    }

    /// Whether `caller` had too many wrong verdicts for another at `typed`.
    pub(crate) fn is_closed(&self, typed: Time, target: Target, caller: Caller) -> bool {
        self.callers(target).closed(typed, caller).is_some()
    }

    /// Whether a verdict may be given on what `caller` typed at `typed`; counted when not. An answer
    /// that has waited is no younger for it.
    pub(crate) fn admits(
        &mut self,
        typed: Time,
        target: Target,
        caller: Option<Caller>,
        turn: &Turn,
    ) -> bool {
        let key = match (turn, caller, target) {
            (&Turn::Never(key), ..) => key,
            (_, Some(caller), _) if self.callers(target).closed(typed, caller).is_some() => {
                self.callers_mut(target).refuse(caller);
                caller.key()
            }
            (_, _, Target::Security(session)) if !self.is_known(target, caller) => {
                let wrong =
                    self.sessions.get(&session).map_or(0, |session| session.hopeless.sum(typed));
                if wrong < ROOM_WRONG {
                    return true;
                }
                GuessKey::Session
            }
            (Turn::Free | Turn::Taken(..), _, Target::Passcode(_) | Target::Security(_)) => {
                return true;
            }
        };
        *self.counts.withheld.entry(key).or_default() += 1;
        false
    }

    /// A right passcode was typed.
    pub(crate) fn right(
        &mut self,
        now: Time,
        target: Target,
        caller: Option<Caller>,
        tries: &mut Tries,
    ) {
        let Tries { wrong, last } = std::mem::take(tries);
        let known = match target {
            Target::Passcode(_) => &mut self.let_in,
            Target::Security(_) => &mut self.verified,
        };
        if let Some(caller) = caller {
            known.see(now, caller);
            if let Some(last) = last {
                self.callers_mut(target).put_right(caller, last);
            }
        }
        match target {
            Target::Passcode(number) => {
                self.numbers.entry(number).or_default().right(now, wrong > 0);
                self.everywhere.right(now, wrong > 0);
            }
            Target::Security(session) => {
                self.sessions.entry(session).or_default().right(now, wrong > 0)
            }
        }
    }

    /// A wrong passcode was typed and the caller is told; the alarms that this raises.
    pub(crate) fn wrong(
        &mut self,
        now: Time,
        target: Target,
        caller: Option<Caller>,
        tries: &mut Tries,
    ) -> Vec<GuessAlarm> {
        tries.wrong = tries.wrong.saturating_add(1);
        tries.last = Some(now);
        let mut alarms = Vec::new();
        if let Some(caller) = caller {
            self.callers_mut(target).wrong(now, caller);
            let closed = self.callers(target).closed(now, caller).is_some();
            if closed && due(&mut self.closed_alarmed, now) {
                let wrong = self.callers(target).wrong_of(now, caller);
                alarms.push(GuessAlarm { key: caller.key(), dialled: None, wrong, accepted: 0 });
            }
        }
        match target {
            Target::Passcode(number) => {
                self.counts.wrong_passcodes += 1;
                let traffic = self.numbers.entry(number).or_default();
                alarms.extend(traffic.wrong(now, USUAL_AT_NUMBER, GuessKey::DialledNumber));
                for alarm in &mut alarms {
                    alarm.dialled = Some(number);
                }
                alarms.extend(self.everywhere.wrong(now, USUAL_EVERYWHERE, GuessKey::Everywhere));
            }
            Target::Security(session) => {
                self.counts.wrong_security += 1;
                let traffic = self.sessions.entry(session).or_default();
                alarms.extend(traffic.wrong(now, USUAL_IN_ROOM, GuessKey::Session));
            }
        }
        for alarm in &alarms {
            *self.counts.alarms.entry(alarm.key).or_default() += 1;
        }
        alarms
    }

    /// The session is over, and its security passcode with it.
    pub(crate) fn forget_session(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// How far the failures where `target` is tried are above the usual.
    fn step(&self, now: Time, target: Target) -> (u32, GuessKey) {
        match target {
            Target::Passcode(number) => {
                let here = self.numbers.get(&number);
                let here = here.map_or(0, |traffic| traffic.step(now, USUAL_AT_NUMBER));
                let everywhere = self.everywhere.step(now, USUAL_EVERYWHERE);
                if everywhere > here {
                    (everywhere, GuessKey::Everywhere)
                } else {
                    (here, GuessKey::DialledNumber)
                }
            }
            Target::Security(session) => {
                let session = self.sessions.get(&session);
                (session.map_or(0, |traffic| traffic.step(now, USUAL_IN_ROOM)), GuessKey::Session)
            }
        }
    }

    fn is_known(&self, target: Target, caller: Option<Caller>) -> bool {
        let known = match target {
            Target::Passcode(_) => &self.let_in,
            Target::Security(_) => &self.verified,
        };
        caller.is_some_and(|caller| known.has(caller))
    }

    const fn callers(&self, target: Target) -> &Callers {
        match target {
            Target::Passcode(_) => &self.at_passcodes,
            Target::Security(_) => &self.at_security,
        }
    }

    const fn callers_mut(&mut self, target: Target) -> &mut Callers {
        match target {
            Target::Passcode(_) => &mut self.at_passcodes,
            Target::Security(_) => &mut self.at_security,
        }
    }
}

impl Traffic {
    /// One more failure; the alarm that is due about them.
    fn wrong(&mut self, now: Time, usual: u32, key: GuessKey) -> Option<GuessAlarm> {
        self.hopeless.add(now, 1);
        if self.step(now, usual) == 0 || !due(&mut self.alarmed, now) {
            return None;
        }
        let wrong = self.hopeless.sum(now) + self.typos.sum(now);
        Some(GuessAlarm { key, dialled: None, wrong, accepted: self.accepted.sum(now) })
    }
}

/// Whether an alarm is due at `now`, which it then was.
fn due(last: &mut Option<Time>, now: Time) -> bool {
    let due = last.is_none_or(|last| now.since(last) >= ALARM_PAUSE);
    if due {
        *last = Some(now);
    }
    due
}

/// 0 up to `usual`, 1 up to twice as many, 2 up to four times as many, and so on.
fn steps(failures: u32, usual: u32) -> u32 {
    if failures <= usual { 0 } else { 1 + (failures.saturating_sub(1) / usual).ilog2() }
}

/// [`FIRST_DELAY`], doubled `times`, at most [`LONGEST_DELAY`].
fn doubled(times: u32) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    FIRST_DELAY.saturating_mul(factor).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests;
