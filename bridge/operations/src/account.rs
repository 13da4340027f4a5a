//! Accounts: added, changed, suspended, taken into use again, closed.

use partyline_cdr_store::StoreError;
use partyline_cdr_store::admin::Closed;
use partyline_directory::{Account, AccountStatus, Entitlements, ReferenceNumber};
use partyline_model::{AccountId, Number};

use crate::rates::{check_currency, parse_deck};
use crate::value::{NameError, ValueError, check_prefixes};
use crate::{
    NumberingError, Operations, RatesError, WideReach, check_reach, country_code, currency,
    printable, time_zone,
};

/// A new account.
#[derive(Clone, Debug, Default)]
pub struct AddAccount {
    /// The name, as invoices print it.
    pub name: String,
    /// Whether another account may have the name.
    pub same_name: bool,
    /// Whether a prefix may open several countries.
    pub wide_reach: bool,
    /// What else is said of it.
    pub settings: AccountSettings,
}

/// What is to be changed of an account.
#[derive(Clone, Debug)]
pub struct SetAccount {
    /// Which.
    pub account: AccountId,
    /// A new name.
    pub name: Option<String>,
    /// Whether another account may have the name.
    pub same_name: bool,
    /// Whether a prefix may open several countries.
    pub wide_reach: bool,
    /// Whether a price may become tenfold, or a tenth, by another deck.
    pub price_jumps: bool,
    /// What else is changed; what is not given stays.
    pub settings: AccountSettings,
}

/// What can be said of an account; `None` leaves what is there, or the default.
#[derive(Clone, Debug, Default)]
pub struct AccountSettings {
    /// The postal address, lines separated by newlines.
    pub address: Option<String>,
    /// The IANA time zone that cuts its days and months.
    pub time_zone: Option<String>,
    /// The ISO 4217 code of its invoices. A new account takes that of its deck.
    pub currency: Option<String>,
    /// The country code for numbers dialled in national form.
    pub country_code: Option<String>,
    /// Whether moderators may record.
    pub record: Option<bool>,
    /// Beginnings of the numbers that moderators may call.
    pub dial_out: Option<Vec<String>>,
    /// Calls out at once in one conference.
    pub dial_out_max: Option<u8>,
    /// Whether moderators may set a security passcode.
    pub security_passcode: Option<bool>,
    /// Whether a conference carries a reference number.
    pub reference_number: Option<ReferenceNumber>,
    /// The number that calls out show.
    pub caller_id: Option<Number>,
    /// The rate plan.
    pub plan: Option<u32>,
}

/// An account that was closed, and what went with it.
#[derive(Clone, Debug)]
pub struct ClosedAccount {
    /// The account.
    pub account: Account,
    /// What went with it.
    pub went: Closed,
}

/// Why an account is not added or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A setting is none.
    #[error("{setting}: {why}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// What is expected.
        why: ValueError,
    },
    /// Commands and invoices could not tell the two apart.
    #[error("account {id} is called {name:?} already; choose another name", id = .id.0)]
    SameName {
        /// The other account.
        id: AccountId,
        /// The name.
        name: String,
    },
    /// A prefix opens several countries.
    #[error(transparent)]
    Reach(#[from] WideReach),
    /// The deck does not fit.
    #[error(transparent)]
    Rates(#[from] RatesError),
    /// Everything is as it is asked for.
    #[error("nothing to change")]
    Unchanged,
    /// The account is closed and takes nothing new.
    #[error("account {id} {name:?} is closed", id = .id.0)]
    Closed {
        /// The account.
        id: AccountId,
        /// Its name.
        name: String,
    },
    /// The account cannot be opened again.
    #[error("account {id} {name:?} is closed for good; add another", id = .id.0)]
    ClosedForGood {
        /// The account.
        id: AccountId,
        /// Its name.
        name: String,
    },
    /// The account was closed before.
    #[error("account {id} {name:?} is closed already", id = .id.0)]
    ClosedAlready {
        /// The account.
        id: AccountId,
        /// Its name.
        name: String,
    },
    /// Closing has to be confirmed.
    #[error("closing account {id} {name:?} is for good and removes {}", words_of(.went), id = .id.0)]
    Unconfirmed {
        /// The account.
        id: AccountId,
        /// Its name.
        name: String,
        /// What would go with it.
        went: Closed,
    },
    /// New numbers are not given now.
    #[error(transparent)]
    Numbering(#[from] NumberingError),
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn words_of(closed: &Closed) -> String {
    format!(
        "{} conferences, {} passcodes, {} dial-in numbers of its own",
        closed.conferences, closed.passcodes, closed.dial_ins
    )
}

impl ClosedAccount {
    /// What went with it, in words.
    pub fn words(&self) -> String {
        words_of(&self.went)
    }
}

/// An account of which only the name is known.
pub fn blank_account(name: String) -> Account {
    Account {
        id: AccountId(0),
        name,
        tenant_id: 0,
        status: AccountStatus::Active,
        entitlements: Entitlements::default(),
        caller_id: None,
        time_zone: "UTC".to_owned(),
        currency: "USD".to_owned(),
        country_code: "1".to_owned(),
        rate_plan: 0,
    }
}

/// Refuses a closed account for something new.
///
/// # Errors
/// [`AccountError::Closed`].
pub fn not_closed(account: &Account) -> Result<(), AccountError> {
    if account.status == AccountStatus::Closed {
        return Err(AccountError::Closed { id: account.id, name: account.name.clone() });
    }
    Ok(())
}

impl Operations<'_> {
    /// Adds an account.
    ///
    /// # Errors
    /// What is wrong with its name or settings; its deck is in another currency.
    pub async fn add_account(&self, request: AddAccount) -> Result<Account, AccountError> {
        let AddAccount { name, same_name, wide_reach, settings } = request;
        settings.check(wide_reach)?;
        let mut change = self.numbering().await?;
        self.check_name(&name, None, same_name).await?;
        let mut account = blank_account(name);
        let address = settings.address.clone().unwrap_or_default();
        if let (Some(plan), None) = (settings.plan, &settings.currency)
            && let Some(deck) = self.store.deck(plan).await?
        {
            account.currency = parse_deck(&deck)?.currency().code().to_owned();
        }
        settings.apply(&mut account);
        check_currency(self.store, &account).await?;
        account.id = change.add_account(&account).await?;
        change.set_account_address(account.id, &address).await?;
        change.commit_checked().await?;
        Ok(account)
    }

    /// Changes an account, and gives what it is then.
    ///
    /// # Errors
    /// What is wrong with its name or settings; [`AccountError::Unchanged`]; prices that jump.
    pub async fn set_account(&self, request: SetAccount) -> Result<Account, AccountError> {
        let SetAccount { account, name, same_name, wide_reach, price_jumps, settings } = request;
        settings.check(wide_reach)?;
        let mut change = self.change().await?;
        let before = self.store.account(account).await?;
        let mut account = before.clone();
        if let Some(name) = name {
            self.check_name(&name, Some(before.id), same_name).await?;
            account.name = name;
        }
        if let Some(plan) = settings.plan {
            self.check_rates(&before, plan, price_jumps).await?;
        }
        let address = settings.address.clone();
        settings.apply(&mut account);
        check_currency(self.store, &account).await?;
        let known = self.store.account_address(account.id).await?;
        let address = address.filter(|address| *address != known);
        if account == before && address.is_none() {
            return Err(AccountError::Unchanged);
        }
        change.update_account(&account).await?;
        if let Some(address) = address {
            change.set_account_address(account.id, &address).await?;
        }
        change.commit_checked().await?;
        Ok(account)
    }

    /// Closes the conferences of an account to callers, until it is taken into use again.
    ///
    /// # Errors
    /// [`AccountError::ClosedForGood`].
    pub async fn suspend_account(&self, account: AccountId) -> Result<Account, AccountError> {
        self.set_status(account, AccountStatus::Suspended).await
    }

    /// Takes a suspended account into use again.
    ///
    /// # Errors
    /// [`AccountError::ClosedForGood`].
    pub async fn resume_account(&self, account: AccountId) -> Result<Account, AccountError> {
        self.set_status(account, AccountStatus::Active).await
    }

    async fn set_status(
        &self,
        account: AccountId,
        status: AccountStatus,
    ) -> Result<Account, AccountError> {
        let mut change = self.change().await?;
        let mut account = self.store.account(account).await?;
        if account.status == AccountStatus::Closed {
            return Err(AccountError::ClosedForGood { id: account.id, name: account.name });
        }
        change.set_account_status(account.id, status).await?;
        change.commit_checked().await?;
        account.status = status;
        Ok(account)
    }

    /// Closes an account for good: its conferences and passcodes go, its own dial-in numbers are
    /// free. Its records and invoices stay.
    ///
    /// # Errors
    /// [`AccountError::ClosedAlready`], and unless it is `confirmed` [`AccountError::Unconfirmed`],
    /// which says what would go.
    pub async fn close_account(
        &self,
        account: AccountId,
        confirmed: bool,
    ) -> Result<ClosedAccount, AccountError> {
        let mut change = self.change().await?;
        let mut account = self.store.account(account).await?;
        if account.status == AccountStatus::Closed {
            return Err(AccountError::ClosedAlready { id: account.id, name: account.name });
        }
        let went = change.close_account(account.id).await?;
        if !confirmed {
            return Err(AccountError::Unconfirmed { id: account.id, name: account.name, went });
        }
        change.commit_checked().await?;
        account.status = AccountStatus::Closed;
        Ok(ClosedAccount { account, went })
    }

    /// Refuses no name, and that of another account that is not closed: commands and invoices could
    /// not tell the two apart.
    async fn check_name(
        &self,
        name: &str,
        own: Option<AccountId>,
        same_name: bool,
    ) -> Result<(), AccountError> {
        printable("an account", name)?;
        let accounts = self.store.accounts().await?.into_iter();
        let mut others =
            accounts.filter(|a| Some(a.id) != own && a.status != AccountStatus::Closed);
        match others.find(|other| other.name.trim() == name.trim()) {
            Some(other) if !same_name => {
                Err(AccountError::SameName { id: other.id, name: name.to_owned() })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl AccountSettings {
    fn check(&self, wide_reach: bool) -> Result<(), AccountError> {
        let each = [
            ("time_zone", self.time_zone.as_deref().map(|zone| time_zone(zone).map(drop))),
            ("currency", self.currency.as_deref().map(|code| currency(code).map(drop))),
            ("country_code", self.country_code.as_deref().map(|code| country_code(code).map(drop))),
            ("dial_out", self.dial_out.as_deref().map(check_prefixes)),
        ];
        for (setting, checked) in each {
            if let Some(Err(why)) = checked {
                return Err(AccountError::Setting { setting, why });
            }
        }
        self.dial_out.as_ref().map_or(Ok(()), |listed| check_reach(listed, wide_reach))?;
        Ok(())
    }

    /// Puts what was given into `account`.
    fn apply(self, account: &mut Account) {
        let entitled = &mut account.entitlements;
        take(&mut account.time_zone, self.time_zone);
        take(&mut account.country_code, self.country_code);
        take(&mut account.currency, self.currency);
        take(&mut entitled.record, self.record);
        take(&mut entitled.dial_out.prefixes, self.dial_out);
        take(&mut entitled.dial_out.max_concurrent, self.dial_out_max);
        take(&mut entitled.security_passcode, self.security_passcode);
        take(&mut entitled.reference_number, self.reference_number);
        take(&mut account.rate_plan, self.plan);
        if self.caller_id.is_some() {
            account.caller_id = self.caller_id;
        }
    }
}

/// Replaces what is there by what was given.
pub(crate) fn take<T>(place: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *place = value;
    }
}
