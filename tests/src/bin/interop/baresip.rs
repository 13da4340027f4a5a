//! Two of baresip in one conference: each sends a tone from a file, keys in its passcode, and
//! records what it hears; who hears whom is judged by frequency.
//!
//! They are told what to do over their control port (module ctrl_tcp: JSON in netstrings). What they
//! decode is written by module sndfile; aubridge only gives it a pace.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use partyline_phones::analysis::{hears_tone, lacks_tone};
use partyline_phones::sine;
use serde_json::{Value, json};

use crate::child::{self, Running};
use crate::place::{DIAL_IN, MODERATOR, PARTICIPANT, Place};

/// Two callers.
pub(crate) struct Pair {
    /// Their numbers, which nobody else has.
    pub(crate) numbers: [&'static str; 2],
    by: [Transport; 2],
    /// Whether the bridge's certificate is renewed between their calls.
    renewed: bool,
    /// `mediaenc` of their accounts.
    encryption: [Option<&'static str>; 2],
}

/// How a caller reaches the bridge.
#[derive(Clone, Copy)]
enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// Two callers by UDP.
pub(crate) const DATAGRAMS: Pair = Pair {
    numbers: ["14165550121", "14165550122"],
    by: [Transport::Udp, Transport::Udp],
    renewed: false,
    encryption: [None, None],
};
/// One by TCP, one by UDP.
pub(crate) const TCP: Pair = Pair {
    numbers: ["14165550123", "14165550124"],
    by: [Transport::Tcp, Transport::Udp],
    renewed: false,
    encryption: [None, None],
};
/// Two by TLS, with one certificate each.
pub(crate) const TLS: Pair = Pair {
    numbers: ["14165550125", "14165550126"],
    by: [Transport::Tls, Transport::Tls],
    renewed: true,
    encryption: [None, None],
};
/// Two with SRTP: `srtp-mand` offers RTP/SAVP, `srtp` keys in RTP/AVP.
pub(crate) const SRTP: Pair = Pair {
    numbers: ["14165550127", "14165550128"],
    by: [Transport::Tls, Transport::Udp],
    renewed: false,
    encryption: [Some("srtp-mand"), Some("srtp")],
};
/// Their tones in Hz: apart from each other, from keys and from the bridge's own sounds.
const TONES: [f64; 2] = [1130.0, 1777.0];
/// Where distributions keep baresip's modules.
const MODULES: [&str; 3] = [
    "/usr/lib/baresip/modules",
    "/usr/lib/x86_64-linux-gnu/baresip/modules",
    "/usr/local/lib/baresip/modules",
];
/// Samples in a second.
const RATE: u32 = 8000;
/// The tone files last longer than any call here.
const TONE_SECONDS: u32 = 60;
/// Start, answer and end of a call are waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// From one key press to the next.
const KEY: Duration = Duration::from_millis(250);
/// The greeting of who comes in, and the reply to a command, are over after this.
const SETTLED: Duration = Duration::from_secs(4);
/// How long is listened.
const WINDOW: Duration = Duration::from_secs(2);

/// Has the two talk, mutes the first with `*6`, and judges what they heard.
///
/// # Errors
/// baresip does not do as it is told, or one hears what it should not or does not hear what it
/// should.
pub(crate) fn talk(place: &Place, folder: &Path, pair: &Pair) -> Result<()> {
    let mut first = Phone::start(place, folder, pair, 0)?;
    let mut second = Phone::start(place, folder, pair, 1)?;
    first.call(place, MODERATOR)?;
    if pair.renewed {
        place.renew_certificate()?;
    }
    second.call(place, PARTICIPANT)?;
    wait(SETTLED);
    let both_talk = Instant::now();
    wait(WINDOW);
    first.key("*6")?;
    wait(SETTLED);
    let first_muted = Instant::now();
    wait(WINDOW);
    let first = first.hang_up()?;
    let second = second.hang_up()?;
    let [tone_1, tone_2] = TONES;
    first.hears(both_talk, tone_2, tone_1).context("the first, while both talk")?;
    second.hears(both_talk, tone_1, tone_2).context("the second, while both talk")?;
    first.hears(first_muted, tone_2, tone_1).context("the first, muted")?;
    let window = second.window(first_muted)?;
    ensure!(lacks_tone(window, tone_1), "the second hears the first, who is muted");
    Ok(())
}

impl Transport {
    /// The parameter of a URI (RFC 3261 §19.1.1).
    fn parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
        }
    }
}

/// A baresip that runs.
struct Phone {
    folder: PathBuf,
    by: Transport,
    program: Running,
    control: TcpStream,
    /// What came from it.
    trace: File,
    /// Bytes of the control port that are no whole message yet.
    unread: Vec<u8>,
    /// Whether its sound is to be encrypted.
    encrypted: bool,
}

impl Phone {
    fn start(place: &Place, folder: &Path, pair: &Pair, index: usize) -> Result<Self> {
        let (number, by) = (pair.numbers[index], pair.by[index]);
        let folder = folder.join(number);
        fs::create_dir(&folder)?;
        write_wav(&folder.join("tone.wav"), TONES[index])?;
        // SIP takes two ports, the second for TLS.
        let (sip, control, rtp) = (place.port(1)?, place.port(0)?, place.port(11)?);
        let phones = place.phones;
        let modules = MODULES.iter().find(|path| Path::new(path).is_dir());
        let modules = modules.context("no folder with the modules of baresip")?;
        let shown = folder.display();
        fs::write(
            folder.join("config"),
            format!(
                "poll_method epoll\nnet_interface {phones}\nsip_listen {phones}:{sip}\n\
                 rtp_ports {rtp}-{}\nctrl_tcp_listen {phones}:{control}\n\
                 audio_source aufile,{shown}/tone.wav\naudio_player aubridge,x\n\
                 audio_alert aubridge,x\naudio_path {shown}\nsnd_path {shown}\n\
                 ausrc_srate {RATE}\nauplay_srate {RATE}\nausrc_channels 1\nauplay_channels 1\n\
                 module_path {modules}\nmodule g711.so\nmodule aufile.so\nmodule aubridge.so\n\
                 module sndfile.so\nmodule srtp.so\nmodule_tmp account.so\nmodule_app menu.so\n\
                 module_app ctrl_tcp.so\n",
                rtp + 11
            ),
        )?;
        let encryption = pair.encryption[index];
        let enc = encryption.map_or_else(String::new, |kind| format!(";mediaenc={kind}"));
        let account =
            format!("<sip:{number}@{phones}{}>;regint=0;dtmfmode=rtpevent{enc}\n", by.parameter());
        fs::write(folder.join("accounts"), account)?;
        fs::write(folder.join("contacts"), "")?;
        let mut command = Command::new("baresip");
        command.arg("-4").arg("-f").arg(&folder).current_dir(&folder);
        let mut program = Running::start("baresip", &mut command, &folder.join("baresip.log"))?;
        let address = SocketAddr::new(phones, control);
        let control = child::until(PATIENCE, "control port of baresip", || {
            ensure!(program.is_up(), "baresip ended: see its log");
            Ok(TcpStream::connect(address).ok())
        })?;
        control.set_read_timeout(Some(Duration::from_millis(20)))?;
        let trace = File::create(folder.join("control.log"))?;
        let encrypted = encryption.is_some();
        Ok(Self { folder, by, program, control, trace, unread: Vec::new(), encrypted })
    }

    /// Calls the bridge and keys in `passcode`.
    fn call(&mut self, place: &Place, passcode: &str) -> Result<()> {
        let bridge = match self.by {
            Transport::Udp | Transport::Tcp => place.bridge.sip(),
            Transport::Tls => place.tls,
        };
        self.command("dial", &format!("sip:{DIAL_IN}@{bridge}{}", self.by.parameter()))?;
        self.event("CALL_ESTABLISHED")?;
        wait(Duration::from_secs(1));
        self.key(passcode)?;
        self.key("#")
    }

    fn key(&mut self, keys: &str) -> Result<()> {
        for key in keys.chars() {
            self.command("sndcode", &key.to_string())?;
            wait(KEY);
        }
        Ok(())
    }

    fn hang_up(mut self) -> Result<Recording> {
        self.send("hangup", "")?;
        let end = Instant::now();
        // The answer to the command comes after it.
        self.event("CALL_CLOSED")?;
        drop(self.program);
        if self.encrypted {
            // Otherwise the sound was plain, and the case would prove nothing.
            let log = fs::read_to_string(self.folder.join("baresip.log"))?;
            ensure!(log.contains("SRTP is Enabled"), "baresip did not encrypt: see its log");
        }
        let files = fs::read_dir(&self.folder)?.collect::<Result<Vec<_>, _>>()?;
        let is_decoded = |path: &PathBuf| path.to_string_lossy().ends_with("-dec.wav");
        let file = files.iter().map(fs::DirEntry::path).find(is_decoded);
        let reader = hound::WavReader::open(file.context("baresip recorded nothing")?)?;
        ensure!(reader.spec().sample_rate == RATE, "recorded with {:?}", reader.spec());
        let samples = reader.into_samples::<i16>().collect::<Result<_, _>>()?;
        Ok(Recording { samples, end })
    }

    fn send(&mut self, command: &str, params: &str) -> Result<()> {
        let text = json!({ "command": command, "params": params, "token": command }).to_string();
        Ok(self.control.write_all(format!("{}:{text},", text.len()).as_bytes())?)
    }

    fn command(&mut self, command: &str, params: &str) -> Result<()> {
        self.send(command, params)?;
        self.message("answer", |message| message["token"] == command && message["ok"] == true)
    }

    fn event(&mut self, kind: &str) -> Result<()> {
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
struct Recording {
    samples: Vec<i16>,
    end: Instant,
}

impl Recording {
    /// What came in the [`WINDOW`] that began at `start`.
    fn window(&self, start: Instant) -> Result<&[i16]> {
        let from_end = samples(self.end - start);
        let first = self.samples.len().checked_sub(from_end);
        let window = first.and_then(|first| self.samples.get(first..first + samples(WINDOW)));
        window.context("the recording is too short")
    }

    fn hears(&self, start: Instant, other: f64, own: f64) -> Result<()> {
        let window = self.window(start)?;
        ensure!(hears_tone(window, samples(WINDOW), other), "does not hear the other's {other} Hz");
        ensure!(lacks_tone(window, own), "hears its own {own} Hz");
        Ok(())
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

fn write_wav(path: &Path, hz: f64) -> Result<()> {
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

fn wait(time: Duration) {
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
