//! Requests of our own, from the command to the final response (RFC 3261 §8.1): the one user of the
//! client transactions.
//!
//! A request is kept whole, its body included, until it has its final response, so that it can go
//! out again in another transaction. Only a 2xx to an INVITE leaves something of it behind: what
//! its forks need.

use std::collections::VecDeque;

use bytes::Bytes;
use partyline_model::Time;
use zeroize::Zeroize;

use super::forks::Fork;
use super::outside::Outcome;
use super::respond::is_sips;
use super::way::Way;
use super::{Endpoint, Owner};
use crate::auth::Authentication;
use crate::cause;
use crate::command::Patience;
use crate::dialog::{Path, Renegotiation, State};
use crate::event::{DialogId, Event};
use crate::flow::{Flow, ResolveId};
use crate::message::{Headers, MAGIC_COOKIE, Message, Method, Name, Status, Value, Via};
use crate::subscription::SubscriptionId;
use crate::transaction::{Client, InviteClient, RequestId, TransactionId};

/// What shows who sends a request.
const CREDENTIALS: [Name; 2] = [Name::Authorization, Name::ProxyAuthorization];

/// The longest request that goes as a datagram where a stream can be had (RFC 3261 §18.1.1).
const MAX_DATAGRAM: usize = 1300;

/// A request of ours.
pub(super) struct Outgoing {
    /// The request without Via.
    message: Message,
    pub(super) method: Method,
    pub(super) purpose: Purpose,
    /// The dialog as the request saw it, its CSeq number the request's own: each fork that answers
    /// an INVITE makes a dialog of its own from it.
    pub(super) path: Path,
    /// The ways that are left, best first.
    pub(super) ways: VecDeque<Way>,
    /// How long one way may take, the last among them if there is an alternative.
    pub(super) patience: Option<Patience>,
    pub(super) has_alternative: bool,
    /// Whether the far end was heard to make progress: then no other is called.
    pub(super) rang: bool,
    /// When the request was last sent.
    pub(super) launched: Time,
    pub(super) progress: Progress,
    /// Who makes progress, of the INVITE of a call out.
    pub(super) forks: Vec<Fork>,
    /// Whether it was sent again for a longer session interval.
    pub(super) lengthened: bool,
    /// What the request was asked for.
    authentication: Authentication,
}

/// What carries a request, and why it is sent.
pub(super) struct Carried {
    pub(super) path: Path,
    pub(super) purpose: Purpose,
    pub(super) ways: VecDeque<Way>,
    pub(super) patience: Option<Patience>,
    pub(super) has_alternative: bool,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing was sent.
    Begun,
    /// The addresses of the next hop are asked for; without any, `met` is the way.
    Resolving { question: ResolveId, met: Option<Flow> },
    /// A transaction carries the request.
    Sent(TransactionId),
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
    /// An UPDATE.
    Update(DialogId),
    /// A PRACK.
    Prack(DialogId),
    /// The dialog is over when the request is.
    LastOf(DialogId),
    /// Another way was taken instead of this INVITE: whatever it comes to is undone.
    Abandoned,
    /// The request carries a key, and the next one waits for its answer.
    Digit(DialogId),
    /// The request tells a subscriber something, and the next one waits for its answer.
    Notify(DialogId, SubscriptionId),
    /// The ACK to a 2xx of an INVITE.
    Acknowledge(TransactionId),
    /// The request keeps open what leads to the telephone of this binding, behind a NAT.
    KeepOpen(u64),
    /// The request belongs to no dialog; its end is reported with this token.
    Outside(u64),
}

impl Outgoing {
    /// A request that was not sent and has no way yet.
    pub(super) fn new(
        now: Time,
        message: Message,
        method: Method,
        purpose: Purpose,
        path: Path,
    ) -> Self {
        Self {
            message,
            method,
            purpose,
            path,
            ways: VecDeque::new(),
            patience: None,
            has_alternative: false,
            rang: false,
            launched: now,
            progress: Progress::Begun,
            forks: Vec::new(),
            lengthened: false,
            authentication: Authentication::default(),
        }
    }

    /// What an INVITE leaves behind when the call takes another way: enough to undo it.
    pub(super) fn abandoned(&self) -> Self {
        let mut message = Message::request(self.method.clone(), self.message.request_uri());
        for (name, value) in self.message.headers.iter() {
            message.headers.push(name.clone(), value.clone());
        }
        Self {
            message,
            method: self.method.clone(),
            purpose: Purpose::Abandoned,
            path: self.path.clone(),
            ways: VecDeque::new(),
            patience: None,
            has_alternative: false,
            rang: false,
            launched: self.launched,
            progress: self.progress,
            forks: Vec::new(),
            lengthened: true,
            authentication: Authentication::default(),
        }
    }

    /// The transaction that carries the request.
    pub(super) fn transaction(&self) -> Option<TransactionId> {
        match self.progress {
            Progress::Begun | Progress::Resolving { .. } => None,
            Progress::Sent(transaction) => Some(transaction),
        }
    }

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

    /// CANCEL of an INVITE, and why (RFC 3326 §2).
    pub(super) fn cancel(&self, via: &str, q850: Option<u8>) -> Message {
        let mut message = self.hop_by_hop(Method::Cancel, via, &self.message);
        if let Some(cause) = q850 {
            message.headers.add(Name::Reason, cause::write_reason(cause));
        }
        message
    }

    /// The credentials of the request, which the ACK of its 2xx repeats (RFC 3261 §13.2.2.4).
    pub(super) fn credentials(&self) -> Vec<(Name, Value)> {
        let fields = self.message.headers.iter().filter(|(name, _)| CREDENTIALS.contains(name));
        fields.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Puts others in the place of some headers.
    pub(super) fn replace_headers(&mut self, names: &[Name], by: &Headers) {
        for name in names {
            self.message.headers.remove(name);
        }
        self.message.headers.extend(by);
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
    /// `None` while the addresses of its next hop are asked for.
    pub(super) sent: Option<(Flow, Bytes)>,
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
        Carried { path, purpose, ways, patience, has_alternative }: Carried,
        method: Method,
        dress: impl FnOnce(&mut Message),
    ) -> RequestId {
        let mut message = path.request(method.clone());
        dress(&mut message);
        let id = RequestId(self.next_id());
        let outgoing = Outgoing::new(now, message, method, purpose, path);
        let outgoing = Outgoing { ways, patience, has_alternative, ..outgoing };
        self.outgoing.insert(id, outgoing);
        self.advance(now, id);
        id
    }

    /// Sends a request by the next way that is left; `false` when there is none.
    pub(super) fn advance(&mut self, now: Time, id: RequestId) -> bool {
        let way = self.outgoing.get_mut(&id).and_then(|outgoing| outgoing.ways.pop_front());
        match way {
            Some(Way::Flow(flow)) => self.launch(now, id, flow, true),
            Some(Way::Datagram(flow)) => self.launch(now, id, flow, false),
            Some(Way::Name(hop, met)) => {
                let question = self.ask(now, id, hop, met);
                if let Some(outgoing) = self.outgoing.get_mut(&id) {
                    outgoing.progress = Progress::Resolving { question, met };
                }
            }
            None => return false,
        }
        true
    }

    /// Sends a request in a transaction of its own. One that is too long for a datagram goes by a
    /// stream where that `may_stream` (RFC 3261 §18.1.1), and as a datagram if that fails.
    fn launch(&mut self, now: Time, id: RequestId, flow: Flow, may_stream: bool) {
        let (branch, via) = self.new_via(flow);
        let stream = self.stream_instead(now, flow).filter(|_| may_stream);
        let transaction = TransactionId(self.next_id());
        let sips = self.outgoing.get(&id).is_some_and(|outgoing| {
            let route = outgoing.message.headers.text(&Name::Route);
            is_sips(outgoing.message.request_uri()) || route.is_some_and(is_sips)
        });
        let contact = self.contact(flow, sips);
        let Some(outgoing) = self.outgoing.get_mut(&id) else { return };
        if !matches!(outgoing.purpose, Purpose::Outside(_) | Purpose::KeepOpen(_)) {
            outgoing.message.headers.replace(&Name::Contact, contact);
        }
        outgoing.message.headers.put_first(Name::Via, &*via);
        let bytes = outgoing.message.to_bytes();
        outgoing.message.headers.remove(&Name::Via);
        if let Some(stream) = stream.filter(|_| bytes.len() > MAX_DATAGRAM)
            && outgoing.method != Method::Ack
        {
            outgoing.ways.push_front(Way::Datagram(flow));
            return self.launch(now, id, stream, false);
        }
        (outgoing.progress, outgoing.launched) = (Progress::Sent(transaction), now);
        outgoing.forks = Vec::new();
        if let Purpose::Dial(_) = outgoing.purpose {
            outgoing.path.flow = Some(flow);
        }
        let method = outgoing.method.clone();
        self.note_connection(flow);
        self.be_patient(now, id);
        match method {
            Method::Invite => {
                self.start_invite(now, transaction, id, (via, branch), (flow, bytes.into()));
            }
            Method::Ack => self.send_ack(id, flow, bytes.into()),
            Method::Bye
            | Method::Cancel
            | Method::Options
            | Method::Info
            | Method::Update
            | Method::Prack
            | Method::Known(_)
            | Method::Unknown(_) => {
                self.start_client(now, transaction, Some(id), (branch, method), (flow, bytes));
            }
        }
    }

    /// A branch nobody can guess, and our Via with it.
    pub(super) fn new_via(&mut self, flow: Flow) -> (Box<str>, Box<str>) {
        let branch = format!("{MAGIC_COOKIE}{}", self.token());
        let sent_by = self.config.advertised_on(flow);
        let via = Via::ours(flow.transport, sent_by, &branch).to_string();
        (branch.into(), via.into())
    }

    /// Sends the ACK to a 2xx, which is over with that, and keeps it for repetitions of the 2xx.
    fn send_ack(&mut self, id: RequestId, flow: Flow, bytes: Bytes) {
        self.transmit(flow, bytes.clone());
        let Some(outgoing) = self.take_request(id) else { return };
        let Purpose::Acknowledge(invite) = outgoing.purpose else { return };
        let Some(entry) = self.invite_clients.get_mut(&invite) else { return };
        let tag = outgoing.path.remote_tag.unwrap_or_default();
        if let Some(ack) = entry.acks.iter_mut().find(|ack| ack.remote_tag == tag) {
            ack.sent = Some((flow, bytes));
        }
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
        let transaction = self.outgoing.get(&request)?.transaction()?;
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
    pub(super) fn is_wanted(&self, id: RequestId) -> bool {
        let Some(outgoing) = self.outgoing.get(&id) else { return false };
        let state = |dialog| self.dialogs.get(&dialog).map(|dialog| &dialog.state);
        match outgoing.purpose {
            Purpose::Nothing | Purpose::LastOf(_) => true,
            Purpose::Dial(dialog) => matches!(state(dialog), Some(State::Calling { .. })),
            Purpose::Reinvite(dialog) => {
                matches!(state(dialog), Some(State::Confirmed(Renegotiation::Ours { .. })))
            }
            Purpose::Digit(dialog)
            | Purpose::Update(dialog)
            | Purpose::Prack(dialog)
            | Purpose::Notify(dialog, _) => state(dialog).is_some_and(|state| !state.has_ended()),
            Purpose::Abandoned
            | Purpose::Acknowledge(_)
            | Purpose::KeepOpen(_)
            | Purpose::Outside(_) => false,
        }
    }

    /// Sends a request again by the way that it went, in another transaction.
    pub(super) fn send_again(&mut self, now: Time, id: RequestId) {
        let transaction = self.outgoing.get(&id).and_then(Outgoing::transaction);
        let Some(transaction) = transaction else { return };
        let invite = self.invite_clients.get(&transaction).map(|entry| entry.flow);
        let flow = invite.or_else(|| self.clients.get(&transaction).map(|entry| entry.flow));
        self.renumber(id);
        if let Some((outgoing, flow)) = self.outgoing.get_mut(&id).zip(flow) {
            outgoing.ways.push_front(Way::Flow(flow));
            self.advance(now, id);
        }
    }

    /// Gives a request the next CSeq number of its dialog, where other requests may have been sent
    /// meanwhile.
    pub(super) fn renumber(&mut self, id: RequestId) {
        let Some(outgoing) = self.outgoing.get_mut(&id) else { return };
        let dialog = match outgoing.purpose {
            // The caller counts by itself.
            Purpose::Outside(_) | Purpose::KeepOpen(_) => return,
            Purpose::Nothing | Purpose::Abandoned | Purpose::Acknowledge(_) => None,
            Purpose::Dial(dialog)
            | Purpose::Reinvite(dialog)
            | Purpose::Update(dialog)
            | Purpose::Prack(dialog)
            | Purpose::LastOf(dialog)
            | Purpose::Notify(dialog, _)
            | Purpose::Digit(dialog) => self.dialogs.get_mut(&dialog),
        };
        if let Some(dialog) = dialog {
            let last = dialog.path.local_cseq.max(outgoing.path.local_cseq);
            outgoing.path.local_cseq = last;
            dialog.path.local_cseq = last + 1;
        }
        outgoing.path.next_cseq();
        let cseq = format!("{} {}", outgoing.path.local_cseq, outgoing.method);
        outgoing.message.headers.replace(&Name::CSeq, cseq);
    }

    /// Whether a request of ours was never sent, since the addresses of its next hop are not known.
    pub(super) fn is_unsent(&self, request: RequestId) -> bool {
        self.outgoing.get(&request).is_some_and(|outgoing| outgoing.transaction().is_none())
    }

    /// A request other than INVITE got its final response, or will get none.
    pub(super) fn conclude(&mut self, now: Time, request: Option<RequestId>, outcome: Outcome) {
        let status = outcome.status();
        let Some(id) = request else { return };
        let Some(mut outgoing) = self.take_request(id) else { return };
        outgoing.wipe();
        match outgoing.purpose {
            // What becomes of a PRACK decides nothing but whether there may be more.
            Purpose::Prack(dialog) => {
                if let (Outcome::Response(..), Some(held)) =
                    (outcome, self.dialogs.get_mut(&dialog))
                {
                    held.pracks.answered();
                }
            }
            // No request but INVITE is for the rest.
            Purpose::Nothing
            | Purpose::Dial(_)
            | Purpose::Reinvite(_)
            | Purpose::Abandoned
            | Purpose::Acknowledge(_) => {}
            Purpose::KeepOpen(number) => self.absent_heard(now, number, &outcome),
            Purpose::Outside(token) => self.report_outside(token, outcome),
            Purpose::Update(dialog) => self.update_ended(now, id, dialog, outcome),
            Purpose::LastOf(dialog) => self.forget_dialog(dialog),
            Purpose::Notify(dialog, subscription) => {
                self.notified(now, dialog, subscription, &outcome);
            }
            Purpose::Digit(dialog) => {
                let result = if status.is_success() { Ok(()) } else { Err(status) };
                // Nothing follows the end of a call.
                if self.dialog(dialog).is_ok() {
                    self.emit(Event::DigitSent { dialog, result });
                }
            }
        }
    }

    /// Takes a request of ours out of its table, and nothing else.
    pub(super) fn take_request(&mut self, id: RequestId) -> Option<Outgoing> {
        self.timers.set(Owner::Request(id), None);
        let outgoing = self.outgoing.remove(&id)?;
        if let Progress::Resolving { question, .. } = outgoing.progress {
            self.resolving.remove(&question);
        }
        Some(outgoing)
    }

    /// Takes an INVITE of ours out of the tables.
    pub(super) fn remove_request(&mut self, id: RequestId) {
        let outgoing = self.take_request(id);
        if let Some(transaction) = outgoing.and_then(|outgoing| outgoing.transaction()) {
            self.remove_invite_client(transaction);
        }
    }

    /// Takes the transaction of an INVITE out of the tables, and the request if it has no other.
    pub(super) fn remove_invite_client(&mut self, id: TransactionId) {
        self.timers.set(Owner::InviteClient(id), None);
        let Some(entry) = self.invite_clients.remove(&id) else { return };
        self.client_keys.remove(&(entry.branch, Method::Invite));
        let request = self.outgoing.get(&entry.request);
        if request.is_some_and(|request| request.transaction() == Some(id)) {
            self.take_request(entry.request);
        }
    }
}
