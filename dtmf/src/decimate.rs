//! Brings 16 and 48 kHz sound down to 8 kHz without letting what is above 4 kHz fold onto DTMF.
//!
//! One linear-phase filter for each rate, of the same 2 ms. Flat within 0.1 dB to 3.2 kHz and
//! 0.5 dB to 3.4 kHz; at least 40 dB down from 4.8 kHz on and 60 dB from 6.3 kHz on, which is
//! where the image of the highest tone begins. In whole numbers, so that every machine hears the
//! same. 0.26 million multiply-adds a second of 16 kHz sound and 0.77 million of 48 kHz sound, of
//! 16 bits each. It is made for the detector: sound that people hear wants a sharper one.

use std::f64::consts::PI;

use crate::rate::Rate;

/// The filters' length in samples at 8 kHz.
const SPAN: usize = 16;
const SPAN_16: usize = 2 * SPAN;
const SPAN_48: usize = 6 * SPAN;
/// The filters' delay in samples at 8 kHz, exact at either rate.
const DELAY: u8 = 7;
/// The shape of the Kaiser window: trades the filters' depth for their steepness.
const KAISER_BETA: f64 = 5.6;
/// A coefficient of one.
const ONE: i32 = 1 << 15;
/// A sample at 8 kHz counts as lost when one was lost within one sample of its middle: farther
/// out, what was lost weighs little. Bits of [`Decimator::lost`].
const NEAR_THE_MIDDLE: u16 = 0b111 << (DELAY - 1);
/// Room for the longest filter and some samples more, so that they are seldom moved.
const LINE: usize = 128;

static TAPS_16: [i16; SPAN_16] = taps();
static TAPS_48: [i16; SPAN_48] = taps();

/// A piece of what a [`Decimator`] gives.
pub enum Decimated<'a> {
    /// Sound at 8 kHz.
    Heard(&'a [i16]),
    /// So many samples at 8 kHz that did not arrive.
    Lost(usize),
}

/// Makes 8 kHz sound of sound at another rate.
///
/// The result depends on the samples only, never on how they are cut into calls. No call
/// allocates. 8 kHz sound passes through unchanged.
#[derive(Clone)]
pub struct Decimator {
    rate: Rate,
    /// The latest samples, oldest first; the first result is due when `due` of them are there.
    line: [i16; LINE],
    filled: usize,
    due: usize,
    /// A sample of the group under way was lost.
    group_lost: bool,
    /// A bit for each of the latest groups, the newest lowest: some of its samples were lost.
    lost: u16,
}

const _: () = assert!(size_of::<Decimator>() <= 288, "a leg's decimator stays small");

impl Decimator {
    /// A decimator that has heard silence for ever.
    #[must_use]
    pub const fn new(rate: Rate) -> Self {
        let span = taps_of(rate).len();
        let filled = span - rate.factor() as usize;
        Self { rate, line: [0; LINE], filled, due: span, group_lost: false, lost: 0 }
    }

    /// The rate of the sound that goes in.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// By how many samples at 8 kHz the sound that comes out is late.
    #[must_use]
    pub const fn delay(&self) -> u64 {
        match self.rate {
            Rate::Hz8000 => 0,
            Rate::Hz16000 | Rate::Hz48000 => DELAY as u64,
        }
    }

    /// Takes `samples` and gives what they complete, in order.
    pub fn push(&mut self, samples: &[i16], give: &mut impl FnMut(Decimated<'_>)) {
        if self.rate == Rate::Hz8000 {
            give(Decimated::Heard(samples));
            return;
        }
        let mut output = Output::new(give);
        self.feed(samples, false, &mut output);
        output.flush();
    }

    /// Passes over `samples` that never arrived, or were made up to conceal that.
    pub fn push_lost(&mut self, samples: usize, give: &mut impl FnMut(Decimated<'_>)) {
        if self.rate == Rate::Hz8000 {
            give(Decimated::Lost(samples));
            return;
        }
        let factor = usize::from(self.rate.factor());
        let mut output = Output::new(give);
        // After these the filter holds nothing else, and one more group is like another.
        let until_settled = samples.min((SPAN + 1) * factor);
        let later = samples - until_settled;
        self.feed_lost(until_settled, &mut output);
        output.lost(later / factor);
        self.feed_lost(later % factor, &mut output);
        output.flush();
    }

    fn feed_lost<F: FnMut(Decimated<'_>)>(&mut self, samples: usize, output: &mut Output<'_, F>) {
        let silence = [0; (SPAN + 1) * 6];
        self.feed(&silence[..samples], true, output);
    }

    fn feed<F: FnMut(Decimated<'_>)>(
        &mut self,
        mut samples: &[i16],
        lost: bool,
        output: &mut Output<'_, F>,
    ) {
        let (taps, factor) = (taps_of(self.rate), usize::from(self.rate.factor()));
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(LINE - self.filled));
            self.line[self.filled..self.filled + now.len()].copy_from_slice(now);
            self.filled += now.len();
            samples = later;
            while self.due <= self.filled {
                let group_lost = std::mem::take(&mut self.group_lost) || lost;
                self.lost = self.lost << 1 | u16::from(group_lost);
                if self.lost & NEAR_THE_MIDDLE == 0 {
                    output.heard(filtered(&self.line[self.due - taps.len()..self.due], taps));
                } else {
                    output.lost(1);
                }
                self.due += factor;
            }
            self.group_lost |= lost && self.filled + factor > self.due;
            if self.filled == LINE {
                let done = self.due - taps.len();
                self.line.copy_within(done.., 0);
                self.filled -= done;
                self.due -= done;
            }
        }
    }
}

/// Gathers what a decimator gives, to give it in larger pieces.
struct Output<'a, F: FnMut(Decimated<'_>)> {
    give: &'a mut F,
    heard: [i16; 32],
    filled: usize,
    lost: usize,
}

impl<'a, F: FnMut(Decimated<'_>)> Output<'a, F> {
    fn new(give: &'a mut F) -> Self {
        Self { give, heard: [0; 32], filled: 0, lost: 0 }
    }

    fn heard(&mut self, sample: i16) {
        if self.lost > 0 || self.filled == self.heard.len() {
            self.flush();
        }
        self.heard[self.filled] = sample;
        self.filled += 1;
    }

    fn lost(&mut self, samples: usize) {
        if self.filled > 0 {
            self.flush();
        }
        self.lost += samples;
    }

    fn flush(&mut self) {
        if self.filled > 0 {
            (self.give)(Decimated::Heard(&self.heard[..self.filled]));
        }
        if self.lost > 0 {
            (self.give)(Decimated::Lost(self.lost));
        }
        (self.filled, self.lost) = (0, 0);
    }
}

const fn taps_of(rate: Rate) -> &'static [i16] {
    match rate {
        Rate::Hz8000 => &[0],
        Rate::Hz16000 => &TAPS_16,
        Rate::Hz48000 => &TAPS_48,
    }
}

/// One sample of the filter's output, rounded and clipped. By [`SPAN`] at a time, for a compiler
/// that knows the count makes it a few instructions.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16")]
fn filtered(samples: &[i16], taps: &[i16]) -> i16 {
    let (samples, _) = samples.as_chunks::<SPAN>();
    let (taps, _) = taps.as_chunks::<SPAN>();
    let product = |(&s, &t): (&i16, &i16)| i32::from(s) * i32::from(t);
    let chunk = |(s, t): (&[i16; SPAN], &[i16; SPAN])| s.iter().zip(t).map(product).sum::<i32>();
    let sum: i32 = samples.iter().zip(taps).map(chunk).sum();
    ((sum + ONE / 2) >> 15).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

/// A low-pass of 4 kHz for `N` / [`SPAN`] times 8 kHz: a sine cardinal in a Kaiser window, with
/// the middle at `N` / 2 and a gain of exactly one at 0 Hz.
#[expect(clippy::cast_possible_truncation, reason = "no coefficient is above one half")]
const fn taps<const N: usize>() -> [i16; N] {
    let (factor, middle) = ((N / SPAN) as f64, (N / 2) as f64);
    let mut taps = [0; N];
    let (mut sum, mut absolute, mut i) = (0, 0, 0);
    while i < N {
        let x = i as f64 - middle;
        let (sin, _) = crate::series::sin_cos(PI * x / factor);
        let cardinal = if i == N / 2 { 1.0 / factor } else { sin / (PI * x) };
        let tap = cardinal * kaiser(x / middle) * ONE as f64;
        taps[i] = (if tap < 0.0 { tap - 0.5 } else { tap + 0.5 }) as i16;
        sum += taps[i] as i32;
        absolute += taps[i].abs() as i32;
        i += 1;
    }
    let missing = ONE - sum;
    assert!(missing.abs() < ONE / 100, "the window is as good as normalised");
    assert!(absolute + missing.abs() < 2 * ONE, "no sound overflows 32 bits");
    taps[N / 2] += missing as i16;
    taps
}

/// The Kaiser window at `x` from -1 to 1.
const fn kaiser(x: f64) -> f64 {
    bessel_i0(KAISER_BETA * KAISER_BETA * (1.0 - x * x)) / bessel_i0(KAISER_BETA * KAISER_BETA)
}

/// The modified Bessel function I₀ of the square root of `squared`.
const fn bessel_i0(squared: f64) -> f64 {
    let (mut sum, mut term, mut n) = (1.0, 1.0, 1.0);
    while n < 40.0 {
        term *= squared / (4.0 * n * n);
        sum += term;
        n += 1.0;
    }
    sum
}
