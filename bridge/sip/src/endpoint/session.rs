//! Sessions that are kept alive (RFC 4028): refreshes of ours, and what ends a call whose peer does
//! not refresh.

use std::time::Duration;

use bytes::Bytes;
use partyline_model::Time;

use super::outgoing::Purpose;
use super::outside::Outcome;
use super::receive::Request;
use super::respond::add_abilities;
use super::{Endpoint, Owner};
use crate::admission::Limits;
use crate::command::CommandError;
use crate::counters::Dropped;
use crate::dialog::{Contact, Renegotiation, State};
use crate::event::{DialogId, EndKind, Ended, Ender, Event};
use crate::extensions::Extensions;
use crate::flow::Flow;
use crate::message::{Headers, Message, Method, Name, Status};
use crate::session_timer::{Refused, SessionDue, retry_after};
use crate::transaction::RequestId;

/// Q.850 cause 102, recovery on timer expiry.
const TIMER_EXPIRY: u8 = 102;

impl Endpoint {
    /// The extensions that are spoken in a call.
    pub(super) fn extensions_in(&self, id: DialogId) -> Extensions {
        let extensions = self.dialogs.get(&id).map(|held| held.extensions);
        extensions.unwrap_or(self.config.extensions)
    }

    /// The extensions that are spoken with whoever sent a request.
    pub(super) fn extensions_with(&self, request: &Request) -> Extensions {
        let held = self.find_dialog(request).and_then(|id| self.dialogs.get(&id));
        let of_source = || request.limits.map(|limits| self.extensions_of(&limits, request.flow));
        let known = held.map(|held| held.extensions).or_else(of_source);
        known.unwrap_or(self.config.extensions)
    }

    /// Those that are spoken with a source of these limits in a call by `flow`.
    pub(super) fn extensions_of(&self, limits: &Limits, flow: Flow) -> Extensions {
        let extensions = limits.extensions.unwrap_or(self.config.extensions);
        let proves = extensions.takeovers && flow.proves(limits.trunk);
        Extensions { takeovers: proves || self.asks(Some(limits)), ..extensions }
    }

    /// Refuses a request for what it says of session timers.
    pub(super) fn refuse_session(&mut self, request: &Request, refused: Refused) {
        let (reason, status) = (Dropped::NotOffered, refused.status());
        self.drop_for(reason);
        // A 422 refuses nobody: the caller asks again with what it says.
        if request.template.opens_call() && status != Status::SESSION_INTERVAL_TOO_SMALL {
            self.tell_refusal(&request.template, reason, status, None);
        }
        self.respond_stateless(&request.template, status, |message| {
            refused.dress(&mut message.headers);
        });
    }

    /// Adds what a 2xx to the peer says of session timers, and winds ours up.
    pub(super) fn grant_session(&mut self, now: Time, id: DialogId, headers: &mut Headers) {
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        if matches!(held.state, State::Confirmed(_) | State::Offered { .. }) {
            held.session.grant(now, headers);
            self.timers.set(Owner::Session(id), held.session.deadline());
        }
    }

    /// Heeds what a 2xx of the peer says of session timers.
    pub(super) fn heed_session(&mut self, now: Time, id: DialogId, headers: &Headers) {
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        held.session.heed_allow(headers);
        held.session.granted(now, headers);
        self.timers.set(Owner::Session(id), held.session.deadline());
    }

    /// A call has to be refreshed, or given up.
    pub(super) fn session_timeout(&mut self, now: Time, id: DialogId) {
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        let due = held.session.take_due(now);
        let (up, updates) = (matches!(held.state, State::Confirmed(_)), held.session.updates());
        let idle = matches!(held.state, State::Confirmed(Renegotiation::Idle));
        match due {
            SessionDue::Nothing => {}
            // The ACK is awaited: that ends the call, or makes it one.
            SessionDue::Refresh | SessionDue::Expired if !up => held.session.put_off(now),
            SessionDue::Expired => return self.expire(now, id, None),
            SessionDue::Refresh if updates => {
                held.session.refresh();
                self.send_update(now, id, None);
            }
            SessionDue::Refresh if idle => {
                held.session.refresh();
                self.emit(Event::Refresh { dialog: id });
            }
            SessionDue::Refresh => held.session.put_off(now),
        }
        let deadline = self.dialogs.get(&id).and_then(|held| held.session.deadline());
        self.timers.set(Owner::Session(id), deadline);
    }

    /// Nobody keeps the session alive: BYE (RFC 4028 §10).
    fn expire(&mut self, now: Time, id: DialogId, status: Option<Status>) {
        let (by, kind) = (Ender::Timeout, EndKind::Expired);
        self.report_end(id, Ended { by, kind, status, q850: Some(TIMER_EXPIRY) });
        self.send_bye(now, id, Some(TIMER_EXPIRY));
    }

    /// Changes the session by UPDATE, with an offer, or refreshes it, without (RFC 3311 §5.1).
    /// [`Event::Reinvited`] tells what became of an offer.
    ///
    /// # Errors
    /// [`CommandError::WrongState`] unless the call is up, and for an offer while a change is under
    /// way.
    pub fn update(
        &mut self,
        now: Time,
        dialog: DialogId,
        offer: Option<Bytes>,
    ) -> Result<(), CommandError> {
        let held = self.dialog(dialog)?;
        let idle = held.undecided.is_none() || offer.is_none();
        match held.state {
            State::Confirmed(Renegotiation::Idle) if idle => {}
            State::Confirmed(_) if offer.is_none() => {}
            State::Offered { .. }
            | State::Answered(_)
            | State::HangingUp { .. }
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Confirmed(_)
            | State::Leaving => return Err(CommandError::WrongState),
        }
        let changes = offer.is_some();
        let request = self.send_update(now, dialog, offer);
        if let Some(request) = request.filter(|_| changes) {
            self.set_state(dialog, State::Confirmed(Renegotiation::Ours { request }));
        }
        Ok(())
    }

    fn send_update(&mut self, now: Time, id: DialogId, offer: Option<Bytes>) -> Option<RequestId> {
        let agent = self.config.user_agent.clone();
        let held = self.dialogs.get_mut(&id)?;
        let extensions = held.extensions.without_progress();
        held.path.next_cseq();
        let path = held.path.clone();
        let mut wish = Headers::default();
        held.session.wish(&mut wish);
        let carried = self.along(path, Purpose::Update(id));
        Some(self.submit(now, carried, Method::Update, |message| {
            // Which address that is depends on the way.
            message.headers.add(Name::Contact, "");
            add_abilities(message, extensions);
            message.headers.extend(&wish);
            if let Some(agent) = agent {
                message.headers.add(Name::UserAgent, agent);
            }
            if let Some(offer) = offer {
                message.set_body("application/sdp", offer);
            }
        }))
    }

    /// An UPDATE of ours has its final response, or will get none.
    pub(super) fn update_ended(
        &mut self,
        now: Time,
        request: RequestId,
        id: DialogId,
        outcome: Outcome,
    ) {
        let (status, mut message) = match outcome {
            Outcome::Response(status, message) => (status, message),
            Outcome::Nothing(_) => {
                return self.update_refused(now, request, id, (Status::REQUEST_TIMEOUT, None));
            }
        };
        if self.dialog(id).is_err() {
            return;
        }
        if !status.is_success() {
            return self.update_refused(now, request, id, (status, retry_after(&message.headers)));
        }
        self.heed_session(now, id, &message.headers);
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        if let Some(target) = Contact::read(&message).target() {
            held.path.target = target;
        }
        if held.state.offers_by(request) {
            let sdp = message.take_sdp().unwrap_or(None);
            self.set_state(id, State::Confirmed(Renegotiation::Idle));
            self.emit(Event::Reinvited { dialog: id, result: Ok(sdp) });
        }
    }

    /// An UPDATE of ours was refused or, by 408, never answered.
    fn update_refused(
        &mut self,
        now: Time,
        request: RequestId,
        id: DialogId,
        (status, after): (Status, Option<Duration>),
    ) {
        let Some(held) = self.dialogs.get_mut(&id).filter(|held| !held.state.has_ended()) else {
            return;
        };
        let offered = held.state.offers_by(request);
        if matches!(status, Status::REQUEST_TIMEOUT | Status::NO_SUCH_DIALOG) {
            return self.expire(now, id, Some(status));
        }
        if matches!(status, Status::METHOD_NOT_ALLOWED | Status::NOT_IMPLEMENTED) {
            held.session.set_updates(false);
            self.refresh_refused(now, id, Some(Duration::ZERO));
        } else {
            self.refresh_refused(now, id, after.filter(|_| status != Status::REQUEST_PENDING));
        }
        if status == Status::REQUEST_PENDING {
            self.refresh_after_glare(now, id);
        }
        if offered {
            self.set_state(id, State::Confirmed(Renegotiation::Idle));
            self.emit(Event::Reinvited { dialog: id, result: Err(status) });
        }
    }

    /// The peer refused a request that was to refresh: it is there, and is asked again.
    pub(super) fn refresh_refused(&mut self, now: Time, id: DialogId, pause: Option<Duration>) {
        let Some(held) = self.dialogs.get_mut(&id) else { return };
        held.session.refused(now, pause);
        self.timers.set(Owner::Session(id), held.session.deadline());
    }

    /// Changes of both sides have crossed: who made the Call-ID waits longer
    /// (RFC 3261 §14.1).
    pub(super) fn refresh_after_glare(&mut self, now: Time, id: DialogId) {
        let tens = u64::try_from(self.random.next_u128() % 200).unwrap_or_default();
        let Some(held) = self.dialogs.get(&id) else { return };
        let pause = if held.placed { 2100 + tens * 19 / 2 } else { tens * 10 };
        self.refresh_refused(now, id, Some(Duration::from_millis(pause)));
    }

    /// Answers a 422 by asking again, once, for an interval that is long enough (RFC 4028 §7.3);
    /// `false` when it was asked for already.
    pub(super) fn answer_too_small(
        &mut self,
        now: Time,
        request: RequestId,
        status: Status,
        response: &Message,
    ) -> bool {
        if status != Status::SESSION_INTERVAL_TOO_SMALL || !self.is_wanted(request) {
            return false;
        }
        let Some(outgoing) = self.outgoing.get_mut(&request) else { return false };
        let (Purpose::Dial(id) | Purpose::Reinvite(id) | Purpose::Update(id)) = outgoing.purpose
        else {
            return false;
        };
        let Some(held) = self.dialogs.get_mut(&id) else { return false };
        if std::mem::replace(&mut outgoing.lengthened, true)
            || !held.session.lengthen(&response.headers)
        {
            return false;
        }
        let mut wish = Headers::default();
        held.session.wish(&mut wish);
        outgoing.replace_headers(&[Name::SessionExpires, Name::MinSe, Name::Require], &wish);
        self.send_again(now, request);
        true
    }
}
