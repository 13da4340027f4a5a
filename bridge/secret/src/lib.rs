//! Where digits live that must leave no trace: the security passcode, and whatever a caller
//! types before it is known what it is.
//!
//! A [`Vault`] owns pages that are locked in memory, left out of core dumps and wiped in a forked
//! child. It hands out [`SecretDigits`], one 64-byte slot each, wiped when dropped.
//! [`harden_process`] keeps the rest of the process out of core dumps and debuggers.
//!
//! It does not hide a digit from the registers and the stack of the code that types it in, nor
//! from root. It does not decide what is secret: that is the call flow's affair.

mod digits;
mod error;
mod harden;
mod page;
mod vault;

pub use digits::{Full, MAX_DIGITS, SecretDigits};
pub use error::VaultError;
pub use harden::harden_process;
pub use vault::Vault;
