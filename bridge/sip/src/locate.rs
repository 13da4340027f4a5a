//! Where a SIP server is (RFC 3263): a name in, addresses in the order in which they are to be
//! tried out.
//!
//! [`Locator`] asks no name server itself: what it needs to know comes out as a [`Question`], and
//! goes in as records with the time they hold. Everything that it keeps is bounded. When name
//! servers fail, what they said last still holds for a day: a call that could be made yesterday is
//! not refused for their sake.

mod cache;
mod lookup;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use partyline_model::{IdSource, Time};

use self::cache::Cache;
use self::lookup::Lookup;
use crate::flow::{NextHop, Target, Transport};

/// The most targets of one name.
pub const MOST_TARGETS: usize = 16;
/// Lookups that may wait for answers; the next one finds nothing.
const MOST_WAITING: usize = 1024;
/// Questions that may be open at one time.
const MOST_OPEN: usize = 256;
/// How long a lookup waits for name servers, all steps together.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a target that failed is tried last (RFC 3263 §4.3 leaves the time open).
const GRUDGE: Duration = Duration::from_secs(30);
/// Targets that failed which are remembered.
const MOST_FAILED: usize = 1024;

/// What a name server is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Which transports a domain has (RFC 3403).
    Naptr(Box<str>),
    /// Which servers a service has (RFC 2782).
    Srv(Box<str>),
    /// IPv4 addresses.
    A(Box<str>),
    /// IPv6 addresses.
    Aaaa(Box<str>),
}

/// What a name server answered; empty lists where there are no such records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// To [`Question::Naptr`].
    Naptr(Vec<Naptr>),
    /// To [`Question::Srv`].
    Srv(Vec<Srv>),
    /// To [`Question::A`] and [`Question::Aaaa`].
    Addresses(Vec<IpAddr>),
}

/// A NAPTR record (RFC 3403 §4.1), without its regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones come first.
    pub order: u16,
    /// Lower ones come first within an order.
    pub preference: u16,
    /// `s` where the replacement is a name with SRV records.
    pub flags: String,
    /// `SIP+D2U`, `SIP+D2T` or `SIPS+D2T`.
    pub service: String,
    /// The name to ask next.
    pub replacement: String,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones come first.
    pub priority: u16,
    /// How often this one comes first among those of its priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The server's name; `.` where there is decidedly none.
    pub target: String,
}

/// What this bridge can speak, and in which order it likes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// The transports, best first; used where the domain itself states no order.
    pub transports: Vec<Transport>,
    /// Whether IPv4 is spoken.
    pub v4: bool,
    /// Whether IPv6 is spoken.
    pub v6: bool,
}

/// Something for the shell to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocatorOutput<K> {
    /// Ask a name server, then say so with [`Locator::handle_answer`], whatever comes of it.
    Ask(Question),
    /// A lookup has come to its end.
    Located {
        /// Whose it is.
        key: K,
        /// Where to send, in this order; empty where the name leads nowhere.
        targets: Vec<Target>,
    },
}

/// A lookup that waits for answers.
#[derive(Debug)]
struct Waiting<K> {
    key: K,
    hop: NextHop,
    until: Time,
}

/// Finds SIP servers by name.
pub struct Locator<K> {
    abilities: Abilities,
    random: Box<dyn IdSource>,
    cache: Cache,
    waiting: VecDeque<Waiting<K>>,
    open: BTreeSet<Question>,
    failed: BTreeMap<Target, Time>,
    outputs: VecDeque<LocatorOutput<K>>,
}

impl<K> Locator<K> {
    /// A locator that knows nothing yet.
    pub fn new(abilities: Abilities, random: Box<dyn IdSource>) -> Self {
        Self {
            abilities,
            random,
            cache: Cache::default(),
            waiting: VecDeque::new(),
            open: BTreeSet::new(),
            failed: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Looks for the servers of `hop`; [`LocatorOutput::Located`] with `key` follows, at once
    /// where all is known.
    pub fn handle_lookup(&mut self, now: Time, key: K, hop: NextHop) {
        let waiting = Waiting { key, hop, until: now + PATIENCE };
        if self.waiting.len() >= MOST_WAITING {
            self.locate(now, waiting);
        } else if let Some(waiting) = self.try_to_locate(now, waiting) {
            self.waiting.push_back(waiting);
        }
    }

    /// What a name server said to `question`, and how long it holds; `None` when it said nothing.
    pub fn handle_answer(
        &mut self,
        now: Time,
        question: Question,
        answer: Option<(Records, Duration)>,
    ) {
        self.open.remove(&question);
        match answer {
            Some((records, ttl)) => self.cache.learn(now, question, records, ttl),
            None => self.cache.make_do(now, question),
        }
        for waiting in std::mem::take(&mut self.waiting) {
            if let Some(waiting) = self.try_to_locate(now, waiting) {
                self.waiting.push_back(waiting);
            }
        }
    }

    /// A target could not be reached, or answered 503: for a while others are tried before it
    /// (RFC 3263 §4.3).
    pub fn handle_failed(&mut self, now: Time, target: Target) {
        self.failed.retain(|_, until| *until > now);
        if self.failed.len() < MOST_FAILED {
            self.failed.insert(target, now + GRUDGE);
        }
    }

    /// [`Locator::poll_timeout`] is reached: who waited too long gets what is known.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.until <= now) {
            self.locate(now, waiting);
        }
    }

    /// The next thing to do, until `None`; to be called after every input.
    pub fn poll_output(&mut self) -> Option<LocatorOutput<K>> {
        self.outputs.pop_front()
    }

    /// When to call [`Locator::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Time> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    /// Lookups that wait for answers.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Ends a lookup if all is known; else asks what is missing and gives it back.
    fn try_to_locate(&mut self, now: Time, waiting: Waiting<K>) -> Option<Waiting<K>> {
        let (targets, missing) = self.look(now, &waiting.hop, false);
        if missing.is_empty() {
            self.finish(now, waiting.key, targets);
            return None;
        }
        for question in missing {
            if self.open.len() < MOST_OPEN && self.open.insert(question.clone()) {
                self.outputs.push_back(LocatorOutput::Ask(question));
            }
        }
        Some(waiting)
    }

    /// Ends a lookup with what is known, old answers included.
    fn locate(&mut self, now: Time, waiting: Waiting<K>) {
        let (targets, _) = self.look(now, &waiting.hop, true);
        self.finish(now, waiting.key, targets);
    }

    fn look(&mut self, now: Time, hop: &NextHop, make_do: bool) -> (Vec<Target>, Vec<Question>) {
        let mut lookup = Lookup {
            abilities: &self.abilities,
            cache: &self.cache,
            random: &mut *self.random,
            now,
            make_do,
            missing: Vec::new(),
        };
        let targets = lookup.targets(hop);
        (targets, lookup.missing)
    }

    fn finish(&mut self, now: Time, key: K, mut targets: Vec<Target>) {
        // A stable sort: the order stays among those that failed, and among those that did not.
        targets.sort_by_key(|target| self.failed.get(target).is_some_and(|until| *until > now));
        self.outputs.push_back(LocatorOutput::Located { key, targets });
    }
}
