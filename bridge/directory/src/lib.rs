//! What the bridge knows about its customers while it runs: accounts, conferences, passcodes and
//! dial-in numbers, as one immutable [`Snapshot`].
//!
//! The server builds a snapshot from its store and hands it to the cores in an `Arc`; a change
//! is a new snapshot. Nothing here reads a file or a database, and no passcode is kept: only its
//! keyed hash ([`Verifier`]) and what may be shown of it.

#![forbid(unsafe_code)]

mod account;
mod builder;
mod conference;
mod dial_in;
mod passcode;
mod snapshot;
mod strength;
mod words;

pub use account::{
    Account, AccountStatus, DEFAULT_MAX_CONCURRENT, DialOutPolicy, Entitlements, ReferenceNumber,
};
pub use builder::{BuildError, SnapshotBuilder};
pub use conference::{Announce, Conference, StartsWith};
pub use dial_in::{AccessKind, DialIn};
pub use passcode::{Passcode, Pepper, Verifier, passcode_mask, verifier};
pub use snapshot::Snapshot;
pub use strength::{
    MAX_PASSCODE, MIN_PASSCODE, MIN_STRONG_PASSCODE, UnusablePasscode, Weakness, too_similar,
    usable_passcode, weak_passcode,
};
pub use words::UnknownWord;
