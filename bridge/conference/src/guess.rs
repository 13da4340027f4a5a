//! The answer to a typed secret: at once, after a while, or none ([`crate::guard`]).
//!
//! While an answer waits, nobody has looked at the digits, and keys that come meanwhile are typed
//! ahead of what is asked next.

use std::net::IpAddr;

use partyline_cdr_record::{CloseReason, DenyReason, FeatureCode};
use partyline_dialplan::Prompt;
use partyline_model::{CallId, Time};
use partyline_secret::SecretDigits;

use crate::bridge::Bridge;
use crate::event::Output;
use crate::guard::{Caller, Target, Turn, Wait};
use crate::record::{Close, Event};
use crate::timers::{CallTimer, Timer};

/// A typed secret that has not been judged.
pub(crate) struct Guess {
    pub(crate) typed: SecretDigits,
    pub(crate) secret: Secret,
    /// When the last key came.
    pub(crate) at: Time,
    /// Tries that the question allows, this one among them.
    pub(crate) tries: u8,
    /// The turn that it waits for, under attack.
    pub(crate) turn: Turn,
}

impl Guess {
    /// What was typed at `now`.
    pub(crate) const fn new(now: Time, typed: SecretDigits, secret: Secret, tries: u8) -> Self {
        Self { typed, secret, at: now, tries, turn: Turn::Free }
    }
}

/// What a guess is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secret {
    /// A conference passcode.
    Passcode,
    /// The security passcode of the conference in session.
    Security,
    /// The moderator passcode of the conference that the leg is in.
    Promote,
}

impl Bridge {
    /// A secret was typed: it is judged at once, or when the answer may come.
    pub(crate) fn guessed(&mut self, now: Time, id: CallId, mut guess: Guess) {
        let target = self.target(id, guess.secret);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let who = (call.caller, call.stranger);
        let wait = target.map(|target| self.guard.wait(now, target, who, call.tries));
        let Wait { delay, turn } = wait.unwrap_or_default();
        guess.turn = turn;
        if delay.is_zero() {
            return self.judge(now, id, guess);
        }
        call.guess = Some(guess);
        self.fx.timers.set(Timer::Call(id, CallTimer::Verdict), now, delay);
    }

    /// What `id` typed is not going to be judged.
    pub(crate) fn drop_guess(&mut self, id: CallId) {
        let guess = self.calls.get_mut(&id).and_then(|call| call.guess.take());
        if let Some(guess) = guess {
            self.fx.timers.cancel(Timer::Call(id, CallTimer::Verdict));
            self.guard.give_back(&guess.turn);
        }
    }

    /// The answer of `id` has waited long enough.
    pub(crate) fn verdict_is_due(&mut self, now: Time, id: CallId) {
        let ahead = self.take_typed(id);
        let Some(guess) = self.calls.get_mut(&id).and_then(|call| call.guess.take()) else {
            return;
        };
        let Some(ahead) = ahead else { return self.no_memory(now, id) };
        self.judge(now, id, guess);
        self.type_ahead(now, id, ahead);
    }

    /// Keys that came before they were asked for go through the call flow as if pressed now.
    pub(crate) fn type_ahead(&mut self, now: Time, id: CallId, mut ahead: SecretDigits) {
        while let Some(digit) = ahead.shift() {
            self.digit(now, id, digit);
        }
    }

    fn judge(&mut self, now: Time, id: CallId, guess: Guess) {
        let Guess { typed, secret, at, tries, turn } = guess;
        let caller = self.calls.get(&id).and_then(|call| call.caller);
        let target = self.target(id, secret);
        if let Some((target, caller)) = target.zip(caller)
            && let Some(phone) = self.phone_of(id)
            && self.guard.is_closed(at, target, caller)
        {
            self.fx.outputs.push_back(Output::Typed { phone, was_right: false });
        }
        let admitted = target.is_none_or(|target| self.guard.admits(at, target, caller, &turn));
        match secret {
            _ if !admitted => {
                drop(typed);
                self.give_no_verdict(now, id, secret);
            }
            Secret::Passcode => self.passcode_judged(now, id, typed, tries),
            Secret::Security => self.security_judged(now, id, typed, tries),
            Secret::Promote => self.promote_judged(now, id, typed, tries),
        }
    }

    /// Lets the call go, whatever was typed.
    fn give_no_verdict(&mut self, now: Time, id: CallId, secret: Secret) {
        let (code, prompt, reason) = match secret {
            Secret::Passcode => {
                (FeatureCode::AuthReject, Prompt::TooManyTries, CloseReason::AuthReject)
            }
            Secret::Security => {
                (FeatureCode::SecurityFail, Prompt::TooManyTries, CloseReason::SecpassFail)
            }
            // Who is in stays in.
            Secret::Promote => return self.promote_withheld(now, id),
        };
        self.event(now, id, Event::new(code).denied(DenyReason::Policy));
        self.dismiss(now, id, vec![prompt], Close::system(reason));
    }

    /// Notes that `id` was told of a wrong secret.
    pub(crate) fn guess_was_wrong(&mut self, now: Time, id: CallId, secret: Secret) {
        let target = self.target(id, secret);
        let Some((call, target)) = self.calls.get_mut(&id).zip(target) else { return };
        let alarms = self.guard.wrong(now, target, call.caller, &mut call.tries);
        self.fx.outputs.extend(alarms.into_iter().map(Output::GuessAlarm));
    }

    /// Notes that `id` typed the right secret.
    pub(crate) fn guess_was_right(&mut self, now: Time, id: CallId, secret: Secret) {
        let target = self.target(id, secret);
        let Some((call, target)) = self.calls.get_mut(&id).zip(target) else { return };
        self.guard.right(now, target, call.caller, &mut call.tries);
        let phone = self.phone_of(id);
        let typed = phone.map(|phone| Output::Typed { phone, was_right: true });
        self.fx.outputs.extend(typed);
    }

    /// The telephone that calls, once its answer is confirmed: until then somebody else may have
    /// called under its address, and have its sound sent to himself.
    fn phone_of(&self, id: CallId) -> Option<IpAddr> {
        let call = self.calls.get(&id).filter(|call| call.confirmed)?;
        call.caller.and_then(Caller::phone)
    }

    /// By what a secret of `id` is counted; `None` where nothing is asked for any more.
    fn target(&self, id: CallId, secret: Secret) -> Option<Target> {
        let call = self.calls.get(&id)?;
        match secret {
            Secret::Passcode | Secret::Promote => call.book.record().dnis.map(Target::Passcode),
            Secret::Security => {
                let session = *self.by_conference.get(&call.grant?.conference)?;
                self.sessions.get(&session)?.security.as_ref().map(|_| Target::Security(session))
            }
        }
    }
}
