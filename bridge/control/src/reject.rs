//! How calls of a trunk are refused before their answer.

use partyline_cdr_record::{CallFailure, StatusCode};
use partyline_conference::RefusalCodes;

/// The statuses that refuse a trunk's calls, by why they are refused: carriers and switches that have
/// several routes to us choose by the status whether they try the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectCodes {
    /// What the call flow refuses.
    pub codes: RefusalCodes,
    /// More calls than the trunk may have.
    pub over_limit: StatusCode,
}

impl Default for RejectCodes {
    fn default() -> Self {
        let over_limit = CallFailure::Unreachable.status_code();
        Self { codes: RefusalCodes::default(), over_limit }
    }
}
