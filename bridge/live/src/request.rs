//! What clients say.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::Id;
use crate::resource::{Announce, Leg, Mode, Session};
use crate::response::Fault;

/// One line of a client: `{"id": 1, "command": "lock", "session": "ses_…"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Comes again in the response; the client's own, 0 where it has none.
    pub id: u64,
    /// What is asked or wanted.
    pub command: Command,
}

/// What is asked or wanted. A field that is not known is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// The conferences in session.
    Sessions {},
    /// One session.
    Session {
        /// Which.
        session: Id<Session>,
    },
    /// The legs of a session.
    Legs {
        /// Of which.
        session: Id<Session>,
        /// Whether numbers come whole.
        #[serde(default)]
        full: bool,
    },
    /// One leg.
    Leg {
        /// Which.
        leg: Id<Leg>,
        /// Whether its number comes whole.
        #[serde(default)]
        full: bool,
    },
    /// From here on each event comes as it is on disk, in order.
    Watch {
        /// Of this session only.
        #[serde(default)]
        session: Option<Id<Session>>,
        /// Whether numbers come whole.
        #[serde(default)]
        full: bool,
    },
    /// Mute a leg; its caller cannot open the line.
    Mute {
        /// Which.
        leg: Id<Leg>,
    },
    /// Open a line, unless its own caller muted it.
    Unmute {
        /// Which.
        leg: Id<Leg>,
    },
    /// Mute all participants, who may open their lines.
    MuteAll {
        /// Of which.
        session: Id<Session>,
    },
    /// Open the lines of all participants.
    UnmuteAll {
        /// Of which.
        session: Id<Session>,
    },
    /// Who may speak.
    Mode {
        /// Where.
        session: Id<Session>,
        /// From here on.
        mode: Mode,
    },
    /// Who comes has to ask to be let in.
    Lock {
        /// Which.
        session: Id<Session>,
    },
    /// Let in whoever comes, and who asks.
    Unlock {
        /// Which.
        session: Id<Session>,
    },
    /// Let in who asks to be.
    Admit {
        /// Whom.
        leg: Id<Leg>,
    },
    /// Turn away who asks to be let in.
    Refuse {
        /// Whom.
        leg: Id<Leg>,
    },
    /// The next raised hand has the word.
    NextHand {
        /// Where.
        session: Id<Session>,
    },
    /// Lower a hand.
    LowerHand {
        /// Whose.
        leg: Id<Leg>,
    },
    /// What becomes of the recording.
    Record {
        /// Of which.
        session: Id<Session>,
        /// What.
        action: RecordAction,
    },
    /// How callers are announced.
    Announce {
        /// Where.
        session: Id<Session>,
        /// From here on.
        announce: Announce,
    },
    /// Whether the conference goes on without a moderator.
    AutoContinue {
        /// Which.
        session: Id<Session>,
        /// From here on.
        on: bool,
    },
    /// Set the reference number, or remove it.
    Reference {
        /// Of which.
        session: Id<Session>,
        /// At most 32 letters, digits, spaces and . _ / -; null removes it.
        value: Option<String>,
    },
    /// Put a leg out, or hang up on who is still being called.
    Drop {
        /// Which.
        leg: Id<Leg>,
    },
    /// Send a leg to a private room.
    Room {
        /// Which.
        leg: Id<Leg>,
        /// From 1 to 9; 0 is the main conference.
        room: u8,
    },
    /// Call a number into a session; whoever answers has to press 1.
    Dial {
        /// Into which.
        session: Id<Session>,
        /// The number, in any form in which a moderator could type it.
        to: String,
    },
    /// End a conference for all.
    End {
        /// Which.
        session: Id<Session>,
    },
}

/// What is to become of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordAction {
    /// Begin.
    Start,
    /// Leave out what is said.
    Pause,
    /// Go on after a pause.
    Resume,
    /// End.
    Stop,
}

impl Request {
    /// The line, without its end.
    pub fn line(&self) -> String {
        let mut line = serde_json::to_value(&self.command).unwrap_or_default();
        line["id"] = self.id.into();
        line.to_string()
    }
}

/// Reads a line of a client.
///
/// # Errors
/// The id that the line has, or 0, and what is wrong.
pub fn read_request(line: &[u8]) -> Result<Request, (u64, Fault)> {
    let invalid = |id, detail: String| (id, Fault { code: "invalid".to_owned(), detail });
    let mut said: Value =
        serde_json::from_slice(line).map_err(|error| invalid(0, format!("no JSON: {error}")))?;
    let Some(fields) = said.as_object_mut() else {
        return Err(invalid(0, "expected an object".to_owned()));
    };
    let id = match fields.remove("id") {
        None => 0,
        Some(id) => id
            .as_u64()
            .ok_or_else(|| invalid(0, "id: expected a whole number from 0".to_owned()))?,
    };
    match serde_json::from_value(said) {
        Ok(command) => Ok(Request { id, command }),
        Err(error) => Err(invalid(id, error.to_string())),
    }
}
