//! The conference core: calls become legs of conferences, keys become commands, everything leaves
//! a record.
//!
//! [`Bridge`] is pure: [`Bridge::handle`] takes an [`Input`] at a [`partyline_model::Time`],
//! [`Bridge::poll_output`] gives what to do, [`Bridge::poll_timeout`] says when to come back. It
//! does not know SIP, RTP, codecs, files or clocks; `partyline-control` joins it to those that do.
//!
//! # Seams
//! - Ids of legs that come in are the caller's, below [`FIRST_OUTBOUND`]; those of legs that the
//!   bridge dials are the bridge's, from there up. No id is used twice.
//! - After [`Output::Reject`] or [`Output::Hangup`], and after [`Input::Ended`] or
//!   [`Input::DialFailed`], the leg is gone; inputs about it are ignored.
//! - [`Output::Answer`] and [`Output::Dial`] come after the [`Output::Persist`] of their records
//!   was reported durable, and never otherwise.
//! - [`Input::Stats`] about a leg that has just ended makes one more revision of its record.

#![forbid(unsafe_code)]

mod arrival;
mod aside;
mod attendance;
mod begin;
mod bridge;
mod call;
mod claim;
mod config;
mod dialogue;
mod dialout;
mod effects;
mod ending;
mod event;
mod feature;
mod floor;
mod guard;
mod guess;
mod held;
mod invited;
mod ivr;
mod ledger;
mod lock;
mod lookup;
mod names;
mod presence;
mod promote;
mod question;
mod record;
mod recording;
mod remote;
mod roll;
mod roster;
mod session;
mod settings;
mod timers;

pub use attendance::{Attendance, Attendee, AttendeeState, masked, number as shown_number};
pub use bridge::{Bridge, Parts};
pub use claim::{Claim, ClaimCodes, ClaimKind, Unclaimed};
pub use config::{Config, EntryTiming};
pub use event::{
    DialogNames, EndKind, Ended, FIRST_OUTBOUND, GuessAlarm, GuessCounts, GuessKey, Input, Offered,
    Output, Refusal, RefusalCodes, Summary, Talk,
};
pub use invited::{Invitation, InvitationNews, NotInvited};
pub use remote::{
    LegOrder, LegSnapshot, LegStage, Muted, NotDone, Order, RecordOrder, RecordingState,
    SessionOrder, SessionSnapshot, SessionState,
};
