//! A journal that is moved, replaced, damaged or cut under a running bridge or before a start: what
//! is not in the database is known there, and no number is given to somebody else.

#![allow(clippy::unwrap_used, reason = "in a helper of tests a panic is the report")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{actor, answered, closed, invited, of, origin, session, wall};
use partyline_cdr_record::{AccessCode, Record, Text};
use partyline_cdr_store::admin::Strength;
use partyline_cdr_store::folder::FolderParts;
use partyline_cdr_store::ingest::{Gap, Ingest, IngestHealth, IngestWatch, Lack};
use partyline_cdr_store::journal::{FileDisk, Journal, JournalConfig, Piece, Pieces};
use partyline_cdr_store::keys::Keys;
use partyline_cdr_store::rebuild::{Loss, rebuild};
use partyline_cdr_store::{JournalError, Store, StoreError};
use partyline_directory::{
    Account, AccountStatus, Announce, Conference, DialOutPolicy, Entitlements, ReferenceNumber,
    StartsWith,
};
use partyline_model::{AccountId, ConferenceId, PasscodeId, Role, Time};
use tempfile::TempDir;

const MONTHS: i64 = 90 * 86_400;

struct Folder {
    dir: TempDir,
    store: Store,
}

impl Folder {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = FolderParts::of(dir.path()).open().await.unwrap();
        Self { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn journal(&self, boot: u128, at: i64) -> Journal {
        let disk = FileDisk::open(&self.path("journal")).unwrap();
        let config = JournalConfig::new(origin(boot)).of(self.store.folder());
        Journal::open(Box::new(disk), config, Time::ZERO, wall(at)).unwrap().0
    }

    fn ingest(&self) -> Ingest {
        Ingest::new(self.store.clone(), &self.path("journal"))
    }

    fn segment(&self, number: u32) -> PathBuf {
        self.path(&format!("journal/{number:08}.plj"))
    }

    async fn lacks(&self, from: i64, to: i64) -> Vec<Lack> {
        let places = self.store.places(wall(from), wall(to)).await.unwrap();
        places.into_iter().map(|place| place.lack).collect()
    }
}

/// Call `n`, which ended.
fn call(n: u64) -> [Record; 2] {
    let up = answered(&invited(n, 10), 11);
    [of(&up), of(&closed(&up, 60))]
}

fn append(journal: &mut Journal, n: u64) -> Result<(), JournalError> {
    journal.append(call(n).iter(), Time::from_secs(n), wall(0))
}

/// Flips a bit in the middle of the frame that is `n`th from the end of a segment.
fn damage(path: &Path, n: usize) {
    let mut bytes = fs::read(path).unwrap();
    let ends: Vec<usize> = Pieces::new(&bytes)
        .map(|piece| match piece {
            Piece::Frame(frame) => frame.end,
            Piece::Damage(place) => place.end,
        })
        .collect();
    bytes[ends[ends.len() - 1 - n] - 20] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_journal_whose_folder_was_moved_is_written_no_further_until_it_is_back() {
    let folder = Folder::new().await;
    let mut journal = folder.journal(1, 0);
    append(&mut journal, 1).unwrap();
    fs::rename(folder.path("journal"), folder.path("elsewhere")).unwrap();
    let said = append(&mut journal, 2).unwrap_err().to_string();
    assert!(said.contains("moved, removed or unmounted"), "{said}");
    append(&mut journal, 2).unwrap_err();
    // An empty folder, as under a mount that is gone, is not written to either.
    fs::create_dir(folder.path("journal")).unwrap();
    append(&mut journal, 2).unwrap_err();
    assert_eq!(fs::read_dir(folder.path("journal")).unwrap().count(), 0);
    fs::remove_dir(folder.path("journal")).unwrap();
    fs::rename(folder.path("elsewhere"), folder.path("journal")).unwrap();
    append(&mut journal, 3).unwrap();
    let done = folder.ingest().catch_up(Some(journal.end())).await.unwrap();
    assert_eq!((done.added, done.lacks()), (4, false), "calls 1 and 3");
}

#[tokio::test]
async fn an_older_copy_of_a_segment_is_not_filled_up_with_nothing() {
    let folder = Folder::new().await;
    let mut journal = folder.journal(1, 0);
    append(&mut journal, 1).unwrap();
    let old = fs::read(folder.segment(1)).unwrap();
    append(&mut journal, 2).unwrap();
    fs::rename(folder.segment(1), folder.path("newer")).unwrap();
    fs::write(folder.segment(1), &old).unwrap();
    for _ in 0..3 {
        append(&mut journal, 3).unwrap_err();
    }
    assert_eq!(fs::read(folder.segment(1)).unwrap(), old);
}

async fn until(watch: &IngestWatch, what: impl Fn(IngestHealth) -> bool) {
    let waiting = async {
        while !what(watch.health()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it comes");
}

#[tokio::test]
async fn a_store_whose_journal_or_database_is_gone_says_that_it_lags() {
    let folder = Folder::new().await;
    let mut journal = folder.journal(1, 0);
    append(&mut journal, 1).unwrap();
    let (durable, limits) = tokio::sync::watch::channel(journal.end());
    let ingest = folder.ingest();
    let watch = ingest.watch();
    let following = tokio::spawn(ingest.follow(limits));
    until(&watch, |health| health.added == 2).await;
    append(&mut journal, 2).unwrap();
    fs::rename(folder.path("journal"), folder.path("elsewhere")).unwrap();
    durable.send_replace(journal.end());
    until(&watch, |health| health.failed_rounds > 1 && health.lag > Duration::ZERO).await;
    // Nobody reckons from it meanwhile.
    let error = folder.ingest().ensure_caught_up(Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, StoreError::Journal(JournalError::Gone(_))), "{error}");
    fs::rename(folder.path("elsewhere"), folder.path("journal")).unwrap();
    until(&watch, |health| health.lag == Duration::ZERO).await;
    // The database is removed under it: what it writes is lost.
    let failed = watch.health().failed_rounds;
    fs::rename(folder.path("partyline.db"), folder.path("moved.db")).unwrap();
    until(&watch, |health| health.failed_rounds > failed && health.lag > Duration::ZERO).await;
    drop(durable);
    following.await.unwrap();
}

#[tokio::test]
async fn a_damaged_record_and_a_missing_segment_stay_known_for_the_time_they_are_of() {
    let folder = Folder::new().await;
    for (segment, at) in [(1, 0), (2, MONTHS), (3, 2 * MONTHS)] {
        append(&mut folder.journal(segment, at), segment.try_into().unwrap()).unwrap();
    }
    damage(&folder.segment(1), 1);
    folder.ingest().catch_up(None).await.unwrap();
    assert_eq!(folder.lacks(0, 1).await, [Lack::Damaged]);
    assert_eq!(folder.lacks(MONTHS + 1, 2 * MONTHS).await, [], "what was written later is whole");
    // It is known at the next start as well, and a rebuild names it again.
    let done = folder.ingest().catch_up(None).await.unwrap();
    assert!(!done.lacks() && folder.store.count_places().await.unwrap() == 1, "{done:?}");

    fs::rename(folder.segment(2), folder.path("second")).unwrap();
    let (database, journal) = (folder.path("partyline.db"), folder.path("journal"));
    let done = rebuild(&folder.store, &database, &journal, Loss::Accepted).await.unwrap();
    assert_eq!(done.ingested.missing, [Gap { first: 2, count: 1 }]);
    // Where the damaged segment ended is not known without the next.
    assert_eq!(folder.lacks(MONTHS + 1, 2 * MONTHS).await, [Lack::Damaged, Lack::Missing]);
    let disk = FileDisk::open(&journal).unwrap();
    let config = JournalConfig::new(origin(9)).of(folder.store.folder());
    let (_, found) = Journal::open(Box::new(disk), config, Time::ZERO, wall(3 * MONTHS)).unwrap();
    assert_eq!(found.missing, [(2, 1)], "the start says it");

    // What is back is no longer lacking.
    fs::rename(folder.path("second"), folder.segment(2)).unwrap();
    damage(&folder.segment(1), 1);
    rebuild(&folder.store, &database, &journal, Loss::Accepted).await.unwrap();
    assert_eq!(folder.store.count_places().await.unwrap(), 0);
}

#[tokio::test]
async fn the_torn_end_of_a_crash_is_no_loss_and_a_damaged_one_is() {
    for (tear, lacks) in [(true, 0), (false, 1)] {
        let folder = Folder::new().await;
        append(&mut folder.journal(1, 0), 1).unwrap();
        let whole = fs::read(folder.segment(1)).unwrap();
        if tear {
            fs::write(folder.segment(1), &whole[..whole.len() - 9]).unwrap();
        } else {
            damage(&folder.segment(1), 0);
        }
        append(&mut folder.journal(2, 100), 2).unwrap();
        let done = folder.ingest().catch_up(None).await.unwrap();
        assert_eq!(done.damaged.len() + done.set_aside.len(), 1, "{done:?}");
        assert_eq!(folder.store.count_places().await.unwrap(), lacks, "torn: {tear}");
    }
}

#[tokio::test]
async fn a_journal_that_was_left_is_known_until_it_is_back() {
    let folder = Folder::new().await;
    let mut journal = folder.journal(1, 0);
    append(&mut journal, 1).unwrap();
    folder.ingest().catch_up(Some(journal.end())).await.unwrap();
    append(&mut journal, 2).unwrap();
    drop(journal);
    fs::rename(folder.path("journal"), folder.path("elsewhere")).unwrap();
    append(&mut folder.journal(2, MONTHS), 3).unwrap();
    folder.ingest().catch_up(None).await.unwrap();
    assert_eq!(folder.lacks(0, 100).await, [Lack::Left], "call 2 was never read");
    assert_eq!(folder.lacks(MONTHS + 1, 2 * MONTHS).await, []);
    fs::rename(folder.path("journal"), folder.path("second")).unwrap();
    fs::rename(folder.path("elsewhere"), folder.path("journal")).unwrap();
    folder.ingest().catch_up(None).await.unwrap();
    let left = folder.store.places(wall(-MONTHS), wall(9 * MONTHS)).await.unwrap();
    assert_eq!(left.len(), 1, "the other one now: {left:?}");
    assert_eq!(left[0].journal, origin(2).boot_id);
}

#[tokio::test]
async fn numbers_that_a_record_names_are_never_given_again() {
    let folder = Folder::new().await;
    let mut leg = invited(1, 10);
    leg.account_id = Some(AccountId(40));
    leg.conference_id = Some(ConferenceId(50));
    leg.rate_context = 60;
    let (passcode, role, mask, at) = (PasscodeId(70), Role::Participant, Text::new(""), wall(10));
    leg.access_codes.push(AccessCode { passcode, role, mask, at });
    let records = [of(&leg), Record::Conference(Box::new(session(1, 0)))];
    folder.journal(1, 0).append(records.iter(), Time::ZERO, wall(0)).unwrap();
    assert_eq!(folder.store.next_account().await.unwrap(), 1);
    folder.ingest().ensure_caught_up(Duration::ZERO).await.unwrap();
    // The session is of account 5001.
    assert_eq!(folder.store.next_account().await.unwrap(), 5002);
    assert_eq!(folder.store.next_plan().await.unwrap(), 61);
    let mut change = folder.store.change(&actor(), wall(0)).await.unwrap();
    let made = change.add_account(&blank()).await.unwrap();
    let room = Conference {
        id: ConferenceId(0),
        account: made,
        name: "Monday".to_owned(),
        starts_with: StartsWith::Moderator,
        max_legs: 25,
        announce: Announce::Tones,
        enabled: true,
        ends_with_moderator: true,
    };
    let conference = change.add_conference(&room).await.unwrap();
    let keys = Keys::open(&folder.path("keys")).unwrap();
    let digits = "4815162342";
    let role = Role::Participant;
    let strength = Strength::Required;
    let passcode = change.add_passcode(&keys, conference, role, digits, strength).await.unwrap();
    assert_eq!((made, conference.0, passcode.0), (AccountId(5002), 51, 71));
}

fn blank() -> Account {
    Account {
        id: AccountId(0),
        name: "Third".to_owned(),
        tenant_id: 0,
        status: AccountStatus::Active,
        entitlements: Entitlements {
            record: false,
            dial_out: DialOutPolicy { prefixes: Vec::new(), max_concurrent: 0 },
            security_passcode: false,
            reference_number: ReferenceNumber::Off,
        },
        caller_id: None,
        time_zone: "UTC".to_owned(),
        currency: "USD".to_owned(),
        country_code: "1".to_owned(),
        rate_plan: 0,
    }
}
