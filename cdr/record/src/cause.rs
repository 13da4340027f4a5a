//! Why a leg ended, in the three languages that need it: ours, SIP's and the telephone network's.
//!
//! The map between SIP and Q.850 loses information both ways, so a record keeps both
//! raw values. Nothing here says whether a leg is charged: that depends on answer and duration.

use crate::Direction;
use crate::names::named;

named! {
    /// Why a leg or a session ended.
    CloseReason {
        /// Somebody hung up.
        Normal = 0 "normal",
        /// A moderator put it out.
        Kicked = 1 "kicked",
        /// A moderator ended the conference.
        EndedByModerator = 2 "ended_by_moderator",
        /// No media came.
        NoMedia = 3 "no_media",
        /// The session timer ran out (RFC 4028).
        SessionTimer = 4 "session_timer",
        /// The 200 OK was never acknowledged.
        NoAck = 5 "no_ack",
        /// The security passcode was not entered.
        SecpassFail = 6 "secpass_fail",
        /// No conference passcode was accepted.
        AuthReject = 7 "auth_reject",
        /// The moderator did not come.
        HoldTimeout = 8 "hold_timeout",
        /// The leg was alone too long.
        AloneTimeout = 9 "alone_timeout",
        /// The conference lasted too long.
        MaxDuration = 10 "max_duration",
        /// A fraud cap was hit.
        FraudCap = 11 "fraud_cap",
        /// An administrator ended it.
        Admin = 12 "admin",
        /// The credit was used up.
        Credit = 13 "credit",
        /// The node is going down for service.
        Drain = 14 "drain",
        /// The signalling transport failed.
        Transport = 15 "transport",
        /// The node crashed.
        Crash = 16 "crash",
        /// Nothing answers to the called number.
        NotFound = 17 "not_found",
        /// A fault of ours.
        Internal = 18 "internal",
    }

    /// Who ended a leg or a session.
    ReleaseBy {
        /// The far end of the leg, which may be a callee.
        Caller = 0 "caller",
        /// A moderator.
        Moderator = 1 "moderator",
        /// The bridge.
        System = 2 "system",
        /// The network between.
        Carrier = 3 "carrier",
        /// Recovery after a crash.
        Recovery = 4 "recovery",
    }
}

impl ReleaseBy {
    /// The word for people and programs: the far end of a leg that we dialled is the callee.
    pub const fn of(self, direction: Direction) -> &'static str {
        match (self, direction) {
            (Self::Caller, Direction::Out) => "callee",
            (Self::Caller | Self::Moderator | Self::System | Self::Carrier | Self::Recovery, _) => {
                self.as_str()
            }
        }
    }
}

/// The final status code of a leg's signalling, as its record keeps it (RFC 3261 §21): a value that
/// is passed on by those who need not know what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(u16);

impl StatusCode {
    /// The code of the signalling.
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// The code, for the record and for the signalling.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Why a call was not set up, in words that belong to no protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallFailure {
    /// The called side takes no more calls at the moment.
    Busy,
    /// Nobody took the call in time, or the caller gave up.
    NoAnswer,
    /// The called number is not in service.
    NotFound,
    /// The called side, or a rule, does not want the call.
    Rejected,
    /// The call could not be carried through.
    Unreachable,
}

impl CallFailure {
    /// Every failure.
    pub const ALL: [Self; 5] =
        [Self::Busy, Self::NoAnswer, Self::NotFound, Self::Rejected, Self::Unreachable];

    /// The code that the bridge itself gives the failure, in the record and on the wire.
    pub const fn status_code(self) -> StatusCode {
        StatusCode(match self {
            Self::Busy => 486,
            Self::NoAnswer => 487,
            Self::NotFound => 404,
            Self::Rejected => 403,
            Self::Unreachable => 503,
        })
    }
}

/// Q.850 cause 16, normal call clearing.
pub const NORMAL_CLEARING: u8 = 16;
/// Q.850 cause 41, temporary failure; also that of every leg that recovery closes.
pub const TEMPORARY_FAILURE: u8 = 41;

/// The SIP status for a Q.850 cause that refuses a call (RFC 3398 §7.2.4.1).
///
/// 500 for a cause that the table does not know, as RFC 3398 asks.
pub const fn sip_from_q850(cause: u8) -> u16 {
    match cause {
        1..=3 => 404,
        16 => 200,
        17 => 486,
        18 => 408,
        19 | 20 | 31 => 480,
        21 | 55 | 57 | 87 => 403,
        22 => 410,
        23 => 410,
        26 => 404,
        27 => 502,
        28 => 484,
        29 => 501,
        34 | 38 | 41 | 42 | 47 | 58 | 88 => 503,
        65 | 70 => 488,
        69 | 79 => 501,
        102 => 504,
        _ => 500,
    }
}

/// The Q.850 cause for a final SIP status (RFC 3398 §8.2.6.1).
pub const fn q850_from_sip(status: u16) -> u8 {
    match status {
        200..=299 => 16,
        400 | 481 | 500 => 41,
        401 | 402 | 403 | 407 | 603 => 21,
        404 | 604 => 1,
        405 | 406 | 415 | 501 | 606 => 79,
        408 | 504 => 102,
        410 => 22,
        413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => 127,
        480 => 18,
        482 | 483 => 25,
        484 => 28,
        485 => 1,
        486 | 600 => 17,
        487 => 16,
        488 => 65,
        502 => 38,
        503 => 41,
        _ => 31,
    }
}

impl CloseReason {
    /// The Q.850 cause when neither side gave one.
    pub const fn default_q850(self) -> u8 {
        match self {
            Self::Normal
            | Self::Kicked
            | Self::EndedByModerator
            | Self::HoldTimeout
            | Self::AloneTimeout
            | Self::MaxDuration
            | Self::Admin => NORMAL_CLEARING,
            Self::SecpassFail | Self::AuthReject | Self::FraudCap | Self::Credit => 21,
            Self::NoMedia | Self::SessionTimer | Self::NoAck => 102,
            Self::NotFound => 1,
            Self::Drain => 31,
            Self::Transport => 38,
            Self::Crash | Self::Internal => TEMPORARY_FAILURE,
        }
    }

    /// The SIP status that refuses an unanswered call for this reason.
    pub const fn refusal_status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::SecpassFail | Self::AuthReject | Self::FraudCap | Self::Kicked => 403,
            Self::Credit => 402,
            Self::Normal => 487,
            Self::NoMedia | Self::NoAck | Self::SessionTimer => 408,
            Self::HoldTimeout | Self::AloneTimeout | Self::MaxDuration => 480,
            Self::EndedByModerator | Self::Admin => 480,
            Self::Drain | Self::Transport | Self::Crash => 503,
            Self::Internal => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status of RFC 3398; of two, the one that it gives first.
    const TABLE: [(u8, u16); 22] = [
        (1, 404),
        (3, 404),
        (16, 200),
        (17, 486),
        (18, 408),
        (19, 480),
        (20, 480),
        (21, 403),
        (22, 410),
        (27, 502),
        (28, 484),
        (31, 480),
        (34, 503),
        (38, 503),
        (41, 503),
        (42, 503),
        (47, 503),
        (58, 503),
        (65, 488),
        (88, 503),
        (102, 504),
        (127, 500),
    ];

    #[test]
    fn every_cause_of_the_table_has_its_status() {
        for (cause, status) in TABLE {
            assert_eq!(sip_from_q850(cause), status, "Q.850 {cause}");
        }
    }

    #[test]
    fn statuses_come_back_as_the_documented_causes() {
        let cases = [(486, 17), (600, 17), (404, 1), (484, 28), (410, 22), (603, 21), (403, 21)];
        for (status, cause) in cases {
            assert_eq!(q850_from_sip(status), cause, "SIP {status}");
        }
        // Several causes share one status; they come back as one.
        assert_eq!((q850_from_sip(503), q850_from_sip(408), q850_from_sip(504)), (41, 102, 102));
        assert_eq!(q850_from_sip(487), NORMAL_CLEARING);
    }

    #[test]
    fn a_refusal_is_a_final_failure_and_a_cause_is_seven_bits() {
        for &reason in CloseReason::ALL {
            assert!((400..700).contains(&reason.refusal_status()), "{reason}");
            assert!((1..=127).contains(&reason.default_q850()), "{reason}");
        }
    }
}
