//! Why a profile is refused.

use std::fmt;

use partyline_model::Role;

use super::{Command, Keys};

/// Why a text is not a usable profile, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub kind: ProfileErrorKind,
}

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileErrorKind {
    /// Not TOML, or not the keys and types of a profile; in the words of the TOML reader.
    Toml(Box<str>),
    /// A name that cannot be written in commands and records.
    Name,
    /// Keys that are no code.
    Keys,
    /// No command has this name.
    UnknownCommand,
    /// The command means nothing in this table.
    OtherTable(Command),
    /// The role of the table may not use the command.
    NotFor(Command, Role),
    /// The code or another one of the table would never be heard.
    Clash {
        /// The other code.
        with: Keys,
        /// Its line.
        line: usize,
        /// Its column.
        column: usize,
    },
    /// The code means the same on every bridge.
    Fixed(Keys, Command),
    /// The table has no code for something that callers could not do without.
    Missing(Command),
    /// The code was given another meaning, and `moved` does not say so.
    Unsaid(Keys, Command),
    /// `moved` says so of a code that is not moved, or may be anywhere.
    NotMoved,
    /// `moved` says another usual meaning than the code has.
    OtherMeaning(Command),
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.kind)
    }
}

impl fmt::Display for ProfileErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Toml(message) => f.write_str(message),
            Self::Name => f.write_str("a name has 1 to 32 of a-z, 0-9, - and _"),
            Self::Keys => f.write_str(
                "a code begins with * or #, then one of 0-9, * and #, then perhaps a digit",
            ),
            Self::UnknownCommand => {
                let names: Vec<&str> = Command::ALL.iter().map(|command| command.name()).collect();
                write!(f, "there is no such command; there are {}", names.join(", "))
            }
            Self::OtherTable(command) => {
                write!(f, "{} means nothing in this table", command.name())
            }
            Self::NotFor(command, role) => {
                let whose = match role {
                    Role::Moderator => "moderators",
                    Role::Participant => "participants",
                    Role::Listener => "listeners",
                };
                write!(f, "{} is not for {whose}", command.name())
            }
            Self::Clash { with, line, column } => {
                write!(f, "one of this and {with} on line {line}, column {column} begins the other")
            }
            Self::Fixed(keys, command) => {
                write!(f, "{keys} is {} in every profile", command.name())
            }
            Self::Missing(command) => write!(f, "this table needs a code for {}", command.name()),
            Self::Unsaid(keys, usual) => write!(
                f,
                "cards say that {keys} is {0}: if it is to be another here, say under [moved] \
                 \"{keys}\" = \"{0}\"",
                usual.name()
            ),
            Self::NotMoved => {
                f.write_str("is not moved; take it out (only *4 and *6 are named here)")
            }
            Self::OtherMeaning(usual) => write!(f, "the usual meaning is {}", usual.name()),
        }
    }
}

impl std::error::Error for ProfileError {}
