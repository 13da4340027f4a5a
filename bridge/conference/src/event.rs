//! What goes in and what comes out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use partyline_cdr_record::DialogNames;
use partyline_cdr_record::{
    Actor, Attestation, CallFailure, CloseReason, Direction, Presentation, Quality, Record,
    ReleaseBy, StatusCode,
};
use partyline_dialplan::Prompt;
use partyline_directory::Snapshot;
use partyline_model::{
    AccountId, CallId, Digit, MixId, Number, PlaybackId, RecordingId, Role, SessionId, Time, Uuid,
    WallTime,
};

use crate::claim::{Claim, Unclaimed};
use crate::invited::{Invitation, InvitationNews};
use crate::remote::{NotDone, Order};

/// The first call id of legs that the bridge dials. Ids below it are the caller's, for legs that
/// come in; neither side uses one twice.
pub const FIRST_OUTBOUND: CallId = CallId(1 << 31);

/// Something that happened.
///
/// Has no `Debug`: it may hold a digit.
pub enum Input {
    /// A call came in and passed admission, and its media port is open. The call id is below
    /// [`FIRST_OUTBOUND`] and new.
    Offered {
        /// The leg.
        call: CallId,
        /// What the call said.
        offered: Box<Offered>,
    },
    /// As [`Input::Offered`], and the call is for the place of a leg, or for one beside it.
    Claimed {
        /// The leg.
        call: CallId,
        /// What the call said.
        offered: Box<Offered>,
        /// The place, which the caller may have as far as the signalling knows.
        claim: Claim,
    },
    /// The far end has our answer.
    Confirmed {
        /// The leg.
        call: CallId,
    },
    /// The first sign of life came after the answer: media, or an answered question.
    MediaStarted {
        /// The leg.
        call: CallId,
    },
    /// Neither media nor signalling gave a sign of life since `since`: the leg is given up, and
    /// charged up to then.
    MediaSilent {
        /// The leg.
        call: CallId,
        /// The last sign of life.
        since: Time,
    },
    /// Nobody refreshed the session any more, nor did media come since `since`: the leg is given
    /// up, and charged up to then.
    SessionExpired {
        /// The leg.
        call: CallId,
        /// The last sign of life.
        since: Time,
    },
    /// The records of this token are on disk.
    Durable {
        /// Of [`Output::Persist`].
        token: u64,
    },
    /// The records of this token could not be written.
    NotDurable {
        /// Of [`Output::Persist`].
        token: u64,
    },
    /// A key was pressed: once for each press, whichever detector heard it.
    Digit {
        /// The leg.
        call: CallId,
        /// The key.
        digit: Digit,
    },
    /// The prompts of one [`Output::Play`] were played to the end.
    PlaybackDone {
        /// The leg.
        call: CallId,
        /// Of [`Output::Play`].
        playback: PlaybackId,
    },
    /// The prompts of one [`Output::PlayMix`] were played to the end. Where nobody reports it, a
    /// farewell takes [`crate::Config::farewell`].
    MixPlaybackDone {
        /// The mix.
        mix: MixId,
        /// Of [`Output::PlayMix`].
        playback: PlaybackId,
    },
    /// The far end or the signalling ended the leg, before or after its answer.
    Ended {
        /// The leg.
        call: CallId,
        /// How.
        ended: Ended,
    },
    /// A leg's telephone asks to call somebody into its conference; [`Output::Invitation`] follows at
    /// once, and again until that is settled.
    Invite {
        /// The leg.
        call: CallId,
        /// Whom.
        invitation: Box<Invitation>,
    },
    /// Somebody who is no leg orders something; [`Output::Ordered`] follows at once.
    Remote {
        /// Names the request in the answer.
        request: u64,
        /// Who: anybody but [`Actor::Leg`], and which of them.
        by: (Actor, Option<u64>),
        /// What.
        order: Box<Order>,
    },
    /// The call to a dialled leg was sent; again by another trunk, when one fails.
    Dialled {
        /// The leg.
        call: CallId,
        /// What its dialog is called, for a record that may see no answer.
        dialog: Box<DialogNames>,
        /// The trunk that it was sent by.
        trunk: u32,
        /// How far we vouched for the number that it shows, where we did.
        attest: Option<Attestation>,
    },
    /// A dialled leg rings.
    Ringing {
        /// The leg.
        call: CallId,
    },
    /// A dialled leg answered.
    Answered {
        /// The leg.
        call: CallId,
        /// What its dialog is called, for the record.
        dialog: Box<DialogNames>,
    },
    /// A dialled leg did not answer.
    DialFailed {
        /// The leg.
        call: CallId,
        /// Why.
        failure: CallFailure,
        /// How the signalling said so, for the record.
        code: StatusCode,
        /// The cause, ITU-T Q.850; `None` for what goes with the failure.
        q850: Option<u8>,
    },
    /// The far end put the conference on hold, or came back from it.
    Held {
        /// The leg.
        call: CallId,
        /// Whether it holds us from here on.
        held: bool,
    },
    /// What the media plane has measured so far: goes into the leg's next revision. What comes
    /// within a second after the leg's end makes a revision of its own.
    Stats {
        /// The leg.
        call: CallId,
        /// Over the whole leg.
        quality: Box<Quality>,
    },
    /// How far the originating carrier vouches for the caller's number: goes into the leg's next
    /// revision. What was awaited and comes within three seconds after the leg's end makes a revision
    /// of its own.
    Attested {
        /// The leg.
        call: CallId,
        /// What is known now.
        attest: Attestation,
    },
    /// A recording could not be started, or not go on.
    RecordingFailed {
        /// Of [`Output::Record`].
        recording: RecordingId,
    },
    /// Accounts, conferences or passcodes changed.
    Directory(Arc<Snapshot>),
    /// What the wall clock reads at this moment.
    WallClock(WallTime),
    /// Take no more calls, say so to those that are up, end them, then report
    /// [`Output::Drained`].
    Drain,
    /// No more calls, and nobody is waited for: whoever is up is hung up on at once, without a
    /// word; then [`Output::Drained`].
    EndNow,
    /// [`crate::Bridge::poll_timeout`] is reached.
    Timeout,
}

/// What is known of a call that came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Offered {
    /// The called number, as the trunk's rules read it.
    pub dnis: Option<Number>,
    /// The called party as signalled, with no parameter that may hold a passcode.
    pub dnis_raw: String,
    /// The caller's number.
    pub ani: Option<Number>,
    /// Whether the trunk vouches for the caller's number; otherwise it is the caller's own word.
    pub ani_believed: bool,
    /// Whether the caller's number may be shown.
    pub ani_presentation: Presentation,
    /// How far the originating carrier vouches for the caller's number, as far as that is known yet;
    /// `None` where nobody looks.
    pub ani_attest: Option<Attestation>,
    /// What the dialog is called.
    pub dialog: DialogNames,
    /// The trunk it came by.
    pub trunk: u32,
    /// The address of the telephone that calls, where each source address of the trunk is one
    /// caller's; `None` behind a carrier, whose callers share an address.
    pub phone: Option<IpAddr>,
    /// Whether the far end will send media (its description says `sendrecv` or `sendonly`).
    pub expects_media: bool,
    /// How the call is refused, if it is.
    pub codes: RefusalCodes,
}

/// How the calls of a trunk are refused: some carriers try their next route on one code and not on
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalCodes {
    /// For [`Refusal::UnknownNumber`].
    pub unknown_number: StatusCode,
    /// For [`Refusal::Suspended`].
    pub suspended: StatusCode,
    /// For [`Refusal::Full`].
    pub full: StatusCode,
    /// For [`Refusal::Draining`].
    pub draining: StatusCode,
    /// For [`Refusal::NotDurable`].
    pub not_durable: StatusCode,
}

impl Default for RefusalCodes {
    fn default() -> Self {
        Self::USUAL
    }
}

impl RefusalCodes {
    /// What each refusal is to a caller, by its own code.
    pub const USUAL: Self = Self {
        unknown_number: CallFailure::NotFound.status_code(),
        suspended: CallFailure::Rejected.status_code(),
        full: CallFailure::Busy.status_code(),
        draining: CallFailure::Unreachable.status_code(),
        not_durable: CallFailure::Unreachable.status_code(),
    };

    /// The code of a refusal.
    pub const fn of(self, refusal: Refusal) -> StatusCode {
        match refusal {
            Refusal::UnknownNumber => self.unknown_number,
            Refusal::Suspended => self.suspended,
            Refusal::Full { .. } => self.full,
            Refusal::Draining { .. } => self.draining,
            Refusal::NotDurable { .. } => self.not_durable,
            Refusal::Claim(_, code) => code,
        }
    }
}

/// How a leg ended that we did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// In what way.
    pub kind: EndKind,
    /// What the signalling said last, when that is more than the kind says; for the record.
    pub code: Option<StatusCode>,
    /// The cause, ITU-T Q.850, when there is one.
    pub q850: Option<u8>,
}

/// In what way a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndKind {
    /// The far end hung up.
    HungUp,
    /// The caller gave up before the answer.
    Cancelled,
    /// The far end never confirmed our answer.
    Unconfirmed,
    /// The signalling found nobody there any more.
    Timeout,
    /// The transport failed.
    Transport,
    /// Media could not be set up or was lost.
    NoMedia,
    /// A fault of ours.
    Internal,
}

impl EndKind {
    /// The reason in the record.
    pub(crate) const fn reason(self) -> CloseReason {
        match self {
            Self::HungUp | Self::Cancelled => CloseReason::Normal,
            Self::Unconfirmed => CloseReason::NoAck,
            Self::Timeout => CloseReason::SessionTimer,
            Self::Transport => CloseReason::Transport,
            Self::NoMedia => CloseReason::NoMedia,
            Self::Internal => CloseReason::Internal,
        }
    }

    /// Who ended the leg.
    pub(crate) const fn released_by(self) -> ReleaseBy {
        match self {
            Self::HungUp | Self::Cancelled => ReleaseBy::Caller,
            Self::Timeout | Self::Transport | Self::NoMedia | Self::Unconfirmed => {
                ReleaseBy::Carrier
            }
            Self::Internal => ReleaseBy::System,
        }
    }
}

/// Something to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write `records`, then report [`Input::Durable`] or [`Input::NotDurable`].
    Persist {
        /// Names the request.
        token: u64,
        /// In the order they must be written.
        records: Vec<Record>,
    },
    /// Answer the call.
    Answer {
        /// The leg.
        call: CallId,
    },
    /// Refuse the call and close its media; the leg is gone.
    Reject {
        /// The leg.
        call: CallId,
        /// Why.
        refusal: Refusal,
        /// How to say it; the record says so too.
        code: StatusCode,
    },
    /// Hang up, or give up a leg that has not answered, and close its media; the leg is gone.
    Hangup {
        /// The leg.
        call: CallId,
        /// The cause to tell, ITU-T Q.850.
        q850: u8,
    },
    /// Call somebody.
    Dial {
        /// The new leg; [`FIRST_OUTBOUND`] or above.
        call: CallId,
        /// The leg that asked for it; `None` where somebody outside did.
        by: Option<CallId>,
        /// Whom to call.
        number: Number,
        /// What to show as the caller; `None` leaves it to the trunk.
        caller_id: Option<Number>,
        /// Who answers for the call; `None` when the account is gone.
        account: Option<AccountId>,
    },
    /// What has come of an [`Input::Invite`].
    Invitation {
        /// The leg that asked.
        call: CallId,
        /// Of the invitation.
        request: u64,
        /// How far it is.
        news: InvitationNews,
    },
    /// What has come of an [`Input::Remote`].
    Ordered {
        /// Of the order.
        request: u64,
        /// The leg that it is about, if it made or chose one; or why it was not done.
        result: Result<Option<Uuid>, NotDone>,
    },
    /// Play to one leg; replaces what plays to it, ducks the mix, and ends in
    /// [`Input::PlaybackDone`].
    Play {
        /// The leg.
        call: CallId,
        /// Names the request.
        playback: PlaybackId,
        /// One after the other, at least one.
        prompts: Vec<Prompt>,
    },
    /// Stop what [`Output::Play`] plays to the leg; no `PlaybackDone` is needed.
    StopPlay {
        /// The leg.
        call: CallId,
    },
    /// Start or stop hold music to one leg.
    Music {
        /// The leg.
        call: CallId,
        /// Whether the music plays from here on.
        on: bool,
    },
    /// Put the leg into a mix; it is in none.
    Join {
        /// The leg.
        call: CallId,
        /// The mix; made when its first leg joins.
        mix: MixId,
    },
    /// Take the leg out of its mix.
    Leave {
        /// The leg.
        call: CallId,
    },
    /// What becomes of what the leg sends; [`Talk::Secret`] right after its answer.
    Talk {
        /// The leg.
        call: CallId,
        /// From here on.
        talk: Talk,
    },
    /// Drop what plays into a mix or waits to.
    HushMix {
        /// The mix.
        mix: MixId,
    },
    /// Play into a mix, after what waits to be played into it.
    PlayMix {
        /// The mix.
        mix: MixId,
        /// Names the request.
        playback: PlaybackId,
        /// One after the other, at least one.
        prompts: Vec<Prompt>,
    },
    /// Somebody came into a conference or left it, or takes part in another way, or may do:
    /// [`crate::Bridge::attendance`] says how it is now.
    Attendance {
        /// The conference.
        session: SessionId,
    },
    /// Record a mix.
    Record {
        /// The mix.
        mix: MixId,
        /// Names the recording in this process.
        recording: RecordingId,
        /// The session, for the file's head.
        conf_id: Uuid,
        /// The file name, without folder.
        file: String,
    },
    /// Leave out what is said, or record it again.
    PauseRecord {
        /// Of [`Output::Record`].
        recording: RecordingId,
        /// Whether the recording pauses from here on.
        paused: bool,
    },
    /// End the recording.
    StopRecord {
        /// Of [`Output::Record`].
        recording: RecordingId,
    },
    /// The leg is gone; for the one log line.
    CallEnded {
        /// The leg.
        call: CallId,
        /// What to say of it.
        summary: Box<Summary>,
    },
    /// Passcodes are being guessed; for the log.
    GuessAlarm(GuessAlarm),
    /// A telephone that is told apart by its address typed a secret, which was right, or got no
    /// answer after too many wrong ones.
    Typed {
        /// Where it is.
        phone: IpAddr,
        /// Whether it was right.
        was_right: bool,
    },
    /// After [`Input::Drain`]: no leg is up and every record is on disk.
    Drained,
}

/// Passcodes are being guessed. Raised at once, then at most once a minute for the same
/// [`GuessKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessAlarm {
    /// By what the guesses were counted.
    pub key: GuessKey,
    /// The number that was dialled, where conference passcodes are guessed.
    pub dialled: Option<Number>,
    /// Wrong passcodes in the last ten minutes, by that count.
    pub wrong: u32,
    /// Right ones in the same time; 0 for a single caller.
    pub accepted: u32,
}

/// By what guesses at passcodes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GuessKey {
    /// The address of a telephone.
    Address,
    /// The calling number.
    CallingNumber,
    /// The number that was dialled.
    DialledNumber,
    /// The conference in session, whose security passcode is guessed.
    Session,
    /// The bridge as a whole.
    Everywhere,
    /// The call itself.
    Call,
}

impl GuessKey {
    /// Every key.
    pub const ALL: [Self; 6] = [
        Self::Address,
        Self::CallingNumber,
        Self::DialledNumber,
        Self::Session,
        Self::Everywhere,
        Self::Call,
    ];

    /// As metrics and logs name the key.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::CallingNumber => "calling_number",
            Self::DialledNumber => "dialled_number",
            Self::Session => "session",
            Self::Everywhere => "everywhere",
            Self::Call => "call",
        }
    }
}

/// What was counted of guessing since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuessCounts {
    /// Wrong conference passcodes.
    pub wrong_passcodes: u64,
    /// Wrong security passcodes.
    pub wrong_security: u64,
    /// Answers that were delayed, by the key whose limit asked for it.
    pub delayed: BTreeMap<GuessKey, u64>,
    /// Tries that got no verdict.
    pub withheld: BTreeMap<GuessKey, u64>,
    /// Alarms.
    pub alarms: BTreeMap<GuessKey, u64>,
}

/// What becomes of what a leg sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// The others hear it.
    Open,
    /// The others do not hear it.
    Muted,
    /// The others do not hear it, and its keys may be a secret: no capture, no trace.
    Secret,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing answers to the called number.
    UnknownNumber,
    /// The number's account is suspended.
    Suspended,
    /// All lines of the bridge are in use.
    Full {
        /// When the caller may try again.
        retry_after: Duration,
    },
    /// The bridge is going down for service.
    Draining {
        /// When the caller may try again.
        retry_after: Duration,
    },
    /// Records cannot be written.
    NotDurable {
        /// When the caller may try again.
        retry_after: Duration,
    },
    /// The call does not get the place that it claims.
    Claim(Unclaimed, StatusCode),
}

impl Refusal {
    /// When the caller may try again.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::UnknownNumber | Self::Suspended | Self::Claim(..) => None,
            Self::Full { retry_after }
            | Self::Draining { retry_after }
            | Self::NotDurable { retry_after } => Some(retry_after),
        }
    }

    /// The cause in the record, ITU-T Q.850.
    pub const fn q850(self) -> u8 {
        match self {
            Self::UnknownNumber => 1,
            Self::Suspended | Self::Claim(Unclaimed::Barred, _) => 21,
            Self::Claim(Unclaimed::Gone, _) => 31,
            Self::Claim(Unclaimed::Elsewhere | Unclaimed::Full, _) => 17,
            Self::Full { .. } => 34,
            Self::Draining { .. } | Self::NotDurable { .. } => 41,
        }
    }

    pub(crate) const fn reason(self) -> CloseReason {
        match self {
            Self::UnknownNumber => CloseReason::NotFound,
            Self::Suspended => CloseReason::Admin,
            Self::Draining { .. } => CloseReason::Drain,
            Self::Claim(..) => CloseReason::AuthReject,
            Self::Full { .. } | Self::NotDurable { .. } => CloseReason::Internal,
        }
    }
}

/// What the one log line of a call says. No telephone number, no digit.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The record.
    pub leg_id: Uuid,
    /// Who called whom.
    pub direction: Direction,
    /// The session it was in.
    pub conf_id: Option<Uuid>,
    /// The role of the leg in the session.
    pub role: Option<Role>,
    /// From answer to end; `None` when unanswered.
    pub duration: Option<Duration>,
    /// Why the leg ended.
    pub close_reason: CloseReason,
    /// Who ended the leg.
    pub release_by: ReleaseBy,
    /// The final code of the signalling.
    pub code: Option<StatusCode>,
    /// Keys pressed in the conference outside any code.
    pub stray_digits: u32,
}
