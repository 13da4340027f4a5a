//! What a called phone says of its sound before it answers, and the PRACKs of that (RFC 3262), as
//! its configuration has it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::agent::{Agent, Session};
use super::dialog::Dialog;
use super::message::{Message, Method};
use super::transaction::{Due, Purpose, Resend};
use crate::config::EarlyAnswer;
use crate::log::Event;
use crate::media::g711::Codec;
use crate::sdp::Agreed;

/// The number of the first reliable response; no other phone needs another.
const FIRST_RSEQ: u32 = 4711;

/// A call whose session is described before the answer.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) agreed: Agreed,
    rseq: u32,
    /// The reliable response whose PRACK is awaited.
    waits: Option<Resend>,
    /// An UPDATE of the phone's is under way.
    updates: bool,
    left: VecDeque<Step>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Offer(Codec),
    Ring,
}

impl Early {
    /// Whether the call may be answered.
    pub(super) fn is_done(&self) -> bool {
        self.waits.is_none() && !self.updates && self.left.is_empty()
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.waits.as_ref().map(Resend::next_timeout)
    }
}

impl Agent {
    /// Describes the session in a 183 if the phone does that.
    pub(super) fn describe_early(
        &mut self,
        now: Duration,
        (reply_to, invite): (SocketAddr, &Message),
        dialog: &Dialog,
    ) -> Option<Box<Early>> {
        let early = self.config.early;
        let offer = Self::description(invite).filter(|_| early != EarlyAnswer::Nothing)?;
        let (body, agreed) = self.terms.answer(&offer)?;
        let response = Message::response(invite, 183, Some(&dialog.local_tag))
            .with("Contact", dialog.contact());
        let speaks = invite.headers("Supported").any(|value| value.contains("100rel"));
        let left = match early {
            EarlyAnswer::Nothing | EarlyAnswer::Plain => None,
            EarlyAnswer::Reliable => Some(VecDeque::from([Step::Ring])),
            EarlyAnswer::Renewed(codec) => Some(VecDeque::from([Step::Offer(codec), Step::Ring])),
        };
        let (response, left) = match left.filter(|_| speaks) {
            Some(left) => (reliable(response, FIRST_RSEQ), left),
            None => (response, VecDeque::new()),
        };
        let response = response.with_body("application/sdp", &body);
        self.respond(reply_to, invite, &response);
        let waits =
            (!left.is_empty()).then(|| Resend::unbounded(now, reply_to, response.to_bytes()));
        Some(Box::new(Early { agreed, rseq: FIRST_RSEQ, waits, updates: false, left }))
    }

    /// A PRACK of the caller: 200 if it names what is awaited.
    pub(super) fn pracked(&mut self, now: Duration, reply_to: SocketAddr, request: &Message) {
        let status = match &mut self.session {
            Session::Ringing(ringing) if ringing.dialog.owns_request(request) => {
                let cseq = ringing.invite.cseq().map_or(0, |(number, _)| number);
                let fresh = request.cseq().is_some_and(|(n, _)| ringing.dialog.take_cseq(n));
                match &mut ringing.early {
                    Some(early) if fresh && early.waits.is_some() => {
                        let named = format!("{} {cseq} INVITE", early.rseq);
                        let right = request.header("RAck") == Some(named.as_str());
                        if right {
                            early.waits = None;
                        }
                        if right { 200 } else { 481 }
                    }
                    Some(_) | None => 481,
                }
            }
            Session::Idle | Session::Calling { .. } | Session::Ringing(_) | Session::Up { .. } => {
                481
            }
        };
        self.respond(reply_to, request, &Message::response(request, status, None));
        self.log(Event::PrackReceived { status });
        if status == 200 {
            self.go_on_early(now);
        }
    }

    /// The next thing to say before the answer.
    fn go_on_early(&mut self, now: Duration) {
        let branch = format!("z9hG4bK{}", self.random.token());
        let Session::Ringing(ringing) = &mut self.session else { return };
        let Some(early) = &mut ringing.early else { return };
        match early.left.pop_front() {
            None => {}
            Some(Step::Offer(codec)) => {
                early.updates = true;
                self.terms.set_codec(codec);
                let update = ringing.dialog.next_request(Method::Update, &branch);
                let update = update.with_body("application/sdp", &self.terms.offer());
                let to = ringing.dialog.next_hop();
                self.send_request(now, (to, &update), Purpose::Update, branch);
            }
            Some(Step::Ring) => {
                early.rseq += 1;
                let ring = Message::response(&ringing.invite, 180, Some(&ringing.dialog.local_tag))
                    .with("Contact", ringing.dialog.contact());
                let ring = reliable(ring, early.rseq);
                early.waits = Some(Resend::unbounded(now, ringing.reply_to, ring.to_bytes()));
                let (to, invite) = (ringing.reply_to, ringing.invite.clone());
                self.respond(to, &invite, &ring);
                self.log(Event::RingingSent);
            }
        }
    }

    /// The far end has answered the phone's own offer before the call.
    pub(super) fn update_answered(&mut self, now: Duration, status: u16, response: &Message) {
        self.log(Event::ReinviteAnswered { status });
        let answer = Self::description(response).and_then(|answer| self.terms.accept(&answer));
        let Session::Ringing(ringing) = &mut self.session else { return };
        let Some(early) = &mut ringing.early else { return };
        early.updates = false;
        if let Some(agreed) = answer.filter(|_| status == 200) {
            early.agreed = agreed;
        }
        self.go_on_early(now);
    }

    /// Repeats what waits for its PRACK, and refuses the call without one.
    pub(super) fn expire_early(&mut self, now: Duration) {
        let Session::Ringing(ringing) = &mut self.session else { return };
        let early = ringing.early.as_mut();
        let Some(waits) = early.and_then(|early| early.waits.as_mut()) else { return };
        match waits.take_due(now) {
            Due::Later => {}
            Due::Send => {
                let (to, bytes) = (waits.to, waits.bytes.clone());
                self.send(to, bytes);
            }
            Due::GiveUp => self.refuse(now, 504),
        }
    }
}

fn reliable(response: Message, rseq: u32) -> Message {
    response.with("Require", "100rel").with("RSeq", rseq.to_string())
}
