//! Values as people write them, and what each may be.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use partyline_model::WallTime;

/// What is expected in the place of what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueError(&'static str);

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ValueError {}

/// Reads `yes` or `no`.
///
/// # Errors
/// It is neither.
pub fn yes_no(text: &str) -> Result<bool, ValueError> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(ValueError("expected yes or no")),
    }
}

/// Reads the name of a time zone.
///
/// # Errors
/// There is no such zone.
pub fn time_zone(text: &str) -> Result<String, ValueError> {
    match TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(ValueError("unknown time zone; use an IANA name such as America/Toronto")),
    }
}

/// Reads the code of a currency.
///
/// # Errors
/// There is no such currency.
pub fn currency(text: &str) -> Result<String, ValueError> {
    match partyline_billing::currency(text) {
        Some(currency) => Ok(currency.code().to_owned()),
        None => Err(ValueError("unknown currency; use an ISO 4217 code such as USD")),
    }
}

/// Reads the code of a country in telephone numbers.
///
/// # Errors
/// It is not one to three digits.
pub fn country_code(text: &str) -> Result<String, ValueError> {
    let fits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(ValueError("expected 1 to 3 digits such as 1 or 44"))
    }
}

/// Reads the beginnings of numbers, with commas or blanks between them.
///
/// # Errors
/// One is no beginning of a number with its country code.
pub fn prefixes(text: &str) -> Result<Vec<String>, ValueError> {
    let prefixes: Vec<String> = text
        .split([',', ' '])
        .map(|prefix| prefix.trim_start_matches('+'))
        .filter(|prefix| !prefix.is_empty())
        .map(str::to_owned)
        .collect();
    check_prefixes(&prefixes)?;
    Ok(prefixes)
}

pub(crate) fn check_prefixes(prefixes: &[String]) -> Result<(), ValueError> {
    if prefixes.iter().any(|prefix| prefix.starts_with('0')) {
        return Err(ValueError(
            "a number begins with its country code, never with 0, 00 or 011: write 44",
        ));
    }
    let digits = |p: &String| (1..=15).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit());
    if prefixes.iter().all(digits) {
        Ok(())
    } else {
        Err(ValueError("expected beginnings of numbers of up to 15 digits, separated by commas"))
    }
}

/// Reads what the user part of a SIP URI may be, short of escapes (RFC 3261 §25.1).
///
/// # Errors
/// It has other characters, or none.
pub fn alias(text: &str) -> Result<String, ValueError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/".contains(c);
    if !text.is_empty() && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(ValueError(
            "an alias is the user part of a SIP URI: letters, digits and -_.!~*'()&=+$,;?/",
        ))
    }
}

/// A name that is none, or that a terminal would obey and a table would break at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing to be read.
    #[error("{0} needs a name")]
    Missing(&'static str),
    /// It holds control characters.
    #[error("{0} cannot be called {1:?}: leave line breaks and control characters out")]
    Unprintable(&'static str, String),
}

/// Refuses a name that is none, or that a terminal would obey; `what` begins the sentence.
///
/// # Errors
/// What is wrong with it.
pub fn printable(what: &'static str, name: &str) -> Result<(), NameError> {
    if name.trim().is_empty() {
        return Err(NameError::Missing(what));
    }
    if name.chars().any(char::is_control) {
        return Err(NameError::Unprintable(what, name.to_owned()));
    }
    Ok(())
}

/// `at` as people read it: `2026-11-21 22:14:31 UTC`.
pub fn utc(at: WallTime) -> String {
    match Timestamp::from_microsecond(at.as_micros()) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prefix_begins_with_what_is_typed_before_a_country_code() {
        for text in ["0", "011", "0044", "1416,011"] {
            assert!(prefixes(text).is_err(), "{text}");
        }
        assert_eq!(prefixes("+44, 1416").unwrap(), ["44", "1416"]);
        assert!(prefixes("").unwrap().is_empty());
    }

    #[test]
    fn a_name_is_one_line_that_can_be_read() {
        assert_eq!(printable("an account", "Söhne & Co"), Ok(()));
        assert_eq!(
            printable("an account", " ").unwrap_err().to_string(),
            "an account needs a name"
        );
        let said = printable("an account", "a\u{1b}b").unwrap_err().to_string();
        assert!(said.contains("leave line breaks and control characters out"), "{said}");
    }

    #[test]
    fn a_moment_is_said_in_utc() {
        let at = WallTime::from_micros(1_795_269_600_000_000);
        assert_eq!(utc(at), "2026-11-21 14:00:00 UTC");
    }
}
