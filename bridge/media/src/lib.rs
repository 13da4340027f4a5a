//! The media plane: RTP in, digits and sound out.
#![forbid(unsafe_code)]
#![allow(dead_code)]
mod audio;
mod command;
mod config;
mod digits;
mod event;
mod latch;
mod rtp;
pub use audio::g711::Codec;
pub use audio::prompt::*;
pub use command::*;
pub use config::*;
pub use event::*;
