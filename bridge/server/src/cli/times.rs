//! Times as people write and read them.

use std::time::Duration;

use anyhow::bail;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use partyline_model::WallTime;

/// `at` in `zone`: `2026-11-21 17:14:31 EST`. An unknown zone is UTC.
pub(super) fn local(at: WallTime, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    match Timestamp::from_microsecond(at.as_micros()) {
        Ok(at) => at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
        Err(_) => at.to_string(),
    }
}

/// Today's date in `zone`. An unknown zone is UTC.
pub(super) fn date(at: WallTime, zone: &str) -> Date {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let at = Timestamp::from_microsecond(at.as_micros()).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(zone).date()
}

/// Reads a moment: an instant with its offset, a date with or without a time in `zone`, or how
/// long ago (`90m`, `2h`, `7d`).
///
/// # Errors
/// What may be written.
pub(super) fn moment(text: &str, zone: &str, now: WallTime) -> anyhow::Result<WallTime> {
    let micros = |at: Timestamp| WallTime::from_micros(at.as_microsecond());
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(micros(at));
    }
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let civil = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    if let Ok(civil) = civil {
        return Ok(micros(zone.to_timestamp(civil)?));
    }
    let Some(ago) = ago(text) else {
        bail!(
            "{text:?} is no time: write 2026-11-21, 2026-11-21T17:00, 2026-11-21T22:00:00Z, or how \
             long ago: 90m, 2h, 7d"
        );
    };
    let micros = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
    Ok(WallTime::from_micros(now.as_micros().saturating_sub(micros)))
}

fn ago(text: &str) -> Option<Duration> {
    if let Some(days) = text.strip_suffix('d') {
        let days: u64 = days.trim().parse().ok()?;
        return days.checked_mul(24 * 60 * 60).map(Duration::from_secs);
    }
    text.parse::<SignedDuration>().ok()?.try_into().ok()
}

/// `h:mm:ss`, a started second counted whole as rating does.
pub(super) fn clock_time(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_micros(1_795_269_600_000_000);

    fn at(text: &str) -> String {
        local(moment(text, "America/Toronto", NOW).unwrap(), "UTC")
    }

    #[test]
    fn moments_are_read_in_the_zone_or_by_their_offset() {
        assert_eq!(at("2026-11-21"), "2026-11-21 05:00:00 UTC");
        assert_eq!(at("2026-11-21 17:30"), "2026-11-21 22:30:00 UTC");
        assert_eq!(at("2026-11-21T17:30:00Z"), "2026-11-21 17:30:00 UTC");
        assert_eq!(at("2h"), local(WallTime::from_micros(NOW.as_micros() - 7_200_000_000), "UTC"));
        assert_eq!(at("1d"), local(WallTime::from_micros(NOW.as_micros() - 86_400_000_000), "UTC"));
        for text in ["yesterday", "", "-2h", "99999999999999999d", "2026-13-01"] {
            assert!(moment(text, "UTC", NOW).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_count_started_seconds() {
        assert_eq!(clock_time(0), "0:00:00");
        assert_eq!(clock_time(1), "0:00:01");
        assert_eq!(clock_time(3_599_001), "1:00:00");
        assert_eq!(clock_time(36_000_000), "10:00:00");
    }
}
