//! The records of the database filled from the journal anew.
//!
//! The new records are gathered in a file beside the database. They take the place of the old ones
//! in one transaction, and only when nothing is lost by it or the caller accepts what is. Whatever
//! stops it before, the old records are there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use partyline_cdr_record::Record;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};

use crate::StoreError;
use crate::ingest::{Ingest, Ingested};
use crate::journal::list;
use crate::store::{Store, unsigned};

/// What the journal says less or otherwise than the database did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// Legs that the journal does not know at all.
    pub legs: u64,
    /// Legs whose current revision differs.
    pub changed_legs: u64,
    /// Revisions of legs that are missing or differ.
    pub leg_revisions: u64,
    /// Revisions of conference sessions that are missing or differ.
    pub conference_revisions: u64,
    /// Events that are missing or differ.
    pub features: u64,
}

impl Lacking {
    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What a rebuild did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// What was read in the journal.
    pub ingested: Ingested,
    /// What the database had and the journal has not.
    pub lacking: Lacking,
    /// Whether the new records took the place of the old.
    pub replaced: bool,
}

/// Whether records may become fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The old records stay when any of them is not in the journal as it is.
    Refused,
    /// The old records go, whatever becomes of them.
    Accepted,
}

/// Tables of records, each with what tells a row and its content.
const TABLES: [&str; 5] = ["leg", "leg_rev", "session", "conference_rev", "feature"];

/// Fills the records of `store`, whose file is `database`, from the segments in `journal`, while
/// nobody writes either.
///
/// # Errors
/// [`StoreError::NoJournal`], [`StoreError::Journal`], [`StoreError::Database`],
/// [`StoreError::Io`]; the old records stay.
pub async fn rebuild(
    store: &Store,
    database: &Path,
    journal: &Path,
    loss: Loss,
) -> Result<Rebuilt, StoreError> {
    let segments = list(journal);
    let io = |source| StoreError::Io { path: journal.to_owned(), source };
    if segments.map_err(io)?.is_empty() {
        return Err(StoreError::NoJournal(journal.to_owned()));
    }
    let beside = database.with_extension("rebuilt");
    remove(&beside)?;
    let new = Store::open_scratch(&beside, store.folder()).await?;
    let ingested = Ingest::new(new.clone(), journal).catch_up(None).await;
    new.close().await;
    let done =
        match ingested {
            Ok(ingested) => exchange(store, &beside, loss)
                .await
                .map(|(lacking, replaced)| Rebuilt { ingested, lacking, replaced }),
            Err(error) => Err(error),
        };
    remove(&beside)?;
    done
}

/// Compares and replaces in one transaction.
async fn exchange(store: &Store, beside: &Path, loss: Loss) -> Result<(Lacking, bool), StoreError> {
    // A connection of its own: it goes with what is attached to it.
    let mut connection = store.pool.acquire().await?.detach();
    let done = exchange_on(&mut connection, beside, loss).await;
    connection.close().await?;
    done
}

async fn exchange_on(
    connection: &mut SqliteConnection,
    beside: &Path,
    loss: Loss,
) -> Result<(Lacking, bool), StoreError> {
    let path = beside.to_str().ok_or_else(|| StoreError::Io {
        path: beside.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidFilename, "the path is not UTF-8"),
    })?;
    sqlx::query("ATTACH DATABASE ? AS rebuilt").bind(path).execute(&mut *connection).await?;
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    let row = sqlx::query(LACKING).fetch_one(&mut *tx).await?;
    let lacking = Lacking {
        legs: unsigned(&row, "legs")?,
        changed_legs: unsigned(&row, "changed_legs")?,
        leg_revisions: unsigned(&row, "leg_revisions")?,
        conference_revisions: unsigned(&row, "conference_revisions")?,
        features: unsigned(&row, "features")?,
    };
    if !lacking.is_nothing() && loss == Loss::Refused {
        tx.rollback().await?;
        return Ok((lacking, false));
    }
    for table in TABLES {
        let delete = format!("DELETE FROM main.{table}");
        let insert = format!("INSERT INTO main.{table} SELECT * FROM rebuilt.{table}");
        for statement in [delete, insert] {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *tx).await?;
        }
    }
    let position = "UPDATE main.ingest_position SET (segment, position, journal) = \
                    (SELECT segment, position, journal FROM rebuilt.ingest_position)";
    sqlx::query(position).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok((lacking, true))
}

const LACKING: &str = "SELECT \
    (SELECT count(*) FROM main.leg o WHERE NOT EXISTS \
        (SELECT 1 FROM rebuilt.leg n WHERE n.leg_id = o.leg_id)) AS legs, \
    (SELECT count(*) FROM main.leg o JOIN rebuilt.leg n ON n.leg_id = o.leg_id \
        WHERE n.rev < o.rev OR (n.rev = o.rev AND n.body <> o.body)) AS changed_legs, \
    (SELECT count(*) FROM main.leg_rev o WHERE NOT EXISTS \
        (SELECT 1 FROM rebuilt.leg_rev n WHERE n.leg_id = o.leg_id AND n.rev = o.rev \
            AND n.body = o.body)) AS leg_revisions, \
    (SELECT count(*) FROM main.conference_rev o WHERE NOT EXISTS \
        (SELECT 1 FROM rebuilt.conference_rev n WHERE n.conf_id = o.conf_id AND n.rev = o.rev \
            AND n.body = o.body)) AS conference_revisions, \
    (SELECT count(*) FROM main.feature o WHERE NOT EXISTS \
        (SELECT 1 FROM rebuilt.feature n WHERE n.leg_id = o.leg_id \
            AND n.feature_seq = o.feature_seq AND n.body = o.body)) AS features";

/// Removes a database that nobody has open.
fn remove(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let path = PathBuf::from(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::Io { path, source });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

impl Store {
    /// Numbers new accounts, conferences and passcodes behind those that the records name, so that
    /// a database made from a journal gives no old number to somebody else; the first account
    /// number that is free.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Record`].
    pub async fn number_behind_records(&self) -> Result<u64, StoreError> {
        let mut passcodes = 0;
        let mut after = Vec::new();
        loop {
            let page = "SELECT leg_id, body FROM leg WHERE leg_id > ? ORDER BY leg_id LIMIT 1000";
            let rows = sqlx::query(page).bind(&after).fetch_all(&self.pool).await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get("leg_id")?;
            for row in &rows {
                let body: Vec<u8> = row.try_get("body")?;
                if let Record::Leg(leg) = partyline_cdr_record::decode(&body)? {
                    let highest = leg.access_codes.iter().map(|code| code.passcode.0).max();
                    passcodes = highest.unwrap_or_default().max(passcodes);
                }
            }
        }
        let mut tx = self.write().await?;
        let highest = "SELECT max(coalesce((SELECT max(account_id) FROM leg), 0), \
                coalesce((SELECT max(account_id) FROM session), 0)) AS accounts, \
            max(coalesce((SELECT max(conference_id) FROM leg), 0), \
                coalesce((SELECT max(conference_id) FROM session), 0)) AS conferences";
        let highest = sqlx::query(highest).fetch_one(&mut *tx).await?;
        let accounts = unsigned(&highest, "accounts")?;
        let conferences = unsigned(&highest, "conferences")?;
        for (table, highest) in
            [("account", accounts), ("conference", conferences), ("passcode", passcodes)]
        {
            for statement in [
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0 \
                 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
                "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1",
            ] {
                let highest = crate::store::int(highest);
                sqlx::query(statement).bind(table).bind(highest).execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        Ok(accounts + 1)
    }
}
