//! `partyline invoice`: a month of an account, rated, frozen and written.
//!
//! The files of an issued invoice are kept as bytes in the commit that gives it its number, and
//! are written from there ever after. Nothing is locked while calls are rated and pages are set.
//! Calls that could not be rated, or that ended later, come on the account's next invoice of that
//! month.

mod again;
mod report;

pub(super) use again::name;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::Span;
use partyline_billing::{
    ChargeKind, Currency, Header, Invoice as Document, Month, Party, Period, Tally, format,
};
use partyline_cdr_store::StoreError;
use partyline_cdr_store::admin::NewInvoice;
use partyline_cdr_store::ingest::Ingest;
use partyline_directory::Account;
use partyline_model::{Uuid, WallTime};
use partyline_operations::plans;

use super::context::{Context, LAG_PATIENCE};
use super::refusal::told;
use super::{files, lookup, times};
use crate::clock;
use crate::config::Seller;

/// How often the files are made again because other invoices took their number.
const TRIES: usize = 10;

/// Rate a month of an account and write its invoice as PDF, CSV and JSON.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline invoice --account Demo --month 2026-11 --out invoices --draft
  partyline invoice --account 'Harbour & Pine LLP' --month 2026-10 --out /srv/invoices
  partyline invoice --again PL-2026-000042 --out /srv/invoices

A call belongs to the month in which it ended, in the account's time zone, and is priced by the plan
and the version of the deck that were in force when it was answered. An issued invoice is kept as
the bytes of its files; --again writes them, whatever has changed since, and so does the first
command once there is nothing new. Over 2,000 calls the PDF is a summary: the calls are in the CSV.
Exit code 2: calls without a rate were left out; they are named, and come on the next invoice once
the deck has a rate for them. Or calls may be missing: places of the journal that could not be read
are named.")]
pub(super) struct Invoice {
    /// The number or name of the account
    #[arg(long, required_unless_present = "again")]
    account: Option<String>,
    /// The month, such as 2026-11
    #[arg(long, required_unless_present = "again")]
    month: Option<Month>,
    /// The folder for the files; made when missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// No number, nothing frozen: to look at
    #[arg(long)]
    draft: bool,
    /// Issue although the month is not over; what ends later comes on another invoice
    #[arg(long, conflicts_with = "draft")]
    interim: bool,
    /// Write the files of this issued invoice again, byte for byte
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["account", "month", "draft", "interim"])]
    again: Option<String>,
}

/// Who sends the invoice, to whom, and for when.
struct Parties {
    account: Account,
    address: Vec<String>,
    seller: Seller,
    period: Period,
}

/// The extensions of an invoice's files.
const EXTENSIONS: [&str; 3] = ["pdf", "csv", "json"];

/// The files of an invoice, by their extension.
type Files = [(&'static str, Vec<u8>); 3];

impl Invoice {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
        if let Some(number) = &self.again {
            make_folder(&self.out)?;
            again::by_number(context, number, &self.out).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let (Some(account), Some(month)) = (self.account.as_deref(), self.month) else {
            bail!("say which: --account and --month, or --again NUMBER");
        };
        let now = clock::wall();
        ensure_whole(context).await?;
        let parties = Parties::read(context, account, month).await?;
        let over = parties.period.to() <= now;
        if !over && !self.draft && !self.interim {
            bail!(
                "{month} is not over in {}: look at it with --draft, or issue what there is with \
                 --interim",
                parties.account.time_zone
            );
        }
        make_folder(&self.out)?;
        let (mut invoices, suspense) = rated(context, &parties, now).await?;
        if self.draft {
            if invoices.is_empty() {
                invoices.push(parties.empty(now)?);
            }
            for invoice in &invoices {
                let mut name = format!("draft-{}-{month}", parties.account.id.0);
                if invoices.len() > 1 {
                    name = format!("{name}-{}", invoice.currency);
                }
                write(context, &self.out, &name, &files_of(invoice)?, files::write_whole)?;
                report::summary(context, invoice)?;
            }
        } else if invoices.is_empty() {
            let written = again::of_month(context, &parties.account, month, &self.out).await?;
            if written == 0 {
                context.say(format_args!(
                    "account {:?} has nothing to be invoiced in {month}",
                    parties.account.name
                ))?;
            }
        }
        if !self.draft {
            for invoice in invoices {
                let (name, invoice, files) =
                    issue(context, &parties, month, invoice, now, &self.out).await?;
                report::summary(context, &invoice)?;
                write(context, &self.out, &name, &files, files::write_once).with_context(|| {
                    format!(
                        "invoice {name} is issued; write its files again: partyline invoice \
                         --again {name} --out DIR"
                    )
                })?;
            }
        }
        report::unbilled(context, &parties.period, month).await?;
        let places = report::places(context, &parties.period, month).await?;
        report::unrated(context, &suspense, places)
    }
}

fn make_folder(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))
}

/// What can be invoiced, one invoice for each currency; and what has no rate.
async fn rated(
    context: &Context<'_>,
    parties: &Parties,
    now: WallTime,
) -> anyhow::Result<(Vec<Document>, Vec<(Uuid, partyline_billing::Unrated)>)> {
    let (store, account) = (context.store(), parties.account.id);
    let (from, to) = (parties.period.from(), parties.period.to());
    let sound = store.ensure_sound().await;
    sound.context("nothing is invoiced from what may have changed")?;
    let plans = plans(store, parties.account.rate_plan, from).await.map_err(told)?;
    let mut tally = Tally::new(parties.period.clone(), &plans);
    store.uninvoiced_legs(account, from, to, |leg| tally.add(leg)).await?;
    let conferences = if tally.conferences().is_empty() {
        BTreeMap::new()
    } else {
        store.sessions_of_legs(account, from, to).await?
    };
    let suspense = tally.suspense().to_vec();
    Ok((tally.invoices(&parties.header(now), &conferences), suspense))
}

/// Freezes an invoice under the next number of its series, with its files.
async fn issue(
    context: &Context<'_>,
    parties: &Parties,
    month: Month,
    mut invoice: Document,
    now: WallTime,
    out: &Path,
) -> anyhow::Result<(String, Document, Files)> {
    let store = context.store();
    let series = format!("{}-{}", parties.seller.series, invoice.header.issued.year());
    let charges = charges(&invoice);
    for _ in 0..TRIES {
        // The files print the number, so they are made for the one that comes next; should
        // somebody else take it meanwhile, they are made again. Nobody waits for a page.
        let next = store.next_invoice_number(&series).await?;
        let name = name(&series, next);
        refuse_known(out, &name)?;
        invoice.header.number = Some(name.clone());
        let files = files_of(&invoice)?;
        let new = NewInvoice {
            series: &series,
            number: next,
            account: parties.account.id,
            period: &month.to_string(),
            issued_at: now,
            charges: &charges,
            files: &files,
        };
        let mut change = context.operations().change().await?;
        match change.issue_invoice(&new).await {
            Ok(_) => {
                change.commit().await?;
                return Ok((name, invoice, files));
            }
            Err(StoreError::Number { .. }) => {}
            Err(StoreError::Duplicate(_)) => {
                bail!("another invoice took some of these calls just now; run it again")
            }
            Err(error) => return Err(error.into()),
        }
    }
    bail!("other invoices are being issued all the time; run it again")
}

/// The files of a number that was never issued are nowhere, unless a database of before did.
fn refuse_known(out: &Path, name: &str) -> anyhow::Result<()> {
    let there = EXTENSIONS.iter().map(|extension| out.join(format!("{name}.{extension}")));
    let Some(there) = there.into_iter().find(|path| path.exists()) else { return Ok(()) };
    bail!(
        "{} is there: invoice {name} was issued before, and this database does not know of it. Was \
         it restored from an older backup? Nothing was issued. Calls on invoices that it does not \
         know would be billed twice; for new ones, seller.series keeps their numbers apart",
        there.display()
    )
}

impl Parties {
    async fn read(context: &Context<'_>, account: &str, month: Month) -> anyhow::Result<Self> {
        let store = context.store();
        let account = lookup::account(store, account).await?;
        if store.deck(account.rate_plan).await?.is_none() {
            bail!(
                "account {:?} has no rate deck; give it one: partyline deck use {} DECK",
                account.name,
                account.id.0
            );
        }
        let address = store.account_address(account.id).await?;
        Ok(Self {
            address: address.lines().map(str::to_owned).collect(),
            seller: context.config.seller.clone(),
            period: Period::new(month, &account.time_zone)?,
            account,
        })
    }

    /// What stands on an invoice that is issued at `now`, without its number.
    fn header(&self, now: WallTime) -> Header {
        let issued = times::date(now, &self.account.time_zone);
        let terms = Span::new().days(i64::from(self.seller.terms_days));
        Header {
            number: None,
            issued,
            due: issued.saturating_add(terms),
            period: self.period.clone(),
            seller: self.seller.party.clone(),
            buyer: Party {
                name: self.account.name.clone(),
                address: self.address.clone(),
                tax_id: None,
            },
            taxes: self.seller.taxes.clone(),
            notes: self.seller.notes.clone(),
        }
    }

    /// An invoice over nothing.
    fn empty(&self, now: WallTime) -> anyhow::Result<Document> {
        let Some(currency) = Currency::from_code(&self.account.currency) else {
            bail!("account {:?} has no known currency", self.account.name);
        };
        let plans = partyline_billing::Plans::new(0);
        let tally = Tally::new(self.period.clone(), &plans);
        Ok(tally.invoice(self.header(now), currency, &BTreeMap::new()))
    }
}

/// Calls that wait in the journal would be missing: takes them, or waits for the bridge to.
async fn ensure_whole(context: &Context<'_>) -> anyhow::Result<()> {
    let ingest = Ingest::new(context.store().clone(), &context.data.folders.journal);
    let done = ingest.ensure_caught_up(LAG_PATIENCE).await;
    done.context("nothing is invoiced while calls may be missing")
}

/// The charges on an invoice, by leg and name: each can stand on one invoice.
fn charges(document: &Document) -> Vec<(Uuid, Cow<'static, str>)> {
    let legs = document.sessions.iter().flat_map(|session| &session.legs);
    legs.flat_map(|leg| {
        leg.charges.iter().map(|charge| match charge.kind {
            ChargeKind::Bridge | ChargeKind::LongDistance => {
                (leg.leg_id, Cow::Borrowed(charge.kind.as_str()))
            }
            ChargeKind::Feature => (leg.leg_id, Cow::Owned(format!("feature {}", charge.name))),
        })
    })
    .collect()
}

/// The files of an invoice. Says which names the PDF could not print as they are.
fn files_of(document: &Document) -> anyhow::Result<Files> {
    let printed = partyline_export::invoice(document)?;
    report::transliterated(&printed)?;
    Ok([
        ("pdf", printed.bytes),
        ("csv", format::csv::charges(document)?),
        ("json", format::json::invoice(document)?),
    ])
}

fn write(
    context: &mut Context<'_>,
    dir: &Path,
    name: &str,
    files: &[(&'static str, Vec<u8>)],
    put: fn(&Path, &str, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut written = Vec::new();
    for (extension, bytes) in files {
        let file = format!("{name}.{extension}");
        put(dir, &file, bytes)?;
        written.push(dir.join(file).display().to_string());
    }
    context.say(format_args!("written: {}", written.join(", ")))
}
