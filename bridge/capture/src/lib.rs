//! Key presses in what was recorded: sound files ([`wav`]) and packet captures ([`Capture`]).
//!
//! For the operator whose caller says "I pressed 5 and it did not work". In-band tones are heard by
//! the bridge's own detector; telephone events (RFC 4733) and SIP INFO are read as they were sent,
//! with what was lost around them, so that a complaint can be told from a fault.
//!
//! Bytes come from the caller: no file is opened here and nothing is written. Digits are in clear
//! in what is returned, may be somebody's passcode, and have no `Debug`: whoever prints them
//! answers for where they go.
//!
//! Not here: SIP over TCP, encrypted media, codecs but G.711.

#![forbid(unsafe_code)]

mod capture;
mod ear;
mod event;
mod file;
mod fragment;
mod level;
mod link;
mod press;
mod resample;
mod signalling;
mod stream;
mod tunnel;
pub mod wav;

pub use capture::{Capture, Report, Spoilt};
pub use file::CaptureError;
pub use press::{Level, Note, Press, Source};
pub use signalling::{Dialog, Format};
pub use stream::{Counts, Stream};
