//! A message as it may be shown to people and kept: without credentials, keys, digits and whatever
//! is not known to be free of them.
//!
//! Header fields are named one by one that keep their value; of any other only the name stays. User
//! parts stay where the caller of [`redact`] says so. Names of people go.

mod sdp;

use super::body::session_description;
use super::header::{Headers, Name};
use super::name_addr::NameAddr;
use super::scan::{Params, split_list, unquote};
use super::uri::{Host, Scheme, Uri, escape_user};
use super::via::Via;
use super::{Message, StartLine};

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

/// What may be shown of a message; `None` of what is none. `shows` says which user parts, escapes
/// resolved and without parameters, are no secret.
pub fn redact(payload: &[u8], shows: &dyn Fn(&str) -> bool) -> Option<Redacted> {
    let mut message = Message::parse(payload).ok()?;
    let sdp = session_description(&message).map(sdp::redact);
    message.wipe_body();
    let is_info = message.headers.text(&Name::CSeq).is_some_and(|cseq| cseq.ends_with("INFO"));
    message.start = start_line(&message.start, shows);
    message.headers = headers(&message.headers, sdp.is_some(), shows);
    if let Some(sdp) = sdp {
        message.body = sdp.into();
    }
    let mut octets = message.to_bytes();
    if octets.len() > MAX_REDACTED {
        octets = essence(message).to_bytes();
    }
    (octets.len() <= MAX_REDACTED).then_some(Redacted { octets, is_info })
}

/// The five headers that every message has, and no body.
fn essence(mut message: Message) -> Message {
    let mut headers = Headers::default();
    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
        if let Some(value) = message.headers.first(&name) {
            headers.push(name, value.clone());
        }
    }
    message.headers = headers;
    message.body = bytes::Bytes::new();
    message
}

fn start_line(start: &StartLine, shows: &dyn Fn(&str) -> bool) -> StartLine {
    match start {
        StartLine::Request { method, uri: text } => {
            let shown = Uri::parse(text).map_or_else(|_| HIDDEN.to_owned(), |u| uri(&u, shows));
            StartLine::Request { method: method.clone(), uri: shown.into() }
        }
        StartLine::Response { status, reason } => {
            StartLine::Response { status: *status, reason: short_digits(reason).into() }
        }
    }
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
const WHOLE: [&str; 6] =
    ["proxy-require", "event", "subscription-state", "accept-language", "content-language", "date"];
const TEXTS: [&str; 2] = ["server", "mime-version"];
const ADDRESSES: [&str; 2] = ["referred-by", "refer-to"];

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
        | Name::MinSe => Kept::Whole,
        Name::Reason | Name::Warning | Name::UserAgent => Kept::Text,
        Name::WwwAuthenticate | Name::ProxyAuthenticate => Kept::Challenge,
        Name::Authorization | Name::ProxyAuthorization => Kept::SchemeOnly,
        // The writer makes it anew.
        Name::ContentLength => Kept::NameOnly,
        Name::Other(name) => {
            let is = |known: &&str| name.eq_ignore_ascii_case(known);
            match () {
                () if WHOLE.iter().any(&is) => Kept::Whole,
                () if TEXTS.iter().any(&is) => Kept::Text,
                () if ADDRESSES.iter().any(is) => Kept::Addresses,
                () => Kept::NameOnly,
            }
        }
    }
}

fn headers(all: &Headers, has_sdp: bool, shows: &dyn Fn(&str) -> bool) -> Headers {
    let mut shown = Headers::default();
    let is_private = asks_for_privacy(all);
    for (name, value) in all.iter() {
        let text = value.as_str();
        let text = match kept(name) {
            // Of several parts only the description is left.
            Kept::Whole if *name == Name::ContentType && has_sdp => "application/sdp".to_owned(),
            Kept::Whole => text.to_owned(),
            Kept::Text => short_digits(text),
            Kept::Hops => each(text, hop),
            Kept::Addresses => each(text, |item| address(item, shows)),
            Kept::Identities => each(text, |item| {
                // Who is withheld stays so.
                let global = |user: &str| !is_private && is_global(user);
                address(item, &|user| shows(user) || global(user))
            }),
            Kept::Challenge => challenge(text),
            Kept::SchemeOnly => scheme_only(text),
            Kept::NameOnly => HIDDEN.to_owned(),
        };
        shown.add(name.clone(), text);
    }
    shown
}

/// Whether the sender of a message does not want to be known (RFC 3323 §4.2, RFC 3325 §9.3).
pub fn asks_for_privacy(headers: &Headers) -> bool {
    let wishes = headers.all(&Name::Privacy).flat_map(|value| value.as_str().split([';', ',']));
    let marks = headers.iter().filter(|(name, _)| {
        matches!(name, Name::Other(name) if name.eq_ignore_ascii_case("remote-party-id"))
    });
    let is_marked = |text: &str| {
        text.split(';').filter_map(|part| part.trim().strip_prefix("privacy=")).any(|p| p != "off")
    };
    wishes.map(str::trim).any(|wish| !wish.eq_ignore_ascii_case("none"))
        || marks.map(|(_, value)| value.as_str()).any(is_marked)
}

/// A comma list, each item made anew.
fn each(text: &str, item: impl Fn(&str) -> String) -> String {
    split_list(text).map(item).collect::<Vec<_>>().join(", ")
}

fn hop(text: &str) -> String {
    let Ok(mut via) = Via::parse(text) else { return HIDDEN.to_owned() };
    via.keep_params(&["branch", "received", "rport", "alias", "keep"]);
    via.to_string()
}

fn address(text: &str, shows: &dyn Fn(&str) -> bool) -> String {
    if text == "*" {
        return text.to_owned();
    }
    let Ok(parsed) = NameAddr::parse(text) else { return HIDDEN.to_owned() };
    let mut shown = format!("<{}>", uri(&parsed.uri, shows));
    let kept = ["tag", "expires", "reason", "privacy", "screen", "party", "q", "index", "ob"];
    add_params(&mut shown, &parsed.params, &kept);
    shown
}

/// Whether it is a telephone number with its country's code (RFC 3966 §5.1.4).
fn is_global(user: &str) -> bool {
    user.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// The URI with the user part that may be shown, and the parameters that routing reads.
fn uri(uri: &Uri, shows: &dyn Fn(&str) -> bool) -> String {
    let user = uri.user().map(|user| if shows(&user) { escape_user(&user) } else { HIDDEN.into() });
    let scheme = match uri.scheme() {
        Scheme::Sip => "sip",
        Scheme::Sips => "sips",
        Scheme::Tel => return format!("tel:{}", user.as_deref().unwrap_or(HIDDEN)),
        Scheme::Foreign => return HIDDEN.to_owned(),
    };
    let mut shown = format!("{scheme}:");
    if let Some(user) = user {
        shown.push_str(&user);
        shown.push('@');
    }
    match uri.host() {
        // Without a user part, what was dialled stands in the place of the host.
        Some(Host::Name(name)) if !name.contains(|c: char| c.is_ascii_alphabetic()) => {
            shown.push_str(HIDDEN);
        }
        Some(host) => shown.push_str(&host.to_string()),
        None => {}
    }
    if let Some(port) = uri.port() {
        shown.push_str(&format!(":{port}"));
    }
    if let Some(params) = uri.params() {
        add_params(&mut shown, params, &["transport", "lr", "user", "ob", "cause"]);
    }
    shown
}

/// Adds those of `kept` that hold no quoted string.
fn add_params(shown: &mut String, params: &Params, kept: &[&str]) {
    let kept = |name: &str| kept.iter().any(|known| known.eq_ignore_ascii_case(name));
    for (name, value) in params.iter().filter(|(name, _)| kept(name)) {
        shown.push_str(&match value {
            Some(value) => format!(";{name}={}", value.replace(['"', '<', '>'], "")),
            None => format!(";{name}"),
        });
    }
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

/// A text without numbers that a passcode could be: of more than three digits in a row each is
/// hidden, those of versions and addresses alone are not.
fn short_digits(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        shown.push_str(before);
        shown.push_str(if end > SHORT { HIDDEN } else { digits });
        rest = after;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests;
