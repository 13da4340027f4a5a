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
static TAPER: [f32; PAST] = taper();
/// Where each point goes before the transform: its number with the bits reversed.
static PLACES: [u8; HALF] = places();

/// How the power of the residual is spread.
#[derive(Clone, Copy)]
pub(crate) struct Residual {
    /// Share of the strongest bins.
    pub(crate) lines: f32,
    /// Share of the lowest harmonics of the two tones.
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
        let mut sorted = powers;
        sorted[..BOTTOM_BIN].fill(0.0);
        sorted.select_nth_unstable_by(LINES - 1, |a, b| b.total_cmp(a));
        let [low, high] = hertz;
        let harmonics = [2.0 * low, 2.0 * high, 3.0 * low].map(|hertz| line(&powers, hertz));
        Self {
            lines: sorted[..LINES].iter().sum::<f32>() / all,
            harmonics: harmonics.iter().sum::<f32>() / all,
            low: powers[BOTTOM_BIN..LOW_BIN].iter().sum::<f32>() / all,
        }
    }
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
    let waves = waves(hertz);
    let (mut products, mut sums) = ([[0.0_f32; 4]; 4], [0.0_f32; 4]);
    let heard = |hop: usize| lost >> (HOPS - 1 - hop) & 1 == 0;
    // The first hop is cut: the past is not a whole number of them.
    for hop in (0..HOPS).filter(|&hop| heard(hop)) {
        for n in span(hop) {
            let (wave, sample) = (&waves[n], f32::from(past[n]));
            for (row, x) in products.iter_mut().zip(wave) {
                for (sum, y) in row.iter_mut().zip(wave) {
                    *sum += x * y;
                }
            }
            for (sum, x) in sums.iter_mut().zip(wave) {
                *sum += x * sample;
            }
        }
    }
    let amplitudes = solve(products, sums);
    for hop in (0..HOPS).filter(|&hop| heard(hop)) {
        for n in span(hop) {
            let [a, b, c, d] = waves[n];
            let pair =
                (a * amplitudes[0] + b * amplitudes[1]) + (c * amplitudes[2] + d * amplitudes[3]);
            rest[n] = f32::from(past[n]) - pair;
        }
    }
    0.5 * amplitudes.iter().map(|amplitude| amplitude * amplitude).sum::<f32>()
}

/// The samples of a hop of the past, oldest hop first.
fn span(hop: usize) -> std::ops::Range<usize> {
    (PAST + hop * HOP).saturating_sub(HOPS * HOP)..PAST - (HOPS - 1 - hop) * HOP
}

/// Cosine and sine of both frequencies, sample by sample.
fn waves(hertz: [f32; 2]) -> [[f32; 4]; PAST] {
    let [low, high] = hertz.map(|hertz| {
        let (sin, cos) = sin_cos(TAU * f64::from(hertz) / RATE);
        [narrow(cos), narrow(sin)]
    });
    let mut waves = [[0.0_f32; 4]; PAST];
    let mut wave = [1.0, 0.0, 1.0, 0.0];
    for slot in &mut waves {
        *slot = wave;
        wave = [
            wave[0] * low[0] - wave[1] * low[1],
            wave[0] * low[1] + wave[1] * low[0],
            wave[2] * high[0] - wave[3] * high[1],
            wave[2] * high[1] + wave[3] * high[0],
        ];
    }
    waves
}

/// Solves four equations by elimination; singular ones give zeros.
fn solve(products: [[f32; 4]; 4], sums: [f32; 4]) -> [f32; 4] {
    let mut rows = [0, 1, 2, 3].map(|row: usize| {
        let [a, b, c, d] = products[row];
        [a, b, c, d, sums[row]]
    });
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

/// Powers of the bins up to [`TOP_BIN`] under a Hann window: a radix-2 Fourier transform of half the
/// length, with the even samples as real and the odd ones as imaginary parts.
fn spectrum(rest: &[f32; PAST]) -> [f32; TOP_BIN + 1] {
    let mut points = [[0.0_f32; 2]; HALF];
    for n in 0..HALF {
        points[usize::from(PLACES[n])] =
            [rest[2 * n] * TAPER[2 * n], rest[2 * n + 1] * TAPER[2 * n + 1]];
    }
    let mut half = 1;
    while half < HALF {
        for block in points.chunks_exact_mut(2 * half) {
            let (even, odd) = block.split_at_mut(half);
            for (k, (even, odd)) in even.iter_mut().zip(odd).enumerate() {
                let [c, s] = TURNS[k * (HALF / half)];
                let turned = [odd[0] * c - odd[1] * s, odd[0] * s + odd[1] * c];
                *odd = [even[0] - turned[0], even[1] - turned[1]];
                *even = [even[0] + turned[0], even[1] + turned[1]];
            }
        }
        half *= 2;
    }
    let mut powers = [0.0; TOP_BIN + 1];
    for (bin, power) in powers.iter_mut().enumerate().skip(BOTTOM_BIN) {
        let ([a, b], [c, d]) = (points[bin], points[HALF - bin]);
        // The even samples' spectrum, and the odd ones' before it is turned into place.
        let (even, odd) = ([a + c, b - d], [b + d, c - a]);
        let [cos, sin] = TURNS[bin];
        let re = even[0] + odd[0] * cos - odd[1] * sin;
        let im = even[1] + odd[0] * sin + odd[1] * cos;
        *power = 0.25 * (re * re + im * im);
    }
    powers
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
