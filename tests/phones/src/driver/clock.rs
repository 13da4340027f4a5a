//! The only place where the phones read a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time since a start, and when that was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    unix: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "real sockets live on the real clock")]
        let (start, wall) = (Instant::now(), SystemTime::now());
        Self { start, unix: wall.duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The start in the time since 1970, to set phones' logs beside the bridge's records.
    pub(crate) fn unix(&self) -> Duration {
        self.unix
    }
}
