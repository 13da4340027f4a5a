//! One macro: an enum whose variants have a stable number (in the journal) and a stable name (in
//! the store and in exports).
//!
//! The numbers are written to disk: a variant may be added, never renumbered.

use std::fmt;

/// The text is not the name of any variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownName;

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown name")
    }
}

impl std::error::Error for UnknownName {}

macro_rules! named {
    ($(
        $(#[$doc:meta])*
        $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal $text:literal,)+ }
    )+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in the store and in exports.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            const fn code(self) -> u16 {
                match self { $(Self::$variant => $code,)+ }
            }

            const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }

        impl $crate::bytes::Field for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.code().put(out);
            }

            fn take(from: &mut $crate::bytes::Reader<'_>) -> Result<Self, $crate::DecodeError> {
                Self::from_code($crate::bytes::Field::take(from)?).ok_or($crate::DecodeError::Value)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, $crate::UnknownName> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err($crate::UnknownName) }
            }
        }
    )+};
}

pub(crate) use named;
