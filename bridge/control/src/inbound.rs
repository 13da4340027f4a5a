//! Calls that come in, and what both kinds of call share in their dialogs.

use bytes::Bytes;
use partyline_cdr_record::Presentation;
use partyline_conference::{DialogNames, Input, Offered};
use partyline_media::Signalling;
use partyline_model::{AudioId, CallId, Digit, Direction, Number, Time};
use partyline_sip::message::Status;
use partyline_sip::sdp::{Scope, Session, Terms};
use partyline_sip::{
    DialogId, Dropped, EndKind as SipEndKind, Ended as SipEnded, Event, Hangup, Identity, Incoming,
    Presentation as SipPresentation, RefusedRequest, Rejection,
};

use crate::call_map::{Attempts, Call, Stage};
use crate::config::{SourceKind, Trunk};
use crate::description::unsuitable;
use crate::limits::Way;
use crate::node::{Node, Refused, or_ended};
use crate::outcome;
use crate::refusals::Cause;

/// Ports tried for a leg before its call is turned away: more than that are not occupied by other
/// programs by accident.
const PORT_ATTEMPTS: Attempts = Attempts(8);

impl Node {
    /// Takes in what the SIP endpoint reports.
    pub(crate) fn sip_event(&mut self, now: Time, event: Event) {
        match event {
            Event::Invite(incoming) => {
                self.trace_call(&incoming);
                self.invited(now, incoming);
            }
            Event::Ringing { dialog, .. } => self.callee_rings(now, dialog),
            Event::Answered { dialog, described } => {
                self.spare_far_end(now, dialog);
                self.answered(now, dialog, described);
            }
            Event::EarlyOffer { dialog, offer } => self.early_offer(now, dialog, &offer),
            Event::Terms { dialog, terms } => self.terms_of_refusal(now, dialog, &terms),
            Event::Confirmed { dialog, sdp } => {
                self.spare_far_end(now, dialog);
                self.confirmed(now, dialog, sdp.as_deref());
            }
            Event::Reinvite { dialog, offer } => self.reinvited(now, dialog, offer.as_deref()),
            Event::Refresh { dialog } => self.refresh(now, dialog),
            Event::Reinvited { dialog, result } => {
                // The far end lives, whatever it says to the offer.
                if let (Some(id), Ok(sdp)) = (self.calls.by_dialog(dialog), result) {
                    self.take_answer(now, id, sdp.as_deref());
                }
            }
            Event::Subscribed { dialog, subscription } => {
                self.subscribed(now, dialog, subscription);
            }
            Event::Unsubscribed { dialog, subscription: _ } => {
                if let Some(call) = self.calls.by_dialog(dialog) {
                    self.unwatch(call);
                }
            }
            Event::Refer { dialog, referral } => self.referred(now, dialog, &referral),
            Event::Digit { dialog, digit } => {
                if let Some(call) = self.calls.by_dialog(dialog) {
                    self.info_digit(call, digit);
                }
            }
            Event::DigitSent { dialog, result } => self.digit_sent(now, dialog, result),
            Event::Ended { dialog, ended } => {
                self.trace_ended(now, dialog);
                self.ended(now, dialog, ended);
            }
            Event::Refused(refused) => self.refused_early(now, refused),
            Event::Suspect { flow, what } => self.suspect(now, flow, what),
            Event::Responded { token, result } => self.trunk_responded(now, token, result),
        }
    }

    fn invited(&mut self, now: Time, mut incoming: Box<Incoming>) {
        let source = incoming.flow.remote.ip();
        let Some(trunk) = self.place_of(&incoming) else {
            // It answers for calls out, and brings none in.
            let cause = Cause::Endpoint(Dropped::Stranger, None);
            self.say_refused(now, source, Status::FORBIDDEN.code(), cause);
            let rejection = Status::FORBIDDEN.into();
            return self.turn_away(now, incoming.dialog, Refused::UnknownSource, rejection);
        };
        let terms = self.config.trunks.get(trunk);
        let terms = terms.map(|trunk| (trunk.srtp, trunk.srtp_keys, trunk.sound.clone()));
        let (srtp, srtp_keys, sound) = terms.unwrap_or_default();
        let to = self.named_in_to(trunk, &incoming);
        self.name_callee(trunk, &mut incoming);
        if self.is_our_own(&incoming.sip_call_id) {
            let status = Status::LOOP_DETECTED;
            let source = incoming.flow.remote.ip();
            self.say_refused(now, source, status.code(), Cause::CallFlow(status.code()));
            return self.turn_away(now, incoming.dialog, Refused::Loop, status.into());
        }
        let claim = match self.claim_of(trunk, &incoming) {
            Ok(claim) => claim,
            Err(why) => return self.refuse_claim(now, &incoming, why),
        };
        if let Some(limit) = self.trunk_limit(now, trunk, Way::In) {
            let code = self.config.trunks.get(trunk).map(|trunk| trunk.reject.over_limit.get());
            let status = code.and_then(Status::new).unwrap_or(Status::SERVICE_UNAVAILABLE);
            self.say_refused(now, source, status.code(), Cause::TrunkLimit(limit));
            return self.turn_away(now, incoming.dialog, Refused::TrunkLimit, status.into());
        }
        let end = self.associations.end(srtp, srtp_keys);
        let near = self.config.media.near(source);
        let terms = |at| Terms { dtls: end.as_ref(), met: Some(source), ..sound.terms(at, srtp) };
        let (media_address, offer) =
            match self.read_moving_offer(near, incoming.offer.as_deref(), terms) {
                Ok(read) => read,
                Err(error) => {
                    self.say_refused(now, source, error.status(), Cause::Description(error));
                    let rejection = unsuitable(error);
                    return self.turn_away(now, incoming.dialog, Refused::Description, rejection);
                }
            };
        let callees = self.signed_callees(trunk, &incoming, &to);
        let (known, signed_for) = self.look_into(now, trunk, &mut incoming, &callees);
        if self.refused_for(now, trunk, &incoming, &known) {
            return;
        }
        // A carrier that asks who calls asks within its own calls to us as well.
        if let Some(login) = self.config.trunks.get(trunk).and_then(|trunk| trunk.login.clone()) {
            self.endpoint.set_login(incoming.dialog, login);
        }
        let id = self.calls.next_inbound();
        self.use_trunk(now, id, trunk, Way::In);
        let session_id = u64::from(self.random_u32());
        let dialog = Some(incoming.dialog);
        let welcome = self.welcome(trunk, &incoming);
        let srtp = self.own_srtp(srtp, srtp_keys);
        let sip_call_id = incoming.sip_call_id.clone();
        let waits = self.waits_for_verdict(trunk, (&known, signed_for));
        let call = Call::new(dialog, Stage::Unverified(incoming), (session_id, media_address));
        let call = Call { trunk: Some(trunk), claim, welcome, offer, srtp, signed_for, ..call };
        self.calls.insert(id, call);
        if !waits {
            self.go_on(now, id);
        }
        self.note_known(now, id, &sip_call_id, known);
    }

    /// A call that is [`Stage::Unverified`], and that its signature keeps from nothing, gets its ports.
    pub(crate) fn go_on(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if let Stage::Unverified(incoming) = std::mem::replace(&mut call.stage, Stage::Up) {
            call.stage = Stage::Opening(incoming, PORT_ATTEMPTS);
        }
        self.open_ports(now, id);
    }

    pub(crate) fn turn_away(
        &mut self,
        now: Time,
        dialog: DialogId,
        reason: Refused,
        rejection: Rejection,
    ) {
        self.refuse(reason);
        or_ended(&mut self.command_errors, self.endpoint.reject(now, dialog, rejection));
    }

    /// The endpoint refused a request of which there is no call.
    fn refused_early(&mut self, now: Time, refused: RefusedRequest) {
        let RefusedRequest { flow, status, reason, phrase } = refused;
        if reason == Dropped::Stranger {
            self.refuse(Refused::UnknownSource);
        }
        self.say_refused(now, flow.remote.ip(), status.code(), Cause::Endpoint(reason, phrase));
    }

    /// The trunk that a call in belongs to.
    fn trunk_of(&self, id: CallId) -> Option<&Trunk> {
        self.config.trunks.get(self.calls.get(id)?.trunk?)
    }

    /// The clip that welcomes callers of a dial-in number with a brand.
    fn welcome(&self, trunk: usize, incoming: &Incoming) -> Option<AudioId> {
        let brand = self.dial_in(trunk, incoming)?.welcome.as_ref()?;
        self.config.brands.get(brand).copied()
    }

    /// The ports of a call are bound.
    pub(crate) fn ports_open(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        match std::mem::replace(&mut call.stage, Stage::Up) {
            Stage::Opening(incoming, _) => {
                let offer = call.offer.as_ref().map(|offer| offer.negotiated().direction);
                let expects_media = offer.is_none_or(Direction::receives);
                let offered = self.offered(id, &incoming, expects_media);
                let allowed = self.trunk_of(id).is_some_and(|trunk| trunk.uri_passcode);
                let pin = allowed && incoming.pin.is_some();
                let claim = self.calls.get_mut(id).and_then(|call| {
                    call.stage = Stage::Offered(incoming);
                    call.claim.take()
                });
                let (call, offered) = (id, Box::new(offered));
                // Who claims a place is asked for no passcode.
                let pin = pin && claim.is_none();
                let input = match claim {
                    Some(claim) => Input::Claimed { call, offered, claim },
                    None => Input::Offered { call, offered },
                };
                self.bridge.handle(now, input);
                if pin {
                    self.type_pin(now, id);
                }
            }
            Stage::Reserving(dialling, _) => self.invite(now, id, dialling),
            stage @ (Stage::Unverified(_)
            | Stage::Offered(_)
            | Stage::Dialling(_)
            | Stage::AwaitingAnswer
            | Stage::Up) => {
                call.stage = stage;
            }
        }
    }

    /// A passcode in the dialled URI is typed ahead, as if by hand. Only the digits stay in it.
    fn type_pin(&mut self, now: Time, id: CallId) {
        let Some(Call { stage: Stage::Offered(incoming), .. }) = self.calls.get_mut(id) else {
            return;
        };
        let Some(pin) = incoming.pin.take() else { return };
        let typed = pin.digits().chain([Digit::POUND]);
        for digit in typed {
            self.bridge.handle(now, Input::Digit { call: id, digit });
        }
    }

    fn offered(&self, id: CallId, incoming: &Incoming, expects_media: bool) -> Offered {
        let trunk = self.trunk_of(id);
        let trusted = trunk.is_some_and(|trunk| trunk.trusted);
        let user = incoming.user.as_deref().and_then(|name| self.number_of_user(name));
        let signed_for = self.calls.get(id).and_then(|call| call.signed_for);
        let shown = || trunk.and_then(|trunk| caller(trunk, incoming));
        let ani = user.or(signed_for).or_else(shown);
        let ani_presentation = match (incoming.presentation, ani) {
            // Nobody in From, and a number that the network knows: the caller did not show it.
            (SipPresentation::Restricted, _) | (SipPresentation::Unavailable, Some(_)) => {
                Presentation::Restricted
            }
            (SipPresentation::Allowed, Some(_)) => Presentation::Allowed,
            (SipPresentation::Allowed | SipPresentation::Unavailable, None) => {
                Presentation::Unavailable
            }
        };
        let place = self.calls.get(id).and_then(|call| call.trunk);
        Offered {
            dnis: place.and_then(|place| self.dialled_number(place, incoming)),
            dnis_raw: incoming.dnis_raw.clone(),
            ani,
            ani_believed: user.is_some() || trusted && ani.is_some(),
            ani_presentation,
            ani_attest: self.calls.get(id).and_then(|call| call.attest),
            dialog: DialogNames {
                sip_call_id: incoming.sip_call_id.clone(),
                from_tag: incoming.from_tag.clone().unwrap_or_default(),
                to_tag: self
                    .endpoint
                    .names(incoming.dialog)
                    .map_or_else(String::new, |n| n.local_tag),
            },
            trunk: trunk.map_or(0, |trunk| trunk.id),
            phone: trunk
                .filter(|trunk| trunk.kind == SourceKind::Phones)
                .map(|_| incoming.flow.remote.ip().to_canonical()),
            expects_media,
            codes: trunk.map(|trunk| trunk.reject.codes).unwrap_or_default(),
        }
    }

    /// The ports of a call are occupied by another program.
    pub(crate) fn port_taken(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let left = match &mut call.stage {
            Stage::Opening(_, attempts) | Stage::Reserving(_, attempts) => {
                attempts.0 = attempts.0.saturating_sub(1);
                attempts.0
            }
            Stage::Unverified(_)
            | Stage::Offered(_)
            | Stage::Dialling(_)
            | Stage::AwaitingAnswer
            | Stage::Up => return,
        };
        if left == 0 { self.no_port(now, id) } else { self.open_ports(now, id) }
    }

    pub(crate) fn open_ports(&mut self, now: Time, id: CallId) {
        match self.ports.take(id, &mut *self.random) {
            Some(port) => self.bind(id, port),
            None => self.no_port(now, id),
        }
    }

    fn no_port(&mut self, now: Time, id: CallId) {
        self.refuse(Refused::NoPort);
        let Some(call) = self.calls.remove(id) else { return };
        self.usage.end(id);
        self.verifier.take_waiting(id);
        if let Some(token) = &call.token {
            self.verifier.release(token);
        }
        if let Stage::Opening(incoming, _) = &call.stage {
            let status = Status::SERVICE_UNAVAILABLE.code();
            self.say_refused(now, incoming.flow.remote.ip(), status, Cause::NoPort);
        }
        self.ports.release(id);
        match call.dialog {
            Some(dialog) => {
                let rejection = Rejection::new(Status::SERVICE_UNAVAILABLE);
                or_ended(&mut self.command_errors, self.endpoint.reject(now, dialog, rejection));
            }
            None => self.dial_failed(now, id, Status::SERVICE_UNAVAILABLE),
        }
    }

    /// Sends the 200 OK: an answer, or our offer when the INVITE had none.
    pub(crate) fn answer(&mut self, now: Time, id: CallId) {
        let Some(local) = self.local(id) else { return };
        let Some(call) = self.calls.get_mut(id) else { return };
        let Stage::Offered(incoming) = std::mem::replace(&mut call.stage, Stage::Up) else {
            return;
        };
        let offer = call.offer.take();
        let description: Bytes = match &offer {
            Some(offer) => {
                call.session = Session::answered(offer);
                offer.answer(&local).into()
            }
            None => {
                call.stage = Stage::AwaitingAnswer;
                call.session.offer(&local, Scope::All).into()
            }
        };
        call.described.clone_from(&description);
        // It served.
        call.token = None;
        let sent = self.endpoint.answer(now, incoming.dialog, description);
        if or_ended(&mut self.command_errors, sent).is_none() {
            return;
        }
        if let Some(offer) = offer {
            self.run_media(now, id, offer.negotiated(), Signalling::Pending);
        }
    }

    fn confirmed(&mut self, now: Time, dialog: DialogId, sdp: Option<&[u8]>) {
        let Some(id) = self.calls.by_dialog(dialog) else { return };
        let awaited =
            self.calls.get(id).is_some_and(|call| matches!(call.stage, Stage::AwaitingAnswer));
        if awaited && !self.take_answer(now, id, sdp) && !self.is_running(id) {
            // RFC 3261 §13.2.2.4 of the other side: an offer was made and not answered. A call that
            // has its sound already keeps what it had.
            or_ended(
                &mut self.command_errors,
                self.endpoint.hangup(now, dialog, Hangup { q850: Some(INCOMPATIBLE) }),
            );
            return;
        }
        self.acknowledge_media(now, id);
        self.bridge.handle(now, Input::Confirmed { call: id });
    }

    fn ended(&mut self, now: Time, dialog: DialogId, ended: SipEnded) {
        let Some(id) = self.calls.by_dialog(dialog) else { return };
        if let Some(next) = self.next_route(now, id, ended) {
            return self.invite(now, id, next);
        }
        let stage = self.calls.get(id).map(|call| matches!(call.stage, Stage::Dialling(_)));
        let known = !self.calls.get(id).is_some_and(|call| {
            matches!(call.stage, Stage::Unverified(_) | Stage::Opening(..) | Stage::Reserving(..))
        });
        let silent_since = self.calls.get(id).and_then(|call| call.silent_since);
        self.forget(id);
        if stage == Some(true) {
            let status = ended.status.unwrap_or(Status::REQUEST_TIMEOUT);
            self.bridge.handle(now, outcome::dial_failed(id, status, ended.q850));
        } else if known {
            let input = match silent_since {
                Some(since) if ended.kind == SipEndKind::Timeout => {
                    Input::MediaSilent { call: id, since }
                }
                Some(since) if ended.kind == SipEndKind::Expired => {
                    Input::SessionExpired { call: id, since }
                }
                Some(_) | None => Input::Ended { call: id, ended: outcome::ended(ended) },
            };
            self.bridge.handle(now, input);
        }
    }

    /// Refuses a call for the conference core.
    pub(crate) fn reject(&mut self, now: Time, id: CallId, cause: Cause, rejection: Rejection) {
        if let Some(Call { stage: Stage::Offered(incoming), .. }) = self.calls.get(id) {
            let (source, status) = (incoming.flow.remote.ip(), rejection.status.code());
            self.say_refused(now, source, status, cause);
        }
        let dialog = self.calls.get(id).and_then(|call| call.dialog);
        self.forget(id);
        if let Some(dialog) = dialog {
            or_ended(&mut self.command_errors, self.endpoint.reject(now, dialog, rejection));
        }
    }

    pub(crate) fn hang_up(&mut self, now: Time, id: CallId, hangup: Hangup) {
        let dialog = self.calls.get(id).and_then(|call| call.dialog);
        self.forget(id);
        if let Some(dialog) = dialog {
            or_ended(&mut self.command_errors, self.endpoint.hangup(now, dialog, hangup));
        }
    }
}

/// The caller's number, in the first place that has one. A name there, asserted or not, is no number.
pub(crate) fn caller(trunk: &Trunk, incoming: &Incoming) -> Option<Number> {
    let named = |place| incoming.callers.iter().filter(move |caller| caller.identity == place);
    let mut callers = trunk.believed_callers().flat_map(named);
    callers.find_map(|caller| caller.forms.iter().find_map(|form| trunk.numbers.caller(form)))
}

/// The numbers that the network says are the caller's, believed or not: one of a `sip:` URI and one of a
/// `tel:` URI (RFC 3325 §9.1).
pub(crate) fn asserted(trunk: &Trunk, incoming: &Incoming) -> impl Iterator<Item = Number> {
    let named = incoming.callers.iter().filter(|caller| caller.identity == Identity::Asserted);
    let number = |form: &String| trunk.numbers.caller(form);
    named.filter_map(move |caller| caller.forms.iter().find_map(number)).take(2)
}

/// Q.850 cause 88, incompatible destination.
pub(crate) const INCOMPATIBLE: u8 = 88;
