//! Which deck prices a call: that of the account's plan at the answer, in the
//! version that was in force then.
//!
//! A later plan or version never prices a call that has a rate already. A later version does price
//! the calls that its predecessors have no rate for: that is how a missing rate is added.

use std::collections::{BTreeMap, BTreeSet};

use partyline_cdr_record::LegRecord;
use partyline_model::WallTime;

use crate::deck::Deck;
use crate::rate::{Charge, Unrated, rate};

/// One version of the deck of a plan.
#[derive(Clone, Debug)]
pub struct Version {
    /// The plan, as a record's `rate_context` names it.
    pub plan: u32,
    /// Counts the decks of the plan from 1.
    pub version: u32,
    /// For calls answered from then on.
    pub since: WallTime,
    /// The rates.
    pub deck: Deck,
}

/// The decks that an account's calls may have to be priced by.
#[derive(Clone, Debug)]
pub struct Plans {
    own: u32,
    versions: BTreeMap<u32, Vec<Version>>,
}

impl Plans {
    /// No deck yet, for an account whose plan is `own` today: that of calls whose record names
    /// none.
    pub const fn new(own: u32) -> Self {
        Self { own, versions: BTreeMap::new() }
    }

    /// One deck, which prices everything.
    pub fn of(deck: Deck) -> Self {
        let mut plans = Self::new(0);
        plans.add(Version { plan: 0, version: 1, since: WallTime::from_micros(0), deck });
        plans
    }

    /// Adds a version of a plan.
    pub fn add(&mut self, version: Version) {
        let versions = self.versions.entry(version.plan).or_default();
        versions.push(version);
        versions.sort_by_key(|version| version.version);
    }

    /// The charges of `leg` and the deck that they are from.
    ///
    /// # Errors
    /// [`Unrated`] by the version in force at the answer, when no later one has the rate either.
    pub fn rate(&self, leg: &LegRecord) -> Result<(Vec<Charge>, &Version), Unrated> {
        let plan = if leg.rate_context == 0 { self.own } else { leg.rate_context };
        let versions = self.versions.get(&plan).map_or(&[][..], Vec::as_slice);
        let at = leg.answered_at.unwrap_or(leg.invited_at);
        let first = in_force(versions, at);
        let mut refused = Unrated::NoDeck { plan };
        for (tried, version) in versions.iter().skip(first).enumerate() {
            match rate(leg, &version.deck) {
                Ok(charges) => return Ok((charges, version)),
                Err(why) if tried == 0 => refused = why,
                Err(_later) => {}
            }
        }
        Err(refused)
    }
}

/// Which of `versions`, in their order, is in force at `at`: the last that is for calls of then.
fn in_force(versions: &[Version], at: WallTime) -> usize {
    // A call from before the first version has no other.
    versions.iter().rposition(|version| version.since <= at).unwrap_or(0)
}

/// From when until when each of `versions`, in their order, prices the calls answered from `since`
/// on; the last one's time has no end.
pub(crate) fn spans(
    versions: &[Version],
    since: WallTime,
) -> Vec<(WallTime, Option<WallTime>, &Version)> {
    let later = versions.iter().map(|version| version.since).filter(|&from| from > since);
    let starts: BTreeSet<WallTime> = std::iter::once(since).chain(later).collect();
    let ends = starts.iter().skip(1).copied().map(Some).chain([None]);
    let spans = starts.iter().zip(ends);
    spans
        .filter_map(|(&from, to)| Some((from, to, versions.get(in_force(versions, from))?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use partyline_cdr_record::{AccessKind, Direction, LegState, Origin};
    use partyline_model::Uuid;

    use super::*;
    use crate::check::jumps;
    use crate::money::Money;

    const HEADER: &str = "deck_id,prefix,name,kind,access_kind,currency,per_min,eff_from\n";

    fn version(plan: u32, version: u32, since: i64, access: &str, per_minute: &str) -> Version {
        let row = format!("d,,Bridge,bridge,{access},USD,{per_minute},1970-01-01\n");
        let deck = Deck::parse(&format!("{HEADER}{row}")).unwrap();
        Version { plan, version, since: WallTime::from_micros(since), deck }
    }

    fn leg(plan: u32, answered: i64) -> LegRecord {
        let (origin, at) =
            (Origin { node_id: 1, boot_id: Uuid(1) }, WallTime::from_micros(answered));
        let mut leg = LegRecord::open(origin, Uuid(1), 1, Direction::In, at);
        (leg.state, leg.answered_at, leg.duration_ms) = (LegState::Closed, Some(at), 60_000);
        (leg.access_kind, leg.rate_context) = (AccessKind::Local, plan);
        leg
    }

    fn cost(plans: &Plans, leg: &LegRecord) -> Option<(u32, u32, String)> {
        let (charges, by) = plans.rate(leg).ok()?;
        let sum: Money = charges.iter().map(|charge| charge.amount).sum();
        Some((by.plan, by.version, sum.to_plain()))
    }

    #[test]
    fn the_plan_and_the_version_at_the_answer_price_a_call() {
        let mut plans = Plans::new(2);
        plans.add(version(1, 1, 100, "", "0.10"));
        plans.add(version(1, 2, 200, "", "1.00"));
        plans.add(version(2, 1, 100, "", "5.00"));
        for (plan, answered, by) in [
            (1, 100, (1, 1, "0.10")),
            (1, 199, (1, 1, "0.10")),
            (1, 200, (1, 2, "1.00")),
            // Before the first version: there is no other.
            (1, 50, (1, 1, "0.10")),
            // A record that names no plan: the account's own.
            (0, 300, (2, 1, "5.00")),
        ] {
            let by = Some((by.0, by.1, by.2.to_owned()));
            assert_eq!(cost(&plans, &leg(plan, answered)), by, "plan {plan} at {answered}");
        }
        assert_eq!(plans.rate(&leg(9, 1)).err(), Some(Unrated::NoDeck { plan: 9 }));
    }

    #[test]
    fn a_correction_holds_from_the_moment_it_is_given_for() {
        let mut plans = Plans::new(1);
        plans.add(version(1, 1, 100, "", "0.10"));
        plans.add(version(1, 2, 300, "", "0.20"));
        plans.add(version(1, 3, 200, "", "0.30"));
        let versions = [150, 250, 350].map(|at| cost(&plans, &leg(1, at)).unwrap().1);
        assert_eq!(versions, [1, 3, 3]);
    }

    #[test]
    fn a_later_version_fills_what_the_one_in_force_lacks_and_nothing_else() {
        let mut plans = Plans::new(1);
        plans.add(version(1, 1, 100, "toll_free", "0.10"));
        plans.add(version(1, 2, 200, "local", "0.20"));
        assert_eq!(cost(&plans, &leg(1, 150)).unwrap().1, 2);
        let toll_free = LegRecord { access_kind: AccessKind::TollFree, ..leg(1, 250) };
        assert_eq!(cost(&plans, &toll_free), None, "an earlier version was replaced on purpose");
    }

    #[test]
    fn a_correction_is_compared_with_what_was_in_force_at_each_time() {
        let before = [version(1, 1, 100, "", "0.01"), version(1, 2, 300, "", "0.10")];
        let with = |new: Version| [before.to_vec(), vec![new]].concat();
        let said = |after: &[Version], since| -> Vec<_> {
            let jumps = jumps(&before, after, WallTime::from_micros(since)).into_iter();
            jumps.map(|jump| (jump.before.to_plain(), jump.after.to_plain())).collect()
        };
        let tenfold = [("0.01".to_owned(), "0.10".to_owned())];
        assert_eq!(said(&with(version(1, 3, 200, "", "0.10")), 200), tenfold, "of the first");
        assert_eq!(said(&with(version(1, 3, 50, "", "0.10")), 50), tenfold, "before the first");
        assert_eq!(said(&with(version(1, 3, 300, "", "0.10")), 300), [], "of the second none");
        assert_eq!(said(&with(version(1, 3, 300, "", "0.01")), 300).len(), 1);
        // Another plan, that becomes dear later on.
        let other = [version(2, 1, 100, "", "0.10"), version(2, 2, 400, "", "1.00")];
        assert_eq!(said(&other, 350), [("0.10".to_owned(), "1.00".to_owned())]);
        assert_eq!(said(&before, 0), [], "the same versions");
    }
}
