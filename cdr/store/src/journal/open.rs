//! What is open at the moment: the legs and sessions whose last revision is not a closing one.
//!
//! The writer keeps it to tick and to begin segments, recovery keeps it to find orphans. Bytes are
//! kept as they were written, so that carrying a record into another segment cannot change it.

use std::collections::BTreeMap;

use partyline_cdr_record::{ConferenceRecord, DialogRecord, LegRecord, LegState, Record, Tick};
use partyline_model::{Time, Uuid, WallTime};

/// One open record.
#[derive(Clone, Debug)]
pub(crate) struct Open<R> {
    pub(crate) record: R,
    pub(crate) bytes: Box<[u8]>,
    /// When the record was first written in its present stage: invited or answered, or begun.
    pub(crate) since: Time,
}

/// The open records of one or more runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenSet {
    pub(crate) legs: BTreeMap<Uuid, Open<LegRecord>>,
    pub(crate) conferences: BTreeMap<Uuid, Open<ConferenceRecord>>,
    /// Dialogs of answered legs, and those of orphans whose far ends have not been told.
    pub(crate) dialogs: BTreeMap<Uuid, Open<DialogRecord>>,
    max_leg_seq: u64,
}

impl OpenSet {
    /// Takes note of a durable record that was first written at `mono`.
    pub(crate) fn note(&mut self, record: &Record, bytes: &[u8], mono: Time) {
        match record {
            Record::Leg(leg) => self.note_leg(leg, bytes, mono),
            Record::Conference(conference) => self.note_conference(conference, bytes, mono),
            Record::Dialog(dialog) => self.note_dialog(dialog, bytes, mono),
            Record::Feature(_) | Record::Tick(_) => {}
        }
    }

    fn note_leg(&mut self, leg: &LegRecord, bytes: &[u8], mono: Time) {
        self.max_leg_seq = self.max_leg_seq.max(leg.leg_seq);
        if leg.is_closed() {
            self.legs.remove(&leg.leg_id);
            if leg.state != LegState::OrphanClosed {
                self.dialogs.remove(&leg.leg_id);
            }
            return;
        }
        let before = self.legs.get(&leg.leg_id);
        if before.is_some_and(|before| before.record.rev >= leg.rev) {
            return;
        }
        let same_stage = before
            .filter(|before| before.record.answered_at.is_some() == leg.answered_at.is_some());
        let since = same_stage.map_or(mono, |before| before.since);
        self.legs.insert(leg.leg_id, Open { record: leg.clone(), bytes: bytes.into(), since });
    }

    fn note_dialog(&mut self, dialog: &DialogRecord, bytes: &[u8], since: Time) {
        if dialog.told {
            self.dialogs.remove(&dialog.leg_id);
            return;
        }
        let open = Open { record: dialog.clone(), bytes: bytes.into(), since };
        self.dialogs.insert(dialog.leg_id, open);
    }

    fn note_conference(&mut self, conference: &ConferenceRecord, bytes: &[u8], mono: Time) {
        let id = conference.conf_id;
        if conference.is_closed() {
            self.conferences.remove(&id);
            return;
        }
        let before = self.conferences.get(&id);
        if before.is_some_and(|before| before.record.rev >= conference.rev) {
            return;
        }
        let since = before.map_or(mono, |before| before.since);
        self.conferences
            .insert(id, Open { record: conference.clone(), bytes: bytes.into(), since });
    }

    /// The sign of life of a run that has these records open.
    pub(crate) fn tick(&self, boot_id: Uuid, mono: Time, wall: WallTime) -> Tick {
        Tick {
            boot_id,
            mono,
            wall,
            open_legs: u32::try_from(self.legs.len()).unwrap_or(u32::MAX),
            open_xor: Uuid(self.legs.keys().fold(0, |xor, id| xor ^ id.0)),
            max_leg_seq: self.max_leg_seq,
        }
    }

    /// The bytes of everything open, each with the time it was first written.
    pub(crate) fn carried(&self) -> impl Iterator<Item = (Time, &[u8])> {
        let legs = self.legs.values().map(|open| (open.since, &*open.bytes));
        let conferences = self.conferences.values().map(|open| (open.since, &*open.bytes));
        // Behind the legs: a leg that ends takes its dialog along.
        let dialogs = self.dialogs.values().map(|open| (open.since, &*open.bytes));
        legs.chain(conferences).chain(dialogs)
    }
}
