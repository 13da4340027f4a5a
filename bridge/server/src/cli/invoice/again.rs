//! An issued invoice, written again from what was kept of it.

use std::path::Path;

use anyhow::{Context as _, bail};
use partyline_billing::{Month, format};
use partyline_cdr_store::admin::Invoice;
use partyline_directory::Account;

use super::{EXTENSIONS, report, write};
use crate::cli::context::Context;
use crate::cli::files;

/// The number of an invoice as it is printed: `PL-2026-000042`.
pub(in crate::cli) fn name(series: &str, count: u64) -> String {
    format!("{series}-{count:06}")
}

/// Writes the files of the invoice with this printed number.
///
/// # Errors
/// There is none, its bytes are damaged, or the files cannot be written.
pub(super) async fn by_number(
    context: &mut Context<'_>,
    number: &str,
    out: &Path,
) -> anyhow::Result<()> {
    let parts = number.rsplit_once('-').and_then(|(s, count)| Some((s, count.parse().ok()?)));
    let found = match parts {
        Some((series, count)) => context.store().invoice(series, count).await?,
        None => None,
    };
    match found {
        Some(invoice) => one(context, &invoice, out).await,
        None => bail!("no invoice {number:?} was issued; a number looks like PL-2026-000042"),
    }
}

/// Writes the files of all invoices of an account's month; how many there are.
///
/// # Errors
/// As of [`by_number`].
pub(super) async fn of_month(
    context: &mut Context<'_>,
    account: &Account,
    month: Month,
    out: &Path,
) -> anyhow::Result<usize> {
    let mut issued = context.store().invoices(account.id).await?;
    issued.retain(|invoice| invoice.period == month.to_string());
    for invoice in &issued {
        one(context, invoice, out).await?;
    }
    Ok(issued.len())
}

async fn one(context: &mut Context<'_>, invoice: &Invoice, out: &Path) -> anyhow::Result<()> {
    let Invoice { series, number, .. } = invoice;
    let name = name(series, *number);
    context.say(format_args!("{name} was issued before; its files are written again"))?;
    let (mut files, mut lacking) = (Vec::new(), Vec::new());
    for extension in EXTENSIONS {
        let kept = context.store().invoice_file(series, *number, extension).await;
        match kept.with_context(|| format!("{name}.{extension}"))? {
            Some(bytes) => files.push((extension, bytes)),
            None => lacking.push(extension),
        }
    }
    if !lacking.is_empty() {
        made_again(&name, &mut files, &lacking)?;
        context.say(format_args!(
            "{name} was issued by a version that kept its JSON only: {} made from that, without \
             what it does not hold (notes, least charges)",
            lacking.join(" and ")
        ))?;
    }
    write(context, out, &name, &files, files::write_once)
}

/// Makes the files that were not kept from the document that was.
fn made_again(
    name: &str,
    files: &mut Vec<(&'static str, Vec<u8>)>,
    lacking: &[&'static str],
) -> anyhow::Result<()> {
    let Some((_, document)) = files.iter().find(|(extension, _)| *extension == "json") else {
        bail!("invoice {name} was issued and nothing was kept of it");
    };
    let document = format::json::read(document).with_context(|| name.to_owned())?;
    for extension in lacking {
        let bytes = match *extension {
            "pdf" => {
                let printed = partyline_export::invoice(&document)?;
                report::transliterated(&printed)?;
                printed.bytes
            }
            _ => format::csv::charges(&document)?,
        };
        files.push((extension, bytes));
    }
    Ok(())
}
