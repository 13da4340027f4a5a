//! The clips that prompts are made of, and where a listener stands in a sequence of them.

use std::fmt;

use partyline_model::AudioId;

use super::{Frame, SAMPLES_PER_FRAME, music, resample};

/// One recorded piece of sound at 8 kHz.
#[derive(Clone)]
pub struct Clip {
    samples: Box<[i16]>,
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clip").field("samples", &self.samples.len()).finish()
    }
}

/// The sample rate is neither 8,000 nor 16,000 Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedRate(pub u32);

impl fmt::Display for UnsupportedRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a clip has to be at 8000 or 16000 Hz, this one is at {} Hz", self.0)
    }
}

impl std::error::Error for UnsupportedRate {}

impl Clip {
    /// A clip from mono samples at `hertz`; 16 kHz is brought to 8 kHz here, once.
    ///
    /// # Errors
    /// [`UnsupportedRate`] for any rate but 8,000 and 16,000 Hz.
    pub fn new(hertz: u32, samples: Vec<i16>) -> Result<Self, UnsupportedRate> {
        let samples = match hertz {
            8_000 => samples,
            16_000 => resample::halve(&samples),
            _ => return Err(UnsupportedRate(hertz)),
        };
        Ok(Self { samples: samples.into_boxed_slice() })
    }

    /// The built-in hold music: 48 s at -20 dBFS that end where they begin.
    pub fn hold_music() -> Self {
        Self { samples: music::hold_music() }
    }

    /// 8 kHz mono.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }
}

/// Everything a worker can play; immutable and shared by all workers.
#[derive(Debug)]
pub struct AudioLibrary {
    clips: Vec<Clip>,
    music: Clip,
}

impl AudioLibrary {
    /// A library in which [`AudioId`] `n` is the `n`th of `clips`, with `music` for callers on
    /// hold. Empty music is silence.
    pub fn new(clips: Vec<Clip>, music: Clip) -> Self {
        Self { clips, music }
    }

    /// The clip with this id.
    pub fn clip(&self, id: AudioId) -> Option<&Clip> {
        self.clips.get(usize::from(id.0))
    }

    pub(crate) fn music(&self) -> &[i16] {
        self.music.samples()
    }
}

/// Clips to be played one after the other: at most [`AudioQueue::CAPACITY`].
///
/// It lives in place, so that a command can cross to the media thread without memory to free
/// there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AudioQueue {
    ids: [AudioId; Self::CAPACITY],
    len: u8,
}

/// More clips than an [`AudioQueue`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioQueueFull;

impl fmt::Display for AudioQueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a playback holds at most {} clips", AudioQueue::CAPACITY)
    }
}

impl std::error::Error for AudioQueueFull {}

impl fmt::Debug for AudioQueue {
    /// Prints how many clips, not which: a read-back number may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudioQueue").field("len", &self.len).finish_non_exhaustive()
    }
}

impl AudioQueue {
    /// The most clips that one playback holds.
    pub const CAPACITY: usize = 128;
    /// Nothing to play.
    pub const EMPTY: Self = Self { ids: [AudioId(0); Self::CAPACITY], len: 0 };

    /// Adds `id` at the end.
    ///
    /// # Errors
    /// [`AudioQueueFull`] when [`Self::CAPACITY`] clips are waiting.
    pub fn push(&mut self, id: AudioId) -> Result<(), AudioQueueFull> {
        let slot = self.ids.get_mut(usize::from(self.len)).ok_or(AudioQueueFull)?;
        *slot = id;
        self.len += 1;
        Ok(())
    }

    /// Takes the first clip out.
    fn pop(&mut self) -> Option<AudioId> {
        let first = *self.as_slice().first()?;
        self.ids.copy_within(1.., 0);
        self.len -= 1;
        Some(first)
    }

    /// The clips, in order.
    pub fn as_slice(&self) -> &[AudioId] {
        &self.ids[..usize::from(self.len)]
    }
}

impl TryFrom<&[AudioId]> for AudioQueue {
    type Error = AudioQueueFull;

    fn try_from(ids: &[AudioId]) -> Result<Self, AudioQueueFull> {
        let mut queue = Self::EMPTY;
        for &id in ids {
            queue.push(id)?;
        }
        Ok(queue)
    }
}

/// Where one listener stands in a queue of clips.
#[derive(Clone, Copy)]
pub(crate) struct Player {
    playing: Option<AudioId>,
    offset: usize,
    queue: AudioQueue,
}

impl Player {
    pub(crate) const fn new(queue: AudioQueue) -> Self {
        Self { playing: None, offset: 0, queue }
    }

    /// Adds clips after those waiting; those that find no room are left out.
    pub(crate) fn append(&mut self, more: &AudioQueue) {
        for &id in more.as_slice() {
            if self.queue.push(id).is_err() {
                return;
            }
        }
    }

    /// The next 20 ms, padded with silence, or `None` when everything has been played.
    pub(crate) fn next_frame(&mut self, library: &AudioLibrary, frame: &mut Frame) -> Option<()> {
        let mut filled = 0;
        while filled < SAMPLES_PER_FRAME {
            let Some(id) = self.playing.or_else(|| self.start_next()) else { break };
            let rest = library.clip(id).and_then(|clip| clip.samples().get(self.offset..));
            let rest = rest.unwrap_or_default();
            let count = rest.len().min(SAMPLES_PER_FRAME - filled);
            frame[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
            self.offset += count;
            if count == rest.len() {
                self.playing = None;
            }
        }
        if filled == 0 {
            return None;
        }
        frame[filled..].fill(0);
        Some(())
    }

    fn start_next(&mut self) -> Option<AudioId> {
        self.playing = self.queue.pop();
        self.offset = 0;
        self.playing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(value: i16, len: usize) -> Clip {
        Clip::new(8_000, vec![value; len]).unwrap()
    }

    #[test]
    fn clips_follow_each_other_without_a_gap() {
        let library = AudioLibrary::new(vec![clip(1, 100), clip(2, 150)], clip(0, 0));
        let queue = AudioQueue::try_from([AudioId(0), AudioId(9), AudioId(1)].as_slice()).unwrap();
        let mut player = Player::new(queue);
        let mut frame = [7; SAMPLES_PER_FRAME];
        assert!(player.next_frame(&library, &mut frame).is_some());
        assert_eq!((frame[99], frame[100], frame[159]), (1, 2, 2));
        assert!(player.next_frame(&library, &mut frame).is_some());
        assert_eq!((frame[89], frame[90]), (2, 0));
        assert!(player.next_frame(&library, &mut frame).is_none());
    }

    #[test]
    fn a_queue_says_when_it_is_full() {
        let ids = [AudioId(0); AudioQueue::CAPACITY + 1];
        assert_eq!(AudioQueue::try_from(ids.as_slice()), Err(AudioQueueFull));
        assert!(AudioQueue::try_from(&ids[1..]).is_ok());
    }

    #[test]
    fn clips_come_at_two_rates_only() {
        assert_eq!(Clip::new(16_000, vec![0; 320]).unwrap().samples().len(), 160);
        assert_eq!(Clip::new(44_100, vec![]).unwrap_err(), UnsupportedRate(44_100));
    }
}
