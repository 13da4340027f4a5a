//! `partyline cdr`: call records, as tables for people or JSON lines for programs.

mod rebuild;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use partyline_cdr_record::{ConferenceRecord, LegRecord};
use partyline_cdr_store::query::LegFilter;
use partyline_model::{AccountId, ConferenceId, Number, Uuid};

use super::cdr_text::{self, Leg, Numbers};
use super::context::Context;
use super::table::{Align, Table, harmless};
use super::{lookup, times};
use crate::clock;
use crate::config::Config;

/// Call records.
#[derive(Debug, Subcommand)]
pub(super) enum CdrCommand {
    /// List legs, the newest first
    #[command(after_help = "Examples:
  partyline cdr list --since 2h
  partyline cdr list --account Demo --since 2026-11-01 --until 2026-12-01 --limit 10000
  partyline cdr list --number 14165550100 --json")]
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        style: Style,
        /// Show the ids that `cdr show` takes
        #[arg(long)]
        ids: bool,
    },
    /// Show everything about one leg: its record, how it grew, and what it did
    Show {
        /// The leg's id, from `cdr list --ids`
        leg: Uuid,
        #[command(flatten)]
        style: Style,
    },
    /// List what legs did: star codes, joins, leaves
    #[command(after_help = "Example:
  partyline cdr features --conference 1 --since 1d")]
    Features {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        style: Style,
    },
    /// Fill the database's records from the journal anew; the bridge must be stopped
    #[command(
        after_help = "The records in the database are replaced in one step, and only when the \
journal has all of them.
Exit code 2: places of the journal are damaged or missing; they are named. Exit code 1: nothing was changed."
    )]
    Rebuild(Rebuild),
}

/// Which legs.
#[derive(Args, Debug)]
pub(super) struct Filter {
    /// Of this account (number or name)
    #[arg(long)]
    account: Option<String>,
    /// Of this conference (number or name)
    #[arg(long)]
    conference: Option<String>,
    /// From, to or over this telephone number
    #[arg(long)]
    number: Option<Number>,
    /// Invited at or after: 2026-11-21, 2026-11-21T17:00, 2026-11-21T22:00:00Z, or 90m, 2h, 7d ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Invited before
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many legs
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: u32,
}

/// What a rebuild may do.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Rebuild {
    /// Replace the records although the journal lacks some of them
    #[arg(long)]
    accept_loss: bool,
    /// The database is lost and there is no backup: make one from the journal. Accounts, rates and
    /// invoices are not in it; new accounts are numbered behind those that made calls
    #[arg(long, conflicts_with = "accept_loss")]
    new_database: bool,
}

/// How records are printed.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Style {
    /// Show telephone numbers in full
    #[arg(long)]
    full: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Style {
    const fn numbers(self) -> Numbers {
        if self.full { Numbers::Full } else { Numbers::Masked }
    }
}

impl CdrCommand {
    pub(super) async fn run(self, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { filter, style, ids } => list(context, filter, style, ids).await?,
            Self::Show { leg, style } => show(context, leg, style).await?,
            Self::Features { filter, style } => features(context, filter, style).await?,
            Self::Rebuild(how) => return rebuild::run(context, how).await,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// A command that makes the database which the others open.
    pub(super) async fn before_all(
        &self,
        config: &Config,
        out: &mut dyn Write,
    ) -> anyhow::Result<Option<ExitCode>> {
        match self {
            Self::Rebuild(how) if how.new_database => rebuild::lost(config, out).await.map(Some),
            Self::Rebuild(_) | Self::List { .. } | Self::Show { .. } | Self::Features { .. } => {
                Ok(None)
            }
        }
    }
}

impl Filter {
    /// Times without an offset are those of the account's zone, else UTC.
    async fn resolve(self, context: &Context<'_>) -> anyhow::Result<LegFilter> {
        let store = context.store();
        let account = match &self.account {
            Some(account) => Some(lookup::account(store, account).await?),
            None => None,
        };
        let conference = match &self.conference {
            Some(conference) => Some(lookup::conference(store, conference).await?.id),
            None => None,
        };
        let zone = account.as_ref().map_or("UTC", |account| &account.time_zone);
        let now = clock::wall();
        let moment = |text: &Option<String>, option: &str| {
            let at = text.as_deref().map(|text| times::moment(text, zone, now)).transpose();
            at.with_context(|| option.to_owned())
        };
        Ok(LegFilter {
            from: moment(&self.since, "--since")?,
            to: moment(&self.until, "--until")?,
            account: account.as_ref().map(|account| account.id),
            conference,
            session: None,
            number: self.number,
            limit: Some(self.limit),
        })
    }
}

/// What legs refer to, read once.
#[derive(Default)]
struct Referred {
    zones: BTreeMap<AccountId, String>,
    conferences: BTreeMap<ConferenceId, String>,
    sessions: BTreeMap<Uuid, Option<ConferenceRecord>>,
}

impl Referred {
    async fn new(context: &Context<'_>) -> anyhow::Result<Self> {
        let accounts = context.store().accounts().await?.into_iter();
        let conferences = context.store().conferences().await?.into_iter();
        Ok(Self {
            zones: accounts.map(|account| (account.id, account.time_zone)).collect(),
            conferences: conferences.map(|c| (c.id, c.name)).collect(),
            sessions: BTreeMap::new(),
        })
    }

    async fn of<'l>(
        &mut self,
        context: &Context<'_>,
        leg: &'l LegRecord,
        numbers: Numbers,
    ) -> anyhow::Result<Leg<'l>> {
        if let Some(id) = leg.conf_id
            && !self.sessions.contains_key(&id)
        {
            self.sessions.insert(id, context.store().session(id).await?);
        }
        let session = leg.conf_id.and_then(|id| self.sessions.get(&id)?.as_ref());
        let configured = leg.conference_id.and_then(|id| self.conferences.get(&id).cloned());
        let reference = leg.reference_number.as_ref();
        let reference = reference.or_else(|| session?.reference_number.as_ref());
        let zone = leg.account_id.and_then(|id| self.zones.get(&id).cloned());
        Ok(Leg {
            record: leg,
            numbers,
            zone: zone.unwrap_or_else(|| "UTC".to_owned()),
            conference: session.map(|s| s.name.to_string()).or(configured).unwrap_or_default(),
            reference: reference.map(ToString::to_string).unwrap_or_default(),
            trunks: [leg.trunk_in, leg.trunk_out].map(|id| trunk(context, id)),
        })
    }
}

/// The trunk as a record numbers it, with its name where the configuration still has one.
fn trunk(context: &Context<'_>, id: Option<u32>) -> String {
    let Some(id) = id else { return String::new() };
    let known = context.config.control.trunks.iter().find(|trunk| trunk.id == id);
    known.map_or_else(|| id.to_string(), |trunk| format!("{id} {}", trunk.name))
}

async fn list(
    context: &mut Context<'_>,
    filter: Filter,
    style: Style,
    ids: bool,
) -> anyhow::Result<()> {
    let filter = filter.resolve(context).await?;
    let legs = context.store().legs(&filter).await?;
    let mut referred = Referred::new(context).await?;
    let mut columns = vec![
        ("time", Align::Left),
        ("dir", Align::Left),
        ("from", Align::Left),
        ("to", Align::Left),
        ("role", Align::Left),
        ("duration", Align::Right),
        ("conference", Align::Left),
        ("reference", Align::Left),
        ("cause", Align::Left),
    ];
    if ids {
        columns.push(("leg", Align::Left));
    }
    let mut table = Table::new(&columns);
    for leg in &legs {
        let leg = referred.of(context, leg, style.numbers()).await?;
        if style.json {
            context.say(leg.json())?;
            continue;
        }
        let mut cells = vec![
            leg.time(),
            leg.record.direction.to_string(),
            leg.from(),
            leg.to(),
            leg.role().to_owned(),
            leg.duration(),
            leg.conference.clone(),
            leg.reference.clone(),
            leg.cause(),
        ];
        if ids {
            cells.push(leg.record.leg_id.to_string());
        }
        table.row(cells);
    }
    if style.json {
        return Ok(());
    }
    context.say(table)?;
    let most = filter.limit.map(usize::try_from).transpose()?;
    if most == Some(legs.len()) {
        context.say(format_args!("(the newest {}; more with --limit)", legs.len()))?;
    }
    Ok(())
}

async fn show(context: &mut Context<'_>, id: Uuid, style: Style) -> anyhow::Result<()> {
    let timeline = context.store().timeline(id).await?;
    let Some(last) = timeline.revisions.last() else {
        bail!("there is no leg {id}; see: partyline cdr list --ids");
    };
    let mut referred = Referred::new(context).await?;
    let leg = referred.of(context, last, style.numbers()).await?;
    if style.json {
        context.say(leg.json())?;
        for feature in &timeline.features {
            context.say(cdr_text::feature_json(feature, style.numbers()))?;
        }
        return Ok(());
    }
    for (name, value) in leg.fields() {
        context.say(format_args!("{name:<18}{}", harmless(value)))?;
    }
    for revision in &timeline.revisions {
        let (rev, state) = (revision.rev, revision.state);
        context.say(format_args!("{:<18}{state}", format!("revision {rev}")))?;
    }
    let mut table = feature_table();
    for feature in &timeline.features {
        table.row(cdr_text::feature_cells(feature, &leg));
    }
    context.say("")?;
    context.say(table)
}

fn feature_table() -> Table {
    Table::new(&[
        ("time", Align::Left),
        ("leg", Align::Left),
        ("event", Align::Left),
        ("code", Align::Left),
        ("outcome", Align::Left),
        ("detail", Align::Left),
    ])
}

async fn features(context: &mut Context<'_>, filter: Filter, style: Style) -> anyhow::Result<()> {
    let filter = filter.resolve(context).await?;
    let legs = context.store().legs(&filter).await?;
    let mut referred = Referred::new(context).await?;
    let mut rows = Vec::new();
    let mut sessions = BTreeSet::new();
    for record in &legs {
        let leg = referred.of(context, record, style.numbers()).await?;
        if let Some(session) = record.conf_id.filter(|&session| sessions.insert(session)) {
            for feature in context.store().session_events(session).await? {
                let cells = cdr_text::feature_cells(&feature, &leg);
                rows.push((feature, cells));
            }
        }
        for feature in context.store().timeline(record.leg_id).await?.features {
            let cells = cdr_text::feature_cells(&feature, &leg);
            rows.push((feature, cells));
        }
    }
    rows.sort_by_key(|(feature, _)| (feature.at, feature.leg_id, feature.feature_seq));
    let mut table = feature_table();
    for (feature, cells) in rows {
        if style.json {
            context.say(cdr_text::feature_json(&feature, style.numbers()))?;
        } else {
            table.row(cells);
        }
    }
    if style.json { Ok(()) } else { context.say(table) }
}
