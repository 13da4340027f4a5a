//! The called half of the agent: requests of the far end, from INVITE to BYE.

use std::net::SocketAddr;
use std::time::Duration;

use super::agent::{Agent, FinalKind, HangUp, Ringing, Session, Unacknowledged};
use super::dialog::{Dialog, response_address};
use super::message::{Message, Method, user_of};
use super::transaction::Resend;
use crate::config::Answering;
use crate::log::{Ending, Event};
use crate::sdp::Agreed;

impl Agent {
    /// Takes the incoming call; does nothing when none rings.
    pub(crate) fn answer(&mut self, now: Duration) {
        let session = std::mem::replace(&mut self.session, Session::Idle);
        let Session::Ringing(ringing) = session else {
            self.session = session;
            return;
        };
        let Ringing { dialog, invite, reply_to, early, .. } = *ringing;
        if let Some(early) = early {
            return self.answer_described(now, (reply_to, &invite), dialog, early.agreed);
        }
        let (agreed, body, kind) = match Self::description(&invite) {
            None if invite.body.is_empty() => (None, self.terms.offer(), FinalKind::Offered),
            None => return self.refuse_invite(now, (reply_to, &invite), &dialog, 488),
            Some(offer) => match self.terms.answer(&offer) {
                Some((body, agreed)) => (Some(agreed), body, FinalKind::Accepted),
                None => return self.refuse_invite(now, (reply_to, &invite), &dialog, 488),
            },
        };
        let response = Message::response(&invite, 200, Some(&dialog.local_tag))
            .with("Contact", dialog.contact())
            .with_body("application/sdp", &body);
        self.log(Event::Answered);
        self.final_response(now, (reply_to, &invite), &response, kind);
        self.session = Session::Up { dialog, hang_up: HangUp::No };
        if let Some(agreed) = agreed {
            self.agree(agreed);
        }
    }

    /// Answers a call whose session was described before: the 200 says nothing of it.
    fn answer_described(
        &mut self,
        now: Duration,
        packet: (SocketAddr, &Message),
        dialog: Dialog,
        agreed: Agreed,
    ) {
        let response = Message::response(packet.1, 200, Some(&dialog.local_tag))
            .with("Contact", dialog.contact());
        self.log(Event::Answered);
        self.final_response(now, packet, &response, FinalKind::Accepted);
        self.session = Session::Up { dialog, hang_up: HangUp::No };
        self.agree(agreed);
    }

    /// Refuses the incoming call with a status of 300 to 699; does nothing when none rings.
    pub(crate) fn refuse(&mut self, now: Duration, status: u16) {
        let session = std::mem::replace(&mut self.session, Session::Idle);
        let Session::Ringing(ringing) = session else {
            self.session = session;
            return;
        };
        let Ringing { dialog, invite, reply_to, .. } = *ringing;
        self.refuse_invite(now, (reply_to, &invite), &dialog, status);
    }

    pub(super) fn ringing_is_due(&mut self, now: Duration) {
        // Not before all was acknowledged.
        if let Session::Ringing(ringing) = &mut self.session
            && ringing.early.as_ref().is_some_and(|early| !early.is_done())
        {
            ringing.due = Some(now + Duration::from_millis(20));
            return;
        }
        match self.config.answering {
            Answering::After(_) => self.answer(now),
            Answering::Reject { status, .. } => self.refuse(now, status),
            Answering::RingForever | Answering::TryForever | Answering::Ignore => {
                if let Session::Ringing(ringing) = &mut self.session {
                    ringing.due = None;
                }
            }
        }
    }

    pub(super) fn handle_request(
        &mut self,
        now: Duration,
        source: SocketAddr,
        method: &Method,
        request: &Message,
    ) {
        let reply_to = response_address(request, source);
        match method {
            Method::Ack => self.acknowledged(now, request),
            Method::Cancel => self.cancelled(now, reply_to, request),
            Method::Invite if request.tag_in_to().is_none() => self.called(now, reply_to, request),
            Method::Prack => self.pracked(now, reply_to, request),
            Method::Invite
            | Method::Bye
            | Method::Info
            | Method::Options
            | Method::Update
            | Method::Other(_) => self.inside_or_not(now, reply_to, method, request),
        }
    }

    fn called(&mut self, now: Duration, reply_to: SocketAddr, invite: &Message) {
        if self.config.answering == Answering::Ignore {
            return;
        }
        let tag = self.random.token();
        let own = self.config.sip_address;
        let Some(dialog) = Dialog::called(own, reply_to, invite, tag.clone()) else {
            let response = Message::response(invite, 400, Some(&tag));
            return self.respond(reply_to, invite, &response);
        };
        if !self.is_idle() {
            let response = Message::response(invite, 486, Some(&tag));
            return self.respond(reply_to, invite, &response);
        }
        let caller = invite.header("From").map(user_of).unwrap_or_default().to_owned();
        self.log(Event::InviteReceived { call_id: dialog.call_id.clone(), caller });
        let mut early = None;
        let at_once =
            matches!(self.config.answering, Answering::Reject { after: Duration::ZERO, .. });
        if self.config.answering == Answering::TryForever {
            self.respond(reply_to, invite, &Message::response(invite, 100, None));
        } else if !at_once {
            early = self.describe_early(now, (reply_to, invite), &dialog);
        }
        // A reliable 180 comes after the PRACK.
        let rings = early.as_ref().is_none_or(|early| early.is_done());
        if rings && !at_once && self.config.answering != Answering::TryForever {
            let ringing = Message::response(invite, 180, Some(&tag));
            self.respond(reply_to, invite, &ringing.with("Contact", dialog.contact()));
            self.log(Event::RingingSent);
        }
        let due = match self.config.answering {
            Answering::After(after) | Answering::Reject { after, .. } => Some(now + after),
            Answering::RingForever | Answering::TryForever | Answering::Ignore => None,
        };
        let ringing = Ringing { dialog, invite: invite.clone(), reply_to, due, early };
        self.session = Session::Ringing(Box::new(ringing));
    }

    fn refuse_invite(
        &mut self,
        now: Duration,
        packet: (SocketAddr, &Message),
        dialog: &Dialog,
        status: u16,
    ) {
        let mut response = Message::response(packet.1, status, Some(&dialog.local_tag));
        for (name, value) in &self.config.refusal_headers {
            response = response.with(name, value);
        }
        self.final_response(now, packet, &response, FinalKind::Refused);
        let ending = if status == 487 { Ending::Cancelled } else { Ending::Refused(status) };
        self.end(ending);
    }

    fn final_response(
        &mut self,
        now: Duration,
        packet: (SocketAddr, &Message),
        response: &Message,
        kind: FinalKind,
    ) {
        let (reply_to, invite) = packet;
        self.respond(reply_to, invite, response);
        let cseq = invite.cseq().map_or(0, |(number, _)| number);
        let resend = Resend::bounded(now, reply_to, response.to_bytes());
        let call_id = invite.call_id().to_owned();
        self.unacknowledged = Some(Unacknowledged { call_id, cseq, resend, kind });
    }

    fn acknowledged(&mut self, now: Duration, ack: &Message) {
        let number = ack.cseq().map(|(number, _)| number);
        let same =
            |wait: &Unacknowledged| Some(wait.cseq) == number && wait.call_id == ack.call_id();
        let Some(wait) = self.unacknowledged.take_if(|wait| same(wait)) else { return };
        if wait.kind == FinalKind::Refused {
            return;
        }
        self.log(Event::AckReceived);
        if wait.kind == FinalKind::Offered {
            match Self::description(ack).and_then(|answer| self.terms.accept(&answer)) {
                Some(agreed) => self.agree(agreed),
                None => self.send_bye(now, Ending::ByUs),
            }
        }
        if matches!(self.session, Session::Up { hang_up: HangUp::AfterAck, .. }) {
            self.send_bye(now, Ending::ByUs);
        }
    }

    fn cancelled(&mut self, now: Duration, reply_to: SocketAddr, cancel: &Message) {
        let ours = match &self.session {
            Session::Ringing(ringing) => ringing.invite.branch() == cancel.branch(),
            Session::Idle | Session::Calling { .. } | Session::Up { .. } => false,
        };
        let status = if ours { 200 } else { 481 };
        let tag = self.random.token();
        self.respond(reply_to, cancel, &Message::response(cancel, status, Some(&tag)));
        if ours {
            self.log(Event::CancelReceived);
            self.refuse(now, 487);
        }
    }

    fn inside_or_not(
        &mut self,
        now: Duration,
        reply_to: SocketAddr,
        method: &Method,
        request: &Message,
    ) {
        let tag = self.random.token();
        let number = request.cseq().map_or(0, |(number, _)| number);
        let fresh = match &mut self.session {
            Session::Up { dialog, .. } if dialog.owns_request(request) => dialog.take_cseq(number),
            Session::Idle | Session::Calling { .. } | Session::Ringing(_) | Session::Up { .. } => {
                // Outside of a call a phone answers OPTIONS; the rest has no business here.
                let status = match method {
                    Method::Options => 200,
                    Method::Bye
                    | Method::Info
                    | Method::Update
                    | Method::Prack
                    | Method::Invite => 481,
                    Method::Ack | Method::Cancel | Method::Other(_) => 405,
                };
                let response = Message::response(request, status, Some(&tag))
                    .with("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE");
                return self.respond(reply_to, request, &response);
            }
        };
        if !fresh {
            return self.respond(reply_to, request, &Message::response(request, 500, None));
        }
        match method {
            Method::Bye => {
                self.respond(reply_to, request, &Message::response(request, 200, None));
                self.log(Event::ByeReceived);
                self.end(Ending::ByThem);
            }
            Method::Invite | Method::Update => self.changed(now, reply_to, request),
            Method::Info => {
                self.respond(reply_to, request, &Message::response(request, 200, None));
                self.log(Event::InfoReceived);
            }
            Method::Other(name) if name == "NOTIFY" => {
                self.respond(reply_to, request, &Message::response(request, 200, None));
                let state = request.header("Subscription-State").unwrap_or_default().to_owned();
                let body = String::from_utf8_lossy(&request.body).trim_end().to_owned();
                self.log(Event::Notified { state, body });
            }
            Method::Options | Method::Ack | Method::Cancel | Method::Prack | Method::Other(_) => {
                self.respond(reply_to, request, &Message::response(request, 200, None));
            }
        }
    }

    /// A re-INVITE or an UPDATE of the far end.
    fn changed(&mut self, now: Duration, reply_to: SocketAddr, request: &Message) {
        let Session::Up { dialog, .. } = &mut self.session else { return };
        dialog.refresh_target(request);
        let contact = dialog.contact();
        let is_invite = request.cseq().is_some_and(|(_, method)| method == Method::Invite);
        self.log(Event::ReinviteReceived);
        let ok = Message::response(request, 200, None).with("Contact", contact);
        let (response, agreed, kind) = match Self::description(request) {
            Some(offer) => match self.terms.answer(&offer) {
                Some((body, agreed)) => {
                    (ok.with_body("application/sdp", &body), Some(agreed), FinalKind::Accepted)
                }
                None => (Message::response(request, 488, None), None, FinalKind::Refused),
            },
            None if is_invite => {
                (ok.with_body("application/sdp", &self.terms.offer()), None, FinalKind::Offered)
            }
            None => (ok, None, FinalKind::Accepted),
        };
        if is_invite {
            self.final_response(now, (reply_to, request), &response, kind);
        } else {
            self.respond(reply_to, request, &response);
        }
        if let Some(agreed) = agreed {
            self.agree(agreed);
        }
    }
}
