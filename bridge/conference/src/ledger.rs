//! Records on their way to disk, and what waits for them to get there.

use std::collections::BTreeMap;

use partyline_cdr_record::Record;
use partyline_model::CallId;

/// What waits for records to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Nothing waits. Records that the disk refused are offered again until it has taken them.
    Nothing,
    /// The answer to this leg.
    Answer(CallId),
    /// The call to this leg.
    Dial(CallId),
    /// The first sound from or to this leg.
    Bridge(CallId),
}

/// Records that are not known to be on disk.
#[derive(Default)]
pub(crate) struct Ledger {
    last_token: u64,
    /// Made, not offered yet.
    queued: Vec<Record>,
    /// Offered, no answer yet.
    offered: BTreeMap<u64, (Gate, Vec<Record>)>,
    /// Refused, to be offered again.
    refused: Vec<Record>,
}

impl Ledger {
    /// Adds a record that nothing waits for.
    pub(crate) fn push(&mut self, record: Record) {
        self.queued.push(record);
    }

    /// The next batch that nothing waits for, with its token.
    pub(crate) fn offer_queued(&mut self) -> Option<(u64, Vec<Record>)> {
        if self.queued.is_empty() {
            return None;
        }
        let records = std::mem::take(&mut self.queued);
        Some(self.offer(Gate::Nothing, records))
    }

    /// Those that were refused, with a new token.
    pub(crate) fn offer_refused(&mut self) -> Option<(u64, Vec<Record>)> {
        if self.refused.is_empty() {
            return None;
        }
        let records = std::mem::take(&mut self.refused);
        Some(self.offer(Gate::Nothing, records))
    }

    /// A batch that `gate` waits for, with its token.
    pub(crate) fn offer(&mut self, gate: Gate, records: Vec<Record>) -> (u64, Vec<Record>) {
        self.last_token += 1;
        self.offered.insert(self.last_token, (gate, records.clone()));
        (self.last_token, records)
    }

    /// The batch is on disk: what waited for it. `None` for a token that is not waited for.
    pub(crate) fn durable(&mut self, token: u64) -> Option<Gate> {
        self.offered.remove(&token).map(|(gate, _)| gate)
    }

    /// The batch could not be written: what waited for it.
    ///
    /// A gated batch is let go: its leg ends, and its closed revision takes the place of both.
    pub(crate) fn not_durable(&mut self, token: u64) -> Option<Gate> {
        let (gate, records) = self.offered.remove(&token)?;
        if gate == Gate::Nothing {
            self.refused.extend(records);
        }
        Some(gate)
    }

    /// Whether the disk refused records that it has not taken since.
    pub(crate) fn is_failing(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Whether every record is on disk.
    pub(crate) fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.offered.is_empty() && self.refused.is_empty()
    }
}
