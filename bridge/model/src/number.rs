//! Telephone numbers as records and rating know them.

use std::fmt;
use std::str::FromStr;

/// An E.164 number: 1 to 15 decimal digits, no `+`, no separators.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    /// ASCII digits, left aligned; the rest is zero, so that `Ord` is prefix order.
    digits: [u8; 15],
}

/// Why a text is not an E.164 number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// No digits at all.
    Empty,
    /// More than 15 digits (E.164 §6.2.1).
    TooLong,
    /// A character other than a digit, a leading `+`, or the separators `-`, `.`, space and
    /// parentheses.
    Character,
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a telephone number needs at least one digit",
            Self::TooLong => "a telephone number has at most 15 digits (E.164)",
            Self::Character => "a telephone number holds digits only, with an optional leading +",
        })
    }
}

impl std::error::Error for NumberError {}

impl Number {
    /// The digits, 1 to 15 of them.
    pub fn as_str(&self) -> &str {
        let len = self.digits.iter().position(|&d| d == 0).unwrap_or(self.digits.len());
        std::str::from_utf8(&self.digits[..len]).unwrap_or_default()
    }

    /// Whether the number begins with `prefix` (digits).
    pub fn starts_with(&self, prefix: &str) -> bool {
        self.as_str().starts_with(prefix)
    }
}

impl FromStr for Number {
    type Err = NumberError;

    /// Reads `+1 (416) 555-0100` and `14165550100` alike.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        let text = text.trim();
        let text = text.strip_prefix('+').unwrap_or(text);
        let mut digits = [0; 15];
        let mut len = 0;
        for c in text.bytes() {
            match c {
                b'0'..=b'9' => {
                    *digits.get_mut(len).ok_or(NumberError::TooLong)? = c;
                    len += 1;
                }
                b'-' | b'.' | b' ' | b'(' | b')' => {}
                _ => return Err(NumberError::Character),
            }
        }
        if len == 0 { Err(NumberError::Empty) } else { Ok(Self { digits }) }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let number: Result<Number, _> = "+1 (416) 555-0100".parse();
        assert_eq!(number.map(|n| n.to_string()), Ok("14165550100".to_owned()));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!("".parse::<Number>(), Err(NumberError::Empty));
        assert_eq!("+".parse::<Number>(), Err(NumberError::Empty));
        assert_eq!("1234567890123456".parse::<Number>(), Err(NumberError::TooLong));
        assert_eq!("12a".parse::<Number>(), Err(NumberError::Character));
        assert_eq!("1+2".parse::<Number>(), Err(NumberError::Character));
    }
}
