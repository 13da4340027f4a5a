//! Call detail records: what is written about a leg, a conference session and each feature used,
//! and the bytes it is written as.
//!
//! Values only: no file, no clock, no price. Records are kept by `partyline-cdr-store` and made by
//! `partyline-conference`. The security passcode has no field here, in any form.

#![forbid(unsafe_code)]

mod bytes;
mod cause;
mod conference;
mod dialog;
mod encoding;
mod feature;
mod leg;
mod names;
mod text;

pub use cause::{
    CallFailure, CloseReason, NORMAL_CLEARING, ReleaseBy, StatusCode, TEMPORARY_FAILURE,
    q850_from_sip, sip_from_q850,
};
pub use conference::{ConferenceRecord, ConferenceState};
pub use dialog::DialogRecord;
pub use encoding::{DecodeError, SCHEMA, decode, encode};
pub use feature::{
    Actor, AnnounceMode, DenyReason, FeatureCode, FeatureDetail, FeatureRecord, Outcome, Pattern,
    TalkMode,
};
pub use leg::{
    AccessCode, AccessKind, Attestation, AuthMethod, DialogNames, DialoutKind, Direction, Flags,
    LegRecord, LegState, Origin, Presentation, Quality, ReferenceSource, Region, role_from_name,
    role_name,
};
pub use names::UnknownName;
pub use text::{Reference, ReferenceError, Text};

use partyline_model::{Time, Uuid, WallTime};

/// A sign of life of a node: what was open, and that it was still running.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// The run of the node.
    pub boot_id: Uuid,
    /// Its monotonic clock.
    pub mono: Time,
    /// Its wall clock.
    pub wall: WallTime,
    /// Legs whose last revision is not closed.
    pub open_legs: u32,
    /// Exclusive or of their ids.
    pub open_xor: Uuid,
    /// The highest `leg_seq` so far.
    pub max_leg_seq: u64,
}

/// Anything the journal keeps.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// One revision of a leg.
    Leg(Box<LegRecord>),
    /// One revision of a conference session.
    Conference(Box<ConferenceRecord>),
    /// One event.
    Feature(Box<FeatureRecord>),
    /// The signalling of an answered leg; for the journal only.
    Dialog(Box<DialogRecord>),
    /// A sign of life.
    Tick(Tick),
}
