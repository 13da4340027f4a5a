//! Calls that come in: INVITE, CANCEL, ACK, and the answers the node gives (RFC 3261 §13.3, §9.2).

use bytes::Bytes;
use partyline_model::Time;

use super::receive::Request;
use super::{ENTRY_OCTETS, Endpoint, InviteServerEntry, Owner, ServerEntry, incoming};
use crate::admission::Limits;
use crate::cause;
use crate::command::{CommandError, Rejection};
use crate::counters::Dropped;
use crate::dialog::{Contact, Dialog, Path, Renegotiation, Route, State, Unacked};
use crate::event::{DialogId, EndKind, Ended, Ender, Event, Incoming};
use crate::flow::Flow;
use crate::message::{ContentError, Headers, Host, Message, Method, Name, Status};
use crate::reliable::{Provisionals, RELIABLE, Waiting};
use crate::session_timer::{SessionTimer, TimersAsked};
use crate::shares::Seat;
use crate::takeover;
use crate::transaction::timer::Backoff;
use crate::transaction::{InviteServer, MergeKey, Server, ServerKey, TransactionId};

/// INVITE transactions for each dialog that the configuration allows. A refused call leaves its
/// transaction behind for up to 32 s, so INVITE and CANCEL in turn would otherwise pile up.
const TRANSACTIONS_PER_DIALOG: usize = 4;

/// The most octets of an INVITE that its call keeps for as long as it lasts: From, To, Call-ID,
/// Contact and the route.
const MAX_CALL_OCTETS: usize = 4096;

impl Endpoint {
    /// Sends 180 Ringing for an incoming call.
    ///
    /// # Errors
    /// [`CommandError`] unless the call waits for its answer.
    pub fn ring(&mut self, now: Time, dialog: DialogId) -> Result<(), CommandError> {
        self.provisional(now, dialog, Status::RINGING, None)
    }

    /// Sends 183 Session Progress with an early answer.
    ///
    /// # Errors
    /// [`CommandError`] unless the call waits for its answer.
    pub fn progress(
        &mut self,
        now: Time,
        dialog: DialogId,
        sdp: impl Into<Bytes>,
    ) -> Result<(), CommandError> {
        self.provisional(now, dialog, Status::SESSION_PROGRESS, Some(sdp.into()))
    }

    /// Answers an incoming call: 200 OK, sent until the ACK comes. It waits for the PRACK of an
    /// early answer, and does not repeat that.
    ///
    /// # Errors
    /// [`CommandError`] unless the call waits for its answer.
    pub fn answer(
        &mut self,
        now: Time,
        dialog: DialogId,
        sdp: impl Into<Bytes>,
    ) -> Result<(), CommandError> {
        let server = self.offered(dialog)?;
        let held = self.dialog(dialog)?;
        let waits = held.undecided.is_some();
        let mut sdp = Some(sdp.into());
        if let Some(made) = &mut held.provisionals {
            if made.is_answered() {
                return Err(CommandError::WrongState);
            }
            if waits || made.holds_answer() {
                made.waiting = sdp.map(Waiting::Answer);
                return Ok(());
            }
            sdp = sdp.filter(|_| !made.agreed);
        }
        let unacked = self.accept(now, server, sdp).ok_or(CommandError::WrongState)?;
        self.set_state(dialog, State::Answered(unacked));
        Ok(())
    }

    /// Refuses an incoming call; [`Event::Ended`] follows.
    ///
    /// # Errors
    /// [`CommandError`] unless the call waits for its answer.
    pub fn reject(
        &mut self,
        now: Time,
        dialog: DialogId,
        rejection: Rejection,
    ) -> Result<(), CommandError> {
        let server = self.offered(dialog)?;
        let status = rejection.failure();
        let q850 = rejection.q850.or(cause::cause_of(status));
        self.reject_undecided(now, dialog, Status::REQUEST_TERMINATED.into());
        self.respond_rejection(now, server, status, rejection);
        let kind = EndKind::Rejected;
        self.end(dialog, Ended { by: Ender::Local, kind, status: Some(status), q850 });
        Ok(())
    }

    /// A failure response to an INVITE, with all that `rejection` says.
    pub(super) fn respond_rejection(
        &mut self,
        now: Time,
        server: TransactionId,
        status: Status,
        rejection: Rejection,
    ) {
        let agent = self.agent();
        self.respond_invite(now, server, status, |message| {
            rejection.dress(status, &agent, message);
        });
    }

    /// Who warns (RFC 3261 §20.43).
    pub(super) fn agent(&self) -> String {
        Host::Address(self.config.advertised.ip()).to_string()
    }

    pub(super) fn offered(&mut self, id: DialogId) -> Result<TransactionId, CommandError> {
        match self.dialog(id)?.state {
            State::Offered { server } => Ok(server),
            State::Answered(_)
            | State::HangingUp { .. }
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Confirmed(_)
            | State::Leaving => Err(CommandError::WrongState),
        }
    }

    /// Sends 200 and hands back what repeats it.
    pub(super) fn accept(
        &mut self,
        now: Time,
        server: TransactionId,
        sdp: Option<Bytes>,
    ) -> Option<Box<Unacked>> {
        let response = self.respond_in_dialog(now, server, Status::OK, (sdp, None))?;
        let entry = self.invite_servers.get(&server)?;
        Some(Box::new(Unacked {
            cseq: entry.cseq,
            response,
            reply: entry.template.reply,
            backoff: Backoff::end_to_end(now),
        }))
    }

    /// A response with Contact and the rest of what makes a dialog; reliable if it has a number.
    pub(super) fn respond_in_dialog(
        &mut self,
        now: Time,
        server: TransactionId,
        status: Status,
        (sdp, rseq): (Option<Bytes>, Option<u32>),
    ) -> Option<Bytes> {
        let entry = self.invite_servers.get(&server)?;
        let (mut message, dialog) = (entry.template.respond(status, &entry.tag), entry.dialog);
        self.add_dialog_headers(dialog, &entry.template, &mut message);
        if status.is_success() {
            self.grant_session(now, dialog, &mut message.headers);
        }
        if let Some(rseq) = rseq {
            message.headers.add(Name::Require, RELIABLE);
            message.headers.add(Name::RSeq, rseq.to_string());
        }
        if let Some(sdp) = sdp {
            message.set_body("application/sdp", sdp);
        }
        self.send_response(now, server, status, &message)
    }

    /// A response to an INVITE as the template makes it, and as `adjust` changes it.
    pub(super) fn respond_invite(
        &mut self,
        now: Time,
        server: TransactionId,
        status: Status,
        adjust: impl FnOnce(&mut Message),
    ) {
        let Some(entry) = self.invite_servers.get(&server) else { return };
        let mut message = entry.template.respond(status, &entry.tag);
        adjust(&mut message);
        self.send_response(now, server, status, &message);
    }

    fn send_response(
        &mut self,
        now: Time,
        server: TransactionId,
        status: Status,
        message: &Message,
    ) -> Option<Bytes> {
        let entry = self.invite_servers.get_mut(&server)?;
        let bytes = Bytes::from(message.to_bytes());
        entry.machine.send(now, status, bytes.clone());
        self.timers.set(Owner::InviteServer(server), entry.machine.deadline());
        let reply = entry.template.reply.flow;
        if !entry.machine.is_proceeding() {
            entry.template.strip();
        }
        self.recount(server);
        self.transmit(reply, bytes.clone());
        Some(bytes)
    }

    /// An INVITE outside a dialog.
    pub(super) fn receive_invite(&mut self, now: Time, key: ServerKey, mut request: Request) {
        let source = request.source().ip();
        let Some(limits) = request.limits.filter(|limits| limits.calls) else {
            let (reason, status) = (Dropped::Stranger, Status::FORBIDDEN);
            return self.refuse(&request.template, reason, status, None);
        };
        if !self.shares.take_invite(now, source, &limits) {
            let (reason, status) = (Dropped::TooOften, Status::SERVICE_UNAVAILABLE);
            return self.refuse(&request.template, reason, status, None);
        }
        let Ok(user) = self.identify(now, &request) else { return };
        let merge = MergeKey::new(&request.envelope);
        if self.merges.contains_key(&merge) {
            let template = &request.template;
            return self.refuse(template, Dropped::Misdirected, Status::LOOP_DETECTED, None);
        }
        let takeover = match takeover::read(&request.message.headers) {
            Ok(takeover) => takeover,
            Err(phrase) => {
                let (reason, status) = (Dropped::MalformedRequest, Status::BAD_REQUEST);
                return self.refuse(&request.template, reason, status, Some(phrase));
            }
        };
        let extensions = self.extensions_of(&limits, request.flow);
        let asked = TimersAsked::read(&request.message.headers);
        let mut session = SessionTimer::new(extensions.timers);
        if let Some(refused) = session.refusal(&asked) {
            return self.refuse_session(&request, refused);
        }
        session.ask(asked);
        session.heed_allow(&request.message.headers);
        let Some((offer, path)) = self.check_invite(&mut request) else { return };
        let seat = match self.find_room(&request, &key, &limits) {
            Ok(seat) => seat,
            Err(reason) => {
                let full = Status::SERVICE_UNAVAILABLE;
                return self.refuse(&request.template, reason, full, None);
            }
        };
        let numbers = (request.envelope.cseq.number, self.random.next_u128());
        let (headers, offered) = (&request.message.headers, offer.is_some());
        let made = Provisionals::new(extensions.reliability, headers, offered, numbers);
        let id = DialogId(self.next_id());
        let takeover = takeover.map(Box::new);
        let event = Incoming { user, takeover, ..incoming::read(id, &mut request, offer) };
        let server = self.open_invite_server(now, (key, Some(merge)), id, &path, request);
        let mut dialog = Dialog::new(path, State::Offered { server }, extensions);
        (dialog.session, dialog.provisionals) = (session, made.map(Box::new));
        self.shares.add_call(&seat);
        dialog.seat = Some(seat);
        self.insert_dialog(id, dialog);
        self.emit(Event::Invite(Box::new(event)));
    }

    /// Where a call will count, or why there is no room for it. Calls that are over and only tidy
    /// up take nobody's room: they have as much of their own.
    fn find_room(
        &self,
        request: &Request,
        key: &ServerKey,
        limits: &Limits,
    ) -> Result<Seat, Dropped> {
        let (source, most) = (request.source().ip(), self.config.max_dialogs);
        let live = self.dialogs.len() - self.tidying_up;
        let free = self.admission.capacity().saturating_sub(live);
        let transactions = most.saturating_mul(TRANSACTIONS_PER_DIALOG);
        if live >= most || self.tidying_up >= most || self.invite_servers.len() >= transactions {
            return Err(Dropped::TooManyDialogs);
        }
        let number = incoming::caller(request, limits.callers);
        let seat = self.shares.seat(source, limits, number);
        match self.shares.refusal(&seat, limits, free) {
            Some(reason) => Err(reason),
            None if !self.shares.fits(source, self.size_of(request, key)) => Err(Dropped::NoShare),
            None => Ok(seat),
        }
    }

    /// Octets that a transaction of `request` will hold until it has its final response.
    pub(super) fn size_of(&self, request: &Request, key: &ServerKey) -> usize {
        ENTRY_OCTETS + 2 * key.octets() + 2 * request.template.octets()
    }

    /// Stores the server transaction of an INVITE and sends 100 (RFC 3261 §8.2.6.1).
    pub(super) fn open_invite_server(
        &mut self,
        now: Time,
        (key, merge): (ServerKey, Option<MergeKey>),
        dialog: DialogId,
        path: &Path,
        request: Request,
    ) -> TransactionId {
        let id = TransactionId(self.next_id());
        self.note_connection(request.flow);
        self.server_keys.insert(key.clone(), id);
        if let Some(merge) = &merge {
            self.merges.insert(merge.clone(), id);
        }
        let entry = InviteServerEntry {
            key,
            merge,
            machine: InviteServer::new(request.flow.transport),
            template: request.template,
            dialog,
            tag: path.local_tag.clone(),
            cseq: request.envelope.cseq.number,
            octets: 0,
        };
        self.invite_servers.insert(id, entry);
        self.respond_invite(now, id, Status::TRYING, |_| {});
        id
    }

    /// The content of an INVITE: answers and returns `None` when it cannot be taken.
    fn check_invite(&mut self, request: &mut Request) -> Option<(Option<Bytes>, Path)> {
        let kept = [Name::From, Name::To, Name::CallId, Name::Contact, Name::RecordRoute];
        let kept = kept.iter().flat_map(|name| request.message.headers.all(name));
        if kept.map(|value| value.as_str().len()).sum::<usize>() > MAX_CALL_OCTETS {
            let (reason, status) = (Dropped::Oversized, Status::MESSAGE_TOO_LARGE);
            self.refuse(&request.template, reason, status, None);
            return None;
        }
        let offer = self.check_offer(request)?;
        let routes = Route::recorded(&request.message);
        // RFC 2543 peers need not send a Contact: From is then where they are.
        let target = match Contact::read(&request.message) {
            Contact::Target(target) => Some(target),
            Contact::Absent => Some(request.envelope.from.uri.clone()),
            Contact::Unusable => None,
        };
        let (Some(routes), Some(target)) = (routes, target) else {
            let phrase = Some("Malformed Contact Or Record-Route");
            let (reason, status) = (Dropped::MalformedRequest, Status::BAD_REQUEST);
            self.refuse(&request.template, reason, status, phrase);
            return None;
        };
        let tag = self.token();
        let headers = &request.message.headers;
        let path = Path {
            call_id: request.envelope.call_id.clone(),
            local: headers.first(&Name::To)?.with_suffix(&format!(";tag={tag}")),
            remote: headers.first(&Name::From)?.clone(),
            local_tag: tag.into(),
            remote_tag: request.envelope.from.tag().map(Into::into),
            local_cseq: 0,
            remote_cseq: Some(request.envelope.cseq.number),
            target,
            routes,
            flow: Some(request.flow),
            is_adjacent: request.message.headers.items(&Name::Via).count() == 1,
            heard_from: Some(request.source()),
            login: None,
        };
        Some((offer, path))
    }

    /// The offer of an INVITE; answers 406, 413 or 415 and returns `None` when it cannot be taken.
    pub(super) fn check_offer(&mut self, request: &mut Request) -> Option<Option<Bytes>> {
        if !accepts_sdp(&request.message.headers) {
            let template = &request.template;
            self.refuse(template, Dropped::NotOffered, Status::NOT_ACCEPTABLE, None);
            return None;
        }
        match request.message.take_sdp() {
            Ok(Some(offer)) if offer.len() > crate::sdp::MAX_BYTES => {
                let (reason, status) = (Dropped::Oversized, Status::ENTITY_TOO_LARGE);
                self.refuse(&request.template, reason, status, None);
                None
            }
            Ok(offer) => Some(offer),
            Err(ContentError::Type | ContentError::Encoding) => {
                let status = Status::UNSUPPORTED_MEDIA_TYPE;
                self.refuse(&request.template, Dropped::NotOffered, status, None);
                None
            }
        }
    }

    /// CANCEL: 200 for itself, 487 for its INVITE if that is still open (RFC 3261 §9.2).
    pub(super) fn receive_cancel(&mut self, now: Time, key: ServerKey, request: Request) {
        let invite = ServerKey::new(&request.envelope, Method::Invite);
        let known = self.server_keys.get(&invite).copied();
        let Some(server) = known.filter(|&id| self.speaks_for_sender(id, request.flow)) else {
            return self.refuse_no_dialog(&request.template);
        };
        let Some(entry) = self.invite_servers.get(&server) else { return };
        let (tag, dialog, open) = (entry.tag.clone(), entry.dialog, entry.machine.is_proceeding());
        self.respond_final(now, (Method::Cancel, key), &request, Status::OK, &tag);
        if !open {
            return;
        }
        self.respond_invite(now, server, Status::REQUEST_TERMINATED, |_| {});
        let Some(held) = self.dialogs.get(&dialog) else { return };
        if matches!(held.state, State::Offered { .. }) {
            self.reject_undecided(now, dialog, Status::REQUEST_TERMINATED.into());
            let q850 = cause::read_reason(&request.message.headers);
            let (by, kind) = (Ender::Remote, EndKind::Cancelled);
            let status = Some(Status::REQUEST_TERMINATED);
            self.end(dialog, Ended { by, kind, status, q850 });
        } else if matches!(held.state, State::Confirmed(Renegotiation::Theirs { .. })) {
            self.set_state(dialog, State::Confirmed(Renegotiation::Idle));
        }
    }

    /// Answers a request other than INVITE for good, and keeps for its repetitions how.
    pub(super) fn respond_final(
        &mut self,
        now: Time,
        (method, key): (Method, ServerKey),
        request: &Request,
        status: Status,
        tag: &str,
    ) {
        self.keep_answered(now, (key, tag.into()), (request.flow, status), None);
        self.send_final(&method, request, status, tag);
    }

    /// Keeps the transaction of a request other than INVITE that got its final response (RFC 3261
    /// §17.2.2); `response` where another one could not be made again.
    pub(super) fn keep_answered(
        &mut self,
        now: Time,
        (key, tag): (ServerKey, Box<str>),
        (flow, status): (Flow, Status),
        response: Option<Bytes>,
    ) {
        self.note_connection(flow);
        let machine = Server::completed(now, flow.transport, status);
        let id = TransactionId(self.next_id());
        self.timers.set(Owner::Server(id), Some(machine.deadline()));
        let kept = response.as_ref().map_or(0, Bytes::len);
        let octets = ENTRY_OCTETS + 2 * key.octets() + kept;
        self.shares.resize(flow.remote.ip(), 0, octets);
        self.server_keys.insert(key.clone(), id);
        self.servers.insert(id, ServerEntry { key, machine, tag, flow, octets, response });
    }

    /// Sends the final response to a request other than INVITE.
    pub(super) fn send_final(
        &mut self,
        method: &Method,
        request: &Request,
        status: Status,
        tag: &str,
    ) {
        let mut message = request.template.respond(status, tag);
        if *method == Method::Info && status == Status::UNSUPPORTED_MEDIA_TYPE {
            message.headers.add(Name::Accept, "application/dtmf-relay, application/dtmf");
        }
        if status == Status::BAD_INFO_PACKAGE {
            // None (RFC 6086 §4.2.2).
            message.headers.add(Name::Other("Recv-Info".into()), "");
        }
        self.transmit(request.template.reply.flow, message.to_bytes().into());
    }
}

/// Whether an Accept header, where there is one, lets us describe a session (RFC 3261 §20.1).
fn accepts_sdp(headers: &Headers) -> bool {
    let fits = |item: &str| {
        let range = item.split(';').next().unwrap_or(item).trim();
        ["application/sdp", "application/*", "*/*"].iter().any(|r| range.eq_ignore_ascii_case(r))
    };
    headers.first(&Name::Accept).is_none() || headers.items(&Name::Accept).any(fits)
}
