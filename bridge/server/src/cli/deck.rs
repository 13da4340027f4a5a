//! `partyline deck`: rate decks, checked before they are stored and never changed afterwards.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Subcommand;
use partyline_billing::{Decimals, Deck, DeckError};
use partyline_cdr_store::Store;
use partyline_cdr_store::admin::Deck as StoredDeck;
use partyline_directory::Account;

use super::context::Context;
use super::lookup;
use super::table::{Align, Table};
use super::times;
use crate::clock;

/// Rate decks: what a minute costs.
#[derive(Debug, Subcommand)]
pub(super) enum DeckCommand {
    /// Add a deck from a CSV file; one whose deck_id is known becomes its next version
    #[command(after_help = COLUMNS)]
    Add {
        /// The CSV file
        file: PathBuf,
    },
    /// List the decks and their versions
    List,
    /// Show the rates of the newest version of a deck
    Show {
        /// Its name (deck_id) or plan number
        deck: String,
    },
    /// Let an account be billed by a deck
    Use {
        /// The number or name of the account
        account: String,
        /// The name (deck_id) or plan number of the deck
        deck: String,
    },
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
  rounding     half_up or half_even, the same in all rows [half_up]
  tax_code     handed on to the invoice

Example:
  partyline deck add retail-2026.csv && partyline deck use Demo retail-2026";

impl DeckCommand {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        match self {
            Self::Add { file } => add(context, &file).await,
            Self::List => list(context).await,
            Self::Show { deck } => show(context, &deck).await,
            Self::Use { account, deck } => assign(context, &account, &deck).await,
        }
    }
}

async fn add(context: &mut Context<'_>, file: &Path) -> anyhow::Result<()> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{shown}: cannot be read"))?;
    let deck = Deck::parse(&text).map_err(|errors| refused(file, &errors))?;
    let decks = context.store().decks().await?;
    let plan = match decks.iter().find(|known| known.name == deck.id()) {
        Some(known) => known.plan,
        None => decks.iter().map(|known| known.plan).max().unwrap_or(0) + 1,
    };
    for account in context.store().accounts().await? {
        if account.rate_plan == plan && account.currency != deck.currency().code() {
            bail!(
                "{shown}: account {:?} is billed by deck {:?} in {}, and the file is in {}; give \
                 the deck another deck_id",
                account.name,
                deck.id(),
                account.currency,
                deck.currency().code()
            );
        }
    }
    let mut change = context.store().change().await?;
    let added = change.add_deck(plan, deck.id(), &text, clock::wall()).await?;
    change.commit().await?;
    let rates = deck.rates().count();
    context.say(format_args!(
        "deck {:?} version {} added: plan {plan}, {rates} rates in {}",
        added.name,
        added.version,
        deck.currency().code()
    ))
}

fn refused(file: &Path, errors: &[DeckError]) -> anyhow::Error {
    let shown = file.display();
    let lines: Vec<_> = errors.iter().map(|error| format!("\n  {shown}: {error}")).collect();
    anyhow!("the deck is refused, nothing was stored:{}", lines.concat())
}

async fn list(context: &mut Context<'_>) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("plan", Align::Right),
        ("deck", Align::Left),
        ("version", Align::Right),
        ("currency", Align::Left),
        ("rates", Align::Right),
        ("added", Align::Left),
        ("accounts", Align::Right),
    ]);
    let accounts = context.store().accounts().await?;
    for stored in context.store().decks().await? {
        let deck = parse(&stored)?;
        let users = accounts.iter().filter(|account| account.rate_plan == stored.plan).count();
        table.row(vec![
            stored.plan.to_string(),
            stored.name,
            stored.version.to_string(),
            deck.currency().code().to_owned(),
            deck.rates().count().to_string(),
            times::local(stored.added_at, "UTC"),
            users.to_string(),
        ]);
    }
    context.say(table)
}

async fn show(context: &mut Context<'_>, wanted: &str) -> anyhow::Result<()> {
    let stored = lookup::deck(context.store(), wanted).await?;
    let deck = parse(&stored)?;
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

async fn assign(context: &mut Context<'_>, account: &str, deck: &str) -> anyhow::Result<()> {
    let mut account = lookup::account(context.store(), account).await?;
    let deck = lookup::deck(context.store(), deck).await?;
    account.rate_plan = deck.plan;
    check_currency(context.store(), &account).await?;
    let mut change = context.store().change().await?;
    change.update_account(&account).await?;
    change.commit_checked().await?;
    context.say(format_args!("account {:?} is billed by deck {:?}", account.name, deck.name))
}

/// Reads a stored deck again.
///
/// # Errors
/// It was stored by a program with other rules.
pub(super) fn parse(stored: &StoredDeck) -> anyhow::Result<Deck> {
    Deck::parse(&stored.csv).map_err(|errors| {
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        anyhow!("deck {:?} version {} cannot be used: {first}", stored.name, stored.version)
    })
}

/// The currency of a stored deck.
///
/// # Errors
/// As [`parse`].
pub(super) fn currency(stored: &StoredDeck) -> anyhow::Result<&'static str> {
    Ok(parse(stored)?.currency().code())
}

/// Refuses an account in another currency than its deck: its invoice could not be summed.
///
/// # Errors
/// Both currencies, and what to do.
pub(super) async fn check_currency(store: &Store, account: &Account) -> anyhow::Result<()> {
    let Some(stored) = store.deck(account.rate_plan).await? else { return Ok(()) };
    let currency = currency(&stored)?;
    if currency != account.currency {
        bail!(
            "deck {:?} is in {currency} and account {:?} in {}; use a deck in {}, or change the \
             account: partyline account set {} --currency {currency}",
            stored.name,
            account.name,
            account.currency,
            account.currency,
            account.id.0
        );
    }
    Ok(())
}
