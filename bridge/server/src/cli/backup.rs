//! `partyline backup` and `partyline restore`: a copy of the data folder, and a folder from it.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use partyline_cdr_record::Origin;
use partyline_cdr_store::backup::{self, Copied, Extent};
use partyline_cdr_store::folder::FolderParts;
use partyline_model::Uuid;

use super::context::Context;
use super::invoice;
use crate::clock;
use crate::config::Config;

/// Copy the data folder while the bridge runs
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline backup /srv/backup/2026-11-29
  partyline backup /srv/backup/2026-11-29 --with-recordings

The copy holds the database, the journal and the welcomes of brands, each file with its SHA-256.
Without the keys in DATA/keys no passcode works again: copy that folder once to another place, or
take --with-keys and guard the copy as you would the passcodes themselves.")]
pub(super) struct Backup {
    /// The folder for the copy; it must not exist
    #[arg(value_name = "DIR")]
    target: PathBuf,
    /// Copy the keys of passcodes as well
    #[arg(long)]
    with_keys: bool,
    /// Copy recordings as well
    #[arg(long)]
    with_recordings: bool,
}

/// Make a data folder from a copy that `partyline backup` took
#[derive(Args, Debug)]
#[command(after_help = "Example:
  partyline --data /var/lib/partyline restore /srv/backup/2026-11-29

Every file is checked against its SHA-256 first. The data folder must be missing or empty; nothing
is ever written over. Calls that were up when the copy was taken are closed at the last sign of
life in it.")]
pub(super) struct Restore {
    /// The folder with the copy
    #[arg(value_name = "DIR")]
    backup: PathBuf,
}

/// The disk's own errors are all there are.
fn pass(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn amount(copied: Copied) -> String {
    format!("{} files, {} octets", copied.files, copied.octets)
}

impl Backup {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let extent = Extent { keys: self.with_keys, recordings: self.with_recordings };
        let data = context.config.data_dir.clone();
        let copied = backup::backup(context.store(), &data, &self.target, extent, &mut pass).await;
        let copied = copied.context("there is no backup")?;
        context.say(format_args!("{}: {}", self.target.display(), amount(copied)))?;
        if !self.with_keys {
            let keys = context.data.folders.keys.display().to_string();
            context.say(format_args!(
                "The keys are not in it. Without them no passcode works again: keep a copy of \
                 {keys} in another place."
            ))?;
        }
        Ok(())
    }
}

impl Restore {
    pub(super) async fn run(self, config: &Config, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut boot = [0; 16];
        getrandom::fill(&mut boot).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
        let boot_id = Uuid(u128::from_be_bytes(boot));
        let run = (Origin { node_id: config.node_id, boot_id }, clock::wall());
        let data = &config.data_dir;
        let copied = backup::restore(&self.backup, data, run, &mut pass).await;
        let copied = copied.context("nothing was restored")?;
        writeln!(out, "{}: {}", data.display(), amount(copied))?;
        let store = FolderParts::of(data).open().await?;
        let (last, next) = (store.last_invoices().await?, store.next_account().await?);
        store.close().await;
        let last: Vec<_> = last.iter().map(|(series, n)| invoice::name(series, *n)).collect();
        let last = if last.is_empty() { "none".to_owned() } else { last.join(", ") };
        writeln!(
            out,
            "The last invoice in it: {last}. The next account is {next}. Accounts and invoices of \
             after the copy are not in it: before you go on, put the newer segments of a journal \
             that is left into {}, and issue nothing before you know the last number.",
            data.join("journal").display()
        )?;
        if !copied.keys {
            writeln!(
                out,
                "The keys are not in the backup: put pepper.key and seal.key, mode 0600, into {} \
                 before you go on.",
                data.join("keys").display()
            )?;
        }
        Ok(())
    }
}
