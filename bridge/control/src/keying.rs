//! Keys that are pressed for a far end: by the media plane, or one after the other in SIP INFO.
//!
//! What the keys are for is the caller's to know. They may be a passcode: nothing here prints them.

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_media::{Command, KeyQueue, Stroke};
use partyline_model::{CallId, LegKey, Time};
use partyline_sip::DialogId;
use partyline_sip::message::Status;

use crate::node::{Node, or_ended};

/// How long a key is said to be down: the least that Cisco's gateways make of any.
const DOWN: Duration = Duration::from_millis(100);
/// From the beginning of one key to that of the next, at least.
const APART: Duration = Duration::from_millis(200);
/// A pause of a dial string, as the media plane makes it.
const PAUSE: Duration = Duration::from_secs(2);

/// How keys are to reach a far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyWay {
    /// With its media: telephone events where they were negotiated, else tones.
    Media,
    /// SIP INFO: for a far end that takes nothing else.
    Info,
}

/// Keys on their way in INFO requests.
struct Keying {
    queue: KeyQueue,
    /// An INFO is unanswered.
    waits: bool,
    /// The next stroke is not to begin before.
    not_before: Time,
}

/// The calls for which keys are on their way in INFO requests.
#[derive(Default)]
pub(crate) struct Keyings(BTreeMap<CallId, Keying>);

impl Keyings {
    /// When the next key is due.
    pub(crate) fn next(&self) -> Option<Time> {
        self.0.values().filter(|keying| !keying.waits).map(|keying| keying.not_before).min()
    }

    pub(crate) fn forget(&mut self, call: CallId) {
        self.0.remove(&call);
    }

    fn due(&self, now: Time) -> Option<CallId> {
        let mut due = self.0.iter().filter(|(_, keying)| !keying.waits && keying.not_before <= now);
        due.next().map(|(&call, _)| call)
    }
}

impl Node {
    /// Presses keys for the far end of `call`, after those that are on their way. A call that is
    /// over or not up yet is left alone.
    pub fn send_keys(&mut self, now: Time, call: CallId, mut keys: KeyQueue, way: KeyWay) {
        if !self.calls.get(call).is_some_and(|known| known.started) {
            return;
        }
        match way {
            KeyWay::Media => {
                self.media(Command::SendKeys { leg: LegKey(call.0), keys: Box::new(keys) });
            }
            KeyWay::Info => {
                let idle = || Keying { queue: KeyQueue::EMPTY, waits: false, not_before: now };
                let keying = self.keyings.0.entry(call).or_insert_with(idle);
                while let Some(stroke) = keys.pop() {
                    if keying.queue.push(stroke).is_err() {
                        break;
                    }
                }
                self.press_due_keys(now);
            }
        }
        self.run(now);
    }

    /// Sends the INFO requests that are due.
    pub(crate) fn press_due_keys(&mut self, now: Time) {
        while let Some(call) = self.keyings.due(now) {
            let dialog = self.calls.get(call).and_then(|known| known.dialog);
            let Some(keying) = self.keyings.0.get_mut(&call) else { return };
            match (keying.queue.pop(), dialog) {
                (Some(Stroke::Pause), _) => keying.not_before = now + PAUSE,
                (Some(Stroke::Key(digit)), Some(dialog)) => {
                    (keying.waits, keying.not_before) = (true, now + APART);
                    let sent = self.endpoint.send_digit(now, dialog, digit, DOWN);
                    if or_ended(&mut self.command_errors, sent).is_none() {
                        self.keyings.forget(call);
                    }
                }
                (None, _) | (_, None) => self.keyings.forget(call),
            }
        }
    }

    /// An INFO was answered. After a refusal the rest would be keys out of their order: they are
    /// given up.
    pub(crate) fn digit_sent(&mut self, now: Time, dialog: DialogId, result: Result<(), Status>) {
        let Some(call) = self.calls.by_dialog(dialog) else { return };
        let Some(keying) = self.keyings.0.get_mut(&call) else { return };
        match result {
            Ok(()) => keying.waits = false,
            Err(_) => self.keyings.forget(call),
        }
        self.press_due_keys(now);
    }
}
