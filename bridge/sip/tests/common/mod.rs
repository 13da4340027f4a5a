//! One endpoint under test on a virtual clock, and a hand-written peer.

#![allow(dead_code, reason = "each test file uses its part")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use partyline_model::{IdSource, Time};
use partyline_sip::message::{Message, Name, StartLine};
use partyline_sip::{
    Admission, Config, Described, Dial, DialogId, Ended, Endpoint, Event, Flow, Limits, Output,
    RefusedRequest, Resolve, Suspicion, Transmit,
};

/// Numbers that are all different and the same in every run.
pub(crate) struct Counting(pub(crate) u128);

impl IdSource for Counting {
    fn next_u128(&mut self) -> u128 {
        self.0 = self.0.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(99);
        self.0 ^ self.0 >> 64
    }
}

/// Everybody is known, and nobody speaks for another.
pub(crate) struct Apart;

impl Admission for Apart {
    fn limits(&self, _source: IpAddr) -> Option<Limits> {
        Some(Limits::NONE)
    }

    fn allies(&self, _peer: IpAddr, _source: IpAddr) -> bool {
        false
    }

    fn capacity(&self) -> usize {
        usize::MAX
    }
}

pub(crate) const PEER: &str = "192.0.2.1:5060";
pub(crate) const US: &str = "203.0.113.5:5060";

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// The endpoint and its clock.
pub(crate) struct Ua {
    pub(crate) endpoint: Endpoint,
    pub(crate) now: Time,
}

/// Everything that came out since the last look.
#[derive(Default)]
pub(crate) struct Out {
    pub(crate) sent: Vec<Transmit>,
    pub(crate) asked: Vec<Resolve>,
    pub(crate) failed: Vec<Flow>,
    pub(crate) events: Vec<Event>,
    pub(crate) refused: Vec<RefusedRequest>,
    pub(crate) suspects: Vec<Suspicion>,
}

impl Out {
    /// First lines of what was sent, responses with their CSeq method.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.sent.iter().map(|t| summary(&parse(&t.payload))).collect()
    }

    /// `Debug` of the events.
    pub(crate) fn news(&self) -> Vec<String> {
        self.events.iter().map(|e| format!("{e:?}")).collect()
    }

    pub(crate) fn message(&self, at: usize) -> Message {
        parse(&self.sent[at].payload)
    }

    pub(crate) fn ended(&self) -> Vec<Ended> {
        self.events
            .iter()
            .filter_map(|e| if let Event::Ended { ended, .. } = e { Some(*ended) } else { None })
            .collect()
    }

    /// The one call that came in.
    pub(crate) fn invited(&self) -> DialogId {
        self.events
            .iter()
            .find_map(|e| if let Event::Invite(call) = e { Some(call.dialog) } else { None })
            .expect("an INVITE event")
    }
}

pub(crate) fn parse(bytes: &[u8]) -> Message {
    let message = Message::parse(bytes).expect("what we send is readable");
    assert_eq!(message.fault, None, "{}", String::from_utf8_lossy(bytes));
    message
}

fn summary(message: &Message) -> String {
    let cseq = message.headers.text(&Name::CSeq).unwrap_or_default();
    let method = cseq.split(' ').next_back().unwrap_or_default();
    match &message.start {
        StartLine::Request { method, .. } => method.to_string(),
        StartLine::Response { status, .. } => format!("{status} {method}"),
    }
}

impl Ua {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(addr(US));
        adjust(&mut config);
        let endpoint = Endpoint::new(config, Box::new(Counting(1)));
        Self { endpoint, now: Time::ZERO }
    }

    pub(crate) fn feed(&mut self, text: &str) -> Out {
        self.feed_bytes(PEER, text.as_bytes())
    }

    pub(crate) fn feed_bytes(&mut self, source: &str, bytes: &[u8]) -> Out {
        self.endpoint.handle_datagram(self.now, addr(source), addr(US), bytes);
        self.drain()
    }

    /// A message that comes on a connection.
    pub(crate) fn feed_by(&mut self, flow: Flow, text: &str) -> Out {
        self.endpoint.handle_message(self.now, flow, text.as_bytes());
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Out {
        let mut out = Out::default();
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => out.sent.push(transmit),
                Output::Resolve(resolve) => out.asked.push(resolve),
                Output::Failed(flow) => out.failed.push(flow),
                Output::Event(Event::Refused(refused)) => out.refused.push(refused),
                Output::Event(Event::Suspect { what, .. }) => out.suspects.push(what),
                Output::Event(event) => out.events.push(event),
            }
        }
        out
    }

    /// Lets time pass, stopping at each deadline.
    pub(crate) fn run(&mut self, span: Duration) -> Out {
        let until = self.now + span;
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= until) {
            assert!(at >= self.now, "a timer in the past");
            self.now = at;
            self.endpoint.handle_timeout(at);
        }
        self.now = until;
        self.drain()
    }

    pub(crate) fn secs(&mut self, secs: u64) -> Out {
        self.run(Duration::from_secs(secs))
    }

    /// After every transaction is over, nothing is left behind.
    pub(crate) fn assert_forgotten(&mut self) {
        self.secs(200);
        assert_eq!((self.endpoint.dialogs(), self.endpoint.transactions()), (0, 0));
        assert_eq!(self.endpoint.requests(), 0);
        assert_eq!(self.endpoint.poll_timeout(), None);
    }
}

/// A request of the caller, who has tag `a` and Call-ID `c1`.
pub(crate) fn request(
    method: &str,
    cseq: u32,
    branch: &str,
    to_tag: Option<&str>,
    extra: &str,
) -> String {
    let to_tag = to_tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
    let named = if method == "ACK" || method == "CANCEL" || method == "BYE" {
        ""
    } else {
        "Contact: <sip:caller@192.0.2.1:5060>\r\n"
    };
    format!(
        "{method} sip:18005550100@203.0.113.5 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}\r\n\
         Max-Forwards: 70\r\n\
         From: \"Ann\" <sip:14165550100@192.0.2.1>;tag=a\r\n\
         To: <sip:18005550100@203.0.113.5>{to_tag}\r\n\
         Call-ID: c1\r\nCSeq: {cseq} {method}\r\n{named}{extra}\r\n"
    )
}

pub(crate) const SDP: &str = "Content-Type: application/sdp\r\n\r\nv=0";

pub(crate) fn invite() -> String {
    request("INVITE", 1, "inv", None, SDP)
}

/// Our tag in a response.
pub(crate) fn to_tag(message: &Message) -> String {
    let to = message.headers.text(&Name::To).expect("To");
    to.split_once(";tag=").expect("a tag").1.to_owned()
}

/// A call that came in and was answered, its ACK outstanding.
pub(crate) fn answered(ua: &mut Ua) -> (DialogId, String) {
    let dialog = ua.feed(&invite()).invited();
    ua.endpoint.answer(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
    let tag = to_tag(&ua.drain().message(0));
    (dialog, tag)
}

/// A call that came in and is up.
pub(crate) fn confirmed(ua: &mut Ua) -> (DialogId, String) {
    let (dialog, tag) = answered(ua);
    let out = ua.feed(&request("ACK", 1, "ack", Some(&tag), ""));
    assert_eq!(out.news(), [format!("Confirmed({dialog})")]);
    (dialog, tag)
}

pub(crate) fn dial() -> Dial {
    Dial {
        destination: addr(PEER).into(),
        request_uri: "sip:14165550199@192.0.2.1".to_owned(),
        from_user: "18005550100".to_owned(),
        from_domain: None,
        from_display: Some("The \"Bridge\"".to_owned()),
        to: None,
        from_is_phone: false,
        routes: Vec::new(),
        offer: b"v=0 offer".to_vec().into(),
        headers: vec![("X-Account".to_owned(), "7\r\nEvil: 1".to_owned())],
        login: None,
        patience: None,
        has_alternative: false,
        extensions: None,
    }
}

/// A response to a request of ours.
pub(crate) fn response(
    request: &Message,
    status: &str,
    to_tag: Option<&str>,
    extra: &str,
) -> String {
    let text = |name: Name| request.headers.text(&name).unwrap_or_default().to_owned();
    let to = text(Name::To);
    let tag = match to_tag {
        Some(tag) if !to.contains(";tag=") => format!(";tag={tag}"),
        _ => String::new(),
    };
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}\r\n",
        text(Name::Via),
        text(Name::From),
        text(Name::CallId),
        text(Name::CSeq),
    )
}

/// What a call was answered with.
pub(crate) fn described(event: Option<Event>) -> Option<String> {
    let Some(Event::Answered { described, .. }) = event else { panic!("an answer: {event:?}") };
    described.map(|described| match described {
        Described::Answer(sdp) => String::from_utf8_lossy(&sdp).trim_end().to_owned(),
        Described::Offer(sdp) => format!("offer {}", String::from_utf8_lossy(&sdp).trim_end()),
    })
}

pub(crate) const CONTACT_AND_SDP: &str =
    "Contact: <sip:callee@192.0.2.77:5080>\r\nContent-Type: application/sdp\r\n\r\nv=0 answer";
