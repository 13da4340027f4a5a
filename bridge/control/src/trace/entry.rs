//! What is kept of one Call-ID.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use partyline_model::Time;
use partyline_sip::Flow;
use partyline_sip::message::{
    Message, Method, Name, NameAddr, Redacted, StartLine, Uri, asks_for_privacy,
};

use super::{TraceFilter, TraceKind, Traced, TracedMessage};

/// Messages that are kept of each end of a call's time.
const HALF: usize = 32;
/// How many messages back a repeated one is looked for.
const BACK: usize = 6;
/// What an entry and a message take beside their texts, in octets.
const ENTRY_OCTETS: usize = 400;
const MESSAGE_OCTETS: usize = 160;
/// A number of fewer digits is another's end too often.
const ENOUGH_DIGITS: usize = 7;

/// The user parts of a call that are no passcode, since they were not dialled.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Who calls.
    caller: Box<str>,
    /// Whom we call.
    callee: Box<str>,
}

impl Names {
    /// The names in the first request, which we sent or which came. In a response or within a
    /// dialog it is not plain which side dialled: then nothing is known.
    pub(super) fn of(payload: &[u8], is_sent: bool) -> Self {
        let Ok(message) = Message::parse(payload) else { return Self::default() };
        let StartLine::Request { uri, method } = &message.start else { return Self::default() };
        let address = |name| message.headers.text(name).and_then(|text| NameAddr::parse(text).ok());
        let (from, to) = (address(&Name::From), address(&Name::To));
        if to.as_ref().is_some_and(|to| to.tag().is_some()) {
            return Self::default();
        }
        let user = |uri: Option<Uri>| uri.and_then(|uri| uri.user()).unwrap_or_default();
        let dialled = user(Uri::parse(uri).ok());
        let [caller, callee] = [from, to].map(|address| user(address.map(|address| address.uri)));
        if is_sent {
            return Self { caller: caller.into(), callee: callee.into() };
        }
        // Who shows what he dials as his own name may show a passcode; who is withheld stays so.
        // Who registers dials nothing, and names himself in both.
        let dials = *method != Method::REGISTER;
        let is_hidden =
            dials && (caller == dialled || caller == callee) || asks_for_privacy(&message.headers);
        let caller = if is_hidden { String::new() } else { caller };
        Self { caller: caller.into(), callee: Box::default() }
    }

    /// Whether a user part may be shown: a party's own, or a word. A number may have a passcode
    /// behind it.
    pub(crate) fn shows(&self, user: &str) -> bool {
        let is = |name: &str| !name.is_empty() && name == user;
        is(&self.caller) || is(&self.callee) || is_word(user)
    }
}

/// Whether no digit is in it, nor a sign of a keypad.
fn is_word(user: &str) -> bool {
    user.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_' | '.'))
}

/// The messages with one Call-ID.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: TraceKind,
    pub(super) call_id: Box<str>,
    is_outbound: bool,
    pub(super) trunk: Option<Arc<str>>,
    pub(super) names: Names,
    /// The user who has proved that he calls, and his number.
    user: Option<(Box<str>, Box<str>)>,
    pub(super) is_live: bool,
    first: Vec<TracedMessage>,
    last: VecDeque<TracedMessage>,
    left_out: u64,
    has_info: bool,
    /// Whether it was taken for the disk.
    has_left: bool,
    octets: usize,
}

impl Entry {
    pub(super) fn new(kind: TraceKind, call_id: &str, trunk: Option<Arc<str>>) -> Self {
        Self {
            kind,
            call_id: call_id.into(),
            is_outbound: false,
            trunk,
            names: Names::default(),
            user: None,
            is_live: false,
            first: Vec::new(),
            last: VecDeque::new(),
            left_out: 0,
            has_info: false,
            has_left: false,
            octets: ENTRY_OCTETS + 2 * call_id.len(),
        }
    }

    /// What the first request says.
    pub(super) fn set_names(&mut self, names: Names, is_outbound: bool) {
        self.octets += names.caller.len() + names.callee.len();
        (self.names, self.is_outbound) = (names, is_outbound);
    }

    /// Who has proved that he calls.
    pub(super) fn know(&mut self, user: &str, number: Option<&str>) {
        if self.user.is_none() {
            let number = number.unwrap_or_default();
            self.octets += user.len() + number.len();
            self.user = Some((user.into(), number.into()));
        }
    }

    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Whether the last message came or went by the same far end.
    pub(super) fn is_with(&self, flow: Flow) -> bool {
        let last = self.last.back().or(self.first.last());
        last.is_some_and(|last| last.flow.remote.ip() == flow.remote.ip())
    }

    /// Keeps a message. Of INFO requests and their answers one is: as many as they are, so long is
    /// what was keyed.
    pub(super) fn add(&mut self, (at, is_sent, flow): (Time, bool, Flow), redacted: Redacted) {
        if redacted.is_info && std::mem::replace(&mut self.has_info, true) {
            return;
        }
        let latest = self.first.iter().chain(&self.last).rev().take(BACK);
        let mut same = latest.filter(|known| known.is_sent == is_sent);
        let same = same.find(|known| known.octets == redacted.octets);
        let known = same.map(|known| known.octets.clone());
        let is_repeated = known.is_some();
        let octets = known.unwrap_or_else(|| Bytes::from(redacted.octets.into_boxed_slice()));
        let message = TracedMessage { at, is_sent, flow, octets, is_repeated };
        self.octets += size(&message);
        if self.first.len() < HALF {
            return self.first.push(message);
        }
        self.last.push_back(message);
        if self.last.len() > HALF {
            let lost = self.last.pop_front();
            self.octets -= lost.as_ref().map_or(0, size);
            self.left_out += 1;
        }
    }

    pub(super) fn fits(&self, filter: &TraceFilter) -> bool {
        let caller = [Some(&self.names.caller), self.user.as_ref().map(|(user, _)| user)];
        let number = self.user.as_ref().map(|(_, number)| number);
        let mut all = caller.into_iter().chain([number]).flatten();
        all.any(|caller| filter.takes(&self.call_id, caller, self.trunk.as_deref()))
    }

    /// Whether it belongs on disk and is not there yet.
    pub(super) const fn is_for_disk(&self) -> bool {
        !self.has_left && matches!(self.kind, TraceKind::Call | TraceKind::Refused)
    }

    /// Takes it for the disk; it stays here as well.
    pub(super) fn leave(&mut self) -> Traced {
        self.has_left = true;
        self.show()
    }

    pub(super) fn show(&self) -> Traced {
        Traced {
            kind: self.kind,
            call_id: self.call_id.to_string(),
            is_outbound: self.is_outbound,
            trunk: self.trunk.clone(),
            caller: self.names.caller.to_string(),
            user: self.user.as_ref().map(|(user, _)| user.to_string()),
            is_live: self.is_live,
            messages: self.first.iter().chain(&self.last).cloned().collect(),
            left_out: self.left_out,
        }
    }
}

fn size(message: &TracedMessage) -> usize {
    MESSAGE_OCTETS + if message.is_repeated { 0 } else { message.octets.len() }
}

/// Whether `caller` is the one who is looked for, with or without a country code.
pub(super) fn is_caller(caller: &str, wanted: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (known, asked) = (digits(caller), digits(wanted));
    caller == wanted
        || is_word(caller) == is_word(wanted)
            && !asked.is_empty()
            && (known == asked || asked.len() >= ENOUGH_DIGITS && known.ends_with(&asked))
}
