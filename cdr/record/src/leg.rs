//! The record of one leg: one SIP dialog or telephone call, in or out, answered or not.
//!
//! Fields keep their order: it is that of the bytes. Stamps are wall-clock UTC; durations are differences
//! of the monotonic clock and are never computed from the stamps.

use partyline_model::{AccountId, ConferenceId, Number, PasscodeId, Role, Uuid, WallTime};

use crate::names::named;
use crate::{CloseReason, Reference, ReleaseBy, StatusCode, Text};

named! {
    /// Where a leg is in its life.
    LegState {
        /// Invited, not answered.
        Open = 0 "open",
        /// Answered, and still up.
        Answered = 1 "answered",
        /// Over; the record is complete.
        Closed = 2 "closed",
        /// Closed by recovery after a crash, at the last sign of life.
        OrphanClosed = 3 "orphan_closed",
    }

    /// Who called whom.
    Direction {
        /// The far end called the bridge.
        In = 0 "in",
        /// The bridge called the far end.
        Out = 1 "out",
    }

    /// How the leg reached the bridge; decides which bridge price applies.
    AccessKind {
        /// A geographic number.
        Local = 0 "local",
        /// A toll-free number of the bridge's country.
        TollFree = 1 "toll_free",
        /// A toll-free number of another country.
        IntlTollFree = 2 "intl_toll_free",
        /// SIP without a telephone number.
        Sip = 3 "sip",
        /// A browser.
        Webrtc = 4 "webrtc",
        /// The bridge called.
        Dialout = 5 "dialout",
    }

    /// Whether the caller's number may be shown (RFC 3323, RFC 3325).
    Presentation {
        /// The number may be shown.
        Allowed = 0 "allowed",
        /// The number is known and billed, but withheld from the moderator.
        Restricted = 1 "restricted",
        /// There is no number.
        Unavailable = 2 "unavailable",
    }

    /// STIR/SHAKEN attestation of the caller's number (RFC 8588 §4).
    Attestation {
        /// Full attestation.
        Full = 0 "A",
        /// Partial attestation.
        Partial = 1 "B",
        /// Gateway attestation.
        Gateway = 2 "C",
        /// Nobody signed it.
        None = 3 "none",
        /// The number is signed, and the signature is worth nothing.
        Invalid = 4 "invalid",
        /// The number is signed, and the certificate was not had before the end.
        Unchecked = 5 "unchecked",
    }

    /// On whose request the bridge called out.
    DialoutKind {
        /// Nobody's: the leg came in.
        None = 0 "none",
        /// An operator's, at a customer's request.
        Operator = 1 "operator",
        /// A moderator's, with `*1`.
        ModeratorStar = 2 "moderator_star",
        /// A program's.
        Api = 3 "api",
        /// A list called at once.
        Blast = 4 "blast",
        /// A moderator's, by his telephone (REFER).
        ModeratorRefer = 5 "moderator_refer",
    }

    /// How the leg proved that it may join. Says that a second factor was used, and nothing of it.
    AuthMethod {
        /// The leg did not.
        None = 0 "none",
        /// By a conference passcode.
        Code = 1 "code",
        /// By a conference passcode and the conference's security passcode.
        CodeAndSecurity = 2 "code+security",
        /// By an operator.
        Operator = 3 "operator",
        /// By its number, registered before.
        PreauthAni = 4 "preauth_ani",
        /// By another leg, in whose place or beside which it came.
        OtherLeg = 5 "other_leg",
    }

    /// Where a reference number came from.
    ReferenceSource {
        /// There is none.
        None = 0 "none",
        /// Asked for on joining.
        Join = 1 "join",
        /// `*91`.
        StarCode = 2 "star_code",
        /// The link in the summary mail.
        EmailLink = 3 "email_link",
        /// The portal.
        Portal = 4 "portal",
        /// The account's standing one.
        Default = 5 "default",
        /// A program, or an operator's command.
        Api = 6 "api",
    }

    /// Where the record may be stored.
    Region {
        /// Canada.
        Canada = 0 "ca",
        /// The United States.
        UnitedStates = 1 "us",
        /// The European Union.
        EuropeanUnion = 2 "eu",
    }
}

/// The name of a role in records: `host`, `participant` or `listen_only`.
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Moderator => "host",
        Role::Participant => "participant",
        Role::Listener => "listen_only",
    }
}

/// The role with this name in records.
pub fn role_from_name(name: &str) -> Option<Role> {
    [Role::Moderator, Role::Participant, Role::Listener].into_iter().find(|&r| role_name(r) == name)
}

/// One conference passcode that a leg entered and that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessCode {
    /// The immutable version of the passcode, not the passcode.
    pub passcode: PasscodeId,
    /// The role that the passcode gave the leg.
    pub role: Role,
    /// What an invoice may print of it; the last two digits at most, and none of a code under
    /// 8 digits.
    pub mask: Text<12>,
    /// When the passcode was accepted.
    pub at: WallTime,
}

/// What the media plane measured over the leg's life.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// The codec in its SDP spelling, `PCMU`.
    pub codec: Text<16>,
    /// Packet time in milliseconds.
    pub ptime_ms: u16,
    /// RTP packets received.
    pub rx_packets: u64,
    /// RTP packets sent.
    pub tx_packets: u64,
    /// RTP packets that never came (RFC 3550 §6.4.1, cumulative).
    pub lost: u64,
    /// 95th percentile of the interarrival jitter in milliseconds.
    pub jitter_p95_ms: u32,
    /// Estimated mean opinion score times 100, 100 to 500.
    pub mos_x100: Option<u16>,
}

/// Marks of a record that change how it is used, not what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u32);

impl Flags {
    /// A test call: never invoiced.
    pub const TEST: Self = Self(1);
    /// A call of the operator's own staff.
    pub const INTERNAL: Self = Self(1 << 1);
    /// Free of charge by contract.
    pub const FREE: Self = Self(1 << 2);
    /// No use beyond storage (a dispute is open).
    pub const RESTRICTED: Self = Self(1 << 3);
    /// Must not be deleted.
    pub const LEGAL_HOLD: Self = Self(1 << 4);
    /// Sold to a reseller.
    pub const WHOLESALE: Self = Self(1 << 5);
    /// The wall clock was off by more than a second.
    pub const CLOCK_SUSPECT: Self = Self(1 << 6);

    /// Whether every mark of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// `self` with the marks of `other` too.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Which run of which node made a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The node's number from its configuration.
    pub node_id: u32,
    /// Drawn at each start of the node.
    pub boot_id: Uuid,
}

/// What the SIP dialog of a leg is called, to reconcile its record with a carrier's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialogNames {
    /// Call-ID.
    pub sip_call_id: String,
    /// From tag.
    pub from_tag: String,
    /// To tag.
    pub to_tag: String,
}

/// One revision of a leg's record. The current one is that with the highest `rev`.
#[derive(Clone, Debug, PartialEq)]
pub struct LegRecord {
    /// The leg, version 7; the business key.
    pub leg_id: Uuid,
    /// The node that had the leg.
    pub node_id: u32,
    /// The run of that node.
    pub boot_id: Uuid,
    /// Counts the legs of a run from 1 without gaps; a missing one is a lost record.
    pub leg_seq: u64,
    /// 0 open, 1 answered, 2 and on interim or closed.
    pub rev: u16,
    /// Where the leg is in its life.
    pub state: LegState,
    /// The tenant, 0 on a bridge with one.
    pub tenant_id: u64,
    /// Who pays; unknown until the leg has entered a passcode.
    pub account_id: Option<AccountId>,
    /// The conference session the leg joined last.
    pub conf_id: Option<Uuid>,
    /// The configured conference of that session.
    pub conference_id: Option<ConferenceId>,
    /// Who called whom.
    pub direction: Direction,
    /// The number that was dialled to reach the bridge.
    pub dnis: Option<Number>,
    /// The called party as signalled.
    pub dnis_raw: Text<64>,
    /// How the leg reached the bridge.
    pub access_kind: AccessKind,
    /// The caller's number.
    pub ani: Option<Number>,
    /// Whether the caller's number may be shown.
    pub ani_presentation: Presentation,
    /// How far the originating carrier vouches for it, and of a call out how far we do; unknown
    /// where nobody looked.
    pub ani_attest: Option<Attestation>,
    /// The number the bridge dialled.
    pub dialed_number: Option<Number>,
    /// The dialled number as it was asked for.
    pub dialed_raw: Text<64>,
    /// On whose request the leg was dialled.
    pub dialout_kind: DialoutKind,
    /// The leg that asked.
    pub dialout_by_leg: Option<Uuid>,
    /// The passcodes accepted, in order.
    pub access_codes: Vec<AccessCode>,
    /// The role that the last passcode gave the leg.
    pub access_code_role: Option<Role>,
    /// How the leg proved that it may join.
    pub auth_method: AuthMethod,
    /// How many passcodes were refused. A count only: a wrong entry is often the right secret at
    /// the wrong prompt.
    pub auth_failures: u8,
    /// When the INVITE came or went.
    pub invited_at: WallTime,
    /// When the callee rang (180 or 183).
    pub ringing_at: Option<WallTime>,
    /// When the 200 OK went or came: the start of billing.
    pub answered_at: Option<WallTime>,
    /// When the leg first heard the conference.
    pub joined_at: Option<WallTime>,
    /// When the leg last left the conference.
    pub left_at: Option<WallTime>,
    /// When the BYE, CANCEL or failure came; `answered_at` + `duration_ms` when answered.
    pub disconnected_at: Option<WallTime>,
    /// From answer to disconnection on the monotonic clock; 0 when unanswered.
    pub duration_ms: u64,
    /// In conference, summed over re-joins.
    pub conf_ms: u64,
    /// Waiting for the moderator.
    pub hold_ms: u64,
    /// In a private room or a private talk.
    pub breakout_ms: u64,
    /// Waiting to be let in.
    pub lobby_ms: u64,
    /// How much further the wall clock ran than the monotonic one between answer and end.
    pub clock_skew_ms: i32,
    /// The account's offset from UTC at the answer, for printing only.
    pub tz_offset_min: i16,
    /// Why the leg ended, ITU-T Q.850.
    pub q850: Option<u8>,
    /// The final SIP status.
    pub sip_status: Option<u16>,
    /// Who ended the leg.
    pub release_by: Option<ReleaseBy>,
    /// Why the leg ended, in our words.
    pub close_reason: Option<CloseReason>,
    /// The trunk that the leg came by.
    pub trunk_in: Option<u32>,
    /// The trunk that the leg went by: of several that were tried, the last.
    pub trunk_out: Option<u32>,
    /// The carrier behind the trunk.
    pub carrier_id: Option<u32>,
    /// SIP Call-ID, to reconcile with the carrier's records.
    pub sip_call_id: Text<128>,
    /// SIP From tag.
    pub from_tag: Text<128>,
    /// SIP To tag.
    pub to_tag: Text<128>,
    /// IMS charging identifier (RFC 7315 §5.6).
    pub icid: Text<128>,
    /// What the media plane measured.
    pub quality: Option<Quality>,
    /// The leg's own reference number; it overrides the conference's.
    pub reference_number: Option<Reference>,
    /// Where that came from.
    pub reference_source: ReferenceSource,
    /// The price plan in force at the answer; 0 for none.
    pub rate_context: u32,
    /// Marks.
    pub flags: Flags,
    /// Where the record may be stored.
    pub region: Option<Region>,
}

impl LegRecord {
    /// Revision 0: a leg invited at `invited_at` of which nothing more is known.
    pub fn open(
        origin: Origin,
        leg_id: Uuid,
        leg_seq: u64,
        direction: Direction,
        invited_at: WallTime,
    ) -> Self {
        Self {
            leg_id,
            node_id: origin.node_id,
            boot_id: origin.boot_id,
            leg_seq,
            rev: 0,
            state: LegState::Open,
            tenant_id: 0,
            account_id: None,
            conf_id: None,
            conference_id: None,
            direction,
            dnis: None,
            dnis_raw: Text::default(),
            access_kind: match direction {
                Direction::In => AccessKind::Sip,
                Direction::Out => AccessKind::Dialout,
            },
            ani: None,
            ani_presentation: Presentation::Unavailable,
            ani_attest: None,
            dialed_number: None,
            dialed_raw: Text::default(),
            dialout_kind: DialoutKind::None,
            dialout_by_leg: None,
            access_codes: Vec::new(),
            access_code_role: None,
            auth_method: AuthMethod::None,
            auth_failures: 0,
            invited_at,
            ringing_at: None,
            answered_at: None,
            joined_at: None,
            left_at: None,
            disconnected_at: None,
            duration_ms: 0,
            conf_ms: 0,
            hold_ms: 0,
            breakout_ms: 0,
            lobby_ms: 0,
            clock_skew_ms: 0,
            tz_offset_min: 0,
            q850: None,
            sip_status: None,
            release_by: None,
            close_reason: None,
            trunk_in: None,
            trunk_out: None,
            carrier_id: None,
            sip_call_id: Text::default(),
            from_tag: Text::default(),
            to_tag: Text::default(),
            icid: Text::default(),
            quality: None,
            reference_number: None,
            reference_source: ReferenceSource::None,
            rate_context: 0,
            flags: Flags::default(),
            region: None,
        }
    }

    /// Takes the names of the leg's dialog, each cut to what its field holds.
    pub fn name_dialog(&mut self, dialog: &DialogNames) {
        self.sip_call_id = Text::new(&dialog.sip_call_id);
        self.from_tag = Text::new(&dialog.from_tag);
        self.to_tag = Text::new(&dialog.to_tag);
    }

    /// The leg was answered at `at`.
    pub const fn answer(&mut self, at: WallTime) {
        self.state = LegState::Answered;
        self.answered_at = Some(at);
        self.sip_status = Some(200);
    }

    /// The leg is closed with the final `code` of its signalling. `None` leaves an answered leg
    /// its 200, and gives another one the code that refuses for its close reason.
    pub const fn close_with(&mut self, code: Option<StatusCode>) {
        self.sip_status = match (code, self.answered_at, self.close_reason) {
            (Some(code), _, _) => Some(code.get()),
            (None, Some(_), _) => Some(200),
            (None, None, Some(reason)) => Some(reason.refusal_status()),
            (None, None, None) => None,
        };
    }

    /// The final code of the leg's signalling, once there is one.
    pub fn status_code(&self) -> Option<StatusCode> {
        self.sip_status.map(StatusCode::new)
    }

    /// Whether the leg is over.
    pub const fn is_closed(&self) -> bool {
        match self.state {
            LegState::Open | LegState::Answered => false,
            LegState::Closed | LegState::OrphanClosed => true,
        }
    }

    /// Whether the leg may be charged: decided by the answer and the duration, never by the cause.
    pub const fn is_billable(&self) -> bool {
        self.answered_at.is_some() && self.duration_ms > 0
    }
}
