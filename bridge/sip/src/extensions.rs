//! Which extensions of SIP are spoken with a far end.

use crate::message::{ALLOW, ALLOW_REFER, Headers, Method, Name};
use crate::reliable::{RELIABLE, Reliability};
use crate::session_timer::{SessionTimers, TIMER, TimerMode};
use crate::takeover::{JOIN, REPLACES};

/// Which extensions of SIP are spoken with a far end, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// How sessions are kept alive (RFC 4028).
    pub timers: SessionTimers,
    /// Whether provisional responses are sent reliably (RFC 3262).
    pub reliability: Reliability,
    /// Whether REFER is taken within calls (RFC 3515); what may be asked by it is the node's to know.
    pub refers: bool,
    /// Whether calls may take the place of others, or come beside them (RFC 3891, RFC 3911), when the
    /// far end has proved by its certificate who it is. Users of ours may in any case.
    pub takeovers: bool,
}

/// The tag of who can do without the subscription that a REFER makes (RFC 4488 §3).
pub(crate) const NO_REFER_SUB: &str = "norefersub";

impl Extensions {
    /// The value of Supported.
    pub(crate) fn supported(self) -> String {
        let tags = [
            (self.timers.mode != TimerMode::Off, TIMER),
            (self.reliability != Reliability::Off, RELIABLE),
            (self.refers, NO_REFER_SUB),
            (self.takeovers, REPLACES),
            (self.takeovers, JOIN),
        ];
        let spoken = tags.into_iter().filter(|(is_spoken, _)| *is_spoken);
        spoken.map(|(_, tag)| tag).collect::<Vec<_>>().join(", ")
    }

    /// The value of Allow.
    pub(crate) const fn allow(self) -> &'static str {
        if self.refers { ALLOW_REFER } else { ALLOW }
    }

    /// Those of a request of ours whose provisional responses are not followed, nor acknowledged.
    pub(crate) fn without_progress(self) -> Self {
        Self { reliability: Reliability::Off, ..self }
    }

    /// What is required in a request and not spoken. Of proxies on the way a registration keeps the path
    /// (RFC 3327 §5.3), and no other request has one.
    pub(crate) fn lacking<'a>(
        self,
        method: &Method,
        headers: &'a Headers,
    ) -> impl Iterator<Item = &'a str> {
        let mut tags = self.supported();
        if *method == Method::REGISTER {
            tags.push_str(", path");
        }
        let is_known =
            move |tag: &&str| tags.split(", ").any(|known| known.eq_ignore_ascii_case(tag));
        headers.items(&Name::Require).filter(move |tag| !is_known(tag))
    }
}
