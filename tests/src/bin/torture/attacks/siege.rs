//! Connections that stay silent, and TLS handshakes that are left half done, from strangers and from
//! phones of a trunk, while calls run and others come and go.

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::checks::say;

use super::flood::memory;
use crate::kit::crowd::{Arrivals, Crowd};
use crate::kit::floor::Floor;
use crate::kit::siege::{Plan, Siege, hello};
use crate::marks::{Marks, Outcome};
use crate::options::Options;
use crate::place::Place;

/// Connections in a second, and for how long: 20,000 of each kind, or 2,000.
const A_SECOND: u32 = 1_000;
const A_SECOND_QUICK: u32 = 500;
const SECONDS: u64 = 20;
const SECONDS_QUICK: u64 = 4;
/// Networks of strangers.
const NETWORKS: usize = 4_000;
/// Addresses of the trunk's phones that take part.
const PHONES: usize = 32;
/// Lawful calls in a second.
const LAWFUL: u32 = 10;
/// Calls that run.
const RUNNING: usize = 100;
const RUNNING_QUICK: usize = 10;

/// One siege.
struct Wave {
    attack: &'static str,
    sources: Vec<IpAddr>,
    bridge: SocketAddr,
    says: Vec<u8>,
}

/// Plays all and marks them.
pub(crate) fn run(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let strangers: Vec<_> = (0..NETWORKS).map(|n| place.addresses.far_stranger(n)).collect();
    let phones: Vec<_> = (0..PHONES).map(|n| place.addresses.insider(n)).collect();
    let everybody = strangers.iter().step_by(NETWORKS / PHONES).chain(&phones).copied().collect();
    let waves = [
        Wave {
            attack: "strangers' silent connections",
            sources: strangers,
            bridge: place.bridge(),
            says: Vec::new(),
        },
        Wave {
            attack: "silent connections of a trunk's phones",
            sources: phones,
            bridge: place.tls,
            says: Vec::new(),
        },
        Wave {
            attack: "TLS handshakes half done",
            sources: everybody,
            bridge: place.tls,
            says: hello()?,
        },
    ];
    waves.into_iter().try_for_each(|wave| one(place, options, marks, wave))
}

fn one(place: &Place, options: &Options, marks: &mut Marks, wave: Wave) -> Result<()> {
    let Wave { attack, sources, bridge, says } = wave;
    let (a_second, seconds, people) = match options.quick {
        true => (A_SECOND_QUICK, SECONDS_QUICK, RUNNING_QUICK),
        false => (A_SECOND, SECONDS, RUNNING),
    };
    let time = Duration::from_secs(seconds);
    let (running, mut stalls) = place.start()?;
    let mut floor = Floor::new(place.bridge())?;
    let mut crowd = Crowd::gather(place, &mut floor, people)?;
    let deaf = crowd.deaf(&floor);
    marks.mark(deaf == 0, format_args!("{attack}: the calls are up before"), deaf);
    let mut lawful = Arrivals::new(place, &mut floor, LAWFUL)?;
    crowd.begin(&mut floor);
    stalls.take();
    let siege = Siege::start(Plan { sources, bridge, a_second, time, says })?;
    floor.run_with(time + Duration::from_secs(2), |floor| {
        lawful.tick(place, floor)?;
        Ok(if siege.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let opened = siege.stop()?;
    let stall = stalls.take();
    say(format_args!(
        "{attack}: {} connections ({:.0} a second), {} ended by the bridge, {} answered, {} held \
         at the most; {stall}",
        opened.tries,
        opened.a_second(),
        opened.ended,
        opened.answered,
        opened.held,
    ));
    let asked = f64::from(a_second);
    marks.timed(
        Outcome::of(opened.a_second() >= asked * 0.9, opened.a_second() >= asked * 0.5),
        &stall,
        format_args!("{attack}: as many as there should be"),
        format_args!("{:.0} of {asked:.0} a second", opened.a_second()),
    );
    lawful.judge((place, &mut floor), marks, &stall, attack)?;
    crowd.judge((place, &mut floor), marks, &stall, attack)?;
    memory(&running, marks, attack);
    drop(stalls);
    running.kill()
}
