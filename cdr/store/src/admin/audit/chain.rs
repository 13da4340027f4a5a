//! The chain of entries: written, read, and held against its hashes.

use partyline_model::{AccountId, Uuid, WallTime};
use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, Sqlite, Transaction};

use super::{Actor, Entry, FieldChange};
use crate::StoreError;
use crate::store::{Store, int, unsigned};

/// Entries that are read at a time.
const PAGE: u32 = 500;
/// Breaks that are told.
const MOST_BREAKS: usize = 100;
/// Begins what is hashed: another form of an entry has another.
const FORM: &[u8] = b"partyline audit 1";

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Counts the entries from 1, without gaps.
    pub seq: u64,
    /// When.
    pub at: WallTime,
    /// By which way: the word of a [`super::Via`].
    pub via: String,
    /// Who.
    pub actor: String,
    /// What.
    pub entry: Entry,
    /// The hash of the entry before.
    pub before: [u8; 32],
    /// The SHA-256 of all of this.
    pub hash: [u8; 32],
}

/// Where the chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Entries are not there.
    Missing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// The entry is not what was written.
    Changed(u64),
    /// The entry does not follow the one before it.
    Unlinked(u64),
}

/// What the hashes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Entries that are there.
    pub entries: u64,
    /// The hash of the last.
    pub last: Option<[u8; 32]>,
    /// Where the chain does not hold: the first of them.
    pub breaks: Vec<Break>,
    /// The number of the entry that has the hash which was asked for.
    pub noted: Option<u64>,
}

impl Audited {
    pub(super) fn next(
        seq: u64,
        before: [u8; 32],
        at: WallTime,
        actor: &Actor,
        entry: Entry,
    ) -> Self {
        let (via, actor) = (actor.via.as_str().to_owned(), actor.name.clone());
        let mut next = Self { seq, at, via, actor, entry, before, hash: [0; 32] };
        next.hash = next.digest();
        next
    }

    /// The SHA-256 of what the entry says. Each text has its length before it: no two entries are
    /// the same octets.
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut put = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        put(FORM);
        put(&self.before);
        put(&self.seq.to_be_bytes());
        put(&self.at.as_micros().to_be_bytes());
        let Entry { account, kind, object, name, act, fields } = &self.entry;
        let account = account.map(|id| id.0.to_string()).unwrap_or_default();
        for text in [&self.via, &self.actor, &account, &**kind, object, name, act] {
            put(text.as_bytes());
        }
        for FieldChange { field, before, after } in fields {
            put(field.as_bytes());
            for value in [before, after] {
                put(&[u8::from(value.is_some())]);
                put(value.as_deref().unwrap_or_default().as_bytes());
            }
        }
        hash.finalize().into()
    }
}

/// What the first entry of a data folder follows: a chain of another folder is none of this one.
pub(super) fn origin(folder: Uuid) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(FORM);
    hash.update(folder.0.to_be_bytes());
    hash.finalize().into()
}

/// Octets in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The number and the hash that the next entry follows. Where the last are gone, the next shows it.
pub(super) async fn end(
    tx: &mut Transaction<'static, Sqlite>,
    origin: [u8; 32],
) -> Result<(u64, [u8; 32]), StoreError> {
    let last = sqlx::query("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1");
    let before = match last.fetch_optional(&mut **tx).await? {
        Some(row) => hash(&row, "hash")?,
        None => origin,
    };
    Ok((given(tx).await?, before))
}

/// The highest number that an entry was ever given.
async fn given(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0), \
        coalesce((SELECT max(seq) FROM audit), 0)) AS seq";
    unsigned(&sqlx::query(row).fetch_one(connection).await?, "seq")
}

pub(super) async fn append(
    tx: &mut Transaction<'static, Sqlite>,
    audited: &Audited,
) -> Result<(), StoreError> {
    let Entry { account, kind, object, name, act, fields } = &audited.entry;
    let insert = "INSERT INTO audit (seq, at, via, actor, account_id, kind, object, name, act, \
        before, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(insert)
        .bind(int(audited.seq))
        .bind(audited.at.as_micros())
        .bind(&audited.via)
        .bind(&audited.actor)
        .bind(account.map(|id| int(id.0)))
        .bind(&**kind)
        .bind(object)
        .bind(name)
        .bind(&**act)
        .bind(audited.before.to_vec())
        .bind(audited.hash.to_vec())
        .execute(&mut **tx)
        .await?;
    for (n, change) in (0_i64..).zip(fields) {
        let insert =
            "INSERT INTO audit_field (seq, n, field, before, after) VALUES (?, ?, ?, ?, ?)";
        sqlx::query(insert)
            .bind(int(audited.seq))
            .bind(n)
            .bind(&*change.field)
            .bind(&change.before)
            .bind(&change.after)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

impl Store {
    /// Entries of the audit log behind number `after`, in their order: of one account, or of all,
    /// as many as a page has. An empty page is behind the last.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn audit(
        &self,
        after: u64,
        account: Option<AccountId>,
    ) -> Result<Vec<Audited>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let page = page(&mut tx, after, account).await?;
        tx.commit().await?;
        Ok(page)
    }

    /// Holds the audit log against its hashes, and looks for the entry that has the hash `noted`.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn verify_audit(&self, noted: Option<[u8; 32]>) -> Result<Verified, StoreError> {
        // One transaction: entries that are added meanwhile are not half seen.
        let mut tx = self.pool.begin().await?;
        let mut found = Verified { entries: 0, last: None, breaks: Vec::new(), noted: None };
        let (mut seq, mut before) = (0, origin(self.folder));
        loop {
            let page = page(&mut tx, seq, None).await?;
            if page.is_empty() {
                break;
            }
            for entry in page {
                if entry.seq != seq + 1 {
                    found.broken(Break::Missing { from: seq + 1, to: entry.seq.saturating_sub(1) });
                } else if entry.before != before {
                    found.broken(Break::Unlinked(entry.seq));
                }
                if entry.digest() != entry.hash {
                    found.broken(Break::Changed(entry.seq));
                }
                if Some(entry.hash) == noted {
                    found.noted = Some(entry.seq);
                }
                found.entries += 1;
                (seq, before) = (entry.seq, entry.hash);
                found.last = Some(entry.hash);
            }
        }
        let given = given(&mut tx).await?;
        if given > seq {
            found.broken(Break::Missing { from: seq + 1, to: given });
        }
        tx.commit().await?;
        Ok(found)
    }
}

impl Verified {
    fn broken(&mut self, at: Break) {
        if self.breaks.len() < MOST_BREAKS {
            self.breaks.push(at);
        }
    }
}

async fn page(
    connection: &mut SqliteConnection,
    after: u64,
    account: Option<AccountId>,
) -> Result<Vec<Audited>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM audit WHERE seq > ?1 AND (?2 IS NULL OR account_id = ?2) \
         ORDER BY seq LIMIT ?3",
    );
    let rows = rows.bind(int(after)).bind(account.map(|id| int(id.0))).bind(PAGE);
    let mut page = Vec::new();
    for row in rows.fetch_all(&mut *connection).await? {
        page.push(audited(&row)?);
    }
    for entry in &mut page {
        let fields = sqlx::query("SELECT * FROM audit_field WHERE seq = ? ORDER BY n");
        for row in fields.bind(int(entry.seq)).fetch_all(&mut *connection).await? {
            entry.entry.fields.push(FieldChange {
                field: row.try_get::<String, _>("field")?.into(),
                before: row.try_get("before")?,
                after: row.try_get("after")?,
            });
        }
    }
    Ok(page)
}

fn audited(row: &SqliteRow) -> Result<Audited, StoreError> {
    let account: Option<i64> = row.try_get("account_id")?;
    Ok(Audited {
        seq: unsigned(row, "seq")?,
        at: WallTime::from_micros(row.try_get("at")?),
        via: row.try_get("via")?,
        actor: row.try_get("actor")?,
        entry: Entry {
            account: account.map(|id| AccountId(id.unsigned_abs())),
            kind: row.try_get::<String, _>("kind")?.into(),
            object: row.try_get("object")?,
            name: row.try_get("name")?,
            act: row.try_get::<String, _>("act")?.into(),
            fields: Vec::new(),
        },
        before: hash(row, "before")?,
        hash: hash(row, "hash")?,
    })
}

/// A hash; one that has another length is none, and breaks the chain there.
fn hash(row: &SqliteRow, column: &'static str) -> Result<[u8; 32], StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    Ok(bytes.try_into().unwrap_or([0; 32]))
}
