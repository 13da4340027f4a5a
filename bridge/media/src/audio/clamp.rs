//! Cuts key tones out of a leg's sound before anybody hears it.
//!
//! The sound passes through a short delay line. A tone is suspected a little after it began; what
//! is still in the line is then muted from its beginning on, so that neither the room nor the
//! recording gets any of it. A suspicion that is dropped early was speech: what has not left the
//! line is let go unharmed.
//!
//! Muted is silence, not comfort noise: noise shaped after the line would need a model of the
//! line, and could carry the key's rhythm; callers hear the room's other talkers through the gap.
//!
//! It does not look for tones: whoever does says how far back the suspected one began.

use std::ops::Range;

use super::{Frame, SAMPLES_PER_FRAME, level, saturate};

/// The delay of the line: 15 ms. A tone on a clean line is suspected 13 to 18 ms after it began,
/// at one of the 5 ms steps that ticks fall on, so none of it has left the line by then.
pub(crate) const LOOK_AHEAD: usize = 120;
/// A frame that came and what is delayed behind it.
const LINE: usize = LOOK_AHEAD + SAMPLES_PER_FRAME;
/// The tone may have begun this much before it was seen to: one step of the search.
const MARGIN: usize = 40;
/// Steps, and samples, from open to muted and back: 2 ms, short enough to hide no more than a
/// click would, long enough to make none.
const FADE: i32 = 16;
/// What was suspected for longer than this was a tone, whether it became a digit or not (an echo
/// of one does not), and what is left of it in the line stays muted: 40 ms.
const TONE: u64 = 320;
/// Samples over which one delay passes into another: 5 ms.
const SPLICE: i32 = 40;
/// Below this peak the delay may change without being heard: -44 dBFS.
const QUIET: u16 = 200;
/// Ticks after which the delay changes even within speech: a second.
const PATIENCE: u8 = 50;

/// What is known of the keys in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suspicion {
    /// How many samples before the frame's end the tone began that is suspected, or is sure, and
    /// goes on.
    pub(crate) tone: Option<usize>,
    /// Whether a telephone event says that the frame, and what came before, may hold its tone.
    pub(crate) event: bool,
}

/// The clamp of one leg.
pub(crate) struct Clamp {
    /// The newest samples, oldest first.
    line: [i16; LINE],
    /// How long ago the samples came that now leave the line.
    delay: usize,
    /// What the delay is to be.
    wanted: usize,
    /// Ticks for which that has been put off.
    waited: u8,
    /// Samples that came, counted from such a number that those before the first have one too.
    position: u64,
    /// What has left the line stays: the position it has come to.
    left: u64,
    /// Where a tone began that is suspected.
    suspected: Option<u64>,
    /// Samples that stay muted whatever is suspected.
    sealed: Range<u64>,
    /// 0 is muted, `FADE` is open.
    gain: i32,
}

impl Clamp {
    /// A line that delays from its first sample on.
    pub(crate) const fn new() -> Self {
        Self {
            line: [0; LINE],
            delay: LOOK_AHEAD,
            wanted: LOOK_AHEAD,
            waited: 0,
            position: LINE as u64,
            left: SAMPLES_PER_FRAME as u64,
            suspected: None,
            sealed: 0..0,
            gain: FADE,
        }
    }

    /// A line for sound that has not been delayed so far: it begins to be at the next quiet moment.
    pub(crate) const fn undelayed() -> Self {
        let mut clamp = Self::new();
        clamp.delay = 0;
        clamp.left = clamp.position;
        clamp
    }

    /// Whether to look ahead; if not, the delay goes at the next quiet or muted moment.
    pub(crate) fn set_looking_ahead(&mut self, on: bool) {
        self.wanted = if on { LOOK_AHEAD } else { 0 };
    }

    /// Whether nothing is delayed or muted any longer, nor to be.
    pub(crate) const fn is_spent(&self) -> bool {
        self.delay == 0 && self.wanted == 0 && self.gain == FADE
    }

    /// Takes a frame and puts the one in its place that others are to hear.
    pub(crate) fn pass(&mut self, frame: &mut Frame, suspicion: Suspicion) {
        self.line.copy_within(SAMPLES_PER_FRAME.., 0);
        self.line[LOOK_AHEAD..].copy_from_slice(frame);
        self.position += SAMPLES_PER_FRAME as u64;
        self.note(suspicion);
        let earlier = self.delay;
        let splices = self.adjust_delay();
        self.read(self.delay, frame);
        if splices {
            let mut old = [0; SAMPLES_PER_FRAME];
            self.read(earlier, &mut old);
            splice(&old, frame);
        }
        self.left = self.position - self.delay as u64;
        self.mute(frame);
    }

    fn note(&mut self, suspicion: Suspicion) {
        const AHEAD: u64 = MARGIN as u64 + FADE.unsigned_abs() as u64;
        let suspected = suspicion.tone.map(|age| self.position.saturating_sub(age as u64 + AHEAD));
        if let Some(earlier) = self.suspected
            // A tone that turns out to be sure may be found to have begun a little later.
            && suspected.is_none_or(|since| since > earlier + AHEAD)
        {
            // It was last suspected when the frame before this one ended.
            let seen = self.position - SAMPLES_PER_FRAME as u64;
            if seen.saturating_sub(earlier) > TONE + AHEAD {
                self.seal(earlier..suspected.unwrap_or(self.position));
            }
        }
        self.suspected = suspected;
        if suspicion.event {
            self.seal(self.left..self.position);
        }
    }

    /// Keeps `more` muted, and what lies between it and what is sealed and still in the line.
    fn seal(&mut self, more: Range<u64>) {
        if self.sealed.end <= self.left {
            self.sealed = more;
        } else {
            self.sealed = self.sealed.start.min(more.start)..self.sealed.end.max(more.end);
        }
    }

    /// Changes the delay to what is wanted, if it may be now; `true` when the change is within
    /// sound that is heard and is to be spliced.
    fn adjust_delay(&mut self) -> bool {
        if self.delay == self.wanted {
            self.waited = 0;
            return false;
        }
        if self.gain == 0 {
            // No one hears it: the sound that is skipped, or passes twice, is muted.
            self.delay = self.wanted;
            return false;
        }
        self.waited = self.waited.saturating_add(1);
        let clear = self.suspected.is_none() && self.sealed.end <= self.left && self.gain == FADE;
        if clear && (level::peak(&self.line) < QUIET || self.waited >= PATIENCE) {
            self.delay = self.wanted;
            return true;
        }
        false
    }

    /// The frame that is `delay` samples old.
    fn read(&self, delay: usize, frame: &mut Frame) {
        let from = LOOK_AHEAD - delay;
        frame.copy_from_slice(&self.line[from..from + SAMPLES_PER_FRAME]);
    }

    /// Mutes what is suspected or sealed of the frame that ends at `left`.
    fn mute(&mut self, frame: &mut Frame) {
        let start = self.left - SAMPLES_PER_FRAME as u64;
        let is_clear = self.suspected.is_none_or(|since| since >= self.left)
            && (self.sealed.end <= start || self.sealed.start >= self.left);
        if is_clear && self.gain == FADE {
            return;
        }
        for (sample, at) in frame.iter_mut().zip(start..) {
            let muted =
                self.suspected.is_some_and(|since| since <= at) || self.sealed.contains(&at);
            self.gain = if muted { (self.gain - 1).max(0) } else { (self.gain + 1).min(FADE) };
            *sample = saturate(i32::from(*sample) * self.gain / FADE);
        }
    }
}

/// Lets `old` pass into `frame` at the frame's beginning.
fn splice(old: &Frame, frame: &mut Frame) {
    for ((new, &old), k) in frame.iter_mut().zip(old).zip(1..=SPLICE) {
        *new = saturate((i32::from(*new) * k + i32::from(old) * (SPLICE - k)) / SPLICE);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOTHING: Suspicion = Suspicion { tone: None, event: false };
    const EVENT: Suspicion = Suspicion { tone: None, event: true };

    fn tone(age: usize) -> Suspicion {
        Suspicion { tone: Some(age), ..NOTHING }
    }

    /// What comes out while `sound(n)` goes in, `n` counting samples, and a frame at a time is
    /// suspected of `suspicions`.
    fn passed(
        clamp: &mut Clamp,
        suspicions: &[Suspicion],
        mut sound: impl FnMut(usize) -> i16,
    ) -> Vec<i16> {
        let mut out = Vec::new();
        for (n, &suspicion) in suspicions.iter().enumerate() {
            let mut frame = std::array::from_fn(|k| sound(n * SAMPLES_PER_FRAME + k));
            clamp.pass(&mut frame, suspicion);
            out.extend(frame);
        }
        out
    }

    /// A number of its own for each of the first 30,000 samples.
    fn ramp(n: usize) -> i16 {
        i16::try_from(n + 1_000).unwrap_or(i16::MAX)
    }

    #[test]
    fn sound_that_is_not_suspected_passes_unchanged_fifteen_milliseconds_late() {
        let out = passed(&mut Clamp::new(), &[NOTHING; 10], ramp);
        assert!(out[..LOOK_AHEAD].iter().all(|&s| s == 0));
        assert!(out[LOOK_AHEAD..].iter().enumerate().all(|(n, &s)| s == ramp(n)));
        assert_eq!(LOOK_AHEAD, 8 * 15);
    }

    #[test]
    fn nothing_is_left_of_a_tone_that_is_suspected_within_the_look_ahead() {
        // It begins so long before the end of a frame that says nothing of it yet.
        for unseen in 0..LOOK_AHEAD - MARGIN {
            let onset = 3 * SAMPLES_PER_FRAME - unseen;
            let mut suspicions = vec![NOTHING; 3];
            suspicions.extend((1..=5).map(|n| tone(unseen + n * SAMPLES_PER_FRAME)));
            suspicions.extend([NOTHING; 3]);
            let end = onset + 3 * SAMPLES_PER_FRAME;
            let sound = |n| if (onset..end).contains(&n) { 8_000 } else { 0 };
            let out = passed(&mut Clamp::new(), &suspicions, sound);
            assert!(out.iter().all(|&s| s == 0), "{unseen}");
        }
    }

    #[test]
    fn a_tone_that_is_suspected_too_late_is_muted_within_a_fade() {
        let mut suspicions = vec![NOTHING; 3];
        suspicions.extend((1..6).map(|n| tone(n * SAMPLES_PER_FRAME + 150)));
        let out = passed(&mut Clamp::new(), &suspicions, |_| 8_000);
        let left = 3 * SAMPLES_PER_FRAME;
        assert_eq!(out[left - 1], 8_000);
        assert!(out[left + 15..].iter().all(|&s| s == 0));
    }

    #[test]
    fn muting_and_letting_go_make_no_click() {
        let mut suspicions = vec![NOTHING; 3];
        suspicions.extend((1..6).map(|n| tone(n * SAMPLES_PER_FRAME)));
        suspicions.extend([NOTHING; 5]);
        let out = passed(&mut Clamp::new(), &suspicions, |_| 8_000);
        let heard = &out[LOOK_AHEAD..];
        assert!(heard.windows(2).all(|w| (w[1] - w[0]).abs() <= 8_000 / 16));
        assert!(heard.contains(&0) && heard[heard.len() - 1] == 8_000);
    }

    #[test]
    fn speech_that_was_suspected_for_a_moment_is_let_go_unharmed() {
        let suspicions = [NOTHING, NOTHING, tone(60), NOTHING, tone(30), NOTHING];
        let out = passed(&mut Clamp::new(), &suspicions, ramp);
        assert!(out[LOOK_AHEAD..].iter().enumerate().all(|(n, &s)| s == ramp(n)));
    }

    #[test]
    fn the_end_of_a_tone_stays_muted_when_nothing_is_suspected_any_longer() {
        let mut suspicions: Vec<_> = (1..6).map(|n| tone(n * SAMPLES_PER_FRAME)).collect();
        suspicions.extend([NOTHING; 3]);
        let out = passed(&mut Clamp::new(), &suspicions, |_| 8_000);
        // Known to be over at the end of the sixth frame, and there alone.
        let over = 6 * SAMPLES_PER_FRAME + LOOK_AHEAD;
        assert!(out[LOOK_AHEAD..over].iter().all(|&s| s == 0));
        assert_eq!(out[over + 20], 8_000);
    }

    #[test]
    fn an_event_mutes_what_waits_and_all_that_came_while_it_was_on() {
        let mut suspicions = vec![NOTHING; 3];
        suspicions.extend([EVENT; 4]);
        suspicions.extend([NOTHING; 4]);
        let out = passed(&mut Clamp::new(), &suspicions, |_| 8_000);
        let (from, to) = (3 * SAMPLES_PER_FRAME, 7 * SAMPLES_PER_FRAME + LOOK_AHEAD);
        assert_eq!(out[from - 1], 8_000);
        assert!(out[from + 15..to].iter().all(|&s| s == 0));
        assert_eq!(out[to + 20], 8_000);
    }

    #[test]
    fn the_delay_goes_while_an_event_is_muted() {
        let mut clamp = Clamp::new();
        passed(&mut clamp, &[NOTHING; 3], ramp);
        clamp.set_looking_ahead(false);
        passed(&mut clamp, &[EVENT; 3], ramp);
        assert!(!clamp.is_spent(), "still muted");
        let out = passed(&mut clamp, &[NOTHING; 2], ramp);
        assert!(clamp.is_spent());
        assert!(out[20..].iter().zip(20..).all(|(&s, n)| s == ramp(n)), "nothing is late");
    }

    #[test]
    fn the_delay_comes_and_goes_in_a_quiet_moment() {
        let murmur = |n: usize| if (1_600..3_200).contains(&n) { 0 } else { ramp(n) };
        for (mut clamp, on) in [(Clamp::new(), false), (Clamp::undelayed(), true)] {
            let (before, after) = if on { (0, LOOK_AHEAD) } else { (LOOK_AHEAD, 0) };
            clamp.set_looking_ahead(on);
            let out = passed(&mut clamp, &[NOTHING; 30], murmur);
            assert!(
                out[LOOK_AHEAD..1_600]
                    .iter()
                    .zip(LOOK_AHEAD..)
                    .all(|(&s, n)| s == murmur(n - before))
            );
            assert!(out[3_200..].iter().zip(3_200..).all(|(&s, n)| s == murmur(n - after)));
            assert_eq!(clamp.is_spent(), !on);
        }
    }

    #[test]
    fn without_a_quiet_moment_the_delay_changes_after_a_second_without_a_jump() {
        for (mut clamp, on) in [(Clamp::new(), false), (Clamp::undelayed(), true)] {
            clamp.set_looking_ahead(on);
            let out = passed(&mut clamp, &[NOTHING; 100], ramp);
            assert!(out[LOOK_AHEAD..].windows(2).all(|w| (w[1] - w[0]).abs() <= 5));
            let late = if on { LOOK_AHEAD } else { 0 };
            assert!(out[8_400..].iter().zip(8_400..).all(|(&s, n)| s == ramp(n - late)));
        }
    }

    fn suspicion() -> impl Strategy<Value = Suspicion> {
        let tone = prop_oneof![Just(None), (0..2_000_usize).prop_map(Some)];
        (tone, prop::bool::weighted(0.1)).prop_map(|(tone, event)| Suspicion { tone, event })
    }

    proptest! {
        #[test]
        fn nothing_grows_louder_and_all_recovers(
            steps in prop::collection::vec((suspicion(), any::<bool>()), 0..60),
        ) {
            let mut clamp = Clamp::new();
            for (suspicion, on) in steps {
                clamp.set_looking_ahead(on);
                let out = passed(&mut clamp, &[suspicion], |_| 8_000);
                prop_assert!(out.iter().all(|s| (0..=8_000).contains(s)));
            }
            clamp.set_looking_ahead(true);
            passed(&mut clamp, &[NOTHING; 60], |_| 0);
            let out = passed(&mut clamp, &[NOTHING; 5], ramp);
            prop_assert!(out[LOOK_AHEAD..].iter().enumerate().all(|(n, &s)| s == ramp(n)));
        }
    }
}
