//! Calls that the conference core places.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use partyline_conference::{DialogNames, Input};
use partyline_media::Command;
use partyline_model::{AccountId, CallId, Digit, LegKey, Number, Time};
use partyline_sip::message::{Status, Uri};
use partyline_sip::sdp::{Scope, Session};
use partyline_sip::{Described, Destination, Dial, DialogId, Ended, Flow, Hangup, RefusalTerms};

use crate::call_map::{Attempts, Call, Dialling, Stage};
use crate::config::Trunk;
use crate::identity;
use crate::inbound::INCOMPATIBLE;
use crate::limits::Way;
use crate::node::{Node, Output, low_32, or_ended};
use crate::outcome;
use crate::redirect;
use crate::routes::order;
use crate::routing::{Fault, Routing, TrunkFailure};

/// Ports tried for a leg before its call is given up, as for calls that come in.
const PORT_ATTEMPTS: Attempts = Attempts(8);

impl Node {
    /// Reserves ports for a call out; the INVITE follows when they are bound.
    pub(crate) fn dial(
        &mut self,
        now: Time,
        id: CallId,
        number: Number,
        (caller_id, account): (Option<Number>, Option<AccountId>),
    ) {
        let session_id = u64::from(self.random_u32());
        let untried = self.takers(number);
        let insists = !untried.iter().any(|trunk| {
            self.is_willing(now, *trunk) && self.trunk_limit(now, *trunk, Way::Out).is_none()
        });
        let dialling = Box::new(Dialling {
            number,
            caller_id,
            account,
            attest: None,
            trunk: 0,
            untried,
            redirects: VecDeque::new(),
            followed: Vec::new(),
            is_redirected: false,
            insists,
            rang: false,
        });
        let stage = Stage::Reserving(dialling, PORT_ATTEMPTS);
        let first = self.config.media.first();
        self.calls.insert(id, Call::new(None, stage, (session_id, first)));
        self.open_ports(now, id);
    }

    pub(crate) fn bind(&mut self, id: CallId, port: u16) {
        self.media(Command::Open { leg: LegKey(id.0), port });
    }

    pub(crate) fn info_digit(&mut self, id: CallId, digit: Digit) {
        self.media(Command::InfoDigit { leg: LegKey(id.0), digit });
    }

    /// Sends the INVITE of a call out whose ports are bound.
    pub(crate) fn invite(&mut self, now: Time, id: CallId, mut dialling: Box<Dialling>) {
        let route = self.route(now, id, &mut dialling);
        let trunk = self.config.trunks.get(dialling.trunk);
        let (policy, keys) = trunk.map(|trunk| (trunk.srtp, trunk.srtp_keys)).unwrap_or_default();
        let srtp = self.own_srtp(policy, keys);
        // The callee is told of the address that it can reach.
        let to = route.as_ref().and_then(|dial| dial.destination.first_address());
        if let Some(call) = self.calls.get_mut(id) {
            call.srtp = srtp;
            call.media_address = to.map_or(call.media_address, |to| self.config.media.near(to));
        }
        let Some((local, dial)) = self.local(id).zip(route) else {
            self.forget(id);
            return self.dial_failed(now, id, Status::SERVICE_UNAVAILABLE);
        };
        let (trunk, attest) = (dialling.trunk, dialling.attest);
        let mut session = Session::default();
        let offer = Bytes::from(session.offer(&local, Scope::All));
        if let Some(call) = self.calls.get_mut(id) {
            call.session = session;
            call.described.clone_from(&offer);
            call.stage = Stage::Dialling(dialling);
        }
        let dialled = self.endpoint.dial(now, Dial { offer, ..dial });
        match or_ended(&mut self.command_errors, dialled) {
            Some(dialog) => {
                self.calls.set_dialog(id, dialog);
                let names = Box::new(self.names(dialog));
                self.own_call_ids.insert(names.sip_call_id.clone(), id);
                self.trace_dialled(dialog, &names.sip_call_id, trunk);
                let trunk = self.config.trunks.get(trunk).map_or(0, |trunk| trunk.id);
                let dialled = Input::Dialled { call: id, dialog: names, trunk, attest };
                self.bridge.handle(now, dialled);
            }
            None => {
                self.forget(id);
                self.dial_failed(now, id, Status::SERVICE_UNAVAILABLE);
            }
        }
    }

    /// A callee rings, or makes other progress.
    pub(crate) fn callee_rings(&mut self, now: Time, dialog: DialogId) {
        let Some(id) = self.calls.by_dialog(dialog) else { return };
        if let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get_mut(id) {
            dialling.rang = true;
        }
        self.bridge.handle(now, Input::Ringing { call: id });
    }

    /// A call out was refused with more than a status. An overloaded trunk is left alone for as long
    /// as it asks (RFC 3261 §21.5.4).
    pub(crate) fn terms_of_refusal(&mut self, now: Time, dialog: DialogId, terms: &RefusalTerms) {
        let Some(id) = self.calls.by_dialog(dialog) else { return };
        let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get_mut(id) else {
            return;
        };
        if let Some(trunk) = self.config.trunks.get(dialling.trunk) {
            let (sources, place) = (&self.sources, dialling.trunk);
            let is_at = |ip| sources.is_at(place, ip);
            redirect::note(dialling, trunk, is_at, &terms.contacts);
        }
        if let Some(time) = terms.retry_after
            && terms.status == Status::SERVICE_UNAVAILABLE
        {
            self.resting.note(now, dialling.trunk, time);
        }
    }

    /// How a call out goes on whose INVITE came to nothing at a trunk that is at fault; `None` when
    /// the call has failed.
    pub(crate) fn next_route(
        &mut self,
        now: Time,
        id: CallId,
        ended: Ended,
    ) -> Option<Box<Dialling>> {
        let Stage::Dialling(dialling) = &mut self.calls.get_mut(id)?.stage else { return None };
        let fault = Fault::of(ended)?;
        let goes_on = !dialling.rang && !Routing::NEVER.contains(&fault.status());
        if let Some(address) = dialling.redirects.pop_front().filter(|_| goes_on) {
            dialling.followed.push(address);
            dialling.is_redirected = true;
            return Some(dialling.clone());
        }
        let routing = &self.config.trunks.get(dialling.trunk)?.routing;
        if dialling.rang || !routing.advances(fault.status()) {
            return None;
        }
        let dialling = dialling.clone();
        let (trunk, next) = (dialling.trunk, self.next_trunk(now, &dialling));
        let on = next.map(|_| dialling);
        self.say_failed(now, trunk, fault, next);
        on
    }

    /// Has a failure of a trunk logged, unless that was done within the minute.
    fn say_failed(&mut self, now: Time, trunk: usize, fault: Fault, next: Option<usize>) {
        let Some(times) = self.failures.note(now, trunk, fault) else { return };
        let name = |place| self.config.trunks.get(place).map(|trunk: &Trunk| trunk.name.clone());
        let failure = TrunkFailure {
            trunk: name(trunk).unwrap_or_default(),
            fault,
            rests: self.resting.left(now, trunk),
            next: next.and_then(name),
            times,
        };
        self.outputs.push_back(Output::TrunkFailed(Box::new(failure)));
    }

    /// Whether a call with this Call-ID is one that we placed: a proxy sent it back to us.
    pub(crate) fn is_our_own(&self, sip_call_id: &str) -> bool {
        self.own_call_ids.contains_key(sip_call_id)
    }

    /// The places of the trunks that take calls out to `number`, in the order in which they are
    /// tried.
    fn takers(&mut self, number: Number) -> VecDeque<usize> {
        let places =
            (0..self.config.trunks.len()).filter(|place| !self.ways_out(*place).is_empty());
        let places: Vec<usize> = places.collect();
        let Self { config, random, .. } = self;
        let takers = config.trunks.iter().enumerate().filter(|(place, _)| places.contains(place));
        let routings = takers.map(|(place, trunk)| (place, &trunk.routing));
        let mut takers = order(number, routings, || low_32(random.next_u128()));
        // A user of ours who can be reached is called where he is.
        if let Some((_, place)) = self.user_at(number) {
            takers.push_front(place);
        }
        takers
    }

    /// Whether the trunk at `place` is to be called while another one may be: it has not asked to be
    /// left alone, and is not known to be down.
    fn is_willing(&self, now: Time, place: usize) -> bool {
        self.trunks.is_usable(place) && !self.resting.has(now, place)
    }

    /// The place of the trunk that would take the call if it went on.
    pub(crate) fn next_trunk(&self, now: Time, dialling: &Dialling) -> Option<usize> {
        let mut untried = dialling.untried.iter().copied();
        untried.find(|place| {
            let willing = dialling.insists || self.is_willing(now, *place);
            willing && self.trunk_limit(now, *place, Way::Out).is_none()
        })
    }

    /// The INVITE for `dialling` by its next trunk, which it takes; the offer is still empty.
    fn route(&mut self, now: Time, id: CallId, dialling: &mut Dialling) -> Option<Dial> {
        let redirected = std::mem::take(&mut dialling.is_redirected);
        if let Some(address) = dialling.followed.last().copied().filter(|_| redirected) {
            // Whoever redirects names the host, in place of the trunk's own (RFC 3261 §8.1.3.4).
            let flow = self.config.trunks.get(dialling.trunk)?.flow(address);
            return self.invitation(now, dialling, (vec![flow], address.to_string()));
        }
        let next = self.next_trunk(now, dialling);
        while let Some(skipped) = dialling.untried.pop_front().filter(|place| Some(*place) != next)
        {
            if let Some(limit) = self.trunk_limit(now, skipped, Way::Out) {
                self.say_failed(now, skipped, Fault::Full(limit), next);
            }
        }
        let place = next?;
        self.use_trunk(now, id, place, Way::Out);
        dialling.trunk = place;
        if self.config.trunks.get(place)?.destination.is_none() {
            return self.invitation_to_user(now, dialling);
        }
        let to = (self.ways_out(place), self.config.trunks.get(place)?.home()?);
        self.draw_again(now, place);
        self.invitation(now, dialling, to)
    }

    /// The INVITE for `dialling` by these ways of its trunk, for which the Request-URI names the
    /// host; the offer is still empty.
    fn invitation(
        &mut self,
        now: Time,
        dialling: &mut Dialling,
        (ways, home): (Vec<Flow>, String),
    ) -> Option<Dial> {
        let trunk = self.config.trunks.get(dialling.trunk)?;
        let has_redirect = !dialling.redirects.is_empty();
        let by = trunk.named_transport();
        let by = by.map(|by| format!(";transport={}", by.uri_value())).unwrap_or_default();
        let routes = self.trunks.service_route(dialling.trunk);
        let first_hop = self.first_hop(dialling.trunk, routes).map(|at| vec![trunk.flow(at)]);
        let mut caller = identity::present(trunk, dialling.caller_id, &home);
        let callee = trunk.numbers.dialled(dialling.number);
        let mut dial = Dial {
            destination: Destination::Flows(first_hop.unwrap_or(ways)),
            request_uri: trunk.numbers.uri(&callee, &home) + &by,
            from_user: caller.user,
            from_domain: caller.domain,
            from_is_phone: caller.is_number && trunk.numbers.user_phone,
            from_display: caller.display,
            to: None,
            routes: routes.to_vec(),
            offer: Bytes::new(),
            headers: std::mem::take(&mut caller.headers),
            login: trunk.login.clone(),
            patience: Some(trunk.routing.patience),
            has_alternative: has_redirect || self.next_trunk(now, dialling).is_some(),
            extensions: Some(trunk.extensions),
        };
        dialling.attest = self.sign(now, dialling, caller.shown, &mut dial.headers);
        Some(dial)
    }

    /// Where a call with this Route goes first (RFC 3261 §16.6), as far as that is an address of the
    /// trunk: requests from elsewhere within the call would be a stranger's.
    fn first_hop(&self, place: usize, routes: &[Uri]) -> Option<SocketAddr> {
        let trunk = self.config.trunks.get(place)?;
        let first = routes.first()?;
        let ip = first.host()?.address().filter(|&ip| self.sources.is_at(place, ip))?;
        Some(SocketAddr::new(ip, first.port().unwrap_or(trunk.transport.default_port())))
    }

    /// A call out was answered.
    pub(crate) fn answered(&mut self, now: Time, dialog: DialogId, described: Option<Described>) {
        let Some(id) = self.calls.by_dialog(dialog) else { return };
        let is_taken = match described {
            Some(Described::Answer(sdp)) => self.take_answer(now, id, Some(&sdp)),
            Some(Described::Offer(sdp)) => self.take_offer(now, id, &sdp),
            None => false,
        };
        if !is_taken {
            self.forget(id);
            or_ended(
                &mut self.command_errors,
                self.endpoint.hangup(now, dialog, Hangup { q850: Some(INCOMPATIBLE) }),
            );
            return self.dial_failed(now, id, Status::NOT_ACCEPTABLE_HERE);
        }
        let names = Box::new(self.names(dialog));
        self.bridge.handle(now, Input::Answered { call: id, dialog: names });
    }

    /// What `dialog` is called, for records.
    fn names(&self, dialog: DialogId) -> DialogNames {
        self.endpoint.names(dialog).map_or_else(DialogNames::default, |names| DialogNames {
            sip_call_id: names.call_id,
            from_tag: names.local_tag,
            to_tag: names.remote_tag.unwrap_or_default(),
        })
    }

    pub(crate) fn dial_failed(&mut self, now: Time, id: CallId, status: Status) {
        self.bridge.handle(now, outcome::dial_failed(id, status, None));
    }
}
