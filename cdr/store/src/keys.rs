//! The keys that lie beside the database and never in it: the pepper of passcode verifiers, the key
//! that passcodes are sealed with, and the one that Contacts of registrations are made with.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use partyline_directory::Pepper;
use partyline_model::ConferenceId;
use zeroize::Zeroizing;

use crate::StoreError;
use crate::folder::has_content;
use crate::store::refuse_exposed;

const NONCE: usize = 24;

/// The keys of passcodes. No `Debug`: there is nothing of them to show.
pub struct Keys {
    pepper: Arc<Pepper>,
    seal: XChaCha20Poly1305,
}

impl Keys {
    /// Reads `pepper.key` and `seal.key` in `dir`; makes what is missing, files 0600, folder 0700.
    ///
    /// A lost pepper makes every passcode invalid and a lost seal key makes them unreadable: both
    /// belong into the backup, apart from the database.
    ///
    /// # Errors
    /// [`StoreError::Exposed`], [`StoreError::KeyFile`], [`StoreError::Io`],
    /// [`StoreError::Random`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| StoreError::Io { path: dir.to_owned(), source })?;
        let pepper = Pepper::new(&*key(&dir.join("pepper.key"))?);
        let seal = key(&dir.join("seal.key"))?;
        let seal = XChaCha20Poly1305::new((&*seal).into());
        Ok(Self { pepper: Arc::new(pepper), seal })
    }

    /// As [`Keys::open`]; beside a database that is there nothing is made.
    ///
    /// # Errors
    /// [`StoreError::NoKeys`] when one is missing then; as [`Keys::open`].
    pub fn open_beside(dir: &Path, database: &Path) -> Result<Self, StoreError> {
        let all = ["pepper.key", "seal.key"].iter().all(|name| dir.join(name).exists());
        if has_content(database) && !all {
            return Err(StoreError::NoKeys(dir.to_owned()));
        }
        Self::open(dir)
    }

    /// The key of passcode verifiers.
    pub fn pepper(&self) -> Arc<Pepper> {
        self.pepper.clone()
    }

    /// Encrypts a passcode of `conference`; it opens for that conference only.
    pub(crate) fn seal(
        &self,
        digits: &str,
        conference: ConferenceId,
    ) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(StoreError::Random)?;
        let aad = conference.0.to_be_bytes();
        let payload = Payload { msg: digits.as_bytes(), aad: &aad };
        let sealed = self.seal.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| StoreError::Unseal)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Decrypts what [`Keys::seal`] gave.
    pub(crate) fn unseal(
        &self,
        sealed: &[u8],
        conference: ConferenceId,
    ) -> Result<Zeroizing<String>, StoreError> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE>().ok_or(StoreError::Unseal)?;
        let aad = conference.0.to_be_bytes();
        let opened = self.seal.decrypt(&XNonce::from(*nonce), Payload { msg, aad: &aad });
        let digits = opened.map_err(|_| StoreError::Unseal)?;
        String::from_utf8(digits).map(Zeroizing::new).map_err(|_| StoreError::Unseal)
    }
}

/// The key in `dir` that the Contacts of registrations are made with (`contact.key`); made when it is
/// missing, file 0600. It belongs into no backup: with another key a trunk is reached by another
/// Contact, once its old registration has ended.
///
/// # Errors
/// [`StoreError::Exposed`], [`StoreError::KeyFile`], [`StoreError::Io`], [`StoreError::Random`].
pub fn contact_key(dir: &Path) -> Result<[u8; 32], StoreError> {
    key(&dir.join("contact.key")).map(|key| *key)
}

fn key(path: &Path) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    let mut bytes = Zeroizing::new([0; 32]);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            getrandom::fill(&mut *bytes).map_err(StoreError::Random)?;
            file.write_all(&*bytes).and_then(|()| file.sync_all()).map_err(io)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut file = fs::File::open(path).map_err(io)?;
            let metadata = file.metadata().map_err(io)?;
            refuse_exposed(path, &metadata)?;
            if metadata.len() != 32 {
                return Err(StoreError::KeyFile(path.to_owned()));
            }
            file.read_exact(&mut *bytes).map_err(io)?;
        }
        Err(error) => return Err(io(error)),
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_passcode_opens_with_its_key_and_for_its_conference_only() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let keys = Keys::open(one.path()).unwrap();
        let sealed = keys.seal("48151623", ConferenceId(1)).unwrap();
        let again = Keys::open(one.path()).unwrap();
        assert_eq!(&*again.unseal(&sealed, ConferenceId(1)).unwrap(), "48151623");
        assert!(again.unseal(&sealed, ConferenceId(2)).is_err());
        let stranger = Keys::open(other.path()).unwrap();
        assert!(stranger.unseal(&sealed, ConferenceId(1)).is_err());
        assert!(!sealed.windows(8).any(|window| window == b"48151623"));
    }

    #[test]
    fn a_key_file_of_the_wrong_length_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(Keys::open(dir.path()).unwrap());
        fs::write(dir.path().join("seal.key"), b"short").unwrap();
        assert!(matches!(Keys::open(dir.path()), Err(StoreError::KeyFile(_))));
    }
}
