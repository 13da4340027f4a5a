//! A backup is whole or not there, and so is what is restored from it.

#![allow(clippy::unwrap_used, reason = "in a helper of tests a panic is the report")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use common::{answered, closed, invited, of, origin, wall};
use partyline_cdr_record::{DialogRecord, LegRecord, LegState, Record};
use partyline_cdr_store::backup::{Extent, backup, restore, verify};
use partyline_cdr_store::folder::FolderParts;
use partyline_cdr_store::ingest::Ingest;
use partyline_cdr_store::journal::{FileDisk, Journal, JournalConfig};
use partyline_cdr_store::keys::Keys;
use partyline_cdr_store::query::LegFilter;
use partyline_cdr_store::{BackupError, Store, StoreError};
use partyline_model::{Time, Uuid};
use tempfile::TempDir;

const ALL: Extent = Extent { keys: true, recordings: true };

/// A bridge at work: five calls over, one up, one not yet in the database.
struct Bridge {
    dir: TempDir,
    store: Store,
    journal: Journal,
}

async fn bridge() -> Bridge {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    let store = FolderParts::of(&data).open().await.unwrap();
    drop(Keys::open(&data.join("keys")).unwrap());
    fs::create_dir(data.join("recordings")).unwrap();
    fs::write(data.join("recordings/one.wav"), b"sound").unwrap();
    let disk = FileDisk::open(&data.join("journal")).unwrap();
    let config = JournalConfig { segment_bytes: 1500, ..JournalConfig::new(origin(1)) };
    let config = config.of(store.folder());
    let mut journal = Journal::open(Box::new(disk), config, Time::ZERO, wall(0)).unwrap().0;
    for n in 1..=5 {
        let up = answered(&invited(n, 10), 11);
        let legs = [of(&invited(n, 10)), of(&up), of(&closed(&up, 60))];
        journal.append(legs.iter(), Time::from_secs(n), wall(0)).unwrap();
    }
    Ingest::new(store.clone(), &data.join("journal")).catch_up(Some(journal.end())).await.unwrap();
    let up = answered(&invited(6, 10), 11);
    let dialog = DialogRecord { told: false, ..DialogRecord::told(up.leg_id) };
    let records = [of(&up), Record::Dialog(Box::new(dialog))];
    journal.append(records.iter(), Time::from_secs(11), wall(11)).unwrap();
    journal.tick(Time::from_secs(31), wall(31)).unwrap();
    Bridge { dir, store, journal }
}

impl Bridge {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn backup(&self, name: &str) -> Result<(), StoreError> {
        let (data, target) = (self.path("data"), self.path(name));
        backup(&self.store, &data, &target, ALL, &mut |_| Ok(())).await.map(|_| ())
    }

    async fn restore(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let run = (origin(9), wall(100));
        restore(&self.path(from), &self.path(to), run, &mut |_| Ok(())).await.map(|_| ())
    }
}

async fn legs(data: &Path) -> BTreeMap<Uuid, LegRecord> {
    let store = FolderParts::of(data).open().await.unwrap();
    let legs = store.legs(&LegFilter::default()).await.unwrap();
    store.close().await;
    legs.into_iter().map(|leg| (leg.leg_id, leg)).collect()
}

#[tokio::test]
async fn what_is_restored_has_every_record_and_the_calls_that_were_up_closed() {
    let bridge = bridge().await;
    bridge.backup("copy").await.unwrap();
    // The bridge goes on; the copy does not.
    let mut bridge = bridge;
    bridge.journal.append([of(&invited(7, 50))].iter(), Time::from_secs(50), wall(50)).unwrap();
    let copied = verify(&bridge.path("copy")).unwrap();
    assert!(copied.keys && copied.files > 6, "{copied:?}");
    bridge.restore("copy", "second").await.unwrap();
    let restored = legs(&bridge.path("second")).await;
    let before = bridge.store.legs(&LegFilter::default()).await.unwrap();
    assert_eq!((before.len(), restored.len()), (5, 6));
    assert!(before.iter().all(|leg| restored[&leg.leg_id] == *leg));
    let up = &restored[&invited(6, 10).leg_id];
    assert_eq!((up.state, up.duration_ms), (LegState::OrphanClosed, 20_000));
    for name in ["keys/pepper.key", "keys/seal.key", "recordings/one.wav"] {
        let read = |folder: &str| fs::read(bridge.path(folder).join(name)).unwrap();
        assert_eq!(read("second"), read("data"), "{name}");
    }
    // The first start of the copy calls nobody: the bridge that was copied may still have them.
    let disk = FileDisk::open(&bridge.path("second/journal")).unwrap();
    let found = Journal::open(Box::new(disk), JournalConfig::new(origin(10)), Time::ZERO, wall(0));
    let found = found.unwrap().1;
    assert!(found.dialogs.is_empty() && found.legs.is_empty() && found.damaged.is_empty());
}

#[tokio::test]
async fn nothing_is_written_over() {
    let bridge = bridge().await;
    bridge.backup("copy").await.unwrap();
    let error = bridge.backup("copy").await.unwrap_err();
    assert!(matches!(error, StoreError::Backup(BackupError::Exists(_))), "{error}");
    let error = bridge.restore("copy", "data").await.unwrap_err();
    assert!(matches!(error, StoreError::Backup(BackupError::InUse(_))), "{error}");
    // Nor is a folder of somebody else's taken for what an earlier copy has left.
    fs::create_dir(bridge.path("third.partial")).unwrap();
    fs::write(bridge.path("third.partial/novel.txt"), b"x").unwrap();
    let error = bridge.backup("third").await.unwrap_err();
    assert!(matches!(error, StoreError::Backup(BackupError::Exists(_))), "{error}");
    fs::create_dir_all(bridge.path("other/brands")).unwrap();
    fs::write(bridge.path("other/brands/ours.flac"), b"x").unwrap();
    let error = bridge.restore("copy", "other").await.unwrap_err();
    assert!(matches!(error, StoreError::Backup(BackupError::InUse(_))), "{error}");
    fs::remove_file(bridge.path("other/brands/ours.flac")).unwrap();
    bridge.restore("copy", "other").await.unwrap();
    assert_eq!(legs(&bridge.path("other")).await.len(), 6);
}

#[tokio::test]
async fn no_copy_is_made_within_the_data_folder() {
    let bridge = bridge().await;
    symlink(bridge.path("data/brands"), bridge.path("way")).unwrap();
    fs::create_dir_all(bridge.path("data/brands")).unwrap();
    for target in ["data/copy", "data/journal/../copy", "data/yet/to/come", "way/copy"] {
        let error = bridge.backup(target).await.unwrap_err();
        assert!(matches!(error, StoreError::Backup(BackupError::Inside(_))), "{target}: {error}");
    }
    bridge.backup("data-copy").await.unwrap();
}

#[tokio::test]
async fn a_copy_that_was_changed_is_not_restored() {
    let bridge = bridge().await;
    let changes: [&dyn Fn(&Path); 6] = [
        &|copy| flip(&copy.join("partyline.db")),
        &|copy| flip(&copy.join("journal/00000001.plj")),
        &|copy| flip(&copy.join("MANIFEST")),
        &|copy| fs::remove_file(copy.join("keys/seal.key")).unwrap(),
        &|copy| fs::write(copy.join("journal/00000099.plj"), b"more").unwrap(),
        &|copy| fs::remove_file(copy.join("MANIFEST")).unwrap(),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let name = format!("copy{n}");
        bridge.backup(&name).await.unwrap();
        change(&bridge.path(&name));
        let error = bridge.restore(&name, "second").await.unwrap_err();
        assert!(matches!(error, StoreError::Backup(_)), "change {n}: {error}");
        assert!(!bridge.path("second").exists(), "change {n}");
    }
    // Cut short, as a full disk or a stopped transfer leaves it.
    bridge.backup("short").await.unwrap();
    let manifest = bridge.path("short/MANIFEST");
    let text = fs::read_to_string(&manifest).unwrap();
    for lines in 0..text.lines().count() {
        let less: Vec<&str> = text.lines().take(lines).collect();
        fs::write(&manifest, less.join("\n")).unwrap();
        assert!(verify(&bridge.path("short")).is_err(), "{lines} lines");
    }
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Fails every step from the `left`th on, as a machine does whose power is gone.
fn power(mut left: usize) -> impl FnMut(&Path) -> io::Result<()> {
    move |_| {
        left = left.checked_sub(1).ok_or_else(|| io::Error::from_raw_os_error(5))?;
        Ok(())
    }
}

#[tokio::test]
async fn a_power_cut_at_any_step_leaves_no_half_backup() {
    let bridge = bridge().await;
    let (data, target) = (bridge.path("data"), bridge.path("copy"));
    let mut steps = 0;
    while backup(&bridge.store, &data, &target, ALL, &mut power(steps)).await.is_err() {
        assert!(!target.exists(), "cut at step {steps}");
        steps += 1;
    }
    assert!(steps > 15, "{steps} steps");
    verify(&target).unwrap();
    assert_eq!(bridge.store.legs(&LegFilter::default()).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_power_cut_at_any_step_of_a_restore_leaves_the_copy_and_no_half_folder() {
    let bridge = bridge().await;
    bridge.backup("copy").await.unwrap();
    let (copy, target) = (bridge.path("copy"), bridge.path("second"));
    let mut steps = 0;
    while restore(&copy, &target, (origin(9), wall(100)), &mut power(steps)).await.is_err() {
        assert!(!target.exists(), "cut at step {steps}");
        steps += 1;
    }
    assert!(steps > 15, "{steps} steps");
    assert_eq!(legs(&target).await.len(), 6);
    verify(&copy).unwrap();
}

#[tokio::test]
async fn a_restore_fills_the_folder_that_is_there_and_goes_on_after_a_power_cut_at_any_step() {
    let bridge = bridge().await;
    bridge.backup("copy").await.unwrap();
    let (copy, run) = (bridge.path("copy"), (origin(9), wall(100)));
    let mut steps = 0;
    loop {
        let target = bridge.path(&format!("volume{steps}"));
        fs::create_dir_all(target.join("journal")).unwrap();
        fs::write(target.join("journal/lock"), b"").unwrap();
        let folder = fs::metadata(&target).unwrap().ino();
        let done = restore(&copy, &target, run, &mut power(steps)).await;
        assert_eq!(fs::metadata(&target).unwrap().ino(), folder, "the folder itself stays");
        if done.is_ok() {
            break;
        }
        // Until it is whole nothing opens it, and so nothing begins anew in it.
        if target.join(".restoring").exists() {
            assert!(FolderParts::of(&target).open().await.is_err(), "cut at step {steps}");
        }
        restore(&copy, &target, run, &mut |_| Ok(())).await.unwrap();
        assert_eq!(legs(&target).await.len(), 6, "cut at step {steps}");
        let names = fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with('.')));
        steps += 1;
    }
    assert!(steps > 20, "{steps} steps");
}

#[tokio::test]
async fn a_data_folder_that_is_a_link_stays_one() {
    let bridge = bridge().await;
    bridge.backup("copy").await.unwrap();
    fs::create_dir(bridge.path("volume")).unwrap();
    symlink(bridge.path("volume"), bridge.path("second")).unwrap();
    bridge.restore("copy", "second").await.unwrap();
    assert!(bridge.path("second").symlink_metadata().unwrap().is_symlink());
    assert_eq!(legs(&bridge.path("volume")).await.len(), 6);
    // A link to nothing is not replaced.
    symlink(bridge.path("unmounted"), bridge.path("third")).unwrap();
    bridge.restore("copy", "third").await.unwrap_err();
    bridge.backup("third").await.unwrap_err();
    assert!(bridge.path("third").symlink_metadata().unwrap().is_symlink());
}

#[tokio::test]
async fn the_newer_segments_of_a_journal_that_survived_are_read_whole_after_a_restore() {
    let mut bridge = bridge().await;
    bridge.backup("copy").await.unwrap();
    // The bridge goes on and fills the segments that the restore begins in its own way.
    for n in 20..40 {
        bridge.journal.append([of(&invited(n, 50))].iter(), Time::from_secs(50), wall(50)).unwrap();
    }
    bridge.restore("copy", "second").await.unwrap();
    for entry in fs::read_dir(bridge.path("data/journal")).unwrap() {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|extension| extension == "plj") {
            fs::copy(entry.path(), bridge.path("second/journal").join(entry.file_name())).unwrap();
        }
    }
    let store = FolderParts::of(&bridge.path("second")).open().await.unwrap();
    let done = Ingest::new(store.clone(), &bridge.path("second/journal")).catch_up(None).await;
    let done = done.unwrap();
    assert!(!done.lacks(), "{done:?}");
    assert_eq!(store.legs(&LegFilter::default()).await.unwrap().len(), 6 + 20);
}
