//! `partyline check-config`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::config::{Config, ConfigError};

/// Reads a configuration file. Prints FILE:LINE:COLUMN and what to do for each fault (exit code 1),
/// or every setting in effect, as a file that could be used.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline check-config /etc/partyline.toml
  partyline check-config                       the file of --config, or the defaults")]
pub(super) struct CheckConfig {
    /// The file [default: that of --config, or the embedded defaults]
    file: Option<PathBuf>,
}

impl CheckConfig {
    pub(super) fn run(
        self,
        config: Option<&Path>,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let file = self.file.as_deref().or(config);
        match Config::load(file) {
            Ok(config) => {
                let from = file.map_or("embedded defaults".into(), Path::to_string_lossy);
                write!(
                    out,
                    "# {from}: no fault. The settings in effect:\n\n{}",
                    config.effective()
                )?;
                Ok(ExitCode::SUCCESS)
            }
            Err(faults @ ConfigError::Faults { .. }) => {
                writeln!(out, "{faults}")?;
                Ok(ExitCode::FAILURE)
            }
            Err(unreadable @ ConfigError::Unreadable { .. }) => Err(unreadable.into()),
        }
    }
}
