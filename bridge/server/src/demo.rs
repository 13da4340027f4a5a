//! The demonstration account: what a bridge without a configuration file begins with.
//!
//! It can be called and billed at once: an account with its rates, a conference with random
//! passcodes and a dial-in number. Its dial-outs reach only numbers that belong to nobody
//! (1 416 555-01xx).

use partyline_cdr_store::admin::{Actor, Via};
use partyline_cdr_store::keys::Keys;
use partyline_cdr_store::{Store, StoreError};
use partyline_directory::{
    AccessKind, Account, AccountStatus, Announce, Conference, DEFAULT_MAX_CONCURRENT, DialIn,
    DialOutPolicy, Entitlements, ReferenceNumber, StartsWith,
};
use partyline_model::{AccountId, ConferenceId, Number, Role};
use zeroize::Zeroizing;

use crate::clock;

/// The rates of the demonstration.
pub(crate) const DECK: &str = include_str!("../config/demo-deck.csv");
const DECK_NAME: &str = "demo";
/// A toll-free number kept for fiction.
const DIAL_IN: &str = "18005550199";
const ADDRESS: &str = "Accounts payable\n100 Front Street West\nToronto ON  M5J 1E3";

/// What was made, to be shown once.
pub(crate) struct Demo {
    /// The conference.
    pub(crate) conference: ConferenceId,
    /// The number to call.
    pub(crate) dial_in: Number,
    /// Opens the conference for its moderator.
    pub(crate) moderator: Zeroizing<String>,
    /// Opens it for the others.
    pub(crate) participant: Zeroizing<String>,
}

/// Makes the demonstration account in a store without any account; `None` where there is one.
///
/// # Errors
/// The store fails; nothing was made then.
pub(crate) async fn ensure(store: &Store, keys: &Keys) -> Result<Option<Demo>, StoreError> {
    let actor = Actor { via: Via::Bridge, name: "first start".to_owned() };
    let mut change = store.change(&actor, clock::wall()).await?;
    // Asked while no other writer can be under way: two first starts make one demonstration.
    if !store.accounts().await?.is_empty() {
        return Ok(None);
    }
    let deck = change.add_deck(1, DECK_NAME, DECK, clock::wall()).await?;
    let dial_in: Number = DIAL_IN.parse().expect("a number");
    let account = change.add_account(&account(dial_in, deck.plan)).await?;
    change.set_account_address(account, ADDRESS).await?;
    let conference = change.add_conference(&conference(account)).await?;
    change
        .add_dial_in(&DialIn {
            number: dial_in,
            aliases: vec!["conference".to_owned(), "demo".to_owned()],
            account: None,
            access_kind: AccessKind::TollFree,
            language: "en-US".to_owned(),
            welcome: None,
        })
        .await?;
    let (_, moderator) =
        change.add_random_passcode(keys, conference, Role::Moderator, None).await?;
    let (_, participant) =
        change.add_random_passcode(keys, conference, Role::Participant, None).await?;
    change.commit().await?;
    Ok(Some(Demo { conference, dial_in, moderator, participant }))
}

fn account(caller_id: Number, rate_plan: u32) -> Account {
    Account {
        id: AccountId(0),
        name: "Demo".to_owned(),
        tenant_id: 0,
        status: AccountStatus::Active,
        entitlements: Entitlements {
            record: true,
            dial_out: DialOutPolicy {
                prefixes: vec!["1416555".to_owned()],
                max_concurrent: DEFAULT_MAX_CONCURRENT,
            },
            security_passcode: true,
            reference_number: ReferenceNumber::Optional,
        },
        caller_id: Some(caller_id),
        time_zone: "America/Toronto".to_owned(),
        currency: "CAD".to_owned(),
        country_code: "1".to_owned(),
        rate_plan,
    }
}

fn conference(account: AccountId) -> Conference {
    Conference {
        id: ConferenceId(0),
        account,
        name: "Demo conference".to_owned(),
        starts_with: StartsWith::Moderator,
        max_legs: 100,
        announce: Announce::Tones,
        enabled: true,
        ends_with_moderator: false,
    }
}

impl Demo {
    /// The text that a first start prints.
    pub(crate) fn greeting(&self) -> String {
        format!(
            "A demonstration account is ready. Call {} (or \"demo\") and key in a passcode:\n  \
             moderator    {}#\n  participant  {}#\nSee them again: partyline passcode show {}\n",
            self.dial_in, *self.moderator, *self.participant, self.conference.0
        )
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_demo_deck_is_a_deck() {
        let deck = partyline_billing::Deck::parse(super::DECK).unwrap();
        assert_eq!((deck.id(), deck.currency().code()), (super::DECK_NAME, "CAD"));
    }
}
