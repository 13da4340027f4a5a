//! The simulated world: one node, one media plane, a network, a disk and phones, on a clock that
//! moves from event to event.
//!
//! ```no_run
//! use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, secs, tone};
//!
//! let mut world = World::build().start();
//! let [anna, ben] = world.phones(["anna", "ben"]);
//! world.join(anna, MODERATOR).join(ben, PARTICIPANT);
//! world.talk(anna).run_for(secs(2));
//! assert!(world.hears(ben, tone(anna)) && world.lacks(anna, tone(anna)));
//! world.finish();
//! ```
//!
//! The cores are those that run in production and are spoken to in datagrams; the phones share no
//! code with them. After each step, and at the end, [`assertions`] holds the whole to what is true
//! of any call. A world with another seed is another world; the same seed is the same run, byte by
//! byte.

pub mod assertions;
pub mod builder;
pub mod clock;
pub mod dice;
pub mod ear;
pub mod journal;
pub mod media;
pub mod model;
pub mod net;
pub mod phone;
pub mod records;
pub mod rooms;
pub mod trunk;
pub mod world;
pub mod zone;

pub use builder::{Builder, LISTENER, MODERATOR, PARTICIPANT, Room};
pub use clock::{START, ms, secs};
pub use journal::Disk;
pub use net::{Link, Loss};
pub use phone::tone;
pub use records::Records;
pub use trunk::{FarEnd, Pings, Registers};
pub use world::World;
pub use zone::Zone;
