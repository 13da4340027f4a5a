//! Callers who can be told apart: their wrong verdicts of the last ten minutes, and who got in.

use std::collections::{BTreeMap, BTreeSet};

use partyline_model::Time;

use super::{Caller, MOST_WRONG, PUT_RIGHT, WINDOW, WRONG};

/// What closes an account.
const LIMIT: u32 = MOST_WRONG * WRONG;

/// Wrong verdicts by caller, bounded.
pub(super) struct Callers {
    most: usize,
    accounts: BTreeMap<Caller, Account>,
    /// Every account, the one to be forgotten first at the front.
    by_weight: BTreeSet<(u32, Time, Caller)>,
    by_age: BTreeSet<(Time, Caller)>,
}

/// One caller's.
#[derive(Default)]
struct Account {
    /// When, and what it counts, in order.
    verdicts: Vec<(Time, u32)>,
    /// Tries since then that got no verdict.
    refused: u32,
}

impl Account {
    fn weight(&self, now: Time) -> u32 {
        let counts = |&&(at, _): &&(Time, u32)| now.since(at) < WINDOW;
        self.verdicts.iter().filter(counts).map(|&(_, weight)| weight).sum()
    }

    /// What the account weighs when nothing has aged, and when the last verdict was.
    fn rank(&self) -> (u32, Time) {
        let last = self.verdicts.last().map_or(Time::ZERO, |&(at, _)| at);
        (self.verdicts.iter().map(|&(_, weight)| weight).sum(), last)
    }
}

impl Callers {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            accounts: BTreeMap::new(),
            by_weight: BTreeSet::new(),
            by_age: BTreeSet::new(),
        }
    }

    /// How many tries got no verdict, when `caller` gets none at `now`.
    pub(super) fn closed(&self, now: Time, caller: Caller) -> Option<u32> {
        let account = self.accounts.get(&caller)?;
        (account.weight(now) >= LIMIT).then_some(account.refused)
    }

    /// Wrong verdicts of `caller` that count at `now`, in whole ones.
    pub(super) fn wrong_of(&self, now: Time, caller: Caller) -> u32 {
        self.accounts.get(&caller).map_or(0, |account| account.weight(now) / WRONG)
    }

    /// A try got no verdict.
    pub(super) fn refuse(&mut self, caller: Caller) {
        if let Some(account) = self.accounts.get_mut(&caller) {
            account.refused = account.refused.saturating_add(1);
        }
    }

    /// A wrong verdict was given.
    pub(super) fn wrong(&mut self, now: Time, caller: Caller) {
        self.expire(now);
        if !self.accounts.contains_key(&caller) && !self.make_room() {
            return;
        }
        self.change(caller, |account| {
            account.verdicts.retain(|&(at, _)| now.since(at) < WINDOW);
            if account.verdicts.iter().map(|&(_, weight)| weight).sum::<u32>() < LIMIT {
                account.refused = 0;
            }
            account.verdicts.push((now, WRONG));
        });
    }

    /// The call whose last wrong verdict was given at `at` was accepted.
    pub(super) fn put_right(&mut self, caller: Caller, at: Time) {
        if self.accounts.contains_key(&caller) {
            self.change(caller, |account| {
                let mut verdicts = account.verdicts.iter_mut().rev();
                if let Some(verdict) = verdicts.find(|verdict| **verdict == (at, WRONG)) {
                    verdict.1 = PUT_RIGHT;
                }
            });
        }
    }

    fn change(&mut self, caller: Caller, change: impl FnOnce(&mut Account)) {
        let account = self.accounts.entry(caller).or_default();
        let (weight, last) = account.rank();
        self.by_weight.remove(&(weight, last, caller));
        self.by_age.remove(&(last, caller));
        change(account);
        let (weight, last) = account.rank();
        self.by_weight.insert((weight, last, caller));
        self.by_age.insert((last, caller));
    }

    /// Forgets accounts that count nothing any more, a few at a time.
    fn expire(&mut self, now: Time) {
        for _ in 0..4 {
            let Some(&(last, caller)) = self.by_age.first() else { return };
            if now.since(last) < WINDOW {
                return;
            }
            self.forget(caller);
        }
    }

    /// Whether there is room for one more: the lightest, of those the oldest, may have to go.
    fn make_room(&mut self) -> bool {
        if self.accounts.len() < self.most {
            return true;
        }
        let Some(&(weight, _, caller)) = self.by_weight.first() else { return false };
        if weight >= LIMIT {
            return false;
        }
        self.forget(caller);
        true
    }

    fn forget(&mut self, caller: Caller) {
        let Some(account) = self.accounts.remove(&caller) else { return };
        let (weight, last) = account.rank();
        self.by_weight.remove(&(weight, last, caller));
        self.by_age.remove(&(last, caller));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.by_weight.len(), self.accounts.len());
        assert_eq!(self.by_age.len(), self.accounts.len());
        self.accounts.len()
    }
}

/// Callers who typed a right passcode before; when there are too many, who was longest not seen
/// goes.
pub(super) struct Known {
    most: usize,
    seen: BTreeMap<Caller, Time>,
    by_age: BTreeSet<(Time, Caller)>,
}

impl Known {
    pub(super) const fn new(most: usize) -> Self {
        Self { most, seen: BTreeMap::new(), by_age: BTreeSet::new() }
    }

    pub(super) fn has(&self, caller: Caller) -> bool {
        self.seen.contains_key(&caller)
    }

    pub(super) fn see(&mut self, now: Time, caller: Caller) {
        if let Some(before) = self.seen.insert(caller, now) {
            self.by_age.remove(&(before, caller));
        }
        self.by_age.insert((now, caller));
        if self.seen.len() > self.most
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.seen.remove(&oldest);
        }
    }
}
