//! Rows from records: each once, and never one that was there with other content.

use partyline_cdr_record::{ConferenceRecord, FeatureRecord, LegRecord, Record};
use partyline_model::Number;
use sqlx::sqlite::SqliteConnection;

use super::{Ingested, Lack};
use crate::StoreError;
use crate::journal::Payload;
use crate::store::{blob, int};

/// What became of one record.
enum Taken {
    Added,
    Repeated,
    Conflict,
}

/// Takes one frame into the database and counts it in `round`; why, when it was not taken.
pub(super) async fn take(
    tx: &mut SqliteConnection,
    payload: &Payload<'_>,
    round: &mut Ingested,
) -> Result<Option<Lack>, StoreError> {
    let taken = match payload {
        Payload::Record(Record::Leg(leg), body) => take_leg(tx, leg, body).await?,
        Payload::Record(Record::Conference(conference), body) => {
            take_conference(tx, conference, body).await?
        }
        Payload::Record(Record::Feature(feature), body) => take_feature(tx, feature, body).await?,
        Payload::Record(Record::Tick(_) | Record::Dialog(_), _)
        | Payload::Checkpoint
        | Payload::Identity(_) => return Ok(None),
        Payload::Unknown(_) => {
            round.unknown += 1;
            return Ok(Some(Lack::Unknown));
        }
    };
    match taken {
        Taken::Added => round.added += 1,
        Taken::Repeated => round.repeated += 1,
        Taken::Conflict => {
            round.conflicts += 1;
            return Ok(Some(Lack::Conflict));
        }
    }
    Ok(None)
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
