//! A data folder that an earlier version left behind opens, verifies and bills the same.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{Bench, has_line};
use serde_json::Value;

/// What a later version may not change about a leg.
const KEPT: [&str; 20] = [
    "account_id",
    "ani",
    "answered_at",
    "close_reason",
    "conf_id",
    "conf_ms",
    "conference",
    "dialed_number",
    "direction",
    "disconnected_at",
    "dnis",
    "duration_ms",
    "invited_at",
    "joined_at",
    "passcodes",
    "q850",
    "reference_number",
    "rev",
    "sip_call_id",
    "state",
];

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/data-v1").join(path)
}

/// A copy of the old folder, its files private as they were.
fn old_folder() -> Bench {
    let bench = Bench::unprepared("");
    copy(&golden("data"), &bench.data());
    bench
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// JSON lines by their leg, or by their leg and number.
fn by_key(lines: &str, keys: &[&str]) -> BTreeMap<String, Value> {
    let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| (keys.iter().map(|&key| row[key].to_string()).collect(), row)).collect()
}

fn assert_legs_are_kept(bench: &Bench) {
    let said = bench.ok(&["cdr", "list", "--since", "2026-09-01", "--json", "--full"]);
    let (legs, expected) = (
        by_key(&said, &["leg_id"]),
        by_key(&fs::read_to_string(golden("expected/legs.jsonl")).unwrap(), &["leg_id"]),
    );
    assert_eq!(legs.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (id, leg) in &legs {
        for field in KEPT {
            assert_eq!(leg[field], expected[id][field], "{field} of {id}");
        }
    }
    let said = bench.ok(&["cdr", "features", "--since", "2026-09-01", "--json", "--full"]);
    let key = ["leg_id", "feature_seq"];
    let expected = fs::read_to_string(golden("expected/features.jsonl")).unwrap();
    let (mut said, expected) = (by_key(&said, &key), by_key(&expected, &key));
    for feature in said.values_mut() {
        // Of records before schema 2 it is not known in what role a leg did what it did.
        let later =
            ["actor", "actor_id", "role"].map(|name| feature.as_object_mut().unwrap().remove(name));
        assert_eq!(later, [Some("leg".into()), Some(Value::Null), Some(Value::Null)]);
    }
    assert_eq!(said, expected);
}

/// What is paid: the total, the lines, and the amount of every leg.
fn amounts(invoice: &[u8]) -> Vec<String> {
    let invoice: Value = serde_json::from_slice(invoice).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap();
    let mut paid: Vec<_> =
        ["currency", "net", "total"].map(|field| invoice[field].to_string()).to_vec();
    for line in list(&invoice["lines"]) {
        paid.push(format!("{} {} {}", line["name"], line["legs"], line["amount"]));
    }
    for session in list(&invoice["conferences"]) {
        for leg in list(&session["legs"]) {
            paid.push(format!("{} {}", leg["leg_id"], leg["amount"]));
        }
    }
    paid
}

fn written(bench: &Bench, name: &str) -> Vec<u8> {
    fs::read(bench.path("invoices").join(name)).unwrap()
}

#[test]
fn a_folder_of_format_1_opens_with_its_records_and_passcodes() {
    let bench = old_folder();
    assert_legs_are_kept(&bench);
    let shown = bench.ok(&["passcode", "show", "1"]);
    assert!(has_line(&shown, &["moderator", "24578418"]), "{shown}");
    assert!(has_line(&bench.ok(&["account", "list"]), &["2", "Harbour & Pine LLP"]));
    let identity = fs::read_to_string(bench.data().join("identity")).unwrap();
    assert!(identity.contains("\nformat = 2\nfolder = "), "{identity}");
    // A folder of before audit logs begins one.
    assert!(has_line(&bench.ok(&["audit", "list"]), &["1  ", "conference 1", "passcodes shown"]));
    assert!(bench.ok(&["audit", "verify"]).contains("holds together: 1 entries"));
}

#[test]
fn a_folder_of_format_1_rebuilt_from_its_journal_says_the_same() {
    let bench = old_folder();
    let said = bench.ok(&["cdr", "rebuild"]);
    assert!(said.contains("0 conflicting, 0 unreadable"), "{said}");
    assert_legs_are_kept(&bench);
}

#[test]
fn a_folder_of_format_1_bills_the_same() {
    let bench = old_folder();
    let invoice = |month: &str, more: &[&str]| {
        let all = ["invoice", "--account", "Demo", "--month", month, "--out", "invoices"];
        bench.ok(&[&all, more].concat())
    };
    invoice("2026-09", &["--draft"]);
    let said = invoice("2026-10", &[]);
    assert!(said.contains("PL-2026-000002"), "{said}");
    let said = invoice("2026-11", &["--interim"]);
    assert!(said.contains("PL-2026-000001"), "{said}");
    for (name, total) in
        [("draft-1-2026-09", "1.21"), ("PL-2026-000002", "4.77"), ("PL-2026-000001", "0.35")]
    {
        let name = format!("{name}.json");
        let expected = fs::read(golden("expected").join(&name)).unwrap();
        assert_eq!(amounts(&written(&bench, &name)), amounts(&expected), "{name}");
        assert!(amounts(&expected).contains(&format!("\"{total}\"")), "{name}");
    }
}

#[test]
fn an_invoice_that_format_1_issued_is_written_again_from_its_document() {
    let bench = old_folder();
    for number in ["PL-2026-000001", "PL-2026-000002"] {
        let said = bench.ok(&["invoice", "--again", number, "--out", "invoices"]);
        assert!(said.contains("kept its JSON only: pdf and csv made from that"), "{said}");
        let expected = fs::read(golden(&format!("expected/{number}.json"))).unwrap();
        assert!(written(&bench, &format!("{number}.json")) == expected, "byte for byte");
        let csv = String::from_utf8(written(&bench, &format!("{number}.csv"))).unwrap();
        let charges = String::from_utf8(expected).unwrap().matches("\"deck_line\"").count();
        assert_eq!(csv.lines().count(), charges + 1, "{csv}");
        assert!(csv.contains(",moderator,") && !csv.contains(",host,"), "{csv}");
        assert!(written(&bench, &format!("{number}.pdf")).starts_with(b"%PDF-"));
    }
    // And nothing of it is invoiced a second time.
    let args = ["invoice", "--account", "1", "--month", "2026-10", "--out", "invoices"];
    assert!(bench.ok(&args).contains("PL-2026-000002 was issued before"));
}
