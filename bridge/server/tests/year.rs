//! A year of random accounts, calls, decks and changes: every invoice that was issued in it is
//! written again byte for byte at its end, whatever has changed since.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use common::Bench;
use partyline_cdr_record::{
    AccessKind, ConferenceRecord, ConferenceState, Direction, LegRecord, LegState, Origin,
    Presentation, Record,
};
use partyline_cdr_store::ingest::Ingest;
use partyline_cdr_store::journal::{FileDisk, Journal, JournalConfig};
use partyline_model::{AccountId, ConferenceId, Role, Time, Uuid, WallTime};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const ORIGIN: Origin = Origin { node_id: 1, boot_id: Uuid(1) };
/// 2024-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_704_067_200_000_000;
const DAY: i64 = 86_400_000_000;
const ACCOUNTS: u64 = 3;

/// What happens in a month besides calls.
#[derive(Clone, Debug)]
enum Change {
    Rename,
    Move,
    Dearer(u32),
    OtherDeck(u8),
    Seller(u8),
    Zone(u8),
    LateCall,
    Close,
}

/// One call.
#[derive(Clone, Debug)]
struct Call {
    account: u64,
    /// Microseconds of the month.
    at: i64,
    ms: u64,
    out: u8,
    room: u8,
    answered: bool,
    /// The account's plan at the answer is named by the record.
    plan: bool,
}

#[derive(Clone, Debug)]
struct Month {
    calls: Vec<Call>,
    changes: Vec<(u64, Change)>,
}

fn month() -> impl Strategy<Value = Month> {
    let call =
        (1..=ACCOUNTS, 0..27 * DAY, 0..7_200_000_u64, 0..6_u8, 0..4_u8, 0..8_u8, any::<bool>());
    let call = call.prop_map(|(account, at, ms, out, room, answered, plan)| Call {
        account,
        at,
        ms,
        out,
        room,
        answered: answered > 0,
        plan,
    });
    let change = prop_oneof![
        Just(Change::Rename),
        Just(Change::Move),
        (1..100_u32).prop_map(Change::Dearer),
        (0..2_u8).prop_map(Change::OtherDeck),
        (0..4_u8).prop_map(Change::Seller),
        (0..3_u8).prop_map(Change::Zone),
        Just(Change::LateCall),
    ];
    let calls = prop::collection::vec(call, 0..25);
    let changes = prop::collection::vec((1..=ACCOUNTS, change), 0..3);
    (calls, changes).prop_map(|(calls, changes)| Month { calls, changes })
}

/// The world that the bills are made in.
struct World {
    bench: Bench,
    legs: u64,
    plans: BTreeMap<u64, u32>,
    names: BTreeMap<u64, String>,
    /// Every file that was issued.
    issued: BTreeMap<String, Vec<u8>>,
    runs: u32,
}

impl World {
    fn new() -> Self {
        let bench = Bench::configured("[seller]\nname = \"Seller 0\"\n");
        bench.store(async |_| ());
        let mut world = Self {
            bench,
            legs: 0,
            plans: BTreeMap::new(),
            names: BTreeMap::new(),
            issued: BTreeMap::new(),
            runs: 0,
        };
        world.deck("one", 5);
        world.deck("two", 9);
        for account in 1..=ACCOUNTS {
            let name = format!("Account {account}");
            let deck = if account == 3 { "two" } else { "one" };
            world.bench.ok(&["account", "add", &name, "--deck", deck, "--address", "Here"]);
            world.plans.insert(account, if account == 3 { 2 } else { 1 });
            world.names.insert(account, name);
        }
        world
    }

    /// A deck without a rate for Japan, which some calls go to.
    fn deck(&self, name: &str, cents: u32) {
        let mut deck = "deck_id,prefix,name,kind,access_kind,currency,per_min,init_s,inc_s,\
            min_charge,attempt_fee,eff_from\n"
            .to_owned();
        for access in ["local", "toll_free", "dialout"] {
            let row = format!(
                "{name},,{access},bridge,{access},CAD,0.0{cents:03},60,6,0.01,,2020-01-01\n"
            );
            deck.push_str(&row);
        }
        writeln!(deck, "{name},44,UK,ld,,CAD,0.1{cents:03},6,6,,0.02,2020-01-01").unwrap();
        let path = self.bench.file("deck.csv", &deck).display().to_string();
        self.bench.ok(&["deck", "add", &path, "--yes"]);
    }

    fn append(&self, records: &[Record]) {
        let journal = self.bench.data().join("journal");
        let disk = FileDisk::open(&journal).unwrap();
        let config = JournalConfig::new(ORIGIN);
        let at = WallTime::from_micros(NEW_YEAR);
        let (mut writer, _) = Journal::open(Box::new(disk), config, Time::ZERO, at).unwrap();
        writer.append(records.iter(), Time::ZERO, at).unwrap();
        drop(writer);
        self.bench.store(async |store| {
            Ingest::new(store.clone(), &journal).catch_up(None).await.unwrap();
        });
    }

    fn calls(&mut self, month: i64, calls: &[Call]) {
        let mut records = Vec::new();
        for call in calls {
            self.legs += 1;
            let room = Uuid(
                u128::from(call.account) << 64
                    | u128::try_from(month).unwrap() << 8
                    | u128::from(call.room),
            );
            records.push(Record::Leg(Box::new(self.leg(month, call, room))));
            if call.room > 0 {
                let mut session = ConferenceRecord::open(
                    ORIGIN,
                    room,
                    AccountId(call.account),
                    ConferenceId(1),
                    WallTime::from_micros(NEW_YEAR + month * 31 * DAY),
                );
                session.state = ConferenceState::Closed;
                session.name = format!("=Room {}", call.room).as_str().into();
                session.reference_number = format!("M-{}", call.room).parse().ok();
                records.push(Record::Conference(Box::new(session)));
            }
        }
        self.append(&records);
    }

    fn leg(&self, month: i64, call: &Call, room: Uuid) -> LegRecord {
        let at = WallTime::from_micros(NEW_YEAR + month * 31 * DAY + DAY + call.at);
        let direction = if call.out > 3 { Direction::Out } else { Direction::In };
        let id = Uuid::v7(at, u128::from(self.legs));
        let mut leg = LegRecord::open(ORIGIN, id, self.legs, direction, at);
        leg.state = LegState::Closed;
        leg.rev = 1;
        leg.account_id = Some(AccountId(call.account));
        leg.conf_id = (call.room > 0).then_some(room);
        leg.rate_context = if call.plan { self.plans[&call.account] } else { 0 };
        leg.ani = "14165550177".parse().ok();
        leg.ani_presentation = Presentation::Allowed;
        leg.access_code_role = Some(Role::Participant);
        match call.out {
            4 => leg.dialed_number = "442079460000".parse().ok(),
            5 => leg.dialed_number = "818012345678".parse().ok(),
            out => leg.access_kind = if out > 1 { AccessKind::Local } else { AccessKind::TollFree },
        }
        if call.answered {
            (leg.answered_at, leg.duration_ms) = (Some(at), call.ms);
        }
        leg.disconnected_at = Some(at + Duration::from_millis(leg.duration_ms));
        leg
    }

    /// Sets something of an account, where it may be so already: the same change comes twice in a month.
    fn set(&self, name: &str, option: &str, value: &str) {
        let run = self.bench.run(&["account", "set", name, option, value]);
        let is_so = run.code == Some(1) && run.err.contains("nothing to change");
        assert!(run.code == Some(0) || is_so, "{run:#?}");
    }

    fn change(&mut self, month: i64, account: u64, change: &Change) {
        let name = self.names[&account].clone();
        match *change {
            Change::Rename => {
                let new = format!("Account {account} of month {month}");
                self.set(&name, "--name", &new);
                self.names.insert(account, new);
            }
            Change::Move => {
                let place = format!("Street {month}");
                self.set(&name, "--address", &place);
            }
            Change::Dearer(cents) => self.deck(if account == 3 { "two" } else { "one" }, cents),
            Change::OtherDeck(deck) => {
                let deck_name = ["one", "two"][usize::from(deck)];
                self.bench.ok(&["deck", "use", &name, deck_name, "--yes"]);
                self.plans.insert(account, u32::from(deck) + 1);
            }
            Change::Seller(n) => {
                let tax = "[[seller.taxes]]\nlabel = \"HST\"\npercent = \"13\"\n";
                let tax = if n > 1 { tax } else { "" };
                let config = format!(
                    "[seller]\nname = \"Seller {n}\"\nterms_days = {}\nnotes = [\"Pay {n}\"]\n{tax}",
                    10 + n
                );
                self.bench.file("bridge.toml", &config);
            }
            Change::Zone(n) => {
                let zone = ["UTC", "America/Toronto", "Asia/Tokyo"][usize::from(n)];
                self.set(&name, "--time-zone", zone);
            }
            Change::LateCall => {
                let (at, month) = (3 * DAY, (month - 1).max(0));
                let call =
                    Call { account, at, ms: 61_000, out: 0, room: 1, answered: true, plan: false };
                self.calls(month, &[call]);
            }
            Change::Close => {
                self.bench.ok(&["account", "close", &name, "--yes"]);
            }
        }
    }

    /// Issues what there is of a month; what was issued before comes out as it was.
    fn bill(&mut self, month: usize) {
        for account in 1..=ACCOUNTS {
            self.runs += 1;
            let (out, month) = (format!("out-{}", self.runs), format!("2024-{:02}", month + 1));
            let name = &self.names[&account];
            let run =
                self.bench.run(&["invoice", "--account", name, "--month", &month, "--out", &out]);
            assert!(matches!(run.code, Some(0 | 2)), "{run:?}");
            for (name, bytes) in files(&self.bench, &out) {
                let known = self.issued.entry(name.clone()).or_insert_with(|| bytes.clone());
                assert!(*known == bytes, "{name} changed");
            }
        }
    }

    fn reprint_all(&self) {
        let numbers: Vec<_> =
            self.issued.keys().filter_map(|file| file.strip_suffix(".json")).collect();
        for number in &numbers {
            self.bench.ok(&["invoice", "--again", number, "--out", "again"]);
        }
        if !numbers.is_empty() {
            assert!(files(&self.bench, "again") == self.issued, "{numbers:?}");
        }
    }
}

fn files(bench: &Bench, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(bench.path(folder)).unwrap().map(Result::unwrap);
    let read = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    entries.map(read).collect()
}

#[test]
fn every_invoice_of_a_random_year_is_written_again_byte_for_byte() {
    let config = Config {
        // A year is some hundred runs of the program.
        cases: 1,
        max_shrink_iters: 8,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let years = prop::collection::vec(month(), 12);
    runner
        .run(&years, |year| {
            let mut world = World::new();
            for (at, month) in year.iter().enumerate() {
                let number = i64::try_from(at).unwrap();
                world.calls(number, &month.calls);
                // Every month is billed, one in a quarter once more after what happened since.
                world.bill(at);
                for (account, change) in &month.changes {
                    world.change(number, *account, change);
                }
                if at % 3 == 2 {
                    world.bill(at - 1);
                }
            }
            assert!(!world.issued.is_empty(), "something was billed");
            world.change(11, 1, &Change::Close);
            world.reprint_all();
            Ok(())
        })
        .unwrap();
}
