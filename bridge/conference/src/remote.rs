//! Orders from outside: what an operator at the console, a person at the portal or a program has done
//! in a conference.
//!
//! An order comes to the function that the star code comes to, and leaves the same event, with
//! another actor. It states what is to be, not what to toggle: where that is so already, nothing
//! happens, and the order is done.

mod snapshot;

use partyline_cdr_record::{
    Actor, AnnounceMode, CloseReason, DenyReason, DialoutKind, FeatureCode, FeatureDetail,
    Reference, ReferenceSource, TalkMode,
};
use partyline_dialplan::Prompt;
use partyline_dialplan::star::Command;
use partyline_directory::ReferenceNumber;
use partyline_model::{CallId, Role, SessionId, Time, Uuid};

use crate::bridge::Bridge;
use crate::call::{Callee, Entry, Grant, Phase};
use crate::event::Output;
use crate::invited::{NotInvited, Owed};
use crate::record::{Close, Event};
use crate::session::State;

pub use snapshot::{LegSnapshot, LegStage, Muted, RecordingState, SessionSnapshot, SessionState};

/// The last private room.
const LAST_ROOM: u8 = 9;

/// What somebody outside wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// In a session, by its id.
    Session(Uuid, SessionOrder),
    /// To a leg, by its id.
    Leg(Uuid, LegOrder),
}

/// What is to become of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionOrder {
    /// Mute all participants, who may open their lines (`true`), or open all (`*95`).
    MuteAll(bool),
    /// Who may speak (`*5`).
    Mode(TalkMode),
    /// Lock the conference (`true`), or open it and let in whoever asked (`*7`).
    Lock(bool),
    /// Take the word from who has it and give it to the next raised hand (`*2`).
    NextHand,
    /// What becomes of the recording (`*4`, `*98`).
    Record(RecordOrder),
    /// How callers are announced (`*93`).
    Announce(AnnounceMode),
    /// Whether the conference goes on without a moderator (`*94`).
    AutoContinue(bool),
    /// Set the reference number, or remove it (`*91`).
    Reference(Option<Reference>),
    /// Call this number, in any form in which it could be typed; whoever answers has to press 1.
    Dial(String),
    /// End the conference for all (`*99`).
    End,
}

/// What is to become of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOrder {
    /// Begin.
    Start,
    /// Leave out what is said.
    Pause,
    /// Go on after a pause.
    Resume,
    /// End.
    Stop,
}

/// What is to become of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegOrder {
    /// Mute it, so that its caller cannot open the line (`true`), or open what others closed.
    Mute(bool),
    /// Let in who asks to be.
    Admit,
    /// Turn away who asks to be let in.
    Refuse,
    /// Lower its hand.
    LowerHand,
    /// Put it out (`*97`); also who is still being called by order.
    Drop,
    /// Send it to a private room, 1 to 9; 0 is the main conference.
    Room(u8),
}

/// Why an order is not done. [`NotDone::word`] is what programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// No session has this id, or none has it any more.
    UnknownSession,
    /// No leg of a session has this id, or none has it any more.
    UnknownLeg,
    /// As for a key. An event says so too.
    Denied(DenyReason),
    /// The account may not call this number, or any. An event says so too.
    Barred,
    /// As many are being called as may be, or the conference is full. An event says so too.
    Capacity,
    /// This is no telephone number, or no room. Of a number an event says so too.
    Invalid,
}

impl NotDone {
    /// The error word of the interfaces.
    pub const fn word(self) -> &'static str {
        match self {
            Self::UnknownSession | Self::UnknownLeg => "not_found",
            Self::Denied(DenyReason::Role) => "role",
            Self::Denied(DenyReason::Entitlement) => "entitlement",
            Self::Denied(DenyReason::State) => "state_refused",
            Self::Denied(DenyReason::Policy) => "policy",
            Self::Barred => "barred",
            Self::Capacity => "capacity",
            Self::Invalid => "invalid",
        }
    }
}

/// Who has something done: a leg, or somebody outside in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Leg(CallId),
    Remote { session: SessionId, actor: Actor, id: Option<u64> },
}

impl By {
    /// The leg, if one has it done.
    pub(crate) const fn leg(self) -> Option<CallId> {
        match self {
            Self::Leg(leg) => Some(leg),
            Self::Remote { .. } => None,
        }
    }
}

/// What keys and orders share.
impl Bridge {
    /// Writes an event of who has something done.
    pub(crate) fn note_by(&mut self, now: Time, by: By, mut event: Event) {
        match by {
            By::Leg(id) => self.event(now, id, event),
            By::Remote { session, actor, id } => {
                (event.actor, event.actor_id) = (actor, id);
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.note(now, &mut self.fx, event);
                }
            }
        }
    }

    /// As [`Bridge::note_by`], about `target` where that is another leg.
    pub(crate) fn note_by_about(&mut self, now: Time, by: By, mut event: Event, target: CallId) {
        if by != By::Leg(target) {
            event.target = self.calls.get(&target).map(|call| call.book.leg_id());
        }
        self.note_by(now, by, event);
    }

    /// Says `prompts` to the leg that has something done; somebody outside reads the answer.
    pub(crate) fn answer_by(&mut self, now: Time, by: By, prompts: Vec<Prompt>) {
        if let By::Leg(id) = by {
            self.speak(now, id, prompts);
        }
    }

    /// Says `prompts` to a leg, unless it is asked something: the question would not be heard.
    pub(crate) fn speak_unasked(&mut self, now: Time, id: CallId, prompts: Vec<Prompt>) {
        if self.calls.get(&id).is_some_and(|call| call.question.is_none()) {
            self.speak(now, id, prompts);
        }
    }
}

/// Orders.
impl Bridge {
    /// Does what is ordered, or says why not.
    pub(crate) fn remote(
        &mut self,
        now: Time,
        request: u64,
        (actor, id): (Actor, Option<u64>),
        order: &Order,
    ) {
        let result = match order {
            Order::Session(conf_id, order) => match self.session_named(*conf_id) {
                Some(session) => {
                    self.order_session(now, By::Remote { session, actor, id }, session, order)
                }
                None => Err(NotDone::UnknownSession),
            },
            Order::Leg(leg_id, order) => match self.leg_named(*leg_id) {
                Some((leg, session)) => {
                    let by = By::Remote { session, actor, id };
                    self.order_leg(now, by, (leg, session), *order)
                }
                None => Err(NotDone::UnknownLeg),
            },
        };
        self.fx.outputs.push_back(Output::Ordered { request, result });
    }

    fn session_named(&self, conf_id: Uuid) -> Option<SessionId> {
        let named = self.sessions.iter().find(|(_, session)| session.book.conf_id() == conf_id);
        named.map(|(&id, _)| id)
    }

    /// A leg that is of a session, asks to be let into it or is called into it.
    fn leg_named(&self, leg_id: Uuid) -> Option<(CallId, SessionId)> {
        let call = self.calls.values().find(|call| call.book.leg_id() == leg_id)?;
        let session = match &call.phase {
            Phase::Entry(Entry { knocks_at: Some(session), .. }) => *session,
            Phase::Callee(Callee { by: By::Remote { session, .. }, .. }) => *session,
            Phase::Callee(Callee { by: By::Leg(by), .. }) => self.calls.get(by)?.session()?,
            Phase::Member(_)
            | Phase::Apart(_)
            | Phase::Opening
            | Phase::Greeting(_)
            | Phase::Entry(_)
            | Phase::Leaving(_) => call.session()?,
        };
        self.sessions.contains_key(&session).then_some((call.id, session))
    }

    fn order_session(
        &mut self,
        now: Time,
        by: By,
        session_id: SessionId,
        order: &SessionOrder,
    ) -> Result<Option<Uuid>, NotDone> {
        let session = self.sessions.get(&session_id).ok_or(NotDone::UnknownSession)?;
        let may = match session.state {
            State::Live | State::Ending => true,
            State::Waiting => matches!(order, SessionOrder::End),
            State::Closing { .. } => false,
        };
        if let SessionOrder::Dial(number) = order
            && may
        {
            return self.dial_ordered(now, by, session_id, number).map(Some);
        }
        let done = if may {
            self.obey_session(now, by, session_id, order)
        } else {
            Err(DenyReason::State)
        };
        done.map_err(|why| {
            self.note_by(now, by, Event::new(order.code()).denied(why));
            NotDone::Denied(why)
        })
    }

    fn obey_session(
        &mut self,
        now: Time,
        by: By,
        session_id: SessionId,
        order: &SessionOrder,
    ) -> Result<Option<Uuid>, DenyReason> {
        let session = self.sessions.get(&session_id).ok_or(DenyReason::State)?;
        match order {
            SessionOrder::MuteAll(mute) => self.set_all_muted(now, by, session_id, *mute)?,
            SessionOrder::Mode(to) => {
                if session.floor.mode != *to {
                    self.set_mode(now, by, session_id, *to);
                }
            }
            SessionOrder::Lock(lock) => {
                if session.locked != *lock {
                    self.set_locked(now, by, session_id, *lock);
                }
            }
            SessionOrder::NextHand => {
                let given = self.give_word(now, by, session_id)?;
                let leg = given.and_then(|(leg, _)| self.calls.get(&leg));
                return Ok(leg.map(|call| call.book.leg_id()));
            }
            SessionOrder::Record(order) => self.record_ordered(now, by, session_id, *order)?,
            SessionOrder::Announce(to) => {
                if session.rules.announce != *to {
                    self.set_announce(now, by, session_id, *to);
                }
            }
            SessionOrder::AutoContinue(on) => {
                if session.rules.ends_with_moderator == *on {
                    self.set_ends(now, by, session_id, !on);
                }
            }
            SessionOrder::Reference(value) => {
                let bought = self.entitlements(session.account).map(|it| it.reference_number);
                match (bought, value) {
                    (None | Some(ReferenceNumber::Off), _) => return Err(DenyReason::Entitlement),
                    (Some(ReferenceNumber::Required), None) => return Err(DenyReason::Policy),
                    (Some(ReferenceNumber::Optional | ReferenceNumber::Required), _) => {}
                }
                if session.book.record().reference_number != *value {
                    self.refer(now, by, session_id, (ReferenceSource::Api, value.clone()));
                }
            }
            SessionOrder::Dial(_) => {}
            SessionOrder::End => self.end_by(now, by, session_id),
        }
        Ok(None)
    }

    fn record_ordered(
        &mut self,
        now: Time,
        by: By,
        session_id: SessionId,
        order: RecordOrder,
    ) -> Result<(), DenyReason> {
        let session = self.sessions.get(&session_id).ok_or(DenyReason::State)?;
        let paused = session.recording.map(|recording| recording.is_paused());
        match (order, paused) {
            (RecordOrder::Start, None) => {
                if !self.entitlements(session.account).is_some_and(|bought| bought.record) {
                    return Err(DenyReason::Entitlement);
                }
                self.start_recording(now, by, session_id);
            }
            (RecordOrder::Pause, Some(false)) | (RecordOrder::Resume, Some(true)) => {
                self.toggle_recording(now, by, session_id)?;
            }
            (RecordOrder::Stop, Some(_)) => self.stop_recording(now, by, session_id),
            (RecordOrder::Start, Some(false))
            | (RecordOrder::Pause, Some(true))
            | (RecordOrder::Resume, Some(false)) => {}
            (RecordOrder::Start, Some(true))
            | (RecordOrder::Pause | RecordOrder::Resume | RecordOrder::Stop, None) => {
                return Err(DenyReason::State);
            }
        }
        Ok(())
    }

    fn dial_ordered(
        &mut self,
        now: Time,
        by: By,
        session_id: SessionId,
        typed: &str,
    ) -> Result<Uuid, NotDone> {
        let session = self.sessions.get(&session_id).ok_or(NotDone::UnknownSession)?;
        let (account, conference) = (session.account, session.conference);
        let grant = Grant { account, conference, role: Role::Participant };
        let number = match self.may_call(grant, session, typed) {
            Ok(number) => number,
            Err((why, number)) => {
                let detail = number.map_or(FeatureDetail::None, FeatureDetail::Number);
                let (code, denied, not_done) = refusal_of(why);
                self.note_by(now, by, Event::new(code).denied(denied).with(detail));
                return Err(not_done);
            }
        };
        let callee = (grant, number, DialoutKind::Api);
        let callee = self.call_for(now, Owed { by, request: 0 }, callee, typed);
        let call = callee.and_then(|callee| self.calls.get(&callee)).ok_or(NotDone::Capacity)?;
        let (id, leg_id) = (call.id, call.book.leg_id());
        if let Some(session) = self.sessions.get_mut(&session_id) {
            session.called.push(id);
        }
        Ok(leg_id)
    }

    fn order_leg(
        &mut self,
        now: Time,
        by: By,
        (leg, session_id): (CallId, SessionId),
        order: LegOrder,
    ) -> Result<Option<Uuid>, NotDone> {
        if matches!(order, LegOrder::Room(room) if room > LAST_ROOM) {
            return Err(NotDone::Invalid);
        }
        let state = self.sessions.get(&session_id).map(|session| session.state);
        let may = match state {
            Some(State::Live | State::Ending) => true,
            Some(State::Waiting) => matches!(order, LegOrder::Drop),
            Some(State::Closing { .. }) | None => false,
        };
        let done = if may {
            self.obey_leg(now, by, (leg, session_id), order)
        } else {
            Err(DenyReason::State)
        };
        let leg_id = self.calls.get(&leg).map(|call| call.book.leg_id());
        done.map_err(|why| {
            self.note_by_about(now, by, Event::new(order.code()).denied(why), leg);
            NotDone::Denied(why)
        })?;
        Ok(leg_id)
    }

    fn obey_leg(
        &mut self,
        now: Time,
        by: By,
        (leg, session_id): (CallId, SessionId),
        order: LegOrder,
    ) -> Result<(), DenyReason> {
        let call = self.calls.get(&leg).ok_or(DenyReason::State)?;
        let knocks = call.knocks();
        match (order, &call.phase) {
            (LegOrder::Mute(mute), Phase::Member(member)) => {
                let is_so = if mute {
                    member.barred
                } else {
                    !(member.barred || member.hushed || member.muted)
                };
                let speaks = call.grant.is_some_and(|grant| grant.role == Role::Participant);
                if !(is_so && speaks) {
                    self.set_barred(now, by, leg, mute)?;
                }
            }
            (LegOrder::Admit, _) if knocks => self.let_in(now, by, leg),
            (LegOrder::Refuse, _) if knocks => self.reject(now, by, leg),
            (LegOrder::LowerHand, _) => self.lower_hand(now, by, leg, session_id)?,
            (LegOrder::Drop, Phase::Member(_) | Phase::Apart(_)) => {
                self.kick(now, by, leg, Command::Drop);
            }
            (LegOrder::Drop, Phase::Callee(Callee { by: By::Remote { .. }, .. })) => {
                self.note_by_about(now, by, Event::new(FeatureCode::Kick), leg);
                self.hang_up(now, leg, Close::moderator(CloseReason::Kicked));
            }
            (LegOrder::Room(room), Phase::Member(_)) => self.enter_room(now, by, leg, room),
            (
                LegOrder::Mute(_)
                | LegOrder::Admit
                | LegOrder::Refuse
                | LegOrder::Drop
                | LegOrder::Room(_),
                _,
            ) => return Err(DenyReason::State),
        }
        Ok(())
    }
}

/// What the event of an order says that is not done.
impl SessionOrder {
    const fn code(&self) -> FeatureCode {
        match self {
            Self::MuteAll(true) => FeatureCode::MuteAll,
            Self::MuteAll(false) => FeatureCode::UnmuteAll,
            Self::Mode(_) => FeatureCode::LectureMode,
            Self::Lock(true) => FeatureCode::Lock,
            Self::Lock(false) => FeatureCode::Unlock,
            Self::NextHand => FeatureCode::QaOpen,
            Self::Record(RecordOrder::Start) => FeatureCode::RecordStart,
            Self::Record(RecordOrder::Pause) => FeatureCode::RecordPause,
            Self::Record(RecordOrder::Resume) => FeatureCode::RecordResume,
            Self::Record(RecordOrder::Stop) => FeatureCode::RecordStop,
            Self::Announce(_) => FeatureCode::AnnounceMode,
            Self::AutoContinue(true) => FeatureCode::AutoContinueOn,
            Self::AutoContinue(false) => FeatureCode::AutoContinueOff,
            Self::Reference(_) => FeatureCode::ReferenceSet,
            Self::Dial(_) => FeatureCode::DialoutStart,
            Self::End => FeatureCode::EndConference,
        }
    }
}

impl LegOrder {
    const fn code(self) -> FeatureCode {
        match self {
            Self::Mute(true) => FeatureCode::MuteByModerator,
            Self::Mute(false) => FeatureCode::UnmuteByModerator,
            Self::Admit => FeatureCode::LockAdmit,
            Self::Refuse => FeatureCode::LockReject,
            Self::LowerHand => FeatureCode::HandLower,
            Self::Drop => FeatureCode::Kick,
            Self::Room(_) => FeatureCode::Breakout,
        }
    }
}

/// Why nobody is called, for the record and for who ordered it.
const fn refusal_of(why: NotInvited) -> (FeatureCode, DenyReason, NotDone) {
    let (start, barred) = (FeatureCode::DialoutStart, FeatureCode::DialoutBarred);
    match why {
        NotInvited::Role => (start, DenyReason::Role, NotDone::Denied(DenyReason::Role)),
        NotInvited::State => (start, DenyReason::State, NotDone::Denied(DenyReason::State)),
        NotInvited::Full => (start, DenyReason::State, NotDone::Capacity),
        NotInvited::Barred => (barred, DenyReason::Policy, NotDone::Barred),
        NotInvited::Limit => (barred, DenyReason::Policy, NotDone::Capacity),
        NotInvited::NoNumber => (barred, DenyReason::Policy, NotDone::Invalid),
    }
}
