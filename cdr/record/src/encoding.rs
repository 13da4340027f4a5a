//! How records become bytes: schema, kind, then the fields in a fixed order.
//!
//! A later schema only appends fields to a record or a block. A reader ignores what it does not
//! know at the end, so that an older program reads newer records; a field appended in schema `n`
//! is given its default when the record's schema is lower. Framing, checksums and files are the
//! store's.

use std::fmt;

use crate::bytes::{Field, Reader, put_block};
use crate::{
    AccessCode, Actor, ConferenceRecord, DialogRecord, FeatureDetail, FeatureRecord, LegRecord,
    Quality, Record, Tick,
};

/// The schema this program writes.
pub const SCHEMA: u16 = 2;

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end too early.
    Truncated,
    /// There is no such schema: it is zero.
    Schema,
    /// A kind of record that this program does not know.
    Kind(u8),
    /// A value outside its range.
    Value,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the record ends too early"),
            Self::Schema => f.write_str("the record has no schema"),
            Self::Kind(kind) => write!(f, "unknown kind of record: {kind}"),
            Self::Value => f.write_str("a value of the record is out of range"),
        }
    }
}

impl std::error::Error for DecodeError {}

const LEG: u8 = 1;
const CONFERENCE: u8 = 2;
const FEATURE: u8 = 3;
const TICK: u8 = 4;
const DIALOG: u8 = 5;

/// Appends `record` in the form of [`SCHEMA`]; a leg takes about 300 bytes.
pub fn encode(record: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(&SCHEMA.to_le_bytes());
    match record {
        Record::Leg(leg) => {
            out.push(LEG);
            leg.put(out);
        }
        Record::Conference(conference) => {
            out.push(CONFERENCE);
            conference.put(out);
        }
        Record::Feature(feature) if feature.code.is_about_a_secret() => {
            out.push(FEATURE);
            FeatureRecord { detail: FeatureDetail::None, ..(**feature).clone() }.put(out);
        }
        Record::Feature(feature) => {
            out.push(FEATURE);
            feature.put(out);
        }
        Record::Tick(tick) => {
            out.push(TICK);
            tick.put(out);
        }
        Record::Dialog(dialog) => {
            out.push(DIALOG);
            dialog.put(out);
        }
    }
}

/// Reads one record of any schema; bytes behind its last known field are ignored.
///
/// # Errors
/// [`DecodeError`] when the bytes are not a record. It never panics.
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let Some(([schema_low, schema_high, kind], body)) = bytes.split_first_chunk::<3>() else {
        return Err(DecodeError::Truncated);
    };
    let schema = u16::from_le_bytes([*schema_low, *schema_high]);
    if schema == 0 {
        return Err(DecodeError::Schema);
    }
    let from = &mut Reader::new(schema, body);
    match *kind {
        LEG => LegRecord::take(from).map(|leg| Record::Leg(Box::new(leg))),
        CONFERENCE => ConferenceRecord::take(from).map(|c| Record::Conference(Box::new(c))),
        FEATURE => FeatureRecord::take(from).map(|f| Record::Feature(Box::new(f))),
        TICK => Tick::take(from).map(Record::Tick),
        DIALOG => DialogRecord::take(from).map(|d| Record::Dialog(Box::new(d))),
        unknown => Err(DecodeError::Kind(unknown)),
    }
}

/// The order of the fields on disk; those behind a number were appended in that schema, with what they are in an earlier one. `take` names
/// every field of the struct, so one that is forgotten here does not compile.
macro_rules! layout {
    ($($ty:ident { $($field:ident,)+ $([$schema:literal] $($later:ident = $before:expr,)+)* })+) => {$(
        impl Field for $ty {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)+
                $($(self.$later.put(out);)+)*
            }

            fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self {
                    $($field: Field::take(from)?,)+
                    $($($later: from.since($schema, $before)?,)+)*
                })
            }
        }
    )+};
}

/// As [`layout`], for a part of a record: a block, which may grow in a later schema.
macro_rules! block_layout {
    ($($ty:ident { $($field:ident,)+ })+) => {$(
        impl Field for $ty {
            fn put(&self, out: &mut Vec<u8>) {
                put_block(out, |block| { $(self.$field.put(block);)+ });
            }

            fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let block = &mut from.block()?;
                Ok(Self { $($field: Field::take(block)?,)+ })
            }
        }
    )+};
}

layout! {
    LegRecord {
        leg_id, node_id, boot_id, leg_seq, rev, state, tenant_id, account_id, conf_id,
        conference_id, direction, dnis, dnis_raw, access_kind, ani, ani_presentation, ani_attest,
        dialed_number, dialed_raw, dialout_kind, dialout_by_leg, access_codes, access_code_role,
        auth_method, auth_failures, invited_at, ringing_at, answered_at, joined_at, left_at,
        disconnected_at, duration_ms, conf_ms, hold_ms, breakout_ms, lobby_ms, clock_skew_ms,
        tz_offset_min, q850, sip_status, release_by, close_reason, trunk_in, trunk_out, carrier_id,
        sip_call_id, from_tag, to_tag, icid, quality, reference_number, reference_source,
        rate_context, flags, region,
    }
    ConferenceRecord {
        conf_id, node_id, boot_id, rev, state, tenant_id, account_id, conference_id, name,
        host_leg, started_at, ended_at, mono_ms, peak_legs, leg_count, leg_ms_total, recording_ms,
        recording_ref, reference_number, reference_source, reference_set_at, reference_set_by,
        security_used, ended_by, close_reason,
    }
    FeatureRecord {
        leg_id, feature_seq, conf_id, conf_seq, at, mono_offset_ms, code, pattern, outcome, denied,
        target_leg, detail, billable,
        [2] actor = Actor::Leg, actor_id = None, role = None,
    }
    Tick { boot_id, mono, wall, open_legs, open_xor, max_leg_seq, }
    DialogRecord {
        leg_id, told, call_id, local, remote, cseq, target, routes, peer, interface,
    }
}

block_layout! {
    AccessCode { passcode, role, mask, at, }
    Quality { codec, ptime_ms, rx_packets, tx_packets, lost, jitter_p95_ms, mos_x100, }
}

const NOTHING: u8 = 0;
const COUNT: u8 = 1;
const REFERENCE: u8 = 2;
const NUMBER: u8 = 3;
const STATUS: u8 = 4;
const MILLIS: u8 = 5;
const MODE: u8 = 6;
const ANNOUNCE: u8 = 7;
const ROOM: u8 = 8;

impl Field for FeatureDetail {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::None => out.push(NOTHING),
            Self::Count(count) => {
                out.push(COUNT);
                count.put(out);
            }
            Self::Reference { value, previous } => {
                out.push(REFERENCE);
                value.put(out);
                previous.put(out);
            }
            Self::Number(number) => {
                out.push(NUMBER);
                number.put(out);
            }
            Self::Status(status) => {
                out.push(STATUS);
                status.put(out);
            }
            Self::Millis(millis) => {
                out.push(MILLIS);
                millis.put(out);
            }
            Self::Mode { from, to } => {
                out.push(MODE);
                from.put(out);
                to.put(out);
            }
            Self::Announce(mode) => {
                out.push(ANNOUNCE);
                mode.put(out);
            }
            Self::Room(room) => {
                out.push(ROOM);
                room.put(out);
            }
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::take(from)? {
            NOTHING => Ok(Self::None),
            COUNT => Field::take(from).map(Self::Count),
            REFERENCE => {
                Ok(Self::Reference { value: Field::take(from)?, previous: Field::take(from)? })
            }
            NUMBER => Field::take(from).map(Self::Number),
            STATUS => Field::take(from).map(Self::Status),
            MILLIS => Field::take(from).map(Self::Millis),
            MODE => Ok(Self::Mode { from: Field::take(from)?, to: Field::take(from)? }),
            ANNOUNCE => Field::take(from).map(Self::Announce),
            ROOM => Field::take(from).map(Self::Room),
            _ => Err(DecodeError::Value),
        }
    }
}
