//! Calls that the conference core places.

use partyline_conference::{DialogNames, Input};
use partyline_media::Command;
use partyline_model::{CallId, Digit, LegKey, Number, Time};
use partyline_sip::message::Status;
use partyline_sip::{Dial, DialogId, Hangup, sdp};

use crate::call_map::{Attempts, Call, Dialling, Stage};
use crate::inbound::INCOMPATIBLE;
use crate::node::{Node, or_ended};

/// As for calls that come in.
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
        let dialling = Box::new(Dialling { number, caller_id });
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
        let Some((local, dial)) = self.local(id).zip(self.route(dialling)) else {
            self.forget(id);
            return self.dial_failed(now, id, Status::SERVICE_UNAVAILABLE);
        };
        let offer = sdp::offer(&local);
        if let Some(call) = self.calls.get_mut(id) {
            call.described.clone_from(&offer);
            call.stage = Stage::Dialling;
        }
        match self.endpoint.dial(now, Dial { offer, ..dial }) {
            Ok(dialog) => {
                self.calls.set_dialog(id, dialog);
                let names = Box::new(self.names(dialog));
                self.bridge.handle(now, Input::Dialled { call: id, dialog: names });
            }
            Err(_) => {
                self.forget(id);
                self.dial_failed(now, id, Status::SERVICE_UNAVAILABLE);
            }
        }
    }

    /// The INVITE for `dialling`, by the first trunk that takes calls; its offer is still empty.
    fn route(&self, dialling: Dialling) -> Option<Dial> {
        let mut trunks = self.config.trunks.iter();
        let (trunk, destination) = trunks.find_map(|t| Some((t, t.destination?)))?;
        let write = |number| trunk.number_format.write(number);
        let uri = |user: String| format!("sip:{user}@{destination}");
        let caller = dialling.caller_id.or(trunk.caller_id).map(write);
        Some(Dial {
            destination,
            request_uri: uri(write(dialling.number)),
            from_user: caller.clone().unwrap_or_else(|| "anonymous".to_owned()),
            from_display: None,
            to: None,
            p_asserted_identity: caller.filter(|_| trunk.trusted).map(uri),
            offer: Vec::new(),
            headers: Vec::new(),
        })
    }

    /// A call out was answered.
    pub(crate) fn answered(&mut self, now: Time, dialog: DialogId, sdp: Option<&[u8]>) {
        let Some(id) = self.calls.by_dialog(dialog) else { return };
        if !self.take_answer(id, sdp) {
            self.forget(id);
            or_ended(self.endpoint.hangup(now, dialog, Hangup { q850: Some(INCOMPATIBLE) }));
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
        let status = status.code();
        self.bridge.handle(now, Input::DialFailed { call: id, status, q850: None });
    }
}
