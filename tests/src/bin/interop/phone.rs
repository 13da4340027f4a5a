//! A baresip: it sends a tone from a file, and records what it hears.
//!
//! It is told what to do over its control port (module ctrl_tcp: JSON in netstrings). What it decodes
//! is written by module sndfile; aubridge only gives it a pace.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use partyline_phones::analysis::{hears_tone, lacks_tone};
use partyline_phones::sine;
use serde_json::{Value, json};

use crate::child::{self, Running};
use crate::ecdsa;
use crate::place;

/// Where distributions keep baresip's modules.
const MODULES: [&str; 3] = [
    "/usr/lib/baresip/modules",
    "/usr/lib/x86_64-linux-gnu/baresip/modules",
    "/usr/local/lib/baresip/modules",
];
/// Samples in a second.
const RATE: u32 = 8000;
/// The tone files last longer than any call here.
const TONE_SECONDS: u32 = 120;
/// Start, answer and end of a call are waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// From one key press to the next.
const KEY: Duration = Duration::from_millis(250);
/// How long is listened.
pub(crate) const WINDOW: Duration = Duration::from_secs(2);

/// Who a phone is.
pub(crate) struct Owner<'a> {
    /// Its number, and the name of its folder.
    pub(crate) number: &'a str,
    /// What follows the number in its address: the host, and how it is reached.
    pub(crate) host: String,
    /// Settings of the account, each after a semicolon.
    pub(crate) account: String,
    /// The tone that it sends, in Hz.
    pub(crate) tone: f64,
    /// `mediaenc` of its account.
    pub(crate) encryption: Option<&'static str>,
}

/// A baresip that runs.
pub(crate) struct Phone {
    folder: PathBuf,
    program: Running,
    control: TcpStream,
    /// What came from it.
    trace: File,
    /// Bytes of the control port that are no whole message yet.
    unread: Vec<u8>,
    /// What its log says when its sound is encrypted, if that is to be.
    encrypted: Option<&'static str>,
}

impl Phone {
    /// Starts one at this address, in a folder of its own within `folder`.
    pub(crate) fn start(at: IpAddr, folder: &Path, owner: &Owner<'_>) -> Result<Self> {
        let folder = folder.join(owner.number);
        fs::create_dir(&folder)?;
        write_wav(&folder.join("tone.wav"), owner.tone)?;
        // SIP takes two ports, the second for TLS.
        let port = |also| place::free(at, also);
        let (sip, control, rtp) = (port(1)?, port(0)?, port(11)?);
        let [sip, control] = [sip, control].map(|port| SocketAddr::new(at, port));
        let modules = MODULES.iter().find(|path| Path::new(path).is_dir());
        let modules = modules.context("no folder with the modules of baresip")?;
        let shown = folder.display();
        let srtp = match owner.encryption {
            Some(kind) if kind.starts_with("dtls_srtp") => "module dtls_srtp.so\n",
            Some(_) | None => "module srtp.so\n",
        };
        fs::write(
            folder.join("config"),
            format!(
                "poll_method epoll\nnet_interface {at}\nsip_listen {sip}\n\
                 rtp_ports {rtp}-{}\nctrl_tcp_listen {control}\n\
                 audio_source aufile,{shown}/tone.wav\naudio_player aubridge,x\n\
                 audio_alert aubridge,x\naudio_path {shown}\nsnd_path {shown}\n\
                 ausrc_srate {RATE}\nauplay_srate {RATE}\nausrc_channels 1\nauplay_channels 1\n\
                 module_path {modules}\nmodule g711.so\nmodule aufile.so\nmodule aubridge.so\n\
                 module sndfile.so\n{srtp}module_tmp account.so\nmodule_app menu.so\n\
                 module_app ctrl_tcp.so\n",
                rtp + 11
            ),
        )?;
        let Owner { number, host, account, .. } = owner;
        let enc = owner.encryption.map_or_else(String::new, |kind| format!(";mediaenc={kind}"));
        let account = format!("<sip:{number}@{host}>;dtmfmode=rtpevent{account}{enc}\n");
        fs::write(folder.join("accounts"), account)?;
        fs::write(folder.join("contacts"), "")?;
        let by_dtls = owner.encryption.is_some_and(|kind| kind.starts_with("dtls_srtp"));
        let mut command = Command::new("baresip");
        command
            .arg(if at.is_ipv4() { "-4" } else { "-6" })
            .arg("-f")
            .arg(&folder)
            .current_dir(&folder);
        if by_dtls {
            ecdsa::certify(&mut command, &folder)?;
        }
        let mut program = Running::start("baresip", &mut command, &folder.join("baresip.log"))?;
        let control = child::until(PATIENCE, "control port of baresip", || {
            ensure!(program.is_up(), "baresip ended: see its log");
            Ok(TcpStream::connect(control).ok())
        })?;
        control.set_read_timeout(Some(Duration::from_millis(20)))?;
        let trace = File::create(folder.join("control.log"))?;
        let said = if by_dtls { "DTLS-SRTP complete" } else { "SRTP is Enabled" };
        let encrypted = owner.encryption.map(|_| said);
        Ok(Self { folder, program, control, trace, unread: Vec::new(), encrypted })
    }

    /// Calls `uri` and waits for the answer.
    pub(crate) fn call(&mut self, uri: &str) -> Result<()> {
        self.command("dial", uri)?;
        self.event("CALL_ESTABLISHED")
    }

    /// Presses keys.
    pub(crate) fn key(&mut self, keys: &str) -> Result<()> {
        for key in keys.chars() {
            self.command("sndcode", &key.to_string())?;
            wait(KEY);
        }
        Ok(())
    }

    /// Ends the call, and baresip with it.
    pub(crate) fn hang_up(mut self) -> Result<Recording> {
        self.send("hangup", "")?;
        let end = Instant::now();
        // The answer to the command comes after it.
        self.event("CALL_CLOSED")?;
        self.recorded(end)
    }

    /// Waits until the far end has ended the call.
    pub(crate) fn await_end(mut self) -> Result<Recording> {
        self.event("CALL_CLOSED")?;
        self.recorded(Instant::now())
    }

    fn recorded(self, end: Instant) -> Result<Recording> {
        drop(self.program);
        if let Some(said) = self.encrypted {
            // Otherwise the sound was plain, and the case would prove nothing.
            let log = fs::read_to_string(self.folder.join("baresip.log"))?;
            ensure!(log.contains(said), "baresip did not encrypt: see its log");
        }
        let files = fs::read_dir(&self.folder)?.collect::<Result<Vec<_>, _>>()?;
        let is_decoded = |path: &PathBuf| path.to_string_lossy().ends_with("-dec.wav");
        let file = files.iter().map(fs::DirEntry::path).find(is_decoded);
        Recording::read(&file.context("baresip recorded nothing")?, end)
    }

    fn send(&mut self, command: &str, params: &str) -> Result<()> {
        let text = json!({ "command": command, "params": params, "token": command }).to_string();
        Ok(self.control.write_all(format!("{}:{text},", text.len()).as_bytes())?)
    }

    fn command(&mut self, command: &str, params: &str) -> Result<()> {
        self.send(command, params)?;
        self.message("answer", |message| message["token"] == command && message["ok"] == true)
    }

    /// Waits for an event; those before it are passed over.
    pub(crate) fn event(&mut self, kind: &str) -> Result<()> {
        self.message(kind, |message| message["type"] == kind)
    }

    /// Reads until a message is `wanted`.
    fn message(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<()> {
        let what = format!("{what} of baresip");
        child::until(PATIENCE, &what, || {
            let mut buffer = [0; 4096];
            match self.control.read(&mut buffer) {
                Ok(0) => bail!("baresip ended: see its log"),
                Ok(length) => {
                    self.trace.write_all(&buffer[..length])?;
                    self.unread.extend_from_slice(&buffer[..length]);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
            while let Some(message) = take_netstring(&mut self.unread) {
                if wanted(&serde_json::from_slice(&message)?) {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        })
    }
}

/// What one heard in a call, and when the call ended.
pub(crate) struct Recording {
    samples: Vec<i16>,
    end: Instant,
}

impl Recording {
    /// What is in a file whose last sample was heard at `end`.
    pub(crate) fn read(file: &Path, end: Instant) -> Result<Self> {
        let reader = hound::WavReader::open(file)?;
        ensure!(reader.spec().sample_rate == RATE, "recorded with {:?}", reader.spec());
        // linphonec counts the header as sound, which is then missing at the end.
        let samples = reader.into_samples::<i16>().map_while(Result::ok).collect();
        Ok(Self { samples, end })
    }

    /// What came in the [`WINDOW`] that began at `start`.
    fn window(&self, start: Instant) -> Result<&[i16]> {
        let from_end = samples(self.end - start);
        let first = self.samples.len().checked_sub(from_end);
        let window = first.and_then(|first| self.samples.get(first..first + samples(WINDOW)));
        window.context("the recording is too short")
    }

    /// Fails unless the [`WINDOW`] from `start` has the other's tone, and not one's own.
    pub(crate) fn hears(&self, start: Instant, other: f64, own: f64) -> Result<()> {
        let window = self.window(start)?;
        ensure!(hears_tone(window, samples(WINDOW), other), "does not hear the other's {other} Hz");
        ensure!(lacks_tone(window, own), "hears its own {own} Hz");
        Ok(())
    }

    /// Whether the [`WINDOW`] from `start` is without a tone.
    pub(crate) fn lacks(&self, start: Instant, tone: f64) -> Result<bool> {
        Ok(lacks_tone(self.window(start)?, tone))
    }
}

fn samples(time: Duration) -> usize {
    usize::try_from(time.as_millis() * u128::from(RATE) / 1000).unwrap_or(usize::MAX)
}

/// Takes the first netstring (`5:hello,`) out of `bytes` if it is there whole.
fn take_netstring(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let colon = bytes.iter().position(|&byte| byte == b':')?;
    let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    let end = colon + 1 + length;
    let text = bytes.get(colon + 1..end)?.to_vec();
    bytes.get(end)?;
    bytes.drain(..=end);
    Some(text)
}

/// A file with a tone that lasts longer than any call here.
pub(crate) fn write_wav(path: &Path, hz: f64) -> Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    let count = samples(Duration::from_secs(TONE_SECONDS.into()));
    for sample in sine(hz, -15.0, count) {
        writer.write_sample(sample)?;
    }
    Ok(writer.finalize()?)
}

pub(crate) fn wait(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netstrings_are_taken_when_whole() {
        let mut bytes = b"2:ab,5:hel".to_vec();
        assert_eq!(take_netstring(&mut bytes), Some(b"ab".to_vec()));
        assert_eq!(take_netstring(&mut bytes), None);
        bytes.extend_from_slice(b"lo,");
        assert_eq!(take_netstring(&mut bytes), Some(b"hello".to_vec()));
        assert!(bytes.is_empty());
    }
}
