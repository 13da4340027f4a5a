//! The non-INVITE server transaction (RFC 3261 §17.2.2).
//!
//! The user agent answers every such request at once and finally, so the machine is born with its
//! response: Trying and Proceeding have no duration here.

use partyline_model::Time;

use super::timer::TRANSACTION_LIFETIME;

/// The machine in its Completed state; it is over at its deadline.
#[derive(Debug)]
pub(crate) struct Server {
    response: Vec<u8>,
    /// Timer J.
    until: Time,
}

impl Server {
    pub(crate) fn completed(now: Time, response: Vec<u8>) -> Self {
        Self { response, until: now + TRANSACTION_LIFETIME }
    }

    /// The request came again: what to send again.
    pub(crate) fn receive_request(&self) -> &[u8] {
        &self.response
    }

    pub(crate) fn is_terminated(&self, now: Time) -> bool {
        now >= self.until
    }

    pub(crate) fn deadline(&self) -> Time {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_answers_repeated_requests_for_timer_j() {
        let machine = Server::completed(Time::ZERO, b"200".to_vec());
        assert_eq!(machine.receive_request(), b"200");
        assert!(!machine.is_terminated(Time::from_millis(31_999)));
        assert_eq!(machine.deadline(), Time::from_secs(32));
        assert!(machine.is_terminated(Time::from_secs(32)));
    }
}
