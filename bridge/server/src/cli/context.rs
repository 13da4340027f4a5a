//! What every administrative command works with.

use std::fmt::Display;
use std::io::Write;

use partyline_cdr_store::Store;
use partyline_cdr_store::keys::Keys;

use crate::config::Config;
use crate::data::Data;

/// The configuration, the open data folder and where results go.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) data: Data,
    pub(super) out: &'a mut dyn Write,
}

impl<'a> Context<'a> {
    /// Opens the data folder, which must be there: a command makes none.
    pub(super) async fn open(config: &'a Config, out: &'a mut dyn Write) -> anyhow::Result<Self> {
        Ok(Self { config, data: Data::open(config).await?, out })
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.data.store.close().await;
        Ok(self.out.flush()?)
    }

    pub(super) fn store(&self) -> &Store {
        &self.data.store
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.data.keys
    }

    /// Prints a line.
    pub(super) fn say(&mut self, line: impl Display) -> anyhow::Result<()> {
        Ok(writeln!(self.out, "{line}")?)
    }
}
