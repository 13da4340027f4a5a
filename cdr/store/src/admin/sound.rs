//! Whether what an invoice is reckoned from is what was written: a bit that flipped on a disk must
//! stop it, never change it.
//!
//! Every leg and session is in the database twice, in its current form and as each revision came;
//! the columns by which legs are found say what the record says; as many are found as there are. Not
//! covered: names, plans and currencies of accounts.

use partyline_cdr_record::{LegRecord, LegState, Record, decode};
use partyline_model::{AccountId, Uuid, WallTime};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::money::Deck;
use crate::StoreError;
use crate::store::{Store, int, unsigned, uuid};

/// Tables that are small enough to be checked whole each time.
const CHECKED: [&str; 5] = ["account", "rate_deck", "invoice", "invoiced", "session"];

impl Store {
    /// Makes sure that the tables beside the legs hold together, and that no leg is overlooked for
    /// a state that there is not.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when not; [`StoreError::Database`].
    pub async fn ensure_sound(&self) -> Result<(), StoreError> {
        for table in CHECKED {
            let check = sqlx::query_scalar("SELECT integrity_check FROM pragma_integrity_check(?)");
            let said: Vec<String> = check.bind(table).fetch_all(&self.pool).await?;
            if said != ["ok"] {
                return Err(StoreError::Corrupt(format!("table {table}: {}", said.join("; "))));
            }
        }
        let states = LegState::ALL.iter().map(|state| format!("'{}'", state.as_str()));
        let states = states.collect::<Vec<_>>().join(", ");
        let count = format!(
            "SELECT count(*) AS strange FROM leg \
            WHERE coalesce(state, '') NOT IN ({states})"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(count)).fetch_one(&self.pool).await?;
        match unsigned(&row, "strange")? {
            0 => Ok(()),
            strange => Err(StoreError::Corrupt(format!("{strange} legs have no known state"))),
        }
    }
}

/// Makes sure that `found` are all closed legs of an account that ended in `from..to`. Whatever
/// leads to a leg may be damaged: the index counts as many as the table, where every leg is looked
/// at, and each was found by way of both.
pub(super) async fn ensure_all(
    connection: &mut SqliteConnection,
    account: AccountId,
    (from, to): (WallTime, WallTime),
    found: u64,
) -> Result<(), StoreError> {
    // A plus keeps SQLite from looking into the index.
    let row = sqlx::query(
        "SELECT count(*) AS legs, (SELECT count(*) FROM leg INDEXED BY leg_by_end \
            WHERE account_id = ?1 AND disconnected_at >= ?2 AND disconnected_at < ?3) AS indexed, \
            count(CASE WHEN state IN ('closed', 'orphan_closed') THEN 1 END) AS closed \
         FROM leg \
         WHERE +account_id = ?1 AND +disconnected_at >= ?2 AND +disconnected_at < ?3",
    );
    let row = row.bind(int(account.0)).bind(from.as_micros()).bind(to.as_micros());
    let row = row.fetch_one(connection).await?;
    let (legs, indexed) = (unsigned(&row, "legs")?, unsigned(&row, "indexed")?);
    let closed = unsigned(&row, "closed")?;
    if legs == indexed && closed == found {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!(
        "of an account's {legs} legs of a time its index has {indexed}; of {closed} that ended, \
         {found} are found"
    )))
}

/// The leg in a row with `leg_id`, `disconnected_at`, `body` and the same revision as it was
/// `written`, of an account.
pub(super) fn leg(row: &SqliteRow, account: AccountId) -> Result<LegRecord, StoreError> {
    let id = uuid(row.try_get("leg_id")?, "leg_id")?;
    let Record::Leg(leg) = twice(row, id)? else { return Err(contradiction(id)) };
    let ended: i64 = row.try_get("disconnected_at")?;
    let is_same = leg.leg_id == id
        && leg.account_id == Some(account)
        && leg.disconnected_at == Some(WallTime::from_micros(ended))
        && leg.is_closed();
    if is_same { Ok(*leg) } else { Err(contradiction(id)) }
}

/// The record in a row with `body` and the same revision as it was `written`.
pub(super) fn twice(row: &SqliteRow, id: Uuid) -> Result<Record, StoreError> {
    let (body, written): (&[u8], Option<&[u8]>) = (row.try_get("body")?, row.try_get("written")?);
    if written == Some(body) { Ok(decode(body)?) } else { Err(contradiction(id)) }
}

/// Makes sure that a deck is the file that was read.
pub(super) fn unchanged(deck: Deck) -> Result<Deck, StoreError> {
    let sha256: [u8; 32] = Sha256::digest(&deck.csv).into();
    if sha256 == deck.sha256 {
        return Ok(deck);
    }
    let Deck { name, version, .. } = deck;
    Err(StoreError::Corrupt(format!("version {version} of deck {name:?} is not what was added")))
}

fn contradiction(id: Uuid) -> StoreError {
    StoreError::Corrupt(format!("record {id} is there in two forms"))
}
