//! Measures the eight tones in one window of the bands: amplitude and phase.

use std::f64::consts::TAU;

use crate::bands::{
    FREQUENCIES, GAIN, HOP, Heard, POINTS, RATE, ROWS, Row, gain_squared, narrow, point_in,
    point_taper, point_turn,
};
use crate::series::sin_cos;
use crate::simd::{Kernel, LANES, PARTS, TWO, Vectors, widest};

/// The complex amplitudes of the eight tones in one window, each against its own window's start.
#[derive(Clone, Copy)]
pub(crate) struct Tones {
    /// Of each group: four real, then four imaginary parts.
    parts: [[f32; LANES]; 2],
}

/// What a point's real part, then its imaginary part, adds to the parts of a band's tones.
type Wave = [[f32; LANES]; 2];

/// The tapered waves of the tones of both bands, for the points as they lie in the ring; one table
/// for each place in it where the oldest row may be.
static WAVES: [[[[Wave; 2]; POINTS / ROWS]; ROWS]; ROWS] = waves();
/// What the square of an amplitude is multiplied by to give the tone's power, in squares of samples.
pub(crate) static TO_POWER: [f32; 8] = to_power();
/// The power that a tone of power 1 gives its band.
pub(crate) static IN_BAND: [f32; 8] = in_band();
/// How far each nominal frequency turns in one hop: cosine and sine.
pub(crate) static HOP_TURN: [[f32; 2]; 8] = hop_turns();

impl Tones {
    /// The tones in the latest window and their powers.
    pub(crate) fn measure(heard: Heard<'_>) -> (Self, [f32; 8]) {
        widest(Measure { rows: heard.rows(), oldest: heard.oldest })
    }

    pub(crate) const fn parts(&self) -> &[[f32; LANES]; 2] {
        &self.parts
    }

    /// The power of every tone.
    pub(crate) fn powers(&self) -> [f32; 8] {
        powers_of(&self.parts.map(|parts| parts.map(|part| part * part)))
    }

    /// The power of a tone.
    pub(crate) fn power(&self, tone: usize) -> f32 {
        let [re, im] = self.at(tone);
        (re * re + im * im) * TO_POWER[tone]
    }

    /// Real and imaginary part of a tone.
    pub(crate) fn at(&self, tone: usize) -> [f32; 2] {
        let parts = &self.parts[tone / 4];
        [parts[tone % 4], parts[4 + tone % 4]]
    }
}

struct Measure<'a> {
    rows: &'a [Row; ROWS],
    oldest: usize,
}

impl Kernel for Measure<'_> {
    type Output = (Tones, [f32; 8]);

    #[inline(always)]
    fn run(self, v: impl Vectors) -> (Tones, [f32; 8]) {
        let mut sums = [v.all(0.0); 2];
        for (row, waves) in self.rows.iter().zip(&WAVES[self.oldest]) {
            for (point, waves) in waves.iter().enumerate() {
                let place = point % TWO * PARTS;
                let points = &row[point / TWO];
                for (band, (sum, [of_re, of_im])) in sums.iter_mut().zip(waves).enumerate() {
                    let re = v.all(points[place + 2 * band]);
                    let im = v.all(points[place + 2 * band + 1]);
                    *sum = *sum + (re * v.load(of_re) + im * v.load(of_im));
                }
            }
        }
        let [low, high] = sums;
        let squares = [v.store(low * low), v.store(high * high)];
        (Tones { parts: [v.store(low), v.store(high)] }, powers_of(&squares))
    }
}

/// The powers of the tones whose parts have these squares.
#[inline(always)]
pub(crate) fn powers_of(squares: &[[f32; LANES]; 2]) -> [f32; 8] {
    let mut powers = [0.0; 8];
    for (group, squares) in squares.iter().enumerate() {
        for tone in 0..4 {
            powers[group * 4 + tone] =
                (squares[tone] + squares[4 + tone]) * TO_POWER[group * 4 + tone];
        }
    }
    powers
}

const fn waves() -> [[[[Wave; 2]; POINTS / ROWS]; ROWS]; ROWS] {
    let mut tables = [[[[[[0.0; LANES]; 2]; 2]; POINTS / ROWS]; ROWS]; ROWS];
    let mut n = 0;
    while n < 8 * ROWS * POINTS {
        let (tone, oldest, slot) = (n % 8, n / 8 % ROWS, n / 8 / ROWS % ROWS);
        let point = n / 8 / ROWS / ROWS;
        let at = point_in(slot, oldest, point);
        let (sin, cos) = sin_cos(point_turn(FREQUENCIES[tone]) * at as f64);
        let [of_re, of_im] = &mut tables[oldest][slot][point][tone / 4];
        of_re[tone % 4] = narrow(point_taper(at) * cos / GAIN);
        of_re[4 + tone % 4] = narrow(-point_taper(at) * sin / GAIN);
        of_im[tone % 4] = -of_re[4 + tone % 4];
        of_im[4 + tone % 4] = of_re[tone % 4];
        n += 1;
    }
    tables
}

const fn to_power() -> [f32; 8] {
    let (mut sum, mut n) = (0.0, 0);
    while n < POINTS {
        sum += point_taper(n);
        n += 1;
    }
    let (mut table, mut tone) = ([0.0; 8], 0);
    while tone < 8 {
        // A sine of amplitude A gives A/2 times both gains, and has power A²/2.
        table[tone] = narrow(2.0 / (gain_squared(tone) * sum * sum));
        tone += 1;
    }
    table
}

const fn in_band() -> [f32; 8] {
    let (mut table, mut tone) = ([0.0; 8], 0);
    while tone < 8 {
        table[tone] = narrow(0.5 * gain_squared(tone));
        tone += 1;
    }
    table
}

const fn hop_turns() -> [[f32; 2]; 8] {
    let (mut table, mut tone) = ([[0.0; 2]; 8], 0);
    while tone < 8 {
        let (sin, cos) = sin_cos(TAU * FREQUENCIES[tone] * HOP as f64 / RATE);
        table[tone] = [narrow(cos), narrow(sin)];
        tone += 1;
    }
    table
}
