//! Damaged, moved and missing parts of a data folder, by the built program.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Bench, has_line};
use partyline_cdr_record::{AccessKind, Direction, LegRecord, LegState, Origin, Record};
use partyline_cdr_store::journal::{FileDisk, Journal, JournalConfig};
use partyline_model::{AccountId, Time, Uuid, WallTime};

const ORIGIN: Origin = Origin { node_id: 1, boot_id: Uuid(1) };
/// 2026-10-12T15:00:00Z.
const START: WallTime = WallTime::from_micros(1_791_817_200_000_000);

fn leg(n: u32) -> Record {
    leg_of(n, 1)
}

fn leg_of(n: u32, account: u64) -> Record {
    let invited = START + Duration::from_secs(n.into());
    let mut leg = LegRecord::open(ORIGIN, Uuid(n.into()), n.into(), Direction::In, invited);
    leg.state = LegState::Closed;
    leg.rev = 2;
    leg.account_id = Some(AccountId(account));
    leg.access_kind = AccessKind::TollFree;
    leg.answered_at = Some(invited);
    leg.duration_ms = 60_000;
    leg.disconnected_at = Some(invited + Duration::from_secs(60));
    Record::Leg(Box::new(leg))
}

/// A bridge that has taken `count` calls of a minute; its journal holds them.
fn journal(bench: &Bench, legs: std::ops::RangeInclusive<u32>) -> Journal {
    // A program that another test starts at this moment has the lock of the last journal until it
    // runs: what it was forked from had it.
    let folder = bench.data().join("journal");
    let free = || FileDisk::open(&folder).inspect_err(|_| wait(Duration::from_millis(20)));
    let disk = (0..250).find_map(|_| free().ok()).expect("nobody else has the journal");
    let folder = bench.store(async |store| store.folder());
    let config = JournalConfig::new(ORIGIN).of(folder);
    let (mut journal, _) = Journal::open(Box::new(disk), config, Time::ZERO, START).unwrap();
    let legs: Vec<Record> = legs.map(leg).collect();
    journal.append(legs.iter(), Time::ZERO, START).unwrap();
    journal
}

fn thirty_calls() -> Bench {
    let bench = Bench::with_demo();
    bench.ok(&["account", "list"]);
    drop(journal(&bench, 1..=30));
    bench.ok(&["cdr", "rebuild"]);
    bench
}

fn listed(bench: &Bench) -> usize {
    bench.ok(&["cdr", "list", "--json"]).lines().count()
}

fn segment(bench: &Bench) -> std::path::PathBuf {
    bench.data().join("journal/00000001.plj")
}

#[test]
fn a_rebuild_names_what_is_damaged_and_keeps_what_the_database_has() {
    let bench = thirty_calls();
    let mut bytes = fs::read(segment(&bench)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(segment(&bench), &bytes).unwrap();
    let run = bench.run(&["cdr", "rebuild"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(has_line(&run.out, &["damaged: segment 00000001.plj, offset", "octets"]), "{run:?}");
    assert!(run.out.contains("and the journal has not: 1 legs"), "{run:?}");
    assert!(run.err.contains("stay as they were") && run.err.contains("--accept-loss"), "{run:?}");
    assert_eq!(listed(&bench), 30);
    let run = bench.run(&["cdr", "rebuild", "--accept-loss"]);
    assert_eq!((run.code, listed(&bench)), (Some(2), 29), "{run:?}");
}

#[test]
fn without_the_journal_folder_a_rebuild_changes_nothing() {
    let bench = thirty_calls();
    fs::rename(bench.data().join("journal"), bench.path("elsewhere")).unwrap();
    for args in [&["cdr", "rebuild"][..], &["cdr", "rebuild", "--accept-loss"]] {
        let said = bench.fails(args);
        assert!(said.contains("there is no journal in"), "{said}");
    }
    assert_eq!(listed(&bench), 30);
}

#[test]
fn a_rebuild_killed_at_any_moment_leaves_the_old_records_or_the_new() {
    let bench = thirty_calls();
    for millis in (0..200).step_by(8) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_partyline"))
            .env_clear()
            .current_dir(bench.path(""))
            .arg("--data")
            .arg(bench.data())
            .args(["cdr", "rebuild"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait(Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(listed(&bench), 30, "killed after {millis} ms");
    }
    bench.ok(&["cdr", "rebuild"]);
}

/// Waits for another process to be at an odd place.
#[expect(clippy::disallowed_methods, reason = "another process is waited for")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn a_missing_database_stops_every_command_and_says_what_to_do() {
    let bench = thirty_calls();
    for file in ["partyline.db", "partyline.db-wal", "partyline.db-shm"] {
        fs::remove_file(bench.data().join(file)).unwrap_or_default();
    }
    // Ports that nobody has: a taken one would be found first.
    let ports = "[sip]\nlisten = [\"127.0.0.1:0\"]\n[http]\nlisten = \"127.0.0.1:0\"\n";
    let config = bench.file("ports.toml", ports).display().to_string();
    let serve = ["--config", &config, "serve"];
    for args in [&["account", "add", "Another"][..], &serve, &["cdr", "list"]] {
        let said = bench.fails(args);
        assert!(said.contains("partyline.db is missing, though"), "{args:?}: {said}");
        assert!(said.contains("partyline restore BACKUP"), "{args:?}: {said}");
    }
    // The way out without a backup gives no old number to a new account.
    let said = bench.ok(&["cdr", "rebuild", "--new-database"]);
    assert!(said.contains("New accounts are numbered from 2"), "{said}");
    assert_eq!(listed(&bench), 30);
    // Nobody is account 1 any more.
    let said = bench.ok(&["account", "add", "Another"]);
    assert!(said.contains("account 2"), "{said}");
    let said = bench.fails(&["cdr", "rebuild", "--new-database"]);
    assert!(said.contains("the database is there"), "{said}");
}

#[test]
fn a_lost_database_is_not_made_while_the_journal_is_in_use() {
    let bench = thirty_calls();
    for file in ["partyline.db", "partyline.db-wal", "partyline.db-shm"] {
        fs::remove_file(bench.data().join(file)).unwrap_or_default();
    }
    let running = FileDisk::open(&bench.data().join("journal")).unwrap();
    let said = bench.fails(&["cdr", "rebuild", "--new-database"]);
    assert!(said.contains("stop the bridge first"), "{said}");
    // Nothing is there that an account could be made in.
    let said = bench.fails(&["account", "add", "Another"]);
    assert!(said.contains("partyline.db is missing, though"), "{said}");
    drop(running);
    bench.ok(&["cdr", "rebuild", "--new-database"]);
    let said = bench.ok(&["account", "add", "Another"]);
    assert!(said.contains("account 2"), "{said}");
}

/// A folder restored from a copy that is older than an account, whose calls and invoice the journal
/// and the invoices' folder have.
#[test]
fn an_older_database_gives_nobody_the_number_the_calls_or_the_invoice_of_another() {
    let bench = thirty_calls();
    let invoice =
        |account| ["invoice", "--account", account, "--month", "2026-10", "--out", "invoices"];
    bench.ok(&["backup", "copy", "--with-keys"]);
    bench.ok(&["account", "add", "Second", "--deck", "demo"]);
    let mut running = journal(&bench, 31..=31);
    let legs = [leg_of(32, 2), leg_of(33, 2)];
    running.append(legs.iter(), Time::ZERO, START).unwrap();
    drop(running);
    let said = bench.ok(&invoice("Second"));
    assert!(said.contains("invoice PL-2026-000001, Second"), "{said}");
    let issued = fs::read(bench.path("invoices/PL-2026-000001.csv")).unwrap();
    fs::rename(bench.data(), bench.path("lost")).unwrap();
    let said = bench.ok(&["restore", "copy"]);
    assert!(said.contains("The last invoice in it: none. The next account is 2."), "{said}");
    for entry in fs::read_dir(bench.path("lost/journal")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), bench.data().join("journal").join(entry.file_name())).unwrap();
    }
    let said = bench.ok(&["account", "add", "Third", "--deck", "demo"]);
    assert!(said.contains("account 3"), "{said}");
    let said = bench.ok(&invoice("Third"));
    assert!(said.contains("nothing to be invoiced"), "{said}");
    // Nobody is billed for the calls of account 2, and that is said.
    assert!(said.contains("2 of them were made by 1 accounts"), "{said}");
    assert!(said.contains("account 2:"), "{said}");
    // The number was given before: its files are there.
    let said = bench.fails(&invoice("Demo"));
    assert!(said.contains("PL-2026-000001 was issued before"), "{said}");
    assert_eq!(fs::read(bench.path("invoices/PL-2026-000001.csv")).unwrap(), issued);
    let elsewhere = ["invoice", "--account", "Demo", "--month", "2026-10", "--out", "other"];
    bench.ok(&elsewhere);
    let said = bench.fails(&["invoice", "--again", "PL-2026-000001", "--out", "invoices"]);
    assert!(said.contains("is never written over"), "{said}");
    assert_eq!(fs::read(bench.path("invoices/PL-2026-000001.csv")).unwrap(), issued);
}

#[test]
fn an_invoice_over_a_damaged_or_gapped_journal_says_so_and_is_not_a_success() {
    let bench = Bench::with_demo();
    drop(journal(&bench, 1..=3));
    drop(journal(&bench, 4..=4));
    drop(journal(&bench, 5..=5));
    let mut bytes = fs::read(segment(&bench)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(segment(&bench), &bytes).unwrap();
    fs::remove_file(bench.data().join("journal/00000002.plj")).unwrap();
    let invoice =
        ["invoice", "--account", "Demo", "--month", "2026-10", "--out", "invoices", "--draft"];
    for _ in 0..2 {
        let run = bench.run(&invoice);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(has_line(&run.out, &["Toll-free dial-in", "3", "0:03:00"]), "{run:?}");
        assert!(run.out.contains("Calls of 2026-10 may be missing"), "{run:?}");
        assert!(has_line(&run.out, &["segment 00000001.plj, offset", "damaged"]), "{run:?}");
        assert!(run.out.contains("segment 00000002.plj is missing"), "{run:?}");
    }
    let run = bench.run(&["cdr", "rebuild"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.out.contains("segment 00000002.plj is missing"), "{run:?}");
    // Without any journal, though there was one.
    fs::rename(bench.data().join("journal"), bench.path("elsewhere")).unwrap();
    let said = bench.fails(&invoice);
    assert!(said.contains("lacks what is known to be in it"), "{said}");
}

#[test]
fn an_invoice_waits_for_calls_that_are_in_the_journal_only() {
    let bench = thirty_calls();
    let invoice =
        ["invoice", "--account", "Demo", "--month", "2026-10", "--out", "invoices", "--draft"];
    // A bridge runs whose store cannot follow.
    let running = journal(&bench, 31..=40);
    let said = bench.fails(&invoice);
    assert!(said.contains("nothing is invoiced while calls may be missing"), "{said}");
    assert!(said.contains("octets of records wait in the journal"), "{said}");
    drop(running);
    // None runs: the command takes them itself.
    let said = bench.ok(&invoice);
    assert!(has_line(&said, &["Toll-free dial-in", "40", "0:40:00"]), "{said}");
}

#[test]
fn keys_of_another_folder_stop_the_start_and_new_passcodes_are_the_way_out() {
    let (bench, other) = (Bench::with_demo(), Bench::with_demo());
    for key in ["pepper.key", "seal.key"] {
        let [from, to] = [&other, &bench].map(|bench| bench.data().join("keys").join(key));
        fs::copy(from, to).unwrap();
        let ports = "[sip]\nlisten = [\"127.0.0.1:0\"]\n[http]\nlisten = \"127.0.0.1:0\"\n\
                     [media]\nports = \"41000-41099\"\n";
        let config = bench.file("ports.toml", ports).display().to_string();
        let said = bench.fails(&["--config", &config, "serve"]);
        assert!(said.contains("are not those that the 2 passcodes in the database"), "{said}");
        assert!(said.contains("partyline passcode new CONFERENCE"), "{said}");
    }
    bench.ok(&["passcode", "new", "1"]);
    assert!(bench.ok(&["passcode", "show", "1"]).contains("moderator"));
}
