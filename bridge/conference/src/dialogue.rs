//! What `*91`, `*92` and `*99` begin: dialogues of one leg inside the conference.
//!
//! A security passcode is typed twice and never read back. Between its first digit and its last,
//! nothing that leaves this crate depends on which digits they are.

use partyline_cdr_record::{
    CloseReason, DenyReason, FeatureCode, FeatureDetail, Reference, ReferenceSource,
};
use partyline_dialplan::Prompt;
use partyline_dialplan::star::Command;
use partyline_directory::ReferenceNumber;
use partyline_model::{CallId, SessionId, Time};
use partyline_secret::SecretDigits;

use crate::bridge::Bridge;
use crate::call::{Asked, Topic};
use crate::record::{Close, Event};
use crate::remote::By;
use crate::session::Session;

/// Fewest digits of a security passcode.
const SECURITY_MIN: usize = 4;
/// Most digits of a security passcode.
const SECURITY_MAX: usize = 10;

/// Reference number.
impl Bridge {
    /// `*91`.
    pub(crate) fn reference_code(&mut self, now: Time, id: CallId) {
        let Some(grant) = self.calls.get(&id).and_then(|call| call.grant) else { return };
        let bought = self.entitlements(grant.account).map(|bought| bought.reference_number);
        if matches!(bought, None | Some(ReferenceNumber::Off)) {
            let why = DenyReason::Entitlement;
            return self.deny(now, id, Command::Reference, why, Prompt::NotAvailableYet);
        }
        let tries = self.fx.config.reference.tries;
        let topic = Topic::Reference(Asked::ByStar);
        self.ask(now, id, topic, tries, vec![Prompt::EnterReference]);
    }

    /// Sets or removes the conference's reference number and says so.
    pub(crate) fn set_reference(
        &mut self,
        now: Time,
        id: CallId,
        source: ReferenceSource,
        value: Option<Reference>,
    ) {
        if let Some(session) = self.calls.get(&id).and_then(|call| call.session()) {
            self.refer(now, By::Leg(id), session, (source, value));
        }
    }

    /// Sets or removes the reference number of a session.
    pub(crate) fn refer(
        &mut self,
        now: Time,
        by: By,
        session_id: SessionId,
        (source, value): (ReferenceSource, Option<Reference>),
    ) {
        let leg = by.leg().and_then(|id| self.calls.get(&id)).map(|call| call.book.leg_id());
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let previous = session.book.refer(now, leg, source, value.clone());
        let revision = session.book.next_revision();
        self.fx.ledger.push(revision);
        let event = match source {
            ReferenceSource::StarCode => Event::of(FeatureCode::ReferenceSet, Command::Reference),
            ReferenceSource::None
            | ReferenceSource::Join
            | ReferenceSource::EmailLink
            | ReferenceSource::Portal
            | ReferenceSource::Api
            | ReferenceSource::Default => Event::new(FeatureCode::ReferenceSet),
        };
        let prompt =
            if value.is_some() { Prompt::ReferenceSaved } else { Prompt::ReferenceCleared };
        self.note_by(now, by, event.with(FeatureDetail::Reference { value, previous }));
        if source == ReferenceSource::StarCode {
            self.answer_by(now, by, vec![prompt]);
        }
    }

    /// Pound alone after `*91`: no reference number from here on.
    pub(crate) fn reference_cleared(&mut self, now: Time, id: CallId) {
        if self.reference_is_required(id) {
            return self.reference_unchanged(now, id);
        }
        self.set_reference(now, id, ReferenceSource::StarCode, None);
    }

    /// Nothing came of `*91`.
    pub(crate) fn reference_unchanged(&mut self, now: Time, id: CallId) {
        self.event(now, id, Event::of(FeatureCode::ReferenceSet, Command::Reference).failed());
        self.speak(now, id, vec![Prompt::ReferenceUnchanged]);
    }
}

/// Security passcode.
impl Bridge {
    /// `*92`.
    pub(crate) fn security_code(&mut self, now: Time, id: CallId) {
        let Some(grant) = self.calls.get(&id).and_then(|call| call.grant) else { return };
        let bought = self.entitlements(grant.account).is_some_and(|b| b.security_passcode);
        if !bought {
            let why = DenyReason::Entitlement;
            return self.deny(now, id, Command::Security, why, Prompt::SecurityNotAllowed);
        }
        let tries = self.fx.config.security.tries;
        self.ask(now, id, Topic::NewSecurity, tries, vec![Prompt::EnterNewSecurityPasscode]);
    }

    /// The new security passcode was typed for the first time.
    pub(crate) fn security_typed(&mut self, now: Time, id: CallId, tries: u8) {
        let Some(first) = self.take_typed(id) else { return self.security_unchanged(now, id) };
        if first.is_empty() {
            return self.security_off(now, id);
        }
        if !first.within(SECURITY_MIN, SECURITY_MAX) {
            return self.security_anew(now, id, tries, vec![Prompt::EnterNewSecurityPasscode]);
        }
        let topic = Topic::NewSecurityAgain(first);
        self.ask(now, id, topic, tries, vec![Prompt::EnterSecurityPasscodeAgain]);
    }

    /// The new security passcode was typed for the second time.
    pub(crate) fn security_repeated(
        &mut self,
        now: Time,
        id: CallId,
        tries: u8,
        first: &SecretDigits,
    ) {
        let Some(again) = self.take_typed(id) else { return self.security_unchanged(now, id) };
        if !first.matches(&again) {
            drop(again);
            let prompts = vec![Prompt::SecurityPasscodesDiffer, Prompt::EnterNewSecurityPasscode];
            return self.security_anew(now, id, tries, prompts);
        }
        let Some(session) = self.session_of_mut(id) else { return };
        session.security = Some(again);
        session.book.record_mut().security_used = true;
        self.event(now, id, Event::of(FeatureCode::SecurityOn, Command::Security));
        self.speak(now, id, vec![Prompt::SecurityPasscodeOn]);
    }

    fn security_anew(&mut self, now: Time, id: CallId, tries: u8, prompts: Vec<Prompt>) {
        let left = tries.saturating_sub(1);
        if left == 0 {
            return self.security_unchanged(now, id);
        }
        self.ask(now, id, Topic::NewSecurity, left, prompts);
    }

    /// The security passcode is taken back: callers who join from here on are not asked for one.
    pub(crate) fn security_off(&mut self, now: Time, id: CallId) {
        let Some(session) = self.session_of_mut(id) else { return };
        session.security = None;
        self.event(now, id, Event::of(FeatureCode::SecurityOff, Command::Security));
        self.speak(now, id, vec![Prompt::SecurityPasscodeOff]);
    }

    /// Nothing came of `*92`.
    pub(crate) fn security_unchanged(&mut self, now: Time, id: CallId) {
        self.event(now, id, Event::of(FeatureCode::SecurityOn, Command::Security).failed());
        self.speak(now, id, vec![Prompt::SecurityPasscodeUnchanged]);
    }

    fn session_of_mut(&mut self, id: CallId) -> Option<&mut Session> {
        let session = self.calls.get(&id)?.session()?;
        self.sessions.get_mut(&session)
    }
}

/// The end for all.
impl Bridge {
    /// `*99` was confirmed.
    pub(crate) fn end_by_moderator(&mut self, now: Time, id: CallId) {
        let Some(session) = self.calls.get(&id).and_then(|call| call.session()) else { return };
        self.end_by(now, By::Leg(id), session);
    }

    /// Ends the conference for all.
    pub(crate) fn end_by(&mut self, now: Time, by: By, session: SessionId) {
        self.note_by(now, by, Event::of(FeatureCode::EndConference, Command::End));
        let close = Close::moderator(CloseReason::EndedByModerator);
        self.end_session(now, session, close, Prompt::ConferenceEnded);
    }

    /// `*99` was not confirmed.
    pub(crate) fn end_cancelled(&mut self, now: Time, id: CallId) {
        self.event(now, id, Event::of(FeatureCode::EndConference, Command::End).failed());
        self.speak(now, id, vec![Prompt::Cancelled]);
    }
}
