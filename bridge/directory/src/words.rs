//! Settings that have a name in the store, on the command line and in imports.

use std::fmt;

/// The text names no value of the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    /// The names that there are.
    pub expected: &'static [&'static str],
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected one of: {}", self.expected.join(", "))
    }
}

impl std::error::Error for UnknownWord {}

/// Gives an enum without data `ALL`, `as_str`, `Display` and `FromStr`.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal,)* }) => {
        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in the store and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err($crate::UnknownWord { expected: &[$($word,)*] }),
                }
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use crate::{AccessKind, AccountStatus, Announce, ReferenceNumber, StartsWith};

    #[test]
    fn every_word_reads_back() {
        macro_rules! check {
            ($($name:ident)*) => {$(
                for &value in $name::ALL {
                    assert_eq!(value.as_str().parse(), Ok(value));
                }
            )*};
        }
        check!(AccessKind AccountStatus Announce ReferenceNumber StartsWith);
    }

    #[test]
    fn an_unknown_word_is_told_what_there_is() {
        let error = "host".parse::<StartsWith>().map_err(|e| e.to_string());
        assert_eq!(error, Err("expected one of: moderator, first_caller".to_owned()));
    }
}
