//! The life of an account: what a running bridge heeds, and what the audit log says of it.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use common::{Bench, has_line, own_address, pause};
use serde_json::Value;

/// The status of the first final response to a call.
fn call(ip: IpAddr, call_id: &str, user: &str) -> String {
    let invite = format!(
        "INVITE sip:{user}@{ip} SIP/2.0\r\nVia: SIP/2.0/UDP {ip};rport;branch=z9hG4bK{call_id}\r\n\
         From: <sip:+14165550188@{ip}>;tag=1\r\nTo: <sip:{user}@{ip}>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:{ip}>\r\nContent-Length: 0\r\n\r\n"
    );
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(invite.as_bytes(), SocketAddr::new(ip, 5060)).unwrap();
    loop {
        let mut octets = [0; 4096];
        let length = socket.recv(&mut octets).unwrap();
        let answer = String::from_utf8_lossy(&octets[..length]).into_owned();
        if !answer.starts_with("SIP/2.0 1") {
            return answer.split(' ').nth(1).unwrap().to_owned();
        }
    }
}

#[test]
fn a_running_bridge_heeds_a_suspended_account_within_five_seconds() {
    let ip = IpAddr::from(own_address(5));
    let bench = Bench::with_demo();
    bench.ok(&["dial-in", "add", "14165550123", "--account", "Demo"]);
    let _bridge = bench.serve(&format!(
        "[sip]\nlisten = [\"{ip}:5060\"]\n[media]\naddress = \"{ip}\"\n\
         [http]\nlisten = \"{ip}:9060\"\n[[trunk]]\nname = \"line\"\nsources = [\"{ip}/32\"]\n"
    ));
    let becomes = |status: &str, what: &str| {
        // Five seconds at most, less what the command itself took.
        let heard = (0..45).find(|n| {
            pause(Duration::from_millis(100));
            call(ip, &format!("{what}-{n}"), "14165550123") == status
        });
        assert!(heard.is_some(), "{what}: {}", bench.log());
    };
    assert_eq!(call(ip, "before", "14165550123"), "200");
    bench.ok(&["account", "suspend", "Demo"]);
    becomes("403", "suspended");
    // The number of all accounts is open: what it says of the passcode is the core's to test.
    assert_eq!(call(ip, "other", "18005550199"), "200");
    bench.ok(&["account", "resume", "Demo"]);
    becomes("200", "resumed");
}

#[test]
fn the_audit_log_says_who_changed_what_and_holds_through_a_backup() {
    let bench = Bench::with_demo();
    bench.ok(&["conference", "add", "Board", "--account", "Demo", "--moderator", "48151623"]);
    bench.ok(&["conference", "set", "Board", "--max-legs", "7"]);
    bench.ok(&["account", "set", "Demo", "--dial-out", "1416,1647", "--record", "no"]);
    bench.ok(&["passcode", "new", "Board", "--moderator", "60418297"]);
    bench.ok(&["passcode", "show", "Board"]);
    bench.ok(&["account", "suspend", "Demo"]);
    bench.ok(&["dial-in", "remove", "18005550199"]);
    bench.ok(&["conference", "remove", "Board"]);
    let list = bench.ok(&["audit", "list"]);
    for words in [
        &["first start (bridge)", "account 1 \"Demo\" added"][..],
        &["max_legs: 100 → 7"],
        &["dial_out: 1416555 → 1416 1647"],
        &["record: yes → no"],
        &["(cli)", "conference 2 \"Board\" passcodes shown"],
        &["moderator passcode: set → changed"],
        &["status: active → suspended"],
        &["dial-in number 18005550199 removed"],
        &["conference 2 \"Board\" removed"],
    ] {
        assert!(has_line(&list, words), "{words:?}: {list}");
    }
    let json = bench.ok(&["audit", "list", "--json", "--account", "1"]);
    for secret in ["48151623", "60418297"] {
        assert!(!list.contains(secret) && !json.contains(secret), "{list}");
    }
    let entries: Vec<Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let set = entries.iter().find(|entry| entry["changes"][0]["field"] == "max_legs").unwrap();
    assert_eq!(
        (&set["changes"][0]["before"], &set["changes"][0]["after"]),
        (&"100".into(), &"7".into())
    );
    assert_eq!(
        (&set["via"], &set["kind"], &set["id"]),
        (&"cli".into(), &"conference".into(), &"2".into())
    );

    let said = bench.ok(&["audit", "verify"]);
    let noted = said.trim().rsplit(' ').next().unwrap().to_owned();
    let copy = bench.path("copy").display().to_string();
    bench.ok(&["backup", &copy, "--with-keys"]);
    let other = Bench::bare();
    other.ok(&["restore", &copy]);
    assert_eq!(other.ok(&["audit", "verify"]), said);
    other.ok(&["account", "resume", "Demo"]);
    let said = other.ok(&["audit", "verify", "--noted", &noted]);
    assert!(said.contains("has the hash that was noted"), "{said}");
    let said = bench.fails(&["audit", "verify", "--noted", &"0".repeat(64)]);
    assert!(said.contains("no entry has the hash"), "{said}");
    let said = bench.misused(&["audit", "verify", "--noted", "12"]);
    assert!(said.contains("64 hexadecimal digits"), "{said}");
}

#[test]
fn a_dry_run_of_an_import_says_each_field_before_and_after_and_changes_nothing() {
    let bench = Bench::empty();
    let example = include_str!("../config/import.example.csv");
    let path = bench.file("import.csv", example).display().to_string();
    let state = |bench: &Bench| (bench.version(), bench.ok(&["audit", "list"]));
    let before = state(&bench);
    let said = bench.ok(&["import", &path, "--dry-run"]);
    assert!(has_line(&said, &["account 1 \"Harbour & Pine LLP\" added"]), "{said}");
    assert!(has_line(&said, &["    moderator passcode: none → set"]), "{said}");
    assert!(
        said.ends_with(
            "6 would be added, 0 changed; 0 are there already, as the file has \
        them. Nothing was imported\n"
        ),
        "{said}"
    );
    assert!(!said.contains("60418297"), "{said}");
    assert_eq!(state(&bench), before);

    bench.ok(&["import", &path]);
    let before = state(&bench);
    let changed = example
        .replace("Accounts payable|", "Receivables|")
        .replace("60418297", "83610475")
        .replace(",500,silent", ",400,silent");
    let path = bench.file("import.csv", &changed).display().to_string();
    let said = bench.ok(&["import", &path, "--dry-run"]);
    for line in [
        "account 1 \"Harbour & Pine LLP\" changed",
        "    address: Accounts payable, 1 Water Street, Halifax NS  B3J 3Z3 → Receivables, 1 Water \
            Street, Halifax NS  B3J 3Z3",
        "conference 1 \"Partners\" changed",
        "    moderator passcode: set → changed",
        "    max_legs: 500 → 400",
        "0 would be added, 3 changed; ",
    ] {
        assert!(has_line(&said, &[line]), "{line}: {said}");
    }
    assert!(!said.contains("83610475"), "{said}");
    assert_eq!(state(&bench), before);

    // What a bad row says is the same, and a good one beside it is not taken.
    let rows = "kind,name,account\naccount,New,\nconference,A,Nobody\n";
    let path = bench.file("bad.csv", rows).display().to_string();
    let said = bench.fails(&["import", &path, "--dry-run"]);
    assert!(said.contains("bad.csv:3: there is no account \"Nobody\""), "{said}");
    assert_eq!(state(&bench), before);
}

#[test]
fn a_log_that_was_changed_says_where() {
    let bench = Bench::with_demo();
    bench.ok(&["account", "suspend", "Demo"]);
    let database = bench.data().join("partyline.db").display().to_string();
    let tampered = std::process::Command::new("sqlite3")
        .args([
            &database,
            "DROP TRIGGER audit_is_kept; UPDATE audit SET actor = 'nobody' WHERE seq = 2",
        ])
        .status();
    // Where the program is; cdr/store/tests/audit.rs tries each way to change the log.
    if !tampered.is_ok_and(|status| status.success()) {
        return;
    }
    let said = bench.fails(&["audit", "verify"]);
    assert!(said.contains("entry 2 is not what was written"), "{said}");
}
