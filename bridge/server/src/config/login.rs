//! The passwords that trunks want: each in a file of its own, read when the bridge starts and when
//! the file changes.
//!
//! A password stands in no configuration, so that the one can be shown and the other cannot.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use partyline_sip::auth::{Login, Password};
use zeroize::Zeroizing;

use super::Config;

/// More than any password has.
const MOST_OCTETS: usize = 1024;
/// The bit of a file's mode that lets everybody read it.
const OTHERS_READ: u32 = 0o004;

/// Who we are at a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrunkLogin {
    /// The place of the trunk among all.
    pub(crate) trunk: usize,
    /// The trunk as people name it.
    pub(crate) name: String,
    pub(super) user: String,
    pub(crate) password_file: PathBuf,
}

impl TrunkLogin {
    /// Reads the password.
    ///
    /// # Errors
    /// Which file of which trunk cannot be used, and why; never what is in it.
    pub(crate) fn read(&self) -> anyhow::Result<Login> {
        let name = &self.name;
        let password = read_password(&self.password_file, || format!("trunk {name}"))?;
        let login = Login::new(&self.user, password);
        login.with_context(|| format!("trunk {name}: user {:?}", self.user))
    }
}

impl Config {
    /// Who we are at which trunk.
    pub(crate) fn logins(&self) -> &[TrunkLogin] {
        &self.logins
    }

    /// Which passwords, of trunks and of users, cannot be read, and why.
    pub(crate) fn unread_passwords(&self) -> Vec<anyhow::Error> {
        let trunks = self.logins.iter().filter_map(|login| login.read().err());
        trunks.chain(self.users().iter().filter_map(|user| user.read().err())).collect()
    }

    /// Reads the passwords of the trunks.
    ///
    /// # Errors
    /// Which file of which trunk cannot be used, and why; never what is in it.
    pub(super) fn read_logins(&mut self) -> anyhow::Result<()> {
        for login in &self.logins {
            let Some(trunk) = self.control.trunks.get_mut(login.trunk) else { continue };
            trunk.login = Some(Arc::new(login.read()?));
        }
        Ok(())
    }
}

/// Reads the password of `whose`.
///
/// # Errors
/// Why the file cannot be used; never what is in it.
pub(super) fn read_password(
    file: &Path,
    whose: impl FnOnce() -> String,
) -> anyhow::Result<Password> {
    read(file).with_context(|| format!("{}: password_file {}", whose(), file.display()))
}

/// Reads a file of one line.
fn read(path: &Path) -> anyhow::Result<Password> {
    // Looked at first: opening a pipe waits for whoever writes to it.
    ensure!(fs::metadata(path)?.is_file(), "is no file");
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    ensure!(
        about.mode() & OTHERS_READ == 0,
        "everybody on this machine can read it; take that away (chmod o= FILE)"
    );
    // Room for all that is read: a buffer that grows would leave copies behind.
    let mut octets = Zeroizing::new(vec![0; MOST_OCTETS + 1]);
    let mut length = 0;
    loop {
        match file.read(&mut octets[length..])? {
            0 => break,
            more => length += more,
        }
        ensure!(length <= MOST_OCTETS, "is longer than {MOST_OCTETS} octets");
    }
    let line = octets[..length].strip_suffix(b"\n").unwrap_or(&octets[..length]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() || line.contains(&b'\n') {
        bail!("expected the password alone, on one line");
    }
    Ok(Password::new(Zeroizing::new(line.to_vec())))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TRUNK: &str = "[sip]\nlisten = [\"192.0.2.9:5060\"]\n[media]\naddress = \"192.0.2.9\"\n\
                         [[trunk]]\nname = \"in\"\nsources = [\"192.0.2.0/24\"]\n\
                         [[trunk]]\nname = \"carrier\"\nsources = [\"198.51.100.0/24\"]\n\
                         destination = \"198.51.100.1:5060\"\n";

    fn with(file: &Path) -> anyhow::Result<Config> {
        let text = format!("{TRUNK}user = \"bob\"\npassword_file = {:?}\n", file.display());
        let mut config = Config::parse(&text).expect("no fault");
        assert!(config.effective().contains("password_file"));
        config.read_logins()?;
        Ok(config)
    }

    fn written(octets: &[u8], mode: u32) -> Result<Config, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("carrier.password");
        fs::write(&file, octets).expect("written");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("set");
        with(&file).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_password_of_a_trunk_is_read_from_its_file() {
        for octets in [&b"zanzibar"[..], b"zanzibar\n", b"zanzibar\r\n", b"zanz#bar \xff"] {
            let config = written(octets, 0o640).expect("usable");
            let users = config.control.trunks.iter();
            let users: Vec<_> = users.map(|t| t.login.as_ref().map(|l| l.user())).collect();
            assert_eq!(users, [None, Some("bob")]);
            assert!(!format!("{config:?}").contains("zanz"), "it is printed nowhere");
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_and_its_content_is_not() {
        let longest = vec![b'x'; MOST_OCTETS + 1];
        for (octets, mode, why) in [
            (&b"zanzibar"[..], 0o644, "everybody"),
            (b"", 0o600, "alone"),
            (b"\n", 0o600, "alone"),
            (b"zanzibar\nmore\n", 0o600, "alone"),
            (&longest, 0o600, "longer"),
        ] {
            let error = written(octets, mode).expect_err("unusable");
            assert!(error.starts_with("trunk carrier: password_file "), "{error}");
            assert!(error.contains(why) && !error.contains("zanz"), "{error}");
        }
        let missing = with(Path::new("nowhere/carrier.password"));
        assert!(missing.is_err_and(|error| format!("{error:#}").contains("nowhere")));
    }

    #[test]
    fn a_user_and_a_password_belong_together_and_to_calls_out() {
        let found = |more: &str| {
            let problems = Config::parse(&format!("{TRUNK}{more}")).err().unwrap_or_default();
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert!(found("user = \"bob\"\n").contains("trunk[1].user: add password_file"));
        let alone = found("password_file = \"x\"\n");
        assert!(alone.contains("trunk[1].password_file: add user"), "{alone}");
        assert!(found("user = \"b\\\"ob\"\npassword_file = \"x\"\n").contains("trunk[1].user"));
        let both = "user = \"bob\"\npassword_file = \"x\"\n";
        let text = format!("{TRUNK}{both}").replace("destination = \"198.51.100.1:5060\"\n", "");
        let problems = Config::parse(&text).expect_err("nobody asks");
        assert!(problems[0].message.contains("destination"), "{problems:?}");
    }
}
