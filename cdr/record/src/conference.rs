//! The record of one conference session, from the first join to the last leave.

use partyline_model::{AccountId, ConferenceId, Uuid, WallTime};

use crate::names::named;
use crate::{CloseReason, Origin, Reference, ReferenceSource, ReleaseBy, Text};

named! {
    /// Where a conference session is in its life.
    ConferenceState {
        /// Somebody is in it.
        Open = 0 "open",
        /// Over; the record is complete.
        Closed = 2 "closed",
        /// Closed by recovery after a crash, at the last sign of life.
        OrphanClosed = 3 "orphan_closed",
    }
}

/// One revision of a conference session's record.
#[derive(Clone, Debug, PartialEq)]
pub struct ConferenceRecord {
    /// The session, version 7.
    pub conf_id: Uuid,
    /// The node that held it.
    pub node_id: u32,
    /// The run of that node.
    pub boot_id: Uuid,
    /// 0 open, 1 and on interim or closed.
    pub rev: u16,
    /// Where it is in its life.
    pub state: ConferenceState,
    /// The tenant, 0 on a bridge with one.
    pub tenant_id: u64,
    /// Who pays.
    pub account_id: AccountId,
    /// The configured conference.
    pub conference_id: ConferenceId,
    /// Its name when the session began.
    pub name: Text<128>,
    /// The first moderator's leg.
    pub host_leg: Option<Uuid>,
    /// The first join.
    pub started_at: WallTime,
    /// The last leave.
    pub ended_at: Option<WallTime>,
    /// From first join to last leave on the monotonic clock.
    pub mono_ms: u64,
    /// Most legs at one time.
    pub peak_legs: u32,
    /// Legs that joined, each once.
    pub leg_count: u32,
    /// Sum of the legs' time in conference.
    pub leg_ms_total: u64,
    /// Length of what was recorded.
    pub recording_ms: u64,
    /// File name of the recording.
    pub recording_ref: Option<Text<128>>,
    /// The reference number, copied to legs without one of their own at export.
    pub reference_number: Option<Reference>,
    /// Where that came from.
    pub reference_source: ReferenceSource,
    /// When the reference number was set.
    pub reference_set_at: Option<WallTime>,
    /// The leg that set it.
    pub reference_set_by: Option<Uuid>,
    /// Whether a security passcode was asked for at any time. Nothing more is kept of it.
    pub security_used: bool,
    /// Who ended it.
    pub ended_by: Option<ReleaseBy>,
    /// Why the session ended.
    pub close_reason: Option<CloseReason>,
}

impl ConferenceRecord {
    /// Revision 0: a session of `conference_id` that began at `started_at`.
    pub fn open(
        origin: Origin,
        conf_id: Uuid,
        account_id: AccountId,
        conference_id: ConferenceId,
        started_at: WallTime,
    ) -> Self {
        Self {
            conf_id,
            node_id: origin.node_id,
            boot_id: origin.boot_id,
            rev: 0,
            state: ConferenceState::Open,
            tenant_id: 0,
            account_id,
            conference_id,
            name: Text::default(),
            host_leg: None,
            started_at,
            ended_at: None,
            mono_ms: 0,
            peak_legs: 0,
            leg_count: 0,
            leg_ms_total: 0,
            recording_ms: 0,
            recording_ref: None,
            reference_number: None,
            reference_source: ReferenceSource::None,
            reference_set_at: None,
            reference_set_by: None,
            security_used: false,
            ended_by: None,
            close_reason: None,
        }
    }

    /// Whether the session is over.
    pub const fn is_closed(&self) -> bool {
        match self.state {
            ConferenceState::Open => false,
            ConferenceState::Closed | ConferenceState::OrphanClosed => true,
        }
    }
}
