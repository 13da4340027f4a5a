//! Who an INVITE says is calling, and whether that may be shown. Identity headers that do not parse
//! are passed over: none of them decides whether a call is taken.

use std::fmt;
use std::str::FromStr;

use crate::event::Presentation;
use crate::message::{Headers, Name, NameAddr, Uri};

/// The most identities that are looked at in one place: RFC 3325 §9.1 has two.
const MOST_IDENTITIES: usize = 8;

/// The longest user part that is taken for a caller; no number is longer.
const MOST_OCTETS: usize = 64;

/// Words that stand where a number would, when there is none to be shown.
pub(crate) const WITHHELD: [&str; 2] = ["anonymous", "restricted"];
/// The same when there is none at all.
pub(crate) const UNAVAILABLE: &str = "unavailable";

/// Where an INVITE says who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// P-Asserted-Identity (RFC 3325 §9.1): the word of the network.
    Asserted,
    /// From: the caller's own word.
    From,
    /// Remote-Party-ID, which PBX and carriers wrote before RFC 3325: the word of the network.
    RemoteParty,
    /// P-Preferred-Identity (RFC 3325 §9.2): the caller's own word.
    Preferred,
}

/// A text that is no [`Identity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoIdentity;

impl fmt::Display for NoIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an INVITE does not say there who is calling")
    }
}

impl std::error::Error for NoIdentity {}

impl Identity {
    const ALL: [Self; 4] = [Self::Asserted, Self::From, Self::RemoteParty, Self::Preferred];

    /// Whether only the network may say so, so that it counts from whom it is believed.
    pub const fn is_networks(self) -> bool {
        match self {
            Self::Asserted | Self::RemoteParty => true,
            Self::From | Self::Preferred => false,
        }
    }
}

impl FromStr for Identity {
    type Err = NoIdentity;

    fn from_str(text: &str) -> Result<Self, NoIdentity> {
        Self::ALL.into_iter().find(|one| one.to_string() == text).ok_or(NoIdentity)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asserted => "pai",
            Self::From => "from",
            Self::RemoteParty => "rpid",
            Self::Preferred => "ppi",
        })
    }
}

/// The places that a caller's number is looked for in, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identities([Option<Identity>; Identity::ALL.len()]);

impl Identities {
    /// The first four of `places`.
    pub fn new(places: impl IntoIterator<Item = Identity>) -> Self {
        let mut places = places.into_iter();
        Self([(); Identity::ALL.len()].map(|()| places.next()))
    }

    fn iter(self) -> impl Iterator<Item = Identity> {
        self.0.into_iter().flatten()
    }
}

/// One of those whom an INVITE names as its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCaller {
    /// Where.
    pub identity: Identity,
    /// The user part, in each form that may be known, best first ([`Uri::subscribers`]).
    pub forms: Vec<String>,
}

/// Every caller that is named, whether the peer may be believed or not: that is the node's to know.
pub(crate) fn read(from: &NameAddr, headers: &Headers) -> Vec<NamedCaller> {
    let own = NamedCaller { identity: Identity::From, forms: from.uri.subscribers().collect() };
    let listed = [Identity::Asserted, Identity::RemoteParty, Identity::Preferred];
    let listed = listed.into_iter().flat_map(|identity| {
        let uris = uris(headers, identity).collect::<Vec<_>>();
        let caller = move |uri: Uri| NamedCaller { identity, forms: uri.subscribers().collect() };
        uris.into_iter().map(caller)
    });
    // What is kept of a call until it is answered has a bound.
    let fits = |form: &String| form.len() <= MOST_OCTETS;
    let named = |caller: &NamedCaller| !caller.forms.is_empty() && caller.forms.iter().all(fits);
    listed.chain([own]).filter(named).collect()
}

/// The addresses of an identity header, over all its lines.
fn uris(headers: &Headers, identity: Identity) -> impl Iterator<Item = Uri> {
    let name = match identity {
        Identity::Asserted => &Name::PAssertedIdentity,
        Identity::From => &Name::From,
        Identity::RemoteParty => &Name::RemotePartyId,
        Identity::Preferred => &Name::PPreferredIdentity,
    };
    let items = headers.items(name).take(MOST_IDENTITIES);
    items.filter_map(|item| Some(NameAddr::parse(item).ok()?.uri))
}

/// The number by which a caller is told apart from others of the same source, looked for in
/// `places`; `None` when it is withheld.
pub(crate) fn number(from: &NameAddr, headers: &Headers, places: Identities) -> Option<String> {
    let first = |identity: Identity| match identity {
        Identity::From => from.uri.subscribers().next(),
        Identity::Asserted | Identity::RemoteParty | Identity::Preferred => {
            uris(headers, identity).find_map(|uri| uri.subscribers().next())
        }
    };
    let user = places.iter().find_map(first)?;
    (user.len() <= MOST_OCTETS && shown(&user) == Presentation::Allowed).then_some(user)
}

/// What the user part of an address says of itself.
fn shown(user: &str) -> Presentation {
    let is = |word: &str| user.trim().eq_ignore_ascii_case(word);
    if WITHHELD.into_iter().any(is) {
        Presentation::Restricted
    } else if is(UNAVAILABLE) {
        Presentation::Unavailable
    } else {
        Presentation::Allowed
    }
}

/// Whether the caller lets its number be shown: RFC 3323 §4.2 and RFC 3325 §9.3 for Privacy, its
/// parameter for Remote-Party-ID, RFC 3261 §8.1.1.3 and RFC 3323 §4.1.1.3 for the anonymous From.
pub(crate) fn presentation(from: &NameAddr, headers: &Headers) -> Presentation {
    let asks = |value: &str| {
        let mut kinds = value.split([';', ',']).map(str::trim);
        kinds.any(|kind| ["id", "user", "header"].iter().any(|k| kind.eq_ignore_ascii_case(k)))
    };
    let hides = |item: &str| {
        let Ok(party) = NameAddr::parse(item) else { return false };
        let privacy = party.params.value("privacy").unwrap_or_default().trim_matches('"');
        ["full", "uri"].iter().any(|kind| privacy.eq_ignore_ascii_case(kind))
    };
    let mut parties = headers.items(&Name::RemotePartyId).take(MOST_IDENTITIES);
    // A display name of "Unavailable" is the name's, not the number's.
    let display = from.display.as_deref().map(shown) == Some(Presentation::Restricted);
    let nowhere = from.uri.host().is_some_and(|host| {
        host.to_string().to_ascii_lowercase().trim_end_matches('.').ends_with("anonymous.invalid")
    });
    let withheld = display
        || nowhere
        || headers.all(&Name::Privacy).any(|value| asks(value.as_str()))
        || parties.any(hides);
    if withheld {
        return Presentation::Restricted;
    }
    let user = from.uri.subscribers().next();
    user.map_or(Presentation::Unavailable, |user| shown(&user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn headers(text: &str) -> Headers {
        let text = format!("INVITE sip:h SIP/2.0\r\n{text}\r\n");
        Message::parse(text.as_bytes()).expect("readable").headers
    }

    fn shown_of(from: &str, text: &str) -> Presentation {
        presentation(&NameAddr::parse(from).expect("an address"), &headers(text))
    }

    #[test]
    fn a_number_is_withheld_in_every_form_that_says_so() {
        for (from, text) in [
            ("\"Anonymous\" <sip:anonymous@anonymous.invalid>", ""),
            ("<sip:anonymous@carrier.example>", ""),
            ("<sip:14165550100@anonymous.invalid>", ""),
            ("<sip:14165550100@Anonymous.Invalid.>", ""),
            ("ANONYMOUS <sip:14165550100@h>", ""),
            ("\"Restricted\" <sip:14165550100@h>", ""),
            ("<sip:Restricted@h>", ""),
            ("<tel:anonymous>", ""),
            ("<sip:416@h>", "Privacy: critical; ID\r\n"),
            ("<sip:416@h>", "Privacy: user\r\nPrivacy: none\r\n"),
            ("<sip:416@h>", "Privacy: header;session\r\n"),
            ("<sip:416@h>", "Remote-Party-ID: <sip:416@h>;party=calling;privacy=full\r\n"),
            ("<sip:416@h>", "remote-party-id: \"A\" <sip:416@h>;privacy=\"URI\";screen=yes\r\n"),
        ] {
            assert_eq!(shown_of(from, text), Presentation::Restricted, "{from} {text}");
        }
        for (from, text) in [
            ("<sip:416@h>", "Privacy: none\r\n"),
            ("<sip:416@h>", "Privacy: session\r\n"),
            ("<sip:416@h>", "Remote-Party-ID: <sip:416@h>;privacy=off\r\n"),
            ("<sip:416@h>", "Remote-Party-ID: ,<;privacy=full\r\n"),
            ("\"Unavailable\" <sip:416@h>", ""),
        ] {
            assert_eq!(shown_of(from, text), Presentation::Allowed, "{from} {text}");
        }
        for from in ["<sip:h>", "<sip:@h>", "<sip:unavailable@h>", "<tel:Unavailable>"] {
            assert_eq!(shown_of(from, ""), Presentation::Unavailable, "{from}");
        }
    }

    #[test]
    fn callers_are_read_in_all_places_and_counted_by_the_first_that_is_asked_for() {
        let from = NameAddr::parse("<sip:1@h>").expect("an address");
        let text = "P-Asserted-Identity: \"A\" <sip:2@h>, <tel:+3>\r\n\
                    Remote-Party-ID: <sip:4;cpc=x@h>;privacy=off\r\nP-Preferred-Identity: sip:5@h\r\n";
        let headers = headers(text);
        let read = read(&from, &headers);
        let read: Vec<_> = read.iter().map(|one| (one.identity, one.forms[0].as_str())).collect();
        let expected = [
            (Identity::Asserted, "2"),
            (Identity::Asserted, "+3"),
            (Identity::RemoteParty, "4"),
            (Identity::Preferred, "5"),
            (Identity::From, "1"),
        ];
        assert_eq!(read, expected);
        let by = |places: &[Identity]| number(&from, &headers, Identities::new(places.to_vec()));
        assert_eq!(by(&[Identity::From]).as_deref(), Some("1"));
        assert_eq!(by(&[Identity::RemoteParty, Identity::From]).as_deref(), Some("4"));
        assert_eq!(by(&[Identity::Asserted, Identity::From]).as_deref(), Some("2"));
        let none = Headers::default();
        let fallback = Identities::new([Identity::Asserted, Identity::From]);
        assert_eq!(number(&from, &none, fallback).as_deref(), Some("1"));
        for hidden in ["<sip:anonymous@h>", "<sip:unavailable@h>", "<sip:h>"] {
            let from = NameAddr::parse(hidden).expect("an address");
            assert_eq!(number(&from, &none, fallback), None, "{hidden}");
        }
    }

    #[test]
    fn no_more_and_no_longer_callers_are_kept_than_anybody_has() {
        let from = NameAddr::parse("<sip:1@h>").expect("an address");
        let long = format!("P-Asserted-Identity: <sip:{}@h>\r\n", "1".repeat(MOST_OCTETS + 1));
        assert_eq!(read(&from, &headers(&long)).len(), 1, "From alone");
        let many = "P-Asserted-Identity: <sip:2@h>\r\n".repeat(MOST_IDENTITIES + 1);
        assert_eq!(read(&from, &headers(&many)).len(), 1 + MOST_IDENTITIES);
    }

    #[test]
    fn places_are_written_as_they_are_read() {
        for identity in Identity::ALL {
            assert_eq!(identity.to_string().parse(), Ok(identity));
        }
        assert_eq!("to".parse::<Identity>(), Err(NoIdentity));
    }
}
