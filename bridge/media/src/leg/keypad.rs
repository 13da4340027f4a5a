//! Presses keys for the far end of a leg: by telephone events where it takes them, else by tones.
//! Says what goes out in each 20 ms in place of the leg's sound; sends nothing itself.

use partyline_dtmf::Rate;
use partyline_dtmf::tone::{Burst, Generator};
use partyline_model::Digit;

use crate::audio::Frame;
use crate::rtp::telephone_event::encoder::{Encoder, EventPacket};
use crate::{ClockRate, KeyQueue, Stroke};

/// How long a key is down, in frames: 100 ms, more than the 40 ms that every receiver must hear
/// and the 65 ms that the slowest ask for.
const DOWN: u32 = 5;
/// How long no key is down between two: 100 ms.
const UP: u32 = 5;
/// Frames in which an event's end is repeated: they belong to the pause.
const REPEATED_ENDS: u32 = 2;
/// A pause of a dial string: 2 s.
const PAUSE: u32 = 100;
/// For how long a tone that the far end's line sends back may come: 500 ms.
const ECHO: u32 = 25;

/// What goes out in one frame's time.
pub(super) enum Slot {
    /// The leg's sound.
    Sound,
    /// A telephone event and no sound.
    Event(EventPacket),
    /// The frame that was filled, in place of the sound.
    Tone,
}

enum Phase {
    /// Nothing to be pressed.
    Idle,
    Event(Encoder),
    Tone(Generator),
    /// No key is down for so many more frames.
    Rest(u32),
}

/// The key pad of one leg.
pub(super) struct Keypad {
    queue: KeyQueue,
    phase: Phase,
    /// Frames for which what comes back may be our own tone.
    echo: u32,
}

impl Keypad {
    pub(super) const fn new() -> Self {
        Self { queue: KeyQueue::EMPTY, phase: Phase::Idle, echo: 0 }
    }

    /// Presses these keys after those that wait; what finds no room is left out.
    pub(super) fn push(&mut self, mut keys: KeyQueue) {
        while let Some(stroke) = keys.pop() {
            if self.queue.push(stroke).is_err() {
                return;
            }
        }
        if matches!(self.phase, Phase::Idle) {
            self.phase = Phase::Rest(0);
        }
    }

    /// Whether no key is down and none waits.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Whether a tone in the leg's sound may be one of ours that came back.
    pub(super) const fn may_echo(&self) -> bool {
        self.echo > 0
    }

    /// A frame passes in which nothing is pressed.
    pub(super) fn pass(&mut self) {
        self.echo = self.echo.saturating_sub(1);
    }

    /// Moves on by one frame, which begins at `timestamp` on the leg's clock and is filled when it
    /// is a tone; `events` is the clock of telephone events where the far end takes them.
    pub(super) fn next(
        &mut self,
        events: Option<ClockRate>,
        timestamp: u32,
        frame: &mut Frame,
    ) -> Slot {
        let slot = match self.go_on(events, frame) {
            Some(slot) => slot,
            None => self.begin(events, timestamp, frame),
        };
        match slot {
            Slot::Sound => self.pass(),
            Slot::Event(_) | Slot::Tone => self.echo = ECHO,
        }
        slot
    }

    /// What of the press or the pause under way is in this frame; `None` when it is over.
    fn go_on(&mut self, events: Option<ClockRate>, frame: &mut Frame) -> Option<Slot> {
        match &mut self.phase {
            Phase::Idle => Some(Slot::Sound),
            // Its clock or its number went with a re-INVITE: the far end ends it by itself.
            Phase::Event(_) if events.is_none() => {
                self.phase = Phase::Rest(UP);
                Some(Slot::Sound)
            }
            Phase::Event(encoder) => {
                if let Some(packet) = encoder.next() {
                    return Some(Slot::Event(packet));
                }
                self.phase = Phase::Rest(UP - REPEATED_ENDS);
                self.go_on(events, frame)
            }
            Phase::Tone(generator) => {
                if generator.fill(frame) > 0 {
                    return Some(Slot::Tone);
                }
                self.phase = Phase::Rest(UP);
                self.go_on(events, frame)
            }
            Phase::Rest(frames) => {
                *frames = frames.checked_sub(1)?;
                Some(Slot::Sound)
            }
        }
    }

    fn begin(&mut self, events: Option<ClockRate>, timestamp: u32, frame: &mut Frame) -> Slot {
        self.phase = match self.queue.pop() {
            None => Phase::Idle,
            Some(Stroke::Pause) => Phase::Rest(PAUSE),
            Some(Stroke::Key(digit)) => press(digit, events, timestamp),
        };
        self.go_on(events, frame).unwrap_or(Slot::Sound)
    }
}

fn press(digit: Digit, events: Option<ClockRate>, timestamp: u32) -> Phase {
    match events {
        Some(clock) => Phase::Event(Encoder::new(digit, DOWN, clock, timestamp)),
        None => {
            let burst = Burst { on_ms: DOWN * 20, off_ms: 0, ..Burst::to_send(digit.event()) };
            Phase::Tone(Generator::new(&burst, Rate::Hz8000))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SILENCE;

    fn run(keys: &str, events: Option<ClockRate>, frames: u32) -> String {
        let mut keypad = Keypad::new();
        keypad.push(KeyQueue::dial(keys).unwrap());
        (0..frames)
            .map(|frame| match keypad.next(events, frame * 160, &mut SILENCE.clone()) {
                Slot::Sound if keypad.is_idle() => '-',
                Slot::Sound => '.',
                Slot::Event(packet) if packet.payload[1] & 0x80 != 0 => 'E',
                Slot::Event(packet) if packet.marker => 'M',
                Slot::Event(_) => 'e',
                Slot::Tone => 't',
            })
            .collect()
    }

    #[test]
    fn keys_take_their_time_either_way() {
        let events = Some(ClockRate::Hz8000);
        assert_eq!(run("12", events, 22), "MeeeEEE...MeeeEEE...--");
        assert_eq!(run("12", None, 22), "ttttt.....ttttt.....--");
        let dialled = run(",1", events, 112);
        assert_eq!(dialled.find('M'), Some(100));
    }

    #[test]
    fn events_that_are_gone_in_the_middle_of_a_press_leave_the_rest_to_tones() {
        let mut keypad = Keypad::new();
        keypad.push(KeyQueue::dial("12").unwrap());
        assert!(matches!(
            keypad.next(Some(ClockRate::Hz8000), 0, &mut SILENCE.clone()),
            Slot::Event(_)
        ));
        let slots: String = (0..14)
            .map(|_| {
                if matches!(keypad.next(None, 0, &mut SILENCE.clone()), Slot::Tone) {
                    't'
                } else {
                    '.'
                }
            })
            .collect();
        assert_eq!(slots, "......ttttt...");
    }

    #[test]
    fn an_echo_may_come_for_half_a_second() {
        let mut keypad = Keypad::new();
        assert!(!keypad.may_echo());
        keypad.push(KeyQueue::dial("1").unwrap());
        for _ in 0..5 {
            keypad.next(None, 0, &mut SILENCE.clone());
        }
        assert!(keypad.may_echo());
        for _ in 0..ECHO {
            keypad.pass();
        }
        assert!(!keypad.may_echo());
    }
}
