//! Small things: requests of a dialog from where it is not, half-open HTTP requests, and `*1` to
//! the bridge's own number.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Result;
use bridge_tests::real::wire;

use super::scene::{self, Scene};
use crate::kit::floor::{Ear, Floor};
use crate::marks::Marks;
use crate::options::Options;
use crate::place::{DIAL_IN, DIAL_OUT, Place};

/// Calls that a stranger knows everything of.
const CALLS: usize = 4;
/// Half-open requests, and how long they may stay.
const HALF_OPEN: usize = 200;
const HALF_OPEN_END: Duration = Duration::from_secs(40);
/// What is keyed by a stranger's INFO.
const FORGED_NUMBER: &str = "5553999";

/// Plays them and marks them.
pub(crate) fn run(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let (running, _stalls) = place.start()?;
    let half_open = half_open(place)?;
    let mut floor = Floor::new(place.bridge())?;
    let trunk = floor.ear_at(place.carrier_port())?;
    let stranger = floor.ear(place.addresses.stranger(90))?;
    let numbers: Vec<usize> = (0..CALLS).collect();
    let mut scenes = scene::gather(place, &mut floor, &numbers)?;
    own_number(&mut floor, trunk, &scenes[0], marks)?;
    let attacked = &mut scenes[1..];
    forge(&mut floor, stranger, attacked)?;
    scene::note_stranger(&floor, stranger, attacked);
    let dialled = floor.caught(trunk).invites.iter().any(|uri| uri.contains(FORGED_NUMBER));
    for scene in attacked.iter_mut() {
        scene.outcome.dialled = dialled;
    }
    // The octets of a leg that was moved here come from a port that is nobody else's.
    let got = floor.caught(stranger).rtp.values().sum::<u64>();
    scene::check_survival(&mut floor, attacked)?;
    let outcomes: Vec<_> = attacked.iter().map(|scene| (scene.number, scene.outcome)).collect();
    scene::judge(place, marks, "A10, BYE, INFO and re-INVITE from elsewhere", &outcomes)?;
    marks.mark(got == 0, "A10: no sound is moved to a stranger", format_args!("{got} packets"));
    judge_half_open(place, options, marks, half_open)?;
    running.kill()
}

/// INFO with `*1` and a number, a re-INVITE that moves the sound, and a BYE, each as the victim
/// would send it, from an address of no trunk.
fn forge(floor: &mut Floor, stranger: Ear, scenes: &[Scene]) -> Result<()> {
    let to = floor.ear_address(stranger)?;
    let moved = wire::offer(to, 9);
    for key in format!("*1{DIAL_OUT}{FORGED_NUMBER}#").chars() {
        let body = format!("Signal={key}\r\nDuration=100\r\n");
        forge_each(floor, stranger, scenes, ("INFO", "application/dtmf-relay", &body))?;
        floor.run(Duration::from_millis(if key == '1' { 300 } else { 100 }))?;
    }
    forge_each(floor, stranger, scenes, ("INVITE", "application/sdp", &moved))?;
    floor.run(Duration::from_millis(800))?;
    forge_each(floor, stranger, scenes, ("BYE", "", ""))?;
    floor.run(Duration::from_millis(800))
}

fn forge_each(
    floor: &mut Floor,
    stranger: Ear,
    scenes: &[Scene],
    (method, kind, body): (&str, &str, &str),
) -> Result<()> {
    for scene in scenes {
        let body = (!kind.is_empty()).then_some((kind, body));
        let bytes = floor.with(scene.victim, |line, _| line.forged(method, body));
        let bridge = floor.line(scene.victim).bridge();
        floor.throw(stranger, bridge, &bytes);
    }
    Ok(())
}

/// The moderator of a room calls the bridge by the bridge.
fn own_number(floor: &mut Floor, trunk: Ear, scene: &Scene, marks: &mut Marks) -> Result<()> {
    floor.with(scene.victim, |line, _| line.press("*1"));
    floor.run(Duration::from_secs(2))?;
    floor.with(scene.victim, |line, _| line.press(&format!("{DIAL_IN}#")));
    floor.run(Duration::from_secs(5))?;
    let out = floor.caught(trunk).invites.iter().filter(|uri| uri.contains(DIAL_IN)).count();
    marks.mark(
        out == 0 && floor.line(scene.victim).is_up(),
        "A10: *1 to the bridge's own number calls nobody, and the moderator stays",
        format_args!("{out} INVITEs, moderator {:?}", floor.line(scene.victim).stage),
    );
    for id in [scene.victim, scene.talker] {
        floor.with(id, crate::kit::line::Line::hang_up);
    }
    Ok(())
}

/// Connections on which half a request was sent, and when.
fn half_open(place: &Place) -> Result<(Instant, Vec<TcpStream>)> {
    let mut all = Vec::new();
    for _ in 0..HALF_OPEN {
        let mut stream = TcpStream::connect(place.setup.http())?;
        stream.write_all(b"GET /metr")?;
        stream.set_nonblocking(true)?;
        all.push(stream);
    }
    Ok((Instant::now(), all))
}

fn judge_half_open(
    place: &Place,
    options: &Options,
    marks: &mut Marks,
    (began, mut streams): (Instant, Vec<TcpStream>),
) -> Result<()> {
    let answers = place.setup.metrics().is_ok();
    marks.mark(answers, "A10: metrics are shown beside half-open requests", streams.len());
    if options.quick {
        return Ok(());
    }
    while began.elapsed() < HALF_OPEN_END && !streams.is_empty() {
        std::thread::sleep(Duration::from_millis(250));
        streams.retain_mut(|stream| {
            let mut buffer = [0; 512];
            match stream.read(&mut buffer) {
                // An answer such as 408 may come before the end.
                Ok(length) => length > 0,
                Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            }
        });
    }
    marks.mark(
        streams.is_empty(),
        "A10: half-open HTTP requests are ended",
        format_args!(
            "{} of {HALF_OPEN} open after {:.0} s",
            streams.len(),
            began.elapsed().as_secs_f64()
        ),
    );
    Ok(())
}
