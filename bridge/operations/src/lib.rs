//! What administrators do, as typed requests, results and errors: the rules that the command line
//! and whatever else administers a bridge have in common.
//!
//! Each operation is a function of [`Operations`]. It takes a request, reads and writes within one
//! transaction, and gives what has become of it, or an error that says what to do. Nothing here
//! parses arguments or prints; no error names an option of a command, and none repeats the digits
//! of a passcode. Time is an input.

#![forbid(unsafe_code)]

mod account;
mod conference;
mod dial_in;
mod find;
mod passcode;
mod rates;
mod reach;
mod value;

use std::path::Path;
use std::time::Duration;

use partyline_cdr_store::admin::Change;
pub use partyline_cdr_store::admin::{Actor, Via};
use partyline_cdr_store::ingest::Ingest;
use partyline_cdr_store::keys::Keys;
use partyline_cdr_store::{Store, StoreError};
use partyline_model::WallTime;

pub use account::{
    AccountError, AccountSettings, AddAccount, ClosedAccount, SetAccount, blank_account, not_closed,
};
pub use conference::{
    AddConference, AddedConference, ConferenceError, DEFAULT_MAX_LEGS, SetConference,
};
pub use dial_in::{DialInError, LANGUAGE, SetDialIn};
pub use find::{FindError, find_account, find_conference, find_deck, find_dial_in, pick};
pub use passcode::{AddingCodes, CodeError, Codes, NewPasscodes, PasscodeError, RolePasscode};
pub use rates::{AddDeck, AddedDeck, RatesError, UseDeck, check_currency, parse_deck, plans};
pub use reach::{WideReach, check_reach, countries};
pub use value::{
    NameError, ValueError, alias, country_code, currency, prefixes, printable, time_zone, utc,
    yes_no,
};

/// How long a running bridge may take to fill the database with what it has in the journal.
const LAG_PATIENCE: Duration = Duration::from_secs(10);

/// The data folder as an administrator works on it.
pub struct Operations<'a> {
    store: &'a Store,
    keys: &'a Keys,
    journal: &'a Path,
    actor: &'a Actor,
    now: WallTime,
}

/// Why a change that gives new numbers does not begin.
#[derive(Debug, thiserror::Error)]
pub enum NumberingError {
    /// The database lacks calls that may name the number.
    #[error("no new number is given while calls of before are not known: {0}")]
    Behind(#[source] StoreError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<'a> Operations<'a> {
    /// On `store` with its `keys`, which is filled from the folder `journal`, as `actor` at `now`.
    pub const fn new(
        store: &'a Store,
        keys: &'a Keys,
        journal: &'a Path,
        actor: &'a Actor,
        now: WallTime,
    ) -> Self {
        Self { store, keys, journal, actor, now }
    }

    /// Begins a change. What is read of the store until it ends is what it changes: no other writer
    /// is under way.
    pub async fn change(&self) -> Result<Change, StoreError> {
        self.store.change(self.actor, self.now).await
    }

    /// As [`Self::change`], for one that gives new numbers. None may be one that a call of before
    /// names: what the journal has is taken first, or the running bridge is waited for.
    pub async fn numbering(&self) -> Result<Change, NumberingError> {
        self.know_numbers().await?;
        Ok(self.change().await?)
    }

    async fn know_numbers(&self) -> Result<(), NumberingError> {
        let ingest = Ingest::new(self.store.clone(), self.journal);
        // The journal is locked only when that is needed: a bridge may be starting.
        if ingest.has_more().await.map_err(NumberingError::Behind)? {
            ingest.ensure_caught_up(LAG_PATIENCE).await.map_err(NumberingError::Behind)?;
        }
        Ok(())
    }
}
