//! Conceals lost audio: the last pitch period is repeated and fades out.
//!
//! It works on decoded samples, adds no delay and costs a copy while nothing is lost. It does not
//! decide what is lost: the jitter buffer does.

use super::saturate;

/// Samples of the past that are kept: two of the longest pitch periods and a bit.
const HISTORY: usize = 320;
/// The pitch periods looked for: 400 Hz down to 57 Hz.
const SHORTEST_PITCH: usize = 20;
const LONGEST_PITCH: usize = 140;
/// Samples over which two periods are compared.
const COMPARED: usize = 160;
/// Concealed samples before the fade begins: 10 ms.
const HOLD: i32 = 80;
/// Concealed samples after which there is silence: 60 ms.
const FADED: i32 = 480;
/// Samples over which real audio takes over again.
const BLEND: usize = 40;
/// Samples over which the jump into the repeated period is evened out.
const SPLICE: i32 = 16;

enum State {
    /// Real audio so far.
    Heard,
    /// Lost audio since `concealed` samples, filled with the period before it.
    Concealing { pitch: usize, phase: usize, concealed: i32, jump: i32 },
}

/// The concealment of one leg.
pub(crate) struct Concealment {
    history: [i16; HISTORY],
    state: State,
}

impl Concealment {
    pub(crate) const fn new() -> Self {
        Self { history: [0; HISTORY], state: State::Heard }
    }

    /// Takes note of real audio and, after a gap, blends its beginning with the concealment.
    pub(crate) fn heard(&mut self, samples: &mut [i16]) {
        if matches!(self.state, State::Concealing { .. }) {
            let mut filler = [0; BLEND];
            let span = samples.len().min(BLEND);
            self.conceal(&mut filler[..span]);
            let whole = i32::try_from(span).unwrap_or(1);
            for ((sample, &fill), k) in samples.iter_mut().zip(&filler[..span]).zip(1..) {
                let (new, old) = (i32::from(*sample), i32::from(fill));
                *sample = saturate((new * k + old * (whole - k)) / whole);
            }
            self.state = State::Heard;
        }
        if samples.len() >= HISTORY {
            self.history.copy_from_slice(&samples[samples.len() - HISTORY..]);
        } else {
            self.history.copy_within(samples.len().., 0);
            self.history[HISTORY - samples.len()..].copy_from_slice(samples);
        }
    }

    /// Takes note that some audio was left out on purpose: what comes is blended in.
    pub(crate) fn cut(&mut self) {
        if matches!(self.state, State::Heard) {
            self.begin();
        }
    }

    /// Fills `samples` with what might have been there.
    pub(crate) fn conceal(&mut self, samples: &mut [i16]) {
        if matches!(self.state, State::Heard) {
            self.begin();
        }
        let State::Concealing { pitch, phase, concealed, jump } = &mut self.state else { return };
        let period = &self.history[HISTORY - *pitch..];
        for sample in samples {
            if *concealed >= FADED {
                *sample = 0;
                continue;
            }
            let mut value = i32::from(period[*phase]);
            if *concealed < SPLICE {
                value += *jump * (SPLICE - *concealed) / SPLICE;
            }
            if *concealed > HOLD {
                value = value * (FADED - *concealed) / (FADED - HOLD);
            }
            *sample = saturate(value);
            *concealed += 1;
            *phase += 1;
            if *phase == *pitch {
                *phase = 0;
            }
        }
    }

    /// Forgets everything: the next audio has nothing to do with the last.
    pub(crate) fn reset(&mut self) {
        *self = Self::new();
    }

    fn begin(&mut self) {
        let pitch = pitch_of(&self.history);
        // The sample that would come before the repeated period, against the last one there is.
        let last = i32::from(self.history[HISTORY - 1]);
        let before = i32::from(self.history[HISTORY - 1 - pitch]);
        self.state = State::Concealing { pitch, phase: 0, concealed: 0, jump: last - before };
    }
}

/// The distance at which the end of `history` resembles itself most, in samples.
fn pitch_of(history: &[i16; HISTORY]) -> usize {
    let recent = &history[HISTORY - COMPARED..];
    let mut best = (LONGEST_PITCH, -1.0_f32);
    for lag in SHORTEST_PITCH..=LONGEST_PITCH {
        let earlier = &history[HISTORY - COMPARED - lag..HISTORY - lag];
        let (mut product, mut power) = (0_i64, 1_i64);
        for (&a, &b) in recent.iter().zip(earlier) {
            product += i64::from(i32::from(a) * i32::from(b));
            power += i64::from(i32::from(b) * i32::from(b));
        }
        #[expect(clippy::cast_precision_loss, reason = "only compared")]
        let likeness = product as f32 / (power as f32).sqrt();
        if likeness > best.1 {
            best = (lag, likeness);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level;

    #[expect(clippy::cast_possible_truncation, reason = "test signal")]
    fn tone(from: u32, count: u32) -> Vec<i16> {
        (from..from + count).map(|n| (8_000.0 * (f64::from(n) * 0.11).sin()) as i16).collect()
    }

    #[test]
    fn a_lost_frame_of_a_steady_tone_is_hardly_missed() {
        let mut concealment = Concealment::new();
        let mut all = Vec::new();
        for frame in 0..10 {
            let mut samples = tone(frame * 160, 160);
            if frame == 6 {
                concealment.conceal(&mut samples);
            } else {
                concealment.heard(&mut samples);
            }
            all.extend(samples);
        }
        // The tone's own steepest step is 880.
        let largest = all.windows(2).map(|w| (w[0] - w[1]).abs()).max().unwrap();
        assert!(largest < 1_300, "{largest}");
        let concealed = level::rms_dbfs(&all[960..1_120]);
        assert!((concealed - level::rms_dbfs(&all[..160])).abs() < 2.0, "{concealed}");
    }

    #[test]
    fn a_long_gap_fades_to_silence_in_sixty_milliseconds() {
        let mut concealment = Concealment::new();
        concealment.heard(&mut tone(0, 320));
        let mut gap = vec![1; 640];
        concealment.conceal(&mut gap);
        let levels: Vec<f64> = gap.chunks(160).map(level::rms_dbfs).collect();
        assert!(levels[0] > levels[1] && levels[1] > levels[2]);
        assert_eq!(level::peak(&gap[480..]), 0);
    }

    #[test]
    fn a_cut_does_not_click() {
        let mut concealment = Concealment::new();
        let mut before = tone(0, 320);
        concealment.heard(&mut before);
        concealment.cut();
        let mut after = tone(320 + 29, 160);
        concealment.heard(&mut after);
        assert!((before[319] - after[0]).abs() < 1_300);
        assert!(after.windows(2).all(|w| (w[0] - w[1]).abs() < 1_300));
    }

    #[test]
    fn loss_before_anything_was_heard_is_silence() {
        let mut samples = [9; 160];
        Concealment::new().conceal(&mut samples);
        assert_eq!(level::peak(&samples), 0);
    }
}
