//! Answers to challenges: which of them, and with what (RFC 3261 §22.2, §22.3; RFC 7616 §3.4).

use std::fmt;

use super::algorithm::{Algorithm, Hex};
use super::challenge::{Challenge, Place};
use super::params::is_quotable;
use super::secret::Password;
use crate::message::scan::Malformed;
use crate::message::{Message, StartLine};

/// How many challenges a request is answered for by default, those of 401 and 407 together.
const ATTEMPTS: u8 = 2;

/// How often, beside that, an answer that was right may be asked for with a fresh nonce.
const MOST_STALE: u8 = 2;

/// Realms that are answered in one request: more than one only where proxies ask as well.
const MAX_REALMS: usize = 4;

/// Which challenge is answered when a realm asks by several algorithms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The strongest, wherever it stands: who changes a message on its way cannot take it out
    /// of the peer's order.
    #[default]
    Strongest,
    /// The first that we speak (RFC 8760 §2.4).
    Peer,
}

/// A user name and its password at a peer.
pub struct Login {
    user: Box<str>,
    password: Password,
    realm: Option<Box<str>>,
    order: Order,
}

impl Login {
    /// A login for whatever realm asks.
    ///
    /// # Errors
    /// [`Malformed`] when the name is empty or has a quote, a backslash or a control character.
    pub fn new(user: &str, password: Password) -> Result<Self, Malformed> {
        if user.is_empty() || user.contains('\\') || !is_quotable(user) {
            return Err(Malformed);
        }
        Ok(Self { user: user.into(), password, realm: None, order: Order::default() })
    }

    /// Binds the login to one realm: others get no answer that passwords could be guessed from.
    #[must_use]
    pub fn in_realm(self, realm: &str) -> Self {
        Self { realm: Some(realm.into()), ..self }
    }

    /// Says which challenge is answered.
    #[must_use]
    pub fn in_order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// The user name.
    pub fn user(&self) -> &str {
        &self.user
    }

    fn knows(&self, realm: &str) -> bool {
        self.realm.as_deref().is_none_or(|own| own == realm)
    }

    /// The challenges to answer, one for each realm.
    fn choose(&self, challenges: Vec<Challenge>) -> Vec<Challenge> {
        let mut chosen: Vec<Challenge> = Vec::new();
        for challenge in challenges.into_iter().filter(|one| self.knows(&one.realm)) {
            let at = chosen.iter().position(|other| other.realm == challenge.realm);
            if let Some(other) = at.map(|at| &mut chosen[at]) {
                let stronger = challenge.algorithm.hash > other.algorithm.hash;
                if self.order == Order::Strongest && stronger {
                    *other = challenge;
                }
            } else if chosen.len() < MAX_REALMS {
                chosen.push(challenge);
            }
        }
        chosen
    }
}

impl fmt::Debug for Login {
    /// Names the user, never the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a 401 or 407 is not answered: the request has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswerable {
    /// There is no digest challenge of an algorithm that we speak.
    NothingToAnswer,
    /// The login is for another realm.
    OtherRealm,
    /// What was answered is asked for again: user or password is wrong.
    Refused,
}

impl Unanswerable {
    /// A name for a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NothingToAnswer => "no_known_challenge",
            Self::OtherRealm => "other_realm",
            Self::Refused => "wrong_credentials",
        }
    }
}

impl fmt::Display for Unanswerable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingToAnswer => "the far end asks in no way that is known here",
            Self::OtherRealm => "the far end asks for users of another realm",
            Self::Refused => "the far end does not take this user and password",
        })
    }
}

impl std::error::Error for Unanswerable {}

/// What a request was asked for, and how often; kept with it until its final response.
///
/// A registration or a dialog may keep it for the requests that follow ([`Authentication::again`]).
#[derive(Default)]
pub struct Authentication {
    realms: Vec<Asked>,
    attempts: u8,
    stale: u8,
}

/// One realm that asks, and the state of its nonce.
struct Asked {
    place: Place,
    challenge: Challenge,
    /// Requests that this nonce was used for.
    count: u32,
    /// The cnonce of the first of them, which goes into the secret of a `-sess` algorithm.
    first: u128,
}

impl Authentication {
    /// Reads a 401 or 407. When that succeeds the request is to be sent again, as a new transaction
    /// with the next CSeq, after [`Authentication::authorize`].
    ///
    /// A nonce that was answered and comes again is a refusal, whatever is said with it; a new one is answered whether or not
    /// the peer says `stale`, since many do not say it.
    ///
    /// # Errors
    /// [`Unanswerable`]: the response is final.
    pub fn challenged(&mut self, login: &Login, response: &Message) -> Result<(), Unanswerable> {
        let (mut read, mut known, mut fresh, mut stale) = (0, 0, Vec::new(), true);
        for place in Place::ALL {
            let challenges = Challenge::read(&response.headers, place);
            read += challenges.len();
            for challenge in login.choose(challenges) {
                known += 1;
                let asked = self.find(place, &challenge.realm).map(|at| &self.realms[at].challenge);
                if asked.is_none_or(|asked| asked.nonce != challenge.nonce) {
                    stale &= asked.is_some() && challenge.stale;
                    fresh.push((place, challenge));
                }
            }
        }
        match (read, known) {
            (0, _) => return Err(Unanswerable::NothingToAnswer),
            (_, 0) => return Err(Unanswerable::OtherRealm),
            _ if fresh.is_empty() => return Err(Unanswerable::Refused),
            _ => {}
        }
        let (used, most) =
            if stale { (&mut self.stale, MOST_STALE) } else { (&mut self.attempts, ATTEMPTS) };
        if *used == most {
            return Err(Unanswerable::Refused);
        }
        *used += 1;
        for (place, challenge) in fresh {
            self.take(place, challenge);
        }
        Ok(())
    }

    fn find(&self, place: Place, realm: &str) -> Option<usize> {
        self.realms
            .iter()
            .position(|asked| asked.place == place && *asked.challenge.realm == *realm)
    }

    fn take(&mut self, place: Place, challenge: Challenge) {
        let at = self.find(place, &challenge.realm);
        let asked = Asked { place, challenge, count: 0, first: 0 };
        match at {
            Some(at) => self.realms[at] = asked,
            None if self.realms.len() < 2 * MAX_REALMS => self.realms.push(asked),
            None => {}
        }
    }

    /// Whether there is something to answer before anybody asks.
    pub fn is_known(&self) -> bool {
        !self.realms.is_empty()
    }

    /// Writes the answers into a request in place of those that stand there. `cnonce` is fresh.
    ///
    /// ACK and CANCEL repeat the headers of their INVITE instead (RFC 3261 §22.1).
    pub fn authorize(&mut self, login: &Login, cnonce: u128, request: &mut Message) {
        let StartLine::Request { method, uri } = &request.start else { return };
        for place in Place::ALL {
            request.headers.remove(&place.credentials());
        }
        for asked in &mut self.realms {
            asked.count += 1;
            if asked.count == 1 {
                asked.first = cnonce;
            }
            let answer = asked.answer(login, cnonce, method.as_str(), uri);
            request.headers.add(asked.place.credentials(), answer);
        }
    }

    /// Begins another request. With `reuse` it carries answers to the nonces that are known, which
    /// spares a round where the peer likes it (RFC 3261 §22.3); without, it waits to be asked.
    pub fn again(&mut self, reuse: bool) {
        (self.attempts, self.stale) = (0, 0);
        if !reuse {
            self.realms.clear();
        }
    }
}

impl Asked {
    /// The value of the credentials' header.
    fn answer(&self, login: &Login, cnonce: u128, method: &str, uri: &str) -> String {
        let Challenge { realm, nonce, algorithm, .. } = &self.challenge;
        let cnonce = format!("{cnonce:032x}");
        let count = format!("{:08x}", self.count);
        let ha1 = self.ha1(login);
        let ha2 = algorithm.hash.of(&[method.as_bytes(), uri.as_bytes()]);
        let protection = self.challenge.qop.then_some((&*count, &*cnonce));
        let response = response(*algorithm, &ha1, nonce, protection, &ha2);
        let mut text = format!(
            "Digest username=\"{}\",realm=\"{realm}\",nonce=\"{nonce}\",uri=\"{}\",response=\"{}\"",
            login.user(),
            quoted_uri(uri),
            response.as_str(),
        );
        if self.challenge.names_algorithm {
            text += &format!(",algorithm={}{}", algorithm.hash.token(), algorithm.suffix());
        }
        if let Some(opaque) = &self.challenge.opaque {
            text += &format!(",opaque=\"{opaque}\"");
        }
        if self.challenge.qop {
            text += &format!(",qop=auth,nc={count},cnonce=\"{cnonce}\"");
        } else if algorithm.session {
            text += &format!(",cnonce=\"{cnonce}\"");
        }
        text
    }

    fn ha1(&self, login: &Login) -> Hex {
        let Algorithm { hash, session } = self.challenge.algorithm;
        let ha1 = login.password.ha1(hash, &login.user, &self.challenge.realm);
        if !session {
            return ha1;
        }
        let first = format!("{:032x}", self.first);
        hash.of(&[ha1.as_bytes(), self.challenge.nonce.as_bytes(), first.as_bytes()])
    }
}

/// The `response` of RFC 7616 §3.4.1, or of RFC 2069 without count and cnonce.
pub(super) fn response(
    algorithm: Algorithm,
    ha1: &Hex,
    nonce: &str,
    protection: Option<(&str, &str)>,
    ha2: &Hex,
) -> Hex {
    let (ha1, nonce, ha2) = (ha1.as_bytes(), nonce.as_bytes(), ha2.as_bytes());
    match protection {
        Some((count, cnonce)) => {
            algorithm.hash.of(&[ha1, nonce, count.as_bytes(), cnonce.as_bytes(), b"auth", ha2])
        }
        None => algorithm.hash.of(&[ha1, nonce, ha2]),
    }
}

/// A Request-URI between quotes. One that has a quote in it, in a parameter that a phone put in its
/// Contact, is escaped there.
fn quoted_uri(uri: &str) -> String {
    if uri.contains(['"', '\\']) {
        uri.replace('\\', "\\\\").replace('"', "\\\"")
    } else {
        uri.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::auth::Hash;

    /// Whose answer to what.
    struct Vector {
        login: [&'static str; 3],
        request: [&'static str; 2],
        nonce: &'static str,
        protection: Option<(&'static str, &'static str)>,
    }

    impl Vector {
        fn response(&self, hash: Hash) -> String {
            let [user, realm, password] = self.login;
            let password = Password::new(Zeroizing::new(password.as_bytes().to_vec()));
            let ha1 = password.ha1(hash, user, realm);
            let ha2 = hash.of(&self.request.map(str::as_bytes));
            let algorithm = Algorithm { hash, session: false };
            let made = response(algorithm, &ha1, self.nonce, self.protection, &ha2);
            made.as_str().to_owned()
        }
    }

    #[test]
    fn responses_are_those_of_the_standards() {
        // RFC 7616 §3.9.1.
        let mufasa = Vector {
            login: ["Mufasa", "http-auth@example.org", "Circle of Life"],
            request: ["GET", "/dir/index.html"],
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            protection: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
        };
        assert_eq!(mufasa.response(Hash::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        let sha256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert_eq!(mufasa.response(Hash::Sha256), sha256);
        // RFC 2617 §3.5.
        let older = Vector {
            login: ["Mufasa", "testrealm@host.com", "Circle Of Life"],
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            protection: Some(("00000001", "0a4f113b")),
            ..mufasa
        };
        assert_eq!(older.response(Hash::Md5), "6629fae49393a05397450978507c4ef1");
        // The request of RFC 7616 §3.9.2. The digests printed there are of SHA-512 cut off, as its
        // errata say; this one was computed by OpenSSL's SHA-512/256.
        let doe = Vector {
            login: ["J\u{e4}s\u{f8}n Doe", "api@example.org", "Secret, or not?"],
            request: ["GET", "/doe.json"],
            nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            protection: Some(("00000001", "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm")),
        };
        let sha512 = "7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843d840c";
        assert_eq!(doe.response(Hash::Sha512T256), sha512);
        // RFC 3665 §2.1, whose own response has a digit too few; computed by OpenSSL.
        let bob = Vector {
            login: ["bob", "atlanta.example.com", "zanzibar"],
            request: ["REGISTER", "sips:ss2.biloxi.example.com"],
            nonce: "ea9c8e88df84f1cec4341ae6cbe5a359",
            protection: None,
        };
        assert_eq!(bob.response(Hash::Md5), "b5f508175c6cccc6f0600285b4391fbf");
    }

    #[test]
    fn a_login_that_is_printed_names_no_password() {
        let password = Password::new(Zeroizing::new(b"zanzibar".to_vec()));
        let printed = format!("{:?}", Login::new("bob", password).expect("a plain name"));
        assert!(printed.contains("bob") && !printed.contains("zanzibar"), "{printed}");
    }

    #[test]
    fn a_name_that_could_leave_its_quotes_is_no_login() {
        for bad in ["", "a\"b", "a\\b", "a\r\nb"] {
            let password = Password::new(Zeroizing::new(Vec::new()));
            assert!(Login::new(bad, password).is_err(), "{bad}");
        }
    }
}
