//! What was there before and stays: hum, dial tone, line noise.
//!
//! Speech and music let the power fall again and again, so that their least power is little. What
//! lies outside the tone bands and hardly changes for 400 ms counts in full.

/// Hops that are put together: 40 ms.
const GROUP_HOPS: usize = 8;
/// Groups that are looked back on: 400 ms.
const MEMORY: usize = 10;
/// Groups between those and the latest, so that no look shares a sample with its background.
const GAP: usize = 3;
/// What lies outside the bands is steady when its greatest power is within this of its least.
const STEADY: f32 = 4.0;

#[derive(Clone, Copy)]
struct Group {
    least_total: f32,
    least_outside: f32,
    most_outside: f32,
    sum_outside: f32,
}

impl Group {
    const EMPTY: Self = Self {
        least_total: f32::INFINITY,
        least_outside: f32::INFINITY,
        most_outside: 0.0,
        sum_outside: 0.0,
    };
}

/// The background of one leg.
#[derive(Clone)]
pub(crate) struct Background {
    groups: [Group; MEMORY + GAP],
    /// The oldest group: where the next one goes.
    oldest: usize,
    /// Whole groups so far, up to as many as are kept.
    whole: usize,
    filling: Group,
    filled: usize,
    power: f32,
}

impl Background {
    pub(crate) const fn new() -> Self {
        Self {
            groups: [Group::EMPTY; MEMORY + GAP],
            oldest: 0,
            whole: 0,
            filling: Group::EMPTY,
            filled: 0,
            power: 0.0,
        }
    }

    /// Its power; 0 while it is not known.
    pub(crate) const fn power(&self) -> f32 {
        self.power
    }

    /// Takes a window's power, in all and outside the two bands.
    pub(crate) fn push(&mut self, total: f32, outside: f32) {
        let outside = most(outside, 0.0);
        let group = &mut self.filling;
        group.least_total = least(group.least_total, total);
        group.least_outside = least(group.least_outside, outside);
        group.most_outside = most(group.most_outside, outside);
        group.sum_outside += outside;
        self.filled += 1;
        if self.filled == GROUP_HOPS {
            self.groups[self.oldest] = self.filling;
            self.oldest = (self.oldest + 1) % self.groups.len();
            self.whole = (self.whole + 1).min(self.groups.len());
            self.filling = Group::EMPTY;
            self.filled = 0;
            self.power = if self.whole == self.groups.len() { self.settled() } else { 0.0 };
        }
    }

    fn settled(&self) -> f32 {
        let (newer, older) = self.groups.split_at(self.oldest);
        let mut all = Group::EMPTY;
        for group in older.iter().chain(newer).take(MEMORY) {
            all.least_total = least(all.least_total, group.least_total);
            all.least_outside = least(all.least_outside, group.least_outside);
            all.most_outside = most(all.most_outside, group.most_outside);
            all.sum_outside += group.sum_outside;
        }
        let outside = if all.most_outside < STEADY * all.least_outside.max(1.0) {
            all.sum_outside / (MEMORY * GROUP_HOPS) as f32
        } else {
            all.least_outside
        };
        outside.max(all.least_total)
    }
}

/// The lesser of two numbers, one instruction instead of the care that NaN would need.
fn least(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}

/// The greater of two numbers.
fn most(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

#[cfg(test)]
mod tests;
