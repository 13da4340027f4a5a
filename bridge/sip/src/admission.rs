//! What the endpoint asks about a source before it spends anything on it. The answers are the
//! node's.

use std::net::IpAddr;

use crate::caller::Identities;
use crate::extensions::Extensions;
use crate::rate::Rate;

/// What one source may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Whether it brings calls in; otherwise it only answers those that go out.
    pub calls: bool,
    /// New calls.
    pub invites: Rate,
    /// Answers that nothing is kept of: to OPTIONS outside a call, to what is refused.
    pub answers: Rate,
    /// Calls at once whose answer is outstanding or not acknowledged. The endpoint gives no source
    /// more of these than half of what is left.
    pub pending: usize,
    /// Calls of one caller at once that have given no passcode yet; the same bound holds for them.
    pub waiting: usize,
    /// How callers are told apart.
    pub callers: Callers,
    /// The trunk that the source belongs to.
    pub trunk: u32,
    /// Which extensions are spoken with it; `None` for the endpoint's own.
    pub extensions: Option<Extensions>,
}

/// How the callers of a source are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Each address is one caller's.
    ByAddress,
    /// Many callers share an address: by the number that is looked for in these places, and all who
    /// withhold it as one.
    ByNumber(Identities),
}

impl Limits {
    /// No limit but the fair share.
    pub const NONE: Self = Self {
        calls: true,
        invites: Rate { per_second: 1_000_000, burst: 1_000_000 },
        answers: Rate { per_second: 1_000_000, burst: 1_000_000 },
        pending: usize::MAX,
        waiting: usize::MAX,
        callers: Callers::ByAddress,
        trunk: 0,
        extensions: None,
    };
}

/// Who may speak with the endpoint, and how much.
pub trait Admission: Send {
    /// What `source` may use; `None` for a stranger, of whom nothing is kept and who is answered
    /// now and then only.
    fn limits(&self, source: IpAddr) -> Option<Limits>;

    /// Whether `source` may speak for `peer` within a call: whether one trunk has them both.
    fn allies(&self, peer: IpAddr, source: IpAddr) -> bool;

    /// Calls that there is room for, all sources together.
    fn capacity(&self) -> usize;
}

/// Everybody is known and unlimited: for tests, and until the node has said who is.
pub(crate) struct Everybody;

impl Admission for Everybody {
    fn limits(&self, _source: IpAddr) -> Option<Limits> {
        Some(Limits::NONE)
    }

    fn allies(&self, _peer: IpAddr, _source: IpAddr) -> bool {
        true
    }

    fn capacity(&self) -> usize {
        usize::MAX
    }
}
