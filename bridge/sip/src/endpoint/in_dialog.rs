//! What happens inside a dialog: ACK, BYE, INFO, re-INVITE in both directions, hanging up
//! (RFC 3261 §12.2, §14, §15).

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use partyline_model::{Digit, Time};

use super::Endpoint;
use super::outgoing::Purpose;
use super::receive::Request;
use super::respond::add_abilities;
use super::subscribe::is_subscribe;
use crate::cause;
use crate::command::{CommandError, Hangup, Rejection};
use crate::counters::Dropped;
use crate::dialog::{Contact, Path, Renegotiation, State};
use crate::event::{DialogId, EndKind, Ended, Ender, Event};
use crate::message::{Headers, Host, InfoBody, Method, Name, StartLine, Status, Uri};
use crate::rate::{Rate, host};
use crate::session_timer::TimersAsked;
use crate::transaction::{ServerKey, TransactionId};

/// What a far end may ask within one call: somebody who types, or a machine that does, and looks
/// whether the call lives. What comes sooner is not answered; it comes again.
pub(super) const REQUESTS: Rate = Rate { per_second: 20, burst: 60 };
/// How often a far end may change the session of one call.
pub(super) const OFFERS: Rate = Rate { per_second: 2, burst: 10 };

impl Endpoint {
    /// Ends a call in any state; [`Event::Ended`] follows at once, the signalling when it may:
    /// BYE after the ACK, CANCEL after a provisional response, BYE when a 200 crosses the CANCEL.
    ///
    /// # Errors
    /// [`CommandError::NoDialog`] when the call is over already.
    pub fn hangup(
        &mut self,
        now: Time,
        dialog: DialogId,
        hangup: Hangup,
    ) -> Result<(), CommandError> {
        let held = self.dialog(dialog)?;
        let local = |kind| Ended { by: Ender::Local, kind, status: None, q850: hangup.q850 };
        match &held.state {
            State::Offered { .. } => return self.reject(now, dialog, hangup.rejection()),
            State::Calling { request } => {
                let request = *request;
                self.report_end(dialog, local(EndKind::Cancelled));
                if self.proceeding(request).is_some() {
                    self.cancel(now, dialog, request, hangup.q850);
                } else if self.is_unsent(request) {
                    self.remove_request(request);
                    self.forget_dialog(dialog);
                } else {
                    let q850 = hangup.q850;
                    self.set_state(dialog, State::Cancelling { request, q850, give_up: None });
                }
            }
            State::Answered(_) => {
                self.report_end(dialog, local(EndKind::Bye));
                self.wait_for_ack(dialog, hangup);
            }
            State::Confirmed(renegotiation) => {
                if let Renegotiation::Theirs { server } = *renegotiation {
                    self.respond_invite(now, server, Status::REQUEST_TERMINATED, |_| {});
                }
                self.reject_undecided(now, dialog, Status::REQUEST_TERMINATED.into());
                self.report_end(dialog, local(EndKind::Bye));
                self.send_bye(now, dialog, hangup.q850);
            }
            // `dialog` finds none of these: their end was reported.
            State::HangingUp { .. } | State::Cancelling { .. } | State::Leaving => {}
        }
        Ok(())
    }

    /// The call must be `Answered`.
    fn wait_for_ack(&mut self, id: DialogId, hangup: Hangup) {
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        let before = std::mem::replace(&mut held.state, State::Leaving);
        if let State::Answered(unacked) = before {
            self.set_state(id, State::HangingUp { unacked, q850: hangup.q850 });
        }
    }

    /// Offers a change of the session (RFC 3261 §14.1); [`Event::Reinvited`] tells the outcome.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call is up and no other change is under way.
    pub fn reinvite(
        &mut self,
        now: Time,
        dialog: DialogId,
        offer: impl Into<Bytes>,
    ) -> Result<(), CommandError> {
        let held = self.dialog(dialog)?;
        if !matches!(held.state, State::Confirmed(Renegotiation::Idle)) || held.undecided.is_some()
        {
            return Err(CommandError::WrongState);
        }
        held.path.next_cseq();
        let path = held.path.clone();
        let mut wish = Headers::default();
        held.session.wish(&mut wish);
        // Of its progress nothing is followed, and no PRACK sent.
        let extensions = held.extensions.without_progress();
        let carried = self.along(path, Purpose::Reinvite(dialog));
        let request = self.invite(now, carried, offer.into(), extensions, |message| {
            message.headers.extend(&wish);
        });
        self.set_state(dialog, State::Confirmed(Renegotiation::Ours { request }));
        Ok(())
    }

    /// Sends a key in an INFO request; [`Event::DigitSent`] tells what became of it. The next one
    /// should wait for that: requests that overtake each other are keys in the wrong order.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call is up.
    pub fn send_digit(
        &mut self,
        now: Time,
        dialog: DialogId,
        digit: Digit,
        length: Duration,
    ) -> Result<(), CommandError> {
        if !matches!(self.dialog(dialog)?.state, State::Confirmed(_)) {
            return Err(CommandError::WrongState);
        }
        self.send_info(now, dialog, digit, length);
        Ok(())
    }

    /// Agrees to the peer's re-INVITE or UPDATE; [`Event::Confirmed`] follows.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] when none waits, as after a CANCEL.
    pub fn answer_reinvite(
        &mut self,
        now: Time,
        dialog: DialogId,
        sdp: impl Into<Bytes>,
    ) -> Result<(), CommandError> {
        if self.dialog(dialog)?.undecided.is_some() {
            return self.accept_undecided(now, dialog, sdp.into());
        }
        let server = self.their_reinvite(dialog)?;
        let unacked = self.accept(now, server, Some(sdp.into())).ok_or(CommandError::WrongState)?;
        self.set_state(dialog, State::Confirmed(Renegotiation::Unacknowledged(unacked)));
        Ok(())
    }

    /// Declines the peer's re-INVITE or UPDATE; the session stays as it was.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] when none waits, as after a CANCEL.
    pub fn reject_reinvite(
        &mut self,
        now: Time,
        dialog: DialogId,
        rejection: impl Into<Rejection>,
    ) -> Result<(), CommandError> {
        if self.dialog(dialog)?.undecided.is_some() {
            self.reject_undecided(now, dialog, rejection.into());
            self.send_waiting(now, dialog);
            return Ok(());
        }
        let server = self.their_reinvite(dialog)?;
        let rejection = rejection.into();
        let status = rejection.failure();
        self.respond_rejection(now, server, status, rejection);
        self.set_state(dialog, State::Confirmed(Renegotiation::Idle));
        Ok(())
    }

    fn their_reinvite(&mut self, id: DialogId) -> Result<TransactionId, CommandError> {
        match self.dialog(id)?.state {
            State::Confirmed(Renegotiation::Theirs { server }) => Ok(server),
            State::Offered { .. }
            | State::Answered(_)
            | State::HangingUp { .. }
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Confirmed(_)
            | State::Leaving => Err(CommandError::WrongState),
        }
    }

    /// The dialog that a request names by Call-ID and both tags (RFC 3261 §12.2.2).
    pub(super) fn find_dialog(&self, request: &Request) -> Option<DialogId> {
        let envelope = &request.envelope;
        let tag = envelope.to.tag()?.into();
        let id = *self.dialog_keys.get(&(envelope.call_id.clone(), tag))?;
        let held = self.dialogs.get(&id)?;
        (held.path.remote_tag.as_deref() == envelope.from.tag()).then_some(id)
    }

    /// A request with a To tag, ACK and CANCEL excepted.
    pub(super) fn receive_in_dialog(
        &mut self,
        now: Time,
        method: Method,
        key: ServerKey,
        request: Request,
    ) {
        let Some(id) = self.find_dialog(&request) else {
            return self.receive_early(now, &method, key, request);
        };
        let path = self.dialogs.get(&id).map(|held| &held.path);
        if !path.is_some_and(|path| self.speaks_for(path, &request)) {
            return self.refuse_foreign(&request);
        }
        let fits = self.shares.fits(request.source().ip(), self.size_of(&request, &key));
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        let cseq = request.envelope.cseq.number;
        if held.path.remote_cseq.is_some_and(|last| cseq < last) {
            let (reason, phrase) = (Dropped::Misdirected, Some("CSeq Out Of Order"));
            return self.refuse(&request.template, reason, Status::SERVER_ERROR, phrase);
        }
        let (on_time, costs) = match method {
            Method::Bye => (true, false),
            Method::Invite => (held.offers.take(now, OFFERS), true),
            Method::Info => (held.requests.take(now, REQUESTS), true),
            Method::Known(_) if method == Method::REFER || is_subscribe(&method) => {
                (held.requests.take(now, REQUESTS), true)
            }
            Method::Update | Method::Prack if request.message.body.is_empty() => {
                (held.requests.take(now, REQUESTS), true)
            }
            Method::Update | Method::Prack => (held.offers.take(now, OFFERS), true),
            Method::Ack
            | Method::Cancel
            | Method::Options
            | Method::Known(_)
            | Method::Unknown(_) => (held.requests.take(now, REQUESTS), false),
        };
        if !on_time || costs && !fits {
            return self.drop_for(if on_time { Dropped::NoShare } else { Dropped::TooOften });
        }
        held.path.remote_cseq = Some(cseq);
        if request.flow.connection.is_some() {
            held.path.flow = Some(request.flow);
            held.path.is_adjacent = request.message.headers.items(&Name::Via).count() == 1;
        }
        let over = held.state.has_ended();
        match method {
            Method::Bye => self.receive_bye(now, id, key, &request),
            _ if over => self.refuse_no_dialog(&request.template),
            Method::Info => self.receive_info(now, id, key, request),
            Method::Invite => self.receive_reinvite(now, id, key, request),
            Method::Update => self.receive_update(now, id, key, request),
            Method::Prack => self.receive_prack(now, id, key, request),
            Method::Known(_) if method == Method::REFER && held.extensions.refers => {
                self.receive_refer(now, id, key, request);
            }
            Method::Known(_) if is_subscribe(&method) => {
                self.receive_subscribe(now, id, key, request);
            }
            // As outside a call, nothing is kept of it.
            Method::Options => {
                let extensions = self.extensions_in(id);
                self.respond_stateless(&request.template, Status::OK, |message| {
                    add_abilities(message, extensions);
                });
            }
            Method::Ack | Method::Cancel | Method::Known(_) | Method::Unknown(_) => {
                let status = Status::METHOD_NOT_ALLOWED;
                self.refuse(&request.template, Dropped::NotOffered, status, None);
            }
        }
    }

    /// Whether a request within a call comes from its peer: from an address that the peer has used
    /// or named, or that belongs to the same trunk.
    pub(super) fn speaks_for(&self, path: &Path, request: &Request) -> bool {
        self.belongs_to(path, request.source().ip())
    }

    /// Whether what comes from `source`, or from its /64, may be of the far end of a call.
    pub fn is_far_end(&self, source: IpAddr) -> bool {
        let source = host(source);
        let mut paths = self.dialogs.values().map(|held| &held.path);
        paths.any(|path| path.addresses().any(|ip| host(ip) == source))
    }

    /// Where requests of the far end of a call may come from.
    pub fn far_ends(&self, dialog: DialogId) -> Vec<IpAddr> {
        let path = self.dialogs.get(&dialog).map(|held| &held.path);
        path.into_iter().flat_map(Path::addresses).collect()
    }

    fn belongs_to(&self, path: &Path, ip: IpAddr) -> bool {
        path.leads_to(ip) || path.flow.is_some_and(|met| self.admission.allies(met.remote.ip(), ip))
    }

    /// Takes the Contact of a SUBSCRIBE or REFER (RFC 6665 §4.4.1), unless it leads where the peer has
    /// not been: what is sent for these is longer than they are, and comes to who did not ask for it.
    pub(super) fn refresh_target(&mut self, id: DialogId, request: &Request) {
        let Some(path) = self.dialogs.get(&id).map(|held| &held.path) else { return };
        let leads = |target: &Uri| match target.host() {
            Some(&Host::Address(ip)) => self.belongs_to(path, ip),
            Some(Host::Name(name)) => match path.target.host() {
                Some(Host::Name(known)) => name.eq_ignore_ascii_case(known),
                Some(Host::Address(_)) | None => false,
            },
            None => false,
        };
        let target = Contact::read(&request.message).target().filter(leads);
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        if let Some(target) = target {
            held.path.target = target;
        }
        held.path.heard_from = Some(request.source());
    }

    pub(super) fn refuse_foreign(&mut self, request: &Request) {
        let (reason, status) = (Dropped::ForeignSource, Status::FORBIDDEN);
        self.drop_for(reason);
        self.tell_refusal(&request.template, reason, status, None);
        self.respond_stateless(&request.template, status, |message| {
            let reason = "Not From This Address".into();
            message.start = StartLine::Response { status, reason };
        });
    }

    /// BYE ends the call, and whatever INVITE is open in it (RFC 3261 §15.1.2).
    fn receive_bye(&mut self, now: Time, id: DialogId, key: ServerKey, request: &Request) {
        let Some(held) = self.dialogs.get(&id) else { return };
        let tag = held.path.local_tag.clone();
        let open = match held.state {
            State::Offered { server } | State::Confirmed(Renegotiation::Theirs { server }) => {
                Some(server)
            }
            State::Answered(_)
            | State::HangingUp { .. }
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Confirmed(_)
            | State::Leaving => None,
        };
        self.respond_final(now, (Method::Bye, key), request, Status::OK, &tag);
        self.end_subscriptions(now, id);
        if let Some(server) = open {
            self.respond_invite(now, server, Status::REQUEST_TERMINATED, |_| {});
        }
        let q850 = cause::read_reason(&request.message.headers);
        self.end(id, Ended { by: Ender::Remote, kind: EndKind::Bye, status: None, q850 });
    }

    fn receive_info(&mut self, now: Time, id: DialogId, key: ServerKey, mut request: Request) {
        let Some(held) = self.dialogs.get(&id) else { return };
        let tag = held.path.local_tag.clone();
        let body = request.message.take_info();
        let is_package = |name: &Name| matches!(name, Name::Other(name) if name.eq_ignore_ascii_case("Info-Package"));
        let has_package = request.message.headers.iter().any(|(name, _)| is_package(name));
        let status = match &body {
            InfoBody::Digit(_) | InfoBody::Flash => Status::OK,
            // None was announced by us, so none is known; a digit is plain whatever it says.
            _ if has_package => Status::BAD_INFO_PACKAGE,
            InfoBody::Empty => Status::OK,
            InfoBody::Garbled => Status::BAD_REQUEST,
            InfoBody::Unsupported => Status::UNSUPPORTED_MEDIA_TYPE,
        };
        self.respond_final(now, (Method::Info, key), &request, status, &tag);
        if let InfoBody::Digit(digit) = body {
            self.emit(Event::Digit { dialog: id, digit });
        }
    }

    fn receive_reinvite(&mut self, now: Time, id: DialogId, key: ServerKey, mut request: Request) {
        let Some(held) = self.dialogs.get(&id) else { return };
        match &held.state {
            State::Confirmed(Renegotiation::Idle) if held.undecided.is_none() => {}
            // Glare: ours is under way (RFC 3261 §14.2).
            State::Confirmed(Renegotiation::Ours { .. }) => {
                let status = Status::REQUEST_PENDING;
                return self.refuse(&request.template, Dropped::NotOffered, status, None);
            }
            State::Offered { .. }
            | State::Answered(_)
            | State::HangingUp { .. }
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Confirmed(_)
            | State::Leaving => return self.refuse_overlap(&request),
        }
        let asked = TimersAsked::read(&request.message.headers);
        if let Some(refused) = held.session.refusal(&asked) {
            return self.refuse_session(&request, refused);
        }
        let Some(offer) = self.check_offer(&mut request) else { return };
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        held.session.ask(asked);
        held.session.heed_allow(&request.message.headers);
        if let Some(target) = Contact::read(&request.message).target() {
            held.path.target = target;
        }
        held.path.heard_from = Some(request.source());
        let path = held.path.clone();
        let server = self.open_invite_server(now, (key, None), id, &path, request);
        self.set_state(id, State::Confirmed(Renegotiation::Theirs { server }));
        self.emit(Event::Reinvite { dialog: id, offer });
    }

    /// A second INVITE before the first is done: 500, to try again within 10 s
    /// (RFC 3261 §14.2).
    pub(super) fn refuse_overlap(&mut self, request: &Request) {
        self.drop_for(Dropped::NotOffered);
        let seconds = self.random.next_u128() % 10;
        self.respond_stateless(&request.template, Status::SERVER_ERROR, |message| {
            message.headers.add(Name::RetryAfter, seconds.to_string());
        });
    }

    /// The ACK to a 2xx, which is a transaction of its own (RFC 3261 §13.3.1.4).
    pub(super) fn receive_dialog_ack(&mut self, now: Time, mut request: Request) {
        let Some(id) = self.find_dialog(&request) else {
            return self.drop_for(Dropped::StrayAck);
        };
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        let cseq = request.envelope.cseq.number;
        if held.state.unacked().is_none_or(|unacked| unacked.cseq != cseq) {
            return self.drop_for(Dropped::Repeated);
        }
        if let State::HangingUp { q850, .. } = held.state {
            return self.send_bye(now, id, q850);
        }
        self.set_state(id, State::Confirmed(Renegotiation::Idle));
        // A body that cannot be read is no answer: a late offer is then without one.
        let sdp = request.message.take_sdp().unwrap_or(None);
        self.emit(Event::Confirmed { dialog: id, sdp });
    }

    /// The ACK to our 200 never came: BYE, and the call is over (RFC 3261 §13.3.1.4). To a re-INVITE
    /// it is like any other; after an INVITE it goes out once: whoever forged that INVITE wrote
    /// into it where our requests go.
    pub(super) fn ack_timed_out(&mut self, now: Time, id: DialogId, q850: Option<u8>) {
        let (by, kind) = (Ender::Timeout, EndKind::NoAck);
        let held = self.dialogs.get(&id);
        let was_up = held.is_some_and(|held| matches!(held.state, State::Confirmed(_)));
        self.report_end(id, Ended { by, kind, status: None, q850: None });
        if was_up {
            return self.send_bye(now, id, q850);
        }
        self.send_bye_once(id, q850);
        self.forget_dialog(id);
    }
}
