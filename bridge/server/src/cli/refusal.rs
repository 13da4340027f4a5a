//! What the command line adds to a refusal: the command or the option that helps.

use anyhow::anyhow;
use partyline_operations::{
    AccountError, CodeError, ConferenceError, DialInError, FindError, PasscodeError, RatesError,
    WideReach,
};

/// A refusal that a command or an option of the program helps with.
pub(super) trait Refusal: std::fmt::Display {
    /// What follows the sentence; nothing where that says it all.
    fn hint(&self) -> String;
}

/// The refusal, with what helps.
pub(super) fn told(refusal: impl Refusal) -> anyhow::Error {
    anyhow!("{refusal}{}", refusal.hint())
}

impl Refusal for FindError {
    fn hint(&self) -> String {
        match self {
            Self::Unknown { kind, .. } => format!("; see: partyline {kind} list"),
            Self::Several { kind, .. } => format!(" that `partyline {kind} list` shows"),
            Self::DialIn(_) => "; see: partyline dial-in list".to_owned(),
            Self::NoDeck(_) => "; begin with the example:\n  partyline deck example > deck.csv\n  \
                partyline deck add deck.csv"
                .to_owned(),
            Self::Deck { .. } => {
                "; add one: partyline deck add FILE (see: partyline deck list)".to_owned()
            }
            Self::Store(_) => String::new(),
        }
    }
}

impl Refusal for AccountError {
    fn hint(&self) -> String {
        match self {
            Self::SameName { .. } => ", or say --same-name".to_owned(),
            Self::Reach(wide) => wide.hint(),
            Self::Rates(refusal) => refusal.hint(),
            Self::Unchanged => "; see: partyline account set --help".to_owned(),
            Self::ClosedForGood { .. } => ": partyline account add".to_owned(),
            Self::Unconfirmed { .. } => "; say --yes".to_owned(),
            Self::Name(_)
            | Self::Setting { .. }
            | Self::Closed { .. }
            | Self::ClosedAlready { .. }
            | Self::Numbering(_)
            | Self::Store(_) => String::new(),
        }
    }
}

impl Refusal for WideReach {
    fn hint(&self) -> String {
        ": --yes".to_owned()
    }
}

impl Refusal for RatesError {
    fn hint(&self) -> String {
        match self {
            Self::Planned { .. } => ". If that is meant, say --yes; to keep it, say --yes and add \
                its file once more with --since behind this one"
                .to_owned(),
            Self::Jumps(_) => "\nTo insist: --yes".to_owned(),
            Self::Currency { id, deck_currency, .. } => {
                format!(": partyline account set {} --currency {deck_currency}", id.0)
            }
            Self::Deck(_)
            | Self::OtherCurrency { .. }
            | Self::Unusable { .. }
            | Self::Numbering(_)
            | Self::Store(_) => String::new(),
        }
    }
}

impl Refusal for CodeError {
    fn hint(&self) -> String {
        match self {
            Self::Weak(_) | Self::Near => " with --weak-ok".to_owned(),
            Self::Unusable(_) | Self::Twice | Self::Taken | Self::Store(_) => String::new(),
        }
    }
}

impl Refusal for PasscodeError {
    fn hint(&self) -> String {
        match self {
            Self::Digits { why, .. } => why.hint(),
            Self::OneOnly(_) | Self::Numbering(_) | Self::Store(_) => String::new(),
        }
    }
}

impl Refusal for ConferenceError {
    fn hint(&self) -> String {
        match self {
            Self::Account(refusal) => refusal.hint(),
            Self::Passcode(refusal) => refusal.hint(),
            Self::Unchanged => "; see: partyline conference set --help".to_owned(),
            Self::Name(_) | Self::NoLegs | Self::Numbering(_) | Self::Store(_) => String::new(),
        }
    }
}

impl Refusal for DialInError {
    fn hint(&self) -> String {
        match self {
            Self::Exists(number) => format!("; to change it: partyline dial-in set {number}"),
            Self::Unknown(_) => "; see: partyline dial-in list".to_owned(),
            Self::Account(refusal) => refusal.hint(),
            Self::Unchanged => "; see: partyline dial-in set --help".to_owned(),
            Self::Alias(_) | Self::Inconsistent { .. } | Self::Store(_) => String::new(),
        }
    }
}
