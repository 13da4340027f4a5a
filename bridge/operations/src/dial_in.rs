//! Dial-in numbers: added, changed, removed.

use partyline_cdr_store::StoreError;
use partyline_directory::{AccessKind, BuildError, DialIn};
use partyline_model::{AccountId, Number};

use crate::account::take;
use crate::value::ValueError;
use crate::{AccountError, Operations, alias, find_dial_in, not_closed};

/// The language of the prompts that there are.
pub const LANGUAGE: &str = "en-US";

/// What is to be changed of a dial-in number; `None` leaves what is there.
#[derive(Clone, Debug)]
pub struct SetDialIn {
    /// Which.
    pub number: Number,
    /// Other user parts of a SIP URI that mean this number, in place of those it has.
    pub aliases: Option<Vec<String>>,
    /// Whose conferences it reaches: `Some(None)` for those of all.
    pub account: Option<Option<AccountId>>,
    /// How its callers are charged.
    pub access_kind: Option<AccessKind>,
    /// The brand's own welcome: `Some(None)` for none.
    pub welcome: Option<Option<String>>,
}

/// Why a dial-in number is not added, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum DialInError {
    /// The number is there.
    #[error("dial-in number {0} exists already")]
    Exists(Number),
    /// There is no such number.
    #[error("there is no dial-in number {0}")]
    Unknown(Number),
    /// No SIP URI could have it.
    #[error(transparent)]
    Alias(#[from] ValueError),
    /// The account takes nothing new.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Everything is as it is asked for.
    #[error("nothing to change")]
    Unchanged,
    /// Callers could not tell it from another, so a running bridge would have no directory.
    #[error("the number cannot be {act}: the directory is inconsistent: {why}")]
    Inconsistent {
        /// `added` or `changed`.
        act: &'static str,
        /// With what it is at odds.
        why: BuildError,
    },
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Operations<'_> {
    /// Adds a dial-in number.
    ///
    /// # Errors
    /// [`DialInError::Exists`], [`DialInError::Inconsistent`]; its account is closed.
    pub async fn add_dial_in(&self, dial_in: &DialIn) -> Result<(), DialInError> {
        check_aliases(&dial_in.aliases)?;
        let mut change = self.change().await?;
        self.check_account(dial_in.account).await?;
        match change.add_dial_in(dial_in).await {
            Err(StoreError::Duplicate(_)) => return Err(DialInError::Exists(dial_in.number)),
            other => other?,
        }
        change.commit_checked().await.map_err(|error| inconsistent("added", error))
    }

    /// Changes a dial-in number, and gives what it is then.
    ///
    /// # Errors
    /// [`DialInError::Unknown`], [`DialInError::Unchanged`], [`DialInError::Inconsistent`]; its
    /// account is closed.
    pub async fn set_dial_in(&self, request: SetDialIn) -> Result<DialIn, DialInError> {
        let mut change = self.change().await?;
        let found = find_dial_in(self.store, request.number).await;
        let before = found.map_err(|_| DialInError::Unknown(request.number))?;
        let mut dial_in = before.clone();
        if let Some(aliases) = request.aliases {
            check_aliases(&aliases)?;
            dial_in.aliases = aliases;
        }
        if let Some(account) = request.account {
            self.check_account(account).await?;
            dial_in.account = account;
        }
        take(&mut dial_in.access_kind, request.access_kind);
        take(&mut dial_in.welcome, request.welcome);
        if dial_in == before {
            return Err(DialInError::Unchanged);
        }
        change.update_dial_in(&dial_in).await?;
        change.commit_checked().await.map_err(|error| inconsistent("changed", error))?;
        Ok(dial_in)
    }

    /// Removes a dial-in number: calls to it are refused.
    ///
    /// # Errors
    /// [`DialInError::Unknown`].
    pub async fn remove_dial_in(&self, number: Number) -> Result<(), DialInError> {
        let mut change = self.change().await?;
        if !change.remove_dial_in(number).await? {
            return Err(DialInError::Unknown(number));
        }
        Ok(change.commit_checked().await?)
    }

    async fn check_account(&self, account: Option<AccountId>) -> Result<(), DialInError> {
        if let Some(account) = account {
            not_closed(&self.store.account(account).await?)?;
        }
        Ok(())
    }
}

fn check_aliases(aliases: &[String]) -> Result<(), ValueError> {
    aliases.iter().try_for_each(|name| alias(name).map(drop))
}

fn inconsistent(act: &'static str, error: StoreError) -> DialInError {
    if let StoreError::Directory(why) = error {
        return DialInError::Inconsistent { act, why };
    }
    DialInError::Store(error)
}
