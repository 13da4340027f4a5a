//! Reading records: lists with filters, one leg's whole story, what billing needs of a month.

use partyline_cdr_record::{ConferenceRecord, FeatureRecord, LegRecord, Record, decode};
use partyline_model::{AccountId, ConferenceId, Number, Uuid, WallTime};
use sqlx::{QueryBuilder, Sqlite};

use crate::StoreError;
use crate::store::{Store, blob, int};

/// Which legs to list. An empty filter lists all, the newest first.
#[derive(Clone, Debug, Default)]
pub struct LegFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this configured conference.
    pub conference: Option<ConferenceId>,
    /// Of this conference session.
    pub session: Option<Uuid>,
    /// From, to or over this number.
    pub number: Option<Number>,
    /// Invited at or after.
    pub from: Option<WallTime>,
    /// Invited before.
    pub to: Option<WallTime>,
    /// At most so many; all when `None`.
    pub limit: Option<u32>,
}

/// A leg's whole story.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// The leg's revisions, the first first.
    pub revisions: Vec<LegRecord>,
    /// The leg's events, in order.
    pub features: Vec<FeatureRecord>,
}

impl Store {
    /// The current revision of the legs that `filter` lets through, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Record`].
    pub async fn legs(&self, filter: &LegFilter) -> Result<Vec<LegRecord>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT body FROM leg WHERE 1 = 1");
        if let Some(account) = filter.account {
            query.push(" AND account_id = ").push_bind(int(account.0));
        }
        if let Some(conference) = filter.conference {
            query.push(" AND conference_id = ").push_bind(int(conference.0));
        }
        if let Some(session) = filter.session {
            query.push(" AND conf_id = ").push_bind(blob(session));
        }
        if let Some(number) = filter.number {
            let number = number.to_string();
            query.push(" AND (ani = ").push_bind(number.clone());
            query.push(" OR dnis = ").push_bind(number.clone());
            query.push(" OR dialed_number = ").push_bind(number).push(")");
        }
        if let Some(from) = filter.from {
            query.push(" AND invited_at >= ").push_bind(from.as_micros());
        }
        if let Some(to) = filter.to {
            query.push(" AND invited_at < ").push_bind(to.as_micros());
        }
        query.push(" ORDER BY invited_at DESC, leg_id DESC");
        if let Some(limit) = filter.limit {
            query.push(" LIMIT ").push_bind(i64::from(limit));
        }
        let bodies = query.build_query_scalar::<Vec<u8>>().fetch_all(&self.pool).await?;
        bodies.iter().map(|body| leg(body)).collect()
    }

    /// The current revision of a leg.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Record`].
    pub async fn leg(&self, id: Uuid) -> Result<Option<LegRecord>, StoreError> {
        let body: Option<Vec<u8>> = sqlx::query_scalar("SELECT body FROM leg WHERE leg_id = ?")
            .bind(blob(id))
            .fetch_optional(&self.pool)
            .await?;
        body.map(|body| leg(&body)).transpose()
    }

    /// Every revision and every event of a leg; both empty when it is unknown.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Record`].
    pub async fn timeline(&self, id: Uuid) -> Result<Timeline, StoreError> {
        let revisions = "SELECT body FROM leg_rev WHERE leg_id = ? ORDER BY rev";
        let revisions: Vec<Vec<u8>> =
            sqlx::query_scalar(revisions).bind(blob(id)).fetch_all(&self.pool).await?;
        let features = "SELECT body FROM feature WHERE leg_id = ? ORDER BY feature_seq";
        let features: Vec<Vec<u8>> =
            sqlx::query_scalar(features).bind(blob(id)).fetch_all(&self.pool).await?;
        Ok(Timeline {
            revisions: revisions.iter().map(|body| leg(body)).collect::<Result<_, _>>()?,
            features: features.iter().map(|body| feature(body)).collect::<Result<_, _>>()?,
        })
    }

    /// The events of a session that no leg did, in order.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Record`].
    pub async fn session_events(&self, session: Uuid) -> Result<Vec<FeatureRecord>, StoreError> {
        let bodies = "SELECT body FROM feature WHERE leg_id = ? ORDER BY feature_seq";
        let bodies: Vec<Vec<u8>> =
            sqlx::query_scalar(bodies).bind(blob(session)).fetch_all(&self.pool).await?;
        bodies.iter().map(|body| feature(body)).collect()
    }

    /// The closed legs of an account that ended in `from..to`, in the order of their end: what an
    /// invoice of that period is made of.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Record`].
    pub async fn closed_legs(
        &self,
        account: AccountId,
        from: WallTime,
        to: WallTime,
    ) -> Result<Vec<LegRecord>, StoreError> {
        let bodies: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT body FROM leg WHERE account_id = ? AND disconnected_at >= ? \
             AND disconnected_at < ? AND state IN ('closed', 'orphan_closed') \
             ORDER BY disconnected_at, leg_id",
        )
        .bind(int(account.0))
        .bind(from.as_micros())
        .bind(to.as_micros())
        .fetch_all(&self.pool)
        .await?;
        bodies.iter().map(|body| leg(body)).collect()
    }

    /// The current revision of the sessions that began in `from..to`, the first first; of one
    /// account or of all.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Record`].
    pub async fn sessions(
        &self,
        account: Option<AccountId>,
        from: WallTime,
        to: WallTime,
    ) -> Result<Vec<ConferenceRecord>, StoreError> {
        let mut query =
            QueryBuilder::<Sqlite>::new("SELECT body FROM session WHERE started_at >= ");
        query.push_bind(from.as_micros()).push(" AND started_at < ").push_bind(to.as_micros());
        if let Some(account) = account {
            query.push(" AND account_id = ").push_bind(int(account.0));
        }
        query.push(" ORDER BY started_at, conf_id");
        let bodies = query.build_query_scalar::<Vec<u8>>().fetch_all(&self.pool).await?;
        bodies.iter().map(|body| session(body)).collect()
    }

    /// The current revision of a session.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Record`].
    pub async fn session(&self, id: Uuid) -> Result<Option<ConferenceRecord>, StoreError> {
        let body: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT body FROM session WHERE conf_id = ?")
                .bind(blob(id))
                .fetch_optional(&self.pool)
                .await?;
        body.map(|body| session(&body)).transpose()
    }

    /// The events of a session, in order.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Record`].
    pub async fn session_features(&self, id: Uuid) -> Result<Vec<FeatureRecord>, StoreError> {
        let bodies: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT body FROM feature WHERE conf_id = ? ORDER BY conf_seq")
                .bind(blob(id))
                .fetch_all(&self.pool)
                .await?;
        bodies.iter().map(|body| feature(body)).collect()
    }
}

fn leg(body: &[u8]) -> Result<LegRecord, StoreError> {
    match decode(body)? {
        Record::Leg(leg) => Ok(*leg),
        Record::Conference(_) | Record::Feature(_) | Record::Tick(_) | Record::Dialog(_) => {
            Err(StoreError::Column("body"))
        }
    }
}

fn session(body: &[u8]) -> Result<ConferenceRecord, StoreError> {
    match decode(body)? {
        Record::Conference(conference) => Ok(*conference),
        Record::Leg(_) | Record::Feature(_) | Record::Tick(_) | Record::Dialog(_) => {
            Err(StoreError::Column("body"))
        }
    }
}

fn feature(body: &[u8]) -> Result<FeatureRecord, StoreError> {
    match decode(body)? {
        Record::Feature(feature) => Ok(*feature),
        Record::Leg(_) | Record::Conference(_) | Record::Tick(_) | Record::Dialog(_) => {
            Err(StoreError::Column("body"))
        }
    }
}
