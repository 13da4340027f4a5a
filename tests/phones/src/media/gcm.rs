//! SRTP for a phone whose keys came by DTLS: AES-256-GCM (RFC 7714), one stream each way, no RTCP and
//! no replay window.

use aes::Aes256;
use aes::cipher::KeyInit;
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::AeadInOut;

use super::dtls::Masters;
use super::srtp::{clear_octets, keystream, nearest, number, ssrc};

/// Octets of a tag.
const TAG: usize = 16;

/// Both directions of an encrypted call.
pub(crate) struct GcmStream {
    send: Session,
    hear: Session,
    sent: Option<u64>,
    heard: Option<(u32, u64)>,
}

struct Session {
    cipher: Aes256Gcm,
    salt: [u8; 12],
}

impl GcmStream {
    pub(crate) fn new([ours, theirs]: &Masters) -> Self {
        let (send, hear) = (Session::new(ours), Session::new(theirs));
        Self { send, hear, sent: None, heard: None }
    }

    /// An RTP packet as it goes out; numbers grow.
    pub(crate) fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        let sequence = number(packet);
        let index = self.sent.map_or(u64::from(sequence), |last| nearest(last, sequence));
        self.sent = Some(index);
        let nonce = self.send.nonce(ssrc(packet, 8), index);
        let (header, payload) = packet.split_at(12);
        let mut payload = payload.to_vec();
        let cipher = &self.send.cipher;
        let tag = cipher
            .encrypt_inout_detached(&nonce.into(), header, payload.as_mut_slice().into())
            .expect("packets are short");
        [header, &payload, &tag].concat()
    }

    /// The RTP packet that came, if it is authentic.
    pub(crate) fn open(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (packet, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        let (header, payload) = packet.split_at_checked(clear_octets(packet)?)?;
        let (source, sequence) = (ssrc(packet, 8), number(packet));
        let index = match self.heard {
            Some((known, last)) if known == source => nearest(last, sequence),
            _ => u64::from(sequence),
        };
        let nonce = self.hear.nonce(source, index);
        let mut payload = payload.to_vec();
        let tag: [u8; TAG] = tag.try_into().ok()?;
        let cipher = &self.hear.cipher;
        let place = payload.as_mut_slice().into();
        cipher.decrypt_inout_detached(&nonce.into(), header, place, &tag.into()).ok()?;
        let highest = self.heard.filter(|heard| heard.0 == source).map_or(0, |heard| heard.1);
        self.heard = Some((source, index.max(highest)));
        Some([header, &payload].concat())
    }
}

impl Session {
    /// RFC 7714 §11: the salt has two octets less than that of counter mode, which are zero.
    fn new(master: &[u8; 44]) -> Self {
        let prf = Aes256::new_from_slice(&master[..32]).expect("thirty-two octets");
        let mut salt = [0; 14];
        salt[..12].copy_from_slice(&master[32..]);
        let derive = |label: u8, out: &mut [u8]| {
            let mut start = salt;
            start[7] ^= label;
            keystream(&prf, start, out);
        };
        let (mut key, mut session_salt) = ([0; 32], [0; 12]);
        derive(0, &mut key);
        derive(2, &mut session_salt);
        let cipher = Aes256Gcm::new_from_slice(&key).expect("thirty-two octets");
        Self { cipher, salt: session_salt }
    }

    /// RFC 7714 §8.1.
    fn nonce(&self, source: u32, index: u64) -> [u8; 12] {
        let mut nonce = self.salt;
        let index = index.to_be_bytes();
        let numbers = source.to_be_bytes().into_iter().chain(index[2..].iter().copied());
        for (place, octet) in nonce[2..].iter_mut().zip(numbers) {
            *place ^= octet;
        }
        nonce
    }
}
