//! Watches the files of the passwords of trunks and users. A file that cannot be used changes nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use partyline_sip::auth::{Ha1, Login};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::config::{Config, TrunkLogin, UserConfig};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What another password makes.
pub(super) enum Renewed {
    /// The login of the trunk in a place.
    Trunk(usize, Arc<Login>),
    /// What a user proves himself by, and his name.
    User(String, Box<Ha1>),
}

/// Whose password it is.
pub(super) enum Owner {
    Trunk(TrunkLogin),
    User(UserConfig),
}

impl Owner {
    /// All whose passwords the configuration names.
    pub(super) fn all(config: &Config) -> Vec<Self> {
        let trunks = config.logins().iter().cloned().map(Self::Trunk);
        trunks.chain(config.users().iter().cloned().map(Self::User)).collect()
    }

    fn file(&self) -> &Path {
        match self {
            Self::Trunk(login) => &login.password_file,
            Self::User(user) => &user.password_file,
        }
    }

    fn read(&self) -> anyhow::Result<Renewed> {
        Ok(match self {
            Self::Trunk(login) => Renewed::Trunk(login.trunk, Arc::new(login.read()?)),
            Self::User(user) => Renewed::User(user.name.clone(), Box::new(user.read()?)),
        })
    }

    fn say_read(&self) {
        match self {
            Self::Trunk(login) => {
                tracing::info!(trunk = login.name, "its password was read anew");
            }
            Self::User(user) => tracing::info!(user = user.name, "its password was read anew"),
        }
    }

    /// What shows that the file has changed, or is another under its name: inode, last change of
    /// content or owner, length.
    fn stamp(&self) -> Option<[i64; 4]> {
        let about = fs::metadata(self.file()).ok()?;
        let number = |number: u64| i64::from_ne_bytes(number.to_ne_bytes());
        Some([number(about.ino()), about.ctime(), about.ctime_nsec(), number(about.len())])
    }
}

/// Reads a file anew whenever it has changed, until nobody wants to know.
pub(super) async fn follow(owners: Vec<Owner>, renewed: mpsc::Sender<Renewed>) {
    let mut seen: Vec<_> = owners.iter().map(Owner::stamp).collect();
    while !owners.is_empty() && !renewed.is_closed() {
        sleep(LOOK).await;
        for (owner, seen) in owners.iter().zip(&mut seen) {
            let now = owner.stamp();
            if now == *seen {
                continue;
            }
            *seen = now;
            match owner.read() {
                Ok(read) => {
                    owner.say_read();
                    if renewed.send(read).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        "a changed password cannot be used, the one before stays: {error:#}"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUNK: &str = "[sip]\nlisten = [\"192.0.2.9:5060\"]\n[media]\naddress = \"192.0.2.9\"\n\
                         [[trunk]]\nname = \"carrier\"\nsources = [\"198.51.100.0/24\"]\n\
                         destination = \"198.51.100.1:5060\"\nuser = \"bob\"\n";
    const PHONES: &str = "[[trunk]]\nname = \"phones\"\nsources = [\"192.0.2.0/24\"]\n\
                          domain = \"phones.example\"\n[[user]]\nname = \"anna\"\n\
                          trunk = \"phones\"\nnumber = \"14165550130\"\n";

    fn put(file: &Path, text: &str) {
        let new = file.with_extension("new");
        fs::write(&new, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&new, mode).unwrap();
        fs::rename(new, file).unwrap();
    }

    /// What comes soon.
    async fn next(inbox: &mut mpsc::Receiver<Renewed>) -> Option<Renewed> {
        tokio::time::timeout(LOOK * 5, inbox.recv()).await.unwrap()
    }

    #[tokio::test]
    async fn a_password_is_read_anew_when_its_file_changes_and_not_when_it_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let [file, annas] = ["password", "annas"].map(|name| folder.path().join(name));
        put(&file, "zanzibar");
        put(&annas, "zanzibar");
        let text = format!(
            "{TRUNK}password_file = {:?}\n{PHONES}password_file = {:?}\n",
            file.display(),
            annas.display()
        );
        let config = Config::parse(&text).unwrap();
        let (renewed, mut inbox) = mpsc::channel(1);
        tokio::spawn(follow(Owner::all(&config), renewed));
        // The task has to have seen the files as they were.
        sleep(Duration::from_millis(100)).await;
        for file in [&file, &annas] {
            put(file, "two\nlines");
        }
        sleep(LOOK + Duration::from_millis(300)).await;
        assert!(inbox.try_recv().is_err());
        put(&file, "zanzibaR");
        match next(&mut inbox).await {
            Some(Renewed::Trunk(place, login)) => {
                assert_eq!((place, login.user()), (0, "bob"), "though it is as long as before");
            }
            Some(Renewed::User(name, _)) => panic!("{name}'s password did not change"),
            None => panic!("nobody looks any more"),
        }
        put(&annas, "zanzibaR");
        match next(&mut inbox).await {
            Some(Renewed::User(name, _)) => assert_eq!(name, "anna"),
            Some(Renewed::Trunk(..)) => panic!("the trunk's password did not change"),
            None => panic!("nobody looks any more"),
        }
    }
}
