//! Why there is no place for a secret.

use std::fmt;
use std::io;

/// Why there is no place for a secret. Each variant carries the system's error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultError {
    /// The system gave no memory (mmap).
    Map {
        /// errno.
        errno: i32,
    },
    /// The page could not be kept out of core dumps (madvise).
    Exclude {
        /// errno.
        errno: i32,
    },
    /// The page could not be locked (mlock): most often the limit on locked memory,
    /// `ulimit -l` or `LimitMEMLOCK=`, is too small. A page holds 64 callers' digits.
    Lock {
        /// errno.
        errno: i32,
    },
}

/// The error number of the system call that has just failed.
pub(crate) fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, errno) = match *self {
            Self::Map { errno } => ("no memory for secret digits", errno),
            Self::Exclude { errno } => ("cannot keep secret digits out of core dumps", errno),
            Self::Lock { errno } => {
                ("cannot lock memory for secret digits (raise the memlock limit)", errno)
            }
        };
        write!(f, "{what}: {}", io::Error::from_raw_os_error(errno))
    }
}

impl std::error::Error for VaultError {}
