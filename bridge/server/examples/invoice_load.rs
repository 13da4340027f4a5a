//! `make invoice-load`: how long an invoice over many calls takes, and what it costs others.
//!
//! Makes a data folder with that many calls in one month, runs the built program on it while
//! another writer makes small changes, and looks at the files that come out: every call in the
//! CSV, the sum as computed here, and the same bytes when they are written again.

#![allow(clippy::disallowed_methods, reason = "it measures what a program takes by the clock")]
#![allow(clippy::print_stdout, reason = "it is a program for people")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use partyline_cdr_record::{
    AccessKind, CloseReason, ConferenceRecord, ConferenceState, Direction, LegRecord, LegState,
    Origin, Presentation, Record,
};
use partyline_cdr_store::Store;
use partyline_cdr_store::admin::{Actor, Via};
use partyline_cdr_store::ingest::Ingest;
use partyline_cdr_store::journal::{FileDisk, Journal, JournalConfig};
use partyline_cdr_store::keys::Keys;
use partyline_directory::{Account, AccountStatus, Entitlements};
use partyline_model::{AccountId, ConferenceId, Role, Time, Uuid, WallTime};

const ORIGIN: Origin = Origin { node_id: 1, boot_id: Uuid(1) };
/// 2024-03-02T00:00:00Z.
const START: WallTime = WallTime::from_micros(1_709_337_600_000_000);
const MONTH: &str = "2024-03";
/// Legs of a conference.
const ROOM: u64 = 10;
/// What one invoice over 100,000 calls may take.
const MOST_TIME: Duration = Duration::from_secs(30);
const MOST_MEMORY: u64 = 500 << 20;
const MOST_WAIT: Duration = Duration::from_secs(5);
const DECK: &str = "deck_id,prefix,name,kind,access_kind,currency,per_min,init_s,inc_s,eff_from\n\
    load,,Toll-free,bridge,toll_free,CAD,0.0590,60,60,2020-01-01\n\
    load,,Line,bridge,dialout,CAD,0.0390,60,60,2020-01-01\n\
    load,44,United Kingdom,ld,,CAD,0.0300,60,60,2020-01-01\n";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let program = args.next().unwrap_or_else(|| "target/release/partyline".to_owned());
    let legs = args.next().map_or(Ok(100_000), |legs| legs.parse());
    let done = legs.context("the number of calls").and_then(|legs| run(&program, legs));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("invoice-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(program: &str, legs: u64) -> Result<()> {
    let folder = PathBuf::from("target/invoice-load");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let data = folder.join("data");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let began = Instant::now();
    runtime.block_on(fill(&data, legs))?;
    println!("{legs} calls in the database after {:.1} s", began.elapsed().as_secs_f64());

    let out = folder.join("invoices");
    let began = Instant::now();
    let child = start(program, &data, &["--account", "Load", "--month", MONTH], &out)?;
    let (memory, wait) = runtime.block_on(watch(child, &data))?;
    let took = began.elapsed();
    println!(
        "issued in {:.1} s, {} MB resident at most; another writer waited {:.2} s at most",
        took.as_secs_f64(),
        memory >> 20,
        wait.as_secs_f64()
    );
    let name = check(&out, legs)?;
    let again = folder.join("again");
    let began = Instant::now();
    let status = start(program, &data, &["--again", &name], &again)?.wait()?;
    ensure!(status.success(), "--again ended with {status}");
    println!("written again in {:.1} s", began.elapsed().as_secs_f64());
    for extension in ["pdf", "csv", "json"] {
        let file = format!("{name}.{extension}");
        let (first, second) = (std::fs::read(out.join(&file))?, std::fs::read(again.join(&file))?);
        ensure!(first == second, "{file} is not the same when written again");
        println!("{file}: {} octets", first.len());
    }
    let scale = u32::try_from(legs.div_ceil(100_000))?;
    ensure!(took <= MOST_TIME * scale, "it may take {MOST_TIME:?}");
    ensure!(memory <= MOST_MEMORY * u64::from(scale), "it may take {} MB", MOST_MEMORY >> 20);
    ensure!(wait <= MOST_WAIT * scale, "another writer may wait {MOST_WAIT:?}");
    Ok(())
}

/// Minutes that leg `n` lasted, begun ones counted.
const fn minutes(n: u64) -> u64 {
    n % 50 + 1
}

const fn is_dialled(n: u64) -> bool {
    n % ROOM == 9
}

fn leg(n: u64) -> LegRecord {
    let invited = START + Duration::from_millis(n * 20);
    let direction = if is_dialled(n) { Direction::Out } else { Direction::In };
    let id = Uuid::v7(invited, u128::from(n));
    let mut leg = LegRecord::open(ORIGIN, id, n, direction, invited);
    leg.state = LegState::Closed;
    leg.rev = 2;
    leg.account_id = Some(AccountId(1));
    leg.conference_id = Some(ConferenceId(1));
    leg.conf_id = Some(Uuid(u128::from(n / ROOM) + 1));
    leg.access_kind = AccessKind::TollFree;
    leg.dnis = "18005550199".parse().ok();
    leg.ani = format!("1416{:07}", n % 10_000_000).parse().ok();
    leg.ani_presentation = Presentation::Allowed;
    if is_dialled(n) {
        leg.access_kind = AccessKind::Dialout;
        leg.dialed_number = "442079460000".parse().ok();
    }
    leg.access_code_role = Some(Role::Participant);
    leg.answered_at = Some(invited);
    leg.duration_ms = minutes(n) * 60_000 - 700;
    leg.disconnected_at = Some(invited + Duration::from_millis(leg.duration_ms));
    leg.close_reason = Some(CloseReason::Normal);
    leg.sip_call_id = format!("{n:032x}@carrier.example").as_str().into();
    leg
}

fn session(n: u64) -> ConferenceRecord {
    let at = START + Duration::from_millis(n * ROOM * 20);
    let id = Uuid(u128::from(n) + 1);
    let mut session = ConferenceRecord::open(ORIGIN, id, AccountId(1), ConferenceId(1), at);
    session.state = ConferenceState::Closed;
    session.rev = 1;
    session.name = format!("Room {n}").as_str().into();
    session.reference_number = format!("M-{n}").parse().ok();
    session
}

fn actor() -> Actor {
    Actor { via: Via::Cli, name: "load".to_owned() }
}

async fn fill(data: &Path, legs: u64) -> Result<()> {
    let store = Store::open(&data.join("partyline.db")).await?;
    Keys::open(&data.join("keys"))?;
    let mut change = store.change(&actor(), START).await?;
    let deck = change.add_deck(1, "load", DECK, START).await?;
    let account = Account {
        id: AccountId(0),
        name: "Load".to_owned(),
        tenant_id: 0,
        status: AccountStatus::Active,
        entitlements: Entitlements::default(),
        caller_id: None,
        time_zone: "America/Toronto".to_owned(),
        currency: "CAD".to_owned(),
        country_code: "1".to_owned(),
        rate_plan: deck.plan,
    };
    change.add_account(&account).await?;
    change.commit().await?;
    let journal = data.join("journal");
    let disk = FileDisk::open(&journal)?;
    let config = JournalConfig::new(ORIGIN);
    let (mut writer, _) = Journal::open(Box::new(disk), config, Time::ZERO, START)?;
    for first in (0..legs).step_by(1000) {
        let numbers = first..legs.min(first + 1000);
        let sessions = numbers.clone().filter(|n| n % ROOM == 0).map(|n| session(n / ROOM));
        let records: Vec<_> = numbers
            .map(|n| Record::Leg(Box::new(leg(n))))
            .chain(sessions.map(|session| Record::Conference(Box::new(session))))
            .collect();
        writer.append(records.iter(), Time::ZERO, START)?;
    }
    drop(writer);
    Ingest::new(store.clone(), &journal).catch_up(None).await?;
    store.close().await;
    Ok(())
}

fn start(program: &str, data: &Path, what: &[&str], out: &Path) -> Result<Child> {
    let mut command = Command::new(program);
    command.arg("--data").arg(data).arg("invoice").args(what).arg("--out").arg(out);
    command.stdout(Stdio::null());
    command.spawn().with_context(|| format!("{program} cannot be started"))
}

/// Waits for the program; the most memory that it had, and the longest that a small change waited
/// for its turn meanwhile.
async fn watch(mut child: Child, data: &Path) -> Result<(u64, Duration)> {
    let store = Store::open(&data.join("partyline.db")).await?;
    let status = format!("/proc/{}/status", child.id());
    let (mut memory, mut wait, mut changes) = (0, Duration::ZERO, 0_u32);
    let ended = loop {
        if let Ok(text) = std::fs::read_to_string(&status) {
            memory = memory.max(peak(&text).unwrap_or(0));
        }
        let began = Instant::now();
        let mut change =
            store.change(&actor(), START).await.context("another writer waited in vain")?;
        changes += 1;
        change.set_account_address(AccountId(1), &format!("Room {changes}")).await?;
        change.commit().await?;
        wait = wait.max(began.elapsed());
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    store.close().await;
    ensure!(ended.success(), "the program ended with {ended}");
    Ok((memory, wait))
}

/// The peak of resident memory in octets, from `/proc/PID/status`.
fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

/// The name of the invoice, when its files say what they must.
fn check(out: &Path, legs: u64) -> Result<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(out)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    let Some(csv) = names.iter().find(|name| name.ends_with(".csv")) else {
        bail!("no CSV file among {names:?}");
    };
    let text = std::fs::read_to_string(out.join(csv))?;
    let dialled = (0..legs).filter(|&n| is_dialled(n)).count() as u64;
    let rows = text.lines().count() as u64 - 1;
    ensure!(rows == legs + dialled, "{rows} charges of {legs} calls");
    // Ten-thousandths of a dollar a minute: bridge and distance.
    let prices = (0..legs).map(|n| minutes(n) * if is_dialled(n) { 390 + 300 } else { 590 });
    let lines = [590, 390, 300].map(|price| {
        let of = |n: &u64| if price == 590 { !is_dialled(*n) } else { is_dialled(*n) };
        let sum: u64 = (0..legs).filter(of).map(|n| minutes(n) * price).sum();
        (sum + 50) / 100
    });
    let exact: u64 = prices.sum();
    let net: u64 = lines.iter().sum();
    ensure!(net.abs_diff(exact / 100) <= 2, "the sums of this program are wrong");
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join(csv.replace(".csv", ".json")))?)?;
    let expected = format!("{}.{:02}", net / 100, net % 100);
    ensure!(json["net"] == expected.as_str(), "net {} and not {expected}", json["net"]);
    Ok(csv.trim_end_matches(".csv").to_owned())
}
