//! `partyline import`: many accounts, conferences, passcodes and dial-in numbers in one
//! transaction, all of them or none.

mod row;

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use partyline_cdr_store::admin::{Change, Strength};
use partyline_directory::{Account, Conference, DialIn};
use partyline_model::{AccountId, ConferenceId, Number, Role};
use zeroize::Zeroizing;

use super::context::Context;
use super::passcode::{self, Adding};
use super::table::{Align, Table};
use super::{deck, dial_in, lookup};
use row::{Code, Row};

/// Add many accounts, conferences, passcodes and dial-in numbers from one CSV file: all, or none.
#[derive(Args, Debug)]
#[command(after_help = COLUMNS)]
pub(super) struct Import {
    /// The CSV file
    file: PathBuf,
    /// Take passcodes that are easy to guess
    #[arg(long)]
    weak_ok: bool,
}

const COLUMNS: &str = "\
The first line names the columns, in any order; `kind` says what a row adds, and a row leaves the
columns of other kinds empty. What is empty has the default of the command with the same name.
Rows are taken from the top: a row may name, by name or by number, what an earlier one added.

kind        columns
account     name, address (lines separated by |), time_zone, currency, country_code, record,
            dial_out (prefixes separated by spaces), dial_out_max, security_passcode,
            reference_number, caller_id, deck
conference  account, name, starts_with, max_legs, announce, enabled, ends_with_moderator,
            moderator, participant (digits of the passcodes; empty: random, printed once)
passcode    conference, role (moderator or participant), passcode (digits; empty: random)
dial_in     number, aliases (separated by spaces), account, access_kind, welcome

Example, with which two conferences stand by:
  kind,account,name,number,moderator,participant
  account,,Acme,,,
  dial_in,,,14165550123,,
  conference,Acme,Board,,48151623,91827364
  conference,Acme,Sales,,,

A longer one is config/import.example.csv.";

/// What is wrong in a line of the file.
struct Fault {
    line: u64,
    message: String,
}

/// What a run has added.
#[derive(Default)]
struct Tally {
    accounts: usize,
    conferences: usize,
    passcodes: usize,
    dial_ins: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "imported {} accounts, {} conferences, {} passcodes, {} dial-in numbers",
            self.accounts, self.conferences, self.passcodes, self.dial_ins
        )
    }
}

impl Import {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let shown = self.file.display().to_string();
        let text = std::fs::read(&self.file).with_context(|| format!("{shown}: cannot be read"))?;
        let text = Zeroizing::new(text);
        let (rows, mut faults) = row::read(&text);
        if rows.is_empty() && faults.is_empty() {
            bail!("{shown}: there is nothing to import below the header");
        }
        let strength = if self.weak_ok { Strength::WeakOk } else { Strength::Required };
        let mut adder = Adder::new(context, strength).await?;
        for (line, row) in rows {
            if let Err(error) = adder.add(row).await {
                faults.push(Fault { line, message: format!("{error:#}") });
            }
        }
        let Adder { change, tally, random, .. } = adder;
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.line);
            let lines = faults.iter().map(|f| format!("\n  {shown}:{}: {}", f.line, f.message));
            bail!("nothing was imported:{}", lines.collect::<String>());
        }
        change.commit_checked().await.context("nothing was imported")?;
        context.say(tally)?;
        if random.is_empty() {
            return Ok(());
        }
        context.say("Random passcodes; see them again with: partyline passcode show CONFERENCE")?;
        let mut table = Table::new(&[
            ("conference", Align::Right),
            ("name", Align::Left),
            ("role", Align::Left),
            ("passcode", Align::Left),
        ]);
        for (id, name, role, digits) in &random {
            let role = passcode::role_word(*role).to_owned();
            table.row(vec![id.0.to_string(), name.clone(), role, digits.to_string()]);
        }
        context.say(table)
    }
}

/// Adds rows within one change.
struct Adder<'c, 'a> {
    context: &'c Context<'a>,
    change: Change,
    strength: Strength,
    accounts: Vec<(u64, String)>,
    conferences: Vec<(u64, String)>,
    dial_ins: Vec<Number>,
    tally: Tally,
    random: Vec<(ConferenceId, String, Role, Zeroizing<String>)>,
}

impl<'c, 'a> Adder<'c, 'a> {
    async fn new(context: &'c Context<'a>, strength: Strength) -> anyhow::Result<Self> {
        let store = context.store();
        let change = store.change().await?;
        // Read while no other writer can be under way.
        let accounts = store.accounts().await?.into_iter();
        let conferences = store.conferences().await?.into_iter();
        Ok(Self {
            change,
            strength,
            accounts: accounts.map(|account| (account.id.0, account.name)).collect(),
            conferences: conferences.map(|c| (c.id.0, c.name)).collect(),
            dial_ins: passcode::dial_in_numbers(context).await?,
            tally: Tally::default(),
            random: Vec::new(),
            context,
        })
    }

    async fn add(&mut self, row: Row) -> anyhow::Result<()> {
        match row {
            Row::Account { account, address, deck } => self.account(account, &address, deck).await,
            Row::Conference { account, conference, codes } => {
                self.conference(&account, conference, codes).await
            }
            Row::Passcode { conference, role, code } => {
                let (id, name) = find("conference", &conference, &self.conferences)?;
                self.passcode(ConferenceId(id), &name, role, code).await
            }
            Row::DialIn { account, dial_in } => self.dial_in(account, dial_in).await,
        }
    }

    async fn account(
        &mut self,
        mut account: Account,
        address: &str,
        deck: Option<String>,
    ) -> anyhow::Result<()> {
        if let Some(deck) = deck {
            account.rate_plan = lookup::deck(self.context.store(), &deck).await?.plan;
        }
        deck::check_currency(self.context.store(), &account).await?;
        let id = self.change.add_account(&account).await?;
        self.change.set_account_address(id, address).await?;
        self.accounts.push((id.0, account.name));
        self.tally.accounts += 1;
        Ok(())
    }

    async fn conference(
        &mut self,
        account: &str,
        mut conference: Conference,
        codes: [(Role, Code); 2],
    ) -> anyhow::Result<()> {
        conference.account = AccountId(find("account", account, &self.accounts)?.0);
        let id = self.change.add_conference(&conference).await?;
        self.conferences.push((id.0, conference.name.clone()));
        self.tally.conferences += 1;
        for (role, code) in codes {
            self.passcode(id, &conference.name, role, code).await?;
        }
        Ok(())
    }

    async fn passcode(
        &mut self,
        conference: ConferenceId,
        name: &str,
        role: Role,
        code: Code,
    ) -> anyhow::Result<()> {
        let keys = self.context.keys();
        match code {
            Code::Given(digits) => {
                let adding = Adding { keys, dial_ins: &self.dial_ins, strength: self.strength };
                let added = adding.given(&mut self.change, conference, role, &digits).await;
                added
                    .map_err(|error| anyhow!("{} passcode: {error}", passcode::role_word(role)))?;
            }
            Code::Random => {
                let added = self.change.add_random_passcode(keys, conference, role, None).await;
                self.random.push((conference, name.to_owned(), role, added?.1));
            }
        }
        self.tally.passcodes += 1;
        Ok(())
    }

    async fn dial_in(
        &mut self,
        account: Option<String>,
        mut dial_in: DialIn,
    ) -> anyhow::Result<()> {
        if let Some(account) = account {
            dial_in.account = Some(AccountId(find("account", &account, &self.accounts)?.0));
        }
        let number = dial_in.number;
        let added = self.change.add_dial_in(&dial_in).await;
        added.map_err(|error| dial_in::refusal(error, number))?;
        self.dial_ins.push(number);
        self.tally.dial_ins += 1;
        Ok(())
    }
}

fn find(kind: &str, wanted: &str, known: &[(u64, String)]) -> anyhow::Result<(u64, String)> {
    lookup::pick(kind, wanted, known.to_vec(), |item| (item.0, &item.1))
}
