//! `partyline cdr rebuild`: the records of the database from the journal, or a database that was
//! lost.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use partyline_cdr_store::folder::FolderParts;
use partyline_cdr_store::journal::FileDisk;
use partyline_cdr_store::rebuild::{
    Lacking, Loss, Rebuilt, Replaced, rebuild, replace_lost_database,
};
use partyline_cdr_store::{JournalError, Store, StoreError};

use super::super::context::Context;
use super::Rebuild;
use crate::config::Config;
use crate::serve::Folders;

/// Exit code when the journal is damaged or lacks segments.
const DAMAGED: u8 = 2;
/// What to do about a journal that is in use.
const STOP: &str = "stop the bridge first";
/// Damaged places named one by one.
const NAMED: usize = 1000;

pub(super) async fn run(context: &mut Context<'_>, how: Rebuild) -> anyhow::Result<ExitCode> {
    let folders = &context.data.folders;
    let (journal, database) = (folders.journal.clone(), folders.database.clone());
    let store = context.store().clone();
    let loss = if how.accept_loss { Loss::Accepted } else { Loss::Refused };
    fill(&store, &database, &journal, loss, context.out).await
}

/// Makes a database that was lost. Nobody can open it, and make an account in it, before its
/// numbers are behind those of the records.
pub(super) async fn lost(config: &Config, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    Folders::find(&config.data_dir)?;
    let parts = FolderParts::of(&config.data_dir);
    let made = match replace_lost_database(&parts).await {
        Err(error @ StoreError::Journal(JournalError::Locked(_))) => Err(error).context(STOP),
        made => made.map_err(Into::into),
    };
    let Some(Replaced { ingested, next_account }) = made? else {
        bail!("the database is there: --new-database is for one that is lost");
    };
    parts.open().await?.close().await;
    let done = Rebuilt { ingested, lacking: Lacking::default(), replaced: true };
    report(out, &done)?;
    writeln!(
        out,
        "The database is new: accounts, conferences, passcodes, rates and issued invoices were in \
         the old one only. New accounts are numbered from {next_account}. Issue no invoice before \
         you know the last number of the old series: a name of your own for the next one, \
         seller.series, keeps them apart."
    )?;
    Ok(code(&done))
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
    let lock = lock.context(STOP)?;
    let done = rebuild(store, database, journal, loss).await?;
    drop(lock);
    report(out, &done)?;
    if !done.replaced && done.lacking.is_change() && done.ingested.conflicts == 0 {
        bail!(
            "the records in the database stay as they were. The journal has all of them, and its \
             checksums are right: it is the database that is damaged. Take those of the journal: \
             partyline cdr rebuild --accept-loss"
        );
    }
    if !done.replaced {
        bail!(
            "the records in the database stay as they were, since the journal lacks some of them. \
             Put the missing segments back, or replace them nevertheless: \
             partyline cdr rebuild --accept-loss"
        );
    }
    Ok(code(&done))
}

fn code(done: &Rebuilt) -> ExitCode {
    let whole = done.ingested.damaged.is_empty() && done.ingested.missing.is_empty();
    if whole { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) }
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
    for gap in &ingested.missing {
        writeln!(out, "{gap}, and no program removes any: put it back")?;
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
