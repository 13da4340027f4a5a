//! A SIP user agent without a socket or a clock (RFC 3261): messages and time go in, messages and
//! events come out.
//!
//! [`Endpoint`] holds the transactions and dialogs. [`message`] is the wire format, [`sdp`] the
//! session descriptions; the endpoint hands those on unread. [`auth`] is digest authentication in
//! both roles, [`register`] a registration of ours, [`registrar`] keeps those of others, [`health`]
//! watches a trunk. Of these the endpoint answers challenges to its own calls, and has [`Users`] where
//! some register; REGISTER and OPTIONS of ours go out by [`Endpoint::send_request`].
//!
//! Not here: connections themselves. Names are resolved by whoever answers [`Output::Resolve`];
//! [`locate`] knows which, by RFC 3263.

#![forbid(unsafe_code)]

mod admission;
pub mod auth;
mod called;
mod caller;
pub mod cause;
mod command;
mod counters;
mod dialog;
mod endpoint;
mod event;
mod extensions;
mod flow;
pub mod health;
pub mod locate;
pub mod message;
mod nat;
pub mod rate;
pub mod register;
pub mod registrar;
mod reliable;
pub mod sdp;
mod session_timer;
mod shares;
mod subscription;
mod takeover;
pub mod transaction;
mod users;

pub use admission::{Admission, Callers, Limits};
pub use called::{Called, CalledPlace, NoCalledPlace};
pub use caller::{Identities, Identity, NamedCaller, NoIdentity};
pub use command::{
    CommandError, Config, Destination, Dial, Hangup, Listener, OutOfDialog, Patience, Rejection,
};
pub use counters::{Counters, Dropped};
pub use endpoint::{DialogState, Endpoint};
pub use event::{
    Described, DialogId, EndKind, Ended, Ender, Event, Incoming, Names, Output, Presentation,
    RedirectContact, Referral, RefusalTerms, RefusedRequest, Suspicion, Transmit, Unanswered,
};
pub use extensions::Extensions;
pub use flow::{ConnectionId, Flow, NextHop, Resolve, ResolveId, Target, Transport};
pub use reliable::Reliability;
pub use session_timer::{SessionTimers, TimerMode};
pub use subscription::SubscriptionId;
pub use takeover::{Aim, NotTaken, Takeover};
pub use users::{Realm, User, UserCounts, Users};
