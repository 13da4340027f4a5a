//! Who guesses at passwords: wrong answers are counted by the address that they come from, by the
//! user whom they name, and by both together, in a bounded memory that is the same for users that
//! there are and others.
//!
//! A wrong answer is one to a question that was put to its source ([`crate::auth::Asked`]): nobody
//! has a count raised under an address that is not his. Every count falls again by itself, so that
//! who is over it is slowed and not shut out.

use std::net::IpAddr;
use std::time::Duration;

use partyline_model::Time;

use crate::rate::{Buckets, Pace, host};

/// Wrong answers of one address for one user: a telephone with an old password stays within it, and
/// takes little from its neighbours.
const OF_PAIR: Pace = Pace { every: Duration::from_secs(120), burst: 5 };
/// The same where the user was right: who shares a NAT with him finds no short password in a day.
const WHERE_RIGHT: Pace = Pace { every: Duration::from_secs(6), burst: 100 };
/// Wrong answers of one address for users who were not right there, and for those who were: neither
/// closes the address to the others.
const OF_SOURCE: [Pace; 2] = [
    Pace { every: Duration::from_secs(12), burst: 50 },
    Pace { every: Duration::from_secs(2), burst: 300 },
];
/// Wrong answers for one user from all addresses where nobody was right.
const FOR_USER: Pace = Pace { every: Duration::from_secs(12), burst: 50 };
/// Beyond that, those of addresses that were not wrong about him in the last minutes.
const FIRST_FOR_USER: Pace = Pace { every: Duration::from_secs(6), burst: 100 };
/// Addresses, and pairs of an address and a user, that are remembered each. Beyond it the one that
/// has the least to forget is forgotten.
const MOST: usize = 16 * 1024;
/// Rows for names: each stands for all names that have its hash.
const NAMES: usize = 4096;

/// How well an address is known to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acquaintance {
    /// The user was right there.
    Right,
    /// The user was right in the network of the address, or another user was at the address.
    Near,
    /// Neither.
    None,
}

/// The counts.
#[derive(Debug)]
pub(super) struct Guesses {
    key: u64,
    pairs: Buckets<(IpAddr, u64)>,
    /// For users who were right there, and others.
    sources: Buckets<(bool, IpAddr)>,
    /// By rows for names.
    names: Buckets<usize>,
    firsts: Buckets<usize>,
}

impl Guesses {
    /// No count yet; nobody who does not know `key` finds names with one hash.
    pub(super) fn new(key: u64) -> Self {
        Self {
            key,
            pairs: Buckets::new(MOST),
            sources: Buckets::new(MOST),
            names: Buckets::new(NAMES),
            firsts: Buckets::new(NAMES),
        }
    }

    /// Notes a wrong answer that was looked at.
    pub(super) fn note(&mut self, now: Time, source: IpAddr, name: &str, how: Acquaintance) {
        let (source, name, row) = self.keys(source, name);
        let is_first = self.pairs.is_full(now, &(source, name));
        let right = how == Acquaintance::Right;
        self.pairs.take(now, (source, name), pair_of(how));
        self.sources.take(now, (right, source), OF_SOURCE[usize::from(right)]);
        if how == Acquaintance::None && !self.names.take(now, row, FOR_USER) && is_first {
            self.firsts.take(now, row, FIRST_FOR_USER);
        }
    }

    /// Whether an answer for `name` from `source` is looked at.
    pub(super) fn listens(&self, now: Time, source: IpAddr, name: &str, how: Acquaintance) -> bool {
        let (source, name, row) = self.keys(source, name);
        let pair = (source, name);
        let right = how == Acquaintance::Right;
        let is_open = || match how {
            Acquaintance::Right | Acquaintance::Near => true,
            Acquaintance::None => {
                self.names.has(now, &row, FOR_USER)
                    || self.pairs.is_full(now, &pair) && self.firsts.has(now, &row, FIRST_FOR_USER)
            }
        };
        self.pairs.has(now, &pair, pair_of(how))
            && self.sources.has(now, &(right, source), OF_SOURCE[usize::from(right)])
            && is_open()
    }

    /// The host, a keyed FNV-1a hash of the name, and the row that the name shares with others.
    fn keys(&self, source: IpAddr, name: &str) -> (IpAddr, u64, usize) {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.key, |hash, b| {
            (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        });
        let hash = hash ^ hash >> 32;
        (host(source), hash, usize::try_from(hash % NAMES as u64).unwrap_or_default())
    }
}

const fn pair_of(how: Acquaintance) -> Pace {
    match how {
        Acquaintance::Right => WHERE_RIGHT,
        Acquaintance::Near | Acquaintance::None => OF_PAIR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1000);

    fn ip(last: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + last).into()
    }

    /// How many of `tries` at a moment are looked at, all of them wrong.
    fn heard(
        guesses: &mut Guesses,
        now: Time,
        tries: impl Iterator<Item = (u32, String)>,
        how: Acquaintance,
    ) -> usize {
        let heard = tries.filter(|(source, name)| {
            let listens = guesses.listens(now, ip(*source), name, how);
            if listens {
                guesses.note(now, ip(*source), name, how);
            }
            listens
        });
        heard.count()
    }

    fn same(source: u32, name: &str) -> impl Iterator<Item = (u32, String)> {
        std::iter::repeat_n((source, name.to_owned()), 10_000)
    }

    #[test]
    fn an_old_password_closes_its_user_at_its_address_and_nobody_else() {
        let mut guesses = Guesses::new(7);
        let mut wrong = 0;
        for second in 0..3600 {
            let now = NOW + Duration::from_secs(second);
            wrong += heard(&mut guesses, now, same(1, "anna"), Acquaintance::None);
            assert!(guesses.listens(now, ip(1), "ben", Acquaintance::None), "her neighbour");
        }
        assert_eq!(wrong, 5 + 29, "and one in two minutes");
        assert!(guesses.listens(NOW, ip(2), "anna", Acquaintance::None), "she herself elsewhere");
    }

    #[test]
    fn an_address_that_tries_many_names_is_slowed() {
        let mut guesses = Guesses::new(7);
        let names = || (0..10_000).map(|n| (1, format!("user{n}")));
        assert_eq!(heard(&mut guesses, NOW, names(), Acquaintance::None), 50);
        let later = NOW + Duration::from_secs(24);
        assert_eq!(heard(&mut guesses, later, names(), Acquaintance::None), 2);
        assert!(guesses.listens(later, ip(1), "anna", Acquaintance::Right), "who was right there");
        assert!(guesses.listens(later, ip(2), "anna", Acquaintance::None));
        let over = later + Duration::from_secs(600);
        assert_eq!(heard(&mut guesses, over, names(), Acquaintance::None), 50, "it was forgotten");
    }

    #[test]
    fn a_neighbour_of_who_was_right_guesses_a_hundred_times_and_no_more() {
        let mut guesses = Guesses::new(7);
        assert_eq!(heard(&mut guesses, NOW, same(1, "anna"), Acquaintance::Right), 100);
        assert!(guesses.listens(NOW, ip(1), "ben", Acquaintance::Right));
        let all = (0..10_000).map(|n| (1, format!("user{}", n % 100)));
        assert_eq!(heard(&mut guesses, NOW, all, Acquaintance::Right), 200, "in all");
        assert!(guesses.listens(NOW, ip(1), "ben", Acquaintance::None), "who was not right yet");
        let later = NOW + Duration::from_secs(6);
        assert_eq!(heard(&mut guesses, later, same(1, "anna"), Acquaintance::Right), 1);
    }

    #[test]
    fn a_user_whom_many_guess_at_is_slow_to_strangers_and_open_to_acquaintances() {
        let mut guesses = Guesses::new(7);
        let ten = || (0..10_000).map(|n| (n % 10, "anna".to_owned()));
        assert_eq!(heard(&mut guesses, NOW, ten(), Acquaintance::None), 50, "five of each");
        assert!(guesses.listens(NOW, ip(999), "anna", Acquaintance::None), "a first try");
        assert!(guesses.listens(NOW, ip(999), "ben", Acquaintance::None));
        let world = (1000..9000).map(|n| (n, "anna".to_owned()));
        assert_eq!(heard(&mut guesses, NOW, world, Acquaintance::None), 100, "of the world");
        for (how, open) in
            [(Acquaintance::None, false), (Acquaintance::Near, true), (Acquaintance::Right, true)]
        {
            assert_eq!(guesses.listens(NOW, ip(999), "anna", how), open, "{how:?}");
        }
        let later = NOW + Duration::from_secs(6);
        assert!(guesses.listens(later, ip(999), "anna", Acquaintance::None));
    }

    #[test]
    fn a_world_of_guessers_takes_a_bounded_memory() {
        let mut guesses = Guesses::new(7);
        for n in 0..40_000 {
            let now = NOW + Duration::from_millis(u64::from(n));
            guesses.note(now, ip(n), &format!("user{n}"), Acquaintance::None);
        }
        assert!(guesses.pairs.len() <= MOST && guesses.sources.len() <= MOST);
        assert!(guesses.names.len() <= NAMES && guesses.firsts.len() <= NAMES);
    }
}
