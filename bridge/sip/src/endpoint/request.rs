//! Requests that go out and the client transactions that carry them (RFC 3261 §8.1, §17.1).

use std::time::Duration;

use bytes::Bytes;
use partyline_model::{Digit, Time};
use zeroize::Zeroize;

use super::{Endpoint, Owner};
use crate::cause;
use crate::dialog::{Path, State};
use crate::event::DialogId;
use crate::flow::Flow;
use crate::message::{MAGIC_COOKIE, Message, Method, Name, StartLine, Value, Via};
use crate::transaction::{Client, InviteClient, TransactionId};

/// An INVITE that went out.
pub(super) struct InviteClientEntry {
    pub(super) machine: InviteClient,
    /// The request without its body, from which its ACK and CANCEL are made.
    pub(super) request: Message,
    pub(super) bytes: Bytes,
    pub(super) flow: Flow,
    pub(super) branch: Box<str>,
    pub(super) cseq: u32,
    pub(super) purpose: Purpose,
    /// The dialog as the INVITE saw it: each fork that answers makes one of its own from it.
    pub(super) path: Path,
    /// The ACKs of the 2xx so far, to be sent again with each repetition.
    pub(super) acks: Vec<SentAck>,
}

/// What an INVITE of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Dial(DialogId),
    Reinvite(DialogId),
}

/// An ACK to a 2xx (RFC 3261 §13.2.2.4).
pub(super) struct SentAck {
    pub(super) remote_tag: Box<str>,
    pub(super) flow: Flow,
    pub(super) bytes: Bytes,
}

/// Another request that went out.
pub(super) struct ClientEntry {
    pub(super) machine: Client,
    pub(super) bytes: Vec<u8>,
    pub(super) flow: Flow,
    pub(super) key: (Box<str>, Method),
    pub(super) errand: Errand,
}

/// What depends on a request other than INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Nothing.
    None,
    /// The dialog is over when it is.
    LastOf(DialogId),
    /// The request carries a key, and the next one waits for its answer.
    Digit(DialogId),
}

impl ClientEntry {
    /// Forgets what was sent, once it need not be sent again: it may be part of a passcode.
    pub(super) fn wipe(&mut self) {
        if let Errand::Digit(_) = self.errand {
            self.bytes.zeroize();
        }
    }
}

impl Endpoint {
    /// Puts our Via on top of a request; hands back its branch.
    fn add_via(&mut self, message: &mut Message) -> Box<str> {
        let branch = format!("{MAGIC_COOKIE}{}", self.token());
        let via = Via::ours(self.config.advertised, &branch);
        message.headers.put_first(Name::Via, via.to_string());
        branch.into()
    }

    /// Sends an INVITE: Via, Contact and what we can do are added.
    pub(super) fn start_invite(
        &mut self,
        now: Time,
        (mut request, flow): (Message, Flow),
        (path, cseq): (Path, u32),
        purpose: Purpose,
        offer: Bytes,
    ) -> TransactionId {
        let branch = self.add_via(&mut request);
        request.headers.add(Name::Contact, self.contact());
        super::respond::add_abilities(&mut request);
        if let Some(agent) = &self.config.user_agent {
            request.headers.add(Name::UserAgent, agent.clone());
        }
        request.set_body("application/sdp", offer);
        let bytes = Bytes::from(request.to_bytes());
        request.body = Bytes::new();
        self.transmit(flow, bytes.clone());
        let id = TransactionId(self.next_id());
        let machine = InviteClient::new(now, flow.transport);
        self.timers.set(Owner::InviteClient(id), machine.deadline());
        self.client_keys.insert((branch.clone(), Method::Invite), id);
        let acks = Vec::new();
        self.invite_clients.insert(
            id,
            InviteClientEntry {
                machine,
                request,
                bytes,
                flow,
                branch,
                cseq,
                purpose,
                path,
                acks,
            },
        );
        id
    }

    /// Sends a finished request other than INVITE and ACK.
    fn start_client(
        &mut self,
        now: Time,
        request: &Message,
        flow: Flow,
        key: (Box<str>, Method),
        errand: Errand,
    ) {
        let bytes = request.to_bytes();
        // A copy of its own, since what is kept here may be wiped.
        self.transmit(flow, Bytes::copy_from_slice(&bytes));
        let id = TransactionId(self.next_id());
        let machine = Client::new(now, flow.transport);
        self.timers.set(Owner::Client(id), machine.deadline());
        self.client_keys.insert(key.clone(), id);
        self.clients.insert(id, ClientEntry { machine, bytes, flow, key, errand });
    }

    /// Sends BYE along a path (RFC 3261 §15.1.1).
    pub(super) fn send_bye_along(
        &mut self,
        now: Time,
        path: &mut Path,
        q850: Option<u8>,
        errand: Errand,
    ) {
        let cseq = path.next_cseq();
        let (mut request, flow) = path.request(Method::Bye, cseq);
        let branch = self.add_via(&mut request);
        if let Some(cause) = q850 {
            request.headers.add(Name::Reason, cause::write_reason(cause));
        }
        self.start_client(now, &request, flow, (branch, Method::Bye), errand);
    }

    /// Sends BYE in a dialog and leaves it; its end must be reported already.
    pub(super) fn send_bye(&mut self, now: Time, id: DialogId, q850: Option<u8>) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let mut path = dialog.path.clone();
        self.send_bye_along(now, &mut path, q850, Errand::LastOf(id));
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.path = path;
        }
        self.set_state(id, State::Leaving);
    }

    /// Sends a key within a dialog (application/dtmf-relay, as Cisco defined it).
    pub(super) fn send_info(&mut self, now: Time, id: DialogId, digit: Digit, length: Duration) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let cseq = dialog.path.next_cseq();
        let (mut request, flow) = dialog.path.request(Method::Info, cseq);
        let branch = self.add_via(&mut request);
        let (key, millis) = (digit.to_char(), length.as_millis());
        let body = format!("Signal={key}\r\nDuration={millis}\r\n");
        request.set_body("application/dtmf-relay", body.into_bytes());
        self.start_client(now, &request, flow, (branch, Method::Info), Errand::Digit(id));
        request.wipe_body();
    }

    /// Sends CANCEL for an INVITE that had a provisional response (RFC 3261 §9.1).
    pub(super) fn send_cancel(&mut self, now: Time, invite: TransactionId) {
        let Some(entry) = self.invite_clients.get(&invite) else { return };
        let to = entry.request.headers.first(&Name::To).cloned();
        let request = hop_by_hop(&entry.request, Method::Cancel, entry.cseq, to);
        let (flow, key) = (entry.flow, (entry.branch.clone(), Method::Cancel));
        self.start_client(now, &request, flow, key, Errand::None);
    }

    /// Acknowledges a final response other than 2xx within its transaction (RFC 3261 §17.1.1.3).
    pub(super) fn ack_failure(&mut self, invite: TransactionId, response: &Message) {
        let Some(entry) = self.invite_clients.get(&invite) else { return };
        let to = response.headers.first(&Name::To).cloned();
        let ack = hop_by_hop(&entry.request, Method::Ack, entry.cseq, to);
        let flow = entry.flow;
        self.transmit(flow, ack.to_bytes().into());
    }

    /// Acknowledges a 2xx along the path it made, and keeps the ACK for its repetitions.
    pub(super) fn ack_success(&mut self, invite: TransactionId, path: &Path) {
        let Some(cseq) = self.invite_clients.get(&invite).map(|entry| entry.cseq) else { return };
        let (mut ack, flow) = path.request(Method::Ack, cseq);
        self.add_via(&mut ack);
        let bytes = Bytes::from(ack.to_bytes());
        self.transmit(flow, bytes.clone());
        let remote_tag = path.remote_tag.clone().unwrap_or_default();
        if let Some(entry) = self.invite_clients.get_mut(&invite) {
            entry.acks.push(SentAck { remote_tag, flow, bytes });
        }
    }
}

/// ACK or CANCEL of an INVITE: its Via, Route, From and Call-ID, with this To.
fn hop_by_hop(invite: &Message, method: Method, cseq: u32, to: Option<Value>) -> Message {
    let StartLine::Request { uri, .. } = &invite.start else {
        unreachable!("an INVITE is a request")
    };
    let line = format!("{cseq} {method}");
    let mut message = Message::request(method, uri.clone());
    for (name, value) in invite.headers.iter() {
        let copied = [Name::Via, Name::MaxForwards, Name::Route, Name::From, Name::CallId];
        if copied.contains(name) {
            message.headers.push(name.clone(), value.clone());
        }
    }
    if let Some(to) = to {
        message.headers.push(Name::To, to);
    }
    message.headers.add(Name::CSeq, line);
    message
}
