//! Dialogs (RFC 3261 §12): how requests find their peer, and in what state a call is.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use partyline_model::Time;

use crate::auth::Login;
use crate::endpoint::{Asking, Undecided};
use crate::extensions::Extensions;
use crate::flow::{ConnectionId, Flow};
use crate::message::{Message, Method, Name, NameAddr, Scheme, Uri, Value, scan};
use crate::rate::Bucket;
use crate::reliable::{Pracks, Provisionals};
use crate::session_timer::SessionTimer;
use crate::shares::Seat;
use crate::subscription::Subscription;
use crate::transaction::timer::Backoff;
use crate::transaction::{RequestId, TransactionId};

/// The most Record-Route entries that are followed.
const MAX_ROUTES: usize = 32;
/// The longest route set, in octets, and the longest Contact and To of a far end: a call keeps them
/// for as long as it lasts.
const MAX_ROUTE_OCTETS: usize = 4096;
const MAX_CONTACT_OCTETS: usize = 1024;

/// What addresses the peer of a dialog.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) call_id: Box<str>,
    pub(crate) local_tag: Box<str>,
    pub(crate) remote_tag: Option<Box<str>>,
    /// Our From, tag included.
    pub(crate) local: Value,
    /// Our To: the peer's address as it came.
    pub(crate) remote: Value,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: Option<u32>,
    pub(crate) target: Uri,
    pub(crate) routes: Vec<Route>,
    /// How the peer was met: the last connection that it used, or where it first was by UDP.
    /// Requests go there when their next hop is no address. `None` until a call to a name is sent.
    pub(crate) flow: Option<Flow>,
    /// Whether the peer itself is at the other end of `flow`, and no proxy that left itself out of
    /// the route.
    pub(crate) is_adjacent: bool,
    /// Where the peer's last INVITE, or its answer to ours, came from.
    pub(crate) heard_from: Option<SocketAddr>,
    /// Who we are when the peer asks.
    pub(crate) login: Option<Arc<Login>>,
}

/// One entry of a route set.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    text: Box<str>,
    uri: Uri,
}

impl Route {
    /// The Record-Route of a message in the order it stands there; `None` when one is malformed or
    /// there are too many.
    pub(crate) fn recorded(message: &Message) -> Option<Vec<Self>> {
        let mut routes = Vec::new();
        let mut octets = 0;
        for item in message.headers.items(&Name::RecordRoute) {
            let route = Self::parse(item)?;
            octets += item.len();
            let too_long = routes.len() == MAX_ROUTES || octets > MAX_ROUTE_OCTETS;
            if too_long || route.uri.host().is_none() {
                return None;
            }
            routes.push(route);
        }
        Some(routes)
    }

    /// A route stands in brackets (RFC 3261 §25.1). Without them, all of it is its URI: `lr` is
    /// meant to make a loose router.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let route = if scan::find_unquoted(text, '<').is_some() {
            Self { text: text.into(), uri: NameAddr::parse(text).ok()?.uri }
        } else {
            Self { text: format!("<{text}>").into(), uri: Uri::parse(text).ok()? }
        };
        route.uri.host()?;
        Some(route)
    }

    /// The route by a URI that has a host.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        uri.host()?;
        Some(Self { text: format!("<{uri}>").into(), uri: uri.clone() })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// The Contact of a message: what later requests of the dialog are sent to.
pub(crate) enum Contact {
    Absent,
    /// Several, malformed, or no SIP URI.
    Unusable,
    Target(Uri),
}

impl Contact {
    pub(crate) fn read(message: &Message) -> Self {
        let mut items = message.headers.items(&Name::Contact);
        let Some(first) = items.next() else { return Self::Absent };
        // A comma in a name without quotes: what stands before it is no address.
        let mut lines = message.headers.all(&Name::Contact);
        if !first.contains(['<', ':'])
            && let (Some(line), None) = (lines.next(), lines.next())
        {
            return Self::of(line.as_str());
        }
        if items.next().is_some() { Self::Unusable } else { Self::of(first) }
    }

    /// One address.
    fn of(text: &str) -> Self {
        if text.len() > MAX_CONTACT_OCTETS {
            return Self::Unusable;
        }
        let uri = NameAddr::parse(text).ok().map(|contact| contact.uri);
        let fits = |uri: &Uri| matches!(uri.scheme(), Scheme::Sip | Scheme::Sips);
        uri.filter(fits).map_or(Self::Unusable, Self::Target)
    }

    pub(crate) fn target(self) -> Option<Uri> {
        match self {
            Self::Target(uri) => Some(uri),
            Self::Absent | Self::Unusable => None,
        }
    }
}

impl Path {
    /// A request within the dialog without Via and Contact (RFC 3261 §12.2.1.1).
    pub(crate) fn request(&self, method: Method) -> Message {
        let strict = self.routes.first().filter(|first| !first.uri.is_loose());
        let request_uri = strict.map_or(&self.target, |first| &first.uri);
        let mut message = Message::request(method.clone(), &*request_uri.on_request_line());
        let headers = &mut message.headers;
        headers.add(Name::MaxForwards, "70");
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            headers.add(Name::Route, &*route.text);
        }
        if strict.is_some() {
            headers.add(Name::Route, format!("<{}>", self.target.on_request_line()));
        }
        headers.push(Name::From, self.local.clone());
        headers.push(Name::To, self.remote.clone());
        headers.add(Name::CallId, &*self.call_id);
        headers.add(Name::CSeq, format!("{} {method}", self.local_cseq));
        message
    }

    /// The URI that the next hop is read from (RFC 3261 §8.1.2).
    pub(crate) fn hop(&self) -> &Uri {
        self.routes.first().map_or(&self.target, |first| &first.uri)
    }

    /// Whether requests of the peer may come from `source`: an address that it was met at, or that
    /// its Contact or the route to it names.
    pub(crate) fn leads_to(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.addresses().any(|ip| ip.to_canonical() == source)
    }

    /// The addresses that requests of the peer may come from.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let met = self.flow.map(|flow| flow.remote).into_iter().chain(self.heard_from);
        let named = [&self.target].into_iter().chain(self.routes.iter().map(|route| &route.uri));
        let named = named.filter_map(|uri| uri.host().and_then(|host| host.address()));
        met.map(|at| at.ip()).chain(named)
    }

    /// Takes in a response to the INVITE, which refreshes the target.
    pub(crate) fn refresh(&mut self, came_by: Flow, response: &Message) {
        self.heard_from = Some(came_by.remote);
        if came_by.connection.is_some() {
            self.flow = Some(came_by);
        }
        if let Some(target) = Contact::read(response).target() {
            self.target = target;
        }
    }

    /// The dialog that a response with this tag makes of a call that has none (RFC 3261 §12.1.2).
    pub(crate) fn forked(&self, came_by: Flow, response: &Message, tag: &str) -> Self {
        let mut path = self.clone();
        path.refresh(came_by, response);
        path.routes = Vec::new();
        path.follow(response);
        path.remote_tag = Some(tag.into()).filter(|_| !tag.is_empty());
        path.remote = response.headers.first(&Name::To).cloned().unwrap_or(path.remote);
        path
    }

    /// Takes the route that a response records, if it records one.
    pub(crate) fn follow(&mut self, response: &Message) {
        let routes = Route::recorded(response).unwrap_or_default();
        if !routes.is_empty() {
            self.routes = routes.into_iter().rev().collect();
        }
    }

    pub(crate) fn next_cseq(&mut self) {
        self.local_cseq += 1;
    }
}

/// A call.
#[derive(Debug)]
pub(crate) struct Dialog {
    pub(crate) path: Path,
    pub(crate) state: State,
    /// Where the call counts while its caller has given no passcode.
    pub(crate) seat: Option<Seat>,
    /// Whether the call is counted among those that only tidy up.
    pub(crate) tidies_up: bool,
    /// How often the peer asks something, how often it changes the session, and how often it asks to
    /// have somebody called.
    pub(crate) requests: Bucket,
    pub(crate) offers: Bucket,
    pub(crate) referrals: Bucket,
    /// How often it subscribes.
    pub(crate) subscribes: Bucket,
    /// Whether we placed the call, and made its Call-ID.
    pub(crate) placed: bool,
    pub(crate) extensions: Extensions,
    pub(crate) session: SessionTimer,
    /// Our provisional responses, of a call in that may have reliable ones.
    pub(crate) provisionals: Option<Box<Provisionals>>,
    /// Our PRACKs, of a call out.
    pub(crate) pracks: Pracks,
    /// An offer of the peer's that came by UPDATE or PRACK.
    pub(crate) undecided: Option<Box<Undecided>>,
    /// A REFER of the peer's that the node has not decided on.
    pub(crate) asking: Option<Box<Asking>>,
    /// Whether the peer has had a REFER of its accepted.
    pub(crate) has_referred: bool,
    /// What the peer is told of.
    pub(crate) subscriptions: Vec<Subscription>,
    /// The NOTIFYs without a final response, those of subscriptions that are over among them.
    pub(crate) unanswered: usize,
    /// Where one was answered: somebody there wants them.
    pub(crate) answers_at: Option<Uri>,
    /// Whether one was not, where nothing of the call was ever heard.
    pub(crate) is_deaf: bool,
}

impl Dialog {
    pub(crate) fn new(path: Path, state: State, extensions: Extensions) -> Self {
        Self {
            path,
            placed: matches!(state, State::Calling { .. }),
            state,
            seat: None,
            tidies_up: false,
            requests: Bucket::default(),
            offers: Bucket::default(),
            referrals: Bucket::default(),
            subscribes: Bucket::default(),
            extensions,
            session: SessionTimer::new(extensions.timers),
            provisionals: None,
            pracks: Pracks::default(),
            undecided: None,
            asking: None,
            has_referred: false,
            subscriptions: Vec::new(),
            unanswered: 0,
            answers_at: None,
            is_deaf: false,
        }
    }
}

/// How far a call is.
#[derive(Debug)]
pub(crate) enum State {
    /// Incoming, without a final response.
    Offered { server: TransactionId },
    /// Incoming, our 200 not acknowledged.
    Answered(Box<Unacked>),
    /// As `Answered`, and hung up by us: BYE waits for the ACK (RFC 3261 §15).
    HangingUp { unacked: Box<Unacked>, q850: Option<u8> },
    /// Outgoing, without a final response.
    Calling { request: RequestId },
    /// Outgoing, hung up by us: CANCEL waits for a provisional response (§9.1) or, once sent, the
    /// final response for so long.
    Cancelling { request: RequestId, q850: Option<u8>, give_up: Option<Time> },
    /// The call is up on either side.
    Confirmed(Renegotiation),
    /// Our BYE is on its way.
    Leaving,
}

impl State {
    /// Whether the end was reported.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self, Self::HangingUp { .. } | Self::Cancelling { .. } | Self::Leaving)
    }

    /// Whether `request` is the change of ours that is under way.
    pub(crate) fn offers_by(&self, request: RequestId) -> bool {
        matches!(self, Self::Confirmed(Renegotiation::Ours { request: ours }) if *ours == request)
    }

    /// When the dialog itself, not one of its transactions, has something to do.
    pub(crate) fn deadline(&self) -> Option<Time> {
        match self {
            Self::Answered(unacked)
            | Self::HangingUp { unacked, .. }
            | Self::Confirmed(Renegotiation::Unacknowledged(unacked)) => {
                Some(unacked.backoff.deadline())
            }
            Self::Cancelling { give_up, .. } => *give_up,
            Self::Offered { .. } | Self::Calling { .. } | Self::Confirmed(_) | Self::Leaving => {
                None
            }
        }
    }

    /// The 200 that waits for its ACK.
    pub(crate) fn unacked(&mut self) -> Option<&mut Unacked> {
        match self {
            Self::Answered(unacked)
            | Self::HangingUp { unacked, .. }
            | Self::Confirmed(Renegotiation::Unacknowledged(unacked)) => Some(&mut **unacked),
            Self::Offered { .. }
            | Self::Calling { .. }
            | Self::Cancelling { .. }
            | Self::Confirmed(_)
            | Self::Leaving => None,
        }
    }
}

/// A re-INVITE under way (RFC 3261 §14).
#[derive(Debug)]
pub(crate) enum Renegotiation {
    Idle,
    /// The peer's, without a final response.
    Theirs {
        server: TransactionId,
    },
    /// The peer's, our 200 not acknowledged.
    Unacknowledged(Box<Unacked>),
    /// Ours.
    Ours {
        request: RequestId,
    },
}

/// By which way the responses to a request go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub(crate) flow: Flow,
    /// Where a connection is opened once that of `flow` is gone.
    pub(crate) reopened: Flow,
}

impl Reply {
    /// The connection is gone.
    pub(crate) fn close(&mut self, connection: ConnectionId) {
        if self.flow.connection == Some(connection) {
            self.flow = self.reopened;
        }
    }
}

/// A 200 to an INVITE that is sent until its ACK comes (RFC 3261 §13.3.1.4).
#[derive(Debug)]
pub(crate) struct Unacked {
    pub(crate) cseq: u32,
    pub(crate) response: Bytes,
    pub(crate) reply: Reply,
    pub(crate) backoff: Backoff,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(record_route: &str) -> Path {
        let text = format!("INVITE sip:a@h SIP/2.0\r\n{record_route}\r\n\r\n");
        let message = Message::parse(text.as_bytes()).expect("readable");
        Path {
            call_id: "c".into(),
            local_tag: "l".into(),
            remote_tag: Some("r".into()),
            local: Value::new("<sip:me@h>;tag=l"),
            remote: Value::new("<sip:you@h>;tag=r"),
            local_cseq: 8,
            remote_cseq: None,
            target: Uri::parse("sip:you@192.0.2.9:5062").expect("a URI"),
            routes: Route::recorded(&message).expect("routes"),
            flow: None,
            is_adjacent: false,
            heard_from: None,
            login: None,
        }
    }

    fn sent(path: &Path) -> (String, Vec<String>, String) {
        let (message, hop) = (path.request(Method::Bye), path.hop());
        let bytes = message.to_bytes();
        let line = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned();
        let routes = message.headers.items(&Name::Route).map(str::to_owned).collect();
        (line, routes, hop.to_string())
    }

    #[test]
    fn without_routes_the_target_is_the_hop() {
        let (line, routes, to) = sent(&path("X: y"));
        assert_eq!(line, "BYE sip:you@192.0.2.9:5062 SIP/2.0");
        assert_eq!((routes.len(), to.as_str()), (0, "sip:you@192.0.2.9:5062"));
    }

    #[test]
    fn loose_routes_stand_before_the_target() {
        let (line, routes, to) =
            sent(&path("Record-Route: <sip:192.0.2.1;lr>, <sip:p2.example;lr>"));
        assert_eq!(line, "BYE sip:you@192.0.2.9:5062 SIP/2.0");
        assert_eq!(routes, ["<sip:192.0.2.1;lr>", "<sip:p2.example;lr>"]);
        assert_eq!(to, "sip:192.0.2.1;lr");
    }

    #[test]
    fn a_bare_route_has_its_parameters() {
        let (line, routes, _) = sent(&path("Record-Route: sip:192.0.2.1;lr, sip:p2.example;lr="));
        assert_eq!(line, "BYE sip:you@192.0.2.9:5062 SIP/2.0");
        assert_eq!(routes, ["<sip:192.0.2.1;lr>", "<sip:p2.example;lr=>"]);
    }

    #[test]
    fn a_strict_router_takes_the_request_uri_and_the_target_goes_last() {
        let (line, routes, to) = sent(&path("Record-Route: <sip:p1.example>, <sip:p2.example;lr>"));
        assert_eq!(line, "BYE sip:p1.example SIP/2.0");
        assert_eq!(routes, ["<sip:p2.example;lr>", "<sip:you@192.0.2.9:5062>"]);
        assert_eq!(to, "sip:p1.example");
    }
}
