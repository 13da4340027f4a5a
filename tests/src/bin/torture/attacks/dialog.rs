//! What one caller of a trunk can do to the others: re-INVITEs without end on one call, INVITEs
//! without ACK that hold ports, and OPTIONS of 50 KB.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::checks::say;
use bridge_tests::real::wire;

use crate::kit::crowd::Arrivals;
use crate::kit::flood::{Flood, Mix, Plan};
use crate::kit::floor::Floor;
use crate::kit::line::{Line, Person};
use crate::marks::Marks;
use crate::options::Options;
use crate::place::{DIAL_IN, Place};
use crate::stalls::{Stalls, memory_now, peak_memory};

/// Lawful calls in a second.
const LAWFUL: u32 = 10;
/// Re-INVITEs in all, and in a second.
const REINVITES: u32 = 42_000;
const A_SECOND: u32 = 5_000;
/// INVITEs without ACK: more than there are ports, while the bridge waits for each ACK.
const UNACKNOWLEDGED: usize = 900;
const UNACKNOWLEDGED_EVERY: Duration = Duration::from_millis(15);
/// OPTIONS of 50 KB, and how much memory they may take, in kilobytes.
const OPTIONS_REQUESTS: u64 = 2_261;
const MOST_KILOBYTES: u64 = 40_000;

/// Plays them, each on a bridge that has just started, and marks them.
pub(crate) fn run(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let share = if options.quick { 10 } else { 1 };
    let (running, mut stalls) = place.start()?;
    reinvites(place, REINVITES / share, (marks, &mut stalls))?;
    running.kill()?;
    let (running, mut stalls) = place.start()?;
    let calls = if options.quick { 150 } else { UNACKNOWLEDGED };
    unacknowledged(place, calls, (marks, &mut stalls))?;
    running.kill()?;
    let (running, mut stalls) = place.start()?;
    let before = memory_now(running.id()).unwrap_or_default();
    large_options(place, OPTIONS_REQUESTS / u64::from(share), (marks, &mut stalls))?;
    let grown = peak_memory(running.id()).unwrap_or(u64::MAX).saturating_sub(before);
    marks.mark(
        grown <= MOST_KILOBYTES,
        "A8, OPTIONS of 50 KB: they take little memory",
        format_args!("{grown} KB more at the most, from {before} KB"),
    );
    running.kill()
}

fn reinvites(place: &Place, most: u32, (marks, stalls): (&mut Marks, &mut Stalls)) -> Result<()> {
    let mut floor = Floor::new(place.bridge())?;
    let seat = floor.seat(place.addresses.insider(0))?;
    let attacker = floor.call(seat, Person::new("19055550001", DIAL_IN))?;
    floor.until(Duration::from_secs(5), |floor| floor.line(attacker).is_up())?;
    let mut lawful = Arrivals::new(place, &mut floor, LAWFUL)?;
    let mut sent = 0;
    let (began, every) = (floor.now(), Duration::from_secs(1) / A_SECOND);
    stalls.take();
    floor.run_with(every * most * 4, |floor| {
        lawful.tick(place, floor)?;
        while sent < most && floor.now() >= began + every * sent {
            sent += 1;
            let bytes = floor.with(attacker, |line, _| {
                let address = ([127, 0, 0, 1], 40_000).into();
                let body = wire::offer(address, sent);
                line.forged("INVITE", Some(("application/sdp", &body)))
            });
            floor.throw_from(attacker, &bytes);
        }
        let over = sent >= most && floor.now() >= began + every * most + Duration::from_secs(2);
        Ok(if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let stall = stalls.take();
    say(format_args!("A8: {sent} re-INVITEs on one call, {A_SECOND} a second"));
    lawful.judge((place, &mut floor), marks, &stall, "A8, re-INVITEs without end")?;
    floor.with(attacker, Line::hang_up);
    floor.run(Duration::from_millis(200))
}

fn unacknowledged(
    place: &Place,
    most: usize,
    (marks, stalls): (&mut Marks, &mut Stalls),
) -> Result<()> {
    let mut floor = Floor::new(place.bridge())?;
    let mut lawful = Arrivals::new(place, &mut floor, LAWFUL)?;
    let seat = floor.seat(place.addresses.insider(1))?;
    let (mut next, mut calls) = (floor.now(), Vec::new());
    let every = UNACKNOWLEDGED_EVERY;
    let time = every * u32::try_from(most)? + Duration::from_secs(3);
    stalls.take();
    floor.run_with(time, |floor| {
        lawful.tick(place, floor)?;
        while calls.len() < most && floor.now() >= next {
            next += every;
            let mut person = Person::new(&format!("1905555{:04}", calls.len()), DIAL_IN);
            person.acknowledges = false;
            person.speaks_after = None;
            calls.push(floor.call(seat, person)?);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let stall = stalls.take();
    let answered = calls.iter().filter(|&&id| floor.line(id).answered.is_some()).count();
    say(format_args!("A8: {} INVITEs of one phone without ACK, {answered} answered", calls.len()));
    lawful.judge((place, &mut floor), marks, &stall, "A8, INVITEs without ACK")
}

fn large_options(
    place: &Place,
    most: u64,
    (marks, stalls): (&mut Marks, &mut Stalls),
) -> Result<()> {
    let mut floor = Floor::new(place.bridge())?;
    let mut lawful = Arrivals::new(place, &mut floor, LAWFUL)?;
    stalls.take();
    let flood = Flood::start(Plan {
        sources: vec![place.addresses.insider(2)],
        bridge: place.bridge(),
        a_second: 500,
        time: Duration::from_secs(20),
        most,
        mix: Mix::LargeOptions,
    })?;
    floor.run_with(Duration::from_secs(21), |floor| {
        lawful.tick(place, floor)?;
        Ok(if flood.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let sent = flood.stop()?;
    let stall = stalls.take();
    say(format_args!("A8: {} OPTIONS of 50 KB, {} answers", sent.requests, sent.answers));
    lawful.judge((place, &mut floor), marks, &stall, "A8, OPTIONS of 50 KB")
}
