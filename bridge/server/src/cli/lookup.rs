//! Finding what a command names, with the command that lists what there is when it is not found.

use partyline_cdr_store::Store;
use partyline_cdr_store::admin::Deck;
use partyline_directory::{Account, Conference};
use partyline_operations as operations;

use super::refusal::told;

/// The account with this id or name.
///
/// # Errors
/// There is none, or several have the name.
pub(super) async fn account(store: &Store, wanted: &str) -> anyhow::Result<Account> {
    operations::find_account(store, wanted).await.map_err(told)
}

/// The conference with this id or name.
///
/// # Errors
/// There is none, or several have the name.
pub(super) async fn conference(store: &Store, wanted: &str) -> anyhow::Result<Conference> {
    operations::find_conference(store, wanted).await.map_err(told)
}

/// The newest version of the deck with this plan number or name.
///
/// # Errors
/// There is none.
pub(super) async fn deck(store: &Store, wanted: &str) -> anyhow::Result<Deck> {
    operations::find_deck(store, wanted).await.map_err(told)
}
