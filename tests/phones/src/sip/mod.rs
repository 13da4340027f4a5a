//! The phone's own SIP: messages, dialogs, transactions and the agent that makes calls of them.

pub(crate) mod agent;
mod callee;
mod caller;
pub(crate) mod dialog;
mod early;
pub(crate) mod message;
mod transaction;
