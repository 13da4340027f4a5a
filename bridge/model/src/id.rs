//! Identifiers: one type for each thing that has one.

use std::fmt;
use std::str::FromStr;

use crate::WallTime;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($repr:ty) = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    )*};
}

ids! {
    /// A call leg while it lives in this process; never reused while the process runs.
    CallId(u32) = "call";
    /// A leg in the media plane. The number is that of its [`CallId`].
    LegKey(u32) = "leg";
    /// A mix in the media plane: the one of a conference in session, or of those who talk apart.
    MixId(u32) = "mix";
    /// A conference in session: from its first leg to its last.
    SessionId(u32) = "session";
    /// A recording in this process.
    RecordingId(u32) = "recording";
    /// One request to play something; its end is reported under this id.
    PlaybackId(u32) = "playback";
    /// An entry of the audio library that the media plane was started with.
    AudioId(u16) = "audio";
    /// A customer account, a row of the store.
    AccountId(u64) = "account";
    /// A configured conference (a set of passcodes of an account), a row of the store.
    ConferenceId(u64) = "conference";
    /// One immutable version of a conference passcode, a row of the store. Not the passcode.
    PasscodeId(u64) = "passcode";
}

/// A 128-bit identifier in UUID form (RFC 9562). Records' ids are version 7: sorted by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub u128);

impl Uuid {
    /// A version 7 UUID (RFC 9562 §5.7): `at` in milliseconds, then 74 of the `random` bits.
    pub fn v7(at: WallTime, random: u128) -> Self {
        let millis = u128::from(at.as_millis().unsigned_abs()) & 0xffff_ffff_ffff;
        let high = millis << 80 | 0x7 << 76 | (random >> 64 & 0xfff) << 64;
        let low = 0b10 << 62 | random & 0x3fff_ffff_ffff_ffff;
        Self(high | low)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.0;
        let text = format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            v >> 96,
            v >> 80 & 0xffff,
            v >> 64 & 0xffff,
            v >> 48 & 0xffff,
            v & 0xffff_ffff_ffff,
        );
        f.pad(&text)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a UUID: 32 hexadecimal digits, dashes anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UuidError;

impl fmt::Display for UuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an identifier: expected 32 hexadecimal digits, with or without dashes")
    }
}

impl std::error::Error for UuidError {}

impl FromStr for Uuid {
    type Err = UuidError;

    fn from_str(text: &str) -> Result<Self, UuidError> {
        let hex: String = text.chars().filter(|&c| c != '-').collect();
        if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(UuidError);
        }
        u128::from_str_radix(&hex, 16).map(Self).map_err(|_| UuidError)
    }
}

/// Where unpredictable numbers come from: handed to each core when it is made, seeded by the
/// system in the server and by the test in a test.
pub trait IdSource: Send {
    /// The next 128 unpredictable bits.
    fn next_u128(&mut self) -> u128;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_7_sorts_by_time_and_carries_its_version() {
        let early = Uuid::v7(WallTime::from_micros(1_000_000), u128::MAX);
        let late = Uuid::v7(WallTime::from_micros(2_000_000), 0);
        assert!(early < late);
        let text = early.to_string();
        assert_eq!((&text[14..15], &text[..13]), ("7", "00000000-03e8"));
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"));
        assert_eq!(text.parse(), Ok(early));
    }

    #[test]
    fn refuses_what_is_no_uuid() {
        assert_eq!("+0000000-0000-0000-0000-000000000000".parse::<Uuid>(), Err(UuidError));
        assert_eq!("123".parse::<Uuid>(), Err(UuidError));
    }
}
