//! Times of the node as the library wants them: by an [`Instant`], which cannot be written down.

use std::time::Instant;

use partyline_model::Time;

/// The instant that stands for [`Time::ZERO`]. Which one it is does not matter: only differences
/// count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin(Instant);

impl Origin {
    #[expect(clippy::disallowed_methods, reason = "no other way leads to an instant")]
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn instant(self, time: Time) -> Instant {
        self.0 + (time - Time::ZERO)
    }

    pub(crate) fn time(self, instant: Instant) -> Time {
        Time::ZERO + instant.saturating_duration_since(self.0)
    }
}
