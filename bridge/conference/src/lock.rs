//! `*7`: a locked conference, and who asks to be let in.

use partyline_cdr_record::{CloseReason, DenyReason, FeatureCode};
use partyline_dialplan::star::{Command, Menu};
use partyline_dialplan::{Prompt, say};
use partyline_model::{CallId, Digit, Role, SessionId, Time};

use crate::bridge::Bridge;
use crate::call::{Choice, Grant, Phase, Topic};
use crate::record::{Close, Event};
use crate::remote::By;
use crate::timers::{CallTimer, Timer};

/// Most callers who wait to be let into one conference.
const MOST_KNOCKING: usize = 20;

impl Bridge {
    /// `*7`: locks the conference, or opens it and lets in whoever asked.
    pub(crate) fn lock_code(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let lock = !session.locked;
        self.set_locked(now, By::Leg(id), session_id, lock);
    }

    /// Locks the conference, or opens it and lets in whoever asked.
    pub(crate) fn set_locked(&mut self, now: Time, by: By, session_id: SessionId, lock: bool) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        session.locked = lock;
        let (code, prompt) = if lock {
            (FeatureCode::Lock, Prompt::Locked)
        } else {
            (FeatureCode::Unlock, Prompt::Unlocked)
        };
        let waiting = if session.locked { Vec::new() } else { session.knocking.clone() };
        session.announce(&mut self.fx, vec![Prompt::ToneChime]);
        self.note_by(now, by, Event::of(code, Command::Lock));
        self.answer_by(now, by, vec![prompt]);
        for caller in waiting {
            self.let_in(now, by, caller);
        }
    }

    /// Whether `grant` stands before a locked door.
    pub(crate) fn is_locked_out(&self, grant: Grant) -> bool {
        let session = self.by_conference.get(&grant.conference);
        let session = session.and_then(|session| self.sessions.get(session));
        grant.role != Role::Moderator && session.is_some_and(|session| session.locked)
    }

    /// The conference is locked: whether to ask to be let in.
    pub(crate) fn ask_to_knock(&mut self, now: Time, id: CallId) {
        self.ask(now, id, Topic::Choice(Choice::Knock), 1, vec![Prompt::LockedKnock]);
    }

    /// The caller at the door pressed a key, or none.
    pub(crate) fn knock(&mut self, now: Time, id: CallId, digit: Option<Digit>) {
        let grant = self.calls.get(&id).and_then(|call| call.grant);
        let Some(grant) = grant else { return };
        if !self.is_locked_out(grant) {
            return self.advance(now, id);
        }
        let Some(&session_id) = self.by_conference.get(&grant.conference) else { return };
        // A pound that comes late, after a code that was complete without it, is no answer.
        if digit == Some(Digit::POUND) || digit == Some(Digit::STAR) {
            return self.ask(now, id, Topic::Choice(Choice::Knock), 1, Vec::new());
        }
        let wants_in = digit.and_then(Digit::decimal) == Some(1);
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        if !wants_in || session.knocking.len() >= MOST_KNOCKING {
            return self.turn_away(now, id, Prompt::Goodbye);
        }
        session.knocking.push(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Entry(entry) = &mut call.phase else { return };
        entry.knocks_at = Some(session_id);
        let limit = self.fx.config.hold_limit;
        self.fx.timers.set(Timer::Call(id, CallTimer::HoldLimit), now, limit);
        let again = self.fx.config.hold_thanks;
        self.fx.timers.set(Timer::Call(id, CallTimer::HoldThanks), now, again);
        let leg_id = call.book.leg_id();
        if let Some(session) = self.sessions.get_mut(&session_id) {
            let event = Event::new(FeatureCode::LockKnock).about(leg_id);
            session.note(now, &mut self.fx, event);
        }
        self.speak(now, id, vec![Prompt::KnockWait]);
        self.tell_of_knock(now, session_id);
    }

    /// Tells the moderators that somebody asks to be let in, and by which key they hear who.
    pub(crate) fn tell_of_knock(&mut self, now: Time, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let profile = self.star_profile(session.account);
        let keys = profile.keys(Menu::Room(Role::Moderator), Command::RollCall);
        let mut prompts = vec![Prompt::CallerWaiting];
        if let Some(keys) = keys {
            prompts.push(Prompt::ToReviewPress);
            prompts.extend(say::keys(keys));
        }
        self.tell_moderators(now, session_id, &prompts);
    }

    /// A moderator lets in who asked.
    pub(crate) fn let_in(&mut self, now: Time, by: By, id: CallId) {
        if let Some(leg_id) = self.calls.get(&id).map(|call| call.book.leg_id()) {
            let event = Event::of(FeatureCode::LockAdmit, Command::RollCall);
            self.note_by(now, by, event.about(leg_id));
        }
        self.admit_knocker(now, id);
    }

    pub(crate) fn admit_knocker(&mut self, now: Time, id: CallId) {
        self.leave_door(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Entry(entry) = &mut call.phase else { return };
        entry.admitted = true;
        self.speak(now, id, vec![Prompt::LetIn]);
    }

    /// A moderator turns away who asked.
    pub(crate) fn reject(&mut self, now: Time, by: By, id: CallId) {
        if let Some(leg_id) = self.calls.get(&id).map(|call| call.book.leg_id()) {
            let event = Event::of(FeatureCode::LockReject, Command::RollCall);
            self.note_by(now, by, event.about(leg_id));
        }
        self.turn_away(now, id, Prompt::NotLetIn);
    }

    /// Who is at the door may not come in.
    pub(crate) fn turn_away(&mut self, now: Time, id: CallId, prompt: Prompt) {
        self.leave_door(id);
        self.event(now, id, Event::new(FeatureCode::AuthDenied).denied(DenyReason::State));
        self.dismiss(now, id, vec![prompt], Close::system(CloseReason::AuthReject));
    }

    /// `id` asks no longer.
    pub(crate) fn leave_door(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Entry(entry) = &mut call.phase else { return };
        let Some(session) = entry.knocks_at.take() else { return };
        self.fx.timers.cancel(Timer::Call(id, CallTimer::HoldLimit));
        self.fx.timers.cancel(Timer::Call(id, CallTimer::HoldThanks));
        call.touch(&mut self.fx);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.knocking.retain(|&caller| caller != id);
        }
    }

    /// The conference is over: nobody lets in those who asked.
    pub(crate) fn close_door(&mut self, now: Time, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        for caller in session.knocking.clone() {
            self.turn_away(now, caller, Prompt::ConferenceEnded);
        }
    }
}
