//! What carries phones: a switchboard for any network, simulated ones first.

pub(crate) mod switchboard;
