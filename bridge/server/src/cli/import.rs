//! `partyline import`: many accounts, conferences, passcodes and dial-in numbers in one
//! transaction, all of them or none.

mod adder;
mod row;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use partyline_cdr_store::admin::{Act, Entry, Strength};
use zeroize::Zeroizing;

use super::context::Context;
use super::refusal::told;
use super::table::{Align, Table, harmless};
use super::{audit, dial_in, reach};
use adder::{Adder, Done};
use row::Row;

/// Add many accounts, conferences, passcodes and dial-in numbers from one CSV file: all, or none.
#[derive(Args, Debug)]
#[command(after_help = COLUMNS)]
pub(super) struct Import {
    /// The CSV file
    file: PathBuf,
    /// Change nothing: say what would be added, and what would be changed from what to what
    #[arg(long)]
    dry_run: bool,
    /// Take passcodes that are easy to guess
    #[arg(long)]
    weak_ok: bool,
    /// Accept that a price becomes tenfold, or a tenth, by another deck, or a prefix of dial_out that
    /// opens several countries
    #[arg(long)]
    yes: bool,
}

const COLUMNS: &str = "\
The first line names the columns, in any order; `kind` says what a row adds, and a row leaves the
columns of other kinds empty. What is empty has the default of the command with the same name.
Rows are taken from the top: a row may name, by name or by number, what an earlier one added.
What is there already is changed to what the row says; columns that it leaves empty stay. An account
is known by its name, a conference by its account and name, a dial-in number by its digits. An
account without a currency takes that of its deck.

kind        columns
account     name, address (lines separated by |), time_zone, currency, country_code, record,
            dial_out (prefixes separated by spaces), dial_out_max, security_passcode,
            reference_number, caller_id, deck
conference  account, name, starts_with, max_legs, announce, enabled, ends_with_moderator,
            moderator, participant (digits of the passcodes; empty: random, printed once)
passcode    conference, role (moderator or participant), passcode (digits; empty: random)
dial_in     number, aliases (separated by spaces), account, access_kind, welcome

--dry-run says what would be added, and of what is there each value that would be another, before
and after; passcodes are told as changed, without digits.

Example, with which two conferences stand by:
  kind,account,name,number,moderator,participant
  account,,Acme,,,
  dial_in,,,14165550123,,
  conference,Acme,Board,,48151623,91827364
  conference,Acme,Sales,,,

A longer one is config/import.example.csv.";

/// What is wrong in a line of the file.
struct Fault {
    line: u64,
    message: String,
}

impl Import {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let shown = self.file.display().to_string();
        let text = std::fs::read(&self.file).with_context(|| format!("{shown}: cannot be read"))?;
        let text = Zeroizing::new(text);
        let (rows, mut faults) = row::read(&text);
        if rows.is_empty() && faults.is_empty() {
            bail!("{shown}: there is nothing to import below the header");
        }
        // Accounts of one reseller mostly have the same list: it is told of once.
        let (mut closed, mut welcomes) = (BTreeSet::new(), BTreeSet::new());
        for (line, row) in &rows {
            match row {
                Row::Account { account, .. } => {
                    let dial_out = &account.entitlements.dial_out;
                    if let Err(error) =
                        partyline_operations::check_reach(&dial_out.prefixes, self.yes)
                    {
                        faults.push(Fault { line: *line, message: told(error).to_string() });
                    }
                    closed.extend(reach::opened(dial_out));
                    closed.extend(reach::left_closed(dial_out));
                }
                Row::DialIn { dial_in, .. } => welcomes.extend(dial_in.welcome.clone()),
                Row::Conference { .. } | Row::Passcode { .. } => {}
            }
        }
        let strength = if self.weak_ok { Strength::WeakOk } else { Strength::Required };
        let mut adder = Adder::new(context, strength, self.yes).await?;
        for (line, row) in rows {
            if let Err(error) = adder.add(line, row).await {
                faults.push(Fault { line, message: format!("{error:#}") });
            }
        }
        let (mut change, done) = adder.done();
        if !faults.is_empty() {
            bail!("nothing was imported:{}", listed(&shown, faults));
        }
        if self.dry_run {
            change.check().await.context("nothing would be imported")?;
            return say_plan(context, change.entries(), &done);
        }
        change.commit_checked().await.context("nothing was imported")?;
        context.say(format_args!(
            "imported {} accounts, {} conferences, {} passcodes, {} dial-in numbers",
            done.accounts, done.conferences, done.passcodes, done.dial_ins
        ))?;
        for closed in &closed {
            context.say(closed)?;
        }
        for welcome in &welcomes {
            dial_in::say_missing(context, Some(welcome))?;
        }
        for changed in &done.changed {
            context.say(format_args!("changed {changed}"))?;
        }
        if done.unchanged > 0 {
            context
                .say(format_args!("{} were there already, as the file has them", done.unchanged))?;
        }
        if done.random.is_empty() {
            return Ok(());
        }
        context.say("Random passcodes; see them again with: partyline passcode show CONFERENCE")?;
        let mut table = Table::new(&[
            ("conference", Align::Right),
            ("name", Align::Left),
            ("role", Align::Left),
            ("passcode", Align::Left),
        ]);
        for (id, name, role, digits) in &done.random {
            let role = role.as_str().to_owned();
            table.row(vec![id.0.to_string(), name.clone(), role, digits.to_string()]);
        }
        context.say(table)
    }
}

/// Says what an import would do, one object after the other and field by field.
fn say_plan(context: &mut Context<'_>, entries: &[Entry], done: &Done) -> anyhow::Result<()> {
    for entry in entries {
        context.say(harmless(audit::title(entry)))?;
        for change in &entry.fields {
            context.say(format_args!("    {}", harmless(audit::change(change))))?;
        }
    }
    let added = entries.iter().filter(|entry| entry.act == Act::Added.as_str()).count();
    context.say(format_args!(
        "{added} would be added, {} changed; {} are there already, as the file has them. Nothing was \
         imported",
        entries.len() - added,
        done.unchanged
    ))
}

/// The faults, by line; lines with the same fault together.
fn listed(file: &str, mut faults: Vec<Fault>) -> String {
    /// Lines that are named beside the first.
    const MOST: usize = 5;
    faults.sort_by_key(|fault| fault.line);
    let mut messages: Vec<(String, Vec<u64>)> = Vec::new();
    let mut known = BTreeMap::<String, usize>::new();
    for Fault { line, message } in faults {
        let at = *known.entry(message.clone()).or_insert_with(|| {
            messages.push((message, Vec::new()));
            messages.len() - 1
        });
        messages[at].1.push(line);
    }
    let mut text = String::new();
    for (message, lines) in messages {
        let (first, rest) =
            lines.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
        text += &format!("\n  {file}:{first}: {message}");
        if !rest.is_empty() {
            let named: Vec<_> = rest.iter().take(MOST).map(ToString::to_string).collect();
            text += &format!(" (also in line {}", named.join(", "));
            if rest.len() > MOST {
                text += &format!(" and {} more", rest.len() - MOST);
            }
            text += ")";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_faults_are_told_once() {
        let fault = |line, message: &str| Fault { line, message: message.to_owned() };
        let mut faults: Vec<_> = (2..102).map(|line| fault(line, "in use")).collect();
        faults.extend([fault(50, "odd"), fault(7, "rare"), fault(9, "rare")]);
        assert_eq!(
            listed("a.csv", faults),
            "\n  a.csv:2: in use (also in line 3, 4, 5, 6, 7 and 94 more)\
             \n  a.csv:7: rare (also in line 9)\n  a.csv:50: odd"
        );
    }
}
