//! Reads an outbound plan from TOML and checks it; every complaint has line and column.
//!
//! What the plan then means is in [`crate::plan`].

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use crate::matcher::{Pattern, PatternError};
use crate::plan::{Apart, Class, Country, National, Plan, Rule, Verdict};

/// Why a text is not a usable outbound plan, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub kind: PlanErrorKind,
}

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanErrorKind {
    /// Not TOML, or not the keys and types of a plan; in the words of the TOML reader.
    Toml(Box<str>),
    /// A pattern that cannot be read.
    Pattern(PatternError),
    /// A country code, prefix or emergency number that is not digits.
    NotDigits,
    /// No emergency numbers: a plan that would call one is refused.
    NoEmergency,
    /// A country that is described twice.
    CountryTwice,
    /// More digits to strip than the pattern has.
    StripsAll,
    /// Some number fits this entry and another one equally well, and they disagree.
    Conflict {
        /// The line of the other entry.
        with_line: usize,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.kind)
    }
}

impl fmt::Display for PlanErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Toml(message) => f.write_str(message),
            Self::Pattern(error) => error.fmt(f),
            Self::NotDigits => f.write_str("digits are needed here"),
            Self::NoEmergency => f.write_str("the emergency numbers must be listed"),
            Self::CountryTwice => f.write_str("this country is described twice"),
            Self::StripsAll => f.write_str("strips as many digits as are typed, or more"),
            Self::Conflict { with_line } => {
                write!(f, "some numbers fit this and the entry on line {with_line} equally well")
            }
        }
    }
}

impl std::error::Error for PlanError {}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlan {
    name: String,
    international_prefixes: Vec<Spanned<String>>,
    emergency: Spanned<Vec<Spanned<String>>>,
    country: Vec<RawCountry>,
    refuse: RawRefusals,
    class: RawClasses,
    #[serde(default)]
    apart: Vec<RawApart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApart {
    name: String,
    prefixes: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRefusals {
    premium: Vec<Spanned<String>>,
    unassigned: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCountry {
    code: Spanned<String>,
    digits: Option<usize>,
    national: Vec<RawNational>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNational {
    typed: Spanned<String>,
    #[serde(default)]
    strip: usize,
    prepend: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClasses {
    local: Vec<Spanned<String>>,
    long_distance: Vec<Spanned<String>>,
    toll_free: Vec<Spanned<String>>,
    international: Vec<Spanned<String>>,
}

/// Reads and checks a plan.
pub(crate) fn plan(text: &str) -> Result<Plan, PlanError> {
    let raw: RawPlan = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        Source { text }.error(&span, PlanErrorKind::Toml(error.message().into()))
    })?;
    let source = Source { text };
    let (emergency_at, emergency) = (raw.emergency.span(), raw.emergency.into_inner());
    if emergency.is_empty() {
        return Err(source.error(&emergency_at, PlanErrorKind::NoEmergency));
    }
    let rules = [
        (raw.refuse.premium, Verdict::Premium),
        (raw.refuse.unassigned, Verdict::Unassigned),
        (raw.class.local, Verdict::Allowed(Class::Local)),
        (raw.class.long_distance, Verdict::Allowed(Class::LongDistance)),
        (raw.class.toll_free, Verdict::Allowed(Class::TollFree)),
        (raw.class.international, Verdict::Allowed(Class::International)),
    ];
    Ok(Plan {
        name: raw.name,
        international_prefixes: raw
            .international_prefixes
            .into_iter()
            .map(|prefix| source.prefix(prefix))
            .collect::<Result<_, _>>()?,
        emergency: emergency.into_iter().map(|n| source.digits(n)).collect::<Result<_, _>>()?,
        countries: countries(&source, raw.country)?,
        rules: checked_rules(&source, rules)?,
        apart: raw.apart.into_iter().map(|apart| source.apart(apart)).collect::<Result<_, _>>()?,
    })
}

fn countries(source: &Source<'_>, raw: Vec<RawCountry>) -> Result<Vec<Country>, PlanError> {
    let mut countries: Vec<Country> = Vec::new();
    for RawCountry { code, digits, national } in raw {
        let at = code.span();
        let code = source.digits(code)?;
        if countries.iter().any(|known| known.code == code) {
            return Err(source.error(&at, PlanErrorKind::CountryTwice));
        }
        let national =
            national.into_iter().map(|way| source.national(way)).collect::<Result<_, _>>()?;
        countries.push(Country { code, digits, national });
    }
    Ok(countries)
}

/// Reads all patterns and refuses two that disagree about some number without one winning.
fn checked_rules(
    source: &Source<'_>,
    raw: [(Vec<Spanned<String>>, Verdict); 6],
) -> Result<Vec<Rule>, PlanError> {
    let mut rules: Vec<(Rule, Range<usize>)> = Vec::new();
    for (patterns, verdict) in raw {
        for pattern in patterns {
            let begins = source.pattern(&pattern)?;
            let rival = rules
                .iter()
                .find(|(rule, _)| rule.verdict != verdict && rule.begins.rivals(&begins));
            if let Some((_, at)) = rival {
                let (with_line, _) = source.position(at.start);
                return Err(source.error(&pattern.span(), PlanErrorKind::Conflict { with_line }));
            }
            rules.push((Rule { begins, verdict }, pattern.span()));
        }
    }
    Ok(rules.into_iter().map(|(rule, _)| rule).collect())
}

/// Line and column of a byte of `text`, both counted from 1.
pub(crate) fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The text, to turn places in it into lines and columns.
struct Source<'a> {
    text: &'a str,
}

impl Source<'_> {
    fn error(&self, at: &Range<usize>, kind: PlanErrorKind) -> PlanError {
        let (line, column) = self.position(at.start);
        PlanError { line, column, kind }
    }

    fn position(&self, byte: usize) -> (usize, usize) {
        position(self.text, byte)
    }

    fn pattern(&self, text: &Spanned<String>) -> Result<Pattern, PlanError> {
        Pattern::parse(text.get_ref())
            .map_err(|error| self.error(&text.span(), PlanErrorKind::Pattern(error)))
    }

    fn digits(&self, text: Spanned<String>) -> Result<String, PlanError> {
        let plain = text.get_ref().bytes().all(|b| b.is_ascii_digit());
        if !plain || text.get_ref().is_empty() {
            return Err(self.error(&text.span(), PlanErrorKind::NotDigits));
        }
        Ok(text.into_inner())
    }

    /// An international prefix: digits or `+`.
    fn prefix(&self, text: Spanned<String>) -> Result<String, PlanError> {
        if text.get_ref() == "+" { Ok(text.into_inner()) } else { self.digits(text) }
    }

    fn apart(&self, raw: RawApart) -> Result<Apart, PlanError> {
        let prefixes = raw.prefixes.into_iter().map(|prefix| self.digits(prefix));
        Ok(Apart { name: raw.name, prefixes: prefixes.collect::<Result<_, _>>()? })
    }

    fn national(&self, raw: RawNational) -> Result<National, PlanError> {
        let typed = self.pattern(&raw.typed)?;
        if raw.strip >= typed.rank().0 {
            return Err(self.error(&raw.typed.span(), PlanErrorKind::StripsAll));
        }
        let prepend = match raw.prepend.get_ref().as_str() {
            "" => String::new(),
            _ => self.digits(raw.prepend)?,
        };
        Ok(National { typed, strip: raw.strip, prepend })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"name = "small"
international_prefixes = ["00"]
emergency = ["112"]
[[country]]
code = "1"
national = [{ typed = "NXXXXXXXXX", prepend = "1" }]
[refuse]
premium = ["1900"]
unassigned = []
[class]
local = []
long_distance = ["1"]
toll_free = []
international = ["Z"]
"#;

    #[test]
    fn a_good_plan_is_read() {
        assert_eq!(plan(GOOD).unwrap().name, "small");
        assert_eq!(plan(crate::plan::NANP).unwrap().name, "nanp");
    }

    #[test]
    fn complaints_have_line_and_column() {
        for (good, bad, complaint) in [
            (
                "[\"1900\"]",
                "[\"1900\", \"19a\"]",
                "line 8, column 20: 'a' means nothing in a pattern: use 0-9, X, Z, N or [a-b]",
            ),
            ("[\"112\"]", "[]", "line 3, column 13: the emergency numbers must be listed"),
            ("[\"112\"]", "[\"1-1\"]", "line 3, column 14: digits are needed here"),
            ("[\"00\"]", "[\"\"]", "line 2, column 27: digits are needed here"),
            ("code = \"1\"", "code = \"+1\"", "line 5, column 8: digits are needed here"),
            (
                "prepend = \"1\"",
                "prepend = \"1\", strip = 10",
                "line 6, column 23: strips as many digits as are typed, or more",
            ),
            (
                "[\"Z\"]",
                "[\"Z\", \"1900\"]",
                "line 14, column 23: some numbers fit this and the entry on line 8 equally well",
            ),
            (
                "[class]",
                "[[country]]\ncode = \"1\"\nnational = []\n[class]",
                "line 11, column 8: this country is described twice",
            ),
        ] {
            let text = GOOD.replacen(good, bad, 1);
            assert_ne!(text, GOOD);
            assert_eq!(plan(&text).unwrap_err().to_string(), complaint);
        }
    }

    #[test]
    fn what_toml_cannot_read_has_line_and_column_too() {
        let unknown = plan(&GOOD.replace("premium", "premuim")).unwrap_err();
        assert_eq!((unknown.line, unknown.column), (8, 1));
        assert!(unknown.to_string().contains("premuim"), "{unknown}");
        let broken = plan(&GOOD.replace("[\"Z\"]", "[\"Z\"")).unwrap_err();
        assert!(broken.line >= 13, "{broken}");
        let mistyped = plan(&GOOD.replace("[\"112\"]", "[112]")).unwrap_err();
        assert_eq!((mistyped.line, mistyped.column), (3, 14), "{mistyped}");
    }

    #[test]
    fn columns_count_characters() {
        let text = GOOD.replace("[\"112\"]", "[\"é\", \"é\"]");
        let error = plan(&text).unwrap_err();
        assert_eq!((error.line, error.column), (3, 14));
        let text = GOOD.replace("\"small\"", "\"é\" x");
        assert_eq!(plan(&text).unwrap_err().column, 12);
    }

    proptest! {
        #[test]
        fn any_text_is_a_plan_or_an_error(at in 0..GOOD.len(), with in "\\PC{0,4}") {
            let mut text = GOOD.to_owned();
            text.replace_range(at..=at, &with);
            if let Err(error) = plan(&text) {
                prop_assert!(error.line >= 1 && error.line <= GOOD.lines().count() + 1);
            }
        }
    }
}
