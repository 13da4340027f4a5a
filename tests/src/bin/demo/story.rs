//! The story: who does what and hears what, step by step.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::bridge::Passcodes;
use bridge_tests::real::cast::{Cast, Tale};
use bridge_tests::real::speech::{Speech, TALK};
use partyline_dialplan::Prompt;
use partyline_phones::udp::Line;
use partyline_phones::{
    Answering, Audio, Codec, DigitMode, Ending, Keys, PhoneId, Presence, Script, Sound, Step,
    Window,
};

/// For one prompt, and what may come before it.
const SOON: Duration = Duration::from_secs(15);
/// For what others must do first.
const LATER: Duration = Duration::from_secs(90);
const SECOND: Duration = Duration::from_secs(1);
/// For an answer to a key, where the key is pressed again without one: longer than a question that
/// one key answers stays open.
const PROMPTLY: Duration = Duration::from_secs(7);
/// Of what a busy machine may spoil. Three: `*6` pressed twice is where it was before.
const TRIES: u32 = 3;

/// The reference number that Ann gives.
pub(crate) const REFERENCE: &str = "4471";

/// A telephone number.
#[derive(Clone, Copy)]
pub(crate) struct Number(pub(crate) &'static str);

impl Number {
    /// Of the demonstration account.
    pub(crate) const DIAL_IN: Self = Self("18005550199");
    /// Dan's; nobody has it.
    pub(crate) const DAN: Self = Self("14165550123");
}

/// Each talker's tone in Hz, far from keys, chimes and each other.
pub(crate) struct Tones;

impl Tones {
    /// Ann.
    pub(crate) const ANN: f64 = 1105.0;
    /// Bo.
    pub(crate) const BO: f64 = 1775.0;
    /// Cy, while the line is open.
    pub(crate) const CY: f64 = 2155.0;
    /// Cy, while the line is muted.
    pub(crate) const CY_MUTED: f64 = 2545.0;
    /// Dan.
    pub(crate) const DAN: f64 = 2895.0;
}

/// One for each caller.
pub(crate) struct Four<T> {
    /// Leads the conference.
    pub(crate) ann: T,
    /// Takes part; keys as tones.
    pub(crate) bo: T,
    /// Takes part; keys by INFO; mutes.
    pub(crate) cy: T,
    /// Is called.
    pub(crate) dan: T,
}

/// The phones.
pub(crate) type Callers = Four<PhoneId>;

impl Callers {
    /// A line for each.
    pub(crate) fn lines(bind: impl Fn() -> Result<Line>) -> Result<Four<Line>> {
        Ok(Four { ann: bind()?, bo: bind()?, cy: bind()?, dan: bind()? })
    }

    /// Makes the phones.
    pub(crate) fn seat(cast: &mut Cast, lines: Four<Line>, bridge: SocketAddr) -> Result<Self> {
        let dial_in = || Number::DIAL_IN.0.to_owned();
        Ok(Self {
            ann: cast.add("Ann", lines.ann, bridge, |config| {
                config.to = dial_in();
                config.from = "+14165550101".to_owned();
            })?,
            bo: cast.add("Bo", lines.bo, bridge, |config| {
                config.to = dial_in();
                config.from = "+14165550102".to_owned();
                config.digit_mode = DigitMode::InBand;
            })?,
            cy: cast.add("Cy", lines.cy, bridge, |config| {
                config.to = dial_in();
                config.from = "+14165550103".to_owned();
                config.codec = Codec::Pcma;
                config.digit_mode = DigitMode::Info;
            })?,
            dan: cast.add("Dan", lines.dan, bridge, |config| {
                config.from = Number::DAN.0.to_owned();
                config.answering = Answering::After(SECOND);
            })?,
        })
    }

    /// Everyone, with names.
    pub(crate) fn all(&self) -> [(&'static str, PhoneId); 4] {
        [("Ann", self.ann), ("Bo", self.bo), ("Cy", self.cy), ("Dan", self.dan)]
    }

    /// Gives everyone their story.
    pub(crate) fn rehearse(&self, cast: &mut Cast, speech: &Speech, codes: &Passcodes) {
        cast.play(self.bo, bo(speech, codes));
        cast.play(self.cy, cy(speech, codes));
        cast.play(self.ann, ann(speech, codes));
        cast.play(self.dan, dan(speech));
    }
}

fn press(keys: &str) -> Step {
    Step::Press(Keys::dial(keys))
}

fn mark(name: &str) -> Step {
    Step::Mark(name.to_owned())
}

fn see(name: &str) -> Step {
    Step::AwaitMark(name.to_owned(), LATER)
}

fn tone(hz: f64) -> Step {
    Step::AwaitSound(Sound::Tone(hz), SOON)
}

fn lacks(hz: f64, time: Duration) -> Step {
    Step::Expect(Sound::Tone(hz), Presence::Absent, Window::Next(time))
}

/// Calls, keys in the passcode when asked, and waits with music.
fn come_and_wait(speech: &Speech, code: &str, at: Duration) -> Tale {
    Tale::new()
        .then(|script| script.then(Step::WaitUntil(at)).call().until_answered(SOON))
        .tell(
            "hears \"Please enter your passcode, followed by the pound sign.\"",
            speech.heard(Prompt::EnterPasscode, SOON),
        )
        .then(|script| script.then(press(&format!("{code}#"))))
        .tell(
            "hears \"The conference will begin when the moderator arrives.\"",
            speech.heard(Prompt::WaitingForModerator, SOON),
        )
        .then(|script| script.wait(speech.length(Prompt::WaitingForModerator)))
        .tell(
            "hears hold music",
            Step::Expect(Sound::Any, Presence::Present, Window::Next(2 * SECOND)),
        )
}

/// Hears that the conference begins and is recorded.
fn hear_the_start(tale: Tale, speech: &Speech) -> Tale {
    tale.tell(
        "hears a chime and \"Your conference is starting.\"",
        speech.heard(Prompt::ConferenceStarting, LATER),
    )
    .tell(
        "hears \"This conference is now being recorded.\"",
        speech.heard(Prompt::RecordingStarted, LATER),
    )
}

fn hear_the_end(tale: Tale, speech: &Speech) -> Tale {
    tale.tell(
        "hears \"The moderator has ended the conference. Goodbye.\"",
        speech.heard(Prompt::ConferenceEnded, LATER),
    )
    .then(|script| script.until_over(SOON).then(Step::ExpectEnding(Ending::ByThem)))
}

/// Talks for [`TALK`] and a little silence after it.
fn talk(script: Script, audio: Audio) -> Script {
    script.say(audio).wait(TALK + SECOND / 2).say(Audio::Silence)
}

/// Talks after `begun`, and again until somebody has seen to `heard`.
fn talk_until(tale: Tale, audio: &Audio, begun: &str, heard: &str) -> Tale {
    tale.again(TRIES, |tale| {
        tale.then(|script| {
            talk(script.then(mark(begun)), audio.clone())
                .then(Step::AwaitMark(heard.to_owned(), 2 * SECOND))
        })
    })
}

/// Presses keys until a question or an answer is heard.
fn press_until(tale: Tale, keys: &str, words: &str, heard: Step) -> Tale {
    tale.again(TRIES, |tale| tale.then(|script| script.then(press(keys))).tell(words, heard))
}

fn bo(speech: &Speech, codes: &Passcodes) -> Tale {
    let tale = come_and_wait(speech, &codes.participant, Duration::ZERO)
        .then(|script| script.then(mark("bo waits")));
    let tale = hear_the_start(tale, speech)
        .then(|script| script.then(see("ann talks")))
        .tell("hears Ann's voice", tone(Tones::ANN))
        .then(|script| script.then(mark("bo hears ann")).then(see("ann is done")));
    let words = speech.then_tone(Prompt::DrainNotice, Tones::BO);
    let tale = talk_until(tale, &words, "bo talks", "cy hears bo")
        .then(|script| script.then(mark("bo is done")).then(see("cy talks")))
        .tell("hears Cy's voice", tone(Tones::CY))
        .then(|script| script.then(mark("bo hears cy")).then(see("cy is muted")))
        .tell("does not hear Cy, who talks", lacks(Tones::CY_MUTED, TALK + SECOND / 2))
        .tell(
            "hears nothing at all meanwhile",
            Step::Expect(Sound::Any, Presence::Absent, Window::Last(TALK)),
        )
        .then(|script| script.then(see("in private")))
        .tell("does not hear Dan, who talks with Ann in private", lacks(Tones::DAN, SECOND))
        .then(|script| script.then(see("dan comes in")))
        .tell("hears Dan's voice in the conference", tone(Tones::DAN))
        .then(|script| script.wait(SECOND));
    let words = speech.then_tone(Prompt::DialAgain, Tones::BO);
    hear_the_end(talk_until(tale, &words, "bo answers", "dan hears bo"), speech)
}

fn cy(speech: &Speech, codes: &Passcodes) -> Tale {
    let tale = come_and_wait(speech, &codes.participant, SECOND)
        .then(|script| script.then(mark("cy waits")));
    let tale = hear_the_start(tale, speech)
        .then(|script| script.then(see("bo talks")))
        .tell("hears Bo's voice", tone(Tones::BO))
        .then(|script| script.then(mark("cy hears bo")).then(see("bo is done")));
    let words = speech.then_tone(Prompt::ThankYouForWaiting, Tones::CY);
    let tale = talk_until(tale, &words, "cy talks", "bo hears cy");
    let muted = speech.heard(Prompt::Muted, PROMPTLY);
    let tale = press_until(tale, "*6", "pressed *6 and hears \"Your line is muted.\"", muted).then(
        |script| {
            let script = script.wait(speech.length(Prompt::Muted)).then(mark("cy is muted"));
            talk(script, speech.then_tone(Prompt::RollCallKnocking, Tones::CY_MUTED))
        },
    );
    hear_the_end(tale, speech)
}

fn ann(speech: &Speech, codes: &Passcodes) -> Tale {
    let tale = Tale::new()
        .then(|script| {
            let script = script.then(see("bo waits")).then(see("cy waits"));
            script.call().until_answered(SOON).then(press(&format!("{}#", codes.moderator)))
        })
        .tell(
            "hears \"To add a reference number, enter it, then pound. ...\" and skips it",
            speech.heard(Prompt::EnterReferenceOrSkip, SOON),
        )
        .then(|script| script.then(press("#")).wait(4 * SECOND));
    let confirm = speech.heard(Prompt::RecordConfirm, PROMPTLY);
    let words = "pressed *4 and hears \"To start recording press 1.\"";
    let tale = press_until(tale, "*4", words, confirm)
        .then(|script| script.then(press("1")))
        .tell(
            "hears \"This conference is now being recorded.\"",
            speech.heard(Prompt::RecordingStarted, SOON),
        )
        .then(|script| script.wait(speech.length(Prompt::RecordingStarted)));
    let words = speech.then_tone(Prompt::RollCallKeys, Tones::ANN);
    let tale = talk_until(tale, &words, "ann talks", "bo hears ann")
        .then(|script| script.then(mark("ann is done")).then(see("cy is muted")))
        .tell("does not hear Cy, who talks", lacks(Tones::CY_MUTED, TALK + SECOND / 2));
    hear_the_end(end_it(give_reference(dial_out(tale, speech), speech), speech), speech)
}

/// `*1`: calls Dan, talks in private, brings both in.
fn dial_out(tale: Tale, speech: &Speech) -> Tale {
    tale.then(|script| script.then(press("*1")))
        .tell(
            "pressed *1 and hears \"Dial the number, then pound.\"",
            speech.heard(Prompt::DialNumber, SOON),
        )
        .then(|script| script.then(press(&format!("{}#", Number::DAN.0))))
        .tell(
            "hears \"To add the caller press star two. ...\"",
            speech.heard(Prompt::DialAddOrReturn, SOON),
        )
        .then(|script| script.then(mark("in private")))
        .tell("hears Dan's voice in private", tone(Tones::DAN))
        .then(|script| script.wait(SECOND).then(press("*2")))
        .tell(
            "pressed *2 and hears \"You are back in the conference.\"",
            speech.heard(Prompt::BackInConference, SOON),
        )
        .then(|script| script.then(mark("dan comes in")).then(see("dan is done")))
}

/// `*91`.
fn give_reference(tale: Tale, speech: &Speech) -> Tale {
    tale.then(|script| script.then(press("*91")))
        .tell(
            "pressed *91 and hears \"Enter your reference number, then pound.\"",
            speech.heard(Prompt::EnterReference, SOON),
        )
        .then(|script| script.then(press(&format!("{REFERENCE}#"))))
        .tell(
            "hears it read back, and \"To accept press 1, to re-enter press 2.\"",
            speech.heard(Prompt::AcceptOrReenter, SOON),
        )
        .then(|script| script.then(press("1")))
        .tell(
            "hears \"Your reference number is saved.\"",
            speech.heard(Prompt::ReferenceSaved, SOON),
        )
}

/// `*99`.
fn end_it(tale: Tale, speech: &Speech) -> Tale {
    let confirm = speech.heard(Prompt::EndConfirm, PROMPTLY);
    let words = "pressed *99 and hears \"To end the conference for everyone press 1.\"";
    press_until(tale.then(|script| script.wait(SECOND)), "*99", words, confirm)
        .then(|script| script.then(press("1")))
}

fn dan(speech: &Speech) -> Tale {
    let tale = Tale::new()
        .then(|script| script.then(Step::AwaitIncoming(LATER)).until_answered(SOON))
        .tell(
            "hears \"Please hold for your conference call.\"",
            speech.heard(Prompt::CalleeHold, SOON),
        )
        .then(|script| script.then(see("in private")).hum(Tones::DAN).then(see("dan comes in")))
        .tell(
            "hears \"This conference is being recorded.\"",
            speech.heard(Prompt::RecordingNotice, SOON),
        )
        .then(|script| script.then(see("bo answers")).say(Audio::Silence))
        .tell("hears Bo's voice in the conference", tone(Tones::BO))
        .then(|script| script.then(mark("dan hears bo")).wait(SECOND).then(mark("dan is done")));
    hear_the_end(tale, speech)
}
