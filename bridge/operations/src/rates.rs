//! Rate decks: which may be added, and by which an account may be billed.

use std::time::Duration;

use partyline_billing::{Deck, DeckError, Jump, Plans, Version, jumps};
use partyline_cdr_store::admin::Deck as StoredDeck;
use partyline_cdr_store::{Store, StoreError};
use partyline_directory::Account;
use partyline_model::{AccountId, WallTime};

use crate::{NumberingError, Operations, utc};

/// How long before a month a call may have been answered that ended in it.
const LONGEST_CALL: Duration = Duration::from_secs(60 * 24 * 60 * 60);
/// Jumps of prices that are told.
const MOST_JUMPS: usize = 10;

/// A deck to be added. One whose `deck_id` is known becomes its next version.
#[derive(Clone, Debug)]
pub struct AddDeck {
    /// The CSV file.
    pub csv: String,
    /// For calls answered from then on; `None`: from now on.
    pub since: Option<WallTime>,
    /// Whether a price may become tenfold, or a tenth, and a version for calls to come be replaced.
    pub insisted: bool,
}

/// What became of a deck.
#[derive(Clone, Debug)]
pub struct AddedDeck {
    /// The version that is in force, or will be.
    pub stored: StoredDeck,
    /// Its rates.
    pub deck: Deck,
    /// Whether it was added; it was the newest version already otherwise.
    pub is_new: bool,
}

/// Another deck for an account.
#[derive(Clone, Copy, Debug)]
pub struct UseDeck {
    /// Who is billed.
    pub account: AccountId,
    /// The plan.
    pub plan: u32,
    /// Whether a price may become tenfold, or a tenth.
    pub insisted: bool,
}

/// Why rates are refused.
#[derive(Debug, thiserror::Error)]
pub enum RatesError {
    /// Lines of the file are wrong.
    #[error("the deck is refused, nothing was stored: {}", lines(.0))]
    Deck(Vec<DeckError>),
    /// Accounts are billed by the deck in another currency.
    #[error(
        "account {account:?} is billed by deck {deck:?} in {currency}, and the file is in \
         {other}; give the deck another deck_id"
    )]
    OtherCurrency {
        /// The first such account.
        account: String,
        /// The deck.
        deck: String,
        /// The account's currency.
        currency: String,
        /// The file's.
        other: &'static str,
    },
    /// A version for calls to come would never price one.
    #[error(
        "version {version} of deck {deck:?} is for the calls from {} on, and a later version \
         replaces it: it would never price a call", utc(*.since)
    )]
    Planned {
        /// The deck.
        deck: String,
        /// The version that is replaced.
        version: u32,
        /// From when on it was to be in force.
        since: WallTime,
    },
    /// Prices become tenfold, or a tenth.
    #[error("prices become tenfold, or a tenth; insist if that is meant:{}", jump_lines(.0))]
    Jumps(Vec<Jump>),
    /// The deck is in another currency than the account.
    #[error(
        "deck {deck:?} is in {deck_currency} and account {account:?} in {currency}; use a deck in \
         {currency}, or change the account"
    )]
    Currency {
        /// The deck.
        deck: String,
        /// Its currency.
        deck_currency: &'static str,
        /// The account's name.
        account: String,
        /// The account.
        id: AccountId,
        /// Its currency.
        currency: String,
    },
    /// A stored deck is by other rules.
    #[error("deck {deck:?} version {version} cannot be used: {why}")]
    Unusable {
        /// The deck.
        deck: String,
        /// Its version.
        version: u32,
        /// The first that is wrong with it.
        why: String,
    },
    /// New numbers are not given now.
    #[error(transparent)]
    Numbering(#[from] NumberingError),
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn lines(errors: &[DeckError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The first jumps of prices, a line each, beginning with the end of the line before.
fn jump_lines(jumps: &[Jump]) -> String {
    let told = jumps.iter().take(MOST_JUMPS).map(|jump| format!("\n  {jump}"));
    let more = jumps.len().saturating_sub(MOST_JUMPS);
    let more = (more > 0).then(|| format!("\n  and {more} more"));
    told.chain(more).collect()
}

impl Operations<'_> {
    /// Adds a deck, or the next version of one.
    ///
    /// # Errors
    /// What is wrong with the file; [`RatesError::OtherCurrency`], and unless it is insisted
    /// [`RatesError::Planned`] and [`RatesError::Jumps`].
    pub async fn add_deck(&self, request: &AddDeck) -> Result<AddedDeck, RatesError> {
        let AddDeck { csv, since, insisted } = request;
        let since = since.unwrap_or(self.now);
        let deck = Deck::accept(csv).map_err(RatesError::Deck)?;
        if self.store.decks().await?.iter().all(|known| known.name != deck.id()) {
            self.know_numbers().await?;
        }
        let mut change = self.change().await?;
        let decks = self.store.decks().await?;
        let plan = match decks.iter().find(|known| known.name == deck.id()) {
            Some(known) => known.plan,
            None => self.store.next_plan().await?,
        };
        for account in self.store.accounts().await? {
            if account.rate_plan == plan && account.currency != deck.currency().code() {
                return Err(RatesError::OtherCurrency {
                    account: account.name,
                    deck: deck.id().to_owned(),
                    currency: account.currency,
                    other: deck.currency().code(),
                });
            }
        }
        let known: Vec<_> = decks.iter().filter(|known| known.plan == plan).collect();
        if let Some(old) = known.last() {
            if old.csv == *csv && old.since <= self.now && since == self.now {
                let stored = StoredDeck::clone(old);
                return Ok(AddedDeck { stored, deck, is_new: false });
            }
            if !insisted {
                check_planned(&known, since, self.now)?;
            }
            let before = versions(&known, since)?;
            let version = Version { plan, version: old.version + 1, since, deck: deck.clone() };
            let after = [before.clone(), vec![version]].concat();
            check_jumps(&before, &after, since, *insisted)?;
        }
        let stored = change.add_deck_since(plan, deck.id(), csv, self.now, since).await?;
        change.commit().await?;
        Ok(AddedDeck { stored, deck, is_new: true })
    }

    /// Lets an account be billed by a deck.
    ///
    /// # Errors
    /// [`RatesError::Currency`], and unless it is insisted [`RatesError::Jumps`].
    pub async fn use_deck(&self, request: UseDeck) -> Result<Account, RatesError> {
        let UseDeck { account, plan, insisted } = request;
        let mut change = self.change().await?;
        let mut account = self.store.account(account).await?;
        self.check_rates(&account, plan, insisted).await?;
        account.rate_plan = plan;
        check_currency(self.store, &account).await?;
        change.update_account(&account).await?;
        change.commit_checked().await?;
        Ok(account)
    }

    /// Refuses another deck for an account when a price would become tenfold or a tenth by it,
    /// unless `insisted`.
    pub async fn check_rates(
        &self,
        account: &Account,
        new: u32,
        insisted: bool,
    ) -> Result<(), RatesError> {
        let decks = self.store.decks().await?;
        let of = |plan| -> Vec<_> { decks.iter().filter(|deck| deck.plan == plan).collect() };
        let (before, after) = (of(account.rate_plan), of(new));
        let (before, after) = (versions(&before, self.now)?, versions(&after, self.now)?);
        check_jumps(&before, &after, self.now, insisted)
    }
}

/// Refuses to replace, from `since` on, a version that is for calls to come, and would then price
/// none.
fn check_planned(
    versions: &[&StoredDeck],
    since: WallTime,
    now: WallTime,
) -> Result<(), RatesError> {
    let replaced = |deck: &StoredDeck| {
        versions.iter().any(|other| other.version > deck.version && other.since <= deck.since)
    };
    let planned = |deck: &&&StoredDeck| deck.since > now && deck.since >= since && !replaced(deck);
    let Some(StoredDeck { name, version, since, .. }) = versions.iter().find(planned) else {
        return Ok(());
    };
    Err(RatesError::Planned { deck: name.clone(), version: *version, since: *since })
}

/// What may price calls answered from `since` on, of the versions of one plan in their order.
fn versions(decks: &[&StoredDeck], since: WallTime) -> Result<Vec<Version>, RatesError> {
    let replaced =
        |version: u32| decks.iter().any(|other| other.version > version && other.since <= since);
    let kept = decks.iter().filter(|stored| !replaced(stored.version));
    kept.map(|stored| {
        let StoredDeck { plan, version, since, .. } = **stored;
        Ok(Version { plan, version, since, deck: parse_deck(stored)? })
    })
    .collect()
}

fn check_jumps(
    before: &[Version],
    after: &[Version],
    since: WallTime,
    insisted: bool,
) -> Result<(), RatesError> {
    let jumps = if insisted { Vec::new() } else { jumps(before, after, since) };
    if jumps.is_empty() { Ok(()) } else { Err(RatesError::Jumps(jumps)) }
}

/// The decks that may price an account's calls which ended at `from` or later, its plan being
/// `own` today.
///
/// # Errors
/// As [`parse_deck`].
pub async fn plans(store: &Store, own: u32, from: WallTime) -> Result<Plans, RatesError> {
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
            plans.add(Version { plan, version, since, deck: parse_deck(stored)? });
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
pub fn parse_deck(stored: &StoredDeck) -> Result<Deck, RatesError> {
    Deck::parse(&stored.csv).map_err(|errors| RatesError::Unusable {
        deck: stored.name.clone(),
        version: stored.version,
        why: errors.first().map(ToString::to_string).unwrap_or_default(),
    })
}

/// Refuses an account in another currency than its deck: its invoice could not be summed.
pub async fn check_currency(store: &Store, account: &Account) -> Result<(), RatesError> {
    let Some(stored) = store.deck(account.rate_plan).await? else { return Ok(()) };
    let currency = parse_deck(&stored)?.currency().code();
    if currency == account.currency {
        return Ok(());
    }
    Err(RatesError::Currency {
        deck: stored.name,
        deck_currency: currency,
        account: account.name.clone(),
        id: account.id,
        currency: account.currency.clone(),
    })
}
