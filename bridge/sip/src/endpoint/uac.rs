//! Calls that go out: dialling, and the responses that come back (RFC 3261 §13.2, §17.1).

use std::time::Duration;

use bytes::Bytes;
use partyline_model::Time;

use super::forks::MAX_FORKS;
use super::outgoing::{Carried, Purpose};
use super::outside::Outcome;
use super::{Endpoint, Owner};
use crate::cause;
use crate::command::{CommandError, Dial};
use crate::counters::Dropped;
use crate::dialog::{Dialog, Path, Renegotiation, Route, State};
use crate::event::{Described, DialogId, EndKind, Ended, Ender, Event};
use crate::flow::Flow;
use crate::message::{
    Envelope, Headers, Host, Message, Name, Scheme, Status, Uri, Value, escape_user, scan,
};
use crate::session_timer::{SessionTimer, retry_after};
use crate::transaction::timer::TRANSACTION_LIFETIME;
use crate::transaction::{Received, RequestId, TransactionId};

/// The longest To of a response, which the call keeps with its tag.
const MAX_TO_OCTETS: usize = 1024;

impl Endpoint {
    /// Calls somebody. [`Event::Ringing`], [`Event::Answered`] and [`Event::Ended`] tell what
    /// comes of it; how long it may ring is the caller's to limit, by [`Endpoint::hangup`].
    ///
    /// # Errors
    /// [`CommandError::BadUri`], [`CommandError::TooManyDialogs`], and [`CommandError::BadRequest`]
    /// where no transport of the destination is spoken here.
    pub fn dial(&mut self, now: Time, dial: Dial) -> Result<DialogId, CommandError> {
        if self.dialogs.len() >= self.config.max_dialogs {
            return Err(CommandError::TooManyDialogs);
        }
        let callable = |text: &str| {
            let uri = Uri::parse(text).map_err(|_| CommandError::BadUri)?;
            let fits = matches!(uri.scheme(), Scheme::Sip | Scheme::Tel) && !uri.has_headers();
            fits.then_some(uri).ok_or(CommandError::BadUri)
        };
        let target = callable(&dial.request_uri)?;
        let to = dial.to.as_deref().map(callable).transpose()?;
        let ways = self.ways_to(&dial.destination, &target);
        if ways.is_empty() {
            return Err(CommandError::BadRequest);
        }
        let path = self.new_path(&dial, target, to);
        let id = DialogId(self.next_id());
        let carried = Carried {
            path: path.clone(),
            purpose: Purpose::Dial(id),
            ways,
            patience: dial.patience,
            has_alternative: dial.has_alternative,
        };
        let extensions = dial.extensions.unwrap_or(self.config.extensions);
        let request = self.invite(now, carried, dial.offer, extensions, |message| {
            SessionTimer::new(extensions.timers).wish(&mut message.headers);
            for (name, value) in dial.headers.iter().filter(|(name, _)| scan::is_token(name)) {
                message.headers.add(Name::parse(name), value.clone());
            }
        });
        self.insert_dialog(id, Dialog::new(path, State::Calling { request }, extensions));
        Ok(id)
    }

    fn new_path(&mut self, dial: &Dial, target: Uri, to: Option<Uri>) -> Path {
        let host = Host::Address(self.config.advertised.ip());
        let tag = self.token();
        let display = dial.from_display.as_deref().map(scan::quote).unwrap_or_default();
        let user = escape_user(&dial.from_user);
        let at = if user.is_empty() { "" } else { "@" };
        let home = dial.from_domain.clone().unwrap_or_else(|| host.to_string());
        let phone = if dial.from_is_phone { ";user=phone" } else { "" };
        let local = format!("{display}<sip:{user}{at}{home}{phone}>;tag={tag}");
        Path {
            call_id: format!("{}{}@{host}", self.token(), self.token()).into(),
            local: Value::new(local),
            remote: Value::new(format!("<{}>", to.as_ref().unwrap_or(&target))),
            local_tag: tag.into(),
            remote_tag: None,
            local_cseq: 1,
            remote_cseq: None,
            target,
            routes: dial.routes.iter().filter_map(Route::of).collect(),
            flow: None,
            is_adjacent: false,
            heard_from: None,
            login: dial.login.clone(),
        }
    }

    pub(super) fn receive_response(
        &mut self,
        now: Time,
        flow: Flow,
        status: Status,
        message: Message,
    ) {
        let to = message.headers.text(&Name::To).map_or(0, str::len);
        let whole = message.fault.is_none()
            && message.headers.items(&Name::Via).count() == 1
            && to <= MAX_TO_OCTETS;
        let envelope = Envelope::read(&message).ok().filter(|_| whole);
        let Some(envelope) = envelope else { return self.drop_for(Dropped::MalformedResponse) };
        let branch = envelope.via.branch().unwrap_or_default().into();
        let key = (branch, envelope.cseq.method.clone());
        let Some(&id) = self.client_keys.get(&key) else {
            return self.drop_for(Dropped::StrayResponse);
        };
        self.note_connection(flow);
        if let Some(entry) = self.clients.get_mut(&id) {
            let is_final = entry.machine.receive(now, status);
            let request = entry.request;
            if flow.connection.is_some() {
                entry.flow = flow;
            }
            self.timers.set(Owner::Client(id), entry.machine.deadline());
            if is_final {
                entry.wipe();
                if let Some(id) = request {
                    self.receive_final(now, id, status, message);
                }
            }
        } else if let Some(entry) = self.invite_clients.get_mut(&id) {
            let received = entry.machine.receive(now, status);
            let request = entry.request;
            if flow.connection.is_some() {
                entry.flow = flow;
            }
            self.timers.set(Owner::InviteClient(id), entry.machine.deadline());
            match received {
                Received::Absorb => self.drop_for(Dropped::Repeated),
                Received::Ack => self.ack_failure(id, &message),
                Received::DeliverAndAck => {
                    self.ack_failure(id, &message);
                    self.receive_failure(now, request, status, &message);
                }
                Received::Deliver if status.is_provisional() => {
                    self.receive_progress(now, request, (flow, status), message);
                }
                Received::Deliver => self.receive_success(now, id, (flow, &envelope), message),
            }
        }
    }

    /// The final response to a request other than INVITE.
    fn receive_final(&mut self, now: Time, id: RequestId, status: Status, message: Message) {
        let again = self.answer_challenge(now, id, status, &message)
            || self.answer_too_small(now, id, status, &message);
        if !again {
            self.conclude(now, Some(id), Outcome::Response(status, Box::new(message)));
        }
    }

    fn receive_progress(
        &mut self,
        now: Time,
        request: RequestId,
        (came_by, status): (Flow, Status),
        mut message: Message,
    ) {
        let purpose = self.outgoing.get(&request).map(|outgoing| outgoing.purpose);
        if let Some(Purpose::Abandoned) = purpose {
            return self.cancel_abandoned(now, request);
        }
        let Some(Purpose::Dial(id)) = purpose else { return };
        self.hear_progress(request, status);
        let Some(dialog) = self.dialogs.get(&id) else { return };
        if let State::Cancelling { give_up: None, q850, .. } = dialog.state {
            self.cancel(now, id, request, q850);
        } else if matches!(dialog.state, State::Calling { .. }) && status != Status::TRYING {
            // A body that cannot be read is no early media; the answer is yet to come.
            let sdp = message.take_sdp().unwrap_or(None);
            let news = (came_by, &message);
            if !self.heed_fork(now, (id, request), news, sdp.as_deref()) {
                return;
            }
            self.emit(Event::Ringing { dialog: id, status, sdp });
        }
    }

    /// Sends CANCEL and waits for the INVITE's final response.
    pub(super) fn cancel(&mut self, now: Time, id: DialogId, request: RequestId, q850: Option<u8>) {
        self.timers.set(Owner::Request(request), None);
        self.send_cancel(now, request, q850);
        let give_up = Some(now + TRANSACTION_LIFETIME);
        self.set_state(id, State::Cancelling { request, q850, give_up });
    }

    fn receive_failure(
        &mut self,
        now: Time,
        request: RequestId,
        status: Status,
        message: &Message,
    ) {
        if self.answer_challenge(now, request, status, message)
            || self.answer_too_small(now, request, status, message)
        {
            return;
        }
        if status == Status::SERVICE_UNAVAILABLE {
            self.blame(request);
        }
        if self.is_worth_another(request, status) && self.try_next(now, request) {
            return;
        }
        self.report_terms(request, status, message);
        let q850 = cause::read_reason(&message.headers).or(cause::cause_of(status));
        let status = Some(status);
        let ended = Ended { by: Ender::Remote, kind: EndKind::Rejected, status, q850 };
        self.invite_failed(now, request, (ended, retry_after(&message.headers)));
    }

    /// An INVITE of ours came to nothing without an answer: nobody gave one (timer B), or nobody
    /// could be reached, which is as 503 (RFC 3261 §8.1.3.1).
    pub(super) fn invite_unanswered(&mut self, now: Time, request: RequestId, status: Status) {
        self.blame(request);
        if self.is_worth_another(request, status) && self.try_next(now, request) {
            return;
        }
        let (q850, status) = (cause::cause_of(status), Some(status));
        let ended = Ended { by: Ender::Timeout, kind: EndKind::Timeout, status, q850 };
        self.invite_failed(now, request, (ended, None));
    }

    fn invite_failed(
        &mut self,
        now: Time,
        request: RequestId,
        (ended, after): (Ended, Option<Duration>),
    ) {
        let Some(outgoing) = self.take_request(request) else { return };
        match outgoing.purpose {
            Purpose::Dial(id) => self.end(id, ended),
            Purpose::Reinvite(id) => self.fail_reinvite(now, id, (ended, after)),
            Purpose::Abandoned => {}
            // No INVITE is for these.
            Purpose::Nothing
            | Purpose::LastOf(_)
            | Purpose::Digit(_)
            | Purpose::Update(_)
            | Purpose::Prack(_)
            | Purpose::Notify(..)
            | Purpose::Acknowledge(_)
            | Purpose::KeepOpen(_)
            | Purpose::Outside(_) => {}
        }
    }

    /// 408 and 481 end the dialog (RFC 3261 §12.2.1.2); after other failures it stays as it was.
    fn fail_reinvite(
        &mut self,
        now: Time,
        id: DialogId,
        (ended, after): (Ended, Option<Duration>),
    ) {
        let ours = self.dialogs.get(&id).is_some_and(|dialog| {
            matches!(dialog.state, State::Confirmed(Renegotiation::Ours { .. }))
        });
        let Some(status) = ended.status.filter(|_| ours) else { return };
        if matches!(status, Status::REQUEST_TIMEOUT | Status::NO_SUCH_DIALOG) {
            let refreshes = self.dialogs.get(&id).is_some_and(|held| held.session.is_refreshing());
            let kind = if refreshes { EndKind::Expired } else { EndKind::Timeout };
            let ended = Ended { by: Ender::Timeout, kind, ..ended };
            self.report_end(id, ended);
            self.send_bye(now, id, None);
        } else {
            self.set_state(id, State::Confirmed(Renegotiation::Idle));
            if status == Status::REQUEST_PENDING {
                self.refresh_after_glare(now, id);
            } else {
                self.refresh_refused(now, id, after);
            }
            self.emit(Event::Reinvited { dialog: id, result: Err(status) });
        }
    }

    /// A 2xx: acknowledged each time it comes, heeded once for each peer that sends one.
    fn receive_success(
        &mut self,
        now: Time,
        client: TransactionId,
        (came_by, envelope): (Flow, &Envelope),
        mut message: Message,
    ) {
        let Some(entry) = self.invite_clients.get(&client) else { return };
        // None from peers that speak RFC 2543 (RFC 3261 §12.1.2). To drop their answer would leave a
        // call that neither times out nor can be cancelled.
        let tag = envelope.to.tag().unwrap_or_default();
        if let Some(ack) = entry.acks.iter().find(|ack| *ack.remote_tag == *tag) {
            let sent = ack.sent.clone();
            self.drop_for(Dropped::Repeated);
            if let Some((flow, bytes)) = sent {
                self.transmit(flow, bytes);
            }
            return;
        }
        if entry.acks.len() == MAX_FORKS {
            return self.drop_for(Dropped::TooManyForks);
        }
        let request = entry.request;
        let Some(outgoing) = self.outgoing.get_mut(&request) else { return };
        outgoing.wipe();
        let purpose = outgoing.purpose;
        let makes_dialog = matches!(purpose, Purpose::Dial(_) | Purpose::Abandoned);
        let mut path = if makes_dialog {
            outgoing.path.forked(came_by, &message, tag)
        } else {
            let mut path = outgoing.path.clone();
            path.refresh(came_by, &message);
            path
        };
        self.ack_success(now, client, &path);
        let sdp = message.take_sdp().unwrap_or(None);
        match purpose {
            Purpose::Dial(id) => {
                let described = self.described(request, tag, sdp);
                self.go_on(id, request, tag, &mut path);
                self.dial_answered(now, id, path, (described, &message.headers));
            }
            Purpose::Reinvite(id) => self.reinvite_answered(now, id, path, (sdp, &message.headers)),
            Purpose::Abandoned => self.send_bye_along(now, path, None, Purpose::Nothing),
            // No INVITE is for these.
            Purpose::Nothing
            | Purpose::LastOf(_)
            | Purpose::Digit(_)
            | Purpose::Update(_)
            | Purpose::Prack(_)
            | Purpose::Notify(..)
            | Purpose::Acknowledge(_)
            | Purpose::KeepOpen(_)
            | Purpose::Outside(_) => {}
        }
    }

    fn dial_answered(
        &mut self,
        now: Time,
        id: DialogId,
        path: Path,
        (described, headers): (Option<Described>, &Headers),
    ) {
        let state = self.dialogs.get(&id).map(|dialog| &dialog.state);
        let calling = matches!(state, Some(State::Calling { .. }));
        let cancelling = matches!(state, Some(State::Cancelling { .. }));
        if !calling && !cancelling {
            // Another fork answered too, or the call is given up: nobody would listen to it.
            return self.send_bye_along(now, path, None, Purpose::Nothing);
        }
        self.reject_undecided(now, id, Status::REQUEST_TERMINATED.into());
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.path = path;
        }
        if cancelling {
            return self.send_bye(now, id, None);
        }
        self.set_state(id, State::Confirmed(Renegotiation::Idle));
        self.heed_session(now, id, headers);
        self.emit(Event::Answered { dialog: id, described });
    }

    fn reinvite_answered(
        &mut self,
        now: Time,
        id: DialogId,
        path: Path,
        (sdp, headers): (Option<Bytes>, &Headers),
    ) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        (dialog.path.target, dialog.path.heard_from) = (path.target, path.heard_from);
        if matches!(dialog.state, State::Confirmed(Renegotiation::Ours { .. })) {
            self.set_state(id, State::Confirmed(Renegotiation::Idle));
            self.heed_session(now, id, headers);
            self.emit(Event::Reinvited { dialog: id, result: Ok(sdp) });
        }
    }
}
