//! Runs sipp: one scenario against the bridge, bounded in time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::child::Running;
use crate::place::{DIAL_IN, Place};

/// After its own time-out sipp ends by itself; this is for when it does not.
const GRACE: Duration = Duration::from_secs(10);

/// What sipp runs.
pub(crate) struct Scenario {
    /// A file of `tests/interop/sipp`, or sipp's own caller without.
    pub(crate) file: Option<&'static str>,
    /// Calls, and how many begin in a second.
    pub(crate) calls: u32,
    pub(crate) rate: u32,
    /// The number dialled, where it is not the conference's.
    pub(crate) number: Option<&'static str>,
    /// More options of sipp.
    pub(crate) options: &'static [&'static str],
    /// Seconds for all of it.
    pub(crate) limit: u32,
}

impl Scenario {
    /// One call by a scenario file of ours.
    pub(crate) const fn ours(file: &'static str) -> Self {
        let file = Some(file);
        Self { file, calls: 1, rate: 1, number: None, options: &[], limit: 20 }
    }

    /// Calls by the scenario that sipp brings along.
    pub(crate) const fn own(calls: u32, rate: u32) -> Self {
        Self { file: None, calls, rate, number: None, options: &["-d", "1000"], limit: 40 }
    }
}

/// Places the calls and waits for their end. Their Call-IDs begin with `name`; the media port of
/// scenarios that have one is `ear`.
///
/// # Errors
/// sipp counts a failed call, or is not done in time.
pub(crate) fn run(
    place: &Place,
    name: &str,
    scenario: &Scenario,
    folder: &Path,
    ear: Option<u16>,
) -> Result<()> {
    let phones = place.phones.to_string();
    let messages = folder.join("messages.log");
    let mut command = Command::new("sipp");
    command.current_dir(folder).arg(place.bridge.sip().to_string());
    match scenario.file {
        Some(file) => command.arg("-sf").arg(scenarios().join(file).with_extension("xml")),
        None => command.args(["-sn", "uac"]),
    };
    command
        .args(["-i", &phones, "-p", &place.port(0)?.to_string()])
        .args(["-mi", &phones, "-mp", &place.port(2)?.to_string()])
        .args(["-s", scenario.number.unwrap_or(DIAL_IN)])
        .args(["-cid_str", &format!("{name}-%u-%p@%s")])
        .args(["-m", &scenario.calls.to_string(), "-r", &scenario.rate.to_string()])
        .args(["-timeout", &scenario.limit.to_string(), "-timeout_error", "-nostdin"])
        .args(["-trace_msg", "-message_file"])
        .arg(&messages)
        .args(["-trace_err", "-error_file"])
        .arg(folder.join("errors.log"))
        .args(scenario.options);
    if let Some(port) = ear {
        command.args(["-key", "ear", &port.to_string()]);
    }
    let mut sipp = Running::start("sipp", &mut command, &folder.join("sipp.log"))?;
    let status = sipp.wait(Duration::from_secs(scenario.limit.into()) + GRACE)?;
    if status.success() {
        return Ok(());
    }
    let errors = std::fs::read_to_string(folder.join("errors.log")).unwrap_or_default();
    // Below a heading, each with two spellings of its time.
    let first = errors.lines().nth(1).and_then(|line| line.rsplit('\t').next());
    bail!("sipp: {status}: {}", first.unwrap_or("no call succeeded"))
}

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/sipp")
}
