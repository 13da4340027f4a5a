//! A look over the latest windows: is one pair of tones in them, and what speaks for and against
//! a key?
//!
//! Looks have six lengths. The shortest only raises a suspicion. A short one sees little and asks
//! for a clean pair; a long one may find a key under noise or a talker by its steadiness. What a
//! look measures is weighed by [`crate::weights`]; nothing is decided here.

use crate::bands::FREQUENCIES;
use crate::tones::{HOP_TURN, IN_BAND, Tones};

/// Windows in a look, shortest first: 24, 34, 44, 59, 79 and 104 ms of sound.
pub(crate) const LENGTHS: [usize; 6] = [2, 4, 6, 9, 13, 18];
/// Windows that are remembered.
const MEMORY: usize = LENGTHS[LENGTHS.len() - 1];
/// The least share of the power that a pair must hold, for each length, to be looked at at all.
const LEAST_SHARE: [f32; LENGTHS.len()] = [0.7, 0.78, 0.68, 0.55, 0.45, 0.35];
/// The least share of its band that a tone must hold.
const LEAST_IN_BAND: f32 = 0.25;
/// The most that a tone may differ from a steady sine.
const MOST_UNSTEADY: f32 = 0.35;
/// The most by which [`off_frequency_loss`] makes up for a deviation.
const MOST_LOSS: f32 = 1.9;
/// A tone that grew by more than this over a look has only just begun.
const MOST_GROWTH: f32 = 1.5;
/// Least power of a tone: -51 dBm0.
const LEAST_POWER: f32 = 2_000.0;
/// Most by which the low group may exceed the high group, and the reverse: 10.5 and 7 dB.
const MOST_TWIST: f32 = 11.2;
const MOST_REVERSE_TWIST: f32 = 5.0;
/// A background this much stronger than the pair is not subtracted from what the pair is part of.
const DROWNING: f32 = 6.0;
/// RATE / (2π · HOP): hertz of a turn of one radian in a hop.
const HERTZ_PER_RADIAN: f32 = 31.830_988;

/// The strongest row with the strongest column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl Pair {
    pub(crate) fn strongest(powers: &[f32; 8]) -> Self {
        let (rows, columns) = powers.split_at(4);
        Self { row: strongest(rows), column: strongest(columns) }
    }

    /// The places of both tones among all eight.
    pub(crate) const fn tones(self) -> [usize; 2] {
        [self.row, 4 + self.column]
    }
}

/// One window.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) tones: Tones,
    /// The power of each tone.
    pub(crate) powers: [f32; 8],
    pub(crate) total: f32,
    pub(crate) bands: [f32; 2],
    /// Number of its hop: windows with lost samples are left out.
    pub(crate) hop: u64,
}

impl Entry {
    const NONE: Self =
        Self { tones: Tones::NONE, powers: [0.0; 8], total: 0.0, bands: [0.0; 2], hop: 0 };

    /// Powers of both tones of a pair.
    pub(crate) fn pair(&self, pair: Pair) -> [f32; 2] {
        pair.tones().map(|tone| self.powers[tone])
    }
}

/// The latest windows.
#[derive(Clone)]
pub(crate) struct History {
    entries: [Entry; MEMORY],
    next: usize,
    length: usize,
}

impl History {
    pub(crate) const fn new() -> Self {
        Self { entries: [Entry::NONE; MEMORY], next: 0, length: 0 }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries[self.next] = entry;
        self.next = (self.next + 1) % MEMORY;
        self.length = (self.length + 1).min(MEMORY);
    }

    /// Forgets all but the newest `count` windows.
    pub(crate) fn keep_newest(&mut self, count: usize) {
        self.length = self.length.min(count);
    }

    /// Windows from the newest to the oldest.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        let (newer, older) = self.entries.split_at(self.next);
        newer.iter().rev().chain(older.iter().rev()).take(self.length)
    }

    /// The looks that show a pair at all, shortest first.
    pub(crate) fn looks(&self, background: f32) -> Looks<'_> {
        Looks { history: self, background, sums: Sums::default(), taken: 0, next: 0 }
    }
}

#[derive(Clone, Copy, Default)]
struct Sums {
    powers: [f32; 8],
    total: f32,
    bands: [f32; 2],
}

/// See [`History::looks`].
pub(crate) struct Looks<'a> {
    history: &'a History,
    background: f32,
    sums: Sums,
    taken: usize,
    next: usize,
}

impl Iterator for Looks<'_> {
    type Item = Look;

    fn next(&mut self) -> Option<Look> {
        while let Some(&length) = LENGTHS.get(self.next) {
            if self.history.length < length {
                return None;
            }
            let fresh = self.history.newest_first().skip(self.taken).take(length - self.taken);
            for entry in fresh {
                self.sums
                    .powers
                    .iter_mut()
                    .zip(entry.powers)
                    .for_each(|(sum, power)| *sum += power);
                self.sums.bands.iter_mut().zip(entry.bands).for_each(|(sum, power)| *sum += power);
                self.sums.total += entry.total;
            }
            self.taken = length;
            let kind = self.next;
            self.next += 1;
            let look = Look::new(self.history, kind, &self.sums, self.background);
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
}

impl Look {
    fn new(history: &History, kind: usize, sums: &Sums, background: f32) -> Option<Self> {
        let length = LENGTHS[kind];
        let count = length as f32;
        let pair = Pair::strongest(&sums.powers);
        let tones = pair.tones();
        let [low, high] = tones.map(|tone| sums.powers[tone] / count);
        if low < LEAST_POWER
            || high < LEAST_POWER
            || low > high * MOST_TWIST
            || high > low * MOST_REVERSE_TWIST
        {
            return None;
        }
        let total = sums.total / count;
        let most = MOST_LOSS * (low + high);
        if most < LEAST_SHARE[kind] * (total - background_of(background, most)) {
            return None;
        }
        let most_in_band = |group: usize, power: f32| {
            MOST_LOSS * power * IN_BAND[tones[group]] * count >= LEAST_IN_BAND * sums.bands[group]
        };
        if !most_in_band(0, low) || !most_in_band(1, high) {
            return None;
        }
        let mut windows = [&Entry::NONE; MEMORY];
        for (window, entry) in windows.iter_mut().zip(history.newest_first().take(length)) {
            *window = entry;
        }
        let windows = &mut windows[..length];
        windows.reverse();
        let fits = [fit(windows, tones[0])?, fit(windows, tones[1])?];
        let losses = fits.map(|fit| off_frequency_loss(fit.deviation));
        let powers = [low * losses[0], high * losses[1]];
        let sum = powers[0] + powers[1];
        let rest = total - background_of(background, sum);
        let share = (sum / rest.max(sum)).min(1.0);
        let in_band = [0, 1].map(|group| {
            powers[group] * IN_BAND[tones[group]] * count / sums.bands[group].max(f32::MIN_POSITIVE)
        });
        if share < LEAST_SHARE[kind] || in_band.iter().any(|&share| share < LEAST_IN_BAND) {
            return None;
        }
        let growth = tones.map(|tone| {
            let (first, last) = (windows[0].powers[tone], windows[length - 1].powers[tone]);
            last / first.max(f32::MIN_POSITIVE)
        });
        Some(Self {
            kind,
            pair,
            powers,
            deviations: fits.map(|fit| fit.deviation),
            share,
            typical_share: typical_share(windows, pair, losses),
            in_band,
            unsteady: fits.map(|fit| fit.unsteady),
            growth,
        })
    }

    /// Windows that it looks over.
    pub(crate) const fn length(&self) -> usize {
        LENGTHS[self.kind]
    }

    /// Whether the tones have only just begun, so that the sound before them would be weighed as
    /// part of their residual.
    pub(crate) fn is_rising(&self) -> bool {
        self.growth.iter().any(|&growth| growth > MOST_GROWTH)
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

fn tolerance(tone: usize, part: f32, hertz: f32) -> f32 {
    nominal(tone) * part + hertz
}

#[expect(clippy::cast_possible_truncation, reason = "a table entry below 2000 loses nothing")]
fn nominal(tone: usize) -> f32 {
    FREQUENCIES[tone] as f32
}

/// How one tone goes through the windows.
#[derive(Clone, Copy)]
struct Fit {
    /// Hertz off its nominal frequency.
    deviation: f32,
    /// The share of its power that the best steady sine does not explain.
    unsteady: f32,
}

/// Fits a steady sine to a tone's amplitudes in `windows`, oldest first; `None` when it is none, or
/// off its frequency.
fn fit(windows: &[&Entry], tone: usize) -> Option<Fit> {
    let at = |entry: &Entry| [entry.tones.re[tone], entry.tones.im[tone]];
    let (mut turn, mut power) = ([0.0_f32; 2], 0.0);
    let mut earlier: Option<&Entry> = None;
    for window in windows {
        let [a, b] = at(window);
        power += a * a + b * b;
        if let Some(earlier) = earlier
            && earlier.hop + 1 == window.hop
        {
            let [c, d] = at(earlier);
            turn[0] += a * c + b * d;
            turn[1] += b * c - a * d;
        }
        earlier = Some(window);
    }
    let length = (turn[0] * turn[0] + turn[1] * turn[1]).sqrt().max(1e-9);
    let step = turn.map(|part| part / length);
    let nominal = HOP_TURN[tone];
    let off =
        [step[0] * nominal[0] + step[1] * nominal[1], step[1] * nominal[0] - step[0] * nominal[1]];
    let deviation = off[1].atan2(off[0]) * HERTZ_PER_RADIAN;
    if deviation.abs() > tolerance(tone, 0.02, 4.0) {
        return None;
    }
    let (mut sum, mut phase) = ([0.0_f32; 2], [1.0_f32, 0.0]);
    let mut hop = windows[0].hop;
    for window in windows {
        while hop < window.hop {
            phase =
                [phase[0] * step[0] - phase[1] * step[1], phase[0] * step[1] + phase[1] * step[0]];
            hop += 1;
        }
        let [a, b] = at(window);
        sum[0] += a * phase[0] + b * phase[1];
        sum[1] += b * phase[0] - a * phase[1];
    }
    let explained = (sum[0] * sum[0] + sum[1] * sum[1]) / (windows.len() as f32 * power.max(1e-9));
    let unsteady = (1.0 - explained).max(0.0);
    (unsteady <= MOST_UNSTEADY).then_some(Fit { deviation, unsteady })
}

/// How much more power a tone has than is measured when it is `deviation` Hz off, within ±35 Hz.
///
/// That is the loss over the points of a window; the slope of the band's filter, up to 0.08 dB a
/// hertz, is left as it is.
fn off_frequency_loss(deviation: f32) -> f32 {
    /// Hertz at which a window has lost 1.31 nepers of power.
    const BIN: f32 = 49.69;
    let bins = (deviation / BIN).clamp(-0.7, 0.7);
    let nepers = 1.31 * bins * bins;
    1.0 + nepers + 0.5 * nepers * nepers
}

fn typical_share(windows: &[&Entry], pair: Pair, losses: [f32; 2]) -> f32 {
    let mut shares = [0.0_f32; MEMORY];
    let shares = &mut shares[..windows.len()];
    for (share, window) in shares.iter_mut().zip(windows) {
        let [low, high] = window.pair(pair);
        *share = (low * losses[0] + high * losses[1]) / window.total.max(1.0);
    }
    let middle = shares.len() / 2;
    *shares.select_nth_unstable_by(middle, f32::total_cmp).1
}

fn strongest(powers: &[f32]) -> usize {
    let mut best = 0;
    for (index, &power) in powers.iter().enumerate() {
        if power > powers[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests;
