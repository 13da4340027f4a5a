//! `partyline dtmf`: key presses in sound files and packet captures.
//!
//! Digits are printed in clear, for they are what is asked for, and go nowhere but to standard
//! output: nothing is logged or kept. This command opens no data folder.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use jiff::tz::TimeZone;
use partyline_capture::Capture;
use partyline_capture::wav::Wav;

use super::dtmf_text::{self, Style};

/// Lists the keys pressed in sound files and captures.
#[derive(Args, Debug)]
#[command(after_help = MORE)]
pub(super) struct Dtmf {
    /// WAV files and captures
    #[arg(required_unless_present = "list", conflicts_with = "list", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print • for every key, so that the listing can go into a ticket
    #[arg(long, conflicts_with = "list")]
    mask: bool,
    /// The time zone of times of day, an IANA name such as America/Toronto
    #[arg(long, default_value = "UTC", value_name = "ZONE", value_parser = zone,
          conflicts_with = "list")]
    time_zone: TimeZone,
    /// Read names of WAV files from LIST, one a line; print a line for each press, for programs:
    /// the name, the digit, its onset in ms and when it was told, the end of that 20 ms frame
    #[arg(long, value_name = "LIST")]
    list: Option<PathBuf>,
}

const MORE: &str = "\
In captures: tones in G.711, telephone events (RFC 4733) and SIP INFO over UDP, with what was lost
around them. In WAV files: tones, in each channel.

The digits may be somebody's passcode. They are printed in clear and go nowhere else: nothing is
logged or kept. Use --mask for a listing that others will see.

Examples:
  partyline dtmf call.wav
  partyline dtmf --mask --time-zone America/Toronto monday.pcap tuesday.pcapng
  tcpdump -i any -s 0 -w call.pcap udp        captures what this command reads";

fn zone(name: &str) -> anyhow::Result<TimeZone> {
    TimeZone::get(name)
        .map_err(|_| anyhow!("no such time zone; use an IANA name such as America/Toronto"))
}

impl Dtmf {
    /// Lists every file that can be read and says what is wrong with the others.
    ///
    /// # Errors
    /// LIST cannot be read, or nobody takes the output.
    pub(super) fn run(self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let mut out = BufWriter::new(out);
        let failed = match &self.list {
            Some(list) => print_list(list, &mut out)?,
            None => {
                let style = Style { mask: self.mask, zone: self.time_zone };
                self.files.iter().try_fold(false, |failed, file| {
                    let listed = print_file(file, &style, &mut out)?;
                    anyhow::Ok(listed.map_err(|error| complain(file, &error)).is_err() || failed)
                })?
            }
        };
        out.flush()?;
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn complain(file: &Path, error: &anyhow::Error) {
    // Nobody is left to be told when this fails.
    drop(writeln!(io::stderr(), "error: {}: {error:#}", file.display()));
}

/// Lists one file; the inner error is the file's, the outer one the output's.
fn print_file(
    path: &Path,
    style: &Style,
    out: &mut dyn Write,
) -> anyhow::Result<anyhow::Result<()>> {
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let begin = match file.fill_buf() {
        Ok(begin) => begin,
        Err(error) => return Ok(Err(unreadable(&error))),
    };
    if Capture::is_begun(begin) {
        let (report, read) = Capture::read(file);
        dtmf_text::capture(path, &report, style, out)?;
        return Ok(read.map_err(Into::into));
    }
    if let Some(why) = stranger(begin) {
        return Ok(Err(why));
    }
    print_wav(path, style, out)
}

fn print_wav(
    path: &Path,
    style: &Style,
    out: &mut dyn Write,
) -> anyhow::Result<anyhow::Result<()>> {
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Err(error)),
    };
    let wav = match Wav::parse(&bytes) {
        Ok(wav) => wav,
        Err(error) => return Ok(Err(error.into())),
    };
    dtmf_text::sound(path, &wav, style, out)?;
    Ok(whole(&wav))
}

/// Refuses a file of which a part is missing, after it was listed.
fn whole(wav: &Wav<'_>) -> anyhow::Result<()> {
    if wav.missing() > 0 {
        bail!(
            "the file is cut short: {} octets of sound are missing at its end, what is there was \
             read; copy it again",
            wav.missing()
        );
    }
    Ok(())
}

/// Why a file that begins like this is neither sound nor a capture; `None` when it may be.
fn stranger(begin: &[u8]) -> Option<anyhow::Error> {
    if Wav::is_begun(begin) {
        return None;
    }
    /// What compressed files begin with, and what unpacks them.
    const PACKED: [(&[u8], &str); 5] = [
        (&[0x1f, 0x8b], "gunzip"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "unzstd"),
        (&[0xfd, b'7', b'z', b'X', b'Z'], "unxz"),
        (b"BZh", "bunzip2"),
        (&[0x04, 0x22, 0x4d, 0x18], "unlz4"),
    ];
    if let Some((_, unpack)) = PACKED.iter().find(|(magic, _)| begin.starts_with(magic)) {
        return Some(anyhow!("is compressed: unpack it first ({unpack})"));
    }
    let what = if begin.is_empty() {
        "is empty"
    } else {
        "is neither a WAV file nor a packet capture (pcap, pcapng); convert sound with, for \
         example, sox FILE NEW.wav, and other captures with editcap -F pcap FILE NEW.pcap"
    };
    Some(anyhow!("{what}"))
}

fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).map_err(|error| unreadable(&error))
}

fn unreadable(error: &io::Error) -> anyhow::Error {
    const HINTS: [(io::ErrorKind, &str); 3] = [
        (io::ErrorKind::NotFound, "there is no such file"),
        (io::ErrorKind::PermissionDenied, "you may not read it; ask its owner, or use sudo"),
        (io::ErrorKind::IsADirectory, "it is a directory; name the files in it"),
    ];
    match HINTS.iter().find(|(kind, _)| *kind == error.kind()) {
        Some((_, hint)) => anyhow!("cannot be read: {hint}"),
        None => anyhow!("cannot be read: {error}"),
    }
}

/// Prints `path digit onset_ms report_ms` for each press in the files that `list` names.
fn print_list(list: &Path, out: &mut dyn Write) -> anyhow::Result<bool> {
    let names = fs::read(list).with_context(|| format!("{} cannot be read", list.display()))?;
    let mut failed = false;
    for name in names.split(|&b| b == b'\n').filter(|name| !name.is_empty()) {
        let path = Path::new(OsStr::from_bytes(name));
        let heard = read(path).and_then(|bytes| {
            stranger_to_list(&bytes)?;
            let wav = Wav::parse(&bytes)?;
            let channels = (0..wav.channels()).flat_map(|channel| wav.presses(channel));
            Ok((channels.collect::<Vec<_>>(), whole(&wav)))
        });
        let (presses, whole) = match heard {
            Ok(heard) => heard,
            Err(error) => (Vec::new(), Err(error)),
        };
        for press in presses {
            let (onset, told) = (press.onset.as_millis(), press.reported.as_millis());
            out.write_all(name)?;
            writeln!(out, " {} {onset} {told}", press.digit.to_char())?;
        }
        if let Err(error) = whole {
            complain(path, &error);
            failed = true;
        }
    }
    Ok(failed)
}

fn stranger_to_list(begin: &[u8]) -> anyhow::Result<()> {
    if Capture::is_begun(begin) {
        bail!("is a packet capture: --list takes WAV files; use partyline dtmf FILE");
    }
    stranger(begin).map_or(Ok(()), Err)
}
