//! The SQLite file: opened privately, brought up to date, shared by all who read and write it.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use partyline_model::Uuid;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection, Row, SqlSafeStr, Sqlite, SqlitePool, Transaction};

use crate::StoreError;
use crate::folder::{at, has_content};

/// The store. Clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: SqlitePool,
    pub(crate) folder: Uuid,
    /// The file that was opened, with its device and number.
    file: Arc<(PathBuf, u64, u64)>,
}

/// How long a writer waits for another before it gives up.
const BUSY: Duration = Duration::from_secs(10);

impl Store {
    /// Opens the file at `path`, makes it and its folder when missing, and brings its schema up to
    /// date. On a disk that is read only it can be read.
    ///
    /// # Errors
    /// [`StoreError::Exposed`] when others than the owner may read the file;
    /// [`StoreError::Database`], [`StoreError::Migrate`], [`StoreError::Io`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_for(path, None).await
    }

    /// A database that is thrown away after use, or made durable as a whole by the caller.
    pub(crate) async fn open_scratch(
        path: &Path,
        folder: Option<Uuid>,
    ) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .journal_mode(SqliteJournalMode::Off)
            .synchronous(SqliteSynchronous::Off);
        Self::open_with(path, options, folder).await
    }

    /// As [`Store::open`]; a database that does not know its data folder is given `folder`, or an
    /// identity of its own.
    pub(crate) async fn open_for(path: &Path, folder: Option<Uuid>) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        Self::open_with(path, options, folder).await
    }

    async fn open_with(
        path: &Path,
        options: SqliteConnectOptions,
        folder: Option<Uuid>,
    ) -> Result<Self, StoreError> {
        let options = options.filename(path).foreign_keys(true).busy_timeout(BUSY);
        let options = match make_private(path)? {
            Access::Full => options,
            Access::Reading => options.read_only(true).immutable(!has_content(&log_of(path))),
        };
        let pool = pool_options().connect_with(options).await?;
        migrations().run(&pool).await.map_err(newer)?;
        let folder = match folder {
            Some(folder) => folder,
            None => random()?,
        };
        let id = "INSERT INTO data_folder (id, folder) VALUES (1, ?) ON CONFLICT DO NOTHING";
        let known = "SELECT folder FROM data_folder";
        let known = match sqlx::query_scalar(known).fetch_optional(&pool).await? {
            Some(known) => known,
            None => {
                sqlx::query(id).bind(blob(folder)).execute(&pool).await?;
                sqlx::query_scalar(known).fetch_one(&pool).await?
            }
        };
        let known: Vec<u8> = known;
        let file = fs::metadata(path).map_err(at(path))?;
        let file = Arc::new((path.to_owned(), file.dev(), file.ino()));
        Ok(Self { pool, folder: uuid(&known, "folder")?, file })
    }

    /// Makes sure that the file which was opened is still where others open it: what is written
    /// into a removed one is lost.
    pub(crate) fn ensure_in_place(&self) -> Result<(), StoreError> {
        let (path, device, number) = &*self.file;
        let there = fs::metadata(path);
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (*device, *number)) {
            Ok(())
        } else {
            Err(StoreError::Displaced(path.clone()))
        }
    }

    /// The data folder that this is the database of.
    pub const fn folder(&self) -> Uuid {
        self.folder
    }

    /// Closes all connections.
    pub async fn close(self) {
        self.pool.close().await;
    }

    /// A transaction that is the only writer from its beginning, so that what it reads stays true.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// Four connections. SQLite ends a transaction by itself when the disk is full or fails; the
/// connection does not learn of it and would refuse every later one. So whatever comes back within
/// a transaction is closed and replaced.
fn pool_options() -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(4).after_release(|connection, _| {
        Box::pin(async move {
            // The rollback of a dropped transaction is carried out before the answer to this.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    })
}

fn random() -> Result<Uuid, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(StoreError::Random)?;
    Ok(Uuid(u128::from_be_bytes(bytes)))
}

/// A database with migrations that this program does not have was written by a later one.
fn newer(error: MigrateError) -> StoreError {
    if let MigrateError::VersionMissing(version) = error {
        return StoreError::Newer { version };
    }
    StoreError::Migrate(error)
}

/// What the disk lets be done with the file.
enum Access {
    Full,
    /// The disk is read only: what is there can be listed, copied and written again elsewhere.
    Reading,
}

/// Makes the file with mode 0600; SQLite gives its companions (`-wal`, `-shm`) the same.
fn make_private(path: &Path) -> Result<Access, StoreError> {
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at(dir))?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let (file, access) = match options.open(path) {
        Ok(file) => (file, Access::Full),
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
            (File::open(path).map_err(at(path))?, Access::Reading)
        }
        Err(error) => return Err(at(path)(error)),
    };
    refuse_exposed(path, &file.metadata().map_err(at(path))?)?;
    Ok(access)
}

/// The file of what was committed and is not yet in the database's own.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Refuses a file that others than its owner may read or write.
pub(crate) fn refuse_exposed(path: &Path, metadata: &fs::Metadata) -> Result<(), StoreError> {
    if metadata.permissions().mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(StoreError::Exposed(path.to_owned()))
    }
}

fn migrations() -> Migrator {
    let embedded = [
        (1, "records", include_str!("../migrations/sqlite/0001_records.sql")),
        (2, "directory", include_str!("../migrations/sqlite/0002_directory.sql")),
        (3, "money", include_str!("../migrations/sqlite/0003_money.sql")),
        (4, "folder", include_str!("../migrations/sqlite/0004_folder.sql")),
        (5, "invoice files", include_str!("../migrations/sqlite/0005_invoice_files.sql")),
        (6, "removed", include_str!("../migrations/sqlite/0006_removed.sql")),
        (7, "numbers", include_str!("../migrations/sqlite/0007_numbers.sql")),
        (8, "places", include_str!("../migrations/sqlite/0008_places.sql")),
        (9, "audit", include_str!("../migrations/sqlite/0009_audit.sql")),
    ];
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        let sql = sql.into_sql_str();
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(embedded.map(migration).to_vec())
}

/// An unsigned number as SQLite keeps it; one beyond its range becomes the largest.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// An identifier as SQLite keeps it: 16 bytes, the most significant first.
pub(crate) fn blob(id: Uuid) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

/// An identifier from the bytes of a column.
pub(crate) fn uuid(bytes: &[u8], column: &'static str) -> Result<Uuid, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Column(column))?;
    Ok(Uuid(u128::from_be_bytes(bytes)))
}

/// A column that holds a number that is not negative.
pub(crate) fn unsigned(row: &SqliteRow, column: &'static str) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| StoreError::Column(column))
}

/// A column whose text stands for a value.
pub(crate) fn parsed<T: std::str::FromStr>(
    row: &SqliteRow,
    column: &'static str,
) -> Result<T, StoreError> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|_| StoreError::Column(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_of_a_later_version_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("partyline.db");
        let store = Store::open(&path).await.unwrap();
        let later = "INSERT INTO _sqlx_migrations \
            SELECT 9999, 'later', installed_on, success, checksum, execution_time \
            FROM _sqlx_migrations WHERE version = 1";
        sqlx::query(later).execute(&store.pool).await.unwrap();
        store.close().await;
        let said = Store::open(&path).await.unwrap_err().to_string();
        assert!(said.contains("a later version of Partyline (schema 9999"), "{said}");
    }
}
