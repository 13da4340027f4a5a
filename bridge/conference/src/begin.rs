//! A conference in session: legs arrive, wait, begin to talk, stay alone.

use std::collections::{BTreeMap, VecDeque};

use partyline_cdr_record::{CloseReason, ConferenceRecord, FeatureCode, ReferenceSource};
use partyline_dialplan::Prompt;
use partyline_model::{CallId, Role, SessionId, Time};

use crate::attendance;
use crate::bridge::Bridge;
use crate::call::{Asked, Call, Entry, Grant, Member, Phase, Topic};
use crate::floor::Floor;
use crate::invited::InvitationNews;
use crate::record::{Close, Event, Place, SessionBook};
use crate::roster::Roster;
use crate::session::{Session, State};
use crate::timers::{CallTimer, SessionTimer, Timer};

/// How long before the longest duration a conference is warned.
const WARNINGS: [(SessionTimer, u64); 2] =
    [(SessionTimer::TenMinutesLeft, 600), (SessionTimer::OneMinuteLeft, 60)];

/// What a leg has given on its way in and its conference does not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Nothing,
    Reference,
}

impl Bridge {
    /// `id` has passed every gate: it is of the conference from here on.
    pub(crate) fn arrive(&mut self, now: Time, id: CallId, grant: Grant) {
        let brought =
            self.calls.get(&id).is_some_and(|call| call.is_outbound() || call.claim.is_some());
        if brought && !self.by_conference.contains_key(&grant.conference) {
            // The conference ended while it was on its way in: there is nobody to talk to.
            let close = Close::moderator(CloseReason::EndedByModerator);
            return self.dismiss(now, id, vec![Prompt::ConferenceEnded], close);
        }
        let Some(session_id) = self.session(now, grant) else {
            // The conference was removed while the leg was on its way in.
            let close = Close::system(CloseReason::AuthReject);
            return self.dismiss(
                now,
                id,
                vec![Prompt::ConferenceUnavailable, Prompt::Goodbye],
                close,
            );
        };
        let codes = self.star_profile(grant.account);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let member = Phase::Member(Member::new(session_id, grant.role, codes));
        let Phase::Entry(entry) = std::mem::replace(&mut call.phase, member) else { return };
        call.question = None;
        call.book.record_mut().conf_id = Some(session.book.conf_id());
        call.book.record_mut().conference_id = Some(grant.conference);
        session.roster.join(id, grant.role);
        session.book.leg_came();
        if attendance::number(call.book.record()).is_none() {
            session.guests += 1;
            call.guest = session.guests;
        }
        if let Phase::Member(member) = &mut call.phase {
            member.hushed = session.hushes_newcomers();
        }
        if grant.role == Role::Moderator && session.book.record().host_leg.is_none() {
            session.book.record_mut().host_leg = Some(call.book.leg_id());
        }
        let given = if entry.reference.is_some() { Given::Reference } else { Given::Nothing };
        let recorded = session.recording.is_some();
        let (state, holds) = (session.state, session.holds(grant.role));
        self.tell_inviter(id, InvitationNews::Joined);
        self.touch(id);
        match (state, holds) {
            (State::Waiting, true) => self.hold(now, id),
            (State::Waiting, false) => self.start(now, session_id, id, given),
            (State::Live | State::Closing { .. }, _) => self.enter(now, session_id, id, given),
            (State::Ending, _) => {
                if grant.role == Role::Moderator {
                    self.moderator_is_back(session_id);
                }
                self.enter(now, session_id, id, given);
            }
        }
        if recorded {
            self.event(now, id, Event::new(FeatureCode::Consent));
        }
        let Entry { reference: Some(value), .. } = entry else { return };
        self.set_reference(now, id, ReferenceSource::Join, Some(value));
    }

    /// The session of a conference, begun if there is none.
    fn session(&mut self, now: Time, grant: Grant) -> Option<SessionId> {
        if let Some(&session) = self.by_conference.get(&grant.conference) {
            return Some(session);
        }
        let (rules, name) = self.look_up_rules(grant)?;
        let (id, mix) = (self.new_session(), self.new_mix());
        let conf_id = self.new_uuid(now);
        let wall = self.fx.clock.at(now);
        let mut record =
            ConferenceRecord::open(self.origin, conf_id, grant.account, grant.conference, wall);
        record.name = name;
        let book = SessionBook::new(record, now);
        self.fx.ledger.push(book.revision());
        let limit = self.fx.config.max_duration;
        self.fx.timers.set(Timer::Session(id, SessionTimer::MaxDuration), now, limit);
        for (timer, secs) in WARNINGS {
            let before = limit.checked_sub(std::time::Duration::from_secs(secs));
            if let Some(before) = before.filter(|before| !before.is_zero()) {
                self.fx.timers.set(Timer::Session(id, timer), now, before);
            }
        }
        let session = Session {
            conference: grant.conference,
            account: grant.account,
            mix,
            rules,
            state: State::Waiting,
            roster: Roster::default(),
            book,
            security: None,
            recording: None,
            floor: Floor::OPEN,
            locked: false,
            knocking: Vec::new(),
            called: Vec::new(),
            rooms: BTreeMap::new(),
            guests: 0,
            movements: VecDeque::new(),
            alone_music: false,
            announced: None,
            alone_told: false,
            had_company: false,
        };
        self.sessions.insert(id, session);
        self.by_mix.insert(mix, id);
        self.by_conference.insert(grant.conference, id);
        Some(id)
    }

    /// `id` waits for the moderator.
    pub(crate) fn hold(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.book.move_to(Place::Hold, now);
        self.fx.ledger.push(call.book.next_revision());
        let (thanks, limit) = (self.fx.config.hold_thanks, self.fx.config.hold_limit);
        self.fx.timers.set(Timer::Call(id, CallTimer::HoldThanks), now, thanks);
        self.fx.timers.set(Timer::Call(id, CallTimer::HoldLimit), now, limit);
        self.event(now, id, Event::new(FeatureCode::HoldStart));
        self.speak(now, id, vec![Prompt::WaitingForModerator]);
    }

    /// `by` begins the conference; whoever waits is in it within the same step.
    fn start(&mut self, now: Time, session_id: SessionId, by: CallId, given: Given) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        session.state = State::Live;
        let waiting: Vec<CallId> = session.roster.calls().filter(|&id| id != by).collect();
        self.event(now, by, Event::new(FeatureCode::ConferenceStart));
        for &id in &waiting {
            self.fx.timers.cancel(Timer::Call(id, CallTimer::HoldThanks));
            self.fx.timers.cancel(Timer::Call(id, CallTimer::HoldLimit));
            self.speak(now, id, vec![Prompt::ToneChime, Prompt::ConferenceStarting]);
            self.mix(now, id);
        }
        self.enter(now, session_id, by, given);
    }

    /// `id` comes into a mix that runs.
    fn enter(&mut self, now: Time, session_id: SessionId, id: CallId, given: Given) {
        self.mix(now, id);
        let Some(session) = self.sessions.get(&session_id) else { return };
        let (first, open) = (session.roster.len() == 1, session.state.is_open());
        let mut prompts = Vec::new();
        if first {
            prompts.push(Prompt::FirstPerson);
        } else {
            self.announce_caller(now, session_id, id, Prompt::ToneJoin);
        }
        if open && given == Given::Nothing && self.may_add_reference(id) {
            // The conference has begun: an optional question keeps nobody waiting.
            prompts.push(Asked::AfterEntry.prompt());
            let tries = self.fx.config.reference.tries;
            self.ask(now, id, Topic::Reference(Asked::AfterEntry), tries, prompts);
        } else if first {
            self.speak(now, id, prompts);
        }
        self.watch_alone(now, session_id);
    }

    /// `id` is in the mix from here on.
    pub(crate) fn mix(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.book.move_to(Place::Conference, now);
        self.fx.ledger.push(call.book.next_revision());
        self.event(now, id, Event::new(FeatureCode::Join));
        self.touch(id);
    }

    /// A tone for all, unless the conference is silent or too large for it.
    pub(crate) fn tone(&mut self, session: SessionId, tone: Prompt) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.tone(&mut self.fx, tone);
        }
    }

    /// `id` came to `session` or left it: heard as the conference has it.
    pub(crate) fn announce_caller(
        &mut self,
        now: Time,
        session: SessionId,
        id: CallId,
        tone: Prompt,
    ) {
        let name = self.calls.get(&id).map(Call::name).unwrap_or_default();
        if let Some(session) = self.sessions.get_mut(&session) {
            session.announce_caller(now, &mut self.fx, (tone, name));
        }
    }

    /// Thanks for waiting, again and again.
    pub(crate) fn thank(&mut self, now: Time, id: CallId) {
        let knocks_at = match self.calls.get(&id).map(|call| &call.phase) {
            Some(Phase::Entry(entry)) => entry.knocks_at,
            _ => None,
        };
        // Whoever was busy when somebody knocked hears of it now.
        if let Some(session) = knocks_at {
            self.tell_of_knock(now, session);
        }
        self.speak(now, id, vec![Prompt::ThankYouForWaiting]);
        self.fx.timers.set(Timer::Call(id, CallTimer::HoldThanks), now, self.fx.config.hold_thanks);
    }

    /// The moderator did not come.
    pub(crate) fn hold_timeout(&mut self, now: Time, id: CallId) {
        let knocks = self.calls.get(&id).is_some_and(Call::knocks);
        if knocks {
            return self.turn_away(now, id, Prompt::NotLetIn);
        }
        self.event(now, id, Event::of_system(FeatureCode::HoldTimeout));
        self.dismiss(now, id, vec![Prompt::HoldTimeout], Close::system(CloseReason::HoldTimeout));
    }

    /// Somebody came or went: is one leg alone?
    ///
    /// Alone in the mix brings music; alone in the conference, with nobody being called, ends it
    /// in time.
    pub(crate) fn watch_alone(&mut self, now: Time, session_id: SessionId) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let in_mix =
            session.roster.calls().filter(|id| self.calls.get(id).is_some_and(Call::is_in_main));
        let in_mix = in_mix.take(2).count();
        session.had_company |= in_mix > 1;
        let only = session.roster.calls().next().filter(|_| session.roster.len() == 1);
        let last_is_here = only
            .and_then(|id| self.calls.get(&id))
            .is_some_and(|call| matches!(call.phase, Phase::Member(_)));
        let music = Timer::Session(session_id, SessionTimer::AloneMusic);
        let limit = Timer::Session(session_id, SessionTimer::AloneLimit);
        if in_mix == 1 && session.state.is_open() {
            let untold = session.roster.len() == 1 && !session.alone_told;
            if (!session.alone_music || untold) && !self.fx.timers.is_set(music) {
                self.fx.timers.set(music, now, self.fx.config.alone_music);
            }
        } else {
            self.fx.timers.cancel(music);
            session.alone_told = false;
            if std::mem::take(&mut session.alone_music) {
                self.fx.touched.extend(session.roster.calls());
            }
        }
        if last_is_here && session.state.is_open() {
            if !self.fx.timers.is_set(limit) {
                self.fx.timers.set(limit, now, self.fx.config.alone_limit);
            }
        } else {
            self.fx.timers.cancel(limit);
        }
    }

    /// One leg has been alone in the mix for a while.
    pub(crate) fn alone_music(&mut self, now: Time, session_id: SessionId) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        session.alone_music = true;
        // While a moderator is aside with a call, whoever is left in the mix is not alone for long.
        let only = session.roster.len() == 1;
        session.alone_told |= only;
        let tell = only && session.had_company;
        let alone =
            session.roster.calls().find(|id| self.calls.get(id).is_some_and(Call::is_in_main));
        let Some(id) = alone else { return };
        self.touch(id);
        let Some(call) = self.calls.get(&id) else { return };
        // A question that is open is worth more than the remark.
        if tell && call.question.is_none() {
            self.speak(now, id, vec![Prompt::OnlyPerson]);
        }
    }

    /// One leg has been alone in the conference for too long.
    pub(crate) fn alone_timeout(&mut self, now: Time, session_id: SessionId) {
        let Some(id) =
            self.sessions.get(&session_id).and_then(|session| session.roster.calls().next())
        else {
            return;
        };
        self.event(now, id, Event::of_system(FeatureCode::AloneTimeout));
        self.dismiss(now, id, vec![Prompt::Goodbye], Close::system(CloseReason::AloneTimeout));
    }

    /// The conference is over soon.
    pub(crate) fn warn_session(&mut self, session_id: SessionId, prompt: Prompt) {
        let open = self.sessions.get(&session_id).is_some_and(|session| session.state.is_open());
        if open {
            self.announce(session_id, vec![prompt]);
        }
    }
}
