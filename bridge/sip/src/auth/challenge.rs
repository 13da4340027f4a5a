//! What a 401 or 407 asks for (RFC 3261 §20.44, §20.27; RFC 7616 §3.3).

use super::algorithm::Algorithm;
use super::params::{Param, Piece, is_quotable, pieces};
use crate::message::{Headers, Name};

/// The most challenges that are read from one response; those behind are passed over.
const MAX_CHALLENGES: usize = 16;

/// Who asks: the far end itself, or a proxy on the way. Realms of both are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The far end: 401, WWW-Authenticate, Authorization.
    Server,
    /// A proxy: 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

impl Place {
    pub(super) const ALL: [Self; 2] = [Self::Server, Self::Proxy];

    /// The header that a challenge stands in.
    pub(super) const fn challenge(self) -> Name {
        match self {
            Self::Server => Name::WwwAuthenticate,
            Self::Proxy => Name::ProxyAuthenticate,
        }
    }

    /// The header that its answer stands in.
    pub(super) const fn credentials(self) -> Name {
        match self {
            Self::Server => Name::Authorization,
            Self::Proxy => Name::ProxyAuthorization,
        }
    }
}

/// A digest challenge that can be answered. Texts stand as they came between their quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose users are asked for.
    pub realm: Box<str>,
    /// What the answer is made over.
    pub nonce: Box<str>,
    /// What the answer repeats.
    pub opaque: Option<Box<str>>,
    /// Whether the last answer was right and only its nonce too old.
    pub stale: bool,
    /// How digests are made; MD5 where nothing is said.
    pub algorithm: Algorithm,
    /// Whether the algorithm was named: only then does the answer name it, since servers of
    /// RFC 2069 know no such parameter.
    pub names_algorithm: bool,
    /// Whether the answer is protected by a cnonce and a count (`qop=auth`).
    pub qop: bool,
}

impl Challenge {
    /// Reads every challenge of a place, in the peer's order. Those of other schemes, of algorithms
    /// that we do not speak, without realm or nonce, or with no `qop` but others than `auth` are
    /// left out; unknown parameters are passed over, and of repeated ones the first counts.
    pub fn read(headers: &Headers, place: Place) -> Vec<Self> {
        let name = place.challenge();
        let mut read = Vec::new();
        for value in headers.all(&name) {
            let mut draft: Option<Draft<'_>> = None;
            for piece in pieces(value.as_str()) {
                let param = match piece {
                    Piece::Scheme(scheme, first) => {
                        read.extend(draft.take().and_then(Draft::finish));
                        draft = scheme.eq_ignore_ascii_case("Digest").then(Draft::default);
                        first
                    }
                    Piece::Param(param) => Some(param),
                };
                if let (Some(draft), Some(Ok(param))) = (&mut draft, param) {
                    draft.take(&param);
                }
            }
            read.extend(draft.and_then(Draft::finish));
            if read.len() >= MAX_CHALLENGES {
                read.truncate(MAX_CHALLENGES);
                break;
            }
        }
        read
    }
}

/// A challenge as far as it is read.
#[derive(Default)]
struct Draft<'a> {
    realm: Option<&'a str>,
    nonce: Option<&'a str>,
    opaque: Option<&'a str>,
    stale: Option<&'a str>,
    algorithm: Option<&'a str>,
    qop: Option<&'a str>,
}

impl<'a> Draft<'a> {
    fn take(&mut self, param: &Param<'a>) {
        let fields = [
            ("realm", &mut self.realm),
            ("nonce", &mut self.nonce),
            ("opaque", &mut self.opaque),
            ("stale", &mut self.stale),
            ("algorithm", &mut self.algorithm),
            ("qop", &mut self.qop),
        ];
        if let Some((_, field)) = fields.into_iter().find(|(name, _)| param.is(name)) {
            field.get_or_insert(param.value);
        }
    }

    fn finish(self) -> Option<Challenge> {
        // An empty qop, which some gateways write, is none.
        let offered = self.qop.map(str::trim).filter(|qop| !qop.is_empty());
        let auth = |qop: &str| qop.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth"));
        if offered.is_some_and(|qop| !auth(qop)) {
            return None;
        }
        // Without quotes there may come what would leave the quotes of the answer.
        if ![self.realm, self.nonce, self.opaque].into_iter().flatten().all(is_quotable) {
            return None;
        }
        let algorithm = self.algorithm.map(str::trim).filter(|name| !name.is_empty());
        Some(Challenge {
            realm: self.realm?.into(),
            nonce: self.nonce?.into(),
            opaque: self.opaque.map(Into::into),
            stale: self.stale.is_some_and(|stale| stale.trim().eq_ignore_ascii_case("true")),
            algorithm: algorithm.map_or(Some(Algorithm::DEFAULT), Algorithm::parse)?,
            names_algorithm: algorithm.is_some(),
            qop: offered.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Hash;

    fn read(values: &[&str]) -> Vec<Challenge> {
        let mut headers = Headers::default();
        for value in values {
            headers.add(Name::WwwAuthenticate, *value);
        }
        assert!(Challenge::read(&headers, Place::Proxy).is_empty(), "of its own place");
        Challenge::read(&headers, Place::Server)
    }

    #[test]
    fn every_parameter_is_read() {
        let [one] = &read(&[
            "digest  Realm = \"a \\\"b\\\", c\" , qop=\"auth-int , AUTH\", NONCE=\"x==\",\t\
             opaque=\"\", stale=TRUE, algorithm=sha-256-sess, domain=\"sip:a\", charset=UTF-8, \
             nonce=\"second\", broken=\"a\"b",
        ])[..] else {
            panic!("one challenge")
        };
        let expected = Challenge {
            realm: "a \\\"b\\\", c".into(),
            nonce: "x==".into(),
            opaque: Some("".into()),
            stale: true,
            algorithm: Algorithm { hash: Hash::Sha256, session: true },
            names_algorithm: true,
            qop: true,
        };
        assert_eq!(*one, expected);
    }

    #[test]
    fn what_is_left_out_means_the_oldest_digest() {
        let plain = "Digest realm=\"r\", nonce=\"n\"";
        for text in [
            plain.to_owned(),
            format!("{plain}, qop=\"\", algorithm=, stale=false"),
            format!("{plain}, stale=\"yes\", opaque2=\"a\""),
        ] {
            let [one] = &read(&[&text])[..] else { panic!("{text}") };
            assert_eq!((one.algorithm, one.names_algorithm), (Algorithm::DEFAULT, false));
            assert!(!one.qop && !one.stale && one.opaque.is_none());
        }
    }

    #[test]
    fn what_cannot_be_answered_is_left_out_and_the_rest_stays_in_order() {
        let read = read(&[
            "Digest realm=\"a\", nonce=\"1\", algorithm=SHA-512-256, Basic realm=\"b\", \
             nonce=\"2\", Digest realm=\"c\", nonce=\"3\", algorithm=AKAv1-MD5",
            "Digest realm=\"d\"",
            "Digest nonce=\"5\"",
            "Digest",
            "",
            "Digest realm=\"e\", nonce=\"6\", qop=\"auth-int\"",
            "Digest realm=\"f\", nonce=\"open",
            "Digest realm=\"g\", nonce=7\\",
            "Digest realm=\"\", nonce=\"\", qop=auth",
        ]);
        let seen: Vec<_> = read.iter().map(|one| (&*one.realm, &*one.nonce)).collect();
        assert_eq!(seen, [("a", "1"), ("", "")]);
    }

    #[test]
    fn so_many_challenges_are_read_and_no_more() {
        let one = "Digest realm=\"r\", nonce=\"n\",".repeat(300);
        assert_eq!(read(&[&one]).len(), MAX_CHALLENGES);
        assert_eq!(read(&["Digest realm=\"r\", nonce=\"n\""; 100]).len(), MAX_CHALLENGES);
    }
}
