//! Measures one window: the power and phase at the eight DTMF frequencies, and the power in all.
//!
//! The tables are computed by the compiler, so that every build hears the same. Nothing is
//! decided here.

use std::f64::consts::PI;

/// Samples a second.
pub(crate) const RATE: f64 = 8000.0;
/// Samples in a window: 20 ms, tapered, so that a third tone 100 Hz away hardly counts.
pub(crate) const WINDOW: usize = 160;
/// Samples from one window to the next: 5 ms, so that no tone falls between two windows.
pub(crate) const HOP: usize = 40;

/// The low group (rows) and the high group (columns), in hertz. ITU-T Q.23 §5.
pub(crate) const FREQUENCIES: [f64; 8] =
    [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];

/// Real parts of the eight frequencies, then their imaginary parts.
const LANES: usize = 16;

static TAPER: [f32; WINDOW] = taper();
static TAPERED_WAVES: [[f32; LANES]; WINDOW] = tapered_waves();
/// How far each nominal frequency turns in one hop.
static HOP_TURN: [Phasor; 8] = hop_turns();

/// A complex amplitude.
#[derive(Clone, Copy, Default)]
pub(crate) struct Phasor {
    pub(crate) re: f32,
    pub(crate) im: f32,
}

impl Phasor {
    fn norm(self) -> f32 {
        self.re * self.re + self.im * self.im
    }

    /// `self` times the conjugate of `other`: the turn from `other` to `self`.
    fn turn_from(self, other: Self) -> Self {
        Self {
            re: self.re * other.re + self.im * other.im,
            im: self.im * other.re - self.re * other.im,
        }
    }
}

/// What one window holds. Powers are mean squares of samples, all on one scale.
#[derive(Clone, Copy)]
pub(crate) struct Spectrum {
    phasors: [Phasor; 8],
    /// Power at each of [`FREQUENCIES`].
    pub(crate) power: [f32; 8],
    /// Power of everything, tones included.
    pub(crate) total: f32,
}

impl Spectrum {
    /// Hertz by which tone `tone` is off its nominal frequency, from the turn since the window one
    /// hop earlier; right within ±100 Hz.
    pub(crate) fn deviation(&self, earlier: &Self, tone: usize) -> f32 {
        let turn = self.phasors[tone].turn_from(earlier.phasors[tone]).turn_from(HOP_TURN[tone]);
        turn.im.atan2(turn.re) * HERTZ_PER_RADIAN
    }
}

/// RATE / (2π · HOP), rounded.
const HERTZ_PER_RADIAN: f32 = 31.830_988;

/// Measures a window.
pub(crate) fn measure(window: &[f32; WINDOW]) -> Spectrum {
    let mut sums = [0.0_f32; LANES];
    let mut total = 0.0_f32;
    for ((&sample, waves), &taper) in window.iter().zip(&TAPERED_WAVES).zip(&TAPER) {
        for (sum, &wave) in sums.iter_mut().zip(waves) {
            *sum += sample * wave;
        }
        total += sample * sample * taper * taper;
    }
    let mut phasors = [Phasor::default(); 8];
    let mut power = [0.0; 8];
    for (tone, (phasor, power)) in phasors.iter_mut().zip(&mut power).enumerate() {
        *phasor = Phasor { re: sums[tone], im: sums[tone + 8] };
        *power = phasor.norm() * AMPLITUDE_TO_POWER;
    }
    Spectrum { phasors, power, total: total * TAPER_POWER }
}

/// The power at twice the frequency of tone `tone`, on the scale of [`Spectrum::power`].
pub(crate) fn second_harmonic(window: &[f32; WINDOW], tone: usize) -> f32 {
    let mut sum = Phasor::default();
    for ((&sample, waves), &taper) in window.iter().zip(&TAPERED_WAVES).zip(&TAPER) {
        // The taper must count once: (taper·e^jx)² / taper = taper·e^2jx.
        let (re, im) = (waves[tone], waves[tone + 8]);
        sum.re += sample * (re * re - im * im) / taper;
        sum.im += sample * 2.0 * re * im / taper;
    }
    sum.norm() * AMPLITUDE_TO_POWER
}

/// How much more power a tone has than is measured when it is `deviation` Hz off, within ±35 Hz.
///
/// A Hann window's main lobe falls by 1.42 dB half a bin from its middle, about as the square.
pub(crate) fn off_frequency_loss(deviation: f32) -> f32 {
    const BIN: f32 = 49.69;
    let bins = (deviation / BIN).clamp(-0.7, 0.7);
    let nepers = 1.31 * bins * bins;
    1.0 + nepers + 0.5 * nepers * nepers
}

/// A Hann window's points sum to (WINDOW + 1) / 2; a tone of amplitude A has power A²/2.
const AMPLITUDE_TO_POWER: f32 = 2.0 / (80.5 * 80.5);
/// The squares of a Hann window's points sum to 3/8 · (WINDOW + 1).
const TAPER_POWER: f32 = 1.0 / 60.375;

const fn taper() -> [f32; WINDOW] {
    let mut table = [0.0; WINDOW];
    let mut n = 0;
    while n < WINDOW {
        table[n] = narrow(taper_at(n));
        n += 1;
    }
    table
}

const fn tapered_waves() -> [[f32; LANES]; WINDOW] {
    let mut table = [[0.0; LANES]; WINDOW];
    let mut n = 0;
    while n < WINDOW {
        let mut tone = 0;
        while tone < 8 {
            let angle = 2.0 * PI * FREQUENCIES[tone] * n as f64 / RATE;
            table[n][tone] = narrow(taper_at(n) * cosine(angle));
            table[n][tone + 8] = narrow(taper_at(n) * cosine(angle + PI / 2.0));
            tone += 1;
        }
        n += 1;
    }
    table
}

const fn hop_turns() -> [Phasor; 8] {
    let mut table = [Phasor { re: 0.0, im: 0.0 }; 8];
    let mut tone = 0;
    while tone < 8 {
        let angle = 2.0 * PI * FREQUENCIES[tone] * HOP as f64 / RATE;
        table[tone] = Phasor { re: narrow(cosine(angle)), im: narrow(cosine(angle - PI / 2.0)) };
        tone += 1;
    }
    table
}

/// Point `n` of a Hann window whose zeros lie just outside.
const fn taper_at(n: usize) -> f64 {
    0.5 - 0.5 * cosine(2.0 * PI * (n + 1) as f64 / (WINDOW + 1) as f64)
}

/// cos(`angle`), `angle` in radians and above -2π: `f64::cos` is not usable in constants.
const fn cosine(angle: f64) -> f64 {
    let mut x = angle;
    while x > PI {
        x -= 2.0 * PI;
    }
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while k < 30.0 {
        term *= -x * x / (k * (k + 1.0));
        sum += term;
        k += 2.0;
    }
    sum
}

/// Rounds a table entry.
#[expect(clippy::cast_possible_truncation, reason = "rounding a value in [-1, 1] is the purpose")]
const fn narrow(value: f64) -> f32 {
    value as f32
}
