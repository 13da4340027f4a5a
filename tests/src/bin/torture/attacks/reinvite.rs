//! The caller talks and renews his call with an unchanged address; a stranger sends 50 packets a
//! second to the leg all the while.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;

use super::scene::{self, Outcome};
use crate::kit::ears::Voice;
use crate::kit::floor::Floor;
use crate::kit::line::Line;
use crate::kit::stream::Stream;
use crate::marks::Marks;
use crate::options::Options;
use crate::place::Place;

/// The stranger is there so long before the re-INVITE, and after it.
const BEFORE: Duration = Duration::from_millis(300);
const AFTER: Duration = Duration::from_millis(2700);
const PACKET: Duration = Duration::from_millis(20);
/// Half-way between two packets of the caller.
const SHIFT: Duration = Duration::from_millis(10);

/// Plays all tries and marks them.
pub(crate) fn run(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let (running, _stalls) = place.start()?;
    let numbers: Vec<usize> = (0..options.tries).collect();
    let (mut outcomes, mut accepted) = (Vec::new(), 0);
    for (turn, batch) in numbers.chunks(scene::AT_ONCE).enumerate() {
        let (played, accepting) = attack(place, (turn, batch))?;
        outcomes.extend(played);
        accepted += accepting;
    }
    scene::judge(place, marks, "A2, a re-INVITE that changes nothing", &outcomes)?;
    marks.mark(
        accepted == numbers.len(),
        "A2: each re-INVITE is answered 200",
        format_args!("{accepted} of {}", numbers.len()),
    );
    running.kill()
}

fn attack(
    place: &Place,
    (turn, numbers): (usize, &[usize]),
) -> Result<(Vec<(usize, Outcome)>, usize)> {
    let mut floor = Floor::new(place.bridge())?;
    let stranger = floor.ear(place.addresses.hijacker(turn))?;
    let mut scenes = scene::gather(place, &mut floor, numbers)?;
    let voice =
        |number: usize| u64::try_from(number).map(|n| Stream::new(n << 40, Some(Voice::Stranger)));
    let mut streams = numbers.iter().map(|&n| voice(n)).collect::<Result<Vec<_>, _>>()?;
    for (time, renew) in [(BEFORE, false), (AFTER, true)] {
        for scene in scenes.iter().filter(|_| renew) {
            floor.with(scene.victim, Line::reinvite);
        }
        let mut next = floor.now() + SHIFT;
        floor.run_with(time, |floor| {
            while next <= floor.now() {
                next += PACKET;
                scene::throw_at(floor, stranger, &scenes, &mut streams);
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    scene::note_stranger(&floor, stranger, &mut scenes);
    let accepted = scenes.iter().filter(|s| floor.line(s.victim).reinvited == Some(200)).count();
    scene::check_survival(&mut floor, &mut scenes)?;
    Ok((scenes.iter().map(|scene| (scene.number, scene.outcome)).collect(), accepted))
}
