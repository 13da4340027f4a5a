//! Handshakes of DTLS-SRTP (RFC 5763, RFC 5764): the keys of encrypted sound, agreed on by the ports
//! that it goes by.
//!
//! [`Certified`] makes handshakes for the control plane, all with one certificate that nobody has
//! signed: the far end knows it by the fingerprint in the session description, as we know its own.
//! Input and time go in and outputs come out, as in the cores; random numbers are the system's.
//!
//! DTLS 1.2 alone is spoken, since every far end has it. Not done here: RSA (a far end with such a
//! certificate gets no keys), sessions resumed, and data of applications, which is dropped.

#![forbid(unsafe_code)]

mod clock;
mod handshake;
mod records;

use std::sync::Arc;
use std::time::Duration;

use dimpl::{Config, DtlsCertificate};
use partyline_model::{DtlsRole, Fingerprint, FingerprintHash, Handshake, Handshakes, Time};
use sha2::{Digest, Sha256};

use clock::Origin;
use handshake::Ours;

/// How long a handshake may take from its first message to its keys.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// When a flight is sent again for the first time; the time doubles with each. A caller waits for his
/// first word meanwhile, so that it is less than the second of RFC 6347 §4.2.4.1.
const FIRST_REPEAT: Duration = Duration::from_millis(500);
/// Flights that are sent again: as many as there is time for.
const REPEATS: usize = 5;
/// The octets of a name that says nothing.
const NAME: &str = "partyline";

/// No handshake can be made.
#[derive(Debug, thiserror::Error)]
pub enum DtlsError {
    /// The system gives no random numbers, or the key cannot be made.
    #[error("cannot make a certificate for DTLS-SRTP")]
    Certificate(#[source] rcgen::Error),
    /// The library refuses its own configuration.
    #[error("cannot set DTLS up")]
    Setup(#[source] dimpl::Error),
}

/// Makes handshakes with one certificate.
pub struct Certified {
    config: Arc<Config>,
    certificate: DtlsCertificate,
    fingerprint: Fingerprint,
    origin: Origin,
}

impl Certified {
    /// Makes a key (ECDSA, P-256) and a certificate for it. They are held in memory only and are
    /// others with each start.
    ///
    /// # Errors
    /// [`DtlsError`] when the system gives no random numbers.
    pub fn new() -> Result<Self, DtlsError> {
        let certificate = new_certificate().map_err(DtlsError::Certificate)?;
        let hash = Sha256::digest(&certificate.certificate);
        let config = Config::builder()
            .dtls13_cipher_suites(&[])
            .flight_start_rto(FIRST_REPEAT)
            .flight_retries(REPEATS)
            .handshake_timeout(PATIENCE)
            .build()
            .map_err(DtlsError::Setup)?;
        Ok(Self {
            config: Arc::new(config),
            certificate,
            fingerprint: Fingerprint::new(FingerprintHash::Sha256, &hash)
                .expect("SHA-256 gives as many octets as its fingerprints have"),
            origin: Origin::new(),
        })
    }
}

/// The subject says nothing of the machine: whoever calls gets to see it.
fn new_certificate() -> Result<DtlsCertificate, rcgen::Error> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut parameters = rcgen::CertificateParams::new([])?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, NAME);
    let certificate = parameters.self_signed(&key)?;
    Ok(DtlsCertificate {
        certificate: certificate.der().to_vec(),
        private_key: key.serialize_der(),
    })
}

impl Handshakes for Certified {
    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn begin(&mut self, now: Time, role: DtlsRole, theirs: &[Fingerprint]) -> Box<dyn Handshake> {
        let (config, certificate) = (Arc::clone(&self.config), self.certificate.clone());
        Box::new(Ours::begin(config, certificate, (self.origin, now), role, theirs))
    }
}
