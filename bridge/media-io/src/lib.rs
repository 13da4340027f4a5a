//! The shell around the media plane: threads, sockets, rings and the clock.
//!
//! [`MediaThread::spawn`] moves a [`partyline_media::Worker`] to a thread of its own, which feeds
//! it datagrams and time and carries out what it asks for. What the sound and the packets mean is
//! decided in `partyline-media`; which leg gets which port is the control plane's.

#![forbid(unsafe_code)]

mod clock;
mod config;
mod ring;
mod stats;
mod thread;
mod udp;

pub use clock::Clock;
pub use config::Config;
pub use ring::{Commands, Outlet};
pub use stats::{Counter, LATENESS_MICROS, Stats};
pub use thread::{MediaHandle, MediaThread, Panicked, RecordingFrame, Running, SpawnError};
pub use udp::LONGEST_DATAGRAM;
