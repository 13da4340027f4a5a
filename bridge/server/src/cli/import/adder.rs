//! Rows become accounts, conferences, passcodes and dial-in numbers within one change; what is
//! there already is compared with the row, and changed where it differs.

use std::collections::BTreeMap;

use anyhow::bail;
use partyline_cdr_store::StoreError;
use partyline_cdr_store::admin::{Change, Strength};
use partyline_directory::{Account, AccountStatus, Conference, DialIn};
use partyline_model::{AccountId, ConferenceId, Number, PasscodeId, Role};
use partyline_operations::{
    AddingCodes, DialInError, PasscodeError, check_currency, parse_deck, pick,
};
use zeroize::Zeroizing;

use super::row::{Code, Given, Row};
use crate::cli::context::Context;
use crate::cli::lookup;
use crate::cli::refusal::told;

/// What a run has done.
#[derive(Default)]
pub(super) struct Done {
    pub(super) accounts: usize,
    pub(super) conferences: usize,
    pub(super) passcodes: usize,
    pub(super) dial_ins: usize,
    /// What was there and is otherwise now: `account "Acme": record, deck`.
    pub(super) changed: Vec<String>,
    /// What was there as the file has it.
    pub(super) unchanged: usize,
    pub(super) random: Vec<(ConferenceId, String, Role, Zeroizing<String>)>,
}

/// A passcode in use.
struct InUse {
    id: PasscodeId,
    role: Role,
    digits: Zeroizing<String>,
}

/// Adds rows within one change.
pub(super) struct Adder<'c, 'a> {
    context: &'c Context<'a>,
    change: Change,
    strength: Strength,
    /// Whether prices may jump.
    yes: bool,
    /// Of accounts that are not closed.
    accounts: Vec<Account>,
    conferences: Vec<Conference>,
    dial_ins: Vec<DialIn>,
    /// Of the conferences that rows were about.
    passcodes: BTreeMap<ConferenceId, Vec<InUse>>,
    /// The line of each account, conference and dial-in number.
    seen: BTreeMap<String, u64>,
    done: Done,
}

impl<'c, 'a> Adder<'c, 'a> {
    pub(super) async fn new(
        context: &'c Context<'a>,
        strength: Strength,
        yes: bool,
    ) -> anyhow::Result<Self> {
        let store = context.store();
        let change = context.operations().numbering().await?;
        // Read while no other writer can be under way.
        let mut accounts = store.accounts().await?;
        accounts.retain(|account| account.status != AccountStatus::Closed);
        Ok(Self {
            change,
            strength,
            yes,
            accounts,
            conferences: store.conferences().await?,
            dial_ins: store.dial_ins().await?,
            passcodes: BTreeMap::new(),
            seen: BTreeMap::new(),
            done: Done::default(),
            context,
        })
    }

    /// The change, not committed, and what it does.
    pub(super) fn done(self) -> (Change, Done) {
        (self.change, self.done)
    }

    pub(super) async fn add(&mut self, line: u64, row: Row) -> anyhow::Result<()> {
        match row {
            Row::Account { account, given, address, deck } => {
                self.once(line, format!("account {:?}", account.name))?;
                self.account(account, &given, &address, deck).await
            }
            Row::Conference { account, mut conference, given, codes } => {
                conference.account = self.find_account(&account)?;
                let what = format!("conference {:?} of account {account:?}", conference.name);
                self.once(line, what)?;
                self.conference(conference, &given, codes).await
            }
            Row::Passcode { conference, role, code } => {
                let known = self.conferences.iter().map(|c| (c.id.0, c.name.clone())).collect();
                let (id, name) = find("conference", &conference, known)?;
                self.passcode(ConferenceId(id), &name, role, code).await
            }
            Row::DialIn { account, mut dial_in, given } => {
                if let Some(account) = account {
                    dial_in.account = Some(self.find_account(&account)?);
                }
                self.once(line, format!("dial-in number {}", dial_in.number))?;
                self.dial_in(dial_in, &given).await
            }
        }
    }

    /// Refuses a second row for the same.
    fn once(&mut self, line: u64, what: String) -> anyhow::Result<()> {
        if let Some(first) = self.seen.get(&what) {
            bail!("{what} stands in line {first} already");
        }
        self.seen.insert(what, line);
        Ok(())
    }

    fn find_account(&self, wanted: &str) -> anyhow::Result<AccountId> {
        let known = self.accounts.iter().map(|a| (a.id.0, a.name.clone())).collect();
        Ok(AccountId(find("account", wanted, known)?.0))
    }

    async fn account(
        &mut self,
        row: Account,
        given: &Given,
        address: &str,
        deck: Option<String>,
    ) -> anyhow::Result<()> {
        let store = self.context.store();
        let mut same = self.accounts.iter().filter(|known| known.name == row.name);
        let known = same.next().cloned();
        if same.next().is_some() {
            bail!("several accounts are called {:?}; change them by their numbers", row.name);
        }
        let is_new = known.is_none();
        let before = known.unwrap_or_else(|| row.clone());
        let mut account = merged(&before, &row, given);
        if let Some(deck) = deck {
            let deck = lookup::deck(store, &deck).await?;
            if !is_new {
                let operations = self.context.operations();
                operations.check_rates(&before, deck.plan, self.yes).await.map_err(told)?;
            }
            account.rate_plan = deck.plan;
            if is_new && !given.has("currency") {
                let deck = parse_deck(&deck).map_err(told)?;
                account.currency = deck.currency().code().to_owned();
            }
        }
        check_currency(store, &account).await.map_err(told)?;
        if is_new {
            account.id = self.change.add_account(&account).await?;
            self.change.set_account_address(account.id, address).await?;
            self.accounts.push(account);
            self.done.accounts += 1;
            return Ok(());
        }
        let mut changed = differences(&before, &account);
        if !changed.is_empty() {
            self.change.update_account(&account).await?;
        }
        if given.has("address") && store.account_address(account.id).await? != address {
            self.change.set_account_address(account.id, address).await?;
            changed.push("address");
        }
        self.done.unchanged += usize::from(changed.is_empty());
        self.changed(&format!("account {:?}", account.name), &changed);
        if let Some(known) = self.accounts.iter_mut().find(|known| known.id == account.id) {
            *known = account;
        }
        Ok(())
    }

    fn changed(&mut self, what: &str, columns: &[&str]) {
        if !columns.is_empty() {
            self.done.changed.push(format!("{what}: {}", columns.join(", ")));
        }
    }

    async fn conference(
        &mut self,
        row: Conference,
        given: &Given,
        codes: [(Role, Code); 2],
    ) -> anyhow::Result<()> {
        let same = |c: &&Conference| (c.account, &c.name) == (row.account, &row.name);
        let mut known = self.conferences.iter().filter(same);
        let before = known.next().cloned();
        if known.next().is_some() {
            bail!(
                "several conferences of the account are called {:?}; change them by their numbers",
                row.name
            );
        }
        let Some(before) = before else {
            let id = self.change.add_conference(&row).await?;
            self.passcodes.insert(id, Vec::new());
            let name = row.name.clone();
            self.conferences.push(Conference { id, ..row });
            self.done.conferences += 1;
            for (role, code) in codes {
                self.passcode(id, &name, role, code).await?;
            }
            return Ok(());
        };
        let mut conference = before.clone();
        let mut changed = Vec::new();
        macro_rules! take {
            ($($column:ident)*) => {$(
                if given.has(stringify!($column)) && conference.$column != row.$column {
                    conference.$column = row.$column;
                    changed.push(stringify!($column));
                }
            )*};
        }
        take!(starts_with max_legs announce enabled ends_with_moderator);
        if changed.is_empty() {
            self.done.unchanged += 1;
        } else {
            self.change.update_conference(&conference).await?;
        }
        self.changed(&format!("conference {:?}", conference.name), &changed);
        // Both of the old ones go first: the two may change places.
        for (role, code) in &codes {
            self.retire_replaced(conference.id, &conference.name, *role, code).await?;
        }
        for (role, code) in codes {
            let in_use = self.in_use(conference.id).await?;
            let has_one = in_use.iter().any(|passcode| passcode.role == role);
            if has_one && matches!(code, Code::Random) {
                self.done.unchanged += 1;
            } else {
                self.passcode(conference.id, &conference.name, role, code).await?;
            }
        }
        Ok(())
    }

    /// Takes a conference's code for a role out of use where the file has another.
    async fn retire_replaced(
        &mut self,
        conference: ConferenceId,
        name: &str,
        role: Role,
        code: &Code,
    ) -> anyhow::Result<()> {
        let Code::Given(digits) = code else { return Ok(()) };
        let in_use = self.in_use(conference).await?;
        let (own, others): (Vec<_>, Vec<_>) =
            std::mem::take(in_use).into_iter().partition(|passcode| passcode.role == role);
        *in_use = others;
        if own.is_empty() || own.iter().any(|passcode| *passcode.digits == **digits) {
            in_use.extend(own);
            return Ok(());
        }
        for passcode in own {
            self.change.retire_passcode(passcode.id).await?;
        }
        self.changed(&format!("conference {name:?}"), &[role.as_str()]);
        Ok(())
    }

    /// The passcodes of a conference, read when they are first asked for.
    async fn in_use(&mut self, conference: ConferenceId) -> anyhow::Result<&mut Vec<InUse>> {
        if !self.passcodes.contains_key(&conference) {
            let mut in_use = Vec::new();
            let (store, keys) = (self.context.store(), self.context.keys());
            for row in store.passcodes(conference).await? {
                let digits = store.reveal_passcode(keys, row.id).await?;
                in_use.push(InUse { id: row.id, role: row.role, digits });
            }
            self.passcodes.insert(conference, in_use);
        }
        Ok(self.passcodes.entry(conference).or_default())
    }

    async fn passcode(
        &mut self,
        conference: ConferenceId,
        name: &str,
        role: Role,
        code: Code,
    ) -> anyhow::Result<()> {
        let keys = self.context.keys();
        let in_use = self.in_use(conference).await?;
        let (id, digits) = match code {
            Code::Given(digits) => {
                if in_use.iter().any(|p| p.role == role && *p.digits == *digits) {
                    self.done.unchanged += 1;
                    return Ok(());
                }
                let dial_ins: Vec<Number> = self.dial_ins.iter().map(|d| d.number).collect();
                let adding = AddingCodes { keys, dial_ins: &dial_ins, strength: self.strength };
                let added = adding.given(&mut self.change, conference, role, &digits).await;
                let id = added.map_err(|why| told(PasscodeError::Digits { role, why }))?;
                (id, digits)
            }
            Code::Random => {
                let added = self.change.add_random_passcode(keys, conference, role, None).await?;
                self.done.random.push((conference, name.to_owned(), role, added.1.clone()));
                added
            }
        };
        self.in_use(conference).await?.push(InUse { id, role, digits });
        self.done.passcodes += 1;
        Ok(())
    }

    async fn dial_in(&mut self, row: DialIn, given: &Given) -> anyhow::Result<()> {
        let number = row.number;
        let known = self.dial_ins.iter_mut().find(|known| known.number == number);
        let Some(known) = known else {
            let added = self.change.add_dial_in(&row).await;
            if let Err(StoreError::Duplicate(_)) = added {
                return Err(told(DialInError::Exists(number)));
            }
            added?;
            self.dial_ins.push(row);
            self.done.dial_ins += 1;
            return Ok(());
        };
        let mut changed = Vec::new();
        macro_rules! take {
            ($($column:ident)*) => {$(
                if given.has(stringify!($column)) && known.$column != row.$column {
                    known.$column = row.$column;
                    changed.push(stringify!($column));
                }
            )*};
        }
        take!(aliases account access_kind welcome);
        if changed.is_empty() {
            self.done.unchanged += 1;
        } else {
            self.change.update_dial_in(known).await?;
        }
        self.changed(&format!("dial-in number {number}"), &changed);
        Ok(())
    }
}

/// `before` with what the row says.
fn merged(before: &Account, row: &Account, given: &Given) -> Account {
    let mut account = before.clone();
    macro_rules! take {
        ($($column:literal $($field:ident).+;)*) => {$(
            if given.has($column) {
                account.$($field).+ = row.$($field).+.clone();
            }
        )*};
    }
    take! {
        "time_zone" time_zone;
        "currency" currency;
        "country_code" country_code;
        "record" entitlements.record;
        "dial_out" entitlements.dial_out.prefixes;
        "dial_out_max" entitlements.dial_out.max_concurrent;
        "security_passcode" entitlements.security_passcode;
        "reference_number" entitlements.reference_number;
        "caller_id" caller_id;
    }
    account
}

/// The columns in which two accounts differ.
fn differences(before: &Account, after: &Account) -> Vec<&'static str> {
    let (old, new) = (&before.entitlements, &after.entitlements);
    let columns = [
        ("time_zone", before.time_zone == after.time_zone),
        ("currency", before.currency == after.currency),
        ("country_code", before.country_code == after.country_code),
        ("record", old.record == new.record),
        ("dial_out", old.dial_out.prefixes == new.dial_out.prefixes),
        ("dial_out_max", old.dial_out.max_concurrent == new.dial_out.max_concurrent),
        ("security_passcode", old.security_passcode == new.security_passcode),
        ("reference_number", old.reference_number == new.reference_number),
        ("caller_id", before.caller_id == after.caller_id),
        ("deck", before.rate_plan == after.rate_plan),
    ];
    columns.into_iter().filter(|(_, same)| !same).map(|(column, _)| column).collect()
}

fn find(
    kind: &'static str,
    wanted: &str,
    known: Vec<(u64, String)>,
) -> anyhow::Result<(u64, String)> {
    pick(kind, wanted, known, |item| (item.0, &item.1)).map_err(told)
}
