//! Administration by the built program: what each command does, and what it says when it refuses.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use common::{Bench, has_line};
use partyline_directory::Pepper;

/// The digits behind `role` in what a command printed.
fn digits(text: &str, role: &str) -> String {
    let line = text.lines().find(|line| line.trim_start().starts_with(role)).unwrap();
    line.split_whitespace().nth(1).unwrap().trim_end_matches('#').to_owned()
}

#[test]
fn a_command_in_the_wrong_folder_makes_nothing_and_says_where_it_looked() {
    for bench in [Bench::bare(), Bench::unprepared("")] {
        for args in [
            &["account", "list"][..],
            &["account", "add", "X"],
            &["conference", "list"],
            &["passcode", "show", "1"],
            &["dial-in", "list"],
            &["deck", "list"],
            &["cdr", "list"],
            &["cdr", "rebuild"],
            &["cdr", "rebuild", "--new-database"],
            &["invoice", "--account", "Demo", "--month", "2026-11", "--out", "."],
        ] {
            let said = bench.fails(args);
            let where_and_what = format!("there is no data in {}", bench.data().display());
            assert!(said.contains(&where_and_what), "{args:?}: {said}");
            assert!(said.contains("--data") && said.contains("partyline init"), "{args:?}: {said}");
            assert!(!bench.data().exists(), "{args:?}");
        }
    }
}

#[test]
fn init_makes_the_demo_and_shows_its_codes_once() {
    let bench = Bench::bare();
    let first = bench.ok(&["init"]);
    let list = bench.ok(&["account", "list"]);
    assert!(has_line(&list, &["1", "Demo", "active", "America/Toronto", "CAD"]), "{list}");
    let (moderator, participant) = (digits(&first, "moderator"), digits(&first, "participant"));
    assert!(!bench.ok(&["init"]).contains("moderator"), "again: nothing is changed");
    assert_eq!((moderator.len(), participant.len()), (8, 8));
    let second = bench.run(&["passcode", "show", "1"]);
    assert_eq!(second.err, "");
    assert!(has_line(&second.out, &["moderator", &moderator]), "{second:?}");
    assert!(has_line(&second.out, &["participant", &participant]), "{second:?}");
    assert!(has_line(&bench.ok(&["dial-in", "list"]), &["18005550199", "conference demo", "all"]));
    assert!(has_line(&bench.ok(&["deck", "list"]), &["1", "demo", "CAD"]));
    assert!(has_line(&bench.ok(&["account", "show", "Demo"]), &["dial out", "1416555; 3 at once"]));
}

#[test]
fn a_configured_bridge_begins_empty_and_private() {
    let bench = Bench::unprepared("");
    assert!(bench.ok(&["init"]).contains("Next: partyline account add"));
    let run = bench.run(&["account", "list"]);
    assert_eq!((run.out.lines().count(), run.err.as_str()), (1, ""));
    let mode = |name: &str| {
        let path = bench.data().join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!([mode(""), mode("keys"), mode("partyline.db")], [0o700, 0o700, 0o600]);
}

#[test]
fn an_account_is_added_changed_and_suspended() {
    let bench = Bench::with_demo();
    bench.ok(&[
        "account",
        "add",
        "Harbour & Pine LLP",
        "--time-zone",
        "America/Halifax",
        "--address",
        "Accounts payable",
        "--address",
        "Halifax",
        "--record",
        "yes",
        "--dial-out",
        "1416,+1902",
        "--deck",
        "demo",
    ]);
    let shown = bench.ok(&["account", "show", "Harbour & Pine LLP"]);
    for (name, value) in [
        ("address", "Accounts payable, Halifax"),
        ("time zone", "America/Halifax"),
        ("currency", "CAD"),
        ("rate deck", "demo version 1"),
        ("record (*4)", "yes"),
        ("dial out (*1)", "1416, 1902; 3 at once"),
        ("security passcode (*92)", "no"),
    ] {
        assert!(has_line(&shown, &[name, value]), "{name}: {shown}");
    }
    bench.ok(&["account", "set", "2", "--dial-out", "", "--reference-number", "required"]);
    let shown = bench.ok(&["account", "show", "2"]);
    assert!(has_line(&shown, &["dial out (*1)", "nowhere"]), "{shown}");
    assert!(has_line(&shown, &["reference number (*91)", "required"]), "{shown}");
    assert!(has_line(&shown, &["address", "Halifax"]), "{shown}");
    bench.ok(&["account", "suspend", "2"]);
    assert!(has_line(&bench.ok(&["account", "list"]), &["Harbour", "suspended"]));
    bench.ok(&["account", "resume", "2"]);
    assert!(has_line(&bench.ok(&["account", "list"]), &["Harbour", "active"]));
}

#[test]
fn an_account_says_what_is_wrong() {
    let bench = Bench::with_demo();
    let said = bench.misused(&["account", "add", "X", "--time-zone", "Mars/X"]);
    assert!(said.contains("use an IANA name such as America/Toronto"), "{said}");
    let said = bench.misused(&["account", "add", "X", "--currency", "dollars"]);
    assert!(said.contains("ISO 4217"), "{said}");
    let said = bench.misused(&["account", "add", "X", "--currency", "XTS"]);
    assert!(said.contains("ISO 4217"), "{said}");
    let said = bench.misused(&["account", "add", "X", "--dial-out", "14a"]);
    assert!(said.contains("beginnings of numbers"), "{said}");
    let said = bench.misused(&["account", "add", "X", "--reference-number", "maybe"]);
    assert!(said.contains("off, optional, required"), "{said}");
    let said = bench.fails(&["account", "show", "demo"]);
    assert!(said.contains("no account \"demo\"; see: partyline account list"), "{said}");
    let said = bench.fails(&["account", "set", "Demo", "--currency", "USD"]);
    assert!(said.contains("deck \"demo\" is in CAD and account \"Demo\" in USD"), "{said}");
    assert!(bench.fails(&["account", "add", " "]).contains("needs a name"));
}

#[test]
fn a_conference_comes_with_passcodes_that_can_be_replaced() {
    let bench = Bench::with_demo();
    let made = bench.ok(&["conference", "add", "Weekly review", "--account", "Demo"]);
    let (moderator, participant) = (digits(&made, "moderator"), digits(&made, "participant"));
    let shown = bench.ok(&["conference", "show", "Weekly review"]);
    assert!(!shown.contains(&moderator) && !shown.contains(&participant), "{shown}");
    assert!(has_line(&shown, &["moderator passcode", "••"]), "{shown}");

    let new = bench.ok(&["passcode", "new", "2", "--role", "participant"]);
    let replaced = digits(&new, "participant");
    assert_ne!(replaced, participant);
    let shown = bench.ok(&["passcode", "show", "2"]);
    assert!(shown.contains(&moderator) && shown.contains(&replaced), "{shown}");
    assert!(!shown.contains(&participant), "{shown}");
    bench.ok(&["passcode", "new", "2", "--moderator", "48151623"]);
    let shown = bench.ok(&["passcode", "show", "2"]);
    assert!(has_line(&shown, &["moderator", "48151623"]) && shown.contains(&replaced), "{shown}");

    bench.ok(&["conference", "disable", "2"]);
    assert!(has_line(&bench.ok(&["conference", "list", "--account", "1"]), &["Weekly", "no"]));
    bench.ok(&["conference", "enable", "2"]);
    assert!(has_line(&bench.ok(&["conference", "list"]), &["Weekly", "yes"]));
}

#[test]
fn weak_similar_and_taken_passcodes_are_refused_without_being_repeated() {
    let bench = Bench::with_demo();
    let add = |codes: &[&str]| {
        let mut args = vec!["conference", "add", "Room", "--account", "1"];
        args.extend(codes);
        bench.run(&args)
    };
    for (codes, why) in [
        (["--moderator", "123456"], "moderator passcode: too easy to guess: the digits count up"),
        (["--moderator", "777777"], "the digits repeat themselves"),
        (["--moderator", "4815"], "fewer than 6 digits"),
        (
            ["--participant", "550199"],
            "participant passcode: too easy to guess: the digits are part of a dial-in",
        ),
        (["--moderator", "48a51623"], "a passcode holds the digits 0 to 9 only"),
        (["--moderator", "481"], "a passcode has at least 4 digits"),
    ] {
        let run = add(&codes);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.err.contains(why), "{why}: {}", run.err);
        assert!(!run.err.contains(codes[1]), "{}", run.err);
    }
    let run = add(&["--moderator", "48151623", "--participant", "48151624"]);
    assert!(run.err.contains("one digit turns it into the other"), "{run:?}");
    assert_eq!(add(&["--moderator", "48151623"]).code, Some(0));
    let run = add(&["--moderator", "48151623"]);
    assert!(run.err.contains("in use by another conference"), "{run:?}");
    let run = add(&["--moderator", "1111", "--participant", "2222", "--weak-ok"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    // What was refused left nothing behind.
    assert_eq!(bench.ok(&["conference", "list"]).matches("Room").count(), 2);
    let run =
        bench.run(&["passcode", "new", "1", "--role", "moderator", "--participant", "48151642"]);
    assert!(run.err.contains("leaves the other passcode alone"), "{run:?}");
}

#[test]
fn a_dial_in_number_is_added_once_and_removed() {
    let bench = Bench::with_demo();
    bench.ok(&["dial-in", "add", "+1 416 555 0123", "--alias", "5550123", "--account", "Demo"]);
    let said = bench.fails(&["dial-in", "add", "14165550123"]);
    assert!(said.contains("14165550123 exists already"), "{said}");
    assert!(said.contains("partyline dial-in set 14165550123"), "{said}");
    // An alias that means two numbers would leave a running bridge without a directory.
    let said = bench.fails(&["dial-in", "add", "14165550124", "--alias", "demo"]);
    assert!(said.contains("the number cannot be added"), "{said}");
    assert!(said.contains("means another number as well"), "{said}");
    let said = bench.misused(&["dial-in", "add", "1416x"]);
    assert!(said.contains("holds digits only"), "{said}");
    let said = bench.misused(&["dial-in", "add", "14165550125", "--alias", "a b"]);
    assert!(said.contains("user part of a SIP URI"), "{said}");
    assert!(has_line(&bench.ok(&["dial-in", "list"]), &["14165550123", "5550123", "local"]));
    bench.ok(&["dial-in", "remove", "14165550123"]);
    assert!(!bench.ok(&["dial-in", "list"]).contains("14165550123"));
    assert!(
        bench.fails(&["dial-in", "remove", "14165550123"]).contains("there is no dial-in number")
    );
}

const DECK: &str = "deck_id,prefix,name,kind,currency,per_min,eff_from\n";

#[test]
fn a_deck_is_added_in_versions_and_given_to_an_account() {
    let bench = Bench::with_demo();
    let deck = |rows: &str| bench.file("deck.csv", &format!("{DECK}{rows}")).display().to_string();
    let path = deck("retail,,Bridge,bridge,CAD,0.05,2026-01-01\n");
    let said = bench.ok(&["deck", "add", &path]);
    assert!(said.contains("\"retail\" version 1 added: plan 2, 1 rates in CAD"), "{said}");
    let path =
        deck("retail,,Bridge,bridge,CAD,0.06,2026-01-01\nretail,1,US,ld,CAD,0.01,2026-01-01\n");
    assert!(bench.ok(&["deck", "add", &path]).contains("version 2 added: plan 2, 2 rates"));
    bench.ok(&["deck", "use", "Demo", "retail"]);
    assert!(has_line(&bench.ok(&["deck", "list"]), &["2", "retail", "2", "CAD"]));
    let shown = bench.ok(&["deck", "show", "retail"]);
    assert!(has_line(&shown, &["bridge", "Bridge", "0.060000", "60/60"]), "{shown}");
    assert!(has_line(&bench.ok(&["account", "show", "1"]), &["rate deck", "retail version 2"]));

    let path = deck("retail,,Bridge,bridge,USD,0.06,2026-01-01\n");
    let said = bench.fails(&["deck", "add", &path]);
    assert!(said.contains("is billed by deck \"retail\" in CAD, and the file is in USD"), "{said}");
    let path = deck("dollars,,Bridge,bridge,USD,0.06,2026-01-01\n");
    bench.ok(&["deck", "add", &path]);
    assert!(bench.fails(&["deck", "use", "1", "dollars"]).contains("deck \"dollars\" is in USD"));
    assert!(bench.fails(&["deck", "use", "1", "none"]).contains("partyline deck list"));
}

#[test]
fn a_deck_with_faults_is_refused_with_every_line() {
    let bench = Bench::with_demo();
    let path = bench.file(
        "bad.csv",
        &format!(
            "{DECK}d,44,UK,ld,USD,0.01,2026-01-01\nd,44,UK too,ld,USD,0.02,2026-06-01\n\
             d,1,US,ld,USD,-1,2026-01-01\n"
        ),
    );
    let said = bench.fails(&["deck", "add", &path.display().to_string()]);
    assert!(
        said.contains("bad.csv: line 3: same kind, access kind and prefix as line 2"),
        "{said}"
    );
    assert!(said.contains("bad.csv: line 4, per_min: must not be negative"), "{said}");
    assert_eq!(bench.ok(&["deck", "list"]).lines().count(), 2, "only the demo's");
    let said = bench.fails(&["deck", "add", "none.csv"]);
    assert!(said.contains("none.csv: cannot be read"), "{said}");
}

#[test]
fn a_hundred_conferences_with_given_passcodes_stand_by_one_command() {
    let bench = Bench::with_demo();
    let before = bench.version();
    let mut csv = "kind,name,account,moderator,participant\n".to_owned();
    for room in 0..100 {
        writeln!(csv, "conference,Room {room},Demo,1{room:03},2{room:03}").unwrap();
    }
    let path = bench.file("rooms.csv", &csv).display().to_string();
    let said = bench.fails(&["import", &path]);
    assert!(
        said.contains("rooms.csv:2: moderator passcode: too easy to guess: fewer than 6"),
        "{said}"
    );
    assert_eq!(bench.version(), before, "all or nothing");

    let said = bench.ok(&["import", &path, "--weak-ok"]);
    assert_eq!(said, "imported 0 accounts, 100 conferences, 200 passcodes, 0 dial-in numbers\n");
    assert!(bench.version() > before);
    let shown = bench.ok(&["passcode", "show", "Room 99"]);
    assert!(has_line(&shown, &["moderator", "1099"]) && has_line(&shown, &["participant", "2099"]));
    let snapshot = bench
        .store(async |store| store.load_snapshot(Arc::new(Pepper::new(&[0; 32]))).await.unwrap());
    assert_eq!(snapshot.conferences().count(), 101);
}

#[test]
fn the_example_of_an_import_can_be_imported() {
    let bench = Bench::empty();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/import.example.csv");
    let said = bench.ok(&["import", path]);
    assert!(said.contains("imported 2 accounts, 2 conferences, 5 passcodes, 2 dial-in"), "{said}");
    // Random passcodes are shown, given ones are not repeated.
    assert!(has_line(&said, &["All hands", "moderator"]), "{said}");
    assert!(!said.contains("60418297"), "{said}");
    let shown = bench.ok(&["account", "show", "Harbour & Pine LLP"]);
    assert!(has_line(&shown, &["address", "Accounts payable, 1 Water Street, Halifax"]), "{shown}");
    assert!(has_line(&shown, &["dial out", "1416, 1902; 2 at once"]), "{shown}");
    assert!(has_line(&bench.ok(&["dial-in", "list"]), &["18005550145", "1", "toll_free"]));
    assert!(has_line(
        &bench.ok(&["conference", "show", "Partners"]),
        &["ends with moderator", "yes"]
    ));
}

#[test]
fn an_import_names_every_line_that_is_wrong_and_takes_nothing() {
    let bench = Bench::with_demo();
    let version = bench.version();
    let path = bench.file(
        "bad.csv",
        "kind,name,account,number,moderator\n\
         account,New,,,\n\
         conference,A,Nobody,,\n\
         conference,B,New,,123456\n\
         dial_in,,,18005550199,\n\
         dial_in,,,oops,\n",
    );
    let said = bench.fails(&["import", &path.display().to_string()]);
    for expected in [
        "bad.csv:3: there is no account \"Nobody\"",
        "bad.csv:4: moderator passcode: too easy to guess",
        "bad.csv:6: number: a telephone number holds digits only",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(said.contains("nothing was imported"), "{said}");
    assert_eq!(bench.version(), version);
    assert!(!bench.ok(&["account", "list"]).contains("New"));
}

#[test]
fn an_import_again_says_what_changed_and_changes_nothing_else() {
    let bench = Bench::empty();
    let example = include_str!("../config/import.example.csv");
    let path = bench.file("import.csv", example).display().to_string();
    bench.ok(&["import", &path]);
    let all = |bench: &Bench| {
        ["Partners", "All hands"].map(|room| bench.ok(&["passcode", "show", room])).concat()
            + &bench.ok(&["account", "show", "1"])
            + &bench.ok(&["dial-in", "list"])
    };
    let (before, version) = (all(&bench), bench.version());
    let said = bench.ok(&["import", &path]);
    assert_eq!(
        said,
        "imported 0 accounts, 0 conferences, 0 passcodes, 0 dial-in numbers\n\
         *1 opens 1416 (in North America and the Caribbean), 1902 (in North America and the \
         Caribbean)\n\
         11 were there already, as the file has them\n"
    );
    assert_eq!((all(&bench), bench.version()), (before, version));

    // What an administrator changed by hand, and the file says nothing of, stays.
    bench.ok(&["account", "set", "Acme Freight", "--caller-id", "14165550188"]);
    let changed = example
        .replace("yes,1416 1902,2,yes,required", "no,1416 1902,2,yes,required")
        .replace("Accounts payable|", "Receivables|")
        .replace("60418297", "83610475")
        .replace(",500,silent", ",400,silent")
        .replace("18005550145,,toll_free", "18005550145,,local");
    bench.file("import.csv", &changed);
    let said = bench.ok(&["import", &path]);
    for line in [
        "changed account \"Harbour & Pine LLP\": record, address",
        "changed conference \"Partners\": moderator",
        "changed conference \"All hands\": max_legs",
        "changed dial-in number 18005550145: access_kind",
        "imported 0 accounts, 0 conferences, 1 passcodes, 0 dial-in numbers",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let shown = bench.ok(&["passcode", "show", "Partners"]);
    assert!(shown.contains("83610475") && !shown.contains("60418297"), "{shown}");
    assert!(shown.contains("73905164"), "{shown}");
    assert!(bench.ok(&["account", "show", "Acme Freight"]).contains("14165550188"));
}

#[test]
fn an_import_takes_the_currency_of_a_deck_as_adding_an_account_does() {
    let bench = Bench::with_demo();
    bench.ok(&["account", "list"]);
    let rows = "kind,name,deck,currency\naccount,A,demo,\naccount,B,demo,CAD\n";
    let path = bench.file("decks.csv", rows).display().to_string();
    bench.ok(&["import", &path]);
    for name in ["A", "B"] {
        let shown = bench.ok(&["account", "show", name]);
        assert!(has_line(&shown, &["currency", "CAD"]), "{shown}");
        assert!(has_line(&shown, &["rate deck", "demo version 1"]), "{shown}");
    }
    let path = bench.file("usd.csv", "kind,name,deck,currency\naccount,C,demo,USD\n");
    let said = bench.fails(&["import", &path.display().to_string()]);
    assert!(said.contains("deck \"demo\" is in CAD and account \"C\" in USD"), "{said}");
}

#[test]
fn the_same_fault_on_many_lines_is_told_once() {
    let bench = Bench::with_demo();
    let mut csv = "kind,name,account\n".to_owned();
    for room in 0..100 {
        writeln!(csv, "conference,Room {room},Nobody").unwrap();
    }
    let path = bench.file("rooms.csv", &csv).display().to_string();
    let said = bench.fails(&["import", &path]);
    assert_eq!(said.matches("there is no account").count(), 1, "{said}");
    assert!(said.contains("(also in line 3, 4, 5, 6, 7 and 94 more)"), "{said}");
    let twice = "kind,name\naccount,A\naccount,A\n";
    let path = bench.file("twice.csv", twice).display().to_string();
    let said = bench.fails(&["import", &path]);
    assert!(said.contains("twice.csv:3: account \"A\" stands in line 2 already"), "{said}");
}

#[test]
fn a_second_account_of_the_same_name_is_asked_about() {
    let bench = Bench::with_demo();
    let said = bench.fails(&["account", "add", "Demo"]);
    assert!(said.contains("account 1 is called \"Demo\" already"), "{said}");
    bench.ok(&["account", "add", "Two"]);
    assert!(bench.fails(&["account", "set", "Two", "--name", "Demo"]).contains("--same-name"));
    bench.ok(&["account", "set", "Two", "--name", "Two", "--record", "yes"]);
    bench.ok(&["account", "add", "Demo", "--same-name"]);
    assert!(bench.fails(&["account", "show", "Demo"]).contains("2 accounts are called"));
}

#[test]
fn a_conference_is_changed_and_removed() {
    let bench = Bench::with_demo();
    bench.ok(&["conference", "add", "Board", "--account", "1", "--moderator", "48151623"]);
    bench.ok(&["conference", "set", "Board", "--name", "Council", "--max-legs", "7"]);
    bench.ok(&["conference", "set", "2", "--ends-with-moderator", "yes", "--announce", "silent"]);
    let shown = bench.ok(&["conference", "show", "Council"]);
    for (name, value) in [
        ("name", "Council"),
        ("max legs", "7"),
        ("announce", "silent"),
        ("ends with moderator", "yes"),
        ("starts with", "moderator"),
    ] {
        assert!(has_line(&shown, &[name, value]), "{name}: {shown}");
    }
    assert!(
        bench.fails(&["conference", "set", "2", "--max-legs", "7"]).contains("nothing to change")
    );
    assert!(bench.fails(&["conference", "set", "2", "--name", " "]).contains("needs a name"));
    let said = bench.ok(&["conference", "remove", "Council"]);
    assert_eq!(said, "conference 2 \"Council\" removed, with 2 passcodes\n");
    assert!(!bench.ok(&["conference", "list"]).contains("Council"));
    for args in
        [["conference", "show", "2"], ["passcode", "show", "2"], ["conference", "enable", "2"]]
    {
        assert!(bench.fails(&args).contains("there is no conference \"2\""), "{args:?}");
    }
    // The digits are free, the number is not.
    let said = bench.ok(&["conference", "add", "New", "--account", "1", "--moderator", "48151623"]);
    assert!(said.contains("conference 3 \"New\" added"), "{said}");
}

#[test]
fn a_dial_in_number_is_changed() {
    let bench = Bench::with_demo();
    let list = |bench: &Bench| bench.ok(&["dial-in", "list"]);
    bench.ok(&["dial-in", "add", "14165550123", "--alias", "one", "--account", "1"]);
    bench.ok(&["dial-in", "set", "14165550123", "--access", "toll_free", "--alias", "two"]);
    assert!(has_line(&list(&bench), &["14165550123  two  ", "1  toll_free"]), "{}", list(&bench));
    bench.ok(&["dial-in", "set", "14165550123", "--account", "all", "--alias", ""]);
    assert!(has_line(&list(&bench), &["14165550123", "all  toll_free"]), "{}", list(&bench));
    assert!(!list(&bench).contains("two"));
    let said = bench.fails(&["dial-in", "set", "14165550123", "--alias", "demo"]);
    assert!(said.contains("the number cannot be changed"), "{said}");
    assert!(bench.fails(&["dial-in", "set", "14165550124"]).contains("no dial-in number"));
    assert!(bench.fails(&["dial-in", "set", "14165550123"]).contains("nothing to change"));
}

#[test]
fn an_account_is_closed_for_good_and_its_name_and_numbers_are_free() {
    let bench = Bench::with_demo();
    bench.ok(&["account", "add", "Acme", "--deck", "demo"]);
    bench.ok(&["conference", "add", "Room", "--account", "Acme", "--moderator", "48151623"]);
    bench.ok(&["dial-in", "add", "14165550123", "--account", "Acme"]);
    let said = bench.fails(&["account", "close", "Acme"]);
    let went = "1 conferences, 2 passcodes, 1 dial-in numbers of its own";
    assert!(said.contains(went) && said.contains("--yes"), "{said}");
    assert!(bench.ok(&["conference", "list"]).contains("Room"), "nothing was closed");
    assert!(bench.ok(&["account", "close", "Acme", "--yes"]).contains(went));
    assert!(has_line(&bench.ok(&["account", "list"]), &["2", "Acme", "closed"]));
    assert!(!bench.ok(&["conference", "list"]).contains("Room"));
    assert!(!bench.ok(&["dial-in", "list"]).contains("14165550123"));
    for args in [
        &["account", "resume", "Acme"][..],
        &["account", "suspend", "Acme"],
        &["account", "close", "Acme", "--yes"],
        &["conference", "add", "X", "--account", "Acme"],
        &["dial-in", "add", "14165550124", "--account", "Acme"],
    ] {
        assert!(bench.fails(args).contains("closed"), "{args:?}");
    }
    // Its last month can still be invoiced.
    let run = bench.run(&["invoice", "--account", "2", "--month", "2026-01", "--out", "x"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    bench.ok(&["account", "add", "Acme"]);
    assert!(has_line(&bench.ok(&["account", "show", "Acme"]), &["id", "3"]));
    bench.ok(&["conference", "add", "Room", "--account", "Acme", "--moderator", "48151623"]);
}

#[test]
fn moderators_and_participants_need_different_codes_and_are_told_so() {
    let bench = Bench::with_demo();
    let both = ["--moderator", "48151623", "--participant", "48151623"];
    let said = bench.fails(&[&["conference", "add", "Room", "--account", "1"][..], &both].concat());
    assert!(
        said.contains("participant passcode: the conference has these digits already"),
        "{said}"
    );
    assert!(said.contains("moderators and participants need different ones"), "{said}");
    assert!(!said.contains("48151623") && !said.contains("another conference"), "{said}");
    let said = bench.fails(&[&["passcode", "new", "1"][..], &both].concat());
    assert!(said.contains("need different ones"), "{said}");
    let rows = "kind,account,name,moderator,participant\nconference,1,R,48151623,48151623\n";
    let path = bench.file("same.csv", rows).display().to_string();
    assert!(bench.fails(&["import", &path]).contains("same.csv:2: participant passcode: the conf"));
}

#[test]
fn a_moderator_may_be_called_a_host() {
    let bench = Bench::with_demo();
    bench.ok(&["passcode", "new", "1", "--role", "host"]);
    let rows = "kind,conference,role,passcode\npasscode,1,host,48151623\n";
    let path = bench.file("host.csv", rows).display().to_string();
    bench.ok(&["import", &path]);
    assert!(has_line(&bench.ok(&["passcode", "show", "1"]), &["moderator", "48151623"]));
}

#[test]
fn the_commands_of_the_readme_work_on_a_configured_bridge() {
    let bench = Bench::empty();
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("## Administer it").unwrap();
    let (_, console) = section.split_once("```console\n").unwrap();
    let (console, _) = console.split_once("```").unwrap();
    let rows = "kind,account,name\nconference,Harbour & Pine LLP,Another\n";
    bench.file("conferences.csv", rows);
    let commands: Vec<_> = console.lines().map(|line| line.strip_prefix("$ ").unwrap()).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let script = format!(
            "partyline() {{ \"$PROGRAM\" --data data --config bridge.toml \"$@\"; }}; {command}"
        );
        let done = std::process::Command::new("sh")
            .args(["-c", &script])
            .env("PROGRAM", env!("CARGO_BIN_EXE_partyline"))
            .current_dir(bench.path(""))
            .output()
            .unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn a_deck_that_is_not_there_is_told_with_those_that_are() {
    let bench = Bench::empty();
    let said = bench.fails(&["account", "add", "Acme", "--deck", "demo"]);
    assert!(said.contains("partyline deck example > deck.csv"), "{said}");
    let example = bench.ok(&["deck", "example"]);
    let path = bench.file("deck.csv", &example).display().to_string();
    bench.ok(&["deck", "add", &path]);
    let said = bench.ok(&["deck", "add", &path]);
    assert!(said.contains("version 1 is this file already; nothing was added"), "{said}");
    bench.ok(&["account", "add", "Acme", "--deck", "demo"]);
    let said = bench.fails(&["deck", "use", "Acme", "dmeo"]);
    assert!(said.contains("no rate deck \"dmeo\"; there are: demo"), "{said}");
}

#[test]
fn an_import_that_would_break_the_directory_is_refused_as_a_whole() {
    let bench = Bench::with_demo();
    let rows = "kind,number,aliases\ndial_in,14165550123,one\ndial_in,14165550124,demo\n";
    let path = bench.file("alias.csv", rows).display().to_string();
    let said = bench.fails(&["import", &path]);
    assert!(said.contains("nothing was imported: "), "{said}");
    assert!(said.contains("means another number as well"), "{said}");
    assert!(!bench.ok(&["dial-in", "list"]).contains("14165550123"));
}

#[test]
fn every_kind_of_change_moves_the_version_that_a_running_bridge_watches() {
    let bench = Bench::with_demo();
    let mut version = bench.version();
    for args in [
        &["account", "add", "Two"][..],
        &["account", "set", "2", "--record", "yes"],
        &["account", "suspend", "2"],
        &["conference", "add", "Room", "--account", "2"],
        &["conference", "disable", "2"],
        &["passcode", "new", "2"],
        &["dial-in", "add", "14165550123"],
        &["dial-in", "remove", "14165550123"],
    ] {
        bench.ok(args);
        let now = bench.version();
        assert!(now > version, "{args:?}");
        version = now;
    }
    for args in [&["account", "list"][..], &["passcode", "show", "1"], &["cdr", "list"]] {
        bench.ok(args);
        assert_eq!(bench.version(), version, "{args:?}");
    }
}

#[test]
fn check_config_tells_every_fault_with_its_place() {
    let bench = Bench::with_demo();
    let path = bench.file("bad.toml", "[sip]\nlisten = [\"127.0.0.1\"]\nadvertise = \"x\"\n");
    let run = bench.run(&["check-config", &path.display().to_string()]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.out.contains("bad.toml:2:10: sip.listen: expected an IP address and a port"),
        "{run:?}"
    );
    assert!(
        run.out.contains("bad.toml:3:1: unknown key sip.advertise; did you mean advertised?"),
        "{run:?}"
    );
    let said = bench.fails(&["check-config", "none.toml"]);
    assert!(said.contains("none.toml: cannot be read"), "{said}");

    // The example that the help names can be had from the program alone, and used.
    assert!(bench.ok(&["--help"]).contains("check-config --example"));
    let example = bench.file("example.toml", &bench.ok(&["check-config", "--example"]));
    let shown = bench.ok(&["check-config", &example.display().to_string()]);
    assert!(has_line(&shown, &["ports = \"20000-29999\""]), "{shown}");
    let again = bench.file("again.toml", &shown).display().to_string();
    let same = bench.ok(&["check-config", &again]);
    assert_eq!(same.lines().skip(1).collect::<Vec<_>>(), shown.lines().skip(1).collect::<Vec<_>>());
}

#[test]
fn a_wrong_configuration_stops_every_command_with_its_place() {
    let bench = Bench::unprepared("[http]\nlisten = \"0.0.0.0:80\"\n");
    for command in [&["account", "list"][..], &["init"], &["serve"]] {
        let said = bench.fails(command);
        assert!(said.contains("bridge.toml:2:10: http.listen: 0.0.0.0 can be reached"), "{said}");
        assert!(!bench.data().exists());
    }
}

#[test]
fn check_config_names_every_password_that_cannot_be_read() {
    let bench = Bench::bare();
    let trunk = "[sip]\nlisten = [\"192.0.2.9:5060\"]\n[media]\naddress = \"192.0.2.9\"\n\
                 [[trunk]]\nname = \"out\"\ndestination = \"198.51.100.1:5060\"\n\
                 sources = [\"198.51.100.1/32\"]\nuser = \"bob\"\npassword_file = \"none/out\"\n\
                 [[trunk]]\nname = \"in\"\nsources = [\"192.0.2.0/24\"]\n\
                 [[user]]\nname = \"anna\"\ntrunk = \"in\"\nnumber = \"14165550130\"\n\
                 password_file = \"none/anna\"\n";
    let path = bench.file("users.toml", trunk).display().to_string();
    let run = bench.run(&["check-config", &path]);
    assert_eq!(run.code, Some(1), "the bridge would not start");
    let said = run.out;
    assert!(has_line(&said, &["users.toml: trunk out: password_file none/out"]), "{said}");
    assert!(has_line(&said, &["users.toml: user anna: password_file none/anna"]), "{said}");
}

#[test]
fn check_config_tells_what_is_rarely_meant_and_its_output_can_be_used() {
    let bench = Bench::bare();
    let text = "[[trunk]]\nname = \"all\"\nsources = [\"0.0.0.0/0\"]\n";
    let path = bench.file("wide.toml", text).display().to_string();
    let shown = bench.ok(&["check-config", &path]);
    assert!(has_line(&shown, &["# warning: ", "wide.toml:3:11: trunk[0].sources"]), "{shown}");
    let again = bench.file("again.toml", &shown).display().to_string();
    assert!(has_line(&bench.ok(&["check-config", &again]), &["# warning: ", "0.0.0.0/0"]));
}

#[test]
fn a_taken_port_stops_the_start_before_anything_is_made_or_announced() {
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (sip, http) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    for (config, expected) in [
        (format!("[sip]\nlisten = [\"{sip}\"]\n"), format!("cannot listen for SIP on {sip}")),
        (
            format!("[sip]\nlisten = [\"127.0.0.1:0\"]\n[http]\nlisten = \"{http}\"\n"),
            format!("cannot listen for HTTP on {http}"),
        ),
        (
            "[sip]\nlisten = [\"127.0.0.1:0\"]\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [media]\nbind = \"192.0.2.7\"\n"
                .to_owned(),
            "cannot bind media ports on 192.0.2.7".to_owned(),
        ),
    ] {
        let bench = Bench::unprepared(&config);
        let run = bench.run(&["serve"]);
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{run:?}");
        assert!(run.err.contains(&expected), "{expected}: {run:?}");
        assert!(!run.err.contains("taking calls"), "{run:?}");
        assert!(!bench.data().exists());
    }
}

#[test]
fn help_shows_examples_that_the_command_line_takes() {
    let bench = Bench::empty();
    for args in [
        &["--help"][..],
        &["conference", "add", "--help"],
        &["deck", "add", "--help"],
        &["import", "--help"],
    ] {
        let help = bench.ok(args);
        assert!(help.contains("Example"), "{args:?}: {help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{args:?}: {help}");
    }
}

#[test]
fn a_dial_out_prefix_says_what_it_leaves_closed() {
    let bench = Bench::empty();
    let said = bench.ok(&["account", "add", "Acme", "--dial-out", "1"]);
    assert!(said.contains("Jamaica 1658 1876") && said.contains("Puerto Rico 1787 1939"), "{said}");
    let said = bench.ok(&["account", "set", "Acme", "--dial-out", "1,1658,1876"]);
    assert!(!said.contains("Jamaica") && said.contains("Barbados 1246"), "{said}");
    assert!(bench.ok(&["account", "show", "Acme"]).contains("Barbados 1246"));
    let said = bench.ok(&["account", "set", "Acme", "--record", "yes"]);
    assert!(!said.contains("Barbados"), "only when the prefixes change: {said}");
    let said = bench.ok(&["account", "set", "Acme", "--dial-out", "1416"]);
    assert!(!said.contains("prices of their own"), "{said}");
    let file = bench.file("more.csv", "kind,name,dial_out\naccount,A,44\naccount,B,44\n");
    let said = bench.ok(&["import", &file.display().to_string()]);
    assert_eq!(said.matches("Guernsey 441481").count(), 1, "{said}");
}

#[test]
fn a_dial_out_prefix_says_what_it_opens() {
    let bench = Bench::empty();
    let said = bench.ok(&["account", "add", "Acme", "--dial-out", "36,1416"]);
    assert!(said.contains("*1 opens 36 (Hungary), 1416 (in North America"), "{said}");
    for wide in ["8", "35"] {
        let said = bench.fails(&["account", "set", "Acme", "--dial-out", wide]);
        assert!(said.contains("is not a country code; it would open"), "{said}");
        let file = bench.file("wide.csv", &format!("kind,name,dial_out\naccount,B,{wide}\n"));
        let said = bench.fails(&["import", &file.display().to_string()]);
        assert!(said.contains("is not a country code; it would open"), "{said}");
    }
    let said = bench.ok(&["account", "set", "Acme", "--dial-out", "8", "--yes"]);
    assert!(said.contains("Japan 81"), "{said}");
    for typed in ["0", "011"] {
        let said = bench.misused(&["account", "set", "Acme", "--dial-out", typed]);
        assert!(said.contains("never with 0, 00 or 011"), "{said}");
    }
}
