//! A user agent with one call at a time: where datagrams, commands and timers meet.
//!
//! Placing calls is in `caller.rs`, taking them in `callee.rs`. Media is not known here beyond
//! what was agreed in SDP.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::dialog::Dialog;
use super::early::Early;
use super::message::{Message, Method, Start};
use super::transaction::{Client, Due, GIVE_UP, Progress, Purpose, Resend};
use crate::config::{Encryption, PhoneConfig};
use crate::log::{Ending, Event};
use crate::media::dtls::Fingerprint;
use crate::random::Random;
use crate::sdp::{Agreed, Description, Events, MediaDirection, Terms};

/// Responses and ACKs kept for repeats of what they answer.
const REMEMBERED: usize = 32;

/// What the agent tells the phone.
#[derive(Debug)]
pub(crate) enum Signal {
    Log(Event),
    Media(Agreed),
    /// The call is over: media stops.
    Over(Ending),
}

/// The call, as far as it has come.
#[derive(Debug)]
pub(super) enum Session {
    Idle,
    Calling { dialog: Dialog, branch: String, cancel: Cancel },
    Ringing(Box<Ringing>),
    Up { dialog: Dialog, hang_up: HangUp },
}

/// An outgoing call's way to be cancelled: CANCEL may go only after a provisional response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancel {
    No,
    /// Asked for before any response.
    Wanted,
    Sent,
}

/// A callee hangs up only when its 200 is acknowledged (RFC 3261 §15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HangUp {
    No,
    AfterAck,
}

/// An incoming call that is not answered.
#[derive(Debug)]
pub(super) struct Ringing {
    pub(super) dialog: Dialog,
    pub(super) invite: Message,
    pub(super) reply_to: SocketAddr,
    /// When the phone does by itself what its config says.
    pub(super) due: Option<Duration>,
    /// What was described before the answer.
    pub(super) early: Option<Box<Early>>,
}

/// A final response to an INVITE that waits for its ACK.
#[derive(Debug)]
pub(super) struct Unacknowledged {
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) resend: Resend,
    pub(super) kind: FinalKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FinalKind {
    /// 2xx with our answer.
    Accepted,
    /// 2xx with our offer: the ACK answers it.
    Offered,
    Refused,
}

/// A response that goes out again when its request does.
#[derive(Debug)]
struct Remembered {
    branch: String,
    method: Method,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// An ACK that goes out again when its 2xx does.
#[derive(Debug)]
pub(super) struct SentAck {
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// The signalling half of a phone.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(super) config: PhoneConfig,
    pub(super) random: Random,
    pub(super) terms: Terms,
    pub(super) session: Session,
    pub(super) clients: Vec<Client>,
    pub(super) unacknowledged: Option<Unacknowledged>,
    responses: VecDeque<Remembered>,
    pub(super) acks: VecDeque<SentAck>,
    transmits: VecDeque<(SocketAddr, Vec<u8>)>,
    signals: VecDeque<Signal>,
    unreadable: u64,
}

impl Agent {
    pub(crate) fn new(
        config: PhoneConfig,
        mut random: Random,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        let events =
            if config.digit_mode.offers_events() { Events::Offered } else { Events::Unknown };
        let session = random.next_u32() >> 1;
        let terms = Terms::new(config.described(), config.codec, events, session);
        let mut key = [0; 30];
        if config.encryption != Encryption::Off {
            key.fill_with(|| random.next_u16().to_be_bytes()[0]);
        }
        let terms = terms.speaking(config.speaks).encrypting(config.encryption, key);
        let terms = terms.certified(fingerprint);
        let terms = match config.relay {
            Some(relay) => terms.through(relay),
            None => terms,
        };
        Self {
            config,
            random,
            terms,
            session: Session::Idle,
            clients: Vec::new(),
            unacknowledged: None,
            responses: VecDeque::new(),
            acks: VecDeque::new(),
            transmits: VecDeque::new(),
            signals: VecDeque::new(),
            unreadable: 0,
        }
    }

    pub(crate) fn config(&self) -> &PhoneConfig {
        &self.config
    }

    /// From here on SDP names this address for media.
    pub(crate) fn name(&mut self, address: SocketAddr) {
        self.terms = self.terms.clone().naming(address);
    }

    /// From here on the phone has a certificate with this fingerprint.
    pub(crate) fn certify(&mut self, fingerprint: Fingerprint) {
        self.terms = self.terms.clone().certified(Some(fingerprint));
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.session, Session::Idle)
    }

    /// Whether nothing is left to send, repeat or wait for.
    pub(crate) fn is_quiet(&self) -> bool {
        let settled = |client: &Client| matches!(client.progress, Progress::Refused { .. });
        self.is_idle() && self.unacknowledged.is_none() && self.clients.iter().all(settled)
    }

    /// Whether an INFO of ours waits for its answer.
    pub(crate) fn info_pending(&self) -> bool {
        self.clients.iter().any(|client| client.purpose == Purpose::Info)
    }

    /// Datagrams on the SIP port that were no SIP.
    pub(crate) fn unreadable(&self) -> u64 {
        self.unreadable
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.transmits.pop_front()
    }

    pub(crate) fn poll_signal(&mut self) -> Option<Signal> {
        self.signals.pop_front()
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        let clients = self.clients.iter().filter_map(Client::next_timeout);
        let ringing = match &self.session {
            Session::Ringing(ringing) => {
                let early = ringing.early.as_ref().and_then(|early| early.next_timeout());
                ringing.due.into_iter().chain(early).min()
            }
            Session::Idle | Session::Calling { .. } | Session::Up { .. } => None,
        };
        let waiting = self.unacknowledged.as_ref().map(|wait| wait.resend.next_timeout());
        clients.chain(ringing).chain(waiting).min()
    }

    pub(crate) fn handle_datagram(&mut self, now: Duration, source: SocketAddr, bytes: &[u8]) {
        let Some(message) = Message::parse(bytes) else {
            self.unreadable += 1;
            return;
        };
        match &message.start {
            Start::Response { status, .. } => {
                let status = *status;
                self.handle_response(now, status, &message);
            }
            Start::Request { method, .. } => {
                let method = method.clone();
                if !self.repeat_response(&message, &method) {
                    self.handle_request(now, source, &method, &message);
                }
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        self.expire_clients(now);
        self.expire_unacknowledged(now);
        self.expire_early(now);
        let Session::Ringing(ringing) = &self.session else { return };
        if ringing.due.is_some_and(|due| due <= now) {
            self.ringing_is_due(now);
        }
    }

    /// Ends the call in whatever way its state allows.
    pub(crate) fn hang_up(&mut self, now: Duration) {
        match &mut self.session {
            Session::Idle => {}
            Session::Calling { .. } => self.cancel(now),
            Session::Ringing(_) => self.refuse(now, 603),
            Session::Up { hang_up, .. } => {
                if self.config.faults.no_bye {
                    self.end(Ending::Vanished);
                } else if self.unacknowledged.is_some() {
                    *hang_up = HangUp::AfterAck;
                } else {
                    self.send_bye(now, Ending::ByUs);
                }
            }
        }
    }

    /// Offers the far end silence, or voice again.
    pub(crate) fn reinvite(&mut self, now: Duration, direction: MediaDirection) {
        let Session::Up { dialog, .. } = &mut self.session else { return };
        self.terms.set_direction(direction);
        let branch = format!("z9hG4bK{}", self.random.token());
        let invite = dialog
            .next_request(Method::Invite, &branch)
            .with_body("application/sdp", &self.terms.offer());
        let to = dialog.next_hop();
        self.log(Event::ReinviteSent);
        self.send_request(now, (to, &invite), Purpose::Reinvite, branch);
    }

    /// Sends an INFO inside the call.
    pub(crate) fn info(&mut self, now: Duration, kind: &str, body: &str) {
        let Session::Up { dialog, .. } = &mut self.session else { return };
        let branch = format!("z9hG4bK{}", self.random.token());
        let info = dialog.next_request(Method::Info, &branch).with_body(kind, body);
        let to = dialog.next_hop();
        self.send_request(now, (to, &info), Purpose::Info, branch);
    }

    /// Sends any request inside the call.
    pub(crate) fn ask(&mut self, now: Duration, method: &str, headers: &[(String, String)]) {
        let Session::Up { dialog, .. } = &mut self.session else { return };
        let branch = format!("z9hG4bK{}", self.random.token());
        let mut request = dialog.next_request(Method::parse(method), &branch);
        for (name, value) in headers {
            request = request.with(name, value);
        }
        let to = dialog.next_hop();
        self.send_request(now, (to, &request), Purpose::Ask, branch);
    }

    /// BYE from an established call; the call is over for the phone at once.
    pub(super) fn send_bye(&mut self, now: Duration, ending: Ending) {
        let Session::Up { dialog, .. } = &mut self.session else { return };
        let branch = format!("z9hG4bK{}", self.random.token());
        let bye = dialog.next_request(Method::Bye, &branch);
        let to = dialog.next_hop();
        self.log(Event::ByeSent);
        self.send_request(now, (to, &bye), Purpose::Bye, branch);
        self.end(ending);
    }

    /// The call is over; transactions under way run on.
    pub(super) fn end(&mut self, ending: Ending) {
        self.session = Session::Idle;
        self.terms.set_direction(MediaDirection::SendReceive);
        self.clients.retain(|client| !matches!(client.purpose, Purpose::Info));
        let accepted = |wait: &Unacknowledged| wait.kind != FinalKind::Refused;
        if self.unacknowledged.as_ref().is_some_and(accepted) {
            self.unacknowledged = None;
        }
        self.signals.push_back(Signal::Over(ending));
    }

    pub(super) fn send_request(
        &mut self,
        now: Duration,
        packet: (SocketAddr, &Message),
        purpose: Purpose,
        branch: String,
    ) {
        let (to, request) = packet;
        let bytes = request.to_bytes();
        self.transmits.push_back((to, bytes.clone()));
        let resend = if purpose.is_invite() {
            Resend::unbounded(now, to, bytes)
        } else {
            Resend::bounded(now, to, bytes)
        };
        let cseq = request.cseq().map_or(0, |(number, _)| number);
        self.clients.push(Client { branch, purpose, cseq, progress: Progress::Trying(resend) });
    }

    pub(super) fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.transmits.push_back((to, bytes));
    }

    /// Sends a response and keeps it for repeats of its request.
    pub(super) fn respond(&mut self, to: SocketAddr, request: &Message, response: &Message) {
        let Start::Request { method, .. } = &request.start else { return };
        let (branch, bytes) = (request.branch().to_owned(), response.to_bytes());
        self.transmits.push_back((to, bytes.clone()));
        self.responses.retain(|kept| kept.branch != branch || kept.method != *method);
        let method = method.clone();
        self.responses.push_back(Remembered { branch, method, to, bytes });
        if self.responses.len() > REMEMBERED {
            self.responses.pop_front();
        }
    }

    pub(super) fn keep_ack(&mut self, ack: SentAck) {
        self.acks.push_back(ack);
        if self.acks.len() > REMEMBERED {
            self.acks.pop_front();
        }
    }

    pub(super) fn log(&mut self, event: Event) {
        self.signals.push_back(Signal::Log(event));
    }

    pub(super) fn agree(&mut self, agreed: Agreed) {
        self.signals.push_back(Signal::Media(agreed));
    }

    /// The description in a message, when it bears one that can be read.
    pub(super) fn description(message: &Message) -> Option<Description> {
        (!message.body.is_empty()).then(|| Description::parse(&message.body))?
    }

    fn repeat_response(&mut self, request: &Message, method: &Method) -> bool {
        let branch = request.branch();
        let same = |kept: &&Remembered| kept.branch == branch && kept.method == *method;
        let Some(kept) = self.responses.iter().find(same) else { return false };
        self.transmits.push_back((kept.to, kept.bytes.clone()));
        true
    }

    fn expire_clients(&mut self, now: Duration) {
        let mut given_up = Vec::new();
        let transmits = &mut self.transmits;
        self.clients.retain_mut(|client| match &mut client.progress {
            Progress::Ringing => true,
            Progress::Refused { until, .. } => *until > now,
            Progress::Trying(resend) => match resend.take_due(now) {
                Due::Later => true,
                Due::Send => {
                    transmits.push_back((resend.to, resend.bytes.clone()));
                    true
                }
                Due::GiveUp => {
                    given_up.push(client.purpose);
                    false
                }
            },
        });
        for purpose in given_up {
            self.give_up(now, purpose);
        }
    }

    fn give_up(&mut self, now: Duration, purpose: Purpose) {
        let method = match purpose {
            Purpose::Invite | Purpose::Reinvite => "INVITE",
            Purpose::Bye => "BYE",
            Purpose::Cancel => "CANCEL",
            Purpose::Info => "INFO",
            Purpose::Ask => "another",
            Purpose::Update => "UPDATE",
        };
        self.log(Event::TimedOut { method });
        match purpose {
            Purpose::Invite => self.end(Ending::TimedOut),
            // RFC 3261 §12.2.1.2: a request that times out ends its dialog.
            Purpose::Reinvite | Purpose::Info => self.send_bye(now, Ending::TimedOut),
            Purpose::Update => self.refuse(now, 504),
            Purpose::Bye | Purpose::Cancel | Purpose::Ask => {}
        }
    }

    fn expire_unacknowledged(&mut self, now: Duration) {
        let Some(wait) = &mut self.unacknowledged else { return };
        match wait.resend.take_due(now) {
            Due::Later => {}
            Due::Send => self.transmits.push_back((wait.resend.to, wait.resend.bytes.clone())),
            Due::GiveUp => {
                let kind = wait.kind;
                self.unacknowledged = None;
                if kind != FinalKind::Refused {
                    self.send_bye(now, Ending::NoAck);
                }
            }
        }
    }

    /// When a refused INVITE's repeats stop being acknowledged: timer D, as long as B.
    pub(super) fn refused_until(now: Duration) -> Duration {
        now + GIVE_UP
    }
}
