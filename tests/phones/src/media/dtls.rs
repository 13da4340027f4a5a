//! The handshake of a phone whose keys come by DTLS (RFC 5763, RFC 5764), by a library: only who
//! the far end is and what the keys are is the phone's own to judge.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use sha2::{Digest, Sha256};

/// The hash of a certificate.
pub(crate) type Fingerprint = [u8; 32];

/// Who the far end is, as SDP has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FarEnd {
    pub(crate) fingerprint: Fingerprint,
    /// Whether the phone begins.
    pub(crate) begins: bool,
}

/// A phone's certificate and key.
#[derive(Clone)]
pub(crate) struct Certificate {
    pair: DtlsCertificate,
    /// What stands for time zero.
    origin: Instant,
}

/// The keys of AES-256-GCM for what the phone sends and hears: master key and salt.
pub(crate) type Masters = [[u8; 44]; 2];

/// A handshake under way, or done.
pub(crate) struct Handshake {
    dtls: Dtls,
    far: FarEnd,
    origin: Instant,
    next: Option<Duration>,
    sends: VecDeque<Vec<u8>>,
    keys: Option<Masters>,
    /// The far end is another than it said, or broke the protocol.
    broken: bool,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

impl Certificate {
    #[expect(clippy::disallowed_methods, reason = "no other way leads to an instant")]
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().expect("the system gives random numbers");
        let parameters = rcgen::CertificateParams::new(["phone".to_owned()]).expect("a name");
        let certificate = parameters.self_signed(&key).expect("its own key signs");
        let pair = DtlsCertificate {
            certificate: certificate.der().to_vec(),
            private_key: key.serialize_der(),
        };
        Self { pair, origin: Instant::now() }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Sha256::digest(&self.pair.certificate).into()
    }

    pub(crate) fn shake(&self, now: Duration, far: FarEnd) -> Handshake {
        let config = Config::builder().build().expect("what the library has by itself");
        let mut dtls = Dtls::new_12(Arc::new(config), self.pair.clone(), self.origin + now);
        dtls.set_active(far.begins);
        let (sends, origin) = (VecDeque::new(), self.origin);
        let mut begun =
            Handshake { dtls, far, origin, next: None, sends, keys: None, broken: false };
        begun.handle(now, None);
        begun
    }
}

impl Handshake {
    pub(crate) fn far(&self) -> FarEnd {
        self.far
    }

    /// Time has come, and a datagram with it or none.
    pub(crate) fn handle(&mut self, now: Duration, datagram: Option<&[u8]>) {
        if self.broken {
            return;
        }
        let timed = self.dtls.handle_timeout(self.origin + now);
        let handled = timed.and_then(|()| datagram.map_or(Ok(()), |d| self.dtls.handle_packet(d)));
        self.broken = handled.is_err();
        let mut buffer = vec![0; 4_096];
        while !self.broken {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(datagram) => self.sends.push_back(datagram.to_vec()),
                Output::PeerCert(certificate) => {
                    self.broken = Sha256::digest(certificate)[..] != self.far.fingerprint;
                }
                Output::KeyingMaterial(keys, SrtpProfile::AEAD_AES_256_GCM) => {
                    self.keys = masters(&keys, self.far.begins);
                }
                Output::Timeout(at) => {
                    let at = at.saturating_duration_since(self.origin);
                    self.next = Some(at.max(now + Duration::from_millis(1)));
                    break;
                }
                Output::BufferTooSmall { .. }
                | Output::Connected
                | Output::KeyingMaterial(..)
                | Output::ApplicationData(_)
                | Output::CloseNotify
                | _ => {}
            }
        }
        if self.broken {
            self.next = None;
            self.sends.clear();
        }
    }

    pub(crate) fn poll_send(&mut self) -> Option<Vec<u8>> {
        self.sends.pop_front()
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.next
    }

    /// The keys, once.
    pub(crate) fn take_keys(&mut self) -> Option<Masters> {
        self.keys.take()
    }
}

/// Key of the client, key of the server, salt of the client, salt of the server (RFC 5764 §4.2).
fn masters(material: &[u8], begins: bool) -> Option<Masters> {
    let at = |key: usize, salt: usize| -> Option<[u8; 44]> {
        let (key, salt) = (material.get(key..key + 32)?, material.get(salt..salt + 12)?);
        [key, salt].concat().try_into().ok()
    };
    let (client, server) = (at(0, 64)?, at(32, 76)?);
    Some(if begins { [client, server] } else { [server, client] })
}
