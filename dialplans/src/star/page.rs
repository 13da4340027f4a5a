//! The page of star codes for people, made from the profiles.

use super::proof::{Row, TABLES};
use super::{Command, Menu, Place, Profile, Profiles};

const HEAD: &str = "\
# Star codes

What callers press in a conference, by profile. `star_codes.profile` of the configuration chooses one;
`partyline dialplan star-codes` prints it. Profiles of one's own are files in the format of
`dialplans/profiles/spectel.toml`, which explains it.

`**` reads the codes aloud and `*#` counts in every profile. A begun code waits 3 s for its next key.
A star after a slip begins a new code. A participant who dials a moderator's code hears that only
moderators may do that.

This page is made from the profiles: `partyline dialplan star-codes --page > docs/star-codes.md`.
";

const PROOF: &str = "
## What shows that it works

By the keys of `spectel`. The tests of codes listen to what each caller hears; those of states look at
what callers are played, at their telephones and at their records.
";

impl Profiles {
    /// The page about the profiles that are shipped, in Markdown.
    pub fn page() -> String {
        let all = Self::default();
        let shipped: Vec<&Profile> =
            Self::shipped().filter_map(|name| all.known(name).ok()).map(|p| &**p).collect();
        let mut page = HEAD.to_owned();
        for (title, place) in
            [("In the conference", Place::Room), ("While calling someone", Place::DialOut)]
        {
            let names = shipped.iter().map(|profile| profile.name());
            let heads: Vec<&str> = ["what it does", "for"].into_iter().chain(names).collect();
            page += &format!("\n## {title}\n\n| {} |\n", heads.join(" | "));
            page += &format!("|{}\n", "---|".repeat(heads.len()));
            for command in Command::ALL.iter().filter(|command| command.place() == place) {
                let keys = shipped.iter().map(|profile| profile.shown(*command));
                let cells: Vec<String> = [command.does().to_owned(), command.whose().to_owned()]
                    .into_iter()
                    .chain(keys)
                    .collect();
                page += &format!("| {} |\n", cells.join(" | "));
            }
        }
        page += PROOF;
        for (title, rows) in TABLES {
            page += &format!("\n### {title}\n\n| what | does | shown by |\n|---|---|---|\n");
            for Row { what, does, test, .. } in rows {
                let test = test.map_or("not built".to_owned(), |test| format!("`{test}`"));
                page += &format!("| {what} | {} | {test} |\n", does.words());
            }
        }
        page
    }
}

impl Profile {
    /// The keys of `command` in Markdown, with the role where it is not all that may use it.
    fn shown(&self, command: Command) -> String {
        let mut shown: Vec<String> = Vec::new();
        let menus = || Menu::ALL.into_iter().filter(|menu| menu.place() == command.place());
        for menu in menus() {
            let codes = self.codes(menu).iter().filter(|code| code.command == command);
            for keys in codes.map(|code| code.keys) {
                let has = |menu: &Menu| {
                    self.codes(*menu).iter().any(|c| c.keys == keys && c.command == command)
                };
                let may = menus().filter(|menu| command.allowed(menu.role()));
                let cell = if may.clone().all(|menu| has(&menu)) {
                    format!("`{keys}`")
                } else {
                    let of: Vec<&str> = may.filter(has).map(Menu::name).collect();
                    format!("`{keys}` ({})", of.join(", "))
                };
                if !shown.contains(&cell) {
                    shown.push(cell);
                }
            }
        }
        shown.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::proof::Does;
    use super::*;

    #[test]
    fn the_page_of_star_codes_says_what_the_profiles_say() {
        let page = include_str!("../../../docs/star-codes.md");
        assert!(
            page == Profiles::page(),
            "make it anew: partyline dialplan star-codes --page > docs/star-codes.md"
        );
    }

    #[test]
    fn every_command_is_shown_to_work() {
        for command in Command::ALL {
            let mut rows = TABLES.iter().flat_map(|(_, rows)| *rows);
            assert!(rows.any(|row| row.does == Does::Command(*command)), "{command:?} has no row");
        }
    }

    #[test]
    fn keys_that_not_all_have_say_whose_they_are() {
        let spectel = include_str!("../../profiles/spectel.toml");
        let text = spectel.replacen("[participant]\n", "[participant]\n\"*7\" = \"mute\"\n", 1);
        let profile = Profile::parse(&text).unwrap();
        assert_eq!(profile.shown(Command::Mute), "`*6` `*7` (participant)");
        assert_eq!(profile.shown(Command::ReturnAlone), "`#3` `*3`");
        assert_eq!(profile.shown(Command::Count), "`*#`");
    }
}
