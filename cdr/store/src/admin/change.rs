//! One transaction of changes to accounts, conferences and dial-in numbers.

use partyline_directory::{Account, AccountStatus, Conference, DialIn};
use partyline_model::{AccountId, ConferenceId, Number, WallTime};
use sqlx::sqlite::SqliteQueryResult;
use sqlx::{Sqlite, Transaction};

use super::audit::{Actor, Entry, Notes};
use super::directory::{all_dial_ins, one_account, one_conference, one_dial_in};
use crate::StoreError;
use crate::store::{Store, int};

/// Changes that take effect together, when [`Change::commit`] succeeds; dropped without it, none
/// does.
pub struct Change {
    pub(super) tx: Transaction<'static, Sqlite>,
    pub(super) notes: Notes,
}

/// What went with an account that was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Conferences that were removed.
    pub conferences: u64,
    /// Passcodes that were taken out of use.
    pub passcodes: u64,
    /// Dial-in numbers that are free again.
    pub dial_ins: u64,
}

impl Store {
    /// Begins a change that `actor` makes at `now`, as the audit log will say. Other writers wait
    /// until it ends.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn change(&self, actor: &Actor, now: WallTime) -> Result<Change, StoreError> {
        let notes = Notes::new(actor, now, self.folder());
        Ok(Change { tx: self.write().await?, notes })
    }
}

impl Change {
    /// Makes all changes durable and visible.
    ///
    /// # Errors
    /// [`StoreError::Database`]; none of the changes was made.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.notes.write(&mut self.tx).await?;
        Ok(self.tx.commit().await?)
    }

    /// What the changes are so far, an entry for each object that is otherwise.
    pub fn entries(&self) -> &[Entry] {
        self.notes.entries()
    }

    /// Adds an account and gives its id; `account.id` is not used.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_account(&mut self, account: &Account) -> Result<AccountId, StoreError> {
        let insert = "INSERT INTO account (name, tenant_id, status, record, dial_out_prefixes, \
            dial_out_max, security_passcode, reference_number, caller_id, time_zone, currency, \
            country_code, rate_plan) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let done = bind_account(sqlx::query(insert), account).execute(&mut *self.tx).await?;
        let id = AccountId(done.last_insert_rowid().unsigned_abs());
        self.notes.account(None, &Account { id, ..account.clone() });
        Ok(id)
    }

    /// Replaces everything of the account with `account.id` but its address.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn update_account(&mut self, account: &Account) -> Result<(), StoreError> {
        let update = "UPDATE account SET name = ?, tenant_id = ?, status = ?, record = ?, \
            dial_out_prefixes = ?, dial_out_max = ?, security_passcode = ?, reference_number = ?, \
            caller_id = ?, time_zone = ?, currency = ?, country_code = ?, rate_plan = ? \
            WHERE id = ?";
        let before = one_account(&mut self.tx, account.id).await?;
        let update = bind_account(sqlx::query(update), account).bind(int(account.id.0));
        found(&update.execute(&mut *self.tx).await?, "account", account.id.0)?;
        self.notes.account(Some(&before), account);
        Ok(())
    }

    /// Suspends an account, or takes it into use again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn set_account_status(
        &mut self,
        id: AccountId,
        status: AccountStatus,
    ) -> Result<(), StoreError> {
        let before = one_account(&mut self.tx, id).await?;
        let update = sqlx::query("UPDATE account SET status = ? WHERE id = ?");
        let update = update.bind(status.as_str()).bind(int(id.0));
        found(&update.execute(&mut *self.tx).await?, "account", id.0)?;
        self.notes.account(Some(&before), &Account { status, ..before.clone() });
        Ok(())
    }

    /// Sets the postal address that invoices print, lines separated by newlines.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn set_account_address(
        &mut self,
        id: AccountId,
        address: &str,
    ) -> Result<(), StoreError> {
        let account = one_account(&mut self.tx, id).await?;
        let before = sqlx::query_scalar("SELECT address FROM account WHERE id = ?");
        let before: String = before.bind(int(id.0)).fetch_one(&mut *self.tx).await?;
        let update = sqlx::query("UPDATE account SET address = ? WHERE id = ?");
        let update = update.bind(address).bind(int(id.0));
        found(&update.execute(&mut *self.tx).await?, "account", id.0)?;
        self.notes.address(&account, &before, address);
        Ok(())
    }

    /// Adds a conference and gives its id; `conference.id` is not used.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for its account, [`StoreError::Database`].
    pub async fn add_conference(
        &mut self,
        conference: &Conference,
    ) -> Result<ConferenceId, StoreError> {
        let insert = "INSERT INTO conference (account_id, name, starts_with, max_legs, announce, \
            enabled, ends_with_moderator) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let done = bind_conference(sqlx::query(insert), conference).execute(&mut *self.tx).await;
        let done = done.map_err(|error| no_account(error, Some(conference.account)))?;
        let id = ConferenceId(done.last_insert_rowid().unsigned_abs());
        self.notes.conference(None, &Conference { id, ..conference.clone() });
        Ok(id)
    }

    /// Replaces everything of the conference with `conference.id`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn update_conference(&mut self, conference: &Conference) -> Result<(), StoreError> {
        let update = "UPDATE conference SET account_id = ?, name = ?, starts_with = ?, \
            max_legs = ?, announce = ?, enabled = ?, ends_with_moderator = ? WHERE id = ?";
        let before = one_conference(&mut self.tx, conference.id).await?;
        let update = bind_conference(sqlx::query(update), conference).bind(int(conference.id.0));
        let done = update.execute(&mut *self.tx).await;
        let done = done.map_err(|error| no_account(error, Some(conference.account)))?;
        found(&done, "conference", conference.id.0)?;
        self.notes.conference(Some(&before), conference);
        Ok(())
    }

    /// Takes a conference into use.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn enable_conference(&mut self, id: ConferenceId) -> Result<(), StoreError> {
        self.set_enabled(id, true).await
    }

    /// Takes a conference out of use; callers hear that it is not available.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn disable_conference(&mut self, id: ConferenceId) -> Result<(), StoreError> {
        self.set_enabled(id, false).await
    }

    async fn set_enabled(&mut self, id: ConferenceId, enabled: bool) -> Result<(), StoreError> {
        let before = one_conference(&mut self.tx, id).await?;
        let update = sqlx::query("UPDATE conference SET enabled = ? WHERE id = ?");
        let update = update.bind(enabled).bind(int(id.0));
        found(&update.execute(&mut *self.tx).await?, "conference", id.0)?;
        self.notes.conference(Some(&before), &Conference { enabled, ..before.clone() });
        Ok(())
    }

    /// Removes a conference and takes its passcodes out of use; how many. Its row stays for the
    /// records that name it, and its id is never given again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn remove_conference(&mut self, id: ConferenceId) -> Result<u64, StoreError> {
        let conference = one_conference(&mut self.tx, id).await?;
        let update = "UPDATE conference SET removed = 1, enabled = 0 WHERE id = ? AND removed = 0";
        let done = sqlx::query(update).bind(int(id.0)).execute(&mut *self.tx).await?;
        found(&done, "conference", id.0)?;
        let retire = "UPDATE passcode SET retired = 1 WHERE conference_id = ? AND retired = 0";
        let retired = sqlx::query(retire).bind(int(id.0)).execute(&mut *self.tx).await?;
        self.notes.conference_removed(&conference);
        Ok(retired.rows_affected())
    }

    /// Closes an account for good: its conferences are removed and its own dial-in numbers are
    /// free again. Its records and invoices stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn close_account(&mut self, id: AccountId) -> Result<Closed, StoreError> {
        self.set_account_status(id, AccountStatus::Closed).await?;
        let conferences: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM conference WHERE account_id = ? AND removed = 0 ORDER BY id",
        )
        .bind(int(id.0))
        .fetch_all(&mut *self.tx)
        .await?;
        let mut closed = Closed { conferences: 0, passcodes: 0, dial_ins: 0 };
        for conference in conferences {
            closed.conferences += 1;
            closed.passcodes +=
                self.remove_conference(ConferenceId(conference.unsigned_abs())).await?;
        }
        for dial_in in all_dial_ins(&mut self.tx).await? {
            if dial_in.account == Some(id) && self.remove_dial_in(dial_in.number).await? {
                closed.dial_ins += 1;
            }
        }
        Ok(closed)
    }

    /// Replaces everything of the dial-in number `dial_in.number`; whether there was one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for its account, [`StoreError::Database`].
    pub async fn update_dial_in(&mut self, dial_in: &DialIn) -> Result<bool, StoreError> {
        let Some(before) = one_dial_in(&mut self.tx, dial_in.number).await? else {
            return Ok(false);
        };
        let update = "UPDATE dial_in SET aliases = ?, account_id = ?, access_kind = ?, \
            language = ?, welcome = ? WHERE number = ?";
        let done = sqlx::query(update)
            .bind(dial_in.aliases.join(" "))
            .bind(dial_in.account.map(|id| int(id.0)))
            .bind(dial_in.access_kind.as_str())
            .bind(&dial_in.language)
            .bind(&dial_in.welcome)
            .bind(dial_in.number.as_str())
            .execute(&mut *self.tx)
            .await;
        let done = done.map_err(|error| no_account(error, dial_in.account))?;
        self.notes.dial_in(Some(&before), Some(dial_in));
        Ok(done.rows_affected() > 0)
    }

    /// Adds a dial-in number.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`], [`StoreError::NotFound`] for its account,
    /// [`StoreError::Database`].
    pub async fn add_dial_in(&mut self, dial_in: &DialIn) -> Result<(), StoreError> {
        let insert = "INSERT INTO dial_in (number, aliases, account_id, access_kind, language, \
            welcome) VALUES (?, ?, ?, ?, ?, ?)";
        let done = sqlx::query(insert)
            .bind(dial_in.number.as_str())
            .bind(dial_in.aliases.join(" "))
            .bind(dial_in.account.map(|id| int(id.0)))
            .bind(dial_in.access_kind.as_str())
            .bind(&dial_in.language)
            .bind(&dial_in.welcome)
            .execute(&mut *self.tx)
            .await;
        match done {
            Ok(_) => {
                self.notes.dial_in(None, Some(dial_in));
                Ok(())
            }
            Err(error) if is_duplicate(&error) => Err(StoreError::Duplicate("this dial-in number")),
            Err(error) => Err(no_account(error, dial_in.account)),
        }
    }

    /// Removes a dial-in number; whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_dial_in(&mut self, number: Number) -> Result<bool, StoreError> {
        let Some(before) = one_dial_in(&mut self.tx, number).await? else { return Ok(false) };
        self.notes.dial_in(Some(&before), None);
        let delete = sqlx::query("DELETE FROM dial_in WHERE number = ?").bind(number.to_string());
        Ok(delete.execute(&mut *self.tx).await?.rows_affected() > 0)
    }
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;

fn bind_account<'q>(query: Query<'q>, account: &Account) -> Query<'q> {
    let entitled = &account.entitlements;
    query
        .bind(account.name.clone())
        .bind(int(account.tenant_id))
        .bind(account.status.as_str())
        .bind(entitled.record)
        .bind(entitled.dial_out.prefixes.join(" "))
        .bind(entitled.dial_out.max_concurrent)
        .bind(entitled.security_passcode)
        .bind(entitled.reference_number.as_str())
        .bind(account.caller_id.map(|number| number.to_string()))
        .bind(account.time_zone.clone())
        .bind(account.currency.clone())
        .bind(account.country_code.clone())
        .bind(account.rate_plan)
}

fn bind_conference<'q>(query: Query<'q>, conference: &Conference) -> Query<'q> {
    query
        .bind(int(conference.account.0))
        .bind(conference.name.clone())
        .bind(conference.starts_with.as_str())
        .bind(conference.max_legs)
        .bind(conference.announce.as_str())
        .bind(conference.enabled)
        .bind(conference.ends_with_moderator)
}

pub(super) fn found(
    done: &SqliteQueryResult,
    kind: &'static str,
    id: u64,
) -> Result<(), StoreError> {
    if done.rows_affected() > 0 { Ok(()) } else { Err(StoreError::NotFound { kind, id }) }
}

pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

/// A row that points to an account that there is not.
pub(super) fn no_account(error: sqlx::Error, account: Option<AccountId>) -> StoreError {
    let dangling = error.as_database_error().is_some_and(|error| error.is_foreign_key_violation());
    match account {
        Some(id) if dangling => StoreError::NotFound { kind: "account", id: id.0 },
        Some(_) | None => StoreError::Database(error),
    }
}
