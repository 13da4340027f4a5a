//! What faults of disks and of people cost: 500 flipped bits, a journal that was moved, a database
//! that was removed, power cuts. `docs/faults.md` has the table.

#![allow(clippy::unwrap_used, reason = "in a helper of tests a panic is the report")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Fault, SimDisk, answered, closed, invited, of, origin, session, wall};
use partyline_cdr_record::{LegRecord, Record};
use partyline_cdr_store::folder::{FolderIdentity, FolderParts};
use partyline_cdr_store::ingest::Ingest;
use partyline_cdr_store::journal::{
    FileDisk, Header, Journal, JournalConfig, Payload, Piece, Pieces,
};
use partyline_cdr_store::query::LegFilter;
use partyline_cdr_store::rebuild::{Loss, rebuild, replace_lost_database};
use partyline_cdr_store::{JournalError, Store, StoreError};
use partyline_model::{Time, Uuid};
use tempfile::TempDir;

/// Flipped bits tried.
const FLIPS: usize = 500;

fn open(dir: &Path, boot: u128, folder: Uuid) -> Result<Journal, JournalError> {
    let disk = FileDisk::open(&dir.join("journal"))?;
    let config = JournalConfig { segment_bytes: 1500, ..JournalConfig::new(origin(boot)) };
    Ok(Journal::open(Box::new(disk), config.of(folder), Time::ZERO, wall(0))?.0)
}

/// Twelve calls that ended, in four segments, and a conference.
fn calls() -> Vec<Record> {
    let mut records = vec![Record::Conference(Box::new(session(1, 0)))];
    for n in 1..=12 {
        let up = answered(&invited(n, 10 * n.cast_signed()), 10 * n.cast_signed() + 1);
        records.extend([of(&invited(n, 10 * n.cast_signed())), of(&up), of(&closed(&up, 5 * n))]);
    }
    records
}

async fn filled(dir: &Path) -> Store {
    let store = FolderParts::of(dir).open().await.unwrap();
    let mut journal = open(dir, 1, store.folder()).unwrap();
    for (secs, record) in (1..).zip(&calls()) {
        journal.append(std::iter::once(record), Time::from_secs(secs), wall(0)).unwrap();
    }
    drop(journal);
    Ingest::new(store.clone(), &dir.join("journal")).catch_up(None).await.unwrap();
    store
}

async fn legs(store: &Store) -> BTreeMap<Uuid, LegRecord> {
    let legs = store.legs(&LegFilter::default()).await.unwrap();
    legs.into_iter().map(|leg| (leg.leg_id, leg)).collect()
}

fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "plj")).collect();
    found.sort();
    found
}

/// Numbers that look random and are the same in each run.
fn dice(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).unwrap()
}

#[tokio::test]
async fn five_hundred_flipped_bits_are_each_named_and_cost_nothing_that_the_database_has() {
    let dir = TempDir::new().unwrap();
    let (store, database) = (filled(dir.path()).await, dir.path().join("partyline.db"));
    let (before, journal) = (legs(&store).await, dir.path().join("journal"));
    let segments = segments(dir.path());
    assert!(segments.len() >= 4, "{} segments", segments.len());
    let (mut seed, mut refused, mut most_lost) = (8, 0, 0);
    for _ in 0..FLIPS {
        let path = &segments[dice(&mut seed) % segments.len()];
        let good = fs::read(path).unwrap();
        let (at, bit) = (dice(&mut seed) % good.len(), dice(&mut seed) % 8);
        let mut bad = good.clone();
        bad[at] ^= 1 << bit;
        fs::write(path, &bad).unwrap();
        let done = rebuild(&store, &database, &journal, Loss::Refused).await.unwrap();
        let what = format!("{path:?} octet {at} bit {bit}: {done:?}");
        // It is named, and where it is.
        assert_eq!(done.ingested.damaged.len(), 1, "{what}");
        let damage = done.ingested.damaged[0];
        let at = u64::try_from(at).unwrap();
        assert!(path.ends_with(format!("{:08}.plj", damage.segment)), "{what}");
        assert!((damage.offset..damage.offset + damage.octets).contains(&at), "{what}");
        // One frame at most is gone; the database keeps it unless told otherwise.
        let lost = done.lacking.leg_revisions + done.lacking.conference_revisions;
        assert!(lost <= 1 && done.lacking.features == 0, "{what}");
        assert_eq!(done.replaced, lost == 0, "{what}");
        assert_eq!(legs(&store).await, before, "{what}");
        refused += u32::from(!done.replaced);
        most_lost = most_lost.max(damage.octets);
        fs::write(path, &good).unwrap();
    }
    assert!(refused > 300, "most bits are those of records: {refused}");
    assert!(most_lost < 400, "one frame: {most_lost}");
}

#[tokio::test]
async fn what_is_lost_goes_only_when_that_is_accepted() {
    let dir = TempDir::new().unwrap();
    let (store, database) = (filled(dir.path()).await, dir.path().join("partyline.db"));
    let (before, journal) = (legs(&store).await, dir.path().join("journal"));
    fs::remove_file(&segments(dir.path())[1]).unwrap();
    let done = rebuild(&store, &database, &journal, Loss::Refused).await.unwrap();
    assert!(!done.replaced && done.lacking.leg_revisions > 1, "{done:?}");
    assert_eq!(legs(&store).await, before);
    let done = rebuild(&store, &database, &journal, Loss::Accepted).await.unwrap();
    assert!(done.replaced, "{done:?}");
    let gone = u64::try_from(before.len() - legs(&store).await.len()).unwrap();
    assert_eq!(gone, done.lacking.legs);
    assert!(!database.with_extension("rebuilt").exists());
}

#[tokio::test]
async fn without_its_journal_the_database_keeps_its_records() {
    let dir = TempDir::new().unwrap();
    let (store, database) = (filled(dir.path()).await, dir.path().join("partyline.db"));
    let (before, journal) = (legs(&store).await, dir.path().join("journal"));
    fs::rename(&journal, dir.path().join("elsewhere")).unwrap();
    let error = rebuild(&store, &database, &journal, Loss::Accepted).await.unwrap_err();
    assert!(matches!(error, StoreError::NoJournal(_)), "{error}");
    fs::create_dir(&journal).unwrap();
    let error = rebuild(&store, &database, &journal, Loss::Accepted).await.unwrap_err();
    assert!(matches!(error, StoreError::NoJournal(_)), "{error}");
    assert_eq!(legs(&store).await, before);
}

#[tokio::test]
async fn a_new_journal_under_an_old_database_is_taken_and_the_old_one_again_without_doubles() {
    let dir = TempDir::new().unwrap();
    let store = filled(dir.path()).await;
    let (before, journal) = (legs(&store).await, dir.path().join("journal"));
    fs::rename(&journal, dir.path().join("elsewhere")).unwrap();
    let mut new = open(dir.path(), 2, store.folder()).unwrap();
    let up = answered(&invited(99, 700), 701);
    new.append([of(&invited(99, 700)), of(&up)].iter(), Time::ZERO, wall(0)).unwrap();
    let ingest = Ingest::new(store.clone(), &journal);
    let done = ingest.catch_up(Some(new.end())).await.unwrap();
    assert_eq!((done.added, done.conflicts), (2, 0), "its position is far before the old one");
    new.append([of(&closed(&up, 9))].iter(), Time::ZERO, wall(0)).unwrap();
    assert_eq!(ingest.catch_up(Some(new.end())).await.unwrap().added, 1);
    drop(new);
    assert_eq!(legs(&store).await.len(), before.len() + 1);
    // The old one comes back.
    fs::rename(&journal, dir.path().join("second")).unwrap();
    fs::rename(dir.path().join("elsewhere"), &journal).unwrap();
    let done = ingest.catch_up(None).await.unwrap();
    let all = u64::try_from(calls().len()).unwrap();
    assert!(done.added == 0 && done.conflicts == 0 && done.repeated >= all, "{done:?}");
    assert_eq!(legs(&store).await.len(), before.len() + 1);
}

#[tokio::test]
async fn segments_that_were_removed_under_their_own_name_are_noticed() {
    let dir = TempDir::new().unwrap();
    let store = filled(dir.path()).await;
    // An older copy of the same journal: it ends before the position.
    for path in &segments(dir.path())[2..] {
        fs::remove_file(path).unwrap();
    }
    let mut journal = open(dir.path(), 2, store.folder()).unwrap();
    journal.append([of(&invited(99, 700))].iter(), Time::ZERO, wall(0)).unwrap();
    let ingest = Ingest::new(store.clone(), &dir.path().join("journal"));
    let done = ingest.catch_up(Some(journal.end())).await.unwrap();
    assert!(legs(&store).await.contains_key(&invited(99, 700).leg_id), "{done:?}");
}

#[tokio::test]
async fn a_journal_of_another_folder_is_not_taken() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (store, before) = (filled(dir.path()).await, 12);
    filled(other.path()).await.close().await;
    fs::rename(dir.path().join("journal"), dir.path().join("elsewhere")).unwrap();
    fs::rename(other.path().join("journal"), dir.path().join("journal")).unwrap();
    let error = Ingest::new(store.clone(), &dir.path().join("journal")).catch_up(None).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("belongs to data folder"), "{error}");
    let error = open(dir.path(), 3, store.folder()).err().unwrap();
    assert!(matches!(error, JournalError::Foreign { .. }), "{error}");
    assert_eq!(legs(&store).await.len(), before);
}

#[tokio::test]
async fn a_missing_database_is_not_made_anew_and_its_numbers_are_not_given_again() {
    let dir = TempDir::new().unwrap();
    let (parts, store) = (FolderParts::of(dir.path()), filled(dir.path()).await);
    let before = legs(&store).await;
    store.close().await;
    fs::remove_file(dir.path().join("partyline.db")).unwrap();
    let said = parts.open().await.unwrap_err().to_string();
    for words in ["is missing", "partyline restore", "--new-database"] {
        assert!(said.contains(words), "{said}");
    }
    // An empty file is as good as none, and a folder of the format before has no identity.
    let empty = fs::File::create(dir.path().join("partyline.db")).unwrap();
    empty.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(&parts.identity).unwrap();
    assert!(matches!(parts.open().await, Err(StoreError::NoDatabase { .. })));
    // A log of the lost database is not taken for the new one's.
    fs::write(dir.path().join("partyline.db-wal"), b"old").unwrap();
    let made = replace_lost_database(&parts).await.unwrap().unwrap();
    assert_eq!(made.next_account, 5002);
    assert_eq!(fs::read(dir.path().join("partyline.db-wal.lost")).unwrap(), b"old");
    let store = parts.open().await.unwrap();
    assert_eq!(legs(&store).await, before);
    assert!(replace_lost_database(&parts).await.unwrap().is_none(), "there is one now");
}

#[tokio::test]
async fn a_lost_database_that_cannot_be_made_whole_is_not_there_and_can_be_made_later() {
    let dir = TempDir::new().unwrap();
    let (parts, store) = (FolderParts::of(dir.path()), filled(dir.path()).await);
    let before = legs(&store).await;
    store.close().await;
    fs::remove_file(&parts.database).unwrap();
    // A bridge runs, or whoever else has the journal.
    let running = FileDisk::open(&parts.journal).unwrap();
    let error = replace_lost_database(&parts).await.unwrap_err();
    assert!(matches!(error, StoreError::Journal(JournalError::Locked(_))), "{error}");
    assert!(matches!(parts.open().await, Err(StoreError::NoDatabase { .. })));
    drop(running);
    // A segment that cannot be read stops it in the middle.
    let third = &segments(dir.path())[2];
    fs::rename(third, dir.path().join("third")).unwrap();
    fs::create_dir(third).unwrap();
    replace_lost_database(&parts).await.unwrap_err();
    assert!(matches!(parts.open().await, Err(StoreError::NoDatabase { .. })));
    let left = fs::read_dir(dir.path())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let left: Vec<String> = left.filter(|name| name.starts_with("partyline.")).collect();
    assert!(left.is_empty(), "{left:?}");
    fs::remove_dir(third).unwrap();
    fs::rename(dir.path().join("third"), third).unwrap();
    // What a run that was killed has left is in nobody's way.
    fs::write(dir.path().join("partyline.new"), b"half").unwrap();
    replace_lost_database(&parts).await.unwrap().unwrap();
    assert_eq!(legs(&parts.open().await.unwrap()).await, before);
}

#[tokio::test]
async fn without_database_and_journal_the_way_out_is_said() {
    let dir = TempDir::new().unwrap();
    let parts = FolderParts::of(dir.path());
    parts.open().await.unwrap().close().await;
    fs::remove_file(&parts.database).unwrap();
    let said = parts.open().await.unwrap_err().to_string();
    assert!(said.contains("no journal") && said.contains("partyline init"), "{said}");
    assert!(!said.contains("--new-database"), "{said}");
    let error = replace_lost_database(&parts).await.unwrap_err();
    assert!(matches!(error, StoreError::NothingLeft { .. }), "{error}");
    assert!(!parts.database.exists());
}

#[tokio::test]
async fn a_rebuild_that_fails_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let (parts, store) = (FolderParts::of(dir.path()), filled(dir.path()).await);
    let third = &segments(dir.path())[2];
    fs::remove_file(third).unwrap();
    fs::create_dir(third).unwrap();
    rebuild(&store, &parts.database, &parts.journal, Loss::Refused).await.unwrap_err();
    assert!(!parts.database.with_extension("rebuilt").exists());
    // Nor when the file itself cannot be used.
    fs::create_dir(parts.database.with_extension("rebuilt")).unwrap();
    rebuild(&store, &parts.database, &parts.journal, Loss::Refused).await.unwrap_err();
    assert_eq!(legs(&store).await.len(), 12);
}

#[tokio::test]
async fn parts_of_two_folders_are_not_mixed() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    filled(dir.path()).await.close().await;
    filled(other.path()).await.close().await;
    fs::rename(other.path().join("partyline.db"), dir.path().join("partyline.db")).unwrap();
    let error = FolderParts::of(dir.path()).open().await.unwrap_err();
    assert!(matches!(error, StoreError::OtherFolder { .. }), "{error}");
}

#[tokio::test]
async fn a_folder_of_a_later_version_is_refused_with_the_reason() {
    let dir = TempDir::new().unwrap();
    let (parts, store) = (FolderParts::of(dir.path()), filled(dir.path()).await);
    let folder = store.folder();
    store.close().await;
    FolderIdentity { format: 3, folder }.write(&parts.identity).unwrap();
    let said = parts.open().await.unwrap_err().to_string();
    assert!(
        said.contains("later version of Partyline (format 3; this one knows up to 2)"),
        "{said}"
    );
    fs::write(&parts.identity, "format = 2\nfolder = nobody\n").unwrap();
    assert!(matches!(parts.open().await, Err(StoreError::Identity(_))));
}

/// Calls up when the power fails, then a start that is cut itself at every byte that it writes.
#[test]
fn a_power_cut_in_the_middle_of_a_recovery_loses_nothing() {
    let disk = SimDisk::new();
    let config = |boot| JournalConfig { segment_bytes: 900, ..JournalConfig::new(origin(boot)) };
    let boot = |disk: &SimDisk, run| {
        Journal::open(disk.boxed(), config(run), Time::ZERO, wall(0)).map(|(journal, _)| journal)
    };
    let mut journal = boot(&disk, 1).unwrap();
    let up: Vec<_> = (1..=6).map(|n| answered(&invited(n, 1), 2)).collect();
    for leg in &up {
        let legs = [of(&invited(leg.leg_seq, 1)), of(leg)];
        journal.append(legs.iter(), Time::from_secs(2), wall(2)).unwrap();
    }
    let crashed = disk.after_power_cut(0);
    // One frame of it is damaged as well: that of the last leg's answer.
    let (last, bytes) = crashed.contents().into_iter().next_back().unwrap();
    let frames = Pieces::new(&bytes).filter_map(|piece| match piece {
        Piece::Frame(frame) => Some(frame),
        Piece::Damage(_) => None,
    });
    let answer = frames.filter(|f| matches!(f.payload, Payload::Record(Record::Leg(_), _)));
    crashed.damage(last, answer.last().unwrap().end - 20);
    let alone = crashed.twin();
    boot(&alone, 2).unwrap();
    let written = alone.appended();
    assert!(written > 1000, "{written}");
    for cut in 0..written {
        let disk = crashed.twin();
        disk.set(Fault::Power(cut));
        assert!(boot(&disk, 2).is_err(), "cut at {cut}");
        for kept in [0, 30, usize::MAX] {
            let disk = disk.after_power_cut(kept);
            boot(&disk, 3).unwrap();
            let mut open: BTreeSet<Uuid> = up.iter().map(|leg| leg.leg_id).collect();
            for bytes in disk.contents().values().filter(|bytes| Header::parse(bytes).is_some()) {
                for piece in Pieces::new(bytes) {
                    if let Piece::Frame(frame) = piece
                        && let Payload::Record(Record::Leg(leg), _) = frame.payload
                        && leg.is_closed()
                    {
                        open.remove(&leg.leg_id);
                    }
                }
            }
            assert!(open.is_empty(), "cut at {cut}, {kept} kept: {open:?} never closed");
        }
    }
}
