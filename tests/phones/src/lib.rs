//! Test phones: far ends of our own that call the bridge, key digits, speak, listen and say what
//! they saw and heard.
//!
//! It shares no code with the bridge, on purpose: what judges must not repeat the judged one's
//! mistakes.

#![forbid(unsafe_code)]

pub mod analysis;
mod config;
mod log;
mod media;
mod random;
mod sdp;
mod sip;

pub use config::{Answering, Faults, Offer, PhoneConfig};
pub use log::{CallSummary, Direction, Ending, Entry, Event};
pub use media::g711::Codec;
pub use media::keypad::{DigitMode, Keys};
pub use media::recorder::Received;
pub use media::rtp::RtpPacket;
pub use media::sender::Audio;
pub use media::tone::sine;
