//! The records of the database filled from the journal anew, and a database that was lost.
//!
//! The new records are gathered in a file beside the database. They take the place of the old ones
//! in one transaction, and only when nothing is lost by it or the caller accepts what is. A lost
//! database is made in such a file too and gets its name as the last step. Whatever stops either
//! before, everything is as it was.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use partyline_model::Uuid;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::StoreError;
use crate::folder::{FolderParts, at, has_content, sync_folder};
use crate::ingest::{Ingest, Ingested, reader};
use crate::journal::{FileDisk, list};
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
    /// Records of all kinds that the journal does not have; the others differ.
    pub missing: u64,
}

impl Lacking {
    /// Whether the journal has every record of the database, and some with other content. Its
    /// frames have checksums: when none came twice, the database has changed.
    pub fn is_change(&self) -> bool {
        self.missing == 0 && self.legs == 0 && !self.is_nothing()
    }

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
    let done = rebuild_beside(store, &beside, journal, loss).await;
    remove(&beside)?;
    done
}

async fn rebuild_beside(
    store: &Store,
    beside: &Path,
    journal: &Path,
    loss: Loss,
) -> Result<Rebuilt, StoreError> {
    let new = Store::open_scratch(beside, Some(store.folder())).await?;
    let ingested = Ingest::new(new.clone(), journal).catch_up(None).await;
    new.close().await;
    let ingested = ingested?;
    let (lacking, replaced) = exchange(store, beside, loss).await?;
    Ok(Rebuilt { ingested, lacking, replaced })
}

/// A database that was made in the place of a lost one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// What was read in the journal.
    pub ingested: Ingested,
    /// The number of the next account: behind all that the records name.
    pub next_account: u64,
}

/// Makes the database of a folder that has lost it from the journal; `None` when there is one.
/// Nobody else can open it before it is filled and its numbers are behind those of the records.
///
/// # Errors
/// [`crate::JournalError::Locked`] while a bridge runs; [`StoreError::NothingLeft`] when there is
/// nothing to make it from; as [`FolderParts::ensure_usable`] and [`rebuild`]. There is no database then.
pub async fn replace_lost_database(parts: &FolderParts) -> Result<Option<Replaced>, StoreError> {
    let FolderParts { database, journal, .. } = parts;
    if has_content(database) {
        return Ok(None);
    }
    if list(journal).map_err(at(journal))?.is_empty() {
        let (database, journal) = (database.clone(), journal.clone());
        return Err(StoreError::NothingLeft { database, journal });
    }
    // Held until the end: nobody appends meanwhile, and nobody else makes a database.
    let lock = FileDisk::open(journal)?;
    if has_content(database) {
        return Ok(None);
    }
    let known = parts.known()?;
    let found = reader::identity(journal).map_err(at(journal))?.map(|found| found.folder);
    let folder = known.map(|known| known.folder).or(found.filter(|folder| folder.0 != 0));
    let beside = database.with_extension("new");
    remove(&beside)?;
    let made = make_beside(&beside, folder, journal).await;
    let named = made.and_then(|made| give_name(&beside, database).map(|()| made));
    if named.is_err() {
        remove(&beside)?;
    }
    drop(lock);
    named.map(Some)
}

async fn make_beside(
    beside: &Path,
    folder: Option<Uuid>,
    journal: &Path,
) -> Result<Replaced, StoreError> {
    let new = Store::open_scratch(beside, folder).await?;
    let filled = async {
        let ingested = Ingest::new(new.clone(), journal).catch_up(None).await?;
        Ok(Replaced { ingested, next_account: new.next_account().await? })
    };
    let filled = filled.await;
    new.close().await;
    filled
}

/// Makes the database at `beside` durable and puts it where `database` was. What the lost one has
/// left of its log goes aside: it would be taken for the new one's.
fn give_name(beside: &Path, database: &Path) -> Result<(), StoreError> {
    File::open(beside).and_then(|file| file.sync_all()).map_err(at(beside))?;
    for suffix in ["-wal", "-shm", "-journal"] {
        let left = with_suffix(database, suffix);
        match fs::rename(&left, with_suffix(&left, ".lost")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&left)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(beside, database).map_err(at(database))?;
    sync_folder(database).map_err(at(database))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
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
        missing: unsigned(&row, "missing")?,
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
    // What a journal that was left may have had is not in this one.
    for statement in [
        "DELETE FROM main.journal_place WHERE lack <> 'left'",
        "INSERT INTO main.journal_place SELECT * FROM rebuilt.journal_place WHERE true \
            ON CONFLICT DO NOTHING",
    ] {
        sqlx::query(statement).execute(&mut *tx).await?;
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
            AND n.feature_seq = o.feature_seq AND n.body = o.body)) AS features, \
    (SELECT count(*) FROM main.leg_rev o WHERE NOT EXISTS \
        (SELECT 1 FROM rebuilt.leg_rev n WHERE n.leg_id = o.leg_id AND n.rev = o.rev)) + \
    (SELECT count(*) FROM main.conference_rev o WHERE NOT EXISTS \
        (SELECT 1 FROM rebuilt.conference_rev n WHERE n.conf_id = o.conf_id AND n.rev = o.rev)) + \
    (SELECT count(*) FROM main.feature o WHERE NOT EXISTS \
        (SELECT 1 FROM rebuilt.feature n WHERE n.leg_id = o.leg_id \
            AND n.feature_seq = o.feature_seq)) AS missing";

/// Removes a database that nobody has open.
fn remove(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let path = with_suffix(path, suffix);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::Io { path, source });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
