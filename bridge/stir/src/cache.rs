//! Certificates by where they are: what is to be fetched, what was found, for how long it holds.

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_model::{Time, WallTime};

use crate::certificate::{Authorities, Certificate};
use crate::place::Place;
use crate::verdict::Reason;

/// Certificates that are kept: there are some hundred carriers.
const MOST: usize = 512;
/// Fetches at one time: of all, of those that one trunk's calls ask for, and of those at one host.
const MOST_ASKED: usize = 16;
const MOST_OF_TRUNK: usize = 8;
const MOST_OF_TRUNK_AT_HOST: usize = 4;
/// How long a certificate is kept whose place does not say.
const USUAL: Duration = Duration::from_secs(3600);
/// How long a certificate is kept at least, and at most, whatever its place says.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(86_400);
/// How long it holds that there is nothing to be had.
const NOTHING: Duration = Duration::from_secs(30);

/// What a place gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What it gave.
    pub pem: Vec<u8>,
    /// How long it says that this holds; `None` where it does not.
    pub max_age: Option<Duration>,
}

/// Why a place gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FetchFault {
    /// As many places are asked as may be at one time.
    Busy,
    /// Its host has no address.
    NoAddress,
    /// Its host has an address of a network that is nobody's to ask.
    Private,
    /// Nobody is there, or no answer came in time.
    Silent,
    /// Its certificate for https does not hold.
    Tls,
    /// It answered with a status that is neither 200 nor says that nothing is there.
    Status,
    /// It says that no certificate is there.
    NotThere,
    /// It gave more than a certificate has.
    TooLarge,
}

impl FetchFault {
    /// Every fault.
    pub const ALL: [Self; 8] = [
        Self::Busy,
        Self::NoAddress,
        Self::Private,
        Self::Silent,
        Self::Tls,
        Self::Status,
        Self::NotThere,
        Self::TooLarge,
    ];

    /// As metrics and logs name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::NoAddress => "no_address",
            Self::Private => "private",
            Self::Silent => "silent",
            Self::Tls => "tls",
            Self::Status => "status",
            Self::NotThere => "not_there",
            Self::TooLarge => "too_large",
        }
    }
}

/// Why a place has no certificate of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Nothing was found there.
    Unfetched(FetchFault),
    /// What was found is worth nothing.
    Unfit(Reason),
}

/// What is to be done for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing: it is known what is there.
    Known,
    /// It is being fetched already.
    Asked,
    /// To fetch it, and to say what was found.
    Fetch,
    /// Too many are being fetched.
    Busy,
}

enum Entry {
    /// For a call of this trunk first.
    Asked(usize),
    Known {
        found: Result<Certificate, Unusable>,
        until: Time,
    },
}

/// Certificates that are known, and those that are being fetched.
#[derive(Default)]
pub struct Certificates {
    authorities: Authorities,
    known: BTreeMap<Place, Entry>,
}

impl Certificates {
    /// None yet; those are believed that `authorities` vouch for.
    pub fn new(authorities: Authorities) -> Self {
        Self { authorities, ..Self::default() }
    }

    /// What is to be done for the certificate at `place`, which a call of `trunk` names. What is said
    /// to be fetched counts as asked for until [`Certificates::take`].
    pub fn want(&mut self, now: Time, trunk: usize, place: &Place) -> Want {
        match self.known.get(place) {
            Some(Entry::Asked(_)) => return Want::Asked,
            Some(Entry::Known { until, .. }) if now < *until => return Want::Known,
            Some(Entry::Known { .. }) | None => {}
        }
        if !self.has_turn(trunk, place.host()) {
            return Want::Busy;
        }
        self.make_room();
        self.known.insert(place.clone(), Entry::Asked(trunk));
        Want::Fetch
    }

    /// Whether one more may be fetched: whoever names many that are slow leaves others their share.
    fn has_turn(&self, trunk: usize, host: &str) -> bool {
        let (mut all, mut of_trunk, mut at_host) = (0, 0, 0);
        for (place, entry) in &self.known {
            let Entry::Asked(by) = entry else { continue };
            all += 1;
            of_trunk += usize::from(*by == trunk);
            at_host += usize::from(*by == trunk && place.host() == host);
        }
        all < MOST_ASKED && of_trunk < MOST_OF_TRUNK && at_host < MOST_OF_TRUNK_AT_HOST
    }

    /// What is at `place`, as far as it is known now.
    pub fn get(&self, now: Time, place: &Place) -> Option<&Result<Certificate, Unusable>> {
        match self.known.get(place)? {
            Entry::Known { found, until } if now < *until => Some(found),
            Entry::Known { .. } | Entry::Asked(_) => None,
        }
    }

    /// What was found at `place`; `at` is what the wall clock reads now.
    pub fn take(
        &mut self,
        now: Time,
        at: WallTime,
        place: &Place,
        fetched: Result<Fetched, FetchFault>,
    ) {
        let Some(entry @ Entry::Asked(_)) = self.known.get_mut(place) else { return };
        let (found, holds) = match fetched {
            Ok(Fetched { pem, max_age }) => match Certificate::read(&pem, &self.authorities, at) {
                Ok(certificate) => {
                    (Ok(certificate), max_age.unwrap_or(USUAL).clamp(SHORTEST, LONGEST))
                }
                Err(reason) => (Err(Unusable::Unfit(reason)), NOTHING),
            },
            Err(fault) => (Err(Unusable::Unfetched(fault)), NOTHING),
        };
        *entry = Entry::Known { found, until: now + holds };
    }

    /// How many places are known or asked.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Forgets what holds the shortest, when nothing more has room: what is worth nothing first, as
    /// that holds for half a minute only.
    fn make_room(&mut self) {
        if self.known.len() < MOST {
            return;
        }
        let ends = |(place, entry): (&Place, &Entry)| match entry {
            Entry::Known { until, .. } => Some((*until, place.clone())),
            Entry::Asked(_) => None,
        };
        if let Some((_, place)) = self.known.iter().filter_map(ends).min() {
            self.known.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(n: usize) -> Place {
        Place::parse(&format!("https://cr.example/{n}.pem")).expect("a place")
    }

    fn nothing(certificates: &mut Certificates, now: Time, n: usize) {
        certificates.take(now, WallTime::from_micros(0), &place(n), Err(FetchFault::Silent));
    }

    #[test]
    fn a_place_is_asked_once_and_again_when_what_was_found_holds_no_longer() {
        let mut known = Certificates::default();
        let now = Time::ZERO;
        assert_eq!(known.want(now, 1, &place(1)), Want::Fetch);
        assert_eq!(known.want(now, 1, &place(1)), Want::Asked, "one flight");
        assert!(known.get(now, &place(1)).is_none());
        nothing(&mut known, now, 1);
        assert_eq!(known.want(now, 1, &place(1)), Want::Known);
        let found = known.get(now, &place(1));
        assert!(matches!(found, Some(Err(Unusable::Unfetched(FetchFault::Silent)))));
        let later = now + NOTHING;
        assert!(known.get(later, &place(1)).is_none());
        assert_eq!(known.want(later, 1, &place(1)), Want::Fetch);
    }

    #[test]
    fn so_many_places_are_asked_at_one_time_and_so_many_are_kept() {
        let mut known = Certificates::default();
        for n in 0..MOST_ASKED {
            let trunk = n / MOST_OF_TRUNK_AT_HOST;
            assert_eq!(known.want(Time::ZERO, trunk, &place(n)), Want::Fetch);
        }
        assert_eq!(known.want(Time::ZERO, 9, &place(MOST_ASKED)), Want::Busy);
        assert_eq!(known.want(Time::ZERO, 9, &place(0)), Want::Asked);
        nothing(&mut known, Time::ZERO, 0);
        for n in MOST_ASKED..MOST * 3 {
            let now = Time::from_millis(n as u64);
            assert_eq!(known.want(now, 0, &place(n)), Want::Fetch);
            nothing(&mut known, now, n);
            assert!(known.len() <= MOST);
        }
        assert_eq!(
            known.want(Time::ZERO, 1, &place(1)),
            Want::Asked,
            "who is asked is not forgotten"
        );
    }

    #[test]
    fn one_trunk_and_what_it_names_at_one_host_leave_others_their_fetches() {
        let mut known = Certificates::default();
        let at = |host: &str, n: usize| {
            Place::parse(&format!("https://{host}.example/{n}.pem")).expect("a place")
        };
        let mut wants = |trunk, host, n| known.want(Time::ZERO, trunk, &at(host, n)) == Want::Fetch;
        let slow = (0..20).filter(|n| wants(1, "slow", *n)).count();
        assert_eq!(slow, MOST_OF_TRUNK_AT_HOST);
        assert!(wants(2, "slow", 20), "another trunk's calls by the same carrier");
        let others = (0..20).filter(|n| wants(1, "other", *n)).count();
        assert_eq!(slow + others, MOST_OF_TRUNK);
        assert!(!wants(1, "third", 0) && wants(2, "third", 0));
    }

    #[test]
    fn what_nobody_asked_for_is_not_taken() {
        let mut known = Certificates::default();
        nothing(&mut known, Time::ZERO, 1);
        assert!(known.is_empty());
    }
}
