//! A trunk's address is forged, and the description names a third party: what is sent there?
//!
//! The forger sees no answer, so that there is no ACK. A caller of the trunk who renews his call
//! towards the third party is looked at as well.

use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::checks::say;

use crate::kit::floor::Floor;
use crate::kit::line::{Line, Person};
use crate::marks::Marks;
use crate::options::Options;
use crate::place::{DIAL_IN, Place};

/// Forged INVITEs at one time.
const FORGED: usize = 10;

/// Plays both and marks them.
pub(crate) fn run(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let (running, _stalls) = place.start()?;
    forged(place, options, marks)?;
    renewed(place, options, marks)?;
    running.kill()
}

fn forged(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let mut floor = Floor::new(place.bridge())?;
    let mut calls = Vec::new();
    for number in 0..FORGED {
        let third = floor.ear(place.addresses.stranger(50 + number))?;
        let seat = floor.seat(place.addresses.insider(number))?;
        let mut person = Person::new(&format!("1905555{number:04}"), DIAL_IN);
        person.sound_to = Some(floor.ear_address(third)?);
        person.speaks_after = None;
        person.acknowledges = false;
        calls.push((floor.call(seat, person)?, third));
        floor.run(Duration::from_millis(50))?;
    }
    // Until the bridge gives up waiting for the ACK: 64 times T1.
    floor.run(Duration::from_secs(if options.quick { 4 } else { 34 }))?;
    let answered = calls.iter().filter(|(id, _)| floor.line(*id).answered.is_some()).count();
    let octets: Vec<u64> = calls.iter().map(|(_, third)| floor.caught(*third).octets).collect();
    let most = octets.iter().copied().max().unwrap_or_default();
    marks.mark(
        most == 0 && answered == FORGED,
        "A7: a forged INVITE without ACK sends nothing to a third party",
        format_args!("{answered} of {FORGED} answered, octets sent to each {octets:?}"),
    );
    Ok(())
}

fn renewed(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let mut floor = Floor::new(place.bridge())?;
    let third = floor.ear(place.addresses.stranger(70))?;
    let address = floor.ear_address(third)?;
    let seat = floor.seat(place.addresses.lawful(0))?;
    let caller = floor.call(seat, Person::new("14165550001", DIAL_IN))?;
    floor.until(Duration::from_secs(5), |floor| floor.line(caller).is_up())?;
    floor.run(Duration::from_secs(1))?;
    floor.with(caller, |line, now| {
        line.person.sound_to = Some(address);
        line.person.acknowledges = false;
        line.speak(now, false);
        line.reinvite(now);
    });
    floor.run(Duration::from_secs(if options.quick { 2 } else { 10 }))?;
    let before = floor.caught(third).octets;
    let status = floor.line(caller).reinvited;
    marks.mark(
        before == 0 && status == Some(200),
        "A7: a re-INVITE without ACK sends nothing to a third party",
        format_args!("{before} octets, answered {status:?}"),
    );
    floor.with(caller, Line::hang_up);
    floor.run(Duration::from_millis(500))?;
    say(format_args!("A7: {} octets in all", floor.caught(third).octets));
    Ok(())
}
