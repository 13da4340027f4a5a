//! What is dialled and what is said: star codes, outbound numbers, voice prompts.
//!
//! - [`star`] turns keys pressed in a conference into commands.
//! - [`plan`] turns a number that a moderator typed into E.164 and a class, or refuses it.
//! - [`Prompt`] names everything the bridge can say, [`library`] holds the sound of it and
//!   [`say`] puts numbers into words.
//!
//! Everything is data and look-up. Nothing here knows who is calling, what an account may do, or
//! when a prompt is played: the conference decides that.

#![forbid(unsafe_code)]

mod codes;
pub mod library;
mod matcher;
mod parse;
pub mod plan;
mod prompt;
pub mod say;
pub mod star;
mod tone;

pub use codes::{codes_opened_by, country_codes};
pub use library::{Clip, Language};
pub use plan::{Apart, Barred, Class, Outbound, Plan};
pub use prompt::Prompt;
