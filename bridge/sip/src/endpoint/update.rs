//! UPDATE from the peer (RFC 3311): a change of the session without an INVITE, or a mere refresh.

use bytes::Bytes;
use partyline_model::Time;

use super::Endpoint;
use super::receive::Request;
use super::respond::{Template, add_abilities};
use crate::command::{CommandError, Rejection};
use crate::counters::Dropped;
use crate::dialog::{Contact, Renegotiation, State};
use crate::event::{DialogId, Event};
use crate::message::{Message, Name, Status};
use crate::session_timer::TimersAsked;
use crate::transaction::{RequestId, ServerKey};

/// A request of the peer, other than INVITE, that waits for the node's decision.
#[derive(Debug)]
pub(crate) struct Undecided {
    key: ServerKey,
    template: Template,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Update,
    Prack,
    /// An UPDATE of the fork of a call that has not answered, and what it offers.
    Early {
        invite: RequestId,
        tag: Box<str>,
        offer: Option<Bytes>,
    },
}

impl Undecided {
    fn update(key: ServerKey, request: Request) -> Self {
        Self { key, template: request.template, kind: Kind::Update }
    }

    pub(super) fn prack(key: ServerKey, request: Request) -> Self {
        Self { key, template: request.template, kind: Kind::Prack }
    }

    pub(super) fn early(
        key: ServerKey,
        request: Request,
        (invite, tag): (RequestId, Box<str>),
        offer: Option<Bytes>,
    ) -> Self {
        Self { key, template: request.template, kind: Kind::Early { invite, tag, offer } }
    }

    /// Whether this is the request with `key`.
    pub(super) fn is(&self, key: &ServerKey) -> bool {
        self.key == *key
    }
}

impl Endpoint {
    /// An UPDATE within a dialog.
    pub(super) fn receive_update(
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
        let asked = TimersAsked::read(&request.message.headers);
        if let Some(refused) = held.session.refusal(&asked) {
            return self.refuse_session(&request, refused);
        }
        let Some(offer) = self.check_offer(&mut request) else { return };
        if offer.is_some() && !self.may_change(id, &request) {
            return;
        }
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        if let Some(target) = Contact::read(&request.message).target() {
            held.path.target = target;
        }
        held.path.heard_from = Some(request.source());
        held.session.ask(asked);
        held.session.heed_allow(&request.message.headers);
        held.session.set_updates(true);
        let undecided = Undecided::update(key, request);
        if offer.is_some() {
            held.undecided = Some(Box::new(undecided));
            self.emit(Event::Reinvite { dialog: id, offer });
        } else {
            self.accept_update(now, id, &undecided, None);
        }
    }

    /// Whether the peer may offer a change now; answers if not (RFC 3311 §5.2).
    fn may_change(&mut self, id: DialogId, request: &Request) -> bool {
        let Some(held) = self.dialogs.get(&id) else { return false };
        match &held.state {
            _ if held.undecided.is_some() => {}
            State::Confirmed(Renegotiation::Idle) => return true,
            // A reliable response has answered the offer of the INVITE.
            State::Offered { .. } if held.provisionals.as_ref().is_some_and(|made| made.agreed) => {
                return true;
            }
            // Glare: an offer of ours has no answer yet.
            State::Confirmed(Renegotiation::Ours { .. }) => {
                let status = Status::REQUEST_PENDING;
                self.refuse(&request.template, Dropped::NotOffered, status, None);
                return false;
            }
            State::Offered { .. }
            | State::Answered(_)
            | State::HangingUp { .. }
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Confirmed(_)
            | State::Leaving => {}
        }
        self.refuse_overlap(request);
        false
    }

    /// Agrees to what waits; in a call that is up, [`Event::Confirmed`] follows at once, since no
    /// ACK does.
    pub(super) fn accept_undecided(
        &mut self,
        now: Time,
        id: DialogId,
        sdp: Bytes,
    ) -> Result<(), CommandError> {
        let held = self.dialog(id)?;
        let early = matches!(held.state, State::Offered { .. });
        let waits = held.undecided.take().ok_or(CommandError::WrongState)?;
        match &waits.kind {
            Kind::Update => self.accept_update(now, id, &waits, Some(sdp)),
            Kind::Prack => self.respond_for_good(
                now,
                id,
                (&waits.key, &waits.template),
                Status::OK,
                |message| {
                    message.set_body("application/sdp", sdp);
                },
            ),
            Kind::Early { invite, tag, offer } => {
                self.accept_update(now, id, &waits, Some(sdp));
                self.renew_fork(*invite, tag, offer.as_deref());
                return Ok(());
            }
        }
        if early {
            self.send_waiting(now, id);
        } else {
            self.emit(Event::Confirmed { dialog: id, sdp: None });
        }
        Ok(())
    }

    /// Declines what waits, if something does.
    pub(super) fn reject_undecided(&mut self, now: Time, id: DialogId, rejection: Rejection) {
        let waits = self.dialogs.get_mut(&id).and_then(|held| held.undecided.take());
        let Some(waits) = waits else { return };
        let status = rejection.failure();
        let agent = self.agent();
        self.respond_for_good(now, id, (&waits.key, &waits.template), status, |message| {
            rejection.dress(status, &agent, message);
        });
    }

    pub(super) fn accept_update(
        &mut self,
        now: Time,
        id: DialogId,
        waits: &Undecided,
        sdp: Option<Bytes>,
    ) {
        let contact = self.contact(waits.template.flow, waits.template.sips);
        let mut granted = Message::response(Status::OK);
        self.grant_session(now, id, &mut granted.headers);
        let extensions = self.extensions_in(id);
        self.respond_for_good(now, id, (&waits.key, &waits.template), Status::OK, |message| {
            message.headers.add(Name::Contact, contact);
            add_abilities(message, extensions);
            for (name, value) in granted.headers.iter() {
                message.headers.push(name.clone(), value.clone());
            }
            if let Some(sdp) = sdp {
                message.set_body("application/sdp", sdp);
            }
        });
    }

    /// Answers what waits within a dialog for good, and keeps the answer for repetitions.
    pub(super) fn respond_for_good(
        &mut self,
        now: Time,
        id: DialogId,
        (key, template): (&ServerKey, &Template),
        status: Status,
        dress: impl FnOnce(&mut Message),
    ) {
        let Some(held) = self.dialogs.get(&id) else { return };
        let tag = held.path.local_tag.clone();
        let mut message = template.respond(status, &tag);
        dress(&mut message);
        let bytes = Bytes::from(message.to_bytes());
        let names = (key.clone(), tag);
        self.keep_answered(now, names, (template.flow, status), Some(bytes.clone()));
        self.transmit(template.reply.flow, bytes);
    }
}
