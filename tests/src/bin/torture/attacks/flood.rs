//! Ten thousand requests a second, and hundreds of 50 KB, from strangers and then from one phone of
//! a trunk, while fifty calls run and others come and go.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::bridge::Running;
use bridge_tests::real::checks::say;

use crate::kit::crowd::{Arrivals, Crowd};
use crate::kit::flood::{Flood, Mix, Plan};
use crate::kit::floor::Floor;
use crate::marks::{Marks, Outcome};
use crate::options::Options;
use crate::place::Place;
use crate::stalls::peak_memory;

/// Requests in a second, and on a debug build's few seconds.
const A_SECOND: u32 = 10_000;
const A_SECOND_QUICK: u32 = 1_000;
/// INVITEs of 50 KB in a second.
const LARGE_A_SECOND: u32 = 300;
/// Strangers' addresses.
const STRANGERS: usize = 200;
/// Lawful calls in a second.
const LAWFUL: u32 = 10;
/// Calls that run.
const RUNNING: usize = 50;
const RUNNING_QUICK: usize = 10;
/// The most memory, in kilobytes.
const MOST_KILOBYTES: u64 = 200_000;

/// One flood.
struct Wave {
    attack: &'static str,
    sources: Vec<IpAddr>,
    mix: Mix,
    a_second: u32,
    seconds: u64,
}

/// Plays all and marks them.
pub(crate) fn run(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let strangers = || (0..STRANGERS).map(|n| place.addresses.stranger(n)).collect();
    let phone = || vec![place.addresses.insider(3)];
    let (a_second, seconds) = if options.quick { (A_SECOND_QUICK, 3) } else { (A_SECOND, 30) };
    let wave = |attack, sources| Wave { attack, sources, mix: Mix::Strange, a_second, seconds };
    let (mix, a_second, seconds) = (Mix::LargeInvites, LARGE_A_SECOND, 15);
    let large = |attack, sources| Wave { attack, sources, mix, a_second, seconds };
    let mut waves = vec![
        wave("A6, a flood of strangers", strangers()),
        wave("A8, a flood of one phone of a trunk", phone()),
    ];
    // What is kept of large ones shows after thousands only.
    if !options.quick {
        waves.push(large("A6, strangers' INVITEs of 50 KB", strangers()));
        waves.push(large("A8, INVITEs of 50 KB of one phone", phone()));
    }
    waves.into_iter().try_for_each(|wave| one(place, options, marks, wave))
}

fn one(place: &Place, options: &Options, marks: &mut Marks, wave: Wave) -> Result<()> {
    let Wave { attack, sources, mix, a_second, seconds } = wave;
    let time = Duration::from_secs(seconds);
    let (running, mut stalls) = place.start()?;
    let mut floor = Floor::new(place.bridge())?;
    let people = if options.quick { RUNNING_QUICK } else { RUNNING };
    let mut crowd = Crowd::gather(place, &mut floor, people)?;
    let deaf = crowd.deaf(&floor);
    marks.mark(deaf == 0, format_args!("{attack}: the calls are up before it"), deaf);
    let mut lawful = Arrivals::new(place, &mut floor, LAWFUL)?;
    crowd.begin(&mut floor);
    stalls.take();
    let (bridge, most) = (place.bridge(), u64::MAX);
    let flood = Flood::start(Plan { sources, bridge, a_second, time, most, mix })?;
    floor.run_with(time + Duration::from_secs(2), |floor| {
        lawful.tick(place, floor)?;
        Ok(if flood.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let sent = flood.stop()?;
    let stall = stalls.take();
    say(format_args!(
        "{attack}: {} requests ({:.0} a second, {} MB), {} answers ({} KB); {stall}",
        sent.requests,
        sent.a_second(),
        sent.octets / 1_000_000,
        sent.answers,
        sent.answer_octets / 1000,
    ));
    let asked = f64::from(a_second);
    marks.timed(
        Outcome::of(sent.a_second() >= asked * 0.9, sent.a_second() >= asked * 0.5),
        &stall,
        format_args!("{attack}: the flood was as great as it should be"),
        format_args!("{:.0} of {asked:.0} a second", sent.a_second()),
    );
    lawful.judge((place, &mut floor), marks, &stall, attack)?;
    crowd.judge((place, &mut floor), marks, &stall, attack)?;
    memory(&running, marks, attack);
    drop(stalls);
    running.kill()
}

/// Marks how much memory the bridge took.
pub(crate) fn memory(running: &Running, marks: &mut Marks, attack: &str) {
    let peak = peak_memory(running.id()).unwrap_or(u64::MAX);
    marks.mark(
        peak <= MOST_KILOBYTES,
        format_args!("{attack}: at most {} MB resident", MOST_KILOBYTES / 1000),
        format_args!("{} MB at the most", peak / 1000),
    );
}
