//! Certificates by where they are: what is to be fetched, what was found, for how long it holds.

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_model::{Time, WallTime};

use crate::certificate::{Authorities, Certificate};
use crate::place::Place;
use crate::verdict::Reason;

/// Certificates that are kept: there are some hundred carriers.
const MOST: usize = 512;
/// Fetches at one time.
const MOST_ASKED: usize = 16;
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
    /// It answered with a status other than 200.
    Status,
    /// It gave more than a certificate has.
    TooLarge,
}

impl FetchFault {
    /// Every fault.
    pub const ALL: [Self; 7] = [
        Self::Busy,
        Self::NoAddress,
        Self::Private,
        Self::Silent,
        Self::Tls,
        Self::Status,
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
    Asked,
    Known { found: Result<Certificate, Unusable>, until: Time },
}

/// Certificates that are known, and those that are being fetched.
#[derive(Default)]
pub struct Certificates {
    authorities: Authorities,
    known: BTreeMap<Place, Entry>,
    asked: usize,
}

impl Certificates {
    /// None yet; those are believed that `authorities` vouch for.
    pub fn new(authorities: Authorities) -> Self {
        Self { authorities, ..Self::default() }
    }

    /// What is to be done for the certificate at `place`. What is said to be fetched counts as asked
    /// for until [`Certificates::take`].
    pub fn want(&mut self, now: Time, place: &Place) -> Want {
        match self.known.get(place) {
            Some(Entry::Asked) => return Want::Asked,
            Some(Entry::Known { until, .. }) if now < *until => return Want::Known,
            Some(Entry::Known { .. }) | None => {}
        }
        if self.asked == MOST_ASKED {
            return Want::Busy;
        }
        self.make_room();
        self.asked += 1;
        self.known.insert(place.clone(), Entry::Asked);
        Want::Fetch
    }

    /// What is at `place`, as far as it is known now.
    pub fn get(&self, now: Time, place: &Place) -> Option<&Result<Certificate, Unusable>> {
        match self.known.get(place)? {
            Entry::Known { found, until } if now < *until => Some(found),
            Entry::Known { .. } | Entry::Asked => None,
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
        let Some(entry @ Entry::Asked) = self.known.get_mut(place) else { return };
        self.asked -= 1;
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
            Entry::Asked => None,
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
        assert_eq!(known.want(now, &place(1)), Want::Fetch);
        assert_eq!(known.want(now, &place(1)), Want::Asked, "one flight");
        assert!(known.get(now, &place(1)).is_none());
        nothing(&mut known, now, 1);
        assert_eq!(known.want(now, &place(1)), Want::Known);
        let found = known.get(now, &place(1));
        assert!(matches!(found, Some(Err(Unusable::Unfetched(FetchFault::Silent)))));
        let later = now + NOTHING;
        assert!(known.get(later, &place(1)).is_none());
        assert_eq!(known.want(later, &place(1)), Want::Fetch);
    }

    #[test]
    fn so_many_places_are_asked_at_one_time_and_so_many_are_kept() {
        let mut known = Certificates::default();
        for n in 0..MOST_ASKED {
            assert_eq!(known.want(Time::ZERO, &place(n)), Want::Fetch);
        }
        assert_eq!(known.want(Time::ZERO, &place(MOST_ASKED)), Want::Busy);
        assert_eq!(known.want(Time::ZERO, &place(0)), Want::Asked);
        nothing(&mut known, Time::ZERO, 0);
        for n in MOST_ASKED..MOST * 3 {
            let now = Time::from_millis(n as u64);
            assert_eq!(known.want(now, &place(n)), Want::Fetch);
            nothing(&mut known, now, n);
            assert!(known.len() <= MOST);
        }
        assert_eq!(known.want(Time::ZERO, &place(1)), Want::Asked, "who is asked is not forgotten");
    }

    #[test]
    fn what_nobody_asked_for_is_not_taken() {
        let mut known = Certificates::default();
        nothing(&mut known, Time::ZERO, 1);
        assert!(known.is_empty());
    }
}
