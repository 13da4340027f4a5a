//! Putting a snapshot together, and what is checked on the way.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;

use partyline_model::{AccountId, ConferenceId, Number, PasscodeId};

use crate::{Account, Conference, DialIn, Passcode, Pepper, Snapshot};

/// Why the parts make no directory. The server then keeps the snapshot that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// Two accounts have this id.
    DuplicateAccount(AccountId),
    /// Two conferences have this id.
    DuplicateConference(ConferenceId),
    /// Two passcodes have this id.
    DuplicatePasscode(PasscodeId),
    /// Two dial-in numbers are this one.
    DuplicateDialIn(Number),
    /// An alias of this dial-in number means another one as well.
    DuplicateAlias(Number),
    /// The conference belongs to no account.
    UnknownAccount(ConferenceId),
    /// The passcode opens no conference.
    UnknownConference(PasscodeId),
    /// The dial-in number is restricted to an account that there is not.
    UnknownDialInAccount(Number),
    /// The digits are the same, and a caller can reach both: in one account, or over a dial-in
    /// number that is not restricted to one.
    AmbiguousPasscode(PasscodeId, PasscodeId),
    /// An allowed prefix of dial-outs is not 1 to 15 digits. An empty one would allow the world.
    DialOutPrefix(AccountId),
    /// The currency is not three capital letters.
    Currency(AccountId),
    /// The country code is not 1 to 3 digits.
    CountryCode(AccountId),
    /// The conference has room for nobody.
    NoLegs(ConferenceId),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateAccount(id) => write!(f, "{id} is there twice"),
            Self::DuplicateConference(id) => write!(f, "{id} is there twice"),
            Self::DuplicatePasscode(id) => write!(f, "{id} is there twice"),
            Self::DuplicateDialIn(number) => write!(f, "dial-in number +{number} is there twice"),
            Self::DuplicateAlias(number) => {
                write!(f, "an alias of dial-in number +{number} means another number as well")
            }
            Self::UnknownAccount(id) => write!(f, "{id} belongs to no account"),
            Self::UnknownConference(id) => write!(f, "{id} opens no conference"),
            Self::UnknownDialInAccount(number) => {
                write!(f, "dial-in number +{number} is restricted to an unknown account")
            }
            Self::AmbiguousPasscode(a, b) => {
                write!(f, "{a} and {b} have the same digits and a caller can reach both")
            }
            Self::DialOutPrefix(id) => {
                write!(f, "{id} has a dial-out prefix that is not 1 to 15 digits")
            }
            Self::Currency(id) => write!(f, "{id} has a currency that is no ISO 4217 code"),
            Self::CountryCode(id) => write!(f, "{id} has a country code that is not 1 to 3 digits"),
            Self::NoLegs(id) => write!(f, "{id} has room for nobody: max_legs is 0"),
        }
    }
}

impl std::error::Error for BuildError {}

/// Collects the parts of a [`Snapshot`], in any order.
pub struct SnapshotBuilder {
    version: u64,
    pepper: Arc<Pepper>,
    accounts: Vec<Account>,
    conferences: Vec<Conference>,
    passcodes: Vec<Passcode>,
    dial_ins: Vec<DialIn>,
}

impl SnapshotBuilder {
    pub(crate) fn new(version: u64, pepper: Arc<Pepper>) -> Self {
        Self {
            version,
            pepper,
            accounts: Vec::new(),
            conferences: Vec::new(),
            passcodes: Vec::new(),
            dial_ins: Vec::new(),
        }
    }

    /// Adds an account.
    #[must_use]
    pub fn account(mut self, account: Account) -> Self {
        self.accounts.push(account);
        self
    }

    /// Adds a conference.
    #[must_use]
    pub fn conference(mut self, conference: Conference) -> Self {
        self.conferences.push(conference);
        self
    }

    /// Adds a passcode.
    #[must_use]
    pub fn passcode(mut self, passcode: Passcode) -> Self {
        self.passcodes.push(passcode);
        self
    }

    /// Adds a dial-in number.
    #[must_use]
    pub fn dial_in(mut self, dial_in: DialIn) -> Self {
        self.dial_ins.push(dial_in);
        self
    }

    /// Checks the parts against each other.
    ///
    /// # Errors
    /// The first [`BuildError`] found.
    pub fn build(self) -> Result<Snapshot, BuildError> {
        let accounts = by_key(self.accounts, |a| a.id).map_err(BuildError::DuplicateAccount)?;
        let conferences =
            by_key(self.conferences, |c| c.id).map_err(BuildError::DuplicateConference)?;
        let passcodes = by_key(self.passcodes, |p| p.id).map_err(BuildError::DuplicatePasscode)?;
        let dial_ins = by_key(self.dial_ins, |d| d.number).map_err(BuildError::DuplicateDialIn)?;
        let aliases = aliases(&dial_ins)?;
        let mut snapshot = Snapshot {
            version: self.version,
            pepper: self.pepper,
            accounts,
            conferences,
            passcodes,
            verifiers: BTreeMap::new(),
            dial_ins,
            aliases,
        };
        check(&snapshot)?;
        index(&mut snapshot)?;
        Ok(snapshot)
    }
}

/// The items by key, or the first key that comes twice.
fn by_key<K: Ord + Copy, T>(items: Vec<T>, key: fn(&T) -> K) -> Result<BTreeMap<K, T>, K> {
    let mut map = BTreeMap::new();
    for item in items {
        let key = key(&item);
        if map.insert(key, item).is_some() {
            return Err(key);
        }
    }
    Ok(map)
}

fn aliases(dial_ins: &BTreeMap<Number, DialIn>) -> Result<BTreeMap<String, Number>, BuildError> {
    let mut aliases = BTreeMap::new();
    for (&number, dial_in) in dial_ins {
        for alias in &dial_in.aliases {
            let means = alias.parse().ok().filter(|n| dial_ins.contains_key(n)).unwrap_or(number);
            let before = aliases.insert(alias.clone(), number).unwrap_or(number);
            if means != number || before != number {
                return Err(BuildError::DuplicateAlias(number));
            }
        }
    }
    Ok(aliases)
}

fn check(snapshot: &Snapshot) -> Result<(), BuildError> {
    for account in snapshot.accounts.values() {
        check_account(account)?;
    }
    for conference in snapshot.conferences.values() {
        if !snapshot.accounts.contains_key(&conference.account) {
            return Err(BuildError::UnknownAccount(conference.id));
        }
        if conference.max_legs == 0 {
            return Err(BuildError::NoLegs(conference.id));
        }
    }
    for dial_in in snapshot.dial_ins.values() {
        if dial_in.account.is_some_and(|id| !snapshot.accounts.contains_key(&id)) {
            return Err(BuildError::UnknownDialInAccount(dial_in.number));
        }
    }
    Ok(())
}

fn check_account(account: &Account) -> Result<(), BuildError> {
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    if !account.entitlements.dial_out.prefixes.iter().all(|prefix| digits(prefix, 15)) {
        return Err(BuildError::DialOutPrefix(account.id));
    }
    if account.currency.len() != 3 || !account.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(BuildError::Currency(account.id));
    }
    if !digits(&account.country_code, 3) {
        return Err(BuildError::CountryCode(account.id));
    }
    Ok(())
}

/// Fills [`Snapshot::verifiers`], refusing digits that would open two doors.
fn index(snapshot: &mut Snapshot) -> Result<(), BuildError> {
    for passcode in snapshot.passcodes.values() {
        let conference = snapshot.conferences.get(&passcode.conference);
        let account = conference.ok_or(BuildError::UnknownConference(passcode.id))?.account;
        match snapshot.verifiers.entry((passcode.verifier, account)) {
            Entry::Vacant(entry) => entry.insert(passcode.id),
            Entry::Occupied(entry) => {
                return Err(BuildError::AmbiguousPasscode(*entry.get(), passcode.id));
            }
        };
    }
    if snapshot.dial_ins.values().any(|d| d.account.is_none()) {
        let entries = snapshot.verifiers.iter();
        let equal = entries.clone().zip(entries.skip(1)).find(|(a, b)| a.0.0 == b.0.0);
        if let Some(((_, &a), (_, &b))) = equal {
            return Err(BuildError::AmbiguousPasscode(a.min(b), a.max(b)));
        }
    }
    Ok(())
}
