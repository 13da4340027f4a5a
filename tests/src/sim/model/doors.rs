//! Coming in, going out, and what that does to the others.

use partyline_cdr_record::{
    AnnounceMode, CloseReason, DenyReason, FeatureCode as Code, FeatureDetail as Detail, TalkMode,
};
use partyline_model::Role;

use super::codes::Asked;
use super::{
    ALONE, Came, Conference, ENDING, ENDING_LOST, HOLD_LIMIT, Model, Person, Place, SECOND, State,
    Who,
};

/// A key that one key answers.
pub(super) const ONE_KEY: u64 = 5 * SECOND;
/// The security passcode.
pub(super) const SECURITY: u64 = 10 * SECOND;
const SECURITY_TRIES: u8 = 3;

impl Model {
    /// The next thing that is asked on the way in, or the conference itself.
    pub(super) fn go_on(&mut self, who: Who) {
        let now = self.now;
        let person = self.person(who);
        let (role, admitted, verified) = (person.role, person.admitted, person.verified);
        let (guest, noticed) = (role != Role::Moderator, person.noticed);
        let Some(conference) = &self.conference else { return self.arrive(who) };
        let (recorded, secured) = (conference.tape.is_some(), conference.secured);
        if conference.locked && guest && !admitted {
            return self.ask(who, Asked::Knock, now + ONE_KEY);
        }
        if conference.roster.len() >= self.rules.most {
            self.deny(who, Code::JoinFull, DenyReason::State);
            return self.end(who, CloseReason::AuthReject, false);
        }
        if secured && guest && !verified {
            return self.ask(who, Asked::Security(SECURITY_TRIES), now + SECURITY);
        }
        if recorded && !noticed {
            self.person(who).noticed = true;
            return self.going_on.push_back(who);
        }
        self.arrive(who);
    }

    fn arrive(&mut self, who: Who) {
        let (now, rules) = (self.now, self.rules);
        let conference = self.conference.get_or_insert(Conference {
            state: State::Waiting,
            roster: Vec::new(),
            mode: TalkMode::Conversation,
            all_muted: false,
            hands: Vec::new(),
            word: None,
            locked: false,
            knocking: Vec::new(),
            tape: None,
            secured: false,
            announce: AnnounceMode::Tones,
            ends_with_moderator: rules.ends_with_moderator,
            alone_until: None,
        });
        conference.roster.push(who);
        let (state, recorded) = (conference.state, conference.tape.is_some());
        let muted = conference.mode != TalkMode::Conversation;
        let person = self.person(who);
        person.soft_mute = muted;
        let moderates = person.role == Role::Moderator;
        match state {
            State::Waiting if rules.waits && !moderates => {
                person.patience = now + HOLD_LIMIT;
                self.move_to(who, Place::Hold);
                self.tell(who, Code::HoldStart);
            }
            State::Waiting => {
                self.room().state = State::Live;
                self.tell(who, Code::ConferenceStart);
                for other in self.room().roster.clone() {
                    self.enter(other);
                }
            }
            State::Ending(_) if moderates => {
                self.room().state = State::Live;
                self.enter(who);
            }
            State::Live | State::Ending(_) => self.enter(who),
        }
        if recorded {
            self.tell(who, Code::Consent);
        }
        self.watch_alone();
    }

    fn enter(&mut self, who: Who) {
        self.move_to(who, Place::Room(0));
        self.tell(who, Code::Join);
    }

    fn watch_alone(&mut self) {
        let now = self.now;
        let Some(conference) = &mut self.conference else { return };
        let alone = conference.roster.len() == 1 && conference.state != State::Waiting;
        conference.alone_until = alone.then(|| conference.alone_until.unwrap_or(now + ALONE));
    }

    pub(super) fn ask(&mut self, who: Who, asked: Asked, until: u64) {
        let person = self.person(who);
        (person.asked, person.until) = (Some(asked), Some(until));
        person.typed.clear();
    }

    /// A caller is gone, and with him what was his.
    pub(super) fn end(&mut self, who: Who, reason: CloseReason, lost: bool) {
        let now = self.now;
        let is_member = matches!(self.person(who).place, Place::Hold | Place::Room(_));
        if is_member {
            self.cut_off(who);
            self.drop_word(who, who, None);
            self.tell(who, Code::Leave);
        }
        self.move_to(who, Place::Entry);
        let Some(Person { role, spent, .. }) = self.people.remove(&who) else { return };
        self.gone.insert(who, (reason, spent));
        let Some(conference) = &mut self.conference else { return };
        conference.knocking.retain(|&other| other != who);
        if !is_member {
            return;
        }
        conference.roster.retain(|&other| other != who);
        conference.hands.retain(|&(other, _)| other != who);
        if conference.roster.is_empty() {
            return self.close();
        }
        let led = self.room().roster.clone();
        let led = led.iter().any(|other| self.people[other].role == Role::Moderator);
        if role == Role::Moderator && !led && self.room().state == State::Live {
            self.lose_leader();
            if self.room().ends_with_moderator {
                self.room().state = State::Ending(now + if lost { ENDING_LOST } else { ENDING });
            }
        }
        self.watch_alone();
    }

    /// What a caller was asked comes to nothing.
    fn cut_off(&mut self, who: Who) {
        let asked = self.person(who).asked.take();
        if let Some(code) = asked.and_then(|asked| asked.comes_to_nothing()) {
            self.fail(who, code);
        }
    }

    /// The word of `who`, if he has it, is nobody's; `by` did that.
    pub(super) fn drop_word(&mut self, who: Who, by: impl Into<Option<Who>>, to: Option<Who>) {
        let now = self.now;
        let Some(conference) = &mut self.conference else { return };
        if let Some((_, since)) = conference.word.take_if(|(speaker, _)| *speaker == who) {
            let told = self.tell(by, Code::QaClose);
            (told.to, told.detail) = (to, Detail::Millis(now - since));
        }
    }

    /// The last moderator is gone: all lines and the door are open.
    fn lose_leader(&mut self) {
        if let Some((speaker, _)) = self.room().word {
            self.drop_word(speaker, None, Some(speaker));
        }
        let conference = self.room();
        let from = std::mem::replace(&mut conference.mode, TalkMode::Conversation);
        (conference.all_muted, conference.hands) = (false, Vec::new());
        let (roster, knocking) = (conference.roster.clone(), conference.knocking.clone());
        let was_locked = std::mem::take(&mut conference.locked);
        if from != TalkMode::Conversation {
            let detail = Detail::Mode { from, to: TalkMode::Conversation };
            self.tell(None, Code::LectureMode).detail = detail;
        }
        if was_locked {
            self.tell(None, Code::Unlock);
        }
        for who in roster {
            let person = self.person(who);
            (person.soft_mute, person.hard_mute) = (false, false);
        }
        for who in knocking {
            self.admit(who);
        }
    }

    /// Everybody is hung up on.
    pub(super) fn end_all(&mut self) {
        self.stop_tape(None);
        // Nobody leads or waits any more.
        self.room().state = State::Waiting;
        self.room().alone_until = None;
        for who in self.room().roster.clone() {
            self.cut_off(who);
        }
        for who in self.room().roster.clone() {
            self.end(who, CloseReason::EndedByModerator, false);
        }
    }

    /// The last one left.
    fn close(&mut self) {
        self.stop_tape(None);
        let conference = self.conference.take();
        for who in conference.into_iter().flat_map(|conference| conference.knocking) {
            self.turn_away(who);
        }
    }

    pub(super) fn turn_away(&mut self, who: Who) {
        self.deny(who, Code::AuthDenied, DenyReason::State);
        self.end(who, CloseReason::AuthReject, false);
    }

    /// Somebody at the door may come in.
    pub(super) fn admit(&mut self, who: Who) {
        self.room().knocking.retain(|&other| other != who);
        self.move_to(who, Place::Entry);
        self.person(who).admitted = true;
        self.going_on.push_back(who);
    }

    pub(super) fn knock(&mut self, who: Who, key: Option<char>) {
        let now = self.now;
        let locked = self.conference.as_ref().is_some_and(|conference| conference.locked);
        if !locked {
            return self.go_on(who);
        }
        match key {
            Some('#' | '*') => self.ask(who, Asked::Knock, now + ONE_KEY),
            Some('1') => {
                self.room().knocking.push(who);
                self.move_to(who, Place::Door);
                self.person(who).patience = now + HOLD_LIMIT;
                self.tell(None, Code::LockKnock).to = Some(who);
            }
            _ => self.turn_away(who),
        }
    }

    pub(super) fn out_of_patience(&mut self, who: Who) {
        if self.person(who).place == Place::Door {
            return self.turn_away(who);
        }
        self.tell(who, Code::HoldTimeout);
        self.end(who, CloseReason::HoldTimeout, false);
    }

    pub(super) fn security_silent(&mut self, who: Who, tries: u8) {
        self.tell(who, Code::NoInput).outcome = Came::Failed;
        if tries == 1 {
            return self.end(who, CloseReason::SecpassFail, false);
        }
        let until = self.now + SECURITY;
        self.ask(who, Asked::Security(tries - 1), until);
    }

    pub(super) fn stop_tape(&mut self, by: Option<Who>) {
        let now = self.now;
        let Some(tape) = self.conference.as_mut().and_then(|it| it.tape.take()) else { return };
        let last = if tape.paused.is_some() { 0 } else { now - tape.since };
        self.tell(by, Code::RecordStop).detail = Detail::Millis(tape.before + last);
    }
}
