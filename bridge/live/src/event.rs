//! What happens in sessions, for those who follow it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::Id;
use crate::resource::{Leg, Session};

/// One event, as its record is on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What has happened, in the words of the documentation: `session.locked`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The session, once the leg has one.
    pub session: Option<Id<Session>>,
    /// The leg that did it or that it happened to.
    pub leg: Option<Id<Leg>>,
    /// The other leg that it was done to.
    pub target: Option<Id<Leg>>,
    /// Counts the events of the session from 1, without gaps; null of a leg that has none, and of the
    /// beginning and the end of sessions and legs.
    pub seq: Option<u64>,
    /// When: RFC 3339 in UTC with microseconds.
    pub occurred_at: String,
    /// Who did it.
    pub actor: Actor,
    /// How it was asked for: `key`, `call`, `console`, `api`, `portal`, `schedule` or `bridge`.
    pub via: String,
    /// `ok`, `denied` or `failed`.
    pub outcome: String,
    /// What else there is to say.
    pub data: Value,
}

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Of which kind.
    pub kind: ActorKind,
    /// Which of them, where that is known: of an operator, the system's user number.
    pub id: Option<u64>,
}

/// Of which kind who did something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A leg.
    Leg,
    /// An operator of this bridge.
    Operator,
    /// A person at the portal.
    Portal,
    /// A program, by its key.
    Api,
    /// The timetable.
    Schedule,
    /// The bridge.
    System,
}
