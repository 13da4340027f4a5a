//! What a refusal of a call of ours says beside its status.

use super::Endpoint;
use super::outgoing::Purpose;
use crate::event::{Event, RefusalTerms};
use crate::message::scan::read_seconds;
use crate::message::{Message, Name, Status};
use crate::transaction::RequestId;

impl Endpoint {
    /// Reports what else the refusal of a call says, where it says anything. The end of the call is
    /// reported after it.
    pub(super) fn report_terms(&mut self, request: RequestId, status: Status, refusal: &Message) {
        let purpose = self.outgoing.get(&request).map(|outgoing| outgoing.purpose);
        let Some(Purpose::Dial(dialog)) = purpose else { return };
        if self.dialogs.get(&dialog).is_none_or(|dialog| dialog.state.has_ended()) {
            return;
        }
        let retry_after = refusal.headers.text(&Name::RetryAfter).and_then(read_seconds);
        if retry_after.is_some() {
            self.emit(Event::Terms { dialog, terms: RefusalTerms { status, retry_after } });
        }
    }
}
