//! Generated stories of one conference, played by the call flow and by [`super::model`] side by side.
//!
//! After each step both must have the same roster and roles, the same people in the same mix, the same
//! people heard, the same legs gone for the same reasons, and the same events in the same order. A story
//! that fails is shrunk to the steps that it takes; it can be written down, and read again.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use partyline_cdr_record::{CloseReason, FeatureCode};
use partyline_model::Role;

use super::dice::Dice;
use super::model::{Model, Rules, Who};
use stage::Stage;

pub mod stage;

/// Callers at one time.
const SLOTS: u8 = 7;
/// Those of them that moderators take.
const LEADERS: u8 = 2;
/// So that no command is taken for the one before.
const BETWEEN: u64 = 600;
/// What moderators press, with the answers that belong to it.
const LEADING: [&[&str]; 27] = [
    &["*2"],
    &["*2"],
    &["*3", "4"],
    &["*3", "0"],
    &["*4", "1"],
    &["*4"],
    &["*5"],
    &["*5"],
    &["*6"],
    &["*7"],
    &["*8", "2"],
    &["*8", "3", "2", "3", "2"],
    &["*8", "1"],
    &["*8", "4", "4", "#"],
    &["*91"],
    &["*92", SECURITY, SECURITY],
    &["*92", "*"],
    &["*93"],
    &["*94"],
    &["*95"],
    &["*96"],
    &["*97", "1"],
    &["*98", "*98"],
    &["*99", "1"],
    &["*#"],
    &["**"],
    &["*"],
];
/// What others press: their own codes, answers at the door, and what they may not.
const FOLLOWING: [&[&str]; 18] = [
    &["*5"],
    &["*5"],
    &["*9"],
    &["*6"],
    &["*6"],
    &["*8"],
    &["1"],
    &["1"],
    &["1"],
    &["2"],
    &[SECURITY],
    &[SECURITY],
    &["*3", MODERATOR],
    &["*#"],
    &["**"],
    &["*1"],
    &["*4"],
    &["*7"],
];
/// What anybody presses at any time.
const STRAY: [&str; 14] =
    ["*", "#", "0", "1", "2", "3", "4", "*2", "*3", "*8", "*92", "*97", "*99", MODERATOR];
const MODERATOR: &str = "48291573#";
const PARTICIPANT: &str = "739164#";
const LISTENER: &str = "617283#";
const SECURITY: &str = "5073#";

/// One step of a story. Steps about a place that nobody has do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A caller comes in.
    Join(u8, Role),
    /// Keys are pressed, half a second after whatever was before; or at once.
    Keys(u8, &'static str, bool),
    /// A caller hangs up.
    Leave(u8),
    /// The network loses him: no answer, no transport, no media, silence.
    Lose(u8, u8),
    /// A telephone holds the conference, or comes back.
    Hold(u8, bool),
    /// Milliseconds pass.
    Wait(u32),
    /// The node dies, and another begins with what was written.
    Crash,
}

/// A conference and what happens in it.
#[derive(Clone, Debug)]
pub struct Story {
    /// How the conference is set up.
    pub rules: Rules,
    /// What happens.
    pub steps: Vec<Step>,
}

impl Story {
    /// The story of a seed; the same each time.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 11);
        let rules = Rules {
            waits: dice.chance(500),
            ends_with_moderator: dice.chance(600),
            most: if dice.chance(300) { 3 } else { 20 },
        };
        let count = 20 + usize::try_from(dice.below(60)).unwrap_or(0);
        let mut steps = Vec::new();
        while steps.len() < count {
            happen(&mut dice, &mut steps);
        }
        Self { rules, steps }
    }

    /// Plays it; the events that it left.
    ///
    /// # Errors
    /// What went wrong: the call flow and the model differ, or the call flow panics.
    pub fn play(&self) -> Result<BTreeSet<FeatureCode>, String> {
        let played = catch_unwind(AssertUnwindSafe(|| play(self)));
        played.unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("panics: {}", said.unwrap_or("without a word")))
        })
    }

    /// The shortest story that is left when steps are taken out as long as it still fails.
    #[must_use]
    pub fn shrunk(mut self) -> Self {
        let mut size = self.steps.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < self.steps.len() {
                let mut less = self.clone();
                less.steps.drain(at..(at + size).min(self.steps.len()));
                if less.play().is_err() {
                    self = less;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        self
    }
}

/// The next that happens. The first two places are mostly moderators'.
fn happen(dice: &mut Dice, steps: &mut Vec<Step>) {
    let slot = u8::try_from(dice.below(SLOTS.into())).unwrap_or(0);
    let slot = if dice.chance(300) { slot % LEADERS } else { slot };
    let leads = (slot < LEADERS) != dice.chance(150);
    match dice.below(100) {
        0..=15 => {
            let guest = if dice.chance(850) { Role::Participant } else { Role::Listener };
            steps.push(Step::Join(slot, if leads { Role::Moderator } else { guest }));
            // What may be asked of him.
            if !leads && dice.chance(700) {
                steps.push(Step::Keys(slot, pick(dice, &["1", "1", SECURITY, "2"]), false));
                steps.push(Step::Keys(slot, SECURITY, false));
            }
        }
        16..=19 => {
            // Somebody comes to a locked door, and a moderator looks who it is.
            let (leader, caller) = (slot % LEADERS, LEADERS + slot % 5);
            steps.push(Step::Keys(leader, "*7", false));
            steps.push(Step::Leave(caller));
            steps.push(Step::Join(caller, Role::Participant));
            steps.push(Step::Keys(caller, "1", false));
            steps.push(Step::Keys(leader, "*8", false));
            steps.push(Step::Keys(leader, pick(dice, &["1", "4", "3"]), false));
        }
        20..=67 => {
            let phrase = if leads { pick(dice, &LEADING) } else { pick(dice, &FOLLOWING) };
            for keys in phrase {
                steps.push(Step::Keys(slot, keys, dice.chance(80)));
            }
        }
        68..=74 => steps.push(Step::Keys(slot, pick(dice, &STRAY), dice.chance(300))),
        75..=78 => steps.push(Step::Leave(slot)),
        79..=80 => steps.push(Step::Lose(slot, u8::try_from(dice.below(4)).unwrap_or(0))),
        81..=83 => steps.push(Step::Hold(slot, dice.chance(600))),
        84 if dice.chance(250) => steps.push(Step::Crash),
        _ => {
            let most = pick(dice, &[900, 6_000, 6_000, 12_000, 40_000, 200_000, 1_300_000]);
            steps.push(Step::Wait(u32::try_from(1 + dice.below(most)).unwrap_or(1)));
        }
    }
}

fn pick<T: Copy>(dice: &mut Dice, from: &[T]) -> T {
    let at = dice.below(u64::try_from(from.len()).unwrap_or(1));
    from[usize::try_from(at).unwrap_or(0)]
}

/// The keys of a step that was written down.
fn keys(text: &str) -> Option<&'static str> {
    let phrases = LEADING.into_iter().chain(FOLLOWING).flatten().copied();
    phrases.chain(STRAY).find(|&keys| keys == text)
}

/// Both, side by side.
struct Pair {
    stage: Stage,
    model: Model,
    now: u64,
    slots: Vec<Who>,
    last: Who,
    seen: BTreeSet<FeatureCode>,
}

fn play(story: &Story) -> Result<BTreeSet<FeatureCode>, String> {
    let mut pair = Pair {
        stage: Stage::new(story.rules),
        model: Model::new(story.rules),
        now: 0,
        slots: vec![0; usize::from(SLOTS)],
        last: 0,
        seen: BTreeSet::new(),
    };
    pair.pass(1000);
    for (number, &step) in story.steps.iter().enumerate() {
        pair.take(step)?;
        pair.compare().map_err(|fault| format!("at step {number}, {step}: {fault}"))?;
    }
    for who in std::mem::take(&mut pair.slots) {
        pair.stage.leave(who, CloseReason::Normal);
        pair.model.leave(who, CloseReason::Normal);
    }
    pair.pass(5000);
    pair.compare().map_err(|fault| format!("at the end: {fault}"))?;
    if let Some(alarm) = pair.stage.alarms().first() {
        return Err(format!("nobody guesses: {alarm:?}"));
    }
    pair.stage.is_over()?;
    Ok(pair.seen)
}

impl Pair {
    fn pass(&mut self, millis: u64) {
        self.now += millis;
        self.stage.wait(self.now);
        self.model.wait(self.now);
    }

    fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Join(slot, role) => {
                if self.model.is_up(self.slots[usize::from(slot)]) {
                    return Ok(());
                }
                self.last += 1;
                let (who, code) = (self.last, passcode(role));
                self.slots[usize::from(slot)] = who;
                self.stage.call(who);
                self.pass(1000);
                self.stage.press(who, code);
                self.model.join(who, role);
            }
            Step::Keys(slot, keys, at_once) => {
                let who = self.slots[usize::from(slot)];
                if !at_once {
                    self.pass(BETWEEN);
                }
                if self.model.is_up(who) && !self.model.goes_too_far(who, keys) {
                    self.stage.press(who, keys);
                    self.model.press(who, keys);
                }
            }
            Step::Leave(slot) => self.leave(slot, CloseReason::Normal),
            Step::Lose(slot, how) => {
                let reasons = [
                    CloseReason::SessionTimer,
                    CloseReason::Transport,
                    CloseReason::NoMedia,
                    CloseReason::NoMedia,
                ];
                if how == 3 {
                    let who = self.slots[usize::from(slot)];
                    self.stage.fall_silent(who);
                    self.model.leave(who, CloseReason::NoMedia);
                } else {
                    self.leave(slot, reasons[usize::from(how) % 4]);
                }
            }
            Step::Hold(slot, held) => {
                let who = self.slots[usize::from(slot)];
                self.stage.hold(who, held);
                self.model.hold(who, held);
            }
            Step::Wait(millis) => self.pass(millis.into()),
            Step::Crash => {
                let lost = self.model.crash();
                self.stage.crash(&lost)?;
            }
        }
        Ok(())
    }

    fn leave(&mut self, slot: u8, reason: CloseReason) {
        let who = self.slots[usize::from(slot)];
        self.stage.leave(who, reason);
        self.model.leave(who, reason);
    }

    fn compare(&mut self) -> Result<(), String> {
        let events = self.stage.take_events();
        same("events", &events, &self.model.take_events())?;
        self.seen.extend(events.iter().map(|event| event.code));
        same("legs gone", &self.stage.take_gone(), &self.model.take_gone())?;
        let roster = self.model.roster();
        same("roster", &self.stage.roster(roster.first().map(|&(who, _)| who)), &roster)?;
        let places: Vec<_> = self.model.people().map(|(who, it)| (who, it.place)).collect();
        self.stage.is_apart_as(&places)?;
        for (who, _) in places {
            let (is, should) = (self.stage.is_heard(who), self.model.is_heard(who));
            if is != should {
                return Err(format!("caller {who} is heard: {is}, and should be: {should}"));
            }
        }
        Ok(())
    }
}

fn same<T: PartialEq + fmt::Debug>(what: &str, is: &T, should: &T) -> Result<(), String> {
    if is == should {
        return Ok(());
    }
    Err(format!("{what}\n  are     {is:?}\n  should  {should:?}"))
}

const fn passcode(role: Role) -> &'static str {
    match role {
        Role::Moderator => MODERATOR,
        Role::Participant => PARTICIPANT,
        Role::Listener => LISTENER,
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Moderator => "moderator",
        Role::Participant => "participant",
        Role::Listener => "listener",
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Join(slot, role) => write!(f, "join {slot} {}", role_name(role)),
            Self::Keys(slot, keys, false) => write!(f, "keys {slot} {keys}"),
            Self::Keys(slot, keys, true) => write!(f, "quick {slot} {keys}"),
            Self::Leave(slot) => write!(f, "leave {slot}"),
            Self::Lose(slot, how) => write!(f, "lose {slot} {how}"),
            Self::Hold(slot, held) => write!(f, "hold {slot} {held}"),
            Self::Wait(millis) => write!(f, "wait {millis}"),
            Self::Crash => write!(f, "crash"),
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rules { waits, ends_with_moderator, most } = self.rules;
        write!(f, "{waits} {ends_with_moderator} {most}")?;
        self.steps.iter().try_for_each(|step| write!(f, "; {step}"))
    }
}

impl FromStr for Story {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut parts = line.split(';').map(str::trim);
        let rules: Vec<&str> = parts.next().unwrap_or_default().split(' ').collect();
        let [waits, ends, most] = rules[..] else { return Err(format!("no rules: {line}")) };
        let rules = Rules {
            waits: waits == "true",
            ends_with_moderator: ends == "true",
            most: most.parse().map_err(|_| format!("no number: {most}"))?,
        };
        let steps = parts.map(read).collect::<Result<_, _>>()?;
        Ok(Self { rules, steps })
    }
}

fn read(step: &str) -> Result<Step, String> {
    let mut words = step.split(' ');
    let mut fault = String::new();
    write!(fault, "no step: {step}").unwrap_or_default();
    let name = words.next().unwrap_or_default();
    let first = words.next().unwrap_or("0");
    let second = words.next().unwrap_or_default();
    let slot = first.parse().map_or(0, |slot: u8| slot % SLOTS);
    let keys = keys(second);
    let step = match name {
        "join" => match second {
            "moderator" => Step::Join(slot, Role::Moderator),
            "participant" => Step::Join(slot, Role::Participant),
            "listener" => Step::Join(slot, Role::Listener),
            _ => return Err(fault),
        },
        "keys" | "quick" => Step::Keys(slot, keys.ok_or(fault)?, name == "quick"),
        "leave" => Step::Leave(slot),
        "lose" => Step::Lose(slot, second.parse().map_err(|_| fault)?),
        "hold" => Step::Hold(slot, second == "true"),
        "wait" => Step::Wait(first.parse().map_err(|_| fault)?),
        "crash" => Step::Crash,
        _ => return Err(fault),
    };
    Ok(step)
}
