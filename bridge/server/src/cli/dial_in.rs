//! `partyline dial-in`: the numbers that callers dial.

use clap::{Args, Subcommand};
use partyline_directory::{AccessKind, DialIn};
use partyline_model::Number;
use partyline_operations::{LANGUAGE, SetDialIn, ValueError, alias};

use super::context::Context;
use super::lookup;
use super::refusal::told;
use super::table::{Align, Table};

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
                context.operations().remove_dial_in(number).await.map_err(told)?;
                context.say(format_args!("dial-in number {number} removed"))
            }
        }
    }
}

impl Add {
    async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let account = match &self.account {
            Some(account) => Some(lookup::account(context.store(), account).await?.id),
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
        context.operations().add_dial_in(&dial_in).await.map_err(told)?;
        context.say(format_args!("dial-in number {number} added"))?;
        say_missing(context, dial_in.welcome.as_deref())
    }
}

impl Set {
    async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let account = match self.account.as_deref() {
            Some("all") => Some(None),
            Some(account) => Some(Some(lookup::account(context.store(), account).await?.id)),
            None => None,
        };
        let no_empty = |aliases: Vec<String>| {
            aliases.into_iter().filter(|alias| !alias.is_empty()).collect::<Vec<_>>()
        };
        let request = SetDialIn {
            number: self.number,
            aliases: self.alias.map(no_empty),
            account,
            access_kind: self.access,
            welcome: self.welcome.map(|name| (!name.is_empty()).then_some(name)),
        };
        let dial_in = context.operations().set_dial_in(request).await.map_err(told)?;
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
