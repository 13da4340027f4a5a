//! The words every part of Partyline shares: time, identifiers, digits, telephone numbers, roles,
//! what a media stream is made of, and the keys of an encrypted one.
//!
//! Values, and what is asked of those who are outside of the cores. Nothing here reads a clock, draws
//! a random number or takes part in a protocol.

#![forbid(unsafe_code)]

mod digit;
mod dtls;
mod id;
mod media;
mod number;
mod role;
mod srtp;
mod time;

pub use digit::{Digit, NotADigit};
pub use dtls::{
    DtlsRole, Fingerprint, FingerprintHash, Handshake, HandshakeFault, HandshakeOutput, Handshakes,
};
pub use id::{
    AccountId, AudioId, CallId, ConferenceId, IdSource, LegKey, MixId, PasscodeId, PlaybackId,
    RecordingId, SessionId, Uuid, UuidError,
};
pub use media::{ClockRate, Codec, Direction, TelephoneEvent};
pub use number::{Number, NumberError};
pub use role::Role;
pub use srtp::{SrtpKey, SrtpSuite};
pub use time::{Time, WallTime};
