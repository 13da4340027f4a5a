//! Stories: what a phone does and expects, step by step, so that a test reads like one.
//!
//! A step that fails leaves a failed [`Outcome`] and the story goes on, so that the phone still
//! hangs up. [`crate::runner`] plays the steps.

use std::fmt;
use std::time::Duration;

use crate::analysis::Prompt;
use crate::log::Ending;
use crate::media::keypad::Keys;
use crate::media::sender::Audio;

/// A stretch of time that an expectation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// From when the step is reached.
    Next(Duration),
    /// Up to when the step is reached.
    Last(Duration),
    /// Since the start of the story.
    Between(Duration, Duration),
}

/// What to listen for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sound {
    /// A tone of this many Hz.
    Tone(f64),
    /// Anything louder than -55 dB of full scale.
    Any,
}

/// Whether it should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// All through the window (a tone: in four blocks of five).
    Present,
    /// Nowhere in the window, although packets came (a tone), or came not at all (any sound).
    Absent,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Places the call.
    Call,
    /// Answers the call that rings.
    Answer,
    /// Does nothing for a while.
    Wait(Duration),
    /// Does nothing until a time since the start.
    WaitUntil(Duration),
    /// Presses keys and goes on when the last has been sent.
    Press(Keys),
    /// Changes what the phone says; goes on at once.
    Say(Audio),
    /// Offers the far end to hold.
    Hold,
    /// Takes the hold back.
    Resume,
    /// Hangs up, or cancels, or declines.
    HangUp,
    /// Leaves without a word: nothing is sent or heard any more.
    Vanish,
    /// Tells all phones of this driver that the story has come this far.
    Mark(String),
    /// Waits until some phone's story has come to a mark.
    AwaitMark(String, Duration),
    /// Waits for 180 or another provisional response above 100.
    AwaitRinging(Duration),
    /// Waits for the answer.
    AwaitAnswer(Duration),
    /// Waits to be called.
    AwaitIncoming(Duration),
    /// Waits until the call is over.
    AwaitEnd(Duration),
    /// Waits until a sound has lasted 300 ms.
    AwaitSound(Sound, Duration),
    /// Waits until nothing has been heard for 500 ms.
    AwaitSilence(Duration),
    /// Waits for the beginning of a known prompt; one that began during the step before counts.
    AwaitPrompt {
        /// What the outcome calls it.
        name: String,
        /// What to listen for.
        prompt: Prompt,
        /// How long.
        within: Duration,
    },
    /// Judges what was or will be heard.
    Expect(Sound, Presence, Window),
    /// Judges the final status of the last INVITE.
    ExpectStatus(u16),
    /// Judges how the last call ended.
    ExpectEnding(Ending),
    /// Judges that the call is still up.
    ExpectUp,
    /// The next `steps` steps are gone through again from the first when one of them fails, until
    /// they were tried `tries` times.
    Attempt {
        /// How many steps.
        steps: usize,
        /// How often at most.
        tries: u32,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call => write!(f, "call"),
            Self::Answer => write!(f, "answer"),
            Self::Wait(time) => write!(f, "wait {time:?}"),
            Self::WaitUntil(time) => write!(f, "wait until {time:?}"),
            Self::Press(keys) => write!(f, "press {} keys", keys.len()),
            Self::Say(_) => write!(f, "change what it says"),
            Self::Hold => write!(f, "hold"),
            Self::Resume => write!(f, "resume"),
            Self::HangUp => write!(f, "hang up"),
            Self::Vanish => write!(f, "vanish"),
            Self::Mark(name) => write!(f, "mark {name}"),
            Self::AwaitMark(name, within) => write!(f, "see mark {name} within {within:?}"),
            Self::AwaitRinging(within) => write!(f, "hear it ring within {within:?}"),
            Self::AwaitAnswer(within) => write!(f, "be answered within {within:?}"),
            Self::AwaitIncoming(within) => write!(f, "be called within {within:?}"),
            Self::AwaitEnd(within) => write!(f, "call over within {within:?}"),
            Self::AwaitSound(sound, within) => write!(f, "hear {sound} within {within:?}"),
            Self::AwaitSilence(within) => write!(f, "hear silence within {within:?}"),
            Self::AwaitPrompt { name, within, .. } => {
                write!(f, "hear prompt {name} within {within:?}")
            }
            Self::Expect(sound, Presence::Present, window) => write!(f, "hears {sound} {window}"),
            Self::Expect(sound, Presence::Absent, window) => write!(f, "lacks {sound} {window}"),
            Self::ExpectStatus(status) => write!(f, "final status {status}"),
            Self::ExpectEnding(ending) => write!(f, "call ended {ending:?}"),
            Self::ExpectUp => write!(f, "call is up"),
            Self::Attempt { steps, tries } => write!(f, "{steps} steps, {tries} tries"),
        }
    }
}

impl fmt::Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tone(hz) => write!(f, "{hz} Hz"),
            Self::Any => write!(f, "sound"),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next(time) => write!(f, "for {time:?}"),
            Self::Last(time) => write!(f, "in the last {time:?}"),
            Self::Between(from, to) => write!(f, "from {from:?} to {to:?}"),
        }
    }
}

/// What came of a step that waits or judges. It names no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The step's place in the script, from 0.
    pub step: usize,
    /// When it was decided.
    pub at: Duration,
    /// What was expected.
    pub what: String,
    /// Whether it came so.
    pub met: bool,
    /// What was measured.
    pub detail: String,
}

/// Steps in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Script {
    steps: Vec<Step>,
}

impl Script {
    /// A story that is yet to be told.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds any step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds steps that are gone through again, up to `tries` times, while one of them fails.
    #[must_use]
    pub fn attempt(self, tries: u32, steps: impl FnOnce(Self) -> Self) -> Self {
        let place = self.steps.len();
        let mut script = steps(self.then(Step::Attempt { steps: 0, tries }));
        let steps = script.steps.len() - place - 1;
        script.steps[place] = Step::Attempt { steps, tries };
        script
    }

    /// Places the call.
    #[must_use]
    pub fn call(self) -> Self {
        self.then(Step::Call)
    }

    /// Waits for the answer.
    #[must_use]
    pub fn until_answered(self, within: Duration) -> Self {
        self.then(Step::AwaitAnswer(within))
    }

    /// Does nothing for a while.
    #[must_use]
    pub fn wait(self, time: Duration) -> Self {
        self.then(Step::Wait(time))
    }

    /// Presses keys; what no pad has is left out, a comma is a second.
    #[must_use]
    pub fn press(self, keys: &str) -> Self {
        self.then(Step::Press(Keys::dial(keys)))
    }

    /// Changes what the phone says.
    #[must_use]
    pub fn say(self, audio: Audio) -> Self {
        self.then(Step::Say(audio))
    }

    /// Speaks a tone of -18 dBm0.
    #[must_use]
    pub fn hum(self, hz: f64) -> Self {
        self.say(Audio::Tone { hz, dbm0: -18.0 })
    }

    /// Waits until a tone has lasted 300 ms.
    #[must_use]
    pub fn until_tone(self, hz: f64, within: Duration) -> Self {
        self.then(Step::AwaitSound(Sound::Tone(hz), within))
    }

    /// Waits for a known prompt, given as 8 kHz samples.
    #[must_use]
    pub fn until_prompt(self, name: &str, samples: &[i16], within: Duration) -> Self {
        let prompt = Prompt::new(samples);
        self.then(Step::AwaitPrompt { name: name.to_owned(), prompt, within })
    }

    /// Judges that a tone is heard in the coming stretch of time.
    #[must_use]
    pub fn hears(self, hz: f64, time: Duration) -> Self {
        self.then(Step::Expect(Sound::Tone(hz), Presence::Present, Window::Next(time)))
    }

    /// Judges that a tone is absent in the coming stretch of time.
    #[must_use]
    pub fn lacks(self, hz: f64, time: Duration) -> Self {
        self.then(Step::Expect(Sound::Tone(hz), Presence::Absent, Window::Next(time)))
    }

    /// Hangs up.
    #[must_use]
    pub fn hang_up(self) -> Self {
        self.then(Step::HangUp)
    }

    /// Waits until the call is over.
    #[must_use]
    pub fn until_over(self, within: Duration) -> Self {
        self.then(Step::AwaitEnd(within))
    }

    /// The steps in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}
