//! What a run of `partyline invoice` says: the sums, and the calls that it left out.

use std::io::Write;
use std::process::ExitCode;

use partyline_billing::{Invoice as Document, Money, Month, Period, Unrated};
use partyline_export::Printed;
use partyline_model::Uuid;

use crate::cli::context::Context;
use crate::cli::table::{Align, Table};
use crate::cli::times;

/// Exit code when calls could not be rated or may be missing.
const INCOMPLETE: u8 = 2;
/// Places of the journal that are named.
const MOST_PLACES: usize = 20;
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
    let why = match found.legs - found.of_unknown {
        0 => "",
        _ => ": no passcode was accepted in them",
    };
    context.say(format_args!(
        "{} answered calls of {month}, {} long together, are billed to no account{why}. See them \
         with partyline cdr show: {}{more}",
        found.legs,
        times::clock_time(found.duration_ms),
        ids.join(", ")
    ))?;
    if found.of_unknown == 0 {
        return Ok(());
    }
    context.say(format_args!(
        "{} of them were made by {} accounts that this database does not have, the first of them \
         account {}: it is older than its journal, and whoever made them is in a newer one only.",
        found.of_unknown, found.unknown_accounts, found.first_unknown.0
    ))
}

/// Names the places of the journal that calls of the period may be missing from; whether there are
/// any.
pub(super) async fn places(
    context: &mut Context<'_>,
    period: &Period,
    month: Month,
) -> anyhow::Result<bool> {
    let places = context.store().places(period.from(), period.to()).await?;
    if places.is_empty() {
        return Ok(false);
    }
    context.say(format_args!(
        "Calls of {month} may be missing: of the journal, {} places of that time could not be read:",
        places.len()
    ))?;
    for place in places.iter().take(MOST_PLACES) {
        context.say(format_args!("  {place}"))?;
    }
    if places.len() > MOST_PLACES {
        context.say(format_args!("  and {} more", places.len() - MOST_PLACES))?;
    }
    context.say(
        "Put back what is damaged or missing and run partyline cdr rebuild; calls that are found \
         come on the next invoice of the month.",
    )?;
    Ok(true)
}

/// Names what was left out; nothing is billed at zero in silence.
pub(super) fn unrated(
    context: &mut Context<'_>,
    suspense: &[(Uuid, Unrated)],
    places: bool,
) -> anyhow::Result<ExitCode> {
    if suspense.is_empty() {
        return Ok(if places { ExitCode::from(INCOMPLETE) } else { ExitCode::SUCCESS });
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
    Ok(ExitCode::from(INCOMPLETE))
}
