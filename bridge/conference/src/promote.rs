//! `*3` of a participant: the moderator passcode makes a moderator of it.
//!
//! The passcode is a guess like any other: counted, delayed, and cut off from the room while typed.

use partyline_cdr_record::{DenyReason, FeatureCode};
use partyline_dialplan::Prompt;
use partyline_dialplan::star::{Command, Matcher, Menu};
use partyline_model::{CallId, Role, Time};
use partyline_secret::SecretDigits;

use crate::bridge::Bridge;
use crate::call::{Asked, Phase, Topic};
use crate::guess::{Guess, Secret};
use crate::record::Event;
use crate::session::State;

/// Tries at the moderator passcode each time.
const TRIES: u8 = 2;
/// Wrong tries in one call.
const MOST_WRONG: u8 = 4;

impl Bridge {
    /// `*3`: the moderator passcode is asked for.
    pub(crate) fn promote_code(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.wrong_promotions >= MOST_WRONG {
            let why = DenyReason::Policy;
            return self.deny(now, id, Command::Promote, why, Prompt::NotNow);
        }
        // No number that was dialled says which passcodes are valid.
        if call.book.record().dnis.is_none() {
            let why = DenyReason::State;
            return self.deny(now, id, Command::Promote, why, Prompt::NotAvailableYet);
        }
        self.ask(now, id, Topic::Promote, TRIES, vec![Prompt::EnterModeratorPasscode]);
    }

    /// A passcode was typed.
    pub(crate) fn promote_typed(&mut self, now: Time, id: CallId, tries: u8) {
        let typed = self.take_typed(id).filter(|typed| !typed.is_empty());
        let Some(typed) = typed else { return self.promote_given_up(now, id) };
        self.guessed(now, id, Guess::new(now, typed, Secret::Promote, tries));
    }

    /// Nothing came of `*3`.
    pub(crate) fn promote_given_up(&mut self, now: Time, id: CallId) {
        self.event(now, id, Event::of(FeatureCode::Promote, Command::Promote).failed());
        self.speak(now, id, vec![Prompt::Cancelled]);
    }

    /// Too many have been wrong lately: no verdict.
    pub(crate) fn promote_withheld(&mut self, now: Time, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.wrong_promotions = call.wrong_promotions.saturating_add(1);
        }
        let event = Event::of(FeatureCode::Promote, Command::Promote);
        self.event(now, id, event.denied(DenyReason::Policy));
        self.speak(now, id, vec![Prompt::ModeratorPasscodeWrong]);
    }

    /// Whether the passcode makes a moderator of this conference.
    pub(crate) fn promote_judged(&mut self, now: Time, id: CallId, typed: SecretDigits, tries: u8) {
        let found = self.look_up_passcode(id, &typed);
        drop(typed);
        let Some(grant) = self.calls.get(&id).and_then(|call| call.grant) else { return };
        let found = found.filter(|found| {
            let grant = (grant.conference, Role::Moderator);
            (found.grant.conference, found.grant.role) == grant && self.is_open(found.grant)
        });
        let Some(found) = found else {
            self.event(now, id, Event::of(FeatureCode::Promote, Command::Promote).failed());
            self.guess_was_wrong(now, id, Secret::Promote);
            if let Some(call) = self.calls.get_mut(&id) {
                call.wrong_promotions = call.wrong_promotions.saturating_add(1);
            }
            let left = tries.saturating_sub(1);
            if left == 0 {
                return self.speak(now, id, vec![Prompt::ModeratorPasscodeWrong]);
            }
            let prompts = vec![Prompt::ModeratorPasscodeWrong, Prompt::EnterModeratorPasscode];
            return self.ask(now, id, Topic::Promote, left, prompts);
        };
        self.guess_was_right(now, id, Secret::Promote);
        if let Some(session) = self.calls.get(&id).and_then(|call| call.session()) {
            self.lose_word(now, id, session);
        }
        let codes = self.star_profile(grant.account);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.grant = Some(found.grant);
        call.book.promote(&found, now);
        self.fx.ledger.push(call.book.next_revision());
        let leg_id = call.book.leg_id();
        call.touch(&mut self.fx);
        let Phase::Member(member) = &mut call.phase else { return };
        member.keys = Matcher::new(codes, Menu::Room(Role::Moderator));
        (member.hushed, member.barred) = (false, false);
        let session_id = member.session;
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        session.roster.set_role(id, Role::Moderator);
        session.floor.forget(id);
        session.book.record_mut().host_leg.get_or_insert(leg_id);
        let ending = matches!(session.state, State::Ending);
        self.event(now, id, Event::of(FeatureCode::Promote, Command::Promote));
        if ending {
            self.moderator_is_back(session_id);
        }
        let has_reference = self
            .sessions
            .get(&session_id)
            .is_some_and(|session| session.book.record().reference_number.is_some());
        if !has_reference && self.reference_is_required(id) {
            let tries = self.fx.config.required_reference_tries;
            let prompts = vec![Prompt::NowModerator, Prompt::EnterReference];
            return self.ask(now, id, Topic::Reference(Asked::ByStar), tries, prompts);
        }
        self.speak(now, id, vec![Prompt::NowModerator]);
    }
}
