//! The INVITE client transaction (RFC 3261 §17.1.1, Accepted state of RFC 6026 §7.2).

use partyline_model::Time;

use super::Fired;
use super::timer::{Backoff, Due, TIMER_D, TRANSACTION_LIFETIME, linger};
use crate::flow::Transport;
use crate::message::Status;

/// The machine.
#[derive(Debug)]
pub(crate) struct InviteClient {
    transport: Transport,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing came back yet: timers A and B.
    Calling {
        backoff: Backoff,
    },
    /// A provisional response came; the far end may ring as long as it likes.
    Proceeding,
    /// A final response other than 2xx came and was acknowledged: timer D.
    Completed {
        until: Time,
    },
    /// A 2xx came; more of them may, from other forks: timer M.
    Accepted {
        until: Time,
    },
    Terminated,
}

/// What a response to an INVITE is to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// For the user agent core.
    Deliver,
    /// For the core, and to be acknowledged within the transaction.
    DeliverAndAck,
    /// A repetition: to be acknowledged again, nothing else.
    Ack,
    /// Not wanted.
    Absorb,
}

impl InviteClient {
    pub(crate) fn new(now: Time, transport: Transport) -> Self {
        Self { transport, state: State::Calling { backoff: Backoff::unlimited(now, transport) } }
    }

    /// Whether nothing came back yet.
    pub(crate) fn is_calling(&self) -> bool {
        matches!(self.state, State::Calling { .. })
    }

    /// Whether a provisional response came and no final one (when CANCEL may go, RFC 3261 §9.1).
    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    pub(crate) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    pub(crate) fn receive(&mut self, now: Time, status: Status) -> Received {
        match self.state {
            State::Calling { .. } | State::Proceeding => {
                if status.is_provisional() {
                    self.state = State::Proceeding;
                    Received::Deliver
                } else if status.is_success() {
                    self.state = State::Accepted { until: now + TRANSACTION_LIFETIME };
                    Received::Deliver
                } else {
                    let until = now + linger(self.transport, TIMER_D);
                    self.state = State::Completed { until };
                    Received::DeliverAndAck
                }
            }
            State::Completed { .. } if status >= Status::new(300).unwrap_or(status) => {
                Received::Ack
            }
            State::Accepted { .. } if status.is_success() => Received::Deliver,
            State::Completed { .. } | State::Accepted { .. } | State::Terminated => {
                Received::Absorb
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) -> Fired {
        match &mut self.state {
            State::Calling { backoff } => match backoff.due(now) {
                Due::Nothing => Fired::Nothing,
                Due::Retransmit => Fired::Retransmit,
                Due::GiveUp => {
                    self.state = State::Terminated;
                    Fired::TimedOut
                }
            },
            State::Completed { until } | State::Accepted { until } if now >= *until => {
                self.state = State::Terminated;
                Fired::Nothing
            }
            State::Completed { .. }
            | State::Accepted { .. }
            | State::Proceeding
            | State::Terminated => Fired::Nothing,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Calling { backoff } => Some(backoff.deadline()),
            State::Completed { until } | State::Accepted { until } => Some(*until),
            State::Proceeding | State::Terminated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timer_a_repeats_and_timer_b_gives_up() {
        let mut machine = InviteClient::new(Time::ZERO, Transport::Udp);
        let mut sent = 0;
        while let Some(now) = machine.deadline() {
            match machine.handle_timeout(now) {
                Fired::Retransmit => sent += 1,
                Fired::TimedOut => assert_eq!(now, Time::from_secs(32)),
                Fired::Nothing => {}
            }
        }
        assert_eq!(sent, 6);
        assert!(machine.is_terminated());
    }

    #[test]
    fn a_provisional_response_stops_the_clock() {
        let mut machine = InviteClient::new(Time::ZERO, Transport::Udp);
        assert_eq!(machine.receive(Time::ZERO, Status::RINGING), Received::Deliver);
        assert!(machine.is_proceeding());
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn a_rejection_is_delivered_once_and_acknowledged_every_time_until_timer_d() {
        let mut machine = InviteClient::new(Time::ZERO, Transport::Udp);
        assert_eq!(machine.receive(Time::ZERO, Status::BUSY_HERE), Received::DeliverAndAck);
        assert_eq!(machine.receive(Time::ZERO, Status::BUSY_HERE), Received::Ack);
        assert_eq!(machine.receive(Time::ZERO, Status::OK), Received::Absorb);
        assert_eq!(machine.deadline(), Some(Time::from_secs(32)));
        machine.handle_timeout(Time::from_secs(32));
        assert!(machine.is_terminated());
    }

    #[test]
    fn over_a_stream_nothing_is_repeated_and_only_forks_are_waited_for() {
        let mut silent = InviteClient::new(Time::ZERO, Transport::Tcp);
        assert_eq!(silent.deadline(), Some(Time::from_secs(32)), "timer B alone");
        assert_eq!(silent.handle_timeout(Time::from_secs(32)), Fired::TimedOut);
        let mut busy = InviteClient::new(Time::ZERO, Transport::Tls);
        assert_eq!(busy.receive(Time::ZERO, Status::BUSY_HERE), Received::DeliverAndAck);
        assert_eq!(busy.deadline(), Some(Time::ZERO), "timer D is zero");
        let mut answered = InviteClient::new(Time::ZERO, Transport::Tls);
        assert_eq!(answered.receive(Time::ZERO, Status::OK), Received::Deliver);
        assert_eq!(answered.deadline(), Some(Time::from_secs(32)), "timer M is not");
    }

    #[test]
    fn every_success_is_delivered_until_timer_m() {
        let mut machine = InviteClient::new(Time::ZERO, Transport::Udp);
        assert_eq!(machine.receive(Time::ZERO, Status::OK), Received::Deliver);
        assert_eq!(machine.receive(Time::ZERO, Status::OK), Received::Deliver);
        assert_eq!(machine.receive(Time::ZERO, Status::BUSY_HERE), Received::Absorb);
        machine.handle_timeout(Time::from_secs(32));
        assert!(machine.is_terminated());
    }
}
