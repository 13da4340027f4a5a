//! Message bodies: the session description, also inside multipart, and digits in INFO.
//!
//! Session descriptions are handed on as bytes; reading them is the `sdp` module's work.

use bytes::Bytes;
use partyline_model::Digit;

use super::header::{Headers, Name};
use super::scan::{Params, unquote};
use super::{MAX_HEADERS, Message};

/// RFC 2046 §5.1.1.
const MAX_BOUNDARY: usize = 70;

/// Why a body cannot be taken; both are answered 415.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentError {
    /// A media type that is not application/sdp.
    Type,
    /// A Content-Encoding.
    Encoding,
}

/// What an INFO request carries.
pub enum InfoBody {
    /// One key press.
    Digit(Digit),
    /// A flash of the hook: no key, and nothing that a conference does anything upon.
    Flash,
    /// Content of a kind that carries keys, but no key.
    Garbled,
    /// Nothing, which some peers send to see whether the dialog lives (RFC 6086 §4.2.2).
    Empty,
    /// Anything else.
    Unsupported,
}

impl Message {
    /// Takes the session description out; `None` when there is none.
    pub(crate) fn take_sdp(&mut self) -> Result<Option<Bytes>, ContentError> {
        if self.body.is_empty() {
            return Ok(None);
        }
        if self.headers.items(&Name::ContentEncoding).any(|e| !e.eq_ignore_ascii_case("identity")) {
            return Err(ContentError::Encoding);
        }
        let (media_type, params) = media_type(&self.headers);
        if media_type == "application/sdp" || media_type.is_empty() && self.body.starts_with(b"v=")
        {
            return Ok(Some(std::mem::take(&mut self.body)));
        }
        if media_type.starts_with("multipart/") {
            let boundary = unquote(params.value("boundary").unwrap_or_default());
            if let Some(sdp) = sdp_part(&self.body, &boundary) {
                // A copy: the rest of a long body is not kept for its sake.
                return Ok(Some(Bytes::copy_from_slice(sdp)));
            }
        }
        let optional = self.headers.text(&Name::ContentDisposition).is_some_and(|text| {
            let params = text.find(';').and_then(|at| Params::parse(&text[at..]).ok());
            let handling = params.as_ref().and_then(|p| p.value("handling"));
            handling.is_some_and(|h| h.eq_ignore_ascii_case("optional"))
        });
        if optional { Ok(None) } else { Err(ContentError::Type) }
    }

    /// Reads the body of an INFO and wipes it.
    pub fn take_info(&mut self) -> InfoBody {
        let (media_type, _) = media_type(&self.headers);
        let carried = match media_type.as_str() {
            _ if self.body.iter().all(|b| b.is_ascii_whitespace() || *b == 0) => InfoBody::Empty,
            "application/dtmf-relay" | "application/dtmf" => signal(&self.body),
            "application/hook-flash" => InfoBody::Flash,
            _ => InfoBody::Unsupported,
        };
        self.wipe_body();
        carried
    }
}

/// The session description in the body, also as one of several parts.
pub(super) fn session_description(message: &Message) -> Option<&[u8]> {
    let (media_type, params) = media_type(&message.headers);
    let body = &message.body;
    if media_type == "application/sdp" || media_type.is_empty() && body.starts_with(b"v=") {
        return Some(body).filter(|body| !body.is_empty()).map(|body| &body[..]);
    }
    let boundary = params.value("boundary").filter(|_| media_type.starts_with("multipart/"));
    sdp_part(body, &unquote(boundary?))
}

/// `type/subtype` in lower case, and the parameters.
fn media_type(headers: &Headers) -> (String, Params) {
    let text = headers.text(&Name::ContentType).unwrap_or_default();
    let end = text.find(';').unwrap_or(text.len());
    let params = Params::parse(&text[end..]).unwrap_or_default();
    (text[..end].trim().to_ascii_lowercase(), params)
}

/// The key of application/dtmf-relay, whose `Signal=` line has it, or of application/dtmf, which is
/// nothing but the key. Some senders put the one under the name of the other.
fn signal(body: &[u8]) -> InfoBody {
    let Ok(text) = std::str::from_utf8(body) else { return InfoBody::Garbled };
    // Line ends are CRLF, LF or a CR alone.
    let padding = |c: char| c.is_ascii_whitespace() || c == '\0';
    let lines = text.split(['\r', '\n']).map(|line| line.trim_matches(padding));
    let mut lines = lines.filter(|line| !line.is_empty());
    let named = lines.clone().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value)
    });
    let value = match (named, lines.next(), lines.next()) {
        (Some(value), ..) => value,
        (None, Some(only), None) => only,
        (None, ..) => return InfoBody::Garbled,
    };
    key(value.trim().trim_matches('"'))
}

/// A key by its character, or by its event number (RFC 4733 §3.2) where that has two digits:
/// FreeSWITCH and Asterisk read both, Cisco and most phones write the character. 16 and `!` are a
/// flash, to Asterisk, and `hf` to those that write it into application/hook-flash.
fn key(text: &str) -> InfoBody {
    let mut chars = text.chars();
    let flash = ["!", "16", "f", "hf", "flash", "hookflash"];
    if flash.iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return InfoBody::Flash;
    }
    let digit = match (chars.next(), chars.next(), chars.next()) {
        (Some(c), None, _) => Digit::from_char(c).ok(),
        (Some('0'..='9'), Some('0'..='9'), None) => {
            text.parse().ok().and_then(|code| Digit::from_event(code).ok())
        }
        _ => None,
    };
    digit.map_or(InfoBody::Garbled, InfoBody::Digit)
}

/// The first application/sdp part of a multipart body (RFC 2046 §5.1), not nested.
fn sdp_part<'a>(body: &'a [u8], boundary: &str) -> Option<&'a [u8]> {
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
        return None;
    }
    let delimiter = format!("--{boundary}");
    let mut part = &body[find(body, delimiter.as_bytes())? + delimiter.len()..];
    for _ in 0..MAX_HEADERS {
        let end = find(part, delimiter.as_bytes())?;
        if let Some(sdp) = sdp_of_part(&part[..end]) {
            return Some(sdp);
        }
        part = &part[end + delimiter.len()..];
    }
    None
}

fn sdp_of_part(part: &[u8]) -> Option<&[u8]> {
    let (end, gap) = match find(part, b"\r\n\r\n") {
        Some(at) => (at, 4),
        None => (find(part, b"\n\n")?, 2),
    };
    let head = String::from_utf8_lossy(&part[..end]);
    let is_sdp = head.lines().filter_map(|line| line.split_once(':')).any(|(name, value)| {
        Name::parse(name.trim()) == Name::ContentType
            && value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .eq_ignore_ascii_case("application/sdp")
    });
    // The line end before the next delimiter belongs to the delimiter.
    let content = &part[end + gap..];
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    is_sdp.then(|| content.strip_suffix(b"\r").unwrap_or(content))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Method;

    fn message(content_type: &str, body: &[u8]) -> Message {
        let mut message = Message::request(Method::Info, "sip:a@h");
        message.set_body(content_type, body.to_vec());
        message
    }

    #[test]
    fn sdp_is_found_bare_and_in_multipart() {
        let mut bare = message("Application/SDP;charset=utf-8", b"v=0");
        assert_eq!(bare.take_sdp(), Ok(Some(Bytes::from_static(b"v=0"))));
        let body = b"--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1\r\nc: application/sdp\r\n\r\nv=0\r\ns=-\r\n--b1--\r\n";
        let mut multi = message("multipart/mixed;boundary=\"b1\"", body);
        assert_eq!(multi.take_sdp(), Ok(Some(Bytes::from_static(b"v=0\r\ns=-"))));
    }

    #[test]
    fn other_bodies_are_refused_unless_optional() {
        assert_eq!(message("text/plain", b"x").take_sdp(), Err(ContentError::Type));
        assert_eq!(message("multipart/mixed", b"x").take_sdp(), Err(ContentError::Type));
        let mut optional = message("text/plain", b"x");
        optional.headers.add(Name::ContentDisposition, "icon; handling=optional");
        assert_eq!(optional.take_sdp(), Ok(None));
        let mut packed = message("application/sdp", b"x");
        packed.headers.add(Name::ContentEncoding, "gzip");
        assert_eq!(packed.take_sdp(), Err(ContentError::Encoding));
    }

    #[test]
    fn digits_are_read_in_every_form_seen_and_wiped() {
        let relay = "application/dtmf-relay";
        let cases: [(&str, &[u8], char); 20] = [
            (relay, b"Signal=5\r\nDuration=160\r\n\0", '5'),
            (relay, b"Signal=6\0", '6'),
            (relay, b"Signal=5\r\nDuration=160\r\n", '5'),
            // Cisco
            (relay, b"Signal= 1\r\nDuration= 160\r\n", '1'),
            (relay, b"Signal = 2\r\nDuration = 160", '2'),
            // pjsua leaves the last line end out, others the duration.
            (relay, b"Signal=*\r\nDuration=160", '*'),
            (relay, b"Signal=#", '#'),
            (relay, b"Duration= 160\nsignal = #\n", '#'),
            (relay, b"\r\nSIGNAL=d\rDURATION=0\r", 'D'),
            (relay, b"Signal=10\r\n", '*'),
            (relay, b"Signal=11\r\nDuration=100\r\nVolume=10\r\n", '#'),
            (relay, b"Signal=12\r\n", 'A'),
            (relay, b"Signal=\"7\"\r\n", '7'),
            (relay, b"9", '9'),
            ("Application/DTMF-Relay; charset=utf-8", b"Signal=0\r\n", '0'),
            ("application/dtmf", b"7\r\n", '7'),
            ("application/dtmf", b" * ", '*'),
            ("application/dtmf", b"11", '#'),
            ("application/dtmf", b"09", '9'),
            ("application/dtmf", b"Signal=3\r\n", '3'),
        ];
        for (content_type, body, expected) in cases {
            let mut message = message(content_type, body);
            let InfoBody::Digit(digit) = message.take_info() else {
                panic!("a digit: {content_type} {}", body.escape_ascii())
            };
            assert!(digit.to_char() == expected && message.body.is_empty());
        }
    }

    #[test]
    fn a_flash_is_no_digit_and_garbage_is_neither() {
        let kind = |content_type, body: &[u8]| match message(content_type, body).take_info() {
            InfoBody::Digit(_) => "digit",
            InfoBody::Flash => "flash",
            InfoBody::Garbled => "garbled",
            InfoBody::Empty => "empty",
            InfoBody::Unsupported => "unsupported",
        };
        for flash in [&b"Signal=!"[..], b"Signal=16", b"Signal=hf\r\nDuration=500", b"Signal=Flash"]
        {
            assert_eq!(kind("application/dtmf-relay", flash), "flash");
        }
        assert_eq!(kind("application/hook-flash", b"signal=hf"), "flash");
        assert_eq!(kind("application/dtmf", b"!"), "flash");
        for garbled in [
            &b"Signal="[..],
            b"Signal",
            b"Duration=160\r\n",
            b"Signal=17",
            b"Signal=x",
            b"Signal=55",
            b"Signal=123",
            b"Signal=-1",
            b"5\r\n6",
            b"\xff\xfe",
            b"=",
            b"Signal=\xe2\x82\xac",
        ] {
            assert_eq!(kind("application/dtmf-relay", garbled), "garbled");
        }
        assert_eq!(kind("application/dtmf", b"77x"), "garbled");
        assert_eq!(kind("text/plain", b"5"), "unsupported");
        assert_eq!(kind("text/plain", b""), "empty");
        assert_eq!(kind("application/dtmf", b"\r\n"), "empty");
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_read_without_harm(body: Vec<u8>, relay: bool) {
            let kind = if relay { "application/dtmf-relay" } else { "application/dtmf" };
            let mut message = message(kind, &body);
            message.take_info();
            proptest::prop_assert!(message.body.is_empty());
        }
    }
}
