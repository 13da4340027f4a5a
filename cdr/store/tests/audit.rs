//! The audit log: who changed what, never digits, and where somebody changed the log.

#![allow(clippy::unwrap_used, reason = "in a helper of tests a panic is the report")]

mod common;

use std::path::Path;

use common::{actor, wall};
use partyline_cdr_store::Store;
use partyline_cdr_store::admin::{Audited, Break, Strength};
use partyline_cdr_store::keys::Keys;
use partyline_directory::{Account, AccountStatus, Announce, Conference, Entitlements, StartsWith};
use partyline_model::{AccountId, ConferenceId, Role};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

fn account() -> Account {
    Account {
        id: AccountId(0),
        name: "Acme".to_owned(),
        tenant_id: 0,
        status: AccountStatus::Active,
        entitlements: Entitlements::default(),
        caller_id: None,
        time_zone: "UTC".to_owned(),
        currency: "USD".to_owned(),
        country_code: "1".to_owned(),
        rate_plan: 0,
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
        ends_with_moderator: false,
    }
}

/// What an entry says, in a line.
fn line(audited: &Audited) -> String {
    let entry = &audited.entry;
    let fields = entry.fields.iter().map(|change| {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        format!(" {}: {} > {}", change.field, text(&change.before), text(&change.after))
    });
    let fields: String = fields.collect();
    format!("{} {} {} {}:{fields}", audited.seq, entry.act, entry.kind, entry.object)
}

/// An account with a conference, whose moderator gets another passcode; five entries.
async fn filled(dir: &TempDir) -> Store {
    let store = Store::open(&dir.path().join("partyline.db")).await.unwrap();
    let keys = Keys::open(&dir.path().join("keys")).unwrap();
    let mut change = store.change(&actor(), wall(1)).await.unwrap();
    let acme = change.add_account(&account()).await.unwrap();
    change.set_account_address(acme, "1 Water Street").await.unwrap();
    let room = change.add_conference(&conference(acme)).await.unwrap();
    let moderator = Role::Moderator;
    let code =
        change.add_passcode(&keys, room, moderator, "48151623", Strength::Required).await.unwrap();
    change.commit().await.unwrap();
    let mut change = store.change(&actor(), wall(2)).await.unwrap();
    change.retire_passcode(code).await.unwrap();
    change.add_passcode(&keys, room, moderator, "60418297", Strength::Required).await.unwrap();
    change.commit().await.unwrap();
    let mut change = store.change(&actor(), wall(3)).await.unwrap();
    let shown = change.show_passcodes(&keys, room).await.unwrap();
    assert_eq!(*shown[0].1, "60418297");
    change.set_account_status(acme, AccountStatus::Suspended).await.unwrap();
    change.commit().await.unwrap();
    store
}

#[tokio::test]
async fn each_change_says_who_when_before_and_after_and_never_digits() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir).await;
    let all = store.audit(0, None).await.unwrap();
    let lines: Vec<_> = all.iter().map(line).collect();
    assert!(lines[0].starts_with("1 added account 1: name: - > Acme"), "{lines:#?}");
    assert!(lines[0].ends_with("address: - > 1 Water Street"), "{lines:#?}");
    assert!(
        lines[1].contains("max_legs: - > 25") && lines[1].ends_with("moderator passcode: - > set")
    );
    assert_eq!(
        lines[2..],
        [
            "3 changed conference 1: moderator passcode: set > changed",
            "4 shown conference 1:",
            "5 changed account 1: status: active > suspended",
        ]
    );
    assert_eq!((all[2].at, all[2].via.as_str(), all[2].actor.as_str()), (wall(2), "cli", "anna"));
    assert!(!format!("{all:?}").contains("48151623") && !format!("{all:?}").contains("60418297"));
    assert_eq!(store.audit(3, Some(AccountId(1))).await.unwrap().len(), 2);
    assert_eq!(store.audit(0, Some(AccountId(2))).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_not_committed_or_changes_nothing_leaves_no_entry() {
    let dir = TempDir::new().unwrap();
    let store = filled(&dir).await;
    let mut change = store.change(&actor(), wall(4)).await.unwrap();
    change.set_account_status(AccountId(1), AccountStatus::Active).await.unwrap();
    assert_eq!(change.entries().len(), 1);
    drop(change);
    let mut change = store.change(&actor(), wall(5)).await.unwrap();
    change.set_account_status(AccountId(1), AccountStatus::Suspended).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(store.audit(5, None).await.unwrap(), []);
}

/// Changes the database behind the program's back.
async fn tamper(path: &Path, statements: &str) -> Result<(), sqlx::Error> {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(&mut connection);
    let done = done.await.map(|_| ());
    connection.close().await?;
    done
}

#[tokio::test]
async fn a_changed_or_removed_entry_is_found_with_its_number() {
    for (statements, found) in [
        ("UPDATE audit SET actor = 'ben' WHERE seq = 2", vec![Break::Changed(2)]),
        ("UPDATE audit SET at = at + 1 WHERE seq = 5", vec![Break::Changed(5)]),
        ("UPDATE audit_field SET after = '26' WHERE after = '25'", vec![Break::Changed(2)]),
        ("DELETE FROM audit_field WHERE seq = 5", vec![Break::Changed(5)]),
        ("INSERT INTO audit_field VALUES (4, 0, 'record', 'no', 'yes')", vec![Break::Changed(4)]),
        (
            "DELETE FROM audit_field WHERE seq IN (2, 3); DELETE FROM audit WHERE seq IN (2, 3)",
            vec![Break::Missing { from: 2, to: 3 }],
        ),
        (
            "DELETE FROM audit_field WHERE seq = 1; DELETE FROM audit WHERE seq = 1",
            vec![Break::Missing { from: 1, to: 1 }],
        ),
        (
            "DELETE FROM audit_field WHERE seq > 4; DELETE FROM audit WHERE seq > 4",
            vec![Break::Missing { from: 5, to: 5 }],
        ),
        (
            "UPDATE audit SET hash = before WHERE seq = 2",
            vec![Break::Changed(2), Break::Unlinked(3)],
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("partyline.db");
        let store = filled(&dir).await;
        assert_eq!(store.verify_audit(None).await.unwrap().breaks, []);
        store.close().await;
        let triggers = "DROP TRIGGER audit_is_kept; DROP TRIGGER audit_stays; \
            DROP TRIGGER audit_field_is_kept; DROP TRIGGER audit_field_stays; \
            PRAGMA foreign_keys = OFF;";
        tamper(&path, &format!("{triggers} {statements}")).await.unwrap();
        let store = Store::open(&path).await.unwrap();
        assert_eq!(store.verify_audit(None).await.unwrap().breaks, found, "{statements}");
    }
}

#[tokio::test]
async fn entries_are_appended_only() {
    let dir = TempDir::new().unwrap();
    filled(&dir).await.close().await;
    let path = dir.path().join("partyline.db");
    for statement in [
        "UPDATE audit SET actor = 'ben'",
        "DELETE FROM audit WHERE seq = 5",
        "UPDATE audit_field SET after = ''",
        "DELETE FROM audit_field",
    ] {
        let said = tamper(&path, statement).await.unwrap_err().to_string();
        assert!(said.contains("never"), "{statement}: {said}");
    }
}

#[tokio::test]
async fn a_chain_that_was_written_anew_lacks_the_hash_that_was_noted() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (store, anew) = (filled(&dir).await, filled(&other).await);
    let verified = store.verify_audit(None).await.unwrap();
    assert_eq!((verified.entries, verified.noted), (5, None));
    let noted = verified.last;
    assert_eq!(store.verify_audit(noted).await.unwrap().noted, Some(5));
    // The same five entries in another folder are another chain.
    let verified = anew.verify_audit(noted).await.unwrap();
    assert_eq!((verified.breaks, verified.noted), (vec![], None));
}
