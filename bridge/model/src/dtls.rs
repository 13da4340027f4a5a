//! What signalling, the handshakes of DTLS-SRTP (RFC 5763) and media share: fingerprints of
//! certificates, who begins, and what a handshake is to those who drive it.
//!
//! Handshakes draw random numbers of the system, as every key exchange must; they are therefore
//! made outside of the cores, which see the traits here.

use std::fmt;

use crate::{SrtpKey, Time};

/// A hash function of fingerprints (RFC 8122 §5); weaker ones than these are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FingerprintHash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl FingerprintHash {
    /// Every hash function, the weakest first.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name in SDP (RFC 8122 §5).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// The octets of a hash.
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// The hash of a certificate. It is no secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint {
    hash: FingerprintHash,
    octets: Box<[u8]>,
}

impl Fingerprint {
    /// A hash of as many octets as its function gives; `None` of any other length.
    pub fn new(hash: FingerprintHash, octets: &[u8]) -> Option<Self> {
        (octets.len() == hash.octets()).then(|| Self { hash, octets: octets.into() })
    }

    /// The hash function.
    pub const fn hash(&self) -> FingerprintHash {
        self.hash
    }

    /// The hash.
    pub const fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// As `a=fingerprint` has it: the function, and pairs of hexadecimal digits between colons.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        for (octet, before) in
            self.octets.iter().zip(std::iter::once(' ').chain(std::iter::repeat(':')))
        {
            write!(f, "{before}{octet:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Which end of a handshake somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DtlsRole {
    /// The end that begins (`a=setup:active`): the client of DTLS.
    Active,
    /// The end that waits for the other (`a=setup:passive`): the server of DTLS.
    Passive,
}

impl DtlsRole {
    /// The role of the other end.
    pub const fn reversed(self) -> Self {
        match self {
            Self::Active => Self::Passive,
            Self::Passive => Self::Active,
        }
    }
}

/// Why a handshake gave no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HandshakeFault {
    /// The certificate of the far end is not the one whose fingerprint it signalled.
    Fingerprint,
    /// Nothing, or too little, came from the far end in time.
    TimedOut,
    /// The far end speaks another version, has no cipher or SRTP profile of ours, or broke the
    /// protocol.
    Failed,
}

impl HandshakeFault {
    /// Every fault.
    pub const ALL: [Self; 3] = [Self::Fingerprint, Self::TimedOut, Self::Failed];

    /// As metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fingerprint => "fingerprint",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for HandshakeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fingerprint => {
                "the far end's certificate is not the one that it signalled (a=fingerprint)"
            }
            Self::TimedOut => "the far end did not complete its DTLS handshake in time",
            Self::Failed => "the DTLS handshake failed: another version, cipher or SRTP profile",
        })
    }
}

/// What a handshake wants.
#[derive(Debug)]
pub enum HandshakeOutput {
    /// Send this to the far end.
    Send(Box<[u8]>),
    /// The far end is who it said that it is, and these are the keys of both directions. Said once.
    Keys {
        /// What we send is protected with it.
        ours: SrtpKey,
        /// What the far end sends is protected with it.
        theirs: SrtpKey,
    },
    /// A datagram had an alert that anybody may have written: it was not believed. A far end that
    /// has really given up says no more, and time tells.
    Ignored,
    /// The handshake is over, without keys or after them; nothing more comes of it.
    Failed(HandshakeFault),
}

/// One handshake, with the far end that has one of some fingerprints: fed with datagrams and time,
/// and polled until it has no more to say. Whatever a datagram holds, the worst that comes of it is
/// [`HandshakeOutput::Failed`].
pub trait Handshake: Send {
    /// A datagram came from the far end.
    fn handle_datagram(&mut self, now: Time, datagram: &[u8]);
    /// [`Handshake::poll_timeout`] is reached.
    fn handle_timeout(&mut self, now: Time);
    /// The next thing to do, until `None`.
    fn poll_output(&mut self) -> Option<HandshakeOutput>;
    /// When to call [`Handshake::handle_timeout`].
    fn poll_timeout(&self) -> Option<Time>;
}

/// Who makes handshakes, all with one certificate.
pub trait Handshakes: Send {
    /// The certificate's fingerprint, for descriptions.
    fn fingerprint(&self) -> &Fingerprint;
    /// Begins a handshake with a far end whose certificate has one of these fingerprints.
    fn begin(&mut self, now: Time, role: DtlsRole, theirs: &[Fingerprint]) -> Box<dyn Handshake>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_has_the_length_of_its_hash_and_is_written_in_pairs() {
        for hash in FingerprintHash::ALL {
            let octets = vec![0xA5; hash.octets()];
            let text = Fingerprint::new(hash, &octets).unwrap().to_string();
            assert_eq!(text.split(' ').next(), Some(hash.name()));
            assert_eq!(text.matches(':').count(), hash.octets() - 1);
            assert!(text.ends_with("A5:A5"), "{text}");
            assert_eq!(Fingerprint::new(hash, &octets[1..]), None);
        }
    }
}
