//! The month that an invoice is for.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use partyline_model::WallTime;

/// A calendar month in the account's billing zone.
///
/// A leg belongs to the month that holds its disconnect, so that a month can be
/// closed while calls are up.
#[derive(Clone, Debug)]
pub struct Period {
    first: Date,
    zone: TimeZone,
    from: WallTime,
    to: WallTime,
}

/// A year and month, as in `2026-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

/// The text is not a month like `2026-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthError;

impl fmt::Display for MonthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a month is written like 2026-11, from 1970 on")
    }
}

impl std::error::Error for MonthError {}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        if text.len() != 7 {
            return Err(MonthError);
        }
        let first: Date = format!("{text}-01").parse().map_err(|_| MonthError)?;
        // No record is older than the clocks that write them: such a year is a typing error.
        if first.year() < 1970 { Err(MonthError) } else { Ok(Self(first)) }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

/// Why a month has no period in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodError {
    /// Not an IANA time zone.
    Zone,
    /// Outside the years that time zones are known for.
    Range,
}

impl fmt::Display for PeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zone => "unknown time zone; use an IANA name such as America/Toronto",
            Self::Range => "the month is too far from the present",
        })
    }
}

impl std::error::Error for PeriodError {}

impl Period {
    /// `month` in the IANA zone `zone`.
    ///
    /// # Errors
    /// [`PeriodError`] for an unknown zone or a month out of range.
    pub fn new(month: Month, zone: &str) -> Result<Self, PeriodError> {
        let zone = TimeZone::get(zone).map_err(|_| PeriodError::Zone)?;
        let start = |date: Date| {
            let zoned = date.to_zoned(zone.clone()).map_err(|_| PeriodError::Range)?;
            Ok(WallTime::from_micros(zoned.timestamp().as_microsecond()))
        };
        let next = month.0.checked_add(1.month()).map_err(|_| PeriodError::Range)?;
        let (from, to) = (start(month.0)?, start(next)?);
        Ok(Self { first: month.0, zone, from, to })
    }

    /// Whether `at` lies in the month.
    pub fn contains(&self, at: WallTime) -> bool {
        self.from <= at && at < self.to
    }

    /// First instant of the month.
    pub fn from(&self) -> WallTime {
        self.from
    }

    /// First instant after the month.
    pub fn to(&self) -> WallTime {
        self.to
    }

    /// First day of the month.
    pub fn first_day(&self) -> Date {
        self.first
    }

    /// Last day of the month.
    pub fn last_day(&self) -> Date {
        self.first.last_of_month()
    }

    /// The zone's IANA name.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// `at` as people in the zone write it: `2026-11-21 17:14:31 EST`.
    pub fn local(&self, at: WallTime) -> String {
        match Timestamp::from_microsecond(at.as_micros()) {
            Ok(timestamp) => {
                timestamp.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
            }
            Err(_) => at.to_string(),
        }
    }

    /// The date of `at` in the zone.
    pub fn local_date(&self, at: WallTime) -> Date {
        Timestamp::from_microsecond(at.as_micros())
            .map_or(self.first, |timestamp| timestamp.to_zoned(self.zone.clone()).date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_the_accounts_own() {
        let period = Period::new("2026-02".parse().unwrap(), "America/Toronto").unwrap();
        // Ends Feb 1 00:06:30 in Toronto.
        let ends: Timestamp = "2026-02-01T05:06:30Z".parse().unwrap();
        let ends = WallTime::from_micros(ends.as_microsecond());
        assert!(period.contains(ends));
        assert_eq!(period.local(ends), "2026-02-01 00:06:30 EST");
        let january = Period::new("2026-01".parse().unwrap(), "America/Toronto").unwrap();
        assert!(!january.contains(ends));
        assert_eq!(january.to(), period.from());
    }

    #[test]
    fn refuses_what_is_no_month() {
        for text in ["2026-13", "2026", "26-01", "2026-1", "2026-011", "0000-01", "0026-11"] {
            assert_eq!(text.parse::<Month>(), Err(MonthError), "{text}");
        }
        assert_eq!(
            Period::new("2026-01".parse().unwrap(), "Mars/X").err(),
            Some(PeriodError::Zone)
        );
    }
}
