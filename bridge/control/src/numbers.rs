//! Telephone numbers as a trunk writes them, and where it says whom a call is for.
//!
//! What a text means depends on who wrote it: `0113 496 0000` is a number in Leeds, and from
//! elsewhere the way to dial Belgium from the United States. So a text has several readings, the
//! likeliest first; for a called number the directory says which of them is one of ours.

use std::fmt;
use std::str::FromStr;

use partyline_model::Number;
use partyline_sip::CalledPlace;

/// The longest text that is read as a number: fifteen digits, a prefix and separators.
const MOST_OCTETS: usize = 64;

/// How a trunk writes numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Where calls say whom they are for: the first place that has a number of ours counts.
    pub called_from: Vec<CalledPlace>,
    /// The country whose national form its numbers may have.
    pub country: Option<CountryCode>,
    /// What stands before a national number; `None` for what is usual in the country.
    pub national_prefix: Option<String>,
    /// What stands before a number of another country; none for what is usual in the country.
    pub international: Vec<String>,
    /// What the trunk puts before called numbers, and is no part of them.
    pub prefix_in: String,
    /// How numbers are written to it.
    pub format: NumberFormat,
    /// What stands before called numbers then: digits, `*` and `#`.
    pub prefix_out: String,
    /// Whether `;user=phone` says that the users of our URIs are numbers (RFC 3261 §19.1.1).
    pub user_phone: bool,
}

/// How numbers are written to a trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NumberFormat {
    /// `+14165550100`, a global number (RFC 3966 §5.1.4).
    #[default]
    Plus,
    /// `14165550100`.
    Plain,
    /// As they are dialled in the trunk's country: `0301234`, and `0014165550100` for others.
    National,
    /// `0014165550100` for all: this stands before the country's code.
    Prefixed(Box<str>),
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            called_from: vec![CalledPlace::RequestUri],
            country: None,
            national_prefix: None,
            international: Vec::new(),
            prefix_in: String::new(),
            format: NumberFormat::Plus,
            prefix_out: String::new(),
            user_phone: false,
        }
    }
}

impl Numbers {
    /// What the called number in `text` may be, in E.164, likeliest first.
    pub fn called(&self, text: &str) -> Vec<Number> {
        let Some(text) = bare(text) else { return Vec::new() };
        let inner = text.strip_prefix(self.prefix_in.as_str());
        let inner = inner.filter(|_| !self.prefix_in.is_empty());
        let readings = inner.into_iter().chain([text.as_str()]);
        readings.flat_map(|text| self.readings(text)).collect()
    }

    /// The caller's number in `text`, in E.164.
    pub fn caller(&self, text: &str) -> Option<Number> {
        self.readings(&bare(text)?).into_iter().next()
    }

    /// A number as the trunk wants it written.
    pub fn write(&self, number: Number) -> String {
        match &self.format {
            NumberFormat::Plus => format!("+{number}"),
            NumberFormat::Plain => number.to_string(),
            NumberFormat::Prefixed(prefix) => format!("{prefix}{number}"),
            NumberFormat::National => {
                let code = self.country.as_ref().map(CountryCode::as_str);
                match code.and_then(|code| number.as_str().strip_prefix(code)) {
                    Some(own) => format!("{}{own}", self.national_prefix()),
                    None => format!("{}{number}", self.international().next().unwrap_or_default()),
                }
            }
        }
    }

    /// A number as the trunk wants it dialled.
    pub(crate) fn dialled(&self, number: Number) -> String {
        format!("{}{}", self.prefix_out, self.write(number))
    }

    /// The URI of a number that is written so, at `home`. A pound sign may not stand in a user part
    /// as it is.
    pub(crate) fn uri(&self, user: &str, home: &str) -> String {
        let phone = if self.user_phone { ";user=phone" } else { "" };
        format!("sip:{}@{home}{phone}", user.replace('#', "%23"))
    }

    /// Whether `user`, of a URI that a call of ours was sent to, is `number` in any form.
    pub(crate) fn is_dialled(&self, user: &str, number: Number) -> bool {
        let user = user.strip_prefix(self.prefix_out.as_str()).unwrap_or(user);
        bare(user).is_some_and(|text| self.readings(&text).contains(&number))
    }

    /// `text` has no separators.
    fn readings(&self, text: &str) -> Vec<Number> {
        let country = self.country.as_ref().map(CountryCode::as_str);
        let within = |digits: &str| country.map(|code| format!("{code}{digits}"));
        let within = |digits: &str| within(digits).filter(|_| !digits.is_empty());
        let national = self.national_prefix();
        if let Some(global) = text.strip_prefix('+') {
            // +44 (0) 20: no national number begins with the zero that stands before them.
            let doubled =
                country.and_then(|code| global.strip_prefix(code)?.strip_prefix(national));
            let doubled = doubled.filter(|_| national.starts_with('0')).and_then(within);
            return numbers([doubled, Some(global.to_owned())]);
        }
        let abroad = self.international().filter_map(|prefix| text.strip_prefix(prefix));
        let abroad = abroad.min_by_key(|rest| rest.len()).map(str::to_owned);
        let home = text.strip_prefix(national).filter(|_| !national.is_empty()).and_then(within);
        let (whole, short) = (Some(text.to_owned()), within(text));
        let alone = if self.is_national(text) { [short, whole] } else { [whole, short] };
        numbers([abroad, home].into_iter().chain(alone))
    }

    /// Whether digits without any prefix are rather a number of the country than one with its code.
    fn is_national(&self, digits: &str) -> bool {
        self.country.as_ref().is_some_and(|country| match country.as_str() {
            CountryCode::NORTH_AMERICA => digits.len() == 10,
            code => self.national_prefix().is_empty() && !digits.starts_with(code),
        })
    }

    /// What stands before a national number.
    fn national_prefix(&self) -> &str {
        let usual = || self.country.as_ref().map_or("", CountryCode::national_prefix);
        self.national_prefix.as_deref().unwrap_or_else(usual)
    }

    /// What stands before a number of another country.
    fn international(&self) -> impl Iterator<Item = &str> {
        let usual: &[&str] = match &self.country {
            _ if !self.international.is_empty() => &[],
            Some(country) => country.international(),
            None => &["00", "011"],
        };
        self.international.iter().map(String::as_str).chain(usual.iter().copied())
    }
}

/// `text` without visual separators (RFC 3966 §5.1.1); `None` when it is too long for a number.
fn bare(text: &str) -> Option<String> {
    let separates = |c: &char| matches!(c, '-' | '.' | '(' | ')' | ' ');
    (text.len() <= MOST_OCTETS).then(|| text.chars().filter(|c| !separates(c)).collect())
}

/// Those of `texts` that are numbers: digits alone, since [`Number`] would take a plus or a separator.
fn numbers(texts: impl IntoIterator<Item = Option<String>>) -> Vec<Number> {
    let digits =
        texts.into_iter().flatten().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    digits.filter_map(|text| text.parse().ok()).collect()
}

/// A country code of E.164: one to three digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountryCode(Box<str>);

/// A country code is one to three digits, the first no zero, with or without a plus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountryCodeError;

impl fmt::Display for CountryCodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a country code is one to three digits, the first of them no zero")
    }
}

impl std::error::Error for CountryCodeError {}

impl CountryCode {
    /// The United States, Canada and the Caribbean: ten digits, always.
    const NORTH_AMERICA: &str = "1";

    fn as_str(&self) -> &str {
        &self.0
    }

    fn national_prefix(&self) -> &'static str {
        if self.as_str() == Self::NORTH_AMERICA { "1" } else { "0" }
    }

    fn international(&self) -> &'static [&'static str] {
        if self.as_str() == Self::NORTH_AMERICA { &["011"] } else { &["00"] }
    }
}

impl FromStr for CountryCode {
    type Err = CountryCodeError;

    fn from_str(text: &str) -> Result<Self, CountryCodeError> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let fits = (1..=3).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if fits { Ok(Self(digits.into())) } else { Err(CountryCodeError) }
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(country: &str) -> Numbers {
        Numbers { country: Some(country.parse().expect("a code")), ..Numbers::default() }
    }

    fn called(numbers: &Numbers, text: &str) -> Vec<String> {
        numbers.called(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_form_of_a_number_is_read_first_as_what_it_means() {
        let without = Numbers::default();
        let spain = Numbers { national_prefix: Some(String::new()), ..of("34") };
        let dialled_out = Numbers { international: vec!["0011".to_owned()], ..of("61") };
        let cases: [(&Numbers, &str, &[&str]); 8] = [
            (
                &of("49"),
                "4930123456",
                &["+4930123456", "4930123456", "004930123456", "030123456", "+49 (0) 30 123-456"],
            ),
            (&of("1"), "14165550100", &["4165550100", "14165550100", "1-416-555-0100"]),
            (&of("1"), "442079460000", &["011442079460000", "+442079460000", "442079460000"]),
            (&of("44"), "441134960000", &["01134960000", "+441134960000", "00441134960000"]),
            (&spain, "34912345678", &["912345678", "34912345678", "0034912345678"]),
            (&dialled_out, "14165550100", &["001114165550100"]),
            (&dialled_out, "61255501234", &["0255501234", "61255501234"]),
            (
                &without,
                "14165550100",
                &["+14165550100", "14165550100", "0014165550100", "01114165550100"],
            ),
        ];
        for (numbers, expected, forms) in cases {
            for form in forms {
                assert_eq!(
                    called(numbers, form).first().map(String::as_str),
                    Some(expected),
                    "{form}"
                );
                assert_eq!(numbers.caller(form).map(|n| n.to_string()).as_deref(), Some(expected));
            }
        }
    }

    #[test]
    fn a_text_has_every_reading_that_a_directory_may_know() {
        assert_eq!(called(&of("49"), "030123"), ["4930123", "030123", "49030123"]);
        assert_eq!(called(&of("1"), "8005550142"), ["18005550142", "8005550142"]);
        let none: [String; 0] = [];
        for text in ["", "+", "alice", "+49x", "++49", "*31#", &"1".repeat(16), &"1".repeat(65)] {
            assert_eq!(called(&of("49"), text), none, "{text}");
        }
    }

    #[test]
    fn a_prefix_before_called_numbers_is_cut_off_and_callers_have_none() {
        let numbers = Numbers { prefix_in: "9".to_owned(), ..of("1") };
        assert_eq!(
            called(&numbers, "94165550100").first().map(String::as_str),
            Some("14165550100")
        );
        assert_eq!(called(&numbers, "9+14165550100"), ["14165550100"]);
        assert_eq!(called(&numbers, "+14165550100"), ["14165550100"], "it may be missing");
        assert_eq!(numbers.caller("9055550100"), "19055550100".parse().ok());
    }

    #[test]
    fn a_number_is_written_as_the_trunk_wants_it() {
        let number: Number = "14165550100".parse().expect("a number");
        let of = |format: NumberFormat, country: &str| Numbers { format, ..of(country) };
        let abroad = NumberFormat::Prefixed("00".into());
        for (numbers, expected) in [
            (of(NumberFormat::Plus, "1"), "+14165550100"),
            (of(NumberFormat::Plain, "1"), "14165550100"),
            (of(NumberFormat::National, "1"), "14165550100"),
            (of(NumberFormat::National, "44"), "0014165550100"),
            (of(abroad.clone(), "1"), "0014165550100"),
        ] {
            assert_eq!(numbers.write(number), expected);
        }
        let german: Number = "4930123456".parse().expect("a number");
        assert_eq!(of(NumberFormat::National, "49").write(german), "030123456");
        assert_eq!(of(NumberFormat::National, "1").write(german), "0114930123456");
        let prefix = Numbers { prefix_out: "4711#".to_owned(), ..of(abroad, "49") };
        let dialled = prefix.dialled(german);
        assert_eq!(dialled, "4711#004930123456");
        assert_eq!(prefix.uri(&dialled, "h"), "sip:4711%23004930123456@h");
        for user in ["4711#004930123456", "004930123456", "+4930123456", "030123456"] {
            assert!(prefix.is_dialled(user, german), "{user}");
        }
        assert!(!prefix.is_dialled("4930123457", german));
        let phone = Numbers { user_phone: true, ..Numbers::default() };
        assert_eq!(phone.uri("+49", "h"), "sip:+49@h;user=phone");
    }

    #[test]
    fn a_country_code_is_read_with_and_without_a_plus() {
        assert_eq!("+49".parse::<CountryCode>().map(|code| code.to_string()), Ok("49".to_owned()));
        for bad in ["", "+", "0", "049", "1234", "4x"] {
            assert_eq!(bad.parse::<CountryCode>(), Err(CountryCodeError), "{bad}");
        }
    }
}
