//! Dialogs that outlive their process: what must be kept of one to end it, and the BYE that does.

use partyline_model::Time;

use super::Endpoint;
use super::outgoing::Purpose;
use crate::command::CommandError;
use crate::dialog::{Path, Route};
use crate::event::DialogId;
use crate::flow::Flow;
use crate::message::{Uri, Value, has_pin};

/// How far the numbers of requests leap over those that may have been sent after the dialog was
/// kept (RFC 3261 §12.2.2: a higher one by more than one is no error).
const LEAP: u32 = 1 << 16;
/// The highest number of a request (RFC 3261 §8.1.1.5).
const HIGHEST: u32 = (1 << 31) - 1;

/// What addresses the peer of a dialog (RFC 3261 §12): enough to end it without having had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogState {
    /// The Call-ID.
    pub call_id: String,
    /// Our From in requests, tag included.
    pub local: String,
    /// Our To in requests: the peer, tag included.
    pub remote: String,
    /// The number of our last request.
    pub cseq: u32,
    /// The peer's Contact.
    pub target: String,
    /// The route set, in order.
    pub routes: Vec<String>,
    /// How the peer was met; no connection outlives the process.
    pub flow: Flow,
}

impl Endpoint {
    /// The call with this Call-ID, of which at most the beginning is given, and our tag.
    pub fn find(&self, call_id: &str, local_tag: &str) -> Option<DialogId> {
        let from = (Box::from(call_id), Box::from(""));
        let begins = self.dialog_keys.range(from..);
        let mut same = begins.take_while(|((known, _), _)| known.starts_with(call_id));
        same.find(|((_, tag), _)| **tag == *local_tag).map(|(_, &id)| id)
    }

    /// What must be kept of a call to end it later; `None` when it holds no state any more, or one
    /// whose Contact or routes hold a passcode.
    pub fn dialog_state(&self, dialog: DialogId) -> Option<DialogState> {
        let path = &self.dialogs.get(&dialog)?.path;
        let routes = path.routes.iter().map(|route| route.as_str().to_owned());
        let routes: Vec<String> = routes.collect();
        // Every other header has its passcodes masked; these must be repeated as they came.
        if has_pin(path.target.as_str()) || routes.iter().any(|route| has_pin(route)) {
            return None;
        }
        Some(DialogState {
            call_id: path.call_id.to_string(),
            local: path.local.as_str().to_owned(),
            remote: path.remote.as_str().to_owned(),
            cseq: path.local_cseq,
            target: path.target.to_string(),
            routes,
            flow: Flow { connection: None, ..path.flow? },
        })
    }

    /// Sends BYE in a dialog that this endpoint does not have, since the process that had it is
    /// gone. Its answer is awaited and changes nothing: who does not know the dialog any more says
    /// 481, and is as well off.
    ///
    /// # Errors
    /// [`CommandError::BadUri`] when the target or a route does not parse; nothing is sent.
    pub fn bye_lost(
        &mut self,
        now: Time,
        state: &DialogState,
        q850: Option<u8>,
    ) -> Result<(), CommandError> {
        let target = Uri::parse(&state.target).map_err(|_| CommandError::BadUri)?;
        let routes =
            state.routes.iter().map(|route| Route::parse(route).ok_or(CommandError::BadUri));
        let path = Path {
            call_id: state.call_id.as_str().into(),
            local_tag: "".into(),
            remote_tag: None,
            local: Value::new(&*state.local),
            remote: Value::new(&*state.remote),
            local_cseq: state.cseq.saturating_add(LEAP).min(HIGHEST - 1),
            remote_cseq: None,
            target,
            routes: routes.collect::<Result<_, _>>()?,
            flow: Some(state.flow),
            is_adjacent: false,
            heard_from: None,
            login: None,
        };
        self.send_bye_along(now, path, q850, Purpose::Nothing);
        Ok(())
    }
}
