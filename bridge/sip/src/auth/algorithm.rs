//! Hash functions and what digest makes of them (RFC 7616 §3.4, RFC 8760 §2.1).

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use zeroize::{Zeroize, Zeroizing};

/// The longest digest in hexadecimal digits.
const MOST_HEX: usize = 64;

/// A hash function that we speak, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// MD5 (RFC 3261 §22.4): broken, and all that many trunks and phones speak.
    Md5,
    /// SHA-512 cut to 256 bits by its own start value (RFC 7616 §3.2).
    Sha512T256,
    /// SHA-256.
    Sha256,
}

impl Hash {
    /// Every function, in the order in which a server offers them (RFC 8760 §2.3).
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha512T256, Self::Md5];

    /// The token of the `algorithm` parameter.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512T256 => "SHA-512-256",
        }
    }

    /// How many hexadecimal digits a digest has.
    pub const fn hex_digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512T256 => MOST_HEX,
        }
    }

    /// `H(concat(parts joined by colons))` of RFC 7616 §3.3.
    pub(super) fn of(self, parts: &[&[u8]]) -> Hex {
        match self {
            Self::Md5 => hash::<Md5>(parts),
            Self::Sha256 => hash::<Sha256>(parts),
            Self::Sha512T256 => hash::<Sha512_256>(parts),
        }
    }
}

fn hash<D: Digest>(parts: &[&[u8]]) -> Hex {
    let mut hasher = D::new();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    let mut digest = hasher.finalize();
    let hex = Hex::write(&digest);
    digest.as_mut_slice().zeroize();
    hex
}

/// A digest in lower-case hexadecimal digits; wiped, since it may be worth a password.
#[derive(Clone)]
pub(super) struct Hex {
    digits: Zeroizing<[u8; MOST_HEX]>,
    len: usize,
}

impl Hex {
    /// The digits of at most 32 bytes.
    pub(super) fn write(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = Zeroizing::new([0; MOST_HEX]);
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self { digits, len: MOST_HEX.min(2 * bytes.len()) }
    }

    /// Reads digits in either case; `None` unless there are `len` of them and nothing else.
    pub(super) fn read(text: &[u8], len: usize) -> Option<Self> {
        let fits = text.len() == len && len <= MOST_HEX && text.iter().all(u8::is_ascii_hexdigit);
        let mut digits = Zeroizing::new([0; MOST_HEX]);
        for (digit, byte) in digits.iter_mut().zip(text) {
            *digit = byte.to_ascii_lowercase();
        }
        fits.then_some(Self { digits, len })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("hexadecimal digits are ASCII")
    }
}

/// The `algorithm` of a challenge: a hash function, and whether the first nonce and cnonce of a
/// session go into the secret (`-sess`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm {
    /// The function.
    pub hash: Hash,
    /// Whether the token ends in `-sess`.
    pub session: bool,
}

impl Algorithm {
    /// What a challenge without the parameter means (RFC 7616 §3.3).
    pub const DEFAULT: Self = Self { hash: Hash::Md5, session: false };

    /// Reads a token in any case; `None` for what we do not speak.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, session) = match text.len().checked_sub("-sess".len()) {
            Some(at) if text.get(at..).is_some_and(|end| end.eq_ignore_ascii_case("-sess")) => {
                (&text[..at], true)
            }
            Some(_) | None => (text, false),
        };
        let hash = Hash::ALL.into_iter().find(|hash| name.eq_ignore_ascii_case(hash.token()))?;
        Some(Self { hash, session })
    }

    /// What the token has after the function's.
    pub(super) const fn suffix(self) -> &'static str {
        if self.session { "-sess" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_in_any_case() {
        for hash in Hash::ALL {
            for (session, end) in [(false, ""), (true, "-SESS")] {
                let text = format!("{}{end}", hash.token().to_ascii_lowercase());
                assert_eq!(Algorithm::parse(&text), Some(Algorithm { hash, session }));
            }
        }
        for unknown in ["", "-sess", "SHA-1", "AKAv1-MD5", "MD5-sess-sess", "é-sess", "SHA-256é"]
        {
            assert_eq!(Algorithm::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        // RFC 1321 A.5, FIPS 180-4 examples.
        let cases = [
            (Hash::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Hash::Sha512T256, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
        ];
        for (hash, digest) in cases {
            assert_eq!(hash.of(&[b"abc"]).as_str(), digest);
            assert_eq!(hash.hex_digits(), digest.len());
            assert_eq!(hash.of(&[b"a", b"", b"c"]).as_str(), hash.of(&[b"a::c"]).as_str());
        }
    }

    #[test]
    fn hexadecimal_digits_are_taken_in_both_cases_and_in_full() {
        let read = |text: &[u8], len| Hex::read(text, len).map(|hex| hex.as_str().to_owned());
        assert_eq!(read(b"00aBfF", 6).as_deref(), Some("00abff"));
        for (text, len) in [(&b"00aBf"[..], 6), (b"00aBfF0", 6), (b"00aBfg", 6), (&[b'0'; 66], 66)]
        {
            assert_eq!(read(text, len), None);
        }
    }
}
