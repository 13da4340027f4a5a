//! Tests of the whole bridge.
//!
//! [`sim`] is a world without a socket, a thread or a clock, in which scripted phones call the real
//! cores; the scenarios in `tests/` tell one behaviour each. [`real`] is what the programs in `bin/`
//! share, which call the real bridge over real sockets.

#![forbid(unsafe_code)]

pub mod real;
pub mod sim;
