//! Who calls beside an attack: calls that run and must lose nothing, and calls that come and go and
//! must be answered at once.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use bridge_tests::real::checks::say;

use super::ears::Voice;
use super::floor::{Floor, LineId, Seat};
use super::line::{Line, Person};
use crate::marks::{Marks, Outcome, ms, permille};
use crate::place::{DIAL_IN, Place};
use crate::stalls::Stall;

/// People in each room.
const IN_ROOM: usize = 5;
const PATIENCE: Duration = Duration::from_secs(20);
/// A lawful call lasts so long.
const CALL: Duration = Duration::from_millis(800);
/// The mark for setting a call up, of 99 in 100. A bridge that was built without optimization, as this
/// program then was, takes several times as long to read what attackers send.
const SETUP: Duration = Duration::from_millis(if cfg!(debug_assertions) { 200 } else { 100 });
/// Packets that a leg's record may not know of: those before two in sequence, and the last.
const UNCOUNTED: u64 = 8;
/// Packets on their way at the beginning and at the end.
const UNDER_WAY: u64 = 4;
/// What a busy machine may lose, in percent.
const NEAR_PERCENT: u64 = 10;
/// Most callers that are named.
const NAMED: usize = 6;

/// Calls that run.
pub(crate) struct Crowd {
    lines: Vec<LineId>,
    /// When it was begun to count.
    began: Duration,
}

impl Crowd {
    /// So many people, in rooms of five; the first of each talks, the others are silent and send
    /// silence.
    pub(crate) fn gather(place: &Place, floor: &mut Floor, people: usize) -> Result<Self> {
        let mut lines = Vec::new();
        for number in 0..people {
            let seat = floor.seat(place.addresses.phone(number))?;
            let mut person = Person::new(&format!("1416555{:04}", 5000 + number), DIAL_IN);
            person.voice = (number % IN_ROOM == 0).then_some(Voice::Talker);
            lines.push(floor.call(seat, person)?);
            floor.run(Duration::from_millis(30))?;
        }
        floor.until(PATIENCE, |floor| lines.iter().all(|&id| floor.line(id).is_up()))?;
        floor.run(Duration::from_secs(1))?;
        for (number, &id) in lines.iter().enumerate() {
            let code = format!("{}#", place.rooms[number / IN_ROOM].participant);
            floor.with(id, |line, _| line.press(&code));
        }
        let crowd = Self { lines, began: floor.now() };
        floor.until(PATIENCE, |floor| crowd.deaf(floor) == 0)?;
        Ok(crowd)
    }

    /// How many do not hear the talker of their room.
    pub(crate) fn deaf(&self, floor: &Floor) -> usize {
        let hears = |(number, &id): (usize, &LineId)| {
            number % IN_ROOM == 0 || floor.line(id).ears.heard(Voice::Talker)
        };
        self.lines.len() - self.lines.iter().enumerate().filter(|&one| hears(one)).count()
    }

    /// From now on every packet counts.
    pub(crate) fn begin(&mut self, floor: &mut Floor) {
        self.began = floor.now();
        for &id in &self.lines {
            floor.with(id, |line, _| line.ears.forget());
        }
    }

    /// Marks what was lost since, both ways, and hangs up.
    pub(crate) fn judge(
        &self,
        (place, floor): (&Place, &mut Floor),
        marks: &mut Marks,
        stall: &Stall,
        attack: &str,
    ) -> Result<()> {
        let up = self.lines.iter().filter(|&&id| floor.line(id).is_up()).count();
        let deaf = self.deaf(floor);
        let all = self.lines.len();
        marks.mark(
            up == all && deaf == 0,
            format_args!("{attack}: all running calls stay up and hear their talker"),
            format_args!("{up} of {all} up, {deaf} deaf"),
        );
        // One is sent every 20 ms, also where the bridge left some out and numbered on.
        let elapsed = floor.now().saturating_sub(self.began);
        let due = u64::try_from(elapsed.as_millis() / 20)?;
        let (mut lost, mut words, mut gap) = (0, String::new(), Duration::ZERO);
        let mut told = String::new();
        for (number, &id) in self.lines.iter().enumerate() {
            let ears = &floor.line(id).ears;
            let out = due.saturating_sub(ears.packets + ears.lost() + UNDER_WAY);
            lost += ears.lost() + out;
            gap = gap.max(ears.longest_gap);
            let (packets, missing, longest) = (ears.packets, ears.lost(), ms(ears.longest_gap));
            let line = format!("call {number}: {packets} in, {missing} lost, {out} left out");
            writeln!(told, "{line}, {longest} without")?;
            if missing + out > 0 {
                write!(words, " {line};")?;
            }
        }
        place.write_outcomes(&format!("{attack}, running calls"), &told)?;
        let packets: u64 = self.lines.iter().map(|&id| floor.line(id).ears.packets).sum();
        marks.timed(
            Outcome::of(lost == 0, lost * 100 <= packets * NEAR_PERCENT),
            stall,
            format_args!("{attack}: no packet to a running call is lost or left out"),
            format_args!("{lost} lost{words} longest time without one {}", ms(gap)),
        );
        for &id in &self.lines {
            floor.with(id, Line::hang_up);
        }
        floor.until(Duration::from_secs(5), |floor| floor.alive() == 0)?;
        self.judge_records(place, floor, marks, (stall, attack))
    }

    /// What the bridge's records say was lost on the way to it.
    fn judge_records(
        &self,
        place: &Place,
        floor: &Floor,
        marks: &mut Marks,
        (stall, attack): (&Stall, &str),
    ) -> Result<()> {
        let calls: Vec<_> = self.lines.iter().map(|&id| floor.line(id).call_id.as_str()).collect();
        let legs = place.closed_legs(&calls)?;
        let legs: BTreeMap<_, _> =
            legs.iter().map(|leg| (leg.text("sip_call_id"), leg.id())).collect();
        let (mut lost, mut uncounted, mut words) = (0, 0, String::new());
        let mut sent = 0;
        for (number, &id) in self.lines.iter().enumerate() {
            let line = floor.line(id);
            let leg = legs.get(line.call_id.as_str()).context("a call without a record")?;
            let shown = place.setup.run(&["cdr", "show", leg])?;
            let (received, missing) = sound(&shown).context("no sound in a record")?;
            lost += missing;
            sent += line.sent;
            uncounted = uncounted.max(line.sent.abs_diff(received));
            if missing > 0 || line.sent.abs_diff(received) > UNCOUNTED {
                write!(
                    words,
                    " call {number}: {} sent, {received} in, {missing} lost;",
                    line.sent
                )?;
            }
        }
        marks.timed(
            Outcome::of(
                lost == 0 && uncounted <= UNCOUNTED,
                lost.max(uncounted) * 100 <= sent * NEAR_PERCENT,
            ),
            stall,
            format_args!("{attack}: no packet from a running call is lost, by the records"),
            format_args!("{lost} lost, {uncounted} not counted at most{words}"),
        );
        Ok(())
    }
}

/// Packets that came in and that were lost, of the line `sound` of `cdr show`.
fn sound(shown: &str) -> Option<(u64, u64)> {
    let line = shown.lines().find_map(|line| line.trim_start().strip_prefix("sound"))?;
    let before = |word: &str| {
        let words: Vec<_> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let place = words.iter().position(|&one| one == word)?;
        words.get(place.checked_sub(1)?)?.parse().ok()
    };
    // "1500 packets in, 1480 out, 0 lost".
    Some((before("packets")?, before("lost")?))
}

/// Calls that come and go.
pub(crate) struct Arrivals {
    every: Duration,
    next: Duration,
    carrier: Seat,
    calls: Vec<LineId>,
}

impl Arrivals {
    /// So many a second, by turns from a phone of its own and from behind the carrier.
    pub(crate) fn new(place: &Place, floor: &mut Floor, a_second: u32) -> Result<Self> {
        let carrier = floor.seat(place.addresses.carrier())?;
        let every = Duration::from_secs(1) / a_second;
        Ok(Self { every, next: floor.now(), carrier, calls: Vec::new() })
    }

    /// Places the calls that are due.
    pub(crate) fn tick(&mut self, place: &Place, floor: &mut Floor) -> Result<()> {
        while floor.now() >= self.next {
            self.next += self.every;
            let number = self.calls.len();
            let seat = match number % 2 {
                0 => floor.seat(place.addresses.lawful(number / 2))?,
                _ => self.carrier,
            };
            let mut person = Person::new(&format!("1647555{:04}", number % 10_000), DIAL_IN);
            person.hangs_up_after = Some(CALL);
            self.calls.push(floor.call(seat, person)?);
        }
        Ok(())
    }

    /// Waits for the last of them, and marks how fast each was answered.
    pub(crate) fn judge(
        &self,
        (place, floor): (&Place, &mut Floor),
        marks: &mut Marks,
        stall: &Stall,
        attack: &str,
    ) -> Result<()> {
        floor.until(Duration::from_secs(5), |floor| {
            self.calls.iter().all(|&id| floor.line(id).status.is_some())
        })?;
        let lines: Vec<_> = self.calls.iter().map(|&id| floor.line(id)).collect();
        let mut times: Vec<_> = lines.iter().filter_map(|line| line.setup()).collect();
        let told = lines.iter().map(|line| {
            let setup = line.setup().map(ms).unwrap_or_default();
            format!("called at {:.3} s: {:?} {setup}\n", line.invited.as_secs_f64(), line.status)
        });
        place.write_outcomes(&format!("{attack}, lawful calls"), &told.collect::<String>())?;
        let mut refused: BTreeMap<u16, usize> = BTreeMap::new();
        for line in lines.iter().filter(|line| line.answered.is_none()) {
            *refused.entry(line.status.unwrap_or_default()).or_default() += 1;
        }
        for line in lines.iter().filter(|line| line.answered.is_none()).take(NAMED) {
            say(format_args!("  a call at {:.1} s: {:?}", line.invited.as_secs_f64(), line.status));
        }
        let all = lines.len();
        // One that nobody answered in five seconds may be the machine's; a refusal is the bridge's.
        let what = format!("{attack}: every lawful call is answered");
        let detail = format!("{} of {all}, refused by status {refused:?}", times.len());
        let answered = times.len() == all && all > 0;
        if refused.keys().all(|&status| status == 0) {
            let near = (all - times.len()) * 10 <= all;
            marks.timed(Outcome::of(answered, near), stall, what, detail);
        } else {
            marks.mark(answered, what, detail);
        }
        let (half, most) = (permille(&mut times, 500), permille(&mut times, 1000));
        let p99 = permille(&mut times, 990);
        marks.timed(
            Outcome::of(p99 < SETUP && !times.is_empty(), p99 < SETUP + stall.explains()),
            stall,
            format_args!("{attack}: 99 in 100 lawful calls are set up within {}", ms(SETUP)),
            format_args!("p50 {}, p99 {}, worst {}", ms(half), ms(p99), ms(most)),
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_of_a_record_is_read() {
        let shown = "leg  1\nsound  PCMU 20 ms, 1500 packets in, 1480 out, 3 lost, jitter 1 ms\n";
        assert_eq!(sound(shown), Some((1500, 3)));
        assert_eq!(sound("leg 1\n"), None);
    }
}
