//! A stranger who knows the next port: his packets come in sequence before the caller's own, which
//! come 50 ms after the answer. How often the next port could be foretold is counted as well.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;

use super::scene::{self, Outcome, Scene};
use super::silent;
use crate::kit::ears::Voice;
use crate::kit::floor::{Ear, Floor, LineId};
use crate::kit::stream::Stream;
use crate::marks::Marks;
use crate::options::Options;
use crate::place::Place;

/// From the answer to the caller's first packet.
const LATE: Duration = Duration::from_millis(50);
/// The stranger goes on for so long.
const AFTER: Duration = Duration::from_millis(1500);
const PACKET: Duration = Duration::from_millis(20);
/// The share of next ports that may be foretold by adding two, in percent, and how many may at
/// least: of 500 pairs one is hit by chance now and then.
const FORETOLD_PERCENT: usize = 3;
const FORETOLD_LEAST: usize = 2;

/// Plays all tries and marks them.
pub(crate) fn run(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let (running, _stalls) = place.start()?;
    let numbers: Vec<usize> = (0..options.tries).collect();
    let (mut outcomes, mut ports) = (Vec::new(), Vec::new());
    for (turn, batch) in numbers.chunks(scene::AT_ONCE).enumerate() {
        outcomes.extend(attack(place, (turn, batch), &mut ports)?);
    }
    scene::judge(place, marks, "A3, packets before the caller's own", &outcomes)?;
    let steps = ports.windows(2).filter(|pair| pair[1] == pair[0].wrapping_add(2)).count();
    let allowed = (ports.len() * FORETOLD_PERCENT / 100).max(FORETOLD_LEAST);
    marks.mark(
        steps <= allowed && ports.len() >= options.tries,
        "A3: the next call's port is not the last one's plus two",
        format_args!("{steps} of {} could be foretold", ports.len().saturating_sub(1)),
    );
    running.kill()
}

fn attack(
    place: &Place,
    (turn, numbers): (usize, &[usize]),
    ports: &mut Vec<u16>,
) -> Result<Vec<(usize, Outcome)>> {
    let mut floor = Floor::new(place.bridge())?;
    let stranger = floor.ear(place.addresses.hijacker(turn))?;
    let mut scenes = Vec::new();
    for &number in numbers {
        let seat = floor.seat(place.addresses.lawful(number))?;
        let talker = floor.call(seat, scene::talker(place, number))?;
        let seat = floor.seat(place.addresses.phone(number))?;
        let mut person = scene::victim(place, number);
        person.speaks_after = Some(LATE);
        floor.run(LATE)?;
        let victim = floor.call(seat, person)?;
        if number % 4 >= 2 {
            // Without knowing anything: all ports, while the call is set up.
            silent::spray(place, &mut floor, stranger)?;
        }
        overtake(&mut floor, stranger, victim)?;
        let found = [talker, victim].map(|id| floor.line(id).remote.map(|at| at.port()));
        ports.extend(found.iter().flatten());
        scenes.push(Scene { number, victim, talker, outcome: Outcome::default() });
    }
    floor.run(scene::BEFORE_KEYS)?;
    scenes.iter().for_each(|scene| scene::enter(place, &mut floor, scene));
    let mut streams: Vec<_> =
        scenes.iter().map(|_| Stream::new(7 << 50, Some(Voice::Stranger))).collect();
    scene::check_ready(&mut floor, &mut scenes)?;
    let mut next = floor.now();
    floor.run_with(AFTER, |floor| {
        while next <= floor.now() {
            next += PACKET;
            scene::throw_at(floor, stranger, &scenes, &mut streams);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    scene::note_stranger(&floor, stranger, &mut scenes);
    scene::check_survival(&mut floor, &mut scenes)?;
    Ok(scenes.iter().map(|scene| (scene.number, scene.outcome)).collect())
}

/// Two packets in sequence as soon as the port is known, and a few more until the caller speaks.
fn overtake(floor: &mut Floor, stranger: Ear, victim: LineId) -> Result<()> {
    let mut stream = Stream::new(7 << 50, Some(Voice::Stranger));
    let mut thrown = 0;
    floor.run_with(scene::PATIENCE, |floor| {
        let line = floor.line(victim);
        let Some(to) = line.remote else {
            let refused = line.status.is_some();
            return Ok(if refused { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        };
        // All within a few milliseconds of the answer.
        if let Some(packet) = stream.next() {
            floor.throw(stranger, to, &packet);
        }
        thrown += 1;
        Ok(if thrown >= 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
}
