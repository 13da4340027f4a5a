//! Writing a file so that it is there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};

/// Writes `bytes` to `dir`/`name`, durably: a part file beside it takes its place when complete.
/// Only the owner may read it: it names people.
///
/// # Errors
/// The system's, with the path.
pub(super) fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = dir.join(name);
    let part = dir.join(format!("{name}.part"));
    let written = (|| {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(dir)?.sync_all()
    })();
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// As [`write_whole`], of what never changes: a file that is there stays as it is.
///
/// # Errors
/// The system's, with the path; the file is there with other bytes.
pub(super) fn write_once(dir: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = dir.join(name);
    match fs::read(&path) {
        Ok(there) if there == bytes => Ok(()),
        Ok(_) => bail!(
            "{} is there with other content, and an issued invoice is never written over: name \
             another folder with --out",
            path.display()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => write_whole(dir, name, bytes),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_issued_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        write_once(dir.path(), "a.csv", b"issued").unwrap();
        write_once(dir.path(), "a.csv", b"issued").unwrap();
        let said = write_once(dir.path(), "a.csv", b"other").unwrap_err().to_string();
        assert!(said.contains("a.csv is there with other content"), "{said}");
        assert_eq!(fs::read(dir.path().join("a.csv")).unwrap(), b"issued");
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_no_part() {
        let dir = tempfile::tempdir().unwrap();
        write_whole(dir.path(), "a.json", b"first").unwrap();
        write_whole(dir.path(), "a.json", b"2").unwrap();
        assert_eq!(fs::read(dir.path().join("a.json")).unwrap(), b"2");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_whole(&dir.path().join("none"), "a.json", b"").unwrap_err();
        assert!(error.to_string().contains("none/a.json cannot be written"), "{error}");
    }
}
