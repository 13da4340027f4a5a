//! What every administrative command works with.

use std::fmt::Display;
use std::io::Write;

use partyline_cdr_store::Store;
use partyline_cdr_store::keys::Keys;

use crate::config::Config;
use crate::data::Data;
use crate::demo;

/// The configuration, the open data folder and where results go.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) data: Data,
    pub(super) out: &'a mut dyn Write,
}

impl<'a> Context<'a> {
    /// Opens the data folder; without a configuration file an empty one gets the demonstration
    /// account, whose passcodes are printed.
    pub(super) async fn open(config: &'a Config, out: &'a mut dyn Write) -> anyhow::Result<Self> {
        let data = Data::open(config).await?;
        let context = Self { config, data, out };
        if config.file.is_none()
            && let Some(demo) = demo::ensure(&context.data.store, &context.data.keys).await?
        {
            // Results go to standard output, where a program may read them.
            write!(std::io::stderr(), "{}", demo.greeting())?;
        }
        context.out.flush()?;
        Ok(context)
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
