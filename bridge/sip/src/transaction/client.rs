//! The non-INVITE client transaction (RFC 3261 §17.1.2).

use partyline_model::Time;

use super::Fired;
use super::timer::{Backoff, Due, T4, linger};
use crate::flow::Transport;
use crate::message::Status;

/// The machine.
#[derive(Debug)]
pub(crate) struct Client {
    transport: Transport,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Trying and Proceeding: timers E and F.
    Open {
        backoff: Backoff,
    },
    /// The final response came; repetitions are absorbed: timer K.
    Completed {
        until: Time,
    },
    Terminated,
}

impl Client {
    pub(crate) fn new(now: Time, transport: Transport) -> Self {
        Self { transport, state: State::Open { backoff: Backoff::up_to_t2(now, transport) } }
    }

    /// Whether no final response came yet.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    pub(crate) fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// Takes a response: true when it is the final one, the first time.
    pub(crate) fn receive(&mut self, now: Time, status: Status) -> bool {
        let State::Open { backoff } = &mut self.state else { return false };
        if status.is_provisional() {
            backoff.slow_down();
            return false;
        }
        self.state = State::Completed { until: now + linger(self.transport, T4) };
        true
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) -> Fired {
        match &mut self.state {
            State::Open { backoff } => match backoff.due(now) {
                Due::Nothing => Fired::Nothing,
                Due::Retransmit => Fired::Retransmit,
                Due::GiveUp => {
                    self.state = State::Terminated;
                    Fired::TimedOut
                }
            },
            State::Completed { until } => {
                if now >= *until {
                    self.state = State::Terminated;
                }
                Fired::Nothing
            }
            State::Terminated => Fired::Nothing,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Open { backoff } => Some(backoff.deadline()),
            State::Completed { until } => Some(*until),
            State::Terminated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timer_e_repeats_up_to_t2_and_timer_f_gives_up() {
        let mut machine = Client::new(Time::ZERO, Transport::Udp);
        let mut sent = Vec::new();
        while let Some(now) = machine.deadline() {
            match machine.handle_timeout(now) {
                Fired::Retransmit => sent.push(now.as_millis()),
                Fired::TimedOut => assert_eq!(now, Time::from_secs(32)),
                Fired::Nothing => {}
            }
        }
        assert_eq!(sent[..5], [500, 1500, 3500, 7500, 11_500]);
        assert_eq!(sent.len(), 10);
    }

    #[test]
    fn a_provisional_response_slows_timer_e_to_t2() {
        let mut machine = Client::new(Time::ZERO, Transport::Udp);
        assert!(!machine.receive(Time::ZERO, Status::TRYING));
        assert_eq!(machine.handle_timeout(Time::from_millis(500)), Fired::Retransmit);
        assert_eq!(machine.deadline(), Some(Time::from_millis(4500)));
    }

    #[test]
    fn the_final_response_comes_once_and_timer_k_cleans_up() {
        let mut machine = Client::new(Time::ZERO, Transport::Udp);
        assert!(machine.receive(Time::ZERO, Status::OK));
        assert!(!machine.receive(Time::ZERO, Status::OK));
        assert_eq!(machine.deadline(), Some(Time::from_secs(5)));
        machine.handle_timeout(Time::from_secs(5));
        assert!(machine.is_terminated());
    }

    #[test]
    fn over_a_stream_nothing_is_repeated_and_nothing_lingers() {
        let mut silent = Client::new(Time::ZERO, Transport::Tcp);
        assert!(!silent.receive(Time::ZERO, Status::TRYING));
        assert_eq!(silent.deadline(), Some(Time::from_secs(32)), "timer F");
        assert_eq!(silent.handle_timeout(Time::from_secs(32)), Fired::TimedOut);
        let mut answered = Client::new(Time::ZERO, Transport::Tls);
        assert!(answered.receive(Time::from_secs(1), Status::OK));
        assert_eq!(answered.deadline(), Some(Time::from_secs(1)), "timer K is zero");
        answered.handle_timeout(Time::from_secs(1));
        assert!(answered.is_terminated());
    }
}
