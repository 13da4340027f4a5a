//! Conferences: added with their passcodes, changed, taken out of use and into use, removed.

use partyline_cdr_store::StoreError;
use partyline_directory::{Announce, Conference, StartsWith};
use partyline_model::{AccountId, ConferenceId};

use crate::account::take;
use crate::value::NameError;
use crate::{
    AccountError, Codes, NumberingError, Operations, PasscodeError, RolePasscode, not_closed,
    printable,
};

/// Legs that fit a conference unless it is told otherwise.
pub const DEFAULT_MAX_LEGS: u16 = 100;

/// A new conference.
pub struct AddConference {
    /// Who pays.
    pub account: AccountId,
    /// The name, as reports and invoices print it.
    pub name: String,
    /// Who must be there for the callers to hear each other.
    pub starts_with: StartsWith,
    /// The most legs at once.
    pub max_legs: u16,
    /// What is heard when somebody joins or leaves.
    pub announce: Announce,
    /// Whether it ends when the last moderator leaves.
    pub ends_with_moderator: bool,
    /// Its passcodes.
    pub codes: Codes,
}

/// A conference that was added.
pub struct AddedConference {
    /// The conference.
    pub conference: Conference,
    /// Another of the account's that has the name too.
    pub twin: Option<ConferenceId>,
    /// Its passcodes.
    pub passcodes: Vec<RolePasscode>,
}

/// What is to be changed of a conference; `None` leaves what is there.
#[derive(Clone, Debug)]
pub struct SetConference {
    /// Which.
    pub conference: ConferenceId,
    /// A new name.
    pub name: Option<String>,
    /// Who must be there for the callers to hear each other.
    pub starts_with: Option<StartsWith>,
    /// The most legs at once.
    pub max_legs: Option<u16>,
    /// What is heard when somebody joins or leaves.
    pub announce: Option<Announce>,
    /// Whether it ends when the last moderator leaves.
    pub ends_with_moderator: Option<bool>,
}

/// Why a conference is not added or changed.
#[derive(Debug, thiserror::Error)]
pub enum ConferenceError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The account takes nothing new.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A passcode is refused.
    #[error(transparent)]
    Passcode(#[from] PasscodeError),
    /// Nobody could be in it.
    #[error("a conference needs room for at least 1 leg")]
    NoLegs,
    /// Everything is as it is asked for.
    #[error("nothing to change")]
    Unchanged,
    /// New numbers are not given now.
    #[error(transparent)]
    Numbering(#[from] NumberingError),
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Operations<'_> {
    /// Adds a conference with its passcodes.
    ///
    /// # Errors
    /// What is wrong with its name or passcodes; its account is closed.
    pub async fn add_conference(
        &self,
        request: AddConference,
    ) -> Result<AddedConference, ConferenceError> {
        printable("a conference", &request.name)?;
        if request.max_legs == 0 {
            return Err(ConferenceError::NoLegs);
        }
        let mut change = self.numbering().await?;
        not_closed(&self.store.account(request.account).await?)?;
        let conferences = self.store.conferences().await?;
        let same = |c: &&Conference| (c.account, &c.name) == (request.account, &request.name);
        let twin = conferences.iter().find(same).map(|twin| twin.id);
        let mut conference = Conference {
            id: ConferenceId(0),
            account: request.account,
            name: request.name,
            starts_with: request.starts_with,
            max_legs: request.max_legs,
            announce: request.announce,
            enabled: true,
            ends_with_moderator: request.ends_with_moderator,
        };
        conference.id = change.add_conference(&conference).await?;
        let passcodes = self.add_all_codes(&mut change, conference.id, &request.codes).await?;
        change.commit_checked().await?;
        Ok(AddedConference { conference, twin, passcodes })
    }

    /// Changes a conference, and gives what it is then. One in session goes on as it began.
    ///
    /// # Errors
    /// What is wrong with its name; [`ConferenceError::Unchanged`].
    pub async fn set_conference(
        &self,
        request: SetConference,
    ) -> Result<Conference, ConferenceError> {
        if request.max_legs == Some(0) {
            return Err(ConferenceError::NoLegs);
        }
        let mut change = self.change().await?;
        let before = self.store.conference(request.conference).await?;
        let mut conference = before.clone();
        if let Some(name) = request.name {
            printable("a conference", &name)?;
            conference.name = name;
        }
        take(&mut conference.starts_with, request.starts_with);
        take(&mut conference.max_legs, request.max_legs);
        take(&mut conference.announce, request.announce);
        take(&mut conference.ends_with_moderator, request.ends_with_moderator);
        if conference == before {
            return Err(ConferenceError::Unchanged);
        }
        change.update_conference(&conference).await?;
        change.commit_checked().await?;
        Ok(conference)
    }

    /// Lets callers into a conference, or tells them that it is not available. One in session goes
    /// on.
    ///
    /// # Errors
    /// There is no such conference.
    pub async fn enable_conference(
        &self,
        conference: ConferenceId,
        enabled: bool,
    ) -> Result<(), ConferenceError> {
        let mut change = self.change().await?;
        if enabled {
            change.enable_conference(conference).await?;
        } else {
            change.disable_conference(conference).await?;
        }
        Ok(change.commit_checked().await?)
    }

    /// Removes a conference, and how many passcodes with it. Its records stay, and one in session
    /// goes on.
    ///
    /// # Errors
    /// There is no such conference.
    pub async fn remove_conference(
        &self,
        conference: ConferenceId,
    ) -> Result<u64, ConferenceError> {
        let mut change = self.change().await?;
        let passcodes = change.remove_conference(conference).await?;
        change.commit_checked().await?;
        Ok(passcodes)
    }
}
