//! One handshake: who the far end is, and the keys that were agreed on with it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use dimpl::{Config, Dtls, DtlsCertificate, Error, Output, SrtpProfile};
use partyline_model::{
    DtlsRole, Fingerprint, FingerprintHash, Handshake, HandshakeFault, HandshakeOutput, SrtpKey,
    SrtpSuite, Time,
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::clock::Origin;
use crate::records::without_plain_alerts;

/// The octets of what is polled: as many as a datagram, and the longest certificate of a far end.
const BUFFER: usize = 2048;
/// A buffer that would have to be longer is a far end's doing.
const LONGEST: usize = 32 * 1024;
/// Outputs of one input: a flight has no more datagrams, and there are keys besides.
const MOST_OUTPUTS: usize = 64;
/// A timer that is further away is none.
const NEVER: Duration = Duration::from_secs(3_600);

/// The least that is waited for a timer.
const SOON: Duration = Duration::from_millis(1);

/// How far a handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is known of the far end.
    Unknown,
    /// The far end's certificate is the one that was signalled; whether it has the key for it, the
    /// library finds out.
    Named,
    /// The handshake is done, and its keys are to follow.
    Connected,
    /// The keys are there. What is lost of the last flight is sent again when the far end asks.
    Done,
    /// Nothing comes of it any more.
    Over,
}

/// A handshake with our certificate.
pub(crate) struct Ours {
    dtls: Option<Box<Dtls>>,
    origin: Origin,
    role: DtlsRole,
    theirs: Box<[Fingerprint]>,
    stage: Stage,
    next: Option<Time>,
    outputs: VecDeque<HandshakeOutput>,
    buffer: Vec<u8>,
}

impl Ours {
    pub(crate) fn begin(
        config: Arc<Config>,
        certificate: DtlsCertificate,
        (origin, now): (Origin, Time),
        role: DtlsRole,
        theirs: &[Fingerprint],
    ) -> Self {
        let mut dtls = Dtls::new_12(config, certificate, origin.instant(now));
        dtls.set_active(role == DtlsRole::Active);
        let mut begun = Self {
            dtls: Some(Box::new(dtls)),
            origin,
            role,
            theirs: theirs.into(),
            stage: Stage::Unknown,
            next: None,
            outputs: VecDeque::new(),
            buffer: vec![0; BUFFER],
        };
        begun.drive(now, |_| Ok(()));
        begun
    }

    /// Lets time pass, does something, and takes in what comes of it. The library is meant not to
    /// panic whatever a far end sends; should it, one call ends and no others.
    fn drive(&mut self, now: Time, act: impl FnOnce(&mut Dtls) -> Result<(), Error>) {
        let Some(mut dtls) = self.dtls.take() else { return };
        let instant = self.origin.instant(now);
        let driven = catch_unwind(AssertUnwindSafe(|| {
            let result = dtls.handle_timeout(instant).and_then(|()| act(&mut dtls));
            // What was said before it failed counts: a certificate may be the reason.
            self.drain(now, &mut dtls);
            result
        }));
        match driven {
            Ok(Ok(())) => {}
            Ok(Err(Error::Timeout(_))) => self.fail(HandshakeFault::TimedOut),
            Ok(Err(_)) | Err(_) => self.fail(HandshakeFault::Failed),
        }
        if self.stage != Stage::Over {
            self.dtls = Some(dtls);
        }
    }

    fn drain(&mut self, now: Time, dtls: &mut Dtls) {
        while self.stage != Stage::Over && self.outputs.len() < MOST_OUTPUTS {
            let mut buffer = std::mem::take(&mut self.buffer);
            let more = self.take(now, dtls.poll_output(&mut buffer));
            self.buffer = buffer;
            match more {
                More::Yes => {}
                More::Longer(needed) => self.buffer.resize(needed, 0),
                More::No => return,
            }
        }
    }

    fn take(&mut self, now: Time, output: Output<'_>) -> More {
        match output {
            Output::Packet(datagram) => {
                self.outputs.push_back(HandshakeOutput::Send(datagram.into()));
            }
            Output::BufferTooSmall { needed } if needed <= LONGEST => return More::Longer(needed),
            Output::BufferTooSmall { .. } => self.fail(HandshakeFault::Failed),
            // Without a profile of SRTP in common there are no keys.
            Output::Timeout(_) if self.stage == Stage::Connected => {
                self.fail(HandshakeFault::Failed);
            }
            Output::Timeout(at) => {
                let at = self.origin.time(at);
                // In the past it would be asked for again and again.
                self.next = Some(at.max(now + SOON)).filter(|&at| at - now < NEVER);
                return More::No;
            }
            Output::PeerCert(certificate) if self.is_signalled(certificate) => {
                self.stage = Stage::Named;
            }
            Output::PeerCert(_) => self.fail(HandshakeFault::Fingerprint),
            Output::KeyingMaterial(material, profile) => match self.keys(&material, profile) {
                Some(keys) => {
                    self.stage = Stage::Done;
                    self.outputs.push_back(keys);
                }
                None => self.fail(HandshakeFault::Failed),
            },
            Output::Connected if self.stage == Stage::Named => self.stage = Stage::Connected,
            Output::Connected => self.fail(HandshakeFault::Failed),
            // Data of applications is none of ours, and it is the signalling that ends a call.
            Output::ApplicationData(_) | Output::CloseNotify | _ => {}
        }
        More::Yes
    }

    /// Whether a certificate has one of the fingerprints that the far end signalled.
    fn is_signalled(&self, certificate: &[u8]) -> bool {
        self.theirs.iter().any(|fingerprint| match fingerprint.hash() {
            FingerprintHash::Sha256 => Sha256::digest(certificate)[..] == *fingerprint.octets(),
            FingerprintHash::Sha384 => Sha384::digest(certificate)[..] == *fingerprint.octets(),
            FingerprintHash::Sha512 => Sha512::digest(certificate)[..] == *fingerprint.octets(),
        })
    }

    /// The keys of both directions; `None` for a far end that did not show its certificate first.
    fn keys(&self, material: &[u8], profile: SrtpProfile) -> Option<HandshakeOutput> {
        if self.stage != Stage::Connected {
            return None;
        }
        let (client, server) = split(material, suite(profile)?)?;
        let (ours, theirs) = match self.role {
            DtlsRole::Active => (client, server),
            DtlsRole::Passive => (server, client),
        };
        Some(HandshakeOutput::Keys { ours, theirs })
    }

    fn fail(&mut self, fault: HandshakeFault) {
        if self.stage != Stage::Over {
            self.stage = Stage::Over;
            self.next = None;
            self.outputs.push_back(HandshakeOutput::Failed(fault));
        }
    }
}

/// Whether there is more to poll.
enum More {
    Yes,
    /// With a buffer of so many octets.
    Longer(usize),
    No,
}

impl Handshake for Ours {
    fn handle_datagram(&mut self, now: Time, datagram: &[u8]) {
        let (datagram, alerts) = without_plain_alerts(datagram);
        if alerts > 0 && self.stage != Stage::Over {
            self.outputs.push_back(HandshakeOutput::Ignored);
        }
        if !datagram.is_empty() {
            self.drive(now, |dtls| dtls.handle_packet(&datagram));
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        self.drive(now, |_| Ok(()));
    }

    fn poll_output(&mut self) -> Option<HandshakeOutput> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.next
    }
}

/// The suite of a profile (RFC 5764 §4.1.2, RFC 7714 §14.2).
const fn suite(profile: SrtpProfile) -> Option<SrtpSuite> {
    match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Some(SrtpSuite::Aes128HmacSha1_80),
        SrtpProfile::AEAD_AES_128_GCM => Some(SrtpSuite::Aes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(SrtpSuite::Aes256Gcm),
        _ => None,
    }
}

/// The keys of client and server in what was exported: both master keys, then both salts
/// (RFC 5764 §4.2).
fn split(material: &[u8], suite: SrtpSuite) -> Option<(SrtpKey, SrtpKey)> {
    let (keys, salts) = material.split_at_checked(2 * suite.key_len())?;
    let (client_key, server_key) = keys.split_at(suite.key_len());
    let (client_salt, server_salt) = salts.split_at_checked(suite.salt_len())?;
    let master = |key: &[u8], salt: &[u8]| {
        let octets = Zeroizing::new([key, salt].concat());
        SrtpKey::new(suite, &octets)
    };
    Some((master(client_key, client_salt)?, master(server_key, server_salt)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_material_is_both_keys_and_then_both_salts() {
        for (profile, key, salt) in [
            (SrtpProfile::AES128_CM_SHA1_80, 16, 14),
            (SrtpProfile::AEAD_AES_128_GCM, 16, 12),
            (SrtpProfile::AEAD_AES_256_GCM, 32, 12),
        ] {
            let parts = [vec![1; key], vec![2; key], vec![3; salt], vec![4; salt]];
            let suite = suite(profile).unwrap();
            assert_eq!(parts.concat().len(), profile.keying_material_len());
            let (client, server) = split(&parts.concat(), suite).unwrap();
            assert_eq!((client.key(), client.salt()), (&parts[0][..], &parts[2][..]));
            assert_eq!((server.key(), server.salt()), (&parts[1][..], &parts[3][..]));
            assert_eq!(split(&parts.concat()[1..], suite), None);
            assert_eq!(split(&[], suite), None);
        }
    }
}
