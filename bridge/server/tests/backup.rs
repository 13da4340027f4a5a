//! `partyline backup`, `partyline restore` and what is said of keys that are missing.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::fs;
use std::process::Command;

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

/// Runs the program in `folder` of the bench, whose data folder is the usual one below it.
fn in_folder(bench: &Bench, folder: &str, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partyline"));
    command.env_clear().current_dir(bench.path(folder)).args(args);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{args:?}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn plain_relative_names_and_slashes_at_the_end_are_names_as_others() {
    let bench = Bench::bare();
    for folder in ["one", "two", "three/empty"] {
        fs::create_dir_all(bench.path(folder)).unwrap();
    }
    in_folder(&bench, "one", &["init"]);
    in_folder(&bench, "one", &["backup", "copy", "--with-keys"]);
    in_folder(&bench, "one", &["backup", "./second/", "--with-keys"]);
    for left in ["one/copy.partial", "one/second.partial", "one/second/.partial"] {
        assert!(!bench.path(left).exists(), "{left}");
    }
    let said = in_folder(&bench, "two", &["restore", "../one/copy"]);
    assert!(said.contains("The last invoice in it: none. The next account is 2."), "{said}");
    in_folder(&bench, "three", &["--data", "empty/", "restore", "../one/second/"]);
    let show = &["passcode", "show", "1"];
    let expected = in_folder(&bench, "one", show);
    assert_eq!(in_folder(&bench, "two", show), expected);
    assert_eq!(in_folder(&bench, "three", &[&["--data", "empty"], &show[..]].concat()), expected);
}

#[test]
fn a_folder_with_some_of_the_names_is_no_data_folder_and_nothing_is_made_in_it() {
    let bench = Bench::bare();
    for name in ["journal", "keys", "recordings"] {
        fs::create_dir_all(bench.data().join(name)).unwrap();
    }
    for args in [&["account", "list"][..], &["cdr", "list"], &["backup", "copy"]] {
        let said = bench.fails(args);
        assert!(said.contains("there is no data in"), "{args:?}: {said}");
    }
    assert_eq!(fs::read_dir(bench.data()).unwrap().count(), 3);
    assert_eq!(fs::read_dir(bench.data().join("keys")).unwrap().count(), 0);
}
