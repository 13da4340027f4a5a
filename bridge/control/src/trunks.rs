//! Trunks that are watched: our registration at each that wants one (RFC 3261 §10.2), and whether
//! it answers OPTIONS (§11).
//!
//! A trunk that is known to be down is left out when a call goes out, so that it costs the callee no
//! second; when all are, each is tried as if nothing were known. A call that comes in by the Contact
//! of a registration, from the trunk's addresses, belongs to that trunk.
//!
//! Not here: who may hold an account (two nodes must not register one), and which trunk is the best.

mod branch;
mod line;
pub(crate) mod token;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use partyline_model::{IdSource, Time};
use partyline_sip::auth::Login;
use partyline_sip::locate::LookupFault;
use partyline_sip::message::{Message, StartLine, Status, Uri};
use partyline_sip::register::DownReason;
use partyline_sip::{Destination, Endpoint, Flow, Incoming, OutOfDialog, Unanswered};

use self::branch::Branch;
use self::line::{Errand, Line, Names, Ways};
use crate::config::Trunk;
use crate::node::{Node, Output, or_ended};
use crate::whereabouts::TrunkName;

/// What is known of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrunkState {
    /// Nothing is asked of the trunk.
    Unwatched,
    /// The trunk has said nothing yet.
    Unknown,
    /// The trunk answers, and has our registration if it wants one.
    Up,
    /// Calls out leave the trunk out while another is up.
    Down(TrunkFault),
    /// The bridge ends: the registration is taken back, nothing is asked any more.
    Left,
}

/// Why a trunk is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrunkFault {
    /// Several OPTIONS in a row had no answer.
    Silent,
    /// Several OPTIONS in a row were answered with 408 or 503.
    Refuses(Status),
    /// The trunk does not have our registration.
    Unregistered(DownReason),
    /// The trunk's name leads nowhere, and never did since the start.
    NotFound(LookupFault),
}

impl TrunkState {
    /// A name for JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unwatched => "unwatched",
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down(_) => "down",
            Self::Left => "left",
        }
    }
}

impl fmt::Display for TrunkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("OPTIONS has no answer"),
            Self::NotFound(LookupFault::Silent) => f.write_str("no name server says where it is"),
            Self::NotFound(LookupFault::Nothing) => f.write_str("its name has no address of use"),
            Self::Refuses(status) => write!(f, "OPTIONS is answered with {}", status.code()),
            Self::Unregistered(DownReason::Unreachable(None)) => {
                f.write_str("REGISTER has no answer")
            }
            Self::Unregistered(DownReason::Unreachable(Some(status))) => {
                write!(f, "the registrar is out of order: {}", status.code())
            }
            Self::Unregistered(DownReason::Rejected(status)) => {
                write!(f, "the registrar refuses: {}", status.code())
            }
            Self::Unregistered(DownReason::Unauthorized(why)) => write!(f, "{why}"),
            Self::Unregistered(DownReason::NotGranted) => {
                f.write_str("the registrar says yes and grants nothing")
            }
            Self::Unregistered(DownReason::Expired) => {
                f.write_str("the registration has ended and could not be renewed")
            }
        }
    }
}

/// A trunk has come to another state; for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkChange {
    /// As people name the trunk.
    pub name: String,
    /// What is known of it now.
    pub state: TrunkState,
}

/// A trunk as it is at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkStatus {
    /// As records name the trunk.
    pub id: u32,
    /// As people name it.
    pub name: String,
    /// What is known of it.
    pub state: TrunkState,
    /// Since when.
    pub since: Time,
    /// The last final response to a REGISTER or an OPTIONS.
    pub last_status: Option<Status>,
    /// Our registration; `None` where there is to be none.
    pub binding: Option<Binding>,
    /// What came of OPTIONS; `None` where none are sent.
    pub pings: Option<PingCounts>,
    /// Its names, as far as it has any.
    pub names: Vec<TrunkName>,
}

/// Our registration at a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// When the binding ends unless it is renewed, which is done long before; `None` while there is
    /// none.
    pub until: Option<Time>,
}

/// What came of OPTIONS requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PingCounts {
    /// Answered, whatever was said.
    pub answered: u64,
    /// Answered with 408 or 503.
    pub refused: u64,
    /// Not answered within 32 s.
    pub silent: u64,
    /// Not sent: there was no connection.
    pub unreachable: u64,
}

/// All trunks, in the order of the configuration.
#[derive(Default)]
pub(crate) struct Watch {
    /// By which calls to each are known.
    tokens: Vec<Option<String>>,
    /// None before the start.
    lines: Vec<Line>,
    /// Requests without a response yet.
    asked: BTreeMap<u64, (usize, Errand, Flow)>,
    last_token: u64,
    next: Option<Time>,
    /// Whether every trunk that takes calls is down.
    all_down: bool,
    /// Whether the node is drained but for the bindings that are taken back.
    drained: bool,
    /// Whether the bindings are being taken back.
    pub(crate) left: bool,
}

impl Watch {
    /// Trunks that nothing is asked of yet.
    pub(crate) fn new(trunks: &[Trunk], key: &[u8; 32]) -> Self {
        let of = |trunk: &Trunk| trunk.account.as_ref().map(|_| token::of_trunk(key, &trunk.name));
        Self { tokens: trunks.iter().map(of).collect(), ..Self::default() }
    }

    /// When the next trunk has something to do.
    pub(crate) fn next(&self) -> Option<Time> {
        self.next
    }

    /// Whether `user` is the Contact of the trunk in this place.
    fn is_contact(&self, place: usize, user: &str) -> bool {
        self.tokens.get(place).and_then(Option::as_deref) == Some(user)
    }

    /// Whether calls may go out through the trunk in this place.
    pub(crate) fn is_usable(&self, place: usize) -> bool {
        let down = self.lines.get(place).is_some_and(|line| is_down(line.state().0));
        !down || self.all_down
    }

    /// The Route of calls through the trunk in this place (RFC 3608 §5).
    pub(crate) fn service_route(&self, place: usize) -> &[Uri] {
        self.lines.get(place).map_or(&[], Line::service_route)
    }

    /// What is asked of a trunk that is reached by these ways.
    fn line(
        &self,
        now: Time,
        (place, trunk): (usize, &Trunk),
        ways: Ways,
        endpoint: &Endpoint,
        random: &mut dyn IdSource,
    ) -> Line {
        let user = self.tokens.get(place).and_then(Option::as_deref);
        let here = ways.first();
        let contact = here.and_then(|flow| Uri::parse(&endpoint.contact_uri(user, flow)).ok());
        let target = trunk.home().and_then(|home| Uri::parse(&format!("sip:{home}")).ok());
        let from = trunk.account.as_ref().map(|account| account.aor.clone()).or(contact.clone());
        match (contact, from, target) {
            (Some(contact), Some(from), Some(target)) => {
                let random = || -> Box<dyn IdSource> { Box::new(Branch::of(random)) };
                Line::new(now, trunk, Names { contact, from, target }, ways, random)
            }
            _ => Line::unwatched(now),
        }
    }
}

const fn is_down(state: TrunkState) -> bool {
    matches!(state, TrunkState::Down(_))
}

impl Node {
    /// Registers at the trunks that want it, and pings those that are watched.
    pub fn start_trunks(&mut self, now: Time) {
        for place in 0..self.config.trunks.len() {
            self.trunks.lines.push(Line::unwatched(now));
            self.lead_trunk(now, place);
        }
        self.start_looking(now);
        self.run(now);
    }

    /// The trunk in this place is to be reached by other ways, or by any at all. Where those are of
    /// another kind, so is our own address: registration and pings begin anew.
    pub(crate) fn lead_trunk(&mut self, now: Time, place: usize) {
        let ways =
            Ways { registrar: self.ways_to_registrar(place), destination: self.ways_out(place) };
        let Self { trunks, config, endpoint, random, .. } = self;
        let Some(trunk) = config.trunks.get(place) else { return };
        let anew = trunks.lines.get(place).is_some_and(|line| line.is_of_other_kind(&ways));
        if anew && !trunks.left {
            let made = trunks.line(now, (place, trunk), ways, endpoint, &mut **random);
            if let Some(line) = trunks.lines.get_mut(place) {
                line.become_another(made);
                line.start(now);
            }
        } else if let Some(line) = trunks.lines.get_mut(place) {
            line.lead(ways);
        }
        if let Some(line) = trunks.lines.get_mut(place) {
            line.set_lost(self.whereabouts.lost(place));
        }
        self.tend_trunks(now);
    }

    /// The password of the trunk in this place is another. Calls that are up stay, and answer with
    /// it when they are asked.
    pub fn set_login(&mut self, now: Time, place: usize, login: Arc<Login>) {
        let Some(trunk) = self.config.trunks.get_mut(place) else { return };
        if let Some(before) = trunk.login.replace(Arc::clone(&login)) {
            self.endpoint.renew_login(&before, &login);
        }
        if let Some(line) = self.trunks.lines.get_mut(place) {
            line.set_login(login);
        }
        self.tend_trunks(now);
        self.run(now);
    }

    /// Every trunk as it is now, in the order of the configuration.
    pub fn trunk_states(&self) -> Vec<TrunkStatus> {
        let lines = self.config.trunks.iter().zip(&self.trunks.lines);
        let status = |(place, (trunk, line)): (usize, (&Trunk, &Line))| {
            let (state, since) = line.state();
            TrunkStatus {
                id: trunk.id,
                name: trunk.name.clone(),
                state,
                since,
                last_status: line.last_status(),
                binding: line.binding(),
                pings: line.ping_counts(),
                names: self.whereabouts.of(place, trunk, &self.sources),
            }
        };
        lines.enumerate().map(status).collect()
    }

    /// The place of the trunk that a call belongs to: by the Contact of our registration that it is
    /// for, else by where it comes from.
    pub(crate) fn place_of(&self, incoming: &Incoming) -> Option<usize> {
        let source = incoming.flow.remote.ip();
        let may_call = |&place: &usize| self.sources.may_call(place, source);
        let called = |&place: &usize| self.trunks.is_contact(place, &incoming.dnis_raw);
        let places = || (0..self.config.trunks.len()).filter(may_call);
        places().find(called).or_else(|| places().next())
    }

    /// Whether `user` is the Contact of our registration at the trunk in this place.
    pub(crate) fn is_contact(&self, place: usize, user: &str) -> bool {
        self.trunks.is_contact(place, user)
    }

    /// A REGISTER or an OPTIONS is over.
    pub(crate) fn trunk_responded(
        &mut self,
        now: Time,
        token: u64,
        result: Result<Box<Message>, Unanswered>,
    ) {
        let Some((place, errand, flow)) = self.trunks.asked.remove(&token) else { return };
        let Some(line) = self.trunks.lines.get_mut(place) else { return };
        let result = match &result {
            Ok(response) => match response.start {
                StartLine::Response { status, .. } => Ok((&**response, status)),
                StartLine::Request { .. } => return,
            },
            Err(why) => Err(*why),
        };
        let failed = matches!(result, Err(_) | Ok((_, Status::SERVICE_UNAVAILABLE)));
        line.responded(now, (errand, token), result);
        if failed {
            self.way_failed(now, flow);
        }
        self.tend_trunks(now);
    }

    /// Takes the bindings back; no trunk is asked anything else any more.
    pub(crate) fn leave_trunks(&mut self, now: Time) {
        self.trunks.left = true;
        for line in &mut self.trunks.lines {
            line.stop(now);
        }
        self.tend_trunks(now);
    }

    /// No call is up and every record is on disk: the node is drained when no binding is left.
    pub(crate) fn drained(&mut self) {
        self.trunks.drained = true;
        self.say_drained();
    }

    fn say_drained(&mut self) {
        let holds_on = self.trunks.lines.iter().any(Line::holds_on);
        if self.trunks.drained && !holds_on {
            self.trunks.drained = false;
            self.outputs.push_back(Output::Drained);
        }
    }

    pub(crate) fn time_trunks(&mut self, now: Time) {
        if self.trunks.next.is_some_and(|at| at <= now) {
            for line in &mut self.trunks.lines {
                line.handle_timeout(now);
            }
            self.tend_trunks(now);
        }
    }

    /// The connection of `flow` is gone.
    pub(crate) fn trunk_flow_lost(&mut self, now: Time, flow: Flow) {
        if flow.transport.is_reliable() {
            for line in &mut self.trunks.lines {
                line.handle_flow_lost(now, flow);
            }
            self.tend_trunks(now);
        }
    }

    /// Sends what the trunks want to send, and says which have changed.
    fn tend_trunks(&mut self, now: Time) {
        for place in 0..self.trunks.lines.len() {
            self.tend_trunk(now, place);
        }
        let watch = &mut self.trunks;
        watch.next = watch.lines.iter().filter_map(Line::poll_timeout).min();
        let lines = self.config.trunks.iter().zip(&watch.lines);
        let mut takes_calls = lines.filter(|(trunk, _)| trunk.destination.is_some());
        watch.all_down = takes_calls.all(|(_, line)| is_down(line.state().0));
        self.say_drained();
    }

    fn tend_trunk(&mut self, now: Time, place: usize) {
        loop {
            let token = self.trunks.last_token + 1;
            let line = self.trunks.lines.get_mut(place);
            let Some(sending) = line.and_then(|line| line.poll_send(token)) else { break };
            self.trunks.last_token = token;
            let (errand, flow) = (sending.errand, sending.flow);
            let destination = Destination::Flow(flow);
            let request = OutOfDialog { message: sending.message, destination, token };
            let sent = self.endpoint.send_request(now, request);
            if or_ended(&mut self.command_errors, sent).is_some() {
                self.trunks.asked.insert(token, (place, errand, flow));
            } else if let Some(line) = self.trunks.lines.get_mut(place) {
                line.responded(now, (errand, token), Err(Unanswered::Unreachable));
            }
        }
        let line = self.trunks.lines.get_mut(place);
        let change = line.and_then(|line| line.changed(now));
        if let Some((state, trunk)) = change.zip(self.config.trunks.get(place)) {
            let change = TrunkChange { name: trunk.name.clone(), state };
            self.outputs.push_back(Output::TrunkChanged(Box::new(change)));
        }
    }
}
