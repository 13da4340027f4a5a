//! What a registration's Contact is called: a token by which its calls are known, that nobody
//! guesses and that a restart does not change, so that a registrar never has two bindings of one
//! trunk.

use hmac::{Hmac, KeyInit, Mac};
use partyline_model::Uuid;
use sha2::Sha256;

/// Set these uses of the key apart from each other.
const PURPOSE: &[u8] = b"partyline contact of trunk\0";
const ORIGIN: &[u8] = b"partyline origin of trunk\0";
/// Octets of the digest that are taken: 128 bits are guessed by nobody.
const OCTETS: usize = 16;

/// The user part of the Contact of the trunk that is called `name`.
pub(super) fn of_trunk(key: &[u8; 32], name: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC has keys of any length");
    let digest = mac.chain_update(PURPOSE).chain_update(name.as_bytes()).finalize().into_bytes();
    digest.iter().take(OCTETS).map(|octet| format!("{octet:02x}")).collect()
}

/// What signed calls out by the trunk that is called `name` name as their origin: the same after a
/// restart, and known to nobody for what it is.
pub(crate) fn origin(key: &[u8; 32], name: &str) -> Uuid {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC has keys of any length");
    let digest = mac.chain_update(ORIGIN).chain_update(name.as_bytes()).finalize().into_bytes();
    let bits = digest.iter().take(OCTETS).fold(0, |bits, octet| bits << 8 | u128::from(*octet));
    // Version 8, variant 1 (RFC 9562 §5.8).
    Uuid(bits & !(0xf << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_stable_and_differs_by_trunk_and_by_key() {
        let token = of_trunk(&[7; 32], "carrier");
        assert_eq!(token, of_trunk(&[7; 32], "carrier"));
        assert_eq!(token.len(), 32);
        assert_ne!(token, of_trunk(&[7; 32], "carrier 2"));
        assert_ne!(token, of_trunk(&[8; 32], "carrier"));
        let uuid = origin(&[7; 32], "carrier");
        assert_eq!(uuid, origin(&[7; 32], "carrier"));
        assert_ne!(uuid, origin(&[7; 32], "carrier 2"));
        assert_ne!(uuid, origin(&[8; 32], "carrier"));
        let text = uuid.to_string();
        assert!(text[14..].starts_with('8') && "89ab".contains(&text[19..20]), "{text}");
        // Computed with Python's hmac module.
        assert_eq!(token, "980ecb9024244ee383cb8eacbe283198");
    }
}
