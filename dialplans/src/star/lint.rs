//! Reads a profile from TOML and checks it; every complaint has line and column.

use std::collections::BTreeMap;
use std::ops::Range;

use partyline_model::Role;
use serde::Deserialize;
use toml::Spanned;

use super::profile::{Code, Codes, Profile};
use super::{Command, Keys, Menu, Place, ProfileError, ProfileErrorKind};
use crate::parse::position;

/// What means the same for everybody on every bridge: callers find their way by it.
const FIXED: [(&str, Command); 2] = [("**", Command::Help), ("*#", Command::Count)];

/// What is printed on cards that are in people's hands: another meaning has to be said.
const PRINTED: [(&str, Command); 2] = [("*4", Command::Record), ("*6", Command::Mute)];

/// Without these a moderator who is aside does not come back.
const WAYS_BACK: [Command; 2] = [Command::BringBoth, Command::ReturnAlone];

/// The longest name of a profile.
const LONGEST_NAME: usize = 32;

type RawCodes = BTreeMap<Spanned<String>, Spanned<String>>;

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    name: Spanned<String>,
    #[serde(default)]
    moved: RawCodes,
    moderator: Spanned<RawCodes>,
    participant: Spanned<RawCodes>,
    listener: Spanned<RawCodes>,
    #[serde(default)]
    dial_out: Option<Spanned<RawCodes>>,
}

/// A code and where it stands.
type Placed = (Code, Range<usize>);

/// Reads and checks a profile.
pub(super) fn profile(text: &str) -> Result<Profile, ProfileError> {
    let lint = Lint { text };
    let raw: RawProfile = toml::from_str(text).map_err(|error| {
        let kind = ProfileErrorKind::Toml(error.message().into());
        lint.error(&error.span().unwrap_or(0..0), kind)
    })?;
    let name = lint.name(raw.name)?;
    let moderator_at = raw.moderator.span();
    let moderator = lint.table(Menu::Room(Role::Moderator), raw.moderator)?;
    let participant = lint.table(Menu::Room(Role::Participant), raw.participant)?;
    let listener = lint.table(Menu::Room(Role::Listener), raw.listener)?;
    let dial_out = match raw.dial_out {
        Some(table) => lint.table(Menu::DialOut, table)?,
        None => Vec::new(),
    };
    let calls = moderator.iter().any(|(code, _)| code.command == Command::DialOut);
    if calls && dial_out.is_empty() {
        let kind = ProfileErrorKind::Missing(Command::ReturnAlone);
        return Err(lint.error(&moderator_at, kind));
    }
    lint.moved(&moderator_at, &raw.moved, &[&moderator, &participant])?;
    let [moderator, participant, listener, dial_out] =
        [moderator, participant, listener, dial_out].map(bare);
    let menus = [
        Codes { refused: Vec::new(), own: moderator.clone() },
        Codes { refused: beside(&participant, &[&moderator]), own: participant.clone() },
        Codes { refused: beside(&listener, &[&participant, &moderator]), own: listener },
        Codes { refused: Vec::new(), own: dial_out },
    ];
    Ok(Profile { name, menus })
}

fn bare(codes: Vec<Placed>) -> Vec<Code> {
    codes.into_iter().map(|(code, _)| code).collect()
}

/// The codes of `others`, the first first, that can be told from `own` and from each other.
fn beside(own: &[Code], others: &[&[Code]]) -> Vec<Code> {
    let mut more: Vec<Code> = Vec::new();
    for code in others.iter().copied().flatten() {
        if own.iter().chain(&more).all(|known| !known.keys.clashes(&code.keys)) {
            more.push(*code);
        }
    }
    more
}

/// The text, to say where something is wrong in it.
struct Lint<'a> {
    text: &'a str,
}

impl Lint<'_> {
    fn error(&self, at: &Range<usize>, kind: ProfileErrorKind) -> ProfileError {
        let (line, column) = position(self.text, at.start);
        ProfileError { line, column, kind }
    }

    fn name(&self, name: Spanned<String>) -> Result<String, ProfileError> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        let text = name.get_ref();
        if !(1..=LONGEST_NAME).contains(&text.len()) || !text.bytes().all(fits) {
            return Err(self.error(&name.span(), ProfileErrorKind::Name));
        }
        Ok(name.into_inner())
    }

    fn keys(&self, text: &Spanned<String>) -> Result<Keys, ProfileError> {
        Keys::parse(text.get_ref()).ok_or_else(|| self.error(&text.span(), ProfileErrorKind::Keys))
    }

    fn command(&self, text: &Spanned<String>) -> Result<Command, ProfileError> {
        Command::named(text.get_ref())
            .ok_or_else(|| self.error(&text.span(), ProfileErrorKind::UnknownCommand))
    }

    /// The codes of one table, in the order of their keys.
    fn table(&self, menu: Menu, raw: Spanned<RawCodes>) -> Result<Vec<Placed>, ProfileError> {
        let at = raw.span();
        let mut codes: Vec<Placed> = Vec::new();
        for (keys_text, command_text) in raw.into_inner() {
            let (keys, command) = (self.keys(&keys_text)?, self.command(&command_text)?);
            self.fits(menu, keys, &command_text, command)?;
            if let Some((other, at)) = codes.iter().find(|(code, _)| code.keys.clashes(&keys)) {
                let (line, column) = position(self.text, at.start);
                let kind = ProfileErrorKind::Clash { with: other.keys, line, column };
                return Err(self.error(&keys_text.span(), kind));
            }
            codes.push((Code { keys, command }, keys_text.span()));
        }
        let needed: &[Command] = match menu.place() {
            Place::Room => &FIXED.map(|(_, command)| command),
            Place::DialOut => &WAYS_BACK,
        };
        let missing =
            needed.iter().find(|need| codes.iter().all(|(code, _)| code.command != **need));
        match missing {
            Some(&command) => Err(self.error(&at, ProfileErrorKind::Missing(command))),
            None => Ok(codes),
        }
    }

    /// Refuses a command that has no business under these keys in this menu.
    fn fits(
        &self,
        menu: Menu,
        keys: Keys,
        text: &Spanned<String>,
        command: Command,
    ) -> Result<(), ProfileError> {
        let fixed = FIXED.iter().find(|(fixed, _)| *fixed == keys.as_str());
        let kind = if command.place() != menu.place() {
            ProfileErrorKind::OtherTable(command)
        } else if !command.allowed(menu.role()) {
            ProfileErrorKind::NotFor(command, menu.role())
        } else if let Some(&(_, usual)) = fixed.filter(|(_, usual)| *usual != command) {
            ProfileErrorKind::Fixed(keys, usual)
        } else {
            return Ok(());
        };
        Err(self.error(&text.span(), kind))
    }

    /// Holds `moved` against the tables of those who have the printed codes: no code changes its
    /// meaning by a slip.
    fn moved(
        &self,
        at: &Range<usize>,
        moved: &RawCodes,
        tables: &[&Vec<Placed>],
    ) -> Result<(), ProfileError> {
        let mut said: Vec<&str> = Vec::new();
        for (keys_text, command_text) in moved {
            let (keys, command) = (self.keys(keys_text)?, self.command(command_text)?);
            let Some(&(printed, usual)) = PRINTED.iter().find(|(code, _)| *code == keys.as_str())
            else {
                return Err(self.error(&keys_text.span(), ProfileErrorKind::NotMoved));
            };
            if usual != command {
                return Err(self.error(&command_text.span(), ProfileErrorKind::OtherMeaning(usual)));
            }
            if Self::elsewhere(at, (printed, usual), tables).is_none() {
                return Err(self.error(&keys_text.span(), ProfileErrorKind::NotMoved));
            }
            said.push(printed);
        }
        for &(printed, usual) in PRINTED.iter().filter(|(printed, _)| !said.contains(printed)) {
            let Some(keys) = Keys::parse(printed) else { continue };
            if let Some(at) = Self::elsewhere(at, (printed, usual), tables) {
                return Err(self.error(&at, ProfileErrorKind::Unsaid(keys, usual)));
            }
        }
        Ok(())
    }

    /// Where a printed code has another meaning than `usual`, or, at `at`, none.
    fn elsewhere(
        at: &Range<usize>,
        (printed, usual): (&str, Command),
        tables: &[&Vec<Placed>],
    ) -> Option<Range<usize>> {
        let mut used = false;
        for (code, place) in tables.iter().copied().flatten() {
            if code.keys.as_str() == printed {
                if code.command != usual {
                    return Some(place.clone());
                }
                used = true;
            }
        }
        (!used).then(|| at.clone())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r##"name = "ours"
[moderator]
"*1" = "dial_out"
"*4" = "record"
"*6" = "mute"
"*#" = "count"
"**" = "help"
[participant]
"*6" = "mute"
"*#" = "count"
"**" = "help"
[listener]
"*#" = "count"
"**" = "help"
[dial_out]
"#2" = "bring_both"
"*3" = "return_alone"
"##;

    fn refusal(good: &str, bad: &str) -> String {
        let text = GOOD.replacen(good, bad, 1);
        assert_ne!(text, GOOD, "{good} is not in the profile");
        profile(&text).unwrap_err().to_string()
    }

    #[test]
    fn a_good_profile_is_read() {
        let read = profile(GOOD).unwrap();
        assert_eq!(read.name(), "ours");
        let keys = read.codes(Menu::DialOut).iter().map(|code| code.keys.to_string());
        assert_eq!(keys.collect::<Vec<_>>(), ["#2", "*3"]);
    }

    #[test]
    fn codes_that_cannot_be_told_apart_are_refused_with_both_places() {
        assert_eq!(
            refusal(
                "\"*4\" = \"record\"",
                "\"*4\" = \"record\"\n  \"*91\" = \"end\"\n\"*9\" = \"security\""
            ),
            "line 5, column 3: one of this and *9 on line 6, column 1 begins the other"
        );
        let twice = refusal("\"*4\" = \"record\"", "\"*4\" = \"record\"\n\"*4\" = \"end\"");
        assert!(twice.starts_with("line 5, column 1: duplicate key"), "{twice}");
    }

    #[test]
    fn complaints_have_line_and_column() {
        let codes = "a code begins with * or #, then one of 0-9, * and #, then perhaps a digit";
        for (good, bad, complaint) in [
            ("\"*4\"", "\"4\"", format!("line 4, column 1: {codes}")),
            ("\"*4\"", "\"*4444\"", format!("line 4, column 1: {codes}")),
            (
                "\"ours\"",
                "\"Ours\"",
                "line 1, column 8: a name has 1 to 32 of a-z, 0-9, - and _".into(),
            ),
            (
                "\"record\"",
                "\"bring_both\"",
                "line 4, column 8: bring_both means nothing in this table".into(),
            ),
            (
                "\"bring_both\"",
                "\"count\"",
                "line 16, column 8: count means nothing in this table".into(),
            ),
            (
                "[listener]",
                "\"*4\" = \"record\"\n[listener]",
                "line 12, column 8: record is not for participants".into(),
            ),
            (
                "[dial_out]",
                "\"*6\" = \"mute\"\n[dial_out]",
                "line 15, column 8: mute is not for listeners".into(),
            ),
            (
                "\"**\" = \"help\"",
                "\"**\" = \"count\"",
                "line 7, column 8: ** is help in every profile".into(),
            ),
            (
                "\"*#\" = \"count\"\n",
                "",
                "line 2, column 1: this table needs a code for count".into(),
            ),
            (
                "\"#2\" = \"bring_both\"\n",
                "",
                "line 15, column 1: this table needs a code for bring_both".into(),
            ),
            (
                &GOOD[GOOD.find("[dial_out]").unwrap()..],
                "",
                "line 2, column 1: this table needs a code for return_alone".into(),
            ),
        ] {
            assert_eq!(refusal(good, bad), complaint);
        }
        let unknown = refusal("\"record\"", "\"recrod\"");
        assert!(
            unknown.starts_with("line 4, column 8: there is no such command; there are mute, ")
        );
        let table = refusal("[listener]", "[listeners]");
        assert!(table.starts_with("line 12, column 2: unknown field `listeners`"), "{table}");
    }

    #[test]
    fn record_and_mute_move_only_where_the_profile_says_what_they_were() {
        let moved = GOOD.replacen("\"*4\" = \"record\"", "\"*4\" = \"end\"", 1);
        let unsaid = profile(&moved).unwrap_err().to_string();
        assert_eq!(
            unsaid,
            "line 4, column 1: cards say that *4 is record: if it is to be another here, say under \
             [moved] \"*4\" = \"record\""
        );
        let said = |moved: &str| format!("name = \"ours\"\n[moved]\n{moved}\n");
        profile(&moved.replacen("name = \"ours\"\n", &said("\"*4\" = \"record\""), 1)).unwrap();
        let wrong = profile(&moved.replacen("name = \"ours\"\n", &said("\"*4\" = \"mute\""), 1));
        assert_eq!(wrong.unwrap_err().to_string(), "line 3, column 8: the usual meaning is record");
        let needless =
            profile(&GOOD.replacen("name = \"ours\"\n", &said("\"*4\" = \"record\""), 1));
        let needless = needless.unwrap_err().to_string();
        assert!(needless.starts_with("line 3, column 1: is not moved; take it out"), "{needless}");
        let gone = refusal("\"*4\" = \"record\"\n", "");
        assert!(gone.starts_with("line 2, column 1: cards say that *4 is record"), "{gone}");
        let half = GOOD.replacen("[participant]\n\"*6\"", "[participant]\n\"*1\"", 1);
        profile(&half).unwrap();
        let other = GOOD.replacen(
            "[participant]\n\"*6\" = \"mute\"",
            "[participant]\n\"*6\" = \"help\"",
            1,
        );
        let other = profile(&other).unwrap_err().to_string();
        assert!(other.starts_with("line 9, column 1: cards say that *6 is mute"), "{other}");
    }

    #[test]
    fn others_codes_are_heard_where_they_can_be_told_from_ones_own() {
        let text =
            GOOD.replacen("\"*6\" = \"mute\"", "\"*61\" = \"mute\"\n\"*92\" = \"security\"", 1);
        let text = text.replacen(
            "name = \"ours\"\n",
            "name = \"ours\"\nmoved = { \"*6\" = \"mute\" }\n",
            1,
        );
        let text = text.replacen("[participant]\n\"*6\"", "[participant]\n\"*9\"", 1);
        let read = profile(&text).unwrap();
        let heard = |menu| read.heard(menu).map(|code| code.keys.to_string()).collect::<Vec<_>>();
        assert_eq!(heard(Menu::Room(Role::Participant)), ["*#", "**", "*9", "*1", "*4", "*61"]);
        assert_eq!(heard(Menu::Room(Role::Listener)), ["*#", "**", "*9", "*1", "*4", "*61"]);
        assert_eq!(heard(Menu::DialOut), ["#2", "*3"]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_profile_or_an_error(at in 0..GOOD.len(), with in "\\PC{0,4}") {
            let mut text = GOOD.to_owned();
            text.replace_range(at..=at, &with);
            if let Err(error) = profile(&text) {
                prop_assert!(error.line >= 1 && error.line <= GOOD.lines().count() + 1);
            }
        }
    }
}
