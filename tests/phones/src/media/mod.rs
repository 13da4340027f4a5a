//! Audio out and audio in: G.711, RTP, the keypad, the sender and the recorder.

pub(crate) mod dtls;
pub(crate) mod g711;
pub(crate) mod gcm;
pub(crate) mod keypad;
pub(crate) mod recorder;
pub(crate) mod rtp;
pub(crate) mod sender;
pub(crate) mod srtp;
pub(crate) mod tone;
