//! Tokens of our own.

use std::convert::Infallible;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::RandomizedSigner;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use p256::pkcs8::DecodePrivateKey;
use partyline_model::{IdSource, Number, Uuid, WallTime};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use crate::place::Place;
use crate::verdict::Attest;

/// Who calls whom, to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// How far we vouch for the caller's number.
    pub attest: Attest,
    /// Who calls.
    pub caller: Number,
    /// Who is called.
    pub callee: Number,
    /// When.
    pub at: WallTime,
    /// Where in our network the call began (RFC 8588 §5).
    pub origin: Uuid,
}

/// A key, and where its certificate is.
pub struct Signer {
    key: SigningKey,
    place: Place,
}

/// Shows no part of the key.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Why a key cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError;

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected an ECDSA key of the curve P-256 in PEM (PKCS #8), which begins with \
             -----BEGIN PRIVATE KEY-----",
        )
    }
}

impl std::error::Error for KeyError {}

impl Signer {
    /// A signer with the key in `pem`, whose certificate is at `place`.
    ///
    /// # Errors
    /// [`KeyError`] when there is no such key in it.
    pub fn new(pem: &[u8], place: Place) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyError)?;
        let key = SigningKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(|_| KeyError)?;
        Ok(Self { key, place })
    }

    /// The value of the Identity header for `claim`. `random` makes each token another: a far end
    /// may take two alike for a replay.
    pub fn sign(&self, claim: &Claim, random: &mut dyn IdSource) -> String {
        let place = &self.place;
        let Claim { attest, caller, callee, at, origin } = claim;
        let (attest, iat) = (attest.letter(), at.as_micros().div_euclid(1_000_000));
        // Canonical (RFC 8225 §9): keys in order, no blanks. Nothing in it needs an escape: a place
        // has neither quotes nor backslashes.
        let head = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{place}"}}"#);
        let body = format!(
            r#"{{"attest":"{attest}","dest":{{"tn":["{callee}"]}},"iat":{iat},"orig":{{"tn":"{caller}"}},"origid":"{origin}"}}"#
        );
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let input = format!("{}.{}", encode(&head), encode(&body));
        let signature: Signature = self.key.sign_with_rng(&mut Chance(random), input.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
        format!("{input}.{signature};info=<{place}>;alg=ES256;ppt=shaken")
    }
}

/// What is stirred into the nonce of RFC 6979, which is as safe without it.
struct Chance<'a>(&'a mut dyn IdSource);

impl TryRng for Chance<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets).map(|()| u32::from_be_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets).map(|()| u64::from_be_bytes(octets))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        for chunk in octets.chunks_mut(16) {
            let random = self.0.next_u128().to_be_bytes();
            chunk.iter_mut().zip(random).for_each(|(octet, random)| *octet = random);
        }
        Ok(())
    }
}

impl TryCryptoRng for Chance<'_> {}

/// The Date header (RFC 3261 §20.17) of `at`, which a verifier may hold against the token's.
pub fn sip_date(at: WallTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let day = at.as_micros().div_euclid(86_400_000_000).rem_euclid(7);
    let day = usize::try_from(day).ok().and_then(|day| DAYS.get(day)).copied().unwrap_or_default();
    // `2026-11-21T22:14:31.000000Z`
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or_default();
    let mut parts = date.rsplitn(3, '-');
    let (date, month, year) = (parts.next(), parts.next(), parts.next());
    let month = month.and_then(|month| month.parse::<usize>().ok()?.checked_sub(1));
    let month = month.and_then(|month| MONTHS.get(month)).copied().unwrap_or_default();
    let (date, year) = (date.unwrap_or_default(), year.unwrap_or_default());
    format!("{day}, {date} {month} {year} {} GMT", time.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_sip_has_it() {
        for (second, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_471_375_418, "Tue, 16 Aug 2016 19:23:38 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
        ] {
            assert_eq!(sip_date(WallTime::from_micros(second * 1_000_000)), expected);
        }
    }
}
