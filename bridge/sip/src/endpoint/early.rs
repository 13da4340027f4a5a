//! UPDATE of a callee that has not answered, in the early dialog of its fork (RFC 3311 §5.2): it
//! moves, or changes what a reliable response has described.

use bytes::Bytes;
use partyline_model::Time;

use super::Endpoint;
use super::in_dialog::{OFFERS, REQUESTS};
use super::receive::Request;
use super::update::Undecided;
use crate::counters::Dropped;
use crate::dialog::{Contact, State};
use crate::event::{DialogId, Event};
use crate::message::{Method, Status};
use crate::transaction::{RequestId, ServerKey};

impl Endpoint {
    /// A request of no dialog that is up: an UPDATE may be of one that is early.
    pub(super) fn receive_early(
        &mut self,
        now: Time,
        method: &Method,
        key: ServerKey,
        mut request: Request,
    ) {
        let Some((id, invite)) = self.find_early(&request).filter(|_| *method == Method::Update)
        else {
            return self.refuse_no_dialog(&request.template);
        };
        let tag: Box<str> = request.envelope.from.tag().unwrap_or_default().into();
        let path = self.fork(invite, &tag).map(|fork| &fork.path);
        if !path.is_some_and(|path| self.speaks_for(path, &request)) {
            return self.refuse_foreign(&request);
        }
        let fits = self.shares.fits(request.source().ip(), self.size_of(&request, &key));
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        if held.undecided.as_ref().is_some_and(|waits| waits.is(&key)) {
            return self.drop_for(Dropped::Repeated);
        }
        let busy = held.undecided.is_some();
        let on_time = if request.message.body.is_empty() {
            held.requests.take(now, REQUESTS)
        } else {
            held.offers.take(now, OFFERS)
        };
        let Some(fork) = self.fork_mut(invite, &tag) else { return };
        let cseq = request.envelope.cseq.number;
        if fork.path.remote_cseq.is_some_and(|last| cseq < last) {
            let (reason, phrase) = (Dropped::Misdirected, Some("CSeq Out Of Order"));
            return self.refuse(&request.template, reason, Status::SERVER_ERROR, phrase);
        }
        if !on_time || !fits {
            return self.drop_for(if on_time { Dropped::NoShare } else { Dropped::TooOften });
        }
        fork.path.remote_cseq = Some(cseq);
        let agreed = fork.is_agreed;
        let Some(offer) = self.check_offer(&mut request) else { return };
        if offer.is_some() && !agreed {
            // Ours has no answer yet.
            let status = Status::REQUEST_PENDING;
            return self.refuse(&request.template, Dropped::NotOffered, status, None);
        }
        if offer.is_some() && busy {
            return self.refuse_overlap(&request);
        }
        self.take_early(now, (id, invite, tag), (key, request), offer);
    }

    fn take_early(
        &mut self,
        now: Time,
        (id, invite, tag): (DialogId, RequestId, Box<str>),
        (key, request): (ServerKey, Request),
        offer: Option<Bytes>,
    ) {
        let Some(fork) = self.fork_mut(invite, &tag) else { return };
        fork.path.heard_from = Some(request.source());
        if request.flow.connection.is_some() {
            fork.path.flow = Some(request.flow);
        }
        if let Some(target) = Contact::read(&request.message).target() {
            fork.path.target = target;
        }
        let undecided = Undecided::early(key, request, (invite, tag), offer.clone());
        let Some(offer) = offer else { return self.accept_update(now, id, &undecided, None) };
        if let Some(held) = self.dialogs.get_mut(&id) {
            held.undecided = Some(Box::new(undecided));
        }
        self.emit(Event::EarlyOffer { dialog: id, offer });
    }

    /// The call of ours whose early dialog a request names by Call-ID and both tags.
    fn find_early(&self, request: &Request) -> Option<(DialogId, RequestId)> {
        let envelope = &request.envelope;
        let key = (envelope.call_id.clone(), envelope.to.tag()?.into());
        let id = *self.dialog_keys.get(&key)?;
        let State::Calling { request: invite } = self.dialogs.get(&id)?.state else { return None };
        self.fork(invite, envelope.from.tag()?)?;
        Some((id, invite))
    }
}
