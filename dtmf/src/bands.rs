//! The front end: sound becomes two narrow bands, one around each tone group, at a tenth of the
//! rate, and the power of each hop.
//!
//! A band holds all there is to know of its four tones in 800 complex points a second, so that what
//! comes after is cheap. Nothing is decided here.

use std::f64::consts::{PI, TAU};

use crate::series::sin_cos;
use crate::simd::{self, LANES, PARTS, Points, TWO, Vectors};

/// Samples a second.
pub(crate) const RATE: f64 = 8000.0;
/// Samples from one look at the bands to the next: 5 ms, so that no tone falls between two.
pub(crate) const HOP: usize = 40;
/// Samples from one point of a band to the next.
pub(crate) const STEP: usize = 10;
/// Length of the band filters, in samples: 5 ms, 39 dB down where a tenth of the rate folds over.
pub(crate) const TAPS: usize = 40;
/// Samples that the points of a hop are made of.
pub(crate) const SPAN: usize = HOP - STEP + TAPS;
/// Points that a hop adds to a band.
const FRESH: usize = HOP / STEP;
/// Points in a window of a band.
pub(crate) const POINTS: usize = 12;
/// Samples that a window of points spans.
pub(crate) const WINDOW: usize = (POINTS - 1) * STEP + TAPS;
/// Hops that a window touches.
pub(crate) const WINDOW_HOPS: usize = WINDOW.div_ceil(HOP);
/// Samples of the past that are kept for [`Heard::past`].
pub(crate) const PAST: usize = 256;
/// Samples of the ring that holds them and up to a frame of 20 ms behind them.
const RING: usize = 12 * HOP;
/// Samples before a hop that its points are made of.
const LEAD: usize = SPAN - HOP;

/// The low group (rows) and the high group (columns), in hertz. ITU-T Q.23 §5.
pub(crate) const FREQUENCIES: [f64; 8] =
    [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];
/// The middle of each band, in hertz.
const MIDDLES: [f64; 2] = [819.0, 1421.0];

/// A gain that lets the sum of any samples fit an `i32`.
pub(crate) const GAIN: f64 = 4096.0;

/// One row of filter taps.
#[repr(align(16))]
pub(crate) struct Taps(pub(crate) [i16; TAPS]);

/// Real and imaginary part of the low band's filter, then of the high band's.
pub(crate) static COEFFICIENTS: [Taps; 4] = coefficients();
/// The share of a window's power that each of the hops it touches has, oldest first.
static HOP_SHARES: [f32; WINDOW_HOPS] = hop_shares();
/// The share of a window's power that each of its points has, in rows as they lie in the ring; one
/// table for each place in it where the oldest row may be.
static POINT_SHARES: [[Row; ROWS]; ROWS] = point_shares();

/// Hops that the points in a window come from.
pub(crate) const ROWS: usize = POINTS / FRESH;

/// The points of a hop.
pub(crate) type Row = [Points; FRESH / TWO];

/// The bands of the latest window of `N` calls, and the sound that they came from.
#[derive(Clone)]
pub(crate) struct Bands<const N: usize> {
    calls: [Call; N],
    /// Where in the ring of samples the next hop begins,
    next: usize,
    /// and how many samples there are from there on.
    filled: usize,
    /// The place of the oldest row of points.
    oldest: usize,
    /// Of the hops that the window touches, oldest first.
    energies: [[f32; LANES]; WINDOW_HOPS],
}

/// What is kept of one call.
#[derive(Clone)]
struct Call {
    /// A ring, after what comes before its beginning: the end of it again.
    sound: [i16; LEAD + RING],
    /// A ring.
    rows: [Row; ROWS],
    /// Hops in a row that were too quiet to split, as many as the bands hold.
    silent: usize,
}

/// The powers of one window, a lane for each call.
#[derive(Clone, Copy)]
pub(crate) struct Powers {
    /// Of everything: the mean square of the samples.
    pub(crate) total: [f32; LANES],
    /// Of the low and the high band, on the scale of [`crate::tones::IN_BAND`].
    pub(crate) bands: [[f32; LANES]; 2],
}

/// What one call's window is made of.
#[derive(Clone, Copy)]
pub(crate) struct Heard<'a> {
    call: &'a Call,
    /// Where in the ring of samples the last hop that was split ends.
    end: usize,
    /// The place of the oldest row of points.
    pub(crate) oldest: usize,
}

impl<'a> Heard<'a> {
    /// The rows of points in the window: a ring.
    pub(crate) const fn rows(self) -> &'a [Row; ROWS] {
        &self.call.rows
    }

    /// The latest samples up to the end of the last hop that was split, oldest first.
    pub(crate) fn past(self) -> [i16; PAST] {
        let ring = &self.call.sound[LEAD..];
        let newest = self.end.min(PAST);
        let mut past = [0; PAST];
        past[PAST - newest..].copy_from_slice(&ring[self.end - newest..self.end]);
        past[..PAST - newest].copy_from_slice(&ring[RING - (PAST - newest)..]);
        past
    }
}

impl Call {
    const SILENT: Self = Self { sound: [0; LEAD + RING], rows: [SILENT_ROW; ROWS], silent: ROWS };

    /// The power of both bands.
    #[inline(always)]
    fn powers<W: Vectors>(&self, v: W, shares: &[[W::V; FRESH / TWO]; ROWS]) -> [f32; 2] {
        let mut sum = v.all(0.0);
        for (row, shares) in self.rows.iter().zip(shares) {
            for (points, &shares) in row.iter().zip(shares) {
                let points = v.load(points);
                sum = sum + points * points * shares;
            }
        }
        v.sums_of_bands(sum)
    }
}

const SILENT_ROW: Row = [[0.0; LANES]; FRESH / TWO];

impl<const N: usize> Bands<N> {
    pub(crate) const fn new() -> Self {
        Self {
            calls: [Call::SILENT; N],
            next: 0,
            filled: 0,
            oldest: 0,
            energies: [[0.0; LANES]; WINDOW_HOPS],
        }
    }

    /// Forgets what it heard of a call.
    pub(crate) fn forget(&mut self, call: usize) {
        self.calls[call] = Call::SILENT;
        self.energies.iter_mut().for_each(|energies| energies[call] = 0.0);
    }

    /// Takes as many of the `count` samples of each call as there is room for, silence for `None`;
    /// how many those are.
    ///
    /// Every whole hop has to be split before more is pushed.
    #[inline]
    pub(crate) fn push(&mut self, sound: &[Option<&[i16]>; N], count: usize) -> usize {
        let from = (self.next + self.filled) % RING;
        let count = count.min(RING - from).min(RING - PAST - self.filled);
        for (call, samples) in self.calls.iter_mut().zip(sound) {
            let slots = &mut call.sound[LEAD + from..][..count];
            match samples {
                Some(samples) => slots.copy_from_slice(&samples[..count]),
                None => slots.fill(0),
            }
            if from + count == RING {
                call.sound.copy_within(RING.., 0);
            }
        }
        self.filled += count;
        count
    }

    /// Whether a hop begins with the next sample.
    pub(crate) const fn is_between_hops(&self) -> bool {
        self.filled == 0
    }

    /// Whether there is a whole hop to be split.
    pub(crate) const fn is_hop_whole(&self) -> bool {
        self.filled >= HOP
    }

    /// Takes the next whole hop into the bands; what is quieter than `quiet` counts as silence.
    #[inline(always)]
    pub(crate) fn split(&mut self, v: impl Vectors, quiet: f32) -> Powers {
        let (first, oldest) = (self.next, self.oldest);
        assert!(oldest < ROWS && first <= RING - HOP, "no hop lies across the end of the ring");
        let mut energies = [0.0; LANES];
        for (call, slot) in self.calls.iter_mut().zip(&mut energies) {
            let energy =
                v.energy(call.sound[LEAD + first..].first_chunk().expect("a hop is whole"));
            *slot = energy;
            if energy * (simd::ENERGY_SCALE / HOP as f32) >= quiet {
                call.silent = 0;
            } else if call.silent < ROWS {
                call.silent += 1;
                call.rows[oldest] = SILENT_ROW;
            }
        }
        // One half of every call and then the other: there are registers for one half's sound.
        for half in 0..FRESH / TWO {
            let first = first + half * TWO * STEP;
            for call in self.calls.iter_mut().filter(|call| call.silent == 0) {
                let sound = call.sound[first..].first_chunk().expect("the past is kept");
                call.rows[oldest][half] = v.store(v.split(sound));
            }
        }
        self.next = if first + HOP < RING { first + HOP } else { 0 };
        self.filled -= HOP;
        self.oldest = if oldest + 1 < ROWS { oldest + 1 } else { 0 };
        let bands = self.powers(v);
        self.energies.copy_within(1.., 0);
        self.energies[WINDOW_HOPS - 1] = energies;
        let mut total = v.all(0.0);
        for (energies, share) in self.energies.iter().zip(HOP_SHARES) {
            total = total + v.load(energies) * v.all(share);
        }
        Powers { total: v.store(total), bands }
    }

    #[inline(always)]
    fn powers<W: Vectors>(&self, v: W) -> [[f32; LANES]; 2] {
        let mut shares = [[v.all(0.0); FRESH / TWO]; ROWS];
        for (vectors, shares) in shares.iter_mut().zip(&POINT_SHARES[self.oldest]) {
            for (vector, shares) in vectors.iter_mut().zip(shares) {
                *vector = v.load(shares);
            }
        }
        let [mut low, mut high] = [[0.0; LANES]; 2];
        for (number, call) in self.calls.iter().enumerate() {
            if call.silent < ROWS {
                [low[number], high[number]] = call.powers(v, &shares);
            }
        }
        [low, high]
    }

    pub(crate) const fn heard(&self, call: usize) -> Heard<'_> {
        let end = if self.next == 0 { RING } else { self.next };
        Heard { call: &self.calls[call], end, oldest: self.oldest }
    }
}

/// Kaiser's window of shape 3 over the points of a window: with the filter before it, a third tone
/// 100 Hz away is 47 dB down.
pub(crate) const fn point_taper(point: usize) -> f64 {
    let r = 2.0 * point as f64 / (POINTS - 1) as f64 - 1.0;
    bessel(9.0 * (1.0 - r * r)) / bessel(9.0)
}

/// The modified Bessel function of order 0 of the root of `square`.
const fn bessel(square: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while k < 30.0 {
        term *= square / (4.0 * k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

/// Point `n` of a Hann window whose zeros lie just outside: the envelope of both filters.
const fn tap(n: usize) -> f64 {
    let (_, cos) = sin_cos(TAU * (n + 1) as f64 / (TAPS + 1) as f64);
    0.5 - 0.5 * cos
}

/// The square of the filters' gain at tone `tone`.
pub(crate) const fn gain_squared(tone: usize) -> f64 {
    let (mut re, mut im, mut n) = (0.0, 0.0, 0);
    while n < TAPS {
        let (sin, cos) = sin_cos(TAU * (FREQUENCIES[tone] - MIDDLES[tone / 4]) * n as f64 / RATE);
        re += tap(n) * cos;
        im += tap(n) * sin;
        n += 1;
    }
    re * re + im * im
}

/// How far a frequency turns from one point to the next, in radians.
pub(crate) const fn point_turn(hertz: f64) -> f64 {
    TAU * hertz * STEP as f64 / RATE
}

const fn coefficients() -> [Taps; 4] {
    let mut rows = [const { Taps([0; TAPS]) }; 4];
    let mut row = 0;
    while row < 4 {
        // e^-jωn: the imaginary part is a quarter turn ahead.
        let quarter = if row % 2 == 0 { 0.0 } else { PI / 2.0 };
        let mut n = 0;
        while n < TAPS {
            let (_, cos) = sin_cos(TAU * MIDDLES[row / 2] * n as f64 / RATE + quarter);
            rows[row].0[n] = round(tap(n) * cos * GAIN);
            n += 1;
        }
        row += 1;
    }
    rows
}

#[expect(clippy::cast_possible_truncation, reason = "rounding a value below 2^13 is the purpose")]
const fn round(value: f64) -> i16 {
    (if value < 0.0 { value - 0.5 } else { value + 0.5 }) as i16
}

/// Which point of the window is in place `slot` of the ring, when `oldest` is that of the oldest row.
pub(crate) const fn point_in(slot: usize, oldest: usize, point: usize) -> usize {
    (slot + ROWS - oldest) % ROWS * FRESH + point
}

const fn point_shares() -> [[Row; ROWS]; ROWS] {
    let (mut sum, mut n) = (0.0, 0);
    while n < POINTS {
        sum += point_taper(n) * point_taper(n);
        n += 1;
    }
    let mut tables = [[SILENT_ROW; ROWS]; ROWS];
    n = 0;
    while n < ROWS * ROWS * FRESH * PARTS {
        let (oldest, slot) = (n / PARTS / FRESH / ROWS, n / PARTS / FRESH % ROWS);
        let (point, part) = (n / PARTS % FRESH, n % PARTS);
        let taper = point_taper(point_in(slot, oldest, point));
        tables[oldest][slot][point / TWO][point % TWO * PARTS + part] =
            narrow(taper * taper / sum / GAIN / GAIN);
        n += 1;
    }
    tables
}

const fn hop_shares() -> [f32; WINDOW_HOPS] {
    const SPAN: usize = WINDOW_HOPS * HOP;
    let (mut taper, mut point) = ([0.0; SPAN], 0);
    while point < POINTS {
        let mut n = 0;
        while n < TAPS {
            taper[SPAN - WINDOW + point * STEP + n] += point_taper(point) * tap(n);
            n += 1;
        }
        point += 1;
    }
    let (mut sums, mut sum, mut n) = ([0.0; WINDOW_HOPS], 0.0, 0);
    while n < SPAN {
        sums[n / HOP] += taper[n] * taper[n];
        sum += taper[n] * taper[n];
        n += 1;
    }
    let mut shares = [0.0; WINDOW_HOPS];
    n = 0;
    while n < WINDOW_HOPS {
        shares[n] = narrow(sums[n] / sum / HOP as f64) * simd::ENERGY_SCALE;
        n += 1;
    }
    shares
}

/// Rounds a table entry.
#[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
pub(crate) const fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests;
