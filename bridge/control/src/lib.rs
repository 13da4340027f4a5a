//! The control plane of a node: SIP dialogs, conferences and media legs meet here and nowhere else.
//!
//! [`Node`] turns what the SIP endpoint reports into inputs of the conference core, and what the
//! core wants into SIP and media commands. It decides which trunk a call belongs to and which
//! ports it gets; what a caller hears, and when, is the conference core's. Pure: no socket, file
//! or clock.

#![forbid(unsafe_code)]

mod admission;
mod attendance;
mod attestation;
mod banning;
mod call_map;
mod callee;
mod claims;
mod config;
mod description;
mod handshakes;
mod identity;
mod inbound;
mod keying;
mod limits;
mod lost;
mod media;
mod media_addresses;
mod node;
mod numbers;
mod outbound;
mod outcome;
mod own;
mod ports;
mod redirect;
mod referral;
mod refusals;
mod reject;
mod remote;
mod routes;
mod routing;
mod sound;
mod trace;
mod trunks;
mod users;
mod verification;
mod whereabouts;

pub use admission::{
    Ban, BanCounts, Banned, ConnectionGate, FairQueue, Gate, Known, Offence, Sources, Unbannable,
    Unwanted, Unwelcome, Welcome,
};
pub use claims::ClaimFault;
pub use config::{Config, PortRange, PortRangeError, Site, SourceKind, Trunk, TrunkAccount};
pub use handshakes::{HandshakeCounts, HandshakeFailure};
pub use identity::{FromUser, IdentityHeader, Presenting};
pub use ipnet::IpNet;
pub use keying::KeyWay;
pub use limits::{TrunkLimit, TrunkLimits};
pub use media_addresses::MediaAddresses;
pub use node::{Node, Output, Parts, Refused};
pub use numbers::{CountryCode, CountryCodeError, NumberFormat, Numbers};
pub use own::Own;
pub use partyline_conference::RefusalCodes;
pub use partyline_conference::{GuessAlarm, GuessCounts, GuessKey};
pub use partyline_conference::{
    LegOrder, LegSnapshot, LegStage, Muted, NotDone, Order, RecordOrder, RecordingState,
    SessionOrder, SessionSnapshot, SessionState,
};
pub use refusals::{Cause, Refusal};
pub use reject::RejectCodes;
pub use routes::{Prefix, PrefixError, order};
pub use routing::{Fault, Routing, TrunkFailure};
pub use sound::TrunkSound;
pub use trace::{TraceFilter, TraceKind, Traced, TracedMessage};
pub use trunks::{Binding, PingCounts, TrunkChange, TrunkFault, TrunkState, TrunkStatus};
pub use users::{Member, UserBinding, UserStatus};
pub use verification::{Verification, Verified, Verifying};
pub use whereabouts::{Lookup, LookupId, TrunkName};
