//! Plays a [`Script`] on a phone: enters a step, acts, waits, judges, goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::analysis::{self, Prompt};
use crate::log::{CallSummary, Direction};
use crate::media::recorder::time_of;
use crate::phone::{Command, Phone};
use crate::script::{Outcome, Presence, Script, Sound, Step, Window};

/// How often ears are asked.
const LISTEN_EVERY: Duration = Duration::from_millis(100);
/// How many of those times back a sound is listened for again, for packets that came late.
const LISTEN_AGAIN: u32 = 10;
/// How long a sound must last to be waited for successfully.
const SOUND_LASTS: Duration = Duration::from_millis(300);
/// How long silence must last.
const SILENCE_LASTS: Duration = Duration::from_millis(500);
/// A window is judged this much after its end, when its late packets have come.
const JUDGE_AFTER: Duration = Duration::from_millis(100);

/// Where a phone's story stands.
#[derive(Debug, Default)]
pub(crate) struct Runner {
    script: Script,
    place: usize,
    /// When the current step was reached; `None` before.
    entered: Option<Duration>,
    check_at: Option<Duration>,
    /// Prompts are searched from here on.
    listen_from: Duration,
    marks: BTreeSet<String>,
    outcomes: Vec<Outcome>,
    /// The steps that may be tried again: the first, the one after the last, and tries left.
    attempt: Option<(usize, usize, u32)>,
    repeats: Vec<Outcome>,
}

/// What a step says to being asked.
enum Verdict {
    /// Done, and nothing to note.
    Done,
    Met(String),
    Failed(String),
    /// Ask again when something happened, or at this time.
    At(Duration),
}

impl Runner {
    pub(crate) fn start(&mut self, script: Script) {
        self.script = script;
        self.place = 0;
        self.attempt = None;
        self.entered = None;
        // Due at once; `advance` asks it in the same call.
        self.check_at = None;
    }

    pub(crate) fn see_mark(&mut self, name: String) {
        self.marks.insert(name);
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.check_at
    }

    pub(crate) fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// What failed and was tried again.
    pub(crate) fn repeats(&self) -> &[Outcome] {
        &self.repeats
    }

    /// Goes back to the first of the steps that may be tried again; false when there is none.
    fn again(&mut self, now: Duration, step: &Step, detail: &str) -> bool {
        let Some((first, end, left @ 1..)) = self.attempt else { return false };
        if !(first..end).contains(&self.place) {
            return false;
        }
        let (place, what, detail) = (self.place, step.to_string(), detail.to_owned());
        self.repeats.push(Outcome { step: place, at: now, what, met: false, detail });
        self.attempt = Some((first, end, left - 1));
        self.place = first;
        self.entered = None;
        self.check_at = None;
        true
    }

    pub(crate) fn is_done(&self) -> bool {
        self.place >= self.script.steps().len()
    }

    pub(crate) fn give_up(&mut self, now: Duration) {
        let Some(step) = self.script.steps().get(self.place) else { return };
        let left = self.script.steps().len() - self.place;
        let outcome = Outcome {
            step: self.place,
            at: now,
            what: step.to_string(),
            met: false,
            detail: format!("the story ended here, {left} steps before its end"),
        };
        self.outcomes.push(outcome);
        self.place = self.script.steps().len();
        self.check_at = None;
    }

    fn next(&mut self, now: Duration, step: &Step, result: Option<(bool, String)>) {
        if let Some((met, detail)) = result {
            let (place, what) = (self.place, step.to_string());
            self.outcomes.push(Outcome { step: place, at: now, what, met, detail });
        }
        self.place += 1;
        self.entered = None;
        self.check_at = None;
    }
}

impl Phone {
    /// Plays the story as far as it goes at `now`.
    pub(crate) fn run_script(&mut self, now: Duration) {
        while let Some(step) = self.runner.script.steps().get(self.runner.place).cloned() {
            let since = match self.runner.entered {
                Some(since) => since,
                None => {
                    self.runner.entered = Some(now);
                    self.enter(now, &step);
                    now
                }
            };
            // Ears are dear: they are asked at their time, not at every packet.
            if is_listening(&step) && self.runner.check_at.is_some_and(|at| at > now) {
                return;
            }
            match self.ask(now, since, &step) {
                Verdict::Done => self.runner.next(now, &step, None),
                Verdict::Met(detail) => self.runner.next(now, &step, Some((true, detail))),
                Verdict::Failed(detail) if self.runner.again(now, &step, &detail) => {}
                Verdict::Failed(detail) => self.runner.next(now, &step, Some((false, detail))),
                Verdict::At(time) => {
                    self.runner.check_at = Some(time);
                    return;
                }
            }
        }
    }

    fn enter(&mut self, now: Duration, step: &Step) {
        let command = match step {
            Step::Call => Command::Call,
            Step::Answer => Command::Answer,
            Step::Press(keys) if self.is_up() => Command::Press(keys.clone()),
            Step::Say(audio) => Command::Say(audio.clone()),
            Step::Hold => Command::Hold,
            Step::Resume => Command::Resume,
            Step::HangUp => Command::HangUp,
            Step::Vanish => Command::Vanish,
            Step::Mark(name) => {
                self.runner.see_mark(name.clone());
                self.marks.push_back(name.clone());
                return;
            }
            Step::Attempt { steps, tries } => {
                let first = self.runner.place + 1;
                self.runner.attempt = Some((first, first + steps, tries.saturating_sub(1)));
                return;
            }
            Step::Press(_)
            | Step::Wait(_)
            | Step::WaitUntil(_)
            | Step::AwaitMark(..)
            | Step::AwaitRinging(_)
            | Step::AwaitAnswer(_)
            | Step::AwaitIncoming(_)
            | Step::AwaitEnd(_)
            | Step::AwaitSound(..)
            | Step::AwaitSilence(_)
            | Step::AwaitPrompt { .. }
            | Step::Expect(..)
            | Step::ExpectStatus(_)
            | Step::ExpectEnding(_)
            | Step::ExpectUp => return,
        };
        // What comes from now on may lie before `now`: a stream that fell behind is laid out so.
        self.runner.listen_from = now.min(self.heard_until());
        self.obey(now, command);
    }

    fn ask(&mut self, now: Duration, since: Duration, step: &Step) -> Verdict {
        match step {
            Step::Call
            | Step::Answer
            | Step::Say(_)
            | Step::Hold
            | Step::Resume
            | Step::HangUp
            | Step::Vanish
            | Step::Mark(_)
            | Step::Attempt { .. } => Verdict::Done,
            Step::Wait(time) => wait_until(now, since + *time),
            Step::WaitUntil(time) => wait_until(now, *time),
            Step::Press(_) => self.ask_keys(now),
            Step::AwaitMark(name, within) => {
                let seen = self.runner.marks.contains(name);
                within_time(now, since + *within, seen.then(String::new))
            }
            Step::AwaitRinging(within) => {
                let at = self.call().and_then(|call| call.ringing_at);
                self.ask_progress(now, since + *within, at)
            }
            Step::AwaitAnswer(within) => {
                let at = self.call().and_then(|call| call.answered_at);
                self.ask_progress(now, since + *within, at)
            }
            Step::AwaitIncoming(within) => {
                let called = |call: &&CallSummary| {
                    call.direction == Direction::Incoming && call.ending.is_none()
                };
                let call = self.call().filter(called);
                let met = call.map(|call| format!("at {}", seconds(call.invite_at)));
                within_time(now, since + *within, met)
            }
            Step::AwaitEnd(within) => self.ask_end(now, since + *within),
            Step::AwaitSound(sound, within) => {
                let heard = self.lasting(now, since, *sound);
                listen(now, since + *within, heard)
            }
            Step::AwaitSilence(within) => {
                let from = now.saturating_sub(SILENCE_LASTS);
                let heard = from >= since && self.silent(from, now);
                listen(now, since + *within, heard.then(String::new))
            }
            Step::AwaitPrompt { prompt, within, .. } => {
                let heard = self.ask_prompt(now, prompt);
                listen(now, since + *within, heard)
            }
            Step::Expect(sound, presence, window) => {
                self.judge(now, (*sound, *presence), bounds(since, *window))
            }
            Step::ExpectStatus(wanted) => {
                let status = self.call().and_then(CallSummary::status);
                judged(status == Some(*wanted), format!("{status:?}"))
            }
            Step::ExpectEnding(wanted) => {
                let ending = self.call().and_then(|call| call.ending);
                judged(ending == Some(*wanted), format!("{ending:?}"))
            }
            Step::ExpectUp => {
                let ending = self.call().and_then(|call| call.ending);
                judged(self.is_up(), format!("{ending:?}"))
            }
        }
    }

    fn ask_keys(&self, now: Duration) -> Verdict {
        if !self.is_up() {
            return Verdict::Failed("no call is up".to_owned());
        }
        if self.sender.keys_done() {
            return Verdict::Done;
        }
        Verdict::At(now + LISTEN_EVERY)
    }

    fn ask_progress(&self, now: Duration, deadline: Duration, at: Option<Duration>) -> Verdict {
        if let Some(at) = at {
            return Verdict::Met(format!("at {}", seconds(at)));
        }
        match self.call().and_then(|call| call.ending) {
            Some(ending) => Verdict::Failed(format!("the call ended: {ending:?}")),
            None => within_time(now, deadline, None),
        }
    }

    fn ask_end(&self, now: Duration, deadline: Duration) -> Verdict {
        let Some(call) = self.call() else {
            return Verdict::Failed("there was no call".to_owned());
        };
        let end = call.ending.zip(call.ended_at);
        let met = end.map(|(ending, at)| format!("{ending:?} at {}", seconds(at)));
        within_time(now, deadline, met)
    }

    fn lasting(&self, now: Duration, since: Duration, sound: Sound) -> Option<String> {
        let heard = |&from: &Duration| {
            let to = from + SOUND_LASTS;
            match sound {
                Sound::Tone(hz) => self.hears_tone(hz, from, to),
                Sound::Any => !self.heard(from, to).is_empty() && loud_throughout(self, from, to),
            }
        };
        // Up to `now` the last packets are still on their way. Those that came later than that are
        // at their place by now: the last second is listened to again.
        let last = now.checked_sub(JUDGE_AFTER + SOUND_LASTS)?;
        let starts = (0..=LISTEN_AGAIN).filter_map(|back| last.checked_sub(LISTEN_EVERY * back));
        let found = starts.take_while(|from| *from >= since).find(heard);
        found.map(|from| format!("at {}", seconds(from)))
    }

    fn ask_prompt(&mut self, now: Duration, prompt: &Prompt) -> Option<String> {
        let from = self.runner.listen_from;
        let start = self.heard_from(from);
        let heard = self.heard(from, now);
        if heard.len() < prompt.needed() {
            return None;
        }
        // A far end that stopped for a moment goes on where it was: the pause is not in the prompt.
        let joined = self.recorder.without_gaps(from, now);
        let again = || joined.find(prompt);
        let Some((first, last, score)) = prompt
            .find(heard)
            .map(|found| {
                let first = found.offset.max(0).unsigned_abs();
                (first, first + prompt.needed(), found.score)
            })
            .or_else(again)
        else {
            // What was searched needs no second look, but for a prompt that has only begun.
            let searched = heard.len().saturating_sub(prompt.needed() + joined.gaps());
            self.runner.listen_from = start + time_of(searched);
            return None;
        };
        self.runner.listen_from = start + time_of(last);
        let at = seconds(start + time_of(first));
        Some(format!("at {at}, correlation {score:.2}"))
    }

    fn judge(
        &self,
        now: Duration,
        expected: (Sound, Presence),
        window: (Duration, Duration),
    ) -> Verdict {
        let (from, to) = window;
        if now < to + JUDGE_AFTER {
            return Verdict::At(to + JUDGE_AFTER);
        }
        let coverage = self.coverage(from, to);
        let (met, level) = match expected {
            (Sound::Tone(hz), presence) => {
                let level = analysis::tone_level(self.heard(from, to), hz);
                let met = match presence {
                    Presence::Present => self.hears_tone(hz, from, to),
                    Presence::Absent => self.lacks_tone(hz, from, to),
                };
                (met, format!("{level:.1} dBm0"))
            }
            (Sound::Any, presence) => {
                let met = match presence {
                    Presence::Present => loud_throughout(self, from, to),
                    Presence::Absent => self.silent(from, to),
                };
                (met, format!("{:.1} dBFS", self.rms_dbfs(from, to)))
            }
        };
        let detail = format!("{level}, audio came for {:.0} %", coverage * 100.0);
        judged(met, detail)
    }
}

fn is_listening(step: &Step) -> bool {
    matches!(
        step,
        Step::AwaitSound(..)
            | Step::AwaitSilence(_)
            | Step::AwaitPrompt { .. }
            | Step::Expect(..)
            | Step::Press(_)
    )
}

/// Most of the blocks of a window are above silence.
fn loud_throughout(phone: &Phone, from: Duration, to: Duration) -> bool {
    let blocks = to.saturating_sub(from).as_millis() / 100;
    let loud = phone
        .heard(from, to)
        .chunks_exact(analysis::BLOCK)
        .filter(|block| analysis::rms_dbfs(block) >= analysis::SILENT_DBFS)
        .count();
    // Speech has pauses: half of the blocks will do.
    blocks > 0 && loud as u128 * 2 >= blocks
}

fn bounds(since: Duration, window: Window) -> (Duration, Duration) {
    match window {
        Window::Next(time) => (since, since + time),
        Window::Last(time) => (since.saturating_sub(time), since),
        Window::Between(from, to) => (from, to),
    }
}

fn wait_until(now: Duration, time: Duration) -> Verdict {
    if now >= time { Verdict::Done } else { Verdict::At(time) }
}

/// Met when there is something, failed after the deadline.
fn within_time(now: Duration, deadline: Duration, met: Option<String>) -> Verdict {
    match met {
        Some(detail) => Verdict::Met(detail),
        None if now >= deadline => Verdict::Failed("not in time".to_owned()),
        None => Verdict::At(deadline),
    }
}

fn listen(now: Duration, deadline: Duration, met: Option<String>) -> Verdict {
    match within_time(now, deadline, met) {
        Verdict::At(deadline) => Verdict::At(deadline.min(now + LISTEN_EVERY)),
        verdict @ (Verdict::Done | Verdict::Met(_) | Verdict::Failed(_)) => verdict,
    }
}

fn judged(met: bool, detail: String) -> Verdict {
    if met { Verdict::Met(detail) } else { Verdict::Failed(detail) }
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}
