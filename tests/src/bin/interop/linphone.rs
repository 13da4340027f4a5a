//! A linphonec: it sends a tone from a file, keys in a passcode, and records what it hears.
//!
//! It is told what to do on its standard input. Of several networks it takes whichever it likes, so
//! that it needs one of its own with IPv4 alone.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::child;
use crate::phone::{Recording, wait, write_wav};

const PATIENCE: Duration = Duration::from_secs(20);
/// From one key press to the next: it looks at its input once a second.
const KEY: Duration = Duration::from_millis(1100);

/// Who it is.
pub(crate) struct Login<'a> {
    /// Its folder.
    pub(crate) name: &'a str,
    /// Who it says that it is, when it is asked in this realm.
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) realm: &'a str,
    /// Its `media_encryption`.
    pub(crate) encryption: &'a str,
    /// The tone that it sends, in Hz.
    pub(crate) tone: f64,
}

/// One that runs.
pub(crate) struct Linphone {
    folder: PathBuf,
    child: Child,
    input: ChildStdin,
}

impl Linphone {
    /// Starts one in a folder of its own within `folder`.
    pub(crate) fn start(folder: &Path, owner: &Login<'_>) -> Result<Self> {
        let Login { name, user, password, realm, encryption, tone } = *owner;
        let folder = folder.join(name);
        fs::create_dir_all(folder.join(".local/share/linphone"))?;
        write_wav(&folder.join("tone.wav"), tone)?;
        fs::write(
            folder.join("linphonerc"),
            format!(
                "[sip]\nsip_port=-1\nsip_tcp_port=-1\nsip_tls_port=-1\nuse_ipv6=0\n\
                 use_rfc2833=1\ncontact=sip:{user}@linphone.invalid\nverify_server_certs=0\nverify_server_cn=0\n\
                 media_encryption={encryption}\n[rtp]\naudio_rtp_port=-1\n\
                 [auth_info_0]\nusername={user}\npasswd={password}\nrealm={realm}\n\
                 algorithm=MD5\n"
            ),
        )?;
        let said = File::create(folder.join("linphonec.log"))?;
        let mut child = Command::new("linphonec")
            .args(["-c", "linphonerc", "-d", "5", "-l", "linphone.log"])
            .env("HOME", &folder)
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .context("linphonec does not start")?;
        let input = child.stdin.take().context("linphonec has no input")?;
        let mut phone = Self { folder, child, input };
        phone.await_text("linphonec>")?;
        phone.say("soundcard use files")?;
        phone.say("record heard.wav")?;
        Ok(phone)
    }

    /// Calls `uri` and waits for the answer.
    pub(crate) fn call(&mut self, uri: &str) -> Result<()> {
        self.say(&format!("call {uri}"))?;
        self.await_text("Media streams established")?;
        self.say("play tone.wav")
    }

    /// Presses keys.
    pub(crate) fn key(&mut self, keys: &str) -> Result<()> {
        for key in keys.chars() {
            self.say(&key.to_string())?;
            wait(KEY);
        }
        Ok(())
    }

    /// Ends the call, and linphonec with it.
    pub(crate) fn hang_up(mut self) -> Result<Recording> {
        let end = Instant::now();
        self.say("terminate")?;
        self.await_text("ended (No error)")?;
        self.say("quit")?;
        child::until(PATIENCE, "end of linphonec", || Ok(self.child.try_wait()?))?;
        Recording::read(&self.folder.join("heard.wav"), end)
    }

    /// Whether its own log says that sound was encrypted by keys of this kind.
    pub(crate) fn log_has(folder: &Path, name: &str, words: &str) -> Result<bool> {
        let log = fs::read(folder.join(name).join("linphone.log"))?;
        Ok(String::from_utf8_lossy(&log).contains(words))
    }

    fn say(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.input, "{line}")?)
    }

    fn await_text(&mut self, text: &str) -> Result<()> {
        let log = self.folder.join("linphonec.log");
        child::until(PATIENCE, &format!("{text:?} of linphonec"), || {
            ensure!(self.child.try_wait()?.is_none(), "linphonec ended: see its log");
            let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
            Ok(said.contains(text).then_some(()))
        })
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        // Where this fails it has ended already.
        if self.child.kill().is_ok() {
            self.child.wait().map(drop).unwrap_or_default();
        }
    }
}
