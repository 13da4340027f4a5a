//! Where an INVITE may say whom it is for: carriers differ, and only the node knows which it is.

use std::fmt;
use std::str::FromStr;

use crate::message::scan::is_token;
use crate::message::{Headers, Message, Name, NameAddr, Uri};

/// The most names that are read in one place, the latest ones.
const MOST_NAMES: usize = 8;

/// The longest user part that is read outside of the Request-URI, in octets.
const MOST_OCTETS: usize = 256;

/// A place in an INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalledPlace {
    /// The Request-URI (RFC 3261 §8.1.1.1).
    RequestUri,
    /// To: whom the caller had in mind, whatever became of the call on its way.
    To,
    /// P-Called-Party-ID (RFC 7315 §4.2): whom a registrar was asked for before it put our Contact
    /// into the Request-URI.
    CalledParty,
    /// Diversion (RFC 5806): who sent the call on.
    Diversion,
    /// History-Info (RFC 7044): every target that the call had.
    HistoryInfo,
    /// P-Preferred-Identity (RFC 3325 §9.2), which some PBX write the called number into.
    Preferred,
    /// A header of a carrier's own, `X-...`: its name in small letters.
    Extension(Box<str>),
}

/// A text that is no [`CalledPlace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCalledPlace;

impl fmt::Display for NoCalledPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an INVITE has no such place for a called number")
    }
}

impl std::error::Error for NoCalledPlace {}

impl FromStr for CalledPlace {
    type Err = NoCalledPlace;

    fn from_str(text: &str) -> Result<Self, NoCalledPlace> {
        let name = text.to_ascii_lowercase();
        match name.as_str() {
            "request-uri" => Ok(Self::RequestUri),
            "to" => Ok(Self::To),
            "p-called-party-id" => Ok(Self::CalledParty),
            "diversion" => Ok(Self::Diversion),
            "history-info" => Ok(Self::HistoryInfo),
            "p-preferred-identity" => Ok(Self::Preferred),
            other if is_extension(other) => Ok(Self::Extension(other.into())),
            _ => Err(NoCalledPlace),
        }
    }
}

impl fmt::Display for CalledPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestUri => "request-uri",
            Self::To => "to",
            Self::CalledParty => "p-called-party-id",
            Self::Diversion => "diversion",
            Self::HistoryInfo => "history-info",
            Self::Preferred => "p-preferred-identity",
            Self::Extension(name) => name,
        })
    }
}

fn is_extension(name: &str) -> bool {
    let begins = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    begins && name.len() > 2 && is_token(name)
}

/// A name that stands in a place where the called number may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Where.
    pub place: CalledPlace,
    /// The user part as it came, parameters and escapes included.
    pub raw: String,
    /// Whom it names, in each form that may be known, best first ([`Uri::subscribers`]).
    pub forms: Vec<String>,
}

impl Called {
    fn of(place: CalledPlace, uri: &Uri) -> Option<Self> {
        let raw = uri.user_raw().filter(|raw| !raw.is_empty())?.to_owned();
        Some(Self { place, raw, forms: uri.subscribers().collect() })
    }

    /// What a header of a carrier's own says: an address, or a number alone.
    fn read(place: CalledPlace, text: &str) -> Option<Self> {
        let read = NameAddr::parse(text).ok();
        let uri = read.map(|address| address.uri).or_else(|| {
            let number = text.split(';').next().unwrap_or_default();
            let number: String = number.split_whitespace().collect();
            Uri::parse(&format!("tel:{number}")).ok()
        })?;
        Self::of(place, &uri).filter(|called| called.raw.len() <= MOST_OCTETS)
    }
}

/// Every name in `message`, the later ones of a place before the earlier: who sent a call on last
/// is the one that it was sent on for.
pub(crate) fn read(target: &Uri, to: &Uri, message: &Message) -> Vec<Called> {
    let headers = &message.headers;
    let own = [(CalledPlace::RequestUri, target), (CalledPlace::To, to)];
    let own = own.into_iter().filter_map(|(place, uri)| Called::of(place, uri));
    let listed = [
        (CalledPlace::CalledParty, Name::PCalledPartyId),
        (CalledPlace::Diversion, Name::Diversion),
        (CalledPlace::Preferred, Name::PPreferredIdentity),
    ];
    let listed = listed.into_iter().flat_map(|(place, name)| {
        let items = headers.items(&name).take(MOST_NAMES);
        items.filter_map(|item| Called::read(place.clone(), item)).collect::<Vec<_>>()
    });
    own.chain(listed).chain(history(headers)).chain(extensions(headers)).collect()
}

/// The targets of a call, the last first: History-Info grows at its end (RFC 7044 §5), where
/// Diversion does at its front (RFC 5806 §5).
fn history(headers: &Headers) -> Vec<Called> {
    let entries: Vec<_> = headers.items(&Name::HistoryInfo).collect();
    let last = entries.iter().rev().take(MOST_NAMES);
    last.filter_map(|entry| Called::read(CalledPlace::HistoryInfo, entry)).collect()
}

fn extensions(headers: &Headers) -> Vec<Called> {
    let named = headers.iter().filter_map(|(name, value)| {
        let Name::Other(name) = name else { return None };
        is_extension(name).then_some((name, value.as_str()))
    });
    let place = |name: &str| CalledPlace::Extension(name.to_ascii_lowercase().into());
    named.take(MOST_NAMES).filter_map(|(name, text)| Called::read(place(name), text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(target: &str, headers: &str) -> Vec<(String, String)> {
        let text = format!("INVITE {target} SIP/2.0\r\n{headers}\r\n");
        let message = Message::parse(text.as_bytes()).expect("readable");
        let target = Uri::parse(target).expect("a URI");
        let to = Uri::parse("sip:to@h").expect("a URI");
        let read = read(&target, &to, &message);
        read.into_iter().map(|one| (one.place.to_string(), one.raw)).collect()
    }

    #[test]
    fn every_place_is_read_latest_first() {
        let headers = "p-called-party-id: <sip:1@h>\r\n\
            DIVERSION: <tel:+22;ext=1>;reason=unconditional, \"A, B\" <sip:21@h>\r\n\
            History-Info: <sip:31@h>;index=1, <sip:32@h?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1\r\n\
            History-Info: <sip:33@h>;index=1.1.1\r\n\
            P-Preferred-Identity: sip:4@h;x=y\r\n\
            X-DID: +1 (416) 555-0100\r\nx-called: <sip:6;npdi@h>\r\nX-Odd: ,,<\r\n";
        let expected = [
            ("request-uri", "0"),
            ("to", "to"),
            ("p-called-party-id", "1"),
            ("diversion", "+22;ext=1"),
            ("diversion", "21"),
            ("p-preferred-identity", "4"),
            ("history-info", "33"),
            ("history-info", "32"),
            ("history-info", "31"),
            ("x-did", "+1(416)555-0100"),
            ("x-called", "6;npdi"),
        ];
        let found = called("sip:0@h", headers);
        let found: Vec<_> =
            found.iter().map(|(place, raw)| (place.as_str(), raw.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn no_place_is_read_without_end() {
        let many = |name: &str| format!("{name}: <sip:1@h>\r\n").repeat(30);
        let names = ["P-Called-Party-ID", "Diversion", "History-Info", "X-Number"];
        let headers: String = names.map(many).concat();
        assert_eq!(called("sip:h", &headers).len(), 1 + names.len() * MOST_NAMES);
        let long = format!("X-Number: <sip:{}@h>\r\n", "1".repeat(MOST_OCTETS + 1));
        assert_eq!(called("sip:h", &long).len(), 1, "To alone");
    }

    #[test]
    fn places_are_written_as_they_are_read() {
        let names =
            "request-uri to p-called-party-id diversion history-info p-preferred-identity x-did";
        for name in names.split(' ') {
            assert_eq!(
                name.parse::<CalledPlace>().map(|place| place.to_string()),
                Ok(name.to_owned())
            );
        }
        assert_eq!("X-DID".parse(), Ok(CalledPlace::Extension("x-did".into())));
        for bad in ["from", "x-", "x-a b", "", "x-é", "é"] {
            assert_eq!(bad.parse::<CalledPlace>(), Err(NoCalledPlace), "{bad}");
        }
    }
}
