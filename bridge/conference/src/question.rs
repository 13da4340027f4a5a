//! Asking a leg something and collecting the keys of its answer.
//!
//! Which question follows which is decided by the modules that ask: `ivr` on the way in,
//! `dialogue` in the conference, `dialout` for a number to call. Nothing here depends on the value
//! of a decimal digit, except for questions that one key answers.

use std::time::Duration;

use partyline_cdr_record::FeatureCode;
use partyline_dialplan::Prompt;
use partyline_dialplan::star::{Command, INTER_DIGIT};
use partyline_model::{CallId, Digit, PlaybackId, Time};

use crate::bridge::Bridge;
use crate::call::{Asked, Callee, CalleeStage, Choice, Entry, Phase, Question, Topic};
use crate::config::{Config, EntryTiming};
use crate::record::Event;
use crate::timers::{CallTimer, Timer};

impl Bridge {
    /// Asks `id` about `topic`. Without prompts the time for the first key begins at once.
    pub(crate) fn ask(
        &mut self,
        now: Time,
        id: CallId,
        topic: Topic,
        tries: u8,
        prompts: Vec<Prompt>,
    ) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.ask(now, &mut self.fx, Question { topic, tries }, prompts);
        }
    }

    /// Takes the question back, answered or not.
    pub(crate) fn take_question(&mut self, id: CallId) -> Option<Question> {
        self.calls.get_mut(&id)?.take_question(&mut self.fx)
    }

    /// A key was pressed.
    pub(crate) fn digit(&mut self, now: Time, id: CallId, digit: Digit) {
        self.is_alive(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let asked = call.question.is_some();
        match &call.phase {
            Phase::Leaving(_) => {}
            // A passcode in the dialled URI comes before the answer. What does not fit is lost:
            // nobody types 32 digits ahead in earnest.
            Phase::Opening => call.typed.push(digit).unwrap_or(()),
            // In the conference a code is worth more than the answer.
            Phase::Member(_) if call.guess.is_some() && digit == Digit::STAR => {
                call.typed.clear();
                self.drop_guess(id);
                self.touch(id);
                self.star_key(now, id, digit);
            }
            Phase::Entry(_) | Phase::Member(_) if call.guess.is_some() => {
                call.typed.push(digit).unwrap_or(())
            }
            Phase::Greeting(_) => {
                if call.typed.push(digit).is_ok() {
                    self.media_started(now, id);
                }
            }
            Phase::Entry(_) | Phase::Member(_) | Phase::Apart(_) | Phase::Callee(_) if asked => {
                self.answer_key(now, id, digit)
            }
            Phase::Entry(Entry { knocks_at: Some(_), .. }) => {}
            Phase::Entry(_) => {
                self.hush(id);
                self.spoken(now, id);
            }
            Phase::Member(_) => self.star_key(now, id, digit),
            Phase::Apart(_) => self.aside_key(now, id, digit),
            Phase::Callee(_) => call.stray_digits = call.stray_digits.saturating_add(1),
        }
    }

    /// A key that answers a question.
    fn answer_key(&mut self, now: Time, id: CallId, digit: Digit) {
        self.hush(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(question) = &call.question else { return };
        if matches!(question.topic, Topic::Choice(_)) {
            return self.choose(now, id, digit);
        }
        let between = self.entry_of(id).inter_digit;
        match digit {
            Digit::POUND => return self.submit(now, id),
            Digit::STAR => return self.star_in_answer(now, id),
            _ => {}
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        if digit.decimal().is_some() {
            // Beyond 32 digits the answer is wrong in any case.
            call.typed.push(digit).unwrap_or(());
        }
        self.fx.timers.set(Timer::Call(id, CallTimer::Key), now, between);
    }

    /// No key came in time.
    pub(crate) fn no_key(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(question) = &call.question else {
            match &mut call.phase {
                Phase::Member(member) => member.keys.reset(),
                Phase::Apart(apart) => apart.keys.reset(),
                Phase::Opening
                | Phase::Greeting(_)
                | Phase::Entry(_)
                | Phase::Leaving(_)
                | Phase::Callee(_) => {}
            }
            return;
        };
        if matches!(question.topic, Topic::Choice(_)) {
            self.choose_nothing(now, id);
        } else if call.typed.is_empty() {
            self.silence(now, id);
        } else {
            self.submit(now, id);
        }
    }

    /// The answer is complete.
    fn submit(&mut self, now: Time, id: CallId) {
        let Some(Question { topic, tries }) = self.take_question(id) else { return };
        match topic {
            Topic::Passcode => self.passcode_typed(now, id, tries),
            Topic::Reference(asked) => self.reference_typed(now, id, asked, tries),
            Topic::Security => self.security_given(now, id, tries),
            Topic::NewSecurity => self.security_typed(now, id, tries),
            Topic::NewSecurityAgain(first) => self.security_repeated(now, id, tries, &first),
            Topic::Number => self.number_typed(now, id, tries),
            Topic::Promote => self.promote_typed(now, id, tries),
            Topic::Choice(_) => {}
        }
    }

    /// Nothing was typed before the time was over.
    fn silence(&mut self, now: Time, id: CallId) {
        let Some(Question { topic, tries }) = self.take_question(id) else { return };
        match topic {
            Topic::Passcode => self.passcode_silent(now, id, tries),
            Topic::Reference(asked) => self.reference_silent(now, id, asked, tries),
            Topic::Security => self.security_silent(now, id, tries),
            Topic::NewSecurity | Topic::NewSecurityAgain(_) => self.security_unchanged(now, id),
            Topic::Number => self.number_given_up(now, id),
            Topic::Promote => self.promote_given_up(now, id),
            Topic::Choice(_) => {}
        }
    }

    /// The star key: begins the answer again, or leaves the dialogue.
    fn star_in_answer(&mut self, now: Time, id: CallId) {
        let Some(question) = self.calls.get(&id).and_then(|call| call.question.as_ref()) else {
            return;
        };
        match question.topic {
            Topic::Passcode
            | Topic::Security
            | Topic::Promote
            | Topic::Reference(Asked::OnEntry) => {
                let first = self.entry_of(id).first_digit;
                let Some(call) = self.calls.get_mut(&id) else { return };
                call.typed.clear();
                self.fx.timers.set(Timer::Call(id, CallTimer::Key), now, first);
            }
            Topic::Reference(Asked::ByStar) => {
                self.take_question(id);
                self.reference_unchanged(now, id);
            }
            // A moderator who begins a star code does not care for the question.
            Topic::Reference(Asked::AfterEntry) => {
                self.take_question(id);
                self.star_key(now, id, Digit::STAR);
            }
            Topic::NewSecurity => {
                self.take_question(id);
                self.security_off(now, id);
            }
            Topic::NewSecurityAgain(_) => {
                self.take_question(id);
                self.security_unchanged(now, id);
            }
            Topic::Number => {
                self.take_question(id);
                self.number_given_up(now, id);
            }
            Topic::Choice(_) => {}
        }
    }

    /// A key answers a question that one key answers.
    fn choose(&mut self, now: Time, id: CallId, digit: Digit) {
        let yes = digit.decimal() == Some(1);
        let Some(Question { topic, tries }) = self.take_question(id) else { return };
        let Topic::Choice(choice) = topic else { return };
        if digit == Digit::STAR
            && let Some((code, command)) = choice.is_left_by_star()
        {
            self.event(now, id, Event::of(code, command).failed());
            return self.star_key(now, id, digit);
        }
        match choice {
            Choice::ReadBack(asked, value) if yes => self.reference_accepted(now, id, asked, value),
            Choice::ReadBack(asked, _) => {
                self.ask(now, id, Topic::Reference(asked), tries, vec![asked.prompt()]);
            }
            Choice::ConfirmRecord if yes => self.recording_confirmed(now, id),
            Choice::ConfirmRecord => self.recording_cancelled(now, id),
            Choice::ConfirmEnd if yes => self.end_by_moderator(now, id),
            Choice::ConfirmEnd => self.end_cancelled(now, id),
            Choice::Invited => self.invited_chose(now, id, digit, tries),
            Choice::Knock => self.knock(now, id, Some(digit)),
            // A star begins the next code: the list is left.
            Choice::Roll(_) if digit == Digit::STAR => self.star_key(now, id, digit),
            Choice::Roll(roll) => self.roll_chose(now, id, *roll, Some(digit)),
            Choice::Drop(legs) => self.drop_chose(now, id, &legs, Some(digit)),
            Choice::Room => self.room_chose(now, id, Some(digit)),
        }
    }

    /// No key answered a question that one key answers.
    fn choose_nothing(&mut self, now: Time, id: CallId) {
        let Some(Question { topic, tries }) = self.take_question(id) else { return };
        let Topic::Choice(choice) = topic else { return };
        match choice {
            Choice::ReadBack(asked, value) => self.reference_accepted(now, id, asked, value),
            Choice::ConfirmRecord => self.recording_cancelled(now, id),
            Choice::ConfirmEnd => self.end_cancelled(now, id),
            Choice::Invited => self.invited_again(now, id, tries),
            Choice::Knock => self.knock(now, id, None),
            Choice::Roll(roll) => self.roll_chose(now, id, *roll, None),
            Choice::Drop(legs) => self.drop_chose(now, id, &legs, None),
            Choice::Room => self.room_chose(now, id, None),
        }
    }

    /// The prompts of `playback` were played to the end.
    pub(crate) fn playback_done(&mut self, now: Time, id: CallId, playback: PlaybackId) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.speaking == Some(playback) {
            self.spoken(now, id);
        }
    }

    /// What played to `id` is over: what comes after it.
    pub(crate) fn spoken(&mut self, now: Time, id: CallId) {
        self.fx.timers.cancel(Timer::Call(id, CallTimer::Playback));
        self.touch(id);
        if let Some(call) = self.calls.get_mut(&id) {
            call.speaking = None;
        }
        let Some(call) = self.calls.get(&id) else { return };
        if let Some(question) = &call.question {
            let first = self.fx.config.first_key(&question.topic);
            return self.fx.timers.set(Timer::Call(id, CallTimer::Key), now, first);
        }
        match &call.phase {
            &Phase::Leaving(close) => self.hang_up(now, id, close),
            Phase::Entry(_) => self.advance(now, id),
            Phase::Callee(Callee { stage: CalleeStage::Greeted, .. }) => self.connect(now, id),
            Phase::Callee(_)
            | Phase::Opening
            | Phase::Greeting(_)
            | Phase::Member(_)
            | Phase::Apart(_) => {}
        }
    }

    /// Waits for the next key of a begun star code.
    pub(crate) fn await_code(&mut self, now: Time, id: CallId) {
        self.fx.timers.set(Timer::Call(id, CallTimer::Key), now, INTER_DIGIT);
    }

    fn entry_of(&self, id: CallId) -> EntryTiming {
        let question = self.calls.get(&id).and_then(|call| call.question.as_ref());
        question.map_or(self.fx.config.passcode, |question| self.fx.config.timing(&question.topic))
    }
}

impl Config {
    /// How long the first key of an answer may take.
    pub(crate) const fn first_key(&self, topic: &Topic) -> Duration {
        let one_key = matches!(topic, Topic::Choice(_));
        if one_key { self.confirm } else { self.timing(topic).first_digit }
    }

    /// Of an answer of several keys; of one key there is only the first to wait for.
    const fn timing(&self, topic: &Topic) -> EntryTiming {
        match topic {
            Topic::Passcode | Topic::Promote => self.passcode,
            Topic::Reference(_) => self.reference,
            Topic::Security | Topic::NewSecurity | Topic::NewSecurityAgain(_) => self.security,
            Topic::Number | Topic::Choice(_) => self.dial,
        }
    }
}

impl Topic {
    /// What comes to nothing when the leg goes in the middle of it; `None` for what was not asked at the
    /// leg's own wish.
    pub(crate) const fn left(&self) -> Option<(FeatureCode, Command)> {
        match self {
            Self::NewSecurity | Self::NewSecurityAgain(_) => {
                Some((FeatureCode::SecurityOn, Command::Security))
            }
            Self::Reference(Asked::ByStar) | Self::Choice(Choice::ReadBack(Asked::ByStar, _)) => {
                Some((FeatureCode::ReferenceSet, Command::Reference))
            }
            Self::Number => Some((FeatureCode::DialoutStart, Command::DialOut)),
            Self::Promote => Some((FeatureCode::Promote, Command::Promote)),
            Self::Choice(choice) => choice.is_left_by_star(),
            Self::Passcode
            | Self::Security
            | Self::Reference(Asked::OnEntry | Asked::AfterEntry) => None,
        }
    }
}

impl Choice {
    /// What comes to nothing when a star begins another code instead of answering; `None` where a star
    /// is an answer.
    const fn is_left_by_star(&self) -> Option<(FeatureCode, Command)> {
        match self {
            Self::Drop(_) => Some((FeatureCode::Kick, Command::Drop)),
            Self::Room => Some((FeatureCode::Breakout, Command::PrivateRoom)),
            Self::ConfirmRecord => Some((FeatureCode::RecordStart, Command::Record)),
            Self::ConfirmEnd => Some((FeatureCode::EndConference, Command::End)),
            Self::ReadBack(..) | Self::Invited | Self::Knock | Self::Roll(_) => None,
        }
    }
}
