//! What becomes of a request whose way leads nowhere: it takes the next one (RFC 3261 §8.1.3.1,
//! §18.4, RFC 3263 §4.3), and what went out before is undone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use partyline_model::Time;

use super::outgoing::{Outgoing, Progress, Purpose};
use super::outside::Outcome;
use super::way::Way;
use super::{Endpoint, Owner};
use crate::command::Patience;
use crate::dialog::State;
use crate::event::{Output, Unanswered};
use crate::flow::{ConnectionId, Flow, Transport};
use crate::message::{Method, Status};
use crate::transaction::timer::TRANSACTION_LIFETIME;
use crate::transaction::{RequestId, TransactionId};

/// Q.850 cause 102, recovery on timer expiry.
const TIMER_EXPIRED: u8 = 102;

/// Peers that took no stream for a long request. For a while they are not asked again.
#[derive(Debug, Default)]
pub(super) struct DatagramsOnly(BTreeMap<SocketAddr, Time>);

impl DatagramsOnly {
    const REMEMBERED: Duration = Duration::from_secs(600);
    const MOST: usize = 1024;

    fn note(&mut self, now: Time, peer: SocketAddr) {
        self.0.retain(|_, until| *until > now);
        if self.0.len() == Self::MOST {
            self.0.pop_first();
        }
        self.0.insert(peer, now + Self::REMEMBERED);
    }

    fn has(&self, now: Time, peer: SocketAddr) -> bool {
        self.0.get(&peer).is_some_and(|until| *until > now)
    }
}

/// Whether what was lost may have reached the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Unsent,
    Sent,
}

impl Endpoint {
    /// Nothing goes out by `flow`: no connection could be opened, or it is gone. What was to go
    /// there, and has no answer yet, takes its next way or fails as if by 503.
    pub fn handle_unreachable(&mut self, now: Time, flow: Flow) {
        if flow.transport == Transport::Tcp && flow.connection.is_none() {
            self.datagrams_only.note(now, flow.remote);
        }
        self.lose(now, flow, Lost::Unsent);
    }

    /// A connection is closed, whoever opened it. Requests of ours on it that have no answer yet
    /// fail as [`Endpoint::handle_unreachable`] says, but for a key, which might be heard twice;
    /// responses go to where the peer's Via says (RFC 3261 §18.2.2).
    pub fn handle_closed(&mut self, now: Time, flow: Flow) {
        self.lose(now, flow, Lost::Sent);
        if let Some(users) = &mut self.users {
            users.handle_closed(flow);
            self.time_users();
        }
    }

    fn lose(&mut self, now: Time, flow: Flow, lost: Lost) {
        let known = flow.connection.is_some_and(|id| self.connections.remove(&id));
        let opened = self.opened.remove(&flow.far_end());
        if !known && !opened && flow.transport.is_reliable() {
            return;
        }
        let waits = |on: &Flow| {
            let same = on.far_end() == flow.far_end();
            same && (on.connection.is_none() || on.connection == flow.connection)
        };
        let invites = self.invite_clients.iter();
        let invites: Vec<_> = invites
            .filter(|(_, entry)| entry.machine.is_calling() && waits(&entry.flow))
            .map(|(&id, _)| id)
            .collect();
        let others = self.clients.iter();
        let others: Vec<_> = others
            .filter(|(_, entry)| entry.machine.is_open() && waits(&entry.flow))
            .map(|(&id, _)| id)
            .collect();
        if let Some(connection) = flow.connection {
            self.let_go(connection);
        }
        for id in invites {
            self.lose_invite(now, id, lost);
        }
        for id in others {
            self.lose_client(now, id, lost);
        }
    }

    /// Nothing names the connection any more.
    fn let_go(&mut self, connection: ConnectionId) {
        let cut = |flow: &mut Flow| {
            flow.connection.take_if(|id| *id == connection);
        };
        for dialog in self.dialogs.values_mut() {
            dialog.path.flow.iter_mut().for_each(cut);
            if let Some(unacked) = dialog.state.unacked() {
                unacked.reply.close(connection);
            }
        }
        for outgoing in self.outgoing.values_mut() {
            outgoing.path.flow.iter_mut().for_each(cut);
            outgoing.ways.retain(|way| match way {
                Way::Flow(flow) | Way::Datagram(flow) => flow.connection != Some(connection),
                Way::Name(..) => true,
            });
        }
        for entry in self.invite_servers.values_mut() {
            cut(&mut entry.template.flow);
            entry.template.reply.close(connection);
        }
        for entry in self.servers.values_mut() {
            cut(&mut entry.flow);
        }
        for entry in self.invite_clients.values_mut() {
            cut(&mut entry.flow);
            entry.acks.iter_mut().flat_map(|ack| &mut ack.sent).for_each(|(flow, _)| cut(flow));
        }
        for entry in self.clients.values_mut() {
            cut(&mut entry.flow);
        }
    }

    fn lose_invite(&mut self, now: Time, id: TransactionId, lost: Lost) {
        let Some(request) = self.invite_clients.get(&id).map(|entry| entry.request) else { return };
        let Some(outgoing) = self.outgoing.get_mut(&request) else { return };
        if outgoing.purpose == Purpose::Abandoned {
            return self.remove_request(request);
        }
        let calls = matches!(outgoing.purpose, Purpose::Dial(_));
        if calls && lost == Lost::Sent {
            self.abandon(now, request);
        } else {
            outgoing.progress = Progress::Begun;
            self.remove_invite_client(id);
        }
        if calls || !self.try_next(now, request) {
            self.invite_unanswered(now, request, Status::SERVICE_UNAVAILABLE);
        }
    }

    fn lose_client(&mut self, now: Time, id: TransactionId, lost: Lost) {
        let Some(mut entry) = self.clients.remove(&id) else { return };
        self.timers.set(Owner::Client(id), None);
        entry.wipe();
        self.client_keys.remove(&entry.key);
        let Some(request) = entry.request else { return };
        let purpose = self.outgoing.get(&request).map(|outgoing| outgoing.purpose);
        let once = matches!(purpose, Some(Purpose::Digit(_))) && lost == Lost::Sent;
        if once || !self.try_next(now, request) {
            self.conclude(now, Some(request), Outcome::Nothing(Unanswered::Unreachable));
        }
    }

    /// Sends a request by its next way, under another branch and number; `false` when none is left.
    pub(super) fn try_next(&mut self, now: Time, request: RequestId) -> bool {
        if self.outgoing.get(&request).is_none_or(|outgoing| outgoing.ways.is_empty()) {
            return false;
        }
        self.renumber(request);
        self.advance(now, request)
    }

    /// Says that the way which a call has taken last led to nobody.
    pub(super) fn blame(&mut self, request: RequestId) {
        let Some(outgoing) = self.outgoing.get(&request) else { return };
        let flow = outgoing.path.flow.filter(|_| !outgoing.rang);
        if let (Purpose::Dial(_), Some(flow)) = (outgoing.purpose, flow) {
            self.outputs.push_back(Output::Failed(flow));
        }
    }

    /// No way is left for a request that was not sent.
    pub(super) fn give_up(&mut self, now: Time, request: RequestId) {
        match self.outgoing.get(&request).map(|outgoing| outgoing.method.clone()) {
            Some(Method::Invite) => {
                self.invite_unanswered(now, request, Status::SERVICE_UNAVAILABLE);
            }
            Some(_) => self.conclude(now, Some(request), Outcome::Nothing(Unanswered::Unreachable)),
            None => {}
        }
    }

    /// Whether another way may do better than what ended with `status`: a call that waits and that
    /// nobody was heard to answer for. A busy or declining callee would only be rung twice.
    pub(super) fn is_worth_another(&self, request: RequestId, status: Status) -> bool {
        let Some(outgoing) = self.outgoing.get(&request) else { return false };
        let Purpose::Dial(id) = outgoing.purpose else { return false };
        let state = self.dialogs.get(&id).map(|dialog| &dialog.state);
        let waits =
            matches!(state, Some(State::Calling { request: current }) if *current == request);
        let at_fault = status == Status::REQUEST_TIMEOUT || (500..600).contains(&status.code());
        waits && at_fault && !outgoing.rang
    }

    /// Sets how long the way that a call has just taken may take.
    pub(super) fn be_patient(&mut self, now: Time, request: RequestId) {
        let Some(outgoing) = self.outgoing.get(&request) else { return };
        let limit = limits(outgoing).map(|patience| now + patience.provisional);
        self.timers.set(Owner::Request(request), limit);
    }

    /// A call of ours makes progress, or its next hop says that it is at work.
    pub(super) fn hear_progress(&mut self, request: RequestId, status: Status) {
        let Some(outgoing) = self.outgoing.get_mut(&request) else { return };
        outgoing.rang |= status != Status::TRYING;
        let limit = limits(outgoing).filter(|_| !outgoing.rang);
        let limit = limit.map(|patience| outgoing.launched + patience.progress);
        self.timers.set(Owner::Request(request), limit);
    }

    /// A way took too long.
    pub(super) fn lose_patience(&mut self, now: Time, request: RequestId) {
        if self.is_worth_another(request, Status::REQUEST_TIMEOUT) {
            self.abandon(now, request);
            self.invite_unanswered(now, request, Status::REQUEST_TIMEOUT);
        }
    }

    /// Leaves the INVITE that carries a call to itself: it is cancelled as soon as it may be, and
    /// hung up on if it is answered.
    fn abandon(&mut self, now: Time, request: RequestId) {
        let id = RequestId(self.next_id());
        let Some(outgoing) = self.outgoing.get_mut(&request) else { return };
        let transaction = outgoing.transaction();
        let Some(entry) = transaction.and_then(|id| self.invite_clients.get_mut(&id)) else {
            return;
        };
        let left = outgoing.abandoned();
        outgoing.progress = Progress::Begun;
        entry.request = id;
        self.outgoing.insert(id, left);
        if self.proceeding(id).is_some() {
            self.cancel_abandoned(now, id);
        }
    }

    /// Sends CANCEL once, and waits for the INVITE's final response for so long.
    pub(super) fn cancel_abandoned(&mut self, now: Time, request: RequestId) {
        let Some(outgoing) = self.outgoing.get_mut(&request) else { return };
        if !std::mem::replace(&mut outgoing.rang, true) {
            self.send_cancel(now, request, Some(TIMER_EXPIRED));
            self.timers.set(Owner::Request(request), Some(now + TRANSACTION_LIFETIME));
        }
    }

    /// Notes what a connection may be asked for by.
    pub(super) fn note_connection(&mut self, flow: Flow) {
        if let Some(connection) = flow.connection {
            self.connections.insert(connection);
        } else if flow.transport.is_reliable() {
            self.opened.insert(flow.far_end());
        }
    }

    /// The stream that a request too long for a datagram goes by (RFC 3261 §18.1.1), to a peer that
    /// is not known to take none.
    pub(super) fn stream_instead(&self, now: Time, flow: Flow) -> Option<Flow> {
        let fits = !flow.transport.is_reliable() && self.config.speaks(Transport::Tcp);
        let known = self.datagrams_only.has(now, flow.remote);
        (fits && !known).then(|| Flow::new(Transport::Tcp, flow.remote))
    }
}

/// How long a call waits for its way; not at all on its last, when nobody has another.
fn limits(outgoing: &Outgoing) -> Option<Patience> {
    outgoing.patience.filter(|_| outgoing.has_alternative || !outgoing.ways.is_empty())
}
