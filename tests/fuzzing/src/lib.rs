//! What must hold whatever bytes come: one function for each parser and each state machine.
//!
//! Each target takes any bytes and panics when something is wrong with what the code under test
//! made of them. `tests/fuzz` hands them to libFuzzer, which looks for new ways through the code;
//! `tests/replay.rs` runs the committed corpus and mutations of it in every `cargo test`.
//!
//! Not here: how inputs are found, and the configuration file, whose parser is inside the
//! program and has property tests there.

#![forbid(unsafe_code)]

mod cdr;
mod conference;
mod deck;
mod dial;
mod dtmf;
mod flac;
mod listing;
mod media;
mod sdp;
mod sip_auth;
mod sip_endpoint;
mod sip_identity;
mod sip_message;
mod sip_register;
mod sip_stream;
mod tape;

pub use cdr::{cdr_journal, cdr_record};
pub use conference::conference_inputs;
pub use deck::deck;
pub use dial::{dial_plan, dialled_number};
pub use dtmf::dtmf;
pub use flac::prompt_flac;
pub use listing::{packet_capture, wav_file};
pub use media::{rtcp, rtp_packet, telephone_event};
pub use sdp::sdp;
pub use sip_auth::sip_auth;
pub use sip_endpoint::{SEPARATOR, sip_endpoint};
pub use sip_identity::sip_identity;
pub use sip_message::sip_message;
pub use sip_register::sip_register;
pub use sip_stream::sip_stream;

/// A target: its name, which is also that of its corpus and its libFuzzer program.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Also the name of its function in this crate.
    pub name: &'static str,
    /// Panics when any bytes lead to something wrong.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident)+) => {
        &[$(Target { name: stringify!($name), run: $name },)+]
    };
}

/// Every target.
pub const TARGETS: &[Target] = targets! {
    sip_message sip_stream sip_endpoint sip_auth sip_register sip_identity sdp
    rtp_packet rtcp telephone_event dtmf
    dial_plan dialled_number prompt_flac
    conference_inputs
    cdr_record cdr_journal deck
    wav_file packet_capture
};
