//! One conference session's record as it grows.

use std::time::Duration;

use partyline_cdr_record::{ConferenceRecord, ConferenceState, Record, Reference, ReferenceSource};
use partyline_model::{Time, Uuid, WallTime};

use super::{Behalf, Close, Event, EventPlace, millis};

/// One session's record as it grows.
pub(crate) struct SessionBook {
    record: ConferenceRecord,
    started: Time,
    legs: u32,
    events: u64,
    /// Of these, those that no leg did.
    own_events: u32,
}

impl SessionBook {
    pub(crate) const fn new(record: ConferenceRecord, now: Time) -> Self {
        Self { record, started: now, legs: 0, events: 0, own_events: 0 }
    }

    pub(crate) const fn conf_id(&self) -> Uuid {
        self.record.conf_id
    }

    pub(crate) const fn record(&self) -> &ConferenceRecord {
        &self.record
    }

    /// For fields that nothing is derived from.
    pub(crate) const fn record_mut(&mut self) -> &mut ConferenceRecord {
        &mut self.record
    }

    /// For whom a leg is called that somebody outside orders.
    pub(crate) const fn behalf(&self) -> Behalf {
        Behalf {
            leg: None,
            tenant: self.record.tenant_id,
            account: Some(self.record.account_id),
            conference: Some(self.record.conference_id),
            plan: 0,
            tz_offset_min: 0,
        }
    }

    fn stamp(&self, now: Time) -> WallTime {
        self.record.started_at + now.since(self.started)
    }

    /// The revision that the record is at, to be written.
    pub(crate) fn revision(&self) -> Record {
        Record::Conference(Box::new(self.record.clone()))
    }

    /// The next revision, to be written.
    pub(crate) fn next_revision(&mut self) -> Record {
        self.record.rev = self.record.rev.saturating_add(1);
        self.revision()
    }

    /// The number of the next event: from 1, without gaps.
    pub(crate) const fn next_event(&mut self) -> (Uuid, u64) {
        self.events += 1;
        (self.record.conf_id, self.events)
    }

    /// An event that no leg did.
    pub(crate) fn event(&mut self, now: Time, event: Event) -> Record {
        let session = self.next_event();
        self.own_events += 1;
        event.record(EventPlace {
            of: session.0,
            seq: self.own_events,
            session: Some(session),
            at: self.stamp(now),
            offset: now.since(self.started),
            role: None,
        })
    }

    pub(crate) fn leg_came(&mut self) {
        self.legs += 1;
        self.record.leg_count = self.record.leg_count.saturating_add(1);
        self.record.peak_legs = self.record.peak_legs.max(self.legs);
    }

    pub(crate) const fn leg_went(&mut self, conf_ms: u64) {
        self.legs = self.legs.saturating_sub(1);
        self.record.leg_ms_total = self.record.leg_ms_total.saturating_add(conf_ms);
    }

    /// Sets or removes the reference number; the one before.
    pub(crate) fn refer(
        &mut self,
        now: Time,
        by: Option<Uuid>,
        source: ReferenceSource,
        value: Option<Reference>,
    ) -> Option<Reference> {
        self.record.reference_source = if value.is_some() { source } else { ReferenceSource::None };
        self.record.reference_set_at = Some(self.stamp(now));
        self.record.reference_set_by = by;
        std::mem::replace(&mut self.record.reference_number, value)
    }

    pub(crate) fn recorded(&mut self, length: Duration) {
        self.record.recording_ms = self.record.recording_ms.saturating_add(millis(length));
    }

    pub(crate) fn close(&mut self, now: Time, close: Close) -> Record {
        self.record.state = ConferenceState::Closed;
        self.record.mono_ms = millis(now.since(self.started));
        self.record.ended_at =
            Some(self.record.started_at + Duration::from_millis(self.record.mono_ms));
        self.record.ended_by = Some(close.by);
        self.record.close_reason = Some(close.reason);
        self.next_revision()
    }
}
