//! The way in: octets become a message, and the message finds what it is for
//! (RFC 3261 §8.2, §17.1.3, §17.2.3).

use std::net::SocketAddr;

use partyline_model::Time;

use super::respond::{Template, add_abilities};
use super::subscribe::is_subscribe;
use super::{Endpoint, Owner};
use crate::admission::Limits;
use crate::counters::Dropped;
use crate::event::{Event, RefusedRequest, Suspicion};
use crate::flow::{Flow, Transport};
use crate::message::{Envelope, Message, Method, Name, Scheme, StartLine, Status, Unreadable, Uri};
use crate::takeover;
use crate::transaction::{ServerKey, TransactionId};

/// A request on its way through the checks.
pub(super) struct Request {
    pub(super) message: Message,
    pub(super) envelope: Envelope,
    pub(super) uri: Uri,
    pub(super) template: Template,
    pub(super) flow: Flow,
    /// `None` for a stranger.
    pub(super) limits: Option<Limits>,
}

/// The most octets of a request that its responses repeat. What has more is not answered: it would
/// have others receive many packets for one.
const MAX_ECHO_OCTETS: usize = 8 * 1024;

impl Request {
    /// Where the request came from.
    pub(super) fn source(&self) -> SocketAddr {
        self.flow.remote
    }
}

impl Endpoint {
    /// Takes one datagram that came from `source` to `local`, as [`Endpoint::handle_message`].
    pub fn handle_datagram(
        &mut self,
        now: Time,
        source: SocketAddr,
        local: SocketAddr,
        payload: &[u8],
    ) {
        self.handle_message(now, Flow::udp(Some(local), source), payload);
    }

    /// Takes one message that came by `flow`. Nothing in it can fail: what is no use is answered,
    /// counted and dropped.
    pub fn handle_message(&mut self, now: Time, flow: Flow, payload: &[u8]) {
        let source = flow.remote;
        let limits = self.admission.limits(source.ip());
        if self.is_strange(limits.as_ref(), flow) && !self.strangers.hears(now, source.ip()) {
            return self.drop_for(Dropped::Unheard);
        }
        let message = match Message::parse(payload) {
            Ok(message) => message,
            Err(why) => {
                if why == Unreadable::NotSip {
                    self.emit(Event::Suspect { flow, what: Suspicion::Garbage });
                }
                return self.drop_for(match why {
                    Unreadable::KeepAlive => Dropped::KeepAlive,
                    Unreadable::Oversized => Dropped::Oversized,
                    Unreadable::NotSip => Dropped::NotSip,
                });
            }
        };
        match &message.start {
            StartLine::Response { status, .. } => {
                let status = *status;
                self.receive_response(now, flow, status, message);
            }
            StartLine::Request { .. } if is_of_scanner(&message) => {
                self.emit(Event::Suspect { flow, what: Suspicion::Scanner });
                self.drop_for(Dropped::Scanner);
            }
            StartLine::Request { method, uri } => {
                let (method, uri) = (method.clone(), uri.clone());
                self.receive_request(now, (method, &uri), flow, limits, message);
            }
        }
    }

    fn receive_request(
        &mut self,
        now: Time,
        (method, uri): (Method, &str),
        flow: Flow,
        limits: Option<Limits>,
        message: Message,
    ) {
        let envelope = match message.fault {
            Some(fault) => Err(fault),
            None => Envelope::read(&message),
        };
        let is_ack = method == Method::Ack;
        let template = Template::new(&message, now, flow);
        if template.octets() > MAX_ECHO_OCTETS {
            return self.drop_for(Dropped::Oversized);
        }
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(_) if is_ack => return self.drop_for(Dropped::StrayAck),
            Err(fault) => {
                let phrase = Some(fault.reason_phrase());
                return self.refuse(&template, Dropped::MalformedRequest, fault.status(), phrase);
            }
        };
        let key_method =
            if matches!(method, Method::Ack) { Method::Invite } else { method.clone() };
        let key = ServerKey::new(&envelope, key_method);
        let known = self.server_keys.get(&key).copied();
        let known = known.filter(|&id| self.speaks_for_sender(id, flow));
        let registers = method == Method::REGISTER && self.asks(limits.as_ref());
        // What may be asked within a call is its dialog's to know.
        let within = method == Method::REFER || is_subscribe(&method);
        let asks_within = within && envelope.to.tag().is_some();
        let offered = if registers || asks_within { Method::Options } else { method.clone() };
        let uri = match check_request((&method, &offered), uri, &envelope, &message, flow.transport)
        {
            Ok(uri) => uri,
            Err(_) if is_ack => return self.drop_for(Dropped::StrayAck),
            Err((status, phrase)) => {
                let reason = if status == Status::BAD_REQUEST {
                    Dropped::MalformedRequest
                } else {
                    Dropped::NotOffered
                };
                return self.refuse(&template, reason, status, phrase);
            }
        };
        let request = Request { message, envelope, uri, template, flow, limits };
        match (method, known) {
            (Method::Ack, known) => self.receive_ack(now, known, request),
            (method, Some(transaction)) => self.receive_again(transaction, &method, &request),
            (Method::Cancel, None) => self.receive_cancel(now, key, request),
            (method, None) => self.receive_new(now, method, key, request),
        }
    }

    /// A request that opens a transaction.
    fn receive_new(&mut self, now: Time, method: Method, key: ServerKey, request: Request) {
        let headers = &request.message.headers;
        if headers.first(&Name::Require).is_some()
            && self.extensions_with(&request).lacking(&method, headers).next().is_some()
        {
            return self.refuse_extensions(&method, &request);
        }
        let tagged = request.envelope.to.tag().is_some();
        if (tagged || method != Method::Invite) && takeover::is_in(&request.message.headers) {
            return self.refuse_takeover(&request);
        }
        match method {
            _ if tagged => self.receive_in_dialog(now, method, key, request),
            Method::Invite => self.receive_invite(now, key, request),
            Method::Options => self.answer_options(&request),
            Method::Known(_) if method == Method::REGISTER => {
                self.receive_register(now, key, request);
            }
            Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Info
            | Method::Update
            | Method::Prack
            | Method::Known(_)
            | Method::Unknown(_) => self.refuse_no_dialog(&request.template),
        }
    }

    /// Whether a request that came by `flow` can be of the transaction `id`, whose names it bears.
    pub(super) fn speaks_for_sender(&self, id: TransactionId, flow: Flow) -> bool {
        let source = flow.remote;
        let invite = self.invite_servers.get(&id).map(|entry| entry.template.source());
        let sender = invite.or_else(|| self.servers.get(&id).map(|entry| entry.flow.remote));
        sender.is_some_and(|sender| {
            sender.ip() == source.ip() || self.admission.allies(sender.ip(), source.ip())
        })
    }

    /// The same request again: the same answer, or nothing where none went out yet.
    fn receive_again(&mut self, id: TransactionId, method: &Method, request: &Request) {
        self.drop_for(Dropped::Repeated);
        if let Some(entry) = self.invite_servers.get(&id) {
            let reply = entry.template.reply.flow;
            if let Some(bytes) = entry.machine.receive_invite() {
                self.transmit(reply, bytes);
            }
        } else if let Some(entry) = self.servers.get(&id) {
            let (status, tag) = (entry.machine.receive_request(), entry.tag.clone());
            match entry.response.clone() {
                Some(bytes) => self.transmit(request.template.reply.flow, bytes),
                None => self.send_final(method, request, status, &tag),
            }
        }
    }

    fn receive_ack(&mut self, now: Time, known: Option<TransactionId>, request: Request) {
        if let Some(id) = known
            && let Some(entry) = self.invite_servers.get_mut(&id)
            && entry.machine.receive_ack(now)
        {
            self.timers.set(Owner::InviteServer(id), entry.machine.deadline());
            return self.recount(id);
        }
        self.receive_dialog_ack(now, request);
    }

    fn answer_options(&mut self, request: &Request) {
        let extensions = self.extensions_with(request);
        self.respond_stateless(&request.template, Status::OK, |message| {
            add_abilities(message, extensions);
        });
    }

    fn refuse_extensions(&mut self, method: &Method, request: &Request) {
        self.drop_for(Dropped::NotOffered);
        if request.template.opens_call() {
            let (reason, status) = (Dropped::NotOffered, Status::BAD_EXTENSION);
            self.tell_refusal(&request.template, reason, status, None);
        }
        let extensions = self.extensions_with(request);
        let wanted: Vec<_> = extensions.lacking(method, &request.message.headers).collect();
        self.respond_stateless(&request.template, Status::BAD_EXTENSION, |response| {
            response.headers.add(Name::Unsupported, wanted.join(", "));
        });
    }

    pub(super) fn refuse_no_dialog(&mut self, template: &Template) {
        self.refuse(template, Dropped::Misdirected, Status::NO_SUCH_DIALOG, None);
    }

    /// Answers statelessly, counts, and says so of a call.
    pub(super) fn refuse(
        &mut self,
        template: &Template,
        reason: Dropped,
        status: Status,
        phrase: Option<&'static str>,
    ) {
        self.drop_for(reason);
        if template.opens_call() {
            self.tell_refusal(template, reason, status, phrase);
        }
        self.respond_stateless(template, status, |message| {
            if let Some(phrase) = phrase {
                message.start = StartLine::Response { status, reason: phrase.into() };
            }
            if matches!(status, Status::METHOD_NOT_ALLOWED | Status::NOT_IMPLEMENTED) {
                message.headers.add(Name::Allow, crate::message::ALLOW);
            }
            if status == Status::SERVICE_UNAVAILABLE {
                message.headers.add(Name::RetryAfter, RETRY_AFTER);
            }
            if matches!(status, Status::UNSUPPORTED_MEDIA_TYPE | Status::NOT_ACCEPTABLE) {
                message.headers.add(Name::Accept, "application/sdp");
                message.headers.add(Name::AcceptEncoding, "identity");
            }
        });
    }
}

impl Endpoint {
    /// Reports a request that was refused.
    pub(super) fn tell_refusal(
        &mut self,
        template: &Template,
        reason: Dropped,
        status: Status,
        phrase: Option<&'static str>,
    ) {
        let flow = template.flow;
        self.emit(Event::Refused(RefusedRequest { flow, status, reason, phrase }));
    }
}

/// What a full table or a busy dialog asks the peer to wait, in seconds.
const RETRY_AFTER: &str = "5";

/// What programs that look for telephones say that they are: sipvicious and its kin, and a few that
/// call out at others' expense. One that says something else is met by what it does.
const SCANNERS: [&str; 8] = [
    "friendly-scanner",
    "sipvicious",
    "sundayddr",
    "friendly-request",
    "sipsscan",
    "sip-scan",
    "pplsip",
    "vaxsipuseragent",
];

/// Whether a request says that a program sends it that looks for telephones.
fn is_of_scanner(request: &Message) -> bool {
    request.headers.text(&Name::UserAgent).is_some_and(|agent| {
        let begins = |name: &str| {
            agent.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        SCANNERS.iter().any(|name| begins(name))
    })
}

/// A status, and a phrase where the usual one says too little.
type Refusal = (Status, Option<&'static str>);

/// Method, as which it is offered, Request-URI and the headers that any request may carry, in the order of RFC 3261 §8.2.
fn check_request(
    (method, offered): (&Method, &Method),
    uri: &str,
    envelope: &Envelope,
    message: &Message,
    transport: Transport,
) -> Result<Uri, Refusal> {
    let bad = |phrase| (Status::BAD_REQUEST, Some(phrase));
    if envelope.cseq.method != *method {
        return Err(bad("CSeq Method Differs From Request"));
    }
    if matches!(offered, Method::Unknown(_)) {
        return Err((Status::NOT_IMPLEMENTED, None));
    }
    if matches!(offered, Method::Known(_)) {
        return Err((Status::METHOD_NOT_ALLOWED, None));
    }
    let uri = Uri::parse(uri).map_err(|_| bad("Malformed Request-URI"))?;
    // What is to be carried in secret only must not have come in the open (RFC 3261 §26.2.2).
    let in_the_open = uri.scheme() == Scheme::Sips && !transport.is_secure();
    if uri.scheme() == Scheme::Foreign || in_the_open {
        return Err((Status::UNSUPPORTED_URI_SCHEME, None));
    }
    if uri.has_headers() {
        return Err(bad("Request-URI With Headers"));
    }
    // Max-Forwards: 0 is fine for the last hop; only a proxy answers 483 (RFC 3261 §16.3).
    let mut hops =
        message.headers.all(&Name::MaxForwards).map(|v| v.as_str().parse::<u8>().is_ok());
    if hops.next() == Some(false) || hops.next().is_some() {
        return Err(bad("Malformed Max-Forwards"));
    }
    Ok(uri)
}
