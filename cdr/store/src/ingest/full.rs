//! A store whose disk is full, by the limit that SQLite itself puts on a file.

use std::path::Path;
use std::time::Duration;

use partyline_cdr_record::{Direction, LegRecord, Origin, Record};
use partyline_model::{Time, Uuid, WallTime};
use tempfile::TempDir;

use super::Ingest;
use crate::journal::{FileDisk, Journal, JournalConfig};
use crate::query::LegFilter;
use crate::store::Store;

const ORIGIN: Origin = Origin { node_id: 1, boot_id: Uuid(7) };

fn journal(dir: &Path) -> Journal {
    let disk = FileDisk::open(&dir.join("journal")).unwrap();
    let wall = WallTime::default();
    Journal::open(Box::new(disk), JournalConfig::new(ORIGIN), Time::ZERO, wall).unwrap().0
}

/// Appends `count` legs whose numbers follow `after`.
fn append(journal: &mut Journal, after: u64, count: u64) {
    let legs: Vec<Record> = (after + 1..=after + count)
        .map(|n| {
            let id = Uuid(u128::from(n));
            let leg = LegRecord::open(ORIGIN, id, n, Direction::In, WallTime::default());
            Record::Leg(Box::new(leg))
        })
        .collect();
    journal.append(legs.iter(), Time::ZERO, WallTime::default()).unwrap();
}

/// No connection of the store, present or future, may make the file larger than `pages`.
async fn limit(store: &Store, pages: u32) {
    let options = (*store.pool.connect_options()).clone();
    store.pool.set_connect_options(options.pragma("max_page_count", pages.to_string()));
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(store.pool.acquire().await.unwrap());
    }
    for connection in held {
        connection.close().await.unwrap();
    }
}

async fn pages(store: &Store) -> u32 {
    sqlx::query_scalar("PRAGMA page_count").fetch_one(&store.pool).await.unwrap()
}

async fn legs(store: &Store) -> usize {
    store.legs(&LegFilter::default()).await.unwrap().len()
}

#[tokio::test]
async fn a_store_that_was_full_goes_on_when_there_is_space_without_a_restart() {
    let dir = TempDir::new().unwrap();
    let mut journal = journal(dir.path());
    let store = Store::open(&dir.path().join("partyline.db")).await.unwrap();
    let ingest = Ingest::new(store.clone(), &dir.path().join("journal"));
    append(&mut journal, 0, 3);
    ingest.catch_up(Some(journal.end())).await.unwrap();
    let full = pages(&store).await + 2;
    limit(&store, full).await;
    append(&mut journal, 3, 400);
    // More often than there are connections: each would have been lost to the pool.
    for _ in 0..9 {
        let error = ingest.catch_up(Some(journal.end())).await.unwrap_err().to_string();
        assert!(error.contains("full"), "the disk is named, not the connection: {error}");
        assert_eq!(legs(&store).await, 3, "reading goes on");
    }
    limit(&store, 1_000_000).await;
    assert_eq!(ingest.catch_up(Some(journal.end())).await.unwrap().added, 400);
    assert_eq!(legs(&store).await, 403);
}

#[tokio::test]
async fn a_transaction_that_sqlite_ended_leaves_no_broken_connection() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("partyline.db")).await.unwrap();
    // A change by an administrator is hit by the same disk.
    let ends = "CREATE TRIGGER full BEFORE INSERT ON account \
                BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END";
    sqlx::query(ends).execute(&store.pool).await.unwrap();
    for _ in 0..9 {
        let mut tx = store.write().await.unwrap();
        let insert =
            "INSERT INTO account SELECT 1, 'a', '', 0, '', 0, '', 0, 0, '', NULL, '', '', '', 0";
        assert!(sqlx::query(insert).execute(&mut *tx).await.is_err());
    }
    sqlx::query("DROP TRIGGER full").execute(&store.pool).await.unwrap();
    store.write().await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn health_knows_how_far_the_store_is_behind() {
    let dir = TempDir::new().unwrap();
    let mut journal = journal(dir.path());
    let store = Store::open(&dir.path().join("partyline.db")).await.unwrap();
    let ingest = Ingest::new(store.clone(), &dir.path().join("journal"));
    let watch = ingest.watch();
    let (durable, limits) = tokio::sync::watch::channel(journal.end());
    let following = tokio::spawn(ingest.follow(limits));
    limit(&store, pages(&store).await + 2).await;
    let before = journal.end();
    append(&mut journal, 0, 400);
    durable.send_replace(journal.end());
    let lags = async {
        while watch.health().failed_rounds < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), lags).await.expect("it fails");
    let health = watch.health();
    assert_eq!(health.lag_octets, journal.end().offset - before.offset);
    assert!(health.lag >= Duration::from_millis(500), "{health:?}");
    limit(&store, 1_000_000).await;
    let heals = async {
        while watch.health().lag > Duration::ZERO {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), heals).await.expect("it heals");
    assert_eq!((watch.health().lag_octets, watch.health().added), (0, 400));
    drop(durable);
    following.await.unwrap();
}

#[tokio::test]
async fn nothing_is_reckoned_while_records_wait() {
    let dir = TempDir::new().unwrap();
    let mut journal = journal(dir.path());
    append(&mut journal, 0, 5);
    let store = Store::open(&dir.path().join("partyline.db")).await.unwrap();
    let ingest = Ingest::new(store.clone(), &dir.path().join("journal"));
    // A bridge holds the journal and does not fill the store.
    let refused = ingest.ensure_caught_up(Duration::from_millis(300)).await.unwrap_err();
    let waiting = journal.end().offset;
    assert_eq!(refused.to_string().split(' ').next(), Some(waiting.to_string().as_str()));
    ingest.catch_up(Some(journal.end())).await.unwrap();
    ingest.ensure_caught_up(Duration::from_millis(300)).await.unwrap();
    // No bridge runs: what waits is taken here.
    append(&mut journal, 5, 5);
    drop(journal);
    ingest.ensure_caught_up(Duration::ZERO).await.unwrap();
    assert_eq!(legs(&store).await, 10);
}
