//! What must be true of the records after the crash.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::bridge::Setup;
use bridge_tests::real::cast::Cast;
use bridge_tests::real::checks::Checks;
use bridge_tests::real::records::Leg;
use bridge_tests::real::wave::Wave;
use partyline_phones::{CallSummary, Ending, Event, Phone};

/// The journal's tick: no more than this may be lost of a leg, and not a moment charged too much.
const TICK_MS: u64 = 5000;
/// For the way of a message between the phone and the bridge, and for the write of the tick.
const SLACK_MS: u64 = 300;
/// The end of a recording that may be lost.
const RECORDING_LOSS: Duration = Duration::from_secs(2);
/// The recorded talker's tone in Hz.
const TONE: f64 = 1105.0;

/// Records against phones.
pub(crate) fn legs(checks: &mut Checks, cast: &Cast, legs: &[Leg], killed: Duration) {
    let calls: Vec<&CallSummary> = cast.calls().collect();
    let answered: Vec<_> = calls.iter().filter(|call| call.answered_at.is_some()).collect();
    let hung_up = calls.iter().filter(|call| call.ending.is_some()).count();
    let what = "the calls were up when the bridge was killed";
    let detail = format!("{} placed, {} answered, {hung_up} over", calls.len(), answered.len());
    checks.check(answered.len() >= 45 && hung_up == 5, what, detail);

    let ids: BTreeSet<_> = legs.iter().map(Leg::id).collect();
    let by_call: BTreeMap<_, _> = legs.iter().map(|leg| (leg.text("sip_call_id"), leg)).collect();
    let once = ids.len() == legs.len() && by_call.len() == legs.len();
    checks.check(once, "no leg has two records", format_args!("{} legs", legs.len()));
    let missing = answered.iter().filter(|call| !by_call.contains_key(&*call.call_id)).count();
    let what = "every call that a phone saw answered has a record";
    checks.check(missing == 0, what, format_args!("{missing} missing"));
    let known: BTreeSet<_> = calls.iter().map(|call| call.call_id.as_str()).collect();
    let strange = by_call.keys().filter(|call| !known.contains(*call)).count();
    checks.check(strange == 0, "no record is of a call that nobody made", strange);
    let open = legs.iter().filter(|leg| !leg.is_closed()).count();
    checks.check(open == 0, "every record is closed", format_args!("{open} open"));
    let closed = answered.iter().filter(|call| {
        by_call.get(&*call.call_id).is_some_and(|leg| leg.is_answered() && leg.is_closed())
    });
    let (closed, answered_count) = (closed.count(), answered.len());
    let what = "as many legs are answered and closed as the phones saw answered";
    checks.check(closed == answered_count, what, format_args!("{closed} of {answered_count}"));
    causes(checks, &calls, &by_call);
    times(checks, &calls, &by_call, killed);
}

/// Those that were up have the crash's cause, the others their own.
fn causes(checks: &mut Checks, calls: &[&CallSummary], by_call: &BTreeMap<&str, &Leg>) {
    let cause = |leg: &Leg| {
        let text = |field| leg.text(field).to_owned();
        (text("state"), text("close_reason"), text("release_by"), leg.number("q850"))
    };
    let mut counts = BTreeMap::new();
    let mut wrong = 0;
    for call in calls {
        let Some(leg) = by_call.get(&*call.call_id) else { continue };
        let cause = cause(leg);
        let is_orphan = cause
            == ("orphan_closed".to_owned(), "crash".to_owned(), "recovery".to_owned(), Some(41));
        let is_normal = cause.0 == "closed" && cause.1 == "normal" && cause.3 == Some(16);
        wrong += usize::from(if call.ending.is_some() { !is_normal } else { !is_orphan });
        *counts.entry(cause).or_insert(0) += 1;
    }
    let what = "legs that were up are orphans of the crash (cause 41), the others ended normally";
    checks.check(wrong == 0, what, format_args!("{wrong} wrong, {counts:?}"));
}

/// No leg is charged for more than it lasted, nor for less than that and a tick.
fn times(
    checks: &mut Checks,
    calls: &[&CallSummary],
    by_call: &BTreeMap<&str, &Leg>,
    killed: Duration,
) {
    let (mut too_long, mut too_short) = (Vec::new(), Vec::new());
    let mut most_lost = 0;
    for call in calls {
        let Some(leg) = by_call.get(&*call.call_id) else { continue };
        let end = call.ended_at.unwrap_or(killed);
        let lasted = call.answered_at.map_or(Duration::ZERO, |at| end.saturating_sub(at));
        let (billed, lasted) = (leg.duration_ms(), u64::try_from(lasted.as_millis()).unwrap_or(0));
        most_lost = most_lost.max(lasted.saturating_sub(billed));
        if billed > lasted + SLACK_MS {
            too_long.push((billed, lasted));
        }
        if billed + TICK_MS + SLACK_MS < lasted {
            too_short.push((billed, lasted));
        }
    }
    let detail = format!("(billed ms, true ms) {too_long:?}");
    checks.check(too_long.is_empty(), "no leg is charged for more than it lasted", detail);
    let what = "no leg loses more than a tick of 5 s";
    let detail = format!("at most {most_lost} ms, (billed ms, true ms) {too_short:?}");
    checks.check(too_short.is_empty(), what, detail);
}

/// Whoever was up when the bridge was killed heard the end of it from the second run.
pub(crate) fn goodbyes(checks: &mut Checks, cast: &Cast, killed: Duration) {
    let up: Vec<_> = cast
        .calls()
        .filter(|call| call.answered_at.is_some() && call.ended_at.is_none_or(|at| at > killed))
        .collect();
    let told = up.iter().filter(|call| call.ending == Some(Ending::ByThem)).count();
    let what = "each phone that was up gets a BYE after the restart";
    checks.check(told == up.len() && told >= 40, what, format_args!("{told} of {}", up.len()));
}

/// The recording opens, and plays to the kill.
pub(crate) fn recording(
    checks: &mut Checks,
    files: &[PathBuf],
    recorder: &Phone,
    killed: Duration,
) -> Result<()> {
    checks.check(files.len() == 1, "the recording is there", files.len());
    let Some(file) = files.first() else { return Ok(()) };
    let confirmed = recorder.log().iter().rev().find(|e| matches!(e.event, Event::KeysSent { .. }));
    let begun = confirmed.map_or(killed, |entry| entry.at);
    let (wave, lasted) = (Wave::open(file)?, killed.saturating_sub(begun));
    let (length, detail) =
        (wave.length(), format!("{:.1?} of {lasted:.1?} before the kill", wave.length()));
    let whole = length + RECORDING_LOSS >= lasted && length <= lasted + Duration::from_secs(1);
    checks.check(whole, "it plays to within 2 s of the kill", detail);
    let last = wave.last(Duration::from_secs(2)).tenths_of(TONE);
    checks.check(last >= 18, "its last two seconds are sound", format_args!("{last} of 20 tenths"));
    Ok(())
}

/// The database filled from the journal anew says the same.
pub(crate) fn rebuilt(checks: &mut Checks, setup: &Setup) -> Result<()> {
    let before = setup.run(&["cdr", "list", "--json", "--full", "--limit", "1000"])?;
    setup.run(&["cdr", "rebuild"])?;
    let after = setup.run(&["cdr", "list", "--json", "--full", "--limit", "1000"])?;
    let what = "the database filled from the journal anew says the same";
    let legs = after.lines().count();
    checks.check(before == after && legs > 0, what, format_args!("{legs} legs"));
    Ok(())
}
