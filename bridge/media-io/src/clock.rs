//! The clock of the media threads: the one place here that reads time or waits for it.
//!
//! It decides nothing; deadlines are the loop's.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use partyline_model::{Time, WallTime};

/// Counts from the moment it was started; copies agree with each other.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts a clock at [`Time::ZERO`].
    #[expect(clippy::disallowed_methods, reason = "the media shell's clock")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The time since the start. Never goes back.
    pub fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// The system's wall clock, to stamp with. It may step.
    #[expect(clippy::disallowed_methods, reason = "the media shell's clock")]
    pub fn wall(&self) -> WallTime {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        WallTime::from_micros(0) + since_epoch.unwrap_or(Duration::ZERO)
    }

    /// Sleeps until `deadline`; returns false, at once, when it has passed.
    #[expect(clippy::disallowed_methods, reason = "the media loop's only wait")]
    pub(crate) fn wait_until(&self, deadline: Time) -> bool {
        let left = deadline - self.now();
        let early = !left.is_zero();
        if early {
            thread::sleep(left);
        }
        early
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_at_the_deadline_or_after() {
        let clock = Clock::start();
        let deadline = clock.now() + Duration::from_millis(3);
        assert!(clock.wait_until(deadline));
        assert!(clock.now() >= deadline);
        assert!(!clock.wait_until(Time::ZERO));
    }

    #[test]
    fn the_wall_clock_is_past_the_year_this_was_written_in() {
        assert!(Clock::start().wall().as_micros() > 1_750_000_000_000_000);
    }
}
