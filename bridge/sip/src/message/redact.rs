//! A message as it may be shown to people and kept: without credentials, keys, digits and whatever
//! is not known to be free of them.
//!
//! Header fields are named one by one that keep their value; of any other only the name stays. User
//! parts stay where the caller of [`redact`] says so. Names of people go.

mod address;
mod sdp;

use super::body::session_description;
use super::header::{Headers, Name, Value};
use super::scan::{split_list, unquote};
use super::{Message, NameAddr, StartLine};
use crate::caller::presentation;
use crate::event::Presentation;

/// The most octets of a redacted message; of a longer one the five headers stay that every message
/// has.
pub const MAX_REDACTED: usize = 4 * 1024;

/// What stands in the place of what is taken out.
const HIDDEN: &str = "*";
/// Digits in a row that a free text may show: a status or a cause, and no passcode.
const SHORT: usize = 3;

/// A message that holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    /// The message on the wire, with a Content-Length that is right.
    pub octets: Vec<u8>,
    /// Whether it is an INFO or answers one: as many as these are, so long may be what was keyed.
    pub is_info: bool,
}

/// What may be shown of a message; `None` of what is none. `shows` says which user parts, without
/// parameters, are no secret.
pub fn redact(payload: &[u8], shows: &dyn Fn(&str) -> bool) -> Option<Redacted> {
    let mut message = Message::parse(payload).ok()?;
    let sdp = session_description(&message).map(sdp::redact);
    message.wipe_body();
    let is_info = message.headers.text(&Name::CSeq).is_some_and(|cseq| cseq.ends_with("INFO"));
    let mut text = String::with_capacity(payload.len().min(MAX_REDACTED) + SPARE);
    write(&mut text, &message, sdp.as_deref(), shows);
    if text.len() > MAX_REDACTED {
        text.clear();
        write(&mut text, &essence(message), None, shows);
    }
    let fits = text.len() <= MAX_REDACTED;
    fits.then(|| Redacted { octets: text.into_bytes(), is_info })
}

/// More than what is taken out leaves room for this: brackets around bare addresses.
const SPARE: usize = 64;

/// The five headers that every message has, and no body.
fn essence(mut message: Message) -> Message {
    let mut headers = Headers::default();
    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
        if let Some(value) = message.headers.first(&name) {
            headers.push(name, value.clone());
        }
    }
    message.headers = headers;
    message
}

fn write(out: &mut String, message: &Message, sdp: Option<&str>, shows: &dyn Fn(&str) -> bool) {
    match &message.start {
        StartLine::Request { method, uri } => {
            out.push_str(method.as_str());
            out.push(' ');
            address::write_uri(out, uri, shows);
            out.push_str(" SIP/2.0\r\n");
        }
        StartLine::Response { status, reason } => {
            out.push_str(&format!("SIP/2.0 {status} "));
            short_digits(out, reason);
            out.push_str("\r\n");
        }
    }
    headers(out, &message.headers, sdp.is_some(), shows);
    let sdp = sdp.unwrap_or_default();
    out.push_str(&format!("Content-Length: {}\r\n\r\n{sdp}", sdp.len()));
}

/// What stays of a header field.
enum Kept {
    /// The value: tokens and numbers that mean something to SIP alone.
    Whole,
    /// The value without long numbers: a text for people.
    Text,
    /// Hops, with what tells them apart.
    Hops,
    /// Addresses, without names of people.
    Addresses,
    /// Addresses of whoever asks, whose numbers nobody dialled.
    Identities,
    /// The kind and realm of a challenge.
    Challenge,
    /// The scheme of credentials.
    SchemeOnly,
    /// Nothing.
    NameOnly,
}

/// Fields that [`Name`] has no variant for, in lower case.
const WHOLE: [&str; 4] = ["proxy-require", "accept-language", "content-language", "date"];
const TEXTS: [&str; 2] = ["server", "mime-version"];

fn kept(name: &Name) -> Kept {
    match name {
        Name::Via => Kept::Hops,
        Name::From
        | Name::To
        | Name::Contact
        | Name::Route
        | Name::RecordRoute
        | Name::Path
        | Name::ServiceRoute
        | Name::Diversion
        | Name::HistoryInfo
        | Name::ReferTo
        | Name::ReferredBy
        | Name::PCalledPartyId => Kept::Addresses,
        Name::PAssertedIdentity | Name::PPreferredIdentity | Name::RemotePartyId => {
            Kept::Identities
        }
        Name::CallId
        | Name::CSeq
        | Name::MaxForwards
        | Name::ContentType
        | Name::ContentEncoding
        | Name::ContentDisposition
        | Name::Accept
        | Name::AcceptEncoding
        | Name::Allow
        | Name::Supported
        | Name::Require
        | Name::Unsupported
        | Name::RetryAfter
        | Name::Timestamp
        | Name::RSeq
        | Name::RAck
        | Name::Privacy
        | Name::Expires
        | Name::MinExpires
        | Name::SessionExpires
        | Name::MinSe
        | Name::ReferSub
        | Name::Replaces
        | Name::Join
        | Name::Event
        | Name::SubscriptionState
        | Name::AllowEvents => Kept::Whole,
        Name::Reason | Name::Warning | Name::UserAgent => Kept::Text,
        Name::WwwAuthenticate | Name::ProxyAuthenticate => Kept::Challenge,
        Name::Authorization | Name::ProxyAuthorization => Kept::SchemeOnly,
        // The writer makes Content-Length anew; a signature has numbers in it, and may serve again.
        Name::ContentLength | Name::Identity => Kept::NameOnly,
        Name::Other(name) => {
            let is = |known: &&str| name.eq_ignore_ascii_case(known);
            match () {
                () if WHOLE.iter().any(&is) => Kept::Whole,
                () if TEXTS.iter().any(is) => Kept::Text,
                () => Kept::NameOnly,
            }
        }
    }
}

fn headers(out: &mut String, all: &Headers, has_sdp: bool, shows: &dyn Fn(&str) -> bool) {
    let is_private = asks_for_privacy(all);
    for (name, value) in all.iter().filter(|(name, _)| **name != Name::ContentLength) {
        let text = value.as_str();
        out.push_str(name.as_str());
        out.push_str(": ");
        match kept(name) {
            // Of several parts only the description is left.
            Kept::Whole if *name == Name::ContentType && has_sdp => out.push_str("application/sdp"),
            Kept::Whole => out.push_str(text),
            Kept::Text => short_digits(out, text),
            Kept::Hops => each(out, text, address::write_hop),
            Kept::Addresses => each(out, text, |out, item| address::write(out, item, shows)),
            Kept::Identities => each(out, text, |out, item| {
                // Who is withheld stays so.
                let global = |user: &str| !is_private && is_global(user);
                address::write(out, item, &|user| shows(user) || global(user));
            }),
            Kept::Challenge => out.push_str(&challenge(text)),
            Kept::SchemeOnly => out.push_str(&scheme_only(text)),
            Kept::NameOnly => out.push_str(HIDDEN),
        }
        out.push_str("\r\n");
    }
}

/// Whether the sender of a message does not want to be known (RFC 3323 §4.2, RFC 3325 §9.3).
pub fn asks_for_privacy(headers: &Headers) -> bool {
    let wishes = headers.all(&Name::Privacy).flat_map(|value| value.as_str().split([';', ',']));
    let marks = headers.all(&Name::RemotePartyId);
    let is_marked = |text: &str| {
        let mut params = text.split(';').filter_map(|part| part.trim().split_once('='));
        params.any(|(name, value)| {
            name.trim().eq_ignore_ascii_case("privacy") && !value.trim().eq_ignore_ascii_case("off")
        })
    };
    // Records have him so, by whatever form.
    let from = headers.text(&Name::From).and_then(|from| NameAddr::parse(from).ok());
    wishes.map(str::trim).any(|wish| !wish.eq_ignore_ascii_case("none"))
        || marks.map(Value::as_str).any(is_marked)
        || from.is_none_or(|from| presentation(&from, headers) != Presentation::Allowed)
}

/// A comma list, each item written anew.
fn each(out: &mut String, text: &str, write: impl Fn(&mut String, &str)) {
    for (place, item) in split_list(text).enumerate() {
        if place > 0 {
            out.push_str(", ");
        }
        write(out, item);
    }
}

/// Whether it is a telephone number with its country's code (RFC 3966 §5.1.4).
fn is_global(user: &str) -> bool {
    user.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// `Digest realm="…", algorithm=…, qop="…"`: what an operator compares with the configuration.
fn challenge(text: &str) -> String {
    let mut shown = scheme_only(text);
    let rest = text.trim_start().split_once([' ', '\t']).map_or("", |(_, rest)| rest);
    for item in split_list(rest) {
        let Some((name, value)) = item.split_once('=') else { continue };
        let name = name.trim().to_ascii_lowercase();
        if ["realm", "algorithm", "qop", "stale"].contains(&name.as_str()) {
            let value = unquote(value.trim()).replace(['"', '\\'], "");
            shown.push_str(&format!(", {name}=\"{value}\""));
        }
    }
    shown
}

fn scheme_only(text: &str) -> String {
    let scheme = text.split_ascii_whitespace().next().unwrap_or_default();
    let fits = scheme.len() <= 16 && scheme.bytes().all(|b| b.is_ascii_alphabetic());
    if fits { format!("{scheme} {HIDDEN}") } else { HIDDEN.to_owned() }
}

/// Writes a text without numbers that a passcode could be: of more than three digits in a row none
/// is shown.
fn short_digits(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        out.push_str(before);
        out.push_str(if end > SHORT { HIDDEN } else { digits });
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests;
