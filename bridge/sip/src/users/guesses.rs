//! Who guesses at passwords: wrong answers are counted by the address that they come from and by the
//! user whom they name, in a bounded memory that is the same for users that there are and others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use partyline_model::Time;

use crate::rate::host;

/// How long a wrong answer counts, from the first of its row.
const WINDOW: Duration = Duration::from_secs(600);
/// Wrong answers of one address within the window. After that it is not listened to.
const MOST_OF_SOURCE: u32 = 10;
/// Wrong answers of an address within the window for users who were right there: whoever shares a NAT
/// with one finds no short password in a day.
const MOST_WHERE_RIGHT: u32 = 100;
/// Wrong answers for one user. After that nobody is listened to who was not right before.
const MOST_FOR_USER: u32 = 50;
/// Addresses that are remembered; beyond it the one whose row began first is forgotten.
const SOURCES: usize = 4096;
/// Rows for names: each stands for all names that have its hash.
const NAMES: u64 = 4096;

#[derive(Clone, Copy, Debug)]
struct Row {
    since: Time,
    wrong: u32,
}

/// The rows.
#[derive(Debug)]
pub(super) struct Guesses {
    key: u64,
    sources: BTreeMap<IpAddr, Row>,
    names: BTreeMap<u64, Row>,
}

impl Guesses {
    /// No row yet; nobody who does not know `key` finds names with one hash.
    pub(super) const fn new(key: u64) -> Self {
        Self { key, sources: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// Notes a wrong answer.
    pub(super) fn note(&mut self, now: Time, source: IpAddr, name: &str) {
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&host(source)) {
            let oldest = self.sources.iter().min_by_key(|(_, row)| row.since);
            let oldest = oldest.map(|(source, _)| *source);
            oldest.map(|source| self.sources.remove(&source));
        }
        let name = self.hash(name);
        count(now, self.sources.entry(host(source)).or_insert(Row { since: now, wrong: 0 }));
        count(now, self.names.entry(name).or_insert(Row { since: now, wrong: 0 }));
    }

    /// Whether an answer for `name` from `source` is looked at, where he was right before or not.
    pub(super) fn listens(&self, now: Time, source: IpAddr, name: &str, was_right: bool) -> bool {
        let below = |row: Option<&Row>, most| {
            row.is_none_or(|row| row.wrong < most || now.since(row.since) > WINDOW)
        };
        let source = self.sources.get(&host(source));
        if was_right {
            return below(source, MOST_WHERE_RIGHT);
        }
        below(source, MOST_OF_SOURCE) && below(self.names.get(&self.hash(name)), MOST_FOR_USER)
    }

    /// A keyed FNV-1a hash.
    fn hash(&self, name: &str) -> u64 {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.key, |hash, b| {
            (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        });
        (hash ^ hash >> 32) % NAMES
    }
}

fn count(now: Time, row: &mut Row) {
    if now.since(row.since) > WINDOW {
        *row = Row { since: now, wrong: 0 };
    }
    row.wrong = row.wrong.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_OVER: Time = Time::from_secs(601);

    fn ip(last: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + last).into()
    }

    #[test]
    fn an_address_that_guesses_is_not_listened_to_for_ten_minutes() {
        let mut guesses = Guesses::new(7);
        let now = Time::from_secs(1);
        for n in 0..MOST_OF_SOURCE {
            assert!(guesses.listens(now, ip(1), &n.to_string(), false));
            guesses.note(now, ip(1), &n.to_string());
        }
        assert!(!guesses.listens(now, ip(1), "anna", false));
        assert!(guesses.listens(now, ip(2), "anna", false));
        assert!(guesses.listens(now + WINDOW + Duration::from_secs(1), ip(1), "anna", false));
    }

    #[test]
    fn a_neighbour_of_who_was_right_guesses_a_hundred_times_and_no_more() {
        let mut guesses = Guesses::new(7);
        for _ in 0..MOST_WHERE_RIGHT {
            assert!(guesses.listens(Time::ZERO, ip(1), "anna", true));
            guesses.note(Time::ZERO, ip(1), "anna");
        }
        assert!(!guesses.listens(Time::ZERO, ip(1), "anna", true));
        assert!(guesses.listens(WINDOW_OVER, ip(1), "anna", true));
    }

    #[test]
    fn a_user_whom_many_guess_at_is_closed_to_who_was_never_right() {
        let mut guesses = Guesses::new(7);
        for n in 0..MOST_FOR_USER {
            guesses.note(Time::ZERO, ip(n), "anna");
        }
        assert!(!guesses.listens(Time::ZERO, ip(999), "anna", false));
        assert!(guesses.listens(Time::ZERO, ip(999), "ben", false));
    }

    #[test]
    fn a_world_of_guessers_takes_a_bounded_memory() {
        let mut guesses = Guesses::new(7);
        for n in 0..20_000 {
            guesses.note(Time::from_millis(u64::from(n)), ip(n), &format!("user{n}"));
        }
        assert!(guesses.sources.len() <= SOURCES && guesses.names.len() <= 4096);
    }
}
