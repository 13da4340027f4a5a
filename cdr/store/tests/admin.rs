//! Administrators' changes: all or nothing, seen by a running bridge, passcodes never in clear.

#![allow(clippy::unwrap_used, reason = "in a helper of tests a panic is the report")]

mod common;

use std::path::Path;

use common::wall;
use partyline_cdr_store::admin::{NewInvoice, Strength};
use partyline_cdr_store::keys::Keys;
use partyline_cdr_store::{Store, StoreError};
use partyline_directory::{
    AccessKind, Account, AccountStatus, Announce, Conference, DialIn, DialOutPolicy, Entitlements,
    ReferenceNumber, StartsWith,
};
use partyline_model::{AccountId, ConferenceId, Digit, PasscodeId, Role, Uuid};
use partyline_secret::Vault;
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
    let mut change = store.change().await.unwrap();
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
    let mut change = store.change().await.unwrap();
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
        let mut change = store.change().await.unwrap();
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
    let mut change = store.change().await.unwrap();
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
    let mut change = store.change().await.unwrap();
    change.add_account(&broken).await.unwrap();
    assert!(matches!(change.commit_checked().await, Err(StoreError::Directory(_))));
    assert!(store.accounts().await.unwrap().is_empty());
    let mut change = store.change().await.unwrap();
    change.add_account(&account()).await.unwrap();
    change.commit_checked().await.unwrap();
    assert_eq!(store.accounts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_passcode_is_refused_when_it_is_weak_taken_or_near_another() {
    let dir = tempfile::tempdir().unwrap();
    let (store, keys) = open(&dir).await;
    let (account, id) = set_up(&store).await;
    let mut change = store.change().await.unwrap();
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
    let mut change = store.change().await.unwrap();
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
    let mut change = store.change().await.unwrap();
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
    let charges = [(leg, "bridge"), (leg, "ld")];
    let new = |charges| NewInvoice {
        series: "2026",
        account,
        period: "2026-11",
        issued_at: wall(0),
        charges,
    };
    let render = |number| format!("{{\"number\":{number}}}");

    let mut change = store.change().await.unwrap();
    let first = change.issue_invoice(&new(&charges), render).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!((first.number, first.document.as_str()), (1, "{\"number\":1}"));

    let mut change = store.change().await.unwrap();
    let twice = [(other, "bridge"), (leg, "ld")];
    let twice = change.issue_invoice(&new(&twice), render).await;
    assert!(matches!(twice, Err(StoreError::Duplicate(_))));
    drop(change);

    let mut change = store.change().await.unwrap();
    let second = change.issue_invoice(&new(&[(other, "bridge")]), render).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(second.number, 2, "the refused invoice took no number");
    assert_eq!(store.invoice("2026", 1).await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.invoices(account).await.unwrap(), [first, second]);
    let on = [(leg, ("2026".to_owned(), 1)), (other, ("2026".to_owned(), 2))];
    assert_eq!(store.invoiced_legs(account).await.unwrap(), on.into());
    assert!(store.invoiced_legs(AccountId(99)).await.unwrap().is_empty());
}
