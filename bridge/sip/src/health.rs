//! Whether a trunk is alive, by OPTIONS (RFC 3261 §11), as a state machine: answers and time go in,
//! pings and verdicts come out.
//!
//! Not here: the request on its way, and what is done without a trunk.

use std::collections::VecDeque;
use std::time::Duration;

use partyline_model::{IdSource, Time};

use crate::message::{Message, Method, Name, Status, Uri};

/// When a trunk counts as up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthRules {
    /// Between two pings while they are answered.
    pub interval: Duration,
    /// Between two pings since one was not.
    pub retry: Duration,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// Pings in a row without a good answer that take a trunk down; at least 1.
    pub down_after: u8,
    /// Pings in a row with one that bring it up again; at least 1.
    pub up_after: u8,
}

impl Default for HealthRules {
    /// Every minute, every 10 s since one failed, 8 s of patience; down after 3, up after 1.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            retry: Duration::from_secs(10),
            patience: Duration::from_secs(8),
            down_after: 3,
            up_after: 1,
        }
    }
}

/// What is known of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing yet: calls are tried.
    Unknown,
    /// The trunk answers.
    Up,
    /// The trunk has not answered, or says that it cannot serve.
    Down,
}

/// Something to do or to know.
#[derive(Debug)]
pub enum HealthOutput {
    /// An OPTIONS to carry to the trunk, without Via and Max-Forwards. How it ended comes back.
    Ping(Message),
    /// The trunk is now up or down.
    Changed(Health),
}

/// Whom the pings go to, and as whom.
#[derive(Clone, Debug)]
pub struct PingConfig {
    /// The Request-URI and To: the trunk's domain, usually without a user.
    pub target: Uri,
    /// From: our name at the trunk.
    pub from: Uri,
    /// Contact, which some far ends know a trunk by.
    pub contact: Uri,
}

/// The watch over one trunk.
pub struct HealthCheck {
    rules: HealthRules,
    ping: PingConfig,
    random: Box<dyn IdSource>,
    health: Health,
    /// Pings in a row that ended as the last one did.
    failed: u8,
    answered: u8,
    /// Addresses that are pinged in turn: the trunk is down when none of them answers.
    targets: usize,
    phase: Phase,
    outputs: VecDeque<HealthOutput>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Waiting { until: Time },
    Asking { until: Time },
}

impl HealthCheck {
    /// A watch that is not started.
    pub fn new(rules: HealthRules, ping: PingConfig, random: Box<dyn IdSource>) -> Self {
        Self {
            rules,
            ping,
            random,
            health: Health::Unknown,
            failed: 0,
            answered: 0,
            targets: 1,
            phase: Phase::Idle,
            outputs: VecDeque::new(),
        }
    }

    /// The pings go to so many addresses in turn.
    pub fn set_targets(&mut self, targets: usize) {
        self.targets = targets;
    }

    /// Pings for the first time.
    pub fn start(&mut self, now: Time) {
        if self.phase == Phase::Idle {
            self.send(now);
        }
    }

    /// Pings no more. What is known stays.
    pub fn stop(&mut self) {
        self.phase = Phase::Idle;
    }

    /// A ping has its final response: a trunk that answers is alive whatever it says, but for 408
    /// and 503, which say that it cannot serve, or that whoever answers does not reach it.
    pub fn handle_response(&mut self, now: Time, status: Status) {
        if status.is_provisional() {
            return;
        }
        match status {
            Status::REQUEST_TIMEOUT | Status::SERVICE_UNAVAILABLE => self.failed(now),
            _ => self.answered(now),
        }
    }

    /// A ping has no response: it timed out, or could not be sent.
    pub fn handle_failure(&mut self, now: Time) {
        self.failed(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.phase {
            Phase::Waiting { until } if until <= now => self.send(now),
            Phase::Asking { until } if until <= now => self.failed(now),
            Phase::Waiting { .. } | Phase::Asking { .. } | Phase::Idle => {}
        }
    }

    /// When [`HealthCheck::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.phase {
            Phase::Waiting { until } | Phase::Asking { until } => Some(until),
            Phase::Idle => None,
        }
    }

    /// What to do next; to be called until `None` after every input.
    pub fn poll_output(&mut self) -> Option<HealthOutput> {
        self.outputs.pop_front()
    }

    /// What is known of the trunk.
    pub const fn health(&self) -> Health {
        self.health
    }

    fn send(&mut self, now: Time) {
        self.phase = Phase::Asking { until: now + self.rules.patience };
        let PingConfig { target, from, contact } = &self.ping;
        let mut request = Message::request(Method::Options, target.as_str());
        let tag = self.random.next_u128() >> 64;
        let call_id = self.random.next_u128();
        request.headers.add(Name::From, format!("<{from}>;tag={tag:016x}"));
        request.headers.add(Name::To, format!("<{target}>"));
        request.headers.add(Name::CallId, format!("{call_id:032x}"));
        request.headers.add(Name::CSeq, format!("1 {}", Method::Options));
        request.headers.add(Name::Contact, format!("<{contact}>"));
        request.headers.add(Name::Accept, "application/sdp");
        self.outputs.push_back(HealthOutput::Ping(request));
    }

    /// A good answer, even one that came when nobody waited for it any more.
    fn answered(&mut self, now: Time) {
        self.failed = 0;
        self.answered = self.answered.saturating_add(1);
        if self.health == Health::Unknown || self.answered >= self.rules.up_after.max(1) {
            self.change(Health::Up);
        }
        let waits = if self.health == Health::Up { self.rules.interval } else { self.rules.retry };
        self.wait(now, waits);
    }

    fn failed(&mut self, now: Time) {
        if !matches!(self.phase, Phase::Asking { .. }) {
            return;
        }
        self.answered = 0;
        self.failed = self.failed.saturating_add(1);
        if usize::from(self.failed) >= self.targets.max(self.rules.down_after.max(1).into()) {
            self.change(Health::Down);
        }
        self.wait(now, self.rules.retry);
    }

    fn change(&mut self, health: Health) {
        if self.health != health {
            self.health = health;
            self.outputs.push_back(HealthOutput::Changed(health));
        }
    }

    /// Many trunks are not pinged at one moment: each wait is up to a tenth shorter.
    fn wait(&mut self, now: Time, time: Duration) {
        if self.phase == Phase::Idle {
            return;
        }
        let bits = u8::try_from(self.random.next_u128() >> 120).expect("8 bits are left");
        let shorter = time / 10 * u32::from(bits) / u32::from(u8::MAX);
        self.phase = Phase::Waiting { until: now + (time - shorter) };
    }
}
