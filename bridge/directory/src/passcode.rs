//! Conference passcodes: looked up by keyed hash, never kept.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use partyline_model::{ConferenceId, PasscodeId, Role};
use partyline_secret::SecretDigits;
use sha2::Sha256;
use zeroize::Zeroizing;

/// One version of a conference passcode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passcode {
    /// The row of the store; a changed passcode is a new one. Records name it.
    pub id: PasscodeId,
    /// The conference that the passcode opens.
    pub conference: ConferenceId,
    /// What its callers may do.
    pub role: Role,
    /// The keyed hash that the passcode is found by.
    pub verifier: Verifier,
    /// What may be shown of it; see [`passcode_mask`].
    pub mask: String,
}

/// HMAC-SHA-256 of a passcode's digits under the [`Pepper`].
///
/// `Debug` does not print it: with the pepper it would give a short passcode away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verifier(pub [u8; 32]);

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

/// The key of every [`Verifier`]: 32 unpredictable bytes, kept apart from the store, since
/// passcodes are short enough to be tried one by one by whoever has both.
///
/// Wiped when dropped; there is no `Debug`, no `Clone` and no way to read it.
///
/// ```compile_fail,E0277
/// fn show(pepper: &partyline_directory::Pepper) -> String { format!("{pepper:?}") }
/// ```
pub struct Pepper(Zeroizing<[u8; 32]>);

impl Pepper {
    /// The key as it was read. The caller wipes what it read it into.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    fn mac(&self, digits: &[u8]) -> Verifier {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC has keys of any length");
        mac.update(digits);
        Verifier(mac.finalize().into_bytes().into())
    }

    /// The verifier of what a caller typed.
    pub(crate) fn typed(&self, digits: &SecretDigits) -> Verifier {
        digits.expose(|digits| self.mac(digits))
    }
}

/// The verifier of a new passcode, for the store. `digits` are `0` to `9`.
pub fn verifier(pepper: &Pepper, digits: &str) -> Verifier {
    pepper.mac(digits.as_bytes())
}

/// What may be shown of a passcode: its last two digits when it has eight or more (`••41`), and
/// nothing of a shorter one (`••`), where two digits would be much of it.
pub fn passcode_mask(digits: &str) -> String {
    let shown = digits.char_indices().nth_back(1).map_or("", |(at, _)| &digits[at..]);
    let long = digits.chars().count() >= 8;
    format!("••{}", if long { shown } else { "" })
}

#[cfg(test)]
mod tests {
    use partyline_model::Digit;
    use partyline_secret::Vault;

    use super::*;

    fn pepper() -> Pepper {
        let mut bytes = [0; 32];
        for (i, byte) in (0..).zip(&mut bytes) {
            *byte = i;
        }
        Pepper::new(&bytes)
    }

    #[test]
    fn a_verifier_is_the_hmac_of_the_characters() {
        // Computed with Python's hmac module.
        let expected = "45afde74b69f8f91be16b303ad3ad6b586a4525d1fb4d5afe9b5701e8fccae31";
        let Verifier(bytes) = verifier(&pepper(), "48151623");
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn typed_digits_and_the_new_passcode_meet() {
        let mut vault = Vault::swappable().unwrap();
        let mut typed = vault.digits().unwrap();
        for c in "48151623".chars() {
            assert!(typed.push(Digit::from_char(c).unwrap()).is_ok());
        }
        assert!(pepper().typed(&typed) == verifier(&pepper(), "48151623"));
        assert!(pepper().typed(&typed) != verifier(&Pepper::new(&[0; 32]), "48151623"));
    }

    #[test]
    fn nothing_of_a_short_passcode_is_shown() {
        assert_eq!(passcode_mask("4815162"), "••");
        assert_eq!(passcode_mask("48151623"), "••23");
        assert_eq!(passcode_mask(""), "••");
    }

    #[test]
    fn debug_keeps_the_verifier_to_itself() {
        assert_eq!(format!("{:?}", Verifier([7; 32])), "Verifier(..)");
    }
}
