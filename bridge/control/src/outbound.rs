//! Calls that the conference core places.

use bytes::Bytes;
use partyline_conference::{DialogNames, Input};
use partyline_media::Command;
use partyline_model::{CallId, Digit, LegKey, Number, Time};
use partyline_sip::message::Status;
use partyline_sip::sdp::{Scope, Session};
use partyline_sip::{Dial, DialogId, Ended, Ender, Hangup, Transport};

use crate::call_map::{Attempts, Call, Dialling, Stage};
use crate::inbound::INCOMPATIBLE;
use crate::node::{Node, or_ended};
use crate::outcome;

/// Ports tried for a leg before its call is given up, as for calls that come in.
const PORT_ATTEMPTS: Attempts = Attempts(8);

impl Node {
    /// Reserves ports for a call out; the INVITE follows when they are bound.
    pub(crate) fn dial(
        &mut self,
        now: Time,
        id: CallId,
        number: Number,
        caller_id: Option<Number>,
    ) {
        let session_id = u64::from(self.random_u32());
        let dialling = Box::new(Dialling { number, caller_id, trunk: 0, rang: false });
        let stage = Stage::Reserving(dialling, PORT_ATTEMPTS);
        self.calls.insert(id, Call::new(None, stage, session_id));
        self.open_ports(now, id);
    }

    pub(crate) fn bind(&mut self, id: CallId, port: u16) {
        self.media(Command::Open { leg: LegKey(id.0), port });
    }

    pub(crate) fn info_digit(&mut self, id: CallId, digit: Digit) {
        self.media(Command::InfoDigit { leg: LegKey(id.0), digit });
    }

    /// Sends the INVITE of a call out whose ports are bound.
    pub(crate) fn invite(&mut self, now: Time, id: CallId, dialling: Dialling) {
        let Some((local, (trunk, dial))) = self.local(id).zip(self.route(dialling)) else {
            self.forget(id);
            return self.dial_failed(now, id, Status::SERVICE_UNAVAILABLE);
        };
        let mut session = Session::default();
        let offer = Bytes::from(session.offer(&local, Scope::All));
        if let Some(call) = self.calls.get_mut(id) {
            call.session = session;
            call.described.clone_from(&offer);
            call.stage = Stage::Dialling(Dialling { trunk, ..dialling });
        }
        let dialled = self.endpoint.dial(now, Dial { offer, ..dial });
        match or_ended(&mut self.command_errors, dialled) {
            Some(dialog) => {
                self.calls.set_dialog(id, dialog);
                let names = Box::new(self.names(dialog));
                self.own_call_ids.insert(names.sip_call_id.clone(), id);
                let trunk = self.config.trunks.get(trunk).map_or(0, |trunk| trunk.id);
                self.bridge.handle(now, Input::Dialled { call: id, dialog: names, trunk });
            }
            None => {
                self.forget(id);
                self.dial_failed(now, id, Status::SERVICE_UNAVAILABLE);
            }
        }
    }

    /// A callee rings, or makes other progress.
    pub(crate) fn callee_rings(&mut self, now: Time, dialog: DialogId) {
        let Some(id) = self.calls.by_dialog(dialog) else { return };
        if let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get_mut(id) {
            dialling.rang = true;
        }
        self.bridge.handle(now, Input::Ringing { call: id });
    }

    /// By which trunk a call out goes on, whose INVITE came to nothing at the trunk before: silence
    /// or 5xx says that the trunk is at fault, any other answer comes from behind it.
    pub(crate) fn next_route(&self, id: CallId, ended: Ended) -> Option<Dialling> {
        let Stage::Dialling(dialling) = self.calls.get(id)?.stage else { return None };
        let status = ended.status.map_or(Status::REQUEST_TIMEOUT.code(), Status::code);
        let trunk_failed = match ended.by {
            Ender::Remote | Ender::Timeout => status == 408 || (500..600).contains(&status),
            Ender::Local => false,
        };
        let next = Dialling { trunk: dialling.trunk + 1, ..dialling };
        (trunk_failed && !dialling.rang && self.route(next).is_some()).then_some(next)
    }

    /// Whether a call with this Call-ID is one that we placed: a proxy sent it back to us.
    pub(crate) fn is_our_own(&self, sip_call_id: &str) -> bool {
        self.own_call_ids.contains_key(sip_call_id)
    }

    /// The INVITE for `dialling`, by the first trunk from its place on that takes calls, and the
    /// place of that; the offer is still empty.
    fn route(&self, dialling: Dialling) -> Option<(usize, Dial)> {
        let mut trunks = self.config.trunks.iter().enumerate().skip(dialling.trunk);
        let (place, trunk, destination) =
            trunks.find_map(|(place, trunk)| Some((place, trunk, trunk.destination?)))?;
        let write = |number| trunk.number_format.write(number);
        let by = if trunk.transport == Transport::Udp {
            String::new()
        } else {
            format!(";transport={}", trunk.transport.uri_value())
        };
        let uri = |user: String| format!("sip:{user}@{destination}");
        let caller = dialling.caller_id.or(trunk.caller_id).map(write);
        let dial = Dial {
            destination: destination.into(),
            request_uri: uri(write(dialling.number)) + &by,
            from_user: caller.clone().unwrap_or_else(|| "anonymous".to_owned()),
            from_display: None,
            to: None,
            p_asserted_identity: caller.filter(|_| trunk.trusted).map(uri),
            offer: Bytes::new(),
            headers: Vec::new(),
            login: trunk.login.clone(),
            patience: None,
            has_alternative: false,
        };
        Some((place, dial))
    }

    /// A call out was answered.
    pub(crate) fn answered(&mut self, now: Time, dialog: DialogId, sdp: Option<&[u8]>) {
        let Some(id) = self.calls.by_dialog(dialog) else { return };
        if !self.take_answer(now, id, sdp) {
            self.forget(id);
            or_ended(
                &mut self.command_errors,
                self.endpoint.hangup(now, dialog, Hangup { q850: Some(INCOMPATIBLE) }),
            );
            return self.dial_failed(now, id, Status::NOT_ACCEPTABLE_HERE);
        }
        let names = Box::new(self.names(dialog));
        self.bridge.handle(now, Input::Answered { call: id, dialog: names });
    }

    /// What `dialog` is called, for records.
    fn names(&self, dialog: DialogId) -> DialogNames {
        self.endpoint.names(dialog).map_or_else(DialogNames::default, |names| DialogNames {
            sip_call_id: names.call_id,
            from_tag: names.local_tag,
            to_tag: names.remote_tag.unwrap_or_default(),
        })
    }

    pub(crate) fn dial_failed(&mut self, now: Time, id: CallId, status: Status) {
        self.bridge.handle(now, outcome::dial_failed(id, status, None));
    }
}
