//! One key of a telephone.

/// One of the sixteen DTMF keys (ITU-T Q.23).
///
/// The type has neither `Debug` nor `Display`: a digit may be part of a secret, and what cannot be
/// formatted cannot be logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digit(u8);

/// The character, event code or name stands for no DTMF key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADigit;

const CHARS: &[u8; 16] = b"0123456789*#ABCD";

impl Digit {
    /// The star key.
    pub const STAR: Self = Self(10);
    /// The pound (hash) key.
    pub const POUND: Self = Self(11);

    /// The key with this RFC 4733 §3.2 event code: 0-9, 10 star, 11 pound, 12-15 A-D.
    ///
    /// # Errors
    /// [`NotADigit`] for any event code above 15.
    pub const fn from_event(code: u8) -> Result<Self, NotADigit> {
        if code < 16 { Ok(Self(code)) } else { Err(NotADigit) }
    }

    /// The key printed as `c`; letters in either case.
    ///
    /// # Errors
    /// [`NotADigit`] for any other character.
    pub fn from_char(c: char) -> Result<Self, NotADigit> {
        let c = c.to_ascii_uppercase();
        let at = CHARS.iter().position(|&k| char::from(k) == c).ok_or(NotADigit)?;
        u8::try_from(at).map(Self).map_err(|_| NotADigit)
    }

    /// The RFC 4733 §3.2 event code, 0 to 15.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// The character on the key: `0`-`9`, `*`, `#`, `A`-`D`.
    ///
    /// Callers answer for where it goes: it must not reach a log, a record or a trace before it is
    /// known not to be part of a secret.
    pub const fn to_char(self) -> char {
        CHARS[self.0 as usize] as char
    }

    /// 0 to 9 for a decimal key, `None` for star, pound and letters.
    pub const fn decimal(self) -> Option<u8> {
        if self.0 < 10 { Some(self.0) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_codes_and_characters_agree() {
        for (code, c) in (0u8..).zip("0123456789*#ABCD".chars()) {
            let digit = Digit::from_event(code).unwrap_or(Digit::STAR);
            assert!(digit.event() == code && digit.to_char() == c);
            assert!(Digit::from_char(c.to_ascii_lowercase()) == Ok(digit));
        }
        assert!(Digit::from_event(16).is_err() && Digit::from_char('x').is_err());
    }
}
