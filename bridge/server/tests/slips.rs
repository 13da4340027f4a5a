//! What an administrator writes and does not mean, by the built program.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use common::{Bench, has_line};

const DECK: &str = "deck_id,prefix,name,kind,currency,per_min,eff_from\n";

#[test]
fn a_plan_number_is_no_other_decks_name() {
    let bench = Bench::with_demo();
    let path = bench.file("one.csv", &format!("{DECK}1,,Bridge,bridge,CAD,0.05,2026-01-01\n"));
    let said = bench.ok(&["deck", "add", &path.display().to_string()]);
    assert!(said.contains("deck \"1\" version 1 added: plan 2"), "{said}");
    assert!(bench.ok(&["deck", "use", "Demo", "1"]).contains("billed by deck \"demo\""));
    assert!(bench.ok(&["deck", "use", "Demo", "2"]).contains("billed by deck \"1\""));
}

#[test]
fn a_change_of_nothing_is_none() {
    let bench = Bench::with_demo();
    let version = bench.version();
    for args in [&["account", "set", "1"][..], &["account", "set", "1", "--currency", "CAD"]] {
        assert!(bench.fails(args).contains("nothing to change"), "{args:?}");
    }
    assert_eq!(bench.version(), version);
}

#[test]
fn a_name_that_a_terminal_would_obey_is_refused() {
    let bench = Bench::with_demo();
    for name in ["a\u{1b}[2Jb", "two\nlines", "\u{9b}1m", " "] {
        for args in [
            &["account", "add", name][..],
            &["account", "set", "1", "--name", name],
            &["conference", "add", name, "--account", "1"],
            &["conference", "set", "1", "--name", name],
        ] {
            let said = bench.fails(args);
            assert!(!said.contains(name) || name == " ", "{said:?}");
        }
    }
    let path = bench.file("rows.csv", "kind,name\naccount,\"a\u{1b}[2Jb\"\n").display().to_string();
    let said = bench.fails(&["import", &path]);
    assert!(said.contains("name: leave line breaks and control characters out"), "{said}");
}

#[test]
fn an_import_lets_the_two_passcodes_of_a_conference_change_places() {
    let bench = Bench::with_demo();
    let rows = |codes: &str| {
        let text =
            format!("kind,name,account,moderator,participant\nconference,Room,Demo,{codes}\n");
        bench.file("rooms.csv", &text).display().to_string()
    };
    bench.ok(&["import", &rows("48151623,60418297")]);
    bench.ok(&["import", &rows("60418297,48151623")]);
    let shown = bench.ok(&["passcode", "show", "Room"]);
    assert!(has_line(&shown, &["moderator", "60418297"]), "{shown}");
    assert!(has_line(&shown, &["participant", "48151623"]), "{shown}");
}

#[test]
fn a_welcome_without_a_file_is_told() {
    let bench = Bench::with_demo();
    let missing = "brands/acme.flac yet: callers hear the neutral welcome";
    let said = bench.ok(&["dial-in", "add", "18005550177", "--welcome", "acme"]);
    assert!(said.contains(missing), "{said}");
    let path = bench.file("n.csv", "kind,number,welcome\ndial_in,18005550178,acme\n");
    assert!(bench.ok(&["import", &path.display().to_string()]).contains(missing));
    std::fs::write(bench.data().join("brands/acme.flac"), "").unwrap();
    let said = bench.ok(&["dial-in", "add", "18005550179", "--welcome", "acme"]);
    assert!(!said.contains("yet"), "{said}");
}
