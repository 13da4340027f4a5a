//! What a running bridge and those who steer it say to each other: JSON, a line each.
//!
//! The bridge says [`Hello`] first. Then each line of the client is a [`Request`], and each of the
//! bridge a [`Line`]: the response to one, an event, or a word before it closes. Types only; the
//! socket is the server's.

#![forbid(unsafe_code)]

mod event;
mod id;
mod request;
mod resource;
mod response;

pub use event::{Actor, ActorKind, Event};
pub use id::{Id, IdError, Kind};
pub use request::{Command, RecordAction, Request, read_request};
pub use resource::{Announce, Hand, Leg, Mode, Muted, Reference, Session};
pub use response::{Fault, Hello, Line, Response};

/// The version of what is said. A field may come without another; what is there stays.
pub const VERSION: u32 = 1;
/// The longest line, in octets, without its end.
pub const LONGEST_LINE: usize = 16 << 10;
