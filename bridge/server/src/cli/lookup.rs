//! Finding what an administrator names: by its number, or by its name where only one has it.

use std::collections::BTreeSet;

use anyhow::bail;
use partyline_cdr_store::Store;
use partyline_cdr_store::admin::Deck;
use partyline_directory::{Account, AccountStatus, Conference, DialIn};
use partyline_model::Number;

/// The account with this id or name; of those with the name, one that is closed only when there is
/// no other.
///
/// # Errors
/// There is none, or several have the name.
pub(super) async fn account(store: &Store, wanted: &str) -> anyhow::Result<Account> {
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
pub(super) async fn conference(store: &Store, wanted: &str) -> anyhow::Result<Conference> {
    let conferences = store.conferences().await?;
    pick("conference", wanted, conferences, |conference| (conference.id.0, &conference.name))
}

/// The dial-in number.
///
/// # Errors
/// There is none.
pub(super) async fn dial_in(store: &Store, number: Number) -> anyhow::Result<DialIn> {
    match store.dial_ins().await?.into_iter().find(|dial_in| dial_in.number == number) {
        Some(dial_in) => Ok(dial_in),
        None => bail!("there is no dial-in number {number}; see: partyline dial-in list"),
    }
}

/// Refuses a closed account for something new.
///
/// # Errors
/// It is closed.
pub(super) fn not_closed(account: &Account) -> anyhow::Result<()> {
    if account.status == AccountStatus::Closed {
        bail!("account {} {:?} is closed", account.id.0, account.name);
    }
    Ok(())
}

/// Refuses a name that is none, or that a terminal would obey and a table would break at.
///
/// # Errors
/// What is wrong with it; `what` begins the sentence.
pub(super) fn printable(what: &str, name: &str) -> anyhow::Result<()> {
    if name.trim().is_empty() {
        bail!("{what} needs a name");
    }
    if name.chars().any(char::is_control) {
        bail!("{what} cannot be called {name:?}: leave line breaks and control characters out");
    }
    Ok(())
}

/// The newest version of the deck with this plan number or name.
///
/// # Errors
/// There is none.
pub(super) async fn deck(store: &Store, wanted: &str) -> anyhow::Result<Deck> {
    let decks = store.decks().await?;
    let plan = wanted.parse::<u32>().ok();
    // A number is a plan, as it is an account or a conference: no deck's name may take its place.
    let numbered = decks.iter().rev().find(|deck| Some(deck.plan) == plan);
    if let Some(found) = numbered.or_else(|| decks.iter().rev().find(|deck| deck.name == wanted)) {
        return Ok(found.clone());
    }
    let known: BTreeSet<_> = decks.iter().map(|deck| deck.name.as_str()).collect();
    if known.is_empty() {
        bail!(
            "there is no rate deck {wanted:?}, and no other; begin with the example:\n  \
             partyline deck example > deck.csv\n  partyline deck add deck.csv"
        );
    }
    let known: Vec<_> = known.into_iter().collect();
    bail!(
        "there is no rate deck {wanted:?}; there are: {}; add one: partyline deck add FILE \
         (see: partyline deck list)",
        known.join(", ")
    )
}

/// The item with this id, else the only one with this name; `name` tells both of an item.
///
/// # Errors
/// There is none, or several have the name.
pub(super) fn pick<T>(
    kind: &str,
    wanted: &str,
    items: Vec<T>,
    name: impl Fn(&T) -> (u64, &String),
) -> anyhow::Result<T> {
    let id = wanted.parse::<u64>().ok();
    let by_id = |item: &T| Some(name(item).0) == id;
    let by_name = |item: &T| name(item).1 == wanted;
    let has_id = items.iter().any(by_id);
    let mut found: Vec<T> =
        items.into_iter().filter(|item| if has_id { by_id(item) } else { by_name(item) }).collect();
    let one = found.pop();
    match one {
        Some(item) if found.is_empty() => Ok(item),
        Some(_) => bail!(
            "{} {kind}s are called {wanted:?}; give the number that `partyline {kind} list` shows",
            found.len() + 1
        ),
        None => bail!("there is no {kind} {wanted:?}; see: partyline {kind} list"),
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
