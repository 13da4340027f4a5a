//! The record of one thing a leg did or that happened to it: a star code, a step of the welcome.
//!
//! It names the command, never the keys pressed. What a leg typed as a passcode has no place here:
//! neither digits, nor how many, nor a hash of them.

use std::fmt;

use partyline_model::{Number, Role, Uuid, WallTime};

use crate::Reference;
use crate::names::named;

named! {
    /// What was done or happened.
    FeatureCode {
        /// Recording began (`*4`).
        RecordStart = 1 "record_start",
        /// Recording ended.
        RecordStop = 2 "record_stop",
        /// Recording paused (`*98`).
        RecordPause = 3 "record_pause",
        /// Recording resumed.
        RecordResume = 4 "record_resume",
        /// The leg muted itself (`*6`).
        MuteSelf = 10 "mute_self",
        /// The leg opened its line.
        UnmuteSelf = 11 "unmute_self",
        /// All participants were muted (`*95`).
        MuteAll = 12 "mute_all",
        /// All lines were opened.
        UnmuteAll = 13 "unmute_all",
        /// A moderator muted one leg.
        MuteByModerator = 14 "mute_by_moderator",
        /// A moderator opened a leg that a moderator had muted.
        UnmuteByModerator = 15 "unmute_by_moderator",
        /// The conference was locked (`*7`).
        Lock = 20 "lock",
        /// The conference was unlocked.
        Unlock = 21 "unlock",
        /// A leg asked to be let into a locked conference.
        LockKnock = 22 "lock_knock",
        /// A caller who asked to be let in was turned away.
        LockReject = 23 "lock_reject",
        /// A caller who asked to be let in was let in.
        LockAdmit = 24 "lock_admit",
        /// A number was dialled (`*1`).
        DialoutStart = 30 "dialout_start",
        /// The callee rings.
        DialoutRinging = 31 "dialout_ringing",
        /// The callee answered.
        DialoutAnswered = 32 "dialout_answered",
        /// The callee was brought into the conference.
        DialoutJoined = 33 "dialout_join",
        /// The moderator returned without the callee.
        DialoutDropped = 34 "dialout_drop",
        /// The callee refused.
        DialoutRejected = 35 "dialout_rejected",
        /// The callee did not answer.
        DialoutNoAnswer = 36 "dialout_no_answer",
        /// The callee was busy.
        DialoutBusy = 37 "dialout_busy",
        /// The call failed otherwise.
        DialoutFailed = 38 "dialout_failed",
        /// The number may not be dialled from this account.
        DialoutBarred = 39 "dialout_barred",
        /// A callee did not confirm that somebody is there.
        DialoutUnconfirmed = 40 "dialout_unconfirmed",
        /// Names were read (`*8`).
        RollCall = 50 "roll_call",
        /// Names were read to all (`*96`).
        RollCallPublic = 51 "roll_call_public",
        /// The number of legs was told (`*#`).
        Count = 52 "count",
        /// Lecture mode changed (`*5`).
        LectureMode = 53 "lecture_mode",
        /// A hand was raised (`*5`, `*9`).
        HandRaise = 54 "hand_raise",
        /// A hand was lowered.
        HandLower = 55 "hand_lower",
        /// A raised hand got the word (`*2`).
        QaOpen = 56 "qa_open",
        /// A leg gave the word back.
        QaClose = 57 "qa_close",
        /// A security passcode is asked for from here on (`*92`).
        SecurityOn = 60 "security_set",
        /// A security passcode is asked for no longer.
        SecurityOff = 61 "security_clear",
        /// The leg entered the right security passcode.
        SecurityOk = 62 "security_ok",
        /// The leg did not.
        SecurityFail = 63 "security_fail",
        /// A reference number was set (`*91`).
        ReferenceSet = 70 "set_reference",
        /// An operator was asked for (`*0`).
        Operator = 71 "operator",
        /// An operator was asked into the conference (`*90`).
        OperatorPublic = 72 "operator_public",
        /// The conference was ended for all (`*99`).
        EndConference = 80 "end_conf",
        /// A leg was put out (`*97`).
        Kick = 81 "kick",
        /// The volume was changed.
        Volume = 82 "volume",
        /// Help was read (`**`).
        Help = 83 "help",
        /// The leg went to or came from a private room (`*3`).
        Breakout = 84 "breakout",
        /// The leg became a moderator (`*3`).
        Promote = 85 "promote",
        /// Announcing of names changed (`*93`).
        AnnounceMode = 86 "announce_mode",
        /// The conference goes on without a moderator (`*94`).
        AutoContinueOn = 87 "autocontinue_on",
        /// The conference ends after the last moderator.
        AutoContinueOff = 88 "autocontinue_off",
        /// The welcome was played.
        Welcome = 100 "welcome",
        /// Nothing was keyed in where a passcode was asked for.
        NoInput = 101 "no_input",
        /// A conference passcode was accepted.
        AuthOk = 102 "auth_ok",
        /// A conference passcode was refused.
        AuthFail = 103 "auth_fail",
        /// The last try failed.
        AuthReject = 104 "auth_reject",
        /// The passcode was right, and the conference is not available.
        AuthDenied = 105 "auth_denied",
        /// The conference is full.
        JoinFull = 106 "join_full",
        /// The leg waits for the moderator.
        HoldStart = 107 "hold_start",
        /// The moderator did not come in time.
        HoldTimeout = 108 "hold_timeout",
        /// The leg was alone too long.
        AloneTimeout = 109 "alone_timeout",
        /// The leg agreed or not to be recorded.
        Consent = 110 "consent",
        /// The leg is in the conference.
        Join = 111 "join",
        /// The leg left the conference.
        Leave = 112 "leave",
        /// The conference began: the moderator came, or the first caller.
        ConferenceStart = 113 "conference_start",
        /// The far end put the conference on hold, and the leg is muted.
        FarEndHold = 114 "far_end_hold",
        /// The far end came back from its hold.
        FarEndResume = 115 "far_end_resume",
        /// The leg took the place of another in the conference.
        PlaceTaken = 116 "place_taken",
        /// Another leg took the place of this one.
        PlaceGiven = 117 "place_given",
        /// The leg came beside another that is in the conference, without a passcode.
        CameBeside = 118 "came_beside",
        /// No sound came from the caller, who was told so.
        NoSound = 119 "no_sound",
    }

    /// Who may speak in a conference.
    TalkMode {
        /// All.
        Conversation = 0 "conversation",
        /// Participants are muted, and may open their lines.
        Questions = 1 "questions",
        /// Participants are muted, but for the one who has the word.
        Presentation = 2 "presentation",
    }

    /// How callers are announced who come and go.
    AnnounceMode {
        /// By name or number.
        Names = 0 "names",
        /// By tone.
        Tones = 1 "tones",
        /// Not at all.
        Silent = 2 "silent",
    }

    /// Who did it, or had it done.
    Actor {
        /// The leg itself: by a key, by its telephone, or by what became of it.
        Leg = 0 "leg",
        /// An operator, at the console.
        Operator = 1 "operator",
        /// A person signed in to the portal.
        Portal = 2 "portal",
        /// A program, by its key.
        Api = 3 "api",
        /// The conference's timetable.
        Schedule = 4 "schedule",
        /// The bridge: a limit, a time-out, a fault.
        System = 5 "system",
    }

    /// What came of it.
    Outcome {
        /// The command took effect.
        Ok = 0 "ok",
        /// The command was not allowed.
        Denied = 1 "denied",
        /// The command was allowed and did not work.
        Failed = 2 "failed",
    }

    /// Why a command was not allowed.
    DenyReason {
        /// The leg's role does not have it.
        Role = 0 "role",
        /// The account does not have it.
        Entitlement = 1 "entitlement",
        /// Not at this moment.
        State = 2 "state",
        /// A rule forbids it: a barred number, a cap.
        Policy = 3 "policy",
    }
}

impl FeatureCode {
    /// Whether the event is about a secret, or stands where one may have been typed. Such an event
    /// is written without its [`FeatureDetail`], whatever that holds.
    pub const fn is_about_a_secret(self) -> bool {
        matches!(
            self,
            Self::SecurityOn
                | Self::SecurityOff
                | Self::SecurityOk
                | Self::SecurityFail
                | Self::NoInput
                | Self::AuthOk
                | Self::AuthFail
                | Self::AuthReject
                | Self::AuthDenied
                | Self::Promote
        )
    }
}

/// The star code that was matched: a star or pound and up to two more keys, or nothing when no
/// code was involved. Too short to hold a passcode.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// ASCII, left aligned; the rest is zero.
    keys: [u8; 3],
}

impl Pattern {
    /// No code was involved.
    pub const NONE: Self = Self { keys: [0; 3] };

    /// The pattern `text`, such as `*4`, `*91` or `**`; [`Pattern::NONE`] for anything else.
    pub const fn new(text: &str) -> Self {
        let text = text.as_bytes();
        if text.len() < 2 || text.len() > 3 || !matches!(text[0], b'*' | b'#') {
            return Self::NONE;
        }
        let mut keys = [0; 3];
        let mut at = 0;
        while at < text.len() {
            if !matches!(text[at], b'0'..=b'9' | b'*' | b'#') {
                return Self::NONE;
            }
            keys[at] = text[at];
            at += 1;
        }
        Self { keys }
    }

    /// The keys; empty when no code was involved.
    pub fn as_str(&self) -> &str {
        let len = self.keys.iter().position(|&k| k == 0).unwrap_or(self.keys.len());
        std::str::from_utf8(&self.keys[..len]).unwrap_or_default()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What is worth keeping besides the code. There is no variant for digits.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum FeatureDetail {
    /// Nothing.
    #[default]
    None,
    /// A number of things: legs told by `*#`, lines muted.
    Count(u32),
    /// A reference number and the one it replaces.
    Reference {
        /// The new number; `None` when the old one was removed.
        value: Option<Reference>,
        /// The number before.
        previous: Option<Reference>,
    },
    /// A telephone number dialled or barred.
    Number(Number),
    /// A SIP status.
    Status(u16),
    /// A length of time in milliseconds: of a recording, of a wait.
    Millis(u64),
    /// Who might speak before, and who may from here on.
    Mode {
        /// Before.
        from: TalkMode,
        /// From here on.
        to: TalkMode,
    },
    /// How callers are announced from here on.
    Announce(AnnounceMode),
    /// The number of a private room; 0 is the main conference.
    Room(u8),
}

/// One event; written once, when it takes effect, and never changed.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRecord {
    /// The leg that did it; where no leg did, the session, whose id is `conf_id` too.
    pub leg_id: Uuid,
    /// Counts the events of the leg, or those that no leg of the session did, from 1; with `leg_id`
    /// the key.
    pub feature_seq: u32,
    /// The conference session, once the leg has one.
    pub conf_id: Option<Uuid>,
    /// Counts the events of the session from 1 without gaps; 0 without a session.
    pub conf_seq: u64,
    /// When.
    pub at: WallTime,
    /// Milliseconds since the leg's INVITE on the monotonic clock.
    pub mono_offset_ms: u64,
    /// What was done or happened.
    pub code: FeatureCode,
    /// The star code that asked for it.
    pub pattern: Pattern,
    /// What came of it.
    pub outcome: Outcome,
    /// Why not, when denied.
    pub denied: Option<DenyReason>,
    /// The leg it was done to, when another.
    pub target_leg: Option<Uuid>,
    /// What is worth keeping besides.
    pub detail: FeatureDetail,
    /// Whether a price may be attached to it.
    pub billable: bool,
    /// Who did it. Of a record in schema 1, [`Actor::Leg`].
    pub actor: Actor,
    /// Which operator, person or key, where it is one.
    pub actor_id: Option<u64>,
    /// What the leg might do when it happened; `None` of what no leg did, and in schema 1.
    pub role: Option<Role>,
}

impl FeatureRecord {
    /// Whether no leg did it.
    pub fn is_of_session(&self) -> bool {
        self.conf_id == Some(self.leg_id)
    }
}
