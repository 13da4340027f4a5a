//! The data folder as a whole: which one it is, which version wrote it, and whether its parts
//! belong together.
//!
//! Ids of accounts and conferences mean something in one folder only. A database that is missing
//! beside a journal is therefore never made anew in silence: its account 1 would be invoiced the
//! calls of another customer.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use partyline_model::Uuid;

use crate::backup::RESTORING;
use crate::journal::list;
use crate::store::Store;
use crate::{BackupError, StoreError};

/// The format that this program writes. 1 was before folders had an identity.
///
/// Raised when an older program must not touch what a newer one has written. Such a program of
/// format 1 is stopped by the database, which has migrations that it does not know.
pub const FORMAT: u32 = 2;
/// The file below the data folder that says so.
pub const IDENTITY_FILE: &str = "identity";

/// What the identity file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderIdentity {
    /// The version of the folder's format.
    pub format: u32,
    /// Which folder it is.
    pub folder: Uuid,
}

/// Where the parts of a data folder lie.
#[derive(Clone, Debug)]
pub struct FolderParts {
    /// The identity file.
    pub identity: PathBuf,
    /// The database.
    pub database: PathBuf,
    /// The folder of the journal.
    pub journal: PathBuf,
}

impl FolderParts {
    /// The parts of the data folder `data` under their usual names.
    pub fn of(data: &Path) -> Self {
        Self {
            identity: data.join(IDENTITY_FILE),
            database: data.join("partyline.db"),
            journal: data.join("journal"),
        }
    }

    /// Whether anything of a bridge lies here.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn is_in_use(&self) -> Result<bool, StoreError> {
        let journal = list(&self.journal).map_err(at(&self.journal))?;
        Ok(has_content(&self.database) || self.identity.exists() || !journal.is_empty())
    }

    /// Makes sure that nothing stands in the way of using the folder.
    ///
    /// # Errors
    /// [`BackupError::Unfinished`] while a backup is being restored into it;
    /// [`StoreError::NewerFolder`] when a later version wrote it; [`StoreError::Identity`],
    /// [`StoreError::Io`].
    pub fn ensure_usable(&self) -> Result<(), StoreError> {
        self.known().map(|_| ())
    }

    /// Which folder it is; `None` where that was never written down.
    pub(crate) fn known(&self) -> Result<Option<FolderIdentity>, StoreError> {
        let restoring = self.identity.with_file_name(RESTORING);
        if restoring.exists() {
            return Err(BackupError::Unfinished(restoring).into());
        }
        let known = FolderIdentity::read(&self.identity)?;
        match known {
            Some(FolderIdentity { format, .. }) if format > FORMAT => {
                Err(StoreError::NewerFolder { found: format, known: FORMAT })
            }
            Some(_) | None => Ok(known),
        }
    }

    /// Opens the database of the folder, and makes one in a folder that never had any.
    ///
    /// # Errors
    /// As [`FolderParts::ensure_usable`]; [`StoreError::Newer`] when a later version wrote it;
    /// [`StoreError::NoDatabase`], [`StoreError::NothingLeft`] when it had one;
    /// [`StoreError::OtherFolder`] when the database is that of another folder; as
    /// [`Store::open`].
    pub async fn open(&self) -> Result<Store, StoreError> {
        let known = self.known()?;
        let journal = list(&self.journal).map_err(at(&self.journal))?;
        if !has_content(&self.database) && (known.is_some() || !journal.is_empty()) {
            let (database, journal_dir) = (self.database.clone(), self.journal.clone());
            return Err(match journal.is_empty() {
                true => StoreError::NothingLeft { database, journal: journal_dir },
                false => StoreError::NoDatabase { database, journal: journal_dir },
            });
        }
        let store = Store::open_for(&self.database, known.map(|known| known.folder)).await?;
        let folder = store.folder();
        match known {
            Some(known) if known.folder != folder => {
                let identity = self.identity.clone();
                Err(StoreError::OtherFolder { identity, found: folder, expected: known.folder })
            }
            Some(FolderIdentity { format: FORMAT, .. }) => Ok(store),
            Some(_) | None => {
                FolderIdentity { format: FORMAT, folder }.write(&self.identity)?;
                Ok(store)
            }
        }
    }
}

/// An empty file is what a start that failed leaves.
pub(crate) fn has_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.len() > 0)
}

pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { path: path.to_owned(), source }
}

impl FolderIdentity {
    /// Reads the file; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError::Identity`] when it cannot be understood, [`StoreError::Io`].
    pub fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(at(path)(source)),
        };
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
        };
        let format = value("format").and_then(|format| format.parse().ok());
        // A later format may name its folder otherwise: its number is all that is asked for.
        let folder = value("folder").and_then(|folder| folder.parse().ok());
        match (format, folder) {
            (Some(format), Some(folder)) => Ok(Some(Self { format, folder })),
            (Some(format), None) if format > FORMAT => Ok(Some(Self { format, folder: Uuid(0) })),
            (Some(_) | None, _) => Err(StoreError::Identity(path.to_owned())),
        }
    }

    /// Writes the file whole or not at all.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        replace(path, self.text().as_bytes()).map_err(at(path))
    }

    pub(crate) fn text(&self) -> String {
        let Self { format, folder } = self;
        format!(
            "# Which data folder this is. Records, accounts and invoices refer to it: leave it as \
             it is.\nformat = {format}\nfolder = {folder}\n"
        )
    }
}

/// Puts a private file in the place of another, durably and in one step.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder(path)
}

/// Makes the name of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        // A plain name lies in the current folder.
        Some(folder) if folder.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
