//! What became of those who guessed and of those who had the right code.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::checks::say;

use super::{Case, Kind, VERDICTS};
use crate::kit::floor::Floor;
use crate::marks::{Marks, Outcome, ms, permille};
use crate::place::Place;
use crate::stalls::Stall;

/// More than usual by so much is noticed.
const NOTICED: Duration = Duration::from_millis(1500);
/// All verdicts of twenty attackers who are known.
const ALL_VERDICTS: usize = 60;
/// The alarm comes by then.
const ALARM: Duration = Duration::from_secs(60);
/// Between two looks at the log and the metrics.
const LOOK: Duration = Duration::from_secs(1);
/// What the codes of one call take in the later half is so many times what they took at first.
const SLOWER: u32 = 2;
/// Verdicts a second that twenty attackers may still get in the last third of the time. Unhindered
/// they get twelve.
const HINDERED: f64 = 4.0;
/// The same where each call has one code. Unhindered they get eleven; five a second are answered.
const HINDERED_ONCE: f64 = 5.5;
/// Most callers that are named.
const NAMED: usize = 8;

/// All lawful callers come in, and none waits longer than usual.
pub(super) fn lawful(
    (case, floor): (&Case<'_>, &Floor),
    marks: &mut Marks,
    stall: &Stall,
    usual: Duration,
) -> Result<()> {
    let name = case.kind.name();
    let guests = &case.guests;
    let out: Vec<_> = guests.iter().filter(|guest| guest.took.is_none()).collect();
    for guest in out.iter().take(NAMED) {
        let line = floor.line(guest.line);
        say(format_args!(
            "  not in: typo {}, status {:?}, hung up on {}, called at {:.1} s",
            guest.typo,
            line.status,
            line.ended_by_bridge,
            line.invited.as_secs_f64()
        ));
    }
    let told = guests.iter().map(|guest| {
        let took = guest.took.map_or("not in".to_owned(), ms);
        let at = floor.line(guest.line).invited.as_secs_f64();
        format!("called at {at:.1} s, typo {}: {took}\n", guest.typo)
    });
    case.place.write_outcomes(&format!("{name}, lawful calls"), &told.collect::<String>())?;
    let typos = guests.iter().filter(|guest| guest.typo).count();
    marks.timed(
        Outcome::of(out.is_empty() && !guests.is_empty(), out.len() * 50 <= guests.len()),
        stall,
        format_args!("{name}: all lawful callers come in"),
        format_args!("{} of {}, {typos} with a typo", guests.len() - out.len(), guests.len()),
    );
    let late = guests.iter().filter(|guest| guest.took.is_some_and(|took| took > usual + NOTICED));
    let (late, with_typo) =
        late.fold((0, 0), |(all, typos), guest| (all + 1, typos + usize::from(guest.typo)));
    let mut took: Vec<_> = guests.iter().filter_map(|guest| guest.took).collect();
    marks.timed(
        Outcome::of(late == 0, late * 50 <= guests.len()),
        stall,
        format_args!("{name}: no lawful caller waits {} beyond the usual", ms(NOTICED)),
        format_args!(
            "{late} did ({with_typo} with a typo); usual {}, p99 {}, worst {}",
            ms(usual),
            ms(permille(&mut took, 990)),
            ms(permille(&mut took, 1000))
        ),
    );
    Ok(())
}

/// What the attackers learnt.
pub(super) fn attackers(
    (case, floor): (&Case<'_>, &Floor),
    marks: &mut Marks,
    began: Duration,
    time: Duration,
) -> Result<()> {
    let calls: usize = case.guessers.iter().map(|guesser| guesser.calls.len()).sum();
    let all_calls = case.guessers.iter().flat_map(|guesser| &guesser.calls);
    let all_calls: Vec<_> = all_calls.map(|&id| floor.line(id).call_id.as_str()).collect();
    let legs = case.place.closed_legs(&all_calls)?;
    let legs: BTreeMap<_, _> = legs.iter().map(|leg| (leg.text("sip_call_id"), leg)).collect();
    let mut thirds = [0; 3];
    // How long the codes of one call took: of the first call of each, and of the later half.
    let (mut first, mut late) = (Vec::new(), Vec::new());
    let (mut all, mut entered, mut words) = (0, 0, Vec::new());
    let mut most = 0;
    for guesser in &case.guessers {
        let (mut verdicts, mut inside) = (0, 0);
        for &id in &guesser.calls {
            let line = floor.line(id);
            let Some(leg) = legs.get(line.call_id.as_str()) else { continue };
            let failures = usize::try_from(leg.number("auth_failures").unwrap_or_default())?;
            verdicts += failures;
            inside += usize::from(!leg.text("joined_at").is_empty());
            let took = leg.number("duration_ms").map(Duration::from_millis).unwrap_or_default();
            let share = line.invited.saturating_sub(began).as_secs_f64() / time.as_secs_f64();
            let third = [1.0 / 3.0, 2.0 / 3.0].iter().filter(|&&end| share >= end).count();
            thirds[third] += failures;
            if guesser.calls.first() == Some(&id) {
                first.push(took);
            } else if share > 0.5 && line.ended_by_bridge {
                late.push(took);
            }
        }
        all += verdicts;
        entered += inside;
        most = most.max(verdicts);
        if case.kind.is_known() && (verdicts > VERDICTS || inside > 0) {
            words.push(format!("{}: {verdicts} verdicts, entered {inside}", guesser.number));
        }
    }
    let name = case.kind.name();
    let guesses: usize = case.guessers.iter().map(|guesser| guesser.guesses).sum();
    say(format_args!(
        "{name}: {calls} calls, {guesses} guesses, {all} verdicts ({thirds:?} by thirds of the time)"
    ));
    for words in words.iter().take(NAMED) {
        say(format_args!("  attacker {words}"));
    }
    if case.kind.is_known() {
        marks.mark(
            most <= VERDICTS && entered == 0 && all <= ALL_VERDICTS && all > 0,
            format_args!("{name}: three verdicts each, {ALL_VERDICTS} in all"),
            format_args!("{most} at most, {all} in all of {guesses}, {entered} entered"),
        );
    } else {
        let a_second = thirds[2] as f64 / (time.as_secs_f64() / 3.0);
        slower((case.kind, all), marks, (&mut first, &mut late), a_second);
    }
    Ok(())
}

/// The guesses of attackers who cannot be told apart: `all` verdicts, `a_second` of them at last.
fn slower(
    (kind, all): (Kind, usize),
    marks: &mut Marks,
    (first, late): (&mut [Duration], &mut [Duration]),
    a_second: f64,
) {
    let name = kind.name();
    let mut most = HINDERED_ONCE;
    if kind != Kind::OnceACall {
        most = HINDERED;
        let (first, late) = (permille(first, 500), permille(late, 500));
        marks.mark(
            late >= first * SLOWER || late.is_zero() && all > 0,
            format_args!("{name}: the delay grows"),
            format_args!(
                "a call's codes took {} at first and {} in the later half (none: all waited longer \
                 than the attackers)",
                ms(first),
                ms(late)
            ),
        );
    }
    marks.mark(
        a_second <= most && all > 0,
        format_args!("{name}: guessing becomes slower"),
        format_args!("{a_second:.1} verdicts a second in the last third, {most} at most"),
    );
}

/// Looks for the alarm in the log and in the metrics while it all goes on.
pub(super) struct Watch<'p> {
    place: &'p Place,
    log_from: u64,
    next: Duration,
    logged: Option<(Duration, String)>,
    counted: Option<Duration>,
}

impl<'p> Watch<'p> {
    pub(super) fn new(place: &'p Place, log_from: u64) -> Self {
        Self { place, log_from, next: Duration::ZERO, logged: None, counted: None }
    }

    /// Looks, once a second.
    pub(super) fn look(&mut self, since: Duration) -> Result<()> {
        if since < self.next || self.logged.is_some() && self.counted.is_some() {
            return Ok(());
        }
        self.next = since + LOOK;
        if self.logged.is_none() {
            let mut log = std::fs::File::open(self.place.setup.log())?;
            log.seek(SeekFrom::Start(self.log_from))?;
            let mut bytes = Vec::new();
            log.read_to_end(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes);
            let alarm = |line: &&str| line.contains(" WARN ") && line.contains("guess");
            self.logged = text.lines().find(alarm).map(|line| (since, line.to_owned()));
        }
        if self.counted.is_none() && self.place.metric("guess")? > 0 {
            self.counted = Some(since);
        }
        Ok(())
    }

    /// The alarm was there within a minute.
    pub(super) fn judge(&self, marks: &mut Marks, name: &str) {
        let at = self.logged.as_ref().map(|(at, _)| *at);
        if let Some((_, line)) = &self.logged {
            say(format_args!("  {}", line.trim()));
        }
        marks.mark(
            at.is_some_and(|at| at <= ALARM) && self.counted.is_some_and(|at| at <= ALARM),
            format_args!("{name}: an alarm within a minute, in the log and in the metrics"),
            format_args!("log {at:.1?}, metrics {:.1?}", self.counted),
        );
    }
}
