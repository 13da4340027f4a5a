//! `partyline deck`: rate decks, checked before they are stored and never changed afterwards.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use partyline_billing::{Decimals, Deck, DeckError, Plans, Version, jumps};
use partyline_cdr_store::Store;
use partyline_cdr_store::admin::Deck as StoredDeck;
use partyline_directory::Account;
use partyline_model::WallTime;

use super::context::Context;
use super::lookup;
use super::table::{Align, Table};
use super::times;
use crate::{clock, demo};

/// How long before a month a call may have been answered that ended in it.
const LONGEST_CALL: Duration = Duration::from_secs(60 * 24 * 60 * 60);

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
    let since = since.context("--since")?.unwrap_or(now);
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{shown}: cannot be read"))?;
    let deck = Deck::accept(&text).map_err(|errors| refused(file, &errors))?;
    let decks = context.store().decks().await?;
    let plan = match decks.iter().find(|known| known.name == deck.id()) {
        Some(known) => known.plan,
        None => context.next_plan().await?,
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
    let known: Vec<_> = decks.iter().filter(|known| known.plan == plan).collect();
    if let Some(old) = known.last() {
        if old.csv == text && old.since <= now && since == now {
            let (name, version) = (&old.name, old.version);
            return context.say(format_args!(
                "deck {name:?} version {version} is this file already; nothing was added"
            ));
        }
        if !yes {
            check_planned(&known, since, now).context("nothing was stored")?;
        }
        let before = versions(&known, since)?;
        let version = old.version + 1;
        let after = [before.clone(), vec![Version { plan, version, since, deck: deck.clone() }]];
        check_jumps(&before, &after.concat(), since, yes).context("nothing was stored")?;
    }
    let mut change = context.store().change().await?;
    let added = change.add_deck_since(plan, deck.id(), &text, now, since).await?;
    change.commit().await?;
    let rates = deck.rates().count();
    context.say(format_args!(
        "deck {:?} version {} added: plan {plan}, {rates} rates in {}",
        added.name,
        added.version,
        deck.currency().code()
    ))?;
    if since != now {
        let since = times::local(since, "UTC");
        context.say(format_args!("It prices the calls answered from {since} on"))?;
    }
    Ok(())
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
        ("for calls from", Align::Left),
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
            times::local(stored.since, "UTC"),
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

async fn assign(
    context: &mut Context<'_>,
    account: &str,
    deck: &str,
    yes: bool,
) -> anyhow::Result<()> {
    let mut account = lookup::account(context.store(), account).await?;
    let deck = lookup::deck(context.store(), deck).await?;
    check_change(context.store(), &account, &deck, yes).await?;
    account.rate_plan = deck.plan;
    check_currency(context.store(), &account).await?;
    let mut change = context.store().change().await?;
    change.update_account(&account).await?;
    change.commit_checked().await?;
    context.say(format_args!("account {:?} is billed by deck {:?}", account.name, deck.name))
}

/// Refuses another deck for an account when a price would become tenfold or a tenth by it, unless
/// `yes`.
///
/// # Errors
/// The prices, and what to do.
pub(super) async fn check_change(
    store: &Store,
    account: &Account,
    new: &StoredDeck,
    yes: bool,
) -> anyhow::Result<()> {
    let (now, decks) = (clock::wall(), store.decks().await?);
    let of = |plan| -> Vec<_> { decks.iter().filter(|deck| deck.plan == plan).collect() };
    let (before, after) = (of(account.rate_plan), of(new.plan));
    check_jumps(&versions(&before, now)?, &versions(&after, now)?, now, yes)
}

/// Refuses to replace, from `since` on, a version that is for calls to come, and would then price
/// none.
fn check_planned(versions: &[&StoredDeck], since: WallTime, now: WallTime) -> anyhow::Result<()> {
    let replaced = |deck: &StoredDeck| {
        versions.iter().any(|other| other.version > deck.version && other.since <= deck.since)
    };
    let planned = |deck: &&&StoredDeck| deck.since > now && deck.since >= since && !replaced(deck);
    let Some(StoredDeck { name, version, since, .. }) = versions.iter().find(planned) else {
        return Ok(());
    };
    let since = times::local(*since, "UTC");
    bail!(
        "version {version} of deck {name:?} is for the calls from {since} on, and a later version \
         replaces it: it would never price a call. If that is meant, say --yes; to keep it, say \
         --yes and add its file once more with --since behind this one"
    );
}

/// What may price calls answered from `since` on, of the versions of one plan in their order.
fn versions(decks: &[&StoredDeck], since: WallTime) -> anyhow::Result<Vec<Version>> {
    let replaced =
        |version: u32| decks.iter().any(|other| other.version > version && other.since <= since);
    let kept = decks.iter().filter(|stored| !replaced(stored.version));
    kept.map(|stored| {
        let StoredDeck { plan, version, since, .. } = **stored;
        Ok(Version { plan, version, since, deck: parse(stored)? })
    })
    .collect()
}

fn check_jumps(
    before: &[Version],
    after: &[Version],
    since: WallTime,
    yes: bool,
) -> anyhow::Result<()> {
    const MOST: usize = 10;
    let jumps = if yes { Vec::new() } else { jumps(before, after, since) };
    if jumps.is_empty() {
        return Ok(());
    }
    let mut lines = String::new();
    for jump in jumps.iter().take(MOST) {
        write!(lines, "\n  {jump}")?;
    }
    if jumps.len() > MOST {
        write!(lines, "\n  and {} more", jumps.len() - MOST)?;
    }
    bail!("prices become tenfold, or a tenth; if that is meant, say --yes:{lines}");
}

/// The decks that may price an account's calls which ended at `from` or later, its plan being
/// `own` today.
///
/// # Errors
/// As [`parse`].
pub(super) async fn plans(store: &Store, own: u32, from: WallTime) -> anyhow::Result<Plans> {
    let answered = from.as_micros().saturating_sub_unsigned(micros(LONGEST_CALL));
    let mut plans = Plans::new(own);
    let decks = store.decks().await?;
    for stored in &decks {
        // What another version had replaced before any of the calls was answered is not read.
        let replaced = decks.iter().any(|other| {
            (other.plan, other.since.as_micros() <= answered) == (stored.plan, true)
                && other.version > stored.version
        });
        if !replaced {
            let StoredDeck { plan, version, since, .. } = *stored;
            plans.add(Version { plan, version, since, deck: parse(stored)? });
        }
    }
    Ok(plans)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
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
