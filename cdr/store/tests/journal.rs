//! The journal loses nothing that it called durable, whatever the disk does.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Fault, SimDisk, answered, closed, invited, of, origin, session, wall};
use partyline_cdr_record::{
    CloseReason, DialogRecord, LegRecord, LegState, Record, ReleaseBy, Text,
};
use partyline_cdr_store::journal::{
    Damage, Disk, Frames, Header, Journal, JournalConfig, Payload, Piece, Pieces, Position,
    Recovered,
};
use partyline_model::{Time, Uuid};
use proptest::prelude::*;

fn open(disk: &SimDisk, boot: u128, secs: u64) -> (Journal, Recovered) {
    let config = JournalConfig::new(origin(boot));
    let at = Time::from_secs(secs);
    Journal::open(disk.boxed(), config, at, wall(secs.cast_signed())).expect("the disk works")
}

/// Appends at second `secs` of the run.
fn append(journal: &mut Journal, secs: u64, records: &[Record]) -> bool {
    let wall = wall(secs.cast_signed());
    journal.append(records.iter(), Time::from_secs(secs), wall).is_ok()
}

/// Every record in the journal, in order, as ingest would read it.
fn records(disk: &SimDisk) -> Vec<Record> {
    let mut all = Vec::new();
    for bytes in disk.contents().values() {
        for piece in Pieces::new(bytes) {
            if let Piece::Frame(frame) = piece
                && let Payload::Record(record, _) = frame.payload
            {
                all.push(record);
            }
        }
    }
    all
}

/// The legs as the store would see them: the highest revision of each.
fn current(disk: &SimDisk) -> BTreeMap<Uuid, LegRecord> {
    let mut legs = BTreeMap::new();
    for record in records(disk) {
        if let Record::Leg(leg) = record {
            let entry = legs.entry(leg.leg_id).or_insert_with(|| (*leg).clone());
            if leg.rev > entry.rev {
                *entry = *leg;
            }
        }
    }
    legs
}

#[test]
fn a_group_costs_one_sync() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    let before = disk.syncs();
    let group: Vec<Record> = (1..=100).map(|n| of(&invited(n, 0))).collect();
    assert!(append(&mut journal, 1, &group));
    assert_eq!(disk.syncs() - before, 1);
    assert_eq!(records(&disk), group);
}

#[test]
fn a_sign_of_life_that_fits_a_full_disk_does_not_make_the_journal_well() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    assert!(append(&mut journal, 1, &[of(&invited(1, 0))]));
    // Room for a sign of life, and for no record of a call.
    disk.set(Fault::Space(disk.appended() + 150));
    for secs in [2, 7] {
        assert!(!append(&mut journal, secs, &[of(&invited(2, 0))]));
        assert!(journal.is_short());
        let at = Time::from_secs(secs + 1);
        assert!(journal.tick(at, wall(0)).is_err() && journal.is_short(), "calls are refused");
    }
    disk.set(Fault::None);
    journal.tick(Time::from_secs(9), wall(9)).expect("there is space");
    assert!(!journal.is_short());
    assert!(append(&mut journal, 10, &[of(&invited(2, 0))]));
    let (_, found) = open(&disk.after_kill(), 2, 11);
    assert_eq!((found.legs.len(), found.damaged.len()), (2, 0));
}

#[test]
fn an_orphan_is_closed_at_the_last_sign_of_life() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    let ringing = invited(1, 9);
    let talking = answered(&invited(2, 9), 10);
    assert!(append(&mut journal, 10, &[of(&ringing), of(&invited(2, 9)), of(&talking)]));
    let (mono, at) = (Time::from_secs(10) + Duration::from_millis(1_234_567), wall(1244));
    journal.tick(mono, at).expect("the disk works");
    let feature_time = 1250;
    assert!(append(&mut journal, feature_time, &[of(&invited(3, 1250))]));

    let (_, recovered) = open(&disk.after_kill(), 2, 0);
    assert_eq!(recovered.legs.len(), 3);
    let leg = recovered.legs.iter().find(|leg| leg.leg_id == talking.leg_id).expect("closed");
    assert_eq!((leg.state, leg.rev), (LegState::OrphanClosed, talking.rev + 1));
    assert_eq!(leg.duration_ms, 1_234_567);
    assert_eq!(leg.disconnected_at, leg.answered_at.map(|a| a + Duration::from_millis(1_234_567)));
    assert_eq!((leg.q850, leg.close_reason), (Some(41), Some(CloseReason::Crash)));
    assert_eq!(leg.release_by, Some(ReleaseBy::Recovery));
    for leg in recovered.legs.iter().filter(|leg| leg.leg_id != talking.leg_id) {
        assert_eq!((leg.duration_ms, leg.is_billable()), (0, false));
        assert!(leg.disconnected_at >= Some(leg.invited_at));
    }
}

#[test]
fn an_answer_after_the_last_sign_of_life_costs_nothing() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    journal.tick(Time::from_secs(5), wall(5)).expect("the disk works");
    assert!(append(&mut journal, 7, &[of(&answered(&invited(1, 6), 7))]));
    let (_, recovered) = open(&disk.after_kill(), 2, 0);
    assert_eq!(recovered.legs[0].duration_ms, 0);
}

#[test]
fn a_wall_clock_set_by_an_hour_does_not_change_an_orphans_duration() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    assert!(append(&mut journal, 10, &[of(&answered(&invited(1, 9), 10))]));
    journal.tick(Time::from_secs(70), wall(70 - 3600)).expect("the disk works");
    let (_, recovered) = open(&disk.after_kill(), 2, 0);
    assert_eq!(recovered.legs[0].duration_ms, 60_000);
}

#[test]
fn an_interim_revision_does_not_shorten_an_orphan_nor_does_a_new_segment() {
    let disk = SimDisk::new();
    let config = JournalConfig { segment_bytes: 400, ..JournalConfig::new(origin(1)) };
    let (mut journal, _) =
        Journal::open(disk.boxed(), config, Time::ZERO, wall(0)).expect("the disk works");
    let mut leg = answered(&invited(1, 9), 10);
    for secs in [10, 20, 30, 40, 50] {
        assert!(append(&mut journal, secs, &[of(&leg)]));
        leg.rev += 1;
    }
    assert!(journal.end().segment > 2, "the journal has gone on to other segments");
    journal.tick(Time::from_secs(70), wall(70)).expect("the disk works");
    let (_, recovered) = open(&disk.after_kill(), 2, 0);
    assert_eq!(recovered.legs.len(), 1);
    assert_eq!((recovered.legs[0].duration_ms, recovered.legs[0].rev), (60_000, leg.rev));
}

#[test]
fn recovery_starts_at_the_newest_segment_not_at_the_beginning_of_time() {
    let disk = SimDisk::new();
    let config = JournalConfig { segment_bytes: 400, ..JournalConfig::new(origin(1)) };
    let (mut journal, _) =
        Journal::open(disk.boxed(), config, Time::ZERO, wall(0)).expect("the disk works");
    for n in 1..=40 {
        let leg = answered(&invited(n, 1), 1);
        assert!(append(&mut journal, 1, &[of(&leg), of(&closed(&leg, 1))]));
    }
    let segments = disk.clone().segments().expect("listed").len();
    let (_, recovered) = open(&disk.after_kill(), 2, 0);
    assert!(segments > 10 && recovered.segments == 1, "{segments} {}", recovered.segments);
    assert!(recovered.legs.is_empty());
    assert_eq!(current(&disk).len(), 40);
}

#[test]
fn an_open_session_is_closed_as_well() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    let conference = session(1, 10);
    assert!(append(&mut journal, 10, &[Record::Conference(Box::new(conference.clone()))]));
    journal.tick(Time::from_secs(25), wall(25)).expect("the disk works");
    let (_, recovered) = open(&disk.after_kill(), 2, 0);
    assert_eq!(recovered.conferences.len(), 1);
    assert_eq!(recovered.conferences[0].mono_ms, 15_000);
    assert_eq!(recovered.conferences[0].ended_at, Some(wall(25)));
    assert_eq!(recovered.conferences[0].close_reason, Some(CloseReason::Crash));
}

#[test]
fn recovering_twice_closes_once() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    assert!(append(&mut journal, 1, &[of(&answered(&invited(1, 1), 1))]));
    drop(journal);
    let (_, first) = open(&disk, 2, 0);
    let after_first = current(&disk);
    let (_, second) = open(&disk, 3, 0);
    assert_eq!((first.legs.len(), second.legs.len()), (1, 0));
    assert_eq!(current(&disk), after_first);
}

#[test]
fn a_damaged_frame_is_set_aside_and_those_before_and_behind_it_are_read() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    assert!(append(&mut journal, 1, &[of(&invited(1, 1))]));
    let Position { segment, offset } = journal.end();
    assert!(append(&mut journal, 2, &[of(&invited(2, 2))]));
    let octets = journal.end().offset - offset;
    assert!(append(&mut journal, 2, &[of(&invited(3, 2))]));
    disk.damage(segment, usize::try_from(offset).expect("small") + 30);
    let before = disk.contents()[&segment].clone();
    let (_, recovered) = open(&disk, 2, 0);
    let damage = Damage { segment, offset, octets };
    assert_eq!(recovered.damaged.iter().map(|d| d.damage).collect::<Vec<_>>(), [damage]);
    assert_eq!(recovered.behind_damage, 1);
    let closed: Vec<_> = recovered.legs.iter().map(|leg| leg.leg_id).collect();
    assert_eq!(closed, [1, 3].map(|n| invited(n, n.min(2).cast_signed()).leg_id));
    assert_eq!(disk.contents()[&segment], before, "nothing of the segment is changed");
    let (from, to) = (usize::try_from(offset).unwrap(), usize::try_from(offset + octets).unwrap());
    assert_eq!(disk.set_aside()[&(segment, offset)], before[from..to]);
}

#[test]
fn a_damaged_last_segment_leaves_no_live_call_open() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    let legs: Vec<_> = (1..=24).map(|n| answered(&invited(n, 1), 2)).collect();
    for leg in &legs {
        assert!(append(&mut journal, 2, &[of(leg)]));
    }
    journal.tick(Time::from_secs(62), wall(62)).expect("the disk works");
    // The header, the identity, the checkpoint, and each frame in turn.
    let whole = disk.contents()[&1].len();
    for at in (0..whole).step_by(7) {
        let disk = disk.twin();
        disk.flip(1, at, 0x10);
        let (_, recovered) = open(&disk, 2, 0);
        assert_eq!(recovered.damaged.len(), 1, "byte {at}");
        let closed: BTreeMap<_, _> =
            recovered.legs.iter().map(|leg| (leg.leg_id, leg.duration_ms)).collect();
        let lost = legs.iter().filter(|leg| !closed.contains_key(&leg.leg_id)).count();
        assert!(lost <= 1, "byte {at}: {lost} legs are lost");
        // Only a damaged tick costs time.
        let unpaid = closed.values().filter(|&&ms| ms != 60_000).count();
        assert!(unpaid == 0 || lost == 0, "byte {at}: {unpaid} legs are short");
    }
}

#[test]
fn a_full_disk_fails_the_group_and_space_heals_it() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    let leg = invited(1, 1);
    assert!(append(&mut journal, 1, &[of(&leg)]));
    let used = disk.appended();
    let group = [of(&answered(&leg, 2)), of(&invited(2, 2))];
    for room in [0, 1, 16, 17, 150, 200] {
        disk.set(Fault::Space(used + room));
        assert!(!append(&mut journal, 2, &group), "{room} bytes left");
        // What failed is not counted as open, and does not come back after a crash.
        assert_eq!(journal.open_legs(), 1);
    }
    disk.set(Fault::None);
    assert!(append(&mut journal, 3, &group));
    assert_eq!(records(&disk), [of(&leg), of(&answered(&leg, 2)), of(&invited(2, 2))]);
    let (_, recovered) = open(&disk.after_power_cut(0), 2, 0);
    assert_eq!((recovered.damaged.len(), recovered.legs.len()), (0, 2));
}

#[test]
fn nothing_is_appended_behind_a_torn_frame() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    let used = disk.appended();
    disk.set(Fault::Space(used + 20));
    assert!(!append(&mut journal, 1, &[of(&invited(1, 1))]));
    disk.set(Fault::Truncate);
    assert!(!append(&mut journal, 2, &[of(&invited(2, 2))]));
    disk.set(Fault::None);
    assert!(append(&mut journal, 3, &[of(&invited(3, 3))]));
    assert_eq!(records(&disk), [of(&invited(3, 3))]);
}

#[test]
fn after_a_failed_sync_the_segment_is_left() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk, 1, 0);
    let leg = invited(1, 1);
    assert!(append(&mut journal, 1, &[of(&leg)]));
    let before = journal.end().segment;
    disk.set(Fault::Sync);
    assert!(!append(&mut journal, 2, &[of(&invited(2, 2))]));
    assert!(!append(&mut journal, 2, &[of(&invited(2, 2))]));
    disk.set(Fault::None);
    assert!(append(&mut journal, 3, &[of(&invited(3, 3))]));
    assert!(journal.end().segment > before);
    let legs = current(&disk.after_power_cut(0));
    let seqs: Vec<u64> = legs.values().map(|leg| leg.leg_seq).collect();
    assert_eq!(seqs, [1, 3]);
}

/// The power fails after every byte of the write path in turn, keeping none, some and all of what
/// was not synced. What was called durable is there, what is open is closed once, nothing is billed
/// over the truth.
#[test]
fn after_a_power_cut_at_any_byte_every_durable_leg_is_there_and_closed_once() {
    let whole = SimDisk::new();
    let acknowledged = run_calls(&whole);
    assert_eq!(acknowledged.len(), 4, "without a fault all calls are recorded");
    for cut in 0..whole.appended() {
        let disk = SimDisk::new();
        disk.set(Fault::Power(cut));
        let acknowledged = run_calls(&disk);
        for kept in [0, 40, usize::MAX] {
            let disk = disk.after_power_cut(kept);
            let (journal, _) = open(&disk, 2, 0);
            assert_eq!(journal.open_legs(), 0);
            let legs = current(&disk);
            for (id, durable) in &acknowledged {
                let leg = legs.get(id).unwrap_or_else(|| panic!("leg lost, cut at {cut}"));
                assert!(leg.rev >= durable.rev, "cut at {cut}, {kept} kept");
                assert!(leg.is_closed(), "cut at {cut}, {kept} kept");
                if durable.is_closed() {
                    assert_eq!(leg, durable, "cut at {cut}, {kept} kept");
                }
                assert!(leg.duration_ms <= 30_000, "billed over the truth, cut at {cut}");
            }
            if kept == 0 {
                let again = open(&disk, 3, 0).1;
                assert!(again.legs.is_empty() && again.conferences.is_empty());
                assert_eq!(current(&disk), legs);
            }
        }
    }
}

/// Four calls of 30 s at most, in small segments; gives back what was called durable.
fn run_calls(disk: &SimDisk) -> BTreeMap<Uuid, LegRecord> {
    let mut durable = BTreeMap::new();
    let config = JournalConfig { segment_bytes: 600, ..JournalConfig::new(origin(1)) };
    let Ok((mut journal, _)) = Journal::open(disk.boxed(), config, Time::ZERO, wall(0)) else {
        return durable;
    };
    let mut step = |secs: u64, legs: &[LegRecord]| {
        let records: Vec<Record> = legs.iter().map(of).collect();
        if append(&mut journal, secs, &records) {
            durable.extend(legs.iter().map(|leg| (leg.leg_id, leg.clone())));
        }
        // A tick that fails has nothing to lose.
        drop(journal.tick(Time::from_secs(secs), wall(secs.cast_signed())));
    };
    let [a, b, c, d] = [1, 2, 3, 4].map(|n| answered(&invited(n, 1), 2));
    step(1, &[invited(1, 1), invited(2, 1)]);
    step(2, &[a.clone(), b.clone()]);
    step(12, &[closed(&a, 10), c.clone()]);
    step(22, &[d]);
    step(32, &[closed(&b, 30), closed(&c, 20)]);
    durable
}

fn dialog(leg: &LegRecord) -> Record {
    let told = DialogRecord::told(leg.leg_id);
    let call_id = Text::new(&leg.sip_call_id);
    Record::Dialog(Box::new(DialogRecord { told: false, call_id, cseq: 7, ..told }))
}

#[test]
fn far_ends_that_are_up_after_a_crash_are_named_until_they_were_told() {
    let disk = SimDisk::new();
    let config = |boot| JournalConfig { segment_bytes: 500, ..JournalConfig::new(origin(boot)) };
    let start = |disk: &SimDisk, boot| {
        Journal::open(disk.boxed(), config(boot), Time::ZERO, wall(0)).expect("the disk works")
    };
    let (mut journal, found) = start(&disk, 1);
    assert!(found.dialogs.is_empty());
    let [a, b, c] = [1, 2, 3].map(|n| answered(&invited(n, 1), 2));
    for leg in [&a, &b, &c] {
        assert!(append(&mut journal, 2, &[of(leg), dialog(leg)]));
    }
    assert!(append(&mut journal, 3, &[of(&closed(&b, 1))]));
    assert!(journal.end().segment > 2, "they are carried into new segments");
    let names = |found: &Recovered| found.dialogs.iter().map(|d| d.leg_id).collect::<Vec<_>>();
    // It is killed before it has told them, twice.
    for boot in 2..4 {
        let (_, found) = start(&disk, boot);
        assert_eq!(names(&found), [a.leg_id, c.leg_id], "run {boot}");
        assert_eq!(found.dialogs[0].cseq, 7);
    }
    let (mut journal, _) = start(&disk, 4);
    assert!(append(&mut journal, 9, &[Record::Dialog(Box::new(DialogRecord::told(a.leg_id)))]));
    let (_, found) = start(&disk.after_power_cut(0), 5);
    assert_eq!(names(&found), [c.leg_id]);
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(Header::parse(&bytes), None);
        prop_assert_eq!(Frames::new(&bytes).count(), 0);
    }
}
