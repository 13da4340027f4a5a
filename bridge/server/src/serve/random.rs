//! Unpredictable numbers: ChaCha20 seeded by the system, once at start.

use anyhow::{Context, anyhow};
use partyline_model::IdSource;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// One stream of unpredictable numbers.
pub(super) struct Random(ChaCha20Rng);

impl Random {
    /// A stream of its own, seeded by the system.
    pub(super) fn from_system() -> anyhow::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| anyhow!("{error}"))
            .context("the system gives no random numbers")?;
        Ok(Self(ChaCha20Rng::from_seed(seed)))
    }
}

impl IdSource for Random {
    fn next_u128(&mut self) -> u128 {
        u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64())
    }
}
