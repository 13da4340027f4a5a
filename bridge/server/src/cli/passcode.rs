//! `partyline passcode`: made, shown to those who may see them, replaced.
//!
//! A passcode is printed on standard output when it is made and by `show`; never in an error.

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use partyline_cdr_store::StoreError;
use partyline_cdr_store::admin::{Change, PasscodeRow, Strength};
use partyline_cdr_store::keys::Keys;
use partyline_directory::{usable_passcode, weak_passcode};
use partyline_model::{ConferenceId, Number, PasscodeId, Role};
use zeroize::Zeroizing;

use super::context::Context;
use super::lookup;
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
    const ALL: [Self; 2] = [Self::Moderator, Self::Participant];

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

/// A passcode that was just made.
pub(super) struct Made {
    pub(super) role: Role,
    pub(super) digits: Zeroizing<String>,
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
    let conference = lookup::conference(context.store(), conference).await?;
    let before = context.store().passcodes(conference.id).await?;
    let roles = codes.roles(only)?;
    let mut change = context.numbering().await?;
    let replaced = |row: &&PasscodeRow| roles.iter().any(|role| role.role() == row.role);
    for old in before.iter().filter(replaced) {
        change.retire_passcode(old.id).await?;
    }
    let made = codes.add_roles(context, &mut change, conference.id, &roles).await?;
    change.commit_checked().await?;
    context.say(format_args!(
        "new passcodes of conference {} {:?}",
        conference.id.0, conference.name
    ))?;
    announce(context, &made)
}

async fn show(context: &mut Context<'_>, conference: &str) -> anyhow::Result<()> {
    let conference = lookup::conference(context.store(), conference).await?;
    let mut table = Table::new(&[("role", Align::Left), ("passcode", Align::Left)]);
    for row in context.store().passcodes(conference.id).await? {
        let digits = context.store().reveal_passcode(context.keys(), row.id).await?;
        table.row(vec![row.role.as_str().to_owned(), digits.to_string()]);
    }
    context.say(table)
}

/// Prints new passcodes.
pub(super) fn announce(context: &mut Context<'_>, made: &[Made]) -> anyhow::Result<()> {
    for Made { role, digits } in made {
        context.say(format_args!("{:<12}{}", role.as_str(), **digits))?;
    }
    Ok(())
}

impl Codes {
    /// Whose passcodes are meant: `only`, else those whose digits are given, else all.
    fn roles(&self, only: Option<CodeRole>) -> anyhow::Result<Vec<CodeRole>> {
        let given = CodeRole::ALL.into_iter().filter(|&role| self.given(role).is_some());
        let given: Vec<_> = given.collect();
        match only {
            Some(only) if given.iter().any(|&role| role != only) => {
                bail!(
                    "--role {} leaves the other passcode alone; give no digits for it",
                    only.role().as_str()
                )
            }
            Some(only) => Ok(vec![only]),
            None if given.is_empty() => Ok(CodeRole::ALL.to_vec()),
            None => Ok(given),
        }
    }

    fn given(&self, role: CodeRole) -> Option<&str> {
        match role {
            CodeRole::Moderator => self.moderator.as_deref(),
            CodeRole::Participant => self.participant.as_deref(),
        }
    }

    /// Adds a passcode for each role to a new conference.
    pub(super) async fn add(
        self,
        context: &Context<'_>,
        change: &mut Change,
        conference: ConferenceId,
    ) -> anyhow::Result<Vec<Made>> {
        self.add_roles(context, change, conference, &CodeRole::ALL).await
    }

    async fn add_roles(
        &self,
        context: &Context<'_>,
        change: &mut Change,
        conference: ConferenceId,
        roles: &[CodeRole],
    ) -> anyhow::Result<Vec<Made>> {
        let dial_ins = dial_in_numbers(context).await?;
        let adding = Adding {
            keys: context.keys(),
            dial_ins: &dial_ins,
            strength: if self.weak_ok { Strength::WeakOk } else { Strength::Required },
        };
        let mut made = Vec::new();
        for &role in roles {
            let role_of = role.role();
            let digits = match self.given(role) {
                Some(digits) => {
                    let added = adding.given(change, conference, role_of, digits).await;
                    added.map_err(|error| anyhow!("{} passcode: {error}", role_of.as_str()))?;
                    Zeroizing::new(digits.to_owned())
                }
                None => {
                    let length = Some(usize::from(self.length));
                    change.add_random_passcode(context.keys(), conference, role_of, length).await?.1
                }
            };
            made.push(Made { role: role_of, digits });
        }
        Ok(made)
    }
}

/// The numbers that callers dial: no passcode may be part of one.
pub(super) async fn dial_in_numbers(context: &Context<'_>) -> anyhow::Result<Vec<Number>> {
    Ok(context.store().dial_ins().await?.into_iter().map(|dial_in| dial_in.number).collect())
}

/// Adds given digits, and says why when they are refused.
pub(super) struct Adding<'a> {
    pub(super) keys: &'a Keys,
    pub(super) dial_ins: &'a [Number],
    pub(super) strength: Strength,
}

impl Adding<'_> {
    /// Adds `digits`.
    ///
    /// # Errors
    /// Why they are refused and what to do, without the digits.
    pub(super) async fn given(
        &self,
        change: &mut Change,
        conference: ConferenceId,
        role: Role,
        digits: &str,
    ) -> anyhow::Result<PasscodeId> {
        usable_passcode(digits)?;
        match change.add_passcode(self.keys, conference, role, digits, self.strength).await {
            Ok(id) => Ok(id),
            Err(StoreError::PasscodeWeak) => {
                let why = weak_passcode(digits, self.dial_ins).map_or_else(
                    || "one digit turns it into the other passcode of the conference".to_owned(),
                    |weakness| weakness.to_string(),
                );
                bail!(
                    "too easy to guess: {why}; leave it out for a random one, or insist with \
                     --weak-ok"
                )
            }
            Err(StoreError::PasscodeTwice) => {
                bail!(
                    "the conference has these digits already; moderators and participants need \
                     different ones, or all would be the same"
                )
            }
            Err(StoreError::PasscodeTaken) => {
                bail!("in use by another conference; leave it out for a random one")
            }
            Err(error) => Err(error.into()),
        }
    }
}
