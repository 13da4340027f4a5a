//! What a leg may do in a conference.

/// What a leg may do in a conference; decided by the passcode it entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Hosts the conference: every star code. `host` in records.
    Moderator,
    /// Speaks and listens.
    Participant,
    /// Only listens. `listen_only` in records.
    Listener,
}

impl Role {
    /// The word in everything that is printed, logged or exported.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Moderator => "moderator",
            Self::Participant => "participant",
            Self::Listener => "listener",
        }
    }
}
