//! Unpredictable numbers for a state machine of its own, out of a few of the node's.

use partyline_model::IdSource;
use sha2::{Digest, Sha256};

/// The digests of a secret with a number that counts up.
pub(super) struct Branch {
    secret: [u8; 32],
    count: u64,
}

impl Branch {
    /// A source that has 256 bits of `from`.
    pub(super) fn of(from: &mut dyn IdSource) -> Self {
        let mut secret = [0; 32];
        for half in secret.chunks_exact_mut(16) {
            half.copy_from_slice(&from.next_u128().to_be_bytes());
        }
        Self { secret, count: 0 }
    }
}

impl IdSource for Branch {
    fn next_u128(&mut self) -> u128 {
        self.count += 1;
        let digest = Sha256::new().chain_update(self.secret).chain_update(self.count.to_be_bytes());
        let digest = digest.finalize();
        digest.iter().take(16).fold(0, |bits, &octet| bits << 8 | u128::from(octet))
    }
}
