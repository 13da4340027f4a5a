//! What a run of `partyline invoice` says: the sums, and the calls that it left out.

use std::io::Write;
use std::process::ExitCode;

use partyline_billing::{Invoice as Document, Money, Month, Period, Unrated};
use partyline_export::Printed;
use partyline_model::Uuid;

use crate::cli::context::Context;
use crate::cli::table::{Align, Table};
use crate::cli::times;

/// Exit code when calls could not be rated.
const UNRATED: u8 = 2;
/// Calls without a rate that are named.
const MOST_UNRATED: usize = 20;
/// Texts in letters of no font that are named.
const MOST_NAMES: usize = 10;
/// Calls without an account that are named.
const MOST_UNBILLED: u32 = 5;

pub(super) fn summary(context: &mut Context<'_>, document: &Document) -> anyhow::Result<()> {
    let amount = |money: Money| money.to_fixed(document.decimals);
    let mut table = Table::new(&[
        ("item", Align::Left),
        ("legs", Align::Right),
        ("time", Align::Right),
        ("amount", Align::Right),
    ]);
    for line in &document.lines {
        table.row(vec![
            line.name.to_string(),
            line.legs.to_string(),
            times::clock_time(line.billed_seconds * 1000),
            amount(line.amount),
        ]);
    }
    let sum =
        |label: &str, money| vec![label.to_owned(), String::new(), String::new(), amount(money)];
    table.row(sum("net", document.net));
    for tax in &document.taxes {
        table.row(sum(&tax.label, tax.amount));
    }
    table.row(sum(&format!("total {}", document.currency), document.total));
    let title = document.header.number.as_deref().unwrap_or("draft");
    context.say(format_args!("invoice {title}, {}", document.header.buyer.name))?;
    context.say(table)
}

/// Says on standard error which texts the PDF shows in Latin letters, for want of a font.
pub(super) fn transliterated(printed: &Printed) -> anyhow::Result<()> {
    for text in printed.transliterated.iter().take(MOST_NAMES) {
        writeln!(
            std::io::stderr(),
            "the PDF prints {text:?} in Latin letters: no font of the program has its own; the CSV \
             and JSON files have the text as it is"
        )?;
    }
    let more = printed.transliterated.len().saturating_sub(MOST_NAMES);
    if more > 0 {
        writeln!(std::io::stderr(), "and {more} more texts")?;
    }
    Ok(())
}

/// Says which answered calls of the period no account is billed for.
pub(super) async fn unbilled(
    context: &mut Context<'_>,
    period: &Period,
    month: Month,
) -> anyhow::Result<()> {
    let found = context.store().unbilled(period.from(), period.to(), MOST_UNBILLED).await?;
    if found.legs == 0 {
        return Ok(());
    }
    let ids: Vec<_> = found.first.iter().map(ToString::to_string).collect();
    let more = if found.legs > ids.len() as u64 { ", ..." } else { "" };
    context.say(format_args!(
        "{} answered calls of {month}, {} long together, are billed to no account: no passcode was \
         accepted in them. See them with partyline cdr show: {}{more}",
        found.legs,
        times::clock_time(found.duration_ms),
        ids.join(", ")
    ))
}

/// Names what was left out; nothing is billed at zero in silence.
pub(super) fn unrated(
    context: &mut Context<'_>,
    suspense: &[(Uuid, Unrated)],
) -> anyhow::Result<ExitCode> {
    if suspense.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    context
        .say(format_args!("{} calls have no rate and are not on the invoice:", suspense.len()))?;
    for (leg, reason) in suspense.iter().take(MOST_UNRATED) {
        context.say(format_args!("  {leg}: {reason}"))?;
    }
    if suspense.len() > MOST_UNRATED {
        context.say(format_args!("  and {} more", suspense.len() - MOST_UNRATED))?;
    }
    context.say("Add the rates to the deck (partyline deck add) and run this again.")?;
    Ok(ExitCode::from(UNRATED))
}
