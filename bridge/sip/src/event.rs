//! What the endpoint reports to the node that owns it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use partyline_model::Digit;

use crate::called::Called;
use crate::caller::NamedCaller;
use crate::counters::Dropped;
use crate::flow::{Flow, NextHop, Resolve};
use crate::message::{Message, Pin, Status, Uri};
use crate::subscription::SubscriptionId;
use crate::takeover::Takeover;

/// One call in either direction, from its INVITE to its end; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialogId(pub(crate) u64);

impl fmt::Display for DialogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dialog-{}", self.0)
    }
}

/// What a call is called on the wire, so that its record can be found beside a carrier's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The Call-ID.
    pub call_id: String,
    /// Our tag: of From in a call out, of To in a call that came in.
    pub local_tag: String,
    /// The peer's tag; `None` until a call out is answered.
    pub remote_tag: Option<String>,
}

/// Something for the shell to do or the node to know.
pub enum Output {
    /// A message to send.
    Transmit(Transmit),
    /// A name to resolve.
    Resolve(Resolve),
    /// Nobody answered for a call at the far end of this flow, or 503 did (RFC 3263 §4.3).
    Failed(Flow),
    /// News of a call, or of a request outside of one.
    Event(Event),
}

/// What hardly anybody sends by mistake, or not often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspicion {
    /// What came is not SIP. The source of a datagram may be forged.
    Garbage,
    /// A request of a program that looks for telephones, by its User-Agent.
    Scanner,
    /// A wrong password, to a question that was put to this source: it is where it says.
    WrongPassword,
}

/// A message to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Transmit {
    /// By which way: for a response, that of its request.
    pub flow: Flow,
    /// The message; shared with what may have to send it again.
    pub payload: Bytes,
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes to {}", self.payload.len(), self.flow)
    }
}

/// A request that was refused before anything was kept of it: an INVITE, or one within a call
/// that came from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedRequest {
    /// By which way it came.
    pub flow: Flow,
    /// How it was answered, if strangers or the source were not answered too often already.
    pub status: Status,
    /// Why.
    pub reason: Dropped,
    /// What in particular, where the reason alone says little.
    pub phrase: Option<&'static str>,
}

/// What a party that answered a call has described.
#[derive(Clone, PartialEq, Eq)]
pub enum Described {
    /// The answer to our offer, in the 200 or, where that has none, in the progress of the same
    /// fork.
    Answer(Bytes),
    /// The last offer of its own, that was answered before.
    Offer(Bytes),
}

/// News of a call, or of a request outside of one. Each dialog begins with [`Event::Invite`] or by a
/// dial command, and ends with exactly one [`Event::Ended`]; nothing follows that.
///
/// `Debug` names the event and its dialog, never a digit.
pub enum Event {
    /// A call comes in and waits for a decision; 100 Trying went out.
    Invite(Box<Incoming>),
    /// A dialled party makes progress: any 1xx but 100.
    Ringing {
        /// The call.
        dialog: DialogId,
        /// 180, 183 or another.
        status: Status,
        /// An early answer, where the response has one.
        sdp: Option<Bytes>,
    },
    /// A dialled party answered; the ACK went out.
    Answered {
        /// The call.
        dialog: DialogId,
        /// What the party has described; `None` breaks RFC 3264 and the call should be hung up.
        described: Option<Described>,
    },
    /// A dialled party that has not answered offers another session, by UPDATE (RFC 3311 §5.2);
    /// decided as [`Event::Reinvite`].
    EarlyOffer {
        /// The call.
        dialog: DialogId,
        /// The offer.
        offer: Bytes,
    },
    /// A call of ours was refused, with more than a status; [`Event::Ended`] follows.
    Terms {
        /// The call.
        dialog: DialogId,
        /// What the refusal says.
        terms: RefusalTerms,
    },
    /// The ACK to our 200 came, to an INVITE or to a re-INVITE; or our 200 to an UPDATE went out.
    Confirmed {
        /// The call.
        dialog: DialogId,
        /// The answer, where the 200 carried our offer.
        sdp: Option<Bytes>,
    },
    /// The peer wants to change the session, by re-INVITE (RFC 3261 §14.2) or UPDATE (RFC 3311).
    Reinvite {
        /// The call.
        dialog: DialogId,
        /// The offer; `None` asks for one of ours.
        offer: Option<Bytes>,
    },
    /// The session has to be refreshed, and the peer does not take UPDATE: a re-INVITE with what
    /// runs already is due (RFC 4028 §7.4).
    Refresh {
        /// The call.
        dialog: DialogId,
    },
    /// Our re-INVITE or UPDATE came to an end; on success the ACK went out.
    Reinvited {
        /// The call.
        dialog: DialogId,
        /// The peer's answer, or its refusal: the session stays as it was.
        result: Result<Option<Bytes>, Status>,
    },
    /// The peer asks to call somebody else (RFC 3515): to be decided with
    /// [`Endpoint::accept_refer`](crate::Endpoint::accept_refer) or
    /// [`Endpoint::reject_refer`](crate::Endpoint::reject_refer).
    Refer {
        /// The call.
        dialog: DialogId,
        /// What is asked for.
        referral: Box<Referral>,
    },
    /// The peer wants to be told how the conference is, from here on or again: by
    /// [`Endpoint::tell_subscriber`](crate::Endpoint::tell_subscriber), at once.
    Subscribed {
        /// The call.
        dialog: DialogId,
        /// Names what it is told.
        subscription: SubscriptionId,
    },
    /// The peer is told no longer, and its call goes on.
    Unsubscribed {
        /// The call.
        dialog: DialogId,
        /// As it was named.
        subscription: SubscriptionId,
    },
    /// A key press in an INFO request, answered 200.
    Digit {
        /// The call.
        dialog: DialogId,
        /// The key.
        digit: Digit,
    },
    /// A key that we sent in an INFO request was taken, or why not: the peer's refusal, or 408 when
    /// no answer came.
    DigitSent {
        /// The call.
        dialog: DialogId,
        /// Whether the peer took it.
        result: Result<(), Status>,
    },
    /// The call is over for us, whatever signalling still tidies up behind it.
    Ended {
        /// The call.
        dialog: DialogId,
        /// By whom and how.
        ended: Ended,
    },
    /// A request was refused; there is no call.
    Refused(RefusedRequest),
    /// Something came that nobody sends by mistake, or not often.
    Suspect {
        /// By which way.
        flow: Flow,
        /// What it was.
        what: Suspicion,
    },
    /// A request of ours outside of a dialog is over.
    Responded {
        /// The token that it was sent with.
        token: u64,
        /// The final response, or why there is none.
        result: Result<Box<Message>, Unanswered>,
    },
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invite(incoming) => write!(f, "Invite({})", incoming.dialog),
            Self::Ringing { dialog, status, .. } => write!(f, "Ringing({dialog}, {status})"),
            Self::Answered { dialog, .. } => write!(f, "Answered({dialog})"),
            Self::EarlyOffer { dialog, .. } => write!(f, "EarlyOffer({dialog})"),
            Self::Terms { dialog, terms } => write!(f, "Terms({dialog}, {terms:?})"),
            Self::Confirmed { dialog, .. } => write!(f, "Confirmed({dialog})"),
            Self::Reinvite { dialog, .. } => write!(f, "Reinvite({dialog})"),
            Self::Refresh { dialog } => write!(f, "Refresh({dialog})"),
            Self::Reinvited { dialog, result } => {
                write!(f, "Reinvited({dialog}, {:?})", result.as_ref().err())
            }
            Self::Refer { dialog, .. } => write!(f, "Refer({dialog})"),
            Self::Subscribed { dialog, .. } => write!(f, "Subscribed({dialog})"),
            Self::Unsubscribed { dialog, .. } => write!(f, "Unsubscribed({dialog})"),
            Self::Digit { dialog, .. } => write!(f, "Digit({dialog})"),
            Self::DigitSent { dialog, result } => write!(f, "DigitSent({dialog}, {result:?})"),
            Self::Ended { dialog, ended } => write!(f, "Ended({dialog}, {ended:?})"),
            Self::Refused(refusal) => write!(f, "{refusal:?}"),
            Self::Suspect { flow, what } => write!(f, "Suspect({flow}, {what:?})"),
            Self::Responded { token, result } => {
                let start = result.as_ref().map(|response| &response.start);
                write!(f, "Responded({token}, {start:?})")
            }
        }
    }
}

/// What a REFER asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct Referral {
    /// Whom to call: a `sip:`, `sips:` or `tel:` URI.
    pub to: Uri,
    /// Who asks, by his own word (RFC 3892).
    pub referred_by: Option<Uri>,
    /// Whether the peer wants to be told what comes of it (RFC 4488).
    pub wants_news: bool,
}

/// A call that comes in. Texts are as the peer sent them, escapes resolved unless said otherwise.
pub struct Incoming {
    /// The call.
    pub dialog: DialogId,
    /// The Request-URI, whole; a passcode in it is masked.
    pub request_uri: String,
    /// The user part of the Request-URI as it came, parameters and escapes included.
    pub dnis_raw: String,
    /// Whom the INVITE may be for, in every place that can say so; at most eight names in each.
    pub called: Vec<Called>,
    /// The host of the Request-URI; empty for a tel URI.
    pub request_host: String,
    /// The display name of From.
    pub from_display: Option<String>,
    /// The tag of From; `None` from peers that speak RFC 2543.
    pub from_tag: Option<String>,
    /// Who calls, in every place that can say so; at most eight in each: a name and a number may
    /// stand beside each other. Whether the peer may be believed is the node's to know.
    pub callers: Vec<NamedCaller>,
    /// Whether the caller lets its number be shown.
    pub presentation: Presentation,
    /// The Call-ID, cut to 128 bytes.
    pub sip_call_id: String,
    /// By which way the INVITE came.
    pub flow: Flow,
    /// The session description, unread; `None` asks for an offer of ours.
    pub offer: Option<Bytes>,
    /// A passcode that came as `;pin=` in the dialled URI.
    pub pin: Option<Pin>,
    /// The signatures of the caller's number (RFC 8224), each header as it came; at most five, and of
    /// each 4,097 octets at most.
    pub identities: Vec<Box<str>>,
    /// The user of ours who has proved that he calls ([`Users`](crate::Users)).
    pub user: Option<Box<str>>,
    /// The dialog of ours that the call is about. Nobody has looked yet whether there is one, nor
    /// whether the caller may know ([`Endpoint::find_taken`](crate::Endpoint::find_taken)).
    pub takeover: Option<Box<Takeover>>,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("dialog", &self.dialog)
            .field("sip_call_id", &self.sip_call_id)
            .field("source", &self.flow.remote)
            .finish_non_exhaustive()
    }
}

/// Whether a caller lets its number be shown to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presentation {
    /// The number may be shown.
    Allowed,
    /// The caller asked for privacy (RFC 3323), or calls as anonymous.
    Restricted,
    /// There is no number.
    Unavailable,
}

/// What a refusal of a call of ours says beside its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalTerms {
    /// The status.
    pub status: Status,
    /// How long the far end asks to be left alone (RFC 3261 §20.33); up to 2^32-1 s.
    pub retry_after: Option<Duration>,
    /// Where else the callee may be (RFC 3261 §21.3), most likely first; at most 16, and none but
    /// for a 3xx.
    pub contacts: Vec<RedirectContact>,
}

/// One Contact of a redirection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectContact {
    /// The user part, escapes resolved.
    pub user: Option<String>,
    /// Where.
    pub hop: NextHop,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Who ended it.
    pub by: Ender,
    /// How.
    pub kind: EndKind,
    /// The final response to its INVITE, where that was a failure.
    pub status: Option<Status>,
    /// The Q.850 cause: from a Reason header (RFC 3326), else by RFC 3398 from the status.
    pub q850: Option<u8>,
}

/// Why a request of ours has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Nobody answered in time (timer F).
    TimedOut,
    /// The request could not be sent: no address, or no connection.
    Unreachable,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ender {
    /// The peer.
    Remote,
    /// A command of the node.
    Local,
    /// Nobody: the peer fell silent.
    Timeout,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndKind {
    /// By BYE.
    Bye,
    /// By CANCEL, or by hanging up a call of ours that was not answered.
    Cancelled,
    /// By a final response other than 2xx.
    Rejected,
    /// Our 200 was never acknowledged (RFC 3261 §13.3.1.4).
    NoAck,
    /// A request of ours was never answered, or the peer no longer knows the dialog.
    Timeout,
    /// Nobody refreshed the session, or a refresh of ours was never answered (RFC 4028 §10).
    Expired,
}
