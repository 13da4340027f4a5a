//! Fills the store from the journal, each record once however often it is read.
//!
//! Rows and the position in the journal are written in one transaction, with the identity of the
//! journal that the position is one of: another journal is read from its beginning. The same
//! revision with other content is never taken: the first stays, the other is counted and reported
//! as an error.

#[cfg(test)]
mod full;
mod health;
pub(crate) mod reader;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use partyline_model::Uuid;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, SqliteExecutor};
use tokio::sync::watch;

use crate::journal::{Damage, FileDisk, Frames, Position};
use crate::store::{Store, blob, int};
use crate::{JournalError, StoreError};
use health::Watched;
pub use health::{IngestHealth, IngestWatch};
use reader::{Limit, Stretch, Tail};

/// How often the journal is looked at although nobody said that it has grown.
const POLL: Duration = Duration::from_secs(1);
/// How often somebody who waits for the store looks.
const LOOK: Duration = Duration::from_millis(100);

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Records that were new.
    pub added: u64,
    /// Records that were there already, with the same content.
    pub repeated: u64,
    /// Records whose revision was there already with other content; not taken.
    pub conflicts: u64,
    /// Frames that this program cannot read; skipped.
    pub unknown: u64,
    /// Damaged places, skipped to the next good frame.
    pub damaged: Vec<Damage>,
    /// Damaged places of which a start has set a copy aside before.
    pub set_aside: Vec<Damage>,
}

impl Ingested {
    fn add(&mut self, mut other: Self) {
        self.added += other.added;
        self.repeated += other.repeated;
        self.conflicts += other.conflicts;
        self.unknown += other.unknown;
        self.damaged.append(&mut other.damaged);
        self.set_aside.append(&mut other.set_aside);
    }
}

/// The way from one journal to one store.
#[derive(Clone, Debug)]
pub struct Ingest {
    store: Store,
    journal: PathBuf,
    watched: Arc<Watched>,
}

impl Ingest {
    /// Reads the segments in the folder `journal` into `store`.
    pub fn new(store: Store, journal: &Path) -> Self {
        Self { store, journal: journal.to_owned(), watched: Arc::default() }
    }

    /// Shows how the store follows, while [`Ingest::follow`] runs.
    pub fn watch(&self) -> IngestWatch {
        IngestWatch(Arc::clone(&self.watched))
    }

    /// Takes everything up to `limit`, the end of what is durable; up to the end of the files when
    /// there is none, which is right only while nobody writes.
    ///
    /// # Errors
    /// [`JournalError::Foreign`] when the journal is another data folder's;
    /// [`StoreError::Database`] and [`StoreError::Journal`]; what was taken before stays taken.
    pub async fn catch_up(&self, limit: Option<Position>) -> Result<Ingested, StoreError> {
        self.adopt().await?;
        self.drain(Limit { durable: limit, tail: Tail::Final }).await
    }

    async fn drain(&self, limit: Limit) -> Result<Ingested, StoreError> {
        let mut total = Ingested::default();
        while let Some(round) = self.chunk(limit).await? {
            self.watched.count(&round);
            total.add(round);
        }
        Ok(total)
    }

    /// Follows a running journal until it stops. `durable` is that of its handle.
    pub async fn follow(self, mut durable: watch::Receiver<Position>) {
        let mut adopted = false;
        loop {
            let limit = *durable.borrow_and_update();
            self.round(&mut adopted, limit).await;
            // A time-out is the fallback; an error means that the journal has stopped.
            if let Ok(Err(_stopped)) = tokio::time::timeout(POLL, durable.changed()).await {
                let limit = *durable.borrow_and_update();
                self.round(&mut adopted, limit).await;
                return;
            }
        }
    }

    async fn round(&self, adopted: &mut bool, limit: Position) {
        self.watched.reaches_for(limit);
        let done = async {
            if !*adopted {
                self.adopt().await?;
                *adopted = true;
            }
            self.drain(Limit { durable: Some(limit), tail: Tail::Live }).await
        };
        match done.await {
            Ok(_counted) => self.watched.caught_up(limit),
            Err(error) => {
                // Nothing is lost: the journal keeps it, the next round tries again.
                let octets = self.octets_behind(limit).await;
                self.watched.failed(octets, &error);
            }
        }
    }

    /// How far the store is behind `limit`; what was known before when even that cannot be read.
    async fn octets_behind(&self, limit: Position) -> Option<u64> {
        let at = position(&self.store.pool).await.ok()?.at;
        reader::octets(&self.journal, at, Some(limit)).ok()
    }

    /// Makes sure that nothing durable waits in the journal, so that what is reckoned from the
    /// store is whole. Takes it itself when no bridge runs, else waits for the bridge to, at most
    /// for `patience`.
    ///
    /// # Errors
    /// [`StoreError::Lagging`] when records still wait; as [`Ingest::catch_up`].
    pub async fn ensure_caught_up(&self, patience: Duration) -> Result<(), StoreError> {
        let dir = self.journal.clone();
        if self.blocking(move || crate::journal::list(&dir)).await?.is_empty() {
            return Ok(());
        }
        match FileDisk::open(&self.journal) {
            Ok(lock) => {
                self.catch_up(None).await?;
                drop(lock);
                return Ok(());
            }
            Err(JournalError::Locked(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let limit = Limit { durable: None, tail: Tail::Live };
        let waiting = async {
            while self.is_behind(limit).await? {
                tokio::time::sleep(LOOK).await;
            }
            Ok::<_, StoreError>(())
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(done) => done,
            Err(_elapsed) => {
                let at = position(&self.store.pool).await?.at;
                let octets = reader::octets(&self.journal, at, None);
                Err(StoreError::Lagging { octets: octets.map_err(JournalError::io("read"))? })
            }
        }
    }

    async fn is_behind(&self, limit: Limit) -> Result<bool, StoreError> {
        let known = position(&self.store.pool).await?;
        let dir = self.journal.clone();
        let look = move || {
            let other = reader::identity(&dir)?.is_some_and(|id| known.journal != Some(id.journal));
            Ok(other || reader::next(&dir, known.at, limit)?.is_some())
        };
        self.blocking(look).await
    }

    /// Ties the position to the journal that is there; begins anew when it was another's.
    async fn adopt(&self) -> Result<(), StoreError> {
        let dir = self.journal.clone();
        let Some(found) = self.blocking(move || reader::identity(&dir)).await? else {
            return Ok(());
        };
        let folder = self.store.folder;
        if found.folder.0 != 0 && found.folder != folder {
            let foreign = JournalError::Foreign { found: found.folder, expected: folder };
            return Err(foreign.into());
        }
        let known = position(&self.store.pool).await?;
        let dir = self.journal.clone();
        let is_same = known.journal == Some(found.journal);
        let beyond = self.blocking(move || reader::is_beyond(&dir, known.at)).await?;
        if is_same && !beyond {
            return Ok(());
        }
        match known.journal {
            Some(before) if known.at != Position::default() => {
                self.watched.begins_anew();
                tracing::warn!(
                    journal = %found.journal, %before,
                    "the database was filled from another journal: this one is read from its \
                     beginning, and what is known of it is not taken twice"
                );
            }
            None if known.at != Position::default() => {
                tracing::info!(
                    "the version before did not write down which journal filled the database: it \
                     is read once more"
                );
            }
            Some(_) | None => {}
        }
        let mut tx = self.store.write().await?;
        sqlx::query("UPDATE ingest_position SET segment = 0, position = 0, journal = ?")
            .bind(blob(found.journal))
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Takes one chunk; `None` when there is nothing more.
    async fn chunk(&self, limit: Limit) -> Result<Option<Ingested>, StoreError> {
        let at = position(&self.store.pool).await?.at;
        let dir = self.journal.clone();
        let found = self.blocking(move || reader::next(&dir, at, limit)).await?;
        let Some(stretch) = found else { return Ok(None) };
        let mut round = Ingested::default();
        let mut tx = self.store.write().await?;
        let end = match stretch {
            Stretch::Frames(start, bytes) => {
                let mut frames = Frames::new(&bytes);
                for frame in frames.by_ref() {
                    rows::take(&mut tx, &frame.payload, &mut round).await?;
                }
                let consumed = u64::try_from(frames.consumed()).unwrap_or(0);
                Position { offset: start.offset + consumed, ..start }
            }
            Stretch::Damaged(damage, behind, true) => {
                round.set_aside.push(damage);
                behind
            }
            Stretch::Damaged(damage, behind, false) => {
                tracing::error!(%damage, "the journal is damaged; reading goes on behind it");
                round.damaged.push(damage);
                behind
            }
        };
        move_to(&mut tx, end).await?;
        tx.commit().await?;
        Ok(Some(round))
    }

    /// Reads files away from the event loop.
    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = tokio::task::spawn_blocking(read).await;
        // The runtime is shutting down.
        let done = done.unwrap_or_else(|_| Err(std::io::ErrorKind::Interrupted.into()));
        Ok(done.map_err(JournalError::io("read"))?)
    }
}

/// How far which journal has been read.
pub(crate) struct Known {
    pub(crate) at: Position,
    /// `None` in a database that was filled before journals had a name.
    pub(crate) journal: Option<Uuid>,
}

pub(crate) async fn position<'e>(from: impl SqliteExecutor<'e>) -> Result<Known, StoreError> {
    let row = sqlx::query("SELECT segment, position, journal FROM ingest_position");
    let row = row.fetch_one(from).await?;
    let segment: i64 = row.try_get("segment")?;
    let offset: i64 = row.try_get("position")?;
    let journal: Option<Vec<u8>> = row.try_get("journal")?;
    Ok(Known {
        at: Position {
            segment: u32::try_from(segment).map_err(|_| StoreError::Column("segment"))?,
            offset: u64::try_from(offset).map_err(|_| StoreError::Column("position"))?,
        },
        journal: journal.map(|id| crate::store::uuid(&id, "journal")).transpose()?,
    })
}

async fn move_to(tx: &mut SqliteConnection, end: Position) -> Result<(), StoreError> {
    sqlx::query("UPDATE ingest_position SET segment = ?, position = ?")
        .bind(i64::from(end.segment))
        .bind(int(end.offset))
        .execute(tx)
        .await?;
    Ok(())
}
