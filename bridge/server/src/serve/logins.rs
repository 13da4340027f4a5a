//! Watches the files of the trunks' passwords. A file that cannot be used changes nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use partyline_sip::auth::Login;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::config::TrunkLogin;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The login of the trunk in a place, with another password.
pub(super) type Renewed = (usize, Arc<Login>);

/// What shows that a file has changed, or is another under its name: inode, last change of content
/// or owner, length.
fn stamp(login: &TrunkLogin) -> Option<[i64; 4]> {
    let about = fs::metadata(&login.password_file).ok()?;
    let number = |number: u64| i64::from_ne_bytes(number.to_ne_bytes());
    Some([number(about.ino()), about.ctime(), about.ctime_nsec(), number(about.len())])
}

/// Reads a file anew whenever it has changed, until nobody wants to know.
pub(super) async fn follow(logins: Vec<TrunkLogin>, renewed: mpsc::Sender<Renewed>) {
    let mut seen: Vec<_> = logins.iter().map(stamp).collect();
    while !logins.is_empty() && !renewed.is_closed() {
        sleep(LOOK).await;
        for (login, seen) in logins.iter().zip(&mut seen) {
            let now = stamp(login);
            if now == *seen {
                continue;
            }
            *seen = now;
            match login.read() {
                Ok(read) => {
                    tracing::info!(trunk = login.name, "its password was read anew");
                    if renewed.send((login.trunk, Arc::new(read))).await.is_err() {
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
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    const TRUNK: &str = "[sip]\nlisten = [\"192.0.2.9:5060\"]\n[media]\naddress = \"192.0.2.9\"\n\
                         [[trunk]]\nname = \"carrier\"\nsources = [\"198.51.100.0/24\"]\n\
                         destination = \"198.51.100.1:5060\"\nuser = \"bob\"\n";

    fn put(file: &Path, text: &str) {
        let new = file.with_extension("new");
        fs::write(&new, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&new, mode).unwrap();
        fs::rename(new, file).unwrap();
    }

    #[tokio::test]
    async fn a_password_is_read_anew_when_its_file_changes_and_not_when_it_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        put(&file, "zanzibar");
        let text = format!("{TRUNK}password_file = {:?}\n", file.display());
        let config = Config::parse(&text).unwrap();
        let (renewed, mut inbox) = mpsc::channel(1);
        tokio::spawn(follow(config.logins().to_vec(), renewed));
        // The task has to have seen the file as it was.
        sleep(Duration::from_millis(100)).await;
        put(&file, "two\nlines");
        sleep(LOOK + Duration::from_millis(300)).await;
        assert!(inbox.try_recv().is_err());
        put(&file, "zanzibaR");
        let (place, login) =
            tokio::time::timeout(Duration::from_secs(5), inbox.recv()).await.unwrap().unwrap();
        assert_eq!((place, login.user()), (0, "bob"), "though it is as long as before");
    }
}
