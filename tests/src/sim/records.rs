//! The records of a world that has ended, as a reader of the journal sees them.

use std::collections::BTreeMap;

use partyline_cdr_record::{
    CloseReason, ConferenceRecord, FeatureCode, FeatureRecord, LegRecord, Record,
};
use partyline_model::Uuid;

/// Everything that was written, in order.
pub struct Records(Vec<Record>);

impl Records {
    /// The journal's contents.
    pub fn new(written: Vec<Record>) -> Self {
        Self(written)
    }

    /// All of them.
    pub fn all(&self) -> &[Record] {
        &self.0
    }

    /// Every revision of every leg, in the order of writing.
    pub fn leg_revisions(&self) -> BTreeMap<Uuid, Vec<&LegRecord>> {
        let mut legs: BTreeMap<Uuid, Vec<&LegRecord>> = BTreeMap::new();
        for record in &self.0 {
            if let Record::Leg(leg) = record {
                legs.entry(leg.leg_id).or_default().push(leg);
            }
        }
        legs
    }

    /// Every revision of every session, in the order of writing.
    pub fn conference_revisions(&self) -> BTreeMap<Uuid, Vec<&ConferenceRecord>> {
        let mut sessions: BTreeMap<Uuid, Vec<&ConferenceRecord>> = BTreeMap::new();
        for record in &self.0 {
            if let Record::Conference(conference) = record {
                sessions.entry(conference.conf_id).or_default().push(conference);
            }
        }
        sessions
    }

    /// The last revision of each leg.
    pub fn legs(&self) -> Vec<&LegRecord> {
        let legs = self.leg_revisions().into_values();
        legs.filter_map(|revisions| revisions.into_iter().max_by_key(|leg| leg.rev)).collect()
    }

    /// The leg of this SIP Call-ID.
    ///
    /// # Panics
    /// Unless there is exactly one.
    pub fn leg(&self, call_id: &str) -> &LegRecord {
        let legs = self.0.iter().filter_map(|record| match record {
            Record::Leg(leg) if &*leg.sip_call_id == call_id => Some(&**leg),
            Record::Leg(_)
            | Record::Conference(_)
            | Record::Feature(_)
            | Record::Dialog(_)
            | Record::Tick(_) => None,
        });
        let revisions: Vec<&LegRecord> = legs.collect();
        let last = revisions.iter().max_by_key(|leg| leg.rev);
        let last = last.unwrap_or_else(|| panic!("no leg has the Call-ID {call_id}"));
        let one = revisions.iter().all(|leg| leg.leg_id == last.leg_id);
        assert!(one, "one leg has the Call-ID {call_id}");
        last
    }

    /// The leg that was dialled to `number`.
    ///
    /// # Panics
    /// Unless there is exactly one.
    pub fn dialled(&self, number: &str) -> &LegRecord {
        let number = number.parse().expect("a number");
        let mut found = self.legs().into_iter().filter(|leg| leg.dialed_number == Some(number));
        let leg = found.next().expect("a leg was dialled to the number");
        assert_eq!(found.count(), 0, "one leg was dialled to +{number}");
        leg
    }

    /// The last revision of each session, in the order of their beginning.
    pub fn conferences(&self) -> Vec<&ConferenceRecord> {
        let sessions = self.conference_revisions().into_values();
        sessions.filter_map(|revisions| revisions.into_iter().max_by_key(|c| c.rev)).collect()
    }

    /// The one session there was.
    ///
    /// # Panics
    /// Unless there is exactly one.
    pub fn conference(&self) -> &ConferenceRecord {
        let conferences = self.conferences();
        assert_eq!(conferences.len(), 1, "there was one conference");
        conferences[0]
    }

    /// All events.
    pub fn features(&self) -> Vec<&FeatureRecord> {
        let features = self.0.iter().filter_map(|record| match record {
            Record::Feature(feature) => Some(&**feature),
            Record::Leg(_) | Record::Conference(_) | Record::Dialog(_) | Record::Tick(_) => None,
        });
        features.collect()
    }

    /// What a leg did and what happened to it, in order.
    pub fn events_of(&self, leg: &LegRecord) -> Vec<FeatureCode> {
        let events = self.features().into_iter().filter(|event| event.leg_id == leg.leg_id);
        events.map(|event| event.code).collect()
    }

    /// The events of this kind.
    pub fn of_kind(&self, code: FeatureCode) -> Vec<&FeatureRecord> {
        self.features().into_iter().filter(|event| event.code == code).collect()
    }

    /// Why the leg of this SIP Call-ID ended.
    ///
    /// # Panics
    /// When it did not.
    pub fn reason(&self, call_id: &str) -> CloseReason {
        self.leg(call_id).close_reason.expect("the leg is closed")
    }
}
