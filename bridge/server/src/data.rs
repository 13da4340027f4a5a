//! Opening the data folder for the commands that read or change it.

use anyhow::Context;
use partyline_cdr_store::Store;
use partyline_cdr_store::folder::FolderParts;
use partyline_cdr_store::keys::Keys;

use crate::config::Config;
use crate::serve::Folders;

/// What is open while a command runs.
pub(crate) struct Data {
    /// The store.
    pub(crate) store: Store,
    /// The keys beside it.
    pub(crate) keys: Keys,
    /// Where everything lies.
    pub(crate) folders: Folders,
}

impl Data {
    /// Opens the data folder of `config`.
    ///
    /// # Errors
    /// There is none: nothing is made. Or the database or a key file cannot be read or trusted.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let folders = Folders::find(&config.data_dir)?;
        let store = store(config).await?;
        // Where there is a database, no key is made.
        let keys = Keys::open_beside(&folders.keys, &folders.database)?;
        Ok(Self { store, keys, folders })
    }

    /// As [`Self::open`], and makes the folder, for its owner only, when it is missing. For `serve`
    /// and `init` alone: any other command in the wrong folder is a slip.
    ///
    /// # Errors
    /// A folder, the database or a key file cannot be made, read or trusted.
    pub(crate) async fn make(config: &Config) -> anyhow::Result<Self> {
        FolderParts::of(&config.data_dir).ensure_usable()?;
        let folders = Folders::make(&config.data_dir)?;
        let keys = Keys::open_beside(&folders.keys, &folders.database)?;
        Ok(Self { store: store(config).await?, keys, folders })
    }
}

async fn store(config: &Config) -> anyhow::Result<Store> {
    let dir = &config.data_dir;
    let opened = FolderParts::of(dir).open().await;
    opened.with_context(|| format!("the data folder {} cannot be used", dir.display()))
}
