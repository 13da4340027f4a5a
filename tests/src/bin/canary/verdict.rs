//! Where the canary was searched for, and what was found.

use std::path::PathBuf;

use anyhow::Result;
use bridge_tests::real::bridge::Setup;
use bridge_tests::real::cast::Cast;
use bridge_tests::real::checks::{Checks, say};
use bridge_tests::real::leak::{Needle, Scan, files_below, search};
use bridge_tests::real::wave::Wave;

use crate::story::Typed;

/// Digits of the canary that must not sound in a row in a recording.
const TELLING: usize = 4;

/// The canary was really set and asked for: what is not typed leaks nowhere.
pub(crate) fn story(checks: &mut Checks, cast: &Cast) {
    let failures: Vec<_> =
        cast.failures().map(|(name, outcome)| format!("{name}: {}", outcome.what)).collect();
    let made = cast.outcomes();
    let detail =
        if failures.is_empty() { format!("{made} of {made}") } else { failures.join("; ") };
    let what = "the passcode was set, refused, asked for and accepted in all three kinds of digits";
    checks.check(failures.is_empty() && made > 0, what, detail);
}

/// While it is asked for it is in memory: a search that does not find it there proves nothing.
pub(crate) fn memory_in_use(checks: &mut Checks, scan: Option<&Scan>) {
    let what = "while it is set, the search finds it in one place of the bridge's memory";
    memory(checks, what, scan, |hits| hits == 1);
}

/// After the last leg the process has forgotten it.
pub(crate) fn memory_afterwards(checks: &mut Checks, scan: Option<&Scan>) {
    let what = "after the last leg it is not in the memory of the bridge";
    memory(checks, what, scan, |hits| hits == 0);
}

fn memory(checks: &mut Checks, what: &str, scan: Option<&Scan>, good: impl Fn(usize) -> bool) {
    match scan {
        Some(Scan { bytes, unreadable, hits }) => {
            let detail = format!(
                "{} KiB read, {} KiB not, found in {hits:?}",
                bytes >> 10,
                unreadable >> 10
            );
            checks.check(good(hits.len()), what, detail);
        }
        None => say(format_args!("SKIP  {what}: this user may not read it (run as root)")),
    }
}

/// Everything below the folder: journal, database with WAL, recordings, keys, log, invoice, output.
pub(crate) fn traces(checks: &mut Checks, setup: &Setup, typed: &Typed) -> Result<()> {
    let below = [setup.folder().to_path_buf()];
    let files = files_below(&below)?;
    for kind in ["journal/", "partyline.db", "recordings/", "bridge.log", "invoice/", "printed.txt"]
    {
        let of_kind = files.iter().filter(|path| path.display().to_string().contains(kind));
        let bytes: u64 = of_kind.filter_map(|path| path.metadata().ok()).map(|m| m.len()).sum();
        let control = search(&Needle::new(&typed.control), &having(&files, kind))?;
        let canary = search(&Needle::new(&typed.canary), &having(&files, kind))?;
        checks.check(
            canary.is_empty() && bytes > 0,
            format_args!("it is not in {kind}"),
            format_args!("{bytes} bytes, {}", places(&canary)),
        );
        // What is printed of a reference number must be found where it belongs.
        if !["recordings/", "bridge.log"].contains(&kind) {
            checks.check(
                !control.is_empty(),
                format_args!("the reference number is in {kind}, and is found"),
                places(&control),
            );
        }
    }
    let everywhere = search(&Needle::new(&typed.canary), &below)?;
    let detail = format!("{} files, {}", files.len(), places(&everywhere));
    checks.check(everywhere.is_empty(), "it is in no file at all", detail);
    let log = std::fs::read_to_string(setup.log())?;
    let below_info = |line: &&str| line.contains(" DEBUG ") || line.contains(" TRACE ");
    let lines = log.lines().filter(below_info).count();
    let what = "the log was open to the lowest level";
    checks.check(lines > 0, what, format_args!("{lines} lines below info"));
    Ok(())
}

fn having(files: &[PathBuf], kind: &str) -> Vec<PathBuf> {
    files.iter().filter(|path| path.display().to_string().contains(kind)).cloned().collect()
}

fn places(found: &[(PathBuf, &'static str)]) -> String {
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let all: Vec<_> = found.iter().map(|(path, form)| format!("{} ({form})", name(path))).collect();
    if all.is_empty() { "nowhere".to_owned() } else { all.join(", ") }
}

/// No key of it sounds in a recording.
pub(crate) fn sound(checks: &mut Checks, files: &[PathBuf], typed: &Typed) -> Result<()> {
    checks.check(files.len() == 3, "every room was recorded", files.len());
    for file in files {
        let (wave, name) = (Wave::open(file)?, file.file_name().unwrap_or_default());
        let keys = wave.digits();
        let parts = typed.canary.as_bytes().windows(TELLING);
        let told = parts.filter(|part| keys.as_bytes().windows(TELLING).any(|k| k == *part));
        checks.check(
            told.count() == 0 && keys.len() < TELLING,
            format_args!("its keys do not sound in {}", name.display()),
            format_args!("{} keys in {:.0?}", keys.len(), wave.length()),
        );
    }
    Ok(())
}
