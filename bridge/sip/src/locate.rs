//! Where a SIP server is (RFC 3263): a name in, addresses in the order in which they are to be
//! tried out.
//!
//! [`Locator`] asks no name server itself: what it needs to know comes out as a [`Question`], and
//! goes in as records with the time they hold. Everything that it keeps is bounded. When name
//! servers fail, what they said last still holds for a day: a call that could be made yesterday is
//! not refused for their sake. What is looked up because of somebody else's words has a rate, and
//! never more than half of the room.

mod cache;
mod lookup;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use partyline_model::{IdSource, Time};

use self::cache::{Cache, LONGEST};
use self::lookup::Lookup;
use crate::flow::{NextHop, Target, Transport};
use crate::rate::{Buckets, Rate};

/// The most targets of one name.
pub const MOST_TARGETS: usize = 16;
/// Lookups that may wait for answers; the next one finds nothing.
const MOST_WAITING: usize = 1024;
/// Questions that may be open at one time.
const MOST_OPEN: usize = 256;
/// How long a lookup waits for name servers, all steps together.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a target that failed is tried last (RFC 3263 §4.3 leaves the time open).
const GRUDGE: Duration = Duration::from_secs(120);
/// Targets that failed which are remembered.
const MOST_FAILED: usize = 1024;
/// Questions that one payer causes: half a dozen for a name that was never heard of.
const QUESTIONS: Rate = Rate { per_second: 30, burst: 300 };
/// Payers whose rates are remembered.
const MOST_PAYERS: usize = 1024;

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

/// Which records say where the servers of a name without a port are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Procedure {
    /// NAPTR, SRV, and the addresses of the name itself where it has neither (RFC 3263 §4).
    #[default]
    Auto,
    /// As [`Procedure::Auto`], but never the addresses of the name itself.
    Srv,
    /// The addresses of the name itself, at the transport's usual port.
    Address,
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The name.
    pub hop: NextHop,
    /// How its servers are found.
    pub procedure: Procedure,
    /// Whose words made us look; `None` for our own.
    pub payer: Option<u32>,
}

impl From<NextHop> for Search {
    fn from(hop: NextHop) -> Self {
        Self { hop, procedure: Procedure::Auto, payer: None }
    }
}

/// What a lookup has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where to send, in this order; empty where the name leads nowhere.
    pub targets: Vec<Target>,
    /// Until when looking again finds the same.
    pub until: Time,
    /// Why that is not the whole truth.
    pub fault: Option<LookupFault>,
}

/// Why a lookup came to nothing, or to what was known of old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LookupFault {
    /// Name servers did not answer, or said that they cannot.
    Silent,
    /// There are no such records.
    Nothing,
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
        /// What was found.
        found: Found,
    },
}

/// A lookup that waits for answers.
#[derive(Debug)]
struct Waiting<K> {
    key: K,
    search: Search,
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
    allowances: Buckets<u32>,
    refused: u64,
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
            allowances: Buckets::new(MOST_PAYERS),
            refused: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Looks for servers; [`LocatorOutput::Located`] with `key` follows, at once where all is known.
    pub fn handle_lookup(&mut self, now: Time, key: K, search: impl Into<Search>) {
        let waiting = Waiting { key, search: search.into(), until: now + PATIENCE };
        let room = if waiting.search.payer.is_some() { MOST_WAITING / 2 } else { MOST_WAITING };
        if self.waiting.len() >= room {
            self.refused += 1;
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

    /// Lookups that had to make do with what was known, since there were too many.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Ends a lookup if all is known; else asks what is missing and gives it back. Who may not ask
    /// makes do with what is known.
    fn try_to_locate(&mut self, now: Time, waiting: Waiting<K>) -> Option<Waiting<K>> {
        let (found, missing) = self.look(now, &waiting.search, false);
        if missing.is_empty() {
            self.finish(now, waiting.key, found);
            return None;
        }
        let payer = waiting.search.payer;
        for question in missing {
            if self.open.contains(&question) {
                continue;
            }
            let may_ask = match payer {
                None => self.open.len() < MOST_OPEN,
                Some(payer) => {
                    self.open.len() < MOST_OPEN / 2 && self.allowances.take(now, payer, QUESTIONS)
                }
            };
            if may_ask {
                self.open.insert(question.clone());
                self.outputs.push_back(LocatorOutput::Ask(question));
            } else if payer.is_some() {
                self.refused += 1;
                self.locate(now, waiting);
                return None;
            }
        }
        Some(waiting)
    }

    /// Ends a lookup with what is known, old answers included.
    fn locate(&mut self, now: Time, waiting: Waiting<K>) {
        let (found, _) = self.look(now, &waiting.search, true);
        self.finish(now, waiting.key, found);
    }

    fn look(&mut self, now: Time, search: &Search, make_do: bool) -> (Found, Vec<Question>) {
        let mut lookup = Lookup {
            abilities: &self.abilities,
            cache: &self.cache,
            random: &mut *self.random,
            now,
            make_do,
            missing: Vec::new(),
            fresh: now + LONGEST,
            failed: false,
        };
        let targets = lookup.targets(&search.hop, search.procedure);
        let nothing = targets.is_empty().then_some(LookupFault::Nothing);
        let fault = if lookup.failed { Some(LookupFault::Silent) } else { nothing };
        (Found { targets, until: lookup.fresh, fault }, lookup.missing)
    }

    fn finish(&mut self, now: Time, key: K, mut found: Found) {
        // A stable sort: the order stays among those that failed, and among those that did not.
        let grudge = |target: &Target| self.failed.get(target).is_some_and(|until| *until > now);
        found.targets.sort_by_key(grudge);
        self.outputs.push_back(LocatorOutput::Located { key, found });
    }
}
