//! Calls that come in: INVITE, CANCEL, ACK, and the answers the node gives (RFC 3261 §13.3, §9.2).

use partyline_model::Time;

use super::receive::Request;
use super::{Endpoint, InviteServerEntry, Owner, ServerEntry, incoming};
use crate::cause;
use crate::command::{CommandError, Rejection};
use crate::counters::Dropped;
use crate::dialog::{Contact, Dialog, Path, Renegotiation, Route, State, Unacked};
use crate::event::{DialogId, EndKind, Ended, Ender, Event};
use crate::message::{ContentError, Headers, Message, Method, Name, StartLine, Status};
use crate::transaction::timer::Backoff;
use crate::transaction::{InviteServer, MergeKey, Server, ServerKey, TransactionId};

/// What a full table or a busy dialog asks the peer to wait, in seconds.
const RETRY_AFTER: &str = "5";

/// INVITE transactions for each dialog that the configuration allows. A refused call leaves its
/// transaction behind for up to 32 s, so INVITE and CANCEL in turn would otherwise pile up.
const TRANSACTIONS_PER_DIALOG: usize = 4;

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
        sdp: Vec<u8>,
    ) -> Result<(), CommandError> {
        self.provisional(now, dialog, Status::SESSION_PROGRESS, Some(sdp))
    }

    /// Answers an incoming call: 200 OK, sent until the ACK comes.
    ///
    /// # Errors
    /// [`CommandError`] unless the call waits for its answer.
    pub fn answer(
        &mut self,
        now: Time,
        dialog: DialogId,
        sdp: Vec<u8>,
    ) -> Result<(), CommandError> {
        let server = self.offered(dialog)?;
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
        let status = match rejection.status.code() {
            300.. => rejection.status,
            _ => Status::SERVER_ERROR,
        };
        self.respond_invite(now, server, status, |message| {
            if let Some(phrase) = rejection.phrase {
                let reason = phrase.replace(['\r', '\n'], " ").into();
                message.start = StartLine::Response { status, reason };
            }
            if let Some(after) = rejection.retry_after {
                message.headers.add(Name::RetryAfter, after.as_secs().to_string());
            }
            if let Some(cause) = rejection.q850 {
                message.headers.add(Name::Reason, cause::write_reason(cause));
            }
        });
        let q850 = rejection.q850.or(cause::cause_of(status));
        let kind = EndKind::Rejected;
        self.end(dialog, Ended { by: Ender::Local, kind, status: Some(status), q850 });
        Ok(())
    }

    fn provisional(
        &mut self,
        now: Time,
        dialog: DialogId,
        status: Status,
        sdp: Option<Vec<u8>>,
    ) -> Result<(), CommandError> {
        let server = self.offered(dialog)?;
        self.respond_in_dialog(now, server, status, sdp);
        Ok(())
    }

    fn offered(&mut self, id: DialogId) -> Result<TransactionId, CommandError> {
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
        sdp: Vec<u8>,
    ) -> Option<Unacked> {
        let response = self.respond_in_dialog(now, server, Status::OK, Some(sdp))?;
        let entry = self.invite_servers.get(&server)?;
        Some(Unacked {
            cseq: entry.cseq,
            response,
            destination: entry.template.destination,
            local: entry.template.local,
            backoff: Backoff::up_to_t2(now),
        })
    }

    /// A response with Contact and the rest of what makes a dialog.
    fn respond_in_dialog(
        &mut self,
        now: Time,
        server: TransactionId,
        status: Status,
        sdp: Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let entry = self.invite_servers.get(&server)?;
        let mut message = entry.template.respond(status, &entry.tag);
        self.add_dialog_headers(&entry.template, &mut message);
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
    ) -> Option<Vec<u8>> {
        let entry = self.invite_servers.get_mut(&server)?;
        let bytes = message.to_bytes();
        entry.machine.send(now, status, &bytes);
        self.timers.set(Owner::InviteServer(server), entry.machine.deadline());
        let (local, destination) = (entry.template.local, entry.template.destination);
        self.transmit(Some(local), destination, bytes.clone());
        Some(bytes)
    }

    /// An INVITE outside a dialog.
    pub(super) fn receive_invite(&mut self, now: Time, key: ServerKey, mut request: Request) {
        let merge = MergeKey::new(&request.envelope);
        if self.merges.contains_key(&merge) {
            let template = &request.template;
            return self.refuse(template, Dropped::Misdirected, Status::LOOP_DETECTED, None);
        }
        let Some((offer, path)) = self.check_invite(&mut request) else { return };
        let transactions = self.config.max_dialogs.saturating_mul(TRANSACTIONS_PER_DIALOG);
        if self.dialogs.len() >= self.config.max_dialogs
            || self.invite_servers.len() >= transactions
        {
            self.drop_for(Dropped::TooManyDialogs);
            let full = Status::SERVICE_UNAVAILABLE;
            return self.respond_stateless(&request.template, full, |message| {
                message.headers.add(Name::RetryAfter, RETRY_AFTER);
            });
        }
        let id = DialogId(self.next_id());
        let event = incoming::read(id, &mut request, offer);
        let server = self.open_invite_server(now, (key, Some(merge)), id, &path, request);
        self.insert_dialog(id, Dialog { path, state: State::Offered { server } });
        self.emit(Event::Invite(Box::new(event)));
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
        self.server_keys.insert(key.clone(), id);
        if let Some(merge) = &merge {
            self.merges.insert(merge.clone(), id);
        }
        let entry = InviteServerEntry {
            key,
            merge,
            machine: InviteServer::new(),
            template: request.template,
            dialog,
            tag: path.local_tag.clone(),
            cseq: request.envelope.cseq.number,
        };
        self.invite_servers.insert(id, entry);
        self.respond_invite(now, id, Status::TRYING, |_| {});
        id
    }

    /// The content of an INVITE: answers and returns `None` when it cannot be taken.
    fn check_invite(&mut self, request: &mut Request) -> Option<(Option<Vec<u8>>, Path)> {
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
            peer: request.source,
            heard_from: Some(request.source),
            interface: Some(request.local),
        };
        Some((offer, path))
    }

    /// The offer of an INVITE; answers 406 or 415 and returns `None` when it cannot be taken.
    pub(super) fn check_offer(&mut self, request: &mut Request) -> Option<Option<Vec<u8>>> {
        if !accepts_sdp(&request.message.headers) {
            let template = &request.template;
            self.refuse(template, Dropped::NotOffered, Status::NOT_ACCEPTABLE, None);
            return None;
        }
        match request.message.take_sdp() {
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
        let Some(&server) = self.server_keys.get(&invite) else {
            return self.refuse_no_dialog(&request.template);
        };
        let Some(entry) = self.invite_servers.get(&server) else { return };
        let (tag, dialog, open) = (entry.tag.clone(), entry.dialog, entry.machine.is_proceeding());
        self.respond_final(now, key, &request, (Status::OK, &tag), |_| {});
        if !open {
            return;
        }
        self.respond_invite(now, server, Status::REQUEST_TERMINATED, |_| {});
        let Some(held) = self.dialogs.get(&dialog) else { return };
        if matches!(held.state, State::Offered { .. }) {
            let q850 = cause::read_reason(&request.message.headers);
            let (by, kind) = (Ender::Remote, EndKind::Cancelled);
            let status = Some(Status::REQUEST_TERMINATED);
            self.end(dialog, Ended { by, kind, status, q850 });
        } else if matches!(held.state, State::Confirmed(Renegotiation::Theirs { .. })) {
            self.set_state(dialog, State::Confirmed(Renegotiation::Idle));
        }
    }

    /// Answers a request other than INVITE for good, and keeps the answer for its repetitions.
    pub(super) fn respond_final(
        &mut self,
        now: Time,
        key: ServerKey,
        request: &Request,
        (status, tag): (Status, &str),
        adjust: impl FnOnce(&mut Message),
    ) {
        let mut message = request.template.respond(status, tag);
        adjust(&mut message);
        let bytes = message.to_bytes();
        let machine = Server::completed(now, bytes.clone());
        let id = TransactionId(self.next_id());
        self.timers.set(Owner::Server(id), Some(machine.deadline()));
        let (destination, local) = (request.template.destination, request.template.local);
        self.server_keys.insert(key.clone(), id);
        self.servers.insert(id, ServerEntry { key, machine, destination, local });
        self.transmit(Some(local), destination, bytes);
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
