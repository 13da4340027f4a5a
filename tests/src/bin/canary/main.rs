//! `make canary`: a security passcode of this run only is set, typed, mistyped and typed ahead in
//! three kinds of digits, with every log open and every room recorded; then it is searched for
//! everywhere the bridge has left a trace, in every form. A reference number, typed the same way
//! and meant to be kept, shows that the search finds what is there.

mod story;
mod verdict;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::bridge::{Network, Options, Passcodes, Setup};
use bridge_tests::real::cast::{Cast, line};
use bridge_tests::real::checks::{Checks, conclude, say};
use bridge_tests::real::leak::{Needle, memory_of};
use bridge_tests::real::speech::Speech;
use partyline_phones::{DigitMode, PhoneId};
use story::Typed;

const FOLDER: &str = "target/canary";
const DIAL_IN: &str = "18005550199";
const LIMIT: Duration = Duration::from_secs(150);
/// How often it is looked whether the passcode is set.
const GLANCE: Duration = Duration::from_millis(200);
/// How the digits of each room are sent.
const MODES: [(&str, DigitMode); 3] =
    [("rfc4733", DigitMode::Rfc4733), ("info", DigitMode::Info), ("in-band", DigitMode::InBand)];

fn main() -> ExitCode {
    conclude("canary", run())
}

fn run() -> Result<ExitCode> {
    let network = Network::own();
    let setup = Setup::new(
        Path::new(FOLDER),
        network,
        &Options { log: "trace", trunk: None, media_sources: None },
    )?;
    let bridge = setup.start()?;
    let rooms = rooms(&setup)?;
    let typed = Typed::random()?;
    let speech = Speech::load()?;
    let mut cast = Cast::new()?;
    let mut phones = Vec::new();
    for ((name, mode), codes) in MODES.into_iter().zip(&rooms) {
        let mut phone = |who: &str| -> Result<PhoneId> {
            let from = format!("+1416555{:04}", 100 + phones.len());
            let id =
                cast.add(&format!("{name} {who}"), line(network.phones())?, setup.sip(), |c| {
                    c.to = DIAL_IN.to_owned();
                    c.from = from;
                    c.digit_mode = mode;
                })?;
            phones.push(id);
            Ok(id)
        };
        let (moderator, guest, hasty) = (phone("host")?, phone("guest")?, phone("hasty")?);
        cast.play(moderator, story::moderator(name, &speech, codes, &typed));
        cast.play(guest, story::guest(name, &speech, codes, &typed));
        cast.play(hasty, story::hasty(name, codes, &typed));
    }
    say("three rooms, one for each kind of digits: a security passcode is set and typed");
    let mut checks = Checks::default();
    let limit = cast.now() + LIMIT;
    let needle = Needle::new(&typed.canary);
    while !story::is_secured(&cast, &phones) && cast.now() < limit {
        cast.carry(cast.now() + GLANCE)?;
    }
    verdict::memory_in_use(&mut checks, memory_of(bridge.id(), &needle).as_ref());
    cast.run(limit)?;
    verdict::story(&mut checks, &cast);
    setup.closed_legs(phones.len())?;
    verdict::memory_afterwards(&mut checks, memory_of(bridge.id(), &needle).as_ref());
    write_everything(&setup)?;
    let status = bridge.terminate()?;
    checks.check(status.success(), "the bridge ends well after SIGTERM", status);
    verdict::traces(&mut checks, &setup, &typed)?;
    verdict::sound(&mut checks, &setup.recordings()?, &typed)?;
    Ok(checks.finish("canary"))
}

/// A room for each kind of digits.
fn rooms(setup: &Setup) -> Result<Vec<Passcodes>> {
    let mut rooms = Vec::new();
    for (name, _) in MODES {
        setup.run(&["conference", "add", name, "--account", "Demo"])?;
        rooms.push(setup.passcodes(name)?);
    }
    Ok(rooms)
}

/// Lets the administration write all it can, while the bridge runs.
fn write_everything(setup: &Setup) -> Result<()> {
    let table = setup.run(&["cdr", "list"])?;
    let month: String = table.lines().nth(1).unwrap_or_default().chars().take(7).collect();
    let out = setup.folder().join("invoice").display().to_string();
    setup.run(&["invoice", "--account", "Demo", "--month", &month, "--out", &out, "--interim"])?;
    let legs = setup.run(&["cdr", "list", "--json", "--full"])?;
    let events = setup.run(&["cdr", "features", "--json", "--full"])?;
    let printed = [table, legs, events].concat();
    Ok(std::fs::write(setup.folder().join("printed.txt"), printed)?)
}
