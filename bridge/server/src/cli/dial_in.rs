//! `partyline dial-in`: the numbers that callers dial.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use partyline_cdr_store::StoreError;
use partyline_directory::{AccessKind, DialIn};
use partyline_model::Number;
use partyline_operations::{ValueError, alias, not_closed};

use super::context::Context;
use super::lookup;
use super::refusal::told;
use super::table::{Align, Table};

/// The language of the prompts that there are.
pub(super) const LANGUAGE: &str = "en-US";

/// Numbers that callers dial to reach the bridge.
#[derive(Debug, Subcommand)]
pub(super) enum DialInCommand {
    /// Add a number
    #[command(after_help = "Examples:
  partyline dial-in add 14165550123
  partyline dial-in add 18005550123 --access toll_free --alias conference --alias 5550123
  partyline dial-in add 442079460000 --account 'Harbour & Pine LLP'")]
    Add(Add),
    /// List the numbers
    List,
    /// Change a number; what is not given stays
    #[command(after_help = "Examples:
  partyline dial-in set 14165550123 --access toll_free
  partyline dial-in set 14165550123 --account all --alias '' --welcome ''")]
    Set(Set),
    /// Remove a number: calls to it are refused
    Remove {
        /// The number
        number: Number,
    },
}

/// A new dial-in number.
#[derive(Args, Debug)]
pub(super) struct Add {
    /// The number in E.164 form: country code first
    number: Number,
    /// Another user part of a SIP URI that means this number; may be given several times
    #[arg(long, value_name = "NAME", value_parser = alias)]
    alias: Vec<String>,
    /// Reach only the conferences of this account
    #[arg(long)]
    account: Option<String>,
    /// How its callers are charged: local, toll_free, intl_toll_free or sip
    #[arg(long, value_name = "KIND", default_value = "local")]
    access: AccessKind,
    /// The brand's own welcome: NAME for brands/NAME.flac in the data folder, read at the start
    #[arg(long, value_name = "PROMPT")]
    welcome: Option<String>,
}

/// What is to be changed of a dial-in number.
#[derive(Args, Debug)]
pub(super) struct Set {
    /// The number in E.164 form: country code first
    number: Number,
    /// Other user parts of a SIP URI that mean this number, in place of those it has; may be given
    /// several times; '' for none
    #[arg(long, value_name = "NAME", value_parser = alias_or_none)]
    alias: Option<Vec<String>>,
    /// Reach only the conferences of this account; 'all' for those of all
    #[arg(long)]
    account: Option<String>,
    /// How its callers are charged: local, toll_free, intl_toll_free or sip
    #[arg(long, value_name = "KIND")]
    access: Option<AccessKind>,
    /// The brand's own welcome: NAME for brands/NAME.flac in the data folder; '' for none
    #[arg(long, value_name = "PROMPT")]
    welcome: Option<String>,
}

fn alias_or_none(text: &str) -> Result<String, ValueError> {
    if text.is_empty() { Ok(String::new()) } else { alias(text) }
}

impl DialInCommand {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.run(context).await,
            Self::List => list(context).await,
            Self::Set(set) => set.run(context).await,
            Self::Remove { number } => {
                let mut change = context.store().change().await?;
                if !change.remove_dial_in(number).await? {
                    bail!("there is no dial-in number {number}; see: partyline dial-in list");
                }
                change.commit_checked().await?;
                context.say(format_args!("dial-in number {number} removed"))
            }
        }
    }
}

impl Add {
    async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let account = match &self.account {
            Some(account) => {
                let account = lookup::account(context.store(), account).await?;
                not_closed(&account).map_err(told)?;
                Some(account.id)
            }
            None => None,
        };
        let number = self.number;
        let dial_in = DialIn {
            number,
            aliases: self.alias,
            account,
            access_kind: self.access,
            language: LANGUAGE.to_owned(),
            welcome: self.welcome,
        };
        let mut change = context.store().change().await?;
        change.add_dial_in(&dial_in).await.map_err(|error| refusal(error, number))?;
        change.commit_checked().await.context("the number cannot be added")?;
        context.say(format_args!("dial-in number {number} added"))?;
        say_missing(context, dial_in.welcome.as_deref())
    }
}

impl Set {
    async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let before = lookup::dial_in(context.store(), self.number).await?;
        let mut dial_in = before.clone();
        if let Some(aliases) = self.alias {
            dial_in.aliases = aliases.into_iter().filter(|alias| !alias.is_empty()).collect();
        }
        match self.account.as_deref() {
            Some("all") => dial_in.account = None,
            Some(account) => {
                let account = lookup::account(context.store(), account).await?;
                not_closed(&account).map_err(told)?;
                dial_in.account = Some(account.id);
            }
            None => {}
        }
        if let Some(access) = self.access {
            dial_in.access_kind = access;
        }
        if let Some(welcome) = self.welcome {
            dial_in.welcome = (!welcome.is_empty()).then_some(welcome);
        }
        if dial_in == before {
            bail!("nothing to change; see: partyline dial-in set --help");
        }
        let mut change = context.store().change().await?;
        change.update_dial_in(&dial_in).await?;
        change.commit_checked().await.context("the number cannot be changed")?;
        context.say(format_args!("dial-in number {} changed", dial_in.number))?;
        say_missing(context, dial_in.welcome.as_deref())
    }
}

/// Says so when there is no file for a welcome.
pub(super) fn say_missing(context: &mut Context<'_>, welcome: Option<&str>) -> anyhow::Result<()> {
    let Some(name) = welcome else { return Ok(()) };
    let file = context.data.folders.brands.join(format!("{name}.flac"));
    if file.is_file() {
        return Ok(());
    }
    context.say(format_args!(
        "There is no {} yet: callers hear the neutral welcome until it is there and the bridge was \
         started anew",
        file.display()
    ))
}

/// Why the store refuses `number`.
pub(super) fn refusal(error: StoreError, number: Number) -> anyhow::Error {
    if let StoreError::Duplicate(_) = error {
        anyhow::anyhow!(
            "dial-in number {number} exists already; to change it: \
             partyline dial-in set {number}"
        )
    } else {
        error.into()
    }
}

async fn list(context: &mut Context<'_>) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("number", Align::Left),
        ("aliases", Align::Left),
        ("account", Align::Right),
        ("access", Align::Left),
        ("language", Align::Left),
        ("welcome", Align::Left),
    ]);
    for dial_in in context.store().dial_ins().await? {
        table.row(vec![
            dial_in.number.to_string(),
            dial_in.aliases.join(" "),
            dial_in.account.map_or("all".to_owned(), |id| id.0.to_string()),
            dial_in.access_kind.to_string(),
            dial_in.language,
            dial_in.welcome.unwrap_or_default(),
        ]);
    }
    context.say(table)
}
