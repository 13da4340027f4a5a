//! The directory at one moment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use partyline_model::{AccountId, ConferenceId, Number, PasscodeId};
use partyline_secret::SecretDigits;

use crate::builder::SnapshotBuilder;
use crate::{Account, Conference, DialIn, Passcode, Pepper, Verifier};

/// The directory at one moment: consistent, and never changed.
pub struct Snapshot {
    pub(crate) version: u64,
    pub(crate) pepper: Arc<Pepper>,
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) conferences: BTreeMap<ConferenceId, Conference>,
    pub(crate) passcodes: BTreeMap<PasscodeId, Passcode>,
    /// The account is part of the key: numbers of their own let two accounts have one passcode.
    pub(crate) verifiers: BTreeMap<(Verifier, AccountId), PasscodeId>,
    pub(crate) dial_ins: BTreeMap<Number, DialIn>,
    pub(crate) aliases: BTreeMap<String, Number>,
}

impl Snapshot {
    /// Starts an empty directory; `version` is that of the store's row.
    pub fn builder(version: u64, pepper: Arc<Pepper>) -> SnapshotBuilder {
        SnapshotBuilder::new(version, pepper)
    }

    /// The version of the store that this was read from.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The passcode that a caller of `dial_in` typed; `None` when the number reaches none like it.
    ///
    /// Valid and invalid digits cost the same: one keyed hash and one search. Whether the
    /// conference and the account may be used is left to the caller of this function, who says
    /// something else then than for a wrong passcode.
    pub fn find_passcode(&self, typed: &SecretDigits, dial_in: &DialIn) -> Option<&Passcode> {
        let verifier = self.pepper.typed(typed);
        let (low, high) = match dial_in.account {
            Some(account) => (account, account),
            None => (AccountId(u64::MIN), AccountId(u64::MAX)),
        };
        let (_, id) = self.verifiers.range((verifier, low)..=(verifier, high)).next()?;
        self.passcodes.get(id)
    }

    /// The account.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// The conference.
    pub fn conference(&self, id: ConferenceId) -> Option<&Conference> {
        self.conferences.get(&id)
    }

    /// The conference together with the account that pays for it.
    pub fn conference_and_account(&self, id: ConferenceId) -> Option<(&Conference, &Account)> {
        let conference = self.conferences.get(&id)?;
        Some((conference, self.accounts.get(&conference.account)?))
    }

    /// The passcode.
    pub fn passcode(&self, id: PasscodeId) -> Option<&Passcode> {
        self.passcodes.get(&id)
    }

    /// The dial-in number.
    pub fn dial_in(&self, number: &Number) -> Option<&DialIn> {
        self.dial_ins.get(number)
    }

    /// The dial-in number that the user part of a request URI means: an alias as it is written,
    /// else a telephone number in any usual form (`+14165550100`).
    pub fn dial_in_for(&self, user: &str) -> Option<&DialIn> {
        let number = self.aliases.get(user).copied().or_else(|| user.parse().ok())?;
        self.dial_ins.get(&number)
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// All conferences, by id.
    pub fn conferences(&self) -> impl Iterator<Item = &Conference> {
        self.conferences.values()
    }

    /// All dial-in numbers, in the order of their digits.
    pub fn dial_ins(&self) -> impl Iterator<Item = &DialIn> {
        self.dial_ins.values()
    }
}

/// The version and how much there is; nothing of the contents.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("version", &self.version)
            .field("accounts", &self.accounts.len())
            .field("conferences", &self.conferences.len())
            .field("passcodes", &self.passcodes.len())
            .field("dial_ins", &self.dial_ins.len())
            .finish()
    }
}
