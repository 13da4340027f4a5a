//! Fills the store from the journal, each record once however often it is read.
//!
//! Rows and the position in the journal are written in one transaction, with the identity of the
//! journal that the position is one of: another journal is read from its beginning. The same
//! revision with other content is never taken: the first stays, the other is counted and reported
//! as an error.

#[cfg(test)]
mod full;
mod health;
mod numbers;
mod places;
pub(crate) mod reader;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use partyline_model::{Uuid, WallTime};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, SqliteExecutor};
use tokio::sync::watch;

use crate::journal::{Clock as _, Damage, FileDisk, Frames, Payload, Position, SystemClock};
use crate::store::{Store, blob, int};
use crate::{JournalError, StoreError};
use health::Watched;
pub use health::{IngestHealth, IngestWatch};
use numbers::Highest;
pub use places::{Gap, Lack, Place};
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
    /// Segments that are missing.
    pub missing: Vec<Gap>,
}

impl Ingested {
    /// Whether something of the journal was not taken.
    pub fn lacks(&self) -> bool {
        let Self { damaged, set_aside, missing, .. } = self;
        let lists = damaged.len() + set_aside.len() + missing.len();
        lists > 0 || self.unknown > 0 || self.conflicts > 0
    }

    fn add(&mut self, mut other: Self) {
        self.added += other.added;
        self.repeated += other.repeated;
        self.conflicts += other.conflicts;
        self.unknown += other.unknown;
        self.damaged.append(&mut other.damaged);
        self.set_aside.append(&mut other.set_aside);
        self.missing.append(&mut other.missing);
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
        let first = !*adopted;
        let done = async {
            if first {
                self.adopt().await?;
                *adopted = true;
            }
            self.store.ensure_in_place()?;
            let done = self.drain(Limit { durable: Some(limit), tail: Tail::Live }).await?;
            if first || done.lacks() {
                self.watched.places(self.store.count_places().await?);
            }
            if position(&self.store.pool).await?.at < limit {
                return Err(JournalError::Gone(self.journal.clone()).into());
            }
            Ok::<_, StoreError>(())
        };
        match done.await {
            Ok(()) => self.watched.caught_up(limit),
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
    /// [`StoreError::Lagging`] when records still wait; [`JournalError::Gone`] when there is no
    /// journal and there was one; as [`Ingest::catch_up`].
    pub async fn ensure_caught_up(&self, patience: Duration) -> Result<(), StoreError> {
        if self.is_empty().await? {
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

    /// Whether the journal holds whole records that the store has not taken.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Journal`].
    pub async fn has_more(&self) -> Result<bool, StoreError> {
        self.is_behind(Limit { durable: None, tail: Tail::Live }).await
    }

    /// Whether there is no journal yet; one that was read must be there.
    async fn is_empty(&self) -> Result<bool, StoreError> {
        let dir = self.journal.clone();
        if !self.blocking(move || crate::journal::list(&dir)).await?.is_empty() {
            return Ok(false);
        }
        match position(&self.store.pool).await?.at == Position::default() {
            true => Ok(true),
            false => Err(JournalError::Gone(self.journal.clone()).into()),
        }
    }

    async fn is_behind(&self, limit: Limit) -> Result<bool, StoreError> {
        if self.is_empty().await? {
            return Ok(false);
        }
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
        places::forget(&mut tx, found.journal).await?;
        if let Some(before) = known.journal.filter(|_| known.at != Position::default()) {
            places::note(&mut tx, &self.left(before, known.at).await?).await?;
        }
        sqlx::query("UPDATE ingest_position SET segment = 0, position = 0, journal = ?")
            .bind(blob(found.journal))
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// The end of a journal that was exchanged for the one that is there.
    async fn left(&self, journal: Uuid, at: Position) -> Result<Place, StoreError> {
        let newest = "SELECT coalesce(max(invited_at), 0) FROM leg";
        let newest: i64 = sqlx::query_scalar(newest).fetch_one(&self.store.pool).await?;
        let dir = self.journal.clone();
        let begun = self.blocking(move || reader::begun_behind(&dir, 0)).await?;
        let (_, now) = SystemClock::new().now();
        let since = WallTime::from_micros(newest);
        let until = begun.filter(|&begun| begun > since).unwrap_or(now);
        Ok(Place { journal, at, lack: Lack::Left, extent: 0, since, until })
    }

    /// Takes one chunk; `None` when there is nothing more.
    async fn chunk(&self, limit: Limit) -> Result<Option<Ingested>, StoreError> {
        let known = position(&self.store.pool).await?;
        let dir = self.journal.clone();
        let found = self.blocking(move || reader::next(&dir, known.at, limit)).await?;
        let Some(stretch) = found else { return Ok(None) };
        let (mut round, mut lacks) = (Ingested::default(), Vec::new());
        let mut tx = self.store.write().await?;
        let end = match stretch {
            Stretch::Frames(start, bytes) => {
                let (mut frames, mut highest) = (Frames::new(&bytes), Highest::default());
                let mut begin = start;
                for frame in frames.by_ref() {
                    if let Payload::Record(record, _) = &frame.payload {
                        highest.note(record);
                    }
                    let end = start.offset + u64::try_from(frame.end).unwrap_or(0);
                    let lack = rows::take(&mut tx, &frame.payload, &mut round).await?;
                    lacks.extend(lack.map(|lack| (lack, begin, end - begin.offset)));
                    begin.offset = end;
                }
                highest.lift(&mut tx).await?;
                begin
            }
            Stretch::Damaged(damage, behind, harm) => {
                let Damage { segment, offset, octets } = damage;
                if !harm.torn {
                    lacks.push((Lack::Damaged, Position { segment, offset }, octets));
                }
                if harm.set_aside {
                    round.set_aside.push(damage);
                } else {
                    tracing::error!(%damage, "the journal is damaged; reading goes on behind it");
                    round.damaged.push(damage);
                }
                behind
            }
            Stretch::Missing(gap, behind) => {
                tracing::error!("{gap} in the journal; reading goes on behind it");
                lacks.push((Lack::Missing, Position { segment: gap.first, offset: 0 }, gap.count));
                round.missing.push(gap);
                behind
            }
        };
        for (lack, at, extent) in lacks {
            places::note(&mut tx, &self.place(known.journal, lack, at, extent).await?).await?;
        }
        move_to(&mut tx, end).await?;
        tx.commit().await?;
        Ok(Some(round))
    }

    /// A place whose records are not in the database, with the time that they are of.
    async fn place(
        &self,
        journal: Option<Uuid>,
        lack: Lack,
        at: Position,
        extent: u64,
    ) -> Result<Place, StoreError> {
        let last = match lack {
            Lack::Missing => u32::try_from(extent).map_or(u32::MAX, |count| at.segment + count - 1),
            Lack::Damaged | Lack::Unknown | Lack::Conflict | Lack::Left => at.segment,
        };
        let dir = self.journal.clone();
        let times = move || {
            Ok((reader::begun_before(&dir, at.segment)?, reader::begun_behind(&dir, last)?))
        };
        let (since, until) = self.blocking(times).await?;
        let (_, now) = SystemClock::new().now();
        Ok(Place {
            journal: journal.unwrap_or(Uuid(0)),
            at,
            lack,
            extent,
            since: since.unwrap_or_default(),
            until: until.unwrap_or(now),
        })
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
