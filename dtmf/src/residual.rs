//! What is left of the sound when a pair of tones is taken out of it.
//!
//! After a key press that is noise, or somebody talking. After a chord it is the harmonics of the
//! two notes and the rest of the band: a few sharp lines.

use std::f64::consts::TAU;

use crate::bands::{HOP, PAST, RATE, narrow};
use crate::series::sin_cos;

/// Highest bin that counts: 3.65 kHz.
const TOP_BIN: usize = 117;
/// Lowest bin that counts: 62 Hz.
const BOTTOM_BIN: usize = 2;
/// Below this bin, 594 Hz, is what voices have and keys have not.
const LOW_BIN: usize = 19;
const BIN_HERTZ: f32 = 31.25;
/// The strongest bins that are counted as lines.
const LINES: usize = 8;

/// Hops that the past touches.
const HOPS: usize = PAST.div_ceil(HOP);
const HALF: usize = PAST / 2;

/// Noise that is added to every bin, as a part of the pair's power: 38 dB below it in all, as the
/// quantisation of G.711 is. What lies below that says nothing.
const FLOOR: f32 = 1.6e-4 * FULL / (TOP_BIN - BOTTOM_BIN) as f32;
/// The sum over the bins for a signal of power 1.
const FULL: f32 = 0.5 * (PAST * PAST) as f32 * 0.375;

static TURNS: [[f32; 2]; HALF] = turns();
/// Cosines and sines of each stage's turns, one stage after another.
static STAGES: [[f32; HALF - 1]; 2] = stages();
static TAPER: [f32; PAST] = taper();
/// Where each point goes before the transform: its number with the bits reversed.
static PLACES: [u8; HALF] = places();

/// How the power of the residual is spread.
#[derive(Clone, Copy)]
pub(crate) struct Residual {
    /// Share of the [`LINES`] strongest bins.
    pub(crate) lines: f32,
    /// Share of the second harmonic of both tones and the third of the row.
    pub(crate) harmonics: f32,
    /// Share of what is below 600 Hz.
    pub(crate) low: f32,
}

impl Residual {
    /// Takes sines of `hertz` out of `past`; a set bit of `lost` is a hop that never arrived, the
    /// latest in bit 0.
    pub(crate) fn measure(past: &[i16; PAST], lost: u32, hertz: [f32; 2]) -> Self {
        let mut rest = [0.0_f32; PAST];
        let pair = subtract(past, lost, hertz, &mut rest);
        let mut powers = spectrum(&rest);
        for power in &mut powers {
            *power += pair * FLOOR;
        }
        let all = powers[BOTTOM_BIN..].iter().sum::<f32>() + 1.0;
        let [low, high] = hertz;
        let harmonics = [2.0 * low, 2.0 * high, 3.0 * low].map(|hertz| line(&powers, hertz));
        Self {
            lines: strongest(&powers[BOTTOM_BIN..]) / all,
            harmonics: harmonics.iter().sum::<f32>() / all,
            low: powers[BOTTOM_BIN..LOW_BIN].iter().sum::<f32>() / all,
        }
    }
}

/// The sum of the [`LINES`] greatest powers.
fn strongest(powers: &[f32]) -> f32 {
    let mut greatest = [0.0_f32; LINES];
    for &power in powers {
        if power > greatest[LINES - 1] {
            let place = greatest.iter().position(|&other| power > other).unwrap_or(LINES - 1);
            greatest.copy_within(place..LINES - 1, place + 1);
            greatest[place] = power;
        }
    }
    greatest.iter().sum()
}

/// The power about a frequency.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a frequency between 0 and 5 kHz has a bin"
)]
fn line(powers: &[f32; TOP_BIN + 1], hertz: f32) -> f32 {
    let bin = (hertz / BIN_HERTZ + 0.5) as usize;
    if bin >= TOP_BIN { 0.0 } else { powers[bin - 1] + powers[bin] + powers[bin + 1] }
}

/// Leaves in `rest` what the best fitting sines of both frequencies do not explain, and gives their
/// power.
fn subtract(past: &[i16; PAST], lost: u32, hertz: [f32; 2], rest: &mut [f32; PAST]) -> f32 {
    let [mut a, mut b] = wave(hertz[0]);
    let [mut c, mut d] = wave(hertz[1]);
    for (slot, &sample) in rest.iter_mut().zip(past) {
        *slot = f32::from(sample);
    }
    if lost & ((1 << HOPS) - 1) != 0 {
        for values in [&mut a, &mut b, &mut c, &mut d, rest] {
            forget(values, lost);
        }
    }
    let [aa, ab, ac, ad] = [dot(&a, &a), dot(&a, &b), dot(&a, &c), dot(&a, &d)];
    let [bb, bc, bd] = [dot(&b, &b), dot(&b, &c), dot(&b, &d)];
    let [cc, cd, dd] = [dot(&c, &c), dot(&c, &d), dot(&d, &d)];
    let amplitudes = solve([
        [aa, ab, ac, ad, dot(&a, rest)],
        [ab, bb, bc, bd, dot(&b, rest)],
        [ac, bc, cc, cd, dot(&c, rest)],
        [ad, bd, cd, dd, dot(&d, rest)],
    ]);
    for (n, slot) in rest.iter_mut().enumerate() {
        *slot -= (a[n] * amplitudes[0] + b[n] * amplitudes[1])
            + (c[n] * amplitudes[2] + d[n] * amplitudes[3]);
    }
    0.5 * amplitudes.iter().map(|amplitude| amplitude * amplitude).sum::<f32>()
}

/// Lanes in which sums are taken, so that the compiler can use vectors.
const LANES: usize = 4;

fn dot(a: &[f32; PAST], b: &[f32; PAST]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Cosine and sine of a frequency, sample by sample.
fn wave(hertz: f32) -> [[f32; PAST]; 2] {
    let at = |samples: f64| {
        let (sin, cos) = sin_cos(TAU * f64::from(hertz) * samples / RATE);
        [narrow(cos), narrow(sin)]
    };
    let [one, two, three, [cos, sin]] = [at(1.0), at(2.0), at(3.0), at(4.0)];
    let mut re = [1.0, one[0], two[0], three[0]];
    let mut im = [0.0, one[1], two[1], three[1]];
    let [mut cosines, mut sines] = [[0.0; PAST]; 2];
    let chunks = cosines.as_chunks_mut::<LANES>().0.iter_mut();
    for (cosines, sines) in chunks.zip(sines.as_chunks_mut::<LANES>().0) {
        (*cosines, *sines) = (re, im);
        for lane in 0..LANES {
            (re[lane], im[lane]) =
                (re[lane] * cos - im[lane] * sin, re[lane] * sin + im[lane] * cos);
        }
    }
    [cosines, sines]
}

/// Silences the hops that never arrived; the first one of the past is cut.
fn forget(values: &mut [f32; PAST], lost: u32) {
    for hop in 0..HOPS {
        if lost >> hop & 1 != 0 {
            let end = PAST - hop * HOP;
            values[end.saturating_sub(HOP)..end].fill(0.0);
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

/// Powers of the bins from [`BOTTOM_BIN`] to [`TOP_BIN`] under a Hann window: a radix-2 Fourier
/// transform of half the length, with the even samples as real and the odd ones as imaginary parts.
fn spectrum(rest: &[f32; PAST]) -> [f32; TOP_BIN + 1] {
    let (mut re, mut im) = ([0.0_f32; HALF], [0.0_f32; HALF]);
    for (n, &place) in PLACES.iter().enumerate() {
        re[usize::from(place)] = rest[2 * n] * TAPER[2 * n];
        im[usize::from(place)] = rest[2 * n + 1] * TAPER[2 * n + 1];
    }
    let mut half = 1;
    while half < HALF {
        let turns = (&STAGES[0][half - 1..2 * half - 1], &STAGES[1][half - 1..2 * half - 1]);
        for (re, im) in re.chunks_exact_mut(2 * half).zip(im.chunks_exact_mut(2 * half)) {
            butterflies(re.split_at_mut(half), im.split_at_mut(half), turns);
        }
        half *= 2;
    }
    let mut powers = [0.0; TOP_BIN + 1];
    for (bin, power) in powers.iter_mut().enumerate().skip(BOTTOM_BIN) {
        let ([a, b], [c, d]) = ([re[bin], im[bin]], [re[HALF - bin], im[HALF - bin]]);
        // The even samples' spectrum, and the odd ones' before it is turned into place.
        let (even, odd) = ([a + c, b - d], [b + d, c - a]);
        let [cos, sin] = TURNS[bin];
        let re = even[0] + odd[0] * cos - odd[1] * sin;
        let im = even[1] + odd[0] * sin + odd[1] * cos;
        *power = 0.25 * (re * re + im * im);
    }
    powers
}

/// One block of one stage: real parts, imaginary parts and turns apart, for the compiler's vectors.
fn butterflies(
    (re, odd_re): (&mut [f32], &mut [f32]),
    (im, odd_im): (&mut [f32], &mut [f32]),
    (cos, sin): (&[f32], &[f32]),
) {
    let evens = re.iter_mut().zip(im);
    let odds = odd_re.iter_mut().zip(odd_im);
    for (((re, im), (odd_re, odd_im)), (cos, sin)) in evens.zip(odds).zip(cos.iter().zip(sin)) {
        let turned = *odd_re * cos - *odd_im * sin;
        let turned_im = *odd_re * sin + *odd_im * cos;
        (*odd_re, *odd_im) = (*re - turned, *im - turned_im);
        (*re, *im) = (*re + turned, *im + turned_im);
    }
}

const fn turns() -> [[f32; 2]; HALF] {
    let (mut table, mut k) = ([[0.0; 2]; HALF], 0);
    while k < HALF {
        let (sin, cos) = sin_cos(-TAU * k as f64 / PAST as f64);
        table[k] = [narrow(cos), narrow(sin)];
        k += 1;
    }
    table
}

const fn stages() -> [[f32; HALF - 1]; 2] {
    let (mut table, mut half) = ([[0.0; HALF - 1]; 2], 1);
    while half < HALF {
        let mut k = 0;
        while k < half {
            let (sin, cos) = sin_cos(-TAU * k as f64 / (2 * half) as f64);
            table[0][half - 1 + k] = narrow(cos);
            table[1][half - 1 + k] = narrow(sin);
            k += 1;
        }
        half *= 2;
    }
    table
}

const fn taper() -> [f32; PAST] {
    let (mut table, mut n) = ([0.0; PAST], 0);
    while n < PAST {
        let (_, cos) = sin_cos(TAU * (n as f64 + 0.5) / PAST as f64);
        table[n] = narrow(0.5 - 0.5 * cos);
        n += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "places are below 128")]
const fn places() -> [u8; HALF] {
    let (mut table, mut n) = ([0; HALF], 0);
    while n < HALF {
        table[n] = (n.reverse_bits() >> (usize::BITS - HALF.ilog2())) as u8;
        n += 1;
    }
    table
}

#[cfg(test)]
mod tests;
