//! How things are, for who looks from outside: plain values, no handle to anything.

use partyline_cdr_record::{AnnounceMode, DialoutKind, Direction, Reference, TalkMode};
use partyline_model::{AccountId, CallId, ConferenceId, Number, Role, Time, Uuid, WallTime};

use crate::attendance;
use crate::bridge::Bridge;
use crate::call::{Call, Callee, CalleeStage, Entry, Member, Phase};
use crate::session::{Session, State};

/// A conference in session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSnapshot {
    /// The session, as records name it.
    pub conf_id: Uuid,
    /// The configured conference.
    pub conference: ConferenceId,
    /// Who pays.
    pub account: AccountId,
    /// The conference's name when the session began.
    pub title: String,
    /// Where it is in its life.
    pub state: SessionState,
    /// Who may speak.
    pub mode: TalkMode,
    /// Whether participants have to ask to be let in.
    pub locked: bool,
    /// Whether a security passcode is asked for. Nothing more is told of it.
    pub security_passcode: bool,
    /// What is recorded.
    pub recording: RecordingState,
    /// How callers are announced.
    pub announce: AnnounceMode,
    /// Whether it goes on without a moderator.
    pub auto_continue: bool,
    /// The first moderator's leg.
    pub started_by: Option<Uuid>,
    /// The first join.
    pub started_at: WallTime,
    /// Legs that are of it now.
    pub legs_now: u32,
    /// Most legs at one time.
    pub legs_peak: u32,
    /// Legs that joined, each once.
    pub legs_total: u32,
    /// Raised hands.
    pub hands: u32,
    /// Who ask to be let in.
    pub knocking: u32,
    /// The reference number.
    pub reference: Option<Reference>,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Callers wait for the moderator.
    Waiting,
    /// The legs talk.
    Live,
    /// The last moderator left, and the session ends unless one returns.
    Ending,
    /// The farewell plays or played.
    Closing,
}

/// What becomes of what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingState {
    /// Nothing is recorded.
    Off,
    /// The recording runs.
    Recording,
    /// The recording pauses.
    Paused,
}

/// A leg that is of a session, on its way into it, or asks to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegSnapshot {
    /// The leg, as records name it.
    pub leg_id: Uuid,
    /// The session.
    pub session: Uuid,
    /// Who called whom.
    pub direction: Direction,
    /// Who had the leg called.
    pub dialout_kind: DialoutKind,
    /// The far end's number, in full; `None` where there is none or it is withheld.
    pub number: Option<Number>,
    /// The number that was dialled to reach us.
    pub dnis: Option<Number>,
    /// What the leg may do.
    pub role: Role,
    /// Where the leg is.
    pub stage: LegStage,
    /// Why nobody hears it.
    pub muted: Muted,
    /// Whether the far end holds the conference.
    pub hold: bool,
    /// The place of its raised hand, from 1, and since when it is up.
    pub hand: Option<(u32, WallTime)>,
    /// Whether it has the word.
    pub has_word: bool,
    /// The private room that the leg is in.
    pub private_room: Option<u8>,
    /// When the leg came, or was called.
    pub invited_at: WallTime,
    /// The answer.
    pub answered_at: Option<WallTime>,
    /// The first join of the conference.
    pub joined_at: Option<WallTime>,
}

/// Where a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegStage {
    /// Called, and not ringing yet.
    Invited,
    /// Ringing.
    Ringing,
    /// Answered, and not in.
    Answered,
    /// Asking to be let in.
    Knocking,
    /// Waiting for the moderator.
    Holding,
    /// In the conference.
    In,
    /// In a private room, or aside with a call of its own.
    Private,
}

/// Why nobody hears a leg; each may be so by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Muted {
    /// By its own caller.
    pub own: bool,
    /// By a moderator, or by order: its caller cannot open the line.
    pub moderator: bool,
    /// With all others: its caller may open the line.
    pub all: bool,
    /// By the mode of the conference, or since it may only listen.
    pub mode: bool,
}

impl Bridge {
    /// The conferences in session, the longest running first.
    pub fn sessions(&self) -> Vec<SessionSnapshot> {
        self.sessions.values().map(snapshot).collect()
    }

    /// The session of this id.
    pub fn session_snapshot(&self, conf_id: Uuid) -> Option<SessionSnapshot> {
        self.session_named(conf_id).and_then(|id| self.sessions.get(&id)).map(snapshot)
    }

    /// The legs of the session of this id in the order of joining, then those who ask to be let in,
    /// then those who are called; `None` where there is no such session.
    pub fn legs_of(&self, conf_id: Uuid) -> Option<Vec<LegSnapshot>> {
        let session = self.sessions.get(&self.session_named(conf_id)?)?;
        let aside = session.roster.calls().filter_map(|id| match &self.calls.get(&id)?.phase {
            Phase::Apart(apart) => apart.stage.callee(),
            Phase::Member(_)
            | Phase::Opening
            | Phase::Greeting(_)
            | Phase::Entry(_)
            | Phase::Leaving(_)
            | Phase::Callee(_) => None,
        });
        let invited = session.roster.calls().flat_map(|by| {
            let called = self.invited.range((by, CallId(0))..=(by, CallId(u32::MAX)));
            called.map(|&(_, callee)| callee)
        });
        let legs = session.roster.calls().chain(session.knocking.iter().copied());
        let legs = legs.chain(session.called.iter().copied()).chain(aside).chain(invited);
        Some(legs.filter_map(|id| Some(self.leg_snapshot(self.calls.get(&id)?, session))).collect())
    }

    /// The leg of this id, while it is of a session, asks to be let in or is called.
    pub fn leg_snapshot_of(&self, leg_id: Uuid) -> Option<LegSnapshot> {
        let (leg, session) = self.leg_named(leg_id)?;
        Some(self.leg_snapshot(self.calls.get(&leg)?, self.sessions.get(&session)?))
    }

    fn leg_snapshot(&self, call: &Call, session: &Session) -> LegSnapshot {
        let record = call.book.record();
        let wall = |at: Time| self.fx.clock.at(at);
        let member = match &call.phase {
            Phase::Member(member) => Some(member),
            Phase::Apart(apart) => Some(&apart.member),
            Phase::Opening
            | Phase::Greeting(_)
            | Phase::Entry(_)
            | Phase::Leaving(_)
            | Phase::Callee(_) => None,
        };
        let rooms = || session.rooms.iter();
        let room = member.and_then(|member| member.room);
        LegSnapshot {
            leg_id: record.leg_id,
            session: session.book.conf_id(),
            direction: record.direction,
            dialout_kind: record.dialout_kind,
            number: attendance::number(record),
            dnis: record.dnis,
            role: call.grant.map_or(Role::Listener, |grant| grant.role),
            stage: stage(call, session),
            muted: member.map(|member| muted(call, member, session)).unwrap_or_default(),
            hold: call.held,
            hand: session.floor.hand(call.id).map(|(place, since)| (place, wall(since))),
            has_word: session.floor.has_word(call.id),
            private_room: room
                .and_then(|room| rooms().find(|(_, mix)| **mix == room).map(|(&number, _)| number)),
            invited_at: record.invited_at,
            answered_at: record.answered_at,
            joined_at: record.joined_at,
        }
    }
}

fn snapshot(session: &Session) -> SessionSnapshot {
    let record = session.book.record();
    let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
    SessionSnapshot {
        conf_id: record.conf_id,
        conference: session.conference,
        account: session.account,
        title: record.name.as_str().to_owned(),
        state: match session.state {
            State::Waiting => SessionState::Waiting,
            State::Live => SessionState::Live,
            State::Ending => SessionState::Ending,
            State::Closing { .. } => SessionState::Closing,
        },
        mode: session.floor.mode,
        locked: session.locked,
        security_passcode: session.security.is_some(),
        recording: match session.recording {
            None => RecordingState::Off,
            Some(recording) if recording.is_paused() => RecordingState::Paused,
            Some(_) => RecordingState::Recording,
        },
        announce: session.rules.announce,
        auto_continue: !session.rules.ends_with_moderator,
        started_by: record.host_leg,
        started_at: record.started_at,
        legs_now: count(session.roster.len()),
        legs_peak: record.peak_legs,
        legs_total: record.leg_count,
        hands: count(session.floor.hands()),
        knocking: count(session.knocking.len()),
        reference: record.reference_number.clone(),
    }
}

fn stage(call: &Call, session: &Session) -> LegStage {
    match &call.phase {
        Phase::Apart(_) | Phase::Member(Member { room: Some(_), .. }) => LegStage::Private,
        Phase::Member(_) if session.state.is_mixed() => LegStage::In,
        Phase::Member(_) => LegStage::Holding,
        Phase::Entry(Entry { knocks_at: Some(_), .. }) => LegStage::Knocking,
        Phase::Callee(Callee { stage: CalleeStage::Opening | CalleeStage::Dialled, .. }) => {
            let rings = call.book.record().ringing_at.is_some();
            if rings { LegStage::Ringing } else { LegStage::Invited }
        }
        Phase::Callee(Callee { stage: CalleeStage::Talking(_), .. }) => LegStage::Private,
        Phase::Callee(Callee { stage: CalleeStage::Recording | CalleeStage::Greeted, .. })
        | Phase::Opening
        | Phase::Greeting(_)
        | Phase::Entry(_)
        | Phase::Leaving(_) => LegStage::Answered,
    }
}

fn muted(call: &Call, member: &Member, session: &Session) -> Muted {
    let role = call.grant.map_or(Role::Listener, |grant| grant.role);
    let by_mode = match role {
        Role::Listener => true,
        Role::Moderator => false,
        Role::Participant => {
            session.floor.mode == TalkMode::Presentation && !session.floor.has_word(call.id)
        }
    };
    let others = role == Role::Participant;
    Muted {
        own: member.muted,
        moderator: member.barred && others,
        all: member.hushed && others,
        mode: by_mode,
    }
}
