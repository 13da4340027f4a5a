//! What became of a call, between SIP's words and those of the conference core.

use partyline_cdr_record::{CallFailure, StatusCode, q850_from_sip};
use partyline_conference::{EndKind, Ended, Input, Refusal};
use partyline_model::CallId;
use partyline_sip::message::Status;
use partyline_sip::{EndKind as SipEndKind, Ended as SipEnded, Rejection};

/// A call out that ended without an answer, by its final status.
pub(crate) fn dial_failed(call: CallId, status: Status, q850: Option<u8>) -> Input {
    let code = status.code();
    Input::DialFailed {
        call,
        failure: failure_of(code),
        code: StatusCode::new(code),
        q850: q850.or(Some(q850_from_sip(code))),
    }
}

/// By the final status (RFC 3261 §21).
const fn failure_of(status: u16) -> CallFailure {
    match status {
        486 | 600 => CallFailure::Busy,
        408 | 480 | 487 => CallFailure::NoAnswer,
        404 | 410 | 484 | 485 | 604 => CallFailure::NotFound,
        403 | 603 | 607 => CallFailure::Rejected,
        _ => CallFailure::Unreachable,
    }
}

/// How a leg ended.
pub(crate) fn ended(ended: SipEnded) -> Ended {
    let kind = match ended.kind {
        SipEndKind::Bye => EndKind::HungUp,
        SipEndKind::Cancelled => EndKind::Cancelled,
        SipEndKind::NoAck => EndKind::Unconfirmed,
        SipEndKind::Timeout | SipEndKind::Expired => EndKind::Timeout,
        SipEndKind::Rejected => EndKind::Internal,
    };
    let code = ended.status.map(|status| StatusCode::new(status.code()));
    Ended { kind, code, q850: ended.q850 }
}

/// The response that refuses a call; its record bears the same status.
pub(crate) fn rejection(refusal: Refusal, code: StatusCode) -> Rejection {
    Rejection {
        retry_after: refusal.retry_after(),
        q850: Some(refusal.q850()),
        ..Rejection::new(Status::new(code.get()).unwrap_or(Status::SERVER_ERROR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: u16, q850: Option<u8>) -> (CallFailure, u16, Option<u8>) {
        let input = dial_failed(CallId(1), Status::new(status).unwrap(), q850);
        let Input::DialFailed { failure, code, q850, .. } = input else { panic!("another input") };
        (failure, code.get(), q850)
    }

    #[test]
    fn a_final_status_says_why_nobody_answered_and_is_recorded_as_it_came() {
        let cases = [
            (486, CallFailure::Busy, 17),
            (600, CallFailure::Busy, 17),
            (408, CallFailure::NoAnswer, 102),
            (480, CallFailure::NoAnswer, 18),
            (404, CallFailure::NotFound, 1),
            (484, CallFailure::NotFound, 28),
            (403, CallFailure::Rejected, 21),
            (603, CallFailure::Rejected, 21),
            (488, CallFailure::Unreachable, 65),
            (503, CallFailure::Unreachable, 41),
        ];
        for (status, failure, q850) in cases {
            assert_eq!(failed(status, None), (failure, status, Some(q850)));
        }
        assert_eq!(failed(486, Some(34)).2, Some(34), "the Reason header goes before the table");
    }

    #[test]
    fn a_code_of_ours_is_read_as_what_it_was_written_for() {
        for failure in CallFailure::ALL {
            assert_eq!(failure_of(failure.status_code().get()), failure);
        }
    }
}
