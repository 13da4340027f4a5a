//! Any usual sample rate to the 8 kHz that the detector hears.
//!
//! The telephone's rates go through the detector's own decimator. The others, which recorders use,
//! go through a windowed-sinc filter with one set of taps for each place that an output may have
//! between two inputs. Tones lie below 1.7 kHz: what is above 3.6 kHz may go.

use std::f64::consts::PI;

use partyline_dtmf::{Decimated, Decimator, Rate};

/// The detector's rate, in hertz.
pub(crate) const RATE: u32 = 8_000;
/// Input rates that are taken, in hertz.
pub(crate) const RATES: std::ops::RangeInclusive<u32> = 6_000..=192_000;
/// Taps on each side of the middle, at the lower of both rates.
const REACH: f64 = 16.0;

/// Turns sound of one rate into 8 kHz, in pieces of any length.
pub(crate) enum Resampler {
    /// 8, 16 and 48 kHz; so many samples are still to be left out, to take back the delay.
    Decimator {
        decimator: Box<Decimator>,
        early: usize,
    },
    Filter(Box<Filter>),
}

pub(crate) struct Filter {
    /// Input samples for each output, as a reduced fraction.
    step: u64,
    phases: u64,
    /// Taps of each phase, one after the other.
    taps: Vec<f32>,
    width: usize,
    /// Input that is still needed; its first sample is number `start`, half a filter before the
    /// sound begins.
    input: Vec<f32>,
    start: u64,
    /// The next output's number.
    next: u64,
}

impl Resampler {
    /// For sound of `rate` hertz, one of [`RATES`].
    pub(crate) fn new(rate: u32) -> Self {
        let Some(rate) = Rate::from_hertz(rate) else {
            return Self::Filter(Box::new(Filter::new(rate)));
        };
        let decimator = Box::new(Decimator::new(rate));
        let early = usize::try_from(decimator.delay()).unwrap_or(0);
        Self::Decimator { decimator, early }
    }

    /// Puts what `samples` make possible at the end of `out`.
    pub(crate) fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        match self {
            Self::Decimator { decimator, early } => decimator.push(samples, &mut |piece| {
                let Decimated::Heard(samples) = piece else { return };
                let skipped = samples.len().min(*early);
                *early -= skipped;
                out.extend_from_slice(&samples[skipped..]);
            }),
            Self::Filter(filter) => filter.push(samples, out),
        }
    }

    /// Puts what the last samples make at the end of `out`.
    pub(crate) fn finish(&mut self, out: &mut Vec<i16>) {
        match self {
            Self::Decimator { decimator, .. } => {
                let delay = usize::try_from(decimator.delay()).unwrap_or(0);
                let per_output = usize::try_from(decimator.rate().hertz() / RATE).unwrap_or(1);
                self.push(&vec![0; delay * per_output], out);
            }
            Self::Filter(filter) => filter.push(&vec![0; filter.width / 2], out),
        }
    }
}

impl Filter {
    fn new(rate: u32) -> Self {
        let common = gcd(rate, RATE);
        let (step, phases) = (u64::from(rate / common), RATE / common);
        let ratio = f64::from(rate) / f64::from(RATE);
        // Against the input's rate: above 8 kHz all that would fold must go.
        let cutoff = (1.0 / ratio).min(1.0) * 0.95;
        let half = (REACH * ratio.max(1.0)).ceil();
        let width = 2 * half_width(half);
        let mut taps = Vec::with_capacity(width * usize::try_from(phases).unwrap_or(1));
        for phase in 0..phases {
            let middle = (width / 2) as f64 + f64::from(phase) / f64::from(phases);
            taps.extend((0..width).map(|n| tap(n as f64 - middle, cutoff, half)));
        }
        let input = vec![0.0; width / 2];
        Self { step, phases: u64::from(phases), taps, width, input, start: 0, next: 0 }
    }

    fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        self.input.extend(samples.iter().map(|&sample| f32::from(sample)));
        loop {
            let place = self.next * self.step;
            let (whole, phase) = (place / self.phases, place % self.phases);
            let Ok(first) = usize::try_from(whole.saturating_sub(self.start)) else { return };
            let phase = usize::try_from(phase).unwrap_or(0) * self.width;
            let taps = &self.taps[phase..phase + self.width];
            let Some(input) = self.input.get(first..first + self.width) else {
                // What lies before the next output's first input is over.
                let over = first.min(self.input.len());
                self.input.drain(..over);
                self.start += over as u64;
                return;
            };
            let sum: f32 = input.iter().zip(taps).map(|(sample, tap)| sample * tap).sum();
            out.push(to_sample(sum));
            self.next += 1;
        }
    }
}

/// A sinc under a Hann window, both around zero.
#[expect(clippy::cast_possible_truncation, reason = "a filter tap; single precision is enough")]
fn tap(x: f64, cutoff: f64, half: f64) -> f32 {
    if x.abs() >= half {
        return 0.0;
    }
    let angle = PI * x * cutoff;
    let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
    let window = 0.5 + 0.5 * (PI * x / half).cos();
    (cutoff * sinc * window) as f32
}

#[expect(clippy::cast_possible_truncation, reason = "at most 16 times 24, rounded up")]
#[expect(clippy::cast_sign_loss, reason = "positive")]
fn half_width(half: f64) -> usize {
    half as usize + 1
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16")]
fn to_sample(value: f32) -> i16 {
    value.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sine of peak 10,000 and so many hertz, a second long.
    #[expect(clippy::cast_possible_truncation, reason = "single precision is enough")]
    fn sine(frequency: f64, rate: u32) -> Vec<i16> {
        let step = 2.0 * PI * frequency / f64::from(rate);
        (0..rate).map(|n| to_sample((10_000.0 * (step * f64::from(n)).sin()) as f32)).collect()
    }

    fn through(samples: &[i16], rate: u32, chunk: usize) -> Vec<i16> {
        let (mut resampler, mut out) = (Resampler::new(rate), Vec::new());
        for chunk in samples.chunks(chunk) {
            resampler.push(chunk, &mut out);
        }
        resampler.finish(&mut out);
        out
    }

    #[test]
    fn tones_stay_in_place_and_keep_their_level_at_every_usual_rate() {
        for rate in [6_000, 8_000, 11_025, 12_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000] {
            for frequency in [697.0, 1_633.0] {
                let out = through(&sine(frequency, rate), rate, 441);
                let expected = sine(frequency, RATE);
                assert!(out.len().abs_diff(8_000) <= 2, "{rate}: {}", out.len());
                for (n, (&heard, &sent)) in
                    out.iter().zip(&expected).enumerate().skip(100).take(7_800)
                {
                    assert!(heard.abs_diff(sent) < 200, "{rate} Hz, {n}: {heard} for {sent}");
                }
            }
        }
    }

    #[test]
    fn what_would_fold_onto_a_tone_is_gone() {
        // 8,000 - 7,303 = 697 Hz.
        for rate in [16_000, 44_100, 48_000] {
            let out = through(&sine(7_303.0, rate), rate, 1_000);
            let peak = out[100..7_900].iter().map(|sample| sample.unsigned_abs()).max();
            assert!(peak < Some(100), "{rate} Hz: {peak:?}");
        }
    }

    #[test]
    fn how_sound_is_cut_changes_nothing() {
        let sound = sine(1_000.0, 44_100);
        assert!(through(&sound, 44_100, 1) == through(&sound, 44_100, 44_100));
    }
}
