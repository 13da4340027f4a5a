//! The wall clock: the one place of the server that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use partyline_model::WallTime;

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "the shell's clock: time is an input elsewhere")]
pub(crate) fn wall() -> WallTime {
    // A clock before 1970 is broken; records then begin in 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
