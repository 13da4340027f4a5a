//! Rate decks and issued invoices: kept with their hashes, never changed.

use std::borrow::Cow;

use partyline_model::{AccountId, Uuid, WallTime};
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::change::{Change, is_duplicate, no_account};
use super::sound::unchanged;
use crate::StoreError;
use crate::store::{Store, blob, int, unsigned};

/// Bytes of a file that are kept in one row.
const PART: usize = 256 * 1024;
/// Charges that one statement marks as invoiced.
const BATCH: usize = 200;

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
    /// The file's SHA-256.
    pub sha256: [u8; 32],
    /// When it was added.
    pub added_at: WallTime,
    /// For calls answered from then on.
    pub since: WallTime,
}

/// An invoice to be issued, complete.
#[derive(Clone, Debug)]
pub struct NewInvoice<'a> {
    /// Which numbers it is counted in: `2026`, `CA`.
    pub series: &'a str,
    /// The number that its files print: the next of the series.
    pub number: u64,
    /// Who pays.
    pub account: AccountId,
    /// What it is for: `2026-11`.
    pub period: &'a str,
    /// When.
    pub issued_at: WallTime,
    /// The charges on it: leg and kind of charge.
    pub charges: &'a [(Uuid, Cow<'static, str>)],
    /// The invoice's files by their extension; `json` is the document itself.
    pub files: &'a [(&'static str, Vec<u8>)],
}

/// An issued invoice, without its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Which numbers it is counted in.
    pub series: String,
    /// The invoice's number; a series has no gaps.
    pub number: u64,
    /// Who pays.
    pub account: AccountId,
    /// What it is for.
    pub period: String,
    /// When it was issued.
    pub issued_at: WallTime,
    /// The SHA-256 of its document.
    pub sha256: [u8; 32],
}

impl Change {
    /// Adds the next deck of a plan, for calls answered from now on. The caller has validated
    /// `csv`.
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
        self.add_deck_since(plan, name, csv, now, now).await
    }

    /// As [`Change::add_deck`], for calls answered from `since` on.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_deck_since(
        &mut self,
        plan: u32,
        name: &str,
        csv: &str,
        now: WallTime,
        since: WallTime,
    ) -> Result<Deck, StoreError> {
        let last: Option<u32> =
            sqlx::query_scalar("SELECT MAX(version) FROM rate_deck WHERE plan = ?")
                .bind(plan)
                .fetch_one(&mut *self.tx)
                .await?;
        let sha256: [u8; 32] = Sha256::digest(csv).into();
        let version = last.unwrap_or(0).saturating_add(1);
        sqlx::query(
            "INSERT INTO rate_deck (plan, version, name, csv, sha256, added_at, since) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(plan)
        .bind(version)
        .bind(name)
        .bind(csv)
        .bind(sha256.to_vec())
        .bind(now.as_micros())
        .bind(since.as_micros())
        .execute(&mut *self.tx)
        .await?;
        let (name, csv) = (name.to_owned(), csv.to_owned());
        let deck = Deck { plan, version, name, csv, sha256, added_at: now, since };
        self.notes.deck(last, &deck);
        Ok(deck)
    }

    /// Issues an invoice under the number that its files were made with.
    ///
    /// # Errors
    /// [`StoreError::Number`] when another took that number: the files are to be made again;
    /// [`StoreError::Duplicate`] when one of its charges stands on another invoice already;
    /// [`StoreError::NotFound`] for its account, [`StoreError::Database`].
    pub async fn issue_invoice(&mut self, new: &NewInvoice<'_>) -> Result<Invoice, StoreError> {
        let next = next_number(&mut self.tx, new.series).await?;
        if next != new.number {
            return Err(StoreError::Number { next });
        }
        let document = new.files.iter().find(|(name, _)| *name == "json");
        let document = document.map_or(&[][..], |(_, bytes)| bytes);
        let sha256: [u8; 32] = Sha256::digest(document).into();
        let inserted = sqlx::query(
            "INSERT INTO invoice (series, number, account_id, period, issued_at, sha256) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(new.series)
        .bind(int(new.number))
        .bind(int(new.account.0))
        .bind(new.period)
        .bind(new.issued_at.as_micros())
        .bind(sha256.to_vec())
        .execute(&mut *self.tx)
        .await;
        inserted.map_err(|error| no_account(error, Some(new.account)))?;
        for charges in new.charges.chunks(BATCH) {
            self.mark_invoiced(charges, new).await?;
        }
        for (name, bytes) in new.files {
            self.keep_file(new, name, bytes).await?;
        }
        self.notes.invoice(new, &sha256);
        Ok(Invoice {
            series: new.series.to_owned(),
            number: new.number,
            account: new.account,
            period: new.period.to_owned(),
            issued_at: new.issued_at,
            sha256,
        })
    }

    async fn mark_invoiced(
        &mut self,
        charges: &[(Uuid, Cow<'static, str>)],
        on: &NewInvoice<'_>,
    ) -> Result<(), StoreError> {
        let mut insert =
            QueryBuilder::<Sqlite>::new("INSERT INTO invoiced (leg_id, charge, series, number) ");
        insert.push_values(charges, |mut row, (leg, charge)| {
            row.push_bind(blob(*leg)).push_bind(charge.as_ref());
            row.push_bind(on.series).push_bind(int(on.number));
        });
        match insert.build().execute(&mut *self.tx).await {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate(&error) => Err(StoreError::Duplicate("an invoiced charge")),
            Err(error) => Err(StoreError::Database(error)),
        }
    }

    async fn keep_file(
        &mut self,
        of: &NewInvoice<'_>,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let insert = "INSERT INTO invoice_file (series, number, name, length, sha256) \
            VALUES (?, ?, ?, ?, ?)";
        let file = sqlx::query(insert)
            .bind(of.series)
            .bind(int(of.number))
            .bind(name)
            .bind(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
            .bind(sha256.to_vec())
            .execute(&mut *self.tx)
            .await?
            .last_insert_rowid();
        for (part, bytes) in (0_i64..).zip(bytes.chunks(PART)) {
            sqlx::query("INSERT INTO invoice_part (file, part, bytes) VALUES (?, ?, ?)")
                .bind(file)
                .bind(part)
                .bind(bytes)
                .execute(&mut *self.tx)
                .await?;
        }
        Ok(())
    }
}

async fn next_number(
    connection: &mut sqlx::sqlite::SqliteConnection,
    series: &str,
) -> Result<u64, StoreError> {
    let next = "SELECT COALESCE(MAX(number), 0) + 1 AS number FROM invoice WHERE series = ?";
    unsigned(&sqlx::query(next).bind(series).fetch_one(connection).await?, "number")
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

    /// The last number of each series that invoices were issued in.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn last_invoices(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = sqlx::query("SELECT series, max(number) AS number FROM invoice GROUP BY series");
        let rows = rows.fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((row.try_get("series")?, unsigned(row, "number")?))).collect()
    }

    /// The number that the next invoice of a series would have now; only issuing it settles that.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn next_invoice_number(&self, series: &str) -> Result<u64, StoreError> {
        next_number(&mut *self.pool.acquire().await?, series).await
    }

    /// The bytes of a file of an issued invoice, as they were issued; `None` when there is no such
    /// file, as of invoices that a version issued which kept the document only.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they do not have the SHA-256 that was kept with them;
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn invoice_file(
        &self,
        series: &str,
        number: u64,
        name: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let file = sqlx::query(
            "SELECT id, length, sha256 FROM invoice_file \
             WHERE series = ? AND number = ? AND name = ?",
        );
        let file = file.bind(series).bind(int(number)).bind(name);
        let Some(file) = file.fetch_optional(&self.pool).await? else { return Ok(None) };
        let id: i64 = file.try_get("id")?;
        let length = usize::try_from(unsigned(&file, "length")?).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        for part in 0_i64.. {
            if bytes.len() >= length {
                break;
            }
            let part = sqlx::query_scalar::<_, Vec<u8>>(
                "SELECT bytes FROM invoice_part WHERE file = ? AND part = ?",
            )
            .bind(id)
            .bind(part);
            match part.fetch_optional(&self.pool).await? {
                Some(mut part) => bytes.append(&mut part),
                None => break,
            }
        }
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if digest == hash(&file)? { Ok(Some(bytes)) } else { Err(StoreError::Damaged) }
    }
}

fn deck(row: &SqliteRow) -> Result<Deck, StoreError> {
    unchanged(Deck {
        plan: row.try_get("plan")?,
        version: row.try_get("version")?,
        name: row.try_get("name")?,
        csv: row.try_get("csv")?,
        sha256: hash(row)?,
        added_at: WallTime::from_micros(row.try_get("added_at")?),
        since: WallTime::from_micros(match row.try_get("since")? {
            Some(since) => since,
            None => row.try_get("added_at")?,
        }),
    })
}

fn invoice(row: &SqliteRow) -> Result<Invoice, StoreError> {
    Ok(Invoice {
        series: row.try_get("series")?,
        number: unsigned(row, "number")?,
        account: AccountId(unsigned(row, "account_id")?),
        period: row.try_get("period")?,
        issued_at: WallTime::from_micros(row.try_get("issued_at")?),
        sha256: hash(row)?,
    })
}

fn hash(row: &SqliteRow) -> Result<[u8; 32], StoreError> {
    let bytes: &[u8] = row.try_get("sha256")?;
    bytes.try_into().map_err(|_| StoreError::Column("sha256"))
}
