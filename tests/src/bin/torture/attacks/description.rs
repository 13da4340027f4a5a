//! Descriptions and headers with thousands of entries, twenty a second, beside lawful calls.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::checks::say;

use crate::kit::crowd::Arrivals;
use crate::kit::floor::Floor;
use crate::kit::line::Person;
use crate::marks::Marks;
use crate::options::Options;
use crate::place::{DIAL_IN, Place};

/// The attack of the first report: so many formats and so many rtpmaps, twenty a second.
const FORMATS: usize = 2019;
const RTPMAPS: usize = 500;
const EVERY: Duration = Duration::from_millis(50);
/// Lawful calls in a second.
const LAWFUL: u32 = 10;

/// Plays it and marks it.
pub(crate) fn run(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let (running, mut stalls) = place.start()?;
    let mut floor = Floor::new(place.bridge())?;
    let time = Duration::from_secs(if options.quick { 4 } else { 20 });
    // Without the attack first: what this machine takes for a call.
    let mut quiet = Arrivals::new(place, &mut floor, LAWFUL)?;
    floor.run_with(time / 4, |floor| {
        quiet.tick(place, floor)?;
        Ok(ControlFlow::Continue(()))
    })?;
    let stall = stalls.take();
    quiet.judge((place, &mut floor), marks, &stall, "A4, before the attack")?;

    let mut lawful = Arrivals::new(place, &mut floor, LAWFUL)?;
    let (mut next, mut attackers) = (floor.now(), Vec::new());
    floor.run_with(time, |floor| {
        lawful.tick(place, floor)?;
        if floor.now() >= next {
            next += EVERY;
            let number = attackers.len();
            let seat = floor.seat(place.addresses.insider(number))?;
            attackers.push(floor.call(seat, attacker(place, number))?);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let stall = stalls.take();
    let statuses: Vec<_> = attackers.iter().filter_map(|&id| floor.line(id).status).collect();
    let mut answers: BTreeMap<u16, usize> = BTreeMap::new();
    statuses.iter().for_each(|&status| *answers.entry(status).or_default() += 1);
    say(format_args!(
        "A4: {} descriptions of {FORMATS} formats and their like, answered {answers:?}; {stall}",
        attackers.len(),
    ));
    lawful.judge((place, &mut floor), marks, &stall, "A4, endless descriptions")?;
    running.kill()
}

/// Somebody whose INVITE has lists without end, and who hangs up as soon as it is answered.
fn attacker(place: &Place, number: usize) -> Person {
    let mut person = Person::new(&format!("1905555{:04}", number % 10_000), DIAL_IN);
    person.hangs_up_after = Some(Duration::ZERO);
    let address = SocketAddr::new(place.addresses.insider(number), 40_000);
    match number % 8 {
        // Beyond what a description may have at all.
        6 => {
            person.body = Some(description(address, 2 * FORMATS, 4 * RTPMAPS) + &sections(700));
        }
        // Within it, and as many headers as a datagram holds.
        7 => {
            let route = |n: usize| format!("Record-Route: <sip:127.0.0.1:{n};lr>\r\n");
            person.body = Some(description(address, 100, 100) + &sections(30));
            person.more = (0..400).map(route).collect();
        }
        // As first reported.
        _ => person.body = Some(description(address, FORMATS, RTPMAPS)),
    }
    person
}

/// A description with PCMU, so many formats that nobody knows, and so many rtpmaps of others.
fn description(address: SocketAddr, formats: usize, rtpmaps: usize) -> String {
    let mut text = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {} RTP/AVP 0{}\r\n",
        address.port(),
        " 1".repeat(formats),
        ip = address.ip(),
    );
    for number in 0..rtpmaps {
        write!(text, "a=rtpmap:99 x{number}/8000\r\n").unwrap_or_default();
    }
    text
}

/// Media sections that nobody takes.
fn sections(count: u16) -> String {
    let section = |n: u16| format!("m=video {} RTP/AVP 96 97 98\r\na=mid:{n}\r\n", 2000 + n);
    (0..count).map(section).collect()
}
