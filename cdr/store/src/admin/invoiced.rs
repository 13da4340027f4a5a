//! What an invoice is made of: the legs of a month that stand on none yet, the conferences that
//! they were in, and the answered calls that nobody is billed for.

use std::collections::BTreeMap;

use partyline_cdr_record::{ConferenceRecord, LegRecord, Record};
use partyline_model::{AccountId, Uuid, WallTime};
use sqlx::Row;

use super::sound;
use crate::StoreError;
use crate::store::{Store, int, unsigned, uuid};

/// Legs that are in memory at a time.
const PAGE: i64 = 2_000;

/// Answered calls without an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbilled {
    /// How many.
    pub legs: u64,
    /// How long they lasted together, in milliseconds.
    pub duration_ms: u64,
    /// How many of them name an account that the database does not have.
    pub of_unknown: u64,
    /// How many such accounts there are.
    pub unknown_accounts: u64,
    /// The lowest of them, when there is one.
    pub first_unknown: AccountId,
    /// The first of them.
    pub first: Vec<Uuid>,
}

impl Store {
    /// Hands the closed legs of an account that ended in `from..to` and stand on no invoice to
    /// `take`, in the order of their end; how many legs of that time stand on one already.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a leg is not what was written; [`StoreError::Database`],
    /// [`StoreError::Record`], [`StoreError::Column`].
    pub async fn uninvoiced_legs(
        &self,
        account: AccountId,
        from: WallTime,
        to: WallTime,
        mut take: impl FnMut(&LegRecord),
    ) -> Result<u64, StoreError> {
        // One transaction: all pages are of the same moment.
        let mut tx = self.pool.begin().await?;
        let (mut found, mut invoiced) = (0, 0);
        let mut last = (from.as_micros(), Vec::new());
        loop {
            let page = sqlx::query(
                "SELECT leg.body, leg.leg_id, disconnected_at, r.body AS written, \
                    EXISTS (SELECT 1 FROM invoiced i WHERE i.leg_id = leg.leg_id) AS invoiced \
                 FROM leg LEFT JOIN leg_rev r ON r.leg_id = leg.leg_id AND r.rev = leg.rev \
                 WHERE account_id = ? AND disconnected_at < ? \
                    AND (disconnected_at, leg.leg_id) > (?, ?) \
                    AND state IN ('closed', 'orphan_closed') \
                 ORDER BY disconnected_at, leg.leg_id LIMIT ?",
            )
            .bind(int(account.0))
            .bind(to.as_micros())
            .bind(last.0)
            .bind(last.1.clone())
            .bind(PAGE)
            .fetch_all(&mut *tx)
            .await?;
            let Some(end) = page.last() else { break };
            let end = (end.try_get("disconnected_at")?, end.try_get("leg_id")?);
            if end <= last {
                return Err(StoreError::Corrupt("an index of legs is out of order".to_owned()));
            }
            last = end;
            for row in &page {
                found += 1;
                if row.try_get("invoiced")? {
                    invoiced += 1;
                } else {
                    take(&sound::leg(row, account)?);
                }
            }
        }
        sound::ensure_all(&mut tx, account, (from, to), found).await?;
        tx.commit().await?;
        Ok(invoiced)
    }

    /// The conferences that legs of an account were in which ended in `from..to`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when one is not what was written; [`StoreError::Database`],
    /// [`StoreError::Record`].
    pub async fn sessions_of_legs(
        &self,
        account: AccountId,
        from: WallTime,
        to: WallTime,
    ) -> Result<BTreeMap<Uuid, ConferenceRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.conf_id, s.body, r.body AS written FROM session s \
             LEFT JOIN conference_rev r ON r.conf_id = s.conf_id AND r.rev = s.rev \
             WHERE s.conf_id IN (SELECT conf_id FROM leg \
                WHERE account_id = ? AND disconnected_at >= ? AND disconnected_at < ?)",
        )
        .bind(int(account.0))
        .bind(from.as_micros())
        .bind(to.as_micros())
        .fetch_all(&self.pool)
        .await?;
        let mut sessions = BTreeMap::new();
        for row in &rows {
            let id = uuid(row.try_get("conf_id")?, "conf_id")?;
            let Record::Conference(conference) = sound::twice(row, id)? else {
                return Err(StoreError::Column("body"));
            };
            sessions.insert(conference.conf_id, *conference);
        }
        Ok(sessions)
    }

    /// The answered calls that ended in `from..to` and have no account to be billed to: their
    /// callers never gave a passcode that was accepted, or the account is not in the database.
    /// `most` of their ids at most.
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
            "SELECT COUNT(*) AS legs, COALESCE(SUM(duration_ms), 0) AS duration_ms, \
                COUNT(account_id) AS strange, COUNT(DISTINCT account_id) AS accounts, \
                COALESCE(MIN(account_id), 0) AS account FROM leg \
             WHERE (account_id IS NULL OR account_id NOT IN (SELECT id FROM account)) \
             AND disconnected_at >= ? AND disconnected_at < ? \
             AND answered_at IS NOT NULL AND duration_ms > 0",
        );
        let sum = sum.bind(from.as_micros()).bind(to.as_micros()).fetch_one(&self.pool).await?;
        let first = sqlx::query_scalar::<_, Vec<u8>>(
            "SELECT leg_id FROM leg \
             WHERE (account_id IS NULL OR account_id NOT IN (SELECT id FROM account)) \
             AND disconnected_at >= ? AND disconnected_at < ? \
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
            of_unknown: unsigned(&sum, "strange")?,
            unknown_accounts: unsigned(&sum, "accounts")?,
            first_unknown: AccountId(unsigned(&sum, "account")?),
            first: first.collect::<Result<_, StoreError>>()?,
        })
    }
}
