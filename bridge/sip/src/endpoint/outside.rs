//! Requests of our own that belong to no dialog, such as REGISTER and OPTIONS (RFC 3261 §8.1, §10.2,
//! §11): the message is the caller's, the transaction is the endpoint's.
//!
//! Not here: an answer to a challenge, since the next request has the caller's next number.

use std::collections::VecDeque;

use partyline_model::Time;

use super::Endpoint;
use super::outgoing::{Outgoing, Purpose};
use super::way::Way;
use crate::command::{CommandError, OutOfDialog};
use crate::dialog::Path;
use crate::event::{Event, Unanswered};
use crate::message::{CSeq, Message, Method, Name, StartLine, Status, Uri};
use crate::transaction::RequestId;

/// How a request other than INVITE ended.
pub(super) enum Outcome {
    /// By its final response.
    Response(Status, Box<Message>),
    /// Without one.
    Nothing(Unanswered),
}

impl Outcome {
    /// The status that the outcome is or counts as (RFC 3261 §8.1.3.1).
    pub(super) fn status(&self) -> Status {
        match self {
            Self::Response(status, _) => *status,
            Self::Nothing(Unanswered::TimedOut) => Status::REQUEST_TIMEOUT,
            Self::Nothing(Unanswered::Unreachable) => Status::SERVICE_UNAVAILABLE,
        }
    }
}

impl Endpoint {
    /// Sends a request outside of a dialog. Its number, Call-ID, tag, Contact and Route stay as they
    /// are, also by another address of its destination; Via is the endpoint's, as are Max-Forwards
    /// and User-Agent where the message has none. [`Event::Responded`] with the token follows, once.
    ///
    /// # Errors
    /// [`CommandError::BadRequest`]; nothing is sent.
    pub fn send_request(&mut self, now: Time, request: OutOfDialog) -> Result<(), CommandError> {
        let OutOfDialog { mut message, destination, token } = request;
        let (_, path) = read(&message).ok_or(CommandError::BadRequest)?;
        if message.headers.first(&Name::MaxForwards).is_none() {
            message.headers.put_first(Name::MaxForwards, "70");
        }
        let ways = self.ways_to(&destination, &path.target);
        if ways.is_empty() {
            return Err(CommandError::BadRequest);
        }
        self.send_outside(now, message, Purpose::Outside(token), ways);
        Ok(())
    }

    /// Sends a whole request outside of a dialog by the first of these ways.
    pub(super) fn send_outside(
        &mut self,
        now: Time,
        mut message: Message,
        purpose: Purpose,
        ways: VecDeque<Way>,
    ) {
        let Some((method, path)) = read(&message) else { return };
        let agent = self.config.user_agent.as_ref();
        if let Some(agent) = agent.filter(|_| message.headers.first(&Name::UserAgent).is_none()) {
            message.headers.add(Name::UserAgent, agent.clone());
        }
        let id = RequestId(self.next_id());
        let mut outgoing = Outgoing::new(now, message, method, purpose, path);
        outgoing.ways = ways;
        self.outgoing.insert(id, outgoing);
        self.advance(now, id);
    }

    /// Tells how a request outside of a dialog ended.
    pub(super) fn report_outside(&mut self, token: u64, outcome: Outcome) {
        let result = match outcome {
            Outcome::Response(_, message) => Ok(message),
            Outcome::Nothing(why) => Err(why),
        };
        self.emit(Event::Responded { token, result });
    }
}

/// What the transaction needs of a request; `None` when it is none that can go out by itself.
fn read(message: &Message) -> Option<(Method, Path)> {
    let StartLine::Request { method, uri } = &message.start else { return None };
    let begins_or_ends_another = matches!(method, Method::Invite | Method::Ack | Method::Cancel);
    let value = |name| message.headers.first(&name).cloned();
    let (local, remote) = (value(Name::From)?, value(Name::To)?);
    let cseq = CSeq::parse(message.headers.text(&Name::CSeq)?)?;
    if begins_or_ends_another || cseq.method != *method {
        return None;
    }
    let path = Path {
        call_id: message.headers.text(&Name::CallId)?.into(),
        local_tag: "".into(),
        remote_tag: None,
        local,
        remote,
        local_cseq: cseq.number,
        remote_cseq: None,
        target: Uri::parse(uri).ok()?,
        routes: Vec::new(),
        flow: None,
        is_adjacent: false,
        heard_from: None,
        login: None,
    };
    Some((method.clone(), path))
}
