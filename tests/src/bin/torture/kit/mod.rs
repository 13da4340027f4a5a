//! What the attacks are made of: light callers by the hundred, raw sockets, and their words.
//!
//! The callers are lighter than the test phones, and their own masters: they signal addresses that
//! are not theirs, speak late, leave ACKs out, and share a socket where a carrier would.

pub(crate) mod crowd;
pub(crate) mod ears;
pub(crate) mod flood;
pub(crate) mod floor;
pub(crate) mod line;
pub(crate) mod siege;
pub(crate) mod stream;
