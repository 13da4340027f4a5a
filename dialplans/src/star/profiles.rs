//! The profiles that a bridge knows, and which of them is the usual one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::profile::SHIPPED;
use super::{Profile, ProfileError};

/// Every profile that a bridge knows, by name.
#[derive(Clone, Debug)]
pub struct Profiles {
    named: BTreeMap<String, Arc<Profile>>,
    usual: Arc<Profile>,
}

/// Why a profile does not join the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfilesError {
    /// The text is no profile.
    Profile(ProfileError),
    /// Another one has its name.
    Taken(String),
    /// No profile has this name.
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
}

impl fmt::Display for ProfilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile(error) => error.fmt(f),
            Self::Taken(name) => write!(f, "there is another profile {name}; choose another name"),
            Self::Unknown { name, known } => {
                write!(f, "there is no profile {name}; there are {}", known.join(", "))
            }
        }
    }
}

impl std::error::Error for ProfilesError {}

impl Default for Profiles {
    /// Those that are shipped.
    fn default() -> Self {
        let read = |&(name, toml): &(&str, &str)| {
            let profile = Profile::parse(toml).expect("the shipped profiles are parsed by a test");
            (name.to_owned(), Arc::new(profile))
        };
        Self { named: SHIPPED.iter().map(read).collect(), usual: Profile::spectel() }
    }
}

impl Profiles {
    /// The names of those that are shipped, the usual one first.
    pub fn shipped() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// Adds the profile in `toml`.
    ///
    /// # Errors
    /// It is none, or its name is taken.
    pub fn add(&mut self, toml: &str) -> Result<(), ProfilesError> {
        let profile = Profile::parse(toml).map_err(ProfilesError::Profile)?;
        let name = profile.name().to_owned();
        if self.named.contains_key(&name) {
            return Err(ProfilesError::Taken(name));
        }
        self.named.insert(name, Arc::new(profile));
        Ok(())
    }

    /// Makes the profile `name` the usual one.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn choose(&mut self, name: &str) -> Result<(), ProfilesError> {
        self.usual = Arc::clone(self.known(name)?);
        Ok(())
    }

    /// The profile `name`.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn known(&self, name: &str) -> Result<&Arc<Profile>, ProfilesError> {
        self.named.get(name).ok_or_else(|| ProfilesError::Unknown {
            name: name.to_owned(),
            known: self.named.keys().cloned().collect(),
        })
    }

    /// The profile of whoever has none of their own.
    pub const fn usual(&self) -> &Arc<Profile> {
        &self.usual
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.named.values()
    }
}

#[cfg(test)]
mod tests {
    use partyline_model::Digit;

    use super::*;
    use crate::star::{Command, Keys, Match, Matcher, Menu};

    #[test]
    fn the_shipped_profiles_are_read_and_have_the_names_of_their_files() {
        let profiles = Profiles::default();
        assert_eq!(profiles.usual().name(), "spectel");
        assert_eq!(profiles.iter().count(), Profiles::shipped().count());
        for name in Profiles::shipped() {
            assert_eq!(profiles.known(name).unwrap().name(), name);
        }
    }

    #[test]
    fn each_code_of_the_shipped_profiles_is_as_the_golden_tables_say() {
        const GOLDEN: [(&str, &str); 5] = [
            ("spectel", include_str!("../../golden/star-codes/spectel.tsv")),
            ("zoom", include_str!("../../golden/star-codes/zoom.tsv")),
            ("teams", include_str!("../../golden/star-codes/teams.tsv")),
            ("freeconference", include_str!("../../golden/star-codes/freeconference.tsv")),
            ("broadsoft", include_str!("../../golden/star-codes/broadsoft.tsv")),
        ];
        assert!(Profiles::shipped().eq(GOLDEN.map(|(name, _)| name)));
        for (name, table) in GOLDEN {
            let profile = Arc::clone(Profiles::default().known(name).unwrap());
            let mut rows = 0;
            for row in table.lines().filter(|line| !line.starts_with('#')) {
                let cells: Vec<&str> = row.split('\t').collect();
                let [role, keys, command] = cells[..] else { panic!("{name}: {row}") };
                let menu = Menu::ALL.into_iter().find(|menu| menu.name() == role).unwrap();
                let mut matcher = Matcher::new(Arc::clone(&profile), menu);
                let pressed = keys.chars().map(|key| Digit::from_char(key).unwrap());
                let found = pressed.map(|digit| matcher.push(digit)).collect::<Vec<_>>();
                let wanted =
                    Match::Command(Command::named(command).unwrap(), Keys::parse(keys).unwrap());
                let (last, before) = found.split_last().unwrap();
                assert_eq!(*last, wanted, "{name}: {row}");
                assert!(before.iter().all(|found| *found == Match::Pending), "{name}: {row}");
                rows += 1;
            }
            let codes = Menu::ALL.iter().map(|menu| profile.codes(*menu).len()).sum::<usize>();
            assert_eq!(rows, codes, "{name} has a row for each code");
        }
    }

    #[test]
    fn a_profile_of_ones_own_joins_and_may_become_the_usual_one() {
        let mut profiles = Profiles::default();
        let (_, spectel) = SHIPPED[0];
        let taken = profiles.add(spectel).unwrap_err();
        assert_eq!(taken.to_string(), "there is another profile spectel; choose another name");
        profiles.add(&spectel.replace("\"spectel\"", "\"ours\"")).unwrap();
        profiles.choose("ours").unwrap();
        assert_eq!(profiles.usual().name(), "ours");
        let unknown = profiles.choose("theirs").unwrap_err().to_string();
        assert!(unknown.starts_with("there is no profile theirs; there are "), "{unknown}");
        assert!(unknown.contains("ours") && unknown.contains("spectel"), "{unknown}");
    }
}
