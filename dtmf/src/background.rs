//! What was there before and stays: hum, dial tone, line noise.
//!
//! Speech and music let the power fall again and again, so that their least power is little. What
//! lies outside the tone bands and hardly changes for 400 ms counts in full.

use crate::simd::{LANES, Vectors};

/// Hops that are put together: 40 ms.
const GROUP_HOPS: usize = 8;
const FULL: f32 = GROUP_HOPS as f32;
/// Groups that are looked back on: 400 ms.
const MEMORY: usize = 10;
/// Groups between those and the latest, so that no look shares a sample with its background.
const GAP: usize = 3;
/// What lies outside the bands is steady when its greatest power is within this of its least.
const STEADY: f32 = 4.0;

/// The backgrounds of `N` calls.
#[derive(Clone)]
pub(crate) struct Background<const N: usize> {
    filling: Group,
    groups: [Groups; N],
    power: [f32; LANES],
}

/// What becomes a group, a lane for each call.
#[derive(Clone)]
struct Group {
    hops: [f32; LANES],
    least_total: [f32; LANES],
    least_outside: [f32; LANES],
    most_outside: [f32; LANES],
    sum_outside: [f32; LANES],
}

/// The latest groups of a call, oldest first.
#[derive(Clone)]
struct Groups {
    bounds: [Bounds; MEMORY + GAP],
    /// Whole groups so far, up to as many as are kept.
    whole: usize,
}

/// Of a group: least power in all and least outside the bands, both negated, and most outside, so
/// that the greatest of many groups counts; then the sum of what is outside.
type Bounds = [f32; 4];

impl<const N: usize> Background<N> {
    pub(crate) const fn new() -> Self {
        Self { filling: Group::NEW, groups: [const { Groups::new() }; N], power: [0.0; LANES] }
    }

    /// Forgets what it knows of a call.
    pub(crate) const fn forget(&mut self, call: usize) {
        self.filling.begin(call);
        self.groups[call] = Groups::new();
        self.power[call] = 0.0;
    }

    /// The power of each; 0 while it is not known.
    pub(crate) const fn powers(&self) -> &[f32; LANES] {
        &self.power
    }

    /// Takes the powers of a window of every call, in all and outside the two bands; passes over
    /// the calls that `known` has no bit for.
    #[inline(always)]
    pub(crate) fn push<W: Vectors>(&mut self, v: W, total: W::V, outside: W::V, known: u8) {
        let before = (known != u8::MAX).then(|| self.filling.clone());
        self.filling.push(v, total, outside);
        if let Some(before) = before {
            for call in (0..LANES).filter(|&call| known >> call & 1 == 0) {
                self.filling.restore(call, &before);
            }
        }
        let mut full = v.above(v.load(&self.filling.hops), v.all(FULL - 0.5));
        while full != 0 {
            let call = full.trailing_zeros() as usize;
            full &= full - 1;
            if let Some(groups) = self.groups.get_mut(call) {
                groups.push(self.filling.bounds(call));
                self.power[call] = groups.power(v);
            }
            self.filling.begin(call);
        }
    }
}

impl Group {
    const NEW: Self = Self {
        hops: [0.0; LANES],
        least_total: [f32::INFINITY; LANES],
        least_outside: [f32::INFINITY; LANES],
        most_outside: [0.0; LANES],
        sum_outside: [0.0; LANES],
    };

    const fn begin(&mut self, call: usize) {
        self.restore(call, &Self::NEW);
    }

    /// Makes of a lane what it was before.
    const fn restore(&mut self, call: usize, before: &Self) {
        self.hops[call] = before.hops[call];
        self.least_total[call] = before.least_total[call];
        self.least_outside[call] = before.least_outside[call];
        self.most_outside[call] = before.most_outside[call];
        self.sum_outside[call] = before.sum_outside[call];
    }

    #[inline(always)]
    fn push<W: Vectors>(&mut self, v: W, total: W::V, outside: W::V) {
        let outside = v.most(outside, v.all(0.0));
        self.hops = v.store(v.load(&self.hops) + v.all(1.0));
        self.least_total = v.store(v.least(total, v.load(&self.least_total)));
        self.least_outside = v.store(v.least(outside, v.load(&self.least_outside)));
        self.most_outside = v.store(v.most(outside, v.load(&self.most_outside)));
        self.sum_outside = v.store(v.load(&self.sum_outside) + outside);
    }

    const fn bounds(&self, call: usize) -> Bounds {
        [
            -self.least_total[call],
            -self.least_outside[call],
            self.most_outside[call],
            self.sum_outside[call],
        ]
    }
}

impl Groups {
    const fn new() -> Self {
        Self { bounds: [[0.0; 4]; MEMORY + GAP], whole: 0 }
    }

    fn push(&mut self, bounds: Bounds) {
        self.bounds.copy_within(1.., 0);
        self.bounds[MEMORY + GAP - 1] = bounds;
        self.whole = (self.whole + 1).min(self.bounds.len());
    }

    #[inline(always)]
    fn power(&self, v: impl Vectors) -> f32 {
        if self.whole < self.bounds.len() {
            return 0.0;
        }
        // Two groups in a vector.
        let (pairs, _) = self.bounds[..MEMORY].as_flattened().as_chunks::<LANES>();
        let first = v.load(&pairs[0]);
        let (mut bounds, mut sums) = (first, first);
        for pair in &pairs[1..] {
            let pair = v.load(pair);
            bounds = v.most(bounds, pair);
            sums = sums + pair;
        }
        let (bounds, sums) = (v.store(bounds), v.store(sums));
        let least_total = -most(bounds[0], bounds[4]);
        let least_outside = -most(bounds[1], bounds[5]);
        let most_outside = most(bounds[2], bounds[6]);
        let sum = sums[3] + sums[7];
        let outside = if most_outside < STEADY * least_outside.max(1.0) {
            sum / (MEMORY * GROUP_HOPS) as f32
        } else {
            least_outside
        };
        outside.max(least_total)
    }
}

/// The greater of two numbers, one instruction instead of the care that NaN would need.
#[inline(always)]
fn most(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

#[cfg(test)]
mod tests;
