//! What the bridge says.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Event;

/// The first line of the bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`](crate::VERSION).
    pub partyline: u32,
    /// The version of the program.
    pub program: String,
}

/// Any further line of the bridge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", untagged)]
pub enum Line {
    /// To a request.
    Response(Response),
    /// What has happened: `{"event": {…}}`.
    Event {
        /// What.
        event: Box<Event>,
    },
    /// The last line: why the bridge closes.
    End {
        /// Why.
        end: Fault,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Response {
    /// Done: `{"id": 1, "ok": {…}}`.
    Ok {
        /// Of the request.
        id: u64,
        /// What was asked for; of an order, an object with what it made or chose.
        ok: Value,
    },
    /// Not done: `{"id": 1, "error": {"code": "state_refused", "detail": "…"}}`.
    Error {
        /// Of the request; 0 where it could not be read.
        id: u64,
        /// Why not.
        error: Fault,
    },
}

/// Why something is not done: a word for programs, and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// One of a few words, which stay.
    pub code: String,
    /// A sentence, which may change.
    pub detail: String,
}

impl Line {
    /// The line, without its end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
