//! SRTP for a phone: AES-128 in counter mode and HMAC-SHA1 of 80 bits (RFC 3711), one stream each
//! way. A packet that is not authentic is none; no replay window. The suite of keys that come by DTLS
//! is in `gcm`.

use aes::Aes128;
use aes::cipher::consts::U16;
use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// Master key and master salt.
pub(crate) type Master = [u8; 30];

/// Octets of a tag.
const TAG: usize = 10;

/// What both ends agreed on: what each sends is protected with its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SrtpKeys {
    pub(crate) ours: Master,
    pub(crate) theirs: Master,
}

/// Both directions of an encrypted call.
pub(crate) struct SecureStream {
    pub(crate) keys: SrtpKeys,
    send: [SessionKeys; 2],
    hear: [SessionKeys; 2],
    sent: Option<u64>,
    heard: Option<(u32, u64)>,
    reports: u32,
}

/// The session keys of RTP or RTCP under one master key.
struct SessionKeys {
    cipher: Aes128,
    salt: [u8; 14],
    authentication: [u8; 20],
}

impl SecureStream {
    pub(crate) fn new(keys: SrtpKeys) -> Self {
        let contexts = |master: &Master| [SessionKeys::new(master, 0), SessionKeys::new(master, 3)];
        let (send, hear) = (contexts(&keys.ours), contexts(&keys.theirs));
        Self { keys, send, hear, sent: None, heard: None, reports: 0 }
    }

    /// An RTP packet as it goes out; numbers grow.
    pub(crate) fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        let sequence = number(packet);
        let index = self.sent.map_or(u64::from(sequence), |last| nearest(last, sequence));
        self.sent = Some(index);
        let context = &self.send[0];
        let mut bytes = packet.to_vec();
        context.cover(&mut bytes[12..], ssrc(packet, 8), index);
        let tag = context.tag(&bytes, &rollovers(index));
        bytes.extend_from_slice(&tag);
        bytes
    }

    /// The RTP packet that came, if it is authentic.
    pub(crate) fn open(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (packet, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        let clear = clear_octets(packet)?;
        let source = ssrc(packet, 8);
        let sequence = number(packet);
        let index = match self.heard {
            Some((known, last)) if known == source => nearest(last, sequence),
            _ => u64::from(sequence),
        };
        let context = &self.hear[0];
        if context.tag(packet, &rollovers(index)) != tag {
            return None;
        }
        let highest = self.heard.filter(|heard| heard.0 == source).map_or(0, |heard| heard.1);
        self.heard = Some((source, index.max(highest)));
        let mut plain = packet.to_vec();
        context.cover(&mut plain[clear..], source, index);
        Some(plain)
    }

    /// A report as it goes out.
    pub(crate) fn protect_report(&mut self, packet: &[u8]) -> Vec<u8> {
        let context = &self.send[1];
        let mut bytes = packet.to_vec();
        context.cover(&mut bytes[8..], ssrc(packet, 4), self.reports.into());
        bytes.extend_from_slice(&(self.reports | 1 << 31).to_be_bytes());
        let tag = context.tag(&bytes, &[]);
        bytes.extend_from_slice(&tag);
        self.reports += 1;
        bytes
    }

    /// Whether the report that came is authentic and encrypted.
    pub(crate) fn is_report(&self, bytes: &[u8]) -> bool {
        let Some((packet, tag)) = bytes.split_at_checked(bytes.len().saturating_sub(TAG)) else {
            return false;
        };
        let encrypted = packet.len().checked_sub(4).is_some_and(|at| packet[at] & 0x80 != 0);
        encrypted && self.hear[1].tag(packet, &[]) == tag
    }
}

impl SessionKeys {
    /// RFC 3711 §4.3: labels 0, 1, 2 for RTP and 3, 4, 5 for RTCP.
    fn new(master: &Master, first: u8) -> Self {
        let prf = Aes128::new_from_slice(&master[..16]).expect("sixteen octets");
        let mut salt = [0; 14];
        salt.copy_from_slice(&master[16..]);
        let derive = |label: u8, out: &mut [u8]| {
            let mut start = salt;
            start[7] ^= label;
            keystream(&prf, start, out);
        };
        let (mut key, mut authentication, mut session_salt) = ([0; 16], [0; 20], [0; 14]);
        derive(first, &mut key);
        derive(first + 1, &mut authentication);
        derive(first + 2, &mut session_salt);
        let cipher = Aes128::new_from_slice(&key).expect("sixteen octets");
        Self { cipher, salt: session_salt, authentication }
    }

    /// Encrypts or decrypts.
    fn cover(&self, octets: &mut [u8], source: u32, index: u64) {
        let mut start = self.salt;
        for (place, octet) in start[4..8].iter_mut().zip(source.to_be_bytes()) {
            *place ^= octet;
        }
        for (place, octet) in start[8..].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *place ^= octet;
        }
        keystream(&self.cipher, start, octets);
    }

    fn tag(&self, octets: &[u8], behind: &[u8]) -> [u8; TAG] {
        let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(&self.authentication)
            .expect("HMAC takes keys of any length");
        mac.update(octets);
        mac.update(behind);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&mac.finalize().into_bytes()[..TAG]);
        tag
    }
}

/// Adds the blocks of the counter that begins with `start` to `octets`.
pub(crate) fn keystream<C>(cipher: &C, start: [u8; 14], octets: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    for (counter, chunk) in (0_u16..).zip(octets.chunks_mut(16)) {
        let mut block = [0; 16];
        block[..14].copy_from_slice(&start);
        block[14..].copy_from_slice(&counter.to_be_bytes());
        let mut block = Array::from(block);
        cipher.encrypt_block(&mut block);
        for (octet, mask) in chunk.iter_mut().zip(block) {
            *octet ^= mask;
        }
    }
}

/// The octets of the header: fixed part, contributors, extension.
pub(crate) fn clear_octets(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let mut len = 12 + 4 * usize::from(first & 0x0F);
    if first & 0x10 != 0 {
        let words = packet.get(len + 2..len + 4)?;
        len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    (first >> 6 == 2 && len <= packet.len()).then_some(len)
}

pub(crate) fn number(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[2], packet[3]])
}

pub(crate) fn ssrc(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
}

fn rollovers(index: u64) -> [u8; 4] {
    let octets = index.to_be_bytes();
    [octets[2], octets[3], octets[4], octets[5]]
}

/// The index of this sequence number that is nearest to `last`.
pub(crate) fn nearest(last: u64, sequence: u16) -> u64 {
    let round = last >> 16;
    let rounds = [round.checked_sub(1), Some(round), Some(round + 1)];
    let indices = rounds.into_iter().flatten().map(|round| round << 16 | u64::from(sequence));
    indices.min_by_key(|index| index.abs_diff(last)).unwrap_or(last)
}

/// Octets in base64 and back, as SDP has keys.
pub(crate) mod base64 {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// Thirty octets make forty letters, without padding.
    pub(crate) fn encode(octets: &[u8; 30]) -> String {
        let groups = octets.chunks(3).map(|g| u32::from_be_bytes([0, g[0], g[1], g[2]]));
        let sixths = groups.flat_map(|bits| [18, 12, 6, 0].map(|shift| bits >> shift & 63));
        sixths.map(|sixth| char::from(LETTERS[usize::try_from(sixth).unwrap_or(0)])).collect()
    }

    pub(crate) fn decode(text: &str) -> Option<[u8; 30]> {
        let mut octets = [0; 30];
        if text.len() != 40 {
            return None;
        }
        for (group, three) in text.as_bytes().chunks(4).zip(octets.chunks_mut(3)) {
            let mut bits = 0;
            for letter in group {
                let value = LETTERS.iter().position(|known| known == letter)?;
                bits = bits << 6 | u32::try_from(value).ok()?;
            }
            three.copy_from_slice(&bits.to_be_bytes()[1..]);
        }
        Some(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> SrtpKeys {
        let master = std::array::from_fn(|i| u8::try_from((i * 7 + 1) % 256).unwrap());
        SrtpKeys { ours: master, theirs: master }
    }

    fn packet(sequence: u16) -> Vec<u8> {
        let mut packet = vec![0x80, 0];
        packet.extend(sequence.to_be_bytes());
        packet.extend((u32::from(sequence) * 160).to_be_bytes());
        packet.extend([0xca, 0xfe, 0, 1]);
        packet.extend(0..40);
        packet
    }

    #[test]
    fn packets_are_those_of_libsrtp() {
        // What libsrtp 2.7.0 makes of the same packet under the same key.
        let theirs = "8000fffe009ffec0cafe00013875656fe547959cc520a8696ffbf56a8b0f59c433c9383e77a3\
                      e39804786ca20d488cd62802dafef0f79bb35a6a1572560d";
        let mut session = SecureStream::new(keys());
        let sealed = session.protect(&packet(65_534));
        let hex: String = sealed.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(hex, theirs);
        assert_eq!(session.open(&sealed), Some(packet(65_534)));
    }

    #[test]
    fn a_stream_goes_round_and_what_was_touched_is_nothing() {
        let mut session = SecureStream::new(keys());
        for sequence in [65_534, 65_535, 0, 1] {
            let sealed = session.protect(&packet(sequence));
            assert_eq!(session.open(&sealed), Some(packet(sequence)));
        }
        let mut touched = session.protect(&packet(2));
        touched[20] ^= 1;
        assert_eq!(session.open(&touched), None);
        let mut report = session.protect_report(&[0x80, 201, 0, 1, 0, 0, 0, 5]);
        assert!(session.is_report(&report));
        report[9] ^= 1;
        assert!(!session.is_report(&report));
        assert!(!session.is_report(&[0x80, 201, 0, 1, 0, 0, 0, 5]));
    }

    #[test]
    fn keys_are_written_and_read() {
        let key = *b"aBCdefghiJKLmoPQrsTuVwyz123456";
        let text = base64::encode(&key);
        assert_eq!(text, "YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2");
        assert_eq!(base64::decode(&text), Some(key));
        assert_eq!(base64::decode("*"), None);
    }
}
