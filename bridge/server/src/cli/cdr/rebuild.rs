//! `partyline cdr rebuild`: the records of the database from the journal, or a database that was
//! lost.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use partyline_cdr_store::Store;
use partyline_cdr_store::folder::FolderParts;
use partyline_cdr_store::journal::FileDisk;
use partyline_cdr_store::rebuild::{Loss, Rebuilt, rebuild};

use super::super::context::Context;
use super::Rebuild;
use crate::config::Config;
use crate::serve::Folders;

/// Exit code when the journal is damaged.
const DAMAGED: u8 = 2;
/// Damaged places named one by one.
const NAMED: usize = 1000;

pub(super) async fn run(context: &mut Context<'_>, how: Rebuild) -> anyhow::Result<ExitCode> {
    let folders = &context.data.folders;
    let (journal, database) = (folders.journal.clone(), folders.database.clone());
    let store = context.store().clone();
    let loss = if how.accept_loss { Loss::Accepted } else { Loss::Refused };
    fill(&store, &database, &journal, loss, context.out).await
}

/// Makes a database that was lost, before anything else opens the folder: no account may be made
/// in it until its numbers are behind those of the records.
pub(super) async fn lost(config: &Config, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    Folders::find(&config.data_dir)?;
    let parts = FolderParts::of(&config.data_dir);
    if !parts.replace_lost_database().await? {
        bail!("the database is there: --new-database is for one that is lost");
    }
    let store = parts.open().await?;
    let code = fill(&store, &parts.database, &parts.journal, Loss::Refused, out).await?;
    let next = store.number_behind_records().await?;
    store.close().await;
    writeln!(
        out,
        "The database is new: accounts, conferences, passcodes, rates and issued invoices were in \
         the old one only. New accounts are numbered from {next}. Issue no invoice before you know \
         the last number of the old series."
    )?;
    Ok(code)
}

async fn fill(
    store: &Store,
    database: &Path,
    journal: &Path,
    loss: Loss,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    // Held until the end: nobody appends while it is read. A folder that is missing stays so.
    let lock = journal.exists().then(|| FileDisk::open(journal)).transpose();
    let lock = lock.context("stop the bridge first")?;
    let done = rebuild(store, database, journal, loss).await?;
    drop(lock);
    report(out, &done)?;
    if !done.replaced {
        bail!(
            "the records in the database stay as they were, since the journal lacks some of them. \
             Put the missing segments back, or replace them nevertheless: \
             partyline cdr rebuild --accept-loss"
        );
    }
    let whole = done.ingested.damaged.is_empty();
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

fn report(out: &mut dyn Write, done: &Rebuilt) -> anyhow::Result<()> {
    let Rebuilt { ingested, lacking, .. } = done;
    writeln!(
        out,
        "{} records taken from the journal, {} repeated, {} conflicting, {} unreadable",
        ingested.added, ingested.repeated, ingested.conflicts, ingested.unknown
    )?;
    for damage in ingested.damaged.iter().take(NAMED) {
        writeln!(out, "damaged: {damage}")?;
    }
    if let Some(more) = ingested.damaged.len().checked_sub(NAMED).filter(|&more| more > 0) {
        writeln!(out, "and {more} more damaged places")?;
    }
    if !ingested.set_aside.is_empty() {
        let octets = ingested.set_aside.iter().map(|damage| damage.octets).sum::<u64>();
        writeln!(
            out,
            "{} places with {octets} octets had been found by a start before; copies are in \
             journal/damaged",
            ingested.set_aside.len()
        )?;
    }
    if !lacking.is_nothing() {
        writeln!(
            out,
            "the database had, and the journal has not: {} legs; of {} more the last revision; in \
             all {} revisions of legs, {} of conferences, {} events",
            lacking.legs,
            lacking.changed_legs,
            lacking.leg_revisions,
            lacking.conference_revisions,
            lacking.features
        )?;
    }
    Ok(())
}
