//! A muted moderator who sends nothing for more than two seconds: a stranger sprays two packets a
//! port, speaks on, and keys `*1` and a number.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;

use super::scene::{self, Outcome, Scene};
use crate::kit::ears::Voice;
use crate::kit::floor::{Ear, Floor};
use crate::kit::stream::Stream;
use crate::marks::Marks;
use crate::options::Options;
use crate::place::{DIAL_OUT, PORTS, Place};

/// The victim is silent for so long before the attack.
const SILENCE: Duration = Duration::from_millis(2300);
/// The stranger speaks for so long, and waits so long between his orders.
const SPEECH: Duration = Duration::from_millis(1500);
const PROMPT: Duration = Duration::from_millis(1500);
/// Eleven digits and the pound sign, and for the call to reach the trunk.
const NUMBER: Duration = Duration::from_millis(4600);
/// Ports that are sprayed in one go, of a millisecond or two.
const VOLLEY: usize = 50;
const PACKET: Duration = Duration::from_millis(20);

/// Plays all tries and marks them.
pub(crate) fn run(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let (running, _stalls) = place.start()?;
    let numbers: Vec<usize> = (0..options.tries).collect();
    let mut outcomes = Vec::new();
    for (turn, batch) in numbers.chunks(scene::AT_ONCE).enumerate() {
        outcomes.extend(attack(place, (turn, batch))?);
    }
    scene::judge(place, marks, "A1, a silent caller's leg", &outcomes)?;
    running.kill()
}

fn attack(place: &Place, (turn, numbers): (usize, &[usize])) -> Result<Vec<(usize, Outcome)>> {
    let mut floor = Floor::new(place.bridge())?;
    let trunk = floor.ear_at(place.carrier_port())?;
    let stranger = floor.ear(place.addresses.hijacker(turn))?;
    let mut scenes = scene::gather(place, &mut floor, numbers)?;
    for scene in &scenes {
        floor.with(scene.victim, |line, now| line.speak(now, false));
    }
    floor.run(SILENCE)?;
    spray(place, &mut floor, stranger)?;
    let voice =
        |number: usize| u64::try_from(number).map(|n| Stream::new(n << 40, Some(Voice::Stranger)));
    let mut streams = numbers.iter().map(|&n| voice(n)).collect::<Result<Vec<_>, _>>()?;
    go_on(&mut floor, stranger, &scenes, &mut streams, SPEECH)?;
    scene::note_stranger(&floor, stranger, &mut scenes);
    streams.iter_mut().for_each(|stream| stream.press("*1"));
    go_on(&mut floor, stranger, &scenes, &mut streams, PROMPT)?;
    for (scene, stream) in scenes.iter().zip(&mut streams) {
        stream.press(&format!("{}#", number_of(scene)));
    }
    go_on(&mut floor, stranger, &scenes, &mut streams, NUMBER)?;
    scene::note_stranger(&floor, stranger, &mut scenes);
    for scene in &mut scenes {
        let number = number_of(scene);
        let invites = &floor.caught(trunk).invites;
        scene.outcome.dialled = invites.iter().any(|uri| uri.contains(&number));
        floor.with(scene.victim, |line, now| line.speak(now, true));
    }
    scene::check_survival(&mut floor, &mut scenes)?;
    Ok(scenes.iter().map(|scene| (scene.number, scene.outcome)).collect())
}

/// What the stranger dials in a scene: nobody else does.
fn number_of(scene: &Scene) -> String {
    format!("{DIAL_OUT}555{:04}", 3000 + scene.number)
}

/// Two packets in sequence to every RTP port of the bridge, and one to every RTCP port.
pub(crate) fn spray(place: &Place, floor: &mut Floor, stranger: Ear) -> Result<()> {
    let ports: Vec<u16> = (PORTS.0..=PORTS.1).step_by(2).collect();
    let ip = place.bridge().ip();
    for volley in ports.chunks(VOLLEY) {
        for &port in volley {
            let mut stream = Stream::new(u64::from(port) << 30, Some(Voice::Stranger));
            for packet in [stream.next(), stream.next()].into_iter().flatten() {
                floor.throw(stranger, (ip, port).into(), &packet);
            }
            floor.throw(stranger, SocketAddr::new(ip, port + 1), &RECEIVER_REPORT);
        }
        floor.run(Duration::from_millis(5))?;
    }
    Ok(())
}

/// An empty receiver report (RFC 3550 §6.4.2) and a CNAME of no letters.
const RECEIVER_REPORT: [u8; 20] =
    [0x80, 201, 0, 1, 7, 7, 7, 7, 0x81, 202, 0, 2, 7, 7, 7, 7, 1, 0, 0, 0];

/// The streams go on for a while.
fn go_on(
    floor: &mut Floor,
    stranger: Ear,
    scenes: &[Scene],
    streams: &mut [Stream],
    time: Duration,
) -> Result<()> {
    let mut next = floor.now();
    floor.run_with(time, |floor| {
        while next <= floor.now() {
            next += PACKET;
            scene::throw_at(floor, stranger, scenes, streams);
        }
        Ok(ControlFlow::Continue(()))
    })
}
