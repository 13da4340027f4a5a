//! `partyline account`: customers and what they may do.

use clap::{Args, Subcommand};
use partyline_directory::{Account, DialOutPolicy, Entitlements, ReferenceNumber};
use partyline_model::Number;
use partyline_operations::{
    AccountSettings, AddAccount, SetAccount, ValueError, country_code, currency, time_zone, yes_no,
};

use super::context::Context;
use super::lookup;
use super::reach;
use super::refusal::told;
use super::table::{Align, Table, harmless};

/// Customers: who pays, and what they may do.
#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// Add an account
    #[command(after_help = "Example:
  partyline account add 'Harbour & Pine LLP' --time-zone America/Halifax --currency CAD \\
      --address 'Accounts payable' --address '1 Water Street, Halifax' \\
      --record yes --dial-out 1416,1902 --reference-number optional --deck retail-2026")]
    Add {
        /// The name, as invoices print it
        name: String,
        /// Add it although another account has the name
        #[arg(long)]
        same_name: bool,
        /// Accept a prefix of --dial-out that opens several countries
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// List all accounts
    List,
    /// Show one account
    Show {
        /// The account's number or name
        account: String,
    },
    /// Change an account; what is not given stays
    #[command(after_help = "Example:
  partyline account set Demo --record no --dial-out ''")]
    Set {
        /// The account's number or name
        account: String,
        /// A new name
        #[arg(long)]
        name: Option<String>,
        /// Take the name although another account has it
        #[arg(long)]
        same_name: bool,
        /// Accept that a price becomes tenfold, or a tenth, by another deck, or a prefix of
        /// --dial-out that opens several countries
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Close the conferences of an account to callers
    Suspend {
        /// The account's number or name
        account: String,
    },
    /// Open them again
    Resume {
        /// The account's number or name
        account: String,
    },
    /// Close an account for good: its conferences and passcodes go, its own dial-in numbers are
    /// free; its records and invoices stay, and its last months can be invoiced
    Close {
        /// The account's number or name
        account: String,
        /// Close it; without, what would go is told
        #[arg(long)]
        yes: bool,
    },
}

/// What can be said of an account.
#[derive(Args, Debug, Default)]
pub(super) struct Settings {
    /// A line of the postal address; may be given several times
    #[arg(long, value_name = "LINE")]
    address: Vec<String>,
    /// The IANA time zone that cuts its days and months [default when adding: UTC]
    #[arg(long, value_name = "ZONE", value_parser = time_zone)]
    time_zone: Option<String>,
    /// The currency of its invoices [default when adding: that of the deck, or USD]
    #[arg(long, value_name = "CODE", value_parser = currency)]
    currency: Option<String>,
    /// The country code for numbers dialled in national form [default when adding: 1]
    #[arg(long, value_name = "DIGITS", value_parser = country_code)]
    country_code: Option<String>,
    /// Whether moderators may record (*4) [default when adding: no]
    #[arg(long, value_name = "YES/NO", value_parser = yes_no)]
    record: Option<bool>,
    /// Beginnings of the numbers that moderators may call (*1), e.g. 1416,1647; '' for none. Ranges
    /// with prices of their own behind a country's code must be listed themselves: 1 does not open
    /// 1876
    #[arg(long, value_name = "PREFIXES", value_parser = prefixes)]
    dial_out: Option<Prefixes>,
    /// Calls out at once in one conference [default when adding: 3]
    #[arg(long, value_name = "COUNT")]
    dial_out_max: Option<u8>,
    /// Whether moderators may set a security passcode (*92) [default when adding: no]
    #[arg(long, value_name = "YES/NO", value_parser = yes_no)]
    security_passcode: Option<bool>,
    /// Whether a conference carries a reference number (*91): off, optional or required
    #[arg(long, value_name = "WHEN")]
    reference_number: Option<ReferenceNumber>,
    /// The number that calls out show
    #[arg(long, value_name = "NUMBER")]
    caller_id: Option<Number>,
    /// The rate deck, by name or plan number
    #[arg(long)]
    deck: Option<String>,
}

/// The beginnings of numbers; a type of its own, as clap takes a plain list for a repeated option.
#[derive(Clone, Debug)]
pub(super) struct Prefixes(Vec<String>);

fn prefixes(text: &str) -> Result<Prefixes, ValueError> {
    partyline_operations::prefixes(text).map(Prefixes)
}

impl AccountCommand {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        match self {
            Self::Add { name, same_name, yes, settings } => {
                let settings = settings.read(context).await?;
                add(context, AddAccount { name, same_name, wide_reach: yes, settings }).await
            }
            Self::List => list(context).await,
            Self::Show { account } => show(context, &account).await,
            Self::Set { account, name, same_name, yes, settings } => {
                let account = lookup::account(context.store(), &account).await?.id;
                let settings = settings.read(context).await?;
                let (wide_reach, price_jumps) = (yes, yes);
                let request =
                    SetAccount { account, name, same_name, wide_reach, price_jumps, settings };
                set(context, request).await
            }
            Self::Suspend { account } => {
                let account = lookup::account(context.store(), &account).await?.id;
                let account = context.operations().suspend_account(account).await.map_err(told)?;
                say_status(context, &account)
            }
            Self::Resume { account } => {
                let account = lookup::account(context.store(), &account).await?.id;
                let account = context.operations().resume_account(account).await.map_err(told)?;
                say_status(context, &account)
            }
            Self::Close { account, yes } => close(context, &account, yes).await,
        }
    }
}

async fn close(context: &mut Context<'_>, wanted: &str, yes: bool) -> anyhow::Result<()> {
    let account = lookup::account(context.store(), wanted).await?;
    let closed = context.operations().close_account(account.id, yes).await.map_err(told)?;
    context.say(format_args!(
        "account {} {:?} is closed; removed: {}",
        account.id.0,
        account.name,
        closed.words()
    ))
}

async fn add(context: &mut Context<'_>, request: AddAccount) -> anyhow::Result<()> {
    let account = context.operations().add_account(request).await.map_err(told)?;
    context.say(format_args!("account {} {:?} added", account.id.0, account.name))?;
    say_reach(context, &account)?;
    if account.rate_plan == 0 {
        context.say("It has no rate deck yet and cannot be invoiced: partyline deck use")?;
    }
    Ok(())
}

async fn set(context: &mut Context<'_>, request: SetAccount) -> anyhow::Result<()> {
    let dial_out = request.settings.dial_out.is_some();
    let account = context.operations().set_account(request).await.map_err(told)?;
    context.say(format_args!("account {} {:?} changed", account.id.0, account.name))?;
    if dial_out { say_reach(context, &account) } else { Ok(()) }
}

fn say_status(context: &mut Context<'_>, account: &Account) -> anyhow::Result<()> {
    let Account { id, name, status, .. } = account;
    context.say(format_args!("account {} {name:?} is {status}", id.0))
}

/// What `*1` opens, and what it seems to open and does not.
fn say_reach(context: &mut Context<'_>, account: &Account) -> anyhow::Result<()> {
    let policy = &account.entitlements.dial_out;
    for text in [reach::opened(policy), reach::left_closed(policy)].into_iter().flatten() {
        context.say(text)?;
    }
    Ok(())
}

impl Settings {
    async fn read(self, context: &Context<'_>) -> anyhow::Result<AccountSettings> {
        let plan = match &self.deck {
            Some(deck) => Some(lookup::deck(context.store(), deck).await?.plan),
            None => None,
        };
        Ok(AccountSettings {
            address: (!self.address.is_empty()).then(|| self.address.join("\n")),
            time_zone: self.time_zone,
            currency: self.currency,
            country_code: self.country_code,
            record: self.record,
            dial_out: self.dial_out.map(|prefixes| prefixes.0),
            dial_out_max: self.dial_out_max,
            security_passcode: self.security_passcode,
            reference_number: self.reference_number,
            caller_id: self.caller_id,
            plan,
        })
    }
}

async fn list(context: &mut Context<'_>) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("name", Align::Left),
        ("status", Align::Left),
        ("time zone", Align::Left),
        ("currency", Align::Left),
        ("conferences", Align::Right),
    ]);
    let conferences = context.store().conferences().await?;
    for account in context.store().accounts().await? {
        let count = conferences.iter().filter(|c| c.account == account.id).count();
        table.row(vec![
            account.id.0.to_string(),
            account.name,
            account.status.to_string(),
            account.time_zone,
            account.currency,
            count.to_string(),
        ]);
    }
    context.say(table)
}

async fn show(context: &mut Context<'_>, wanted: &str) -> anyhow::Result<()> {
    let account = lookup::account(context.store(), wanted).await?;
    let address = context.store().account_address(account.id).await?;
    let deck = context.store().deck(account.rate_plan).await?;
    let deck = deck.map_or("none".to_owned(), |d| format!("{} version {}", d.name, d.version));
    let Entitlements { record, dial_out, security_passcode, reference_number } =
        account.entitlements;
    let closed = reach::left_closed(&dial_out);
    let DialOutPolicy { prefixes, max_concurrent } = dial_out;
    let dial_out = if prefixes.is_empty() {
        "nowhere".to_owned()
    } else {
        format!("{}; {max_concurrent} at once", prefixes.join(", "))
    };
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let caller_id = account.caller_id.map_or("none".to_owned(), |number| number.to_string());
    for (name, value) in [
        ("id", account.id.0.to_string()),
        ("name", account.name),
        ("address", address.replace('\n', ", ")),
        ("status", account.status.to_string()),
        ("time zone", account.time_zone),
        ("currency", account.currency),
        ("country code", account.country_code),
        ("rate deck", deck),
        ("record (*4)", yes_no(record)),
        ("dial out (*1)", dial_out),
        ("caller id", caller_id),
        ("security passcode (*92)", yes_no(security_passcode)),
        ("reference number (*91)", reference_number.to_string()),
    ] {
        context.say(format_args!("{name:<24}{}", harmless(value)))?;
    }
    if let Some(closed) = closed {
        context.say(closed)?;
    }
    Ok(())
}
