//! Where everything lies below the data folder.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Where everything lies below the data folder.
pub(crate) struct Folders {
    /// The SQLite file.
    pub(crate) database: PathBuf,
    /// The journal's segments.
    pub(crate) journal: PathBuf,
    /// The two keys, to be backed up apart from the rest.
    pub(crate) keys: PathBuf,
    /// WAV files.
    pub(crate) recordings: PathBuf,
    /// Welcomes that dial-in numbers may have in place of the neutral one: `NAME.flac`.
    pub(crate) brands: PathBuf,
}

impl Folders {
    /// The folders of `data`, which has been made before.
    ///
    /// # Errors
    /// `data` holds neither a database nor a journal nor keys: it is not a data folder.
    pub(crate) fn find(data: &Path) -> anyhow::Result<Self> {
        let known = ["partyline.db", "journal", "keys"];
        if known.iter().any(|name| data.join(name).exists()) {
            return Self::make(data);
        }
        let whole = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        anyhow::bail!(
            "there is no data in {}: name the right folder with --data or --config, or make \
             this one with `partyline init`",
            whole.display()
        )
    }

    /// Makes what is missing below `data`, readable by nobody else.
    ///
    /// # Errors
    /// The system's, with the folder it is about.
    pub(crate) fn make(data: &Path) -> anyhow::Result<Self> {
        let below = |name: &str| {
            let path = data.join(name);
            DirBuilder::new().recursive(true).mode(0o700).create(&path).with_context(|| {
                format!(
                    "cannot make the folder {}: check data.dir and its permissions",
                    path.display()
                )
            })?;
            anyhow::Ok(path)
        };
        Ok(Self {
            journal: below("journal")?,
            keys: below("keys")?,
            recordings: below("recordings")?,
            brands: below("brands")?,
            database: data.join("partyline.db"),
        })
    }
}
