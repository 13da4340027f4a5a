//! What an administrator should hear of a deck before it is stored: rates that would never be
//! charged, and prices that change tenfold.

use std::fmt;

use partyline_model::WallTime;

use crate::deck::{ChargeKind, Deck, DeckError, DeckReason, Rate, header_faults};
use crate::money::Money;
use crate::plans::{Version, spans};
use crate::rate::price;

/// How many times a price may grow or shrink before somebody is asked.
const MOST: i128 = 10;
/// The call whose price is compared beside the cells: blocks and fees count by what they do to it.
const USUAL_MS: u64 = 600_000;

/// A price that is tenfold or more what it was, or a tenth or less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// Line of the new deck with the rate.
    pub line: u64,
    /// Its destination, access kind or feature.
    pub name: String,
    /// Which price: `per_min`, `conn_fee`, `min_charge`, `attempt_fee`, or `10 minutes`, a call that
    /// long with its blocks and fees.
    pub column: &'static str,
    /// What it was.
    pub before: Money,
    /// What it becomes.
    pub after: Money,
}

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, name, column, before, after } = self;
        let [before, after] = [before, after].map(|amount| amount.to_plain());
        write!(f, "line {line}, {column} of {name:?}: {before} becomes {after}")
    }
}

impl Deck {
    /// Reads a deck that is to be stored: [`Deck::parse`], which reads again what was stored under
    /// whatever rules, and refuses what nobody means.
    ///
    /// # Errors
    /// Every fault, in the order of the file: besides those of [`Deck::parse`] columns that are not
    /// known or there twice, a deck without a name, and cells that no charge would ever use.
    pub fn accept(text: &str) -> Result<Self, Vec<DeckError>> {
        let mut faults = header_faults(text);
        let deck = match Self::parse(text) {
            Ok(deck) => deck,
            Err(errors) => {
                faults.extend(errors);
                return Err(faults);
            }
        };
        if deck.id().is_empty() {
            faults.push(DeckError { line: 2, column: "deck_id", reason: DeckReason::NoName });
        }
        faults.extend(deck.uncharged());
        if faults.is_empty() { Ok(deck) } else { Err(faults) }
    }

    /// The cells that rating would never look at, so that nobody believes them charged.
    pub fn uncharged(&self) -> Vec<DeckError> {
        let mut found: Vec<_> = self.rates().flat_map(uncharged).collect();
        found.sort_by_key(|error| error.line);
        found
    }

    /// The prices in `next` that are tenfold those of this deck or a tenth of them, for calls from
    /// `since` on and before `until`. Fees that come or go are no jump unless they make ten minutes
    /// one; a minute that becomes free or costly is.
    pub fn jumps(&self, next: &Self, since: WallTime, until: Option<WallTime>) -> Vec<Jump> {
        let mut jumps = Vec::new();
        let starts = |rate: &Rate| {
            let at = rate.from.max(since);
            until.is_none_or(|until| at < until).then_some(at)
        };
        for rate in next.rates() {
            if let Some(old) = starts(rate).and_then(|at| self.instead_of(rate, at)) {
                compare((self, old), (next, rate), &mut jumps);
            }
        }
        // A row that went: its calls now fall to a shorter prefix or to the row for all.
        for old in self.rates() {
            let rate = starts(old).filter(|at| old.holds_at(*at));
            if let Some(rate) = rate.and_then(|at| next.instead_of(old, at)) {
                compare((self, old), (next, rate), &mut jumps);
            }
        }
        jumps.sort_by(|a, b| (a.line, a.column, a.before).cmp(&(b.line, b.column, b.before)));
        jumps.dedup();
        jumps
    }

    /// What this deck charges at `at` for what `rate` of another deck is for.
    fn instead_of(&self, rate: &Rate, at: WallTime) -> Option<&Rate> {
        if !rate.holds_at(at) {
            return None;
        }
        match rate.kind {
            ChargeKind::Bridge => self.bridge_for(rate.access, at),
            ChargeKind::LongDistance => self.distance_for(&rate.prefix, at),
            ChargeKind::Feature => self.feature(&rate.name, at),
        }
    }
}

/// The prices that become tenfold or a tenth for calls answered from `since` on, when the versions
/// `after` of a plan price them in place of the versions `before`: each is compared with the one
/// that was in force at the same time. Between currencies there is nothing to compare.
pub fn jumps(before: &[Version], after: &[Version], since: WallTime) -> Vec<Jump> {
    let mut jumps = Vec::new();
    for (from, to, old) in spans(before, since) {
        for (other_from, other_to, new) in spans(after, since) {
            let from = from.max(other_from);
            let to = [to, other_to].into_iter().flatten().min();
            let same = (old.plan, old.version) == (new.plan, new.version);
            let apart = to.is_some_and(|to| to <= from);
            if !same && !apart && old.deck.currency() == new.deck.currency() {
                jumps.extend(old.deck.jumps(&new.deck, from, to));
            }
        }
    }
    jumps.sort_by(|a, b| (a.line, a.column, a.before).cmp(&(b.line, b.column, b.before)));
    jumps.dedup();
    jumps
}

fn uncharged(rate: &Rate) -> Vec<DeckError> {
    let ignored = |column, reason| DeckError { line: rate.line, column, reason };
    let mut found = Vec::new();
    if rate.kind == ChargeKind::Feature {
        return vec![ignored("kind", DeckReason::Feature)];
    }
    if rate.kind != ChargeKind::LongDistance {
        if !rate.prefix.is_empty() {
            found.push(ignored("prefix", DeckReason::OnlyDistance));
        }
        if rate.attempt_fee > Money::ZERO {
            found.push(ignored("attempt_fee", DeckReason::OnlyDistance));
        }
    }
    if rate.kind == ChargeKind::LongDistance && rate.prefix.starts_with('0') {
        found.push(ignored("prefix", DeckReason::PrefixZero));
    }
    if rate.kind != ChargeKind::Bridge && rate.access.is_some() {
        found.push(ignored("access_kind", DeckReason::OnlyBridge));
    }
    found
}

fn compare((old_deck, old): (&Deck, &Rate), (deck, new): (&Deck, &Rate), jumps: &mut Vec<Jump>) {
    let usual = |deck, rate| price(rate, deck, USUAL_MS).amount;
    let (usual_before, usual_after) = (usual(old_deck, old), usual(deck, new));
    let jump = |column, before, after| Jump {
        line: new.line,
        name: new.name.to_string(),
        column,
        before,
        after,
    };
    let prices = [
        ("per_min", old.per_minute, new.per_minute),
        ("conn_fee", old.connection_fee, new.connection_fee),
        ("min_charge", old.minimum, new.minimum),
        ("attempt_fee", old.attempt_fee, new.attempt_fee),
    ];
    let known = jumps.len();
    for (column, before, after) in prices {
        let fee = column != "per_min" && before.min(after) == Money::ZERO;
        if is_jump(before, after) && !fee {
            jumps.push(jump(column, before, after));
        }
    }
    if jumps.len() == known && is_jump(usual_before, usual_after) {
        jumps.push(jump("10 minutes", usual_before, usual_after));
    }
    // An attempt is not in the price of a call.
    if old.attempt_fee == Money::ZERO && new.attempt_fee > usual_after {
        jumps.push(jump("attempt_fee", old.attempt_fee, new.attempt_fee));
    }
}

fn is_jump(before: Money, after: Money) -> bool {
    let (low, high) = (before.min(after).as_e8(), before.max(after).as_e8());
    high > 0 && high >= low * MOST
}
