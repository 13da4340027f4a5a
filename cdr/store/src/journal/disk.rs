//! What the journal asks of a disk, so that a test can take each of them away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::JournalError;

/// A folder of numbered segments. What is not synced may be lost in a power cut, in part or whole.
pub trait Disk: Send {
    /// The numbers of the segments that exist, in ascending order.
    fn segments(&mut self) -> io::Result<Vec<u32>>;
    /// The bytes of `segment`.
    fn read(&mut self, segment: u32) -> io::Result<Vec<u8>>;
    /// Makes `segment`, empty, and its name durable. What a failed try left is emptied.
    fn create(&mut self, segment: u32) -> io::Result<()>;
    /// Appends to `segment`. On an error any part of `bytes` may have been written.
    fn append(&mut self, segment: u32, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was appended to `segment` durable where the next start looks for it.
    fn sync(&mut self, segment: u32) -> io::Result<()>;
    /// Cuts `segment` to `len` bytes, durably. Asked only for what was never acknowledged.
    fn truncate(&mut self, segment: u32, len: u64) -> io::Result<()>;
    /// Keeps a copy of damaged `bytes`, found at `offset` of `segment`, durably and beside the
    /// segments; the copy's name. A copy that is there already is not made again.
    fn set_aside(&mut self, segment: u32, offset: u64, bytes: &[u8]) -> io::Result<String>;
}

/// A folder of the file system; files 0600, folder 0700, locked against a second process.
#[derive(Debug)]
pub struct FileDisk {
    dir: PathBuf,
    /// The segment being written.
    current: Option<(u32, File)>,
    /// Held open for its lock.
    _lock: File,
}

impl FileDisk {
    /// Opens or makes the folder `dir` and locks it.
    ///
    /// # Errors
    /// [`JournalError::Locked`] when another process has it; [`JournalError::Exposed`] when others
    /// than the owner may enter it; [`JournalError::Io`].
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(JournalError::io("created"))?;
        let metadata = fs::metadata(dir).map_err(JournalError::io("read"))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(JournalError::Exposed(dir.to_owned()));
        }
        let lock = private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("lock"))
            .map_err(JournalError::io("created"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), current: None, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(JournalError::Locked(dir.to_owned())),
            Err(fs::TryLockError::Error(source)) => {
                Err(JournalError::Io { action: "locked", source })
            }
        }
    }

    fn file(&mut self, segment: u32) -> io::Result<&mut File> {
        let file = match self.current.take() {
            Some((open, file)) if open == segment => file,
            Some(_) | None => {
                let mut file = private().read(true).write(true).open(path(&self.dir, segment))?;
                file.seek(SeekFrom::End(0))?;
                file
            }
        };
        Ok(&mut self.current.insert((segment, file)).1)
    }
}

impl Disk for FileDisk {
    fn segments(&mut self) -> io::Result<Vec<u32>> {
        list(&self.dir)
    }

    fn read(&mut self, segment: u32) -> io::Result<Vec<u8>> {
        fs::read(path(&self.dir, segment))
    }

    fn create(&mut self, segment: u32) -> io::Result<()> {
        let mut options = private();
        options.read(true).write(true).create(true).truncate(true);
        self.current = Some((segment, options.open(path(&self.dir, segment))?));
        File::open(&self.dir)?.sync_all()
    }

    fn append(&mut self, segment: u32, bytes: &[u8]) -> io::Result<()> {
        self.file(segment)?.write_all(bytes)
    }

    fn sync(&mut self, segment: u32) -> io::Result<()> {
        let file = self.file(segment)?;
        file.sync_data()?;
        let held = file.metadata()?;
        let there = fs::metadata(path(&self.dir, segment));
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())) {
            return Ok(());
        }
        // What was written is durable where nobody will look for it. Opened by its name the next
        // time, the segment is written again once it is back.
        self.current = None;
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the journal's folder was moved, removed or unmounted: put it back",
        ))
    }

    fn truncate(&mut self, segment: u32, len: u64) -> io::Result<()> {
        let file = self.file(segment)?;
        if file.metadata()?.len() < len {
            self.current = None;
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the segment is shorter than what was written to it: an older copy is in its place",
            ));
        }
        file.set_len(len)?;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()
    }

    fn set_aside(&mut self, segment: u32, offset: u64, bytes: &[u8]) -> io::Result<String> {
        let dir = self.dir.join(SET_ASIDE);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let names = (0..u32::MAX).map(|again| aside_name(segment, offset, again));
        for name in names {
            let path = dir.join(&name);
            match private().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(bytes)?;
                    file.sync_all()?;
                    File::open(&dir)?.sync_all()?;
                    File::open(&self.dir)?.sync_all()?;
                    return Ok(format!("{SET_ASIDE}/{name}"));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if fs::read(&path)? == bytes {
                        return Ok(format!("{SET_ASIDE}/{name}"));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// The folder below the journal for copies of what was damaged.
const SET_ASIDE: &str = "damaged";

fn aside_name(segment: u32, offset: u64, again: u32) -> String {
    let again = if again == 0 { String::new() } else { format!("-{again}") };
    format!("{segment:08}-{offset}{again}.bad")
}

/// Whether a start has set aside what is damaged at `offset` of `segment` in `dir`.
pub(crate) fn is_set_aside(dir: &Path, segment: u32, offset: u64) -> bool {
    dir.join(SET_ASIDE).join(aside_name(segment, offset, 0)).exists()
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:08}.plj"))
}

/// The segments in `dir`, in ascending order; none when there is no such folder.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut segments = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".plj"));
        segments.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// The length of `segment` in `dir`.
pub(crate) fn length(dir: &Path, segment: u32) -> io::Result<u64> {
    Ok(fs::metadata(path(dir, segment))?.len())
}

/// At most `max` bytes of `segment` in `dir` from `offset` on.
pub(crate) fn read_from(dir: &Path, segment: u32, offset: u64, max: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path(dir, segment))?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}
