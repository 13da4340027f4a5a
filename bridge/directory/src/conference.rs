//! A configured conference.

use partyline_model::{AccountId, ConferenceId};

use crate::words::words;

/// A configured conference: the room that its passcodes open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conference {
    /// The row of the store.
    pub id: ConferenceId,
    /// The account that pays for the conference.
    pub account: AccountId,
    /// The conference's name in reports.
    pub name: String,
    /// Who must be there for the callers to hear each other.
    pub starts_with: StartsWith,
    /// The most legs at once, dial-outs included.
    pub max_legs: u16,
    /// What is heard when somebody joins or leaves.
    pub announce: Announce,
    /// Whether the conference may be used; when not, its callers hear that it is not available.
    pub enabled: bool,
    /// Whether the conference ends when the last moderator leaves. When not, it goes on without (auto-continue).
    pub ends_with_moderator: bool,
}

/// Who must be there for the callers to hear each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StartsWith {
    /// A moderator; until then the others hear music.
    #[default]
    Moderator,
    /// The first caller, of any role.
    FirstCaller,
}

words!(StartsWith { Moderator = "moderator", FirstCaller = "first_caller", });

/// What is heard when somebody joins or leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Announce {
    /// A short tone.
    #[default]
    Tones,
    /// Nothing.
    Silent,
}

words!(Announce { Tones = "tones", Silent = "silent", });
