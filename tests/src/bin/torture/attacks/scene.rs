//! Two people in a room, one of whose legs is attacked, and what became of it.
//!
//! The victim is the moderator: in every other scene he is behind a NAT, so that what he signals is
//! unreachable and his sound comes from the address of his SIP, another port. The talker always is.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bridge_tests::real::checks::say;

use crate::kit::ears::Voice;
use crate::kit::floor::{Ear, Floor, LineId};
use crate::kit::line::{Line, Person};
use crate::kit::stream::Stream;
use crate::marks::Marks;
use crate::place::{DIAL_IN, Place};

/// Attacked at one time.
pub(crate) const AT_ONCE: usize = 20;
/// For callers to come in and to be heard, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// From the answer to the first key.
pub(crate) const BEFORE_KEYS: Duration = Duration::from_millis(1200);
/// Between two calls of a batch.
const APART: Duration = Duration::from_millis(40);
/// Most scenes that are named on the screen.
const NAMED: usize = 8;

/// One scene.
pub(crate) struct Scene {
    pub(crate) number: usize,
    pub(crate) victim: LineId,
    pub(crate) talker: LineId,
    pub(crate) outcome: Outcome,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Both were in the room, and heard each other: the caller behind a NAT too.
    pub(crate) ready: bool,
    /// RTP packets that the stranger got from this leg.
    pub(crate) listened: u64,
    /// The stranger was heard in the room.
    pub(crate) spoke: bool,
    /// The stranger's keys made the bridge call somebody.
    pub(crate) dialled: bool,
    /// The victim was heard, and heard the talker, when all was over.
    pub(crate) survived: bool,
}

impl Outcome {
    fn is_hijack(&self) -> bool {
        self.listened > 0 || self.spoke || self.dialled
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (!self.ready, "callers were not heard before the attack"),
            (self.spoke, "the stranger was heard in the room"),
            (self.dialled, "the stranger's *1 reached the trunk"),
            (!self.survived, "the caller was not heard afterwards, or heard nothing"),
        ];
        let said = words.iter().filter(|(wrong, _)| *wrong).map(|(_, word)| (*word).to_owned());
        let listened =
            (self.listened > 0).then(|| format!("the stranger got {} packets", self.listened));
        let said: Vec<String> = listened.into_iter().chain(said).collect();
        f.write_str(&if said.is_empty() { "well".to_owned() } else { said.join("; ") })
    }
}

/// Whether the victim of a scene is behind a NAT.
pub(crate) fn is_behind_nat(number: usize) -> bool {
    number % 2 == 1
}

/// The person of a scene who talks, behind a NAT.
pub(crate) fn talker(place: &Place, number: usize) -> Person {
    let mut person = Person::new(&format!("1416555{:04}", 1000 + number), DIAL_IN);
    person.private = Some(place.addresses.nowhere(number));
    person.voice = Some(Voice::Talker);
    person
}

/// The person of a scene whose leg is attacked.
pub(crate) fn victim(place: &Place, number: usize) -> Person {
    let mut person = Person::new(&format!("1416555{:04}", 2000 + number), DIAL_IN);
    person.private = is_behind_nat(number).then(|| place.addresses.nowhere(100 + number));
    person.voice = Some(Voice::Victim);
    person
}

/// The room's code for one of its two.
pub(crate) fn code(place: &Place, number: usize, moderator: bool) -> String {
    let codes = &place.rooms[number % AT_ONCE];
    format!("{}#", if moderator { &codes.moderator } else { &codes.participant })
}

/// Both call, key in their codes and hear each other.
pub(crate) fn gather(place: &Place, floor: &mut Floor, numbers: &[usize]) -> Result<Vec<Scene>> {
    let mut scenes = Vec::new();
    for &number in numbers {
        let seat = floor.seat(place.addresses.lawful(number))?;
        let talker = floor.call(seat, talker(place, number))?;
        let seat = floor.seat(place.addresses.phone(number))?;
        let victim = floor.call(seat, victim(place, number))?;
        scenes.push(Scene { number, victim, talker, outcome: Outcome::default() });
        floor.run(APART)?;
    }
    let all: Vec<_> = scenes.iter().flat_map(|scene| [scene.victim, scene.talker]).collect();
    floor.until(PATIENCE, |floor| all.iter().all(|&id| floor.line(id).status.is_some()))?;
    floor.run(BEFORE_KEYS)?;
    for scene in &scenes {
        enter(place, floor, scene);
    }
    check_ready(floor, &mut scenes)?;
    Ok(scenes)
}

/// Both key in their codes.
pub(crate) fn enter(place: &Place, floor: &mut Floor, scene: &Scene) {
    let (victim, talker) = (code(place, scene.number, true), code(place, scene.number, false));
    floor.with(scene.victim, |line, _| line.press(&victim));
    floor.with(scene.talker, |line, _| line.press(&talker));
}

/// Waits until all hear each other; notes who did.
pub(crate) fn check_ready(floor: &mut Floor, scenes: &mut [Scene]) -> Result<()> {
    floor.until(PATIENCE, |floor| scenes.iter().all(|scene| hear_each_other(floor, scene)))?;
    for scene in scenes {
        scene.outcome.ready = hear_each_other(floor, scene);
        forget(floor, scene);
    }
    Ok(())
}

/// Both begin to listen anew.
pub(crate) fn forget(floor: &mut Floor, scene: &Scene) {
    for id in [scene.victim, scene.talker] {
        floor.with(id, |line, _| line.ears.forget());
    }
}

fn hear_each_other(floor: &Floor, scene: &Scene) -> bool {
    floor.line(scene.victim).ears.heard(Voice::Talker)
        && floor.line(scene.talker).ears.heard(Voice::Victim)
}

/// The port of the victim's leg at the bridge.
pub(crate) fn port(floor: &Floor, scene: &Scene) -> Option<SocketAddr> {
    floor.line(scene.victim).remote
}

/// Sends what the next 20 ms of each stream hold, to the legs of the scenes.
pub(crate) fn throw_at(floor: &mut Floor, stranger: Ear, scenes: &[Scene], streams: &mut [Stream]) {
    for (scene, stream) in scenes.iter().zip(streams) {
        if let (Some(to), Some(packet)) = (port(floor, scene), stream.next()) {
            floor.throw(stranger, to, &packet);
        }
    }
}

/// What the stranger got and did.
pub(crate) fn note_stranger(floor: &Floor, stranger: Ear, scenes: &mut [Scene]) {
    for scene in scenes {
        let from = port(floor, scene).map(|port| port.port()).unwrap_or_default();
        scene.outcome.listened = floor.caught(stranger).rtp.get(&from).copied().unwrap_or_default();
        scene.outcome.spoke |= floor.line(scene.talker).ears.heard(Voice::Stranger);
    }
}

/// Waits until the victims and the talkers hear each other anew; notes it, and hangs up.
pub(crate) fn check_survival(floor: &mut Floor, scenes: &mut [Scene]) -> Result<()> {
    for scene in scenes.iter() {
        forget(floor, scene);
    }
    let patience = Duration::from_secs(10);
    let over = |floor: &Floor, scene: &Scene| {
        hear_each_other(floor, scene)
            || !floor.line(scene.victim).is_up()
            || !floor.line(scene.talker).is_up()
    };
    floor.until(patience, |floor| scenes.iter().all(|scene| over(floor, scene)))?;
    for scene in scenes.iter_mut() {
        scene.outcome.survived = hear_each_other(floor, scene);
    }
    for scene in scenes.iter() {
        floor.with(scene.victim, Line::hang_up);
        floor.with(scene.talker, Line::hang_up);
    }
    floor.until(Duration::from_secs(5), |floor| floor.alive() == 0)?;
    Ok(())
}

/// Marks all scenes of one attack.
pub(crate) fn judge(
    place: &Place,
    marks: &mut Marks,
    attack: &str,
    outcomes: &[(usize, Outcome)],
) -> Result<()> {
    outcomes.first().context("no scene was played")?;
    let told = outcomes.iter().map(|(number, outcome)| format!("try {number}: {outcome}\n"));
    place.write_outcomes(attack, &told.collect::<String>())?;
    let bad = |outcome: &Outcome| outcome.is_hijack() || !outcome.ready || !outcome.survived;
    let mut named = 0;
    for (number, outcome) in outcomes.iter().filter(|(_, outcome)| bad(outcome)) {
        named += 1;
        if named <= NAMED {
            let nat = if is_behind_nat(*number) { " (behind a NAT)" } else { "" };
            say(format_args!("  try {number}{nat}: {outcome}"));
        }
    }
    let count = |what: fn(&Outcome) -> bool| outcomes.iter().filter(|(_, o)| what(o)).count();
    let all = outcomes.len();
    marks.mark(
        count(Outcome::is_hijack) == 0,
        format_args!("{attack}: no leg is taken"),
        format_args!(
            "taken {} of {all} (listened {}, heard {}, dialled {})",
            count(Outcome::is_hijack),
            count(|o| o.listened > 0),
            count(|o| o.spoke),
            count(|o| o.dialled)
        ),
    );
    marks.mark(
        count(|o| !o.ready || !o.survived) == 0,
        format_args!("{attack}: each caller is heard before and after, behind a NAT too"),
        format_args!("before {} of {all}, after {}", count(|o| o.ready), count(|o| o.survived)),
    );
    Ok(())
}
