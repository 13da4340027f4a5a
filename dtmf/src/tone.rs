//! Makes DTMF tones: for the far end that asks for digits in-band, and for tests.
//!
//! [`Burst`] says what to send, [`Generator`] makes its samples as they are due. Pure tones:
//! noise, codecs and lines are added by whoever tests against them; pauses between several
//! digits and what else is on the leg are the caller's.
//!
//! The samples are the same to the last bit on every machine. Frequencies are exact to 1 in 10⁹
//! and levels to 0.01 dB; at the levels of a sender nothing else in the tone is within 70 dB of
//! it, which 16 bits allow.

use std::f64::consts::{FRAC_PI_2, TAU};

use crate::rate::Rate;
use crate::series::{amplitude, sin_cos};

/// Low and high frequency of each RFC 4733 §3.2 event code, in hertz. ITU-T Q.23 §5.
const PAIRS: [(f64, f64); 16] = [
    (941.0, 1336.0),
    (697.0, 1209.0),
    (697.0, 1336.0),
    (697.0, 1477.0),
    (770.0, 1209.0),
    (770.0, 1336.0),
    (770.0, 1477.0),
    (852.0, 1209.0),
    (852.0, 1336.0),
    (852.0, 1477.0),
    (941.0, 1209.0),
    (941.0, 1477.0),
    (697.0, 1633.0),
    (770.0, 1633.0),
    (852.0, 1633.0),
    (941.0, 1633.0),
];

/// The peak of a sine of 0 dBm0: full scale is +3.14 dBm0 (ITU-T G.711 §4, A-law).
const ZERO_DBM0_PEAK: f64 = 22_826.5;

/// One key press followed by silence.
///
/// ```
/// use partyline_dtmf::tone::Burst;
///
/// let star = Burst { code: 10, twist_db: -3.0, ..Burst::default() };
/// assert_eq!(star.samples().len(), 8 * (100 + 100));
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Burst {
    /// RFC 4733 §3.2 event code; only the low four bits count.
    pub code: u8,
    /// Level of the low-group tone, in dBm0.
    pub level_dbm0: f64,
    /// Level of the high-group tone over the low-group tone's, in dB.
    pub twist_db: f64,
    /// By how much each frequency is off, low group then high group, in percent.
    pub off_percent: [f64; 2],
    /// How long the tone lasts, rise and fall included, in milliseconds.
    pub on_ms: u32,
    /// How long the silence after it lasts, in milliseconds.
    pub off_ms: u32,
    /// How long the tone takes to rise, and to fall, in milliseconds; 0 makes hard edges.
    pub ramp_ms: u32,
}

impl Default for Burst {
    /// Key `0` at -9 dBm0 a tone without twist, 100 ms on, 100 ms off, with hard edges: a test's
    /// press. What is sent to a far end is [`Burst::to_send`].
    fn default() -> Self {
        Self {
            code: 0,
            level_dbm0: -9.0,
            twist_db: 0.0,
            off_percent: [0.0; 2],
            on_ms: 100,
            off_ms: 100,
            ramp_ms: 0,
        }
    }
}

impl Burst {
    /// The press of a key as it is sent to a far end.
    ///
    /// The high group is 2 dB above the low group, for lines lose more of it: -9 and -11 dBm0,
    /// the figures of ETSI ES 201 235-2 for a telephone. 100 ms on and off are more than the 65 ms
    /// it asks for. A rise of 2 ms does not click and leaves a receiver of 40 ms nothing to want.
    #[must_use]
    pub fn to_send(code: u8) -> Self {
        Self { code, level_dbm0: -11.0, twist_db: 2.0, ramp_ms: 2, ..Self::default() }
    }

    /// Linear PCM at 8 kHz: the tone, then the silence. Too loud a tone is clipped.
    pub fn samples(&self) -> Vec<i16> {
        Generator::new(self, Rate::Hz8000).collect()
    }
}

/// Makes the samples of a [`Burst`], as many at a time as are asked for, without allocating.
///
/// ```
/// use partyline_dtmf::{Rate, tone::{Burst, Generator}};
///
/// let mut tone = Generator::new(&Burst::to_send(5), Rate::Hz16000);
/// let mut frame = [0; 320];
/// assert_eq!(tone.fill(&mut frame), 320);
/// assert_eq!(tone.count(), 16 * 200 - 320);
/// ```
#[derive(Clone)]
pub struct Generator {
    low: Oscillator,
    high: Oscillator,
    /// Samples made so far.
    position: u64,
    /// How many of them are tone, and how many of those are rise and again fall.
    on: u64,
    ramp: u64,
    /// How many there are in all.
    end: u64,
}

impl Generator {
    /// A generator that is about to make the first sample.
    ///
    /// Rise and fall share a tone that is too short for both.
    #[must_use]
    pub fn new(burst: &Burst, rate: Rate) -> Self {
        let samples = |ms: u32| u64::from(ms) * u64::from(rate.per_ms());
        let (low, high) = PAIRS[usize::from(burst.code & 15)];
        let [low_off, high_off] = burst.off_percent;
        let turn =
            |hertz: f64, off: f64| hertz * (1.0 + off / 100.0) * TAU / f64::from(rate.hertz());
        let on = samples(burst.on_ms);
        Self {
            low: Oscillator::new(burst.level_dbm0, turn(low, low_off)),
            high: Oscillator::new(burst.level_dbm0 + burst.twist_db, turn(high, high_off)),
            position: 0,
            on,
            ramp: samples(burst.ramp_ms).min(on / 2),
            end: on + samples(burst.off_ms),
        }
    }

    /// Writes the next samples and returns how many; fewer than there is room for only at the
    /// end, and the room behind them stays as it was.
    pub fn fill(&mut self, frame: &mut [i16]) -> usize {
        frame.iter_mut().zip(self).map(|(slot, sample)| *slot = sample).count()
    }

    /// The share of the full amplitude at the next sample.
    fn envelope(&self) -> f64 {
        let from_edge = self.position.min(self.on - 1 - self.position);
        if from_edge >= self.ramp {
            return 1.0;
        }
        let share = (from_edge as f64 + 0.5) / self.ramp as f64;
        let (sin, _) = sin_cos(share * FRAC_PI_2);
        sin * sin
    }
}

impl Iterator for Generator {
    type Item = i16;

    fn next(&mut self) -> Option<i16> {
        if self.position == self.end {
            return None;
        }
        let sample = if self.position < self.on {
            let envelope = self.envelope();
            to_sample(envelope * (self.low.step() + self.high.step()))
        } else {
            0
        };
        self.position += 1;
        Some(sample)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.end - self.position).ok();
        (left.unwrap_or(usize::MAX), left)
    }
}

/// A sine, made by turning a phasor; the turn's rounding is 3 parts in 10¹⁶, so that an hour at
/// 48 kHz changes neither its level nor its phase by 1 in 10⁷.
#[derive(Clone)]
struct Oscillator {
    re: f64,
    im: f64,
    turn_re: f64,
    turn_im: f64,
}

impl Oscillator {
    /// `turn` is radians a sample.
    fn new(level_dbm0: f64, turn: f64) -> Self {
        let (turn_im, turn_re) = sin_cos(turn);
        Self { re: ZERO_DBM0_PEAK * amplitude(level_dbm0), im: 0.0, turn_re, turn_im }
    }

    fn step(&mut self) -> f64 {
        let value = self.im;
        let re = self.re * self.turn_re - self.im * self.turn_im;
        self.im = self.re * self.turn_im + self.im * self.turn_re;
        self.re = re;
        value
    }
}

/// Rounds and clips.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16")]
fn to_sample(value: f64) -> i16 {
    value.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}
