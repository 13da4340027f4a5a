//! Who changed what, and when: entries that are added in the transaction of the change, each with
//! the hash of the one before.
//!
//! The hash finds what was changed or removed in the database afterwards. Who can write the
//! database can also write the whole chain anew: the hash of the last entry, noted elsewhere, finds
//! that as well. Digits of passcodes are in no entry.

mod chain;
mod fields;

pub use chain::{Audited, Break, Verified};

use std::borrow::Cow;
use std::collections::BTreeMap;

use partyline_directory::{Account, Conference, DialIn};
use partyline_model::{AccountId, Role, WallTime};
use sqlx::{Sqlite, Transaction};

use super::money::{Deck, NewInvoice};
use crate::StoreError;
use fields::{account_fields, conference_fields, dial_in_fields};

/// By which way somebody changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The command line.
    Cli,
    /// The interface for programs.
    Api,
    /// The pages for customers and staff.
    Portal,
    /// The bridge itself, at its first start.
    Bridge,
}

impl Via {
    /// The word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Api => "api",
            Self::Portal => "portal",
            Self::Bridge => "bridge",
        }
    }
}

/// Who does it, and by which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// By which way.
    pub via: Via,
    /// A login, a person or a key, as that way knows them.
    pub name: String,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The object is there since.
    Added,
    /// Fields of the object are otherwise since.
    Changed,
    /// The object is there no more.
    Removed,
    /// Passcodes of the object were shown in clear.
    Shown,
}

impl Act {
    /// The word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Shown => "shown",
        }
    }
}

/// One thing that is otherwise: `None` where there was, or is, nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// The name, as a column of an import is called.
    pub field: Cow<'static, str>,
    /// What it was.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
}

/// What a change does to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub account: Option<AccountId>,
    /// `account`, `conference`, `dial_in`, `deck` or `invoice`.
    pub kind: Cow<'static, str>,
    /// The number of the object.
    pub object: String,
    /// The name of the object; empty where it has none.
    pub name: String,
    /// What happened to it: the word of an [`Act`].
    pub act: Cow<'static, str>,
    /// What is otherwise.
    pub fields: Vec<FieldChange>,
}

/// The entries of a change that is not committed yet.
#[derive(Debug)]
pub(super) struct Notes {
    actor: Actor,
    at: WallTime,
    /// What the first entry of the folder follows.
    origin: [u8; 32],
    entries: Vec<Entry>,
    /// Where the entry of an object is.
    of: BTreeMap<(Cow<'static, str>, String), usize>,
}

/// What stands in the place of a passcode that was there.
const THERE: &str = "set";
/// What stands in the place of one that replaces it.
const REPLACED: &str = "changed";

impl Notes {
    pub(super) fn new(actor: &Actor, at: WallTime, folder: partyline_model::Uuid) -> Self {
        let (actor, origin) = (actor.clone(), chain::origin(folder));
        Self { actor, at, origin, entries: Vec::new(), of: BTreeMap::new() }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Notes what is otherwise; nothing where nothing is. What changes of one object comes in one
    /// entry.
    fn note(&mut self, entry: Entry) {
        let key = (entry.kind.clone(), entry.object.clone());
        let goes_on = entry.act == Act::Changed.as_str();
        let known = self.of.get(&key).copied().filter(|_| goes_on);
        let Some(known) = known.and_then(|at| self.entries.get_mut(at)) else {
            if goes_on && entry.fields.is_empty() {
                return;
            }
            if entry.act != Act::Shown.as_str() {
                self.of.insert(key, self.entries.len());
            }
            self.entries.push(entry);
            return;
        };
        known.name = entry.name;
        for change in entry.fields {
            match known.fields.iter_mut().find(|known| known.field == change.field) {
                Some(known) => known.follow(change.after),
                None => known.fields.push(change),
            }
        }
    }

    pub(super) fn account(&mut self, before: Option<&Account>, after: &Account) {
        let old = before.map(account_fields).unwrap_or_default();
        self.note(Entry {
            account: Some(after.id),
            kind: "account".into(),
            object: after.id.0.to_string(),
            name: after.name.clone(),
            act: if before.is_some() { Act::Changed } else { Act::Added }.as_str().into(),
            fields: differences(&old, &account_fields(after)),
        });
    }

    pub(super) fn address(&mut self, account: &Account, before: &str, after: &str) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (before, after) = (some(before), some(after));
        if before == after {
            return;
        }
        let field = "address".into();
        self.note(Entry {
            account: Some(account.id),
            kind: "account".into(),
            object: account.id.0.to_string(),
            name: account.name.clone(),
            act: Act::Changed.as_str().into(),
            fields: vec![FieldChange { field, before, after }],
        });
    }

    pub(super) fn conference(&mut self, before: Option<&Conference>, after: &Conference) {
        let old = before.map(conference_fields).unwrap_or_default();
        let act = if before.is_some() { Act::Changed } else { Act::Added };
        self.about(after, act, differences(&old, &conference_fields(after)));
    }

    pub(super) fn conference_removed(&mut self, conference: &Conference) {
        self.about(conference, Act::Removed, differences(&conference_fields(conference), &[]));
    }

    fn about(&mut self, conference: &Conference, act: Act, fields: Vec<FieldChange>) {
        self.note(Entry {
            account: Some(conference.account),
            kind: "conference".into(),
            object: conference.id.0.to_string(),
            name: conference.name.clone(),
            act: act.as_str().into(),
            fields,
        });
    }

    /// A passcode that the conference has from now on, or has no more. Only that is said of it.
    pub(super) fn passcode(&mut self, of: &Conference, role: Role, is_there: bool) {
        let there = |is| if is { Some(THERE.to_owned()) } else { None };
        let field = format!("{} passcode", role.as_str()).into();
        let change = FieldChange { field, before: there(!is_there), after: there(is_there) };
        self.about(of, Act::Changed, vec![change]);
    }

    pub(super) fn passcodes_shown(&mut self, of: &Conference) {
        self.about(of, Act::Shown, Vec::new());
    }

    pub(super) fn dial_in(&mut self, before: Option<&DialIn>, after: Option<&DialIn>) {
        let Some(subject) = after.or(before) else { return };
        let act = match (before, after) {
            (None, _) => Act::Added,
            (Some(_), Some(_)) => Act::Changed,
            (Some(_), None) => Act::Removed,
        };
        let of = |dial_in: Option<&DialIn>| dial_in.map(dial_in_fields).unwrap_or_default();
        self.note(Entry {
            account: subject.account,
            kind: "dial_in".into(),
            object: subject.number.to_string(),
            name: String::new(),
            act: act.as_str().into(),
            fields: differences(&of(before), &of(after)),
        });
    }

    pub(super) fn deck(&mut self, before: Option<u32>, after: &Deck) {
        let text = |version: u32| version.to_string();
        let only = |field: &'static str, value: String| FieldChange {
            field: field.into(),
            before: None,
            after: Some(value),
        };
        let version = FieldChange {
            field: "version".into(),
            before: before.map(text),
            after: Some(text(after.version)),
        };
        self.note(Entry {
            account: None,
            kind: "deck".into(),
            object: after.plan.to_string(),
            name: after.name.clone(),
            act: if before.is_some() { Act::Changed } else { Act::Added }.as_str().into(),
            fields: vec![
                version,
                only("since", after.since.to_string()),
                only("sha256", chain::hex(&after.sha256)),
            ],
        });
    }

    pub(super) fn invoice(&mut self, invoice: &NewInvoice<'_>, sha256: &[u8; 32]) {
        let only = |field: &'static str, value: String| FieldChange {
            field: field.into(),
            before: None,
            after: Some(value),
        };
        self.note(Entry {
            account: Some(invoice.account),
            kind: "invoice".into(),
            object: format!("{}-{}", invoice.series, invoice.number),
            name: String::new(),
            act: Act::Added.as_str().into(),
            fields: vec![
                only("period", invoice.period.to_owned()),
                only("sha256", chain::hex(sha256)),
            ],
        });
    }

    /// Adds the entries to the chain.
    pub(super) async fn write(
        self,
        tx: &mut Transaction<'static, Sqlite>,
    ) -> Result<(), StoreError> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let (mut seq, mut before) = chain::end(tx, self.origin).await?;
        for entry in self.entries {
            seq += 1;
            let entry = Audited::next(seq, before, self.at, &self.actor, entry);
            before = entry.hash;
            chain::append(tx, &entry).await?;
        }
        Ok(())
    }
}

impl FieldChange {
    /// What comes of it after another change.
    fn follow(&mut self, after: Option<String>) {
        let is_code = self.field.ends_with(" passcode");
        self.after = match after {
            Some(_) if is_code && self.before.is_some() => Some(REPLACED.to_owned()),
            other => other,
        };
    }
}

/// What is otherwise between two lists of fields.
fn differences(
    before: &[(&'static str, Option<String>)],
    after: &[(&'static str, Option<String>)],
) -> Vec<FieldChange> {
    let value = |list: &[(&'static str, Option<String>)], name: &str| {
        list.iter().find(|(field, _)| *field == name).and_then(|(_, value)| value.clone())
    };
    let names = if after.is_empty() { before } else { after };
    let all = names.iter().map(|(field, _)| FieldChange {
        field: (*field).into(),
        before: value(before, field),
        after: value(after, field),
    });
    all.filter(|change| change.before != change.after).collect()
}
