//! The non-INVITE server transaction (RFC 3261 §17.2.2).
//!
//! The user agent answers every such request at once and finally, so the machine is born with its
//! response: Trying and Proceeding have no duration here. It keeps the status alone: the request
//! that comes again holds all the rest of the response.

use partyline_model::Time;

use super::timer::{TRANSACTION_LIFETIME, linger};
use crate::flow::Transport;
use crate::message::Status;

/// The machine in its Completed state; it is over at its deadline.
#[derive(Debug)]
pub(crate) struct Server {
    status: Status,
    /// Timer J.
    until: Time,
}

impl Server {
    pub(crate) fn completed(now: Time, transport: Transport, status: Status) -> Self {
        Self { status, until: now + linger(transport, TRANSACTION_LIFETIME) }
    }

    /// The request came again: how it was answered.
    pub(crate) fn receive_request(&self) -> Status {
        self.status
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
        let machine = Server::completed(Time::ZERO, Transport::Udp, Status::OK);
        assert_eq!(machine.receive_request(), Status::OK);
        assert!(!machine.is_terminated(Time::from_millis(31_999)));
        assert_eq!(machine.deadline(), Time::from_secs(32));
        assert!(machine.is_terminated(Time::from_secs(32)));
        let machine = Server::completed(Time::ZERO, Transport::Ws, Status::OK);
        assert!(machine.is_terminated(Time::ZERO), "timer J is zero over a stream");
    }
}
