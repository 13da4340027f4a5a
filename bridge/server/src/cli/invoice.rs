//! `partyline invoice`: a month of an account, rated, frozen and written.
//!
//! An issued invoice is frozen in the commit that gives it its number; its files come after, and
//! the same command writes them again. Calls that could not be rated, or that ended later, come on
//! the account's next invoice of that month.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::Span;
use partyline_billing::{
    ChargeKind, Deck, Header, Invoice as Document, Money, Month, Party, Period, format,
};
use partyline_cdr_record::{ConferenceRecord, LegRecord};
use partyline_cdr_store::StoreError;
use partyline_cdr_store::admin::{Invoice as Issued, NewInvoice};
use partyline_cdr_store::ingest::Ingest;
use partyline_directory::Account;
use partyline_model::{Uuid, WallTime};

use super::context::Context;
use super::table::{Align, Table};
use super::{deck, files, lookup, times};
use crate::clock;
use crate::config::Seller;

/// Exit code when calls could not be rated.
const UNRATED: u8 = 2;
/// How long a running bridge may take to fill the database with what it has in the journal.
const LAG_PATIENCE: Duration = Duration::from_secs(10);

/// Rate a month of an account and write its invoice as PDF, CSV and JSON.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline invoice --account Demo --month 2026-11 --out invoices --draft
  partyline invoice --account 'Harbour & Pine LLP' --month 2026-10 --out /srv/invoices

A call belongs to the month in which it ended, in the account's time zone. The same command writes
the files of an issued invoice again. Exit code 2: calls without a rate were left out; they are
named, and come on the next invoice once the deck has a rate for them.")]
pub(super) struct Invoice {
    /// The number or name of the account
    #[arg(long)]
    account: String,
    /// The month, such as 2026-11
    #[arg(long)]
    month: Month,
    /// The folder for the files; made when missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// No number, nothing frozen: to look at
    #[arg(long)]
    draft: bool,
    /// Issue although the month is not over; what ends later comes on another invoice
    #[arg(long, conflicts_with = "draft")]
    interim: bool,
}

/// Everything that an invoice is made from.
struct Sources {
    account: Account,
    address: Vec<String>,
    seller: Seller,
    period: Period,
    deck: Deck,
    legs: Vec<LegRecord>,
    conferences: Vec<ConferenceRecord>,
}

impl Invoice {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
        let now = clock::wall();
        ensure_whole(context).await?;
        let mut sources = Sources::read(context, &self.account, self.month).await?;
        let over = sources.period.to() <= now;
        if !over && !self.draft && !self.interim {
            bail!(
                "{} is not over in {}: look at it with --draft, or issue what there is with \
                 --interim",
                self.month,
                sources.account.time_zone
            );
        }
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("{} cannot be made", self.out.display()))?;
        let invoiced = context.store().invoiced_legs(sources.account.id).await?;
        let all = std::mem::take(&mut sources.legs);
        let (before, new): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|leg| invoiced.contains_key(&leg.leg_id));
        sources.legs = new;
        let draft = sources.document(None, now);
        let is_empty = draft.lines.is_empty();
        if self.draft {
            let name = format!("draft-{}-{}", sources.account.id.0, self.month);
            write_files(context, &self.out, &name, &draft)?;
        } else if is_empty && !before.is_empty() {
            self.write_again(context, &mut sources, before).await?;
        } else if is_empty {
            context.say(format_args!(
                "account {:?} has nothing to be invoiced in {}",
                sources.account.name, self.month
            ))?;
        } else {
            // A page that cannot be set must not cost a number.
            partyline_export::invoice(&draft)?;
            let (issued, document) = self.issue(context, &sources, now).await?;
            write_files(context, &self.out, &number(&issued.series, issued.number), &document)?;
        }
        report_unrated(context, &draft)
    }

    /// Freezes the invoice under the next number of its series.
    async fn issue(
        &self,
        context: &Context<'_>,
        sources: &Sources,
        now: WallTime,
    ) -> anyhow::Result<(Issued, Document)> {
        let issued_on = times::date(now, &sources.account.time_zone);
        let series = format!("{}-{}", sources.seller.series, issued_on.year());
        let draft = sources.document(None, now);
        let charges = charges(&draft);
        let charges: Vec<_> = charges.iter().map(|(leg, name)| (*leg, name.as_str())).collect();
        let period = self.month.to_string();
        let new = NewInvoice {
            series: &series,
            account: sources.account.id,
            period: &period,
            issued_at: now,
            charges: &charges,
        };
        let mut document = draft;
        let mut change = context.store().change().await?;
        let issued = change.issue_invoice(&new, |next| {
            document = sources.document(Some(number(&series, next)), now);
            format::json::invoice(&document)
        });
        let issued = match issued.await {
            Err(StoreError::Duplicate(_)) => {
                bail!("another invoice took some of these calls just now; run it again")
            }
            other => other?,
        };
        change.commit().await?;
        Ok((issued, document))
    }

    /// Writes the files of the month's issued invoices from the records, which must still say what
    /// was frozen.
    async fn write_again(
        &self,
        context: &mut Context<'_>,
        sources: &mut Sources,
        legs: Vec<LegRecord>,
    ) -> anyhow::Result<()> {
        let invoiced = context.store().invoiced_legs(sources.account.id).await?;
        let on: BTreeSet<_> =
            legs.iter().filter_map(|leg| invoiced.get(&leg.leg_id).cloned()).collect();
        for (series, count) in on {
            let name = number(&series, count);
            let Some(issued) = context.store().invoice(&series, count).await? else {
                bail!("invoice {name} is named by its calls and is not there");
            };
            let here = (series, count);
            let its = legs.iter().filter(|leg| invoiced.get(&leg.leg_id) == Some(&here));
            sources.legs = its.cloned().collect();
            let document = sources.document(Some(name.clone()), issued.issued_at);
            if format::json::invoice(&document) != issued.document {
                bail!(
                    "invoice {name} was issued with other content: the seller, the account, the \
                     deck or the records have changed since; its files are not written again"
                );
            }
            context.say(format_args!("{name} was issued before; its files are written again"))?;
            write_files(context, &self.out, &name, &document)?;
        }
        Ok(())
    }
}

impl Sources {
    async fn read(context: &Context<'_>, account: &str, month: Month) -> anyhow::Result<Self> {
        let store = context.store();
        let account = lookup::account(store, account).await?;
        let Some(stored) = store.deck(account.rate_plan).await? else {
            bail!(
                "account {:?} has no rate deck; give it one: partyline deck use {} DECK",
                account.name,
                account.id.0
            );
        };
        let period = Period::new(month, &account.time_zone)?;
        let legs = store.closed_legs(account.id, period.from(), period.to()).await?;
        let mut conferences = Vec::new();
        for id in legs.iter().filter_map(|leg| leg.conf_id).collect::<BTreeSet<_>>() {
            conferences.extend(store.session(id).await?);
        }
        let address = store.account_address(account.id).await?;
        Ok(Self {
            address: address.lines().map(str::to_owned).collect(),
            seller: context.config.seller.clone(),
            period,
            deck: deck::parse(&stored)?,
            legs,
            conferences,
            account,
        })
    }

    /// The invoice over the legs, dated `now`.
    fn document(&self, number: Option<String>, now: WallTime) -> Document {
        let issued = times::date(now, &self.account.time_zone);
        let terms = Span::new().days(i64::from(self.seller.terms_days));
        let header = Header {
            number,
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
        };
        Document::build(header, &self.legs, &self.conferences, &self.deck)
    }
}

/// Calls that wait in the journal would be missing: takes them, or waits for the bridge to.
async fn ensure_whole(context: &Context<'_>) -> anyhow::Result<()> {
    let ingest = Ingest::new(context.store().clone(), &context.data.folders.journal);
    let done = ingest.ensure_caught_up(LAG_PATIENCE).await;
    done.context("nothing is invoiced while calls may be missing")
}

fn number(series: &str, count: u64) -> String {
    format!("{series}-{count:06}")
}

/// The charges on an invoice, by leg and name: each can stand on one invoice.
fn charges(document: &Document) -> Vec<(Uuid, String)> {
    let legs = document.sessions.iter().flat_map(|session| &session.legs);
    legs.flat_map(|leg| {
        leg.charges.iter().map(|charge| match charge.kind {
            ChargeKind::Bridge | ChargeKind::LongDistance => {
                (leg.leg_id, charge.kind.as_str().to_owned())
            }
            ChargeKind::Feature => (leg.leg_id, format!("feature {}", charge.name)),
        })
    })
    .collect()
}

fn write_files(
    context: &mut Context<'_>,
    dir: &Path,
    name: &str,
    document: &Document,
) -> anyhow::Result<()> {
    let pdf = partyline_export::invoice(document)?;
    let csv = format::csv::charges(document)?;
    let json = format::json::invoice(document);
    for (extension, bytes) in [("pdf", &pdf[..]), ("csv", &csv), ("json", json.as_bytes())] {
        files::write_whole(dir, &format!("{name}.{extension}"), bytes)?;
    }
    summary(context, document)?;
    let dir = dir.display();
    context.say(format_args!("written: {dir}/{name}.pdf, {dir}/{name}.csv, {dir}/{name}.json"))
}

fn summary(context: &mut Context<'_>, document: &Document) -> anyhow::Result<()> {
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

/// Names what was left out; nothing is billed at zero in silence.
fn report_unrated(context: &mut Context<'_>, document: &Document) -> anyhow::Result<ExitCode> {
    if document.suspense.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    context.say(format_args!(
        "{} calls have no rate and are not on the invoice:",
        document.suspense.len()
    ))?;
    for (leg, reason) in &document.suspense {
        context.say(format_args!("  {leg}: {reason}"))?;
    }
    context.say("Add the rates to the deck (partyline deck add) and run this again.")?;
    Ok(ExitCode::from(UNRATED))
}
