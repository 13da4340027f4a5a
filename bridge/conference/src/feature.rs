//! Star codes: from keys in the conference to what they do.
//!
//! A new command has its row in `partyline_dialplan::star` and a code in each profile, an arm in
//! `code_of` and in [`Bridge::obey`], and a test. What a code begins that takes more than one step is in `dialogue`, `recording` and
//! `dialout`.

use partyline_cdr_record::{DenyReason, FeatureCode, FeatureDetail};
use partyline_dialplan::star::{Command, Match, Menu};
use partyline_dialplan::{Prompt, say};
use partyline_model::{CallId, Digit, SessionId, Time};

use crate::bridge::Bridge;
use crate::call::{Call, Choice, Phase, Topic};
use crate::record::Event;
use crate::session::State;

/// The event that a command leaves, done or denied.
const fn code_of(command: Command) -> FeatureCode {
    match command {
        Command::Mute => FeatureCode::MuteSelf,
        Command::Record => FeatureCode::RecordStart,
        Command::Count => FeatureCode::Count,
        Command::Help => FeatureCode::Help,
        Command::DialOut => FeatureCode::DialoutStart,
        Command::Reference => FeatureCode::ReferenceSet,
        Command::Security => FeatureCode::SecurityOn,
        Command::End => FeatureCode::EndConference,
        Command::BringBoth => FeatureCode::DialoutJoined,
        Command::ReturnAlone => FeatureCode::DialoutDropped,
        Command::Hand => FeatureCode::HandRaise,
        Command::NextQuestion => FeatureCode::QaOpen,
        Command::Mode => FeatureCode::LectureMode,
        Command::MuteAll => FeatureCode::MuteAll,
        Command::Lock => FeatureCode::Lock,
        Command::RollCall => FeatureCode::RollCall,
        Command::RollCallAloud => FeatureCode::RollCallPublic,
        Command::Drop => FeatureCode::Kick,
        Command::Announce => FeatureCode::AnnounceMode,
        Command::AutoContinue => FeatureCode::AutoContinueOn,
        Command::PauseRecording => FeatureCode::RecordPause,
        Command::PrivateRoom => FeatureCode::Breakout,
        Command::Promote => FeatureCode::Promote,
    }
}

impl Bridge {
    /// A key in the conference that answers no question.
    pub(crate) fn star_key(&mut self, now: Time, id: CallId, digit: Digit) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Member(member) = &mut call.phase else { return };
        match member.keys.push(digit) {
            Match::Ignored => {
                call.stray_digits = call.stray_digits.saturating_add(1);
                // Alone it means nothing else: it ends what the leg is told, a long help above all.
                if digit == Digit::POUND {
                    self.hush(id);
                }
            }
            Match::Pending => {
                self.hush(id);
                self.await_code(now, id);
            }
            Match::Command(command, keys) => {
                call.keyed = Some((command, keys));
                self.command(now, id, command);
            }
            Match::Unknown => {
                let session = member.session;
                let closing =
                    self.sessions.get(&session).is_none_or(|session| session.state.is_closing());
                if !closing {
                    self.speak(now, id, vec![Prompt::UnknownCode]);
                }
            }
        }
    }

    /// A member asks for `command`: done, or refused aloud with a reason in the record.
    pub(crate) fn command(&mut self, now: Time, id: CallId, command: Command) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Member(member) = &call.phase else { return };
        let Some(grant) = call.grant else { return };
        let Some(session) = self.sessions.get(&member.session) else { return };
        let (session_id, state) = (member.session, session.state);
        if is_duplicate(call, command, now, self.fx.config.duplicate) {
            return;
        }
        if !command.allowed(grant.role) {
            return self.deny(now, id, command, DenyReason::Role, Prompt::ModeratorOnly);
        }
        match state {
            State::Live | State::Ending => self.obey(now, id, session_id, command),
            State::Waiting => {
                self.deny(now, id, command, DenyReason::State, Prompt::NotAvailableYet);
            }
            // The farewell plays; a prompt would cover it.
            State::Closing { .. } => {
                self.event(now, id, Event::of(code_of(command), command).denied(DenyReason::State));
            }
        }
    }

    fn obey(&mut self, now: Time, id: CallId, session_id: SessionId, command: Command) {
        match command {
            Command::Mute => self.toggle_mute(now, id, session_id),
            Command::Count => self.count(now, id, session_id),
            Command::Help => self.help(now, id),
            Command::Record => self.record_code(now, id, session_id),
            Command::DialOut => self.dial_code(now, id),
            Command::Reference => self.reference_code(now, id),
            Command::Security => self.security_code(now, id),
            Command::Hand => self.hand(now, id, session_id),
            Command::NextQuestion => self.next_question(now, id, session_id),
            Command::Mode => self.mode_code(now, id, session_id),
            Command::MuteAll => self.mute_all(now, id, session_id),
            Command::Lock => self.lock_code(now, id, session_id),
            Command::RollCall => self.roll_call(now, id, session_id),
            Command::RollCallAloud => self.roll_call_aloud(now, id, session_id),
            Command::Drop => self.drop_code(now, id, session_id),
            Command::Announce => self.announce_code(now, id, session_id),
            Command::AutoContinue => self.continue_code(now, id, session_id),
            Command::PauseRecording => self.pause_code(now, id, session_id),
            Command::PrivateRoom => self.room_code(now, id),
            Command::Promote => self.promote_code(now, id),
            Command::End => {
                let prompts = vec![Prompt::EndConfirm];
                self.ask(now, id, Topic::Choice(Choice::ConfirmEnd), 1, prompts);
            }
            // In the room there is no callee to bring or to leave.
            Command::BringBoth | Command::ReturnAlone => {
                self.deny(now, id, command, DenyReason::State, Prompt::NotAvailableYet);
            }
        }
    }

    /// Says no, and records why.
    pub(crate) fn deny(
        &mut self,
        now: Time,
        id: CallId,
        command: Command,
        why: DenyReason,
        prompt: Prompt,
    ) {
        self.event(now, id, Event::of(code_of(command), command).denied(why));
        self.speak(now, id, vec![prompt]);
    }

    /// `*#`: how many there are.
    fn count(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let people = u32::try_from(session.roster.len()).unwrap_or(u32::MAX);
        let detail = FeatureDetail::Count(people);
        self.event(now, id, Event::of(FeatureCode::Count, Command::Count).with(detail));
        self.speak(now, id, say::people(people));
    }

    /// `**`: the codes that the leg may use.
    fn help(&mut self, now: Time, id: CallId) {
        let Some(grant) = self.calls.get(&id).and_then(|call| call.grant) else { return };
        let prompts = say::help(&self.star_profile(grant.account), Menu::Room(grant.role));
        self.event(now, id, Event::of(FeatureCode::Help, Command::Help));
        self.speak(now, id, prompts);
    }
}

/// Whether this is the last command once more, too soon to be meant.
fn is_duplicate(call: &mut Call, command: Command, now: Time, within: std::time::Duration) -> bool {
    let last = call.last_command.replace((command, now));
    last.is_some_and(|(before, at)| before == command && now.since(at) < within)
}
