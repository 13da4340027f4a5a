//! How many calls a trunk has at once and how often it is called or calls.

use std::collections::BTreeMap;

use partyline_model::{CallId, Time};
use partyline_sip::rate::{Bucket, Rate};

use crate::node::Node;

/// What a trunk may be used for at most; `None` where nothing limits it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrunkLimits {
    /// Calls at once, in both directions.
    pub max_calls: Option<u32>,
    /// Calls in at once.
    pub max_in: Option<u32>,
    /// Calls out at once.
    pub max_out: Option<u32>,
    /// New calls in in a second, and as many at once after a rest.
    pub cps_in: Option<u32>,
    /// New calls out in a second, and as many at once after a rest.
    pub cps_out: Option<u32>,
    /// Requests that one address of the trunk may send in a second, in place of what its kind may.
    pub requests: Option<u32>,
}

/// Which limit of a trunk keeps a call from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrunkLimit {
    /// `max_calls`.
    Calls,
    /// `max_in` or `max_out`.
    Direction,
    /// `cps_in` or `cps_out`.
    Rate,
}

/// Which way a call goes over its trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    In,
    Out,
}

/// How much the trunks are used, by their place among all.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    calls: BTreeMap<CallId, (usize, Way)>,
    counts: BTreeMap<(usize, Way), u32>,
    rates: BTreeMap<(usize, Way), Bucket>,
}

impl Usage {
    /// A call goes over a trunk, and over none that it went over before.
    pub(crate) fn begin(&mut self, call: CallId, trunk: usize, way: Way) {
        self.end(call);
        self.calls.insert(call, (trunk, way));
        *self.counts.entry((trunk, way)).or_default() += 1;
    }

    /// The trunk that a call goes over.
    pub(crate) fn trunk_of(&self, call: CallId) -> Option<usize> {
        self.calls.get(&call).map(|(trunk, _)| *trunk)
    }

    /// A call is over.
    pub(crate) fn end(&mut self, call: CallId) {
        if let Some(count) = self.calls.remove(&call).and_then(|over| self.counts.get_mut(&over)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Which of `limits` keeps a further call from a trunk.
    pub(crate) fn limit(
        &self,
        now: Time,
        (trunk, way): (usize, Way),
        limits: &TrunkLimits,
    ) -> Option<TrunkLimit> {
        let count = |way| self.counts.get(&(trunk, way)).copied().unwrap_or_default();
        let reached = |limit: Option<u32>, calls: u32| limit.is_some_and(|most| calls >= most);
        let (most, rate) = match way {
            Way::In => (limits.max_in, limits.cps_in),
            Way::Out => (limits.max_out, limits.cps_out),
        };
        let mut bucket = self.rates.get(&(trunk, way)).copied().unwrap_or_default();
        if reached(limits.max_calls, count(Way::In).saturating_add(count(Way::Out))) {
            Some(TrunkLimit::Calls)
        } else if reached(most, count(way)) {
            Some(TrunkLimit::Direction)
        } else {
            rate.is_some_and(|rate| !bucket.take(now, of(rate))).then_some(TrunkLimit::Rate)
        }
    }

    /// Counts a new call against the rate of a trunk.
    pub(crate) fn note(&mut self, now: Time, (trunk, way): (usize, Way), limits: &TrunkLimits) {
        let rate = match way {
            Way::In => limits.cps_in,
            Way::Out => limits.cps_out,
        };
        if let Some(rate) = rate {
            self.rates.entry((trunk, way)).or_default().take(now, of(rate));
        }
    }
}

/// A second's worth may come at once.
const fn of(per_second: u32) -> Rate {
    Rate { per_second, burst: per_second }
}

impl Node {
    /// Which limit keeps a further call from the trunk at `place`.
    pub(crate) fn trunk_limit(&self, now: Time, place: usize, way: Way) -> Option<TrunkLimit> {
        let limits = &self.config.trunks.get(place)?.limits;
        self.usage.limit(now, (place, way), limits)
    }

    /// A call goes over the trunk at `place`.
    pub(crate) fn use_trunk(&mut self, now: Time, call: CallId, place: usize, way: Way) {
        if let Some(trunk) = self.config.trunks.get(place) {
            self.usage.note(now, (place, way), &trunk.limits);
            self.usage.begin(call, place, way);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: TrunkLimits = TrunkLimits {
        max_calls: None,
        max_in: None,
        max_out: None,
        cps_in: None,
        cps_out: None,
        requests: None,
    };

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn calls_are_counted_by_trunk_and_direction_and_a_call_moves_with_its_trunk() {
        let mut usage = Usage::default();
        let limits = TrunkLimits { max_calls: Some(3), max_in: Some(2), max_out: Some(2), ..NONE };
        let limit = |usage: &Usage, trunk, way| usage.limit(at(0), (trunk, way), &limits);
        for call in 1..=2 {
            assert_eq!(limit(&usage, 0, Way::In), None);
            usage.begin(CallId(call), 0, Way::In);
        }
        assert_eq!(limit(&usage, 0, Way::In), Some(TrunkLimit::Direction));
        assert_eq!(limit(&usage, 0, Way::Out), None);
        usage.begin(CallId(3), 0, Way::Out);
        assert_eq!(limit(&usage, 0, Way::Out), Some(TrunkLimit::Calls));
        assert_eq!(limit(&usage, 1, Way::Out), None);
        usage.begin(CallId(3), 1, Way::Out);
        assert_eq!(limit(&usage, 0, Way::Out), None, "it went on by another trunk");
        for call in [1, 1, 2, 3, 4] {
            usage.end(CallId(call));
        }
        assert!(usage.calls.is_empty() && usage.counts.values().all(|count| *count == 0));
    }

    #[test]
    fn a_rate_allows_a_seconds_worth_at_once_and_then_its_average() {
        let mut usage = Usage::default();
        let limits = TrunkLimits { cps_out: Some(2), ..NONE };
        let mut taken = Vec::new();
        for millis in (0..3000).step_by(100) {
            if usage.limit(at(millis), (0, Way::Out), &limits).is_none() {
                usage.note(at(millis), (0, Way::Out), &limits);
                taken.push(millis);
            }
            assert_eq!(usage.limit(at(millis), (0, Way::In), &limits), None);
        }
        assert_eq!(taken, [0, 100, 500, 1000, 1500, 2000, 2500]);
    }
}
