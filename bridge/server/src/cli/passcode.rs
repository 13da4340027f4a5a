//! `partyline passcode`: made, shown to those who may see them, replaced.
//!
//! A passcode is printed on standard output when it is made and by `show`; never in an error.

use clap::{Args, Subcommand, ValueEnum};
use partyline_cdr_store::admin::Strength;
use partyline_model::Role;
use partyline_operations::{NewPasscodes, RolePasscode};
use zeroize::Zeroizing;

use super::context::Context;
use super::lookup;
use super::refusal::told;
use super::table::{Align, Table};

/// Passcodes that open a conference.
#[derive(Debug, Subcommand)]
pub(super) enum PasscodeCommand {
    /// Give a conference new passcodes, shown once; the old ones stop working
    #[command(after_help = "Examples:
  partyline passcode new 1                       new passcodes for moderator and participants
  partyline passcode new 1 --role participant    the moderator's stays
  partyline passcode new 1 --moderator 48151623  these digits for the moderator")]
    New {
        /// The number or name of the conference
        conference: String,
        /// Replace only this one
        #[arg(long, value_enum)]
        role: Option<CodeRole>,
        #[command(flatten)]
        codes: Codes,
    },
    /// Show the passcodes of a conference
    Show {
        /// The number or name of the conference
        conference: String,
    },
}

/// Whom a passcode is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CodeRole {
    /// Who leads the conference.
    #[value(alias = "host")]
    Moderator,
    /// Everybody else.
    Participant,
}

impl CodeRole {
    pub(super) const fn role(self) -> Role {
        match self {
            Self::Moderator => Role::Moderator,
            Self::Participant => Role::Participant,
        }
    }
}

/// The digits of new passcodes.
#[derive(Args)]
pub(super) struct Codes {
    /// Digits for the moderator [default: random]
    #[arg(long, value_name = "DIGITS")]
    moderator: Option<String>,
    /// Digits for the participants [default: random]
    #[arg(long, value_name = "DIGITS")]
    participant: Option<String>,
    /// How many random digits
    #[arg(long, value_name = "COUNT", default_value_t = 8,
          value_parser = clap::value_parser!(u8).range(6..=12))]
    length: u8,
    /// Take digits that are easy to guess
    #[arg(long)]
    weak_ok: bool,
}

/// What was asked for, without the digits.
impl std::fmt::Debug for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codes").finish_non_exhaustive()
    }
}

impl PasscodeCommand {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<()> {
        match self {
            Self::New { conference, role, codes } => new(context, &conference, role, codes).await,
            Self::Show { conference } => show(context, &conference).await,
        }
    }
}

async fn new(
    context: &mut Context<'_>,
    conference: &str,
    only: Option<CodeRole>,
    codes: Codes,
) -> anyhow::Result<()> {
    let conference = lookup::conference(context.store(), conference).await?.id;
    let role = only.map(CodeRole::role);
    let request = NewPasscodes { conference, role, codes: codes.read() };
    let (conference, made) = context.operations().new_passcodes(&request).await.map_err(told)?;
    context.say(format_args!(
        "new passcodes of conference {} {:?}",
        conference.id.0, conference.name
    ))?;
    announce(context, &made)
}

async fn show(context: &mut Context<'_>, conference: &str) -> anyhow::Result<()> {
    let conference = lookup::conference(context.store(), conference).await?;
    let mut table = Table::new(&[("role", Align::Left), ("passcode", Align::Left)]);
    for RolePasscode { role, digits } in context.operations().show_passcodes(conference.id).await? {
        table.row(vec![role.as_str().to_owned(), digits.to_string()]);
    }
    context.say(table)
}

/// Prints new passcodes.
pub(super) fn announce(context: &mut Context<'_>, made: &[RolePasscode]) -> anyhow::Result<()> {
    for RolePasscode { role, digits } in made {
        context.say(format_args!("{:<12}{}", role.as_str(), **digits))?;
    }
    Ok(())
}

impl Codes {
    /// What the operations take.
    pub(super) fn read(self) -> partyline_operations::Codes {
        partyline_operations::Codes {
            moderator: self.moderator.map(Zeroizing::new),
            participant: self.participant.map(Zeroizing::new),
            length: usize::from(self.length),
            strength: if self.weak_ok { Strength::WeakOk } else { Strength::Required },
        }
    }
}
