//! The JSON of a story and its meaning as scripts. Unknown fields are refused.
//!
//! ```json
//! {"target": "127.0.0.1:5060", "limit": 60, "phones": [
//!   {"name": "anna", "from": "+14165550101", "to": "+18005550100", "address": "127.0.0.2",
//!    "digits": "rfc4733", "heard": "anna.wav", "steps": [
//!     {"do": "call"}, {"do": "await_answer", "within": 5},
//!     {"do": "await_prompt", "file": "welcome.flac"}, {"do": "press", "keys": "1234#"},
//!     {"do": "say", "tone": 440, "dbm0": -18}, {"do": "mark", "name": "anna is in"},
//!     {"do": "expect_tone", "hz": 620, "for": 2}, {"do": "hang_up"}]},
//!   {"name": "callee", "address": "127.0.0.9", "sip_port": 5070, "answering": {"after": 1},
//!    "steps": [{"do": "await_incoming", "within": 40}, {"do": "say", "file": "hello.wav"},
//!     {"do": "await_end"}, {"do": "expect_ending", "by": "by_them"}]}]}
//! ```

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::sound::read_sound;
use crate::analysis::Prompt;
use crate::{Audio, Ending, Keys, Presence, Script, Sound, Step, Window};

/// Seconds that a step waits when it does not say.
const WITHIN: f64 = 10.0;

/// A story of several phones. Times are seconds, fractions allowed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// For the report.
    #[serde(default)]
    pub name: String,
    /// Where calls go, unless the command line says.
    pub target: Option<SocketAddr>,
    /// The whole story may take this long; 120 when not said, 3600 at most.
    #[serde(default = "limit")]
    pub limit: f64,
    /// Who plays.
    pub phones: Vec<PhoneStory>,
}

fn limit() -> f64 {
    120.0
}

/// One phone of a story.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneStory {
    /// For the report and the log's file name.
    pub name: String,
    /// The number that calls; the name when not said.
    pub from: Option<String>,
    /// The number dialled.
    pub to: Option<String>,
    /// A loopback address; the command line's `--from` and those after it when not said.
    pub address: Option<Ipv4Addr>,
    /// The SIP port; any free one when not said.
    #[serde(default)]
    pub sip_port: u16,
    /// Seconds before its first step.
    #[serde(default)]
    pub start: f64,
    /// `pcmu` or `pcma`.
    #[serde(default)]
    pub codec: CodecStory,
    /// `rfc4733`, `info` or `inband`.
    #[serde(default)]
    pub digits: DigitStory,
    /// Milliseconds of a key press.
    pub on_ms: Option<u64>,
    /// Milliseconds between key presses.
    pub gap_ms: Option<u64>,
    /// `sdp` or `late`.
    #[serde(default)]
    pub offer: OfferStory,
    /// What it does when called.
    pub answering: Option<AnsweringStory>,
    /// What it does wrong: `no_ack`, `no_bye`.
    #[serde(default)]
    pub faults: Vec<FaultStory>,
    /// Further headers of the INVITE.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Writes what it heard to this WAV file.
    pub heard: Option<PathBuf>,
    /// What it does, in order.
    #[serde(default)]
    pub steps: Vec<StepStory>,
}

/// A codec by name.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodecStory {
    /// µ-law.
    #[default]
    Pcmu,
    /// A-law.
    Pcma,
}

/// A digit mode by name.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DigitStory {
    /// RTP telephone events.
    #[default]
    Rfc4733,
    /// SIP INFO.
    Info,
    /// Tones.
    Inband,
}

/// An offer by name.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfferStory {
    /// In the INVITE.
    #[default]
    Sdp,
    /// In the 200.
    Late,
}

/// What a called phone does.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum AnsweringStory {
    /// `{"after": 1.5}`
    After(f64),
    /// `{"reject": {"after": 1, "status": 486}}`
    Reject {
        /// Seconds of ringing.
        after: f64,
        /// 300 to 699.
        status: u16,
    },
    /// `"ring"`
    Ring,
    /// `"ignore"`
    Ignore,
}

/// A fault by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultStory {
    /// See [`crate::Faults::no_ack`].
    NoAck,
    /// See [`crate::Faults::no_bye`].
    NoBye,
}

/// How a call should have ended, by name.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndingStory {
    /// We hung up.
    ByUs,
    /// They hung up.
    ByThem,
    /// Cancelled.
    Cancelled,
    /// No answer to a request.
    TimedOut,
    /// No ACK.
    NoAck,
    /// Left without a word.
    Vanished,
}

/// One step: `{"do": NAME, ...}`. It has no Debug, for it may hold a passcode.
#[derive(Clone, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "each name and field is the step of the same name in Step")]
pub enum StepStory {
    Call {},
    Answer {},
    Hold {},
    Resume {},
    HangUp {},
    Vanish {},
    Wait {
        seconds: f64,
    },
    WaitUntil {
        at: f64,
    },
    Press {
        keys: String,
    },
    Say {
        tone: Option<f64>,
        dbm0: Option<f64>,
        file: Option<PathBuf>,
        #[serde(default)]
        repeat: bool,
    },
    Silence {},
    Nothing {},
    Mark {
        name: String,
    },
    AwaitMark {
        name: String,
        within: Option<f64>,
    },
    AwaitRinging {
        within: Option<f64>,
    },
    AwaitAnswer {
        within: Option<f64>,
    },
    AwaitIncoming {
        within: Option<f64>,
    },
    AwaitEnd {
        within: Option<f64>,
    },
    AwaitTone {
        hz: f64,
        within: Option<f64>,
    },
    AwaitSound {
        within: Option<f64>,
    },
    AwaitSilence {
        within: Option<f64>,
    },
    AwaitPrompt {
        file: PathBuf,
        within: Option<f64>,
    },
    ExpectTone {
        hz: f64,
        present: Option<bool>,
        from: Option<f64>,
        to: Option<f64>,
        r#for: Option<f64>,
    },
    ExpectSound {
        present: Option<bool>,
        from: Option<f64>,
        to: Option<f64>,
        r#for: Option<f64>,
    },
    ExpectStatus {
        status: u16,
    },
    ExpectEnding {
        by: EndingStory,
    },
    ExpectUp {},
}

impl std::fmt::Debug for StepStory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StepStory")
    }
}

impl Story {
    /// Reads a story.
    ///
    /// # Errors
    /// When the JSON is not a story; the message has line and column.
    pub fn parse(text: &str) -> Result<Self> {
        let story: Self = serde_json::from_str(text).context("this is no story")?;
        ensure!((0.0..=3600.0).contains(&story.limit), "limit must be 0 to 3600 s");
        Ok(story)
    }
}

impl PhoneStory {
    /// The script of the steps; files are looked up from `folder`.
    ///
    /// # Errors
    /// When a step has no meaning or a file cannot be read.
    pub fn script(&self, folder: &Path) -> Result<Script> {
        let start = Step::WaitUntil(seconds(self.start)?);
        let mut script = Script::new().then(start);
        for (place, step) in self.steps.iter().enumerate() {
            let step = step
                .meaning(folder)
                .with_context(|| format!("phone {}, step {}", self.name, place + 1))?;
            script = script.then(step);
        }
        Ok(script)
    }
}

impl StepStory {
    fn meaning(&self, folder: &Path) -> Result<Step> {
        Ok(match self {
            Self::Call {} => Step::Call,
            Self::Answer {} => Step::Answer,
            Self::Hold {} => Step::Hold,
            Self::Resume {} => Step::Resume,
            Self::HangUp {} => Step::HangUp,
            Self::Vanish {} => Step::Vanish,
            Self::Wait { seconds: time } => Step::Wait(seconds(*time)?),
            Self::WaitUntil { at } => Step::WaitUntil(seconds(*at)?),
            Self::Press { keys } => {
                Step::Press(Keys::parse(keys).context("keys that no telephone has")?)
            }
            Self::Say { tone, dbm0, file, repeat } => Step::Say(audio(
                (*tone, *dbm0),
                file.as_deref().map(|file| folder.join(file)),
                *repeat,
            )?),
            Self::Silence {} => Step::Say(Audio::Silence),
            Self::Nothing {} => Step::Say(Audio::Nothing),
            Self::Mark { name } => Step::Mark(name.clone()),
            Self::AwaitMark { name, within } => Step::AwaitMark(name.clone(), time(*within)?),
            Self::AwaitRinging { within } => Step::AwaitRinging(time(*within)?),
            Self::AwaitAnswer { within } => Step::AwaitAnswer(time(*within)?),
            Self::AwaitIncoming { within } => Step::AwaitIncoming(time(*within)?),
            Self::AwaitEnd { within } => Step::AwaitEnd(time(*within)?),
            Self::AwaitTone { hz, within } => Step::AwaitSound(Sound::Tone(*hz), time(*within)?),
            Self::AwaitSound { within } => Step::AwaitSound(Sound::Any, time(*within)?),
            Self::AwaitSilence { within } => Step::AwaitSilence(time(*within)?),
            Self::AwaitPrompt { file, within } => Step::AwaitPrompt {
                name: file.display().to_string(),
                prompt: Prompt::new(&read_sound(&folder.join(file))?),
                within: time(*within)?,
            },
            Self::ExpectTone { hz, present, from, to, r#for } => {
                Step::Expect(Sound::Tone(*hz), presence(*present), window(*from, *to, *r#for)?)
            }
            Self::ExpectSound { present, from, to, r#for } => {
                Step::Expect(Sound::Any, presence(*present), window(*from, *to, *r#for)?)
            }
            Self::ExpectStatus { status } => Step::ExpectStatus(*status),
            Self::ExpectEnding { by } => Step::ExpectEnding(by.meaning()),
            Self::ExpectUp {} => Step::ExpectUp,
        })
    }
}

impl EndingStory {
    fn meaning(self) -> Ending {
        match self {
            Self::ByUs => Ending::ByUs,
            Self::ByThem => Ending::ByThem,
            Self::Cancelled => Ending::Cancelled,
            Self::TimedOut => Ending::TimedOut,
            Self::NoAck => Ending::NoAck,
            Self::Vanished => Ending::Vanished,
        }
    }
}

fn audio(tone: (Option<f64>, Option<f64>), file: Option<PathBuf>, repeat: bool) -> Result<Audio> {
    match (tone, file) {
        ((Some(hz), dbm0), None) => Ok(Audio::Tone { hz, dbm0: dbm0.unwrap_or(-18.0) }),
        ((None, None), Some(file)) => {
            let samples = read_sound(&file)?.into();
            Ok(if repeat { Audio::Loop(samples) } else { Audio::Samples(samples) })
        }
        ((None | Some(_), None | Some(_)), None | Some(_)) => {
            bail!("say needs either tone (with dbm0) or file (with repeat)")
        }
    }
}

fn presence(present: Option<bool>) -> Presence {
    if present.unwrap_or(true) { Presence::Present } else { Presence::Absent }
}

fn window(from: Option<f64>, to: Option<f64>, next: Option<f64>) -> Result<Window> {
    match (from, to, next) {
        (Some(from), Some(to), None) if from < to => {
            Ok(Window::Between(seconds(from)?, seconds(to)?))
        }
        (None, None, Some(time)) if time > 0.0 => Ok(Window::Next(seconds(time)?)),
        (None | Some(_), None | Some(_), None | Some(_)) => {
            bail!("a window is either from and to (since the start) or for (from here on)")
        }
    }
}

fn time(within: Option<f64>) -> Result<Duration> {
    seconds(within.unwrap_or(WITHIN))
}

pub(super) fn seconds(value: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(value).with_context(|| format!("{value} is no number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn story_of_the_documentation_is_understood() {
        let text = r#"{"name":"n","target":"127.0.0.1:5060","limit":60,"phones":[
            {"name":"anna","from":"+14165550101","to":"+18005550100","address":"127.0.0.2",
             "start":0.5,"codec":"pcma","digits":"info","on_ms":80,"gap_ms":80,"offer":"late",
             "faults":["no_ack"],"headers":{"P-Asserted-Identity":"<sip:+14165550101@x>"},
             "steps":[{"do":"call"},{"do":"await_answer","within":5},{"do":"press","keys":"1234#"},
                      {"do":"say","tone":440},{"do":"expect_tone","hz":880,"for":2},
                      {"do":"expect_tone","hz":990,"present":false,"from":3,"to":4},
                      {"do":"hang_up"},{"do":"expect_ending","by":"by_us"}]},
            {"name":"ben","sip_port":5070,"answering":{"reject":{"after":1,"status":486}}},
            {"name":"carl","answering":{"after":0.2}},{"name":"dora","answering":"ring"}]}"#;
        let story = Story::parse(text).unwrap();
        let script = story.phones[0].script(Path::new(".")).unwrap();
        assert_eq!(script.steps().len(), 9);
        assert_eq!(script.steps()[6].to_string(), "lacks 990 Hz from 3s to 4s");
    }

    #[test]
    fn mistakes_are_refused_where_they_stand() {
        let story = |step: &str| {
            let text = format!(r#"{{"phones":[{{"name":"anna","steps":[{step}]}}]}}"#);
            Story::parse(&text).and_then(|story| story.phones[0].script(Path::new(".")))
        };
        for step in [
            r#"{"do":"dance"}"#,
            r#"{"do":"call","loudly":true}"#,
            r#"{"do":"wait","seconds":-1}"#,
            r#"{"do":"expect_tone","hz":440}"#,
            r#"{"do":"say","tone":440,"file":"x.wav"}"#,
            r#"{"do":"await_prompt","file":"/nowhere/x.wav"}"#,
        ] {
            assert!(story(step).is_err(), "{step}");
        }
        let error = story(r#"{"do":"press","keys":"12x"}"#).unwrap_err();
        assert_eq!(format!("{error:#}"), "phone anna, step 1: keys that no telephone has");
    }
}
