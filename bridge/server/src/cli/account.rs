//! `partyline account`: customers and what they may do.

use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use partyline_directory::{Account, AccountStatus, DialOutPolicy, Entitlements, ReferenceNumber};
use partyline_model::{AccountId, Number};

use super::context::Context;
use super::lookup;
use super::reach;
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
pub(super) struct Prefixes(pub(super) Vec<String>);

pub(super) fn yes_no(text: &str) -> Result<bool, &'static str> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("expected yes or no"),
    }
}

pub(super) fn time_zone(text: &str) -> Result<String, &'static str> {
    match TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("unknown time zone; use an IANA name such as America/Toronto"),
    }
}

pub(super) fn currency(text: &str) -> Result<String, &'static str> {
    match partyline_billing::currency(text) {
        Some(currency) => Ok(currency.code().to_owned()),
        None => Err("unknown currency; use an ISO 4217 code such as USD"),
    }
}

pub(super) fn country_code(text: &str) -> Result<String, &'static str> {
    let fits = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err("expected 1 to 3 digits such as 1 or 44") }
}

pub(super) fn prefixes(text: &str) -> Result<Prefixes, &'static str> {
    let prefixes: Vec<String> = text
        .split([',', ' '])
        .map(|prefix| prefix.trim_start_matches('+'))
        .filter(|prefix| !prefix.is_empty())
        .map(str::to_owned)
        .collect();
    if prefixes.iter().any(|prefix| prefix.starts_with('0')) {
        return Err("a number begins with its country code, never with 0, 00 or 011: write 44");
    }
    let digits = |p: &String| p.len() <= 15 && p.bytes().all(|b| b.is_ascii_digit());
    if prefixes.iter().all(digits) {
        Ok(Prefixes(prefixes))
    } else {
        Err("expected beginnings of numbers of up to 15 digits, separated by commas")
    }
}

/// An account of which only the name is known.
pub(super) fn blank(name: String) -> Account {
    Account {
        id: AccountId(0),
        name,
        tenant_id: 0,
        status: AccountStatus::Active,
        entitlements: Entitlements::default(),
        caller_id: None,
        time_zone: "UTC".to_owned(),
        currency: "USD".to_owned(),
        country_code: "1".to_owned(),
        rate_plan: 0,
    }
}

impl AccountCommand {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        match self {
            Self::Add { name, same_name, yes, settings } => {
                settings.check_reach(yes)?;
                check_name(context, &name, None, same_name).await?;
                add(context, name, settings).await
            }
            Self::List => list(context).await,
            Self::Show { account } => show(context, &account).await,
            Self::Set { account, name, same_name, yes, settings } => {
                settings.check_reach(yes)?;
                if let Some(name) = &name {
                    let own = lookup::account(context.store(), &account).await?.id;
                    check_name(context, name, Some(own), same_name).await?;
                }
                if let Some(deck) = &settings.deck {
                    let deck = lookup::deck(context.store(), deck).await?;
                    let account = lookup::account(context.store(), &account).await?;
                    super::deck::check_change(context.store(), &account, &deck, yes).await?;
                }
                set(context, &account, name, settings).await
            }
            Self::Suspend { account } => status(context, &account, AccountStatus::Suspended).await,
            Self::Resume { account } => status(context, &account, AccountStatus::Active).await,
            Self::Close { account, yes } => close(context, &account, yes).await,
        }
    }
}

/// Refuses no name, and that of another account that is not closed: commands and invoices could
/// not tell the two apart.
async fn check_name(
    context: &Context<'_>,
    name: &str,
    own: Option<AccountId>,
    same_name: bool,
) -> anyhow::Result<()> {
    lookup::printable("an account", name)?;
    let accounts = context.store().accounts().await?.into_iter();
    let mut others = accounts.filter(|a| Some(a.id) != own && a.status != AccountStatus::Closed);
    match others.find(|other| other.name.trim() == name.trim()) {
        Some(other) if !same_name => bail!(
            "account {} is called {name:?} already; choose another name, or say --same-name",
            other.id.0
        ),
        Some(_) | None => Ok(()),
    }
}

async fn close(context: &mut Context<'_>, wanted: &str, yes: bool) -> anyhow::Result<()> {
    let account = lookup::account(context.store(), wanted).await?;
    let (id, name) = (account.id.0, &account.name);
    if account.status == AccountStatus::Closed {
        bail!("account {id} {name:?} is closed already");
    }
    let mut change = context.store().change().await?;
    let closed = change.close_account(account.id).await?;
    let went = format!(
        "{} conferences, {} passcodes, {} dial-in numbers of its own",
        closed.conferences, closed.passcodes, closed.dial_ins
    );
    if !yes {
        bail!("closing account {id} {name:?} is for good and removes {went}; say --yes");
    }
    change.commit_checked().await?;
    context.say(format_args!("account {id} {name:?} is closed; removed: {went}"))
}

async fn add(context: &mut Context<'_>, name: String, settings: Settings) -> anyhow::Result<()> {
    let mut account = blank(name);
    let address = settings.address.join("\n");
    settings.apply(context, &mut account, true).await?;
    let mut change = context.numbering().await?;
    let id = change.add_account(&account).await?;
    change.set_account_address(id, &address).await?;
    change.commit_checked().await?;
    context.say(format_args!("account {} {:?} added", id.0, account.name))?;
    say_reach(context, &account)?;
    if account.rate_plan == 0 {
        context.say("It has no rate deck yet and cannot be invoiced: partyline deck use")?;
    }
    Ok(())
}

async fn set(
    context: &mut Context<'_>,
    wanted: &str,
    name: Option<String>,
    settings: Settings,
) -> anyhow::Result<()> {
    let before = lookup::account(context.store(), wanted).await?;
    let mut account = before.clone();
    if let Some(name) = name {
        account.name = name;
    }
    let address = (!settings.address.is_empty()).then(|| settings.address.join("\n"));
    let dial_out = settings.dial_out.is_some();
    settings.apply(context, &mut account, false).await?;
    let known = context.store().account_address(account.id).await?;
    if account == before && address.as_ref().is_none_or(|address| *address == known) {
        bail!("nothing to change; see: partyline account set --help");
    }
    let mut change = context.store().change().await?;
    change.update_account(&account).await?;
    if let Some(address) = address {
        change.set_account_address(account.id, &address).await?;
    }
    change.commit_checked().await?;
    context.say(format_args!("account {} {:?} changed", account.id.0, account.name))?;
    if dial_out { say_reach(context, &account) } else { Ok(()) }
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
    fn check_reach(&self, yes: bool) -> anyhow::Result<()> {
        self.dial_out.as_ref().map_or(Ok(()), |listed| reach::check_width(&listed.0, yes))
    }

    /// Puts what was given into `account`.
    async fn apply(
        self,
        context: &Context<'_>,
        account: &mut Account,
        is_new: bool,
    ) -> anyhow::Result<()> {
        let entitled = &mut account.entitlements;
        take(&mut account.time_zone, self.time_zone);
        take(&mut account.country_code, self.country_code);
        take(&mut entitled.record, self.record);
        take(&mut entitled.dial_out.prefixes, self.dial_out.map(|prefixes| prefixes.0));
        take(&mut entitled.dial_out.max_concurrent, self.dial_out_max);
        take(&mut entitled.security_passcode, self.security_passcode);
        take(&mut entitled.reference_number, self.reference_number);
        if self.caller_id.is_some() {
            account.caller_id = self.caller_id;
        }
        if let Some(deck) = self.deck {
            let deck = lookup::deck(context.store(), &deck).await?;
            account.rate_plan = deck.plan;
            if is_new && self.currency.is_none() {
                account.currency = super::deck::currency(&deck)?.to_owned();
            }
        }
        take(&mut account.currency, self.currency);
        super::deck::check_currency(context.store(), account).await
    }
}

/// Replaces what is there by what was given.
pub(super) fn take<T>(place: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *place = value;
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

async fn status(
    context: &mut Context<'_>,
    wanted: &str,
    status: AccountStatus,
) -> anyhow::Result<()> {
    let account = lookup::account(context.store(), wanted).await?;
    if account.status == AccountStatus::Closed {
        bail!(
            "account {} {:?} is closed for good; add another: partyline account add",
            account.id.0,
            account.name
        );
    }
    let mut change = context.store().change().await?;
    change.set_account_status(account.id, status).await?;
    change.commit_checked().await?;
    context.say(format_args!("account {} {:?} is {status}", account.id.0, account.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prefix_begins_with_what_is_typed_before_a_country_code() {
        for text in ["0", "011", "0044", "1416,011"] {
            assert!(prefixes(text).is_err(), "{text}");
        }
        assert_eq!(prefixes("+44, 1416").map(|p| p.0).unwrap(), ["44", "1416"]);
        assert!(prefixes("").unwrap().0.is_empty());
    }
}
