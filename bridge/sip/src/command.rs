//! What the node asks of the endpoint.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::auth::Login;
use crate::cause;
use crate::message::Status;

/// How the endpoint presents itself and how much it holds.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address that peers reach us at: in Via and Contact.
    pub advertised: SocketAddr,
    /// The User-Agent header of requests; `None` leaves it out. Responses name no software.
    pub user_agent: Option<String>,
    /// Calls at once, in both directions; beyond it an INVITE is answered 503.
    pub max_dialogs: usize,
}

impl Config {
    /// 10,000 calls at once, no User-Agent.
    pub fn new(advertised: SocketAddr) -> Self {
        Self { advertised, user_agent: None, max_dialogs: 10_000 }
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

/// An outgoing call.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Where the INVITE goes, and later requests whose route names no address.
    pub destination: SocketAddr,
    /// Whom to call: a `sip:` or `tel:` URI.
    pub request_uri: String,
    /// The user part of From.
    pub from_user: String,
    /// The display name of From.
    pub from_display: Option<String>,
    /// The URI of To; `None` for the Request-URI.
    pub to: Option<String>,
    /// The URI of a P-Asserted-Identity header.
    pub p_asserted_identity: Option<String>,
    /// The session description.
    pub offer: Bytes,
    /// Further headers, name and value; a name that is no token is left out.
    pub headers: Vec<(String, String)>,
    /// Who we are when the far end asks, in the INVITE and in what follows it in the call; `None`
    /// lets a challenge end the call.
    pub login: Option<Arc<Login>>,
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
}

impl CommandError {
    /// A name for a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoDialog => "no_dialog",
            Self::WrongState => "wrong_state",
            Self::BadUri => "bad_uri",
            Self::TooManyDialogs => "too_many_dialogs",
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
        })
    }
}

impl std::error::Error for CommandError {}
