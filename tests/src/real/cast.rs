//! The test phones of one run, and what they live through, told as it happens.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use partyline_phones::udp::{Line, RunEnd, UdpDriver};
use partyline_phones::{
    CallSummary, Command, Event, Outcome, Phone, PhoneConfig, PhoneId, Script, Step,
};

use crate::real::checks::say;

/// How often it is looked at what happened.
const GLANCE: Duration = Duration::from_millis(200);

/// From here on the machine had no time for the phones when it should have had.
const LATE: Duration = Duration::from_millis(20);

/// A story in which steps that wait or judge may have words for when they come out well.
#[derive(Default)]
pub struct Tale {
    script: Script,
    words: BTreeMap<usize, String>,
}

impl Tale {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on with steps that are not told.
    #[must_use]
    pub fn then(mut self, more: impl FnOnce(Script) -> Script) -> Self {
        self.script = more(self.script);
        self
    }

    /// Goes on with steps that are gone through again, up to `tries` times, while one of them fails:
    /// a machine that was busy for a moment spoils a moment, not the story.
    #[must_use]
    pub fn again(mut self, tries: u32, more: impl FnOnce(Self) -> Self) -> Self {
        let mut words = std::mem::take(&mut self.words);
        let script = std::mem::take(&mut self.script);
        let script = script.attempt(tries, |script| {
            let tale = more(Self { script, words: BTreeMap::new() });
            words.extend(tale.words);
            tale.script
        });
        Self { script, words }
    }

    /// Goes on with a step that waits or judges, and is told by `words` when it comes out well.
    #[must_use]
    pub fn tell(mut self, words: &str, step: Step) -> Self {
        self.words.insert(self.script.steps().len(), words.to_owned());
        self.script = self.script.then(step);
        self
    }
}

/// Phones on real sockets.
pub struct Cast {
    driver: UdpDriver,
    names: Vec<String>,
    words: Vec<BTreeMap<usize, String>>,
    /// Entries, outcomes and repeats of each phone that were told.
    told: Vec<(usize, usize, usize)>,
    /// How late the phones were at most.
    late: Duration,
}

impl Cast {
    /// Nobody yet; time starts here.
    ///
    /// # Errors
    /// The system gives no readiness queue.
    pub fn new() -> Result<Self> {
        let driver = UdpDriver::new()?;
        Ok(Self {
            driver,
            names: Vec::new(),
            words: Vec::new(),
            told: Vec::new(),
            late: Duration::ZERO,
        })
    }

    /// A phone on `line` that calls `bridge`; `change` sets what is special about it.
    ///
    /// # Errors
    /// The system refuses to watch its sockets.
    pub fn add(
        &mut self,
        name: &str,
        line: Line,
        bridge: SocketAddr,
        change: impl FnOnce(&mut PhoneConfig),
    ) -> Result<PhoneId> {
        let mut config = PhoneConfig::new(name, line.sip_address(), line.rtp_address(), bridge);
        config.seed = u64::try_from(self.names.len())? + 1;
        change(&mut config);
        let id = self.driver.add(line, Phone::new(config))?;
        self.names.push(name.to_owned());
        self.words.push(BTreeMap::new());
        self.told.push((0, 0, 0));
        Ok(id)
    }

    /// Begins a phone's story.
    pub fn play(&mut self, id: PhoneId, tale: Tale) {
        self.words[id.index()] = tale.words;
        self.driver.command(id, Command::Run(tale.script));
    }

    /// Time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.driver.now()
    }

    /// A phone.
    #[must_use]
    pub fn phone(&self, id: PhoneId) -> &Phone {
        self.driver.board().phone(id)
    }

    /// The calls of all phones.
    pub fn calls(&self) -> impl Iterator<Item = &CallSummary> {
        self.driver.board().phones().flat_map(Phone::calls)
    }

    /// What did not come out as it should, by phone.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &Outcome)> {
        let phones = self.names.iter().zip(self.driver.board().phones());
        phones.flat_map(|(name, phone)| {
            let failed = phone.outcomes().iter().filter(|outcome| !outcome.met);
            failed.map(move |outcome| (name.as_str(), outcome))
        })
    }

    /// What was tried again, by phone.
    pub fn repeats(&self) -> usize {
        self.driver.board().phones().map(|phone| phone.repeats().len()).sum()
    }

    /// How late the phones did what was due, at worst.
    #[must_use]
    pub fn late(&self) -> Duration {
        self.late
    }

    /// How many steps waited or judged.
    #[must_use]
    pub fn outcomes(&self) -> usize {
        self.driver.board().phones().map(|phone| phone.outcomes().len()).sum()
    }

    /// Carries on until `until`, silently.
    ///
    /// # Errors
    /// Waiting for sockets fails.
    pub fn carry(&mut self, until: Duration) -> Result<RunEnd> {
        Ok(self.driver.carry(until)?)
    }

    /// Plays all stories to their end, `limit` at most.
    ///
    /// # Errors
    /// Waiting for sockets fails.
    pub fn run(&mut self, limit: Duration) -> Result<RunEnd> {
        Ok(self.driver.run(limit)?)
    }

    /// As [`Self::run`], and tells each thing as it happens.
    ///
    /// # Errors
    /// Waiting for sockets fails.
    pub fn tell(&mut self, limit: Duration) -> Result<RunEnd> {
        loop {
            let until = (self.now() + GLANCE).min(limit);
            let end = self.driver.carry(until)?;
            self.tell_news();
            if end == RunEnd::Done || until == limit {
                let end = self.driver.run(limit)?;
                self.tell_news();
                return Ok(end);
            }
        }
    }

    fn tell_news(&mut self) {
        let late = self.driver.take_late();
        self.late = self.late.max(late);
        let machine = if late >= LATE {
            format!("this machine was {} ms late", late.as_millis())
        } else {
            "this machine was in time".to_owned()
        };
        let mut news = Vec::new();
        let phones = self.driver.board().phones();
        for (((phone, name), words), told) in
            phones.zip(&self.names).zip(&self.words).zip(&mut self.told)
        {
            for entry in &phone.log()[told.0..] {
                news.extend(in_words(&entry.event).map(|what| (entry.at, name, what)));
            }
            for outcome in &phone.outcomes()[told.1..] {
                let what = match (outcome.met, words.get(&outcome.step)) {
                    (true, Some(words)) => words.clone(),
                    (true, None) => continue,
                    (false, _) => {
                        format!("MISSES: {} ({}; {machine})", outcome.what, outcome.detail)
                    }
                };
                news.push((outcome.at, name, what));
            }
            for repeat in &phone.repeats()[told.2..] {
                let what = format!("once more: did not {} ({machine})", repeat.what);
                news.push((repeat.at, name, what));
            }
            *told = (phone.log().len(), phone.outcomes().len(), phone.repeats().len());
        }
        news.sort_by_key(|(at, ..)| *at);
        for (at, name, what) in news {
            say(format_args!("{:6.1} s  {name:<5} {what}", at.as_secs_f64()));
        }
    }
}

/// What a newcomer wants to know of.
fn in_words(event: &Event) -> Option<String> {
    let words = match event {
        Event::InviteSent { .. } => "calls".to_owned(),
        Event::InviteReceived { caller, .. } => format!("is called by {caller}"),
        Event::Answered => "is connected".to_owned(),
        Event::KeysSent { count: 1 } => "presses a key".to_owned(),
        Event::KeysSent { count } => format!("presses {count} keys"),
        Event::ByeSent => "hangs up".to_owned(),
        Event::ByeReceived => "is hung up on by the bridge (BYE)".to_owned(),
        Event::TimedOut { method } => format!("gets no answer to {method}"),
        Event::Progress { .. }
        | Event::RingingSent
        | Event::AckReceived
        | Event::ReinviteSent
        | Event::ReinviteAnswered { .. }
        | Event::ReinviteReceived
        | Event::PrackReceived { .. }
        | Event::InfoReceived
        | Event::InfoAnswered { .. }
        | Event::CancelSent
        | Event::CancelReceived
        | Event::ByeAnswered { .. }
        | Event::AudioReceived
        | Event::AskAnswered { .. }
        | Event::Notified { .. }
        | Event::Ended(_) => return None,
    };
    Some(words)
}

/// A line on a free port of `ip`.
///
/// # Errors
/// There is none.
pub fn line(ip: Ipv4Addr) -> Result<Line> {
    Ok(Line::bind(ip, 0)?)
}
