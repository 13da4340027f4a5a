//! `make dtmf-calls`: callers key ten-digit passcodes in the voice band of real calls, talking all
//! the while, over a line that loses packets; the bridge's records say who got into which room.
//!
//! A phone offers no telephone events and sends no INFO: there is only the sound, G.711 µ-law and
//! A-law by turns, through a relay that loses packets each by its own throw. The first entry
//! counts. The same received sound can be given to a program built with spandsp, to be quoted
//! beside it.

mod caller;
mod options;
mod relay;
mod spandsp;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bridge_tests::real::bridge::{self, Network, Setup};
use bridge_tests::real::cast::{Cast, Tale, line};
use bridge_tests::real::checks::{Checks, conclude, say};
use bridge_tests::real::records::Leg;
use bridge_tests::real::speech::Speech;
use bridge_tests::sim::dice::Dice;
use caller::{Caller, Voice};
use options::Options;
use partyline_phones::{Audio, Codec, DigitMode, PhoneId, Step};
use relay::Relay;
use spandsp::{Fill, Saved};
use verdict::Outcome;

const FOLDER: &str = "target/inband";
const DIAL_IN: &str = "18005550199";
/// Calls at one time.
const WAVE: usize = 100;
/// Between two calls: an odd time, so that the packets of the calls do not come all at once.
const APART: Duration = Duration::from_millis(23);
const SOON: Duration = Duration::from_secs(10);
/// No call lasts for longer.
const LONGEST: Duration = Duration::from_secs(60);
/// Calls whose records are held against what the relay passed on, and by how many packets they may
/// differ: the bridge does not count those before two in sequence show where they come from.
const SAMPLE: usize = 20;
const UNCOUNTED: u64 = 8;
/// Most calls that are named on the screen; all are in `outcomes.txt`.
const NAMED: usize = 40;
/// What the seed is used for.
const PASSCODES: u64 = 1;
const SOUND: u64 = 1 << 32;
const LOSS: u64 = 2 << 32;

fn main() -> ExitCode {
    conclude("inband", Options::parse(std::env::args().skip(1)).and_then(|options| run(&options)))
}

/// One call, from its passcode to what the relay did to it.
struct Call {
    name: String,
    room: String,
    passcode: String,
    sip_call_id: String,
    sent: u64,
    passed: u64,
    dropped: u64,
    early: u64,
}

fn run(options: &Options) -> Result<ExitCode> {
    let network = Network::own();
    let quiet = bridge::Options { log: "warn", trunk: None, media_sources: None };
    // Each kind of line has a folder of its own: one run does not wipe out another's outcomes.
    let of_line = format!("loss-{}-speech-{}", options.loss, options.speech);
    let setup = Setup::new(&Path::new(FOLDER).join(of_line), network, &quiet)?;
    let passcodes = passcodes(options);
    import(&setup, &passcodes)?;
    let running = setup.start()?;
    let voice = Voice::new(&Speech::load()?);
    say(format_args!(
        "{} calls, {} % of the packets lost, speech {} dB below the keys, seed {}",
        options.calls, options.loss, options.speech, options.seed
    ));
    let folder = options.save.clone().unwrap_or_else(|| setup.folder().join("sound"));
    let wanted = options.save.is_some() || options.spandsp.is_some();
    let mut saved = if wanted { Some(Saved::new(&folder)?) } else { None };
    let mut calls = Vec::new();
    let numbered: Vec<_> = passcodes.iter().enumerate().collect();
    for wave in numbered.chunks(WAVE) {
        calls.extend(call_in(options, (&setup, network), &voice, wave, saved.as_mut())?);
    }
    if let Some(saved) = &saved {
        saved.key(calls.iter().map(|call| (call.name.as_str(), call.passcode.as_str())))?;
    }
    let legs = setup.closed_legs(calls.len())?;
    let pairs = calls.iter().map(|call| (call.sip_call_id.as_str(), call.room.as_str()));
    let outcomes = verdict::outcomes(pairs, &legs, &setup.events()?);
    let mut checks = Checks::default();
    line_was_as_bad_as_asked(&mut checks, options, &calls);
    bridge_got_the_rest(&mut checks, &setup, &legs, &calls)?;
    judge(&mut checks, options, &setup, (&calls, &outcomes))?;
    if let (Some(program), Some(saved)) = (&options.spandsp, &saved) {
        compare(&mut checks, options, (program, saved), (&calls, &outcomes))?;
    }
    let status = running.terminate()?;
    checks.check(status.success(), "the bridge ends well after SIGTERM", status);
    Ok(checks.finish("inband"))
}

/// As many as there are calls, no two alike.
fn passcodes(options: &Options) -> Vec<[u8; 10]> {
    let dice = &mut Dice::new(options.seed, PASSCODES);
    let mut seen = BTreeSet::new();
    let mut all = std::iter::repeat_with(|| caller::passcode(dice));
    let distinct = all.by_ref().filter(|passcode| seen.insert(*passcode));
    distinct.take(options.calls).collect()
}

fn room(place: usize) -> String {
    format!("room-{place:04}")
}

/// A conference for each passcode, all in one go; it begins with its first caller.
fn import(setup: &Setup, passcodes: &[[u8; 10]]) -> Result<()> {
    let mut rows = "kind,account,name,starts_with,announce,participant\n".to_owned();
    for (place, passcode) in passcodes.iter().enumerate() {
        let (room, digits) = (room(place), caller::digits(passcode));
        rows += &format!("conference,Demo,{room},first_caller,silent,{digits}\n");
    }
    let file = setup.folder().join("rooms.csv");
    std::fs::write(&file, rows)?;
    // Random ones may happen to look easy to guess.
    setup.run(&["import", "--weak-ok", &file.display().to_string()])?;
    Ok(())
}

/// Somebody about to call.
struct Dialler {
    id: PhoneId,
    place: usize,
    codec: Codec,
    caller: Caller,
}

/// Calls at one time, each to its own room, until all have hung up.
fn call_in(
    options: &Options,
    (setup, network): (&Setup, Network),
    voice: &Voice,
    wave: &[(usize, &[u8; 10])],
    mut saved: Option<&mut Saved>,
) -> Result<Vec<Call>> {
    let mut cast = Cast::new()?;
    let mut relay = Relay::new(network.phones(), options.loss)?;
    let mut diallers = Vec::new();
    for &(place, passcode) in wave {
        let number = u64::try_from(place)?;
        let line = line(network.phones())?;
        let throw = Dice::new(options.seed, LOSS | number);
        let through = relay.add(line.rtp_address(), throw)?;
        let codec = if place % 2 == 0 { Codec::Pcmu } else { Codec::Pcma };
        let id = cast.add(&format!("call-{place:04}"), line, setup.sip(), |c| {
            c.to = DIAL_IN.to_owned();
            c.from = format!("+1416555{place:04}");
            c.codec = codec;
            c.digit_mode = DigitMode::InBand;
            c.relay = Some(through);
            c.keep = Duration::from_secs(1);
            // No two calls of a run bear the same Call-ID.
            c.seed = number + 1;
        })?;
        let dice = &mut Dice::new(options.seed, SOUND | number);
        let caller = Caller::new(voice, dice, passcode, options.speech);
        diallers.push(Dialler { id, place, codec, caller });
    }
    let at_work = relay.start();
    let start = cast.now();
    for (turn, dialler) in (0..).zip(&diallers) {
        cast.play(dialler.id, tale(&dialler.caller, start + APART * turn)?);
    }
    cast.run(start + APART * u32::try_from(wave.len())? + LONGEST)?;
    let crossings = at_work.finish()?;
    let mut calls = Vec::new();
    for ((dialler, crossing), (_, passcode)) in diallers.iter().zip(&crossings).zip(wave) {
        let phone = cast.phone(dialler.id);
        let name = phone.config().name.clone();
        if let Some(saved) = &mut saved {
            saved.add(&name, dialler.codec, dialler.caller.keyed, crossing)?;
        }
        let sip_call_id = phone.call().context("a phone that never called")?.call_id.clone();
        calls.push(Call {
            name,
            room: room(dialler.place),
            passcode: caller::digits(passcode),
            sip_call_id,
            sent: phone.rtp_sent().into(),
            passed: u64::try_from(crossing.passed.len())?,
            dropped: crossing.dropped,
            early: crossing.early,
        });
    }
    ensure!(calls.len() == wave.len(), "a call without a relay");
    Ok(calls)
}

/// Calls at its time, talks and keys from the answer on, and hangs up.
fn tale(caller: &Caller, at: Duration) -> Result<Tale> {
    let talking = Duration::from_micros(125) * u32::try_from(caller.samples.len())?;
    let sound = Audio::Samples(caller.samples.clone().into());
    Ok(Tale::new().then(|script| {
        let script = script.then(Step::WaitUntil(at)).call().until_answered(SOON);
        script.say(sound).wait(talking).hang_up()
    }))
}

/// Nothing is proved by a relay that loses nothing, nor by a sender that is cut off.
fn line_was_as_bad_as_asked(checks: &mut Checks, options: &Options, calls: &[Call]) {
    let sum = |of: fn(&Call) -> u64| calls.iter().map(of).sum::<u64>();
    let (sent, passed) = (sum(|call| call.sent), sum(|call| call.passed));
    let (dropped, early) = (sum(|call| call.dropped), sum(|call| call.early));
    let percent = 100.0 * dropped as f64 / (dropped + passed).max(1) as f64;
    let detail = format!("{dropped} of {sent} packets lost, {percent:.2} %, {early} early");
    let what = "the relay lost its share and nothing else was lost on the way to it";
    let allowed = options.loss * 0.1 + 0.2;
    let whole = dropped + passed + early == sent;
    checks.check(whole && (percent - options.loss).abs() < allowed, what, detail);
}

/// The network between the relay and the bridge lost nothing; says how well pace was kept.
fn bridge_got_the_rest(
    checks: &mut Checks,
    setup: &Setup,
    legs: &[Leg],
    calls: &[Call],
) -> Result<()> {
    let by_call: BTreeMap<_, _> = legs.iter().map(|leg| (leg.text("sip_call_id"), leg)).collect();
    let (mut missing, mut jitter) = (0, 0);
    let step = calls.len().div_ceil(SAMPLE);
    for call in calls.iter().step_by(step) {
        let Some(leg) = by_call.get(call.sip_call_id.as_str()) else { continue };
        let shown = setup.run(&["cdr", "show", leg.id()])?;
        let (received, delay) =
            verdict::sound(&shown).with_context(|| format!("no sound in the record: {shown}"))?;
        missing = missing.max(call.passed.abs_diff(received));
        jitter = jitter.max(delay);
    }
    let what = "the bridge received what the relay passed on";
    checks.check(missing <= UNCOUNTED, what, format_args!("{missing} packets off at most"));
    let late = verdict::late_ticks(&setup.metrics()?).context("no tick is counted")?;
    say(format_args!(
        "pace: jitter of {jitter} ms at most, {late:.2} % of the bridge's ticks over 20 ms late \
         (a machine that is busy with something else spoils the sound)"
    ));
    Ok(())
}

/// Prints who did not get in, and writes down what became of each.
fn judge(
    checks: &mut Checks,
    options: &Options,
    setup: &Setup,
    (calls, outcomes): (&[Call], &[Outcome]),
) -> Result<()> {
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    let (mut list, mut named) = (String::new(), 0);
    for (call, outcome) in calls.iter().zip(outcomes) {
        *counts.entry(*outcome).or_default() += 1;
        list += &format!("{} {outcome}\n", call.name);
        named += usize::from(*outcome != Outcome::Right);
        if *outcome != Outcome::Right && named <= NAMED {
            say(format_args!("  {}: {outcome}, {} packets lost", call.name, call.dropped));
        }
    }
    let file = setup.folder().join("outcomes.txt");
    std::fs::write(&file, list)?;
    if named > NAMED {
        say(format_args!("  ... {} more in {}", named - NAMED, file.display()));
    }
    let count = |outcome: &Outcome| counts.get(outcome).copied().unwrap_or_default();
    let told: Vec<_> =
        Outcome::ALL.iter().map(|outcome| format!("{} {outcome}", count(outcome))).collect();
    let told = told.join(", ");
    match options.right {
        0 => say(format_args!("at the first entry: {told}")),
        least => {
            let what = format!("at least {least} passcodes are right at the first entry");
            checks.check(count(&Outcome::Right) >= least, what, told);
        }
    }
    let what = "every call is answered";
    checks.check(count(&Outcome::NoAnswer) == 0, what, count(&Outcome::NoAnswer));
    Ok(())
}

/// Counts what another detector makes of the same sound, lost packets filled as suits it best.
fn compare(
    checks: &mut Checks,
    options: &Options,
    (program, saved): (&Path, &Saved),
    (calls, outcomes): (&[Call], &[Outcome]),
) -> Result<()> {
    let mut best = (0, Fill::Zeros);
    for fill in Fill::ALL {
        let entries = saved.entries(program, fill)?;
        ensure!(!entries.is_empty(), "{} hears nothing at all", program.display());
        let is_right = |call: &&Call| entries.get(&call.name) == Some(&call.passcode);
        let right = calls.iter().filter(is_right).count();
        say(format_args!("spandsp, lost packets filled with {}: {right} right", fill.name()));
        best = best.max((right, fill));
    }
    let right = outcomes.iter().filter(|outcome| **outcome == Outcome::Right).count();
    let detail = format!("{right}, spandsp {} of {} ({})", best.0, calls.len(), best.1.name());
    if options.times == 0 {
        say(format_args!("right at the first entry: {detail}"));
        return Ok(());
    }
    let what = format!("the bridge gets {} times as many right as spandsp", options.times);
    checks.check(right >= best.0 * options.times, what, detail);
    Ok(())
}
