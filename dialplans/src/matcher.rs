//! Patterns of digits and which of several fits best.
//!
//! A pattern is a row of digit sets. It knows nothing of what a number costs or means.

use std::fmt;

/// A row of digit sets: `0`-`9` themselves, `X` any, `Z` 1-9, `N` 2-9, `[2-5]` a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// One bit for each digit that may stand at the place.
    places: Vec<u16>,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// Nothing between the quotes.
    Empty,
    /// More than 15 places: no number is that long (E.164 §6.2.1).
    TooLong,
    /// A character that has no meaning in a pattern.
    Character(char),
    /// A bracket without the form `[a-b]`, a not above b.
    Range,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a pattern needs at least one digit"),
            Self::TooLong => f.write_str("a pattern has at most 15 digits"),
            Self::Character(c) => {
                write!(f, "{c:?} means nothing in a pattern: use 0-9, X, Z, N or [a-b]")
            }
            Self::Range => f.write_str("a range is written [a-b] with two digits, a not above b"),
        }
    }
}

const LONGEST: usize = 15;
const ANY: u16 = 0x3ff;

impl Pattern {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut places = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            places.push(match c {
                'X' => ANY,
                'Z' => ANY & !1,
                'N' => ANY & !0b11,
                '[' => range(&mut rest).ok_or(PatternError::Range)?,
                c => bit(c).ok_or(PatternError::Character(c))?,
            });
        }
        match places.len() {
            0 => Err(PatternError::Empty),
            1..=LONGEST => Ok(Self { places }),
            _ => Err(PatternError::TooLong),
        }
    }

    /// Whether `digits` begins with the pattern.
    pub(crate) fn begins(&self, digits: &str) -> bool {
        digits.len() >= self.places.len() && self.fits(digits)
    }

    /// Whether the pattern covers the whole of `digits`.
    pub(crate) fn covers(&self, digits: &str) -> bool {
        digits.len() == self.places.len() && self.fits(digits)
    }

    fn fits(&self, digits: &str) -> bool {
        let mut places = self.places.iter().zip(digits.chars());
        places.all(|(place, c)| bit(c).is_some_and(|bit| place & bit != 0))
    }

    /// What decides between patterns that fit the same digits: length, then plain digits.
    pub(crate) fn rank(&self) -> (usize, usize) {
        let plain = self.places.iter().filter(|place| place.is_power_of_two()).count();
        (self.places.len(), plain)
    }

    /// The lowest digits that the pattern covers.
    #[cfg(test)]
    pub(crate) fn lowest(&self) -> String {
        self.places.iter().map(|place| place.trailing_zeros().to_string()).collect()
    }

    /// Whether some digits fit both patterns and neither ranks higher.
    pub(crate) fn rivals(&self, other: &Self) -> bool {
        let mut places = self.places.iter().zip(&other.places);
        self.rank() == other.rank() && places.all(|(a, b)| a & b != 0)
    }
}

fn bit(c: char) -> Option<u16> {
    c.to_digit(10).map(|digit| 1 << digit)
}

/// The rest of a range after its opening bracket.
fn range(rest: &mut std::str::Chars<'_>) -> Option<u16> {
    let (from, dash) = (rest.next()?.to_digit(10)?, rest.next()?);
    let (to, close) = (rest.next()?.to_digit(10)?, rest.next()?);
    let formed = dash == '-' && close == ']' && from <= to;
    formed.then(|| (from..=to).fold(0, |set, digit| set | 1 << digit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_letter_stands_for_its_digits() {
        for (text, members) in [
            ("7", "7"),
            ("X", "0123456789"),
            ("Z", "123456789"),
            ("N", "23456789"),
            ("[0-8]", "012345678"),
            ("[3-3]", "3"),
        ] {
            let pattern = Pattern::parse(text).unwrap();
            let fit: String =
                ('0'..='9').filter(|c| pattern.covers(c.encode_utf8(&mut [0; 4]))).collect();
            assert_eq!(fit, members, "{text}");
        }
    }

    #[test]
    fn a_beginning_is_not_the_whole() {
        let pattern = Pattern::parse("1NXX976").unwrap();
        assert!(pattern.begins("14169765555") && !pattern.covers("14169765555"));
        assert!(pattern.covers("1416976") && pattern.begins("1416976"));
        assert!(!pattern.begins("141697") && !pattern.begins("1116976"));
    }

    #[test]
    fn says_what_is_wrong_with_a_pattern() {
        for (text, error) in [
            ("", PatternError::Empty),
            ("1234567890123456", PatternError::TooLong),
            ("12a", PatternError::Character('a')),
            ("+1", PatternError::Character('+')),
            ("[5-2]", PatternError::Range),
            ("[25]", PatternError::Range),
            ("[2-5", PatternError::Range),
        ] {
            assert_eq!(Pattern::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn longer_then_plainer_patterns_rank_higher() {
        let rank = |text| Pattern::parse(text).unwrap().rank();
        assert!(rank("1900") > rank("1N0X") && rank("1NXXX") > rank("1900"));
        let rivals = |a, b| Pattern::parse(a).unwrap().rivals(&Pattern::parse(b).unwrap());
        assert!(rivals("1X1", "11X") && rivals("1", "1"));
        assert!(!rivals("12X", "11X") && !rivals("1", "X"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_an_error(text in "\\PC{0,20}", digits in "\\PC{0,20}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert!(!pattern.covers(&digits) || pattern.begins(&digits));
            }
        }

        #[test]
        fn plain_digits_cover_themselves_only(a in "[0-9]{1,15}", b in "[0-9]{1,15}") {
            prop_assert_eq!(Pattern::parse(&a).unwrap().covers(&b), a == b);
        }
    }
}
