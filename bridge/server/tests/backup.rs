//! `partyline backup`, `partyline restore` and what is said of keys that are missing.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::fs;

use common::{Bench, has_line};

fn demo() -> Bench {
    let bench = Bench::with_demo();
    bench.ok(&["account", "add", "Harbour & Pine LLP"]);
    bench
}

#[test]
fn a_backup_without_keys_says_so_and_its_folder_waits_for_them() {
    let (bench, other) = (demo(), Bench::bare());
    let copy = bench.path("copy").display().to_string();
    let said = bench.ok(&["backup", &copy]);
    assert!(said.contains("files") && said.contains("The keys are not in it"), "{said}");
    let said = other.ok(&["restore", &copy]);
    assert!(said.contains("put pepper.key and seal.key"), "{said}");
    // No key is made in silence beside passcodes that were made with another.
    let said = other.fails(&["passcode", "show", "1"]);
    assert!(said.contains("the keys in") && said.contains("are missing"), "{said}");
    assert!(!other.data().join("keys/pepper.key").exists());
    for key in ["pepper.key", "seal.key"] {
        fs::create_dir_all(other.data().join("keys")).unwrap();
        fs::copy(bench.data().join("keys").join(key), other.data().join("keys").join(key)).unwrap();
    }
    let show = &["passcode", "show", "1"];
    assert_eq!(other.ok(show), bench.ok(show));
    assert!(has_line(&other.ok(&["account", "list"]), &["2", "Harbour & Pine LLP"]));
}

#[test]
fn a_backup_with_keys_is_a_whole_folder_again() {
    let (bench, other) = (demo(), Bench::bare());
    let copy = bench.path("copy").display().to_string();
    let said = bench.ok(&["backup", &copy, "--with-keys", "--with-recordings"]);
    assert!(!said.contains("The keys are not in it"), "{said}");
    other.ok(&["restore", &copy]);
    let show = &["passcode", "show", "1"];
    assert_eq!(other.ok(show), bench.ok(show));
    let identity = |bench: &Bench| fs::read_to_string(bench.data().join("identity")).unwrap();
    assert_eq!(identity(&other), identity(&bench));
}

#[test]
fn nothing_is_written_over_and_nothing_damaged_is_restored() {
    let (bench, other) = (demo(), Bench::bare());
    let copy = bench.path("copy").display().to_string();
    bench.ok(&["backup", &copy, "--with-keys"]);
    let said = bench.fails(&["backup", &copy]);
    assert!(said.contains("there is no backup") && said.contains("exists"), "{said}");
    let said = bench.fails(&["restore", &copy]);
    assert!(said.contains("is not empty, and nothing is written over"), "{said}");
    let key = bench.path("copy/keys/seal.key");
    fs::write(&key, [0; 32]).unwrap();
    let said = other.fails(&["restore", &copy]);
    assert!(said.contains("seal.key is missing or damaged"), "{said}");
    assert!(!other.data().exists());
    let said = other.fails(&["restore", "nowhere"]);
    assert!(said.contains("nowhere is no backup"), "{said}");
}
