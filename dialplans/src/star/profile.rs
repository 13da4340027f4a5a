//! A profile: the codes of each menu.

use std::sync::{Arc, LazyLock};

use super::{Command, Keys, Menu, ProfileError, lint};

/// The profile that is used where nothing else is said, as TOML.
const SPECTEL: &str = include_str!("../../profiles/spectel.toml");

/// The profiles that the bridge ships: their names and their text; the first is the usual one.
pub(super) const SHIPPED: &[(&str, &str)] = &[
    ("spectel", SPECTEL),
    ("zoom", include_str!("../../profiles/zoom.toml")),
    ("teams", include_str!("../../profiles/teams.toml")),
    ("freeconference", include_str!("../../profiles/freeconference.toml")),
    ("broadsoft", include_str!("../../profiles/broadsoft.toml")),
];

/// One code: its keys and what they ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The keys.
    pub keys: Keys,
    /// What they ask for.
    pub command: Command,
}

/// Which keys make which command, in each menu; checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub(super) name: String,
    /// By [`Menu::index`].
    pub(super) menus: [Codes; Menu::ALL.len()],
}

/// The codes of one menu.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Codes {
    /// Those of the menu's table, in the order of their keys.
    pub(super) own: Vec<Code>,
    /// Those of other roles, which are heard to be refused.
    pub(super) refused: Vec<Code>,
}

impl Profile {
    /// Reads and checks a profile.
    ///
    /// # Errors
    /// [`ProfileError`] with line and column.
    pub fn parse(toml: &str) -> Result<Self, ProfileError> {
        lint::profile(toml)
    }

    /// The profile that is used where nothing else is said.
    pub fn spectel() -> Arc<Self> {
        static READ: LazyLock<Arc<Profile>> = LazyLock::new(|| {
            Arc::new(Profile::parse(SPECTEL).expect("the shipped profile is parsed by a test"))
        });
        Arc::clone(&READ)
    }

    /// The name that the profile gives itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The codes of a menu's table, in the order of their keys.
    pub fn codes(&self, menu: Menu) -> &[Code] {
        &self.of(menu).own
    }

    /// The keys of `command` in `menu`; where there are several, the first that begin with a star.
    pub fn keys(&self, menu: Menu, command: Command) -> Option<Keys> {
        let keys = self.codes(menu).iter().filter(|code| code.command == command);
        keys.map(|code| code.keys).min_by_key(|keys| !keys.as_str().starts_with('*'))
    }

    /// The codes that are listened for, those that will be refused among them.
    pub(super) fn heard(&self, menu: Menu) -> impl Iterator<Item = &Code> {
        let Codes { own, refused } = self.of(menu);
        own.iter().chain(refused)
    }

    fn of(&self, menu: Menu) -> &Codes {
        let [moderator, participant, listener, dial_out] = &self.menus;
        match menu.index() {
            0 => moderator,
            1 => participant,
            2 => listener,
            _ => dial_out,
        }
    }
}
