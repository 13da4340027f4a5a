//! Brings an exact sum of talkers back to 16 bits: smooth, never wrapped, never cut off flat.
//!
//! Below [`THRESHOLD`] nothing changes, to the bit. Above it the gain goes down within 4 ms and
//! comes back over some 200 ms; what still stands out while the gain goes down is bent by a soft
//! knee. It does not look ahead, so it adds no delay.

use super::{Frame, SAMPLES_PER_FRAME, Sum, saturate};

/// The greatest magnitude that passes unchanged: 3 dB below full scale.
pub(crate) const THRESHOLD: i32 = 23_170;
/// Full scale.
const CEILING: i32 = 32_767;
/// Samples over which the gain goes down: 4 ms.
const ATTACK: usize = 32;
/// The share of the missing gain that comes back in a frame.
const RELEASE: f32 = 0.1;
/// Nearer to one than this is one.
const UNITY_WITHIN: f32 = 0.002;

/// The gain of one output, carried from frame to frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limiter {
    gain: f32,
}

impl Limiter {
    pub(crate) const fn new() -> Self {
        Self { gain: 1.0 }
    }

    /// Writes the limited `sum` to `out`.
    pub(crate) fn apply(&mut self, sum: &Sum, out: &mut Frame) {
        let peak = sum.iter().fold(0, |most, &s| s.abs().max(most));
        if peak <= THRESHOLD && self.gain >= 1.0 {
            for (o, &s) in out.iter_mut().zip(sum) {
                *o = saturate(s);
            }
            return;
        }
        let before = self.gain;
        let after = next_gain(before, peak);
        self.gain = after;
        let ramp = if after < before { ATTACK } else { SAMPLES_PER_FRAME };
        let (head, tail) = sum.split_at(ramp);
        let (out_head, out_tail) = out.split_at_mut(ramp);
        let mut gain = before;
        let step = (after - before) / to_f32(i32::try_from(ramp).unwrap_or(1));
        for (o, &s) in out_head.iter_mut().zip(head) {
            gain += step;
            *o = knee(gain * to_f32(s));
        }
        for (o, &s) in out_tail.iter_mut().zip(tail) {
            *o = knee(after * to_f32(s));
        }
    }
}

fn next_gain(before: f32, peak: i32) -> f32 {
    let wanted = if peak > THRESHOLD { to_f32(THRESHOLD) / to_f32(peak) } else { 1.0 };
    if wanted < before {
        return wanted;
    }
    let risen = before + (1.0 - before) * RELEASE;
    let gain = if risen > 1.0 - UNITY_WITHIN { 1.0 } else { risen };
    gain.min(wanted)
}

/// Identity up to the threshold, then a hyperbola that nears full scale and never reaches it.
fn knee(value: f32) -> i16 {
    let threshold = to_f32(THRESHOLD);
    let room = to_f32(CEILING - THRESHOLD);
    let over = (value.abs() - threshold).max(0.0);
    let bent = value.abs().min(threshold) + over * room / (over + room);
    round(bent.copysign(value))
}

#[expect(clippy::cast_precision_loss, reason = "sums of sensible rooms are below 2^24")]
fn to_f32(value: i32) -> f32 {
    value as f32
}

#[expect(clippy::cast_possible_truncation, reason = "a float cast saturates; the knee is in range")]
fn round(value: f32) -> i16 {
    (value + 0.5_f32.copysign(value)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f64, from: usize) -> Sum {
        std::array::from_fn(|n| {
            let phase = f64::from(u32::try_from(from + n).unwrap()) * 0.31;
            #[expect(clippy::cast_possible_truncation, reason = "test signal")]
            let value = (amplitude * phase.sin()) as i32;
            value
        })
    }

    #[test]
    fn passes_everything_below_the_threshold_to_the_bit() {
        let mut limiter = Limiter::new();
        let sum: Sum = std::array::from_fn(|n| if n % 2 == 0 { THRESHOLD } else { -THRESHOLD });
        let mut out = [0; SAMPLES_PER_FRAME];
        limiter.apply(&sum, &mut out);
        assert!(out.iter().zip(&sum).all(|(&o, &s)| i32::from(o) == s));
    }

    #[test]
    fn fifty_full_scale_talkers_keep_sign_and_shape() {
        let mut limiter = Limiter::new();
        let mut out = [0; SAMPLES_PER_FRAME];
        for frame in 0..50 {
            let sum = sine(50.0 * 32_767.0, frame * SAMPLES_PER_FRAME);
            limiter.apply(&sum, &mut out);
            for (&o, &s) in out.iter().zip(&sum) {
                assert!(o.abs() < i16::MAX && i32::from(o).signum() * s.signum() >= 0);
            }
            if frame > 0 {
                // No flat top: a sine limited by gain keeps single peaks.
                assert!(
                    out.windows(3).all(|w| w[0].abs() < 20_000 || w[0] != w[1] || w[1] != w[2])
                );
            }
        }
    }

    #[test]
    fn never_jumps_more_than_the_signal_when_the_gain_moves() {
        let mut limiter = Limiter::new();
        let mut out = [0; SAMPLES_PER_FRAME];
        let mut last = 0_i32;
        for frame in 0..40 {
            let amplitude = if (10..20).contains(&frame) { 60_000.0 } else { 12_000.0 };
            limiter.apply(&sine(amplitude, frame * SAMPLES_PER_FRAME), &mut out);
            for &o in &out {
                // The signal itself steps by 0.31 of its amplitude at most.
                assert!((i32::from(o) - last).abs() < 18_600, "{frame}");
                last = i32::from(o);
            }
        }
    }

    #[test]
    fn is_transparent_again_half_a_second_after_the_shout() {
        let mut limiter = Limiter::new();
        let mut out = [0; SAMPLES_PER_FRAME];
        limiter.apply(&sine(60_000.0, 0), &mut out);
        assert_ne!(limiter, Limiter::new());
        for _ in 0..60 {
            limiter.apply(&sine(1_000.0, 0), &mut out);
        }
        assert_eq!(limiter, Limiter::new());
    }
}
