//! What must never be printed: passwords, and the digests that are as good as one.

use std::fmt;

use zeroize::Zeroizing;

use super::algorithm::{Hash, Hex};

/// A password, wiped when dropped. It can be neither printed nor compared.
///
/// ```compile_fail,E0277
/// fn show(password: &partyline_sip::auth::Password) -> String { format!("{password:?}") }
/// ```
/// ```compile_fail,E0277
/// fn show(password: &partyline_sip::auth::Password) -> String { format!("{password}") }
/// ```
/// ```compile_fail,E0369
/// fn same(password: &partyline_sip::auth::Password) -> bool { password == password }
/// ```
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// The password as it was read: any octets, usually UTF-8.
    pub fn new(octets: Zeroizing<Vec<u8>>) -> Self {
        Self(octets)
    }

    /// `H(A1)` for a user in a realm (RFC 7616 §3.4.2).
    pub(super) fn ha1(&self, hash: Hash, user: &str, realm: &str) -> Hex {
        hash.of(&[user.as_bytes(), realm.as_bytes(), &self.0])
    }
}

/// The text is not the hexadecimal digest of its hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHex;

impl fmt::Display for NotHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a digest: expected 32 hexadecimal digits for MD5, 64 for SHA-256")
    }
}

impl std::error::Error for NotHex {}

/// What a user of ours is known by: `H(A1)` for each hash function that he may use, so that his
/// password need not be kept. Each is worth the password in its realm.
///
/// ```compile_fail,E0277
/// fn show(ha1: &partyline_sip::auth::Ha1) -> String { format!("{ha1:?}") }
/// ```
#[derive(Default)]
pub struct Ha1 {
    md5: Option<Hex>,
    sha256: Option<Hex>,
    sha512_256: Option<Hex>,
}

impl Ha1 {
    /// The digests of a password by every function.
    pub fn of(user: &str, realm: &str, password: &Password) -> Self {
        let ha1 = |hash| Some(password.ha1(hash, user, realm));
        Self { md5: ha1(Hash::Md5), sha256: ha1(Hash::Sha256), sha512_256: ha1(Hash::Sha512T256) }
    }

    /// Leaves the digests of some functions only.
    #[must_use]
    pub fn by(self, hashes: &[Hash]) -> Self {
        let keep = |hash, hex: Option<Hex>| hex.filter(|_| hashes.contains(&hash));
        Self {
            md5: keep(Hash::Md5, self.md5),
            sha256: keep(Hash::Sha256, self.sha256),
            sha512_256: keep(Hash::Sha512T256, self.sha512_256),
        }
    }

    /// Adds one digest from its hexadecimal digits, as `htdigest` writes it. A user can only use
    /// the functions that there is a digest for.
    ///
    /// # Errors
    /// [`NotHex`] when there are too many or too few digits, or others.
    pub fn set(&mut self, hash: Hash, digits: &[u8]) -> Result<(), NotHex> {
        let hex = Hex::read(digits, hash.hex_digits()).ok_or(NotHex)?;
        match hash {
            Hash::Md5 => self.md5 = Some(hex),
            Hash::Sha256 => self.sha256 = Some(hex),
            Hash::Sha512T256 => self.sha512_256 = Some(hex),
        }
        Ok(())
    }

    pub(super) fn get(&self, hash: Hash) -> Option<&Hex> {
        match hash {
            Hash::Md5 => self.md5.as_ref(),
            Hash::Sha256 => self.sha256.as_ref(),
            Hash::Sha512T256 => self.sha512_256.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_and_its_digest_are_worth_the_same() {
        let password = Password::new(Zeroizing::new(b"Circle Of Life".to_vec()));
        let known = Ha1::of("Mufasa", "testrealm@host.com", &password);
        // RFC 2617 §3.5: HA1 of its example.
        let digits = b"939E7578ED9E3C518A452ACEE763BCE9";
        let mut kept = Ha1::default();
        assert_eq!(kept.set(Hash::Md5, digits), Ok(()));
        for ha1 in [&known, &kept] {
            let md5 = ha1.get(Hash::Md5).map(Hex::as_bytes);
            assert_eq!(md5, Some(&digits.to_ascii_lowercase()[..]));
        }
        assert!(kept.get(Hash::Sha256).is_none() && known.get(Hash::Sha256).is_some());
        assert_eq!(kept.set(Hash::Sha256, digits), Err(NotHex));
    }
}
