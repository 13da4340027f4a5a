//! Test phones: far ends of our own that call the bridge, key digits, speak, listen and say what
//! they saw and heard.
//!
//! It shares no code with the bridge, on purpose: what judges must not repeat the judged one's
//! mistakes.

#![forbid(unsafe_code)]

pub mod analysis;
mod media;
mod random;

pub use media::g711::Codec;
pub use media::recorder::Received;
pub use media::rtp::RtpPacket;
pub use media::tone::sine;
