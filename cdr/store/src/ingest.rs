//! Fills the store from the journal, each record once however often it is read.
//!
//! Rows and the position in the journal are written in one transaction. The same revision with
//! other content is never taken: the first stays, the other is counted and reported as an error.

use std::path::{Path, PathBuf};
use std::time::Duration;

use partyline_cdr_record::{ConferenceRecord, FeatureRecord, LegRecord, Record};
use partyline_model::Number;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, Sqlite, Transaction};
use tokio::sync::watch;

use crate::journal::{Frames, Header, Payload, Position};
use crate::store::{Store, blob, int};
use crate::{JournalError, StoreError};

/// Bytes read at a time; one transaction each.
const CHUNK: u64 = 1 << 20;
/// How often the journal is looked at although nobody said that it has grown.
const POLL: Duration = Duration::from_secs(1);

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Records that were new.
    pub added: u64,
    /// Records that were there already, with the same content.
    pub repeated: u64,
    /// Records whose revision was there already with other content; not taken.
    pub conflicts: u64,
    /// Frames that this program cannot read; skipped.
    pub unknown: u64,
}

impl Ingested {
    fn add(&mut self, other: Self) {
        self.added += other.added;
        self.repeated += other.repeated;
        self.conflicts += other.conflicts;
        self.unknown += other.unknown;
    }
}

/// What became of one record.
enum Taken {
    Added,
    Repeated,
    Conflict,
}

/// The way from one journal to one store.
#[derive(Clone, Debug)]
pub struct Ingest {
    store: Store,
    journal: PathBuf,
}

impl Ingest {
    /// Reads the segments in the folder `journal` into `store`.
    pub fn new(store: Store, journal: &Path) -> Self {
        Self { store, journal: journal.to_owned() }
    }

    /// Takes everything up to `limit`, the end of what is durable; up to the last whole frame when
    /// there is none, which is right only while nobody writes.
    ///
    /// # Errors
    /// [`StoreError::Database`] and [`StoreError::Journal`]; what was taken before stays taken.
    pub async fn catch_up(&self, limit: Option<Position>) -> Result<Ingested, StoreError> {
        let mut total = Ingested::default();
        while let Some(round) = self.chunk(limit).await? {
            total.add(round);
        }
        Ok(total)
    }

    /// Follows a running journal until it stops. `durable` is that of its handle.
    pub async fn follow(self, mut durable: watch::Receiver<Position>) {
        loop {
            let limit = *durable.borrow_and_update();
            if let Err(error) = self.catch_up(Some(limit)).await {
                // Nothing is lost: the journal keeps it, the next round tries again.
                tracing::error!(%error, "records wait in the journal: the store cannot take them");
            }
            // A time-out is the fallback; an error means that the journal has stopped.
            if let Ok(Err(_stopped)) = tokio::time::timeout(POLL, durable.changed()).await {
                let limit = *durable.borrow_and_update();
                if let Err(error) = self.catch_up(Some(limit)).await {
                    tracing::error!(%error, "records wait in the journal for the next start");
                }
                return;
            }
        }
    }

    /// Deletes every record in the store and takes all of them from the journal again.
    ///
    /// # Errors
    /// As [`Ingest::catch_up`].
    pub async fn rebuild(&self, limit: Option<Position>) -> Result<Ingested, StoreError> {
        let mut tx = self.store.write().await?;
        for delete in [
            "DELETE FROM leg",
            "DELETE FROM leg_rev",
            "DELETE FROM session",
            "DELETE FROM conference_rev",
            "DELETE FROM feature",
            "UPDATE ingest_position SET segment = 0, position = 0",
        ] {
            sqlx::query(delete).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        self.catch_up(limit).await
    }

    /// Takes one chunk; `None` when there is nothing more.
    async fn chunk(&self, limit: Option<Position>) -> Result<Option<Ingested>, StoreError> {
        let mut tx = self.store.write().await?;
        let at = position(&mut tx).await?;
        let Some((start, bytes)) = self.read(at, limit).await? else { return Ok(None) };
        let mut round = Ingested::default();
        let mut frames = Frames::new(&bytes);
        for frame in frames.by_ref() {
            take(&mut tx, &frame.payload, &mut round).await?;
        }
        let consumed = u64::try_from(frames.consumed()).unwrap_or(0);
        let end = Position { offset: start.offset + consumed, ..start };
        if end == at {
            return Ok(None);
        }
        sqlx::query("UPDATE ingest_position SET segment = ?, position = ?")
            .bind(i64::from(end.segment))
            .bind(int(end.offset))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Some(round))
    }

    /// Bytes that begin with a frame, and where that is: behind `at`, or at the beginning of a
    /// later segment when `at` is the end of its own.
    async fn read(
        &self,
        at: Position,
        limit: Option<Position>,
    ) -> Result<Option<(Position, Vec<u8>)>, StoreError> {
        let dir = self.journal.clone();
        let found = tokio::task::spawn_blocking(move || next_bytes(&dir, at, limit)).await;
        match found {
            Ok(found) => Ok(found.map_err(JournalError::io("read"))?),
            // The runtime is shutting down.
            Err(_cancelled) => Ok(None),
        }
    }
}

fn next_bytes(
    dir: &Path,
    at: Position,
    limit: Option<Position>,
) -> std::io::Result<Option<(Position, Vec<u8>)>> {
    let segments = crate::journal::list(dir)?;
    for segment in segments.into_iter().filter(|&segment| segment >= at.segment) {
        let durable = match limit {
            Some(limit) if segment > limit.segment => return Ok(None),
            Some(limit) if segment == limit.segment => limit.offset,
            Some(_) | None => u64::MAX,
        };
        let mut start = Position { segment, offset: 0 };
        if segment == at.segment && at.offset > 0 {
            start = at;
        } else {
            let header = crate::journal::read_from(dir, segment, 0, durable.min(CHUNK))?;
            if Header::parse(&header).is_none() {
                continue;
            }
            start.offset = u64::try_from(Header::LEN).unwrap_or(u64::MAX);
        }
        let room = durable.saturating_sub(start.offset).min(CHUNK);
        let bytes = crate::journal::read_from(dir, segment, start.offset, room)?;
        if Frames::new(&bytes).next().is_some() {
            return Ok(Some((start, bytes)));
        }
    }
    Ok(None)
}

async fn position(tx: &mut Transaction<'_, Sqlite>) -> Result<Position, StoreError> {
    let row = sqlx::query("SELECT segment, position FROM ingest_position");
    let row = row.fetch_one(&mut **tx).await?;
    let segment: i64 = row.try_get("segment")?;
    let offset: i64 = row.try_get("position")?;
    Ok(Position {
        segment: u32::try_from(segment).map_err(|_| StoreError::Column("segment"))?,
        offset: u64::try_from(offset).map_err(|_| StoreError::Column("position"))?,
    })
}

async fn take(
    tx: &mut SqliteConnection,
    payload: &Payload<'_>,
    round: &mut Ingested,
) -> Result<(), StoreError> {
    let taken = match payload {
        Payload::Record(Record::Leg(leg), body) => take_leg(tx, leg, body).await?,
        Payload::Record(Record::Conference(conference), body) => {
            take_conference(tx, conference, body).await?
        }
        Payload::Record(Record::Feature(feature), body) => take_feature(tx, feature, body).await?,
        Payload::Record(Record::Tick(_), _) | Payload::Checkpoint => return Ok(()),
        Payload::Unknown(_) => {
            round.unknown += 1;
            return Ok(());
        }
    };
    match taken {
        Taken::Added => round.added += 1,
        Taken::Repeated => round.repeated += 1,
        Taken::Conflict => round.conflicts += 1,
    }
    Ok(())
}

async fn take_leg(
    tx: &mut SqliteConnection,
    leg: &LegRecord,
    body: &[u8],
) -> Result<Taken, StoreError> {
    let id = blob(leg.leg_id);
    let insert = "INSERT INTO leg_rev (leg_id, rev, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
    let inserted = sqlx::query(insert).bind(&id).bind(leg.rev).bind(body).execute(&mut *tx).await?;
    if inserted.rows_affected() == 0 {
        let known = "SELECT body FROM leg_rev WHERE leg_id = ? AND rev = ?";
        let known = sqlx::query_scalar(known).bind(&id).bind(leg.rev).fetch_one(&mut *tx).await?;
        return Ok(compare(known, body, "leg", leg.leg_id));
    }
    let number = |number: Option<Number>| number.map(|number| number.to_string());
    sqlx::query(UPSERT_LEG)
        .bind(id)
        .bind(leg.node_id)
        .bind(blob(leg.boot_id))
        .bind(int(leg.leg_seq))
        .bind(leg.rev)
        .bind(leg.state.as_str())
        .bind(int(leg.tenant_id))
        .bind(leg.account_id.map(|id| int(id.0)))
        .bind(leg.conf_id.map(blob))
        .bind(leg.conference_id.map(|id| int(id.0)))
        .bind(leg.direction.as_str())
        .bind(leg.access_kind.as_str())
        .bind(number(leg.dnis))
        .bind(number(leg.ani))
        .bind(number(leg.dialed_number))
        .bind(leg.invited_at.as_micros())
        .bind(leg.answered_at.map(|at| at.as_micros()))
        .bind(leg.joined_at.map(|at| at.as_micros()))
        .bind(leg.left_at.map(|at| at.as_micros()))
        .bind(leg.disconnected_at.map(|at| at.as_micros()))
        .bind(int(leg.duration_ms))
        .bind(int(leg.conf_ms))
        .bind(leg.q850)
        .bind(leg.sip_status)
        .bind(leg.release_by.map(|by| by.as_str()))
        .bind(leg.close_reason.map(|reason| reason.as_str()))
        .bind(leg.sip_call_id.as_str())
        .bind(leg.reference_number.as_ref().map(|reference| reference.as_str()))
        .bind(body)
        .execute(&mut *tx)
        .await?;
    Ok(Taken::Added)
}

const UPSERT_LEG: &str = "\
    INSERT INTO leg (leg_id, node_id, boot_id, leg_seq, rev, state, tenant_id, account_id, \
        conf_id, conference_id, direction, access_kind, dnis, ani, dialed_number, invited_at, \
        answered_at, joined_at, left_at, disconnected_at, duration_ms, conf_ms, q850, sip_status, \
        release_by, close_reason, sip_call_id, reference, body) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
    ON CONFLICT (leg_id) DO UPDATE SET rev = excluded.rev, state = excluded.state, \
        tenant_id = excluded.tenant_id, account_id = excluded.account_id, \
        conf_id = excluded.conf_id, conference_id = excluded.conference_id, \
        direction = excluded.direction, access_kind = excluded.access_kind, \
        dnis = excluded.dnis, ani = excluded.ani, dialed_number = excluded.dialed_number, \
        invited_at = excluded.invited_at, answered_at = excluded.answered_at, \
        joined_at = excluded.joined_at, left_at = excluded.left_at, \
        disconnected_at = excluded.disconnected_at, duration_ms = excluded.duration_ms, \
        conf_ms = excluded.conf_ms, q850 = excluded.q850, sip_status = excluded.sip_status, \
        release_by = excluded.release_by, close_reason = excluded.close_reason, \
        sip_call_id = excluded.sip_call_id, reference = excluded.reference, body = excluded.body \
    WHERE excluded.rev > leg.rev";

async fn take_conference(
    tx: &mut SqliteConnection,
    conference: &ConferenceRecord,
    body: &[u8],
) -> Result<Taken, StoreError> {
    let (id, rev) = (blob(conference.conf_id), conference.rev);
    let insert =
        "INSERT INTO conference_rev (conf_id, rev, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
    let inserted = sqlx::query(insert).bind(&id).bind(rev).bind(body).execute(&mut *tx).await?;
    if inserted.rows_affected() == 0 {
        let known = "SELECT body FROM conference_rev WHERE conf_id = ? AND rev = ?";
        let known = sqlx::query_scalar(known).bind(&id).bind(rev).fetch_one(&mut *tx).await?;
        return Ok(compare(known, body, "conference", conference.conf_id));
    }
    let upsert = "INSERT INTO session (conf_id, rev, state, account_id, conference_id, \
            started_at, ended_at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
        ON CONFLICT (conf_id) DO UPDATE SET rev = excluded.rev, state = excluded.state, \
            account_id = excluded.account_id, conference_id = excluded.conference_id, \
            started_at = excluded.started_at, ended_at = excluded.ended_at, body = excluded.body \
        WHERE excluded.rev > session.rev";
    sqlx::query(upsert)
        .bind(id)
        .bind(rev)
        .bind(conference.state.as_str())
        .bind(int(conference.account_id.0))
        .bind(int(conference.conference_id.0))
        .bind(conference.started_at.as_micros())
        .bind(conference.ended_at.map(|at| at.as_micros()))
        .bind(body)
        .execute(&mut *tx)
        .await?;
    Ok(Taken::Added)
}

async fn take_feature(
    tx: &mut SqliteConnection,
    feature: &FeatureRecord,
    body: &[u8],
) -> Result<Taken, StoreError> {
    let id = blob(feature.leg_id);
    let insert = "INSERT INTO feature (leg_id, feature_seq, conf_id, conf_seq, at, code, outcome, \
            body) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let inserted = sqlx::query(insert)
        .bind(&id)
        .bind(feature.feature_seq)
        .bind(feature.conf_id.map(blob))
        .bind(int(feature.conf_seq))
        .bind(feature.at.as_micros())
        .bind(feature.code.as_str())
        .bind(feature.outcome.as_str())
        .bind(body)
        .execute(&mut *tx)
        .await?;
    if inserted.rows_affected() > 0 {
        return Ok(Taken::Added);
    }
    let known = "SELECT body FROM feature WHERE leg_id = ? AND feature_seq = ?";
    let known = sqlx::query_scalar(known).bind(&id).bind(feature.feature_seq);
    Ok(compare(known.fetch_one(&mut *tx).await?, body, "feature", feature.leg_id))
}

fn compare(known: Vec<u8>, body: &[u8], kind: &str, id: partyline_model::Uuid) -> Taken {
    if known == body {
        return Taken::Repeated;
    }
    tracing::error!(kind, %id, "a revision came twice with different content; the first stays");
    Taken::Conflict
}
