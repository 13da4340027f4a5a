//! Reliable provisional responses of ours (RFC 3262 §3): repeated until their PRACK, one after the
//! other.

use bytes::Bytes;
use partyline_model::Time;

use super::receive::Request;
use super::update::Undecided;
use super::{Endpoint, Owner};
use crate::cause;
use crate::command::{CommandError, Rejection};
use crate::counters::Dropped;
use crate::dialog::State;
use crate::event::{DialogId, EndKind, Ended, Ender, Event};
use crate::message::{Method, Status};
use crate::reliable::{RAck, Waiting};
use crate::transaction::ServerKey;
use crate::transaction::timer::Due;

impl Endpoint {
    /// Sends a provisional response, reliably where the caller wants that.
    pub(super) fn provisional(
        &mut self,
        now: Time,
        id: DialogId,
        status: Status,
        sdp: Option<Bytes>,
    ) -> Result<(), CommandError> {
        let server = self.offered(id)?;
        let has_sdp = sdp.is_some();
        let Some(provisionals) = &mut self.dialog(id)?.provisionals else {
            self.respond_in_dialog(now, server, status, (sdp, None));
            return Ok(());
        };
        if provisionals.is_answered() {
            return Err(CommandError::WrongState);
        }
        if !provisionals.is_reliable(has_sdp) {
            self.respond_in_dialog(now, server, status, (sdp, None));
        } else if provisionals.sent.is_some() {
            provisionals.wait(status, sdp);
        } else if provisionals.may_be() {
            let sdp = sdp.filter(|_| !provisionals.agreed);
            let (rseq, has_sdp) = (provisionals.next(), sdp.is_some());
            let response = self.respond_in_dialog(now, server, status, (sdp, Some(rseq)));
            if let (Some(response), Some(made)) = (response, &mut self.dialog(id)?.provisionals) {
                made.sent(now, response, has_sdp);
            }
            self.await_prack(id);
        }
        Ok(())
    }

    fn await_prack(&mut self, id: DialogId) {
        let held = self.dialogs.get(&id).filter(|held| matches!(held.state, State::Offered { .. }));
        let sent = held.and_then(|held| held.provisionals.as_ref()?.sent.as_ref());
        let deadline = sent.map(|sent| sent.backoff.deadline());
        self.timers.set(Owner::Prack(id), deadline);
    }

    /// A PRACK is late.
    pub(super) fn prack_timeout(&mut self, now: Time, id: DialogId) {
        let Ok(server) = self.offered(id) else { return };
        let reply = self.invite_servers.get(&server).map(|entry| entry.template.reply.flow);
        let held = self.dialogs.get_mut(&id);
        let sent = held.and_then(|held| held.provisionals.as_mut()?.sent.as_mut());
        let Some((sent, reply)) = sent.zip(reply) else { return };
        match sent.backoff.due(now) {
            Due::Nothing => {}
            Due::Retransmit => {
                let response = sent.response.clone();
                self.transmit(reply, response);
            }
            Due::GiveUp => {
                let status = Status::SERVER_TIMEOUT;
                self.respond_rejection(now, server, status, Rejection::new(status));
                let (by, kind) = (Ender::Timeout, EndKind::NoAck);
                let q850 = cause::cause_of(status);
                return self.end(id, Ended { by, kind, status: Some(status), q850 });
            }
        }
        self.await_prack(id);
    }

    /// PRACK of the caller.
    pub(super) fn receive_prack(
        &mut self,
        now: Time,
        id: DialogId,
        key: ServerKey,
        mut request: Request,
    ) {
        let Some(held) = self.dialogs.get(&id) else { return };
        if held.undecided.as_ref().is_some_and(|waits| waits.is(&key)) {
            return self.drop_for(Dropped::Repeated);
        }
        let rack = RAck::read(&request.message.headers);
        let awaits = |rack| held.provisionals.as_ref().is_some_and(|made| made.awaits(rack));
        if !rack.is_some_and(awaits) {
            return self.refuse_no_dialog(&request.template);
        }
        let Some(offer) = self.check_offer(&mut request) else { return };
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        let tag = held.path.local_tag.clone();
        let early = matches!(held.state, State::Offered { .. }) && held.undecided.is_none();
        let Some(made) = &mut held.provisionals else { return };
        // Another offer may come when the first one has its answer (RFC 3262 §5).
        if offer.is_some() && !(early && (made.agreed || made.holds_answer())) {
            return self.refuse_overlap(&request);
        }
        made.acknowledge();
        if offer.is_some() {
            held.undecided = Some(Box::new(Undecided::prack(key, request)));
            self.emit(Event::Reinvite { dialog: id, offer });
        } else {
            self.respond_final(now, (Method::Prack, key), &request, Status::OK, &tag);
        }
        self.await_prack(id);
        self.send_waiting(now, id);
    }

    /// Sends what waited for a PRACK. An answer waits on where an offer has to be answered first.
    pub(super) fn send_waiting(&mut self, now: Time, id: DialogId) {
        let Ok(held) = self.dialog(id) else { return };
        let made = held.provisionals.as_mut().filter(|made| made.sent.is_none());
        let result = match made.and_then(|made| made.waiting.take()) {
            None => return,
            Some(Waiting::Progress(status, sdp)) => self.provisional(now, id, status, sdp),
            Some(Waiting::Answer(sdp)) => self.answer(now, id, sdp),
        };
        debug_assert!(result.is_ok(), "the call waits for its answer");
    }
}
