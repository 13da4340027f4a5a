//! SIP messages: the wire format in both directions and nothing about their meaning in time.

mod body;
mod envelope;
mod framer;
mod header;
mod method;
mod name_addr;
mod parse;
mod pin;
mod redact;
pub(crate) mod scan;
mod status;
mod uri;
mod via;
mod write;

use std::fmt;

use bytes::Bytes;
use zeroize::{Zeroize, Zeroizing};

pub(crate) use body::ContentError;
pub use body::InfoBody;
pub use envelope::{CSeq, Envelope};
pub use framer::{Broken, Frame, Framer, MAX_HEAD_BYTES, websocket_message};
pub use header::{Headers, Name, Value};
pub use method::Method;
pub(crate) use method::{ALLOW, ALLOW_REFER};
pub use name_addr::NameAddr;
pub use parse::{Fault, MAX_HEADER_BYTES, MAX_HEADERS, MAX_MESSAGE_BYTES, Unreadable};
pub use pin::Pin;
pub(crate) use pin::has_pin;
pub use redact::{MAX_REDACTED, Redacted, asks_for_privacy, redact};
pub use scan::{Malformed, Params};
pub use status::Status;
pub use uri::{Host, Scheme, Uri};
pub(crate) use uri::{escape_user, unescape};
pub(crate) use via::MAGIC_COOKIE;
pub use via::Via;

/// The first line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartLine {
    /// `METHOD uri SIP/2.0` (RFC 3261 §7.1).
    Request {
        /// The method.
        method: Method,
        /// The Request-URI as it came, a passcode in it masked; it may be malformed.
        uri: Box<str>,
    },
    /// `SIP/2.0 status reason` (RFC 3261 §7.2).
    Response {
        /// The status code.
        status: Status,
        /// The reason phrase, for people only.
        reason: Box<str>,
    },
}

/// A SIP message.
///
/// `Debug` leaves the body out: an INFO carries keyed digits there.
pub struct Message {
    /// The first line.
    pub start: StartLine,
    /// The header fields, without Content-Length.
    pub headers: Headers,
    /// The body, cut by Content-Length.
    pub body: Bytes,
    /// The first thing that was wrong with the message as it came.
    pub fault: Option<Fault>,
    /// The passcode that came as a URI parameter, taken out of the text.
    pub pin: Option<Pin>,
    /// Credentials with a passcode in their `uri`, as they came: a digest is over all of it. Wiped with
    /// the message.
    pub(crate) credentials: Vec<Zeroizing<String>>,
}

impl Message {
    /// A request without headers.
    pub fn request(method: Method, uri: impl Into<Box<str>>) -> Self {
        Self::new(StartLine::Request { method, uri: uri.into() })
    }

    /// A response without headers, with the usual reason phrase.
    pub fn response(status: Status) -> Self {
        Self::new(StartLine::Response { status, reason: status.reason_phrase().into() })
    }

    fn new(start: StartLine) -> Self {
        let (headers, body) = (Headers::default(), Bytes::new());
        Self { start, headers, body, fault: None, pin: None, credentials: Vec::new() }
    }

    /// The Request-URI; empty for a response.
    pub(crate) fn request_uri(&self) -> &str {
        match &self.start {
            StartLine::Request { uri, .. } => uri,
            StartLine::Response { .. } => "",
        }
    }

    /// Whether the passcode in `uri` is the one that the request dials.
    pub(crate) fn has_pin_of(&self, uri: &str) -> bool {
        let digits = |pin: &Pin| pin.digits().collect::<Vec<_>>();
        let theirs = pin::mask(uri.as_bytes()).and_then(|(_, pin)| pin);
        theirs.as_ref().map(digits) == self.pin.as_ref().map(digits)
    }

    /// Forgets the body and wipes it: it may hold a key. It is not shared, since whoever may have
    /// a copy of such a body has made one.
    pub(crate) fn wipe_body(&mut self) {
        if let Ok(mut body) = std::mem::take(&mut self.body).try_into_mut() {
            body.as_mut().zeroize();
        }
    }

    /// Puts a body in, with its type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.headers.add(Name::ContentType, content_type);
        self.body = body.into();
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("start", &self.start)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}
