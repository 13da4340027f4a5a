//! Where everything lies below the data folder.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use partyline_cdr_store::folder::FolderParts;

/// Where everything lies below the data folder.
pub(crate) struct Folders {
    /// The SQLite file.
    pub(crate) database: PathBuf,
    /// The journal's segments.
    pub(crate) journal: PathBuf,
    /// The keys, to be backed up apart from the rest.
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
    /// `data` holds neither an identity nor a database nor a segment: it is not a data folder,
    /// whatever folders may be in it.
    pub(crate) fn find(data: &Path) -> anyhow::Result<Self> {
        if FolderParts::of(data).is_in_use()? {
            return Ok(Self::below(data));
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
        let folders = Self::below(data);
        for path in [&folders.journal, &folders.keys, &folders.recordings, &folders.brands] {
            DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| {
                format!(
                    "cannot make the folder {}: check data.dir and its permissions",
                    path.display()
                )
            })?;
        }
        Ok(folders)
    }

    fn below(data: &Path) -> Self {
        let FolderParts { database, journal, .. } = FolderParts::of(data);
        Self {
            database,
            journal,
            keys: data.join("keys"),
            recordings: data.join("recordings"),
            brands: data.join("brands"),
        }
    }
}
