//! Administrators' changes: all or nothing, seen by a running bridge, passcodes never in clear.

#![allow(clippy::unwrap_used, reason = "in a helper of tests a panic is the report")]

mod common;

use std::path::Path;

use common::{actor, wall};
use partyline_cdr_store::admin::{NewInvoice, Strength};
use partyline_cdr_store::keys::Keys;
use partyline_cdr_store::{Store, StoreError};
use partyline_directory::{
    AccessKind, Account, AccountStatus, Announce, Conference, DialIn, DialOutPolicy, Entitlements,
    ReferenceNumber, StartsWith,
};
use partyline_model::{AccountId, ConferenceId, Digit, PasscodeId, Role, Uuid};
use partyline_secret::Vault;
use sha2::Digest;
use tempfile::TempDir;

async fn open(dir: &TempDir) -> (Store, Keys) {
    let store = Store::open(&dir.path().join("partyline.db")).await.unwrap();
    (store, Keys::open(&dir.path().join("keys")).unwrap())
}

fn account() -> Account {
    Account {
        id: AccountId(0),
        name: "Acme & Söhne".to_owned(),
        tenant_id: 12,
        status: AccountStatus::Active,
        entitlements: Entitlements {
            record: true,
            dial_out: DialOutPolicy {
                prefixes: vec!["1416".to_owned(), "44".to_owned()],
                max_concurrent: 2,
            },
            security_passcode: true,
            reference_number: ReferenceNumber::Optional,
        },
        caller_id: "14165550199".parse().ok(),
        time_zone: "America/Toronto".to_owned(),
        currency: "CAD".to_owned(),
        country_code: "1".to_owned(),
        rate_plan: 3,
    }
}

fn conference(account: AccountId) -> Conference {
    Conference {
        id: ConferenceId(0),
        account,
        name: "Monday".to_owned(),
        starts_with: StartsWith::Moderator,
        max_legs: 25,
        announce: Announce::Tones,
        enabled: true,
        ends_with_moderator: true,
    }
}

fn dial_in() -> DialIn {
    DialIn {
        number: "18005550142".parse().unwrap(),
        aliases: vec!["conference".to_owned(), "5550142".to_owned()],
        account: None,
        access_kind: AccessKind::TollFree,
        language: "en-US".to_owned(),
        welcome: None,
    }
}

/// One account, one conference, one dial-in number.
async fn set_up(store: &Store) -> (AccountId, ConferenceId) {
    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    let account = change.add_account(&account()).await.unwrap();
    let conference = change.add_conference(&conference(account)).await.unwrap();
    change.add_dial_in(&dial_in()).await.unwrap();
    change.commit().await.unwrap();
    (account, conference)
}

#[tokio::test]
async fn what_is_written_is_what_the_bridge_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let (store, keys) = open(&dir).await;
    let (account_id, conference_id) = set_up(&store).await;
    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    let moderator = Role::Moderator;
    let add = change.add_passcode(&keys, conference_id, moderator, "48151623", Strength::Required);
    let passcode = add.await.unwrap();
    change.commit().await.unwrap();

    let snapshot = store.load_snapshot(keys.pepper()).await.unwrap();
    assert_eq!(snapshot.version(), store.directory_version().await.unwrap());
    assert_eq!(snapshot.account(account_id), Some(&Account { id: account_id, ..account() }));
    let expected = Conference { id: conference_id, ..conference(account_id) };
    assert_eq!(snapshot.conference(conference_id), Some(&expected));
    let dialled = snapshot.dial_in_for("5550142").unwrap();
    assert_eq!(dialled, &dial_in());

    let mut vault = Vault::swappable().unwrap();
    let mut typed = vault.digits().unwrap();
    for c in "48151623".chars() {
        assert!(typed.push(Digit::from_char(c).unwrap()).is_ok());
    }
    let found = snapshot.find_passcode(&typed, dialled).unwrap();
    assert_eq!((found.id, found.role, found.mask.as_str()), (passcode, moderator, "••23"));
}

#[tokio::test]
async fn every_change_moves_the_version() {
    let dir = tempfile::tempdir().unwrap();
    let (store, keys) = open(&dir).await;
    let (account, conference) = set_up(&store).await;
    let mut last = store.directory_version().await.unwrap();
    for step in 0..6 {
        let mut change = store.change(&actor(), wall(0)).await.unwrap();
        let role = Role::Participant;
        match step {
            0 => change.set_account_status(account, AccountStatus::Suspended).await.unwrap(),
            1 => change.disable_conference(conference).await.unwrap(),
            2 => change.enable_conference(conference).await.unwrap(),
            3 => drop(change.add_random_passcode(&keys, conference, role, None).await.unwrap()),
            4 => change.retire_passcode(PasscodeId(1)).await.unwrap(),
            _ => assert!(change.remove_dial_in(dial_in().number).await.unwrap()),
        }
        change.commit().await.unwrap();
        let version = store.directory_version().await.unwrap();
        assert!(version > last, "step {step}");
        last = version;
    }
    assert_eq!(store.account(account).await.unwrap().status, AccountStatus::Suspended);
    assert!(store.passcodes(conference).await.unwrap().is_empty());
    assert!(store.dial_ins().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_change_that_is_not_committed_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, keys) = open(&dir).await;
    let before = store.directory_version().await.unwrap();
    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    let account = change.add_account(&account()).await.unwrap();
    let id = change.add_conference(&conference(account)).await.unwrap();
    let role = Role::Moderator;
    let weak = change.add_passcode(&keys, id, role, "123456", Strength::Required).await;
    assert!(matches!(weak, Err(StoreError::PasscodeWeak)));
    drop(change);
    assert!(store.accounts().await.unwrap().is_empty());
    assert!(store.conferences().await.unwrap().is_empty());
    assert_eq!(store.directory_version().await.unwrap(), before);
}

#[tokio::test]
async fn a_change_that_breaks_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir).await;
    let broken = Account { currency: "dollars".to_owned(), ..account() };
    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    change.add_account(&broken).await.unwrap();
    assert!(matches!(change.commit_checked().await, Err(StoreError::Directory(_))));
    assert!(store.accounts().await.unwrap().is_empty());
    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    change.add_account(&account()).await.unwrap();
    change.commit_checked().await.unwrap();
    assert_eq!(store.accounts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_passcode_is_refused_when_it_is_weak_taken_or_near_another() {
    let dir = tempfile::tempdir().unwrap();
    let (store, keys) = open(&dir).await;
    let (account, id) = set_up(&store).await;
    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    let other = change.add_conference(&conference(account)).await.unwrap();
    let (host, required) = (Role::Moderator, Strength::Required);
    change.add_passcode(&keys, id, host, "481516", required).await.unwrap();
    let cases = [
        (id, "777777", required, "weak"),
        (id, "555014", required, "weak"),
        (id, "481517", required, "weak"),
        (other, "481516", Strength::WeakOk, "taken"),
        (id, "123", Strength::WeakOk, "shape"),
        (id, "12a456", Strength::WeakOk, "shape"),
    ];
    for (conference, digits, strength, expected) in cases {
        let refused = change.add_passcode(&keys, conference, host, digits, strength).await;
        let why = match refused {
            Err(StoreError::PasscodeWeak) => "weak",
            Err(StoreError::PasscodeTaken) => "taken",
            Err(StoreError::PasscodeShape) => "shape",
            Err(_) => "another error",
            Ok(_) => "taken in",
        };
        assert_eq!(why, expected, "{digits}");
    }
    change.add_passcode(&keys, id, host, "1234", Strength::WeakOk).await.unwrap();
    let unknown = ConferenceId(99);
    let refused = change.add_passcode(&keys, unknown, host, "9182736", Strength::WeakOk).await;
    assert!(matches!(refused, Err(StoreError::NotFound { kind: "conference", id: 99 })));
}

#[tokio::test]
async fn a_random_passcode_can_be_shown_again_and_is_nowhere_in_clear() {
    let dir = tempfile::tempdir().unwrap();
    let (store, keys) = open(&dir).await;
    let (_, conference) = set_up(&store).await;
    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    let role = Role::Participant;
    let (id, digits) = change.add_random_passcode(&keys, conference, role, Some(12)).await.unwrap();
    let short = change.add_random_passcode(&keys, conference, role, Some(5)).await;
    assert!(matches!(short, Err(StoreError::PasscodeShape)));
    change.commit().await.unwrap();
    assert_eq!((digits.len(), digits.bytes().all(|b| b.is_ascii_digit())), (12, true));
    assert_eq!(*store.reveal_passcode(&keys, id).await.unwrap(), *digits);
    // The search finds what is there: the control is the account's name.
    assert!(is_on_disk(dir.path(), "Acme & Söhne"));
    assert!(!is_on_disk(dir.path(), &digits));
}

fn is_on_disk(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_on_disk(&path, text);
        }
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn decks_are_counted_and_the_newest_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir).await;
    assert_eq!(store.deck(3).await.unwrap(), None);
    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    let one = change.add_deck(3, "spring", "prefix,rate\n", wall(0)).await.unwrap();
    let two = change.add_deck(3, "autumn", "prefix,rate\n1,2\n", wall(1)).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!((one.version, two.version), (1, 2));
    assert_ne!(one.sha256, two.sha256);
    assert_eq!(store.deck(3).await.unwrap().as_ref(), Some(&two));
    assert_eq!(store.decks().await.unwrap(), [one, two]);
}

#[tokio::test]
async fn a_charge_is_invoiced_once_and_numbers_have_no_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir).await;
    let (account, _) = set_up(&store).await;
    let (leg, other) = (Uuid(1), Uuid(2));
    let charges = [(leg, "bridge".into()), (leg, "ld".into())];
    // Larger than one part, and not a multiple of it.
    let long: Vec<u8> = (0..600_001_u32).map(|n| (n % 251) as u8).collect();
    let files = [("json", b"{}".to_vec()), ("csv", long.clone()), ("pdf", Vec::new())];
    let new = |number, charges| NewInvoice {
        series: "2026",
        number,
        account,
        period: "2026-11",
        issued_at: wall(0),
        charges,
        files: &files,
    };

    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    let first = change.issue_invoice(&new(1, &charges)).await.unwrap();
    change.commit().await.unwrap();
    for (name, bytes) in &files {
        let kept = store.invoice_file("2026", 1, name).await.unwrap();
        assert!(kept.as_ref() == Some(bytes), "{name}");
    }
    assert_eq!(store.invoice_file("2026", 1, "xml").await.unwrap(), None);

    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    let twice = [(other, "bridge".into()), (leg, "ld".into())];
    let twice = change.issue_invoice(&new(2, &twice)).await;
    assert!(matches!(twice, Err(StoreError::Duplicate(_))));
    drop(change);

    let others = [(other, "bridge".into())];
    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    let late = change.issue_invoice(&new(1, &others)).await;
    assert!(matches!(late, Err(StoreError::Number { next: 2 })), "{late:?}");
    drop(change);
    assert_eq!(store.next_invoice_number("2026").await.unwrap(), 2);
    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    let second = change.issue_invoice(&new(2, &others)).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(second.number, 2, "the refused invoice took no number");
    assert_eq!(store.invoice("2026", 1).await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.invoices(account).await.unwrap(), [first, second]);
}

/// The schema of the version that kept an invoice's document in its row.
const BEFORE_FILES: &str = include_str!("../migrations/sqlite/0003_money.sql");

#[tokio::test]
async fn documents_of_the_version_before_become_files_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("partyline.db");
    let document = "{\"number\": \"2026-000001\", \"name\": \"Zürich\"}\n";
    {
        let store = Store::open(&path).await.unwrap();
        set_up(&store).await;
        store.close().await;
    }
    // Back to how the version before left it: its tables, its row, its own list of migrations.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let old = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let drop_new = "DROP TABLE invoice_part; DROP TABLE invoice_file; DROP TABLE invoiced; \
        DROP TABLE invoice; DROP TABLE rate_deck; DELETE FROM _sqlx_migrations WHERE version = 5;";
    sqlx::raw_sql(drop_new).execute(&old).await.unwrap();
    sqlx::raw_sql(BEFORE_FILES).execute(&old).await.unwrap();
    sqlx::query("INSERT INTO rate_deck VALUES (1, 7, 1, 'd', 'csv', ?, 77)")
        .bind(sha2::Sha256::digest("csv").to_vec())
        .execute(&old)
        .await
        .unwrap();
    let sha256 = sha2::Sha256::digest(document).to_vec();
    sqlx::query("INSERT INTO invoice VALUES ('2026', 1, 1, '2026-11', 5, ?, ?)")
        .bind(document)
        .bind(sha256)
        .execute(&old)
        .await
        .unwrap();
    let mark =
        "INSERT INTO invoiced VALUES (x'00000000000000000000000000000001', 'bridge', '2026', 1)";
    sqlx::query(mark).execute(&old).await.unwrap();
    old.close().await;

    let store = Store::open(&path).await.unwrap();
    let kept = store.invoice_file("2026", 1, "json").await.unwrap().unwrap();
    assert_eq!(String::from_utf8(kept).unwrap(), document);
    assert_eq!(store.invoice_file("2026", 1, "pdf").await.unwrap(), None);
    let invoice = store.invoice("2026", 1).await.unwrap().unwrap();
    assert_eq!((invoice.period.as_str(), invoice.account), ("2026-11", AccountId(1)));
    let deck = store.deck(7).await.unwrap().unwrap();
    assert_eq!(deck.since, deck.added_at, "a deck of before holds from when it was added");
}

#[tokio::test]
async fn a_damaged_file_of_an_invoice_is_not_handed_out() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir).await;
    let (account, _) = set_up(&store).await;
    let files = [("json", b"{\"total\": \"0.10\"}".to_vec())];
    let new = NewInvoice {
        series: "2026",
        number: 1,
        account,
        period: "2026-11",
        issued_at: wall(0),
        charges: &[(Uuid(1), "bridge".into())],
        files: &files,
    };
    let mut change = store.change(&actor(), wall(0)).await.unwrap();
    change.issue_invoice(&new).await.unwrap();
    change.commit().await.unwrap();
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("partyline.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let change = "UPDATE invoice_part SET bytes = x'00'";
    let refused = sqlx::query(change).execute(&pool).await.unwrap_err().to_string();
    assert!(refused.contains("never changed"), "{refused}");
    sqlx::raw_sql("DROP TRIGGER invoice_part_is_kept").execute(&pool).await.unwrap();
    sqlx::query(change).execute(&pool).await.unwrap();
    pool.close().await;
    let read = store.invoice_file("2026", 1, "json").await;
    assert!(matches!(read, Err(StoreError::Damaged)), "{read:?}");
}
