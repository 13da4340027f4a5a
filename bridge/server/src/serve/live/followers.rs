//! Who follows what happens: each gets the records as they are on disk, in the order in which they
//! got there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use partyline_cdr_record::Record;
use partyline_model::Uuid;
use tokio::sync::mpsc;

/// Batches that wait for one follower.
pub(super) const QUEUE: usize = 1_024;
/// Legs that have ended and are remembered: what is measured comes in another revision of their
/// records, and is no second end.
const ENDED: usize = 16_384;

/// What a follower is told.
#[derive(Clone, Debug)]
pub(in crate::serve) enum Told {
    /// These were written.
    Records(Arc<[Record]>),
    /// The queue was full: this is the last word.
    Slow,
}

/// Those who follow, and what is on its way to disk meanwhile: no more than the journal has waiting.
#[derive(Default)]
pub(in crate::serve) struct Followers {
    each: Vec<mpsc::Sender<Told>>,
    waiting: BTreeMap<u64, Arc<[Record]>>,
    ended: BTreeSet<Uuid>,
}

impl Followers {
    /// Somebody follows from here on.
    pub(super) fn add(&mut self, follower: mpsc::Sender<Told>) {
        self.each.retain(|follower| !follower.is_closed());
        self.each.push(follower);
    }

    /// These records are on their way to disk.
    pub(in crate::serve) fn note(&mut self, token: u64, records: &[Record]) {
        if !self.each.is_empty() {
            self.waiting.insert(token, records.into());
        }
    }

    /// The records of this token are on disk, or will not get there.
    pub(in crate::serve) fn written(&mut self, token: u64, written: bool) {
        let Some(records) = self.waiting.remove(&token).filter(|_| written) else { return };
        let records: Arc<[Record]> =
            records.iter().filter(|record| self.is_news(record)).cloned().collect();
        // The last place is for the word that it is the last.
        self.each.retain(|follower| {
            let (told, stays) = if follower.capacity() > 1 {
                (Told::Records(Arc::clone(&records)), true)
            } else {
                (Told::Slow, false)
            };
            follower.try_send(told).is_ok() && stays
        });
        if self.each.is_empty() {
            self.waiting.clear();
        }
    }

    fn is_news(&mut self, record: &Record) -> bool {
        let Record::Leg(leg) = record else { return true };
        if !leg.is_closed() {
            return true;
        }
        if self.ended.len() >= ENDED {
            self.ended.pop_first();
        }
        self.ended.insert(leg.leg_id)
    }
}

#[cfg(test)]
mod tests {
    use partyline_cdr_record::{Actor, FeatureDetail, FeatureRecord};
    use partyline_cdr_record::{
        Direction, FeatureCode, LegRecord, LegState, Origin, Outcome, Pattern,
    };
    use partyline_model::WallTime;

    use super::*;

    fn event(seq: u64) -> Record {
        Record::Feature(Box::new(FeatureRecord {
            leg_id: Uuid(1),
            feature_seq: 1,
            conf_id: Some(Uuid(2)),
            conf_seq: seq,
            at: WallTime::from_micros(0),
            mono_offset_ms: 0,
            code: FeatureCode::Lock,
            pattern: Pattern::NONE,
            outcome: Outcome::Ok,
            denied: None,
            target_leg: None,
            detail: FeatureDetail::None,
            billable: false,
            actor: Actor::Leg,
            actor_id: None,
            role: None,
        }))
    }

    #[test]
    fn what_is_written_is_told_in_order_and_what_is_not_never() {
        let (sender, mut told) = mpsc::channel(QUEUE);
        let mut followers = Followers::default();
        followers.note(1, &[event(1)]);
        followers.written(1, true);
        followers.add(sender);
        for token in 2..5 {
            followers.note(token, &[event(token)]);
        }
        assert!(told.try_recv().is_err(), "nothing is on disk");
        followers.written(2, true);
        followers.written(3, false);
        followers.written(4, true);
        for seq in [2, 4] {
            let Ok(Told::Records(records)) = told.try_recv() else { panic!("{seq} is missing") };
            assert_eq!(*records, [event(seq)]);
        }
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn who_does_not_read_is_told_so_last_and_holds_nobody_up() {
        let (slow, mut late) = mpsc::channel(4);
        let (quick, mut told) = mpsc::channel(4);
        let mut followers = Followers::default();
        followers.add(slow);
        followers.add(quick);
        for token in 1..=10 {
            followers.note(token, &[event(token)]);
            followers.written(token, true);
            assert!(matches!(told.try_recv(), Ok(Told::Records(_))), "{token}");
        }
        for _ in 1..4 {
            assert!(matches!(late.try_recv(), Ok(Told::Records(_))));
        }
        assert!(matches!(late.try_recv(), Ok(Told::Slow)));
        assert_eq!(late.try_recv().err(), Some(mpsc::error::TryRecvError::Disconnected));
        drop(told);
        followers.note(11, &[event(11)]);
        followers.written(11, true);
        followers.note(12, &[event(12)]);
        assert!(followers.each.is_empty() && followers.waiting.is_empty());
    }

    #[test]
    fn a_leg_ends_once_whatever_is_measured_later() {
        let origin = Origin { node_id: 1, boot_id: Uuid(9) };
        let at = WallTime::from_micros(0);
        let mut leg = LegRecord::open(origin, Uuid(5), 1, Direction::In, at);
        let (sender, mut told) = mpsc::channel(QUEUE);
        let mut followers = Followers::default();
        followers.add(sender);
        for (token, state) in [(1, leg.state), (2, LegState::Closed), (3, LegState::Closed)] {
            leg.state = state;
            followers.note(token, &[Record::Leg(Box::new(leg.clone()))]);
            followers.written(token, true);
        }
        let mut counts = Vec::new();
        while let Ok(Told::Records(records)) = told.try_recv() {
            counts.push(records.len());
        }
        assert_eq!(counts, [1, 1, 0]);
    }
}
