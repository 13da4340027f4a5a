//! Outbound numbers: what a moderator typed becomes E.164 and a class of call, or is refused.
//!
//! A plan says what a number *is*. Whether the account may call it, and at what price, is decided
//! by the account's list of prefixes and by rating; a plan can only refuse.

use std::fmt;

use partyline_model::Number;

use crate::Prompt;
use crate::matcher::Pattern;
pub use crate::matcher::PatternError;
pub use crate::parse::{PlanError, PlanErrorKind};

/// The plan for North America that the bridge ships, as TOML.
pub const NANP: &str = include_str!("../plans/nanp.toml");

/// The fewest digits of an E.164 number that is called; what is shorter is a service or a slip.
const SHORTEST: usize = 7;

/// A checked outbound plan.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) name: String,
    pub(crate) international_prefixes: Vec<String>,
    pub(crate) emergency: Vec<String>,
    pub(crate) countries: Vec<Country>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) apart: Vec<Apart>,
}

/// Ranges with prices of their own behind another country's code: who may call that country may
/// not yet call them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Whose ranges they are, for people: `Jamaica`.
    pub name: String,
    /// The beginnings of their E.164 numbers, digits only: `1658`, `1876`.
    pub prefixes: Vec<String>,
}

/// How one country writes its own numbers.
#[derive(Clone, Debug)]
pub(crate) struct Country {
    /// The E.164 country code.
    pub(crate) code: String,
    /// The length of its numbers in E.164, where it is fixed.
    pub(crate) digits: Option<usize>,
    pub(crate) national: Vec<National>,
}

/// One way to write a number within its country.
#[derive(Clone, Debug)]
pub(crate) struct National {
    pub(crate) typed: Pattern,
    /// How many of the typed digits are not part of the number: a trunk prefix.
    pub(crate) strip: usize,
    pub(crate) prepend: String,
}

/// What E.164 numbers that begin with a pattern are.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) begins: Pattern,
    pub(crate) verdict: Verdict,
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed(Class),
    Premium,
    Unassigned,
}

/// The kind of call that a number makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Without toll from where the bridge's trunks are.
    Local,
    /// Within the numbering plan, at its usual prices.
    LongDistance,
    /// Free for the caller.
    TollFree,
    /// Abroad, and islands within the numbering plan with prices of their own.
    International,
}

impl Class {
    /// The word for it in records: `local`, `long_distance`, `toll_free`, `international`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::LongDistance => "long_distance",
            Self::TollFree => "toll_free",
            Self::International => "international",
        }
    }
}

/// A number that may be called as far as the plan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The number in E.164.
    pub number: Number,
    /// What kind of call it makes.
    pub class: Class,
    /// The fewest digits of a listed prefix that opens the number: 0 for most, 4 for Jamaica behind
    /// `1876`, so that a listed `1` does not open it.
    pub named_by: usize,
}

/// Why a number is never called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Barred {
    /// An emergency or crisis number.
    Emergency,
    /// A premium, personal or satellite number.
    Premium,
    /// Not a number that anyone has: wrong length, unassigned, or not digits.
    Invalid,
    /// Written as within a country, but the plan does not have the account's country.
    UnknownCountry,
}

impl Barred {
    /// What the moderator hears.
    pub const fn prompt(self) -> Prompt {
        match self {
            Self::Emergency => Prompt::DialEmergency,
            Self::Premium => Prompt::DialBarred,
            Self::Invalid | Self::UnknownCountry => Prompt::DialInvalidNumber,
        }
    }

    /// The rule's name in records: `emergency`, `premium`, `invalid`, `unknown_country`.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Premium => "premium",
            Self::Invalid => "invalid",
            Self::UnknownCountry => "unknown_country",
        }
    }
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Emergency => "an emergency number is never called",
            Self::Premium => "a premium number is never called",
            Self::Invalid => "not a telephone number that can be called",
            Self::UnknownCountry => "the dial plan does not have the account's country",
        })
    }
}

impl std::error::Error for Barred {}

impl Plan {
    /// Reads and checks a plan.
    ///
    /// # Errors
    /// [`PlanError`] with line and column.
    pub fn parse(toml: &str) -> Result<Self, PlanError> {
        crate::parse::plan(toml)
    }

    /// The plan for North America that the bridge ships.
    pub fn nanp() -> Self {
        Self::parse(NANP).expect("the shipped plan is parsed by a test")
    }

    /// The name that the plan gives itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the plan knows how the country with this E.164 code writes its numbers.
    pub fn has_country(&self, code: &str) -> bool {
        self.countries.iter().any(|country| country.code == code)
    }

    /// Turns `typed` into a number and its class; `country` is the E.164 code of the account's
    /// country, such as `1`.
    ///
    /// `typed` is digits, with an optional leading `+` and the separators of [`Number`].
    ///
    /// # Errors
    /// [`Barred`] when the number is never to be called.
    pub fn classify(&self, typed: &str, country: &str) -> Result<Outbound, Barred> {
        let typed: String =
            typed.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        if self.is_emergency(&typed) {
            return Err(Barred::Emergency);
        }
        let digits = self.normalise(&typed, country)?;
        if self.is_emergency(&digits) {
            return Err(Barred::Emergency);
        }
        let number = self.well_formed(&digits)?;
        match self.verdict(&digits) {
            Verdict::Allowed(class) => {
                Ok(Outbound { number, class, named_by: self.named_by(&digits) })
            }
            Verdict::Premium => Err(Barred::Premium),
            Verdict::Unassigned => Err(Barred::Invalid),
        }
    }

    /// How long the longest range of [`Apart`] is that the number lies in.
    fn named_by(&self, digits: &str) -> usize {
        let prefixes = self.apart.iter().flat_map(|apart| &apart.prefixes);
        prefixes.filter(|prefix| digits.starts_with(*prefix)).map(String::len).max().unwrap_or(0)
    }

    /// The ranges that `listed` prefixes seem to cover and do not open: each with what is closed of
    /// it.
    pub fn left_closed(&self, listed: &[String]) -> Vec<Apart> {
        let opens = |range: &str| listed.iter().any(|prefix| range.starts_with(prefix.as_str()));
        let is_named = |range: &String| {
            let named = |prefix: &&String| prefix.len() >= range.len();
            listed.iter().filter(named).any(|prefix| prefix.starts_with(range.as_str()))
        };
        let closed = self.apart.iter().map(|apart| Apart {
            name: apart.name.clone(),
            prefixes: apart
                .prefixes
                .iter()
                .filter(|range| opens(range) && !is_named(range))
                .cloned()
                .collect(),
        });
        closed.filter(|apart| !apart.prefixes.is_empty()).collect()
    }

    /// Whether `digits` are those of an emergency or crisis number.
    pub fn is_emergency(&self, digits: &str) -> bool {
        self.emergency.iter().any(|number| number == digits)
    }

    /// The E.164 digits of `typed`. A country's own way of writing goes first: Leeds in the United
    /// Kingdom begins with 011 too.
    fn normalise(&self, typed: &str, country: &str) -> Result<String, Barred> {
        let home = self.countries.iter().find(|known| known.code == country);
        let national = home.map_or(&[][..], |home| &home.national);
        if let Some(way) = national.iter().find(|way| way.typed.covers(typed)) {
            let (_, own) = typed.split_at_checked(way.strip).ok_or(Barred::Invalid)?;
            return Ok(format!("{}{own}", way.prepend));
        }
        let mut prefixes = self.international_prefixes.iter();
        match prefixes.find_map(|prefix| typed.strip_prefix(prefix.as_str())) {
            Some(digits) => Ok(digits.to_owned()),
            None if home.is_none() => Err(Barred::UnknownCountry),
            None => Err(Barred::Invalid),
        }
    }

    fn well_formed(&self, digits: &str) -> Result<Number, Barred> {
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        if !plain || digits.len() < SHORTEST {
            return Err(Barred::Invalid);
        }
        let country = self.countries.iter().find(|known| digits.starts_with(&known.code));
        if country.and_then(|known| known.digits).is_some_and(|length| length != digits.len()) {
            return Err(Barred::Invalid);
        }
        digits.parse().map_err(|_| Barred::Invalid)
    }

    fn verdict(&self, digits: &str) -> Verdict {
        let fitting = self.rules.iter().filter(|rule| rule.begins.begins(digits));
        let best = fitting.max_by_key(|rule| rule.begins.rank());
        best.map_or(Verdict::Unassigned, |rule| rule.verdict)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is typed, the account's country, what comes out; one line each, tabs between.
    const GOLDEN: &str = include_str!("../golden/nanp.tsv");

    #[test]
    fn the_shipped_plan_answers_as_the_golden_table_says() {
        let plan = Plan::nanp();
        let mut lines = 0;
        for line in GOLDEN.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let [typed, country, wanted] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{line:?} does not have three columns");
            };
            let found = match plan.classify(typed, country) {
                Ok(Outbound { number, class, named_by: 0 }) => format!("{number} {}", class.name()),
                Ok(Outbound { number, class, named_by }) => {
                    format!("{number} {} named by {}", class.name(), &number.as_str()[..named_by])
                }
                Err(barred) => format!("barred {}", barred.rule()),
            };
            assert_eq!(found, wanted, "{typed} in country {country}");
            lines += 1;
        }
        assert!(lines >= 60, "only {lines} lines");
    }

    #[test]
    fn every_emergency_number_is_refused_as_typed_and_behind_every_prefix() {
        let plan = Plan::nanp();
        for number in &plan.emergency {
            assert_eq!(plan.classify(number, "1"), Err(Barred::Emergency), "{number}");
            for prefix in &plan.international_prefixes {
                let typed = format!("{prefix}{number}");
                assert_eq!(plan.classify(&typed, "1"), Err(Barred::Emergency), "{typed}");
            }
        }
    }

    #[test]
    fn every_barred_range_stays_barred_however_it_is_written() {
        let plan = Plan::nanp();
        let barred: Vec<&Rule> =
            plan.rules.iter().filter(|rule| !matches!(rule.verdict, Verdict::Allowed(_))).collect();
        assert!(barred.len() > 100);
        for rule in barred {
            let number = example(&rule.begins);
            for prefix in ["+", "00", "011"] {
                let result = plan.classify(&format!("{prefix}{number}"), "1");
                assert!(result.is_err(), "{prefix}{number} gives {result:?}");
            }
            if let Some(ten) = number.strip_prefix('1') {
                assert!(plan.classify(&number, "1").is_err(), "{number}");
                assert!(plan.classify(ten, "1").is_err(), "{ten}");
            }
        }
    }

    #[test]
    fn another_country_strips_its_trunk_prefix() {
        let plan = Plan::parse(
            r#"
            name = "two countries"
            international_prefixes = ["00", "011", "+"]
            emergency = ["999"]
            refuse = { premium = ["449"], unassigned = [] }
            [[country]]
            code = "44"
            national = [{ typed = "0ZXXXXXXXXX", strip = 1, prepend = "44" }]
            [class]
            local = ["4420"]
            long_distance = ["44"]
            toll_free = ["44800"]
            international = ["Z"]
            [[apart]]
            name = "Jersey"
            prefixes = ["441534"]
            "#,
        )
        .unwrap();
        let found = |typed| plan.classify(typed, "44").map(|o| (o.number.to_string(), o.class));
        assert_eq!(found("020 7946 0000"), Ok(("442079460000".to_owned(), Class::Local)));
        assert_eq!(found("0113 496 0000"), Ok(("441134960000".to_owned(), Class::LongDistance)));
        assert_eq!(found("0900 123 4567"), Err(Barred::Premium));
        assert_eq!(found("001 416 555 0100"), Ok(("14165550100".to_owned(), Class::International)));
        assert_eq!(plan.classify("01534 496000", "44").map(|found| found.named_by), Ok(6));
        assert_eq!(plan.classify("4165550100", "1"), Err(Barred::UnknownCountry));
        assert!(plan.has_country("44") && !plan.has_country("1"));
    }

    #[test]
    fn no_range_abroad_is_opened_by_the_code_it_hides_behind() {
        let plan = Plan::nanp();
        let abroad = plan.rules.iter().filter(|rule| {
            let rank = rule.begins.rank();
            rule.verdict == Verdict::Allowed(Class::International) && rank == (rank.0, rank.0)
        });
        let mut ranges = 0;
        for rule in abroad {
            let range = rule.begins.lowest();
            assert_eq!(plan.named_by(&example(&rule.begins)), range.len(), "{range} must be named");
            ranges += 1;
        }
        assert!(ranges >= 20, "only {ranges} ranges");
    }

    #[test]
    fn a_listed_code_says_what_it_leaves_closed() {
        let plan = Plan::nanp();
        let closed = |listed: &[&str]| {
            let listed: Vec<String> = listed.iter().map(|&prefix| prefix.to_owned()).collect();
            plan.left_closed(&listed)
        };
        let of = |closed: &[Apart], name: &str| {
            closed.iter().find(|apart| apart.name == name).map(|apart| apart.prefixes.clone())
        };
        let jamaica = |found: Option<Vec<String>>| found.unwrap_or_default().join(" ");
        assert_eq!(jamaica(of(&closed(&["1"]), "Jamaica")), "1658 1876");
        assert_eq!(jamaica(of(&closed(&["1", "1876"]), "Jamaica")), "1658");
        assert_eq!(jamaica(of(&closed(&["1", "187"]), "Jamaica")), "1658 1876");
        assert_eq!(of(&closed(&["1", "1658", "1876"]), "Jamaica"), None);
        assert!(closed(&["1416", "1876", "354"]).is_empty());
        assert!(
            of(&closed(&["44"]), "Jersey").is_some() && of(&closed(&["44"]), "Jamaica").is_none()
        );
    }

    #[test]
    fn each_refusal_has_its_prompt() {
        assert_eq!(Barred::Emergency.prompt(), Prompt::DialEmergency);
        assert_eq!(Barred::Premium.prompt(), Prompt::DialBarred);
        assert_eq!(Barred::Invalid.prompt(), Prompt::DialInvalidNumber);
    }

    proptest! {
        #[test]
        fn any_text_is_classified_or_barred(typed in "\\PC{0,24}", country in "[0-9]{0,3}") {
            let plan = Plan::nanp();
            if let Ok(found) = plan.classify(&typed, &country) {
                // The E.164 form of what came out means the same again.
                let again = plan.classify(&format!("+{}", found.number), &country);
                prop_assert_eq!(again, Ok(found));
            }
        }

        #[test]
        fn ten_and_eleven_digits_mean_the_same(number in "[2-9][0-8][0-9][2-9][0-9]{6}") {
            let plan = Plan::nanp();
            let ten = plan.classify(&number, "1");
            prop_assert_eq!(ten, plan.classify(&format!("1{number}"), "1"));
            prop_assert_eq!(ten, plan.classify(&format!("011 1 {number}"), "1"));
        }
    }

    /// A number of full length that begins with `pattern`.
    fn example(pattern: &Pattern) -> String {
        let mut digits = pattern.lowest();
        let length = if digits.starts_with('1') { 11 } else { 12 };
        while digits.len() < length {
            digits.push('2');
        }
        digits
    }
}
