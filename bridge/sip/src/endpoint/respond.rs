//! Responses: what they copy from their request and where they go (RFC 3261 §8.2.6, §18.2).

use std::net::SocketAddr;

use partyline_model::Time;

use super::Endpoint;
use crate::counters::Dropped;
use crate::dialog::Reply;
use crate::event::DialogId;
use crate::extensions::Extensions;
use crate::flow::Flow;
use crate::message::{
    Headers, Message, Method, Name, NameAddr, StartLine, Status, Value, Via, scan,
};
use crate::subscription::CONFERENCE;

/// The part of a request that its responses repeat.
#[derive(Debug)]
pub(crate) struct Template {
    headers: Headers,
    record_routes: Vec<Value>,
    timestamp: Option<Value>,
    to_is_tagged: bool,
    invites: bool,
    /// Whether the call is to be carried in secret only: its far end wants a `sips:` Contact.
    pub(super) sips: bool,
    /// By which way responses go.
    pub(crate) reply: Reply,
    /// When and by which way the request came.
    pub(crate) at: Time,
    pub(crate) flow: Flow,
}

impl Template {
    /// Reads what can be read; a request too broken to route goes back to its source.
    pub(crate) fn new(request: &Message, at: Time, flow: Flow) -> Self {
        let mut headers = Headers::with_room(8);
        let mut reply = Reply { flow, reopened: flow };
        for (at, value) in request.headers.all(&Name::Via).enumerate() {
            if at > 0 {
                headers.push(Name::Via, value.clone());
                continue;
            }
            let first = scan::split_list(value.as_str()).next().unwrap_or_default();
            let Ok(mut via) = Via::parse(first) else {
                headers.push(Name::Via, value.clone());
                continue;
            };
            reply = Reply { flow: via.response_flow(flow), reopened: via.reopened(flow) };
            via.stamp(flow.remote);
            let whole = value.as_str().trim_start();
            let rest = whole.get(first.len()..).unwrap_or_default();
            headers.push(Name::Via, value.part(&format!("{via}{rest}")));
        }
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            if let Some(value) = request.headers.first(&name) {
                headers.push(name, value.clone());
            }
        }
        let next = [Name::RecordRoute, Name::Contact].map(|name| request.headers.text(&name));
        let next = next.into_iter().flatten().next();
        let to = headers.text(&Name::To).and_then(|to| NameAddr::parse(to).ok());
        Self {
            to_is_tagged: to.is_some_and(|to| to.tag().is_some()),
            record_routes: request.headers.all(&Name::RecordRoute).cloned().collect(),
            sips: is_sips(request.request_uri()) || next.is_some_and(is_sips),
            timestamp: request.headers.first(&Name::Timestamp).cloned(),
            invites: matches!(&request.start, StartLine::Request { method: Method::Invite, .. }),
            headers,
            reply,
            at,
            flow,
        }
    }

    /// Where the request came from.
    pub(crate) fn source(&self) -> SocketAddr {
        self.flow.remote
    }

    /// Whether the request would open a call.
    pub(crate) fn opens_call(&self) -> bool {
        self.invites && !self.to_is_tagged
    }

    /// Octets of the headers that are kept.
    pub(crate) fn octets(&self) -> usize {
        let fields = self.headers.iter().map(|(_, value)| value.as_str().len());
        let routes = self.record_routes.iter().chain(&self.timestamp);
        fields.sum::<usize>() + routes.map(|value| value.as_str().len()).sum::<usize>()
    }

    /// Forgets the headers: nothing more is answered.
    pub(crate) fn strip(&mut self) {
        self.headers = Headers::default();
        self.record_routes = Vec::new();
        self.timestamp = None;
    }

    /// A response with our tag, unless the request has one or the response is 100.
    pub(crate) fn respond(&self, status: Status, tag: &str) -> Message {
        let mut message = Message::response(status);
        // Those of the request, and a few of ours.
        message.headers = Headers::with_room(self.headers.len() + 4);
        for (name, value) in self.headers.iter() {
            let tags = *name == Name::To && !self.to_is_tagged && status != Status::TRYING;
            let value =
                if tags { value.with_suffix(&format!(";tag={tag}")) } else { value.clone() };
            message.headers.push(name.clone(), value);
        }
        if let Some(timestamp) = self.timestamp.as_ref().filter(|_| status == Status::TRYING) {
            message.headers.push(Name::Timestamp, timestamp.clone());
        }
        message
    }

    /// The same tag for the same request each time, without any memory of it (§8.2.7): a keyed
    /// FNV-1a hash, which nobody needs to guess or to find collisions for.
    fn stateless_tag(&self, key: u64) -> String {
        let texts = self.headers.iter().map(|(_, value)| value.as_str());
        let hash = texts.flat_map(str::bytes).fold(0xcbf2_9ce4_8422_2325 ^ key, |hash, b| {
            (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

/// Whether the first URI in `text` has the scheme `sips:`.
pub(super) fn is_sips(text: &str) -> bool {
    let uri = scan::find_unquoted(text, '<').map_or(text, |at| &text[at + 1..]).trim_start();
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"))
}

/// Adds what tells the peer what it may send us.
pub(super) fn add_abilities(message: &mut Message, extensions: Extensions) {
    message.headers.add(Name::Allow, extensions.allow());
    message.headers.add(Name::Supported, extensions.supported());
    message.headers.add(Name::Accept, "application/sdp");
    message.headers.add(Name::AllowEvents, CONFERENCE);
}

impl Endpoint {
    /// Adds what a response that makes or refreshes a dialog must have (RFC 3261 §12.1.1).
    pub(super) fn add_dialog_headers(
        &self,
        dialog: DialogId,
        template: &Template,
        message: &mut Message,
    ) {
        for route in &template.record_routes {
            message.headers.push(Name::RecordRoute, route.clone());
        }
        message.headers.add(Name::Contact, self.contact(template.flow, template.sips));
        add_abilities(message, self.extensions_in(dialog));
    }

    /// Answers without keeping anything, unless the source was answered too often already.
    pub(super) fn respond_stateless(
        &mut self,
        template: &Template,
        status: Status,
        adjust: impl FnOnce(&mut Message),
    ) {
        let source = template.source().ip();
        // Strangers paid when they came in.
        if let Some(limits) = self.admission.limits(source)
            && !self.shares.take_answer(template.at, source, &limits)
        {
            return self.drop_for(Dropped::TooOften);
        }
        let mut message = template.respond(status, &template.stateless_tag(self.tag_key));
        adjust(&mut message);
        self.transmit(template.reply.flow, message.to_bytes().into());
    }
}
