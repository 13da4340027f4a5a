//! What an invoice is made of: the legs of a month that stand on none yet, the conferences that
//! they were in, and the answered calls that nobody is billed for.

use std::collections::BTreeMap;

use partyline_cdr_record::{ConferenceRecord, LegRecord, Record, decode};
use partyline_model::{AccountId, Uuid, WallTime};
use sqlx::Row;

use crate::StoreError;
use crate::store::{Store, int, unsigned};

/// Legs that are in memory at a time.
const PAGE: i64 = 2_000;

/// Answered calls without an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unbilled {
    /// How many.
    pub legs: u64,
    /// How long they lasted together, in milliseconds.
    pub duration_ms: u64,
    /// The first of them.
    pub first: Vec<Uuid>,
}

impl Store {
    /// Hands the closed legs of an account that ended in `from..to` and stand on no invoice to
    /// `take`, in the order of their end; how many legs of that time stand on one already.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Record`], [`StoreError::Column`].
    pub async fn uninvoiced_legs(
        &self,
        account: AccountId,
        from: WallTime,
        to: WallTime,
        mut take: impl FnMut(&LegRecord),
    ) -> Result<u64, StoreError> {
        // One transaction: all pages are of the same moment.
        let mut tx = self.pool.begin().await?;
        let (mut invoiced, mut last) = (0, (from.as_micros(), Vec::new()));
        loop {
            let page = sqlx::query(
                "SELECT body, leg_id, disconnected_at, \
                    EXISTS (SELECT 1 FROM invoiced i WHERE i.leg_id = leg.leg_id) AS invoiced \
                 FROM leg WHERE account_id = ? AND disconnected_at < ? \
                    AND (disconnected_at, leg_id) > (?, ?) \
                    AND state IN ('closed', 'orphan_closed') \
                 ORDER BY disconnected_at, leg_id LIMIT ?",
            )
            .bind(int(account.0))
            .bind(to.as_micros())
            .bind(last.0)
            .bind(last.1)
            .bind(PAGE)
            .fetch_all(&mut *tx)
            .await?;
            let Some(end) = page.last() else { break };
            last = (end.try_get("disconnected_at")?, end.try_get("leg_id")?);
            for row in &page {
                if row.try_get("invoiced")? {
                    invoiced += 1;
                } else if let Record::Leg(leg) = decode(row.try_get("body")?)? {
                    take(&leg);
                } else {
                    return Err(StoreError::Column("body"));
                }
            }
        }
        tx.commit().await?;
        Ok(invoiced)
    }

    /// The conferences that legs of an account were in which ended in `from..to`.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Record`].
    pub async fn sessions_of_legs(
        &self,
        account: AccountId,
        from: WallTime,
        to: WallTime,
    ) -> Result<BTreeMap<Uuid, ConferenceRecord>, StoreError> {
        let bodies: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT body FROM session WHERE conf_id IN (SELECT conf_id FROM leg \
             WHERE account_id = ? AND disconnected_at >= ? AND disconnected_at < ?)",
        )
        .bind(int(account.0))
        .bind(from.as_micros())
        .bind(to.as_micros())
        .fetch_all(&self.pool)
        .await?;
        let mut sessions = BTreeMap::new();
        for body in bodies {
            let Record::Conference(conference) = decode(&body)? else {
                return Err(StoreError::Column("body"));
            };
            sessions.insert(conference.conf_id, *conference);
        }
        Ok(sessions)
    }

    /// The answered calls that ended in `from..to` and have no account to be billed to: their
    /// callers never gave a passcode that was accepted. `most` of their ids at most.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn unbilled(
        &self,
        from: WallTime,
        to: WallTime,
        most: u32,
    ) -> Result<Unbilled, StoreError> {
        let sum = sqlx::query(
            "SELECT COUNT(*) AS legs, COALESCE(SUM(duration_ms), 0) AS duration_ms FROM leg \
             WHERE account_id IS NULL AND disconnected_at >= ? AND disconnected_at < ? \
             AND answered_at IS NOT NULL AND duration_ms > 0",
        );
        let sum = sum.bind(from.as_micros()).bind(to.as_micros()).fetch_one(&self.pool).await?;
        let first = sqlx::query_scalar::<_, Vec<u8>>(
            "SELECT leg_id FROM leg \
             WHERE account_id IS NULL AND disconnected_at >= ? AND disconnected_at < ? \
             AND answered_at IS NOT NULL AND duration_ms > 0 \
             ORDER BY disconnected_at, leg_id LIMIT ?",
        );
        let first = first.bind(from.as_micros()).bind(to.as_micros()).bind(most);
        let first = first.fetch_all(&self.pool).await?.into_iter().map(|id| {
            let id = id.try_into().map_err(|_| StoreError::Column("leg_id"))?;
            Ok(Uuid(u128::from_be_bytes(id)))
        });
        Ok(Unbilled {
            legs: unsigned(&sum, "legs")?,
            duration_ms: unsigned(&sum, "duration_ms")?,
            first: first.collect::<Result<_, StoreError>>()?,
        })
    }
}
