//! `partyline room`: the conferences of a running bridge, over the control socket in its data folder.

mod client;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use partyline_live::{
    Command, Event, Id, Leg, Line, Mode as TalkMode, RecordAction, Response, Session,
};
use serde_json::Value;

use super::table::{Align, Table};
use crate::config::Config;
use client::Client;

/// Fewest characters of the end of a leg's id that name it.
const TAIL: usize = 4;

/// SESSION is the id that `partyline room list` shows, or the number of the conference. LEG is the id
/// that `partyline room show` shows, or the end of it.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  partyline room list
  partyline room show 1
  partyline room mute 2DB
  partyline room mute --all 1
  partyline room dial 1 4165550199            whoever answers has to press 1
  partyline room watch --json | jq .type")]
pub(super) enum RoomCommand {
    /// List the conferences in session
    List(List),
    /// Show one, and who is there
    Show(Show),
    /// Mute a leg, whose caller cannot open the line; or all participants, who can
    Mute(Whom),
    /// Open a line that a moderator or a command closed; or those of all participants
    Unmute(Whom),
    /// Put a leg out, or hang up on one that is still being called
    Drop(OneLeg),
    /// Have whoever comes ask to be let in
    Lock(OneSession),
    /// Let in whoever comes, and those who ask
    Unlock(OneSession),
    /// Let in a leg that asks
    Admit(OneLeg),
    /// Turn away a leg that asks to be let in
    Refuse(OneLeg),
    /// Say who may speak
    Mode(Mode),
    /// Give the word to the next raised hand, and take it from who has it
    NextHand(OneSession),
    /// Send a leg to a private room, or back
    Move(Move),
    /// Start, pause, resume or stop the recording; all are told
    Record(Record),
    /// Call a number into a conference; whoever answers has to press 1
    Dial(Dial),
    /// End a conference for all
    End(OneSession),
    /// Print what happens, as it is on disk, until interrupted
    Watch(Watch),
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Show {
    /// Which conference
    session: String,
    /// Print numbers whole
    #[arg(long)]
    full: bool,
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct OneLeg {
    /// Which leg
    leg: String,
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct OneSession {
    /// Which conference
    session: String,
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[group(id = "whom", required = true, multiple = false, args = ["leg", "all"])]
pub(super) struct Whom {
    /// Which leg
    leg: Option<String>,
    /// All participants of this conference
    #[arg(long, value_name = "SESSION")]
    all: Option<String>,
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Mode {
    /// Which conference
    session: String,
    /// From here on
    mode: Speaking,
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Speaking {
    /// All may speak
    Conversation,
    /// Participants are muted, and may open their lines
    Questions,
    /// Participants are muted, but for the one who has the word
    Presentation,
}

#[derive(Args, Debug)]
pub(super) struct Move {
    /// Which leg
    leg: String,
    /// 1 to 9; 0 is the main conference
    room: u8,
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Record {
    /// Which conference
    session: String,
    /// What
    action: Recording,
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Recording {
    /// Begin
    Start,
    /// Leave out what is said
    Pause,
    /// Go on after a pause
    Resume,
    /// End
    Stop,
}

#[derive(Args, Debug)]
pub(super) struct Dial {
    /// Into which conference
    session: String,
    /// The number, as a moderator would type it
    number: String,
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Watch {
    /// This conference only
    session: Option<String>,
    /// Print numbers whole
    #[arg(long)]
    full: bool,
    /// Print each event as a line of JSON
    #[arg(long)]
    json: bool,
}

impl RoomCommand {
    /// Asks the bridge, or has it do something.
    ///
    /// # Errors
    /// None runs there, or it refuses.
    pub(super) async fn run(
        self,
        config: &Config,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let mut bridge = Client::connect(config).await?;
        match &self {
            Self::List(list) => {
                let answer = bridge.ask(Command::Sessions {}).await?;
                let sessions: Vec<Session> = taken(&answer, "sessions")?;
                if list.json {
                    writeln!(out, "{answer}")?;
                } else {
                    writeln!(out, "{}", sessions_table(&sessions))?;
                }
                return Ok(ExitCode::SUCCESS);
            }
            Self::Show(show) => return showing(&mut bridge, show, out).await,
            Self::Watch(watch) => return watching(&mut bridge, watch, out).await,
            Self::Mute(_)
            | Self::Unmute(_)
            | Self::Drop(_)
            | Self::Lock(_)
            | Self::Unlock(_)
            | Self::Admit(_)
            | Self::Refuse(_)
            | Self::Mode(_)
            | Self::NextHand(_)
            | Self::Move(_)
            | Self::Record(_)
            | Self::Dial(_)
            | Self::End(_) => {}
        }
        let (command, said, json) = self.command(&mut bridge).await?;
        let answer = bridge.ask(command).await?;
        if json {
            writeln!(out, "{answer}")?;
        } else {
            let leg = answer["leg"].as_str().map(|leg| format!(": {leg}"));
            writeln!(out, "{said}{}", leg.unwrap_or_default())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What the bridge is to do, what is printed when it is done, and whether as JSON.
    async fn command(self, bridge: &mut Client) -> anyhow::Result<(Command, &'static str, bool)> {
        Ok(match self {
            Self::List(_) | Self::Show(_) | Self::Watch(_) => bail!("that is no order"),
            Self::Mute(Whom { leg: Some(leg), json, .. }) => {
                (Command::Mute { leg: leg_named(bridge, &leg).await? }, "muted", json)
            }
            Self::Mute(Whom { all, json, .. }) => {
                let session = session_named(bridge, &all.unwrap_or_default()).await?;
                (Command::MuteAll { session }, "all are muted", json)
            }
            Self::Unmute(Whom { leg: Some(leg), json, .. }) => {
                (Command::Unmute { leg: leg_named(bridge, &leg).await? }, "opened", json)
            }
            Self::Unmute(Whom { all, json, .. }) => {
                let session = session_named(bridge, &all.unwrap_or_default()).await?;
                (Command::UnmuteAll { session }, "all lines are open", json)
            }
            Self::Drop(OneLeg { leg, json }) => {
                (Command::Drop { leg: leg_named(bridge, &leg).await? }, "put out", json)
            }
            Self::Admit(OneLeg { leg, json }) => {
                (Command::Admit { leg: leg_named(bridge, &leg).await? }, "let in", json)
            }
            Self::Refuse(OneLeg { leg, json }) => {
                (Command::Refuse { leg: leg_named(bridge, &leg).await? }, "turned away", json)
            }
            Self::Move(Move { leg, room, json }) => {
                (Command::Room { leg: leg_named(bridge, &leg).await?, room }, "moved", json)
            }
            Self::Lock(OneSession { session, json }) => {
                (Command::Lock { session: session_named(bridge, &session).await? }, "locked", json)
            }
            Self::Unlock(OneSession { session, json }) => {
                let session = session_named(bridge, &session).await?;
                (Command::Unlock { session }, "unlocked", json)
            }
            Self::NextHand(OneSession { session, json }) => {
                let session = session_named(bridge, &session).await?;
                (Command::NextHand { session }, "the word has", json)
            }
            Self::End(OneSession { session, json }) => {
                (Command::End { session: session_named(bridge, &session).await? }, "ended", json)
            }
            Self::Mode(Mode { session, mode, json }) => {
                let session = session_named(bridge, &session).await?;
                let mode = match mode {
                    Speaking::Conversation => TalkMode::Conversation,
                    Speaking::Questions => TalkMode::Questions,
                    Speaking::Presentation => TalkMode::Presentation,
                };
                (Command::Mode { session, mode }, "the mode is set", json)
            }
            Self::Record(Record { session, action, json }) => {
                let session = session_named(bridge, &session).await?;
                let (action, said) = match action {
                    Recording::Start => (RecordAction::Start, "recording"),
                    Recording::Pause => (RecordAction::Pause, "the recording pauses"),
                    Recording::Resume => (RecordAction::Resume, "recording again"),
                    Recording::Stop => (RecordAction::Stop, "the recording is stopped"),
                };
                (Command::Record { session, action }, said, json)
            }
            Self::Dial(Dial { session, number, json }) => {
                let session = session_named(bridge, &session).await?;
                (Command::Dial { session, to: number }, "calling", json)
            }
        })
    }
}

fn taken<T: serde::de::DeserializeOwned>(answer: &Value, field: &str) -> anyhow::Result<T> {
    serde_json::from_value(answer[field].clone()).with_context(|| {
        format!("the bridge's answer has no {field} that this program understands")
    })
}

async fn sessions(bridge: &mut Client) -> anyhow::Result<Vec<Session>> {
    taken(&bridge.ask(Command::Sessions {}).await?, "sessions")
}

async fn session_named(bridge: &mut Client, name: &str) -> anyhow::Result<Id<Session>> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let number: u64 = name.parse().ok().with_context(|| {
        format!("{name}: expected the id of a session (ses_…) or the number of a conference")
    })?;
    // While one ends, another may have begun: whoever calls comes into that.
    let found = sessions(bridge).await?.into_iter().rfind(|it| it.conference == number);
    let found = found.with_context(|| {
        format!("conference {number} is not in session; see: partyline room list")
    })?;
    Ok(found.id)
}

async fn leg_named(bridge: &mut Client, name: &str) -> anyhow::Result<Id<Leg>> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let tail = name.to_ascii_uppercase();
    ensure!(
        tail.len() >= TAIL,
        "{name}: expected the id of a leg (leg_…) or at least {TAIL} characters of its end"
    );
    let mut found = Vec::new();
    for session in sessions(bridge).await? {
        let asked = Command::Legs { session: session.id, full: false };
        let Ok(answer) = bridge.ask(asked).await else { continue };
        let legs: Vec<Leg> = taken(&answer, "legs")?;
        found.extend(
            legs.into_iter().map(|leg| leg.id).filter(|id| id.to_string().ends_with(&tail)),
        );
    }
    match found.as_slice() {
        [id] => Ok(*id),
        [] => {
            bail!("no leg of a conference has an id that ends in {tail}; see: partyline room show")
        }
        several => bail!("the ids of {} legs end in {tail}: say more of it", several.len()),
    }
}

fn sessions_table(sessions: &[Session]) -> Table {
    let columns = [
        ("session", Align::Left),
        ("conference", Align::Right),
        ("title", Align::Left),
        ("state", Align::Left),
        ("legs", Align::Right),
        ("mode", Align::Left),
        ("locked", Align::Left),
        ("recording", Align::Left),
        ("since", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for it in sessions {
        table.row(vec![
            it.id.to_string(),
            it.conference.to_string(),
            it.title.clone(),
            it.state.clone(),
            it.legs_now.to_string(),
            word(&it.mode),
            yes(it.locked),
            it.recording.clone(),
            it.started_at.clone(),
        ]);
    }
    table
}

fn legs_table(legs: &[Leg]) -> Table {
    let columns = [
        ("leg", Align::Left),
        ("number", Align::Left),
        ("role", Align::Left),
        ("state", Align::Left),
        ("muted", Align::Left),
        ("hand", Align::Right),
        ("room", Align::Right),
        ("joined", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for leg in legs {
        let muted = [
            (leg.muted.own, "own"),
            (leg.muted.moderator, "moderator"),
            (leg.muted.all, "all"),
            (leg.muted.mode, "mode"),
        ];
        let muted: Vec<&str> = muted.iter().filter(|(is, _)| *is).map(|(_, by)| *by).collect();
        table.row(vec![
            leg.id.to_string(),
            leg.number.clone().unwrap_or_default(),
            leg.role.clone(),
            leg.state.clone(),
            muted.join(" "),
            leg.hand.as_ref().map(|hand| hand.position.to_string()).unwrap_or_default(),
            leg.private_room.map(|room| room.to_string()).unwrap_or_default(),
            leg.joined_at.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn word(of: &impl serde::Serialize) -> String {
    let word = serde_json::to_value(of).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

async fn showing(
    bridge: &mut Client,
    show: &Show,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let session = session_named(bridge, &show.session).await?;
    let mut shown = bridge.ask(Command::Session { session }).await?;
    let answer = bridge.ask(Command::Legs { session, full: show.full }).await?;
    if show.json {
        shown["legs"] = answer["legs"].clone();
        writeln!(out, "{shown}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let of: Session = taken(&shown, "session")?;
    let legs: Vec<Leg> = taken(&answer, "legs")?;
    writeln!(out, "{}", sessions_table(std::slice::from_ref(&of)))?;
    if let Some(reference) = &of.reference {
        writeln!(out, "reference number {}", reference.value)?;
    }
    writeln!(out, "{}", legs_table(&legs))?;
    Ok(ExitCode::SUCCESS)
}

async fn watching(
    bridge: &mut Client,
    watch: &Watch,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let session = match &watch.session {
        Some(name) => Some(session_named(bridge, name).await?),
        None => None,
    };
    bridge.ask(Command::Watch { session, full: watch.full }).await?;
    loop {
        match bridge.next().await? {
            Line::Event { event } if watch.json => {
                writeln!(out, "{}", serde_json::to_string(&event)?)?;
            }
            Line::Event { event } => writeln!(out, "{}", in_words(&event))?,
            Line::End { end } => bail!("{} ({})", end.detail, end.code),
            Line::Response(Response::Ok { .. } | Response::Error { .. }) => {}
        }
        out.flush()?;
    }
}

/// One event in a line.
fn in_words(event: &Event) -> String {
    let mut line = format!("{} {}", event.occurred_at, event.kind);
    let ids = [
        event.session.map(|id| id.to_string()),
        event.leg.map(|id| id.to_string()),
        event.target.map(|id| format!("about {id}")),
    ];
    for id in ids.into_iter().flatten() {
        line.push(' ');
        line.push_str(&id);
    }
    let which = event.actor.id.map(|id| format!(" {id}")).unwrap_or_default();
    format!("{line} by {}{which} {} {}", word(&event.actor.kind), event.outcome, event.data)
}
