//! Who is here: roll calls, one by one for a moderator, who can mute, put out and let in.

use partyline_cdr_record::{CloseReason, DenyReason, FeatureCode, FeatureDetail};
use partyline_dialplan::star::Command;
use partyline_dialplan::{Prompt, say};
use partyline_model::{CallId, Digit, Role, SessionId, Time};

use crate::bridge::Bridge;
use crate::call::{Call, Choice, Phase, Topic};
use crate::record::{Close, Event};
use crate::remote::By;

/// Most names that are read in one go: a playback holds 128 clips, and a name has five, seldom more.
const MOST_NAMES: usize = 20;

/// A roll call that a moderator goes through.
pub(crate) struct Roll {
    /// Who is left, the next last.
    left: Vec<CallId>,
    /// Whom the moderator hears about.
    at: CallId,
    /// Whether the keys were told.
    told: bool,
}

/// `*8` and `*96`.
impl Bridge {
    /// `*8`: who is here, privately. A moderator hears one after the other.
    pub(crate) fn roll_call(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let count = u32::try_from(session.roster.len()).unwrap_or(u32::MAX);
        let event = Event::of(FeatureCode::RollCall, Command::RollCall);
        let moderates = session.roster.role(id) == Some(Role::Moderator);
        let mut left = session.knocking.clone();
        left.extend(session.roster.calls().filter(|&leg| leg != id));
        left.reverse();
        let names = self.names(session_id);
        self.event(now, id, event.with(FeatureDetail::Count(count)));
        let mut prompts = say::people(count);
        if !moderates {
            prompts.extend(names);
            return self.speak(now, id, prompts);
        }
        self.next_of_roll(now, id, left, false, prompts);
    }

    /// `*96`: who is here, to all.
    pub(crate) fn roll_call_aloud(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let count = u32::try_from(session.roster.len()).unwrap_or(u32::MAX);
        let event = Event::of(FeatureCode::RollCallPublic, Command::RollCallAloud);
        self.event(now, id, event.with(FeatureDetail::Count(count)));
        let mut prompts = say::people(count);
        prompts.extend(self.names(session_id));
        self.announce(session_id, prompts);
    }

    /// The names of who is in a conference, in the order of joining.
    fn names(&self, session_id: SessionId) -> Vec<Prompt> {
        let Some(session) = self.sessions.get(&session_id) else { return Vec::new() };
        let legs = session.roster.calls().take(MOST_NAMES);
        legs.filter_map(|leg| self.calls.get(&leg)).flat_map(Call::name).collect()
    }

    /// The next of a roll call, after `prompts`.
    fn next_of_roll(
        &mut self,
        now: Time,
        id: CallId,
        mut left: Vec<CallId>,
        told: bool,
        mut prompts: Vec<Prompt>,
    ) {
        let next = loop {
            let Some(next) = left.pop() else {
                prompts.push(Prompt::RollCallOver);
                return self.speak(now, id, prompts);
            };
            let is_here = |call: &&Call| !matches!(call.phase, Phase::Leaving(_));
            if let Some(call) = self.calls.get(&next).filter(is_here) {
                break call;
            }
        };
        let at = next.id;
        prompts.extend(next.name());
        let knocks = next.knocks();
        if knocks {
            prompts.push(Prompt::RollCallKnocking);
        } else if !told {
            prompts.push(Prompt::RollCallKeys);
        }
        let roll = Roll { left, at, told: told || !knocks };
        self.ask(now, id, Topic::Choice(Choice::Roll(Box::new(roll))), 1, prompts);
    }

    /// The moderator pressed a key at a name, or none.
    pub(crate) fn roll_chose(&mut self, now: Time, id: CallId, roll: Roll, digit: Option<Digit>) {
        let Roll { left, at, told } = roll;
        if digit == Some(Digit::POUND) {
            return self.speak(now, id, vec![Prompt::RollCallOver]);
        }
        let Some(target) = self.calls.get(&at) else {
            return self.next_of_roll(now, id, left, told, Vec::new());
        };
        let same_session = target.session() == self.calls.get(&id).and_then(|call| call.session());
        let knocks = target.knocks();
        let mut prompts = Vec::new();
        match digit.and_then(Digit::decimal) {
            Some(1) if knocks => {
                prompts.push(Prompt::CallerRefused);
                self.reject(now, By::Leg(id), at);
            }
            Some(4) if knocks => {
                prompts.push(Prompt::CallerAdmitted);
                self.let_in(now, By::Leg(id), at);
            }
            Some(1) if same_session => {
                prompts.push(Prompt::CallerDisconnected);
                self.kick(now, By::Leg(id), at, Command::RollCall);
            }
            Some(2) if same_session => {
                let barred = self.bar(now, id, at);
                let word =
                    barred.map(|it| if it { Prompt::CallerMuted } else { Prompt::CallerOpened });
                prompts.push(word.unwrap_or(Prompt::NotNow));
            }
            _ => {}
        }
        self.next_of_roll(now, id, left, told, prompts);
    }
}

/// `*97`.
impl Bridge {
    /// `*97`: who was called or joined last may be put out.
    pub(crate) fn drop_code(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let others: Vec<CallId> = session.roster.calls().filter(|&leg| leg != id).collect();
        let last = others.last().copied();
        let called = |leg: &&CallId| self.calls.get(leg).is_some_and(|call| call.is_outbound());
        let last_called = others.iter().rev().find(called).copied();
        let mut choice: Vec<CallId> = last_called.into_iter().collect();
        choice.extend(last.filter(|last| Some(*last) != last_called));
        if choice.is_empty() {
            let prompt = Prompt::NobodyToDisconnect;
            return self.deny(now, id, Command::Drop, DenyReason::State, prompt);
        }
        let mut prompts = Vec::new();
        for (leg, key) in choice.iter().zip([Prompt::PressOne, Prompt::PressTwo]) {
            prompts.push(Prompt::ToDisconnect);
            prompts.extend(self.calls.get(leg).map(Call::name).unwrap_or_default());
            prompts.push(key);
        }
        self.ask(now, id, Topic::Choice(Choice::Drop(choice)), 1, prompts);
    }

    /// The moderator chose whom to put out, or nobody.
    pub(crate) fn drop_chose(
        &mut self,
        now: Time,
        id: CallId,
        choice: &[CallId],
        digit: Option<Digit>,
    ) {
        let key = digit.and_then(Digit::decimal).and_then(|key| usize::from(key).checked_sub(1));
        let Some(&target) = key.and_then(|key| choice.get(key)) else {
            self.event(now, id, Event::of(FeatureCode::Kick, Command::Drop).failed());
            return self.speak(now, id, vec![Prompt::Cancelled]);
        };
        let session = self.calls.get(&id).and_then(|call| call.session());
        if self.calls.get(&target).is_none_or(|call| call.session() != session) {
            return self.speak(now, id, vec![Prompt::NobodyToDisconnect]);
        }
        self.kick(now, By::Leg(id), target, Command::Drop);
        self.speak(now, id, vec![Prompt::CallerDisconnected]);
    }

    /// A moderator puts a leg out.
    pub(crate) fn kick(&mut self, now: Time, by: By, target: CallId, command: Command) {
        let Some(call) = self.calls.get(&target) else { return };
        let event = Event::of(FeatureCode::Kick, command).about(call.book.leg_id());
        self.note_by(now, by, event);
        let close = Close::moderator(CloseReason::Kicked);
        self.dismiss(now, target, vec![Prompt::DisconnectedByModerator], close);
    }
}
