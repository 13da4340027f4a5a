//! A number that callers dial to reach the bridge.

use partyline_model::{AccountId, Number};

use crate::words::words;

/// A number that callers dial to reach the bridge (DNIS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialIn {
    /// The number.
    pub number: Number,
    /// Other user parts of a request URI that mean this number, compared as they are: a name
    /// (`conference`), or a form that a trunk sends (`5550100`).
    pub aliases: Vec<String>,
    /// Restricts the number to the conferences of one account; `None` reaches every conference.
    pub account: Option<AccountId>,
    /// How its callers are charged.
    pub access_kind: AccessKind,
    /// The language of its prompts, a BCP 47 tag: `en-US`.
    pub language: String,
    /// The prompt file that says the brand; `None` welcomes without a brand.
    pub welcome: Option<String>,
}

/// What kind of number was dialled; rating tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessKind {
    /// The caller pays a local call.
    Local,
    /// The account pays, within the country.
    TollFree,
    /// The account pays, across countries.
    IntlTollFree,
    /// Reached by SIP without a telephone network.
    Sip,
}

words!(AccessKind {
    Local = "local",
    TollFree = "toll_free",
    IntlTollFree = "intl_toll_free",
    Sip = "sip",
});
