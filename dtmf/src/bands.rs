//! The front end: sound becomes two narrow bands, one around each tone group, at a tenth of the
//! rate, and the power of each hop.
//!
//! A band holds all there is to know of its four tones in 800 complex points a second, so that what
//! comes after is cheap. Nothing is decided here.

use std::f64::consts::{PI, TAU};

use crate::series::sin_cos;
use crate::simd;

/// Samples a second.
pub(crate) const RATE: f64 = 8000.0;
/// Samples from one look at the bands to the next: 5 ms, so that no tone falls between two.
pub(crate) const HOP: usize = 40;
/// Samples from one point of a band to the next.
const STEP: usize = 10;
/// Length of the band filters, in samples: 5 ms, 39 dB down where a tenth of the rate folds over.
pub(crate) const TAPS: usize = 40;
/// Points that a hop adds to a band.
const FRESH: usize = HOP / STEP;
/// Points in a window of a band.
pub(crate) const POINTS: usize = 12;
/// Samples that a window of points spans.
pub(crate) const WINDOW: usize = (POINTS - 1) * STEP + TAPS;
/// Hops that a window touches.
pub(crate) const WINDOW_HOPS: usize = WINDOW.div_ceil(HOP);
/// Samples of the past that are kept for [`Bands::past`].
pub(crate) const PAST: usize = 256;
/// Samples kept in all: the past slides back to the front only when this is full.
const KEPT: usize = PAST + 4 * HOP;

/// The low group (rows) and the high group (columns), in hertz. ITU-T Q.23 §5.
pub(crate) const FREQUENCIES: [f64; 8] =
    [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];
/// The middle of each band, in hertz.
const MIDDLES: [f64; 2] = [819.0, 1421.0];

/// A gain that lets the sum of any samples fit an `i32`.
const GAIN: f64 = 4096.0;
const INVERSE_GAIN: f32 = 1.0 / 4096.0;

/// One row of filter taps.
#[repr(align(16))]
pub(crate) struct Taps(pub(crate) [i16; TAPS]);

/// Real and imaginary part of the low band's filter, then of the high band's.
pub(crate) static COEFFICIENTS: [Taps; 4] = coefficients();
/// The share of a window's power that each of the hops it touches has, oldest first.
static HOP_SHARES: [f32; WINDOW_HOPS] = hop_shares();
/// The share of a window's power that each of its points has.
static POINT_SHARES: [[f32; FRESH]; ROWS] = point_shares();

/// Hops that the points in a window come from.
const ROWS: usize = POINTS / FRESH;

/// The latest points of one band, oldest first, a hop in a row.
#[derive(Clone, Copy)]
pub(crate) struct Band {
    re: [[f32; FRESH]; ROWS],
    im: [[f32; FRESH]; ROWS],
}

impl Band {
    const SILENT: Self = Self { re: [[0.0; FRESH]; ROWS], im: [[0.0; FRESH]; ROWS] };

    fn push(&mut self, re: [f32; FRESH], im: [f32; FRESH]) {
        for (rows, fresh) in [(&mut self.re, re), (&mut self.im, im)] {
            rows.copy_within(1.., 0);
            rows[ROWS - 1] = fresh;
        }
    }

    /// Real and imaginary part of each point.
    pub(crate) fn points(&self) -> impl Iterator<Item = (f32, f32)> {
        let (re, im) = (self.re.as_flattened(), self.im.as_flattened());
        re.iter().copied().zip(im.iter().copied())
    }

    /// Mean square of the points, tapered as the tones are measured.
    fn power(&self) -> f32 {
        let mut sums = [0.0_f32; FRESH];
        for ((re, im), shares) in self.re.iter().zip(&self.im).zip(&POINT_SHARES) {
            for lane in 0..FRESH {
                sums[lane] += (re[lane] * re[lane] + im[lane] * im[lane]) * shares[lane];
            }
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }
}

/// The bands of the latest window, and the sound that they came from.
#[derive(Clone)]
pub(crate) struct Bands {
    kept: [i16; KEPT],
    /// How much of `kept` is filled.
    filled: usize,
    low: Band,
    high: Band,
    energies: [f32; WINDOW_HOPS],
    /// Hops in a row that were too quiet to split, as many as the bands hold.
    silent: usize,
}

/// The powers of one window.
#[derive(Clone, Copy)]
pub(crate) struct Powers {
    /// Of everything: the mean square of the samples.
    pub(crate) total: f32,
    /// Of the low and the high band, on the scale of [`crate::tones::IN_BAND`].
    pub(crate) bands: [f32; 2],
}

impl Bands {
    pub(crate) const fn new() -> Self {
        Self {
            kept: [0; KEPT],
            filled: PAST,
            low: Band::SILENT,
            high: Band::SILENT,
            energies: [0.0; WINDOW_HOPS],
            silent: ROWS,
        }
    }

    /// Samples that are missing from the hop being filled.
    pub(crate) const fn wanting(&self) -> usize {
        HOP - (self.filled - PAST) % HOP
    }

    /// Takes at most [`Bands::wanting`] samples; `true` when they complete a hop.
    pub(crate) fn push(&mut self, samples: &[i16]) -> bool {
        self.kept[self.filled..self.filled + samples.len()].copy_from_slice(samples);
        self.advance(samples.len())
    }

    /// Takes at most [`Bands::wanting`] samples of silence.
    pub(crate) fn push_silence(&mut self, count: usize) -> bool {
        self.kept[self.filled..self.filled + count].fill(0);
        self.advance(count)
    }

    fn advance(&mut self, count: usize) -> bool {
        self.filled += count;
        count > 0 && (self.filled - PAST).is_multiple_of(HOP)
    }

    /// Takes the hop that is complete into the bands.
    pub(crate) fn split(&mut self, quiet: f32) -> Powers {
        if self.filled == KEPT {
            self.kept.copy_within(KEPT - PAST.., 0);
            self.filled = PAST;
            self.split_at(PAST, quiet)
        } else {
            self.split_at(self.filled, quiet)
        }
    }

    fn split_at(&mut self, end: usize, quiet: f32) -> Powers {
        let (hop, _) = self.kept[end - HOP..].split_first_chunk().expect("a hop is kept");
        let energy = simd::energy(hop);
        self.energies.copy_within(1.., 0);
        self.energies[WINDOW_HOPS - 1] = energy;
        let total = self.energies.iter().zip(&HOP_SHARES).map(|(x, share)| x * share).sum();
        if energy * (simd::ENERGY_SCALE / 40.0) < quiet {
            if self.silent == ROWS {
                return Powers { total, bands: [0.0; 2] };
            }
            self.silent += 1;
            self.low.push([0.0; FRESH], [0.0; FRESH]);
            self.high.push([0.0; FRESH], [0.0; FRESH]);
        } else {
            self.silent = 0;
            let mut parts = [[0.0; FRESH]; 4];
            for point in 0..FRESH {
                let first = end - HOP - (TAPS - STEP) + point * STEP;
                let sound = self.kept[first..].first_chunk().expect("the past is kept");
                let sums = simd::correlate(sound, &COEFFICIENTS);
                for (part, sum) in parts.iter_mut().zip(sums) {
                    part[point] = sum * INVERSE_GAIN;
                }
            }
            let [low_re, low_im, high_re, high_im] = parts;
            self.low.push(low_re, low_im);
            self.high.push(high_re, high_im);
        }
        Powers { total, bands: [self.low.power(), self.high.power()] }
    }

    /// The latest points of the low and the high band.
    pub(crate) const fn latest(&self) -> [&Band; 2] {
        [&self.low, &self.high]
    }

    /// The latest samples up to the end of the last whole hop, oldest first.
    pub(crate) fn past(&self) -> &[i16; PAST] {
        let end = self.filled - (self.filled - PAST) % HOP;
        self.kept[end - PAST..].first_chunk().expect("as much is always kept")
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

const fn point_shares() -> [[f32; FRESH]; ROWS] {
    let (mut shares, mut sum, mut n) = ([[0.0; FRESH]; ROWS], 0.0, 0);
    while n < POINTS {
        sum += point_taper(n) * point_taper(n);
        n += 1;
    }
    n = 0;
    while n < POINTS {
        shares[n / FRESH][n % FRESH] = narrow(point_taper(n) * point_taper(n) / sum);
        n += 1;
    }
    shares
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
