//! The way in: passcode, reference number, capacity, security passcode, notice of a recording.

use partyline_cdr_record::{CloseReason, DenyReason, FeatureCode, Reference, ReferenceSource};
use partyline_dialplan::{Prompt, say};
use partyline_model::{CallId, Role, Time};
use partyline_secret::SecretDigits;

use crate::bridge::Bridge;
use crate::call::{Asked, Choice, Entry, Grant, Phase, Topic};
use crate::guess::{Guess, Secret};
use crate::lookup::Found;
use crate::record::{Close, Event};
use crate::timers::{CallTimer, Timer};

impl Bridge {
    /// A passcode was typed.
    pub(crate) fn passcode_typed(&mut self, now: Time, id: CallId, tries: u8) {
        let Some(typed) = self.take_typed(id) else { return self.no_memory(now, id) };
        if typed.is_empty() {
            return self.passcode_silent(now, id, tries);
        }
        self.guessed(now, id, Guess::new(now, typed, Secret::Passcode, tries));
    }

    /// What the passcode opens.
    pub(crate) fn passcode_judged(
        &mut self,
        now: Time,
        id: CallId,
        typed: SecretDigits,
        tries: u8,
    ) {
        let Some(found) = self.look_up_passcode(id, &typed) else {
            // A wrong passcode is often the right secret at the wrong prompt: counted, not kept.
            if let Some(call) = self.calls.get_mut(&id) {
                call.book.auth_failed();
            }
            self.event(now, id, Event::new(FeatureCode::AuthFail).failed());
            self.guess_was_wrong(now, id, Secret::Passcode);
            return self.passcode_again(now, id, tries, vec![Prompt::PasscodeInvalid]);
        };
        drop(typed);
        self.guess_was_right(now, id, Secret::Passcode);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.grant = Some(found.grant);
        // An account that is younger than the answer has had one plan only.
        let then = call
            .answered_under
            .take()
            .and_then(|then| then.account(found.grant.account).map(|account| account.rate_plan));
        let found = Found { rate_plan: then.unwrap_or(found.rate_plan), ..found };
        call.book.authenticate(&found, now);
        if self.is_open(found.grant) {
            self.event(now, id, Event::new(FeatureCode::AuthOk));
        }
        self.advance(now, id);
    }

    /// No passcode was typed.
    pub(crate) fn passcode_silent(&mut self, now: Time, id: CallId, tries: u8) {
        self.event(now, id, Event::new(FeatureCode::NoInput).failed());
        let prompts = vec![Prompt::NoPasscodeHeard, Prompt::EnterPasscode];
        self.passcode_again(now, id, tries, prompts);
    }

    fn passcode_again(&mut self, now: Time, id: CallId, tries: u8, prompts: Vec<Prompt>) {
        let left = tries.saturating_sub(1);
        if left > 0 {
            return self.ask(now, id, Topic::Passcode, left, prompts);
        }
        // Who never gave a sign of life could not have typed anything.
        let lifeless = self.fx.timers.is_set(Timer::Call(id, CallTimer::NoMedia));
        let reason = if lifeless { CloseReason::NoMedia } else { CloseReason::AuthReject };
        self.event(now, id, Event::new(FeatureCode::AuthReject).failed());
        self.dismiss(now, id, vec![Prompt::GoodbyeCheckPasscode], Close::system(reason));
    }

    /// The next step of a leg that has a grant: the first thing that is not settled yet.
    pub(crate) fn advance(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let (Some(grant), Phase::Entry(_)) = (call.grant, &call.phase) else { return };
        if call.guess.is_some() {
            return;
        }
        // It may have been closed since the passcode. Who is brought in was let in when dialled.
        if !call.is_outbound() && !self.is_open(grant) {
            self.event(now, id, Event::new(FeatureCode::AuthDenied).denied(DenyReason::State));
            let prompts = vec![Prompt::ConferenceUnavailable, Prompt::Goodbye];
            return self.dismiss(now, id, prompts, Close::system(CloseReason::AuthReject));
        }
        if !self.is_still_bound(id, grant) {
            let close = Close::moderator(CloseReason::EndedByModerator);
            return self.dismiss(now, id, vec![Prompt::ConferenceEnded], close);
        }
        let Some(call) = self.calls.get(&id) else { return };
        let Phase::Entry(entry) = &call.phase else { return };
        let moderates = grant.role == Role::Moderator;
        let (outbound, knocks) = (call.is_outbound(), call.knocks());
        let entry_admitted = entry.admitted;
        let (referred, verified, noticed) = (entry.referred, entry.verified, entry.noticed);
        let session = self
            .by_conference
            .get(&grant.conference)
            .and_then(|session| self.sessions.get(session));
        let has_reference =
            session.is_some_and(|session| session.book.record().reference_number.is_some());
        let is_full = session.is_some_and(|session| session.is_full());
        let is_secured = session.is_some_and(|session| session.security.is_some());
        let is_recorded = session.is_some_and(|session| session.recording.is_some());
        if moderates && !referred && !has_reference && self.reference_is_required(id) {
            let tries = self.fx.config.required_reference_tries;
            let prompts = vec![Prompt::EnterReference];
            return self.ask(now, id, Topic::Reference(Asked::OnEntry), tries, prompts);
        }
        if !entry_admitted && !outbound && self.is_locked_out(grant) {
            if !knocks {
                self.ask_to_knock(now, id);
            }
            return;
        }
        if is_full {
            self.event(now, id, Event::new(FeatureCode::JoinFull).denied(DenyReason::State));
            let close = Close { q850: Some(17), ..Close::system(CloseReason::AuthReject) };
            return self.dismiss(now, id, vec![Prompt::ConferenceFull, Prompt::Goodbye], close);
        }
        // A moderator knows the conference; only those who join are asked.
        if is_secured && !moderates && !verified {
            let tries = self.fx.config.security.tries;
            return self.ask(now, id, Topic::Security, tries, vec![Prompt::EnterSecurityPasscode]);
        }
        if is_recorded && !noticed {
            self.with_entry(id, |entry| entry.noticed = true);
            return self.speak(now, id, vec![Prompt::RecordingNotice]);
        }
        self.arrive(now, id, grant);
    }

    /// Whether the session that `id` is on its way into may still be entered. Where another has begun, a
    /// caller is asked anew; whom somebody in the first has brought, nobody in the second knows.
    fn is_still_bound(&mut self, id: CallId, grant: Grant) -> bool {
        let session = self.by_conference.get(&grant.conference).copied();
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let before = std::mem::replace(&mut call.bound, session);
        if before.is_none() || before == session {
            return true;
        }
        if call.is_outbound() || call.claim.is_some() {
            return false;
        }
        self.with_entry(id, |entry| {
            (entry.verified, entry.noticed, entry.admitted) = (false, false, false);
        });
        true
    }

    /// A security passcode was given at the gate.
    pub(crate) fn security_given(&mut self, now: Time, id: CallId, tries: u8) {
        let Some(typed) = self.take_typed(id) else { return self.no_memory(now, id) };
        self.guessed(now, id, Guess::new(now, typed, Secret::Security, tries));
    }

    /// Whether the security passcode is the right one.
    pub(crate) fn security_judged(
        &mut self,
        now: Time,
        id: CallId,
        typed: SecretDigits,
        tries: u8,
    ) {
        let Some(grant) = self.calls.get(&id).and_then(|call| call.grant) else { return };
        let session = self
            .by_conference
            .get(&grant.conference)
            .and_then(|session| self.sessions.get(session));
        let wanted = session.and_then(|session| session.security.as_ref());
        // It may have been taken back meanwhile: then nothing is asked for any more.
        let right = wanted.is_none_or(|wanted| wanted.matches(&typed));
        let asked = wanted.is_some();
        drop(typed);
        if !right {
            self.event(now, id, Event::new(FeatureCode::SecurityFail).failed());
            self.guess_was_wrong(now, id, Secret::Security);
            let prompts = vec![Prompt::SecurityPasscodeWrongTryAgain];
            return self.security_again(now, id, tries, prompts);
        }
        self.with_entry(id, |entry| entry.verified = true);
        if asked {
            if let Some(call) = self.calls.get_mut(&id) {
                call.book.verified();
            }
            self.guess_was_right(now, id, Secret::Security);
            self.event(now, id, Event::new(FeatureCode::SecurityOk));
        }
        self.advance(now, id);
    }

    /// No security passcode was given.
    pub(crate) fn security_silent(&mut self, now: Time, id: CallId, tries: u8) {
        self.event(now, id, Event::new(FeatureCode::NoInput).failed());
        self.security_again(now, id, tries, vec![Prompt::EnterSecurityPasscode]);
    }

    fn security_again(&mut self, now: Time, id: CallId, tries: u8, prompts: Vec<Prompt>) {
        let left = tries.saturating_sub(1);
        if left > 0 {
            return self.ask(now, id, Topic::Security, left, prompts);
        }
        let close = Close::system(CloseReason::SecpassFail);
        self.dismiss(now, id, vec![Prompt::SecurityPasscodeFailed], close);
    }

    /// A reference number was typed, on entry or after `*91`.
    pub(crate) fn reference_typed(&mut self, now: Time, id: CallId, asked: Asked, tries: u8) {
        let Some(typed) = self.take_typed(id) else { return self.no_memory(now, id) };
        if typed.is_empty() {
            return self.reference_skipped(now, id, asked, tries);
        }
        // What is typed at this prompt is a reference number and no secret.
        let text = if typed.within(1, 20) { typed.reveal() } else { String::new() };
        let Ok(value) = text.parse::<Reference>() else {
            return self.reference_again(now, id, asked, tries);
        };
        let mut prompts = vec![Prompt::YouEntered];
        prompts.extend(say::digits(value.as_str()));
        prompts.push(Prompt::AcceptOrReenter);
        self.ask(now, id, Topic::Choice(Choice::ReadBack(asked, value)), tries, prompts);
    }

    /// Pound alone: no reference number, if the account allows that.
    fn reference_skipped(&mut self, now: Time, id: CallId, asked: Asked, tries: u8) {
        match asked {
            Asked::ByStar => self.reference_cleared(now, id),
            Asked::OnEntry => self.reference_again(now, id, asked, tries),
            Asked::AfterEntry => {}
        }
    }

    /// No reference number was typed.
    pub(crate) fn reference_silent(&mut self, now: Time, id: CallId, asked: Asked, tries: u8) {
        match asked {
            Asked::OnEntry | Asked::ByStar => self.reference_again(now, id, asked, tries),
            // An optional question is asked once.
            Asked::AfterEntry => {}
        }
    }

    /// What was typed is no reference number, or nothing was where one is needed.
    fn reference_again(&mut self, now: Time, id: CallId, asked: Asked, tries: u8) {
        let left = tries.saturating_sub(1);
        if left > 0 {
            return self.ask(now, id, Topic::Reference(asked), left, vec![asked.prompt()]);
        }
        match asked {
            Asked::ByStar | Asked::AfterEntry => self.reference_unchanged(now, id),
            // Without an operator to ask for it, a required reference number is a condition.
            Asked::OnEntry => {
                self.event(now, id, Event::new(FeatureCode::AuthReject).failed());
                let close = Close::system(CloseReason::AuthReject);
                self.dismiss(now, id, vec![Prompt::Goodbye], close);
            }
        }
    }

    /// The reference number was accepted, by key or by silence.
    pub(crate) fn reference_accepted(
        &mut self,
        now: Time,
        id: CallId,
        asked: Asked,
        value: Reference,
    ) {
        match asked {
            Asked::ByStar => self.set_reference(now, id, ReferenceSource::StarCode, Some(value)),
            Asked::AfterEntry => {
                self.set_reference(now, id, ReferenceSource::Join, Some(value));
                self.speak(now, id, vec![Prompt::ReferenceSaved]);
            }
            Asked::OnEntry => {
                self.with_entry(id, |entry| {
                    entry.referred = true;
                    entry.reference = Some(value);
                });
                self.advance(now, id);
            }
        }
    }

    fn with_entry(&mut self, id: CallId, change: impl FnOnce(&mut Entry)) {
        if let Some(Phase::Entry(entry)) = self.calls.get_mut(&id).map(|call| &mut call.phase) {
            change(entry);
        }
    }
}
