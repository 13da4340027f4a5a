//! `partyline conference`: the rooms that passcodes open.

use clap::{Args, Subcommand};
use partyline_directory::{Announce, Conference, StartsWith};
use partyline_model::ConferenceId;

use super::context::Context;
use super::lookup;
use super::passcode::{self, Codes};
use super::table::{Align, Table};

/// Legs that fit a conference unless it is told otherwise.
pub(super) const DEFAULT_MAX_LEGS: u16 = 100;

/// Conferences of an account.
#[derive(Debug, Subcommand)]
pub(super) enum ConferenceCommand {
    /// Add a conference with its passcodes, which are shown once
    #[command(after_help = "Examples:
  partyline conference add 'Weekly review' --account Demo
  partyline conference add 'Open line' --account 2 --starts-with first_caller --max-legs 500")]
    Add(Add),
    /// List the conferences
    List {
        /// Of this account only
        #[arg(long)]
        account: Option<String>,
    },
    /// Show one conference
    Show {
        /// Its number or name
        conference: String,
    },
    /// Let callers in again
    Enable {
        /// Its number or name
        conference: String,
    },
    /// Tell callers that the conference is not available; one in session goes on
    Disable {
        /// Its number or name
        conference: String,
    },
}

/// A new conference.
#[derive(Args, Debug)]
pub(super) struct Add {
    /// The name, as reports and invoices print it
    name: String,
    /// Who pays: the number or name of an account
    #[arg(long)]
    account: String,
    /// Who must be there for the callers to hear each other: moderator or first_caller
    #[arg(long, value_name = "WHO", default_value_t)]
    starts_with: StartsWith,
    /// The most legs at once, calls out included
    #[arg(long, value_name = "COUNT", default_value_t = DEFAULT_MAX_LEGS,
          value_parser = clap::value_parser!(u16).range(1..))]
    max_legs: u16,
    /// What is heard when somebody joins or leaves: tones or silent
    #[arg(long, value_name = "HOW", default_value_t)]
    announce: Announce,
    /// End it when the last moderator leaves; otherwise it goes on without
    #[arg(long)]
    ends_with_moderator: bool,
    #[command(flatten)]
    codes: Codes,
}

impl ConferenceCommand {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.run(context).await,
            Self::List { account } => list(context, account.as_deref()).await,
            Self::Show { conference } => show(context, &conference).await,
            Self::Enable { conference } => {
                let conference = lookup::conference(context.store(), &conference).await?;
                let mut change = context.store().change().await?;
                change.enable_conference(conference.id).await?;
                change.commit_checked().await?;
                context.say(format_args!("conference {} is enabled", conference.id.0))
            }
            Self::Disable { conference } => {
                let conference = lookup::conference(context.store(), &conference).await?;
                let mut change = context.store().change().await?;
                change.disable_conference(conference.id).await?;
                change.commit_checked().await?;
                context.say(format_args!("conference {} is disabled", conference.id.0))
            }
        }
    }
}

impl Add {
    async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let account = lookup::account(context.store(), &self.account).await?;
        let mut conference = Conference {
            id: ConferenceId(0),
            account: account.id,
            name: self.name,
            starts_with: self.starts_with,
            max_legs: self.max_legs,
            announce: self.announce,
            enabled: true,
            ends_with_moderator: self.ends_with_moderator,
        };
        let mut change = context.store().change().await?;
        conference.id = change.add_conference(&conference).await?;
        let made = self.codes.add(context, &mut change, conference.id).await?;
        change.commit_checked().await?;
        let Conference { id, name, .. } = conference;
        context.say(format_args!("conference {} {name:?} added", id.0))?;
        passcode::announce(context, &made)
    }
}

async fn list(context: &mut Context<'_>, account: Option<&str>) -> anyhow::Result<()> {
    let only = match account {
        Some(account) => Some(lookup::account(context.store(), account).await?.id),
        None => None,
    };
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("account", Align::Right),
        ("name", Align::Left),
        ("starts with", Align::Left),
        ("max legs", Align::Right),
        ("enabled", Align::Left),
    ]);
    let conferences = context.store().conferences().await?.into_iter();
    for conference in conferences.filter(|c| only.is_none_or(|id| c.account == id)) {
        table.row(vec![
            conference.id.0.to_string(),
            conference.account.0.to_string(),
            conference.name,
            conference.starts_with.to_string(),
            conference.max_legs.to_string(),
            if conference.enabled { "yes" } else { "no" }.to_owned(),
        ]);
    }
    context.say(table)
}

async fn show(context: &mut Context<'_>, wanted: &str) -> anyhow::Result<()> {
    let conference = lookup::conference(context.store(), wanted).await?;
    let account = context.store().account(conference.account).await?;
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    for (name, value) in [
        ("id", conference.id.0.to_string()),
        ("name", conference.name),
        ("account", format!("{} {}", account.id.0, account.name)),
        ("starts with", conference.starts_with.to_string()),
        ("max legs", conference.max_legs.to_string()),
        ("announce", conference.announce.to_string()),
        ("enabled", yes_no(conference.enabled)),
        ("ends with moderator", yes_no(conference.ends_with_moderator)),
    ] {
        context.say(format_args!("{name:<24}{value}"))?;
    }
    for row in context.store().passcodes(conference.id).await? {
        let role = passcode::role_word(row.role);
        context.say(format_args!("{:<24}{}", format!("{role} passcode"), row.mask))?;
    }
    Ok(())
}
