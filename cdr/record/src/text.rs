//! Bounded texts: what a peer sends may be long or strange, what a record keeps may not.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// A text of at most `N` bytes of UTF-8 without control characters.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize>(Box<str>);

impl<const N: usize> Text<N> {
    /// Keeps as much of `text` as fits, cut between characters; control characters become `?`,
    /// so that no record can break a line of a log or of a CSV file.
    pub fn new(text: &str) -> Self {
        let mut kept = String::with_capacity(text.len().min(N));
        for c in text.chars() {
            let c = if c.is_control() { '?' } else { c };
            if kept.len() + c.len_utf8() > N {
                break;
            }
            kept.push(c);
        }
        Self(kept.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> From<&str> for Text<N> {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A reference number: 1 to 32 of `0-9 A-Z a-z . _ / -` and inner spaces.
///
/// A reference number groups calls on an invoice and never changes a price.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(Box<str>);

/// Why a text is not a reference number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceError {
    /// Nothing but spaces.
    Empty,
    /// More than 32 characters.
    TooLong,
    /// A character other than letters, digits, space, `.`, `_`, `/` and `-`.
    Character,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a reference number needs at least one character",
            Self::TooLong => "a reference number has at most 32 characters",
            Self::Character => "a reference number holds letters, digits, spaces and . _ / - only",
        })
    }
}

impl std::error::Error for ReferenceError {}

impl Reference {
    /// The longest reference number, in characters (all are ASCII).
    pub const MAX: usize = 32;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b" ._/-".contains(&b)) {
            return Err(ReferenceError::Character);
        }
        if text.len() > Self::MAX {
            return Err(ReferenceError::TooLong);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_holds_no_control_character() {
        assert_eq!(Text::<4>::new("aé€").as_str(), "aé");
        assert_eq!(Text::<8>::new("a\r\nb\u{7f}").as_str(), "a??b?");
    }

    #[test]
    fn a_reference_says_what_is_wrong() {
        assert_eq!(" MATTER-2025/17 b ".parse::<Reference>().unwrap().as_str(), "MATTER-2025/17 b");
        assert_eq!("  ".parse::<Reference>(), Err(ReferenceError::Empty));
        assert_eq!("a".repeat(33).parse::<Reference>(), Err(ReferenceError::TooLong));
        assert_eq!("=cmd()".parse::<Reference>(), Err(ReferenceError::Character));
    }
}
