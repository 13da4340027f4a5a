//! What can go wrong in the journal and in the store.

use std::io;
use std::path::PathBuf;

use partyline_model::Uuid;

/// Why the journal cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process owns the folder.
    #[error("the journal in {0} is in use by another process")]
    Locked(PathBuf),
    /// Others than the owner may enter the folder.
    #[error("the journal in {0} may be read by others: set its mode to 0700")]
    Exposed(PathBuf),
    /// The disk refused.
    #[error("the journal cannot be {action}: {source}")]
    Io {
        /// What was tried: `read`, `written`, `created`, `truncated`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A single record is larger than a frame may be.
    #[error("a record of {0} bytes does not fit a frame")]
    TooLarge(usize),
    /// The segments belong to another data folder.
    #[error(
        "the journal belongs to data folder {found}, this is data folder {expected}: put the \
         journal back that belongs here; account numbers of one folder mean others in another"
    )]
    Foreign {
        /// The folder that the segments name.
        found: Uuid,
        /// The folder they lie in.
        expected: Uuid,
    },
    /// The segments end before what was written to them or read in them.
    #[error(
        "the journal in {0} lacks what is known to be in it: was the folder moved, unmounted or \
         replaced? Put it back. If it is lost for good, the next start of the bridge begins another"
    )]
    Gone(PathBuf),
    /// Segment numbers have run out.
    #[error("the journal has no segment number left")]
    Exhausted,
}

impl JournalError {
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// Why a backup is not taken or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The backup would be written over something.
    #[error("{0} exists: a backup is made in a folder of its own")]
    Exists(PathBuf),
    /// The backup would lie within what it is a copy of.
    #[error(
        "{0} is inside of the data folder: a copy there would be lost with it; name a folder \
         elsewhere, best on another disk"
    )]
    Inside(PathBuf),
    /// The data folder to be made is not empty.
    #[error(
        "{0} is not empty, and nothing is written over: name an empty folder with --data, or move \
         what is there to another place"
    )]
    InUse(PathBuf),
    /// A restore was stopped before the folder was whole.
    #[error(
        "{0} is there: a restore into this folder was stopped before it was whole; run the same \
         partyline restore again"
    )]
    Unfinished(PathBuf),
    /// There is no list of files.
    #[error("{0} is no backup, or one that was never finished: it has no MANIFEST")]
    NoBackup(PathBuf),
    /// A file is missing, or is not what the list says.
    #[error("{0} is missing or damaged: this backup cannot be trusted")]
    Damaged(PathBuf),
    /// A file is too many.
    #[error("{0} is not in the backup's list: something was added to it")]
    Unlisted(PathBuf),
}

/// Why the store refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("the store failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the store's schema could not be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A later version of the program wrote the database.
    #[error(
        "the database was written by a later version of Partyline (schema {version}, which this \
         one does not know): start that version, or restore a backup of before"
    )]
    Newer {
        /// The first migration that this program does not have.
        version: i64,
    },
    /// A later version of the program wrote the data folder.
    #[error(
        "the data folder was written by a later version of Partyline (format {found}; this one \
         knows up to {known}): start that version, or restore a backup of before"
    )]
    NewerFolder {
        /// The folder's format.
        found: u32,
        /// The highest that this program knows.
        known: u32,
    },
    /// The folder had a database, and has none.
    #[error(
        "the database {database} is missing, though the data folder had one: an empty one would \
         give account numbers to other customers than the calls in {journal} were made by. \
         Put it back, or restore a backup into an empty folder: partyline restore BACKUP. \
         With neither, partyline cdr rebuild --new-database makes one from the journal, whose \
         new accounts are numbered behind those that made calls"
    )]
    NoDatabase {
        /// Where it should be.
        database: PathBuf,
        /// The journal beside it.
        journal: PathBuf,
    },
    /// The folder had a database, and has neither that nor a journal.
    #[error(
        "the database {database} is missing, though the data folder had one, and there is no \
         journal in {journal} to make it from. Put both back, or restore a backup into an empty \
         folder: partyline restore BACKUP. If this folder never took a call, or all is lost, move \
         it away and begin a new one: partyline init"
    )]
    NothingLeft {
        /// Where it should be.
        database: PathBuf,
        /// Where the journal should be.
        journal: PathBuf,
    },
    /// The database belongs to another data folder.
    #[error(
        "the database belongs to data folder {found}, but {identity} says {expected}: parts of two \
         bridges are mixed; put those together that belong together"
    )]
    OtherFolder {
        /// The identity file.
        identity: PathBuf,
        /// What the database says.
        found: Uuid,
        /// What the file says.
        expected: Uuid,
    },
    /// The identity file cannot be understood.
    #[error("{0} is damaged: it must hold the lines `format = NUMBER` and `folder = ID`")]
    Identity(PathBuf),
    /// There is nothing to rebuild from.
    #[error(
        "there is no journal in {0}: the records in the database stay as they are. Put the journal \
         back first"
    )]
    NoJournal(PathBuf),
    /// Records wait in the journal.
    #[error(
        "{octets} octets of records wait in the journal: the database lacks them. Is its disk \
         full? See the bridge's log and /health"
    )]
    Lagging {
        /// How much.
        octets: u64,
    },
    /// The file of the database is not the one that was opened.
    #[error(
        "the database {0} was removed or replaced while it was in use: stop the bridge and put it \
         back; the journal keeps the records"
    )]
    Displaced(PathBuf),
    /// A file beside the database failed.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key file has the wrong length.
    #[error("{0} is not a key file: it must hold exactly 32 bytes")]
    KeyFile(PathBuf),
    /// Others than the owner may read a file that must be private.
    #[error("{0} may be read by others: set its mode to 0600")]
    Exposed(PathBuf),
    /// A backup cannot be taken or used.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The keys of a folder that has a database are missing.
    #[error(
        "the keys in {0} are missing, though the data folder has passcodes that were made with \
         them: put pepper.key and seal.key back. If they are lost for good, make two files of 32 \
         random octets with mode 0600 under these names, and give every conference new passcodes: \
         partyline passcode new CONFERENCE"
    )]
    NoKeys(PathBuf),
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database contradicts itself: a disk has changed what was written.
    #[error(
        "the database is damaged: {0}. Records come from the journal anew: partyline cdr rebuild; \
         if that does not help, restore a backup"
    )]
    Corrupt(String),
    /// A stored record cannot be decoded.
    #[error("a stored record is damaged: {0}")]
    Record(#[from] partyline_cdr_record::DecodeError),
    /// Accounts, conferences, passcodes and dial-in numbers contradict each other.
    #[error("the directory is inconsistent: {0}")]
    Directory(#[from] partyline_directory::BuildError),
    /// A stored value is outside its range; the name of the column.
    #[error("column {0} holds a value out of range")]
    Column(&'static str),
    /// No such account, conference, passcode or deck.
    #[error("there is no {kind} {id}")]
    NotFound {
        /// What was looked for.
        kind: &'static str,
        /// The number that was looked for.
        id: u64,
    },
    /// What was to be added exists already.
    #[error("{0} exists already")]
    Duplicate(&'static str),
    /// Another invoice of the series took the number.
    #[error("another invoice took the number; the next is {next}")]
    Number {
        /// The number that is next now.
        next: u64,
    },
    /// A file of an issued invoice does not have the SHA-256 that was kept with it.
    #[error("the stored file is damaged: it does not have the SHA-256 that was kept with it")]
    Damaged,
    /// The passcode is in use by another conference.
    #[error("this passcode is in use")]
    PasscodeTaken,
    /// The conference has this passcode already, for the same role or another.
    #[error("the conference has this passcode already")]
    PasscodeTwice,
    /// The passcode is too easy to guess.
    #[error("this passcode is too easy to guess")]
    PasscodeWeak,
    /// The passcode is not 4 to 12 decimal digits, a random one not 6 to 12.
    #[error("a passcode has 4 to 12 decimal digits, a random one at least 6")]
    PasscodeShape,
    /// The passcode cannot be unsealed: the key file is not the one it was sealed with.
    #[error("the passcode cannot be unsealed with this key")]
    Unseal,
    /// The system gave no randomness.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
}
