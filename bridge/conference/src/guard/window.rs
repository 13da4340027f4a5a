//! How many in the last ten minutes, minute by minute.

use partyline_model::Time;

const MINUTE_SECS: u64 = 60;
/// The minute that runs, and the nine before it.
const MINUTES: u64 = 10;
const SLOTS: usize = 10;

/// A count over the minute that runs and the nine before it.
#[derive(Default)]
pub(super) struct Window {
    /// By minute modulo ten. What is taken back may be of an earlier minute, hence the sign.
    slots: [i32; SLOTS],
    /// The minute of the newest slot.
    minute: u64,
}

impl Window {
    /// Adds `count` to the minute of `now`, which does not go backwards.
    pub(super) fn add(&mut self, now: Time, count: i32) {
        let minute = minute(now);
        for passed in (self.minute + 1..=minute).take(self.slots.len()) {
            *self.slot(passed) = 0;
        }
        // More than ten minutes on, every slot has been emptied above.
        self.minute = minute.max(self.minute);
        let slot = self.slot(minute);
        *slot = slot.saturating_add(count);
    }

    /// The sum at `now`; never below zero.
    pub(super) fn sum(&self, now: Time) -> u32 {
        let now = minute(now);
        let alive = |&(age, _): &(u64, i32)| self.minute + MINUTES > now + age;
        let by_age = (0..MINUTES.min(self.minute + 1)).map(|age| {
            let slot = usize::try_from((self.minute - age) % MINUTES).unwrap_or_default();
            (age, self.slots[slot])
        });
        let sum: i64 = by_age.filter(alive).map(|(_, count)| i64::from(count)).sum();
        u32::try_from(sum.max(0)).unwrap_or(u32::MAX)
    }

    fn slot(&mut self, minute: u64) -> &mut i32 {
        let at = usize::try_from(minute % MINUTES).unwrap_or_default();
        &mut self.slots[at]
    }
}

const fn minute(now: Time) -> u64 {
    now.as_millis() / 1000 / MINUTE_SECS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> Time {
        Time::from_secs(minutes * MINUTE_SECS + 7)
    }

    #[test]
    fn what_is_ten_minutes_old_counts_no_longer() {
        let mut window = Window::default();
        window.add(at(3), 2);
        window.add(at(8), 5);
        assert_eq!(window.sum(at(8)), 7);
        assert_eq!(window.sum(at(12)), 7);
        assert_eq!(window.sum(at(13)), 5);
        assert_eq!(window.sum(at(18)), 0);
        window.add(at(500), 1);
        assert_eq!(window.sum(at(500)), 1);
        window.add(at(501), -4);
        assert_eq!(window.sum(at(501)), 0);
        assert_eq!(window.sum(at(510)), 0);
    }
}
