//! What there is: sessions and legs, as far as the bridge knows them.
//!
//! Times are RFC 3339 in UTC with microseconds. Numbers are E.164 without a plus; masked, their
//! middle is dots.

use serde::{Deserialize, Serialize};

use crate::id::{Id, Kind};

impl Kind for Session {
    const PREFIX: &'static str = "ses_";
}

impl Kind for Leg {
    const PREFIX: &'static str = "leg_";
}

/// A conference in session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The id.
    pub id: Id<Self>,
    /// The configured conference, by the number that `partyline conference list` shows.
    pub conference: u64,
    /// The account, by the number that `partyline account list` shows.
    pub account: u64,
    /// The conference's name when the session began.
    pub title: String,
    /// `waiting` for the moderator, `live`, `ending` after the last moderator, `closing`.
    pub state: String,
    /// Who may speak.
    pub mode: Mode,
    /// Whether participants have to ask to be let in.
    pub locked: bool,
    /// Whether a security passcode is asked for.
    pub security_passcode: bool,
    /// `off`, `recording` or `paused`.
    pub recording: String,
    /// How callers are announced.
    pub announce: Announce,
    /// Whether it goes on without a moderator.
    pub auto_continue: bool,
    /// The first moderator's leg.
    pub started_by: Option<Id<Leg>>,
    /// The first join.
    pub started_at: String,
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

/// A reference number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The number.
    pub value: String,
}

/// Who may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All.
    Conversation,
    /// Participants are muted, and may open their lines.
    Questions,
    /// Participants are muted, but for the one who has the word.
    Presentation,
}

/// How callers are announced who come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Announce {
    /// By name or number.
    Names,
    /// By tone.
    Tones,
    /// Not at all.
    Silent,
}

/// A leg that is of a session, asks to be let in or is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// The id.
    pub id: Id<Self>,
    /// The session.
    pub session: Id<Session>,
    /// `in` or `out`.
    pub direction: String,
    /// Who had it called: `caller` for one who called, else `moderator`, `operator` or `api`.
    pub origin: String,
    /// The far end's number; null where there is none or it is withheld.
    pub number: Option<String>,
    /// The number that was dialled to reach the bridge.
    pub dnis: Option<String>,
    /// `moderator`, `participant` or `listener`.
    pub role: String,
    /// `invited`, `ringing`, `answered`, `knocking`, `holding`, `in` or `private`.
    pub state: String,
    /// Why nobody hears it.
    pub muted: Muted,
    /// Whether the far end holds the conference.
    pub hold: bool,
    /// The raised hand.
    pub hand: Option<Hand>,
    /// Whether it has the word.
    pub has_word: bool,
    /// The private room that it is in.
    pub private_room: Option<u8>,
    /// The INVITE.
    pub invited_at: String,
    /// The answer.
    pub answered_at: Option<String>,
    /// The first join of the conference.
    pub joined_at: Option<String>,
}

/// Why nobody hears a leg; each may be so by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Muted {
    /// By its own caller.
    pub own: bool,
    /// By a moderator or a command: its caller cannot open the line.
    pub moderator: bool,
    /// With all others: its caller may open the line.
    pub all: bool,
    /// By the mode, or since it may only listen.
    pub mode: bool,
}

/// A raised hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    /// From 1.
    pub position: u32,
    /// Since when it is up.
    pub since: String,
}
