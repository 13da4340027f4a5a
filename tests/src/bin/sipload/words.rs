//! What this program is told.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// The longest load.
const LONGEST: u64 = 3600;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// OPTIONS outside of calls, as fast as they are answered.
    Options,
    /// Calls at a fixed rate.
    Calls,
    /// Nothing: datagrams are sent back as they come. [`Load::Options`] runs it as its measure.
    Echo,
}

/// What is run, and how long.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) load: Load,
    pub(crate) time: Duration,
    /// Calls a second.
    pub(crate) rate: u32,
    /// From the answer to the BYE.
    pub(crate) hold: Duration,
    /// Where the data folder is made.
    pub(crate) folder: PathBuf,
    /// The program under test, when it is not the one beside this.
    pub(crate) program: Option<PathBuf>,
    /// OPTIONS a second that are wanted.
    pub(crate) wanted: u32,
}

impl Words {
    /// Reads arguments.
    ///
    /// # Errors
    /// One is not known, or out of range.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let load = match words.next().as_deref() {
            Some("options") => Load::Options,
            Some("calls") => Load::Calls,
            Some("echo") => Load::Echo,
            _ => bail!("say which load: options, or calls"),
        };
        let seconds = if load == Load::Calls { 60 } else { 10 };
        let mut read = Self {
            load,
            time: Duration::from_secs(seconds),
            rate: 500,
            hold: Duration::from_secs(1),
            folder: "target/sipload".into(),
            program: None,
            wanted: 40_000,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} wants a value"));
            match word.as_str() {
                "--seconds" => {
                    let seconds = value()?.parse()?;
                    ensure!((1..=LONGEST).contains(&seconds), "--seconds 1 to {LONGEST}");
                    read.time = Duration::from_secs(seconds);
                }
                "--rate" => read.rate = value()?.parse()?,
                "--hold-ms" => read.hold = Duration::from_millis(value()?.parse()?),
                "--folder" => read.folder = value()?.into(),
                "--program" => read.program = Some(value()?.into()),
                "--wanted" => read.wanted = value()?.parse()?,
                other => bail!(
                    "{other:?} is not known; there are --seconds, --rate, --hold-ms, --folder, \
                     --program and --wanted"
                ),
            }
        }
        ensure!((1..=5000).contains(&read.rate), "--rate 1 to 5000");
        Ok(read)
    }
}
