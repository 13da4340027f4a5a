//! Looks for digits that must not be anywhere, in every form in which they might have been written.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Words before a single digit in a log that would make it a key press.
const KEY_WORDS: [&str; 6] = ["digit", "key", "signal", "dtmf", "event", "code"];
/// Calls that may key at the same time in a test.
const CALLERS: usize = 8;
/// Characters that may part such a word from its digit.
const KEY_GAP: usize = 4;

/// Digits in every form.
pub struct Needle {
    digits: String,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Needle {
    /// All forms of some decimal digits.
    #[must_use]
    pub fn new(digits: &str) -> Self {
        let ascii = digits.as_bytes();
        let raw: Vec<u8> = ascii.iter().map(|digit| digit - b'0').collect();
        let reversed: Vec<u8> = ascii.iter().rev().copied().collect();
        let raw_reversed: Vec<u8> = raw.iter().rev().copied().collect();
        let wide = |bytes: &[u8], big_endian: bool| {
            let pair = |&byte: &u8| if big_endian { [0, byte] } else { [byte, 0] };
            bytes.iter().flat_map(pair).collect::<Vec<_>>()
        };
        let packed = |swapped: bool| {
            let pairs = raw.chunks_exact(2);
            let pack =
                |pair: &[u8]| if swapped { pair[1] << 4 | pair[0] } else { pair[0] << 4 | pair[1] };
            pairs.map(pack).collect::<Vec<_>>()
        };
        let parted = |by: &str| {
            let parts: Vec<String> = digits.chars().map(String::from).collect();
            parts.join(by).into_bytes()
        };
        let mut forms = vec![
            ("ASCII", ascii.to_vec()),
            ("ASCII reversed", reversed),
            ("UTF-16, little endian", wide(ascii, false)),
            ("UTF-16, big endian", wide(ascii, true)),
            ("a digit a byte", raw.clone()),
            ("a digit a byte, reversed", raw_reversed),
            ("a digit in 32 bits", raw.iter().flat_map(|&digit| [digit, 0, 0, 0]).collect()),
            ("BCD", packed(false)),
            ("BCD, nibbles swapped", packed(true)),
            ("hex of ASCII", hex(ascii)),
            ("hex of digits", hex(&raw)),
            ("parted by blanks", parted(" ")),
            ("parted by commas", parted(",")),
            ("parted by commas and blanks", parted(", ")),
            ("parted by lines", parted("\n")),
        ];
        // Base64 depends on where in its input the digits begin; its ends depend on what is beside
        // them, so that only what is inside is looked for.
        for (shift, name) in ["base64", "base64 from the 2nd byte", "base64 from the 3rd byte"]
            .into_iter()
            .enumerate()
        {
            forms.push((name, base64_inside(ascii, shift)));
        }
        Self { digits: digits.to_owned(), forms }
    }

    /// The forms in which `bytes` hold the digits.
    #[must_use]
    pub fn forms_in(&self, bytes: &[u8]) -> Vec<&'static str> {
        let held = self.forms.iter().filter(|(_, form)| holds(bytes, form));
        held.map(|&(name, _)| name).collect()
    }

    /// Whether `bytes` hold the digits as ASCII or as a digit a byte, in order.
    #[must_use]
    pub fn is_in_memory(&self, bytes: &[u8]) -> bool {
        let plain = ["ASCII", "a digit a byte"];
        self.forms.iter().any(|(name, form)| plain.contains(name) && holds(bytes, form))
    }

    /// Whether the digits are in a log one by one, each behind a word such as `digit`; those of
    /// other calls that are typed at the same time may stand between them.
    #[must_use]
    pub fn is_told_key_by_key(&self, log: &str) -> bool {
        KEY_WORDS.iter().any(|word| is_woven_into(&self.digits, &keys_told(log, word)))
    }

    /// Whether a sequence of key presses has the digits, in order, as a whole.
    #[must_use]
    pub fn is_keyed_in(&self, keys: &str) -> bool {
        keys.contains(&self.digits)
    }
}

/// Every place below some folders and files where a needle is.
///
/// # Errors
/// A file cannot be read.
pub fn search(needle: &Needle, below: &[PathBuf]) -> Result<Vec<(PathBuf, &'static str)>> {
    let mut found = Vec::new();
    for path in files_below(below)? {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        found.extend(needle.forms_in(&bytes).into_iter().map(|form| (path.clone(), form)));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.contains(&needle.digits) {
            found.push((path.clone(), "file name"));
        }
        if needle.is_told_key_by_key(&String::from_utf8_lossy(&bytes)) {
            found.push((path, "key by key"));
        }
    }
    Ok(found)
}

/// All files below some folders; files stand for themselves.
///
/// # Errors
/// A folder cannot be read.
pub fn files_below(below: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in below {
        if path.is_dir() {
            let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
            let inside: Vec<_> =
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
            files.extend(files_below(&inside)?);
        } else if !is_socket(path) {
            files.push(path.clone());
        }
    }
    files.sort();
    Ok(files)
}

/// Whether nothing is kept there: programs speak to one another through it.
fn is_socket(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket())
}

/// Whether `digits` stand in `keys` in order, each at most [`CALLERS`] behind the one before.
fn is_woven_into(digits: &str, keys: &str) -> bool {
    let keys = keys.as_bytes();
    let mut ends: Option<Vec<usize>> = None;
    for digit in digits.bytes() {
        let follows = |at: usize| match &ends {
            None => true,
            Some(ends) => ends.iter().any(|&end| end < at && at - end <= CALLERS),
        };
        let next = (0..keys.len()).filter(|&at| keys[at] == digit && follows(at)).collect();
        ends = Some(next);
    }
    ends.is_some_and(|ends| !ends.is_empty())
}

/// The single digits that follow a word in a text, in order.
fn keys_told(log: &str, word: &str) -> String {
    let log = log.to_ascii_lowercase();
    let mut keys = String::new();
    for (place, _) in log.match_indices(word) {
        let rest = log[place + word.len()..].chars();
        let mut rest = rest.skip_while({
            let mut left = KEY_GAP;
            move |c| {
                let gap = !c.is_ascii_alphanumeric() && left > 0;
                left -= usize::from(gap);
                gap
            }
        });
        let (first, second) = (rest.next(), rest.next());
        if let Some(digit) = first.filter(char::is_ascii_digit)
            && second.is_none_or(|c| !c.is_ascii_alphanumeric())
        {
            keys.push(digit);
        }
    }
    keys
}

fn holds(bytes: &[u8], form: &[u8]) -> bool {
    let Some((&first, rest)) = form.split_first() else { return false };
    let mut from = 0;
    while let Some(place) = bytes[from..].iter().position(|&byte| byte == first) {
        from += place + 1;
        if bytes[from..].starts_with(rest) {
            return true;
        }
    }
    false
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// The part of the base64 of `bytes`, after `shift` others, that does not depend on its neighbours.
fn base64_inside(bytes: &[u8], shift: usize) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let skip = (3 - shift) % 3;
    let whole = bytes.get(skip..).unwrap_or_default().chunks_exact(3);
    let four = |three: &[u8]| {
        let bits = three.iter().fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte));
        [18, 12, 6, 0].map(|down| LETTERS[bits >> down & 63])
    };
    whole.flat_map(four).collect()
}

/// Whether the memory of a process that runs holds a needle; `None` when the system does not let
/// it be read.
#[must_use]
pub fn memory_of(process: u32, needle: &Needle) -> Option<Scan> {
    use std::io::{Read, Seek, SeekFrom};
    let folder = Path::new("/proc").join(process.to_string());
    let maps = fs::read_to_string(folder.join("maps")).ok()?;
    let mut memory = fs::File::open(folder.join("mem")).ok()?;
    let mut scan = Scan::default();
    for line in maps.lines() {
        let Some((range, rest)) = line.split_once(' ') else { continue };
        if !rest.starts_with("rw") {
            continue;
        }
        let address = |text: &str| u64::from_str_radix(text, 16).ok();
        let Some((from, to)) = range.split_once('-') else { continue };
        let Some((from, to)) = address(from).zip(address(to)) else { continue };
        let Ok(length) = usize::try_from(to - from) else { continue };
        let mut bytes = vec![0; length];
        // Secret pages may refuse to be read, even here: then nobody reads them.
        if memory.seek(SeekFrom::Start(from)).is_err() || memory.read_exact(&mut bytes).is_err() {
            scan.unreadable += length;
            continue;
        }
        scan.bytes += length;
        if needle.is_in_memory(&bytes) {
            scan.hits.push(line.to_owned());
        }
    }
    (scan.bytes > 0).then_some(scan)
}

/// What a look into a process's memory gave.
#[derive(Debug, Default)]
pub struct Scan {
    /// Bytes that were read.
    pub bytes: usize,
    /// Bytes that the system did not give.
    pub unreadable: usize,
    /// The mappings that hold the needle.
    pub hits: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "8305917264";

    fn is_found(bytes: &[u8]) -> bool {
        !Needle::new(DIGITS).forms_in(bytes).is_empty()
    }

    #[test]
    fn each_form_is_found_among_other_bytes() {
        let raw: Vec<u8> = DIGITS.bytes().map(|digit| digit - b'0').collect();
        let wide: Vec<u8> = DIGITS.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let bcd = [0x83, 0x05, 0x91, 0x72, 0x64];
        for form in
            [DIGITS.as_bytes(), b"4627195038", &raw, &wide, &bcd, b"8, 3, 0, 5, 9, 1, 7, 2, 6, 4"]
        {
            let around = [&[0, 1, 2, b'8', b'3'][..], form, &[9, 9]].concat();
            assert!(is_found(&around), "{form:?}");
        }
        assert!(!is_found(b"83059172 64 and 8305917265"));
    }

    #[test]
    fn base64_is_found_wherever_the_digits_begin() {
        // Of "8305917264", "x8305917264" and "xx8305917264", as coreutils writes them.
        for text in ["ODMwNTkxNzI2NA==", "eDgzMDU5MTcyNjQ=", "eHg4MzA1OTE3MjY0"] {
            assert!(is_found(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn digits_logged_one_by_one_are_found() {
        let needle = Needle::new(DIGITS);
        let line = |digit: char| format!("TRACE leg=7 digit={digit} at 12:34:56\n");
        let log: String = DIGITS.chars().map(line).collect();
        assert!(needle.is_told_key_by_key(&log));
        let dump: String =
            DIGITS.chars().map(|d| format!("Signal= {d}\r\nDuration=100\r\n")).collect();
        assert!(needle.is_told_key_by_key(&dump));
        assert!(!needle.is_told_key_by_key("digits=10 digit=x event=ok"));
        let woven: String = DIGITS.chars().flat_map(|d| [line(d), line('0'), line('1')]).collect();
        assert!(needle.is_told_key_by_key(&woven), "three callers key at once");
        let backwards: String = DIGITS.chars().rev().map(line).collect();
        assert!(!needle.is_told_key_by_key(&backwards));
    }

    #[test]
    fn own_memory_holds_what_is_in_it() {
        let needle = Needle::new("7150284936");
        let held: Vec<u8> = "7150284936".bytes().rev().rev().collect();
        let scan = memory_of(std::process::id(), &needle).expect("one's own memory can be read");
        assert!(!scan.hits.is_empty() && held.len() == 10);
    }
}
