//! The dialog that an INVITE is about (RFC 3891 §3, RFC 3911 §4).

use super::Endpoint;
use super::receive::Request;
use crate::counters::Dropped;
use crate::dialog::State;
use crate::event::DialogId;
use crate::message::Status;
use crate::takeover::{Aim, NotTaken, Takeover};

impl Endpoint {
    /// The call that an INVITE is about, for who may know of it. A call that rings has no place to
    /// take, whoever called: its far end was not brought in yet.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn find_taken(&self, takeover: &Takeover) -> Result<DialogId, NotTaken> {
        let key = (takeover.call_id.clone(), takeover.to_tag.clone());
        let id = *self.dialog_keys.get(&key).ok_or(NotTaken::NoDialog)?;
        let held = self.dialogs.get(&id).ok_or(NotTaken::NoDialog)?;
        // A tag of zero stands for none, which peers of RFC 2543 have.
        let theirs = held.path.remote_tag.as_deref().unwrap_or("0");
        if *theirs != *takeover.from_tag {
            return Err(NotTaken::NoDialog);
        }
        match (&held.state, takeover.aim) {
            (State::Offered { .. } | State::Calling { .. }, _) => Err(NotTaken::NoDialog),
            (State::HangingUp { .. } | State::Cancelling { .. } | State::Leaving, _) => {
                Err(NotTaken::Over(id))
            }
            (State::Answered(_) | State::Confirmed(_), Aim::Replace { early_only: true }) => {
                Err(NotTaken::Answered(id))
            }
            (
                State::Answered(_) | State::Confirmed(_),
                Aim::Replace { early_only: false } | Aim::Join,
            ) => Ok(id),
        }
    }

    /// Replaces or Join where neither may stand.
    pub(super) fn refuse_takeover(&mut self, request: &Request) {
        let (reason, status) = (Dropped::MalformedRequest, Status::BAD_REQUEST);
        let phrase = Some("Replaces And Join Stand In A New INVITE");
        self.refuse(&request.template, reason, status, phrase);
    }
}
