//! A look over the latest windows: is one pair of tones in them, and what speaks for and against
//! a key?
//!
//! Looks have six lengths. The shortest only raises a suspicion. A short one sees little and asks
//! for a clean pair; a long one may find a key under noise or a talker by its steadiness. What a
//! look measures is weighed by [`crate::weights`]; nothing is decided here.

use crate::bands::FREQUENCIES;
use crate::residual::Reach;
use crate::simd::{Kernel, LANES, Vectors, widest};
use crate::tones::{IN_BAND, Tones, powers_of};
use crate::track::{Fit, Track};

/// Windows in a look, shortest first: 24, 34, 44, 59, 79 and 104 ms of sound.
pub(crate) const LENGTHS: [usize; 6] = [2, 4, 6, 9, 13, 18];
/// Windows that are remembered.
pub(crate) const MEMORY: usize = LENGTHS[LENGTHS.len() - 1];
/// The least share of the power that a pair must hold, for each length, to be looked at at all.
const LEAST_SHARE: [f32; LENGTHS.len()] = [0.7, 0.78, 0.68, 0.55, 0.45, 0.35];
/// The least share of its band that a tone must hold.
const LEAST_IN_BAND: f32 = 0.25;
/// The most by which [`Fit::loss`] makes up for a deviation.
const MOST_LOSS: f32 = 1.9;
/// A tone that grew by more than this over a look has only just begun. The residual of the first
/// length to report a key is measured over so little that the tone fills it by then.
const MOST_GROWTH: [f32; LENGTHS.len()] = [1.5, 4.0, 1.5, 1.5, 1.5, 1.5];
/// The most that is told of the power before a look, as a part of the power in it.
const MOST_BEFORE: f32 = 2.0;
/// Least power of a tone: -51 dBm0.
const LEAST_POWER: f32 = 2_000.0;
/// Most by which the low group may exceed the high group, and the reverse: 10.5 and 7 dB.
const MOST_TWIST: f32 = 11.2;
const MOST_REVERSE_TWIST: f32 = 5.0;
/// A background this much stronger than the pair is not subtracted from what the pair is part of.
const DROWNING: f32 = 6.0;
/// The strongest row with the strongest column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl Pair {
    #[inline(always)]
    pub(crate) fn strongest(powers: &[f32; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = *powers;
        Self { row: strongest([a, b, c, d]), column: strongest([e, f, g, h]) }
    }

    /// The places of both tones among all eight.
    pub(crate) const fn tones(self) -> [usize; 2] {
        [self.row, 4 + self.column]
    }
}

/// How loud a window is.
#[derive(Clone, Copy)]
pub(crate) struct Level {
    /// The power of everything in it,
    pub(crate) total: f32,
    /// and of the low and the high band, on the scale of [`IN_BAND`].
    pub(crate) bands: [f32; 2],
}

/// One window.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// `None` where nothing promised a key.
    pub(crate) tones: Option<Tones>,
    pub(crate) level: Level,
    /// Number of its hop: windows with lost samples are left out.
    pub(crate) hop: u64,
}

impl Entry {
    const NONE: Self = Self { tones: None, level: Level { total: 0.0, bands: [0.0; 2] }, hop: 0 };

    /// Powers of both tones of a pair.
    pub(crate) fn pair(&self, pair: Pair) -> [f32; 2] {
        let [row, column] = pair.tones();
        self.tones.as_ref().map_or([0.0; 2], |tones| [tones.power(row), tones.power(column)])
    }
}

/// The latest windows.
#[derive(Clone)]
pub(crate) struct History {
    /// A ring that is filled backwards: older ones follow the newest.
    entries: [Entry; MEMORY],
    newest: usize,
    length: usize,
}

impl History {
    pub(crate) const fn new() -> Self {
        Self { entries: [Entry::NONE; MEMORY], newest: 0, length: 0 }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, entry: Entry) {
        self.newest = if self.newest == 0 { MEMORY - 1 } else { self.newest - 1 };
        self.entries[self.newest] = entry;
        self.length = (self.length + 1).min(MEMORY);
    }

    /// Forgets all but the newest `count` windows.
    #[inline(always)]
    pub(crate) fn keep_newest(&mut self, count: usize) {
        self.length = self.length.min(count);
    }

    /// The window that came `back` windows before the newest.
    #[inline(always)]
    fn back(&self, back: usize) -> &Entry {
        let place = self.newest + back;
        &self.entries[if place < MEMORY { place } else { place - MEMORY }]
    }

    /// Windows from the newest to the oldest.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        (0..self.length).map(|back| self.back(back))
    }

    /// The looks that show a pair at all, shortest first.
    ///
    /// A set bit of `lost` is a hop that never arrived: what was before a look is then not told.
    pub(crate) fn looks(&self, background: f32, lost: u32) -> Looks<'_> {
        let track = Track::new(Pair { row: 0, column: 0 });
        Looks {
            history: self,
            background,
            is_whole: lost == 0,
            sums: Sums::default(),
            taken: 0,
            next: 0,
            track,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Sums {
    /// Squares of the parts of the tones, as these lie there.
    squares: [[f32; LANES]; 2],
    total: f32,
    bands: [f32; 2],
}

/// Adds the windows from `from` back to before `to` to the sums; gives the power of every tone.
struct Add<'a> {
    sums: &'a mut Sums,
    history: &'a History,
    from: usize,
    to: usize,
}

impl Kernel for Add<'_> {
    type Output = [f32; 8];

    #[inline(always)]
    fn run(self, v: impl Vectors) -> [f32; 8] {
        let (mut low, mut high) = (v.load(&self.sums.squares[0]), v.load(&self.sums.squares[1]));
        for back in self.from..self.to {
            let entry = self.history.back(back);
            if let Some(tones) = &entry.tones {
                let [rows, columns] = tones.parts();
                let (rows, columns) = (v.load(rows), v.load(columns));
                low = low + rows * rows;
                high = high + columns * columns;
            }
            self.sums.total += entry.level.total;
            self.sums.bands[0] += entry.level.bands[0];
            self.sums.bands[1] += entry.level.bands[1];
        }
        self.sums.squares = [v.store(low), v.store(high)];
        powers_of(&self.sums.squares)
    }
}

/// See [`History::looks`].
pub(crate) struct Looks<'a> {
    history: &'a History,
    background: f32,
    /// Whether nothing was lost of late.
    is_whole: bool,
    sums: Sums,
    taken: usize,
    next: usize,
    track: Track,
}

impl Looks<'_> {
    /// Takes the look `kind`, when it shows a pair at all.
    fn look(&mut self, kind: usize) -> Option<Look> {
        let (from, to) = (self.taken, LENGTHS[kind]);
        self.taken = to;
        let powers = widest(Add { sums: &mut self.sums, history: self.history, from, to });
        let promise = Promise::new(&self.sums, &powers, kind, self.background)?;
        if self.track.pair() != promise.pair {
            self.track.begin(promise.pair);
        }
        for back in self.track.length()..LENGTHS[kind] {
            self.track.push(self.history.back(back));
        }
        let fits = self.track.fit()?;
        let is_told = self.is_whole && to < self.history.length;
        let before = is_told.then(|| self.history.back(to).pair(promise.pair));
        promise.look(&self.track, fits, before)
    }
}

impl Iterator for Looks<'_> {
    type Item = Look;

    fn next(&mut self) -> Option<Look> {
        while let Some(&length) = LENGTHS.get(self.next) {
            if self.history.length < length {
                return None;
            }
            let kind = self.next;
            self.next += 1;
            let look = self.look(kind);
            if look.is_some() {
                return look;
            }
        }
        None
    }
}

/// What a look shows of its strongest pair.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    /// Which of [`LENGTHS`].
    pub(crate) kind: usize,
    pub(crate) pair: Pair,
    /// Mean power of row and column.
    pub(crate) powers: [f32; 2],
    /// Hertz by which row and column are off their nominal frequencies.
    pub(crate) deviations: [f32; 2],
    /// The pair's share of all power but the background's.
    pub(crate) share: f32,
    /// The pair's share of all power in the middling window.
    pub(crate) typical_share: f32,
    /// Each tone's share of its band.
    pub(crate) in_band: [f32; 2],
    /// What of each tone is not one steady sine, as a share of its power.
    pub(crate) unsteady: [f32; 2],
    /// Ratios of the power in the latest window to that in the first.
    pub(crate) growth: [f32; 2],
    /// The part of its power that the pair has in the window before the first one, by the tone that
    /// has less of it: 0 where a key went down in silence, about 1 in the middle of a steady sound.
    pub(crate) before: f32,
}

/// What the sums of a look say of its strongest pair, before each window is looked at.
struct Promise {
    kind: usize,
    pair: Pair,
    /// Mean power of row and column, as measured,
    powers: [f32; 2],
    /// of both bands,
    bands: [f32; 2],
    /// and of everything.
    total: f32,
    background: f32,
}

impl Promise {
    #[inline(always)]
    fn new(sums: &Sums, powers: &[f32; 8], kind: usize, background: f32) -> Option<Self> {
        let count = LENGTHS[kind] as f32;
        let pair = Pair::strongest(powers);
        let [row, column] = pair.tones();
        let powers = [powers[row] / count, powers[column] / count];
        let bands = [sums.bands[0] / count, sums.bands[1] / count];
        let promise = Self { kind, pair, powers, bands, total: sums.total / count, background };
        promise.is_kept([MOST_LOSS; 2]).then_some(promise)
    }

    /// Whether the pair is loud enough and as much of the sound as it must be, when `losses` have
    /// been made up for.
    fn is_kept(&self, losses: [f32; 2]) -> bool {
        let [low, high] = self.powers;
        low >= LEAST_POWER
            && high >= LEAST_POWER
            && low <= high * MOST_TWIST
            && high <= low * MOST_REVERSE_TWIST
            && self.share(losses) >= LEAST_SHARE[self.kind]
            && self.in_band(losses).iter().all(|&share| share >= LEAST_IN_BAND)
    }

    fn share(&self, losses: [f32; 2]) -> f32 {
        let sum = self.powers[0] * losses[0] + self.powers[1] * losses[1];
        let rest = self.total - background_of(self.background, sum);
        (sum / rest.max(sum)).min(1.0)
    }

    fn in_band(&self, losses: [f32; 2]) -> [f32; 2] {
        let [row, column] = self.pair.tones();
        let [low, high] = self.bands;
        [
            self.powers[0] * losses[0] * IN_BAND[row] / low.max(f32::MIN_POSITIVE),
            self.powers[1] * losses[1] * IN_BAND[column] / high.max(f32::MIN_POSITIVE),
        ]
    }

    /// The look, with what its windows show.
    fn look(&self, track: &Track, fits: [Fit; 2], before: Option<[f32; 2]>) -> Option<Look> {
        let losses = [fits[0].loss(), fits[1].loss()];
        let powers = [self.powers[0] * losses[0], self.powers[1] * losses[1]];
        let parts = before.map(|[low, high]| (low / powers[0]).min(high / powers[1]));
        self.is_kept(losses).then(|| Look {
            kind: self.kind,
            pair: self.pair,
            powers,
            deviations: [fits[0].deviation, fits[1].deviation],
            share: self.share(losses),
            typical_share: track.typical_share(losses),
            in_band: self.in_band(losses),
            unsteady: [fits[0].unsteady, fits[1].unsteady],
            growth: track.growth(),
            before: parts.unwrap_or(0.0).min(MOST_BEFORE),
        })
    }
}

impl Look {
    /// Windows that it looks over.
    pub(crate) const fn length(&self) -> usize {
        LENGTHS[self.kind]
    }

    /// Whether the tones have only just begun, so that the sound before them would be weighed as
    /// part of their residual.
    pub(crate) fn is_rising(&self) -> bool {
        self.growth.iter().any(|&growth| growth > MOST_GROWTH[self.kind])
    }

    /// Whether this is the length that reports a key first, as soon as it has sounded long enough.
    pub(crate) const fn is_first(&self) -> bool {
        self.kind == 1
    }

    /// How much of the past its residual is measured over.
    pub(crate) const fn reach(&self) -> Reach {
        if self.is_first() { Reach::Newest } else { Reach::Whole }
    }

    /// The pair's frequencies as measured, in hertz.
    pub(crate) fn hertz(&self) -> [f32; 2] {
        let [row, column] = self.pair.tones();
        [nominal(row) + self.deviations[0], nominal(column) + self.deviations[1]]
    }

    /// Deviations as parts of what Q.24 says must be heard: 1.5 % and 2 Hz.
    pub(crate) fn strain(&self) -> [f32; 2] {
        let [row, column] = self.pair.tones();
        [
            self.deviations[0].abs() / tolerance(row, 0.015, 2.0),
            self.deviations[1].abs() / tolerance(column, 0.015, 2.0),
        ]
    }
}

/// The part of the background that may be subtracted from what holds a pair of this power.
fn background_of(background: f32, pair: f32) -> f32 {
    if background > DROWNING * pair { 0.0 } else { background }
}

pub(crate) fn tolerance(tone: usize, part: f32, hertz: f32) -> f32 {
    nominal(tone) * part + hertz
}

#[expect(clippy::cast_possible_truncation, reason = "a table entry below 2000 loses nothing")]
fn nominal(tone: usize) -> f32 {
    FREQUENCIES[tone] as f32
}

/// The place of the greatest power; of equal ones the first.
#[inline(always)]
fn strongest(powers: [f32; 4]) -> usize {
    let [a, b, c, d] = powers;
    let (first, of_first) = if b > a { (1, b) } else { (0, a) };
    let (second, of_second) = if d > c { (3, d) } else { (2, c) };
    if of_second > of_first { second } else { first }
}

#[cfg(test)]
mod tests;
