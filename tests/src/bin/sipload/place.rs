//! The bridge under load: one trunk, one dial-in number, and the processor time that it takes.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bridge_tests::real::bridge::{self, Network, Running, Setup};

use crate::words::Words;

/// The number to dial, of the account that a new data folder has.
pub(crate) const DIAL_IN: &str = "18005550199";
/// Ticks of /proc in a second: the same on every Linux.
const TICKS: f64 = 100.0;

/// A configured bridge and its one trunk.
pub(crate) struct Place {
    pub(crate) setup: Setup,
    pub(crate) carrier: Ipv4Addr,
}

impl Place {
    /// Makes the folder and the configuration; `limits` are further lines of the trunk's.
    pub(crate) fn new(words: &Words, limits: &str) -> Result<Self> {
        let program = match &words.program {
            Some(program) => program.canonicalize()?,
            None => bridge::program()?,
        };
        let network = Network::own();
        let carrier = network.phones();
        let setup = Setup::configured(&words.folder, network.bridge(), program, |setup| {
            format!(
                "[data]\ndir = \"{}\"\n\n[sip]\nlisten = [\"{}\"]\n\n[media]\naddress = \"{}\"\n\n\
                 [http]\nlisten = \"{}\"\n\n[log]\nfilter = \"warn\"\n\n\
                 [[trunk]]\nname = \"carrier\"\nsources = [\"{carrier}/32\"]\nkind = \"carrier\"\n\
                 trusted = true\n{limits}",
                setup.data().display(),
                setup.sip(),
                setup.sip().ip(),
                setup.http(),
            )
        })?;
        Ok(Self { setup, carrier })
    }

    pub(crate) fn start(&self) -> Result<Running> {
        self.setup.start()
    }

    pub(crate) fn carrier(&self) -> IpAddr {
        self.carrier.into()
    }

    /// The metrics that count what was not taken in, and are not 0.
    pub(crate) fn drops(&self) -> Result<String> {
        let page = self.setup.metrics()?;
        let lines = page.lines().filter(|line| {
            let counts = ["dropped", "unwanted", "refused", "limited"];
            !line.starts_with('#')
                && counts.iter().any(|part| line.contains(part))
                && !line.ends_with(" 0")
        });
        Ok(lines.collect::<Vec<_>>().join("; "))
    }
}

/// Keeps every thread of a process on one processor.
pub(crate) fn pin(process: u32, processor: usize) -> Result<()> {
    let done = Command::new("taskset")
        .args(["-a", "-p", "-c", &processor.to_string(), &process.to_string()])
        .output()
        .context("cannot run taskset, of util-linux")?;
    ensure!(done.status.success(), "taskset: {}", String::from_utf8_lossy(&done.stderr).trim());
    Ok(())
}

/// The processor time that a process has used so far, all its threads together.
pub(crate) fn processor_time(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(") ").context("odd /proc/PID/stat")?.1;
    // User and system time are the 14th and 15th field, 12 behind the name.
    let ticks: f64 =
        after_name.split(' ').skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks / TICKS))
}

/// The value that `per_mille` of the sorted `times` do not exceed.
pub(crate) fn percentile(times: &[Duration], per_mille: usize) -> Duration {
    let last = times.len().saturating_sub(1);
    times.get((last * per_mille).div_ceil(1000)).copied().unwrap_or_default()
}
