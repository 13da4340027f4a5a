//! SIP methods and what this user agent does with each.

use std::fmt;

/// A request method (RFC 3261 §7.1 and its extensions). Case matters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Sets up a session (RFC 3261 §13).
    Invite,
    /// Confirms the final response to an INVITE (RFC 3261 §17).
    Ack,
    /// Ends a session (RFC 3261 §15).
    Bye,
    /// Takes back an INVITE that has no final response yet (RFC 3261 §9).
    Cancel,
    /// Asks what the peer can do (RFC 3261 §11).
    Options,
    /// Carries keyed digits inside a dialog (RFC 6086).
    Info,
    /// Changes or refreshes a session without an INVITE (RFC 3311).
    Update,
    /// Acknowledges a provisional response (RFC 3262).
    Prack,
    /// A method that the registry knows and this user agent does not offer: answered 405.
    Known(&'static str),
    /// Any other token: answered 501.
    Unknown(Box<str>),
}

/// Methods of the IANA registry that are understood well enough to be refused by name.
const NOT_OFFERED: [&str; 6] = ["REGISTER", "REFER", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH"];

/// The value of the Allow header, where REFER is not taken.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, SUBSCRIBE";
/// The value of the Allow header, where REFER is taken within calls.
pub(crate) const ALLOW_REFER: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, SUBSCRIBE, REFER";

impl Method {
    /// Binds an address of record to a contact (RFC 3261 §10).
    pub const REGISTER: Self = Self::Known("REGISTER");
    /// Asks to call somebody else (RFC 3515).
    pub const REFER: Self = Self::Known("REFER");
    /// Asks to be told of something (RFC 6665).
    pub const SUBSCRIBE: Self = Self::Known("SUBSCRIBE");
    /// Says what became of what was subscribed to (RFC 6665).
    pub const NOTIFY: Self = Self::Known("NOTIFY");

    /// Reads a method token; `None` when `text` is not a token (RFC 3261 §25.1).
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "OPTIONS" => Self::Options,
            "INFO" => Self::Info,
            "UPDATE" => Self::Update,
            "PRACK" => Self::Prack,
            other => match NOT_OFFERED.iter().find(|known| **known == other) {
                Some(known) => Self::Known(known),
                None if super::scan::is_token(other) => Self::Unknown(other.into()),
                None => return None,
            },
        })
    }

    /// The token as it stands on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Update => "UPDATE",
            Self::Prack => "PRACK",
            Self::Known(name) => name,
            Self::Unknown(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive_tokens() {
        assert_eq!(Method::parse("INVITE"), Some(Method::Invite));
        assert_eq!(Method::parse("invite"), Some(Method::Unknown("invite".into())));
        assert_eq!(Method::parse("REFER"), Some(Method::Known("REFER")));
        assert_eq!(Method::parse("REGISTER"), Some(Method::REGISTER));
        assert_eq!(Method::parse("IN VITE"), None);
        assert_eq!(Method::parse(""), None);
    }
}
