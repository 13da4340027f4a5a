//! Reliable provisional responses (RFC 3262), as far as they are values: who speaks them, and what
//! a PRACK names.

use std::fmt;

use crate::message::{Headers, Method, Name};
use crate::session_timer::has;

/// The option tag of reliable provisional responses.
pub(crate) const RELIABLE: &str = "100rel";

/// Whether provisional responses are sent reliably.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reliability {
    /// The extension is not spoken.
    Off,
    /// Where the far end wants it: callees may, and callers that require it are obeyed.
    #[default]
    OnDemand,
    /// Also what describes a session, to callers that speak the extension.
    Offer,
}

/// What a provisional response wants of who receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Nothing,
    /// A PRACK, but there is no number to acknowledge.
    Unnumbered,
    /// The PRACK of this number.
    Prack(u32),
}

impl Wants {
    pub(crate) fn read(headers: &Headers) -> Self {
        if !has(headers, &Name::Require, RELIABLE) {
            return Self::Nothing;
        }
        let number = headers.text(&Name::RSeq).and_then(|text| text.trim().parse().ok());
        number.map_or(Self::Unnumbered, Self::Prack)
    }
}

/// The response that a PRACK acknowledges (RFC 3262 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RAck {
    pub(crate) rseq: u32,
    /// The number of the INVITE.
    pub(crate) cseq: u32,
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.cseq, Method::Invite)
    }
}
