//! `make town-hall`: a town hall on real sockets. Five hundred phones call the built bridge; one in ten
//! raises his hand, all are muted, one gets the word, the roll is called, the door locked, and the
//! moderator ends it; then each phone's sound, ending and record is looked at, caller by caller.
//!
//! `--callers N` takes fewer. It ends by itself, and no packet leaves 127.0.0.0/8.

// A shell around the bridge, in real time.
#![allow(clippy::disallowed_methods)]

mod hall;
mod verdict;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bridge_tests::real::bridge::{Network, Options, Setup};
use bridge_tests::real::checks::{Checks, conclude, say};
use bridge_tests::real::steady::steadily;

use hall::Hall;

const FOLDER: &str = "target/town-hall";
const CONFERENCE: &str = "1";
/// Sockets of a phone, and the bridge's beside.
const SOCKETS: u64 = 3;

fn main() -> ExitCode {
    conclude("town-hall", callers().and_then(run))
}

/// How many call.
fn callers() -> Result<usize> {
    let mut words = std::env::args().skip(1);
    let callers = match (words.next().as_deref(), words.next(), words.next()) {
        (None, None, None) => 500,
        (Some("--callers"), Some(number), None) => {
            number.parse().context("--callers wants a number")?
        }
        _ => bail!("there is --callers N, and nothing else"),
    };
    ensure!((20..=1000).contains(&callers), "--callers 20 to 1000");
    Ok(callers)
}

fn run(callers: usize) -> Result<ExitCode> {
    allow_sockets(u64::try_from(callers)? * SOCKETS + 256)?;
    let network = Network::own();
    let options = Options { log: "warn", trunk: None, media_sources: None };
    let setup = Setup::new(Path::new(FOLDER), network, &options)?;
    let most = (callers + 10).to_string();
    setup.run(&["conference", "set", CONFERENCE, "--max-legs", &most, "--announce", "silent"])?;
    let codes = setup.passcodes(CONFERENCE)?;
    let bridge = setup.start()?;
    let began = std::time::Instant::now();
    let mut checks = Checks::default();
    let mut hall = Hall::new(network, setup.sip(), callers, codes)?;
    steadily(|| hall.play(&mut checks))?;
    let legs = setup.closed_legs(callers + 1)?;
    verdict::judge(&hall, &legs, &setup.events()?, &mut checks);
    ensure!(bridge.terminate()?.success(), "the bridge did not end well");
    say(format_args!(
        "      {callers} callers in {:.0} s; the phones were at most {} ms late",
        began.elapsed().as_secs_f64(),
        hall.late().as_millis()
    ));
    Ok(checks.finish("town-hall"))
}

/// Each phone has three sockets: more than many systems let a program have at first.
fn allow_sockets(wanted: u64) -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let more = Rlimit { current: Some(wanted), maximum: limit.maximum };
    setrlimit(Resource::Nofile, more).with_context(|| {
        format!("{wanted} open files are wanted: raise `ulimit -n`, or take fewer --callers")
    })?;
    Ok(())
}

/// A moment in which everything has arrived.
const SETTLED: Duration = Duration::from_millis(1500);
