//! What both sides of an encrypted stream agree on: a suite of algorithms and a master key.

use std::fmt;

use zeroize::Zeroize;

/// The octets of the longest master key and salt together: AES-256 in counter mode.
const LONGEST: usize = 46;

/// A crypto suite of SRTP: which cipher, which authentication (RFC 4568 §6.2, RFC 6188, RFC 7714).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SrtpSuite {
    /// AES-128 in counter mode, HMAC-SHA1 of 80 bits (RFC 4568 §6.2.1).
    Aes128HmacSha1_80,
    /// AES-256 in counter mode, HMAC-SHA1 of 80 bits (RFC 6188).
    Aes256HmacSha1_80,
    /// AES-128-GCM with a tag of 128 bits (RFC 7714).
    Aes128Gcm,
    /// AES-256-GCM with a tag of 128 bits (RFC 7714).
    Aes256Gcm,
    /// AES-128 in counter mode, HMAC-SHA1 of 32 bits for RTP, of 80 for RTCP (RFC 4568 §6.2.2).
    Aes128HmacSha1_32,
}

impl SrtpSuite {
    /// Every suite, in the order that ours are offered and chosen by: first what everybody has, last
    /// the tag that is short enough to be guessed.
    pub const ALL: [Self; 5] = [
        Self::Aes128HmacSha1_80,
        Self::Aes256HmacSha1_80,
        Self::Aes128Gcm,
        Self::Aes256Gcm,
        Self::Aes128HmacSha1_32,
    ];

    /// The octets of the suite's master key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128HmacSha1_80 | Self::Aes128HmacSha1_32 | Self::Aes128Gcm => 16,
            Self::Aes256HmacSha1_80 | Self::Aes256Gcm => 32,
        }
    }

    /// The octets of the suite's master salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::Aes128HmacSha1_80 | Self::Aes256HmacSha1_80 | Self::Aes128HmacSha1_32 => 14,
            Self::Aes128Gcm | Self::Aes256Gcm => 12,
        }
    }

    /// The octets of master key and master salt together.
    pub const fn master_len(self) -> usize {
        self.key_len() + self.salt_len()
    }

    /// The suite's name in SDP (RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §14.2).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Aes256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::Aes128Gcm => "AEAD_AES_128_GCM",
            Self::Aes256Gcm => "AEAD_AES_256_GCM",
            Self::Aes128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }
}

/// A master key and salt of SRTP with their suite. The key is wiped when it goes, compared in
/// constant time, and never printed.
#[derive(Clone)]
pub struct SrtpKey {
    suite: SrtpSuite,
    octets: [u8; LONGEST],
}

impl SrtpKey {
    /// The key whose first octets are the master key and whose next ones the salt; `None` when
    /// there are not [`SrtpSuite::master_len`] of them.
    pub fn new(suite: SrtpSuite, master: &[u8]) -> Option<Self> {
        let mut octets = [0; LONGEST];
        let place = octets.get_mut(..suite.master_len())?;
        (master.len() == place.len()).then(|| place.copy_from_slice(master))?;
        Some(Self { suite, octets })
    }

    /// The suite that the key is for.
    pub const fn suite(&self) -> SrtpSuite {
        self.suite
    }

    /// Master key and salt, one after the other, as `inline:` of RFC 4568 §6.1 has them.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..self.suite.master_len()]
    }

    /// The master key.
    pub fn key(&self) -> &[u8] {
        &self.octets[..self.suite.key_len()]
    }

    /// The master salt.
    pub fn salt(&self) -> &[u8] {
        &self.octets[self.suite.key_len()..self.suite.master_len()]
    }
}

impl Drop for SrtpKey {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

impl PartialEq for SrtpKey {
    fn eq(&self, other: &Self) -> bool {
        let differ = self.octets.iter().zip(&other.octets).fold(0, |sum, (a, b)| sum | (a ^ b));
        self.suite == other.suite && differ == 0
    }
}

impl Eq for SrtpKey {}

impl fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SrtpKey({}, redacted)", self.suite.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_octets_of_its_suite_and_no_others() {
        for suite in SrtpSuite::ALL {
            let master: Vec<u8> = (0..46).take(suite.master_len()).collect();
            let key = SrtpKey::new(suite, &master).unwrap();
            assert_eq!([key.key(), key.salt()].concat(), master);
            assert_eq!(key.octets(), master);
            assert_eq!(SrtpKey::new(suite, &master[1..]), None);
            assert_eq!(SrtpKey::new(suite, &[master.as_slice(), &[0]].concat()), None);
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = SrtpKey::new(SrtpSuite::Aes128Gcm, &[171; 28]).unwrap();
        assert_eq!(format!("{key:?}"), "SrtpKey(AEAD_AES_128_GCM, redacted)");
    }

    #[test]
    fn keys_differ_by_an_octet_or_by_their_suite() {
        let key = |suite, last| {
            let mut master = [7; 30];
            master[29] = last;
            SrtpKey::new(suite, &master).unwrap()
        };
        let one = key(SrtpSuite::Aes128HmacSha1_80, 7);
        assert_eq!(one, one.clone());
        assert_ne!(one, key(SrtpSuite::Aes128HmacSha1_80, 8));
        assert_ne!(one, key(SrtpSuite::Aes128HmacSha1_32, 7));
    }
}
