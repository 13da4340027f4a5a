//! Users of our own: their REGISTER (RFC 3261 §10.3), who sends an INVITE (§22.2), and whether those
//! behind a NAT are there (§11).

use bytes::Bytes;
use partyline_model::Time;

use super::outgoing::Purpose;
use super::outside::Outcome;
use super::receive::Request;
use super::respond::Template;
use super::way::Way;
use super::{Endpoint, Owner};
use crate::admission::Limits;
use crate::auth::Unverified;
use crate::counters::Dropped;
use crate::event::{Event, Suspicion};
use crate::flow::Flow;
use crate::message::{Message, Method, Name, StartLine, Status};
use crate::transaction::ServerKey;
use crate::users::{Absent, Sender, Users};

impl Endpoint {
    /// Says who has to prove who he is, and who can be reached where.
    pub fn set_users(&mut self, users: Users) {
        self.users = Some(users);
    }

    /// The users, if there are any.
    pub fn users(&self) -> Option<&Users> {
        self.users.as_ref()
    }

    /// The users, for another password.
    pub fn users_mut(&mut self) -> Option<&mut Users> {
        self.users.as_mut()
    }

    /// Whether somebody at a source of these limits has to say who he is.
    pub(super) fn asks(&self, limits: Option<&Limits>) -> bool {
        let users = self.users.as_ref().zip(limits);
        users.is_some_and(|(users, limits)| users.asks(limits.trunk))
    }

    /// Whether nobody was ever right at the source of a message, though he has to be: as little is
    /// listened to him as to a stranger.
    pub(super) fn is_strange(&self, limits: Option<&Limits>, flow: Flow) -> bool {
        let seen = self.users.as_ref().is_some_and(|users| users.has_seen(flow.remote.ip()));
        limits.is_none() || self.asks(limits) && !seen
    }

    /// A REGISTER of somebody who has to say who he is.
    pub(super) fn receive_register(&mut self, now: Time, key: ServerKey, request: Request) {
        let Ok(name) = self.identify(now, &request) else { return };
        let Some(name) = name else { return self.refuse_no_dialog(&request.template) };
        let octets = self.size_of(&request, &key);
        if !self.shares.fits(request.source().ip(), octets) {
            let (reason, full) = (Dropped::NoShare, Status::SERVICE_UNAVAILABLE);
            return self.refuse(&request.template, reason, full, None);
        }
        let Some(users) = &mut self.users else { return };
        let answer = users.register(now, &name, request.flow, &request.message);
        self.time_users();
        self.note_connection(request.flow);
        self.answer_register(now, key, &request.template, &answer);
    }

    /// Who sends a request that opens a call or registers: `None` where nobody is asked.
    ///
    /// # Errors
    /// Nobody knows, and the request was answered.
    pub(super) fn identify(
        &mut self,
        now: Time,
        request: &Request,
    ) -> Result<Option<Box<str>>, ()> {
        let Some(limits) = request.limits.filter(|limits| self.asks(Some(limits))) else {
            return Ok(None);
        };
        let Some(users) = &mut self.users else { return Ok(None) };
        let template = &request.template;
        match users.identify(now, limits.trunk, request.flow, &request.message) {
            Sender::Known(name) => return Ok(Some(name)),
            // RFC 7616 §3.4.6: a mistake, or somebody who makes use of another's answer.
            Sender::Asked(Unverified::Elsewhere) => {
                let (reason, status) = (Dropped::MalformedRequest, Status::BAD_REQUEST);
                let phrase = Some("Credentials For Another Request-URI");
                if !template.opens_call() {
                    self.tell_refusal(template, reason, status, phrase);
                }
                self.refuse(template, reason, status, phrase);
            }
            Sender::Asked(why) => self.challenge(now, limits.trunk, template, why),
            Sender::Unheard => {
                let (reason, status) = (Dropped::Guesser, Status::FORBIDDEN);
                if !template.opens_call() {
                    self.tell_refusal(template, reason, status, None);
                }
                self.refuse(template, reason, status, None);
            }
        }
        Err(())
    }

    /// Asks who sends a request, and keeps nothing of it.
    fn challenge(&mut self, now: Time, trunk: u32, template: &Template, why: Unverified) {
        if why.is_guess() {
            let (flow, what) = (template.flow, Suspicion::WrongPassword);
            self.emit(Event::Suspect { flow, what });
            self.drop_for(Dropped::WrongPassword);
            self.tell_refusal(template, Dropped::WrongPassword, Status::UNAUTHORIZED, None);
        } else {
            self.drop_for(Dropped::Unidentified);
        }
        let mut challenge = Message::response(Status::UNAUTHORIZED);
        if let Some(users) = &mut self.users {
            let source = template.flow.remote.ip();
            users.challenge(now, (trunk, source), why, &mut challenge);
        }
        self.respond_stateless(template, Status::UNAUTHORIZED, |response| {
            for (name, value) in challenge.headers.iter() {
                response.headers.push(name.clone(), value.clone());
            }
        });
    }

    /// Answers a REGISTER for good, and keeps the answer for its repetitions: its nonce has served.
    fn answer_register(
        &mut self,
        now: Time,
        key: ServerKey,
        template: &Template,
        answer: &Message,
    ) {
        let StartLine::Response { status, .. } = answer.start else { return };
        let tag: Box<str> = self.token().into();
        let mut message = template.respond(status, &tag);
        message.start = answer.start.clone();
        for (name, value) in answer.headers.iter() {
            message.headers.push(name.clone(), value.clone());
        }
        let bytes = Bytes::from(message.to_bytes());
        self.keep_answered(now, (key, tag), (template.flow, status), Some(bytes.clone()));
        self.transmit(template.reply.flow, bytes);
    }

    pub(super) fn users_timeout(&mut self, now: Time) {
        if let Some(users) = &mut self.users {
            users.handle_timeout(now);
        }
        while let Some(absent) = self.users.as_mut().and_then(|users| users.poll_absent(now)) {
            self.ask_absent(now, absent);
        }
        self.time_users();
    }

    /// Asks a telephone behind a NAT whether it is there, by the way that it registered.
    fn ask_absent(&mut self, now: Time, Absent { number, contact, flow }: Absent) {
        let our = self.contact_uri(None, flow);
        let mut message = Message::request(Method::Options, contact.as_str());
        message.headers.add(Name::MaxForwards, "70");
        message.headers.add(Name::From, format!("<{our}>;tag={}", self.token()));
        message.headers.add(Name::To, format!("<{contact}>"));
        message.headers.add(Name::CallId, self.token());
        message.headers.add(Name::CSeq, format!("1 {}", Method::Options));
        message.headers.add(Name::Contact, format!("<{our}>"));
        self.send_outside(now, message, Purpose::KeepOpen(number), [Way::Datagram(flow)].into());
    }

    /// A telephone behind a NAT has answered, or has not. It stays registered.
    pub(super) fn absent_heard(&mut self, now: Time, number: u64, outcome: &Outcome) {
        if let Some(users) = &mut self.users {
            users.absent_heard(now, number, matches!(outcome, Outcome::Response(..)));
        }
        self.time_users();
    }

    /// Bindings end by themselves.
    pub(super) fn time_users(&mut self) {
        let next = self.users.as_ref().and_then(Users::poll_timeout);
        self.timers.set(Owner::Users, next);
    }
}
