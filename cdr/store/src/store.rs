//! The SQLite file: opened privately, brought up to date, shared by all who read and write it.

use std::borrow::Cow;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use partyline_model::Uuid;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row, SqlSafeStr, Sqlite, SqlitePool, Transaction};

use crate::StoreError;

/// The store. Clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) pool: SqlitePool,
}

/// How long a writer waits for another before it gives up.
const BUSY: Duration = Duration::from_secs(10);

impl Store {
    /// Opens the file at `path`, makes it and its folder when missing, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Exposed`] when others than the owner may read the file;
    /// [`StoreError::Database`], [`StoreError::Migrate`], [`StoreError::Io`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        make_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        migrations().run(&pool).await?;
        Ok(Self { pool })
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

/// Makes the file with mode 0600; SQLite gives its companions (`-wal`, `-shm`) the same.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(io)?;
    refuse_exposed(path, &file.metadata().map_err(io)?)
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
