//! The real program over real sockets: what the demo, the crash and the canary share.
//!
//! [`bridge`] starts `partyline` on addresses of its own and administers it by its command line;
//! [`cast`] holds the test phones that call it. The rest judges what came of it: [`records`],
//! [`wave`] and [`leak`]. Nothing here knows the bridge's code: it knows its commands and its files.

pub mod bridge;
pub mod cast;
pub mod checks;
pub mod leak;
pub mod records;
pub mod speech;
pub mod steady;
pub mod wave;
pub mod wire;
