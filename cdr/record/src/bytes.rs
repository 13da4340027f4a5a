//! How single values become bytes: variable-length integers (LEB128), texts with their length,
//! a presence byte before what may be missing.
//!
//! The layout of whole records is in [`crate::encoding`].

use partyline_model::{AccountId, ConferenceId, Number, PasscodeId, Role, Time, Uuid, WallTime};

use crate::{DecodeError, Flags, Pattern, Reference, Text};

/// What is left to decode.
pub(crate) struct Reader<'a> {
    schema: u16,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads what was written in `schema`.
    pub(crate) const fn new(schema: u16, bytes: &'a [u8]) -> Self {
        Self { schema, rest: bytes }
    }

    /// A field that was appended in `schema`; in what was written earlier, `before`.
    pub(crate) fn since<T: Field>(&mut self, schema: u16, before: T) -> Result<T, DecodeError> {
        if self.schema < schema { Ok(before) } else { T::take(self) }
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&first, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(first)
    }

    /// A reader of the next block: a length and that many bytes.
    pub(crate) fn block(&mut self) -> Result<Self, DecodeError> {
        let len = usize::try_from(u64::take(self)?).map_err(|_| DecodeError::Truncated)?;
        let schema = self.schema;
        self.bytes(len).map(|bytes| Self::new(schema, bytes))
    }

    fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.block()?.rest).map_err(|_| DecodeError::Value)
    }
}

/// Writes a block: what `fill` appends, behind its length. A block may grow in a later schema
/// without moving what follows it.
pub(crate) fn put_block(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut block = Vec::new();
    fill(&mut block);
    put_bytes(out, &block);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    bytes.len().put(out);
    out.extend_from_slice(bytes);
}

/// A value with one form in bytes.
pub(crate) trait Field: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

impl Field for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        out.push(rest.to_le_bytes()[0]);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = from.byte()?;
            let bits = Self::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(DecodeError::Value);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Value)
    }
}

macro_rules! unsigned {
    ($($ty:ty)+) => {$(
        impl Field for $ty {
            fn put(&self, out: &mut Vec<u8>) {
                u64::try_from(*self).unwrap_or(u64::MAX).put(out);
            }

            fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::try_from(u64::take(from)?).map_err(|_| DecodeError::Value)
            }
        }
    )+};
}

unsigned! { u8 u16 u32 usize }

/// Zigzag: small magnitudes of either sign are short.
impl Field for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        ((self << 1) ^ (self >> 63)).cast_unsigned().put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let coded = u64::take(from)?;
        Ok((coded >> 1).cast_signed() ^ -(coded & 1).cast_signed())
    }
}

macro_rules! signed {
    ($($ty:ty)+) => {$(
        impl Field for $ty {
            fn put(&self, out: &mut Vec<u8>) {
                i64::from(*self).put(out);
            }

            fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::try_from(i64::take(from)?).map_err(|_| DecodeError::Value)
            }
        }
    )+};
}

signed! { i16 i32 }

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Value),
        }
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if bool::take(from)? { T::take(from).map(Some) } else { Ok(None) }
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        for value in self {
            value.put(out);
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // No capacity in advance: the count is not to be trusted.
        (0..usize::take(from)?).map(|_| T::take(from)).collect()
    }
}

impl Field for Uuid {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = from.bytes(16)?.try_into().map_err(|_| DecodeError::Truncated)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

macro_rules! wrapped {
    ($($ty:ty { $put:expr, $take:expr })+) => {$(
        impl Field for $ty {
            fn put(&self, out: &mut Vec<u8>) {
                $put(self).put(out);
            }

            fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Field::take(from).map($take)
            }
        }
    )+};
}

wrapped! {
    WallTime { |v: &Self| v.as_micros(), Self::from_micros }
    Time { |v: &Self| v.as_nanos(), Self::from_nanos }
    AccountId { |v: &Self| v.0, Self }
    ConferenceId { |v: &Self| v.0, Self }
    PasscodeId { |v: &Self| v.0, Self }
    Flags { |v: &Self| v.0, Self }
}

macro_rules! spelled {
    ($($ty:ty)+) => {$(
        impl Field for $ty {
            fn put(&self, out: &mut Vec<u8>) {
                put_bytes(out, self.as_str().as_bytes());
            }

            fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                from.text()?.parse().map_err(|_| DecodeError::Value)
            }
        }
    )+};
}

spelled! { Number Reference }

impl<const N: usize> Field for Text<N> {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.as_str().as_bytes());
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.text().map(Self::new)
    }
}

impl Field for Pattern {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.as_str().as_bytes());
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.text().map(Self::new)
    }
}

impl Field for Role {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Moderator => 0,
            Self::Participant => 1,
            Self::Listener => 2,
        });
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(Self::Moderator),
            1 => Ok(Self::Participant),
            2 => Ok(Self::Listener),
            _ => Err(DecodeError::Value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_as_few_bytes_as_they_need() {
        let mut out = Vec::new();
        127_u64.put(&mut out);
        assert_eq!(out, [0x7f]);
        128_u64.put(&mut out);
        (-1_i64).put(&mut out);
        assert_eq!(out, [0x7f, 0x80, 0x01, 0x01]);
    }

    #[test]
    fn the_extremes_come_back() {
        let mut out = Vec::new();
        u64::MAX.put(&mut out);
        i64::MIN.put(&mut out);
        i64::MAX.put(&mut out);
        let mut from = Reader::new(1, &out);
        assert_eq!(u64::take(&mut from), Ok(u64::MAX));
        assert_eq!(i64::take(&mut from), Ok(i64::MIN));
        assert_eq!(i64::take(&mut from), Ok(i64::MAX));
        assert_eq!(u64::take(&mut from), Err(DecodeError::Truncated));
    }

    #[test]
    fn an_integer_that_does_not_fit_is_refused() {
        let too_long = [0xff; 9].into_iter().chain([0x02]).collect::<Vec<_>>();
        assert_eq!(u64::take(&mut Reader::new(1, &too_long)), Err(DecodeError::Value));
        assert_eq!(u8::take(&mut Reader::new(1, &[0x80, 0x02])), Err(DecodeError::Value));
    }
}
