//! What every administrative command works with.

use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

use partyline_cdr_store::Store;
use partyline_cdr_store::keys::Keys;
use partyline_operations::{Actor, Operations};

use super::who;
use crate::clock;
use crate::config::Config;
use crate::data::Data;

/// How long a running bridge may take to fill the database with what it has in the journal.
pub(super) const LAG_PATIENCE: Duration = Duration::from_secs(10);

/// The configuration, the open data folder and where results go.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) data: Data,
    pub(super) out: &'a mut dyn Write,
    actor: Actor,
}

impl<'a> Context<'a> {
    /// Opens the data folder, which must be there: a command makes none.
    pub(super) async fn open(config: &'a Config, out: &'a mut dyn Write) -> anyhow::Result<Self> {
        Ok(Self { config, data: Data::open(config).await?, out, actor: who::actor() })
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.data.store.close().await;
        Ok(self.out.flush()?)
    }

    pub(super) fn store(&self) -> &Store {
        &self.data.store
    }

    /// What is done with the data folder, by who runs the command.
    pub(super) fn operations(&self) -> Operations<'_> {
        let journal = &self.data.folders.journal;
        Operations::new(self.store(), self.keys(), journal, &self.actor, clock::wall())
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.data.keys
    }

    /// Prints a line.
    pub(super) fn say(&mut self, line: impl Display) -> anyhow::Result<()> {
        Ok(writeln!(self.out, "{line}")?)
    }
}
