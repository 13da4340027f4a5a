//! The store is filled from the journal once, can be rebuilt from it, and answers what is asked.

#![allow(clippy::unwrap_used, reason = "in a helper of tests a panic is the report")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use common::{answered, closed, invited, of, origin, session, wall};
use partyline_cdr_record::{
    Actor, FeatureCode, FeatureDetail, FeatureRecord, LegRecord, Outcome, Pattern, Record,
};
use partyline_cdr_store::ingest::{Ingest, Ingested};
use partyline_cdr_store::journal::{
    FileDisk, Full, Journal, JournalConfig, JournalHandle, JournalThread, SystemClock,
};
use partyline_cdr_store::query::LegFilter;
use partyline_cdr_store::rebuild::{Loss, rebuild};
use partyline_cdr_store::{JournalError, Store, StoreError};
use partyline_model::{AccountId, ConferenceId, Time};
use tempfile::TempDir;

fn journal(dir: &Path, boot: u128) -> Journal {
    let disk = FileDisk::open(&dir.join("journal")).expect("nobody else has it");
    let config = JournalConfig { segment_bytes: 2000, ..JournalConfig::new(origin(boot)) };
    Journal::open(Box::new(disk), config, Time::ZERO, wall(0)).expect("the disk works").0
}

fn write(dir: &Path, boot: u128, records: &[Record]) {
    let mut journal = journal(dir, boot);
    for (secs, record) in (1..).zip(records) {
        let one = std::iter::once(record);
        journal.append(one, Time::from_secs(secs), wall(0)).expect("the disk works");
    }
}

async fn store(dir: &TempDir) -> (Store, Ingest) {
    let store = Store::open(&dir.path().join("partyline.db")).await.expect("opened");
    (store.clone(), Ingest::new(store, &dir.path().join("journal")))
}

fn star_four(leg: &LegRecord, seq: u32) -> FeatureRecord {
    FeatureRecord {
        leg_id: leg.leg_id,
        feature_seq: seq,
        conf_id: Some(session(1, 0).conf_id),
        conf_seq: u64::from(seq),
        at: wall(3),
        mono_offset_ms: 2000,
        code: FeatureCode::RecordStart,
        pattern: Pattern::new("*4"),
        outcome: Outcome::Ok,
        denied: None,
        target_leg: None,
        detail: FeatureDetail::None,
        billable: true,
        actor: Actor::Leg,
        actor_id: None,
        role: None,
    }
}

/// Three calls with all their revisions and two events: nine records of legs.
fn calls() -> Vec<Record> {
    let mut records = Vec::new();
    for n in 1..=3 {
        let start = i64::try_from(n).expect("small") * 100;
        let open = invited(n, start);
        let up = answered(&open, start + 1);
        records.extend([of(&open), of(&up), of(&closed(&up, 60 * n))]);
    }
    let leg = invited(1, 100);
    records.extend([1, 2].map(|seq| Record::Feature(Box::new(star_four(&leg, seq)))));
    records.push(Record::Conference(Box::new(session(1, 0))));
    records
}

fn full(n: u64) -> LegRecord {
    let start = i64::try_from(n).expect("small") * 100;
    closed(&answered(&invited(n, start), start + 1), 60 * n)
}

#[tokio::test]
async fn a_journal_read_twice_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, &calls());
    let (store, ingest) = store(&dir).await;
    let first = ingest.catch_up(None).await.unwrap();
    assert_eq!((first.added, first.conflicts, first.unknown), (12, 0, 0));
    let legs = store.legs(&LegFilter::default()).await.unwrap();
    assert_eq!(legs, [full(3), full(2), full(1)]);
    assert_eq!(ingest.catch_up(None).await.unwrap(), Ingested::default());
    assert_eq!(store.legs(&LegFilter::default()).await.unwrap(), legs);
}

#[tokio::test]
async fn a_rebuilt_store_equals_the_first_one() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, &calls());
    let (store, ingest) = store(&dir).await;
    ingest.catch_up(None).await.unwrap();
    let before = everything(&store).await;
    let (database, segments) = (dir.path().join("partyline.db"), dir.path().join("journal"));
    let again = rebuild(&store, &database, &segments, Loss::Refused).await.unwrap();
    assert!(again.replaced && again.lacking.is_nothing(), "{again:?}");
    assert_eq!((again.ingested.added, again.ingested.conflicts), (12, 0));
    assert_eq!(everything(&store).await, before);
}

async fn everything(store: &Store) -> String {
    let mut all = String::new();
    for leg in store.legs(&LegFilter::default()).await.unwrap() {
        all += &format!("{leg:?}{:?}", store.timeline(leg.leg_id).await.unwrap());
    }
    all + &format!("{:?}", store.sessions(None, wall(-9), wall(9999)).await.unwrap())
}

#[tokio::test]
async fn the_same_revision_with_other_content_is_counted_and_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut forged = full(1);
    forged.duration_ms += 1;
    write(dir.path(), 1, &[of(&full(1)), of(&full(1)), of(&forged)]);
    let (store, ingest) = store(&dir).await;
    let done = ingest.catch_up(None).await.unwrap();
    assert_eq!((done.added, done.repeated, done.conflicts), (1, 1, 1));
    assert_eq!(store.leg(forged.leg_id).await.unwrap(), Some(full(1)));
}

#[tokio::test]
async fn a_revision_that_comes_late_does_not_replace_a_higher_one() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, &[of(&full(1)), of(&invited(1, 100))]);
    let (store, ingest) = store(&dir).await;
    assert_eq!(ingest.catch_up(None).await.unwrap().added, 2);
    assert_eq!(store.leg(full(1).leg_id).await.unwrap(), Some(full(1)));
    let timeline = store.timeline(full(1).leg_id).await.unwrap();
    assert_eq!(timeline.revisions, [invited(1, 100), full(1)]);
}

#[tokio::test]
async fn nothing_behind_the_durable_end_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = journal(dir.path(), 1);
    let (store, ingest) = store(&dir).await;
    journal.append([of(&full(1))].iter(), Time::ZERO, wall(0)).unwrap();
    let durable = journal.end();
    journal.append([of(&full(2))].iter(), Time::ZERO, wall(0)).unwrap();
    assert_eq!(ingest.catch_up(Some(durable)).await.unwrap().added, 1);
    assert_eq!(store.legs(&LegFilter::default()).await.unwrap(), [full(1)]);
    assert_eq!(ingest.catch_up(Some(journal.end())).await.unwrap().added, 1);
}

#[tokio::test]
async fn a_leg_cut_off_by_a_crash_is_in_the_store_closed() {
    let dir = tempfile::tempdir().unwrap();
    let up = answered(&invited(1, 0), 1);
    write(dir.path(), 1, &[of(&invited(1, 0)), of(&up)]);
    drop(journal(dir.path(), 2));
    let (store, ingest) = store(&dir).await;
    ingest.catch_up(None).await.unwrap();
    let leg = store.leg(up.leg_id).await.unwrap().unwrap();
    assert_eq!((leg.state.as_str(), leg.q850), ("orphan_closed", Some(41)));
}

#[tokio::test]
async fn legs_are_found_by_account_number_time_and_session() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, &calls());
    let (store, ingest) = store(&dir).await;
    ingest.catch_up(None).await.unwrap();
    let count = async |filter: LegFilter| store.legs(&filter).await.unwrap().len();
    let account = |id| LegFilter { account: Some(AccountId(id)), ..LegFilter::default() };
    assert_eq!((count(account(5001)).await, count(account(1)).await), (3, 0));
    let number = |text: &str| LegFilter { number: text.parse().ok(), ..LegFilter::default() };
    assert_eq!(count(number("+1 416 555 0100")).await, 3);
    assert_eq!(count(number("18005550142")).await, 3);
    assert_eq!(count(number("1416")).await, 0);
    let time = LegFilter { from: Some(wall(200)), to: Some(wall(300)), ..LegFilter::default() };
    assert_eq!(store.legs(&time).await.unwrap(), [full(2)]);
    let first = LegFilter { limit: Some(1), ..LegFilter::default() };
    assert_eq!(store.legs(&first).await.unwrap(), [full(3)]);
    let conference = LegFilter { conference: Some(ConferenceId(1)), ..LegFilter::default() };
    assert_eq!(count(conference).await, 0);
    let features = store.session_features(session(1, 0).conf_id).await.unwrap();
    assert_eq!(features, [star_four(&invited(1, 100), 1), star_four(&invited(1, 100), 2)]);
    let sessions = store.sessions(Some(AccountId(5001)), wall(0), wall(1)).await.unwrap();
    assert_eq!(sessions, [session(1, 0)]);
}

#[tokio::test]
async fn a_month_holds_the_closed_legs_that_ended_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut records = calls();
    records.push(of(&answered(&invited(9, 150), 151)));
    write(dir.path(), 1, &records);
    let (store, ingest) = store(&dir).await;
    ingest.catch_up(None).await.unwrap();
    // Leg 1 ends at second 161, leg 2 at 321, leg 3 at 481; leg 9 is still up.
    let account = AccountId(5001);
    assert_eq!(store.closed_legs(account, wall(161), wall(321)).await.unwrap(), [full(1)]);
    let all = store.closed_legs(account, wall(0), wall(1000)).await.unwrap();
    assert_eq!(all, [full(1), full(2), full(3)]);
    assert!(store.closed_legs(AccountId(1), wall(0), wall(1000)).await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1, &calls());
    let (store, ingest) = store(&dir).await;
    ingest.catch_up(None).await.unwrap();
    let mut files = 0;
    for folder in [dir.path().to_owned(), dir.path().join("journal")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            let expected = if entry.metadata().unwrap().is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, expected, "{:?}", entry.path());
            files += 1;
        }
    }
    assert!(files >= 5, "database, its log and index, the journal and a segment: {files}");
    store.close().await;
    let path = dir.path().join("partyline.db");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Store::open(&path).await, Err(StoreError::Exposed(_))));
}

#[test]
fn a_second_process_and_other_users_are_kept_out() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("journal");
    let first = FileDisk::open(&dir).unwrap();
    assert!(matches!(FileDisk::open(&dir), Err(JournalError::Locked(_))));
    drop(first);
    assert!(FileDisk::open(&dir).is_ok());
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(FileDisk::open(&dir), Err(JournalError::Exposed(_))));
}

/// What comes back of each request.
type Tokens = mpsc::Receiver<(u64, Result<(), ()>)>;

fn spawn(dir: &Path, queue: usize) -> (JournalHandle, Tokens) {
    let (send, receive) = mpsc::channel();
    let report = Box::new(move |tokens: Vec<_>| {
        for token in tokens {
            // A test that no longer listens has what it wanted.
            send.send(token).unwrap_or_default();
        }
    });
    let handle = JournalThread::spawn(journal(dir, 1), SystemClock::new(), queue, report);
    (handle.unwrap(), receive)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_comes_back_and_its_records_reach_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let (handle, tokens) = spawn(dir.path(), 64);
    let (store, ingest) = store(&dir).await;
    let following = tokio::spawn(ingest.follow(handle.durable()));
    for n in 1..=20 {
        assert_eq!(handle.submit(n, vec![of(&full(n))]), Ok(()));
    }
    let mut back: Vec<_> =
        (0..20).map(|_| tokens.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
    back.sort_unstable();
    assert_eq!(back, (1..=20).map(|n| (n, Ok(()))).collect::<Vec<_>>());
    let health = handle.health();
    assert_eq!((health.records, health.failing, health.refused), (20, false, 0));
    handle.stop();
    following.await.unwrap();
    assert_eq!(store.legs(&LegFilter::default()).await.unwrap().len(), 20);
}

#[test]
fn a_full_queue_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (release, blocked) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    let report = Box::new(move |_tokens: Vec<_>| {
        entered.send(()).unwrap_or_default();
        blocked.recv().unwrap_or_default();
    });
    let journal = journal(dir.path(), 1);
    let handle = JournalThread::spawn(journal, SystemClock::new(), 1, report).unwrap();
    assert_eq!(handle.submit(1, vec![of(&full(1))]), Ok(()));
    inside.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(handle.submit(2, vec![of(&full(2))]), Ok(()));
    assert_eq!(handle.submit(3, vec![of(&full(3))]), Err(Full));
    assert_eq!(handle.health().refused, 1);
    drop(release);
}
