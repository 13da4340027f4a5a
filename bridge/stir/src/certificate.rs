//! Certificates of carriers (RFC 8226): whether an authority vouches for them, and for which numbers.

use std::fmt;
use std::time::Duration;

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{DerSignature, Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey;
use partyline_model::WallTime;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
    TrustAnchor, UnixTime, alg_id,
};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter};
use x509_cert::Certificate as Parsed;
use x509_cert::der::asn1::{AnyRef, Ia5StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Reader, SliceReader, Tag, Tagged};
use x509_cert::ext::pkix::KeyUsage;

use crate::verdict::Reason;

/// `id-pe-TNAuthList` (RFC 8226 §9).
const TN_AUTH_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.26");
/// The most certificates that one place may have: the carrier's own, and the way to its authority.
const MOST_CERTIFICATES: usize = 6;

/// The authorities that are believed.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<TrustAnchor<'static>>);

/// A text without a certificate that could be an authority's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAuthority;

impl fmt::Display for NoAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected certificates of authorities in PEM, and nothing else")
    }
}

impl std::error::Error for NoAuthority {}

impl Authorities {
    /// Believes the authorities in `pem` from now on.
    ///
    /// # Errors
    /// [`NoAuthority`] when there is none in it, or one that cannot be read.
    pub fn add(&mut self, pem: &[u8]) -> Result<(), NoAuthority> {
        let before = self.0.len();
        for der in CertificateDer::pem_slice_iter(pem) {
            let der = der.map_err(|_| NoAuthority)?;
            let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|_| NoAuthority)?;
            self.0.push(anchor.to_owned());
        }
        if self.0.len() > before { Ok(()) } else { Err(NoAuthority) }
    }

    /// Whether nobody is believed.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A carrier's certificate that an authority vouches for.
#[derive(Clone, Debug)]
pub struct Certificate {
    key: VerifyingKey,
    numbers: Numbers,
    /// Until when all certificates on the way to the authority are valid; seconds since 1970.
    until: u64,
}

impl Certificate {
    /// Reads what was found where a token says that its certificate is.
    ///
    /// # Errors
    /// Why it cannot be used at `at`.
    pub fn read(pem: &[u8], authorities: &Authorities, at: WallTime) -> Result<Self, Reason> {
        let mut chain = Vec::new();
        for der in CertificateDer::pem_slice_iter(pem) {
            chain.push(der.map_err(|_| Reason::Certificate)?);
            if chain.len() > MOST_CERTIFICATES {
                return Err(Reason::TooLarge);
            }
        }
        let (own, others) = chain.split_first().ok_or(Reason::Certificate)?;
        let leaf = EndEntityCert::try_from(own).map_err(|_| Reason::Certificate)?;
        let path =
            leaf.verify_for_usage(&[&Es256], &authorities.0, others, unix(at), AnyUse, None, None);
        let path = path.map_err(reason)?;
        let parsed = Parsed::from_der(own).map_err(|_| Reason::Certificate)?;
        let mut until = ends(&parsed);
        for one in path.intermediate_certificates() {
            let one = Parsed::from_der(&one.der()).map_err(|_| Reason::Certificate)?;
            until = until.min(ends(&one));
        }
        let body = parsed.tbs_certificate();
        let usage = body.get_extension::<KeyUsage>().map_err(|_| Reason::Certificate)?;
        if usage.is_some_and(|(_, usage)| !usage.digital_signature()) {
            return Err(Reason::KeyUsage);
        }
        let mut extensions = body.extensions().into_iter().flatten();
        let list =
            extensions.find(|one| one.extn_id == TN_AUTH_LIST).ok_or(Reason::NotItsNumber)?;
        let numbers = Numbers::read(list.extn_value.as_bytes()).ok_or(Reason::Certificate)?;
        let key = VerifyingKey::from_public_key_der(&leaf.subject_public_key_info());
        let key = key.map_err(|_| Reason::Certificate)?;
        Ok(Self { key, numbers, until })
    }

    /// Whether it has signed `input`, and may sign for `number`.
    pub(crate) fn vouches(
        &self,
        at: WallTime,
        number: &str,
        input: &str,
        signature: &[u8; 64],
    ) -> Result<(), Reason> {
        if unix(at).as_secs() > self.until {
            return Err(Reason::Expired);
        }
        let signature = Signature::from_slice(signature).map_err(|_| Reason::Signature)?;
        self.key.verify(input.as_bytes(), &signature).map_err(|_| Reason::Signature)?;
        if self.numbers.have(number) { Ok(()) } else { Err(Reason::NotItsNumber) }
    }
}

fn ends(certificate: &Parsed) -> u64 {
    certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs()
}

fn unix(at: WallTime) -> UnixTime {
    let micros = u64::try_from(at.as_micros()).unwrap_or_default();
    UnixTime::since_unix_epoch(Duration::from_micros(micros))
}

/// What a way to an authority that is none comes from.
fn reason(error: Error) -> Reason {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library may add errors")]
    match error {
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => Reason::Expired,
        Error::UnknownIssuer => Reason::Untrusted,
        Error::BadDer | Error::BadDerTime | Error::UnsupportedCertVersion => Reason::Certificate,
        _ => Reason::Untrusted,
    }
}

/// Certificates for telephone numbers name no purpose; one that does is as good.
struct AnyUse;

impl ExtendedKeyUsageValidator for AnyUse {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

/// ECDSA with P-256 and SHA-256: ATIS-1000080 §5.3 allows nothing else.
#[derive(Debug)]
struct Es256;

impl SignatureVerificationAlgorithm for Es256 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }

    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = DerSignature::try_from(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature).map_err(|_| InvalidSignature)
    }
}

/// Which numbers a certificate is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Numbers {
    /// Whether a provider's code is among them: which numbers are his is nowhere to be asked.
    has_code: bool,
    /// First number, and how many.
    ranges: Vec<(Box<str>, u64)>,
}

impl Numbers {
    /// Reads `TNAuthorizationList`.
    fn read(octets: &[u8]) -> Option<Self> {
        let mut numbers = Self::default();
        let mut reader = SliceReader::new(octets).ok()?;
        let entries: Vec<AnyRef<'_>> = reader.decode().ok()?;
        if entries.is_empty() || !reader.is_finished() {
            return None;
        }
        for entry in entries {
            let Tag::ContextSpecific { constructed: true, number } = entry.tag() else {
                return None;
            };
            match number.value() {
                0 => {
                    Ia5StringRef::from_der(entry.value()).ok()?;
                    numbers.has_code = true;
                }
                1 => numbers.ranges.push(range(entry.value())?),
                2 => numbers.ranges.push((digits(entry.value())?, 1)),
                _ => return None,
            }
        }
        Some(numbers)
    }

    fn have(&self, number: &str) -> bool {
        let is_in = |(first, count): &(Box<str>, u64)| {
            let offset = || number.parse::<u64>().ok()?.checked_sub(first.parse().ok()?);
            **first == *number
                || first.len() == number.len() && offset().is_some_and(|offset| offset < *count)
        };
        self.has_code || self.ranges.iter().any(is_in)
    }
}

fn range(octets: &[u8]) -> Option<(Box<str>, u64)> {
    let mut reader = SliceReader::new(octets).ok()?;
    let found = reader.sequence(|inner| {
        let first = inner.decode::<Ia5StringRef<'_>>()?.as_str().into();
        let count = inner.decode::<u64>()?;
        Ok::<_, x509_cert::der::Error>((first, count))
    });
    found.ok()
}

fn digits(octets: &[u8]) -> Option<Box<str>> {
    Some(Ia5StringRef::from_der(octets).ok()?.as_str().into())
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn the_signature_of_rfc_7515_a_3_is_that_of_its_key() {
        let octets = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let (x, y) = (
            octets("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
            octets("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
        );
        let point = [&[4][..], &x, &y].concat();
        let key = VerifyingKey::from_sec1_bytes(&point).expect("a key");
        let numbers = Numbers { has_code: true, ranges: Vec::new() };
        let certificate = Certificate { key, numbers, until: 1_600_000_000 };
        let signature = octets(
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        );
        let signature: [u8; 64] = signature.try_into().expect("64 octets");
        let input = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6\
                     Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let vouches = |second: i64, input: &str, signature: &[u8; 64]| {
            certificate.vouches(WallTime::from_micros(second * 1_000_000), "1", input, signature)
        };
        let at = 1_500_000_000;
        assert_eq!(vouches(at, input, &signature), Ok(()));
        assert_eq!(vouches(at, &input[1..], &signature), Err(Reason::Signature));
        assert_eq!(vouches(at, input, &[0; 64]), Err(Reason::Signature));
        assert_eq!(vouches(at, input, &[0xff; 64]), Err(Reason::Signature));
        assert_eq!(vouches(1_600_000_001, input, &signature), Err(Reason::Expired));
    }

    #[test]
    fn a_certificate_is_for_the_numbers_that_it_lists_or_for_those_of_a_provider() {
        let read = |octets: &[u8]| Numbers::read(octets);
        let code = read(b"\x30\x08\xa0\x06\x16\x04709J").expect("a code");
        assert!(code.have("12025550100"));
        let one = read(b"\x30\x0f\xa2\x0d\x16\x0b12025550100").expect("one number");
        assert!(one.have("12025550100"));
        assert!(!one.have("12025550101"));
        let range = b"\x30\x14\xa1\x12\x30\x10\x16\x0b12025550100\x02\x01\x0a";
        let range = read(range).expect("a range");
        for (number, expected) in [
            ("12025550100", true),
            ("12025550109", true),
            ("12025550110", false),
            ("12025550099", false),
            ("012025550105", false),
            ("*2025550105", false),
            ("", false),
        ] {
            assert_eq!(range.have(number), expected, "{number}");
        }
        for bad in [
            &b""[..],
            b"\x30\x00",
            b"\x30\x08\xa3\x06\x16\x04709J",
            b"\x30\x08\xa0\x06\x0c\x04709J",
            b"\x30\x08\x80\x06\x16\x04709J",
            b"\x30\x08\xa0\x06\x16\x04709J\x00",
            b"\x30\x0f\xa1\x0d\x16\x0b12025550100",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_list_of_numbers_makes_it_panic(
            octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
            number in "[0-9*#]{0,20}",
        ) {
            let length = u8::try_from(octets.len()).unwrap_or_default();
            for form in [octets.clone(), [&[0x30, length][..], &octets].concat()] {
                if let Some(numbers) = Numbers::read(&form) {
                    numbers.have(&number);
                }
            }
        }
    }
}
