//! SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714): packets of RTP and RTCP protected and unprotected
//! in place.
//!
//! [`Protector`] is the sending side of a stream, [`Unprotector`] the receiving side. Each is made
//! of the master key of its direction, and nothing is allocated from then on. Who gave the keys, by
//! SDES (RFC 4568) or DTLS (RFC 5764), is not known here.
//!
//! Not done here: MKI, key derivation rates, unencrypted streams, and packets sent again by their
//! index.

#![forbid(unsafe_code)]

mod cipher;
mod derive;
mod header;
mod index;
mod protect;
mod unprotect;

pub use partyline_model::{SrtpKey, SrtpSuite};
pub use protect::Protector;
pub use unprotect::{Refused, SOURCES, Unprotector};

/// The most octets that protection adds to a packet: the tag of AES-GCM and the index of SRTCP.
pub const MAX_TRAILER: usize = 20;
