//! A customer account and what it may do.

use partyline_model::{AccountId, Number};

use crate::words::words;

/// A customer account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The row of the store.
    pub id: AccountId,
    /// The customer's name, as invoices print it.
    pub name: String,
    /// The reseller or brand that the account belongs to.
    pub tenant_id: u64,
    /// Whether the account's conferences may be used.
    pub status: AccountStatus,
    /// What the account has bought.
    pub entitlements: Entitlements,
    /// What the account's dial-outs present as the calling number.
    pub caller_id: Option<Number>,
    /// An IANA time zone name, by which its days and months are cut: `America/Toronto`.
    pub time_zone: String,
    /// An ISO 4217 code of three letters: `CAD`.
    pub currency: String,
    /// The E.164 country code for numbers dialled in national form: `1`.
    pub country_code: String,
    /// The rate plan, a row of the store.
    pub rate_plan: u32,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountStatus {
    /// In use.
    #[default]
    Active,
    /// Unpaid: its callers hear that the conference is not available.
    Suspended,
    /// Closed for good: it is kept for its records and invoices.
    Closed,
}

words!(AccountStatus { Active = "active", Suspended = "suspended", Closed = "closed", });

/// What an account has bought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entitlements {
    /// `*4`: moderators may record.
    pub record: bool,
    /// `*1`: where moderators may dial out to.
    pub dial_out: DialOutPolicy,
    /// `*92`: moderators may set a security passcode.
    pub security_passcode: bool,
    /// `*91`: the reference number.
    pub reference_number: ReferenceNumber,
}

/// Dial-outs that may go on at once in one conference, unless an account says otherwise.
pub const DEFAULT_MAX_CONCURRENT: u8 = 3;

/// Where moderators of an account may dial out to; nowhere by default.
///
/// A prefix opens, and never closes: emergency and premium numbers are refused by the dial plan
/// whatever is listed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialOutPolicy {
    /// The beginnings of allowed E.164 numbers, digits only: `1416`. Empty: dial-out is denied.
    pub prefixes: Vec<String>,
    /// How many dial-outs one conference may have at once.
    pub max_concurrent: u8,
}

impl Default for DialOutPolicy {
    fn default() -> Self {
        Self { prefixes: Vec::new(), max_concurrent: DEFAULT_MAX_CONCURRENT }
    }
}

impl DialOutPolicy {
    /// Whether dial-out is bought at all.
    pub fn is_enabled(&self) -> bool {
        !self.prefixes.is_empty()
    }

    /// Whether `number` begins with an allowed prefix of `named_by` digits or more: a range that the
    /// dial plan holds apart must be named, and is not opened by its country's code.
    pub fn allows(&self, number: &Number, named_by: usize) -> bool {
        let named = |prefix: &&String| prefix.len() >= named_by;
        self.prefixes.iter().filter(named).any(|prefix| number.starts_with(prefix))
    }
}

/// Whether a conference carries a reference number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReferenceNumber {
    /// Not offered.
    #[default]
    Off,
    /// May be skipped.
    Optional,
    /// The moderator must give one.
    Required,
}

words!(ReferenceNumber { Off = "off", Optional = "optional", Required = "required", });

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(prefixes: &[&str], number: &str) -> bool {
        let prefixes = prefixes.iter().map(|&p| p.to_owned()).collect();
        let policy = DialOutPolicy { prefixes, ..DialOutPolicy::default() };
        policy.allows(&number.parse().unwrap(), 0)
    }

    #[test]
    fn a_range_apart_is_opened_only_by_a_prefix_that_names_it() {
        let policy = |prefixes: &[&str]| DialOutPolicy {
            prefixes: prefixes.iter().map(|&prefix| prefix.to_owned()).collect(),
            ..DialOutPolicy::default()
        };
        let jamaica = "18765550100".parse().unwrap();
        assert!(!policy(&["1", "187"]).allows(&jamaica, 4));
        assert!(policy(&["1", "1876"]).allows(&jamaica, 4));
        assert!(policy(&["1876555"]).allows(&jamaica, 4));
    }

    #[test]
    fn dial_out_is_denied_by_default() {
        assert!(!DialOutPolicy::default().is_enabled());
        assert!(!allows(&[], "14165550100"));
    }

    #[test]
    fn dial_out_reaches_listed_prefixes_only() {
        assert!(allows(&["1416", "44"], "14165550100"));
        assert!(allows(&["1416", "44"], "442079460000"));
        assert!(!allows(&["1416", "44"], "16475550100"));
        // A number shorter than the prefix is not in it.
        assert!(!allows(&["1416"], "141"));
    }
}
