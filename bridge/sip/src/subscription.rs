//! A subscription within a call (RFC 6665): what its subscriber is told, one NOTIFY at a time.
//!
//! State only: who sends is in `endpoint/notify.rs`, what there is to tell is the node's.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use partyline_model::Time;

use crate::transaction::RequestId;

/// A subscription of a far end, within one call; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub(crate) u64);

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subscription-{}", self.0)
    }
}

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Package {
    /// What becomes of a REFER, by its number where it is not the first of its call
    /// (RFC 3515 §2.4.6).
    Refer(Option<u32>),
}

impl Package {
    /// The value of Event.
    pub(crate) fn event(self) -> String {
        match self {
            Self::Refer(None) => "refer".to_owned(),
            Self::Refer(Some(cseq)) => format!("refer;id={cseq}"),
        }
    }

    /// The type of the body.
    pub(crate) const fn content(self) -> &'static str {
        match self {
            Self::Refer(_) => "message/sipfrag;version=2.0",
        }
    }
}

/// Why a subscription is over (RFC 6665 §4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// What was subscribed to has come to its end.
    NoResource,
    /// The time is up.
    Timeout,
}

/// What a NOTIFY says.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) body: Bytes,
    pub(crate) over: Option<Over>,
}

/// One subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    pub(crate) package: Package,
    /// When the subscription ends by itself.
    pub(crate) until: Time,
    /// The NOTIFY that has no answer yet: the next one waits for it.
    pub(crate) sending: Option<RequestId>,
    /// What is to be said after that; the newest is all that counts.
    pub(crate) waiting: Option<Notice>,
    /// What was said last.
    pub(crate) told: Bytes,
}

impl Subscription {
    pub(crate) fn new(id: SubscriptionId, package: Package, until: Time) -> Self {
        Self { id, package, until, sending: None, waiting: None, told: Bytes::new() }
    }

    /// The value of Subscription-State.
    pub(crate) fn state(&self, now: Time, over: Option<Over>) -> String {
        match over {
            None => {
                let left = self.until.since(now.min(self.until));
                format!("active;expires={}", whole_seconds(left))
            }
            Some(Over::NoResource) => "terminated;reason=noresource".to_owned(),
            Some(Over::Timeout) => "terminated;reason=timeout".to_owned(),
        }
    }
}

/// Rounded up: a subscription that lasts still has no 0 seconds left.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_says_how_long_or_why_no_longer() {
        let until = Time::from_millis(90_500);
        let package = Package::Refer(Some(7));
        let subscription = Subscription::new(SubscriptionId(1), package, until);
        assert_eq!(subscription.state(Time::ZERO, None), "active;expires=91");
        assert_eq!(subscription.state(Time::from_millis(90_500), None), "active;expires=0");
        assert_eq!(subscription.state(Time::from_millis(99_000), None), "active;expires=0");
        let over = subscription.state(Time::ZERO, Some(Over::Timeout));
        assert_eq!(over, "terminated;reason=timeout");
        assert_eq!(
            (package.event(), Package::Refer(None).event()),
            ("refer;id=7".into(), "refer".into())
        );
    }
}
