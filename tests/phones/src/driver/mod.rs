//! What carries phones: a switchboard for any network, simulated ones first, and real sockets.

#[cfg(feature = "udp")]
mod clock;
pub(crate) mod switchboard;
#[cfg(feature = "udp")]
pub mod udp;
