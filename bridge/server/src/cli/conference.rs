//! `partyline conference`: the rooms that passcodes open.

use clap::{Args, Subcommand};
use partyline_directory::{Announce, Conference, StartsWith};
use partyline_operations::{
    AddConference, AddedConference, DEFAULT_MAX_LEGS, SetConference, yes_no,
};

use super::context::Context;
use super::lookup;
use super::passcode::{self, Codes};
use super::refusal::told;
use super::table::{Align, Table, harmless};

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
        /// The conference's number or name
        conference: String,
    },
    /// Change a conference; what is not given stays. One in session goes on as it began
    #[command(after_help = "Example:
  partyline conference set 'Weekly review' --max-legs 40 --ends-with-moderator yes")]
    Set(Set),
    /// Remove a conference and its passcodes; its records stay, and one in session goes on
    Remove {
        /// The conference's number or name
        conference: String,
    },
    /// Let callers in again
    Enable {
        /// The conference's number or name
        conference: String,
    },
    /// Tell callers that the conference is not available; one in session goes on
    Disable {
        /// The conference's number or name
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

/// What is to be changed of a conference.
#[derive(Args, Debug)]
pub(super) struct Set {
    /// The conference's number or name
    conference: String,
    /// A new name
    #[arg(long)]
    name: Option<String>,
    /// Who must be there for the callers to hear each other: moderator or first_caller
    #[arg(long, value_name = "WHO")]
    starts_with: Option<StartsWith>,
    /// The most legs at once, calls out included
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    max_legs: Option<u16>,
    /// What is heard when somebody joins or leaves: tones or silent
    #[arg(long, value_name = "HOW")]
    announce: Option<Announce>,
    /// Whether it ends when the last moderator leaves
    #[arg(long, value_name = "YES/NO", value_parser = yes_no)]
    ends_with_moderator: Option<bool>,
}

impl ConferenceCommand {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.run(context).await,
            Self::List { account } => list(context, account.as_deref()).await,
            Self::Show { conference } => show(context, &conference).await,
            Self::Set(set) => set.run(context).await,
            Self::Remove { conference } => {
                let Conference { id, name, .. } =
                    lookup::conference(context.store(), &conference).await?;
                let removed = context.operations().remove_conference(id).await;
                let passcodes = removed.map_err(told)?;
                context.say(format_args!(
                    "conference {} {name:?} removed, with {passcodes} passcodes",
                    id.0
                ))
            }
            Self::Enable { conference } => {
                let id = lookup::conference(context.store(), &conference).await?.id;
                context.operations().enable_conference(id, true).await.map_err(told)?;
                context.say(format_args!("conference {} is enabled", id.0))
            }
            Self::Disable { conference } => {
                let id = lookup::conference(context.store(), &conference).await?.id;
                context.operations().enable_conference(id, false).await.map_err(told)?;
                context.say(format_args!("conference {} is disabled", id.0))
            }
        }
    }
}

impl Add {
    async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let request = AddConference {
            account: lookup::account(context.store(), &self.account).await?.id,
            name: self.name,
            starts_with: self.starts_with,
            max_legs: self.max_legs,
            announce: self.announce,
            ends_with_moderator: self.ends_with_moderator,
            codes: self.codes.read(),
        };
        let added = context.operations().add_conference(request).await;
        let AddedConference { conference, twin, passcodes } = added.map_err(told)?;
        let Conference { id, name, .. } = conference;
        context.say(format_args!("conference {} {name:?} added", id.0))?;
        if let Some(twin) = twin {
            context.say(format_args!(
                "Conference {} has the name too: give commands the number",
                twin.0
            ))?;
        }
        passcode::announce(context, &passcodes)
    }
}

impl Set {
    async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        let request = SetConference {
            conference: lookup::conference(context.store(), &self.conference).await?.id,
            name: self.name,
            starts_with: self.starts_with,
            max_legs: self.max_legs,
            announce: self.announce,
            ends_with_moderator: self.ends_with_moderator,
        };
        let conference = context.operations().set_conference(request).await.map_err(told)?;
        context.say(format_args!("conference {} {:?} changed", conference.id.0, conference.name))
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
        context.say(format_args!("{name:<24}{}", harmless(value)))?;
    }
    for row in context.store().passcodes(conference.id).await? {
        let role = row.role.as_str();
        context.say(format_args!("{:<24}{}", format!("{role} passcode"), row.mask))?;
    }
    Ok(())
}
