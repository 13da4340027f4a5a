//! `partyline check-config`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::config::{Config, ConfigError};
use crate::serve::Credentials;

/// Reads a configuration file. Prints FILE:LINE:COLUMN and what to do for each fault (exit code 1),
/// or every setting in effect, as a file that could be used, below what is rarely meant in it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline check-config /etc/partyline.toml
  partyline check-config                       the file of --config, or the defaults
  partyline check-config --example > bridge.toml")]
pub(super) struct CheckConfig {
    /// The file [default: that of --config, or the embedded defaults]
    file: Option<PathBuf>,
    /// Print a file to begin with, which explains every key
    #[arg(long, conflicts_with = "file")]
    example: bool,
}

const EXAMPLE: &str = include_str!("../../config/bridge.example.toml");

impl CheckConfig {
    pub(super) fn run(
        self,
        config: Option<&Path>,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        if self.example {
            out.write_all(EXAMPLE.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        let file = self.file.as_deref().or(config);
        match Config::load(file) {
            Ok(mut config) => {
                // The files of certificates are there when the bridge starts, or it does not.
                if let Err(fault) = Credentials::load(&config.tls) {
                    let file = file.map_or("embedded defaults".into(), Path::to_string_lossy);
                    writeln!(out, "{file}: {fault:#}")?;
                    return Ok(ExitCode::FAILURE);
                }
                // The bridge stops at that when it starts; this may be another machine.
                let unread = config.read_files().err();
                let unread = unread.map(|error| format!("\n# warning: {error:#}\n#"));
                let from = file.map_or("embedded defaults".into(), Path::to_string_lossy);
                // Nor without the passwords and the star codes that it names.
                let mut faults = config.unread_passwords();
                faults.extend(config.star_profiles().err());
                if !faults.is_empty() {
                    for error in faults {
                        writeln!(out, "{from}: {error:#}")?;
                    }
                    return Ok(ExitCode::FAILURE);
                }
                write!(
                    out,
                    "# {from}: no fault.{}{} The settings in effect:\n\n{}",
                    config.warnings.iter().fold(String::new(), |text, warning| {
                        format!("{text}\n# warning: {from}:{warning}\n#")
                    }),
                    unread.unwrap_or_default(),
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
