//! The SIP messages of calls that are up or were, for an operator who asks why a call failed.
//!
//! What is kept is redacted first ([`partyline_sip::message::redact`]) and bounded: by calls, by
//! messages of a call, and by octets. Calls that hold state, requests that were refused without any,
//! strangers', our REGISTER and our OPTIONS, and the REGISTER of telephones have room of their own each,
//! so that none of them drives another out. A call that is up goes last.

mod book;
mod entry;

use std::sync::Arc;

use bytes::Bytes;
use partyline_model::Time;
use partyline_sip::message::redact;
use partyline_sip::{DialogId, Flow, Incoming};

pub(crate) use self::book::Book;
use self::book::{Arrival, call_id_of};
use self::entry::is_caller;
use crate::node::Node;

/// What a traced exchange of messages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TraceKind {
    /// A call, in either direction.
    Call,
    /// A call of a trunk that was refused before anything was kept of it.
    Refused,
    /// A call from an address that no trunk has.
    Stranger,
    /// Our registration at a trunk.
    Register,
    /// OPTIONS that ask a trunk whether it is there.
    Options,
    /// The registration of a telephone where a user was right before; before that it is a stranger's.
    Telephone,
}

impl TraceKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Call, Self::Refused, Self::Stranger, Self::Register, Self::Options, Self::Telephone];

    /// A name for JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Refused => "refused",
            Self::Stranger => "stranger",
            Self::Register => "register",
            Self::Options => "options",
            Self::Telephone => "telephone",
        }
    }
}

/// One message, redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedMessage {
    /// When it came or went.
    pub at: Time,
    /// Whether we sent it.
    pub is_sent: bool,
    /// By which way.
    pub flow: Flow,
    /// What may be shown of it.
    pub octets: Bytes,
    /// Whether the same message came or went shortly before.
    pub is_repeated: bool,
}

/// An exchange of messages with one Call-ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The kind of the exchange.
    pub kind: TraceKind,
    /// The Call-ID, cut to 128 octets.
    pub call_id: String,
    /// Whether the first request was ours.
    pub is_outbound: bool,
    /// The trunk, as people name it; `None` for a stranger.
    pub trunk: Option<Arc<str>>,
    /// The caller, as its From names it.
    pub caller: String,
    /// The user of ours who has proved that he calls.
    pub user: Option<String>,
    /// Whether the call is up or on its way.
    pub is_live: bool,
    /// In the order they came and went.
    pub messages: Vec<TracedMessage>,
    /// How many are not kept, between the first half and the second one.
    pub left_out: u64,
}

/// Which exchanges are asked for; those that every given part fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceFilter {
    /// How the Call-ID begins.
    pub call_id: Option<String>,
    /// The caller: of a number its digits, of which the first may be missing.
    pub from: Option<String>,
    /// The trunk's name.
    pub trunk: Option<String>,
    /// At most so many, the latest.
    pub last: usize,
}

impl TraceFilter {
    /// Whether an exchange with this Call-ID, caller and trunk is asked for.
    pub fn takes(&self, call_id: &str, caller: &str, trunk: Option<&str>) -> bool {
        let Self { call_id: begins, from, trunk: by, last: _ } = self;
        begins.as_ref().is_none_or(|begins| call_id.starts_with(begins.as_str()))
            && from.as_ref().is_none_or(|wanted| is_caller(caller, wanted))
            && by.as_ref().is_none_or(|wanted| trunk == Some(wanted.as_str()))
    }
}

impl Node {
    /// Has what is over held for [`Self::take_traced`].
    pub fn keep_traces(&mut self) {
        self.book.keep_for_disk();
    }

    /// The calls that are over, and those that were refused, each once: of all, or of those whose
    /// last messages have come by `now`. None before [`Self::keep_traces`].
    pub fn take_traced(&mut self, now: Time, all: bool) -> Vec<Traced> {
        self.book.take(now, all)
    }

    /// The latest exchanges that `filter` is for, the oldest first.
    pub fn traced(&self, filter: &TraceFilter) -> Vec<Traced> {
        self.book.find(filter)
    }

    /// How many messages were not kept since one was too long or none.
    pub fn untraced(&self) -> u64 {
        self.book.untraced()
    }

    /// Notes a message that came and was heard, before what it led to.
    pub(crate) fn trace_arrival(&mut self, now: Time, flow: Flow, payload: &[u8]) {
        let Some(call_id) = call_id_of(payload) else { return };
        let place = self.book.place(call_id);
        let known = self.sources.find(flow.remote.ip());
        let registers = payload.starts_with(b"REGISTER ");
        let users = self.endpoint.users().filter(|_| registers);
        let telephone = users.zip(known).filter(|(users, known)| users.asks(known.trunk));
        if place.is_none() && !payload.starts_with(b"INVITE ") && telephone.is_none() {
            return;
        }
        let of_telephone = telephone.map(|(users, _)| {
            let is_there = users.has_seen(flow.remote.ip());
            if is_there { TraceKind::Telephone } else { TraceKind::Stranger }
        });
        let arrival = match (place, known) {
            (Some(place), known) if known.is_some() || self.book.is_with(place, flow) => {
                Arrival::Known(place)
            }
            (Some(_), _) => return,
            (None, Some(trunk)) => {
                let kind = of_telephone.unwrap_or(TraceKind::Refused);
                Arrival::New { kind, trunk: Some(trunk.name.into()) }
            }
            (None, None) => Arrival::New { kind: TraceKind::Stranger, trunk: None },
        };
        self.trace(now, (false, flow), call_id, arrival, payload);
    }

    /// Notes a message that goes.
    pub(crate) fn trace_departure(&mut self, now: Time, flow: Flow, payload: &[u8]) {
        let Some(call_id) = call_id_of(payload) else { return };
        let arrival = match self.book.place(call_id) {
            Some(place) => Arrival::Known(place),
            None if payload.starts_with(b"SIP/2.0 ") => return,
            None => {
                let kind = match payload {
                    [b'R', b'E', b'G', ..] => TraceKind::Register,
                    [b'O', b'P', b'T', ..] => TraceKind::Options,
                    _ => TraceKind::Call,
                };
                let trunk = self.sources.find(flow.remote.ip());
                Arrival::New { kind, trunk: trunk.map(|trunk| trunk.name.into()) }
            }
        };
        self.trace(now, (true, flow), call_id, arrival, payload);
    }

    fn trace(
        &mut self,
        now: Time,
        (is_sent, flow): (bool, Flow),
        call_id: &str,
        arrival: Arrival,
        payload: &[u8],
    ) {
        let Self { book, directory, .. } = self;
        let place = book.open(arrival, call_id, (now, is_sent), payload);
        let Some(names) = book.names(place) else { return };
        let shows = |user: &str| names.shows(user) || directory.dial_in_for(user).is_some();
        match redact(payload, &shows) {
            Some(redacted) => book.add(place, (now, is_sent, flow), redacted),
            None => book.miss(),
        }
    }

    /// An INVITE was taken: its messages are a call's.
    pub(crate) fn trace_call(&mut self, incoming: &Incoming) {
        self.book.begin(incoming.dialog, &incoming.sip_call_id);
        if let Some(user) = &incoming.user {
            let number = self.number_of_user(user);
            let number = number.map(|number| number.as_str().to_owned());
            self.book.know(&incoming.sip_call_id, user, number.as_deref());
        }
    }

    /// A call out begins; its INVITE follows.
    pub(crate) fn trace_dialled(&mut self, dialog: DialogId, call_id: &str, trunk: usize) {
        let trunk = self.config.trunks.get(trunk).map(|trunk| trunk.name.as_str());
        self.book.dial(dialog, call_id, trunk);
    }

    /// A dialog has ended.
    pub(crate) fn trace_ended(&mut self, now: Time, dialog: DialogId) {
        self.book.end(now, dialog);
    }
}
