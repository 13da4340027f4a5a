//! A subscription within a call (RFC 6665): what its subscriber is told, one NOTIFY at a time.
//!
//! State only: who sends is in `endpoint/notify.rs`, what there is to tell is the node's.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use partyline_model::Time;

use crate::transaction::RequestId;

/// The event package of conferences, and the type of its documents (RFC 4575 §3.1, §3.5).
pub(crate) const CONFERENCE: &str = "conference";
pub(crate) const CONFERENCE_TYPE: &str = "application/conference-info+xml";

/// A subscription of a far end, within one call; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub(crate) u64);

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subscription-{}", self.0)
    }
}

/// What is subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Package {
    /// What becomes of a REFER, by its number where it is not the first of its call
    /// (RFC 3515 §2.4.6).
    Refer(Option<u32>),
    /// The conference that the call is to, by the `id` that the far end gave (RFC 4575).
    Conference(Option<Box<str>>),
}

impl Package {
    /// The value of Event.
    pub(crate) fn event(&self) -> String {
        match self {
            Self::Refer(None) => "refer".to_owned(),
            Self::Refer(Some(cseq)) => format!("refer;id={cseq}"),
            Self::Conference(None) => CONFERENCE.to_owned(),
            Self::Conference(Some(id)) => format!("{CONFERENCE};id={id}"),
        }
    }

    /// The type of the body.
    pub(crate) const fn content(&self) -> &'static str {
        match self {
            Self::Refer(_) => "message/sipfrag;version=2.0",
            Self::Conference(_) => CONFERENCE_TYPE,
        }
    }

    pub(crate) const fn is_conference(&self) -> bool {
        matches!(self, Self::Conference(_))
    }
}

/// How a subscription is with the NOTIFY that says so (RFC 6665 §4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is nothing yet that the subscriber may know.
    Pending,
    Active,
    /// What was subscribed to has come to its end.
    Gone,
    /// The time is up.
    TimedOut,
}

impl Stage {
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Gone | Self::TimedOut)
    }
}

/// What a NOTIFY says.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) body: Bytes,
    pub(crate) stage: Stage,
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

    /// Whether its end is to be said after what is being said, and nothing else is awaited.
    pub(crate) fn is_ending(&self) -> bool {
        self.waiting.as_ref().is_some_and(|notice| notice.stage.is_over())
    }

    /// The value of Subscription-State.
    pub(crate) fn state(&self, now: Time, stage: Stage) -> String {
        let left = || whole_seconds(self.until.since(now.min(self.until)));
        match stage {
            Stage::Pending => format!("pending;expires={}", left()),
            Stage::Active => format!("active;expires={}", left()),
            Stage::Gone => "terminated;reason=noresource".to_owned(),
            Stage::TimedOut => "terminated;reason=timeout".to_owned(),
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
        let subscription = Subscription::new(SubscriptionId(1), Package::Refer(Some(7)), until);
        assert_eq!(subscription.state(Time::ZERO, Stage::Active), "active;expires=91");
        assert_eq!(subscription.state(Time::ZERO, Stage::Pending), "pending;expires=91");
        let late = Time::from_millis(99_000);
        assert_eq!(subscription.state(late, Stage::Active), "active;expires=0");
        let over = subscription.state(Time::ZERO, Stage::TimedOut);
        assert_eq!(over, "terminated;reason=timeout");
    }

    #[test]
    fn an_event_names_its_package_and_id() {
        let all = [
            Package::Refer(Some(7)),
            Package::Refer(None),
            Package::Conference(None),
            Package::Conference(Some("a1".into())),
        ];
        let events = all.map(|package| package.event());
        assert_eq!(events, ["refer;id=7", "refer", "conference", "conference;id=a1"]);
    }
}
