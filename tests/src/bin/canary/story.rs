//! Who types the canary where.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use anyhow::{Result, ensure};
use bridge_tests::real::bridge::Passcodes;
use bridge_tests::real::cast::{Cast, Tale};
use bridge_tests::real::speech::Speech;
use partyline_dialplan::Prompt;
use partyline_phones::{Keys, PhoneId, Script, Step};

const SOON: Duration = Duration::from_secs(20);
const LATER: Duration = Duration::from_secs(100);
const SECOND: Duration = Duration::from_secs(1);

/// What is typed.
pub(crate) struct Typed {
    /// The security passcode: must be nowhere.
    pub(crate) canary: String,
    /// The reference number: must be found.
    pub(crate) control: String,
}

impl Typed {
    /// Ten digits each, of this run only.
    pub(crate) fn random() -> Result<Self> {
        // The standard library's hasher has a random key; nothing more is needed of it.
        let digits = |seed: u64| {
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u64(seed);
            format!("{:010}", hasher.finish() % 10_000_000_000)
        };
        let typed = Self { canary: digits(1), control: digits(2) };
        ensure!(typed.canary != typed.control, "run it again");
        Ok(typed)
    }
}

fn press(keys: &str) -> Step {
    Step::Press(Keys::dial(keys))
}

fn see(room: &str, what: &str) -> Step {
    Step::AwaitMark(format!("{room} {what}"), LATER)
}

fn mark(room: &str, what: &str) -> Step {
    Step::Mark(format!("{room} {what}"))
}

/// Whether some room asks for the canary from here on.
pub(crate) fn is_secured(cast: &Cast, phones: &[PhoneId]) -> bool {
    let outcomes = phones.iter().flat_map(|&id| cast.phone(id).outcomes());
    let set = Prompt::SecurityPasscodeOn.name();
    outcomes.filter(|outcome| outcome.met).any(|outcome| outcome.what.contains(set))
}

/// Records, gives the control as reference number, and sets the canary: first two that differ, then
/// two alike.
pub(crate) fn moderator(room: &str, speech: &Speech, codes: &Passcodes, typed: &Typed) -> Tale {
    let heard = |prompt| speech.heard(prompt, SOON);
    let (canary, control) = (format!("{}#", typed.canary), format!("{}#", typed.control));
    Tale::new().then(|script| {
        let script = script
            .call()
            .until_answered(SOON)
            .then(press(&format!("{}#", codes.moderator)))
            .then(heard(Prompt::EnterReferenceOrSkip))
            .then(press("#"))
            .wait(2 * SECOND)
            .then(press("*4"))
            .then(heard(Prompt::RecordConfirm))
            .then(press("1"))
            .then(heard(Prompt::RecordingStarted))
            .then(press("*91"))
            .then(heard(Prompt::EnterReference))
            .then(press(&control))
            .then(heard(Prompt::YouEntered))
            .then(press("1"))
            .wait(SECOND);
        set(script, speech, &canary)
            .then(mark(room, "is secured"))
            .then(see(room, "guest is done"))
            .then(see(room, "hasty is done"))
            .then(press("*99"))
            .then(heard(Prompt::EndConfirm))
            .then(press("1"))
            .until_over(SOON)
    })
}

fn set(script: Script, speech: &Speech, canary: &str) -> Script {
    let heard = |prompt| speech.heard(prompt, SOON);
    let wrong: String = canary.chars().rev().filter(|&c| c != '#').chain(['#']).collect();
    script
        .then(press("*92"))
        .then(heard(Prompt::EnterNewSecurityPasscode))
        .then(press(canary))
        .then(heard(Prompt::EnterSecurityPasscodeAgain))
        .then(press(&wrong))
        .then(heard(Prompt::SecurityPasscodesDiffer))
        .then(press(canary))
        .then(heard(Prompt::EnterSecurityPasscodeAgain))
        .then(press(canary))
        .then(heard(Prompt::SecurityPasscodeOn))
}

/// Types the canary at every prompt: at the passcode's, where it is wrong, at the security
/// passcode's, first wrong and then right, and in the room, where nobody asked.
pub(crate) fn guest(room: &str, speech: &Speech, codes: &Passcodes, typed: &Typed) -> Tale {
    let heard = |prompt| speech.heard(prompt, SOON);
    let canary = format!("{}#", typed.canary);
    Tale::new().then(|script| {
        script
            .then(see(room, "is secured"))
            .call()
            .until_answered(SOON)
            .then(heard(Prompt::EnterPasscode))
            .then(press(&canary))
            .then(heard(Prompt::PasscodeInvalid))
            .then(press(&format!("{}#", codes.participant)))
            .then(heard(Prompt::EnterSecurityPasscode))
            .then(press(&format!("1{canary}")))
            .then(heard(Prompt::SecurityPasscodeWrongTryAgain))
            .then(press(&canary))
            .then(heard(Prompt::RecordingNotice))
            .wait(4 * SECOND)
            .then(press(&typed.canary))
            .wait(SECOND)
            .then(press("*6"))
            .then(heard(Prompt::Muted))
            .then(mark(room, "guest is done"))
            .until_over(LATER)
    })
}

/// Types everything before it is asked for anything.
pub(crate) fn hasty(room: &str, codes: &Passcodes, typed: &Typed) -> Tale {
    let keys = format!("{}#{}#", codes.participant, typed.canary);
    Tale::new().then(|script| {
        script
            .then(see(room, "is secured"))
            .call()
            .until_answered(SOON)
            .then(press(&keys))
            .wait(6 * SECOND)
            .then(Step::ExpectUp)
            .then(mark(room, "hasty is done"))
            .until_over(LATER)
    })
}
