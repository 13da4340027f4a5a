//! The journal: segment files of checksummed frames, written by one thread, synced in groups.
//!
//! A record is durable when its token comes back. Segments are `NNNNNNNN.plj`; each begins with
//! what was still open when it was begun and a mark that this checkpoint is whole, so that recovery
//! starts at the newest whole checkpoint and not at the beginning of time.

mod disk;
mod frame;
mod open;
mod pieces;
mod recovery;
mod thread;
mod writer;

pub use disk::{Disk, FileDisk};
pub(crate) use disk::{is_set_aside, length, list, read_from};
pub use frame::{Frame, Frames, Header, Identity, Payload, Position};
pub(crate) use pieces::claimed_end;
pub use pieces::{Damage, Piece, Pieces};
pub use recovery::{Recovered, SetAside};
pub use thread::{Clock, Full, Health, JournalHandle, JournalThread, OnDurable, SystemClock};
pub use writer::{Journal, JournalConfig};
