//! Finding what an administrator names: by its number, or by its name where only one has it.

use std::collections::BTreeSet;

use partyline_cdr_store::admin::Deck;
use partyline_cdr_store::{Store, StoreError};
use partyline_directory::{Account, AccountStatus, Conference, DialIn};
use partyline_model::Number;

/// Why nothing is found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// None has this number or name.
    #[error("there is no {kind} {wanted:?}")]
    Unknown {
        /// What was looked for.
        kind: &'static str,
        /// What was written.
        wanted: String,
    },
    /// Several have the name.
    #[error("{count} {kind}s are called {wanted:?}; give the number")]
    Several {
        /// What was looked for.
        kind: &'static str,
        /// What was written.
        wanted: String,
        /// How many there are.
        count: usize,
    },
    /// Nobody can dial it.
    #[error("there is no dial-in number {0}")]
    DialIn(Number),
    /// There is no deck at all.
    #[error("there is no rate deck {0:?}, and no other")]
    NoDeck(String),
    /// There are others.
    #[error("there is no rate deck {wanted:?}; there are: {known}")]
    Deck {
        /// What was written.
        wanted: String,
        /// The names that there are.
        known: String,
    },
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The account with this id or name; of those with the name, one that is closed only when there is
/// no other.
///
/// # Errors
/// There is none, or several have the name.
pub async fn find_account(store: &Store, wanted: &str) -> Result<Account, FindError> {
    let mut accounts = store.accounts().await?;
    let in_use = |account: &Account| account.status != AccountStatus::Closed;
    if accounts.iter().any(|account| account.name == wanted && in_use(account)) {
        accounts.retain(|account| account.name != wanted || in_use(account));
    }
    pick("account", wanted, accounts, |account| (account.id.0, &account.name))
}

/// The conference with this id or name.
///
/// # Errors
/// There is none, or several have the name.
pub async fn find_conference(store: &Store, wanted: &str) -> Result<Conference, FindError> {
    let conferences = store.conferences().await?;
    pick("conference", wanted, conferences, |conference| (conference.id.0, &conference.name))
}

/// The dial-in number.
///
/// # Errors
/// There is none.
pub async fn find_dial_in(store: &Store, number: Number) -> Result<DialIn, FindError> {
    let found = store.dial_ins().await?.into_iter().find(|dial_in| dial_in.number == number);
    found.ok_or(FindError::DialIn(number))
}

/// The newest version of the deck with this plan number or name.
///
/// # Errors
/// There is none.
pub async fn find_deck(store: &Store, wanted: &str) -> Result<Deck, FindError> {
    let decks = store.decks().await?;
    let plan = wanted.parse::<u32>().ok();
    // A number is a plan, as it is an account or a conference: no deck's name may take its place.
    let numbered = decks.iter().rev().find(|deck| Some(deck.plan) == plan);
    if let Some(found) = numbered.or_else(|| decks.iter().rev().find(|deck| deck.name == wanted)) {
        return Ok(found.clone());
    }
    let known: BTreeSet<_> = decks.iter().map(|deck| deck.name.as_str()).collect();
    if known.is_empty() {
        return Err(FindError::NoDeck(wanted.to_owned()));
    }
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    Err(FindError::Deck { wanted: wanted.to_owned(), known })
}

/// The item with this id, else the only one with this name; `name` tells both of an item.
///
/// # Errors
/// There is none, or several have the name.
pub fn pick<T>(
    kind: &'static str,
    wanted: &str,
    items: Vec<T>,
    name: impl Fn(&T) -> (u64, &String),
) -> Result<T, FindError> {
    let id = wanted.parse::<u64>().ok();
    let by_id = |item: &T| Some(name(item).0) == id;
    let by_name = |item: &T| name(item).1 == wanted;
    let has_id = items.iter().any(by_id);
    let mut found: Vec<T> =
        items.into_iter().filter(|item| if has_id { by_id(item) } else { by_name(item) }).collect();
    let wanted = wanted.to_owned();
    match found.pop() {
        Some(item) if found.is_empty() => Ok(item),
        Some(_) => Err(FindError::Several { kind, wanted, count: found.len() + 1 }),
        None => Err(FindError::Unknown { kind, wanted }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(wanted: &str) -> Result<u64, String> {
        let items = vec![
            (1, "Demo".to_owned()),
            (2, "Twin".to_owned()),
            (3, "Twin".to_owned()),
            (4, "77".to_owned()),
        ];
        let item = pick("account", wanted, items, |item: &(u64, String)| (item.0, &item.1));
        item.map(|item| item.0).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_finds_the_only_one_that_has_it() {
        assert_eq!((found("Demo"), found("3"), found("77")), (Ok(1), Ok(3), Ok(4)));
        assert!(found("Twin").unwrap_err().contains("2 accounts are called"));
        assert!(found("demo").unwrap_err().contains("there is no account"));
    }
}
