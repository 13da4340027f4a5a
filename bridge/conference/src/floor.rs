//! Who may speak: own mute, the moderator's, that of the mode; raised hands and who has the word.
//!
//! One model for all of it. A line is closed by its own caller (`*6`), by a moderator (hard: the
//! caller cannot open it), softly for all (`*95`, questions: the caller may open it), or by a
//! presentation (only who has the word is heard). Moderators are never closed but by themselves.

use partyline_cdr_record::{DenyReason, FeatureCode, FeatureDetail, TalkMode};
use partyline_dialplan::star::{Command, Menu};
use partyline_dialplan::{Prompt, say};
use partyline_model::{CallId, Role, SessionId, Time};

use crate::bridge::Bridge;
use crate::call::{Apart, Call, Member, Phase};
use crate::record::{Event, millis};
use crate::remote::By;
use crate::session::Session;

/// Who may speak in a session, and who wants to.
pub(crate) struct Floor {
    pub(crate) mode: TalkMode,
    /// Raised hands, the longest waiting first, and since when.
    hands: Vec<(CallId, Time)>,
    /// Who has the word, and since when.
    word: Option<(CallId, Time)>,
    /// Whether all lines were muted by `*95` last.
    all_muted: bool,
}

impl Floor {
    /// Everybody may speak.
    pub(crate) const OPEN: Self =
        Self { mode: TalkMode::Conversation, hands: Vec::new(), word: None, all_muted: false };

    /// The place of a raised hand, from 1, and since when it is up.
    pub(crate) fn hand(&self, call: CallId) -> Option<(u32, Time)> {
        let (place, &(_, since)) =
            self.hands.iter().enumerate().find(|(_, hand)| hand.0 == call)?;
        Some((number(place + 1), since))
    }

    /// How many hands are up.
    pub(crate) const fn hands(&self) -> usize {
        self.hands.len()
    }

    /// Whether `call` has the word.
    pub(crate) fn has_word(&self, call: CallId) -> bool {
        self.word.is_some_and(|(who, _)| who == call)
    }

    /// The place of a raised hand, from 1.
    fn place(&self, call: CallId) -> Option<usize> {
        self.hands.iter().position(|&(who, _)| who == call).map(|at| at + 1)
    }

    /// The hand and the word of `old` are those of `new` from here on.
    pub(crate) fn take_place(&mut self, old: CallId, new: CallId) {
        let hands = self.hands.iter_mut().chain(&mut self.word);
        for (who, _) in hands.filter(|(who, _)| *who == old) {
            *who = new;
        }
    }

    /// Forgets a hand, and the word of who is gone.
    pub(crate) fn forget(&mut self, call: CallId) {
        self.hands.retain(|&(who, _)| who != call);
        self.word.take_if(|(who, _)| *who == call);
    }
}

impl Session {
    /// Whether nobody hears what `call` says, by its own will or another's.
    pub(crate) fn silences(&self, call: &Call, member: &Member) -> bool {
        let role = call.grant.map_or(Role::Listener, |grant| grant.role);
        match role {
            Role::Listener => true,
            Role::Moderator => member.muted,
            Role::Participant => {
                // In a private room nobody presents.
                let closed = member.room.is_none()
                    && self.floor.mode == TalkMode::Presentation
                    && !self.floor.has_word(call.id);
                member.muted || member.hushed || member.barred || closed
            }
        }
    }

    /// Whether who joins now is muted until the line is opened.
    pub(crate) fn hushes_newcomers(&self) -> bool {
        self.floor.mode != TalkMode::Conversation
    }
}

const fn next_mode(mode: TalkMode) -> TalkMode {
    match mode {
        TalkMode::Conversation => TalkMode::Questions,
        TalkMode::Questions => TalkMode::Presentation,
        TalkMode::Presentation => TalkMode::Conversation,
    }
}

/// Mutes.
impl Bridge {
    /// `*6`: opens a line that is closed, where its caller may, and closes one that is open.
    pub(crate) fn toggle_mute(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Member(member) = &call.phase else { return };
        let silent = session.silences(call, member);
        let presents = session.floor.mode == TalkMode::Presentation && member.room.is_none();
        let moderates = call.grant.is_some_and(|grant| grant.role == Role::Moderator);
        if silent && member.barred && !moderates {
            let prompt = Prompt::MutedByModerator;
            return self.deny(now, id, Command::Mute, DenyReason::State, prompt);
        }
        if silent && presents && !moderates && !session.floor.has_word(id) {
            return self.deny(now, id, Command::Mute, DenyReason::State, Prompt::ModeListenOnly);
        }
        let Phase::Member(member) = &mut call.phase else { return };
        member.muted = !silent;
        member.hushed = false;
        let (code, prompt) = if silent {
            (FeatureCode::UnmuteSelf, Prompt::Unmuted)
        } else {
            (FeatureCode::MuteSelf, Prompt::Muted)
        };
        self.event(now, id, Event::of(code, Command::Mute));
        self.speak(now, id, vec![prompt]);
    }

    /// `*95`: mutes all participants, who may open their lines; once more, opens all.
    pub(crate) fn mute_all(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let mute = !session.floor.all_muted;
        if let Err(why) = self.set_all_muted(now, By::Leg(id), session_id, mute) {
            self.deny(now, id, Command::MuteAll, why, Prompt::ModeListenOnly);
        }
    }

    /// Mutes all participants, who may open their lines, or opens all.
    pub(crate) fn set_all_muted(
        &mut self,
        now: Time,
        by: By,
        session_id: SessionId,
        mute: bool,
    ) -> Result<(), DenyReason> {
        let session = self.sessions.get_mut(&session_id).ok_or(DenyReason::State)?;
        if session.floor.mode == TalkMode::Presentation {
            return Err(DenyReason::State);
        }
        session.floor.all_muted = mute;
        let count = self.hush_all(session_id, mute);
        let (code, prompt) = if mute {
            (FeatureCode::MuteAll, Prompt::AllMuted)
        } else {
            (FeatureCode::UnmuteAll, Prompt::ModeOpen)
        };
        let detail = FeatureDetail::Count(count);
        self.note_by(now, by, Event::of(code, Command::MuteAll).with(detail));
        let mut prompts = vec![prompt];
        if mute {
            prompts.extend(self.how_to(session_id, Prompt::ToSpeakPress, Command::Mute));
        }
        self.announce(session_id, prompts);
        Ok(())
    }

    /// By which key a participant does something; nothing where the star codes have none for it.
    fn how_to(&self, session_id: SessionId, to: Prompt, command: Command) -> Vec<Prompt> {
        let Some(session) = self.sessions.get(&session_id) else { return Vec::new() };
        let profile = self.star_profile(session.account);
        let keys = profile.keys(Menu::Room(Role::Participant), command);
        keys.map(|keys| [vec![to], say::keys(keys)].concat()).unwrap_or_default()
    }

    /// Closes or opens the lines of all who are no moderators, softly; how many changed.
    fn hush_all(&mut self, session_id: SessionId, hush: bool) -> u32 {
        let Some(session) = self.sessions.get(&session_id) else { return 0 };
        let mut changed = 0;
        for id in session.roster.participants() {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            let (Phase::Member(member) | Phase::Apart(Apart { member, .. })) = &mut call.phase
            else {
                continue;
            };
            if std::mem::replace(&mut member.hushed, hush) != hush {
                changed += 1;
                call.touch(&mut self.fx);
            }
        }
        changed
    }

    /// A moderator mutes one leg, which cannot open its line, or opens it again; whether it is muted.
    pub(crate) fn bar(&mut self, now: Time, by: CallId, target: CallId) -> Option<bool> {
        let Phase::Member(member) = &self.calls.get(&target)?.phase else { return None };
        let bar = !member.barred;
        self.set_barred(now, By::Leg(by), target, bar).ok().map(|()| bar)
    }

    /// Mutes one leg, which cannot open its line, or opens what others than its caller closed.
    pub(crate) fn set_barred(
        &mut self,
        now: Time,
        by: By,
        target: CallId,
        bar: bool,
    ) -> Result<(), DenyReason> {
        let call = self.calls.get_mut(&target).ok_or(DenyReason::State)?;
        let leg_id = call.book.leg_id();
        let Phase::Member(member) = &mut call.phase else { return Err(DenyReason::State) };
        // A moderator may open his line whoever closed it, and a listener has none to open.
        if call.grant.is_none_or(|grant| grant.role != Role::Participant) {
            return Err(DenyReason::Role);
        }
        if !bar && member.muted && !member.barred {
            return Err(DenyReason::State);
        }
        member.barred = bar;
        if !bar {
            member.hushed = false;
        }
        let (code, prompt) = if bar {
            (FeatureCode::MuteByModerator, Prompt::MutedByModerator)
        } else {
            (FeatureCode::UnmuteByModerator, Prompt::OpenedByModerator)
        };
        call.touch(&mut self.fx);
        if call.question.is_none() {
            call.speak(now, &mut self.fx, vec![prompt]);
        }
        self.note_by(now, by, Event::of(code, Command::RollCall).about(leg_id));
        Ok(())
    }
}

/// Modes.
impl Bridge {
    /// `*5`: the next mode.
    pub(crate) fn mode_code(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let to = next_mode(session.floor.mode);
        self.set_mode(now, By::Leg(id), session_id, to);
    }

    /// Who may speak from here on.
    pub(crate) fn set_mode(&mut self, now: Time, by: By, session_id: SessionId, to: TalkMode) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let from = std::mem::replace(&mut session.floor.mode, to);
        session.floor.all_muted = to != TalkMode::Conversation;
        if to == TalkMode::Conversation {
            session.floor.hands.clear();
        }
        session.touch(&mut self.fx);
        self.take_word(now, by, session_id);
        self.hush_all(session_id, to != TalkMode::Conversation);
        let event = Event::of(FeatureCode::LectureMode, Command::Mode);
        self.note_by(now, by, event.with(FeatureDetail::Mode { from, to }));
        let prompts = self.mode_in_words(session_id, to);
        self.announce(session_id, prompts);
    }

    fn mode_in_words(&self, session_id: SessionId, mode: TalkMode) -> Vec<Prompt> {
        let (prompt, how) = match mode {
            TalkMode::Conversation => return vec![Prompt::ModeOpen],
            TalkMode::Questions => {
                let how = self.how_to(session_id, Prompt::ToSpeakPress, Command::Mute);
                (Prompt::ModeQuestions, how)
            }
            TalkMode::Presentation => {
                let how = self.how_to(session_id, Prompt::ToRaiseHandPress, Command::Hand);
                (Prompt::ModeListenOnly, how)
            }
        };
        [vec![prompt], how].concat()
    }
}

/// When somebody goes.
impl Bridge {
    /// Who has the word leaves, or becomes a moderator: the word is nobody's.
    pub(crate) fn lose_word(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        if let Some((_, since)) = session.floor.word.take_if(|(who, _)| *who == id) {
            let detail = FeatureDetail::Millis(millis(now.since(since)));
            self.event(now, id, Event::new(FeatureCode::QaClose).with(detail));
        }
    }

    /// No moderator is there who could open lines or doors: all may speak, and those who asked come in.
    pub(crate) fn open_floor(&mut self, now: Time, session_id: SessionId) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let Floor { mode: from, word, .. } = std::mem::replace(&mut session.floor, Floor::OPEN);
        let was_locked = std::mem::take(&mut session.locked);
        if let Some((call, since)) = word.and_then(|(who, at)| Some((self.calls.get(&who)?, at))) {
            let detail = FeatureDetail::Millis(millis(now.since(since)));
            let event = Event::of_system(FeatureCode::QaClose).about(call.book.leg_id());
            session.note(now, &mut self.fx, event.with(detail));
        }
        if from != TalkMode::Conversation {
            let detail = FeatureDetail::Mode { from, to: TalkMode::Conversation };
            let event = Event::of_system(FeatureCode::LectureMode).with(detail);
            session.note(now, &mut self.fx, event);
        }
        if was_locked {
            session.note(now, &mut self.fx, Event::of_system(FeatureCode::Unlock));
        }
        for id in session.roster.participants() {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            if let Phase::Member(member) | Phase::Apart(Apart { member, .. }) = &mut call.phase {
                (member.hushed, member.barred) = (false, false);
                call.touch(&mut self.fx);
            }
        }
        for caller in session.knocking.clone() {
            self.admit_knocker(now, caller);
        }
    }
}

/// Raised hands.
impl Bridge {
    /// `*5` of a participant: raises the hand, or lowers it.
    pub(crate) fn hand(&mut self, now: Time, id: CallId, session_id: SessionId) {
        if self.lower_hand(now, By::Leg(id), id, session_id).is_ok() {
            return;
        }
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        session.floor.hands.push((id, now));
        let place = number(session.floor.hands.len());
        let detail = FeatureDetail::Count(place);
        self.event(now, id, Event::of(FeatureCode::HandRaise, Command::Hand).with(detail));
        let mut prompts = vec![Prompt::HandRaised, Prompt::YouAreNumber];
        prompts.extend(say::count(place));
        prompts.push(Prompt::InLine);
        self.speak(now, id, prompts);
        if place == 1 {
            self.tell_moderators(now, session_id, &[Prompt::HandIsUp]);
        }
    }

    /// Lowers a hand that is up.
    pub(crate) fn lower_hand(
        &mut self,
        now: Time,
        by: By,
        id: CallId,
        session_id: SessionId,
    ) -> Result<(), DenyReason> {
        let session = self.sessions.get_mut(&session_id).ok_or(DenyReason::State)?;
        let place = session.floor.place(id).ok_or(DenyReason::State)?;
        session.floor.hands.retain(|&(who, _)| who != id);
        let detail = FeatureDetail::Count(number(place));
        let event = Event::of(FeatureCode::HandLower, Command::Hand).with(detail);
        self.note_by_about(now, by, event, id);
        self.speak_unasked(now, id, vec![Prompt::HandLowered]);
        Ok(())
    }

    /// `*2`: closes the line of who has the word, and opens that of the next raised hand.
    pub(crate) fn next_question(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let (next, waiting) = match self.give_word(now, By::Leg(id), session_id) {
            Ok(Some(given)) => given,
            Ok(None) => return self.speak(now, id, vec![Prompt::NoHandsRaised]),
            Err(why) => {
                return self.deny(now, id, Command::NextQuestion, why, Prompt::NoHandsRaised);
            }
        };
        let mut prompts = vec![Prompt::LineOf];
        prompts.extend(self.calls.get(&next).map(Call::name).unwrap_or_default());
        prompts.push(Prompt::IsOpen);
        if waiting > 0 {
            prompts.extend(say::count(waiting));
            prompts.push(Prompt::Waiting);
        }
        self.speak(now, id, prompts);
    }

    /// Takes the word from who has it, and gives it to the hand that waits longest; whose that is,
    /// and how many wait still. `None` where the word was only taken.
    pub(crate) fn give_word(
        &mut self,
        now: Time,
        by: By,
        session_id: SessionId,
    ) -> Result<Option<(CallId, u32)>, DenyReason> {
        let ended = self.take_word(now, by, session_id);
        let session = self.sessions.get_mut(&session_id).ok_or(DenyReason::State)?;
        if session.floor.hands.is_empty() {
            return if ended { Ok(None) } else { Err(DenyReason::State) };
        }
        let (next, since) = session.floor.hands.remove(0);
        session.floor.word = Some((next, now));
        let waiting = number(session.floor.hands.len());
        let call = self.calls.get_mut(&next).ok_or(DenyReason::State)?;
        let leg_id = call.book.leg_id();
        if let Phase::Member(member) = &mut call.phase {
            (member.muted, member.hushed, member.barred) = (false, false, false);
        }
        if call.question.is_none() {
            call.speak(now, &mut self.fx, vec![Prompt::AskYourQuestion]);
        }
        call.touch(&mut self.fx);
        let detail = FeatureDetail::Millis(millis(now.since(since)));
        let event = Event::of(FeatureCode::QaOpen, Command::NextQuestion);
        self.note_by(now, by, event.about(leg_id).with(detail));
        Ok(Some((next, waiting)))
    }

    /// Who has the word has it no longer; whether anybody had it.
    fn take_word(&mut self, now: Time, by: By, session_id: SessionId) -> bool {
        let Some(session) = self.sessions.get_mut(&session_id) else { return false };
        let Some((who, since)) = session.floor.word.take() else { return false };
        let closes = session.floor.mode != TalkMode::Conversation || session.floor.all_muted;
        let Some(call) = self.calls.get_mut(&who) else { return false };
        let leg_id = call.book.leg_id();
        if let Phase::Member(member) = &mut call.phase {
            member.hushed = closes;
        }
        if closes && call.question.is_none() {
            call.speak(now, &mut self.fx, vec![Prompt::QuestionOver]);
        }
        call.touch(&mut self.fx);
        let detail = FeatureDetail::Millis(millis(now.since(since)));
        let event = Event::of(FeatureCode::QaClose, Command::NextQuestion);
        self.note_by(now, by, event.about(leg_id).with(detail));
        true
    }
}

fn number(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
