//! Copies of a data folder that can be trusted: taken while a bridge runs, checked before they are
//! used, and never half there.
//!
//! A copy is gathered under another name and gets its own in one step, when all of it is durable;
//! so does a folder that is restored. What is there is never written over.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use partyline_cdr_record::{DialogRecord, Origin, Record};
use partyline_model::{Time, WallTime};
use sha2::{Digest, Sha256};

use crate::folder::{FORMAT, FolderIdentity, FolderParts, IDENTITY_FILE, at, sync_folder};
use crate::ingest::Ingest;
use crate::journal::{FileDisk, Journal, JournalConfig, Piece, Pieces, list};
use crate::store::Store;
use crate::{BackupError, StoreError};

/// The list of a copy's files with their sums; written last.
const MANIFEST: &str = "MANIFEST";
/// How it begins.
const TITLE: &str = "partyline backup 1";
/// Octets of a file that are in memory at a time.
const PIECE: usize = 256 * 1024;
/// Where a data folder that is there already is restored before its parts get their places.
pub(crate) const RESTORING: &str = ".restoring";
/// The name that it has for a moment when all of them have theirs.
const RESTORED: &str = ".restored";
/// The lock of a journal, below the data folder.
const LOCK: &str = "journal/lock";
/// Folders of the data folder that are always copied, beside database and journal.
const ALWAYS: [&str; 1] = ["brands"];

/// What a copy holds beside database, journal and brands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The keys of passcodes: whoever has database and keys has every passcode.
    pub keys: bool,
    /// Recordings.
    pub recordings: bool,
}

/// How much was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files.
    pub files: u64,
    /// Octets in them.
    pub octets: u64,
    /// Whether the keys are among them.
    pub keys: bool,
}

/// Asked before each step that changes a disk, with the file it is about: an error there is as one
/// of the disk.
pub type Gate<'a> = &'a mut (dyn FnMut(&Path) -> io::Result<()> + Send);

/// One file of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    path: String,
    octets: u64,
    sha256: String,
}

/// Copies the data folder `data`, whose database is `store`, to `target`, which must not exist.
/// A bridge may run meanwhile; recordings that grow are copied as they are.
///
/// # Errors
/// [`BackupError::Exists`], [`BackupError::Inside`]; [`StoreError`] when something cannot be read or written. There is no
/// `target` then.
pub async fn backup(
    store: &Store,
    data: &Path,
    target: &Path,
    extent: Extent,
    gate: Gate<'_>,
) -> Result<Copied, StoreError> {
    let target = &plain(target)?;
    if target.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(target.to_owned()).into());
    }
    if is_inside(target, data) {
        return Err(BackupError::Inside(target.to_owned()).into());
    }
    let partial = beside(target, "partial");
    let mut copy = Copy::begin(&partial, gate)?;
    copy.step(&partial)?;
    // The database first: its position is then never beyond the journal's copy.
    let database = partial.join("partyline.db");
    let path =
        database.to_str().ok_or_else(|| at(&database)(io::ErrorKind::InvalidFilename.into()))?;
    sqlx::query("VACUUM INTO ?").bind(path).execute(&store.pool).await?;
    copy.adopt("partyline.db")?;
    let identity = FolderIdentity { format: FORMAT, folder: store.folder() };
    copy.put(IDENTITY_FILE, identity.text().as_bytes())?;
    copy.journal(&data.join("journal"))?;
    let mut folders = ALWAYS.to_vec();
    folders.extend(extent.keys.then_some("keys"));
    folders.extend(extent.recordings.then_some("recordings"));
    for folder in folders {
        copy.folder(&data.join(folder), folder)?;
    }
    copy.finish(target, extent.keys)
}

/// Whether `target`, which is yet to be made, would lie within `data`, whatever links lead there.
fn is_inside(target: &Path, data: &Path) -> bool {
    let there = target.ancestors().skip(1).find_map(|above| {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        above.canonicalize().ok()
    });
    there.zip(data.canonicalize().ok()).is_some_and(|(there, data)| there.starts_with(data))
}

/// Checks every file of the copy in `backup` against its list.
///
/// # Errors
/// [`BackupError`] names the first file that is missing, changed or too many.
pub fn verify(backup: &Path) -> Result<Copied, StoreError> {
    let entries = manifest(backup)?;
    for entry in &entries {
        let path = backup.join(&entry.path);
        let found = File::open(&path).and_then(|file| pour(&entry.path, file, &mut io::sink()));
        if !found.is_ok_and(|found| *entry == found) {
            return Err(BackupError::Damaged(path).into());
        }
    }
    let mut found = Vec::new();
    walk(backup, "", &mut found)?;
    for name in found.iter().filter(|name| *name != MANIFEST) {
        if !entries.iter().any(|entry| entry.path == *name) {
            return Err(BackupError::Unlisted(backup.join(name)).into());
        }
    }
    Ok(sum(&entries))
}

/// Makes the data folder `data` from the copy in `backup`, which is checked first. `data` must be
/// missing or empty; a folder that is there, a mounted one or one behind a link, is filled.
///
/// Calls that were up when the copy was made are closed at the last sign of life in it; their far
/// ends are not sent BYE, since the bridge that was copied may have ended them long ago.
///
/// # Errors
/// [`BackupError::InUse`] when something lies in `data`; as [`verify`]; [`StoreError`] when the
/// database or the journal is damaged although its sum is right. There is no usable `data` then,
/// and the same call goes on where this one was stopped.
pub async fn restore(
    backup: &Path,
    data: &Path,
    (origin, now): (Origin, WallTime),
    gate: Gate<'_>,
) -> Result<Copied, StoreError> {
    let data = &real(data)?;
    let inside = data.join(RESTORING);
    if is_complete(&inside, backup) {
        // A run before was stopped while it moved what it had made.
        let copied = verify(backup)?;
        let mut copy = Copy { root: inside, entries: Vec::new(), gate };
        copy.unpack(data)?;
        return Ok(copied);
    }
    let mut found = Vec::new();
    if data.exists() {
        walk(data, "", &mut found)?;
    }
    // The lock of a bridge that ran in an empty folder is nothing to be kept.
    let below = format!("{RESTORING}/");
    if found.iter().any(|name| name != LOCK && !name.starts_with(&below)) {
        return Err(BackupError::InUse(data.to_owned()).into());
    }
    let copied = verify(backup)?;
    let partial = if data.exists() { inside } else { beside(data, "restoring") };
    let mut copy = Copy::begin(&partial, gate)?;
    for entry in manifest(backup)? {
        copy.take(&backup.join(&entry.path), &entry.path)?;
    }
    settle(&partial, origin, now).await?;
    if !data.exists() {
        copy.rename(data)?;
        return Ok(copied);
    }
    let list = fs::read(backup.join(MANIFEST)).map_err(at(backup))?;
    copy.put(MANIFEST, &*list)?;
    copy.unpack(data)?;
    Ok(copied)
}

/// The name of `path` without a slash at its end and independent of the current folder.
fn plain(path: &Path) -> Result<PathBuf, StoreError> {
    let whole = std::path::absolute(path).map_err(at(path))?;
    let plain: PathBuf = whole.components().collect();
    if plain.file_name().is_none() {
        return Err(BackupError::Exists(path.to_owned()).into());
    }
    Ok(plain)
}

/// The folder that `path` leads to, or would be.
fn real(path: &Path) -> Result<PathBuf, StoreError> {
    match fs::canonicalize(path) {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = plain(path)?;
            // A link to nothing: what is behind it may be a volume that is not mounted.
            if path.symlink_metadata().is_ok() {
                return Err(at(&path)(error));
            }
            Ok(path)
        }
        Err(error) => Err(at(path)(error)),
    }
}

/// Whether `inside` holds all that `backup` has, settled, or what is left of it to be moved.
fn is_complete(inside: &Path, backup: &Path) -> bool {
    let lists = [inside, backup].map(|folder| fs::read(folder.join(MANIFEST)).ok());
    lists[0].is_some() && lists[0] == lists[1]
}

/// Opens what was restored: the database is whole, open calls are closed and in it.
async fn settle(partial: &Path, origin: Origin, now: WallTime) -> Result<(), StoreError> {
    let parts = FolderParts::of(partial);
    let store = parts.open().await?;
    let check: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&store.pool).await?;
    if check != "ok" {
        return Err(BackupError::Damaged(parts.database).into());
    }
    if !list(&parts.journal).map_err(at(&parts.journal))?.is_empty() {
        let disk = FileDisk::open(&parts.journal)?;
        let config = JournalConfig::new(origin).of(store.folder());
        let (mut journal, found) = Journal::open(Box::new(disk), config, Time::ZERO, now)?;
        let told = found.dialogs.iter().map(|dialog| DialogRecord::told(dialog.leg_id));
        let told: Vec<Record> = told.map(|dialog| Record::Dialog(Box::new(dialog))).collect();
        journal.append(told.iter(), Time::ZERO, now)?;
        Ingest::new(store.clone(), &parts.journal).catch_up(Some(journal.end())).await?;
        // Newer segments of a journal that survived may be put in the place of these: the first
        // start reads all from the beginning, which changes nothing of what is known.
        let again = "UPDATE ingest_position SET segment = 0, position = 0";
        sqlx::query(again).execute(&store.pool).await?;
    }
    store.close().await;
    Ok(())
}

/// A copy that grows under a name that is not its own.
struct Copy<'a> {
    root: PathBuf,
    entries: Vec<Entry>,
    gate: Gate<'a>,
}

impl<'a> Copy<'a> {
    /// Begins in `root`; what a copy that was stopped has left there goes.
    fn begin(root: &Path, gate: Gate<'a>) -> Result<Self, StoreError> {
        let mut copy = Self { root: root.to_owned(), entries: Vec::new(), gate };
        copy.step(root)?;
        if root.exists() {
            if !is_ours(root)? {
                return Err(BackupError::Exists(root.to_owned()).into());
            }
            fs::remove_dir_all(root).map_err(at(root))?;
        }
        private_folder(root)?;
        Ok(copy)
    }

    fn step(&mut self, path: &Path) -> Result<(), StoreError> {
        (self.gate)(path).map_err(at(path))
    }

    /// Writes one file, durably, a piece at a time.
    fn put(&mut self, name: &str, from: impl Read) -> Result<(), StoreError> {
        let path = self.root.join(name);
        if let Some(folder) = path.parent() {
            private_folder(folder)?;
        }
        self.step(&path)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&path).map_err(at(&path))?;
        let entry = pour(name, from, &mut file).map_err(at(&path))?;
        self.step(&path)?;
        file.sync_all().map_err(at(&path))?;
        self.entries.push(entry);
        Ok(())
    }

    /// Copies one file.
    fn take(&mut self, from: &Path, name: &str) -> Result<(), StoreError> {
        self.put(name, File::open(from).map_err(at(from))?)
    }

    /// Moves everything into the folder around this one: the database last, without which nothing
    /// opens the folder, and the list behind it.
    fn unpack(&mut self, data: &Path) -> Result<(), StoreError> {
        sync_tree(&self.root)?;
        let lock = data.join(LOCK);
        match fs::remove_file(&lock) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&lock)(error)),
            Ok(()) | Err(_) => {}
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(at(&self.root))? {
            names.push(entry.map_err(at(&self.root))?.file_name());
        }
        names.sort_by_key(|name| (name == MANIFEST, name == "partyline.db", name.clone()));
        for name in names.iter().filter(|name| *name != MANIFEST) {
            let (from, to) = (self.root.join(name), data.join(name));
            self.step(&to)?;
            if to.is_dir() {
                remove_empty(&to)?;
            }
            sync_folder(&from).map_err(at(&from))?;
            fs::rename(&from, &to).map_err(at(&to))?;
            sync_folder(&to).map_err(at(&to))?;
        }
        // The folder is whole when this name is gone; what is left is the list.
        let done = data.join(RESTORED);
        self.step(&done)?;
        fs::rename(&self.root, &done).map_err(at(&done))?;
        sync_folder(&done).map_err(at(data))?;
        fs::remove_dir_all(&done).map_err(at(&done))
    }

    /// Takes in a file that SQLite wrote.
    fn adopt(&mut self, name: &str) -> Result<(), StoreError> {
        let path = self.root.join(name);
        self.step(&path)?;
        let file = File::open(&path).map_err(at(&path))?;
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(at(&path))?;
        file.sync_all().map_err(at(&path))?;
        self.entries.push(pour(name, file, &mut io::sink()).map_err(at(&path))?);
        Ok(())
    }

    /// The segments; of the one that is being written its whole frames.
    fn journal(&mut self, journal: &Path) -> Result<(), StoreError> {
        let segments = list(journal).map_err(at(journal))?;
        let newest = segments.last().copied();
        for segment in segments {
            let name = format!("{segment:08}.plj");
            let path = journal.join(&name);
            let mut bytes = fs::read(&path).map_err(at(&path))?;
            if Some(segment) == newest {
                bytes.truncate(whole(&bytes));
            }
            self.put(&format!("journal/{name}"), &*bytes)?;
        }
        self.folder(&journal.join("damaged"), "journal/damaged")
    }

    /// Every file of a folder that may be missing.
    fn folder(&mut self, from: &Path, name: &str) -> Result<(), StoreError> {
        let mut found = Vec::new();
        if from.exists() {
            walk(from, "", &mut found)?;
        }
        for file in found {
            self.take(&from.join(&file), &format!("{name}/{file}"))?;
        }
        Ok(())
    }

    /// Writes the list and gives the copy its name.
    fn finish(mut self, target: &Path, keys: bool) -> Result<Copied, StoreError> {
        let mut text = format!("{TITLE}\n");
        for Entry { path, octets, sha256 } in &self.entries {
            text += &format!("{sha256} {octets} {path}\n");
        }
        text += &format!("{} files\n", self.entries.len());
        let copied = Copied { keys, ..sum(&self.entries) };
        self.put(MANIFEST, text.as_bytes())?;
        self.rename(target)?;
        Ok(copied)
    }

    fn rename(&mut self, target: &Path) -> Result<(), StoreError> {
        sync_tree(&self.root)?;
        self.step(target)?;
        fs::rename(&self.root, target).map_err(at(target))?;
        sync_folder(target).map_err(at(target))
    }
}

/// Copies `from` to its end and says what it was.
fn pour(name: &str, mut from: impl Read, to: &mut impl Write) -> io::Result<Entry> {
    let (mut sum, mut octets, mut piece) = (Sha256::new(), 0_u64, vec![0; PIECE]);
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            let sha256 = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok(Entry { path: name.to_owned(), octets, sha256 });
        }
        to.write_all(&piece[..read])?;
        sum.update(&piece[..read]);
        octets += u64::try_from(read).unwrap_or(u64::MAX);
    }
}

/// Removes folders that hold no file.
fn remove_empty(root: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(root).map_err(at(root))? {
        remove_empty(&entry.map_err(at(root))?.path())?;
    }
    fs::remove_dir(root).map_err(at(root))
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let (sha256, rest) = line.split_once(' ')?;
        let (octets, path) = rest.split_once(' ')?;
        let inside = Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
        inside.then_some(())?;
        let octets = octets.parse().ok()?;
        Some(Self { path: path.to_owned(), octets, sha256: sha256.to_owned() })
    }
}

fn manifest(backup: &Path) -> Result<Vec<Entry>, StoreError> {
    let path = backup.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|_| BackupError::NoBackup(backup.to_owned()))?;
    let mut lines: Vec<&str> = text.lines().collect();
    let damaged = || BackupError::Damaged(path.clone());
    let last = lines.pop().ok_or_else(damaged)?;
    if lines.is_empty() || lines.remove(0) != TITLE || last != format!("{} files", lines.len()) {
        return Err(damaged().into());
    }
    let entries = lines.into_iter().map(|line| Entry::parse(line).ok_or_else(damaged));
    Ok(entries.collect::<Result<_, _>>()?)
}

fn sum(entries: &[Entry]) -> Copied {
    Copied {
        files: u64::try_from(entries.len()).unwrap_or(u64::MAX),
        octets: entries.iter().map(|entry| entry.octets).sum(),
        keys: entries.iter().any(|entry| entry.path.starts_with("keys/")),
    }
}

/// Where the last whole frame ends.
fn whole(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    for piece in Pieces::new(bytes) {
        match piece {
            Piece::Damage(place) if place.end == bytes.len() => end = place.start,
            Piece::Frame(_) | Piece::Damage(_) => {}
        }
    }
    end
}

/// Whether a copy that was stopped has left this folder.
fn is_ours(root: &Path) -> Result<bool, StoreError> {
    let mut found = Vec::new();
    walk(root, "", &mut found)?;
    let ours = ["partyline.db", IDENTITY_FILE, MANIFEST];
    Ok(found.is_empty() || found.iter().any(|name| ours.contains(&name.as_str())))
}

/// The files below `root`, by their path from it, in order.
fn walk(root: &Path, below: &str, found: &mut Vec<String>) -> Result<(), StoreError> {
    let folder = root.join(below);
    let entries = fs::read_dir(&folder).map_err(at(&folder))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at(&folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        names.push((name, entry.file_type().map_err(at(&folder))?.is_dir()));
    }
    names.sort();
    for (name, is_folder) in names {
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if is_folder {
            walk(root, &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

fn sync_tree(root: &Path) -> Result<(), StoreError> {
    File::open(root).and_then(|folder| folder.sync_all()).map_err(at(root))?;
    for entry in fs::read_dir(root).map_err(at(root))? {
        let entry = entry.map_err(at(root))?;
        if entry.file_type().map_err(at(root))?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    Ok(())
}

fn private_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}
