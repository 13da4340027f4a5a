//! Makes DTMF tones: for the far end that asks for digits in-band, and for tests.
//!
//! Pure tones with hard edges. Noise, codecs and lines are added by whoever tests against them.

use std::f64::consts::TAU;

use crate::goertzel::RATE;

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
    /// How long the tone lasts, in milliseconds.
    pub on_ms: u32,
    /// How long the silence after it lasts, in milliseconds.
    pub off_ms: u32,
}

impl Default for Burst {
    /// Key `0` at -9 dBm0 a tone without twist, 100 ms on, 100 ms off.
    fn default() -> Self {
        Self {
            code: 0,
            level_dbm0: -9.0,
            twist_db: 0.0,
            off_percent: [0.0; 2],
            on_ms: 100,
            off_ms: 100,
        }
    }
}

impl Burst {
    /// Linear PCM at 8 kHz: the tone, then the silence. Too loud a tone is clipped.
    pub fn samples(&self) -> Vec<i16> {
        let (on, off) = (self.on_ms as usize * 8, self.off_ms as usize * 8);
        let (low, high) = PAIRS[usize::from(self.code & 15)];
        let low = low * (1.0 + self.off_percent[0] / 100.0) * TAU / RATE;
        let high = high * (1.0 + self.off_percent[1] / 100.0) * TAU / RATE;
        let low_peak = peak(self.level_dbm0);
        let high_peak = peak(self.level_dbm0 + self.twist_db);
        let tone = (0..on).map(|n| {
            let n = n as f64;
            to_sample(low_peak * (low * n).sin() + high_peak * (high * n).sin())
        });
        tone.chain(std::iter::repeat_n(0, off)).collect()
    }
}

/// The peak of a sine of `level` dBm0.
fn peak(level: f64) -> f64 {
    ZERO_DBM0_PEAK * 10_f64.powf(level / 20.0)
}

/// Rounds and clips.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16")]
fn to_sample(value: f64) -> i16 {
    value.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}
