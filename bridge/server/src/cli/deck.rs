//! `partyline deck`: rate decks, checked before they are stored and never changed afterwards.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use partyline_billing::Decimals;
use partyline_operations::{AddDeck, AddedDeck, RatesError, UseDeck, parse_deck};

use super::context::Context;
use super::lookup;
use super::refusal::told;
use super::table::{Align, Table};
use super::times;
use crate::{clock, demo};

/// Rate decks: what a minute costs.
#[derive(Debug, Subcommand)]
pub(super) enum DeckCommand {
    /// Add a deck from a CSV file; one whose deck_id is known becomes its next version
    #[command(after_help = COLUMNS)]
    Add(Add),
    /// Print an example of a deck, to begin with
    Example,
    /// List the decks and their versions
    List,
    /// Show the rates of the newest version of a deck
    Show {
        /// The deck's name (deck_id) or plan number
        deck: String,
    },
    /// Let an account be billed by a deck
    Use {
        /// The number or name of the account
        account: String,
        /// The name (deck_id) or plan number of the deck
        deck: String,
        /// Accept that a price becomes tenfold, or a tenth
        #[arg(long)]
        yes: bool,
    },
}

/// A deck to be added.
#[derive(Args, Debug)]
pub(super) struct Add {
    /// The CSV file
    file: PathBuf,
    /// For calls answered from then on [default: now]; an earlier time corrects prices of calls
    /// that are on no invoice yet
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Accept that a price becomes tenfold, or a tenth, and that a version for calls to come is
    /// replaced
    #[arg(long)]
    yes: bool,
}

const COLUMNS: &str = "\
Columns, in any order; the first line names them:
  deck_id      the deck's name, the same in all rows
  prefix       leading digits of the numbers dialled (kind ld), longest match wins
  name         destination or feature, as invoices print it
  kind         bridge (time on the bridge), ld (calls out) or feature
  access_kind  bridge only: local, toll_free, intl_toll_free, sip, webrtc, dialout; empty for all
  currency     ISO 4217, the same in all rows
  per_min      price of 60 seconds
  init_s, inc_s  seconds of the first and of each further block [60, 60]
  conn_fee, min_charge, attempt_fee  per call [0]
  tz           IANA time zone of eff_from and eff_to [UTC]
  eff_from, eff_to  first instant in force, first instant not in force any more
  rounding     half_up or half_even, the same in all rows [half_up]; an invoice by decks of both
               is rounded half up
  tax_code     handed on to the invoice's CSV

A call is priced by the version of its deck that was in force when it was answered, the last of
those that were added for calls of then; a later version prices it only where that one had no rate
for it. Times of --since are in UTC unless they say
otherwise: 2026-11-01, 2026-11-01T00:00:00-05:00, 7d ago.

Examples:
  partyline deck example > retail.csv         a deck to be changed: name, rates, zone
  partyline deck add retail-2026.csv && partyline deck use Demo retail-2026
  partyline deck add corrected.csv --since 2026-11-01";

impl DeckCommand {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        match self {
            Self::Add(adding) => add(context, adding).await,
            Self::Example => example(context.out),
            Self::List => list(context).await,
            Self::Show { deck } => show(context, &deck).await,
            Self::Use { account, deck, yes } => assign(context, &account, &deck, yes).await,
        }
    }
}

/// Prints the deck that the demonstration account has.
///
/// # Errors
/// The system's.
pub(super) fn example(out: &mut dyn Write) -> anyhow::Result<()> {
    Ok(out.write_all(demo::DECK.as_bytes())?)
}

async fn add(context: &mut Context<'_>, adding: Add) -> anyhow::Result<()> {
    let Add { file, since, yes } = adding;
    let (file, now) = (file.as_path(), clock::wall());
    let since = since.map(|since| times::moment(&since, "UTC", now)).transpose();
    let since = since.context("--since")?;
    let shown = file.display();
    let csv = std::fs::read_to_string(file).with_context(|| format!("{shown}: cannot be read"))?;
    let request = AddDeck { csv, since, insisted: yes };
    let added = context.operations().add_deck(&request).await;
    let AddedDeck { stored, deck, is_new } = added.map_err(|refusal| refused(file, refusal))?;
    let (name, version, plan) = (&stored.name, stored.version, stored.plan);
    if !is_new {
        return context.say(format_args!(
            "deck {name:?} version {version} is this file already; nothing was added"
        ));
    }
    let rates = deck.rates().count();
    context.say(format_args!(
        "deck {name:?} version {version} added: plan {plan}, {rates} rates in {}",
        deck.currency().code()
    ))?;
    if let Some(since) = since {
        let since = times::local(since, "UTC");
        context.say(format_args!("It prices the calls answered from {since} on"))?;
    }
    Ok(())
}

fn refused(file: &Path, refusal: RatesError) -> anyhow::Error {
    let shown = file.display();
    match refusal {
        RatesError::Deck(errors) => {
            let lines: Vec<_> =
                errors.iter().map(|error| format!("\n  {shown}: {error}")).collect();
            anyhow!("the deck is refused, nothing was stored:{}", lines.concat())
        }
        RatesError::OtherCurrency { .. } => anyhow!("{shown}: {refusal}"),
        RatesError::Planned { .. } | RatesError::Jumps(_) => {
            told(refusal).context("nothing was stored")
        }
        RatesError::Currency { .. }
        | RatesError::Unusable { .. }
        | RatesError::Numbering(_)
        | RatesError::Store(_) => told(refusal),
    }
}

async fn list(context: &mut Context<'_>) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("plan", Align::Right),
        ("deck", Align::Left),
        ("version", Align::Right),
        ("currency", Align::Left),
        ("rates", Align::Right),
        ("added", Align::Left),
        ("for calls from", Align::Left),
        ("accounts", Align::Right),
    ]);
    let accounts = context.store().accounts().await?;
    for stored in context.store().decks().await? {
        let deck = parse_deck(&stored).map_err(told)?;
        let users = accounts.iter().filter(|account| account.rate_plan == stored.plan).count();
        table.row(vec![
            stored.plan.to_string(),
            stored.name,
            stored.version.to_string(),
            deck.currency().code().to_owned(),
            deck.rates().count().to_string(),
            times::local(stored.added_at, "UTC"),
            times::local(stored.since, "UTC"),
            users.to_string(),
        ]);
    }
    context.say(table)
}

async fn show(context: &mut Context<'_>, wanted: &str) -> anyhow::Result<()> {
    let stored = lookup::deck(context.store(), wanted).await?;
    let deck = parse_deck(&stored).map_err(told)?;
    let mut table = Table::new(&[
        ("line", Align::Right),
        ("kind", Align::Left),
        ("access", Align::Left),
        ("prefix", Align::Left),
        ("name", Align::Left),
        ("per minute", Align::Right),
        ("blocks", Align::Right),
        ("connection", Align::Right),
        ("from", Align::Left),
        ("to", Align::Left),
    ]);
    let precise = Decimals::new(deck.decimals().count() + 4);
    for rate in deck.rates() {
        table.row(vec![
            rate.line.to_string(),
            rate.kind.as_str().to_owned(),
            rate.access.map_or("", partyline_cdr_record::AccessKind::as_str).to_owned(),
            rate.prefix.to_string(),
            rate.name.to_string(),
            rate.per_minute.to_fixed(precise),
            format!("{}/{}", rate.initial, rate.increment),
            rate.connection_fee.to_fixed(deck.decimals()),
            times::local(rate.from, "UTC"),
            rate.to.map_or(String::new(), |to| times::local(to, "UTC")),
        ]);
    }
    let currency = deck.currency().code();
    context.say(format_args!("deck {:?} version {}, {currency}", stored.name, stored.version))?;
    context.say(table)
}

async fn assign(
    context: &mut Context<'_>,
    account: &str,
    deck: &str,
    yes: bool,
) -> anyhow::Result<()> {
    let account = lookup::account(context.store(), account).await?.id;
    let deck = lookup::deck(context.store(), deck).await?;
    let request = UseDeck { account, plan: deck.plan, insisted: yes };
    let account = context.operations().use_deck(request).await.map_err(told)?;
    context.say(format_args!("account {:?} is billed by deck {:?}", account.name, deck.name))
}
