//! `partyline audit`: who changed what, and whether the log of it is what was written.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use partyline_cdr_store::admin::{Audited, Break, Entry, FieldChange};
use serde_json::json;

use super::context::Context;
use super::table::harmless;
use super::{lookup, times};

/// Who changed accounts, conferences, passcodes, numbers and rates, and when.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// List the changes, the oldest first: when, who, what, before and after
    List(List),
    /// Hold the log against its hashes, and say where it was changed
    Verify(Verify),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline audit list --account Demo
  partyline audit list --json | jq 'select(.kind == \"conference\" and .act == \"removed\")'")]
pub(super) struct List {
    /// Of what belongs to this account only
    #[arg(long)]
    account: Option<String>,
    /// Print a JSON object for each entry, one a line
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Each entry has the hash of the one before in its own: an entry that was changed, removed or put in
is found. Who may write the database could write all hashes anew: keep the hash that this prints in
another place, and have it looked for later with --noted.")]
pub(super) struct Verify {
    /// A hash that was printed before, and must still be in the log
    #[arg(long, value_name = "HASH", value_parser = hash)]
    noted: Option<Hash>,
}

/// A hash as it is printed.
type Hash = [u8; 32];

fn hash(text: &str) -> Result<Hash, &'static str> {
    let wrong = "expected 64 hexadecimal digits, as partyline audit verify prints them";
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err(wrong);
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong)?;
    }
    Ok(hash)
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl AuditCommand {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(list) => list.run(context).await?,
            Self::Verify(verify) => verify.run(context).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let account = match &self.account {
            Some(account) => Some(lookup::account(context.store(), account).await?.id),
            None => None,
        };
        let mut after = 0;
        loop {
            let page = context.store().audit(after, account).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.seq;
            for audited in &page {
                if self.json {
                    writeln!(context.out, "{}", object(audited))?;
                } else {
                    print(context, audited)?;
                }
            }
        }
    }
}

fn object(audited: &Audited) -> serde_json::Value {
    let Audited { seq, at, via, actor, entry, before, hash } = audited;
    let Entry { account, kind, object, name, act, fields } = entry;
    let changes: Vec<_> = fields
        .iter()
        .map(|FieldChange { field, before, after }| {
            json!({ "field": field, "before": before, "after": after })
        })
        .collect();
    json!({
        "seq": seq, "at": at.to_string(), "via": via, "actor": actor,
        "account": account.map(|id| id.0), "kind": kind, "id": object, "name": name, "act": act,
        "changes": changes, "hash_before": hex(before), "hash": hex(hash),
    })
}

fn print(context: &mut Context<'_>, audited: &Audited) -> anyhow::Result<()> {
    let Audited { seq, at, via, actor, entry, .. } = audited;
    let (at, title) = (times::local(*at, "UTC"), title(entry));
    let line = harmless(format!("{seq}  {at}  {actor} ({via})  {title}"));
    context.say(line)?;
    for change in &entry.fields {
        context.say(format_args!("    {}", harmless(self::change(change))))?;
    }
    Ok(())
}

/// What an entry is about: `conference 2 "Weekly review" changed`.
pub(super) fn title(entry: &Entry) -> String {
    let Entry { kind, object, name, act, .. } = entry;
    let kind = match &**kind {
        "dial_in" => "dial-in number",
        other => other,
    };
    let act = if act == "shown" { "passcodes shown" } else { act };
    if name.is_empty() {
        format!("{kind} {object} {act}")
    } else {
        format!("{kind} {object} {name:?} {act}")
    }
}

/// What is otherwise: `max_legs: 100 → 40`.
pub(super) fn change(change: &FieldChange) -> String {
    let text = |value: &Option<String>| match value {
        Some(text) => text.replace('\n', ", "),
        None => "none".to_owned(),
    };
    format!("{}: {} → {}", change.field, text(&change.before), text(&change.after))
}

impl Verify {
    async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let found = context.store().verify_audit(self.noted).await?;
        if !found.breaks.is_empty() {
            let breaks = found.breaks.iter().map(|at| match at {
                Break::Missing { from, to } if from == to => format!("\n  entry {from} is missing"),
                Break::Missing { from, to } => format!("\n  entries {from} to {to} are missing"),
                Break::Changed(seq) => format!("\n  entry {seq} is not what was written"),
                Break::Unlinked(seq) => format!("\n  entry {seq} does not follow the one before"),
            });
            bail!(
                "the audit log was changed, or the disk has damaged it:{}\n\
                 Hold it against a backup: partyline restore BACKUP, with --data for another folder",
                breaks.collect::<String>()
            );
        }
        if let (Some(noted), None) = (&self.noted, found.noted) {
            bail!(
                "the audit log holds together, but no entry has the hash {}: it was written anew, \
                 or the data folder was restored from a backup of before",
                hex(noted)
            );
        }
        let Some(last) = &found.last else { return context.say("the audit log is empty") };
        context.say(format_args!(
            "the audit log holds together: {} entries, the last has the hash {}",
            found.entries,
            hex(last)
        ))?;
        if let Some(seq) = found.noted {
            context.say(format_args!("Entry {seq} has the hash that was noted"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_printed() {
        let all: Hash = std::array::from_fn(|n| u8::try_from(n * 8).unwrap());
        assert_eq!(hash(&hex(&all)), Ok(all));
        for text in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert!(hash(text).is_err(), "{text}");
        }
    }
}
