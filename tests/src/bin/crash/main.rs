//! `make crash`: the bridge is killed in the middle of 50 calls and started again; every leg has
//! one record, closed with a cause, and charged for no more than it lasted.

mod verdict;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use bridge_tests::real::bridge::{Network, Options, Passcodes, Setup};
use bridge_tests::real::cast::{Cast, Tale, line};
use bridge_tests::real::checks::{Checks, conclude, say};
use bridge_tests::real::speech::Speech;
use partyline_dialplan::Prompt;
use partyline_phones::{Keys, PhoneId, Step};

const FOLDER: &str = "target/crash";
const DIAL_IN: &str = "18005550199";
const ROOMS: usize = 5;
const CALLERS: usize = 50;
/// The callers in each room that call in the last moment.
const LATE: usize = 1;
/// Between two calls.
const APART: Duration = Duration::from_millis(40);
/// Those who hang up early do so now.
const EARLY_END: Duration = Duration::from_secs(14);
/// The kill, at an odd time between two ticks of the journal.
const KILL: Duration = Duration::from_millis(23_300);
/// Between the last moment's calls, that end with the kill.
const LATE_APART: Duration = Duration::from_millis(12);
/// The second run has sent its BYEs by then.
const GOODBYES: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(15);
/// The recorded talker's tone in Hz.
const TONE: f64 = 1105.0;

fn main() -> ExitCode {
    conclude("crash", run())
}

fn run() -> Result<ExitCode> {
    let network = Network::own();
    let setup = Setup::new(
        Path::new(FOLDER),
        network,
        &Options { log: "info", trunk: None, media_sources: None },
    )?;
    let bridge = setup.start()?;
    let rooms = rooms(&setup)?;
    let speech = Speech::load()?;
    let mut cast = Cast::new()?;
    let mut phones = Vec::new();
    for place in 0..CALLERS {
        let id =
            cast.add(&format!("phone-{place:02}"), line(network.phones())?, setup.sip(), |c| {
                c.to = DIAL_IN.to_owned();
                c.from = format!("+1416555{:04}", 100 + place);
                c.keep = Duration::from_secs(3);
            })?;
        phones.push(id);
    }
    // The directory is taken up within a second.
    let start = cast.now() + Duration::from_millis(1500);
    for (place, &id) in phones.iter().enumerate() {
        cast.play(id, tale(place, start, &rooms[place % ROOMS], &speech));
    }
    say(format_args!("{CALLERS} callers in {ROOMS} rooms; one room is recorded"));
    cast.carry(start + KILL)?;
    bridge.kill()?;
    let killed = cast.now();
    say(format_args!("killed after {:.1} s (SIGKILL)", killed.as_secs_f64()));

    let again = setup.start()?;
    let mut checks = Checks::default();
    let legs = setup.closed_legs(CALLERS - LATE * ROOMS)?;
    verdict::legs(&mut checks, &cast, &legs, killed);
    let recorder = cast.phone(*phones.first().context("nobody called")?);
    verdict::recording(&mut checks, &setup.recordings()?, recorder, killed)?;
    cast.carry(cast.now() + GOODBYES)?;
    verdict::goodbyes(&mut checks, &cast, killed);
    drop(cast);
    take_a_call(&mut checks, &setup, network, &rooms[1])?;
    let status = again.terminate()?;
    checks.check(status.success(), "the second run ends well after SIGTERM", status);
    verdict::rebuilt(&mut checks, &setup)?;
    Ok(checks.finish("crash"))
}

/// Rooms that begin with their first caller, but for the first, which its moderator begins.
fn rooms(setup: &Setup) -> Result<Vec<Passcodes>> {
    let mut rooms = vec![setup.passcodes("1")?];
    for place in 1..ROOMS {
        let name = format!("Room {place}");
        let words =
            ["conference", "add", &name, "--account", "Demo", "--starts-with", "first_caller"];
        setup.run(&words)?;
        rooms.push(setup.passcodes(&name)?);
    }
    Ok(rooms)
}

fn press(keys: &str) -> Step {
    Step::Press(Keys::dial(keys))
}

/// What the phone of a place does: the first one leads the first room, records it and hums.
fn tale(place: usize, start: Duration, codes: &Passcodes, speech: &Speech) -> Tale {
    let times = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let late = (CALLERS - place).checked_sub(1).filter(|left| *left < LATE * ROOMS);
    let at = match late {
        Some(left) => start + KILL - LATE_APART * (times(left) + 1),
        None => start + APART * times(place),
    };
    Tale::new().then(|script| {
        let script = script.then(Step::WaitUntil(at)).call().until_answered(SOON);
        if place == 0 {
            return script
                .then(press(&format!("{}#", codes.moderator)))
                .then(speech.heard(Prompt::EnterReferenceOrSkip, SOON))
                .then(press("#"))
                .wait(Duration::from_secs(2))
                .then(press("*4"))
                .then(speech.heard(Prompt::RecordConfirm, SOON))
                .hum(TONE)
                .then(press("1"))
                .wait(KILL);
        }
        let script = script.then(press(&format!("{}#", codes.participant)));
        // One in each room.
        if place / ROOMS == 2 {
            return script.then(Step::WaitUntil(start + EARLY_END)).hang_up();
        }
        script.wait(KILL)
    })
}

/// The second run is as good as the first.
fn take_a_call(
    checks: &mut Checks,
    setup: &Setup,
    network: Network,
    codes: &Passcodes,
) -> Result<()> {
    let mut cast = Cast::new()?;
    let speech = Speech::load()?;
    let caller = |cast: &mut Cast, name: &str| -> Result<PhoneId> {
        cast.add(name, line(network.phones())?, setup.sip(), |c| {
            c.to = DIAL_IN.to_owned();
            c.from = "+14165550190".to_owned();
            // Another run of the program: its calls must not bear the names of the first.
            c.seed += 1_000_000;
        })
    };
    let (first, second) = (caller(&mut cast, "first")?, caller(&mut cast, "second")?);
    let join = |script: partyline_phones::Script| {
        let script = script.call().until_answered(SOON);
        script
            .then(speech.heard(Prompt::EnterPasscode, SOON))
            .then(press(&format!("{}#", codes.participant)))
    };
    cast.play(
        first,
        Tale::new().then(|script| {
            join(script).hum(TONE).then(Step::AwaitMark("heard".to_owned(), SOON)).hang_up()
        }),
    );
    cast.play(
        second,
        Tale::new().then(|script| {
            join(script).until_tone(TONE, SOON).then(Step::Mark("heard".to_owned())).hang_up()
        }),
    );
    cast.run(cast.now() + Duration::from_secs(60))?;
    let failed: Vec<_> = cast.failures().map(|(_, outcome)| outcome.what.clone()).collect();
    checks.check(
        failed.is_empty() && cast.outcomes() > 0,
        "the bridge takes calls again, and they hear each other",
        format_args!("{} expectations, missed {failed:?}", cast.outcomes()),
    );
    Ok(())
}
