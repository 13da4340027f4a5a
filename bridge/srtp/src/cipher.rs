//! The two ways to protect a packet: AES in counter mode with HMAC-SHA1 (RFC 3711 §4.1.1, §4.2), and
//! AES-GCM (RFC 7714 §8, §9).

use aes::cipher::consts::{U12, U16};
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher};
use aes::{Aes128, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm, Nonce, Tag};
use ctr::CtrCore;
use ctr::cipher::StreamCipherCoreWrapper;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use partyline_model::{SrtpKey, SrtpSuite};
use sha1::Sha1;
use zeroize::Zeroize;

use crate::derive::{Protocol, SessionKeys};
use crate::header::RTCP_CLEAR;

/// Octets of the tag of AES-GCM.
const GCM_TAG: usize = 16;
/// Octets of the index word behind an SRTCP packet.
pub(crate) const INDEX_WORD: usize = 4;
/// The bit of the index word that says that the packet is encrypted.
pub(crate) const ENCRYPTED: u32 = 1 << 31;

/// Which packet is protected.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) ssrc: u32,
    /// 48 bits of SRTP, 31 of SRTCP.
    pub(crate) index: u64,
}

impl Place {
    fn rollovers(self) -> [u8; 4] {
        let [_, _, a, b, c, d, _, _] = self.index.to_be_bytes();
        [a, b, c, d]
    }

    /// The word behind an SRTCP packet.
    fn index_word(self) -> [u8; INDEX_WORD] {
        let [_, _, _, _, a, b, c, d] = self.index.to_be_bytes();
        (u32::from_be_bytes([a, b, c, d]) | ENCRYPTED).to_be_bytes()
    }
}

/// The session keys of one protocol and one direction, in their ciphers. A packet fails to open
/// unless it was sealed by the same key for the same place; it is then as it was.
pub(crate) enum Cipher {
    Counter128(Counter<Aes128>),
    Counter256(Counter<Aes256>),
    Gcm128(Gcm<Aes128Gcm>),
    Gcm256(Gcm<Aes256Gcm>),
}

impl Cipher {
    pub(crate) fn new(master: &SrtpKey, protocol: Protocol) -> Self {
        let keys = SessionKeys::derive(master, protocol);
        let suite = master.suite();
        // The tag of SRTCP is of 80 bits in both suites (RFC 4568 §6.2.2).
        let tag = match (suite, protocol) {
            (SrtpSuite::Aes128HmacSha1_32, Protocol::Rtp) => 4,
            _ => 10,
        };
        match suite {
            SrtpSuite::Aes128HmacSha1_80 | SrtpSuite::Aes128HmacSha1_32 => {
                Self::Counter128(Counter::new(&keys, tag))
            }
            SrtpSuite::Aes256HmacSha1_80 => Self::Counter256(Counter::new(&keys, tag)),
            SrtpSuite::Aes128Gcm => Self::Gcm128(Gcm::new(&keys)),
            SrtpSuite::Aes256Gcm => Self::Gcm256(Gcm::new(&keys)),
        }
    }

    /// Octets of the tag.
    pub(crate) const fn tag_len(&self) -> usize {
        match self {
            Self::Counter128(counter) => counter.tag,
            Self::Counter256(counter) => counter.tag,
            Self::Gcm128(_) | Self::Gcm256(_) => GCM_TAG,
        }
    }

    /// Seals the RTP packet whose header has `clear` octets; the last octets of `packet` are room
    /// for the tag.
    pub(crate) fn seal_rtp(&self, place: Place, clear: usize, packet: &mut [u8]) {
        match self {
            Self::Counter128(counter) => counter.seal_rtp(place, clear, packet),
            Self::Counter256(counter) => counter.seal_rtp(place, clear, packet),
            Self::Gcm128(gcm) => gcm.seal_rtp(place, clear, packet),
            Self::Gcm256(gcm) => gcm.seal_rtp(place, clear, packet),
        }
    }

    /// Whether the packet is sealed by this key for this place; it is plain then, with its tag
    /// behind it.
    #[must_use]
    pub(crate) fn open_rtp(&self, place: Place, clear: usize, packet: &mut [u8]) -> bool {
        match self {
            Self::Counter128(counter) => counter.open_rtp(place, clear, packet),
            Self::Counter256(counter) => counter.open_rtp(place, clear, packet),
            Self::Gcm128(gcm) => gcm.open_rtp(place, clear, packet),
            Self::Gcm256(gcm) => gcm.open_rtp(place, clear, packet),
        }
    }

    /// Seals an RTCP packet; the last octets of `packet` are room for tag and index.
    pub(crate) fn seal_rtcp(&self, place: Place, packet: &mut [u8]) {
        match self {
            Self::Counter128(counter) => counter.seal_rtcp(place, packet),
            Self::Counter256(counter) => counter.seal_rtcp(place, packet),
            Self::Gcm128(gcm) => gcm.seal_rtcp(place, packet),
            Self::Gcm256(gcm) => gcm.seal_rtcp(place, packet),
        }
    }

    /// As [`Cipher::open_rtp`] for RTCP: tag and index are behind it.
    #[must_use]
    pub(crate) fn open_rtcp(&self, place: Place, packet: &mut [u8]) -> bool {
        match self {
            Self::Counter128(counter) => counter.open_rtcp(place, packet),
            Self::Counter256(counter) => counter.open_rtcp(place, packet),
            Self::Gcm128(gcm) => gcm.open_rtcp(place, packet),
            Self::Gcm256(gcm) => gcm.open_rtcp(place, packet),
        }
    }

    /// The index word of an SRTCP packet of at least [`RTCP_CLEAR`] octets and the trailer.
    pub(crate) fn index_word(&self, packet: &[u8]) -> Option<u32> {
        let end = match self {
            // The tag is last (RFC 3711 §3.4).
            Self::Counter128(_) | Self::Counter256(_) => {
                packet.len().checked_sub(self.tag_len())?
            }
            // The index is last (RFC 7714 §9.2).
            Self::Gcm128(_) | Self::Gcm256(_) => packet.len(),
        };
        crate::header::word(packet, end.checked_sub(INDEX_WORD)?)
    }
}

/// AES in counter mode and HMAC-SHA1.
pub(crate) struct Counter<C> {
    aes: C,
    mac: Hmac<Sha1>,
    salt: [u8; 14],
    tag: usize,
}

impl<C> Drop for Counter<C> {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

impl<C> Counter<C>
where
    C: KeyInit + BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    fn new(keys: &SessionKeys, tag: usize) -> Self {
        let why = "session keys are as long as their cipher's";
        Self {
            aes: C::new_from_slice(&keys.cipher).expect(why),
            mac: <Hmac<Sha1> as KeyInit>::new_from_slice(keys.authentication.as_slice())
                .expect("HMAC takes keys of any length"),
            salt: *keys.salt,
            tag,
        }
    }

    /// Encrypts or decrypts (RFC 3711 §4.1.1).
    fn apply(&self, place: Place, octets: &mut [u8]) {
        let mut start = [0; 16];
        start[..14].copy_from_slice(&self.salt);
        xor(&mut start[4..8], &place.ssrc.to_be_bytes());
        xor(&mut start[8..14], &place.index.to_be_bytes()[2..]);
        let core = CtrCore::<&C, Ctr128BE>::inner_iv_init(&self.aes, &start.into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(octets);
    }

    fn mac_of(&self, octets: &[u8], behind: &[u8]) -> Hmac<Sha1> {
        let mut mac = self.mac.clone();
        mac.update(octets);
        mac.update(behind);
        mac
    }

    /// Writes the tag of `octets` and `behind` to its room, as much of it as there is.
    fn write_tag(&self, octets: &[u8], behind: &[u8], tag: &mut [u8]) {
        let made = self.mac_of(octets, behind).finalize().into_bytes();
        for (place, octet) in tag.iter_mut().zip(made) {
            *place = octet;
        }
    }

    fn seal_rtp(&self, place: Place, clear: usize, packet: &mut [u8]) {
        let (body, tag) = packet.split_at_mut(packet.len() - self.tag);
        self.apply(place, &mut body[clear..]);
        self.write_tag(body, &place.rollovers(), tag);
    }

    fn open_rtp(&self, place: Place, clear: usize, packet: &mut [u8]) -> bool {
        let (body, tag) = packet.split_at_mut(packet.len() - self.tag);
        let sealed = self.mac_of(body, &place.rollovers()).verify_truncated_left(tag).is_ok();
        if sealed {
            self.apply(place, &mut body[clear..]);
        }
        sealed
    }

    fn seal_rtcp(&self, place: Place, packet: &mut [u8]) {
        let (body, tag) = packet.split_at_mut(packet.len() - self.tag);
        let (plain, word) = body.split_at_mut(body.len() - INDEX_WORD);
        self.apply(place, &mut plain[RTCP_CLEAR..]);
        word.copy_from_slice(&place.index_word());
        self.write_tag(body, &[], tag);
    }

    fn open_rtcp(&self, place: Place, packet: &mut [u8]) -> bool {
        let (body, tag) = packet.split_at_mut(packet.len() - self.tag);
        let sealed = self.mac_of(body, &[]).verify_truncated_left(tag).is_ok();
        if sealed {
            let end = body.len() - INDEX_WORD;
            self.apply(place, &mut body[RTCP_CLEAR..end]);
        }
        sealed
    }
}

/// AES-GCM.
pub(crate) struct Gcm<C> {
    aead: C,
    salt: [u8; 12],
}

impl<C> Drop for Gcm<C> {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

impl<C> Gcm<C>
where
    C: KeyInit + AeadInOut<NonceSize = U12, TagSize = U16>,
{
    fn new(keys: &SessionKeys) -> Self {
        let why = "session keys are as long as their cipher's";
        let mut salt = [0; 12];
        salt.copy_from_slice(&keys.salt[..12]);
        Self { aead: C::new_from_slice(&keys.cipher).expect(why), salt }
    }

    /// RFC 7714 §8.1 for the six octets of an SRTP index, §9.1 for SRTCP, whose index has its
    /// upper two at zero.
    fn nonce(&self, place: Place) -> Nonce<U12> {
        let mut nonce = self.salt;
        xor(&mut nonce[2..6], &place.ssrc.to_be_bytes());
        xor(&mut nonce[6..12], &place.index.to_be_bytes()[2..]);
        nonce.into()
    }

    fn seal(&self, place: Place, clear: &[u8], body: &mut [u8], tag: &mut [u8]) {
        let made = self
            .aead
            .encrypt_inout_detached(&self.nonce(place), clear, body.into())
            .expect("a datagram is shorter than AES-GCM allows");
        tag.copy_from_slice(&made);
    }

    fn open(&self, place: Place, clear: &[u8], body: &mut [u8], tag: &[u8]) -> bool {
        let Ok(tag) = <&Tag<U16>>::try_from(tag) else { return false };
        self.aead.decrypt_inout_detached(&self.nonce(place), clear, body.into(), tag).is_ok()
    }

    fn seal_rtp(&self, place: Place, clear: usize, packet: &mut [u8]) {
        let (clear, rest) = packet.split_at_mut(clear);
        let (body, tag) = rest.split_at_mut(rest.len() - GCM_TAG);
        self.seal(place, clear, body, tag);
    }

    fn open_rtp(&self, place: Place, clear: usize, packet: &mut [u8]) -> bool {
        let (clear, rest) = packet.split_at_mut(clear);
        let (body, tag) = rest.split_at_mut(rest.len() - GCM_TAG);
        self.open(place, clear, body, tag)
    }

    fn seal_rtcp(&self, place: Place, packet: &mut [u8]) {
        let (rest, word) = packet.split_at_mut(packet.len() - INDEX_WORD);
        word.copy_from_slice(&place.index_word());
        let (rest, tag) = rest.split_at_mut(rest.len() - GCM_TAG);
        let (clear, body) = rest.split_at_mut(RTCP_CLEAR);
        self.seal(place, &associated(clear, word), body, tag);
    }

    fn open_rtcp(&self, place: Place, packet: &mut [u8]) -> bool {
        let (rest, word) = packet.split_at_mut(packet.len() - INDEX_WORD);
        let (rest, tag) = rest.split_at_mut(rest.len() - GCM_TAG);
        let (clear, body) = rest.split_at_mut(RTCP_CLEAR);
        self.open(place, &associated(clear, word), body, tag)
    }
}

/// What of an SRTCP packet is authenticated and not encrypted (RFC 7714 §9.2).
fn associated(clear: &[u8], word: &[u8]) -> [u8; RTCP_CLEAR + INDEX_WORD] {
    let mut associated = [0; RTCP_CLEAR + INDEX_WORD];
    associated[..RTCP_CLEAR].copy_from_slice(clear);
    associated[RTCP_CLEAR..].copy_from_slice(word);
    associated
}

fn xor(into: &mut [u8], with: &[u8]) {
    for (octet, with) in into.iter_mut().zip(with) {
        *octet ^= with;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use zeroize::Zeroizing;

    /// Octets written as hexadecimal, blanks between them or not.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap())
            .collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn keys(cipher: &str, salt: &str) -> SessionKeys {
        let mut keys = SessionKeys {
            cipher: Zeroizing::new(hex(cipher)),
            authentication: Zeroizing::default(),
            salt: Zeroizing::default(),
        };
        for (place, octet) in keys.salt.iter_mut().zip(hex(salt)) {
            *place = octet;
        }
        keys
    }

    /// The keystream at the first blocks and at those before and behind the carry, and what it is.
    fn check_keystream(apply: impl Fn(&mut [u8]), wanted: [&str; 6]) {
        let mut stream = vec![0; 16 * 0xff02];
        apply(&mut stream);
        for (block, wanted) in [0, 1, 2, 0xfeff, 0xff00, 0xff01].into_iter().zip(wanted) {
            assert_eq!(stream[16 * block..16 * block + 16], hex(wanted), "block {block}");
        }
    }

    #[test]
    fn the_keystream_is_that_of_rfc_3711_b_2() {
        let keys = keys("2B7E151628AED2A6ABF7158809CF4F3C", "F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
        let counter = Counter::<Aes128>::new(&keys, 10);
        let wanted = [
            "E03EAD0935C95E80E166B16DD92B4EB4",
            "D23513162B02D0F72A43A2FE4A5F97AB",
            "41E95B3BB0A2E8DD477901E4FCA894C0",
            "EC8CDF7398607CB0F2D21675EA9EA1E4",
            "362B7C3C6773516318A077D7FC5073AE",
            "6A2CC3787889374FBEB4C81B17BA6C44",
        ];
        check_keystream(|octets| counter.apply(Place { ssrc: 0, index: 0 }, octets), wanted);
    }

    #[test]
    fn the_keystream_of_256_bits_is_that_of_rfc_6188_7() {
        let keys = keys(
            "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
            "F0F1F2F3F4F5F6F7F8F9FAFBFCFD",
        );
        let counter = Counter::<Aes256>::new(&keys, 10);
        let wanted = [
            "92bdd28a93c3f52511c677d08b5515a4",
            "9da71b2378a854f67050756ded165bac",
            "63c4868b7096d88421b563b8c94c9a31",
            "cea518c90fd91ced9cbb18c078a54711",
            "3dbc4814f4da5f00a08772b63c6a046d",
            "6eb246913062a16891433e97dd01a57f",
        ];
        check_keystream(|octets| counter.apply(Place { ssrc: 0, index: 0 }, octets), wanted);
    }

    const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const SALT: &str = "517569642070726f2071756f";
    const RTP_HEADER: &str = "8040f17b8041f8d35501a0b2";
    const RTP_BODY: &str = "47616c6c696120657374206f6d6e69732064697669736120696e20706172746573
                            2074726573";

    /// Seals and opens the RTP packet of RFC 7714 §16 and compares what was sealed.
    fn check_gcm_rtp(cipher: &Cipher, wanted: &str) {
        let place = Place { ssrc: 0x5501_a0b2, index: 0xf17b };
        let plain = [hex(RTP_HEADER), hex(RTP_BODY)].concat();
        let mut packet = [plain.as_slice(), &[0; 16]].concat();
        cipher.seal_rtp(place, 12, &mut packet);
        assert_eq!(packet, [hex(RTP_HEADER), hex(wanted)].concat());
        assert!(cipher.open_rtp(place, 12, &mut packet));
        assert_eq!(packet[..plain.len()], plain);
    }

    #[test]
    fn rtp_packets_of_gcm_are_those_of_rfc_7714_16() {
        let short = Cipher::Gcm128(Gcm::new(&keys(&KEY_256[..32], SALT)));
        check_gcm_rtp(
            &short,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
             899d7f27beb16a9152cf765ee4390cce",
        );
        let long = Cipher::Gcm256(Gcm::new(&keys(KEY_256, SALT)));
        check_gcm_rtp(
            &long,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        );
    }

    /// Seals and opens the RTCP packet of RFC 7714 §17 and compares what was sealed.
    fn check_gcm_rtcp(cipher: &Cipher, wanted: &str) {
        let place = Place { ssrc: 0x4d61_7273, index: 0x5d4 };
        let plain = hex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61
                         deadbeefdeadbeefdeadbeefdeadbeefdeadbeef");
        let mut packet = [plain.as_slice(), &[0; 20]].concat();
        cipher.seal_rtcp(place, &mut packet);
        assert_eq!(packet, [hex("81c8000d4d617273"), hex(wanted)].concat());
        assert_eq!(cipher.index_word(&packet), Some(0x5d4 | ENCRYPTED));
        assert!(cipher.open_rtcp(place, &mut packet));
        assert_eq!(packet[..plain.len()], plain);
    }

    #[test]
    fn rtcp_packets_of_gcm_are_those_of_rfc_7714_17() {
        let short = Cipher::Gcm128(Gcm::new(&keys(&KEY_256[..32], SALT)));
        check_gcm_rtcp(
            &short,
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b46
             86303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        );
        let long = Cipher::Gcm256(Gcm::new(&keys(KEY_256, SALT)));
        check_gcm_rtcp(
            &long,
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658
             c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        );
    }
}
