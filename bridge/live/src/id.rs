//! Ids as others see them: what it is, and the record's UUID in Crockford's base 32.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Without I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 128 bits, five a character.
const CHARACTERS: usize = 26;

/// What an id names.
pub trait Kind {
    /// What the id begins with.
    const PREFIX: &'static str;
}

/// The id of a `K`.
pub struct Id<K> {
    /// The record's UUID.
    pub uuid: u128,
    kind: PhantomData<K>,
}

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdError {
    prefix: &'static str,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} and {CHARACTERS} characters of Crockford's base 32", self.prefix)
    }
}

impl std::error::Error for IdError {}

impl<K> Id<K> {
    /// The id of what a record names by this UUID.
    pub const fn new(uuid: u128) -> Self {
        Self { uuid, kind: PhantomData }
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<K> Eq for Id<K> {}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from(K::PREFIX);
        for at in (0..CHARACTERS).rev() {
            let five = (self.uuid >> (5 * at)) & 31;
            text.push(usize::try_from(five).map_or('0', |five| char::from(ALPHABET[five])));
        }
        f.pad(&text)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Small letters are read as capitals, I and L as 1, O as 0.
fn value(character: u8) -> Option<u128> {
    let character = match character.to_ascii_uppercase() {
        b'I' | b'L' => b'1',
        b'O' => b'0',
        other => other,
    };
    ALPHABET.iter().zip(0..).find(|(known, _)| **known == character).map(|(_, value)| value)
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { prefix: K::PREFIX };
        let digits = text.strip_prefix(K::PREFIX).ok_or(error)?.as_bytes();
        if digits.len() != CHARACTERS {
            return Err(error);
        }
        let mut uuid: u128 = 0;
        for &digit in digits {
            // The first of 26 has three bits of the 128.
            if uuid >> 123 != 0 {
                return Err(error);
            }
            uuid = (uuid << 5) | value(digit).ok_or(error)?;
        }
        Ok(Self::new(uuid))
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
