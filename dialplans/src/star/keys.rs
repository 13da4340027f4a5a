//! The keys of a code, and those that a leg has typed so far.

use std::fmt;

use partyline_model::Digit;

/// The longest code, in keys: what a record quotes holds no more.
const LONGEST: usize = 3;

/// The keys of one code of a profile, such as `*4` or `#2`: two or three.
///
/// They are those of the profile, never a secret of a caller, and may be shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Keys {
    /// ASCII, left aligned; the rest is zero.
    keys: [u8; LONGEST],
    len: u8,
}

impl Keys {
    /// The keys in `text`; `None` unless they are two or three of `0`-`9`, `*` and `#`, the first of
    /// them `*` or `#` and the third a digit.
    pub fn parse(text: &str) -> Option<Self> {
        let typed = text.as_bytes();
        let begins = matches!(typed.first(), Some(b'*' | b'#'));
        let known = typed.iter().all(|key| matches!(key, b'0'..=b'9' | b'*' | b'#'))
            && typed.get(2).is_none_or(u8::is_ascii_digit);
        if !begins || !known || !(2..=LONGEST).contains(&typed.len()) {
            return None;
        }
        let mut keys = [0; LONGEST];
        keys.iter_mut().zip(typed).for_each(|(key, typed)| *key = *typed);
        Some(Self { keys, len: u8::try_from(typed.len()).ok()? })
    }

    /// The keys as they are printed on cards.
    pub fn as_str(&self) -> &str {
        let keys = self.keys.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(keys).unwrap_or_default()
    }

    /// Whether one of the two is the beginning of the other, or both are the same.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        self.as_str().starts_with(other.as_str()) || other.as_str().starts_with(self.as_str())
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Up to [`LONGEST`] keys of a leg.
#[derive(Clone, Copy)]
pub(super) struct Typed {
    keys: [Digit; LONGEST],
    len: usize,
}

impl Typed {
    pub(super) const EMPTY: Self = Self { keys: [Digit::STAR; LONGEST], len: 0 };

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A key beyond [`LONGEST`] is dropped: no code is that long.
    pub(super) fn push(&mut self, digit: Digit) {
        if let Some(slot) = self.keys.get_mut(self.len) {
            *slot = digit;
            self.len += 1;
        }
    }

    pub(super) fn is(&self, code: Keys) -> bool {
        code.as_str().len() == self.len && self.begins(code)
    }

    pub(super) fn begins(&self, code: Keys) -> bool {
        let code = code.as_str();
        let keys = self.keys.iter().take(self.len).map(|digit| digit.to_char());
        code.len() >= self.len && code.chars().zip(keys).all(|(want, typed)| want == typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_two_or_three_keys_and_begin_with_star_or_pound() {
        for good in ["*6", "#2", "**", "*#", "##", "*91", "#*9"] {
            assert_eq!(Keys::parse(good).map(|keys| keys.to_string()).as_deref(), Some(good));
        }
        for bad in ["", "*", "6", "66", "9*", "*A", "*911", "*9*", "##*", "* 1", "*é"] {
            assert_eq!(Keys::parse(bad), None, "{bad}");
        }
    }
}
