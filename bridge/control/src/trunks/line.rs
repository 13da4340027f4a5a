//! One trunk that is watched: its registration, its pings, and what follows from both.

use std::sync::Arc;

use partyline_model::{IdSource, Time};
use partyline_sip::auth::Login;
use partyline_sip::health::{Health, HealthCheck, HealthOutput, PingConfig};
use partyline_sip::locate::LookupFault;
use partyline_sip::message::{Message, Status, Uri};
use partyline_sip::register::{DownReason, RegisterConfig, RegisterOutput, Registration};
use partyline_sip::{Flow, Unanswered};

use super::{Binding, PingCounts, TrunkFault, TrunkState};
use crate::config::Trunk;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Register,
    Ping,
}

/// A request to send.
pub(super) struct Sending {
    pub(super) errand: Errand,
    pub(super) message: Message,
    pub(super) flow: Flow,
}

/// How a trunk is addressed, and as whom.
pub(super) struct Names {
    /// The Contact of the registration; of pings to a trunk without one, our own address.
    pub(super) contact: Uri,
    /// The From of pings.
    pub(super) from: Uri,
    /// The Request-URI and To of pings.
    pub(super) target: Uri,
}

/// How a trunk is reached, best way first.
#[derive(Default)]
pub(super) struct Ways {
    pub(super) registrar: Vec<Flow>,
    pub(super) destination: Vec<Flow>,
}

impl Ways {
    /// The way that our own address is chosen by.
    pub(super) fn first(&self) -> Option<Flow> {
        self.registrar.first().or(self.destination.first()).copied()
    }
}

struct Registered {
    machine: Registration,
    /// By the rank of the machine's targets.
    flows: Vec<Flow>,
    /// What was said last about there being no binding.
    down: Option<DownReason>,
    stopped: bool,
}

struct Pinged {
    machine: HealthCheck,
    /// Pinged in turn.
    flows: Vec<Flow>,
    turn: usize,
    /// The ping whose end counts.
    latest: u64,
    /// Whether that has not ended.
    awaited: bool,
    fault: TrunkFault,
    counts: PingCounts,
}

/// A trunk.
pub(super) struct Line {
    registration: Option<Registered>,
    pings: Option<Pinged>,
    /// The way that our own address was chosen by.
    here: Option<Flow>,
    /// Why the trunk cannot be reached.
    lost: Option<LookupFault>,
    state: TrunkState,
    since: Time,
    last_status: Option<Status>,
}

impl Line {
    /// A trunk that nothing was asked of yet.
    pub(super) fn new(
        now: Time,
        trunk: &Trunk,
        names: Names,
        ways: Ways,
        mut random: impl FnMut() -> Box<dyn IdSource>,
    ) -> Self {
        let Names { contact, from, target } = names;
        let here = ways.first();
        let registration = trunk.account.as_ref().map(|account| {
            let (aor, registrar) = (account.aor.clone(), account.domain.clone());
            let config = RegisterConfig {
                expires: account.expires,
                ..RegisterConfig::new(aor, registrar, contact.clone())
            };
            let login: Option<Arc<Login>> = trunk.login.clone();
            Registered {
                machine: Registration::new(config, login, random()),
                flows: ways.registrar,
                down: None,
                stopped: false,
            }
        });
        let pings = trunk.pings.filter(|_| trunk.destination.is_some()).map(|rules| Pinged {
            machine: HealthCheck::new(rules, PingConfig { target, from, contact }, random()),
            flows: ways.destination,
            turn: 0,
            latest: 0,
            awaited: false,
            fault: TrunkFault::Silent,
            counts: PingCounts::default(),
        });
        let watched = registration.is_some() || pings.is_some();
        let state = if watched { TrunkState::Unknown } else { TrunkState::Unwatched };
        Self { registration, pings, here, lost: None, state, since: now, last_status: None }
    }

    /// A trunk that nothing is asked of.
    pub(super) const fn unwatched(now: Time) -> Self {
        let state = TrunkState::Unwatched;
        Self {
            registration: None,
            pings: None,
            here: None,
            lost: None,
            state,
            since: now,
            last_status: None,
        }
    }

    /// Whether the best of `ways` is of another transport or family than the one that this was made
    /// for.
    pub(super) fn is_of_other_kind(&self, ways: &Ways) -> bool {
        let kind = |flow: Flow| (flow.transport, flow.remote.is_ipv4());
        ways.first().is_some_and(|first| self.here.map(kind) != Some(kind(first)))
    }

    /// Goes on as `other`, in the state that it is known to be in.
    pub(super) fn become_another(&mut self, other: Self) {
        let (state, since, last_status) = (self.state, self.since, self.last_status);
        *self = match state {
            TrunkState::Unwatched => other,
            TrunkState::Unknown | TrunkState::Up | TrunkState::Down(_) | TrunkState::Left => {
                Self { state, since, last_status, ..other }
            }
        };
    }

    /// The trunk is reached by other ways. Those that stay keep their rank.
    pub(super) fn lead(&mut self, ways: Ways) {
        if let Some(registered) = &mut self.registration
            && rank(&mut registered.flows, ways.registrar)
        {
            registered.machine.start(registered.flows.len());
        }
        if let Some(pinged) = &mut self.pings
            && rank(&mut pinged.flows, ways.destination)
        {
            pinged.machine.set_targets(pinged.flows.len());
        }
    }

    /// The trunk has no address, for this reason, or has one.
    pub(super) fn set_lost(&mut self, lost: Option<LookupFault>) {
        self.lost = lost;
    }

    /// Asks for the binding, and pings for the first time.
    pub(super) fn start(&mut self, now: Time) {
        if let Some(registered) = &mut self.registration {
            registered.machine.start(registered.flows.len());
        }
        if let Some(pinged) = &mut self.pings {
            pinged.machine.set_targets(pinged.flows.len());
            pinged.machine.start(now);
        }
    }

    /// Takes the binding back and pings no more.
    pub(super) fn stop(&mut self, now: Time) {
        if let Some(registered) = &mut self.registration {
            registered.machine.stop(now);
        }
        if let Some(pinged) = &mut self.pings {
            pinged.machine.stop();
        }
    }

    /// Whether a binding still has to be taken back.
    pub(super) fn holds_on(&self) -> bool {
        self.registration.as_ref().is_some_and(|registered| !registered.stopped)
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        if let Some(registered) = &mut self.registration {
            registered.machine.handle_timeout(now);
        }
        if let Some(pinged) = &mut self.pings {
            pinged.handle_timeout(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let registration = self.registration.as_ref().and_then(|it| it.machine.poll_timeout());
        let pings = self.pings.as_ref().and_then(|it| it.machine.poll_timeout());
        [registration, pings].into_iter().flatten().min()
    }

    /// The password of the account is another.
    pub(super) fn set_login(&mut self, login: Arc<Login>) {
        if let Some(registered) = &mut self.registration {
            registered.machine.set_login(login);
        }
    }

    /// The connection to the far end is gone: what hangs on it is made anew.
    pub(super) fn handle_flow_lost(&mut self, now: Time, lost: Flow) {
        if let Some(registered) = &mut self.registration
            && registered.flow().is_some_and(|flow| flow.far_end() == lost.far_end())
        {
            registered.machine.handle_flow_lost(now);
        }
    }

    /// A request of this trunk is over.
    pub(super) fn responded(
        &mut self,
        now: Time,
        (errand, token): (Errand, u64),
        result: Result<(&Message, Status), Unanswered>,
    ) {
        if let Ok((_, status)) = result {
            self.last_status = Some(status);
        }
        match errand {
            Errand::Register => {
                let Some(registered) = &mut self.registration else { return };
                match result {
                    Ok((response, _)) => registered.machine.handle_response(now, response),
                    Err(_) => registered.machine.handle_failure(now),
                }
            }
            Errand::Ping => {
                if let Some(pinged) = &mut self.pings {
                    pinged.responded(now, token, result.map(|(_, status)| status));
                }
            }
        }
    }

    /// The next request to send. `token` is what it is sent with.
    pub(super) fn poll_send(&mut self, token: u64) -> Option<Sending> {
        if let Some(registered) = &mut self.registration {
            while let Some(output) = registered.machine.poll_output() {
                match output {
                    RegisterOutput::Send { request, target } => {
                        let flow = registered.flows.get(target).or(registered.flows.first());
                        let Some(&flow) = flow else { continue };
                        return Some(Sending { errand: Errand::Register, message: request, flow });
                    }
                    RegisterOutput::Up { target: _ } => registered.down = None,
                    RegisterOutput::Down(reason) => registered.down = Some(reason),
                    RegisterOutput::Stopped => registered.stopped = true,
                }
            }
        }
        let pinged = self.pings.as_mut()?;
        while let Some(output) = pinged.machine.poll_output() {
            match output {
                HealthOutput::Ping(message) => {
                    let turn = pinged.turn % pinged.flows.len().max(1);
                    let Some(&flow) = pinged.flows.get(turn) else { continue };
                    pinged.turn = turn + 1;
                    (pinged.latest, pinged.awaited) = (token, true);
                    return Some(Sending { errand: Errand::Ping, message, flow });
                }
                HealthOutput::Changed(_) => {}
            }
        }
        None
    }

    /// The state that the trunk has come to, if it is another than before.
    pub(super) fn changed(&mut self, now: Time) -> Option<TrunkState> {
        let state = self.judge();
        if state == self.state {
            return None;
        }
        (self.state, self.since) = (state, now);
        Some(state)
    }

    fn judge(&self) -> TrunkState {
        if self.registration.as_ref().is_some_and(|registered| registered.stopped) {
            return TrunkState::Left;
        }
        if let Some(fault) = self.lost {
            return TrunkState::Down(TrunkFault::NotFound(fault));
        }
        let health = self.pings.as_ref().map(|pinged| pinged.machine.health());
        let bound = self.registration.as_ref().map(|it| it.machine.bound_at().is_some());
        let unbound =
            self.registration.as_ref().and_then(|it| it.down).filter(|_| bound != Some(true));
        match (health, unbound, bound) {
            (Some(Health::Down), ..) => {
                let fault = self.pings.as_ref().map(|pinged| pinged.fault);
                TrunkState::Down(fault.unwrap_or(TrunkFault::Silent))
            }
            (_, Some(reason), _) => TrunkState::Down(TrunkFault::Unregistered(reason)),
            (_, None, Some(true)) | (Some(Health::Up), None, None) => TrunkState::Up,
            (_, None, Some(false)) | (Some(Health::Unknown), None, None) => TrunkState::Unknown,
            (None, None, None) => TrunkState::Unwatched,
        }
    }

    pub(super) fn state(&self) -> (TrunkState, Time) {
        (self.state, self.since)
    }

    pub(super) fn last_status(&self) -> Option<Status> {
        self.last_status
    }

    pub(super) fn binding(&self) -> Option<Binding> {
        let until = self.registration.as_ref()?.machine.bound_until();
        Some(Binding { until })
    }

    pub(super) fn ping_counts(&self) -> Option<PingCounts> {
        self.pings.as_ref().map(|pinged| pinged.counts)
    }

    /// The Route of requests through the registrar (RFC 3608 §5).
    pub(super) fn service_route(&self) -> &[Uri] {
        let routes = self.registration.as_ref().and_then(|it| it.machine.routes());
        routes.map_or(&[], |routes| &routes.service)
    }
}

impl Registered {
    /// The way of the binding, or of the next request for one.
    fn flow(&self) -> Option<Flow> {
        let rank = self.machine.bound_at().unwrap_or_default();
        self.flows.get(rank).or(self.flows.first()).copied()
    }
}

/// Takes `found` for `flows`, those that were among them in the order of before; whether they are
/// others. What leads nowhere leaves them as they are.
fn rank(flows: &mut Vec<Flow>, found: Vec<Flow>) -> bool {
    if found.is_empty() {
        return false;
    }
    let kept: Vec<Flow> = flows.iter().filter(|flow| found.contains(flow)).copied().collect();
    let new: Vec<Flow> = found.into_iter().filter(|flow| !kept.contains(flow)).collect();
    let ranked = [kept, new].concat();
    let changed = *flows != ranked;
    *flows = ranked;
    changed
}

impl Pinged {
    fn handle_timeout(&mut self, now: Time) {
        if self.awaited && self.machine.poll_timeout().is_some_and(|at| at <= now) {
            self.fault = TrunkFault::Silent;
        }
        self.machine.handle_timeout(now);
    }

    fn responded(&mut self, now: Time, token: u64, result: Result<Status, Unanswered>) {
        let is_latest = token == self.latest;
        self.awaited &= !is_latest;
        match result {
            Ok(status @ (Status::REQUEST_TIMEOUT | Status::SERVICE_UNAVAILABLE)) => {
                self.counts.refused += 1;
                if is_latest {
                    self.fault = TrunkFault::Refuses(status);
                    self.machine.handle_response(now, status);
                }
            }
            // An answer that comes late is a sign of life nevertheless.
            Ok(status) => {
                self.counts.answered += 1;
                self.machine.handle_response(now, status);
            }
            Err(why) => {
                match why {
                    Unanswered::TimedOut => self.counts.silent += 1,
                    Unanswered::Unreachable => self.counts.unreachable += 1,
                }
                if is_latest {
                    self.fault = TrunkFault::Silent;
                    self.machine.handle_failure(now);
                }
            }
        }
    }
}
