//! The same sound for another listener: writes what the relay passed on as WAV files, and has a
//! program that was built with spandsp list the keys in them.
//!
//! That program is run and read, never linked: spandsp is LGPL.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use partyline_phones::Codec;

use crate::relay::Crossing;

/// Samples in a packet.
const FRAME: usize = 160;
/// How long after the last key the files end: long enough for a detector to make up its mind.
const AFTER: usize = 8000;

/// What a listener without a hint is given for a lost packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fill {
    /// Silence.
    Zeros,
    /// The packet before it once more.
    Repeat,
}

impl Fill {
    /// Both, to take the kinder.
    pub(crate) const ALL: [Self; 2] = [Self::Zeros, Self::Repeat];

    /// Its folder, and its name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Zeros => "zeros",
            Self::Repeat => "repeat",
        }
    }
}

/// The sound of all calls, below one folder.
pub(crate) struct Saved {
    folder: PathBuf,
    names: Vec<String>,
}

impl Saved {
    /// Makes the folder.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        for fill in Fill::ALL {
            let path = folder.join(fill.name());
            fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        }
        Ok(Self { folder: folder.canonicalize()?, names: Vec::new() })
    }

    /// Writes what of a call was passed on, until a while after its last key.
    pub(crate) fn add(
        &mut self,
        name: &str,
        codec: Codec,
        keyed: usize,
        crossing: &Crossing,
    ) -> Result<()> {
        for fill in Fill::ALL {
            let samples = received(codec, keyed + AFTER, crossing, fill);
            let (rate, bits, format) = (8000, 16, hound::SampleFormat::Int);
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: rate,
                bits_per_sample: bits,
                sample_format: format,
            };
            let mut writer = hound::WavWriter::create(self.path(fill, name), spec)?;
            let mut block = writer.get_i16_writer(u32::try_from(samples.len())?);
            samples.iter().for_each(|&sample| block.write_sample(sample));
            block.flush()?;
            writer.finalize()?;
        }
        self.names.push(name.to_owned());
        Ok(())
    }

    /// Writes down what was keyed in each call, for whoever looks into one: `NAME DIGITS`.
    pub(crate) fn key<'a>(&self, keyed: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
        let lines: String = keyed.map(|(name, digits)| format!("{name} {digits}\n")).collect();
        Ok(fs::write(self.folder.join("passcodes.txt"), lines)?)
    }

    fn path(&self, fill: Fill, name: &str) -> PathBuf {
        self.folder.join(fill.name()).join(format!("{name}.wav"))
    }

    /// What `program` hears in each call: the keys before the first pound sign.
    pub(crate) fn entries(&self, program: &Path, fill: Fill) -> Result<BTreeMap<String, String>> {
        let list = self.folder.join(format!("{}.list", fill.name()));
        let paths: Vec<_> =
            self.names.iter().map(|name| self.path(fill, name).display().to_string()).collect();
        fs::write(&list, paths.join("\n") + "\n")?;
        let done = Command::new(program).arg(&list).output();
        let done = done.with_context(|| format!("cannot run {}", program.display()))?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "{}: {}", program.display(), said.trim());
        entries(&String::from_utf8(done.stdout)?)
    }
}

/// The keys before the first pound sign by the file's name, from lines `path digit onset report`.
fn entries(listed: &str) -> Result<BTreeMap<String, String>> {
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    for line in listed.lines() {
        let mut words = line.rsplitn(4, ' ').skip(2);
        let (digit, path) = (words.next(), words.next());
        let name = path.and_then(|path| Path::new(path).file_stem());
        let (digit, name) = digit.zip(name).with_context(|| format!("not a key: {line:?}"))?;
        keys.entry(name.to_string_lossy().into_owned()).or_default().push_str(digit);
    }
    let entry = |keys: String| keys.split('#').next().unwrap_or_default().to_owned();
    Ok(keys.into_iter().map(|(name, keys)| (name, entry(keys))).collect())
}

/// `length` samples as they were received, each packet at its place.
fn received(codec: Codec, length: usize, crossing: &Crossing, fill: Fill) -> Vec<i16> {
    let mut samples = vec![0; length];
    let Some(begins) = crossing.begins else { return samples };
    let frame_of = |timestamp: u32| usize::try_from(timestamp.wrapping_sub(begins) / 160).ok();
    let by_frame: BTreeMap<_, _> =
        crossing.passed.iter().map(|(time, payload)| (frame_of(*time), payload)).collect();
    let mut last: Option<&Vec<u8>> = None;
    for (place, frame) in samples.chunks_mut(FRAME).enumerate() {
        let payload = match (by_frame.get(&Some(place)).copied(), fill) {
            (Some(payload), _) => Some(payload),
            (None, Fill::Repeat) => last,
            (None, Fill::Zeros) => None,
        };
        if let Some(payload) = payload {
            frame.iter_mut().zip(payload).for_each(|(out, &octet)| *out = codec.decode(octet));
        }
        last = payload.or(last);
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_from_the_list_up_to_the_pound_sign() {
        let listed = "/a b/call-0001.wav 4 51 80\n/a b/call-0001.wav 2 151 180\n\
                      /a b/call-0001.wav # 250 280\n/a b/call-0001.wav 9 1 2\n/x/call-0002.wav 7 1 2\n";
        let entries = entries(listed).unwrap();
        let wanted = [("call-0001", "42"), ("call-0002", "7")];
        assert_eq!(entries, wanted.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
        assert!(super::entries("4 51 80\n").is_err());
    }

    #[test]
    fn lost_packet_is_filled_as_asked() {
        let octet = Codec::Pcmu.encode(1000);
        let packet =
            |number: u32| ((u32::MAX - 100).wrapping_add(number * 160), vec![octet; FRAME]);
        let crossing = Crossing {
            begins: Some(u32::MAX - 100),
            passed: vec![packet(1), packet(3)],
            ..Crossing::default()
        };
        let level = Codec::Pcmu.decode(octet);
        let frames = |fill| -> Vec<i16> {
            received(Codec::Pcmu, 4 * FRAME, &crossing, fill).into_iter().step_by(FRAME).collect()
        };
        assert_eq!(frames(Fill::Zeros), [0, level, 0, level]);
        assert_eq!(frames(Fill::Repeat), [0, level, level, level]);
    }
}
