//! Where call detail records live: an append-only journal that is durable before the caller hears
//! anything, and a SQLite store that is filled from it and can be rebuilt from it.
//!
//! The store also keeps what administrators change: accounts, conferences, passcodes, dial-in
//! numbers, rate decks, invoices. Rating is not done here. The journal's thread is the only owner
//! of its files; everything else talks to it through bounded channels.

#![forbid(unsafe_code)]

pub mod admin;
pub mod backup;
mod error;
pub mod folder;
pub mod ingest;
pub mod journal;
pub mod keys;
pub mod query;
pub mod rebuild;
mod store;

pub use error::{BackupError, JournalError, StoreError};
pub use store::Store;
