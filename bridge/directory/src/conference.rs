//! A configured conference.

use partyline_model::{AccountId, ConferenceId};

use crate::words::words;

/// A configured conference: the room that its passcodes open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conference {
    /// The row of the store.
    pub id: ConferenceId,
    /// Who pays for it.
    pub account: AccountId,
    /// Its name in reports.
    pub name: String,
    /// Who must be there for the callers to hear each other.
    pub starts_with: StartsWith,
    /// The most legs at once, dial-outs included.
    pub max_legs: u16,
    /// What is heard when somebody joins or leaves.
    pub announce: Announce,
    /// Whether it may be used; when not, its callers hear that it is not available.
    pub enabled: bool,
    /// Whether it ends when the last moderator leaves. When not, it goes on without (auto-continue).
    pub ends_with_moderator: bool,
}

/// Who must be there for the callers to hear each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StartsWith {
    /// A moderator; until then the others hear music.
    #[default]
    Moderator,
    /// Whoever comes first.
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
