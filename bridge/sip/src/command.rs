//! What the node asks of the endpoint.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::auth::Login;
use crate::cause;
use crate::extensions::Extensions;
use crate::flow::{Flow, NextHop, Transport};
use crate::message::{Message, Name, StartLine, Status, Uri, scan};

/// How the endpoint presents itself and how much it holds.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address that peers reach us at by UDP: in Via and Contact.
    pub advertised: SocketAddr,
    /// Where streams come to. What none is listed of is never opened to a peer.
    pub streams: Vec<Listener>,
    /// The User-Agent header of requests; `None` leaves it out. Responses name no software.
    pub user_agent: Option<String>,
    /// Calls at once, in both directions; beyond it an INVITE is answered 503.
    pub max_dialogs: usize,
    /// Whether somebody answers [`Output::Resolve`](crate::Output); if not, what goes to a name goes
    /// to where the peer was met.
    pub resolves: bool,
    /// Which extensions are spoken with who has no others.
    pub extensions: Extensions,
}

impl Config {
    /// 10,000 calls at once, no User-Agent.
    pub fn new(advertised: SocketAddr) -> Self {
        Self {
            advertised,
            streams: Vec::new(),
            user_agent: None,
            max_dialogs: 10_000,
            resolves: false,
            extensions: Extensions::default(),
        }
    }
}

/// An address that streams come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What is spoken there.
    pub transport: Transport,
    /// The address that the shell listens on.
    pub local: SocketAddr,
    /// The address that peers reach it at: in Via and Contact.
    pub advertised: SocketAddr,
}

impl Config {
    /// Whether connections of this kind may be opened.
    pub(crate) fn speaks(&self, transport: Transport) -> bool {
        !transport.is_reliable() || self.streams.iter().any(|known| known.transport == transport)
    }

    /// Where the far end of `flow` reaches us: at the listener that it came to, else at the best of
    /// its transport.
    pub(crate) fn advertised_on(&self, flow: Flow) -> SocketAddr {
        let streams = || self.streams.iter().filter(|known| known.transport == flow.transport);
        let same_family = |known: &&Listener| known.local.is_ipv4() == flow.remote.is_ipv4();
        let listener = streams()
            .find(|known| Some(known.local) == flow.local)
            .or_else(|| streams().find(same_family))
            .or_else(|| streams().next());
        listener.map_or(self.advertised, |known| known.advertised)
    }
}

/// A refusal of an incoming call, or of a change of its session.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// 300 to 699; anything else goes out as 500.
    pub status: Status,
    /// The reason phrase; `None` for the usual one.
    pub phrase: Option<String>,
    /// When the caller may try again.
    pub retry_after: Option<Duration>,
    /// The cause of a Reason header.
    pub q850: Option<u8>,
    /// A code of RFC 3261 §20.43 and a text that tell the far end's engineer what did not suit.
    pub warning: Option<(u16, String)>,
}

impl From<Status> for Rejection {
    fn from(status: Status) -> Self {
        Self::new(status)
    }
}

impl Rejection {
    /// A refusal with nothing but its status.
    pub fn new(status: Status) -> Self {
        Self { status, phrase: None, retry_after: None, q850: None, warning: None }
    }

    /// The status that goes out.
    pub(crate) fn failure(&self) -> Status {
        if self.status.code() >= 300 { self.status } else { Status::SERVER_ERROR }
    }

    /// Adds all that the refusal says beside its status; `agent` is who warns.
    pub(crate) fn dress(self, status: Status, agent: &str, message: &mut Message) {
        if let Some(phrase) = self.phrase {
            let reason = phrase.replace(['\r', '\n'], " ").into();
            message.start = StartLine::Response { status, reason };
        }
        if let Some(after) = self.retry_after {
            message.headers.add(Name::RetryAfter, after.as_secs().to_string());
        }
        if let Some(cause) = self.q850 {
            message.headers.add(Name::Reason, cause::write_reason(cause));
        }
        if let Some((code, text)) = self.warning {
            let text = scan::quote(&text);
            message.headers.add(Name::Warning, format!("{code} {agent} {text}"));
        }
    }
}

/// How to end a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hangup {
    /// The cause of a Reason header (RFC 3326); an incoming call without final response is refused
    /// with the status that RFC 3398 gives it, or 603.
    pub q850: Option<u8>,
}

impl Hangup {
    pub(crate) fn rejection(self) -> Rejection {
        let status = self.q850.map_or(Status::DECLINE, cause::status_of);
        Rejection { q850: self.q850, ..Rejection::new(status) }
    }
}

/// Where a call goes, or another request that begins something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An address, by the transport that the Request-URI names, or UDP.
    Address(SocketAddr),
    /// An address by this transport, whatever the Request-URI names, or a connection.
    Flow(Flow),
    /// A name: its addresses are tried in turn. Without any the call fails with 503.
    Name(NextHop),
    /// Several addresses by these transports, best first: as if a name had led there.
    Flows(Vec<Flow>),
}

impl Destination {
    /// The address that is tried first, where it is known: that of a name is not yet.
    pub fn first_address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address.ip()),
            Self::Flow(flow) => Some(flow.remote.ip()),
            Self::Flows(flows) => flows.first().map(|flow| flow.remote.ip()),
            Self::Name(_) => None,
        }
    }
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

/// A request outside of a dialog.
#[derive(Debug)]
pub struct OutOfDialog {
    /// The request, without Via. It makes no dialog: not INVITE, ACK or CANCEL.
    pub message: Message,
    /// Where the request goes. Addresses of a name are tried in turn.
    pub destination: Destination,
    /// Names the request in [`Event::Responded`](crate::Event).
    pub token: u64,
}

/// How long one way of a call may take before the next is tried. What was called before is given
/// up; whoever answers there nevertheless is hung up on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until any provisional response.
    pub provisional: Duration,
    /// Until the far end makes progress, by any 1xx but 100; from then on it may take its time.
    pub progress: Duration,
}

impl Patience {
    /// 4 s until any response, 15 s until progress.
    pub const USUAL: Self =
        Self { provisional: Duration::from_secs(4), progress: Duration::from_secs(15) };
}

/// An outgoing call.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Where the INVITE goes, and later requests whose route names no address.
    pub destination: Destination,
    /// Whom to call: a `sip:` or `tel:` URI.
    pub request_uri: String,
    /// The user part of From.
    pub from_user: String,
    /// The host of From, with a port where it has one; `None` for the address that peers reach us
    /// at.
    pub from_domain: Option<String>,
    /// Whether the user of From is a telephone number, and `;user=phone` says so (RFC 3261 §19.1.1).
    pub from_is_phone: bool,
    /// The display name of From.
    pub from_display: Option<String>,
    /// The URI of To; `None` for the Request-URI.
    pub to: Option<String>,
    /// The proxies that the INVITE is to go through, in order: a Service-Route (RFC 3608), say. Who
    /// answers says by which later requests go.
    pub routes: Vec<Uri>,
    /// The session description.
    pub offer: Bytes,
    /// Further headers, name and value; a name that is no token is left out.
    pub headers: Vec<(String, String)>,
    /// Who we are when the far end asks, in the INVITE and in what follows it in the call; `None`
    /// lets a challenge end the call.
    pub login: Option<Arc<Login>>,
    /// How long each way may take; `None` leaves it to timer B.
    pub patience: Option<Patience>,
    /// Whether the last way may take no longer either, since the caller has another to offer. If
    /// not, it has until timer B.
    pub has_alternative: bool,
    /// Which extensions are spoken with the callee; `None` for the endpoint's own.
    pub extensions: Option<Extensions>,
}

/// Why a command was not carried out. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommandError {
    /// The dialog has ended; its event may still wait in the queue.
    NoDialog,
    /// The dialog is not in a state for it.
    WrongState,
    /// A URI to call does not parse.
    BadUri,
    /// The table of dialogs is full.
    TooManyDialogs,
    /// A request outside of a dialog lacks a header that each has, or would make a dialog.
    BadRequest,
}

impl CommandError {
    /// A name for a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoDialog => "no_dialog",
            Self::WrongState => "wrong_state",
            Self::BadUri => "bad_uri",
            Self::TooManyDialogs => "too_many_dialogs",
            Self::BadRequest => "bad_request",
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDialog => "the dialog has ended",
            Self::WrongState => "the dialog is not in a state for this command",
            Self::BadUri => "the URI to call is malformed",
            Self::TooManyDialogs => "the table of dialogs is full",
            Self::BadRequest => "the request cannot go out outside of a dialog",
        })
    }
}

impl std::error::Error for CommandError {}
