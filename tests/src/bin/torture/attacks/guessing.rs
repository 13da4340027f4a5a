//! Passcodes are guessed at one dialled number by twenty attackers at a time, who key three codes
//! ahead in each call and call again at once; beside them a lawful caller comes in every second,
//! every tenth with one typo.
//!
//! Where attackers can be told from each other, each gets three verdicts and no more: the codes
//! after the third guess are the right ones, so that another verdict would let them in. Where they
//! cannot, an alarm comes within a minute and their guesses become slower; those who key one code a
//! call get five verdicts a second in all.

mod judge;

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::checks::say;
use bridge_tests::real::wire::Names;

use crate::kit::ears::Voice;
use crate::kit::floor::{Floor, LineId, Seat};
use crate::kit::line::{Line, Person, Stage};
use crate::marks::Marks;
use crate::options::Options;
use crate::place::{DIAL_IN, Place, ROOMS};

/// Attackers at one time, and codes in one call.
const ATTACKERS: usize = 20;
const CODES: usize = 3;
/// Verdicts that one attacker may get.
const VERDICTS: usize = 3;
/// Between two lawful calls, and which of them have a typo.
const LAWFUL_EVERY: Duration = Duration::from_secs(1);
const TYPO: usize = 10;
/// From the answer to a person's first key, and from a typo to the second try.
const BEFORE_KEYS: Duration = Duration::from_millis(1200);
const AGAIN: Duration = Duration::from_secs(4);
/// A lawful caller who is not in by then has noticed, and an attacker waits no longer.
const PATIENCE: Duration = Duration::from_secs(15);
const ATTACKER_WAITS: Duration = Duration::from_secs(25);
/// For one code to be keyed and its answer to be given.
const ONE_CODE: Duration = Duration::from_millis(1700);
/// Lawful calls before the attack, that say what is usual.
const USUAL: usize = 6;

/// How attackers are told from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Phones,
    FixedNumbers,
    Withheld,
    NewNumbers,
    /// Withheld, and one code in each call, which is over as soon as that could be answered.
    OnceACall,
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::Phones, Self::FixedNumbers, Self::Withheld, Self::NewNumbers, Self::OnceACall];

    fn name(self) -> &'static str {
        match self {
            Self::Phones => "A5 (i), 20 addresses of a trunk of phones",
            Self::FixedNumbers => "A5 (ii), 20 numbers behind a carrier",
            Self::Withheld => "A5 (iii), withheld numbers behind a carrier",
            Self::NewNumbers => "A5 (iv), a new number each call behind a carrier",
            Self::OnceACall => "A5 (v), one code a call, withheld numbers behind a carrier",
        }
    }

    /// Codes keyed in one call.
    fn codes(self) -> usize {
        if self == Self::OnceACall { 1 } else { CODES }
    }

    /// How long an attacker waits, from the answer.
    fn patience(self) -> Duration {
        if self == Self::OnceACall { ONE_CODE } else { ATTACKER_WAITS }
    }

    /// Whether one attacker is known again.
    fn is_known(self) -> bool {
        matches!(self, Self::Phones | Self::FixedNumbers)
    }
}

/// One who guesses.
struct Guesser {
    seat: Seat,
    number: usize,
    line: Option<LineId>,
    keyed: bool,
    calls: Vec<LineId>,
    guesses: usize,
}

/// One who has the right code.
struct Guest {
    line: LineId,
    typo: bool,
    /// How much was keyed, and when.
    stage: Keyed,
    /// From the last key to the talker's voice.
    took: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyed {
    Nothing,
    Wrong(Duration),
    Right(Duration),
    Done,
}

/// All who take part in one case.
struct Case<'p> {
    place: &'p Place,
    kind: Kind,
    names: Names,
    carrier: Seat,
    guessers: Vec<Guesser>,
    guests: Vec<Guest>,
    next_guest: Duration,
}

/// Plays all cases and marks them.
pub(crate) fn run(place: &Place, options: &Options, marks: &mut Marks) -> Result<()> {
    let time = Duration::from_secs(match (options.quick, options.guessing) {
        (true, _) => 14,
        (false, false) => 75,
        (false, true) => 600,
    });
    let cases = if options.quick { &Kind::ALL[..1] } else { &Kind::ALL[..] };
    let chosen = |place: usize| options.case.is_none_or(|case| case == place);
    for (&kind, _) in cases.iter().zip(1..).filter(|&(_, place)| chosen(place)) {
        one(place, kind, time, marks)?;
    }
    Ok(())
}

fn one(place: &Place, kind: Kind, time: Duration, marks: &mut Marks) -> Result<()> {
    let (running, mut stalls) = place.start()?;
    let log_from = std::fs::metadata(place.setup.log()).map(|log| log.len()).unwrap_or_default();
    let mut floor = Floor::new(place.bridge())?;
    let mut case = Case::new(place, kind, &mut floor)?;
    let resident = case.resident(&mut floor)?;
    let usual = case.usual(&mut floor)?;
    case.guests.clear();
    say(format_args!("{}: {} s ...", kind.name(), time.as_secs()));
    let began = floor.now();
    stalls.take();
    let mut watch = judge::Watch::new(place, log_from);
    floor.run_with(time, |floor| {
        case.guess(floor)?;
        case.arrive(floor)?;
        case.go_on(floor);
        watch.look(floor.now().saturating_sub(began))?;
        Ok(ControlFlow::Continue(()))
    })?;
    for guesser in &case.guessers {
        if let Some(id) = guesser.line {
            floor.with(id, Line::hang_up);
        }
    }
    // The last lawful callers.
    floor.run_with(PATIENCE, |floor| {
        case.go_on(floor);
        let over = case.guests.iter().all(|guest| guest.stage == Keyed::Done);
        Ok(if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let stall = stalls.take();
    floor.with(resident, Line::hang_up);
    floor.until(Duration::from_secs(5), |floor| floor.alive() == 0)?;
    judge::lawful((&case, &floor), marks, &stall, usual)?;
    judge::attackers((&case, &floor), marks, began, time)?;
    if !kind.is_known() {
        watch.judge(marks, kind.name());
    }
    running.kill()
}

impl<'p> Case<'p> {
    fn new(place: &'p Place, kind: Kind, floor: &mut Floor) -> Result<Self> {
        let carrier = floor.seat(place.addresses.carrier())?;
        let mut guessers = Vec::new();
        for number in 0..ATTACKERS {
            let seat = match kind {
                Kind::Phones => floor.seat(place.addresses.insider(number))?,
                Kind::FixedNumbers | Kind::Withheld | Kind::NewNumbers | Kind::OnceACall => carrier,
            };
            let calls = Vec::new();
            guessers.push(Guesser { seat, number, line: None, keyed: false, calls, guesses: 0 });
        }
        let names = Names::new(5);
        let next_guest = floor.now();
        Ok(Self { place, kind, names, carrier, guessers, guests: Vec::new(), next_guest })
    }

    /// Somebody in the lawful callers' room, who talks all the time.
    fn resident(&self, floor: &mut Floor) -> Result<LineId> {
        let seat = floor.seat(self.place.addresses.phone(0))?;
        let mut person = Person::new("14165557000", DIAL_IN);
        person.voice = Some(Voice::Talker);
        let id = floor.call(seat, person)?;
        floor.until(PATIENCE, |floor| floor.line(id).is_up())?;
        floor.run(BEFORE_KEYS)?;
        let code = self.right();
        floor.with(id, |line, _| line.press(&code));
        floor.run(Duration::from_secs(2))?;
        Ok(id)
    }

    /// What a call takes from the last key to the talker's voice without any attack.
    fn usual(&mut self, floor: &mut Floor) -> Result<Duration> {
        while self.guests.len() < USUAL {
            self.new_guest(floor, false)?;
            floor.run(Duration::from_millis(500))?;
        }
        floor.run_with(PATIENCE * 2, |floor| {
            self.go_on(floor);
            let over = self.guests.iter().all(|guest| guest.stage == Keyed::Done);
            Ok(if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let mut took: Vec<_> = self.guests.iter().filter_map(|guest| guest.took).collect();
        anyhow::ensure!(took.len() == USUAL, "{} of {USUAL} came in without an attack", took.len());
        Ok(crate::marks::permille(&mut took, 500))
    }

    /// The lawful callers' code.
    fn right(&self) -> String {
        format!("{}#", self.place.rooms[0].participant)
    }

    /// What attackers key: wrong ones, and from the fourth on, where they are known, right ones.
    fn codes(&mut self, guesses: usize) -> String {
        let vault = &self.place.rooms[ROOMS - 1].participant;
        let mut keys = String::new();
        for guess in guesses..guesses + self.kind.codes() {
            if self.kind.is_known() && guess >= VERDICTS {
                keys += &format!("{vault}#");
            } else {
                // No code of a room begins with 1.
                keys += &format!("1{:07}#", self.names.number() % 10_000_000);
            }
        }
        keys
    }

    /// Attackers call, key and call again.
    fn guess(&mut self, floor: &mut Floor) -> Result<()> {
        for place in 0..self.guessers.len() {
            let Guesser { line, keyed, guesses, .. } = self.guessers[place];
            let Some(id) = line else {
                let (seat, person) = (self.guessers[place].seat, self.attacker(place));
                let id = floor.call(seat, person)?;
                let guesser = &mut self.guessers[place];
                guesser.line = Some(id);
                guesser.keyed = false;
                guesser.calls.push(id);
                continue;
            };
            let (stage, answered) = (floor.line(id).stage, floor.line(id).answered);
            let since = answered.map(|at| floor.now().saturating_sub(at)).unwrap_or_default();
            if stage == Stage::Over {
                self.guessers[place].line = None;
            } else if stage == Stage::Up && !keyed && since > BEFORE_KEYS / 4 {
                let keys = self.codes(guesses);
                floor.with(id, |line, _| line.press(&keys));
                self.guessers[place].keyed = true;
                self.guessers[place].guesses += self.kind.codes();
            } else if stage == Stage::Up && since > self.kind.patience() {
                floor.with(id, Line::hang_up);
            }
        }
        Ok(())
    }

    fn attacker(&mut self, place: usize) -> Person {
        let number = match self.kind {
            Kind::Phones | Kind::FixedNumbers => self.guessers[place].number,
            Kind::Withheld | Kind::NewNumbers | Kind::OnceACall => {
                usize::try_from(self.names.number() % 10_000_000).unwrap_or_default()
            }
        };
        let mut person = Person::new(&format!("1905{number:07}"), DIAL_IN);
        if matches!(self.kind, Kind::Withheld | Kind::OnceACall) {
            person.number = None;
        }
        // Silence would be hung up on; a packet now and then is not worth their while.
        person.speaks_after = Some(Duration::ZERO);
        person
    }

    /// A lawful caller comes when it is time.
    fn arrive(&mut self, floor: &mut Floor) -> Result<()> {
        if floor.now() < self.next_guest {
            return Ok(());
        }
        self.next_guest =
            self.next_guest.max(floor.now().saturating_sub(LAWFUL_EVERY)) + LAWFUL_EVERY;
        let typo = self.guests.len() % TYPO == TYPO / 2;
        self.new_guest(floor, typo)
    }

    fn new_guest(&mut self, floor: &mut Floor, typo: bool) -> Result<()> {
        let number = usize::try_from(self.names.number() % 10_000_000)?;
        let seat = match self.kind {
            Kind::Phones => floor.seat(self.place.addresses.lawful(self.guests.len()))?,
            Kind::FixedNumbers | Kind::Withheld | Kind::NewNumbers | Kind::OnceACall => {
                self.carrier
            }
        };
        let line = floor.call(seat, Person::new(&format!("1416{number:07}"), DIAL_IN))?;
        self.guests.push(Guest { line, typo, stage: Keyed::Nothing, took: None });
        Ok(())
    }

    /// Lawful callers key, listen and hang up.
    fn go_on(&mut self, floor: &mut Floor) {
        let right = self.right();
        for guest in self.guests.iter_mut().filter(|guest| guest.stage != Keyed::Done) {
            let (id, now) = (guest.line, floor.now());
            let line = floor.line(id);
            if line.stage == Stage::Over {
                guest.stage = Keyed::Done;
                continue;
            }
            let due = line.answered.is_some_and(|at| now >= at + BEFORE_KEYS);
            match guest.stage {
                Keyed::Nothing if due && guest.typo => {
                    let wrong = format!("1{}", &right[1..]);
                    floor.with(id, |line, _| line.press(&wrong));
                    guest.stage = Keyed::Wrong(now);
                }
                Keyed::Nothing if due => {
                    floor.with(id, |line, _| line.press(&right));
                    guest.stage = Keyed::Right(now);
                }
                Keyed::Wrong(at) if now >= at + AGAIN => {
                    floor.with(id, |line, _| line.press(&right));
                    guest.stage = Keyed::Right(now);
                }
                Keyed::Right(at) => {
                    let heard = line.ears.first(Voice::Talker);
                    guest.took =
                        line.keyed.zip(heard).map(|(keyed, heard)| heard.saturating_sub(keyed));
                    if guest.took.is_some() || now > at + PATIENCE {
                        floor.with(id, Line::hang_up);
                        guest.stage = Keyed::Done;
                    }
                }
                Keyed::Nothing | Keyed::Wrong(_) | Keyed::Done => {}
            }
        }
    }
}
