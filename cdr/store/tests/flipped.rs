//! One flipped bit in the database: what an invoice is made of is as before, or refused.

#![allow(clippy::unwrap_used, reason = "in a helper of tests a panic is the report")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{answered, closed, invited, of, origin, session, wall};
use partyline_cdr_record::{ConferenceRecord, LegRecord, Record};
use partyline_cdr_store::folder::FolderParts;
use partyline_cdr_store::ingest::Ingest;
use partyline_cdr_store::journal::{FileDisk, Journal, JournalConfig};
use partyline_cdr_store::rebuild::{Loss, rebuild};
use partyline_cdr_store::{Store, StoreError};
use partyline_model::{AccountId, Time};
use tempfile::TempDir;

/// Flipped bits tried.
const FLIPS: usize = 300;
const ACCOUNT: AccountId = AccountId(5001);

type Month = (Vec<LegRecord>, Vec<ConferenceRecord>);

async fn filled(dir: &Path) -> Store {
    let store = FolderParts::of(dir).open().await.unwrap();
    let disk = FileDisk::open(&dir.join("journal")).unwrap();
    let config = JournalConfig::new(origin(1)).of(store.folder());
    let mut journal = Journal::open(Box::new(disk), config, Time::ZERO, wall(0)).unwrap().0;
    let mut records = vec![Record::Conference(Box::new(session(1, 0)))];
    for n in 1..=60 {
        let mut open = invited(n, 10);
        open.conf_id = Some(session(1, 0).conf_id);
        let up = answered(&open, 11);
        records.extend([of(&open), of(&up), of(&closed(&up, 5 * n))]);
    }
    journal.append(records.iter(), Time::ZERO, wall(0)).unwrap();
    drop(journal);
    Ingest::new(store.clone(), &dir.join("journal")).catch_up(None).await.unwrap();
    store
}

async fn month(path: &Path) -> Result<Month, StoreError> {
    let store = Store::open(path).await?;
    let month = month_of(&store).await;
    store.close().await;
    month
}

async fn month_of(store: &Store) -> Result<Month, StoreError> {
    let (from, to, mut legs) = (wall(0), wall(100_000), Vec::new());
    store.ensure_sound().await?;
    store.uninvoiced_legs(ACCOUNT, from, to, |leg| legs.push(leg.clone())).await?;
    let sessions = store.sessions_of_legs(ACCOUNT, from, to).await?;
    Ok((legs, sessions.into_values().collect()))
}

#[tokio::test]
async fn no_flipped_bit_changes_what_is_invoiced_in_silence() {
    let dir = TempDir::new().unwrap();
    filled(dir.path()).await.close().await;
    let good = fs::read(dir.path().join("partyline.db")).unwrap();
    let before = month(&dir.path().join("partyline.db")).await.unwrap();
    assert_eq!((before.0.len(), before.1.len()), (60, 1));
    let path = dir.path().join("flipped.db");
    let (mut seed, mut same, mut refused) = (8_u64, 0, 0);
    let mut dice = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for _ in 0..FLIPS {
        // Where something is: pages are half empty.
        let at = (0..).map(|_| dice(good.len())).find(|&at| good[at] != 0).unwrap();
        let (bit, mut bad) = (dice(8), good.clone());
        bad[at] ^= 1 << bit;
        fs::write(&path, &bad).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        match month(&path).await {
            Ok(month) => {
                assert!(month == before, "octet {at} bit {bit} changes an invoice in silence");
                same += 1;
            }
            Err(_) => refused += 1,
        }
        for suffix in ["-wal", "-shm"] {
            fs::remove_file(dir.path().join(format!("flipped.db{suffix}"))).unwrap_or_default();
        }
    }
    assert!(same > 40 && refused > 40, "{same} the same, {refused} refused");
}

#[tokio::test]
async fn a_rebuild_knows_that_it_is_the_database_that_changed() {
    let dir = TempDir::new().unwrap();
    let store = filled(dir.path()).await;
    let (path, journal) = (dir.path().join("partyline.db"), dir.path().join("journal"));
    let before = month_of(&store).await.unwrap();
    store.close().await;
    // Wherever the text is: in columns that nobody reckons from, or in one of the two bodies.
    let text = b"7@phone.example";
    let good = fs::read(&path).unwrap();
    let places: Vec<usize> = (0..good.len()).filter(|&at| good[at..].starts_with(text)).collect();
    let mut changes = 0;
    for at in places {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        let store = FolderParts::of(dir.path()).open().await.unwrap();
        let mut done = rebuild(&store, &path, &journal, Loss::Refused).await.unwrap();
        if !done.replaced {
            assert!(done.lacking.is_change(), "octet {at}: {done:?}");
            changes += 1;
            done = rebuild(&store, &path, &journal, Loss::Accepted).await.unwrap();
        }
        assert!(done.replaced && !done.ingested.lacks(), "octet {at}: {done:?}");
        assert_eq!(month_of(&store).await.unwrap(), before);
        store.close().await;
    }
    assert!(changes >= 4, "each revision and the current form: {changes}");
}
