//! The demo's own check: records, invoice, recording and log against what the phones saw.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bridge_tests::real::bridge::Passcodes;
use bridge_tests::real::cast::Cast;
use bridge_tests::real::checks::Checks;
use bridge_tests::real::leak::{Needle, search};
use bridge_tests::real::records::Leg;
use bridge_tests::real::wave::Wave;
use partyline_phones::{CallSummary, Ending, PhoneId};

use crate::bill;
use crate::story::{Callers, REFERENCE, Tones};

/// A record may differ so much from a phone's clock.
const TOLERANCE_MS: u128 = 1000;
/// Of the ten tenths of a second that a talker's tone sounds, so many are whole in the recording.
const TENTHS_HEARD: usize = 7;

/// All that the story expected came.
pub(crate) fn story(checks: &mut Checks, cast: &Cast) {
    let failures: Vec<_> =
        cast.failures().map(|(name, outcome)| format!("{name}: {}", outcome.what)).collect();
    let made = cast.outcomes();
    let detail =
        if failures.is_empty() { format!("{made} of {made}") } else { failures.join("; ") };
    checks.check(failures.is_empty(), "everybody heard what they should and nothing else", detail);
}

/// A leg for each phone, as long as the phone says.
pub(crate) fn records(checks: &mut Checks, cast: &Cast, callers: &Callers, legs: &[Leg]) {
    checks.check(legs.len() == 4, "four calls left four records", legs.len());
    for (name, id) in callers.all() {
        let leg = leg_of(cast, id, legs);
        let talked = call_of(cast, id).and_then(CallSummary::talk_time);
        let (Some(leg), Some(talked)) = (leg, talked) else {
            checks.check(false, format_args!("{name}'s record agrees with the phone"), "missing");
            continue;
        };
        let (billed, true_ms) = (u128::from(leg.duration_ms()), talked.as_millis());
        let detail = format!("{billed} ms billed, {true_ms} ms on the phone's clock");
        let what = format!("{name}'s record is right to a second");
        checks.check(billed.abs_diff(true_ms) <= TOLERANCE_MS, what, detail);
    }
    let ann = leg_of(cast, callers.ann, legs).map_or("none", Leg::id);
    let by = leg_of(cast, callers.dan, legs).map_or("", |leg| leg.text("dialout_by_leg"));
    let what = "the record of the call to Dan names Ann's leg";
    checks.check(by == ann, what, format_args!("{by:?}, hers is {ann:?}"));
    let references: Vec<_> = legs.iter().map(|leg| leg.text("reference_number")).collect();
    let all = references.iter().all(|&reference| reference == REFERENCE);
    checks.check(all, "every record has the reference number", references.join(", "));
}

/// Each phone was hung up on.
pub(crate) fn goodbyes(checks: &mut Checks, cast: &Cast, callers: &Callers) {
    let endings = callers.all().map(|(name, id)| (name, call_of(cast, id).and_then(|c| c.ending)));
    let all = endings.iter().all(|(_, ending)| *ending == Some(Ending::ByThem));
    checks.check(all, "after *99 every phone saw BYE", format_args!("{endings:?}"));
}

/// The total is what the second reckoning says, and all three files are there.
pub(crate) fn invoice(checks: &mut Checks, folder: &Path, legs: &[Leg]) -> Result<()> {
    let files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    let of = |kind: &str| files.iter().find(|path| path.extension().is_some_and(|e| e == kind));
    let json = fs::read_to_string(of("json").context("no invoice")?)?;
    let document: serde_json::Value = serde_json::from_str(&json)?;
    let total = document["total"].as_str().unwrap_or_default();
    let own = bill::total_cents(legs)?;
    let own = format!("{}.{:02}", own / 100, own % 100);
    let what = "the invoice's total is what a second reckoning says";
    checks.check(total == own, what, format_args!("{total} invoiced, {own} reckoned"));
    let of_size = |kind: &str| of(kind).and_then(|path| path.metadata().ok()).map(|m| m.len());
    let (pdf, csv) = (of_size("pdf").unwrap_or(0), of_size("csv").unwrap_or(0));
    let detail = format!("{pdf} and {csv} bytes");
    checks.check(pdf > 1000 && csv > 100, "the invoice is there as PDF and CSV too", detail);
    Ok(())
}

/// The recording holds who was heard, and not who was not.
pub(crate) fn recording(checks: &mut Checks, files: &[PathBuf]) -> Result<()> {
    checks.check(files.len() == 1, "one recording was made", files.len());
    let Some(file) = files.first() else { return Ok(()) };
    let wave = Wave::open(file)?;
    let talkers = [("Ann", Tones::ANN), ("Bo", Tones::BO), ("Cy", Tones::CY), ("Dan", Tones::DAN)];
    for (name, hz) in talkers {
        let tenths = wave.tenths_of(hz);
        let detail = format!("{tenths} tenths of a second of {hz} Hz in {:.0?}", wave.length());
        checks.check(tenths >= TENTHS_HEARD, format_args!("the recording holds {name}"), detail);
    }
    let tenths = wave.tenths_of(Tones::CY_MUTED);
    let detail = format!("{tenths} tenths of a second of {} Hz", Tones::CY_MUTED);
    checks.check(tenths == 0, "the recording does not hold Cy's words while muted", detail);
    Ok(())
}

/// Passcodes are not in the log.
pub(crate) fn log(checks: &mut Checks, log: &Path, codes: &Passcodes) -> Result<()> {
    let length = fs::metadata(log)?.len();
    for (whose, code) in [("moderator", &codes.moderator), ("participant", &codes.participant)] {
        let found = search(&Needle::new(code), &[log.to_path_buf()])?;
        let forms: Vec<_> = found.iter().map(|(_, form)| *form).collect();
        let detail = format!("{} places in {length} bytes {forms:?}", found.len());
        let what = format!("the {whose}'s passcode is nowhere in the log");
        checks.check(found.is_empty() && length > 0, what, detail);
    }
    Ok(())
}

fn call_of(cast: &Cast, id: PhoneId) -> Option<&CallSummary> {
    cast.phone(id).call()
}

/// The record with the phone's Call-ID, calls in and out alike.
fn leg_of<'l>(cast: &Cast, id: PhoneId, legs: &'l [Leg]) -> Option<&'l Leg> {
    let call = call_of(cast, id)?;
    legs.iter().find(|leg| leg.text("sip_call_id") == call.call_id)
}
