//! What an administrator should hear of a deck before it is stored: rates that would never be
//! charged, and prices that change tenfold.

use std::fmt;

use partyline_model::WallTime;

use crate::deck::{ChargeKind, Deck, DeckError, DeckReason, Rate};
use crate::money::Money;

/// How many times a price may grow or shrink before somebody is asked.
const MOST: i128 = 10;

/// A price that is tenfold or more what it was, or a tenth or less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// Line of the new deck with the rate.
    pub line: u64,
    /// Its destination, access kind or feature.
    pub name: String,
    /// Which price: `per_min`, `conn_fee`, `min_charge` or `attempt_fee`.
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
    /// The cells that rating would never look at, so that nobody believes them charged.
    pub fn uncharged(&self) -> Vec<DeckError> {
        let mut found: Vec<_> = self.rates().flat_map(uncharged).collect();
        found.sort_by_key(|error| error.line);
        found
    }

    /// The prices in `next` that are tenfold those of this deck or a tenth of them, for calls from
    /// `since` on. Fees that come or go are no jump; a minute that becomes free or costly is.
    pub fn jumps(&self, next: &Self, since: WallTime) -> Vec<Jump> {
        let mut jumps = Vec::new();
        for rate in next.rates() {
            let at = rate.from.max(since);
            if let Some(old) = self.instead_of(rate, at) {
                compare(old, rate, &mut jumps);
            }
        }
        // A row that went: its calls now fall to a shorter prefix or to the row for all.
        for old in self.rates() {
            let at = old.from.max(since);
            if old.holds_at(at)
                && let Some(rate) = next.instead_of(old, at)
            {
                compare(old, rate, &mut jumps);
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
    if rate.kind != ChargeKind::Bridge && rate.access.is_some() {
        found.push(ignored("access_kind", DeckReason::OnlyBridge));
    }
    found
}

fn compare(old: &Rate, new: &Rate, jumps: &mut Vec<Jump>) {
    let prices = [
        ("per_min", old.per_minute, new.per_minute),
        ("conn_fee", old.connection_fee, new.connection_fee),
        ("min_charge", old.minimum, new.minimum),
        ("attempt_fee", old.attempt_fee, new.attempt_fee),
    ];
    for (column, before, after) in prices {
        let (low, high) = (before.min(after).as_e8(), before.max(after).as_e8());
        let fee = column != "per_min";
        if high > 0 && high >= low * MOST && !(fee && low == 0) {
            jumps.push(Jump { line: new.line, name: new.name.to_string(), column, before, after });
        }
    }
}
