//! What a REGISTER asks for.

use std::time::Duration;

use super::RegistrarLimits;
use crate::message::{
    Envelope, Fault, Message, Name, NameAddr, Params, Scheme, StartLine, Status, Uri,
};

/// Proxies on the way whose Path is kept.
const MAX_PATH: usize = 8;
/// The longest Contact, and the most parameters of one.
const MAX_CONTACT: usize = 1024;
const MAX_CONTACT_PARAMS: usize = 32;
/// When somebody whom the full table refuses may try again, in seconds.
const RETRY_AFTER: &str = "60";
/// Up to here a short time is the registrar's to refuse (RFC 3261 §10.3).
const MOST_BRIEF: Duration = Duration::from_secs(3_600);

/// A REGISTER that may be carried out.
pub(super) struct Asked {
    pub(super) call_id: Box<str>,
    pub(super) cseq: u32,
    pub(super) path: Vec<Uri>,
    pub(super) wanted: Wanted,
}

pub(super) enum Wanted {
    /// To be told what there is.
    Nothing,
    /// `Contact: *`.
    ClearAll,
    /// Contacts with their preference in thousandths, and how long; zero takes one out.
    Bindings(Vec<(Uri, u16, Duration)>),
}

/// Why a REGISTER is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A header that every request needs is not as it should be.
    Fault(Fault),
    /// The address of record is another user's.
    NotYours,
    /// A Path that cannot be read, or is too long.
    BadPath,
    /// `Contact: *` with other contacts, or without `Expires: 0`.
    BadStar,
    /// A contact that cannot be read or called.
    BadContact,
    /// More contacts than a user may have.
    TooManyContacts,
    /// A time shorter than the registrar allows.
    TooBrief,
    /// The CSeq is not after that of what is there.
    Late,
    /// The table of all users is full.
    Full,
}

impl Refusal {
    /// The response that says so.
    pub(super) fn response(self, limits: &RegistrarLimits) -> Message {
        let (status, phrase) = match self {
            Self::Fault(fault) => (fault.status(), fault.reason_phrase()),
            Self::NotYours => (Status::FORBIDDEN, "Not Your Address Of Record"),
            Self::BadPath => (Status::BAD_REQUEST, "Malformed Path"),
            Self::BadStar => (Status::BAD_REQUEST, "Contact * Needs Expires 0"),
            Self::BadContact => (Status::BAD_REQUEST, "Malformed Contact"),
            Self::TooManyContacts => (Status::FORBIDDEN, "Too Many Contacts"),
            Self::TooBrief => (Status::INTERVAL_TOO_BRIEF, "Interval Too Brief"),
            Self::Late => (Status::BAD_REQUEST, "CSeq Out Of Order"),
            Self::Full => (Status::SERVICE_UNAVAILABLE, "Too Many Bindings"),
        };
        let mut response = Message::response(status);
        response.start = StartLine::Response { status, reason: phrase.into() };
        match self {
            Self::TooBrief => {
                let least = limits.least_expires.as_secs().to_string();
                response.headers.add(Name::MinExpires, least);
            }
            Self::Full => response.headers.add(Name::RetryAfter, RETRY_AFTER),
            Self::Fault(_)
            | Self::NotYours
            | Self::BadPath
            | Self::BadStar
            | Self::BadContact
            | Self::TooManyContacts
            | Self::Late => {}
        }
        response
    }
}

impl Asked {
    /// Reads a request of `user`.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn read(
        request: &Message,
        user: &str,
        limits: &RegistrarLimits,
    ) -> Result<Self, Refusal> {
        let envelope = Envelope::read(request).map_err(Refusal::Fault)?;
        if envelope.to.uri.user().as_deref() != Some(user) {
            return Err(Refusal::NotYours);
        }
        let path = request.headers.items(&Name::Path).map(NameAddr::parse);
        let path: Result<Vec<_>, _> = path.map(|read| read.map(|address| address.uri)).collect();
        let path = path.ok().filter(|path| path.len() <= MAX_PATH).ok_or(Refusal::BadPath)?;
        let header = request.headers.text(&Name::Expires).map(|text| seconds(text, limits));
        let contacts: Vec<&str> = request.headers.items(&Name::Contact).collect();
        let wanted = match &contacts[..] {
            [] => Wanted::Nothing,
            ["*"] if header == Some(Duration::ZERO) => Wanted::ClearAll,
            contacts if contacts.contains(&"*") => return Err(Refusal::BadStar),
            contacts if contacts.len() > limits.most_of_user => {
                return Err(Refusal::TooManyContacts);
            }
            contacts => {
                let asked = header.unwrap_or(limits.default_expires);
                let read = contacts.iter().map(|text| wanted(text, asked, limits));
                Wanted::Bindings(read.collect::<Result<_, _>>()?)
            }
        };
        Ok(Self { call_id: envelope.call_id, cseq: envelope.cseq.number, path, wanted })
    }
}

/// One contact. A time that cannot be read is the default (RFC 3261 §20.19).
fn wanted(
    text: &str,
    asked: Duration,
    limits: &RegistrarLimits,
) -> Result<(Uri, u16, Duration), Refusal> {
    // Each is compared with those that are known, every parameter with every other.
    if text.len() > MAX_CONTACT || text.matches(';').count() > MAX_CONTACT_PARAMS {
        return Err(Refusal::BadContact);
    }
    let contact = NameAddr::parse(text).map_err(|_| Refusal::BadContact)?;
    let callable = matches!(contact.uri.scheme(), Scheme::Sip | Scheme::Sips);
    if !callable || contact.uri.has_headers() {
        return Err(Refusal::BadContact);
    }
    let own = contact.params.value("expires").map(|text| seconds(text, limits));
    let expires = own.unwrap_or(asked);
    if !expires.is_zero() && expires < limits.least_expires.min(MOST_BRIEF) {
        return Err(Refusal::TooBrief);
    }
    let preference = preference(&contact.params);
    Ok((contact.uri, preference, expires.min(limits.most_expires)))
}

fn seconds(text: &str, limits: &RegistrarLimits) -> Duration {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // Beyond 32 bits it is the most that there is.
    let seconds = digits.then(|| text.parse::<u32>().unwrap_or(u32::MAX));
    seconds.map_or(limits.default_expires, |seconds| Duration::from_secs(seconds.into()))
}

/// `q` in thousandths: 0 to 1 with at most three decimals (RFC 3261 §25.1); 1 when there is none.
fn preference(params: &Params) -> u16 {
    let Some(q) = params.value("q") else { return 1_000 };
    let (whole, part) = q.split_once('.').unwrap_or((q, ""));
    let digits = part.bytes().all(|b| b.is_ascii_digit()) && part.len() <= 3;
    let part = format!("{part:0<3}").parse().ok().filter(|_| digits);
    match (whole, part) {
        ("0", Some(part)) => part,
        _ => 1_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_is_read_in_thousandths() {
        for (text, thousandths) in [
            ("", 1_000),
            (";q=1", 1_000),
            (";q=1.0", 1_000),
            (";q=0", 0),
            (";q=0.", 0),
            (";q=0.5", 500),
            (";q=0.075", 75),
            (";q=0.0755", 1_000),
            (";q=+0.5", 1_000),
            (";q=0.-5", 1_000),
            (";q=2", 1_000),
        ] {
            let params = Params::parse(text).expect("parameters");
            assert_eq!(preference(&params), thousandths, "{text}");
        }
    }
}
