//! x
#![forbid(unsafe_code)]
#![allow(dead_code)]
mod audio;
pub use audio::g711::Codec;
pub use audio::prompt::*;
