//! `partyline dialplan`: what callers may dial, as the configuration has it.
//!
//! It opens no data folder.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use partyline_dialplan::star::{Menu, Profile, Profiles};

use super::table::{Align, Table};
use crate::config::Config;

/// What callers may dial.
#[derive(Debug, Subcommand)]
pub(super) enum DialplanCommand {
    /// Print which keys are star codes in a profile
    StarCodes(StarCodes),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline dialplan star-codes                    the profile of the configuration
  partyline dialplan star-codes --profile zoom")]
pub(super) struct StarCodes {
    /// The profile [default: star_codes.profile of the configuration]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Print the page about all profiles that are shipped, in Markdown
    #[arg(long, conflicts_with = "profile")]
    page: bool,
}

impl DialplanCommand {
    /// Prints what is asked for.
    ///
    /// # Errors
    /// There is no such profile, a file of profiles cannot be used, or nobody takes the output.
    pub(super) fn run(self, config: &Config, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let Self::StarCodes(StarCodes { profile, page }) = self;
        if page {
            write!(out, "{}", Profiles::page())?;
            return Ok(ExitCode::SUCCESS);
        }
        let profiles = config.star_profiles()?;
        let profile = match &profile {
            Some(name) => profiles.known(name)?,
            None => profiles.usual(),
        };
        writeln!(out, "{}\n\n{}", profile.name(), table(profile))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A row for each code of each menu; codes that several menus have in one row.
fn table(profile: &Profile) -> Table {
    let mut table = Table::new(&[
        ("KEYS", Align::Left),
        ("COMMAND", Align::Left),
        ("IN", Align::Left),
        ("WHAT IT DOES", Align::Left),
    ]);
    let mut codes: Vec<_> = Menu::ALL.iter().flat_map(|menu| profile.codes(*menu)).collect();
    codes.sort_by_key(|code| {
        (code.command.place() == partyline_dialplan::star::Place::DialOut, code.keys, code.command)
    });
    codes.dedup();
    for code in codes {
        let menus = Menu::ALL.iter().filter(|menu| profile.codes(**menu).contains(code));
        let menus: Vec<&str> = menus.map(|menu| menu.name()).collect();
        table.row(vec![
            code.keys.to_string(),
            code.command.name().to_owned(),
            menus.join(", "),
            code.command.does().to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(command: StarCodes) -> anyhow::Result<String> {
        let mut out = Vec::new();
        DialplanCommand::StarCodes(command).run(&Config::default(), &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn the_codes_of_a_profile_are_listed() {
        let usual = printed(StarCodes { profile: None, page: false }).unwrap();
        let rows: Vec<Vec<&str>> =
            usual.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["spectel"]);
        assert!(
            rows.iter().any(|row| row.starts_with(&["*4", "record", "moderator", "Start"])),
            "{usual}"
        );
        assert!(
            rows.iter().any(|row| row.starts_with(&["*6", "mute", "moderator,", "participant"])),
            "{usual}"
        );
        assert!(
            rows.iter().any(|row| row.starts_with(&["#2", "bring_both", "dial_out"])),
            "{usual}"
        );
        let zoom = printed(StarCodes { profile: Some("zoom".into()), page: false }).unwrap();
        assert!(zoom.lines().any(|line| line.starts_with("*4    end ")), "{zoom}");
        let none = printed(StarCodes { profile: Some("zooom".into()), page: false }).unwrap_err();
        assert!(none.to_string().starts_with("there is no profile zooom; there are broadsoft, "));
    }
}
