//! Measures the eight tones in one window of the bands: amplitude and phase.

use std::f64::consts::TAU;

use crate::bands::{
    Band, FREQUENCIES, HOP, POINTS, RATE, gain_squared, narrow, point_taper, point_turn,
};
use crate::series::sin_cos;

/// The complex amplitudes of the eight tones in one window, each against its own window's start.
#[derive(Clone, Copy)]
pub(crate) struct Tones {
    pub(crate) re: [f32; 8],
    pub(crate) im: [f32; 8],
}

/// Real and imaginary part of the tapered wave of each tone of a band, point by point.
#[derive(Clone, Copy)]
struct Wave {
    re: [f32; 4],
    im: [f32; 4],
}

static WAVES: [[Wave; POINTS]; 2] = waves();
/// What the square of an amplitude is multiplied by to give the tone's power, in squares of samples.
pub(crate) static TO_POWER: [f32; 8] = to_power();
/// The power that a tone of power 1 gives its band.
pub(crate) static IN_BAND: [f32; 8] = in_band();
/// How far each nominal frequency turns in one hop: cosine and sine.
pub(crate) static HOP_TURN: [[f32; 2]; 8] = hop_turns();

impl Tones {
    /// A window in which no tone was looked for.
    pub(crate) const NONE: Self = Self { re: [0.0; 8], im: [0.0; 8] };

    /// Whether this is [`Tones::NONE`].
    pub(crate) fn is_none(&self) -> bool {
        self.re == [0.0; 8]
    }

    pub(crate) fn measure(bands: [&Band; 2]) -> Self {
        let mut tones = Self::NONE;
        for (group, (band, waves)) in bands.into_iter().zip(&WAVES).enumerate() {
            let (mut re, mut im) = ([0.0_f32; 4], [0.0_f32; 4]);
            for ((x, y), wave) in band.points().zip(waves) {
                for tone in 0..4 {
                    re[tone] += x * wave.re[tone] - y * wave.im[tone];
                    im[tone] += x * wave.im[tone] + y * wave.re[tone];
                }
            }
            tones.re[group * 4..][..4].copy_from_slice(&re);
            tones.im[group * 4..][..4].copy_from_slice(&im);
        }
        tones
    }

    /// The square of a tone's amplitude.
    pub(crate) fn square(&self, tone: usize) -> f32 {
        self.re[tone] * self.re[tone] + self.im[tone] * self.im[tone]
    }

    /// The power of every tone.
    pub(crate) fn powers(&self) -> [f32; 8] {
        let mut powers = [0.0; 8];
        for tone in 0..8 {
            powers[tone] = self.square(tone) * TO_POWER[tone];
        }
        powers
    }
}

const fn waves() -> [[Wave; POINTS]; 2] {
    let mut waves = [[Wave { re: [0.0; 4], im: [0.0; 4] }; POINTS]; 2];
    let mut tone = 0;
    while tone < 8 {
        let mut n = 0;
        while n < POINTS {
            let (sin, cos) = sin_cos(point_turn(FREQUENCIES[tone]) * n as f64);
            waves[tone / 4][n].re[tone % 4] = narrow(point_taper(n) * cos);
            waves[tone / 4][n].im[tone % 4] = narrow(-point_taper(n) * sin);
            n += 1;
        }
        tone += 1;
    }
    waves
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
