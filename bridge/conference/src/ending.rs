//! How things end: a leg, a conference, the node's service.
//!
//! Every way out of a call leads through [`Bridge::release`], once.

use std::time::Duration;

use partyline_cdr_record::{CallFailure, CloseReason, FeatureCode, StatusCode};
use partyline_dialplan::Prompt;
use partyline_model::{CallId, PlaybackId, Role, SessionId, Time};

use crate::bridge::{Bridge, Drain};
use crate::call::{Apart, Callee, CalleeStage, Phase};
use crate::event::{EndKind, Ended, Output, Refusal};
use crate::invited::InvitationNews;
use crate::record::{Close, Event, Place};
use crate::session::State;
use crate::timers::{CallTimer, SessionTimer, Timer};

/// What becomes of a callee who was not brought in, to the telephone that had him called.
const UNREACHED: StatusCode = CallFailure::NoAnswer.status_code();

/// How a moderator left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parting {
    /// By its own will, or by ours.
    Left,
    /// The network lost it: it may call back.
    Lost,
}

/// How long after its end a leg's record takes a verdict on its signature: longer than a certificate is
/// waited for.
const LATE_VERDICT: Duration = Duration::from_secs(3);

impl Bridge {
    /// The far end or the signalling ended the leg.
    pub(crate) fn ended(&mut self, now: Time, id: CallId, ended: Ended) {
        let close = Close {
            reason: ended.kind.reason(),
            by: ended.kind.released_by(),
            code: ended.code,
            q850: ended.q850,
        };
        let parting = match ended.kind {
            EndKind::HungUp | EndKind::Cancelled | EndKind::Unconfirmed => Parting::Left,
            EndKind::Timeout | EndKind::Transport | EndKind::NoMedia | EndKind::Internal => {
                Parting::Lost
            }
        };
        self.callee_ended(now, id);
        self.part(now, id, parting, close);
        self.release(now, id, close, None);
    }

    /// The leg gives no sign of life any more: the bridge hangs up, and waits for a moderator as
    /// for one that the network lost.
    pub(crate) fn lose(&mut self, now: Time, id: CallId, close: Close) {
        self.callee_ended(now, id);
        self.part(now, id, Parting::Lost, close);
        self.hang_up(now, id, close);
    }

    /// The bridge ends the leg.
    pub(crate) fn hang_up(&mut self, now: Time, id: CallId, close: Close) {
        let q850 = close.q850.unwrap_or(close.reason.default_q850());
        // Nobody else knows yet of a callee whose call waits for its record.
        let is_known = self.calls.get(&id).is_some_and(|call| {
            !matches!(call.phase, Phase::Callee(Callee { stage: CalleeStage::Opening, .. }))
        });
        let tell = is_known.then_some(Output::Hangup { call: id, q850 });
        self.release(now, id, close, tell);
    }

    /// Plays a last prompt to `id`, then hangs up.
    pub(crate) fn dismiss(&mut self, now: Time, id: CallId, prompts: Vec<Prompt>, close: Close) {
        self.part(now, id, Parting::Left, close);
        self.drop_guess(id);
        self.leave_door(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Leaving(close);
        call.question = None;
        call.typed.clear();
        self.fx.timers.cancel_call(id);
        self.speak(now, id, prompts);
    }

    /// There is no memory that may hold what `id` types.
    pub(crate) fn no_memory(&mut self, now: Time, id: CallId) {
        let close = Close::system(CloseReason::Internal);
        self.dismiss(now, id, vec![Prompt::TechnicalProblem], close);
    }

    /// The leg is gone: its record is closed, and `tell` is what the far end gets.
    pub(crate) fn release(&mut self, now: Time, id: CallId, close: Close, tell: Option<Output>) {
        self.part(now, id, Parting::Left, close);
        self.drop_guess(id);
        self.leave_door(id);
        let failed = InvitationNews::Failed(close.code.unwrap_or(UNREACHED));
        self.tell_inviter(id, failed);
        let Some(mut call) = self.calls.remove(&id) else { return };
        if matches!(call.phase, Phase::Opening) {
            // The answer was written down, and never left.
            call.book.unanswer();
        }
        self.fx.timers.cancel_call(id);
        self.fx.touched.remove(&id);
        if call.told.mix.is_some() {
            self.fx.outputs.push_back(Output::Leave { call: id });
        }
        self.fx.outputs.extend(tell);
        call.book.close(now, self.fx.clock.at(now), close);
        self.fx.ledger.push(call.book.next_revision());
        let summary = Box::new(call.book.summary(call.stray_digits));
        self.fx.outputs.push_back(Output::CallEnded { call: id, summary });
        if call.book.is_answered() {
            let late = self.fx.config.late_stats;
            let wait = if call.book.awaits_verdict() { late.max(LATE_VERDICT) } else { late };
            self.fx.timers.set(Timer::Call(id, CallTimer::Stats), now, wait);
            self.ended.insert(id, call.book);
        }
    }

    /// Takes the leg out of its conference, if it is in one, and drops the callee it has aside.
    fn part(&mut self, now: Time, id: CallId, parting: Parting, close: Close) {
        let Some(session_id) = self.calls.get(&id).and_then(|call| call.session()) else { return };
        self.cut_off(now, id);
        self.drop_callee(now, id);
        self.drop_invited(now, id);
        self.lose_word(now, id, session_id);
        self.event(now, id, Event::new(FeatureCode::Leave));
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.book.move_to(Place::Outside, now);
        call.phase = Phase::Leaving(close);
        // Who never confirmed the answer was nowhere.
        let unconfirmed = close.reason == CloseReason::NoAck;
        let conf_ms = if unconfirmed { 0 } else { call.book.conf_ms() };
        self.touch(id);
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let role = session.roster.leave(id);
        session.floor.forget(id);
        self.fx.changed.insert(session_id);
        session.book.leg_went(conf_ms);
        if session.roster.is_empty() {
            return self.emptied.push((session_id, close));
        }
        let leaderless = role == Some(Role::Moderator) && !session.roster.has_moderator();
        match (session.state, leaderless) {
            (State::Live, true) => self.moderator_left(now, session_id, parting),
            (State::Live | State::Ending, _) => {
                self.announce_caller(now, session_id, id, Prompt::ToneLeave);
            }
            (State::Waiting | State::Closing { .. }, _) => {}
        }
        self.watch_alone(now, session_id);
    }

    /// The last moderator left.
    fn moderator_left(&mut self, now: Time, session_id: SessionId, parting: Parting) {
        self.open_floor(now, session_id);
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        if !session.rules.ends_with_moderator {
            self.announce(session_id, vec![Prompt::ToneLeave, Prompt::ModeratorLeftContinues]);
            return;
        }
        session.state = State::Ending;
        match parting {
            Parting::Left => self.announce_ending(now, session_id),
            Parting::Lost => {
                let silent = self.fx.config.lost_moderator.saturating_sub(self.fx.config.ending);
                self.fx.timers.set(
                    Timer::Session(session_id, SessionTimer::LostModerator),
                    now,
                    silent,
                );
                self.tone(session_id, Prompt::ToneLeave);
            }
        }
    }

    /// The moderator that the network lost did not come back in time.
    pub(crate) fn moderator_is_lost(&mut self, now: Time, session_id: SessionId) {
        self.announce_ending(now, session_id);
    }

    fn announce_ending(&mut self, now: Time, session_id: SessionId) {
        self.fx.timers.set(
            Timer::Session(session_id, SessionTimer::Ending),
            now,
            self.fx.config.ending,
        );
        if let Some(session) = self.sessions.get_mut(&session_id) {
            session.announce_at_once(&mut self.fx, vec![Prompt::ModeratorLeftEndingTwoMinutes]);
        }
    }

    /// A moderator returned before the conference ended.
    pub(crate) fn moderator_is_back(&mut self, session_id: SessionId) {
        self.fx.timers.cancel(Timer::Session(session_id, SessionTimer::Ending));
        self.fx.timers.cancel(Timer::Session(session_id, SessionTimer::LostModerator));
        if let Some(session) = self.sessions.get_mut(&session_id) {
            session.state = State::Live;
        }
    }

    /// No moderator returned.
    pub(crate) fn ending_is_over(&mut self, now: Time, session_id: SessionId) {
        let close = Close::moderator(CloseReason::EndedByModerator);
        self.end_session(now, session_id, close, Prompt::Goodbye);
    }

    /// The conference lasted too long.
    pub(crate) fn max_duration(&mut self, now: Time, session_id: SessionId) {
        let close = Close::system(CloseReason::MaxDuration);
        self.end_session(now, session_id, close, Prompt::Goodbye);
    }

    /// Ends the conference for all: a farewell, then its legs are hung up group by group.
    pub(crate) fn end_session(
        &mut self,
        now: Time,
        session_id: SessionId,
        close: Close,
        prompt: Prompt,
    ) {
        self.stop_recording_of(now, session_id);
        self.drop_called(now, session_id);
        let Some(session) = self.sessions.get(&session_id) else { return };
        let (state, members, conference) =
            (session.state, session.roster.to_vec(), session.conference);
        match state {
            State::Closing { .. } => return,
            State::Waiting => {
                // Nobody is in the mix: each leg hears it for itself.
                for id in members {
                    self.dismiss(now, id, vec![prompt], close);
                }
                return;
            }
            State::Live | State::Ending => {}
        }
        // Who calls from here on comes into a new session.
        self.by_conference.remove(&conference);
        for id in members {
            self.cut_off(now, id);
            self.drop_callee(now, id);
            self.drop_invited(now, id);
            self.take_question(id);
            self.drop_guess(id);
            self.hush(id);
            if let Some(Phase::Member(member)) = self.calls.get_mut(&id).map(|call| &mut call.phase)
            {
                member.room = None;
            }
        }
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let farewell = session.announce_at_once(&mut self.fx, vec![prompt]);
        self.fx.timers.cancel_session(session_id);
        self.fx.timers.set(
            Timer::Session(session_id, SessionTimer::Farewell),
            now,
            self.fx.config.farewell,
        );
        if let Some(session) = self.sessions.get_mut(&session_id) {
            session.state = State::Closing { close, farewell };
            session.alone_music = false;
        }
        self.touch_session(session_id);
    }

    /// The farewell was heard: no need to wait longer.
    pub(crate) fn farewell_played(
        &mut self,
        now: Time,
        session_id: SessionId,
        playback: PlaybackId,
    ) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let State::Closing { farewell, .. } = session.state else { return };
        let timer = Timer::Session(session_id, SessionTimer::Farewell);
        if farewell == playback && self.fx.timers.is_set(timer) {
            self.fx.timers.cancel(timer);
            self.hang_up_group(now, session_id);
        }
    }

    /// Hangs up the next group of a conference that ends, and paces the one after it.
    pub(crate) fn hang_up_group(&mut self, now: Time, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let State::Closing { close, .. } = session.state else { return };
        let group: Vec<CallId> =
            session.roster.calls().take(self.fx.config.pace_legs.max(1)).collect();
        for id in group {
            self.hang_up(now, id, close);
        }
        let left = self.sessions.get(&session_id).is_some_and(|session| !session.roster.is_empty());
        if left {
            self.fx.timers.set(
                Timer::Session(session_id, SessionTimer::Pace),
                now,
                self.fx.config.pace,
            );
        }
    }

    /// Closes the conferences whose last leg left, each after the records of its legs.
    pub(crate) fn close_empty_sessions(&mut self, now: Time) {
        for (session_id, close) in std::mem::take(&mut self.emptied) {
            let still_empty =
                self.sessions.get(&session_id).is_some_and(|session| session.roster.is_empty());
            if !still_empty {
                continue;
            }
            self.fx.timers.cancel_session(session_id);
            self.stop_recording_of(now, session_id);
            self.close_door(now, session_id);
            self.drop_called(now, session_id);
            let Some(mut session) = self.sessions.remove(&session_id) else { continue };
            self.guard.forget_session(session_id);
            self.by_mix.remove(&session.mix);
            if self.by_conference.get(&session.conference) == Some(&session_id) {
                self.by_conference.remove(&session.conference);
            }
            let close = match session.state {
                State::Closing { close, .. } => close,
                State::Waiting | State::Live | State::Ending => close,
            };
            let record = session.book.close(now, close);
            self.fx.ledger.push(record);
        }
    }

    /// No calls from here on; those that are up hear why and are hung up.
    pub(crate) fn begin_drain(&mut self, now: Time) {
        if self.drain != Drain::Open {
            return;
        }
        self.drain = Drain::Draining;
        let close = Close::system(CloseReason::Drain);
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for session in sessions {
            self.end_session(now, session, close, Prompt::DrainNotice);
        }
        let outside = self.calls.iter().filter(|(_, call)| match &call.phase {
            Phase::Greeting(_) | Phase::Entry(_) => true,
            // An unanswered call is refused when its records are on disk; a callee goes with its
            // moderator.
            Phase::Opening | Phase::Callee(_) => false,
            Phase::Member(_) | Phase::Apart(_) | Phase::Leaving(_) => false,
        });
        let outside: Vec<CallId> = outside.map(|(&id, _)| id).collect();
        for id in outside {
            self.dismiss(now, id, vec![Prompt::DrainNotice], close);
        }
    }

    /// No calls from here on, and everybody is hung up on without a notice.
    pub(crate) fn end_now(&mut self, now: Time) {
        if self.drain == Drain::Open {
            self.drain = Drain::Draining;
        }
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for id in calls {
            match self.calls.get(&id).map(|call| &call.phase) {
                Some(Phase::Opening) => {
                    let retry_after = self.fx.config.retry_after;
                    self.refuse(now, id, Refusal::Draining { retry_after });
                }
                Some(
                    Phase::Greeting(_)
                    | Phase::Entry(_)
                    | Phase::Member(_)
                    | Phase::Apart(_)
                    | Phase::Leaving(_)
                    | Phase::Callee(_),
                ) => self.hang_up(now, id, Close::system(CloseReason::Drain)),
                // A callee went with its moderator.
                None => {}
            }
        }
    }
}

impl Bridge {
    /// Hangs up on those who are called into a session by order and are not in.
    fn drop_called(&mut self, now: Time, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let called = session.called.clone();
        self.drop_callees(now, called);
    }

    /// What `id` was about to do comes to nothing, and its record says so.
    pub(crate) fn cut_off(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        if let Some((code, command)) = call.question.as_ref().and_then(|asked| asked.topic.left()) {
            self.event(now, id, Event::of(code, command).failed());
        }
        let Some(Phase::Apart(apart)) = self.calls.get(&id).map(|call| &call.phase) else { return };
        let callee = apart.stage.callee().and_then(|callee| self.calls.get(&callee));
        if let Some(leg_id) = callee.map(|callee| callee.book.leg_id()) {
            let event = Event::new(FeatureCode::DialoutDropped).about(leg_id);
            self.event(now, id, event);
        }
    }

    /// Ends the callee that `id` has aside, if any, and puts `id` back into the mix.
    fn drop_callee(&mut self, now: Time, id: CallId) {
        let Some(Phase::Apart(apart)) = self.calls.get(&id).map(|call| &call.phase) else { return };
        let callee = apart.stage.callee();
        self.rejoin(now, id);
        if let Some(callee) = callee {
            self.hang_up(now, callee, Close::moderator(CloseReason::Normal));
        }
    }

    /// `id` comes back from a call of its own into the conference.
    pub(crate) fn rejoin(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !matches!(call.phase, Phase::Apart(_)) {
            return;
        }
        let phase = std::mem::replace(&mut call.phase, Phase::Opening);
        let Phase::Apart(Apart { mut member, .. }) = phase else { return };
        // Wherever the leg went aside from: what it hears says that it is back in the conference.
        member.room = None;
        let session = member.session;
        call.phase = Phase::Member(member);
        call.question = None;
        call.book.move_to(Place::Conference, now);
        self.fx.timers.cancel(Timer::Call(id, CallTimer::Key));
        self.fx.timers.cancel(Timer::Call(id, CallTimer::PrivateReminder));
        self.touch(id);
        self.watch_alone(now, session);
    }

    /// If `id` is a callee that has not been brought in: its moderator is alone again.
    fn callee_ended(&mut self, now: Time, id: CallId) {
        let Some(Phase::Callee(Callee { by, stage })) = self.calls.get(&id).map(|call| &call.phase)
        else {
            return;
        };
        let (by, stage) = (*by, *stage);
        self.callee_is_gone(now, by, id, stage);
    }
}
