//! The four transaction machines of RFC 3261 §17, and how messages find them.
//!
//! A machine knows states, timers and whether its transport is reliable, which decides over half of
//! the timers; it neither builds messages nor knows dialogs.

mod client;
mod invite_client;
mod invite_server;
mod server;
pub mod timer;

pub(crate) use client::Client;
pub(crate) use invite_client::{InviteClient, Received};
pub(crate) use invite_server::InviteServer;
pub(crate) use server::Server;

use crate::message::{Envelope, Method};

/// A transaction in one of the endpoint's tables; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TransactionId(pub(crate) u64);

/// A request of ours, whatever transactions carry it; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RequestId(pub(crate) u64);

/// What a client machine asks for when its timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fired {
    Nothing,
    Retransmit,
    /// Timer B or F: nobody answered.
    TimedOut,
}

/// How requests find their server transaction (RFC 3261 §17.2.3).
///
/// ACK and CANCEL carry the branch of their INVITE, so the method is noted apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServerKey {
    method: Method,
    text: Box<str>,
}

impl ServerKey {
    /// The key of the transaction that a request with this method would belong to.
    pub(crate) fn new(envelope: &Envelope, method: Method) -> Self {
        let via = &envelope.via;
        let text = match via.unique_branch() {
            Some(branch) => format!("{branch} {}", via.sent_by()),
            // RFC 2543 peers: the branch says nothing, so the dialog's parts and the hop do.
            // The To tag is left out, which lets the ACK (with our tag) find its INVITE.
            None => format!(
                "{} {} {} {via}",
                envelope.call_id,
                envelope.from.tag().unwrap_or_default(),
                envelope.cseq.number,
            ),
        };
        Self { method, text: text.into() }
    }

    /// Octets of its text.
    pub(crate) fn octets(&self) -> usize {
        self.text.len()
    }
}

/// What tells that a request came here twice on different ways (RFC 3261 §8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MergeKey {
    call_id: Box<str>,
    from_tag: Box<str>,
    cseq: u32,
}

impl MergeKey {
    pub(crate) fn new(envelope: &Envelope) -> Self {
        Self {
            call_id: envelope.call_id.clone(),
            from_tag: envelope.from.tag().unwrap_or_default().into(),
            cseq: envelope.cseq.number,
        }
    }
}
