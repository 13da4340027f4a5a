//! The INVITE server transaction (RFC 3261 §17.2.1, Accepted state of RFC 6026 §7.1).
//!
//! 2xx responses are retransmitted by the user agent core, not here (RFC 3261 §13.3.1.4).

use bytes::Bytes;
use partyline_model::Time;

use super::timer::{Backoff, Due, T4, TRANSACTION_LIFETIME, linger};
use crate::flow::Transport;
use crate::message::Status;

/// The machine.
#[derive(Debug)]
pub(crate) struct InviteServer {
    transport: Transport,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No final response yet; the last provisional one answers repeated INVITEs.
    Proceeding {
        last: Option<Bytes>,
    },
    /// A final response other than 2xx waits for its ACK: timers G and H.
    Completed {
        response: Bytes,
        backoff: Backoff,
    },
    /// The ACK came; repeated ACKs are absorbed: timer I.
    Confirmed {
        until: Time,
    },
    /// A 2xx went out; repeated INVITEs are absorbed: timer L.
    Accepted {
        until: Time,
    },
    Terminated,
}

impl InviteServer {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, state: State::Proceeding { last: None } }
    }

    /// Whether a final response is still owed.
    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    pub(crate) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// Notes a response that goes out; nothing may be sent after a final one.
    pub(crate) fn send(&mut self, now: Time, status: Status, bytes: Bytes) {
        if !self.is_proceeding() {
            return;
        }
        self.state = if status.is_provisional() {
            State::Proceeding { last: Some(bytes) }
        } else if status.is_success() {
            State::Accepted { until: now + TRANSACTION_LIFETIME }
        } else {
            let backoff = Backoff::up_to_t2(now, self.transport);
            State::Completed { response: bytes, backoff }
        };
    }

    /// Octets of the response that is kept.
    pub(crate) fn octets(&self) -> usize {
        match &self.state {
            State::Proceeding { last } => last.as_ref().map_or(0, Bytes::len),
            State::Completed { response, .. } => response.len(),
            State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => 0,
        }
    }

    /// The INVITE came again; what to send again, if anything.
    pub(crate) fn receive_invite(&self) -> Option<Bytes> {
        match &self.state {
            State::Proceeding { last } => last.clone(),
            State::Completed { response, .. } => Some(response.clone()),
            State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => None,
        }
    }

    /// An ACK with the INVITE's branch came: true when this machine wanted it. In Accepted it is
    /// the dialog's.
    pub(crate) fn receive_ack(&mut self, now: Time) -> bool {
        match self.state {
            State::Completed { .. } => {
                self.state = State::Confirmed { until: now + linger(self.transport, T4) };
                true
            }
            State::Confirmed { .. } => true,
            State::Proceeding { .. } | State::Accepted { .. } | State::Terminated => false,
        }
    }

    /// Fires what is due; the response to send again.
    pub(crate) fn handle_timeout(&mut self, now: Time) -> Option<Bytes> {
        let due = match &mut self.state {
            State::Completed { backoff, .. } => backoff.due(now),
            State::Confirmed { until } | State::Accepted { until } if now >= *until => Due::GiveUp,
            State::Proceeding { .. }
            | State::Confirmed { .. }
            | State::Accepted { .. }
            | State::Terminated => Due::Nothing,
        };
        if due == Due::GiveUp {
            self.state = State::Terminated;
        }
        match &self.state {
            State::Completed { response, .. } if due == Due::Retransmit => Some(response.clone()),
            State::Completed { .. }
            | State::Proceeding { .. }
            | State::Confirmed { .. }
            | State::Accepted { .. }
            | State::Terminated => None,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Completed { backoff, .. } => Some(backoff.deadline()),
            State::Confirmed { until } | State::Accepted { until } => Some(*until),
            State::Proceeding { .. } | State::Terminated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_repeats_by_timer_g_until_its_ack_and_is_forgotten_after_timer_i() {
        let mut machine = InviteServer::new(Transport::Udp);
        machine.send(Time::ZERO, Status::BUSY_HERE, Bytes::from_static(b"486"));
        assert_eq!(machine.deadline(), Some(Time::from_millis(500)));
        assert_eq!(
            machine.handle_timeout(Time::from_millis(500)),
            Some(Bytes::from_static(b"486"))
        );
        assert_eq!(machine.receive_invite(), Some(Bytes::from_static(b"486")));
        assert!(machine.receive_ack(Time::from_secs(1)));
        assert_eq!(machine.receive_invite(), None);
        assert_eq!(machine.deadline(), Some(Time::from_secs(6)));
        assert_eq!(machine.handle_timeout(Time::from_secs(6)), None);
        assert!(machine.is_terminated());
    }

    #[test]
    fn timer_h_ends_a_rejection_without_ack() {
        let mut machine = InviteServer::new(Transport::Udp);
        machine.send(Time::ZERO, Status::BUSY_HERE, Bytes::from_static(b"486"));
        assert_eq!(machine.handle_timeout(Time::from_secs(32)), None);
        assert!(machine.is_terminated());
    }

    #[test]
    fn over_a_stream_a_rejection_is_sent_once_and_forgotten_at_its_ack() {
        let mut machine = InviteServer::new(Transport::Tcp);
        machine.send(Time::ZERO, Status::BUSY_HERE, Bytes::from_static(b"486"));
        assert_eq!(machine.deadline(), Some(Time::from_secs(32)), "timer H alone");
        assert!(machine.receive_ack(Time::from_secs(1)));
        assert_eq!(machine.deadline(), Some(Time::from_secs(1)), "timer I is zero");
        let mut accepted = InviteServer::new(Transport::Tcp);
        accepted.send(Time::ZERO, Status::OK, Bytes::from_static(b"200"));
        assert_eq!(accepted.deadline(), Some(Time::from_secs(32)), "timer L is not");
    }

    #[test]
    fn accepted_absorbs_repeated_invites_for_timer_l() {
        let mut machine = InviteServer::new(Transport::Udp);
        machine.send(Time::ZERO, Status::TRYING, Bytes::from_static(b"100"));
        assert_eq!(machine.receive_invite(), Some(Bytes::from_static(b"100")));
        machine.send(Time::ZERO, Status::OK, Bytes::from_static(b"200"));
        assert_eq!(machine.receive_invite(), None);
        assert!(!machine.receive_ack(Time::ZERO));
        assert_eq!(machine.deadline(), Some(Time::from_secs(32)));
        assert_eq!(machine.handle_timeout(Time::from_secs(32)), None);
        assert!(machine.is_terminated());
    }
}
