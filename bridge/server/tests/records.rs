//! Call records and invoices by the built program, from a journal as a bridge writes it.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::time::Duration;

use common::{Bench, has_line};
use partyline_cdr_record::{
    AccessKind, Actor, CloseReason, ConferenceRecord, ConferenceState, Direction, FeatureCode,
    FeatureDetail, FeatureRecord, LegRecord, LegState, Origin, Outcome, Pattern, Presentation,
    Record, ReleaseBy,
};
use partyline_cdr_store::journal::{FileDisk, Journal, JournalConfig};
use partyline_model::{AccountId, ConferenceId, Role, Time, Uuid, WallTime};

const ORIGIN: Origin = Origin { node_id: 1, boot_id: Uuid(1) };
/// 2026-10-12T15:00:00Z: 11:00 in Toronto.
const START: WallTime = WallTime::from_micros(1_791_817_200_000_000);
const SESSION: Uuid = Uuid(0x5e55);

fn leg(n: u32, ms: u64) -> LegRecord {
    let invited = START + Duration::from_secs(n.into());
    let mut leg = LegRecord::open(ORIGIN, Uuid(n.into()), n.into(), Direction::In, invited);
    leg.state = LegState::Closed;
    leg.rev = 2;
    leg.account_id = Some(AccountId(1));
    leg.conference_id = Some(ConferenceId(1));
    leg.conf_id = Some(SESSION);
    leg.access_kind = AccessKind::TollFree;
    leg.dnis = "18005550199".parse().ok();
    leg.ani = format!("1416555{n:04}").parse().ok();
    leg.ani_presentation = Presentation::Allowed;
    leg.access_code_role = Some(if n == 1 { Role::Moderator } else { Role::Participant });
    leg.answered_at = Some(invited);
    leg.duration_ms = ms;
    leg.disconnected_at = Some(invited + Duration::from_millis(ms));
    leg.close_reason = Some(CloseReason::Normal);
    leg
}

fn called(n: u32, ms: u64, number: &str) -> LegRecord {
    let mut leg = leg(n, ms);
    leg.direction = Direction::Out;
    leg.access_kind = AccessKind::Dialout;
    leg.dnis = None;
    leg.ani = None;
    leg.dialed_number = number.parse().ok();
    leg.dialout_by_leg = Some(Uuid(1));
    leg
}

/// A conference of two callers and one who was called, with a reference number and a mute.
fn conference() -> Vec<Record> {
    let mut session = ConferenceRecord::open(ORIGIN, SESSION, AccountId(1), ConferenceId(1), START);
    session.state = ConferenceState::Closed;
    session.rev = 1;
    session.name = "Demo conference".into();
    session.reference_number = "4471".parse().ok();
    session.ended_at = Some(START + Duration::from_secs(700));
    let mute = FeatureRecord {
        leg_id: Uuid(2),
        feature_seq: 1,
        conf_id: Some(SESSION),
        conf_seq: 1,
        at: START + Duration::from_secs(60),
        mono_offset_ms: 58_000,
        code: FeatureCode::MuteSelf,
        pattern: Pattern::new("*6"),
        outcome: Outcome::Ok,
        denied: None,
        target_leg: None,
        detail: FeatureDetail::None,
        billable: false,
        actor: Actor::Leg,
        actor_id: None,
        role: None,
    };
    let mut withheld = leg(2, 61_000);
    withheld.ani_presentation = Presentation::Restricted;
    let legs = [leg(1, 600_000), withheld, called(3, 125_000, "442079460000")];
    let legs = legs.into_iter().map(|leg| Record::Leg(Box::new(leg)));
    let rest = [Record::Conference(Box::new(session)), Record::Feature(Box::new(mute))];
    legs.chain(rest).collect()
}

/// A demo bridge whose journal holds `records`, taken into the database.
fn bench(records: &[Record]) -> Bench {
    let bench = Bench::with_demo();
    append(&bench, records);
    bench
}

fn append(bench: &Bench, records: &[Record]) {
    let disk = FileDisk::open(&bench.data().join("journal")).unwrap();
    let config = JournalConfig::new(ORIGIN);
    let (mut journal, _) = Journal::open(Box::new(disk), config, Time::ZERO, START).unwrap();
    journal.append(records.iter(), Time::ZERO, START).unwrap();
    drop(journal);
    let said = bench.ok(&["cdr", "rebuild"]);
    assert!(said.contains("0 conflicting, 0 unreadable"), "{said}");
}

#[test]
fn records_are_listed_in_local_time_with_masked_numbers() {
    let bench = bench(&conference());
    let list = bench.ok(&["cdr", "list"]);
    assert_eq!(list.lines().count(), 4, "{list}");
    let caller = &["2026-10-12 11:00:01 EDT", "in", "1416•••••01", "18005550199", "moderator"];
    assert!(has_line(&list, caller), "{list}");
    assert!(has_line(&list, &["0:10:00", "Demo conference", "4471", "normal"]), "{list}");
    assert!(has_line(&list, &["withheld", "participant", "0:01:01"]), "{list}");
    assert!(has_line(&list, &["out", "bridge", "4420••••••00", "0:02:05"]), "{list}");
    let full = bench.ok(&["cdr", "list", "--full", "--ids"]);
    assert!(has_line(&full, &["14165550001", "00000000-0000-0000-0000-000000000001"]), "{full}");
    assert!(has_line(&full, &["withheld"]), "{full}");
}

#[test]
fn records_are_found_by_account_time_conference_and_number() {
    let bench = bench(&conference());
    let count = |args: &[&str]| {
        let mut all = vec!["cdr", "list", "--json"];
        all.extend(args);
        bench.ok(&all).lines().count()
    };
    assert_eq!(count(&[]), 3);
    assert_eq!(count(&["--account", "Demo", "--conference", "1"]), 3);
    assert_eq!(count(&["--number", "14165550001"]), 1);
    assert_eq!(count(&["--number", "442079460000"]), 1);
    // Local time of the account, when one is given.
    assert_eq!(count(&["--account", "1", "--since", "2026-10-12 11:00:02"]), 2);
    assert_eq!(count(&["--since", "2026-10-12T15:00:02Z", "--until", "2026-10-12T15:00:03Z"]), 1);
    assert_eq!(count(&["--limit", "2"]), 2);
    let said = bench.fails(&["cdr", "list", "--since", "yesterday"]);
    assert!(said.contains("--since: \"yesterday\" is no time"), "{said}");
    assert!(bench.fails(&["cdr", "list", "--account", "7"]).contains("no account \"7\""));
}

#[test]
fn json_lines_are_whole_and_masked() {
    let bench = bench(&conference());
    let lines = bench.ok(&["cdr", "list", "--json", "--number", "14165550001"]);
    let value: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(value["ani"], "1416•••••01");
    assert_eq!(value["duration_ms"], 600_000);
    assert_eq!(value["reference_number"], "4471");
    assert_eq!(value["answered_at"], "2026-10-12T15:00:01.000000Z");
    assert_eq!(value["role"], "moderator");
}

#[test]
fn a_callee_who_hangs_up_is_not_called_the_caller() {
    let by = |leg: LegRecord, by| LegRecord { release_by: Some(by), ..leg };
    let uk = "442079460000";
    let legs = [
        by(called(1, 5_000, uk), ReleaseBy::Caller),
        by(called(2, 5_000, uk), ReleaseBy::Moderator),
        by(leg(3, 5_000), ReleaseBy::Caller),
    ];
    let bench = bench(&legs.map(|leg| Record::Leg(Box::new(leg))));
    for (n, word) in [(1, "callee"), (2, "moderator"), (3, "caller")] {
        let id = format!("00000000-0000-0000-0000-00000000000{n}");
        assert!(has_line(&bench.ok(&["cdr", "show", &id]), &["ended by", word]), "{n}");
        let json = bench.ok(&["cdr", "show", &id, "--json"]);
        assert!(json.contains(&format!("\"release_by\":\"{word}\"")), "{json}");
    }
}

#[test]
fn a_leg_shows_the_trunk_that_it_came_or_went_by() {
    let legs = [
        LegRecord { trunk_in: Some(4), ..leg(1, 5_000) },
        LegRecord { trunk_out: Some(9), ..called(2, 5_000, "442079460000") },
        LegRecord { trunk_in: Some(1), ..leg(3, 5_000) },
    ];
    let bench = bench(&legs.map(|leg| Record::Leg(Box::new(leg))));
    for (n, line, field) in [
        (1, ["trunk in", "4"], "\"trunk_in\":4,\"trunk_out\":null"),
        (2, ["trunk out", "9"], "\"trunk_in\":null,\"trunk_out\":9"),
        // The one that the configuration still has, by its name too.
        (3, ["trunk in", "1 loopback"], "\"trunk_in\":1,\"trunk_out\":null"),
    ] {
        let id = format!("00000000-0000-0000-0000-00000000000{n}");
        assert!(has_line(&bench.ok(&["cdr", "show", &id]), &line), "{n}");
        let json = bench.ok(&["cdr", "show", &id, "--json"]);
        assert!(json.contains(field), "{json}");
    }
}

#[test]
fn one_leg_is_shown_with_its_events() {
    let bench = bench(&conference());
    let shown = bench.ok(&["cdr", "show", "00000000-0000-0000-0000-000000000002"]);
    assert!(has_line(&shown, &["answered", "2026-10-12 11:00:02 EDT"]), "{shown}");
    assert!(has_line(&shown, &["revision 2", "closed"]), "{shown}");
    assert!(has_line(&shown, &["11:01:00 EDT", "withheld", "mute_self", "*6", "ok"]), "{shown}");
    let events = bench.ok(&["cdr", "features", "--conference", "Demo conference"]);
    assert!(has_line(&events, &["mute_self", "*6"]), "{events}");
    assert_eq!(bench.ok(&["cdr", "features", "--json"]).lines().count(), 1);
    let said = bench.fails(&["cdr", "show", "00000000-0000-0000-0000-000000000009"]);
    assert!(said.contains("partyline cdr list --ids"), "{said}");
    assert!(bench.misused(&["cdr", "show", "2"]).contains("32 hexadecimal digits"));
}

#[test]
fn the_database_is_not_rebuilt_under_a_running_bridge() {
    let bench = bench(&conference());
    let _running = FileDisk::open(&bench.data().join("journal")).unwrap();
    let said = bench.fails(&["cdr", "rebuild"]);
    assert!(said.contains("stop the bridge first"), "{said}");
    assert_eq!(bench.ok(&["cdr", "list", "--json"]).lines().count(), 3, "nothing was deleted");
}

const OCTOBER: [&str; 7] =
    ["invoice", "--account", "Demo", "--month", "2026-10", "--out", "invoices"];

fn invoice(bench: &Bench, more: &[&str]) -> common::Run {
    let mut args = OCTOBER.to_vec();
    args.extend(more);
    bench.run(&args)
}

fn names(bench: &Bench) -> Vec<String> {
    let entries = std::fs::read_dir(bench.path("invoices")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_month_becomes_an_invoice_in_three_formats() {
    let bench = bench(&conference());
    let run = invoice(&bench, &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    // Ten and two started minutes at 0.0590; three at 0.0390; 126 s at 0.0210 and 0.05 for the call.
    assert!(has_line(&run.out, &["Toll-free dial-in", "2", "0:12:00", "0.71"]), "{run:?}");
    assert!(has_line(&run.out, &["Dialled-out line", "1", "0:03:00", "0.12"]), "{run:?}");
    assert!(has_line(&run.out, &["United Kingdom", "1", "0:02:06", "0.09"]), "{run:?}");
    assert!(has_line(&run.out, &["total CAD", "0.92"]), "{run:?}");
    let number = run.out.split_once("invoice ").unwrap().1.split_once(',').unwrap().0.to_owned();
    assert!(number.starts_with("PL-20") && number.ends_with("-000001"), "{number}");
    let expected = ["csv", "json", "pdf"].map(|extension| format!("{number}.{extension}"));
    assert_eq!(names(&bench), expected);
    let read = |at: usize| std::fs::read(bench.path("invoices").join(&expected[at])).unwrap();
    assert!(read(2).starts_with(b"%PDF-"));
    assert_eq!(String::from_utf8(read(0)).unwrap().lines().count(), 5);
    let json: serde_json::Value = serde_json::from_slice(&read(1)).unwrap();
    assert_eq!((&json["total"], &json["number"]), (&"0.92".into(), &number.as_str().into()));
    assert_eq!(json["references"][0]["reference_number"], "4471");
}

#[test]
fn an_issued_invoice_is_written_again_and_never_numbered_again() {
    let bench = bench(&conference());
    assert_eq!(invoice(&bench, &[]).code, Some(0));
    let before = names(&bench);
    let bytes = |name: &String| std::fs::read(bench.path("invoices").join(name)).unwrap();
    let first: Vec<_> = before.iter().map(bytes).collect();
    std::fs::remove_dir_all(bench.path("invoices")).unwrap();
    let run = invoice(&bench, &[]);
    assert!(run.out.contains("was issued before; its files are written again"), "{run:?}");
    assert_eq!(names(&bench), before);
    assert_eq!(before.iter().map(bytes).collect::<Vec<_>>(), first);

    // A call that was recovered later comes on the next number.
    append(&bench, &[Record::Leg(Box::new(leg(4, 30_000)))]);
    let run = invoice(&bench, &[]);
    assert!(has_line(&run.out, &["invoice PL-", "-000002, Demo"]), "{run:?}");
    assert!(has_line(&run.out, &["total CAD", "0.06"]), "{run:?}");

    // Nothing of what it was made from is as it was; the files are.
    bench.ok(&["account", "set", "Demo", "--name", "Demo Inc.", "--address", "Elsewhere"]);
    let tenfold = include_str!("../config/demo-deck.csv").replace(",CAD,0.", ",CAD,1.");
    let path = bench.file("deck.csv", &tenfold).display().to_string();
    bench.ok(&["deck", "add", &path, "--yes", "--since", "2020-01-01"]);
    bench.file("seller.toml", "[seller]\nname = \"Another\"\nseries = \"XX\"\n");
    append(&bench, &[Record::Leg(Box::new(called(5, 60_000, "818012345678")))]);
    let mut args = OCTOBER;
    args[2] = "Demo Inc.";
    std::fs::remove_dir_all(bench.path("invoices")).unwrap();
    let run = bench.run(&args);
    assert_eq!(run.code, Some(2), "a call without a rate is still named: {run:?}");
    assert_eq!(before.iter().map(bytes).collect::<Vec<_>>(), first);
    assert_eq!(names(&bench).len(), 6, "both invoices");
    std::fs::remove_dir_all(bench.path("invoices")).unwrap();
    let number = before[0].trim_end_matches(".csv");
    let args = ["invoice", "--again", number, "--out", "invoices", "--config", "seller.toml"];
    let run = bench.run(&args);
    assert!(run.out.contains(number), "{run:?}");
    assert_eq!(names(&bench), before);
    assert_eq!(before.iter().map(bytes).collect::<Vec<_>>(), first);
}

#[test]
fn an_invoice_that_found_no_room_for_its_files_is_written_again() {
    let bench = bench(&conference());
    // The place of the first part file is taken, as by a disk that is full.
    let year = jiff::Zoned::now().year();
    let number = format!("PL-{year}-000001");
    let in_the_way = bench.path("invoices").join(format!("{number}.pdf.part"));
    std::fs::create_dir_all(&in_the_way).unwrap();
    let run = invoice(&bench, &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains(&format!("partyline invoice --again {number} --out DIR")), "{run:?}");
    std::fs::remove_dir(&in_the_way).unwrap();
    bench.ok(&["invoice", "--again", &number, "--out", "invoices"]);
    assert_eq!(names(&bench).len(), 3);
    let csv = std::fs::read_to_string(bench.path("invoices").join(format!("{number}.csv")));
    assert_eq!(csv.unwrap().lines().count(), 5);
    let said = bench.fails(&["invoice", "--again", "PL-2020-000001", "--out", "invoices"]);
    assert!(said.contains("no invoice \"PL-2020-000001\" was issued"), "{said}");
    let said = bench.misused(&["invoice", "--out", "invoices"]);
    assert!(said.contains("--account") && said.contains("--month"), "{said}");
}

/// The demo's deck with other toll-free and dialled prices.
fn deck_at(bench: &Bench, name: &str, toll_free: &str) -> String {
    let deck = include_str!("../config/demo-deck.csv").replace("0.0590", toll_free);
    let deck = deck.replace("demo,", &format!("{name},"));
    bench.file("deck.csv", &deck).display().to_string()
}

#[test]
fn the_plan_at_the_answer_prices_a_call() {
    let mut records = conference();
    let other = Record::Leg(Box::new(LegRecord { rate_context: 2, ..leg(4, 60_000) }));
    records.push(other);
    let bench = bench(&records);
    bench.ok(&["deck", "add", &deck_at(&bench, "dear", "0.5000")]);
    bench.ok(&["deck", "add", &deck_at(&bench, "demo", "0.4000")]);
    // Calls of October: the demo's first version was the one in force, plan 2 where they say so.
    let run = invoice(&bench, &["--draft"]);
    assert!(has_line(&run.out, &["Toll-free dial-in", "2", "0:12:00", "0.71"]), "{run:?}");
    assert!(has_line(&run.out, &["Toll-free dial-in", "1", "0:01:00", "0.50"]), "{run:?}");
    // Another plan from today on does not price the past.
    let named: Vec<_> = records
        .iter()
        .map(|record| match record {
            Record::Leg(leg) if leg.rate_context == 0 => {
                Record::Leg(Box::new(LegRecord { rate_context: 1, rev: 3, ..(**leg).clone() }))
            }
            Record::Leg(_)
            | Record::Conference(_)
            | Record::Feature(_)
            | Record::Dialog(_)
            | Record::Tick(_) => record.clone(),
        })
        .collect();
    append(&bench, &named);
    bench.ok(&["deck", "use", "Demo", "dear"]);
    let run = invoice(&bench, &["--draft"]);
    assert!(has_line(&run.out, &["Toll-free dial-in", "2", "0:12:00", "0.71"]), "{run:?}");
    // A correction does, from the moment that it names.
    let path = deck_at(&bench, "demo", "0.1000");
    let said = bench.ok(&["deck", "add", &path, "--since", "2026-10-12T15:00:02Z"]);
    assert!(said.contains("answered from 2026-10-12 15:00:02 UTC on"), "{said}");
    let run = invoice(&bench, &["--draft"]);
    assert!(has_line(&run.out, &["Toll-free dial-in", "1", "0:10:00", "0.59"]), "{run:?}");
    assert!(has_line(&run.out, &["Toll-free dial-in", "1", "0:02:00", "0.20"]), "{run:?}");
}

#[test]
fn an_account_that_had_plans_in_two_currencies_gets_an_invoice_in_each() {
    let mut records = conference();
    records.push(Record::Leg(Box::new(LegRecord { rate_context: 2, ..leg(4, 60_000) })));
    let bench = bench(&records);
    let dollars = include_str!("../config/demo-deck.csv").replace(",CAD,", ",USD,");
    let path = bench.file("deck.csv", &dollars.replace("demo,", "dollars,")).display().to_string();
    bench.ok(&["deck", "add", &path]);
    let run = invoice(&bench, &["--draft"]);
    assert!(has_line(&run.out, &["total CAD", "0.92"]), "{run:?}");
    assert!(has_line(&run.out, &["total USD", "0.06"]), "{run:?}");
    assert!(names(&bench).contains(&"draft-1-2026-10-USD.csv".to_owned()), "{:?}", names(&bench));
    let run = invoice(&bench, &[]);
    for (number, amount) in [("-000001, Demo", "total CAD"), ("-000002, Demo", "total USD")] {
        assert!(run.out.contains(number) && run.out.contains(amount), "{run:?}");
    }
    let run = invoice(&bench, &[]);
    assert_eq!(
        run.out.matches("was issued before").count(),
        2,
        "nothing is invoiced twice: {run:?}"
    );
}

#[test]
fn a_tenfold_price_is_asked_about() {
    let bench = Bench::with_demo();
    let path = deck_at(&bench, "demo", "0.5900");
    let said = bench.fails(&["deck", "add", &path]);
    assert!(said.contains("per_min of \"Toll-free dial-in\": 0.059 becomes 0.59"), "{said}");
    assert!(said.contains("nothing was stored") && said.contains("--yes"), "{said}");
    assert!(bench.ok(&["deck", "add", &path, "--yes"]).contains("version 2 added"));
    bench.ok(&["deck", "add", &deck_at(&bench, "other", "0.0059")]);
    for args in [&["deck", "use", "1", "other"][..], &["account", "set", "1", "--deck", "other"]] {
        let said = bench.fails(args);
        assert!(said.contains("0.59 becomes 0.0059"), "{args:?}: {said}");
        bench.ok(&[args, &["--yes"]].concat());
        bench.ok(&["deck", "use", "1", "demo", "--yes"]);
    }
}

#[test]
fn a_tenfold_price_of_the_past_is_asked_about_though_today_has_it() {
    let bench = Bench::with_demo();
    bench.ok(&["deck", "add", &deck_at(&bench, "demo", "0.5900"), "--yes"]);
    let said =
        bench.fails(&["deck", "add", &deck_at(&bench, "demo", "0.5901"), "--since", "2026-01-01"]);
    assert!(said.contains("0.059 becomes 0.5901"), "{said}");
}

#[test]
fn a_price_that_is_planned_is_not_replaced_unasked() {
    let bench = Bench::with_demo();
    bench.ok(&["deck", "add", &deck_at(&bench, "demo", "0.0800"), "--since", "2100-01-01"]);
    let path = deck_at(&bench, "demo", "0.0500");
    let said = bench.fails(&["deck", "add", &path]);
    assert!(said.contains("version 2 of deck \"demo\" is for the calls from 2100"), "{said}");
    assert!(said.contains("nothing was stored"), "{said}");
    assert!(bench.ok(&["deck", "add", &path, "--yes"]).contains("version 3 added"));
    // Behind what is planned there is nothing to ask.
    let path = deck_at(&bench, "demo", "0.0600");
    bench.ok(&["deck", "add", &path, "--since", "2100-01-01"]);
    // The file that is planned, for calls of today, is another version.
    let said = bench.ok(&["deck", "add", &path, "--yes"]);
    assert!(said.contains("version 5 added"), "{said}");
}

#[test]
fn rates_that_would_never_be_charged_are_refused_with_their_lines() {
    let bench = Bench::with_demo();
    let rows = "demo,,recording,feature,,CAD,0.01,60,60,,UTC,2020-01-01\r\n\
                demo,44,Bridge,bridge,sip,CAD,0.01,60,60,,UTC,2020-01-01\r\n";
    let deck = include_str!("../config/demo-deck.csv").replace('\n', "\r\n") + rows;
    let path = bench.file("deck.csv", &deck).display().to_string();
    let said = bench.fails(&["deck", "add", &path]);
    assert!(said.contains("line 12, kind: features are not charged yet"), "{said}");
    assert!(said.contains("line 13, prefix: is looked at in rows of kind ld only"), "{said}");
    let deck = include_str!("../config/demo-deck.csv").replacen("conn_fee", "con_fee", 1);
    let path = bench.file("deck.csv", &deck).display().to_string();
    let said = bench.fails(&["deck", "add", &path]);
    assert!(said.contains("line 1: unknown column \"con_fee\"; known: deck_id"), "{said}");
}

#[test]
fn answered_calls_without_an_account_are_reported() {
    let mut records = conference();
    for n in 10..17 {
        let nobody = LegRecord { account_id: None, conf_id: None, ..leg(n, 20_000) };
        records.push(Record::Leg(Box::new(nobody)));
    }
    let unanswered =
        LegRecord { answered_at: None, duration_ms: 0, account_id: None, ..leg(20, 0) };
    records.push(Record::Leg(Box::new(unanswered)));
    let bench = bench(&records);
    let run = invoice(&bench, &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let told = &["7 answered calls of 2026-10, 0:02:20 long together, are billed to no account"];
    assert!(has_line(&run.out, told), "{run:?}");
    assert!(run.out.contains("00000000-0000-0000-0000-00000000000a, "), "{run:?}");
}

#[test]
fn names_that_no_font_has_are_told() {
    let bench = bench(&conference());
    bench.ok(&["account", "set", "Demo", "--name", "東京会議 Demo", "--address", "شركة"]);
    let run = bench.run(&["invoice", "--account", "1", "--month", "2026-10", "--out", "invoices"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.err.contains("the PDF prints \"شركة\" in Latin letters"), "{run:?}");
    assert!(!run.err.contains("東京"), "{run:?}");
}

#[test]
fn a_draft_takes_no_number() {
    let bench = bench(&conference());
    for _ in 0..2 {
        let run = invoice(&bench, &["--draft"]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(has_line(&run.out, &["total CAD", "0.92"]), "{run:?}");
    }
    assert_eq!(names(&bench), ["csv", "json", "pdf"].map(|e| format!("draft-1-2026-10.{e}")));
    assert!(invoice(&bench, &[]).out.contains("-000001,"));
}

#[test]
fn calls_without_a_rate_are_named_and_come_on_the_next_invoice() {
    let mut records = conference();
    records.push(Record::Leg(Box::new(called(5, 60_000, "818012345678"))));
    let bench = bench(&records);
    let run = invoice(&bench, &[]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.out.contains("1 calls have no rate"), "{run:?}");
    let reason = &[
        "00000000-0000-0000-0000-000000000005",
        "no rate for the number dialled for a \
        call of 2026-10-12T15:00:05",
    ];
    assert!(has_line(&run.out, reason), "{run:?}");
    assert!(has_line(&run.out, &["total CAD", "0.92"]), "{run:?}");

    let deck = include_str!("../config/demo-deck.csv");
    let deck = format!("{deck}demo,81,Japan,ld,,CAD,0.1000,60,60,,America/Toronto,2020-01-01\n");
    let path = bench.file("deck.csv", &deck).display().to_string();
    bench.ok(&["deck", "add", &path]);
    let run = invoice(&bench, &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(has_line(&run.out, &["Japan", "1", "0:01:00", "0.10"]), "{run:?}");
    assert!(run.out.contains("-000002,"), "{run:?}");
}

#[test]
fn an_invoice_says_what_is_missing() {
    let bench = bench(&[]);
    let run = invoice(&bench, &[]);
    assert!(run.out.contains("nothing to be invoiced in 2026-10"), "{run:?}");
    let said = bench.misused(&["invoice", "--account", "1", "--month", "2026-13", "--out", "x"]);
    assert!(said.contains("a month is written like 2026-11"), "{said}");
    let said = bench.fails(&["invoice", "--account", "1", "--month", "2999-01", "--out", "x"]);
    assert!(said.contains("2999-01 is not over in America/Toronto"), "{said}");
    let run =
        bench.run(&["invoice", "--account", "1", "--month", "2999-01", "--out", "x", "--interim"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    bench.ok(&["account", "add", "Two"]);
    let said = bench.fails(&["invoice", "--account", "Two", "--month", "2026-10", "--out", "x"]);
    assert!(said.contains("partyline deck use 2 DECK"), "{said}");
    std::fs::write(bench.path("file"), "").unwrap();
    let said = bench.fails(&["invoice", "--account", "1", "--month", "2026-10", "--out", "file/x"]);
    assert!(said.contains("file/x cannot be made"), "{said}");
}
