//! Far ends of calls that a run before has lost: each is sent BYE, a few at a time.

use std::collections::VecDeque;
use std::time::Duration;

use partyline_cdr_record::{DialogRecord, LegRecord, LegState, Record, TEMPORARY_FAILURE, Text};
use partyline_model::{Time, Uuid};
use partyline_sip::{CommandError, DialogState, Flow};

use crate::node::{Node, Output, or_ended};

/// Between two of them: a hundred a second.
const APART: Duration = Duration::from_millis(10);
/// For so long a BYE is repeated (RFC 3261 timer F); then its far end has been told, or is gone.
const TOLD_AFTER: Duration = Duration::from_secs(32);
/// No request of the conference core has this token: the answer to it is ignored.
const NOBODYS: u64 = u64::MAX;

/// Who is still to be told.
#[derive(Default)]
pub(crate) struct LostCalls {
    waiting: VecDeque<DialogRecord>,
    next: Option<Time>,
    /// Legs whose BYE went out, and when it needs no repetition any more.
    told: VecDeque<(Time, Uuid)>,
    count: u64,
}

impl LostCalls {
    pub(crate) fn next(&self) -> Option<Time> {
        let told = self.told.front().map(|&(at, _)| at);
        self.next.into_iter().chain(told).min()
    }
}

impl Node {
    /// Sends BYE to the far ends of `dialogs`, which the journal found when it was opened, and has
    /// it written that they were told.
    pub fn hang_up_lost(&mut self, now: Time, dialogs: Vec<DialogRecord>) {
        self.lost.waiting.extend(dialogs);
        self.lost.next = (!self.lost.waiting.is_empty()).then_some(now);
    }

    /// Far ends of a run before that were sent BYE.
    pub fn lost_calls_told(&self) -> u64 {
        self.lost.count
    }

    pub(crate) fn tell_lost(&mut self, now: Time) {
        if self.lost.next.is_some_and(|at| at <= now)
            && let Some(dialog) = self.lost.waiting.pop_front()
        {
            let sent = state_of(&dialog)
                .ok_or(CommandError::BadUri)
                .and_then(|state| self.endpoint.bye_lost(now, &state, Some(TEMPORARY_FAILURE)));
            let sent = or_ended(&mut self.command_errors, sent).is_some();
            self.lost.count += u64::from(sent);
            self.lost.told.push_back((now + TOLD_AFTER, dialog.leg_id));
            self.lost.next = (!self.lost.waiting.is_empty()).then(|| now + APART);
        }
        let mut records = Vec::new();
        while let Some((_, leg)) = self.lost.told.pop_front_if(|&mut (at, _)| at <= now) {
            records.push(Record::Dialog(Box::new(DialogRecord::told(leg))));
        }
        if !records.is_empty() {
            self.outputs.push_back(Output::Persist { token: NOBODYS, records });
        }
    }

    /// Puts behind each answered leg its dialog, when that is new or has changed.
    pub(crate) fn with_dialogs(&mut self, records: Vec<Record>) -> Vec<Record> {
        let mut all = Vec::with_capacity(records.len());
        for record in records {
            let dialog = match &record {
                Record::Leg(leg) if leg.state == LegState::Answered => self.dialog_of(leg),
                Record::Leg(_)
                | Record::Conference(_)
                | Record::Feature(_)
                | Record::Dialog(_)
                | Record::Tick(_) => None,
            };
            all.push(record);
            all.extend(dialog.map(|dialog| Record::Dialog(Box::new(dialog))));
        }
        all
    }

    fn dialog_of(&mut self, leg: &LegRecord) -> Option<DialogRecord> {
        let tag = match leg.direction {
            partyline_cdr_record::Direction::In => &leg.to_tag,
            partyline_cdr_record::Direction::Out => &leg.from_tag,
        };
        let dialog = self.endpoint.find(&leg.sip_call_id, tag)?;
        let id = self.calls.by_dialog(dialog)?;
        let state = self.endpoint.dialog_state(dialog)?;
        let call = self.calls.get_mut(id)?;
        // The number of the last request alone is no news: BYE leaps over it.
        let known = call.recorded.as_ref();
        if known.is_some_and(|known| *known == DialogState { cseq: known.cseq, ..state.clone() }) {
            return None;
        }
        let record = record_of(leg.leg_id, &state);
        call.recorded = Some(state);
        record
    }
}

/// `None` when it has more than a record may: nothing of it could be left out.
fn record_of(leg_id: Uuid, state: &DialogState) -> Option<DialogRecord> {
    let texts = [&state.call_id, &state.local, &state.remote, &state.target];
    let octets = texts.into_iter().chain(&state.routes).map(String::len).sum::<usize>();
    let record = DialogRecord {
        leg_id,
        told: false,
        call_id: Text::new(&state.call_id),
        local: Text::new(&state.local),
        remote: Text::new(&state.remote),
        cseq: state.cseq,
        target: Text::new(&state.target),
        routes: state.routes.iter().map(|route| Text::new(route)).collect(),
        peer: Text::new(&state.flow.remote.to_string()),
        interface: state.flow.local.map(|at| Text::new(&at.to_string())),
    };
    let is_whole = state_of(&record).is_some_and(|kept| kept == *state);
    (octets <= DialogRecord::MOST && is_whole).then_some(record)
}

fn state_of(record: &DialogRecord) -> Option<DialogState> {
    let interface = match &record.interface {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some(DialogState {
        call_id: record.call_id.to_string(),
        local: record.local.to_string(),
        remote: record.remote.to_string(),
        cseq: record.cseq,
        target: record.target.to_string(),
        routes: record.routes.iter().map(ToString::to_string).collect(),
        flow: Flow::udp(interface, record.peer.parse().ok()?),
    })
}
