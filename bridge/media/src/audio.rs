//! Sound itself: codecs, levels, prompts, music, concealment, limiting, tones cut out. Knows no packets or legs.
//!
//! Everything is 8 kHz mono 16-bit, in frames of 20 ms.

pub(crate) mod clamp;
pub(crate) mod fader;
pub(crate) mod g711;
pub(crate) mod level;
pub(crate) mod limiter;
pub(crate) mod music;
pub(crate) mod plc;
pub(crate) mod prompt;
mod resample;

/// Samples in a second.
pub const SAMPLE_RATE: u32 = 8_000;
/// Samples in the 20 ms that one tick plays.
pub const SAMPLES_PER_FRAME: usize = 160;

/// 20 ms of 8 kHz mono.
pub type Frame = [i16; SAMPLES_PER_FRAME];
/// The exact sum of any number of frames: 65,536 full-scale talkers fit.
pub(crate) type Sum = [i32; SAMPLES_PER_FRAME];

/// Silence.
pub(crate) const SILENCE: Frame = [0; SAMPLES_PER_FRAME];

/// The nearest 16-bit value.
pub(crate) fn saturate(value: i32) -> i16 {
    const LEAST: i32 = i16::MIN as i32;
    const MOST: i32 = i16::MAX as i32;
    i16::try_from(value.clamp(LEAST, MOST)).unwrap_or(0)
}

/// Adds `frame` to `sum`.
pub(crate) fn add(sum: &mut Sum, frame: &Frame) {
    for (acc, &sample) in sum.iter_mut().zip(frame) {
        *acc += i32::from(sample);
    }
}
