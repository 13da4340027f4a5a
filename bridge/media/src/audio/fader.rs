//! Moves a gain without a click: a prompt over a room, music that begins.

use super::{Frame, Sum};

/// A gain in 1/256 steps that moves smoothly over one frame when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fader {
    at: i32,
}

impl Fader {
    /// Unchanged.
    pub(crate) const UNITY: i32 = 256;
    /// 12 dB down.
    pub(crate) const DUCKED: i32 = 64;

    pub(crate) const fn new(at: i32) -> Self {
        Self { at }
    }

    /// Whether it stands at unity and is to stay there: the frame need not be touched.
    pub(crate) const fn is_idle(self, target: i32) -> bool {
        self.at == Self::UNITY && target == Self::UNITY
    }

    /// Writes `frame`, faded towards `target`, to `out`.
    pub(crate) fn apply(&mut self, target: i32, frame: &Frame, out: &mut Sum) {
        const LEN: i32 = 160;
        let (from, span) = (self.at, target - self.at);
        for ((o, &s), k) in out.iter_mut().zip(frame).zip(1..) {
            let gain = from * LEN + span * k;
            *o = i32::from(s) * gain / (Self::UNITY * LEN);
        }
        self.at = target;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SAMPLES_PER_FRAME;

    #[test]
    fn a_fader_reaches_its_target_within_a_frame_without_a_step() {
        let mut fader = Fader::new(Fader::UNITY);
        let mut out = [0; SAMPLES_PER_FRAME];
        fader.apply(Fader::DUCKED, &[25_600; SAMPLES_PER_FRAME], &mut out);
        assert_eq!(out[SAMPLES_PER_FRAME - 1], 6_400);
        assert!(out.windows(2).all(|w| (w[1] - w[0]).abs() <= 121));
        assert!(out[0] > 25_400);
    }
}
