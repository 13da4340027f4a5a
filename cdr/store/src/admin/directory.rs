//! Reading what administrators wrote, one kind at a time or as the bridge's directory.

use std::sync::Arc;

use partyline_directory::{
    Account, Conference, DialIn, DialOutPolicy, Entitlements, Passcode, Pepper, Snapshot, Verifier,
};
use partyline_model::{AccountId, ConferenceId, Number, PasscodeId};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::passcode::role;
use crate::StoreError;
use crate::store::{Store, int, parsed, unsigned};

impl Store {
    /// Changes whenever anything of the directory does.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn directory_version(&self) -> Result<u64, StoreError> {
        version(&mut *self.pool.acquire().await?).await
    }

    /// The directory as it is at one moment.
    ///
    /// # Errors
    /// [`StoreError::Directory`] when the rows contradict each other; [`StoreError::Column`],
    /// [`StoreError::Database`].
    pub async fn load_snapshot(&self, pepper: Arc<Pepper>) -> Result<Snapshot, StoreError> {
        // One transaction: the version and the rows are of the same moment.
        let mut tx = self.pool.begin().await?;
        let snapshot = snapshot(&mut tx, pepper).await?;
        tx.commit().await?;
        Ok(snapshot)
    }

    /// All accounts, by id.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        all_accounts(&mut *self.pool.acquire().await?).await
    }

    /// One account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`], [`StoreError::Column`].
    pub async fn account(&self, id: AccountId) -> Result<Account, StoreError> {
        one_account(&mut *self.pool.acquire().await?, id).await
    }

    /// The postal address that an account's invoices print.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn account_address(&self, id: AccountId) -> Result<String, StoreError> {
        let address = sqlx::query_scalar("SELECT address FROM account WHERE id = ?");
        let address = address.bind(int(id.0)).fetch_optional(&self.pool).await?;
        address.ok_or(StoreError::NotFound { kind: "account", id: id.0 })
    }

    /// All conferences, by id.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn conferences(&self) -> Result<Vec<Conference>, StoreError> {
        all_conferences(&mut *self.pool.acquire().await?).await
    }

    /// One conference.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`], [`StoreError::Column`].
    pub async fn conference(&self, id: ConferenceId) -> Result<Conference, StoreError> {
        one_conference(&mut *self.pool.acquire().await?, id).await
    }

    /// All dial-in numbers, in the order of their digits.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn dial_ins(&self) -> Result<Vec<DialIn>, StoreError> {
        all_dial_ins(&mut *self.pool.acquire().await?).await
    }
}

/// The directory as a transaction sees it.
pub(super) async fn snapshot(
    connection: &mut SqliteConnection,
    pepper: Arc<Pepper>,
) -> Result<Snapshot, StoreError> {
    let mut builder = Snapshot::builder(version(connection).await?, pepper);
    for account in all_accounts(connection).await? {
        builder = builder.account(account);
    }
    for conference in all_conferences(connection).await? {
        builder = builder.conference(conference);
    }
    for passcode in all_passcodes(connection).await? {
        builder = builder.passcode(passcode);
    }
    for dial_in in all_dial_ins(connection).await? {
        builder = builder.dial_in(dial_in);
    }
    Ok(builder.build()?)
}

async fn version(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT version FROM directory_version").fetch_one(connection).await?;
    unsigned(&row, "version")
}

pub(super) async fn one_account(
    connection: &mut SqliteConnection,
    id: AccountId,
) -> Result<Account, StoreError> {
    let row = sqlx::query("SELECT * FROM account WHERE id = ?").bind(int(id.0));
    let row = row.fetch_optional(connection).await?;
    account(&row.ok_or(StoreError::NotFound { kind: "account", id: id.0 })?)
}

pub(super) async fn one_conference(
    connection: &mut SqliteConnection,
    id: ConferenceId,
) -> Result<Conference, StoreError> {
    let row = sqlx::query("SELECT * FROM conference WHERE id = ? AND removed = 0").bind(int(id.0));
    let row = row.fetch_optional(connection).await?;
    conference(&row.ok_or(StoreError::NotFound { kind: "conference", id: id.0 })?)
}

pub(super) async fn one_dial_in(
    connection: &mut SqliteConnection,
    number: Number,
) -> Result<Option<DialIn>, StoreError> {
    let row = sqlx::query("SELECT * FROM dial_in WHERE number = ?").bind(number.to_string());
    row.fetch_optional(connection).await?.as_ref().map(dial_in).transpose()
}

async fn all_accounts(connection: &mut SqliteConnection) -> Result<Vec<Account>, StoreError> {
    let rows = sqlx::query("SELECT * FROM account ORDER BY id").fetch_all(connection).await?;
    rows.iter().map(account).collect()
}

async fn all_conferences(connection: &mut SqliteConnection) -> Result<Vec<Conference>, StoreError> {
    let rows = sqlx::query("SELECT * FROM conference WHERE removed = 0 ORDER BY id");
    rows.fetch_all(connection).await?.iter().map(conference).collect()
}

async fn all_passcodes(connection: &mut SqliteConnection) -> Result<Vec<Passcode>, StoreError> {
    let rows = sqlx::query("SELECT * FROM passcode WHERE retired = 0 ORDER BY id");
    rows.fetch_all(connection).await?.iter().map(passcode).collect()
}

pub(super) async fn all_dial_ins(
    connection: &mut SqliteConnection,
) -> Result<Vec<DialIn>, StoreError> {
    let rows = sqlx::query("SELECT * FROM dial_in ORDER BY number").fetch_all(connection).await?;
    rows.iter().map(dial_in).collect()
}

fn account(row: &SqliteRow) -> Result<Account, StoreError> {
    let dial_out = DialOutPolicy {
        prefixes: words(row.try_get("dial_out_prefixes")?),
        max_concurrent: row.try_get("dial_out_max")?,
    };
    Ok(Account {
        id: AccountId(unsigned(row, "id")?),
        name: row.try_get("name")?,
        tenant_id: unsigned(row, "tenant_id")?,
        status: parsed(row, "status")?,
        entitlements: Entitlements {
            record: row.try_get("record")?,
            dial_out,
            security_passcode: row.try_get("security_passcode")?,
            reference_number: parsed(row, "reference_number")?,
        },
        caller_id: number(row.try_get("caller_id")?)?,
        time_zone: row.try_get("time_zone")?,
        currency: row.try_get("currency")?,
        country_code: row.try_get("country_code")?,
        rate_plan: row.try_get("rate_plan")?,
    })
}

fn conference(row: &SqliteRow) -> Result<Conference, StoreError> {
    Ok(Conference {
        id: ConferenceId(unsigned(row, "id")?),
        account: AccountId(unsigned(row, "account_id")?),
        name: row.try_get("name")?,
        starts_with: parsed(row, "starts_with")?,
        max_legs: row.try_get("max_legs")?,
        announce: parsed(row, "announce")?,
        enabled: row.try_get("enabled")?,
        ends_with_moderator: row.try_get("ends_with_moderator")?,
    })
}

fn passcode(row: &SqliteRow) -> Result<Passcode, StoreError> {
    let verifier: &[u8] = row.try_get("verifier")?;
    Ok(Passcode {
        id: PasscodeId(unsigned(row, "id")?),
        conference: ConferenceId(unsigned(row, "conference_id")?),
        role: role(row.try_get("role")?)?,
        verifier: Verifier(verifier.try_into().map_err(|_| StoreError::Column("verifier"))?),
        mask: row.try_get("mask")?,
    })
}

fn dial_in(row: &SqliteRow) -> Result<DialIn, StoreError> {
    let account: Option<i64> = row.try_get("account_id")?;
    Ok(DialIn {
        number: parsed(row, "number")?,
        aliases: words(row.try_get("aliases")?),
        account: account.map(|id| AccountId(id.unsigned_abs())),
        access_kind: parsed(row, "access_kind")?,
        language: row.try_get("language")?,
        welcome: row.try_get("welcome")?,
    })
}

fn number(text: Option<&str>) -> Result<Option<Number>, StoreError> {
    text.map(|text| text.parse().map_err(|_| StoreError::Column("caller_id"))).transpose()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
