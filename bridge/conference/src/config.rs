//! Every timer and limit of the call flow, with the defaults of its specification.

use std::time::Duration;

/// Timers and limits; one value for the whole bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Most inbound calls at one time; the next is refused.
    pub max_calls: usize,
    /// Least time from the confirmation to the first prompt, so that its first syllable is heard.
    pub speak_after: Duration,
    /// Most time from the confirmation to the first prompt when no media comes.
    pub speak_at_latest: Duration,
    /// A leg that showed no sign of life for so long after its confirmation is told that it is not heard.
    pub not_heard: Duration,
    /// A leg that showed no sign of life for so long after its confirmation is hung up.
    pub no_media: Duration,
    /// Passcode entry.
    pub passcode: EntryTiming,
    /// Reference number entry.
    pub reference: EntryTiming,
    /// Tries for a reference number where the account requires one.
    pub required_reference_tries: u8,
    /// Security passcode entry: setting it and giving it.
    pub security: EntryTiming,
    /// EntryTiming of a number to call.
    pub dial: EntryTiming,
    /// How long a question that one key answers stays open.
    pub confirm: Duration,
    /// A command that a leg repeats within this time is one key press seen twice.
    pub duplicate: Duration,
    /// Pause between two thanks for waiting.
    pub hold_thanks: Duration,
    /// Longest wait for a moderator.
    pub hold_limit: Duration,
    /// How long after the others left the one who stays gets music.
    pub alone_music: Duration,
    /// How long one leg may be alone in a conference.
    pub alone_limit: Duration,
    /// Longest conference; warnings come 10 minutes and 1 minute before.
    pub max_duration: Duration,
    /// From the last moderator's leaving to the end, where the conference does not go on alone.
    pub ending: Duration,
    /// From the network's losing the last moderator to the end of such a conference.
    pub lost_moderator: Duration,
    /// Longest wait for the end of the farewell to a room.
    pub farewell: Duration,
    /// Legs hung up at once when a conference ends.
    pub pace_legs: usize,
    /// Callers are announced by name in conferences of so many legs.
    pub names_up_to: usize,
    /// Callers are announced by name while so many come in a minute.
    pub names_a_minute: usize,
    /// Pause between two such groups.
    pub pace: Duration,
    /// Longest ringing of a call out.
    pub ring: Duration,
    /// A moderator in a private talk is reminded of the keys after so long without one.
    pub private_reminder: Duration,
    /// A prompt whose end is not reported counts as played after so long.
    pub playback_guard: Duration,
    /// How long the measurements of a leg that ended are waited for.
    pub late_stats: Duration,
    /// Pause before a record that could not be written is offered again.
    pub persist_retry: Duration,
    /// What a refused caller is told to wait.
    pub retry_after: Duration,
    /// Above so many legs, joins are not announced.
    pub silent_above: usize,
}

/// Time-outs and tries of one kind of keyed entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryTiming {
    /// From the end of the prompt to the first digit.
    pub first_digit: Duration,
    /// Between two digits.
    pub inter_digit: Duration,
    /// Tries.
    pub tries: u8,
}

impl EntryTiming {
    const fn secs(first_digit: u64, inter_digit: u64, tries: u8) -> Self {
        Self {
            first_digit: Duration::from_secs(first_digit),
            inter_digit: Duration::from_secs(inter_digit),
            tries,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            max_calls: 5_000,
            speak_after: Duration::from_millis(400),
            speak_at_latest: Duration::from_millis(800),
            not_heard: Duration::from_secs(10),
            no_media: Duration::from_secs(30),
            passcode: EntryTiming::secs(8, 4, 3),
            reference: EntryTiming::secs(8, 4, 2),
            required_reference_tries: 3,
            security: EntryTiming::secs(10, 4, 3),
            dial: EntryTiming::secs(8, 4, 2),
            confirm: Duration::from_secs(5),
            duplicate: Duration::from_millis(500),
            hold_thanks: Duration::from_secs(MINUTE),
            hold_limit: Duration::from_secs(20 * MINUTE),
            alone_music: Duration::from_secs(5),
            alone_limit: Duration::from_secs(15 * MINUTE),
            max_duration: Duration::from_secs(24 * 60 * MINUTE),
            ending: Duration::from_secs(2 * MINUTE),
            lost_moderator: Duration::from_secs(5 * MINUTE),
            farewell: Duration::from_secs(6),
            pace_legs: 50,
            pace: Duration::from_millis(100),
            ring: Duration::from_secs(45),
            private_reminder: Duration::from_secs(5 * MINUTE),
            playback_guard: Duration::from_secs(60),
            late_stats: Duration::from_secs(1),
            persist_retry: Duration::from_secs(1),
            retry_after: Duration::from_secs(30),
            silent_above: 100,
            names_up_to: 25,
            names_a_minute: 6,
        }
    }
}
