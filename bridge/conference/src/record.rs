//! What a leg, a session and an event leave behind: fills the records of `partyline-cdr-record`.
//!
//! Durations are differences of [`Time`]. The wall clock stamps a leg's beginning, and every later
//! stamp of that leg is that plus monotonic time, so that a row agrees with itself even
//! when the wall clock was set during the call. Writing them is the caller's.

mod leg;
mod session;

use std::time::Duration;

use partyline_cdr_record::{
    Actor, CloseReason, DenyReason, FeatureCode, FeatureDetail, FeatureRecord, Outcome, Pattern,
    Record, ReleaseBy, StatusCode,
};
use partyline_dialplan::star::Command;
use partyline_model::{AccountId, ConferenceId, Role, Time, Uuid, WallTime};

pub(crate) use leg::LegBook;
pub(crate) use session::SessionBook;

/// Says what the wall clock reads at a monotonic time.
pub(crate) struct Clock {
    time: Time,
    wall: WallTime,
}

impl Clock {
    /// A clock that read `start` when the node started.
    pub(crate) const fn new(start: WallTime) -> Self {
        Self { time: Time::ZERO, wall: start }
    }

    /// The wall clock reads `wall` at `now`.
    pub(crate) const fn set(&mut self, now: Time, wall: WallTime) {
        *self = Self { time: now, wall };
    }

    /// What the wall clock reads at `now`.
    pub(crate) fn at(&self, now: Time) -> WallTime {
        self.wall + now.since(self.time)
    }
}

/// Where a leg spends its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the prompts, or already gone.
    Outside,
    /// Waiting for the moderator.
    Hold,
    /// In the conference.
    Conference,
    /// In a private talk, or calling for one.
    Private,
}

/// For whom a leg is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behalf {
    /// The leg that asked for it, if one did.
    pub(crate) leg: Option<Uuid>,
    pub(crate) tenant: u64,
    pub(crate) account: Option<AccountId>,
    pub(crate) conference: Option<ConferenceId>,
    pub(crate) plan: u32,
    pub(crate) tz_offset_min: i16,
}

/// How a leg ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Close {
    pub(crate) reason: CloseReason,
    pub(crate) by: ReleaseBy,
    /// What the signalling said last; `None` is what goes with the reason.
    pub(crate) code: Option<StatusCode>,
    /// `None` is the reason's default.
    pub(crate) q850: Option<u8>,
}

impl Close {
    /// Ended by the bridge.
    pub(crate) const fn system(reason: CloseReason) -> Self {
        Self { reason, by: ReleaseBy::System, code: None, q850: None }
    }

    /// Ended by a moderator.
    pub(crate) const fn moderator(reason: CloseReason) -> Self {
        Self { reason, by: ReleaseBy::Moderator, code: None, q850: None }
    }
}

/// Where an event stands: among those of its leg, or of its session where no leg did it.
pub(crate) struct EventPlace {
    /// The leg, or the session.
    pub(crate) of: Uuid,
    /// The number of the event among those of `of`.
    pub(crate) seq: u32,
    /// The session, and the event's number in it.
    pub(crate) session: Option<(Uuid, u64)>,
    pub(crate) at: WallTime,
    /// From the beginning of `of`.
    pub(crate) offset: Duration,
    pub(crate) role: Option<Role>,
}

/// What is worth knowing of one event, beside who and when.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) code: FeatureCode,
    /// What was asked for; the record quotes the keys by which it was.
    pub(crate) command: Option<Command>,
    pub(crate) pattern: Pattern,
    pub(crate) outcome: Outcome,
    pub(crate) denied: Option<DenyReason>,
    pub(crate) target: Option<Uuid>,
    pub(crate) detail: FeatureDetail,
    pub(crate) actor: Actor,
    /// Which operator, person or key.
    pub(crate) actor_id: Option<u64>,
}

impl Event {
    /// Something that happened without a star code.
    pub(crate) const fn new(code: FeatureCode) -> Self {
        Self {
            code,
            command: None,
            pattern: Pattern::NONE,
            outcome: Outcome::Ok,
            denied: None,
            target: None,
            detail: FeatureDetail::None,
            actor: Actor::Leg,
            actor_id: None,
        }
    }

    /// Something that `command` did.
    pub(crate) const fn of(code: FeatureCode, command: Command) -> Self {
        let mut event = Self::new(code);
        event.command = Some(command);
        event
    }

    /// Something that the bridge did of itself.
    pub(crate) const fn of_system(code: FeatureCode) -> Self {
        let mut event = Self::new(code);
        event.actor = Actor::System;
        event
    }

    /// The record of the event, by where it stands.
    pub(crate) fn record(self, place: EventPlace) -> Record {
        Record::Feature(Box::new(FeatureRecord {
            leg_id: place.of,
            feature_seq: place.seq,
            conf_id: place.session.map(|(id, _)| id),
            conf_seq: place.session.map_or(0, |(_, seq)| seq),
            at: place.at,
            mono_offset_ms: millis(place.offset),
            code: self.code,
            pattern: self.pattern,
            outcome: self.outcome,
            denied: self.denied,
            target_leg: self.target,
            detail: self.detail,
            billable: false,
            actor: self.actor,
            actor_id: self.actor_id,
            role: place.role,
        }))
    }

    pub(crate) fn denied(mut self, why: DenyReason) -> Self {
        self.outcome = Outcome::Denied;
        self.denied = Some(why);
        self
    }

    pub(crate) fn failed(mut self) -> Self {
        self.outcome = Outcome::Failed;
        self
    }

    pub(crate) fn about(mut self, leg: Uuid) -> Self {
        self.target = Some(leg);
        self
    }

    pub(crate) fn with(mut self, detail: FeatureDetail) -> Self {
        self.detail = detail;
        self
    }
}
/// Whole milliseconds, rounded down.
pub(crate) fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
