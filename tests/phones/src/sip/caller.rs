//! The calling half of the agent: INVITE, CANCEL and what the answers to our requests mean.

use std::time::Duration;

use super::agent::{Agent, Cancel, HangUp, SentAck, Session};
use super::dialog::{Caller, Dialog};
use super::message::{Message, Method};
use super::transaction::{Client, Progress, Purpose};
use crate::config::Offer;
use crate::log::{Ending, Event};
use crate::sdp::{Agreed, MediaDirection};

impl Agent {
    /// Places a call to the configured number; does nothing during another one.
    pub(crate) fn call(&mut self, now: Duration) {
        if !self.is_idle() {
            return;
        }
        let call_id = format!("{}@{}", self.random.token(), self.config.sip_address.ip());
        let tag = self.random.token();
        let branch = format!("z9hG4bK{}", self.random.token());
        let caller = Caller {
            own: self.config.sip_address,
            from: &self.config.from,
            to: &self.config.to,
            parameters: &self.config.uri_parameters,
            target: self.config.target,
        };
        let mut dialog = Dialog::calling(&caller, call_id.clone(), tag);
        let update = if self.config.says_update { ", UPDATE" } else { "" };
        let allow = format!("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO{update}");
        let mut invite = dialog.next_request(Method::Invite, &branch).with("Allow", allow);
        for (name, value) in &self.config.headers {
            invite = invite.with(name, value.clone());
        }
        if self.config.offer == Offer::WithSdp {
            invite = invite.with_body("application/sdp", &self.terms.offer());
        }
        self.log(Event::InviteSent { call_id });
        self.send_request(now, (self.config.target, &invite), Purpose::Invite, branch.clone());
        self.session = Session::Calling { dialog, branch, cancel: Cancel::No };
    }

    /// Takes an unanswered outgoing call back; waits for a provisional response if there is none.
    pub(crate) fn cancel(&mut self, now: Duration) {
        let Session::Calling { branch, cancel, .. } = &mut self.session else { return };
        if *cancel != Cancel::No {
            return;
        }
        *cancel = Cancel::Wanted;
        let own = |client: &&Client| client.branch == *branch;
        let ringing = self.clients.iter().find(own).map(|client| &client.progress);
        if matches!(ringing, Some(Progress::Ringing)) {
            self.send_cancel(now);
        }
    }

    fn send_cancel(&mut self, now: Duration) {
        let Session::Calling { dialog, branch, cancel, .. } = &mut self.session else { return };
        *cancel = Cancel::Sent;
        // Branch and number are the INVITE's, RFC 3261 §9.1.
        let request = dialog.request(Method::Cancel, 1, branch);
        let branch = branch.clone();
        self.log(Event::CancelSent);
        self.send_request(now, (self.config.target, &request), Purpose::Cancel, branch);
    }

    pub(super) fn handle_response(&mut self, now: Duration, status: u16, response: &Message) {
        let Some((_, method)) = response.cseq() else { return };
        let branch = response.branch();
        let is_invite = method == Method::Invite;
        let is_cancel = method == Method::Cancel;
        // CANCEL shares its INVITE's branch, so the method decides too (RFC 3261 §17.1.3).
        let matches = |client: &Client| {
            client.branch == branch
                && client.purpose.is_invite() == is_invite
                && (client.purpose == Purpose::Cancel) == is_cancel
        };
        let Some(place) = self.clients.iter().position(matches) else {
            self.repeat_ack(status, response);
            return;
        };
        if status < 200 {
            self.provisional(now, place, status);
        } else if is_invite {
            self.final_to_invite(now, place, (status, response));
        } else {
            let client = self.clients.remove(place);
            self.final_to_other(now, client.purpose, (status, response));
        }
    }

    fn provisional(&mut self, now: Duration, place: usize, status: u16) {
        let client = &mut self.clients[place];
        let is_invite = client.purpose.is_invite();
        match &mut client.progress {
            Progress::Trying(resend) if !is_invite => {
                resend.slow_down();
                return;
            }
            Progress::Trying(_) => client.progress = Progress::Ringing,
            Progress::Ringing | Progress::Refused { .. } => {}
        }
        if client.purpose != Purpose::Invite {
            return;
        }
        self.log(Event::Progress { status });
        if matches!(self.session, Session::Calling { cancel: Cancel::Wanted, .. }) {
            self.send_cancel(now);
        }
    }

    fn final_to_invite(&mut self, now: Duration, place: usize, answer: (u16, &Message)) {
        let (status, response) = answer;
        if let Progress::Refused { to, ack, .. } = &self.clients[place].progress {
            let (to, ack) = (*to, ack.clone());
            self.send(to, ack);
            return;
        }
        let purpose = self.clients[place].purpose;
        if status < 300 {
            self.clients.remove(place);
            if purpose == Purpose::Invite {
                self.answered(now, response);
            } else {
                self.reinvite_answered(response);
            }
            return;
        }
        self.acknowledge_refusal(now, place, response);
        if purpose == Purpose::Invite {
            self.refused(status);
        } else {
            self.reinvite_refused(now, status);
        }
    }

    fn answered(&mut self, now: Duration, response: &Message) {
        let session = std::mem::replace(&mut self.session, Session::Idle);
        let Session::Calling { mut dialog, cancel, .. } = session else {
            self.session = session;
            return;
        };
        dialog.confirm(response);
        let (agreed, body) = self.terms_of(response, self.config.offer);
        self.log(Event::Answered);
        self.acknowledge(&dialog, response, body.as_deref());
        self.session = Session::Up { dialog, hang_up: HangUp::No };
        match agreed {
            Some(agreed) if cancel == Cancel::No => self.agree(agreed),
            // Cancelled too late, or no common codec: the call that came up goes down again.
            Some(_) | None => self.send_bye(now, Ending::ByUs),
        }
    }

    fn terms_of(&mut self, response: &Message, offer: Offer) -> (Option<Agreed>, Option<String>) {
        let Some(description) = Self::description(response) else { return (None, None) };
        match offer {
            Offer::WithSdp => (self.terms.accept(&description), None),
            Offer::Late => match self.terms.answer(&description) {
                Some((body, agreed)) => (Some(agreed), Some(body)),
                None => (None, None),
            },
        }
    }

    /// ACK for a 2xx: a request of its own, end to end (RFC 3261 §13.2.2.4).
    fn acknowledge(&mut self, dialog: &Dialog, response: &Message, body: Option<&str>) {
        let Some((cseq, _)) = response.cseq() else { return };
        if self.config.faults.no_ack {
            return;
        }
        let branch = format!("z9hG4bK{}", self.random.token());
        let mut ack = dialog.request(Method::Ack, cseq, &branch);
        if let Some(body) = body {
            ack = ack.with_body("application/sdp", body);
        }
        let (to, bytes) = (dialog.next_hop(), ack.to_bytes());
        self.send(to, bytes.clone());
        self.keep_ack(SentAck { call_id: dialog.call_id.clone(), cseq, to, bytes });
    }

    fn repeat_ack(&mut self, status: u16, response: &Message) {
        let Some((cseq, Method::Invite)) = response.cseq() else { return };
        let same = |ack: &&SentAck| ack.cseq == cseq && ack.call_id == response.call_id();
        if !(200..300).contains(&status) {
            return;
        }
        if let Some(ack) = self.acks.iter().find(same) {
            let (to, bytes) = (ack.to, ack.bytes.clone());
            self.send(to, bytes);
        }
    }

    /// ACK for a refusal: hop by hop, with the INVITE's branch (RFC 3261 §17.1.1.3).
    fn acknowledge_refusal(&mut self, now: Duration, place: usize, response: &Message) {
        let cseq = self.clients[place].cseq;
        let branch = self.clients[place].branch.clone();
        let (dialog, to) = match &self.session {
            Session::Calling { dialog, .. } => (dialog, self.config.target),
            Session::Up { dialog, .. } => (dialog, dialog.next_hop()),
            Session::Idle | Session::Ringing(_) => {
                self.clients.remove(place);
                return;
            }
        };
        let mut dialog = dialog.clone();
        if dialog.remote_tag.is_none() {
            dialog.remote_tag = response.tag_in_to().map(str::to_owned);
        }
        let ack = dialog.request(Method::Ack, cseq, &branch).to_bytes();
        self.send(to, ack.clone());
        let until = Self::refused_until(now);
        self.clients[place].progress = Progress::Refused { to, ack, until };
    }

    fn refused(&mut self, status: u16) {
        let cancelled =
            matches!(self.session, Session::Calling { cancel, .. } if cancel != Cancel::No);
        let ending =
            if cancelled && status == 487 { Ending::Cancelled } else { Ending::Refused(status) };
        self.end(ending);
    }

    fn reinvite_answered(&mut self, response: &Message) {
        let Session::Up { dialog, .. } = &mut self.session else { return };
        dialog.refresh_target(response);
        let dialog = dialog.clone();
        self.acknowledge(&dialog, response, None);
        let agreed = self.terms_of(response, Offer::WithSdp).0;
        self.log(Event::ReinviteAnswered { status: 200 });
        if let Some(agreed) = agreed {
            self.agree(agreed);
        }
    }

    fn reinvite_refused(&mut self, now: Duration, status: u16) {
        self.log(Event::ReinviteAnswered { status });
        // What was agreed before stays, RFC 3261 §14.1.
        let other = match self.terms.direction() {
            MediaDirection::SendReceive => MediaDirection::SendOnly,
            MediaDirection::SendOnly | MediaDirection::ReceiveOnly | MediaDirection::Inactive => {
                MediaDirection::SendReceive
            }
        };
        self.terms.set_direction(other);
        if matches!(status, 408 | 481) {
            self.send_bye(now, Ending::ByUs);
        }
    }

    fn final_to_other(&mut self, now: Duration, purpose: Purpose, answer: (u16, &Message)) {
        let (status, response) = answer;
        match purpose {
            Purpose::Bye => self.log(Event::ByeAnswered { status }),
            Purpose::Info => {
                self.log(Event::InfoAnswered { status });
                if matches!(status, 408 | 481) {
                    self.send_bye(now, Ending::ByUs);
                }
            }
            Purpose::Ask => self.log(Event::AskAnswered { status }),
            Purpose::Update => self.update_answered(now, status, response),
            Purpose::Cancel | Purpose::Invite | Purpose::Reinvite => {}
        }
    }
}
