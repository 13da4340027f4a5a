//! SIP, tel and foreign URIs (RFC 3261 §19.1, RFC 3966, RFC 4904).
//!
//! A URI keeps its text, so that a Contact comes back in a Request-URI byte for byte.

mod compare;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use super::scan::{Malformed, Params, ParamsRef, find, find_unquoted, split_once};
use crate::caller::{UNAVAILABLE, WITHHELD};
use crate::flow::{NextHop, Transport};

/// A URI with the parts that routing and telephony need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    text: Box<str>,
    parts: Parts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Parts {
    Sip(SipUri),
    Tel,
    Foreign,
}

/// What scheme a URI has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`.
    Sip,
    /// `sips:`.
    Sips,
    /// `tel:`.
    Tel,
    /// Any other.
    Foreign,
}

/// The parts of a `sip:` or `sips:` URI.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SipUri {
    secure: bool,
    /// Where the user part ends in the text of the URI; it begins after the scheme.
    user_end: Option<usize>,
    host: Host,
    port: Option<u16>,
    /// From where to where the parameters go in it; embedded headers are behind them.
    params: (usize, usize),
}

/// The host of a URI or Via.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An IPv4 or bracketed IPv6 literal.
    Address(IpAddr),
    /// A domain name.
    Name(Box<str>),
}

impl Host {
    /// Reads a host without port.
    ///
    /// # Errors
    /// [`Malformed`] for characters that no host name has, and for a broken IPv6 literal.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(Malformed)?;
            return inner.parse().map(|v6| Self::Address(IpAddr::V6(v6))).map_err(|_| Malformed);
        }
        if let Ok(v4) = text.parse() {
            return Ok(Self::Address(IpAddr::V4(v4)));
        }
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if text.is_empty() || !text.bytes().all(fits) {
            return Err(Malformed);
        }
        Ok(Self::Name(text.into()))
    }

    /// Splits `host [":" [port]]`, blanks allowed around the colon.
    pub(crate) fn parse_with_port(text: &str) -> Result<(Self, Option<u16>), Malformed> {
        let host_end = match text.strip_prefix('[') {
            Some(_) => find(text, b']').map_or(text.len(), |at| at + 1),
            None => find(text, b':').unwrap_or(text.len()),
        };
        let host = Self::parse(text[..host_end].trim_ascii_end())?;
        let rest = text[host_end..].trim_ascii();
        if rest.is_empty() {
            return Ok((host, None));
        }
        let port = rest.strip_prefix(':').ok_or(Malformed)?.trim_ascii();
        if port.is_empty() {
            return Ok((host, None));
        }
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed);
        }
        Ok((host, Some(port.parse().map_err(|_| Malformed)?)))
    }

    /// The address, when the host is a literal.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Address(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Uri {
    /// Reads an absolute URI.
    ///
    /// # Errors
    /// [`Malformed`] for blanks, controls, angle brackets or quotes, but for the quoted value of a
    /// parameter, which phones send in a Contact; for a missing scheme, and for a `sip:` or `tel:`
    /// URI that breaks its grammar.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        // Most have nothing that needs a second look.
        let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>');
        if !text.bytes().all(is_plain)
            && (text.contains(char::is_control) || !unquoted_text_fits(text))
        {
            return Err(Malformed);
        }
        let (scheme, rest) = split_once(text, b':').ok_or(Malformed)?;
        let scheme_fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            || !scheme.bytes().all(scheme_fits)
            || rest.is_empty()
        {
            return Err(Malformed);
        }
        let parts = if scheme.eq_ignore_ascii_case("sip") {
            Parts::Sip(SipUri::parse(text, scheme.len() + 1, false)?)
        } else if scheme.eq_ignore_ascii_case("sips") {
            Parts::Sip(SipUri::parse(text, scheme.len() + 1, true)?)
        } else if scheme.eq_ignore_ascii_case("tel") {
            check_tel(rest)?;
            Parts::Tel
        } else {
            Parts::Foreign
        };
        Ok(Self { text: text.into(), parts })
    }

    /// The URI as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        match &self.parts {
            Parts::Sip(sip) if sip.secure => Scheme::Sips,
            Parts::Sip(_) => Scheme::Sip,
            Parts::Tel => Scheme::Tel,
            Parts::Foreign => Scheme::Foreign,
        }
    }

    /// The user part of a SIP URI, or the number of a tel URI, with its parameters (RFC 4904 puts
    /// trunk groups there), escapes as they came.
    pub fn user_raw(&self) -> Option<&str> {
        match &self.parts {
            Parts::Sip(sip) => self.text.get(self.scheme_end() + 1..sip.user_end?),
            Parts::Tel => self.text.get(self.scheme_end() + 1..),
            Parts::Foreign => None,
        }
    }

    /// The URI for a request line, where no blank and no bracket may stand: those of a quoted
    /// parameter are escaped.
    pub(crate) fn on_request_line(&self) -> Cow<'_, str> {
        let unfit = |c: char| c.is_whitespace() || matches!(c, '<' | '>');
        if !self.text.contains(unfit) {
            return Cow::Borrowed(&self.text);
        }
        let mut line = String::with_capacity(self.text.len() + 16);
        for c in self.text.chars() {
            if unfit(c) {
                line.extend(c.to_string().bytes().map(|b| format!("%{b:02X}")));
            } else {
                line.push(c);
            }
        }
        Cow::Owned(line)
    }

    /// The user or number alone: parameters cut off, escapes resolved.
    pub fn user(&self) -> Option<String> {
        let raw = self.user_raw()?;
        Some(unescape(raw.split(';').next().unwrap_or(raw)))
    }

    /// Whom the URI names, in each form that may be known, best first: a local number behind the
    /// digits of its `phone-context` (RFC 3966 §5.1.5), the user or number alone, and that without
    /// visual separators. The signs before parameters may be escaped. Portability, carrier and trunk-group parameters (RFC 4694, RFC 4904) say
    /// by which way a call came, not whom it is for.
    pub fn subscribers(&self) -> impl Iterator<Item = String> {
        let whole = self.user_raw().map(unescape);
        let whole = whole.as_deref().map(|whole| whole.split_once(';').unwrap_or((whole, "")));
        let params = whole.and_then(|(_, params)| Params::parse(&format!(";{params}")).ok());
        let user = whole.map(|(user, _)| user.to_owned()).filter(|user| !user.is_empty());
        let within = params.as_ref().and_then(|params| params.value("phone-context"));
        // Some write it behind the host, among the parameters of the URI.
        let behind = || self.params().value("phone-context");
        let context = within.or_else(behind).map(unescape);
        let context = context.filter(|context| context.starts_with('+'));
        let local = user.as_ref().filter(|user| !user.starts_with('+'));
        let context = context.zip(local).map(|(context, user)| format!("{context}{user}"));
        let separates = |c: char| matches!(c, '-' | '.' | '(' | ')' | ' ');
        let bare = user.as_ref().filter(|user| user.contains(separates));
        let bare = bare.map(|user| user.replace(separates, "")).filter(|bare| {
            let digits = bare.strip_prefix('+').unwrap_or(bare);
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        });
        [context, user, bare].into_iter().flatten()
    }

    /// The host of a SIP URI.
    pub fn host(&self) -> Option<&Host> {
        self.sip().map(|sip| &sip.host)
    }

    /// The port of a SIP URI, where it names one.
    pub fn port(&self) -> Option<u16> {
        self.sip().and_then(|sip| sip.port)
    }

    /// Where requests to a SIP URI go (RFC 3263 §4).
    pub(crate) fn next_hop(&self) -> Option<NextHop> {
        let sip = self.sip()?;
        let named = self.params().value("transport");
        Some(NextHop {
            host: sip.host.clone(),
            port: sip.port,
            transport: named.and_then(|name| Transport::from_uri_value(name, sip.secure)),
            secure: sip.secure,
        })
    }

    /// Whether a route with this URI is a loose router's (RFC 3261 §16.12.1.1).
    pub fn is_loose(&self) -> bool {
        self.params().find("lr").is_some()
    }

    /// Whether headers are embedded (`?name=value`), which no Request-URI may have.
    pub fn has_headers(&self) -> bool {
        self.headers().is_some()
    }

    /// Whether a header of this name is embedded.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        let mut fields = self.headers().unwrap_or_default().split('&');
        fields.any(|field| {
            let of = field.split('=').next().unwrap_or(field);
            unescape(of).trim_ascii().eq_ignore_ascii_case(name)
        })
    }

    /// The parameters of a SIP URI; none of any other.
    fn params(&self) -> ParamsRef<'_> {
        let (from, to) = self.sip().map_or((0, 0), |sip| sip.params);
        ParamsRef::of(self.text.get(from..to).unwrap_or_default())
    }

    /// The embedded headers of a SIP URI, behind their question mark.
    fn headers(&self) -> Option<&str> {
        self.text.get(self.sip()?.params.1 + 1..)
    }

    fn scheme_end(&self) -> usize {
        find(&self.text, b':').unwrap_or(self.text.len())
    }

    /// The value of a parameter of a SIP URI.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.params().value(name)
    }

    fn sip(&self) -> Option<&SipUri> {
        match &self.parts {
            Parts::Sip(sip) => Some(sip),
            Parts::Tel | Parts::Foreign => None,
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl SipUri {
    /// Reads `text` from `start`, which is behind the scheme.
    fn parse(text: &str, start: usize, secure: bool) -> Result<Self, Malformed> {
        let (user_end, host_start) = match find_unquoted(&text[start..], '@') {
            // Some phones without a name write the sign nevertheless.
            Some(0) => (None, start + 1),
            Some(end) => {
                let info = &text[start..start + end];
                let user = find(info, b':').unwrap_or(info.len());
                // A percent sign that escapes nothing stands for itself, as exchanges mean it.
                if user == 0 || find(info, b'"').is_some() {
                    return Err(Malformed);
                }
                (Some(start + user), start + end + 1)
            }
            None => (None, start),
        };
        let end = find_unquoted(&text[host_start..], '?').map_or(text.len(), |at| host_start + at);
        let rest = &text[host_start..end];
        let host_end = find(rest, b';').unwrap_or(rest.len());
        let (host, port) = Host::parse_with_port(&rest[..host_end])?;
        ParamsRef::parse(&rest[host_end..])?;
        Ok(Self { secure, user_end, host, port, params: (host_start + host_end, end) })
    }
}

/// Whether blanks and angle brackets stand in quoted parameter values only, and every quote is
/// around one.
fn unquoted_text_fits(text: &str) -> bool {
    let (mut quoted, mut escaped, mut before) = (false, false, '\0');
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if quoted => quoted = false,
            '"' if before == '=' => quoted = true,
            '"' => return false,
            c if !quoted && (c.is_whitespace() || matches!(c, '<' | '>')) => return false,
            _ => {}
        }
        before = c;
    }
    !quoted
}

/// RFC 3966 §3: a global or local number, then parameters. Escapes are resolved first: some
/// gateways carry them over from a SIP URI.
fn check_tel(text: &str) -> Result<(), Malformed> {
    let end = text.find(';').unwrap_or(text.len());
    if !escapes_are_whole(&text[..end]) || text.contains('"') {
        return Err(Malformed);
    }
    let number = unescape(&text[..end]);
    let number = number.split(';').next().unwrap_or_default();
    let digits = number.strip_prefix('+').unwrap_or(number);
    // Some gateways write tel:anonymous, which is no number and says what it means.
    let named = WITHHELD.iter().chain([&UNAVAILABLE]).any(|word| number.eq_ignore_ascii_case(word));
    let fits = |b: u8| b.is_ascii_hexdigit() || b"*#-.()".contains(&b);
    if digits.is_empty() || !(named || digits.bytes().all(fits)) {
        return Err(Malformed);
    }
    Params::parse(&text[end..]).map(|_| ())
}

fn escapes_are_whole(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().filter(|(_, b)| **b == b'%').all(|(at, _)| {
        bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Resolves `%HH`; bytes that are no UTF-8 afterwards become U+FFFD.
pub(crate) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            Some(_) | None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Escapes what may not stand in the user part of a SIP URI (RFC 3261 §25.1 `user`).
pub(crate) fn escape_user(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap_or_else(|_| panic!("{text} is a URI"))
    }

    #[test]
    fn sip_parts_are_found() {
        let uri = uri(
            "sip:+1416%205550100;tgrp=east;trunk-context=a.example:pw@[2001:db8::1]:5070;lr;x=1?a=b",
        );
        assert_eq!(uri.scheme(), Scheme::Sip);
        assert_eq!(uri.user_raw(), Some("+1416%205550100;tgrp=east;trunk-context=a.example"));
        assert_eq!(uri.user().as_deref(), Some("+1416 5550100"));
        assert_eq!(uri.host().map(Host::to_string).as_deref(), Some("[2001:db8::1]"));
        assert_eq!(uri.port(), Some(5070));
        assert!(uri.is_loose() && uri.has_headers());
    }

    #[test]
    fn tel_numbers_keep_their_parameters_apart() {
        let uri = uri("tel:+1-416-555-0100;ext=12");
        assert_eq!((uri.scheme(), uri.user().as_deref()), (Scheme::Tel, Some("+1-416-555-0100")));
        assert_eq!(Uri::parse("tel:hello"), Err(Malformed));
    }

    #[test]
    fn other_schemes_are_kept_whole() {
        let uri = uri("soap.beep://192.0.2.103:3002");
        assert_eq!((uri.scheme(), uri.user()), (Scheme::Foreign, None));
        assert_eq!(uri.to_string(), "soap.beep://192.0.2.103:3002");
    }

    #[test]
    fn broken_uris_are_refused() {
        for bad in [
            "",
            "sip:",
            "sip:@",
            "sip::pw@host",
            "sip:\"a\"@host",
            "sip:a=\"b\"@host",
            "sip:a@h;x=\"y",
            "sip:a@h;x=\"y\"z",
            "tel:7000;x=\"y\"",
            "tel:%2",
            "a:b=\" ",
            "sip:a@",
            "sip:a@h:99999",
            "sip:a@h:x",
            "sip:a@[::1",
            "sip:a@h; lr",
            "<sip:a@h>",
            "nocolon",
            "1sip:a@h",
            "sip:a@h;;",
            "sip:a b@h",
        ] {
            assert_eq!(Uri::parse(bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn what_is_plain_is_read() {
        for (text, user) in [
            ("sip:@host", None),
            ("sip:100%@h;lr", Some("100%")),
            ("sip:a@h;lr=", Some("a")),
            ("sip:a@h;lr;", Some("a")),
            ("sip:a@h:;lr", Some("a")),
            (r#"sip:a@h;lr;x="a b@<c>?d;e""#, Some("a")),
            (r#"sip:h;lr;x="a@b""#, None),
        ] {
            let uri = uri(text);
            assert_eq!((uri.user().as_deref(), uri.as_str()), (user, text));
            assert!(text == "sip:@host" || uri.is_loose());
        }
        let quoted = uri(r#"sip:a@h;x="a <b>\"""#);
        assert_eq!(quoted.on_request_line(), r#"sip:a@h;x="a%20%3Cb%3E\"""#);
    }

    #[test]
    fn whom_a_number_names_is_found_behind_its_parameters() {
        let cases: [(&str, &[&str]); 13] = [
            ("sip:+14165507000;npdi;rn=+14165550000@h;user=phone", &["+14165507000"]),
            ("sip:7000;phone-context=pbx.example@h", &["7000"]),
            ("sip:5507000;phone-context=+1416@h", &["+14165507000", "5507000"]),
            ("sip:5507000;phone-context=%2B1416@h", &["+14165507000", "5507000"]),
            ("tel:5507000;isub=1;PHONE-CONTEXT=+1416", &["+14165507000", "5507000"]),
            ("sip:+14165507000;cic=+1-0288@h", &["+14165507000"]),
            ("sip:+14165507000;cpc=payphone@h", &["+14165507000"]),
            ("sip:+14165507000;tgrp=x;trunk-context=y@h", &["+14165507000"]),
            ("tel:+14165507000;npdi", &["+14165507000"]),
            ("tel:%2B1-416-550-7000", &["+1-416-550-7000", "+14165507000"]),
            ("sip:%2B14165507000@h", &["+14165507000"]),
            ("sip:%37000:secret@h", &["7000"]),
            ("sip:h", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(uri(text).subscribers().collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn users_are_escaped_and_back() {
        assert_eq!(escape_user("a@b #1\r\n"), "a%40b%20%231%0D%0A");
        assert_eq!(unescape(&escape_user("a@b #1 é")), "a@b #1 é");
        assert_eq!(unescape("100%"), "100%");
    }
}
