//! The media plane: RTP packets and commands in; mixed RTP, recorded sound, digits and figures
//! out.
//!
//! [`Worker`] is what a media thread owns. It has no clock, socket or thread: time and datagrams
//! are handed in, and what is to be sent goes to a [`Sink`]. It knows legs and rooms by number and
//! nothing of calls, passcodes or conferences.
//!
//! A packet's way: `worker.rs` finds the leg, `leg/shield.rs` opens it if the leg is encrypted,
//! `leg/receiver.rs` judges it, `rtp/jitter.rs` keeps
//! it to its tick, `audio/` decodes or conceals, `room.rs` mixes, `leg/sender.rs` sends. A digit's
//! way: `rtp/telephone_event.rs`, the tone detector or a command, `leg/keys.rs`, `digits.rs`.

#![forbid(unsafe_code)]

mod audio;
mod command;
mod config;
mod digits;
mod event;
mod key_queue;
mod latch;
mod leg;
mod room;
mod rtp;
mod worker;

pub use audio::g711::decode;
pub use audio::prompt::{AudioLibrary, AudioQueue, AudioQueueFull, Clip, UnsupportedRate};
pub use audio::{Frame, SAMPLE_RATE, SAMPLES_PER_FRAME};
pub use command::{Command, Talk};
pub use config::{Config, Formats, InBand, LegConfig, Rtcp, Signalling, SrtpKeys};
pub use event::{Dropped, Event, LegStats};
pub use ipnet::IpNet;
pub use key_queue::{KeyQueue, NotKeys, Stroke};
pub use partyline_model::{ClockRate, Codec, Direction, SrtpKey, SrtpSuite, TelephoneEvent};
pub use worker::{Channel, Sink, Worker};
