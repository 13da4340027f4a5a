//! Challenges of ours, and whether an answer is right (RFC 3261 §22.1, §22.4; RFC 8760 §2).

use std::fmt;
use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use partyline_model::Time;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::algorithm::{Algorithm, Hash, Hex};
use super::answer::response;
use super::challenge::Place;
use super::credentials::Credentials;
use super::nonce::{NonceLimits, Nonces, Unusable};
use super::params::is_quotable;
use super::secret::{Ha1, Password};
use crate::message::{Host, Message, Method, StartLine, Uri};

/// Why a request is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unverified {
    /// There is no answer for this realm: the first request of most calls.
    Absent,
    /// The answer breaks its grammar, or is by an algorithm that was not offered.
    Malformed,
    /// The answer is for another Request-URI. Whether it is right was not looked at.
    Elsewhere,
    /// The user is unknown or the password wrong; which, nobody is told.
    Wrong,
    /// The answer's nonce is too old, or not one that its source was given. Whether the answer is
    /// right was not looked at.
    Stale,
    /// The answer is right and was used before: somebody listened, or a clumsy peer.
    Replayed,
}

impl Unverified {
    /// A name for a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "no_credentials",
            Self::Malformed => "malformed_credentials",
            Self::Elsewhere => "credentials_for_another_uri",
            Self::Wrong => "wrong_credentials",
            Self::Stale => "stale_nonce",
            Self::Replayed => "replayed_nonce",
        }
    }

    /// Whether nothing speaks against the user and the password, so that the peer may try again by
    /// itself (RFC 7616 §3.3).
    pub const fn is_stale(self) -> bool {
        match self {
            Self::Stale | Self::Replayed => true,
            Self::Absent | Self::Malformed | Self::Elsewhere | Self::Wrong => false,
        }
    }

    /// Whether somebody may be guessing: to be counted against his source.
    pub const fn is_guess(self) -> bool {
        match self {
            Self::Malformed | Self::Wrong => true,
            Self::Absent | Self::Elsewhere | Self::Stale | Self::Replayed => false,
        }
    }
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "no credentials for this realm",
            Self::Malformed => "malformed credentials",
            Self::Elsewhere => "credentials for another Request-URI",
            Self::Wrong => "unknown user or wrong password",
            Self::Stale => "credentials with an old nonce",
            Self::Replayed => "right credentials that were used before",
        })
    }
}

impl std::error::Error for Unverified {}

/// Who is asked to prove who he is, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Where the question stands, and its answer.
    pub place: Place,
    /// Whose users are asked for.
    pub realm: &'a str,
    /// Where the request came from. A question that was sent to one host is answered by it only: who
    /// answers is where he says, and a wrong answer may be held against that host.
    pub source: IpAddr,
}

/// The side that asks: writes challenges and judges their answers.
///
/// A challenge leaves nothing in memory; a right answer leaves some 60 octets until its nonce is
/// too old, within [`NonceLimits`]. A wrong answer takes as long as one of an unknown user. An answer
/// to a question that was not put to its source, or long ago, is not looked at: it is asked for anew,
/// so that nobody guesses, or is taken for somebody who does, under an address that is not his.
///
/// The `uri` of an answer has to name whom the Request-URI names (RFC 7616 §3.4.6), not the same way:
/// proxies write the host anew, and scheme, port and parameters (RFC 3261 §22.4). A call for another
/// user, or to the domain of somebody else, was not what its caller signed.
pub struct Verifier {
    nonces: Nonces,
    offered: Vec<Hash>,
    /// Compares digests without telling by time where they differ.
    comparer: Hmac<Sha256>,
    /// Stands in for a user that there is not.
    nobody: Ha1,
}

impl Verifier {
    /// A verifier with a key of 32 unpredictable octets; it offers SHA-256, then MD5.
    pub fn new(key: Zeroizing<[u8; 32]>, limits: NonceLimits) -> Self {
        let comparer = Hmac::<Sha256>::new_from_slice(&*key).expect("HMAC has keys of any length");
        let nobody = Ha1::of("", "", &Password::new(Zeroizing::new(key.to_vec())));
        Self {
            nonces: Nonces::new(key, limits),
            offered: vec![Hash::Sha256, Hash::Md5],
            comparer,
            nobody,
        }
    }

    /// Says which algorithms are offered and taken, the best first (RFC 8760 §2.3).
    #[must_use]
    pub fn offering(self, offered: Vec<Hash>) -> Self {
        Self { offered, ..self }
    }

    /// Asks users of a realm to prove who they are: one header for each algorithm, with one nonce.
    /// `refused` is why the request is answered so. A realm that could leave its quotes is written
    /// without what follows.
    pub fn challenge(
        &mut self,
        now: Time,
        asked: Asked,
        refused: Unverified,
        response: &mut Message,
    ) {
        self.challenge_by(now, asked, refused, &Hash::ALL, response);
    }

    /// As [`Verifier::challenge`], with those alone of the algorithms that are among `hashes`.
    pub fn challenge_by(
        &mut self,
        now: Time,
        Asked { place, realm, source }: Asked,
        refused: Unverified,
        hashes: &[Hash],
        response: &mut Message,
    ) {
        let realm = if is_quotable(realm) { realm } else { "" };
        let nonce = self.nonces.make(now, (realm, source));
        let stale = if refused.is_stale() { ",stale=true" } else { "" };
        for hash in self.offered.iter().filter(|hash| hashes.contains(hash)) {
            let text = format!(
                "Digest realm=\"{realm}\",nonce=\"{}\",algorithm={},qop=\"auth\"{stale}",
                nonce.as_str(),
                hash.token(),
            );
            response.headers.add(place.challenge(), text);
        }
    }

    /// Who sends a request: the name of a user of the realm, whom `find` knows. The request's nonce
    /// has then been used. ACK and CANCEL are not to be asked (RFC 3261 §22.1).
    ///
    /// # Errors
    /// [`Unverified`], for the challenge that the request is answered with.
    pub fn verify<'a, 'u>(
        &mut self,
        now: Time,
        Asked { place, realm, source }: Asked,
        request: &'a Message,
        find: impl FnOnce(&str) -> Option<&'u Ha1>,
    ) -> Result<&'a str, Unverified> {
        let StartLine::Request { method, uri } = &request.start else {
            return Err(Unverified::Malformed);
        };
        let answer = answer_for(request, place, realm)?;
        // A nonce that is not ours, from before a restart, is no worse than an old one.
        let nonce = self.nonces.read(answer.nonce, (realm, source)).ok_or(Unverified::Stale)?;
        if self.nonces.is_stale(now, nonce) {
            return Err(Unverified::Stale);
        }
        if !is_for(answer.uri, (method, uri), realm) {
            return Err(Unverified::Elsewhere);
        }
        let Some(Algorithm { hash, session: false }) = answer.algorithm else {
            return Err(Unverified::Malformed);
        };
        if !self.offered.contains(&hash) {
            return Err(Unverified::Malformed);
        }
        let known = find(answer.user).and_then(|ha1| ha1.get(hash));
        let ha1 = known.or(self.nobody.get(hash)).ok_or(Unverified::Wrong)?;
        // The digest is over what was dialled, and our text of it has no passcode any more.
        let dialled = request.credentials.iter().find_map(|whole| {
            let whole = Credentials::read(whole.trim()).ok().flatten()?;
            let is_it = (whole.realm, whole.nonce, whole.response);
            (is_it == (realm, answer.nonce, answer.response)).then_some(whole.uri)
        });
        if dialled.is_some_and(|uri| !request.has_pin_of(uri)) {
            return Err(Unverified::Elsewhere);
        }
        let ha2 = hash.of(&[method.as_str().as_bytes(), dialled.unwrap_or(answer.uri).as_bytes()]);
        let protection = answer.protection.map(|(text, _, cnonce)| (text, cnonce));
        let algorithm = Algorithm { hash, session: false };
        let expected = response(algorithm, ha1, answer.nonce, protection, &ha2);
        let given = Hex::read(answer.response.as_bytes(), hash.hex_digits());
        let given = given.ok_or(Unverified::Malformed)?;
        if !self.is_same(&expected, &given) || known.is_none() {
            return Err(Unverified::Wrong);
        }
        let count = answer.protection.map(|(_, count, _)| count);
        self.nonces.spend(now, nonce, count).map_err(|unusable| match unusable {
            Unusable::Stale => Unverified::Stale,
            Unusable::Replayed => Unverified::Replayed,
        })?;
        Ok(answer.user)
    }

    /// The user whom the answer of a request for a realm names, right or wrong.
    pub fn claimed<'a>(asked: Asked, request: &'a Message) -> Option<&'a str> {
        answer_for(request, asked.place, asked.realm).ok().map(|answer| answer.user)
    }

    /// Nonces that are remembered because they were used.
    pub fn used_nonces(&self) -> usize {
        self.nonces.len()
    }

    /// What a stranger finds out from the time that this takes is about digests under our key.
    fn is_same(&self, one: &Hex, other: &Hex) -> bool {
        let hash = |hex: &Hex| self.comparer.clone().chain_update(hex.as_bytes()).finalize();
        hash(one) == hash(other)
    }
}

/// The answer for a realm among those of a request.
fn answer_for<'a>(
    request: &'a Message,
    place: Place,
    realm: &str,
) -> Result<Credentials<'a>, Unverified> {
    let name = place.credentials();
    // The name outlives no reference into the message: the values are taken one by one.
    for (_, value) in request.headers.iter().filter(|(other, _)| **other == name) {
        match Credentials::read(value.as_str()) {
            Ok(Some(answer)) if answer.realm == realm => return Ok(answer),
            Ok(_) => {}
            Err(_) => return Err(Unverified::Malformed),
        }
    }
    Err(Unverified::Absent)
}

/// Whether an answer with this `uri` is meant for a request: whom it names has to be the same, but for
/// a REGISTER, which names nobody; and its host, unless it is an address or the realm in one of them.
fn is_for(uri: &str, (method, requested): (&Method, &str), realm: &str) -> bool {
    if uri == requested {
        return true;
    }
    let (Ok(one), Ok(other)) = (Uri::parse(uri), Uri::parse(requested)) else { return false };
    let names = |uri: &Uri| uri.subscribers().collect::<Vec<_>>();
    let (whom, requested) = (names(&one), names(&other));
    let same_user = whom.is_empty() && requested.is_empty()
        || whom.iter().any(|name| requested.contains(name))
        || *method == Method::REGISTER;
    let stands_for_us = |host: &Host| match host {
        Host::Address(_) => true,
        Host::Name(name) => name.eq_ignore_ascii_case(realm),
    };
    // A `tel:` URI has no host.
    let same_host = one.host().zip(other.host()).is_none_or(|(one, other)| {
        one.is_same(other) || stands_for_us(one) || stands_for_us(other)
    });
    same_user && same_host
}
