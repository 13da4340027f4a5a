//! Session keys out of a master key (RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11), once for its whole
//! life: the key derivation rate is zero.

use aes::cipher::{KeyIvInit, StreamCipher};
use aes::{Aes128, Aes256};
use ctr::Ctr128BE;
use partyline_model::SrtpKey;
use zeroize::Zeroizing;

/// What a session key is for: the first of three labels of RFC 3711 §4.3.1 and §4.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Rtp = 0,
    Rtcp = 3,
}

/// The three keys of one protocol. Those that a suite has no use for are left in place, unused.
pub(crate) struct SessionKeys {
    /// As long as the master key.
    pub(crate) cipher: Zeroizing<Vec<u8>>,
    pub(crate) authentication: Zeroizing<[u8; 20]>,
    /// Its first twelve octets for AES-GCM.
    pub(crate) salt: Zeroizing<[u8; 14]>,
}

impl SessionKeys {
    pub(crate) fn derive(master: &SrtpKey, protocol: Protocol) -> Self {
        let label = protocol as u8;
        let mut keys = Self {
            cipher: Zeroizing::new(vec![0; master.key().len()]),
            authentication: Zeroizing::default(),
            salt: Zeroizing::default(),
        };
        fill(master, label, &mut keys.cipher);
        fill(master, label + 1, keys.authentication.as_mut_slice());
        // AES-GCM takes 96 bits: the same stream, cut earlier.
        fill(master, label + 2, keys.salt.as_mut_slice());
        keys
    }
}

/// The keystream of AES in counter mode under the master key, begun at the salt with the label in
/// it. A salt of 96 bits has zeros behind it (RFC 7714 §11).
fn fill(master: &SrtpKey, label: u8, out: &mut [u8]) {
    let mut start = Zeroizing::new([0; 16]);
    for (octet, salt) in start.iter_mut().zip(master.salt()) {
        *octet = *salt;
    }
    start[7] ^= label;
    out.fill(0);
    let why = "a suite's key has 128 or 256 bits";
    if master.key().len() == 16 {
        let mut stream = Ctr128BE::<Aes128>::new_from_slices(master.key(), &*start).expect(why);
        stream.apply_keystream(out);
    } else {
        let mut stream = Ctr128BE::<Aes256>::new_from_slices(master.key(), &*start).expect(why);
        stream.apply_keystream(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SrtpSuite;
    use crate::cipher::tests::hex;

    fn derived(suite: SrtpSuite, master: &str) -> [String; 3] {
        let master = SrtpKey::new(suite, &hex(master)).unwrap();
        let keys = SessionKeys::derive(&master, Protocol::Rtp);
        [&keys.cipher[..], &keys.salt[..], &keys.authentication[..]]
            .map(|octets| octets.iter().map(|octet| format!("{octet:02x}")).collect())
    }

    #[test]
    fn session_keys_are_those_of_rfc_3711_b_3() {
        let master = "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6";
        let wanted = [
            "c61e7a93744f39ee10734afe3ff7a087",
            "30cbbc08863d8c85d49db34a9ae1",
            "cebe321f6ff7716b6fd4ab49af256a156d38baa4",
        ];
        assert_eq!(derived(SrtpSuite::Aes128HmacSha1_80, master), wanted);
    }

    #[test]
    fn session_keys_of_256_bits_are_those_of_rfc_6188_7() {
        let master = "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6
                      3b04803de51ee7c96423ab5b78d2";
        let wanted = [
            "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
            "fa31791685ca444a9e07c6c64e93",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
        ];
        assert_eq!(derived(SrtpSuite::Aes256HmacSha1_80, master), wanted);
    }
}
