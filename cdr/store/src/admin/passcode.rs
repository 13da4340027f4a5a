//! Conference passcodes: made at random, kept as a keyed hash and sealed, retired and never reused.

use partyline_cdr_record::{role_from_name, role_name};
use partyline_directory::{passcode_mask, too_similar, usable_passcode, verifier, weak_passcode};
use partyline_model::{ConferenceId, Number, PasscodeId, Role};
use sqlx::Row;
use zeroize::Zeroizing;

use super::change::{Change, found, is_duplicate};
use super::directory::one_conference;
use crate::StoreError;
use crate::keys::Keys;
use crate::store::{Store, int, unsigned};

/// Digits of a random passcode unless asked otherwise.
const DEFAULT_LENGTH: usize = 8;
/// How many random passcodes are tried before giving up; all fail only when the range is full.
const TRIES: usize = 1000;

/// What to do about a passcode that is easy to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// Refuse it.
    Required,
    /// Take it: an administrator insists.
    WeakOk,
}

/// A passcode in use, without its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasscodeRow {
    /// The version of the passcode.
    pub id: PasscodeId,
    /// What it opens.
    pub conference: ConferenceId,
    /// What its callers may do.
    pub role: Role,
    /// What may be shown of it to everybody.
    pub mask: String,
}

impl Change {
    /// Adds a passcode with these digits.
    ///
    /// # Errors
    /// [`StoreError::PasscodeShape`], [`StoreError::PasscodeWeak`], also when it is one digit away
    /// from another of the conference; [`StoreError::PasscodeTwice`], [`StoreError::PasscodeTaken`],
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn add_passcode(
        &mut self,
        keys: &Keys,
        conference: ConferenceId,
        role: Role,
        digits: &str,
        strength: Strength,
    ) -> Result<PasscodeId, StoreError> {
        usable_passcode(digits).map_err(|_| StoreError::PasscodeShape)?;
        if strength == Strength::Required {
            let near = self.is_near_another(keys, conference, digits).await?;
            if near || weak_passcode(digits, &self.dial_in_numbers().await?).is_some() {
                return Err(StoreError::PasscodeWeak);
            }
        }
        let insert = "INSERT INTO passcode (conference_id, role, verifier, sealed, mask) \
            VALUES (?, ?, ?, ?, ?)";
        let done = sqlx::query(insert)
            .bind(int(conference.0))
            .bind(role_name(role))
            .bind(verifier(&keys.pepper(), digits).0.to_vec())
            .bind(keys.seal(digits, conference)?)
            .bind(passcode_mask(digits))
            .execute(&mut *self.tx)
            .await;
        match done {
            Ok(done) => {
                let of = one_conference(&mut self.tx, conference).await?;
                self.notes.passcode(&of, role, true);
                Ok(PasscodeId(done.last_insert_rowid().unsigned_abs()))
            }
            Err(error) if is_duplicate(&error) => {
                let owner: Option<i64> = sqlx::query_scalar(
                    "SELECT conference_id FROM passcode WHERE verifier = ? AND retired = 0",
                )
                .bind(verifier(&keys.pepper(), digits).0.to_vec())
                .fetch_optional(&mut *self.tx)
                .await?;
                let ours = owner == Some(int(conference.0));
                Err(if ours { StoreError::PasscodeTwice } else { StoreError::PasscodeTaken })
            }
            Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
                Err(StoreError::NotFound { kind: "conference", id: conference.0 })
            }
            Err(error) => Err(StoreError::Database(error)),
        }
    }

    /// Adds a random passcode of `length` digits, 8 unless given, and returns it to be shown once.
    ///
    /// # Errors
    /// As [`Change::add_passcode`]; [`StoreError::PasscodeShape`] below 6 or above 12 digits.
    pub async fn add_random_passcode(
        &mut self,
        keys: &Keys,
        conference: ConferenceId,
        role: Role,
        length: Option<usize>,
    ) -> Result<(PasscodeId, Zeroizing<String>), StoreError> {
        let length = length.unwrap_or(DEFAULT_LENGTH);
        if length < partyline_directory::MIN_STRONG_PASSCODE {
            return Err(StoreError::PasscodeShape);
        }
        for _ in 0..TRIES {
            let digits = random_digits(length)?;
            match self.add_passcode(keys, conference, role, &digits, Strength::Required).await {
                Ok(id) => return Ok((id, digits)),
                Err(
                    StoreError::PasscodeTaken
                    | StoreError::PasscodeTwice
                    | StoreError::PasscodeWeak,
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::PasscodeTaken)
    }

    /// Takes a passcode out of use. Its row stays, because records name it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Database`].
    pub async fn retire_passcode(&mut self, id: PasscodeId) -> Result<(), StoreError> {
        let update = sqlx::query("UPDATE passcode SET retired = 1 WHERE id = ? AND retired = 0");
        found(&update.bind(int(id.0)).execute(&mut *self.tx).await?, "passcode", id.0)?;
        let row = sqlx::query("SELECT conference_id, role FROM passcode WHERE id = ?");
        let row = row.bind(int(id.0)).fetch_one(&mut *self.tx).await?;
        let conference = ConferenceId(unsigned(&row, "conference_id")?);
        let of = one_conference(&mut self.tx, conference).await?;
        self.notes.passcode(&of, role(row.try_get("role")?)?, false);
        Ok(())
    }

    /// The digits of all passcodes of a conference, for those who may see them: the audit log says
    /// that they were shown, once this is committed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unseal`], [`StoreError::Database`].
    pub async fn show_passcodes(
        &mut self,
        keys: &Keys,
        conference: ConferenceId,
    ) -> Result<Vec<(Role, Zeroizing<String>)>, StoreError> {
        let of = one_conference(&mut self.tx, conference).await?;
        self.notes.passcodes_shown(&of);
        let rows = sqlx::query(
            "SELECT role, sealed FROM passcode WHERE conference_id = ? AND retired = 0 ORDER BY id",
        );
        let rows = rows.bind(int(conference.0)).fetch_all(&mut *self.tx).await?;
        let shown = rows.iter().map(|row| {
            let sealed: &[u8] = row.try_get("sealed")?;
            Ok((role(row.try_get("role")?)?, keys.unseal(sealed, conference)?))
        });
        shown.collect()
    }

    async fn is_near_another(
        &mut self,
        keys: &Keys,
        conference: ConferenceId,
        digits: &str,
    ) -> Result<bool, StoreError> {
        let others: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT sealed FROM passcode WHERE conference_id = ? AND retired = 0",
        )
        .bind(int(conference.0))
        .fetch_all(&mut *self.tx)
        .await?;
        for sealed in others {
            let other = keys.unseal(&sealed, conference)?;
            if *other != digits && too_similar(&other, digits) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn dial_in_numbers(&mut self) -> Result<Vec<Number>, StoreError> {
        let numbers = sqlx::query_scalar("SELECT number FROM dial_in");
        let numbers: Vec<String> = numbers.fetch_all(&mut *self.tx).await?;
        Ok(numbers.iter().filter_map(|number| number.parse().ok()).collect())
    }
}

impl Store {
    /// The passcodes of a conference that are in use.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn passcodes(&self, id: ConferenceId) -> Result<Vec<PasscodeRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, conference_id, role, mask FROM passcode \
             WHERE conference_id = ? AND retired = 0 ORDER BY id",
        );
        let rows = rows.bind(int(id.0)).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                Ok(PasscodeRow {
                    id: PasscodeId(unsigned(row, "id")?),
                    conference: ConferenceId(unsigned(row, "conference_id")?),
                    role: role(row.try_get("role")?)?,
                    mask: row.try_get("mask")?,
                })
            })
            .collect()
    }

    /// How many passcodes in use open with `keys`, and how many there are: with the keys of another
    /// folder none does, and none that a caller types would be taken.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Column`].
    pub async fn passcodes_of(&self, keys: &Keys) -> Result<(usize, usize), StoreError> {
        let rows =
            sqlx::query("SELECT conference_id, sealed, verifier FROM passcode WHERE retired = 0");
        let rows = rows.fetch_all(&self.pool).await?;
        let (pepper, mut open) = (keys.pepper(), 0);
        for row in &rows {
            let conference = ConferenceId(unsigned(row, "conference_id")?);
            let (sealed, kept): (&[u8], &[u8]) = (row.try_get("sealed")?, row.try_get("verifier")?);
            if let Ok(digits) = keys.unseal(sealed, conference) {
                open += usize::from(verifier(&pepper, &digits).0.as_slice() == kept);
            }
        }
        Ok((open, rows.len()))
    }

    /// The digits of a passcode, for those who may see them.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unseal`], [`StoreError::Database`].
    pub async fn reveal_passcode(
        &self,
        keys: &Keys,
        id: PasscodeId,
    ) -> Result<Zeroizing<String>, StoreError> {
        let row = sqlx::query("SELECT conference_id, sealed FROM passcode WHERE id = ?")
            .bind(int(id.0))
            .fetch_optional(&self.pool)
            .await?
            .ok_or(StoreError::NotFound { kind: "passcode", id: id.0 })?;
        let sealed: &[u8] = row.try_get("sealed")?;
        keys.unseal(sealed, ConferenceId(unsigned(&row, "conference_id")?))
    }
}

/// The role with this name in the store.
pub(super) fn role(name: &str) -> Result<Role, StoreError> {
    role_from_name(name).ok_or(StoreError::Column("role"))
}

/// Uniform digits: bytes of 250 and above are thrown away, or low digits would come more often.
fn random_digits(length: usize) -> Result<Zeroizing<String>, StoreError> {
    let mut digits = Zeroizing::new(String::with_capacity(length));
    while digits.len() < length {
        let mut byte = [0];
        getrandom::fill(&mut byte).map_err(StoreError::Random)?;
        if byte[0] < 250 {
            digits.push(char::from(b'0' + byte[0] % 10));
        }
    }
    Ok(digits)
}
