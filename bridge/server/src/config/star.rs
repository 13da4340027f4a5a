//! Which keys are star codes: the usual profile, and profiles from files.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use partyline_dialplan::star::Profiles;

use super::Config;
use super::document::{Findings, Walk};
use super::raw::RawConfig;
use super::setting::ReadFile;

/// What a file says of star codes.
pub(super) struct RawStarCodes {
    profile: String,
    files: Vec<ReadFile>,
}

impl Default for RawStarCodes {
    fn default() -> Self {
        Self { profile: Profiles::default().usual().name().to_owned(), files: Vec::new() }
    }
}

impl RawStarCodes {
    pub(super) fn walk(&mut self, walk: &mut impl Walk) {
        walk.setting("profile", &mut self.profile);
        walk.setting("files", &mut self.files);
    }
}

/// Notes a profile that there is not. Where files are named, they say which others there are.
pub(super) fn check(raw: &RawConfig, findings: &Findings<'_>) {
    let codes = &raw.star_codes;
    if let (true, Err(error)) = (codes.files.is_empty(), Profiles::default().known(&codes.profile))
    {
        findings.add_at("star_codes.profile", format!("star_codes.profile: {error}"));
    }
}

/// The usual profile and the files of others.
#[derive(Clone, Debug)]
pub(crate) struct StarCodes {
    profile: String,
    files: Vec<PathBuf>,
}

impl StarCodes {
    pub(super) fn of(raw: &RawConfig) -> Self {
        let files = raw.star_codes.files.iter().map(|file| file.0.clone()).collect();
        Self { profile: raw.star_codes.profile.clone(), files }
    }
}

impl Config {
    /// Reads the files of profiles.
    ///
    /// # Errors
    /// Which file cannot be used, with line and column of what is wrong in it; or no profile has the
    /// name of the usual one.
    pub(crate) fn star_profiles(&self) -> anyhow::Result<Profiles> {
        let mut profiles = Profiles::default();
        for file in &self.star_codes.files {
            let text = fs::read_to_string(file).map_err(anyhow::Error::new);
            let added = text.and_then(|text| profiles.add(&text).map_err(anyhow::Error::new));
            added.with_context(|| format!("star_codes.files: {}", file.display()))?;
        }
        profiles.choose(&self.star_codes.profile).context("star_codes.profile")?;
        Ok(profiles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Config {
        Config::parse(text).unwrap()
    }

    #[test]
    fn the_usual_profile_is_chosen_by_name() {
        assert_eq!(Config::default().star_profiles().unwrap().usual().name(), "spectel");
        for name in Profiles::shipped() {
            let config = parse(&format!("[star_codes]\nprofile = \"{name}\""));
            assert_eq!(config.star_profiles().unwrap().usual().name(), name);
        }
        let problems = Config::parse("[star_codes]\nprofile = \"spektel\"").unwrap_err();
        let said = problems[0].to_string();
        let wanted = "2:11: star_codes.profile: there is no profile spektel; there are ";
        assert!(said.starts_with(wanted), "{said}");
    }

    #[test]
    fn a_file_brings_a_profile_and_is_refused_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ours.toml");
        let config = parse(&format!(
            "[star_codes]\nprofile = \"ours\"\nfiles = [{:?}]",
            file.display().to_string()
        ));
        assert!(config.star_profiles().unwrap_err().to_string().ends_with("ours.toml"));
        let codes = "\"**\" = \"help\"\n\"*#\" = \"count\"\n";
        let good = format!(
            "name = \"ours\"\n[moderator]\n\"*4\" = \"record\"\n\"*6\" = \"mute\"\n{codes}\
             [participant]\n{codes}[listener]\n{codes}"
        );
        fs::write(&file, &good).unwrap();
        assert_eq!(config.star_profiles().unwrap().usual().name(), "ours");
        fs::write(&file, good.replacen("\"record\"", "\"recrod\"", 1)).unwrap();
        let said = format!("{:#}", config.star_profiles().unwrap_err());
        assert!(said.contains("ours.toml: line 3, column 8: there is no such command"), "{said}");
        fs::write(&file, good.replacen("\"ours\"", "\"theirs\"", 1)).unwrap();
        let said = format!("{:#}", config.star_profiles().unwrap_err());
        assert!(
            said.starts_with("star_codes.profile: there is no profile ours; there are "),
            "{said}"
        );
    }
}
