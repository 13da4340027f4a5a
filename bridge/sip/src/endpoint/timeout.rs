//! Time: every deadline that has come is met, and what is over is taken out of the tables.

use bytes::Bytes;
use partyline_model::Time;

use super::outside::Outcome;
use super::{Endpoint, Owner};
use crate::dialog::State;
use crate::event::{DialogId, Unanswered};
use crate::message::Status;
use crate::transaction::timer::Due;
use crate::transaction::{Fired, TransactionId};

impl Endpoint {
    /// Does what is due; to be called when the time of [`Endpoint::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(owner) = self.timers.pop_due(now) {
            match owner {
                Owner::InviteServer(id) => self.invite_server_timeout(now, id),
                Owner::Server(id) => self.server_timeout(now, id),
                Owner::InviteClient(id) => self.invite_client_timeout(now, id),
                Owner::Client(id) => self.client_timeout(now, id),
                Owner::Request(id) => self.request_timeout(now, id),
                Owner::Dialog(id) => self.dialog_timeout(now, id),
                Owner::Session(id) => self.session_timeout(now, id),
                Owner::Users => self.users_timeout(now),
                Owner::Prack(id) => self.prack_timeout(now, id),
                Owner::Subscriptions(id) => self.subscriptions_timeout(now, id),
            }
        }
    }

    fn invite_server_timeout(&mut self, now: Time, id: TransactionId) {
        let Some(entry) = self.invite_servers.get_mut(&id) else { return };
        let again = entry.machine.handle_timeout(now);
        let reply = entry.template.reply.flow;
        let over = entry.machine.is_terminated();
        self.timers.set(Owner::InviteServer(id), entry.machine.deadline());
        if let Some(bytes) = again {
            self.transmit(reply, bytes);
        }
        if over && let Some(entry) = self.invite_servers.remove(&id) {
            self.server_keys.remove(&entry.key);
            self.shares.resize(entry.template.source().ip(), entry.octets, 0);
            if let Some(merge) = entry.merge {
                self.merges.remove(&merge);
            }
        }
    }

    fn server_timeout(&mut self, now: Time, id: TransactionId) {
        if self.servers.get(&id).is_some_and(|entry| entry.machine.is_terminated(now))
            && let Some(entry) = self.servers.remove(&id)
        {
            self.server_keys.remove(&entry.key);
            self.shares.resize(entry.flow.remote.ip(), entry.octets, 0);
        }
    }

    fn invite_client_timeout(&mut self, now: Time, id: TransactionId) {
        let Some(entry) = self.invite_clients.get_mut(&id) else { return };
        let fired = entry.machine.handle_timeout(now);
        let over = entry.machine.is_terminated();
        let request = entry.request;
        self.timers.set(Owner::InviteClient(id), entry.machine.deadline());
        if fired == Fired::Retransmit {
            let (flow, bytes) = (entry.flow, entry.bytes.clone());
            self.transmit(flow, bytes);
        }
        if fired == Fired::TimedOut {
            self.invite_unanswered(now, request, Status::REQUEST_TIMEOUT);
        }
        if over {
            self.remove_invite_client(id);
        }
    }

    fn client_timeout(&mut self, now: Time, id: TransactionId) {
        let Some(entry) = self.clients.get_mut(&id) else { return };
        let fired = entry.machine.handle_timeout(now);
        let over = entry.machine.is_terminated();
        let request = entry.request;
        self.timers.set(Owner::Client(id), entry.machine.deadline());
        if fired == Fired::Retransmit {
            let (flow, bytes) = (entry.flow, Bytes::copy_from_slice(&entry.bytes));
            self.transmit(flow, bytes);
        }
        if over && let Some(mut entry) = self.clients.remove(&id) {
            entry.wipe();
            self.client_keys.remove(&entry.key);
        }
        if fired == Fired::TimedOut {
            self.conclude(now, request, Outcome::Nothing(Unanswered::TimedOut));
        }
    }

    /// A 200 without ACK, or a CANCEL whose INVITE never ended.
    fn dialog_timeout(&mut self, now: Time, id: DialogId) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if let State::Cancelling { request, .. } = dialog.state {
            self.remove_request(request);
            return self.forget_dialog(id);
        }
        let q850 = match dialog.state {
            State::HangingUp { q850, .. } => q850,
            State::Offered { .. }
            | State::Answered(_)
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Confirmed(_)
            | State::Leaving => None,
        };
        let Some(unacked) = dialog.state.unacked() else { return };
        match unacked.backoff.due(now) {
            Due::Nothing => {}
            Due::GiveUp => return self.ack_timed_out(now, id, q850),
            Due::Retransmit => {
                let (flow, bytes) = (unacked.reply.flow, unacked.response.clone());
                self.transmit(flow, bytes);
            }
        }
        let deadline = self.dialogs.get(&id).and_then(|dialog| dialog.state.deadline());
        self.timers.set(Owner::Dialog(id), deadline);
    }
}
