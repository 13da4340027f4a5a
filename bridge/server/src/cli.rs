//! The command line: what can be typed, and what each command does with the store.
//!
//! Each file below holds one group of commands. They change the store in one transaction and print
//! to the writer that they are given; a running bridge sees changes within a second. Calls are
//! handled in [`crate::serve`].

mod account;
mod ask;
mod audit;
mod backup;
mod ban;
mod cdr;
mod cdr_text;
mod check_config;
mod conference;
mod context;
mod deck;
mod dial_in;
mod dialplan;
mod dtmf;
mod dtmf_text;
mod files;
mod import;
mod init;
mod invoice;
mod lookup;
mod passcode;
mod pcap;
mod reach;
mod refusal;
mod room;
mod table;
mod times;
mod trace;
mod trunk;
mod user;
mod who;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::{logging, serve};
use context::Context;

/// Partyline, an audio conference bridge: people call a number, key in a passcode and talk; each
/// call leaves a record, and a month of records becomes an invoice.
#[derive(Debug, Parser)]
#[command(name = "partyline", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  partyline serve                             start a bridge on this machine, with a demo account
  partyline init                              make the data folder only
  partyline passcode show 1                   see the passcodes of conference 1
  partyline deck example > rates.csv          the demo's rates, to begin with: partyline deck add
  partyline account add 'Harbour & Pine LLP' --deck demo
  partyline conference add 'Weekly review' --account 'Harbour & Pine LLP'
  partyline dial-in add 14165550123
  partyline cdr list                          the latest calls
  partyline audit list                        who changed what
  partyline dtmf call.pcap                    the keys that a caller pressed
  partyline dialplan star-codes               what callers may press in a conference
  partyline trunk status                      which trunks of the running bridge are up
  partyline user list                         which telephones are registered with it
  partyline ban list                          whom it listens to no more
  partyline room list                         the conferences in session
  partyline trace --from 14165550123          the SIP messages of a caller's last calls
  partyline invoice --account Demo --month 2026-11 --out invoices --draft

Without --config the bridge runs on loopback addresses and keeps its data in ./partyline-data.
Only serve and init make a data folder; the other commands want one.";

const GLOBAL: &str = "Options of every command";

#[derive(Args, Debug)]
struct Global {
    /// The configuration file; `partyline check-config --example` prints one that explains every key
    #[arg(long, global = true, env = "PARTYLINE_CONFIG", value_name = "FILE",
          help_heading = GLOBAL)]
    config: Option<PathBuf>,
    /// The data folder, in place of the configuration's data.dir
    #[arg(long, global = true, env = "PARTYLINE_DATA", value_name = "DIR", help_heading = GLOBAL)]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bridge until SIGTERM or Ctrl-C; makes the data folder when it is missing
    Serve,
    /// Make the data folder without starting a bridge, to prepare accounts and numbers
    Init,
    /// Say what is wrong with a configuration file, or print the settings in effect
    CheckConfig(check_config::CheckConfig),
    /// Customers: who pays, and what they may do
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Conferences of an account
    #[command(subcommand)]
    Conference(conference::ConferenceCommand),
    /// Passcodes that open a conference
    #[command(subcommand)]
    Passcode(passcode::PasscodeCommand),
    /// Numbers that callers dial to reach the bridge
    #[command(subcommand)]
    DialIn(dial_in::DialInCommand),
    /// What callers may dial: star codes
    #[command(subcommand)]
    Dialplan(dialplan::DialplanCommand),
    /// Rate decks: what a minute costs
    #[command(subcommand)]
    Deck(deck::DeckCommand),
    /// Add many accounts, conferences, passcodes and dial-in numbers from one CSV file
    Import(import::Import),
    /// Who changed what, and whether the log of it is what was written
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Call records
    #[command(subcommand)]
    Cdr(cdr::CdrCommand),
    /// Trunks of a running bridge: which are up, and registered until when
    #[command(subcommand)]
    Trunk(trunk::TrunkCommand),
    /// Telephones that register with a running bridge, and where each can be reached
    #[command(subcommand)]
    User(user::UserCommand),
    /// Sources that a running bridge listens to no more
    #[command(subcommand)]
    Ban(ban::BanCommand),
    /// Conferences in session: who is there, what is done about them, and what happens
    #[command(subcommand)]
    Room(room::RoomCommand),
    /// SIP messages of calls that are up or were, and of refused ones, registrations and pings
    Trace(trace::Trace),
    /// List the keys pressed in WAV files and packet captures, with their times
    Dtmf(dtmf::Dtmf),
    /// Rate a month of an account and write its invoice as PDF, CSV and JSON
    Invoice(invoice::Invoice),
    /// Copy the data folder while the bridge runs
    Backup(backup::Backup),
    /// Make a data folder from a copy that `partyline backup` took
    Restore(backup::Restore),
}

/// Does what the command line says; results go to `out`.
///
/// # Errors
/// Why it was not done, with what to do about it.
pub(crate) fn run(cli: Cli, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    if let Command::CheckConfig(check) = command {
        return check.run(global.config.as_deref(), out);
    }
    if let Command::Dtmf(dtmf) = command {
        return dtmf.run(out);
    }
    if let Command::Deck(deck::DeckCommand::Example) = command {
        return deck::example(out).map(|()| ExitCode::SUCCESS);
    }
    let mut config = Config::load(global.config.as_deref())?;
    if let Command::Dialplan(dialplan) = command {
        return dialplan.run(&config, out);
    }
    if let Some(dir) = global.data {
        config.data_dir = dir;
    }
    if let Command::Serve = command {
        // Dropped last: what is logged at the end is written.
        let _logging = logging::start(&config.log)?;
        serve::run(config)?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the system gives no event loop")?;
    runtime.block_on(async {
        if let Command::Init = command {
            return init::run(&config, out).await;
        }
        if let Command::Trunk(trunk) = command {
            return trunk.run(&config, out).await;
        }
        if let Command::User(user) = command {
            return user.run(&config, out).await;
        }
        if let Command::Ban(ban) = command {
            return ban.run(&config, out).await;
        }
        if let Command::Room(room) = command {
            return room.run(&config, out).await;
        }
        if let Command::Trace(trace) = command {
            return trace.run(&config, out).await;
        }
        if let Command::Cdr(cdr) = &command
            && let Some(code) = cdr.before_all(&config, out).await?
        {
            return Ok(code);
        }
        if let Command::Restore(restore) = command {
            return restore.run(&config, out).await.map(|()| ExitCode::SUCCESS);
        }
        let mut context = Context::open(&config, out).await?;
        let code = administer(command, &mut context).await;
        context.close().await?;
        code
    })
}

async fn administer(command: Command, context: &mut Context<'_>) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve
        | Command::Init
        | Command::CheckConfig(_)
        | Command::Dialplan(_)
        | Command::Dtmf(_)
        | Command::Trunk(_)
        | Command::User(_)
        | Command::Ban(_)
        | Command::Room(_)
        | Command::Trace(_)
        | Command::Restore(_) => {}
        Command::Backup(backup) => backup.run(context).await?,
        Command::Account(command) => command.run(context).await?,
        Command::Conference(command) => command.run(context).await?,
        Command::Passcode(command) => command.run(context).await?,
        Command::DialIn(command) => command.run(context).await?,
        Command::Deck(command) => command.run(context).await?,
        Command::Import(command) => command.run(context).await?,
        Command::Audit(command) => return command.run(context).await,
        Command::Cdr(command) => return command.run(context).await,
        Command::Invoice(command) => return command.run(context).await,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    /// What reads like a command in a message or a page: after `partyline`, up to two words.
    fn commands_in(text: &str) -> Vec<(bool, [&str; 2])> {
        let quoted = text.split("partyline ").map(|before| before.ends_with('`'));
        let word = |c: char| !(c.is_ascii_lowercase() || c == '-');
        let after = text.split("partyline ").skip(1).map(|after| {
            let mut rest = after.split(' ');
            let mut next = || rest.next().map_or("", |text| text.split(word).next().unwrap_or(""));
            let first = next();
            [
                first,
                if after.get(first.len()..).is_some_and(|s| s.starts_with(' ')) {
                    next()
                } else {
                    ""
                },
            ]
        });
        quoted.zip(after).collect()
    }

    #[test]
    fn the_commands_that_texts_name_are_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (mut folders, mut seen) = (vec![root], 0);
        let command = super::Cli::command();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                if path.is_dir() && !name.starts_with('.') && name != "target" {
                    folders.push(path);
                    continue;
                }
                if !name.ends_with(".rs") && !name.ends_with(".md") && !name.ends_with(".toml") {
                    continue;
                }
                // A text goes on in the next line, of the source or of the page.
                let text = std::fs::read_to_string(&path).unwrap().replace("\\\n", "\n");
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                for (quoted, [first, second]) in commands_in(&text) {
                    let found = command.find_subcommand(first);
                    assert!(
                        !quoted || first.is_empty() || found.is_some(),
                        "{}: {first}",
                        path.display()
                    );
                    let Some(group) = found.filter(|found| found.has_subcommands()) else {
                        continue;
                    };
                    seen += 1;
                    let known = second.is_empty() || group.find_subcommand(second).is_some();
                    assert!(known, "{}: {first} {second}", path.display());
                }
            }
        }
        assert!(seen > 50, "only {seen}");
    }
}
