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
    /// Opens the data folder of `config`, and makes it, for its owner only, when it is missing.
    ///
    /// # Errors
    /// A folder, the database or a key file cannot be made, read or trusted.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let folders = Folders::make(&config.data_dir)?;
        let keys = Keys::open(&folders.keys)?;
        let store = FolderParts::of(&config.data_dir).open().await.with_context(|| {
            format!("the data folder {} cannot be used", config.data_dir.display())
        })?;
        Ok(Self { store, keys, folders })
    }
}
