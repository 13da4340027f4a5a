//! The sample rates of telephony that key presses are searched for and tones are made at.
//!
//! Rates that are no multiple of 8 kHz (11,025 or 44,100 Hz) are a matter for a resampler.

/// How many samples a second sound has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rate {
    /// Narrowband: G.711, G.729 and what else the PSTN knows.
    #[default]
    Hz8000,
    /// Wideband: G.722, AMR-WB.
    Hz16000,
    /// Fullband: Opus.
    Hz48000,
}

impl Rate {
    /// The rate of so many samples a second, if it is one of these.
    #[must_use]
    pub const fn from_hertz(hertz: u32) -> Option<Self> {
        match hertz {
            8_000 => Some(Self::Hz8000),
            16_000 => Some(Self::Hz16000),
            48_000 => Some(Self::Hz48000),
            _ => None,
        }
    }

    /// Samples a second.
    #[must_use]
    pub const fn hertz(self) -> u32 {
        self.per_ms() * 1000
    }

    /// Samples a millisecond.
    pub(crate) const fn per_ms(self) -> u32 {
        match self {
            Self::Hz8000 => 8,
            Self::Hz16000 => 16,
            Self::Hz48000 => 48,
        }
    }

    /// Samples for each one at 8 kHz.
    pub(crate) const fn factor(self) -> u8 {
        match self {
            Self::Hz8000 => 1,
            Self::Hz16000 => 2,
            Self::Hz48000 => 6,
        }
    }
}
