//! The virtual clock: phones count in [`Duration`], the cores in [`Time`], both from zero.

use std::time::Duration;

use partyline_model::{Time, WallTime};

/// What the wall clock reads when the world begins: a Thursday in November 2026.
pub const START: WallTime = WallTime::from_micros(1_795_000_000_000_000);

/// `n` seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `n` milliseconds.
pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The cores' reading of the clock at `now`.
pub fn time(now: Duration) -> Time {
    Time::ZERO + now
}

/// The phones' reading of the clock at `now`.
pub fn since_start(now: Time) -> Duration {
    now.since(Time::ZERO)
}

/// The wall clock at `now`; it never steps here.
pub fn wall(now: Duration) -> WallTime {
    START + now
}
