//! The requests of calls: INVITE, BYE, INFO, CANCEL and ACK (RFC 3261 §9.1, §13.2, §14.1, §15.1.1).

use std::time::Duration;

use bytes::Bytes;
use partyline_model::{Digit, Time};

use super::Endpoint;
use super::outgoing::{Carried, Outgoing, Purpose, SentAck};
use super::respond::add_abilities;
use crate::cause;
use crate::dialog::{Path, State};
use crate::event::DialogId;
use crate::extensions::Extensions;
use crate::message::{Message, Method, Name};
use crate::transaction::{RequestId, TransactionId};

impl Endpoint {
    /// Sends an INVITE with an offer: Contact and what we can do are added.
    pub(super) fn invite(
        &mut self,
        now: Time,
        carried: Carried,
        offer: Bytes,
        extensions: Extensions,
        dress: impl FnOnce(&mut Message),
    ) -> RequestId {
        let agent = self.config.user_agent.clone();
        self.submit(now, carried, Method::Invite, |message| {
            dress(message);
            // Which address that is depends on the way.
            message.headers.add(Name::Contact, "");
            add_abilities(message, extensions);
            if let Some(agent) = agent {
                message.headers.add(Name::UserAgent, agent);
            }
            message.set_body("application/sdp", offer);
        })
    }

    /// Sends BYE along a path (RFC 3261 §15.1.1).
    pub(super) fn send_bye_along(
        &mut self,
        now: Time,
        mut path: Path,
        q850: Option<u8>,
        purpose: Purpose,
    ) {
        path.next_cseq();
        let carried = self.along(path, purpose);
        self.submit(now, carried, Method::Bye, |request| {
            if let Some(cause) = q850 {
                request.headers.add(Name::Reason, cause::write_reason(cause));
            }
        });
    }

    /// Sends BYE in a dialog and leaves it; its end must be reported already.
    pub(super) fn send_bye(&mut self, now: Time, id: DialogId, q850: Option<u8>) {
        self.end_subscriptions(now, id);
        let Some(dialog) = self.dialogs.get(&id) else { return };
        self.send_bye_along(now, dialog.path.clone(), q850, Purpose::LastOf(id));
        self.set_state(id, State::Leaving);
    }

    /// Sends BYE in a dialog, and neither repeats it nor waits for its answer.
    pub(super) fn send_bye_once(&mut self, id: DialogId, q850: Option<u8>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.path.next_cseq();
        let path = dialog.path.clone();
        let Some(flow) = self.known_way(&path) else { return };
        let mut request = path.request(Method::Bye);
        let (_, via) = self.new_via(flow);
        request.headers.put_first(Name::Via, &*via);
        if let Some(cause) = q850 {
            request.headers.add(Name::Reason, cause::write_reason(cause));
        }
        self.transmit(flow, request.to_bytes().into());
    }

    /// Sends a key within a dialog (application/dtmf-relay, as Cisco defined it).
    pub(super) fn send_info(&mut self, now: Time, id: DialogId, digit: Digit, length: Duration) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.path.next_cseq();
        let path = dialog.path.clone();
        let carried = self.along(path, Purpose::Digit(id));
        self.submit(now, carried, Method::Info, |request| {
            let (key, millis) = (digit.to_char(), length.as_millis());
            let body = format!("Signal={key}\r\nDuration={millis}\r\n");
            request.set_body("application/dtmf-relay", body.into_bytes());
        });
    }

    /// Sends CANCEL for an INVITE that had a provisional response (RFC 3261 §9.1).
    pub(super) fn send_cancel(&mut self, now: Time, request: RequestId, q850: Option<u8>) {
        let Some(outgoing) = self.outgoing.get(&request) else { return };
        let transaction = outgoing.transaction();
        let Some(entry) = transaction.and_then(|id| self.invite_clients.get(&id)) else { return };
        let bytes = outgoing.cancel(&entry.via, q850).to_bytes();
        let (key, flow) = ((entry.branch.clone(), Method::Cancel), entry.flow);
        let id = TransactionId(self.next_id());
        self.start_client(now, id, None, key, (flow, bytes));
    }

    /// Acknowledges a final response other than 2xx within its transaction (RFC 3261 §17.1.1.3).
    pub(super) fn ack_failure(&mut self, invite: TransactionId, response: &Message) {
        let Some(entry) = self.invite_clients.get_mut(&invite) else { return };
        let outgoing = self.outgoing.get(&entry.request);
        let bytes = entry.failure.clone().or_else(|| {
            let ack = outgoing?.hop_by_hop(Method::Ack, &entry.via, response);
            Some(Bytes::from(ack.to_bytes()))
        });
        entry.failure.clone_from(&bytes);
        let flow = entry.flow;
        if let Some(bytes) = bytes {
            self.transmit(flow, bytes);
        }
    }

    /// Acknowledges a 2xx along the path it made.
    pub(super) fn ack_success(&mut self, now: Time, invite: TransactionId, path: &Path) {
        let remote_tag = path.remote_tag.clone().unwrap_or_default();
        if let Some(entry) = self.invite_clients.get_mut(&invite) {
            entry.acks.push(SentAck { remote_tag, sent: None });
        }
        let carried = self.along(path.clone(), Purpose::Acknowledge(invite));
        let request = self.invite_clients.get(&invite).map(|entry| entry.request);
        let request = request.and_then(|request| self.outgoing.get(&request));
        let credentials = request.map(Outgoing::credentials).unwrap_or_default();
        self.submit(now, carried, Method::Ack, |ack| {
            for (name, value) in credentials {
                ack.headers.push(name, value);
            }
        });
    }
}
