//! Rate decks and issued invoices: kept with their hashes, never changed.

use partyline_model::{AccountId, Uuid, WallTime};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::change::{Change, is_duplicate, no_account};
use crate::StoreError;
use crate::store::{Store, blob, int, unsigned};

/// One version of the rates of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deck {
    /// The plan, as an account names it.
    pub plan: u32,
    /// Counts the decks of the plan from 1.
    pub version: u32,
    /// What the administrator called it.
    pub name: String,
    /// The file.
    pub csv: String,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// When it was added.
    pub added_at: WallTime,
}

/// An invoice to be issued.
#[derive(Clone, Debug)]
pub struct NewInvoice<'a> {
    /// Which numbers it is counted in: `2026`, `CA`.
    pub series: &'a str,
    /// Who pays.
    pub account: AccountId,
    /// What it is for: `2026-11`.
    pub period: &'a str,
    /// When.
    pub issued_at: WallTime,
    /// The charges on it: leg and kind of charge.
    pub charges: &'a [(Uuid, &'a str)],
}

/// An issued invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Which numbers it is counted in.
    pub series: String,
    /// Its number; a series has no gaps.
    pub number: u64,
    /// Who pays.
    pub account: AccountId,
    /// What it is for.
    pub period: String,
    /// When it was issued.
    pub issued_at: WallTime,
    /// The whole invoice as JSON, as it was issued.
    pub document: String,
    /// The SHA-256 of `document`.
    pub sha256: [u8; 32],
}

impl Change {
    /// Adds the next deck of a plan. The caller has validated `csv`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_deck(
        &mut self,
        plan: u32,
        name: &str,
        csv: &str,
        now: WallTime,
    ) -> Result<Deck, StoreError> {
        let last: Option<u32> =
            sqlx::query_scalar("SELECT MAX(version) FROM rate_deck WHERE plan = ?")
                .bind(plan)
                .fetch_one(&mut *self.tx)
                .await?;
        let sha256: [u8; 32] = Sha256::digest(csv).into();
        let version = last.unwrap_or(0).saturating_add(1);
        sqlx::query(
            "INSERT INTO rate_deck (plan, version, name, csv, sha256, added_at) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(plan)
        .bind(version)
        .bind(name)
        .bind(csv)
        .bind(sha256.to_vec())
        .bind(now.as_micros())
        .execute(&mut *self.tx)
        .await?;
        let (name, csv) = (name.to_owned(), csv.to_owned());
        Ok(Deck { plan, version, name, csv, sha256, added_at: now })
    }

    /// Issues an invoice under the next number of its series; `render` makes the document with
    /// that number in it.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when one of its charges stands on another invoice already;
    /// [`StoreError::NotFound`] for its account, [`StoreError::Database`].
    pub async fn issue_invoice(
        &mut self,
        new: &NewInvoice<'_>,
        render: impl FnOnce(u64) -> String,
    ) -> Result<Invoice, StoreError> {
        let next = "SELECT COALESCE(MAX(number), 0) + 1 AS number FROM invoice WHERE series = ?";
        let next = sqlx::query(next).bind(new.series).fetch_one(&mut *self.tx).await?;
        let number = unsigned(&next, "number")?;
        let document = render(number);
        let sha256: [u8; 32] = Sha256::digest(&document).into();
        let inserted = sqlx::query(
            "INSERT INTO invoice (series, number, account_id, period, issued_at, document, sha256) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.series)
        .bind(int(number))
        .bind(int(new.account.0))
        .bind(new.period)
        .bind(new.issued_at.as_micros())
        .bind(&document)
        .bind(sha256.to_vec())
        .execute(&mut *self.tx)
        .await;
        inserted.map_err(|error| no_account(error, Some(new.account)))?;
        for (leg, charge) in new.charges {
            self.mark_invoiced(*leg, charge, new.series, number).await?;
        }
        Ok(Invoice {
            series: new.series.to_owned(),
            number,
            account: new.account,
            period: new.period.to_owned(),
            issued_at: new.issued_at,
            document,
            sha256,
        })
    }

    async fn mark_invoiced(
        &mut self,
        leg: Uuid,
        charge: &str,
        series: &str,
        number: u64,
    ) -> Result<(), StoreError> {
        let insert = "INSERT INTO invoiced (leg_id, charge, series, number) VALUES (?, ?, ?, ?)";
        let insert = sqlx::query(insert).bind(blob(leg)).bind(charge).bind(series);
        match insert.bind(int(number)).execute(&mut *self.tx).await {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate(&error) => Err(StoreError::Duplicate("an invoiced charge")),
            Err(error) => Err(StoreError::Database(error)),
        }
    }
}

impl Store {
    /// The newest deck of a plan.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn deck(&self, plan: u32) -> Result<Option<Deck>, StoreError> {
        let row =
            sqlx::query("SELECT * FROM rate_deck WHERE plan = ? ORDER BY version DESC LIMIT 1");
        let row = row.bind(plan).fetch_optional(&self.pool).await?;
        row.as_ref().map(deck).transpose()
    }

    /// Every version of every deck.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn decks(&self) -> Result<Vec<Deck>, StoreError> {
        let rows = sqlx::query("SELECT * FROM rate_deck ORDER BY plan, version");
        rows.fetch_all(&self.pool).await?.iter().map(deck).collect()
    }

    /// An issued invoice.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn invoice(&self, series: &str, number: u64) -> Result<Option<Invoice>, StoreError> {
        let row = sqlx::query("SELECT * FROM invoice WHERE series = ? AND number = ?");
        let row = row.bind(series).bind(int(number)).fetch_optional(&self.pool).await?;
        row.as_ref().map(invoice).transpose()
    }

    /// The invoices of an account, in the order of their issue.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn invoices(&self, account: AccountId) -> Result<Vec<Invoice>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM invoice WHERE account_id = ? ORDER BY issued_at, series, number",
        );
        let rows = rows.bind(int(account.0)).fetch_all(&self.pool).await?;
        rows.iter().map(invoice).collect()
    }
}

fn deck(row: &SqliteRow) -> Result<Deck, StoreError> {
    Ok(Deck {
        plan: row.try_get("plan")?,
        version: row.try_get("version")?,
        name: row.try_get("name")?,
        csv: row.try_get("csv")?,
        sha256: hash(row)?,
        added_at: WallTime::from_micros(row.try_get("added_at")?),
    })
}

fn invoice(row: &SqliteRow) -> Result<Invoice, StoreError> {
    Ok(Invoice {
        series: row.try_get("series")?,
        number: unsigned(row, "number")?,
        account: AccountId(unsigned(row, "account_id")?),
        period: row.try_get("period")?,
        issued_at: WallTime::from_micros(row.try_get("issued_at")?),
        document: row.try_get("document")?,
        sha256: hash(row)?,
    })
}

fn hash(row: &SqliteRow) -> Result<[u8; 32], StoreError> {
    let bytes: &[u8] = row.try_get("sha256")?;
    bytes.try_into().map_err(|_| StoreError::Column("sha256"))
}
