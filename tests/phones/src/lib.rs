//! Test phones: far ends of our own that call the bridge, key digits, speak, listen and say what
//! they saw and heard.
//!
//! The core is sans-IO: [`Phone::handle`] takes datagrams, commands and the passing of time,
//! [`Phone::poll_output`] gives datagrams, [`Phone::poll_timeout`] the time of the next call. Time
//! is a [`std::time::Duration`] since the start. Two drivers carry it: [`Switchboard`] for a
//! simulated network and, with feature `udp`, [`udp::UdpDriver`] for real sockets.
//!
//! It shares no code with the bridge, on purpose: what judges must not repeat the judged one's
//! mistakes.

#![forbid(unsafe_code)]

pub mod analysis;
mod config;
mod driver;
mod log;
mod media;
mod phone;
mod random;
mod runner;
mod script;
mod sdp;
mod sip;
#[cfg(feature = "cli")]
pub mod story;

pub use config::{Answering, EarlyAnswer, Encryption, Faults, Offer, PhoneConfig};
pub use driver::switchboard::{Packet, PhoneId, Switchboard};
#[cfg(feature = "udp")]
pub use driver::udp;
pub use log::{CallSummary, Direction, Ending, Entry, Event};
pub use media::g711::Codec;
pub use media::keypad::{DigitMode, Keys, Signs};
pub use media::recorder::Received;
pub use media::rtp::RtpPacket;
pub use media::sender::Audio;
pub use media::tone::sine;
pub use phone::{Command, Input, Phone, Port, Transmit};
pub use script::{Outcome, Presence, Script, Sound, Step, Window};
