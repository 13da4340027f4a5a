//! `interop`: phones that others wrote call the bridge: sipp with scenarios of ours and of its own,
//! and baresip with sound.
//!
//! Starts a bridge on a loopback network of its own, prints a line for each case, and compares the
//! call records with the calls placed. Exits with 1 when a case fails; the traces and the bridge's
//! log are then in `target/interop-failed`. What the bridge should do is judged by the RFCs and by
//! what callers hear.

// A shell around other programs: they run in real time, and standard output is the report.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

mod baresip;
mod carrier;
mod cases;
mod child;
mod ear;
mod ecdsa;
mod linphone;
mod namespace;
mod networks;
mod phone;
mod place;
mod records;
mod sipp;
mod users;

use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use bridge_tests::real::bridge::Running;
use cases::{CASES, Case, Phones, Turn};
use place::Place;

/// Cases that run beside each other: they wait more than they work.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("interop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all cases, or those whose names are given as arguments; whether all passed.
fn run() -> Result<bool> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(name) = wanted.iter().find(|name| !CASES.iter().any(|case| case.name == **name)) {
        let known: Vec<_> = CASES.iter().map(|case| case.name).collect();
        bail!("no case {name:?}; there are: {}", known.join(" "));
    }
    let chosen = |case: &&Case| match &*wanted {
        [] => case.turn != Turn::Named,
        names => names.iter().any(|name| name == case.name),
    };
    let cases: Vec<&Case> = CASES.iter().filter(chosen).collect();
    for program in
        ["sipp", "baresip", "kamailio", "kamcmd", "sipsak", "linphonec", "svmap", "ip", "nft"]
    {
        child::installed(program)?;
    }
    let place = Place::new()?;
    let bridge = place.bridge.start()?;
    let report = Report::default();
    run_cases(&cases, &place, &report);
    report.line("records", "each call has one record, and it is closed", || {
        records::check(&place.bridge, &cases)
    });
    report.line("drain", "SIGTERM ends the bridge, which has nothing left to do", || stop(bridge));

    let failed = report.failed.into_inner().unwrap_or_default();
    if failed.is_empty() {
        place.remove()?;
    } else {
        println!("failed: {}; see {}", failed.join(" "), place.keep()?.display());
    }
    Ok(failed.is_empty())
}

fn run_cases(cases: &[&Case], place: &Place, report: &Report) {
    let run = |case: &Case| {
        if matches!(case.phones, Phones::Network(_)) && !namespace::may_be_made() {
            println!("SKIP {:<15} {}: only root may make networks", case.name, case.says);
        } else {
            report.line(case.name, case.says, || cases::run(case, place));
        }
    };
    let of = |turn: Turn| cases.iter().copied().filter(move |case| case.turn == turn);
    thread::scope(|scope| {
        for case in of(Turn::Throughout) {
            scope.spawn(|| run(case));
        }
        let waiting = Mutex::new(of(Turn::Shared));
        let next = || waiting.lock().ok()?.next();
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some(case) = next() {
                        run(case);
                    }
                });
            }
        });
    });
    of(Turn::Alone).chain(of(Turn::Named)).for_each(run);
}

fn stop(bridge: Running) -> Result<()> {
    let status = bridge.terminate()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// A line for each case.
#[derive(Default)]
struct Report {
    failed: Mutex<Vec<&'static str>>,
}

impl Report {
    fn line(&self, name: &'static str, says: &str, check: impl FnOnce() -> Result<()>) {
        let started = Instant::now();
        let outcome = check();
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("PASS {name:<15} {says} ({seconds:.1} s)"),
            Err(error) => {
                println!("FAIL {name:<15} {says} ({seconds:.1} s): {error:#}");
                if let Ok(mut failed) = self.failed.lock() {
                    failed.push(name);
                }
            }
        }
    }
}
