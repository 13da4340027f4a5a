//! SIP on the wire: sockets and what they carry, one file for each kind.

pub(super) mod udp;
