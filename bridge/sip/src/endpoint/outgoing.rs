//! Requests of our own, from the command to the final response (RFC 3261 §8.1): the one user of the
//! client transactions.
//!
//! A request is kept whole, its body included, until it has its final response, so that it can go
//! out again in another transaction. Only a 2xx to an INVITE leaves something of it behind: what
//! its forks need.

use bytes::Bytes;
use partyline_model::Time;
use zeroize::Zeroize;

use super::{Endpoint, Owner};
use crate::auth::Authentication;
use crate::dialog::{Path, Renegotiation, State};
use crate::event::{DialogId, Event};
use crate::flow::Flow;
use crate::message::{MAGIC_COOKIE, Message, Method, Name, Status, Via};
use crate::transaction::{Client, InviteClient, RequestId, TransactionId};

/// What shows who sends a request.
const CREDENTIALS: [Name; 2] = [Name::Authorization, Name::ProxyAuthorization];

/// A request of ours.
pub(super) struct Outgoing {
    /// The request without Via.
    message: Message,
    method: Method,
    pub(super) purpose: Purpose,
    /// The dialog as the request saw it, its CSeq number the request's own: each fork that answers
    /// an INVITE makes a dialog of its own from it.
    pub(super) path: Path,
    flow: Flow,
    /// The transaction that carries it.
    pub(super) transaction: TransactionId,
    /// What it was asked for.
    authentication: Authentication,
}

/// What depends on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Nothing.
    Nothing,
    /// The INVITE of a call out.
    Dial(DialogId),
    /// An INVITE within a call.
    Reinvite(DialogId),
    /// The dialog is over when the request is.
    LastOf(DialogId),
    /// The request carries a key, and the next one waits for its answer.
    Digit(DialogId),
}

impl Outgoing {
    /// ACK or CANCEL of an INVITE (RFC 3261 §9.1, §17.1.1.3): its Via, Route, From and Call-ID,
    /// with this To. Nobody may ask who sends them: they have what the INVITE was let through with
    /// (§22.1).
    pub(super) fn hop_by_hop(&self, method: Method, via: &str, to: &Message) -> Message {
        let mut message = Message::request(method.clone(), self.message.request_uri());
        message.headers.add(Name::Via, via);
        for (name, value) in self.message.headers.iter() {
            let repeated = [Name::MaxForwards, Name::Route, Name::From, Name::CallId];
            if repeated.contains(name) || CREDENTIALS.contains(name) {
                message.headers.push(name.clone(), value.clone());
            }
        }
        if let Some(to) = to.headers.first(&Name::To) {
            message.headers.push(Name::To, to.clone());
        }
        message.headers.add(Name::CSeq, format!("{} {method}", self.path.local_cseq));
        message
    }

    /// CANCEL of an INVITE.
    pub(super) fn cancel(&self, via: &str) -> Message {
        self.hop_by_hop(Method::Cancel, via, &self.message)
    }

    /// Writes the credentials of the request into another: into the ACK of its 2xx
    /// (RFC 3261 §13.2.2.4).
    pub(super) fn lend_credentials(&self, ack: &mut Message) {
        for (name, value) in self.message.headers.iter() {
            if CREDENTIALS.contains(name) {
                ack.headers.push(name.clone(), value.clone());
            }
        }
    }

    /// Forgets the body once it need not be sent again: it may be part of a passcode.
    pub(super) fn wipe(&mut self) {
        self.message.wipe_body();
    }
}

/// The client transaction of an INVITE.
pub(super) struct InviteClientEntry {
    pub(super) machine: InviteClient,
    pub(super) request: RequestId,
    pub(super) bytes: Bytes,
    pub(super) flow: Flow,
    /// The Via, which its ACK and CANCEL repeat.
    pub(super) via: Box<str>,
    pub(super) branch: Box<str>,
    /// The ACK of its failure.
    pub(super) failure: Option<Bytes>,
    /// The ACKs of the 2xx so far, to be sent again with each repetition.
    pub(super) acks: Vec<SentAck>,
}

/// An ACK to a 2xx (RFC 3261 §13.2.2.4).
pub(super) struct SentAck {
    pub(super) remote_tag: Box<str>,
    pub(super) flow: Flow,
    pub(super) bytes: Bytes,
}

/// The client transaction of another request.
pub(super) struct ClientEntry {
    pub(super) machine: Client,
    /// `None` for CANCEL, whose answer says nothing.
    pub(super) request: Option<RequestId>,
    pub(super) bytes: Vec<u8>,
    pub(super) flow: Flow,
    pub(super) key: (Box<str>, Method),
}

impl ClientEntry {
    /// Forgets what was sent once it need not be sent again: it may be part of a passcode.
    pub(super) fn wipe(&mut self) {
        self.bytes.zeroize();
    }
}

impl Endpoint {
    /// Sends a request along a path, whose CSeq number it takes; `dress` adds what it has beside
    /// the headers of every request.
    pub(super) fn submit(
        &mut self,
        now: Time,
        (path, purpose): (Path, Purpose),
        method: Method,
        dress: impl FnOnce(&mut Message),
    ) -> RequestId {
        let (mut message, flow) = path.request(method.clone(), path.local_cseq);
        dress(&mut message);
        let id = RequestId(self.next_id());
        let transaction = TransactionId(self.next_id());
        let authentication = Authentication::default();
        let outgoing =
            Outgoing { message, method, purpose, path, flow, transaction, authentication };
        self.launch(now, id, outgoing);
        id
    }

    /// Sends a request in a transaction of its own.
    fn launch(&mut self, now: Time, id: RequestId, mut outgoing: Outgoing) {
        let (branch, via) = self.new_via();
        outgoing.message.headers.put_first(Name::Via, &*via);
        let bytes = outgoing.message.to_bytes();
        outgoing.message.headers.remove(&Name::Via);
        let (flow, transaction) = (outgoing.flow, outgoing.transaction);
        let key = (branch, outgoing.method.clone());
        if outgoing.method == Method::Invite {
            self.start_invite(now, transaction, id, (via, key.0), (flow, bytes.into()));
        } else {
            self.start_client(now, transaction, Some(id), key, (flow, bytes));
        }
        self.outgoing.insert(id, outgoing);
    }

    /// A branch nobody can guess, and our Via with it.
    pub(super) fn new_via(&mut self) -> (Box<str>, Box<str>) {
        let branch = format!("{MAGIC_COOKIE}{}", self.token());
        let via = Via::ours(self.config.advertised, &branch).to_string();
        (branch.into(), via.into())
    }

    fn start_invite(
        &mut self,
        now: Time,
        id: TransactionId,
        request: RequestId,
        (via, branch): (Box<str>, Box<str>),
        (flow, bytes): (Flow, Bytes),
    ) {
        self.transmit(flow, bytes.clone());
        let machine = InviteClient::new(now, flow.transport);
        self.timers.set(Owner::InviteClient(id), machine.deadline());
        self.client_keys.insert((branch.clone(), Method::Invite), id);
        let (failure, acks) = (None, Vec::new());
        let entry = InviteClientEntry { machine, request, bytes, flow, via, branch, failure, acks };
        self.invite_clients.insert(id, entry);
    }

    /// Sends a finished request other than INVITE and ACK.
    pub(super) fn start_client(
        &mut self,
        now: Time,
        id: TransactionId,
        request: Option<RequestId>,
        key: (Box<str>, Method),
        (flow, bytes): (Flow, Vec<u8>),
    ) {
        // A copy of its own, since what is kept here may be wiped.
        self.transmit(flow, Bytes::copy_from_slice(&bytes));
        let machine = Client::new(now, flow.transport);
        self.timers.set(Owner::Client(id), machine.deadline());
        self.client_keys.insert(key.clone(), id);
        self.clients.insert(id, ClientEntry { machine, request, bytes, flow, key });
    }

    /// The transaction that carries a request of ours, when it is an INVITE that had a provisional
    /// response and no final one.
    pub(super) fn proceeding(&self, request: RequestId) -> Option<TransactionId> {
        let transaction = self.outgoing.get(&request)?.transaction;
        let entry = self.invite_clients.get(&transaction)?;
        entry.machine.is_proceeding().then_some(transaction)
    }

    /// Answers a 401 or 407 by sending the request again, as another transaction with the next CSeq
    /// number (RFC 3261 §22.2); `false` when there is nothing to answer with, or nobody waits for
    /// the request any more.
    pub(super) fn answer_challenge(
        &mut self,
        now: Time,
        id: RequestId,
        status: Status,
        response: &Message,
    ) -> bool {
        let asked = [Status::UNAUTHORIZED, Status::PROXY_AUTHENTICATION_REQUIRED];
        if !asked.contains(&status) || !self.is_wanted(id) {
            return false;
        }
        let cnonce = self.random.next_u128();
        let Some(outgoing) = self.outgoing.get_mut(&id) else { return false };
        let Some(login) = outgoing.path.login.clone() else { return false };
        if outgoing.authentication.challenged(&login, response).is_err() {
            return false;
        }
        outgoing.authentication.authorize(&login, cnonce, &mut outgoing.message);
        self.send_again(now, id);
        true
    }

    /// Whether a request that has failed is worth sending again.
    fn is_wanted(&self, id: RequestId) -> bool {
        let Some(outgoing) = self.outgoing.get(&id) else { return false };
        let state = |dialog| self.dialogs.get(&dialog).map(|dialog| &dialog.state);
        match outgoing.purpose {
            Purpose::Nothing | Purpose::LastOf(_) => true,
            Purpose::Dial(dialog) => matches!(state(dialog), Some(State::Calling { .. })),
            Purpose::Reinvite(dialog) => {
                matches!(state(dialog), Some(State::Confirmed(Renegotiation::Ours { .. })))
            }
            Purpose::Digit(dialog) => state(dialog).is_some_and(|state| !state.has_ended()),
        }
    }

    fn send_again(&mut self, now: Time, id: RequestId) {
        let transaction = TransactionId(self.next_id());
        let Some(mut outgoing) = self.outgoing.remove(&id) else { return };
        let dialog = match outgoing.purpose {
            Purpose::Nothing => None,
            Purpose::Dial(dialog)
            | Purpose::Reinvite(dialog)
            | Purpose::LastOf(dialog)
            | Purpose::Digit(dialog) => self.dialogs.get_mut(&dialog),
        };
        if let Some(dialog) = dialog {
            // Other requests of the dialog may have been sent meanwhile.
            let last = dialog.path.local_cseq.max(outgoing.path.local_cseq);
            outgoing.path.local_cseq = last;
            dialog.path.local_cseq = last + 1;
        }
        outgoing.path.next_cseq();
        let cseq = format!("{} {}", outgoing.path.local_cseq, outgoing.method);
        outgoing.message.headers.remove(&Name::CSeq);
        outgoing.message.headers.add(Name::CSeq, cseq);
        outgoing.transaction = transaction;
        self.launch(now, id, outgoing);
    }

    /// A request other than INVITE got its final response, or 408 in place of one.
    pub(super) fn conclude(&mut self, request: Option<RequestId>, status: Status) {
        let Some(mut outgoing) = request.and_then(|id| self.outgoing.remove(&id)) else { return };
        outgoing.wipe();
        match outgoing.purpose {
            // No request but INVITE is for these.
            Purpose::Nothing | Purpose::Dial(_) | Purpose::Reinvite(_) => {}
            Purpose::LastOf(dialog) => self.forget_dialog(dialog),
            Purpose::Digit(dialog) => {
                let result = if status.is_success() { Ok(()) } else { Err(status) };
                // Nothing follows the end of a call.
                if self.dialog(dialog).is_ok() {
                    self.emit(Event::DigitSent { dialog, result });
                }
            }
        }
    }

    /// Takes an INVITE of ours out of the tables.
    pub(super) fn remove_request(&mut self, id: RequestId) {
        if let Some(outgoing) = self.outgoing.remove(&id) {
            self.remove_invite_client(outgoing.transaction);
        }
    }

    /// Takes the transaction of an INVITE out of the tables, and the request if it has no other.
    pub(super) fn remove_invite_client(&mut self, id: TransactionId) {
        self.timers.set(Owner::InviteClient(id), None);
        let Some(entry) = self.invite_clients.remove(&id) else { return };
        self.client_keys.remove(&(entry.branch, Method::Invite));
        if self.outgoing.get(&entry.request).is_some_and(|request| request.transaction == id) {
            self.outgoing.remove(&entry.request);
        }
    }
}
