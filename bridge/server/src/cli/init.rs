//! `partyline init`: makes the data folder, so that it can be administered before a first start.

use std::io::Write;
use std::process::ExitCode;

use crate::config::Config;
use crate::data::Data;
use crate::demo;

/// Makes the data folder of `config`; without a configuration file with the demonstration account,
/// whose passcodes are printed. A folder that has data stays as it is.
///
/// # Errors
/// The folder, its database or its keys cannot be made.
pub(super) async fn run(config: &Config, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let data = Data::make(config).await?;
    let folder = std::path::absolute(&config.data_dir)?;
    writeln!(out, "The data folder is {}.", folder.display())?;
    // A bridge that somebody configured begins empty.
    if config.file.is_some() {
        writeln!(out, "Next: partyline account add, conference add and dial-in add, or import.")?;
    } else if let Some(demo) = demo::ensure(&data.store, &data.keys).await? {
        write!(out, "{}", demo.greeting())?;
    }
    data.store.close().await;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
