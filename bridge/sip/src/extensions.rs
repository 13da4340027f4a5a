//! Which extensions of SIP are spoken with a far end.

use crate::message::{Headers, Name};
use crate::reliable::{RELIABLE, Reliability};
use crate::session_timer::{SessionTimers, TIMER, TimerMode};

/// Which extensions of SIP are spoken with a far end, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// How sessions are kept alive (RFC 4028).
    pub timers: SessionTimers,
    /// Whether provisional responses are sent reliably (RFC 3262).
    pub reliability: Reliability,
}

impl Extensions {
    /// The value of Supported.
    pub(crate) fn supported(self) -> &'static str {
        match (self.timers.mode != TimerMode::Off, self.reliability != Reliability::Off) {
            (true, true) => "timer, 100rel",
            (true, false) => TIMER,
            (false, true) => RELIABLE,
            (false, false) => "",
        }
    }

    /// Those of a request of ours whose provisional responses are not followed, nor acknowledged.
    pub(crate) fn without_progress(self) -> Self {
        Self { reliability: Reliability::Off, ..self }
    }

    /// What is required in a message and not spoken.
    pub(crate) fn lacking(self, headers: &Headers) -> impl Iterator<Item = &str> {
        let tags = self.supported();
        let is_known =
            move |tag: &&str| tags.split(", ").any(|known| known.eq_ignore_ascii_case(tag));
        headers.items(&Name::Require).filter(move |tag| !is_known(tag))
    }
}
