//! A pair of tones through the windows of a look: is either of them one steady sine?

use crate::look::{Entry, MEMORY, Pair, tolerance};
use crate::tones::{HOP_TURN, TO_POWER};

/// The most that a tone may differ from a steady sine.
const MOST_UNSTEADY: f32 = 0.35;
/// RATE / (2π · HOP): hertz of a turn of one radian in a hop.
const HERTZ_PER_RADIAN: f32 = 31.830_988;
/// The arc tangent by its argument in powers of the argument's square, highest first: what fits best
/// up to 0.77.
const ARC_TANGENT: [f32; 5] = [0.040_125, -0.113_976, 0.194_554, -0.332_954, 0.999_996];

/// How one tone goes through the windows.
#[derive(Clone, Copy)]
pub(crate) struct Fit {
    /// Hertz off its nominal frequency.
    pub(crate) deviation: f32,
    /// The share of its power that the best steady sine does not explain.
    pub(crate) unsteady: f32,
}

impl Fit {
    /// How much more power the tone has than is measured, within ±35 Hz.
    ///
    /// That is the loss over the points of a window; the slope of the band's filter, up to 0.08 dB
    /// a hertz, is left as it is.
    pub(crate) fn loss(&self) -> f32 {
        /// Hertz at which a window has lost 1.31 nepers of power.
        const BIN: f32 = 49.69;
        let bins = (self.deviation / BIN).clamp(-0.7, 0.7);
        let nepers = 1.31 * bins * bins;
        1.0 + nepers + 0.5 * nepers * nepers
    }
}

/// The pair in one window, row and column in either field.
#[derive(Clone, Copy)]
struct Point {
    re: [f32; 2],
    im: [f32; 2],
    /// The power of everything in the window.
    total: f32,
    /// Hops since the window before it: more than one where samples were lost.
    hops: u32,
}

/// A pair through the latest windows, newest first.
pub(crate) struct Track {
    pair: Pair,
    points: [Point; MEMORY],
    length: usize,
    /// Hop of the oldest window.
    hop: u64,
    /// Sums of the squares,
    squares: [f32; 2],
    /// and of how far each window has turned from the one before: real and imaginary parts.
    turn: [[f32; 2]; 2],
}

impl Track {
    pub(crate) const fn new(pair: Pair) -> Self {
        let point = Point { re: [0.0; 2], im: [0.0; 2], total: 0.0, hops: 0 };
        let (squares, turn) = ([0.0; 2], [[0.0; 2]; 2]);
        Self { pair, points: [point; MEMORY], length: 0, hop: 0, squares, turn }
    }

    pub(crate) const fn pair(&self) -> Pair {
        self.pair
    }

    /// Windows so far.
    pub(crate) const fn length(&self) -> usize {
        self.length
    }

    /// Begins with another pair.
    pub(crate) const fn begin(&mut self, pair: Pair) {
        self.pair = pair;
        self.length = 0;
        self.squares = [0.0; 2];
        self.turn = [[0.0; 2]; 2];
    }

    /// Takes the next older window.
    #[inline]
    pub(crate) fn push(&mut self, entry: &Entry) {
        let [row, column] = self.pair.tones();
        let (mut re, mut im) = ([0.0; 2], [0.0; 2]);
        if let Some(tones) = &entry.tones {
            ([re[0], im[0]], [re[1], im[1]]) = (tones.at(row), tones.at(column));
        }
        for tone in 0..2 {
            self.squares[tone] += re[tone] * re[tone] + im[tone] * im[tone];
        }
        if let Some(newest) = self.length.checked_sub(1) {
            let newer = &mut self.points[newest];
            newer.hops = u32::try_from(self.hop - entry.hop).unwrap_or(u32::MAX);
            if newer.hops == 1 {
                for tone in 0..2 {
                    self.turn[0][tone] += newer.re[tone] * re[tone] + newer.im[tone] * im[tone];
                    self.turn[1][tone] += newer.im[tone] * re[tone] - newer.re[tone] * im[tone];
                }
            }
        }
        self.points[self.length] = Point { re, im, total: entry.level.total, hops: 0 };
        self.length += 1;
        self.hop = entry.hop;
    }

    /// Fits a steady sine to either tone; `None` when one of them is none, or off its frequency.
    pub(crate) fn fit(&self) -> Option<[Fit; 2]> {
        let (mut steps, mut deviations) = ([[0.0; 2]; 2], [0.0; 2]);
        let tones = self.pair.tones();
        for place in 0..2 {
            let tone = tones[place];
            let [re, im] = [self.turn[0][place], self.turn[1][place]];
            let length = (re * re + im * im).sqrt().max(1e-9);
            let (re, im) = (re / length, im / length);
            let [cos, sin] = HOP_TURN[tone];
            let deviation = angle(re * cos + im * sin, im * cos - re * sin) * HERTZ_PER_RADIAN;
            if deviation.abs() > tolerance(tone, 0.02, 4.0) {
                return None;
            }
            deviations[place] = deviation;
            steps[0][place] = re;
            steps[1][place] = im;
        }
        let [row, column] = self.unsteady(steps);
        (row <= MOST_UNSTEADY && column <= MOST_UNSTEADY).then_some([
            Fit { deviation: deviations[0], unsteady: row },
            Fit { deviation: deviations[1], unsteady: column },
        ])
    }

    /// The share of either tone's power that a sine with these turns from hop to hop (real parts,
    /// imaginary parts) does not explain.
    fn unsteady(&self, [step_re, step_im]: [[f32; 2]; 2]) -> [f32; 2] {
        // From the oldest on: what came before is turned to where the next window begins.
        let (mut re, mut im) = ([0.0_f32; 2], [0.0_f32; 2]);
        for point in self.points[..self.length].iter().rev() {
            for _ in 0..point.hops {
                for tone in 0..2 {
                    (re[tone], im[tone]) = (
                        re[tone] * step_re[tone] - im[tone] * step_im[tone],
                        re[tone] * step_im[tone] + im[tone] * step_re[tone],
                    );
                }
            }
            for tone in 0..2 {
                re[tone] += point.re[tone];
                im[tone] += point.im[tone];
            }
        }
        let count = self.length as f32;
        let mut unsteady = [0.0; 2];
        for tone in 0..2 {
            let sum = re[tone] * re[tone] + im[tone] * im[tone];
            unsteady[tone] = (1.0 - sum / (count * self.squares[tone].max(1e-9))).max(0.0);
        }
        unsteady
    }

    /// The power of either tone in a window.
    fn powers(&self, point: &Point) -> [f32; 2] {
        let [row, column] = self.pair.tones();
        let Point { re, im, .. } = point;
        [
            (re[0] * re[0] + im[0] * im[0]) * TO_POWER[row],
            (re[1] * re[1] + im[1] * im[1]) * TO_POWER[column],
        ]
    }

    /// Ratios of the power in the latest window to that in the first.
    pub(crate) fn growth(&self) -> [f32; 2] {
        let first = self.powers(&self.points[self.length - 1]);
        let last = self.powers(&self.points[0]);
        [last[0] / first[0].max(f32::MIN_POSITIVE), last[1] / first[1].max(f32::MIN_POSITIVE)]
    }

    /// The pair's share of all power in the middling window.
    pub(crate) fn typical_share(&self, losses: [f32; 2]) -> f32 {
        let mut shares = [0.0_f32; MEMORY];
        let shares = &mut shares[..self.length];
        for (share, point) in shares.iter_mut().zip(&self.points) {
            let [low, high] = self.powers(point);
            *share = (low * losses[0] + high * losses[1]) / point.total.max(1.0);
        }
        // A few at most, and mostly four: put into order one by one.
        for next in 1..shares.len() {
            let (mut place, share) = (next, shares[next]);
            while place > 0 && shares[place - 1] > share {
                shares[place] = shares[place - 1];
                place -= 1;
            }
            shares[place] = share;
        }
        shares[shares.len() / 2]
    }
}

/// The angle of a point on the unit circle, in radians within 0.00001; past ±1.3 only that it is.
fn angle(re: f32, im: f32) -> f32 {
    // The tangent of half the angle.
    let t = im / (1.0 + re.max(0.2));
    let square = t * t;
    let mut sum = 0.0;
    for term in ARC_TANGENT {
        sum = sum * square + term;
    }
    2.0 * t * sum
}

#[cfg(test)]
mod tests;
