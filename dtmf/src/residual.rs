//! What is left of the sound when a pair of tones is taken out of it.
//!
//! After a key press that is noise, or somebody talking. After a chord it is the harmonics of the
//! two notes and the rest of the band: a few sharp lines.

use std::f64::consts::TAU;

use crate::bands::{HOP, PAST, RATE, narrow};
use crate::series::sin_cos;
use crate::simd::{Kernel, LANES, Vectors, widest};
use crate::spectrum::{BINS, spectrum};

/// Highest bin that counts: 3.65 kHz.
const TOP_BIN: usize = 117;
/// Lowest bin that counts: 62 Hz.
const BOTTOM_BIN: usize = 2;
/// Below this bin, 594 Hz, is what voices have and keys have not.
const LOW_BIN: usize = 19;
const BIN_HERTZ: f32 = 31.25;
/// The strongest bins that are counted as lines: as many as a vector has lanes.
const LINES: usize = LANES;

/// Hops that the past touches.
const HOPS: usize = PAST.div_ceil(HOP);
/// Samples of either kind, even and odd.
const HALF: usize = PAST / 2;
/// Vectors that hold them.
const PARTS: usize = HALF / LANES;

/// The newest samples, 4 ms: where much of the pair's power is left there, it has ended before.
const TAIL: usize = 32;
/// The most of the pair's power that may be left there once it is taken out.
const MOST_TAIL: f32 = 0.3;

/// Noise that is added to every bin, as a part of the pair's power: 38 dB below it in all, as the
/// quantisation of G.711 is. What lies below that says nothing. For each sample measured over.
const FLOOR: f32 = 1.6e-4 * FULL / (TOP_BIN - BOTTOM_BIN) as f32;
/// The sum over the bins for a signal of power 1, for each sample measured over.
const FULL: f32 = 0.5 * PAST as f32 * 0.375;

/// Samples in vectors: the even ones, then the odd ones.
type Parted = [[[f32; LANES]; PARTS]; 2];

/// 1 for the bins that count, and for those of them below [`LOW_BIN`].
static COUNTED: [[f32; LANES]; BINS / LANES] = ones(BOTTOM_BIN, TOP_BIN + 1);
static IS_LOW: [[f32; LANES]; BINS / LANES] = ones(BOTTOM_BIN, LOW_BIN);

/// What the even and the odd samples are multiplied by: Hann windows over the newest samples and
/// over all of them.
static TAPERS: [Parted; 2] = [taper(Reach::Newest.samples()), taper(Reach::Whole.samples())];

/// How much of the past a residual is measured over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The newest 20 ms, which a tone fills soon.
    Newest,
    /// All that is kept, 32 ms.
    Whole,
}

impl Reach {
    const fn samples(self) -> usize {
        match self {
            Self::Newest => 160,
            Self::Whole => PAST,
        }
    }

    /// The first vector of even, and of odd samples that counts.
    const fn first(self) -> usize {
        PARTS - self.samples() / 2 / LANES
    }
}

/// How the power of the residual is spread.
#[derive(Clone, Copy)]
pub(crate) struct Residual {
    /// Share of the [`LINES`] strongest bins.
    pub(crate) lines: f32,
    /// Share of the second harmonic of both tones and the third of the row.
    pub(crate) harmonics: f32,
    /// Share of what is below 600 Hz.
    pub(crate) low: f32,
    /// What is left of the newest samples, as a part of the pair's power.
    pub(crate) tail: f32,
}

impl Residual {
    /// Takes sines of `hertz` out of `past`; a set bit of `lost` is a hop that never arrived, the
    /// latest in bit 0.
    pub(crate) fn measure(past: &[i16; PAST], reach: Reach, lost: u32, hertz: [f32; 2]) -> Self {
        widest(Measure { past, reach, lost, hertz })
    }

    /// Whether the pair is not in the newest samples any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.tail > MOST_TAIL
    }
}

struct Measure<'a> {
    past: &'a [i16; PAST],
    reach: Reach,
    lost: u32,
    hertz: [f32; 2],
}

impl Kernel for Measure<'_> {
    type Output = Residual;

    #[inline(always)]
    fn run(self, v: impl Vectors) -> Residual {
        let Self { past, reach, lost, hertz } = self;
        let (mut rest, pair) = subtract(v, past, reach, lost, hertz);
        let tail = power_of_tail(v, &rest) / pair.max(1.0);
        let taper = &TAPERS[reach as usize];
        for (rest, taper) in rest.iter_mut().flatten().zip(taper.as_flattened()) {
            *rest = v.store(v.load(rest) * v.load(taper));
        }
        let mut powers = spectrum(v, &rest);
        let floor = v.all(pair * FLOOR * reach.samples() as f32);
        let (mut all, mut low) = (v.all(0.0), v.all(0.0));
        for ((powers, counted), is_low) in powers.iter_mut().zip(&COUNTED).zip(&IS_LOW) {
            let floored = (v.load(powers) + floor) * v.load(counted);
            *powers = v.store(floored);
            all = all + floored;
            low = low + floored * v.load(is_low);
        }
        let [all, low] = v.sums(all, low);
        let all = all + 1.0;
        let [row, column] = hertz;
        let bins = powers.as_flattened();
        let harmonics = line(bins, 2.0 * row) + line(bins, 2.0 * column) + line(bins, 3.0 * row);
        let lines = strongest(v, &powers);
        Residual { lines: lines / all, harmonics: harmonics / all, low: low / all, tail }
    }
}

/// The mean square of the newest samples.
#[inline(always)]
fn power_of_tail(v: impl Vectors, rest: &Parted) -> f32 {
    let mut sum = v.all(0.0);
    for part in PARTS - TAIL / 2 / LANES..PARTS {
        for values in rest {
            let values = v.load(&values[part]);
            sum = sum + values * values;
        }
    }
    v.sums(sum, sum)[0] / TAIL as f32
}

/// The sum of the [`LINES`] greatest powers.
#[inline(always)]
fn strongest(v: impl Vectors, powers: &[[f32; LANES]]) -> f32 {
    // In descending order.
    let mut greatest = v.all(0.0);
    let mut least = 0.0;
    for powers in powers {
        let mut left = v.above(v.load(powers), v.all(least));
        while left != 0 {
            let power = powers[left.trailing_zeros() as usize];
            left &= left - 1;
            // The lesser ones make room behind it.
            greatest = v.most(greatest, v.least(v.all(power), v.behind(f32::INFINITY, greatest)));
        }
        least = v.store(greatest)[LINES - 1];
    }
    v.sums(greatest, greatest)[0]
}

/// The power about a frequency.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a frequency between 0 and 5 kHz has a bin"
)]
fn line(powers: &[f32], hertz: f32) -> f32 {
    let bin = (hertz / BIN_HERTZ + 0.5) as usize;
    if bin >= TOP_BIN { 0.0 } else { powers[bin - 1] + powers[bin] + powers[bin + 1] }
}

/// What the best fitting sines of both frequencies do not explain within reach, zeros before that,
/// and their power.
#[inline(always)]
fn subtract(
    v: impl Vectors,
    past: &[i16; PAST],
    reach: Reach,
    lost: u32,
    hertz: [f32; 2],
) -> (Parted, f32) {
    let first = reach.first();
    let mut rest = parted(past, first);
    let ([mut a, mut b], [mut c, mut d]) = (wave(v, hertz[0], first), wave(v, hertz[1], first));
    if lost & ((1 << HOPS) - 1) != 0 {
        for values in [&mut a, &mut b, &mut c, &mut d, &mut rest] {
            forget(values, lost);
        }
    }
    let amplitudes = solve(products(v, [&a, &b, &c, &d], &rest, first));
    let [x, y, z, w] = amplitudes;
    let (x, y, z, w) = (v.all(x), v.all(y), v.all(z), v.all(w));
    for parity in 0..2 {
        for part in first..PARTS {
            let (a, b) = (v.load(&a[parity][part]), v.load(&b[parity][part]));
            let (c, d) = (v.load(&c[parity][part]), v.load(&d[parity][part]));
            let rest = &mut rest[parity][part];
            *rest = v.store(v.load(rest) - ((a * x + b * y) + (c * z + d * w)));
        }
    }
    (rest, 0.5 * amplitudes.iter().map(|amplitude| amplitude * amplitude).sum::<f32>())
}

/// Even and odd samples from the `first` vectors on.
#[inline(always)]
fn parted(past: &[i16; PAST], first: usize) -> Parted {
    let mut parted = [[[0.0; LANES]; PARTS]; 2];
    let [even, odd] = &mut parted;
    let slots = even.as_flattened_mut().iter_mut().zip(odd.as_flattened_mut());
    for ((even, odd), [sample, next]) in slots.zip(past.as_chunks().0).skip(first * LANES) {
        (*even, *odd) = (f32::from(*sample), f32::from(*next));
    }
    parted
}

/// Products of the waves with each other and, in the last column, with what they are fitted to.
#[inline(always)]
fn products(v: impl Vectors, waves: [&Parted; 4], rest: &Parted, first: usize) -> [[f32; 5]; 4] {
    let [a, b, c, d] = waves;
    let mut sums = [[v.all(0.0); 5]; 4];
    for parity in 0..2 {
        for part in first..PARTS {
            let (a, b) = (v.load(&a[parity][part]), v.load(&b[parity][part]));
            let (c, d) = (v.load(&c[parity][part]), v.load(&d[parity][part]));
            let (waves, rest) = ([a, b, c, d], v.load(&rest[parity][part]));
            for row in 0..4 {
                for column in row..4 {
                    sums[row][column] = sums[row][column] + waves[row] * waves[column];
                }
                sums[row][4] = sums[row][4] + waves[row] * rest;
            }
        }
    }
    let mut products = [[0.0; 5]; 4];
    for row in 0..4 {
        for column in row..4 {
            let [with_wave, with_rest] = v.sums(sums[row][column], sums[row][4]);
            (products[row][column], products[column][row]) = (with_wave, with_wave);
            products[row][4] = with_rest;
        }
    }
    products
}

/// Cosine and sine of a frequency at every sample from the `first` vectors on; where it begins does
/// not matter to what is fitted.
#[inline(always)]
fn wave(v: impl Vectors, hertz: f32, first: usize) -> [Parted; 2] {
    let (sin, cos) = sin_cos(TAU * f64::from(hertz) / RATE);
    // At the samples of the first vectors, and at the first sample of the next.
    let (mut re, mut im) = ([1.0; 2 * LANES + 1], [0.0; 2 * LANES + 1]);
    for n in 0..2 * LANES {
        re[n + 1] = re[n] * cos - im[n] * sin;
        im[n + 1] = re[n] * sin + im[n] * cos;
    }
    let (cos, sin) = (v.all(narrow(re[2 * LANES])), v.all(narrow(im[2 * LANES])));
    let [mut cosines, mut sines] = [[[[0.0; LANES]; PARTS]; 2]; 2];
    for parity in 0..2 {
        let mut begin = [[0.0; LANES]; 2];
        for lane in 0..LANES {
            begin[0][lane] = narrow(re[2 * lane + parity]);
            begin[1][lane] = narrow(im[2 * lane + parity]);
        }
        let (mut re, mut im) = (v.load(&begin[0]), v.load(&begin[1]));
        let slots = cosines[parity].iter_mut().zip(&mut sines[parity]);
        for (cosines, sines) in slots.skip(first) {
            (*cosines, *sines) = (v.store(re), v.store(im));
            (re, im) = (re * cos - im * sin, re * sin + im * cos);
        }
    }
    [cosines, sines]
}

/// Silences the hops that never arrived; the first one of the past is cut.
fn forget(values: &mut Parted, lost: u32) {
    for hop in 0..HOPS {
        if lost >> hop & 1 != 0 {
            let end = (PAST - hop * HOP) / 2;
            for values in &mut *values {
                values.as_flattened_mut()[end.saturating_sub(HOP / 2)..end].fill(0.0);
            }
        }
    }
}

/// Solves four equations by elimination; singular ones give zeros.
fn solve(mut rows: [[f32; 5]; 4]) -> [f32; 4] {
    for pivot in 0..4 {
        let head = rows[pivot];
        if head[pivot].abs() < 1e-3 {
            return [0.0; 4];
        }
        for (_, row) in rows.iter_mut().enumerate().filter(|&(row, _)| row != pivot) {
            let factor = row[pivot] / head[pivot];
            for (value, head) in row.iter_mut().zip(head) {
                *value -= factor * head;
            }
        }
    }
    [0, 1, 2, 3].map(|row| rows[row][4] / rows[row][row])
}

/// Ones from one bin to before another.
const fn ones(from: usize, to: usize) -> [[f32; LANES]; BINS / LANES] {
    let (mut table, mut bin) = ([[0.0; LANES]; BINS / LANES], from);
    while bin < to {
        table[bin / LANES][bin % LANES] = 1.0;
        bin += 1;
    }
    table
}

/// A Hann window over the newest `reach` samples.
const fn taper(reach: usize) -> Parted {
    let (mut table, mut n) = ([[[0.0; LANES]; PARTS]; 2], 0);
    while n < reach {
        let (_, cos) = sin_cos(TAU * (n as f64 + 0.5) / reach as f64);
        let place = PAST - reach + n;
        table[place % 2][place / 2 / LANES][place / 2 % LANES] = narrow(0.5 - 0.5 * cos);
        n += 1;
    }
    table
}

#[cfg(test)]
mod tests;
