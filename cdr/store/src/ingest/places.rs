//! What of a journal is not in the database, kept there: whoever reckons from it must know.

use std::fmt;

use partyline_model::{Uuid, WallTime};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::StoreError;
use crate::journal::Position;
use crate::store::{Store, blob, int, parsed, unsigned, uuid};

/// Why something is not in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Octets of the journal are damaged.
    Damaged,
    /// Segments are missing.
    Missing,
    /// A record is of a kind or form that this program does not know.
    Unknown,
    /// A revision came twice with different content; the first was taken.
    Conflict,
    /// Another journal took the place of this one, whose end was perhaps never read.
    Left,
}

impl Lack {
    const ALL: [Self; 5] =
        [Self::Damaged, Self::Missing, Self::Unknown, Self::Conflict, Self::Left];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Conflict => "conflict",
            Self::Left => "left",
        }
    }
}

impl std::str::FromStr for Lack {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|lack| lack.as_str() == text).ok_or(())
    }
}

/// A place of a journal whose records are not in the database, or not all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The journal.
    pub journal: Uuid,
    /// Where the place begins.
    pub at: Position,
    /// Why it is one.
    pub lack: Lack,
    /// Octets; of missing segments how many they are.
    pub extent: u64,
    /// What was written there is of this time or later.
    pub since: WallTime,
    /// What was written there is of this time or earlier.
    pub until: WallTime,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { journal, at: Position { segment, offset }, extent, .. } = self;
        match self.lack {
            Lack::Damaged => {
                write!(f, "segment {segment:08}.plj, offset {offset}: {extent} octets are damaged")
            }
            Lack::Missing => write!(f, "{}", Gap { first: *segment, count: *extent }),
            Lack::Unknown => write!(
                f,
                "segment {segment:08}.plj, offset {offset}: a record that this version cannot read"
            ),
            Lack::Conflict => write!(
                f,
                "segment {segment:08}.plj, offset {offset}: a record that was known with other \
                 content, which stays"
            ),
            Lack::Left => write!(
                f,
                "journal {journal} was exchanged for another after it had been read to segment \
                 {segment:08}.plj, offset {offset}: what it has behind that is not known"
            ),
        }
    }
}

/// Segments that are missing though there are later ones: no program removes any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first of them.
    pub first: u32,
    /// How many they are.
    pub count: u64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, count } = self;
        match count {
            1 => write!(f, "segment {first:08}.plj is missing"),
            _ => write!(
                f,
                "segments {first:08}.plj to {:08}.plj are missing",
                u64::from(*first) + count - 1
            ),
        }
    }
}

pub(super) async fn note(tx: &mut SqliteConnection, place: &Place) -> Result<(), StoreError> {
    let insert = "INSERT INTO journal_place \
        (journal, segment, position, lack, extent, since, until) VALUES (?, ?, ?, ?, ?, ?, ?) \
        ON CONFLICT DO UPDATE SET extent = excluded.extent, until = excluded.until";
    sqlx::query(insert)
        .bind(blob(place.journal))
        .bind(place.at.segment)
        .bind(int(place.at.offset))
        .bind(place.lack.as_str())
        .bind(int(place.extent))
        .bind(place.since.as_micros())
        .bind(place.until.as_micros())
        .execute(tx)
        .await?;
    Ok(())
}

/// Forgets the places of a journal that is read from its beginning: those that are left are noted
/// again.
pub(super) async fn forget(tx: &mut SqliteConnection, journal: Uuid) -> Result<(), StoreError> {
    let delete = sqlx::query("DELETE FROM journal_place WHERE journal = ?");
    delete.bind(blob(journal)).execute(tx).await?;
    Ok(())
}

impl Store {
    /// The places of journals with records of `from..to` that are not in the database.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn places(&self, from: WallTime, to: WallTime) -> Result<Vec<Place>, StoreError> {
        let rows = "SELECT * FROM journal_place WHERE since < ? AND until >= ? \
            ORDER BY since, journal, segment, position";
        let rows = sqlx::query(rows).bind(to.as_micros()).bind(from.as_micros());
        rows.fetch_all(&self.pool).await?.iter().map(place).collect()
    }

    /// How many places of journals are not in the database.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn count_places(&self) -> Result<u64, StoreError> {
        let count = sqlx::query("SELECT count(*) AS places FROM journal_place");
        unsigned(&count.fetch_one(&self.pool).await?, "places")
    }
}

fn place(row: &SqliteRow) -> Result<Place, StoreError> {
    let segment = unsigned(row, "segment")?;
    Ok(Place {
        journal: uuid(row.try_get("journal")?, "journal")?,
        at: Position {
            segment: u32::try_from(segment).map_err(|_| StoreError::Column("segment"))?,
            offset: unsigned(row, "position")?,
        },
        lack: parsed(row, "lack")?,
        extent: unsigned(row, "extent")?,
        since: WallTime::from_micros(row.try_get("since")?),
        until: WallTime::from_micros(row.try_get("until")?),
    })
}
