//! The power spectrum of 256 samples: a Fourier transform of half the length, with the even samples
//! as real and the odd ones as imaginary parts.
//!
//! The 128 points are a table of 16 rows of 8: a transform of each column, a turn of every point, a
//! transform of each row. Eight columns fill a vector, and a transposition in the middle makes
//! columns of the rows.

use std::f64::consts::TAU;
use std::ops::{Add, Mul, Sub};

use crate::bands::narrow;
use crate::series::sin_cos;
use crate::simd::{LANES, Vectors};

/// Bins that come out, from 0 Hz up in steps of a 256th of the rate.
pub(crate) const BINS: usize = POINTS;
/// Points of the complex transform.
const POINTS: usize = 128;
const ROWS: usize = POINTS / LANES;

/// A number with a real and an imaginary part in each lane.
#[derive(Clone, Copy)]
struct Complex<V> {
    re: V,
    im: V,
}

/// Turns between the transforms of the columns and of the rows: for each row, then of the bins
/// against each other at the end; real and imaginary parts.
static TURNS: [[[f32; LANES]; 2]; ROWS] = turns();
static UNTANGLE: [[[f32; LANES]; 2]; ROWS / 2] = untangling();
/// Turns by so many 16ths.
static SIXTEENTHS: [[f32; 2]; 10] = sixteenths();

/// The power in every bin: the square of the sum of samples times e^-jωn.
#[inline(always)]
pub(crate) fn spectrum<W: Vectors>(
    v: W,
    samples: &[[[f32; LANES]; ROWS]; 2],
) -> [[f32; LANES]; BINS / LANES] {
    let nothing = Complex { re: v.all(0.0), im: v.all(0.0) };
    let mut table = [nothing; ROWS];
    for (row, point) in table.iter_mut().enumerate() {
        *point = Complex { re: v.load(&samples[0][row]), im: v.load(&samples[1][row]) };
    }
    sixteen(v, &mut table);
    for (point, [re, im]) in table.iter_mut().zip(&TURNS).skip(1) {
        *point = turned(*point, v.load(re), v.load(im));
    }
    let [mut re, mut im] = [[0.0; POINTS + LANES]; 2];
    for half in 0..2 {
        let (mut of_re, mut of_im) = ([v.all(0.0); LANES], [v.all(0.0); LANES]);
        for lane in 0..LANES {
            let point = table[half * LANES + lane];
            (of_re[lane], of_im[lane]) = (point.re, point.im);
        }
        (of_re, of_im) = (v.transpose(of_re), v.transpose(of_im));
        let mut points = [nothing; LANES];
        for (row, point) in points.iter_mut().enumerate() {
            *point = Complex { re: of_re[row], im: of_im[row] };
        }
        eight(v, &mut points);
        for (row, point) in points.into_iter().enumerate() {
            let first = 2 * LANES * row + half * LANES;
            re[first..first + LANES].copy_from_slice(&v.store(point.re));
            im[first..first + LANES].copy_from_slice(&v.store(point.im));
        }
    }
    // Bin 128 of the complex transform is its bin 0.
    (re[POINTS], im[POINTS]) = (re[0], im[0]);
    untangled(v, &re, &im)
}

/// The powers of both halves of the bins from the transform of even and odd samples in one.
#[inline(always)]
fn untangled<W: Vectors>(
    v: W,
    re: &[f32; POINTS + LANES],
    im: &[f32; POINTS + LANES],
) -> [[f32; LANES]; BINS / LANES] {
    let quarter = v.all(0.25);
    let mut powers = [0.0; BINS + 1];
    for (part, [cos, sin]) in UNTANGLE.iter().enumerate() {
        let (first, mirrored) = (part * LANES, POINTS + 1 - LANES - part * LANES);
        let (a, b) = (at(v, re, first), at(v, im, first));
        let (c, d) = (v.reversed(at(v, re, mirrored)), v.reversed(at(v, im, mirrored)));
        // The even samples' spectrum, and the odd ones' before it is turned into place.
        let even = Complex { re: a + c, im: b - d };
        let odd = turned(Complex { re: b + d, im: c - a }, v.load(cos), v.load(sin));
        let (up, down) = (sum(even, odd), difference(even, odd));
        let up = (up.re * up.re + up.im * up.im) * quarter;
        let down = (down.re * down.re + down.im * down.im) * quarter;
        powers[mirrored..mirrored + LANES].copy_from_slice(&v.store(v.reversed(down)));
        powers[first..first + LANES].copy_from_slice(&v.store(up));
    }
    // The odd samples' spectrum stands still against the even ones' in the middle.
    let middle = POINTS / 2;
    powers[middle] = re[middle] * re[middle] + im[middle] * im[middle];
    *powers.as_chunks().0.first_chunk().expect("one bin more than asked for")
}

#[inline(always)]
fn at<W: Vectors>(v: W, values: &[f32; POINTS + LANES], first: usize) -> W::V {
    v.load(values[first..].first_chunk().expect("there is a vector behind every bin"))
}

#[inline(always)]
fn sum<V: Add<Output = V>>(a: Complex<V>, b: Complex<V>) -> Complex<V> {
    Complex { re: a.re + b.re, im: a.im + b.im }
}

#[inline(always)]
fn difference<V: Sub<Output = V>>(a: Complex<V>, b: Complex<V>) -> Complex<V> {
    Complex { re: a.re - b.re, im: a.im - b.im }
}

#[inline(always)]
fn turned<V>(x: Complex<V>, cos: V, sin: V) -> Complex<V>
where
    V: Copy + Add<Output = V> + Sub<Output = V> + Mul<Output = V>,
{
    Complex { re: x.re * cos - x.im * sin, im: x.re * sin + x.im * cos }
}

/// The transform of four points.
#[inline(always)]
fn four<V>([a, b, c, d]: [Complex<V>; 4]) -> [Complex<V>; 4]
where
    V: Copy + Add<Output = V> + Sub<Output = V>,
{
    let (even, odd) = (sum(a, c), sum(b, d));
    let (x, y) = (difference(a, c), difference(b, d));
    [
        sum(even, odd),
        Complex { re: x.re + y.im, im: x.im - y.re },
        difference(even, odd),
        Complex { re: x.re - y.im, im: x.im + y.re },
    ]
}

/// The transform of eight points, in place.
#[inline(always)]
fn eight<W: Vectors>(v: W, x: &mut [Complex<W::V>; 8]) {
    let even = four([x[0], x[2], x[4], x[6]]);
    let odd = four([x[1], x[3], x[5], x[7]]);
    for n in 0..4 {
        let [cos, sin] = SIXTEENTHS[2 * n];
        let (cos, sin) = (v.all(cos), v.all(sin));
        let odd = if n == 0 { odd[0] } else { turned(odd[n], cos, sin) };
        (x[n], x[n + 4]) = (sum(even[n], odd), difference(even[n], odd));
    }
}

/// The transform of sixteen points, in place.
#[inline(always)]
fn sixteen<W: Vectors>(v: W, x: &mut [Complex<W::V>; 16]) {
    for column in 0..4 {
        let points = four([x[column], x[column + 4], x[column + 8], x[column + 12]]);
        for (row, point) in points.into_iter().enumerate() {
            let [cos, sin] = SIXTEENTHS[row * column];
            let (cos, sin) = (v.all(cos), v.all(sin));
            let still = row * column == 0;
            x[column + 4 * row] = if still { point } else { turned(point, cos, sin) };
        }
    }
    let mut out = *x;
    for row in 0..4 {
        let points = four([x[4 * row], x[4 * row + 1], x[4 * row + 2], x[4 * row + 3]]);
        for (column, point) in points.into_iter().enumerate() {
            out[row + 4 * column] = point;
        }
    }
    *x = out;
}

const fn sixteenths() -> [[f32; 2]; 10] {
    let (mut table, mut n) = ([[0.0; 2]; 10], 0);
    while n < table.len() {
        table[n] = turn(n, 16);
        n += 1;
    }
    table
}

const fn turns() -> [[[f32; LANES]; 2]; ROWS] {
    let (mut table, mut n) = ([[[0.0; LANES]; 2]; ROWS], 0);
    while n < POINTS {
        let (row, lane) = (n / LANES, n % LANES);
        [table[row][0][lane], table[row][1][lane]] = turn(row * lane, POINTS);
        n += 1;
    }
    table
}

const fn untangling() -> [[[f32; LANES]; 2]; ROWS / 2] {
    let (mut table, mut n) = ([[[0.0; LANES]; 2]; ROWS / 2], 0);
    while n < POINTS / 2 {
        let (part, lane) = (n / LANES, n % LANES);
        [table[part][0][lane], table[part][1][lane]] = turn(n, 2 * POINTS);
        n += 1;
    }
    table
}

/// Cosine and sine of so many parts of a turn backwards.
const fn turn(parts: usize, of: usize) -> [f32; 2] {
    let (sin, cos) = sin_cos(-TAU * parts as f64 / of as f64);
    [narrow(cos), narrow(sin)]
}

#[cfg(test)]
mod tests;
